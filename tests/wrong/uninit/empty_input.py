# The second input was never filled.
# expect undefined
----
%target sm_80
----
%buf x = randn(512, seed=1)
%buf bias = empty(512)
%buf out = zeros(512)
----
%%triton add_bias[4](x, bias, out, BLOCK=128) --check
@triton.jit
def add_bias(x_ptr, bias_ptr, out_ptr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    bias = tl.load(bias_ptr + offsets)
    tl.store(out_ptr + offsets, x + bias)  # here
