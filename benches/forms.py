"""Which instruction forms Triton emits: crates/emulator/tests/filetests/forms.txt, written anew.

    python benches/forms.py compile DIRECTORY      kernels below, for every target, with the Triton of this Python
    python benches/forms.py table DIRECTORY...     the table, from the PTX in these directories and from compile caches
    python benches/forms.py add DIRECTORY...       as `table`, and what the table has already stays in it

Run `tests/operations/run.py` for every version and target, whose caches hold the kernels of the table of operations;
`compile` with the Pythons of managed environments; and the test suites `hopper`, `blackwell` and `real_kernels`, whose
compile cache (`~/.cache/warpbook/compile`) holds the packages' kernels; then `table` on all of them. A form is an opcode with its modifiers and types, as it is written. No GPU is needed.
"""

import itertools
import json
import pathlib
import re
import sys

TARGETS = [75, 80, 86, 89, 90, 100, 103, 120]
FORMS = pathlib.Path(__file__).parent.parent / "crates/emulator/tests/filetests/forms.txt"
INSTRUCTION = re.compile(r"(?:@!?[%\w]+\s+)?((?:[a-z][a-z0-9]*(?:\.[A-Za-z0-9_:]+)+)|ret|exit|trap|bra|call)(?=[\s;{(\[]|$)")

