"""The passes of the backend's own stages: one at a time, so that each can be looked at, left out or entered after.

The stage functions see stand-ins for `ir`, `passes` and `nvidia`. They build their list of passes as ever; the
stand-in for the pass manager keeps the list, and runs each pass in a pass manager of its own.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from .error_kind import ErrorKind
from .errors import Refused
from .protocol import BeforePass, CompileTask, PassRecord, RecordedPasses, Stage

# Where a compilation that is recorded leaves what the next pass gets: a pass that ends the process leaves nothing else.
BEFORE = "before.json"
# Where Triton's pass manager writes a reproducer before each run; newer versions add a name of their own to it.
REPRODUCER = "reproducer"
# Why passes up to `--after` are left out; the reader does not call that an edit.
BEFORE_THE_TEXT = "before the text"


class PlannedPass(NamedTuple):
    """A pass that a stage adds to its pass manager."""

    # `ttgpuir.coalesce`
    name: str
    # Adds it to a pass manager.
    add: Callable[..., object]
    arguments: tuple[Any, ...]


class Recorder:
    """The passes that are left out, and the records of those that ran."""

    def __init__(self, task: CompileTask, progress: Callable[[str], None]) -> None:
        self.keeps_texts = task["record"]
        # Each selector, and True once it has selected a pass.
        self.skip = dict.fromkeys(task["skip"], False)
        self.until, self.after = task["until_pass"], task["after_pass"]
        self.entry: Stage = task["entry"]
        self.stage: Stage = task["entry"]
        self.progress = progress
        # How many passes of a name there were, and every label in order.
        self.counts: dict[str, int] = {}
        self.labels: list[str] = []
        self.is_stage_done = self.reached_until = self.reached_after = False
        self.records: list[PassRecord] = []
        # The module before the first pass, at the start of the stage, and now.
        self.first: str | None = None
        self.stage_start: str | None = None
        self.last: str | None = None
        # Labels of the passes that were left out, and of the one that ran before in this stage.
        self.edited: list[str] = []
        self.previous: str | None = None

    def is_wanted(self) -> bool:
        """True if the passes run differently from the compiler's own way: recorded, left out or entered after one."""
        return bool(self.keeps_texts or self.skip or self.until or self.after)

    def install(self, backend: Any) -> None:
        """Puts the stand-ins where the stage functions look for the real ones."""
        from triton._C.libtriton import ir, nvidia, passes

        # 3.2 loads the backend without a name that one could import.
        names = type(backend).make_ttir.__globals__
        real = {"ir": ir, "passes": passes, "nvidia": nvidia}
        for name, module in real.items():
            if names.get(name) is module:
                names[name] = Names(module, self)

    def enter(self, stage: Stage) -> None:
        """A stage begins."""
        self.stage = stage
        self.is_stage_done = False
        self.stage_start, self.previous = self.last, None
        self.progress(stage)

    def reason_to_skip(self, name: str, count: int) -> str | None:
        """Why a pass is left out; None if it runs. A bare name means each pass of that name, for `--until` and
        `--after` the first one."""
        if self.after and self.stage == self.entry and not self.reached_after:
            self.reached_after = selects(self.after, name, count)
            return BEFORE_THE_TEXT
        if self.is_stage_done:
            return f"after {self.until}"
        selectors = [selector for selector in self.skip if selects(selector, name, count)]
        if selectors:
            self.skip.update(dict.fromkeys(selectors, True))
            return "skipped"
        if self.until and not self.reached_until and selects(self.until, name, count):
            self.reached_until = self.is_stage_done = True
        return None

    def run(self, planned: list[PlannedPass], module: Any, more: tuple[Any, ...]) -> None:
        """Runs a stage's passes on a module; `more` is what else the pass manager was given."""
        if self.keeps_texts and self.last is None:
            self.first = self.stage_start = self.last = str(module)
        for each in planned:
            self.run_pass(each, module, more)
        if self.keeps_texts:
            remove(os.path.join(tempfile.gettempdir(), BEFORE))

    def run_pass(self, planned: PlannedPass, module: Any, more: tuple[Any, ...]) -> None:
        """Runs one pass, or leaves it out, and records it."""
        from triton._C.libtriton import ir

        name = planned.name
        count = self.counts[name] = self.counts.get(name, 0) + 1
        numbered = f"{name}#{count}"
        label = name if count == 1 else numbered
        self.labels.append(label)
        record: PassRecord = {
            "stage": self.stage,
            "name": name,
            "count": count,
            "arguments": [shown(argument) for argument in planned.arguments],
            "seconds": 0.0,
            "skipped": self.reason_to_skip(name, count),
            "text": None,
            "failed": None,
            "before": None,
        }
        self.records.append(record)
        if record["skipped"] is not None:
            if record["skipped"] != BEFORE_THE_TEXT:
                self.edited.append(label)
            return
        if self.keeps_texts:
            self.leave_before(name, label)
        manager = ir.pass_manager(module.context)
        planned.add(manager, *planned.arguments)
        self.progress(f"{self.stage}: {numbered}")
        started = time.perf_counter()
        try:
            manager.run(module, *more)
        except RuntimeError as error:
            if not self.keeps_texts:
                raise
            record["failed"] = str(error)
            record["before"] = left_behind(tempfile.gettempdir())
            raise PassFailed(numbered, error) from None
        record["seconds"] = time.perf_counter() - started
        if self.keeps_texts and is_printable_after(name):
            text = str(module)
            if text != self.last:
                record["text"] = self.last = text
        self.previous = label

    def leave_before(self, name: str, label: str) -> None:
        """Writes the pass and its input to a file, which is read if this pass ends the process."""
        directory = tempfile.gettempdir()
        if is_printable_after(name):
            os.environ["TRITON_REPRODUCER_PATH"] = os.path.join(directory, REPRODUCER)
        else:
            os.environ.pop("TRITON_REPRODUCER_PATH", None)
        before: BeforePass = {
            "stage": self.stage,
            "label": label,
            "previous": self.previous,
            "start": self.stage_start,
            "text": self.last,
            "reproducer": None,
        }
        with open(os.path.join(directory, BEFORE), "w") as file:
            json.dump(before, file)

    def finish(self) -> None:
        """Refuses names that no pass had."""
        missing = [name for name, is_found in self.skip.items() if not is_found]
        options = [
            ("--skip", missing[0] if missing else None),
            ("--until", None if self.reached_until else self.until),
            ("--after", None if self.reached_after else self.after),
        ]
        for option, name in options:
            if name:
                where = f" of the stage {self.entry}" if option == "--after" else ""
                raise Refused(
                    ErrorKind.UNKNOWN_PASS,
                    f"no pass{where} is called `{name}`",
                    argument=option,
                    candidates=[*self.labels, *(label.rpartition(".")[2] for label in self.labels)],
                    help=["`%passes` lists them"],
                )

    def recorded(self) -> RecordedPasses:
        """Every pass so far."""
        return {"start": self.first or "", "passes": self.records}


