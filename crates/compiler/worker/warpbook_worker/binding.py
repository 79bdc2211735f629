"""A Python kernel bound to the arguments of a launch by Triton itself."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import types
from collections.abc import Callable
from typing import Any, NamedTuple

from .arguments import python_value
from .backend import known_options
from .cell import find_kernel, module_of_cell
from .error_kind import ErrorKind
from .errors import Refused
from .names import returns_value
from .protocol import Argument, Binding, BoundParameter, CompileTask
from .stand_ins import doubted, guesses, is_absent, is_nothing

__all__ = ["Bound", "bind", "module_of_cell", "source_of"]


class Bound(NamedTuple):
    """What Triton would compile for a launch."""

    # Triton's `ASTSource`, or Gluon's.
    source: Any
    options: Any
    binding: Binding


class Tuning(NamedTuple):
    """The configurations of the autotuner, and the one that was taken in Triton's words."""

    configs: int
    config: str


class Driver:
    """The answers that Triton needs from a driver before it compiles."""

    def __init__(self, target: Any) -> None:
        self.target = target

    def get_current_target(self) -> Any:
        return self.target

    def get_active_torch_device(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(type="cuda", index=0)

    @staticmethod
    def get_current_device() -> int:
        return 0

    @staticmethod
    def get_current_stream(_device: object = None) -> int:
        return 0

    @staticmethod
    def get_benchmarker() -> None:
        return None


class Captured(BaseException):
    """Not an error: what the launch would have compiled."""

    def __init__(self, source: Any, options: Any) -> None:
        super().__init__()
        self.source, self.options = source, options


def bind(task: CompileTask, target: Any, backend: Any) -> Bound:
    """The source that Triton would compile for a launch with these arguments, its options, and the binding."""
    from triton.runtime import driver

    driver.set_active(Driver(target))
    kernel = find_kernel(task)
    jit = innermost(kernel)
    check_is_kernel(jit, task)
    given = given_arguments(task, jit, known_options(backend))
    values = dict(given)
    jit, tuning = peel(kernel, values, task["config"])
    if task["config"] is not None and not tuning.configs:
        raise Refused(
            ErrorKind.CONFIG,
            f"`{jit.__name__}` has no autotuner",
            argument="--config",
            help=["leave `--config` out, or decorate the kernel with `@triton.autotune`"],
        )
    for name, value in task["options"].items():
        values.setdefault(name, value)
    missing = [p.name for p in jit.params if p.name not in values and not has_default(p)]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        raise Refused(ErrorKind.MISSING_ARGUMENT, f"`{jit.__name__}` lacks {names}", notes=[parameters_note(jit)])
    check_defaults(jit, values)
    source, options = capture(jit, values)
    if isinstance(options, dict):
        options = backend.parse_options(options)
    return Bound(source, options, describe_binding(jit, source, options, values, given, tuning))


def check_is_kernel(jit: Any, task: CompileTask) -> None:
    """Refuses what Triton would compile to something that cannot be launched."""
    name, is_gluon = jit.__name__, is_gluon_kernel(jit)
    languages = {True: ("Gluon", "gluon"), False: ("Triton", "triton")}
    if is_gluon is not None and is_gluon != (task["entry"] == "gluon"):
        (own, magic), (other, _) = languages[is_gluon], languages[not is_gluon]
        raise Refused(
            ErrorKind.NO_KERNEL,
            f"`{name}` is written in {own} (`@{magic}.jit`), not in {other}",
            argument="",
            help=[f"`%%{magic} {name}[GRID](ARGUMENTS)` compiles it"],
        )
    try:
        tree = ast.parse(textwrap.dedent(source_of(jit)))
    except (OSError, SyntaxError, TypeError):  # without its text it is left to Triton
        return
    function = next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)), None)
    if function is not None and returns_value(function):
        raise Refused(
            ErrorKind.NO_KERNEL,
            f"`{name}` returns a value: it is a function for kernels to call, and cannot be launched",
            argument="",
            help=["launch a kernel that calls it and stores what it returns"],
        )


