"""chapters/living-year.ipynb: its explorable draws what the law says."""

import math
from fractions import Fraction

import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

YEAR = chapter("living-year")


@pytest.mark.parametrize("b", [0, 0.05, 0.1, 0.2])
def test_the_explorable_of_the_days_draws_what_the_law_says(run_script, b):
    k = np.arange(1, 7)
    rho, phi = 0.6, 0.7
    centred = YEAR.centred(phi, rho)
    data = [None] * 21
    data[round(100 * b)] = [rho, phi, 0.04 if b < 0.15 else 0.06, 2.5, *centred]
    done = run_script(YEAR.SCRIPT, {"b": b}, data)
    within = rho * phi**k
    curves = {".t": within, ".p": b + (1 - b) * within, ".c": centred}
    for name, curve in curves.items():
        points = [p.split(",") for p in done["set"][f"{name} points"].split()]
        assert [int(x) for x, _ in points] == [52 + 54 * j for j in range(6)]
        np.testing.assert_allclose(
            [float(y) for _, y in points], 168 - 250 * np.asarray(curve), atol=0.06
        )
    assert done["said"]["half"] == "2.5"
    assert done["said"]["word"].startswith("within" if b < 0.15 else "more than")


@pytest.mark.parametrize("make", [list, tuple, iter])
def test_cues_told_once_are_taught_in_every_trial(make):
    """Two cues that come together share the outcome, whatever alpha."""
    strength = {"a": 0.0, "b": 0.0, "c": 0.0}
    YEAR.learn(strength, make("ab"), 1.0)
    assert strength == {"a": pytest.approx(0.5), "b": pytest.approx(0.5), "c": 0.0}


KINDS = [np.uint8, np.int8, np.float16, np.uint64, int]
small = st.lists(st.integers(0, 100), min_size=1, max_size=12)


@given(st.sampled_from(KINDS), small, st.integers(0, 100))
def test_outcomes_of_small_types_are_the_same_numbers(kind, r, V):
    """Fractions are the witness: after t halvings of quarters below 2**7 a float is still exact."""
    exact, path = Fraction(V), []
    for outcome in r:
        exact += Fraction(1, 2) * (outcome - exact)
        path.append(exact)
    told = np.array(r, kind)
    assert YEAR.rule(told, 0.5, kind(V)).tolist() == path
    ours, gains = YEAR.kalman(told, kind(1), kind(2), V=kind(V), variance=kind(100))
    theirs, same = YEAR.kalman(r, 1, 2, V=V, variance=100)
    assert ours.tolist() == theirs.tolist() and gains == same
    ours, _ = YEAR.kalman(told, 0, kind(1), V=kind(V), variance=kind(1))
    mean = [Fraction(V + sum(r[: t + 1]), t + 2) for t in range(len(r))]
    np.testing.assert_allclose(ours, [float(x) for x in mean], rtol=0, atol=1e-12)
    assert YEAR.moved(kind(3), kind(100), kind(V), 2)[-1] == 3 * (3 * V + 100) + 100
    states = list(range(len(r)))
    steps = YEAR.ahead(states, list(told), told, 0.5, 0.5, 0.5)
    assert steps.tolist() == YEAR.ahead(states, r, r, 0.5, 0.5, 0.5).tolist()
    strength = {"a": kind(100), "b": kind(100)}
    YEAR.learn(strength, "ab", kind(V), alpha=0.5, trials=1)
    assert strength == {"a": V / 2, "b": V / 2}


def test_an_expectation_begins_at_0():
    assert YEAR.rule([1, 0], 0.5).tolist() == [0.5, 0.25]


@pytest.mark.parametrize("kind", [int, np.uint8, np.int8, bool])
def test_a_chain_is_told_to_floats_and_not_to_an_array_of_whole_numbers(kind):
    with pytest.raises(TypeError, match="must be floats"):
        YEAR.tell(np.zeros(3, kind), 0.5, 1, 1)
    for values in ([0, 0, 0], [Fraction(0)] * 3, np.zeros(3), np.zeros(3, np.float32)):
        for _ in range(2):
            YEAR.tell(values, 0.5, 1, 1)
        assert list(values) == [0, 0.25, 0.75]


@pytest.mark.parametrize("alpha", [0.01, 0.5, 0.99])
def test_what_is_carried_is_a_float_up_to_the_limit_that_the_docstring_says(alpha):
    K = 1029
    for j in (0, 1, round(alpha * K), K):
        exact = stats.binom.sf(j - 1, K, alpha)
        # K + 1 terms, each with two powers: K roundings of a relative eps at most
        assert YEAR.carried(j, K, alpha) == pytest.approx(exact, rel=3 * K * 2**-52)
    with pytest.raises(OverflowError):
        YEAR.carried(0, K + 1, alpha)


chances = st.one_of(
    st.integers(1, 64).map(lambda n: n / 64),
    st.floats(0.01, 1),
    st.fractions("1/50", 1, max_denominator=50),
)


@given(chances, st.integers(0, 20))
def test_trials_are_counted_without_drift(p, c):
    """Exact sums have a closed form; so has the power of odds, up to its rounding at a whole number."""
    assert YEAR.missed(p, c) == math.ceil(c / Fraction(p))
    trials = YEAR.doubted(p, c)
    if p == 1 or c <= 1:
        assert trials == (c > 1)
    else:
        assert abs(trials - math.log(c) / -math.log1p(-float(p))) <= 1 + 1e-9


@pytest.mark.parametrize("count", ["missed", "doubted"])
@pytest.mark.parametrize(
    ("p", "bound"),
    [(0, 2), (-0.5, 2), (1.5, 2), (math.nan, 2), (1e-300, 2), (1, math.inf)]
    + [(0.5, math.nan)],
)
def test_a_count_without_an_end_is_refused(count, p, bound):
    with pytest.raises(ValueError, match="finite bound"):
        getattr(YEAR, count)(p, bound)
