"""Kernels of fla-core: scans, chunked linear attention with its dots, recurrences. Nearly all have heuristics."""

import numpy
from case import Case, array, blank, cut, softmax

F32 = "f32 sums in another order, and approximate ex2, lg2 or sqrt: a few units of 2^-23"
F16 = "products of f16 summed in f32 by the tensor core; an operand rounded to f16 (2^-11) in between where the kernel does"
BF16 = "as with f16, but operands and the result are rounded to bf16 (2^-8)"

OPS = "fla.ops."
MODULES = "fla.modules."


def local_cumsum(random):
    # [batch, time, heads], in chunks of 32; the last chunk is short.
    s = random.normal(2, 50, 3)
    expected = numpy.concatenate([s.exact[:, :32].cumsum(1), s.exact[:, 32:].cumsum(1)], 1) * 0.5
    return Case(
        OPS + "utils.cumsum:chunk_local_cumsum_scalar_kernel",
        "2 * 6",
        "s, o, 0.5, None, None, 50, B=2, H=3, BT=32, REVERSE=False",
        dict(s=s, o=blank(2, 50, 3)),
        dict(o=expected),
        2e-6,
        1e-5,
        F32,
        ("scan", "mask", "heuristics", "autotune"),
        config=1,
    )


def global_cumsum_reversed(random):
    s = random.normal(2, 40, 2, 24)
    o = s.exact[:, ::-1].cumsum(1)[:, ::-1]
    return Case(
        OPS + "utils.cumsum:chunk_global_cumsum_vector_kernel",
        "4",
        "s, o, None, None, 40, B=2, H=2, S=24, BS=32, REVERSE=True",
        dict(s=s, o=blank(2, 40, 2, 24)),
        dict(o=o),
        1e-5,
        1e-5,
        F32,
        ("scan", "reduction", "mask", "loop", "heuristics", "autotune"),
        edit=(24, 20),
        expect_edited=dict(o=cut(o, 20)),
    )


def variable_length_cumsum(random):
    # Two sequences of 20 and 30 steps packed into one.
    s, starts = random.normal(1, 50, 2), array([0, 20, 50], "i64")
    expected = numpy.concatenate([s.exact[:, :20].cumsum(1), s.exact[:, 20:].cumsum(1)], 1)
    return Case(
        OPS + "utils.cumsum:chunk_global_cumsum_scalar_kernel",
        "4",
        "s, o, None, starts, 50, B=2, H=2, REVERSE=False",
        dict(s=s, o=blank(1, 50, 2), starts=starts),
        dict(o=expected),
        5e-6,
        1e-5,
        F32,
        ("scan", "reduction", "mask", "loop", "heuristics", "autotune"),
    )


def l2_norm(random):
    x = random.normal(21, 60)
    rstd = 1 / numpy.sqrt((x.exact**2).sum(1) + 1e-6)
    return Case(
        MODULES + "norm.l2norm:l2norm_fwd_kernel",
        "cdiv(21, BT)",
        "x, y, rstd, 1e-6, 21, D=60, BD=64, NB=1",
        dict(x=x, y=blank(21, 60), rstd=blank(21)),
        dict(y=x.exact * rstd[:, None], rstd=rstd),
        1e-6,
        1e-5,
        F32,
        ("reduction", "mask", "autotune"),
        config=1,
        edit=(1.0, 2.0),
        expect_edited=dict(y=2 * x.exact * rstd[:, None], rstd=2 * rstd),
    )


def token_shift(random):
    x, cache = random.normal(2, 5, 40), random.normal(2, 40)
    previous = numpy.concatenate([cache.exact[:, None], x.exact[:, :-1]], 1)
    return Case(
        MODULES + "token_shift:token_shift_fwd_kernel_short",
        "2, 5",
        "x, y, None, cache, last, 5, D=40, BD=64, STORE_FINAL_STATE=True, IS_DECODE=False",
        dict(x=x, y=blank(2, 5, 40), cache=cache, last=blank(2, 40)),
        dict(y=previous - x.exact, last=x.exact[:, -1]),
        1e-7,
        1e-6,
        "one f32 subtraction",
        ("mask", "branch", "heuristics", "autotune"),
        edit=(40, 36),
        expect_edited=dict(y=cut(previous - x.exact, 36), last=cut(x.exact[:, -1], 36)),
    )


