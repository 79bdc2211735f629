"""One file of a package: its statements by the names that they bind, executed in order as far as a name needs them.

A statement inside of `if` and `try` at the top of a file stands for itself. Where a condition cannot be decided without
an absent module, a name that only one of the branches binds has but one value, and is taken; of several, none is.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import linecache
import os
import signal
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from . import dependencies, rewrite
from .error_kind import ErrorKind
from .errors import Refused
from .names import bound_names, immediate_names, is_jit, read_names
from .stand_ins import guesses, is_absent, nothing

# Seconds of processor time that one statement of a package may take: a stand-in can make a loop endless.
LIMIT = 20.0


class Modules(Protocol):
    """Where a file's imports come from."""

    # Top-level names of the packages whose files are taken by their syntax trees.
    roots: set[str]

    def module(self, name: str) -> Any:
        """What `import name` gives."""

    def source(self, name: str) -> Source | None:
        """The file of a module, by its dotted name; None if there is none."""

    def check_there(self, name: str) -> None:
        """Raises ModuleNotFoundError for a package that is not installed, unless kernels are written beside it."""

    def builtins_for(self, source: Source) -> dict[str, Any]:
        """Builtins whose `import` asks these modules."""

    def by_globals(self) -> dict[int, Source]:
        """The files by the identity of their names."""

    def by_module(self) -> dict[int, Source]:
        """The files by the identity of their modules."""


class Part:
    """A branch that statements stand in: one of an `if`, or one of a `try`."""

    def __init__(self, node: ast.If | ast.Try, name: str, outer: Part | None) -> None:
        # `body`, `orelse`, `handlers`, `finalbody`.
        self.node, self.name, self.outer = node, name, outer

    def chain(self) -> Iterator[Part]:
        """This branch and those around it, the outermost first."""
        if self.outer is not None:
            yield from self.outer.chain()
        yield self


@dataclass(eq=False)
class Unit:
    """A statement, or one name of an import statement."""

    number: int
    statement: ast.stmt
    alias: ast.alias | None
    part: Part | None
    binds: list[str]
    done: bool = False

    def chain(self) -> list[Part]:
        """The branches that it stands in, the outermost first."""
        return list(self.part.chain()) if self.part is not None else []


