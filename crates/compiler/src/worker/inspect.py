"""What is looked at besides compiling: machine code as text."""

import base64
import os
import subprocess
import tempfile

from warpbook_pipeline import Refused


def tool(name):
    """A tool of NVIDIA's that comes with Triton."""
    import triton

    path = os.path.join(os.path.dirname(triton.__file__), "backends", "nvidia", "bin", name)
    if not os.path.exists(path):
        raise Refused("no-tool", f"this Triton comes without {name}")
    return path


def disassemble(request):
    """The cubin's code with encodings, each instruction with its line of the PTX."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(base64.b64decode(request["cubin"]))
        file.flush()
        command = [tool("nvdisasm"), "-c", "-gp", "-hex", file.name]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise Refused("disassembler", "nvdisasm does not take this cubin", notes=done.stderr.strip().splitlines()[:4])
    return {"text": done.stdout, "files": []}
