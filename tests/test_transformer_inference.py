"""chapters/transformer-inference.ipynb: cache, shared keys and blocked attention on shapes that nobody chose."""

import json
import math
import sys

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import ROOT, chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

sys.path.insert(0, str(ROOT / "data"))
import record_flash  # noqa: E402

torch.set_num_threads(1)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def c():
    return chapter("transformer-inference")


@st.composite
def models(draw):
    """Random sizes (vocab, d, n_heads, n_kv, n_layers), a text and a seed."""
    n_kv = draw(st.integers(1, 3))
    n_heads = n_kv * draw(st.integers(1, 3))
    d_head = draw(st.sampled_from([2, 4, 10]))
    sizes = draw(st.integers(2, 9)), n_heads * d_head, n_heads, n_kv
    tokens = draw(st.lists(st.integers(0, sizes[0] - 1), min_size=1, max_size=20))
    return (*sizes, draw(st.integers(1, 3))), tokens, draw(SEEDS)


def decoder(c, s, seed):
    torch.manual_seed(seed)
    model = c.Decoder(s).double()
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    return model


@given(models(), st.data())
@settings(max_examples=60, deadline=None)
def test_cache_full_pass_and_torch_agree_however_the_text_is_cut(c, sizes, data):
    sizes, tokens, seed = sizes
    s = c.Shape(*sizes)
    model = decoder(c, s, seed)
    w = c.weights(model)
    once = c.forward(w, s, tokens)
    theirs = model(torch.tensor([tokens]))[0].detach().numpy()
    np.testing.assert_allclose(once, theirs, rtol=0, atol=1e-10)
    inner = st.lists(st.integers(1, len(tokens)), max_size=5)
    cuts = sorted({*data.draw(inner), len(tokens)})
    cache, start, out = c.KVCache(s, len(tokens) + 3), 0, []
    for end in cuts:
        out.append(c.forward(w, s, tokens[start:end], cache))
        assert cache.length == end
        start = end
    np.testing.assert_allclose(np.concatenate(out), once, rtol=0, atol=1e-10)
    assert cache.log.nbytes == c.cache_bytes(
        s.n_layers, s.n_kv, s.d_head, len(tokens) + 3, 8
    )


