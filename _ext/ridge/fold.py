"""Fold what a reader passes by at first: checks to their seal and the line they printed, plotting code, imports, solutions.

Only the page is folded, by <details>; in JupyterLab and in print all stands open.
"""

import ast

from docutils import nodes

from .chinese import ZH, say
from .claims import is_check, state_of


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


def describe(source, picture=False):
    """Return in words what a folded code cell holds: what it imports, its first comment (English), what it draws or defines."""
    if what := imported(source):
        return what
    lines = source.strip().splitlines()
    defined = [s.name for s in _statements(source) if getattr(s, "name", "_") != "_"]
    if lines[0].startswith("#") and not ZH:
        what = lines[0].lstrip("# ").rstrip(".:")
    elif picture or "explorable(" in source:
        what = say("code of this picture")
    else:
        what = say("code: ") + ", ".join(defined) if defined else say("code")
    return say("{what} ({n} lines)", what=what, n=len(lines)) if len(lines) > 1 else what


def _is_cell(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def _parts(cell, name):
    return [c for c in cell if isinstance(c, nodes.Element) and name in c["classes"]]


def _fold_check(cell, code, output, seal):
    """The summary: the stamp, what became of the check, and the first line that it printed; where it fell, the last."""
    passed = state_of(cell) == "passed"
    printed = [n.astext().strip() for o in output for n in o.findall(nodes.literal_block)]
    lines = "\n".join(printed).splitlines() or [""]
    stamp, words = seal[0][:2]
    words = nodes.Text(words.astext().removesuffix(say(" in this build")) + say(": ") * bool(lines[0]))
    summary = [stamp.deepcopy(), words, nodes.literal("", lines[0 if passed else -1])]
    summary += [nodes.Text(" …")] if passed and len(lines) > 1 else []
    rich = any(True for o in output for _ in o.findall(lambda n: isinstance(n, nodes.image | nodes.raw)))
    if len(lines) == 1:  # the summary says it
        for block in [n for o in output for n in o.findall(nodes.literal_block)]:
            block.parent.remove(block)
    inside = code + ([] if len(lines) == 1 or rich else output) + seal
    return folded("check", summary, inside, standing=not passed) + (output if rich else [])


def _fold_code(cell, code, output, seal):
    picture = any(True for o in output for _ in o.findall(nodes.image))
    words = [nodes.Text(describe(code[0].astext(), picture))]
    return folded("code", words, code) + output + seal


def take_over(app, doctree):
    """Sphinx `doctree-read`: `hide-input` cells are folded here and not by MyST-NB."""
    for cell in doctree.findall(_is_cell):
        if cell.get("hide_mode") == "input":
            del cell["hide_mode"]


def fold(app, doctree, docname):
    """Sphinx `doctree-resolved`, after the seals are set."""
    for cell in list(doctree.findall(_is_cell)):
        code, output, seal = (_parts(cell, name) for name in ("cell_input", "cell_output", "seal"))
        if not code:
            continue
        hidden = "tag_hide-input" in cell["classes"] or not output and imported(code[0].astext())
        if is_check(cell):
            cell[:] = _fold_check(cell, code, output, seal)
        elif hidden and state_of(cell) == "passed":
            cell[:] = _fold_code(cell, code, output, seal)
    for box in list(doctree.findall(lambda n: isinstance(n, nodes.Element) and "dropdown" in n.get("classes", []))):
        box["classes"].remove("dropdown")
        title, *rest = box.children
        for link in list(title.findall(nodes.reference)):  # a summary is pressed, and holds nothing else to press
            link.replace_self(link.children)
        box[:] = folded("solution", title.children, rest)


def setup(app):
    app.connect("doctree-read", take_over)
    app.connect("doctree-resolved", fold, priority=95)
