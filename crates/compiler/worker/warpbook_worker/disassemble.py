"""Machine code as text."""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile

from .error_kind import ErrorKind
from .errors import Refused
from .protocol import DisassembleResult, DisassembleTask


def tool(name: str) -> str:
    """The path of a tool of NVIDIA's that comes with Triton."""
    import triton

    path = os.path.join(os.path.dirname(triton.__file__), "backends", "nvidia", "bin", name)
    if not os.path.exists(path):
        raise Refused(ErrorKind.NO_TOOL, f"this Triton comes without {name}")
    return path


def disassemble_task(task: DisassembleTask) -> DisassembleResult:
    """The cubin's code with encodings, each instruction with its line of the PTX."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(base64.b64decode(task["cubin"]))
        file.flush()
        command = [tool("nvdisasm"), "-c", "-gp", "-hex", file.name]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        notes = done.stderr.strip().splitlines()[:4]
        raise Refused(ErrorKind.DISASSEMBLER, "nvdisasm does not take this cubin", notes=notes)
    return {"task": "disassemble", "text": done.stdout}
