"""Run each chapter once, under nbmake, and keep what it printed for the book.

    python make/execution.py [CHAPTER.ipynb …]      (all of chapters/ when none is named)

A chapter's outputs are kept in _build/executed/ under a key of everything that can change them: its code, the files of
chapters/ and data/ that it names, those that any process opened while it ran (as the kernel of Linux saw it), what in the
environment steers it, the locked packages and Python. While the key holds, the chapter is not run again.

nbmake runs a copy in a temporary folder, laid out like the repository, so that imports and ../data work. A check that
fails does not stop its chapter; any other error does. What fell is kept, shown on the page, and run again next time.
"""

import ctypes
import hashlib
import io
import json
import os
import re
import shutil
import struct
import sys
import tempfile
import time
from contextlib import redirect_stdout, suppress
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = ROOT / "chapters"
STORE = ROOT / "_build" / "executed"
CELL_SECONDS = 1800  # for a cell that hangs; the longest takes 20 s, and a busy machine 30 times that

# What steers a chapter from outside: the doors of the README, and what engines and servers read of themselves.
STEERS = (
    "CI",
    "RAY_",
    "SPARK_",
    "PYSPARK_",
    "JAVA_HOME",
    "BOOK_S3_",
    "AWS_",
    "RIDGE_SERVERS",
    "RIDGE_RECORD",
    "STREAMLIT_",
    "MALLOC_",
    "LD_PRELOAD",
)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _read(path):
    """Return the JSON of a notebook; plain, since a book with nothing to run should find that out at once."""
    return json.loads(path.read_text(encoding="utf-8"))


def _code(path):
    return ["".join(c["source"]) for c in _read(path)["cells"] if c["cell_type"] == "code"]


