#!/usr/bin/env python3
"""Repeats recorded launches on a GPU, and compares the memory after each with the emulator's byte for byte.

    python tests/triton_suite/repeat_on_gpu.py RECORD [--fmad] [--follow PROGRAM] [--jobs 16] [--results FILE]

`record.py` says what a record holds. Needs a driver, and Triton's ptxas or one that `--ptxas` names; and numpy; not torch.
ptxas is told not to contract multiplications and additions, as PTX says them; `--fmad` lets it. `--follow` names the built
`crates/compiler/examples/followed_ptx.rs`: where the machine code shows that ptxas contracted, or computed a constant itself,
the launch is emulated again as ptxas read it (WARPBOOK_EXECUTOR names the executor), and the GPU compared with that. Each
range of memory is a buffer of its own, and what points into a range is moved to its buffer. A launch that fails takes the
process of its context with it: the next one gets a new process.
"""

import argparse
import collections
import concurrent.futures
import ctypes
import functools
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy
from executor import Executor, ExecutorError
from record import packed, read
from repeat import emulate, text_of

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

    _fields_ = (
        ("id", ctypes.c_int),
        ("pad", ctypes.c_char * 4),
        ("value", ctypes.c_uint * 16),
    )


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
            self(
                "cuModuleGetFunction",
                ctypes.byref(function),
                module,
                head["entry"].encode(),
            )
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
            driver(
                "cuMemcpyHtoD_v2",
                ctypes.c_uint64(buffer),
                moved.content(content),
                ctypes.c_size_t(length),
            )
    driver.launch(cubin, head, [moved.argument(text) for text in head["arguments"]])
    differences = []
    for index, (_, length, buffer) in enumerate(moved.places):
        found = ctypes.create_string_buffer(max(length, 1))
        if length:
            driver(
                "cuMemcpyDtoH_v2",
                found,
                ctypes.c_uint64(buffer),
                ctypes.c_size_t(length),
            )
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


def find_tool(name):
    """A program that Triton brings."""
    import triton

    return Path(triton.__file__).parent / "backends/nvidia/bin" / name


def build(ptxas, fmad, text, target):
    """Writes a cubin; the reason in words where ptxas refuses."""
    architecture = re.search(r"^\.target\s+(\w+)", text, re.M)[1]
    source = target.with_suffix(".ptx")
    source.write_text(text)
    command = [
        ptxas,
        f"-arch={architecture}",
        "-lineinfo",
        f"--fmad={str(fmad).lower()}",
        source,
        "-o",
        target,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["ptxas failed"])[0]


class Follower:
    """Emulates launches again as ptxas read their PTX."""

    def __init__(self, program, nvdisasm, record, cubins):
        self.program, self.nvdisasm, self.record, self.cubins = (
            program,
            nvdisasm,
            record,
            cubins,
        )
        self.local = threading.local()

    @functools.cache  # noqa: B019 (one follower lives as long as the program)
    def read_by_ptxas(self, module, entry):
        """The PTX as ptxas read it, or None where that is what stands there."""
        cubin = self.cubins / module
        listing = subprocess.run(
            [self.nvdisasm, "-c", "-gp", "-hex", cubin],
            capture_output=True,
            text=True,
            check=True,
        )
        file = self.cubins / f"{module}.sass"
        file.write_text(listing.stdout)
        source = cubin.with_suffix(".ptx")
        command = [self.program, source, entry, file]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return text if text != source.read_text() else None

    def attempt(self, path):
        """The path of the record to compare with: the launch's own, or one that was emulated again; a text where that fails."""
        try:
            return self.follow(path)
        except ExecutorError as error:
            return f"emulated as ptxas read it: {error}"
        except subprocess.CalledProcessError as error:
            return f"{Path(error.cmd[0]).name}: {error.stderr.strip()}"

    def follow(self, path):
        head, before, _ = read(path)
        text = self.read_by_ptxas(head["module"], head["entry"])
        if text is None:
            return path
        if not hasattr(self.local, "executor"):
            self.local.executor = Executor()
        memory = emulate(self.local.executor, text, head, before)
        head["changed"] = [index for index, one in enumerate(memory) if one != before[index]]
        again = self.cubins / path.name
        again.write_bytes(packed(head, before, [memory[index] for index in head["changed"]]))
        return again


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, nargs="?")
    parser.add_argument(
        "--fmad",
        action="store_true",
        help="ptxas may contract multiplications and additions",
    )
    parser.add_argument("--follow", type=Path, help="the built example followed_ptx")
    parser.add_argument("--ptxas", type=Path)
    parser.add_argument("--nvdisasm", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--seconds",
        type=float,
        default=float("inf"),
        help="begin no launch after so long",
    )
    parser.add_argument(
        "--results",
        type=Path,
        help="a line of JSON for each launch that differs or fails",
    )
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        return work(given.work)
    counts, lines = collections.Counter(), []
    with (
        tempfile.TemporaryDirectory() as folder,
        concurrent.futures.ThreadPoolExecutor(given.jobs) as pool,
    ):
        for path, head, answer in compare(given, Path(folder), pool):
            outcome = "failed" if "failure" in answer else "differs" if answer["difference"] else "identical"
            counts[outcome] += 1
            counts["followed"] += answer.get("followed", False)
            if outcome != "identical":
                lines.append(
                    json.dumps(
                        {
                            "launch": path.name,
                            "test": head["test"],
                            "entry": head["entry"],
                            **answer,
                        }
                    )
                )
    if given.results:
        given.results.write_text("\n".join(lines) + "\n" if lines else "")
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    return 1 if counts["failed"] or counts["differs"] or not counts["identical"] else 0


def compare(given, cubins, pool):
    """(path, head, answer) of each launch of a record, as they are compared."""
    begin = time.monotonic()
    ptxas = given.ptxas or find_tool("ptxas")
    modules = [path.name.partition(".")[0] for path in (given.record / "ptx").glob("*.ptx.z")]
    jobs = {name: pool.submit(build, ptxas, given.fmad, text_of(given.record, name), cubins / name) for name in modules}
    refused = {name: job.result() for name, job in jobs.items() if job.result()}
    print(
        f"{len(modules)} modules, {len(refused)} refused by ptxas, {time.monotonic() - begin:.0f} s",
        flush=True,
    )
    nvdisasm = given.follow and (given.nvdisasm or find_tool("nvdisasm"))
    follower = Follower(given.follow, nvdisasm, given.record, cubins) if given.follow else None
    worker = Worker(cubins)
    paths = sorted((given.record / "launches").glob("*.z"))
    taken = [path for path in paths if read(path)[0]["module"] not in refused]
    followed = dict(zip(taken, pool.map(follower.attempt, taken))) if follower else {}
    if follower:
        print(f"machine code read, {time.monotonic() - begin:.0f} s", flush=True)
    for path in paths:
        if time.monotonic() - begin > given.seconds:
            print("the time is used up: the rest was not compared", flush=True)
            break
        head = read(path)[0]
        reason = refused.get(head["module"])
        again = followed.get(path, path)
        if reason:
            answer = {"failure": f"ptxas: {reason}"}
        elif isinstance(again, str):
            answer = {"failure": again}
        else:
            answer = worker.ask(again) | {"followed": again != path}
        yield path, head, answer
    worker.stop()


if __name__ == "__main__":
    sys.exit(main())
