"""chapters/cloud-tasks.ipynb: the scheduler's invariants, the formula, the explorable."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

cloud = chapter("cloud-tasks")
# No clock: a busy machine is no failure.
quick = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@quick
@given(st.lists(st.integers(0, 20), max_size=30), st.integers(1, 6))
def test_nobody_rests_while_something_waits(times, slots):
    plan = cloud.schedule(times, slots)
    spans = [
        (slot, start, start + t) for (slot, start), t in zip(plan, times, strict=True)
    ]
    starts = [start for _, start in plan]
    assert starts == sorted(starts), "in the order of the list"
    for i, (slot, start, _) in enumerate(spans):
        assert 0 <= slot < slots
        earlier = spans[:i]
        busy = {s for s, begun, ended in earlier if begun <= start < ended}
        assert slot not in busy
        if start:  # it waited, so at each moment before all slots were busy
            for moment in range(start):
                held = {s for s, begun, ended in earlier if begun <= moment < ended}
                assert len(held) == slots
    assert cloud.makespan(times, slots) == max((e for *_, e in spans), default=0)


@pytest.mark.parametrize("name", ["schedule", "makespan", "optimum"])
@pytest.mark.parametrize(
    ("times", "slots"), [([1], 0), ([1, -1], 2), ([1, math.nan], 2), ([math.nan], 1)]
)
def test_bad_schedules_are_refused(name, times, slots):
    with pytest.raises(ValueError, match="needs a slot"):
        getattr(cloud, name)(times, slots)


kinds = [
    st.integers(0, 9),
    st.fractions(0, 9, max_denominator=7),
    st.integers(0, 72).map(lambda n: n / 8),  # sums without rounding
]


@quick
@given(st.one_of([st.lists(k, max_size=5) for k in kinds]), st.integers(1, 3))
def test_times_of_any_kind_told_once_have_their_makespan_and_their_optimum(
    times, slots
):
    """Whole numbers, fractions and floats, in a list or told only once: Python's own sums are the witness."""
    exact = [Fraction(t) for t in times]
    least = min(
        max(
            sum(t for t, s in zip(exact, to, strict=True) if s == k)
            for k in range(slots)
        )
        for to in itertools.product(range(slots), repeat=len(times))
    )
    ends = [Fraction(0)] * slots
    for t in exact:
        first = ends.index(min(ends))
        ends[first] += t
    for told in (times, iter(times), tuple(times), np.array(times, dtype=object)):
        assert cloud.makespan(told, slots) == max(ends)
    for told in (times, iter(times), np.array(times, dtype=object)):
        assert cloud.optimum(told, slots) == least
    assert cloud.schedule(iter(times), slots) == cloud.schedule(times, slots)


def test_bars_are_drawn_of_times_told_once():
    assert cloud.draw_bars(iter([1, 2, 3]), 0.5) == cloud.draw_bars([1, 2, 3], 0.5)


class Ref(list):
    """An object reference that holds its input."""

    __hash__ = object.__hash__


class AtOnce:
    """What `speculate` asks of Ray, answered at once and in order."""

    def remote(self, i):
        return Ref([i])

    def wait(self, refs, num_returns=1):
        return refs[:num_returns], refs[num_returns:]

    def get(self, ref):
        return ref[0] ** 2

    def cancel(self, ref):
        """Nothing runs."""


def test_inputs_told_once_are_each_answered(monkeypatch):
    ray = AtOnce()
    monkeypatch.setitem(cloud.speculate.__globals__, "ray", ray)
    for inputs in ([0, 1, 2, 3], iter([0, 1, 2, 3])):
        assert cloud.speculate(ray, inputs) == ([0, 1, 4, 9], 1)


@quick
@given(
    st.floats(1, 1e4), st.integers(2, 64), st.floats(1e-3, 10), st.integers(1, 10**6)
)
def test_no_count_beats_the_formula(work, slots, cost, n):
    best = math.sqrt(work * (slots - 1) / cost)
    least = (math.sqrt(work) + math.sqrt(cost * (slots - 1))) ** 2 / slots
    assert cloud.guarantee(best, work, slots, cost) == pytest.approx(least)
    assert cloud.guarantee(n, work, slots, cost) >= least * (1 - 1e-9)


