"""The graph of concepts against the book itself, the planner against brute force, the page `map` against the planner."""

import ast
import copy
import json
import re
import sys
from itertools import combinations

import nbformat
import networkx as nx
import pytest
import yaml
from chapter_code import CHAPTERS, ROOT
from docutils.nodes import make_id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
import living_planner as planner  # noqa: E402

SOURCE = (ROOT / "data/concepts.yml").read_text(encoding="utf-8")
DATA = yaml.safe_load(SOURCE)
ROLES = yaml.safe_load((ROOT / "data/roles.yml").read_text(encoding="utf-8"))
PARTS, CONCEPTS = planner.read_concepts(SOURCE)
BEFORE = planner.graph_of(CONCEPTS)
RANK = {node: i for i, node in enumerate(CONCEPTS)}
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
IN_BOOK = [c["file"].split("/")[1] for p in TOC["parts"] for c in p["chapters"]]
TAUGHT = [c for c in CONCEPTS.values() if c.chapter != "assumed"]
PATIENCE = 900_000  # ms, for a browser on a busy machine


def anchors(stem):
    """Return the anchors of a notebook's claims and headings (a heading that comes twice has none of its own)."""
    cells = nbformat.read(CHAPTERS / f"{stem}.ipynb", 4).cells
    text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    claims = re.findall(r"^:::+\{prf:\w+\}.*\n:label: (\S+)", text, re.M)
    heads = [make_id(h) for h in re.findall(r"^##+ (.*)$", text, re.M)]
    return {*claims, *(h for h in heads if heads.count(h) == 1)}


def test_no_concept_waits_for_its_chapter():
    """Every concept is taught by a chapter of the book, and says where in it."""
    waiting = {c.chapter for c in TAUGHT} - set(IN_BOOK)
    assert not waiting, f"not in _toc.yml: {sorted(waiting)}"
    assert not [c.id for c in TAUGHT if not c.target], "concepts without a target"


@pytest.mark.parametrize("stem", [s for s in DATA["chapters"] if s in IN_BOOK])
def test_targets_exist_and_titles_agree(stem):
    here = [c for c in TAUGHT if c.chapter == stem and c.target]
    gone = [(c.id, c.target) for c in here if c.target not in anchors(stem)]
    assert not gone, gone
    first = nbformat.read(CHAPTERS / f"{stem}.ipynb", 4).cells[0].source
    assert first.splitlines()[0] == f"# {DATA['chapters'][stem]}"


def test_each_concept_has_a_place_of_its_own():
    places = [(c.chapter, c.target) for c in TAUGHT if c.target]
    assert len(places) == len(set(places))
    for c in CONCEPTS.values():
        assert c.en and c.zh and not (c.chapter == "assumed" and c.needs)


def test_chapters_and_parts_stand_in_the_order_of_the_book():
    listed = [s for s in DATA["chapters"] if s in IN_BOOK]
    assert listed == [s for s in IN_BOOK if s in DATA["chapters"]]
    order = dict.fromkeys(s.split("-")[0] for s in DATA["chapters"])
    assert [p["id"] for p in PARTS] == list(order)
    assert {c.chapter for c in TAUGHT} <= set(DATA["chapters"])


def test_prerequisites_are_taught_earlier_or_in_the_same_part():
    order = ["assumed"] + [p["id"] for p in PARTS]
    stage = {n: order.index(planner.part_of(c)) for n, c in CONCEPTS.items()}
    late = [(b, n) for n in BEFORE for b in BEFORE[n] if stage[b] > stage[n]]
    assert not late, late


def test_no_concept_stands_alone_and_no_edge_is_superfluous():
    needed = {b for bs in BEFORE.values() for b in bs}
    assert [n for n in BEFORE if not BEFORE[n] and n not in needed] == []
    assert planner.reduction(BEFORE) == planner.graph_of(CONCEPTS, drawn_only=True)
    for c in CONCEPTS.values():
        assert not set(c.needs) & set(c.rests_on)


def test_roles_name_concepts():
    for role in [ROLES["known"], *ROLES["roles"]]:
        assert set(role["concepts"]) <= set(CONCEPTS)
        assert len(role["concepts"]) == len(set(role["concepts"]))


