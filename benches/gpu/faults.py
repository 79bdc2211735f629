"""Faults of a kernel, each made many times in a session that holds ten buffers: nothing may be lost."""

import base64
import struct
import threading
import time

from notebook import CellError, Notebook

BUFFERS = 10
# Elements of what is large: 256 MiB of f32.
LARGE = 1 << 26

PTX = """.version 8.0
.target sm_{capability}
.address_size 64
.visible .entry {name}(.param .u64 p, .param .u64 q, .param .u64 where{more})
{{
    .reg .pred %p<2>;
    .reg .b32 %r<4>;
    .reg .b64 %rd<5>;
    ld.param.u64 %rd1, [p];
    ld.param.u64 %rd2, [q];
    ld.param.u64 %rd4, [where];
    mov.u32 %r1, %tid.x;
    // Two buffers are spoilt before the fault.
    mul.wide.u32 %rd3, %r1, 4;
    add.u64 %rd1, %rd1, %rd3;
    add.u64 %rd2, %rd2, %rd3;
    mov.b32 %r2, 0x7fc00000;
    st.global.b32 [%rd1], %r2;
    st.global.b32 [%rd2], %r2;
    {fault}
    ret;
}}
"""

# A third buffer, which the kernel was not given, is spoilt by every thread.
WILD = "add.u64 %rd3, %rd4, %rd3;\n    st.global.b32 [%rd3], %r2;"

