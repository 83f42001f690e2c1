"""What the book says of itself: README's numbers, the home page, the heads and feet of pages, tables made from data."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
import yaml
from chapter_code import CHAPTERS, ROOT

sys.path.insert(0, str(ROOT / "_ext"))
from ridge import about  # noqa: E402

SITE = ROOT / "_build" / "html"
NOT_CLAIMS = {
    "proof",
    "definition",
    "example",
    "remark",
    "algorithm",
    "notation",
    "assumption",
    "axiom",
}


def claims_in(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join(
        "".join(c["source"]) for c in cells if c["cell_type"] == "markdown"
    )
    return [
        k for k in re.findall(r"^:{3,}\{prf:(\w+)\}", text, re.M) if k not in NOT_CLAIMS
    ]


def test_readme_counts_chapters_claims_and_parts():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    numbers = {
        part["caption"]: sum(
            (ROOT / f"{c['file']}.ipynb").exists() for c in part["chapters"]
        )
        for part in parts
        if part.get("numbered", True)
    }
    rows = dict(re.findall(r"^\| ([^|`]+?) \| (\d+) \|", readme, re.M))
    assert {k: int(v) for k, v in rows.items()} == numbers
    claims = sum(len(claims_in(p)) for p in CHAPTERS.glob("*.ipynb"))
    said = re.search(r"(\d+) executable chapters with (\d+) claims", readme)
    assert (int(said[1]), int(said[2])) == (sum(numbers.values()), claims)
    chinese = (ROOT / "README.zh.md").read_text(encoding="utf-8")
    assert f"{sum(numbers.values())} 章，{claims} 条命题" in chinese
    rows = re.findall(r"^\| [^|`]+? \| (\d+) \|", chinese, re.M)
    assert [int(n) for n in rows] == list(numbers.values())


def test_the_verse_is_translated_one_way_on_the_home_page():
    text = (CHAPTERS / "index.ipynb").read_text(encoding="utf-8")
    assert "苏轼" in text and "《题西林壁》" in text
    assert "from the side a ridge, from the end a peak" in text.lower()
    assert "across, it is a ridge" not in text


HOME = "https://example.org/o/r"
KNOWN = {"commit": "c0ffee" * 6, "branch": "main", "path": "o/r", "url": HOME}


@pytest.mark.parametrize(
    "host, source, issue",
    [
        ("github.com", f"/blob/{KNOWN['commit']}/chapters/x.md", "/issues/new?template=false-claim.yml&title=T%20%26&claim=a-b"),
        ("gitlab.company.example", f"/-/blob/{KNOWN['commit']}/chapters/x.md", "/-/issues/new?issue[title]=T%20%26"),
        ("gitee.com", f"/blob/{KNOWN['commit']}/chapters/x.md", "/issues/new?issue[title]=T%20%26"),
        ("codeberg.org", f"/src/commit/{KNOWN['commit']}/chapters/x.md", "/issues/new?title=T%20%26"),
        ("git.nobody.example", "", ""),
    ],
)  # fmt: skip
def test_a_stranger_reaches_source_and_issues_at_any_host(
    monkeypatch, host, source, issue
):
    monkeypatch.setattr(about, "repository", lambda: KNOWN | {"host": host})
    about.build.cache_clear()
    assert about.leads_to("source", file="chapters/x.md") == HOME + source
    assert about.report("T &", "a-b", "p").startswith(HOME + issue)
    monkeypatch.setattr(about, "repository", dict)
    assert (
        about.leads_to("source", file="x") is None
        and about.report("T", "c", "p") is None
    )
    about.build.cache_clear()


def test_the_address_of_the_book_is_known_or_left_out(monkeypatch):
    for name in ("BOOK_URL", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    assert about.address() == ""
    monkeypatch.setenv("GITHUB_REPOSITORY", "Someone/some-book")
    assert about.address() == "https://someone.github.io/some-book/"
    monkeypatch.setenv("BOOK_URL", "https://books.example/ridge")
    assert about.address() == "https://books.example/ridge/"


def pages():
    return sorted((SITE / "chapters").glob("*.html"))


def test_every_page_says_what_it_is_and_where_it_comes_from():
    version = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))[
        "version"
    ]
    titles = {}
    for path in pages():
        html = path.read_text(encoding="utf-8")
        for name in (
            'name="description"',
            'property="og:title"',
            'property="og:description"',
        ):
            assert len(re.search(rf'<meta {name} content="([^"]*)"', html)[1]) >= 3, (
                path,
                name,
            )
        assert 'og:site_name" content="横看成岭 · Ridge and Peak"' in html, path
        title = re.search(r"<title[^>]*>(.*?)</title>", html, re.S)[1]
        assert title.count("Ridge and Peak") == 1, title
        titles.setdefault(title, []).append(path)
        assert "default-src 'none'; script-src 'self'" in html, path
        assert f"Version {version}" in html and "@misc{ridge-and-peak-" in html
    assert len(titles) == len(pages())


def test_every_claim_can_be_pointed_at():
    for path in pages():
        html = path.read_text(encoding="utf-8")
        notebook = CHAPTERS / f"{path.stem}.ipynb"
        if notebook.exists():
            assert html.count('class="claimfoot"') == len(claims_in(notebook)), path
            for anchor in re.findall(r'class="claimfoot"><a href="#([^"]+)"', html):
                assert f'id="{anchor}"' in html, (path, anchor)


def test_home_shows_twelve_doors_with_pictures_and_the_first_screen_is_whole(
    site, browser
):
    page = browser.new_page(
        viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    page.goto(f"{site}/chapters/index.html")
    posts = yaml.safe_load((ROOT / "data/posts.yml").read_text(encoding="utf-8"))
    assert page.locator(".door").count() == len(posts) == 12
    assert page.locator(".door .loudest a").count() == 12
    for image in page.locator(".door img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.door img')].every(i => i.complete)",
        timeout=120_000,
    )
    widths = page.evaluate(
        "[...document.querySelectorAll('.door img')].map(i => i.naturalWidth)"
    )
    assert len(widths) == 12 and all(widths)
    tops = page.evaluate(
        "['h1', '.begin a', 'figure.explorable svg', '.specimen summary']"
        ".map(s => document.querySelector(s).getBoundingClientRect().bottom + scrollY)"
    )
    assert max(tops) <= 900, tops
    assert page.locator(".begin a").count() == 3
    page.locator(".specimen summary").click()
    assert "assert" in page.locator(".specimen pre").inner_text()
    page.close()


def test_the_hill_keeps_still_for_those_who_ask_and_can_be_held(site, browser):
    page = browser.new_page(reduced_motion="reduce")
    page.goto(f"{site}/chapters/index.html")
    slider = page.locator("figure.explorable input[type=range]").first
    page.wait_for_timeout(2500)
    assert slider.input_value() == "0"
    page.emulate_media(reduced_motion="no-preference")
    page.reload()
    page.wait_for_function(
        "() => +document.querySelector('figure.explorable input[type=range]').value > 0",
        timeout=120_000,
    )
    slider.focus()
    held = slider.input_value()
    page.wait_for_timeout(500)
    assert slider.input_value() == held
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_ledger_and_names_filter_and_hide_what_is_empty(site, browser, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(f"{site}/chapters/names.html")
    page.locator(".filter input").fill("梯度")
    shown = page.locator("table.names tbody tr:visible").count()
    assert 0 < shown < page.locator("table.names tbody tr").count()
    assert page.locator("table.friends tbody tr:visible").count() == 0
    page.goto(f"{site}/chapters/ledger.html")
    rows = page.locator("table.ledger tbody tr")
    summed = page.evaluate(
        "[...document.querySelectorAll('table.parts td:nth-child(2)')].reduce((s, e) => s + +e.textContent, 0)"
    )
    assert summed == rows.count()
    page.locator(".filter input").fill("fibonacci")
    assert 0 < page.locator("table.ledger tbody tr:visible").count() < 20
    assert page.locator("article section section:visible").count() < 6
    page.locator(".filter input").fill("tcp-faster-dearer")  # a label
    assert page.locator("table.ledger tbody tr:visible").count() == 1
    page.close()


def test_every_package_that_the_build_ran_with_shows_its_licence():
    html = (SITE / "chapters/stays-true.html").read_text(encoding="utf-8")
    shown = re.findall(r"<tr><td>([^<]+)</td><td>([^<]+)</td><td>([^<]+)</td>", html)
    licences = {name: licence for name, _, licence in shown}
    assert {"numpy", "torch", "sphinx"} <= set(licences)
    assert "BSD" in licences["numpy"]


def test_the_bibliography_is_labelled_as_the_text_cites_and_leads_back():
    html = (SITE / "chapters/bibliography.html").read_text(encoding="utf-8")
    assert (
        "Shannon, 1948" in html
        and "https://doi.org/10.1002/j.1538-7305.1948.tb01338.x" in html
    )
    assert "https://arxiv.org/abs/1706.03762" in html
    entries = re.findall(
        r'<div class="citation"(.*?)(?=<div class="citation"|</article)', html, re.S
    )
    assert len(entries) > 200
    assert sum("Cited in" in entry for entry in entries) > len(entries) - 20


def test_lost_readers_find_a_page_and_no_empty_index_stands():
    assert "Not here" in (SITE / "404.html").read_text(encoding="utf-8")
    assert (
        not (SITE / "genindex.html").exists() and not (SITE / "prf-prf.html").exists()
    )
    known = os.environ.get("BOOK_URL") or os.environ.get("GITHUB_REPOSITORY")
    assert (SITE / "sitemap.xml").exists() == bool(known)


def test_lectures_are_typeset_and_linked():
    html = (SITE / "chapters/linalg-lectures.html").read_text(encoding="utf-8")
    assert html.count("ocw.mit.edu/courses/18-06") >= 35 and "[[" not in re.sub(
        r"<[^>]+>", "", html
    )
    table = html[html.index('class="lectures') :]
    assert table.count("<mtable") >= 20
    assert Path(CHAPTERS / "linalg-lectures.md").exists()


def test_a_fold_says_what_is_inside():
    mute = re.compile(r"<summary><span>code \((?!2 )\d+ lines\)")
    assert [p.name for p in pages() if mute.search(p.read_text("utf-8"))] == []