def test_evidence_is_complete_and_not_all_of_it_supports():
    rows = yaml.safe_load((ROOT / "data/evidence.yml").read_text(encoding="utf-8"))
    asked = {"chapter", "claim", "source", "design", "seen", "n", "figure", "status"}
    by_chapter = {}
    for row in rows:
        assert asked <= set(row), row
        assert all(str(row[k]).strip() for k in asked)
        by_chapter.setdefault(row["chapter"], set()).add(row["status"])
    for stem, found in by_chapter.items():
        assert found <= {"supported", "mixed", "contradicted"}
        assert found - {"supported"}, f"{stem}: nothing speaks against anything"
        assert (CHAPTERS / f"{stem}.ipynb").exists()


def test_the_chapter_shows_the_module_that_the_map_uses():
    def code(source, name):
        return next(
            ast.dump(node)
            for node in ast.parse(source).body
            if isinstance(node, ast.FunctionDef) and node.name == name
        )

    module = (CHAPTERS / "living_planner.py").read_text(encoding="utf-8")
    cells = nbformat.read(CHAPTERS / "living-switch.ipynb", 4).cells
    shown = "\n".join(c.source for c in cells if c.cell_type == "code")
    for name in ("least_plan", "reading_order", "reduction", "sittings"):
        assert code(module, name) == code(shown, name), name


# --- the planner

# No clock: a busy machine is no failure.
calm = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@st.composite
def questions(draw):
    """A graph without cycles whose names hide their order, what is known, and what is wanted."""
    size = draw(st.integers(1, 8))
    names = draw(st.permutations([f"n{i}" for i in range(size)]))
    before = {
        names[i]: {names[j] for j in range(i) if draw(st.booleans())}
        for i in range(size)
    }
    pick = st.sets(st.sampled_from(names))
    return before, draw(pick), sorted(draw(pick))


def suffices(before, known, goals, learnt):
    have = known | learnt
    return set(goals) <= have and all(before[n] <= have for n in learnt)


@given(questions())
@calm
def test_plan_is_the_least_of_all_subsets(question):
    before, known, goals = question
    plan = planner.least_plan(before, known, goals)
    subsets = [set(s) for k in range(len(before) + 1) for s in combinations(before, k)]
    enough = [s for s in subsets if suffices(before, known, goals, s)]
    assert plan in enough and all(plan <= s for s in enough)
    assert not plan & known


@given(questions())
@calm
def test_order_respects_every_edge_and_prefers_the_front(question):
    before, known, goals = question
    plan = planner.least_plan(before, known, goals)
    rank = {node: i for i, node in enumerate(sorted(before))}
    order = planner.reading_order(before, plan, rank)
    assert set(order) == plan and len(order) == len(plan)
    for i, node in enumerate(order):
        done, left = set(order[:i]), order[i:]
        ready = [n for n in left if before[n] & plan <= done]
        assert node == min(ready, key=rank.get)


@given(questions())
@calm
def test_sittings_are_the_longest_chain(question):
    before, _, _ = question
    plan = set(before)

    def chain(node):
        return 1 + max((chain(b) for b in before[node]), default=0)

    assert planner.sittings(before, plan) == {n: chain(n) for n in plan}


@given(questions())
@calm
def test_reduction_is_the_smallest_graph_with_the_same_reachability(question):
    before, _, _ = question

    def above(graph, node):
        return set().union(*({b} | above(graph, b) for b in graph[node]))

    less = planner.reduction(before)
    reach = {n: above(before, n) for n in before}
    assert {n: above(less, n) for n in less} == reach
    for node, bs in less.items():
        for b in bs:  # no edge can go
            fewer = less | {node: bs - {b}}
            assert above(fewer, node) != reach[node]


def test_reasons_lead_to_what_is_planned():
    goals = ["trained-model", "kv-cache"]
    plan = planner.least_plan(BEFORE, planner.assumed(CONCEPTS), goals)
    found = planner.reasons(CONCEPTS, plan, goals)
    assert set(found) == plan and all(found.values())
    for node, why in found.items():
        users = {n for n in plan if node in BEFORE[n]} | (
            {""} if node in goals else set()
        )
        assert {user for user, _ in why} == users and len(why) == len(users)


