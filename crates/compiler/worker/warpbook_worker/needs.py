"""What a kernel needs: each name that it reads, or a function that it calls, has to have a value of its own."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

from .backend import is_kernel
from .error_kind import ErrorKind
from .errors import Refused
from .source import Source
from .stand_ins import doubt, is_absent, is_nothing

# Values that Triton takes for constants.
PLAIN = (bool, int, float, str)


def check_needs(value: Any, source: Source) -> None:
    """Refuses a kernel that reads, itself or in a function that it calls, what is not known without absent modules."""
    sources = source.modules.by_globals()
    pending: list[Any] = [value]
    seen: set[Callable[..., Any]] = set()
    while pending:
        function = innermost_function(pending.pop())
        own = sources.get(id(getattr(function, "__globals__", None)))
        if own is None or function in seen:
            continue
        seen.add(function)
        for path in names_of(function):
            pending += check_path(path, own, source.modules.by_module())


def note_doubts(kernel: Any, source: Source) -> None:
    """Notes the heuristics of a kernel that read, themselves or in a function that they call, what was guessed."""
    from triton.runtime.autotuner import Heuristics

    while is_kernel(kernel) and not isinstance(kernel, types.FunctionType):
        if isinstance(kernel, Heuristics):
            for compute in kernel.values.values():
                name = guessed_name(compute, source)
                if name is not None:
                    doubt(compute, name)
        kernel = getattr(kernel, "fn", None)


def guessed_name(function: Any, source: Source) -> str | None:
    """A name that a function reads, itself or in one that it calls, whose value only an absent module knows.

    What it asks absent modules itself is seen when it runs.
    """
    sources = source.modules.by_globals()
    pending, seen = [function], set()
    while pending:
        current = pending.pop()
        own = sources.get(id(getattr(current, "__globals__", None)))
        if own is None or current in seen:
            continue
        seen.add(current)
        for name in read_globals(current.__code__):
            value = own.globals.get(name)
            if name in own.open or (name in own.guessed and isinstance(value, PLAIN)):
                return name
            pending.append(value)
    return None


def read_globals(code: types.CodeType) -> Iterator[str]:
    """The names that a function and those within it may read from their module."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from read_globals(constant)


def innermost_function(value: Any) -> Any:
    """The Python function of a kernel, inside of tuners and heuristics."""
    while is_kernel(value) and not isinstance(value, types.FunctionType):
        value = value.fn
    return value


def names_of(function: Any) -> Iterator[list[str]]:
    """The global names that a function reads, with the attributes that it asks them for: `sizes.BLOCK`."""
    code = function.__code__
    own = set(code.co_varnames) | set(code.co_cellvars)
    try:
        tree = ast.parse(textwrap.dedent("".join(inspect.getsourcelines(function)[0])))
    except (OSError, SyntaxError, TypeError):
        yield from ([name] for name in code.co_names)
        return
    definition = next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)), None)
    for statement in definition.body if definition is not None else ():
        inner: set[ast.AST] = set()
        for node in ast.walk(statement):
            path: list[str] = []
            root: ast.AST = node
            while isinstance(root, ast.Attribute):
                path.insert(0, root.attr)
                inner.add(root.value)
                root = root.value
            if isinstance(root, ast.Name) and root.id not in own and node not in inner:
                yield [root.id, *path]


def check_path(path: list[str], source: Source, modules: dict[int, Source]) -> list[Any]:
    """Refuses a name that a kernel needs and that has no value of its own; returns the value, for what it needs."""
    name, *attributes = path
    if name not in source.globals and name not in source.binders:
        return []
    check_name(name, source)
    value = source.globals.get(name)
    while attributes and isinstance(value, types.ModuleType):
        name = attributes.pop(0)
        inner = modules.get(id(value))
        if is_absent(value) and name not in value.__dict__:
            raise refusal(".".join(path), source, line_of(path[0], source), "it is not there")
        try:
            value = getattr(value, name)
        except AttributeError:
            return []
        if inner is not None:
            check_name(name, inner)
    return [value]


def check_name(name: str, source: Source) -> None:
    """Refuses a name that has no value, or one that a stand-in made up."""
    found = source.globals.get(name)
    bare = getattr(found, "value", found) if type(found).__name__ == "constexpr" else found
    if name in source.broken:
        line, error = source.broken[name]
        raise refusal(name, source, line, f"{type(error).__name__}: {error}")
    if is_nothing(bare):
        raise refusal(name, source, line_of(name, source), "it is not there")
    if name in source.open:
        reason = "which of its values it has depends on a module that is not imported"
        raise refusal(name, source, source.open[name], reason)
    if name in source.guessed and isinstance(bare, PLAIN):
        raise refusal(name, source, source.guessed[name], "its value depends on a module that is not imported")


def line_of(name: str, source: Source) -> int:
    """The line that binds a name."""
    return next((unit.statement.lineno for unit in source.binders.get(name, ())), 1)


def refusal(name: str, source: Source, line: int, reason: str) -> Refused:
    """The error for a name that a kernel needs."""
    return Refused(
        ErrorKind.FROM,
        f"the kernel needs `{name}`, which cannot be evaluated: {reason}",
        path=source.pseudo,
        line=line,
        source=source.text,
        help=["put the kernel into a cell, with the value written out"],
    )
