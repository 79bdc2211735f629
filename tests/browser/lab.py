"""JupyterLab with the kernel in it, and a page of Chromium that has one of its notebooks open.

Nothing of the user's own set-up is used, and Playwright's own browsers are not: Chromium is Debian's, or the one that
`WARPBOOK_TEST_CHROMIUM` names.
"""

import contextlib
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import nbformat
from playwright.sync_api import sync_playwright

CHROMIUM = os.environ.get("WARPBOOK_TEST_CHROMIUM", "/usr/bin/chromium")
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
IDLE = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
FLUSHED = """() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
    .requestExecute({code: "", silent: true}).done.then(() => null)"""
# The longest that anything may take, in seconds: the first compilation of a machine that is busy.
PATIENCE = float(os.environ.get("WARPBOOK_TEST_PATIENCE", 300))


class Server:
    """JupyterLab in a directory of its own. `WARPBOOK_TEST_PREFIX` is where `warpbook install --prefix` put the kernel."""

    def __init__(self, directory):
        self.notebooks = Path(directory) / "notebooks"
        self.notebooks.mkdir()
        environment = dict(os.environ, JUPYTER_PATH=str(Path(os.environ["WARPBOOK_TEST_PREFIX"]) / "share/jupyter"))
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            environment[name] = str(Path(directory) / name.lower())
        # No question about news lies over the notebook.
        settings = Path(environment["JUPYTER_CONFIG_DIR"]) / "lab/user-settings/@jupyterlab/apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
        command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={self.notebooks}"]
        command += ["--expose-app-in-browser"]
        command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        self.log = []
        addresses = queue.Queue()

        def read():
            for line in self.process.stderr:
                self.log.append(line)
                # It stands there before the server listens; the sentence after it does not.
                if "Use Control-C to stop" in line:
                    addresses.put(re.search(r"http://127\.0\.0\.1:\d+/", "".join(self.log)))
            addresses.put(None)

        threading.Thread(target=read, daemon=True).start()
        address = addresses.get(timeout=PATIENCE)
        if address is None:
            raise RuntimeError("JupyterLab does not start:\n" + "".join(self.log))
        self.url = address[0]

    def close(self):
        self.process.terminate()
        self.process.wait()


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page, path):
        self.page = page
        self.path = path

    def run_all(self):
        """Runs each cell, through an error too (cells that may fail are tagged)."""
        self.page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
        # The reply to the last cell may come before its outputs. A request after it ends with a message of the stream that
        # they come in.
        self.page.evaluate(FLUSHED)
        self.page.wait_for_function(IDLE)

    def save(self):
        """What JupyterLab wrote to the disk."""
        self.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        return nbformat.read(self.path, as_version=4)

    def theme(self, name):
        """`light` or `dark`."""
        self.page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", THEMES[name])
        light = "true" if name == "light" else "false"
        self.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")

    def cell(self, index):
        """A cell, brought into view."""
        self.page.evaluate("at => jupyterapp.shell.currentWidget.content.scrollToItem(at, 'start')", index)
        cell = self.page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{index}"]')
        cell.scroll_into_view_if_needed()
        return cell

    def output(self, index):
        """The output of a cell."""
        return self.cell(index).locator(".jp-OutputArea-output").last


def write(path, cells):
    """A notebook of these cells; a cell that may fail is a tuple with "raises-exception"."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "warpbook", "display_name": "Warpbook", "language": "rust"}
    for cell in cells:
        source, *tags = (cell,) if isinstance(cell, str) else cell
        cell = nbformat.v4.new_code_cell(source)
        if tags:
            cell.metadata.tags = tags
        notebook.cells.append(cell)
    nbformat.write(notebook, path)


@contextlib.contextmanager
def browser():
    """Chromium, and a server: `(browser, server)`."""
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        # Chromium refuses its sandbox to root.
        sandbox = [] if os.geteuid() else ["--no-sandbox"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        server = Server(directory)
        try:
            yield chromium, server
        finally:
            chromium.close()
            server.close()


def open_notebook(chromium, server, name, scale=1, size=(1500, 1000)):
    """A notebook of the server's directory in a page of its own, and what that page's console says of errors."""
    context = chromium.new_context(device_scale_factor=scale, viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    errors = []
    page.on("pageerror", lambda error: errors.append(f"page: {error}"))
    page.on("console", lambda message: message.type == "error" and errors.append(f"console: {message.text}"))
    page.goto(f"{server.url}lab/workspaces/{Path(name).stem}/tree/{name}?reset")
    page.wait_for_function(IDLE)
    return Notebook(page, server.notebooks / name), errors
