"""Every view of real kernels, over the real protocol: no error, light in a notebook, and lines that lead on.

    warpbook install --prefix PREFIX
    python views.py --prefix PREFIX --packages DIR [--only NAME,…]

Matmuls through `mma.sync`, `wgmma` with TMA and (by Triton 3.6, where that is installed) `tcgen05`, attention, and
kernels of packages. Prints a line per kernel; the exit status is 1 if a view failed, is heavier than it may be, or the
lines of a stage lead on less often than they should.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from session import CellError, Session

# Bytes that an output may have in a committed notebook.
HEAVIEST_HTML, HEAVIEST_TEXT = 1_000_000, 4096
# Shares of a stage's operations that lead on.
LEAST = {"SASS → PTX": 1.0, "PTX → TTGIR": 0.9, "TTGIR → Python": 0.9}
FACTS = "application/vnd.warpbook+json"

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
TMA_MATMUL = """@triton.jit
def matmul(a, b, c, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    row, column = tl.program_id(0) * BM, tl.program_id(1) * BN
    acc = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        acc = tl.dot(a.load([row, k]), b.load([k, column]), acc)
    c.store([row, column], acc.to(tl.float16))
"""
TMA_CALL = "matmul[2, 2](tma(a, [128, 64]), tma(b, [64, 128]), tma(c, [128, 128]), 256, BM=128, BN=128, BK=64, num_warps=4)"
BUFFERS = "\n".join(f"%buf {name} = randn(256, 256, dtype=f16, seed={at})" for at, name in enumerate("abc"))


@dataclass
class Kernel:
    """A kernel that is looked at."""

    name: str
    # The name that views call it by.
    function: str
    # Cells that make it.
    cells: list
    target: str = "sm_80"
    other: str = "sm_90"
    triton: str = ""
    # Whether the emulator runs it.
    launched: bool = True
    # A variable to dump, and a claim about its PTX.
    variable: str = ""
    claim: str = "CHECK: ret;"
    more: list = field(default_factory=list)


def own():
    """The kernels of this file."""
    header = "matmul[4](a, b, c, 256, 256, 256, BM=128, BN=128, BK=64)"
    for target, other in (("sm_80", "sm_90"), ("sm_90", "sm_80")):
        claim = "CHECK-COUNT-8: mma.sync" if target == "sm_80" else "CHECK: wgmma.mma_async"
        yield Kernel(f"matmul {target}", "matmul", [f"%target {target}\n{BUFFERS}", f"%%triton {header} --target {target}\n{MATMUL}"],
                     target, other, variable="acc", claim=claim, more=["%mma matmul"])
        buffers = "\n".join(f"%buf {name} = randn(256, 64, dtype=f16, seed={at})" for at, name in enumerate("qkvo"))
        launch = f"%%triton attention[4](q, k, v, o, 256, 0.125, BM=64, BN=64, D=64) --target {target}\n{ATTENTION}"
        yield Kernel(f"attention {target}", "attention", [f"%target {target}\n{buffers}", launch], target, other, variable="p", claim=claim,
                     more=["%mma attention"])
    tma = ["%layout matmul #shared", "%mma matmul", "%tma matmul"]
    yield Kernel("matmul sm_90 TMA", "matmul", [f"%target sm_90\n{BUFFERS}", f"%%triton {TMA_CALL} --target sm_90\n{TMA_MATMUL}"],
                 "sm_90", "sm_80", variable="acc", claim="CHECK: cp.async.bulk.tensor.2d", more=tma)


def blackwell():
    """A matmul for Blackwell's tensor cores."""
    cell = f"%%triton {TMA_CALL} --target sm_100 --triton 3.6.0 --compile\n{TMA_MATMUL}"
    return Kernel("matmul sm_100 tcgen05", "matmul", [BUFFERS, cell], "sm_100", "sm_90", "3.6.0", launched=False,
                  claim="CHECK: tcgen05.mma")


def of_packages(names):
    """Kernels of packages, without the values that numpy checks elsewhere."""
    from cases import all_cases

    variables = {"rms_norm_forward": "X_row", "softmax_forward": "y", "scaled_dot_kkt": "b_A", "jensen_shannon": "X",
                 "chunk_output": "b_o", "global_cumsum_reversed": "b_s"}
    for name, case in all_cases().items():
        if names is not None and name not in names:
            continue
        lines = []
        for buffer, value in case.buffers.items():
            shape = ", ".join(str(extent) for extent in value.shape)
            lines.append(f"%buf {buffer} = zeros({shape}, dtype={value.dtype})")
        function = case.kernel.rsplit(":", 1)[1]
        header = f"%%triton {function}[{case.grid}]({case.call}) --target sm_80 --from {case.kernel}"
        if case.config:
            header += f" --config {case.config}"
        yield Kernel(name, function, ["\n".join(lines), header], variable=variables.get(name, ""))


def views(kernel):
    """The cells that look at a kernel."""
    name = kernel.function
    yield from (f"{view} {name}" for view in ("%stages", "%passes", "%sass", "%resources", "%layout"))
    yield f"%diff {name} --targets {kernel.other}" + ("" if kernel.launched else " --static")
    yield f"%%expect ptx {name}\n{kernel.claim}"
    if kernel.launched:
        yield from (f"{view} {name}" for view in ("%counters", "%timeline"))
        yield f"%passes {name} --from coalesce"
        if kernel.variable:
            yield f"%dump {name}@1 {kernel.variable}"
    yield from kernel.more


class Notebook:
    """Cells and the forms of their results."""

    def __init__(self, options):
        self.session = Session(options.prefix, {"PYTHONPATH": str(options.packages)})
        self.client = self.session.client

    def bundle(self, cell):
        """The result of a cell in all its forms."""
        found = {}

        def collect(message):
            if message["msg_type"] in ("execute_result", "display_data"):
                found.update(message["content"]["data"])

        reply = self.client.execute_interactive(cell, timeout=300, output_hook=collect, allow_stdin=False)
        content = reply["content"]
        if content["status"] != "ok":
            raise CellError("\n".join(content["traceback"]))
        return found


def looked_at(notebook, kernel):
    """Makes a kernel and opens each of its views: (problems, heaviest HTML and its view, links)."""
    problems, heaviest, links = [], (0, ""), []
    for cell in kernel.cells:
        notebook.bundle(cell)
    for cell in views(kernel):
        first = cell.splitlines()[0]
        try:
            bundle = notebook.bundle(cell)
        except CellError as error:
            problems.append(f"{first}\n{error}")
            continue
        html, text = (len(bundle.get(kind, "").encode()) for kind in ("text/html", "text/plain"))
        heaviest = max(heaviest, (html, first))
        if not bundle.get("text/plain"):
            problems.append(f"{first}: nothing came")
        if html > HEAVIEST_HTML or text > HEAVIEST_TEXT:
            problems.append(f"{first}: {html} bytes of HTML, {text} of text")
        if first.startswith("%stages"):
            links = bundle[FACTS]["links"]
    return problems, heaviest, links


def share(link):
    """How much of a link's operations lead on, by their own place or through what uses them."""
    return (link["linked"] + link["by_use"]) / link["operations"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", required=True, type=Path, help="where the kernel is installed")
    parser.add_argument("--packages", required=True, type=Path, help="where the packages are installed")
    parser.add_argument("--triton", default="", help="versions besides the default that are installed")
    parser.add_argument("--only", default="", help="only these kernels, by name")
    options = parser.parse_args()
    options.packages = options.packages.resolve()
    kernels = [*own(), *of_packages(("rms_norm_forward", "softmax_forward", "jensen_shannon", "scaled_dot_kkt",
                                     "chunk_output"))]
    if "3.6.0" in options.triton.split(","):
        kernels.append(blackwell())
    else:
        print("SKIPPED: tcgen05 needs Triton 3.6.0")
    if options.only:
        kernels = [kernel for kernel in kernels if kernel.name in options.only.split(",")]

    def look(kernel):
        # One kernel's versions are not another's.
        notebook = Notebook(options)
        started = time.monotonic()
        try:
            return (*looked_at(notebook, kernel), time.monotonic() - started)
        except CellError as error:
            return [str(error)], (0, ""), [], time.monotonic() - started
        finally:
            notebook.session.close()

    failed = 0
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(look, kernels))
    for kernel, (problems, (bytes_of, heaviest), links, seconds) in zip(kernels, found):
        for link in links:
            if share(link) < LEAST.get(link["link"], 0):
                problems.append(f"{link['link']}: {share(link):.3f} of the operations; the rest: {link['rest']}")
        shares = ", ".join(f"{link['link']} {link['linked'] / link['operations']:.3f}+{link['by_use'] / link['operations']:.3f}"
                           for link in links)
        print(f"{'FAIL' if problems else 'ok':5} {kernel.name:22} {seconds:5.1f} s  heaviest {bytes_of} B ({heaviest})  {shares}")
        for problem in problems:
            print("      " + problem.strip().replace("\n", "\n      "), flush=True)
        failed += bool(problems)
    print(f"{len(kernels)} kernels looked at\nfailed: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
