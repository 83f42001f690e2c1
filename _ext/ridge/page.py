"""What the theme is given: its words in the edition's language, Chinese marked as such, code with fewer marks; no file that no page needs."""

import re

from pygments.formatters import HtmlFormatter
from pygments.token import Name, Punctuation, Text
from sphinx.highlighting import PygmentsBridge

from .chinese import ZH, say

# All that a page asks for.
USED = ("furo.css", "pygments.css", "fonts.css", "book.css", "furo.js", "page.js", "preview.js", "search.js")
HAN = "[\u2e80-\u303f\u3400-\u9fff\uff00-\uffef]"
RUN = re.compile(rf"{HAN}(?:[{HAN[1:-1]}\s]*{HAN})?")
NAMED = re.compile(rf"<(option|title)(?=[ >])(?=[^>]*>[^<]*{HAN})")
MARKUP = re.compile(r"(<(?:script|style|option|title)\b.*?</(?:script|style|option|title)>|<[^>]*>)", re.DOTALL)
# Kinds of words in code that both colour schemes draw as plain text: they need no mark.
PLAIN = {Name, Name.Namespace, Punctuation, Text.Whitespace}
# Sphinx says what is not so: of a heading without its level, of a list whose entries are none.
ROLES = {
    'role="heading"': 'role="heading" aria-level="2"',
    ' role="doc-biblioentry"': "",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
}


def chinese(html):
    """Mark each run of Chinese in markup as such; where an element holds words alone, the element itself."""
    if ZH:  # the page is marked as a whole
        return html
    parts = MARKUP.split(NAMED.sub(r'<\1 lang="zh-Hans"', html))
    drawn = 0
    for i, part in enumerate(parts):
        if i % 2:
            drawn += part.startswith("<svg") - part.startswith("</svg")
        else:
            tag = "tspan" if drawn else "span"
            parts[i] = RUN.sub(rf'<{tag} lang="zh-Hans">\g<0></{tag}>', part)
    return "".join(parts)


def furnish(app, pagename, templatename, context, doctree):
    """Sphinx `html-page-context`: mend the theme's pieces, and leave out what no page needs."""
    for kind in ("css_files", "script_files"):
        context[kind] = [item for item in context[kind] if str(item.filename).endswith(USED)]
    for place in ("body", "toc", "furo_navigation_tree", "docstitle"):
        markup = chinese(context.get(place) or "")
        for faulty, right in ROLES.items():
            markup = markup.replace(faulty, right)
        context[place] = markup
    for there in ("next", "prev"):
        if context.get(there):
            context[there]["title"] = chinese(context[there]["title"])


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
    app.add_css_file("fonts.css")  # make/fonts.py writes it when all pages stand
    PygmentsBridge.html_formatter = LightFormatter
    app.connect("builder-inited", prepare, priority=100)
    app.connect("html-page-context", furnish, priority=900)
