"""Kernels of liger-kernel: normalisations, losses, gates, embeddings, routing of experts."""

import numpy
from case import Case, array, blank, cut, softmax, zeros

F32 = "f32 sums of this length in another order, and approximate rsqrt, exp or log: a few units of 2^-23"
F16 = "the result is rounded to f16 (2^-11), from f32 values that are good to a few units of 2^-23"
BF16 = "the result is rounded to bf16 (2^-8), from f32 values that are good to a few units of 2^-23"
EXACT = "integers, or values that are only moved"

OPS = "liger_kernel.ops."


def rms_norm_forward(random):
    x, w = random.normal(6, 200, dtype="f16"), random.normal(200, dtype="f16")
    rstd = 1 / numpy.sqrt((x.exact**2).mean(1) + 1e-6)
    # The Llama way: the normalised row goes back to f16 before it meets the weight.
    normalised = (x.exact * rstd[:, None]).astype(numpy.float16).astype(float)
    return Case(
        OPS + "rms_norm:_rms_norm_forward_kernel",
        "x.shape[0]",
        "y, y.stride(0), x, x.stride(0), w, w.stride(0), rstd, rstd.stride(0), x.shape[1], 1e-6, 0.0, 0, True, "
        "BLOCK_SIZE=256, num_warps=4",
        dict(y=blank(6, 200, dtype="f16"), x=x, w=w, rstd=blank(6)),
        dict(y=normalised * w.exact, rstd=rstd),
        2e-3,
        2e-3,
        F16 + ", twice",
        ("reduction", "mask"),
    )


def rms_norm_backward(random):
    dy, x, w = random.normal(7, 96), random.normal(7, 96), random.normal(96)
    rstd = array(1 / numpy.sqrt((x.exact**2).mean(1) + 1e-6), "f32")
    r = rstd.exact[:, None]
    m = dy.exact * w.exact
    dx = lambda one: r * m - one * r**3 * (m * x.exact).mean(1, keepdims=True) * x.exact
    dw = dy.exact * (x.exact * r)
    return Case(
        OPS + "rms_norm:_rms_norm_backward_kernel",
        "2",
        "dy, dy.stride(0), dx, dx.stride(0), x, x.stride(0), tl.float32, w, w.stride(0), rstd, rstd.stride(0), "
        "dw, dw.stride(0), 7, 96, 0.0, 4, 0, True, BLOCK_SIZE=128, num_warps=4",
        dict(dy=dy, dx=blank(7, 96), x=x, w=w, rstd=rstd, dw=blank(2, 96)),
        dict(dx=dx(1), dw=numpy.stack([dw[:4].sum(0), dw[4:].sum(0)])),
        2e-5,
        2e-5,
        F32,
        ("reduction", "mask", "loop"),
        edit=(1.0, 3.0),
        expect_edited=dict(dx=dx(3), dw=numpy.stack([dw[:4].sum(0), dw[4:].sum(0)])),
    )


def layer_norm_forward(random):
    x, w, b = random.normal(5, 300), random.normal(300), random.normal(300)
    mean = x.exact.mean(1)
    rstd = 1 / numpy.sqrt(x.exact.var(1) + 1e-5)
    y = (x.exact - mean[:, None]) * rstd[:, None] * w.exact + b.exact
    return Case(
        OPS + "layer_norm:_layer_norm_forward_kernel",
        "5",
        "y, 300, x, 300, w, 1, b, 1, mean, 1, rstd, 1, 300, 1e-5, BLOCK_SIZE=512, num_warps=4",
        dict(y=blank(5, 300), x=x, w=w, b=b, mean=blank(5), rstd=blank(5)),
        dict(y=y, mean=mean, rstd=rstd),
        2e-6,
        1e-5,
        F32,
        ("reduction", "mask"),
    )


