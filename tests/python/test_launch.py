"""`warpbook.launch`: PTX on numpy arrays, where they lie."""

import os
import signal
import threading
import time

import numpy
import pytest
import warpbook

# Adds 1 to n elements; block 0 says how many.
ADD = """
.version 8.0
.target sm_80
.address_size 64
.visible .entry add(.param .u64 x, .param .u32 n, .param .f32 y)
.reqntid 128
{
    .reg .pred %p<2>; .reg .b32 %r<6>; .reg .f32 %f<4>; .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [x];
    ld.param.u32 %r1, [n];
    ld.param.f32 %f1, [y];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %tid.x;
    mad.lo.u32 %r4, %r2, 128, %r3;
    setp.ge.u32 %p1, %r4, %r1;
    @%p1 ret;
    mad.wide.u32 %rd2, %r4, 4, %rd1;
    ld.global.f32 %f2, [%rd2];
    add.f32 %f3, %f2, %f1;
    st.global.f32 [%rd2], %f3;
    ret;
}
"""
# Never ends.
FOREVER = """
.version 8.0
.target sm_80
.address_size 64
.visible .entry forever(.param .u64 x)
{
    .reg .b32 %r<2>; .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [x];
again:
    ld.volatile.global.u32 %r1, [%rd1];
    add.u32 %r1, %r1, 1;
    st.volatile.global.u32 [%rd1], %r1;
    bra again;
}
"""


def test_a_launch_changes_the_array_itself():
    x = numpy.arange(1000, dtype=numpy.float32)
    report = warpbook.launch(ADD, 8, x, 1000, 0.5)
    assert (x == numpy.arange(1000) + 0.5).all()
    assert report.warp_instructions > 0 and report.findings == []


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 7])
def test_views_are_used_where_they_lie(offset):
    whole = numpy.zeros(256, dtype=numpy.float32)
    warpbook.launch(ADD, 1, whole[offset:], 128, 1.0)
    assert (numpy.flatnonzero(whole) == numpy.arange(128) + offset).all()


def test_the_end_of_the_allocation_is_the_end():
    x = numpy.zeros(100, dtype=numpy.float32)
    with pytest.raises(warpbook.EngineError, match="byte 400 of x, which has 400 bytes") as caught:
        warpbook.launch(ADD, 1, x, 128, 1.0)
    assert caught.value.code == "out-of-bounds" and caught.value.place is None


def test_a_large_array_is_not_copied():
    x = numpy.zeros(1 << 28, dtype=numpy.float32)
    before = resident()
    warpbook.launch(ADD, 1, x, 128, 1.0)
    # The array is a GiB of pages that nobody has touched, but for the first.
    assert resident() - before < 64 << 20
    assert x[:128].sum() == 128


def resident():
    """Bytes of memory that the process has in use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((numpy.zeros(8, dtype=numpy.float32),), "add has 3 parameters, and 1 arguments are given"),
        ((numpy.zeros(8, dtype=numpy.float32), -1 << 40, 1.0), "n is a parameter of 4 bytes"),
        ((numpy.zeros(8, dtype=numpy.float32), numpy.zeros(1), 1.0), "n is a parameter of 4 bytes, and a tensor is given"),
        ((numpy.zeros(8, dtype=numpy.float32), "many", 1.0), "a str is neither a tensor nor a number"),
        ((numpy.frombuffer(bytes(32), dtype=numpy.float32), 8, 1.0), "read-only"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        warpbook.launch(ADD, 1, *arguments)


def test_a_module_says_what_its_text_says():
    module = warpbook.Module(ADD)
    assert module.kernels == ["add"] and module.capability == 80
    assert module.parameters("add") == [("x", 8), ("n", 4), ("y", 4)]
    assert module.required_block("add") == [128, 1, 1]
    assert warpbook.Module(FOREVER).required_block("forever") is None
    with pytest.raises(KeyError, match="no kernel `sub`"):
        module.parameters("sub")


@pytest.mark.parametrize(
    "ptx, options, message",
    [
        (FOREVER, {}, "forever does not say how many threads a block has"),
        (ADD + ADD.partition(".address_size 64")[2].replace("add(", "other("), {}, "2 entry functions: it has add, other"),
        (ADD, {"target": "hopper"}, "'hopper' is no target"),
        (ADD, {"block": (1, 1, 1, 1)}, "one to three extents, not 4"),
    ],
)
def test_what_the_text_does_not_decide_is_asked_for(ptx, options, message):
    arguments = [numpy.zeros(8, dtype=numpy.float32), 8, 1.0][: 1 if ptx == FOREVER else 3]
    with pytest.raises(ValueError, match=message):
        warpbook.launch(ptx, 1, *arguments, **options)


def test_broken_ptx_names_its_line():
    with pytest.raises(warpbook.EngineError) as caught:
        warpbook.launch(ADD.replace("add.f32", "frob.f32"), 1, numpy.zeros(8, dtype=numpy.float32), 8, 1.0)
    assert "ptx:19" in str(caught.value) and "frob.f32" in str(caught.value)


def test_control_c_ends_a_launch():
    x = numpy.zeros(8, dtype=numpy.uint32)

    def interrupt():
        # As soon as the kernel runs.
        while not x[0]:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        warpbook.launch(FOREVER, 1, x, block=32)
    thread.join()
    y = numpy.zeros(8, dtype=numpy.float32)
    warpbook.launch(ADD, 1, y, 8, 1.0)
    assert y.sum() == 8


def test_threads_launch_at_the_same_time():
    arrays = [numpy.zeros(1024, dtype=numpy.float32) for _ in range(8)]
    threads = [threading.Thread(target=warpbook.launch, args=(ADD, 8, x, 1024, 1.0)) for x in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((x == 1).all() for x in arrays)


def test_a_child_launches_too():
    x = numpy.zeros(8, dtype=numpy.float32)
    warpbook.launch(ADD, 1, x, 8, 1.0)
    child = os.fork()
    if child == 0:
        warpbook.launch(ADD, 1, x, 8, 1.0)
        os._exit(int(x.sum()))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 16 and x.sum() == 8
