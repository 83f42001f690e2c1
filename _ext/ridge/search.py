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
from .claims import is_claim, number_of
from .front import anchor_of, rows
from .pages import TEMPLATES

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


def _place(node):
    """Return the claim or titled section that a node stands in; None outside all sections."""
    while node is not None and not is_claim(node):
        if isinstance(node, nodes.section) and isinstance(node[0], nodes.title):
            break
        node = node.parent
    return node


def _words(node):
    """Return the text of a Text node; the tags of raw HTML become blanks, so that no two words grow together."""
    if not isinstance(node.parent, nodes.raw):
        return "" if node.startswith(("<IPython", "<Figure")) else node.astext()
    text = re.sub(r"(?s)<(style|script).*?</\1>", " ", node.astext())
    return re.sub(r"<[^<>]+>", " ", text)


def _units(env, docname):
    """Yield [anchor, title, text] of the page, of its sections and of its claims, in order."""
    claims = {c["label"]: c for c in env.ridge_claims.get(docname, [])}
    texts, top = {}, None
    for node in env.get_doctree(docname).findall(nodes.Text):
        if not isinstance(node.parent, _SILENT):
            texts.setdefault(_place(node), []).append(_words(node))
    for place, text in texts.items():
        if is_claim(place) and place["label"] in claims:
            claim = claims[place["label"]]
            title = "".join(part.astext() for part in claim["title"])
            title = f"{number_of(env, docname, claim)} {title}".strip()
            yield [claim["label"], title, " ".join(text)]
        elif isinstance(place, nodes.section):  # of a page's first section the number is the chapter's
            number = "" if top else env.toc_secnumbers.get(docname, {}).get("", "")
            title = place[0].astext()
            title = f"{'.'.join(map(str, number))} {title}".strip()
            yield [place["ids"][0] if top else "", title, " ".join(text)]
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
            title = f"{idea['en']} {idea['zh']}"
            yield f"chapters/{idea['chapter']}", idea.get("target", ""), title, ""


def index(app):
    """Return the index as Python data: pages, units [page, anchor, title], and the units of each term."""
    env, pages, units, where, places = app.env, [], [], {}, {}

    def note(text, unit, in_title):
        for term in terms(text):
            entry = where.setdefault(term, {})
            entry[unit] = entry.get(unit, 0) | in_title

    for number, docname in enumerate(sorted(env.found_docs)):
        uri = app.builder.get_target_uri(docname)
        pages.append([uri, env.titles[docname].astext()])
        for anchor, title, text in _units(env, docname):
            places[docname, anchor] = len(units)
            note(text, len(units), 0)
            note(title, len(units), 1)
            units.append([number, anchor, title])
    numbers = {docname: n for n, docname in enumerate(sorted(env.found_docs))}
    for docname, anchor, title, text in _named(env):
        if docname in numbers:  # an idea's name is one more title of the place that teaches it
            if (docname, anchor) not in places:
                places[docname, anchor] = len(units)
                units.append([numbers[docname], anchor, title])
            note(text, places[docname, anchor], 0)
            note(title, places[docname, anchor], 1)
    return pages, units, where


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
    file = Path(app.outdir) / "search-index.js"
    file.write_text(f"ridgeIndex({data})", encoding="utf-8")
    body = TEMPLATES.get_template("search.html").render()
    yield "search", {"title": say("Search"), "body": body}, "page.html"


def setup(app):
    app.connect("builder-inited", lambda app: setattr(app.builder, "search", False))
    app.connect("html-collect-pages", write)
    app.add_js_file("search.js", loading_method="defer")
