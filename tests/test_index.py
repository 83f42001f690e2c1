"""What the home page cannot check about itself: its hill as Python draws it and as its script does, and what is no hill."""

import re
import sys

import numpy as np
import pytest
from chapter_code import CHAPTERS

sys.path.insert(0, str(CHAPTERS))
import home_hill  # noqa: E402

HILL = [[9.0, 2.0], [2.0, 1.0]]
NO_HILLS = [
    np.ones((2, 3)),
    [[1]],
    [[2, 1], [0, 2]],
    [[1, 2], [2, 1]],
    [[1, 0], [0, 0]],
    [[-1, 0], [0, -1]],
]


@pytest.mark.parametrize("S", NO_HILLS)
def test_what_is_no_hill_is_refused(S):
    with pytest.raises(ValueError, match="symmetric 2 x 2"):
        home_hill.walk_round(S)


def test_the_hill_is_drawn_as_its_script_draws_it(browser):
    """Python draws the beginning, the script what follows, from the same beginning: the two must meet there."""
    drawn = home_hill.picture(np.array(HILL))
    page = browser.new_page(reduced_motion="reduce")  # else it soon turns by itself
    page.set_content(home_hill.walk_round(HILL).data)
    for degrees in ("90", "0"):
        page.locator("[name=walked]").fill(degrees)
    now = page.evaluate("document.querySelector('figure svg').outerHTML")
    page.close()

    def numbers(svg):
        slices = re.findall(r'points="([^"]*)"', svg)
        (eye,) = re.findall(r'class="eye" transform="rotate\((-?[\d.]+)', svg)
        points = [re.findall(r"-?[\d.]+", points) for points in slices]
        return np.array(points, float), float(eye)

    (before, eye), (after, turned) = numbers(drawn), numbers(now)
    assert before.shape == after.shape == (len(home_hill.DEPTHS), 2 * 63)
    np.testing.assert_allclose(after[:, ::2], before[:, ::2], rtol=0, atol=1)
    np.testing.assert_allclose(after[:, 1::2], before[:, 1::2], rtol=0, atol=0.11)
    assert abs(eye - turned) < 0.06
    widest = np.linalg.eigvalsh(HILL)[1] ** 0.5
    assert f">{widest:.2f}<" in drawn and f">{widest:.2f}<" in now


def test_the_slice_through_the_summit_is_the_bell_of_the_side():
    """The eye that looks along the narrow axis of a level hill sees the wide axis' bell."""
    rows = home_hill.slice_at(np.diag([4.0, 1.0]), 0, np.pi / 2).split()[1:-1]
    x, y = np.array([row.split(",") for row in rows], float).T
    bell = 168 - 138 * np.exp(-(((x - 320) / 34) ** 2) / 8)
    np.testing.assert_allclose(y, bell, rtol=0, atol=1.5)