def scaled_dot_kkt(random):
    # 40 steps in chunks of 32, two heads of 48: the lower triangle of beta K Kᵀ with its decay.
    k = random.normal(1, 40, 2, 48, dtype="f16", scale=0.3)
    beta, g = random.uniform(1, 40, 2), random.normal(1, 40, 2, scale=0.5)

    def products(width):
        a = numpy.zeros((1, 40, 2, 32))
        for h in range(2):
            for start in (0, 32):
                for i in range(start, min(start + 32, 40)):
                    for j in range(start, i):
                        dot = k.exact[0, i, h, :width] @ k.exact[0, j, h, :width]
                        decay = numpy.exp2(g.exact[0, i, h] - g.exact[0, j, h])
                        a[0, i, h, j - start] = dot * decay * beta.exact[0, i, h]
        return a

    return Case(
        OPS + "common.chunk_scaled_dot_kkt:chunk_scaled_dot_kkt_fwd_kernel",
        "2, 2",
        "k, g, beta, A, None, None, 40, H=2, HV=2, K=48, BT=32",
        dict(k=k, g=g, beta=beta, A=blank(1, 40, 2, 32)),
        dict(A=products(48)),
        2e-6,
        2e-5,
        F32 + "; products of f16 are exact in f32",
        ("dot", "mask", "loop", "heuristics", "autotune"),
        # The inner dimension ends earlier.
        edit=(48, 40),
        expect_edited=dict(A=products(40)),
    )


def solve_triangular(random):
    # (I + A)⁻¹ of strictly lower 16×16 blocks.
    a = random.normal(1, 32, 2, 16, scale=0.3)
    expected = numpy.zeros((1, 32, 2, 16))
    for h in range(2):
        for start in (0, 16):
            block = numpy.tril(a.exact[0, start : start + 16, h], -1)
            expected[0, start : start + 16, h] = numpy.linalg.inv(numpy.eye(16) + block)
    return Case(
        OPS + "utils.solve_tril:solve_tril_16x16_kernel",
        "2, 2",
        "A, Ai, None, None, 32, H=2, BT=16, USE_TMA=False",
        dict(A=a, Ai=blank(1, 32, 2, 16)),
        dict(Ai=expected),
        1e-5,
        1e-5,
        F32 + ", carried through 16 steps",
        ("reduction", "mask", "loop", "heuristics", "autotune"),
    )


def merge_triangular(random):
    # The kernel counts on zeros above the diagonal.
    a = random.normal(1, 32, 2, 32, scale=0.2)
    a.values *= numpy.tril(numpy.ones((32, 32)), -1)[None, :, None].astype(numpy.float32)
    expected = numpy.full((1, 32, 2, 32), 0.0)
    for h in range(2):
        expected[0, :, h] = numpy.linalg.inv(numpy.eye(32) + numpy.tril(a.exact[0, :, h], -1))
    return Case(
        OPS + "utils.solve_tril:merge_16x16_to_32x32_inverse_kernel",
        "1, 2",
        "A, Ai, None, None, 32, H=2, BT=32, USE_TMA=False",
        dict(A=a, Ai=array(numpy.zeros((1, 32, 2, 32)), "f32")),
        dict(Ai=expected),
        2e-5,
        2e-5,
        F32 + ", carried through 32 steps; dots in f32 (ieee)",
        ("dot", "reduction", "mask", "loop", "heuristics", "autotune"),
    )