def test_a_long_chain_is_no_trouble():
    chain = {0: set()} | {i: {i - 1} for i in range(1, 20_000)}
    plan = planner.least_plan(chain, set(), [19_999])
    assert len(plan) == 20_000
    assert planner.reading_order(chain, plan, chain)[-1] == 19_999


@pytest.mark.parametrize(
    "change, words",
    [
        (
            lambda c: c[5].update(needs={"nothing-like-it": "why it is so"}),
            "which is no concept",
        ),
        (lambda c: c[20].update(needs={"softmax": " "}), "without a reason"),
        (lambda c: c[20].update(needs={"softmax": None}), "without a reason"),
        (
            lambda c: c[20].update(needs={"softmax": "by key"}),
            "'by key' is no sentence",
        ),
        (lambda c: c[20].update(needs={"softmax": "– – – –"}), "is no sentence"),
        (lambda c: c[20].update(needs=["softmax"]), "without a reason"),
        (lambda c: c[20].update(needs=None), "without a reason"),
        (lambda c: c[20].update(chapter="loss-no-face"), "'loss-no-face', which is no"),
        (lambda c: c.append("softmax"), "concept 'softmax' has the fields"),
        (lambda c: c.append(dict(c[3])), "two concepts are called"),
        (lambda c: c[4].update(chapters="x"), "has the fields"),
        (lambda c: c[4].pop("zh"), "has the fields"),
    ],
)
def test_a_broken_file_is_refused_in_words(change, words):
    data = copy.deepcopy(DATA)
    change(data["concepts"])
    with pytest.raises(ValueError, match=words):
        planner.read_concepts(json.dumps(data))


KINDS = st.sampled_from(
    [None, 5, True, 1.5, "", " ", "loss", [], ["loss"], [2024], {}, {"id": 5}, [[]]]
)


@settings(calm, max_examples=150)
@given(st.data())
def test_a_field_of_another_kind_is_refused_in_words_or_is_fine(data):
    """One field of the file becomes something else: it is read, or refused by ValueError, and never by another error."""
    broken, put = copy.deepcopy(DATA), data.draw(KINDS)
    rows = broken["concepts"]
    spots = [(broken, name) for name in ("parts", "chapters", "concepts")]
    spots += [(broken["parts"], 0), (broken["parts"][0], "id"), (rows, 7)]
    spots += [(rows[60], field) for field in planner.Concept._fields]
    holder, key = data.draw(st.sampled_from(spots))
    holder[key] = put
    try:
        parts, concepts = planner.read_concepts(json.dumps(broken))
    except planner.yaml.YAMLError as error:
        raise AssertionError("JSON is YAML") from error
    except ValueError as error:
        assert len(str(error).split()) > 3
    else:
        for c in concepts.values():
            texts = c.id, c.en, c.zh, c.chapter, c.target
            assert all(isinstance(text, str) for text in texts)
            assert all(text.strip() for text in texts[:4]) and type(c.infra) is bool
            assert isinstance(c.needs, dict) and isinstance(c.rests_on, dict)
        assert {planner.part_of(c) for c in concepts.values()} <= {
            "assumed",
            *(p["id"] for p in parts),
        }


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda d: d.update(parts=["loss"]), "the part 'loss' has no id"),
        (lambda d: d["parts"].append(d["parts"][0]), "'loss' is given 2 times"),
        (lambda d: d.update(chapters=[2024]), "chapters: a dict is wanted"),
        (lambda d: d.update(chapters=None), "chapters: a dict is wanted"),
        (lambda d: d.update(concepts=None), "concepts: a list is wanted"),
        (lambda d: d["concepts"][9].update(chapter=["a"]), "of another kind"),
        (lambda d: d["concepts"][9].update(target=5), "of another kind"),
        (lambda d: d["concepts"][9].update(id=" "), "of another kind"),
        (
            lambda d: d["concepts"][60].update(
                needs={"softmax": "why"},
                rests_on={"softmax": "because one needs it so"},
            ),
            "needs 'softmax' twice",
        ),
    ],
)
def test_kinds_and_what_is_given_twice_are_refused_in_words(change, words):
    data = copy.deepcopy(DATA)
    change(data)
    with pytest.raises(ValueError, match=words):
        planner.read_concepts(json.dumps(data))


