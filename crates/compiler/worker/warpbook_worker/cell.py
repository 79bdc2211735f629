"""The kernel that a cell defines, or that a module outside of the notebook has."""

from __future__ import annotations

import ast
import linecache
import sys
import types
from typing import Any

from . import extract
from .backend import is_kernel
from .error_kind import ErrorKind
from .errors import Refused
from .protocol import CompileTask

# The name of the module that cells are executed in.
NAMESPACE = "__warpbook_cell__"


def module_of_cell(task: CompileTask) -> types.ModuleType:
    """The module that definitions and the cell make together."""
    import triton
    import triton.language as tl

    module = types.ModuleType(NAMESPACE)
    module.__dict__.update(triton=triton, tl=tl)
    if task["entry"] == "gluon":
        from triton.experimental import gluon
        from triton.experimental.gluon import language as gl

        module.__dict__.update(gluon=gluon, gl=gl, ttgl=gl)
    sys.modules[NAMESPACE] = module
    taken = {task["cell_path"]}
    for definition in task["definitions"]:
        path, count = definition["path"], 1
        while path in taken:
            path, count = f"{definition['path'].removesuffix('.py')}.{count}.py", count + 1
        taken.add(path)
        execute(definition["text"], path, module)
    execute(task["text"], task["cell_path"], module)
    return module


def execute(text: str, path: str, module: types.ModuleType) -> None:
    """Runs a text in a module; `linecache` has its lines, for Triton and for tracebacks."""
    linecache.cache[path] = (len(text), None, text.splitlines(True), path)
    # The future statements of this file are none of the cell's.
    exec(compile(text, path, "exec", dont_inherit=True), module.__dict__)


def find_kernel(task: CompileTask) -> Any:
    """The kernel that the request means: by `--from`, by its name, or the last one of the cell."""
    if task["from_module"]:
        return extract.kernel(task["from_module"], task["search_path"])
    module, name = module_of_cell(task), task["name"]
    kernels = [key for key, value in vars(module).items() if is_kernel(value)]
    if name is None:
        defined = [node.name for node in ast.parse(task["text"]).body if isinstance(node, ast.FunctionDef)]
        own = [each for each in defined if each in kernels]
        if not own:
            help = ["put `@triton.jit` above the function"]  # noqa: A001
            raise Refused(ErrorKind.NO_KERNEL, "the cell defines no kernel", help=help)
        name = own[-1]
    if name not in kernels:
        exists = hasattr(module, name)
        raise Refused(
            ErrorKind.UNKNOWN_KERNEL,
            f"`{name}` is not a kernel" if exists else f"no kernel is named `{name}`",
            candidates=[each for each in kernels if each != name],
            help=["put `@triton.jit` above the function"] if exists else [],
            argument="",
        )
    return getattr(module, name)
