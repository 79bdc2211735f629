"""Filetests for instruction forms, one small PTX file each, in the folder of its family.

What has to come out is computed here, from the PTX ISA, by exact integer and rational arithmetic that shares nothing with
the emulator. `python tests/filetests/derive.py` writes the files for every form of forms.txt that no other filetest runs
and that is described below; forms that are missing after that are printed.
"""

import pathlib
import random
import re
import sys
from fractions import Fraction

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[3] / "benches"))
from forms import FORMS, forms  # noqa: E402

LANES = 32

# Numbers.

FORMATS = {"f16": (5, 10), "bf16": (8, 7), "f32": (8, 23), "f64": (11, 52), "e4m3": (4, 3), "e5m2": (5, 2)}
BITS = {"f16": 16, "bf16": 16, "f32": 32, "f64": 64, "e4m3": 8, "e5m2": 8, "pred": 1}
NAN, INF = "nan", "inf"


def bits_of(ty):
    return BITS.get(ty) or int(re.sub(r"\D", "", ty))


def decode(fmt, code):
    """(kind, sign, value): kind is nan, inf or None."""
    e, m = FORMATS[fmt]
    sign, field, fraction = code >> (e + m) & 1, code >> m & ((1 << e) - 1), code & ((1 << m) - 1)
    bias = (1 << (e - 1)) - 1
    if field == (1 << e) - 1 and fmt != "e4m3":
        return (INF if fraction == 0 else NAN), sign, None
    if fmt == "e4m3" and field == 15 and fraction == 7:
        return NAN, sign, None
    magnitude = Fraction(fraction, 1 << m) * Fraction(2) ** (1 - bias) if field == 0 else (1 + Fraction(fraction, 1 << m)) * Fraction(2) ** (field - bias)
    return None, sign, -magnitude if sign else magnitude


def nan_of(fmt):
    return {"f16": 0x7FFF, "bf16": 0x7FFF, "f32": 0x7FFFFFFF, "f64": 0x7FFFFFFFFFFFFFFF, "e4m3": 0x7F, "e5m2": 0x7F}[fmt]


def encode(fmt, value, zero_sign=0, mode="rn", finite=False):
    """The rounded value; overflow to infinity, or to the largest number where rounding or `finite` says so."""
    e, m = FORMATS[fmt]
    bias = (1 << (e - 1)) - 1
    sign = 1 if value < 0 else 0 if value > 0 else zero_sign
    top = sign << (e + m)
    magnitude = abs(value)
    if magnitude == 0:
        return top
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    exponent = max(exponent if magnitude >= Fraction(2) ** exponent else exponent - 1, 1 - bias)
    unit = Fraction(2) ** (exponent - m)
    quotient, rest = divmod(magnitude, unit)
    up = {"rn": rest * 2 > unit or rest * 2 == unit and quotient % 2 == 1, "rna": rest * 2 >= unit, "rz": False, "rm": rest > 0 and sign == 1, "rp": rest > 0 and sign == 0}[mode]
    quotient += int(up)
    largest = (1 << (e + m)) - 2 if fmt == "e4m3" else ((1 << e) - 1 << m) - 1
    code = int(quotient) + (0 if exponent == 1 - bias else (exponent + bias - 1) << m)
    if code > largest:
        to_largest = finite or mode == "rz" or mode == "rm" and sign == 0 or mode == "rp" and sign == 1
        return top | (largest if to_largest else largest + 1)
    return top | code


def flush(fmt, code):
    e, m = FORMATS[fmt]
    return code & 1 << (e + m) if code >> m & ((1 << e) - 1) == 0 else code


def arithmetic(fmt, operation, codes, mode="rn", ftz=False):
    """add sub mul fma of codes."""
    codes = [flush(fmt, code) if ftz else code for code in codes]
    parts = [decode(fmt, code) for code in codes]
    if any(kind == NAN for kind, _, _ in parts):
        return nan_of(fmt)
    e, m = FORMATS[fmt]
    infinity = ((1 << e) - 1) << m
    (ka, sa, a), (kb, sb, b) = parts[:2]
    if operation == "sub":
        sb, b, operation = 1 - sb, None if b is None else -b, "add"
    if operation in ("mul", "fma"):
        kp, sp = None, sa ^ sb
        if ka or kb:
            if not ka and a == 0 or not kb and b == 0:
                return nan_of(fmt)
            kp, p = INF, None
        else:
            p = a * b
        if operation == "mul":
            result = (sp << (e + m) | infinity) if kp else encode(fmt, p, sp, mode)
            return flush(fmt, result) if ftz else result
        (ka, sa, a), (kb, sb, b) = (kp, sp, p), parts[2]
    if ka and kb:
        return nan_of(fmt) if sa != sb else sa << (e + m) | infinity
    if ka or kb:
        return (sa if ka else sb) << (e + m) | infinity
    total = a + b
    zero = sa if sa == sb else 1 if mode == "rm" else 0
    result = encode(fmt, total, zero, mode)
    return flush(fmt, result) if ftz else result


def compare(fmt, operation, x, y):
    (ka, sa, a), (kb, sb, b) = decode(fmt, x), decode(fmt, y)
    unordered = ka == NAN or kb == NAN
    if operation == "num":
        return not unordered
    if operation == "nan":
        return unordered
    if unordered:
        return len(operation) == 3
    order = lambda kind, sign, value: Fraction(-(10**400) if sign else 10**400) if kind == INF else value
    a, b = order(ka, sa, a), order(kb, sb, b)
    return {"eq": a == b, "ne": a != b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}[operation[:2]]


