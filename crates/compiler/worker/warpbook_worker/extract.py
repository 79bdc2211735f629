"""Takes a kernel out of a package by its syntax tree, without importing the package.

The file is parsed, and only those of its top-level statements are executed that the kernel needs: what it and its
decorators name, what those name, and so on, into other files where a name is imported from the package itself. What
is imported from a module that is not there (torch, transformers) is a stand-in that answers anything; a kernel's code
has no use for it, only the statements around it have.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import difflib
import importlib
import linecache
import os
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

from . import dependencies
from .backend import is_kernel
from .error_kind import ErrorKind
from .errors import Refused
from .stand_ins import AbsentModule, Nothing, guesses, nothing

# Roots that are never imported: slow, or full of questions to a GPU.
NEVER_IMPORTED = {"torch", "transformers", "tensorflow", "jax", "einops", "datasets", "huggingface_hub"}


class SourceModule(types.ModuleType):
    """A module of the package as other statements see it: a name is evaluated when it is asked for."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.name)
        self.__dict__["_source"] = source

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return "0.0.0"
        if name.startswith("__"):
            raise AttributeError(name)
        return self.__dict__["_source"].attribute(name)


class Source:
    """One file: its top-level statements by the names that they bind, and what was executed so far."""

    def __init__(self, extraction: Extraction, name: str, path: str, pseudo: str) -> None:
        self.extraction, self.name, self.path = extraction, name, path
        # The path that messages and the IR name the file by.
        self.pseudo = pseudo
        self.is_package = os.path.basename(path) == "__init__.py"
        dependencies.add_read(path)
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        linecache.cache[pseudo] = (len(self.text), None, self.text.splitlines(True), pseudo)
        try:
            self.tree = ast.parse(self.text, pseudo)
        except SyntaxError as error:
            raise Refused(
                ErrorKind.FROM,
                f"{pseudo} is not valid Python: {error.msg}",
                path=pseudo,
                line=error.lineno,
                column=error.offset,
                source=self.text,
            ) from None
        self.globals = {
            "__name__": name,
            "__file__": pseudo,
            "__builtins__": builtins,
            "__doc__": None,
            "__package__": self.package(),
        }
        self.module = SourceModule(self)
        self.flags = 0
        # The statements that bind a name; of an import statement, the name's own part.
        self.binders: dict[str, list[tuple[ast.stmt, ast.alias | None]]] = {}
        # `from x import *`
        self.stars: list[ast.ImportFrom] = []
        # Names whose statement failed, with its line and why, and names whose value a stand-in made up.
        self.broken: dict[str, tuple[int, Exception]] = {}
        self.guessed: dict[str, int] = {}
        # Statements that were executed, and those that are being executed.
        self.done: set[tuple[int, int]] = set()
        self.running: set[tuple[int, int]] = set()
        for statement in self.tree.body:
            self.index(statement)

    def package(self) -> str:
        """The package that the file is in."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def index(self, statement: ast.stmt) -> None:
        """Notes the names that a statement binds."""
        if isinstance(statement, ast.ImportFrom):
            if statement.module == "__future__":
                for alias in statement.names:
                    self.flags |= getattr(__future__, alias.name).compiler_flag
                return
            for alias in statement.names:
                if alias.name == "*":
                    self.stars.append(statement)
                else:
                    self.binders.setdefault(alias.asname or alias.name, []).append((statement, alias))
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                self.binders.setdefault(alias.asname or alias.name.partition(".")[0], []).append((statement, alias))
        else:
            for name in bound_names(statement):
                self.binders.setdefault(name, []).append((statement, None))

    def attribute(self, name: str) -> Any:
        """A name of this module, or a submodule."""
        if self.need(name):
            return self.globals[name]
        found = self.extraction.source(f"{self.name}.{name}") if self.is_package else None
        if found is not None:
            return found.module
        raise AttributeError(f"{self.pseudo} has no `{name}`")

    def need(self, name: str) -> bool:
        """Evaluates a name, with all that it needs; returns False if there is none."""
        if name in self.globals and name not in self.binders:
            return True
        found = self.binders.get(name, ())
        for statement, alias in found:
            self.run(statement, alias)
        if not found:
            for statement in self.stars:
                module = self.imported_module(statement)
                try:
                    self.globals[name] = getattr(module, name)
                    return True
                except AttributeError:
                    continue
        return name in self.globals

    def run(self, statement: ast.stmt, alias: ast.alias | None = None) -> None:
        """Executes a statement once, after what it needs."""
        key = (id(statement), id(alias))
        if key in self.done or key in self.running:
            return
        self.running.add(key)
        try:
            if alias is not None and isinstance(statement, ast.Import | ast.ImportFrom):
                self.bind_import(statement, alias)
            else:
                for name in sorted(read_names(statement)):
                    if name in self.binders or (self.stars and not hasattr(builtins, name)):
                        self.need(name)
                self.execute(statement)
        finally:
            self.running.discard(key)
            self.done.add(key)

    def execute(self, statement: ast.stmt) -> None:
        """Executes a statement; one that fails leaves stand-ins."""
        module = ast.Module([statement], [])
        code = compile(module, self.pseudo, "exec", flags=self.flags, dont_inherit=True)
        # Statements inside (`try: import …`) import for themselves.
        self.globals["__builtins__"] = self.extraction.builtins_for(self)
        before = guesses()
        try:
            exec(code, self.globals)
            if guesses() > before:
                self.guessed.update(dict.fromkeys(bound_names(statement), statement.lineno))
        except Refused:
            raise
        except Exception as error:  # it may be one that the kernel has no use for
            for name in bound_names(statement):
                self.globals.setdefault(name, nothing(name))
                self.broken[name] = (statement.lineno, error)

    def imported_module(self, statement: ast.ImportFrom) -> Any:
        """The module that a `from` statement names."""
        name = statement.module or ""
        if statement.level:
            name = self.absolute(name, statement.level)
        return self.extraction.module(name)

    def absolute(self, name: str, level: int) -> str:
        """The full name of a module that is named with so many dots before it."""
        base = self.package().split(".")
        base = base[: len(base) - (level - 1)]
        return ".".join(base + ([name] if name else []))

    def bind_import(self, statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> None:
        """Binds one name of an import statement."""
        name = alias.asname or alias.name
        try:
            if isinstance(statement, ast.Import):
                module = self.extraction.module(alias.name)
                if alias.asname is None:
                    name = alias.name.partition(".")[0]
                    module = self.extraction.module(name)
                self.globals[name] = module
                return
            module = self.imported_module(statement)
            try:
                self.globals[name] = getattr(module, alias.name)
            except AttributeError:
                self.globals[name] = self.extraction.module(f"{module.__name__}.{alias.name}")
        except Refused:
            raise
        except Exception as error:
            self.globals[name] = nothing(name)
            self.broken[name] = (statement.lineno, error)


def bound_names(statement: ast.stmt) -> list[str]:
    """The names that a top-level statement binds, or changes in place (`CONFIGS.append(…)`)."""
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
            if isinstance(node.func.value, ast.Name) and node.func.attr in {"append", "extend", "update", "insert"}:
                names.append(node.func.value.id)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            names.append(node.value.id)
        elif isinstance(node, ast.Lambda):
            continue
        pending.extend(ast.iter_child_nodes(node))
    return list(dict.fromkeys(names))


def read_names(statement: ast.stmt) -> set[str]:
    """Every name that a statement reads, in nested functions too."""
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


class Extraction:
    """The files of one extraction."""

    def __init__(self, search_path: list[str]) -> None:
        # This process ends with the compilation: what is imported really may be there too.
        sys.path[:0] = [path for path in search_path if path not in sys.path]
        self.paths = [path or "." for path in search_path + sys.path]
        # By their dotted names.
        self.sources: dict[str, Source] = {}
        self.absent: dict[str, AbsentModule] = {}
        # Top-level names of the packages whose files are taken by their syntax trees.
        self.roots: set[str] = set()

    def find(self, name: str) -> tuple[str | None, str] | None:
        """(path, pseudo path) of a module's file; a directory without `__init__.py` has the path None."""
        relative = name.replace(".", "/")
        for base in self.paths:
            for candidate in (f"{relative}/__init__.py", f"{relative}.py"):
                if os.path.isfile(os.path.join(base, candidate)):
                    return os.path.join(base, candidate), candidate
        for base in self.paths:
            if os.path.isdir(os.path.join(base, relative)):
                return None, relative
        return None

    def source(self, name: str) -> Source | None:
        """The file of a module, by its dotted name; None if there is none."""
        if name not in self.sources:
            found = self.find(name)
            if found is None:
                return None
            path, pseudo = found
            if path is None:
                return None
            self.sources[name] = Source(self, name, path, pseudo)
        return self.sources[name]

    def module(self, name: str) -> Any:
        """What `import name` gives: a module of the package by its syntax tree, a real one, or a stand-in."""
        root = name.partition(".")[0]
        if root in self.roots:
            source = self.source(name)
            if source is not None:
                return source.module
            if self.find(name) is not None:
                return self.namespace(name)
            raise ModuleNotFoundError(f"No module named '{name}'")
        if root in sys.stdlib_module_names or root == "triton":
            return importlib.import_module(name)
        if root not in NEVER_IMPORTED:
            try:
                return importlib.import_module(name)
            except Exception:  # a package that needs what is not here
                pass
        if name not in self.absent:
            self.absent[name] = AbsentModule(name)
        return self.absent[name]

    def namespace(self, name: str) -> types.ModuleType:
        """A directory without `__init__.py`."""
        module = types.ModuleType(name)
        module.__dict__["__getattr__"] = lambda child: self.module(f"{name}.{child}")
        return module

    def builtins_for(self, source: Source) -> dict[str, Any]:
        """Builtins whose `import` asks this extraction."""

        def import_(
            name: str,
            globals: object = None,  # noqa: A002 the names of `__import__`
            locals: object = None,  # noqa: A002
            fromlist: Iterable[str] | None = (),
            level: int = 0,
        ) -> Any:
            if level:
                name = source.absolute(name, level)
            module = self.module(name)
            if not fromlist:
                return module if "." not in name else self.module(name.partition(".")[0])
            for child in fromlist:
                if child != "*" and not hasattr(module, child):
                    try:
                        setattr(module, child, self.module(f"{name}.{child}"))
                    except ModuleNotFoundError:
                        raise ImportError(f"cannot import name '{child}' from '{name}'") from None
            return module

        return {**vars(builtins), "__import__": import_}


