"""Reads the worker's package from standard input and starts it: nothing is installed or written anywhere.

The first frame is a length (4 bytes, little endian) and JSON: the source of each module by its dotted name.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import struct
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType


class SourceFinder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads the modules whose sources it was given."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.sources:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=self.is_package(fullname))

    def is_package(self, fullname: str) -> bool:
        return any(name.startswith(f"{fullname}.") for name in self.sources)

    def get_source(self, fullname: str) -> str:
        return self.sources[fullname]

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.sources[fullname], f"<{fullname}>")


def read(size: int) -> bytes:
    """Reads exactly `size` bytes; without a buffer, so that nothing of the next frame is taken."""
    data = b""
    with open(0, "rb", closefd=False, buffering=0) as stdin:
        while len(data) < size:
            part = stdin.read(size - len(data))
            if not part:
                sys.exit("the kernel went away")
            data += part
    return data


def main() -> None:
    sources: dict[str, str] = json.loads(read(struct.unpack("<I", read(4))[0]))
    sys.meta_path.insert(0, SourceFinder(sources))
    from warpbook_worker import server

    server.main()


if __name__ == "__main__":
    main()
