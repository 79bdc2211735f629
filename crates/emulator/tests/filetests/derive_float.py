"""Filetests for floating-point forms that Triton writes for newer targets, or that only other compilers write.

As derive.py, which runs it: results are computed here by exact arithmetic from the PTX ISA's definitions.
"""

from fractions import Fraction

from derive import (
    LANES,
    NAN,
    arithmetic,
    arithmetic_form,
    bits_of,
    decode,
    encode,
    extreme,
    floats,
    flush,
    lanewise,
    nan_of,
    take,
)

WIDE = ["add.f32.f16", "add.rn.f32.f16", "add.rn.f32.bf16", "add.rz.f32.f16", "add.rp.sat.f32.bf16", "add.rm.f32.f16"]
WIDE += ["sub.f32.bf16", "sub.rn.f32.f16", "sub.rn.f32.bf16", "sub.rm.f32.f16", "sub.rz.sat.f32.bf16", "sub.rp.f32.f16"]
WIDE += ["fma.rn.f32.f16", "fma.rn.f32.bf16", "fma.rn.sat.f32.f16", "fma.rz.f32.bf16", "fma.rm.f32.f16", "fma.rp.sat.f32.bf16"]
PAIRS = ["add.rz.f32x2", "add.rp.ftz.f32x2", "sub.rm.f32x2", "sub.rn.ftz.f32x2", "mul.f32x2", "mul.rn.ftz.f32x2", "mul.rz.f32x2"]
PAIRS += ["mul.rp.f32x2", "mul.rm.f32x2", "fma.rn.ftz.f32x2", "fma.rz.f32x2", "fma.rm.f32x2", "fma.rp.f32x2"]
REDUX = [f"redux.sync.{way}{how}.f32" for way in ("min", "max") for how in (".abs", ".NaN", ".abs.NaN")]
SIGNED = [f"{way}{nan}.xorsign.abs.{ty}" for way in ("min", "max") for nan in ("", ".NaN") for ty in ("f16", "f16x2", "bf16", "bf16x2", "f32")]
SIGNED += ["min.ftz.xorsign.abs.f32", "max.ftz.NaN.xorsign.abs.f32", "min.ftz.xorsign.abs.f16", "max.ftz.NaN.xorsign.abs.f16x2"]
# Of three values: the opcode alone does not say so.
THREE = [f"{way}3{how}.f32" for way in ("min", "max") for how in ("", ".NaN", ".abs", ".ftz", ".ftz.NaN.abs")]
FORMS = WIDE + PAIRS + REDUX + SIGNED + THREE


def saturated(code):
    kind, sign, value = decode("f32", code)
    if kind == NAN or sign:
        return 0
    return encode("f32", Fraction(1)) if kind or value > 1 else code


def widened(fmt, code):
    """The f32 of the same value."""
    kind, sign, value = decode(fmt, code)
    if kind == NAN:
        return nan_of("f32")
    return sign << 31 | 0x7F800000 if kind else encode("f32", value, sign)


def wide_form(form, parts):
    if form not in WIDE:
        return False
    operation, *rest = parts
    narrow = rest.pop()
    mode, sat = take(rest, "rn", "rz", "rm", "rp") or "rn", bool(take(rest, "sat"))
    if rest != ["f32"]:
        return False
    columns = [(narrow, floats(narrow, 0))] + ([(narrow, floats(narrow, 1))] if operation == "fma" else []) + [("f32", floats("f32", 3))]
    results = []
    for lane in zip(*(values for _, values in columns)):
        codes = [widened(fmt, code) for (fmt, _), code in zip(columns, lane)]
        found = arithmetic("f32", operation, codes, mode)
        results.append(saturated(found) if sat else found)
    operands = ", ".join("{" + name + "}" for name in "dabc"[: len(columns) + 1])
    inputs = [(bits_of(fmt), values) for fmt, values in columns]
    lanewise(form, f"{narrow} is widened, one rounding.", inputs, 32, results, f"{form} {operands};", "sm_100")
    return True


