"""The driver of real heaps, and the page on a machine that has none of them."""

import json
import os
import re
import sys

import matplotlib.pyplot as plt
import nbformat
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
import memory_driver

real = chapter("memory-the-real-thing")
CHAPTERS_MEASURED = (
    "memory-jemalloc-2006",
    "memory-the-real-thing",
    "memory-that-climbs",
)
everywhere = pytest.mark.skipif(
    not memory_driver.libraries() and not os.environ.get("CI"),
    reason="no glibc on this machine",
)


def under_a_pin(heap, trim):
    blocks = [heap.malloc(32 * 1024 - 16) for _ in range(100)]
    kept = heap.malloc(64)
    for number in blocks:
        heap.free(number)
    if trim:
        heap.c.malloc_trim(0)
    heap.note("left", [kept] == list(heap.objects(64)))
    heap.note("pages", heap.pages())


@everywhere
@pytest.mark.parametrize("trim", [False, True])
def test_pages_without_a_live_object_are_retained_until_a_trim(trim):
    noted = memory_driver.measure(under_a_pin, trim=trim)
    pages = real.count_pages(noted["pages"])
    assert noted["left"] and pages["live"] == 1
    # Of 800 pages some may go either way, at the ends of the hole and where the heap grew: 24 were seen.
    assert sum(pages.values()) >= 799
    assert pages["returned" if trim else "retained"] >= 700


def far_apart(heap):
    heap.malloc(64)
    heap.malloc(1 << 22)  # mapped on its own, far from the heap
    heap.pages()


@everywhere
def test_addresses_too_far_apart_for_a_map_are_an_error():
    with pytest.raises(RuntimeError, match="addresses span"):
        memory_driver.measure(far_apart)


def broken(heap):
    raise OSError("no heap today")


@everywhere
def test_a_failing_workload_says_so_in_its_own_words():
    with pytest.raises(RuntimeError, match="broken under glibc: (.|\n)*no heap today"):
        memory_driver.measure(broken)


def test_an_allocator_that_is_nowhere_is_an_error():
    with pytest.raises(ValueError, match="nothing recorded for 'broken hoard"):
        memory_driver.measure(broken, "hoard")


def test_without_glibc_the_pages_show_what_was_recorded(monkeypatch, capsys):
    """Every figure of the three chapters is in the record, nothing else is, and their checks hold for it."""
    monkeypatch.setattr(memory_driver, "libraries", dict)
    asked, look_up = set(), memory_driver._recorded
    monkeypatch.setattr(
        memory_driver, "_recorded", lambda key: asked.add(key) or look_up(key)
    )
    monkeypatch.chdir(CHAPTERS)
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    monkeypatch.setattr(
        memory_driver.subprocess, "run", lambda *a, **k: pytest.fail("a child started")
    )
    for chapter_name in CHAPTERS_MEASURED:
        notebook = nbformat.read(CHAPTERS / f"{chapter_name}.ipynb", 4)
        names = {"__name__": "page"}
        for cell in notebook.cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, cell.id, "exec"), names)
        assert "those recorded" in capsys.readouterr().out
    lines = memory_driver.RECORD.read_text(encoding="utf-8").splitlines()
    assert asked == {json.loads(line)[0] for line in lines}


@pytest.mark.parametrize("percent", [0, 3, 10, 50])
@pytest.mark.parametrize("k", [4, 16, 64])
def test_the_explorable_draws_pythons_survivors(run_script, percent, k):
    done = run_script(real.SCRIPT, {"q": percent, "k": str(k)})
    *paths, kept, alive = real.draw_survivors(percent, k)
    for name, path in zip(("live", "stay", "gone"), paths, strict=True):
        drawn = re.findall(r"[-.0-9]+|[a-zA-Z]", done["set"][f".{name} d"])
        wanted = re.findall(r"[-.0-9]+|[a-zA-Z]", path)
        assert len(drawn) == len(wanted)
        for one, two in zip(drawn, wanted, strict=True):
            assert one == two or abs(float(one) - float(two)) < 1e-9
    assert done["said"]["kept"] == f"{kept} of 48 pages stay"
    expected = 100 * (1 - (1 - percent / 100) ** k)
    assert f"for {alive} of {48 * k} objects" in done["said"]["why"]
    assert f"^{k} = {expected:.0f} %" in done["said"]["why"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["live", "retained", "returned"]), st.integers(1, 99))
    )
)
def test_pages_are_counted(runs):
    total = real.count_pages(runs)
    assert sum(total.values()) == sum(run for _, run in runs)
    assert total["live"] == sum(run for state, run in runs if state == "live")


def twice(heap):
    number = heap.malloc(64)
    heap.free(number)
    heap.free(number)


def too_much(heap):
    heap.malloc(1 << 62)


@everywhere
@pytest.mark.parametrize(("deed", "words"), [(twice, "not alive"), (too_much, "gave")])
def test_what_cannot_be_done_to_a_real_heap_is_said_and_no_crash(deed, words):
    with pytest.raises(RuntimeError, match=words):
        memory_driver.measure(deed)
