"""Triton's own answer: reads layouts as JSON lines, writes their vectors as JSON lines."""

import json
import sys

from triton._C.libtriton import gluon_ir, ir
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import CUDABackend
from triton.experimental.gluon.language import _layouts as layouts

context = ir.context()
ir.load_dialects(context)
CUDABackend(GPUTarget("cuda", 90, 32)).load_dialects(context)
builder = gluon_ir.GluonOpBuilder(context)


def layout(case):
    kind = case["kind"]
    if kind == "blocked":
        return layouts.BlockedLayout(case["size"], case["threads"], case["warps"], case["order"])
    if kind == "mma":
        return layouts.NVMMADistributedLayout([case["version"], 0], case["warps"], case["instruction"])
    if kind == "dot":
        return layouts.DotOperandLayout(case["index"], layout(case["parent"]), case["k_width"])
    if kind == "slice":
        return layouts.SliceLayout(case["dim"], layout(case["parent"]))
    if kind == "linear":
        return layouts.DistributedLinearLayout(case["register"], case["lane"], case["warp"], [], case["covers"])
    raise ValueError(kind)


for line in sys.stdin:
    case = json.loads(line)
    found = builder.to_linear_layout(layout(case)._to_ir(builder), case["shape"])
    print(json.dumps([found.reg_bases, found.lane_bases, found.warp_bases]))
