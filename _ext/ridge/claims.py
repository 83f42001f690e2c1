"""Claims and their checks: the seal on a check cell, and how many of all claims hold.

A claim is a sphinx-proof directive with a label; the code cells tagged `check` between it and the next claim
are its checks, but for those in the solutions of exercises.
"""

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from .chinese import say

logger = logging.getLogger(__name__)

NOT_CLAIMS = {
    "definition",
    "example",
    "remark",
    "algorithm",
    "notation",
    "assumption",
    "axiom",
}
# How a claim is held, by its `:class:` by-…; an observation without any was seen, and no more.
HELD = {
    "proof": "proved in the text",
    "source": "proved in the source cited",
    "symbols": "by symbols or exact numbers",
    "cases": "every case tried",
    "witness": "an independent witness",
    "seen": "seen here",
}


class Ledger(nodes.General, nodes.Element):
    """Stands where the table of all claims will be."""


class LedgerDirective(SphinxDirective):
    def run(self):
        self.env.ridge_pages.add(self.env.docname)
        return [Ledger()]


def is_claim(node):
    return isinstance(node, nodes.Element) and node.get("realtype", "") not in NOT_CLAIMS and "countertype" in node


def is_check(node):
    return isinstance(node, nodes.container) and "tag_check" in node.get("classes", [])


def state_of(cell):
    """What became of this cell in the run that the page shows: `outputs` has tagged those that did not pass."""
    classes = cell.get("classes", [])
    return "fell" if "tag_fell" in classes else "not run" if "tag_not-run" in classes else "passed"


def holds(claim):
    return all(check["state"] == "passed" for check in claim["checks"])


def in_solution(node):
    """Does this check stand in the solution of an exercise? Then it is the exercise's, and no claim's."""
    while node is not None and type(node).__name__ != "solution_node":
        node = node.parent
    return node is not None


def _held(claim):
    """Return in words how a claim is held, in the order of HELD."""
    ways = {name[3:] for name in claim["classes"] if name.startswith("by-")}
    if strange := ways - set(HELD):
        logger.warning("nothing is held by %s", ", ".join(sorted(strange)), location=claim)
    if claim["realtype"] == "observation":
        ways = ways or {"seen"}
    return [say(words) for way, words in HELD.items() if way in ways]


def prepare(app):
    for name in ("ridge_claims", "ridge_pages"):
        if not hasattr(app.env, name):
            setattr(app.env, name, {} if name == "ridge_claims" else set())


def forget(app, env, docname):
    env.ridge_claims.pop(docname, None)
    env.ridge_pages.discard(docname)


def collect(app, doctree):
    """Sphinx `doctree-read`: note the page's claims in order, each with the checks that follow it."""
    env = app.env
    if any(map(_is_tally, doctree.findall(nodes.container))):
        env.ridge_pages.add(env.docname)
    words = env.metadata[env.docname].pop("words", {})
    claims = []
    for node in doctree.findall(lambda n: is_claim(n) or is_check(n)):
        if is_claim(node):
            claims.append(
                {
                    "label": node["label"],
                    "type": node["realtype"],
                    "title": [child.deepcopy() for child in node[0].children],
                    "kind": node["countertype"],
                    "held": _held(node),
                    "checks": [],
                }
            )
        elif in_solution(node):
            continue
        elif not claims:
            logger.warning("a check cell stands before the first claim", location=node)
        else:
            claim = claims[-1]
            anchor = f"check-{claim['label']}" + (f"-{len(claim['checks']) + 1}" if claim["checks"] else "")
            node["ids"].append(anchor)
            node["claim"] = claim["label"]
            claim["checks"].append(
                {"id": anchor, "state": state_of(node), "printed": words.get(node.get("cell_index"), "")}
            )
    for claim in claims:
        if not claim["checks"]:
            logger.warning(
                "claim %s has no check cell after it",
                claim["label"],
                location=env.docname,
            )
    if claims:
        env.ridge_claims[env.docname] = claims


def number_of(env, docname, claim):
    """Return the claim's name with its number on the page, as 'Theorem 1.3'."""
    numbers = env.toc_fignumbers.get(docname, {}).get(claim["kind"], {}).get(claim["label"], ())
    return f"{say(claim['type'].title())} {'.'.join(map(str, numbers))}".strip()


