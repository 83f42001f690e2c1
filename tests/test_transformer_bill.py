"""chapters/transformer-bill.ipynb: counts against the library and by brute force, and the explorable against Python."""

import math

import numpy as np
import pytest
import torch
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

quick = settings(max_examples=40, deadline=None)
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def c():
    return chapter("transformer-bill")


@settings(max_examples=15, deadline=None)
@given(
    N=st.integers(1, 3),
    h=st.sampled_from([2, 4]),
    d_head=st.integers(1, 8),
    d_ff=st.integers(1, 50),
)
def test_count_is_what_the_library_allocates(c, N, h, d_head, d_ff):
    sizes = {"d_model": h * d_head, "nhead": h, "dim_feedforward": d_ff}
    library = c.allocated(**sizes, num_encoder_layers=N, num_decoder_layers=N)
    assert library == c.count(N, h * d_head, d_ff, h, d_head, d_head)


@quick
@given(V=st.integers(1, 80_000), row=st.integers(0, 9))
def test_intervals_hold_exactly_the_vocabularies_that_round_right(c, V, row):
    millions, changes = list(c.TABLE_3.values())[row]
    low, high = c.vocabulary_interval(millions, changes)
    right = round(c.count(vocabulary=V, **changes) / 1e6) == millions
    assert right == (low <= V <= high)


@settings(max_examples=15, deadline=None)
@given(T=st.integers(1, 20), h=st.sampled_from([1, 2]), d_ff=st.integers(1, 30))
def test_flops_are_what_the_counter_sees(c, T, h, d_ff):
    block = nn.TransformerEncoderLayer(8, h, d_ff, 0.0, batch_first=True)
    there, back = c.measured(block, torch.randn(1, T, 8, requires_grad=True))
    assert there == sum(c.block_flops(T, 8, d_ff)) and back == 2 * there


def test_gpt2_family_sizes(c):
    """The family as it is known: 124, 355, 774 and 1558 million."""
    said = {(12, 768): 124, (24, 1024): 355, (36, 1280): 774, (48, 1600): 1558}
    for (L, d), millions in said.items():
        assert round(c.gpt2_parameters(L=L, d=d) / 1e6) == millions
    assert math.isclose(c.gpt2_parameters(), 124.44e6, rel_tol=1e-4)


@pytest.mark.parametrize(
    "L, d, r, t, V",
    [
        (12, 768, 1, 10, 50257),
        (1, 256, 0.015625, 4, 32000),
        (128, 16384, 0.125, 20, 262144),
    ],
)
def test_the_explorable_adds_up_as_python_does(c, run_script, L, d, r, t, V):
    done = run_script(
        c.SCRIPT, {"L": L, "d": d, "r": str(r), "T": t, "V": str(V)}, c.UNITS
    )
    stored, computed, remembered = c.bill(L, d, r, 2**t, V)
    memory = [2 * sum(stored.values()), 2 * remembered]
    said = []
    for row, parts in enumerate((stored.values(), computed.values(), memory)):
        parts, x = list(parts), 8
        for i, part in enumerate(parts):
            bar = f'[data-r="{row}{i}"]'
            wide = 524 * part / sum(parts)
            assert math.isclose(float(done["set"][f"{bar} width"]), wide, abs_tol=1e-6)
            assert math.isclose(float(done["set"][f"{bar} x"]), x, abs_tol=1e-6)
            x += wide
        said.append(done["said"][f"t{row}"].rsplit(" ", 1 if row != 1 else 3)[0])
        assert said[-1] == c.in_words(sum(parts)), row
    assert done["said"]["T"] == f"{2**t:,}"


@given(st.floats(1, 9.9e17))
@settings(max_examples=200, deadline=None)
def test_a_number_in_words_is_the_number_to_three_digits(c, x):
    figure, _, unit = c.in_words(x).partition(" ")
    size = 1000 ** c.UNITS.index(f" {unit}" if unit else "")
    assert float(figure) * size == pytest.approx(x, rel=5.1e-3)
    assert 1 <= float(figure) < 1000 and "e" not in figure


@pytest.mark.parametrize("bad", [0, -1, 0.5, math.inf, math.nan])
def test_what_has_no_words_is_refused(c, bad):
    with pytest.raises(ValueError, match="from 1 on"):
        c.in_words(bad)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.int64])
@given(sizes=st.lists(st.integers(1, 127), min_size=7, max_size=7))
@settings(max_examples=30, deadline=None)
def test_sizes_of_every_whole_type_cost_the_same(c, kind, sizes):
    """Kind: numpy's whole numbers wrap. Witness: Python's."""
    typed = [kind(x) for x in sizes]
    assert c.count(*typed) == c.count(*sizes)
    assert c.block_flops(*typed[:3]) == c.block_flops(*sizes[:3])
    L, d, T, V = sizes[:4]
    assert c.bill(*map(kind, (L, d)), 1 / 4, *map(kind, (T, V))) == c.bill(
        L, d, 1 / 4, T, V
    )


def test_a_long_text_in_int32_costs_what_it_costs(c):
    sizes = np.array([10**5, 768, 3072], np.int32)
    assert c.block_flops(*sizes)[1] == 4 * 10**10 * 768
    with pytest.raises(TypeError):
        c.block_flops(1.5, 768, 3072)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.int64])
@given(data=st.data(), biases=st.booleans())
@settings(max_examples=40, deadline=None)
def test_models_of_every_whole_type_have_as_many_parameters(c, kind, data, biases):
    """Kind: numpy's whole numbers wrap. Witness: Python's."""
    top = min(np.iinfo(kind).max, 10**6)
    L, d, V, context, millions = data.draw(
        st.lists(st.integers(1, int(top)), min_size=5, max_size=5)
    )
    typed = c.gpt2_parameters(biases, *map(kind, (L, d, V, context)))
    assert typed == c.gpt2_parameters(biases, L, d, V, context)
    assert c.vocabulary_interval(kind(millions), {"d": kind(d)}) == (
        c.vocabulary_interval(millions, {"d": d})
    )
