"""What each page weighs (gzip, without shared files) and how long its chapter ran in this build: `make audit`."""

import gzip
import re

import nbformat
from chapter_code import CHAPTERS, ROOT

SITE, STORE = ROOT / "_build" / "html", ROOT / "_build" / "executed"


def packed(path):
    return len(gzip.compress(path.read_bytes(), 6)) / 1000


if __name__ == "__main__":
    print(f"{'page':40}{'html kB':>9}{'images kB':>11}{'run s':>8}{'cells':>7}")
    for page in sorted((SITE / "chapters").glob("*.html")):
        images = set(
            re.findall(r'src="\.\./(_images/[^"]+)"', page.read_text(encoding="utf-8"))
        )
        run = STORE / f"{page.stem}.ipynb"
        ran = (
            nbformat.read(run, 4)
            if run.exists() and (CHAPTERS / run.name).exists()
            else None
        )
        seconds, cells = (ran.metadata.run.seconds, len(ran.cells)) if ran else ("", "")
        print(
            f"{page.stem:40}{packed(page):9.0f}{sum(packed(SITE / i) for i in images):11.0f}{seconds:>8}{cells:>7}"
        )
