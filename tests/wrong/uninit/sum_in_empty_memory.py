# A sum over steps is kept in global memory, which nobody has cleared.
# expect undefined
----
%target sm_80
----
%buf x = randn(4, 128, seed=1)
%buf sums = empty(128)
----
%%triton sum_rows[1](x, sums, 4, BLOCK=128) --check
@triton.jit
def sum_rows(x_ptr, sums_ptr, rows, BLOCK: tl.constexpr):
    columns = tl.arange(0, BLOCK)
    for row in range(rows):
        x = tl.load(x_ptr + row * BLOCK + columns)
        tl.store(sums_ptr + columns, tl.load(sums_ptr + columns) + x)  # here
