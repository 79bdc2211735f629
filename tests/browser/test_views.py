"""Clicks through each view as a reader would, in the light and in the dark theme."""

import contextlib
import subprocess
import sys
import unittest
from pathlib import Path

import cells
import lab

NAMES = list(cells.VIEWS)
# WCAG 2.2, 1.4.3: the least contrast of text with what is behind it.
CONTRAST = 4.5
# The texts of an element with less contrast than that.
PALE = (Path(__file__).parent / "contrast.js").read_text()
# Whether a marked line of a box is in sight.
IN_SIGHT = """box => Array.from(box.querySelectorAll('.wb-stages-near')).some(line => {
  const outer = box.getBoundingClientRect(), inner = line.getBoundingClientRect();
  return inner.top >= outer.top && inner.bottom <= outer.bottom;
})"""

# Whether the step that is looked at is.
NOW_IN_SIGHT = IN_SIGHT.replace(".wb-stages-near", ".wb-player-now")


def setUpModule():
    """One notebook for all tests; each leaves it as it found it."""
    global chromium, notebook, errors, saved
    stack = contextlib.ExitStack()
    unittest.addModuleCleanup(stack.close)
    chromium, server = stack.enter_context(lab.browser())
    lab.write(server.notebooks / "views.ipynb", cells.VIEWS.values())
    notebook, errors = lab.open_notebook(chromium, server, "views.ipynb")
    notebook.run_all()
    saved = notebook.save()


def output(view):
    """The last output of a cell."""
    return notebook.output(NAMES.index(view))


def press(*keys):
    for key in keys:
        notebook.page.keyboard.press(key)


def unfold(fold):
    """Opens or closes a fold as its reader does."""
    fold.locator("summary").first.click()


