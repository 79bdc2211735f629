"""Kernels of the GPU campaign, as cells and as Triton source."""

MATMUL = """@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
           PRECISION: tl.constexpr):
    program = tl.program_id(0)
    across = tl.num_programs(0) // tl.cdiv(M, BM)
    width = GROUP * across
    first = program // width * GROUP
    rows_in_group = min(tl.cdiv(M, BM) - first, GROUP)
    row = first + program % width % rows_in_group
    column = program % width // rows_in_group
    rows = row * BM + tl.arange(0, BM)
    columns = column * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    a = a_ptr + rows[:, None] * K + k[None, :]
    b = b_ptr + k[:, None] * N + columns[None, :]
    accumulator = tl.zeros((BM, BN), dtype=tl.float32)
    for start in range(0, K, BK):
        accumulator = tl.dot(tl.load(a), tl.load(b), accumulator, input_precision=PRECISION)
        a += BK
        b += BK * N
    c = c_ptr + rows[:, None] * N + columns[None, :]
    tl.store(c, accumulator.to(c_ptr.dtype.element_ty))
"""

MATMUL_TMA = """@triton.jit
def matmul_tma(a_desc, b_desc, c_desc, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr):
    row = tl.program_id(0) * BM
    column = tl.program_id(1) * BN
    accumulator = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        accumulator = tl.dot(a_desc.load([row, k]), b_desc.load([k, column]), accumulator, input_precision=PRECISION)
    c_desc.store([row, column], accumulator.to(c_desc.dtype))
"""

ADD = """@triton.jit
def add(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out_ptr + i, tl.load(x_ptr + i, mask=mask) + tl.load(y_ptr + i, mask=mask), mask=mask)
"""

SOFTMAX = """@triton.jit
def softmax(x_ptr, out_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * columns + i, mask=i < columns, other=-float("inf"))
    e = tl.exp(x - tl.max(x, 0))
    tl.store(out_ptr + row * columns + i, e / tl.sum(e, 0), mask=i < columns)
"""

EMPTY = """@triton.jit
def empty():
    pass
"""

# 19 arguments, as triton-runner's benchmark has them; one store keeps them alive.
MANY_NAMES = [f"a{i}" for i in range(19)]
MANY = f"""@triton.jit
def many({", ".join(MANY_NAMES)}):
    if a18 == 12345:
        tl.store(a0, a1 + {" + ".join(MANY_NAMES[2:])})
"""

# name, type of a and b, type of c, precision, relative and absolute tolerance against a product in double precision:
# an f16 or bf16 result is rounded to 11 or 8 bits, a TF32 operand to 11 bits, an e4m3 product is summed with 13 bits.
TYPES = [
    ("f16", "f16", "f16", "ieee", 2e-3, 2e-2),
    ("bf16", "bf16", "bf16", "ieee", 1e-2, 1e-1),
    ("tf32", "f32", "f32", "tf32", 2e-3, 1e-1),
    ("fp8", "e4m3", "f16", "ieee", 5e-3, 5e-1),
]
