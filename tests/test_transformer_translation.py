"""chapters/transformer-translation.ipynb: the two languages, the model against torch, its explorable."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

quick = settings(max_examples=60, deadline=None)
numbers = st.integers(1, 10**6 - 1)


@pytest.fixture(scope="module")
def c():
    torch.set_num_threads(1)
    return chapter("transformer-translation")


@quick
@given(n=numbers)
def test_both_languages_name_the_number(c, n):
    assert c.value_zh(c.chinese(n)) == c.value_en(c.english(n)) == n
    assert len(c.chinese(n)) < c.LONGEST[0] and len(c.english(n)) < c.LONGEST[1]
    source, target = c.encode([n])
    assert "".join(c.ZH[i] for i in source[0] if i != c.BLANK) == c.chinese(n)
    words = [c.EN[i] for i in target[0][c.until_end(target)[0]]]
    assert words == [*c.english(n), "<end>"]


def test_round_tens_of_thousands_end_in_no_zero(c):
    names = {10_000: "一万", 20_000: "二万", 120_000: "十二万", 900_000: "九十万"}
    assert {n: c.chinese(n) for n in names} == names


def test_what_has_no_name_here_is_refused(c):
    for n in (0, -1, 10**6):
        for language in (c.chinese, c.english):
            with pytest.raises(ValueError, match="from 1 to 999,999"):
                language(n)


@settings(max_examples=15, deadline=None)
@given(some=st.lists(numbers, min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_the_look_back_is_torchs_and_blind_to_what_is_blank(c, some, seed):
    model = c.build(c.LookBack, seed).double()
    source, target = c.encode(some)
    with torch.no_grad():
        memory, start = model.read(source)
        states, _ = model.decoder(model.target(c.before(target)), start)
        q, k, v = model.q(states), model.k(memory), model.v(memory)
        seen = (source != c.BLANK)[:, None]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        logits = model.head(torch.cat([states, mixed], -1))
        torch.testing.assert_close(model(source, c.before(target)), logits)
        alone = model(*(x[:1] for x in (source, c.before(target))))
        torch.testing.assert_close(model(source, c.before(target))[:1], alone)


def test_writing_does_not_see_what_is_not_yet_written(c):
    model = c.build(c.LookBack)
    source, target = c.encode([234_567])
    other = target.clone()
    other[0, 5:] = 3
    with torch.no_grad():
        one, two = model(source, c.before(target)), model(source, c.before(other))
    assert torch.equal(one[:, :6], two[:, :6]) and not torch.equal(one, two)


@pytest.mark.parametrize("word", [1, 3, 10])
def test_the_explorable_shows_the_table_that_it_was_given(c, run_script, word):
    z, e = "二十三万", ["two", "hundred", "thirty", "thousand", "end"]
    w = [[(31 * i + 17 * j) % 100 for j in range(4)] for i in range(5)]
    done = run_script(c.ALIGN, {"n": "x", "i": word}, {"x": {"z": z, "e": e, "w": w}})
    row = min(word, 5) - 1
    for i in range(10):
        assert done["set"][f'[data-w="{i}"]'] == (e[i] if i < 5 else "")
        for j in range(11):
            shade = w[i][j] / 100 if i < 5 and j < 4 else 0
            seen = float(done["set"][f'[data-p="{i}-{j}"] opacity'])
            assert math.isclose(seen, shade, abs_tol=1e-9)
    assert done["said"] == {"word": e[row], "char": z[w[row].index(max(w[row]))]}
    assert f'data-say="word">{e[row]}<' in c.draw_alignment(z, e, w, row)


@pytest.mark.parametrize("seed", range(2))
def test_the_look_back_learns_long_numbers_under_other_seeds(c, seed):
    model = c.train(c.build(c.LookBack, seed), seed=seed)
    exam = c.draw(200, c.np.random.default_rng(seed), 6, exam=True)
    assert c.right(model, exam).double().mean() >= 0.8


@pytest.mark.parametrize(
    ("kind", "top"), [("uint8", 255), ("int16", 32_767), ("int64", 999_999)]
)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_numbers_of_every_whole_type_are_the_same_numbers(c, kind, top, data):
    """Kind: numpy's whole numbers, which do not hold 10,000. Witness: Python's."""
    n = data.draw(st.integers(1, top))
    for name in (c.english, c.chinese):
        assert name(np.dtype(kind).type(n)) == name(n)
        with pytest.raises(TypeError):
            name(float(n))
    assert all(
        torch.equal(a, b)
        for a, b in zip(c.encode(np.array([n], kind)), c.encode([n]), strict=True)
    )


@pytest.mark.parametrize("bad", [0, -1, 7, 1.5])
def test_lengths_that_no_number_has_are_refused(c, bad):
    with pytest.raises((ValueError, TypeError)):
        c.draw(3, np.random.default_rng(0), digits=bad)


@pytest.mark.parametrize("digits", range(1, 7))
def test_drawn_numbers_have_the_length_that_was_asked_for(c, digits):
    """Kind: numpy's whole numbers wrap. Witness: Python's, from the same dice."""
    drawn = [c.draw(9, np.random.default_rng(1), d) for d in (digits, np.int8(digits))]
    assert drawn[0] == drawn[1] and {len(str(n)) for n in drawn[0]} == {digits}
