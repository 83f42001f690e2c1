"""chapters/map.ipynb: stones are tapped, roads are kept in the address, and the range in ink covers its stones."""

import contextlib
import io
import os
import sys

import nbformat
import numpy as np
import pytest
from chapter_code import CHAPTERS


@pytest.fixture(scope="module")
def map_page():
    """What the page `map` computes; its cells take a moment and write nothing."""
    names = {"__name__": "map"}
    notebook = nbformat.read(CHAPTERS / "map.ipynb", 4)
    here = os.getcwd()
    os.chdir(CHAPTERS)
    sys.path.insert(0, str(CHAPTERS))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    exec(compile(cell.source, cell.id, "exec"), names)
    finally:
        os.chdir(here)
        sys.path.remove(str(CHAPTERS))
    return names


@pytest.mark.parametrize("width", [1280, 390])
def test_a_stone_is_tapped_and_the_address_keeps_the_road(
    browser, map_page, tmp_path, width
):
    place = tmp_path / "map.html"
    head = "<!doctype html><meta charset=utf-8><style>figure { margin: 0 }</style>"
    place.write_text(head + map_page["shown"].data, encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, has_touch=width < 500
    )
    page = context.new_page()
    said = []
    page.on("pageerror", lambda e: said.append(str(e)))
    page.goto(place.as_uri())
    concepts, rank, before = map_page["concepts"], map_page["rank"], map_page["before"]
    known = map_page["asked"][0]
    assert page.get_attribute(".way", "d") == map_page["trail"]  # drawn alike by both
    assert page.text_content(".stone.to") == concepts["trained-model"].en
    for goal in ("inertia", "kernel-verdict", "softmax", "contest"):
        x, y = map_page["spot"][goal]
        box = page.locator("svg").bounding_box()
        scale = box["width"] / map_page["ink"].WIDTH
        page.evaluate("scrollTo(0, 0)")
        spot = box["x"] + x * scale, box["y"] + y * scale
        (page.touchscreen.tap if width < 500 else page.mouse.click)(*spot)
        assert page.input_value("select[name=goal]") == goal
        assert f"want={goal}" in page.url
        plan = map_page["least_plan"](before, known, [goal])
        order = map_page["reading_order"](before, plan, rank)
        links = page.locator("ol.road li").count()
        assert links == len(order)
        assert page.text_content(".stone.to") == concepts[goal].en
        words = page.locator("svg text").all()
        for word in (w for w in words if w.text_content()):
            at = word.bounding_box()
            assert at["x"] >= box["x"] - 1
            assert at["x"] + at["width"] <= box["x"] + box["width"] + 1
            assert at["y"] + at["height"] <= box["y"] + box["height"] + 1
            assert float(word.get_attribute("font-size")) * scale >= 9
        page.reload()  # as somebody who was sent the address
        assert page.input_value("select[name=goal]") == goal
        assert page.locator("ol.road li").count() == len(order)
    page.focus("select[name=goal]")
    page.keyboard.press("ArrowDown")  # and without a pointer
    assert page.text_content(".stone.to") == page.eval_on_selector(
        "select[name=goal]", "e => e.selectedOptions[0].textContent"
    )
    assert not said
    context.close()


def test_the_range_in_ink_is_the_same_each_time_and_covers_its_stones(map_page):
    ink, groups, spot = map_page["ink"], map_page["groups"], map_page["spot"]
    drawing = ink.mountains(groups, spot)
    assert drawing == ink.mountains(groups, spot) != ink.mountains(groups, spot, 1)
    assert "nan" not in drawing and len(drawing) < 32_000
    assert len(set(spot.values())) == len(spot) == len(map_page["concepts"])
    for group in groups:
        line = ink._outline([spot[n] for n in group], 15 + 0.5 * len(group))
        xs, ys = zip(*line, strict=True)
        for x, y in (spot[n] for n in group):
            assert np.interp(x, xs, ys) <= y, "a stone stands in the air"
