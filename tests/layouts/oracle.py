"""Triton's own answer: reads layouts as JSON lines, writes their vectors as JSON lines."""

import json
import sys

from triton._C.libtriton import gluon_ir, ir
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import CUDABackend
from triton.experimental.gluon import language as gluon
from triton.experimental.gluon.language import _layouts as layouts
from triton.experimental.gluon.language.nvidia.blackwell import TensorMemoryLayout

context = ir.context()
ir.load_dialects(context)
CUDABackend(GPUTarget("cuda", 90, 32)).load_dialects(context)
builder = gluon_ir.GluonOpBuilder(context)
module = builder.create_module()
function = builder.get_or_insert_function(module, "f", builder.get_function_ty([], []), "public", False)
module.push_back(function)
builder.set_insertion_point_to_start(function.add_entry_block())


def layout(case):
    kind, cluster = case["kind"], case.get("cluster", [])
    if kind == "blocked":
        return layouts.BlockedLayout(case["size"], case["threads"], case["warps"], case["order"], cluster)
    if kind == "mma":
        version = [case["version"], 0]
        return layouts.NVMMADistributedLayout(version, case["warps"], case["instruction"], cluster)
    if kind == "dot":
        return layouts.DotOperandLayout(case["index"], layout(case["parent"]), case["k_width"])
    if kind == "slice":
        return layouts.SliceLayout(case["dim"], layout(case["parent"]))
    if kind == "linear":
        parts = [case["register"], case["lane"], case["warp"], case["block"]]
        return layouts.DistributedLinearLayout(*parts, case["covers"])
    if kind == "swizzled":
        phases = [case["vec"], case["per_phase"], case["max_phase"]]
        return layouts.SwizzledSharedLayout(*phases, case["order"], cluster)
    if kind == "nvmma":
        flags = [case["transposed"], case["fp4_padded"]]
        return layouts.NVMMASharedLayout(case["swizzle"], case["bits"], case["rank"], *flags, cluster)
    if kind == "padded":
        return layouts.PaddedSharedLayout(case["paddings"], case["offset"], case["block"], case["shape"])
    if kind == "shared_linear":
        return layouts.SharedLinearLayout(case["offset"], case["block"])
    raise ValueError(kind)


def coordinates(bits, shape):
    """Those of the element whose row-major number has these bits, the highest first."""
    flat, at = int("".join(map(str, bits)), 2), []
    for extent in reversed(shape):
        at.append(flat % extent)
        flat //= extent
    return at[::-1]


def shared(case):
    """A buffer seen as 2×2×…×2 has its vectors as attribute."""
    shape, attribute = case["shape"], layout(case)._to_ir(builder)
    ty = builder.get_shared_mem_desc_ty(builder.get_half_ty(), shape, attribute, shape)
    count = 1
    for extent in shape:
        count *= extent
    bits = builder.create_memdesc_reshape(builder.create_local_alloc(ty), [2] * (count.bit_length() - 1))
    found = builder.get_gluon_layout_from_memdesc(bits)
    if isinstance(found, layouts.NVMMASharedLayout):
        # Triton found that these are simply one after the other.
        assert found.swizzle_byte_width == 0 and not found.cga_layout
        rank = count.bit_length() - 1
        bases = [[[int(at == rank - 1 - bit) for at in range(rank)] for bit in range(rank)], []]
    else:
        bases = [found.offset_bases, found.block_bases]
    return [[coordinates(vector, shape) for vector in part] for part in bases]


def tensor_memory(case):
    """What `tcgen05.ld.32x32b` puts into registers: a row is a lane, a column a register."""
    split = tuple(case["split"])
    memory = TensorMemoryLayout(tuple(case["block"]), case["stride"], split, case["two"])
    element = gluon.float32 if case["bits"] == 32 else gluon.float16
    registers = gluon_ir.compute_tmem_reg_layout(element, case["shape"], memory, 4, "32x32b", case["cluster"])
    return [registers.reg_bases, registers.lane_bases, registers.warp_bases, registers.block_bases]


for line in sys.stdin:
    case = json.loads(line)
    if case["kind"] in ("swizzled", "nvmma", "padded", "shared_linear"):
        print(json.dumps(shared(case)))
    elif case["kind"] == "tensor_memory":
        print(json.dumps(tensor_memory(case)))
    elif case["kind"] == "conflicts":
        registers, memory = (layout(case[part])._to_ir(builder) for part in ("registers", "memory"))
        print(json.dumps(builder.get_shared_bank_conflicts(registers, memory, case["shape"], case["bits"])))
    else:
        found = builder.to_linear_layout(layout(case)._to_ir(builder), case["shape"])
        print(json.dumps([found.reg_bases, found.lane_bases, found.warp_bases, found.block_bases]))