@given(models(), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_work_is_counted_as_the_formula_says(c, sizes, before):
    (sizes, tokens, seed) = sizes
    s = c.Shape(*sizes)
    w = c.weights(decoder(c, s, seed))
    cache = c.KVCache(s, before + len(tokens))
    if before:
        c.forward(w, s, [0] * before, cache)
    spent = c.counted(lambda: c.forward(w, s, tokens, cache))
    assert spent == c.read_flops(s, len(tokens), before)


@given(models(), st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_writing_is_the_same_with_and_without_a_cache(c, sizes, n):
    sizes, tokens, seed = sizes
    s = c.Shape(*sizes)
    w = c.weights(decoder(c, s, seed))
    texts = [
        c.write(w, s, tokens, n, np.random.default_rng(seed), 0.8, cached)
        for cached in (True, False)
    ]
    assert texts[0] == texts[1] and texts[0][: len(tokens)] == tokens
    assert len(texts[0]) == len(tokens) + n


@given(SEEDS, st.integers(1, 3), st.integers(1, 3), st.integers(1, 12), st.data())
@settings(max_examples=80, deadline=None)
def test_grouped_and_blocked_attention_equal_torch(c, seed, n_kv, group, T, data):
    rng = np.random.default_rng(seed)
    Q = rng.normal(size=(n_kv * group, T, 4)) * 10 ** rng.uniform(-2, 1.5)
    K, V = rng.normal(size=(2, n_kv, T, 4))
    Q4, K4, V4 = (torch.tensor(a[None]) for a in (Q, K, V))
    theirs = F.scaled_dot_product_attention(
        Q4, K4, V4, is_causal=True, enable_gqa=True
    )[0].numpy()
    np.testing.assert_allclose(c.attend(Q, K, V, 0), theirs, rtol=0, atol=1e-12)
    block = data.draw(st.integers(1, T + 2))
    K, V = np.repeat(K, group, 0), np.repeat(V, group, 0)
    ours = c.blocked_attention(Q, K, V, block)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@given(SEEDS, st.integers(1, 8), st.integers(1, 10))
@settings(max_examples=40, deadline=None)
def test_reach_is_a_band_mask(c, seed, T, reach):
    Q, K, V = np.random.default_rng(seed).normal(size=(3, 2, T, 6))
    age = np.arange(T)[:, None] - np.arange(T)
    band = torch.tensor((age >= 0) & (age < reach))
    four = (torch.tensor(a) for a in (Q, K, V))
    theirs = F.scaled_dot_product_attention(*four, attn_mask=band).numpy()
    np.testing.assert_allclose(c.attend(Q, K, V, 0, reach=reach), theirs, atol=1e-12)


@given(SEEDS, st.lists(st.integers(0, 4), max_size=8), st.floats(-3, 3))
@settings(max_examples=80, deadline=None)
def test_states_merge_to_softmax_whatever_the_pieces(c, seed, sizes, scale):
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    scores, V = rng.normal(size=(3, n)) * 10**scale, rng.normal(size=(n, 5))
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    seen = np.abs(scores, where=np.isfinite(scores), out=np.zeros_like(scores))
    room = 16 * 2**-52 * (1 + seen.max(initial=0)) * (1 + np.abs(V).max(initial=0))
    state, start = c.EMPTY, 0
    for size in sizes:
        piece = slice(start, start + size)
        state = c.merge(state, c.partial(scores[:, piece], V[piece]))
        start += size
    for row, got in zip(scores, np.broadcast_to(c.finish(state), (3, 5)), strict=True):
        if np.all(row == -np.inf):
            assert np.all(got == 0), "nothing to see: a zero row"
        else:
            p = torch.softmax(torch.tensor(row), 0).numpy()
            np.testing.assert_allclose(got, p @ V, rtol=0, atol=room)
    tree, _ = c.fold([c.partial(scores, V), c.EMPTY])
    np.testing.assert_allclose(c.finish(tree), c.finish(state), rtol=0, atol=room)


def test_bad_input_is_refused_in_words(c):
    s = c.Shape(5, d=4, n_heads=2, n_kv=1, n_layers=1)
    w = c.weights(decoder(c, s, 0))
    Q, K = np.ones((3, 2, 4)), np.ones((2, 2, 4))
    for call, words in [
        (lambda: c.forward(w, s, []), "no tokens"),
        (lambda: c.forward(w, s, [0, 1], c.KVCache(s, 1)), "room for 1"),
        (lambda: c.write(w, s, [0], 1, np.random.default_rng(0), 0), "temperature"),
        (lambda: c.attend(Q, K, K, 0), "cannot share"),
        (lambda: c.attend(K, K, K, 0, reach=0), "reach"),
        (lambda: c.blocked_attention(K, K, K, 0), "block"),
        (lambda: c.largest_kv(1, 1, 2, 1, 4, 8), "not even one"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()


def test_the_recorder_times_two_ways_to_the_same_attention(monkeypatch):
    Q, K, V = torch.randn(3, 1, record_flash.HEADS, 7, record_flash.WIDTH).double()
    theirs = F.scaled_dot_product_attention(Q, K, V, is_causal=True)
    torch.testing.assert_close(record_flash.naive(Q, K, V), theirs)
    whole, real = [4096, 8192], record_flash.measure

    def small_memory(way, n, device, grad, runs=5):
        died = way is record_flash.naive and n > (5000 if grad else 7000)
        return None if died else real(way, 8, device, grad, runs=1)

    monkeypatch.setattr(record_flash, "measure", small_memory)
    monkeypatch.setattr(record_flash, "errors", lambda device, n: {})
    found = json.loads(record_flash.as_text(record_flash.record("cpu", whole)))
    assert found["last_alive"] == {"forward": 6144, "forward+backward": 4096}
    dead = [row for row in found["rows"] if row[3] is None]
    assert [row[:3] for row in dead] == [
        ["naive", "forward", 8192],
        ["naive", "forward+backward", 8192],
    ]
    assert len(found["rows"]) == 8


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=1, max_size=6),
    st.integers(-1000, 1023),
)
def test_the_norm_of_the_engine_at_both_ends_of_the_floats(c, row, power):
    """Kind: squares that overflow. Witness: mpmath."""
    x = np.ldexp(np.array(row), power)
    with mpmath.workdps(700):
        square = mpmath.fsum(mpmath.mpf(v) ** 2 for v in x) / len(x)
        size = mpmath.sqrt(square + mpmath.mpf("1e-6"))
        theirs = np.array([float(mpmath.mpf(v) / size) for v in x])
    np.testing.assert_allclose(c.rms_norm(x, 1.0), theirs, rtol=1e-14, atol=1e-320)


@pytest.mark.parametrize(
    ("lead", "other"), [((1,), (2,)), ((2,), (1,)), ((2, 1), (1, 3)), ((), ())]
)
@pytest.mark.parametrize(("n_heads", "n_kv"), [(4, 2), (3, 3), (2, 1)])
def test_shared_keys_broadcast_over_the_axes_before_the_heads(
    c, lead, other, n_heads, n_kv
):
    """Kind: a reshape to the shape of one input. Witness: torch, spread by hand."""
    rng = np.random.default_rng(1)
    Q = rng.normal(size=(*lead, n_heads, 3, 2))
    K, V = rng.normal(size=(2, *other, n_kv, 5, 2))
    full = np.broadcast_shapes(lead, other)
    q, k, v = (
        torch.tensor(np.broadcast_to(a, (*full, *a.shape[-3:]))) for a in (Q, K, V)
    )
    k, v = (a.repeat_interleave(n_heads // n_kv, -3) for a in (k, v))
    mask = torch.tensor(np.tri(3, 5, 2, dtype=bool))
    theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    np.testing.assert_allclose(c.attend(Q, K, V, first=2), theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.int64])
def test_bytes_and_operations_of_every_whole_type(c, kind):
    """Kind: numpy's whole numbers wrap. Witness: Python's."""
    sizes = [48, 40, 128, 100]
    assert c.cache_bytes(*map(kind, sizes)) == c.cache_bytes(*sizes)
    assert c.cache_bytes(*np.array([48, 40, 128, 16_384], np.int32)) == 16_106_127_360
    small, same = c.Shape(*map(kind, (96, 64, 4, 2, 2))), c.Shape(96, 64, 4, 2, 2)
    assert c.matrix_weights(small) == c.matrix_weights(same) and small == same
    assert c.read_flops(small, kind(100), kind(7)) == c.read_flops(same, 100, 7)
    assert c.read_flops(same, np.int32(10**5)) == c.read_flops(same, 10**5)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("T", [1e-320, 1e-30, 1.0, 1e300])
def test_tokens_are_drawn_at_every_temperature(c, kind, T):
    logits = np.array([1.0, 5.0, 5.0, -math.inf, 2.0], kind)
    drawn = {c.draw(logits, T, np.random.default_rng(i)) for i in range(200)}
    assert (
        {1, 2} <= drawn <= ({1, 2} if T < 1e-3 else {0, 1, 2, 4})
    )  # else at odds of 2**-200
    for bad in (0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="temperature"):
            c.draw(logits, bad, np.random.default_rng(0))


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int32, np.int64])
@given(users=st.integers(1, 127), n_heads=st.integers(1, 127), T=st.integers(1, 127))
@settings(max_examples=40, deadline=None)
def test_the_largest_cache_for_every_whole_type(c, kind, users, n_heads, T):
    """Kind: numpy's whole numbers wrap. Witness: Python's."""
    sizes = users, n_heads, 40, 120, T
    budget = users * c.cache_bytes(40, max(n_heads // 2, 1), 120, T)
    typed = c.largest_kv(budget, *map(kind, sizes))
    assert typed == c.largest_kv(budget, *sizes) and n_heads % typed == 0
