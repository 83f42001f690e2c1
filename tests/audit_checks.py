"""How well the checks bite: `make audit-checks`, or

    python tests/audit_checks.py breaks [--places 40] [--draw 1] [chapters/NAME.ipynb …]
    python tests/audit_checks.py seeds [--seeds 20] [chapters/NAME.ipynb …]
    python tests/audit_checks.py kinds [chapters/NAME.ipynb …]

`breaks` changes a chapter in one place at a time, drawn at random, and runs it: an operator, a comparison, a number, a
condition or a call inside its functions and those of the modules that it alone imports, or a number that a check wants
something to equal. What neither a cell notices nor tests/test_NAME.py has survived. `seeds` adds to every seed of a chapter the same number, and runs it. `kinds` runs
it under the arithmetic of other processors, as elsewhere.py does.

What was seen is kept in data/audit.yml, with the chapter's code as a digest; what was seen of other code is struck out. A
chapter that was audited as it stands is not audited again, but for its survivors, on which a new test is tried. A survivor
there may be given a `reason` by hand: that of a change that changes nothing. Of a chapter that starts engines, `breaks` and
`seeds` run the cells that need none (no_engines.py); what these do not notice, and what by_hand.yml lists, is tried whole. A program is
given up after a minute and six times what the chapter took.
"""

import argparse
import ast
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Lock

import nbformat
import numpy
import yaml
from chapter_code import CHAPTERS, ROOT
from elsewhere import ONE, fell, outcome, playable

FOUND = ROOT / "data/audit.yml"
TESTS = str(ROOT / "tests")
BY_HAND = ROOT / "tests/by_hand.yml"
HEAD = "# What `make audit-checks` found: see tests/audit_checks.py. Only a survivor's `reason` is written by hand.\n"
ENGINES = re.compile(
    r"engines\.|start_ray|start_spark|import (ray|streamlit)\b|run_app"
)
NOT_TRIED = ("plot", "draw", "show", "fig", "label", "explorable")
KEEPING = Lock()
MUTE = {"print", "display", "plt", "ax", "fig"}
OTHER = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.MatMult: ast.Mult,
}  # fmt: skip
SEEDERS = {
    "default_rng",
    "manual_seed",
    "RandomState",
    "seed",
    "Random",
    "SeedSequence",
}


def is_number(node):
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def breakable(tree, check=False):
    """Yield the nodes that `broken` can change: in functions, or, of a check, the numbers that it compares by ==."""
    if check:
        for test in ast.walk(tree):
            if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq):
                yield from filter(is_number, test.comparators)
        return
    for definition in tree.body:
        named = getattr(definition, "name", "plot").lower().lstrip("_")
        if not named.startswith(NOT_TRIED):
            yield from _within(definition)


def _within(node):
    if isinstance(node, ast.Assert | ast.Raise):
        return
    if isinstance(node, ast.Compare | ast.BoolOp | ast.BinOp | ast.AugAssign):
        operator = node.ops[0] if isinstance(node, ast.Compare) else node.op
        text = (
            isinstance(node, ast.BinOp)
            and isinstance(node.left, ast.Constant | ast.JoinedStr)
            and not is_number(node.left)
        )
        if type(operator) in OTHER and not text:
            yield node
    elif is_number(node) or isinstance(node, ast.If | ast.While | ast.IfExp):
        yield node
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield node
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        root = node.value.func
        while isinstance(root, ast.Attribute):
            root = root.value
        if not (isinstance(root, ast.Name) and root.id in MUTE):
            yield node
    for child in ast.iter_child_nodes(node):
        yield from _within(child)


def broken(node):
    """Change a node of `breakable` in place; return in words what became of it."""

    def words():
        part = node.test if isinstance(node, ast.If | ast.While | ast.IfExp) else node
        return " ".join(ast.unparse(part).split())[:80]

    before = words()
    if isinstance(node, ast.Compare):
        node.ops[0] = OTHER[type(node.ops[0])]()
    elif isinstance(node, ast.BoolOp | ast.BinOp | ast.AugAssign):
        node.op = OTHER[type(node.op)]()
    elif is_number(node):
        node.value = (
            node.value + 1 if type(node.value) is int else node.value * 1.5 + 0.25
        )
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
        if isinstance(node.op, ast.Not):
            node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)
    elif isinstance(node, ast.Expr):
        node.value = ast.Constant(None)
    else:
        node.test = ast.UnaryOp(op=ast.Not(), operand=node.test)
    return f"{before} → {words()}"


