"""Real kernels through the real protocol: somebody else's Triton code, launched in a notebook, checked by numpy.

    warpbook install --prefix PREFIX
    python run.py --prefix PREFIX --packages DIR --scratch DIR [--mode source,stages,edits] [--only NAME,…]

Three modes, all of them by default:
source  every case by `%%triton … --from package.module:function`, compared with numpy;
stages  the text of each stage, written by plain Triton in a process of its own, fed to a session that never saw the
        kernel, through that stage's magic: the same bits as `source` gave;
edits   one constant of the text changed: the result that numpy has for the changed constant.
Prints a line per case and a summary; the exit status is 1 if anything failed. Nothing is skipped silently.
"""

import argparse
import ast
import base64
import re
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import edits
import numpy
from cases import all_cases
from checks import mismatch, plain_triton

from session import CellError, Session

STAGES = ("ttir", "ttgir", "llir", "ptx", "cubin")


class Notebook:
    """The cells of cases, in one session."""

    def __init__(self, options, name):
        self.session = Session(options.prefix, {"PYTHONPATH": str(options.packages)})
        self.files = options.scratch / name
        self.files.mkdir(parents=True, exist_ok=True)
        self.session.run(f"%target sm_{options.capability}")
        if options.device:
            self.session.run(f"%device {options.device}")

    def load(self, case):
        """Makes the case's buffers anew."""
        lines = []
        for name, array in case.buffers.items():
            path = self.files / f"{name}.npy"
            numpy.save(path, array.values)
            if array.dtype == "bf16":
                lines += [f"%load {name}_f32 = {path}", f"%buf {name} = {name}_f32.to(bf16)"]
            else:
                lines.append(f"%load {name} = {path}")
        self.session.run("\n".join(lines))

    def save(self, case):
        """The contents of all buffers after the launch."""
        lines, paths = [], {}
        for name, array in case.buffers.items():
            paths[name] = self.files / f"{name}.out.npy"
            paths[name].unlink(missing_ok=True)
            if array.dtype == "bf16":
                lines += [f"%buf {name}_f32 = {name}.to(f32)", f"%save {name}_f32 {paths[name]}"]
            else:
                lines.append(f"%save {name} {paths[name]}")
        self.session.run("\n".join(lines))
        return {name: numpy.load(path) for name, path in paths.items()}

    def launch(self, case, cell):
        """Loads, runs the cell, and returns what all buffers hold."""
        self.load(case)
        self.session.run(cell)
        return self.save(case)

    def close(self):
        self.session.close()


def source_cell(case):
    """The cell that takes the kernel from its package."""
    function = case.kernel.partition(":")[2]
    config = f" --config {case.config}" if case.config else ""
    return f"%%triton {function}[{case.grid}]({case.call}) --from {case.kernel}{config}\n"


