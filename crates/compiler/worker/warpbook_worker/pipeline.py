"""One compilation: from the text of a stage, or a bound Python kernel, through the backend's own stages."""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import backend, binding, dependencies
from .error_kind import ErrorKind
from .errors import Refused
from .passes import PassFailed, Recorder
from .protocol import BinaryOutcome, Binding, CompileResult, CompileTask, Stage, TextOutcome

# The stages that a compilation goes through, first to last.
# Triton's begins with TTIR, Gluon's with GLIR, or with TTGIR where there is no GLIR (before 3.9).
ORDER: tuple[Stage, ...] = ("ttir", "glir", "ttgir", "llir", "ptx", "cubin")

# Ten times the first version of PTX that has a target; before 3.8, Triton writes an older one, which ptxas refuses.
FIRST_PTX = {103: 88}


@dataclass
class Start:
    """What the first stage gets, and what the stages are run with."""

    module: Any
    # The first stage to run.
    first: Stage
    options: Any
    language: Any
    binding: Binding | None = None
    # The lines of a kernel that is not in the request.
    source: str | None = None
    notes: list[str] = field(default_factory=list)
    # Metadata that a stage before the first one would have added.
    facts: dict[str, Any] = field(default_factory=dict)


def compile_task(task: CompileTask, progress: Callable[[str], None]) -> CompileResult:
    """Compiles; `progress` hears of each stage that begins."""
    target = backend.target_of(task["capability"])
    compiler = backend.make_backend(target)
    if task["entry"] == task["until"] and task["entry"] in ("triton", "gluon"):
        binding.module_of_cell(task)
        return result([], {}, Start(None, "ttir", None, None), None)
    if task["capability"] in FIRST_PTX and "ptx_version" in backend.known_options(compiler):
        task["options"].setdefault("ptx_version", FIRST_PTX[task["capability"]])
    if task["entry"] in ("triton", "gluon"):
        start = start_from_python(task, target, compiler)
    else:
        start = start_from_text(task, compiler)
    recorder = Recorder(task, progress)
    if recorder.is_wanted():
        recorder.install(compiler)
    described = vars(target) if hasattr(target, "__dict__") else target._asdict()
    metadata = {"target": described, **start.options.__dict__, **start.facts}
    stages = backend.stages_of(compiler, start.options, start.language)
    if task["entry"] == "gluon" and "glir" in stages:
        start.first = "glir"
    outcomes = run_stages(task, start, stages, metadata, recorder)
    recorder.finish()
    if recorder.edited:
        start.notes.append(f"compiled without {', '.join(recorder.edited)}")
    return result(outcomes, json.loads(json.dumps(metadata, default=plain)), start, recorder)


def result(
    outcomes: list[TextOutcome | BinaryOutcome], metadata: dict[str, Any], start: Start, recorder: Recorder | None
) -> CompileResult:
    """The answer of a compilation."""
    return {
        "task": "compile",
        "stages": outcomes,
        "metadata": metadata,
        "binding": start.binding,
        "warnings": start.notes,
        "files": dependencies.files_since(),
        "recorded": recorder.recorded() if recorder is not None and recorder.keeps_texts else None,
        "source": start.source,
    }


def start_from_python(task: CompileTask, target: Any, compiler: Any) -> Start:
    """The module that Triton's front end makes of a kernel and the arguments of a launch."""
    bound = binding.bind(task, target, compiler)
    os.chdir(tempfile.gettempdir())
    module = backend.call(
        bound.source.make_ir,
        options=bound.options,
        target=target,
        context=backend.make_context(compiler),
        codegen_fns=backend.call(compiler.get_codegen_implementation, options=bound.options),
        module_map=compiler.get_module_map(),
    )
    return Start(
        module=module,
        first="ttir" if task["entry"] == "triton" else "ttgir",
        options=bound.options,
        language=getattr(bound.source, "language", backend.triton_language()),
        binding=bound.binding,
        source=binding.source_of(bound.source.fn) if task["from_module"] else None,
    )


