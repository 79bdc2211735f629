"""Two GPUs in one session: buffers and kernels on both, comparisons, faults on one that leave the other alone."""

import subprocess
import time

from faults import PTX
from kernels import ADD, MATMUL
from notebook import CellError, Notebook

N = 1 << 20
# Buffers on each of the two GPUs, and one on the emulator.
EACH = 5


def gpus():
    """How many GPUs there are."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.splitlines())


class Checks:
    """What has to be so, printed as it is found."""

    def __init__(self):
        self.problems = []

    def __call__(self, what, holds, detail=""):
        print(f"{'ok  ' if holds else 'FAIL'} {what}" + (f": {detail}" if detail else ""), flush=True)
        if not holds:
            self.problems.append(what)


def run(options):
    second = options.second
    if not options.stand_in and gpus() < 2:
        print(f"skipped: this machine has {gpus()} GPU(s), and two are needed")
        return []
    checks = Checks()
    with Notebook(options) as notebook:
        for index in range(EACH):
            notebook.run(f"%buf x{index} = randn({N + index}, seed={index}) --device {options.device}")
            notebook.run(f"%buf y{index} = randn({N + index}, seed={index}) --device {second}")
        notebook.run("%buf host = randn(1000, seed=9) --device emu")
        notebook.run(f"%buf out_x = zeros({N}) --device {options.device}\n%buf out_y = zeros({N}) --device {second}")
        print(notebook.run("%bufs"))
        launches(notebook, options, checks)
        comparisons(notebook, options, checks)
        moves(notebook, options, checks)
        faults(notebook, options, checks)
    return checks.problems


def launches(notebook, options, checks):
    """The same kernel on both, each on what lives there."""
    first, second = options.device, options.second
    notebook.run(f"%%triton add[{N // 1024}](x0, x1, out_x, {N}, BLOCK=1024)\n{ADD}")
    try:
        notebook.run(f"%launch add[{N // 1024}](y0, y1, out_y, {N}, BLOCK=1024)")
        checks("a launch refuses buffers of the other GPU", False)
    except CellError as error:
        checks("a launch refuses buffers of the other GPU", "--on" in str(error) and "%move" in str(error))
        print(error)
    text = notebook.run(f"%launch add[{N // 1024}](y0, y1, out_y, {N}, BLOCK=1024) --on {second}")
    checks(f"--on {second} launches there", f"· {second} " in text)
    same = notebook.bytes_of("out_x", "f32") == notebook.bytes_of("out_y", "f32")
    checks("both GPUs give the same bits", same)
    notebook.run(f"%check out_x == x0 + x1[:{N}]")
    notebook.run(f"%device {second} --keep")
    notebook.run(f"%launch add[{N // 1024}](y1, y2, out_y, {N}, BLOCK=1024)")
    notebook.run(f"%check out_y == y1[:{N}] + y2[:{N}]")
    checks("a kernel compiled on one runs on the other with `%device`", True)
    notebook.run(f"%device {first} --keep")


def comparisons(notebook, options, checks):
    """Both GPUs and the emulator, bit for bit, from buffers that live apart."""
    first, second = options.device, options.second
    devices = f"{first},{second},emu"
    notebook.run(f"%launch add[{N // 1024}](x0, x1, out_x, {N}, BLOCK=1024)\n%buf out_x = zeros({N})")
    text = notebook.run(f"%compare add --devices {devices}")
    print(text)
    checks("%compare add", "bit-identical on every device" in text)
    size = 256
    notebook.run(f"%buf a = randn({size}, {size}, dtype=f16, seed=1)\n%buf b = randn({size}, {size}, dtype=f16, seed=2)\n"
                 f"%buf c = zeros({size}, {size}, dtype=f16)")
    notebook.run(f"%%triton matmul[4](a, b, c, {size}, {size}, {size}, BM=128, BN=128, BK=64, GROUP=8, PRECISION='ieee', "
                 f"num_warps=8)\n{MATMUL}")
    notebook.run(f"%buf c = zeros({size}, {size}, dtype=f16) --device emu\n%move b {second}")
    text = notebook.run(f"%compare matmul --devices {devices}")
    print(text)
    checks("%compare of a matmul whose buffers live on three devices", "bit-identical on every device" in text)
    notebook.run("%free a b c")


def moves(notebook, options, checks):
    """Bytes there and back."""
    notebook.run(f"%buf large = randn(16777216, seed=3) --device {options.device}")
    wanted = notebook.bytes_of("large", "f32")
    spent = []
    for _ in range(3):
        for place in (options.second, options.device):
            start = time.perf_counter()
            notebook.run(f"%move large {place}")
            spent.append(time.perf_counter() - start)
    checks("64 MiB moved to the other GPU and back, three times, are the same", notebook.bytes_of("large", "f32") == wanted,
           f"{sorted(spent)[len(spent) // 2] * 1e3:.0f} ms (median)")
    notebook.run("%free large")


def faults(notebook, options, checks):
    """Faults and kills of one GPU's process: the other keeps its process, its buffers stay where they were."""
    names = [f"{side}{index}" for side in "xy" for index in range(EACH)] + ["out_x", "out_y", "host"]
    facts = lambda: {one["name"]: one for one in notebook.facts("%bufs")[0]["buffers"]}  # noqa: E731
    wanted = [notebook.bytes_of(name, "f32") for name in names]
    counts = {}
    for number in range(2 * options.rounds):
        device, other, own = ((options.device, options.second, "x"), (options.second, options.device, "y"))[number % 2]
        kind = ("trap", "illegal address", "host killed", "endless")[number // 2 % 4]
        before, hosts = facts(), notebook.hosts()
        fault, where = {"trap": ("trap;", 0), "illegal address": ("st.global.b32 [%rd4], %r2;", 1 << 46),
                        "host killed": ("trap;", 0), "endless": ("$again:\n    bra $again;", 0)}[kind]
        if kind == "host killed":
            notebook.kill_host(device)
        text = PTX.format(name="spoil", fault=fault, capability=options.capability, more="")
        timeout = " --timeout 0.3" if kind == "endless" else ""
        try:
            notebook.run(f"%%ptx spoil[2]({own}0, {own}3, {where}) --threads 128 --on {device}{timeout}\n{text}")
            checks(f"{kind} on {device}", False, "it ended well")
            continue
        except CellError as error:
            said = str(error)
        if number < 2:
            print(said)
        after, now = facts(), [notebook.bytes_of(name, "f32") for name in names]
        stayed = all(after[name]["address"] == before[name]["address"] for name in before
                     if before[name]["device"] != device)
        kept = now == wanted
        alive = notebook.hosts()[other] == hosts[other]
        good = f"{device} was started again" in said and stayed and kept and alive
        made, fine = counts.get((kind, device), (0, 0))
        counts[kind, device] = made + 1, fine + good
        if not good:
            wrong = [name for name, a, b in zip(names, now, wanted) if a != b]
            checks(f"{kind} on {device}", False, f"{wrong} changed, others stayed: {stayed}, other process kept: {alive}\n{said}")
            wanted = now
    for (kind, device), (made, fine) in sorted(counts.items()):
        checks(f"{kind:16} on {device}: made {made:2}, all buffers the same and the other GPU's process untouched {fine:2}",
               made == fine)
    # The current device was never the second one; launches on both go on.
    launches(notebook, options, checks)
