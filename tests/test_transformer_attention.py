"""chapters/transformer-attention.ipynb: attention, masks and heads against PyTorch on inputs that nobody chose."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

torch.set_num_threads(1)
quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def c():
    return chapter("transformer-attention")


@pytest.fixture
def random(c):
    """Give the chapter's functions a generator, which a chapter makes in its import cell."""
    rng = c.share_taught.__globals__["rng"] = np.random.default_rng(1)
    torch.manual_seed(1)
    return rng


@st.composite
def problems(draw):
    """Q, K, V, G, a mask and a scale: batches or none, sizes from 0 or 1, any share of the pairs allowed."""
    rng = np.random.default_rng(draw(seeds))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    batch = draw(st.sampled_from([(), (1,), (2, 3)]))
    T, S = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    d, d_v = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    loud = 10 ** draw(st.floats(-2, 0.5))
    shapes = (T, d), (S, d), (S, d_v), (T, d_v)
    arrays = [(loud * rng.normal(size=(*batch, *s))).astype(dtype) for s in shapes]
    share = draw(st.sampled_from([None, 0, 0.3, 0.8, 1]))
    shape = draw(st.sampled_from([(T, S), (1, S), (*batch, T, S)]))
    mask = None if share is None else rng.random(shape) < share
    return *arrays, mask, draw(st.sampled_from([None, 0.3, 2.0]))


def room(Q, K, V, G, scale):
    """Rounding: scores move by eps times their size, weights by as much, and the gradients multiply on."""
    size = 1 + np.abs(Q).max() * np.abs(K).max() * Q.shape[-1] * (scale or 1)
    wide = 1 + max(np.abs(x).max() for x in (Q, K, V, G))
    return 200 * np.finfo(Q.dtype).eps * size * wide**3


@quick
@given(problems())
def test_attention_and_its_gradient_are_the_librarys(c, problem):
    Q, K, V, G, mask, scale = problem
    kept = [x.copy() for x in (Q, K, V, G)]
    ours, A = c.attention(Q, K, V, mask, scale)
    back = c.attention_backward(G, Q, K, V, mask, scale)
    leaves = [torch.tensor(x, requires_grad=True) for x in (Q, K, V)]
    theirs = F.scaled_dot_product_attention(
        *leaves, attn_mask=None if mask is None else torch.tensor(mask), scale=scale
    )
    slopes = torch.autograd.grad(theirs, leaves, torch.tensor(G))
    for a, b in zip((ours, *back), (theirs, *slopes), strict=True):
        assert a.dtype == Q.dtype and a.shape == tuple(b.shape)
        np.testing.assert_allclose(a, b.detach(), rtol=0, atol=room(Q, K, V, G, scale))
    for before, now in zip(kept, (Q, K, V, G), strict=True):
        np.testing.assert_array_equal(before, now)
    allowed = np.broadcast_to(True if mask is None else mask, A.shape)
    assert np.all(A[~allowed] == 0) and np.all(A >= 0)
    np.testing.assert_allclose(A.sum(-1), allowed.any(-1), atol=1e-5)


@quick
@given(problems())
def test_gradient_by_differences(c, problem):
    Q, K, V, G, mask, scale = problem
    Q, K, V, G = (x.astype(float) for x in (Q, K, V, G))
    back = c.attention_backward(G, Q, K, V, mask, scale)
    rng = np.random.default_rng(0)
    ways = [rng.normal(size=x.shape) for x in (Q, K, V)]
    h = 1e-5 / (1 + max(np.abs(x).max() for x in (Q, K)))

    def loss(step):
        moved = (x + step * w for x, w in zip((Q, K, V), ways, strict=True))
        return np.sum(G * c.attention(*moved, mask, scale)[0])

    expected = sum(np.sum(w * g) for w, g in zip(ways, back, strict=True))
    measured = (loss(h) - loss(-h)) / (2 * h)
    size = 1 + sum(np.abs(w * g).sum() for w, g in zip(ways, back, strict=True))
    assert abs(measured - expected) < 1e-4 * size + 1e-9 * np.abs(G).sum() / h * 1e-3


@quick
@given(problems())
def test_a_masked_entry_might_as_well_not_exist(c, problem):
    Q, K, V, _, _, scale = problem
    for s in range(K.shape[-2]):
        mask = np.arange(K.shape[-2]) != s
        hidden, _ = c.attention(Q, K, V, mask, scale)
        gone, _ = c.attention(Q, np.delete(K, s, -2), np.delete(V, s, -2), None, scale)
        np.testing.assert_allclose(hidden, gone, rtol=0, atol=room(Q, K, V, V, scale))


