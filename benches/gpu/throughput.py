"""A matmul from its TTGIR against the same kernel launched by Triton, and against cuBLAS."""

import statistics

from latency import as_module, cell
from notebook import CellError, Notebook

M, N, K = 8192, 4096, 4096
LEAST = 0.98


def theirs():
    """TFLOP/s of Triton's launch and of cuBLAS, by do_bench."""
    import torch
    from triton.testing import do_bench

    k = as_module()

    a = torch.randn(M, K, device="cuda", dtype=torch.float16)
    b = torch.randn(K, N, device="cuda", dtype=torch.float16)
    c = torch.empty(M, N, device="cuda", dtype=torch.float16)
    grid = (M // 128 * (N // 256),)

    def launch():
        k.matmul[grid](a, b, c, M, N, K, BM=128, BN=256, BK=64, GROUP=8, PRECISION="ieee", num_warps=8, num_stages=3)

    launch()
    return [do_bench(work, warmup=100, rep=300, return_mode="median") * 1e-3
            for work in (launch, lambda: torch.matmul(a, b, out=c))]


def run(options):
    flops = 2 * M * N * K
    rounds = []
    with Notebook(options) as notebook:
        _, launch = cell("matmul", 8192)
        source = launch.partition("\n")[2]
        notebook.run(f"%buf a = randn({M}, {K}, dtype=f16, seed=1)\n%buf b = randn({K}, {N}, dtype=f16, seed=2)\n"
                     f"%buf c = empty({M}, {N}, dtype=f16)")
        notebook.run(f"%%triton matmul[{M // 128 * (N // 256)}](a, b, c, {M}, {N}, {K}, BM=128, BN=256, BK=64, GROUP=8, "
                     f"PRECISION='ieee', num_warps=8, num_stages=3)\n{source}")
        _, following, _ = notebook.facts("%edit ttgir matmul")
        header, _, text = following.partition("\n")
        notebook.run(f"{header}\n{text}")
        # By turns: the clocks move.
        for _ in range(3):
            facts, _, _ = notebook.facts("%launch matmul --bench")
            ours = statistics.median(facts["launch"]["samples_nanoseconds"]) / 1e9
            rounds.append((ours, *theirs()))
        try:
            print(notebook.run("%ncu matmul"))
        except CellError as error:
            # The machine may not permit it; the reason is what the reader gets.
            print(error)
    ours, triton, cublas = (statistics.median(column) for column in zip(*rounds))
    for name, seconds in (("Warpbook, from TTGIR", ours), ("Triton's launch", triton), ("cuBLAS", cublas)):
        print(f"{name:22} {flops / seconds / 1e12:7.1f} TFLOP/s  ({seconds * 1e6:.1f} µs)")
    ratio = triton / ours
    print(f"ratio to Triton's launch: {ratio:.3f} (f16, {M}×{N}×{K}, median of {len(rounds)} rounds by turns)")
    return [] if ratio >= LEAST else [f"throughput ratio {ratio:.3f}"]
