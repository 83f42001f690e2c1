"""The chapters about living: their explorables are worked as a reader works them, in a real browser."""

import math
import random

import numpy as np
import pytest
from chapter_code import chapter

SWITCH, OFFERS = chapter("living-switch"), chapter("living-offers")
YEAR, RUSSELL = chapter("living-year"), chapter("living-russell")
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


@pytest.mark.parametrize("b", [0, 0.05, 0.1, 0.2])
def test_the_explorable_of_the_days_draws_what_the_law_says(run_script, b):
    k = np.arange(1, 7)
    rho, phi = 0.6, 0.7
    centred = YEAR.centred(phi, rho)
    data = [None] * 21
    data[round(100 * b)] = [rho, phi, 0.04 if b < 0.15 else 0.06, 2.5, *centred]
    done = run_script(YEAR.SCRIPT, {"b": b}, data)
    within = rho * phi**k
    curves = {".t": within, ".p": b + (1 - b) * within, ".c": centred}
    for name, curve in curves.items():
        points = [p.split(",") for p in done["set"][f"{name} points"].split()]
        assert [int(x) for x, _ in points] == [52 + 54 * j for j in range(6)]
        np.testing.assert_allclose(
            [float(y) for _, y in points], 168 - 250 * np.asarray(curve), atol=0.06
        )
    assert done["said"]["half"] == "2.5"
    assert done["said"]["word"].startswith("within" if b < 0.15 else "more than")


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
    settles = f"It settles at {1 / (1 - gain):.2f}" if gain < 1 else ""
    assert said[0]["what"] == (settles or "It grows without end")
    page.close()


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
