"""The Chinese edition (BOOK_LANGUAGE=zh): a page's texts are replaced as it is read, and the frame speaks Chinese.

make/edition.py says where translations lie. What has none is shown in English, with a mark.
"""

import os
import re
from pathlib import Path

import nbformat
import yaml
from docutils import nodes
from edition import TEXTS, pairs, pieces, translated, wanted

ZH = os.environ.get("BOOK_LANGUAGE") == "zh"
HEADING = re.compile(r"^#+ +(.+?) *$", re.M)
MARK = "\n\n:::{div} untranslated\n本段尚未译出。\n:::\n"
WORDS = yaml.safe_load((TEXTS / "words.yml").read_text("utf-8")) if ZH else {}


def say(text, **parts):
    """Return a text of the frame or of data/ in the language of the edition, with its {parts} filled in."""
    text = WORDS.get(text, text)
    return text.format(**parts) if parts else text


def said(rows):
    """Return what a file of data/ holds, each of its strings in the language of the edition; the name `en` stays."""
    if isinstance(rows, dict):
        return {key: value if key == "en" else said(value) for key, value in rows.items()}
    if isinstance(rows, list):
        return [said(row) for row in rows]
    return say(rows) if isinstance(rows, str) else rows


def _put(cell, done):
    """Replace the texts of a cell."""
    where, about = cell["id"], cell.metadata.get("mystnb", {})
    if cell.cell_type == "markdown":
        cell.source = done.get(("cell", where), cell.source + MARK)
    if ("caption", where) in done:
        about["figure"]["caption"] = done["caption", where]
    if ("alt", where) in done:
        about["image"]["alt"] = done["alt", where]
    for output in cell.get("outputs", []):
        if html := output.get("data", {}).get("text/html"):
            for english, chinese in pairs(done.get(("words", where), "")):
                html = html.replace(english, chinese)
            output.data["text/html"] = html


def translate(app, docname, source):
    """Sphinx `source-read`, after the outputs were put in."""
    path = Path(app.env.doc2path(docname))
    for name in (path.stem + ".md", "words.yml"):
        app.env.note_dependency(str(TEXTS / name))
    done = translated(path)
    if path.suffix == ".md":
        source[0] = done.get(("page", path.stem), source[0] + MARK)
        return
    notebook = nbformat.reads(source[0], 4)
    for cell in notebook.cells:
        _put(cell, done)
    if promise := done.get(("promise", path.stem)):
        notebook.metadata.book["promise"] = promise
        app.env.metadata[docname]["ridge_book"]["promise"] = promise
    source[0] = nbformat.writes(notebook)


def anchor(app, doctree):
    """Sphinx `doctree-read`, before the tables of contents: a section can also be reached by its English anchor."""
    english = pieces(Path(app.env.doc2path(app.env.docname)))
    heads = [head for kind, _, text in english if kind in ("page", "cell") for head in HEADING.findall(text)]
    sections = [t.parent for t in doctree.findall(nodes.title) if isinstance(t.parent, nodes.section)]
    for section, head in zip(sections, heads, strict=True):
        name = nodes.make_id(re.sub(r"[`*$'’]|\{\w+\}", "", head))
        if name and name not in doctree.ids:
            doctree.ids[name] = section
            section["ids"].insert(0, name)


def twin(app, pagename, templatename, context, doctree):
    """Sphinx `html-page-context`: where the same page stands in the other language."""
    context["zh"] = ZH
    uri = app.builder.get_target_uri(pagename)
    up = "../" * (uri.count("/") + ZH)
    context["twin"] = up + uri if ZH else f"{up}zh/{uri}" if wanted() else None
    if ZH:
        context["language"] = "zh-Hans"


def setup(app):
    app.connect("html-page-context", twin)
    if ZH:
        app.connect("source-read", translate, priority=600)
        app.connect("doctree-read", anchor, priority=100)