KERNELS = '''
import triton
import triton.language as tl


@triton.jit
def binary(x, y, o, n, B: tl.constexpr, OP: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    a, b = tl.load(x + i, mask=i < n), tl.load(y + i, mask=i < n)
    if OP == "add": r = a + b
    elif OP == "sub": r = a - b
    elif OP == "mul": r = a * b
    elif OP == "div": r = a / b
    elif OP == "floordiv": r = a // b
    elif OP == "mod": r = a % b
    elif OP == "and": r = a & b
    elif OP == "or": r = a | b
    elif OP == "xor": r = a ^ b
    elif OP == "shl": r = a << b
    elif OP == "shr": r = a >> b
    elif OP == "min": r = tl.minimum(a, b)
    elif OP == "max": r = tl.maximum(a, b)
    elif OP == "minnan": r = tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)
    elif OP == "maxnan": r = tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)
    elif OP == "lt": r = tl.where(a < b, a, b)
    elif OP == "le": r = tl.where(a <= b, a, b)
    elif OP == "eq": r = tl.where(a == b, a, b)
    elif OP == "ne": r = tl.where(a != b, a, b)
    elif OP == "umulhi": r = tl.umulhi(a, b)
    elif OP == "fma": r = tl.fma(a, b, a)
    elif OP == "div_rn": r = tl.div_rn(a, b)
    elif OP == "fdiv": r = tl.fdiv(a, b)
    tl.store(o + i, r.to(o.dtype.element_ty), mask=i < n)


@triton.jit
def unary(x, o, n, B: tl.constexpr, OP: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    a = tl.load(x + i, mask=i < n)
    if OP == "exp": r = tl.exp(a)
    elif OP == "exp2": r = tl.exp2(a)
    elif OP == "log": r = tl.log(a)
    elif OP == "log2": r = tl.log2(a)
    elif OP == "sin": r = tl.sin(a)
    elif OP == "cos": r = tl.cos(a)
    elif OP == "sqrt": r = tl.sqrt(a)
    elif OP == "sqrt_rn": r = tl.sqrt_rn(a)
    elif OP == "rsqrt": r = tl.rsqrt(a)
    elif OP == "abs": r = tl.abs(a)
    elif OP == "neg": r = -a
    elif OP == "floor": r = tl.floor(a)
    elif OP == "ceil": r = tl.ceil(a)
    elif OP == "erf": r = tl.erf(a)
    elif OP == "sigmoid": r = tl.sigmoid(a)
    elif OP == "not": r = ~a
    elif OP == "clamp": r = tl.clamp(a, -1.0, 1.0)
    tl.store(o + i, r, mask=i < n)


@triton.jit
def cast(x, o, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(o + i, tl.load(x + i, mask=i < n).to(o.dtype.element_ty), mask=i < n)


@triton.jit
def reduce(x, o, n, B: tl.constexpr, C: tl.constexpr, OP: tl.constexpr):
    i, j = tl.arange(0, B), tl.arange(0, C)
    a = tl.load(x + i[:, None] * C + j[None, :])
    if OP == "sum": r = tl.sum(a, 1)
    elif OP == "max": r = tl.max(a, 1)
    elif OP == "min": r = tl.min(a, 1)
    elif OP == "argmax": r = tl.argmax(a, 1)
    elif OP == "xor": r = tl.xor_sum(a, 1)
    tl.store(o + i, r.to(o.dtype.element_ty))


@triton.jit
def multiply(a, b):
    return a * b


@triton.jit
def scan(x, o, n, B: tl.constexpr, OP: tl.constexpr):
    i = tl.arange(0, B)
    a = tl.load(x + i)
    if OP == "cumsum": r = tl.cumsum(a, 0)
    elif OP == "cumprod": r = tl.cumprod(a, 0)
    elif OP == "reverse": r = tl.associative_scan(a, 0, multiply, reverse=True)
    elif OP == "sort": r = tl.sort(a)
    elif OP == "flip": r = tl.flip(a)
    elif OP == "gather": r = tl.gather(a, (B - 1 - i) % B, 0)
    tl.store(o + i, r)


@triton.jit
def histogram(x, o, n, B: tl.constexpr, BINS: tl.constexpr):
    h = tl.histogram(tl.load(x + tl.arange(0, B)), BINS)
    tl.atomic_add(o + tl.arange(0, BINS), h)


@triton.jit
def atomic(x, o, n, B: tl.constexpr, OP: tl.constexpr, SEM: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    a = tl.load(x + i, mask=i < n)
    if OP == "add": tl.atomic_add(o + i, a, mask=i < n, sem=SEM)
    elif OP == "max": tl.atomic_max(o + i, a, mask=i < n, sem=SEM)
    elif OP == "min": tl.atomic_min(o + i, a, mask=i < n, sem=SEM)
    elif OP == "and": tl.atomic_and(o + i, a, mask=i < n, sem=SEM)
    elif OP == "or": tl.atomic_or(o + i, a, mask=i < n, sem=SEM)
    elif OP == "xor": tl.atomic_xor(o + i, a, mask=i < n, sem=SEM)
    elif OP == "xchg": tl.store(x + i, tl.atomic_xchg(o + i, a, mask=i < n, sem=SEM), mask=i < n)
    elif OP == "cas": tl.store(x + i, tl.atomic_cas(o + i, a, a + a, sem=SEM))
    elif OP == "scalar": tl.atomic_add(o, tl.sum(a), sem=SEM)


@triton.jit
def random(o, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(o + i, tl.rand(n, i) + tl.randn(n, i), mask=i < n)


@triton.jit
def softmax(x, o, n, B: tl.constexpr):
    row = tl.program_id(0)
    i = tl.arange(0, B)
    a = tl.load(x + row * n + i, mask=i < n, other=-float("inf"), eviction_policy="evict_last")
    e = tl.exp(a - tl.max(a, 0))
    tl.store(o + row * n + i, e / tl.sum(e, 0), mask=i < n, cache_modifier=".cs")


@triton.jit
def hints(x, o, n, B: tl.constexpr, CACHE: tl.constexpr, EVICT: tl.constexpr, STORE: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    a = tl.load(x + i, mask=i < n, cache_modifier=CACHE, eviction_policy=EVICT)
    tl.store(o + i, a, mask=i < n, cache_modifier=STORE, eviction_policy=EVICT)


@triton.jit
def transpose(x, o, n, B: tl.constexpr):
    i, j = tl.arange(0, B), tl.arange(0, B)
    a = tl.load(x + i[:, None] * B + j[None, :])
    tl.store(o + j[:, None] * B + i[None, :], tl.trans(a))


@triton.jit
def prints(x, n, B: tl.constexpr):
    i = tl.arange(0, B)
    a = tl.load(x + i)
    tl.device_print("a", a)
    tl.device_assert(a < n, "too large")


@triton.jit
def spin(x, o, n, B: tl.constexpr):
    while tl.atomic_cas(x, 0, 1) == 1:
        pass
    tl.store(o + tl.arange(0, B), n)
    tl.debug_barrier()
    tl.atomic_xchg(x, 0)


@triton.jit
def dot(x, y, o, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, P: tl.constexpr, T: tl.constexpr):
    m, n, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    a = tl.load(x + m[:, None] * K + k[None, :])
    if T: b = tl.load(y + n[None, :] * K + k[:, None])
    else: b = tl.load(y + k[:, None] * N + n[None, :])
    c = tl.dot(a, b, input_precision=P, out_dtype=o.dtype.element_ty)
    tl.store(o + m[:, None] * N + n[None, :], c)


@triton.jit
def tensor_1(x, o, n, B: tl.constexpr):
    d = tl.make_tensor_descriptor(x, [n], [1], [B])
    e = tl.make_tensor_descriptor(o, [n], [1], [B])
    e.store([0], d.load([0]))


@triton.jit
def tensor_3(x, o, n, B: tl.constexpr):
    d = tl.make_tensor_descriptor(x, [n, 4, n], [4 * n, n, 1], [B, 4, B])
    e = tl.make_tensor_descriptor(o, [n, 4, n], [4 * n, n, 1], [B, 4, B])
    e.store([0, 0, 0], d.load([0, 0, 0]))


@triton.jit
def tensor_5(x, o, n, B: tl.constexpr):
    d = tl.make_tensor_descriptor(x, [2, 2, 2, 2, n], [8 * n, 4 * n, 2 * n, n, 1], [1, 2, 1, 2, B])
    e = tl.make_tensor_descriptor(o, [2, 2, 2, 2, n], [8 * n, 4 * n, 2 * n, n, 1], [1, 2, 1, 2, B])
    e.store([0, 0, 0, 0, 0], d.load([0, 0, 0, 0, 0]))


@triton.jit
def tensor_reduce(x, o, n, B: tl.constexpr, OP: tl.constexpr):
    d = tl.make_tensor_descriptor(x, [n, n], [n, 1], [B, B])
    e = tl.make_tensor_descriptor(o, [n, n], [n, 1], [B, B])
    a = d.load([0, 0])
    if OP == "add": e.atomic_add([0, 0], a)
    elif OP == "min": e.atomic_min([0, 0], a)
    elif OP == "max": e.atomic_max([0, 0], a)
    elif OP == "and": e.atomic_and([0, 0], a)
    elif OP == "or": e.atomic_or([0, 0], a)
    elif OP == "xor": e.atomic_xor([0, 0], a)


@triton.jit
def dependent(x, o, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    tl.extra.cuda.gdc_wait()
    a = tl.load(x + i, mask=i < n)
    tl.extra.cuda.gdc_launch_dependents()
    tl.store(o + i, a, mask=i < n)
'''

