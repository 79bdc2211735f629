"""The PTX that plain Triton writes for each case, with its launch, for a test that drives the emulator directly.

    python ptx.py export DIR PACKAGES CAPABILITY     writes DIR/jobs.json and the files that it names
    python ptx.py check DIR                          compares what was written to DIR/*.out with numpy

Each case comes as it is, and those with an edit a second time, with one constant of the PTX changed.
An emulator's mistake shows here without a notebook, a compile worker or a session in between.
"""

import ast
import json
import struct
import sys
from pathlib import Path

import edits
import numpy
from case import NUMPY, Array
from cases import all_cases
from checks import mismatch, plain_triton

# Triton's scalar types, as `struct` packs them.
PACK = {
    "i1": "<b",
    "u1": "<b",
    "i8": "<b",
    "i16": "<h",
    "i32": "<i",
    "i64": "<q",
    "u64": "<Q",
    "fp32": "<f",
    "fp64": "<d",
}


def stored(array):
    """The bytes of a buffer as the kernel sees them."""
    if array.dtype == "bf16":
        return (array.values.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()
    return array.values.tobytes()


def loaded(data, array):
    """The values of a buffer's bytes, in the type that the case compares."""
    if array.dtype == "bf16":
        return (
            (numpy.frombuffer(data, numpy.uint16).astype(numpy.uint32) << 16).view(numpy.float32).reshape(array.shape)
        )
    return numpy.frombuffer(data, NUMPY[array.dtype]).reshape(array.shape)


def job(case, answer, directory):
    """One launch: its files written, its description returned."""
    call = ast.parse(f"call({case.call})", mode="eval").body
    given = dict(zip(answer["argnames"], call.args), **{keyword.arg: keyword.value for keyword in call.keywords})
    value = lambda node: eval(compile(ast.Expression(node), case.name, "eval"), {"__builtins__": {}}, case.buffers)
    parameters = []
    for name in answer["parameters"]:
        argument = value(given[name]) if name in given else answer["values"][name]
        if isinstance(argument, Array):
            buffer = next(key for key, candidate in case.buffers.items() if candidate is argument)
            parameters.append({"buffer": buffer})
        else:
            parameters.append({"bytes": list(struct.pack(PACK[answer["types"][name]], argument))})
    names = dict(answer["values"], **case.buffers, cdiv=lambda a, b: -(-a // b))
    grid = list(eval(f"({case.grid},)", {"__builtins__": {}}, names))
    (directory / f"{case.name}.ptx").write_text(answer["asm"]["ptx"])
    for name, array in case.buffers.items():
        (directory / f"{case.name}.{name}.in").write_bytes(stored(array))
    return {
        "name": case.name,
        "case": case.name,
        "entry": answer["name"],
        "grid": grid + [1] * (3 - len(grid)),
        "threads": 32 * answer["num_warps"],
        "shared": answer["shared"],
        "parameters": parameters,
        "buffers": list(case.buffers),
    }


def export(directory, packages, capability):
    directory.mkdir(parents=True, exist_ok=True)
    cases = list(all_cases().values())
    answers = plain_triton(packages, capability, cases)
    failures = {name: answer["error"] for name, answer in answers.items() if "error" in answer}
    for name, error in failures.items():
        print(f"no PTX for sm_{capability}: {name}: {error}")
    jobs = []
    for case in cases:
        answer = answers[case.name]
        if case.name in failures:
            continue
        jobs.append(job(case, answer, directory))
        if case.edit:
            name = f"{case.name}-edited"
            (directory / f"{name}.ptx").write_text(edits.change("ptx", answer["asm"]["ptx"], *case.edit))
            jobs.append({**jobs[-1], "name": name})
    (directory / "jobs.json").write_text(json.dumps(jobs))


def check(directory):
    cases, failed = all_cases(), 0
    jobs = json.loads((directory / "jobs.json").read_text())
    for description in jobs:
        case, name = cases[description["case"]], description["name"]
        expect = case.expect if name == case.name else case.expect_edited
        paths = {buffer: directory / f"{name}.{buffer}.out" for buffer in case.buffers}
        if not all(path.exists() for path in paths.values()):
            problem = "there is no result"
        else:
            results = {buffer: loaded(path.read_bytes(), case.buffers[buffer]) for buffer, path in paths.items()}
            problem = mismatch(case, results, expect)
        failed += problem is not None
        print(f"ok    {name}" if problem is None else f"FAIL  {name}: {problem}")
    print(f"{len(jobs)} launches, failed: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1] == "export":
        export(Path(sys.argv[2]), sys.argv[3], sys.argv[4])
    else:
        sys.exit(check(Path(sys.argv[2])))
