"""Make the book: run what changed, build the site, say what fell.

python make/book.py                          the whole book, in _build/html
python make/book.py chapters/NAME.ipynb …    these chapters alone, in _build/alone/_build/html, without the others' pages
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edition import TEXTS as EDITION
from edition import wanted
from execution import run

ROOT = Path(__file__).resolve().parents[1]

SITE, DOCTREES, STATE = (
    ROOT / "_build/html",
    ROOT / "_build/.doctrees",
    ROOT / "_build/site.json",
)
ZH = ROOT / "_build/zh"
FRAME = (
    "_ext",
    "make/execution.py",
    "make/edition.py",
    "make/fonts.py",
    "make/handout.py",
    "_static",
    "_templates",
    "_config.yml",
    "_toc.yml",
    "data/names.yml",
    "constraints.txt",
)
TEXTS = ("chapters", "data", "_build/executed", "CITATION.cff")


def digest(*names):
    """Return the digest of these files and of all in these folders."""
    found = hashlib.sha256()
    for top in (ROOT / name for name in names):
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                found.update(str(path.relative_to(ROOT)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def origin():
    """Return what the pages say of where they come from: the commit, and the repository's names in the environment."""
    head = (
        subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
        if shutil.which("git")
        else None
    )
    named = {k: v for k, v in os.environ.items() if k.startswith(("BOOK_", "GITHUB_RE"))}
    return [head and head.stdout.strip(), sorted(named.items())]


def sphinx(*options, **more):
    """Run Jupyter Book; return its exit status, and what it complained of."""
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", "--quiet", "-n", "--keep-going", *options, "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | more)
    lines = (done.stdout + done.stderr).splitlines()
    told = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b|[A-Za-z]Error\b", line)]
    return done.returncode, told or lines[-20:]


def chinese():
    """Build the Chinese edition, where it is asked for; return its exit status and its faults."""
    if not wanted():
        return 0, []
    import yaml

    words = yaml.safe_load((EDITION / "words.yml").read_text("utf-8"))
    config, toc = (yaml.safe_load((ROOT / name).read_text("utf-8")) for name in ("_config.yml", "_toc.yml"))
    config["sphinx"]["config"]["language"] = "zh_CN"
    config["sphinx"]["local_extensions"]["ridge"] = str(ROOT / "_ext")  # else it is looked for beside this file
    for part in toc["parts"]:
        part["caption"] = words.get(part["caption"], part["caption"])
    ZH.mkdir(parents=True, exist_ok=True)
    for name, content in (("config.yml", config), ("toc.yml", toc)):
        (ZH / name).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    where = ["--path-output", ZH, "--config", ZH / "config.yml", "--toc", ZH / "toc.yml"]
    return sphinx("-W", *where, BOOK_LANGUAGE="zh")


def finish(site):
    """Give a site the files that its pages ask for: the faces cut to their letters, and a zip of each notebook."""
    import fonts
    import handout

    fonts.write(site)
    handout.hand_out(site)


def discard():
    for built in (SITE, DOCTREES, ZH):
        shutil.rmtree(built, ignore_errors=True)


def build():
    """Build the site, in both languages, where something that it shows has changed; return the faults of its pages.

    A site that was not built to its end is not trusted: `STATE` is written last, and without it everything is built anew.
    """
    frame, texts = digest(*FRAME), [digest(*TEXTS), origin()]
    try:
        state = json.loads(STATE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        state = {}
    if state == {"frame": frame, "texts": texts}:
        print("site: unchanged", flush=True)
        return []
    STATE.unlink(missing_ok=True)
    # Pages that another frame built are not mixed with those of this one; and Sphinx would not warn again of a page that it has read.
    if state.get("frame") != frame:
        discard()
    began = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        ends = list(pool.map(lambda build: build(), (lambda: sphinx("-W"), chinese)))
    print(f"site: built in {time.perf_counter() - began:.0f} s", flush=True)
    if any(code for code, _ in ends):
        discard()
        return [words for _, faults in ends for words in faults]
    finish(SITE)
    if wanted():
        finish(ZH / "_build/html")
        shutil.copytree(ZH / "_build/html", SITE / "zh", dirs_exist_ok=True)
    STATE.write_text(json.dumps({"frame": frame, "texts": texts}), encoding="utf-8")
    return []


def main(names):
    chapters = [Path(n).resolve() for n in names] or sorted((ROOT / "chapters").glob("*.ipynb"))
    fallen, faults = run(chapters), []
    if names:
        for chapter in chapters:
            code, _ = sphinx("--path-output", str(ROOT / "_build/alone"), BOOK_ONLY=f"chapters/{chapter.name}")
            if not code:
                finish(ROOT / "_build/alone/_build/html")
            print(f"The page: {ROOT}/_build/alone/_build/html/chapters/{chapter.stem}.html")
    else:
        faults = build()
        if not faults:
            print(f"The book: {SITE}/index.html   (make serve shows it on this machine)")
    for words in faults:
        print(f"page fault: {words}", file=sys.stderr)
    if fallen:
        print(
            "These cells fell on this machine; their pages show it:",
            *fallen,
            sep="\n  ",
            file=sys.stderr,
        )
    return bool(fallen or faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
