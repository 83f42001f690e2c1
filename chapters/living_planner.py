"""Plans over the book's graph of concepts: the least to learn, in what order, and why.

`living-switch` explains the functions below and shows them in its cells (a test holds the two equal); the page `map` uses them.
A graph is a dictionary: node -> set of the nodes that must come before it.
"""

import heapq
from collections import namedtuple
from graphlib import TopologicalSorter

import yaml

Concept = namedtuple("Concept", "id en zh chapter target infra needs rests_on")
_FIELDS = {"id", "en", "zh", "chapter", "target", "infra", "needs", "rests_on"}


def read_concepts(text):
    """Return (parts, concepts) of concepts.yml: its list of parts, and Concepts by id in the order of the file.

    Raises ValueError for a field that is unknown, an id used twice, a prerequisite that does not exist,
    or an edge without a reason.
    """
    data = yaml.safe_load(text)
    concepts = {}
    for row in data["concepts"]:
        if set(row) - _FIELDS or {"id", "en", "zh", "chapter"} - set(row):
            raise ValueError(f"concept {row.get('id')!r} has the fields {sorted(row)}")
        if row["id"] in concepts:
            raise ValueError(f"two concepts are called {row['id']!r}")
        row = {"target": "", "infra": False, "needs": {}, "rests_on": {}} | row
        concepts[row["id"]] = Concept(**row)
    for concept in concepts.values():
        for before, reason in (concept.needs | concept.rests_on).items():
            if before not in concepts:
                raise ValueError(
                    f"{concept.id!r} needs {before!r}, which is no concept"
                )
            if not isinstance(reason, str) or not reason.strip():
                raise ValueError(f"{concept.id!r} needs {before!r} without a reason")
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


def least_plan(before, known, goals):
    """Return the least set to learn, by a backward search that stops at the known."""
    for node in {*known, *goals} - set(before):
        raise ValueError(f"{node!r} is not on the map")
    plan, open_ends = set(), [g for g in goals if g not in known]
    while open_ends:
        node = open_ends.pop()
        if node not in plan:
            plan.add(node)
            open_ends += [b for b in before[node] if b not in known]
    return plan


def start_and_goals(path, roles, concepts):
    """Return what the traveller of a ready path (a row of `paths` in roles.yml) knows, and what he wants."""

    def members(part):
        return [node for node, c in concepts.items() if part_of(c) == part]

    known = assumed(concepts, infra=path["infra"])
    known.update(*(members(p) for p in path["parts"]))
    if path["engineer"]:
        known.update(roles["known"]["concepts"])
    goals = []
    for goal in path["goals"]:
        goals += members(goal[5:]) if goal.startswith("part ") else [goal]
    return known, goals


def reading_order(before, plan, rank):
    """Return the plan as a list: prerequisites first, among the ready least rank."""
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
    order, turn = TopologicalSorter({n: before[n] & plan for n in plan}), {}
    for node in order.static_order():
        turn[node] = 1 + max((turn[b] for b in before[node] & plan), default=0)
    return turn


def reduction(before):
    """Return the transitive reduction: no edge that a longer way already carries."""
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