def layer_norm_backward(random):
    x, dy, w = random.normal(6, 100), random.normal(6, 100), random.normal(100)
    mean = array(x.exact.mean(1), "f32")
    rstd = array(1 / numpy.sqrt(x.exact.var(1) + 1e-5), "f32")
    hat = (x.exact - mean.exact[:, None]) * rstd.exact[:, None]
    wdy = w.exact * dy.exact
    c1, c2 = (hat * wdy).mean(1, keepdims=True), wdy.mean(1, keepdims=True)
    dw = dy.exact * hat
    return Case(
        OPS + "layer_norm:_layer_norm_backward_kernel",
        "3",
        "x, 100, w, mean, 1, rstd, 1, dx, 100, dw, 100, db, 100, dy, 100, 6, 100, rows_per_program=2, BLOCK_SIZE=128, "
        "num_warps=4",
        dict(x=x, w=w, mean=mean, rstd=rstd, dx=blank(6, 100), dw=blank(3, 100), db=blank(3, 100), dy=dy),
        dict(
            dx=(wdy - (hat * c1 + c2)) * rstd.exact[:, None],
            dw=dw.reshape(3, 2, 100).sum(1),
            db=dy.exact.reshape(3, 2, 100).sum(1),
        ),
        1e-5,
        1e-5,
        F32,
        ("reduction", "mask", "loop"),
    )


def softmax_forward(random):
    x = random.normal(4, 777)
    return Case(
        OPS + "softmax:_softmax_single_block_forward_kernel",
        "4",
        "y, 777, x, 777, 777, BLOCK_SIZE=1024, num_warps=8",
        dict(y=blank(4, 777), x=x),
        dict(y=softmax(x.exact)),
        1e-9,
        5e-6,
        F32,
        ("reduction", "mask"),
    )


def softmax_backward(random):
    dy, y = random.normal(3, 300), array(softmax(random.normal(3, 300).exact), "f32")
    dot = (dy.exact * y.exact).sum(1, keepdims=True)
    return Case(
        OPS + "softmax:_softmax_single_block_backward_kernel",
        "3",
        "dy, 300, y, 300, dx, 300, 300, BLOCK_SIZE=512, num_warps=4",
        dict(dy=dy, y=y, dx=blank(3, 300)),
        dict(dx=y.exact * (dy.exact - dot)),
        1e-8,
        1e-4,
        F32 + "; the difference cancels",
        ("reduction", "mask"),
    )


def swiglu_forward(random):
    a, b = random.normal(4, 200, dtype="bf16"), random.normal(4, 200, dtype="bf16")
    gate = lambda one: a.exact * one / (one + numpy.exp(-a.exact)) * b.exact
    return Case(
        OPS + "swiglu:_swiglu_forward_kernel",
        "4",
        "a, b, c, 200, 1.0, n_cols=200, BLOCK_SIZE=256, num_warps=4",
        dict(a=a, b=b, c=blank(4, 200, dtype="bf16")),
        dict(c=gate(1)),
        1e-4,
        1.6e-2,
        BF16 + ", twice",
        ("mask",),
        edit=(1.0, 2.0),
        expect_edited=dict(c=gate(2)),
    )


def swiglu_backward(random):
    dc, a, b = random.normal(4, 200), random.normal(4, 200), random.normal(4, 200)

    def gradients(one):
        s = one / (one + numpy.exp(-a.exact))
        return dict(a=dc.exact * (a.exact * s * (one - s) + s) * b.exact, b=dc.exact * a.exact * s)

    return Case(
        OPS + "swiglu:_swiglu_backward_kernel",
        "4",
        "dc, a, b, 200, 1.0, n_cols=200, BLOCK_SIZE=256, num_warps=4",
        dict(dc=dc, a=a, b=b),
        gradients(1),
        1e-6,
        1e-5,
        F32,
        ("mask", "in place"),
        edit=(1.0, 2.0),
        expect_edited=gradients(2),
    )


def geglu_forward(random):
    a, b = random.normal(3, 150), random.normal(3, 150)

    def geglu(cubic):
        inner = 0.7978845608028654 * (a.exact + cubic * a.exact**3)
        return 0.5 * a.exact * (1 + numpy.tanh(inner)) * b.exact

    return Case(
        OPS + "geglu:_geglu_tanh_forward_kernel",
        "3",
        "a, b, c, 150, n_cols=150, BLOCK_SIZE=256, num_warps=4",
        dict(a=a, b=b, c=blank(3, 150)),
        dict(c=geglu(0.044715)),
        1e-6,
        1e-5,
        F32 + "; tanh is libdevice's",
        ("mask", "libdevice"),
        edit=(0.044715, 0.25),
        expect_edited=dict(c=geglu(0.25)),
    )


