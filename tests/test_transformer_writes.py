"""chapters/transformer-writes.ipynb: counting, training, the opened blocks and the explorable on input that nobody chose."""

import math

import numpy as np
import pytest
import torch
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

torch.set_num_threads(1)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def c():
    return chapter("transformer-writes")


@given(st.text("abc", min_size=1, max_size=60), st.text("abcd", max_size=4))
@settings(max_examples=60, deadline=None)
def test_counting_gives_distributions(c, text, past):
    grams = c.count_grams(text, 3)
    q = [c.witten_bell(grams, past, letter, 4) for letter in "abcd"]
    assert math.isclose(sum(q), 1, rel_tol=1e-12) and min(q) > 0
    assert grams[""].total() == len(text)


@given(st.lists(st.text("ab", max_size=12), max_size=8))
@settings(max_examples=60, deadline=None)
def test_fresh_paragraphs_share_no_piece(c, paragraphs):
    kept = c.fresh(paragraphs, k=4)
    pieces = [{p[i : i + 4] for i in range(max(1, len(p) - 3))} for p in kept]
    for i, some in enumerate(pieces):
        assert not any(some & others for others in pieces[:i])


@pytest.mark.parametrize("seed", range(3))
def test_a_short_training_leaves_the_uniform_guess_behind(c, seed):
    torch.manual_seed(seed)
    text = torch.tensor(
        list(b"the cat sat on the mat and the dog sat on the cat; " * 9)
    )
    kinds, ids = torch.unique(text, return_inverse=True)
    s = c.Shape(len(kinds), d=16, n_heads=2, n_kv=1, n_layers=1)
    model, losses, kept = c.train(s, ids, steps=60, seed=seed, keep=(0,))
    assert abs(losses[0] - math.log(len(kinds))) < 0.1
    assert losses[-5:].mean() < 0.6 * losses[0]
    assert set(kept) == {0, 60} and not kept[0].blocks[0].W_O.weight.any()
    by_place = c.loss_by_place(model, ids, stride=50)
    assert by_place.shape == (c.WINDOW,) and by_place[-20:].mean() < by_place[0]


@given(
    st.sampled_from([(1, 1), (2, 1), (4, 2), (3, 3)]),
    st.integers(1, 9),
    st.integers(1, 10),
    st.integers(0, 1000),
)
@settings(max_examples=30, deadline=None)
def test_the_opened_blocks_are_the_model_and_see_a_band(c, heads, T, reach, seed):
    torch.manual_seed(seed)
    s = c.Shape(7, d=4 * heads[0], n_heads=heads[0], n_kv=heads[1], n_layers=2)
    model = c.Decoder(s).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    tokens = torch.randint(7, (2, T))
    logits, seen = c.look(model, tokens)
    torch.testing.assert_close(logits, model(tokens), rtol=0, atol=1e-10)
    place = torch.arange(T)
    band = (place[:, None] >= place) & (place[:, None] - place < reach)
    for P in c.look(model, tokens, reach)[1]:
        assert torch.all((P > 0) == band)
        torch.testing.assert_close(P.sum(-1), torch.ones(2, heads[0], T).double())


@pytest.mark.parametrize("r", [1, 8, 32])
def test_the_explorable_shows_what_was_cut(c, run_script, r):
    shares, losses = (
        [1 / (k + 2) ** 2 for k in range(32)],
        [3 / (k + 1) for k in range(33)],
    )
    done = run_script(c.SIGHT, {"r": r}, {"w": shares, "l": losses})
    picture = c.draw_sight(shares, losses, r)
    for k in range(32):
        ink = done["set"][f'[data-k="{k}"] fill']
        assert ("azurite" in ink) == (k < r)
    assert done["said"] == {
        "gone": f"{100 * sum(shares[r:]):.0f}",
        "loss": f"{losses[r]:.2f}",
    }
    assert f'data-say="loss">{losses[r]:.2f}<' in picture


def test_letters_and_temperatures_that_are_none_are_refused(c):
    from types import FunctionType

    names = {"torch": torch, "index": {"a": 0, "b": 1}, "letters": "ab"}
    ask = FunctionType(c.ask.__code__, names)
    for text in ("", "é", "ab?"):
        with pytest.raises(ValueError, match="letters are 'ab'"):
            ask(None, text)
    for bad in (0, -1.0, math.nan):
        with pytest.raises(ValueError, match="temperature must be positive"):
            c.continued(None, "a", 1, None, bad)


def test_text_is_drawn_at_temperature_one_unless_told(c, monkeypatch):
    """A model that knows no past: what it writes has its own shares, within five standard errors; cooler, it is surer."""
    letters = "abcd"
    for name, value in {"letters": letters, "index": dict(a=0, b=1, c=2, d=3)}.items():
        monkeypatch.setitem(c.continued.__globals__, name, value)
    logits = torch.arange(4.0)

    def model(tokens):
        return logits.expand(*tokens.shape, -1)

    dice = np.random.default_rng(5)
    text = c.continued(model, "a", 2000, dice)[1:]
    shares = torch.softmax(logits.double(), 0)
    for letter, share in zip(letters, shares.tolist(), strict=True):
        error = math.sqrt(share * (1 - share) / len(text))
        assert abs(text.count(letter) / len(text) - share) < 5 * error
    cool = c.continued(model, "a", 500, dice, temperature=1e-3)[1:]
    assert set(cool) == {"d"}


@pytest.mark.parametrize("T", [1e-320, 1e-30, 1.0, 1e300])
def test_letters_are_drawn_at_every_temperature(c, monkeypatch, T):
    """Kind: scores that overflow when they are divided by a small number."""
    scope = c.continued.__globals__
    logits = torch.tensor([1.0, 5.0, -math.inf], dtype=torch.float64)
    monkeypatch.setitem(scope, "ask", lambda model, text: logits)
    monkeypatch.setitem(scope, "letters", "abc")
    text = c.continued(None, "", 60, np.random.default_rng(0), T)
    assert set(text) == {"b"} if T < 1e-3 else "b" in text and "c" not in text
    for bad in (0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="temperature"):
            c.continued(None, "", 1, np.random.default_rng(0), bad)


@pytest.mark.parametrize("reach", [0, -1, 0.5, math.nan])
def test_a_query_that_sees_nothing_is_refused(c, reach):
    torch.manual_seed(0)
    model = c.Decoder(c.Shape(7, d=4, n_heads=2, n_kv=1, n_layers=1))
    with pytest.raises(ValueError, match="at least its own letter"):
        c.look(model, torch.zeros(1, 3, dtype=torch.long), reach)
