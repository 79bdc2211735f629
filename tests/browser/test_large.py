"""A text of more than a megabyte: light in the notebook, all of it there for a reader, and the page goes on meanwhile."""

import contextlib
import unittest

import cells
import lab

NAMES = list(cells.LARGE)
# What keeps the page from answering, in milliseconds each.
WATCH = """() => {
  window.blocked = [];
  new PerformanceObserver((list) => list.getEntries().forEach((task) => window.blocked.push(Math.round(task.duration))))
    .observe({ entryTypes: ["longtask"] });
}"""
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


class Large(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        chromium, server = stack.enter_context(lab.browser())
        lab.write(server.notebooks / "large.ipynb", cells.LARGE.values())
        cls.notebook, cls.errors = lab.open_notebook(chromium, server, "large.ipynb")
        cls.notebook.run_all()
        cls.saved = cls.notebook.save()

    def measured(self, what, action):
        """Does something, and says for how long the page did not answer."""
        page = self.notebook.page
        page.evaluate(WATCH)
        started = page.evaluate("performance.now()")
        action()
        page.evaluate(DRAWN)
        took = page.evaluate("performance.now()") - started
        print(f"{what}: drawn after {took:.0f} ms, blocked for {page.evaluate('window.blocked')} ms")

    def facts(self, name):
        return self.saved.cells[NAMES.index(name)].outputs[-1].data["application/vnd.warpbook+json"]

    def test_notebook_stays_light(self):
        for name, cell in zip(NAMES, self.saved.cells, strict=True):
            data = cell.outputs[-1].get("data", {})
            html, text = (len(data.get(kind, "").encode()) for kind in ("text/html", "text/plain"))
            print(f"{name}: {html} bytes of HTML, {text} of text")
            self.assertLess(html, 1_000_000, name)
            self.assertLess(text, 4096, name)
        self.assertGreater(len(self.facts("passes")["passes"]), 50)

    def test_all_of_it_is_there(self):
        stages = {stage["stage"]: stage for stage in self.facts("stages")["stages"]}
        self.assertGreater(stages["llir"]["bytes"], 1_000_000)
        view = self.notebook.output(NAMES.index("stages"))
        llir, ptx = (view.locator("details").nth(at) for at in (3, 4))
        last = llir.locator(".wb-stages-chunk div").last
        self.assertLess(llir.locator(".wb-stages-chunk div").count(), 2000)
        self.measured("LLIR unfolded", lambda: (llir.locator("summary").click(), self.whole(llir)))
        self.assertEqual(llir.locator(".wb-stages-chunk div").count(), stages["llir"]["lines"])
        self.measured("scrolled to its end", last.scroll_into_view_if_needed)
        self.whole(ptx)
        line = view.locator("details").nth(0).locator("div[data-k]", has_text="tl.dot")
        self.measured("a line marked with all that it became", line.click)
        self.assertEqual(ptx.locator(".wb-stages-near b", has_text="mma.sync").count(), stages["ptx"]["operations"]["mma.sync"])
        self.assertEqual(self.errors, [])

    def whole(self, pane):
        """Waits until the middle of a pane is unpacked."""
        pane.locator("p", has_text="shown where scripts run").wait_for(state="detached")


if __name__ == "__main__":
    unittest.main()
