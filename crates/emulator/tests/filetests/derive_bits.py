"""Filetests of forms that Triton does not emit and the emulator runs all the same: bytes and bits of integers, products, tests
of numbers, and the reductions of bulk copies. See derive.py."""

from derive import (
    FORMATS,
    LANES,
    arithmetic,
    bits_of,
    compare,
    decode,
    extreme,
    file,
    floats,
    integers,
    lanewise,
    signed,
)

BYTES = ["u32", "s32"]
MODES = ["f4e", "b4e", "rc8", "ecl", "ecr", "rc16"]
COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]
TESTS = ["finite", "infinite", "number", "notanumber", "normal", "subnormal"]

FORMS = (
    [f"prmt.b32.{mode}" for mode in MODES]
    + [f"dp4a.{a}.{b}" for a in BYTES for b in BYTES]
    + [f"dp2a.{half}.{a}.{b}" for half in ("lo", "hi") for a in BYTES for b in BYTES]
    + [f"sad.{ty}" for ty in ("u16", "s16", "u32", "s32", "u64", "s64")]
    + [f"mad.{part}.{ty}" for part in ("hi", "lo") for ty in ("u16", "s16", "u32", "s32", "u64", "s64")]
    + ["mad.hi.sat.s32", "mad.wide.u16", "mad.wide.s16", "mul.hi.s16", "mul.lo.u16", "mul.lo.u64"]
    + [f"bfind.{how}{ty}" for how in ("", "shiftamt.") for ty in ("u32", "s32", "u64", "s64")]
    + [f"bfe.{ty}" for ty in ("u32", "s32", "u64", "s64")]
    + [f"{operation}.b{bits}" for operation in ("cnot", "not") for bits in (16, 32, 64)]
    + [f"{operation}.b{bits}" for operation in ("popc", "clz", "brev") for bits in (32, 64)]
    + [f"testp.{test}.{ty}" for test in TESTS for ty in ("f32", "f64")]
    + [f"set.{comparison}.u32.{ty}" for comparison in COMPARISONS for ty in ("s32", "u32")]
    + [f"set.{comparison}.{ty}x2.{ty}x2" for comparison in ("eq", "neu", "lt", "geu", "nan") for ty in ("f16", "bf16")]
    + ["set.lt.f16.f16", "set.num.bf16.bf16", "set.gt.u16.f16", "set.leu.s32.bf16", "set.le.f32.f32", "set.nan.u32.f32"]
    + ["copysign.f64", "add.sat.s32", "sub.sat.s32", "neg.f16x2", "neg.bf16x2"]
)

PERMUTATIONS = {
    # For each value of the selector: the byte of {b, a} that goes to bytes 3, 2, 1, 0.
    "f4e": ["3210", "4321", "5432", "6543"],
    "b4e": ["5670", "6701", "7012", "0123"],
    "rc8": ["0000", "1111", "2222", "3333"],
    "ecl": ["3210", "3211", "3222", "3333"],
    "ecr": ["0000", "1110", "2210", "3210"],
    "rc16": ["1010", "3232", "1010", "3232"],
}


def number(ty, value, bits=None):
    return signed(value, bits or bits_of(ty)) if ty[0] == "s" else value & ((1 << (bits or bits_of(ty))) - 1)


def lanes(form, columns, out, results, title):
    operands = ", ".join("{" + name + "}" for name in "abc"[: len(columns)])
    text = f"{form} {{d}}, {operands};"
    lanewise(form, title, columns, out, [result & ((1 << out) - 1) for result in results], text)
    return True


def permutation_form(form, parts):
    if parts[0] != "prmt" or len(parts) != 3:
        return False
    a, b, c = (integers(32, seed) for seed in range(3))
    c = [value & ~3 | lane & 3 for lane, value in enumerate(c)]
    results = []
    for low, high, selector in zip(a, b, c):
        both = low | high << 32
        chosen = PERMUTATIONS[parts[2]][selector & 3]
        results.append(sum((both >> 8 * int(byte) & 0xFF) << 8 * place for place, byte in enumerate(reversed(chosen))))
    return lanes(form, [(32, a), (32, b), (32, c)], 32, results, "every selector; its upper bits say nothing.")


