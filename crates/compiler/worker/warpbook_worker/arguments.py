"""Arguments of a launch as Triton's specialisation, and heuristics, see them."""

from __future__ import annotations

import types
from typing import Any

from .error_kind import ErrorKind
from .errors import Refused
from .protocol import Argument, BufferValue

# Names of element types in PyTorch and in `triton.language`, by those in Triton's signatures.
TORCH = {
    "fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64", "i1": "bool", "i8": "int8",
    "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
    "fp8e4nv": "float8_e4m3fn", "fp8e5": "float8_e5m2", "fp8e4b8": "float8_e4m3fnuz", "fp8e5b16": "float8_e5m2fnuz",
}  # fmt: skip
LANGUAGE = {
    "fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64", "i1": "int1", "i8": "int8",
    "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
    "fp8e4nv": "float8e4nv", "fp8e5": "float8e5", "fp8e4b8": "float8e4b8", "fp8e5b16": "float8e5b16",
}  # fmt: skip


class Dtype(str):
    """A data type as PyTorch prints it, with the attributes that descriptors read."""

    itemsize = 0


class Buffer:
    """What Triton's specialisation, and heuristics, read of a tensor."""

    def __init__(self, value: BufferValue) -> None:
        self.dtype = Dtype("torch." + TORCH.get(value["dtype"], value["dtype"]))
        self.element = value["dtype"]
        self.address = value["address"]
        self.shape = tuple(value["shape"])
        self.strides = tuple(value["strides"])
        self.ndim = len(self.shape)
        self.device = types.SimpleNamespace(type="cuda", index=0)
        self.is_cuda = True
        bits: int = language_type(value["dtype"]).primitive_bitwidth
        self.itemsize = self.dtype.itemsize = max(1, bits // 8)

    def data_ptr(self) -> int:
        return self.address

    def stride(self, dimension: int | None = None) -> Any:
        return self.strides if dimension is None else self.strides[dimension]

    def size(self, dimension: int | None = None) -> Any:
        return self.shape if dimension is None else self.shape[dimension]

    def numel(self) -> int:
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    def element_size(self) -> int:
        return self.itemsize

    def dim(self) -> int:
        return self.ndim

    def is_contiguous(self) -> bool:
        expected = 1
        for extent, stride in zip(reversed(self.shape), reversed(self.strides), strict=False):
            if extent != 1 and stride != expected:
                return False
            expected *= extent
        return True


def language_type(name: str) -> Any:
    """The type of `triton.language` by its name in signatures."""
    import triton.language

    return getattr(triton.language, LANGUAGE.get(name, name))


def python_value(argument: Argument, scope: dict[str, Any]) -> Any:
    """An argument of the request as Triton sees it. `scope` has the functions that an argument may name."""
    kind, value = argument["kind"], argument.get("value")
    if kind == "none":
        return None
    if kind in ("int", "bool", "str"):
        return value
    if kind == "float":
        return float(argument["value"])
    if kind == "buffer":
        return Buffer(argument["value"])
    if kind == "dtype":
        return language_type(argument["value"])
    if kind == "tuple":
        return tuple(python_value(each, scope) for each in argument["value"])
    if kind == "function":
        found = scope.get(argument["value"])
        if found is None:
            raise Refused(ErrorKind.UNKNOWN_NAME, f"no function is named `{value}`", argument=value)
        return found
    if kind == "descriptor":
        from triton.tools.tensor_descriptor import TensorDescriptor

        shape, strides, block = (list(argument["value"][name]) for name in ("shape", "strides", "block"))
        return TensorDescriptor(Buffer(argument["value"]), shape, strides, block)
    raise Refused(ErrorKind.INTERNAL, f"an argument is of the unknown kind `{kind}`")
