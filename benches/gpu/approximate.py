"""Records what an H100 adds to the correctly rounded value of its approximate functions: src/emulator/arithmetic/corrections.

    python benches/gpu/approximate.py FOLDER

For each mantissa of a binade one byte, the difference in units of the last place plus 2, compressed with zlib. Also
counts, over whole other binades, the results that the rules of approximate.rs do not predict: none should be left.
"""

import sys
import zlib
from pathlib import Path

import numpy
import torch
import triton
import triton.language as tl

MANTISSAS = 1 << 23


def kernel(instruction):
    source = f"""
import triton
import triton.language as tl

@triton.jit
def apply(x, y, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + i, tl.inline_asm_elementwise("{instruction} $0, $1;", "=f,f", [tl.load(x + i)], dtype=tl.float32,
                                              is_pure=True, pack=1))
"""
    path = Path("/tmp", f"{instruction.replace('.', '_')}.py")
    path.write_text(source)
    sys.path.insert(0, str(path.parent))
    return __import__(path.stem).apply


def run(instruction, x):
    y = torch.empty_like(x)
    kernel(instruction)[(x.numel() // 1024,)](x, y, BLOCK=1024)
    return y.view(torch.int32).cpu().numpy()


def binade(exponent, negative=False):
    x = (torch.arange(MANTISSAS, dtype=torch.int32, device="cuda") | exponent << 23).view(torch.float32)
    return -x if negative else x


def bits(values):
    return values.astype(numpy.float32).view(numpy.int32)


# name, instruction, exponent of the binade, the function
TABLES = [
    ("ex2", "ex2.approx.ftz.f32", 127, numpy.exp2),
    ("rcp", "rcp.approx.ftz.f32", 127, lambda x: 1 / x),
    ("rsqrt_1", "rsqrt.approx.ftz.f32", 127, lambda x: 1 / numpy.sqrt(x)),
    ("rsqrt_2", "rsqrt.approx.ftz.f32", 128, lambda x: 1 / numpy.sqrt(x)),
    ("sqrt_1", "sqrt.approx.ftz.f32", 127, numpy.sqrt),
    ("sqrt_2", "sqrt.approx.ftz.f32", 128, numpy.sqrt),
]


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    results = {}
    for name, instruction, exponent, function in TABLES:
        x = binade(exponent)
        results[name] = run(instruction, x)
        difference = results[name] - bits(function(x.double().cpu().numpy()))
        symbols = (difference + 2).astype(numpy.uint8)
        assert difference.min() >= -2 and difference.max() <= 1, name
        compressed = zlib.compress(symbols.tobytes(), 9)
        (folder / f"{name}.zlib").write_bytes(compressed)
        print(f"{name:8} {len(compressed)} bytes, exact without a correction: {(difference == 0).mean():.3f}")
    fraction_bits = MANTISSAS - 1
    table = results["ex2"].astype(numpy.int64) - MANTISSAS
    wrong = 0
    for exponent in range(103, 134):
        for negative in (False, True):
            x = binade(exponent, negative)
            units = (x.abs().double() * MANTISSAS).floor().long().cpu().numpy()
            units = numpy.where((units > 0) & negative, ~units, units)
            predicted = table[units & fraction_bits] + (units >> 23 << 23)
            predicted = numpy.where(predicted >> 23 <= 0, 0, predicted)
            wrong += int((predicted != run("ex2.approx.ftz.f32", x)).sum())
    print(f"ex2: {wrong} of {62 * MANTISSAS} results of 62 binades are not as predicted")
    for name, instruction, base, step, sign in (("rcp", "rcp.approx.ftz.f32", 127, 1, -1),
                                                ("rsqrt_1", "rsqrt.approx.ftz.f32", 127, 2, -1),
                                                ("rsqrt_2", "rsqrt.approx.ftz.f32", 128, 2, -1),
                                                ("sqrt_1", "sqrt.approx.ftz.f32", 127, 2, 1),
                                                ("sqrt_2", "sqrt.approx.ftz.f32", 128, 2, 1)):
        wrong = count = 0
        for times in (-60, -30, -7, -1, 1, 7, 30, 60):
            exponent = base + step * times
            if not 1 <= exponent <= 252:
                continue
            predicted = results[name].astype(numpy.int64) + (sign * times << 23)
            wrong += int((predicted != run(instruction, binade(exponent))).sum())
            count += MANTISSAS
        print(f"{name}: {wrong} of {count} results of other binades are not as predicted")


if __name__ == "__main__":
    main()
