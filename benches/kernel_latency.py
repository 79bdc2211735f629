"""Start to ready, and the round trip of an empty cell, of Warpbook's kernel beside ipykernel's in the same run.

Needs jupyter_client and ipykernel:  python benches/kernel_latency.py [path of warpbook]

Both kernels get the same client over TCP. Ready: from before the process is made to the kernel_info reply on shell.
Round trip: from sending an empty execute_request to having both its reply and its `idle`. Starts and cells of the two
kernels take turns, so that the machine's moods hit both.
"""

import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import zmq
from jupyter_client.session import Session

STARTS = 15
CELLS = 300
PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


class Kernel:
    """A kernel's process and a client of it."""

    def __init__(self, command):
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
        ports = [listener.getsockname()[1] for listener in listeners]
        for listener in listeners:
            listener.close()
        key = secrets.token_hex(16)
        info = {"transport": "tcp", "ip": "127.0.0.1", "key": key, "signature_scheme": "hmac-sha256"}
        info |= dict(zip(PORTS, ports))
        self.directory = tempfile.TemporaryDirectory()
        path = os.path.join(self.directory.name, "connection.json")
        with open(path, "w") as file:
            json.dump(info, file)
        self.session = Session(key=key.encode())
        context = zmq.Context.instance()
        self.iopub = context.socket(zmq.SUB)
        self.iopub.setsockopt(zmq.SUBSCRIBE, b"")
        self.shell = context.socket(zmq.DEALER)
        for kind in (self.shell, self.iopub):
            kind.setsockopt(zmq.LINGER, 0)
            kind.setsockopt(zmq.RECONNECT_IVL, 1)
        start = time.perf_counter()
        self.process = subprocess.Popen([*command, path], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.shell.connect(f"tcp://127.0.0.1:{ports[0]}")
        self.iopub.connect(f"tcp://127.0.0.1:{ports[1]}")
        self.session.send(self.shell, "kernel_info_request", {})
        self.receive(self.shell, "kernel_info_reply")
        self.ready = time.perf_counter() - start

    def receive(self, channel, msg_type):
        while True:
            if not channel.poll(60_000):
                sys.exit(f"no {msg_type} within a minute")
            message = self.session.recv(channel)[1]
            if message and message["msg_type"] == msg_type:
                return message

    def empty_cell(self):
        content = {"code": "", "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        start = time.perf_counter()
        request = self.session.send(self.shell, "execute_request", content)["header"]["msg_id"]
        self.receive(self.shell, "execute_reply")
        while True:
            message = self.receive(self.iopub, "status")
            if message["parent_header"].get("msg_id") == request and message["content"]["execution_state"] == "idle":
                return time.perf_counter() - start

    def close(self):
        self.process.kill()
        self.process.wait()
        self.shell.close()
        self.iopub.close()
        self.directory.cleanup()


def measure(commands):
    """(Seconds from start to ready, seconds of empty cells) by name of kernel."""
    ready = {name: [] for name in commands}
    for _ in range(STARTS):
        for name, command in commands.items():
            kernel = Kernel(command)
            ready[name].append(kernel.ready)
            kernel.close()
    kernels = {name: Kernel(command) for name, command in commands.items()}
    cells = {name: [] for name in commands}
    for _ in range(CELLS):
        for name, kernel in kernels.items():
            cells[name].append(kernel.empty_cell())
    for kernel in kernels.values():
        kernel.close()
    return ready, cells


def main():
    warpbook = sys.argv[1] if len(sys.argv) > 1 else "target/release/warpbook"
    commands = {
        "warpbook": [warpbook, "kernel", "--connection-file"],
        "ipykernel": [sys.executable, "-m", "ipykernel_launcher", "-f"],
    }
    ready, cells = measure(commands)
    for what, samples in ((f"start to ready ({STARTS} starts)", ready), (f"empty cell ({CELLS} cells)", cells)):
        print(what)
        for name, times in samples.items():
            tenths = statistics.quantiles(times, n=20)
            print(f"  {name:9} {1e3 * statistics.median(times):8.2f} ms median"
                  f"  (5-95 %: {1e3 * tenths[0]:.2f}-{1e3 * tenths[-1]:.2f})")
        ratio = statistics.median(samples["ipykernel"]) / statistics.median(samples["warpbook"])
        print(f"  warpbook is {ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