def rope(random):
    # Two sequences of three tokens, four query heads and two key heads of 24.
    q, k = random.normal(6, 4, 24), random.normal(6, 2, 24)
    angle = random.uniform(3, 24, high=6.0).exact
    angle[:, 12:] = angle[:, :12]
    cos, sin = array(numpy.cos(angle), "f32"), array(numpy.sin(angle), "f32")

    def rotate(x, pairs=12):
        c, s = (numpy.tile(t.exact[:, :12], (2, 1))[:, None, :] for t in (cos, sin))
        first, second = x[..., :12], x[..., 12:]
        turned = numpy.stack([first * c - second * s, second * c + first * s])
        turned = numpy.where(numpy.arange(12) < pairs, turned, [first, second])
        return numpy.concatenate(list(turned), -1)

    return Case(
        OPS + "rope:_triton_rope",
        "6",
        "q, 96, k, 48, cos, 24, sin, 24, 3, bs=2, cos_bs=1, n_qh=4, n_kh=2, hd=24, pad_n_qh=4, pad_n_kh=2, pad_hd=32, "
        "pad_rd=32, rd=24, BLOCK_SIZE=4, BACKWARD_PASS=False, num_warps=4",
        dict(q=q, k=k, cos=cos, sin=sin),
        dict(q=rotate(q.exact), k=rotate(k.exact)),
        1e-6,
        1e-6,
        F32,
        ("mask", "in place"),
        edit=(12, 10),
        expect_edited=dict(q=rotate(q.exact, 10), k=rotate(k.exact, 10)),
    )


def cross_entropy(random):
    x = random.normal(5, 260, scale=2.0)
    y = array([3, 259, -100, 17, 128], "i64")
    rows, kept, smoothing, z_scale, cap = x.exact, numpy.array([0, 1, 3, 4]), 0.1, 1e-3, 20.0
    capped = cap * numpy.tanh(rows / cap)
    lse = numpy.log(numpy.exp(capped).sum(1))
    p = softmax(capped)
    z = z_scale * lse**2
    loss = (1 - smoothing) * (lse - capped[range(5), y.exact]) + smoothing * (lse - capped.mean(1)) + z
    gradient = p + 2 * z_scale * lse[:, None] * p - smoothing / 260
    gradient[kept, y.exact[kept]] -= 1 - smoothing
    gradient = gradient / 4 * (1 - (capped / cap) ** 2)
    gradient[2] = 0
    untouched = lambda values: numpy.where(numpy.arange(5) == 2, 0.0, values)
    return Case(
        OPS + "cross_entropy:liger_cross_entropy_kernel",
        "5",
        "x, 260, y, 1, None, loss, z_loss, 1, accuracy, 1, predicted, 1, 260, 4, 1.0, 1.0, -100, "
        "lse_square_scale=1e-3, label_smoothing=0.1, reduction='mean', softcap=20.0, RETURN_Z_LOSS=True, "
        "RETURN_TOKEN_ACCURACY=True, RETURN_PREDICTED_TOKENS=True, BLOCK_SIZE=128, HAS_WEIGHT=False, "
        "HAS_SOFTCAPPING=True, HAS_GRADIENTS=True, num_warps=4",
        dict(x=x, y=y, loss=zeros(5), z_loss=zeros(5), accuracy=zeros(5), predicted=zeros(5, dtype="i64")),
        dict(
            x=gradient,
            loss=untouched(loss / 4),
            z_loss=untouched(z / 4),
            accuracy=untouched((capped.argmax(1) == y.exact) * 1.0),
            predicted=numpy.where(numpy.arange(5) == 2, -1, capped.argmax(1)),
        ),
        2e-6,
        2e-5,
        F32 + "; ex2.approx and tanh of libdevice",
        ("reduction", "mask", "loop", "branch", "in place"),
        # The scale of the z loss; twice it, in the gradient, is a constant of its own.
        edit=(1e-3, 5e-3),
        expect_edited=dict(
            x=gradient,
            loss=untouched((loss + 4 * z) / 4),
            z_loss=untouched(5 * z / 4),
            accuracy=untouched((capped.argmax(1) == y.exact) * 1.0),
            predicted=numpy.where(numpy.arange(5) == 2, -1, capped.argmax(1)),
        ),
    )


