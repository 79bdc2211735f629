"""One launch of a PTX kernel."""

import functools
import re
import struct
import sys

from warpbook._engine import Device, Module
from warpbook.memory import area_of, merged, pointer

# Formats of a Python float by the bytes of the parameter.
FLOATS = {2: "<e", 4: "<f", 8: "<d"}


def capability_of(target):
    """The compute capability of a target: 90 of `sm_90`. Raises ValueError where it is none."""
    found = re.fullmatch(r"sm_(\d+)[af]?", target)
    if not found:
        raise ValueError(f"{target!r} is no target: sm_90")
    return int(found[1])


@functools.cache
def device(target, fast=False):
    """The emulated GPU of a target, `sm_90`; one for each target in this process."""
    return Device(capability_of(target), fast=fast)


def launch(
    ptx, grid, *arguments, entry=None, block=None, cluster=(1, 1, 1), shared=0, target=None, check=False, seed=0, names=None
):
    """Runs a kernel of a PTX text on the emulator.

    Args:
        ptx: the text of a module.
        grid: blocks, as one number or up to three.
        arguments: torch tensors, numpy arrays (passed as pointers, used where they lie) and numbers.
        entry: the kernel's name; the text's only one where it is left out.
        block: threads of a block; what the text says (`.reqntid`) where it is left out.
        cluster: blocks of a cluster.
        shared: bytes of dynamic shared memory.
        target: the GPU to emulate, `sm_90`; the text's `.target` where it is left out.
        check: looks for races, missing waits and reads of what nothing wrote; `Report.findings` has them.
        seed: order in which warps run and operations complete; 0 is the usual order.
        names: names of the arguments in reports; those of the parameters where they are left out.

    Returns:
        A `Report`.

    Raises:
        EngineError: the text is refused, or the kernel did what a GPU would not bear.
        ValueError: the arguments do not fit the parameters.
    """
    module = read(ptx)
    entry = entry or only_kernel(module)
    if target is None and module.capability is None:
        raise ValueError("the PTX names no target")
    kernel = load(device(target or f"sm_{module.capability}"), module, entry)
    parameters = module.parameters(entry)
    if len(parameters) != len(arguments):
        raise ValueError(f"{entry} has {len(parameters)} parameters, and {len(arguments)} arguments are given")
    names = names or [name for name, _ in parameters]
    block = block or module.required_block(entry)
    if block is None:
        raise ValueError(f"{entry} does not say how many threads a block has: block=(128,)")
    values = [packed(value, size, name) for value, (_, size), name in zip(arguments, parameters, names)]
    areas = [area_of(value, name) for value, name in zip(arguments, names) if pointer(value) is not None]
    return kernel.launch(
        grid=extents(grid),
        block=extents(block),
        cluster=extents(cluster),
        shared=shared,
        arguments=values,
        memory=[(area.name, area.address, area.size, False) for area in merged(areas)],
        check=check,
        seed=seed,
        printed=sys.stdout.write,
    )


@functools.cache
def read(ptx):
    """A text as a module, parsed once."""
    return Module(ptx)


@functools.cache
def load(device, module, kernel):
    """A kernel of a module on a device, loaded once."""
    return device.load(module, kernel)


def extents(value):
    """Three extents of one to three."""
    given = (value,) if isinstance(value, int) else tuple(value)
    if not 1 <= len(given) <= 3:
        raise ValueError(f"a grid, block or cluster has one to three extents, not {len(given)}")
    return [*given, 1, 1][:3]


def packed(value, size, name):
    """The bytes of an argument."""
    address = pointer(value)
    if address is not None:
        if size != 8:
            raise ValueError(f"{name} is a parameter of {size} bytes, and a tensor is given")
        return struct.pack("<Q", address)
    if isinstance(value, bytes):
        content = value
    elif hasattr(value, "tobytes"):
        content = value.tobytes()
    elif isinstance(value, float):
        if size not in FLOATS:
            raise ValueError(f"{name} is a parameter of {size} bytes, and a float is given")
        content = struct.pack(FLOATS[size], value)
    elif isinstance(value, int):
        try:
            content = int(value).to_bytes(size, "little", signed=value < 0)
        except OverflowError:
            raise ValueError(f"{name} is a parameter of {size} bytes: {value} has no place in it") from None
    else:
        raise ValueError(f"{name}: a {type(value).__name__} is neither a tensor nor a number")
    if len(content) != size:
        raise ValueError(f"{name} is a parameter of {size} bytes, and {len(content)} bytes are given")
    return content


def only_kernel(module):
    names = module.kernels
    if len(names) != 1:
        has = f"it has {', '.join(names)}; say entry=" if names else "it has none"
        raise ValueError(f"the PTX has {len(names)} entry functions: {has}")
    return names[0]
