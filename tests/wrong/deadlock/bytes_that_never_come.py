# The mbarrier expects twice the bytes that the copy brings.
# expect deadlock
# gluon
----
%target sm_90
----
%buf a = randn(64, 64, dtype=f16, seed=1)
%buf out = zeros(64, 64, dtype=f16)
----
%%gluon copy[1](a, out, num_warps=4) --check
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import tma, mbarrier, fence_async_shared

@gluon.jit
def copy(a_ptr, out_ptr):
    shared: gl.constexpr = gl.NVMMASharedLayout.get_default_for([64, 64], gl.float16)
    a = tma.make_tensor_descriptor(a_ptr, [64, 64], [64, 1], [64, 64], shared)
    out = tma.make_tensor_descriptor(out_ptr, [64, 64], [64, 1], [64, 64], shared)
    tile = gl.allocate_shared_memory(gl.float16, [64, 64], shared)
    ready = gl.allocate_shared_memory(gl.int64, [1], mbarrier.MBarrierLayout())
    mbarrier.init(ready, count=1)
    fence_async_shared()
    mbarrier.expect(ready, 16384)
    tma.async_copy_global_to_shared(a, [0, 0], ready, tile)
    mbarrier.wait(ready, 0)  # here
    tma.async_copy_shared_to_global(out, [0, 0], tile)
    tma.store_wait(0)
    mbarrier.invalidate(ready)
