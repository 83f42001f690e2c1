"""What a page hands out runs by itself: two chapters, each from its zip in an empty folder."""

import os
import subprocess
import sys
from zipfile import ZipFile

import pytest
from chapter_code import CHAPTERS, ROOT

sys.path.insert(0, str(ROOT / "make"))
from handout import pack  # noqa: E402

# One reads data and imports two modules; the other imports a module that imports another.
CHOSEN = ["living-russell", "tcp-every-schedule"]
RUN = "import sys, nbformat, nbclient; nbclient.NotebookClient(nbformat.read(sys.argv[1], 4), timeout=1800).execute()"


@pytest.mark.parametrize("name", CHOSEN)
def test_a_chapter_runs_from_its_zip_in_an_empty_folder(name, tmp_path):
    pack(CHAPTERS / f"{name}.ipynb", tmp_path)
    ZipFile(tmp_path / f"{name}.zip").extractall(tmp_path)
    folder = tmp_path / name / "chapters"
    assert f"chapters/{name}.ipynb" in (tmp_path / name / "README.txt").read_text()
    # Nothing of this repository may help: not its folder, not its path.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, f"{name}.ipynb"],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_same_files_give_the_same_zip(tmp_path):
    path = CHAPTERS / "living-year.ipynb"
    pack(path, tmp_path / "a")
    pack(path, tmp_path / "b")
    assert (tmp_path / "a/living-year.zip").read_bytes() == (
        tmp_path / "b/living-year.zip"
    ).read_bytes()


def test_every_notebooks_zip_holds_the_modules_that_it_imports(tmp_path):
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        pack(path, tmp_path)
        with ZipFile(tmp_path / f"{path.stem}.zip") as archive:
            names = {n.split("/", 1)[1] for n in archive.namelist()}
        text = path.read_text(encoding="utf-8")
        for module in CHAPTERS.glob("*.py"):
            if (
                f"from {module.stem} import" in text
                or f"import {module.stem}\\n" in text
            ):
                assert f"chapters/{module.name}" in names, (path.name, module.name)
        assert {"README.txt", "requirements.txt", "constraints.txt"} <= names


def test_every_page_of_a_notebook_leads_to_its_zip():
    site = ROOT / "_build/html"
    for path in CHAPTERS.glob("*.ipynb"):
        page = (site / "chapters" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert f'href="../handout/{path.stem}.zip" download' in page
        assert (site / "handout" / f"{path.stem}.zip").stat().st_size < 1_000_000
