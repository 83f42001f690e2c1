"""chapters/transformer-block.ipynb: random shapes against the library, and more seeds for what was measured."""

import math

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def c():
    return chapter("transformer-block")


def random_weights(module, seed):
    torch.manual_seed(seed % 2**31)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn_like(p) * 0.4)
    return {name: p.detach().numpy() for name, p in module.named_parameters()}


@quick
@given(
    seed=seeds,
    T=st.integers(1, 8),
    heads=st.sampled_from([1, 2, 3, 6]),
    d_ff=st.integers(1, 9),
    norm_first=st.booleans(),
    act=st.sampled_from(["relu", "gelu"]),
)
def test_encoder_layer_is_the_library_s(c, seed, T, heads, d_ff, norm_first, act):
    rng = np.random.default_rng(seed)
    theirs = nn.TransformerEncoderLayer(
        12, heads, d_ff, 0.0, act, batch_first=True, norm_first=norm_first
    ).double()
    w = random_weights(theirs, seed)
    X = rng.standard_normal((2, T, 12))
    may = (rng.random((T, T)) < 0.5) | np.eye(T, dtype=bool)
    ours = c.encoder_layer(X, w, heads, may, norm_first, getattr(c, act))
    library = theirs(torch.tensor(X), src_mask=~torch.tensor(may)).detach()
    np.testing.assert_allclose(ours, library, rtol=1e-10, atol=1e-10)


@quick
@given(
    seed=seeds,
    T=st.integers(1, 6),
    S=st.integers(1, 6),
    heads=st.sampled_from([1, 2, 3]),
    norm_first=st.booleans(),
)
def test_decoder_layer_is_the_library_s(c, seed, T, S, heads, norm_first):
    rng = np.random.default_rng(seed)
    theirs = nn.TransformerDecoderLayer(
        6, heads, 10, 0.0, batch_first=True, norm_first=norm_first
    ).double()
    w = random_weights(theirs, seed)
    X, memory = rng.standard_normal((2, T, 6)), rng.standard_normal((2, S, 6))
    read = rng.random((T, S)) < 0.6
    read[:, 0] = True
    ours = c.decoder_layer(X, memory, w, heads, np.tri(T) > 0, read, norm_first)
    library = theirs(
        torch.tensor(X),
        torch.tensor(memory),
        tgt_mask=~torch.tensor(np.tri(T) > 0),
        memory_mask=~torch.tensor(read),
    )
    np.testing.assert_allclose(ours, library.detach(), rtol=1e-10, atol=1e-10)


@quick
@given(seed=seeds, T=st.integers(1, 6), S=st.integers(1, 6))
def test_a_query_with_nothing_to_see_gets_zero(c, seed, T, S):
    rng = np.random.default_rng(seed)
    Q, K, V = (rng.standard_normal((n, 3)) for n in (T, S, S))
    may = rng.random((T, S)) < 0.4
    ours = c.attention(Q, K, V, may)
    library = F.scaled_dot_product_attention(
        *(torch.tensor(A)[None] for A in (Q, K, V)), torch.tensor(may)
    )[0]
    np.testing.assert_allclose(ours, library, atol=1e-12)
    assert not ours[~may.any(axis=1)].any()


@quick
@given(seed=seeds, d=st.integers(2, 40), eps=st.sampled_from([1e-8, 1e-5, 0.3]))
def test_norms_forward_and_backward(c, seed, d, eps):
    rng = np.random.default_rng(seed)
    x, grad = rng.standard_normal((2, 3, d)) * 2
    gain, shift = rng.standard_normal((2, d))
    X = torch.tensor(x, requires_grad=True)
    out = F.layer_norm(X, (d,), torch.tensor(gain), torch.tensor(shift), eps)
    np.testing.assert_allclose(
        c.layer_norm(x, gain, shift, eps), out.detach(), atol=1e-9
    )
    np.testing.assert_allclose(
        c.rms_norm(x, gain, eps),
        F.rms_norm(X, (d,), torch.tensor(gain), eps).detach(),
        atol=1e-9,
    )
    out.backward(torch.tensor(grad))
    by_hand = c.layer_norm_backward(grad, x, gain, eps)
    scale = 1 + abs(X.grad.numpy()).max()  # width 2 can be badly conditioned
    np.testing.assert_allclose(by_hand, X.grad, atol=1e-6 * scale)


