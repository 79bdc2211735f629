"""How many kernels of published packages `--from` takes, and how many of those compile.

    python -m pip download --no-deps --only-binary :all: --dest WHEELS fla-core liger-kernel …
    PYTHON benches/packages.py WHEELS [--limit 60] [--budget 60] [--only NAME,…] [--out reasons.json]

PYTHON is one that has Triton: the managed environment's, for example. Needs no torch and no GPU. Each function that has
`@triton.jit` at the top of a file, or in a function there, is asked for as a cell with `--from module:function` asks
for it, in a process of its own with a time lim
compiled to TTIR for sm_90, with arguments guessed from its parameters' names and uses; several guesses are tried, the last ones with seeded chance.
Prints a table in Markdown, then each reason with its number, and writes every function with its outcome as JSON.
"""

import argparse
import ast
import collections
import functools
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "crates/compiler/worker"))

from warpbook_worker import extract, pipeline  # noqa: E402
from warpbook_worker.errors import Refused  # noqa: E402
from warpbook_worker.names import decorator_name, returns_value  # noqa: E402

CAPABILITY = 90
FLOATS = re.compile(r"eps|scale|alpha|beta|gamma|prob|dropout|momentum|(^|_)lr($|_)|decay|temperature|slope|cap$|ratio|bound|limit|sm_|factor|_p$|^p$|lambda|theta")
INTEGERS = re.compile(r"idx|block_?id|start_?loc|ctx_?len|index|indices|indptr|offs|seqlen|lens?($|_)|_ids?($|_)|table|count|cu_|map|num_|order|pos|slot|block_?mapping|loc($|_)|splits?|tokens_per|range|start|end|cursor|sort|target|label|expert|req|lock|sync|counter|perm")
SWITCHES = re.compile(r"^(is|has|use|even|enable|do|store|return|with|apply|need|save|compute|transpose|reverse|head_first|output|add|skip|mask|causal|inplace|round|clamp)_|_?(causal|varlen|enabled|first|only|fused|bias|fast|upcast|interleaved|noncausal|aligned|contiguous)$|^ALLOW|FLAG", re.IGNORECASE)
TYPES = re.compile(r"dtype|_ty$|_type$|^OUT_?T$", re.IGNORECASE)
EXTENT = re.compile(r"^[A-Z]{1,2}$|block|tile|size|dim|chunk|head|width|rows|cols|group|^B[A-Z]+$|hidden|stride|next_power|padded|vec|warp_?size", re.IGNORECASE)


def kernels(tree):
    """The jitted functions of a file: node, and True if it stands in a function."""
    pending = [(tree, False)]
    while pending:
        node, inner = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef) and any(is_triton(each) for each in child.decorator_list):
                yield child, inner
            pending.append((child, inner or isinstance(child, ast.FunctionDef)))


