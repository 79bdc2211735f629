"""The fork server: Triton is imported once, and each request runs in a forked child, which may crash.

What a child writes to the descriptors 1 and 2 is the request's log. The frames are those of `protocol`.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import traceback
from typing import Any

from . import disassemble, passes, pipeline, startup
from .error_kind import ErrorKind
from .errors import describe, error_report
from .protocol import Crash, ErrorReport, Result, Task, read_frame, write_frame

# Bytes of a log that are sent, counted from its end.
LOG_LIMIT = 1_000_000


def die_with_parent() -> None:
    """The parent-death signal: a killed server takes its children along (prctl 1 is PR_SET_PDEATHSIG)."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    except (OSError, AttributeError):
        pass


class MortalPopen(subprocess.Popen[Any]):
    """Whatever a compilation starts (ptxas) dies with it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("preexec_fn", die_with_parent)
        super().__init__(*arguments, **options)


def run_task(task: Task, answers: int) -> Result:
    """Runs a task; its progress goes to the kernel at once."""

    def progress(text: str) -> None:
        write_frame(answers, {"progress": {"id": task["id"], "text": text}})

    if task["task"] == "disassemble":
        return disassemble.disassemble_task(task)
    return pipeline.compile_task(task, progress)


def run_child(task: Task, answers: int, scratch: str, log: int) -> dict[str, Result | ErrorReport]:
    """In the child: the outcome of a task. `log` becomes what libraries print to, `scratch` where they write files."""
    die_with_parent()
    os.dup2(log, 2)
    os.dup2(log, 1)
    subprocess.Popen = MortalPopen  # type: ignore[misc]
    tempfile.tempdir = scratch
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    outcome: dict[str, Result | ErrorReport]
    try:
        outcome = {"result": run_task(task, answers)}
    except BaseException as error:  # whatever it is, the other side reports it
        try:
            outcome = {"error": describe(error)}
        except BaseException:
            outcome = {"error": error_report(ErrorKind.INTERNAL, traceback.format_exc())}
    sys.stdout.flush()
    sys.stderr.flush()
    return outcome


def read_log(log: int) -> str:
    """The end of a log."""
    size = os.fstat(log).st_size
    start = max(0, size - LOG_LIMIT)
    return os.pread(log, size - start, start).decode(errors="replace")


def open_log(scratch: str) -> int:
    """A file without a name."""
    if hasattr(os, "O_TMPFILE"):
        return os.open(scratch, os.O_TMPFILE | os.O_RDWR)
    descriptor, path = tempfile.mkstemp(dir=scratch)
    os.unlink(path)
    return descriptor


def serve(task: Task, requests: int, answers: int) -> bool:
    """Runs one request in a child; returns False if the kernel is gone."""
    scratch = tempfile.mkdtemp(prefix="warpbook-")
    log = open_log(scratch)
    output, output_end = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(output)
            write_frame(output_end, run_child(task, answers, scratch, log))
            status = 0
        finally:
            os._exit(status)
    os.close(output_end)
    data, is_kernel_there = collect(output, requests, child, task["id"])
    os.close(output)
    _, status = os.waitpid(child, 0)
    outcome: dict[str, Any]
    if len(data) >= 4 and len(data) == 4 + struct.unpack("<I", data[:4])[0]:
        outcome = json.loads(data[4:])
    else:
        outcome = {"crashed": crash(task, status, scratch)}
    text = read_log(log)
    os.close(log)
    shutil.rmtree(scratch, ignore_errors=True)
    if is_kernel_there:
        write_frame(answers, {"done": {"id": task["id"], "log": text, "outcome": outcome}})
    return is_kernel_there


def collect(output: int, requests: int, child: int, request: int) -> tuple[bytes, bool]:
    """What the child writes until its end, and True unless the kernel went away; kills the child if it is cancelled."""
    parts: list[bytes] = []
    is_kernel_there = True
    while True:
        ready, _, _ = select.select([output, *([requests] if is_kernel_there else [])], [], [])
        if requests in ready:
            message = read_frame(requests)
            is_kernel_there = message is not None
            if message is None or message.get("cancel") == request:
                os.kill(child, signal.SIGKILL)
        if output in ready:
            part = os.read(output, 1 << 20)
            if not part:
                return b"".join(parts), is_kernel_there
            parts.append(part)


def crash(task: Task, status: int, scratch: str) -> Crash:
    """How a child ended that left no answer."""
    code = os.waitstatus_to_exitcode(status)
    is_recorded = task["task"] == "compile" and task["record"]
    return {
        "status": signal.Signals(-code).name if code < 0 else f"exit status {code}",
        "before": passes.left_behind(scratch) if is_recorded else None,
    }


def main() -> None:
    """Serves requests until the kernel closes standard input."""
    requests, answers = os.dup(0), os.dup(1)
    # What a library prints is no answer, and what it reads is no request.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for descriptor in (requests, answers):
        os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        version, files = startup.prepare()
    except BaseException as error:  # whatever it is, the other side reports it
        write_frame(answers, {"failed": {"reason": f"{type(error).__name__}: {error}"}})
        return
    write_frame(answers, {"ready": {"version": version, "files": files}})
    while (request := read_frame(requests)) is not None:
        if "cancel" not in request and not serve(request, requests, answers):
            return
