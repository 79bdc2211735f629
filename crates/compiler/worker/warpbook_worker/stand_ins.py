"""Stand-ins for what is imported from modules that are not there: they answer anything, and every answer is counted.

A statement during which a stand-in answered has a value that the absent module would decide, if it is a plain value: a
number, a text, a truth. `is` cannot be answered by an object, so the statements of a package ask `is_same` instead.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

from . import torch_facts

# How often a stand-in answered: what was made of it is a guess.
_guesses = 0


def guesses() -> int:
    """How often a stand-in answered so far."""
    return _guesses


# What functions of decorators read that a stand-in has decided before they run, by their identity.
_doubts: dict[int, str] = {}


def doubt(function: object, name: str) -> None:
    """Notes that a function reads a name whose value only an absent module knows."""
    _doubts[id(function)] = name


def doubted(function: object) -> str | None:
    """A name that the function reads and whose value only an absent module knows."""
    return _doubts.get(id(function))


def guess(value: Any) -> Any:
    """A value that a stand-in makes up."""
    global _guesses
    _guesses += 1
    return value


class Nothing(type):
    """The type of stand-ins: classes that can be called, subclassed, compared, indexed and asked for anything."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return guess(nothing(f"{cls.__name__}.{name}"))

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        return guess(cls)

    def __bool__(cls) -> bool:
        return bool(guess(False))

    def __iter__(cls) -> Iterator[Any]:
        found: Iterator[Any] = guess(iter(()))
        return found

    def __eq__(cls, other: object) -> bool:
        return bool(guess(cls is other))

    def __hash__(cls) -> int:
        return id(cls)

    def __repr__(cls) -> str:
        return str(guess(f"<{cls.__name__}, which is not imported>"))

    def __instancecheck__(cls, value: object) -> bool:
        return bool(guess(False))

    def _zero(cls, *_: object) -> int:
        return int(guess(0))

    def _real(cls, *_: object) -> float:
        return float(guess(0.0))

    def _itself(cls, *_: object) -> Any:
        return guess(cls)

    def _false(cls, *_: object) -> bool:
        return bool(guess(False))

    def _none(cls, *_: object) -> None:
        return None

    __exit__ = __setitem__ = __delitem__ = _none
    __int__ = __index__ = __len__ = _zero
    __float__ = _real
    __or__ = __ror__ = __and__ = __rand__ = __xor__ = __rxor__ = __invert__ = __neg__ = __pos__ = _itself
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = __rmatmul__ = _itself
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _itself
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __getitem__ = __enter__ = _itself
    __lt__ = __gt__ = __le__ = __ge__ = __contains__ = _false


def nothing(name: str) -> Any:
    """A stand-in of that name."""
    return Nothing(name, (), {"__call__": lambda self, *_, **__: self})


def is_nothing(value: object) -> bool:
    """True for a stand-in, and for an object of a class that a stand-in is a base of."""
    return isinstance(type(value), Nothing) or type(value) is Nothing


def is_absent(value: object) -> bool:
    """True for a module that is not there."""
    return isinstance(value, types.ModuleType) and value.__dict__.get("__absent__") is True


def is_same(left: object, right: object) -> bool:
    """What `left is right` is; a guess where one of them is a stand-in."""
    same = left is right
    return bool(guess(same)) if is_nothing(left) or is_nothing(right) else same


def absent_module(name: str) -> types.ModuleType:
    """A module that is not there. It is of the very type of modules: Triton asks for that."""
    module = types.ModuleType(name)
    facts = torch_facts.of_module(name)
    known: dict[str, Any] = {}

    def answer(child: str) -> Any:
        if child == "__version__":
            return guess("2.8.0")
        if child.startswith("__"):
            raise AttributeError(child)
        if child not in known:
            known[child] = nothing(f"{name}.{child}")
        return guess(known[child])

    module.__dict__.update(facts, __getattr__=answer, __absent__=True)
    return module
