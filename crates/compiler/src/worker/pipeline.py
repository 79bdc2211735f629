"""One compilation: from the text of a stage, or a bound Python kernel, through the backend's own stages."""

import base64
import inspect
import json
import os
import re
import shutil
import sys
import tempfile
import time
import warnings

ORDER = ("ttir", "ttgir", "llir", "ptx", "cubin")


class Refused(Exception):
    """A mistake of the reader's, with what is known of it: kind, message, line, column, notes, help, argument."""

    def __init__(self, kind, message, **facts):
        super().__init__(message)
        self.facts = {"kind": kind, "message": message, **facts}


def prepare():
    """Imports what every compilation needs, before the first fork."""
    warnings.simplefilter("ignore")
    import triton
    import triton.language
    from triton._C import libtriton  # noqa: F401
    from triton.backends.compiler import GPUTarget
    from triton.compiler.compiler import make_backend

    make_backend(GPUTarget("cuda", 80, 32))
    try:
        from triton.experimental import gluon  # noqa: F401
        from triton.experimental.gluon import language  # noqa: F401
    except ImportError:
        pass
    warm_up()
    sys.path[:] = [os.getcwd() if entry == "" else entry for entry in sys.path]
    BEFORE.update(sys.modules)
    return {"version": triton.__version__, "files": sorted(files_of_triton())}


# Enough of a kernel to load everything that a compilation needs.
SMALL = """
module {
  tt.func public @small(%arg0: !tt.ptr<f32>, %arg1: i32) {
    %0 = tt.make_range {end = 128 : i32, start = 0 : i32} : tensor<128xi32>
    %1 = tt.splat %arg0 : !tt.ptr<f32> -> tensor<128x!tt.ptr<f32>>
    %2 = tt.addptr %1, %0 : tensor<128x!tt.ptr<f32>>, tensor<128xi32>
    %3 = tt.load %2 : tensor<128x!tt.ptr<f32>>
    %4 = arith.addf %3, %3 : tensor<128xf32>
    tt.store %2, %4 : tensor<128x!tt.ptr<f32>>
    tt.return
  }
}
"""


def compile_small():
    from triton.backends.compiler import GPUTarget
    from triton.compiler.compiler import make_backend

    directory = tempfile.mkdtemp(prefix="warpbook-")
    try:
        backend = make_backend(GPUTarget("cuda", 80, 32))
        options = backend.parse_options({})
        context = make_context(backend)
        module = parse_module(SMALL, os.path.join(directory, "small.ttir"), context)
        table, metadata = stages_of(backend, options, triton_language()), {**options.__dict__}
        for stage in ("ttir", "ttgir", "llir", "ptx"):
            module = table[stage](module, metadata)
        # Its threads would not live in a fork.
        context.disable_multithreading()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def warm_up():
    """Compiles a small kernel before the first fork: what LLVM loads and registers once, no fork does again.

    A fork of its own tries first: LLVM answers what it does not like by ending the process.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            compile_small()
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] == 0:
        compile_small()


BEFORE = set()


def files_of_triton():
    """What every compilation depends on: a rebuilt Triton is another one."""
    import triton

    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "triton" and getattr(module, "__file__", None):
            yield module.__file__
    nvidia = os.path.join(os.path.dirname(triton.__file__), "backends", "nvidia")
    for directory in ("bin", "lib"):
        for root, _, names in os.walk(os.path.join(nvidia, directory)):
            yield from (os.path.join(root, name) for name in names if name.startswith(("ptxas", "libdevice")))


def files_since():
    """The files that this compilation imported or read besides."""
    found = {getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if name not in BEFORE}
    found.update(getattr(sys.modules.get("warpbook_extract"), "FILES", ()))
    return sorted(name for name in found if name and os.path.isabs(name) and os.path.isfile(name))


def describe(error):
    """What the other side is told of an exception."""
    if isinstance(error, Refused):
        return error.facts
    import warpbook_python

    return warpbook_python.describe(error)


def call(function, **offered):
    """Calls a function of Triton's whose parameters differ between versions, by their names."""
    return function(*[offered[name] for name in inspect.signature(function).parameters if name in offered])


def make_context(backend):
    from triton._C.libtriton import ir

    context = ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    return context


def stages_of(backend, options, language):
    stages = {}
    if len(inspect.signature(backend.add_stages).parameters) > 2:
        backend.add_stages(stages, options, language)
    else:
        backend.add_stages(stages, options)
    return stages


def triton_language():
    try:
        from triton.compiler.compiler import Language
    except ImportError:
        return None
    return Language.TRITON


def parse_module(text, path, context):
    from triton._C.libtriton import ir

    with open(path, "w") as file:
        file.write(text)
    module = ir.parse_mlir_module(path, context)
    module.context = context
    return module


def given_options(request, known):
    options = dict(request["options"])
    for name in options:
        if name not in known:
            raise Refused("unknown-option", f"the compiler has no option `{name}`", argument=name,
                          candidates=sorted(known))
    return options


