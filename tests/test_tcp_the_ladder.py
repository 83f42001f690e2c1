"""chapters/tcp-the-ladder.ipynb: the designs on conflicts larger than the chapter's, and the tools of its measurements."""

import itertools
import random
import sys

import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

sys.path.insert(0, str(CHAPTERS))
quick = settings(max_examples=150, deadline=None, database=None)
FIRST = ["ByteMap", "Merged", "Pieces", "Gaps", "Final", "PaintedHeap", "Grid"]
LAST = ["Ring", "BitMap", "Library"]


@pytest.fixture(scope="module")
def c():
    return chapter("tcp-the-ladder")


def winners(segments, better):
    """Per place, the byte of the best covering segment; segments: [(number, start, data)]."""
    best = {}
    for segment in segments:
        number, start, data = segment
        for place, byte in enumerate(data, start):
            key = better(number, start)
            if place not in best or key < best[place][0]:
                best[place] = key, byte
    return {place: byte for place, (_, byte) in best.items()}


places = st.integers(1, 5)
spans = st.tuples(places, places).filter(lambda s: s[0] < s[1])


@quick
@given(st.lists(spans, max_size=3), st.sampled_from(["first", "last"]))
def test_a_case_told_once_is_predicted_alike(c, case, rule):
    better = {"first": lambda n, s: n, "last": lambda n, s: -n}[rule]
    pieces = [(n, a, b"ABC"[n : n + 1] * (b - a)) for n, (a, b) in enumerate(case)]
    won = winners(pieces, better)
    word = "".join(chr(won.get(place, ord("."))) for place in range(1, 5))
    assert c.predicted(rule, case) == c.predicted(rule, iter(case)) == word


def test_frames_told_once_are_packed_alike(c):
    frames = [("one two", ["ab", "cd"]), ("two one", ["cd", "cd"])]
    packed = c.packed(iter(frames))
    assert packed == c.packed(frames)
    read = [[packed["texts"][int(k)] for k in row] for _, row in packed["frames"]]
    assert read == [row for _, row in frames]


segments_behind_a_hole = st.lists(
    st.tuples(st.integers(1, 30), st.text("abc", min_size=1, max_size=12)),
    min_size=1,
    max_size=12,
)


@quick
@given(segments_behind_a_hole)
def test_each_design_obeys_its_rule_on_larger_conflicts(c, segments):
    numbered = [(n, start, data.encode()) for n, (start, data) in enumerate(segments)]
    rules = {name: lambda n, s: n for name in FIRST}
    rules |= {name: lambda n, s: -n for name in LAST}
    rules["Heap"] = lambda n, s: (s, n)
    for name, better in rules.items():
        won = winners(numbered, better)
        receiver = getattr(c, name)()
        for _, start, data in numbered:
            assert receiver.put(start, data) == b""
        out = receiver.put(0, b"0")
        for place in range(1, 43):
            if len(out) == place:
                out += receiver.put(place, b".")
        expected = bytes(won.get(place, ord(".")) for place in range(1, len(out)))
        assert bytes(out[1:]) == expected, name


def test_other_histories_than_the_chapters(c):
    fresh = settings(quick, max_examples=60, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(c.Together, settings=fresh)


@quick
@given(
    unit=st.integers(1, 4),
    steps=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9)), max_size=30),
)
def test_the_grid_is_left_without_losing_anything(c, unit, steps):
    one, two = c.Grid(), c.Pieces()
    for k, (place, size) in enumerate(steps):
        start, size = (place * unit, unit) if size else (place, k % 7)
        data = bytes([97 + k % 26]) * size
        assert one.put(start, data) == two.put(start, data)


@pytest.mark.parametrize("most", [0, 1, 2, 4])
def test_a_capped_ring_never_hangs_and_keeps_its_cap(c, most):
    for seed in range(30):
        receiver = c.Capped(most, next_passes=True)
        assert c.transfer(receiver, seed) is not None
        assert len(receiver.lows) <= most


def test_the_courses_are_the_same_segments_in_another_order(c):
    for name, course in c.COURSES.items():
        whole = c.HALVES if "halves" in name else c.IN_ORDER
        assert sorted(set(course)) == whole, name
        assert (course == c.IN_ORDER) == (name == "in order")
    assert b"".join(data for _, data in c.IN_ORDER) == c.BLOB
    late = [k for k, s in enumerate(c.resent(50, 40)) if c.IN_ORDER[k] != s]
    assert late, "some come late"


def test_lines_are_counted_and_an_outer_trace_comes_back(c):
    def two_lines():
        x = 1
        return x

    outer = sys.gettrace()
    assert c.lines_run(two_lines) == 2 == c.lines_run(two_lines)
    with pytest.raises(ZeroDivisionError):
        c.lines_run(lambda: 1 / 0)
    assert sys.gettrace() is outer


def test_the_flood_costs_no_line_more_for_any_order(c):
    for order in c.ORDERS.values():
        counts = []
        for n in (100, 800):
            receiver = c.Final(pieces=10**6)
            for k in list(order(n + 1))[:-1]:
                receiver.put(c.COMB[k], b"xy")
            counts.append(c.lines_run(receiver.put, c.COMB[n + 9], b"xy"))
        assert counts[0] == counts[1]


def test_the_garbage_collector_is_on_again_after_an_error(c):
    import gc

    with pytest.raises(ZeroDivisionError):
        c.time_of(lambda: 1 / 0)
    assert gc.isenabled()


def test_runners_hand_out_the_text(c):
    course = random.Random(1).sample(c.IN_ORDER, len(c.IN_ORDER))
    for run in (c.run_tcp, c.run_aioquic, *map(c.run_design, c.SEVEN[1:6])):
        seconds, out = run(course)
        assert b"".join(out) == c.BLOB and seconds >= 0


@pytest.mark.parametrize("number", [1, 2, 13, 24])
def test_the_explorable_reads_what_python_reads(c, run_script, number):
    order = list(itertools.permutations(range(4)))[number - 1]
    frame = c.read_in(order)
    done = run_script(c.SCRIPT, {"order": number}, c.packed([frame] * 24))
    assert done["said"]["order"] == frame[0]
    assert done["set"][".texts"] == c.draw_texts(frame[1])
