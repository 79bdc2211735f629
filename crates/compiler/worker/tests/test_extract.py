"""Kernels out of packages that are not imported."""

from __future__ import annotations

import textwrap
import types
from pathlib import Path

import pytest

from warpbook_worker import dependencies, extract, source
from warpbook_worker.errors import Refused

PACKAGE = {
    "pack/__init__.py": "raise RuntimeError('imported')\n",
    "pack/sizes.py": "import torch\nBLOCK = 64\n",
    "pack/kernels.py": """
import torch
import triton
from . import sizes
from .sizes import BLOCK
import missing_package.thing as thing

GUESSED = int(torch.cuda.device_count())

class Model(torch.nn.Module):
    pass

@triton.jit
def helper(x):
    return BLOCK

@triton.jit
def kernel(x):
    return helper(x)

@triton.jit
def needs_a_guess(x):
    return GUESSED

broken = undefined_name + 1

@triton.jit
def needs_what_is_broken(x):
    return broken

def plain(x):
    return x
""",
}


@pytest.fixture(autouse=True)
def package(tmp_path: Path) -> Path:
    for path, text in PACKAGE.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path


def refusal(spec: str, path: Path) -> Refused:
    with pytest.raises(Refused) as caught:
        extract.kernel(spec, [str(path)])
    return caught.value


def test_a_kernel_comes_with_what_it_names(package: Path) -> None:
    found = extract.kernel("pack.kernels:kernel", [str(package)])
    assert found.__name__ == "kernel"
    assert found.fn.__globals__["helper"].fn.__globals__["BLOCK"] == 64
    assert str(package / "pack/kernels.py") in dependencies.files_since()


def test_a_file_is_taken_with_its_package(package: Path) -> None:
    found = extract.kernel(f"{package}/pack/kernels.py:kernel", [])
    assert found.fn.__globals__["BLOCK"] == 64


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("pack.kernels", "takes MODULE:FUNCTION"),
        ("pack.kernls:kernel", "there is no module `pack.kernls`"),
        ("pack.kernels:kernl", "has no function `kernl`"),
        ("pack.kernels:plain", "is not a kernel"),
        ("pack.kernels:needs_a_guess", "depends on a module that is not imported"),
        ("pack.kernels:needs_what_is_broken", "NameError"),
        ("nowhere.py:kernel", "there is no file"),
    ],
)
def test_what_cannot_be_taken_is_refused(package: Path, spec: str, words: str) -> None:
    report = refusal(spec, package).report
    assert report["kind"] == "from"
    assert words in report["message"]


def test_a_near_name_is_offered(package: Path) -> None:
    assert refusal("pack.kernls:kernel", package).report["help"] == ["did you mean `pack.kernels`?"]


def test_a_file_that_is_no_python_names_its_line(package: Path) -> None:
    (package / "pack/wrong.py").write_text("def f(:\n")
    report = refusal("pack.wrong:f", package).report
    assert (report["path"], report["line"], report["source"]) == ("pack/wrong.py", 1, "def f(:\n")


# What people write: each module, and the value of `X` for its kernel, or words of the refusal.
MODULES = {
    "a stand-in that has every attribute": (
        "from missing_package import helper\n@triton.jit\ndef kernel(x):\n    return helper(x)\n",
        "`helper`, which cannot be evaluated",
    ),
    "names bound more than once": ("X = 1\nX = X + 1\nif X == 2:\n    X = X * 5\n" + "K", 10),
    "a name that is read before it is bound again": ("A = 1\nX = A\nA = 2\n" + "K", 1),
    "limits of torch's types": ("X = torch.finfo(torch.bfloat16).max\n" + "K", 3.3895313892515355e38),
    "integer limits": ("X = torch.iinfo(torch.int32).min\n" + "K", -(2**31)),
    "an absent decorator above": ("X = 3\n@missing_package.tune(size=4)\n" + "K", 3),
    "an absent decorator below": ("X = 3\n@triton.jit\n@missing_package.plain\ndef kernel(x):\n    return X\n", 3),
    "a kernel under a condition": ("X = 4\nif torch.cuda.is_available():\n    import math\n" + "INDENTED", 4),
    "a kernel that a function makes": ("X = 5\ndef make():\n" + "INDENTED", 5),
    "what torch's version decides": ("X = torch.version.hip is not None\n" + "K", "`X`, which cannot be evaluated"),
    "what a machine decides": ("X = 64 if torch.cuda.is_available() else 32\n" + "K", "depends on a module"),
    "a function that asks": ("def f():\n    return torch.version.hip is None\nX = f()\n" + "K", "depends on a module"),
    "a branch that nothing decides": (
        "if torch.cuda.is_available():\n    X = 1\nelse:\n    X = 2\n" + "K",
        "which of its values it has",
    ),
    "torch itself in the kernel": (
        "@triton.jit\ndef kernel(x):\n    return torch.version.hip\n",
        "`torch.version.hip`, which cannot be evaluated",
    ),
    "what is not installed and provided for": (
        "try:\n    import nowhere\n    X = 1\nexcept ImportError:\n    X = 2\n" + "K",
        2,
    ),
    "a sibling package": ("from other.sizes import SIDE as X\n" + "K", 7),
    "a statement without an end": (
        "X = 0\nwhile not torch.cuda.is_available():\n    X = 1\n" + "K",
        "does not come to its end",
    ),
}
HEAD = "import torch\nimport triton\nimport missing_package\n"
KERNEL = "@triton.jit\ndef kernel(x):\n    return X\n"


@pytest.mark.parametrize("name", list(MODULES))
def test_what_people_write(name: str, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, expected = MODULES[name]
    text = text.replace("INDENTED", textwrap.indent(KERNEL, "    "))
    text = text.removesuffix("K") + KERNEL if text.endswith("K") else text
    monkeypatch.setattr(source, "LIMIT", 0.2)
    (package / "pack/written.py").write_text(HEAD + text)
    (package / "other").mkdir()
    (package / "other/__init__.py").write_text("")
    (package / "other/sizes.py").write_text("import torch\nSIDE = 7\n")
    if isinstance(expected, str):
        assert expected in refusal("pack.written:kernel", package).report["message"]
    else:
        found = extract.kernel("pack.written:kernel", [str(package)])
        assert found.fn.__globals__["X"] == expected


def test_modules_of_a_package_are_modules(package: Path) -> None:
    (package / "pack/written.py").write_text(HEAD + "from . import sizes\nX = 1\n" + KERNEL.replace("X", "sizes.BLOCK"))
    found = extract.kernel("pack.written:kernel", [str(package)])
    module = found.fn.__globals__["sizes"]
    assert type(module) is types.ModuleType
    assert module.BLOCK == 64
