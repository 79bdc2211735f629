# Tiles whose step is shorter than they are: neighbours write the same elements.
# expect race
----
%target sm_80
----
%buf x = randn(1024, seed=1)
%buf out = zeros(1024)
----
%%triton tiles[4](x, out, BLOCK=256) --check
@triton.jit
def tiles(x_ptr, out_ptr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * (BLOCK - 8) + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    tl.store(out_ptr + offsets, x + tl.program_id(0))  # here
