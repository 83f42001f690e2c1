"""chapters/living-switch.ipynb: its explorable is worked from the keyboard."""

import random
from graphlib import CycleError, TopologicalSorter

import pytest
from chapter_code import chapter
from hypothesis import given
from hypothesis import strategies as st

SWITCH = chapter("living-switch")


def six_jobs():
    """Return a walk, as `measured` would give it, of six made-up jobs along 12 ideas."""
    rng = random.Random(5)
    needs = {f"job {k}": set(rng.sample(range(60), 9 + 3 * k)) for k in range(6)}
    walk = []
    for read in range(13):
        mine = set(range(20 + read))
        walk.append(
            {
                job: (
                    40 - read * k,
                    SWITCH.coverage(need, mine),
                    SWITCH.cosine(need, mine),
                )
                for k, (job, need) in enumerate(needs.items())
            }
        )
    return walk, needs


@pytest.mark.parametrize("width", [1280, 390])
def test_the_three_rulers_are_moved_from_the_keyboard(browser, width):
    """At each place of the slider the three columns stand in Python's order, with Python's figures."""
    walk, needs = six_jobs()
    page = browser.new_page(viewport={"width": width, "height": 800})
    said = []
    page.on("pageerror", lambda e: said.append(str(e)))
    page.set_content(SWITCH.slopes(walk, needs, 20).data)
    handle = page.locator("input[name=read]")
    handle.focus()
    for read, row in enumerate(walk):
        assert handle.input_value() == str(read)
        orders = [
            sorted(needs, key=lambda j, c=c: (-1) ** (c > 0) * row[j][c])
            for c in range(3)
        ]
        for column, order in enumerate(orders):
            texts = page.locator(f"text[class^=t{column}]").all()
            seen = sorted(texts, key=lambda t: float(t.get_attribute("y")))
            words = [t.text_content() for t in seen]
            for job, text in zip(order, words, strict=True):
                figure = f"{float(row[job][column]):.{2 * (column > 0)}f}"
                assert figure in text.split() and (column == 1 or job in text)
        words = page.inner_text("[data-say=now]")
        assert f"{read} ideas read. Nearest by coverage: {orders[1][0]};" in words
        assert f"by likeness: {orders[2][0]}. Farthest" in words
        page.keyboard.press("ArrowRight")
    width_of_page = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width_of_page[0] <= width_of_page[1] and not said
    page.close()


def test_an_order_of_ideas_that_do_not_exist_is_refused():
    before = {"a": set(), "b": {"a"}}
    rank = {"a": 0, "b": 1, "c": 2}
    assert SWITCH.reading_order(before, {"b", "a"}, rank) == ["a", "b"]
    with pytest.raises(ValueError, match="c"):
        SWITCH.reading_order(before, {"a", "c"}, rank)


@given(st.integers(1, 6), st.data())
def test_a_plan_has_its_depth_and_a_circle_none(n, data):
    """Any arrows between n ideas; the standard library's sorter is the witness of a circle."""
    before = {
        k: data.draw(st.sets(st.integers(0, n - 1), max_size=2)) for k in range(n)
    }
    try:
        list(TopologicalSorter(before).static_order())
    except CycleError:
        with pytest.raises(ValueError, match="circle"):
            SWITCH.nilpotency(before, range(n))
    else:
        depth = max(SWITCH.sittings(before, range(n)).values())
        assert SWITCH.nilpotency(before, range(n)) == depth
