"""How much of each stage leads to the stage above it, as `%stages` says, on real kernels, and what the rest is.

    cargo build --example cells
    python benches/line_links.py target/debug/examples/cells PACKAGES

PACKAGES is a directory with liger-kernel and fla-core in it (`pip install --no-deps --target PACKAGES liger-kernel
fla-core`); without it only the kernels of tests/real_kernels/views.py are measured. Needs numpy and jupyter_client.
"""

import collections
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "real_kernels"))

import views  # noqa: E402
from cases import all_cases  # noqa: E402

LINKS = ("SASS → PTX", "PTX → TTGIR", "LLIR → TTGIR", "TTIR → TTGIR", "TTGIR → Python")
LINE = re.compile(r"linked: (.*?) [\d.]+ % \((\d+) of (\d+) operations\)(?:, (\d+) more by what uses them)?(?:; the rest: (.*))?")


def main():
    binary, packages = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    kernels = [*views.own(), views.blackwell()]
    if packages:
        kernels += views.of_packages(list(all_cases())[::4])
    environment = dict(os.environ, PYTHONPATH=packages or "")
    print("Operations whose own place leads on, in per cent, + those that go with what uses their result.\n")
    print("| kernel |", " | ".join(LINKS), "|\n|", "---|" * (len(LINKS) + 1))
    totals, rests = {link: [0, 0, 0] for link in LINKS}, {link: collections.Counter() for link in LINKS}
    least = dict.fromkeys(LINKS, (101.0, 101.0))
    for kernel in kernels:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            cells = [cell.replace(f" --target {kernel.target}", f" --target {kernel.target} --compile") for cell in kernel.cells]
            file.write("%target sm_80\n----\n" + "\n----\n".join([*cells, f"%stages {kernel.function}"]))
            file.flush()
            said = subprocess.run([binary, file.name], capture_output=True, text=True, env=environment, timeout=600).stdout
        found = {}
        for link, linked, count, by_use, rest in LINE.findall(said):
            linked, count, by_use = int(linked), int(count), int(by_use or 0)
            totals[link] = [a + b for a, b in zip(totals[link], (linked, by_use, count))]
            found[link] = f"{linked / count * 100:.1f}" + (f" + {by_use / count * 100:.1f}" if by_use else "")
            least[link] = tuple(map(min, least[link], (linked / count * 100, (linked + by_use) / count * 100)))
            for kind in rest.split(", ") if rest else ():
                number, _, name = kind.partition(" and ")[0].partition(" ")
                rests[link][name] += int(number)
        if not found:
            error = re.search(r"error.*", said)
            print(f"| {kernel.name} | {error.group(0) if error else 'nothing'} |")
            continue
        print(f"| {kernel.name} |", " | ".join(found.get(link, "") for link in LINKS), "|", flush=True)
    shares = [f"{a / n * 100:.1f} + {b / n * 100:.1f}" if n else "" for a, b, n in totals.values()]
    print("| **all operations** |", " | ".join(shares), "|")
    print("| **least of a kernel** |", " | ".join(f"{a:.1f}, {b:.1f} with uses" for a, b in least.values()), "|")
    for link in LINKS:
        kinds = ", ".join(f"{count} {name}" for name, count in rests[link].most_common(8))
        print(f"\n{link}, the rest (of each kernel its four most frequent): {kinds or 'nothing'}")


main()
