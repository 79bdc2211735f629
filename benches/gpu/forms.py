"""Every arithmetic form that the emulator implements and Triton emits, each as a kernel of one instruction."""

VERSION = "8.7"
SCALAR_CASES = 16384
TILES = 256
REGISTERS = {1: "b16", 2: "b16", 4: "b32", 8: "b64"}
SIZES = {"i8": 1, "e4m3": 1, "e5m2": 1, "i16": 2, "f16": 2, "bf16": 2, "i32": 4, "f32": 4, "tf32": 4, "shift": 4, "i64": 8, "f64": 8}


def source(text):
    """`f16*2`: two elements for each case."""
    name, _, count = text.partition("*")
    return {"type": name, "count": int(count or 1)}


def width(operand):
    return SIZES[operand["type"]] * operand["count"]


HEAD = f".version {VERSION}\n.target sm_90a\n.address_size 64\n"
ENTRY = ".visible .entry k(.param .u64 out, .param .u64 a, .param .u64 b, .param .u64 c)\n{\n"
PLACE = """.reg .b64 %at<8>; .reg .b32 %i<4>; .reg .pred %p<4>; .reg .b32 %t<8>;
mov.u32 %i1, %ctaid.x; mov.u32 %i2, %ntid.x; mov.u32 %i3, %tid.x; mad.lo.s32 %i0, %i1, %i2, %i3;
"""


def scalar(name, size, inputs, body, cases=SCALAR_CASES):
    """`%a`, `%b`, `%c` hold the operands, `%d` takes the result of `size` bytes."""
    inputs = [source(text) for text in inputs.split()]
    if len(inputs) == 1 and width(inputs[0]) <= 2:
        bits = {1: 8, 2: 16}[width(inputs[0])]
        inputs, cases = [{"type": f"i{bits}", "count": 1, "all": True}], 1 << 16
    text = HEAD + ENTRY + PLACE
    for letter, operand in zip("abc", inputs):
        bytes_ = width(operand)
        text += f".reg .{REGISTERS[bytes_]} %{letter};\n"
        text += f"ld.param.u64 %at0, [{letter}]; cvta.to.global.u64 %at0, %at0; mul.wide.u32 %at1, %i0, {bytes_}; add.u64 %at0, %at0, %at1;\n"
        text += f"ld.global.{'u8' if bytes_ == 1 else f'b{8 * bytes_}'} %{letter}, [%at0];\n"
    text += f".reg .{REGISTERS[size]} %d;\n"
    text += f"ld.param.u64 %at2, [out]; cvta.to.global.u64 %at2, %at2; mul.wide.u32 %at1, %i0, {size}; add.u64 %at2, %at2, %at1;\n"
    text += body + f"\nst.global.{'u8' if size == 1 else f'b{8 * size}'} [%at2], %d;\nret;\n}}\n"
    return {"name": name, "size": size, "cases": cases, "threads": 128, "per_block": 128, "inputs": inputs, "ptx": text}


def plain(opcode, size, inputs):
    """`opcode %d, %a, …;`"""
    operands = ", ".join(f"%{letter}" for letter, _ in zip("abc", inputs.split()))
    return scalar(opcode, size, inputs, f"{opcode} %d, {operands};")


def singles():
    for flush in ("", ".ftz"):
        for rounding in (".rn", ".rz", ".rm", ".rp"):
            for saturate in ("", ".sat"):
                for op in ("add", "sub", "mul"):
                    yield plain(f"{op}{rounding}{flush}{saturate}.f32", 4, "f32 f32")
                yield plain(f"fma{rounding}{flush}{saturate}.f32", 4, "f32 f32 f32")
            yield plain(f"div{rounding}{flush}.f32", 4, "f32 f32")
            yield plain(f"rcp{rounding}{flush}.f32", 4, "f32")
            yield plain(f"sqrt{rounding}{flush}.f32", 4, "f32")
        for op in ("add", "sub", "mul"):
            yield plain(f"{op}{flush}.f32", 4, "f32 f32")
        for op in ("min", "max"):
            for nan in ("", ".NaN"):
                yield plain(f"{op}{flush}{nan}.f32", 4, "f32 f32")
        for op in ("abs", "neg"):
            yield plain(f"{op}{flush}.f32", 4, "f32")
        for op in ("div.full", "div.approx"):
            yield plain(f"{op}{flush}.f32", 4, "f32 f32")
        for op in ("ex2", "lg2", "rcp", "rsqrt", "sqrt", "sin", "cos"):
            yield plain(f"{op}.approx{flush}.f32", 4, "f32")
    yield plain("tanh.approx.f32", 4, "f32")
    yield plain("copysign.f32", 4, "f32 f32")


