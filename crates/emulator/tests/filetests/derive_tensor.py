"""Filetests of matrices: fragments, tensor maps, `wgmma`, tensor memory. See derive.py."""

import random
import re
from fractions import Fraction

from derive import FORMATS, HERE, bits_of, encode, file, write

LANES = 32

# Matrix elements: small integers and halves, whose sums are exact in every type.


def elements(ty, count, seed):
    generator = random.Random(f"{ty} {count} {seed}")
    if ty in ("s8", "u8"):
        return [generator.randrange(-9, 10) if ty == "s8" else generator.randrange(10) for _ in range(count)]
    if ty == "e2m1":
        return [Fraction(generator.choice([0, 1, 2, 3, 4, 6, 8, 12, -1, -2, -3, -4, -6, -8, -12]), 2) for _ in range(count)]
    return [Fraction(generator.randrange(-8, 9), 2) for _ in range(count)]


E2M1 = [Fraction(value, 2) for value in (0, 1, 2, 3, 4, 6, 8, 12)]


def code(ty, value):
    if ty in ("s8", "u8"):
        return value & 0xFF
    if ty == "e2m1":
        return E2M1.index(abs(value)) | (8 if value < 0 else 0)
    return encode("f32", value) if ty == "tf32" else encode(ty, value)


WIDTH = {"e2m1": 4, "tf32": 32, "s8": 8, "u8": 8}


def width(ty):
    return WIDTH.get(ty) or bits_of(ty)


def product(a, b, m, n, k, add=lambda i, j: 0):
    """a is m × k by rows, b is n × k by columns."""
    return [[add(i, j) + sum(a[i * k + l] * b[j * k + l] for l in range(k)) for j in range(n)] for i in range(m)]


def words(values, ty):
    """Elements packed into words of 32 bits, the first in the lowest bits."""
    per = 32 // width(ty)
    return [sum(code(ty, value) << width(ty) * i for i, value in enumerate(values[at : at + per])) for at in range(0, len(values), per)]


def result(ty, value):
    return int(value) & 0xFFFFFFFF if ty == "s32" else encode(ty, Fraction(value))


def load(name, index, register, count, stride):
    lines = [f"ld.param.u64 %rd{index}, [{name}];", f"mad.wide.u32 %rd{index}, %r0, 4, %rd{index};"]
    return lines + [f"ld.global.b32 %r{register + i}, [%rd{index}+{stride * i}];" for i in range(count)]


def group(first, count):
    return "{" + ", ".join(f"%r{first + i}" for i in range(count)) + "}"


