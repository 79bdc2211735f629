"""Records what an H100 gives for every arithmetic form: crates/emulator/tests/hardware/arithmetic.h100.zlib.

    python benches/gpu/vectors.py FOLDER            on a machine with the GPU
    python benches/gpu/vectors.py --dry FOLDER      without one: every result is 0, to see what the emulator refuses

Each form is a kernel of one instruction (tensor cores: of one tile), written by forms.py; forms that ptxas does not know
are named and left out. Inputs are made of the case's number by inputs.py and, for the test, by its inputs.rs alike: special
values, random bits, moderate values, denormals and the ends of the range, and values that nearly cancel the first operand.

The file, compressed: the length of the header; the header, a line of JSON for each form (its kernel, what its inputs are,
how many cases); then for each form a hash of every CHUNK bytes of the results, and the first results themselves.
"""

import argparse
import json
import lzma
import struct
import subprocess
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
from forms import forms
from inputs import operand

CHUNK = 8192
# Bytes of results that are kept as they are, for each form; the tensor cores' forms say their own number.
SHOWN = 512


def hashes(results):
    """64 bits for each chunk: FNV-1a over its words of 8 bytes."""
    state = numpy.full(results.size // CHUNK, 0xCBF29CE484222325, numpy.uint64)
    with numpy.errstate(over="ignore"):
        for column in results.view(numpy.uint64).reshape(-1, CHUNK // 8).T:
            state = (state ^ column) * numpy.uint64(0x100000001B3)
    return state


def assemble(job):
    """The cubin of a form, or why there is none."""
    ptxas, folder, number, form = job
    path, cubin = Path(folder, f"{number}.ptx"), Path(folder, f"{number}.cubin")
    path.write_text(form["ptx"])
    run = subprocess.run([ptxas, "-arch=sm_90a", path, "-o", cubin], capture_output=True, text=True)
    return cubin if run.returncode == 0 else (run.stderr + run.stdout).splitlines()[0].split(";")[-1].strip()


def gpu_results(form, cubin, inputs):
    import cupy

    cases = form["cases"]
    arguments = []
    for index, source in enumerate(form["inputs"]):
        key = (index, *source.items(), cases)
        if key not in inputs:
            inputs[key] = cupy.asarray(operand(index, source, cases))
        arguments.append(inputs[key])
    results = cupy.zeros(cases * form["size"], numpy.uint8)
    kernel = cupy.RawModule(path=str(cubin)).get_function("k")
    kernel((cases // form["per_block"],), (form["threads"],), (results, *arguments, *[results] * (3 - len(arguments))))
    return cupy.asnumpy(results)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--ptxas", default=None)
    parser.add_argument("--only", default="")
    parser.add_argument("--more", type=int, default=0, help="bytes of results of each form for a second file")
    options = parser.parse_args()
    if options.ptxas is None:
        import triton

        options.ptxas = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
    wanted = [form for form in forms() if options.only in form["name"]]
    kept, body, more, inputs = [], [], [], {}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(16) as pool:
        jobs = [(options.ptxas, folder, number, form) for number, form in enumerate(wanted)]
        for form, cubin in zip(wanted, pool.map(assemble, jobs)):
            if isinstance(cubin, str):
                print(f"not known to ptxas: {form['name']}: {cubin}", flush=True)
                continue
            size = form["cases"] * form["size"]
            results = numpy.zeros(size, numpy.uint8) if options.dry else gpu_results(form, cubin, inputs)
            form.setdefault("shown", SHOWN)
            kept.append(form)
            body += [hashes(results).tobytes(), results[: form["shown"]].tobytes()]
            more.append(results[: max(options.more, 4 * form["shown"])].tobytes())
    header = "".join(json.dumps(form) + "\n" for form in kept).encode()
    head = struct.pack("<I", len(header)) + header
    packed = zlib.compress(head + b"".join(body), 9)
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "arithmetic.h100.zlib").write_bytes(packed)
    if options.more:
        (options.folder / "arithmetic.more.xz").write_bytes(lzma.compress(head + b"".join(more), preset=2))
    print(f"{len(kept)} forms, {sum(form['cases'] for form in kept)} cases, {len(packed)} bytes")


if __name__ == "__main__":
    main()