class Source:
    """One file: its statements by the names that they bind, and what was executed so far."""

    def __init__(self, modules: Modules, name: str, path: str, pseudo: str) -> None:
        self.modules, self.name, self.path = modules, name, path
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
        self.globals: dict[str, Any] = {
            "__name__": name,
            "__file__": pseudo,
            "__builtins__": builtins,
            "__doc__": None,
            "__package__": self.package(),
            **rewrite.NAMES,
        }
        self.module = self.as_module()
        self.flags = 0
        self.units: list[Unit] = []
        # The units that bind a name.
        self.binders: dict[str, list[Unit]] = {}
        # `from x import *`
        self.stars: list[Unit] = []
        # The units of each `try`, which belong together.
        self.tries: dict[ast.Try, list[Unit]] = {}
        # The branches that are taken of `if` and `try`, or None where only an absent module knows.
        self.decided: dict[ast.AST, tuple[str, ...] | None] = {}
        # Names whose statement failed, with its line and why.
        self.broken: dict[str, tuple[int, Exception]] = {}
        # Plain values that a stand-in made up, and names that have several values of which one cannot be chosen.
        self.guessed: dict[str, int] = {}
        self.open: dict[str, int] = {}
        # The name that was asked for: its branch is the one that is meant.
        self.wanted: str | None = None
        for statement in self.tree.body:
            self.index(statement, None)

    def package(self) -> str:
        """The package that the file is in."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def as_module(self) -> types.ModuleType:
        """The file as other statements see it: a name is evaluated when it is asked for."""
        module = types.ModuleType(self.name)

        def answer(name: str) -> Any:
            if name == "__version__" and name not in self.binders:
                return "0.0.0"
            if name.startswith("__") and name not in self.binders:
                raise AttributeError(name)
            return self.attribute(name)

        module.__dict__["__getattr__"] = answer
        return module

    def index(self, statement: ast.stmt, part: Part | None) -> None:
        """Notes the names that a statement binds, and goes into `if` and `try`."""
        if isinstance(statement, ast.If):
            for name in ("body", "orelse"):
                inner = Part(statement, name, part)
                for each in getattr(statement, name):
                    self.index(each, inner)
        elif isinstance(statement, ast.Try):
            for name in ("body", "handlers", "orelse", "finalbody"):
                inner = Part(statement, name, part)
                found = getattr(statement, name)
                if name == "handlers":
                    found = [each for handler in found for each in handler.body]
                for each in found:
                    self.index(each, inner)
        elif isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                self.flags |= getattr(__future__, alias.name).compiler_flag
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                name = alias.asname or alias.name
                name = name if isinstance(statement, ast.ImportFrom) or alias.asname else name.partition(".")[0]
                self.add(statement, alias, part, [] if name == "*" else [name])
        else:
            self.add(statement, None, part, bound_names(statement))

    def add(self, statement: ast.stmt, alias: ast.alias | None, part: Part | None, binds: list[str]) -> None:
        """Adds a unit."""
        unit = Unit(len(self.units), statement, alias, part, binds)
        self.units.append(unit)
        for name in binds:
            self.binders.setdefault(name, []).append(unit)
        if alias is not None and alias.name == "*":
            self.stars.append(unit)
        for each in unit.chain():
            if isinstance(each.node, ast.Try):
                self.tries.setdefault(each.node, []).append(unit)

    def open_function(self, name: str) -> bool:
        """Takes the statements of the function that makes a kernel when it is called as statements of the file.

        What depends on the function's parameters has no value. Returns False if there is no such function.
        """
        for outer in ast.walk(self.tree):
            if not isinstance(outer, ast.FunctionDef) or not any(is_named(each, name) for each in outer.body):
                continue
            for each in ast.walk(outer.args):
                if isinstance(each, ast.arg):
                    self.globals[each.arg] = nothing(each.arg)
                    error = NameError(f"it is a parameter of `{outer.name}`, which makes the kernel")
                    self.broken[each.arg] = (each.lineno, error)
            for statement in outer.body:
                self.index(statement, None)
            return True
        return False

    def attribute(self, name: str) -> Any:
        """A name of this module, or a submodule."""
        if self.need(name):
            return self.globals[name]
        found = self.modules.source(f"{self.name}.{name}") if self.is_package else None
        if found is not None:
            return found.module
        if self.need("__getattr__"):
            return self.globals["__getattr__"](name)
        raise AttributeError(f"{self.pseudo} has no `{name}`")

    def need(self, name: str) -> bool:
        """Evaluates a name, with all that it needs; returns False if there is none."""
        if name in self.binders:
            for unit in self.closure(name):
                if not unit.done:
                    self.run(unit)
        elif name not in self.globals:
            self.from_star(name)
        return name in self.globals

    def from_star(self, name: str) -> None:
        """Takes a name out of what is imported with `*`."""
        for unit in reversed(self.stars):
            try:
                module = self.imported_module(unit.statement)  # type: ignore[arg-type]
                self.globals[name] = getattr(module, name)
                return
            except (AttributeError, ModuleNotFoundError):
                continue

    def closure(self, name: str) -> list[Unit]:
        """The units that a name needs, in the order of the file."""
        found: set[Unit] = set()
        pending, seen = [name], {name}

        def add_names(names: Iterable[str]) -> None:
            for each in names:
                if each not in seen:
                    seen.add(each)
                    pending.append(each)

        def add(unit: Unit) -> None:
            if unit in found:
                return
            found.add(unit)
            if unit.alias is None:
                add_names(read_names(unit.statement))
            for part in unit.chain():
                if isinstance(part.node, ast.If):
                    add_names(read_names(part.node.test))
                else:
                    for each in self.tries[part.node]:
                        add(each)

        while pending:
            each = pending.pop()
            for unit in self.binders.get(each, ()):
                add(unit)
            if self.stars and each not in self.binders and each not in self.globals and not hasattr(builtins, each):
                self.from_star(each)
        return sorted(found, key=lambda unit: unit.number)

    def run(self, unit: Unit) -> None:
        """Executes a unit, if it is in the branch that is taken."""
        unit.done = True
        sure = True
        for part in unit.chain():
            taken = self.branch(part.node)
            if taken is None:
                sure = False
                if part.name != "finalbody" and not self.is_meant(unit, part):
                    return
            elif part.name not in taken:
                return
        if sure:
            for name in unit.binds:
                self.open.pop(name, None)
        if unit.alias is not None:
            self.bind_import(unit)
        else:
            self.execute(unit)

    def branch(self, node: ast.If | ast.Try) -> tuple[str, ...] | None:
        """The branches that are taken of a statement; None if only an absent module knows."""
        if node in self.decided:
            return self.decided[node]
        if isinstance(node, ast.Try):
            # Until something in it fails.
            return ("body", "orelse", "finalbody")
        before = guesses()
        taken: tuple[str, ...] | None
        try:
            with limited(self, node.lineno):
                expression = ast.Expression(rewrite.expression(node.test))
                taken = ("body",) if eval(self.compiled(expression, "eval"), self.globals) else ("orelse",)
        except Refused:
            raise
        except Exception:  # it asks for what is not here
            taken = None
        if guesses() > before or self.is_doubtful(node.test):
            taken = None
        self.decided[node] = taken
        return taken

    def is_doubtful(self, node: ast.AST) -> bool:
        """True if what is evaluated depends on a name that only an absent module knows, in a called function too."""
        pending, seen = list(immediate_names(node)), set()
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in self.guessed or name in self.open or name in self.broken:
                return True
            for unit in self.binders.get(name, ()):
                if isinstance(unit.statement, ast.FunctionDef) and not is_jit(unit.statement):
                    pending += read_names(unit.statement)
        return False

    def is_meant(self, unit: Unit, part: Part) -> bool:
        """True if a unit is the one to take, although it is not known whether its branch is taken."""
        meant = bool(unit.binds)
        own_jit, own_import = is_jit(unit.statement), imports_triton(unit)
        for name in unit.binds:
            if name == self.wanted and own_jit:
                continue
            others = [other for other in self.binders[name] if not self.is_same_branch(other, part)]
            others = [other for other in others if other.alias or self.is_possible(other)]
            if not others:
                continue
            if not self.is_possible(unit):
                return False
            jitted = any(is_jit(other.statement) for other in others)
            imports = [other for other in others if imports_triton(other) and self.is_possible(other)]
            # A kernel calls jitted functions only, and Triton is there: what is in their place is for other machines.
            if (own_jit and not jitted and not any(other.alias for other in others)) or (
                own_import and all(is_same_import(unit, other) for other in imports)
            ):
                continue
            if (not own_jit and jitted and unit.alias is None) or (not own_import and imports):
                return False
            self.open[name] = part.node.lineno
            meant = meant and part.name in ("body" if isinstance(part.node, ast.Try) else "orelse", "finalbody")
        return meant

    def is_possible(self, unit: Unit) -> bool:
        """True if what a unit imports or names is there: the Triton of another machine is not."""
        try:
            if isinstance(unit.statement, ast.Assign) and is_dotted(unit.statement.value):
                eval(self.compiled(ast.Expression(unit.statement.value), "eval"), self.globals)
            elif isinstance(unit.statement, ast.ImportFrom) and unit.alias is not None:
                member(self.modules, self.imported_module(unit.statement), unit.alias.name)
            elif unit.alias is not None:
                self.modules.module(unit.alias.name)
        except Exception:  # whatever it is, it is not for here
            return False
        return True

    def is_same_branch(self, other: Unit, part: Part) -> bool:
        """True if another unit stands in the same branch."""
        return any(each.node is part.node and each.name == part.name for each in other.chain())

    def execute(self, unit: Unit) -> None:
        """Executes a statement; one that fails leaves stand-ins."""
        statement = unit.statement
        code = self.compiled(ast.Module([rewrite.statement(statement)], []), "exec")
        before = guesses()
        doubtful = self.is_doubtful(statement)
        try:
            with limited(self, statement.lineno):
                exec(code, self.globals)
        except Refused:
            raise
        except Exception as error:  # it may be one that the kernel has no use for
            self.fail(unit, error)
            return
        if guesses() > before or doubtful:
            self.guessed.update(dict.fromkeys(unit.binds, statement.lineno))
        else:
            for name in unit.binds:
                self.guessed.pop(name, None)

    def compiled(self, tree: ast.Module | ast.Expression, mode: str) -> types.CodeType:
        """The code of a part of the file. Imports inside of it ask this extraction."""
        self.globals["__builtins__"] = self.modules.builtins_for(self)
        code: types.CodeType = compile(tree, self.pseudo, mode, flags=self.flags, dont_inherit=True)
        return code

    def fail(self, unit: Unit, error: Exception) -> None:
        """Notes a statement that failed. In a `try` the handlers are next."""
        for part in reversed(unit.chain()):
            if isinstance(part.node, ast.Try) and part.name == "body" and part.node.handlers:
                self.decided[part.node] = ("handlers", "finalbody")
                return
        for name in unit.binds:
            self.globals.setdefault(name, nothing(name))
            self.broken[name] = (unit.statement.lineno, error)

    def imported_module(self, statement: ast.ImportFrom) -> Any:
        """The module that a `from` statement names."""
        return self.modules.module(self.from_name(statement))

    def from_name(self, statement: ast.stmt) -> str:
        """The full name of the module that a `from` statement names."""
        assert isinstance(statement, ast.ImportFrom)
        name = statement.module or ""
        return self.absolute(name, statement.level) if statement.level else name

    def absolute(self, name: str, level: int) -> str:
        """The full name of a module that is named with so many dots before it."""
        base = self.package().split(".")
        base = base[: len(base) - (level - 1)]
        return ".".join(base + ([name] if name else []))

    def bind_import(self, unit: Unit) -> None:
        """Binds one name of an import statement."""
        statement, alias = unit.statement, unit.alias
        assert alias is not None
        if alias.name == "*":
            return
        name = unit.binds[0]
        # What is not there fails where the file provides for that.
        is_tried = any(isinstance(part.node, ast.Try) and part.name == "body" for part in unit.chain())
        try:
            if is_tried:
                module_name = alias.name if isinstance(statement, ast.Import) else self.from_name(statement)
                self.modules.check_there(module_name)
            if isinstance(statement, ast.Import):
                module = self.modules.module(alias.name)
                self.globals[name] = module if alias.asname else self.modules.module(name)
                self.doubt_absent(unit, module)
                return
            assert isinstance(statement, ast.ImportFrom)
            module = self.imported_module(statement)
            self.doubt_absent(unit, module)
            self.globals[name] = member(self.modules, module, alias.name)
        except Refused:
            raise
        except Exception as error:
            self.fail(unit, error)

    def doubt_absent(self, unit: Unit, module: Any) -> None:
        """Notes that an import in a `try` succeeded only because of a stand-in: its handlers may be meant."""
        if not is_absent(module):
            return
        for part in unit.chain():
            if isinstance(part.node, ast.Try) and part.name == "body" and part.node.handlers:
                self.decided[part.node] = None


def is_named(statement: ast.stmt, name: str) -> bool:
    """True for a jitted function of that name."""
    return is_jit(statement) and isinstance(statement, ast.FunctionDef) and statement.name == name


def member(modules: Modules, module: Any, name: str) -> Any:
    """What `from module import name` gives: a name of the module, or a submodule."""
    try:
        return getattr(module, name)
    except AttributeError:
        pass
    try:
        return modules.module(f"{module.__name__}.{name}")
    except ModuleNotFoundError:
        raise ImportError(f"cannot import name '{name}' from '{module.__name__}'") from None


def is_dotted(node: ast.AST) -> bool:
    """True for a dotted name of Triton's: `tl.math.tanh`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in ("tl", "triton", "libdevice")


