"""What the style guide asks of every chapter and a machine can see in the files."""

import ast
import re
import subprocess
import sys
from fnmatch import fnmatch

import nbformat
import pytest
import yaml
from chapter_code import CHAPTERS, ROOT
from notebook_form import canonical

HELD = ("proof", "source", "symbols", "cases", "witness", "seen")
NOTEBOOKS = sorted(CHAPTERS.glob("*.ipynb"))
CLAIM = re.compile(
    r"^:::+\{prf:(theorem|lemma|corollary|proposition|property|observation|conjecture|criterion)\}.*\n:label: (\S+)",
    re.M,
)
BOX = re.compile(
    r"^:::+\{prf:(?P<kind>theorem|lemma|corollary|proposition|property|observation|conjecture|criterion)\}.*\n(?P<options>(?:\s*:\w+:.*\n)*)",
    re.M,
)
ASSERTIONS = {
    "raises",
    "assert_allclose",
    "assert_array_equal",
    "assert_equal",
    "assert_close",
    "assert_array_less",
}


def read(path):
    return nbformat.read(path, 4)


def tags(cell):
    return cell.metadata.get("tags", [])


def events(notebook):
    """Yield ('claim', label) and ('check', cell) in the order of the page."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for match in CLAIM.finditer(cell.source):
                yield "claim", match[2]
        elif "check" in tags(cell):
            yield "check", cell


def asserts(source):
    """Does this code hold an assertion that is not a constant?"""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant):
            return True
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ASSERTIONS:
            return True
    return False


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: p.stem)
def notebook(request):
    return read(request.param)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_is_committed_in_its_one_form(path):
    assert path.read_text(encoding="utf-8") == canonical(read(path)), (
        "run `make format`"
    )


def test_toc_lists_every_page_once():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [toc["root"]] + [
        c["file"] for part in toc["parts"] for c in part["chapters"]
    ]
    pages = [f"chapters/{p.stem}" for p in [*NOTEBOOKS, *CHAPTERS.glob("*.md")]]
    assert sorted(listed) == sorted(pages)


def test_every_claim_has_a_check_before_the_next_claim(notebook):
    order = list(events(notebook))
    assert order, "a chapter claims something"
    followed = [kind for kind, _ in order] + ["claim"]
    bare = [
        what
        for i, (kind, what) in enumerate(order)
        if kind == "claim" and followed[i + 1] == "claim"
    ]
    assert not bare, f"claims without a check: {bare}"
    assert order[0][0] == "claim", "the first check stands before the first claim"


def test_every_check_asserts_and_prints(notebook):
    for kind, cell in events(notebook):
        if kind == "check":
            assert asserts(cell.source), (
                f"no assertion in check cell {cell.id}:\n{cell.source}"
            )
            assert "print(" in cell.source, (
                f"check cell {cell.id} does not print what it looked at"
            )


def test_a_theorem_says_how_it_is_held(notebook):
    """Proved in the text, in a source that stands beside it, by symbols, or by every case; an observation need not be."""
    for cell in notebook.cells:
        for box in BOX.finditer(cell.source if cell.cell_type == "markdown" else ""):
            ways = set(
                re.findall(r"\bby-(\w+)", re.sub(r":label:.*", "", box["options"]))
            )
            assert ways <= set(HELD), box[0]
            if box["kind"] != "observation":
                assert ways & {"proof", "source", "symbols", "cases"}, box[0]
            if "source" in ways:
                assert "{cite" in cell.source, f"no source beside {box[0]}"


def test_labels_are_unique_in_the_book():
    labels = [
        label
        for path in NOTEBOOKS
        for kind, label in events(read(path))
        if kind == "claim"
    ]
    assert len(labels) == len(set(labels))


def test_figures_have_alt_text_caption_and_name(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code" and "plt.show(" in cell.source:
            about = cell.metadata.get("mystnb", {})
            assert len(about.get("image", {}).get("alt", "")) >= 30, (
                f"cell {cell.id}: no alt text"
            )
            assert {"caption", "name"} <= set(about.get("figure", {})), (
                f"cell {cell.id}: no caption or name"
            )


def test_cells_are_short_and_plain(notebook):
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        lines = cell.source.splitlines()
        # Folded figure code is not read with the text.
        assert len(lines) <= (80 if "hide-input" in tags(cell) else 40), (
            f"cell {cell.id} has {len(lines)} lines"
        )
        assert not [line for line in lines if line.startswith(("!", "%"))], (
            f"cell {cell.id} has a magic line"
        )


def test_chapters_import_nothing_from_other_chapters(notebook):
    ours = {p.stem for p in CHAPTERS.glob("*.py")}
    parts = {n.split("_")[0] for n in ours}
    # The home page and the map show the planner that a chapter explains, and the hill.
    book = notebook.metadata.get("book")
    own = {book["loudest"].split("-")[0]} if book else {"living", "home"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for name in re.findall(r"^(?:from|import) (\w+)", cell.source, re.M):
                assert (
                    name not in ours
                    or name in {"plumbing", "engines", "hush"}
                    or name.split("_")[0] in own & parts
                )


def test_book_metadata_is_complete(notebook):
    book = notebook.metadata.get("book")
    if book is not None:
        assert {"post", "promise", "loudest", "minutes"} <= set(book)
        assert book["loudest"] in [
            label for kind, label in events(notebook) if kind == "claim"
        ]


def test_exercises_have_solutions_with_checks(notebook):
    text = "\n".join(
        c.source if c.cell_type == "markdown" else f"<<{','.join(tags(c))}>>"
        for c in notebook.cells
    )
    exercises = re.findall(r"\{exercise\}.*\n:label: (\S+)", text)
    for label in exercises:
        solution = re.search(
            rf"\{{solution-start\}} {re.escape(label)}\n(.*?)\{{solution-end\}}",
            text,
            re.S,
        )
        assert solution, f"exercise {label} has no solution"
        assert ":class: dropdown" in solution[1], (
            f"the solution of {label} is not folded"
        )
        assert re.search(r"<<[^>]*check[^>]*>>", solution[1]), (
            f"the solution of {label} is not checked"
        )


def test_code_is_formatted_and_lints():
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_data_files_are_all_described():
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| (.+?) \|", text, re.M)  # the first column
    patterns = [name for cell in named for name in re.findall(r"`([^`]+)`", cell)]
    for path in (ROOT / "data").iterdir():
        if path.name != "README.md":
            assert any(fnmatch(path.name, pattern) for pattern in patterns), (
                f"data/README.md has no row for {path.name}"
            )


@pytest.mark.parametrize("table", ["names", "false-friends"])
def test_a_name_is_given_in_both_languages_and_cites_claims(table):
    claims = {label for p in NOTEBOOKS for kind, label in events(read(p)) if kind == "claim"}  # fmt: skip
    rows = yaml.safe_load((ROOT / "data" / f"{table}.yml").read_text(encoding="utf-8"))
    assert len({row["en"] for row in rows}) == len(rows)
    for row in rows:
        assert row["en"] and row["zh"], row
        cited = row["proved"] if table == "names" else list(row["senses"].values())
        assert cited and set(cited) <= claims, row
        if table == "names":
            assert len(row) > 4, f"{row['en']} has one name only"
        else:
            assert len(cited) > 1, f"{row['en']} has one sense only"


def test_fifty_things_have_their_names():
    rows = yaml.safe_load((ROOT / "data" / "names.yml").read_text(encoding="utf-8"))
    assert len(rows) >= 50
