#!/usr/bin/env python3
"""Repeats recorded launches on a GPU, and compares the memory after each with the emulator's byte for byte.

    python tests/triton_suite/repeat_on_gpu.py RECORD [--fmad] [--jobs 16] [--results FILE]

`record.py` says what a record holds. Needs a driver, and Triton's ptxas or one that `--ptxas` names; and numpy; neither torch nor
the emulator. ptxas is told not to contract multiplications and additions, as PTX says them; `--fmad` lets it. Each range of
memory is a buffer of its own, and what points into a range is moved to its buffer. A launch that fails takes the process
of its context with it: the next one gets a new process.
"""

import argparse
import collections
import concurrent.futures
import ctypes
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy
from record import read

# Seconds after which a launch has no end.
LAUNCH_SECONDS = 30
TENSOR_MAP_BYTES = 128
# Of the driver API: CUfunction_attribute, CUlaunchAttributeID.
MAX_DYNAMIC_SHARED = 8
COOPERATIVE, CLUSTER = 2, 4
# Dynamic shared memory that a kernel may have without being asked for more.
ORDINARY_SHARED = 48 << 10


class Attribute(ctypes.Structure):
    """CUlaunchAttribute: an id, and a union of 64 bytes."""

    _fields_ = (("id", ctypes.c_int), ("pad", ctypes.c_char * 4), ("value", ctypes.c_uint * 16))


class Config(ctypes.Structure):
    """CUlaunchConfig."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(Attribute)),
        ("count", ctypes.c_uint),
    )


class Driver:
    """The CUDA driver, and a context on its first device."""

    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")
        self("cuInit", 0)
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self("cuDeviceGet", ctypes.byref(device), 0)
        self("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self("cuCtxSetCurrent", context)

    def __call__(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code:
            text = ctypes.c_char_p()
            self.library.cuGetErrorName(code, ctypes.byref(text))
            raise RuntimeError(f"{name}: {(text.value or b'?').decode()}")

    def launch(self, cubin, head, arguments):
        """Loads a module, launches its kernel and waits for its end."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self("cuModuleLoadData", ctypes.byref(module), cubin)
        try:
            self("cuModuleGetFunction", ctypes.byref(function), module, head["entry"].encode())
            if head["shared"] > ORDINARY_SHARED:
                self("cuFuncSetAttribute", function, MAX_DYNAMIC_SHARED, head["shared"])
            attributes = (Attribute * 2)()
            count = 0
            if head["cluster"] != [1, 1, 1]:
                attributes[count].id = CLUSTER
                attributes[count].value[:3] = head["cluster"]
                count += 1
            if head["cooperative"]:
                attributes[count].id = COOPERATIVE
                attributes[count].value[0] = 1
                count += 1
            config = Config(
                (ctypes.c_uint * 3)(*head["grid"]), (ctypes.c_uint * 3)(*head["block"]), head["shared"], None,
                attributes, count,
            )  # fmt: skip
            # The driver copies a tensor map from where it is aligned to 64 bytes.
            values = [ctypes.create_string_buffer(value, len(value) + 64) for value in arguments]
            places = [aligned(value, argument) for value, argument in zip(values, arguments)]
            pointers = (ctypes.c_void_p * max(1, len(places)))(*places)
            self("cuLaunchKernelEx", ctypes.byref(config), function, pointers, None)
            self("cuCtxSynchronize")
        finally:
            self.library.cuModuleUnload(module)


def aligned(buffer, value):
    """Puts a value where its address is a multiple of 64; that address."""
    start = ctypes.addressof(buffer)
    place = (start + 63) & ~63
    ctypes.memmove(place, value, len(value))
    return place


class Moved:
    """Ranges of a record and the buffers that they have become."""

    def __init__(self, driver, ranges):
        self.driver = driver
        self.places = []
        for address, length in ranges:
            buffer = ctypes.c_uint64()
            driver("cuMemAlloc_v2", ctypes.byref(buffer), ctypes.c_size_t(max(length, 1)))
            self.places.append((address, length, buffer.value))

    def pointer(self, value):
        """Where an address is now; the value itself where it is none."""
        for address, length, buffer in self.places:
            if address <= value < address + max(length, 1):
                return value - address + buffer
        return value

    def argument(self, text):
        """A parameter with its address moved: a pointer, or the first 8 bytes of a tensor map."""
        value = bytes.fromhex(text)
        if len(value) in (8, TENSOR_MAP_BYTES):
            return self.pointer(int.from_bytes(value[:8], "little")).to_bytes(8, "little") + value[8:]
        return value

    def content(self, content):
        """Bytes of memory with the addresses in them moved, at multiples of 8: pointers, tensor maps that a kernel made."""
        words = numpy.frombuffer(content[: len(content) & ~7], numpy.uint64).copy()
        for address, length, buffer in self.places:
            inside = (words >= address) & (words < address + max(length, 1))
            words[inside] += numpy.uint64((buffer - address) % (1 << 64))
        return words.tobytes() + content[len(words) * 8 :]

    def free(self):
        for _, _, buffer in self.places:
            self.driver("cuMemFree_v2", ctypes.c_uint64(buffer))


