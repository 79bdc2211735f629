"""A Triton driver whose launches run on the emulator, for Triton 3.4 to 3.6.

Triton's own driver does the work: descriptors, scratch memory and signatures. Replaced are what it compiles in C (the
launcher and the calls of the CUDA driver) and the compiler's last stage: the "cubin" is the PTX.
"""

import ctypes
import functools
import gc
import json
import os
import re
import struct
import sys
import weakref
from dataclasses import dataclass
from types import SimpleNamespace

import torch
import triton
import triton.backends.nvidia.compiler as nvidia_compiler
import triton.backends.nvidia.driver as nvidia_driver
from triton.backends import Backend, backends
from triton.backends.compiler import GPUTarget

from warpbook._engine import EngineError
from warpbook.launching import device, load, read
from warpbook.memory import Area, area_of, merged

FLOATS = {"fp16": "e", "fp32": "f", "f32": "f", "fp64": "d"}
ELEMENTS = ["U8", "U16", "U32", "I32", "U64", "I64", "F16", "F32", "F64", "Bf16", "F32Ftz", "Tf32", "Tf32Ftz"]
SWIZZLES = ["None", "B32", "B64", "B128"]
# Longest tensor of 64-bit integers that is searched for addresses of other tensors, in elements.
POINTERS = 4096

# Compute capabilities that are emulated.
CAPABILITIES = (75, 80, 86, 89, 90, 100, 103, 120)

# Tensors that torch made, by their id, as long as they live.
TENSORS = weakref.WeakValueDictionary()


@dataclass
class Settings:
    """What `warpbook.triton.activate` was asked for."""

    capability: int = 90
    check: bool = False
    seed: int = 0
    fast: bool = False

    @property
    def device(self):
        return device(f"sm_{self.capability}", self.fast)


SETTINGS = Settings()

# Called with each `Request` before it runs; gives an object whose `end()` or `fail(code)` is called after it, or None.
OBSERVERS = []


@dataclass
class Request:
    """A launch: `arguments` are as wide as the kernel declares its parameters, `areas` the memory that it may use."""

    ptx: str
    entry: str
    capability: int
    grid: list
    block: list
    cluster: list
    shared: int
    cooperative: bool
    arguments: list
    areas: list


class CheckError(RuntimeError):
    """The checks of a launch have found something; `findings` has all of it, as dictionaries."""

    def __init__(self, findings):
        super().__init__("\n\n".join(finding["text"] for finding in findings))
        self.findings = findings


class Compiler(nvidia_compiler.CUDABackend):
    """Triton's compiler for NVIDIA GPUs without ptxas."""

    def add_stages(self, stages, options, language):
        super().add_stages(stages, options, language)
        stages["cubin"] = lambda ptx, metadata: ptx.encode()

    def hash(self):
        return f"warpbook-{triton.__version__}-{self.target.arch}"


class Driver(nvidia_driver.CudaDriver):
    """Triton's driver for NVIDIA GPUs with the emulator in place of CUDA."""

    def __init__(self):
        super().__init__()
        self.launcher_cls = Launcher
        self.get_current_device = lambda: 0
        self.set_current_device = lambda device: None
        self.get_current_stream = lambda device=0: 0
        self.get_device_capability = lambda device=0: divmod(SETTINGS.capability, 10)

    def get_current_target(self):
        return GPUTarget("cuda", SETTINGS.capability, 32)

    @staticmethod
    def is_active():
        return True


class Launcher(nvidia_driver.CudaLauncher):
    """Notes the tensors of a launch, descriptors' bases among them, before Triton takes the arguments apart."""

    def __init__(self, src, metadata):
        super().__init__(src, metadata)
        self.names = list(getattr(getattr(src, "fn", None), "arg_names", []))

    def __call__(self, x, y, z, stream, function, *args):
        found = []
        # The kernel's own arguments come last.
        names = ["argument"] * (len(args) - len(self.names)) + self.names
        for name, value in zip(names, args):
            collect_tensors(value, name, found)
        function.tensors = found
        super().__call__(x, y, z, stream, function, *args)


def collect_tensors(value, name, found):
    """Adds (name, tensor) for each tensor in an argument."""
    if isinstance(value, torch.Tensor):
        found.append((name, value))
    elif isinstance(value, (tuple, list)):
        for index, part in enumerate(value):
            collect_tensors(part, f"{name}[{index}]", found)
    elif hasattr(value, "base"):
        collect_tensors(value.base, name, found)


