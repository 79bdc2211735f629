# Split K: each program has a part of the sum, and stores it where the others store theirs.
# expect race
----
%target sm_80
----
%buf a = randn(64, 128, dtype=f16, seed=1)
%buf b = randn(128, 64, dtype=f16, seed=2)
%buf c = zeros(64, 64)
----
%%triton split_k[1, 4](a, b, c, 128, B=64, BK=32) --check
@triton.jit
def split_k(a_ptr, b_ptr, c_ptr, K, B: tl.constexpr, BK: tl.constexpr):
    m = tl.arange(0, B)
    k = tl.program_id(1) * BK + tl.arange(0, BK)
    a = tl.load(a_ptr + m[:, None] * K + k[None, :])
    b = tl.load(b_ptr + k[:, None] * B + m[None, :])
    tl.store(c_ptr + m[:, None] * B + m[None, :], tl.dot(a, b))  # here