def stage_call(case, answer):
    """Grid and arguments for the compiled kernel: what the specialisation left, in the order of its parameters."""
    call = ast.parse(f"call({case.call})", mode="eval").body
    given = dict(zip(answer["argnames"], map(ast.unparse, call.args)))
    given.update({keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords})
    arguments = [given.get(name, repr(answer["values"].get(name))) for name in answer["parameters"]]
    names = dict(answer["values"], **case.buffers, cdiv=lambda a, b: -(-a // b))
    grid = eval(f"({case.grid},)", {"__builtins__": {}}, names)
    return ", ".join(map(str, grid)), arguments


def stage_cell(case, answer, stage, content):
    """The cell that enters at a stage."""
    grid, arguments = stage_call(case, answer)
    if stage in ("ttir", "ttgir"):
        # TTIR does not say how many warps; the others do.
        arguments += (
            [f"num_warps={answer['num_warps']}", f"num_stages={answer['num_stages']}"] if stage == "ttir" else []
        )
    body = base64.b64encode(content).decode() if stage == "cubin" else content
    return f"%%{stage} {answer['name']}[{grid}]({', '.join(arguments)})\n{body}"


class Report:
    """Counts, and one line per case as soon as it is known."""

    def __init__(self):
        self.passed, self.failed = {}, []

    def line(self, mode, name, started, problem, note=""):
        seconds = time.monotonic() - started
        if problem is None:
            self.passed[mode] = self.passed.get(mode, 0) + 1
            print(f"ok    {mode:12} {name:26} {seconds:6.2f} s  {note}", flush=True)
        else:
            self.failed.append((mode, name))
            print(
                f"FAIL  {mode:12} {name:26} {seconds:6.2f} s\n      " + problem.strip().replace("\n", "\n      "),
                flush=True,
            )


def attempt(action):
    """The problem that an action returned or met."""
    try:
        return action()
    except (CellError, ValueError, TimeoutError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 one broken case must not hide the others
        return traceback.format_exc()


def looked_into(notebook, case):
    """What `%layout`, `%mma` and `%tma` say of a kernel: every layout, conversion and instruction drawn."""
    name = case.kernel.partition(":")[2]
    listed = notebook.session.run(f"%layout {name}")
    if "not computed" in listed:
        return listed
    values = re.findall(r"^ *([#%][\w#]+)  ", listed, re.MULTILINE)
    for value in values:
        notebook.session.run(f"%layout {name} {value}")
    for magic, nothing in (("%mma", "no tensor-core instruction"), ("%tma", "no tensor descriptor")):
        try:
            notebook.session.run(f"{magic} {name}")
        except CellError as error:
            if nothing not in str(error):
                return str(error)
    return None


def run_source(options, cases, report):
    """Every case from its package; returns what came out, by case."""
    found = {}
    notebook = Notebook(options, "source")
    for case in cases:
        started = time.monotonic()

        def check(case=case):
            found[case.name] = notebook.launch(case, source_cell(case))
            return mismatch(case, found[case.name], case.expect)

        report.line("source", case.name, started, attempt(check), ", ".join(case.kinds))
        started = time.monotonic()
        report.line("views", case.name, started, attempt(lambda case=case: looked_into(notebook, case)))
    notebook.close()
    return found


def run_stage(options, stage, cases, answers, found, report, do_edits):
    """Every case's text of one stage, in a session of that stage's own."""
    notebook = Notebook(options, stage)
    for case in cases:
        answer = answers[case.name]
        started = time.monotonic()

        def check(case=case, answer=answer):
            if "error" in answer:
                return "plain Triton: " + answer["error"]
            if case.name not in found:
                return "there is no result of the source to compare with"
            results = notebook.launch(case, stage_cell(case, answer, stage, answer["asm"][stage]))
            for name, values in results.items():
                if "atomic" in case.kinds and case.absolute:
                    continue
                if values.tobytes() != found[case.name][name].tobytes():
                    return f"{name} is not bit-identical to what the source gave"
            return mismatch(case, results, case.expect)

        report.line(stage, case.name, started, attempt(check))
        if not (case.edit and do_edits):
            continue
        started = time.monotonic()

        def check_edit(case=case, answer=answer):
            if "error" in answer:
                return "plain Triton: " + answer["error"]
            changed = edits.change(stage, answer["asm"][stage], *case.edit)
            return mismatch(case, notebook.launch(case, stage_cell(case, answer, stage, changed)), case.expect_edited)

        old, new = case.edit
        report.line(f"{stage} edited", case.name, started, attempt(check_edit), f"{old} -> {new}")
    notebook.close()


def first_cell(options, stage, cases, answers, report):
    """A session whose very first cell enters at a stage, with nothing but the text: it compiles and shows."""
    case = cases[0]
    started = time.monotonic()

    def check():
        session = Session(options.prefix, {"PYTHONPATH": str(options.packages)})
        try:
            output = session.run(f"%%{stage}\n{answers[case.name]['asm'][stage]}")
            name = answers[case.name]["name"]
            return None if name in output else f"the output does not name {name}:\n{output}"
        finally:
            session.close()

    report.line(f"first {stage}", case.name, started, attempt(check))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", required=True, type=Path, help="where the kernel is installed")
    parser.add_argument("--packages", required=True, type=Path, help="where the packages of the cases are installed")
    parser.add_argument("--scratch", required=True, type=Path, help="for arrays on their way in and out")
    parser.add_argument("--capability", type=int, default=80)
    parser.add_argument("--device", default="", help="where to run them, such as cuda:0; the emulator by default")
    parser.add_argument("--mode", default="source,stages,edits")
    parser.add_argument("--only", default="", help="only these cases, by name")
    options = parser.parse_args()
    options.packages, options.scratch = options.packages.resolve(), options.scratch.resolve()
    started = time.monotonic()
    cases = all_cases()
    if options.only:
        cases = {name: cases[name] for name in options.only.split(",")}
    cases = list(cases.values())
    modes = options.mode.split(",")
    report = Report()
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(plain_triton, options.packages, options.capability, cases) if "stages" in modes else None
        found = run_source(options, cases, report)
        if answers is not None:
            answers = answers.result()
            first_cell(options, "llir", cases, answers, report)
            for stage in STAGES:
                run_stage(options, stage, cases, answers, found, report, "edits" in modes)
    packages = sorted({case.kernel.partition(".")[0] for case in cases})
    kinds = sorted({kind for case in cases for kind in case.kinds})
    print(f"\n{len(cases)} kernels of {', '.join(packages)}: {', '.join(kinds)}")
    print("passed: " + ", ".join(f"{mode} {count}" for mode, count in report.passed.items()))
    print(f"failed: {len(report.failed)}" + "".join(f"\n  {mode} {name}" for mode, name in report.failed))
    print(f"{time.monotonic() - started:.0f} s")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