FLOATS = ["fp16", "bf16", "fp32", "fp64"]
INTEGERS = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"]


def jobs():
    """(kernel, types by parameter, constants, options, least target)"""
    two = lambda a, b=None: {"x": f"*{a}", "o": f"*{b or a}", "n": "i32"}
    three = lambda a: {"x": f"*{a}", "y": f"*{a}", "o": f"*{a}", "n": "i32"}
    for ty in FLOATS + INTEGERS:
        operations = ["add", "sub", "mul", "min", "max", "lt", "le", "eq", "ne"]
        operations += ["div", "minnan", "maxnan", "fma"] if ty in FLOATS else ["and", "or", "xor", "shl", "shr", "floordiv", "mod"]
        operations += ["div_rn", "fdiv"] if ty == "fp32" else []
        operations += ["umulhi"] if ty in ("i32", "u32", "i64", "u64") else []
        for operation in operations:
            yield "binary", three(ty), {"B": 1024, "OP": operation}, {}, 75
    for ty, operation in itertools.product(INTEGERS, ["add", "sub", "mul"]):
        yield "binary", three(ty), {"B": 1024, "OP": operation}, {"debug": True, "sanitize_overflow": True}, 75
    for ty in FLOATS:
        operations = ["abs", "neg"]
        operations += ["exp", "exp2", "log", "log2", "sin", "cos", "sqrt", "rsqrt", "floor", "ceil", "erf", "sigmoid"] if ty in ("fp32", "fp64") else []
        operations += ["sqrt_rn", "clamp"] if ty == "fp32" else []
        for operation in operations:
            yield "unary", two(ty), {"B": 1024, "OP": operation}, {}, 75
    for ty in INTEGERS[:4]:
        for operation in ["abs", "neg", "not"]:
            yield "unary", two(ty), {"B": 1024, "OP": operation}, {}, 75
    for a, b in itertools.product(FLOATS + INTEGERS, repeat=2):
        if a != b:
            yield "cast", two(a, b), {"B": 1024}, {}, 75
    for small, wide in itertools.product(["fp8e4nv", "fp8e5"], ["fp16", "bf16", "fp32"]):
        yield "cast", two(small, wide), {"B": 1024}, {}, 89
        yield "cast", two(wide, small), {"B": 1024}, {}, 89
    for ty in FLOATS + ["i16", "i32", "i64", "u32"]:
        for operation in ["sum", "max", "min", "argmax"] + (["xor"] if "i" in ty or "u" in ty else []):
            out = "i32" if operation == "argmax" else ty
            yield "reduce", two(ty, out), {"B": 16, "C": 256, "OP": operation}, {}, 75
            yield "reduce", two(ty, out), {"B": 1, "C": 1024, "OP": operation}, {}, 75
    for ty in ["fp32", "fp16", "i32", "i64"]:
        for operation in ["cumsum", "cumprod", "reverse", "sort", "flip", "gather"]:
            yield "scan", two(ty), {"B": 1024, "OP": operation}, {}, 75
    yield "histogram", two("i32"), {"B": 1024, "BINS": 64}, {}, 75
    for sem in ["relaxed", "acquire", "release", "acq_rel"]:
        for ty in ["i32", "u32", "i64", "u64", "fp32", "fp64", "fp16", "bf16"]:
            operations = ["add", "max", "min", "xchg", "scalar"]
            operations += ["and", "or", "xor", "cas"] if ty[0] in "iu" else []
            for operation in operations if sem == "acq_rel" else operations[:1]:
                yield "atomic", two(ty), {"B": 1024, "OP": operation, "SEM": sem}, {}, 75
    yield "random", {"o": "*fp32", "n": "i32"}, {"B": 1024}, {}, 75
    for ty in ["fp32", "fp16", "bf16"]:
        yield "softmax", two(ty), {"B": 1024}, {}, 75
    for cache, evict, store in [("", "", ""), (".ca", "evict_first", ".wb"), (".cg", "evict_last", ".cg"), (".cv", "", ".wt"), ("", "evict_first", ".cs")]:
        for ty in ["fp32", "fp16", "i8", "i64"]:
            yield "hints", two(ty), {"B": 2048, "CACHE": cache, "EVICT": evict, "STORE": store}, {}, 75
    for ty, warps in itertools.product(["i8", "fp16", "fp32", "fp64"], [1, 4]):
        yield "transpose", two(ty), {"B": 64}, {"num_warps": warps}, 75
        yield "transpose", two(ty), {"B": 64}, {"num_warps": warps, "num_ctas": 2}, 90
    yield "prints", {"x": "*i32", "n": "i32"}, {"B": 128}, {"debug": True}, 75
    yield "spin", two("i32"), {"B": 128}, {}, 75
    for (a, o, precision, least), transposed, (m, n), k in itertools.product(
        [("fp16", "fp32", "ieee", 75), ("fp16", "fp16", "ieee", 75), ("bf16", "fp32", "ieee", 80), ("fp32", "fp32", "tf32", 80), ("fp32", "fp32", "tf32x3", 80),
         ("fp32", "fp32", "ieee", 75), ("i8", "i32", "ieee", 75), ("fp8e4nv", "fp32", "ieee", 89), ("fp8e5", "fp32", "ieee", 89), ("fp64", "fp64", "ieee", 80)],
        [False, True], [(16, 16), (64, 64), (128, 128), (128, 256)], [32, 64]):
        if a == "fp64" and m > 64:
            continue
        yield "dot", {"x": f"*{a}", "y": f"*{a}", "o": f"*{o}"}, {"M": m, "N": n, "K": k, "P": precision, "T": transposed}, {"num_warps": 8 if m * n > 16384 else 4}, least
    for rank, ty in itertools.product([1, 3, 5], ["fp16", "fp32", "i8"]):
        yield f"tensor_{rank}", two(ty), {"B": 32}, {}, 90
    for ty, operation in [("fp32", "add"), ("fp16", "add"), ("bf16", "min"), ("fp16", "max"), ("i32", "add"), ("i32", "min"), ("u32", "max"), ("i64", "min"), ("i32", "and"), ("i32", "or"), ("i32", "xor")]:
        yield "tensor_reduce", two(ty), {"B": 32, "OP": operation}, {}, 90
    yield "dependent", two("fp32"), {"B": 1024}, {"launch_pdl": True}, 90


