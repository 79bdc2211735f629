"""Warpbook's engine in Python: NVIDIA's PTX, run on an exact emulator of the GPU, on the memory of this process.

    import warpbook
    warpbook.launch(ptx, (blocks,), x, y, n, block=(128,))

runs one kernel; `warpbook.triton.activate()` makes Triton launch on the emulator.
"""

from warpbook._engine import Device, EngineError, Kernel, Module, Report, __version__
from warpbook.launching import launch

__all__ = ["Device", "EngineError", "Kernel", "Module", "Report", "__version__", "launch"]
