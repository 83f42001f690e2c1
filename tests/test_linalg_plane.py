"""chapters/linalg_plane.py: the plane that a reader moves. Witness: numpy; then the page's script against Python, and the page moved."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "chapters"))
import linalg_plane as plane  # noqa: E402

EPS = np.finfo(float).eps
entries = st.tuples(*[st.integers(-30, 30).map(lambda k: k / 10)] * 4)
quick = settings(max_examples=60, deadline=None)


def values(layer, A, k):
    """Return controls for a layer at A; k in 0 … 20 moves what the layer has beside A."""
    v = dict(zip("abcd", A, strict=True))
    if layer == "product":
        B = list(plane.BS)[k % 4]
        return v | {"B": B, "order": "AB" if k % 2 else "BA", "t": k / 10}
    if layer == "area":
        return v | {"s": (k - 10) / 10}
    if layer == "eigen":
        return v | {"angle": 17 * k, "preset": "moved by hand"}
    return v | {"t": 3 * k / 20}


def numbers(text):
    return [float(x.replace("−", "-")) for x in re.findall(r"[−-]?\d+(?:\.\d+)?", text)]


def start_of(P):
    return np.reshape(P, (2, 2))


@quick
@given(A=entries, k=st.sampled_from(range(4)), order=st.sampled_from(["AB", "BA"]))
def test_a_product_ends_where_numpy_says(A, k, order):
    name = list(plane.BS)[k]
    B = start_of(plane.BS[name])
    v = dict(zip("abcd", A, strict=True)) | {"B": name, "order": order}
    first, both = (
        (B, start_of(A) @ B) if order == "AB" else (start_of(A), B @ start_of(A))
    )
    for t, end in ((0, np.eye(2)), (1, first), (2, both)):
        M, say, _ = plane.state("product", v | {"t": t})
        np.testing.assert_allclose(start_of(M), end, atol=20 * EPS * 6)
    for key, P in (("two", start_of(A) @ B), ("three", B @ start_of(A))):
        np.testing.assert_allclose(numbers(say[key]), P.T.ravel(), atol=0.0051)
    assert say["three"].endswith("the same") == np.allclose(
        start_of(A) @ B, B @ start_of(A)
    )


@quick
@given(A=entries, s=st.integers(-20, 20).map(lambda k: k / 20))
def test_the_area_is_numpys_determinant_and_a_slide_keeps_it(A, s):
    v = dict(zip("abcd", A, strict=True)) | {"s": s}
    M, say, shapes = plane.state("area", v)
    d = np.linalg.det(start_of(A))
    np.testing.assert_allclose(
        [np.linalg.det(start_of(M)), *numbers(say["one"])], d, atol=0.0051
    )
    assert (
        ("mirrored" in say["two"])
        == (d < -1e-6)
        == ("cinnabar" in shapes[".face fill"])
    )


@quick
@given(A=entries, angle=st.integers(0, 360))
def test_lines_that_stay_are_numpys_eigenvectors(A, angle):
    M = start_of(A)
    m, root, lines = plane.eigen(A)
    theirs = np.linalg.eigvals(M)
    ours = m + root * np.array([1, -1]) * (1j if lines is None else 1)
    gaps = abs(np.sort_complex(ours + 0j) - np.sort_complex(theirs + 0j))
    assert gaps.max() < 1e-6  # a double root feels the square root of ε
    if lines:
        size = max(1, np.abs(M).max())
        value = [x @ M @ x for x in map(np.array, lines)]
        for x, along in zip(map(np.array, lines), value, strict=True):
            assert np.linalg.norm(M @ x - along * x) < 1e-6 * size
        assert abs(value[0]) >= abs(value[1]) - 1e-6
    elif lines == []:
        np.testing.assert_allclose(M, m * np.eye(2), atol=1e-9)
    _, say, _ = plane.state(
        "eigen", dict(zip("abcd", A, strict=True)) | {"angle": angle, "preset": ""}
    )
    x = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    far = np.linalg.norm(np.linalg.matrix_power(M, 8) @ x)
    assert abs(numbers(say["three"])[1] - far) <= 0.0051 + 1e-9 * far


@quick
@given(A=entries)
def test_turn_stretch_turn_is_numpys_svd(A):
    theta, s, t, phi = plane.turns(A)
    np.testing.assert_allclose(
        [s, abs(t)], np.linalg.svd(start_of(A), compute_uv=False), atol=1e-13
    )
    v = dict(zip("abcd", A, strict=True))
    for k, end in (
        (0, np.eye(2)),
        (1, start_of(plane.turn(theta))),
        (2, np.diag([s, t]) @ start_of(plane.turn(theta))),
        (3, start_of(A)),
    ):
        M, *_ = plane.state("svd", v | {"t": k})
        np.testing.assert_allclose(start_of(M), end, atol=1e-13)


@pytest.mark.parametrize("layer", ["product", "area", "eigen", "svd"])
def test_the_script_draws_what_python_computes(run_script, layer):
    script = plane.squeezed(plane.script(layer))
    rng = np.random.default_rng(1806)
    matrices = [
        (0, 0, 0, 0),
        (1, 0, 0, 1),
        (2, 1, 4 / 2, 1),
        (0, -1, 1, 0),
        (1.5, 1, 0, 1.5),
    ]
    matrices += [tuple(x / 10) for x in rng.integers(-30, 31, (25, 4))]
    for number, A in enumerate(matrices):
        v = values(layer, [float(x) for x in A], number % 21)
        _, say, shapes = plane.state(layer, v)
        done = run_script(script, v, {"B": plane.BS, "presets": plane.PRESETS})
        for name, mine, theirs in (
            ("said", say, done["said"]),
            ("set", shapes, done["set"]),
        ):
            assert set(mine) == set(theirs), (name, v)
            for key in mine:
                words = re.sub(r"[−-]?\d+(?:\.\d+)?(?:e-?\d+)?", "#", str(mine[key]))
                assert words == re.sub(
                    r"[−-]?\d+(?:\.\d+)?(?:e-?\d+)?", "#", str(theirs[key])
                ), (key, v)
                np.testing.assert_allclose(
                    numbers(str(theirs[key])),
                    numbers(str(mine[key])),
                    rtol=2e-3,
                    atol=0.011,
                )


def test_the_key_frame_is_the_script_at_its_start(run_script):
    A = (2, 1, 1, 2)
    v = values("eigen", A, 0) | {"angle": 45}
    text = plane.picture("eigen", v, "alt")
    done = run_script(
        plane.squeezed(plane.script("eigen")), v, {"presets": plane.PRESETS}
    )
    assert all(words in text for words in done["said"].values())
    assert (
        f'd="{done["set"][".l1 d"]}"' in text and f'd="{done["set"][".c2 d"]}"' in text
    )


@pytest.fixture(scope="module", params=["product", "area", "eigen", "svd"])
def moved(request, browser):
    page = browser.new_page(viewport={"width": 500, "height": 900}, has_touch=True)
    faults = []
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.set_content(plane.plane(request.param, (1, 0, 0, 1), "a plane").data)
    yield request.param, page
    page.close()
    assert not faults


def matrix_on(page):
    """Return A as the sliders have it."""
    return tuple(float(page.locator(f"[name={k}]").input_value()) for k in "abcd")


def arrows_on(page):
    """Return the matrix whose columns the rings mark."""
    rings = [page.locator(f".h{k}").get_attribute("transform") for k in (1, 2)]
    return np.array([numbers(r) for r in rings]).T.ravel()


def test_a_column_is_taken_by_the_pointer_by_touch_and_by_a_key(moved):
    layer, page = moved
    ring = page.locator(".h1")
    box = ring.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    unit = box["x"] - page.locator(".h2").bounding_box()["x"]  # from (0, 1) to (1, 0)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + unit, y - unit / 2, steps=4)
    page.wait_for_function("() => document.querySelector('[name=c]').value > .35")
    page.mouse.up()
    a, b, c, d = matrix_on(page)
    assert abs(a - 2) < 0.11 and abs(c - 0.5) < 0.11 and (b, d) == (0, 1)
    page.mouse.move(x, y)  # let go: nothing follows any more
    assert matrix_on(page) == (a, b, c, d)
    page.locator("[name=b]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert matrix_on(page) == (a, 0.2, c, d)
    np.testing.assert_allclose(arrows_on(page), (a, 0.2, c, d), atol=1e-6)
    touch = page.context.new_cdp_session(page)
    box = page.locator(".h2").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    at = [{"x": x, "y": y}], [{"x": x, "y": y + unit / 2}], [{"x": x, "y": y + unit}]
    for kind, points in zip(("touchStart", "touchMove", "touchMove"), at, strict=True):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    near = "() => Math.abs(+document.querySelector('[name=d]').value) < .11"
    page.wait_for_function(near)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    A = matrix_on(page)
    assert A[:1] == (a,) and A[2] == c and abs(A[3]) < 0.11 and abs(A[1] - 0.2) < 0.11
    said = page.locator("figure [data-say=one]").text_content()
    if layer == "area":
        assert abs(numbers(said)[0] - np.linalg.det(start_of(A))) < 0.0051
    if layer == "eigen":
        assert page.locator("[name=preset]").input_value() == "moved by hand"


def test_a_menu_sets_the_columns(browser):
    page = browser.new_page()
    page.set_content(plane.plane("eigen", (2, 1, 1, 2), "a plane").data)
    page.select_option("[name=preset]", "Markov")
    assert matrix_on(page) == plane.PRESETS["Markov"]
    assert "1.00 and 0.70" in page.locator("figure [data-say=one]").text_content()
    page.close()


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="layer"):
        plane.plane("cube", (1, 0, 0, 1), "alt")
    with pytest.raises(ValueError, match="entries"):
        plane.plane("area", (4, 0, 0, 1), "alt")


def test_squeezing_leaves_strings_and_words_alone():
    code = (
        "const a = 'x = 1, y' + `${b + c} = d`;  // a remark\n  let z = a ? 1 : - 2;\n"
    )
    told = "const a='x = 1, y'+`${b + c} = d`;let z=a?1:-2;"
    assert plane.squeezed(code) == told
