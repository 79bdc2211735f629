"""Cells, their kernels, and arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conftest import FakeBackend
from tasks import buffer, buffer_value, compile_task, integer
from warpbook_worker import binding
from warpbook_worker.arguments import Buffer, python_value
from warpbook_worker.cell import find_kernel
from warpbook_worker.error_kind import ErrorKind
from warpbook_worker.errors import Refused
from warpbook_worker.protocol import Argument, CompileTask

CELL = """
@triton.jit
def add(x, n, BLOCK: tl.constexpr, scale=2.0):
    pass
"""


def bind(task: CompileTask) -> binding.Bound:
    return binding.bind(task, None, FakeBackend())


def refused(task: CompileTask) -> Refused:
    with pytest.raises(Refused) as caught:
        bind(task)
    return caught.value


def test_arguments_are_bound_by_position_and_by_name() -> None:
    task = compile_task("triton", "ptx", CELL, args=[buffer(), integer(3)], keywords=[("BLOCK", integer(64))])
    bound = bind(task)
    assert bound.binding["names"] == ["x", "n", "BLOCK", "scale"]
    assert [(each["name"], each["ty"], each["divisibility"]) for each in bound.binding["params"]] == [
        ("x", "*fp16", 16),
        ("n", "i32", None),
        ("scale", "i32", None),
    ]
    assert bound.binding["specialised"] == [("BLOCK", "64")]
    assert dict(bound.binding["constants"]) == {"n": 3, "BLOCK": 64, "scale": 2.0, "num_warps": 4, "num_ctas": 1}
    # The launch did not give it: the reader's code has the value.
    assert bound.binding["params"][2]["value"] == 2.0


def test_options_go_to_the_compiler() -> None:
    task = compile_task("triton", "ptx", CELL, args=[buffer(), integer(3), integer(64)], options={"num_warps": 8})
    assert bind(task).options.num_warps == 8


@pytest.mark.parametrize(
    ("changes", "kind", "argument"),
    [
        ({"args": [integer(1)] * 5}, ErrorKind.TOO_MANY_ARGUMENTS, 4),
        ({"args": [buffer()], "keywords": [("x", integer(1))]}, ErrorKind.ARGUMENT_TWICE, "x"),
        ({"keywords": [("BLOK", integer(1))]}, ErrorKind.UNKNOWN_ARGUMENT, "BLOK"),
        ({"args": [buffer()]}, ErrorKind.MISSING_ARGUMENT, None),
        ({"args": [buffer(), integer(1), integer(1)], "config": 0}, ErrorKind.CONFIG, "--config"),
        ({"name": "sub"}, ErrorKind.UNKNOWN_KERNEL, ""),
        ({"name": "triton"}, ErrorKind.UNKNOWN_KERNEL, ""),
        ({"text": "x = 1"}, ErrorKind.NO_KERNEL, None),
        ({"args": [{"kind": "function", "value": "missing"}]}, ErrorKind.UNKNOWN_NAME, 0),
        ({"args": [{"kind": "colour", "value": 1}]}, ErrorKind.INTERNAL, 0),
    ],
)
def test_mistakes_name_their_part(changes: dict[str, Any], kind: ErrorKind, argument: str | int | None) -> None:
    report = refused(compile_task("triton", "ptx", changes.pop("text", CELL), **changes)).report
    assert (report["kind"], report["argument"]) == (kind.value, argument)


def test_expressions_see_the_cell_and_the_header() -> None:
    text = "class Layout:\n    def __init__(self, n):\n        self.n = n\n" + CELL
    layout: Argument = {"kind": "python", "value": "Layout(num_warps + 1)"}
    keywords = [("BLOCK", layout), ("num_warps", integer(8))]
    bound = bind(compile_task("triton", "ptx", text, args=[buffer(), integer(3)], keywords=keywords))
    assert bound.binding["specialised"][0][0] == "BLOCK"
    assert "Layout object" in bound.binding["specialised"][0][1]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"kind": "python", "value": "tl.nothing(1)"}, "`tl.nothing(1)` cannot be evaluated: AttributeError"),
        ({"kind": "python", "value": "1 +"}, "`1 +` cannot be evaluated: SyntaxError"),
        ({"kind": "python", "value": "object()"}, "`object()` is a `object`, and `n` is not a constant"),
        (
            {"kind": "descriptor", "value": {**buffer_value(), "block": [2, 2], "layout": "L"}},
            "only descriptors of Gluon have a layout",
        ),
    ],
)
def test_what_is_wrong_with_an_expression_is_said_at_its_place(argument: Argument, message: str) -> None:
    report = refused(compile_task("triton", "ptx", CELL, args=[buffer(), argument, integer(1)])).report
    assert (report["kind"], report["argument"]) == ("argument", 1)
    assert report["message"].startswith(message)


def test_what_cannot_be_launched_is_refused_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    helper = CELL.replace("pass", "if n:\n        return x\n    return None")
    report = refused(compile_task("triton", "ptx", helper, args=[buffer(), integer(3), integer(64)])).report
    assert report["message"] == "`add` returns a value: it is a function for kernels to call, and cannot be launched"
    store = CELL.replace("pass", "return tl.store(x, n)")
    bind(compile_task("triton", "ptx", store, args=[buffer(), integer(3), integer(64)]))
    monkeypatch.setattr("conftest.FakeJit.is_gluon", lambda self: True, raising=False)
    report = refused(compile_task("triton", "ptx", CELL, args=[buffer(), integer(3), integer(64)])).report
    assert report["message"] == "`add` is written in Gluon (`@gluon.jit`), not in Triton"
    assert report["help"] == ["`%%gluon add[GRID](ARGUMENTS)` compiles it"]


def test_a_stand_in_as_a_default_has_to_be_given(tmp_path: Path) -> None:
    text = "import triton\nimport missing\n@triton.jit\ndef add(x, kind=missing.KIND):\n    pass\n"
    (tmp_path / "defaults.py").write_text(text)
    changes: dict[str, Any] = {"from_module": "defaults:add", "search_path": [str(tmp_path)], "args": [buffer()]}
    report = refused(compile_task("triton", "ptx", "", **changes)).report
    assert report["message"] == "the default of `kind` is `missing.KIND`, of a module that is not imported"
    bind(compile_task("triton", "ptx", "", **changes, keywords=[("kind", integer(1))]))


def test_a_heuristic_that_asks_an_absent_module_has_to_be_given(tmp_path: Path) -> None:
    text = (
        "import triton\nfrom triton.runtime.autotuner import Heuristics\nimport missing\n@triton.jit\n"
        "def add(x, WIDE):\n    pass\nadd = Heuristics(add, {'WIDE': lambda args: missing.is_wide()})\n"
    )
    (tmp_path / "heuristics.py").write_text(text)
    changes: dict[str, Any] = {"from_module": "heuristics:add", "search_path": [str(tmp_path)], "args": [buffer()]}
    report = refused(compile_task("triton", "ptx", "", **changes)).report
    assert report["message"] == "the heuristic of `WIDE` asks a module that is not imported"
    bind(compile_task("triton", "ptx", "", **changes, keywords=[("WIDE", integer(1))]))


@pytest.mark.parametrize(
    ("constant", "compute"),
    [
        ("SIZE = 64 if missing.is_wide() else 32", "lambda args: SIZE > 32"),
        ("SIZE = 64 if missing.is_wide() else 32\ndef wide():\n    return SIZE > 32", "lambda args: wide()"),
        ("if missing.is_wide():\n    SIZE = 64\nelse:\n    SIZE = 32", "lambda args: (lambda: SIZE > 32)()"),
    ],
)
def test_a_heuristic_that_reads_a_guess_has_to_be_given(tmp_path: Path, constant: str, compute: str) -> None:
    text = (
        "import triton\nfrom triton.runtime.autotuner import Heuristics\nimport missing\nKNOWN = 3\n"
        f"{constant}\n@triton.jit\ndef add(x, WIDE, ODD):\n    pass\n"
        f"add = Heuristics(add, {{'WIDE': {compute}, 'ODD': lambda args: KNOWN % 2}})\n"
    )
    (tmp_path / "heuristics.py").write_text(text)
    changes: dict[str, Any] = {"from_module": "heuristics:add", "search_path": [str(tmp_path)], "args": [buffer()]}
    report = refused(compile_task("triton", "ptx", "", **changes)).report
    reason = "reads `SIZE`, whose value depends on a module that is not imported"
    assert report["message"] == f"the heuristic of `WIDE` {reason}"
    bound = bind(compile_task("triton", "ptx", "", **changes, keywords=[("WIDE", integer(7))]))
    given = {each["name"] for each in bound.binding["params"]}
    assert given >= {"x", "WIDE", "ODD"}
    constants = dict(bound.binding["constants"])
    assert (constants["WIDE"], constants["ODD"]) == (7, 1)


TUNED = """
from conftest import FakeAutotuner, FakeConfig, FakeHeuristics

