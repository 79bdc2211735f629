"""Kernels for sm_100 and sm_120: run by tests/blackwell.rs, compiled by benches/forms.py."""

MATMUL = """@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    accumulator = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, tl.cdiv(K, BK)):
        a = tl.load(a_ptr + rows[:, None] * K + (k * BK + inner)[None, :])
        b = tl.load(b_ptr + (k * BK + inner)[:, None] * N + columns[None, :])
        accumulator = tl.dot(a, b, accumulator, input_precision=PRECISION)
    c = accumulator.to(c_ptr.dtype.element_ty)
    tl.store(c_ptr + rows[:, None] * N + columns[None, :], c)
"""

# B is stored by columns: K-major, which fp8 and tf32 need.
MATMUL_TRANSPOSED = """@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    accumulator = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, tl.cdiv(K, BK)):
        a = tl.load(a_ptr + rows[:, None] * K + (k * BK + inner)[None, :])
        b = tl.load(b_ptr + columns[None, :] * K + (k * BK + inner)[:, None])
        accumulator = tl.dot(a, b, accumulator, input_precision=PRECISION)
    c = accumulator.to(c_ptr.dtype.element_ty)
    tl.store(c_ptr + rows[:, None] * N + columns[None, :], c)
"""

DESCRIPTORS = """@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    a = tl.make_tensor_descriptor(a_ptr, [M, K], [K, 1], [BM, BK])
    b = tl.make_tensor_descriptor(b_ptr, [K, N], [N, 1], [BK, BN])
    c = tl.make_tensor_descriptor(c_ptr, [M, N], [N, 1], [BM, BN])
    columns = tl.cdiv(N, BN)
    for tile in tl.range(tl.program_id(0), tl.cdiv(M, BM) * columns, tl.num_programs(0)):
        row, column = (tile // columns) * BM, (tile % columns) * BN
        accumulator = tl.zeros((BM, BN), dtype=tl.float32)
        for k in range(0, tl.cdiv(K, BK)):
            accumulator = tl.dot(a.load([row, k * BK]), b.load([k * BK, column]), accumulator)
        c.store([row, column], accumulator.to(c_ptr.dtype.element_ty))
"""

HOST_DESCRIPTORS = """@triton.jit
def matmul(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, BLOCKS: tl.constexpr):
    columns = tl.cdiv(N, BN)
    for tile in tl.range(tl.program_id(0), tl.cdiv(M, BM) * columns, BLOCKS):
        row, column = (tile // columns) * BM, (tile % columns) * BN
        accumulator = tl.zeros((BM, BN), dtype=tl.float32)
        for k in range(0, K, BK):
            accumulator = tl.dot(a.load([row, k]), b.load([k, column]), accumulator)
        c.store([row, column], accumulator.to(tl.float16))
"""

ATTENTION = """@triton.jit
def attention(q_ptr, k_ptr, v_ptr, o_ptr, N, scale, BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    inner = tl.arange(0, D)
    q = tl.load(q_ptr + rows[:, None] * D + inner[None, :])
    largest = tl.full((BM,), float('-inf'), tl.float32)
    total = tl.zeros((BM,), tl.float32)
    accumulator = tl.zeros((BM, D), tl.float32)
    for start in range(0, N, BN):
        columns = start + tl.arange(0, BN)
        k = tl.load(k_ptr + columns[None, :] * D + inner[:, None])
        v = tl.load(v_ptr + columns[:, None] * D + inner[None, :])
        scores = tl.dot(q, k) * scale
        new = tl.maximum(largest, tl.max(scores, 1))
        p = tl.exp(scores - new[:, None])
        correction = tl.exp(largest - new)
        total = total * correction + tl.sum(p, 1)
        accumulator = tl.dot(p.to(v.dtype), v, accumulator * correction[:, None])
        largest = new
    tl.store(o_ptr + rows[:, None] * D + inner[None, :], (accumulator / total[:, None]).to(o_ptr.dtype.element_ty))
"""

SCALED = """@triton.jit
def scaled(a_ptr, a_scale, b_ptr, b_scale, c_ptr, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, A: tl.constexpr, B: tl.constexpr, VECTOR: tl.constexpr):
    PA: tl.constexpr = 2 if A == "e2m1" else 1
    PB: tl.constexpr = 2 if B == "e2m1" else 1
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    a_inner, b_inner, groups = tl.arange(0, BK // PA), tl.arange(0, BK // PB), tl.arange(0, BK // VECTOR)
    accumulator = tl.zeros((BM, BN), tl.float32)
    for k in range(0, K, BK):
        a = tl.load(a_ptr + rows[:, None] * (K // PA) + k // PA + a_inner[None, :])
        b = tl.load(b_ptr + (k // PB + b_inner)[:, None] + columns[None, :] * (K // PB))
        sa = tl.load(a_scale + rows[:, None] * (K // VECTOR) + k // VECTOR + groups[None, :])
        sb = tl.load(b_scale + columns[:, None] * (K // VECTOR) + k // VECTOR + groups[None, :])
        accumulator = tl.dot_scaled(a, sa, A, b, sb, B, accumulator)
    tl.store(c_ptr + rows[:, None] * N + columns[None, :], accumulator)
"""

