"""The rows of the table, in the order in which they are shown."""

import numpy
from numbers_of_types import (
    ALL,
    FLOATS,
    FP8,
    INTEGERS,
    SIGNED,
    TYPES,
    rounded,
)
from operations import (
    BLANK,
    CAST_TO,
    COMBINE,
    COUNT,
    LOAD,
    MATRIX,
    WIDE,
    Expected,
    Operation,
    add_groups,
    add_tensor_reference,
    affine_reference,
    arg_reference,
    atomic,
    binary,
    block_pointer,
    block_pointer_reference,
    cast_reference,
    described,
    divide_integers,
    dot,
    double,
    erf,
    exactly,
    extremes_reference,
    fp8_scaled,
    high_product,
    histogram_reference,
    joined,
    masked,
    product_inputs,
    random_reference,
    scan_reference,
    shift_reference,
    sigmoid,
    small,
    softmax_reference,
    sum_reference,
    tensor_reference,
    three,
    transposed,
    unary,
)  # fmt: skip

LIBDEVICE = "from triton.language.extra import libdevice\n\n"
POSITIVE = "(tl.abs(a) + 0.5)"


def store(value, name="o"):
    return f"tl.store({name}_{{t}} + i, {value}, mask=i < n)"


def store_matrix(value, name="o"):
    return f"tl.store({name}_{{t}} + rows * 32 + columns, {value})"


def positive(x):
    return numpy.abs(x) + 0.5


def where_reference(ty, x, y):
    return masked(numpy.where(numpy.arange(COUNT) % 2 == 0, x, y))


def compare_reference(x, y):
    return [(x < y) * 1 + (x <= y) * 2 + (x == y) * 4, (x > y) * 1 + (x >= y) * 2 + (x != y) * 4]


def clamp(ty, x, y):
    return exactly(ty, numpy.clip(double(x), -1.0, 1.0))


def divmod_reference(ty, x, y):
    quotient, remainder = divide_integers(x, y)
    outputs = masked(quotient)
    outputs["r"] = masked(remainder)["o"]
    return outputs


def cat_sorted(ty, x, y):
    matrix = numpy.sort(x.reshape(ROWS_16, 32), axis=1)
    return {"o": Expected(matrix.reshape(-1)), "d": Expected(matrix[:, ::-1].reshape(-1))}


ROWS_16 = 16


def gather_reference(ty, x, y):
    return {"o": Expected(x[(COUNT - 1 - numpy.arange(COUNT)) % COUNT])}


def print_reference(ty, x, y):
    return {"o": Expected(x)}


def swap_reference(ty, x, y):
    start = numpy.full(COUNT, BLANK).astype(x.dtype)
    return {"o": Expected(x), "old": Expected(start)}


def cas_reference(ty, x, y):
    even = numpy.arange(COUNT) % 2 == 0
    return {"o": Expected(numpy.where(even, x, BLANK).astype(x.dtype)), "old": Expected(numpy.full(COUNT, BLANK).astype(x.dtype))}


def bits_reference(combine, start):
    def reference(ty, start_values, groups):
        return combine.reduce(numpy.concatenate([start_values[None], groups]), 0)

    return reference


def negated(ty, x, y):
    with numpy.errstate(all="ignore"):
        outputs = masked(-x)
        outputs["s"] = masked(numpy.abs(x))["o"]
    return outputs


def matmul_reference(ty, x, y):
    left, right = double(x).reshape(ROWS_16, 32), double(y).reshape(ROWS_16, 32)
    return {"o": Expected((left @ right.T).astype(numpy.float32).reshape(-1))}


