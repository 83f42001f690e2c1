"""Formulas at build time: what MathML Core needs and KaTeX does not write."""

import sys

import pytest
from chapter_code import ROOT

sys.path.insert(0, str(ROOT / "_ext"))
from ridge.formulas import mathml, styled  # noqa: E402


@pytest.mark.parametrize(
    "letter, variant, wanted",
    [
        ("E", "double-struck", "𝔼"),
        ("R", "double-struck", "ℝ"),
        ("N", "script", "𝒩"),
        ("L", "script", "ℒ"),
        ("h", "italic", "ℎ"),
    ]
    + [
        ("x", "bold", "𝐱"),
        ("3", "bold", "𝟑"),
        ("θ", "bold-italic", "𝜽"),
        ("Σ", "bold", "𝚺"),
        ("+", "bold", "+"),
        ("C", "fraktur", "ℭ"),
    ],
)
def test_styled_letters_are_the_unicode_ones(letter, variant, wanted):
    assert styled(letter, variant) == wanted


def test_no_attribute_that_browsers_ignore_is_left():
    text = mathml(
        r"\begin{aligned} \mathbb{E}\mathbf{x} &= \mathcal{N} \\ &= \begin{pmatrix}1&2\\3&4\end{pmatrix}\end{aligned}",
        True,
    )
    for attribute in (
        "columnalign",
        "columnspacing",
        "rowspacing",
        "mathvariant",
        "annotation",
    ):
        assert attribute not in text
    assert "text-align:right" in text and "𝔼" in text and "𝐱" in text


def test_scripts_have_exactly_their_arguments():
    assert "<msub><mi>λ</mi><mi>max</mi></msub>" in mathml(r"\lambda_{\max}")
    assert "\u2061" not in mathml(r"\ln x + \log_2 y")


def test_functions_are_set_apart_from_their_neighbours_but_not_from_brackets():
    thin = '<mspace width="0.1667em"'
    assert mathml(r"n \ln q").count(thin) == 2
    assert mathml(r"\ln(q)").count(thin) == 0
    assert mathml(r"-\ln q").count(thin) == 1
    assert mathml(r"n \log_2 x").count(thin) == 2


def test_a_sign_at_the_start_of_a_term_is_a_prefix():
    assert 'form="prefix"' in mathml(r"\exp\left(-x\right)")
    assert 'form="prefix"' not in mathml(r"a - b")


def test_a_mistyped_formula_says_so():
    with pytest.raises(ValueError, match="KaTeX parse error"):
        mathml(r"\frac{1}")


def test_an_overline_is_a_line_over_the_letters():
    text = mathml(r"\overline{nm}")
    assert "border-top" in text and "mover" not in text and "‾" not in text


def test_a_root_holds_a_strut_before_its_radicand():
    text = mathml(r"\sqrt{n}")
    strut, rest = text.index("mspace"), text.index(">n<")
    assert text.index("msqrt") < strut < rest and 'height=".72em"' in text
