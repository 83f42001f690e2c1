"""chapters/cloud-daily.ipynb: the counting store, the counted speed-up, the explorable, limits."""

import re
import sys

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


@pytest.mark.parametrize(("slots", "cost"), [(0, 1), (2, -1)])
def test_bad_slots_and_costs_are_refused(slots, cost):
    with pytest.raises(ValueError, match="needs a slot"):
        C.speed_up([1], slots, cost)


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