class Views:
    """What holds in each theme."""

    theme = None

    def setUp(self):
        notebook.theme(self.theme)

    def tearDown(self):
        self.assertEqual(errors, [])

    def test_texts_have_contrast(self):
        for name in NAMES:
            # The colours of an error are JupyterLab's own.
            if name not in cells.FAILING:
                with self.subTest(view=name):
                    self.assertEqual(output(name).evaluate(PALE, CONTRAST), [])

    def test_stages_mark_what_belongs_together(self):
        view = output("stages")
        panes = view.locator("details")
        self.assertEqual(panes.count(), 6)
        python, ttgir, ptx = panes.nth(0), panes.nth(2), panes.nth(4)
        line = python.locator("div[data-k]", has_text="tl.dot")
        line.click()
        for pane, operation in ((ttgir, "tt.dot"), (ptx, "mma.sync")):
            marked = pane.locator(".wb-stages-near b").all_text_contents()
            self.assertTrue(any(operation in text for text in marked), marked)
        self.assertTrue(ptx.locator(".wb-stages-text").evaluate(IN_SIGHT))
        # A second click lets go: the mouse marks again.
        line.click()
        other = python.locator("div[data-k]", has_text="tl.store")
        other.hover()
        self.assertEqual(python.locator(".wb-stages-chosen").inner_text(), other.inner_text())

    def test_stages_mark_what_has_lost_its_place(self):
        view = output("stages")
        ttgir = view.locator("details").nth(2)
        # A constant has no place of its own any more; it goes with what uses it.
        constant = ttgir.locator("div[data-u]", has_text="arith.constant").first
        self.assertEqual(constant.evaluate("line => getComputedStyle(line, '::before').fontStyle"), "italic")
        name = constant.inner_text().split(" = ")[0].strip()
        constant.click()
        marked = ttgir.locator(".wb-stages-near").all_inner_texts()
        self.assertGreater(len(marked), 1)
        self.assertTrue(all(name in text for text in marked), (name, marked))
        constant.click()
        # A line of Python marks the constants that it needs, faintly.
        line = view.locator("details").nth(0).locator("div[data-k]", has_text="tl.dot")
        line.click()
        self.assertIn("tt.dot", " ".join(ttgir.locator(".wb-stages-near").all_inner_texts()))
        self.assertNotIn("arith.constant", " ".join(ttgir.locator(".wb-stages-near").all_inner_texts()))
        self.assertGreater(ttgir.locator(".wb-stages-user", has_text="arith.constant").count(), 0)
        line.click()

    def test_stages_from_the_keyboard(self):
        view = output("stages")
        ttir = view.locator("details").nth(1)
        ttir.locator("summary").focus()
        self.assertFalse(ttir.locator(".wb-stages-text").is_visible())
        press("Enter", "Tab")
        marked = []
        for _ in range(3):
            press("ArrowDown")
            marked.append(ttir.locator(".wb-stages-chosen").first.inner_text())
        self.assertEqual(len(set(marked)), 3, marked)
        press("ArrowUp")
        self.assertEqual(ttir.locator(".wb-stages-chosen").first.inner_text(), marked[1])
        press("Escape")
        self.assertEqual(view.locator(".wb-stages-near, .wb-stages-chosen").count(), 0)
        unfold(ttir)

    def test_passes_open_one_at_a_time(self):
        view = output("passes")
        passes = view.locator("details")
        accelerate = passes.filter(has_text="ttgpuir.accelerate_matmul").first
        unfold(accelerate)
        diff = accelerate.locator(".wb-diff")
        self.assertTrue(any("nvidia_mma" in text for text in diff.locator(".wb-diff-added").all_inner_texts()))
        loops = passes.filter(has_text="ttgpuir.schedule_loops").first
        loops.locator("summary").focus()
        press("Enter")
        self.assertTrue(loops.locator(".wb-diff").is_visible())
        self.assertFalse(diff.is_visible())
        self.assertEqual(view.locator("details[open]").count(), 1)
        # Words of a line that changed are set off.
        self.assertGreater(loops.locator("ins").count(), 0)
        press("Enter")

    def test_layouts_are_drawn(self):
        self.assertIn("#mma", output("layouts").inner_text())
        view = output("layout")
        first = view.locator("svg").first.locator("> text")
        self.assertEqual(first.all_text_contents()[:3], ["T0:0", "T0:1", "T1:0"])
        hardware = view.locator("details").first
        unfold(hardware)
        self.assertTrue(hardware.locator("svg").is_visible())
        unfold(hardware)
        self.assertIn("no conflict", output("shared").inner_text())
        self.assertIn("mma.sync.aligned.m16n8k16", output("mma").inner_text())
        # Three of the dot's tiles, three fragments, two kinds of `ldmatrix`.
        self.assertEqual(output("mma").locator("svg").count(), 8)
        self.assertIn("through shared memory", output("conversion").inner_text())
        self.assertIn("the path of", output("conversion").inner_text())
        self.assertIn("by the addresses in the descriptors", output("wgmma").inner_text())
        self.assertIn("red: outside the tensor", output("tma").inner_text())

    def test_sass_is_linked(self):
        view = output("sass")
        line = view.locator("details").nth(0).locator("div[data-k]", has_text="tl.dot")
        line.click()
        marked = view.locator("details").nth(2).locator(".wb-stages-near b").all_text_contents()
        self.assertTrue(any("HMMA" in text for text in marked), marked)
        line.click()

    def test_a_warp_is_stepped_through(self):
        view = output("step")
        now = view.locator(".wb-player-now")
        bar = view.locator(".wb-player-bar")
        self.assertTrue(bar.is_visible())
        self.assertIn("ld.param", now.inner_text())
        # Only the steps around it are shown.
        self.assertLess(view.locator("tr:visible").count(), 20)
        bar.get_by_label("next step").click()
        self.assertEqual(bar.locator("output").inner_text().split()[0], "2")
        bar.get_by_label("step", exact=True).focus()
        press("ArrowRight", "ArrowRight")
        self.assertEqual(now.locator("td").first.inner_text(), "3")
        press("End")
        self.assertEqual(now.locator("td").first.inner_text(), "59")
        bar.get_by_label("all steps").check()
        self.assertGreater(view.locator("tr:visible").count(), 60)
        self.assertTrue(view.locator(".wb-player-box").evaluate(NOW_IN_SIGHT))
        bar.get_by_label("all steps").uncheck()
        bar.get_by_label("step", exact=True).focus()
        press("Home")
        self.assertEqual(now.locator("td").first.inner_text(), "0")

    def test_values_and_paths(self):
        self.assertIn("lane 31", output("watch").inner_text())
        trace = output("trace")
        self.assertIn("a[3, 0:128]", trace.inner_text())
        self.assertTrue(trace.locator("svg").get_by_text("tensor cores").is_visible())
        self.assertTrue(output("timeline").locator("svg").get_by_text("warp 3").is_visible())

    def test_sass_from_the_keyboard(self):
        view = output("sass")
        code = view.locator("details").nth(2)
        code.locator("summary").focus()
        press("Tab", "ArrowDown", "ArrowDown")
        marked = code.locator(".wb-stages-chosen").first.inner_text()
        press("ArrowUp")
        self.assertNotEqual(code.locator(".wb-stages-chosen").first.inner_text(), marked)
        press("Escape")
        self.assertEqual(view.locator(".wb-stages-near, .wb-stages-chosen").count(), 0)

    def test_a_failed_pass_shows_what_it_was_given(self):
        self.assertIn("in the pass ttgpuir.to_llvmir", output("pass fails").inner_text())
        view = output("failed")
        before, reproducer = (view.locator("details").nth(at) for at in (0, 1))
        self.assertTrue(before.locator("b", has_text="tt.dot").first.is_visible())
        unfold(reproducer)
        reproducer.get_by_text("mlir_reproducer").scroll_into_view_if_needed()
        unfold(reproducer)

    def test_a_dump_is_a_buffer(self):
        text = output("dump").inner_text()
        self.assertIn("f32 [64, 64]", text)
        self.assertIn("of the ttir, assigned at line 12", text)
        self.assertTrue(output("dump").locator("table").first.is_visible())

    def test_resources_and_buffers(self):
        self.assertIn("limited by registers", output("resources").inner_text())
        self.assertIn("32 KiB", output("buffers").inner_text())

    def test_diff_unfolds(self):
        view = output("diff")
        ttgir = view.locator("details", has_text="TTGIR")
        unfold(ttgir)
        self.assertTrue(ttgir.locator(".wb-diff-removed").first.is_visible())
        unfold(ttgir)
        table = view.locator("table").inner_text()
        for expected in ("sm_90", "warp instructions executed", "registers", "change"):
            self.assertIn(expected, table)

    def test_claims_hold_and_fail(self):
        self.assertIn("3 of 3 claims", output("expect").inner_text())
        self.assertIn("found 16 times, not 17", output("expect fails").inner_text())

    def test_errors_stand_under_their_text(self):
        lines = output("error").inner_text().splitlines()
        quoted = next(at for at, line in enumerate(lines) if "arith.addi" in line)
        caret = lines[quoted + 1].index("^")
        self.assertEqual(lines[quoted][caret : caret + 2], "%y")


