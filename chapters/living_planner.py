"""Plans over the book's graph of concepts: the least to learn, in what order, and why.

`living-switch` explains the functions below and shows them in its cells (a test holds the two equal); the page `map` uses them.
A graph is a dictionary: node -> set of the nodes that must come before it.
"""

import heapq
import re
from collections import Counter, namedtuple
from collections.abc import Hashable
from graphlib import CycleError, TopologicalSorter

import yaml

Concept = namedtuple("Concept", "id en zh chapter target infra needs rests_on")
_FIELDS = {"id", "en", "zh", "chapter", "target", "infra", "needs", "rests_on"}


_WORDS = 4  # the shortest reason that can be a sentence


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # C: fast
    """Refuses a key that is given twice, where YAML takes the later without a word."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for name, _ in node.value:
            line, merges = name.start_mark.line + 1, name.tag.endswith(":merge")
            key = name.tag if merges else self.construct_object(name, deep=True)
            if not isinstance(key, Hashable):
                raise ValueError(f"line {line}: {key!r} cannot be a key")
            if key in seen:  # 1, 0x1 and true are one key
                raise ValueError(f"line {line}: {name.value!r} is given a second time")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text):
    """Return what a file of data/ holds. Raises ValueError for a key that is given twice."""
    return yaml.load(text, _Loader)


def _concept(row, chapters):
    """Return the Concept of a row of concepts.yml. Raises ValueError for a field or a chapter that is unknown."""
    if (
        not isinstance(row, dict)
        or not {"id", "en", "zh", "chapter"} <= set(row) <= _FIELDS
    ):
        name = row.get("id") if isinstance(row, dict) else row
        has = sorted(map(str, row)) if isinstance(row, dict) else "none"
        raise ValueError(f"concept {name!r} has the fields {has}")
    concept = Concept(
        **{"target": "", "infra": False, "needs": {}, "rests_on": {}} | row
    )
    texts = {f: getattr(concept, f) for f in ("id", "en", "zh", "chapter", "target")}
    wrong = {f: text for f, text in texts.items() if not isinstance(text, str)}
    wrong |= {f: texts[f] for f in ("id", "en", "zh") if not str(texts[f]).strip()}
    if type(concept.infra) is not bool:
        wrong["infra"] = concept.infra
    if wrong:
        raise ValueError(f"concept {concept.id!r} has fields of another kind: {wrong}")
    if concept.chapter not in {"assumed", *chapters}:
        raise ValueError(
            f"{concept.id!r} is taught in {concept.chapter!r}, which is no chapter"
        )
    for edges in (concept.needs, concept.rests_on):
        if not isinstance(edges, dict):
            raise ValueError(f"{concept.id!r} needs {edges!r} without a reason")
    return concept


def _check_edges(concepts):
    """Raise ValueError for an edge from nowhere or to itself, one without a reason, and for a cycle."""
    for concept in concepts.values():
        for before in concept.needs.keys() & concept.rests_on.keys():
            raise ValueError(f"{concept.id!r} needs {before!r} twice")
        for before, reason in (concept.needs | concept.rests_on).items():
            edge = f"{concept.id!r} needs {before!r}"
            if before not in concepts:
                raise ValueError(f"{edge}, which is no concept")
            if before == concept.id:
                raise ValueError(f"{edge}, which is itself")
            if not isinstance(reason, str) or not reason.strip():
                raise ValueError(f"{edge} without a reason")
            if len(re.findall(r"\S*\w\S*", reason)) < _WORDS:
                raise ValueError(f"{edge}; {reason!r} is no sentence")
    try:
        TopologicalSorter(graph_of(concepts)).prepare()
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise ValueError(f"each needs the one before it: {circle}") from None


def _check_kinds(data):
    """Raise ValueError unless parts and concepts are lists, chapters names and titles, each part and chapter given once."""
    for field, kinds in (("parts", list), ("chapters", dict), ("concepts", list)):
        if not isinstance(data[field], kinds):
            raise ValueError(
                f"{field}: a {kinds.__name__} is wanted, not {data[field]!r}"
            )
    for part in data["parts"]:
        if not isinstance(part, dict) or not isinstance(part.get("id"), str):
            raise ValueError(f"the part {part!r} has no id")
    for part, times in Counter(part["id"] for part in data["parts"]).items():
        if times > 1:
            raise ValueError(f"the part {part!r} is given {times} times")
    for chapter in data["chapters"]:
        if not isinstance(chapter, str):
            raise ValueError(f"the chapter {chapter!r} has no name")


def read_concepts(text):
    """Return (parts, concepts) of concepts.yml: its list of parts, and Concepts by id in the order of the file.

    Raises ValueError for a field of another kind, a key, a part or an edge given twice, a field or a chapter that is unknown, an id used
    twice, a prerequisite that does not exist or is the concept itself, an edge whose reason is no sentence, and a cycle. It says which.
    What is no YAML at all is the parser's to refuse.
    """
    data = read_yaml(text)
    if not isinstance(data, dict) or {"parts", "chapters", "concepts"} - set(data):
        raise ValueError("the file must have parts, chapters and concepts")
    _check_kinds(data)
    parts = {part["id"] for part in data["parts"]}
    for chapter in data["chapters"]:
        if chapter.split("-")[0] not in parts:
            raise ValueError(f"the chapter {chapter!r} belongs to no part")
    concepts = {}
    for row in data["concepts"]:
        concept = _concept(row, data["chapters"])
        if concept.id in concepts:
            raise ValueError(f"two concepts are called {concept.id!r}")
        concepts[concept.id] = concept
    _check_edges(concepts)
    return data["parts"], concepts


def part_of(concept):
    """Return the part of the book that teaches a concept, as 'loss'; 'assumed' where none does."""
    return concept.chapter.split("-")[0]


def graph_of(concepts, drawn_only=False):
    """Return {id: set of prerequisites}; with `drawn_only`, without those in `rests_on`."""
    return {
        c.id: set(c.needs) if drawn_only else set(c.needs) | set(c.rests_on)
        for c in concepts.values()
    }


def assumed(concepts, infra=False):
    """Return the ids that no chapter teaches; those of systems engineers only with `infra`."""
    return {
        c.id
        for c in concepts.values()
        if c.chapter == "assumed" and (infra or not c.infra)
    }


def check_names(before, nodes):
    """Raise ValueError for a name, given or needed, that is not on the map."""
    for node in {*nodes}.union(*before.values()) - set(before):
        raise ValueError(f"{node!r} is not on the map")


def least_plan(before, known, goals):
    """Return the least set to learn, by a backward search that stops at the known."""
    known, goals = set(known), list(goals)
    check_names(before, [*known, *goals])
    plan, open_ends = set(), [g for g in goals if g not in known]
    while open_ends:
        node = open_ends.pop()
        if node not in plan:
            plan.add(node)
            open_ends += [b for b in before[node] if b not in known]
    return plan


def _check_path(path):
    """Raise ValueError unless a ready path has its fields, each of its kind; no list at all is an empty one."""
    if not isinstance(path, dict) or "id" not in path:
        raise ValueError(f"the path {path!r} has no id")
    for field in ("infra", "engineer"):
        if type(path.get(field)) is not bool:
            raise ValueError(f"the path {path['id']!r} must say true or false: {field}")
    for field in ("parts", "told", "goals"):
        names = path.get(field)
        if names is not None and not (
            isinstance(names, list) and all(isinstance(name, str) for name in names)
        ):
            raise ValueError(f"the path {path['id']!r}: {field} is no list of names")


def start_and_goals(path, roles, concepts):
    """Return what the traveller of a ready path (a row of `paths` in roles.yml) knows, and what he wants.

    Raises ValueError for a field of another kind, and for a part or a concept that there is not.
    """
    _check_path(path)

    def members(part):
        found = [node for node, c in concepts.items() if part_of(c) == part]
        if part == "assumed" or not found:
            raise ValueError(f"the path {path['id']!r} speaks of {part!r}, no part")
        return found

    known = assumed(concepts, infra=path["infra"])
    known.update(*(members(part) for part in path.get("parts") or ()))
    if path["engineer"]:
        known.update(roles["known"]["concepts"])
    known.update(path.get("told") or ())
    goals = []
    for goal in path.get("goals") or ():
        goals += members(goal[5:]) if goal.startswith("part ") else [goal]
    for node in [*known, *goals]:
        if node not in concepts:
            raise ValueError(f"the path {path['id']!r} speaks of {node!r}, no concept")
    if not goals:
        raise ValueError(f"the path {path['id']!r} has no goal")
    return known, goals


def reading_order(before, plan, rank):
    """Return the plan as a list: prerequisites first, among the ready least rank."""
    plan = set(plan)
    check_names(before, plan)
    sorter = TopologicalSorter({node: before[node] & plan for node in plan})
    sorter.prepare()  # raises graphlib.CycleError with a cycle as its witness
    ready, order = [], []
    while sorter.is_active():
        for node in sorter.get_ready():
            heapq.heappush(ready, (rank[node], node))
        node = heapq.heappop(ready)[1]
        order.append(node)
        sorter.done(node)
    return order


def sittings(before, plan):
    """Return {node: round} when each round takes in all that is ready."""
    plan = set(plan)
    check_names(before, plan)
    order, turn = TopologicalSorter({n: before[n] & plan for n in plan}), {}
    for node in order.static_order():
        turn[node] = 1 + max((turn[b] for b in before[node] & plan), default=0)
    return turn


def reduction(before):
    """Return the transitive reduction: no edge that a longer way already carries."""
    check_names(before, [])
    above = {}  # all that must come before a node
    for node in TopologicalSorter(before).static_order():
        above[node] = before[node].union(*(above[b] for b in before[node]))
    return {
        node: {b for b in bs if not any(b in above[c] for c in bs)}
        for node, bs in before.items()
    }


def reasons(concepts, plan, goals):
    """Return {id: [(what it is needed for, why)]} within a plan, in the order of the map; a goal is wanted for itself."""
    goals = set(goals)
    found = {node: [("", "the goal")] if node in goals else [] for node in plan}
    for concept in concepts.values():
        if concept.id in found:
            for before, why in (concept.needs | concept.rests_on).items():
                if before in found:
                    found[before].append((concept.id, why))
    return found