def kernel(spec: str, search_path: list[str]) -> Any:
    """The kernel that `package.module:function` or `file.py:function` names."""
    place, colon, function = spec.rpartition(":")
    if not colon or not place or not function.isidentifier():
        raise Refused(
            ErrorKind.FROM,
            "`--from` takes MODULE:FUNCTION or FILE.py:FUNCTION",
            argument="--from",
            notes=[f"found `{spec}`"],
        )
    source = source_of_file(place, search_path) if place.endswith(".py") else source_of_module(place, search_path)
    if function not in source.binders or not source.need(function):
        raise Refused(
            ErrorKind.FROM,
            f"{source.pseudo} has no function `{function}`",
            argument="--from",
            candidates=jit_functions(source.tree),
            notes=listed(jit_functions(source.tree)),
        )
    value = source.globals[function]
    if function in source.broken:
        line, error = source.broken[function]
        raise Refused(
            ErrorKind.FROM,
            f"`{function}` cannot be evaluated: {type(error).__name__}: {error}",
            path=source.pseudo,
            line=line,
            source=source.text,
        )
    if isinstance(value, Nothing) or not is_kernel(value):
        raise Refused(
            ErrorKind.FROM,
            f"`{function}` of {source.pseudo} is not a kernel: it has no `@triton.jit`",
            argument="--from",
            notes=listed(jit_functions(source.tree)),
        )
    check_needs(value, source)
    return value


