"""The process: its start, requests in forks, crashes and cancellation."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks import compile_task
from warpbook_worker.protocol import read_frame, write_frame

ROOT = Path(__file__).parent.parent
# Puts the stand-in for Triton where the worker imports it, then starts the worker as the kernel does.
START = f"""
import os, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import conftest
sys.modules.update(conftest.fake_modules())
conftest.make_ttir_names.update(vars(sys.modules["triton._C.libtriton"]))
exec(compile(open({str(ROOT / "bootstrap.py")!r}).read(), "bootstrap", "exec"))
"""


class Server:
    """A worker, and the two ends of its pipes."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.requests, self.answers = (self.process.stdin.fileno(), self.process.stdout.fileno())
        package = ROOT / "warpbook_worker"
        sources = {f"warpbook_worker.{file.stem}": file.read_text() for file in package.glob("*.py")}
        sources["warpbook_worker"] = sources.pop("warpbook_worker.__init__")
        write_frame(self.requests, sources)

    def run(self, task: Any) -> dict[str, Any]:
        """The end of a request."""
        write_frame(self.requests, task)
        while "progress" in (answer := read_frame(self.answers)):
            assert answer["progress"]["id"] == task["id"]
        done: dict[str, Any] = answer["done"]
        assert done["id"] == task["id"]
        return done


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def test_a_worker_says_its_version_and_serves(server: Server) -> None:
    ready = read_frame(server.answers)["ready"]
    assert ready["version"] == "3.4.0"
    done = server.run(compile_task("ttir", "ptx", "module"))
    assert [each["stage"] for each in done["outcome"]["result"]["stages"]] == ["ttgir", "llir", "ptx"]
    cell = "print('from the cell')\nimport sys\nprint('and its errors', file=sys.stderr)\n"
    done = server.run(compile_task("triton", "triton", cell, id=2))
    assert (done["log"].split("\n")[0], done["outcome"]["result"]["stages"]) == ("from the cell", [])


def test_a_mistake_is_an_error_and_a_crash_is_a_crash(server: Server) -> None:
    read_frame(server.answers)
    done = server.run(compile_task("ttir", "ptx", "module", options={"nosuch": 1}))
    assert done["outcome"]["error"]["kind"] == "unknown-option"
    crash = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    done = server.run(compile_task("triton", "triton", crash, id=2))
    assert done["outcome"] == {"crashed": {"status": "SIGSEGV", "before": None}}
    done = server.run(compile_task("triton", "triton", "import os\nos._exit(3)\n", id=3))
    assert done["outcome"]["crashed"]["status"] == "exit status 3"
    done = server.run({"id": 4, "task": "disassemble", "cubin": ""})
    assert done["outcome"]["error"]["kind"] == "no-tool"


def test_a_request_is_cancelled_by_its_number(server: Server) -> None:
    read_frame(server.answers)
    write_frame(server.requests, compile_task("triton", "triton", "import time\ntime.sleep(60)\n", id=5))
    write_frame(server.requests, {"cancel": 4})
    write_frame(server.requests, {"cancel": 5})
    assert read_frame(server.answers)["done"]["outcome"]["crashed"]["status"] == "SIGKILL"
    assert "result" in server.run(compile_task("ttir", "ttgir", "module", id=6))["outcome"]


def test_a_worker_ends_with_the_kernel(server: Server) -> None:
    read_frame(server.answers)
    assert server.process.stdin is not None
    server.process.stdin.close()
    assert server.process.wait(10) == 0


def test_a_worker_without_triton_says_so() -> None:
    reader, writer = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-S", "-u", "-c", (ROOT / "bootstrap.py").read_text()], stdin=subprocess.PIPE, stdout=writer
    )
    os.close(writer)
    assert child.stdin is not None
    package = ROOT / "warpbook_worker"
    sources = {f"warpbook_worker.{file.stem}": file.read_text() for file in package.glob("*.py")}
    sources["warpbook_worker"] = sources.pop("warpbook_worker.__init__")
    data = json.dumps(sources).encode()
    child.stdin.write(struct.pack("<I", len(data)) + data)
    child.stdin.flush()
    assert "No module named 'triton'" in read_frame(reader)["failed"]["reason"]
    assert child.wait(10) == 0
