"""Plain Triton, with no Warpbook in it: a kernel of an installed package becomes the texts of its stages.

    python plain_triton.py PACKAGES CAPABILITY < requests.jsonl > answers.jsonl

A request is `{"kernel": "module:function", "positional": [...], "keywords": {...}, "config": 0}` where a buffer is
`{"buffer": "float16"}`. Specialisation, heuristics and the list of an autotuner are asked of Triton, by its own
`warmup`, with a driver that answers for a GPU which is not there.
"""

import importlib
import json
import os
import sys

import stand_ins


class Buffer:
    """What Triton's specialisation reads of a tensor: its type and an aligned address."""

    def __init__(self, dtype):
        self.dtype = "torch." + dtype

    @staticmethod
    def data_ptr():
        return 1 << 20


class Driver:
    """The answers that Triton wants of a driver before it compiles."""

    def __init__(self, capability):
        from triton.backends.compiler import GPUTarget

        self.target = GPUTarget("cuda", capability, 32)

    def get_current_target(self):
        return self.target

    @staticmethod
    def get_current_device():
        return 0

    @staticmethod
    def get_current_stream(_device=None):
        return 0

    @staticmethod
    def get_benchmarker():
        return None


def unwrap(kernel, values, config):
    """Takes off the decorators as a launch does: heuristics computed, one configuration of the autotuner chosen."""
    from triton.runtime.autotuner import Autotuner, Heuristics
    from triton.runtime.jit import JITFunction

    while not isinstance(kernel, JITFunction):
        if isinstance(kernel, Heuristics):
            for name, compute in kernel.values.items():
                values[name] = compute(values)
        elif isinstance(kernel, Autotuner):
            values.update(kernel.configs[config].all_kwargs())
        kernel = kernel.fn
    return kernel


def innermost(kernel):
    while hasattr(kernel, "fn") and hasattr(kernel.fn, "arg_names"):
        kernel = kernel.fn
    return kernel


def real(value):
    """An argument of a request as Triton sees it."""
    import triton.language

    if isinstance(value, dict):
        return Buffer(value["buffer"]) if "buffer" in value else getattr(triton.language, value["dtype"])
    return value


def stages(request):
    """Compiles one call and describes what came out."""
    module, _, function = request["kernel"].partition(":")
    kernel = getattr(importlib.import_module(module), function)
    values = dict(zip(innermost(kernel).arg_names, map(real, request["positional"])))
    values.update({name: real(value) for name, value in request["keywords"].items()})
    jit = unwrap(kernel, values, request.get("config", 0))
    compiled = jit.warmup(grid=(1, 1, 1), **values)
    binder = jit.device_caches[0][-1]
    bound, specialization, options = binder(**values, debug=False)
    left = [p.name for p, kind in zip(jit.params, specialization) if kind[0] != "constexpr"]
    asm = {stage: compiled.asm[stage] for stage in ("ttir", "ttgir", "llir", "ptx")}
    asm["cubin"] = compiled.asm["cubin"].hex()
    plain = (bool, int, float, str)
    return {
        "asm": asm,
        "name": compiled.metadata.name,
        "argnames": [p.name for p in jit.params],
        "parameters": left,
        "types": {p.name: kind[0] for p, kind in zip(jit.params, specialization) if kind[0] != "constexpr"},
        "values": {name: value for name, value in values.items() if isinstance(value, plain)},
        "num_warps": compiled.metadata.num_warps,
        "num_stages": compiled.metadata.num_stages,
        "shared": compiled.metadata.shared,
    }


def main():
    packages, capability = sys.argv[1:3]
    # What the package prints while it is imported is not an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    stand_ins.install(packages)
    from triton.runtime import driver

    driver.set_active(Driver(int(capability)))
    for line in sys.stdin:
        try:
            answer = stages(json.loads(line))
        except Exception as error:  # noqa: BLE001 the other side reports it with the case's name
            import traceback

            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
