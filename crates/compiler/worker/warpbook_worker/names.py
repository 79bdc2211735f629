"""The names that a statement of a file binds and reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator

# Methods that change what a name is bound to: `CONFIGS.append(…)`.
CHANGING = {"append", "extend", "update", "insert", "add", "setdefault"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def bound_names(statement: ast.stmt) -> list[str]:
    """The names that a statement binds, or changes in place (`CONFIGS.append(…)`)."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    names: list[str] = []
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.append(node.name)
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names.extend(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if isinstance(node.func.value, ast.Name) and node.func.attr in CHANGING:
                names.append(node.func.value.id)
        elif isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            # `TABLE["key"] = …`, `kernel.attribute = …`
            if isinstance(node.value, ast.Name):
                names.append(node.value.id)
        elif isinstance(node, ast.Lambda):
            continue
        pending.extend(ast.iter_child_nodes(node))
    return list(dict.fromkeys(names))


def read_names(node: ast.AST) -> set[str]:
    """Every name that a part of a file reads, in nested functions too."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Store)}


def immediate_names(statement: ast.AST) -> set[str]:
    """The names that are read when a statement is executed: not those in the bodies of functions."""
    return {node.id for node in outside_of_functions(statement) if isinstance(node, ast.Name)}


def outside_of_functions(statement: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement but those in the bodies of functions."""
    pending = [statement]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.Lambda):
            pending.append(node.args)
        elif isinstance(node, FUNCTIONS):
            pending += [node.args, *getattr(node, "decorator_list", [])]
        else:
            pending.extend(ast.iter_child_nodes(node))


def decorator_name(decorator: ast.expr) -> str | None:
    """The last part of a decorator's name: `jit` of `@triton.jit(debug=True)`."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    name: str | None = getattr(target, "attr", getattr(target, "id", None))
    return name


def is_jit(statement: ast.AST) -> bool:
    """True for a function with a `jit` among its decorators."""
    return isinstance(statement, ast.FunctionDef) and any(
        decorator_name(each) == "jit" for each in statement.decorator_list
    )


def returns_value(function: ast.FunctionDef) -> bool:
    """True if a function returns a value: it is a helper of kernels, not a kernel.

    What is returned by a call that has no value, such as `return tl.store(…)`, does not count.
    """
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            continue
        if isinstance(node, ast.Return) and node.value is not None:
            value = node.value
            is_none = isinstance(value, ast.Constant) and value.value is None
            effects = ("store", "device_print", "device_assert", "static_print", "static_assert", "debug_barrier")
            is_effect = isinstance(value, ast.Call) and decorator_name(value) in effects
            if not is_none and not is_effect:
                return True
        pending.extend(ast.iter_child_nodes(node))
    return False