def doubles():
    for rounding in (".rn", ".rz", ".rm", ".rp"):
        for op in ("add", "sub", "mul", "div"):
            yield plain(f"{op}{rounding}.f64", 8, "f64 f64")
        yield plain(f"fma{rounding}.f64", 8, "f64 f64 f64")
        for op in ("rcp", "sqrt"):
            yield plain(f"{op}{rounding}.f64", 8, "f64")
    for op in ("min", "max", "copysign"):
        yield plain(f"{op}.f64", 8, "f64 f64")
    for op in ("abs", "neg", "rcp.approx.ftz", "rsqrt.approx", "rsqrt.approx.ftz"):
        yield plain(f"{op}.f64", 8, "f64")


def halves():
    for ty in ("f16", "f16x2", "bf16", "bf16x2"):
        element, pair = ty.removesuffix("x2"), ty.endswith("x2")
        operand, size = (f"{element}*2", 4) if pair else (element, 2)
        flushes = ("", ".ftz") if element == "f16" else ("",)
        for flush in flushes:
            for saturate in ("", ".sat") if element == "f16" else ("",):
                for op in ("add", "sub", "mul"):
                    yield plain(f"{op}.rn{flush}{saturate}.{ty}", size, f"{operand} {operand}")
                yield plain(f"fma.rn{flush}{saturate}.{ty}", size, f"{operand} {operand} {operand}")
            yield plain(f"fma.rn{flush}.relu.{ty}", size, f"{operand} {operand} {operand}")
            for op in ("min", "max"):
                for nan in ("", ".NaN"):
                    yield plain(f"{op}{flush}{nan}.{ty}", size, f"{operand} {operand}")
            for op in ("abs", "neg"):
                yield plain(f"{op}{flush}.{ty}", size, operand)
        yield plain(f"ex2.approx{'' if element == 'f16' else '.ftz'}.{ty}", size, operand)
        yield plain(f"tanh.approx.{ty}", size, operand)


COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
UNORDERED = ("equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan")


def compares(ty, inputs, names, flush=""):
    for name in names:
        opcode = f"setp.{name}{flush}.{ty}"
        yield scalar(opcode, 4, inputs, f"{opcode} %p0, %a, %b;\nselp.u32 %d, 1, 0, %p0;")


def predicates():
    for flush in ("", ".ftz"):
        yield from compares("f32", "f32 f32", COMPARISONS + UNORDERED, flush)
    yield from compares("f64", "f64 f64", COMPARISONS + UNORDERED)
    yield from compares("f16", "f16 f16", COMPARISONS + UNORDERED)
    yield from compares("bf16", "bf16 bf16", COMPARISONS + UNORDERED)
    for bits in (16, 32, 64):
        yield from compares(f"s{bits}", f"i{bits} i{bits}", COMPARISONS)
        yield from compares(f"u{bits}", f"i{bits} i{bits}", COMPARISONS + ("lo", "ls", "hi", "hs"))
        yield from compares(f"b{bits}", f"i{bits} i{bits}", ("eq", "ne"))
    for what in ("finite", "infinite", "number", "notanumber", "normal", "subnormal"):
        yield scalar(f"testp.{what}.f32", 4, "f32", f"testp.{what}.f32 %p0, %a;\nselp.u32 %d, 1, 0, %p0;")
    for to in ("u32", "s32", "f32"):
        yield scalar(f"set.lt.{to}.f32", 4, "f32 f32", f"set.lt.{to}.f32 %d, %a, %b;")


