"""Give each notebook, as Sphinx reads it, the outputs of the run that tested it; refuse what must not be published."""

import os
from pathlib import Path

import nbformat
from execution import CHAPTERS, STORE, code_cells, state, stored
from sphinx.util import logging

logger = logging.getLogger(__name__)


def only_one(app, config):
    """Sphinx `config-inited`: with BOOK_ONLY=chapters/NAME.ipynb, leave every other notebook but the home page out."""
    if only := os.environ.get("BOOK_ONLY"):
        kept = {Path(only).name, "index.ipynb"}
        others = (p.name for p in CHAPTERS.glob("*.ipynb") if p.name not in kept)
        config.exclude_patterns += [f"chapters/{name}" for name in others]


def merge(app, docname, source):
    """Sphinx `source-read`: add outputs to the notebook's text, and remember what its check cells printed."""
    path = Path(app.env.doc2path(docname))
    if path.suffix != ".ipynb":
        return
    app.env.note_dependency(str(STORE / path.name))
    notebook = nbformat.reads(source[0], 4)
    app.env.metadata[docname]["ridge_book"] = dict(notebook.metadata.get("book", {}))
    executed = stored(path)
    if executed is None:
        logger.warning("%s was not run in its present state; `make book` runs it", path.name, location=docname)
        return
    printed = app.env.metadata[docname]["printed"] = {}
    places = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    for index, cell, ran in zip(places, code_cells(notebook), code_cells(executed), strict=True):
        cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
        became, printed[index] = state(ran)
        if became != "passed":
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), became.replace(" ", "-")]
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if len(alt) < 30 and any(kind.startswith("image/") for o in cell.outputs for kind in o.get("data", {})):
            words = "%s: cell %d (id %s) draws a figure without alt text that says what is seen"
            logger.warning(words, path.name, index + 1, cell.get("id"), location=docname)
    source[0] = nbformat.writes(notebook)


def refuse_empty(app, doctree, docname):
    """Sphinx `doctree-resolved`, before thebe adds its settings: a page with a title and nothing else is a mistake, not a page."""
    title = app.env.titles[docname].astext() if docname in app.env.titles else ""
    if len(doctree.astext().strip()) <= len(title) + 20:
        logger.warning("the page is empty", location=docname)


def setup(app):
    app.connect("config-inited", only_one)
    app.connect("source-read", merge)
    app.connect("doctree-resolved", refuse_empty, priority=100)