def targets_of(name, types):
    """Kernels of one element at a time differ by target only where there are packed or narrow floats."""
    if name in ("dot", "softmax", "histogram", "random", "transpose", "prints", "dependent") or name.startswith("tensor"):
        return TARGETS
    if name in ("binary", "cast", "reduce", "atomic") and any(ty in ("*fp16", "*bf16", "*fp32") or "fp8" in ty for ty in types.values()):
        return [75, 90, 100]
    return [90]


def compile_all(directory):
    import importlib.util

    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    directory.mkdir(parents=True, exist_ok=True)
    source = directory / "kernels_of_forms.py"
    source.write_text(KERNELS)
    spec = importlib.util.spec_from_file_location("kernels_of_forms", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made, refused = 0, {}
    for number, (name, types, constants, options, least) in enumerate(jobs()):
        kernel = getattr(module, name)
        names = kernel.arg_names
        signature = {name: "constexpr" if name in constants else types[name] for name in names}
        values = {(names.index(name),): value for name, value in constants.items()}
        aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if name not in constants}
        for target in (target for target in TARGETS if target >= least):
            if target not in targets_of(name, types):
                continue
            try:
                ast = ASTSource(kernel, signature, values, aligned)
                compiled = triton.compile(ast, target=GPUTarget("cuda", target, 32), options=options)
            except Exception as error:  # What this Triton does not take is no form of it.
                refused.setdefault(f"{name} {constants} {types}", str(error).strip().splitlines()[-1:])
                continue
            (directory / f"{triton.__version__}-{number}-{target}.ptx").write_text(compiled.asm["ptx"])
            made += 1
    print(f"{made} kernels, {len(refused)} refused")
    for what, error in refused.items():
        print("refused:", what, *error)


