"""Stand-ins for what is imported from modules that are not there: they answer anything."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

# How often a stand-in was taken for a value: what was made of it is a guess.
_guesses = 0


def guesses() -> int:
    """How often a stand-in was taken for a value so far."""
    return _guesses


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
        return nothing(name)

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        # As a decorator it leaves the function alone.
        if len(arguments) == 1 and not keywords and isinstance(arguments[0], types.FunctionType):
            return arguments[0]
        return cls

    def __bool__(cls) -> bool:
        return bool(guess(False))

    def __iter__(cls) -> Iterator[Any]:
        found: Iterator[Any] = guess(iter(()))
        return found

    def __eq__(cls, other: object) -> bool:
        return bool(guess(cls is other))

    def __hash__(cls) -> int:
        return id(cls)

    def _zero(cls, *_: object) -> int:
        return int(guess(0))

    def _itself(cls, *_: object) -> Any:
        return cls

    def _false(cls, *_: object) -> bool:
        return bool(guess(False))

    def __exit__(cls, *_: object) -> None:
        return None

    __int__ = __index__ = __len__ = _zero
    __or__ = __ror__ = __add__ = __radd__ = __sub__ = __mul__ = __rmul__ = _itself
    __truediv__ = __floordiv__ = __mod__ = __getitem__ = __enter__ = _itself
    __lt__ = __gt__ = __le__ = __ge__ = __contains__ = _false


def nothing(name: str) -> Any:
    """A stand-in of that name."""
    return Nothing(name, (), {"__call__": lambda self, *_, **__: self})


class AbsentModule(types.ModuleType):
    """A module that is not there."""

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return "2.8.0"
        if name.startswith("__"):
            raise AttributeError(name)
        value = nothing(name)
        setattr(self, name, value)
        return value