def kl_divergence(random):
    y = array(numpy.log(softmax(random.normal(3, 300).exact)), "f32")
    truth = array(softmax(random.normal(3, 300).exact), "f32")
    return Case(
        OPS + "kl_div:_kldiv_kernel_forward",
        "3",
        "y, 300, truth, 300, loss, 1, 300, 1e-10, BLOCK_SIZE=128, reduction=1, log_target=False, num_warps=4",
        dict(y=y, truth=truth, loss=blank(3)),
        dict(loss=(truth.exact * (numpy.log(truth.exact) - y.exact)).sum(1)),
        1e-6,
        1e-5,
        F32,
        ("reduction", "mask", "loop"),
    )


def jensen_shannon(random):
    x, y = (array(numpy.log(softmax(random.normal(4, 200).exact)), "f32") for _ in range(2))
    label = array([1, -100, 5, 7], "i64")
    p, q = numpy.exp(y.exact), numpy.exp(x.exact)

    def divergence(beta):
        m = numpy.log(beta * p + 0.7 * q)
        loss = (beta * p * (y.exact - m) + 0.7 * q * (x.exact - m)) / 3
        dx = 0.7 * q * (x.exact - m) / 3
        loss[1], dx[1] = 0, 0
        return dict(loss=loss, dx=dx)

    return Case(
        OPS + "jsd:_jsd_kernel",
        "4",
        "x, 200, y, 200, loss, 200, dx, 200, label, beta=0.3, n_non_ignore=3, ignore_index=-100, n_cols=200, "
        "BLOCK_SIZE=128, HAS_LABEL=True, num_warps=4",
        dict(x=x, y=y, loss=zeros(4, 200), dx=blank(4, 200), label=label),
        divergence(0.3),
        2e-8,
        2e-4,
        F32 + "; x - log m cancels",
        ("mask", "loop", "branch"),
        # beta alone: 1 - beta is a constant of its own.
        edit=(0.3, 0.4375),
        expect_edited=divergence(0.4375),
    )


def total_variation(random):
    p, q = (array(softmax(random.normal(4, 150).exact), "f32") for _ in range(2))
    loss = 0.125 * abs(p.exact - q.exact).sum(1)
    gradient = 0.125 * numpy.sign(p.exact - q.exact)
    return Case(
        OPS + "tvd:_tv_distance_kernel",
        "4",
        "p, 150, q, 150, loss, 1, gradient, 150, label, ignore_index=-100, n_cols=150, scale=0.25, BLOCK_SIZE=64, "
        "HAS_LABEL=False, reduction=1, num_warps=4",
        dict(p=p, q=q, loss=blank(4), gradient=blank(4, 150), label=zeros(4, dtype="i64")),
        dict(loss=loss, gradient=gradient),
        1e-8,
        1e-5,
        F32,
        ("reduction", "mask", "loop"),
        edit=(0.5, 1.5),
        expect_edited=dict(loss=3 * loss, gradient=3 * gradient),
    )


def group_norm_forward(random):
    x, w, b = random.normal(2, 6, 50), random.normal(6), random.normal(6)
    groups = x.exact.reshape(2, 3, 100)
    mean, rstd = groups.mean(2), 1 / numpy.sqrt(groups.var(2) + 1e-5)
    hat = ((groups - mean[..., None]) * rstd[..., None]).reshape(2, 6, 50)
    return Case(
        OPS + "group_norm:_group_norm_forward_kernel",
        "2, 3",
        "y, 300, 100, x, 300, 100, mean, 3, 1, rstd, 3, 1, w, b, 100, 2, 1e-5, BLOCK_SIZE=64, num_warps=4",
        dict(y=blank(2, 6, 50), x=x, mean=blank(2, 3), rstd=blank(2, 3), w=w, b=b),
        dict(y=hat * w.exact[:, None] + b.exact[:, None], mean=mean, rstd=rstd),
        5e-6,
        2e-5,
        F32 + "; the variance is a difference of two sums",
        ("reduction", "mask", "loop"),
    )


