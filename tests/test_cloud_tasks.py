"""chapters/cloud-tasks.ipynb: the scheduler's invariants, the formula, the explorable."""

import math

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


@pytest.mark.parametrize(("times", "slots"), [([1], 0), ([1, -1], 2)])
def test_bad_schedules_are_refused(times, slots):
    with pytest.raises(ValueError, match="needs a slot"):
        cloud.schedule(times, slots)


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