LOOP = [
    "acc = tl.zeros((16, 16), tl.float32)",
    "for k in range(0, 32, 16):",
    "    p = tl.load(x_{t} + rows * 32 + k + tl.arange(0, 16)[None, :])",
    "    q = tl.load(y_{t} + tl.arange(0, 16)[None, :] * 32 + k + rows)",
    "    acc = tl.dot(p, q, acc, input_precision='ieee')",
    "tl.store(o_{t} + rows * 16 + tl.arange(0, 16)[None, :], acc)",
]
DESCRIBED_LOOP = [
    "acc = tl.zeros((16, 16), tl.float32)",
    "dx = " + described("x_{t}", "16, 16"), "dy = " + described("y_{t}", "16, 16"),
    "for k in range(0, 32, 16):",
    "    acc = tl.dot(dx.load([0, k]), tl.trans(dy.load([0, k])), acc)",
    "tl.store(o_{t} + rows * 16 + tl.arange(0, 16)[None, :], acc)",
]  # fmt: skip
SCALED = [
    *MATRIX,
    "s = (127 + tl.arange(0, 16) % 2).to(tl.uint8)[:, None] + tl.zeros((16, 1), tl.uint8)",
    "u = tl.full((16, 1), 127, tl.uint8)",
    "c = tl.dot_scaled(A, s, '{f}', tl.trans(B), u, '{f}')",
    "tl.store(o_{t} + rows * 16 + tl.arange(0, 16)[None, :], c)",
]


def scaled(ty, form):
    return Operation(f"dot_scaled {form}", [ty], [line.replace("{f}", form) for line in SCALED], fp8_scaled, outputs={"o": ("f32", 256)}, inputs=product_inputs)


def tensor(name, lines, types, reference, **more):
    return Operation(name, types, lines, reference, **more)


