"""What a case is: one launch of somebody else's kernel, its inputs, and what numpy says must come out."""

import zlib
from dataclasses import dataclass, field

import numpy

# Storage types that numpy has itself; bf16 is kept as float32 values that a bf16 can hold.
NUMPY = {
    "f16": numpy.float16,
    "f32": numpy.float32,
    "bf16": numpy.float32,
    "i8": numpy.int8,
    "u8": numpy.uint8,
    "i32": numpy.int32,
    "i64": numpy.int64,
}


def bf16(values):
    """Rounds to the nearest bf16, ties to even; float32 values."""
    bits = numpy.asarray(values, numpy.float32).view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(numpy.uint32).view(numpy.float32)


@dataclass
class Array:
    """A buffer of a case: its values and the type in which the kernel sees them."""

    values: numpy.ndarray
    dtype: str

    # The part of the notebook's expressions that headers of cases use.
    def stride(self, axis):
        return (
            int(numpy.prod(self.values.shape[axis + 1 :], dtype=int))
            if axis >= 0
            else self.stride(axis + self.values.ndim)
        )

    def numel(self):
        return self.values.size

    @property
    def shape(self):
        return self.values.shape

    @property
    def exact(self):
        """The values, in f64 or i64, to compute a reference from."""
        return self.values.astype(numpy.float64 if self.values.dtype.kind == "f" else numpy.int64)


def array(values, dtype):
    """Values rounded to a storage type."""
    values = numpy.asarray(values)
    return Array(bf16(values) if dtype == "bf16" else values.astype(NUMPY[dtype]), dtype)


@dataclass
class Case:
    """One launch.

    `call` is what stands between the parentheses of the header, in the notebook's language (which is Python's here);
    `grid` what stands between the brackets. `expect` maps each buffer that the kernel writes to its whole expected
    content. An element passes if it differs by at most `absolute + relative * |expected|`; `why` says where the
    tolerance comes from.
    """

    kernel: str
    grid: str
    call: str
    buffers: dict
    expect: dict
    absolute: float
    relative: float
    why: str
    kinds: tuple = ()
    config: int = 0
    # One constant of the text changed, (old, new), and what then comes out.
    edit: tuple = ()
    expect_edited: dict = field(default_factory=dict)
    name: str = field(default="")


class Random:
    """Seeded values for a case."""

    def __init__(self, name):
        self.generator = numpy.random.default_rng(zlib.crc32(name.encode()))

    def normal(self, *shape, dtype="f32", scale=1.0):
        return array(self.generator.standard_normal(shape) * scale, dtype)

    def uniform(self, *shape, low=0.0, high=1.0, dtype="f32"):
        return array(self.generator.uniform(low, high, shape), dtype)

    def integers(self, low, high, *shape, dtype="i32"):
        return array(self.generator.integers(low, high, shape), dtype)


def blank(*shape, dtype="f32"):
    """An output before the launch. Not zero, so that an element that was not written shows."""
    return array(numpy.full(shape, 77), dtype)


def zeros(*shape, dtype="f32"):
    """An output that the kernel adds to."""
    return array(numpy.zeros(shape), dtype)


def sigmoid(x):
    return 1.0 / (1.0 + numpy.exp(-x))


def softmax(x):
    e = numpy.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def cut(values, bound, unwritten=77):
    """What comes out when the mask of the last axis ends at `bound`: the rest was not written."""
    values = numpy.array(values, numpy.float64)
    values[..., bound:] = unwritten
    return values