class Function:
    """A loaded kernel, and the named tensors of its next launch."""

    def __init__(self, name, text):
        self.name, self.text = name, text
        self.tensors = []


class Utilities:
    """What Triton calls of the CUDA driver."""

    def load_binary(self, name, binary, shared, device):
        function = Function(name, binary.decode())
        return function, function, 32, 0, 1024

    def get_device_properties(self, number):
        device = SETTINGS.device
        return {
            "max_num_regs": 65536, "warpSize": 32, "sm_clock_rate": 1_980_000, "mem_clock_rate": 2_619_000,
            "mem_bus_width": 5120,
            "max_shared_mem": device.shared_limit, "multiprocessor_count": device.multiprocessors,
        }  # fmt: skip

    def cuOccupancyMaxActiveClusters(self, *args):
        return SETTINGS.device.multiprocessors

    def set_printf_fifo_size(self, size):
        pass

    def fill_tma_descriptor(self, *args):
        """3.4 gives the address to fill first; later versions take the map as the result and say the padding last."""
        if old():
            destination = args[0]
            address, swizzle, size, element, tile, shape, strides = args[1:]
            padding = 0
        else:
            destination = None
            address, swizzle, size, element, tile, shape, strides, padding = args
        description = {
            "element": ELEMENTS[element], "address": address, "dims": list(reversed(shape)),
            "strides": [size * stride for stride in reversed(strides[:-1])], "tile": list(reversed(tile)),
            "element_strides": [1] * len(tile), "interleave": "None", "swizzle": SWIZZLES[swizzle],
            "l2_promotion": 2, "fill_nan": bool(padding),
        }  # fmt: skip
        try:
            encoded = bytes(SETTINGS.device.tensor_map(json.dumps(description)))
        except ValueError as error:
            raise RuntimeError(f"Triton Error [CUDA]: Failed to create tensor map descriptor: {error}") from None
        if destination is None:
            return encoded
        ctypes.memmove(destination, encoded, len(encoded))
        return None


def signature_of(constants, signature, tensordesc_meta):
    """Stands in for `make_launcher`: the types, with descriptors expanded as Triton's launcher does."""
    expanded = []
    index = 0
    for kind in signature.values():
        if not isinstance(kind, str) or not kind.startswith("tensordesc"):
            expanded.append(kind)
            continue
        meta = tensordesc_meta[index] if tensordesc_meta else None
        index += 1
        element, shape = re.match(r"tensordesc<([^[>]*)\[([^]]*)\]", kind).groups()
        rank = shape.count(",") + 1
        if meta is None:
            expanded.extend(["*" + element, *["i64"] * (2 * rank), *([] if old() else ["i1"])])
        else:
            expanded.append("nvTmaDesc")
        expanded.extend(["i32"] * rank + ["i64"] * rank)
    return expanded


def old():
    """True for Triton 3.4: one scratch pointer, descriptors without padding."""
    return triton.__version__.startswith("3.4")


def compiled_in_c(src, name, **_):
    """Stands in for `compile_module_from_src`."""
    if name == "cuda_utils":
        utilities = Utilities()
        utilities.PyCUtensorMap = bytes
        return utilities
    return SimpleNamespace(launch=functools.partial(launch, src))


def launch(signature, x, y, z, stream, function, cooperative, dependent, *rest):
    """Takes a launch as Triton's C launcher does: the grid, scratch memory, metadata, hooks, arguments."""
    scratch, rest = rest[: 1 if old() else 2], rest[1 if old() else 2 :]
    metadata, launch_metadata, enter, leave, *args = rest
    if enter is not None:
        enter(launch_metadata)
    warps, blocks, shared = metadata[:3]
    cluster = list(metadata[3:6]) if len(metadata) > 3 else [blocks, 1, 1]
    grid = [x * cluster[0], y * cluster[1], z * cluster[2]]
    if all(grid):
        args = flat_arguments(signature, args)
        values = [packed(kind, value) for kind, value in args]
        values += [struct.pack("<Q", pointer(one)) for one in scratch]
        module = read(function.text)
        parameters = module.parameters(function.name)
        if len(values) != len(parameters):
            raise RuntimeError(f"{function.name} has {len(parameters)} parameters, not {len(values)}")
        values = [value[:size] for value, (_, size) in zip(values, parameters)]
        # The PTX knows of the warps that warp specialisation adds.
        block = module.required_block(function.name) or [32 * warps, 1, 1]
        tensors = list(function.tensors)
        for one in scratch:
            collect_tensors(one, "scratch", tensors)
        run(
            Request(
                function.text, function.name, SETTINGS.capability, grid, block, cluster, shared,
                bool(cooperative), values, areas(tensors, addresses(args)),
            )
        )  # fmt: skip
    if leave is not None:
        leave(launch_metadata)


