# TTGIR that was compiled for a pointer divisible by 16, launched on a view that is not.
# expect divisibility
----
%target sm_80
----
%buf x = randn(513, seed=1)
%buf out = zeros(512)
----
%%triton copy[4](x, out, BLOCK=128) --check
@triton.jit
def copy(x_ptr, out_ptr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_ptr + offsets, tl.load(x_ptr + offsets))
----
%launch copy[4](x[1:], out) --check
