"""A Warpbook session over the real protocol, through jupyter_client."""

import json
import os
import re

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager


class CellError(Exception):
    """A cell answered with an error; the message is the traceback as the notebook shows it."""


class Session:
    """One kernel process and the cells sent to it."""

    def __init__(self, prefix, environment):
        """Starts the kernel that `warpbook install --prefix` installed."""
        specs = KernelSpecManager(kernel_dirs=[str(prefix / "share/jupyter/kernels")])
        self.manager = KernelManager(kernel_name="warpbook", kernel_spec_manager=specs)
        self.manager.start_kernel(env={**os.environ, **environment})
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, cell, timeout=300):
        """Runs a cell; returns its text outputs, or raises CellError."""
        texts = []

        def collect(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                texts.append(content["text"])
            elif message["msg_type"] in ("display_data", "update_display_data", "execute_result"):
                texts.append(content["data"].get("text/plain", ""))

        reply = self.client.execute_interactive(cell, timeout=timeout, output_hook=collect, allow_stdin=False)
        content = reply["content"]
        if content["status"] != "ok":
            plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(content.get("traceback") or [json.dumps(content)]))
            raise CellError(plain)
        return "\n".join(texts)

    def close(self):
        """Ends the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
