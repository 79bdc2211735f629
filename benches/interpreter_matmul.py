"""Time of Triton's own interpreter (TRITON_INTERPRET=1) for the f16 matmul that Warpbook's emulator is compared with.

Prints one JSON object: {"512": seconds, ...}. Needs Triton and numpy only: the interpreter asks of a tensor no more
than the stand-in below has, so PyTorch is not installed for this.

    python benches/interpreter_matmul.py 512 1024
"""
import json
import os
import sys
import time

os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import triton
import triton.language as tl


class HostStorage:
    """The bytes behind a tensor; the interpreter copies them to the host and back."""

    def __init__(self, array):
        self.array = array

    def data_ptr(self):
        return self.array.ctypes.data

    def cpu(self):
        return HostStorage(self.array)

    def copy_(self, other):
        if other.array is not self.array:
            self.array[...] = other.array


class HostTensor:
    """What Triton's interpreter asks of a tensor, on top of a numpy array."""

    def __init__(self, array):
        self.storage = HostStorage(array)

    @property
    def dtype(self):
        return {"float16": "fp16", "float32": "fp32"}[self.storage.array.dtype.name]

    def data_ptr(self):
        return self.storage.data_ptr()

    def untyped_storage(self):
        return self.storage

    def new_empty(self, _size, device=None):
        return HostTensor(self.storage.array)

    def set_(self, storage, _offset, _size, _stride):
        self.storage = storage

    def storage_offset(self):
        return 0

    def size(self):
        return self.storage.array.shape

    def stride(self):
        return tuple(s // self.storage.array.itemsize for s in self.storage.array.strides)


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


def measure(size):
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((size, size), dtype=np.float32).astype(np.float16) for _ in range(2))
    c = np.empty((size, size), np.float16)
    start = time.perf_counter()
    matmul[(size // 128, size // 128)](HostTensor(a), HostTensor(b), HostTensor(c), size, size, BM=128, BN=128, BK=64)
    elapsed = time.perf_counter() - start
    reference = a.astype(np.float32) @ b.astype(np.float32)
    worst = float(np.abs(c.astype(np.float32) - reference).max())
    # f16 has 11 significant bits; the largest element of c is below 2^8.
    assert worst <= 2.0**-2, f"the interpreter's result is off by {worst}"
    return elapsed


if __name__ == "__main__":
    measure(128)
    print(json.dumps({size: measure(int(size)) for size in sys.argv[1:]}))