def is_gluon_kernel(jit: Any) -> bool | None:
    """True for a kernel in Gluon; None before Triton 3.4, which has none."""
    ask = getattr(jit, "is_gluon", None)
    return bool(ask()) if ask is not None else None


def check_defaults(jit: Any, values: dict[str, Any]) -> None:
    """Refuses a default value that is in a module which is not imported, where the launch gives no other."""
    for parameter in jit.params:
        default = parameter._param.default
        if parameter.name in values or not (is_nothing(default) or is_absent(default)):
            continue
        raise Refused(
            ErrorKind.MISSING_ARGUMENT,
            f"the default of `{parameter.name}` is `{default.__name__}`, of a module that is not imported",
            help=[f"give it in the header: `{parameter.name}=…`"],
            notes=[parameters_note(jit)],
        )


def given_arguments(task: CompileTask, jit: Any, known: set[str]) -> dict[str, Any]:
    """The arguments of the launch by the names of parameters and of options."""
    names = [parameter.name for parameter in jit.params]
    if len(task["args"]) > len(names):
        raise Refused(
            ErrorKind.TOO_MANY_ARGUMENTS,
            f"`{jit.__name__}` takes {len(names)} arguments, {len(task['args'])} were given",
            notes=[parameters_note(jit)],
            argument=len(names),
        )
    value_of = reader_of_values(task, jit)
    positional = zip(names, task["args"], strict=False)
    given = {name: value_of(value, at, name) for at, (name, value) in enumerate(positional)}
    for name, value in task["keywords"]:
        if name in given:
            by_position = name in names[: len(task["args"])]
            raise Refused(
                ErrorKind.ARGUMENT_TWICE,
                f"`{name}` is given twice" + (": by its position and by its name" if by_position else ""),
                argument=name,
                help=["there may be one argument too many before it"] if by_position else [],
                notes=[parameters_note(jit)] if by_position else [],
            )
        given[name] = value_of(value, name, name)
    for name in given:
        if name not in names and name not in known:
            raise Refused(
                ErrorKind.UNKNOWN_ARGUMENT,
                f"`{jit.__name__}` has no parameter `{name}`",
                argument=name,
                candidates=names + sorted(known),
                notes=[parameters_note(jit)],
            )
    return given


def reader_of_values(task: CompileTask, jit: Any) -> Callable[[Argument, int | str, str], Any]:
    """A function from an argument, its place in the header and its parameter to the value that Triton sees."""
    is_gluon = bool(is_gluon_kernel(jit))
    # Expressions may use the header's own constants: `num_warps`.
    plain = {name: each["value"] for name, each in task["keywords"] if each["kind"] in ("int", "bool", "str")}
    scope = {**plain, **jit.fn.__globals__}
    constants = {parameter.name for parameter in jit.params if parameter.is_constexpr}

    def value_of(argument: Argument, place: int | str, name: str) -> Any:
        try:
            if is_gluon and argument["kind"] == "descriptor" and task["capability"] < 90:
                raise Refused(
                    ErrorKind.ARGUMENT,
                    f"sm_{task['capability']} has no TMA, which Gluon's descriptors are for",
                    help=["`%target sm_90` or a newer one has it"],
                )
            value = python_value(argument, scope, is_gluon)
            is_object = not (callable(value) or is_plain(value))
            if argument["kind"] in ("python", "function") and is_object and name not in constants:
                raise Refused(
                    ErrorKind.ARGUMENT,
                    f"`{argument['value']}` is a `{type(value).__name__}`, and `{name}` is not a constant",
                    help=[f"declare it in the kernel: `{name}: {'gl' if is_gluon else 'tl'}.constexpr`"],
                )
            return value
        except Refused as refused:
            if refused.report["argument"] is None:
                refused.report["argument"] = place
            raise

    return value_of


def parameters_note(jit: Any) -> str:
    """The names of a kernel's parameters as a sentence."""
    return "its parameters: " + ", ".join(parameter.name for parameter in jit.params)


