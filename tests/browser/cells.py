"""The cells that the tests click through: one of each view, on a matmul."""

MATMUL = """\
@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    pid = tl.program_id(0)
    columns = tl.cdiv(N, BN)
    rm = (pid // columns) * BM + tl.arange(0, BM)
    rn = (pid % columns) * BN + tl.arange(0, BN)
    rk = tl.arange(0, BK)
    a = a_ptr + rm[:, None] * K + rk[None, :]
    b = b_ptr + rk[:, None] * N + rn[None, :]
    acc = tl.zeros((BM, BN), tl.float32)
    for k in range(0, K, BK):
        acc = tl.dot(tl.load(a), tl.load(b), acc)
        a += BK
        b += BK * N
    tl.store(c_ptr + rm[:, None] * N + rn[None, :], acc)"""

PRODUCT = """\
%buf p = randn(120, 128, dtype=f16, seed=1)
%buf q = randn(128, 64, dtype=f16, seed=2)
%buf r = zeros(120, 64, dtype=f16)
%%triton product[1](tma(p, [128, 64]), tma(q, [64, 64]), tma(r, [128, 64]), 128, 128, 64, 64)
@triton.jit
def product(a, b, c, K, M: tl.constexpr, N: tl.constexpr, BLOCK: tl.constexpr):
    sum = tl.zeros((M, N), dtype=tl.float32)
    for k in range(0, K, BLOCK):
        sum = tl.dot(a.load([0, k]), b.load([k, 0]), sum)
    c.store([0, 0], sum.to(tl.float16))"""

WRONG = """\
%%ttir wrong[1](a)
module {
  tt.func public @wrong(%p: !tt.ptr<f16>) {
    %x = arith.addi %y, %y : i32
    tt.return
  }
}"""

# The tag of a cell that may fail.
FAILS = "raises-exception"

# By name, in the order in which they run. One that may fail is a tuple.
VIEWS = {
    "buffers": """\
%target sm_80
%let M = 128
%buf a = randn(M, M, dtype=f16, seed=1)
%buf b = randn(M, M, dtype=f16, seed=2)
%buf c = zeros(M, M)
%bufs""",
    "launch": "%%triton matmul[cdiv(M, BM) * cdiv(M, BN)](a, b, c, M, M, M, BM=64, BN=64, BK=32)\n" + MATMUL,
    "check": "%check c == f32(a) @ f32(b)",
    "show": "%show c",
    "bench": "%launch matmul --bench 10",
    "stages": "%stages matmul",
    "passes": "%passes matmul",
    "layouts": "%layout matmul",
    "layout": "%layout matmul #mma",
    "shared": "%layout matmul #shared",
    "conversion": "%layout matmul --conversions",
    "mma": "%mma matmul",
    "sass": "%sass matmul",
    "resources": "%resources matmul",
    "expect": "%%expect ptx matmul\nCHECK: cp.async.cg.shared.global\nCHECK-COUNT-16: mma.sync\nCHECK-NOT: mma.sync",
    "step": "%step matmul --count 60",
    "watch": "%watch matmul %r1",
    "trace": "%trace c[3, 5]",
    "timeline": "%timeline matmul",
    "hopper": "%target sm_90\n%%triton matmul[cdiv(M, BM) * cdiv(M, BN)](a, b, c, M, M, M, BM=64, BN=64, BK=32)\n" + MATMUL,
    "diff": "%diff matmul@1 matmul@2",
    "dump": "%dump matmul@1 acc --iteration 3",
    # Nothing lays out shared memory, which the lowering to LLVM takes for granted.
    "pass fails": ("%passes matmul@1 --skip allocate_shared_memory", FAILS),
    "failed": "%passes --failed",
    "product": PRODUCT,
    "wgmma": "%mma product",
    "tma": "%tma product a --at 104,64",
    "expect fails": ("%%expect ptx matmul@1\nCHECK-COUNT-17: mma.sync", FAILS),
    "check fails": ("%check c == f32(a) @ f32(b) + 1", FAILS),
    "error": (WRONG, FAILS),
}
FAILING = {name for name, cell in VIEWS.items() if FAILS in cell[1:]}

# What stands in an output at first, with no fold opened.
SHOWN = {
    "stages": "tt.get_program_id",
    "passes": "ttgpuir.accelerate_matmul",
    "layout": "T127:3",
    "shared": "no conflict",
    "mma": "16 × mma.sync.aligned.m16n8k16",
    "sass": "S2R",
    "resources": "limited by registers",
    "step": "ld.param.b64",
    "watch": "lane 31",
    "trace": "tensor cores",
    "expect": "3 of 3 claims",
    "diff": "warp instructions executed",
    "dump": "dump_acc",
    "failed": "ttgpuir.to_llvmir broke matmul",
    "expect fails": "found 16 times, not 17",
}


def first_line(view):
    """The first line of a cell."""
    cell = VIEWS[view]
    return (cell if isinstance(cell, str) else cell[0]).split("\n")[0]

# An LLIR of more than a megabyte, 256 × 256 × 128 by four warps.
LARGE = {
    "buffers": "%target sm_80\n%let M = 256\n%buf a = zeros(M, M, dtype=f16)\n%buf b = zeros(M, M, dtype=f16)\n%buf c = zeros(M, M)",
    "compile": "%%triton matmul[1](a, b, c, M, M, M, BM=256, BN=256, BK=128, num_warps=4) --compile\n" + MATMUL,
    "stages": "%stages matmul",
    "passes": "%passes matmul",
}
