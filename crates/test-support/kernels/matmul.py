@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, K: tl.constexpr, N: tl.constexpr, BLOCK: tl.constexpr):
    rows, columns, k = tl.arange(0, BLOCK), tl.arange(0, BLOCK), tl.arange(0, BLOCK)
    sum = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for start in range(0, K, BLOCK):
        a = tl.load(a_ptr + rows[:, None] * K + (start + k)[None, :])
        b = tl.load(b_ptr + (start + k)[:, None] * N + columns[None, :])
        sum = tl.dot(a, b, sum)
    tl.store(c_ptr + rows[:, None] * N + columns[None, :], sum)