def pair_form(form, parts):
    return form in PAIRS and arithmetic_form(form, parts)


def redux_form(form, parts):
    """Eight lanes together at a time, so that some groups have no NaN, some have one, and one has nothing else."""
    if form not in REDUX:
        return False
    values = floats("f32", 0)[:LANES]
    values[8:16] = [0x7F800001, 0xFFC00000, 0x7FC12345, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F8FFFFF, 0xFF812345, 0x7FABCDEF]
    values[16:24] = [0xC0400000, 0x80000000, 0x7FC00001, 0x00000000, 0x3F800000, 0xC0A00000, 0x40800000, 0x00000001]
    values[24:32] = [0x80000000, 0x00000000] * 4
    results = []
    for first in range(0, LANES, 8):
        group = [value & 0x7FFFFFFF if "abs" in parts else value for value in values[first : first + 8]]
        found = group[0] if decode("f32", group[0])[0] != NAN else nan_of("f32")
        for value in group[1:]:
            found = extreme("f32", parts[2], found, value, "NaN" in parts)
        results += [found] * 8
    mask = "shr.u32 %r60, %r0, 3;\nshl.b32 %r60, %r60, 3;\nshl.b32 %r61, 255, %r60;\n"
    branches = "".join(f"setp.eq.u32 %p1, %r60, {first};\n@%p1 {form} {{d}}, {{a}}, {255 << first};\n" for first in range(0, LANES, 8))
    lanewise(form, "of eight lanes at a time.", [(32, values)], 32, results, mask + branches.strip(), "sm_100a")
    return True


def signed_form(form, parts):
    if form not in SIGNED:
        return False
    operation, ty, nan, ftz = parts[0], parts[-1], "NaN" in parts, "ftz" in parts
    base, pairs = ty.removesuffix("x2"), ty.endswith("x2")
    each = bits_of(base)
    top = 1 << (each - 1)

    def one(a, b):
        a, b = (flush(base, a), flush(base, b)) if ftz else (a, b)
        found = extreme(base, operation, a & ~top, b & ~top, nan)
        return found if decode(base, found)[0] == NAN else found | (a ^ b) & top

    columns = [floats(base, 0), floats(base, 1)]
    columns[0][20:23], columns[1][20:23] = [nan_of(base)] * 2 + [nan_of(base) | top], [nan_of(base) | top, top, 0]
    results = [one(a, b) for a, b in zip(*columns)]
    if pairs:
        others = [column[3:] + column[:3] for column in columns]
        upper = [one(a, b) for a, b in zip(*others)]
        join = lambda low, high: [a | b << each for a, b in zip(low, high)]
        columns, results, each = [join(a, b) for a, b in zip(columns, others)], join(results, upper), 32
    lanewise(form, "the sign of a product.", [(each, c) for c in columns], each, results, f"{form} {{d}}, {{a}}, {{b}};")
    return True


def three_form(form, parts):
    if form not in THREE:
        return False
    operation, nan, ftz, magnitudes = parts[0][:3], "NaN" in parts, "ftz" in parts, "abs" in parts
    columns = [floats("f32", i) for i in range(3)]
    for column in columns:
        column[20] = 0x7FC00000
    columns[0][21], columns[1][21], columns[2][21] = 0x7FC00000, 0xFFC00000, 0x80000000
    results = []
    for lane in zip(*columns):
        lane = [flush("f32", code) if ftz else code for code in lane]
        lane = [code & 0x7FFFFFFF if magnitudes else code for code in lane]
        found = extreme("f32", operation, extreme("f32", operation, lane[0], lane[1], nan), lane[2], nan)
        results.append(found if decode("f32", found)[0] != NAN else nan_of("f32"))
    instruction = form.replace("3", "", 1) + " {d}, {a}, {b}, {c};"
    lanewise(form, "of three values.", [(32, c) for c in columns], 32, results, instruction, "sm_100")
    return True


FAMILIES = [wide_form, pair_form, redux_form, signed_form, three_form]
