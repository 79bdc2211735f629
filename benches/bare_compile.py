"""Time of a bare `triton.compile` of an edited TTGIR, in a warm process, for comparison with Warpbook's edit to result.

    python benches/bare_compile.py matmul.ttgir 80 5

Each repetition changes one constant, so that nothing comes from Triton's cache. Prints one JSON object with the
seconds of each repetition.
"""
import json
import re
import sys
import tempfile
import time
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget


def main(path, capability, repetitions):
    text = Path(path).read_text()
    target = GPUTarget("cuda", capability, 32)
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        triton.knobs.cache.dir = folder
        for repetition in range(repetitions + 1):
            edited = re.sub(r"dense<0\.0+e\+00>", f"dense<{repetition + 1}.0>", text)
            assert edited != text, "the TTGIR has no zero constant to edit"
            file = Path(folder, f"edited{repetition}.ttgir")
            file.write_text(edited)
            start = time.perf_counter()
            triton.compile(str(file), target=target)
            seconds.append(time.perf_counter() - start)
    # The first one pays for loading LLVM's target.
    print(json.dumps({"seconds": seconds[1:]}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
