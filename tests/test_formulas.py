"""Formulas at build time: what is refused, and where the ink lies when Chromium draws them in the book's own face."""

import base64
import re
import sys
from io import BytesIO

import numpy as np
import pytest
from chapter_code import ROOT
from docutils import nodes
from docutils.utils import new_document
from PIL import Image

sys.path[:0] = [str(ROOT / "_ext"), str(ROOT / "make")]
from fonts import cut, symbols_of  # noqa: E402
from ridge.formulas import hold, mathml  # noqa: E402

CSS = (ROOT / "_static/book.css").read_text(encoding="utf-8")
FACE = re.compile(r"@font-face \{[^}]*\}")
EM = 40


@pytest.fixture(scope="module")
def ink(browser):
    """Return a function that draws a formula at 40 px and returns the dark pixels, cropped to them."""
    page = browser.new_page(viewport={"width": 900, "height": 500})

    def draw(tex):
        markup = mathml(tex, True)
        font = base64.b64encode(cut("math", symbols_of(markup))).decode()
        page.set_content(
            f'<style>{FACE.sub("", CSS)} @font-face {{ font-family: "Book Math"; src: url(data:font/woff2;base64,{font}) }}'
            f"body {{ background: white; color: black; font-size: {EM}px }} math {{ font-size: 1em }}</style>"
            f'<div style="margin: 80px">{markup}</div>'
        )
        page.evaluate("document.fonts.ready")
        assert page.evaluate("document.fonts.check('40px \"Book Math\"')")
        grey = np.array(Image.open(BytesIO(page.screenshot())).convert("L"))
        return crop(grey < 128)

    yield draw
    page.close()


def crop(dark):
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    return dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def bands(dark):
    """Cut a picture into its rows of ink, from top to bottom; return (left, right) of each."""
    marks = np.flatnonzero(np.diff(np.r_[0, dark.any(1), 0]))
    spans = [
        np.flatnonzero(dark[a:b].any(0))
        for a, b in zip(marks[::2], marks[1::2], strict=True)
    ]
    return [(int(span[0]), int(span[-1])) for span in spans]


def test_entries_of_a_matrix_are_centred(ink):
    (l1, r1), (l2, r2) = bands(ink(r"\begin{matrix} 88888 \\ 8 \end{matrix}"))
    assert r1 - l1 > 3 * (r2 - l2)
    assert abs((l1 + r1) / 2 - (l2 + r2) / 2) <= 2


def test_aligned_equations_stand_at_their_signs(ink):
    (l1, r1), (l2, r2) = bands(
        ink(r"\begin{aligned} 8 &= 1 \\ 8888888 &= 1 \end{aligned}")
    )
    assert abs(r1 - r2) <= 1 and l1 - l2 > 2 * EM


def test_what_follows_a_line_break_stands_below(ink):
    assert len(bands(ink(r"88 = 8 \\ = 8"))) >= 2


def test_rules_frames_and_strokes_are_drawn(ink):
    ruled = ink(r"\begin{array}{cc} 8 & 8 \\ \hline 8 & 8 \end{array}")
    assert ruled.all(1).any(), "no line from end to end between the rows"
    boxed = ink(r"\boxed{8}")
    for edge in (boxed[0], boxed[-1], boxed[:, 0], boxed[:, -1]):
        assert edge.all()
    plain, struck = ink("8"), ink(r"\cancel{8}")
    assert struck.shape[0] >= plain.shape[0] and struck.sum() > plain.sum() + EM / 2
    assert struck[-3:, :3].any() and struck[:3, -3:].any(), (
        "a stroke from corner to corner"
    )


@pytest.mark.parametrize("accent", ["hat", "tilde", "bar", "vec", "dot"])
def test_accents_stand_over_their_letter(ink, accent):
    above, letter = bands(ink(rf"\{accent}{{\mathrm o}}"))
    assert abs(sum(above) - sum(letter)) / 2 <= 3, "not over the middle"
    least = 0.05 if accent == "dot" else 0.2
    assert least * EM <= above[1] - above[0] <= 0.7 * EM


@pytest.mark.parametrize("accent", ["overline", "widehat"])
def test_wide_accents_stretch(ink, accent):
    above, letters = bands(ink(rf"\{accent}{{\mathrm{{ooo}}}}"))[:2]
    wide = 0.85 if accent == "overline" else 0.5
    assert above[1] - above[0] >= wide * (letters[1] - letters[0])


def test_a_root_leaves_no_gap_behind_it(ink):
    """The bar of the root ends where a plain dot may follow: nothing wider than a letter's own space."""
    dark = ink(r"\sqrt{8}\mathrm{I}")
    bar = np.flatnonzero(dark[1])[-1]
    letter = np.flatnonzero(dark[:, bar + 2 :].any(0))[0] + 2
    assert letter < 0.2 * EM
    tall = ink(r"\sqrt{\begin{matrix} 8\\8\\8\\8\\8 \end{matrix}}")
    assert tall.shape[0] > 5 * EM, "the sign grows with what is under it"


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac{1}",
        r"\href{https://a.example}{z}",
        r"\unheardof",
        "x^",
        r"\begin{matrix}",
    ],
)
def test_what_is_not_understood_is_refused(tex):
    with pytest.raises(ValueError):
        mathml(tex)


def test_amsmath_environments_leave_numbers_to_sphinx():
    for tex in (
        r"\begin{align} a &= b \end{align}",
        r"\begin{equation*} a \end{equation*}",
    ):
        assert "(1)" not in mathml(tex, True) and "50%" not in mathml(tex, True)


def test_letters_that_browsers_slant_themselves_are_kept_in_the_face():
    assert set("𝑥𝛼ℎ√ˆ") <= set(symbols_of(mathml(r"x + \alpha + h")))


def test_a_formula_holds_the_punctuation_at_its_sides():
    words = ("set (", "x", "), and ", "y", "。", "z", " ends")
    kinds = (nodes.Text, lambda words: nodes.math(words, words))
    page = new_document("page")
    page += nodes.paragraph("", "", *(kinds[n % 2](w) for n, w in enumerate(words)))
    hold(None, page, "page")
    assert page.astext() == "".join(words)
    held = [n.astext() for n in page.findall(nodes.inline)]
    assert held == ["(x),", "y。"]
