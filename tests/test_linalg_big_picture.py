"""chapters/linalg_big_picture.py: the four subspaces, to be moved. Witness: numpy; then the page's script against Python, and the page."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "chapters"))
import linalg_big_picture as big  # noqa: E402

MATRICES = (
    [[1, 2], [-1, -2]],
    [[0.8, 0.6], [1.6, 1.2]],
    [[0, 0], [0, -2]],
    [[3, 0], [0, 0]],
)
NUMBER = r"[−-]?\d+(?:\.\d+)?"
part = st.integers(-20, 20).map(lambda k: k / 10)


def numbers(text):
    return [float(x.replace("−", "-")) for x in re.findall(NUMBER, text)]


@settings(max_examples=60, deadline=None)
@given(A=st.sampled_from(MATRICES), r=part, n=part, e=part)
def test_the_words_are_numpys(A, r, n, e):
    say, _ = big.state(A, r, n, e)
    M, v, w, _, z = np.array(A, float), *map(np.array, big.frames(A)[:4])
    x = np.array(numbers(say["x"])).reshape(3, 2)
    np.testing.assert_allclose(x[0], r * v + n * w, atol=0.0051)
    np.testing.assert_allclose(x[0], x[1] + x[2], atol=0.016)
    np.testing.assert_allclose(M @ w, 0, atol=1e-15)
    np.testing.assert_allclose(z @ M, 0, atol=1e-15)
    np.testing.assert_allclose(numbers(say["p"]), M @ (r * v + n * w), atol=0.0051)
    b = M @ (r * v) + np.linalg.norm(M) * e * z
    np.testing.assert_allclose(numbers(say["b"])[:2], b, atol=0.0051)
    np.testing.assert_allclose(numbers(say["s"]), np.linalg.pinv(M) @ b, atol=0.0051)
    assert ("reached" in say["b"]) == (e == 0)


@pytest.mark.parametrize("A", MATRICES)
def test_the_script_draws_what_python_computes(run_script, A):
    v, w, u, z, s = big.frames(A)
    data = {
        "v": v,
        "w": w,
        "u": u,
        "z": z,
        "s": s,
        "k": big.UNIT,
        "o": (big.LEFT, big.RIGHT),
    }
    for r, n, e in [
        (0, 0, 0),
        (1.2, 1.2, 0.8),
        (-1.8, 2, -1.8),
        (0.5, -2, 0),
        (-0.1, 0.1, 1),
    ]:
        done = run_script(big.squeezed(big.SCRIPT), {"r": r, "n": n, "e": e}, data)
        for mine, theirs in zip(
            big.state(A, r, n, e), (done["said"], done["set"]), strict=True
        ):
            assert set(mine) == set(theirs)
            for key in mine:
                assert re.sub(NUMBER, "#", mine[key]) == re.sub(
                    NUMBER, "#", theirs[key]
                )
                np.testing.assert_allclose(
                    numbers(theirs[key]), numbers(mine[key]), atol=0.11
                )


def test_x_and_b_are_taken_by_the_hand_and_by_a_key(browser):
    page = browser.new_page(viewport={"width": 420, "height": 900})
    faults = []
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.set_content(big.big_picture(MATRICES[0], "two planes", title="t").data)
    start = [float(page.locator(f"[name={k}]").input_value()) for k in "rne"]
    assert start == [1.2, 1.2, 0.8]
    for tip, key, other in ((".tx", "n", "e"), (".tb", "e", "n")):
        kept = page.locator(f"[name={other}]").input_value()
        box = page.locator(f"{tip} circle").first.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        before = page.locator(f"[name={key}]").input_value()
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 30, y - 10, steps=3)
        page.wait_for_function(
            "([k, b]) => document.querySelector(`[name=${k}]`).value !== b",
            arg=[key, before],
        )
        page.mouse.up()
        assert page.locator(f"[name={other}]").input_value() == kept
    page.locator("[name=n]").focus()
    page.keyboard.press("Home")
    v, w, *_ = big.frames(MATRICES[0])
    r = float(page.locator("[name=r]").input_value())
    said = numbers(page.locator("figure [data-say=x]").text_content())
    np.testing.assert_allclose(said[:2], big.mix(r, v, -2, w), atol=0.0051)
    page.close()
    assert not faults


def test_only_rank_one_is_drawn():
    for A in ([[1, 2], [3, 4]], [[0, 0], [0, 0]]):
        with pytest.raises(ValueError, match="rank one"):
            big.frames(A)
