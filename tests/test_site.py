"""The built site in headless Chromium: quiet, light, whole on every screen and on paper, readable, accessible."""

import gzip
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from chapter_code import CHAPTERS, ROOT

sys.path.insert(0, str(ROOT / "_ext"))
from ridge import about  # noqa: E402

SITE = ROOT / "_build" / "html"
PAGES = sorted(
    f"chapters/{p.stem}.html"
    for p in [*CHAPTERS.glob("*.ipynb"), *CHAPTERS.glob("*.md")]
)
# Of the Chinese edition, pages of each kind.
CHINESE = "index ledger names bibliography map linalg-lectures loss-from-logits linalg-volume snowflake-list".split()
AXE = "index ledger names bibliography map linalg-lectures linalg-better-basis living-year streamlit-the-machine".split()
KB = 1000
MINUTES = 5 * 60_000  # how long the slowest machine is waited for, in milliseconds

# A page waits three seconds for its faces and is drawn without them then. A busy machine is given longer, as elsewhere.
WATCH = """
window.shift = 0;
const soon = setTimeout;
window.setTimeout = (act, wait, ...rest) => soon(act, wait === 3000 ? 300_000 : wait, ...rest);
new PerformanceObserver(list => list.getEntries().forEach(e => { if (!e.hadRecentInput) shift += e.value; }))
  .observe({type: 'layout-shift', buffered: true});
"""
# What of these elements nobody can bring into view, by scrolling what scrolls: (words, left, right).
OUT_OF_REACH = """selector => {
  const out = [];
  for (const e of document.querySelectorAll(selector)) {
    let {left, right, width} = e.getBoundingClientRect();
    if (!width || !e.checkVisibility()) continue;
    for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) {
      const overflow = getComputedStyle(p).overflowX, box = p.getBoundingClientRect();
      if (overflow === 'visible') continue;
      const scrolls = overflow === 'auto' || overflow === 'scroll';
      const start = box.left - (scrolls ? p.scrollLeft : 0), end = scrolls ? start + p.scrollWidth : box.right;
      if (left < start - 1.5 || right > end + 1.5) { out.push([e.textContent.trim().slice(0, 50), left, right]); break; }
      if (scrolls) [left, right] = [box.left, box.right];
    }
    if (left < -1 || right > innerWidth + 1) out.push([e.textContent.trim().slice(0, 50), left, right]);
  }
  return out;
}"""


