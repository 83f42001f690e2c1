"""The faces of the book, cut to the letters that its pages use, in one style sheet.

There no line is drawn in another face first, and none jumps; and a page opened from a file may read it.
"""

import re
from base64 import b64encode
from html import unescape
from importlib.resources import files
from io import BytesIO
from unicodedata import combining, normalize

from fontTools import configLogger, subset
from fontTools.ttLib import TTFont

SERIF = files("font_source_serif_pro") / "files"
# Each face: the file that it comes from, and what the style sheet says of it.
FACES = {
    "math": (files("ziamath") / "fonts/STIXTwoMath-Regular.ttf", "font-family: Book Math"),
    "serif": (SERIF / "SourceSerifPro-Regular.ttf", "font-family: Book Serif"),
    "italic": (SERIF / "SourceSerifPro-It.ttf", "font-family: Book Serif; font-style: italic"),
    "bold": (SERIF / "SourceSerifPro-Semibold.ttf", "font-family: Book Serif; font-weight: 600 700"),
}
# What a browser draws of its own accord: roots, brackets, accents; and single letters in italics.
SIGNS = "0123456789()[]{}|‖⟨⟩√∑∏∫=+−<>^~¯ˆ˜˙¨˘ˇ‾→\u0302\u0303\u0305\u030c\u0332\u20d7"
ITALICS = [chr(c) for c in (*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C), 0x210E)]


def symbols_of(html):
    """Return the characters that the formulas in `html` need: their own, and those that a browser sets of its own accord."""
    found = "".join(re.findall(r"<math.*?</math>", html, re.DOTALL))
    found = set(unescape(re.sub("<[^>]+>", "", found))) | set(SIGNS)
    plain = {normalize("NFKC", c) for c in found}  # a single letter is set in italics
    return "".join(sorted(found | {c for c in ITALICS if normalize("NFKC", c) in plain}))


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


def cut(name, characters):
    """Return a face with only these characters (and, for formulas, their stretchy forms) as woff2.

    The separate drawings for scripts (`ssty`) are left out: they would double the file for a nuance of weight.
    """
    configLogger(level="WARNING")
    features = ["kern", "liga", "mark", "mkmk"]
    options = subset.Options(flavor="woff2", layout_features=features, notdef_outline=True, hinting=False)
    font, file = TTFont(FACES[name][0], recalcTimestamp=False), BytesIO()
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=characters)
    subsetter.subset(font)
    if name == "math":
        suit_chromium(font)
    subset.save_font(font, file, options)
    return file.getvalue()


def write(site):
    """Write the style sheet of a built site."""
    pages = "".join(p.read_text(encoding="utf-8") for p in site.rglob("*.html"))
    text, symbols, sheet = "".join(sorted(set(unescape(pages)))), symbols_of(pages), ""
    for name, (_, words) in FACES.items():
        font = b64encode(cut(name, symbols if name == "math" else text)).decode()
        sheet += f"@font-face {{ {words}; src: url(data:font/woff2;base64,{font}) }}\n"
    (site / "_static/fonts.css").write_text(sheet, encoding="utf-8")