def run(request):
    """Runs a launch; errors are RuntimeError with CUDA's words, as Triton's driver has them."""
    watching = [each for each in (observer(request) for observer in OBSERVERS) if each is not None]
    try:
        report = load(SETTINGS.device, read(request.ptx), request.entry).launch(
            grid=request.grid, block=request.block, cluster=request.cluster,
            shared=request.shared, arguments=request.arguments,
            memory=[(area.name, area.address, area.size, False) for area in request.areas],
            cooperative=request.cooperative, check=SETTINGS.check, seed=SETTINGS.seed, printed=to_standard_output,
        )  # fmt: skip
    except EngineError as error:
        for each in watching:
            each.fail(error.code)
        kind = "the emulator stopped the launch"
        if error.code == "device-assert":
            kind = "device-side assert triggered"
            # CUDA writes the assertion to standard error.
            os.write(2, f"{error}\n".encode())
        raise RuntimeError(f"CUDA error: {kind}\n{error}") from error
    for each in watching:
        each.end()
    if report.findings:
        raise CheckError(report.findings)


def to_standard_output(text):
    """CUDA's printf writes to the process's standard output, beside Python's own."""
    sys.stdout.flush()
    os.write(1, text.encode())


def pointer(value):
    if value is None:
        return 0
    return value if isinstance(value, int) else value.data_ptr()


def flat_arguments(kinds, args):
    """(type, value) of each argument, with tuples taken apart where the signature has one."""
    if len(kinds) != len(args):
        raise RuntimeError(f"{len(args)} arguments for {len(kinds)} parameters: {kinds}")
    flat = []
    for kind, value in zip(kinds, args):
        flat.extend(flat_arguments(kind, value) if isinstance(kind, tuple) else [(kind, value)])
    return [pair for pair in flat if pair[0] != "constexpr"]


def addresses(args):
    """Pointers that are passed as numbers."""
    return [value for kind, value in args if kind[0] == "*" and isinstance(value, int) and value]


def packed(kind, value):
    if kind.startswith("*"):
        return struct.pack("<Q", pointer(value))
    if kind == "nvTmaDesc":
        return value if isinstance(value, bytes) else ctypes.string_at(value.tma_desc_cpu_ptr(), 128)
    if kind == "bf16":
        return struct.pack("<f", value)[2:]
    if kind in FLOATS:
        return struct.pack("<" + FLOATS[kind], value)
    # What Triton's launcher in C cannot convert it refuses in the same way.
    return int(value).to_bytes(8, "little", signed=value < 0)


def areas(tensors, numbers):
    """The memory of named tensors, and of those that hold addresses among `numbers` or the tensors' elements."""
    found = [area_of(tensor, name) for name, tensor in tensors if tensor.untyped_storage().nbytes() > 0]
    for _, tensor in tensors:
        if tensor.dtype in (torch.int64, torch.uint64) and 0 < tensor.numel() <= POINTERS:
            values = tensor.detach().to(torch.int64).flatten().tolist()
            numbers = numbers + [value for value in values if 1 << 32 < value < 1 << 47]
    return merged(found + pointed_to(found, numbers))


def pointed_to(found, values):
    """The memory of tensors that hold an address: of those that torch made lately, or of any, which takes longer."""
    missing = {value for value in values if not any(inside(value, area) for area in found)}
    more = []
    for tensors in (lambda: list(TENSORS.values()), lambda: filter(is_tensor, gc.get_objects())):
        if not missing:
            break
        for tensor in tensors():
            area = area_of(tensor, f"tensor at 0x{tensor.untyped_storage().data_ptr():x}")
            reached = {value for value in missing if inside(value, area)}
            if reached:
                more.append(area)
                missing -= reached
    return more


def inside(address, area: Area):
    return area.address <= address < area.address + area.size


def is_tensor(value):
    # `isinstance` would ask proxies for their class.
    return issubclass(type(value), torch.Tensor) and value.device.type == "cpu"


def install():
    """Makes the emulator Triton's active device."""
    nvidia_driver.library_dirs = list
    nvidia_driver.make_launcher = signature_of
    nvidia_driver.compile_module_from_src = compiled_in_c
    backends.clear()
    backends["nvidia"] = Backend(compiler=Compiler, driver=Driver)
    triton.runtime.driver.set_active(Driver())
