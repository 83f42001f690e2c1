"""Formulas set at build time: KaTeX, run inside Python, turns TeX into MathML.

No script and no stylesheet reach the reader; a mistyped formula is a warning, hence a failed build. KaTeX writes for
MathML 3; browsers draw MathML Core, which ignores `mathvariant` (but for "normal") and the table attributes, so
those are rewritten as Unicode letters and inline styles.
"""

from functools import cache
from importlib.resources import files
from xml.etree import ElementTree as ET

import quickjs
from docutils import nodes
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)

MATHML = "http://www.w3.org/1998/Math/MathML"
ET.register_namespace("", MATHML)
MO, MI = f"{{{MATHML}}}mo", f"{{{MATHML}}}mi"
SCRIPTS = {
    f"{{{MATHML}}}{t}"
    for t in ("msub", "msup", "msubsup", "munder", "mover", "munderover")
}
MROW = f"{{{MATHML}}}mrow"
APART = {MO, f"{{{MATHML}}}mspace"}
APPLY, SIGNS, CLOSERS = (
    "\u2061",
    {"+", "−", "±", "-"},
    {")", "]", "}", "|", "⟩", "∥", "!", "⌉", "⌋", "′"},
)

# First code points of the mathematical alphabets in Unicode: capitals, small letters, digits.
_ALPHABETS = {
    "bold": (0x1D400, 0x1D41A, 0x1D7CE),
    "italic": (0x1D434, 0x1D44E, None),
    "bold-italic": (0x1D468, 0x1D482, None),
    "script": (0x1D49C, 0x1D4B6, None),
    "bold-script": (0x1D4D0, 0x1D4EA, None),
    "fraktur": (0x1D504, 0x1D51E, None),
    "double-struck": (0x1D538, 0x1D552, 0x1D7D8),
    "sans-serif": (0x1D5A0, 0x1D5BA, 0x1D7E2),
    "monospace": (0x1D670, 0x1D68A, 0x1D7F6),
}
# Greek: capitals from Α, small letters from α.
_GREEK = {
    "bold": (0x1D6A8, 0x1D6C2),
    "italic": (0x1D6E2, 0x1D6FC),
    "bold-italic": (0x1D71C, 0x1D736),
}
# Letters that Unicode had already put elsewhere.
_EXCEPTIONS = dict(
    zip(
        [
            0x1D455,
            *(0x1D49C + i for i in (1, 4, 5, 7, 8, 11, 12, 17)),
            0x1D4BA,
            0x1D4BC,
            0x1D4C4,
        ],
        [
            0x210E,
            0x212C,
            0x2130,
            0x2131,
            0x210B,
            0x2110,
            0x2112,
            0x2133,
            0x211B,
            0x212F,
            0x210A,
            0x2134,
        ],
        strict=True,
    )
) | dict(
    zip(
        [
            *(0x1D504 + i for i in (2, 7, 8, 17, 25)),
            *(0x1D538 + i for i in (2, 7, 13, 15, 16, 17, 25)),
        ],
        [
            0x212D,
            0x210C,
            0x2111,
            0x211C,
            0x2128,
            0x2102,
            0x210D,
            0x2115,
            0x2119,
            0x211A,
            0x211D,
            0x2124,
        ],
        strict=True,
    )
)


def styled(text, variant):
    """Return `text` in the Unicode letters of a MathML variant; characters that have none stay as they are."""
    capital, small, digit = _ALPHABETS.get(variant, (None, None, None))
    greek = _GREEK.get(variant)

    def letter(c):
        if capital and "A" <= c <= "Z":
            point = capital + ord(c) - ord("A")
        elif small and "a" <= c <= "z":
            point = small + ord(c) - ord("a")
        elif digit and "0" <= c <= "9":
            point = digit + ord(c) - ord("0")
        elif greek and "Α" <= c <= "Ω":
            point = greek[0] + ord(c) - ord("Α")
        elif greek and "α" <= c <= "ω":
            point = greek[1] + ord(c) - ord("α")
        else:
            return c
        return chr(_EXCEPTIONS.get(point, point))

    return "".join(map(letter, text))


def _mend_table(table):
    aligns = table.attrib.pop("columnalign", "").split()
    gaps = table.attrib.pop("columnspacing", "").split()
    rows = table.attrib.pop("rowspacing", "").split()
    lines = table.attrib.pop("columnlines", "").split()
    for i, row in enumerate(table):
        # A row of TeX has a strut in it; here the strut's share is added to the gap that KaTeX asks for.
        gap_below = rows[min(i, len(rows) - 1)] if rows else "0em"
        last = i == len(table) - 1
        below = (
            f"padding-top:0;padding-bottom:{0 if last else f'calc({gap_below} + .3em)'}"
        )
        for j, cell in enumerate(row):
            align = aligns[min(j, len(aligns) - 1)] if aligns else "center"
            gap = gaps[min(j, len(gaps) - 1)] if gaps and j < len(row) - 1 else "0"
            rule = (
                ";border-right:.06em solid"
                if j < len(lines) and lines[j] == "solid"
                else ""
            )
            cell.set(
                "style",
                f"text-align:{align};padding-left:0;padding-right:{gap};{below}{rule}",
            )