def statements(source):
    """The texts of a program's statements: the same however they are spread over cells, with or without words between."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a magic line
        return [source]
    lines = source.splitlines()
    begins = [
        min(n.lineno for n in (s, *getattr(s, "decorator_list", []))) for s in body
    ]
    return [
        "\n".join(lines[begin - 1 : s.end_lineno])
        for begin, s in zip(begins, body, strict=True)
    ]


class Chapter:
    """A chapter as programs: {name: (source, is it a check)} of its cells and of the modules that no other chapter imports."""

    def __init__(self, path):
        self.path, self.notebook = path, nbformat.read(path, 4)
        cells = [c for c in self.notebook.cells if c.cell_type == "code"]
        self.programs = {
            c["id"]: (c.source, "check" in c.metadata.get("tags", [])) for c in cells
        }
        text = "\n".join(c.source for c in cells)
        others = "\n".join(
            p.read_text("utf-8") for p in CHAPTERS.glob("*.ipynb") if p != path
        )
        for module in sorted(CHAPTERS.glob("*.py")):
            imported = re.compile(rf"\b(import|from) {module.stem}\b")
            if imported.search(text) and not imported.search(others):
                self.programs[module.name] = (module.read_text("utf-8"), False)
        self.starts_engines = bool(ENGINES.search(text))
        self.left_out, by_hand = set(), yaml.safe_load(BY_HAND.read_text("utf-8"))
        self.by_hand = by_hand.get(path.stem, [])
        changes = [(row["is"], row["becomes"]) for row in self.by_hand]
        code = [
            (check, text)
            for source, check in self.programs.values()
            for text in statements(source)
        ]
        self.digest = hashlib.sha256(repr([code, changes]).encode()).hexdigest()[:16]

    def source(self, name):
        return next(c.source for c in self.notebook.cells if c["id"] == name)

    def lay(self, folder, changed, engines=True):
        """Write the notebook and the modules with other sources for the programs in `changed` into a folder.

        Without `engines` the cells that need one may fall."""
        notebook = nbformat.from_dict(self.notebook)
        for cell in notebook.cells:
            cell.source = changed.get(
                cell["id"], self.programs.get(cell["id"], (cell.source,))[0]
            )
            # a broken program waits for what will not come
            cell.source = re.sub(r"\bPATIENCE = \d+", "PATIENCE = 200", cell.source)
            if cell["id"] in self.left_out and not engines:
                cell.source = f"get_ipython().run_cell({cell.source!r})"  # may fall
        if self.starts_engines and not engines:
            absent = nbformat.v4.new_code_cell("import no_engines")
            notebook.cells.insert(0, absent)
        for name in changed:
            if name.endswith(".py"):
                Path(folder, name).write_text(changed[name], encoding="utf-8")
        nbformat.write(notebook, Path(folder, self.path.name))

    def run(self, changed, seconds=3600, engines=False):
        """Run the chapter with other sources for the programs in `changed`; return how it fell, or None.

        Without `engines` the cells that need one are left out, which `leave_out` has found."""
        with tempfile.TemporaryDirectory() as folder:
            self.lay(folder, changed, engines)
            first = ONE | {"PYTHONPATH": os.pathsep.join([folder, ".", TESTS])}
            return outcome(
                Path(folder, self.path.name), self.path.parent, first, seconds
            )

    def runs(self, changes, seconds, side):
        """Run the chapter with each of `changes`, up to `side` at once; return how it fell for each, or None.

        Each is run from where it changes on, in a copy of one run (forked.py), where that tells the whole."""
        ends = self._copied({"jobs": changes, "seconds": seconds, "side": side})
        ends = ends or ["alone"] * len(changes)
        return [
            self.run(changed, seconds) if how == "alone" else how
            for changed, how in zip(changes, ends, strict=True)
        ]

    def _copied(self, order):
        """Return what forked.py answers; None where it falls."""
        with tempfile.TemporaryDirectory() as folder:
            self.lay(folder, {}, engines=False)
            done = subprocess.run(
                [
                    sys.executable,
                    ROOT / "tests/forked.py",
                    Path(folder, self.path.name),
                ],
                cwd=self.path.parent,
                env=os.environ | ONE | {"PYTHONPATH": "."},
                input=json.dumps(order),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return json.loads(done.stdout) if done.stdout else None

    def noticed_with_engines(self, changed, seconds):
        """Does the whole chapter, if it starts engines, fall with other sources for the programs in `changed`?"""
        return self.starts_engines and self.run(changed, seconds, engines=True)

    def leave_out(self):
        """Find which cells need an engine; only the others can be broken."""
        if self.starts_engines:
            self.left_out = {*self._copied({})}
            for name in self.left_out:
                self.programs.pop(name)

    def tests_notice(self, changed, seconds):
        """Do the chapter's tests, if it has any, fail with other sources for the programs in `changed`?"""
        tests = ROOT / f"tests/test_{self.path.stem.replace('-', '_')}.py"
        if not tests.exists():
            return False
        with tempfile.TemporaryDirectory() as folder:
            for file in CHAPTERS.iterdir():
                if file.name not in (*changed, self.path.name):
                    Path(folder, file.name).symlink_to(file)
            self.lay(folder, changed)
            words = f"-m pytest -x -q -p no:xdist {tests.relative_to(ROOT)}".split()
            where = os.environ | ONE | {"BOOK_CHAPTERS": folder, "PYTHONPATH": folder}
            try:
                done = subprocess.run(
                    [sys.executable, *words],
                    cwd=ROOT,
                    env=where,
                    capture_output=True,
                    timeout=seconds,
                )
            except subprocess.TimeoutExpired:
                return True
        return done.returncode == 1


