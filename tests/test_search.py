"""The search: how texts and questions are cut, and what the built site finds, opened as a file, in both languages."""

import json
import re
import sys
from urllib.parse import quote

import pytest
import yaml
from chapter_code import CHAPTERS, ROOT

sys.path.insert(0, str(ROOT / "_ext"))
from ridge.search import terms  # noqa: E402

SITE = ROOT / "_build" / "html"


def test_terms_cut_chinese_into_characters_and_pairs():
    assert {"矩", "阵", "矩阵", "乘", "阵乘", "法"} <= terms("矩阵乘法")
    assert "矩阵乘" not in terms("矩阵乘法")
    assert "矩阵" in terms("矩\n  阵"), "a run broken at a line's end is one run"
    assert terms("缓存carries") == {"缓", "存", "缓存", "carries"}, (
        "nothing grows together"
    )


def test_terms_know_hyphens_numbers_accents_and_capitals():
    assert {"back", "pressure", "backpressure"} == terms("Back-pressure")
    assert "39.1" in terms("see Theorem 39.1.")
    assert terms("Böhning") == terms("bohning")
    assert {"scaled", "dot"} <= terms("scaled_dot_product")
    assert terms("") == set() and terms("the of and") == set()


@pytest.fixture(scope="module")
def find(browser):
    """Ask the search page, opened as a file; give the hits' texts and addresses."""
    if not (SITE / "search-index.js").exists():
        pytest.fail("build the book first: make book")
    page = browser.new_page()

    def ask(question):
        page.goto(f"{(SITE / 'search.html').as_uri()}?q={quote(question)}")
        page.wait_for_selector("#found [role=status]", timeout=120_000)
        links = page.locator("#found li a")
        addresses = links.evaluate_all(
            "links => links.map(a => a.getAttribute('href'))"
        )
        return page.locator("#found li").all_inner_texts(), addresses

    yield ask
    page.close()


@pytest.mark.parametrize(
    "word",
    ["矩阵", "梯度", "哈希", "罗素", "碎片", "快照", "熵", "交叉", "序列", "损失", "注意力", "苏轼", "题西林壁"],
)  # fmt: skip
def test_chinese_words_are_found_where_they_stand(find, word):
    holding = {
        p.name
        for p in (SITE / "chapters").glob("*.html")
        if word in re.sub(r"(?s)<nav.*?</nav>|<aside.*?</aside>|<[^>]+>", "", p.read_text("utf-8"))
    }  # fmt: skip
    assert holding, f"{word} stands on no page"
    texts, addresses = find(word)
    assert texts, word
    found = {a.split("/")[-1].split("#")[0] for a in addresses}
    # An idea of the map is found where it is taught, also where the page calls it by its English name.
    ideas = yaml.safe_load((ROOT / "data/concepts.yml").read_text("utf-8"))["concepts"]
    holding |= {f"{idea['chapter']}.html" for idea in ideas if word in idea["zh"]}
    # And a chapter by the title of the post that it answers.
    posts = yaml.safe_load((ROOT / "data/posts.yml").read_text("utf-8"))
    answers = [n for n, post in enumerate(posts, 1) if word in post["zh"]]
    for path in CHAPTERS.glob("*.ipynb"):
        if (
            json.loads(path.read_text("utf-8"))["metadata"].get("book", {}).get("post")
            in answers
        ):
            holding.add(f"{path.stem}.html")
    assert found <= holding | {"names.html", "map.html"}, found - holding


def test_chinese_is_found_with_blanks_and_without(find):
    whole, apart = set(find("交叉熵")[1]), set(find("交叉 熵")[1])
    assert whole and whole <= apart


def test_variants_of_a_hyphen_find_the_same(find):
    found = [
        set(find(w)[1]) for w in ("back-pressure", "backpressure", "back pressure")
    ]
    assert found[0] and found[0] & found[1] & found[2], found
    for word in ("back-pressure", "backpressure", "back pressure"):
        assert any("back-pressure 背压" in text for text in find(word)[0][:3]), word


def test_a_claims_number_finds_the_claim(find):
    for number in ("1.3", "10.2", "39.1"):
        texts, addresses = find(f"theorem {number}")
        if not texts or number not in texts[0]:
            texts, addresses = find(f"observation {number}")
        assert re.match(
            rf"(Theorem|Observation|Lemma|Corollary) {re.escape(number)} ", texts[0]
        )
        assert "#" in addresses[0]
        assert addresses[0] in find(f"定理 {number}")[1][:3]


def test_every_hit_leads_somewhere(find):
    for word in ("entropy", "matrix", "哈希"):
        for address in find(word)[1]:
            file, _, anchor = address.partition("#")
            html = (SITE / file.split("/html/")[-1]).read_text("utf-8")
            assert not anchor or f'id="{anchor}"' in html, address


def test_nothing_in_the_index_is_glued_and_it_is_light():
    import gzip
    import json

    text = (SITE / "search-index.js").read_text("utf-8")
    pages, units, _, packed = json.loads(text[len("ridgeIndex(") : -1])
    words = [line.split(" ", 1)[0] for line in packed.split("\n")]
    mixed = [w for w in words if re.search("[\u3400-\u9fff]", w)]
    assert all(re.fullmatch("[\u3400-\u9fff]{1,2}", w) for w in mixed)
    assert len(pages) >= 40 and len(units) > 800
    # It is fetched when somebody first searches.
    assert len(gzip.compress(text.encode(), 6)) <= 250_000


def test_results_appear_while_one_types_and_keys_walk_them(site, browser):
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/chapters/names.html")
    assert not [a for a in asked if "search-index" in a], "the index waits for its use"
    page.keyboard.press("Control+k")
    page.keyboard.type("perplex")
    page.wait_for_selector(".found li a", timeout=120_000)
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('.found') !== null")
    page.keyboard.press("Escape")
    assert not page.locator(".found").first.is_visible()
    page.close()
