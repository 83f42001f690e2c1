"""chapters/cloud-daily.ipynb: the counting store, the counted speed-up, the explorable, limits."""

import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
from cloud_store import PAGE, Store  # noqa: E402

C = chapter("cloud-daily")
calm = settings(deadline=None)


def test_the_store_counts_what_it_is_asked():
    store = Store({"a/x": b"0123456789", "a/y": b"", "b/z": b"1"})
    assert store.ls("a", detail=False) == ["a/x", "a/y"]
    assert store.info("a/x")["size"] == 10 and store.info("a")["type"] == "directory"
    with store.open("a/x") as file:
        file.seek(3)
        assert file.read(4) == b"3456"
    assert store.asked == [("LIST", 0), *[("HEAD", 0)] * 3, ("GET", 4)]


@pytest.mark.parametrize(("names", "pages"), [(0, 1), (1, 1), (PAGE, 1), (PAGE + 1, 2)])
def test_names_come_in_pages(names, pages):
    store = Store({f"t/{i}": b"" for i in range(names)})
    store.ls("t")
    assert store.asked == [("LIST", 0)] * pages


def test_the_store_refuses_what_it_has_not_and_what_it_cannot():
    store = Store({"a/x": b"1"})
    with pytest.raises(FileNotFoundError):
        store.info("b")
    with pytest.raises(ValueError, match="only read"):
        store.open("a/x", "wb")


loads = st.lists(st.integers(1, 1000), min_size=1, max_size=40)


@calm
@given(loads, st.integers(1, 9), st.integers(0, 50))
def test_speed_up_keeps_its_bounds(loads, slots, cost):
    gain = C.speed_up(loads, slots, cost)
    work = sum(loads)
    assert 0 < gain <= min(slots, len(loads), work / max(loads)) * (1 + 1e-9)
    # Graham: the makespan is at most (all that is done)/P + the longest.
    done = work + cost * len(loads)
    assert work / gain <= done / slots + max(loads) + cost + 1e-6


@calm
@given(loads, st.integers(1, 9), st.integers(0, 50))
def test_loads_told_once_are_the_same_loads(loads, slots, cost):
    once = C.speed_up(iter(loads), slots, cost)
    assert (
        once == C.speed_up(loads, slots, cost) == C.speed_up(tuple(loads), slots, cost)
    )


@pytest.mark.parametrize(
    ("slots", "cost", "loads"),
    [(0, 1, [1]), (2, -1, [1]), (2, float("nan"), [1]), (2, 1, [3, -1])],
)
def test_bad_slots_costs_and_loads_are_refused(slots, cost, loads):
    with pytest.raises(ValueError, match="needs a slot"):
        C.speed_up(loads, slots, cost)


@pytest.mark.parametrize(("loads", "cost"), [([], 0), ([], 3), ([0, 0], 0)])
def test_nothing_to_do_has_no_speed_up(loads, cost):
    with pytest.raises(ValueError, match="nothing to do"):
        C.speed_up(loads, 2, cost)


@pytest.fixture(scope="module")
def in_files():
    """The chapter's function over a small table; the chapter binds `table` in a statement that is not run here."""
    scope, kept = C.in_files.__globals__, C.in_files.__globals__.get("table")
    scope["table"] = pa.table({"id": range(20)})
    yield C.in_files
    scope["table"] = kept


@pytest.mark.parametrize("n", [*range(1, 23), 60])
def test_all_rows_come_back_from_any_number_of_files(in_files, n):
    files = in_files(n)
    assert len(files) == n
    rows = [
        pq.read_table(pa.BufferReader(files[k]))["id"].to_pylist()
        for k in sorted(files)
    ]
    assert [i for part in rows for i in part] == list(range(20))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1, "and evenly"


@pytest.mark.parametrize("n", [0, -1])
def test_no_files_hold_no_table(in_files, n):
    with pytest.raises(ValueError, match="one file or more"):
        in_files(n)


@pytest.mark.parametrize(
    ("n", "slots", "thousandths"), [("8", 4, 1), ("2", 8, 0), ("3", 1, 20)]
)
def test_the_explorable_schedules_as_python_does(run_script, n, slots, thousandths):
    sizes = {"8": [9, 1, 4, 7, 2, 8, 3, 6], "2": [21, 19], "3": [30, 5, 5]}
    data = {**sizes, "total": 40}
    done = run_script(C.SCHEDULE, {"n": n, "p": slots, "c": thousandths}, data)
    cost = 40 * thousandths / 1000
    assert float(done["said"]["gain"]) == pytest.approx(
        C.speed_up(sizes[n], slots, cost), abs=0.0051
    )
    (drawn,) = done["set"].values()
    numbers = [
        [int(x) for x in re.findall(r'="(\d+)"', text)]
        for text in (drawn, C.bars(sizes[n], slots, cost))
    ]
    assert len(numbers[0]) == len(numbers[1]) == 4 * len(sizes[n])
    assert max(abs(a - b) for a, b in zip(*numbers, strict=True)) <= 1


def test_a_unit_that_fails_is_told_by_its_error():
    assert C.limited("raise KeyError('x')") == ("", "KeyError")
    assert C.limited("print(1)") == ("1\n", "")


@calm
@given(
    st.sampled_from([np.uint8, np.int8, np.float16, np.uint64]),
    st.lists(st.integers(1, 100), min_size=1, max_size=60),
    st.integers(1, 9),
    st.integers(0, 100),
)
def test_loads_and_costs_of_small_types_do_not_wrap_round(kind, loads, slots, cost):
    """Whole numbers below 2**53: the sums of floats are exact, and on one slot so is the makespan."""
    told = np.array(loads, kind)
    assert C.speed_up(told, slots, kind(cost)) == C.speed_up(loads, slots, cost)
    one = sum(loads) / (sum(loads) + cost * len(loads))
    assert C.speed_up(told, 1, kind(cost)) == one
    assert C.bars(told, slots, kind(cost)) == C.bars(loads, slots, cost)
    large = np.array([2**31 - 1] * len(loads), np.int32)
    assert C.speed_up(large, 1, 0) == 1
