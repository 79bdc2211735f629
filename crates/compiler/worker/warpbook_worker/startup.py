"""What is done once, before the first fork: imports, and a compilation that loads what every compilation needs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings

from . import backend, dependencies

# Enough of a kernel to load everything that a compilation needs.
SMALL = """
module {
  tt.func public @small(%arg0: !tt.ptr<f32>, %arg1: i32) {
    %0 = tt.make_range {end = 128 : i32, start = 0 : i32} : tensor<128xi32>
    %1 = tt.splat %arg0 : !tt.ptr<f32> -> tensor<128x!tt.ptr<f32>>
    %2 = tt.addptr %1, %0 : tensor<128x!tt.ptr<f32>>, tensor<128xi32>
    %3 = tt.load %2 : tensor<128x!tt.ptr<f32>>
    %4 = arith.addf %3, %3 : tensor<128xf32>
    tt.store %2, %4 : tensor<128x!tt.ptr<f32>>
    tt.return
  }
}
"""


def prepare() -> tuple[str, list[str]]:
    """Imports what every compilation needs; returns the version of Triton and the files that belong to it."""
    warnings.simplefilter("ignore")
    import triton
    import triton.language
    from triton._C import libtriton  # noqa: F401

    backend.make_backend(backend.target_of(80))
    try:
        from triton.experimental import gluon  # noqa: F401
        from triton.experimental.gluon import language  # noqa: F401
    except ImportError:
        # Before 3.4.
        pass
    warm_up()
    sys.path[:] = [os.getcwd() if entry == "" else entry for entry in sys.path]
    dependencies.remember_imported()
    return str(triton.__version__), sorted(dependencies.files_of_triton())


def warm_up() -> None:
    """Compiles a small kernel before the first fork: what LLVM loads and registers once, no fork does again.

    A fork of its own tries first: LLVM answers what it does not like by ending the process.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            compile_small()
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] == 0:
        compile_small()


def compile_small() -> None:
    """Takes the small kernel down to PTX."""
    directory = tempfile.mkdtemp(prefix="warpbook-")
    try:
        compiler = backend.make_backend(backend.target_of(80))
        options = compiler.parse_options({})
        context = backend.make_context(compiler)
        module = backend.parse_module(SMALL, os.path.join(directory, "small.ttir"), context)
        stages = backend.stages_of(compiler, options, backend.triton_language())
        metadata = dict(options.__dict__)
        for stage in ("ttir", "ttgir", "llir", "ptx"):
            module = stages[stage](module, metadata)
        # Its threads would not live in a fork.
        context.disable_multithreading()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
