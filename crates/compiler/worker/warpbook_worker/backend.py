"""Triton's own interfaces that differ between its versions (3.2 to 3.9), by what each can do."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def target_of(capability: int) -> Any:
    """The GPU to compile for, as Triton names it."""
    from triton.backends.compiler import GPUTarget

    return GPUTarget("cuda", capability, 32)


def make_backend(target: Any) -> Any:
    """The compiler's backend for a target."""
    from triton.compiler.compiler import make_backend

    return make_backend(target)


def call(function: Callable[..., Any], **offered: Any) -> Any:
    """Calls a function of Triton's whose parameters differ between versions, by their names."""
    return function(*[offered[name] for name in inspect.signature(function).parameters if name in offered])


def make_context(backend: Any) -> Any:
    """An MLIR context with the dialects of a backend."""
    from triton._C.libtriton import ir

    context = ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    return context


def stages_of(backend: Any, options: Any, language: Any) -> dict[str, Callable[[Any, dict[str, Any]], Any]]:
    """The backend's own stages, by their names."""
    stages: dict[str, Callable[[Any, dict[str, Any]], Any]] = {}
    if len(inspect.signature(backend.add_stages).parameters) > 2:
        backend.add_stages(stages, options, language)
    else:
        # Before 3.4 there was one language.
        backend.add_stages(stages, options)
    return stages


def triton_language() -> Any:
    """The language of a Triton source, as opposed to Gluon; None before Triton 3.4."""
    try:
        from triton.compiler.compiler import Language
    except ImportError:
        return None
    return Language.TRITON


def gluon_language() -> Any:
    """The language of a Gluon source."""
    from triton.compiler.compiler import Language

    return Language.GLUON


def parse_module(text: str, path: str, context: Any) -> Any:
    """A text of MLIR as a module. It is read from a file, by whose name diagnostics name it."""
    from triton._C.libtriton import ir

    with open(path, "w") as file:
        file.write(text)
    module = ir.parse_mlir_module(path, context)
    module.context = context
    return module


def known_options(backend: Any) -> set[str]:
    """The names of a backend's options."""
    options = backend.parse_options({})
    return set(getattr(options, "__dataclass_fields__", None) or vars(options))


def prepare_llvm() -> None:
    """What `make_llir` does beside its work, and what the next stage relies on."""
    from triton._C.libtriton import llvm, nvidia

    llvm.init_targets()
    if hasattr(nvidia, "set_short_ptr"):
        nvidia.set_short_ptr()


def is_kernel(value: object) -> bool:
    """True if a value can be launched: a jitted function, or one with a tuner or heuristics around it."""
    from triton.runtime.jit import KernelInterface

    return isinstance(value, KernelInterface)
