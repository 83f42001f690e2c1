"""The Chinese edition says what the English says: piece by piece the same formulas, labels, links and sources; and it is Chinese."""

import re
import sys
from collections import Counter

import pytest
import yaml
from chapter_code import ROOT
from markdown_it import MarkdownIt

sys.path.insert(0, str(ROOT / "make"))
import edition  # noqa: E402

HAN = "[\u3400-\u9fff]"
DONE = [p for p in edition.pages() if (edition.TEXTS / f"{p.stem}.md").exists()]
SAME = {
    "formulas": r"\$\$.+?\$\$|(?<!\$)\$[^$\n]+?(?:\n[^$\n]+?)*\$(?!\$)",
    "code": r"(?<!`)`[^`\n]+`(?!`)",
    "roles": r"\{(?!div)[\w:-]+\}(?:`[^`]*`)?",
    "options": r"(?m)^:(?!alt:)\w+:[^\n]*$",
    "links": r"\]\(([^)\s]+)\)",
    "anchors": r"(?m)^\([\w-]+\)=$",
    "headings": r"(?m)^#+(?= )",
}


def essence(text):
    """Return what a translation must not change, as {kind: Counter}; words within formulas it may."""
    found = {}
    for kind, pattern in SAME.items():
        found[kind] = Counter(
            re.sub(r"\\text\{[^}]*\}", r"\\text{}", " ".join(hit.split()))
            for hit in re.findall(pattern, text, re.DOTALL)
        )
        if kind == "formulas":
            text = re.sub(pattern, " ", text, flags=re.DOTALL)
    return found


def prose(text):
    """Return a text without formulas, code, roles, links' targets and directives."""
    for pattern in (
        *SAME.values(),
        r"(?m)^:alt:",
        r"<[^>]+>",
        r"(?m)^:::+.*$",
        r"https?://\S+",
    ):
        text = re.sub(pattern, " ", text, flags=re.DOTALL)
    return text


@pytest.fixture(params=DONE, ids=lambda p: p.stem)
def page(request):
    texts = edition.translated(request.param)
    pieces = [
        (*piece, texts[piece[:2]])
        for piece in edition.pieces(request.param)
        if piece[:2] in texts
    ]
    return [(kind, where, english, chinese) for kind, where, english, chinese in pieces]


def test_formulas_labels_links_and_sources_are_the_same(page):
    for kind, where, english, chinese in page:
        was, now = essence(english), essence(chinese)
        for what in SAME:
            lost, new = was[what] - now[what], now[what] - was[what]
            assert not lost and not new, (
                f"{kind} {where}: {what} lost {list(lost)}, new {list(new)}"
            )


def test_it_is_chinese(page):
    for kind, where, english, chinese in page:
        text, words = prose(chinese), len(re.findall(r"[A-Za-z]{2,}", prose(english)))
        han, latin = len(re.findall(HAN, text)), len(re.findall(r"[A-Za-z]{2,}", text))
        assert words < 5 or han > latin, (
            f"{kind} {where}: {han} Han characters, {latin} Latin words"
        )


def test_punctuation_is_full_width_and_latin_words_have_room(page):
    for kind, where, _, chinese in page:
        text = re.sub(r"(?m)^#+ .*$", " ", prose(chinese))
        for fault in (
            rf"{HAN}[,;:?!]",
            rf"{HAN}\.(?:\s|$)",
            rf"{HAN}[A-Za-z0-9]",
            rf"[A-Za-z0-9]{HAN}",
        ):
            assert not (found := re.search(f".{{0,12}}{fault}.{{0,12}}", text)), (
                f"{kind} {where}: {found[0]}"
            )


def test_every_emphasis_ends(page):
    """Markdown sees no end of an emphasis between a full-width mark and a Han character."""
    for kind, where, english, chinese in page:
        left = [
            MarkdownIt().render(prose(text)).count("*") for text in (english, chinese)
        ]
        assert left[1] <= left[0], f"{kind} {where}"


@pytest.mark.skipif(not edition.wanted(), reason="the Chinese edition is not built")
def test_words_are_found_in_what_the_chapter_shows():
    """A pair that replaces nothing is a translation that nobody sees."""
    import nbformat

    for path in DONE:
        shown = (
            {
                c["id"]: c
                for c in nbformat.read(ROOT / "_build/executed" / path.name, 4).cells
            }
            if path.suffix == ".ipynb"
            else {}
        )
        for (kind, where), text in edition.translated(path).items():
            if kind == "words":
                html = "".join(
                    o.get("data", {}).get("text/html", "")
                    for o in shown[where].get("outputs", [])
                )
                assert not [a for a, _ in edition.pairs(text) if a not in html], (
                    f"{path.stem}, cell {where}"
                )


def _facts(html):
    """Return what both editions of a page must have, as {kind: sorted list}; numbered anchors (id7) are left out."""
    article = html[html.index("<article") : html.index("</article>")]
    ids = set(re.findall(r'<(?:section|figure|span|div)[^>]*\sid="([^"]+)"', article))
    return {
        "anchors": sorted(i for i in ids if not re.fullmatch(r"id\d+", i)),
        "claims": re.findall(r'<div class="proof[^"]*" id="([^"]+)"', article),
        "sources": sorted(re.findall(r'href="bibliography.html#([^"]+)"', article)),
        "numbers": re.findall(
            r'class="(?:caption|section)-number">[^<\d]*([\d.]+)', article
        ),
        "counts": re.findall(r"<td>([\d/]+)</td>", article),
        "formulas": article.count("<math"),
        "pictures": article.count("<img"),
    }


