"""Python imports this at its start: every process of a test run, children too, gets the emulator as its device.

Triton is prepared when it is imported, so that processes without it start quickly.
"""

import importlib.abc
import importlib.util
import os
import sys


class AfterTriton(importlib.abc.MetaPathFinder):
    """Waits for `import triton`, and activates the driver once the package is whole."""

    def find_spec(self, name, path, target=None):
        if name != "triton":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            import record
            import warpbook.triton
            from warpbook.triton import driver

            check = os.environ.get("WARPBOOK_LAUNCH_CHECK") == "1"
            warpbook.triton.activate(os.environ["WARPBOOK_SUITE_TARGET"], check=check)
            if record.FOLDER:
                driver.OBSERVERS.append(record.begin)

        spec.loader.exec_module = exec_module
        return spec


if "WARPBOOK_SUITE_TARGET" in os.environ:
    sys.meta_path.insert(0, AfterTriton())
