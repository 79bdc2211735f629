"""Results against numpy, and cases through plain Triton."""

import json
import subprocess
import sys
from pathlib import Path

import calls
import numpy

HERE = Path(__file__).parent


def mismatch(case, results, expect):
    """What is wrong with the results, or None. Buffers that the kernel only reads must be what they were."""
    for name, array in case.buffers.items():
        got = results[name].astype(numpy.float64)
        if name in expect:
            wanted = numpy.asarray(expect[name], numpy.float64)
            limit = case.absolute + case.relative * abs(wanted)
        else:
            wanted, limit = array.values.astype(numpy.float64), 0.0
        if got.shape != wanted.shape:
            return f"{name} has shape {got.shape}, expected {wanted.shape}"
        wrong = ~(abs(got - wanted) <= limit)
        if wrong.any():
            first = tuple(int(i) for i in numpy.argwhere(wrong)[0])
            worst = abs(got - wanted).max()
            return (
                f"{name}: {int(wrong.sum())} of {wrong.size} elements differ, worst by {worst:.3g}; first at {first}: "
                f"{got[first]:.9g}, expected {wanted[first]:.9g}"
            )
    return None


def plain_triton(packages, capability, cases):
    """The stages of all cases, by plain Triton in a process of its own."""
    requests = "".join(json.dumps(calls.request_of(case)) + "\n" for case in cases)
    command = [sys.executable, str(HERE / "plain_triton.py"), str(packages), str(capability)]
    done = subprocess.run(command, input=requests, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(cases):
        raise RuntimeError(f"plain Triton answered {len(answers)} of {len(cases)} requests:\n{done.stderr[-2000:]}")
    for answer in answers:
        if "asm" in answer:
            answer["asm"]["cubin"] = bytes.fromhex(answer["asm"]["cubin"])
    return {case.name: answer for case, answer in zip(cases, answers)}