def texts(path):
    if path.suffix == ".ptx":
        yield path.read_text()
    elif path.suffix == ".json":
        # An entry of Warpbook's compile cache: a checksum, then the answer. Other JSON has no such first line.
        _, _, entry = path.read_text().partition("\n")
        answer = json.loads(entry).get("answer") or {} if entry.startswith('{"user"') else {}
        yield from (stage["text"] for stage in answer.get("stages", []) if stage.get("stage") == "ptx" and stage.get("text"))


def forms(text):
    """The opcodes of a text, its debug sections left out."""
    text = re.sub(r"//[^\n]*", "", text.split("\n\t.section")[0])
    for statement in re.split(r"[;\n]", text):
        found = INSTRUCTION.match(statement.strip().lstrip("{").strip())
        if found:
            yield found.group(1)


def known():
    """The table as it stands: the targets of each form."""
    rows = [line.split("\t") for line in FORMS.read_text().splitlines() if line and not line.startswith("#")]
    return {form: set(map(int, targets.split())) for form, targets in rows}


def table(places, targets):
    count = 0
    for path in sorted(path for place in places for path in pathlib.Path(place).rglob("*")):
        for text in texts(path) if path.is_file() else []:
            target = re.search(r"\.target\s+sm_(\d+)", text)
            if not target:
                continue
            count += 1
            for form in forms(text):
                targets.setdefault(form, set()).add(int(target.group(1)))
    lines = [f"{form}\t{' '.join(map(str, sorted(seen)))}" for form, seen in sorted(targets.items())]
    head = ["# What Triton 3.2 to 3.9 emit: opcode with modifiers and types, and for which targets; by benches/forms.py.", ""]
    FORMS.write_text("\n".join(head + lines) + "\n")
    print(f"{count} texts, {len(lines)} forms")


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("compile", "table", "add"):
        sys.exit(__doc__)
    if sys.argv[1] == "compile":
        compile_all(pathlib.Path(sys.argv[2]))
    else:
        table(sys.argv[2:], known() if sys.argv[1] == "add" else {})
