# The sum is collected by atomics in a buffer that `empty` made.
# expect undefined
----
%target sm_80
----
%buf x = randn(512, seed=1)
%buf total = empty(1)
----
%%triton total_of[4](x, total, BLOCK=128) --check
@triton.jit
def total_of(x_ptr, total_ptr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_add(total_ptr, tl.sum(tl.load(x_ptr + offsets)))  # here