def extreme(fmt, operation, x, y, propagate=False):
    """min and max: -0 is less than +0, a number wins against NaN."""
    (ka, sa, _), (kb, sb, _) = decode(fmt, x), decode(fmt, y)
    if ka == NAN or kb == NAN:
        if propagate or ka == kb:
            return nan_of(fmt)
        return y if ka == NAN else x
    less = compare(fmt, "lt", x, y) or not compare(fmt, "gt", x, y) and sa > sb
    return (x if less else y) if operation == "min" else (y if less else x)


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


# Values to try: the first are special, the others random, always the same.


def integers(bits, seed):
    top = 1 << (bits - 1)
    special = [0, 1, 2, 3, 7, top - 1, top, top + 1, 2 * top - 1, 2 * top - 2, 100 % (2 * top), 0x55]
    generator = random.Random(f"{bits} {seed}")
    values = special + [generator.getrandbits(bits) for _ in range(LANES - len(special))]
    return values[seed * 5 % LANES :] + values[: seed * 5 % LANES]


def floats(fmt, seed, special=True, nan=True):
    e, m = FORMATS[fmt]
    one, infinity, sign = ((1 << (e - 1)) - 1) << m, ((1 << e) - 1) << m, 1 << (e + m)
    values = [0, sign, one, one | sign, one + 1, one + (1 << m) // 2, 1, sign | 3, (1 << m) - 1, (1 << m)]
    values += [infinity, infinity | sign, infinity - 1] if special else [one + 3, one + 5 | sign, one - 1]
    values += [nan_of(fmt)] if nan and special else [one + 7]
    generator = random.Random(f"{fmt} {seed}")
    while len(values) < LANES:
        exponent = generator.randrange(-4, 5) if e < 8 else generator.randrange(-20, 21)
        values.append(generator.getrandbits(1) << (e + m) | one + (exponent << m) + generator.getrandbits(m))
    return values[seed * 7 % LANES :] + values[: seed * 7 % LANES]


# Files.

FAMILY = {
    "atomic": "atom red", "barrier": "bar barrier", "collective": "elect match redux shfl vote", "compare": "selp set setp slct testp",
    "control": "setmaxnreg", "convert": "cvt", "float": "copysign ex2 fma lg2 rcp rsqrt sqrt", "mbarrier": "mbarrier",
    "memory": "createpolicy cvta ld mov st", "mma": "ldmatrix mma stmatrix", "tcgen05": "tcgen05", "wgmma": "wgmma",
}
FAMILY_OF = {opcode: family for family, opcodes in FAMILY.items() for opcode in opcodes.split()}
MARK = "// By derive.py."


def path_of(form):
    """The file of a form, in the folder of its family."""
    parts = form.split(".")
    if parts[0] == "cp":
        family = "bulk" if "bulk" in parts else "memory"
    else:
        is_float = any(re.match(r"(f|bf|e\d+m|tf|ue)\d", part) for part in parts)
        family = FAMILY_OF.get(parts[0]) or ("float" if is_float else "integer")
    return HERE / family / (re.sub(r"[^A-Za-z0-9]+", "_", form) + ".ptx")


def commands(text):
    """The head line that names what is done with a file."""
    sm = int(re.search(r"^//! launch .*?sm=(\d+)", text, re.M)[1])
    is_refused = "//! error ptx" in text
    names = ["refused"] if is_refused else ["emulate", "ptxas"]
    on_h100 = sm <= 90 and not ("mma.sync" in text and sm != 90)
    if on_h100 and not is_refused and "// Not on a GPU" not in text:
        names.append("cuda")
    return f"//! test {' '.join(names)}"


def write(form, text):
    """Writes a form's file, with its commands before its launch."""
    path = path_of(form)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.replace("//! launch", commands(text) + "\n//! launch", 1))

BUFFER = {8: "u8", 16: "x16", 32: "x32", 64: "u64"}


def shown(values, bits):
    """As the filetests show a buffer: no zeros at the end, runs folded."""
    values = list(values)
    while values and values[-1] == 0:
        values.pop()
    text = {8: str, 16: "0x{:04x}".format, 32: "0x{:08x}".format, 64: str}[bits]
    words, index = [], 0
    while index < len(values):
        run = index
        while run < len(values) and values[run] == values[index]:
            run += 1
        words += [f"{text(values[index])}*{run - index}"] if run - index >= 4 else [text(values[index])] * (run - index)
        index = run
    return " ".join(words)


def listed(values, bits):
    text = {8: str, 16: "0x{:04x}".format, 32: "0x{:08x}".format, 64: str}[bits]
    return " ".join(text(value) for value in values)