def dot_form(form, parts):
    if parts[0] not in ("dp4a", "dp2a"):
        return False
    a_type, b_type = parts[-2:]
    a, b, c = (integers(32, seed) for seed in range(3))
    wide = 8 if parts[0] == "dp4a" else 16
    first = 2 if parts[1] == "hi" else 0
    results = []
    for x, y, total in zip(a, b, c):
        for index in range(32 // wide):
            left = number(a_type, x >> wide * index & ((1 << wide) - 1), wide)
            right = number(b_type, y >> 8 * (first + index) & 0xFF, 8)
            total += left * right
        results.append(total)
    return lanes(form, [(32, a), (32, b), (32, c)], 32, results, "limits and random values.")


def integer_form(form, parts):
    operation, *rest = parts
    ty = rest[-1]
    if operation not in ("sad", "mad", "mul", "bfind", "bfe", "cnot", "not", "popc", "clz", "brev", "add", "sub"):
        return False
    bits = bits_of(ty)
    columns = [integers(bits, seed) for seed in range(3)]
    title = "limits and random values."
    if operation == "sad":
        results = [c + abs(number(ty, a) - number(ty, b)) for a, b, c in zip(*columns)]
        return lanes(form, [(bits, column) for column in columns], bits, results, title)
    if operation in ("mad", "mul"):
        out = 2 * bits if "wide" in rest else bits
        columns[2] = integers(out, 2)
        products = [number(ty, a) * number(ty, b) for a, b in zip(*columns[:2])]
        if "hi" in rest:
            products = [product >> bits for product in products]
        if operation == "mul":
            return lanes(form, [(bits, column) for column in columns[:2]], out, products, title)
        results = [product + number(ty, c, out) for product, c in zip(products, columns[2])]
        if "sat" in rest:
            results = [min(max(result, -(1 << 31)), (1 << 31) - 1) for result in results]
        return lanes(form, [(bits, columns[0]), (bits, columns[1]), (out, columns[2])], out, results, title)
    if operation in ("add", "sub"):
        sums = [number(ty, a) + (number(ty, b) if operation == "add" else -number(ty, b)) for a, b in zip(*columns[:2])]
        results = [min(max(result, -(1 << 31)), (1 << 31) - 1) for result in sums]
        return lanes(form, [(bits, column) for column in columns[:2]], bits, results, title)
    if operation == "bfe":
        starts, lengths = [value % 80 for value in integers(32, 1)], [value % 70 for value in integers(32, 2)]
        results = []
        for a, start, length in zip(columns[0], starts, lengths):
            sign = 0 if ty[0] == "u" or length == 0 else a >> min(start + length - 1, bits - 1) & 1
            inside = [index < length and start + index < bits for index in range(bits)]
            field = [a >> start + index & 1 if inside[index] else sign for index in range(bits)]
            results.append(sum(bit << index for index, bit in enumerate(field)))
        return lanes(form, [(bits, columns[0]), (32, starts), (32, lengths)], bits, results, "fields that reach over the end, too.")
    # Of one operand: small values, large ones, every length.
    values = [(1 << bits) - 1 ^ (1 << lane * bits // LANES) if lane % 3 == 0 else columns[0][lane] >> lane * bits // LANES for lane in range(LANES)]
    if operation == "bfind":
        results = []
        for value in values:
            magnitude = ~signed(value, bits) if ty[0] == "s" and signed(value, bits) < 0 else value
            found = magnitude.bit_length() - 1
            results.append(0xFFFFFFFF if found < 0 else bits - 1 - found if "shiftamt" in rest else found)
        return lanes(form, [(bits, values)], 32, results, "the highest bit that is not the sign.")
    one = {
        "cnot": lambda value: int(value == 0),
        "not": lambda value: ~value,
        "popc": lambda value: bin(value).count("1"),
        "clz": lambda value: bits - value.bit_length(),
        "brev": lambda value: int(f"{value:0{bits}b}"[::-1], 2),
    }[operation]
    out = 32 if operation in ("popc", "clz") else bits
    return lanes(form, [(bits, values)], out, [one(value) for value in values], "of every length.")


def float_form(form, parts):
    if parts[0] == "testp":
        _, test, ty = parts
        e, m = FORMATS[ty]
        values = floats(ty, 0)
        results = []
        for value in values:
            kind, _, magnitude = decode(ty, value)
            field = value >> m & ((1 << e) - 1)
            results.append(int({
                "finite": kind is None,
                "infinite": kind == "inf",
                "number": kind != "nan",
                "notanumber": kind == "nan",
                # Zero is normal.
                "normal": kind is None and (field != 0 or magnitude == 0),
                "subnormal": kind is None and field == 0 and magnitude != 0,
            }[test]))
        lanewise(form, "special values and random ones.", [(bits_of(ty), values)], 32, results, f"{form} %p1, {{a}};\nselp.b32 {{d}}, 1, 0, %p1;")
        return True
    if parts[0] == "copysign" and parts[1] == "f64":
        a, b = floats("f64", 0, nan=False), floats("f64", 1, nan=False)
        top = 1 << 63
        return lanes(form, [(64, a), (64, b)], 64, [x & top | y & ~top for x, y in zip(a, b)], "special values and random ones.")
    if parts[0] == "neg":
        ty = parts[1].removesuffix("x2")
        a, b = floats(ty, 0, nan=False), floats(ty, 1, nan=False)
        values = [x | y << 16 for x, y in zip(a, b)]
        return lanes(form, [(32, values)], 32, [value ^ 0x80008000 for value in values], "special values and random ones.")
    return False


def set_form(form, parts):
    if parts[0] != "set":
        return False
    _, comparison, to, ty = parts
    if ty.removesuffix("x2") in FORMATS:
        return float_set_form(form, comparison, to.removesuffix("x2"), ty.removesuffix("x2"), ty.endswith("x2"))
    a, b = integers(32, 0), integers(32, 0)
    b = b[:4] + b[5:] + b[4:5]
    holds = {"eq": lambda x, y: x == y, "ne": lambda x, y: x != y, "lt": lambda x, y: x < y, "le": lambda x, y: x <= y, "gt": lambda x, y: x > y, "ge": lambda x, y: x >= y}[comparison]
    results = [0xFFFFFFFF if holds(number(ty, x), number(ty, y)) else 0 for x, y in zip(a, b)]
    return lanes(form, [(32, a), (32, b)], 32, results, "all ones where it holds.")


def float_set_form(form, comparison, to, ty, pairs):
    """1.0 of a float, all ones of an integer; of pairs each half for itself (PTX ISA 9.7.6.1 and 9.7.7.1)."""
    ones = {"f16": 0x3C00, "bf16": 0x3F80, "f32": 0x3F800000}.get(to, (1 << bits_of(to)) - 1)
    a, b = floats(ty, 0), floats(ty, 0)
    b = b[:4] + b[6:] + b[4:6]
    results = [ones if compare(ty, comparison, x, y) else 0 for x, y in zip(a, b)]
    if pairs:
        a, b, results = [[x | y << 16 for x, y in zip(column, column[3:] + column[:3])] for column in (a, b, results)]
        return lanes(form, [(32, a), (32, b)], 32, results, "of both halves.")
    return lanes(form, [(bits_of(ty), a), (bits_of(ty), b)], bits_of(to), results, "with NaN.")


# Reductions of plain bulk copies (PTX ISA 9.7.9.25.4.2).

INTEGERS = {"add": ["u32", "s32", "u64"], "min": ["u32", "s32", "u64", "s64"], "max": ["u32", "s32", "u64", "s64"], "inc": ["u32"], "dec": ["u32"]}
BITS = {operation: ["b32", "b64"] for operation in ("and", "or", "xor")}
HALVES = {"min": ["f16", "bf16"], "max": ["f16", "bf16"]}
TO_GLOBAL = [f"{operation}.{ty}" for table in (INTEGERS, BITS, HALVES) for operation, types in table.items() for ty in types]
TO_GLOBAL += ["add.f32", "add.f64", "add.noftz.f16", "add.noftz.bf16"]
TO_BLOCK = [f"{operation}.{ty}" for table in (INTEGERS, BITS) for operation, types in table.items() for ty in types if ty in ("u32", "s32", "b32") or (operation, ty) == ("add", "u64")]

FORMS = (
    FORMS
    + [f"cp.reduce.async.bulk.global.shared::cta.bulk_group.{what}" for what in TO_GLOBAL]
    + [f"cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.{what}" for what in TO_BLOCK]
)

STORE = """
ld.param.u64 %rd1, [out];
ld.param.u64 %rd2, [source];
mov.u32 %r1, %tid.x;
mov.u32 %r2, box;
mad.wide.u32 %rd3, %r1, {size}, %rd2;
mad.lo.u32 %r3, %r1, {size}, %r2;
ld.global.b{bits} %{file}40, [%rd3];
st.shared.b{bits} [%r3], %{file}40;
fence.proxy.async.shared::cta;
bar.sync 0;
setp.eq.u32 %p1, %r1, 0;
@%p1 {form} [%rd1], [%r2], {bytes};
cp.async.bulk.commit_group;
cp.async.bulk.wait_group 0;
"""

SEND = """
ld.param.u64 %rd1, [out];
ld.param.u64 %rd2, [source];
mov.u32 %r1, %tid.x;
mov.u32 %r2, box;
mov.u32 %r4, there;
mov.u32 %r5, full;
mov.u32 %r6, %cluster_ctarank;
mad.lo.u32 %r7, %r6, 32, %r1;
mad.wide.u32 %rd3, %r1, {size}, %rd2;
mad.wide.u32 %rd4, %r7, {size}, %rd1;
mad.lo.u32 %r3, %r1, {size}, %r2;
mad.lo.u32 %r8, %r1, {size}, %r4;
ld.global.b{bits} %{file}40, [%rd3];
st.shared.b{bits} [%r3], %{file}40;
ld.global.b{bits} %{file}41, [%rd4];
st.shared.b{bits} [%r8], %{file}41;
setp.eq.u32 %p1, %r1, 0;
@%p1 mbarrier.init.shared::cta.b64 [%r5], 1;
@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r5], {bytes};
fence.mbarrier_init.release.cluster;
fence.proxy.async;
barrier.cluster.arrive.release.aligned;
barrier.cluster.wait.acquire.aligned;
xor.b32 %r9, %r6, 1;
mapa.shared::cluster.u32 %r10, %r4, %r9;
mapa.shared::cluster.u32 %r11, %r5, %r9;
@%p1 {form} [%r10], [%r2], {bytes}, [%r11];
$wait:
mbarrier.try_wait.parity.shared.b64 %p3, [%r5], 0;
@!%p3 bra $wait;
ld.shared.b{bits} %{file}42, [%r8];
st.global.b{bits} [%rd4], %{file}42;
barrier.cluster.arrive.relaxed.aligned;
barrier.cluster.wait.aligned;
"""


def bulk_reduction_form(form, parts):
    if parts[:4] != ["cp", "reduce", "async", "bulk"] or "tensor" in parts:
        return False
    ty = parts[-1]
    operation = parts[-3] if parts[-2] == "noftz" else parts[-2]
    bits, blocks = bits_of(ty), 2 if "mbarrier::complete_tx::bytes" in parts else 1
    if ty in FORMATS:
        special = ty != "f64"
        sources, olds = floats(ty, 0, special), floats(ty, 2, special, nan=ty != "f32")
        one = lambda old, new: arithmetic(ty, "add", (old, new), ftz=ty == "f32") if operation == "add" else extreme(ty, operation, old, new)
    else:
        sources, olds = integers(bits, 0), integers(bits, 1) + (integers(bits, 2) if blocks == 2 else [])
        olds = [new if lane % 5 == 4 else old for lane, (old, new) in enumerate(zip(olds, sources * blocks))]
        one = lambda old, new: {
            "add": lambda: old + new,
            "min": lambda: min(number(ty, old), number(ty, new)),
            "max": lambda: max(number(ty, old), number(ty, new)),
            "and": lambda: old & new,
            "or": lambda: old | new,
            "xor": lambda: old ^ new,
            "inc": lambda: 0 if old >= new else old + 1,
            "dec": lambda: new if old == 0 or old > new else old - 1,
        }[operation]() & ((1 << bits) - 1)
    results = [one(old, new) for old, new in zip(olds, sources * blocks)]
    buffers = [("out", bits, LANES * blocks, olds, results), ("source", bits, LANES, sources, None)]
    where = {"size": bits // 8, "bits": bits, "file": {16: "h", 32: "r", 64: "rd"}[bits], "form": form, "bytes": LANES * bits // 8}
    declarations = f".shared .align 128 .b8 box[{LANES * bits // 8}];"
    if blocks == 2:
        declarations += f"\n.shared .align 128 .b8 there[{LANES * bits // 8}];\n.shared .align 8 .b64 full;"
    body = (SEND if blocks == 2 else STORE).format(**where)
    launch = "grid=2 block=32 cluster=2 sm=90" if blocks == 2 else "block=32 sm=90"
    title = "each block sends to the other, which combines." if blocks == 2 else "with what is in the buffer."
    file(form, title, buffers, body, launch, "sm_90", declarations=declarations)
    return True


FAMILIES = [permutation_form, dot_form, set_form, float_form, bulk_reduction_form, integer_form]