def check_needs(value: Any, source: Source) -> None:
    """Refuses a kernel that reads, itself or in a function that it calls, what is not known without absent modules."""
    sources = {id(each.globals): each for each in source.extraction.sources.values()}
    pending: list[Any] = [value]
    seen: set[Callable[..., Any]] = set()
    while pending:
        function = pending.pop()
        while not isinstance(function, types.FunctionType) and hasattr(function, "fn"):
            function = function.fn
        own = sources.get(id(getattr(function, "__globals__", None)))
        if own is None or function in seen:
            continue
        seen.add(function)
        for name in function.__code__.co_names:
            check_name(name, own)
            pending.append(own.globals.get(name))


def check_name(name: str, source: Source) -> None:
    """Refuses a name that a kernel needs and that has no value of its own."""
    found = source.globals.get(name)
    bare = getattr(found, "value", found) if type(found).__name__ == "constexpr" else found
    if name in source.broken:
        line, error = source.broken[name]
        reason = f"{type(error).__name__}: {error}"
    elif isinstance(bare, Nothing):
        line, reason = next((entry[0].lineno for entry in source.binders.get(name, ())), 1), "it is not there"
    elif name in source.guessed and isinstance(bare, (bool, int, float, str)):
        line, reason = source.guessed[name], "its value depends on a module that is not imported"
    else:
        return
    raise Refused(
        ErrorKind.FROM,
        f"the kernel needs `{name}`, which cannot be evaluated: {reason}",
        path=source.pseudo,
        line=line,
        source=source.text,
        help=["put the kernel into a cell, with the value written out"],
    )


