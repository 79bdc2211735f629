# A buffer half of which an earlier kernel has filled is read whole.
# expect undefined
----
%target sm_80
----
%buf x = randn(128, seed=1)
%buf partial = empty(256)
%buf out = zeros(1)
----
%%triton fill[1](x, out, BLOCK=128) --check
@triton.jit
def fill(x_ptr, out_ptr, BLOCK: tl.constexpr):
    tl.store(out_ptr, tl.max(tl.load(x_ptr + tl.arange(0, BLOCK)), 0))
----
%%triton largest[1](x, partial, out, BLOCK=256) --check
@triton.jit
def largest(x_ptr, partial_ptr, out_ptr, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    tl.store(partial_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < 128, other=0.0), mask=offsets < 128)
    tl.debug_barrier()
    tl.store(out_ptr, tl.max(tl.load(partial_ptr + offsets), 0))  # here
