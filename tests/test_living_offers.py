"""chapters/living-offers.ipynb: the game is played as a reader plays it, in a real browser; the two inductions on the smallest games."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given
from hypothesis import strategies as st

OFFERS = chapter("living-offers")

SEEDED = """
let state = 857;
Math.random = () => (state = (state * 16807) % 2147483647) / 2147483647;
"""  # the minimal standard generator


def offers():
    """Yield what the seeded page draws."""
    state = 857
    while True:
        state = state * 16807 % 2147483647
        yield state / 2147483647


@pytest.fixture(params=[(1280, 900), (360, 740)], ids=["desk", "phone"])
def page(request, browser):
    width, height = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=width < 500
    )
    page = context.new_page()
    page.said = []
    page.on("pageerror", lambda e: page.said.append(str(e)))
    page.add_init_script(SEEDED)
    page.goto("about:blank")  # the script above runs at a navigation
    page.set_content(f"<!doctype html><html><body>{OFFERS.game().data}</body></html>")
    yield page
    assert not page.said
    context.close()


def taken_by_the_rule(x, known):
    """Where the best rule stops, by Python's marks; None where it never does."""
    skip = OFFERS.best_skip(len(x))[0]
    for i, y in enumerate(x):
        if y == max(x[: i + 1]):
            if y >= OFFERS.threshold(len(x) - 1 - i) if known else i >= skip:
                return i
    return None


def test_the_game_is_played_from_the_keyboard_and_keeps_score(page):
    """Twenty rounds by the rule, with the keys alone; the page's rule and score are Python's."""
    drawn, wins = offers(), [0, 0]
    now = page.locator("[data-say=now]")
    for number in range(20):
        known = number >= 10
        x = [next(drawn) for _ in range(20)]
        stop = taken_by_the_rule(x, known)
        assert now.inner_text().startswith("Offer 1 of 20: the first.")
        if number == 0:
            page.focus("button.go")
        for i in range(20 if stop is None else stop):
            share = f"It beats {100 * x[i]:.0f} % of all offers."
            assert (share in now.inner_text()) == known
            assert page.evaluate("document.activeElement.className") == "go"
            page.keyboard.press("Enter")
        if stop is not None:
            assert "the best so far" in now.inner_text() or stop == 0
            page.focus("button.take")
            page.keyboard.press("Space")
        won = stop is not None and x[stop] == max(x)
        wins[known] += won
        words = now.inner_text()
        assert ("You took the best." in words) == won
        assert ("takes none here" in words) == (stop is None)
        assert stop is None or f"takes number {stop + 1}:" in words
        score = page.locator(f"[data-say=score{int(known)}]").inner_text()
        assert score.startswith(
            f"{wins[known]} of {number % 10 + 1} won; the best rule {wins[known]};"
        )
        assert page.evaluate("document.activeElement.className") == "next"
        label = {9: "Now with the distribution", 19: "Play again"}
        assert page.inner_text("button.next") == label.get(number, "Next round")
        page.keyboard.press("Enter")
    assert page.locator("[data-say=score0]").inner_text().startswith("0 of 0 won")


def test_the_game_tells_what_was_lost_and_fits_the_page(page):
    """Who takes the first offer each time wins about one round in twenty; nothing runs over the edge."""
    drawn = offers()
    for _ in range(10):
        x = [next(drawn) for _ in range(20)]
        page.locator("button.take").click()
        best = x.index(max(x)) + 1
        words = page.inner_text("[data-say=now]")
        assert (
            f"You took number 1; the best was number {best}." in words
            or best == 1
            and "You took the best." in words
        )
        assert page.locator(".bars rect").count() == 20
        page.locator("button.next").click()
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    long_run = [OFFERS.best_skip(20)[1], OFFERS.known_wins(20)]
    for kind, rate in enumerate(long_run):
        score = page.inner_text(f"[data-say=score{kind}]")
        assert score.endswith(f"in the long run {100 * float(rate):.0f} of 100")


def test_the_game_is_small_and_says_something_without_a_script(browser):
    html = OFFERS.game().data
    assert len(html.encode()) < 9_000 and len(OFFERS.GAME.encode()) < 4_096
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(html)
    assert not page.locator("button.take").is_visible()
    assert "the best rule wins 59 of 100" in page.inner_text("figure")
    context.close()


def test_the_two_inductions_know_the_smallest_games():
    assert OFFERS.best_by_ranks(1) == 1 and OFFERS.best_by_ranks(2) == 1 / 2
    assert math.isclose(OFFERS.wins_backward(1), 1)
    assert abs(OFFERS.wins_backward(2) - 3 / 4) < 2 / 4000**2


def test_the_bars_before_the_game_are_twenty_and_stand_in_the_picture():
    bars = re.findall(r'y="(\d+)" width="15" height="(\d+)"', OFFERS.game().data)
    heights = [int(height) for _, height in bars]
    assert len(bars) == 20 and all(int(y) + int(h) == 150 for y, h in bars)
    assert min(heights) >= 8 and max(heights) <= 128
    assert max(heights) > 4 * min(heights), "they differ"


@given(
    st.sampled_from([np.uint8, np.int8, np.uint64, np.float16, int]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.data(),
)
def test_the_value_of_a_signal_is_that_of_pythons_sums(kind, a, x, s, data):
    """Whole numbers: floats are exact, and the value is never negative."""
    numbers = st.integers(0, 100)
    u = [[data.draw(numbers) for _ in range(x)] for _ in range(a)]
    joint = [[data.draw(numbers) for _ in range(s)] for _ in range(x)]
    told = sum(
        max(sum(row[i] * joint[i][k] for i in range(x)) for row in u) for k in range(s)
    )
    silent = max(sum(row[i] * sum(joint[i]) for i in range(x)) for row in u)
    value = OFFERS.signal_value(np.array(u, kind), np.array(joint, kind))
    assert value == told - silent >= 0


@given(st.one_of(st.floats(0, 4), st.fractions(0, 4), st.integers(0, 4)))
def test_the_worth_of_the_report_is_exact_for_any_number(v):
    assert OFFERS.worth(v) == OFFERS.worth(Fraction(v))
    assert (OFFERS.worth(v) > 0) == (Fraction(2, 7) < v < Fraction(8, 3))
    assert OFFERS.worth(v) >= 0


@pytest.mark.parametrize("n", [0, -3])
def test_without_offers_there_is_nothing_to_skip(n):
    assert OFFERS.first_enough(1) == OFFERS.best_skip(1)[0] == 0
    for call in (OFFERS.first_enough, OFFERS.best_skip):
        with pytest.raises(ValueError, match="n="):
            call(n)
