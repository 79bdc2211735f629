# A running sum over programs that takes the neighbour's total without waiting for it.
# expect race
----
%target sm_80
----
%buf x = randn(512, seed=1)
%buf out = zeros(512)
%buf totals = zeros(5)
----
%%triton running_sum[4](x, out, totals, BLOCK=128) --check
@triton.jit
def running_sum(x_ptr, out_ptr, totals_ptr, BLOCK: tl.constexpr):
    pid = tl.program_id(0)
    offsets = pid * BLOCK + tl.arange(0, BLOCK)
    sums = tl.cumsum(tl.load(x_ptr + offsets), 0)
    before = tl.load(totals_ptr + pid)  # here
    tl.store(totals_ptr + pid + 1, before + tl.sum(tl.load(x_ptr + offsets)))  # here
    tl.store(out_ptr + offsets, sums + before)
