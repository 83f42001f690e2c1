"""The built site in headless Chromium: quiet, self-contained, searchable, readable, accessible."""

import gzip
import re
from pathlib import Path
from urllib.parse import urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from chapter_code import CHAPTERS, ROOT

SITE = ROOT / "_build" / "html"
PAGES = sorted(
    f"chapters/{p.stem}.html"
    for p in [*CHAPTERS.glob("*.ipynb"), *CHAPTERS.glob("*.md")]
)
KB = 1000


def open_page(browser, address, **options):
    """Open a page; return it with what it asked for and what it complained of."""
    page = browser.new_page(**options)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on(
        "console",
        lambda m: said.append(m.text) if m.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    return page, asked, said


@pytest.fixture(scope="module", params=PAGES)
def visit(request, site, browser):
    """One page of the book, opened once for all tests that look at it: wide, in the light."""
    wide = {"width": 1280, "height": 900}
    page, asked, said = open_page(
        browser, f"{site}/{request.param}", viewport=wide, color_scheme="light"
    )
    yield page, asked, said
    page.close()


def test_page_is_quiet_light_and_asks_no_other_host(site, visit):
    _, asked, said = visit
    home = urlparse(site).netloc
    asked = [url for url in asked if not url.startswith(("data:", "blob:"))]
    foreign = [url for url in asked if urlparse(url).netloc != home]
    files = {urlparse(url).path for url in asked}
    weights = {
        f: len(gzip.compress((SITE.parent / f.lstrip("/")).read_bytes(), 6))
        for f in files
    }
    pictures = sum(w for f, w in weights.items() if "/_images/" in f)
    assert not foreign and not said, (foreign, said)
    assert len(files) <= 25, sorted(files)
    assert sum(weights.values()) <= 450 * KB, weights
    assert sum(weights.values()) - pictures <= 260 * KB, weights


def test_formulas_are_drawn_and_pictures_have_words(visit):
    page, _, _ = visit
    formulas = page.evaluate(
        "[...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().width)"
    )
    text = page.inner_text("article")
    blind = page.evaluate(
        "[...document.querySelectorAll('article img')].filter(i => (i.alt || '').length < 30).map(i => i.src)"
    )
    broken = page.evaluate(
        "[...document.querySelectorAll('img')].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    )
    assert len(text) > 200
    assert not blind and not broken, (blind, broken)
    assert not re.search(r"\\(?:frac|sum|mathbf|begin)\b", text), (
        "a formula is shown as its source"
    )
    hidden = sum(width == 0 for width in formulas)
    # Formulas in folded solutions have no width until they are opened.
    assert hidden < max(1, len(formulas)), "no formula is drawn"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_no_serious_accessibility_fault(visit, scheme):
    page, _, _ = visit
    page.emulate_media(color_scheme=scheme)
    page.wait_for_selector(f"html[data-theme={scheme}]")
    # Colours fade from one scheme to the other; what is examined is the page at rest.
    page.evaluate("Promise.all(document.getAnimations().map(a => a.finished))")
    # What is the same on every page is examined on the home page, which is small;
    # of the ledger's tables, all alike, the first rows.
    shared = [".highlight", "math", "figure svg", ".bd-sidebar", ".bd-header"]
    shared += [".ledger tr:nth-child(n+4)"]
    if page.url.endswith("chapters/index.html"):
        shared = []
    context = {"exclude": [[part] for part in shared]} if shared else None
    # Only contrast depends on the scheme.
    options = {"runOnly": ["color-contrast"]} if scheme == "dark" else None
    found = Axe().run(page, context=context, options=options).response["violations"]
    serious = [
        (v["id"], [(n["target"], n["failureSummary"][:200]) for n in v["nodes"][:3]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert not serious, serious


def test_phone_never_scrolls_sideways(visit):
    page, _, _ = visit
    wide = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(wide)
    assert width <= 390


def test_no_page_names_another_host_in_what_it_loads():
    for path in SITE.rglob("*.html"):
        html = path.read_text(encoding="utf-8")
        loads = re.findall(
            r'<(?:script|img|iframe|source)[^>]*\ssrc="(https?:)?//', html
        )
        loads += re.findall(
            r'<link[^>]*rel="(?:stylesheet|preload|icon)"[^>]*href="(https?:)?//', html
        )
        assert not loads, path


def test_mathematics_is_set_in_the_books_own_face(site, browser):
    page, _, _ = open_page(browser, f"{site}/chapters/index.html")
    assert page.evaluate(
        "document.fonts.ready.then(() => document.fonts.check('16px \"Book Math\"'))"
    )
    loaded = page.evaluate(
        "[...document.fonts].filter(f => f.status == 'loaded').map(f => f.family.replaceAll('\"', ''))"
    )
    page.close()
    assert {"Book Math", "Book Serif"} <= set(loaded)


def test_dark_mode_changes_the_ground(site, browser):
    grounds = []
    for scheme in ("light", "dark"):
        page, _, _ = open_page(
            browser, f"{site}/chapters/index.html", color_scheme=scheme
        )
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert grounds == ["rgb(251, 249, 244)", "rgb(20, 24, 29)"]


def test_search_finds_a_term(site, browser):
    page, _, said = open_page(browser, f"{site}/search.html?q=silhouette")
    page.wait_for_selector("#search-results li", timeout=10_000)
    results = page.inner_text("#search-results")
    page.close()
    assert "Ridge and Peak" in results and not said


def test_every_link_within_the_site_leads_somewhere():
    names = {
        p.relative_to(SITE).as_posix(): p.read_text(encoding="utf-8")
        for p in SITE.rglob("*.html")
    }
    ids = {
        name: set(re.findall(r'\sid="([^"]+)"', html)) for name, html in names.items()
    }
    dead = []
    for name, html in names.items():
        for link in re.findall(r'<a[^>]*\shref="([^"]+)"', html):
            target, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", target) or name.startswith("_static"):
                continue
            there = (SITE / name).parent / target if target else SITE / name
            there = Path(re.sub(r"/+$", "", str(there.resolve())))
            if there.suffix != ".html":
                dead += [] if there.exists() else [(name, link)]
            elif there.relative_to(SITE.resolve()).as_posix() not in names:
                dead.append((name, link))
            elif (
                anchor
                and anchor not in ids[there.relative_to(SITE.resolve()).as_posix()]
            ):
                dead.append((name, link))
    assert not dead, dead[:10]


def test_ledger_and_checks_lead_to_each_other(site, browser):
    page, _, _ = open_page(browser, f"{site}/chapters/ledger.html")
    rows = page.locator("table.ledger tbody tr").count()
    total = page.inner_text("article strong >> nth=0")
    page.locator("table.ledger tbody tr a.passed").first.click()
    page.wait_for_load_state()
    assert "#check-" in page.url
    page.locator(".seal a", has_text="ledger").first.click()
    page.wait_for_load_state()
    assert "ledger.html#ledger-" in page.url
    page.close()
    assert total.startswith(f"{rows} claims")


def test_explorable_moves_by_keyboard(site, browser):
    page, _, _ = open_page(browser, f"{site}/chapters/index.html")
    figure = page.locator("figure.explorable").first
    before = figure.locator(".seen").get_attribute("points")
    figure.locator("input[type=range]").focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    assert figure.locator(".seen").get_attribute("points") != before
    assert figure.locator("output").inner_text() == "30"
    page.close()


def test_explorables_keep_their_key_frame_without_javascript(site, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/chapters/index.html")
    assert page.locator("figure.explorable svg").first.is_visible()
    assert not page.locator("figure.explorable .controls").first.is_visible()
    context.close()
