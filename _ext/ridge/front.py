"""Pages made from data and from the build: the twelve doors of the home page, the names of the same thing, the lectures."""

from math import cos, exp, radians, sin
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.util import logging

from .claims import find, is_claim, link, number_of, title_of

logger = logging.getLogger(__name__)
DATA = Path(__file__).resolve().parents[2] / "data"
FIELDS = ["probability", "information", "code", "algebra", "systems"]


def width(azimuth):
    """Return the standard deviation of the hill's silhouette, seen along the horizontal direction at `azimuth` degrees.

    The hill is exp(-x'S^-1 x/2) with S = ((9, 2), (2, 1.5)); along a view its outline is a bell with variance u'Su,
    u being the direction across the view (the home page proves it).
    """
    u, v = -sin(radians(azimuth)), cos(radians(azimuth))
    return (9 * u * u + 4 * u * v + 1.5 * v * v) ** 0.5


def hill(azimuth):
    """Return the hill's silhouette from `azimuth` degrees as a small SVG, an ornament without a text of its own."""
    points = [
        (t, 56 - 48 * exp(-0.5 * ((t - 100) / 20 / width(azimuth)) ** 2))
        for t in range(0, 201, 4)
    ]
    outline = " ".join(f"{x},{y:.1f}" for x, y in points)
    return (
        '<svg class="hill" viewBox="0 0 200 60" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<polygon points="0,60 {outline} 200,60"/><polyline points="{outline}"/></svg>'
    )


def _chapters_of(env, post):
    """Yield (docname, book metadata) of the notebooks that answer post number `post`, in the order of the book."""
    order = [env.config.root_doc]
    for docname in order:
        order += [d for d in env.toctree_includes.get(docname, []) if d not in order]
    for docname in order:
        book = env.metadata.get(docname, {}).get("ridge_book", {})
        if book.get("post") == post:
            yield docname, book


def _loudest(app, here, label):
    """Return a paragraph that quotes a claim and what its check saw."""
    found = find(app.env, label)
    if found is None:
        logger.warning("the loudest claim %r does not exist", label, location=here)
        return nodes.paragraph()
    docname, claim = found
    text = nodes.paragraph(classes=["loudest"])
    text += [nodes.inline("", "验", classes=["stamp"]), nodes.Text(" ")]
    text += [
        link(app, here, docname, label, number_of(app.env, docname, claim)),
        *title_of(claim),
    ]
    return text


def _door(app, here, number, post):
    chapters = list(_chapters_of(app.env, number))
    door = nodes.container(classes=["door"] + ([] if chapters else ["shut"]))
    door += nodes.raw("", hill(15 * number), format="html")
    door += nodes.rubric(
        "",
        f"{number} · {post['title']}",
        nodes.inline("", f" {post['zh']}", classes=["zh"]),
    )
    if not chapters:
        door += nodes.paragraph("", post["promise"])
        door += nodes.paragraph("", "Not written yet.", classes=["time"])
        return door
    door += nodes.paragraph("", post["promise"])
    for docname, book in chapters:
        seconds = app.env.metadata[docname].get("run_seconds", 0)
        line = nodes.paragraph(
            "", "", link(app, here, docname, "", app.env.titles[docname].astext())
        )
        line += nodes.inline(
            "",
            f" {book['minutes']} min to read, {seconds:.0f} s to run",
            classes=["time"],
        )
        door += line
    door += _loudest(app, here, chapters[0][1]["loudest"])
    return door


def _doors(app, here):
    posts = _rows("posts.yml")
    return nodes.container(
        "", *(_door(app, here, n, p) for n, p in enumerate(posts, 1)), classes=["doors"]
    )


def _entry(*children):
    return nodes.entry("", nodes.paragraph("", "", *children))


def _proofs(app, here, labels, source):
    """Return links to the claims with these labels; a label that no claim has is a warning."""
    links = []
    for label in labels:
        found = find(app.env, label)
        if found is None:
            logger.warning(
                "%s cites the claim %r, which does not exist",
                source,
                label,
                location=here,
            )
            continue
        links += [
            link(app, here, found[0], label, number_of(app.env, *found)),
            nodes.Text(" "),
        ]
    return links


def _table(heads, rows, name, widths=None):
    widths = widths or [1] * len(heads)
    group = nodes.tgroup(
        "", *(nodes.colspec(colwidth=w) for w in widths), cols=len(heads)
    )
    head = nodes.thead("", nodes.row("", *(_entry(nodes.Text(h)) for h in heads)))
    group += [
        head,
        nodes.tbody(
            "", *(nodes.row("", *(_entry(*cell) for cell in row)) for row in rows)
        ),
    ]
    return nodes.table("", group, classes=[name])