@pytest.mark.parametrize(
    "text",
    ["{1: a, 0x1: b}", "{1: a, true: b}", "{true: a, yes: b}", "{a: 1, 'a': 2}"],
)
def test_one_key_in_two_spellings_is_given_twice(text):
    assert len(yaml.safe_load(text)) == 1, "YAML takes the later without a word"
    with pytest.raises(ValueError, match="line 1: .* is given a second time"):
        planner.read_yaml(text)


@pytest.mark.parametrize("text", ["{1: a, '1': b}", "{a: {b: 1}, c: {b: 1}}", SOURCE])
def test_other_keys_are_read_as_yaml_reads_them(text):
    assert planner.read_yaml(text) == yaml.safe_load(text)


def test_merged_keys_are_read_and_what_cannot_be_a_key_is_refused():
    merged = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}"
    assert planner.read_yaml(merged) == yaml.safe_load(merged)
    with pytest.raises(ValueError, match="line 2: .* cannot be a key"):
        planner.read_yaml("a: 1\n? [b]\n: 2")


@settings(calm, max_examples=100)
@given(
    st.sampled_from("id infra engineer parts told goals".split()),
    KINDS | st.just("gone"),
)
def test_a_path_of_another_kind_is_refused_in_words_or_is_fine(field, put):
    path = dict(ROLES["paths"][2], **{field: put})
    if put == "gone":
        del path[field]
    try:
        known, goals = planner.start_and_goals(path, ROLES, CONCEPTS)
    except ValueError as error:
        assert "path" in str(error)
    else:
        assert goals and known | set(goals) <= set(CONCEPTS)


def test_no_list_is_an_empty_list_for_a_path():
    path = ROLES["paths"][0]
    expect = planner.start_and_goals(dict(path, told=[]), ROLES, CONCEPTS)
    assert planner.start_and_goals(dict(path, told=None), ROLES, CONCEPTS) == expect


@given(questions())
@calm
def test_names_told_once_are_the_same_names(question):
    before, known, goals = question
    plan = planner.least_plan(before, known, goals)
    for make in (list, iter, set, tuple):
        assert planner.least_plan(before, make(known), make(goals)) == plan
        assert planner.sittings(before, make(plan)) == planner.sittings(before, plan)
        order = planner.reading_order(before, plan, {n: n for n in before})
        again = planner.reading_order(before, make(plan), {n: n for n in before})
        assert order == again


def test_reasons_for_names_told_once_are_the_same_reasons():
    goals = ["trained-model", "kv-cache"]
    plan = planner.least_plan(BEFORE, planner.assumed(CONCEPTS), goals)
    expect = planner.reasons(CONCEPTS, plan, goals)
    assert planner.reasons(CONCEPTS, iter(plan), iter(goals)) == expect


@pytest.mark.parametrize("text", ["", "- a", "concepts: []", "parts: []\nconcepts: []"])
def test_a_file_without_its_lists_is_refused(text):
    with pytest.raises(ValueError, match="must have parts, chapters and concepts"):
        planner.read_concepts(text)


def test_a_chapter_of_no_part_is_refused():
    data = copy.deepcopy(DATA)
    data["chapters"]["lvng-switch"] = "a slip"
    with pytest.raises(ValueError, match="'lvng-switch' belongs to no part"):
        planner.read_concepts(json.dumps(data))


@settings(calm, max_examples=60)
@given(st.data())
def test_edges_are_refused_exactly_when_they_close_a_circle(data):
    """Some edges between any ideas, also from one to itself: networkx is the witness."""
    ids = st.sampled_from([*CONCEPTS][:40])
    edges = data.draw(st.lists(st.tuples(ids, ids), min_size=1, max_size=12))
    rows = [dict(row, needs={}, rests_on={}) for row in DATA["concepts"][:40]]
    by_id = {row["id"]: row for row in rows}
    for b, n in edges:
        by_id[n]["needs"][b] = "it is only a test"
    text = json.dumps(DATA | {"concepts": rows})  # which is YAML, too
    if nx.is_directed_acyclic_graph(nx.DiGraph(edges)):
        _, read = planner.read_concepts(text)
        assert planner.graph_of(read) == {i: set(r["needs"]) for i, r in by_id.items()}
    else:
        with pytest.raises(ValueError, match="which is itself|each needs") as refused:
            planner.read_concepts(text)
        named = set(re.findall(r"[\w-]+", str(refused.value))) & set(by_id)
        inner = nx.DiGraph(edges).subgraph(named)
        assert not nx.is_directed_acyclic_graph(inner), "the named ones are a circle"