def drawn_breaks(chapter, places, draw):
    """Return how many places can be broken; and of those drawn the place, the change in words, and the changed programs."""
    sites = []
    for name, (source, check) in chapter.programs.items():
        try:
            nodes = list(breakable(ast.parse(source), check))
        except SyntaxError:  # a magic line
            continue
        sites += [(name, number) for number in range(len(nodes))]
    rows = []
    for name, number in Random(draw).sample(sites, min(places, len(sites))):
        source, check = chapter.programs[name]
        tree = ast.parse(source)
        node = list(breakable(tree, check))[number]
        words = {"place": f"{name}:{node.lineno}", "change": broken(node)}
        rows.append((words, {name: ast.unparse(tree)}))
    return len(sites), rows


def breaks_by_hand(chapter):
    """Return the place, the change in words, and the changed programs of each row in by_hand.yml."""
    rows = []
    for row in chapter.by_hand:
        source = chapter.source(row["cell"])
        if source.count(row["is"]) != 1:
            raise SystemExit(f"{chapter.path.name}: {row} is not there, or twice")
        words = " ".join(f"{row['is']} → {row['becomes']}".split())
        changed = {row["cell"]: source.replace(row["is"], row["becomes"])}
        rows.append(({"place": row["cell"], "change": words}, changed))
    return rows


def audit_breaks(chapter, given, side, old):
    """`old`: the row of this very code; then its survivors are tried on the tests of today, and nothing else."""
    places = old["tried"] - old["by_hand"] if old else given.places
    draw = old.get("draw", given.draw)
    possible, drawn = drawn_breaks(chapter, places, draw)
    rows = drawn + breaks_by_hand(chapter)
    if old:
        left = [s for s in old["survivors"] if "reason" not in s]
        known = [s for s in old["survivors"] if "reason" in s]
        rows = [row for row in rows if row[0] in left]
        patience, ends = 600, [None] * len(rows)
    else:
        began, known = time.monotonic(), []
        if how := chapter.run({}):
            raise SystemExit(f"{chapter.path.name} falls as it is: {how}")
        patience = 60 + 6 * (time.monotonic() - began)
        ends = chapter.runs([changed for _, changed in drawn], patience, side)
        ends += [chapter.run(c, engines=True) for _, c in rows[len(drawn) :]]
    survivors, by_tests = known, old.get("by_tests", 0)
    for (place, changed), how in zip(rows, ends, strict=True):
        if not how and chapter.tests_notice(changed, 600 + patience):
            by_tests += 1
        elif not how and not chapter.noticed_with_engines(changed, 600 + patience):
            survivors.append(place)
            print(f"  survived: {place['place']}  {place['change']}", flush=True)
    return {
        "possible": possible,
        "tried": len(drawn) + len(chapter.by_hand),
        "by_hand": len(chapter.by_hand),
        "by_tests": by_tests,
        "draw": draw,
        "survivors": survivors,
    }


class Reseed(ast.NodeTransformer):
    """Adds `shift` to each seed that is a plain number."""

    def __init__(self, shift):
        self.shift, self.count = shift, 0

    def _moved(self, node):
        if not (isinstance(node, ast.Constant) and type(node.value) is int):
            return node
        self.count += 1
        return ast.Constant(node.value + self.shift)

    def visit_Call(self, node):
        self.generic_visit(node)
        if (
            node.args
            and getattr(node.func, "attr", getattr(node.func, "id", "")) in SEEDERS
        ):
            node.args[0] = self._moved(node.args[0])
        for keyword in node.keywords:
            if keyword.arg in ("seed", "random_state"):
                keyword.value = self._moved(keyword.value)
        return node

    def visit_Assign(self, node):
        self.generic_visit(node)
        if "seed" in ast.unparse(node.targets[0]).lower():
            node.value = self._moved(node.value)
        return node


