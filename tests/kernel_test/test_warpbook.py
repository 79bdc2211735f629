"""Jupyter's own test of kernels, against the installed kernel.

An attribute switches a test on; each is a cell (or several) with the effect that its name says.
"""

import os
import unittest

import jupyter_kernel_test
from jupyter_kernel_test import msgspec_v5

# True if the evaluator of Rust cells is there.
RUST_CELLS = os.environ["WARPBOOK_TEST_RUST_CELLS"] == "1"


class WarpbookTests(jupyter_kernel_test.KernelTests):
    kernel_name = "warpbook"
    language_name = "rust"
    file_extension = ".rs"

    completion_samples = [
        {"text": "%hel", "matches": ["%help"]},
        {"text": "%clear --w", "matches": ["--wait"]},
    ]
    complete_code_samples = ["%help", "1 + 1", "fn f() {}", "%%ptx\nret;\n\n"]
    incomplete_code_samples = ["%buf a = zeros(2,", "fn f() {", "%%ptx k[1](a)", '"half a string']
    invalid_code_samples = ["1 + 1)"]
    code_page_something = "%help?"
    code_generate_error = "%no_such_magic"
    code_execute_result = [{"code": "%help help"}, {"code": "%help clear"}]
    code_display_data = [{"code": "%help\n%help clear", "mime": "text/plain"}]
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "%help h*"
    code_inspect_sample = "%help"
    code_clear_output = "%help\n%clear"

    if RUST_CELLS:
        code_hello_world = 'println!("hello, world")'
        code_stderr = 'eprintln!("a warning")'
        code_execute_result = [{"code": "6 * 7", "result": "42"}, {"code": "1 + 1", "result": "2"}]
        code_history_pattern = "6*"

        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            # The package waits 15 s for a cell; the first one starts the Rust compiler.
            cls.kc.execute("1", store_history=False)
            cls.kc.get_shell_msg(timeout=300)


class WarpbookWelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "warpbook"
    support_iopub_welcome = True


# The package's schemas are older than iopub_welcome, which another client's subscription may bring at any time.
msgspec_v5.schema_fragments.setdefault("iopub_welcome", {"properties": {"subscription": {"type": "string"}}})


if __name__ == "__main__":
    unittest.main()
