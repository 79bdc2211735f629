#!/usr/bin/env python3
"""Counts outcomes of `run.py` by test file, and lists each failure with its reason.

    python tests/triton_suite/report.py RESULTS.jsonl [MORE.jsonl] [--failures] [--least 99.5]

An item that Triton's own tests skip (another GPU, a missing package) is no case. `known.txt` gives failures that need
hardware or are no defect of the emulator: a line with a pattern of the item's name, ` = ` and the reason. `--least`
fails where a smaller share (in percent) of the items that need no hardware passes.
"""

import argparse
import collections
import re
import sys
from pathlib import Path

from outcomes import read

KNOWN = Path(__file__).with_name("known.txt")


def known_reasons():
    """(pattern of an item's name, reason) of each line."""
    lines = [line for line in KNOWN.read_text().splitlines() if line and not line.startswith("#")]
    return [(re.compile(pattern), reason) for pattern, reason in (line.split(" = ", 1) for line in lines)]


def outcome(result, known):
    """`passed`, `skipped` (by the suite itself), `known` (fails for a reason in the list) or `failed`."""
    if result["outcome"] != "failed":
        # An expected failure is what the suite says of itself, like a skip.
        return result["outcome"]
    return "known" if reason(result, known) else "failed"


def reason(result, known):
    return next((reason for pattern, reason in known if pattern.search(result["item"])), None)


def last_error(result):
    lines = [line[1:].strip() for line in result["reason"].splitlines() if line.startswith("E ")]
    return " / ".join(lines[:3]) or result["reason"][-300:]


def name(result):
    """The test's file below python/test, and the item in it."""
    file, _, item = result["item"].partition("::")
    return file.rpartition("python/test/")[2], item


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--failures", action="store_true", help="list the items that fail, with the error's first lines")
    parser.add_argument("--least", type=float, help="percent of the cases that have to pass")
    given = parser.parse_args()
    known = known_reasons()
    by_file = collections.defaultdict(collections.Counter)
    failures, reasons = [], collections.Counter()
    # The last outcome of an item counts: a failed teardown follows the call, a repeated item its first try.
    last = {result["item"]: result for path in given.results for result in read(path)}
    for result in last.values():
        found = outcome(result, known)
        by_file[name(result)[0]][found] += 1
        if found == "failed":
            failures.append(result)
        elif found == "known":
            reasons[reason(result, known)] += 1
    total = collections.Counter()
    print("| file | run | skipped by the suite | pass | need hardware or are no defect | fail |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for file, counts in [*sorted(by_file.items()), ("all", total)]:
        if counts is not total:
            total += counts
        row = [counts.total(), counts["skipped"], counts["passed"], counts["known"], counts["failed"]]
        print(f"| {file} | " + " | ".join(f"{count:,}" for count in row) + " |")
    print()
    for text, count in reasons.most_common():
        print(f"- {count}: {text}")
    for result in failures if given.failures else []:
        print(f"- {'::'.join(name(result))}: {last_error(result)}")
    cases = total["passed"] + total["failed"]
    share = 100 * total["passed"] / cases if cases else 0.0
    print(f"{total['passed']} of {cases} cases pass: {share:.2f} %")
    return int(given.least is not None and share < given.least)


if __name__ == "__main__":
    sys.exit(main())
