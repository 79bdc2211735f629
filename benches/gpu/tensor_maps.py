"""Writes tensor maps that differ in one field each, as this machine's driver encodes them.

    python benches/gpu/tensor_maps.py > crates/emulator/tests/hardware/tensor_maps.h100.txt
"""

import ctypes
import datetime
import json
import subprocess

TYPES = ["U8", "U16", "U32", "I32", "U64", "I64", "F16", "F32", "F64", "Bf16", "F32Ftz", "Tf32", "Tf32Ftz"]
INTERLEAVES = ["None", "B16", "B32"]
SWIZZLES = ["None", "B32", "B64", "B128"]
BASE = {"type": 6, "rank": 2, "address": 0x7F0012345600, "dims": [512, 256, 7, 5, 3],
        "strides": [1024, 1024 * 256, 1024 * 256 * 7, 1024 * 256 * 35], "box": [64, 128, 2, 3, 1], "steps": [1] * 5,
        "interleave": 0, "swizzle": 3, "promotion": 2, "fill": 0}


def variants():
    """What is different from BASE."""
    small = [8, 3, 2, 3, 1]
    yield {}
    for rank in range(1, 6):
        yield {"rank": rank}
        yield {"rank": rank, "box": small}
    for number in range(len(TYPES)):
        yield {"type": number, "box": [16, 128, 2, 3, 1], "strides": [8 * stride for stride in BASE["strides"]]}
    for swizzle in range(4):
        yield {"swizzle": swizzle, "box": [16, 128, 2, 3, 1]}
    for interleave in range(3):
        yield {"interleave": interleave, "swizzle": int(interleave == 2), "rank": 4, "box": [8, 16, 2, 3, 1]}
    for promotion in range(4):
        yield {"promotion": promotion}
    for fill in range(2):
        yield {"fill": fill}
    for bit in range(4, 47):
        yield {"address": 1 << bit}
    for index in range(5):
        for extent in (1, 2, 3, 4, 5, 8, 16, 64, 256, 4096, 65536, 1 << 20, 1 << 31, (1 << 32) - 1, 1 << 32):
            dims = list(BASE["dims"])
            dims[index] = extent
            yield {"rank": 5, "dims": dims, "strides": [1 << 33, 1 << 34, 1 << 35, 1 << 36] if extent > 65536 else BASE["strides"]}
    for index in range(4):
        for bit in range(4, 40):
            strides = list(BASE["strides"])
            strides[index] = 1 << bit
            yield {"rank": 5, "strides": strides}
    for index in range(5):
        for extent in (1, 2, 3, 4, 5, 8, 16, 32, 64, 127, 128, 255, 256):
            box = list(small)
            box[index] = extent
            yield {"rank": 5, "box": box}
        for step in range(1, 9):
            steps = [1] * 5
            steps[index] = step
            yield {"rank": 5, "steps": steps, "box": [8, 16, 2, 3, 1]}


def main():
    cuda = ctypes.CDLL("libcuda.so.1")
    device, context = ctypes.c_int(), ctypes.c_void_p()
    calls = [cuda.cuInit(0), cuda.cuDeviceGet(ctypes.byref(device), 0),
             cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device), cuda.cuCtxSetCurrent(context)]
    assert calls == [0] * 4, calls
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    name, driver = subprocess.run(query, check=True, capture_output=True, text=True).stdout.strip().split(", ")
    print("# Tensor maps and the bytes that cuTensorMapEncodeTiled made of them (trailing zeros left out): "
          f"{name},\n# driver {driver}, {datetime.date.today()}. Written by benches/gpu/tensor_maps.py.")
    for change in variants():
        fields = {**BASE, **change}
        rank = fields["rank"]
        space = ctypes.create_string_buffer(192)
        place = (ctypes.addressof(space) + 63) // 64 * 64
        error = cuda.cuTensorMapEncodeTiled(
            ctypes.c_void_p(place), fields["type"], rank, ctypes.c_void_p(fields["address"]),
            (ctypes.c_uint64 * rank)(*fields["dims"][:rank]), (ctypes.c_uint64 * 4)(*fields["strides"][:rank - 1]),
            (ctypes.c_uint32 * rank)(*fields["box"][:rank]), (ctypes.c_uint32 * rank)(*fields["steps"][:rank]),
            fields["interleave"], fields["swizzle"], fields["promotion"], fields["fill"])
        if error:
            # A box that the swizzle or the 16 bytes forbid.
            continue
        shown = {"element": TYPES[fields["type"]], "address": fields["address"], "dims": fields["dims"][:rank],
                 "strides": fields["strides"][:rank - 1], "tile": fields["box"][:rank],
                 "element_strides": fields["steps"][:rank], "interleave": INTERLEAVES[fields["interleave"]],
                 "swizzle": SWIZZLES[fields["swizzle"]], "l2_promotion": fields["promotion"],
                 "fill_nan": bool(fields["fill"])}
        print(json.dumps(shown, separators=(",", ":")), "=", ctypes.string_at(place, 128).hex().rstrip("0"))


if __name__ == "__main__":
    main()
