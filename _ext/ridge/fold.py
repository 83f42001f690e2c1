"""Fold what a reader passes by at first: checks to their seal and the line they printed, plotting code, imports, solutions.

Only the page is folded, by <details>; in JupyterLab and in print all stands open.
"""

import ast

from docutils import nodes
from sphinx.util.nodes import make_refnode

from .chinese import ZH, say
from .claims import BECAME, find, is_check, number_of, state_of


def _html(text):
    return nodes.raw("", text, format="html")


def folded(kind, summary, inside, standing=False):
    """Return the nodes of a <details> of class `kind`, open where it is `standing`."""
    start = f'<details class="fold {kind}"{" open" * standing}><summary>'
    words = nodes.inline("", "", *summary)
    return [_html(start), words, _html("</summary>"), *inside, _html("</details>")]


def _statements(source):
    try:
        return ast.parse(source).body
    except SyntaxError:  # not Python, say a magic line
        return []


def imported(source):
    """Return what a cell of imports imports, and sets up in a few lines, in words; None for any other cell."""
    modules, rest = {}, []
    for statement in _statements(source):
        if isinstance(statement, ast.ImportFrom):
            modules[statement.module] = True
        elif isinstance(statement, ast.Import):
            modules |= dict.fromkeys(alias.name for alias in statement.names)
        elif isinstance(statement, ast.Assign | ast.Expr):
            rest.append(ast.unparse(statement))
        else:
            return None
    if len(modules) <= 2 * len(rest):
        return None
    return "; ".join([say("imports: ") + ", ".join(modules), *rest])


def _assigned(source):
    """Return the names that a program's own statements give values to."""
    targets = [t for s in _statements(source) if isinstance(s, ast.Assign) for t in s.targets]
    named = [n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys(n.id for n in named if n.id != "_"))


def describe(source, picture=False):
    """Return in words what a folded code cell holds: what it imports, its first comment (English), what it draws, defines or assigns."""
    if what := imported(source):
        return what
    lines = source.strip().splitlines()
    defined = [s.name for s in _statements(source) if getattr(s, "name", "_") != "_"] or _assigned(source)[:4]
    if lines[0].startswith("#") and not ZH:
        what = lines[0].lstrip("# ").rstrip(".:")
    elif picture:
        what = say("code of this picture")
    else:
        what = say("code: ") + ", ".join(defined) if defined else say("code")
    return say("{what} ({n} lines)", what=what, n=len(lines)) if len(lines) > 1 else what


def _is_cell(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def _parts(cell, name):
    return [c for c in cell if isinstance(c, nodes.Element) and name in c["classes"]]


def _inside(parts, *kinds):
    return [node for part in parts for node in part.findall(lambda n: isinstance(n, kinds))]


def _stamp(cell):
    """Return the mark of a cell, and in words what became of it."""
    state = state_of(cell)
    became = say(BECAME[state])
    if state == "passed":
        mark, words = "验", f" {became}"
    elif is_check(cell):
        mark, words = "✗", say(" seal broken: this check {became}", became=became)
    else:
        mark, words = "✗", say(" This cell {became}.", became=became)
    return nodes.inline("", mark, classes=["stamp"]), words


def _seal(app, docname, cell):
    """Return the line beneath a check, or beneath another cell that did not pass; it leads to the claim and the ledger."""
    stamp, words = _stamp(cell)
    state = state_of(cell)
    words += say(" in this build") * (state == "passed")
    seal = nodes.paragraph("", "", stamp, nodes.Text(words), classes=["seal", state.replace(" ", "-")])
    if label := cell.get("claim"):
        number = nodes.Text(number_of(app.env, find(app.env, label)))
        seal += [nodes.Text(say(": ")), make_refnode(app.builder, docname, docname, label, number)]
        if ledger := next((d for d in app.env.found_docs if d.endswith("/ledger")), None):
            row = make_refnode(app.builder, docname, ledger, f"ledger-{label}", nodes.Text(say("ledger")))
            seal += [nodes.Text(" · "), row]
    return seal


def _fold_check(cell, code, output, seal):
    """The summary: the stamp, what became of the check, and the first line that it printed; where it fell, the last."""
    passed = state_of(cell) == "passed"
    blocks = _inside(output, nodes.literal_block)
    lines = "\n".join(block.astext().strip() for block in blocks).splitlines() or [""]
    rich = _inside(output, nodes.image, nodes.raw)
    stamp, words = _stamp(cell)
    summary = [stamp, nodes.Text(words + say(": ") * bool(lines[0])), nodes.literal("", lines[0 if passed else -1])]
    if len(lines) == 1:  # the summary says it
        for block in blocks:
            block.parent.remove(block)
    elif passed:
        summary.append(nodes.Text(" …"))
    inside = code + ([] if len(lines) == 1 or rich else output) + [seal]
    return folded("check", summary, inside, standing=not passed) + (output if rich else [])


def take_over(app, doctree):
    """Sphinx `doctree-read`: `hide-input` cells are folded here and not by MyST-NB."""
    for cell in doctree.findall(_is_cell):
        if cell.get("hide_mode") == "input":
            del cell["hide_mode"]


def fold(app, doctree, docname):
    """Sphinx `doctree-resolved`: seal what was checked, and fold."""
    for cell in list(doctree.findall(_is_cell)):
        code, output = _parts(cell, "cell_input"), _parts(cell, "cell_output")
        if is_check(cell):
            cell[:] = _fold_check(cell, code, output, _seal(app, docname, cell))
        elif state_of(cell) != "passed":
            cell += _seal(app, docname, cell)
        elif code and ("tag_hide-input" in cell["classes"] or not output and imported(code[0].astext())):
            drawn = _inside(output, nodes.image) + [n for n in _inside(output, nodes.raw) if "explorable" in n.astext()]
            words = describe(code[0].astext(), picture=bool(drawn))
            cell[:] = folded("code", [nodes.Text(words)], code) + output
    for box in list(doctree.findall(lambda n: isinstance(n, nodes.Element) and "dropdown" in n.get("classes", []))):
        box["classes"].remove("dropdown")
        title, *rest = box.children
        for link in list(title.findall(nodes.reference)):  # a summary is pressed, and holds nothing else to press
            link.replace_self(link.children)
        box[:] = folded("solution", title.children, rest)


def setup(app):
    app.connect("doctree-read", take_over)
    app.connect("doctree-resolved", fold, priority=95)
