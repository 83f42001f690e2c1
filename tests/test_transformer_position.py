"""chapters/transformer-position.ipynb: positions nobody chose, other bases, the edges, and the explorable's arithmetic."""

import math
import re
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
import transformer_lengths  # noqa: E402
import transformer_readers  # noqa: E402

quick = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**32 - 1)
even = st.integers(1, 12).map(lambda n: 2 * n)
places = st.floats(-2000, 2000, allow_nan=False)


@pytest.fixture(scope="module")
def c():
    return chapter("transformer-position")


@quick
@given(seed=seeds, T=st.integers(1, 9), S=st.integers(1, 9), d=st.integers(1, 6))
def test_attention_equals_the_library_under_any_mask_and_bias(c, seed, T, S, d):
    rng = np.random.default_rng(seed)
    Q, K, V = (rng.standard_normal((2, n, d)) for n in (T, S, S))
    may, bias = rng.random((2, T, S)) < 0.6, rng.standard_normal((2, T, S)) * 3
    fee = torch.tensor(np.where(may, bias, -np.inf))
    theirs = F.scaled_dot_product_attention(*map(torch.tensor, (Q, K, V)), fee)
    ours = c.attention(Q, K, V, may, bias)
    blind = ~may.any(-1)
    assert not ours[blind].any()
    np.testing.assert_allclose(ours[~blind], theirs.numpy()[~blind], atol=1e-12)


@quick
@given(seed=seeds, T=st.integers(1, 8), d=st.integers(1, 6))
def test_a_layer_commutes_with_any_permutation(c, seed, T, d):
    rng = np.random.default_rng(seed)
    X, W, M = rng.standard_normal((T, d)), rng.standard_normal((3, d, d)), None
    M = rng.random((T, T)) < 0.5
    order = rng.permutation(T)
    moved = c.self_attention(X[order], W, M[np.ix_(order, order)])
    np.testing.assert_allclose(moved, c.self_attention(X, W, M)[order], atol=1e-10)


@quick
@given(d=even, p=places, k=places, j=places)
def test_sinusoid_moves_by_one_matrix(c, d, p, k, j):
    tolerance = 1e-11 * math.sqrt(d)  # angles up to 6,000 × ε
    moved = c.step_matrix(k, d) @ c.sinusoid(p, d)
    np.testing.assert_allclose(c.sinusoid(p + k, d), moved, atol=tolerance)
    both = c.step_matrix(k, d) @ c.step_matrix(j, d)
    np.testing.assert_allclose(both, c.step_matrix(k + j, d), atol=tolerance)


@quick
@given(seed=seeds, d=even, m=places, n=places, shift=places)
def test_rope_sees_differences_only(c, seed, d, m, n, shift):
    q, k = np.random.default_rng(seed).standard_normal((2, d))
    score = [
        c.rotate(q[None], [m + s])[0] @ c.rotate(k[None], [n + s])[0]
        for s in (0, shift)
    ]
    assert abs(score[0] - score[1]) < 1e-10 * np.linalg.norm(q) * np.linalg.norm(k)


@quick
@given(seed=seeds, d=even, base=st.floats(2, 1e6), p=places)
def test_rotation_keeps_lengths_and_undoes_itself(c, seed, d, base, p):
    x = np.random.default_rng(seed).standard_normal((3, 1, d))
    turned = c.rotate(x, [p], base)
    np.testing.assert_allclose(
        np.linalg.norm(turned, axis=-1), np.linalg.norm(x, axis=-1), rtol=1e-12
    )
    np.testing.assert_allclose(c.rotate(turned, [-p], base), x, atol=1e-11)


@quick
@given(seed=seeds, d=even, r=st.integers(0, 3000))
def test_some_query_prefers_each_distance(c, seed, d, r):
    k = np.random.default_rng(seed).standard_normal(d)
    scores = c.scores_by_distance(c.prefers(k, r), k, np.arange(r + 50))
    assert scores.max() <= k @ k * (1 + 1e-10)
    assert math.isclose(scores[r], k @ k, rel_tol=1e-9)


