# A transposition with the strides of input and output exchanged; it is right for square matrices.
# expect out-of-bounds
----
%target sm_80
----
%buf x = randn(32, 128, seed=1)
%buf out = zeros(128, 32)
----
%%triton transpose[1, 4](x, out, 32, 128, B=32) --check
@triton.jit
def transpose(x_ptr, out_ptr, M, N, B: tl.constexpr):
    m = tl.program_id(0) * B + tl.arange(0, B)
    n = tl.program_id(1) * B + tl.arange(0, B)
    x = tl.load(x_ptr + m[:, None] * N + n[None, :])
    tl.store(out_ptr + n[:, None] * N + m[None, :], tl.trans(x))  # here
