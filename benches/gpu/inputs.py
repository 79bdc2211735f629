"""The inputs of the recorded arithmetic vectors, made of a case's number.

crates/emulator/tests/hardware/inputs.rs makes the same.
"""

import numpy

U = numpy.uint64

# Bits of exponent and mantissa; 0 bits of exponent: an integer of so many bits.
TYPES = {
    "f16": (5, 10), "bf16": (8, 7), "f32": (8, 23), "f64": (11, 52), "e4m3": (4, 3), "e5m2": (5, 2), "tf32": (8, 23),
    "i8": (0, 8), "i16": (0, 16), "i32": (0, 32), "i64": (0, 64),
    # A shift or a position: 0 to 79, now and then anything.
    "shift": (0, 32),
}


def mix(x):
    z = x + U(0x9E3779B97F4A7C15)
    z = (z ^ (z >> U(30))) * U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U(27))) * U(0x94D049BB133111EB)
    return z ^ (z >> U(31))


def mask(bits):
    return U((1 << bits) - 1)


def specials(name):
    exponent, mantissa = TYPES[name]
    if exponent == 0:
        ones = (1 << mantissa) - 1
        return [0, 1, 2, 3, 7, ones, ones - 1, ones >> 1, (ones >> 1) + 1, (ones >> 1) - 1, ones & 0x5555555555555555, ones & 0x00FF00FF00FF00FF]
    sign = 1 << (exponent + mantissa)
    bias = (1 << (exponent - 1)) - 1
    one = bias << mantissa
    infinity = ((1 << exponent) - 1) << mantissa
    positive = [0, 1, 2, (1 << mantissa) - 1, 1 << mantissa, one, one + 1, one - 1, one + (1 << mantissa), one - (1 << mantissa),
                one | 1 << (mantissa - 1), infinity - 1, infinity, infinity | 1 << (mantissa - 1), infinity | 1,
                (bias + mantissa) << mantissa, (bias + mantissa + 1) << mantissa, infinity | ((1 << mantissa) - 1)]
    return positive + [value | sign for value in positive]


def scalar(name, operand, index):
    exponent, mantissa = TYPES[name]
    width = mantissa + exponent + (exponent > 0)
    salt = U(list(TYPES).index(name) << 48)
    r = mix(index * U(8) + U(operand) + salt)
    r2 = mix(r)
    choice = r % U(8)
    values = r2 & mask(width)
    table = numpy.array(specials(name), dtype=U)
    special = table[((r >> U(8)) % U(len(table))).astype(numpy.int64)]
    if name == "shift":
        return numpy.where(choice == 7, values, (r >> U(8)) % U(80))
    if exponent:
        bias, top = (1 << (exponent - 1)) - 1, (1 << exponent) - 1
        sign = (r >> U(60) & U(1)) << U(exponent + mantissa)
        fraction = r2 & mask(mantissa)
        moderate = sign | (U(bias - 6) + (r >> U(8)) % U(12)) << U(mantissa) | fraction
        ends = numpy.array([0, 1, top - 1, min(bias + mantissa, top - 1)], dtype=U)[((r >> U(8)) % U(4)).astype(numpy.int64)]
        end = sign | ends << U(mantissa) | fraction
    else:
        moderate = values >> ((r >> U(8)) % U(width))
        end = ((U(1) << ((r >> U(8)) % U(width))) + (r >> U(16)) % U(3) - U(1)) & mask(width)
    near = moderate
    if operand > 0:
        flip = (r >> U(20) & U(1)) << U(width - 1)
        near = ((scalar(name, 0, index) ^ flip) + (r >> U(24)) % U(5) - U(2)) & mask(width)
    values = numpy.where(choice < 2, special, values)
    values = numpy.where((choice == 4) | (choice == 5), moderate, values)
    values = numpy.where(choice == 6, near, values)
    return numpy.where(choice == 7, end, values)


def matrix(name, operand, index, per_tile):
    """Elements of a tile: what they are like depends on the tile, so that not every sum is NaN."""
    exponent, mantissa = TYPES[name]
    width = mantissa + exponent + (exponent > 0)
    r = mix(index * U(8) + U(operand) + U((list(TYPES).index(name) << 48) + (1 << 60)))
    r2 = mix(r)
    if exponent == 0:
        return r2 & mask(width)
    bias, top = (1 << (exponent - 1)) - 1, (1 << exponent) - 1
    kind = index // U(per_tile) % U(8)
    pick = r >> U(8)
    fraction = r2 & mask(mantissa)
    sign = (r >> U(60) & U(1)) << U(exponent + mantissa)
    spread = min(20, bias - 1)
    fields = [U(bias - 4) + pick % U(8), U(bias - 4) + pick % U(8), U(bias - 1) + pick % U(2), U(bias - spread) + pick % U(2 * spread),
              pick % U(4), U(bias - 4) + pick % U(8), U(top - 4) + pick % U(4), pick % U(top)]
    field = numpy.select([kind == k for k in range(8)], fields)
    values = sign | field << U(mantissa) | fraction
    table = numpy.array(specials(name), dtype=U)
    special = table[((r >> U(32)) % U(len(table))).astype(numpy.int64)]
    return numpy.where((kind == 5) & (r % U(32) == 0), special, values)


def operand(number, source, cases):
    """The bytes of an operand: `type`, `count` elements for each case, of tiles of `tile` elements, or `all` values."""
    with numpy.errstate(over="ignore"):
        name = source["type"]
        exponent, mantissa = TYPES[name]
        width = mantissa + exponent + (exponent > 0)
        index = numpy.arange(cases * source["count"], dtype=U)
        if source.get("all"):
            values = index & mask(width)
        elif "tile" in source:
            values = matrix(name, number, index, source["tile"])
        else:
            values = scalar(name, number, index)
        return values.astype({8: numpy.uint8, 16: numpy.uint16, 32: numpy.uint32, 64: numpy.uint64}[width]).view(numpy.uint8)
