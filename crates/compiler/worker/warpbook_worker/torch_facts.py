"""What of torch is the same on every machine: its data types, their limits, and a few constants.

Kernels name these where torch itself is not needed: `MIN = torch.finfo(torch.float32).min`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Dtype:
    """A data type of torch."""

    def __init__(self, name: str, itemsize: int) -> None:
        self.name, self.itemsize = name, itemsize
        self.is_floating_point = "float" in name
        self.is_complex = name.startswith("complex")
        self.is_signed = not name.startswith(("uint", "bool"))

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class Format(NamedTuple):
    """A floating-point format: bits, stored bits of the significand, largest and least exponent of normal numbers."""

    bits: int
    fraction: int
    largest: int
    least: int
    # The largest finite number, where the format has no infinity and so one binade more.
    most: float | None = None


FORMATS = {
    "float64": Format(64, 52, 1023, -1022),
    "float32": Format(32, 23, 127, -126),
    "float16": Format(16, 10, 15, -14),
    "bfloat16": Format(16, 7, 127, -126),
    "float8_e5m2": Format(8, 2, 15, -14),
    "float8_e4m3fn": Format(8, 3, 8, -6, 448.0),
    "float8_e4m3fnuz": Format(8, 3, 7, -7, 240.0),
    "float8_e5m2fnuz": Format(8, 2, 15, -15, 57344.0),
}
SIZES = {
    "bool": 1, "uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4, "uint64": 8, "int64": 8,
    "complex64": 8, "complex128": 16, "float8_e8m0fnu": 1,
    **{name: each.bits // 8 for name, each in FORMATS.items()},
}  # fmt: skip
ALIASES = {
    "double": "float64", "float": "float32", "half": "float16", "short": "int16", "int": "int32", "long": "int64",
    "cfloat": "complex64", "cdouble": "complex128",
}  # fmt: skip
DTYPES = {name: Dtype(name, size) for name, size in SIZES.items()}
DTYPES.update({alias: DTYPES[name] for alias, name in ALIASES.items()})


class Finfo:
    """The limits of a floating-point type, as `torch.finfo` has them."""

    def __init__(self, dtype: Any = None) -> None:
        self.dtype = getattr(dtype, "name", "float32") if dtype is not None else "float32"
        if self.dtype not in FORMATS:
            raise TypeError(f"torch.finfo() requires a floating point input type, not {dtype!r}")
        bits, fraction, largest, least, most = FORMATS[self.dtype]
        self.bits = bits
        self.eps = 2.0**-fraction
        self.max = most if most is not None else (2.0 - 2.0**-fraction) * 2.0**largest
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0**least
        self.resolution = 10.0 ** -math.floor(fraction * math.log10(2))


class Iinfo:
    """The limits of an integer type, as `torch.iinfo` has them."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = getattr(dtype, "name", str(dtype))
        if not self.dtype.startswith(("int", "uint")):
            raise TypeError(f"torch.iinfo() requires an integer input type, not {dtype!r}")
        self.bits = 8 * SIZES[self.dtype]
        signed = self.dtype.startswith("int")
        self.max = 2 ** (self.bits - signed) - 1
        self.min = -(2 ** (self.bits - 1)) if signed else 0


def of_module(name: str) -> dict[str, Any]:
    """The names of a module that have their value on every machine."""
    if name != "torch":
        return {}
    constants = {"inf": math.inf, "nan": math.nan, "pi": math.pi, "e": math.e, "newaxis": None}
    return {**DTYPES, **constants, "finfo": Finfo, "iinfo": Iinfo, "dtype": Dtype}
