"""Stages, options and passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import FakeBackend, forget_stand_ins
from tasks import compile_task
from warpbook_worker import passes
from warpbook_worker.error_kind import ErrorKind
from warpbook_worker.errors import Refused
from warpbook_worker.pipeline import compile_task as compile_
from warpbook_worker.protocol import CompileResult, CompileTask

TTGIR = 'module attributes {"ttg.num-warps" = 8 : i32, ttg.target = "cuda:90"} {}'


def compiled(task: CompileTask) -> tuple[CompileResult, list[str]]:
    heard: list[str] = []
    forget_stand_ins()
    return compile_(task, heard.append), heard


def refused(task: CompileTask) -> Refused:
    with pytest.raises(Refused) as caught:
        compiled(task)
    return caught.value


def test_a_text_goes_through_the_stages_below_it() -> None:
    result, heard = compiled(compile_task("ttir", "cubin", "module"))
    assert [outcome["stage"] for outcome in result["stages"]] == ["ttgir", "llir", "ptx", "cubin"]
    assert result["stages"][2].get("text") == "module cse cse ttgir llir ptx"
    assert result["stages"][3].get("base64") == "f0VMRg=="
    assert heard == ["ttir", "ttgir", "llir", "ptx", "cubin"]
    json.dumps(result)


def test_ttgir_says_its_own_options() -> None:
    result, _ = compiled(compile_task("ttgir", "ptx", TTGIR))
    assert (result["metadata"]["num_warps"], [outcome["stage"] for outcome in result["stages"]]) == (8, ["llir", "ptx"])
    assert result["warnings"] == ["the module's own target is sm_90; it was compiled for sm_80"]
    report = refused(compile_task("ttgir", "ptx", TTGIR, options={"num_warps": 4})).report
    assert (report["kind"], report["argument"], report["line"]) == (ErrorKind.OPTION_CONFLICT.value, "num_warps", 1)
    assert refused(compile_task("ttgir", "ptx", "module")).report["kind"] == "no-num-warps"


@pytest.mark.parametrize(
    ("capability", "options", "version"), [(80, {}, None), (103, {}, 88), (103, {"ptx_version": 90}, 90)]
)
def test_ptx_is_new_enough_for_its_target(capability: int, options: dict[str, int], version: int | None) -> None:
    outcome, _ = compiled(compile_task("llir", "ptx", "text", capability=capability, options=options))
    assert outcome["metadata"]["ptx_version"] == version


def test_an_unknown_option_is_refused_with_what_there_is() -> None:
    report = refused(compile_task("ttir", "ptx", "module", options={"num_warp": 4})).report
    assert (report["kind"], report["argument"]) == ("unknown-option", "num_warp")
    assert "num_warps" in report["candidates"]


def test_passes_are_recorded_one_at_a_time() -> None:
    result, heard = compiled(compile_task("ttir", "llir", "module", record=True))
    recorded = result["recorded"]
    assert recorded is not None and recorded["start"] == "module"
    assert [(each["name"], each["count"], each["text"]) for each in recorded["passes"]] == [
        ("common.cse", 1, "module cse"),
        ("common.nothing", 1, None),
        ("common.cse", 2, "module cse cse"),
    ]
    assert heard == ["ttir", "ttir: common.cse#1", "ttir: common.nothing#1", "ttir: common.cse#2", "ttgir", "llir"]


def test_passes_are_left_out_by_their_names() -> None:
    result, _ = compiled(compile_task("ttir", "ttgir", "module", record=True, skip=["cse#2"]))
    assert result["recorded"] is not None
    assert [each["skipped"] for each in result["recorded"]["passes"]] == [None, None, "skipped"]
    assert result["warnings"] == ["compiled without common.cse#2"]
    result, _ = compiled(compile_task("ttir", "ttgir", "module", until_pass="cse"))
    assert result["stages"][0].get("text") == "module cse ttgir"
    report = refused(compile_task("ttir", "ttgir", "module", skip=["nosuch"])).report
    assert (report["kind"], report["argument"]) == ("unknown-pass", "--skip")
    assert {"common.cse", "cse", "cse#2"} <= set(report["candidates"])


def test_a_text_from_the_middle_goes_through_the_rest() -> None:
    result, _ = compiled(compile_task("ttir", "ttir", "module", after_pass="nothing"))
    assert result["stages"][0].get("text") == "module cse"
    assert result["warnings"] == []


def test_a_pass_that_fails_leaves_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBackend, "passes", (("common", "cse"), ("common", "fails")))
    result, _ = compiled(compile_task("ttir", "llir", "module", record=True))
    assert result["stages"] == [] and result["recorded"] is not None
    last = result["recorded"]["passes"][-1]
    assert last["failed"] == "PassManager::run failed" and last["before"] is not None
    before = last["before"]
    assert (before["label"], before["previous"], before["text"]) == ("common.fails", "common.cse", "module cse")
    with pytest.raises(RuntimeError):
        compiled(compile_task("ttir", "llir", "module"))


def test_the_newest_reproducer_is_found(tmp_path: Path) -> None:
    assert passes.left_behind(str(tmp_path)) is None
    (tmp_path / passes.BEFORE).write_text('{"stage": "ttir", "reproducer": null}')
    (tmp_path / "reproducer.mlir").write_text("pipeline")
    before = passes.left_behind(str(tmp_path))
    assert before is not None and before["reproducer"] == "pipeline"
