"""The book's one Sphinx extension; each module below does one thing and has its own `setup`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "make"))  # `execution` knows what was run

MODULES = "outputs chinese formulas claims front fold about search sources cards page".split()


def setup(app):
    for name in MODULES:
        app.setup_extension(f"ridge.{name}")
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
