"""How long an interrupt takes: from the request to the reply of the cell that it ends, and to that of the next cell.

    python benches/interrupts.py [path of warpbook] [--ptx MEGABYTES] [--moments 12] [--only-ptx]

Three cells that would never end: a kernel on the emulator, a compilation, a Rust cell. Then a cell of very long PTX, which is
interrupted at moments spread over the time that it takes: while it is read, decoded, and launched.
"""

import argparse
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
        message = client.get_shell_msg(timeout=120)
        if message["parent_header"]["msg_id"] == request:
            return message["content"]


def long_ptx(megabytes, number):
    """A kernel of so many megabytes; another text for each number, so that nothing is known of it."""
    line = "add.f32 %f{}, %f{}, %f{};"
    count = int(1e6 * megabytes / 26.6)
    body = "\n".join(line.format(at % 64, at * 7 % 64, at * 13 % 64) for at in range(count))
    return (
        f"%%ptx long[1](x)\n// {number}\n.version 8.0\n.target sm_80\n.address_size 64\n.visible .entry long(.param .u64 x)\n{{\n"
        f".reg .f32 %f<64>;\n.reg .b64 %rd<2>;\nld.param.u64 %rd1, [x];\n{body}\nst.global.f32 [%rd1], %f1;\nret;\n}}"
    )


def interrupt_long_ptx(start_session, megabytes, moments):
    """Interrupts the cell at moments of its time, each in a session of its own: a session keeps every version's text."""
    text = long_ptx(megabytes, 0)
    with start_session() as session:
        start = time.perf_counter()
        session.run(text, timeout=600)
        whole = time.perf_counter() - start
    ended = []
    for number in range(1, moments):
        session = start_session()
        request = session.client.execute(long_ptx(megabytes, number), allow_stdin=False)
        time.sleep(whole * number / moments)
        start = time.perf_counter()
        session.manager.interrupt_kernel()
        answer = reply(session.client, request)
        # The last moments may come after the end.
        if answer["status"] == "error":
            assert answer["ename"] == "interrupted", answer
            ended.append(time.perf_counter() - start)
        session.close()
    print(f"{len(text) / 1e6:.0f} MB of PTX, {whole:.1f} s uninterrupted: ended after {statistics.median(ended):.2f} s, "
          f"worst {max(ended):.2f} s, of {len(ended)} moments", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("warpbook", nargs="?", default="target/release/warpbook")
    parser.add_argument("--ptx", type=float, default=100, help="megabytes of PTX")
    parser.add_argument("--moments", type=int, default=12)
    parser.add_argument("--only-ptx", action="store_true")
    options = parser.parse_args()
    warpbook = options.warpbook
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder, "jupyter")
        subprocess.run([warpbook, "install", "--prefix", prefix], check=True, capture_output=True)

        def start_session():
            session = Session(prefix, {"WARPBOOK_PYTHON": sys.executable})
            session.run("%buf x = zeros(4)")
            return session

        session = start_session()
        for name, (endless, following) in CELLS.items() if not options.only_ptx else ():
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
        interrupt_long_ptx(start_session, options.ptx, options.moments)


if __name__ == "__main__":
    main()
