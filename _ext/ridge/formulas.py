"""Formulas set at build time: math-core turns TeX into MathML Core, which browsers draw without a script.

A formula that it does not understand is a warning, hence a failed build.
"""

import re

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)
convert = LatexToMathML(fancy_error=False).convert_with_local_state
# As in TeX, a strut: without it the sign of a root hangs far below a short radicand.
ROOT = '<msqrt><mspace height=".72em" depth=".1em"/>'
OPENING, CLOSING = re.compile(r"[(\[“‘（「『《]+$"), re.compile(r"^[,.;:!?)\]”’，。、；：！？）」』》…]+")
# Numbers are Sphinx's: amsmath's own environments become those that have none.
UNNUMBERED = {"equation": "gathered", "gather": "gathered", "align": "aligned"}


def mathml(tex, display=False):
    """Return TeX as a <math> element in text form. Raises ValueError where it does not parse."""
    tex = re.sub(r"\{(equation|gather|align)\*?\}", lambda name: f"{{{UNNUMBERED[name[1]]}}}", tex)
    if display and "\\\\" in tex and "\\begin" not in tex:
        tex = f"\\begin{{aligned}}{tex}\\end{{aligned}}"
    try:
        return convert(tex, displaystyle=display).replace("<msqrt>", ROOT)
    except LatexError as error:
        raise ValueError(str(error)) from None


def _set(translator, node, display=False):
    tex = node.astext()
    try:
        return mathml(tex, display)
    except ValueError as error:
        logger.warning("formula not understood: %s: %s", error, tex.strip(), location=node)
        return f"<code>{translator.encode(tex)}</code>"


def visit_inline(translator, node):
    translator.body.append(_set(translator, node))
    raise nodes.SkipNode


def visit_block(translator, node):
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(_set(translator, node, display=True) + "</div>\n")
    raise nodes.SkipNode


def _taken(place, at, signs):
    """Take the signs from the text that stands in `place` at this index, and return them; '' where there are none."""
    text = place[at] if 0 <= at < len(place) else None
    found = isinstance(text, nodes.Text) and signs.search(text)
    if not found:
        return ""
    place[at] = nodes.Text(text[: found.start()] + text[found.end() :])
    return found[0]


def hold(app, doctree, docname):
    """Sphinx `doctree-resolved`: a formula and the punctuation at its sides share a line; browsers would break it there."""
    for math in list(doctree.findall(nodes.math)):
        place, at = math.parent, math.parent.index(math)
        before, after = _taken(place, at - 1, OPENING), _taken(place, at + 1, CLOSING)
        if before or after:
            held = nodes.inline(classes=["held"])
            math.replace_self(held)
            held += [nodes.Text(before), math, nodes.Text(after)]


def setup(app):
    app.connect("doctree-resolved", hold)
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
