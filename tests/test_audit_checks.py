"""The audit of the checks, on a chapter of its own: what a check guards is seen to fall, what none guards survives."""

import ast
from types import SimpleNamespace

import nbformat
import numpy
import pytest
from audit_checks import (
    Chapter,
    audit_breaks,
    audit_seeds,
    breakable,
    broken,
    load,
    void,
)
from nbformat.v4 import new_code_cell, new_notebook

CELLS = [
    new_code_cell(
        "import numpy as np\n\ndef twice(x):\n    return 2 * x\n\ndef unseen(x):\n    return x - 7",
        id="code",
    ),
    new_code_cell("draw = np.random.default_rng(5).normal(size=9)", id="draw"),
    new_code_cell(
        "assert twice(3) == 6\nassert abs(draw.mean()) < 5 / 3",
        id="held",
        metadata={"tags": ["check"]},
    ),
]


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.ipynb"
    nbformat.write(new_notebook(cells=CELLS), path)
    return Chapter(path)


def test_what_no_check_guards_survives(small, monkeypatch):
    row = audit_breaks(small, SimpleNamespace(places=99, draw=1), 2, {})
    assert row["tried"] == row["possible"] == 5
    assert {s["change"] for s in row["survivors"]} == {"x - 7 → x + 7", "7 → 8"}
    row["survivors"][0]["reason"] = "nobody asks"
    monkeypatch.setattr(Chapter, "tests_notice", lambda *_: True)
    again = audit_breaks(small, SimpleNamespace(places=99, draw=1), 2, row)
    assert again == row | {"by_tests": 1, "survivors": row["survivors"][:1]}


def test_a_cell_cut_in_two_is_the_same_code(small):
    def digest(*sources):
        cells = [new_code_cell(source) for source in sources] + CELLS[1:]
        nbformat.write(new_notebook(cells=cells), small.path)
        return Chapter(small.path).digest

    first, twice, unseen = CELLS[0].source.split("\n\n")
    assert digest(first, f"# two\n{twice}", unseen) == small.digest
    assert digest(f"{first}\n{twice}", unseen) == small.digest
    assert digest(twice, first, unseen) != small.digest
    assert digest(first, twice, unseen.replace("7", "8")) != small.digest


def test_a_copy_of_a_run_tells_what_a_run_from_the_start_tells(small):
    (small.path.parent / "helper.py").write_text("SIX = 6\n", "utf-8")
    small.notebook.cells[0].source += "\nfrom helper import SIX"
    small.notebook.cells[2].source += "\nassert SIX == 6"
    nbformat.write(small.notebook, small.path)
    chapter = Chapter(small.path)
    chapter.programs["helper.py"] = ("SIX = 6\n", False)
    changes = [
        {"helper.py": "SIX = 7"},
        {"draw": "1 / 0"},
        {"code": chapter.programs["code"][0] + "\nwhile draw: 1"},
    ]
    changes += [{"draw": CELLS[1].source}, {"draw": "import os; os.abort()"}]
    copied = chapter.runs(changes, 20, 2)
    assert [bool(how) for how in copied] == [True, True, True, False, True]
    assert [chapter.run(changed, 20) for changed in changes[:2]] == copied[:2]


def test_what_needs_an_engine_is_left_out_and_the_rest_is_broken(tmp_path):
    cells = [
        "from engines import start_ray\nray, engine = start_ray(cpus=2)\nthree = 3",
        "two = ray.get(ray.put(2))",
        "def six():\n    return 2 * three",
        "assert six() == 6",
    ]
    cells = [new_code_cell(source, id=f"c{n}") for n, source in enumerate(cells)]
    path = tmp_path / "engine.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    for module in ("engines.py", "streamlit_server.py"):
        (tmp_path / module).write_text("", "utf-8")
    chapter = Chapter(path)
    chapter.leave_out()
    assert chapter.left_out == {"c1"} and chapter.run({}) is None
    row = audit_breaks(chapter, SimpleNamespace(places=99, draw=1), 2, {})
    assert (row["tried"], row["by_hand"], row["survivors"]) == (2, 0, [])


def test_seeds_are_moved_and_a_check_that_knows_its_seed_falls(small):
    given = SimpleNamespace(seeds=2)
    assert audit_seeds(small, given, 2, {}) == {"seeds": 1, "tried": 2, "stood": 2}
    tuned = float(numpy.random.default_rng(5).normal())
    small.notebook.cells[2].source = f"assert draw[0] == {tuned!r}"
    nbformat.write(small.notebook, small.path)
    assert audit_seeds(Chapter(small.path), given, 2, {})["stood"] == 0


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("a < b", "a < b → a <= b"),
        ("not a", "not a → not not a"),
        ("-a", "-a → +a"),
        ("a and b", "a and b → a or b"),
        ("a + 0.5", "a + 0.5 → a - 0.5"),
        ("b if a else c", "a → not a"),
        ("a.append(b)", "a.append(b) → None"),
    ],
)
def test_each_kind_of_change_is_one(source, change):
    tree = ast.parse(f"def f(a, b, c):\n    {source}")
    assert broken(next(breakable(tree))) == change
    assert ast.unparse(tree) != ast.unparse(ast.parse(f"def f(a, b, c):\n    {source}"))


def test_what_is_published_was_seen_of_the_code_as_it_is():
    """`make audit-checks C=chapters/NAME.ipynb` tries a changed chapter again, and strikes out what is void."""
    assert void(load()) == []
