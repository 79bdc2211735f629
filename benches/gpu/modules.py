"""Code for another GPU or another driver: compiled by the driver, taken as the cubin beside it, or refused with the reason."""

import re

from kernels import ADD
from notebook import CellError, Notebook

PTX = """.version {version}
.target {target}
.address_size 64
.visible .entry twice(.param .u64 p)
{{
    .reg .b32 %r<3>;
    .reg .b64 %rd<3>;
    ld.param.u64 %rd1, [p];
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd2, %r1, 4;
    add.u64 %rd1, %rd1, %rd2;
    ld.global.b32 %r2, [%rd1];
    add.u32 %r2, %r2, %r2;
    st.global.b32 [%rd1], %r2;
    ret;
}}
"""

# (what, version, target, words of the error that is expected; None where it has to run)
TEXTS = [
    ("PTX of an older GPU", "7.0", "sm_70", None),
    ("PTX of an older GPU, sm_80", "8.0", "sm_80", None),
    ("PTX of this GPU", "8.0", "sm_90", None),
    ("PTX of this GPU, its own features", "8.0", "sm_90a", None),
    ("PTX of a newer GPU", "8.7", "sm_100", ("sm_100", "not for", "cannot compile")),
    ("PTX of another family", "8.7", "sm_120a", ("sm_120", "not for", "cannot compile")),
    ("a version that nobody knows", "9.9", "sm_90", ("version", "9.9")),
    ("no such target", "8.0", "sm_91", ("sm_91",)),
]


def run(options):
    problems = []
    with Notebook(options) as notebook:
        notebook.run("%buf p = arange(32, dtype=i32)\n%buf x = randn(1024, seed=1)\n%buf out = zeros(1024)")
        for what, version, target, refused in TEXTS:
            cell = "%%ptx twice[1](p) --threads 32\n" + PTX.format(version=version, target=target)
            try:
                facts, _, _ = notebook.facts(cell)
                by = "the cubin of ptxas" if facts["launch"]["driver_log"] is None else "the driver"
                print(f"{what:36} runs; compiled by {by}")
                if refused:
                    problems.append(f"{what}: was not refused")
            except CellError as error:
                lines = [line for line in re.sub("\x1b\\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
                print(f"{what:36} {'refused' if refused else 'FAILED'}\n    " + "\n    ".join(lines), flush=True)
                if not refused or not any(word in str(error) for word in refused):
                    problems.append(f"{what}: {lines[0] if lines else error}")
        # A kernel by Triton for an older GPU: its cubin is of no use here, its PTX is.
        facts, _, _ = notebook.facts(f"%%triton add[1](x, x, out, 1024, BLOCK=1024) --target sm_80\n{ADD}")
        print(f"{'Triton for sm_80':36} runs; compiled by the driver: {facts['launch']['driver_log']}")
        if facts["launch"]["driver_log"] is None:
            problems.append("Triton for sm_80: not compiled by the driver")
    return problems
