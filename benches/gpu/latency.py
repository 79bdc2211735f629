"""What a launch costs the host, what a person waits for, and agreement with Triton's own benchmarks."""

import functools
import importlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

from kernels import ADD, EMPTY, MANY, MANY_NAMES, MATMUL, SOFTMAX
from notebook import Notebook

# Largest difference to `do_bench` that needs no explanation.
AGREEMENT = 0.03
ROUNDS = 3
# Host submit against a bare loop of driver calls.
SUBMIT = 1.15


@functools.cache
def as_module():
    """The campaign's kernels as a module on disk: Triton reads their source from there."""
    sys.path.insert(0, tempfile.mkdtemp())
    sources = (EMPTY, MANY, ADD, SOFTMAX, MATMUL)
    Path(sys.path[0], "campaign_kernels.py").write_text(
        "import triton\nimport triton.language as tl\n\n" + "\n\n".join(sources))
    return importlib.import_module("campaign_kernels")


def triton_side():
    """Triton's own launcher (host, without waiting), and its benchmarks of the kernels, in microseconds."""
    import torch

    k = as_module()

    def submit(launch):
        for _ in range(50):
            launch()
        torch.cuda.synchronize()
        best = []
        for _ in range(7):
            start = time.perf_counter()
            for _ in range(200):
                launch()
            best.append((time.perf_counter() - start) / 200 * 1e6)
            torch.cuda.synchronize()
        return min(best)

    x = torch.zeros(1024, device="cuda")
    numbers = list(range(2, 20))
    return {
        "submit": [submit(lambda: k.empty[(1,)]()), submit(lambda: k.many[(1,)](x, *numbers))],
        "runner": runner(submit, x, numbers),
    }


def their_time(name):
    """`do_bench` and `do_bench_cudagraph` of one of the cases, in microseconds."""
    import torch
    from triton.testing import do_bench, do_bench_cudagraph

    launch = their_launch(name)
    launch()
    found = (do_bench(launch, warmup=50, rep=100, return_mode="median") * 1e3,
             do_bench_cudagraph(launch, rep=50, return_mode="median") * 1e3)
    del launch
    torch.cuda.empty_cache()
    return found


def runner(submit, x, numbers):
    """triton-runner's launcher for the same kernel, or why not."""
    try:
        import triton_runner

        kernel = triton_runner.jit(as_module().many.fn)
        return submit(lambda: kernel[(1,)](x, *numbers))
    except Exception as error:  # noqa: BLE001 its own business
        return f"{type(error).__name__}: {error}".splitlines()[0][:100]


# name, buffers, launch; the same for both sides. From some microseconds to some milliseconds.
CASES = [
    ("add 2^16", "add", 1 << 16),
    ("add 2^20", "add", 1 << 20),
    ("add 2^26", "add", 1 << 26),
    ("softmax 4096²", "softmax", 4096),
    ("matmul 2048³", "matmul", 2048),
    ("matmul 8192³", "matmul", 8192),
    ("matmul 11264³", "matmul", 11264),
]


