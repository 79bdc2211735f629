@triton.jit
def matmul(a, b, c, K, BLOCK: tl.constexpr):
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    acc = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for k in range(0, K, BLOCK):
        depth = k + tl.arange(0, BLOCK)
        left = tl.load(a + rows[:, None] * K + depth[None, :])
        right = tl.load(b + depth[:, None] * 64 + columns[None, :])
        acc = tl.dot(left, right, acc)
    tl.store(c + rows[:, None] * 64 + columns[None, :], acc)