@quick
@given(seed=seeds, T=st.integers(1, 30), power=st.integers(0, 5))
def test_alibi_halves_after_each_half_life(c, seed, T, power):
    h = 2**power
    rng = np.random.default_rng(seed)
    V = rng.standard_normal((h, T, 3))
    same = np.zeros((h, T, 4))
    out = c.attention(same, same, V, c.causal(T), c.alibi_bias(T, h))
    life = math.log(2) / c.alibi_slopes(h)
    ages = np.arange(T)[::-1]
    weight = 2.0 ** (-ages / life[:, None])
    last = (weight[..., None] * V).sum(1) / weight.sum(1)[:, None]
    np.testing.assert_allclose(out[:, -1], last, atol=1e-12)


def test_slopes_are_the_paper_s(c):
    np.testing.assert_allclose(c.alibi_slopes(1), [2**-8], rtol=1e-15)
    np.testing.assert_allclose(c.alibi_slopes(16)[:2], [2**-0.5, 0.5])
    for bad in (0, -2, 3, 6, 12):
        with pytest.raises(ValueError, match="power of two"):
            c.alibi_slopes(bad)


def test_frequencies_need_pairs(c):
    for bad in (0, 1, 7, -4):
        with pytest.raises(ValueError, match="pairs"):
            c.frequencies(bad)
    assert c.frequencies(2).tolist() == [1.0]
    for base in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="base"):
            c.frequencies(4, base)


@quick
@given(seed=seeds, T=st.integers(1, 6), heads=st.integers(1, 4), half=st.integers(1, 5))
def test_weights_convert_between_the_layouts(c, seed, T, heads, half):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((T, 7))
    A, B = rng.standard_normal((2, 7, heads * 2 * half))
    wanted = c.rope_scores(X, A, B, heads, c.rotate)
    converted = (c.to_half_split(W, heads) for W in (A, B))
    got = c.rope_scores(X, *converted, heads, c.rotate_half_split)
    np.testing.assert_allclose(got, wanted, atol=1e-9)


def test_float32_is_enough_and_bfloat16_is_not(c):
    for seed in range(5):
        q, k = np.random.default_rng(seed).standard_normal((2, 64))
        starts = np.arange(300, 1500)
        truth = c.scores_by_distance(q, k, np.array([3]))[0]
        size = np.linalg.norm(q) * np.linalg.norm(k)
        error = {
            t: abs(c.score_in(q, k, 3, starts, t) - truth).max() / size
            for t in (torch.float32, torch.bfloat16)
        }
        assert error[torch.float32] < 1e-3 < 1e-2 < error[torch.bfloat16]


def test_the_clocks_show_the_score_of_their_hands(c):
    def vector(hands):
        return np.array(
            [f(a) * length for length, a in hands for f in (math.cos, math.sin)]
        )

    q, k = vector(c.HANDS_Q), vector(c.HANDS_K)
    seen = set()
    for offset, key_at in ((0, 0), (3, 4), (3, 57), (20, 60)):
        picture = c.draw_clocks(offset, key_at)
        shown = float(re.search(r'data-say="score">score ([-+.\d]+)', picture)[1])
        turned = [
            c.rotate(v[None], [at], 100.0)[0]
            for v, at in ((q, key_at + offset), (k, key_at))
        ]
        assert abs(shown - turned[0] @ turned[1]) < 6e-4
        assert picture.count("<line") == 8
        seen.add((offset, shown))
    assert len(seen) == 3


@pytest.mark.parametrize("d", [2, 8, 32])
def test_the_trained_layers_positions_are_the_pages(c, d):
    at = torch.arange(40)
    x = np.random.default_rng(d).standard_normal((3, 40, d))
    ours = transformer_lengths.rotate(torch.tensor(x), at).numpy()
    np.testing.assert_allclose(ours, c.rotate(x, np.arange(40)), atol=1e-4)  # float32
    ours = transformer_lengths.sinusoid(at, d).numpy()
    np.testing.assert_allclose(ours, c.sinusoid(np.arange(40), d), atol=1e-4)
    layer = transformer_lengths.Placed("ALiBi", 32)
    np.testing.assert_allclose(layer.slopes, c.alibi_slopes(transformer_lengths.HEADS))