def open_page(browser, address, **options):
    """Open a page; return it with what it asked for and what it complained of."""
    page = browser.new_page(**options)
    page.set_default_timeout(MINUTES)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on(
        "console",
        lambda m: said.append(m.text) if m.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    page.add_init_script(WATCH)
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready.then(() => 1)")
    return page, asked, said


@pytest.fixture(
    scope="module", params=PAGES + [f"zh/chapters/{n}.html" for n in CHINESE]
)
def visit(request, site, browser):
    """One page of the book, opened once for all tests that look at it: wide, in the light."""
    wide = {"width": 1280, "height": 900}
    page, asked, said = open_page(
        browser, f"{site}/{request.param}", viewport=wide, color_scheme="light"
    )
    yield page, asked, said
    page.close()


def unfold(page, standing=True):
    page.evaluate(
        "open => document.querySelectorAll('article details').forEach(d => { d.open = open })",
        standing,
    )


def test_page_is_quiet_light_and_asks_no_other_host(site, visit):
    page, asked, said = visit
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
    assert sum(weights.values()) <= 400 * KB, weights
    assert sum(weights.values()) - pictures <= 170 * KB, weights
    # A busy machine draws before the faces are unpacked; one that is not does so once.
    for _ in range(4):
        if (shift := page.evaluate("shift")) <= 0.02:
            break
        page.reload()
        page.wait_for_load_state("networkidle")
        page.evaluate("document.fonts.ready.then(() => 1)")
    assert shift <= 0.02


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


def test_page_has_no_serious_accessibility_fault(visit):
    """By axe: pages of every kind are examined; all of them, which takes half an hour, where AXE=all."""
    page, _, _ = visit
    name = Path(urlparse(page.url).path).stem
    if name not in AXE and os.environ.get("AXE") != "all":
        pytest.skip("axe examines a page of each kind, and all with AXE=all")
    # What is the same on every page is examined on the home page, which is small;
    # of tables and lists whose rows are all alike, the first ones, and all but the ledger's with AXE=all.
    shared = [".highlight", "math", "figure svg", ".sidebar-drawer", ".mobile-header"]
    shared += [".ledger tr:nth-child(n+4)"]
    if os.environ.get("AXE") != "all":
        shared += [
            "tbody tr:nth-child(n+6)",
            ".citation-list .citation:nth-child(n+6)",
            "article li:nth-child(n+9)",
        ]
    context = {"exclude": [[part] for part in shared]} if name != "index" else None
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        # Colours fade from one scheme to the other; what is examined is the page at rest.
        page.evaluate("Promise.all(document.getAnimations().map(a => a.finished))")
        options = {
            "rules": {"label-content-name-mismatch": {"enabled": True}},
            "resultTypes": ["violations"],
        }
        if scheme == "dark":  # only contrast depends on the scheme
            options = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}
        found += (
            Axe().run(page, context=context, options=options).response["violations"]
        )
    page.emulate_media(color_scheme="light")
    serious = [
        (v["id"], [(n["target"], n["failureSummary"][:200]) for n in v["nodes"][:3]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert not serious, serious


def test_page_is_whole_on_a_phone(visit):
    page, _, _ = visit
    wide = page.viewport_size
    unfold(page)
    parts = "figure.explorable :is(text, label, button, output), article :is(td, th, math, figcaption), article :not(pre) > code, summary"
    for width in (320, 360, 390):
        page.set_viewport_size({"width": width, "height": 844})
        sideways = page.evaluate("document.documentElement.scrollWidth")
        lost = page.evaluate(OUT_OF_REACH, parts)
        if width == 390:
            gathered = page.evaluate(
                OUT_OF_REACH.replace("scrolls = overflow", "scrolls = 0 && overflow"),
                "table:is(.names, .friends, .ledger, .lectures) td",
            )
        assert sideways <= width and not lost, (width, sideways, lost[:5])
    unfold(page, False)
    page.set_viewport_size(wide)
    assert not gathered, gathered[:5]


def test_words_in_figures_can_be_read_on_a_phone(visit):
    page, _, _ = visit
    wide = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    shown = page.evaluate(
        "[...document.querySelectorAll('.cell_output img[src$=svg]')].map(i => [i.getAttribute('src'), i.clientWidth])"
    )
    page.set_viewport_size(wide)
    small = {}
    for source, width in shown:
        here = SITE.parent / urlparse(page.url).path.lstrip("/")
        drawing = (here.parent / source).resolve().read_text(encoding="utf-8")
        points = float(re.search(r'<svg [^>]*width="([\d.]+)pt"', drawing)[1])
        # Matplotlib draws a font of 11 points as outlines scaled by 0.11; scripts are scaled once more.
        sizes = [100 * float(s) for s in re.findall(r"scale\(([\d.]+) -", drawing)]
        least = min(sizes, default=99) * width / points
        if least < 8.95:
            small[Path(source).name] = round(least, 1)
    assert not small, small


def test_visible_code_is_not_cut_at_1280(visit):
    page, _, _ = visit
    cut = page.evaluate("""[...document.querySelectorAll('div.cell_input pre')].filter(e => e.scrollWidth > e.clientWidth + 1)
        .map(e => e.textContent.split('\\n').filter(line => line.length > 80).slice(0, 2))""")
    assert not cut, cut


def test_chinese_is_marked_as_such(visit):
    page, _, _ = visit
    unmarked = page.evaluate("""(() => {
        const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        for (let n; (n = walk.nextNode());) if (/[\\u3400-\\u9fff]/.test(n.data) && !n.parentElement.closest('script, style')
            && !n.parentElement.closest('[lang]').getAttribute('lang').startsWith('zh')) found.push(n.data.trim().slice(0, 40));
        return found; })()""")
    assert not unmarked, unmarked[:5]


def test_paper_is_white_and_holds_everything(visit):
    page, _, _ = visit
    page.emulate_media(media="print", color_scheme="dark")
    seen = page.evaluate("""(() => {
        const light = colour => colour.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 765;
        const all = s => [...document.querySelectorAll('article ' + s)];
        return {
          ground: light(getComputedStyle(document.body).backgroundColor),
          pale: all(':is(p, li, td, .highlight span, math)').filter(e => light(getComputedStyle(e).color) > .62).map(e => e.textContent.slice(0, 40)),
          folded: all('details > :not(summary)').filter(e => !e.checkVisibility({contentVisibilityAuto: true})).length,
          cut: all('pre').filter(e => e.scrollWidth > e.clientWidth + 1).length,
          pressed: [...document.querySelectorAll('button, .controls, .page-buttons, .headerlink')].filter(e => e.checkVisibility()).length,
        }; })()""")
    page.emulate_media(media="screen", color_scheme="light")
    assert seen["ground"] > 0.94 and not seen["pale"], seen
    assert not seen["folded"] and not seen["cut"] and not seen["pressed"], seen


def test_checks_are_folded_to_their_seal_and_what_they_printed(visit):
    page, _, _ = visit
    checks = page.locator("details.check")
    open_ = page.locator(".cell.tag_check:not(.tag_fell, .tag_not-run) > details[open]")
    assert checks.count() == page.locator(".cell.tag_check").count()
    assert open_.count() == 0
    for words in checks.locator("summary").all_text_contents():
        assert re.search(r"验\s*(passed: |通过：)\S", words), words


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


def test_all_checks_open_by_one_button_which_is_remembered(site, browser):
    page, _, _ = open_page(browser, f"{site}/chapters/index.html")
    total = page.locator("details.check").count()
    page.locator("button.expand").click()
    assert page.locator("details.check[open]").count() == total > 0
    page.reload()
    page.wait_for_selector("details.check[open]")
    assert page.locator("details.check[open]").count() == total
    page.locator("button.expand").click()
    assert page.locator("details.check[open]").count() == 0
    page.close()


def test_a_reference_shows_what_it_points_to(site, browser):
    assert (SITE / "_static/preview.js").stat().st_size <= 3 * KB
    page, _, _ = open_page(browser, f"{site}/chapters/loss-many-faces.html")
    reference = page.locator("article .bibtex-citation a").first
    reference.focus()
    page.keyboard.press("Shift+Tab")  # only the keyboard's focus shows it
    page.keyboard.press("Tab")
    page.wait_for_selector("#preview:not([hidden])")
    assert len(page.inner_text("#preview")) > 20
    page.keyboard.press("Escape")
    assert page.locator("#preview").is_hidden()
    page.mouse.move(0, 0)
    reference.hover()
    page.wait_for_selector("#preview:not([hidden])")
    page.close()
    touch = browser.new_context(has_touch=True, viewport={"width": 390, "height": 844})
    page = touch.new_page()
    page.goto(f"{site}/chapters/loss-many-faces.html")
    page.locator("article .bibtex-citation a").first.tap()
    page.wait_for_selector("#preview:not([hidden])")
    assert "#" not in page.url
    page.locator("article .bibtex-citation a").first.tap()
    page.wait_for_url("**#*")
    touch.close()


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
            if "pdf/" in target and os.environ.get(
                "BOOK_PDF"
            ):  # printed after the tests
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
    page.locator("table.ledger tbody tr a.passed").first.click()
    page.wait_for_url("**#check-*")
    # The fold that the link leads into stands open.
    page.wait_for_selector(":target details.check[open]")
    page.locator(":target .seal a", has_text="ledger").click()
    page.wait_for_url("**/ledger.html#ledger-*")
    page.close()


def test_explorable_moves_by_keyboard(site, browser):
    page, _, _ = open_page(browser, f"{site}/chapters/loss-many-faces.html")
    figure = page.locator("figure.explorable").first
    slider = figure.locator("input[type=range]").first
    before = figure.locator("svg").inner_html(), slider.input_value()
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    after = figure.locator("svg").inner_html(), slider.input_value()
    shown = figure.locator("input[type=range] + output").first.inner_text()
    page.close()
    assert after[0] != before[0] and after[1] != before[1] and shown == after[1]


def test_page_tells_its_story_without_javascript(site, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/chapters/loss-many-faces.html")
    assert page.locator("figure.explorable svg").first.is_visible()
    assert not page.locator("figure.explorable .controls").first.is_visible()
    assert not page.locator("button.expand").is_visible()
    page.locator("details.check summary").first.click()
    assert page.locator("details.check .cell_input").first.is_visible()
    context.close()


def test_site_works_from_a_file(browser):
    page, _, said = open_page(browser, (SITE / "chapters/index.html").as_uri())
    assert page.evaluate("document.fonts.check('16px \"Book Serif\"')")
    page.close()
    assert not said, said


@pytest.mark.parametrize(
    "remote, address",
    [
        ("https://github.com/someone/book.git", "https://github.com/someone/book"),
        ("git@gitee.com:someone/book.git", "https://gitee.com/someone/book"),
        ("ssh://git@codeberg.org/some.one/book", "https://codeberg.org/some.one/book"),
        ("https://me:secret@git.firm.example:8443/a/b/c.git", "https://git.firm.example:8443/a/b/c"),
        ("ssh://git@git.firm.example:2222/a/b.git", "https://git.firm.example/a/b"),
        ("git@intranet:team/book.git", "https://intranet/team/book"),
        ("http://localhost:3000/me/book", "http://localhost:3000/me/book"),
        ("/srv/git/book.git", None),
        ("../book", None),
        ("C:/books/ridge", None),
        ("file:///srv/git/book.git", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_remote_at_any_host_is_read(remote, address):
    assert about.web_address(remote).get("url") == address


@pytest.mark.parametrize(
    "remote, start",
    [
        ("https://github.com/a/b", "https://mybinder.org/v2/gh/a/b/side%2Ftrack?urlpath=lab/tree/"),
        ("https://gitlab.com/a/b/c", "https://mybinder.org/v2/gl/a%2Fb%2Fc/side%2Ftrack?urlpath=lab/tree/"),
        ("https://gitee.com/a/b", None),
        ("/srv/git/b", None),
    ],
)  # fmt: skip
def test_binder_is_offered_where_it_can_serve(monkeypatch, remote, start):
    monkeypatch.setenv("BOOK_REPOSITORY", remote)
    monkeypatch.setenv("BOOK_BRANCH", "side/track")
    about.repository.cache_clear()
    link = about.leads_to("run", file="chapters/map.ipynb")
    about.repository.cache_clear()
    assert link == (start and start + "chapters/map.ipynb")
