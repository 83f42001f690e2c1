"""Claims and their checks, noted as each page is read: what is claimed, how it is held, and what became of its checks.

A claim is a sphinx-proof directive with a label; the code cells tagged `check` between it and the next claim
are its checks, but for those in the solutions of exercises.
"""

from docutils import nodes
from sphinx.util import logging
from sphinx_exercise.nodes import solution_node

from .chinese import say

logger = logging.getLogger(__name__)

NOT_CLAIMS = {"definition", "example", "remark", "algorithm", "notation", "assumption", "axiom"}
# How a claim is held, by its `:class:` by-…; an observation without any was seen, and no more.
HELD = {
    "proof": "proved in the text",
    "source": "proved in the source cited",
    "symbols": "by symbols or exact numbers",
    "cases": "every case tried",
    "witness": "an independent witness",
    "seen": "seen here",
}
PROVED = {"proof", "source", "symbols", "cases"}
BECAME = {"passed": "passed", "fell": "fell on this machine", "not run": "was not run"}


def is_claim(node):
    return isinstance(node, nodes.Element) and node.get("realtype", "") not in NOT_CLAIMS and "countertype" in node


def is_check(node):
    return isinstance(node, nodes.container) and "tag_check" in node.get("classes", [])


def state_of(cell):
    """What became of this cell in the run that the page shows: `outputs` has tagged those that did not pass."""
    classes = cell.get("classes", [])
    return "fell" if "tag_fell" in classes else "not run" if "tag_not-run" in classes else "passed"


def around(node, wanted):
    """Return the nearest of a node and all that it stands in that is `wanted`, or None."""
    while node is not None and not wanted(node):
        node = node.parent
    return node


def _noted(node, docname):
    """Return what is noted of a claim as it is read, but for its checks."""
    ways = {name[3:] for name in node["classes"] if name.startswith("by-")}
    if strange := ways - set(HELD):
        logger.warning("nothing is held by %s", ", ".join(sorted(strange)), location=node)
    if node["realtype"] == "observation":
        ways = ways or {"seen"}
    return {
        **{name: node[name] for name in ("label", "realtype", "countertype")},
        "page": docname,
        "title": nodes.inline("", "", *(part.deepcopy() for part in node[0])),
        "held": [say(words) for way, words in HELD.items() if way in ways],
        "proved": bool(ways & PROVED),
        "checks": [],
    }


def collect(app, doctree):
    """Sphinx `doctree-read`: note the page's claims in order, each with the checks that follow it."""
    about = app.env.metadata[app.env.docname]
    printed = about.pop("printed", {})
    claims = about["claims"] = []
    for node in doctree.findall(lambda n: is_claim(n) or is_check(n)):
        if is_claim(node):
            claims.append(_noted(node, app.env.docname))
        elif around(node, lambda n: isinstance(n, solution_node)):
            continue  # it is the exercise's, and no claim's
        elif not claims:
            logger.warning("a check cell stands before the first claim", location=node)
        else:
            label, checks = claims[-1]["label"], claims[-1]["checks"]
            anchor = f"check-{label}" + (f"-{len(checks) + 1}" if checks else "")
            checks.append({"id": anchor, "state": state_of(node), "printed": printed.get(node.get("cell_index"), "")})
            node["ids"].append(anchor)
            node["claim"] = label
    for claim in claims:
        claim["holds"] = all(check["state"] == "passed" for check in claim["checks"])
        if not claim["checks"]:
            logger.warning("claim %s has no check cell after it", claim["label"], location=app.env.docname)


def claims_of(env, docname):
    """Return the claims of a page, in order: dicts of label, realtype, countertype, page, title, held, proved, checks, holds."""
    return env.metadata.get(docname, {}).get("claims", [])


def find(env, label):
    """Return the claim with this label, or None."""
    return next((c for docname in env.found_docs for c in claims_of(env, docname) if c["label"] == label), None)


def number_of(env, claim):
    """Return the claim's name with its number on the page, as 'Theorem 1.3'."""
    numbers = env.toc_fignumbers.get(claim["page"], {}).get(claim["countertype"], {}).get(claim["label"], ())
    return f"{say(claim['realtype'].title())} {'.'.join(map(str, numbers))}".strip()


def setup(app):
    app.connect("doctree-read", collect)
