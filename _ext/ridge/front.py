"""What pages gather from data/ and from the build, by the templates in pages/: doors, names, lectures; and each claim's own links."""

from importlib.metadata import distributions
from pathlib import Path

import yaml
from docutils import nodes
from markupsafe import Markup
from sphinx import addnodes
from sphinx.util import logging

from .about import report
from .chinese import said, say
from .claims import HELD, Ledger, find, holds, in_book_order, is_claim, number_of, tally
from .pages import TEMPLATES

logger = logging.getLogger(__name__)
DATA = Path(__file__).resolve().parents[2] / "data"
PROVED = {HELD[way] for way in ("proof", "source", "symbols", "cases")}
FIELDS = ["probability", "information", "code", "algebra", "systems"]


def rows(name):
    """Return what data/NAME holds; an empty list where this book has no such file."""
    path = DATA / name
    return said(yaml.safe_load(path.read_text(encoding="utf-8"))) if path.exists() else []


def anchor_of(row):
    return "name-" + nodes.make_id(row["en"])


class Gatherer:
    """What a template may ask of the build, for the page `here`."""

    def __init__(self, app, here):
        self.app, self.env, self.here = app, app.env, here
        self.fields, self.rows, self.anchor_of = FIELDS, rows, anchor_of

    def to(self, docname, anchor=""):
        uri = self.app.builder.get_relative_uri(self.here, docname)
        return uri + (f"#{anchor}" if anchor else "")

    def html(self, *children):
        """Return docutils nodes as they would be written on a page."""
        fragment = self.app.builder.render_partial(nodes.inline("", "", *children))
        return Markup(fragment["fragment"])

    def typeset(self, text):
        """Return a text of data/ with its $formulas$ set."""
        parts = text.split("$")
        return self.html(*(nodes.math(p, p) if n % 2 else nodes.Text(p) for n, p in enumerate(parts)))

    def told(self, docname, claim):
        """Return what a template may say of a claim: its address, number, title, checks, and whether it holds."""
        return {
            "href": self.to(docname, claim["label"]),
            "label": claim["label"],
            "number": number_of(self.env, docname, claim),
            "title": self.html(*(part.deepcopy() for part in claim["title"])),
            "checks": claim["checks"],
            "held": claim["held"],
            "proved": {say(way) for way in PROVED} & set(claim["held"]),
            "holds": holds(claim),
            "page": docname,
        }

    def claim(self, label, source):
        """Return the claim with this label, as `told`; a label that no claim has is a warning."""
        if found := find(self.env, label):
            return self.told(*found)
        words = "%s cites the claim %r, which does not exist"
        logger.warning(words, source, label, location=self.here)
        return {"number": label}

    def parts(self):
        """Return the parts of the book in order, each with its pages and their claims; what has none is left out."""
        root, titles = self.env.config.root_doc, self.env.titles
        trees = self.env.get_doctree(root).findall(addnodes.toctree)
        listed = [(say("Home"), [root])]
        listed += [(t["caption"] or "", [d for _, d in t["entries"]]) for t in trees]
        parts = []
        for caption, docnames in listed:
            pages = [
                {
                    "href": self.to(d),
                    "title": titles[d].astext(),
                    "audit": self.audit(d),
                    "claims": [self.told(d, c) for c in self.env.ridge_claims[d]],
                }
                for d in docnames
                if d in self.env.ridge_claims
            ]
            if pages:
                parts.append({"caption": caption, "pages": pages})
        return parts

    def audit(self, docname):
        """Return what data/audit.yml says of how well a page's checks bite; {} where it was not tried."""
        return (rows("audit.yml") or {}).get(Path(docname).name, {})

    def packages(self):
        """Return {name: (version, licence)} of what is installed, as each package says of itself."""
        found = {}
        for package in distributions():
            said = package.metadata
            kinds = [c.split(" :: ")[-1] for c in said.get_all("Classifier", []) if c.startswith("License ::")]
            stated = said.get("License-Expression") or ", ".join(kinds) or said.get("License") or "not stated"
            found[said.get("Name", "").lower()] = (package.version, stated.splitlines()[0][:60])
        return dict(sorted(found.items()))

    def chapters(self, post):
        """Return the notebooks that answer post number `post`, in the order of the book."""
        env = self.env
        books = {d: env.metadata[d].get("ridge_book", {}) for d in in_book_order(env)}
        return [
            {"page": d, "title": env.titles[d].astext(), **book}
            for d, book in books.items()
            if book.get("post") == post
        ]

    def picture(self, docname, name):
        """Return address and text of a figure of another page; None where this build has no such page."""
        if docname not in self.env.found_docs:
            return None
        for figure in self.env.get_doctree(docname).findall(nodes.figure):
            if nodes.make_id(name) in figure.get("ids", []):
                for image in figure.findall(nodes.image):
                    if kept := self.env.images.get(image["uri"]):
                        self.app.builder.images[image["uri"]] = kept[1]
                        source = f"{'../' * self.here.count('/')}_images/{kept[1]}"
                        return {"src": source, "alt": image.get("alt", "")}
        logger.warning("%s has no figure %r", docname, name, location=self.here)
        return None

    def code(self, claim):
        """Return the source of a claim's first check, coloured."""
        for cell in self.env.get_doctree(claim["page"]).findall(nodes.container):
            if claim["checks"][0]["id"] in cell["ids"]:
                source = next(cell.findall(nodes.literal_block)).astext()
                colour = self.app.builder.highlighter.highlight_block
                return Markup(colour(source, "python"))


