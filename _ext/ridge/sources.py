"""The bibliography: sorted by author, labelled as the text cites (author, year), and each entry leads back to who cites it."""

from docutils import nodes
from pybtex.backends.plaintext import Backend
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style
from pybtex.style.labels import BaseLabelStyle
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
    env, domain = app.env, app.env.get_domain("cite")
    if not docname.endswith("/bibliography"):
        return
    keys = {
        value.citation_nodes[key]["ids"][0]: key
        for place, value in domain.bibliographies.items()
        for key in value.citation_nodes
        if place.docname == docname
    }
    for entry in doctree.findall(nodes.citation):
        key, places = keys.get(entry["ids"][0]), {}
        for ref in domain.citation_refs:
            if key in {target.key for target in ref.targets}:
                places.setdefault(ref.docname, ref.citation_ref_id)
        line = nodes.paragraph("", "Cited in ", classes=["citedin"])
        for n, (there, anchor) in enumerate(places.items()):
            uri = f"{app.builder.get_relative_uri(docname, there)}#{anchor}"
            title = env.titles[there].astext()
            line += [nodes.Text("; " if n else ""), nodes.reference("", title, refuri=uri, internal=True)]
        if places:
            entry += line


def setup(app):
    register_plugin("pybtex.style.formatting", "authoryear", Sources)
    app.connect("doctree-resolved", lead_back)
