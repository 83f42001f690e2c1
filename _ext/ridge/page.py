"""What a page is given: the two faces of the book, cut to the letters used; where its source lives; no file it does not need."""

import os
import re
import subprocess
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import unescape
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from unicodedata import combining, normalize
from urllib.parse import quote

from fontTools import configLogger, subset
from fontTools.ttLib import TTFont
from pygments.formatters import HtmlFormatter
from pygments.token import Name, Punctuation, Text
from sphinx.highlighting import PygmentsBridge

from .chinese import ZH, say

ROOT = Path(__file__).resolve().parents[2]
# Each face: (package, file) that it comes from, and what the style sheet says of it.
FACES = {
    "math": ("ziamath", "fonts/STIXTwoMath-Regular.ttf", "font-family: Book Math"),
    "serif": ("font_source_serif_pro", "files/SourceSerifPro-Regular.ttf", "font-family: Book Serif"),
    "italic": ("font_source_serif_pro", "files/SourceSerifPro-It.ttf", "font-family: Book Serif; font-style: italic"),
    "bold": (
        "font_source_serif_pro",
        "files/SourceSerifPro-Semibold.ttf",
        "font-family: Book Serif; font-weight: 600 700",
    ),
}
# What a browser draws of its own accord: roots, brackets, accents; and single letters in italics.
SIGNS = "0123456789()[]{}|‖⟨⟩√∑∏∫=+−<>^~¯ˆ˜˙¨˘ˇ‾→\u0302\u0303\u0305\u030c\u0332\u20d7"
ITALICS = [chr(c) for c in (*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C), 0x210E)]
# All that a page asks for.
USED = ("furo.css", "pygments.css", "fonts.css", "book.css", "furo.js", "page.js", "preview.js", "search.js")
BINDER = {"github.com": "gh", "gitlab.com": "gl"}
HAN = "[\u2e80-\u303f\u3400-\u9fff\uff00-\uffef]"
# Kinds of words in code that both colour schemes draw as plain text: they need no mark.
PLAIN = {Name, Name.Namespace, Punctuation, Text.Whitespace}
# Sphinx says what is not so: of a heading without its level, of a list whose entries are none.
ROLES = {
    'role="heading"': 'role="heading" aria-level="2"',
    ' role="doc-biblioentry"': "",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
}


def web_address(remote):
    """Return (host, path, 'https://host/path') of a git remote at any host, without a password; None for a folder's."""
    found = re.fullmatch(
        r"(?:(https?|ssh|git)://)?(?:[^@/]+@)?([\w.-]{2,})(:\d+)?[:/]([^:]+?)(?:\.git)?/*",
        remote.strip(),
    )
    if not found or not (found[1] or "@" in remote):
        return None
    web = found[1] if found[1] in ("http", "https") else "https"
    port = found[3] if found[3] and found[1] == web else ""
    path = found[4].strip("/")
    return found[2], path, f"{web}://{found[2]}{port}/{path}"


def _git(*words):
    try:
        command = ["git", "-C", str(ROOT), *words]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


@cache
def repository():
    """Return what is known of the source: host, path, url, branch (or commit), commit and date; {} where nothing is.

    Asks BOOK_REPOSITORY, GITHUB_REPOSITORY and git, in this order; a folder without its own .git has no remote.
    """
    ours = _git("rev-parse", "--show-toplevel") == str(ROOT)
    name = os.environ.get("GITHUB_REPOSITORY")
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    remote = os.environ.get("BOOK_REPOSITORY") or (name and f"{server}/{name}")
    address = web_address(remote or (_git("remote", "get-url", "origin") if ours else ""))
    commit = _git("rev-parse", "HEAD") if ours else ""
    branch = os.environ.get("BOOK_BRANCH") or (ours and _git("symbolic-ref", "--short", "-q", "HEAD"))
    known = {
        "commit": commit,
        "date": _git("log", "-1", "--format=%cs") if ours else "",
    }
    if address and (branch or commit):
        known |= dict(zip(("host", "path", "url"), address, strict=True))
        known["branch"] = branch or commit
    return known


def binder(file):
    """Return the address that runs a notebook of the repository, or None where Binder cannot serve its host."""
    known = repository()
    if known.get("host") not in BINDER:
        return None
    name = known["path"] if known["host"] == "github.com" else quote(known["path"], "")
    where = f"{BINDER[known['host']]}/{name}/{quote(known['branch'], '')}"
    return f"https://mybinder.org/v2/{where}?urlpath=lab/tree/{quote(file)}"


def chinese(html):
    """Mark each run of Chinese in markup as such; where an element holds words alone, the element itself."""
    if ZH:  # the page is marked as a whole
        return html
    html = re.sub(rf"<(option|title)(?=[ >])(?=[^>]*>[^<]*{HAN})", r'<\1 lang="zh-Hans"', html)
    parts = re.split(
        r"(<(?:script|style|option|title)\b.*?</(?:script|style|option|title)>|<[^>]*>)",
        html,
        flags=re.DOTALL,
    )
    drawn = 0
    for i, part in enumerate(parts):
        if i % 2:
            drawn += part.startswith("<svg") - part.startswith("</svg")
        elif drawn or part:
            tag = "tspan" if drawn else "span"
            parts[i] = re.sub(
                rf"{HAN}(?:[{HAN[1:-1]}\s]*{HAN})?",
                rf'<{tag} lang="zh-Hans">\g<0></{tag}>',
                part,
            )
    return "".join(parts)


