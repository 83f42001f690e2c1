"""The one form in which notebooks are committed; `make format` writes it, tests/test_structure.py demands it.

No outputs, no counters, ids kept, only the metadata that somebody reads, keys sorted.
"""

from pathlib import Path

import nbformat

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CELL_METADATA = {"tags", "mystnb", "slideshow"}


def canonical(notebook):
    """Return the canonical text of a notebook."""
    book = notebook.metadata.get("book")
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}} | (
        {"book": book} if book else {}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        cell.metadata = {
            k: v for k, v in cell.metadata.items() if k in CELL_METADATA and v
        }
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"


if __name__ == "__main__":
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        text = canonical(nbformat.read(path, 4))
        if text != path.read_text(encoding="utf-8"):
            path.write_text(text, encoding="utf-8")
            print(f"rewrote {path.name}")
