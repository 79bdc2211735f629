"""Takes a kernel out of a package by its syntax tree, without importing the package.

The file is parsed, and only those of its top-level statements are executed that the kernel needs: what it and its
decorators name, what those name, and so on, into other files where a name is imported from the package itself. What
is imported from a module that is not there (torch, transformers) is a stand-in that answers anything; a kernel's code
has no use for it, only the statements around it have.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .backend import is_kernel
from .error_kind import ErrorKind
from .errors import Refused
from .names import is_jit
from .needs import check_needs, note_doubts
from .source import Source
from .stand_ins import absent_module, guess, is_absent, is_nothing

# Roots that are never imported: slow, or full of questions to a GPU.
NEVER_IMPORTED = {"torch", "transformers", "tensorflow", "jax", "einops", "datasets", "huggingface_hub"}


class Extraction:
    """The files of one extraction."""

    def __init__(self, search_path: list[str]) -> None:
        # This process ends with the compilation: what is imported really may be there too.
        sys.path[:0] = [path for path in search_path if path not in sys.path]
        self.paths = [path or "." for path in search_path + sys.path]
        # By their dotted names.
        self.sources: dict[str, Source] = {}
        self.absent: dict[str, types.ModuleType] = {}
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
                self.forget(root)
            # pip has its own copy of what packages compare versions with.
            if root == "packaging":
                try:
                    return importlib.import_module(f"pip._vendor.{name}")
                except ImportError:
                    pass
            # Another package that needs what is not here: its files are taken by their syntax trees too.
            if self.source(name) is not None or self.source(root) is not None:
                self.roots.add(root)
                return self.module(name)
        if name not in self.absent:
            self.absent[name] = absent_module(name)
        return self.absent[name]

    def check_there(self, name: str) -> None:
        """Raises ModuleNotFoundError for a package that is not installed, unless kernels are written beside it."""
        root = name.partition(".")[0]
        if root != "torch" and is_absent(self.module(name)) and find_spec_of(root) is None:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    @staticmethod
    def forget(root: str) -> None:
        """Forgets what an import that failed left behind."""
        for name in [name for name in sys.modules if name.partition(".")[0] == root]:
            del sys.modules[name]

    def namespace(self, name: str) -> types.ModuleType:
        """A directory without `__init__.py`."""
        module = types.ModuleType(name)
        module.__dict__["__getattr__"] = lambda child: self.module(f"{name}.{child}")
        return module

    def by_globals(self) -> dict[int, Source]:
        """The files by the identity of their names."""
        return {id(each.globals): each for each in self.sources.values()}

    def by_module(self) -> dict[int, Source]:
        """The files by the identity of their modules."""
        return {id(each.module): each for each in self.sources.values()}

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
            # In a function, where the statement that calls it may provide for what is not there.
            self.check_there(name)
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


def find_spec_of(root: str) -> Any:
    """What Python knows of an installed package; None if there is none."""
    try:
        return importlib.machinery.PathFinder.find_spec(root)
    except (ImportError, ValueError):
        return None


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
    source.wanted = function
    with answers_about_the_machine(source.modules.roots):
        own = any(is_jit(unit.statement) or unit.alias for unit in source.binders.get(function, ()))
        known = (own or source.open_function(function) or function in source.binders) and source.need(function)
        value = unwrapped(source.globals.get(function))
    if not known:
        raise unknown_function(function, source)
    if function in source.broken:
        line, error = source.broken[function]
        raise Refused(
            ErrorKind.FROM,
            f"`{function}` cannot be evaluated: {type(error).__name__}: {error}",
            path=source.pseudo,
            line=line,
            source=source.text,
        )
    if not is_kernel(value):
        raise Refused(
            ErrorKind.FROM,
            f"`{function}` of {source.pseudo} is not a kernel: it has no `@triton.jit`",
            argument="--from",
            notes=listed(jit_functions(source.tree)),
        )
    check_needs(value, source)
    note_doubts(value, source)
    return value


def unknown_function(function: str, source: Source) -> Refused:
    """The error for a function that a file does not have, or not where it can be taken."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.FunctionDef) or node.name == function:
            continue
        inner = [each for each in ast.walk(node) if isinstance(each, ast.FunctionDef) and each.name == function]
        if inner:
            return Refused(
                ErrorKind.FROM,
                f"`{function}` is made by the function `{node.name}` when that is called",
                path=source.pseudo,
                line=inner[0].lineno,
                source=source.text,
                help=["put the kernel into a cell, with the values that the function gives it written out"],
            )
    kernels = jit_functions(source.tree)
    message = f"{source.pseudo} has no function `{function}`"
    return Refused(ErrorKind.FROM, message, argument="--from", candidates=kernels, notes=listed(kernels))


def unwrapped(value: Any) -> Any:
    """The kernel inside of an object that a package puts around it."""
    for _ in range(8):
        if is_kernel(value) or is_nothing(value) or isinstance(value, types.ModuleType):
            break
        attributes = getattr(value, "__dict__", {})
        inner = (attributes.get(name) for name in ("fn", "kernel", "jit_fn", "func", "__wrapped__"))
        found = next((each for each in inner if each is not None and not is_nothing(each)), None)
        if found is None:
            break
        value = found
    return value


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


@contextmanager
def answers_about_the_machine(roots: set[str]) -> Iterator[None]:
    """Lets statements ask what Warpbook knows, that Triton compiles for an NVIDIA GPU; counts what it does not know."""
    from triton.backends import backends

    find_spec, version = importlib.util.find_spec, importlib.metadata.version

    def found_spec(name: str, package: str | None = None) -> Any:
        root = name.partition(".")[0]
        if root in roots or root == "triton" or root in sys.stdlib_module_names:
            return find_spec("triton") if root in roots else find_spec(name, package)
        spec = None if root in NEVER_IMPORTED else find_spec(root)
        return spec if spec is not None else guess(None)

    def version_of(distribution_name: str) -> str:
        try:
            return version(distribution_name)
        except importlib.metadata.PackageNotFoundError:
            guess(None)
            raise

    saved = {each.driver: each.driver.__dict__.get("is_active") for each in backends.values()}
    importlib.util.find_spec, importlib.metadata.version = found_spec, version_of
    for name, each in backends.items():
        each.driver.is_active = staticmethod(lambda name=name: name == "nvidia")
    try:
        yield
    finally:
        importlib.util.find_spec, importlib.metadata.version = find_spec, version
        for driver, own in saved.items():
            driver.is_active = own


def jit_functions(tree: ast.Module) -> list[str]:
    """The functions of a file that have `@triton.jit`."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and is_jit(node):
            found.append(node.name)
    return found


def listed(names: list[str]) -> list[str]:
    """A note with the kernels of a file."""
    return ["its kernels: " + ", ".join(names[:20])] if names else ["it has no `@triton.jit` function"]