# What is done besides, the address that goes with it, and what the error has to say.
KINDS = {
    "illegal address": ("st.global.b32 [%rd4], %r2;", 1 << 46, ("not allocated", "illegal", "outside")),
    "misaligned address": ("add.u64 %rd2, %rd2, 1;\n    st.global.b32 [%rd2], %r2;", 0, ("align", "divide")),
    "illegal instruction": (None, 0, ("illegal there",)),
    "trap": ("trap;", 0, ("trap",)),
    "assertion": (None, 0, ("assert",)),
    "wild write, then trap": (f"{WILD}\n    bar.sync 0;\n    trap;", "victim", ("trap",)),
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


def kernel(name, fault, capability=90, more=""):
    return PTX.format(name=name, fault=fault, capability=capability, more=more)


def with_illegal_instruction(cubin, name):
    """The cubin with an instruction that no hardware has in the place of the kernel's first EXIT."""
    image = bytearray(cubin)
    # The ELF header's section table, and the names of sections.
    table, = struct.unpack_from("<Q", image, 0x28)
    size, count, names = struct.unpack_from("<HHH", image, 0x3A)

    def section(index):
        where = table + index * size
        return struct.unpack_from("<I", image, where)[0], struct.unpack_from("<QQ", image, where + 0x18)

    _, (strings, _) = section(names)
    for index in range(count):
        at, (offset, length) = section(index)
        label = bytes(image[strings + at:image.index(b"\0", strings + at)]).decode()
        if label != f".text.{name}":
            continue
        for place in range(offset, offset + length, 16):
            # 12 bits of opcode, 4 of the predicate: EXIT, always.
            if struct.unpack_from("<H", image, place)[0] == 0x794D:
                struct.pack_into("<H", image, place, 0x7FFF)
                return bytes(image)
    raise ValueError("the cubin has no EXIT")


def illegal_cell(notebook, name):
    """A launch of a kernel with an illegal instruction, without its arguments."""
    notebook.run(f"%%ptx {name}[2](b0, b1, 0) --threads 128 --compile\n{kernel(name, '')}")
    _, cell, _ = notebook.facts(f"%edit cubin {name}")
    body = cell.partition("\n")[2]
    lines = [line for line in body.splitlines() if line.strip() and not line.startswith(("#", "//"))]
    broken = with_illegal_instruction(base64.b64decode("".join(lines)), name)
    text = base64.encodebytes(broken).decode()
    return f"%%cubin {name}[2]({{arguments}}) --threads 128\n{text}"


def run_interrupted(notebook, cell):
    """Runs a cell that does not end, and interrupts it."""
    timer = threading.Timer(0.5, notebook.manager.interrupt_kernel)
    timer.start()
    try:
        notebook.run(cell)
    finally:
        timer.cancel()


def contents(notebook):
    return [notebook.bytes_of(f"b{i}", "f32") for i in range(BUFFERS)]


def make(notebook):
    for index in range(BUFFERS):
        notebook.run(f"%buf b{index} = randn({1000 + 4096 * index}, seed={index})")


def wild_writes_hit(notebook):
    """That the wild write really reaches a buffer that the kernel was not given; the buffers are made anew."""
    notebook.run("%let victim = b5.data_ptr()")
    text = notebook.run(f"%%ptx wild[2](b0, b1, victim) --threads 128\n{kernel('wild', WILD)}")
    hit = [line.split()[0] for line in text.splitlines() if "elements changed" in line]
    print(f"a wild write without a fault changes {', '.join(hit)}: b5 was not given to the kernel", flush=True)
    make(notebook)
    return [] if hit == ["b0", "b1", "b5"] else [f"the wild write changed {hit}"]


def run(options):
    with Notebook(options) as notebook:
        make(notebook)
        problems = wild_writes_hit(notebook)
        # One buffer holds what a kernel made: no initialiser makes it again.
        notebook.run(f"%%ptx touch[1](b0, b9, 0) --threads 128\n{kernel('touch', '')}")
        wanted = contents(notebook)
        for kind in KINDS:
            if kind == "illegal instruction" and options.stand_in:
                print(f"{kind:22} skipped: what stands in for the GPU runs the PTX")
                continue
            wanted, found = one_kind(notebook, options, kind, wanted)
            problems += found
        problems += memory(notebook, options, wanted)
        large = LARGE >> (8 if options.stand_in else 0)
        problems += cost(notebook, large)
        problems += rebuilt(notebook, options, large // 4)
    return problems


def one_kind(notebook, options, kind, wanted):
    """One kind of fault, as often as asked; what the buffers hold, and problems."""
    problems = []
    fault, where, words = KINDS[kind]
    name = "k_" + "".join(c if c.isalnum() else "_" for c in kind)
    made = kept = told = located = 0
    spent = []
    illegal = illegal_cell(notebook, name) if kind == "illegal instruction" else None
    for number in range(options.rounds):
        option = " --timeout 0.5" if "timeout" in kind else ""
        spoilt = f"b{number % BUFFERS}, b{(number + 3) % BUFFERS}"
        if where == "victim":
            notebook.run(f"%let victim = b{(number + 5) % BUFFERS}.data_ptr()")
        cell = f"%%ptx {name}[2]({spoilt}, {where}) --threads 128{option}\n{kernel(name, fault or '')}"
        if kind == "assertion":
            cell = f"%%triton asserted[1]({spoilt}, debug=True)\n{ASSERT}"
        if illegal:
            cell = illegal.format(arguments=f"{spoilt}, 0")
        if kind == "host killed":
            # Between two cells: the next one has to find everything as it was.
            notebook.kill_host(options.device)
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
    return wanted, problems


def memory(notebook, options, wanted):
    """More memory than the device has: scratch of a launch, which the device is asked for, and a buffer."""
    told, text = 0, ""
    cell = ("%%ptx hungry[100](b0, b1, 0) --threads 128 --scratch 4000000000/128\n"
            + kernel("hungry", "", more=", .param .u64 scratch"))
    for _ in range(options.rounds):
        try:
            notebook.run(cell)
        except CellError as error:
            text = str(error)
            told += "has no memory left" in text and "CUDA_ERROR_OUT_OF_MEMORY" in text
    print(f"--- out of memory\n{text}\n---")
    huge = 0
    try:
        notebook.run("%buf huge = empty(1000000000000, dtype=u8)")
    except CellError as error:
        huge = "memory" in str(error)
    kept = contents(notebook) == wanted
    print(f"{'out of memory':22} told {told:3} of {options.rounds}, buffers kept: {kept}; a buffer of 1 TB is refused: "
          f"{bool(huge)}")
    return [] if kept and huge and told == options.rounds else ["out of memory"]


def launch_time(notebook, cell, times=15):
    found = sorted(notebook.facts(cell)[2] for _ in range(times))
    return found[len(found) // 2] * 1e3


def cost(notebook, large):
    """What keeping copies costs a launch: %launch with little and with much in the session."""
    before = launch_time(notebook, "%launch touch")
    notebook.run(f"%buf large = randn({large}, seed=1)")
    notebook.run("%launch touch")
    after = launch_time(notebook, "%launch touch")
    notebook.run("%launch touch[1](large, b9, 0)")
    # Each of these changes one buffer of 256 MiB, which is copied to the host.
    notebook.run(f"%%ptx add_one[1](large, b9, 0) --threads 128\n{kernel('add_one', ADD_ONE)}")
    written = launch_time(notebook, "%launch add_one", 7)
    print(f"{'cost of copies':22} %launch to idle {before:.2f} ms with {BUFFERS} small buffers, {after:.2f} ms with "
          f"{large >> 18} MiB more (read by a digest on the GPU, not copied), {written:.0f} ms where the launch writes into those")
    notebook.run("%free large")
    return []


ADD_ONE = """ld.global.b32 %r3, [%rd1+512];
    add.u32 %r3, %r3, 1;
    st.global.b32 [%rd1+512], %r3;"""


def rebuilt(notebook, options, large):
    """Buffers with no room for a copy: made again from recipes and launches, or named."""
    problems = []
    notebook.run("%config snapshots 64 KiB")
    names = ("recipe", "written", "b0", "b9")
    notebook.run(f"%buf recipe = randn({large}, seed=7)\n%buf written = zeros({large})")
    notebook.run(f"%%ptx fill[1](written, b9, 0) --threads 128\n{kernel('fill', '')}")
    wanted = [notebook.bytes_of(name, "f32") for name in names]
    kept = 0
    spent = []
    rounds = min(options.rounds, 5)
    for number in range(rounds):
        start = time.perf_counter()
        try:
            notebook.run(f"%%ptx lost[2](recipe, written, 0) --threads 128\n{kernel('lost', 'trap;')}")
            problems.append("the trap ended well")
        except CellError as error:
            text = str(error)
        spent.append(time.perf_counter() - start)
        if number == 0:
            print(f"--- no room for copies\n{text}\n---")
        now = [notebook.bytes_of(name, "f32") for name in names]
        kept += now == wanted
    print(f"{'no room for copies':22} made {rounds:3}, buffers made again {kept:3}, cell {sorted(spent)[len(spent) // 2] * 1e3:.0f} ms "
          f"(median; two buffers of {large >> 18} MiB, one from its initialiser, one by launching its kernel again)")
    notebook.run("%config snapshots default\n%free recipe written")
    return problems + ([] if kept == rounds else [f"made again only {kept} of {rounds}"])