def recompute_w_u(random):
    k, v = random.normal(1, 40, 2, 32, dtype="f16"), random.normal(1, 40, 2, 48, dtype="f16")
    beta, a = random.uniform(1, 40, 2, dtype="f16"), random.normal(1, 40, 2, 32, dtype="f16", scale=0.3)
    g = random.normal(1, 40, 2, scale=0.5)
    w, u = numpy.zeros((1, 40, 2, 32)), numpy.zeros((1, 40, 2, 48))
    f16 = lambda values: values.astype(numpy.float16).astype(float)
    for h in range(2):
        for start in (0, 32):
            rows = slice(start, min(start + 32, 40))
            width = rows.stop - start
            block = a.exact[0, rows, h, :width]
            weight = beta.exact[0, rows, h, None]
            u[0, rows, h] = block @ f16(v.exact[0, rows, h] * weight)
            decay = numpy.exp2(g.exact[0, rows, h, None])
            w[0, rows, h] = block @ f16(f16(k.exact[0, rows, h] * weight) * decay)
    return Case(
        OPS + "gated_delta_rule.wy_fast:recompute_w_u_fwd_kernel",
        "2, 2",
        "k, v, beta, w, u, A, g, None, None, 40, H=2, HV=2, K=32, V=48, BT=32, BK=32, BV=32",
        dict(k=k, v=v, beta=beta, w=blank(1, 40, 2, 32, dtype="f16"), u=blank(1, 40, 2, 48, dtype="f16"), A=a, g=g),
        dict(w=w, u=u),
        4e-3,
        2e-3,
        F16,
        ("dot", "mask", "loop", "heuristics", "autotune"),
        edit=(48, 40),
        expect_edited=dict(w=w, u=cut(u, 40)),
    )


def chunk_output(random):
    # o = scale (q h 2^g + lower(q kᵀ decay) v), 40 steps in chunks of 32, bf16.
    q, k = (random.normal(1, 40, 2, 32, dtype="bf16", scale=0.5) for _ in range(2))
    v, h = random.normal(1, 40, 2, 32, dtype="bf16"), random.normal(1, 2, 2, 32, 32, dtype="bf16", scale=0.3)
    g = random.normal(1, 40, 2, scale=0.3)
    o = numpy.zeros((1, 40, 2, 32))
    for head in range(2):
        for chunk, start in enumerate((0, 32)):
            rows = slice(start, min(start + 32, 40))
            gate = g.exact[0, rows, head]
            scores = q.exact[0, rows, head] @ k.exact[0, rows, head].T
            scores = numpy.tril(scores * numpy.exp2(gate[:, None] - gate[None, :]))
            state = (q.exact[0, rows, head] @ h.exact[0, chunk, head]) * numpy.exp2(gate)[:, None]
            o[0, rows, head] = 0.25 * (state + scores @ v.exact[0, rows, head])
    return Case(
        OPS + "common.chunk_o:chunk_fwd_kernel_o",
        "cdiv(32, BV) * 2, 2",
        "q, k, v, h, g, None, o, None, None, 0.25, 40, H=2, HV=2, K=32, V=32, BT=32, STATE_V_FIRST=False",
        dict(q=q, k=k, v=v, h=h, g=g, o=blank(1, 40, 2, 32, dtype="bf16")),
        dict(o=o),
        2e-2,
        1e-2,
        BF16,
        ("dot", "mask", "loop", "heuristics", "autotune"),
        config=1,
    )


def fused_recurrent(random):
    q, k = (random.normal(2, 6, 2, 24, scale=0.5) for _ in range(2))
    v, gk, h0 = random.normal(2, 6, 2, 20), random.normal(2, 6, 2, 24, scale=0.2), random.normal(2, 2, 24, 20)
    o, state = numpy.zeros((2, 6, 2, 20)), h0.exact.copy()
    for t in range(6):
        state = state * numpy.exp(gk.exact[:, t])[..., None]
        state = state + k.exact[:, t][..., None] * v.exact[:, t][..., None, :]
        o[:, t] = 0.2 * numpy.einsum("bhk,bhkv->bhv", q.exact[:, t], state)
    return Case(
        OPS + "common.fused_recurrent:fused_recurrent_fwd_kernel",
        "cdiv(20, BV) * cdiv(24, BK) * 4",
        "q, k, v, None, None, gk, None, o, h0, ht, None, 0.2, 2, 6, H=2, K=24, V=20, BK=32, BV=8, REVERSE=False, "
        "USE_G=False, USE_G_GAMMA=False, USE_GK=True, USE_GV=False",
        dict(q=q, k=k, v=v, gk=gk, o=blank(1, 2, 6, 2, 20), h0=h0, ht=blank(2, 2, 24, 20)),
        dict(o=o[None], ht=state),
        5e-6,
        1e-5,
        F32,
        ("reduction", "mask", "loop", "heuristics", "autotune"),
        edit=(20, 16),
        expect_edited=dict(o=cut(o[None], 16), ht=cut(state, 16)),
    )