def mma_form(form, parts):
    """mma.sync: fragments by lanes, PTX ISA 9.7.14.5."""
    if parts[0] != "mma":
        return False
    shape = re.fullmatch(r"m(\d+)n(\d+)k(\d+)", parts[3])
    m, n, k = map(int, shape.groups())
    types = [part for part in parts[6:] if part in FORMATS or part in ("s8", "u8", "s32", "tf32", "e2m1")]
    d_type, a_type, b_type, _ = types
    if d_type == "f64":
        return mma_f64(form, m, n, k)
    if d_type not in ("f32", "s32"):
        return False
    scaled = "block_scale" in parts
    vector = {"scale_vec::1X": 32, "scale_vec::2X": 32, "scale_vec::4X": 16}[next(p for p in parts if p.startswith("scale_vec"))] if scaled else k
    a, b = elements(a_type, m * k, 1), elements(b_type, n * k, 2)
    groups = k // vector
    generator = random.Random(form)
    exponents = lambda rows: [[generator.choice([-1, 0, 1]) if scaled else 0 for _ in range(groups)] for _ in range(rows)]
    sa, sb = exponents(m), exponents(n)
    scale = lambda table, row, l: Fraction(2) ** table[row][l // vector]
    add = lambda i, j: i - 2 * j
    exact = [[add(i, j) + sum(a[i * k + l] * scale(sa, i, l) * b[j * k + l] * scale(sb, j, l) for l in range(k)) for j in range(n)] for i in range(m)]
    per = 32 // width(a_type)
    aw, bw = words(a, a_type), words(b, b_type)
    row = k // per
    fragment = lambda table, first, part: [table[(first + lane // 4) * row + 4 * part + lane % 4] for lane in range(LANES)]
    a_regs = [fragment(aw, 8 * (r & 1), r >> 1) for r in range(4)]
    b_regs = [fragment(bw, 0, r) for r in range(2)]
    place = lambda r, lane: (lane // 4 + 8 * (r // 2), lane % 4 * 2 + r % 2)
    c_regs = [[result(d_type, add(*place(r, lane))) for lane in range(LANES)] for r in range(4)]
    d_regs = [[result(d_type, exact[place(r, lane)[0]][place(r, lane)[1]]) for lane in range(LANES)] for r in range(4)]
    flat = lambda registers: [value for register in registers for value in register]
    buffers = [("out", 32, 128, None, flat(d_regs)), ("a", 32, 128, flat(a_regs), None), ("b", 32, 64, flat(b_regs), None), ("c", 32, 128, flat(c_regs), None)]
    lines = ["mov.u32 %r0, %tid.x;"] + load("out", 0, 0, 0, 128) + load("a", 1, 10, 4, 128) + load("b", 2, 20, 2, 128) + load("c", 3, 30, 4, 128)
    scales = ""
    if scaled:
        # A row's scales lie in lane 4 · (row % 8) + row / 8 of the chosen pair, a column's in the chosen lane of its four.
        byte = lambda exponent: (0x38 + 8 * exponent if form.endswith("ue4m3") else 127 + exponent)
        pack = lambda exponents: sum(byte(exponent) << 8 * i for i, exponent in enumerate(exponents))
        sa_reg = [pack(sa[lane // 4 + 8 * (lane % 2)]) if lane % 4 < 2 else 0 for lane in range(LANES)]
        sb_reg = [pack(sb[lane // 4]) if lane % 4 == 0 else 0 for lane in range(LANES)]
        buffers += [("sa", 32, 32, sa_reg, None), ("sb", 32, 32, sb_reg, None)]
        lines += load("sa", 4, 40, 1, 128) + load("sb", 5, 41, 1, 128)
        scales = ", %r40, {0, 0}, %r41, {0, 0}"
    lines.append(f"{form} {group(30, 4)}, {group(10, 4)}, {group(20, 2)}, {group(30, 4)}{scales};")
    lines += [f"st.global.b32 [%rd0+{128 * r}], %r{30 + r};" for r in range(4)]
    target = "sm_120a" if "kind::" in form else "sm_90"
    sm = target[3:].rstrip("a")
    file(form, "small numbers, whose sums are exact.", buffers, "\n".join(lines), launch=f"block=32 sm={sm}", target=target)
    return True


def mma_f64(form, m, n, k):
    generator = random.Random(form)
    a = [Fraction(generator.randrange(-99, 99), 4) for _ in range(m * k)]
    b = [Fraction(generator.randrange(-99, 99), 4) for _ in range(n * k)]
    exact = product(a, b, m, n, k, lambda i, j: i - j)
    f64 = lambda value: encode("f64", Fraction(value))
    halves = m // 8
    a_regs = [[f64(a[(lane // 4 + 8 * (r % halves)) * k + r // halves * 4 + lane % 4]) for lane in range(LANES)] for r in range(m * k // 32)]
    b_regs = [[f64(b[lane // 4 * k + r * 4 + lane % 4]) for lane in range(LANES)] for r in range(n * k // 32)]
    place = lambda r, lane: (lane // 4 + 8 * (r // 2), lane % 4 * 2 + r % 2)
    c_regs = [[f64(place(r, lane)[0] - place(r, lane)[1]) for lane in range(LANES)] for r in range(m // 4)]
    d_regs = [[f64(exact[place(r, lane)[0]][place(r, lane)[1]]) for lane in range(LANES)] for r in range(m // 4)]
    flat = lambda registers: [value for register in registers for value in register]
    sets = [("out", None, flat(d_regs), 0), ("a", a_regs, None, 10), ("b", b_regs, None, 20), ("c", c_regs, None, 30)]
    buffers, lines = [], ["mov.u32 %r0, %tid.x;"]
    for index, (name, registers, after, first) in enumerate(sets):
        count = len(registers) if registers else len(d_regs)
        buffers.append((name, 64, 32 * count, flat(registers) if registers else None, after))
        lines += [f"ld.param.u64 %rd{index}, [{name}];", f"mad.wide.u32 %rd{index}, %r0, 8, %rd{index};"]
        lines += [f"ld.global.b64 %rd{first + i}, [%rd{index}+{256 * i}];" for i in range(count) if registers]
    vector = lambda first, count: "{" + ", ".join(f"%rd{first + i}" for i in range(count)) + "}"
    lines.append(f"{form} {vector(30, m // 4)}, {vector(10, len(a_regs))}, {vector(20, len(b_regs))}, {vector(30, m // 4)};")
    lines += [f"st.global.b64 [%rd0+{256 * r}], %rd{30 + r};" for r in range(m // 4)]
    file(form, "quarters, whose sums are exact.", buffers, "\n".join(lines))
    return True


def matrix_form(form, parts):
    """ldmatrix and stmatrix: row r of matrix i has the address of lane 8 · i + r."""
    if parts[0] not in ("ldmatrix", "stmatrix"):
        return False
    count, transposed = int(parts[4][1:]), "trans" in parts
    generator = random.Random(form)
    matrices = [[[generator.getrandbits(16) for _ in range(8)] for _ in range(8)] for _ in range(count)]
    memory = [matrix[row][2 * pair] | matrix[row][2 * pair + 1] << 16 for matrix in matrices for row in range(8) for pair in range(4)]

    def register(matrix, lane):
        row, column = lane // 4, lane % 4 * 2
        at = lambda i, j: matrix[j][i] if transposed else matrix[i][j]
        return at(row, column) | at(row, column + 1) << 16

    registers = [register(matrix, lane) for matrix in matrices for lane in range(LANES)]
    size = 32 * count
    lines = ["mov.u32 %r0, %tid.x;", "mov.u32 %r1, box;", "mad.lo.u32 %r2, %r0, 4, %r1;", f"rem.u32 %r3, %r0, {8 * count};", "mad.lo.u32 %r3, %r3, 16, %r1;"]
    lines += load("out", 0, 0, 0, 128) + load("a", 1, 10, count, 128)
    if parts[0] == "ldmatrix":
        lines += [f"st.shared.b32 [%r2+{128 * i}], %r{10 + i};" for i in range(count)] + ["bar.sync 0;", f"{form} {group(20, count)}, [%r3];"]
        before, after = memory, registers
    else:
        lines += [f"{form} [%r3], {group(10, count)};", "bar.sync 0;"] + [f"ld.shared.b32 %r{20 + i}, [%r2+{128 * i}];" for i in range(count)]
        before, after = registers, memory
    lines += [f"st.global.b32 [%rd0+{128 * i}], %r{20 + i};" for i in range(count)]
    file(form, "8 × 8 matrices of 16 bits.", [("out", 32, size, None, after), ("a", 32, size, before, None)], "\n".join(lines), declarations=".shared .align 16 .b8 box[512];")
    return True


def core_matrices(values, ty, rows, k):
    """K-major without swizzle: core matrices of 8 rows of 16 bytes; those along k side by side, then those along rows."""
    per = 128 // width(ty)
    ordered = []
    for first in range(0, rows, 8):
        for part in range(k // per):
            for row in range(8):
                at = (first + row) * k + part * per
                ordered += values[at : at + per]
    return words(ordered, ty)


def told(lines, first, count, after, threads):
    """Registers go to `out`; where there are many, a sum of them with odd weights, which tells each place from each other."""
    if count <= 16:
        lines += [f"st.global.b32 [%rd0+{4 * threads * i}], %r{first + i};" for i in range(count)]
        return after
    lines.append("mov.b32 %r12, 0;")
    lines += [f"mad.lo.u32 %r12, %r{first + i}, {2 * i + 1}, %r12;" for i in range(count)] + ["st.global.b32 [%rd0], %r12;"]
    return [sum((2 * i + 1) * after[i * threads + thread] for i in range(count)) & 0xFFFFFFFF for thread in range(threads)]


def fill(name, index, base, total, threads, rank=None):
    """A buffer of words to shared memory, from `base` on; with a register of its rank, each block has its own part."""
    lines = [f"ld.param.u64 %rd{index}, [{name}];", f"mad.wide.u32 %rd{index}, %r0, 4, %rd{index};"]
    lines += [f"mad.wide.u32 %rd{index}, {rank}, {4 * total}, %rd{index};"] if rank else []
    for first in range(0, total, threads):
        guard = ""
        if total - first < threads:
            lines.append(f"setp.lt.u32 %p9, %r0, {total - first};")
            guard = "@%p9 "
        lines += [f"{guard}ld.global.b32 %r3, [%rd{index}+{4 * first}];", f"{guard}st.shared.b32 [%r2+{base + 4 * first}], %r3;"]
    return lines


def wgmma_form(form, parts):
    if parts[:2] != ["wgmma", "mma_async"]:
        return False
    n, k = map(int, re.fullmatch(r"m64n(\d+)k(\d+)", parts[4]).groups())
    d_type, a_type, b_type = [part for part in parts[5:] if part != "satfinite"]
    a, b = elements(a_type, 64 * k, 1), elements(b_type, n * k, 2)
    exact = product(a, b, 64, n, k)
    halves = d_type == "f16"
    count = n // 4 if halves else n // 2
    after = []
    for register in range(count):
        for thread in range(128):
            warp, lane = divmod(thread, 32)
            if halves:
                row, column = 16 * warp + lane // 4 + 8 * (register % 2), register // 2 * 8 + lane % 4 * 2
                after.append(encode("f16", exact[row][column]) | encode("f16", exact[row][column + 1]) << 16)
            else:
                row, column = 16 * warp + lane // 4 + 8 * (register // 2 % 2), register // 4 * 8 + lane % 4 * 2 + register % 2
                after.append(result(d_type, exact[row][column]))
    aw, bw = core_matrices(a, a_type, 64, k), core_matrices(b, b_type, n, k)
    # 32 bytes of k are two core matrices, 128 bytes apart; groups of 8 rows are 256 apart.
    lines = ["mov.u32 %r0, %tid.x;", "mov.u32 %r1, box;", "mad.lo.u32 %r2, %r0, 4, %r1;"]
    lines += fill("a", 1, 0, len(aw), 128) + fill("b", 2, 2048, len(bw), 128)
    lines += ["ld.param.u64 %rd0, [out];", "mad.wide.u32 %rd0, %r0, 4, %rd0;", "fence.proxy.async.shared::cta;", "bar.sync 0;"]
    lines += ["bfe.u32 %r4, %r1, 4, 14;", "cvt.u64.u32 %rd3, %r4;", f"or.b64 %rd4, %rd3, {(128 >> 4) << 16 | (256 >> 4) << 32};", f"add.s64 %rd5, %rd4, {2048 >> 4};"]
    lines += [f"mov.b32 %r{20 + i}, 0;" for i in range(count)]
    signs = "" if d_type == "s32" else ", 1, 1" + (", 0, 0" if width(a_type) == 16 else "")
    lines += ["wgmma.fence.sync.aligned;", f"{form} {group(20, count)}, %rd4, %rd5, 0{signs};", "wgmma.commit_group.sync.aligned;", "wgmma.wait_group.sync.aligned 0;"]
    after = told(lines, 20, count, after, 128)
    buffers = [("out", 32, len(after), None, after), ("a", 32, len(aw), aw, None), ("b", 32, len(bw), bw, None)]
    file(form, "from shared memory, K-major, without swizzle.", buffers, "\n".join(lines), launch="block=128 sm=90", target="sm_90a", declarations=".shared .align 1024 .b8 box[16384];")
    return True


# Tensor memory.


def place(shape, lane, register):
    """Row and column of a register of a lane (PTX ISA 9.7.16.2.3)."""
    if shape == "32x32b":
        return lane, register
    if shape == "16x32bx2":
        return lane % 16, register
    if shape == "16x64b":
        return lane // 4 + 8 * (lane % 2), lane // 2 % 2 + 2 * register
    if shape == "16x128b":
        return lane // 4 + 8 * (register % 2), lane % 4 + 4 * (register // 2)
    return lane // 4 + 8 * (register // 2 % 2), register % 2 + 2 * (lane % 4) + 8 * (register // 4)


ALLOCATE = """setp.lt.u32 %p1, %r0, 32;
@%p1 tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [slot], {columns};
@%p1 tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;
bar.sync 0;
ld.shared.b32 %r5, [slot];
// Each warp has its own quarter of the lanes.
shr.u32 %r6, %r0, 5;
shl.b32 %r6, %r6, 21;
add.u32 %r6, %r6, %r5;"""

RELEASE = """bar.sync 0;
@%p1 tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r5, {columns};"""


def tensor_access_form(form, parts):
    """Numbers are written by one form and read by the other: `.32x32b` is that which needs no explanation."""
    if parts[0] != "tcgen05" or parts[1] not in ("ld", "st"):
        return False
    shape, count = parts[4], int(parts[5][1:])
    each = {"16x128b": 2, "16x256b": 4}.get(shape, 1) * count
    rows = 32 if shape == "32x32b" else 16
    # Cells of a warp's lanes by row and column; the upper half of `.16x32bx2` is as far on as there are registers.
    second = each if shape == "16x32bx2" else 0
    columns = max(place(shape, lane, register)[1] for lane in range(LANES) for register in range(each)) + 1 + second
    # By words: row and column of warp 0, all warps alike but for their number.
    cell = lambda warp, row, column: warp << 24 | row << 12 | column
    allocated = max(32, 1 << (columns - 1).bit_length())
    own = {}
    for lane in range(LANES):
        for register in range(each):
            row, column = place(shape, lane, register)
            own[lane, register] = row, column + (second if shape == "16x32bx2" and lane >= 16 else 0)
    by_lane = [[cell(warp, *own[lane, register]) for warp in range(4) for lane in range(LANES)] for register in range(each)]
    half = f", {second}" if shape == "16x32bx2" else ""
    lines = ["mov.u32 %r0, %tid.x;", *ALLOCATE.format(columns=allocated).splitlines()]
    lines += ["ld.param.u64 %rd0, [out];", "mad.wide.u32 %rd0, %r0, 4, %rd0;", "shr.u32 %r7, %r0, 5;", "shl.b32 %r7, %r7, 24;", "and.b32 %r8, %r0, 31;"]
    # A narrow form reads and writes at most 32 columns at a time.
    step = min(32, columns)
    if parts[1] == "ld":
        lines += ["shl.b32 %r9, %r8, 12;", "or.b32 %r9, %r9, %r7;"]
        for first in range(0, columns, step):
            lines += [f"or.b32 %r{20 + i}, %r9, {first + i};" for i in range(step)]
            lines.append(f"tcgen05.st.sync.aligned.32x32b.x{step}.b32 [%r6+{first}], {group(20, step)};")
        lines += ["tcgen05.wait::st.sync.aligned;", f"{form} {group(20, each)}, [%r6]{half};", "tcgen05.wait::ld.sync.aligned;"]
        after = told(lines, 20, each, [value for register in by_lane for value in register], 128)
        buffers = [("out", 32, len(after), None, after)]
    else:
        # A lane's first cell, and what each register adds to that: both by the form's own picture.
        firsts = [by_lane[0][thread] for thread in range(128)]
        steps = {tuple(by_lane[register][thread] - firsts[thread] for register in range(each)) for thread in range(128)}
        assert len(steps) == 1
        lines += ["ld.param.u64 %rd1, [a];", "mad.wide.u32 %rd1, %r0, 4, %rd1;", "ld.global.b32 %r9, [%rd1];"]
        lines += [f"add.u32 %r{20 + i}, %r9, {step};" for i, step in enumerate(steps.pop())]
        # What the form leaves alone is zero.
        lines += ["mov.b32 %r10, 0;"] + [f"tcgen05.st.sync.aligned.32x32b.x1.b32 [%r6+{i}], {{%r10}};" for i in range(columns if rows == 16 else 0)]
        lines += ["tcgen05.wait::st.sync.aligned;", f"{form} [%r6]{half}, {group(20, each)};", "tcgen05.wait::st.sync.aligned;"]
        lines.append("mov.b32 %r12, 0;")
        for first in range(0, columns, step):
            lines += [f"tcgen05.ld.sync.aligned.32x32b.x{step}.b32 {group(150, step)}, [%r6+{first}];", "tcgen05.wait::ld.sync.aligned;"]
            lines += [f"mad.lo.u32 %r12, %r{150 + i}, {2 * (first + i) + 1}, %r12;" for i in range(step)]
        lines.append("st.global.b32 [%rd0], %r12;")
        written = set(own.values())
        after = [sum((2 * column + 1) * cell(warp, lane, column) for column in range(columns) if (lane, column) in written) & 0xFFFFFFFF for warp in range(4) for lane in range(LANES)]
        buffers = [("out", 32, 128, None, after), ("a", 32, 128, firsts, None)]
    lines += RELEASE.format(columns=allocated).splitlines()
    file(form, "each word says its warp, lane and column.", buffers, "\n".join(lines), launch="block=128 sm=100", target="sm_100a", declarations=".shared .align 4 .b32 slot;")
    return True


KINDS = {
    "kind::f16": ("f16", "f16", 16, 0, 0), "kind::tf32": ("tf32", "tf32", 8, 2, 2), "kind::f8f6f4": ("e4m3", "e5m2", 32, 0, 1),
    "kind::mxf8f6f4": ("e4m3", "e4m3", 32, 0, 0), "kind::mxf4": ("e2m1", "e2m1", 64, 1, 1), "kind::mxf4nvf4": ("e2m1", "e2m1", 64, 1, 1),
}


# By pairs of blocks, as Triton 3.9's Gluon emits them, and with scales.
FORMS = [f"tcgen05.mma.cta_group::2.{kind}" for kind in ("kind::f16", "kind::tf32", "kind::f8f6f4", "kind::mxf8f6f4.block_scale.scale_vec::1X", "kind::mxf4.block_scale.scale_vec::2X", "kind::mxf4nvf4.block_scale.scale_vec::4X")]


def tensor_mma_form(form, parts):
    """Two steps into the same sums; scales are written by `tcgen05.cp`, bytes 0 and, for the second step, those after them.
    Each block of a pair has half of the rows of A and D, half of the columns of B, and all scales of B."""
    if parts[:2] != ["tcgen05", "mma"]:
        return False
    kind = next(part for part in parts if part.startswith("kind::"))
    a_type, b_type, k, a_code, b_code = KINDS[kind]
    scaled = "block_scale" in parts
    blocks = 2 if "cta_group::2" in parts else 1
    m, n = 128 * blocks, 16 * blocks
    a, b = elements(a_type, m * k, 1), elements(b_type, n * k, 2)
    vector = {"scale_vec::1X": 32, "scale_vec::2X": 32, "scale_vec::4X": 16}[parts[-1]] if scaled else k
    groups = k // vector
    generator = random.Random(form)
    exponents = lambda rows: [[generator.choice([-1, 0, 1, 2]) if scaled else 0 for _ in range(4)] for _ in range(rows)]
    sa, sb = exponents(m), exponents(n)
    steps = 1 if groups == 4 else 2
    exact = [[Fraction(0)] * n for _ in range(m)]
    for step in range(steps):
        for i in range(m):
            for j in range(n):
                exact[i][j] += sum(a[i * k + l] * b[j * k + l] * Fraction(2) ** (sa[i][step * groups + l // vector] + sb[j][step * groups + l // vector] if scaled else 0) for l in range(k))
    parted = lambda values, ty, rows: [word for block in range(blocks) for word in core_matrices(values[block * rows * k : (block + 1) * rows * k], ty, rows, k)]
    aw, bw = parted(a, a_type, 128), parted(b, b_type, 16)
    after = [encode("f32", exact[row][column]) for column in range(n) for row in range(m)]
    buffers = [("out", 32, m * n, None, after), ("a", 32, len(aw), aw, None), ("b", 32, len(bw), bw, None)]
    lines = ["mov.u32 %r0, %tid.x;", *ALLOCATE.format(columns=64).splitlines(), "mov.u32 %r1, box;", "mad.lo.u32 %r2, %r0, 4, %r1;"]
    rank = "%r13" if blocks == 2 else None
    lines += ["mov.u32 %r13, %cluster_ctarank;"] if rank else []
    lines += fill("a", 1, 0, len(aw) // blocks, 128, rank) + fill("b", 2, 4096, len(bw) // blocks, 128, rank)
    powers = parts[-1] != "scale_vec::4X"
    if scaled:
        byte = lambda exponent: 127 + exponent if powers else 0x38 + 8 * exponent
        # 32 rows of 16 bytes: rows 32 apart in words side by side.
        def block(table):
            rows = table + [[0] * 4] * (128 - len(table))
            return [sum(byte(exponent) << 8 * i for i, exponent in enumerate(rows[word * 32 + row])) for row in range(32) for word in range(4)]
        blocks_of_a = [word for first in range(0, m, 128) for word in block(sa[first : first + 128])]
        buffers += [("sa", 32, len(blocks_of_a), blocks_of_a, None), ("sb", 32, 128, block(sb), None)]
        lines += fill("sa", 6, 8192, 128, 128, rank) + fill("sb", 7, 8704, 128, 128)
    lines += ["ld.param.u64 %rd0, [out];", "mad.wide.u32 %rd0, %r0, 4, %rd0;", "setp.eq.u32 %p2, %r0, 0;", "add.u32 %r8, %r1, 9216;", "@%p2 mbarrier.init.shared::cta.b64 [%r8], 1;"]
    if rank:
        # Only the first block tells the tensor cores what to do.
        lines += ["mad.wide.u32 %rd0, %r13, 512, %rd0;", "setp.eq.u32 %p6, %r13, 0;", "and.pred %p2, %p2, %p6;", "fence.mbarrier_init.release.cluster;", "fence.proxy.async;"]
        lines += ["barrier.cluster.arrive.release.aligned;", "barrier.cluster.wait.acquire.aligned;"]
    else:
        lines += ["fence.proxy.async.shared::cta;", "bar.sync 0;"]
    version = 1 << 46
    lines += ["bfe.u32 %r4, %r1, 4, 14;", "cvt.u64.u32 %rd3, %r4;", f"or.b64 %rd4, %rd3, {(128 >> 4) << 16 | (256 >> 4) << 32 | version};", f"add.s64 %rd5, %rd4, {4096 >> 4};", "cvt.u64.u32 %rd8, %r8;", "setp.ne.u32 %p3, %r0, %r0;", "setp.eq.u32 %p4, %r0, %r0;"]
    base = (a_code << 7 | b_code << 10 | (n // 8) << 17 | (m // 16) << 24) | (int(powers) << 23 if scaled else 1 << 4)
    scales = ""
    if scaled:
        lines += [f"or.b64 %rd9, %rd3, {(128 >> 4) << 16 | (128 >> 4) << 32 | version};", f"add.s64 %rd10, %rd9, {8192 >> 4};", f"add.s64 %rd11, %rd9, {8704 >> 4};", "add.u32 %r9, %r5, 32;", "add.u32 %r10, %r5, 40;"]
        lines += ["@%p2 tcgen05.cp.cta_group::1.warpx4.32x128b [%r9], %rd10;", "@%p2 tcgen05.cp.cta_group::1.warpx4.32x128b [%r10], %rd11;"]
        scales = " [%r9], [%r10],"
    for step in range(steps):
        bits = base | (step * groups << 29 | step * groups << 4 if scaled else 0)
        lines += [f"mov.b32 %r11, {bits};", f"@%p2 {form} [%r5], %rd4, %rd5, %r11,{scales} %p{4 if step else 3};"]
    if rank:
        lines += ["mov.b16 %h1, 3;", "@%p2 tcgen05.commit.cta_group::2.mbarrier::arrive::one.shared::cluster.multicast::cluster.b64 [%r8], %h1;"]
    else:
        lines.append("@%p2 tcgen05.commit.cta_group::1.mbarrier::arrive::one.b64 [%rd8];")
    lines += ["$wait:", "mbarrier.try_wait.parity.shared.b64 %p5, [%r8], 0;", "@!%p5 bra $wait;"]
    lines += [f"tcgen05.ld.sync.aligned.32x32b.x{n}.b32 {group(20, n)}, [%r6];", "tcgen05.wait::ld.sync.aligned;"]
    lines += [f"st.global.b32 [%rd0+{4 * m * i}], %r{20 + i};" for i in range(n)]
    lines += ["barrier.cluster.arrive.release.aligned;", "barrier.cluster.wait.acquire.aligned;"] if rank else []
    lines += RELEASE.format(columns=64).splitlines()
    if rank:
        lines = [line.replace("cta_group::1", "cta_group::2") for line in lines]
    title = "sums are exact" + (", scales are powers of two." if scaled else ".")
    launch = "grid=2 block=128 cluster=2 sm=100" if rank else "block=128 sm=100"
    file(form, title, buffers, "\n".join(lines), launch=launch, target="sm_100a", declarations=".shared .align 1024 .b8 box[10240];\n.shared .align 4 .b32 slot;")
    return True


def tensor_other_form(form, parts):
    """Allocation, waits, commits, copies: the file of a form that needs them runs them."""
    if parts[0] == "tcgen05":
        return any(form in path.read_text() for path in HERE.glob("tcgen05/*.ptx"))
    return False


# Tensor maps.

REPLACE = {"address": "global_address", "rank": "rank"}


def bulk_form(form, parts):
    """A box of a tensor made by the kernel: there, or there and back."""
    if parts[0] != "cp" or "tensor" not in parts:
        return False
    rank = int(next(part for part in parts if re.fullmatch(r"[1-5]d", part))[0])
    operation = next((part for part in parts if part in ("add", "min", "max", "and", "or", "xor", "inc", "dec")), None)
    loads = "mbarrier::complete_tx::bytes" in parts
    box = {1: [16], 2: [8, 4], 3: [8, 2, 2], 4: [4, 2, 2, 2], 5: [4, 2, 2, 1, 2]}[rank]
    extent = [b + 4 if i == 0 else b + 1 for i, b in enumerate(box)]
    size = lambda extents: __import__("math").prod(extents)
    total, inside = size(extent), size(box)
    first = [2] + [1] * (rank - 1)
    tensor = [7 * index + 1 for index in range(total)]
    tile = [1000 + 3 * index for index in range(inside)]

    def index_of(number):
        at, scale, rest = 0, 1, number
        outside = False
        for axis in range(rank):
            coordinate = first[axis] + rest % box[axis]
            rest //= box[axis]
            outside |= coordinate >= extent[axis]
            at += coordinate * scale
            scale *= extent[axis]
        return None if outside else at

    if loads:
        before, after = tensor, None
        out = [0 if index_of(number) is None else tensor[index_of(number)] for number in range(inside)]
    else:
        before, after, out = tensor, list(tensor), None
        f = {None: lambda a, b: b, "add": lambda a, b: a + b, "min": min, "max": max, "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b}[operation]
        for number, value in enumerate(tile):
            if index_of(number) is not None:
                after[index_of(number)] = f(tensor[index_of(number)], value)
    buffers = [("out", 32, inside, None, out), ("at", 32, total, before, after), ("a", 32, inside, tile, None), ("map", 64, 16, None, None)]
    lines = ["mov.u32 %r0, %tid.x;", "mov.u32 %r1, box;", "mad.lo.u32 %r2, %r0, 4, %r1;", "mov.b32 %r3, 0;", "st.shared.b32 [%r2], %r3;", "bar.sync 0;"]
    lines += ["ld.param.u64 %rd5, [at];", "ld.param.u64 %rd7, [map];", "cvta.to.global.u64 %rd7, %rd7;", "cvt.u64.u32 %rd8, %r1;", "setp.eq.u32 %p1, %r0, 0;", "add.u32 %r4, %r1, 128;", "@%p1 mbarrier.init.shared::cta.b64 [%r4], 1;"]
    field = lambda name, bits, value, index=None: lines.append(f"@%p1 tensormap.replace.tile.{name}.shared::cta.b1024.b{bits} [%rd8], " + (f"{index}, " if index is not None else "") + f"{value};")
    field("global_address", 64, "%rd5")
    field("rank", 32, rank - 1)
    stride = 4
    for axis in range(rank):
        lines += [f"mov.b32 %r10, {box[axis]};", f"mov.b32 %r11, {extent[axis]};", "mov.b32 %r12, 1;"]
        field("box_dim", 32, "%r10", axis)
        field("global_dim", 32, "%r11", axis)
        field("element_stride", 32, "%r12", axis)
        stride *= extent[axis]
        if axis + 1 < rank:
            lines.append(f"mov.b64 %rd9, {stride};")
            field("global_stride", 64, "%rd9", axis)
    for name, value in [("elemtype", 2), ("interleave_layout", 0), ("swizzle_mode", 0), ("fill_mode", 0)]:
        field(name, 32, value)
    lines += ["bar.sync 0;", "tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release.gpu.sync.aligned [%rd7], [%rd8], 128;", "fence.proxy.tensormap::generic.acquire.gpu [%rd7], 128;", "bar.sync 0;"]
    lines += ["add.u32 %r5, %r1, 256;", "mad.lo.u32 %r6, %r0, 4, %r5;"] + [f"mov.b32 %r{20 + axis}, {first[axis]};" for axis in range(rank)]
    coordinates = "{" + ", ".join(f"%r{20 + axis}" for axis in range(rank)) + "}"
    lines += ["ld.param.u64 %rd0, [out];", "mad.wide.u32 %rd0, %r0, 4, %rd0;", "ld.param.u64 %rd1, [a];", "mad.wide.u32 %rd1, %r0, 4, %rd1;", f"setp.lt.u32 %p2, %r0, {inside};"]
    if loads:
        lines += [f"@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r4], {4 * inside};", f"@%p1 {form} [%r5], [%rd7, {coordinates}], [%r4];", "$wait:", "mbarrier.try_wait.parity.shared.b64 %p3, [%r4], 0;", "@!%p3 bra $wait;"]
        lines += ["@%p2 ld.shared.b32 %r7, [%r6];", "@%p2 st.global.b32 [%rd0], %r7;"]
    else:
        lines += ["@%p2 ld.global.b32 %r7, [%rd1];", "@%p2 st.shared.b32 [%r6], %r7;", "fence.proxy.async.shared::cta;", "bar.sync 0;", f"@%p1 {form} [%rd7, {coordinates}], [%r5];", "cp.async.bulk.commit_group;", "cp.async.bulk.wait_group 0;"]
    lines += ["// The map holds addresses, which differ from run to run.", "bar.sync 0;", "rem.u32 %r8, %r0, 16;", "mad.wide.u32 %rd12, %r8, 8, %rd7;", "mov.b64 %rd13, 0;", "st.global.b64 [%rd12], %rd13;"]
    file(form, f"a box of a tensor of {rank} dimensions whose last elements are outside of it; a map made by the kernel.\n// Not on a GPU: see bulk_tensor.ptx.", buffers, "\n".join(lines), target="sm_90a", declarations=".shared .align 1024 .b8 box[1024];")
    return True


def parameter_form(form, parts):
    if form != "ld.param.s32":
        return False
    text = f"""// {form}: a scalar, extended by its sign where the register is wider.
// By derive.py.
//! launch block=1 sm=90
//! buffer out u64[1]
//! scalar s32 -5
//! expect out = {(1 << 64) - 5}
.version 8.4
.target sm_90
.address_size 64
.visible .entry k(
    .param .u64 out,
    .param .s32 value
)
{{
    .reg .b64 %rd<4>;
    ld.param.u64 %rd0, [out];
    ld.param.s32 %rd1, [value];
    st.global.b64 [%rd0], %rd1;
    ret;
}}
"""
    write("ld.param.s32", text)
    return True


FAMILIES = [mma_form, matrix_form, wgmma_form, tensor_access_form, tensor_mma_form, tensor_other_form, bulk_form, parameter_form]
