"""Each kernel launched from each stage: the same bits, and right."""

from kernels import MATMUL, MATMUL_TMA, TYPES
from notebook import CellError, Notebook

SIZE = 512
STAGES = ("ttir", "ttgir", "llir", "ptx", "cubin")


def cells(name, inputs, output, precision, tma):
    """The buffers and the launch of a matmul of these types."""
    block = (128, 128, 64)
    buffers = (f"%buf a = randn({SIZE}, {SIZE}, dtype={inputs}, seed=1)\n"
               f"%buf b = randn({SIZE}, {SIZE}, dtype={inputs}, seed=2)\n%buf c = zeros({SIZE}, {SIZE}, dtype={output})")
    constants = f"BM={block[0]}, BN={block[1]}, BK={block[2] if inputs != 'f32' else 32}, PRECISION='{precision}'"
    if tma:
        k = 32 if inputs == "f32" else block[2]
        call = (f"matmul_tma[{SIZE // block[0]}, {SIZE // block[1]}](tma(a, [{block[0]}, {k}]), tma(b, [{k}, {block[1]}]), "
                f"tma(c, [{block[0]}, {block[1]}]), {SIZE}, {constants}, num_warps=8)")
        return buffers, call, MATMUL_TMA
    grid = SIZE // block[0] * (SIZE // block[1])
    return buffers, f"matmul[{grid}](a, b, c, {SIZE}, {SIZE}, {SIZE}, {constants}, GROUP=8, num_warps=8)", MATMUL


def one(notebook, row, tma, triton):
    """Problems of one kernel; prints its line."""
    name, inputs, output, precision, relative, absolute = row
    label = f"{name}{' TMA' if tma else ''}"
    buffers, call, source = cells(name, inputs, output, precision, tma)
    options = f" --triton {triton}" if triton else ""
    problems = []
    try:
        notebook.run(buffers)
        notebook.run(f"%%triton {call}{options}\n{source}")
        # Products of rounded operands, summed in double precision.
        notebook.run(f"%check c == a.to(f64) @ b.to(f64), rtol={relative}, atol={absolute}")
        wanted = notebook.bytes_of("c", output)
    except CellError as error:
        print(f"{label:10} FAIL\n{error}", flush=True)
        return [label]
    kernel = "matmul_tma" if tma else "matmul"
    same = ["triton"]
    for stage in STAGES:
        try:
            _, cell, _ = notebook.facts(f"%edit {stage} {kernel}")
            notebook.run(f"%buf c = zeros({SIZE}, {SIZE}, dtype={output})")
            notebook.run(cell)
            if notebook.bytes_of("c", output) == wanted:
                same.append(stage)
            else:
                problems.append(f"{label} {stage}: other bits")
        except CellError as error:
            problems.append(f"{label} {stage}: {str(error).strip().splitlines()[0]}")
            print(error)
    version = triton or "live"
    print(f"{label:10} Triton {version:6}  same bits: {' '.join(same)}" + ("".join(f"\n  {p}" for p in problems)), flush=True)
    return problems


def fill_cache(options):
    """Compiles everything for sm_90, without a GPU, into the compile cache: the bundle for a machine with no Triton."""
    problems = []
    with Notebook(options) as notebook:
        notebook.run("%target sm_90")
        for row in TYPES:
            for tma in (False, True):
                buffers, call, source = cells(row[0], *row[1:4], tma)
                triton = f" --triton {options.old}" if options.old else ""
                kernel = "matmul_tma" if tma else "matmul"
                try:
                    notebook.run(buffers)
                    notebook.run(f"%%triton {call} --compile{triton}\n{source}")
                    for stage in STAGES[:-1]:
                        _, cell, _ = notebook.facts(f"%edit {stage} {kernel}")
                        header, _, text = cell.partition("\n")
                        notebook.run(f"{header} --compile\n{text}")
                    print(f"compiled {row[0]}{' TMA' if tma else ''}", flush=True)
                except CellError as error:
                    problems.append(f"{row[0]} tma={tma}")
                    print(error)
    return problems


def run(options):
    """All types, with and without TMA, by the installed Triton and by an older one from the cache."""
    problems = []
    for triton in [""] + ([options.old] if options.old else []):
        with Notebook(options) as notebook:
            for row in TYPES:
                for tma in (False, True):
                    problems += one(notebook, row, tma, triton)
    return problems
