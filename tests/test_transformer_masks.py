"""chapters/transformer-masks.ipynb: its attention against torch, the perturbation test on wrong masks, its explorable."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def c():
    made = chapter("transformer-masks")
    # a generator, which the chapter makes in its import cell
    made.sees_the_future.__globals__["rng"] = np.random.default_rng(1)
    return made


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    T=st.integers(1, 6),
    S=st.integers(1, 6),
    unit=st.sampled_from([1, 1e4]),
)
def test_attention_is_torchs_under_any_mask(c, seed, T, S, unit):
    """unit: scores of thousands are shifted before they are raised to a power."""
    rng = np.random.default_rng(seed)
    Q, K, V = (rng.normal(size=(1, n, 3)) for n in (T, S, S))
    Q *= unit
    may = rng.random((T, S)) < 0.5
    theirs = F.scaled_dot_product_attention(
        *map(torch.tensor, (Q, K, V)), attn_mask=torch.tensor(may)
    )
    np.testing.assert_allclose(c.attention(Q, K, V, may)[0], theirs, atol=1e-12 * unit)


def test_one_wrong_bit_is_seen(c):
    assert not c.sees_the_future(lambda *x: c.attention(*x, c.causal(6))[0])
    assert not c.sees_the_future(lambda q, k, v: v)
    for t, later in itertools.combinations(range(6), 2):
        peek = c.causal(6)
        peek[t, later] = True
        assert c.sees_the_future(lambda *x, m=peek: c.attention(*x, m)[0])


@pytest.mark.parametrize("number", [-20, -3.5, 0])
@pytest.mark.parametrize("denied", [2, 4])
def test_the_explorable_weighs_as_python_does(c, run_script, number, denied):
    done = run_script(c.MASK, {"a": number, "n": str(denied)}, list(c.SCORES))
    weights = c.shares(float(number), denied)
    for i, w in enumerate(weights):
        assert math.isclose(float(done["set"][f'[data-b="{i}"] height']), 160 * w)
        assert ("cinnabar" in done["set"][f'[data-b="{i}"] fill']) == (i >= 4 - denied)
    assert float(done["said"]["leak"]) == pytest.approx(
        100 * weights[4 - denied :].sum(), abs=0.051
    )
    if denied == 4:
        np.testing.assert_allclose(weights, c.shares(0.0, 4))
