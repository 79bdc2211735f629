"""The fork server: Triton is imported once, and each compilation runs in a forked child, which may crash.

Frames on standard input and output are a length (4 bytes, little endian) and JSON. A request is
`{"id": n, …}`; `{"cancel": n}` kills its child. The answers to a request are any number of
`{"id": n, "progress": text}` and one of `{"id": n, "result": …}`, `{"id": n, "error": …}` and
`{"id": n, "crashed": signal or status}`; the last ones carry `log`, what was written to descriptor 2.
"""

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


def write_frame(descriptor, value):
    data = json.dumps(value).encode()
    data = struct.pack("<I", len(data)) + data
    while data:
        data = data[os.write(descriptor, data):]


def read_exactly(descriptor, size):
    data = b""
    while len(data) < size:
        part = os.read(descriptor, size - len(data))
        if not part:
            return None
        data += part
    return data


def read_frame(descriptor):
    """The next frame, or None at the end."""
    head = read_exactly(descriptor, 4)
    body = head and read_exactly(descriptor, struct.unpack("<I", head)[0])
    return body and json.loads(body)


def die_with_parent():
    """The parent-death signal: a killed server takes its children along (prctl 1 is PR_SET_PDEATHSIG)."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    except (OSError, AttributeError):
        pass


class _MortalPopen(subprocess.Popen):
    """Whatever a compilation starts (ptxas) dies with it."""

    def __init__(self, *arguments, **options):
        options.setdefault("preexec_fn", die_with_parent)
        super().__init__(*arguments, **options)


def run_child(request, answers, scratch, log):
    """In the child: compiles and writes the answer."""
    die_with_parent()
    os.dup2(log, 2)
    os.dup2(log, 1)
    subprocess.Popen = _MortalPopen
    tempfile.tempdir = scratch
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    import warpbook_pipeline

    def progress(text):
        write_frame(answers, {"id": request["id"], "progress": text})

    try:
        if request.get("task") == "disassemble":
            import warpbook_inspect

            answer = {"result": warpbook_inspect.disassemble(request)}
        else:
            answer = {"result": warpbook_pipeline.run(request, progress)}
    except BaseException as error:  # noqa: BLE001 whatever it is, the other side reports it
        try:
            answer = {"error": warpbook_pipeline.describe(error)}
        except BaseException:  # noqa: BLE001
            answer = {"error": {"kind": "internal", "message": traceback.format_exc()}}
    sys.stdout.flush()
    sys.stderr.flush()
    answer["id"] = request["id"]
    return answer


def read_log(log):
    size = os.fstat(log).st_size
    start = max(0, size - 1_000_000)
    return os.pread(log, size - start, start).decode(errors="replace")


def serve(request, requests, answers):
    """Runs one request in a child; returns whether to go on."""
    scratch = tempfile.mkdtemp(prefix="warpbook-")
    log = os.open(scratch, os.O_TMPFILE | os.O_RDWR) if hasattr(os, "O_TMPFILE") else tempfile.TemporaryFile().fileno()
    output, output_end = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(output)
            answer = run_child(request, answers, scratch, log)
            write_frame(output_end, answer)
            status = 0
        finally:
            os._exit(status)
    os.close(output_end)
    parts, alive = [], True
    while True:
        ready, _, _ = select.select([output] + ([requests] if alive else []), [], [])
        if requests in ready:
            message = read_frame(requests)
            if message is None:
                alive = False
            if message is None or message.get("cancel") == request["id"]:
                os.kill(child, signal.SIGKILL)
        if output in ready:
            part = os.read(output, 1 << 20)
            if not part:
                break
            parts.append(part)
    os.close(output)
    _, status = os.waitpid(child, 0)
    data = b"".join(parts)
    if len(data) >= 4 and len(data) == 4 + struct.unpack("<I", data[:4])[0]:
        answer = json.loads(data[4:])
    else:
        code = os.waitstatus_to_exitcode(status)
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        answer = {"id": request["id"], "crashed": name}
        if request.get("record"):
            import warpbook_passes

            answer["before"] = warpbook_passes.left_behind(scratch)
    answer["log"] = read_log(log)
    os.close(log)
    shutil.rmtree(scratch, ignore_errors=True)
    if alive:
        write_frame(answers, answer)
    return alive


def main():
    requests, answers = os.dup(0), os.dup(1)
    # What a library prints is no answer, and what it reads is no request.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for descriptor in (requests, answers):
        os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        import warpbook_pipeline

        write_frame(answers, {"ready": warpbook_pipeline.prepare()})
    except BaseException as error:  # noqa: BLE001
        write_frame(answers, {"failed": f"{type(error).__name__}: {error}"})
        return
    while (request := read_frame(requests)) is not None:
        if "cancel" in request:
            continue
        if not serve(request, requests, answers):
            return
