"""A lean page that asks no other host for anything: fonts, icons, scripts, launch buttons."""

import os
import re
import subprocess
from hashlib import sha256
from html import unescape
from importlib.resources import files
from io import BytesIO
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.util import logging

from .formulas import styled

logger = logging.getLogger(__name__)

# Where each face of the book comes from: (package, file), and whether it sets formulas or text.
FACES = {
    "math": ("ziamath", "fonts/STIXTwoMath-Regular.ttf"),
    "serif": ("font_source_serif_pro", "files/SourceSerifPro-Regular.ttf"),
    "serif-italic": ("font_source_serif_pro", "files/SourceSerifPro-It.ttf"),
    "serif-bold": ("font_source_serif_pro", "files/SourceSerifPro-Semibold.ttf"),
}
FEATURES = ["kern", "liga", "mark", "mkmk"]
ICONS = "_static/vendor/fontawesome/webfonts/fa-solid-900.woff2"
TEXT = {chr(c) for c in range(0x20, 0x7F)} | set(
    "£§©«°±²³·»½×÷–—‘’“”…→←≤≥≠≈−∞äöüéèàçñßÄÖÜőşčćøåíóúáëïêâîôł"
)


def repository():
    """Return 'https://host/owner/name' of the repository that the page is built from, or None."""
    if os.environ.get("BOOK_REPOSITORY"):
        return os.environ["BOOK_REPOSITORY"].removesuffix(".git")
    if os.environ.get("GITHUB_REPOSITORY"):
        return f"https://github.com/{os.environ['GITHUB_REPOSITORY']}"
    command = ["git", "-C", str(Path(__file__).parent), "remote", "get-url", "origin"]
    remote = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    match = re.fullmatch(
        r"(?:https://|git@|ssh://git@)([\w.-]+\.\w+)[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?",
        remote,
    )
    return f"https://{match[1]}/{match[2]}" if match else None


def launch_buttons(app, config):
    """Sphinx `config-inited`: point the launch buttons at the repository, or leave them out when there is none."""
    url = repository()
    if url is None:
        config.html_theme_options["launch_buttons"] = {}
        config.html_theme_options.pop("repository_url", None)
    else:
        config.html_theme_options["repository_url"] = url
        config.html_theme_options["repository_branch"] = os.environ.get(
            "BOOK_BRANCH", "main"
        )


# What the theme puts into each page and no reader needs. The icon font draws what the icon script draws; no kernel is ever
# started from a page; the search index is read by the search page, not by every page.
CUTS = {
    "icon script": r"\s*<script[^>]*fontawesome\.js[^>]*></script>",
    "preload hints": r"(\s*<link rel=\"preload\"[^>]*>)+",
    "thebe address": r"(\s*<script>const THEBE_JS_URL[^<]*</script>)+",
    "thebe settings": r"\s*<script type=\"text/x-thebe-config\">[^<]*</script>\s*<script>kernelName = [^<]*</script>",
    "search index": r"(\s*<script src=\"[^\"]*(searchtools|language_data|searchindex)\.js\"></script>){3}",
}


# Small files that every page would ask for one by one; those of a kind travel as one.
SMALL = {
    "css": r'\s*<link rel="stylesheet" type="text/css" href="([^"]*_static/)([\w.-]+\.css)(?:\?[^"]*)?" />',
    "js": r'\s*<script src="([^"]*_static/)((?:documentation_options|doctools|sphinx_highlight|clipboard\.min|copybutton)\.js)[^"]*"></script>',
}
TAGS = {
    "css": '\n<link rel="stylesheet" type="text/css" href="{}">',
    "js": '\n<script src="{}"></script>',
}


def together(html, static):
    """Return the page's text with its links to small files of a kind made one, and write that one."""
    for kind, pattern in SMALL.items():
        found = list(re.finditer(pattern, html))
        if not found:
            continue
        text = "\n".join((static / m[2]).read_text(encoding="utf-8") for m in found)
        name = f"together.{sha256(text.encode()).hexdigest()[:8]}.{kind}"
        (static / name).write_text(text, encoding="utf-8")
        # A style sheet overrides those before it, so the one stands last; a script is used by those after it: first.
        start = found[-1 if kind == "css" else 0].start()
        tag = TAGS[kind].format(found[0][1] + name)
        html = html[:start] + tag + html[start:]
        html = re.sub(pattern, "", html)
    return html


def cut(html, name, is_document):
    """Return a page's text without `CUTS`; where a document has no such place, the theme has changed: a warning."""
    for what, pattern in CUTS.items():
        if name == "search" and what == "search index":
            continue
        html, found = re.subn(pattern, "", html)
        if is_document and not found:
            logger.warning(
                "page.py: %s has no %s to cut; has the theme changed?", name, what
            )
    # Citations are marked as a list whose entries are something that no list may hold: leave both unmarked.
    html = html.replace(' role="doc-biblioentry"', "")
    return html.replace(
        '<div role="list" class="citation-list">', '<div class="citation-list">'
    )


def only_what_is_used(app, pagename, templatename, context, doctree):
    """Sphinx `html-page-context`: leave out the scripts and styles of thebe, and those of tabs and cards where there are none."""
    unused = ["thebe"] + (
        [] if "sd-" in context.get("body", "") else ["sphinx-design", "design-tabs"]
    )
    for kind in ("script_files", "css_files"):
        context[kind] = [
            f
            for f in context.get(kind, [])
            if not any(u in str(getattr(f, "filename", f)) for u in unused)
        ]