class Light(Views, unittest.TestCase):
    theme = "light"


class Dark(Views, unittest.TestCase):
    theme = "dark"


class Outputs(unittest.TestCase):
    """What has no theme."""

    def test_cells_succeed_and_fail_as_they_should(self):
        for cell, name in zip(saved.cells, NAMES, strict=True):
            failed = [output.evalue for output in cell.outputs if output.output_type == "error"]
            self.assertEqual(bool(failed), name in cells.FAILING, (name, failed))
            self.assertTrue(cell.outputs, name)

    def test_outputs_are_light_and_self_contained(self):
        for name, cell in zip(NAMES, saved.cells, strict=True):
            for output in cell.outputs:
                data = output.get("data", {})
                html = data.get("text/html", "")
                self.assertLess(len(data.get("text/plain", "").encode()), 4096, name)
                self.assertLess(len(html.encode()), 1_000_000, name)
                for outside in ("src=", "url(", "<link", "@import"):
                    self.assertNotIn(outside, html, name)

    def test_readable_with_scripts_off(self):
        path = notebook.path
        convert = [sys.executable, "-m", "nbconvert", "--to", "html", "--log-level", "ERROR", str(path)]
        subprocess.run(convert, check=True)
        page = chromium.new_context(java_script_enabled=False).new_page()
        page.goto(path.with_suffix(".html").as_uri())
        for view, text in cells.SHOWN.items():
            place = page.locator(".jp-Cell", has_text=cells.first_line(view)).get_by_text(text).filter(visible=True)
            place.first.scroll_into_view_if_needed()
        # A fold opens without a script.
        fold = page.locator("details", has_text="ttgpuir.accelerate_matmul").first
        unfold(fold)
        self.assertTrue(fold.locator(".wb-diff").is_visible())


if __name__ == "__main__":
    unittest.main()
