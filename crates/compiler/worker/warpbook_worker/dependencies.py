"""The files that a compilation depends on: those of Triton, and those that it read besides its request."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

# Modules that were imported before the first compilation.
_imported_before: set[str] = set()
# Files that were read without being imported, by their absolute paths.
_read: set[str] = set()


def files_of_triton() -> Iterator[str]:
    """What every compilation depends on: a rebuilt Triton is another one."""
    import triton

    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] == "triton" and file:
            yield file
    nvidia = os.path.join(os.path.dirname(triton.__file__), "backends", "nvidia")
    for directory in ("bin", "lib"):
        for root, _, names in os.walk(os.path.join(nvidia, directory)):
            yield from (os.path.join(root, name) for name in names if name.startswith(("ptxas", "libdevice")))


def remember_imported() -> None:
    """What is imported by now belongs to every compilation, not to one."""
    _imported_before.update(sys.modules)


def add_read(path: str) -> None:
    """A file that this compilation read."""
    _read.add(os.path.abspath(path))


def files_since() -> list[str]:
    """The files that this compilation imported or read."""
    imported = (
        getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if name not in _imported_before
    )
    found = {name for name in imported if name} | _read
    return sorted(name for name in found if os.path.isabs(name) and os.path.isfile(name))
