"""The Chinese edition's texts: chapters/zh/NAME.md holds the translation of chapters/NAME.ipynb (or .md), piece by piece.

    python make/edition.py             list what waits to be translated, page by page
    python make/edition.py NAME …      add what waits to chapters/zh/NAME.md, in English, to be translated there

A piece stands under a line that says what it is and which English it translates:

    <!-- cell 66e7d66d of 3fa2b1c09d -->      a markdown cell, by its id; likewise `caption` and `alt` of a figure,
                                              `promise`, the page's own description, and `page`, the whole of a .md
    <!-- words 0aa5ca77 -->                   strings in a cell's output (an explorable, a table), one a line: English => 中文

A piece whose English has changed since is not shown: the page has the English, with a mark, until somebody looks.
"""

import hashlib
import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = ROOT / "chapters"
TEXTS = CHAPTERS / "zh"
HEAD = re.compile(r"^<!-- (\w+) (\S+?)(?: of ([0-9a-f]{10}))? -->\n", re.M)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def pages():
    return sorted([*CHAPTERS.glob("*.ipynb"), *CHAPTERS.glob("*.md")])


def wanted():
    """Is the Chinese edition built? Unless BOOK_LANGUAGES=en asks for the English alone."""
    return "zh" in os.environ.get("BOOK_LANGUAGES", "zh") and (TEXTS / "words.yml").exists()


def pieces(path):
    """Yield (kind, id, English text) of all that is to be translated of a page, in its order."""
    if path.suffix == ".md":
        yield "page", path.stem, path.read_text("utf-8")
        return
    notebook = json.loads(path.read_text("utf-8"))
    if promise := notebook["metadata"].get("book", {}).get("promise"):
        yield "promise", path.stem, promise
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            yield "cell", cell["id"], "".join(cell["source"])
        about = cell["metadata"].get("mystnb", {})
        if caption := about.get("figure", {}).get("caption"):
            yield "caption", cell["id"], caption
        if alt := about.get("image", {}).get("alt"):
            yield "alt", cell["id"], alt


def read(name):
    """Return {(kind, id): (digest of the English, Chinese text)} of chapters/zh/NAME.md; {} where there is none."""
    file = TEXTS / f"{name}.md"
    parts = HEAD.split(file.read_text("utf-8"))[1:] if file.exists() else []
    quads = zip(*(iter(parts),) * 4, strict=True)
    return {(kind, where): (of, text.strip("\n")) for kind, where, of, text in quads}


def translated(path):
    """Return {(kind, id): Chinese text} of a page, without what translates another English than it has now."""
    known, now = read(path.stem), {(kind, where): digest(text) for kind, where, text in pieces(path)}
    return {key: text for key, (of, text) in known.items() if key[0] == "words" or now.get(key) == of}


def pairs(text):
    """Return [(English, Chinese)] of a `words` piece, the longest first: what is part of another must not be replaced before it."""
    lines = [line.split(" => ") for line in text.splitlines() if line.strip()]
    return sorted(((a.strip(), b.strip()) for a, b in lines), key=lambda pair: -len(pair[0]))


def waiting(path):
    """Return [(kind, id, English text)] of what of a page is not translated, or was before it changed."""
    done = translated(path)
    return [piece for piece in pieces(path) if piece[:2] not in done]


def add(path):
    """Write chapters/zh/NAME.md anew in the order of the page, with the English where a translation is missing or old."""
    known, done = read(path.stem), translated(path)
    text = ""
    for kind, where, english in pieces(path):
        text += f"<!-- {kind} {where} of {digest(english)} -->\n{done.get((kind, where), english)}\n\n"
    for (kind, where), (_, words) in known.items():
        if kind == "words":
            text += f"<!-- words {where} -->\n{words}\n\n"
    TEXTS.mkdir(exist_ok=True)
    (TEXTS / f"{path.stem}.md").write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def main(names):
    for path in pages():
        if path.stem in names:
            add(path)
        if not names and (wait := waiting(path)):
            kinds = ", ".join(f"{kind} {where}" for kind, where, _ in wait[:6])
            print(f"{path.stem}: {len(wait)} of {len(list(pieces(path)))} wait: {kinds}{' …' * (len(wait) > 6)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