def innermost(kernel: Any) -> Any:
    """The jitted function inside of tuners and heuristics."""
    while not hasattr(kernel, "params") and hasattr(kernel, "fn"):
        kernel = kernel.fn
    return kernel


def peel(kernel: Any, values: dict[str, Any], config: int | None) -> tuple[Any, Tuning]:
    """Takes off decorators as a launch does: one configuration chosen, heuristics computed. Both add to `values`."""
    from triton.runtime.autotuner import Autotuner, Heuristics

    tuning = Tuning(0, "")
    while not hasattr(kernel, "params"):
        if isinstance(kernel, Heuristics):
            for name, compute in kernel.values.items():
                values[name] = heuristic(name, compute, values)
        elif isinstance(kernel, Autotuner):
            chosen = choose_config(kernel, values, config)
            tuning = Tuning(len(kernel.configs), str(chosen))
            settings = chosen.all_kwargs()
            twice = [name for name in settings if name in values]
            if twice:
                raise Refused(
                    ErrorKind.CONFIG,
                    f"`{twice[0]}` is set by the autotuner",
                    argument=twice[0],
                    help=["leave it out, or choose a configuration by `--config`"],
                )
            values.update(settings)
        elif not hasattr(kernel, "fn"):
            raise Refused(ErrorKind.NO_KERNEL, f"`{kernel!r}` is not a Triton kernel")
        kernel = kernel.fn
    return kernel, tuning


def heuristic(name: str, compute: Callable[[dict[str, Any]], Any], values: dict[str, Any]) -> Any:
    """What a heuristic computes; the header's value where only a module that is not imported could decide."""
    name_read = doubted(compute)
    if name_read is not None:
        if name in values:
            return values[name]
        raise Refused(
            ErrorKind.MISSING_ARGUMENT,
            f"the heuristic of `{name}` reads `{name_read}`, whose value depends on a module that is not imported",
            help=[f"give it in the header: `{name}=…`"],
        )
    before = guesses()
    try:
        value, problem = compute(values), None
    except Exception as error:
        if guesses() == before:
            raise
        value, problem = None, error
    if problem is None and guesses() == before and not is_nothing(value):
        return value
    if name in values:
        return values[name]
    reason = "asks a module that is not imported" if problem is None else f"fails: {type(problem).__name__}: {problem}"
    raise Refused(
        ErrorKind.MISSING_ARGUMENT,
        f"the heuristic of `{name}` {reason}",
        help=[f"give it in the header: `{name}=…`"],
    )


def choose_config(tuner: Any, values: dict[str, Any], config: int | None) -> Any:
    """The configuration with an index, or the first one that is valid."""
    if config is None:
        return (valid_configs(tuner, values) or tuner.configs)[0]
    if config >= len(tuner.configs):
        raise Refused(
            ErrorKind.CONFIG,
            f"there is no configuration {config}",
            argument="--config",
            notes=[f"the autotuner has {len(tuner.configs)}, counted from 0"],
        )
    return tuner.configs[config]


def valid_configs(tuner: Any, values: dict[str, Any]) -> Any:
    """The configurations that the autotuner's own pruning leaves."""
    prune = getattr(tuner, "early_config_prune", None)
    if not prune:
        return tuner.configs
    try:
        return prune(tuner.configs, dict(values)) or tuner.configs
    except Exception:  # pruning may ask a GPU; then all are taken for valid
        return tuner.configs


def has_default(parameter: Any) -> bool:
    """True if a parameter of a jitted function has a default value."""
    return parameter._param.default is not inspect.Parameter.empty


def capture(jit: Any, values: dict[str, Any]) -> tuple[Any, Any]:
    """Lets Triton launch, up to the call of its compiler; returns the source and the options of that call."""
    import triton.compiler as compiler

    def stop(source: Any, *_: Any, options: Any = None, **__: Any) -> None:
        raise Captured(source, options)

    original_binder, original = jit.create_binder, compiler.compile

    def create_binder(*arguments: Any, **keywords: Any) -> Any:
        result = original_binder(*arguments, **keywords)
        jit.compile = stop
        return result

    jit.create_binder = create_binder
    if hasattr(jit, "device_caches"):
        jit.device_caches.clear()
        jit.device_caches.default_factory = create_binder
    compiler.compile = stop
    hidden = hide_torch()
    try:
        jit.run(grid=(1, 1, 1), warmup=True, **values)
    except Captured as found:
        return found.source, found.options
    finally:
        compiler.compile = original
        if hidden:
            del sys.modules["torch"]
    raise Refused(ErrorKind.INTERNAL, "Triton did not call its compiler")


