"""What pip installs: the program, and the kernel as Jupyter finds and starts it."""

import subprocess
import sys

import jupyter_client.kernelspec
import nbclient
import nbformat
import pytest


def test_the_program_runs_as_a_module_and_on_the_command_line():
    command = [sys.executable, "-m", "warpbook", "--version"]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert version.startswith("warpbook ")


def test_jupyter_finds_the_kernel_of_this_environment():
    spec = jupyter_client.kernelspec.get_kernel_spec("warpbook")
    assert spec.resource_dir.startswith(sys.prefix)
    assert spec.argv[:3] == ["python", "-m", "warpbook"]


def test_a_notebook_runs():
    cells = ["%buf x = arange(8)", "%show x"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, kernel_name="warpbook", timeout=120).execute()
    texts = [output["data"]["text/plain"] for output in notebook.cells[1].outputs if "data" in output]
    assert any("0" in text and "7" in text for text in texts), notebook.cells


def test_an_error_in_a_cell_is_an_error():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%show nothing")])
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="nothing"):
        nbclient.NotebookClient(notebook, kernel_name="warpbook", timeout=120).execute()