def test_pareto_makespan_grows_with_tasks_and_with_the_tail():
    for alpha in (1.1, 1.5, 3):
        values = [cloud.pareto_makespan(n, alpha) for n in range(1, 50)]
        assert values == sorted(values)
        assert values[0] == pytest.approx(alpha / (alpha - 1))
    assert cloud.pareto_makespan(9, 1.2) > cloud.pareto_makespan(9, 2.4)


@quick
@given(st.integers(1, 10**18), st.floats(1.01, 1e4))
def test_the_pareto_makespan_has_its_digits_for_any_number_of_tasks(n, alpha):
    """With sixty digits the logarithms may cancel.

    Where n is below 10⁴, scipy lets them cancel in doubles, which costs eps · ln Γ(10⁴); 1 - 1/alpha rounds.
    """
    with mpmath.workdps(60):
        b = 1 / mpmath.mpf(alpha)
        logs = mpmath.loggamma(n + 1) - mpmath.loggamma(n + 1 - b)
        exact = float(mpmath.gamma(1 - b) * mpmath.exp(logs))
    scale = 1 / (1 - 1 / alpha) + math.lgamma(min(n, 10**4) + 1) + math.log(n)
    slack = 16 * np.finfo(float).eps * scale
    assert cloud.pareto_makespan(n, alpha) == pytest.approx(exact, rel=slack)


@pytest.mark.parametrize(
    "bad", [(5, 1), (5, 0.5), (5, math.nan), (0, 2), (math.nan, 2)]
)
def test_a_pareto_law_without_a_mean_is_refused(bad):
    with pytest.raises(ValueError, match="no finite mean"):
        cloud.pareto_makespan(*bad)


@pytest.mark.parametrize(
    ("n", "cost", "unequal"),
    [(1, 0.1, 0), (10, 0.5, 1), (24, 0.5, 0), (120, 2, 0.4)],
)
def test_the_explorable_schedules_as_python_does(run_script, n, cost, unequal):
    sizes = cloud.SHUFFLED.astype(int).tolist()
    done = run_script(cloud.SCRIPT, {"n": n, "c": cost, "u": unequal}, sizes)
    expect = cloud.told(n, cost, unequal)
    for name in ("starn", "bestn"):  # equally good n may differ by rounding
        assert abs(int(done["said"][name]) - int(expect[name])) <= (name == "bestn")
    for name in ("time", "equal", "star", "best"):
        assert float(done["said"][name]) == pytest.approx(
            float(expect[name]), abs=0.101
        )
    (drawn,) = done["set"].values()
    bars = cloud.draw_bars(cloud.cut(n, cost, unequal), cost)
    assert drawn.count("<rect") == bars.count("<rect") == 2 * n


@quick
@given(
    st.sampled_from([np.uint8, np.int16, np.uint64, np.float16, np.bool_, int]),
    st.lists(st.integers(0, 127), min_size=1, max_size=5),
    st.integers(0, 60),
    st.integers(1, 3),
)
def test_times_of_small_types_and_large_whole_numbers_do_not_wrap_round(
    kind, times, power, slots
):
    """Python's whole numbers are the witness: on one slot, all optima and makespans are the sum."""
    times = [t * 2**power for t in times] if kind is int else times
    told = [kind(t) for t in times]
    exact = [int(t) for t in told]
    assert cloud.makespan(told, 1) == cloud.optimum(told, 1) == sum(exact)
    assert cloud.makespan(told, slots) == cloud.makespan(exact, slots)
    best = min(
        max(sum(t for t, s in zip(exact, to, strict=True) if s == k) for k in to)
        for to in itertools.product(range(slots), repeat=len(exact))
    )
    assert cloud.optimum(told, slots) == best
    if kind is not int:
        many = [kind(1)] * 5000
        assert cloud.makespan(np.array(many), 1) == 5000


def test_a_number_of_tasks_of_any_type_has_its_pareto_makespan():
    for n, kind in itertools.product(
        (1, 100, 127, 255), (np.uint8, np.int16, Fraction)
    ):
        assert cloud.pareto_makespan(kind(n), 2) == cloud.pareto_makespan(n, 2)
