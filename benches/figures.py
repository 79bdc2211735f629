"""Every figure that Warpbook is measured by, in one run on one machine.

    cargo build --release
    python benches/figures.py [path of warpbook]

Needs the packages of Warpbook's managed environment (triton, numpy, jupyter_client, ipykernel). Start to ready and the
empty cell stand beside ipykernel's, a TTGIR edit beside a bare `triton.compile` of the same text, the emulated matmul
beside Triton's interpreter. What is compared takes turns, or runs right after each other.
"""

import datetime
import importlib.metadata
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "real_kernels"))
sys.path.insert(0, str(HERE))

import kernel_latency  # noqa: E402

from session import Session  # noqa: E402

EDITS = 9
CAPABILITY = 80
MATMUL = """@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, K, N, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    accumulator = tl.zeros((BM, BN), dtype=tl.float32)
    for start in range(0, K, BK):
        a = tl.load(a_ptr + rows[:, None] * K + (start + k)[None, :])
        b = tl.load(b_ptr + (start + k)[:, None] * N + columns[None, :])
        accumulator = tl.dot(a, b, accumulator)
    tl.store(c_ptr + rows[:, None] * N + columns[None, :], accumulator.to(tl.float16))"""


def buffers(size):
    return (f"%buf a = randn({size}, {size}, dtype=f16, seed=1)\n%buf b = randn({size}, {size}, dtype=f16, seed=2)\n"
            f"%buf c = empty({size}, {size}, dtype=f16)")


def launch(size, options=""):
    return (f"%%triton matmul[{size} // BM, {size} // BN](a, b, c, {size}, {size}, BM=128, BN=128, BK=64, "
            f"num_warps=8){options}\n{MATMUL}")


def run(session, cell):
    """Runs a cell; (seconds from the request to reply and idle, reply, facts of its result)."""
    results = []

    def collect(message):
        if message["msg_type"] == "execute_result":
            results.append(message["content"]["data"].get("application/vnd.warpbook+json"))

    start = kernel_latency.time.perf_counter()
    reply = session.client.execute_interactive(cell, timeout=300, output_hook=collect, allow_stdin=False)
    elapsed = kernel_latency.time.perf_counter() - start
    if reply["content"]["status"] != "ok":
        sys.exit(f"{cell.splitlines()[0]}\n" + "\n".join(reply["content"]["traceback"]))
    return elapsed, reply["content"], results[-1] if results else None


def edits(session):
    """Seconds of TTGIR edits, to the result of a launch of four blocks, and of bare compilations of the same texts."""
    run(session, buffers(256))
    run(session, launch(256))
    _, reply, _ = run(session, "%edit ttgir matmul")
    cell = next(payload["text"] for payload in reply["payload"] if payload["source"] == "set_next_input")
    header, _, text = cell.partition("\n")
    bare = subprocess.Popen([sys.executable, str(HERE / "bare_compile.py"), str(CAPABILITY)], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(EDITS + 1):
            edited, count = re.subn(r"dense<0\.0+e\+00>", f"dense<{number + 1}.0>", text)
            if not count:
                sys.exit("the TTGIR has no zero constant to edit")
            ours.append(run(session, f"{header}\n{edited}")[0])
            path = Path(folder, f"edited{number}.ttgir")
            path.write_text(edited)
            bare.stdin.write(f"{path}\n")
            bare.stdin.flush()
            theirs.append(float(bare.stdout.readline()))
    bare.stdin.close()
    bare.wait()
    # The first ones load LLVM's target.
    return ours[1:], theirs[1:]


def matmul(session, size):
    """Seconds of the emulated launch (median of five), and of Triton's interpreter."""
    run(session, buffers(size))
    _, _, facts = run(session, launch(size, " --bench 5"))
    run(session, "%check c == a @ b, rtol=1e-2, atol=0.25")
    ours = statistics.median(facts["launch"]["samples_nanoseconds"]) / 1e9
    script = [sys.executable, str(HERE / "interpreter_matmul.py"), str(size)]
    answer = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    return ours, float(re.search(r":\s*([\d.]+)", answer).group(1))


def line(what, ours, theirs, name, unit=1e3):
    ratio = theirs / ours
    print(f"{what:44} {ours * unit:9.2f} ms   {name} {theirs * unit:9.2f} ms   {ratio:6.1f} times as fast", flush=True)


def main():
    warpbook = sys.argv[1] if len(sys.argv) > 1 else "target/release/warpbook"
    version = subprocess.run([warpbook, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    model = next((row.partition(":")[2].strip() for row in Path("/proc/cpuinfo").read_text().splitlines()
                  if row.startswith("model name")), platform.machine())
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("triton", "ipykernel"))
    print(f"{datetime.date.today()}  {version}, {packages}\n{os.cpu_count()} × {model}\n")
    commands = {"warpbook": [warpbook, "kernel", "--connection-file"],
                "ipykernel": [sys.executable, "-m", "ipykernel_launcher", "-f"]}
    ready, cells = kernel_latency.measure(commands)
    line(f"start to ready (median of {kernel_latency.STARTS})", statistics.median(ready["warpbook"]),
         statistics.median(ready["ipykernel"]), "ipykernel")
    line(f"empty cell, request to idle (median of {kernel_latency.CELLS})", statistics.median(cells["warpbook"]),
         statistics.median(cells["ipykernel"]), "ipykernel")
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder, "jupyter")
        subprocess.run([warpbook, "install", "--prefix", prefix], check=True, capture_output=True)
        # Nothing that an earlier run compiled.
        session = Session(prefix, {"XDG_CACHE_HOME": folder, "WARPBOOK_PYTHON": sys.executable})
        run(session, f"%target sm_{CAPABILITY}")
        ours, theirs = edits(session)
        line(f"TTGIR edit to result, sm_{CAPABILITY} (median of {EDITS})", statistics.median(ours),
             statistics.median(theirs), "bare compile")
        for size in (512, 1024):
            line(f"emulated f16 matmul {size}³, sm_{CAPABILITY} (median of 5)", *matmul(session, size), "interpreter")
        session.close()
    print("\nThe edit is compiled to PTX and launched on the emulator; the bare compilation ends with ptxas instead.")


if __name__ == "__main__":
    main()
