"""chapters/transformer-the-trial.ipynb: its functions on input that nobody chose, and its trainings under other seeds."""

import itertools
import json
import math
import sys
from collections import Counter
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import ROOT, chapter
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(ROOT / "chapters"))
from transformer_readers import STEPS  # noqa: E402

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**31)


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def c():
    torch.set_num_threads(1)
    return chapter("transformer-the-trial")


# The tasks


@quick
@given(
    count=st.integers(1, 9), entries=st.integers(1, 16), first=st.booleans(), seed=seeds
)
def test_a_dictionary_agrees_with_python(c, count, entries, first, seed):
    keys, values, answers = c.recall_batch(count, generator(seed), entries, first)
    assert keys.shape == values.shape == (count, entries + 1)
    for k, v, a in zip(keys.tolist(), values.tolist(), answers.tolist(), strict=True):
        if first:
            k, v = k[1:] + k[:1], v[1:] + v[:1]
        assert sorted(k[:-1]) == list(range(entries)) and v[-1] == c.BLANK
        assert dict(zip(k[:-1], v[:-1], strict=True))[k[-1]] == a < c.N_VALUES


def test_the_asked_entry_stands_anywhere(c):
    keys, _, answers = c.recall_batch(4000, generator(0), 5)
    place = (keys[:, :-1] == keys[:, -1:]).int().argmax(1)
    counts = np.bincount(place, minlength=5)
    assert np.all(np.abs(counts - 800) < 5 * math.sqrt(4000 * 0.2 * 0.8))
    assert np.all(np.bincount(answers) > 300)


@quick
@given(data=st.data(), seed=seeds)
def test_the_flag_stands_where_it_is_said_to(c, data, seed):
    length = data.draw(st.integers(1, 70))
    distance = data.draw(st.none() | st.integers(1, length))
    keys, values, answers = c.flag_batch(5, generator(seed), length, distance)
    assert torch.all(keys.sum(1) == 2) and torch.all(keys[:, -1] == 1)
    spot = keys[:, :-1].argmax(1)
    assert distance is None or torch.all(spot == length - distance)
    assert torch.equal(values[torch.arange(5), spot], answers)
    assert torch.all(values[:, -1] == c.BLANK) and torch.all(values[:, :-1] < c.BLANK)


@quick
@given(entries=st.integers(2, 16), seed=seeds)
def test_a_swap_keeps_the_histogram(c, entries, seed):
    keys, values, _ = c.recall_batch(8, generator(seed), entries)
    kept = values.clone()
    swapped = c.swap_answer(keys, values, generator(seed + 1))
    assert torch.equal(values, kept), "the input is left as it was"
    assert torch.equal(swapped.sort(1)[0], values.sort(1)[0])
    assert torch.all((swapped != values).sum(1) <= 2)
    moved = (swapped != values).any(1)
    asked = (keys[:, :-1] == keys[:, -1:]).int().argmax(1)
    row = torch.arange(8)
    assert torch.all((swapped != values)[row, asked] == moved)


# The bounds


@quick
@given(n=st.integers(1, 6), kinds=st.integers(1, 4))
def test_the_histogram_bound_is_that_of_exhaustion(c, n, kinds):
    strings = list(itertools.product(range(kinds), repeat=n))
    tops = sum(max(Counter(s).values()) for s in strings)
    assert c.expected_max(n, kinds) == Fraction(tops, n * len(strings))
    nats = 0.0
    for s in strings:
        nats -= sum(m / n * math.log(m / n) for m in Counter(s).values())
    assert math.isclose(
        c.histogram_entropy(n, kinds), nats / len(strings), abs_tol=1e-12
    )


@quick
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    T=st.sampled_from([1, 2, 7]),
    S=st.sampled_from([1, 5, 7]),
    d=st.integers(1, 6),
    seed=seeds,
)
def test_attend_is_torchs(c, shape, T, S, d, seed):
    rng = np.random.default_rng(seed)
    Q, K, V = (rng.normal(size=(*shape, *s)) for s in ((T, d), (S, d), (S, 3)))
    theirs = F.scaled_dot_product_attention(*map(torch.tensor, (Q, K, V)))
    np.testing.assert_allclose(c.attend(Q, K, V), theirs, rtol=1e-10, atol=1e-12)


@quick
@given(data=st.data(), beta=st.floats(0, 4))
def test_a_hand_set_head_is_right_where_the_votes_are(c, data, beta):
    n = data.draw(st.integers(2, 16))
    keys = np.array([data.draw(st.permutations(range(n)))])
    values = np.array([data.draw(st.lists(st.integers(0, 7), min_size=n, max_size=n))])
    place = data.draw(st.integers(0, n - 1))
    keys = np.append(keys, [[keys[0, place]]], axis=1)
    votes = c.look_up(keys, np.append(values, [[c.BLANK]], axis=1), beta)[0]
    expected = np.zeros(8)
    for i, v in enumerate(values[0]):
        expected[v] += math.exp(beta) if i == place else 1
    np.testing.assert_allclose(
        votes / votes.sum(), expected / expected.sum(), rtol=1e-9
    )
    if beta > math.log(n - 1) + 1e-9:
        assert votes.argmax() == values[0, place]


