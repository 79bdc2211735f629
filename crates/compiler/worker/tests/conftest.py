"""A stand-in for Triton, so that the tests need none: small modules with the names that the worker asks for."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest


class FakeKernel:
    """A launchable thing."""


class FakeParameter:
    """A parameter of a jitted function."""

    def __init__(self, name: str, default: Any, is_constexpr: bool) -> None:
        self.name, self.is_constexpr = name, is_constexpr
        self._param = types.SimpleNamespace(default=default)


def is_constant(annotation: object) -> bool:
    """True for `tl.constexpr`, evaluated or not."""
    return "constexpr" in str(annotation)


class FakeJit(FakeKernel):
    """A jitted function. A launch compiles, as Triton's does."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        import inspect

        self.fn, self.__name__ = fn, fn.__name__
        parameters = inspect.signature(fn).parameters.values()
        self.params = [FakeParameter(each.name, each.default, is_constant(each.annotation)) for each in parameters]
        self.constexprs = {each.name for each in parameters if each.annotation == "constexpr"}
        self.src = "def"
        self.compile: Callable[..., Any] | None = None

    def create_binder(self) -> None:
        """Triton makes a binder for each device before the first launch."""

    def run(self, *, grid: tuple[int, ...], warmup: bool, **values: Any) -> None:
        self.create_binder()
        names = [each.name for each in self.params]
        signature = {name: "constexpr" if name in self.constexprs else type_of(values.get(name)) for name in names}
        divisible = {
            (at,): [["tt.divisibility", 16]]
            for at, name in enumerate(names)
            if signature[name].startswith("*") and values[name].data_ptr() % 16 == 0
        }
        source = types.SimpleNamespace(signature=signature, constants={}, attrs=divisible, fn=self)
        options = {name: value for name, value in values.items() if name not in names}
        assert self.compile is not None
        self.compile(source, options=options)


def type_of(value: Any) -> str:
    """Triton's name of a value's type."""
    if hasattr(value, "data_ptr"):
        return f"*{value.element}"
    return "fp32" if isinstance(value, float) else "i32"


class FakeAutotuner(FakeKernel):
    """A tuner around a jitted function."""

    def __init__(self, fn: FakeJit, configs: list[FakeConfig]) -> None:
        self.fn, self.configs = fn, configs

    def early_config_prune(self, configs: list[FakeConfig], values: dict[str, Any]) -> list[FakeConfig]:
        return [each for each in configs if each.settings.get("BLOCK") != 1]


class FakeConfig:
    """A configuration of a tuner."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def all_kwargs(self) -> dict[str, Any]:
        return self.settings

    def __str__(self) -> str:
        return ", ".join(f"{name}: {value}" for name, value in self.settings.items())


class FakeHeuristics(FakeKernel):
    """Heuristics around a jitted function."""

    def __init__(self, fn: FakeKernel, values: dict[str, Callable[[dict[str, Any]], Any]]) -> None:
        self.fn, self.values = fn, values


class FakeModule:
    """A module of MLIR: its text is the list of the passes that ran."""

    def __init__(self, text: str) -> None:
        self.text, self.context = text, object()

    def __str__(self) -> str:
        return self.text


class FakePassManager:
    """A pass manager of the bindings."""

    def __init__(self, context: object) -> None:
        self.passes: list[str] = []

    def run(self, module: FakeModule) -> None:
        for name in self.passes:
            if name == "fails":
                raise RuntimeError("PassManager::run failed")
            if name != "nothing":
                module.text += f" {name}"


class FakeOptions:
    """What the backend's options are."""

    def __init__(self, **values: Any) -> None:
        self.num_warps, self.num_ctas, self.ptx_version = 4, 1, None
        self.__dict__.update(values)


