"""The functions that a chapter defines, for tests that a notebook cannot run on itself."""

import ast
import os
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import nbformat

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
