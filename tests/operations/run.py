#!/usr/bin/env python3
"""Compiles and runs the operations of `table.py` for versions of Triton, targets and types, and compares with numpy.

    python tests/operations/run.py --warpbook target/release/warpbook --results FOLDER --triton 3.4.0,3.9.0

Run it with the Python of the managed environment of Triton 3.4.0, which has numpy and Jupyter's client. Each version has one
kernel and so one compile worker. An outcome is a line of FOLDER/VERSION.jsonl; a run that is repeated goes on where it ended.
`report.py` makes the table from these files. `--share 40 --seed 1` runs one in forty of the cases.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "real_kernels")]

from numbers_of_types import FP8, TYPES, decode, encode, inputs  # noqa: E402
from operations import BLANK, COUNT, VALID  # noqa: E402
from table import OPERATIONS  # noqa: E402

from session import CellError, Session  # noqa: E402

VERSIONS = ["3.2.0", "3.3.1", "3.4.0", "3.5.1", "3.6.0", "3.7.1", "3.8.0", "3.9.0"]
TARGETS = [75, 80, 86, 89, 90, 100, 103, 120]
# Errors of Triton itself, or of LLVM below it; every other one is Warpbook's.
TRITONS_OWN = {"triton", "python", "mlir", "llvm", "compiler-crash"}


def identifier(text):
    return re.sub(r"\W+", "_", text).strip("_")


def kernel(operation, types):
    """The header and the text of the cell that compiles and launches an operation for some types."""
    name = "op_" + identifier(operation.name)
    parameters, lines = [], ["i = tl.arange(0, 512)", "rows, columns = tl.arange(0, 16)[:, None], tl.arange(0, 32)[None, :]"]
    for ty in types:
        absolute = "tl.abs(a)" if TYPES[ty].is_float else "a"
        # Triton makes no constant of an fp8 type.
        other = "" if ty in FP8 else ", other=0"
        parameters += [f"{each}_{ty}" for each in ["x", "y", *operation.outputs]]
        lines += [line.replace("{t}", ty).replace("{abs}", absolute).replace("{other}", other) for line in operation.lines]
    arguments = ", ".join([*parameters, str(VALID)])
    body = "".join(f"    {line}\n" for line in lines)
    header = f"%%triton {name}[1]({arguments}{operation.options})"
    return f"{header}\n{operation.above}@triton.jit\ndef {name}({', '.join([*parameters, 'n'])}):\n{body}"


class Table:
    """One version's session, with the inputs of the current operation."""

    def __init__(self, session, version, scratch):
        self.session, self.scratch = session, scratch
        self.values = {}
        session.run(f"%triton {version}")

    def load(self, operation, ty):
        """Puts the inputs of a type into the session."""
        made = operation.inputs
        for name in ("x", "y"):
            key = f"{name}_{ty}"
            seed = zlib.crc32(key.encode())
            values = made(ty, seed) if made else inputs(ty, COUNT, seed)
            self.values[key] = values
            path = self.scratch / f"{key}.npy"
            numpy.save(path, encode(values, ty))
            is_bits = ty in FP8 or ty == "bf16"
            self.session.run(f"%load {key} = {path}" + (f" --dtype {ty}" if is_bits else ""))

    def run(self, operation, types):
        """Runs an operation for types; returns None, or the error's code and text."""
        for ty in types:
            self.load(operation, ty)
        made = [f"%buf {name}_{ty} = full({count}, {BLANK}, dtype={to or ty})" for ty in types for name, (to, count) in operation.outputs.items()]
        self.session.run("\n".join(made))
        try:
            self.session.run(kernel(operation, types))
        except CellError as error:
            found = re.search(r"error\[([\w-]+)\]: (.*)", str(error))
            return (found[1], found[2], str(error)) if found else ("unknown", str(error), str(error))
        names = [f"{name}_{ty}" for ty in types for name in operation.outputs]
        path = self.scratch / "outputs.npz"
        self.session.run(f"%save {' '.join(names)} {path}")
        saved = numpy.load(path)
        for ty in types:
            wrong = self.compare(operation, ty, saved)
            if wrong:
                return ("wrong-result", f"{ty}: {wrong}", f"{ty}: {wrong}")
        return None

    def compare(self, operation, ty, saved):
        """What is wrong with the outputs of a type; None if nothing is."""
        if operation.reference is None:
            return None
        expected = operation.reference(ty, self.values[f"x_{ty}"], self.values[f"y_{ty}"])
        for name, (to, _) in operation.outputs.items():
            to = to or ty
            actual, want = decode(saved[f"{name}_{ty}"], to), expected[name]
            if actual.shape != want.values.shape:
                return f"{name} has the shape {actual.shape}, the reference {want.values.shape}"
            differs = ~close(actual, want, TYPES[to])
            if differs.any():
                at = int(differs.argmax())
                return f"{name}[{at}] is {actual[at]}, not {want.values[at]}; {int(differs.sum())} elements differ"
        return None


