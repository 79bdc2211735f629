# A row's offset is computed in 32 bits, and overflows for the second row.
# expect out-of-bounds
----
%target sm_80
----
%buf x = randn(4096, seed=1)
%buf out = zeros(128)
%let STRIDE = 2147483632
----
%%triton rows[2](x, out, STRIDE, BLOCK=64) --check
@triton.jit
def rows(x_ptr, out_ptr, stride, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    x = tl.load(x_ptr + row * 2 * stride + tl.arange(0, BLOCK))  # here
    tl.store(out_ptr + row * BLOCK + tl.arange(0, BLOCK), x)