def _is_function(element):
    """Is this the name of a function (ln, max, softmax), with or without a script?"""
    while element.tag in SCRIPTS or element.tag == MROW and len(element) == 1:
        element = element[0]
    return element.tag == MI and len(element.text or "") > 1


def _mend_row(row):
    """Give a sign at the start of a term its prefix form, and a function's name its thin spaces."""
    children, before = [], None
    for child in row:
        if child.tag == MO and child.text in SIGNS:
            if before is None or before.tag == MO and before.text not in CLOSERS:
                child.set("form", "prefix")
        functions = [before is not None and _is_function(before), _is_function(child)]
        touching = (
            before is not None and child.tag not in APART and before.tag not in APART
        )
        if touching and any(functions):
            children.append(ET.Element(f"{{{MATHML}}}mspace", {"width": "0.1667em"}))
        children.append(child)
        before = child
    row[:] = children


def mended(math):
    """Rewrite in place a MathML 3 tree from KaTeX so that MathML Core draws it as meant; return it."""
    semantics = math.find(f"{{{MATHML}}}semantics")
    if semantics is not None:
        math.remove(semantics)
        math.insert(0, semantics[0])
    for element in list(math.iter()):
        for applied in [c for c in element if c.tag == MO and c.text == APPLY]:
            element.remove(
                applied
            )  # unseen, and among the arguments of a script one too many
    for element in math.iter():
        tag = element.tag.removeprefix(f"{{{MATHML}}}")
        if tag == "mtable":
            _mend_table(element)
        if tag in ("mrow", "mstyle", "mtd"):
            _mend_row(element)
        elif tag == "msqrt":
            # As in TeX, a strut: without it the sign hangs far below a short radicand.
            strut = {"width": "0", "height": ".72em", "depth": ".1em"}
            element.insert(0, ET.Element(f"{{{MATHML}}}mspace", strut))
        elif tag == "mover" and element[1].text == "‾":
            element.remove(
                element[1]
            )  # the face's stretched bar would strike the letters out: draw a line
            element.tag = MROW
            element.set("style", "border-top:.06em solid;padding-top:.12em")
        variant = element.attrib.get("mathvariant")
        if variant and not (variant == "normal" and tag == "mi"):
            del element.attrib["mathvariant"]
            if tag == "mtext":
                element.set(
                    "style",
                    {"bold": "font-weight:bold", "italic": "font-style:italic"}.get(
                        variant, ""
                    ),
                )
            elif element.text:
                element.text = styled(element.text, variant)
    return math


@cache
def _katex():
    context = quickjs.Context()
    context.eval((files("sphinxcontrib") / "katex.min.js").read_text(encoding="utf-8"))
    context.eval(
        "function toMathML(tex, display) { return katex.renderToString(tex,"
        " {displayMode: display, output: 'mathml', throwOnError: true, strict: 'ignore'}) }"
    )
    return context.get("toMathML")


@cache
def mathml(tex, display=False):
    """Return TeX as a MathML element in text form. Raises ValueError with KaTeX's words where it does not parse."""
    try:
        markup = _katex()(tex, display)
    except quickjs.JSException as error:
        raise ValueError(str(error).splitlines()[0]) from None
    math = ET.fromstring(markup).find(f"{{{MATHML}}}math")
    return ET.tostring(mended(math), encoding="unicode")


def _set(translator, node, display):
    tex = node.astext()
    if display and "\\\\" in tex and "\\begin" not in tex:
        tex = f"\\begin{{aligned}}{tex}\\end{{aligned}}"
    for wrapper in (
        "equation",
        "align",
        "gather",
    ):  # amsmath blocks keep their environment; numbers are Sphinx's
        tex = tex.replace(
            f"{{{wrapper}*}}", f"{{{wrapper if wrapper != 'equation' else 'gather'}ed}}"
        )
    try:
        return mathml(tex, display)
    except ValueError as error:
        logger.warning(
            "formula not understood: %s: %s", error, tex.strip(), location=node
        )
        return f"<code>{translator.encode(tex)}</code>"


def visit_inline(translator, node):
    translator.body.append(_set(translator, node, display=False))
    raise nodes.SkipNode


def visit_block(translator, node):
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        translator.body.append(
            f'<span class="eqno">({get_node_equation_number(translator, node)})'
        )
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(_set(translator, node, display=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
