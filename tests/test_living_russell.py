"""chapters/living-russell.ipynb: the mirror of the page is the mirror of Python; what is refused."""

import math

import numpy as np
import pytest
from chapter_code import chapter

RUSSELL = chapter("living-russell")


@pytest.mark.parametrize(
    "w, g", [(0, 0.9), (50, 0.9), (100, 0.9), (80, 1.25), (100, 1.5)]
)
def test_the_mirror_of_the_page_is_pythons(browser, w, g):
    """The line follows the rounds until it leaves the picture, and the words say whether it settles."""
    page = browser.new_page()
    page.set_content('<svg><path class="rest"/><polyline class="felt"/></svg>')
    said = page.evaluate(
        """([script, v]) => { const said = {}, $ = s => document.querySelector(s);
            new Function('v', 'say', '$', script)(v, (n, t) => { said[n] = t; }, $);
            return [said, $('.felt').getAttribute('points')]; }""",
        [RUSSELL.SCRIPT, {"w": w, "g": g}],
    )
    gain = g * w / 100
    felt = RUSSELL.mirror(1, gain, 1, 25)
    points = [tuple(map(float, p.split(","))) for p in said[1].split()]
    inside = [s for s in felt if s <= 12.4]
    assert len(points) == min(len(inside) + 1, 26)
    np.testing.assert_allclose(
        [y for _, y in points[: len(inside)]], [192 - 15 * s for s in inside], atol=0.06
    )
    drawn = [tuple(map(float, p.split(","))) for p in RUSSELL.rounds(gain).split()]
    np.testing.assert_allclose(drawn, points, atol=0.11)  # two roundings to a tenth
    settles = f"It settles at {1 / (1 - gain):.2f}" if gain < 1 else ""
    assert said[0]["what"] == (settles or "It grows without end")
    page.close()


def test_matters_of_one_correlation_exist_from_minus_one_over_n_less_one_to_one():
    for n, rho in ((1, -5.0), (1, 1.0), (2, -1.0), (2, 1.0), (5, -0.25), (5, 0.0)):
        if n == 1 or -1 / (n - 1) <= rho:
            values = np.linalg.eigvalsh(RUSSELL.equicorrelated(n, rho))
            assert values.min() > -1e-12
    for n, rho in ((0, 0.0), (2, -1.1), (5, -0.26), (2, 1.01), (2, math.nan)):
        with pytest.raises(ValueError, match="cannot all have"):
            RUSSELL.equicorrelated(n, rho)


def test_attention_that_cannot_be_shared_is_refused():
    np.testing.assert_allclose(RUSSELL.shares([1, 0, 3]), [0.25, 0, 0.75])
    for attention in ([-1, 3], [0, 0], [math.nan, 1], [-1, -2]):
        with pytest.raises(ValueError, match="non-negative"):
            RUSSELL.shares(attention)
