"""The bibliography: sorted by author, labelled as the text cites (author, year), and each entry leads back to who cites it."""

from docutils import nodes
from pybtex.backends.plaintext import Backend
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style
from pybtex.style.labels import BaseLabelStyle
from sphinx.util.nodes import make_refnode
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle


class AuthorYear(BaseLabelStyle):
    def format_labels(self, entries):
        style = AuthorYearReferenceStyle()  # that of the references in the text
        who = style.person.author_or_editor_or_title(full=False)
        for entry in entries:
            names = who.format_data({"entry": entry, "style": style})
            yield f"{names.render(Backend())}, {entry.fields['year']}"


class Sources(Style):
    default_label_style = AuthorYear
    default_sorting_style = "author_year_title"


def lead_back(app, doctree, docname):
    """Sphinx `doctree-resolved`: under each entry of the whole bibliography, the chapters that cite it."""
    if not docname.endswith("/bibliography"):
        return
    domain = app.env.get_domain("cite")
    keys = {c.citation_id: c.key for c in domain.citations if c.bibliography_key.docname == docname}
    places = {}
    for ref in domain.citation_refs:
        for target in ref.targets:
            places.setdefault(target.key, {}).setdefault(ref.docname, ref.citation_ref_id)
    for entry in doctree.findall(nodes.citation):
        line = nodes.paragraph(classes=["citedin"])
        for there, anchor in places.get(keys.get(entry["ids"][0]), {}).items():
            title = nodes.Text(app.env.titles[there].astext())
            line += nodes.Text("; " if len(line) else "Cited in ")
            line += make_refnode(app.builder, docname, there, anchor, title)
        if len(line):
            entry += line


def setup(app):
    register_plugin("pybtex.style.formatting", "authoryear", Sources)
    app.connect("doctree-resolved", lead_back)