def file(form, title, buffers, body, launch="block=32 sm=90", target="sm_90", head="", declarations=""):
    """Buffers: name, bits, count, values before or None, values after or None."""
    lines = [f"// {form}: {title}", MARK, f"//! launch {launch}"]
    for name, bits, count, before, _ in buffers:
        lines.append(f"//! buffer {name} {BUFFER[bits]}[{count}]" + (f" = {listed(before, bits)}" if before is not None else ""))
    for name, bits, count, before, after in buffers:
        if after is not None and list(after) != list(before if before is not None else [0] * count):
            lines.append(f"//! expect {name} = {shown(after, bits)}".rstrip())
    version = "8.8" if target.startswith(("sm_10", "sm_12")) else "8.4"
    lines += [f".version {version}", f".target {target}", ".address_size 64"] + ([declarations] if declarations else [])
    lines += [".visible .entry k("] + [f"    .param .u64 {name}" + ("," if index + 1 < len(buffers) else "") for index, (name, *_) in enumerate(buffers)]
    lines += [")", "{", "    .reg .pred %p<16>;", "    .reg .b16 %h<64>;", "    .reg .b32 %r<300>;", "    .reg .b64 %rd<64>;"]
    lines += [f"    {line}" if not line.endswith(":") else line for line in (head + body).strip().splitlines()]
    lines += ["    ret;", "}"]
    write(form, "\n".join(lines) + "\n")


REGISTER = {8: "h", 16: "h", 32: "r", 64: "rd"}


def lanewise(form, title, inputs, out_bits, expected, instruction, target="sm_90", flags=None):
    """Each lane has its own operands; `{d}`, `{a}`, `{b}`, `{c}` are registers. Inputs: (bits, values)."""
    names = "abc"
    sm = target.removeprefix("sm_").rstrip("a")
    buffers = [("out", out_bits, LANES, None, expected)] + [(names[i], bits, LANES, values, None) for i, (bits, values) in enumerate(inputs)]
    lines = ["mov.u32 %r0, %tid.x;"]
    where = {}
    for index, (name, bits, *_) in enumerate(buffers):
        lines += [f"ld.param.u64 %rd{index}, [{name}];", f"mad.wide.u32 %rd{index}, %r0, {bits // 8}, %rd{index};"]
        if index:
            register = f"%{REGISTER[bits]}{40 + index}"
            where[name] = register
            lines.append(f"ld.global.{'u8' if bits == 8 else f'b{bits}'} {register}, [%rd{index}];")
    where["d"] = f"%{REGISTER[out_bits]}50"
    lines += instruction.format(**where).strip().splitlines()
    lines.append(f"st.global.{'u8' if out_bits == 8 else f'b{out_bits}'} [%rd0], {where['d']};")
    file(form, title, buffers, "\n".join(lines), launch=f"block=32 sm={sm}", target=target)


def take(parts, *names):
    for name in names:
        if name in parts:
            parts.remove(name)
            return name
    return None