def hide_torch() -> bool:
    """Puts an empty torch in place; returns False if the real one is imported already.

    From 3.6 on the specialisation asks for torch's classes (3.9 wants them to be there). The arguments here are none of
    them, and the import takes seconds, in each fork anew.
    """
    if "torch" in sys.modules:
        return False
    torch = types.ModuleType("torch")
    torch.__dict__["Tensor"] = type("Tensor", (), {})
    sys.modules["torch"] = torch
    return True


def describe_binding(
    jit: Any, source: Any, options: Any, values: dict[str, Any], given: dict[str, Any], tuning: Tuning
) -> Binding:
    """The parameters of the compiled kernel, and what the launch made of its arguments."""
    bound = {p.name: values.get(p.name, p._param.default) for p in jit.params}
    constants = {name: value for name, value in bound.items() if is_plain(value)}
    for name in ("num_warps", "num_stages", "num_ctas"):
        if hasattr(options, name):
            constants.setdefault(name, getattr(options, name))
    params: list[BoundParameter] = []
    specialised: list[tuple[str, str]] = []

    def visit(name: str, path: list[int], index: tuple[int, ...], ty: Any, value: Any) -> None:
        if isinstance(ty, tuple | list):
            for at, part in enumerate(ty):
                visit(name, [*path, at], (*index, at), part, value[at])
        elif ty == "constexpr":
            specialised.append((name + "".join(f"[{at}]" for at in path), text_of(value)))
        else:
            is_given = name in given or not is_plain(value)
            params.append(
                {
                    "name": name,
                    "path": path,
                    "ty": ty,
                    "value": None if is_given else finite(value),
                    "divisibility": attributes_of(source, index).get("tt.divisibility"),
                }
            )

    # Before 3.3 the signature leaves out what is a constant by declaration, and holds what is one by its value.
    constants_by_name = {name for name in source.constants if isinstance(name, str)}
    for at, parameter in enumerate(jit.params):
        name, value = parameter.name, bound[parameter.name]
        ty = "constexpr" if name in constants_by_name else source.signature[name]
        visit(name, [], (at,), ty, None if value is inspect.Parameter.empty else value)
    return {
        "names": [p.name for p in jit.params],
        "constants": [(name, finite(value)) for name, value in constants.items()],
        "params": params,
        "specialised": specialised,
        "configs": tuning.configs,
        "config": tuning.config,
    }


def attributes_of(source: Any, index: tuple[int, ...]) -> dict[str, Any]:
    """What Triton found out about a parameter's value."""
    if isinstance(source.attrs, dict):
        return dict(map(tuple, source.attrs.get(index, [])))
    # 3.2 lists the parameters of each property.
    known = getattr(source.attrs, "arg_properties", {})
    divisible = ([at] for at in known.get("tt.divisibility", ()))
    return {"tt.divisibility": 16} if list(index) in divisible else {}


def finite(value: Any) -> Any:
    """JSON has no infinity and no NaN: these become text."""
    return str(value) if isinstance(value, float) and value - value != 0 else value


def is_plain(value: Any) -> bool:
    """True if JSON has the value's type."""
    return value is None or isinstance(value, bool | int | str | float)


def text_of(value: Any) -> str:
    """A constant as the reader writes it."""
    if callable(value) and getattr(value, "__name__", None):
        return str(value.__name__)
    return repr(value) if isinstance(value, str) else str(value)


def source_of(jit: Any) -> str:
    """The lines of a kernel, with its decorators."""
    function: Callable[..., Any] = jit.fn
    return "".join(inspect.getsourcelines(function)[0])
