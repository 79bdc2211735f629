"""A bare `triton.compile` of TTGIR files in a warm process, for comparison with Warpbook's edit to result.

    python benches/bare_compile.py CAPABILITY

Reads paths of TTGIR files from standard input, one a line, and answers each with the seconds that it took. Every text
has to be another one: nothing may come from Triton's cache.
"""
import os
import sys
import tempfile
import time

import triton
from triton.backends.compiler import GPUTarget


def main(capability):
    target = GPUTarget("cuda", capability, 32)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRITON_CACHE_DIR"] = folder
        for line in sys.stdin:
            start = time.perf_counter()
            triton.compile(line.strip(), target=target)
            print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
