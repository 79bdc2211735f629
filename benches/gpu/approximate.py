"""Recovers the interpolator of the approximate functions from every result of an H100, and records sums of all of them.

    python benches/gpu/approximate.py FOLDER

Writes FOLDER/coefficients.rs (crates/emulator/src/arithmetic/coefficients.rs) and FOLDER/approximate.h100.zlib
(crates/emulator/tests/hardware).

A result is the sum of a base, a slope times the low bits of the argument, and a curvature times their truncated square,
in fixed point, cut off to 24 bits. For each segment a least-squares fit with the truncated square says slope and
curvature to less than one unit; of the integers around, exactly one pair leaves a base that gives every result.
"""

import argparse
import zlib
from pathlib import Path

import cupy
import numpy

MANTISSAS = 1 << 23
KERNEL = """.version 8.5
.target sm_90a
.address_size 64
.visible .entry k(.param .u64 out, .param .u32 base) {
.reg .b64 %%rd<4>; .reg .b32 %%r<6>; .reg .b32 %%f<2>;
ld.param.u64 %%rd1, [out]; cvta.to.global.u64 %%rd1, %%rd1; ld.param.u32 %%r1, [base];
mov.u32 %%r2, %%ctaid.x; mov.u32 %%r3, %%tid.x; mad.lo.u32 %%r4, %%r2, 1024, %%r3;
add.u32 %%r5, %%r4, %%r1; mul.wide.u32 %%rd2, %%r4, 4; add.u64 %%rd3, %%rd1, %%rd2;
%s %%f1, %%r5; st.global.u32 [%%rd3], %%f1; ret; }
"""
FUNCTIONS = ("ex2", "lg2", "rcp", "rsqrt", "sqrt", "sin", "cos")
FORMS = [f"{name}.approx{flush}.f32" for name in FUNCTIONS for flush in (".ftz", "")] + ["tanh.approx.f32"]
FORMS += [f"{name}.rn{flush}.f32" for name in ("rcp", "sqrt") for flush in (".ftz", "")]


