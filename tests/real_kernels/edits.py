"""Changes one constant in the text of a stage, as a person would, in each stage's own spelling of it."""

import re
import struct


def _bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def _f32(value):
    """The f32 nearest to a value, as a Python float."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def _signed(bits):
    return bits - (1 << 32) if bits >> 31 else bits


def _signs(old, new):
    """The constant and its negative: a later stage may subtract where an earlier one adds."""
    return {_bits(sign * old): _f32(sign * new) for sign in (1.0, -1.0)}


def _mlir(text, wanted):
    # The value of an `arith.constant`, in `dense<…>` or bare.
    def line(match):
        value = re.search(r"(?:dense<)?(-?\d+\.\d+(?:[eE][-+]?\d+)?)", match.group(0))
        if value is None or _bits(float(value.group(1))) not in wanted:
            return match.group(0)
        new = f"{wanted[_bits(float(value.group(1)))]:.9e}"
        return match.group(0)[: value.start(1)] + new + match.group(0)[value.end(1) :]

    return re.sub(r"arith\.constant [^\n]*f32[^\n]*", line, text)


def _llvm(text, wanted):
    # `0x` and the bits of a double, or decimal; or the bits as an integer that goes into inline assembly.
    def number(match):
        token = match.group(0)
        value = struct.unpack(">d", bytes.fromhex(token[2:]))[0] if token.startswith("0x") else float(token)
        if abs(value) > 3e38 or _bits(value) not in wanted:
            return token
        return "0x" + struct.pack(">d", wanted[_bits(value)]).hex().upper()

    def integer(match):
        bits = int(match.group(1)) & 0xFFFFFFFF
        return f"i32 {_signed(_bits(wanted[bits]))}" if bits in wanted else match.group(0)

    text = re.sub(r"(?<![\w.])(?:0x[0-9A-F]{16}|-?\d+\.\d+e[-+]\d+)(?![\w.])", number, text)
    return re.sub(r"\bi32 (-?\d{8,})\b", integer, text)


def _ptx(text, wanted):
    # `0f` and the bits, or the bits as an integer that is moved.
    def number(match):
        bits = int(match.group(1), 16)
        return f"0f{_bits(wanted[bits]):08X}" if bits in wanted else match.group(0)

    def moved(match):
        bits = int(match.group(2)) & 0xFFFFFFFF
        if bits not in wanted:
            return match.group(0)
        return f"{match.group(1)}{_signed(_bits(wanted[bits]))};"

    text = re.sub(r"0f([0-9A-Fa-f]{8})", number, text)
    return re.sub(r"(mov\.[bu]32\s+%r\d+, )(-?\d+);", moved, text)


def _bound_mlir(text, old, new):
    # The splat constants that comparisons `x < constant` use, and nothing else does.
    for name in set(re.findall(rf"^ *(%\w+) = arith\.constant dense<{old}> : tensor<[^\n]*xi(?:32|64)", text, re.M)):
        uses = [line for line in text.splitlines() if re.search(rf"{name}(?![\w])", line) and f"{name} = " not in line]
        if uses and all("arith.cmpi slt," in line for line in uses):
            text = re.sub(rf"(^ *{name} = arith\.constant dense<){old}>", rf"\g<1>{new}>", text, flags=re.M)
    return text


def _bound_llvm(text, old, new):
    return re.sub(rf"(icmp samesign ult i(?:32|64) %[\w.]+, ){old}\b", rf"\g<1>{new}", text)


def _bound_ptx(text, old, new):
    return re.sub(rf"(setp\.lt\.u(?:32|64)\s+%p\d+, %r\w+, ){old};", rf"\g<1>{new};", text)


def _in_cubin(edit):
    """The same edit of the PTX that a cubin carries, lines separated by NUL; sizes must not change."""

    def change_cubin(content, *arguments):
        text = content.decode("latin-1")
        changed = edit(text, *arguments)
        if len(changed) != len(text):
            raise ValueError("the constant's new spelling is of another length, which a cubin has no room for")
        return changed.encode("latin-1")

    return change_cubin


VALUES = {"ttir": _mlir, "ttgir": _mlir, "llir": _llvm, "ptx": _ptx, "cubin": _in_cubin(_ptx)}
BOUNDS = {
    "ttir": _bound_mlir,
    "ttgir": _bound_mlir,
    "llir": _bound_llvm,
    "ptx": _bound_ptx,
    "cubin": _in_cubin(_bound_ptx),
}


def change(stage, content, old, new):
    """The content with a constant changed.

    A float is a value of f32: every `old` becomes `new`, and every -old becomes -new. An integer is the bound of a
    mask: every `x < old` becomes `x < new`; below TTGIR one comparison may stand for a vector of elements, so the new
    bound has to keep the alignment of the old. Raises ValueError if there was none.
    """
    if isinstance(old, float):
        changed = VALUES[stage](content, _signs(old, new))
    else:
        changed = BOUNDS[stage](content, old, new)
    if changed == content:
        raise ValueError(f"no constant {old} in this {stage}")
    return changed
