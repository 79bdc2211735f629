"""Faults of a kernel, each made many times in a session that holds ten buffers: nothing may be lost."""

import subprocess
import threading
import time

from notebook import CellError, Notebook

BUFFERS = 10

PTX = """.version 8.0
.target sm_90
.address_size 64
.visible .entry {name}(.param .u64 p, .param .u64 q, .param .u64 where)
{{
    .reg .pred %p<2>;
    .reg .b32 %r<4>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [p];
    ld.param.u64 %rd2, [q];
    ld.param.u64 %rd3, [where];
    mov.u32 %r1, %tid.x;
    // Two buffers are spoilt before the fault.
    mul.wide.u32 %rd3, %r1, 4;
    add.u64 %rd1, %rd1, %rd3;
    add.u64 %rd2, %rd2, %rd3;
    mov.b32 %r2, 0x7fc00000;
    st.global.b32 [%rd1], %r2;
    st.global.b32 [%rd2], %r2;
    ld.param.u64 %rd3, [where];
    {fault}
    ret;
}}
"""

# What is written besides, and what the error has to say.
KINDS = {
    "illegal address": ("st.global.b32 [%rd3], %r2;", 1 << 46, ("not allocated", "illegal", "outside")),
    "misaligned address": ("add.u64 %rd2, %rd2, 1;\n    st.global.b32 [%rd2], %r2;", 0, ("align", "divide")),
    "illegal instruction": ("trap;", 0, ("illegal", "trap")),
    "assertion": (None, 0, ("assert",)),
    "host killed": ("trap;", 0, ("trap", "launch failure")),
    "endless, interrupted": ("$again:\n    bra $again;", 0, ("interrupt",)),
    "endless, --timeout": ("$again:\n    bra $again;", 0, ("--timeout",)),
}


ASSERT = """@triton.jit
def asserted(p, q):
    i = tl.arange(0, 128)
    tl.store(p + i, tl.load(q + i) * 0 + float("nan"))
    tl.device_assert(tl.load(q + i) < -1e30, "as it has to")
"""


def kernel(name, fault):
    return PTX.format(name=name, fault=fault)


def run_interrupted(notebook, cell):
    """Runs a cell that does not end, and interrupts it."""
    timer = threading.Timer(1.0, notebook.manager.interrupt_kernel)
    timer.start()
    try:
        notebook.run(cell)
    finally:
        timer.cancel()


def contents(notebook):
    return [notebook.bytes_of(f"b{i}", "f32") for i in range(BUFFERS)]


def run(options):
    problems = []
    with Notebook(options) as notebook:
        for index in range(BUFFERS):
            notebook.run(f"%buf b{index} = randn({1000 + 4096 * index}, seed={index})")
        # One buffer holds what a kernel made: no recipe makes it again.
        notebook.run(f"%%ptx touch[1](b0, b9, 0) --threads 128\n{kernel('touch', '')}")
        wanted = contents(notebook)
        for kind, (fault, where, words) in KINDS.items():
            name = "k_" + "".join(c if c.isalnum() else "_" for c in kind)
            made = kept = told = located = 0
            spent = []
            for number in range(options.rounds):
                option = " --timeout 0.5" if "timeout" in kind else ""
                spoilt = f"b{number % BUFFERS}, b{(number + 3) % BUFFERS}"
                cell = f"%%ptx {name}[2]({spoilt}, {where}) --threads 128{option}\n{kernel(name, fault)}"
                if fault is None:
                    cell = f"%%triton asserted[1]({spoilt}, debug=True)\n{ASSERT}"
                if kind == "host killed":
                    # Between two cells: the next one has to find everything as it was.
                    subprocess.run(["pkill", "-9", "-f", "device-host cuda"], check=True)
                    cell = f"%%ptx {name}[2](b0, b9, 0) --threads 128\n{kernel(name, 'trap;')}"
                start = time.perf_counter()
                try:
                    run_interrupted(notebook, cell) if "interrupted" in kind else notebook.run(cell)
                    problems.append(f"{kind}: round {number} ended well")
                    continue
                except CellError as error:
                    made += 1
                    text = str(error)
                spent.append(time.perf_counter() - start)
                told += any(word in text.lower() for word in words)
                located += "found by the same launch on the emulator" in text
                if number == 0:
                    print(f"--- {kind}\n{text}\n---", flush=True)
                # The next cell has to work, and every buffer has to be what it was.
                notebook.run("%bufs")
                now = contents(notebook)
                kept += now == wanted
                if now != wanted:
                    wrong = [f"b{i}" for i in range(BUFFERS) if now[i] != wanted[i]]
                    problems.append(f"{kind}: round {number}: {', '.join(wrong)} changed")
                    wanted = now
            spent.sort()
            median = spent[len(spent) // 2] if spent else 0.0
            print(f"{kind:22} made {made:3}, buffers kept {kept:3}, told {told:3}, located {located:3}, "
                  f"cell {median * 1e3:7.0f} ms (median)", flush=True)
            if told < made:
                problems.append(f"{kind}: the error did not say what it was")
        problems += memory(notebook, options, wanted)
        problems += cost(notebook)
    return problems


def memory(notebook, options, wanted):
    """A buffer larger than the device."""
    told = 0
    for _ in range(options.rounds):
        try:
            notebook.run("%buf huge = empty(1000000000000, dtype=u8)")
        except CellError as error:
            told += "memory" in str(error)
    kept = contents(notebook) == wanted
    print(f"{'out of memory':22} told {told:3} of {options.rounds}, buffers kept: {kept}")
    return [] if kept and told == options.rounds else ["out of memory"]


def cost(notebook):
    """What keeping copies costs a launch: %launch with little and with much in the session."""
    def launch():
        times = sorted(notebook.facts("%launch touch")[2] for _ in range(15))
        return times[7] * 1e3

    before = launch()
    notebook.run("%buf large = randn(67108864, seed=1)")
    notebook.run("%launch touch")
    after = launch()
    print(f"{'cost of copies':22} %launch to idle {before:.2f} ms with {BUFFERS} small buffers, {after:.2f} ms with 256 MiB more "
          "(read by a digest on the GPU, not copied)")
    return []
