"""Where a page comes from: version, commit and day; how a stranger reaches its source, its history and a report; what a shared link shows."""

import os
import platform
import re
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import quote

import yaml
from docutils import nodes
from execution import ROOT

from .chinese import say
from .claims import find, number_of
from .pages import render

HOSTS = yaml.safe_load(Path(__file__).with_name("hosts.yml").read_text("utf-8"))
REMOTE = re.compile(r"(?:(https?|ssh|git)://)?(?:[^@/]+@)?([\w.-]{2,})(:\d+)?[:/]([^:]+?)(?:\.git)?/*")


def web_address(remote):
    """Return host, path and url ('https://host/path') of a git remote at any host, without a password; {} for a folder's."""
    found = REMOTE.fullmatch(remote.strip())
    if not found or not (found[1] or "@" in remote):
        return {}
    web, port = (found[1], found[3] or "") if found[1] in ("http", "https") else ("https", "")
    path = found[4].strip("/")
    return {"host": found[2], "path": path, "url": f"{web}://{found[2]}{port}/{path}"}


def _git(*words):
    """Return what git says of the book's own repository; '' without git, or in a folder without its own .git."""
    with suppress(OSError):
        command = ["git", "--git-dir", str(ROOT / ".git"), *words]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return ""


@cache
def repository():
    """Return what is known of the source: commit ('' outside git); and host, path, url and branch (or commit), where they are.

    Asks BOOK_REPOSITORY, GITHUB_REPOSITORY and git, in this order.
    """
    name = os.environ.get("GITHUB_REPOSITORY")
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    remote = os.environ.get("BOOK_REPOSITORY") or (name and f"{server}/{name}") or _git("remote", "get-url", "origin")
    commit = _git("rev-parse", "--verify", "-q", "HEAD")
    branch = os.environ.get("BOOK_BRANCH") or _git("symbolic-ref", "--short", "-q", "HEAD") or commit
    address = web_address(remote)
    return {"commit": commit} | (address | {"branch": branch} if address and branch else {})


@cache
def build():
    """Return what tells this build from others: version, commit ('' outside git), day, and what it ran on."""
    citation = ROOT / "CITATION.cff"
    cited = yaml.safe_load(citation.read_text("utf-8")) if citation.exists() else {}
    now = float(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return {
        "version": cited.get("version", "unversioned"),
        "commit": repository().get("commit", "")[:12],
        "day": time.strftime("%Y-%m-%d", time.gmtime(now)),
        "machine": f"Python {platform.python_version()} on {platform.system()} {platform.machine()}",
    }


def leads_to(kind, **parts):
    """Return the address of a source, its history, a run or a report, as hosts.yml has it; None without a repository or such an address."""
    known = repository()
    forms = [of[kind] for part, of in HOSTS.items() if part in known.get("host", ()) and kind in of]
    if not forms:
        return None
    whole = {"project": quote(known["path"], ""), "track": quote(known["branch"], "")}
    parts = {name: quote(text) for name, text in parts.items()}
    return forms[-1].format(**known, **whole, **parts, at=known["commit"] or known["branch"])


def report(title, claim, page):
    """Return the address of a new issue, filled in, on a claim that is wrong; None without a repository."""
    made = ", ".join(filter(None, build().values()))
    body = f"Claim: {claim}\nPage: {page}\nBuild: {made}\n\nWhat is wrong, and how to see it:\n"
    return leads_to("report", title=title, claim=claim, build=made, body=body)


def address():
    """Return the address at which the book is published, with a slash at its end; '' where it is not known."""
    if url := os.environ.get("BOOK_URL"):
        return url.rstrip("/") + "/"
    owner, _, name = os.environ.get("GITHUB_REPOSITORY", "").partition("/")
    return f"https://{owner.lower()}.github.io/{name}/" if name else ""


def loudest(env, docname):
    """Return number and title of the claim that its notebook calls the loudest, '' where it names none."""
    claim = find(env, env.metadata.get(docname, {}).get("ridge_book", {}).get("loudest"))
    return f"{number_of(env, claim)}: {claim['title'].astext()}. " if claim else ""


def furnish(app, pagename, templatename, context, doctree):
    """Sphinx `html-page-context`: what the templates head.html and foot.html, and the page's buttons, say of it."""
    links = context["links"] = {}
    if doctree is None:
        return
    file = Path(app.env.doc2path(pagename, base=False))
    book = app.env.metadata[pagename].get("ridge_book", {})
    first = next(iter(doctree.findall(nodes.paragraph)), nodes.paragraph())
    links["source"] = leads_to("source", file=file.as_posix())
    links["history"] = leads_to("history", file=file.as_posix())
    if os.environ.get("BOOK_PDF"):  # set where `make pdf` will follow
        links["pdf"] = context["pathto"](f"pdf/{file.stem}.pdf", True)
    if file.suffix == ".ipynb":
        links["run"] = leads_to("run", file=file.as_posix())
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
        (Path(app.outdir) / "sitemap.xml").write_text(render("sitemap.xml", pages=pages), encoding="utf-8")
    body = render("lost.html", url=address(), home=uri(app.config.root_doc))
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
    app.connect("html-page-context", furnish)
    app.connect("html-collect-pages", beside)
