"""A case's call, read as Python: what plain Triton is asked to compile for it."""

import ast

from case import Array

# The types that a call may name, as Triton's language spells them.
TORCH = {
    "f16": "float16",
    "f32": "float32",
    "bf16": "bfloat16",
    "i8": "int8",
    "u8": "uint8",
    "i32": "int32",
    "i64": "int64",
}


class _Dtype(dict):
    """`tl.float32` in a call."""

    def __getattr__(self, name):
        return {"dtype": name}


def _plain(value):
    return {"buffer": TORCH[value.dtype]} if isinstance(value, Array) else value


def request_of(case):
    """The request for `plain_triton.py`."""
    call = ast.parse(f"call({case.call})", mode="eval").body
    names = dict(case.buffers, tl=_Dtype())
    value = lambda node: _plain(eval(compile(ast.Expression(node), case.name, "eval"), {"__builtins__": {}}, names))
    return {
        "kernel": case.kernel,
        "positional": [value(node) for node in call.args],
        "keywords": {keyword.arg: value(keyword.value) for keyword in call.keywords},
        "config": case.config,
    }
