"""Frames between the kernel and the worker, and the types of what is in them.

A frame is a length (4 bytes, little endian) and JSON. The kernel's side is `crates/compiler/src/worker/protocol.rs`,
with the same names. To the worker goes `{"cancel": id}`, which kills the child of a running request, or a request: its
`id`, its `task` and the task's own fields. From the worker come, each an object with one key:

- `ready` or `failed`, once, when Triton is imported;
- `progress`, any number of times during a request;
- `done`, once for each request.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any, Literal, TypedDict

Stage = Literal["triton", "gluon", "glir", "ttir", "ttgir", "llir", "ptx", "cubin"]


class Definition(TypedDict):
    """An earlier cell whose functions the kernel may use."""

    path: str
    text: str


class Argument(TypedDict):
    """An argument of the launch: what it is, and its value.

    `buffer` and `descriptor` have an object (`BufferValue`, `DescriptorValue`), `int` `bool` `str` the value itself,
    `float` its text (JSON has no infinity and no NaN), `dtype` Triton's name, `function` a name of the cell, `python`
    an expression of the cell's names, `tuple` a list of arguments, `none` nothing.
    """

    kind: str
    value: Any


class BufferValue(TypedDict):
    """A device buffer; strides in elements."""

    dtype: str
    address: int
    shape: list[int]
    strides: list[int]


class DescriptorValue(BufferValue):
    """A tensor in memory, and the box that TMA copies."""

    block: list[int]
    # How the box lies in shared memory, for Gluon: a layout as an expression, or the bytes of its swizzle.
    layout: str | None
    swizzle: int | None


class CompileTask(TypedDict):
    """A compilation."""

    id: int
    task: Literal["compile"]
    entry: Stage
    until: Stage
    # Compute capability as one number: 90 is 9.0.
    capability: int
    # The kernel to take where the text has several.
    name: str | None
    text: str
    # The name of the text's file in the IR, without its extension.
    path: str
    # The path that Python and the IR name the cell by.
    cell_path: str
    options: dict[str, Any]
    definitions: list[Definition]
    # `package.module:function` or `file.py:function`, where the kernel is not in `text`.
    from_module: str | None
    search_path: list[str]
    args: list[Argument]
    keywords: list[tuple[str, Argument]]
    # Index of the autotuner's configuration.
    config: int | None
    # True if passes are run one at a time and their texts kept.
    record: bool
    skip: list[str]
    until_pass: str | None
    after_pass: str | None


class DisassembleTask(TypedDict):
    """A listing of machine code."""

    id: int
    task: Literal["disassemble"]
    # The ELF file, in base 64.
    cubin: str


Task = CompileTask | DisassembleTask


class TextOutcome(TypedDict):
    """What a stage produced: a text."""

    stage: Stage
    seconds: float
    text: str


class BinaryOutcome(TypedDict):
    """What a stage produced: bytes, in base 64."""

    stage: Stage
    seconds: float
    base64: str


class BoundParameter(TypedDict):
    """One runtime parameter of the compiled kernel."""

    name: str
    # Indices into the parameter, where it is a tuple.
    path: list[int]
    # Triton's name of the type: `*fp16`, `i32`.
    ty: str
    # The value, where the launch did not give it.
    value: Any
    # `tt.divisibility` that the code is compiled under.
    divisibility: int | None


class Binding(TypedDict):
    """How the arguments of a launch were bound to a kernel's parameters."""

    names: list[str]
    constants: list[tuple[str, Any]]
    params: list[BoundParameter]
    specialised: list[tuple[str, str]]
    # Number of configurations of the autotuner, and the one that was taken in Triton's words.
    configs: int
    config: str


class BeforePass(TypedDict):
    """A pass that failed or ended the process, and what it was given."""

    stage: Stage
    # `pass` is a word of Python's.
    label: str
    previous: str | None
    start: str | None
    text: str | None
    reproducer: str | None


class PassRecord(TypedDict):
    """One pass that ran, or that was left out."""

    stage: Stage
    name: str
    # Which one of that name, from 1, over all stages.
    count: int
    arguments: list[str]
    seconds: float
    # Why it was left out.
    skipped: str | None
    # The module after it, where it changed it.
    text: str | None
    # What the compiler said, where it failed, and what it was given.
    failed: str | None
    before: BeforePass | None


class RecordedPasses(TypedDict):
    """Every pass of a compilation."""

    # The module before the first one.
    start: str
    passes: list[PassRecord]


class CompileResult(TypedDict):
    """A compilation that succeeded, or one whose passes are recorded until the one that failed."""

    task: Literal["compile"]
    stages: list[TextOutcome | BinaryOutcome]
    # The compiler's metadata as it came.
    metadata: dict[str, Any]
    binding: Binding | None
    warnings: list[str]
    # Files that the compilation read besides its request.
    files: list[str]
    recorded: RecordedPasses | None
    # The lines of a kernel that is not in the request.
    source: str | None


class DisassembleResult(TypedDict):
    """The listing of `nvdisasm`."""

    task: Literal["disassemble"]
    text: str


Result = CompileResult | DisassembleResult


class ErrorReport(TypedDict):
    """Why there is no result. A place is the innermost line of a text that the reader or a package wrote."""

    # One of `error_kind.ErrorKind`.
    kind: str
    message: str
    # The class of the exception.
    exception: str | None
    path: str | None
    # From 1.
    line: int | None
    column: int | None
    end_column: int | None
    # The text of the file at `path`.
    source: str | None
    trace: str | None
    notes: list[str]
    help: list[str]
    # Names that could have been meant.
    candidates: list[str]
    # The part of the launch that is wrong: a name, a position from 0; "" for the kernel's own name.
    argument: str | int | None


class Crash(TypedDict):
    """The request's process ended without an answer."""

    # `SIGSEGV`, `exit status 1`
    status: str
    # The pass that it was in, where passes are recorded.
    before: BeforePass | None


def write_frame(descriptor: int, value: object) -> None:
    """Writes a frame; blocks until all of it is written."""
    data = json.dumps(value).encode()
    data = struct.pack("<I", len(data)) + data
    while data:
        data = data[os.write(descriptor, data) :]


def read_frame(descriptor: int) -> Any:
    """The next frame's value, or None at the end."""
    head = read_exactly(descriptor, 4)
    body = head and read_exactly(descriptor, struct.unpack("<I", head)[0])
    return json.loads(body) if body else None


def read_exactly(descriptor: int, size: int) -> bytes | None:
    """`size` bytes, or None if the other side ends before."""
    data = b""
    while len(data) < size:
        part = os.read(descriptor, size - len(data))
        if not part:
            return None
        data += part
    return data
