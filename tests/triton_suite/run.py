#!/usr/bin/env python3
"""Runs Triton's own tests on the emulator.

    cargo build --release -p warpbook-python
    python tests/triton_suite/run.py --version 3.6.0 unit/language/test_core.py

makes what it needs in a folder (`--home`): a virtual environment with torch, the Triton release beside it, and a clone of
github.com/triton-lang/triton at the release's tag, for its folder python/test. `--source` names a clone that is there
already. Nothing of Triton's is part of this repository.

`--share 4 --seed 1` runs a seeded quarter. Outcomes go to a file as they come, and a run that is repeated goes on where
it ended. `--record FOLDER` writes each launch (record.py says how). `report.py` makes tables from the outcomes.
"""

import argparse
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TORCH = "torch==2.10.0"
# pytest-forked 1.7.5 fails every test under pytest 9.
OTHERS = ["numpy", "scipy", "pytest<9", "pytest-xdist", "pytest-forked", "setuptools"]
REPOSITORY = "https://github.com/triton-lang/triton"


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    add = parser.add_argument
    add("files", nargs="*", default=["unit/language/test_core.py"], help="test files, below python/test")
    add("--version", required=True, help="the Triton release: 3.4.0 or 3.6.0")
    add("--home", type=Path, default=cache / "warpbook-triton-suite", help="where environments and results are kept")
    add("--source", type=Path, help="a clone of Triton at the release's tag; cloned below --home otherwise")
    add("--python", type=Path, help="an interpreter with torch and pytest-xdist; a virtual environment is made otherwise")
    add("--torch-index", help="a package index with torch for the CPU, which is smaller")
    add("--engine", type=Path, default=target / "release/lib_engine.so", help="the built extension module")
    add("--target", default="sm_90", help="the GPU to emulate")
    add("--share", type=int, default=1, help="run one in SHARE of the items")
    add("--seed", type=int, default=1, help="chooses the items of a share, and the order")
    add("--workers", type=int, default=os.cpu_count(), help="test processes")
    add("--results", type=Path, help="file of outcomes; below --home otherwise")
    add("--record", type=Path, help="write each launch to this folder")
    add("--check", action="store_true", help="a finding of the emulator's checks fails the launch")
    add("--item-seconds", default="600", help="longest time of one item")
    add("--minutes", type=float, help="begin no item after so long")
    add("--select", help="pytest's -k")
    return parser.parse_args()


def command(*parts, **more):
    print("+", *parts, flush=True)
    subprocess.run([str(part) for part in parts], check=True, **more)


def environment(home, torch_index):
    """The interpreter of the virtual environment with torch and without Triton."""
    folder = home / "venv"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        index = ["--index-url", torch_index] if torch_index else []
        command(python, "-m", "pip", "install", "--quiet", TORCH, *index)
        command(python, "-m", "pip", "install", "--quiet", *OTHERS)
        # Each release under test stands beside the environment.
        command(python, "-m", "pip", "uninstall", "--quiet", "--yes", "triton")
        (folder / "ready").touch()
    return python


def triton(home, version, python):
    """The folder that holds a release of Triton."""
    folder = home / f"triton-{version}"
    if not folder.exists():
        partial = home / f"triton-{version}.partial"
        install = ["install", "--quiet", "--no-deps", "--target", partial, f"triton=={version}"]
        command(python, "-m", "pip", *install)
        partial.rename(folder)
    return folder


def source(home, version, given):
    """The folder python/test of the release's source."""
    clone = given or home / f"source-{version}"
    if not clone.exists():
        command("git", "clone", "--quiet", "--depth", "1", "--branch", f"v{version}", REPOSITORY, clone)
    tests = clone / "python" / "test"
    if not (tests / "conftest.py").exists():
        sys.exit(f"{tests} has no conftest.py: --source names a clone of {REPOSITORY}")
    return tests


def package(home, engine):
    """A folder with the package `warpbook` and its extension module, as an installation has them."""
    folder = home / "engine"
    (folder / "warpbook").mkdir(parents=True, exist_ok=True)
    for part in [*(ROOT / "python/warpbook").iterdir(), engine.absolute()]:
        name = "_engine.abi3.so" if part == engine.absolute() else part.name
        link = folder / "warpbook" / name
        link.unlink(missing_ok=True)
        link.symlink_to(part)
    return folder


def main():
    given = options()
    home = given.home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    if not given.engine.exists():
        sys.exit(f"{given.engine} is missing: cargo build --release -p warpbook-python")
    python = given.python or environment(home, given.torch_index)
    release = triton(home, given.version, python)
    tests = source(home, given.version, given.source and given.source.absolute())
    own = {
        "WARPBOOK_SUITE_TARGET": given.target, "TRITON_CACHE_DIR": home / f"cache-{given.version}",
        "PYTHONPATH": os.pathsep.join(map(str, [HERE / "site", HERE, release, package(home, given.engine)])),
        # Several processes run, and the emulator takes all cores itself.
        "OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": home / "bytecode",
    }  # fmt: skip
    if given.record:
        own["WARPBOOK_RECORD"] = given.record.absolute()
    if given.check:
        own["WARPBOOK_LAUNCH_CHECK"] = "1"
    results = (given.results or home / f"results/{given.version}.jsonl").absolute()
    run = [
        python, "-m", "pytest", "-q", "-p", "plugin", "-p", "no:cacheprovider", "--rootdir=.", "-n", given.workers,
        "--share", given.share, "--seed", given.seed, "--results", results, "--tb=short",
        "--item-seconds", given.item_seconds,
    ]  # fmt: skip
    if given.minutes:
        run += ["--until", time.time() + 60 * given.minutes]
    if given.select:
        run += ["-k", given.select]
    ended = subprocess.run(
        [str(part) for part in [*run, *given.files]],
        cwd=tests,
        env=os.environ | {name: str(value) for name, value in own.items()},
    )
    print(f"outcomes: {results}")
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
