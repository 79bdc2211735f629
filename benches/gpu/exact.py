"""The GPU and the emulator of its architecture, bit for bit: real kernels of packages, matmuls, attention.

Each kernel runs twice: as Triton compiles it by default, where ptxas contracts multiplications and additions that PTX
leaves open and the emulator follows the machine code; and with `enable_fp_fusion=False`, where PTX says every rounding.
"""

from pathlib import Path
from types import SimpleNamespace

from cases import all_cases
from kernels import MATMUL, MATMUL_TMA, TYPES
from notebook import CellError, Notebook
from run import Notebook as Cases
from run import source_cell
from stages import SIZE, cells

ATTENTION = (Path(__file__).parents[2] / "crates/test-support/kernels/attention.py").read_text()


def jobs(options):
    """name, kinds, what makes the buffers, the launch cell with a place for more keywords."""
    for row in TYPES:
        for tma in (False, True):
            buffers, call, _ = cells(*row[:4], tma)
            cell = f"%%triton {call[:-1]}{{more}})\n{(MATMUL_TMA if tma else MATMUL).replace('{', '{{').replace('}', '}}')}"
            yield f"matmul {row[0]}{' TMA' if tma else ''} {SIZE}³", ["dot"], buffers, cell
    buffers = "\n".join(f"%buf {name} = randn(512, 64, dtype=f16, seed={seed})" for name, seed in (("q", 1), ("k", 2), ("v", 3)))
    yield ("attention", ["dot", "exp"], f"{buffers}\n%buf o = zeros(512, 64, dtype=f16)",
           f"%%triton attention[4](q, k, v, o, 512, 0.125, BM=128, BN=64, D=64{{more}})\n{ATTENTION}")
    if options.packages:
        for case in all_cases().values():
            cell = source_cell(case)
            head, rest = cell.rsplit(") --from", 1)
            yield case.name, case.kinds, case, f"{head}{{more}}) --from{rest}"


def run(options):
    counts, total = {"default": 0, "no fusion": 0}, 0
    problems = []
    with Notebook(options) as notebook:
        settings = SimpleNamespace(prefix=options.prefix, packages=options.packages or ".", scratch=options.scratch,
                                   capability=90, device=options.device)
        loader = Cases(settings, "exact")
        share, shares = getattr(options, "share", (0, 1))
        for name, kinds, buffers, cell in list(jobs(options))[share::shares]:
            session = notebook if isinstance(buffers, str) else loader.session
            verdicts = {}
            for mode, more in (("default", ""), ("no fusion", ", enable_fp_fusion=False")):
                try:
                    session.run(buffers) if isinstance(buffers, str) else loader.load(buffers)
                    session.run(cell.format(more=more))
                    session.run(buffers) if isinstance(buffers, str) else loader.load(buffers)
                    answer = session.run(f"%compare --devices {options.device},emu").strip()
                except CellError as error:
                    answer = "FAIL " + " ".join(line for line in str(error).splitlines() if line.strip())[:300]
                    problems.append(f"{name} ({mode})")
                verdicts[mode] = answer
            total += 1
            shown = []
            for mode, answer in verdicts.items():
                same = "bit-identical on every device" in answer
                counts[mode] += same
                shown.append(f"{mode}: " + ("same bits" if same else "DIFFERENT" if "disagree" in answer else answer[:200]))
            pairs = [line.partition(": ")[2] for line in verdicts["default"].splitlines() if "pairs contracted" in line]
            print(f"{name:26} {'; '.join(shown)}   ({', '.join(kinds)}){''.join(f'   {pair}' for pair in pairs)}", flush=True)
            for mode, answer in verdicts.items():
                if "disagree" in answer:
                    rows = [line for line in answer.splitlines()[2:-1] if "none:" not in line]
                    print("".join(f"    {mode}: {line}\n" for line in rows[:4]), end="", flush=True)
        loader.close()
    print(f"\nbit-identical to the GPU: {counts['default']} of {total} as Triton compiles by default, "
          f"{counts['no fusion']} of {total} without contraction")
    return problems