def is_triton(decorator):
    """True for `@triton.jit` and `@jit`, with or without arguments; Gluon has a magic of its own, numba is no Triton."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    base = getattr(getattr(target, "value", None), "id", "triton")
    return decorator_name(decorator) == "jit" and base in ("triton", "tl")


def functions(package):
    """Each function of a package: its file, its module, its definition, and True if kernels alone can use it.

    That is a function that returns a value, or that other jitted functions call and nothing launches.
    """
    trees, called, launched = [], set(), set()
    for path in sorted(package.rglob("*.py")):
        try:
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text) if "triton" in text else None
        except (SyntaxError, UnicodeDecodeError):
            continue
        if tree is None:
            continue
        trees.append((path, tree))
        launched |= {last_name(node.value) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
        wrapped = {
            last_name(argument)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and decorator_name(node) == "jit"
            for argument in node.args
        }
        jitted = [node for node, _ in kernels(tree)]
        jitted += [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in wrapped]
        HELPERS.update({node.name: node for node in jitted})
        for node in jitted:
            called |= {last_name(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)}
    helpers = called - launched
    for path, tree in trees:
        relative = path.relative_to(package)
        module = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        last = {node.name: (node, inner) for node, inner in kernels(tree)}
        for name, (node, _) in last.items():
            yield str(relative), f"{module}:{name}", node, returns_value(node) or name in helpers


def last_name(node):
    """The last part of a dotted name."""
    return getattr(node, "attr", getattr(node, "id", None))


def in_process(limit, work):
    """What `work` returns, from a process of its own that ends after so many seconds."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        signal.alarm(limit)
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.dup2(devnull, 2)
        try:
            answer = work()
        except Refused as error:
            answer = [error.report["kind"], error.report["message"]]
        except BaseException as error:
            answer = ["python", f"{type(error).__name__}: {first_line(error)}"]
        os.write(write, json.dumps(answer).encode()[:60000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        text = file.read()
    status = os.waitpid(child, 0)[1]
    if text:
        return json.loads(text)
    hung = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
    return ["hung" if hung else "crashed", f"no answer within {limit} s" if hung else f"status {status}"]


def first_line(error):
    """The sentence of an error; Triton's own begin with the place and end with the reason."""
    lines = [line for line in str(error).splitlines() if line.strip().strip("^")]
    if error.__cause__ is not None and "^" in str(error).split():
        return f"{type(error.__cause__).__name__}: {first_line(error.__cause__)}"
    return lines[-1].strip() if lines else ""


def buffer(dtype):
    """A buffer of two dimensions."""
    return {"kind": "buffer", "value": {"dtype": dtype, "address": 4096, "shape": [64, 64], "strides": [64, 1]}}


def descriptor(dtype, rank):
    """A host descriptor."""
    value = {"dtype": dtype, "address": 4096, "shape": [64] * rank, "strides": [64**at for at in reversed(range(rank))]}
    return {"kind": "descriptor", "value": {**value, "block": [32] * rank}}


HELPERS = {}


def pointers(node, depth=3):
    """The parameters that are used as addresses, also in a helper, and those that are descriptors, with their ranks."""
    parameters = {each.arg for each in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]}
    values = collections.defaultdict(list)
    addresses, described = [], {}
    for each in ast.walk(node):
        if isinstance(each, ast.Assign):
            for target in each.targets:
                if isinstance(target, ast.Name):
                    values[target.id].append(each.value)
        elif isinstance(each, ast.Call):
            name = decorator_name(each.func) or ""
            if each.args and name in ("load", "store", "make_block_ptr", "make_tensor_descriptor") or each.args and name.startswith("atomic_"):
                method = isinstance(each.func, ast.Attribute) and isinstance(each.func.value, ast.Name)
                if method and each.func.value.id in parameters:
                    rank = len(each.args[0].elts) if isinstance(each.args[0], (ast.List, ast.Tuple)) else 2
                    described[each.func.value.id] = rank
                else:
                    addresses.append(each.args[0])
            helper = HELPERS.get(last_name(each.func)) if depth else None
            if helper is not None and helper is not node:
                names = [argument.arg for argument in [*helper.args.posonlyargs, *helper.args.args]]
                inner, _ = pointers(helper, depth - 1)
                given = [*zip(names, each.args, strict=False), *((key.arg, key.value) for key in each.keywords)]
                addresses += [value for name, value in given if name in inner]
        elif isinstance(each, ast.Attribute) and each.attr == "element_ty":
            addresses.append(each.value)
    found, seen = set(), set()
    while addresses:
        value = addresses.pop()
        while isinstance(value, (ast.BinOp, ast.Call, ast.Attribute, ast.Subscript)):
            if isinstance(value, ast.Call):
                value = value.func if isinstance(value.func, ast.Attribute) else value.args[0] if value.args else ast.Constant(0)
            else:
                value = value.left if isinstance(value, ast.BinOp) else value.value
        if isinstance(value, ast.Name) and value.id not in seen:
            seen.add(value.id)
            if value.id in parameters:
                found.add(value.id)
            addresses += values[value.id]
    return found, described


def arguments(node, known, guess):
    """Keyword arguments for a launch; `known` names what the tuner or a heuristic sets."""
    addressed, described = pointers(node)
    given = []
    positional = [*node.args.posonlyargs, *node.args.args]
    defaults = dict(zip([each.arg for each in reversed(positional)], reversed(node.args.defaults), strict=False))
    for each in [*positional, *node.args.kwonlyargs]:
        name = each.arg
        annotation = ast.unparse(each.annotation) if each.annotation is not None else ""
        if name in known or name in defaults and not isinstance(defaults[name], ast.Constant):
            continue
        if "constexpr" in annotation:
            if name not in defaults or guess["override"] and not SWITCHES.search(name):
                given.append((name, constant(name, guess)))
        elif name in described:
            given.append((name, descriptor(guess["dtype"], described[name])))
        elif name in addressed or re.search(r"ptr|pointer", name, re.IGNORECASE) and "stride" not in name:
            given.append((name, buffer(guess["integer"] if INTEGERS.search(name.lower()) else guess["dtype"])))
        elif FLOATS.search(name.lower()) and "stride" not in name and guess["floats"]:
            given.append((name, {"kind": "float", "value": "0.5"}))
        elif name not in defaults:
            given.append((name, {"kind": "int", "value": 64}))
    return [(name, vary(argument, guess.get("chance"))) for name, argument in given]


def vary(argument, chance):
    """Another value for an argument, now and then: what its name says of it may be wrong."""
    if chance is None or chance.random() > 0.4:
        return argument
    kind, value = argument["kind"], argument["value"]
    if kind == "buffer":
        return buffer(chance.choice(["fp16", "fp32", "i32", "i64", "u8", "i8", "i1", "fp8e4nv"]))
    if kind == "float" or kind == "int" and value == 64:
        others = [{"kind": "int", "value": 64}, {"kind": "float", "value": "0.5"}, buffer("i32"), buffer("fp16")]
        return chance.choice(others)
    if kind in ("bool", "str"):
        return chance.choice([{"kind": "bool", "value": True}, {"kind": "bool", "value": False}, {"kind": "none"}])
    if kind == "dtype":
        return {"kind": "dtype", "value": chance.choice(["fp16", "fp32", "i32", "i8"])}
    return {"kind": "int", "value": chance.choice([1, 2, 4, 8, 16, 32, 64, 128])} if kind == "int" else argument


def constant(name, guess):
    """A value for a constexpr."""
    if TYPES.search(name):
        return {"kind": "dtype", "value": guess["accumulator"]}
    if re.search(r"activation|^act$|mode$|precision", name, re.IGNORECASE):
        return {"kind": "str" if isinstance(guess["text"], str) else "bool", "value": guess["text"]}
    if SWITCHES.search(name) or name.isupper() and not name.endswith("_ID") and not EXTENT.search(name) and not name.startswith(("N", "M", "K", "D")):
        return {"kind": "bool", "value": guess["switch"]}
    if re.search(r"eps|scale|alpha|cap$|slope", name, re.IGNORECASE):
        return {"kind": "float", "value": "0.5"} if guess["floats"] else {"kind": "bool", "value": False}
    if re.search(r"^num_|^n_|_id$|stages|split|unroll|warps|power|bits|axis|experts|top_?k", name, re.IGNORECASE):
        return {"kind": "int", "value": guess["small"]}
    return {"kind": "int", "value": guess["extent"]}


PLAIN = {"dtype": "fp16", "integer": "i32", "accumulator": "fp32", "text": "", "switch": False, "small": 4, "extent": 32, "override": False, "floats": True}
GUESSES = [
    PLAIN,
    {**PLAIN, "dtype": "fp32", "extent": 64},
    {**PLAIN, "switch": True, "text": True},
    {**PLAIN, "extent": 128, "small": 2, "text": False},
    {**PLAIN, "dtype": "u8", "floats": False, "small": 2, "text": False},
    {**PLAIN, "dtype": "i32", "small": 8},
    {**PLAIN, "dtype": "fp8e4nv", "accumulator": "fp16"},
    {**PLAIN, "dtype": "bf16", "accumulator": "bf16", "integer": "i64", "switch": True, "small": 1},
    {**PLAIN, "dtype": "fp32", "extent": 16, "small": 16, "text": "ieee"},
    {**PLAIN, "dtype": "u8", "extent": 32, "text": "silu"},
    {**PLAIN, "override": True, "extent": 32},
]


def outcome(spec, package, node, is_helper, limit, budget):
    """What becomes of one function: in this process it is taken once, and each guess is compiled in a process more.

    No further guess is made after `budget` seconds: what does not compile by then counts as uncompiled. Without a budget
    nothing is compiled.
    """
    started = time.monotonic()
    kernel = extract.kernel(spec, [str(package)])
    signal.alarm(0)
    if is_helper or budget == 0:
        return ["taken", ""]
    extract.kernel = lambda *_: kernel
    known, first = set(), None
    chances = [{**each, "chance": random.Random(f"{spec} {at}")} for at, each in enumerate(GUESSES * 3)]
    for guess in [*GUESSES, *chances]:
        # What a tuner or a heuristic sets must not be given.
        for _ in range(12):
            given = arguments(node, known, guess)
            answer = in_process(limit, lambda given=given: compile_kernel(spec, package, given))
            again = re.search(r"`(\w+)` is set by the autotuner", answer[1])
            if again is None or again.group(1) in known:
                break
            known.add(again.group(1))
        if answer[0] in ("compiled", "hung"):
            return answer
        first = first or answer
        if time.monotonic() - started > budget:
            break
    return ["uncompiled", first[1]]


def compile_kernel(spec, package, given):
    """Compiles to TTIR."""
    task = {
        "id": 1, "task": "compile", "entry": "triton", "until": "ttir", "capability": CAPABILITY, "name": None,
        "text": "", "path": "kernel", "cell_path": "kernel.py", "options": {}, "definitions": [], "from_module": spec,
        "search_path": [str(package)], "args": [], "keywords": given, "config": None, "record": False, "skip": [],
        "until_pass": None, "after_pass": None,
    }  # fmt: skip
    pipeline.compile_task(task, lambda stage: None)
    return ["compiled", ""]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("wheels", type=Path)
    parser.add_argument("--limit", type=int, default=60, help="seconds for each function and guess")
    parser.add_argument("--budget", type=int, default=60, help="seconds for all guesses of a function; 0 to compile none")
    parser.add_argument("--only", default="", help="packages to measure, with commas between them")
    parser.add_argument("--out", type=Path, help="where every function's outcome is written as JSON")
    options = parser.parse_args()
    import triton

    only = [each for each in options.only.split(",") if each]
    rows, everything = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for wheel in sorted(options.wheels.glob("*.whl")):
            name, version = wheel.name.split("-")[:2]
            if only and name not in only:
                continue
            package = Path(scratch) / name
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(package, [each for each in archive.namelist() if each.endswith(".py")])
            started, counts = time.monotonic(), collections.Counter()
            for path, spec, node, is_helper in functions(package):
                work = functools.partial(outcome, spec, package, node, is_helper, options.limit, options.budget)
                state, reason = in_process(options.limit, work)
                counts["all"] += 1
                everything.append([name, path, spec, is_helper, state, reason])
                if is_helper:
                    counts["helpers"] += 1
                    continue
                counts["plain"] += 1
                counts["taken"] += state in ("taken", "compiled", "uncompiled")
                counts["compiled"] += state == "compiled"
                counts["hung"] += state == "hung"
            rows.append((f"{name} {version}", counts, time.monotonic() - started))
            print(f"{name}: {dict(counts)}", file=sys.stderr, flush=True)
            if options.out:
                options.out.write_text(json.dumps(everything))
    print(f"Triton {triton.__version__}, {time.strftime('%Y-%m-%d', time.gmtime())}\n")
    report(rows, everything)


def report(rows, everything):
    """Prints the table and the reasons."""
    print("| package | functions | helpers of kernels | plain kernels | taken | compile to TTIR | without an end |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    total = collections.Counter()
    for _, counts, _ in rows:
        total.update(counts)
    for name, counts, _ in [*rows, ("all", total, 0)]:
        plain = max(counts["plain"], 1)
        share = [f"{counts[key]} ({100 * counts[key] / plain:.1f} %)" for key in ("taken", "compiled")]
        print(f"| {name} | {counts['all']} | {counts['helpers']} | {counts['plain']} | {' | '.join(share)} | {counts['hung']} |")
    reasons = collections.Counter()
    examples = {}
    for _, _, spec, helper, state, reason in everything:
        if not helper and state not in ("taken", "compiled"):
            key = (state, re.sub(r"`[^`]*`|'[^']*'", "`…`", reason)[:160])
            reasons[key] += 1
            examples.setdefault(key, (spec, reason))
    print()
    for (state, pattern), count in reasons.most_common():
        spec, reason = examples[state, pattern]
        print(f"- {count} × {state}: {reason[:200]} ({spec})")


if __name__ == "__main__":
    main()
