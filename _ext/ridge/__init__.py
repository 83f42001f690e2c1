"""The book's one Sphinx extension; each module below does one thing and has its own `setup`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "make"))  # `execution` knows what was run

from . import about, cards, chinese, claims, fold, formulas, front, handout, outputs, page, search, sources


def setup(app):
    for module in (outputs, chinese, formulas, claims, front, fold, about, search, sources, handout, cards, page):
        module.setup(app)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