def uses(path, opened=None):
    """Return the files of chapters/ and data/ that the notebook at `path` needs: named in its code, or opened as it ran.

    `opened` holds names from the root, as the last run saw them when left out.
    """
    named, texts, root = {path.parent / "matplotlibrc"}, _code(path), path.parent.parent
    parts = [p for p in path.parent.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    while texts:
        words = texts.pop()
        mentioned = (p for p in parts if re.search(rf"\b{p.stem}\b", words))
        files = {f for p in mentioned for f in ([p] if p.is_file() else p.rglob("*.py"))}
        texts += [f.read_text(encoding="utf-8") for f in files - named]
        named |= files | {f for f in (root / "data").rglob("*") if f.name in words}
    seen = last_run(path).get("opened", []) if opened is None else opened
    return sorted(f for f in {*named, *(root / name for name in seen)} if f.is_file())


def key(path, opened=None):
    """Return the digest of all that can change the outputs of the notebook at `path`; `opened` as in `uses`."""
    steers = sorted(item for item in os.environ.items() if item[0].startswith(STEERS))
    files = {str(f.relative_to(path.parent.parent)): f for f in uses(path, opened)} | {"lock": ROOT / "constraints.txt"}
    digests = {name: hashlib.sha256(f.read_bytes()).hexdigest() for name, f in sorted(files.items())}
    return hashlib.sha256(json.dumps([_code(path), sys.version, steers, digests]).encode()).hexdigest()


def last_run(path):
    """Return {"key", "seconds", "opened", "fell"} of the stored run of this chapter, in whatever state it was; {} when there is none."""
    try:
        return _read(STORE / path.name)["metadata"]["run"]
    except (OSError, ValueError, KeyError):
        return {}


def stored(path):
    """Return the executed copy of the notebook at `path`, or None where it was not run in its present state."""
    if last_run(path).get("key") != key(path):
        return None
    import nbformat

    return nbformat.read(STORE / path.name, 4)


def state(cell):
    """Return what became of an executed code cell, `passed`, `fell` or `not run`, and in the first two cases its words."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            return "fell", f"{output.ename}: {output.evalue}"
        if output.output_type == "stream" and output.name == "stderr":
            return "fell", f"wrote to stderr: {output.text.strip()}"
    if cell.source.strip() and cell.execution_count is None:
        return "not run", ""
    return "passed", "".join(o.text for o in cell.outputs if o.output_type == "stream").strip()


def complaints(notebook):
    """Return what is wrong with an executed notebook, a line for each cell that fell and one for those not run."""
    cells = [(n, c, *state(c)) for n, c in enumerate(notebook.cells, 1) if c.cell_type == "code"]
    wrong = [f"cell {n} (id {c.get('id')}) fell: {words}" for n, c, how, words in cells if how == "fell"]
    missed = [n for n, _, how, _ in cells if how == "not run"]
    return wrong + ([f"cells from {missed[0]} on were not run"] if missed else [])


class Opened:
    """Notes which files of some folders any process opens from now on. Only Linux can tell; elsewhere, nothing is noted."""

    OPEN, OVERFLOW = 0x20, 0x4000

    def __init__(self, root, folders):
        self.root, self.folders = root, {}
        libc = ctypes.CDLL(None)
        self.ear = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(libc, "inotify_init1") else -1
        for top in folders if self.ear >= 0 else ():
            for folder in [top, *(p for p in top.rglob("*") if p.is_dir())]:
                self.folders[libc.inotify_add_watch(self.ear, os.fsencode(folder), self.OPEN)] = folder

    def names(self):
        """Return the names, from the root, of the files opened; all of them where there were too many to count. Ends the watch."""
        found, data = set(), b""
        while self.ear >= 0:
            try:
                data += os.read(self.ear, 1 << 20)
            except BlockingIOError:
                os.close(self.ear)
                self.ear = -1
        while data:
            watch, mask, _, length = struct.unpack("iIII", data[:16])
            name, data = data[16 : 16 + length].rstrip(b"\0"), data[16 + length :]
            if mask & self.OVERFLOW:
                found |= {f for folder in self.folders.values() for f in folder.iterdir()}
            elif watch in self.folders and name:
                found.add(self.folders[watch] / os.fsdecode(name))
        files = (f.relative_to(self.root) for f in found if f.is_file() and "__pycache__" not in f.parts)
        return sorted(str(f) for f in files if f.suffix != ".ipynb")


class Stage:
    """A chapter's copy of the book, where it is run: itself, the modules and the data."""

    def __init__(self, folder, path):
        self.source, self.root = path, folder / path.stem
        self.path = self.root / "chapters" / path.name
        kept = shutil.ignore_patterns("*.ipynb", "*.md", "__pycache__", ".ipynb_checkpoints")
        shutil.copytree(CHAPTERS, self.root / "chapters", ignore=kept)
        shutil.copytree(ROOT / "data", self.root / "data")
        notebook = _read(path)
        for cell in notebook["cells"]:
            tags = cell["metadata"].get("tags", [])
            if "check" in tags:  # nbclient goes on after an error of such a cell
                cell["metadata"]["tags"] = [*tags, "raises-exception"]
        self.path.write_text(json.dumps(notebook), encoding="utf-8")
        self.opened, self.began = Opened(self.root, [self.root / "chapters", self.root / "data"]), 0

    def keep(self, ended):
        """Store what nbmake wrote, with its key; return the complaints. `ended` says why the run ended where no cell can."""
        import nbformat
        from nbconvert.preprocessors.coalescestreams import CoalesceStreamsPreprocessor

        seconds = time.perf_counter() - self.began
        executed, opened = nbformat.read(self.path, 4), self.opened.names()
        CoalesceStreamsPreprocessor().preprocess(executed, {})  # MyST-NB would begin a line where a busy kernel paused
        wrong = complaints(executed)
        if ended and not any(" fell: " in w for w in wrong):
            wrong.insert(0, ended)
        for cell in code_cells(executed):
            cell.metadata.pop("execution", None)
        executed.metadata["run"] = {
            "key": key(self.path, opened),
            "seconds": round(seconds, 2),
            "opened": opened,
            "fell": wrong,
        }
        STORE.mkdir(parents=True, exist_ok=True)
        partial = STORE / f".{self.path.name}.partial"
        nbformat.write(executed, partial)
        partial.replace(STORE / self.path.name)
        return wrong


def _reason(report):
    """Return nbmake's word on why a run ended where no cell can say it, a kernel that died, say; without one, where it was raised."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(report.longrepr)).splitlines()
    said = [x.strip() for x in plain if x.strip() and "NBMAKE" not in x] or ["nobody says why"]
    return "ended early: " + (" ".join(said[-2:]) if said[0].startswith("File ") else said[0])


def pytest_configure():
    """In each process of pytest: nbclient waits a minute for a kernel and 4 s for outputs, too little on a busy machine."""
    import nbclient
    from nbmake import nb_run

    nb_run.NotebookClient = partial(nbclient.NotebookClient, startup_timeout=CELL_SECONDS, iopub_timeout=CELL_SECONDS)


class Harvest:
    """A pytest plugin: says which chapter runs and for how long, and keeps what it left."""

    def __init__(self, stages, out):
        self.stages, self.out, self.fallen = {s.root.name: s for s in stages}, out, []

    def pytest_runtest_logstart(self, nodeid):
        stage = self.stages[nodeid.split("/")[0]]
        stage.began = time.perf_counter()
        print(f"  running  {stage.path.stem}", file=self.out, flush=True)

    def pytest_runtest_logreport(self, report):
        if report.when != "call":
            return
        stage = self.stages[report.nodeid.split("/")[0]]
        wrong = stage.keep(_reason(report) if report.failed else "")
        seconds = time.perf_counter() - stage.began
        print(f"  {'FELL   ' if wrong else 'passed '}  {stage.path.stem}  {seconds:.0f} s", file=self.out, flush=True)
        self.fallen += [f"chapters/{stage.path.name}: {words}" for words in wrong]


def at_once(number):
    """Return how many of so many chapters may run side by side: one a core, and 2.5 GB of memory for each."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limits.append(int((Path("/sys/fs/cgroup") / file).read_text()))
    return max(1, min(number, os.cpu_count() or 1, int(min(limits) // 2.5e9)))


def run(paths):
    """Execute under nbmake those notebooks whose outputs are not in store; return what fell."""
    for path in paths:
        if not path.exists() or path.suffix != ".ipynb":
            raise SystemExit(f"no such chapter: {path}")
    stale = [p for p in paths if last_run(p).get("key") != key(p) or last_run(p)["fell"]]
    # The longest first, and before them those whose length is unknown.
    stale.sort(key=lambda p: last_run(p).get("seconds", float("inf")), reverse=True)
    print(f"chapters: {len(paths) - len(stale)} unchanged, {len(stale)} to run", flush=True)
    if not stale:
        return []
    import pytest

    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    workers = at_once(len(stale))
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        stages = [Stage(Path(folder).resolve(), p) for p in stale]
        harvest = Harvest(stages, sys.stdout)
        command = [
            "-pexecution",
            "--nbmake",
            "--overwrite",
            f"--nbmake-timeout={CELL_SECONDS}",
            f"--numprocesses={workers if workers > 1 else 0}",
        ]
        command += ["--dist=worksteal", "-p", "no:cacheprovider", f"--rootdir={folder}", "-c", "/dev/null"]
        with redirect_stdout(io.StringIO()) as said:
            code = pytest.main([*command, *(str(s.path) for s in stages)], plugins=[harvest])
    if code not in (0, 1):
        harvest.fallen.append(f"pytest ended with code {int(code)}: {said.getvalue()[-2000:]}")
    return harvest.fallen


if __name__ == "__main__":
    fallen = run([Path(a).resolve() for a in sys.argv[1:]] or sorted(CHAPTERS.glob("*.ipynb")))
    for words in fallen:
        print(f"error: {words}", file=sys.stderr)
    sys.exit(bool(fallen))