# Scales come as the tensor core wants them, 128 rows by 4 in 512 bytes, and go through shared memory (`tcgen05.cp`).
SCALED_BLOCKS = """@triton.jit
def scaled(a_ptr, a_scale, b_ptr, b_scale, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, KIND: tl.constexpr, VECTOR: tl.constexpr):
    PACK: tl.constexpr = 2 if KIND == "e2m1" else 1
    RM: tl.constexpr = BM // 128
    RN: tl.constexpr = BN // 128
    RK: tl.constexpr = BK // VECTOR // 4
    a = tl.make_tensor_descriptor(a_ptr, [M, K // PACK], [K // PACK, 1], [BM, BK // PACK])
    b = tl.make_tensor_descriptor(b_ptr, [N, K // PACK], [K // PACK, 1], [BN, BK // PACK])
    groups = K // VECTOR // 4
    sa = tl.make_tensor_descriptor(a_scale, [1, M // 128, groups, 2, 256], [M * groups * 4, groups * 512, 512, 256, 1], [1, RM, RK, 2, 256])
    sb = tl.make_tensor_descriptor(b_scale, [1, N // 128, groups, 2, 256], [N * groups * 4, groups * 512, 512, 256, 1], [1, RN, RK, 2, 256])
    row, column = tl.program_id(0), tl.program_id(1)
    accumulator = tl.zeros((BM, BN), tl.float32)
    for k in range(0, tl.cdiv(K, BK)):
        x = a.load([row * BM, k * (BK // PACK)])
        y = b.load([column * BN, k * (BK // PACK)])
        p = sa.load([0, row * RM, k * RK, 0, 0]).reshape(RM, RK, 32, 4, 4).trans(0, 3, 2, 1, 4).reshape(BM, BK // VECTOR)
        q = sb.load([0, column * RN, k * RK, 0, 0]).reshape(RN, RK, 32, 4, 4).trans(0, 3, 2, 1, 4).reshape(BN, BK // VECTOR)
        accumulator = tl.dot_scaled(x, p, KIND, y.T, q, KIND, accumulator)
    rows = row * BM + tl.arange(0, BM)
    columns = column * BN + tl.arange(0, BN)
    tl.store(c_ptr + rows[:, None] * N + columns[None, :], accumulator)

@triton.jit
def blocks(s_ptr, out_ptr, GROUPS, B: tl.constexpr):
    row = tl.program_id(0)
    group = tl.arange(0, B)
    s = tl.load(s_ptr + row * 4 * GROUPS + group)
    at = (row // 128) * GROUPS * 512 + (group // 4) * 512 + (row % 32) * 16 + (row % 128) // 32 * 4 + group % 4
    tl.store(out_ptr + at, s)
"""

# B's fp4 elements of neighbouring columns share a byte.
SCALED_ALONG_N = """@triton.jit
def packed(a_ptr, a_scale, b_ptr, b_scale, c_ptr, B: tl.constexpr):
    whole, half, groups = tl.arange(0, B), tl.arange(0, B // 2), tl.arange(0, B // 32)
    a = tl.load(a_ptr + whole[:, None] * B + whole[None, :])
    b = tl.load(b_ptr + whole[:, None] * (B // 2) + half[None, :])
    sa = tl.load(a_scale + whole[:, None] * (B // 32) + groups[None, :])
    sb = tl.load(b_scale + whole[:, None] * (B // 32) + groups[None, :])
    c = tl.dot_scaled(a, sa, "e5m2", b, sb, "e2m1", rhs_k_pack=False)
    tl.store(c_ptr + whole[:, None] * B + whole[None, :], c)
"""

