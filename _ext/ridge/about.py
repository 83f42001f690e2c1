"""Where a page comes from: version, commit and day; how a stranger reaches its source, its history and a report; what a shared link shows."""

import os
import platform
import time
from functools import cache
from pathlib import Path
from urllib.parse import quote

import yaml
from docutils import nodes

from .chinese import say
from .claims import find, number_of
from .page import ROOT, repository
from .pages import TEMPLATES

HOSTS = yaml.safe_load(Path(__file__).with_name("hosts.yml").read_text("utf-8"))


@cache
def build():
    """Return what tells this build from others: version, commit ('' outside git), day, and what it ran on."""
    citation = ROOT / "CITATION.cff"
    cited = yaml.safe_load(citation.read_text("utf-8")) if citation.exists() else {}
    now = float(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    system = f"{platform.system()} {platform.machine()}"
    return {
        "version": cited.get("version", "unversioned"),
        "commit": repository().get("commit", "")[:12],
        "day": time.strftime("%Y-%m-%d", time.gmtime(now)),
        "machine": f"Python {platform.python_version()} on {system}",
    }


def _address(kind, **parts):
    """Return the address of a source, history or report at the repository's host; None without a repository."""
    known = repository()
    if "url" not in known:
        return None
    forms = next((f for name, f in HOSTS.items() if name in known["host"]), None)
    parts = {name: quote(text, safe="/") for name, text in parts.items()}
    at = known["commit"] or known["branch"]
    return known["url"] + (forms[kind].format(at=at, **parts) if forms else "")


def report(title, claim, page):
    """Return the address of a new issue, filled in, on a claim that is wrong; None without a repository."""
    made = ", ".join(filter(None, build().values()))
    body = f"Claim: {claim}\nPage: {page}\nBuild: {made}\n\nWhat is wrong, and how to see it:\n"
    return _address("report", title=title, claim=claim, build=made, body=body)


def address():
    """Return the address at which the book is published, with a slash at its end; '' where it is not known."""
    if url := os.environ.get("BOOK_URL"):
        return url.rstrip("/") + "/"
    owner, _, name = os.environ.get("GITHUB_REPOSITORY", "").partition("/")
    return f"https://{owner.lower()}.github.io/{name}/" if name else ""


def loudest(env, docname):
    """Return number and title of the claim that its notebook calls the loudest, '' where it names none."""
    found = find(env, env.metadata.get(docname, {}).get("ridge_book", {}).get("loudest"))
    if not found:
        return ""
    title = "".join(part.astext() for part in found[1]["title"])
    return f"{number_of(env, *found)}: {title}. "


def around(app, pagename, templatename, context, doctree):
    """Sphinx `html-page-context`: what the templates head.html and foot.html, and the page's buttons, say of it."""
    links = context.setdefault("links", {})
    if doctree is None:
        return
    file = Path(app.env.doc2path(pagename)).relative_to(app.srcdir)
    book = app.env.metadata.get(pagename, {}).get("ridge_book", {})
    first = next(iter(doctree.findall(nodes.paragraph)), nodes.paragraph())
    links["source"] = _address("source", path=file.as_posix())
    links["history"] = _address("history", path=file.as_posix())
    if os.environ.get("BOOK_PDF"):  # set where `make pdf` will follow
        links["pdf"] = context["pathto"](f"pdf/{file.stem}.pdf", True)
    if file.suffix == ".ipynb":
        links["zip"] = context["pathto"](f"handout/{file.stem}.zip", True)
    home = pagename == app.config.root_doc
    context["about"] = build() | {
        "book": app.config.html_title,
        "name": file.stem,
        "title": app.env.titles[pagename].astext(),
        "url": address() and address() + app.builder.get_target_uri(pagename),
        "card": address() + ("_static/card.png" if home else f"_cards/{file.stem}.png"),
        "says": book.get("promise") or " ".join(first.astext().split()),
        "loudest": loudest(app.env, pagename),
        "wrong": report(f"{pagename}: ", "none, but on this page", pagename),
    }


def beside(app):
    """Sphinx `html-collect-pages`: a page for addresses that lead nowhere, and the list of those that lead somewhere."""
    uri = app.builder.get_target_uri
    if address():
        pages = [address() + uri(d) for d in sorted(app.env.found_docs)]
        text = TEMPLATES.get_template("sitemap.xml").render(pages=pages)
        (Path(app.outdir) / "sitemap.xml").write_text(text, encoding="utf-8")
    lost = TEMPLATES.get_template("lost.html")
    body = lost.render(url=address(), home=uri(app.config.root_doc))
    yield "404", {"title": say("Not here"), "body": body}, "page.html"


def known(app, config):
    """Sphinx `config-inited`: where the book will stand, so that each page names its own address.

    All pages say where they come from; when that changes, all are written anew.
    """
    config.html_baseurl = config.html_baseurl or address()
    config.ridge_origin = sorted(repository().items())


def setup(app):
    app.add_config_value("ridge_origin", [], "html")
    app.connect("config-inited", known)
    app.connect("html-page-context", around)
    app.connect("html-collect-pages", beside)
