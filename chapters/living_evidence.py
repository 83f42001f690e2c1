"""For the chapters about living: what studies of people say of a chapter's claims, from data/evidence.yml."""

from html import escape
from pathlib import Path

from IPython.display import HTML
from living_planner import read_yaml

_MARK = {"supported": "●", "mixed": "◐", "contradicted": "○"}


def evidence(chapter):
    """Return the rows of one chapter, as 'living-year', as a list of claims with verdict, figure, source, what of it was read, and design."""
    text = Path("../data/evidence.yml").read_text(encoding="utf-8")
    blocks = ""
    for row in read_yaml(text):
        if row["chapter"] == chapter:
            row = {field: escape(str(value)) for field, value in row.items()}
            blocks += (
                f"<dt>{row['claim']}</dt><dd><strong>{_MARK[row['status']]} {row['status']}</strong>. "
                f"{row['figure']} <em>{row['source']} ({row['seen']}): {row['design']}; n: {row['n']}.</em></dd>"
            )
    return HTML(f"<dl>{blocks}</dl>")
