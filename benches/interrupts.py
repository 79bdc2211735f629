"""How long an interrupt takes: from the request to the reply of the cell that it ends, and to that of the next cell.

    python benches/interrupts.py [path of warpbook]

Three cells that would never end: a kernel on the emulator, a compilation, a Rust cell.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "real_kernels"))
from session import Session  # noqa: E402

REPETITIONS = 10
PTX = """%%ptx endless[64](x)
.version 8.0
.target sm_80
.address_size 64
.visible .entry endless(.param .u64 x)
{
again:
    bra again;
}"""
COMPILATION = "%%triton one[1](x)\n@triton.jit\ndef one(x):\n    tl.store(x, 1.0)\n\nwhile True:\n    pass"
CELLS = {
    "endless kernel": (PTX, "%check x == zeros(4)"),
    "endless compilation": (COMPILATION, "%%triton one[1](x)\n@triton.jit\ndef one(x):\n    tl.store(x, 0.0)"),
    "endless Rust cell": ("loop { std::hint::spin_loop() }", "6 * 7"),
}


def reply(client, request):
    while True:
        message = client.get_shell_msg(timeout=60)
        if message["parent_header"]["msg_id"] == request:
            return message["content"]


def main():
    warpbook = sys.argv[1] if len(sys.argv) > 1 else "target/release/warpbook"
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder, "jupyter")
        subprocess.run([warpbook, "install", "--prefix", prefix], check=True, capture_output=True)
        session = Session(prefix, {"WARPBOOK_PYTHON": sys.executable})
        session.run("%buf x = zeros(4)")
        for name, (endless, following) in CELLS.items():
            ended, worked = [], []
            session.run(following)
            for _ in range(REPETITIONS):
                request = session.client.execute(endless, allow_stdin=False)
                # Long enough for the cell to be in its loop; not part of what is measured.
                time.sleep(0.5)
                start = time.perf_counter()
                session.manager.interrupt_kernel()
                answer = reply(session.client, request)
                ended.append(time.perf_counter() - start)
                assert answer["ename"] == "interrupted", answer
                session.run(following)
                worked.append(time.perf_counter() - start)
            print(f"{name:20} ended after {1e3 * statistics.median(ended):7.1f} ms (worst {1e3 * max(ended):.1f}),"
                  f" next cell done after {1e3 * statistics.median(worked):7.1f} ms (worst {1e3 * max(worked):.1f})",
                  flush=True)
        session.close()


if __name__ == "__main__":
    main()
