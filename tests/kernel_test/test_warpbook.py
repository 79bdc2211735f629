"""Jupyter's own test of kernels, against the installed kernel.

An attribute switches a test on; each is a cell (or several) with the effect that its name says.
"""

import unittest

import jupyter_kernel_test
from jupyter_kernel_test import msgspec_v5


class WarpbookTests(jupyter_kernel_test.KernelTests):
    kernel_name = "warpbook"
    language_name = "rust"
    file_extension = ".rs"

    code_generate_error = "%no_such_magic"


class WarpbookWelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "warpbook"
    support_iopub_welcome = True


# The package's schemas are older than iopub_welcome, which another client's subscription may bring at any time.
msgspec_v5.schema_fragments.setdefault("iopub_welcome", {"properties": {"subscription": {"type": "string"}}})


if __name__ == "__main__":
    unittest.main()
