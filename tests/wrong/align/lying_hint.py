# A hint that the offsets begin at a multiple of the block, which they do not: the vector loads that come of it are
# misaligned.
# expect misaligned
----
%target sm_80
----
%buf x = randn(600, seed=1)
%buf out = zeros(512)
----
%%triton shifted[1](x, out, 3, BLOCK=512) --check
@triton.jit
def shifted(x_ptr, out_ptr, first, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    shifted = tl.max_contiguous(tl.multiple_of(first + offsets, BLOCK), BLOCK)
    x = tl.load(x_ptr + shifted)  # here
    tl.store(out_ptr + offsets, x)