def arithmetic_form(form, parts):
    operation, *rest = parts
    fine = ["add", "sub", "mul", "fma", "min", "max", "neg", "abs", "and", "or", "xor", "not", "div", "rem", "shl", "shr", "mad", "mul24", "addc", "subc", "madc", "copysign", "sqrt", "rcp", "ex2", "lg2", "rsqrt"]
    if operation not in fine:
        return False
    ty = rest.pop()
    ftz, mode = bool(take(rest, "ftz")), take(rest, "rn", "rz", "rm", "rp") or "rn"
    count = {"fma": 3, "mad": 3, "madc": 3, "neg": 1, "abs": 1, "not": 1, "sqrt": 1, "rcp": 1, "ex2": 1, "lg2": 1, "rsqrt": 1}.get(operation, 2)
    register = lambda bits: "{d}, " + ", ".join("{" + name + "}" for name in "abc"[:count]) + ";"
    if ty == "pred":
        values = [(integers(32, i)) for i in range(count)]
        f = {"and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b, "not": lambda a: 1 - a}[operation]
        expected = [f(*(value & 1 for value in lane)) for lane in zip(*values)]
        sets = "".join(f"and.b32 %r{60 + i}, {{{'abc'[i]}}}, 1;\nsetp.ne.b32 %p{i + 1}, %r{60 + i}, 0;\n" for i in range(count))
        lanewise(form, "of predicates.", [(32, v) for v in values], 32, expected, sets + f"{form} %p5, " + ", ".join(f"%p{i + 1}" for i in range(count)) + ";\nselp.b32 {d}, 1, 0, %p5;")
        return True
    if operation in ("addc", "subc", "madc") or "cc" in rest:
        return carry_form(form, operation, rest)
    base = ty.removesuffix("x2")
    pairs = ty.endswith("x2")
    if base in FORMATS:
        propagate, xorsign = take(rest, "NaN"), take(rest, "xorsign")
        take(rest, "abs")
        how = take(rest, "full", "approx")
        if rest:
            return False
        each = bits_of(base)
        if operation in ("div", "sqrt", "rcp", "ex2", "lg2", "rsqrt"):
            return exact_form(form, operation, ty, ftz, how)
        nan = base != "f64"
        columns = [floats(base, i + (operation == "sub"), nan=nan) for i in range(count)]
        if base == "f64":
            columns = [floats(base, i + 3, special=False) for i in range(count)]

        def one(*codes):
            if operation in ("add", "sub", "mul", "fma"):
                return arithmetic(base, operation, codes, mode, ftz)
            codes = [flush(base, code) if ftz else code for code in codes]
            top = 1 << (each - 1)
            if operation == "copysign":
                return codes[1] & ~top | codes[0] & top
            if operation in ("neg", "abs"):
                return nan_of(base) if decode(base, codes[0])[0] == NAN else codes[0] ^ top if operation == "neg" else codes[0] & ~top
            if xorsign:
                found = extreme(base, operation, codes[0] & ~top, codes[1] & ~top, bool(propagate))
                return found | (codes[0] ^ codes[1]) & top
            return extreme(base, operation, *codes, bool(propagate))

        if xorsign or operation == "copysign":
            columns = [floats(base, i, nan=False) for i in range(count)]
        results = [one(*lane) for lane in zip(*columns)]
        if pairs:
            others = [column[3:] + column[:3] for column in columns]
            upper = [one(*lane) for lane in zip(*others)]
            join = lambda low, high: [a | b << each for a, b in zip(low, high)]
            columns, results, each = [join(a, b) for a, b in zip(columns, others)], join(results, upper), 2 * each
        target = "sm_100a" if ty == "f32x2" else "sm_90"
        lanewise(form, "special values and random ones.", [(each, c) for c in columns], each, results, f"{form} {register(each)}", target)
        return True
    # Integers.
    how = take(rest, "lo", "hi", "wide")
    if rest:
        return False
    bits, is_signed = bits_of(base), ty[0] == "s"
    out = 2 * bits if how == "wide" else bits
    columns = [integers(bits, i) for i in range(count)]
    if operation == "mad" and how == "wide":
        columns[2] = integers(out, 2)
    widths = [bits] * count
    if operation == "mad" and how == "wide":
        widths[2] = out
    if operation in ("shl", "shr"):
        widths[1], columns[1] = 32, [value % 70 for value in integers(32, 1)]
    if operation in ("div", "rem"):
        columns[1] = [value or 3 for value in columns[1]]
        if is_signed:
            columns[1] = [5 if value == (1 << bits) - 1 else value for value in columns[1]]
    number = (lambda value, width: signed(value, width)) if is_signed else (lambda value, width: value)

    def one(*lane):
        a = number(lane[0], bits)
        b = number(lane[1], bits) if count > 1 else 0
        if operation in ("shl", "shr"):
            distance = min(lane[1], bits if operation == "shl" or not is_signed else bits - 1)
            return a << distance if operation == "shl" else a >> distance
        if operation in ("mul", "mad"):
            product = a * b
            product = product >> bits if how == "hi" else product
            return product + (number(lane[2], widths[2]) if count == 3 else 0)
        if operation in ("div", "rem"):
            quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
            return quotient if operation == "div" else a - quotient * b
        return {"add": a + b, "sub": a - b, "min": min(a, b), "max": max(a, b), "and": a & b, "or": a | b, "xor": a ^ b, "neg": -a, "abs": abs(a), "not": ~a}[operation]

    results = [one(*lane) & ((1 << out) - 1) for lane in zip(*columns)]
    if pairs:
        others = [column[3:] + column[:3] for column in columns]
        upper = [one(*lane) & 0xFFFF for lane in zip(*others)]
        join = lambda low, high: [a | b << 16 for a, b in zip(low, high)]
        columns, results, widths, out = [join(a, b) for a, b in zip(columns, others)], join(results, upper), [32] * count, 32
    lanewise(form, "limits and random values.", list(zip(widths, columns)), out, results, f"{form} {register(out)}")
    return True


def carry_form(form, operation, rest):
    """The carry flag is set by an `add.cc` of two other numbers before, and read by an `addc` after."""
    writes, how = bool(take(rest, "cc")), take(rest, "lo", "hi")
    columns = [integers(32, i) for i in range(3)]
    results = []
    for a, b, c in zip(*columns):
        carry = int(a + c > 0xFFFFFFFF) if operation != "subc" else int(a < c)
        carry = carry if operation.endswith("c") else 0
        if operation.startswith("mad"):
            product = a * b
            value = (product >> 32 if how == "hi" else product & 0xFFFFFFFF) + c + carry
        elif operation.startswith("sub"):
            value = a - b - carry
        else:
            value = a + b + carry
        flag = int(value > 0xFFFFFFFF or value < 0)
        results.append((value & 0xFFFFFFFF) | (flag if writes else 0) << 32)
    sets = {"subc": "sub.cc.u32 %r60, {a}, {c};\n"}.get(operation, "add.cc.u32 %r60, {a}, {c};\n") if operation.endswith("c") else ""
    operands = "{a}, {b}, {c}" if operation.startswith("mad") else "{a}, {b}"
    reads = ("subc.u32 %r62, 0, 0;\nneg.s32 %r62, %r62;\n" if operation.startswith("sub") else "addc.u32 %r62, 0, 0;\n") if writes else "mov.b32 %r62, 0;\n"
    lanewise(form, "the result, and above it the carry.", [(32, c) for c in columns], 64, results, f"{sets}{form} %r61, {operands};\n{reads}mov.b64 {{d}}, {{{{%r61, %r62}}}};")
    return True


def exact_form(form, operation, ty, ftz, how):
    """Where approximations are exact: powers of two. Division to nearest of any numbers."""
    e, m = FORMATS[ty]
    power = lambda n: encode(ty, Fraction(2) ** n)
    if operation == "div" and how is None:
        columns = [floats(ty, 0, special=False), floats(ty, 3, special=False)]
        results = []
        for a, b in zip(*columns):
            a, b = (flush(ty, a), flush(ty, b)) if ftz else (a, b)
            (_, sa, x), (_, sb, y) = decode(ty, a), decode(ty, b)
            infinity = ((1 << e) - 1) << m
            if y == 0:
                results.append(nan_of(ty) if x == 0 else infinity | (sa ^ sb) << (e + m))
            else:
                found = encode(ty, x / y, sa ^ sb)
                results.append(flush(ty, found) if ftz else found)
        lanewise(form, "to nearest.", [(bits_of(ty), c) for c in columns], bits_of(ty), results, f"{form} {{d}}, {{a}}, {{b}};")
        return True
    ns = [n - 12 for n in range(LANES)]
    if operation == "div":
        columns = [[encode(ty, Fraction(3) * Fraction(2) ** n) for n in ns], [power(n % 7 - 3) for n in ns]]
        results = [encode(ty, Fraction(3) * Fraction(2) ** (n - (n % 7 - 3))) for n in ns]
    elif operation == "ex2":
        ns = range(LANES)
        columns, results = [[encode(ty, Fraction(n)) for n in ns]], [power(n) for n in ns]
    elif operation == "lg2":
        # Of less than one, an H100 is a place off.
        ns = range(LANES)
        columns, results = [[power(n) for n in ns]], [encode(ty, Fraction(n)) for n in ns]
    elif operation == "rcp":
        columns, results = [[power(n) for n in ns]], [power(-n) for n in ns]
    elif operation == "sqrt":
        columns, results = [[power(2 * n) for n in ns]], [power(n) for n in ns]
    else:
        columns, results = [[power(2 * n) for n in ns]], [power(-n) for n in ns]
    operands = ", ".join("{" + name + "}" for name in "ab"[: len(columns)])
    lanewise(form, "powers of two, which are exact.", [(bits_of(ty), c) for c in columns], bits_of(ty), results, f"{form} {{d}}, {operands};")
    return True


def comparison_form(form, parts):
    if parts[0] != "setp" or len(parts) != 3:
        return False
    _, operation, ty = parts
    base, pairs = ty.removesuffix("x2"), ty.endswith("x2")
    bits = bits_of(base)
    if base in FORMATS:
        columns = [floats(base, 0), floats(base, 0)]
        columns[1] = columns[1][:4] + columns[1][6:] + columns[1][4:6]
        one = lambda a, b: int(compare(base, operation, a, b))
    else:
        columns = [integers(bits, 0), integers(bits, 0)]
        columns[1] = columns[1][:4] + columns[1][5:] + columns[1][4:5]
        number = (lambda value: signed(value, bits)) if ty[0] == "s" else (lambda value: value)
        one = lambda a, b: int({"eq": a == b, "ne": a != b, "lt": number(a) < number(b), "le": number(a) <= number(b), "gt": number(a) > number(b), "ge": number(a) >= number(b)}[operation])
    results = [one(*lane) for lane in zip(*columns)]
    if pairs:
        others = [column[3:] + column[:3] for column in columns]
        upper = [one(*lane) for lane in zip(*others)]
        columns = [[a | b << 16 for a, b in zip(low, high)] for low, high in zip(columns, others)]
        results = [a | b << 1 for a, b in zip(results, upper)]
        text = f"{form} %p1|%p2, {{a}}, {{b}};\nselp.b32 %r60, 1, 0, %p1;\nselp.b32 %r61, 2, 0, %p2;\nor.b32 {{d}}, %r60, %r61;"
        lanewise(form, "of both halves.", [(32, c) for c in columns], 32, results, text)
        return True
    lanewise(form, "with NaN where there is one." if base in FORMATS else "limits and random values.", [(bits, c) for c in columns], 32, results, f"{form} %p1, {{a}}, {{b}};\nselp.b32 {{d}}, 1, 0, %p1;")
    return True


def conversion_form(form, parts):
    if parts[0] != "cvt":
        return False
    rest = parts[1:]
    source, to = rest.pop(), rest.pop()
    ftz, sat, finite = bool(take(rest, "ftz")), bool(take(rest, "sat")), bool(take(rest, "satfinite"))
    mode = take(rest, "rn", "rna", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi")
    if rest:
        return False
    narrow, wide = source.removesuffix("x2"), to.removesuffix("x2")
    if narrow in FORMATS and wide in FORMATS:
        values = floats(narrow, 1)
        if wide == "f64" or narrow == "f64" or (narrow, wide) == ("bf16", "f32"):
            # The ISA leaves the bits of a NaN open.
            values = floats(narrow, 1, special=False)
        if finite and narrow == "f16":
            values = floats(narrow, 1)

        def one(code):
            code = flush(narrow, code) if ftz else code
            kind, sign, value = decode(narrow, code)
            ee, mm = FORMATS[wide]
            if sat:
                value = Fraction(0) if kind == NAN else Fraction(0 if sign else 1) if kind == INF else min(max(value, Fraction(0)), Fraction(1))
                return encode(wide, value)
            if kind == NAN:
                return nan_of(wide)
            if kind == INF:
                largest = (1 << (ee + mm)) - 2 if wide == "e4m3" else ((1 << ee) - 1 << mm) - 1
                return sign << (ee + mm) | (largest if finite else largest + 1)
            if mode and mode.endswith("i"):
                floor = value.numerator // value.denominator
                rest_of = value - floor
                value = Fraction({"rzi": floor + (1 if value < 0 and rest_of else 0), "rmi": floor, "rpi": floor + (1 if rest_of else 0), "rni": floor + int(rest_of * 2 > 1 or rest_of * 2 == 1 and floor % 2 == 1)}[mode])
                return encode(wide, value, sign)
            result = encode(wide, value, sign, mode or "rn", finite)
            return flush(wide, result) if ftz else result

        each, out = bits_of(narrow), bits_of(wide)
        results = [one(value) for value in values]
        if to.endswith("x2"):
            others = values[5:] + values[:5]
            upper = [one(value) for value in others]
            results = [a | b << out for a, b in zip(results, upper)]
            if source.endswith("x2"):
                values = [a | b << each for a, b in zip(values, others)]
                lanewise(form, "both halves.", [(2 * each, values)], 2 * out, results, f"{form} {{d}}, {{a}};")
            else:
                lanewise(form, "the second operand goes to the lower half.", [(each, others), (each, values)], 2 * out, results, f"{form} {{d}}, {{a}}, {{b}};")
            return True
        lanewise(form, "special values and random ones.", [(each, values)], out, results, f"{form} {{d}}, {{a}};")
        return True
    if narrow in FORMATS and wide == "tf32":
        values = floats("f32", 1, nan=False)
        results = []
        for code in values:
            kind, sign, value = decode("f32", code)
            results.append(nan_of("f32") if kind == NAN else code if kind == INF else code + 0x1000 & 0xFFFFE000)
        lanewise(form, "ties away from zero.", [(32, values)], 32, results, f"{form} {{d}}, {{a}};")
        return True
    out = bits_of(wide)
    if narrow in FORMATS:
        values = list(floats(narrow, 1, special=False))
        scale = min(bits_of(to) + 2, 14 if narrow == "f16" else 70)
        generator = random.Random(form)
        for index in range(12, LANES):
            values[index] = encode(narrow, Fraction(generator.randrange(-(1 << 20), 1 << 20), 1 << 20) * Fraction(2) ** generator.randrange(scale))
        limits = (-(1 << (out - 1)), (1 << (out - 1)) - 1) if to[0] == "s" else (0, (1 << out) - 1)
        results = []
        for code in values:
            code = flush(narrow, code) if ftz else code
            value = decode(narrow, code)[2]
            floor = value.numerator // value.denominator
            rest_of = value - floor
            whole = {"rzi": floor + (1 if value < 0 and rest_of else 0), "rmi": floor, "rpi": floor + (1 if rest_of else 0), "rni": floor + int(rest_of * 2 > 1 or rest_of * 2 == 1 and floor % 2 == 1)}[mode]
            results.append(min(max(whole, limits[0]), limits[1]) & ((1 << out) - 1))
        lanewise(form, "clamped where it does not fit.", [(bits_of(narrow), values)], out, results, f"{form} {{d}}, {{a}};")
        return True
    bits = bits_of(source)
    values = integers(max(bits, 16), 1)
    number = [signed(value, bits) if source[0] == "s" else value & ((1 << bits) - 1) for value in values]
    if wide in FORMATS:
        results = [encode(wide, Fraction(value), 0, mode or "rn") for value in number]
    else:
        # A register of 16 bits holds what is narrower, extended by its sign.
        results = [(signed(value, out) if to[0] == "s" else value & ((1 << out) - 1)) & ((1 << max(out, 16)) - 1) for value in number]
    lanewise(form, "limits and random values.", [(max(bits, 16), values)], max(out, 16), results, f"{form} {{d}}, {{a}};")
    return True


def memory_form(form, parts):
    if parts[0] not in ("ld", "st") or "param" in parts or "cluster" in form:
        return False
    if "L1::evict" in form and any(operator in parts for operator in ("ca", "cg", "cs", "wb")):
        # ptxas refuses the two together; the files say so.
        return False
    rest = parts[1:]
    ty, count = rest.pop(), take(rest, "v2", "v4", "v8")
    count, bits = int(count[1:]) if count else 1, bits_of(ty)
    space = next((name for name in rest if name.split("::")[0] in ("global", "shared", "local")), None)
    values = integers(bits, 2) * count
    values = [(value + index) & ((1 << bits) - 1) for index, value in enumerate(values)]
    registers = [f"%{REGISTER[bits]}{20 + index}" for index in range(count)]
    vector = "{" + ", ".join(registers) + "}" if count > 1 else registers[0]
    other = lambda way, address: "\n".join(f"{way}.{'u8' if bits == 8 else f'b{bits}'} " + (f"{register}, [{address}+{index * bits // 8}];" if way.startswith("ld") else f"[{address}+{index * bits // 8}], {register};") for index, register in enumerate(registers))
    head = f"mov.u32 %r0, %tid.x;\nld.param.u64 %rd0, [out];\nmad.wide.u32 %rd0, %r0, {count * bits // 8}, %rd0;\nld.param.u64 %rd1, [a];\nmad.wide.u32 %rd1, %r0, {count * bits // 8}, %rd1;\n"
    own = {"global": "%rd1" if parts[0] == "ld" else "%rd0", "shared": "%r2", "local": "mine", None: "%rd0"}[space and space.split("::")[0]]
    hint = ", %rd40" if "L2::cache_hint" in form else ""
    head += "createpolicy.fractional.L2::evict_first.b64 %rd40, 1.0;\n" if hint else ""
    moves = lambda way: f"{form} {vector}, [{own}]{hint};" if way == "ld" else f"{form} [{own}], {vector}{hint};"
    plain = {"shared": "shared", "local": "local"}.get((space or "").split("::")[0])
    declarations = ""
    if plain == "shared":
        declarations = f".shared .align 32 .b8 box[{LANES * count * bits // 8}];"
        head += f"mov.u32 %r1, box;\nmad.lo.u32 %r2, %r0, {count * bits // 8}, %r1;\n"
    if plain == "local":
        head = f".local .align 32 .b8 mine[{count * bits // 8}];\n" + head
    if plain:
        body = other("ld.global", "%rd1") + "\n"
        body += (other(f"st.{plain}", own) + "\n" + moves("ld") if parts[0] == "ld" else moves("st") + "\n" + other(f"ld.{plain}", own)) + "\n" + other("st.global", "%rd0")
    else:
        body = moves("ld") + "\n" + other("st.global", "%rd0") if parts[0] == "ld" else other("ld.global", "%rd1") + "\n" + moves("st")
    file(form, "there and back.", [("out", bits, LANES * count, None, values), ("a", bits, LANES * count, values, None)], body, head=head, declarations=declarations)
    return True


def atomic_form(form, parts):
    if parts[0] == "createpolicy":
        values = integers(32, 0)
        hinted = "ld.global.L1::evict_first.L2::cache_hint.b32 %r60, [%rd1], %rd20;\nmov.b32 {d}, {a};\nmin.u32 {d}, {d}, %r60;"
        lanewise(form, "a hint for a load.", [(32, values)], 32, values, f"{form} %rd20, 1.0;\n{hinted}")
        return True
    if parts[0] != "atom" or "global" not in parts:
        return False
    rest = parts[1:]
    ty, count = rest.pop(), take(rest, "v2", "v4", "v8")
    operation = take(rest, "add", "min", "max", "and", "or", "xor", "exch", "cas")
    count = int(count[1:]) if count else 1
    base, pairs = ty.removesuffix("x2"), ty.endswith("x2")
    bits = bits_of(base) * (2 if pairs else 1)
    total = LANES * count
    if base in FORMATS:
        generator = random.Random(form)
        number = lambda: encode(base, Fraction(generator.randrange(-200, 200), 4))
        word = lambda: number() | (number() << bits_of(base) if pairs else 0)
        before, values = [word() for _ in range(total)], [word() for _ in range(total)]
        half = lambda a, b: arithmetic(base, "add", (a, b))
        mask = (1 << bits_of(base)) - 1
        f = (lambda a, b: half(a & mask, b & mask) | half(a >> bits_of(base), b >> bits_of(base)) << bits_of(base)) if pairs else half
    else:
        before, values = integers(bits, 0), integers(bits, 1)
        number = (lambda value: signed(value, bits)) if ty[0] == "s" else (lambda value: value)
        f = {"add": lambda a, b: a + b, "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b, "exch": lambda a, b: b, "min": lambda a, b: min(number(a), number(b)), "max": lambda a, b: max(number(a), number(b))}.get(operation)
    if operation == "cas":
        # Every other lane guesses right.
        guesses = [value if index % 2 else value ^ 1 for index, value in enumerate(before)]
        after = [values[index] if index % 2 else value for index, value in enumerate(before)]
    else:
        after = [f(a, b) & ((1 << bits) - 1) for a, b in zip(before, values)]
    size = count * bits // 8
    kind = REGISTER[bits]
    sources, olds = ([f"%{kind}{start + index}" for index in range(count)] for start in (20, 30))
    vector = lambda registers: "{" + ", ".join(registers) + "}" if count > 1 else registers[0]
    buffers = [("out", bits, total, None, before), ("at", bits, total, before, after), ("a", bits, total, values, None)]
    lines = ["mov.u32 %r0, %tid.x;"]
    if operation == "cas":
        buffers.append(("guess", bits, total, guesses, None))
    for index, (name, *_) in enumerate(buffers):
        lines += [f"ld.param.u64 %rd{index}, [{name}];", f"mad.wide.u32 %rd{index}, %r0, {size}, %rd{index};"]
    lines += [f"ld.global.b{bits} {register}, [%rd2+{index * bits // 8}];" for index, register in enumerate(sources)]
    if operation == "cas":
        lines += [f"ld.global.b{bits} %{kind}18, [%rd3];", f"{form} {olds[0]}, [%rd1], %{kind}18, {sources[0]};"]
    else:
        lines.append(f"{form} {vector(olds)}, [%rd1], {vector(sources)};")
    lines += [f"st.global.b{bits} [%rd0+{index * bits // 8}], {register};" for index, register in enumerate(olds)]
    file(form, "a place for each lane; what was there goes to `out`.", buffers, "\n".join(lines))
    return True


def reduction_form(form, parts):
    if parts[0] != "redux":
        return False
    operation, ty = parts[2], parts[-1]
    if ty == "f32":
        values = floats("f32", 0, nan=False)
        found = values[0]
        for value in values[1:]:
            found = extreme("f32", operation, found, value)
    else:
        values = integers(32, 0)
        number = (lambda value: signed(value, 32)) if ty[0] == "s" else (lambda value: value)
        found = number(values[0])
        for value in values[1:]:
            value = number(value)
            found = {"add": found + value, "min": min(found, value), "max": max(found, value), "and": found & value, "or": found | value, "xor": found ^ value}[operation]
        found &= 0xFFFFFFFF
    target = "sm_100a" if ty == "f32" else "sm_90"
    lanewise(form, "of all lanes.", [(32, values)], 32, [found] * LANES, f"{form} {{d}}, {{a}}, -1;", target)
    return True


def simple_form(form, parts):
    a32, b32 = integers(32, 0), integers(32, 1)
    one = {
        "mov.b16": ([(16, integers(16, 0))], 16, integers(16, 0), "mov.b16 {d}, {a};"),
        "mov.pred": ([(32, a32)], 32, [value & 1 for value in a32], "and.b32 %r60, {a}, 1;\nsetp.ne.b32 %p1, %r60, 0;\nmov.pred %p2, %p1;\nselp.b32 {d}, 1, 0, %p2;"),
        "selp.f64": ([(64, integers(64, 0)), (64, integers(64, 1)), (32, b32)], 64, [x if c & 1 else y for x, y, c in zip(integers(64, 0), integers(64, 1), b32)], "and.b32 %r60, {c}, 1;\nsetp.ne.b32 %p1, %r60, 0;\nselp.f64 {d}, {a}, {b}, %p1;"),
        "shfl.sync.idx.b32": ([(32, a32), (32, b32)], 32, [a32[value & 31] for value in b32], "and.b32 %r60, {b}, 31;\nshfl.sync.idx.b32 {d}, {a}, %r60, 31, -1;"),
        "elect.sync": ([(32, a32)], 32, [1] + [0] * 31, "elect.sync %r60|%p1, -1;\nselp.b32 {d}, 1, 0, %p1;"),
        "barrier.sync.aligned": ([(32, a32)], 32, a32[::-1], "mov.u32 %r60, box;\nmad.lo.u32 %r61, %r0, 4, %r60;\nst.shared.b32 [%r61], {a};\nbarrier.sync.aligned 1, 32;\nsub.u32 %r62, 31, %r0;\nmad.lo.u32 %r61, %r62, 4, %r60;\nld.shared.b32 {d}, [%r61];"),
        "setmaxnreg.inc.sync.aligned.u32": ([(32, a32)], 32, a32, "setmaxnreg.inc.sync.aligned.u32 64;\nmov.b32 {d}, {a};"),
        "setmaxnreg.dec.sync.aligned.u32": ([(32, a32)], 32, a32, "setmaxnreg.dec.sync.aligned.u32 24;\nmov.b32 {d}, {a};"),
        "ld.param.b64": ([(32, a32)], 32, a32, "ld.param.b64 %rd20, [a];\nmad.wide.u32 %rd20, %r0, 4, %rd20;\nld.global.b32 {d}, [%rd20];"),
        "cvta.param.u64": ([(32, a32)], 32, a32, "mov.b64 %rd20, a;\ncvta.param.u64 %rd21, %rd20;\nld.b64 %rd22, [%rd21];\nmad.wide.u32 %rd22, %r0, 4, %rd22;\nld.global.b32 {d}, [%rd22];"),
        "mbarrier.inval.shared::cta.b64": ([(32, a32)], 32, a32, "mov.u32 %r60, box;\nsetp.eq.u32 %p1, %r0, 0;\n@%p1 mbarrier.init.shared::cta.b64 [%r60], 1;\nbar.sync 0;\n@%p1 mbarrier.inval.shared::cta.b64 [%r60];\nbar.sync 0;\nmad.lo.u32 %r61, %r0, 4, %r60;\nst.shared.b32 [%r61], {a};\nld.shared.b32 {d}, [%r61];"),
        "ld.shared::cluster.b16": ([(16, integers(16, 0))], 16, integers(16, 0), "mov.u32 %r60, box;\nmad.lo.u32 %r61, %r0, 2, %r60;\nst.shared.b16 [%r61], {a};\nmapa.shared::cluster.u32 %r62, %r61, 0;\nld.shared::cluster.b16 {d}, [%r62];"),
    }.get(form)
    if one is None:
        return False
    inputs, bits, results, text = one
    target = "sm_90a" if form.startswith("setmaxnreg") else "sm_90"
    lanewise(form, "what it does, seen from each lane.", inputs, bits, results, text, target)
    if "box" in text:
        path = path_of(form)
        path.write_text(path.read_text().replace(".visible .entry", ".shared .align 16 .b8 box[128];\n.visible .entry"))
    return True


FAMILIES = [arithmetic_form, comparison_form, conversion_form, memory_form, atomic_form, reduction_form, simple_form]


def main():
    covered = set()
    for path in sorted(HERE.glob("*/*.ptx")):
        text = path.read_text()
        if MARK in text:
            path.unlink()
        elif "error ptx-unsupported" not in text:
            covered |= set(forms(text))
    wanted = [line.split("\t")[0] for line in FORMS.read_text().splitlines() if line and not line.startswith("#")]
    missing = []
    import derive_bits
    import derive_float
    import derive_tensor

    # What Triton does not emit.
    for module in (derive_bits, derive_float, derive_tensor):
        for form in module.FORMS:
            if form not in covered and form not in wanted and not any(family(form, form.split(".")) for family in module.FAMILIES):
                missing.append(form)
    # What the file of another form runs comes last.
    for form in sorted(wanted, key=lambda form: bool(re.match(r"tcgen05\.(?!ld|st|mma)", form))):
        if form in covered:
            continue
        try:
            done = any(family(form, form.split(".")) for family in FAMILIES + derive_tensor.FAMILIES)
        except (KeyError, ValueError) as error:
            print(f"{form}: {error!r}")
            done = False
        if not done:
            missing.append(form)
    print("not described:", *missing, sep="\n  ")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    # The tensor families import this module by its name.
    sys.modules["derive"] = sys.modules["__main__"]
    main()
