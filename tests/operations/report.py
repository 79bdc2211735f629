#!/usr/bin/env python3
"""Makes docs/operations.md from the outcomes that `run.py` wrote.

    python tests/operations/report.py FOLDER > docs/operations.md
"""

import collections
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from run import TARGETS, TRITONS_OWN, VERSIONS, groups  # noqa: E402
from table import OPERATIONS  # noqa: E402

HEAD = """# Operations of Triton on the emulator

This page is written by `tests/operations/report.py` from the outcomes of `tests/operations/run.py`, which compiles {operations}
operations in their types with each version of Triton for each target, runs them on the emulator in notebook cells, and compares each
element with numpy. Of `randn`, and of what `device_print` prints, only the run is checked. Arithmetic that is exact
or rounded once (sums, products, casts, comparisons, dots of small integers) has to agree exactly; approximations (`exp`, `sin`, division)
within the units in the last place that `tests/operations/table.py` states.

What Triton itself does not compile is no pass: the second number counts these cases, with Triton's own messages below. A case that the
emulator refuses or computes wrongly would be a failure.

The counts are of 2026-12-01, on 2 cores of an AMD EPYC; about a minute for one version and target where nothing else runs.

```
python tests/operations/run.py --warpbook target/release/warpbook --results FOLDER
python tests/operations/report.py FOLDER > docs/operations.md
```
"""


def general(reason):
    """A message without the parts that differ from case to case."""
    reason = re.sub(r"tensor<[^>]*(?:<[^>]*>[^>]*)*>", "tensor<…>", reason)
    reason = re.sub(r"\[constexpr\[\d+\]\]|<\['\d+'\], \w+>", "[…]", reason)
    return (reason if len(reason) <= 140 else reason[:139] + "…").replace("|", "\\|")


def shortened(names):
    """At most four names."""
    names = list(dict.fromkeys(names))
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def main():
    outcomes = [json.loads(line) for path in sorted(Path(sys.argv[1]).glob("*.jsonl")) for line in path.read_text().splitlines()]
    cells = collections.defaultdict(collections.Counter)
    reasons, failures = collections.defaultdict(list), []
    for each in outcomes:
        kind = "ran" if "code" not in each else "refused" if each["code"] in TRITONS_OWN else "failed"
        cells[each["triton"], each["target"]][kind] += 1
        if kind == "refused":
            reasons[general(each["reason"])].append(each)
        elif kind == "failed":
            failures.append(each)
    print(HEAD.format(operations=len(OPERATIONS)))
    print("Cases that ran with the right result, and cases that Triton does not compile:\n")
    print("| Triton | " + " | ".join(f"sm_{target}" for target in TARGETS) + " |")
    print("| --- |" + " ---: |" * len(TARGETS))
    whole = {target: sum(len(types) for each in OPERATIONS if target >= each.least for types in groups(each)) for target in TARGETS}
    partial = False
    for version in VERSIONS:
        row = []
        for target in TARGETS:
            found = cells[version, target]
            is_whole = sum(found.values()) == whole[target]
            partial |= not is_whole and bool(found)
            text = f"{found['ran']} · {found['refused']}" if found else "not run"
            row.append(text if is_whole or not found else f"{text} (part)")
        print(f"| {version} | " + " | ".join(row) + " |")
    ran, refused = (sum(found[kind] for found in cells.values()) for kind in ("ran", "refused"))
    print(f"\nAll: {ran:,} cases ran with the right result, {refused:,} are refused by Triton, {len(failures)} failed on the emulator.")
    if partial:
        print("*Part*: only some cases of this cell have run yet; *not run*: none has.")
    print("\n## Operations\n\n| operation | types | ran | refused by Triton |\n| --- | --- | ---: | ---: |")
    by_operation = collections.defaultdict(collections.Counter)
    for each in outcomes:
        by_operation[each["operation"]]["ran" if "code" not in each else "refused"] += 1
    for operation in OPERATIONS:
        found = by_operation[operation.name]
        print(f"| {operation.name} | {' '.join(operation.types)} | {found['ran']} | {found['refused']} |")
    print("\n## What Triton does not compile\n\n| Triton's message | cases | operations | Triton | targets |\n| --- | ---: | --- | --- | --- |")
    for reason, found in sorted(reasons.items(), key=lambda pair: -len(pair[1])):
        versions = sorted({each["triton"] for each in found})
        targets = sorted({each["target"] for each in found})
        names = shortened(f"{each['operation']} ({each['type']})" for each in found)
        print(f"| {reason} | {len(found)} | {names} | {', '.join(versions)} | {', '.join(map(str, targets))} |")
    if failures:
        print("\n## Failures\n\n| operation | Triton | target | error |\n| --- | --- | --- | --- |")
        for each in failures:
            print(f"| {each['operation']} ({each['type']}) | {each['triton']} | sm_{each['target']} | {each['code']}: {general(each['reason'])} |")


if __name__ == "__main__":
    main()
