# The mean is written by every program before the others have added to the sum, with plain loads and stores.
# expect race
----
%target sm_80
----
%buf x = randn(512, seed=1)
%buf total = zeros(1)
----
%%triton mean[4](x, total, BLOCK=128) --check
@triton.jit
def mean(x_ptr, total_ptr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    part = tl.sum(tl.load(x_ptr + offsets)) / 512
    tl.store(total_ptr, tl.load(total_ptr) + part)  # here
