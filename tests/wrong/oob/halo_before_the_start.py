# A stencil whose mask guards the upper end only: the first program reads before the buffer.
# expect out-of-bounds
----
%target sm_80
----
%buf x = randn(512, seed=1)
%buf out = zeros(512)
----
%%triton stencil[4](x, out, 512, BLOCK=128) --check
@triton.jit
def stencil(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    left = tl.load(x_ptr + offsets - 1, mask=offsets - 1 < n)  # here
    right = tl.load(x_ptr + offsets + 1, mask=offsets + 1 < n, other=0.0)
    tl.store(out_ptr + offsets, left + right, mask=offsets < n)