# What `SCALED` has to give, by f32 multiply-adds.
SCALED_REFERENCE = """@triton.jit
def element(p, rows, k, K, KIND: tl.constexpr):
    if KIND == "e2m1":
        pair = tl.load(p + rows * (K // 2) + k // 2).to(tl.int32)
        code = (pair >> (4 * (k % 2))) & 15
        field = (code >> 1) & 3
        half = (code & 1).to(tl.float32) * 0.5
        magnitude = tl.where(field == 0, half, tl.exp2((field - 1).to(tl.float32)) * (1.0 + half))
        return tl.where(code >= 8, -magnitude, magnitude)
    else:
        return tl.load(p + rows * K + k).to(tl.float32)

@triton.jit
def scale_of(p, rows, k, K, VECTOR: tl.constexpr):
    s = tl.load(p + rows * (K // VECTOR) + k // VECTOR)
    if p.dtype.element_ty == tl.uint8:
        return tl.exp2(s.to(tl.float32) - 127.0)
    else:
        return s.to(tl.float32)

@triton.jit
def reference(a_ptr, a_scale, b_ptr, b_scale, c_ptr, N, K, B: tl.constexpr, KA: tl.constexpr, KB: tl.constexpr, VECTOR: tl.constexpr):
    rows = (tl.program_id(0) * B + tl.arange(0, B))[:, None]
    columns = (tl.program_id(1) * B + tl.arange(0, B))[:, None]
    total = tl.zeros((B, B), tl.float32)
    for start in range(0, K, 32):
        k = (start + tl.arange(0, 32))[None, :]
        a = element(a_ptr, rows, k, K, KA) * scale_of(a_scale, rows, k, K, VECTOR)
        b = element(b_ptr, columns, k, K, KB) * scale_of(b_scale, columns, k, K, VECTOR)
        total = tl.dot(a, b.T, total, input_precision="ieee")
    tl.store(c_ptr + rows * N + tl.trans(columns), total)
"""

# Triton divides the work among warps: loads, tensor core, epilogue.
SPECIALIZED_LOOP = """@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    a = tl.make_tensor_descriptor(a_ptr, [M, K], [K, 1], [BM, BK])
    b = tl.make_tensor_descriptor(b_ptr, [N, K], [K, 1], [BN, BK])
    c = tl.make_tensor_descriptor(c_ptr, [M, N], [N, 1], [BM, BN])
    row, column = tl.program_id(0) * BM, tl.program_id(1) * BN
    accumulator = tl.zeros((BM, BN), dtype=tl.float32)
    for k in tl.range(0, tl.cdiv(K, BK), warp_specialize=True):
        accumulator = tl.dot(a.load([row, k * BK]), b.load([column, k * BK]).T, accumulator)
    c.store([row, column], accumulator.to(c_ptr.dtype.element_ty))
"""

SPECIALIZED_TILES = """@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    a = tl.make_tensor_descriptor(a_ptr, [M, K], [K, 1], [BM, BK])
    b = tl.make_tensor_descriptor(b_ptr, [N, K], [K, 1], [BN, BK])
    c = tl.make_tensor_descriptor(c_ptr, [M, N], [N, 1], [BM, BN])
    columns = tl.cdiv(N, BN)
    tiles = tl.cdiv(M, BM) * columns
    for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0), flatten=True, warp_specialize=True):
        row, column = (tile // columns) * BM, (tile % columns) * BN
        accumulator = tl.zeros((BM, BN), dtype=tl.float32)
        for k in range(tl.cdiv(K, BK)):
            accumulator = tl.dot(a.load([row, k * BK]), b.load([column, k * BK]).T, accumulator)
        c.store([row, column], accumulator.to(c_ptr.dtype.element_ty))
"""

