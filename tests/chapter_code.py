"""The functions that a chapter defines, for tests that a notebook cannot run on itself."""

import ast
import os
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = Path(
    os.environ.get("BOOK_CHAPTERS", ROOT / "chapters")
)  # another folder: the audit's, with one change


def _defines(node):
    """Is this statement an import, a definition, or a constant in capitals bound to a plain expression?"""
    if isinstance(node, ast.Assign):
        return all(
            isinstance(t, ast.Name) and t.id.isupper() and len(t.id) > 1
            for t in node.targets
        )
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))


@cache
def chapter(name):
    """Run the imports, functions, classes and CAPITAL constants of chapters/<name>.ipynb, and nothing else.

    Returns a namespace with what they define. Raises FileNotFoundError for an unknown chapter.
    """
    notebook = nbformat.read(CHAPTERS / f"{name}.ipynb", 4)
    sys.path.insert(0, str(CHAPTERS))
    here = os.getcwd()
    os.chdir(CHAPTERS)
    try:
        names = {"__name__": name}
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                tree = ast.parse(cell.source)
                tree.body = [node for node in tree.body if _defines(node)]
                exec(compile(tree, f"{name}.ipynb cell {number}", "exec"), names)
    finally:
        os.chdir(here)
        sys.path.remove(str(CHAPTERS))
    return SimpleNamespace(**{k: v for k, v in names.items() if not k.startswith("__")})


def lines_run(call, *args):
    """Return how many lines of Python a call runs: work, counted where time would not be the same everywhere."""
    count, outer = 0, sys.gettrace()

    def trace(frame, event, arg):
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        call(*args)
    finally:
        sys.settrace(outer)
    return count


def draw_lives(data, frees, kind):
    """Draw the lives of objects of random weights, for an allocator's trace; Python's own sums are the witness.

    Returns (events, weights, after): None for a birth or the number of the object that is freed; the weights, of a
    numpy kind's values, quarters if it is of floats, so that nothing rounds; the sum of the live ones after each event.
    """
    events, live, after, weights = [], [], [], []
    for is_free in frees:
        if is_free and live:
            events.append(live.pop(data.draw(st.integers(0, len(live) - 1))))
        else:
            events.append(None)
            live.append(len(weights))
            weight = data.draw(st.integers(0, 127))
            scaled = {"f": weight / 4, "b": weight % 2}.get(np.dtype(kind).kind, weight)
            weights.append(scaled)
        after.append(sum(weights[k] for k in live))
    return events, weights, after
