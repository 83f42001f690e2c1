"""A search in which every section, claim and name is a hit: offline, from a file too, in English and in Chinese.

Sphinx' own index knows whole pages only and takes a run of Chinese for one word. Here Han runs are cut into characters
and pairs, hyphenated words stand whole, in parts and joined; `_static/search.js` cuts the question in the same way.
"""

import json
import re
from pathlib import Path
from unicodedata import normalize

from docutils import nodes

from .chinese import say
from .claims import around, find, is_claim, number_of
from .front import anchor_of, rows
from .pages import render

_HAN = "\u3400-\u9fff"
_TERM = re.compile(rf"[{_HAN}]+|\d+(?:\.\d+)+|[^\W_{_HAN}]+(?:-[^\W_{_HAN}]+)*")
_SILENT = (nodes.math, nodes.math_block, nodes.comment)
_COMMON = set("a an and are as at be by for from if in is it its of on or so that the then this to was we with".split())


def terms(text):
    """Return the set of index terms of a text."""
    plain = re.sub("[\u0300-\u036f]", "", normalize("NFKD", text.lower()))
    plain = re.sub(rf"(?<=[{_HAN}])\s+(?=[{_HAN}])", "", plain)
    found = set()
    for word in _TERM.findall(plain):
        if "\u3400" <= word[0] <= "\u9fff":
            found |= {*word, *(word[i : i + 2] for i in range(len(word) - 1))}
        else:
            found |= {*word.split("-"), word.replace("-", "")}
    return found - _COMMON


def _is_place(node):
    return is_claim(node) or isinstance(node, nodes.section) and isinstance(node[0], nodes.title)


def _words(node):
    """Return the text of a Text node; the tags of raw HTML become blanks, so that no two words grow together."""
    if not isinstance(node.parent, nodes.raw):
        return "" if node.startswith(("<IPython", "<Figure")) else node.astext()
    text = re.sub(r"(?s)<(style|script).*?</\1>", " ", node.astext())
    return re.sub(r"<[^<>]+>", " ", text)


def _read(env, docname):
    """Yield (docname, anchor, title, text) of the page, of its sections and of its claims, in order."""
    texts, top = {}, None
    for node in env.get_doctree(docname).findall(nodes.Text):
        if not isinstance(node.parent, _SILENT):
            texts.setdefault(around(node, _is_place), []).append(_words(node))
    for place, text in texts.items():
        if is_claim(place):
            claim = find(env, place["label"])
            title = f"{number_of(env, claim)} {claim['title'].astext()}".strip()
            yield docname, claim["label"], title, " ".join(text)
        elif place:  # of a page's first section the number is the chapter's
            number = "" if top else env.toc_secnumbers.get(docname, {}).get("", "")
            title = f"{'.'.join(map(str, number))} {place[0].astext()}".strip()
            yield docname, place["ids"][0] if top else "", title, " ".join(text)
            top = top or place


def _named(env):
    """Yield (docname, anchor, title, text) of every name, post and idea that the book's tables hold."""
    for row in rows("names.yml"):
        other = " ".join(v for k, v in row.items() if k not in ("en", "zh", "proved"))
        yield "chapters/names", anchor_of(row), f"{row['en']} {row['zh']}", other
    for number, post in enumerate(rows("posts.yml"), 1):
        for docname, about in env.metadata.items():
            if about.get("ridge_book", {}).get("post") == number:
                yield docname, "", f"{post['title']} {post['zh']}", ""
    for idea in (rows("concepts.yml") or {}).get("concepts", []):
        if idea["chapter"] != "assumed":
            yield f"chapters/{idea['chapter']}", idea.get("target", ""), f"{idea['en']} {idea['zh']}", ""


def index(app):
    """Return the index as Python data: pages, units [page, anchor, title], and the units of each term."""
    env, docnames = app.env, sorted(app.env.found_docs)
    pages = [[app.builder.get_target_uri(docname), env.titles[docname].astext()] for docname in docnames]
    units, where = {}, {}
    read = [unit for docname in docnames for unit in _read(env, docname)]
    for docname, anchor, title, text in read + [unit for unit in _named(env) if unit[0] in docnames]:
        # An idea's name is one more title of the place that teaches it.
        unit = units.setdefault((docname, anchor), (len(units), title))[0]
        for words, in_title in ((text, 0), (title, 1)):
            for term in terms(words):
                entry = where.setdefault(term, {})
                entry[unit] = entry.get(unit, 0) | in_title
    titles = [[docnames.index(docname), anchor, title] for (docname, anchor), (_, title) in units.items()]
    return pages, titles, where


def _packed(where):
    """Return a line for each term: the term, and the steps from each 2 * unit + (in title?) to the next, in hexadecimal."""
    lines = []
    for term in sorted(where):
        codes = sorted(2 * unit + title for unit, title in where[term].items())
        steps = (code - last for last, code in zip([0, *codes], codes, strict=False))
        lines.append(" ".join([term, *(f"{step:x}" for step in steps)]))
    return "\n".join(lines)


def write(app):
    """Sphinx `html-collect-pages`: write the index, and give the pages that search."""
    pages, units, where = index(app)
    data = json.dumps([pages, units, sorted(_COMMON), _packed(where)], ensure_ascii=False)
    (Path(app.outdir) / "search-index.js").write_text(f"ridgeIndex({data})", encoding="utf-8")
    yield "search", {"title": say("Search"), "body": render("search.html")}, "page.html"


def setup(app):
    app.connect("builder-inited", lambda app: setattr(app.builder, "search", False))
    app.connect("html-collect-pages", write)
    app.add_js_file("search.js", loading_method="defer")
