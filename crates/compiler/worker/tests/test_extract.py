"""Kernels out of packages that are not imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from warpbook_worker import dependencies, extract
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
