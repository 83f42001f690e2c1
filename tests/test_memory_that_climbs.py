"""chapters/memory-that-climbs.ipynb: its programs are those of the chapter before, and its tree has no gap."""

import ast
import math

import nbformat
import numpy as np
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import given
from hypothesis import strategies as st

climbs = chapter("memory-that-climbs")


def test_the_suspects_are_the_programs_of_the_chapter_before_word_for_word():
    notebook = nbformat.read(CHAPTERS / "memory-the-real-thing.ipynb", 4)
    source = (CHAPTERS / "memory_suspects.py").read_text(encoding="utf-8")
    suspects = {
        node.name: ast.get_source_segment(source, node)
        for node in ast.parse(source).body
        if hasattr(node, "name")
    }
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if getattr(node, "name", None) in suspects:
                    found[node.name] = ast.get_source_segment(cell.source, node)
    assert len(suspects) == 6 and found == suspects


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100), st.floats(0, 100))
def test_the_tree_has_an_answer_for_everything(end, trimmed, one, other):
    verdict = climbs.diagnose(100, end, trimmed, one, other, 1)
    if end < 20:
        assert verdict == "nothing is held"
    elif trimmed < end / 2:
        assert verdict in ("arenas × threads", "retention")
    else:
        assert "fragmentation" in verdict or "survivors" in verdict


def test_the_two_ways_to_count_threads_agree_also_without_a_job():
    assert climbs.by_enumeration(3, 0) == 0
    for t in range(1, 5):
        for j in range(5):
            assert climbs.by_enumeration(t, j) == climbs.expected_threads(t, j)


FIGURES = ["peak", "end", "trimmed", "one_arena", "jemalloc", "live"]


@given(
    st.sampled_from(FIGURES),
    st.sampled_from([math.nan, math.inf, -math.inf, np.float32("nan")]),
)
def test_figures_that_measure_nothing_get_no_verdict(name, bad):
    figures = dict.fromkeys(FIGURES, 50) | {"live": 10}
    assert climbs.diagnose(**(figures | {"trimmed": -0.1})), "a little below the start"
    with pytest.raises(ValueError, match="need 0 <= live <= peak"):
        climbs.diagnose(**(figures | {name: bad}))