class Gpu:
    """Instructions of one f32 operand."""

    def __init__(self, scratch):
        self.scratch, self.kernels = scratch, {}

    def results(self, instruction, binade):
        """The bits for all mantissas of a sign and exponent, on the GPU."""
        if instruction not in self.kernels:
            path = self.scratch / f"{instruction}.ptx"
            path.write_text(KERNEL % instruction)
            self.kernels[instruction] = cupy.RawModule(path=str(path)).get_function("k")
        out = cupy.empty(MANTISSAS, numpy.uint32)
        self.kernels[instruction]((MANTISSAS // 1024,), (1024,), (out, numpy.uint32(binade << 23)))
        return out

    def values(self, instruction, binade):
        return cupy.asnumpy(self.results(instruction, binade)).view(numpy.float32).astype(numpy.float64)


def square(bits, dropped):
    """x² of `bits` bits in units of 2^dropped, without the partial products below."""
    x = numpy.arange(1 << bits, dtype=numpy.int64)
    total = numpy.zeros_like(x)
    for i in range(bits):
        for j in range(i, bits):
            weight = 2 * i if i == j else i + j + 1
            if weight >= dropped:
                total += (x >> i & x >> j & 1) << (weight - dropped)
    return total


SQUARES = {17: square(17, 19), 16: square(16, 17)}


def segment(values, places, bits=17, skip=0):
    """(base, slope, curvature) in units of 2^-places for the results of one segment; `skip` of them are special."""
    x, squares = numpy.arange(1 << bits, dtype=numpy.int64), SQUARES[bits]
    scaled = values * 2.0**places
    unit = numpy.maximum(2.0 ** (numpy.floor(numpy.log2(numpy.maximum(scaled, 1.0))) - 23), 1.0)
    keep = numpy.ones(len(x), bool)
    keep[:skip] = False
    # A sum that rounds to one is cut off there.
    keep &= values < 1 - 2.0**-23 if places == 42 else True
    shape = numpy.stack([numpy.ones(len(x)), x / len(x), squares / squares[-1]], 1)
    middle = scaled + (unit - 1) / 2
    fit = numpy.linalg.lstsq(shape[keep], middle[keep], rcond=None)[0]
    slope, curvature = fit[1] / len(x), fit[2] / squares[-1]
    found = []
    # The step of the integers: the coefficients of tanh are coarser than the unit that all of it is told in.
    for step in (1, 2, 4, 8, 16, 32, 64) if places == 42 else (1, 2, 4):
        for a in range(round(slope / step) - 2, round(slope / step) + 3):
            for b in range(round(curvature / step) - 2, round(curvature / step) + 3):
                rest = a * step * x + b * step * squares
                low, high = (scaled - rest)[keep].max(), (scaled + unit - rest)[keep].min()
                if low < high and (int(low), a * step, b * step) not in found:
                    found.append((int(low), a * step, b * step))
    assert len(found) == 1, f"{len(found)} sets of coefficients"
    return found[0]


def segments(values, places, bits=17, first=0):
    parts = values.reshape(-1, 1 << bits)
    return [segment(part, places, bits, first if index == 0 else 0) for index, part in enumerate(parts)]


def sine(gpu):
    """A quarter of a turn in units of 2^-25: from all arguments whose product with 1/2π gets there."""
    quarter = numpy.full(MANTISSAS, numpy.nan)
    mantissa = numpy.arange(MANTISSAS, dtype=numpy.int64) + MANTISSAS
    product = mantissa * 0xA2F983
    dropped = numpy.where(product >> 47, 24, 23)
    for exponent in range(103, 130):
        shift = dropped + exponent - 176 + 25
        turn = (product >> dropped >> numpy.clip(-shift, 0, 62)) << numpy.maximum(shift, 0)
        for instruction, ahead in (("sin.approx.ftz.f32", 0), ("cos.approx.ftz.f32", MANTISSAS)):
            values, at = gpu.values(instruction, exponent), turn + ahead
            quadrant, within = at >> 23 & 3, at & (MANTISSAS - 1)
            within = numpy.where(quadrant & 1, MANTISSAS - 1 - within, within)
            quarter[within] = numpy.where(quadrant & 2, -values, values)
    assert numpy.isfinite(quarter).all()
    return segments(quarter, 37)


def tangent(gpu):
    rows = []
    for exponent, width in zip(range(119, 130), (17, 17, 17, 18, 18, 19, 19, 19, 20, 21, 20)):
        values = gpu.values("tanh.approx.f32", exponent).reshape(1 << width, -1)
        assert (values == values[:, :1]).all()
        rows += segments(values[:, 0], 42)
    return rows


def recover(gpu):
    """(name, what it says of itself, rows or tables of rows)"""
    ftz = lambda name, binade: gpu.values(f"{name}.approx.ftz.f32", binade)
    yield "EX2", "2^x for 0 ≤ x < 1.", segments(ftz("ex2", 127) / 2, 38)
    yield "LG2", "log₂ x for 1 ≤ x < 2.", segments(ftz("lg2", 127), 38, first=1)
    yield "RCP", "1/x for 1 ≤ x < 2.", segments(ftz("rcp", 127), 39, bits=16)
    yield ("RSQRT", "1/√x for 1 ≤ x < 2 and for 2 ≤ x < 4.",
           [segments(ftz("rsqrt", 127), 40, first=1), segments(ftz("rsqrt", 128), 40)])
    yield ("SQRT", "√x for 1 ≤ x < 2 and for 2 ≤ x < 4.",
           [segments(ftz("sqrt", 127), 40), segments(ftz("sqrt", 128), 39)])
    yield "SINE", "sin 2πx for 0 ≤ x < ¼.", sine(gpu)
    yield ("TANH", "tanh x for 2⁻⁸ ≤ x < 8: 1, 1, 1, 2, 2, 4, 4, 4, 8, 16 and 8 segments for each power of two.", tangent(gpu))


def rust(tables):
    lines = ["//! The coefficients of the interpolator, recovered from an H100's results by benches/gpu/approximate.py, which writes this",
             "//! file. Each segment of an argument: what is there, the slope and the curvature, in units of the last place of the sum."]

    def rows_of(rows, indent):
        line = indent
        for row in rows:
            word = "[" + ", ".join(map(str, row)) + "],"
            if len(line) + len(word) + 1 > 118:
                lines.append(line.rstrip())
                line = indent
            line += word + " "
        lines.append(line.rstrip())

    for name, said, rows in tables:
        nested = isinstance(rows[0], list)
        kind = f"[[[i64; 3]; {len(rows[0])}]; {len(rows)}]" if nested else f"[[i64; 3]; {len(rows)}]"
        lines.extend(["", f"/// {said}", "#[rustfmt::skip]", f"pub const {name}: {kind} = ["])
        if nested:
            for table in rows:
                lines.append("    [")
                rows_of(table, "        ")
                lines.append("    ],")
        else:
            rows_of(rows, "    ")
        lines.append("];")
    return "\n".join(lines) + "\n"


def sums(gpu):
    """For each form and each sign and exponent Σ bits · (mantissa + 1)², modulo 2^64."""
    weight = (cupy.arange(MANTISSAS, dtype=numpy.uint64) + numpy.uint64(1)) ** 2
    for form in FORMS:
        totals = cupy.zeros(512, numpy.uint64)
        for binade in range(512):
            totals[binade] = (gpu.results(form, binade).astype(numpy.uint64) * weight).sum()
        yield form + " " + " ".join(f"{int(total):016x}" for total in cupy.asnumpy(totals))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    gpu = Gpu(folder)
    text = "".join(line + "\n" for line in sums(gpu))
    (folder / "approximate.h100.zlib").write_bytes(zlib.compress(text.encode(), 9))
    print(f"{len(FORMS)} forms, {len(FORMS) << 32} results")
    tables = list(recover(gpu))
    (folder / "coefficients.rs").write_text(rust(tables))
    for name, _, rows in tables:
        print(f"{name}: {sum(map(len, rows)) if isinstance(rows[0], list) else len(rows)} segments, each with one solution")


if __name__ == "__main__":
    main()