def group_norm_backward(random):
    x, w, up = random.normal(2, 4, 40), random.normal(4), random.normal(2, 4, 40)
    groups = x.exact.reshape(2, 2, 80)
    mean, rstd = array(groups.mean(2), "f32"), array(1 / numpy.sqrt(groups.var(2) + 1e-5), "f32")
    r = rstd.exact[..., None]
    hat = (groups - mean.exact[..., None]) * r
    wdy = (w.exact[:, None] * up.exact).reshape(2, 2, 80)
    c1, c2 = (hat * wdy).mean(2, keepdims=True), wdy.mean(2, keepdims=True)
    dx = lambda n: ((wdy - (hat * c1 + c2) * (80 / n)) * r).reshape(2, 4, 40)
    dw, db = (up.exact * hat.reshape(2, 4, 40)).sum((0, 2)), up.exact.sum((0, 2))
    return Case(
        OPS + "group_norm:_group_norm_backward_kernel",
        "2, 2",
        "x, 160, 40, w, mean, 2, 1, rstd, dx, dw, db, up, hidden_size=40, channels_per_group=2, BLOCK_SIZE=64, "
        "dtype=tl.float32, num_warps=4",
        dict(x=x, w=w, mean=mean, rstd=rstd, dx=blank(2, 4, 40), dw=zeros(4), db=zeros(4), up=up),
        dict(dx=dx(80), dw=dw, db=db),
        1e-5,
        1e-5,
        F32 + ", the atomics included",
        ("reduction", "mask", "loop", "atomic"),
        edit=(80.0, 40.0),
        expect_edited=dict(dx=dx(40), dw=dw, db=db),
    )


def dynamic_tanh(random):
    x, alpha = random.normal(3, 700, dtype="bf16"), array([0.7], "f32")
    gamma, beta = random.normal(700), random.normal(700)
    y = numpy.tanh(0.7 * x.exact) * gamma.exact + beta.exact
    return Case(
        OPS + "dyt:_dyt_fwd_kernel",
        "cdiv(700, BLOCK_N), 3",
        "x, y, alpha, gamma, beta, HAVE_BETA=True, N=700",
        dict(x=x, y=blank(3, 700), alpha=alpha, gamma=gamma, beta=beta),
        dict(y=y),
        1e-6,
        1e-5,
        F32 + "; tanh is libdevice's",
        ("mask", "autotune", "libdevice"),
        edit=(700, 640),
        expect_edited=dict(y=cut(y, 640)),
    )


def fused_add_rms_norm(random):
    x, r, w = (random.normal(*shape, dtype="f16") for shape in ((4, 120), (4, 120), (120,)))
    s = (x.values + r.values).astype(float)
    rstd = 1 / numpy.sqrt((s**2).mean(1) + 1e-6)
    return Case(
        OPS + "fused_add_rms_norm:_fused_add_rms_norm_forward_kernel",
        "4",
        "y, 120, s, 120, x, 120, r, 120, w, 1, rstd, 1, 120, 1e-6, 1.0, casting_mode=1, BLOCK_SIZE=128, num_warps=4",
        dict(y=blank(4, 120, dtype="f16"), s=blank(4, 120, dtype="f16"), x=x, r=r, w=w, rstd=blank(4)),
        dict(y=s * rstd[:, None] * (1 + w.exact), s=s, rstd=rstd),
        1e-4,
        1e-3,
        F16,
        ("reduction", "mask"),
    )


def embedding_backward(random):
    # Many tokens meet in few rows: the atomics collide.
    gradient, indices = random.normal(50, 40), random.integers(0, 7, 50)
    expected = numpy.zeros((7, 40))
    numpy.add.at(expected, indices.exact, gradient.exact)
    return Case(
        OPS + "experimental.embedding:embedding_backward_kernel",
        "cdiv(50, BLOCK_SIZE_M), cdiv(40, BLOCK_SIZE_N)",
        "gradient, weight, indices, 50, embedding_dim=40, BLOCK_SIZE_M=32, BLOCK_SIZE_N=32, num_warps=4",
        dict(gradient=gradient, weight=zeros(7, 40), indices=indices),
        dict(weight=expected),
        1e-5,
        1e-5,
        F32 + ", the atomics included",
        ("mask", "atomic", "gather"),
        edit=(40, 32),
        expect_edited=dict(weight=cut(expected, 32, 0)),
    )


def embedding_forward(random):
    table, indices = random.normal(11, 40, dtype="f16"), random.integers(0, 11, 50, dtype="i64")
    return Case(
        OPS + "experimental.embedding:embedding_forward_kernel",
        "cdiv(50, BLOCK_SIZE_M), cdiv(40, BLOCK_SIZE_N)",
        "table, indices, out, 50, embedding_dim=40, BLOCK_SIZE_M=16, BLOCK_SIZE_N=64, num_warps=4",
        dict(table=table, indices=indices, out=blank(50, 40, dtype="f16")),
        dict(out=table.exact[indices.exact]),
        0,
        0,
        EXACT,
        ("mask", "gather"),
        edit=(40, 32),
        expect_edited=dict(out=cut(table.exact[indices.exact], 32)),
    )