def is_printable_after(name: str) -> bool:
    """True if a module can be printed after a pass. Printing a module that has debug scopes crashes (3.4); the passes
    that make them change no operation."""
    return not name.startswith("llvmir.")


def remove(path: str) -> None:
    """Deletes a file, if it is there."""
    try:
        os.remove(path)
    except FileNotFoundError:
        pass


def left_behind(directory: str) -> BeforePass | None:
    """The pass that a compilation was in, what it got, and Triton's reproducer of it; None if it was in none."""
    try:
        with open(os.path.join(directory, BEFORE)) as file:
            before: BeforePass = json.load(file)
        names = [os.path.join(directory, name) for name in os.listdir(directory) if name.startswith(REPRODUCER)]
        if names:
            with open(max(names, key=os.path.getmtime)) as file:
                before["reproducer"] = file.read()
        return before
    except (OSError, ValueError):
        return None


def selects(selector: str, name: str, count: int) -> bool:
    """True if a selector means a pass: `ttgpuir.pipeline`, `pipeline`, `cse#2`."""
    base, _, number = selector.partition("#")
    return base in (name, name.rpartition(".")[2]) and number in ("", str(count))


class PassFailed(RuntimeError):  # noqa: N818 caught by name
    """A pass that failed, by its name."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(f"the pass {name} failed: {error}")


def shown(argument: object) -> str:
    """A pass's argument as text; an object without one by its class."""
    text = argument if isinstance(argument, str) else repr(argument)
    return text if "object at 0x" not in text else type(argument).__name__


class Names:
    """A module of the bindings, as the stage functions see it."""

    def __init__(self, module: Any, recorder: Recorder, path: tuple[str, ...] = ()) -> None:
        self._module, self._recorder, self._path = module, recorder, path

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if name == "pass_manager":
            return lambda context: Manager(context, self._recorder)
        if isinstance(value, ModuleType):
            return Names(value, self._recorder, (*self._path, name))
        if callable(value) and name.startswith("add_"):
            group = self._path[-1] if self._path else ""
            label = f"{group}.{name.removeprefix('add_')}".lstrip(".")

            def add(manager: Any, *arguments: Any) -> Any:
                if isinstance(manager, Manager):
                    manager.planned.append(PlannedPass(label, value, arguments))
                    return None
                return value(manager, *arguments)

            return add
        return value


class Manager:
    """A pass manager that keeps its passes."""

    def __init__(self, context: Any, recorder: Recorder) -> None:
        self.context, self.recorder = context, recorder
        self.planned: list[PlannedPass] = []

    def enable_debug(self) -> Any:
        """The attributes of the real pass manager."""
        from triton._C.libtriton import ir

        return ir.pass_manager(self.context).enable_debug()

    def run(self, module: Any, *more: Any) -> None:
        """Runs the passes that were added since the last run."""
        self.recorder.run(self.planned, module, more)
        self.planned = []
