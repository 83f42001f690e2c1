"""The frame on small books of its own: what fails a build, what breaks a seal, what is run again and what is not, what a kill leaves."""

import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from chapter_code import ROOT
from matplotlib.pyplot import imread
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbmake import nb_run

sys.path.insert(0, str(ROOT / "make"))
import execution  # noqa: E402
from execution import STEERS  # noqa: E402

JUPYTER_BOOK = str(Path(sys.executable).with_name("jupyter-book"))
CLAIM = "# {}\n\nSome words.\n\n:::{{prf:theorem}} Two and two\n:label: {}-sum\n\n$2 + 2 = 4$\n:::\n"


def check():
    return new_code_cell(
        "assert 2 + 2 == 4\nprint('sum', 2 + 2)", metadata={"tags": ["check"]}
    )


FIGURE = (
    "import matplotlib.pyplot as plt\nimport plumbing\nplt.plot([0, 1])\nplt.show()"
)


def chapter(name, *cells):
    notebook = new_notebook(
        cells=[new_markdown_cell(CLAIM.format(name.title(), name)), check(), *cells]
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
        folder.mkdir(exist_ok=True)
        kept = shutil.ignore_patterns("__pycache__")
        for part in ("_ext", "_static", "_templates", "make"):
            if (ROOT / part).exists():
                shutil.copytree(ROOT / part, folder / part, ignore=kept)
        # With the times of change that they have here, so that make installs nothing.
        for file in ("_config.yml", "Makefile", "constraints.txt", "requirements.txt"):
            shutil.copy2(ROOT / file, folder)
        (folder / ".venv").symlink_to(ROOT / ".venv")
        (folder / "chapters").mkdir()
        (folder / "data").mkdir()
        for file in ("plumbing.py", "hush.py", "matplotlibrc"):
            shutil.copy(ROOT / "chapters" / file, folder / "chapters")
        (folder / "chapters/references.bib").write_text("")
        (folder / "chapters/ledger.md").write_text(
            "# Ledger\n\nAll claims.\n\n:::{div} ledger\n:::\n"
        )
        (folder / "data/posts.yml").write_text("[]")
        (folder / "data/names.yml").write_text("[]")

    def write(self, name, *cells):
        nbformat.write(chapter(name, *cells), self.folder / f"chapters/{name}.ipynb")

    def toc(self, *names):
        files = "".join(f"      - file: chapters/{n}\n" for n in (*names[1:], "ledger"))
        text = f"format: jb-book\nroot: chapters/{names[0]}\nparts:\n  - caption: All\n    chapters:\n{files}"
        (self.folder / "_toc.yml").write_text(text)

    def call(self, *command, **more):
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | more
        # Another test, or the machine, may have set these.
        for name in ("GITHUB_REPOSITORY", "MPLBACKEND", "MAKEFLAGS", "MAKELEVEL"):
            environment.pop(name, None)
        done = subprocess.run(
            list(command),
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def run(self, **more):
        return self.call(sys.executable, "make/execution.py", **more)

    def make(self, **more):
        return self.call("make", "book", **more)

    def page(self, name):
        return (self.folder / f"_build/html/chapters/{name}.html").read_text()

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
    # broken, and not yet tried with other seeds or kinds of arithmetic
    (made.folder / "data/audit.yml").write_text(
        "home: {breaks: {tried: 3, possible: 9, by_hand: 0, by_tests: 1, survivors: [], day: today}}"
    )
    made.toc("home", "second")
    code, said = made.run()
    assert code == 0 and "2 to run" in said, said
    code, said = made.build()
    assert code == 0, said
    return made


def test_healthy_book_has_outputs_seals_and_ledger(book):
    page = book.page("second")
    text = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert (
        "sum 4" in text
        and "验" in page
        and 'alt="A line that rises' in page
        and "<math" in page
    )
    ledger = (book.folder / "_build/html/chapters/ledger.html").read_text()
    assert "2 of 2 claims hold on this machine." in ledger
    assert "Of 3 changes to its program" in ledger
    assert "noticed 2, its tests 1 more." in ledger


def test_a_line_that_arrived_in_pieces_is_one_line(tmp_path):
    made = Book(tmp_path)
    pauses = 'import time\nfor word in ("one", " and", " two\\n", "\\nthree\\n"):\n    print(end=word, flush=True)\n    time.sleep(1)'
    made.write("home", new_code_cell(pauses))
    made.toc("home")
    code, said = made.make()
    assert code == 0, said
    printed = re.sub("<[^>]+>", "", made.page("home"))
    assert "one and two\n\nthree\n" in printed


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
    assert code == 0 and "1 unchanged, 1 to run" in said and "passed   second " in said


def test_a_stale_chapter_is_not_published(book):
    path = book.folder / "chapters/home.ipynb"
    kept = path.read_text()
    book.write("home", new_code_cell("1 + 1"))
    code, said = book.build()
    path.write_text(kept)
    assert code != 0 and "home.ipynb was not run in its present state" in said


PUBLISHED = {
    "BOOK_REPOSITORY": "https://github.com/someone/some-book",
    "BOOK_BRANCH": "main",
    "BOOK_URL": "https://books.example/",
}


def test_no_launch_buttons_without_a_repository_and_right_ones_with(book):
    assert (
        "binder"
        not in (book.folder / "_build/html/chapters/home.html").read_text().lower()
    )
    code, said = book.make(**PUBLISHED)
    assert code == 0, said
    page = (book.folder / "_build/html/chapters/home.html").read_text()
    assert (
        "https://mybinder.org/v2/gh/someone/some-book/main?urlpath=lab/tree/chapters/home.ipynb"
        in page
    )


def test_a_shared_link_shows_title_claim_and_figure(book):
    code, said = book.make(**PUBLISHED)
    assert code == 0, said
    assert 'og:image" content="https://books.example/_cards/second.png"' in book.page(
        "second"
    )
    assert 'og:image" content="https://books.example/_static/card.png"' in book.page(
        "home"
    )
    cards = {
        name: imread(book.folder / f"_build/html/_cards/{name}.png")
        for name in ("second", "ledger")
    }
    assert all(card.shape[:2] == (630, 1200) for card in cards.values())
    title, picture = np.s_[60:130, 56:580], np.s_[100:560, 600:1160]
    assert all(np.ptp(card[title], axis=(0, 1)).max() for card in cards.values())
    drawn = {
        name: np.ptp(card[picture], axis=(0, 1)).max() > 0
        for name, card in cards.items()
    }
    assert drawn == {"second": True, "ledger": False}


def test_failing_and_warning_cells_are_named(tmp_path):
    made = Book(tmp_path)
    made.write("wrong", new_code_cell("assert 2 + 2 == 5, 'arithmetic'", id="bad-sum"))
    made.write(
        "noisy", new_code_cell("import warnings\nwarnings.warn('careful')", id="loud")
    )
    made.write("gone", new_code_cell("import os\nos.abort()"))
    made.write("fine")
    code, said = made.run()
    assert code != 0
    assert "chapters/gone.ipynb: ended early: Kernel died" in said
    assert (
        "chapters/wrong.ipynb: cell 3 (id bad-sum) fell: AssertionError: arithmetic"
        in said
    )
    assert "chapters/noisy.ipynb: cell 3 (id loud) fell: wrote to stderr" in said
    assert "3 to run" in made.run()[1], "what passed is kept, what failed is run again"


def test_an_error_without_words_is_told_by_its_line():
    told = 'NBMAKE INTERNAL ERROR\n{}\n  File "a.py", line 1, in from_call\n    f()\n  File "b.py", line 2, in f\n    raise Empty\n'
    wordless, died = (
        SimpleNamespace(longrepr=told.format(words)) for words in ("", "Kernel died")
    )
    assert (
        execution._reason(wordless)
        == 'ended early: File "b.py", line 2, in f raise Empty'
    )
    assert execution._reason(died) == "ended early: Kernel died"


def test_a_busy_machine_may_take_minutes_to_start_a_kernel(monkeypatch):
    monkeypatch.setattr(nb_run, "NotebookClient", nb_run.NotebookClient)
    execution.pytest_configure()
    client = nb_run.NotebookClient(new_notebook())
    assert client.startup_timeout == client.iopub_timeout == execution.CELL_SECONDS


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


FALLEN = new_code_cell(
    "x = 3\nassert x == 4, 'three is not four'", id="bad", metadata={"tags": ["check"]}
)
LATE = ":::{{prf:theorem}} {0}\n:label: {0}\n\nSome words.\n:::\n"


def test_a_fallen_check_breaks_its_seal_and_not_the_book(tmp_path, browser):
    made = Book(tmp_path)
    made.write("home", new_markdown_cell(":::{div} tally\n:::"))
    made.write(
        "second",
        new_markdown_cell(LATE.format("false")),
        FALLEN,
        new_code_cell("print('went on with', x)"),
        new_markdown_cell(LATE.format("after-an-error")),
        new_code_cell("1 / 0", id="zero"),
        check(),
    )
    made.toc("home", "second")
    code, said = made.make()
    assert code != 0
    last = [line.strip() for line in said.strip().splitlines()[-6:]]
    assert (
        "chapters/second.ipynb: cell 4 (id bad) fell: AssertionError: three is not four"
        in last
    )
    assert (
        "chapters/second.ipynb: cell 7 (id zero) fell: ZeroDivisionError: division by zero"
        in last
    )
    assert "chapters/second.ipynb: cells from 8 on were not run" in last
    for name in ("home", "ledger"):
        assert "2 of 4 claims hold on this machine." in made.page(name)
        assert "#check-false" in made.page(
            name
        ) and "#check-after-an-error" in made.page(name)
    page = browser.new_page()
    page.goto((tmp_path / "_build/html/chapters/second.html").as_uri())
    text = " ".join(page.inner_text("body").split())
    assert "went on with 3" in text and "three is not four" in text
    assert "seal broken: this check fell on this machine" in text
    assert "seal broken: this check was not run" in text
    assert "This cell fell on this machine." in text and "ZeroDivisionError" in text
    seals = page.locator(".seal").evaluate_all("all => all.map(e => e.className)")
    page.close()
    assert seals == ["seal passed", "seal fell", "seal fell", "seal not-run"]
    assert not [
        p
        for p in (tmp_path / "_build/html").rglob("*.html")
        if "all passed" in p.read_text()
    ]
    made.write("second")
    code, said = made.make()
    assert code == 0 and "2 of 2 claims hold on this machine." in made.page("home"), (
        said
    )


def test_what_a_make_says(book):
    """Which chapter runs and how long, a line for each stage, and nothing else."""
    (book.folder / "chapters/second_helper.py").write_text("VALUE = 3\n")
    code, said = book.make()
    lines = [re.sub(r"\d+", "N", line.strip()) for line in said.strip().splitlines()]
    place = re.sub(
        r"\d+",
        "N",
        f"The book: {book.folder}/_build/html/index.html   (make serve shows it on this machine)",
    )
    assert code == 0 and lines == [
        "chapters: N unchanged, N to run",
        "running  second",
        "passed   second  N s",
        "site: built in N s",
        place,
    ], said
    assert "site: unchanged" in book.make()[1]


READS = """import importlib, subprocess, sys
print(importlib.import_module("_".join(["by", "name"])).VALUE, __import__("pack" + "age").inner.VALUE)
print(subprocess.run([sys.executable, "-c", "exec(open('sc' 'ript.py').read())"], capture_output=True, text=True).stdout)
from pathlib import Path
print(sorted(Path("../data").glob("*.txt"))[0].read_text())"""


def test_the_key_of_a_run_sees_whatever_was_opened(tmp_path):
    """A module named at run time, a package, a script of a child process, a data file that no text names, the environment."""
    made, folder = Book(tmp_path), tmp_path / "chapters"
    (folder / "package").mkdir()
    (folder / "package/__init__.py").write_text("from . import inner\n")
    for file in ("by_name.py", "package/inner.py"):
        (folder / file).write_text("VALUE = 1\n")
    (folder / "script.py").write_text("print('child', 1)\n")
    (tmp_path / "data/some.txt").write_text("data 1")
    (folder / "other.py").write_text("VALUE = 1\n")
    made.write("reads", new_code_cell(READS))
    assert "0 unchanged, 1 to run" in made.run()[1]
    for file in (
        "chapters/by_name.py",
        "chapters/package/inner.py",
        "chapters/script.py",
        "data/some.txt",
    ):
        path = tmp_path / file
        path.write_text(path.read_text().replace("1", "2"))
        code, said = made.run()
        assert code == 0 and "1 to run" in said, f"{file}: {said}"
    (folder / "other.py").write_text("VALUE = 2\n")
    assert "1 unchanged, 0 to run" in made.run()[1]
    names = "RAY_ADDRESS", "SPARK_MASTER", "BOOK_S3_ENDPOINT"
    assert all(name.startswith(STEERS) for name in names), "all count alike; one is run"
    name = random.choice(names)
    assert "1 to run" in made.run(**{name: "elsewhere"})[1], name


def test_the_environment_that_chapters_read_is_in_their_key():
    """What a chapter or its modules ask of the environment steers them, but for the home, the search path and the like."""
    harmless = {
        "HOME",
        "PATH",
        "TMPDIR",
        "PYTHONPATH",
        "JDK_JAVA_OPTIONS",
        "LC_ALL",
        "OMP_NUM_THREADS",
    }
    asked = set()
    for path in [
        *(ROOT / "chapters").glob("*.py"),
        *(ROOT / "chapters").glob("*.ipynb"),
    ]:
        asked |= set(
            re.findall(
                r"environ(?:\.get\(|\.setdefault\(|\[)\\?[\"'](\w+)", path.read_text()
            )
        )
    assert len(asked) > 5 and not [
        n for n in asked - harmless if not n.startswith(STEERS)
    ]


def left(mark):
    """The processes whose environment carries the mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


ORPHAN = """import socket, subprocess, sys, time
ear = socket.create_server(("127.0.0.1", 0))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
time.sleep(2)
child.kill()
print(child.wait())"""


def kill_and_make_again(made, seconds, whole_group, tmp_path):
    """Start `make book`, kill it with SIGKILL after so many seconds, wait until all of it is gone, make again."""
    shutil.rmtree(made.folder / "_build", ignore_errors=True)
    mark, temporary = f"KILLED_{secrets.token_hex(8)}", tmp_path / "temporary"
    temporary.mkdir(exist_ok=True)
    environment = os.environ | {mark: "1", "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        ["make", "book"],
        cwd=made.folder,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    with suppress(ProcessLookupError):
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 300
    while left(mark) or [*temporary.iterdir()]:
        assert time.monotonic() < deadline, (
            f"after a kill at {seconds:.1f} s there are still {left(mark)}, {[*temporary.iterdir()]}"
        )
        time.sleep(0.2)
    return made.make()


def pages(made):
    site = made.folder / "_build/html"
    return {p.relative_to(site): p.read_bytes() for p in site.rglob("*.html")}


@pytest.mark.skipif(
    not sys.platform.startswith("linux"),
    reason="only Linux lets a warden see the mark of a process",
)
def test_kills_leave_nothing_and_are_not_trusted(tmp_path):
    """KILLS=20 kills as many times, one program or all of them, at random moments of a run from nothing."""
    made = Book(tmp_path / "书 a book")
    made.write("home")
    made.write("second", new_code_cell(ORPHAN))
    made.toc("home", "second")
    began = time.monotonic()
    code, said = made.make()
    assert code == 0, said
    whole, fresh = time.monotonic() - began, pages(made)
    for _ in range(int(os.environ.get("KILLS", 1))):
        code, said = kill_and_make_again(
            made, random.uniform(0, whole), random.random() < 0.5, tmp_path
        )
        assert code == 0 and pages(made) == fresh, said


def test_a_faulty_page_is_refused_again_after_a_kill(tmp_path):
    """Sphinx warns of a page when it reads it: a build that was killed after the reading may not count as one that was silent."""
    made = Book(tmp_path)
    made.write("home", new_markdown_cell("See [gone](missing.ipynb)."))
    made.toc("home")
    assert made.run()[0] == 0
    process = subprocess.Popen(
        ["make", "book"],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not (tmp_path / "_build/.doctrees/environment.pickle").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    code, said = made.make()
    assert code != 0 and "missing.ipynb" in said
    assert not (tmp_path / "_build/html").exists()


def test_two_makes_at_once_take_turns(tmp_path):
    made = Book(tmp_path)
    made.write("home", new_code_cell("import time\ntime.sleep(3)"))
    made.toc("home")
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: made.make(), range(2))
    assert first[0] == second[0] == 0, first[1] + second[1]
    both = first[1] + second[1]
    assert (
        both.count("0 unchanged, 1 to run") == 1
        and both.count("1 unchanged, 0 to run") == 1
    )
    assert "waiting for it" in both


@pytest.mark.parametrize(
    "where",
    [
        {"HOME": "", "LC_ALL": "C"},
        {"HOME": "/proc/nowhere", "LC_ALL": "zh_CN.GB18030", "TZ": "Asia/Kolkata"},
    ],
    ids=lambda w: " ".join(f"{k}={v}" for k, v in w.items()),
)
def test_hard_places(tmp_path, where):
    made = Book(tmp_path / "a book 横看成岭")
    made.write(
        "home",
        new_code_cell(
            "print('岭', open('../data/posts.yml').read())\n" + FIGURE,
            id="seen",
            metadata={
                "mystnb": {"image": {"alt": "A line that rises from zero to one."}}
            },
        ),
    )
    made.toc("home")
    code, said = made.make(**where)
    assert code == 0 and "岭" in made.page("home"), said


def test_a_read_only_checkout_says_so(tmp_path):
    made = Book(tmp_path)
    (tmp_path / "_build").write_text("a file where a folder would be")
    code, said = made.make()
    assert code != 0 and "cannot be written" in said and "copy the book" in said