@quick
@given(seed=seeds, T=st.integers(1, 9), sharp=st.floats(0, 8))
def test_averaging_never_spreads(c, seed, T, sharp):
    rng = np.random.default_rng(seed)
    A = np.exp(sharp * rng.standard_normal((T, T)))
    A /= A.sum(axis=1, keepdims=True)
    X = rng.standard_normal((T, 4))
    factor = c.contraction(A)
    assert -1e-12 <= factor <= 1
    assert np.all(np.ptp(A @ X, axis=0) <= factor * np.ptp(X, axis=0) + 1e-12)


def test_pre_and_post_norm_for_more_seeds(c):
    for seed in range(10, 15):
        last = {
            (first, L): c.ffn_gradients(L, first, seed)
            for first in (False, True)
            for L in (4, 32)
        }
        pre = last[True, 32][-1] / last[True, 4][-1]
        post = last[False, 32][-1] / last[False, 4][-1]
        assert pre < 0.65 < post, (seed, pre, post)  # 1/√8 is 0.35
        assert last[True, 32][-1] < last[True, 32][0]


@quick
@given(seed=seeds, d=st.integers(2, 9), power=st.integers(-150, 150))
def test_norms_do_not_know_the_unit_of_measurement(c, seed, d, power):
    """Without ε, 10^±150 changes nothing: no square over- or underflows."""
    x = np.random.default_rng(seed).standard_normal((3, d)) + [1.0] * d
    scale = 10.0**power
    for norm in (c.layer_norm, c.rms_norm):
        ours, theirs = norm(scale * x, eps=0), norm(x, eps=0)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
        assert np.isfinite(norm(scale * x)).all() and not norm(0 * x).any()
    small = np.array([[200, 100, 0]], np.uint8)  # whose squares wrap
    np.testing.assert_allclose(c.rms_norm(small), c.rms_norm(small.astype(float)))
    half = np.array([[400, 100, 0]], np.float16)  # whose squares overflow
    np.testing.assert_allclose(
        c.rms_norm(half), c.rms_norm(half.astype(float)), rtol=0.01
    )


def test_the_melting_tokens_are_set_where_they_were_computed(c, run_script):
    ways = {
        "a": {"at": [[[i, 2 * i] for i in range(16)]] * 3, "spread": [1, 0.5, 3e-17]},
        "b": {"at": [[[7, 9]] * 16] * 3, "spread": [0, 0, 0]},
    }
    done = run_script(c.MELT, {"l": 2, "k": "a"}, ways)
    for i in range(16):
        place = f'[data-i="{i}"]'
        assert float(done["set"][f"{place} cx"]) == i
        assert float(done["set"][f"{place} cy"]) == 2 * i
    assert done["said"]["share"] == "3.0e-17"
    svg = c.draw_tokens([[3, 4], [5, 6]], 0.25)
    assert 'cx="5" cy="6"' in svg and "2.5e-01" in svg


def test_a_tokens_spot_is_inside_the_picture(c):
    X = 1e3 * np.eye(5, 2)
    spots = np.array(c.seen_in_a_plane(X, np.eye(2)))
    assert spots.min() >= 6 and spots.max() <= c.SIDE - 6
    assert spots[0][0] > c.SIDE / 2 == spots[0][1]