class FakeBackend:
    """A backend with two stages of MLIR and three below."""

    # Passes of each stage: group, name.
    passes: tuple[tuple[str, str], ...] = (("common", "cse"), ("common", "nothing"), ("common", "cse"))

    def parse_options(self, values: dict[str, Any]) -> FakeOptions:
        return FakeOptions(**values)

    def load_dialects(self, context: object) -> None:
        pass

    def get_codegen_implementation(self, options: FakeOptions) -> dict[str, Any]:
        return {}

    def get_module_map(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def make_ttir(module: FakeModule, metadata: dict[str, Any]) -> FakeModule:
        manager = make_ttir_names["ir"].pass_manager(module.context)
        for group, name in FakeBackend.passes:
            getattr(getattr(make_ttir_names["passes"], group), f"add_{name}")(manager)
        manager.run(module)
        return module

    def add_stages(self, stages: dict[str, Any], options: FakeOptions, language: object) -> None:
        stages["ttir"] = self.make_ttir
        stages["ttgir"] = lambda module, metadata: FakeModule(f"{module} ttgir")
        stages["llir"] = lambda module, metadata: f"{module} llir"
        stages["ptx"] = lambda module, metadata: f"{module} ptx"
        stages["cubin"] = lambda module, metadata: b"\x7fELF"


# The names that `make_ttir` sees; the recorder puts its own in their place.
make_ttir_names: dict[str, Any] = FakeBackend.make_ttir.__globals__


def forget_stand_ins() -> None:
    """The stage functions see the bindings again, as in a new fork."""
    libtriton = sys.modules["triton._C.libtriton"]
    make_ttir_names.update({name: getattr(libtriton, name) for name in ("ir", "passes", "nvidia")})


def fake_modules() -> dict[str, types.ModuleType]:
    """Triton's modules."""
    names = (
        "triton",
        "triton._C",
        "triton._C.libtriton",
        "triton.backends",
        "triton.backends.compiler",
        "triton.compiler",
        "triton.compiler.compiler",
        "triton.language",
        "triton.runtime",
        "triton.runtime.autotuner",
        "triton.runtime.jit",
    )
    modules: dict[str, Any] = {name: types.ModuleType(name) for name in names}
    for name, module in modules.items():
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(modules[parent], last, module)
    triton = modules["triton"]
    triton.__version__, triton.__file__ = "3.4.0", "/nowhere/triton/__init__.py"
    triton.jit = FakeJit
    triton.CompilationError = type("CompilationError", (Exception,), {})
    bits = {"float16": 16, "float32": 32, "int1": 1, "int32": 32}
    for name, width in bits.items():
        setattr(modules["triton.language"], name, types.SimpleNamespace(primitive_bitwidth=width, name=name))
    modules["triton.language"].constexpr = "constexpr"
    runtime = modules["triton.runtime"]
    runtime.driver = types.SimpleNamespace(set_active=lambda driver: None)
    modules["triton.runtime.jit"].KernelInterface = FakeKernel
    modules["triton.runtime.jit"].JITFunction = FakeJit
    modules["triton.runtime.autotuner"].Autotuner = FakeAutotuner
    modules["triton.runtime.autotuner"].Heuristics = FakeHeuristics
    compiler = modules["triton.compiler.compiler"]
    compiler.make_backend = lambda target: FakeBackend()
    compiler.Language = types.SimpleNamespace(TRITON="triton")
    modules["triton.compiler"].compile = None
    modules["triton.backends"].backends = {}
    modules["triton.backends.compiler"].GPUTarget = lambda *parts: types.SimpleNamespace(parts=parts)
    libtriton = modules["triton._C.libtriton"]
    common = types.ModuleType("common")
    for name in ("cse", "nothing", "fails"):
        common.__dict__[f"add_{name}"] = lambda manager, name=name: manager.passes.append(name)
    libtriton.ir = types.SimpleNamespace(
        context=object,
        load_dialects=lambda context: None,
        parse_mlir_module=lambda path, context: FakeModule(open(path).read()),
        pass_manager=FakePassManager,
    )
    libtriton.passes = types.ModuleType("passes")
    libtriton.passes.common = common
    libtriton.nvidia = types.SimpleNamespace()
    libtriton.llvm = types.SimpleNamespace(init_targets=lambda: None)
    return modules


@pytest.fixture(autouse=True)
def triton(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[types.ModuleType]:
    """Puts the stand-in in Triton's place; a compilation runs in a directory of its own, as in its fork."""
    modules = fake_modules()
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    libtriton = modules["triton._C.libtriton"]
    for name in ("ir", "passes", "nvidia"):
        monkeypatch.setitem(make_ttir_names, name, getattr(libtriton, name))
    monkeypatch.setattr(FakeBackend, "passes", FakeBackend.passes)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield modules["triton"]
