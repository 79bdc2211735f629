# A gather whose indices were never made.
# expect undefined
----
%target sm_80
----
%buf table = randn(64, seed=1)
%buf index = empty(128, dtype=i32)
%buf out = zeros(128)
----
%%triton gather[1](table, index, out, BLOCK=128) --check
@triton.jit
def gather(table_ptr, index_ptr, out_ptr, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    index = tl.load(index_ptr + offsets)
    x = tl.load(table_ptr + index)  # here
    tl.store(out_ptr + offsets, x)