@pytest.mark.parametrize("scheme", transformer_lengths.SCHEMES)
def test_a_placed_layer_is_attention_of_the_last_token(c, scheme):
    reader = transformer_lengths.placed_reader(scheme, seed=5)
    layer, d, heads = reader.mixer, 32, transformer_lengths.HEADS
    x = torch.randn(2, 9, d)
    with torch.no_grad():
        theirs = layer(x)
        placed = {"sinusoid": torch.tensor(c.sinusoid(np.arange(9), d)).float()}
        if scheme == "learned table":
            placed[scheme] = layer.table.weight[:9]
        y = x + placed.get(scheme, 0)
        Q, K, V = (
            m(y).unflatten(-1, (heads, -1)).transpose(1, 2).numpy()
            for m in (layer.q, layer.k, layer.v)
        )
    if scheme == "RoPE":
        Q, K = c.rotate(Q, np.arange(9)), c.rotate(K, np.arange(9))
    bias = c.alibi_bias(9, heads) if scheme == "ALiBi" else 0.0
    ours = c.attention(Q, K, V, c.causal(9), bias)[..., -1, :].reshape(2, 1, d)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)
    with pytest.raises(ValueError):
        transformer_lengths.Placed("none", 32)


@pytest.mark.parametrize("n", [1, 5, None])
def test_the_latest_value_is_asked_for(c, n):
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        keys, values, answers = (x.tolist() for x in c.latest_batch(7, generator, n))
        assert len(keys[0]) == (len(values[0]) if n is None else n + 1)
        assert 2 <= len(keys[0]) <= c.SHORT + 1
        for k, v, a in zip(keys, values, answers, strict=True):
            assert dict(zip(k[:-1], v[:-1], strict=True))[k[-1]] == a
            assert v[-1] == c.BLANK and max(v[:-1]) < c.BLANK and max(k) < c.KEYS


def test_what_a_bag_knows():
    generator = torch.Generator().manual_seed(1)
    one = transformer_lengths.best_of_a_bag(1, 8, 50, generator)
    assert torch.all(one == 1), "one entry is the latest"
    drawn = transformer_lengths.best_of_a_bag(16, 1, 20_000, generator)
    exact = float(transformer_readers.expected_max(16, 8))  # one key: the histogram
    assert abs(drawn.mean() - exact) < 5 * drawn.std() / 20_000**0.5


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "u1", "i8"])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_turned_keeps_its_type(c, kind, seed):
    """Kind: float64 angles widen what they turn. Witness: complex numbers in float64, rounded once."""
    rng = np.random.default_rng(seed)
    x = (10 * rng.normal(size=(3, 4))).astype(kind)
    at = rng.integers(0, 100, 3)
    answer = x.dtype if x.dtype.kind == "f" else np.dtype(float)
    z = np.exp(1j * at[:, None] * 10_000.0 ** (-np.arange(2) / 2))
    wide = x.astype(float)
    paired = (wide[:, 0::2] + 1j * wide[:, 1::2]) * z
    half = (wide[:, :2] + 1j * wide[:, 2:]) * z
    eps = 4 * np.finfo(np.float64).eps + np.finfo(answer).eps
    for ours, theirs in (
        (c.rotate(x, at)[:, 0::2], paired.real),
        (c.rotate(x, at)[:, 1::2], paired.imag),
        (c.rotate_half_split(x, at)[:, :2], half.real),
        (c.rotate_half_split(x, at)[:, 2:], half.imag),
    ):
        assert ours.dtype == answer
        limit = eps * abs(wide).max() * 4
        np.testing.assert_allclose(ours.astype(float), theirs, rtol=0, atol=limit)
    out = c.rope_attention(x, x, x, at)
    assert out.dtype == answer
    full = c.rope_attention(wide, wide, wide, at)
    # float32's scores err by a few places of 100 · 4, and so do the weights
    room = 4e3 * np.finfo(np.result_type(answer, np.float32)).eps + np.finfo(answer).eps
    np.testing.assert_allclose(
        out.astype(float), full, rtol=0, atol=room * (1 + abs(wide).max())
    )


@pytest.mark.parametrize("bad", [np.array([[True, False]]), np.array([[1j, 1]])])
def test_what_holds_no_real_numbers_is_not_turned(c, bad):
    for turn in (c.rotate, c.rotate_half_split):
        with pytest.raises(TypeError, match="real numbers"):
            turn(bad, [0])


@pytest.mark.parametrize("n", [0, -1])
def test_of_no_entries_nothing_is_asked(c, n):
    with pytest.raises(ValueError, match="at least one entry"):
        c.latest_batch(1, torch.Generator().manual_seed(0), n)
