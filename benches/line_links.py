"""How much of each stage leads to the stage above it, as `%stages` says, on real kernels.

    cargo build --release --example cells
    python benches/line_links.py target/release/examples/cells PACKAGES

PACKAGES is a directory with liger-kernel and fla-core in it (`pip install --no-deps --target PACKAGES liger-kernel
fla-core`); without it only the kernels below are measured. Needs numpy.
"""

import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MATMUL = """@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    pid = tl.program_id(0)
    columns = tl.cdiv(N, BN)
    rm = (pid // columns) * BM + tl.arange(0, BM)
    rn = (pid % columns) * BN + tl.arange(0, BN)
    rk = tl.arange(0, BK)
    a = a_ptr + rm[:, None] * K + rk[None, :]
    b = b_ptr + rk[:, None] * N + rn[None, :]
    acc = tl.zeros((BM, BN), tl.float32)
    for k in range(0, K, BK):
        acc = tl.dot(tl.load(a), tl.load(b), acc)
        a += BK
        b += BK * N
    tl.store(c_ptr + rm[:, None] * N + rn[None, :], acc.to(tl.float16))
"""
ATTENTION = """@triton.jit
def attention(q_ptr, k_ptr, v_ptr, o_ptr, N, scale, BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    d = tl.arange(0, D)
    q = tl.load(q_ptr + rows[:, None] * D + d[None, :])
    most = tl.full([BM], float("-inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, D], tl.float32)
    for start in range(0, N, BN):
        columns = start + tl.arange(0, BN)
        k = tl.load(k_ptr + columns[None, :] * D + d[:, None])
        s = tl.dot(q, k) * scale
        new = tl.maximum(most, tl.max(s, 1))
        p = tl.exp2(s - new[:, None])
        keep = tl.exp2(most - new)
        total = total * keep + tl.sum(p, 1)
        v = tl.load(v_ptr + columns[:, None] * D + d[None, :])
        acc = tl.dot(p.to(tl.float16), v, acc * keep[:, None])
        most = new
    tl.store(o_ptr + rows[:, None] * D + d[None, :], (acc / total[:, None]).to(tl.float16))
"""


def own():
    """Cells of the kernels of this file."""
    for target in ("sm_80", "sm_90"):
        yield f"matmul {target}", [
            "%buf a = zeros(256, 256, dtype=f16)\n%buf b = zeros(256, 256, dtype=f16)\n%buf c = zeros(256, 256, dtype=f16)",
            f"%%triton matmul[4](a, b, c, 256, 256, 256, BM=128, BN=128, BK=64) --compile --target {target}\n{MATMUL}",
            "%stages matmul",
        ]
        yield f"attention {target}", [
            "\n".join(f"%buf {name} = zeros(256, 64, dtype=f16)" for name in "qkvo"),
            f"%%triton attention[4](q, k, v, o, 256, 0.125, BM=64, BN=64, D=64) --compile --target {target}\n{ATTENTION}",
            "%stages attention",
        ]


def real():
    """Cells of the kernels of tests/real_kernels."""
    sys.path.insert(0, os.path.join(HERE, "..", "tests", "real_kernels"))
    from cases import all_cases

    for name, case in list(all_cases().items())[::4]:
        lines = []
        for buffer, value in case.buffers.items():
            shape = ", ".join(str(extent) for extent in value.shape)
            lines.append(f"%buf {buffer} = zeros({shape}, dtype={value.dtype})")
        function = case.kernel.rsplit(":", 1)[1]
        header = f"%%triton {function}[{case.grid}]({case.call}) --compile --target sm_80 --from {case.kernel}"
        if case.config:
            header += f" --config {case.config}"
        yield name, ["\n".join(lines), header, f"%stages {function}"]


def main():
    binary, packages = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    kernels = list(own()) + (list(real()) if packages else [])
    environment = dict(os.environ, PYTHONPATH=packages or "")
    links = ("SASS → PTX", "PTX → TTGIR", "LLIR → TTGIR", "TTIR → TTGIR", "TTGIR → Python")
    print("| kernel |", " | ".join(links), "|\n|", "---|" * (len(links) + 1))
    totals = {link: [0, 0] for link in links}
    for name, cells in kernels:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("%target sm_80\n----\n" + "\n----\n".join(cells))
            file.flush()
            said = subprocess.run([binary, file.name], capture_output=True, text=True, env=environment, timeout=300).stdout
        found = dict()
        for link, share, linked, count in re.findall(r"linked: (.*?) ([\d.]+) % \((\d+) of (\d+)", said):
            found[link] = share
            totals[link][0] += int(linked)
            totals[link][1] += int(count)
        if not found:
            error = re.search(r"error.*", said)
            print(f"| {name} | {error.group(0) if error else 'nothing'} |")
            continue
        print(f"| {name} |", " | ".join(found.get(link, "") for link in links), "|", flush=True)
    shares = [f"{linked / count * 100:.1f}" if count else "" for linked, count in totals.values()]
    print("| **all operations** |", " | ".join(shares), "|")


main()
