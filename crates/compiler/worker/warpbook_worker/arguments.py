"""Arguments of a launch as Triton's specialisation, and heuristics, see them."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

from .error_kind import ErrorKind
from .errors import Refused
from .protocol import Argument, BufferValue, DescriptorValue

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


def python_value(argument: Argument, scope: dict[str, Any], is_gluon: bool = False) -> Any:
    """An argument of the request as Triton sees it. `scope` has the names that an argument may use."""
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
        return tuple(python_value(each, scope, is_gluon) for each in argument["value"])
    if kind == "function":
        if value not in scope:
            raise Refused(ErrorKind.UNKNOWN_NAME, f"no function is named `{value}`")
        return scope[value]
    if kind == "python":
        return evaluated(argument["value"], scope)
    if kind == "descriptor" and is_gluon:
        return gluon_descriptor(argument["value"], scope)
    if kind == "descriptor":
        if argument["value"].get("layout") is not None:
            raise Refused(
                ErrorKind.ARGUMENT,
                "only descriptors of Gluon have a layout: Triton's compiler chooses it",
                help=["leave `layout=` out"],
            )
        from triton.tools.tensor_descriptor import TensorDescriptor

        shape, strides, block = (list(argument["value"][name]) for name in ("shape", "strides", "block"))
        return TensorDescriptor(Buffer(argument["value"]), shape, strides, block)
    raise Refused(ErrorKind.INTERNAL, f"an argument is of the unknown kind `{kind}`")


def evaluated(text: str, scope: Mapping[str, Any]) -> Any:
    """The value of an expression of the header in the cell's names."""
    try:
        return eval(compile(text, "<header>", "eval", dont_inherit=True), dict(scope))
    except Exception as error:  # whatever it is, it is the reader's
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise Refused(ErrorKind.ARGUMENT, f"`{text}` cannot be evaluated: {said}") from None


def gluon_descriptor(value: DescriptorValue, scope: Mapping[str, Any]) -> Any:
    """Gluon's own descriptor, whose layout is the given one, or else the one that Gluon chooses for such a block."""
    from triton.experimental.gluon.language import NVMMASharedLayout
    from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

    shape, strides, block = list(value["shape"]), list(value["strides"]), list(value["block"])
    buffer, element = Buffer(value), language_type(value["dtype"])
    text, swizzle = value.get("layout"), value.get("swizzle")
    if text is not None:
        layout = evaluated(text, scope)
        if not isinstance(layout, NVMMASharedLayout):
            raise Refused(
                ErrorKind.ARGUMENT,
                f"the layout of a descriptor is a `gl.NVMMASharedLayout`, not a `{type(layout).__name__}`",
                help=["`gl.NVMMASharedLayout.get_default_for(BLOCK, TYPE)` is what it is without `layout=`"],
            )
    elif swizzle is not None:
        bits = element.primitive_bitwidth
        layout = NVMMASharedLayout(swizzle_byte_width=swizzle, element_bitwidth=bits, rank=len(block))
    else:
        layout = NVMMASharedLayout.get_default_for(block, element)
    try:
        return TensorDescriptor(buffer, shape, strides, block, layout)
    except (AssertionError, ValueError, TypeError) as error:
        said = str(error).strip() or f"{layout} does not go with a block of {block}"
        raise Refused(ErrorKind.ARGUMENT, f"Gluon refuses this descriptor: {said}") from None
