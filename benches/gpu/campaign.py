"""What Warpbook does on an NVIDIA GPU, in one run: every stage, faults, latency, throughput, two GPUs where there are two.

    cargo build --release
    python benches/gpu/campaign.py [--warpbook PROGRAM] [--parts stages,exact,whole,faults,latency,throughput,modules,devices,dumps] [--rounds N]

Needs a GPU of compute capability 9.0 and an interpreter with Triton, PyTorch, numpy and jupyter_client; Triton compiles
the cells (WARPBOOK_PYTHON is set to this interpreter). Where `--old` names another Triton version, its stages come from
the compile cache, which has to hold them (`--device emu --parts cache --old VERSION` makes them, on any machine). Prints tables; the exit status is 1 if anything is not as it should be.

With `--stand-in emu:sm_80`, an emulator in a process of its own stands in for each GPU: for trying the script out.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent.parent / "tests" / "real_kernels"))

import devices  # noqa: E402
import dumps  # noqa: E402
import exact  # noqa: E402
import faults  # noqa: E402
import latency  # noqa: E402
import modules  # noqa: E402
import stages  # noqa: E402
import throughput  # noqa: E402
import whole  # noqa: E402
from notebook import Notebook  # noqa: E402

PARTS = {"stages": stages.run, "exact": exact.run, "whole": whole.run, "faults": faults.run,
         "latency": latency.run, "throughput": throughput.run, "modules": modules.run, "devices": devices.run, "dumps": dumps.run}
# Needs no GPU, and is asked for by name: `--device emu --parts cache --old 3.4.0`.
MORE = {"cache": stages.fill_cache}


def package(name):
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warpbook", default="target/release/warpbook", type=Path)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--rounds", default=20, type=int, help="how often each fault is made")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--second", default="cuda:1", help="the other GPU, for `devices`")
    parser.add_argument("--stand-in", help="what stands in for a GPU: emu:sm_80")
    parser.add_argument("--packages", type=Path, help="where liger-kernel 0.8.5 and fla-core 0.6.0 are installed, for `exact`")
    parser.add_argument("--old", default="", help="another Triton version, whose compilations are in the cache")
    options = parser.parse_args()
    os.environ.setdefault("WARPBOOK_PYTHON", sys.executable)
    if options.stand_in:
        os.environ["WARPBOOK_GPU_STAND_IN"] = options.stand_in
    options.capability = int(options.stand_in.rpartition("_")[2]) if options.stand_in else 90
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder, "jupyter")
        subprocess.run([options.warpbook, "install", "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
        options.prefix, options.scratch = prefix, Path(folder)
        with Notebook(options) as notebook:
            device = notebook.run("%device").strip()
            if "devices" in options.parts and (options.stand_in or devices.gpus() > 1):
                device += "\n" + notebook.run(f"%device {options.second}").strip()
        version = subprocess.run([options.warpbook, "--version"], check=True, capture_output=True, text=True).stdout
        packages = ", ".join(map(package, ("triton", "torch", "triton-runner")))
        print(f"{datetime.date.today()}  {version.strip()}, Python {platform.python_version()}, {packages}\n{device}")
        for part in options.parts.split(","):
            print(f"\n== {part}", flush=True)
            failures += {**PARTS, **MORE}[part](options)
    print(f"\nfailed: {len(failures)}" + "".join(f"\n  {failure}" for failure in failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
