"""Two builds of a criterion benchmark, case by case and by turns, so that a change of the machine's speed meets both.

    git worktree add ../before COMMIT
    (cd ../before && cargo bench --bench emulator --no-run)
    cargo bench --bench emulator --no-run
    python benches/compare.py ../before/target/release/deps/emulator-… target/release/deps/emulator-… [--turns 3] [--case TEXT]

Prints the best time of each build and their ratio; the exit status is 1 if a case that both have is slower by more than 3 %.
"""

import argparse
import re
import subprocess
import sys

LIMIT = 1.03
UNITS = {"ns": 1e-6, "µs": 1e-3, "us": 1e-3, "ms": 1.0, "s": 1e3}
TIME = re.compile(r"time:\s+\[([\d.]+) (\S+) ([\d.]+) (\S+)")


def cases(program, text):
    """The cases whose name has this text: to list a case is to run it once."""
    command = [program, "--bench", "--list", *([text] if text else [])]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.removesuffix(": benchmark") for line in listed.splitlines() if line.endswith(": benchmark")]


def milliseconds(program, case):
    """The estimate of one run of a case."""
    command = [program, "--bench", "--exact", case, "--noplot", "--discard-baseline"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = TIME.search(output)
    if found is None:
        sys.exit(f"{program} printed no time for `{case}`:\n{output}")
    return float(found[3]) * UNITS[found[4]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--case", default="", help="only cases whose name has this text")
    options = parser.parse_args()
    known = set(cases(options.before, options.case))
    shared = [case for case in cases(options.after, options.case) if case in known]
    print(f"{'case':52} {'before ms':>10} {'after ms':>10} {'ratio':>7}")
    slower = []
    for case in shared:
        programs = [options.before, options.after]
        times = {program: [] for program in programs}
        for turn in range(options.turns):
            # Each is the first of a turn as often as the other.
            for program in programs if turn % 2 == 0 else reversed(programs):
                times[program].append(milliseconds(program, case))
        before, after = (min(times[program]) for program in programs)
        ratio = after / before
        print(f"{case:52} {before:10.3f} {after:10.3f} {ratio:7.3f}", flush=True)
        if ratio > LIMIT:
            slower.append(case)
    print(f"{len(shared)} cases, {len(slower)} slower by more than 3 %" + "".join(f"\n  {case}" for case in slower))
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