def integers():
    for bits in (16, 32, 64):
        size, operand = bits // 8, f"i{bits}"
        two = f"{operand} {operand}"
        for sign in "su":
            ty = f"{sign}{bits}"
            for op in ("add", "sub", "mul.lo", "mul.hi", "min", "max"):
                yield plain(f"{op}.{ty}", size, two)
            # A division by zero or the overflow of one is undefined.
            yield scalar(f"div.{ty}", size, two, guard(ty, bits) + f"div.{ty} %d, %a, %b;")
            yield scalar(f"rem.{ty}", size, two, guard(ty, bits) + f"rem.{ty} %d, %a, %b;")
            yield plain(f"mad.lo.{ty}", size, f"{two} {operand}")
            if bits < 64:
                yield plain(f"mul.wide.{ty}", 2 * size, two)
                yield plain(f"mad.wide.{ty}", 2 * size, f"{two} i{2 * bits}")
            yield plain(f"mad.hi.{ty}", size, f"{two} {operand}")
            yield plain(f"shr.{ty}", size, f"{operand} shift")
            yield plain(f"sad.{ty}", size, f"{two} {operand}")
        yield plain(f"shl.b{bits}", size, f"{operand} shift")
        yield plain(f"shr.b{bits}", size, f"{operand} shift")
        for op in ("and", "or", "xor"):
            yield plain(f"{op}.b{bits}", size, two)
        for op in ("not", "cnot"):
            yield plain(f"{op}.b{bits}", size, operand)
        for op in ("neg", "abs"):
            yield plain(f"{op}.s{bits}", size, operand)
    for op in ("add.sat.s32", "sub.sat.s32"):
        yield plain(op, 4, "i32 i32")
    yield plain("mad.hi.sat.s32", 4, "i32 i32 i32")
    for bits in (32, 64):
        for op in ("popc", "clz"):
            yield plain(f"{op}.b{bits}", 4, f"i{bits}")
        yield plain(f"brev.b{bits}", bits // 8, f"i{bits}")
        for sign in "su":
            yield plain(f"bfind.{sign}{bits}", 4, f"i{bits}")
            yield plain(f"bfind.shiftamt.{sign}{bits}", 4, f"i{bits}")
            yield plain(f"bfe.{sign}{bits}", bits // 8, f"i{bits} shift shift")
        yield scalar(f"bfi.b{bits}", bits // 8, f"i{bits} i{bits} shift",
                     f"shr.u32 %t1, %c, 3; and.b32 %t2, %c, 71;\nbfi.b{bits} %d, %a, %b, %t1, %t2;")
    for a in ("u32", "s32"):
        for b in ("u32", "s32"):
            yield plain(f"dp4a.{a}.{b}", 4, "i32 i32 i32")
            for half in ("lo", "hi"):
                yield plain(f"dp2a.{half}.{a}.{b}", 4, "i32 i32 i32")
    for mode in ("", ".f4e", ".b4e", ".rc8", ".ecl", ".ecr", ".rc16"):
        yield plain(f"prmt.b32{mode}", 4, "i32 i32 i32")
    for table in (0x96, 0xE8, 0xCA, 0x1B, 0x80):
        yield scalar(f"lop3.b32 0x{table:x}", 4, "i32 i32 i32", f"lop3.b32 %d, %a, %b, %c, {table};")
    for side in "lr":
        for mode in ("clamp", "wrap"):
            yield plain(f"shf.{side}.{mode}.b32", 4, "i32 i32 shift")


def guard(ty, bits):
    """Replaces a divisor of zero by 1, and for signed types -1 as well."""
    text = f"setp.eq.b{bits} %p0, %b, 0;\nselp.b{bits} %b, 1, %b, %p0;\n"
    if ty.startswith("s"):
        text += f"setp.eq.s{bits} %p0, %b, -1;\nselp.b{bits} %b, 1, %b, %p0;\n"
    return text


def conversions():
    sizes = {"u8": 1, "s8": 1, "u16": 2, "s16": 2, "u32": 4, "s32": 4, "u64": 8, "s64": 8}
    floats = {"f16": 2, "bf16": 2, "f32": 4, "f64": 8}
    for to, size in sizes.items():
        for from_ in sizes:
            if to != from_:
                for saturate in ("", ".sat"):
                    yield plain(f"cvt{saturate}.{to}.{from_}", size, f"i{from_[1:]}")
        for from_ in floats:
            for rounding in (".rni", ".rzi", ".rmi", ".rpi"):
                for flush in ("", ".ftz") if from_ == "f32" else ("",):
                    for saturate in ("", ".sat"):
                        yield plain(f"cvt{rounding}{flush}{saturate}.{to}.{from_}", size, from_)
        for from_, from_size in floats.items():
            for rounding in (".rn", ".rz", ".rm", ".rp"):
                yield plain(f"cvt{rounding}.{from_}.{to}", from_size, f"i{to[1:]}")
            if from_ in ("f32", "f64", "f16"):
                yield plain(f"cvt.rn.sat.{from_}.{to}", from_size, f"i{to[1:]}")
    roundings = (".rn", ".rz", ".rm", ".rp")
    for rounding in roundings:
        for more in ("", ".sat", ".relu", ".satfinite", ".relu.satfinite"):
            for flush in ("", ".ftz"):
                yield plain(f"cvt{rounding}{flush}{more}.f16.f32", 2, "f32")
            yield plain(f"cvt{rounding}{more}.bf16.f32", 2, "f32")
        for flush in ("", ".ftz"):
            for saturate in ("", ".sat"):
                yield plain(f"cvt{rounding}{flush}{saturate}.f32.f64", 4, "f64")
        yield plain(f"cvt{rounding}.f16.f64", 2, "f64")
        yield plain(f"cvt{rounding}.bf16.f64", 2, "f64")
        yield plain(f"cvt{rounding}.bf16.f16", 2, "f16")
        yield plain(f"cvt{rounding}.f16.bf16", 2, "bf16")
        for relu in ("", ".relu", ".satfinite", ".relu.satfinite"):
            for ty in ("f16x2", "bf16x2"):
                yield plain(f"cvt{rounding}{relu}.{ty}.f32", 4, "f32 f32")
            yield plain(f"cvt{rounding}{relu}.tf32.f32", 4, "f32")
    yield plain("cvt.rna.tf32.f32", 4, "f32")
    yield plain("cvt.rna.satfinite.tf32.f32", 4, "f32")
    for flush in ("", ".ftz"):
        for saturate in ("", ".sat"):
            yield plain(f"cvt{flush}{saturate}.f32.f16", 4, "f16")
            yield plain(f"cvt{flush}{saturate}.f32.bf16", 4, "bf16")
            yield plain(f"cvt{flush}{saturate}.f64.f32", 8, "f32")
            for rounding in (".rni", ".rzi", ".rmi", ".rpi"):
                yield plain(f"cvt{rounding}{flush}{saturate}.f32.f32", 4, "f32")
    for rounding in (".rni", ".rzi", ".rmi", ".rpi"):
        for saturate in ("", ".sat"):
            yield plain(f"cvt{rounding}{saturate}.f64.f64", 8, "f64")
            yield plain(f"cvt{rounding}{saturate}.f16.f16", 2, "f16")
        yield plain(f"cvt{rounding}.bf16.bf16", 2, "bf16")
    yield plain("cvt.f64.f16", 8, "f16")
    yield plain("cvt.f64.bf16", 8, "bf16")
    for ty in ("e4m3x2", "e5m2x2"):
        for relu in ("", ".relu"):
            yield plain(f"cvt.rn.satfinite{relu}.{ty}.f32", 2, "f32 f32")
            yield plain(f"cvt.rn.satfinite{relu}.{ty}.f16x2", 2, "f16*2")
            yield plain(f"cvt.rn{relu}.f16x2.{ty}", 4, f"{ty[:4]}*2")


def atomics():
    """One thread for each word: the arithmetic, not the order."""
    def one(ty, op, operand, size, space):
        opcode = f"atom.{space}.{op}.{ty}"
        register = REGISTERS[size]
        if space == "global":
            body = f"st.global.b{8 * size} [%at2], %a;\n{opcode} %old, [%at2], %b;\nld.volatile.global.b{8 * size} %d, [%at2];"
            where = ""
        else:
            where = f".shared .align 8 .b8 cells[{128 * size}];\nmov.u32 %t0, cells; mad.lo.u32 %t0, %i3, {size}, %t0;\n"
            body = f"st.shared.b{8 * size} [%t0], %a;\n{opcode} %old, [%t0], %b;\nld.volatile.shared.b{8 * size} %d, [%t0];"
        return scalar(opcode, size, f"{operand} {operand}", f"{where}.reg .{register} %old;\n{body}")

    for space in ("global", "shared"):
        yield one("f32", "add", "f32", 4, space)
        yield one("f64", "add", "f64", 8, space)
        for ty in ("f16x2", "bf16x2"):
            yield one(ty, "add.noftz", f"{ty[:-2]}*2", 4, space)
        for ty in ("f16", "bf16"):
            yield one(ty, "add.noftz", ty, 2, space)
        for ty, operand, size in (("s32", "i32", 4), ("u32", "i32", 4), ("s64", "i64", 8), ("u64", "i64", 8)):
            for op in ("min", "max") + (("add",) if ty != "s64" else ()):
                yield one(ty, op, operand, size, space)
        for bits in (32, 64):
            for op in ("and", "or", "xor", "exch"):
                yield one(f"b{bits}", op, f"i{bits}", bits // 8, space)
        for op in ("inc", "dec"):
            yield one("u32", op, "i32", 4, space)
    for ty, element, count in (("f32", "f32", 2), ("f32", "f32", 4), ("f16", "f16", 2), ("f16", "f16", 4), ("bf16", "bf16", 4)):
        yield vector_reduction(ty, element, count)


def vector_reduction(ty, element, count):
    size = SIZES[element]
    opcode = f"red.global.add{'' if ty == 'f32' else '.noftz'}.v{count}.{ty}" if ty == "f32" else f"red.global.v{count}.{ty}.add.noftz"
    opcode = f"red.global.v{count}.{ty}.add" + ("" if ty == "f32" else ".noftz")
    names = ", ".join(f"%v{k}" for k in range(count))
    body = f".reg .{REGISTERS[size]} %v<{count}>;\n"
    text = HEAD + ENTRY + PLACE
    for letter, at in (("a", 0), ("b", 3), ("out", 2)):
        text += (f"ld.param.u64 %at{at}, [{letter}]; cvta.to.global.u64 %at{at}, %at{at}; mul.wide.u32 %at1, %i0, {size * count}; "
                 f"add.u64 %at{at}, %at{at}, %at1;\n")
    text += body
    text += f"ld.global.v{count}.b{8 * size} {{{names}}}, [%at0];\nst.global.v{count}.b{8 * size} [%at2], {{{names}}};\n"
    text += f"ld.global.v{count}.b{8 * size} {{{names}}}, [%at3];\n{opcode} [%at2], {{{names}}};\nret;\n}}\n"
    return {"name": opcode, "size": size * count, "cases": SCALAR_CASES, "threads": 128, "per_block": 128,
            "inputs": [source(f"{element}*{count}")] * 2, "ptx": text}


# Tensor cores.

PER_REGISTER = {"f16": 2, "bf16": 2, "tf32": 1, "e4m3": 4, "e5m2": 4, "s8": 4, "u8": 4}
ELEMENT = {"s8": "i8", "u8": "i8"}
ACCUMULATOR = {"f32": "f32", "f16": "f16", "s32": "i32"}


def names(prefix, count):
    return "{" + ", ".join(f"%{prefix}{k}" for k in range(count)) + "}"


def load(prefix, parameter, count, lane="%i0"):
    """`count` registers for each thread, side by side."""
    text = f".reg .b32 %{prefix}<{count}>;\nld.param.u64 %at0, [{parameter}]; cvta.to.global.u64 %at0, %at0; "
    text += f"mul.wide.u32 %at1, {lane}, {4 * count}; add.u64 %at0, %at0, %at1;\n"
    return text + "".join(f"ld.global.b32 %{prefix}{k}, [%at0+{4 * k}];\n" for k in range(count))


def store(prefix, count):
    text = f"ld.param.u64 %at2, [out]; cvta.to.global.u64 %at2, %at2; mul.wide.u32 %at1, %i0, {4 * count}; add.u64 %at2, %at2, %at1;\n"
    return text + "".join(f"st.global.b32 [%at2+{4 * k}], %{prefix}{k};\n" for k in range(count)) + "ret;\n}\n"


def tile(ty, registers, threads):
    """The elements of a fragment of one tile."""
    element = ELEMENT.get(ty, ty)
    count = registers * threads * 4 // SIZES[element]
    return {"type": element, "count": count, "tile": count}


def mma(m, k, a, b, accumulator, more=""):
    shape = f"m{m}n8k{k}"
    per = PER_REGISTER[a]
    a_count, b_count = m * k // 32 // per, 8 * k // 32 // per
    c_count = m * 8 // 32 // (2 if accumulator == "f16" else 1)
    opcode = f"mma.sync.aligned.{shape}.row.col{more}.{accumulator}.{a}.{b}.{accumulator}"
    text = HEAD + ENTRY + PLACE + load("fa", "a", a_count) + load("fb", "b", b_count) + load("fc", "c", c_count)
    text += f"{opcode} {names('fc', c_count)}, {names('fa', a_count)}, {names('fb', b_count)}, {names('fc', c_count)};\n"
    text += store("fc", c_count)
    return {"name": opcode, "size": 32 * 4 * c_count, "cases": TILES, "threads": 32, "per_block": 1, "shown": 4 * 128 * c_count,
            "inputs": [tile(a, a_count, 32), tile(b, b_count, 32), tile(ACCUMULATOR[accumulator], c_count, 32)], "ptx": text}


def mma_f64():
    text = HEAD + ENTRY + PLACE + ".reg .b64 %fa; .reg .b64 %fb; .reg .b64 %fc<2>;\n"
    for register, parameter, count in (("fa", "a", 1), ("fb", "b", 1), ("fc", "c", 2)):
        text += f"ld.param.u64 %at0, [{parameter}]; cvta.to.global.u64 %at0, %at0; mul.wide.u32 %at1, %i0, {8 * count}; add.u64 %at0, %at0, %at1;\n"
        for k in range(count):
            text += f"ld.global.b64 %{register}{k if count > 1 else ''}, [%at0+{8 * k}];\n"
    opcode = "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64"
    text += f"{opcode} {{%fc0, %fc1}}, {{%fa}}, {{%fb}}, {{%fc0, %fc1}};\n"
    text += "ld.param.u64 %at2, [out]; cvta.to.global.u64 %at2, %at2; mul.wide.u32 %at1, %i0, 16; add.u64 %at2, %at2, %at1;\n"
    text += "st.global.b64 [%at2], %fc0;\nst.global.b64 [%at2+8], %fc1;\nret;\n}\n"
    return {"name": opcode, "size": 512, "cases": TILES, "threads": 32, "per_block": 1, "shown": 2048,
            "inputs": [{"type": "f64", "count": n, "tile": n} for n in (32, 32, 64)], "ptx": text}


def wgmma(a, b, accumulator, n=8, registers=False, negate="1, 1", add="1", transposed=(0, 0), more=""):
    """A tile of 64 rows; operands in shared memory without swizzle, in whatever order their bytes come."""
    per = PER_REGISTER[a]
    k = 8 * per
    c_count = n // 2 // (2 if accumulator == "f16" else 1)
    opcode = f"wgmma.mma_async.sync.aligned.m64n{n}k{k}{more}.{accumulator}.{a}.{b}"
    name = opcode + (" A in registers" if registers else "") + (f" signs {negate}" if negate != "1, 1" else "")
    name += (" no C" if add == "0" else "") + (f" transposed {transposed[0]}, {transposed[1]}" if any(transposed) else "")
    a_bytes, b_bytes = 64 * 32, 32 * n
    text = HEAD + ".extern .shared .align 1024 .b8 dynamic[];\n" if False else HEAD
    text += ENTRY + PLACE + f".shared .align 1024 .b8 tiles[{a_bytes + b_bytes}];\n.reg .b64 %da; .reg .b64 %db;\n"
    text += load("fc", "c", c_count)
    if registers:
        text += load("fa", "a", 4)
    else:
        text += load("sa", "a", 4) + "mov.u32 %t0, tiles; mad.lo.u32 %t0, %i3, 16, %t0;\n"
        text += "".join(f"st.shared.b32 [%t0+{4 * j}], %sa{j};\n" for j in range(4))
    # 8·n words of B.
    text += "ld.param.u64 %at3, [b]; cvta.to.global.u64 %at3, %at3; "
    text += f"mul.wide.u32 %at1, %i1, {b_bytes}; add.u64 %at3, %at3, %at1;\n"
    text += f"mov.u32 %t1, %i3;\n$fill:\nsetp.ge.u32 %p0, %t1, {b_bytes // 4};\n@%p0 bra $filled;\n"
    text += "mul.wide.u32 %at1, %t1, 4; add.u64 %at4, %at3, %at1; ld.global.b32 %t2, [%at4];\n"
    text += f"mov.u32 %t3, tiles; mad.lo.u32 %t3, %t1, 4, %t3; st.shared.b32 [%t3+{a_bytes}], %t2; add.u32 %t1, %t1, 128; bra $fill;\n$filled:\n"
    text += "fence.proxy.async.shared::cta;\nbar.sync 0;\n"
    # Leading offset 128, stride offset 256: core matrices of 128 bytes side by side. Transposed tiles use the same bytes.
    text += "mov.u32 %t4, tiles; shr.u32 %t5, %t4, 4; cvt.u64.u32 %da, %t5;\n"
    text += f"add.u32 %t4, %t4, {a_bytes}; shr.u32 %t5, %t4, 4; cvt.u64.u32 %db, %t5;\n"
    text += "or.b64 %da, %da, 0x1000080000;\nor.b64 %db, %db, 0x1000080000;\n"
    a_operand = names("fa", 4) if registers else "%da"
    tail = "" if accumulator == "s32" else f", {negate}"
    if per == 2:
        tail += f", {transposed[1]}" if registers else f", {transposed[0]}, {transposed[1]}"
    text += f"setp.ne.u32 %p1, {add}, 0;\nwgmma.fence.sync.aligned;\n"
    text += f"{opcode} {names('fc', c_count)}, {a_operand}, %db, %p1{tail};\n"
    text += "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n" + store("fc", c_count)
    elements = lambda ty, size: {"type": ELEMENT.get(ty, ty), "count": size // SIZES[ELEMENT.get(ty, ty)],
                                 "tile": size // SIZES[ELEMENT.get(ty, ty)]}
    return {"name": name, "size": 128 * 4 * c_count, "cases": TILES // 2, "threads": 128, "per_block": 1, "shown": 2048,
            "inputs": [elements(a, a_bytes), elements(b, b_bytes), tile(ACCUMULATOR[accumulator], c_count, 128)], "ptx": text}


def tensors():
    for k in (8, 16):
        for accumulator in ("f32", "f16"):
            yield mma(16, k, "f16", "f16", accumulator)
        yield mma(16, k, "bf16", "bf16", "f32")
    for k in (4, 8):
        yield mma(16, k, "tf32", "tf32", "f32")
    for a in ("s8", "u8"):
        for b in ("s8", "u8"):
            for m, k in ((8, 16), (16, 16), (16, 32)):
                for more in ("", ".satfinite"):
                    yield mma(m, k, a, b, "s32", more)
    for a in ("e4m3", "e5m2"):
        for b in ("e4m3", "e5m2"):
            yield mma(16, 32, a, b, "f32")
            yield mma(16, 32, a, b, "f16")
            yield mma(16, 16, a, b, "f32")
            yield mma(16, 16, a, b, "f16")
    yield mma_f64()
    for registers in (False, True):
        for a, b, accumulator in [("f16", "f16", "f32"), ("f16", "f16", "f16"), ("bf16", "bf16", "f32"), ("tf32", "tf32", "f32")] + [
                (a, b, c) for a in ("e4m3", "e5m2") for b in ("e4m3", "e5m2") for c in ("f32", "f16")]:
            yield wgmma(a, b, accumulator, registers=registers)
            yield wgmma(a, b, accumulator, registers=registers, negate="-1, 1")
            yield wgmma(a, b, accumulator, registers=registers, negate="-1, -1", add="0")
        for a in ("s8", "u8"):
            for b in ("s8", "u8"):
                for more in ("", ".satfinite"):
                    yield wgmma(a, b, "s32", registers=registers, more=more)
    for transposed in ((0, 1), (1, 0), (1, 1)):
        yield wgmma("f16", "f16", "f32", transposed=transposed)
    for n in (16, 64, 256):
        yield wgmma("f16", "f16", "f32", n=n)
    yield wgmma("bf16", "bf16", "f32", n=128)
    yield wgmma("e4m3", "e4m3", "f32", n=128)


def forms():
    for group in (singles, doubles, halves, predicates, integers, conversions, atomics, tensors):
        for form in group():
            yield {"group": group.__name__, **form}