def delta_rule(random):
    q, k, v = random.normal(1, 5, 2, 16), random.normal(1, 5, 2, 16, scale=0.25), random.normal(1, 5, 2, 20)
    beta = random.uniform(1, 5, 2)
    u, o, state = numpy.zeros((1, 5, 2, 20)), numpy.zeros((1, 5, 2, 20)), numpy.zeros((2, 20, 16))
    for t in range(5):
        residual = v.exact[0, t] - numpy.einsum("hvk,hk->hv", state, k.exact[0, t])
        u[0, t] = residual
        state = state + (residual * beta.exact[0, t][:, None])[..., None] * k.exact[0, t][:, None, :]
        o[0, t] = numpy.einsum("hvk,hk->hv", state, q.exact[0, t] * 0.25)
    ht = state.transpose(0, 2, 1)[None]
    return Case(
        OPS + "delta_rule.fused_recurrent:fused_recurrent_delta_rule_fwd_kernel",
        "3 * 1 * 2",
        "q, k, v, u, beta, o, None, ht, None, 0.25, 5, B=1, H=2, K=16, V=20, BK=16, BV=8, IS_BETA_HEADWISE=False, "
        "num_warps=1",
        dict(q=q, k=k, v=v, u=blank(1, 5, 2, 20), beta=beta, o=blank(1, 1, 5, 2, 20), ht=blank(1, 2, 16, 20)),
        dict(u=u, o=o[None], ht=ht),
        5e-6,
        1e-5,
        F32,
        ("reduction", "mask", "loop", "heuristics"),
        edit=(20, 16),
        expect_edited=dict(u=cut(u, 16), o=cut(o[None], 16), ht=cut(ht, 16)),
    )


def hgrn_chunk(random):
    # Two chunks of 16 steps, 40 wide; the state starts anew in each chunk.
    x, g = random.normal(1, 30, 40), random.normal(1, 30, 40, scale=0.3)
    gc, o = numpy.zeros((1, 30, 40)), numpy.zeros((1, 30, 40))
    for t in range(30):
        fresh = t % 16 == 0
        gc[0, t] = g.exact[0, t] + (0 if fresh else gc[0, t - 1])
        o[0, t] = x.exact[0, t] + (0 if fresh else numpy.exp(g.exact[0, t]) * o[0, t - 1])
    return Case(
        OPS + "hgrn.chunk:chunk_hgrn_fwd_kernel_h",
        "cdiv(40, BD) * 2, 1",
        "x, g, gc, o, None, 30, D=40, BT=16, USE_INITIAL_STATE=False",
        dict(x=x, g=g, gc=blank(1, 30, 40), o=blank(1, 30, 40)),
        dict(gc=gc, o=o),
        5e-6,
        1e-5,
        F32,
        ("mask", "loop", "autotune"),
        edit=(40, 37),
        expect_edited=dict(gc=cut(gc, 37), o=cut(o, 37)),
    )


def hgrn_recurrent(random):
    x, g, h0 = random.normal(2, 9, 40), random.normal(2, 9, 40, scale=0.3), random.normal(2, 40)
    o, h = numpy.zeros((2, 9, 40)), h0.exact.copy()
    for t in range(9):
        h = numpy.exp(g.exact[:, t]) * h + x.exact[:, t]
        o[:, t] = h
    return Case(
        OPS + "hgrn.fused_recurrent:fused_recurrent_hgrn_fwd_kernel",
        "cdiv(40, BD) * 2",
        "x, g, o, h0, ht, None, 9, D=40",
        dict(x=x, g=g, o=blank(2, 9, 40), h0=h0, ht=blank(2, 40)),
        dict(o=o, ht=h),
        5e-6,
        1e-5,
        F32,
        ("mask", "loop", "heuristics", "autotune"),
        config=4,
        edit=(40, 36),
        expect_edited=dict(o=cut(o, 36), ht=cut(h, 36)),
    )


def log_cumulative_sum_exp(random):
    s = random.normal(2, 40, 32)
    return Case(
        OPS + "utils.logcumsumexp:logcumsumexp_fwd_kernel",
        "2",
        "s, z, 40, S=32",
        dict(s=s, z=blank(2, 40, 32)),
        dict(z=numpy.log(numpy.exp(s.exact).cumsum(1))),
        5e-6,
        1e-5,
        F32 + "; the dot is in f32 (ieee)",
        ("dot", "reduction", "mask", "loop", "autotune"),
    )