def is_same_import(one: Unit, other: Unit) -> bool:
    """True if two units import the same thing."""
    modules = [each.statement.module if isinstance(each.statement, ast.ImportFrom) else None for each in (one, other)]
    names = [each.alias.name if each.alias is not None else None for each in (one, other)]
    return modules[0] == modules[1] and names[0] == names[1]


def imports_triton(unit: Unit) -> bool:
    """True if a unit imports from Triton, which is there."""
    if isinstance(unit.statement, ast.ImportFrom):
        return not unit.statement.level and (unit.statement.module or "").partition(".")[0] == "triton"
    return unit.alias is not None and unit.alias.name.partition(".")[0] == "triton"


@contextmanager
def limited(source: Source, line: int) -> Iterator[None]:
    """Refuses a statement that takes too long."""

    def stop(*_: object) -> None:
        raise Refused(
            ErrorKind.FROM,
            f"this statement of {source.pseudo} does not come to its end",
            path=source.pseudo,
            line=line,
            source=source.text,
            help=["it may wait for a module that is not imported; put the kernel into a cell"],
        )

    outer: Callable[..., object] | int | None = signal.getsignal(signal.SIGVTALRM)
    if callable(outer):
        # A statement that another one leads to.
        yield
        return
    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, outer if outer is not None else signal.SIG_DFL)
