"""Makes the PTX that `cargo bench --bench emulator` runs, by Triton 3.4.0 with no GPU.

    python benches/ptx/make.py

Each file begins with a line that says what PTX does not: `// launch threads=256 shared=98304`.
"""

from pathlib import Path

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, K, N, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    accumulator = tl.zeros((BM, BN), dtype=tl.float32)
    for start in range(0, K, BK):
        a = tl.load(a_ptr + rows[:, None] * K + (start + k)[None, :])
        b = tl.load(b_ptr + (start + k)[:, None] * N + columns[None, :])
        accumulator = tl.dot(a, b, accumulator)
    tl.store(c_ptr + rows[:, None] * N + columns[None, :], accumulator.to(tl.float16))


@triton.jit
def matmul_tma(a_desc, b_desc, c_desc, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    row = tl.program_id(0) * BM
    column = tl.program_id(1) * BN
    accumulator = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        accumulator = tl.dot(a_desc.load([row, k]), b_desc.load([k, column]), accumulator)
    c_desc.store([row, column], accumulator.to(tl.float16))


@triton.jit
def add(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out_ptr + i, tl.load(x_ptr + i, mask=mask) + tl.load(y_ptr + i, mask=mask), mask=mask)


@triton.jit
def softmax(x_ptr, out_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * columns + i, mask=i < columns, other=-float("inf"))
    e = tl.exp(x - tl.max(x, 0))
    tl.store(out_ptr + row * columns + i, e / tl.sum(e, 0), mask=i < columns)


@triton.jit
def attention(q_ptr, k_ptr, v_ptr, o_ptr, N, scale, BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    d = tl.arange(0, D)
    q = tl.load(q_ptr + rows[:, None] * D + d[None, :])
    m = tl.full((BM,), -float("inf"), tl.float32)
    l = tl.zeros((BM,), tl.float32)
    acc = tl.zeros((BM, D), tl.float32)
    for start in range(0, N, BN):
        n = start + tl.arange(0, BN)
        k = tl.load(k_ptr + n[:, None] * D + d[None, :])
        v = tl.load(v_ptr + n[:, None] * D + d[None, :])
        s = tl.dot(q, tl.trans(k)) * scale
        new = tl.maximum(m, tl.max(s, 1))
        p = tl.exp(s - new[:, None])
        alpha = tl.exp(m - new)
        l = l * alpha + tl.sum(p, 1)
        acc = tl.dot(p.to(tl.float16), v, acc * alpha[:, None])
        m = new
    tl.store(o_ptr + rows[:, None] * D + d[None, :], (acc / l[:, None]).to(tl.float16))


MATMUL = dict(BM=128, BN=128, BK=64)
ATTENTION = dict(BM=128, BN=64, D=64)
HALF = "*fp16"
# file, kernel, capability, types of the arguments, constants, warps
KERNELS = [
    ("matmul_sm80", matmul, 80, dict(a_ptr=HALF, b_ptr=HALF, c_ptr=HALF, K="i32", N="i32"), MATMUL, 8),
    ("matmul_sm90", matmul_tma, 90,
     dict(a_desc="tensordesc<fp16[128, 64]>", b_desc="tensordesc<fp16[64, 128]>", c_desc="tensordesc<fp16[128, 128]>",
          K="i32"), MATMUL, 8),
    ("add", add, 80, dict(x_ptr="*fp32", y_ptr="*fp32", out_ptr="*fp32", n="i32"), dict(BLOCK=1024), 4),
    ("softmax", softmax, 80, dict(x_ptr="*fp32", out_ptr="*fp32", columns="i32"), dict(BLOCK=4096), 8),
    ("attention_sm80", attention, 80, dict(q_ptr=HALF, k_ptr=HALF, v_ptr=HALF, o_ptr=HALF, N="i32", scale="fp32"),
     ATTENTION, 4),
    ("attention_sm90", attention, 90, dict(q_ptr=HALF, k_ptr=HALF, v_ptr=HALF, o_ptr=HALF, N="i32", scale="fp32"),
     ATTENTION, 4),
]


def main():
    for name, kernel, capability, types, constants, warps in KERNELS:
        signature = {**types, **dict.fromkeys(constants, "constexpr")}
        # Pointers and extents are multiples of 16, as Triton's specialisation finds them.
        attributes = {(index,): [["tt.divisibility", 16]] for index, kind in enumerate(types.values())
                      if kind.startswith("*") or kind == "i32"}
        source = ASTSource(kernel, signature, constants, attributes)
        compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=dict(num_warps=warps))
        facts = f"// launch threads={compiled.metadata.num_warps * 32} shared={compiled.metadata.shared}"
        # Places in Python, which differ from machine to machine.
        lines = compiled.asm["ptx"].partition("\t.section\t.debug_abbrev")[0].splitlines()
        text = "\n".join(line for line in lines if not line.lstrip().startswith((".loc", ".file")))
        Path(__file__).with_name(f"{name}.ptx").write_text(f"{facts}\n{text.rstrip()}\n")


if __name__ == "__main__":
    main()