def reseeded(chapter, shift):
    """Return a chapter's programs with all seeds moved, and how many there are."""
    reseed, changed = Reseed(shift), {}
    for name, (source, _) in chapter.programs.items():
        before = reseed.count
        try:
            moved = ast.unparse(reseed.visit(ast.parse(source)))
        except SyntaxError:  # a magic line
            continue
        if reseed.count > before:
            changed[name] = moved
    return changed, reseed.count


def audit_seeds(chapter, given, side, old):
    _, seeds = reseeded(chapter, 0)
    shifts = [1009 * (n + 1) for n in range(given.seeds if seeds else 0)]
    ends = chapter.runs([reseeded(chapter, shift)[0] for shift in shifts], 3600, side)
    for shift, how in zip(shifts, ends, strict=True):
        if how:
            print(f"  seeds + {shift}: {how}", flush=True)
    return {"seeds": seeds, "tried": len(ends), "stood": ends.count(None)}


def audit_kinds(chapter, given, side, old):
    kinds = playable()
    with ThreadPoolExecutor(side) as pool:
        ends = dict(
            zip(kinds, pool.map(lambda k: fell(chapter.path, k), kinds), strict=True)
        )
    for kind, how in ends.items():
        if how:
            print(f"  {kind}: {how}", flush=True)
    return {"tried": kinds, "stood": [kind for kind, how in ends.items() if not how]}


def load():
    return yaml.safe_load(FOUND.read_text("utf-8")) if FOUND.exists() else {}


def void(book):
    """Return (chapter, what) of each row of the book that was seen of other code than the chapter has now."""
    digests = {
        path.stem: Chapter(path).digest
        for path in CHAPTERS.glob("*.ipynb")
        if path.stem in book
    }
    return [
        (stem, what)
        for stem, rows in book.items()
        for what, row in rows.items()
        if row["code"] != digests.get(stem)
    ]


def write(book):
    FOUND.write_text(
        HEAD + yaml.safe_dump(book, width=120, allow_unicode=True), encoding="utf-8"
    )


def keep(chapter, what, row):
    """Write what was seen of a chapter; reasons that were given before to the same survivors stay."""
    made = {
        "code": chapter.digest,
        "day": time.strftime("%Y-%m-%d"),
        "ran": f"Python {platform.python_version()}, numpy {numpy.__version__}, {platform.machine()}",
    }
    with KEEPING:
        book = load()
        old = book.get(chapter.path.stem, {}).get(what, {})
        reasons = {
            (s["place"].split(":")[0], s["change"]): s["reason"]
            for s in old.get("survivors", [])
            if "reason" in s
        }
        for survivor in row.get("survivors", []):
            same = survivor["place"].split(":")[0], survivor["change"]
            if same in reasons:
                survivor["reason"] = reasons[same]
        book.setdefault(chapter.path.stem, {})[what] = made | row
        write(book)


AUDITS = {"breaks": audit_breaks, "seeds": audit_seeds, "kinds": audit_kinds}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=AUDITS)
    parser.add_argument("chapters", nargs="*", type=Path)
    parser.add_argument("--places", type=int, default=40)
    parser.add_argument("--draw", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=20)
    given = parser.parse_intermixed_args()
    chapters = [
        Chapter(p.resolve()) for p in given.chapters or sorted(CHAPTERS.glob("*.ipynb"))
    ]
    book = load()
    for stem, what in void(book):
        del book[stem][what]
    write({stem: rows for stem, rows in book.items() if rows})
    side = -(-os.cpu_count() // len(chapters))
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def audit(chapter):
            old = load().get(chapter.path.stem, {}).get(given.what, {})
            if old.get("code") != chapter.digest:
                old = {}
            if old and all("reason" in s for s in old.get("survivors", [])):
                return
            if given.what != "kinds":
                chapter.leave_out()
            row = AUDITS[given.what](chapter, given, side, old)
            keep(chapter, given.what, row)
            counts = (
                f"{k} {len(v) if isinstance(v, list) else v}" for k, v in row.items()
            )
            print(chapter.path.stem, *counts, flush=True)

        list(pool.map(audit, chapters))  # a chapter that falls as it is ends all


if __name__ == "__main__":
    sys.exit(main())
