""".binder/ as repo2docker reads it, and a chapter run from top to bottom by a person's clicks in a real JupyterLab."""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import nbformat
from chapter_code import CHAPTERS, ROOT

sys.path.insert(0, str(ROOT / "make"))
from execution import complaints  # noqa: E402


def test_repo2docker_understands_the_configuration(tmp_path):
    for name in (
        ".binder",
        "requirements.txt",
        "constraints.txt",
    ):  # and none of tests/
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    command = [
        sys.executable,
        "-m",
        "repo2docker",
        "--no-build",
        "--debug",
        "--user-id=1000",
        "--user-name=reader",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    dockerfile = done.stdout + done.stderr
    assert done.returncode == 0, dockerfile
    assert (
        'pip install --no-cache-dir -r ".binder/requirements.txt"'
        in dockerfile.replace("'", '"')
        or re.search(r"pip install .*-r \"?\.binder/requirements\.txt", dockerfile)
    )
    assert ".binder/postBuild" in dockerfile and ".binder/start" in dockerfile
    assert "conda environment for python=3.11" in dockerfile


def test_binder_has_one_list_of_requirements_and_cpu_torch():
    lines = (ROOT / ".binder/requirements.txt").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")][1:] == [
        "-r ../requirements.txt"
    ]
    assert "--extra-index-url" in lines[1] and lines[1].endswith("/whl/cpu")
    chosen = "".join(
        (ROOT / f).read_text() for f in ("requirements.txt", "tests/requirements.txt")
    )
    pins = dict(re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)", chosen, re.M))
    locked = dict(
        re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.M)
    )
    named = {re.sub(r"[-_.]+", "-", k).lower(): v for k, v in locked.items()}
    assert pins["torch"] == "2.13.0"
    assert all(named[re.sub(r"[-_.]+", "-", k).lower()] == v for k, v in pins.items())


PATIENCE = 900  # seconds for what takes some: only a thing that hangs reaches it


def wait_for(address, process):
    deadline = time.time() + PATIENCE
    while time.time() < deadline and process.poll() is None:
        try:
            return urllib.request.urlopen(address, timeout=5).status
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(f"no answer from {address}")


def test_run_all_in_jupyterlab(browser, tmp_path):
    work = tmp_path / "book"
    shutil.copytree(
        CHAPTERS, work / "chapters", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(ROOT / "data", work / "data")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    environment = os.environ | {
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    options = [
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        f"--IdentityProvider.token={token}",
        "--allow-root",
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options, "--ServerApp.port_retries=0"],
        cwd=work,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/lab?token={token}", server)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(
            f"http://127.0.0.1:{port}/lab/tree/chapters/index.ipynb?token={token}"
        )
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.wait_for_selector(".jp-MarkdownCell h1")
        page.wait_for_selector(
            ".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached"
        )
        path, ran, deadline = work / "chapters/index.ipynb", [], time.time() + PATIENCE
        while not (ran and all(c.execution_count for c in ran)):
            assert time.time() < deadline, "not every cell was run and saved"
            # A kernel that is idle may not be connected yet, and then the click does nothing.
            if not page.locator(
                ".jp-InputPrompt", has_text=re.compile(r"\[\S+\]")
            ).count():
                page.get_by_role("menuitem", name="Run", exact=True).click()
                page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            page.wait_for_timeout(2000)
            page.keyboard.press("Control+s")
            page.wait_for_timeout(1000)
            with suppress(ValueError):  # read while it was being written
                ran = [c for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
        assert complaints(nbformat.read(path, 4)) == []
        title = page.locator(":text('A silhouette is a bell'):not(.cm-content *)")
        while not title.count():
            # JupyterLab draws only what is in view: walk up to the first theorem.
            assert time.time() < deadline, "MyST is not rendered"
            page.evaluate(
                "document.querySelector('.jp-WindowedPanel-outer').scrollBy(0, -250)"
            )
            page.wait_for_timeout(250)
        page.close()
    finally:
        server.terminate()
        server.wait(PATIENCE)
