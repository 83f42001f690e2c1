"""What chapters/loss-two-rulers.ipynb cannot check about itself: any input, not the page's own."""

import itertools
import math
import re
from collections import Counter

import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

ch = chapter("loss-two-rulers")
few = settings(max_examples=60, deadline=None)
texts = st.text(alphabet="abé\n 。", min_size=2, max_size=60)


@few
@given(
    st.lists(st.integers(0, 2), max_size=30),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
def test_merge_is_what_a_regular_expression_does(ids, pair):
    as_text = "".join(map(str, ids))
    assert ch.merge(ids, pair, 9) == [
        int(c) for c in re.sub(f"{pair[0]}{pair[1]}", "9", as_text)
    ]


@few
@given(texts, st.integers(0, 4))
def test_tokenizer_loses_nothing_and_takes_a_most_frequent_pair(text, merges):
    merges = min(merges, len(text) // 16)
    alphabet, kept = ch.byte_pairs(text, range(merges + 1))
    for m, (ids, pairs) in kept.items():
        assert ch.spell(ids, alphabet, pairs) == text and len(pairs) == m
        if m < merges:
            counts = Counter(itertools.pairwise(ids))
            assert counts[kept[m + 1][1][-1]] == max(counts.values())


def test_tokenizer_refuses_more_merges_than_there_are():
    assert ch.byte_pairs("aaaa", [2])[1][2][0] == [2]
    with pytest.raises(ValueError, match="only 2 merges"):
        ch.byte_pairs("aaaa", [3])


@few
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 3))
def test_laplace_bits_depend_on_counts_alone(ids, spare):
    ps = ch.laplace(ids, 5 + spare)
    assert ch.total_bits(ps) == pytest.approx(
        ch.total_bits(ch.laplace(sorted(ids), 5 + spare)), abs=1e-9
    )
    assert math.log2(ch.perplexity(ps)) * len(ids) == pytest.approx(
        ch.total_bits(ps), abs=1e-9
    )


@pytest.mark.parametrize("n", [0, 1, 3])
def test_laplace_is_a_distribution_over_all_texts(n):
    everything = (
        ch.laplace(ids, 3).prod() for ids in itertools.product(range(3), repeat=n)
    )
    assert sum(everything) == pytest.approx(1, abs=1e-12)


def test_texts_that_have_no_number_are_refused():
    with pytest.raises(ValueError, match="no tokens"):
        ch.perplexity([])
    with pytest.raises(ValueError, match="kinds of token"):
        ch.laplace([0, 1, 2], 2)
    assert ch.total_bits(ch.laplace([], 3)) == 0


@pytest.mark.parametrize("merges", range(0, 801, 100))
def test_the_explorable_shows_what_python_draws(run_script, merges):
    """The page's JavaScript, run by a browser, against a table of any numbers and Python's own path."""
    rng = np.random.default_rng(merges)
    rows = [
        [
            20.0 + 3 * m,
            5.0 - m / 10,
            12_000 - 900 * m,
            sorted(rng.choice(89, 30, False).tolist()),
        ]
        for m in range(9)
    ]
    done = run_script(ch.RULERS_SCRIPT, {"m": merges}, [rows, 12_000])
    per_token, per_byte, count, places = rows[merges // 100]
    assert done["set"]["[data-cuts] d"] == ch.boxes(places)
    assert done["said"] == {
        "s0": f"{per_token:.1f}",
        "s1": f"{per_byte:.2f}",
        "count": f"{count} tokens in 12000 bytes",
    }
    widths = [float(done["set"][f'[data-bar="{i}"] width']) for i in (0, 1)]
    np.testing.assert_allclose(
        widths, [350 * per_token / 44, 350 * per_byte / 5], atol=0.051
    )


def test_what_is_certain_takes_no_bits_and_not_minus_none():
    for certain in ([], [1.0], [1.0] * 3):
        assert str(ch.total_bits(certain)) == "0.0"


@few
@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 3))
def test_what_can_be_read_once_is_read_once(ids, spare):
    """Kind: an iterator that a first look empties. Witness: the list."""
    size = len(set(ids)) + spare
    ours = ch.laplace(iter(ids), np.int8(size))
    np.testing.assert_array_equal(ours, ch.laplace(ids, size))
    text = "".join(map(str, ids)) + "01"
    once = ch.byte_pairs(iter(text), iter(np.array([0, 1], np.int8)))
    assert once == ch.byte_pairs(text, [0, 1])


def test_positions_do_not_wrap_in_the_type_of_the_size():
    ids = [0] * 300
    np.testing.assert_array_equal(ch.laplace(ids, np.int8(2)), ch.laplace(ids, 2))


@few
@given(
    st.sampled_from([np.float16, np.float32, float]),
    st.lists(st.floats(2**-14, 1), min_size=1, max_size=9),
    st.integers(1, 9000),
)
def test_sums_are_taken_in_doubles(kind, probabilities, times):
    """Kind: a sum in a type that is too narrow. Witness: math.fsum of the same numbers."""
    p = np.tile(np.array(probabilities, kind), times)
    nats = math.fsum(-math.log(x) for x in p.tolist())
    # each logarithm is off by an ulp, the sum in pairs by some log2(n) + 8 of them
    near = {"rel_tol": 64 * 2**-52, "abs_tol": 0}
    assert math.isclose(ch.total_bits(p), nats / math.log(2), **near)
    mean = nats / len(p)
    assert math.isclose(
        ch.perplexity(p), math.exp(mean), rel_tol=64 * 2**-52 * (1 + mean)
    )
