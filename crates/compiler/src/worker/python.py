"""Python entries: a kernel of a cell or of a module, bound to the arguments of a launch by Triton itself."""

import ast
import linecache
import re
import sys
import traceback
import types

from warpbook_pipeline import Refused

NAMESPACE = "__warpbook_cell__"


class Dtype(str):
    """A data type as PyTorch prints it, with what descriptors ask of it."""

    itemsize = 0


class Buffer:
    """What Triton's specialisation, and heuristics, read of a tensor."""

    def __init__(self, argument):
        import triton.language

        self.dtype = Dtype("torch." + TORCH.get(argument["dtype"], argument["dtype"]))
        self.element = argument["dtype"]
        self.address = argument["address"]
        self.shape = tuple(argument["shape"])
        self.strides = tuple(argument["strides"])
        self.ndim = len(self.shape)
        self.device = types.SimpleNamespace(type="cuda", index=0)
        self.is_cuda = True
        primitive = getattr(triton.language, LANGUAGE.get(argument["dtype"], argument["dtype"]))
        self.itemsize = self.dtype.itemsize = max(1, primitive.primitive_bitwidth // 8)

    def data_ptr(self):
        return self.address

    def stride(self, dimension=None):
        return self.strides if dimension is None else self.strides[dimension]

    def size(self, dimension=None):
        return self.shape if dimension is None else self.shape[dimension]

    def numel(self):
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    def element_size(self):
        return self.itemsize

    def dim(self):
        return self.ndim

    def is_contiguous(self):
        expected = 1
        for extent, stride in zip(reversed(self.shape), reversed(self.strides)):
            if extent != 1 and stride != expected:
                return False
            expected *= extent
        return True


TORCH = {
    "fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64", "i1": "bool", "i8": "int8",
    "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
    "fp8e4nv": "float8_e4m3fn", "fp8e5": "float8_e5m2", "fp8e4b8": "float8_e4m3fnuz", "fp8e5b16": "float8_e5m2fnuz",
}
LANGUAGE = {
    "fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64", "i1": "int1", "i8": "int8",
    "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
    "fp8e4nv": "float8e4nv", "fp8e5": "float8e5", "fp8e4b8": "float8e4b8", "fp8e5b16": "float8e5b16",
}


class Driver:
    """The answers that Triton wants of a driver before it compiles."""

    def __init__(self, target):
        self.target = target

    def get_current_target(self):
        return self.target

    def get_active_torch_device(self):
        return types.SimpleNamespace(type="cuda", index=0)

    @staticmethod
    def get_current_device():
        return 0

    @staticmethod
    def get_current_stream(_device=None):
        return 0

    @staticmethod
    def get_benchmarker():
        return None


def module_of_cell(request):
    """The module that definitions and the cell make together."""
    import triton
    import triton.language as tl

    module = types.ModuleType(NAMESPACE)
    module.__dict__.update(triton=triton, tl=tl)
    if request["entry"] == "gluon":
        from triton.experimental import gluon
        from triton.experimental.gluon import language as gl

        module.__dict__.update(gluon=gluon, gl=gl, ttgl=gl)
    sys.modules[NAMESPACE] = module
    taken = {request["cell_path"]}
    for definition in request["definitions"]:
        path, count = definition["path"], 1
        while path in taken:
            path, count = f"{definition['path'].removesuffix('.py')}.{count}.py", count + 1
        taken.add(path)
        execute(definition["text"], path, module)
    execute(request["text"], request["cell_path"], module)
    return module


def execute(text, path, module):
    linecache.cache[path] = (len(text), None, text.splitlines(True), path)
    exec(compile(text, path, "exec"), module.__dict__)


def is_kernel(value):
    from triton.runtime.jit import KernelInterface

    return isinstance(value, KernelInterface)


def find_kernel(request):
    if request.get("from"):
        import warpbook_extract

        return warpbook_extract.kernel(request["from"], request["search_path"])
    module, name = module_of_cell(request), request.get("name")
    kernels = [key for key, value in vars(module).items() if is_kernel(value)]
    if name is None:
        defined = [node.name for node in ast.parse(request["text"]).body if isinstance(node, ast.FunctionDef)]
        mine = [each for each in defined if each in kernels]
        if not mine:
            raise Refused("no-kernel", "the cell defines no kernel", help=["put `@triton.jit` above the function"])
        name = mine[-1]
    if name not in kernels:
        exists = hasattr(module, name)
        raise Refused(
            "unknown-kernel", f"`{name}` is no kernel" if exists else f"no kernel is named `{name}`",
            candidates=[each for each in kernels if each != name],
            help=["put `@triton.jit` above the function"] if exists else [], argument="")
    return getattr(module, name)


def innermost(kernel):
    while not hasattr(kernel, "params") and hasattr(kernel, "fn"):
        kernel = kernel.fn
    return kernel


def argument(value, module):
    """An argument of the request as Triton sees it."""
    import triton.language as tl

    if not isinstance(value, dict):
        return value
    if "buffer" in value:
        return Buffer(value["buffer"])
    if "float" in value:
        return float(value["float"])
    if "dtype" in value:
        return getattr(tl, LANGUAGE.get(value["dtype"], value["dtype"]))
    if "tuple" in value:
        return tuple(argument(each, module) for each in value["tuple"])
    if "function" in value:
        found = module.get(value["function"])
        if found is None:
            raise Refused("unknown-name", f"no function is named `{value['function']}`", argument=value["function"])
        return found
    if "descriptor" in value:
        from triton.tools.tensor_descriptor import TensorDescriptor

        descriptor = value["descriptor"]
        return TensorDescriptor(Buffer(descriptor), list(descriptor["shape"]), list(descriptor["strides"]),
                                list(descriptor["block"]))
    raise Refused("internal", f"an argument of unknown kind: {value}")


class _Captured(BaseException):
    """Not an error: what the launch would have compiled."""

    def __init__(self, source, options):
        super().__init__()
        self.source, self.options = source, options


def peel(kernel, values, config, report):
    """Takes off decorators as a launch does: one configuration chosen, heuristics computed."""
    from triton.runtime.autotuner import Autotuner, Heuristics

    while not hasattr(kernel, "params"):
        if isinstance(kernel, Heuristics):
            for name, compute in kernel.values.items():
                values[name] = compute(values)
        elif isinstance(kernel, Autotuner):
            configs = valid_configs(kernel, values)
            report["configs"] = len(kernel.configs)
            if config is not None:
                if config >= len(kernel.configs):
                    raise Refused("config", f"there is no configuration {config}", argument="--config",
                                  notes=[f"the autotuner has {len(kernel.configs)}, counted from 0"])
                chosen = kernel.configs[config]
            else:
                chosen = (configs or kernel.configs)[0]
            report["config"] = str(chosen)
            settings = chosen.all_kwargs()
            twice = [name for name in settings if name in values]
            if twice:
                raise Refused("config", f"`{twice[0]}` is set by the autotuner", argument=twice[0],
                              help=["leave it out, or choose a configuration by `--config`"])
            values.update(settings)
        elif not hasattr(kernel, "fn"):
            raise Refused("no-kernel", f"`{kernel!r}` is no kernel of Triton's")
        kernel = kernel.fn
    return kernel


def valid_configs(tuner, values):
    """The configurations that the autotuner's own pruning leaves."""
    prune = getattr(tuner, "early_config_prune", None)
    if not prune:
        return tuner.configs
    try:
        return prune(tuner.configs, dict(values)) or tuner.configs
    except Exception:  # noqa: BLE001 pruning may ask a GPU; then all are taken for valid
        return tuner.configs


def bind(request, target, backend):
    """The source that Triton would compile for a launch with these arguments, its options, and the binding."""
    from triton.runtime import driver

    driver.set_active(Driver(target))
    kernel = find_kernel(request)
    jit = innermost(kernel)
    names = [parameter.name for parameter in jit.params]
    if len(request["args"]) > len(names):
        raise Refused("too-many-arguments", f"`{jit.__name__}` takes {len(names)} arguments, {len(request['args'])} "
                      "were given", notes=["its parameters: " + ", ".join(names)], argument=len(names))
    scope = jit.fn.__globals__
    given = {}
    for name, value in zip(names, request["args"]):
        given[name] = argument(value, scope)
    for name, value in request["keywords"]:
        if name in given:
            raise Refused("argument-twice", f"`{name}` is given twice", argument=name)
        given[name] = argument(value, scope)
    known = known_options(backend)
    for name in given:
        if name not in names and name not in known:
            raise Refused("unknown-argument", f"`{jit.__name__}` has no parameter `{name}`", argument=name,
                          candidates=names + sorted(known), notes=["its parameters: " + ", ".join(names)])
    report = {"configs": 0, "config": ""}
    values = dict(given)
    jit = peel(kernel, values, request.get("config"), report)
    if request.get("config") is not None and not report["configs"]:
        raise Refused("config", f"`{jit.__name__}` has no autotuner", argument="--config",
                      help=["leave `--config` out, or decorate the kernel with `@triton.autotune`"])
    for name, value in request["options"].items():
        values.setdefault(name, value)
    missing = [p.name for p in jit.params if p.name not in values and not has_default(p)]
    if missing:
        raise Refused("missing-argument", f"`{jit.__name__}` lacks " + ", ".join(f"`{name}`" for name in missing),
                      notes=["its parameters: " + ", ".join(names)])
    source, options = captured(jit, values)
    if isinstance(options, dict):
        options = backend.parse_options(options)
    return source, options, binding(jit, source, options, values, given, report)


def known_options(backend):
    from warpbook_pipeline import known_options

    return known_options(backend)


def has_default(parameter):
    import inspect

    return parameter._param.default is not inspect.Parameter.empty


def captured(jit, values):
    """Lets Triton launch, up to the call of its compiler."""
    import triton.compiler as compiler

    def stop(source, *_, options=None, **__):
        raise _Captured(source, options)

    original_binder, original = jit.create_binder, compiler.compile

    def create_binder(*arguments, **keywords):
        result = original_binder(*arguments, **keywords)
        jit.compile = stop
        return result

    jit.create_binder = create_binder
    if hasattr(jit, "device_caches"):
        jit.device_caches.clear()
        jit.device_caches.default_factory = create_binder
    compiler.compile = stop
    # From 3.6 on the specialisation asks for torch's classes (3.9 wants them to be there). The arguments here are none of
    # them, and the import takes seconds, in each fork anew.
    hidden = "torch" not in sys.modules
    if hidden:
        torch = types.ModuleType("torch")
        torch.Tensor = type("Tensor", (), {})
        sys.modules["torch"] = torch
    try:
        jit.run(grid=(1, 1, 1), warmup=True, **values)
    except _Captured as found:
        return found.source, found.options
    finally:
        compiler.compile = original
        if hidden:
            del sys.modules["torch"]
    raise Refused("internal", "Triton did not call its compiler")


def binding(jit, source, options, values, given, report):
    import inspect

    bound = {p.name: values.get(p.name, p._param.default) for p in jit.params}
    constants = {name: value for name, value in bound.items() if is_plain(value)}
    for name in ("num_warps", "num_stages", "num_ctas"):
        if hasattr(options, name):
            constants.setdefault(name, getattr(options, name))
    params, specialised = [], []

    def visit(name, path, index, ty, value):
        if isinstance(ty, (tuple, list)):
            for at, part in enumerate(ty):
                visit(name, path + [at], index + (at,), part, value[at])
        elif ty == "constexpr":
            specialised.append([name + "".join(f"[{at}]" for at in path), text_of(value)])
        else:
            attributes = attributes_of(source, index)
            own = name in given or not is_plain(value)
            params.append({"name": name, "path": path, "ty": ty, "value": None if own else value,
                           "divisibility": attributes.get("tt.divisibility")})

    # Before 3.3 the signature leaves out what is a constant by declaration, and holds what is one by its value.
    constants_by_name = {name for name in source.constants if isinstance(name, str)}
    for at, parameter in enumerate(jit.params):
        name = parameter.name
        ty = "constexpr" if name in constants_by_name else source.signature[name]
        value = bound[name]
        visit(name, [], (at,), ty, None if value is inspect.Parameter.empty else value)
    return {"names": [p.name for p in jit.params], "constants": [[name, finite(value)] for name, value in constants.items()], "params": params,
            "specialised": specialised, "name": jit.__name__, **report}


def attributes_of(source, index):
    """What Triton found out about a parameter's value."""
    if isinstance(source.attrs, dict):
        return dict(map(tuple, source.attrs.get(index, [])))
    known = getattr(source.attrs, "arg_properties", {})
    return {"tt.divisibility": 16} if list(index) in ([at] for at in known.get("tt.divisibility", ())) else {}


def finite(value):
    """JSON has no infinity and no NaN."""
    return str(value) if isinstance(value, float) and value - value != 0 else value


def is_plain(value):
    return value is None or isinstance(value, (bool, int, str)) or isinstance(value, float)


def text_of(value):
    name = getattr(value, "__name__", None)
    return name if name and callable(value) else str(value) if not isinstance(value, str) else repr(value)


def source_of(jit):
    """The lines of a kernel, with its decorators."""
    import inspect

    return "".join(inspect.getsourcelines(jit.fn)[0])


def describe(error):
    """An exception, with the text of the file that it is in where that is the reader's or a package's."""
    facts = describe_place(error)
    entry = linecache.cache.get(facts.get("path"))
    if entry and entry[1] is None:
        facts["source"] = "".join(entry[2])
    return facts


def describe_place(error):
    """An exception as kind, message, and the innermost line of the reader's text: `path`, `line`, `column`."""
    import triton

    facts = {"kind": "python", "name": type(error).__name__, "message": str(error) or type(error).__name__}
    if isinstance(error, SyntaxError):
        facts.update(message=error.msg, path=error.filename, line=error.lineno, column=error.offset)
        return facts
    compilation = getattr(triton, "CompilationError", None)
    if compilation and isinstance(error, compilation):
        return of_compilation(error, facts)
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if frame.filename in linecache.cache and linecache.cache[frame.filename][1] is None:
            facts.update(path=frame.filename, line=frame.lineno, column=(getattr(frame, "colno", None) or 0) + 1)
            break
    facts["trace"] = "".join(traceback.format_exception(type(error), error, error.__traceback__))[-4000:]
    return facts


def of_compilation(error, facts):
    """Triton's own error: the innermost one names the node; its source tells which function it is in."""
    from triton.runtime.jit import JITFunction

    chain = [error]
    while isinstance(chain[-1].__cause__, type(error).__mro__[0]) or hasattr(chain[-1].__cause__, "node"):
        chain.append(chain[-1].__cause__)
    inner = chain[-1]
    message = getattr(inner, "error_message", None)
    if message is None:
        cause = inner.__cause__
        message = f"{cause}" if cause is not None else str(inner).splitlines()[-1]
        if cause is not None and not str(cause):
            message = type(cause).__name__
    facts["kind"], facts["message"] = "triton", str(message).strip()
    node, source = getattr(inner, "node", None), getattr(inner, "src", None)
    if node is None or not hasattr(node, "lineno"):
        return facts
    import gc

    for function in gc.get_objects():
        if isinstance(function, JITFunction) and function.src == source:
            raw = getattr(function, "raw_src", None)
            start = function.starting_line_number
            lines = raw if isinstance(raw, list) else (raw or "").splitlines(True)
            if not lines:
                import inspect

                lines = inspect.getsourcelines(function.fn)[0]
            decorators = next((at for at, line in enumerate(lines) if re.match(r"\s*def\s", line)), 0)
            indent = len(lines[decorators]) - len(lines[decorators].lstrip()) if lines else 0
            facts.update(path=function.fn.__code__.co_filename, line=start + decorators + node.lineno - 1,
                         column=node.col_offset + 1 + indent)
            if getattr(node, "end_lineno", None) == node.lineno:
                facts["end_column"] = node.end_col_offset + 1 + indent
            break
    return facts
