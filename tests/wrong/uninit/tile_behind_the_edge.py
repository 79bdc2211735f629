# A matmul whose second operand is padded, and only its inner part was filled by the kernel before.
# expect undefined
----
%target sm_80
----
%buf a = randn(32, 32, dtype=f16, seed=1)
%buf b = empty(32, 32, dtype=f16)
%buf c = zeros(32, 32)
----
%%triton matmul[1](a, b, c, 24, B=32) --check
@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, K, B: tl.constexpr):
    m = tl.arange(0, B)
    square = m[:, None] * B + m[None, :]
    tl.store(b_ptr + square, tl.load(a_ptr + square), mask=m[:, None] < K)
    tl.debug_barrier()
    c = tl.dot(tl.load(a_ptr + square), tl.load(b_ptr + square))
    tl.store(c_ptr + square, c)  # here