def ternary_matmul(random):
    # Four ternary weights to a byte; int8 tensor cores.
    a, packed = random.integers(-9, 10, 40, 256, dtype="i8"), random.integers(0, 256, 64, 72, dtype="u8")
    # Weight 3 does not occur in a ternary matrix.
    fields = numpy.stack([(packed.values >> 2 * i) & 3 for i in range(4)])
    fields = numpy.where(fields == 3, 1, fields)
    packed = array(sum(fields[i].astype(int) << 2 * i for i in range(4)), "u8")
    b = fields.astype(int).reshape(256, 72) - 1
    return Case(
        OPS + "experimental.mm_int8int2:matmul_kernel",
        "cdiv(40, BLOCK_SIZE_M) * cdiv(72, BLOCK_SIZE_N)",
        "a, b, c, 40, 72, K=256, stride_am=256, stride_ak=1, stride_bk=72, stride_bn=1, stride_cm=72, stride_cn=1",
        dict(a=a, b=packed, c=blank(40, 72, dtype="i32")),
        dict(c=a.exact @ b),
        0,
        0,
        EXACT,
        ("dot", "mask", "loop", "autotune"),
        # The last of the list: the smallest tiles.
        config=14,
    )


def sparsemax(random):
    x = random.normal(3, 100)
    ordered = array(-numpy.sort(-x.values, axis=1), "f32")

    def project(total):
        support = ordered.exact * numpy.arange(1, 101) > ordered.exact.cumsum(1) - total
        tau = (numpy.where(support, ordered.exact, 0).sum(1) - total) / support.sum(1)
        return numpy.maximum(x.exact - tau[:, None], 0)

    return Case(
        OPS + "sparsemax:_sparsemax_forward_kernel",
        "3",
        "x, 100, sorted, 100, o, 100, 100, BLOCK_SIZE=128, num_warps=4",
        dict(x=x, sorted=ordered, o=blank(3, 100)),
        dict(o=project(1)),
        2e-6,
        1e-5,
        F32,
        ("reduction", "scan", "mask"),
        # Onto vectors that sum to three instead of one.
        edit=(1.0, 3.0),
        expect_edited=dict(o=project(3)),
    )


