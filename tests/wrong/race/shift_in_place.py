# A shift in place: one program reads the first element of the next, which that one writes.
# expect race
----
%target sm_80
----
%buf x = randn(513, seed=1)
----
%%triton shift[4](x, 512, BLOCK=128) --check
@triton.jit
def shift(x_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets + 1)  # here
    tl.store(x_ptr + offsets, x)  # here