def their_launch(name):
    """A launch of the case by Triton, on tensors of its own."""
    import torch

    k = as_module()

    _, kernel, size = next(case for case in CASES if case[0] == name)
    if kernel == "add":
        x, y = (torch.randn(size, device="cuda") for _ in range(2))
        out = torch.empty_like(x)
        return lambda: k.add[(size // 1024,)](x, y, out, size, BLOCK=1024)
    if kernel == "softmax":
        x = torch.randn(size, size, device="cuda")
        out = torch.empty_like(x)
        return lambda: k.softmax[(size,)](x, out, size, BLOCK=size, num_warps=8)
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.float16) for _ in range(2))
    c = torch.empty_like(a)
    grid = (size // 128 * (size // 256),)
    return lambda: k.matmul[grid](a, b, c, size, size, size, BM=128, BN=256, BK=64, GROUP=8, PRECISION="ieee",
                                  num_warps=8, num_stages=3)


def cell(kernel, size):
    """Buffers and launch of the same on our side."""
    if kernel == "add":
        return (f"%buf x = randn({size}, seed=1)\n%buf y = randn({size}, seed=2)\n%buf out = empty({size})",
                f"%%triton add[{size // 1024}](x, y, out, {size}, BLOCK=1024) --bench\n{ADD}")
    if kernel == "softmax":
        return (f"%buf x = randn({size}, {size}, seed=1)\n%buf out = empty({size}, {size})",
                f"%%triton softmax[{size}](x, out, {size}, BLOCK={size}, num_warps=8) --bench\n{SOFTMAX}")
    grid = size // 128 * (size // 256)
    return (f"%buf a = randn({size}, {size}, dtype=f16, seed=1)\n%buf b = randn({size}, {size}, dtype=f16, seed=2)\n"
            f"%buf c = empty({size}, {size}, dtype=f16)",
            f"%%triton matmul[{grid}](a, b, c, {size}, {size}, {size}, BM=128, BN=256, BK=64, GROUP=8, "
            f"PRECISION='ieee', num_warps=8, num_stages=3) --bench\n{MATMUL}")


def person(notebook):
    """%launch from request to idle, with its parts."""
    times, parts, inner = [], [], []
    for _ in range(41):
        facts, _, elapsed = notebook.facts("%launch many")
        times.append(elapsed * 1e3)
        launch = facts["launch"]
        parts.append(launch["parts_nanoseconds"])
        asked, host, gpu = parts[-1]["launch"], launch["host_nanoseconds"], launch["nanoseconds"]
        inner.append((asked, asked - host, host - gpu, gpu))
    named = {name: statistics.median(part[name] for part in parts) / 1e3 for name in parts[0]}
    print(f"%launch, Shift-Enter to idle: {statistics.median(times):.2f} ms (median of {len(times)}); of it in the kernel "
          "process: " + ", ".join(f"{name} {value:.0f} µs" for name, value in named.items()))
    asked, messages, submit, gpu = (statistics.median(column) / 1e3 for column in zip(*inner))
    print(f"a launch asked from the kernel process to its completion: {asked:.1f} µs; of it request and reply over the socket "
          f"{messages:.1f} µs, driver (submit, events, wait) {submit:.1f} µs, between the events on the GPU {gpu:.1f} µs")


def run(options):
    problems = []
    theirs = triton_side()
    with Notebook(options) as notebook:
        notebook.run("%buf x = zeros(1024)")
        notebook.run(f"%%triton empty[1]()\n{EMPTY}")
        numbers = ", ".join(str(i) for i in range(2, 20))
        rows = []
        for call, source, arguments in (("empty[1]()", EMPTY, 0),
                                        (f"many[1](x, {numbers})", MANY, len(MANY_NAMES))):
            facts, _, _ = notebook.facts(f"%%triton {call} --bench\n{source}")
            rows.append((arguments, *facts["launch"]["timing"]["submit_nanoseconds"]))
        for (arguments, ours, bare), triton in zip(rows, theirs["submit"]):
            print(f"host submit, {arguments:2} arguments: {ours / 1e3:6.2f} µs; bare cuLaunchKernel {bare / 1e3:6.2f} µs "
                  f"(ratio {ours / bare:.2f}); Triton's launcher {triton:6.2f} µs", flush=True)
            if ours > SUBMIT * bare:
                problems.append(f"submit with {arguments} arguments: {ours / bare:.2f} times a bare launch")
        print(f"triton-runner's launcher, 19 arguments: {theirs['runner']}")
        person(notebook)
        print(f"{'kernel':16} {'ours':>10} {'do_bench':>10} {'ratio':>6}   {'graph':>10} {'do_bench_cudagraph':>18} {'ratio':>6}")
        for name, kernel, size in CASES:
            buffers, launch = cell(kernel, size)
            notebook.run(buffers)
            rounds = []
            # By turns: clocks and temperature move.
            for turn in range(ROUNDS):
                facts, _, _ = notebook.facts(launch if turn == 0 else f"%launch {kernel} --bench")
                timing = facts["launch"]["timing"]
                rounds.append((statistics.median(facts["launch"]["samples_nanoseconds"]) / 1e3,
                               timing["graph_nanoseconds"] / 1e3, *their_time(name)))
            ours, graph, bench, captured = (statistics.median(column) for column in zip(*rounds))
            notes = [f"SM clock {timing['sm_clock_mhz'][0]} to {timing['sm_clock_mhz'][1]} MHz"] + facts["warnings"]
            print(f"{name:16} {ours:7.1f} µs {bench:7.1f} µs {ours / bench:6.3f}   {graph:7.1f} µs {captured:15.1f} µs "
                  f"{graph / captured:6.3f}   {'; '.join(notes)}", flush=True)
            # At the power limit the clock depends on what ran before: whoever comes after a pause is faster.
            held_down = any("held down" in note or "went from" in note for note in notes)
            if abs(ours / bench - 1) > AGREEMENT and not held_down:
                problems.append(f"{name}: {ours:.1f} µs against do_bench's {bench:.1f}")
    return problems
