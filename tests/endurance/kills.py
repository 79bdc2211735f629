"""Kills each child of a kernel at random moments and looks whether the session goes on.

    warpbook install --prefix PREFIX
    python kills.py --prefix PREFIX [--kills 50] [--seed 0] [--only worker,fork,host,evaluator]

The children: the compile worker, its fork that compiles, the host of Rust cells, the process that runs their code.
After each kill the next cells have to work, and the buffers have to hold what they held: the cell that was running may
fail, with an error that says so. Prints a line per child with how the interrupted cells ended.
"""

import argparse
import collections
import os
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "real_kernels"))
from session import Session  # noqa: E402

TRITON = """%%triton scale[4](x, out, {factor}.0, BLOCK=256)
@triton.jit
def scale(x_ptr, out_ptr, factor, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    # version {serial}
    tl.store(out_ptr + offsets, tl.load(x_ptr + offsets) * {factor}.0 + factor * {serial}.0)"""
RUST = "let doubled_{serial} = 2 * {serial};\ndoubled_{serial}"
SETUP = "%buf x = randn(1024, seed=1)\n%buf out = empty(1024)\n%buf kept = arange(1024)"


def processes():
    """Parent and command line of every process, by process id."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            found[int(entry.name)] = (int(status.rpartition(")")[2].split()[1]), command)
    return found


def children(of, table):
    return [process for process, (parent, _) in table.items() if parent == of]


def victim(kernel, kind):
    """The process to kill, if it is there now."""
    table = processes()
    for child in children(kernel, table):
        command = table[child][1]
        if kind in ("worker", "fork") and "python" in command.split(" ")[0]:
            return child if kind == "worker" else next(iter(children(child, table)), None)
        if kind in ("host", "evaluator") and "rust-host" in command:
            return child if kind == "host" else next(iter(children(child, table)), None)
    return None


class Campaign:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.session = Session(options.prefix, {})
        self.kernel = self.session.manager.provisioner.process.pid
        self.serial = 0
        self.session.run(SETUP)

    def cell(self, kind):
        self.serial += 1
        return (TRITON if kind in ("worker", "fork") else RUST).format(serial=self.serial, factor=self.serial % 7 + 2)

    def run(self, cell):
        """Sends a cell; the id of its request."""
        return self.session.client.execute(cell, allow_stdin=False)

    def reply(self, request):
        """How the cell ended: `ok` or the name of its error. Outputs are thrown away."""
        while True:
            reply = self.session.client.get_shell_msg(timeout=120)
            if reply["parent_header"]["msg_id"] == request:
                break
        while True:
            message = self.session.client.get_iopub_msg(timeout=120)
            if message["parent_header"].get("msg_id") == request and message["msg_type"] == "status":
                if message["content"]["execution_state"] == "idle":
                    break
        content = reply["content"]
        return "ok" if content["status"] == "ok" else content["ename"]

    def check(self, kind, told=True):
        """The next cells work, and nothing is lost. If nobody was told yet that variables are gone, a cell says so."""
        outcome = self.reply(self.run(self.cell(kind)))
        if not told and kind in ("host", "evaluator") and outcome != "ok":
            outcome = self.reply(self.run(self.cell(kind)))
        if outcome != "ok":
            raise AssertionError(f"the cell after the kill ended with {outcome}")
        if kind in ("worker", "fork"):
            factor = self.serial % 7 + 2
            text = self.session.run(f"%check out == x * {factor} + {factor * self.serial}, rtol=1e-5, atol=1e-4")
        text = self.session.run("%check kept == arange(1024)")
        if "1024" not in text:
            raise AssertionError(f"a buffer is lost: {text}")

    def kill(self, kind, longest):
        request = self.run(self.cell(kind))
        deadline = time.monotonic() + self.random.uniform(0, longest)
        target = None
        while target is None or time.monotonic() < deadline:
            target = victim(self.kernel, kind) or target
            if time.monotonic() > deadline + 1.0:
                break
        if target is not None:
            try:
                os.kill(target, signal.SIGKILL)
            except ProcessLookupError:
                target = None
        outcome = self.reply(request)
        self.check(kind, told=outcome != "ok")
        return outcome if target is not None else "no victim"

    def campaign(self, kind):
        # The usual time of a cell, the first one's start-up left out.
        self.check(kind)
        started = time.monotonic()
        self.check(kind)
        longest = time.monotonic() - started
        outcomes = collections.Counter()
        killed, tries = 0, 0
        while killed < self.options.kills:
            outcome = self.kill(kind, longest)
            outcomes[outcome] += 1
            killed += outcome != "no victim"
            tries += 1
            if tries > 4 * self.options.kills + 10:
                raise AssertionError(f"only {killed} of {tries} tries found a process to kill")
        text = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        print(f"ok    {kind:10} {killed} kills within {longest:.2f} s of the cell's start: {text}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", required=True, type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="worker,fork,host,evaluator")
    options = parser.parse_args()
    campaign = Campaign(options)
    for kind in options.only.split(","):
        campaign.campaign(kind)
    kernel = campaign.kernel
    before = set(children(kernel, processes()))
    os.kill(kernel, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while (left := [child for child in before if child in processes()]) and time.monotonic() < deadline:
        pass
    if left:
        raise AssertionError(f"processes outlive the kernel: {left}")
    print(f"ok    kernel     killed: its {len(before)} children are gone")
    print("failed: 0")


if __name__ == "__main__":
    main()