def known_options(backend):
    options = backend.parse_options({})
    return set(getattr(options, "__dataclass_fields__", None) or vars(options))


def from_module_attributes(text, options):
    """What TTGIR says of itself counts for the stages that only see options."""
    facts = {}
    for attribute, name in (("num-warps", "num_warps"), ("num-ctas", "num_ctas")):
        found = re.search(rf'"?(?:ttg|triton_gpu)\.{attribute}"?\s*=\s*(\d+)', text)
        if not found:
            if attribute == "num-warps":
                raise Refused("no-num-warps", "the module says no number of warps",
                              help=['add `"ttg.num-warps" = 4 : i32` to the attributes of `module`'])
            continue
        value = int(found.group(1))
        if options.get(name, value) != value:
            raise Refused("option-conflict", f"`{name}` is {options[name]} here and {value} in the text",
                          line=text.count("\n", 0, found.start()) + 1, argument=name,
                          help=[f"change the attribute `{attribute}` in the text, or leave the option out"])
        facts[name] = value
    return facts


def run(request, progress):
    """Compiles; returns stages, metadata and, for Python, the binding."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler.compiler import make_backend

    import warpbook_passes

    entry, until, capability = request["entry"], request["until"], request["capability"]
    target = GPUTarget("cuda", capability, 32)
    backend = make_backend(target)
    notes, binding, language = [], None, triton_language()
    if entry in ("triton", "gluon"):
        import warpbook_python

        if until == entry:
            warpbook_python.module_of_cell(request)
            return {"stages": [], "metadata": {}, "binding": None, "warnings": [], "files": files_since()}
        source, options, binding = warpbook_python.bind(request, target, backend)
        language = getattr(source, "language", language)
        os.chdir(tempfile.gettempdir())
        context = make_context(backend)
        module = call(source.make_ir, options=options, target=target, context=context,
                      codegen_fns=call(backend.get_codegen_implementation, options=options),
                      module_map=backend.get_module_map())
        first = "ttir" if entry == "triton" else "ttgir"
    else:
        known = known_options(backend)
        values = given_options(request, known)
        text, first = request["text"], entry
        if entry == "ttgir":
            values.update(from_module_attributes(text, values))
            found = re.search(r'(?:ttg|triton_gpu)\.target"?\s*=\s*"cuda:(\d+)"', text)
            if found and int(found.group(1)) != capability:
                notes.append(f"the module's own target is sm_{found.group(1)}; it was compiled for sm_{capability}")
        options = backend.parse_options(values)
        os.chdir(tempfile.gettempdir())
        if entry in ("ttir", "ttgir"):
            context = make_context(backend)
            module = parse_module(text, f"{request.get('path') or 'kernel'}.{entry}", context)
            # A text from the middle of the stage goes through the rest of its passes.
            if entry == "ttgir" and not request.get("after"):
                first = "llir"
        else:
            module, first = text, ORDER[ORDER.index(entry) + 1]
            prepare_backend_of_llvm()
    metadata = {"target": vars(target) if hasattr(target, "__dict__") else target._asdict(), **options.__dict__}
    outcomes, again = [], 0.0
    table = stages_of(backend, options, language)
    recorder = warpbook_passes.Recorder(request, progress)
    if recorder.wanted():
        recorder.install(backend)
    for stage in ORDER[ORDER.index(first):ORDER.index(until) + 1]:
        if stage not in table:
            raise Refused("stage", f"this compiler has no stage `{stage}`")
        recorder.enter(stage)
        progress(stage)
        started = time.perf_counter()
        try:
            module = table[stage](module, metadata)
        except warpbook_passes.PassFailed:
            break
        elapsed = time.perf_counter() - started
        if stage == entry and not recorder.after:
            # An edited TTIR goes through the passes of TTIR again, but it is the reader's text that counts.
            again = elapsed
            continue
        elapsed, again = elapsed + again, 0.0
        if isinstance(module, bytes):
            outcomes.append({"stage": stage, "seconds": elapsed, "base64": base64.b64encode(module).decode()})
        else:
            outcomes.append({"stage": stage, "seconds": elapsed, "text": str(module)})
    recorder.finish()
    if recorder.edited:
        notes.append(f"compiled without {', '.join(recorder.edited)}")
    answer = {"stages": outcomes, "metadata": json.loads(json.dumps(metadata, default=plain)), "binding": binding,
            "warnings": notes, "files": files_since()}
    if recorder.keep_texts:
        answer["passes"] = recorder.records
    if request.get("from"):
        answer["source"] = warpbook_python.source_of(source.fn)
    return answer


def prepare_backend_of_llvm():
    """What `make_llir` does beside its work, and what the next stage relies on."""
    from triton._C.libtriton import llvm, nvidia

    llvm.init_targets()
    if hasattr(nvidia, "set_short_ptr"):
        nvidia.set_short_ptr()


def plain(value):
    """Metadata as JSON."""
    for convert in (lambda: value._asdict(), lambda: dict(vars(value)), lambda: list(value)):
        try:
            return convert()
        except (AttributeError, TypeError):
            pass
    return str(value)
