"""Errors as the kernel reads them: the reader's mistakes, and exceptions of Python's and of Triton's."""

from __future__ import annotations

import gc
import inspect
import linecache
import re
import traceback
from collections.abc import Sequence
from typing import Any

from .error_kind import ErrorKind
from .protocol import ErrorReport


def error_report(
    kind: ErrorKind,
    message: str,
    *,
    exception: str | None = None,
    path: str | None = None,
    line: int | None = None,
    column: int | None = None,
    end_column: int | None = None,
    source: str | None = None,
    trace: str | None = None,
    notes: Sequence[str] = (),
    help: Sequence[str] = (),  # noqa: A002 a field of the protocol
    candidates: Sequence[str] = (),
    argument: str | int | None = None,
) -> ErrorReport:
    """A report with what is known."""
    return {
        "kind": kind.value,
        "message": message,
        "exception": exception,
        "path": path,
        "line": line,
        "column": column,
        "end_column": end_column,
        "source": source,
        "trace": trace,
        "notes": list(notes),
        "help": list(help),
        "candidates": list(candidates),
        "argument": argument,
    }


class Refused(Exception):  # noqa: N818 the kernel makes an error of it
    """A mistake of the reader's, with what is known of it. The facts are those of `error_report`."""

    def __init__(self, kind: ErrorKind, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.report = error_report(kind, message, **facts)


def describe(error: BaseException) -> ErrorReport:
    """An exception, with the text of the file that it is in where that is the reader's or a package's."""
    if isinstance(error, Refused):
        return error.report
    report = describe_place(error)
    if report["path"] is not None and is_own_text(report["path"]):
        report["source"] = "".join(linecache.getlines(report["path"]))
    return report


def is_own_text(path: str) -> bool:
    """True if the file was put into `linecache` by the worker: a cell, or a file of a package that it reads."""
    entry = linecache.cache.get(path)
    return entry is not None and len(entry) > 1 and entry[1] is None


def describe_place(error: BaseException) -> ErrorReport:
    """An exception as kind, message, and the innermost line of the reader's text."""
    import triton

    name = type(error).__name__
    if isinstance(error, SyntaxError):
        return error_report(
            ErrorKind.PYTHON,
            error.msg,
            exception=name,
            path=error.filename,
            line=error.lineno,
            column=error.offset,
        )
    compilation = getattr(triton, "CompilationError", None)
    if compilation is not None and isinstance(error, compilation):
        return describe_compilation(error)
    report = error_report(ErrorKind.PYTHON, str(error) or name, exception=name)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_own_text(frame.filename):
            column = (getattr(frame, "colno", None) or 0) + 1
            report["path"], report["line"], report["column"] = frame.filename, frame.lineno, column
            break
    report["trace"] = "".join(traceback.format_exception(type(error), error, error.__traceback__))[-4000:]
    return report


def describe_compilation(error: BaseException) -> ErrorReport:
    """Triton's own error: the innermost one names the node; its source tells which function it is in."""
    inner = innermost_compilation(error)
    message = getattr(inner, "error_message", None)
    if message is None:
        cause = inner.__cause__
        message = str(cause) if cause is not None else str(inner).splitlines()[-1]
        if cause is not None and not message:
            message = type(cause).__name__
    report = error_report(ErrorKind.TRITON, str(message).strip(), exception=type(error).__name__)
    node: Any = getattr(inner, "node", None)
    if node is None or not hasattr(node, "lineno"):
        return report
    function = function_with_source(getattr(inner, "src", None))
    if function is None:
        return report
    lines = lines_of(function)
    decorators = next((at for at, line in enumerate(lines) if re.match(r"\s*def\s", line)), 0)
    # Triton parses the function without its decorators and its indentation.
    indent = len(lines[decorators]) - len(lines[decorators].lstrip()) if lines else 0
    report["path"] = function.fn.__code__.co_filename
    report["line"] = function.starting_line_number + decorators + node.lineno - 1
    report["column"] = node.col_offset + 1 + indent
    if getattr(node, "end_lineno", None) == node.lineno:
        report["end_column"] = node.end_col_offset + 1 + indent
    return report


def innermost_compilation(error: BaseException) -> BaseException:
    """The last error of a chain of errors about nodes, each the cause of the one before."""
    while (cause := error.__cause__) is not None and (isinstance(cause, type(error)) or hasattr(cause, "node")):
        error = cause
    return error


def function_with_source(source: object) -> Any:
    """The jitted function with this source, or None."""
    from triton.runtime.jit import JITFunction

    return next((each for each in gc.get_objects() if isinstance(each, JITFunction) and each.src == source), None)


def lines_of(function: Any) -> list[str]:
    """The lines of a jitted function with its decorators, as they are in its file."""
    raw = getattr(function, "raw_src", None)
    lines: list[str] = raw if isinstance(raw, list) else (raw or "").splitlines(True)
    return lines or inspect.getsourcelines(function.fn)[0]
