# An embedding whose indices are not checked against the table.
# expect out-of-bounds
----
%target sm_80
----
%buf table = randn(16, 32, seed=1)
%buf index = [3, 7, 16, 1]
%buf out = zeros(4, 32)
----
%%triton embedding[4](table, index, out, D=32) --check
@triton.jit
def embedding(table_ptr, index_ptr, out_ptr, D: tl.constexpr):
    row = tl.load(index_ptr + tl.program_id(0))
    d = tl.arange(0, D)
    x = tl.load(table_ptr + row * D + d)  # here
    tl.store(out_ptr + tl.program_id(0) * D + d, x)
