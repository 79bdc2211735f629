"""The operations of the table: for each one a kernel's lines, the types it is compiled for, and what numpy says.

A kernel is one program of `COUNT` elements. Where a line holds `{t}` it is repeated for each type: `x_{t}` and `y_{t}` are
inputs, `o_{t}` and other names from `outputs` what the kernel writes. `a` and `b` are the loaded inputs, `A` and `B` the
same as a matrix of `ROWS` × `COLUMNS`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy
from numbers_of_types import TYPES, UNSIGNED, rounded

COUNT, VALID = 512, 500
ROWS, COLUMNS = 16, 32
LOAD = ["a = tl.load(x_{t} + i, mask=i < n{other})", "b = tl.load(y_{t} + i, mask=i < n{other})"]
MATRIX = ["A = tl.load(x_{t} + rows * 32 + columns)", "B = tl.load(y_{t} + rows * 32 + columns)"]
STORE = ["tl.store(o_{t} + i, {value}, mask=i < n)"]
WIDE = ["f32", "f64"]
# What an output holds before the launch, which every type can hold: an element that nothing wrote shows.
BLANK = 64


@dataclass
class Expected:
    """What an output has to hold: an element may differ by `ulps` units in the last place, and by `absolute`."""

    values: numpy.ndarray
    ulps: float = 0
    absolute: float = 0.0


@dataclass
class Operation:
    """One row of the table."""

    name: str
    types: list
    lines: list
    # Expected contents by the output's name, from the type and the inputs; None where only the run is checked.
    reference: Callable | None
    # Output's name: type (None for the input's) and number of elements.
    outputs: dict = field(default_factory=lambda: {"o": (None, COUNT)})
    # What stands above the kernel in the cell.
    above: str = ""
    options: str = ""
    # False if a type has a kernel of its own from the start.
    together: bool = True
    # Values instead of the seeded ones, from the type and the seed.
    inputs: Callable | None = None
    # The first target that has what the operation needs.
    least: int = 75


def masked(values, ulps=0, absolute=0.0):
    """Values of the first `VALID` elements; the rest was not written."""
    values = numpy.array(values)
    values[VALID:] = BLANK
    return {"o": Expected(values, ulps, absolute)}


def exactly(ty, values, absolute=0.0, ulps=0):
    """Masked values that are rounded once."""
    return masked(rounded(values, ty) if TYPES[ty].is_float else values, ulps, absolute)


def double(values):
    return values.astype(numpy.float64)


def binary(name, expression, types, compute, ulps=0, absolute=0.0, above="", **more):
    """An operation of two elements. `compute` sees floats in double precision, integers as they are."""

    def reference(ty, x, y):
        is_float = TYPES[ty].is_float
        with numpy.errstate(all="ignore"):
            values = compute(double(x), double(y)) if is_float else compute(x, y)
        return exactly(ty, values, absolute, ulps if is_float else 0)

    lines = [*LOAD, *[line.replace("{value}", expression) for line in STORE]]
    return Operation(name, types, lines, reference, above=above, **more)


def unary(name, expression, types, compute, ulps, absolute=0.0, **more):
    return binary(name, expression, types, lambda x, y: compute(x), ulps, absolute, **more)


def cast_reference(ty, x, y):
    values = numpy.abs(x) if TYPES[ty].is_float else x
    outputs = {}
    with numpy.errstate(all="ignore"):
        for to in CAST_TO:
            exact = values if TYPES[to].is_float or not TYPES[ty].is_float else numpy.trunc(double(values))
            result = rounded(double(exact), to) if TYPES[to].is_float else exact.astype(TYPES[to].storage)
            result = numpy.array(result)
            result[VALID:] = BLANK
            # 64-bit integers are rounded to f64 here, and then to the type; Triton goes through f32 for bf16.
            ulps = 1 if ty in ("i64", "u64", "i32", "u32") and TYPES[to].is_float else 0
            outputs[f"o{to}"] = Expected(result, ulps)
    return outputs


CAST_TO = ["i8", "i16", "i32", "i64", "u32", "f16", "bf16", "f32", "f64"]


def small(ty, seed):
    """Numbers whose sums and products are exact in every type."""
    generator = numpy.random.default_rng(seed)
    least = 0 if ty in UNSIGNED else -3
    values = generator.integers(least, 4, COUNT)
    return rounded(values.astype(numpy.float64), ty) if TYPES[ty].is_float else values.astype(TYPES[ty].storage)


def distinct(ty, seed):
    """Numbers of which no two are equal where the type has as many."""
    generator = numpy.random.default_rng(seed)
    values = generator.permutation(COUNT) - (0 if ty in UNSIGNED else COUNT // 2)
    return rounded(values.astype(numpy.float64), ty) if TYPES[ty].is_float else values.astype(TYPES[ty].storage)


def product_inputs(ty, seed):
    """Small integers, so that a product is exact whatever the order of its sum."""
    return small(ty, seed)


def wrap(ty, values):
    return values.astype(TYPES[ty].storage) if not TYPES[ty].is_float else rounded(values, ty)


def scan_reference(ty, x, y):
    wide = double(x) if TYPES[ty].is_float else x.astype(numpy.int64)
    total = numpy.cumsum(wide)
    return {
        "o": Expected(wrap(ty, total), 1),
        "back": Expected(wrap(ty, numpy.cumsum(wide[::-1])[::-1]), 1),
    }


def sum_reference(ty, x, y):
    wide = double(x) if TYPES[ty].is_float else x.astype(numpy.int64)
    return {"o": Expected(wrap(ty, wide.reshape(ROWS, COLUMNS).sum(1)), 1), "all": Expected(wrap(ty, wide.sum()[None]), 1)}


def extremes_reference(ty, x, y):
    matrix = x.reshape(ROWS, COLUMNS)
    return {"o": Expected(matrix.max(1)), "low": Expected(matrix.min(0))}


def arg_reference(ty, x, y):
    matrix = x.reshape(ROWS, COLUMNS)
    return {"o": Expected(matrix.argmax(1).astype(numpy.int32)), "low": Expected(matrix.argmin(1).astype(numpy.int32))}


def shift_reference(ty, x, y):
    count = (y.astype(numpy.int64) & 7).astype(x.dtype)
    with numpy.errstate(all="ignore"):
        left, right = x << count, x >> count
    outputs = masked(left)
    outputs["right"] = masked(right)["o"]
    return outputs


def three(names, compute):
    """Several masked outputs, exact."""

    def reference(ty, x, y):
        with numpy.errstate(all="ignore"):
            found = compute(x, y)
        return {name: masked(values)["o"] for name, values in zip(names, found)}

    return reference


def divide_integers(x, y):
    """Quotients and remainders as C has them: toward zero."""
    y = numpy.where(y == 0, 1, y).astype(y.dtype)
    quotient = numpy.abs(x.astype(object)) // numpy.abs(y.astype(object))
    quotient = numpy.where((x < 0) != (y < 0), -quotient, quotient)
    remainder = x.astype(object) - quotient * y.astype(object)
    wrapped = lambda values: numpy.array([int(each) & (2 ** (x.itemsize * 8) - 1) for each in values], numpy.uint64).astype(x.dtype)
    return wrapped(quotient), wrapped(remainder)


def high_product(x, y):
    bits = x.itemsize * 8
    unsigned = [int(each) & (2**bits - 1) for each in x], [int(each) & (2**bits - 1) for each in y]
    return numpy.array([(p * q) >> bits for p, q in zip(*unsigned)], numpy.uint64).astype(x.dtype)


def dot_reference(to):
    def reference(ty, x, y):
        product = double(x).reshape(ROWS, COLUMNS) @ double(y).reshape(ROWS, COLUMNS).T
        return {"o": Expected(product.astype(TYPES[to].storage).reshape(-1))}

    return reference


def dot(name, types, to, expression, **more):
    lines = [*MATRIX, f"tl.store(o_{{t}} + tl.arange(0, 16)[:, None] * 16 + tl.arange(0, 16)[None, :], {expression})"]
    return Operation(name, types, lines, dot_reference(to), outputs={"o": (to, 256)}, inputs=product_inputs, together=False, **more)


def transposed(ty, x, y):
    return {"o": Expected(x.reshape(ROWS, COLUMNS).T.reshape(-1)), "r": Expected(x.reshape(2, 8, 32).transpose(2, 0, 1).reshape(-1))}


def joined(ty, x, y):
    both = numpy.stack([x, y], 1).reshape(-1)
    return {"o": Expected(both), "s": Expected(y)}


def atomic_reference(combine):
    """Each of 64 elements gets 8 updates."""

    def reference(ty, x, y):
        groups = x.reshape(8, 64)
        start = numpy.full(64, BLANK, groups.dtype)
        return {"o": Expected(wrap(ty, combine(ty, start, groups)), 2)}

    return reference


def atomic(name, call, types, combine, **more):
    lines = ["a = tl.load(x_{t} + i)", f"tl.{call}(o_{{t}} + i % 64, a)"]
    return Operation(name, types, lines, atomic_reference(combine), outputs={"o": (None, 64)}, **more)


def add_groups(ty, start, groups):
    if TYPES[ty].is_float:
        return double(start) + double(groups).sum(0)
    return start.astype(numpy.int64) + groups.astype(numpy.int64).sum(0)


def histogram_reference(ty, x, y):
    return {"o": Expected(numpy.bincount(x & 15, minlength=16).astype(numpy.int32))}


def erf(values):
    return numpy.array([math.erf(each) for each in values])


def tensor_reference(ty, x, y):
    values = x.reshape(ROWS, COLUMNS)
    copied = numpy.full((ROWS, COLUMNS), BLANK, values.dtype)
    copied[:8, :16] = values[8:, 16:]
    return {"o": Expected(copied.reshape(-1))}


def add_tensor_reference(ty, x, y):
    start = numpy.full(COUNT, BLANK)
    wide = double(x) if TYPES[ty].is_float else x.astype(numpy.int64)
    return {"o": Expected(wrap(ty, start + wide), 1)}


TENSORS = "tl.make_tensor_descriptor({p}, [16, 32], [32, 1], [{b}])"


def described(pointer, block):
    return TENSORS.replace("{p}", pointer).replace("{b}", block)


def block_pointer(pointer):
    return f"tl.make_block_ptr({pointer}, (16, 30), (32, 1), (0, 0), (16, 32), (1, 0))"


def block_pointer_reference(ty, x, y):
    values = x.reshape(ROWS, COLUMNS).copy()
    values[:, 30:] = BLANK
    return {"o": Expected(values.reshape(-1))}


def philox(seed, count):
    """Philox 4×32-10 (Salmon et al., SC 2011), the first word of each counter."""
    mask = 0xFFFFFFFF
    found = []
    for index in range(count):
        c, k = [index, 0, 0, 0], [seed & mask, seed >> 32]
        for _ in range(10):
            p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(q >> 32) ^ c[1] ^ k[0], q & mask, (p >> 32) ^ c[3] ^ k[1], p & mask]
            k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
        found.append(c[0])
    return numpy.array(found, numpy.uint32)


def random_reference(ty, x, y):
    words = philox(7, COUNT)
    signed = words.view(numpy.int32).astype(numpy.int64)
    unit = numpy.where(signed < 0, -signed - 1, signed) * 4.6566127342e-10
    return {"o": Expected(unit.astype(numpy.float32), 1), "w": Expected(words.view(numpy.int32))}


def fp8_scaled(ty, x, y):
    """Scales are 2^(k−127): 127, 128 by turns."""
    left, right = double(x).reshape(ROWS, COLUMNS), double(y).reshape(ROWS, COLUMNS)
    scale = numpy.where(numpy.arange(16) % 2, 2.0, 1.0)
    product = (left * scale[:, None]) @ (right.T)
    return {"o": Expected(product.astype(numpy.float32).reshape(-1))}


COMBINE = """@triton.jit
def affine(a1, b1, a2, b2):
    return a1 * a2, b1 * a2 + b2

@triton.jit
def larger(a, b):
    return tl.where(a > b, a, b)

@triton.jit
def twice(a):
    return a + a

"""


def affine_reference(ty, x, y):
    a, b = [double(numpy.sign(each)) if TYPES[ty].is_float else numpy.sign(each.astype(numpy.int64)) for each in (x, y)]
    results, p, q = [], 1, 0
    for u, v in zip(a, b):
        p, q = p * u, q * u + v
        results.append(q)
    return {"o": Expected(wrap(ty, numpy.array(results)))}


def in_pairs(x):
    """Neighbours swapped."""
    return x.reshape(-1, 2)[:, ::-1].reshape(-1)


def softmax_reference(ty, x, y):
    values = double(x).reshape(ROWS, COLUMNS)
    e = numpy.exp(values - values.max(1, keepdims=True))
    return {"o": Expected(rounded((e / e.sum(1, keepdims=True)).reshape(-1), ty), 8, 1e-6)}


def sigmoid(x):
    return 1 / (1 + numpy.exp(-x))
