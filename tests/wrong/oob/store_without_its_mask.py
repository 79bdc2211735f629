# The load has a mask; the store forgot it.
# expect out-of-bounds
----
%target sm_80
----
%buf x = randn(1000, seed=1)
%buf out = zeros(1000)
----
%%triton double[4](x, out, 1000, BLOCK=256) --check
@triton.jit
def double(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets, mask=offsets < n, other=0.0)
    tl.store(out_ptr + offsets, x + x)  # here