def furnish(app, pagename, templatename, context, doctree):
    """Sphinx `html-page-context`: hand the templates their facts, and leave out what no page needs."""
    file = app.env.doc2path(pagename, base=False) if doctree else ""
    links = context.setdefault("links", {})
    if file.endswith(".ipynb"):
        links["run"] = binder(Path(file).as_posix())
    for kind in ("css_files", "script_files"):
        names = [(item, str(getattr(item, "filename", item))) for item in context[kind]]
        context[kind] = [item for item, name in names if name.endswith(USED)]
    for place in ("body", "toc", "furo_navigation_tree", "docstitle"):
        markup = chinese(context.get(place) or "")
        for faulty, right in ROLES.items():
            markup = markup.replace(faulty, right)
        context[place] = markup
    for there in ("next", "prev"):
        if context.get(there):
            context[there]["title"] = chinese(context[there]["title"])


def symbols_of(html):
    """Return the characters that the formulas in `html` need: their own, and those that a browser sets of its own accord."""
    found = "".join(re.findall(r"<math.*?</math>", html, re.DOTALL))
    found = set(unescape(re.sub("<[^>]+>", "", found))) | set(SIGNS)
    plain = {normalize("NFKC", c) for c in found}  # a single letter is set in italics
    return "".join(sorted(found | {c for c in ITALICS if normalize("NFKC", c) in plain}))


def write_fonts(app, exception):
    """Sphinx `build-finished`: write each face, with the letters that the pages use, into one style sheet.

    There no line is drawn in another face first, and none jumps; and a page opened from a file may read it.
    """
    if exception or app.builder.format != "html":
        return
    pages = "".join(p.read_text(encoding="utf-8") for p in Path(app.outdir).rglob("*.html"))
    text, symbols, sheet = "".join(sorted(set(unescape(pages)))), symbols_of(pages), ""
    for name, (_, _, words) in FACES.items():
        font = b64encode(cut(name, symbols if name == "math" else text)).decode()
        sheet += f"@font-face {{ {words}; src: url(data:font/woff2;base64,{font}) }}\n"
    (Path(app.outdir) / "_static" / "fonts.css").write_text(sheet, encoding="utf-8")


def cut(name, characters):
    """Return a face with only these characters (and, for formulas, their stretchy forms) as woff2.

    The separate drawings for scripts (`ssty`) are left out: they would double the file for a nuance of weight.
    """
    configLogger(level="WARNING")
    package, file, _ = FACES[name]
    recipe = Path(__file__).read_text(encoding="utf-8") + name + characters
    kept = ROOT / "_build" / "fonts" / f"{sha256(recipe.encode()).hexdigest()[:16]}"
    if not kept.exists():
        options = subset.Options(
            flavor="woff2",
            layout_features=["kern", "liga", "mark", "mkmk"],
            notdef_outline=True,
            hinting=False,
        )
        font = TTFont(BytesIO((files(package) / file).read_bytes()))
        subsetter = subset.Subsetter(options)
        subsetter.populate(text=characters)
        subsetter.subset(font)
        if name == "math":
            suit_chromium(font)
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}")
        subset.save_font(font, str(partial), options)
        partial.replace(kept)
    return kept.read_bytes()


def suit_chromium(font):
    """Mend what Chromium does not: it centres an accent by its advance, which STIX leaves 0, and keeps the room of
    the widest root sign beside every root. So accents get their width, and all root signs that of the smallest.
    """
    glyphs, widths, letters = font["glyf"], font["hmtx"], font.getBestCmap()
    for point, name in letters.items():
        if combining(chr(point)) and not widths[name][0]:
            glyphs[name].coordinates.translate((-glyphs[name].xMin, 0))
            glyphs[name].recalcBounds(glyphs)
            widths[name] = (glyphs[name].xMax, 0)
    root = letters[ord("√")]
    for name in glyphs.keys():
        if name.startswith(root + "."):
            narrower = widths[root][0] / widths[name][0]
            glyphs[name].coordinates.scale((narrower, 1))
            glyphs[name].recalcBounds(glyphs)
            widths[name] = (widths[root][0], glyphs[name].xMin)


class LightFormatter(HtmlFormatter):
    """Code in colours, without marks around what has none: a sixth less of a page's bytes."""

    def format_unencoded(self, tokens, outfile):
        super().format_unencoded(((Text if kind in PLAIN else kind, words) for kind, words in tokens), outfile)


def prepare(app):
    """Sphinx `builder-inited`, before furo looks: the colours of code in the dark (furo's option comes too late)."""
    app.config.pygments_dark_style = "a11y-high-contrast-dark"
    environment = app.builder.templates.environment
    environment.filters["chinese"] = chinese
    environment.globals["say"] = say
    theme = environment.globals["gettext"]  # furo has no Chinese of its own
    environment.globals |= dict.fromkeys(("_", "gettext"), lambda words: theme(say(words)))


def setup(app):
    PygmentsBridge.html_formatter = LightFormatter
    app.add_css_file("fonts.css")
    app.connect("builder-inited", prepare, priority=100)
    app.connect("html-page-context", furnish, priority=900)
    app.connect("build-finished", write_fonts, priority=900)
