"""Runs a notebook through the kernel and prints what its cells say, as they say it.

Started by `warpbook run` with JSON in WARPBOOK_RUN; nbclient does the work.
"""

import sys

# `python -c` looks for modules in the current directory first: a reader's `json.py` is not for this script.
sys.path[:] = [path for path in sys.path if path]

import json
import os
import re

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError


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


def parameters(settings):
    cell = nbformat.v4.new_code_cell("\n".join(f"%let {setting}" for setting in settings))
    cell.metadata["tags"] = ["injected-parameters"]
    return cell


def insert_parameters(notebook, settings):
    """Behind the cell tagged `parameters`, or before the first cell of code, as papermill does."""
    code = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    tagged = [index for index in code if "parameters" in notebook.cells[index].metadata.get("tags", [])]
    if tagged:
        at = tagged[0] + 1
    else:
        at = code[0] if code else len(notebook.cells)
    notebook.cells[at:at] = [parameters(settings)]


def main():
    job = json.loads(os.environ.pop("WARPBOOK_RUN"))
    source, target = job["notebook"], job["output"]
    try:
        notebook = nbformat.read(source, as_version=4)
    except Exception as error:  # nbformat raises whatever its parser raises
        fail(f"error: {source} is not a notebook\n  = note: {error}")
        return 2
    if job["set"]:
        insert_parameters(notebook, job["set"])

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
    except KeyboardInterrupt:
        status, error = 130, f"interrupted in cell {count} of {source}"
    client.say_block("")

    # Also after a failure: the outputs say more than the exit status.
    temporary = target + ".part"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            nbformat.write(notebook, file)
        os.replace(temporary, target)
    except OSError as failure:
        fail(f"error: cannot write {target}\n  = note: {failure}")
        return status or 1
    if error:
        fail(error)
    say(f"wrote {target}")
    return status


sys.exit(main())
