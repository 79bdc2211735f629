# The length is no multiple of the block, and nothing is masked.
# expect out-of-bounds
----
%target sm_80
----
%buf x = randn(1000, seed=1)
%buf y = randn(1000, seed=2)
%buf out = zeros(1000)
----
%%triton add[4](x, y, out, BLOCK=256) --check
@triton.jit
def add(x_ptr, y_ptr, out_ptr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)  # here
    y = tl.load(y_ptr + offsets)  # here
    tl.store(out_ptr + offsets, x + y)