def render(app, here, template, **more):
    text = TEMPLATES.get_template(template).render(book=Gatherer(app, here), **more)
    return nodes.raw("", text, format="html")


# A page asks for one of these by an empty-handed `:::{div} doors`, which JupyterLab shows as it stands.
GATHERED = {
    "doors": "posts.yml",
    "specimen": "posts.yml",
    "names": "names.yml",
    "friends": "false-friends.yml",
    "lectures": "lectures.yml",
    "audited": "audit.yml",
    "licences": "../constraints.txt",
}


def _places(doctree):
    """Return (node, name) of each place of this page that is to be filled."""
    containers = list(doctree.findall(nodes.container))
    return [(c, name) for c in containers for name in GATHERED if name in c["classes"]]


def note(app, doctree):
    """Sphinx `doctree-read`: a page with such a place depends on its data, and on every other page."""
    for _, name in _places(doctree):
        app.env.ridge_pages.add(app.env.docname)
        app.env.note_dependency(str(DATA / GATHERED[name]))


def fill(app, doctree, docname):
    """Sphinx `doctree-resolved`: put what was gathered into its place, and under each claim its links."""
    for place, name in _places(doctree):
        place["classes"] = []  # else they would pass to what takes its place
        place.replace_self(render(app, docname, f"{name}.html"))
    for place in list(doctree.findall(Ledger)):
        place.replace_self([*tally(app, docname), render(app, docname, "ledger.html")])
    names = {}
    for row in rows("names.yml"):
        for label in row["proved"]:
            names.setdefault(label, []).append(row)
    page = next((d for d in app.env.ridge_pages if d.endswith("/names")), None)
    for claim in doctree.findall(is_claim):
        label = claim["label"]
        told = find(app.env, label)
        number = number_of(app.env, *told)
        shown = names.get(label, []) if page else []
        wrong = report(say("{number} ({label}) is wrong", number=number, label=label), label, docname)
        claim += render(
            app, docname, "claim.html",
            label=label, number=number, held=told[1]["held"], names=shown, page=page, wrong=wrong,
        )  # fmt: skip


def setup(app):
    app.connect("doctree-read", note)
    app.connect("doctree-resolved", fill, priority=90)
