"""Run each chapter once, under nbmake, and keep what it printed for the book.

    python _ext/ridge/execution.py [CHAPTER.ipynb …]      (all of chapters/ when none is named)

A chapter's outputs are kept in _build/executed/ under a key of everything that can change them: its code cells, the
modules beside it that it imports, the data files that it names, the figure style, the locked packages and Python. While the
key holds, the chapter is not run again; prose, captions, alt texts and tags are no part of it.

nbmake runs a copy in .run/ (it overwrites what it runs, and refuses paths through _build/), laid out like the
repository, so that imports and ../data work. A run that is killed leaves only that copy, which the next run replaces.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = ROOT / "chapters"
STORE = ROOT / "_build" / "executed"
STAGE = ROOT / ".run"
CELL_SECONDS = 300
_RUN_TAGS = {"raises-exception", "skip-execution"}


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _read(path):
    """Return the JSON of a notebook; plain, since a book with nothing to run should find that out at once."""
    return json.loads(path.read_text(encoding="utf-8"))


def _imported(source, folder):
    """Return the modules in `folder` that Python source text imports, and those that they import, sorted."""
    found, texts = set(), [source]
    while texts:
        names = re.findall(r"^\s*(?:from|import)\s+(\w+)", texts.pop(), re.MULTILINE)
        new = {p for p in (folder / f"{n}.py" for n in names) if p.exists()} - found
        found |= new
        texts += [path.read_text(encoding="utf-8") for path in new]
    return sorted(found)


def key(path):
    """Return the digest of all that can change the outputs of the notebook at `path`."""
    cells = [
        [
            "".join(cell["source"]),
            sorted(_RUN_TAGS & set(cell["metadata"].get("tags", []))),
        ]
        for cell in _read(path)["cells"]
        if cell["cell_type"] == "code"
    ]
    source = "\n".join(text for text, _ in cells)
    modules = _imported(source, path.parent)
    mentioned = source + "".join(m.read_text(encoding="utf-8") for m in modules)
    data = path.parent.parent / "data"
    files = [
        f
        for f in sorted(data.rglob("*"))
        if f.is_file() and (f.name in mentioned or f.parent.name + "/" in mentioned)
    ]
    settings = [path.parent / "matplotlibrc", ROOT / "constraints.txt"]
    digest = hashlib.sha256(json.dumps([cells, sys.version]).encode())
    for file in modules + files + [s for s in settings if s.exists()]:
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _last_run(path):
    """Return {"key", "seconds"} of the stored run of this chapter, in whatever state it was; {} when there is none."""
    try:
        return _read(STORE / path.name)["metadata"]["run"]
    except (OSError, ValueError, KeyError):
        return {}


def stored(path):
    """Return the executed copy of the notebook at `path`, or None where it was not run in its present state."""
    if _last_run(path).get("key") != key(path):
        return None
    import nbformat

    return nbformat.read(STORE / path.name, 4)


def complaint(notebook):
    """Return what is wrong with an executed notebook, naming the cell, or None: an error, or a word on stderr."""
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            where = f"cell {number} (id {cell.get('id')})"
            if output.output_type == "error":
                return f"{where} failed: {output.ename}: {output.evalue}"
            if output.output_type == "stream" and output.name == "stderr":
                return f"{where} wrote to stderr: {output.text.strip()}"
    return None


class Harvest:
    """A pytest plugin: says which chapter runs and for how long, and stores each one that passed."""

    def __init__(self, keys):
        self.keys, self.began, self.failed = keys, {}, []

    def pytest_runtest_logstart(self, nodeid):
        name = Path(nodeid.split("::")[0]).name
        self.began[name] = time.perf_counter()
        print(f"  running  {name}", flush=True)

    def pytest_runtest_logreport(self, report):
        if report.when != "call":
            return
        name = Path(report.nodeid.split("::")[0]).name
        import nbformat

        seconds = time.perf_counter() - self.began[name]
        executed = nbformat.read(STAGE / "chapters" / name, 4)
        wrong = complaint(executed) or (
            None if report.passed else "nbmake failed without an output"
        )
        if wrong:
            self.failed.append(f"chapters/{name}: {wrong}")
            print(f"  FAILED   chapters/{name}: {wrong}", flush=True)
            return
        executed.metadata["run"] = {
            "key": self.keys[name],
            "seconds": round(seconds, 2),
        }
        STORE.mkdir(parents=True, exist_ok=True)
        partial = STORE / f".{name}.partial"
        nbformat.write(executed, partial)
        partial.replace(STORE / name)
        print(f"  passed   {name}  {seconds:.1f} s", flush=True)


def _stage(paths):
    """Lay out .run/ like the repository, with copies of the notebooks to be run."""
    shutil.rmtree(STAGE, ignore_errors=True)
    (STAGE / "chapters").mkdir(parents=True)
    (STAGE / "data").symlink_to(ROOT / "data")
    for path in CHAPTERS.iterdir():
        if path.suffix != ".ipynb" and path.name != "__pycache__":
            (STAGE / "chapters" / path.name).symlink_to(path)
    for path in paths:
        shutil.copy(path, STAGE / "chapters")


def run(paths):
    """Execute under nbmake those notebooks whose outputs are not in store; return the complaints."""
    import pytest

    for path in paths:
        if not path.exists() or path.suffix != ".ipynb":
            raise SystemExit(f"no such chapter: {path}")
    stale = [p for p in paths if _last_run(p).get("key") != key(p)]
    # The longest first, and before them those whose length is unknown.
    stale.sort(key=lambda p: _last_run(p).get("seconds", float("inf")), reverse=True)
    print(
        f"chapters: {len(paths) - len(stale)} unchanged, {len(stale)} to run",
        flush=True,
    )
    if not stale:
        return []
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    harvest = Harvest({p.name: key(p) for p in stale})
    _stage(stale)
    workers = min(len(stale), os.cpu_count() or 1)
    options = [
        "--nbmake",
        "--overwrite",
        f"--nbmake-timeout={CELL_SECONDS}",
        f"--numprocesses={workers}",
        "--dist=worksteal",
    ]
    quiet = [
        "-q",
        "--no-header",
        "--show-capture=no",
        f"--rootdir={STAGE}",
        "-c",
        "/dev/null",
        "-p",
        "no:cacheprovider",
    ]
    began = time.perf_counter()
    code = pytest.main(
        [*options, *quiet, *(str(STAGE / "chapters" / p.name) for p in stale)],
        plugins=[harvest],
    )
    print(
        f"chapters: ran {len(stale)} in {time.perf_counter() - began:.0f} s", flush=True
    )
    if code not in (0, 1):
        harvest.failed.append(f"pytest ended with code {int(code)}")
    return harvest.failed


if __name__ == "__main__":
    chosen = [Path(a).resolve() for a in sys.argv[1:]] or sorted(
        CHAPTERS.glob("*.ipynb")
    )
    failures = run(chosen)
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    sys.exit(bool(failures))