slips = st.sampled_from([*CONCEPTS, *(f"part {p['id']}" for p in PARTS)]).flatmap(
    lambda name: st.integers(0, len(name) - 1).map(
        lambda at: name[:at] + "~" + name[at + 1 :]
    )
)


@settings(calm, max_examples=60)
@given(slips, st.sampled_from(["goals", "parts", "known", "told"]))
def test_a_path_with_a_slip_of_the_pen_is_refused(slip, where):
    path = {"id": "mine", "infra": True, "parts": [], "engineer": True, "goals": []}
    roles = {"known": {"concepts": []}}
    if where == "known":
        roles["known"]["concepts"] = [slip]
    else:
        path[where] = ["softmax"] * (where == "goals") + [slip]
    with pytest.raises(ValueError, match="the path 'mine' speaks of") as refused:
        planner.start_and_goals(path, roles, CONCEPTS)
    assert slip.removeprefix("part ") in str(refused.value)


def test_a_path_that_leads_nowhere_is_refused():
    for nothing in ([], None):
        with pytest.raises(ValueError, match="has no goal"):
            planner.start_and_goals(
                ROLES["paths"][0] | {"goals": nothing}, ROLES, CONCEPTS
            )


def test_the_paths_of_the_book_have_starts_and_goals():
    for path in ROLES["paths"]:
        known, goals = planner.start_and_goals(path, ROLES, CONCEPTS)
        assert goals and known <= set(CONCEPTS) >= set(goals)


def test_who_comes_for_the_chapters_about_living_reads_these_four():
    """What they need from elsewhere is said in the boxes at their heads, and no more than is needed."""
    path = next(p for p in ROLES["paths"] if p["id"] == "walking")
    known, goals = planner.start_and_goals(path, ROLES, CONCEPTS)
    plan = planner.least_plan(BEFORE, known, goals)
    stems = {"living-switch", "living-offers", "living-year", "living-russell"}
    assert {CONCEPTS[n].chapter for n in plan} == stems
    used = {b for n in plan for b in BEFORE[n]}
    assert set(path["told"]) <= used
    for stem in stems:
        head = nbformat.read(CHAPTERS / f"{stem}.ipynb", 4).cells[0].source
        assert ":::{admonition} What it needs" in head


def test_names_that_nothing_explains_are_refused():
    half = {"a": {"b"}}
    for call in (
        lambda: planner.least_plan(half, set(), ["a"]),
        lambda: planner.reading_order(half, {"a"}, {"a": 0}),
        lambda: planner.sittings(half, {"a"}),
        lambda: planner.reduction(half),
        lambda: planner.sittings({"a": set()}, {"b"}),
    ):
        with pytest.raises(ValueError, match="'b' is not on the map"):
            call()


def test_unknown_ideas_and_cycles_are_refused():
    for known, goals in (({"nope"}, ["kl"]), (set(), ["nope"])):
        with pytest.raises(ValueError, match="'nope' is not on the map"):
            planner.least_plan(BEFORE, known, goals)
    round_and_round = {"a": {"b"}, "b": {"a"}}
    plan = planner.least_plan(round_and_round, set(), ["a"])
    for call in (
        lambda: planner.reading_order(round_and_round, plan, {"a": 0, "b": 1}),
        lambda: planner.sittings(round_and_round, plan),
        lambda: planner.reduction(round_and_round),
    ):
        with pytest.raises(ValueError):  # graphlib.CycleError is one
            call()


# --- the page


