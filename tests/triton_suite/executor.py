"""The emulator in a process of its own: launches go to `launch_executor` (crates/device/examples) through a pipe.

The memory of a launch may have any addresses, as those of a record. An executor that ends, or that gives
no answer in time, is an error of the launch, and the next launch starts a new one.
"""

import hashlib
import json
import os
import selectors
import subprocess
import time
from dataclasses import dataclass, field

# Modules after which the executor is started anew, so that its memory stays small.
MODULES = 400


class ExecutorError(RuntimeError):
    """A launch failed; `code` is the code of the emulator's diagnostic."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


@dataclass
class Range:
    """Bytes of this process that a launch may use: a writable byte view, its address and its name in reports."""

    label: str
    address: int
    view: memoryview


@dataclass
class Launch:
    """What one launch is made of; `arguments` are as wide as the kernel declares its parameters."""

    ptx: str
    entry: str
    capability: int
    grid: list
    block: list
    cluster: list
    shared: int
    cooperative: bool
    arguments: list
    ranges: list = field(default_factory=list)


class Executor:
    """The running executor, which is started at the first request."""

    def __init__(self):
        self.program = os.environ["WARPBOOK_EXECUTOR"]
        self.seconds = float(os.environ.get("WARPBOOK_LAUNCH_SECONDS", "300"))
        self.check = os.environ.get("WARPBOOK_LAUNCH_CHECK") == "1"
        self.process = None
        self.sent = set()

    def launch(self, launch):
        """Runs a launch, writes the ranges that it changed; returns (what it printed, indices of changed ranges)."""
        name = hashlib.sha256(launch.ptx.encode()).hexdigest()
        if len(self.sent) >= MODULES:
            self.stop()
        self._start()
        if name not in self.sent:
            text = launch.ptx.encode()
            self._send({"kind": "module", "name": name, "bytes": len(text)}, [text])
            self.sent.add(name)
        request = {
            "kind": "launch", "module": name, "entry": launch.entry, "capability": launch.capability,
            "grid": launch.grid, "block": launch.block, "cluster": launch.cluster, "shared": launch.shared,
            "cooperative": launch.cooperative, "arguments": [list(value) for value in launch.arguments],
            "check": self.check,
            "buffers": [{"label": one.label, "address": one.address, "bytes": len(one.view)} for one in launch.ranges],
        }  # fmt: skip
        answer, changed = self._ask(request, [one.view for one in launch.ranges], launch.ranges)
        return answer["printed"], changed

    def stop(self):
        """Ends the executor."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
        self.process = None
        self.sent.clear()

    def _start(self):
        if self.process is None:
            self.process = subprocess.Popen(
                [self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, close_fds=True
            )

    def _send(self, request, payload):
        try:
            for part in [json.dumps(request).encode() + b"\n", *payload]:
                part = memoryview(part).cast("B")
                while part:
                    part = part[self.process.stdin.write(part) :]
        except BrokenPipeError:
            self.stop()
            raise ExecutorError("executor-ended", "the executor ended while it took a request") from None

    def _ask(self, request, payload, ranges):
        self._start()
        reader = Reader(self.process.stdout, time.monotonic() + self.seconds)
        try:
            self._send(request, payload)
            answer = json.loads(reader.line())
            changed = answer["changed"]
            for index in changed:
                reader.into(ranges[index].view)
        except (TimeoutError, EOFError) as error:
            self.stop()
            code = "executor-timeout" if isinstance(error, TimeoutError) else "executor-ended"
            raise ExecutorError(code, f"{error} ({self.seconds:g} s)") from None
        except BaseException:
            # What is still to come would be taken for the next answer.
            self.stop()
            raise
        if error := answer.get("error"):
            raise ExecutorError(error["code"], error["text"])
        return answer, changed


class Reader:
    """Reads a pipe until a moment of the monotonic clock."""

    def __init__(self, pipe, end):
        self.pipe, self.end = pipe, end
        self.rest = b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(pipe, selectors.EVENT_READ)

    def _wait(self):
        if not self.selector.select(max(0.0, self.end - time.monotonic())):
            raise TimeoutError("the executor gave no answer in time")

    def line(self):
        """The first line."""
        parts = []
        while True:
            self._wait()
            part = self.pipe.read(1 << 16)
            if not part:
                raise EOFError("the executor ended before it answered")
            head, found, rest = part.partition(b"\n")
            parts.append(head)
            if found:
                self.rest = rest
                return b"".join(parts)

    def into(self, view):
        """Fills a byte view with what follows."""
        taken = min(len(self.rest), len(view))
        view[:taken] = self.rest[:taken]
        self.rest = self.rest[taken:]
        view = view[taken:]
        while view:
            self._wait()
            count = self.pipe.readinto(view)
            if not count:
                raise EOFError("the executor ended in the middle of an answer")
            view = view[count:]
