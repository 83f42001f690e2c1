"""What pages gather from data/ and from the build, by the templates in pages/: doors, names, ledger; and each claim's own links."""

from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import yaml
from docutils import nodes
from execution import ROOT
from markupsafe import Markup
from sphinx import addnodes
from sphinx.util import logging

from .about import report
from .chinese import said, say
from .claims import BECAME, claims_of, find, is_claim, number_of
from .pages import render

logger = logging.getLogger(__name__)
# A page asks for one of these by an empty-handed `:::{div} doors`, which JupyterLab shows as it stands.
GATHERED = {"audited", "doors", "friends", "lectures", "ledger", "licences", "names", "specimen", "tally"}


@cache
def rows(name):
    """Return what data/NAME holds; an empty list where this book has no such file."""
    path = ROOT / "data" / name
    return said(yaml.safe_load(path.read_text(encoding="utf-8"))) if path.exists() else []


def anchor_of(row):
    return "name-" + nodes.make_id(row["en"])


def images(env, docname, name=None):
    """Return (file in _images, its text) of each image of a page, or of its figure `name`."""
    places = [page := env.get_doctree(docname)]
    if name:
        places = [figure for figure in page.findall(nodes.figure) if nodes.make_id(name) in figure["ids"]]
    found = [image for place in places for image in place.findall(nodes.image)]
    return [(env.images[i["uri"]][1], i.get("alt", "")) for i in found if i["uri"] in env.images]


class Gatherer:
    """What a template may ask of the build, for the page `here`."""

    became, rows, anchor_of = BECAME, staticmethod(rows), staticmethod(anchor_of)

    def __init__(self, app, here):
        self.app, self.env, self.here = app, app.env, here

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

    def told(self, claim):
        """Return what a template may say of a claim: what is noted of it, its address, its number, and its title as markup."""
        return claim | {
            "href": self.to(claim["page"], claim["label"]),
            "number": number_of(self.env, claim),
            "title": self.html(*claim["title"].deepcopy()),
        }

    def claim(self, label, source):
        """Return the claim with this label, as `told`; a label that no claim has is a warning."""
        if found := find(self.env, label):
            return self.told(found)
        words = "%s cites the claim %r, which does not exist"
        logger.warning(words, source, label, location=self.here)
        return {"number": label}

    def parts(self):
        """Return the parts of the book in order, each with its pages that have claims; what has none is left out."""
        root = self.env.config.root_doc
        trees = self.env.get_doctree(root).findall(addnodes.toctree)
        parts = [(say("Home"), [root])] + [(t["caption"] or "", [d for _, d in t["entries"]]) for t in trees]
        found = [(caption, [self.page(d) for d in names if claims_of(self.env, d)]) for caption, names in parts]
        return [{"caption": caption, "pages": pages} for caption, pages in found if pages]

    def pages(self):
        return [page for part in self.parts() for page in part["pages"]]

    def page(self, name):
        """Return what a template may say of a page: what its notebook says, address, title, claims, and how well its checks bite."""
        return self.env.metadata[name].get("ridge_book", {}) | {
            "href": self.to(name),
            "title": self.env.titles[name].astext(),
            "claims": claims_of(self.env, name),
            "audit": dict(rows("audit.yml")).get(Path(name).name, {}),
        }

    def picture(self, docname, name):
        """Return address and text of a figure of another page; None where this build has no such page."""
        if docname not in self.env.found_docs:
            return None
        for file, alt in images(self.env, docname, name):
            return {"src": f"{'../' * self.here.count('/')}_images/{file}", "alt": alt}
        logger.warning("%s has no figure %r", docname, name, location=self.here)

    def code(self, claim):
        """Return the source of a claim's first check, coloured."""
        for cell in self.env.get_doctree(claim["page"]).findall(nodes.container):
            if claim["checks"][0]["id"] in cell["ids"]:
                source = next(cell.findall(nodes.literal_block)).astext()
                return Markup(self.app.builder.highlighter.highlight_block(source, "python"))

    def packages(self):
        """Return {name: (version, licence)} of what is installed, as each package says of itself."""
        found = {}
        for package in distributions():
            said = package.metadata
            kinds = [c.split(" :: ")[-1] for c in said.get_all("Classifier", []) if c.startswith("License ::")]
            stated = said.get("License-Expression") or ", ".join(kinds) or said.get("License") or "not stated"
            found[said.get("Name", "").lower()] = (package.version, stated.splitlines()[0][:60])
        return dict(sorted(found.items()))


def _filled(app, here, template, **parts):
    return nodes.raw("", render(template, book=Gatherer(app, here), **parts), format="html")


def _places(doctree):
    """Return (node, name) of each place of this page that is to be filled."""
    containers = list(doctree.findall(nodes.container))
    return [(c, name) for c in containers for name in GATHERED & {*c["classes"]}]


def note(app, doctree):
    """Sphinx `doctree-read`: note that a page gathers from others."""
    app.env.metadata[app.env.docname]["gathers"] = bool(_places(doctree))


def rewrite(app, env):
    """Sphinx `env-updated`: the pages that gather from others, and from data/, are always written anew."""
    return sorted(docname for docname, about in env.metadata.items() if about.get("gathers"))


def fill(app, doctree, docname):
    """Sphinx `doctree-resolved`: put what was gathered into its place, and under each claim its links."""
    for place, name in _places(doctree):
        place.parent.replace(place, _filled(app, docname, f"{name}.html"))
    for statement in doctree.findall(lambda n: isinstance(n, nodes.section) and n["ids"] == ["proof-content"]):
        statement["ids"] = []  # sphinx-proof gives every statement of a page the same id
    for node in doctree.findall(is_claim):
        label, claim = node["label"], find(app.env, node["label"])
        number = number_of(app.env, claim)
        wrong = report(say("{number} ({label}) is wrong", number=number, label=label), label, docname)
        node += _filled(app, docname, "claim.html", claim=claim, number=number, wrong=wrong)


def setup(app):
    app.connect("doctree-read", note)
    app.connect("env-updated", rewrite)
    app.connect("doctree-resolved", fill, priority=90)
