"""Values of the types that Triton's kernels see, in numpy: what numpy lacks (bf16, fp8) as float32 values."""

from dataclasses import dataclass

import numpy


@dataclass(frozen=True)
class Type:
    """A type of elements: its name in Warpbook, how its bits are saved, and how exact its arithmetic is."""

    name: str
    triton: str
    storage: type
    # Bits of the significand, the leading one included; 0 for integers.
    digits: int = 0

    @property
    def is_float(self):
        return self.digits > 0

    @property
    def is_native(self):
        """True if numpy computes in this type itself."""
        return self.name in ("f16", "f32", "f64") or not self.is_float

    @property
    def bits(self):
        return numpy.dtype(self.storage).itemsize * 8


TYPES = {
    each.name: each
    for each in [
        Type("i8", "int8", numpy.int8), Type("i16", "int16", numpy.int16),
        Type("i32", "int32", numpy.int32), Type("i64", "int64", numpy.int64),
        Type("u8", "uint8", numpy.uint8), Type("u16", "uint16", numpy.uint16),
        Type("u32", "uint32", numpy.uint32), Type("u64", "uint64", numpy.uint64),
        Type("f16", "float16", numpy.float16, 11), Type("bf16", "bfloat16", numpy.uint16, 8),
        Type("f32", "float32", numpy.float32, 24), Type("f64", "float64", numpy.float64, 53),
        Type("f8e4m3", "float8e4nv", numpy.uint8, 4), Type("f8e5m2", "float8e5", numpy.uint8, 3),
    ]
}  # fmt: skip
SIGNED = ["i8", "i16", "i32", "i64"]
UNSIGNED = ["u8", "u16", "u32", "u64"]
INTEGERS = SIGNED + UNSIGNED
FLOATS = ["f16", "bf16", "f32", "f64"]
FP8 = ["f8e4m3", "f8e5m2"]
ALL = INTEGERS + FLOATS + FP8


def fp8_values(name):
    """The 256 values of an fp8 type by their bits (OCP 8-bit floating point, table 1)."""
    exponents, fractions, bias = (4, 3, 7) if name == "f8e4m3" else (5, 2, 15)
    values = numpy.empty(256, numpy.float32)
    for bits in range(256):
        sign = -1.0 if bits & 0x80 else 1.0
        exponent, fraction = (bits & 0x7F) >> fractions, bits & ((1 << fractions) - 1)
        if exponent == 0:
            value = fraction * 2.0 ** (1 - bias - fractions)
        elif name == "f8e4m3" and bits & 0x7F == 0x7F:
            value = numpy.nan
        elif name == "f8e5m2" and exponent == 31:
            value = numpy.nan if fraction else numpy.inf
        else:
            value = (1 + fraction / (1 << fractions)) * 2.0 ** (exponent - bias)
        values[bits] = sign * value
    return values


FP8_VALUES = {name: fp8_values(name) for name in FP8}


def decode(saved, name):
    """The values of saved bits."""
    if name == "bf16":
        return (saved.astype(numpy.uint32) << 16).view(numpy.float32)
    return FP8_VALUES[name][saved] if name in FP8 else saved


def encode(values, name):
    """The bits to save of values, rounded to nearest, ties to even; fp8 is saturated, as Triton's casts are."""
    if name == "bf16":
        bits = numpy.ascontiguousarray(values, numpy.float32).view(numpy.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)
    if name in FP8:
        table = FP8_VALUES[name][:128]
        finite = table[numpy.isfinite(table)].astype(numpy.float64)
        size = numpy.abs(numpy.asarray(values, numpy.float64))
        right = numpy.clip(numpy.searchsorted(finite, size), 1, len(finite) - 1)
        below, above = size - finite[right - 1], finite[right] - size
        # Bits that are even end an interval at which a tie is rounded.
        chosen = numpy.where((below < above) | ((below == above) & ((right - 1) % 2 == 0)), right - 1, right)
        return (chosen | numpy.where(numpy.signbit(values), 0x80, 0)).astype(numpy.uint8)
    return numpy.asarray(values).astype(TYPES[name].storage)


def rounded(values, name):
    """Values as a type holds them."""
    return decode(encode(values, name), name)


def inputs(name, count, seed):
    """Seeded values: of integers small and large ones, of floats some whose arithmetic rounds."""
    generator = numpy.random.default_rng(seed)
    ty = TYPES[name]
    if ty.is_float:
        values = generator.standard_normal(count) * 2
        return rounded(values.astype(numpy.float32) if name != "f64" else values, name)
    limits = numpy.iinfo(ty.storage)
    small = generator.integers(max(limits.min, -9), 10, count)
    large = generator.integers(limits.min, limits.max, count, dtype=ty.storage, endpoint=True)
    return numpy.where(generator.random(count) < 0.5, small.astype(ty.storage), large).astype(ty.storage)