def exact_norm(row, eps, centre, grad=None):
    """LayerNorm or RMSNorm of one row in mpmath, and the gradient of grad · LayerNorm."""
    with mpmath.workdps(700):
        x = [mpmath.mpf(v) for v in row]
        mean = mpmath.fsum(x) / len(x) if centre else mpmath.mpf(0)
        x = [v - mean for v in x]
        size = mpmath.sqrt(mpmath.fsum(v * v for v in x) / len(x) + mpmath.mpf(eps))
        hat = [v / size for v in x]
        if grad is None:
            return np.array([float(v) for v in hat])
        g = [mpmath.mpf(v) for v in grad]
        mean = mpmath.fsum(g) / len(g)
        along = mpmath.fsum(a * b for a, b in zip(g, hat, strict=True)) / len(g)
        slopes = [(a - mean - b * along) / size for a, b in zip(g, hat, strict=True)]
        return np.array([float(v) for v in slopes]), float(size)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.floats(-1.0, 1.0, allow_subnormal=False) | st.floats(0.5, 1),
        min_size=1,
        max_size=6,
    ),
    st.just(1023) | st.integers(-1000, 1023),
    st.sampled_from([1e-5, 1e-12]),
)
def test_norms_at_both_ends_of_the_floats(c, row, power, eps):
    """Kind: sums and squares that overflow. Witness: mpmath with 700 digits."""
    x = np.ldexp(np.array(row), power)
    x = np.where(np.isfinite(x), x, 1.7e308)
    # the mean is off by n eps max|x|, which the size divides
    _, size = exact_norm(x, eps, True, np.ones(len(x)))
    blur = min(8 * len(x) * 2**-52 * (1 + float(abs(x).max()) / size), 1e100)
    np.testing.assert_allclose(
        c.layer_norm(x, eps=eps), exact_norm(x, eps, True), rtol=0, atol=blur
    )
    np.testing.assert_allclose(
        c.rms_norm(x, eps=eps), exact_norm(x, eps, False), rtol=1e-14, atol=1e-320
    )
    grad = np.arange(len(x)) - 1.0
    theirs, size = exact_norm(x, eps, True, grad)
    ours = c.layer_norm_backward(grad, x, eps=eps)
    assert np.isfinite(ours).all()
    # sums of products of up to six numbers of up to 5, √6 and 3, each off by blur
    assert (abs(ours - theirs) <= 100 * blur * (1 + blur) / size + 1e-320).all()


def test_norms_whose_sum_is_no_float(c):
    for x in ([1e308, 1e308, 1.7e308, 1e308], [1.7e308, -1.7e308, -1.7e308, -1.7e308]):
        np.testing.assert_allclose(
            c.layer_norm(np.array(x)), exact_norm(x, 1e-5, True), rtol=1e-14
        )
    assert (
        not c.layer_norm(np.full(3, 1e308)).any()
        and not c.layer_norm(np.zeros(3)).any()
    )


@pytest.mark.parametrize(
    ("lead", "other"), [((1,), (2,)), ((2,), (1,)), ((), (3,)), ((2, 1), (1, 3))]
)
def test_heads_broadcast_over_the_axes_before_the_text(c, lead, other):
    """Kind: a reshape to the shape of one input. Witness: torch, with both spread by hand."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(*lead, 3, 4)), rng.normal(size=(*other, 5, 4))
    layer = nn.MultiheadAttention(4, 2, batch_first=True, dtype=torch.float64)
    full = np.broadcast_shapes(lead, other)
    x, y = (
        torch.tensor(np.broadcast_to(a, (*full, *a.shape[-2:]))).flatten(0, -3)
        for a in (X, Y)
    )
    theirs = layer(x, y, y)[0].detach().numpy().reshape(*full, 3, 4)
    ours = c.multi_head(X, Y, c.weights_of(layer), 2)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13)


@quick
@given(
    seed=seeds, T=st.integers(1, 6), d=st.integers(1, 6), power=st.integers(-990, 990)
)
def test_the_spread_does_not_know_the_unit_of_measurement(c, seed, T, d, power):
    """Kind: squares that over- or underflow. Witness: the same tokens in a unit near 1; a power of 2 is exact."""
    X = np.random.default_rng(seed).standard_normal((T, d))
    share = math.sqrt(((X - X.mean(0)) ** 2).sum() / (X**2).sum())
    room = 8 * X.size * np.finfo(float).eps
    assert abs(c.spread(X) - share) < room
    assert abs(c.spread(np.ldexp(X, power)) - share) < room


@quick
@given(rows=st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), min_size=1))
def test_lists_are_normed_as_arrays_are(c, rows):
    x, gain = np.array(rows), [2.0, 3.0]
    np.testing.assert_array_equal(c.layer_norm(rows), c.layer_norm(x))
    np.testing.assert_array_equal(
        c.rms_norm(rows, gain=gain), c.rms_norm(x, np.array(gain))
    )


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 0)])
def test_a_norm_of_nothing_is_refused_in_words(c, shape):
    for norm in (c.layer_norm, c.rms_norm):
        with pytest.raises(ValueError, match="at least one number"):
            norm(np.zeros(shape))
        assert norm(np.zeros((0, 3))).shape == (0, 3), "no rows are no trouble"