GLUON = """from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.blackwell import (
    TensorMemoryLayout, allocate_tensor_memory, fence_async_shared, mbarrier, tcgen05_commit, tcgen05_mma, tma, get_tmem_reg_layout)

@gluon.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: gl.constexpr, BN: gl.constexpr, BK: gl.constexpr, STAGES: gl.constexpr, VARIANT: gl.constexpr):
    dtype: gl.constexpr = a_ptr.dtype.element_ty
    a_layout: gl.constexpr = gl.NVMMASharedLayout.get_default_for([BM, BK], dtype)
    b_layout: gl.constexpr = gl.NVMMASharedLayout.get_default_for([BK, BN], dtype)
    c_layout: gl.constexpr = gl.NVMMASharedLayout.get_default_for([BM, BN], c_ptr.dtype.element_ty)
    a = tma.make_tensor_descriptor(a_ptr, [M, K], [K, 1], [BM, BK], a_layout)
    b = tma.make_tensor_descriptor(b_ptr, [K, N], [N, 1], [BK, BN], b_layout)
    c = tma.make_tensor_descriptor(c_ptr, [M, N], [N, 1], [BM, BN], c_layout)
    row, column = gl.program_id(0) * BM, gl.program_id(1) * BN
    a_tiles = gl.allocate_shared_memory(dtype, [STAGES, BM, BK], a_layout)
    b_tiles = gl.allocate_shared_memory(dtype, [STAGES, BK, BN], b_layout)
    ready = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    done = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for index in gl.static_range(STAGES):
        mbarrier.init(ready.index(index), count=1)
        mbarrier.init(done.index(index), count=1)
    tmem_layout: gl.constexpr = TensorMemoryLayout([BM, BN], col_stride=1)
    accumulator = allocate_tensor_memory(gl.float32, [BM, BN], tmem_layout)
    for k in range(0, gl.cdiv(K, BK)):
        stage = k % STAGES
        phase = (k // STAGES) & 1
        mbarrier.wait(done.index(stage), phase ^ 1)
        mbarrier.expect(ready.index(stage), a.block_type.nbytes + b.block_type.nbytes)
        tma.async_copy_global_to_shared(a, [row, k * BK], ready.index(stage), a_tiles.index(stage))
        tma.async_copy_global_to_shared(b, [k * BK, column], ready.index(stage), b_tiles.index(stage))
        mbarrier.wait(ready.index(stage), phase)
        tcgen05_mma(a_tiles.index(stage), b_tiles.index(stage), accumulator, use_acc=k > 0)
        tcgen05_commit(done.index(stage))
    last = gl.cdiv(K, BK) - 1
    mbarrier.wait(done.index(last % STAGES), (last // STAGES) & 1)
    registers: gl.constexpr = get_tmem_reg_layout(gl.float32, [BM, BN], tmem_layout, gl.num_warps(), instr_variant=VARIANT)
    out = gl.allocate_shared_memory(c.dtype, [BM, BN], c_layout, accumulator.load(registers).to(c.dtype))
    fence_async_shared()
    tma.async_copy_shared_to_global(c, [row, column], out)
    tma.store_wait(0)
    for index in gl.static_range(STAGES):
        mbarrier.invalidate(ready.index(index))
        mbarrier.invalidate(done.index(index))
"""

# A pair of blocks computes one tile (`cta_group::2`): each loads half of A's rows and half of B's columns.
PAIR = """from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.blackwell import (
    TensorMemoryLayout, allocate_tensor_memory, fence_async_shared, mbarrier, tcgen05_commit, tcgen05_mma, tma)

@gluon.jit
def pair(a_ptr, b_ptr, c_ptr, M, N, K, BM: gl.constexpr, BN: gl.constexpr, BK: gl.constexpr):
    dtype: gl.constexpr = a_ptr.dtype.element_ty
    a_layout: gl.constexpr = gl.NVMMASharedLayout.get_default_for([BM, BK], dtype, cga_layout=[[1, 0]])
    b_layout: gl.constexpr = gl.NVMMASharedLayout.get_default_for([BK, BN], dtype, cga_layout=[[0, 1]])
    c_layout: gl.constexpr = gl.NVMMASharedLayout.get_default_for([BM, BN], c_ptr.dtype.element_ty, cga_layout=[[1, 0]])
    a = tma.make_tensor_descriptor(a_ptr, [M, K], [K, 1], [BM, BK], a_layout)
    b = tma.make_tensor_descriptor(b_ptr, [K, N], [N, 1], [BK, BN], b_layout)
    c = tma.make_tensor_descriptor(c_ptr, [M, N], [N, 1], [BM, BN], c_layout)
    row, column = gl.program_id(0) * BM, gl.program_id(1) * BN
    a_tile = gl.allocate_shared_memory(dtype, [BM, BK], a_layout)
    b_tile = gl.allocate_shared_memory(dtype, [BK, BN], b_layout)
    ready = mbarrier.allocate_mbarrier(two_ctas=True)
    done = mbarrier.allocate_mbarrier()
    mbarrier.init(ready, count=1)
    mbarrier.init(done, count=1)
    tmem_layout: gl.constexpr = TensorMemoryLayout([BM // 2, BN], col_stride=1, cga_layout=[[1, 0]], two_ctas=True)
    accumulator = allocate_tensor_memory(gl.float32, [BM, BN], tmem_layout)
    for k in range(0, gl.cdiv(K, BK)):
        mbarrier.expect(ready, a.nbytes_per_cta + b.nbytes_per_cta)
        tma.async_load(a, [row, k * BK], ready, a_tile)
        tma.async_load(b, [k * BK, column], ready, b_tile)
        mbarrier.wait(ready, k & 1)
        tcgen05_mma(a_tile, b_tile, accumulator, use_acc=k > 0)
        tcgen05_commit(done, descs=[a_tile, b_tile])
        mbarrier.wait(done, k & 1)
    out = gl.allocate_shared_memory(c.dtype, [BM, BN], c_layout, accumulator.load().to(c.dtype))
    fence_async_shared()
    tma.async_store(c, [row, column], out)
    tma.store_wait(0)
    mbarrier.invalidate(ready)
    mbarrier.invalidate(done)
"""
