"""make/install.sh says in a sentence what is missing, and does not trust an installation that was killed."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata

import pytest
from chapter_code import CHAPTERS, ROOT
from packaging.requirements import Requirement

STUBS = {
    # What the newest Python found would have to answer, and what a small disk says.
    "old": (
        "python3",
        'case "$2" in *ensurepip*sys.exit*) exit 1;; *print*) echo "3.9.2 64 bit";; esac',
    ),
    "no venv": ("python3", 'case "$2" in *ensurepip*) exit 1;; esac'),
    "32 bit": (
        "python3",
        'case "$2" in *ensurepip*sys.exit*) exit 1;; *print*) echo "3.12.1 32 bit";; esac',
    ),
    "no room": ("df", "echo Filesystem; echo disk 9 9 2000000 9 /"),
}
SAYS = {
    "old": "the one here is 3.9.2 64 bit",
    "no venv": "its venv module is missing",
    "32 bit": "the one here is 3.12.1 32 bit",
    "no room": "The packages need 5 GB of disk; 1 GB are free here.",
    "no Python": "there is no python3 here",
}


def install(tmp_path, what, **more):
    """Run the script in a folder of its own, where the programs of one stub stand before the system's."""
    shutil.copytree(ROOT / "make", tmp_path / "make")
    for name in ("requirements.txt", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    if what in STUBS:
        name, body = STUBS[what]
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    command = ["bash", "make/install.sh", "requirements.txt", ".venv/installed"]
    return subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PATH": path} | more,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("what", SAYS)
def test_what_is_missing_is_said(tmp_path, what):
    one = {"PYTHON": "no-such-python"} if what == "no Python" else {}
    one |= {"PYTHON": "python3"} if what in ("old", "no venv", "32 bit") else {}
    done = install(tmp_path, what, **one)
    assert done.returncode == 1 and SAYS[what] in done.stderr, done.stderr
    assert not (tmp_path / ".venv").exists()


def test_an_installation_that_was_killed_is_made_anew(tmp_path):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/half").write_text("made")
    done = install(tmp_path, "killed", PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert done.returncode != 0, "there is nothing to install from"
    assert (
        not (tmp_path / ".venv/half").exists()
        and not (tmp_path / ".venv/installed").exists()
    )


def test_every_dependency_has_its_reason():
    for name in ("requirements.txt", "tests/requirements.txt"):
        for line in (ROOT / name).read_text().splitlines():
            assert not line or line.startswith(("#", "-")) or "  # " in line, line


def needed(names):
    """The names of distributions that these bring, themselves included, on this machine."""
    found, todo = set(), list(names)
    while todo:
        wanted = Requirement(todo.pop())
        name = re.sub("[-_.]+", "-", wanted.name).lower()
        if (name, *sorted(wanted.extras)) in found:
            continue
        found.add((name, *sorted(wanted.extras)))
        for line in metadata.requires(name) or []:
            one = Requirement(line)
            kinds = wanted.extras or {""}
            if not one.marker or any(one.marker.evaluate({"extra": e}) for e in kinds):
                todo.append(line)
    return {name for name, *_ in found}


def imports(path):
    text = path.read_text(encoding="utf-8")
    cells = (
        [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        if path.suffix == ".ipynb"
        else []
    )
    for source in ["".join(c["source"]) for c in cells] or [text]:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.split(".")[0]


def test_chapters_import_nothing_that_only_the_tests_install():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    there = needed(
        line.split("#")[0].strip() for line in lines if re.match(r"\w", line)
    )
    owners = metadata.packages_distributions()
    asked = {
        m: p
        for p in [*CHAPTERS.glob("*.py"), *CHAPTERS.glob("*.ipynb")]
        for m in imports(p)
    }
    missing = {
        (module, path.name)
        for module, path in asked.items()
        if module not in sys.stdlib_module_names
        and not (CHAPTERS / f"{module}.py").exists()
        and f"{module}.py" not in path.read_text("utf-8")  # one that the chapter writes
        and not {re.sub("[-_.]+", "-", d).lower() for d in owners.get(module, [])}
        & there
    }
    assert not missing
