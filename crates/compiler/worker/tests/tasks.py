"""Tasks for the tests."""

from __future__ import annotations

from typing import Any

from warpbook_worker.protocol import Argument, BufferValue, CompileTask, Stage


def compile_task(entry: Stage, until: Stage, text: str, **changes: Any) -> CompileTask:
    """A compilation with nothing but a text."""
    task: CompileTask = {
        "id": 1,
        "task": "compile",
        "entry": entry,
        "until": until,
        "capability": 80,
        "name": None,
        "text": text,
        "path": "kernel",
        "cell_path": "kernel.py",
        "options": {},
        "definitions": [],
        "from_module": None,
        "search_path": [],
        "args": [],
        "keywords": [],
        "config": None,
        "record": False,
        "skip": [],
        "until_pass": None,
        "after_pass": None,
    }
    return {**task, **changes}  # type: ignore[typeddict-item]


def integer(value: int) -> Argument:
    """An integer argument."""
    return {"kind": "int", "value": value}


def buffer_value(dtype: str = "fp16", address: int = 16, strides: tuple[int, int] = (2, 1)) -> BufferValue:
    """A buffer of four elements."""
    return {"dtype": dtype, "address": address, "shape": [2, 2], "strides": list(strides)}


def buffer() -> Argument:
    """A buffer as an argument."""
    return {"kind": "buffer", "value": buffer_value()}