def route_histogram(random):
    # 37 tokens choose 3 of 6 experts, in tiles of 16 tokens.
    chosen = random.integers(0, 6, 37, 3)
    counts = numpy.zeros((6, 3), int)
    for token in range(37):
        for expert in chosen.exact[token]:
            counts[expert, token // 16] += 1
    return Case(
        OPS + "fused_moe_kernels:_moe_router_histogram_kernel",
        "3",
        "chosen, counts, 37, E=6, n_tiles=3, TOKENS_PER_TILE=16, K_POW2=4, K=3, E_POW2=8, num_warps=4",
        dict(chosen=chosen, counts=blank(6, 3, dtype="i32")),
        dict(counts=counts),
        0,
        0,
        EXACT,
        ("mask", "atomic", "integer"),
        # The rows of the last two experts are not cleared.
        edit=(6, 4),
        expect_edited=dict(counts=counts + 77 * (numpy.arange(6) >= 4)[:, None]),
    )


def route_prefix_sum(random):
    counts, frequency = random.integers(0, 9, 6, 5), random.integers(0, 40, 6)
    exclusive = lambda t: numpy.concatenate([[0], numpy.cumsum(t)])
    return Case(
        OPS + "fused_moe_kernels:_moe_router_prefix_sum_kernel",
        "8",
        "frequency, starts, tiles, E=6, partial_sum_ptr=counts, n_tiles=5, TK=999, BLOCK_M=4, BLOCK_N=8, "
        "BLOCK_M_TOKEN=16, num_warps=4",
        dict(frequency=frequency, starts=blank(7, dtype="i32"), tiles=blank(7, dtype="i32"), counts=counts),
        dict(
            counts=numpy.stack([exclusive(row)[:-1] for row in counts.exact]),
            starts=numpy.append(exclusive(frequency.exact)[:-1], 999),
            tiles=exclusive(-(-frequency.exact // 16)),
        ),
        0,
        0,
        EXACT,
        ("scan", "mask", "loop", "branch", "integer"),
    )


def route_scatter(random):
    # One block of 32 tokens that choose 2 of 5 experts: a sort and an associative scan of packed keys.
    chosen = random.integers(0, 5, 32, 2)
    flat = chosen.exact.ravel()
    counts = numpy.bincount(flat, minlength=5)
    starts = numpy.concatenate([[0], numpy.cumsum(counts)])
    tiles = numpy.concatenate([[0], numpy.cumsum(-(-counts // 16))])
    order = numpy.argsort(flat, kind="stable")
    inverse = numpy.empty_like(order)
    inverse[order] = numpy.arange(64)
    first_rows = [starts[e] + 16 * t for e in range(5) for t in range(-(-counts[e] // 16))]
    experts = [e for e in range(5) for _ in range(-(-counts[e] // 16))]
    padded = lambda values: numpy.append(values, [77] * (10 - len(values)))
    return Case(
        OPS + "fused_moe_kernels:_moe_router_scatter_kernel",
        "1",
        "scatter, reverse, gather, tile_row, tile_expert, chosen, 32, partial, 1, starts, tiles, K_POW2=2, K=2, "
        "TOKENS_PER_BLOCK=32, BLOCK_M_TOKEN=16, num_warps=4",
        dict(
            scatter=blank(64, dtype="i32"),
            reverse=blank(64, dtype="i32"),
            gather=blank(64, dtype="i32"),
            tile_row=blank(10, dtype="i32"),
            tile_expert=blank(10, dtype="i32"),
            chosen=chosen,
            partial=zeros(5, 1, dtype="i32"),
            starts=array(starts, "i32"),
            tiles=array(tiles, "i32"),
        ),
        dict(
            scatter=order,
            reverse=inverse,
            gather=order // 2,
            tile_row=padded(first_rows),
            tile_expert=padded(experts),
        ),
        0,
        0,
        EXACT,
        ("sort", "scan", "mask", "integer"),
    )


def causal_mask(random):
    scores = random.normal(2, 45, 45)
    lower = numpy.tril(numpy.ones((45, 45), bool))
    return Case(
        OPS + "multi_token_attention:_mask_fwd_kernel",
        "cdiv(45, BLOCK), cdiv(45, BLOCK), 2",
        "scores, out, 2025, 45, 1, 45, mask_val=-1e9, BLOCK=32, num_warps=4",
        dict(scores=scores, out=blank(2, 45, 45)),
        dict(out=numpy.where(lower, scores.exact, numpy.float32(-1e9))),
        0,
        0,
        EXACT,
        ("mask",),
        edit=(-1e9, -2.5e8),
        expect_edited=dict(out=numpy.where(lower, scores.exact, numpy.float32(-2.5e8))),
    )


def poly_norm(random):
    x, w, b = random.normal(4, 90), random.normal(3), random.normal(1)
    powers = [x.exact**3, x.exact**2, x.exact]
    rstd = [1 / numpy.sqrt((p**2).mean(1) + 1e-6) for p in powers]
    y = sum(w.exact[i] * powers[i] * rstd[i][:, None] for i in range(3)) + b.exact
    return Case(
        OPS + "poly_norm:_poly_norm_forward_kernel",
        "4",
        "y, 90, x, 90, w, b, rstd, 3, 90, 1e-6, BLOCK_SIZE=128, num_warps=4",
        dict(y=blank(4, 90), x=x, w=w, b=b, rstd=blank(4, 3)),
        dict(y=y, rstd=numpy.stack(rstd, 1)),
        2e-6,
        1e-5,
        F32,
        ("reduction", "mask"),
    )


CASES = [
    rms_norm_forward, rms_norm_backward, layer_norm_forward, layer_norm_backward, softmax_forward,
    softmax_backward, swiglu_forward, swiglu_backward, geglu_forward, rope, cross_entropy, kl_divergence,
    jensen_shannon, total_variation, group_norm_forward, group_norm_backward, dynamic_tanh, fused_add_rms_norm,
    embedding_backward, embedding_forward, ternary_matmul, sparsemax, route_histogram, route_prefix_sum, route_scatter,
    causal_mask, poly_norm,
]  # fmt: skip