def lean(app, exception):
    """Sphinx `build-finished`: cut every page that was written, subset the fonts, delete what nothing asks for."""
    if exception or app.builder.format != "html":
        return
    out, symbols = Path(app.outdir), set("0123456789()[]{}|‖⟨⟩√∑∏∫=+−<>")
    for path in sorted(out.rglob("*.html")):
        html = path.read_text(encoding="utf-8")
        if "fontawesome.js" in html and "_static" not in path.parts:
            name = path.relative_to(out).with_suffix("").as_posix()
            html = together(
                cut(html, name, name in app.env.found_docs), out / "_static"
            )
            path.write_text(html, encoding="utf-8")
        for formula in re.findall(r"<math.*?</math>", html, re.DOTALL):
            symbols |= set(unescape(re.sub(r"<[^>]+>", "", formula)))
    symbols |= {
        styled(c, "italic") for c in symbols
    }  # a browser sets a single letter in italics of its own accord
    static = out / "_static"
    _write_fonts(static, symbols)
    _prune_icons(out)
    # Chromium, reading ahead, may look for a sheet's @import beside the page instead of beside the sheet.
    theme, basic = static / "styles/theme.css", static / "basic.css"
    css = theme.read_text(encoding="utf-8")
    sheet = basic.read_text(encoding="utf-8")
    theme.write_text(css.replace('@import "../basic.css";', sheet), encoding="utf-8")
    for pattern in (
        "*.map",
        "*.ttf",
        "*.LICENSE.txt",
        "fontawesome.js",
        "*thebe*",
        "*macros.html",
    ):
        for path in static.rglob(pattern):
            path.unlink()


def _write_fonts(static, symbols):
    folder = static / "fonts"
    folder.mkdir(exist_ok=True)
    for name, (package, file) in FACES.items():
        wanted = "".join(sorted(symbols if name == "math" else TEXT))
        (folder / f"{name}.woff2").write_bytes(_subset(package, file, wanted))


def _prune_icons(out):
    """Keep of the icon font, and of its 2,000 style rules, only the icons that the pages, scripts and styles use."""
    sources = [*out.glob("**/*.html"), *(out / "_static").rglob("*.js")]
    used = set(
        re.findall(
            r"fa-[a-z0-9-]+", "".join(p.read_text(encoding="utf-8") for p in sources)
        )
    )
    sheet = out / "_static/styles/pydata-sphinx-theme.css"
    rule = re.compile(r"((?:\.fa-[a-z0-9-]+:before,?)+)\{content:\"[^\"]*\"\}")
    css, rules = rule.subn(
        lambda m: m[0] if used & set(re.findall(r"fa-[a-z0-9-]+", m[1])) else "",
        sheet.read_text(encoding="utf-8"),
    )
    if rules < 1000:
        logger.warning(
            "page.py: found %d icon rules in the theme's style sheet; has the theme changed?",
            rules,
        )
    sheet.write_text(css, encoding="utf-8")
    styles = "".join(
        p.read_text(encoding="utf-8") for p in (out / "_static").rglob("*.css")
    )
    # A sheet names an icon by its code or holds the character itself.
    codes = re.findall(r"\\([ef][0-9a-f]{3})\b", styles)
    icons = "".join(
        {chr(int(c, 16)) for c in codes} | set(re.findall("[\ue000-\uf8ff]", styles))
    )
    (out / ICONS).write_bytes(
        _subset(
            "pydata_sphinx_theme",
            f"theme/pydata_sphinx_theme/static/{ICONS.removeprefix('_static/')}",
            icons,
        )
    )


def _subset(package, file, characters):
    """Return the font with only these characters (and, for formulas, their stretchy forms) as woff2.

    The separate drawings for scripts (`ssty`) are left out: they would double the file for a nuance of weight.
    """
    keep = Path(__file__).resolve().parents[2] / "_build" / "fonts"
    keep.mkdir(parents=True, exist_ok=True)
    cached = (
        keep
        / f"{sha256((file + characters + repr(FEATURES)).encode()).hexdigest()[:16]}.woff2"
    )
    if not cached.exists():
        options = subset.Options(
            flavor="woff2",
            layout_features=FEATURES,
            notdef_outline=True,
            hinting=False,
        )
        font = TTFont(BytesIO((files(package) / file).read_bytes()))
        subsetter = subset.Subsetter(options)
        subsetter.populate(text=characters)
        subsetter.subset(font)
        subset.save_font(font, str(cached), options)
    return cached.read_bytes()


# What scrolls must be reachable by keyboard; only the browser knows what scrolls.
FOCUSABLE = """addEventListener("load", () => document.querySelectorAll("div.math, .output, pre, figure, .table-wrapper")
  .forEach(e => { if (e.scrollWidth > e.clientWidth) e.tabIndex = 0; }));"""


def setup(app):
    app.add_js_file(None, body=FOCUSABLE)
    app.connect("config-inited", launch_buttons, priority=100)
    app.connect("html-page-context", only_what_is_used, priority=900)
    # After the theme has written the colours of code for both modes.
    app.connect("build-finished", lean, priority=900)
