#!/usr/bin/env python3
"""Repeats recorded launches on the emulator, and compares the memory after each byte for byte.

    WARPBOOK_EXECUTOR=target/release/examples/launch_executor python tests/triton_suite/repeat.py RECORD [--share N]

`record.py` says what a record holds. Neither torch nor Triton is needed, so a change of the emulator is tried quickly on
thousands of launches.
"""

import argparse
import hashlib
import sys
import zlib
from pathlib import Path

from executor import Executor, ExecutorError, Launch, Range
from record import read


def text_of(folder, module):
    """The PTX of a module of a record."""
    return zlib.decompress((folder / "ptx" / f"{module}.ptx.z").read_bytes()).decode()


def emulate(executor, ptx, head, before):
    """The ranges after the launch of a record; `ptx` takes the place of its module's. Raises ExecutorError."""
    memory = [bytearray(one) for one in before]
    ranges = [
        Range(f"range {index}", address, memoryview(memory[index])) for index, (address, _) in enumerate(head["ranges"])
    ]
    arguments = [bytes.fromhex(value) for value in head["arguments"]]
    geometry = [head[name] for name in ("capability", "grid", "block", "cluster", "shared", "cooperative")]
    executor.launch(Launch(ptx, head["entry"], *geometry, arguments, ranges))
    return memory


def repeat(executor, folder, path):
    """What differs from the record, in words; None where nothing does."""
    head, before, after = read(path)
    try:
        memory = emulate(executor, text_of(folder, head["module"]), head, before)
    except ExecutorError as error:
        return str(error).splitlines()[0]
    for index, found in enumerate(memory):
        expected = after.get(index, before[index])
        if found != expected:
            first = next(place for place, (one, other) in enumerate(zip(found, expected)) if one != other)
            count = sum(one != other for one, other in zip(found, expected))
            return f"range {index}: {count} bytes differ, the first is byte {first}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("--share", type=int, default=1, help="repeat one launch in SHARE")
    given = parser.parse_args()
    executor = Executor()
    same, different = 0, 0
    for path in sorted((given.record / "launches").glob("*.z")):
        if int(hashlib.sha256(path.name.encode()).hexdigest(), 16) % given.share:
            continue
        if problem := repeat(executor, given.record, path):
            different += 1
            print(f"{path.name} {read(path)[0]['test']}: {problem}")
        else:
            same += 1
    executor.stop()
    print(f"{same} launches are identical, {different} differ")
    return int(different > 0 or same == 0)


if __name__ == "__main__":
    sys.exit(main())
