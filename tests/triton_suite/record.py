"""Writes launches to a folder, so that they can be repeated on a GPU and compared byte for byte.

`WARPBOOK_RECORD` names the folder. In it:

- `ptx/HASH.ptx.z`: the PTX of a module, compressed with zlib, named by the first 16 digits of its SHA-256;
- `launches/PROCESS-NUMBER.z`: one launch, compressed: a line of JSON, then the bytes of every range before the launch
  and of every changed range after it, in order;
- `left-out.jsonl`: launches that are not written, with the reason: over `WARPBOOK_RECORD_BYTES` (16 MiB unless said
  otherwise) or failed.

The line has `module`, `entry`, `capability`, `grid`, `block`, `cluster`, `shared`, `cooperative`, `test` (the test's
id), `arguments` (hexadecimal, as wide as the parameters), `ranges` (address and bytes) and `changed` (indices of ranges).
An argument, or 8 aligned bytes of memory, whose value lies in a range is an address: a repeat places the ranges at the
same addresses or moves such values.
"""

import ctypes
import hashlib
import itertools
import json
import os
import zlib
from pathlib import Path

FOLDER = os.environ.get("WARPBOOK_RECORD")
LIMIT = int(os.environ.get("WARPBOOK_RECORD_BYTES", str(16 << 20)))
COUNTER = itertools.count()


class Recording:
    """A launch whose memory before it is kept."""

    def __init__(self, request):
        self.request = request
        self.before = contents(request)

    def fail(self, code):
        leave_out(self.request, code)

    def end(self):
        request = self.request
        after = contents(request)
        changed = [index for index, found in enumerate(after) if found != self.before[index]]
        text = request.ptx.encode()
        name = hashlib.sha256(text).hexdigest()[:16]
        module = Path(FOLDER, "ptx", f"{name}.ptx.z")
        if not module.exists():
            write(module, zlib.compress(text))
        head = {
            "module": name, "entry": request.entry, "capability": request.capability, "grid": request.grid,
            "block": request.block, "cluster": request.cluster, "shared": request.shared,
            "cooperative": request.cooperative, "test": test(),
            "arguments": [value.hex() for value in request.arguments],
            "ranges": [[area.address, area.size] for area in request.areas], "changed": changed,
        }  # fmt: skip
        write(
            Path(FOLDER, "launches", f"{os.getpid()}-{next(COUNTER):06}.z"),
            packed(head, self.before, [after[index] for index in changed]),
        )


def begin(request):
    """Notes the memory before a launch: an observer of `warpbook.triton.driver`."""
    bytes_in_all = sum(area.size for area in request.areas)
    if bytes_in_all > LIMIT:
        leave_out(request, f"{bytes_in_all} bytes of memory")
        return None
    return Recording(request)


def contents(request):
    return [ctypes.string_at(area.address, area.size) for area in request.areas]


def leave_out(request, reason):
    line = json.dumps({"entry": request.entry, "test": test(), "reason": reason})
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    with open(Path(FOLDER, "left-out.jsonl"), "a") as file:
        file.write(line + "\n")


def test():
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]


def write(path, content):
    """Writes a file whole, whoever else writes it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_bytes(content)
    partial.rename(path)


def packed(head, before, after):
    """A recorded launch as bytes of a file: its head, each range before it, and those that it changed, in order."""
    return zlib.compress(b"".join([json.dumps(head).encode(), b"\n", *before, *after]), 1)


def read(path):
    """A recorded launch: its head, the ranges before it, and {index: bytes} of those that it changed."""
    head, _, rest = zlib.decompress(Path(path).read_bytes()).partition(b"\n")
    head = json.loads(head)
    before = []
    for _, length in head["ranges"]:
        before.append(rest[:length])
        rest = rest[length:]
    after = {}
    for index in head["changed"]:
        length = head["ranges"][index][1]
        after[index] = rest[:length]
        rest = rest[length:]
    return head, before, after
