"""A session on the GPU, with the facts of its results."""

import os
import signal
import time
from pathlib import Path

import numpy

from session import CellError, Session

__all__ = ["CellError", "Notebook"]


class Notebook(Session):
    """Cells on the GPU."""

    def __init__(self, options):
        super().__init__(options.prefix, {})
        self.scratch = options.scratch
        self.run(f"%device {options.device}")

    def facts(self, cell):
        """(facts of the cell's result, text to change next, seconds from the request to idle)."""
        found, texts = [], []

        def collect(message):
            if message["msg_type"] == "execute_result":
                data = message["content"]["data"]
                found.append(data.get("application/vnd.warpbook+json"))
                texts.append(data.get("text/plain", ""))

        start = time.perf_counter()
        reply = self.client.execute_interactive(cell, timeout=300, output_hook=collect, allow_stdin=False)
        elapsed = time.perf_counter() - start
        content = reply["content"]
        if content["status"] != "ok":
            raise CellError("\n".join(content["traceback"]))
        following = [p["text"] for p in content.get("payload", []) if p["source"] == "set_next_input"]
        return (found[-1] if found else None), (following[-1] if following else None), elapsed

    def hosts(self):
        """Device -> process id of the device hosts that this kernel started."""
        kernel, found = self.manager.provisioner.pid, {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if parent == kernel and b"device-host" in words:
                # What stands in for a GPU comes before its name.
                found[words[words.index(b"device-host") + 2].decode()] = int(folder.name)
        return found

    def kill_host(self, device):
        """Kills the process that owns a device, and waits until it is dead."""
        process = self.hosts()[device]
        os.kill(process, signal.SIGKILL)
        while device in (now := self.hosts()) and now[device] == process:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "Z":
                return
            time.sleep(0.01)

    def bytes_of(self, name, dtype):
        """A buffer's contents; types that numpy lacks come as f32, which holds each of their values."""
        path = self.scratch / f"{name}.npy"
        path.unlink(missing_ok=True)
        if dtype in ("bf16", "e4m3"):
            self.run(f"%buf wide = {name}.to(f32)\n%save wide {path}\n%free wide")
        else:
            self.run(f"%save {name} {path}")
        return numpy.load(path).tobytes()