@quick
@given(
    dilations=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    k=st.integers(1, 4),
    seed=seeds,
)
def test_nothing_beyond_the_field_matters_and_its_edge_does(c, dilations, k, seed):
    torch.manual_seed(seed)
    field, T = c.field(dilations, k), 45
    stack = c.Convolution(3, dilations, k).double()
    for p in stack.parameters():
        torch.nn.init.uniform_(p, 0.1, 1)  # no relu is shut
    x = torch.rand(1, T, 3, dtype=torch.double)
    for distance in (field - 1, field, T - 1):
        y = x.clone()
        y[:, T - 1 - distance] += 1
        same = torch.equal(stack(x)[:, -1], stack(y)[:, -1])
        assert same == (distance >= field)


@quick
@given(n=st.integers(1, 3), kinds=st.integers(1, 3), m=st.integers(0, 4))
def test_a_short_sight_has_its_ceiling(c, n, kinds, m):
    seen = {}
    for order in itertools.permutations(range(n)):
        for values in itertools.product(range(kinds), repeat=n):
            for asked in range(n):
                sight = tuple((k, values[k]) for k in order)[max(n - m, 0) :]
                seen.setdefault((asked, sight), Counter())[values[asked]] += 1
    hits = sum(max(s.values()) for s in seen.values())
    assert c.ceiling(n, m, kinds) == Fraction(
        hits, sum(s.total() for s in seen.values())
    )


def test_bad_input_is_refused_with_a_reason(c):
    with pytest.raises(ValueError, match="from 1 to 16 entries"):
        c.recall_batch(1, generator(0), 17)
    with pytest.raises(ValueError, match="distance from 1 to 24"):
        c.flag_batch(1, generator(0), distance=25)


# The trial under other seeds: thresholds as in the chapter


def mark(c, name, task, seed, steps=None):
    reader = c.build(name, seed=seed)
    c.train(reader, task, steps or STEPS, seed)
    return c.examine(reader, task)[0]


@pytest.mark.parametrize("seed", range(3))
def test_attention_looks_up_and_finds_the_flag(c, seed):
    assert mark(c, "attention", c.recall_batch, seed) >= 0.98
    assert mark(c, "attention", c.flag_batch, seed) >= 0.98


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        *itertools.product(["GRU", "LSTM"], range(2)),
        ("RNN", 0),
        ("convolution", 0),
    ],
)
def test_the_others_do_not_look_up(c, name, seed):
    right = mark(c, name, c.recall_batch, seed)
    assert right <= 0.40
    assert right >= (0.20 if name in ("GRU", "LSTM") else 0.10)


@pytest.mark.parametrize("seed", range(3))
def test_a_gru_that_is_asked_first_finds_the_value(c, seed):
    four = partial(c.recall_batch, entries=4)
    assert mark(c, "GRU", partial(four, first=True), seed) >= 0.95
    assert mark(c, "GRU", four, seed) <= 0.70


@pytest.mark.parametrize("seed", range(2))
def test_attention_soon_has_sixteen_entries_and_the_lstm_not_four(c, seed):
    steps = {
        (name, n): c.steps_until(
            c.build(name, seed=seed), partial(c.recall_batch, entries=n), 100, seed
        )
        for name, n in [("attention", 16), ("LSTM", 4)]
    }
    assert steps["attention", 16] is not None and steps["LSTM", 4] is None


def test_the_record_is_that_of_the_recorder(c):
    sys.path.insert(0, str(ROOT / "data"))
    try:
        from record_trial import CAP, plan
    finally:
        sys.path.remove(str(ROOT / "data"))
    record = json.loads((ROOT / "data" / "trial-steps.json").read_text())
    assert record["cap"] == CAP
    assert [tuple(run[:4]) for run in record["runs"]] == list(plan(c))
    assert all(s is None or s % 25 == 0 and 25 <= s <= CAP for *_, s in record["runs"])


@pytest.mark.parametrize(
    ("keys", "values"), [([0, 16], [1, 8]), ([0, 1], [1, 9]), ([-1, 0], [1, 8])]
)
@pytest.mark.parametrize("kind", [np.int64, np.int8])
def test_keys_and_values_that_no_card_has_are_refused(c, keys, values, kind):
    with pytest.raises(ValueError, match="lie from 0 to"):
        c.look_up(np.array([keys], kind), np.array([values], kind), 1.0)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.int64])
@quick
@given(data=st.data(), seed=seeds)
def test_fields_ceilings_and_memories_of_every_whole_type(c, kind, data, seed):
    """Kind: numpy's whole numbers wrap. Witnesses: Python's, and float64."""
    dilations = data.draw(st.lists(st.integers(1, 127), max_size=6))
    n, m, kinds, k = data.draw(st.tuples(*4 * [st.integers(1, 127)]))
    assert c.field(np.array(dilations, kind), kind(k)) == c.field(dilations, k)
    assert c.ceiling(*map(kind, (n, m, kinds))) == c.ceiling(n, m, kinds)
    rng = np.random.default_rng(seed)
    keys, values = (rng.integers(0, 127, (5, d)).astype(kind) for d in (3, 2))
    query = rng.integers(0, 127, 3).astype(kind)
    wide = values.astype(object).T @ (keys.astype(object) @ query.astype(object))
    np.testing.assert_array_equal(c.matrix_memory(keys, values, query), wide)


@pytest.mark.parametrize("bad", [(4, -1, 8), (0, 1, 8), (4, 1, 0)])
def test_ceilings_of_no_dictionary_are_refused(c, bad):
    with pytest.raises(ValueError, match="no sizes of a dictionary"):
        c.ceiling(*bad)


def test_one_entry_has_none_to_swap_with(c):
    keys, values, _ = c.recall_batch(2, generator(0), 1)
    with pytest.raises(ValueError, match="two entries"):
        c.swap_answer(keys, values, generator(0))