def close(actual, want, ty):
    """True for each element that is near enough."""
    if not ty.is_float:
        return actual == want.values
    a, b = actual.astype(numpy.float64), want.values.astype(numpy.float64)
    tolerance = want.absolute + want.ulps * 2.0 ** (1 - ty.digits) * numpy.abs(b)
    with numpy.errstate(invalid="ignore"):
        return (a == b) | (numpy.abs(a - b) <= tolerance) | (numpy.isnan(a) & numpy.isnan(b))


def groups(operation):
    """The types that share a kernel, as long as none of them is refused."""
    if not operation.together:
        return [[ty] for ty in operation.types]
    # What only some targets have stands alone.
    apart = [*FP8, "bf16"]
    return [[ty for ty in operation.types if ty not in apart], *([ty] for ty in operation.types if ty in apart)]


def outcomes(table, operation, types):
    """(type, error or None) for each of the types: together, or each alone if that does not succeed."""
    error = table.run(operation, types)
    if error is None or len(types) == 1:
        return [(ty, error) for ty in types]
    return [(ty, table.run(operation, [ty])) for ty in types]


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--warpbook", type=Path, required=True, help="the built kernel")
    add("--results", type=Path, required=True, help="folder of the outcomes")
    add("--scratch", type=Path, help="folder for files that pass between the processes; below --results otherwise")
    add("--triton", default=",".join(VERSIONS), help="versions, with commas")
    add("--targets", default=",".join(map(str, TARGETS)), help="targets, with commas")
    add("--operations", help="only those whose name holds this")
    add("--share", type=int, default=1, help="run one in SHARE of the cases")
    add("--seed", type=int, default=1, help="chooses the cases of a share")
    return parser.parse_args()


def cases(given, version, done):
    """(target, operation, types) of what is still to be run."""
    chance = random.Random(f"{given.seed} {version}")
    for target in map(int, given.targets.split(",")):
        for operation in OPERATIONS:
            if target < operation.least or (given.operations and given.operations not in operation.name):
                continue
            for types in groups(operation):
                # The chance is drawn for each case, so that a repeated run has the same share.
                share = [ty for ty in types if chance.random() * given.share < 1]
                rest = [ty for ty in share if (target, operation.name, ty) not in done]
                if rest:
                    yield target, operation, rest


def read(results):
    """The outcomes in a file."""
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def run_version(given, version, results):
    """Runs what is still to be run of a version, in one session; returns the numbers of cases and of failures."""
    scratch = (given.scratch or given.results / "scratch").absolute() / version
    scratch.mkdir(parents=True, exist_ok=True)
    subprocess.run([given.warpbook, "install", "--prefix", scratch], check=True, stdout=subprocess.DEVNULL)
    done = {(each["target"], each["operation"], each["type"]) for each in read(results)}
    # A cache of its own, whose texts of PTX `benches/forms.py` reads.
    environment = {"XDG_CACHE_HOME": str(scratch / "cache")}
    count = failed = 0
    current = None
    with Session(scratch, environment) as session, results.open("a") as file:
        table = Table(session, version, scratch)
        for target, operation, types in cases(given, version, done):
            if target != current:
                session.run(f"%target sm_{target}")
                print(f"{version} sm_{target}, {time.strftime('%H:%M:%S')}", flush=True)
                current = target
            for ty, error in outcomes(table, operation, types):
                count += 1
                outcome = {"triton": version, "target": target, "operation": operation.name, "type": ty}
                if error:
                    code, reason, text = error
                    outcome |= {"code": code, "reason": reason, "text": text[-4000:]}
                    if code not in TRITONS_OWN:
                        failed += 1
                        print(f"FAILED {version} sm_{target} {operation.name} {ty}: {code}: {reason}", flush=True)
                file.write(json.dumps(outcome) + "\n")
                file.flush()
    return count, failed


def main():
    given = options()
    given.results.mkdir(parents=True, exist_ok=True)
    failed = count = 0
    for version in given.triton.split(","):
        ran, wrong = run_version(given, version, given.results / f"{version}.jsonl")
        count, failed = count + ran, failed + wrong
    print(f"cases: {count}, failed: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
