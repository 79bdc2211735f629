# The length of a loop comes from a buffer that nobody has filled.
# expect undefined
----
%target sm_80
----
%buf lengths = empty(4, dtype=i32)
%buf out = zeros(4, dtype=i32)
----
%%triton loop[4](lengths, out) --check
@triton.jit
def loop(lengths_ptr, out_ptr):
    pid = tl.program_id(0)
    length = tl.load(lengths_ptr + pid)
    count = 0
    for i in range(length):  # here
        count += tl.load(out_ptr + i)
    tl.store(out_ptr + pid, count)