def title_of(claim):
    """Return the nodes of a claim's title (it may hold a formula), after a space."""
    return [nodes.Text(" "), *(child.deepcopy() for child in claim["title"])]


def find(env, label):
    """Return (docname, claim) of a label, or None."""
    return next(
        ((d, c) for d, claims in env.ridge_claims.items() for c in claims if c["label"] == label),
        None,
    )


def link(app, here, there, anchor, text, classes=()):
    uri = app.builder.get_relative_uri(here, there) + (f"#{anchor}" if anchor else "")
    return nodes.reference("", text, internal=True, refuri=uri, classes=list(classes))


def in_book_order(env):
    order = [env.config.root_doc]
    for docname in order:
        order += [d for d in env.toctree_includes.get(docname, []) if d not in order]
    return [d for d in order if d in env.ridge_claims]


def tally(app, here):
    """Return paragraphs that say how many of the book's claims hold in this build, and lead to those that do not."""
    env = app.env
    claims = [(d, c) for d in in_book_order(env) for c in env.ridge_claims[d]]
    broken = [(d, c) for d, c in claims if not holds(c)]
    total = say("{held} of {all} claims hold on this machine.", held=len(claims) - len(broken), all=len(claims))
    said = nodes.paragraph("", "", nodes.strong("", total), classes=["tally"])
    if not broken:
        return [said]
    list_ = nodes.bullet_list(classes=["fallen"])
    for docname, claim in broken:
        check = next(c for c in claim["checks"] if c["state"] != "passed")
        line = nodes.paragraph("", "", link(app, here, docname, check["id"], number_of(env, docname, claim)))
        line += [*title_of(claim), nodes.Text(say(": its check {became}.", became=say(WORDS[check["state"]])))]
        list_ += nodes.list_item("", line)
    said += nodes.Text(say(" These do not:"))
    return [said, list_]


WORDS = {"passed": "passed", "fell": "fell on this machine", "not run": "was not run"}


def _seal(app, cell, docname, ledger_page):
    """Return the line beneath a check, or beneath another cell that did not pass."""
    state = state_of(cell)
    mark = nodes.paragraph(classes=["seal", state.replace(" ", "-")])
    mark += nodes.inline("", "验" if state == "passed" else "✗", classes=["stamp"])
    if not is_check(cell):
        mark += nodes.Text(say(" This cell {became}.", became=say(WORDS[state])))
        return mark
    broken = say(" seal broken: this check {became}", became=say(WORDS[state]))
    mark += nodes.Text(say(" passed in this build") if state == "passed" else broken)
    if "claim" in cell:
        mark += [
            nodes.Text(say(": ")),
            link(app, docname, docname, cell["claim"], number_of(app.env, *find(app.env, cell["claim"]))),
        ]
        if ledger_page:
            mark += [nodes.Text(" · "), link(app, docname, ledger_page, f"ledger-{cell['claim']}", say("ledger"))]
    return mark


def _is_tally(node):
    return isinstance(node, nodes.container) and "tally" in node.get("classes", [])


def seal(app, doctree, docname):
    """Sphinx `doctree-resolved`: mark each check cell and each that did not pass; fill the tally."""
    ledger_page = next((d for d in app.env.ridge_pages if d.endswith("ledger")), None)
    for statement in doctree.findall(lambda n: isinstance(n, nodes.section) and n["ids"] == ["proof-content"]):
        statement["ids"] = []  # sphinx-proof gives every statement of a page the same id
    for cell in list(doctree.findall(nodes.container)):
        if is_check(cell) or state_of(cell) != "passed":
            cell += _seal(app, cell, docname, ledger_page)
    for place in list(doctree.findall(_is_tally)):
        place.replace_self(tally(app, docname))


def rewrite_pages(app, env):
    """Sphinx `env-updated`: the pages that gather from others are written anew whenever any other is."""
    return sorted(env.ridge_pages)


def setup(app):
    app.add_node(Ledger)
    app.add_directive("ledger", LedgerDirective)
    app.connect("builder-inited", prepare)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", collect)
    app.connect("env-updated", rewrite_pages)
    app.connect("doctree-resolved", seal, priority=90)
