"""Triton on the emulator: `@triton.jit` functions launch on tensors of this process, without a GPU.

    import warpbook.triton
    warpbook.triton.activate(target="sm_90")

Triton 3.4 to 3.6, and torch. What a program asks of `torch.cuda` is answered for the emulated GPU (`torch_cuda.py` lists it),
and tensors that it makes on "cuda" are the CPU's.
"""

import re

from warpbook.launching import capability_of


def activate(target="sm_90", *, check=False, seed=0, fast=False):
    """Makes the emulator Triton's device in this process, for all launches from now on.

    Args:
        target: the GPU to emulate, `sm_90`.
        check: a launch in which the checks find something (a race, a missing wait, a read of what nothing wrote) raises
            `CheckError`.
        seed: order in which warps run and operations complete; 0 is the usual order.
        fast: tensor cores compute in the host's f32 arithmetic: quicker, with other bits.

    Raises:
        ValueError: no such target.
        RuntimeError: a version of Triton that is not supported.
    """
    import triton

    from warpbook.triton import driver, torch_cuda

    capability = capability_of(target)
    if capability not in driver.CAPABILITIES:
        known = ", ".join(f"sm_{each}" for each in driver.CAPABILITIES)
        raise ValueError(f"{target!r} is no target that is emulated: {known}")
    if not re.match(r"3\.[456]\.", triton.__version__):
        raise RuntimeError(f"Triton {triton.__version__} is not supported: 3.4 to 3.6 are")
    driver.SETTINGS.capability = capability
    driver.SETTINGS.check = check
    driver.SETTINGS.seed = seed
    driver.SETTINGS.fast = fast
    driver.install()
    torch_cuda.install()
