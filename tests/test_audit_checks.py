"""The audit of the checks, on a chapter of its own: what a check guards is seen to fall, what none guards survives."""

import ast
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import nbformat
import pytest
from audit_checks import Chapter, audit_breaks, audit_seeds, breakable, broken
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


def test_what_no_check_guards_survives(small):
    given = SimpleNamespace(places=99, draw=1)
    with ThreadPoolExecutor(2) as pool:
        row = audit_breaks(small, given, pool)
    assert row["tried"] == row["possible"] == 5
    assert {s["change"] for s in row["survivors"]} == {"x - 7 → x + 7", "7 → 8"}


def test_seeds_are_moved_and_a_check_that_knows_its_seed_falls(small):
    with ThreadPoolExecutor(2) as pool:
        assert audit_seeds(small, SimpleNamespace(seeds=2), pool) == {
            "seeds": 1,
            "tried": 2,
            "stood": 2,
        }
        tuned = (
            f"assert draw[0] == {__import__('numpy').random.default_rng(5).normal()!r}"
        )
        small.programs["held"] = (tuned.replace("np.float64", "float"), True)
        assert audit_seeds(small, SimpleNamespace(seeds=2), pool)["stood"] == 0


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