def test_the_map_plans_as_the_planner_does(site, browser):
    """The plan in the browser, for many goals and knowledges, is Python's; it can be worked from the keyboard."""

    def expected(known, goals):
        plan = planner.least_plan(BEFORE, known, goals)
        order = [CONCEPTS[n] for n in planner.reading_order(BEFORE, plan, RANK)]
        return [c.en if c.zh == c.en else f"{c.en} {c.zh}" for c in order]

    def shown():
        return page.eval_on_selector_all(
            "ol.road li > :first-child", "all => all.map(e => e.textContent)"
        )

    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    said = []
    page.on("pageerror", lambda e: said.append(str(e)))
    page.goto(f"{site}/chapters/map.html")
    engineer = set(ROLES["known"]["concepts"])
    trade = planner.assumed(CONCEPTS, infra=True)
    assert shown() == expected(trade | engineer, ["trained-model"])
    page.uncheck("input[value=engineer]")
    page.uncheck("input[value=infra]")
    page.check("input[value=tcp]")
    tcp = {c.id for c in TAUGHT if planner.part_of(c) == "tcp"}
    known = planner.assumed(CONCEPTS) | tcp
    for goal in [c.id for c in TAUGHT][::23] + [TAUGHT[-1].id]:
        page.select_option("select[name=goal]", goal)
        assert shown() == expected(known, [goal]), goal
    living = [c.id for c in TAUGHT if planner.part_of(c) == "living"]
    page.select_option("select[name=goal]", "part living")
    before = expected(known, living)
    assert shown() == before
    page.locator("ol.road button").first.focus()
    page.keyboard.press("Enter")
    first = planner.reading_order(
        BEFORE, planner.least_plan(BEFORE, known, living), RANK
    )[0]
    assert shown() == expected(known | {first}, living)
    page.locator("p.own button").first.press("Enter")
    assert shown() == before
    assert not said, said
    page.close()


def test_three_paths_can_be_read_without_javascript(site, browser):
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{site}/chapters/map.html")
    titles = [p["title"] for p in ROLES["paths"]]
    summaries = page.locator("details summary").all_inner_texts()
    for title in titles:
        assert any(s.startswith(title) for s in summaries)
    page.locator("details summary", has_text=titles[0]).click()
    assert page.locator("a[href='loss-many-faces.html']").first.is_visible()
    context.close()


def test_evidence_speaks_for_and_against():
    rows = yaml.safe_load((ROOT / "data/evidence.yml").read_text(encoding="utf-8"))
    fields = {"chapter", "claim", "source", "design", "seen", "n", "figure", "status"}
    for row in rows:
        assert set(row) == fields and all(str(v).strip() for v in row.values()), row
        assert row["status"] in {"supported", "mixed", "contradicted"}, row
    for stem in ("living-switch", "living-offers", "living-year", "living-russell"):
        verdicts = {row["status"] for row in rows if row["chapter"] == stem}
        assert verdicts - {"supported"}, f"{stem} has met no contrary evidence"


def test_no_file_of_the_book_gives_a_key_twice():
    """YAML would take the later without a word."""
    files = [*(ROOT / "data").glob("*.yml"), CHAPTERS / "zh" / "words.yml"]
    for file in [*files, *ROOT.glob("_*.yml")]:
        planner.read_yaml(file.read_text("utf-8"))


KEYS = st.text("ab", min_size=1, max_size=2)
TREES = st.recursive(
    st.integers(0, 9),
    lambda inner: st.lists(st.tuples(KEYS, inner), max_size=4) | st.lists(inner),
    max_leaves=8,
)


@given(TREES)
@settings(max_examples=100, deadline=None)
def test_a_key_given_twice_is_refused_at_any_depth_and_nothing_else(tree):
    """Witness: the pairs as they were written, before they became a dictionary."""
    twice = []

    def written(node):
        if isinstance(node, int):
            return str(node)
        if not all(isinstance(item, tuple) for item in node) or not node:
            return "[" + ", ".join(map(written, node)) + "]"
        keys = [key for key, _ in node]
        twice.extend(key for key in keys if keys.count(key) > 1)
        return "{" + ", ".join(f"{k}: {written(v)}" for k, v in node) + "}"

    text = written(tree)
    if twice:
        with pytest.raises(ValueError, match="is given a second time"):
            planner.read_yaml(text)
    else:
        assert planner.read_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "field, value",
    [
        ("id", False),
        ("id", 3),
        ("id", ""),
        ("en", None),
        ("zh", ["a"]),
        ("infra", "no"),
    ],
)
def test_fields_of_another_kind_are_refused(field, value):
    """YAML reads an id `no` as False."""
    data = copy.deepcopy(DATA)
    data["concepts"][5][field] = value
    with pytest.raises(ValueError, match="fields of another kind"):
        planner.read_concepts(json.dumps(data))
