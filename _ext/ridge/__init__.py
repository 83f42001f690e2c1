"""The book's one Sphinx extension; each module below does one thing and has its own `setup`."""

from . import about, cards, claims, fold, formulas, front, handout, outputs, page, search, sources


def setup(app):
    for module in (outputs, formulas, claims, front, fold, about, search, sources, handout, cards, page):
        module.setup(app)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
