"""chapters/living-russell.ipynb: the mirror of the page is the mirror of Python; what is refused."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given
from hypothesis import strategies as st

RUSSELL = chapter("living-russell")


@pytest.mark.parametrize(
    "w, g", [(0, 0.9), (50, 0.9), (100, 0.9), (80, 1.25), (100, 1.5)]
)
def test_the_mirror_of_the_page_is_pythons(browser, w, g):
    """The line follows the rounds until it leaves the picture, and the words say whether it settles."""
    page = browser.new_page()
    page.set_content('<svg><path class="rest"/><polyline class="felt"/></svg>')
    said = page.evaluate(
        """([script, v]) => { const said = {}, $ = s => document.querySelector(s);
            new Function('v', 'say', '$', script)(v, (n, t) => { said[n] = t; }, $);
            return [said, $('.felt').getAttribute('points')]; }""",
        [RUSSELL.SCRIPT, {"w": w, "g": g}],
    )
    gain = g * w / 100
    felt = RUSSELL.mirror(1, gain, 1, 25)
    points = [tuple(map(float, p.split(","))) for p in said[1].split()]
    inside = [s for s in felt if s <= 12.4]
    assert len(points) == min(len(inside) + 1, 26)
    np.testing.assert_allclose(
        [y for _, y in points[: len(inside)]], [192 - 15 * s for s in inside], atol=0.06
    )
    drawn = [tuple(map(float, p.split(","))) for p in RUSSELL.rounds(gain).split()]
    np.testing.assert_allclose(drawn, points, atol=0.11)  # two roundings to a tenth
    settles = f"It settles at {1 / (1 - gain):.2f}" if gain < 1 else ""
    assert said[0]["what"] == (settles or "It grows without end")
    page.close()


def test_matters_of_one_correlation_exist_from_minus_one_over_n_less_one_to_one():
    for n, rho in ((1, -5.0), (1, 1.0), (2, -1.0), (2, 1.0), (5, -0.25), (5, 0.0)):
        if n == 1 or -1 / (n - 1) <= rho:
            values = np.linalg.eigvalsh(RUSSELL.equicorrelated(n, rho))
            assert values.min() > -1e-12
    for n, rho in ((0, 0.0), (2, -1.1), (5, -0.26), (2, 1.01), (2, math.nan)):
        with pytest.raises(ValueError, match="cannot all have"):
            RUSSELL.equicorrelated(n, rho)


def test_attention_that_cannot_be_shared_is_refused():
    np.testing.assert_allclose(RUSSELL.shares([1, 0, 3]), [0.25, 0, 0.75])
    for attention in ([-1, 3], [0, 0], [math.nan, 1], [-1, -2]):
        with pytest.raises(ValueError, match="non-negative"):
            RUSSELL.shares(attention)
    for attention in ([math.inf, 1], [math.inf] * 2, []):
        with pytest.raises(ValueError, match="finite"):
            RUSSELL.shares(attention)


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=9).filter(any),
    st.sampled_from([-1074, -1030, -500, 0, 500, 1013]),
)
def test_attention_of_any_size_has_the_same_shares(whole, power):
    """Whole numbers times a power of two, down to the least float: exact fractions are the witness."""
    told = [math.ldexp(x, power) for x in whole]
    shares = [Fraction(x, sum(whole)) for x in whole]
    # two divisions and n - 1 additions, each of one rounding
    slack = (len(whole) + 2) * 2**-52
    np.testing.assert_allclose(
        RUSSELL.shares(told), [float(w) for w in shares], rtol=slack
    )
    exact = float(1 / sum(w * w for w in shares))
    np.testing.assert_allclose(RUSSELL.effective(told), exact, rtol=4 * slack)


@given(st.floats(-15, -1))
def test_full_feeling_has_its_digits_just_above_one(power):
    """atanh(s)/s = gain, with sixty digits; brentq promises 2e-12, the two terms leave out e² of s."""
    gain = 1 + 10**power
    found = RUSSELL.full(gain)
    with mpmath.workdps(60):
        s = mpmath.findroot(
            lambda s: mpmath.atanh(s) / s - gain, (found * 0.99, found * 1.005)
        )
    # tanh(g s) - s is known to eps · s and has the slope 2(gain - 1) at the root
    slack = 4e-12 + 4 * 2**-52 * found / (gain - 1) if gain > 1 + 1e-6 else 0
    assert math.isclose(found, s, rel_tol=3e-12, abs_tol=slack)
    assert RUSSELL.full(1) == RUSSELL.full(0.5) == 0


@given(
    st.sampled_from([np.uint8, np.int8, np.float16, np.uint64]),
    st.lists(st.integers(0, 100), min_size=1, max_size=6),
    st.integers(0, 100),
)
def test_stimuli_and_utilities_of_small_types_are_the_same_numbers(kind, x, level):
    """Quarters of whole numbers: all of these floats are exact."""
    told = np.array(x, kind)
    exact, follow = [], Fraction(level)
    for stimulus in x:
        exact.append(stimulus - follow)
        follow += Fraction(1, 2) * exact[-1]
    out, last = RUSSELL.felt(told, 0.5, kind(level))
    assert out.tolist() == exact and last == follow
    totals = [sum(x[: t + 1]) for t in range(len(x))]
    assert RUSSELL.fading(told, 1).tolist() == totals
    assert RUSSELL.mirror(1, kind(level), kind(3), 2)[-1] == 1 + 3 * level
    assert RUSSELL.equicorrelated(1, 0, kind(level))[0, 0] == level**2
    utility = np.array([x, x[::-1]], kind)
    belief, channel = np.full(len(x), 0.25), np.full((len(x), 2), 0.5)
    assert RUSSELL.value(belief, utility) == sum(x) / 4
    assert RUSSELL.worth(belief, channel, utility) == 0
