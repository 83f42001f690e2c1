"""chapters/cloud-interrupted.ipynb: any two crashes, a reader at work meanwhile, and what is refused."""

import os
import threading
from contextlib import contextmanager

import mpmath
import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

C = chapter("cloud-interrupted")
PARTS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "\u5cad"]), st.binary(max_size=9), max_size=3
)
# No clock: a busy machine is no failure.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
CALLS = ("mkdir", "open", "write", "fsync", "close", "replace", "unlink")


class Died(BaseException):
    """What stands for a kill here: nothing in the chapter may catch it."""


@contextmanager
def dying(moment):
    """Let the moment-th file-system call of this process be the last, done by half if it writes."""
    kept, left = {name: getattr(os, name) for name in CALLS}, [moment]

    def wrap(name, call):
        def wrapped(*args):
            left[0] -= 1
            if left[0] == 0:
                if name == "write":
                    call(args[0], args[1][: len(args[1]) // 2])
                raise Died
            return call(*args)

        return wrapped

    try:
        for name, call in kept.items():
            setattr(os, name, wrap(name, call))
        yield
    except Died:
        pass
    finally:
        for name, call in kept.items():
            setattr(os, name, call)


@settings(calm, max_examples=150)
@given(
    st.lists(st.tuples(PARTS, st.integers(1, 25)), max_size=5),
    PARTS,
    st.integers(1, 25),
)
def test_any_crashes_in_any_order_leave_a_published_version(
    tmp_path_factory, story, first, moment
):
    root = tmp_path_factory.mktemp("root")
    C.publish(root, first)
    now = first
    for parts, moment in story:
        with dying(moment):
            C.publish(root, parts)
        seen = C.published(root)
        assert seen in (now, parts)
        now = seen
    for parts, _ in story:
        C.publish(root, parts)
        assert C.published(root) == parts
    assert not (root / "CURRENT.new").exists()


def test_a_reader_at_work_sees_one_version_or_the_other(tmp_path):
    versions = [{"a": bytes([i]) * 5000, "b": bytes([i]) * 10} for i in range(2)]
    C.publish(tmp_path, versions[0])
    stop = threading.Event()

    def keep_writing():
        while not stop.is_set():
            for version in versions:
                C.publish(tmp_path, version)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        seen = [C.published(tmp_path) for _ in range(300)]
    finally:
        stop.set()
        writer.join()
    assert all(version in versions for version in seen)


def test_a_version_is_named_by_all_of_its_content():
    names = {
        C.version_of(parts)
        for parts in ({}, {"a": b""}, {"b": b""}, {"a": b"b"}, {"a": b"", "b": b""})
    }
    assert len(names) == 5
    assert C.version_of({"a": b"1", "b": b"2"}) == C.version_of({"b": b"2", "a": b"1"})


@pytest.mark.parametrize(
    "bad",
    [(0, 1), (1, 0), (-1, 1), (1, -1), (np.nan, 1), (1, np.inf), (np.inf, 1)],
)
def test_best_segment_refuses(bad):
    with pytest.raises(ValueError, match="need cost > 0"):
        C.best_segment(*bad)


@calm
@given(st.floats(-300, 2), st.floats(0.1, 100))
def test_the_best_segment_has_its_digits_for_any_cost(power, mean):
    """What the page's condition says, x + c + ln(1 - x) = 0, changes its sign within 1e-11 of the answer.

    Below 1e-5 the series leaves out ε⁴ · 23/17280 of it; above, W loses eps/ε² of its digits.
    """
    cost = 10**power * mean
    best = C.best_segment(cost, mean)
    with mpmath.workdps(700):  # x² stands behind x, and x may be 1e-150
        low, high = (mpmath.mpf(best) / mean * (1 + d) for d in (-1e-11, 1e-11))
        c = mpmath.mpf(cost) / mean
        assert low + c + mpmath.log1p(-low) > 0
        assert high >= 1 or high + c + mpmath.log1p(-high) < 0


def test_cuts_take_what_is_left_out_from_any_iterable():
    assert C.cuts(iter(["CURRENT.new"])) == C.cuts(["CURRENT.new"]) != C.cuts()


@calm
@given(st.floats(1e-6, 5), st.floats(0.1, 100), st.floats(0, 3), st.floats(0.2, 5))
def test_no_other_segment_is_better(cost, mean, delay, times):
    best = C.best_segment(cost * mean, mean)
    assert 0 < best < mean
    other = C.factor(times * best, cost * mean, mean, delay)
    assert C.factor(best, cost * mean, mean, delay) <= other * (1 + 1e-9)


@pytest.mark.parametrize(
    "save, mean, rho", [(10, 4, 3), (60, 1, 1.5), (1, 24, 5), (30, 2, 2)]
)
def test_the_explorable_says_what_python_says(run_script, save, mean, rho):
    done = run_script(C.SCRIPT, {"C": save, "M": mean, "rho": rho})
    every, share = C.spot(save, mean, rho)
    assert int(done["said"]["every"]) == pytest.approx(every, abs=0.51)
    assert int(done["said"]["share"]) == pytest.approx(100 * share, abs=0.51)
    assert done["said"]["pays"] == ("pays" if share < 1 else "does not pay")
    drawn, wanted = done["set"]["[data-p=curve] d"], C.curve(save, mean, rho)
    ys = [[float(dot.split()[1]) for dot in d[1:].split("L")] for d in (drawn, wanted)]
    assert np.allclose(*ys, atol=0.11)


@pytest.mark.parametrize("save, mean, rho", [(10, 4, 3), (1, 24, 1.5), (30, 1, 10)])
def test_the_valley_of_the_page_is_pythons(run_script, save, mean, rho):
    done = run_script(C.SCRIPT, {"C": save, "M": mean, "rho": rho})
    theirs, ours = done["set"]["[data-p=curve] d"], C.curve(save, mean, rho)
    points = [
        np.array([p.split() for p in d.removeprefix("M").split("L")], float)
        for d in (theirs, ours)
    ]
    np.testing.assert_allclose(*points, atol=0.11)  # two roundings to a tenth
    best, share = C.spot(save, mean, rho)
    assert abs(float(done["said"]["every"]) - best) <= 0.6
    assert abs(float(done["said"]["share"]) - 100 * share) <= 0.6


@calm
@given(
    st.sampled_from([np.uint8, np.int8, np.float16]),
    st.integers(1, 100),
    st.integers(1, 100),
    st.integers(1, 100),
    st.integers(0, 100),
)
def test_costs_and_segments_of_small_types_are_the_same_numbers(
    kind, segment, cost, mean, delay
):
    """The same with Python's numbers, and the expected time with thirty digits."""
    s, c, m, d = (kind(x) for x in (segment, cost, mean, delay))
    assert C.best_segment(c, m) == C.best_segment(cost, mean)
    assert C.best_segment(c, 1e9) == C.best_segment(cost, 1e9)
    assert C.spot(c, m, kind(3)) == C.spot(cost, mean, 3)
    assert C.curve(c, m, kind(3)) == C.curve(cost, mean, 3)
    with mpmath.workdps(30):
        grown = mpmath.expm1(mpmath.mpf(segment + cost) / mean)
        exact = float((mean + delay) * grown / segment)
    # exp multiplies the rounding of its argument by it, at most 200
    assert C.factor(s, c, m, d) == pytest.approx(exact, rel=210 * 2**-52)
    assert C.factor(np.array([s, s]), c, m, d).tolist() == [C.factor(s, c, m, d)] * 2
