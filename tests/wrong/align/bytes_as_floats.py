# A header of 6 bytes before the numbers: the pointer to them is cast, not copied.
# expect misaligned
----
%target sm_80
----
%buf bytes = zeros(1030, dtype=u8)
%buf out = zeros(128)
----
%%triton unpack[1](bytes, out, BLOCK=128) --check
@triton.jit
def unpack(bytes_ptr, out_ptr, BLOCK: tl.constexpr):
    numbers = (bytes_ptr + 6).to(tl.pointer_type(tl.float32))
    offsets = tl.arange(0, BLOCK)
    tl.store(out_ptr + offsets, tl.load(numbers + offsets))  # here