@pytest.mark.skipif(not edition.wanted(), reason="the Chinese edition is not built")
@pytest.mark.parametrize("name", [p.stem for p in edition.pages()])
def test_twins_agree(name):
    english, chinese = (
        (ROOT / "_build/html" / folder / f"{name}.html").read_text("utf-8")
        for folder in ("chapters", "zh/chapters")
    )
    was, now = _facts(english), _facts(chinese)
    lost = set(was.pop("anchors")) - set(now.pop("anchors"))
    assert not lost, f"anchors of the English page: {lost}"
    for kind in was:
        assert was[kind] == now[kind], kind
    assert f'href="../zh/chapters/{name}.html"' in english
    assert f'href="../../chapters/{name}.html"' in chinese
    assert "untranslated" not in chinese


def test_what_has_changed_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(edition, "TEXTS", tmp_path / "zh")
    page = tmp_path / "a.md"
    page.write_text("One sentence.\n")
    assert [p[:2] for p in edition.waiting(page)] == [("page", "a")]
    edition.add(page)
    file = tmp_path / "zh/a.md"
    assert "One sentence." in file.read_text()
    file.write_text(
        file.read_text().replace("One sentence.", "一句话。")
        + "\n<!-- words x -->\nIn => 在\nInside => 里面\n"
    )
    assert edition.translated(page)["page", "a"] == "一句话。" and not edition.waiting(
        page
    )
    assert edition.pairs(edition.translated(page)["words", "x"])[0] == (
        "Inside",
        "里面",
    )
    page.write_text("Another sentence.\n")
    assert ("page", "a") not in edition.translated(page) and edition.waiting(page)
    edition.add(page)
    assert (
        "Another sentence." in file.read_text() and "Inside => 里面" in file.read_text()
    )


def test_essence_sees_what_must_stay():
    text = "# A\n\n:::{prf:theorem} T\n:label: x\n\nFor $a$ and `b`: {cite}`c2000`, [d](e.ipynb).\n:::\n"
    same = "# 甲\n\n:::{prf:theorem} 定\n:label: x\n\n`b` 与 $a$：{cite}`c2000`，[丁](e.ipynb)。\n:::\n"
    assert essence(text) == essence(same)
    for old, new in (
        ("$a$", "$b$"),
        (":label: x", ":label: y"),
        ("c2000", "c2001"),
        ("e.ipynb", "f.ipynb"),
        ("`b`", ""),
    ):
        assert essence(text) != essence(same.replace(old, new))


def test_every_text_of_the_frame_has_its_chinese():
    words = yaml.safe_load((edition.TEXTS / "words.yml").read_text("utf-8"))
    sources = [
        *(ROOT / "_ext/ridge").rglob("*.py"),
        *(ROOT / "_ext/ridge/pages").glob("*.html"),
        *(ROOT / "_templates").rglob("*.html"),
    ]
    asked = {
        a or b
        for p in sources
        for a, b in re.findall(
            r"""\bsay\((?:"([^"]+)"|'([^']+)')""", p.read_text("utf-8")
        )
    }
    assert len(asked) > 30 and not asked - set(words), asked - set(words)


TEXTS = {"says", "promise", "title", "shows", "zh", "en"}
FIELDS = {"probability", "information", "code", "algebra", "systems"}


def keys(rows):
    """Yield the strings of data/ that are labels, ids or files, not texts."""
    if isinstance(rows, dict):
        rows = [value for key, value in rows.items() if key not in TEXTS | FIELDS]
    for row in rows:
        if isinstance(row, str):
            yield row
        elif isinstance(row, dict | list):
            yield from keys(row)


def test_every_text_of_the_data_has_its_chinese():
    words = yaml.safe_load((edition.TEXTS / "words.yml").read_text("utf-8"))
    data = {
        name: yaml.safe_load((ROOT / "data" / f"{name}.yml").read_text("utf-8"))
        for name in ("posts", "lectures", "false-friends", "names", "concepts")
    }
    asked = [p[key] for p in data["posts"] for key in ("says", "promise") if key in p]
    for lecture in data["lectures"]:
        asked += [lecture["title"], *(part["shows"] for part in lecture["examples"])]
    asked += [sense for row in data["false-friends"] for sense in row["senses"]]
    assert len(asked) > 100
    formulas = SAME["formulas"]
    for text in asked:
        if not re.search("[A-Za-z]", re.sub(formulas, "", text)):
            continue  # nothing but formulas
        chinese = words.get(text, "")
        assert re.search(HAN, chinese), f"no Chinese: {text}"
        was, now = (Counter(re.findall(formulas, t)) for t in (text, chinese))
        assert was == now, text
    fixed = {key for table in data.values() for key in keys(table)}
    assert len(fixed) > 300 and not fixed & set(words), fixed & set(words)
