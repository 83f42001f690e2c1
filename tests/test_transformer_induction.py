"""chapters/transformer-induction.ipynb: its functions on input that nobody chose, its trainings under other seeds, its explorable."""

import itertools
import math
import sys
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
import transformer_readers  # noqa: E402

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**31)


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def c():
    torch.set_num_threads(1)
    return chapter("transformer-induction")


def mark(c, name, task, seed):
    reader = c.build(name, seed=seed)
    c.train(reader, task, c.STEPS, seed)
    return c.examine(reader, task)[0]


@quick
@given(
    count=st.integers(1, 9),
    writes=st.integers(1, 20),
    names=st.integers(1, 16),
    seed=seeds,
)
def test_the_latest_write_counts(c, count, writes, names, seed):
    keys, values, answers = c.latest_batch(count, generator(seed), writes, names)
    assert keys.shape == values.shape == (count, writes + 1) and torch.all(keys < names)
    for k, v, a in zip(keys.tolist(), values.tolist(), answers.tolist(), strict=True):
        assert v[-1] == c.BLANK
        assert dict(zip(k[:-1], v[:-1], strict=True))[k[-1]] == a < c.N_VALUES


@quick
@given(data=st.data(), seed=seeds)
def test_strings_repeat_with_their_period(c, data, seed):
    shortest = data.draw(st.integers(1, 32))
    longest = data.draw(st.integers(shortest, 32))
    length = data.draw(st.integers(1, 70))
    tokens, period = c.repeated_batch(4, generator(seed), shortest, longest, length)
    assert tokens.shape == (4, length + 1) and period.shape == (4, 1)
    for line, p in zip(tokens.tolist(), period.flatten().tolist(), strict=True):
        assert shortest <= p <= longest
        assert len(set(line[:p])) == min(p, length + 1)
        assert all(line[i] == line[i - p] for i in range(p, length + 1))


@quick
@given(writes=st.integers(1, 4), names=st.integers(1, 3), kinds=st.integers(1, 3))
def test_who_knows_no_order_has_its_ceiling(c, writes, names, kinds):
    groups, total = {}, 0
    for ks in itertools.product(range(names), repeat=writes):
        for vs in itertools.product(range(kinds), repeat=writes):
            for asked in ks:
                own = [v for k, v in zip(ks, vs, strict=True) if k == asked]
                groups.setdefault(tuple(sorted(own)), Counter())[own[-1]] += 1
                total += 1
    hits = sum(max(g.values()) for g in groups.values())
    assert c.order_blind(writes, names, kinds) == Fraction(hits, total)


@quick
@given(d=st.sampled_from([2, 6, 16]), shift=st.integers(0, 30), seed=seeds)
def test_rotation_knows_only_the_distance(c, d, shift, seed):
    torch.manual_seed(seed)
    q, k = torch.randn(2, d, dtype=torch.double)
    turned_q, turned_k = (c.rotate(v.expand(40, d)) for v in (q, k))
    a, b = turned_q[5] @ turned_k[2], turned_q[5 + shift] @ turned_k[2 + shift]
    assert math.isclose(a, b, abs_tol=1e-9)
    assert torch.allclose(turned_q.norm(dim=1), q.norm())


@quick
@given(T=st.sampled_from([1, 2, 7]), seed=seeds)
def test_the_layer_is_causal_and_torchs(c, T, seed):
    torch.manual_seed(seed)
    layer = c.Layer(6).double()
    x = torch.randn(2, T, 6, dtype=torch.double)
    q, k, v = c.rotate(layer.q(x)), c.rotate(layer.k(x)), layer.v(x)
    theirs = x + layer.o(F.scaled_dot_product_attention(q, k, v, is_causal=True))
    torch.testing.assert_close(layer(x), theirs, rtol=1e-10, atol=1e-12)
    y = x.clone()
    y[:, -1] += 100
    assert torch.equal(layer(x)[:, :-1], layer(y)[:, :-1])
    assert torch.equal(layer(x, layer.weights(x)), layer(x))


@pytest.mark.parametrize("name", ["attention", "GRU", "LSTM"])
def test_the_latest_value_is_for_those_who_know_an_order(c, name):
    right = mark(c, name, c.latest_batch, 0)
    assert right <= 0.36 if name == "attention" else right >= 0.95


@pytest.mark.parametrize("seed", range(2))
def test_two_layers_continue_a_repeated_string(c, seed):
    model = c.AttentionOnly(2, seed=seed)
    c.train_repeats(model, seed=seed)
    assert c.examine_repeats(model) >= 0.98
    shifted = [
        c.examine_repeats(model, instead={0: c.steps_back(40, k)}) for k in (1, 2)
    ]
    assert shifted[0] >= 0.90 and shifted[1] < 0.20


@pytest.mark.parametrize("seed", range(1))
def test_one_layer_does_not(c, seed):
    model = c.AttentionOnly(1, seed=seed)
    c.train_repeats(model, seed=seed)
    assert c.examine_repeats(model) <= 0.30


def test_bad_input_is_refused_with_a_reason(c):
    for bad in ((0, 3), (9, 8), (8, 33)):
        with pytest.raises(ValueError, match="periods from 1"):
            c.repeated_batch(1, generator(0), *bad)
    with pytest.raises(ValueError, match="even width"):
        c.rotate(torch.ones(2, 3))


@pytest.mark.parametrize("t", [9, 18, 24])
def test_the_explorable_shows_the_weights_that_it_was_given(c, run_script, t):
    letters = "abcdefgh" * 3
    rows = [[(7 * i + j) % 100 for j in range(i + 1)] for i in range(24)]
    data = {"l": letters, "w": [rows, rows[::-1]], "s": [i % 9 - 1 for i in range(24)]}
    data["w"][1] = [[99 - x for x in row] for row in rows]
    done = run_script(c.ASK, {"t": t}, data)
    picture = c.draw_string(letters, data["w"], t - 1, data["s"])
    for row, base in ((0, 90), (1, 230)):
        for i in range(24):
            height = 0.7 * data["w"][row][t - 1][i] if i < t else 0
            bar = f'[data-bar="{row}-{i}"]'
            assert math.isclose(float(done["set"][f"{bar} height"]), height)
            assert math.isclose(float(done["set"][f"{bar} y"]), base - height)
            assert f'y="{base - height:.1f}" width="14"' in picture
    assert done["said"]["asks"] == letters[t - 1]
    spoken = data["s"][t - 1]
    assert done["said"]["says"] == ("another token" if spoken < 0 else letters[spoken])


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64])
@settings(max_examples=8, deadline=None)
@given(writes=st.integers(1, 12), names=st.integers(1, 127), kinds=st.integers(1, 2))
def test_ceilings_of_every_whole_type(c, kind, writes, names, kinds):
    """Kind: numpy's whole numbers wrap. Witness: Python's."""
    own = writes, names, kinds
    typed = [kind(n) for n in own]
    assert c.order_blind(*typed) == c.order_blind(*own)
    for f in (c.expected_max, transformer_readers.histogram_entropy):
        assert f(*typed[:2]) == f(*own[:2])


@pytest.mark.parametrize("bad", [(0, 2), (3, 0), (-1, 2)])
def test_sizes_of_nothing_are_refused(c, bad):
    for call in (
        c.expected_max,
        transformer_readers.histogram_entropy,
        lambda n, k: c.order_blind(n, k, 8),
        lambda n, k: c.latest_batch(1, generator(0), n, k),
    ):
        with pytest.raises(ValueError, match="at least 1"):
            call(*bad)
