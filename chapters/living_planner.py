"""Plans over the book's graph of concepts: the least to learn, in what order, and why.

`living-switch` explains the functions below and shows them in its cells (a test holds the two equal); the page `map` uses them.
A graph is a dictionary: node -> set of the nodes that must come before it.
"""

import heapq
import re
from collections import namedtuple
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
            key = (name.tag, name.value) if isinstance(name.value, str) else id(name)
            if key in seen:
                line = name.start_mark.line + 1
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
    texts = {f: row[f] for f in ("id", "en", "zh") if not isinstance(row[f], str)}
    if texts or type(concept.infra) is not bool or not all(concept[:3]):
        raise ValueError(f"concept {concept.id!r} has fields of another kind: {texts}")
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


def read_concepts(text):
    """Return (parts, concepts) of concepts.yml: its list of parts, and Concepts by id in the order of the file.

    Raises ValueError for a key given twice, a field or a chapter that is unknown, an id used twice, a prerequisite that does not exist or
    is the concept itself, an edge whose reason is no sentence, and a cycle. It says which.
    """
    data = read_yaml(text)
    if not isinstance(data, dict) or {"parts", "chapters", "concepts"} - set(data):
        raise ValueError("the file must have parts, chapters and concepts")
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
    check_names(before, [*known, *goals])
    plan, open_ends = set(), [g for g in goals if g not in known]
    while open_ends:
        node = open_ends.pop()
        if node not in plan:
            plan.add(node)
            open_ends += [b for b in before[node] if b not in known]
    return plan


def start_and_goals(path, roles, concepts):
    """Return what the traveller of a ready path (a row of `paths` in roles.yml) knows, and what he wants.

    Raises ValueError for a part or a concept that there is not.
    """

    def members(part):
        found = [node for node, c in concepts.items() if part_of(c) == part]
        if part == "assumed" or not found:
            raise ValueError(f"the path {path['id']!r} speaks of {part!r}, no part")
        return found

    known = assumed(concepts, infra=path["infra"])
    known.update(*(members(part) for part in path["parts"]))
    if path["engineer"]:
        known.update(roles["known"]["concepts"])
    known.update(path.get("told", ()))
    goals = []
    for goal in path["goals"] or ():
        goals += members(goal[5:]) if goal.startswith("part ") else [goal]
    for node in [*known, *goals]:
        if node not in concepts:
            raise ValueError(f"the path {path['id']!r} speaks of {node!r}, no concept")
    if not goals:
        raise ValueError(f"the path {path['id']!r} has no goal")
    return known, goals


def reading_order(before, plan, rank):
    """Return the plan as a list: prerequisites first, among the ready least rank."""
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
    found = {node: [("", "the goal")] if node in goals else [] for node in plan}
    for concept in concepts.values():
        if concept.id in plan:
            for before, why in (concept.needs | concept.rests_on).items():
                if before in plan:
                    found[before].append((concept.id, why))
    return found