def source_of_module(name: str, search_path: list[str]) -> Source:
    """The file of a module by its dotted name; the search does not import anything."""
    extraction = Extraction(list(search_path))
    if not all(part.isidentifier() for part in name.split(".")):
        raise Refused(ErrorKind.FROM, f"`{name}` is not a module", argument="--from")
    extraction.roots.add(name.partition(".")[0])
    source = extraction.source(name)
    if source is not None:
        return source
    # The part that exists, and what is beside the part that does not.
    parent, _, last = name.rpartition(".")
    beside = []
    for base in extraction.paths:
        directory = os.path.join(base, parent.replace(".", "/"))
        if os.path.isdir(directory):
            beside += [
                entry.removesuffix(".py")
                for entry in os.listdir(directory)
                if entry.endswith(".py") or os.path.isdir(os.path.join(directory, entry))
            ]
    near = difflib.get_close_matches(last, beside, 1)
    raise Refused(
        ErrorKind.FROM,
        f"there is no module `{name}`",
        argument="--from",
        help=[f"did you mean `{parent + '.' if parent else ''}{near[0]}`?"]
        if near
        else ["it is looked for in the working directory, in PYTHONPATH and in the Python environment"],
    )


def source_of_file(path: str, search_path: list[str]) -> Source:
    """The file at a path, as a part of the package that it is in."""
    if not os.path.isfile(path):
        directory = os.path.dirname(path) or "."
        beside = [entry for entry in os.listdir(directory) if entry.endswith(".py")] if os.path.isdir(directory) else []
        near = difflib.get_close_matches(os.path.basename(path), beside, 1)
        raise Refused(
            ErrorKind.FROM,
            f"there is no file `{path}`",
            argument="--from",
            help=[f"did you mean `{os.path.join(os.path.dirname(path), near[0])}`?"] if near else [],
        )
    # Its package, for relative imports: the directories above it with an `__init__.py`.
    directory, parts = os.path.dirname(os.path.abspath(path)), [os.path.basename(path).removesuffix(".py")]
    while os.path.isfile(os.path.join(directory, "__init__.py")):
        parts.insert(0, os.path.basename(directory))
        directory = os.path.dirname(directory)
    extraction = Extraction([directory, *search_path])
    # Files beside it are taken by their syntax trees too.
    extraction.roots.update(
        entry.removesuffix(".py")
        for entry in os.listdir(directory)
        if entry.endswith(".py") or os.path.isfile(os.path.join(directory, entry, "__init__.py"))
    )
    extraction.roots -= {"triton"} | set(sys.stdlib_module_names)
    name = ".".join(parts)
    extraction.sources[name] = Source(extraction, name, path, path)
    return extraction.sources[name]


def jit_functions(tree: ast.Module) -> list[str]:
    """The functions of a file that have `@triton.jit`."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                target = decorator.func if isinstance(decorator, ast.Call) else decorator
                if getattr(target, "attr", getattr(target, "id", None)) == "jit":
                    found.append(node.name)
    return found


def listed(names: list[str]) -> list[str]:
    """A note with the kernels of a file."""
    return ["its kernels: " + ", ".join(names[:20])] if names else ["it has no `@triton.jit` function"]
