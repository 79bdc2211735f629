"""The pictures of docs/views.md: each view in JupyterLab, in the light theme (`layout.png`) and the dark one
(`layout-dark.png`); and that of the README, the beginning of the first notebook (`quickstart.png`).

    warpbook install --prefix PREFIX
    WARPBOOK_TEST_PREFIX=PREFIX python pictures.py DIRECTORY [NAME…]

Needs what the browser tests need (requirements.txt) and Pillow, which keeps 64 colours.
"""

import sys
from pathlib import Path

import cells
import lab
import nbformat
from PIL import Image

# By the picture's name: the cell, what is unfolded or clicked in it, the largest height.
STEPS = {
    "stages": ("stages", "div[data-k]:has-text('tl.dot')", 740),
    "passes": ("passes", "details:has-text('ttgpuir.accelerate_matmul') summary", 900),
    "sass": ("sass", "div[data-k]:has-text('tl.dot')", 560),
    "resources": ("resources", None, 400),
    "diff": ("diff", None, 760),
    "dump": ("dump", None, 520),
    "expect": ("expect", None, 300),
    "failed": ("failed", None, 544),
    "layout": ("layout", None, 760),
    "conversion": ("conversion", None, 900),
    "mma": ("wgmma", None, 900),
    "tma": ("tma", None, 900),
}
COLOURS = 64
QUICKSTART = Path(__file__).parent.parent.parent / "notebooks" / "01-quickstart.ipynb"


def keep(path, height):
    """Cuts a picture off below, and takes colours from it."""
    with Image.open(path) as image:
        image = image.convert("RGB").crop((0, 0, image.width, min(image.height, height)))
        image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path, path.stat().st_size)


def quickstart(chromium, server, directory):
    """The first notebook until its first change of a stage."""
    own = nbformat.read(QUICKSTART, as_version=4)
    last = next(at for at, cell in enumerate(own.cells) if cell.source.startswith("%%patch"))
    own.cells = own.cells[: last + 2]
    nbformat.write(own, server.notebooks / "quickstart.ipynb")
    notebook, _ = lab.open_notebook(chromium, server, "quickstart.ipynb", size=(1230, 1600))
    notebook.run_all()
    notebook.cell(0)
    path = directory / "quickstart.png"
    notebook.page.locator(".jp-WindowedPanel-outer").first.screenshot(path=path)
    keep(path, 1500)


def main():
    directory, names = Path(sys.argv[1]), sys.argv[2:] or [*STEPS, "quickstart"]
    with lab.browser() as (chromium, server):
        if "quickstart" in names:
            quickstart(chromium, server, directory)
            names.remove("quickstart")
            if not names:
                return
        lab.write(server.notebooks / "pictures.ipynb", cells.VIEWS.values())
        notebook, _ = lab.open_notebook(chromium, server, "pictures.ipynb", size=(1360, 1100))
        notebook.run_all()
        for theme in lab.THEMES:
            notebook.theme(theme)
            for name in names:
                view, clicked, height = STEPS[name]
                cell = notebook.cell(list(cells.VIEWS).index(view))
                if clicked and theme == "light":
                    cell.locator(clicked).first.click()
                    cell.locator(".wb-stages-text").evaluate_all("boxes => boxes.forEach(box => { box.scrollLeft = 0; })")
                    notebook.page.mouse.move(0, 0)
                    # No frame and no buttons of the cell that was clicked.
                    notebook.page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 0")
                cell = notebook.cell(list(cells.VIEWS).index(view))
                # What is far away is drawn when it comes into view.
                cell.locator(".jp-OutputArea-output").last.wait_for()
                path = directory / (f"{name}.png" if theme == "light" else f"{name}-{theme}.png")
                cell.screenshot(path=path)
                keep(path, height)


if __name__ == "__main__":
    main()
