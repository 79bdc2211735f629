"""The kernels of tests/whole_kernels: cells that make buffers, launch and check, in files of their own.

    python benches/gpu/whole.py [NAME…] [--warpbook PROGRAM] [--device emu:sm_90]

Runs them once, checks included, each in the Triton that it asks for. The campaign (`--parts whole`) compares what they
leave on the GPU with what they leave on the emulator of its architecture, bit for bit: as Triton compiles by default, and
with `enable_fp_fusion=False`, where PTX says every rounding.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / "tests" / "whole_kernels"


class Whole:
    """One file: its title, kinds, the Triton that it needs (or none), and its cells."""

    def __init__(self, path):
        head, *cells = re.split(r"^# %%\n", path.read_text(), flags=re.MULTILINE)
        lines = [line.removeprefix("# ") for line in head.strip().splitlines()]
        facts = dict(line.split(": ", 1) for line in lines[1:])
        self.name, self.title = path.stem, lines[0]
        self.kinds = facts["kinds"].split(", ")
        self.triton = facts.get("triton")
        self.cells = [cell.strip() for cell in cells]

    @property
    def launches(self):
        """The kernels that are launched: (cell number, name)."""
        found = ((number, re.match(r"%%(?:triton|gluon) (\w+)\[", cell)) for number, cell in enumerate(self.cells))
        return [(number, match[1]) for number, match in found if match]

    def cell(self, number, more=""):
        """A cell, with more keywords where it launches."""
        header, newline, body = self.cells[number].partition("\n")
        return f"{header[:-1]}{more}){newline}{body}" if header.startswith("%%") else self.cells[number]


def all_whole():
    """Every file, by name."""
    return [Whole(path) for path in sorted(FOLDER.glob("*.cells"))]


MODES = (("default", ""), ("no fusion", ", enable_fp_fusion=False"))


def compare(session, whole, more, device):
    """What the launches of one file do on the device and on the emulator: a line for each kernel that differs."""
    session.run("%reset")
    for number in range(len(whole.cells)):
        session.run(whole.cell(number, more))
    launches, different = dict(whole.launches), []
    # From the start again: every launch is compared from the buffers that the one before it left on the device.
    for number in range(len(whole.cells)):
        if number not in launches:
            session.run("\n".join(line for line in whole.cells[number].splitlines() if not line.startswith("%check")))
            continue
        answer = session.run(f"%compare {launches[number]} --devices {device},emu")
        if "bit-identical on every device" not in answer:
            rows = [line.strip() for line in answer.splitlines()[2:-1] if "none:" not in line]
            different.append(f"{launches[number]}: " + "; ".join(rows[:4]))
        session.run(f"%launch {launches[number]}")
    return different


def digests(session, scratch):
    """The first 16 digits of SHA-256 of what each buffer holds."""
    found = {}
    for line in session.run("%bufs").splitlines()[1:]:
        name = line.split()[0]
        path = scratch / f"{name}.npy"
        path.unlink(missing_ok=True)
        try:
            session.run(f"%save {name} {path}")
        except Exception:  # numpy has no such type
            continue
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return found


def run(options):
    """The part of the campaign."""
    from notebook import CellError, Notebook

    counts, total, problems, bits = dict.fromkeys(dict(MODES), 0), 0, [], {}
    share, shares = getattr(options, "share", (0, 1))
    with Notebook(options) as session:
        if options.device.startswith("emu"):
            session.run("%target sm_90")
        for whole in all_whole()[share::shares]:
            shown, details = [], []
            for mode, more in MODES:
                try:
                    different = compare(session, whole, more, options.device)
                    bits[f"{whole.name} {mode}"] = digests(session, options.scratch)
                except CellError as error:
                    problems.append(f"{whole.name} ({mode})")
                    different = None
                    details.append(" ".join(line for line in str(error).splitlines() if line.strip())[:400])
                counts[mode] += different == []
                shown.append(f"{mode}: " + ("FAIL" if different is None else "DIFFERENT" if different else "same bits"))
                details += [f"{mode}: {line}" for line in different or []]
            total += 1
            print(f"{whole.name:32} {'; '.join(shown)}   ({', '.join(whole.kinds)})", flush=True)
            print("".join(f"    {line}\n" for line in details), end="", flush=True)
    print(f"\nbit-identical to the GPU: {counts['default']} of {total} as Triton compiles by default, "
          f"{counts['no fusion']} of {total} without contraction")
    if getattr(options, "digests", None):
        options.digests.write_text(json.dumps(bits, indent=0, sort_keys=True))
    return problems


def main():
    sys.path.insert(0, str(FOLDER.parent / "real_kernels"))
    from session import CellError, Session

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--warpbook", default="target/release/warpbook", type=Path)
    parser.add_argument("--device", default="emu:sm_90")
    parser.add_argument("--more", default="", help="more keywords of each launch: ', enable_fp_fusion=False'")
    options = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([options.warpbook, "install", "--prefix", folder], check=True, stdout=subprocess.DEVNULL)
        sessions = {}
        for whole in all_whole():
            if options.names and whole.name not in options.names:
                continue
            triton = None if "WARPBOOK_PYTHON" in os.environ else whole.triton
            if triton not in sessions:
                sessions[triton] = Session(Path(folder), {})
                sessions[triton].run(f"%target sm_90\n%device {options.device}" + (f"\n%triton {triton}" if triton else ""))
            session, start = sessions[triton], time.perf_counter()
            try:
                session.run("%reset")
                for number in range(len(whole.cells)):
                    session.run(whole.cell(number, options.more))
                print(f"{whole.name:32} {time.perf_counter() - start:6.2f} s  {whole.title}", flush=True)
            except CellError as error:
                failed.append(whole.name)
                print(f"{whole.name:32} FAIL\n{error}", flush=True)
        for session in sessions.values():
            session.close()
    print(f"failed: {len(failed)} {' '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
