"""chapters/cloud-whole.ipynb: its unit is that of cloud-unit, and plans are parsed."""

import ast
import subprocess
import sys

import nbformat
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

C = chapter("cloud-whole")
# No clock: a busy machine is no failure.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def source_of(name, notebook):
    """The text of a function of a notebook."""
    for cell in nbformat.read(CHAPTERS / f"{notebook}.ipynb", 4).cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if getattr(node, "name", None) == name:
                    return ast.unparse(node)
    raise AssertionError(f"{notebook} has no {name}")


def test_the_unit_is_word_for_word_that_of_the_chapter_before():
    assert source_of("unit", "cloud-whole") == source_of("unit", "cloud-unit")


@calm
@given(st.binary())
def test_the_unit_never_raises_on_bytes(data):
    row = C.unit(data)
    assert [*row] == ["tokens", "functions", "sha256", "error"]
    assert len(row["sha256"]) == 64 and row["functions"] >= 0


@pytest.mark.parametrize("bad", ["text", None, 3, bytearray(b"x")])
def test_the_unit_refuses_what_is_not_bytes(bad):
    with pytest.raises(TypeError, match="reads bytes"):
        C.unit(bad)


TREES = st.recursive(
    st.tuples(st.sampled_from(["Range", "Project", "Exchange"]), st.just([])),
    lambda tree: st.tuples(
        st.sampled_from(["Sort", "Exchange", "BroadcastExchange", "SortMergeJoin"]),
        st.lists(tree, min_size=1, max_size=2),
    ),
    max_leaves=6,
)


def spark_text(tree, staged):
    """Print a tree as Spark does; yield its lines and (depth, name)."""

    def lines(node, before, own, depth):
        name, below = node
        yield (
            f"{before}{own}{'*(3) ' if staged else ''}{name} [k#1L], [A - B]",
            (
                depth,
                name,
            ),
        )
        inner = before + ("" if not own else ":  " if own == ":- " else "   ")
        for i, child in enumerate(below):
            last = i == len(below) - 1
            yield from lines(child, inner, "+- " if last else ":- ", depth + 1)

    return list(lines(tree, "", "", 0))


@calm
@given(TREES, st.booleans())
def test_a_printed_plan_is_read_back(tree, staged):
    printed = spark_text(tree, staged)
    text = "== Physical Plan ==\n" + "\n".join(line for line, _ in printed) + "\n\n"
    assert C.nodes(text) == [node for _, node in printed]


def test_marks_of_many_processes_are_all_counted(tmp_path):
    code = (
        f"import os, uuid\nmarks_at = {str(tmp_path)!r}\n{source_of('mark', 'cloud-whole')}\n"
        "for _ in range(50): mark('x~y')"
    )
    crowd = [subprocess.Popen([sys.executable, "-I", "-c", code]) for _ in range(4)]
    assert [process.wait() for process in crowd] == [0] * 4
    assert len(list(tmp_path.iterdir())) == 200


@pytest.mark.parametrize(
    ("kept", "dies", "held", "total"),
    [("cache", 4, 2, 150), ("shuffle", 6, 4, 200), ("nothing", 2, 3, 600)],
)
def test_the_explorable_counts_and_draws_as_python_does(
    run_script, kept, dies, held, total
):
    rows = C.computed(kept, dies, held)
    assert sum(rows) == total
    done = run_script(C.ASKS, {"kept": kept, "dies": dies, "held": held})
    assert done["said"] == {"total": str(total), "again": str(total - 100)}
    assert [*done["set"].values()] == [C.bars(rows, dies)]


def test_marks_are_told_apart_by_job():
    found = {"sums@0@17": 1, "cache@0@18": 1, "sums@7@18": 2}
    assert C.maps_of(found, "sums") == {(0, 17): 1, (7, 18): 2}
    assert C.maps_of(found, "cache") == {(0, 18): 1} and C.maps_of({}, "sums") == {}