def start_from_text(task: CompileTask, compiler: Any) -> Start:
    """The module of a text, and the options that the text itself fixes."""
    entry, text, notes = task["entry"], task["text"], []
    facts: dict[str, Any] = {}
    values = given_options(task, backend.known_options(compiler))
    if entry in ("ttgir", "glir"):
        values.update(options_of_module(text, values))
        found = re.search(r'(?:ttg|triton_gpu)\.target"?\s*=\s*"cuda:(\d+)"', text)
        if found and int(found.group(1)) != task["capability"]:
            own, chosen = found.group(1), task["capability"]
            notes.append(f"the module's own target is sm_{own}; it was compiled for sm_{chosen}")
    options = compiler.parse_options(values)
    os.chdir(tempfile.gettempdir())
    language = backend.triton_language()
    if entry in ("ttir", "glir", "ttgir"):
        module: Any = backend.parse_module(text, f"{task['path']}.{entry}", backend.make_context(compiler))
        # A text from the middle of the stage goes through the rest of its passes.
        first: Stage = "llir" if entry == "ttgir" and not task["after_pass"] else entry
        if entry == "glir":
            language = backend.gluon_language()
        if first == "llir":
            facts = descriptors_of_module(module, text)
    else:
        module, first = text, ORDER[ORDER.index(entry) + 1]
        backend.prepare_llvm()
    return Start(module, first, options, language, notes=notes, facts=facts)


def descriptors_of_module(module: Any, text: str) -> dict[str, Any]:
    """How the host descriptors of TTGIR are encoded, which Triton asks a module for at the end of its own TTGIR stage.

    A descriptor without a layout says nothing about it; the compiler ends the process where it is asked for one.
    """
    # The tensor stands without its own brackets from 3.8 on.
    types = re.findall(r"!tt\.tensordesc<(?:tensor<)?([^>]*)>", text)
    if not types or not all("#" in each for each in types) or not hasattr(module, "get_tensordesc_metadata"):
        return {}
    return {"tensordesc_meta": module.get_tensordesc_metadata()}


def given_options(task: CompileTask, known: set[str]) -> dict[str, Any]:
    """The request's options; refuses one that the compiler does not know."""
    for name in task["options"]:
        if name not in known:
            message = f"the compiler has no option `{name}`"
            raise Refused(ErrorKind.UNKNOWN_OPTION, message, argument=name, candidates=sorted(known))
    return dict(task["options"])


def options_of_module(text: str, options: dict[str, Any]) -> dict[str, int]:
    """What TTGIR says of itself counts for the stages that only see options."""
    facts = {}
    for attribute, name in (("num-warps", "num_warps"), ("num-ctas", "num_ctas")):
        found = re.search(rf'"?(?:ttg|triton_gpu)\.{attribute}"?\s*=\s*(\d+)', text)
        if not found:
            if attribute == "num-warps":
                raise Refused(
                    ErrorKind.NO_NUM_WARPS,
                    "the module says no number of warps",
                    help=['add `"ttg.num-warps" = 4 : i32` to the attributes of `module`'],
                )
            continue
        value = int(found.group(1))
        if options.get(name, value) != value:
            raise Refused(
                ErrorKind.OPTION_CONFLICT,
                f"`{name}` is {options[name]} here and {value} in the text",
                line=text.count("\n", 0, found.start()) + 1,
                argument=name,
                help=[f"change the attribute `{attribute}` in the text, or leave the option out"],
            )
        facts[name] = value
    return facts


def run_stages(
    task: CompileTask,
    start: Start,
    stages: dict[str, Callable[[Any, dict[str, Any]], Any]],
    metadata: dict[str, Any],
    recorder: Recorder,
) -> list[TextOutcome | BinaryOutcome]:
    """Runs each stage from the first to the last one of the request; what each produced, and how long it took."""
    outcomes: list[TextOutcome | BinaryOutcome] = []
    module, again = start.module, 0.0
    for stage in ORDER[ORDER.index(start.first) : ORDER.index(task["until"]) + 1]:
        if stage == "glir" and start.first == "ttir":
            continue
        if stage not in stages:
            raise Refused(ErrorKind.STAGE, f"this compiler has no stage `{stage}`")
        recorder.enter(stage)
        started = time.perf_counter()
        try:
            module = stages[stage](module, metadata)
        except PassFailed:
            break
        elapsed = time.perf_counter() - started
        if stage == task["entry"] and not task["after_pass"]:
            # An edited TTIR goes through the passes of TTIR again, but it is the reader's text that counts.
            again = elapsed
            continue
        elapsed, again = elapsed + again, 0.0
        if isinstance(module, bytes):
            encoded = base64.b64encode(module).decode()
            outcomes.append({"stage": stage, "seconds": elapsed, "base64": encoded})
        else:
            outcomes.append({"stage": stage, "seconds": elapsed, "text": str(module)})
    return outcomes


def plain(value: Any) -> Any:
    """A value of the metadata that JSON has no type for."""
    converters: tuple[Callable[[], Any], ...] = (
        lambda: value._asdict(),
        lambda: dict(vars(value)),
        lambda: list(value),
    )
    for convert in converters:
        try:
            return convert()
        except (AttributeError, TypeError):
            pass
    return str(value)