@quick
@given(seeds, st.integers(1, 8), st.integers(1, 5), st.floats(0, 5))
def test_slope_equals_differences_and_keeps_its_bound(c, seed, n, d, beta):
    rng = np.random.default_rng(seed)
    q, K, V = (rng.normal(size=s) for s in (d, (n, d), (n, 3)))
    ours = c.slope(q, K, V, beta)
    measured = c.wiggle(lambda x: c.soft_lookup(x, K, V, beta), q)
    np.testing.assert_allclose(ours, measured, atol=1e-7)
    best = c.softmax(beta * K @ q).max()
    room = beta * (1 - best) * c.diameter(K) * c.diameter(V)
    assert np.linalg.norm(ours) <= room + 1e-12
    assert np.all(c.wiggle(lambda x: c.hard_lookup(x, K, V), q) == 0)


def test_ties_and_extremes(c):
    K, V = np.ones((3, 2)), np.array([[1.0], [2.0], [6.0]])
    np.testing.assert_allclose(c.soft_lookup(np.ones(2), K, V, 50), 3)
    assert c.hard_lookup(np.ones(2), K, V) == 1, "the first of those that tie"
    huge, _ = c.attention(np.full((1, 2), 1e150), K * 1e150, V)
    np.testing.assert_allclose(huge, 3)
    for T, S in ((0, 3), (2, 0), (0, 0)):
        out, A = c.attention(np.ones((T, 2)), np.ones((S, 2)), np.ones((S, 4)))
        assert out.shape == (T, 4) and A.shape == (T, S) and np.all(out == 0)


@pytest.mark.parametrize("mask", [np.zeros((2, 3)), np.zeros((2, 3), int)])
def test_a_mask_of_numbers_is_refused(c, mask):
    with pytest.raises(TypeError, match="boolean"):
        c.attention(np.ones((2, 2)), np.ones((3, 2)), np.ones((3, 2)), mask)


