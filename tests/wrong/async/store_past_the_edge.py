# The last columns of the rows hold counts: a TMA store of 119 columns also sets column 119 to zero.
# expect store-edge
----
%target sm_90
----
%buf x = randn(16, 128, dtype=f16, seed=1)
%buf out = ones(16, 128, dtype=f16)
%buf counts = zeros(16, dtype=f16)
----
%%triton tiles[1](x, out, counts, num_warps=4) --check
@triton.jit
def tiles(x_ptr, out_ptr, counts_ptr):
    rows, columns = tl.arange(0, 16), tl.arange(0, 128)
    out = tl.make_tensor_descriptor(out_ptr, [16, 119], [128, 1], [16, 128])
    x = tl.load(x_ptr + rows[:, None] * 128 + columns[None, :])
    tl.store(counts_ptr + rows, tl.load(out_ptr + rows * 128 + 119))
    out.store([0, 0], x)  # here
