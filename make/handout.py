"""What a page hands out: the notebook with the modules and the data that it uses, as a zip that runs."""

from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from execution import CHAPTERS, ROOT, uses

READ_ME = """{name}, from the book 横看成岭 · Ridge and Peak

    python -m pip install -r requirements.txt -c constraints.txt
    python -m jupyterlab chapters/{name}.ipynb

The notebook expects to be run where it lies: it imports the modules beside it, and reads ../data.
requirements.txt lists what the whole book needs; a chapter needs part of it.
Text CC BY 4.0, code MIT: see LICENSE.md.
"""
ALWAYS = ["requirements.txt", "constraints.txt", "LICENSE.md"]


def pack(path, folder):
    """Write FOLDER/NAME.zip for the notebook at `path`; the same files give the same bytes."""
    name = path.stem
    folder.mkdir(parents=True, exist_ok=True)
    files = [path, *uses(path), *(ROOT / f for f in ALWAYS)]
    contents = {str(f.relative_to(ROOT)): f.read_bytes() for f in files if f.exists()}
    contents["README.txt"] = READ_ME.format(name=name).encode()
    with ZipFile(folder / f"{name}.zip", "w", ZIP_DEFLATED) as archive:
        for inside, content in contents.items():
            info = ZipInfo(f"{name}/{inside}", date_time=(2026, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr = ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, content)


def hand_out(site):
    """Write a zip beside the pages of a built site for each notebook that became one."""
    for page in (site / "chapters").glob("*.html"):
        path = CHAPTERS / f"{page.stem}.ipynb"
        if path.exists():
            pack(path, site / "handout")
