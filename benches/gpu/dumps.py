"""Views on a GPU: values dumped there and on the emulator are the same bits, and `%diff` measures what it compares."""

import re

from notebook import CellError, Notebook

BUFFERS = """%target sm_90
%buf a = randn(256, 256, dtype=f16, seed=1)
%buf b = randn(256, 256, dtype=f16, seed=2)
%buf c = zeros(256, 256, dtype=f16)
%buf x = randn(8, 1000, seed=3)
%buf y = zeros(8, 1000)"""
MATMUL = """%%triton matmul[4](a, b, c, 256, 256, 256, BM=128, BN=128, BK=64, num_warps=4)
@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    pid = tl.program_id(0)
    columns = tl.cdiv(N, BN)
    rm = (pid // columns) * BM + tl.arange(0, BM)
    rn = (pid % columns) * BN + tl.arange(0, BN)
    rk = tl.arange(0, BK)
    acc = tl.zeros((BM, BN), tl.float32)
    for start in range(0, K, BK):
        left = tl.load(a_ptr + rm[:, None] * K + (start + rk)[None, :])
        right = tl.load(b_ptr + (start + rk)[:, None] * N + rn[None, :])
        acc = tl.dot(left, right, acc)
    small = acc.to(tl.float8e4nv)
    tl.store(c_ptr + rm[:, None] * N + rn[None, :], acc.to(tl.float16) + small.to(tl.float16))
"""
SOFTMAX = """%%triton softmax[8](x, y, 1000, BLOCK=1024, enable_fp_fusion=False)
@triton.jit
def softmax(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < n
    value = tl.load(x_ptr + row * n + at, mask=mask, other=-float("inf"))
    most = tl.max(value, 0)
    grown = tl.exp(value - most)
    total = tl.sum(grown, 0)
    tl.store(y_ptr + row * n + at, grown / total, mask=mask)
"""
# What is dumped: values or variables, options. A value of the TTGIR is found by the words of its line; `first operand`: what
# that line takes. (Shared memory is dumped where something reads it: before that it holds what the GPU left there.)
DUMPS = [
    ("matmul", ["acc:12", "left", "right", "start"], "--program all"),
    ("matmul", ["small"], "--program 3"),
    ("matmul", [("warp_group_dot_wait",)], ""),
    ("matmul", [("first operand", "ttng.warp_group_dot ")], "--program 1"),
    ("matmul", [("scf.for",)], "--program 2"),
    ("softmax", ["value", "mask", "most", "grown", "total", "row"], "--program all"),
    ("softmax", [("tt.reduce",)], "--program 7"),
]


def values(notebook, kernel, wanted):
    """The names of the values of the TTGIR that are wanted."""
    text = ""
    for each in wanted:
        if isinstance(each, str):
            yield each
            continue
        text = text or notebook.facts(f"%edit ttgir {kernel}")[1]
        operand = each[0] == "first operand"
        words = each[1:] if operand else each
        line = next(line for line in text.splitlines() if all(word in line for word in words) and "%" in line)
        if operand:
            yield re.search(r"%[\w#]+", line.partition(" = ")[2])[0]
            continue
        name, _, count = line.strip().split(" = ")[0].partition(":")
        yield f"{name}#0" if count else name


def run(options):
    failures = []

    def check(what, holds, more=""):
        print(f"{what}: {'ok' if holds else 'NOT AS IT SHOULD BE'}{more}", flush=True)
        if not holds:
            failures.append(what)

    with Notebook(options) as notebook:
        notebook.run(BUFFERS)
        for cell in (MATMUL, SOFTMAX):
            notebook.run(cell)
        dumps = []
        for number, (kernel, wanted, more) in enumerate(DUMPS):
            try:
                names = list(values(notebook, kernel, wanted))
            except (StopIteration, RuntimeError):
                print(f"{kernel} has no line with {wanted}")
                continue
            own = [f"g{number}_{at}" for at in range(len(names))]
            try:
                notebook.run(f"%dump {kernel} {' '.join(names)} {more} --as {','.join(own)}")
            except CellError as error:
                check(f"%dump {kernel} {' '.join(names)}", False, f"\n{error}")
                continue
            dumps.append((kernel, names, more, own))
        difference = notebook.facts("%diff softmax --targets sm_90,sm_80 --counters")[0]
        text = notebook.run("%diff softmax@1 softmax@1")
        latency = re.search(r"^latency +(\S+ .s) .*?  (\S+ .s) ", text, re.M)
        print(text[-700:])
        on_gpu = options.device.startswith("cuda")
        if on_gpu:
            check("%diff times both sides", bool(latency))
        check("%diff counts both sides", "warp instructions executed" in difference["changed"], f" {difference['changed']}")
        notebook.run("%device emu:sm_90")
        for kernel, names, more, own in dumps:
            theirs = [name.replace("g", "e", 1) for name in own]
            notebook.run(f"%dump {kernel} {' '.join(names)} {more} --as {','.join(theirs)}")
            for name, mine, other in zip(names, own, theirs):
                what = f"{kernel} {name} {more}: the emulator's bits"
                try:
                    line = notebook.run(f"%check {mine} == {other}, rtol=0, atol=0, equal_nan=True").splitlines()[0]
                    check(what, True, f"  {line}")
                except CellError as error:
                    check(what, False, f"\n{error}")
    return failures