def repeat(driver, cubin, head, before, after):
    """What differs from the record, in words; None where nothing does."""
    moved = Moved(driver, head["ranges"])
    for (_, length, buffer), content in zip(moved.places, before):
        if length:
            driver("cuMemcpyHtoD_v2", ctypes.c_uint64(buffer), moved.content(content), ctypes.c_size_t(length))
    driver.launch(cubin, head, [moved.argument(text) for text in head["arguments"]])
    differences = []
    for index, (_, length, buffer) in enumerate(moved.places):
        found = ctypes.create_string_buffer(max(length, 1))
        if length:
            driver("cuMemcpyDtoH_v2", found, ctypes.c_uint64(buffer), ctypes.c_size_t(length))
        expected = moved.content(after.get(index, before[index]))
        if found.raw[:length] != expected:
            wrong = [place for place, (one, other) in enumerate(zip(found.raw, expected)) if one != other]
            first = wrong[0]
            differences.append(
                f"range {index}: {len(wrong)} of {length} bytes differ; from byte {first} on the GPU has "
                f"{found.raw[first : first + 8].hex()}, the emulator {expected[first : first + 8].hex()}"
            )
    moved.free()
    return "; ".join(differences) or None


def work(cubins):
    """A process with a context: takes the paths of launches, a line each, and answers a line of JSON each."""
    driver = Driver()
    for line in sys.stdin:
        head, before, after = read(line.strip())
        try:
            cubin = Path(cubins, head["module"]).read_bytes()
            answer = {"difference": repeat(driver, cubin, head, before, after)}
        except RuntimeError as error:
            answer = {"failure": str(error)}
        print(json.dumps(answer), flush=True)


class Worker:
    """The process that launches, and a new one after it has failed."""

    def __init__(self, cubins):
        self.command = [sys.executable, __file__, "--work", cubins]
        self.process = None

    def ask(self, path):
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], LAUNCH_SECONDS)[0]:
            self.stop()
            return {"failure": f"no end after {LAUNCH_SECONDS} s"}
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"failure": "the process ended"}
        if "failure" in answer:
            self.stop()
        return answer

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None


def find_ptxas():
    import triton

    return Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"


def build(ptxas, fmad, text, target):
    """A cubin; the reason in words where ptxas refuses."""
    architecture = re.search(r"^\.target\s+(\w+)", text, re.M)[1]
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as source:
        source.write(text)
        source.flush()
        command = [ptxas, f"-arch={architecture}", f"--fmad={str(fmad).lower()}", source.name, "-o", target]
        done = subprocess.run(command, capture_output=True, text=True)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["ptxas failed"])[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, nargs="?")
    parser.add_argument("--fmad", action="store_true", help="ptxas may contract multiplications and additions")
    parser.add_argument("--ptxas", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no launch after so long")
    parser.add_argument("--results", type=Path, help="a line of JSON for each launch that differs or fails")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        return work(given.work)
    begin = time.monotonic()
    ptxas = given.ptxas or find_ptxas()
    counts, lines = collections.Counter(), []
    with tempfile.TemporaryDirectory() as cubins:
        texts = {path.name.partition(".")[0]: path for path in (given.record / "ptx").glob("*.ptx.z")}
        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            jobs = {
                name: pool.submit(build, ptxas, given.fmad, zlib.decompress(path.read_bytes()).decode(), Path(cubins, name))
                for name, path in texts.items()
            }
        refused = {name: job.result() for name, job in jobs.items() if job.result()}
        print(f"{len(texts)} modules, {len(refused)} refused by ptxas, {time.monotonic() - begin:.0f} s", flush=True)
        worker = Worker(cubins)
        for path in sorted((given.record / "launches").glob("*.z")):
            if time.monotonic() - begin > given.seconds:
                counts["not reached"] += 1
                continue
            head = read(path)[0]
            reason = refused.get(head["module"])
            answer = {"failure": f"ptxas: {reason}"} if reason else worker.ask(path)
            outcome = "failed" if "failure" in answer else "differs" if answer["difference"] else "identical"
            counts[outcome] += 1
            if outcome != "identical":
                lines.append(json.dumps({"launch": path.name, "test": head["test"], "entry": head["entry"], **answer}))
        worker.stop()
    if given.results:
        given.results.write_text("\n".join(lines) + "\n" if lines else "")
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    return 1 if counts["failed"] or counts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