def test_shapes_that_do_not_fit_are_refused(c):
    with pytest.raises(ValueError, match="do not fit"):
        c.attention(np.ones((2, 2)), np.ones((3, 4)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="do not fit"):
        c.attention(np.ones((2, 2)), np.ones((3, 2)), np.ones((4, 2)))
    for heads in (-1, 0, 4, 5):
        with pytest.raises(ValueError, match="equal heads"):
            c.strips(6, heads)


@quick
@given(
    seeds,
    st.sampled_from([(1, 1), (4, 2), (6, 1), (6, 3), (6, 6), (9, 3)]),
    st.integers(1, 7),
    st.integers(1, 7),
    st.integers(1, 3),
)
def test_multi_head_is_the_librarys(c, seed, size, T, S, batch):
    d, n_heads = size
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    layer = c.random_layer(d, n_heads)
    X, Y = (torch.randn(batch, n, d, dtype=torch.float64) for n in (T, S))
    mask = rng.random((T, S)) < 0.6
    mask[:, 0] = True  # an empty row is nan there, and a test of its own
    real = c.padding(rng.integers(1, S + 1, size=batch), S)
    ours, A = c.multi_head(
        X.numpy(), Y.numpy(), c.weights_of(layer), n_heads, mask & real
    )
    theirs, B = layer(
        X,
        Y,
        Y,
        attn_mask=torch.tensor(~mask),
        key_padding_mask=torch.tensor(~real[:, 0]),
        average_attn_weights=False,
    )
    np.testing.assert_allclose(ours, theirs.detach(), rtol=0, atol=1e-11)
    np.testing.assert_allclose(A, B.detach(), rtol=0, atol=1e-11)
    assert sum(p.numel() for p in layer.parameters()) == 4 * d * d + 4 * d


def test_with_nothing_to_see_a_layer_says_its_output_bias(c):
    layer = c.random_layer(6, 2)
    w, x = c.weights_of(layer), np.ones((2, 3, 6))
    out, A = c.multi_head(x, x, w, 2, np.zeros((3, 3), bool))
    np.testing.assert_array_equal(out, np.broadcast_to(w.b_O, out.shape))
    assert A.shape == (2, 2, 3, 3) and np.all(A == 0)


@quick
@given(seeds, st.sampled_from([(4, 1), (4, 2), (6, 3), (8, 8)]))
def test_another_face_of_the_same_layer(c, seed, size):
    d, n_heads = size
    torch.manual_seed(seed)
    rng = c.tame.__globals__["rng"] = np.random.default_rng(seed)
    before = c.weights_of(c.random_layer(d, n_heads, std=0.3))
    kept = [x.copy() for x in before]
    M, N = c.tame(n_heads, d // n_heads), c.tame(n_heads, d // n_heads)
    singular = np.linalg.svd(M)[1]
    assert singular.min() >= 0.5 - 1e-12 and singular.max() <= 2 + 1e-12
    after = c.reface(before, n_heads, M, N)
    for x, y in zip(kept, before, strict=True):
        np.testing.assert_array_equal(x, y)
    x = rng.normal(size=(3, 5, d))
    for old, new in zip(
        c.multi_head(x, x, before, n_heads),
        c.multi_head(x, x, after, n_heads),
        strict=True,
    ):
        np.testing.assert_allclose(old, new, rtol=0, atol=1e-11)


@pytest.mark.parametrize("d, n_heads", [(3, 1), (3, 3), (6, 3), (6, 2)])
def test_redundant_parameters_on_other_sizes(c, random, d, n_heads):
    total, effective = c.effective_parameters(d, n_heads, batch=8, T=6)
    assert total - effective == 2 * d * d // n_heads + 2 * d


@pytest.mark.parametrize("seed", range(4))
def test_the_root_keeps_wide_lookups_teachable(c, seed):
    c.share_taught.__globals__["rng"] = np.random.default_rng(seed)
    raw, scaled = c.best_share(256, 1), c.best_share(256, 1 / 16)
    assert scaled > 0.5 and raw < 0.35 and scaled > 2 * raw


@given(st.integers(0, 9), st.integers(1, 10))
@quick
def test_masks_by_their_meaning(c, T, reach):
    past, near = c.causal(T), c.window(T, reach)
    documents = [i // 3 for i in range(T)]
    same = c.same_document(documents)
    for t in range(T):
        for s in range(T):
            assert past[t, s] == (s <= t)
            assert near[t, s] == (t - reach < s <= t)
            assert same[t, s] == (documents[t] == documents[s])
    real = c.padding([0, min(2, T), T], T)
    assert real.shape == (3, 1, T) and real.sum() == min(2, T) + T


def test_the_perturbation_test_finds_each_wrong_bit(c, random):
    for t in range(5):
        for s in range(t + 1, 6):
            peek = c.causal(6)
            peek[t, s] = True
            assert c.sees_the_future(lambda *x, m=peek: c.attention(*x, m)[0])
    assert not c.sees_the_future(lambda *x: c.attention(*x, c.causal(6))[0])
    assert not c.sees_the_future(lambda q, k, v: v)


def test_gradients_of_shared_arrays_are_added_up(c):
    whole = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(c.summed_to(whole, (2, 3, 4)), whole)
    np.testing.assert_array_equal(c.summed_to(whole, (3, 4)), whole.sum(0))
    np.testing.assert_array_equal(c.summed_to(whole, (1, 4)), whole.sum((0, 1))[None])
    np.testing.assert_array_equal(
        c.summed_to(whole, (2, 1, 4)), whole.sum(1, keepdims=True)
    )


@pytest.mark.parametrize("word", range(1, 6))
@pytest.mark.parametrize("mask", ["masked", "open"])
def test_the_asking_word_gives_the_weights_that_it_was_given(c, run_script, word, mask):
    table = [[(3 * i + j) / 25 for j in range(5)] for i in range(5)]
    tables = {mask: table, "other": [[0] * 5] * 5}
    done = run_script(c.ASK, {"i": word, "m": mask}, {"w": c.WORDS, "t": tables})
    picture = c.draw_asking(c.WORDS, table, word - 1)
    for i, w in enumerate(table[word - 1]):
        height = float(done["set"][f'[data-b="{i}"] height'])
        assert abs(height - 140 * w) < 1e-9
        assert f'height="{140 * w:.1f}"' in picture
    assert done["said"]["asks"] == c.WORDS[word - 1]


@pytest.mark.parametrize("power", [-200, -9, 0, 6, 12, 150])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_distance_to_a_hull_has_the_unit_of_its_points(c, power, seed):
    """Kind: a witness in fixed units. Witness: on a line the hull is an interval."""
    rng = np.random.default_rng(seed)
    V = rng.normal(size=(rng.integers(1, 6), 1))
    for point in (rng.normal(), V.max() + 1, V.min() - 0.5):
        truth = max(V.min() - point, point - V.max(), 0)
        unit = 10.0**power
        ours = c.hull_distance([unit * point], unit * V) / unit
        # the row of the sum weighs 1,000 units: it gives way by a millionth of the distance
        assert ours == pytest.approx(truth, rel=1e-5, abs=1e-9)
    assert c.hull_distance([0.0], np.zeros((2, 1))) == 0
