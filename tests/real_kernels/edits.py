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


def change(stage, content, old, new):
    """The content with every f32 constant `old` made `new` (and -old made -new).

    Raises ValueError if there was none.
    """
    wanted = _signs(old, new)
    if stage == "cubin":
        # The emulator runs the PTX that a cubin carries, lines separated by NUL; sizes must not change.
        text = content.decode("latin-1")
        changed = _ptx(text, wanted)
        if len(changed) != len(text):
            raise ValueError("the constant's new spelling is of another length, which a cubin has no room for")
        changed = changed.encode("latin-1")
    else:
        changed = {"ttir": _mlir, "ttgir": _mlir, "llir": _llvm, "ptx": _ptx}[stage](content, wanted)
    if changed == content:
        raise ValueError(f"no constant {old} in this {stage}")
    return changed