@triton.jit
def tuned(x, BLOCK: tl.constexpr, EVEN: tl.constexpr):
    pass

tuned = FakeAutotuner(tuned, [FakeConfig(BLOCK=1), FakeConfig(BLOCK=32), FakeConfig(BLOCK=64)])
tuned = FakeHeuristics(tuned, {"EVEN": lambda values: values["x"].numel() % 2 == 0})
"""


def test_decorators_are_taken_off_as_a_launch_does() -> None:
    first = bind(compile_task("triton", "ptx", TUNED, args=[buffer()])).binding
    assert (first["configs"], first["config"]) == (3, "BLOCK: 32")
    assert first["specialised"] == [("BLOCK", "32"), ("EVEN", "True")]
    chosen = bind(compile_task("triton", "ptx", TUNED, args=[buffer()], config=2)).binding
    assert chosen["config"] == "BLOCK: 64"
    report = refused(compile_task("triton", "ptx", TUNED, args=[buffer()], config=3)).report
    assert report["notes"] == ["the autotuner has 3, counted from 0"]
    report = refused(compile_task("triton", "ptx", TUNED, args=[buffer(), integer(8)])).report
    assert (report["kind"], report["argument"]) == ("config", "BLOCK")


def test_the_last_kernel_of_a_cell_is_taken_and_definitions_come_first() -> None:
    text = "@triton.jit\ndef first(x): pass\n@triton.jit\ndef last(x): pass\n"
    definition = {"path": "kernel.py", "text": "SIZE = 3\n"}
    kernel = find_kernel(compile_task("triton", "ptx", text, definitions=[definition]))
    assert kernel.__name__ == "last"
    assert kernel.fn.__globals__["SIZE"] == 3


def test_future_statements_of_the_worker_are_none_of_the_cell() -> None:
    kernel = find_kernel(compile_task("triton", "ptx", "@triton.jit\ndef f(x: int): pass\n"))
    assert kernel.fn.__annotations__ == {"x": int}


def test_a_buffer_answers_what_specialisation_asks() -> None:
    found = Buffer(buffer_value("i1", 32))
    assert (found.data_ptr(), found.numel(), found.element_size(), str(found.dtype)) == (32, 4, 1, "torch.bool")
    assert found.is_contiguous() and not Buffer(buffer_value(strides=(4, 1))).is_contiguous()


def test_values_come_as_python_has_them() -> None:
    nested = {"kind": "tuple", "value": [integer(1), {"kind": "none"}, {"kind": "float", "value": "inf"}]}
    assert python_value(nested, {}) == (1, None, float("inf"))  # type: ignore[arg-type]
