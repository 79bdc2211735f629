"""The passes of the backend's own stages: one at a time, so that each can be looked at, left out or entered after.

The stage functions see stand-ins for `ir`, `passes` and `nvidia`. They build their list of passes as ever; the
stand-in for the pass manager keeps the list, and runs each pass in a pass manager of its own.
"""

import json
import os
import tempfile
import time

from warpbook_pipeline import Refused

# Where a compilation that is recorded leaves what the next pass gets: a pass that ends the process leaves nothing else.
BEFORE = "before.json"
# Where Triton's pass manager writes a reproducer before each run; newer versions add a name of their own to it.
REPRODUCER = "reproducer"


class Recorder:
    """What is to be left out, and what ran."""

    def __init__(self, request, progress):
        self.keep_texts = bool(request.get("record"))
        self.skip = dict.fromkeys(request.get("skip") or (), False)
        self.until = request.get("until_pass")
        self.after = request.get("after")
        self.entry = request["entry"]
        self.stage, self.progress = None, progress
        self.seen, self.names = {}, []
        self.reached_until = self.reached_after = False
        self.records, self.last = [], None
        self.edited = []
        self.start = self.previous = None

    def wanted(self):
        return bool(self.keep_texts or self.skip or self.until or self.after)

    def install(self, backend):
        """Puts the stand-ins where the stage functions look for the real ones."""
        from triton._C.libtriton import ir, nvidia, passes

        # 3.2 loads the backend without a name that one could import.
        names = type(backend).make_ttir.__globals__
        real = {"ir": ir, "passes": passes, "nvidia": nvidia}
        for name, module in real.items():
            if names.get(name) is module:
                names[name] = Names(module, self)

    def enter(self, stage):
        self.stage = stage
        self.stage_done = False
        self.start, self.previous = self.last, None

    def is_skipped(self, name, count):
        """Whether a pass is left out, and why. A bare name means each pass of that name, for `--until` and `--after`
        the first one."""
        if self.after and self.stage == self.entry and not self.reached_after:
            self.reached_after = selects(self.after, name, count)
            return "before the text"
        if self.stage_done:
            return f"after {self.until}"
        selectors = [selector for selector in self.skip if selects(selector, name, count)]
        if selectors:
            self.skip.update(dict.fromkeys(selectors, True))
            return "skipped"
        if self.until and not self.reached_until and selects(self.until, name, count):
            self.reached_until = self.stage_done = True
        return None

    def run(self, planned, module, manager):
        from triton._C.libtriton import ir

        if self.keep_texts and self.last is None:
            self.last = str(module)
            self.start = self.last
            self.records.append({"stage": self.stage, "name": "", "text": self.last, "seconds": 0.0})
        for name, function, arguments in planned:
            count = self.seen[name] = self.seen.get(name, 0) + 1
            numbered = f"{name}#{count}"
            self.names.append(name if count == 1 else numbered)
            left_out = self.is_skipped(name, count)
            record = {"stage": self.stage, "name": name, "count": count, "skipped": left_out, "seconds": 0.0,
                      "arguments": [shown(argument) for argument in arguments]}
            if left_out:
                if left_out != "before the text":
                    self.edited.append(name if count == 1 else numbered)
                self.records.append(record)
                continue
            label = self.names[-1]
            if self.keep_texts:
                self.leave_before(name, label)
            single = ir.pass_manager(module.context)
            function(single, *arguments)
            self.progress(f"{self.stage}: {numbered}")
            started = time.perf_counter()
            try:
                single.run(module, *manager)
            except RuntimeError as error:
                if not self.keep_texts:
                    raise
                record["failed"] = str(error)
                record["before"] = left_behind(tempfile.gettempdir())
                self.records.append(record)
                raise PassFailed(numbered, error) from None
            record["seconds"] = time.perf_counter() - started
            # Printing a module that has debug scopes crashes (3.4); they change no operation.
            if self.keep_texts and not name.startswith("llvmir."):
                text = str(module)
                if text != self.last:
                    record["text"] = self.last = text
            self.records.append(record)
            self.previous = label
        if self.keep_texts:
            remove(os.path.join(tempfile.gettempdir(), BEFORE))

    def leave_before(self, name, label):
        """What is to be known if this pass ends the process."""
        directory = tempfile.gettempdir()
        # Printing a module that has debug scopes crashes (3.4).
        if name.startswith("llvmir."):
            os.environ.pop("TRITON_REPRODUCER_PATH", None)
        else:
            os.environ["TRITON_REPRODUCER_PATH"] = os.path.join(directory, REPRODUCER)
        with open(os.path.join(directory, BEFORE), "w") as file:
            json.dump({"stage": self.stage, "pass": label, "previous": self.previous, "start": self.start,
                       "text": self.last}, file)

    def finish(self):
        """Refuses names that no pass had."""
        missing = [name for name, found in self.skip.items() if not found]
        options = [("--skip", missing[0] if missing else None),
                   ("--until", None if self.reached_until else self.until),
                   ("--after", None if self.reached_after else self.after)]
        for option, name in options:
            if name:
                where = f" of the stage {self.entry}" if option == "--after" else ""
                raise Refused("unknown-pass", f"no pass{where} is called `{name}`", argument=option,
                              candidates=[*self.names, *(known.rpartition(".")[2] for known in self.names)], help=["`%passes` lists them"])


def remove(path):
    try:
        os.remove(path)
    except FileNotFoundError:
        pass


def left_behind(directory):
    """The pass that a compilation was in, what it got, and Triton's reproducer of it; None if it was in none."""
    try:
        with open(os.path.join(directory, BEFORE)) as file:
            before = json.load(file)
        names = [os.path.join(directory, name) for name in os.listdir(directory) if name.startswith(REPRODUCER)]
        if names:
            with open(max(names, key=os.path.getmtime)) as file:
                before["reproducer"] = file.read()
        return before
    except (OSError, ValueError):
        return None


def selects(selector, name, count):
    """`ttgpuir.pipeline`, `pipeline`, `cse#2`."""
    base, _, number = selector.partition("#")
    return base in (name, name.rpartition(".")[2]) and number in ("", str(count))


class PassFailed(RuntimeError):
    """A pass that failed, by its name."""

    def __init__(self, name, error):
        super().__init__(f"the pass {name} failed: {error}")


def shown(argument):
    text = argument if isinstance(argument, str) else repr(argument)
    return text if "object at 0x" not in text else type(argument).__name__


class Names:
    """A module of the bindings, as the stage functions see it."""

    def __init__(self, module, recorder, path=()):
        self._module, self._recorder, self._path = module, recorder, path

    def __getattr__(self, name):
        value = getattr(self._module, name)
        if name == "pass_manager":
            return lambda context: Manager(context, self._recorder)
        if type(value).__name__ == "module":
            return Names(value, self._recorder, (*self._path, name))
        if callable(value) and name.startswith("add_"):
            group = self._path[-1] if self._path else ""

            def add(manager, *arguments):
                if isinstance(manager, Manager):
                    manager.planned.append((f"{group}.{name[4:]}".lstrip("."), value, arguments))
                    return None
                return value(manager, *arguments)

            return add
        return value


class Manager:
    """A pass manager that keeps its passes."""

    def __init__(self, context, recorder):
        self.context, self.recorder, self.planned = context, recorder, []

    def enable_debug(self):
        from triton._C.libtriton import ir

        return ir.pass_manager(self.context).enable_debug()

    def run(self, module, *more):
        self.recorder.run(self.planned, module, more)
        self.planned = []
