"""Lets programs that ask torch for the device "cuda" run where there is none: tensors are the CPU's, and say they are not."""

import contextlib
import functools
import time
from types import SimpleNamespace

import torch
from torch.overrides import TorchFunctionMode
from triton._C.libtriton import nvidia

from warpbook.triton.driver import SETTINGS, TENSORS

REAL_DEVICE = torch.device


def on_cpu(value):
    """The device to use in place of the one that is named."""
    if isinstance(value, str) and value.startswith("cuda"):
        return "cpu"
    if isinstance(value, REAL_DEVICE) and value.type == "cuda":
        return REAL_DEVICE("cpu")
    return value


class CudaOnCpu(TorchFunctionMode):
    """Sends what is made on, or moved to, "cuda" to the CPU."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if "device" in kwargs:
            kwargs["device"] = on_cpu(kwargs["device"])
        kwargs.pop("pin_memory", None)
        if func in (torch.Tensor.to, torch.Tensor.type):
            args = tuple(map(on_cpu, args))
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor):
            TENSORS[id(result)] = result
        return result


class Event:
    """A moment of the host's clock."""

    def __init__(self, *args, **kwargs):
        self.moment = 0.0

    def record(self, stream=None):
        self.moment = time.perf_counter()

    def elapsed_time(self, other):
        return max(1e-6, (other.moment - self.moment) * 1e3)

    def synchronize(self):
        pass

    def wait(self, stream=None):
        pass


class Stream:
    """The one stream."""

    cuda_stream = 0
    device = REAL_DEVICE("cpu")

    def __init__(self, *args, **kwargs):
        pass

    def synchronize(self):
        pass

    def wait_stream(self, other):
        pass

    def wait_event(self, event):
        pass


class CublasLt:
    """Stands in for Triton's own door to cuBLAS, which takes addresses of a GPU; torch computes in f32 on the CPU."""

    def __init__(self, workspace):
        pass

    def matmul(self, a, b, c):
        c.copy_(a.float() @ b.float().T)

    def gemm(self, a, b, c, d, alpha, beta):
        d.copy_(alpha * (a.float() @ b.float().T) + beta * c.float())


def install():
    """Takes the place of `torch.cuda` as far as Triton's tests use it."""
    capability = divmod(SETTINGS.capability, 10)
    properties = SimpleNamespace(
        name="emulated", major=capability[0], minor=capability[1], total_memory=16 << 30,
        multi_processor_count=SETTINGS.device.multiprocessors,
        shared_memory_per_block_optin=SETTINGS.device.shared_limit, warp_size=32, regs_per_multiprocessor=65536,
    )  # fmt: skip
    cuda = torch.cuda
    cuda.is_available = lambda: True
    cuda.is_initialized = lambda: True
    cuda.device_count = lambda: 1
    cuda.init = cuda._lazy_init = lambda: None
    cuda.get_device_capability = lambda device=None: capability
    cuda.get_device_properties = lambda device=None: properties
    cuda.get_device_name = lambda device=None: "emulated"
    cuda.current_device = lambda: 0
    cuda.set_device = lambda device: None
    cuda.synchronize = lambda device=None: None
    cuda.empty_cache = lambda: None
    cuda.manual_seed = cuda.manual_seed_all = lambda seed: None
    cuda.mem_get_info = lambda device=None: (8 << 30, 16 << 30)
    cuda.current_stream = cuda.default_stream = lambda device=None: Stream()
    cuda.Stream, cuda.Event = Stream, Event
    cuda.stream = lambda stream: contextlib.nullcontext()
    cuda.device = lambda device: contextlib.nullcontext()
    torch.Tensor.is_cuda = property(lambda tensor: True)
    torch.Tensor.cuda = lambda tensor, *args, **kwargs: tensor.clone()
    torch.Tensor.pin_memory = lambda tensor, *args, **kwargs: tensor
    nvidia.cublas.CublasLt = CublasLt
    enter_mode()


@functools.cache
def enter_mode():
    """Once, however often the emulator is activated: each entry would be one more step of every call of torch."""
    CudaOnCpu().__enter__()
