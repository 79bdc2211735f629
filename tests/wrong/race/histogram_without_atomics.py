# A histogram that reads, adds and stores; two programs meet in a bin.
# expect race
----
%target sm_80
----
%buf x = randint(0, 16, 512, seed=1)
%buf bins = zeros(16, dtype=i32)
----
%%triton histogram[2](x, bins, BLOCK=256) --check
@triton.jit
def histogram(x_ptr, bins_ptr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    counts = tl.histogram(x, 16)
    bins = bins_ptr + tl.arange(0, 16)
    old = tl.load(bins)  # here
    tl.store(bins, old + counts)  # here