def _rows(name):
    return yaml.safe_load((DATA / name).read_text(encoding="utf-8"))


# Hides the rows of the table that follow it which do not hold what was typed; without JavaScript there is no box.
_FILTER = """
<p class="filter" hidden><label>Show the rows with <input type="search"></label> <output aria-live="polite"></output></p>
<script>(() => {
const box = document.currentScript.previousElementSibling, input = box.querySelector('input');
const show = () => {
  const rows = [...document.querySelectorAll('table.names tbody tr')], words = input.value.toLowerCase().trim();
  rows.forEach(row => { row.hidden = !row.textContent.toLowerCase().includes(words); });
  box.querySelector('output').value = `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
};
box.hidden = false;
input.addEventListener('input', show);
addEventListener('DOMContentLoaded', show);
})();</script>
"""


def _name(row):
    return [
        nodes.Text(row["en"]),
        nodes.Text(" "),
        nodes.inline("", row["zh"], classes=["zh"]),
    ]


def _fields(row):
    """The names that this thing has, each after the field that calls it so."""
    parts = []
    for field in FIELDS:
        if field in row:
            parts += [nodes.inline("", field, classes=["field"]), nodes.Text(" ")]
            parts += [nodes.inline("", row[field]), nodes.Text(" ")]
    return parts


def _names(app, here):
    rows = _rows("names.yml")
    cells = (
        [_name(row), _fields(row)]
        + [_proofs(app, here, row["proved"], f"names.yml: {row['en']}")]
        for row in rows
    )
    table = _table(
        ["name", "in other words", "checked by"], cells, "names", [24, 52, 24]
    )
    lines = list(table.findall(nodes.row))[1:]  # the first is the head
    for row, line in zip(rows, lines, strict=True):
        line["ids"].append(_anchor(row))
    return [nodes.raw("", _FILTER, format="html"), table]


def _anchor(row):
    return "name-" + nodes.make_id(row["en"])


def _false_friends(app, here):
    cells = (
        [
            _name(row),
            [
                part
                for sense, label in row["senses"].items()
                for part in (
                    nodes.Text(f"{sense} ("),
                    *_proofs(app, here, [label], f"false-friends.yml: {row['en']}")[:1],
                    nodes.Text("). "),
                )
            ],
        ]
        for row in _rows("false-friends.yml")
    )
    return _table(["name", "its mountains"], cells, "friends", [22, 78])


def _other_names(app, doctree, docname):
    """Under each claim that shows names to be one, lead to their row."""
    page = next((d for d in app.env.ridge_pages if d.endswith("/names")), None)
    if page is None:
        return
    shown = {}
    for row in _rows("names.yml"):
        for label in row["proved"]:
            shown.setdefault(label, []).append(row)
    for claim in doctree.findall(is_claim):
        rows = shown.get(claim.get("label"))
        if rows:
            line = nodes.paragraph("", "Other names: ", classes=["othernames"])
            for n, row in enumerate(rows):
                line += nodes.Text(", " if n else "")
                line += link(
                    app, docname, page, _anchor(row), f"{row['en']} {row['zh']}"
                )
            claim += line


def _lectures(app, here):
    rows = _rows("lectures.yml")
    cells = (
        [
            [nodes.Text(str(row["n"]))],
            [nodes.Text(row["title"])],
            [nodes.Text(row["example"])],
        ]
        + [_proofs(app, here, row["claims"], f"lectures.yml: {row['n']}")]
        for row in rows
    )
    return _table(["lecture", "title", "example", "checked by"], cells, "lectures")


# A page asks for one of these by an empty-handed `:::{div} doors`, which JupyterLab shows as it stands.
GATHERED = {
    "doors": (_doors, "posts.yml"),
    "names": (_names, "names.yml"),
    "friends": (_false_friends, "false-friends.yml"),
    "lectures": (_lectures, "lectures.yml"),
}


def _places(doctree):
    """Return (node, name) of each place of this page that is to be filled."""
    containers = list(doctree.findall(nodes.container))
    return [(c, name) for c in containers for name in GATHERED if name in c["classes"]]


def note(app, doctree):
    """Sphinx `doctree-read`: a page with such a place depends on its data, and on every other page."""
    for _, name in _places(doctree):
        app.env.ridge_pages.add(app.env.docname)
        app.env.note_dependency(str(DATA / GATHERED[name][1]))


def fill(app, doctree, docname):
    """Sphinx `doctree-resolved`: put what was gathered into its place."""
    for place, name in _places(doctree):
        place.replace_self(GATHERED[name][0](app, docname))
    _other_names(app, doctree, docname)


def setup(app):
    app.connect("doctree-read", note)
    app.connect("doctree-resolved", fill, priority=90)
