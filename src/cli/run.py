"""Runs a notebook through the kernel and prints what its cells say, as they say it.

Started by `warpbook run` with two paths, of the notebook and of the executed one, and JSON in WARPBOOK_RUN; nbclient
does the work.
"""

import sys

# `python -c` looks for modules in the current directory first: a reader's `json.py` is not for this script.
sys.path[:] = [path for path in sys.path if path]

import json
import os
import re
import warnings

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError


# A path or a cell need not be Unicode that a terminal takes.
sys.stdout.reconfigure(errors="backslashreplace")
sys.stderr.reconfigure(errors="backslashreplace")
# What nbformat warns of is mended below, or said by it as an error.
warnings.simplefilter("ignore")

COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def say(text, end="\n"):
    if not COLOURS:
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    sys.stdout.write(text + end)
    sys.stdout.flush()


def fail(text):
    sys.stdout.flush()
    sys.stderr.write(text.rstrip() + "\n")


class Client(NotebookClient):
    """Prints while it runs. Text only: the executed notebook has the rest."""

    midline = False

    def say_block(self, text):
        if self.midline:
            say("")
            self.midline = False
        if text:
            say(text.rstrip("\n"))

    def process_message(self, msg, cell, cell_index):
        output = super().process_message(msg, cell, cell_index)
        kind, content = msg["msg_type"], msg["content"]
        if kind == "stream":
            if content["text"]:
                say(content["text"], end="")
                self.midline = not content["text"].endswith("\n")
        elif kind in ("execute_result", "display_data"):
            self.say_block(content["data"].get("text/plain", ""))
        elif kind == "update_display_data" and sys.stdout.isatty():
            # Progress: its last line, over the one before.
            last = content["data"].get("text/plain", "").rstrip("\n").rpartition("\n")[2]
            say(f"\r{last}\x1b[K", end="")
            self.midline = True
        elif kind == "error":
            self.say_block("\n".join(content["traceback"]) or f"{content['ename']}: {content['evalue']}")
        return output


class NotANotebook(Exception):
    """Why a file cannot be run."""


def plain(value, kind, what):
    """A value that has to be of a kind, or is absent."""
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise NotANotebook(f"{what} is {type(value).__name__}, not {kind.__name__}")
    return value


def read(path):
    """Reads a notebook of any version, and adds what its cells may lack."""
    with open(path, encoding="utf-8-sig") as file:
        text = file.read()
    if not text.strip():
        raise NotANotebook("the file is empty")
    document = json.loads(text)
    if not isinstance(document, dict):
        raise NotANotebook("it is JSON, but no object")
    if "cells" not in document and "worksheets" not in document:
        raise NotANotebook("it has no cells")
    document["metadata"] = plain(document.get("metadata"), dict, "`metadata`")
    cells = plain(document.get("cells"), list, "`cells`")
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, dict):
            raise NotANotebook(f"cell {number} is no object")
        source = cell.get("source", "")
        lines = source if isinstance(source, list) else [source]
        if not all(isinstance(line, str) for line in lines):
            raise NotANotebook(f"the source of cell {number} is no text")
        cell["source"] = "".join(lines)
        cell["metadata"] = plain(cell.get("metadata"), dict, f"`metadata` of cell {number}")
        cell.setdefault("cell_type", "code")
        if cell["cell_type"] == "code":
            cell["outputs"] = plain(cell.get("outputs"), list, f"`outputs` of cell {number}")
            cell.setdefault("execution_count", None)
    return nbformat.reads(json.dumps(document), as_version=4)


def parameters(settings):
    cell = nbformat.v4.new_code_cell("\n".join(f"%let {setting}" for setting in settings))
    cell.metadata["tags"] = ["injected-parameters"]
    return cell


def insert_parameters(notebook, settings):
    """Behind the cell tagged `parameters`, or before the first cell of code, as papermill does."""
    code = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    tagged = [index for index in code if "parameters" in (notebook.cells[index].metadata.get("tags") or [])]
    if tagged:
        at = tagged[0] + 1
    else:
        at = code[0] if code else len(notebook.cells)
    notebook.cells[at:at] = [parameters(settings)]


def main():
    job = json.loads(os.environ.pop("WARPBOOK_RUN"))
    source, target = sys.argv[1:]
    try:
        notebook = read(source)
    except Exception as error:  # nbformat raises whatever its parser raises
        fail(f"error: {source} is not a notebook\n  = note: {error}")
        return 2
    if job["set"]:
        insert_parameters(notebook, job["set"])

    # Found out now, not when an hour's work is done.
    temporary = target + ".part"
    try:
        if os.path.isdir(target):
            raise IsADirectoryError(f"{target} is a directory")
        with open(temporary, "a", encoding="utf-8"):
            pass
    except OSError as failure:
        fail(f"error: cannot write {target}\n  = note: {failure}\n  = help: `--output FILE` names another file")
        return 1

    client = Client(
        notebook,
        kernel_name=job["kernel"],
        timeout=job["timeout"],
        resources={"metadata": {"path": os.path.dirname(os.path.abspath(source))}},
    )
    total = sum(1 for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip())
    count = 0

    def on_cell_start(cell, cell_index):
        nonlocal count
        if cell.cell_type == "code" and cell.source.strip():
            count += 1
            client.say_block("")
            first = cell.source.strip().splitlines()[0]
            say(f"── {count}/{total} ── {first}")

    client.on_cell_start = on_cell_start

    status, error = 0, None
    try:
        client.execute()
    except CellExecutionError:
        status, error = 1, f"error: cell {count} of {source} failed"
    except CellTimeoutError:
        status, error = 1, f"error: cell {count} of {source} took longer than {job['timeout']} s"
    except DeadKernelError:
        status, error = 1, f"error: the kernel ended while it ran cell {count} of {source}"
    except RuntimeError as failure:  # it did not start
        status, error = 1, f"error: the kernel did not run {source}\n  = note: {failure}"
    except KeyboardInterrupt:
        status, error = 130, f"interrupted in cell {count} of {source}"
    client.say_block("")

    # Also after a failure: the outputs say more than the exit status.
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            nbformat.write(notebook, file)
        os.replace(temporary, target)
    except (OSError, ValueError) as failure:  # a surrogate is no UTF-8
        fail(f"error: cannot write {target}\n  = note: {failure}")
        return status or 1
    if error:
        fail(error)
    say(f"wrote {target}")
    return status


# A test reads this file for `read` alone.
if "WARPBOOK_RUN" in os.environ:
    sys.exit(main())
