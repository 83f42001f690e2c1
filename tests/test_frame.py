"""The frame on small books of its own: what fails a build, what is run again and what is not, what a kill leaves behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from chapter_code import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

JUPYTER_BOOK = str(Path(sys.executable).with_name("jupyter-book"))
CLAIM = "# {}\n\nSome words.\n\n:::{{prf:theorem}} Two and two\n:label: {}-sum\n\n$2 + 2 = 4$\n:::\n"
CHECK = new_code_cell(
    "assert 2 + 2 == 4\nprint('sum', 2 + 2)", metadata={"tags": ["check"]}
)
FIGURE = (
    "import matplotlib.pyplot as plt\nimport plumbing\nplt.plot([0, 1])\nplt.show()"
)


def chapter(name, *cells):
    notebook = new_notebook(
        cells=[new_markdown_cell(CLAIM.format(name.title(), name)), CHECK, *cells]
    )
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    return notebook


class Book:
    """A book in a folder of its own, with this repository's frame and its own chapters."""

    def __init__(self, folder):
        self.folder = folder
        for part in ("_ext", "_static"):
            shutil.copytree(
                ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__")
            )
        for file in ("_config.yml", "constraints.txt"):
            shutil.copy(ROOT / file, folder)
        (folder / "chapters").mkdir()
        (folder / "data").mkdir()
        for file in ("plumbing.py", "hush.py", "matplotlibrc"):
            shutil.copy(ROOT / "chapters" / file, folder / "chapters")
        (folder / "chapters/references.bib").write_text("")
        (folder / "chapters/ledger.md").write_text(
            "# Ledger\n\nAll claims.\n\n```{ledger}\n```\n"
        )
        (folder / "data/posts.yml").write_text("[]")
        (folder / "data/names.yml").write_text("[]")

    def write(self, name, *cells):
        nbformat.write(chapter(name, *cells), self.folder / f"chapters/{name}.ipynb")

    def toc(self, *names):
        files = "".join(f"      - file: chapters/{n}\n" for n in (*names[1:], "ledger"))
        text = f"format: jb-book\nroot: chapters/{names[0]}\nparts:\n  - caption: All\n    chapters:\n{files}"
        (self.folder / "_toc.yml").write_text(text)

    def call(self, *command):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        # Another test, or the machine, may have set these.
        for name in ("GITHUB_REPOSITORY", "MPLBACKEND"):
            environment.pop(name, None)
        done = subprocess.run(
            list(command),
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def run(self):
        return self.call(sys.executable, "_ext/ridge/execution.py")

    def build(self):
        return self.call(JUPYTER_BOOK, "build", "-W", "-n", "--keep-going", ".")


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A healthy book of three pages, run and built once."""
    made = Book(tmp_path_factory.mktemp("book"))
    alt = {
        "mystnb": {
            "image": {"alt": "A line that rises from zero to one, as it should."}
        }
    }
    made.write(
        "home",
        new_markdown_cell("See [second](second.ipynb) and {prf:ref}`second-sum`."),
    )
    made.write("second", new_code_cell("import second_helper\n" + FIGURE, metadata=alt))
    (made.folder / "chapters/second_helper.py").write_text("VALUE = 1\n")
    made.toc("home", "second")
    code, said = made.run()
    assert code == 0 and "2 to run" in said, said
    code, said = made.build()
    assert code == 0, said
    return made


def test_healthy_book_has_outputs_seals_and_ledger(book):
    page = (book.folder / "_build/html/chapters/second.html").read_text()
    assert (
        "sum 4" in page
        and "验" in page
        and 'alt="A line that rises' in page
        and "<math" in page
    )
    ledger = (book.folder / "_build/html/chapters/ledger.html").read_text()
    assert "2 claims on 2 pages, 2 checks, all passed in this build." in ledger


def test_unchanged_and_prose_edits_run_nothing(book):
    assert "2 unchanged, 0 to run" in book.run()[1]
    path = book.folder / "chapters/home.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells[0].source += "\nA new sentence of prose.\n"
    nbformat.write(notebook, path)
    assert "2 unchanged, 0 to run" in book.run()[1]
    code, said = book.build()
    assert code == 0, said
    assert (
        "A new sentence of prose."
        in (book.folder / "_build/html/chapters/home.html").read_text()
    )


def test_a_changed_helper_runs_only_the_chapter_that_imports_it(book):
    (book.folder / "chapters/second_helper.py").write_text("VALUE = 2\n")
    code, said = book.run()
    assert (
        code == 0
        and "1 unchanged, 1 to run" in said
        and "passed   second.ipynb" in said
    )


def test_a_stale_chapter_is_not_published(book):
    path = book.folder / "chapters/home.ipynb"
    kept = path.read_text()
    book.write("home", new_code_cell("1 + 1"))
    code, said = book.build()
    path.write_text(kept)
    assert code != 0 and "home.ipynb was not run in its present state" in said


def test_no_launch_buttons_without_a_repository_and_right_ones_with(book):
    assert (
        "binder"
        not in (book.folder / "_build/html/chapters/home.html").read_text().lower()
    )
    os.environ["BOOK_REPOSITORY"] = "https://github.com/someone/some-book"
    try:
        code, said = book.build()
    finally:
        del os.environ["BOOK_REPOSITORY"]
    assert code == 0, said
    page = (book.folder / "_build/html/chapters/home.html").read_text()
    assert (
        "https://mybinder.org/v2/gh/someone/some-book/main?urlpath=lab/tree/chapters/home.ipynb"
        in page
    )


def test_failing_and_warning_cells_are_named(tmp_path):
    made = Book(tmp_path)
    made.write("wrong", new_code_cell("assert 2 + 2 == 5, 'arithmetic'", id="bad-sum"))
    made.write(
        "noisy", new_code_cell("import warnings\nwarnings.warn('careful')", id="loud")
    )
    made.write("fine")
    code, said = made.run()
    assert code != 0
    assert (
        "chapters/wrong.ipynb: cell 3 (id bad-sum) failed: AssertionError: arithmetic"
        in said
    )
    assert "chapters/noisy.ipynb: cell 3 (id loud) wrote to stderr" in said
    assert "2 to run" in made.run()[1], "what passed is kept, what failed is run again"


def test_faults_of_pages_fail_the_build_by_name(tmp_path):
    made = Book(tmp_path)
    made.write(
        "home",
        new_markdown_cell(
            "[gone](missing.ipynb), {prf:ref}`no-claim`, $\\frac{1}$ and {numref}`no-fig`."
        ),
    )
    made.write("blind", new_code_cell(FIGURE, id="no-alt"))
    bare = new_notebook(
        cells=[new_markdown_cell(CLAIM.format("Bare", "bare"))],
        metadata=chapter("x").metadata,
    )
    nbformat.write(bare, tmp_path / "chapters/bare.ipynb")
    (tmp_path / "chapters/empty.md").write_text("# Empty\n")
    (tmp_path / "chapters/orphan.md").write_text(
        "# Orphan\n\nNobody lists this page, though it has some words on it.\n"
    )
    made.toc("home", "blind", "bare", "empty", "absent")
    assert made.run()[0] == 0
    code, said = made.build()
    assert code != 0
    for words in (
        "missing.ipynb",
        "no-claim",
        "formula not understood",
        "no-fig",
        "blind.ipynb: cell 3 (id no-alt) draws a figure without alt text",
        "claim bare-sum has no check cell after it",
        "empty.md: WARNING: the page is empty",
        "orphan.md: WARNING: document isn't included in any toctree",
        "chapters/absent",
    ):
        assert words in said, f"{words!r} not in:\n{said}"


def test_a_killed_run_leaves_nothing_in_the_way(tmp_path):
    made = Book(tmp_path)
    made.write("quick")
    made.write("slow", new_code_cell("import time\ntime.sleep(60)", id="sleep"))
    process = subprocess.Popen(
        [sys.executable, "_ext/ridge/execution.py"],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.time() + 90
    while time.time() < deadline and "passed   quick" not in (
        process.stdout.readline()
    ):
        pass
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    made.write("slow", new_code_cell("'awake'"))
    code, said = made.run()
    assert code == 0 and "1 unchanged, 1 to run" in said, said