def softmax_rows(random):
    x = random.normal(3, 50, dtype="f16")
    return Case(
        OPS + "utils.softmax:softmax_fwd_kernel",
        "3",
        "x, p, D=50, B=64",
        dict(x=x, p=blank(3, 50)),
        dict(p=softmax(x.exact)),
        1e-7,
        1e-5,
        F32,
        ("reduction", "mask", "autotune"),
        edit=(50, 46),
        expect_edited=dict(p=cut(softmax(numpy.where(numpy.arange(50) < 46, x.exact, -numpy.inf)), 46)),
    )


def gated_layer_norm(random):
    # Two groups of 30 columns, normalised each for itself, then gated.
    x, g, w, b = (random.normal(*shape) for shape in ((4, 60), (4, 60), (60,), (60,)))
    groups = x.exact.reshape(4, 2, 30)
    mean, rstd = groups.mean(2), 1 / numpy.sqrt(groups.var(2) + 1e-5)

    def normalised(one):
        y = ((groups - mean[..., None]) * one * rstd[..., None]).reshape(4, 60) * w.exact + b.exact
        return dict(y=y * g.exact * one / (one + numpy.exp(-g.exact)), mean=mean.T, rstd=one * rstd.T)

    return Case(
        MODULES + "norm.layernorm_gated:layer_norm_fwd_kernel_group",
        "4, 2",
        "x, y, w, b, g, mean, rstd, 60, 60, 60, 4, 30, 1e-5, BD=32, NORM_BEFORE_GATE=True, IS_RMS_NORM=False, "
        "num_warps=1",
        dict(x=x, y=blank(4, 60), w=w, b=b, g=g, mean=blank(2, 4), rstd=blank(2, 4)),
        normalised(1),
        3e-6,
        1e-5,
        F32,
        ("reduction", "mask", "heuristics"),
        edit=(1.0, 2.0),
        expect_edited=normalised(2),
    )


def rotary(random):
    # Interleaved pairs: 10 steps, 2 heads of 16.
    x, angle = random.normal(1, 10, 2, 16), random.uniform(10, 8, high=6.0).exact
    cos, sin = array(numpy.cos(angle), "f32"), array(numpy.sin(angle), "f32")
    even, odd = x.exact[..., 0::2], x.exact[..., 1::2]
    c, s = cos.exact[None, :, None, :], sin.exact[None, :, None, :]
    y = numpy.stack([even * c - odd * s, even * s + odd * c], -1).reshape(1, 10, 2, 16)
    return Case(
        MODULES + "rotary.ops:rotary_embedding_kernel",
        "cdiv(10, BT), 1, 2",
        "x, cos, sin, y, None, None, 0, 10, B=1, H=2, D=16, R=8, TR=10, BT=8, BD=16, IS_SEQLEN_OFFSETS_TENSOR=False, "
        "IS_VARLEN=False, INTERLEAVED=True, CONJUGATE=False",
        dict(x=x, cos=cos, sin=sin, y=blank(1, 10, 2, 16)),
        dict(y=y),
        1e-6,
        1e-6,
        F32,
        ("mask", "branch", "autotune"),
    )


def mean_pooling(random):
    x = random.normal(2, 20, 2, 24)
    chunks = [x.exact[:, i : i + 8].mean(1) for i in (0, 8, 16)]
    o = numpy.stack(chunks, 1)
    return Case(
        OPS + "utils.pooling:mean_pooling_fwd_kernel",
        "cdiv(24, BD) * 3, 4",
        "x, o, None, None, 20, H=2, D=24, BT=8",
        dict(x=x, o=blank(2, 3, 2, 24)),
        dict(o=o),
        1e-6,
        1e-5,
        F32,
        ("reduction", "mask", "heuristics", "autotune"),
        edit=(24, 20),
        expect_edited=dict(o=cut(o, 20)),
    )


CASES = [
    local_cumsum, global_cumsum_reversed, variable_length_cumsum, l2_norm, token_shift, scaled_dot_kkt,
    solve_triangular, merge_triangular, recompute_w_u, chunk_output, fused_recurrent, delta_rule, hgrn_chunk,
    hgrn_recurrent, log_cumulative_sum_exp, softmax_rows, gated_layer_norm, rotary, mean_pooling,
]  # fmt: skip
