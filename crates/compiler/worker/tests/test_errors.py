"""Exceptions as the kernel reads them."""

from __future__ import annotations

import types

import pytest

from tasks import compile_task
from warpbook_worker.cell import find_kernel
from warpbook_worker.error_kind import ErrorKind
from warpbook_worker.errors import Refused, describe


def raised(text: str) -> BaseException:
    with pytest.raises(Exception) as caught:
        find_kernel(compile_task("triton", "ptx", text))
    return caught.value


def test_an_exception_of_the_cell_has_its_line_and_its_text() -> None:
    text = "def f():\n    return missing\nf()\n"
    report = describe(raised(text))
    assert (report["kind"], report["exception"], report["message"]) == (
        "python",
        "NameError",
        "name 'missing' is not defined",
    )
    assert (report["path"], report["line"], report["source"]) == ("kernel.py", 2, text)
    assert "NameError" in (report["trace"] or "")


def test_a_syntax_error_has_its_column() -> None:
    report = describe(raised("x = = 1\n"))
    assert (report["message"], report["line"], report["column"]) == ("invalid syntax", 1, 5)


def test_what_was_refused_is_reported_as_it_is() -> None:
    report = describe(Refused(ErrorKind.CONFIG, "no", argument=3, notes=["a"]))
    assert (report["kind"], report["message"], report["argument"], report["notes"]) == ("config", "no", 3, ["a"])


def test_the_innermost_error_of_triton_names_the_node(triton: types.ModuleType) -> None:
    text = "@triton.jit\ndef kernel(x):\n    return x.y\n"
    kernel = find_kernel(compile_task("triton", "ptx", text))
    kernel.src, kernel.starting_line_number = "the source of this test", 1
    node = types.SimpleNamespace(lineno=2, col_offset=11, end_lineno=2, end_col_offset=14)
    inner = triton.CompilationError("inner")
    inner.node, inner.src, inner.error_message = node, kernel.src, "no attribute `y`"
    outer = triton.CompilationError("outer")
    outer.__cause__ = inner
    report = describe(outer)
    assert (report["kind"], report["message"]) == ("triton", "no attribute `y`")
    assert (report["path"], report["line"], report["column"], report["end_column"]) == ("kernel.py", 3, 12, 15)