CHAIN = [*SIGNED, *FLOATS]
OPERATIONS = [
    Operation("load and store, masked", ALL, [LOAD[0], store("a")], lambda ty, x, y: masked(x)),
    Operation("load and store with cache hints", ["i8", "i64", "f16", "f32"], [
        "a = tl.load(x_{t} + i, mask=i < n, cache_modifier='.cg')", "b = tl.load(y_{t} + i, mask=i < n, eviction_policy='evict_first')",
        "tl.store(o_{t} + i, a, mask=i < n, cache_modifier='.cs')", "tl.store(p_{t} + i, b, mask=i < n, eviction_policy='evict_last')",
    ], lambda ty, x, y: {"o": masked(x)["o"], "p": masked(y)["o"]}, outputs={"o": (None, COUNT), "p": (None, COUNT)}),
    binary("add", "a + b", INTEGERS + FLOATS, lambda x, y: x + y),
    binary("subtract", "a - b", INTEGERS + FLOATS, lambda x, y: x - y),
    binary("multiply", "a * b", INTEGERS + FLOATS, lambda x, y: x * y),
    binary("divide", "a / (tl.abs(b) + 0.5)", FLOATS, lambda x, y: x / positive(y), 3, 1e-6),
    Operation("integer division and remainder", INTEGERS, [*LOAD, "b = tl.where(b == 0, 1, b).to(b.dtype)", store("a // b"), store("a % b", "r")], divmod_reference,
              outputs={"o": (None, COUNT), "r": (None, COUNT)}),
    binary("div_rn", "tl.div_rn(a, tl.abs(b) + 0.5)", ["f32"], lambda x, y: x / rounded(positive(y), "f32")),
    binary("fdiv", "tl.fdiv(a, tl.abs(b) + 0.5)", ["f32", "f64"], lambda x, y: x / positive(y), 3, 1e-6),
    Operation("negate and abs", CHAIN, [LOAD[0], store("-a"), store("tl.abs(a)", "s")], negated, outputs={"o": (None, COUNT), "s": (None, COUNT)}),
    binary("fma", "tl.fma(a, b, a)", WIDE + ["f16"], lambda x, y: x * y + x, 1, 1e-14),
    binary("and, or, xor, not", "((a & b) | ~a) ^ b", INTEGERS, lambda x, y: ((x & y) | ~x) ^ y),
    Operation("shifts", INTEGERS, [*LOAD, "s = (b & 7).to(a.dtype)", store("a << s"), store("a >> s", "right")], shift_reference,
              outputs={"o": (None, COUNT), "right": (None, COUNT)}),
    binary("umulhi", "tl.umulhi(a, b)", ["i32", "u32", "i64", "u64"], high_product),
    Operation("comparisons", INTEGERS + FLOATS, [
        *LOAD, store("(a < b).to(tl.int32) + (a <= b).to(tl.int32) * 2 + (a == b).to(tl.int32) * 4"), store("(a > b).to(tl.int32) + (a >= b).to(tl.int32) * 2 + (a != b).to(tl.int32) * 4", "g"),
    ], three(["o", "g"], compare_reference), outputs={"o": ("i32", COUNT), "g": ("i32", COUNT)}),
    Operation("where", ALL, [*LOAD, store("tl.where(i % 2 == 0, a, b)")], where_reference),
    binary("minimum", "tl.minimum(a, b)", INTEGERS + FLOATS, numpy.minimum),
    binary("maximum, NaN kept", "tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)", FLOATS, numpy.maximum),
    Operation("clamp", FLOATS, [LOAD[0], store("tl.clamp(a, -1.0, 1.0)")], clamp),
    Operation("casts", INTEGERS + FLOATS, [LOAD[0], "a = {abs}", *[store(f"a.to(tl.{TYPES[to].triton})", f"o{to}") for to in CAST_TO]], cast_reference,
              outputs={f"o{to}": (to, COUNT) for to in CAST_TO}),
    *[Operation(f"cast to {to}", FLOATS[:3], [LOAD[0], store(f"a.to(tl.{TYPES[to].triton})")],
                lambda ty, x, y, to=to: masked(rounded(double(x), to), 2, 2.0**-9 if to == "f8e4m3" else 2.0**-15), outputs={"o": (to, COUNT)}) for to in FP8],
    Operation("cast from fp8", FP8, [LOAD[0], store("a.to(tl.float32)"), store("a.to(tl.float16)", "h"), store("a.to(tl.bfloat16)", "b")],
              three(["o", "h", "b"], lambda x, y: [x, x, x]), outputs={"o": ("f32", COUNT), "h": ("f16", COUNT), "b": ("bf16", COUNT)}, together=False),
    unary("exp and exp2", "tl.exp2(tl.exp(a * 0.25))", WIDE, lambda x: numpy.exp2(numpy.exp(x * 0.25)), 64),
    unary("log and log2", f"tl.log({POSITIVE}) + tl.log2({POSITIVE})", WIDE, lambda x: numpy.log(positive(x)) + numpy.log2(positive(x)), 16, 1e-6),
    unary("sin and cos", "tl.sin(a) + tl.cos(a)", WIDE, lambda x: numpy.sin(x) + numpy.cos(x), 16, 4e-6),
    unary("sqrt and rsqrt", f"tl.sqrt({POSITIVE}) + tl.rsqrt({POSITIVE})", WIDE, lambda x: positive(x) ** 0.5 + positive(x) ** -0.5, 8),
    unary("sqrt_rn", f"tl.sqrt_rn({POSITIVE})", ["f32"], lambda x: rounded(positive(x), "f32").astype(numpy.float64) ** 0.5, 0),
    unary("floor and ceil", "tl.floor(a) + tl.ceil(a * 2.0)", WIDE, lambda x: numpy.floor(x) + numpy.ceil(x * 2), 0),
    unary("erf", "tl.erf(a)", WIDE, erf, 8, 1e-7),
    unary("sigmoid", "tl.sigmoid(a)", WIDE, sigmoid, 8, 1e-7),
    unary("libdevice: tanh, pow, atan, log1p", f"libdevice.tanh(a) + libdevice.pow({POSITIVE}, a) + libdevice.atan(a) + libdevice.log1p(tl.abs(a))", WIDE,
          lambda x: numpy.tanh(x) + positive(x) ** x + numpy.arctan(x) + numpy.log1p(numpy.abs(x)), 64, 1e-6, above=LIBDEVICE),
    Operation("sum", INTEGERS + FLOATS, [*MATRIX, "tl.store(o_{t} + tl.arange(0, 16), tl.sum(A, 1))", "tl.store(all_{t}, tl.sum(tl.sum(A, 1), 0))"], sum_reference,
              outputs={"o": (None, 16), "all": (None, 1)}, inputs=small),
    Operation("max and min", INTEGERS + FLOATS, [*MATRIX, "tl.store(o_{t} + tl.arange(0, 16), tl.max(A, 1))", "tl.store(low_{t} + tl.arange(0, 32), tl.min(A, 0))"], extremes_reference,
              outputs={"o": (None, 16), "low": (None, 32)}),
    Operation("argmax and argmin", INTEGERS + FLOATS, [*MATRIX, "tl.store(o_{t} + tl.arange(0, 16), tl.argmax(A, 1))", "tl.store(low_{t} + tl.arange(0, 16), tl.argmin(A, 1))"], arg_reference,
              outputs={"o": ("i32", 16), "low": ("i32", 16)}),
    Operation("xor_sum", SIGNED, [*MATRIX, "tl.store(o_{t} + tl.arange(0, 16), tl.xor_sum(A, 1))"],
              lambda ty, x, y: {"o": Expected(numpy.bitwise_xor.reduce(x.reshape(16, 32).astype(numpy.int64), 1).astype(TYPES[ty].storage))}, outputs={"o": (None, 16)}),
    Operation("reduce with a function", CHAIN, [*MATRIX, "tl.store(o_{t} + tl.arange(0, 16), tl.reduce(A, 1, larger))"],
              lambda ty, x, y: {"o": Expected(x.reshape(16, 32).max(1))}, outputs={"o": (None, 16)}, above=COMBINE),
    Operation("cumsum", [*CHAIN, "u32"], ["a = tl.load(x_{t} + i)", "tl.store(o_{t} + i, tl.cumsum(a, 0))", "tl.store(back_{t} + i, tl.cumsum(a, 0, reverse=True))"], scan_reference,
              outputs={"o": (None, COUNT), "back": (None, COUNT)}, inputs=small),
    Operation("cumprod", ["i32", "i64", *WIDE], ["a = tl.load(x_{t} + i)", "tl.store(o_{t} + i, tl.cumprod(a, 0))"],
              lambda ty, x, y: {"o": Expected(numpy.cumprod(numpy.where(x == 0, 1, numpy.sign(x))).astype(TYPES[ty].storage))},
              inputs=lambda ty, seed: numpy.where(small(ty, seed) > 0, 1, -1).astype(TYPES[ty].storage)),
    Operation("associative_scan of pairs", ["i32", "i64", "f32", "f64"], [
        "a = tl.load(x_{t} + i)", "b = tl.load(y_{t} + i)", "a = ((a > 0).to(tl.int32) - (a < 0).to(tl.int32)).to(a.dtype)", "b = ((b > 0).to(tl.int32) - (b < 0).to(tl.int32)).to(b.dtype)",
        "p, q = tl.associative_scan((a, b), 0, affine)", "tl.store(o_{t} + i, q)",
    ], affine_reference, above=COMBINE, together=False),
    Operation("sort", ["i8", "i16", "i32", "i64", "u8", "u32", "f16", "f32", "f64"], [MATRIX[0], store_matrix("tl.sort(A)"), store_matrix("tl.sort(A, descending=True)", "d")], cat_sorted,
              outputs={"o": (None, COUNT), "d": (None, COUNT)}, together=False),
    Operation("flip", ["i8", "i32", "f16", "f32"], ["a = tl.load(x_{t} + i)", "tl.store(o_{t} + i, tl.flip(a, 0))"], lambda ty, x, y: {"o": Expected(x[::-1])}, together=False),
    Operation("gather", ["i8", "i16", "i32", "i64", "f16", "bf16", "f32", "f64"], ["a = tl.load(x_{t} + i)", "tl.store(o_{t} + i, tl.gather(a, (511 - i) % 512, 0))"], gather_reference),
    Operation("histogram", ["i32", "u32"], ["a = tl.load(x_{t} + i) & 15", "tl.store(o_{t} + tl.arange(0, 16), tl.histogram(a, 16))"], histogram_reference, outputs={"o": ("i32", 16)}),
    Operation("transpose, permute, reshape", [*SIGNED, *FLOATS, *FP8], [
        MATRIX[0], "tl.store(o_{t} + tl.arange(0, 32)[:, None] * 16 + tl.arange(0, 16)[None, :], tl.trans(A))", "tl.store(r_{t} + i, tl.reshape(tl.permute(tl.reshape(A, (2, 8, 32)), (2, 0, 1)), (512,)))",
    ], transposed, outputs={"o": (None, COUNT), "r": (None, COUNT)}),
    Operation("join, split, interleave", [*SIGNED, *FLOATS, *FP8], [
        "a = tl.load(x_{t} + i)", "b = tl.load(y_{t} + i)", "p, q = tl.split(tl.join(a, b))", "tl.store(o_{t} + tl.arange(0, 1024), tl.interleave(p, q))", "tl.store(s_{t} + i, q)",
    ], joined, outputs={"o": (None, 1024), "s": (None, COUNT)}),
    Operation("softmax", FLOATS[:3], [MATRIX[0], "e = tl.exp(A.to(tl.float32) - tl.max(A, 1)[:, None].to(tl.float32))", store_matrix("(e / tl.sum(e, 1)[:, None]).to(A.dtype)")], softmax_reference),
    dot("dot", ["f16", "bf16", "f32", "f8e4m3", "f8e5m2"], "f32", "tl.dot(A, tl.trans(B), input_precision='ieee')"),
    dot("dot into f16", ["f16"], "f16", "tl.dot(A, tl.trans(B), out_dtype=tl.float16)"),
    dot("dot, TF32", ["f32"], "f32", "tl.dot(A, tl.trans(B), input_precision='tf32')"),
    dot("dot, three TF32", ["f32"], "f32", "tl.dot(A, tl.trans(B), input_precision='tf32x3')"),
    dot("dot of integers", ["i8"], "i32", "tl.dot(A, tl.trans(B))"),
    dot("dot in double precision", ["f64"], "f64", "tl.dot(A, tl.trans(B), out_dtype=tl.float64)"),
    scaled("f8e4m3", "e4m3"), scaled("f8e5m2", "e5m2"), scaled("f16", "fp16"), scaled("bf16", "bf16"),
    Operation("matmul in a loop", ["f16", "bf16", "f32"], LOOP, matmul_reference, outputs={"o": ("f32", 256)}, inputs=product_inputs, together=False, options=", num_stages=3"),
    Operation("matmul of tensor descriptors", ["f16", "bf16", "f32"], DESCRIBED_LOOP, matmul_reference, outputs={"o": ("f32", 256)}, inputs=product_inputs, together=False, options=", num_stages=3"),
    Operation("tensor descriptors: load, store", ["i8", "i32", "i64", *FLOATS, *FP8], [
        "dx = " + described("x_{t}", "8, 16"), "do = " + described("o_{t}", "8, 16"), "do.store([0, 0], dx.load([8, 16]))",
    ], tensor_reference, together=False),
    Operation("tensor descriptors: add", ["i32", "u32", "u64", "f16", "bf16", "f32"], [
        "dx = " + described("x_{t}", "16, 32"), "do = " + described("o_{t}", "16, 32"), "do.atomic_add([0, 0], dx.load([0, 0]))",
    ], add_tensor_reference, together=False, inputs=small),
    Operation("tensor descriptors: gather, scatter", ["i32", "f16", "bf16", "f32"], [
        "dx = " + described("x_{t}", "1, 32"), "do = " + described("o_{t}", "1, 32"), "do.scatter(dx.gather(15 - tl.arange(0, 16), 0), tl.arange(0, 16), 0)",
    ], lambda ty, x, y: {"o": Expected(x.reshape(16, 32)[::-1].reshape(-1))}, together=False),
    Operation("block pointers", ["i8", "i32", *FLOATS], [
        "px = " + block_pointer("x_{t}"), "po = " + block_pointer("o_{t}"), "tl.store(po, tl.load(px, boundary_check=(0, 1), padding_option='zero'), boundary_check=(0, 1))",
    ], block_pointer_reference),
    atomic("atomic_add", "atomic_add", ["i32", "u32", "i64", "u64", "f16", "bf16", "f32", "f64"], add_groups, inputs=small, together=False),
    atomic("atomic_max", "atomic_max", ["i32", "u32", "i64", "u64", "f32", "f64"], lambda ty, s, g: numpy.maximum(s, g.max(0)), together=False),
    atomic("atomic_min", "atomic_min", ["i32", "u32", "i64", "u64", "f32", "f64"], lambda ty, s, g: numpy.minimum(s, g.min(0)), together=False),
    atomic("atomic_and", "atomic_and", ["i32", "u32", "i64", "u64"], bits_reference(numpy.bitwise_and, BLANK)),
    atomic("atomic_or", "atomic_or", ["i32", "u32", "i64", "u64"], bits_reference(numpy.bitwise_or, BLANK)),
    atomic("atomic_xor", "atomic_xor", ["i32", "u32", "i64", "u64"], bits_reference(numpy.bitwise_xor, BLANK)),
    Operation("atomic_xchg", ["i32", "u32", "i64", "u64", "f32", "f64"], ["a = tl.load(x_{t} + i)", "tl.store(old_{t} + i, tl.atomic_xchg(o_{t} + i, a))"], swap_reference,
              outputs={"o": (None, COUNT), "old": (None, COUNT)}, together=False),
    Operation("atomic_cas", ["i32", "u32", "i64", "u64"], ["a = tl.load(x_{t} + i)", "w = tl.where(i % 2 == 0, 64, 5).to(a.dtype)", "tl.store(old_{t} + i, tl.atomic_cas(o_{t} + i, w, a))"], cas_reference,
              outputs={"o": (None, COUNT), "old": (None, COUNT)}),
    Operation("device_print", ["i32", "f32", "f16"], ["a = tl.load(x_{t} + i)", "tl.device_print('a', tl.load(x_{t}))", "tl.store(o_{t} + i, a)"], print_reference, together=False),
    Operation("device_assert", ["i32", "f32"], ["a = tl.load(x_{t} + i)", "tl.device_assert(a == a, 'differs')", "tl.store(o_{t} + i, a)"], print_reference, options=", debug=True"),
    Operation("checks of overflow", ["i8", "i16", "i32", "i64"], ["a = tl.load(x_{t} + i)", "b = tl.load(y_{t} + i)", "tl.store(o_{t} + i, a + b - a * b)"],
              lambda ty, x, y: {"o": Expected(x + y - x * y)}, inputs=small, options=", debug=True, sanitize_overflow=True"),
    Operation("rand, randint", ["i32"], ["tl.store(o_{t} + i, tl.rand(7, i))", "tl.store(w_{t} + i, tl.randint(7, i))"], random_reference, outputs={"o": ("f32", COUNT), "w": ("i32", COUNT)}),
    Operation("randn", ["i32"], ["tl.store(o_{t} + i, tl.randn(7, i))"], None, outputs={"o": ("f32", COUNT)}),
    Operation("inline assembly", ["i32", "u32"], [
        LOAD[0], store("tl.inline_asm_elementwise('lop3.b32 $0, $1, 15, 0, 0xc0;', '=r,r', [a], dtype=a.dtype, is_pure=True, pack=1)"),
    ], lambda ty, x, y: masked(x & 15)),
    Operation("map_elementwise", ["i32", "f32"], [LOAD[0], store("tl.map_elementwise(twice, a)")], lambda ty, x, y: masked(x + x), above=COMBINE, together=False),
    Operation("while, if", ["i32", "i64"], [
        "c = tl.load(x_{t}) & 15", "s = c * 0", "while c > 0:", "    if c % 2 == 1:", "        s += c", "    c -= 1", "tl.store(o_{t}, s)",
    ], lambda ty, x, y: {"o": Expected(numpy.array([sum(range(1, (int(x[0]) & 15) + 1, 2))]).astype(x.dtype))}, outputs={"o": (None, 1)}),
    Operation("broadcast, expand_dims, cat", ["i32", "f16", "f32"], [
        "h = tl.load(x_{t} + tl.arange(0, 16))", "g = tl.expand_dims(h, 1) + tl.zeros((16, 32), h.dtype)", store_matrix("g"),
    ], lambda ty, x, y: {"o": Expected(numpy.repeat(x[:16], 32))}),
    Operation("two blocks of a cluster", ["f16", "f32"], [MATRIX[0], "tl.store(o_{t} + tl.arange(0, 16), tl.max(A, 1))"], lambda ty, x, y: {"o": Expected(x.reshape(16, 32).max(1))},
              outputs={"o": (None, 16)}, options=", num_ctas=2", least=90),
]
