import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# No test knows the clock, nor does what draws its inputs.
settings.register_profile(
    "book", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("book")


MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def site():
    """The built site, served by a plain static file server at a sub-path; gives the address of its folder."""
    built = ROOT / "_build" / "html"
    assert (built / "index.html").exists(), "build the book first: make book"
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=built.parent)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/html"
    server.shutdown()


NOT_SQUARE = {
    "wide": np.ones((2, 3)),
    "tall": np.ones((3, 2)),
    "empty": np.zeros((0, 0)),
    "vector": np.ones(3),
    "number": 5.0,
    "nan": [[np.nan]],
    "inf": [[np.inf, 0], [0, 1]],
    "text": [["a"]],
    "ragged": [[1, 2], [3]],
}


@pytest.fixture(params=NOT_SQUARE.values(), ids=NOT_SQUARE)
def not_square(request):
    """What is no square matrix of finite numbers."""
    return request.param


def patient(make):
    """Let what `make` returns wait for minutes: half a minute, the browser's own patience, is short on a busy machine."""

    def made(**options):
        new = make(**options)
        new.set_default_timeout(600_000)
        return new

    return made


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium; without one, tests that need it are skipped on a reader's machine and fail in CI."""
    from playwright.sync_api import sync_playwright

    program = next(
        filter(
            None,
            map(
                shutil.which,
                ("chromium", "chromium-browser", "google-chrome", "chrome", MAC),
            ),
        ),
        None,
    )
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "no Chromium on this machine"
        )
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",  # some machines have no /dev/shm, or a small one
        "--disable-background-networking",
        "--disable-component-update",
    ]
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=quiet)
        for name in ("new_page", "new_context"):
            setattr(chromium, name, patient(getattr(chromium, name)))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def run_script(browser):
    """Run an explorable's script, the page replaced by a notepad; give what it said and what it set, by selector."""
    page = browser.new_page()

    def run(script, v, data=None):
        return page.evaluate(
            """([script, v, data]) => {
                const said = {}, set = {}, say = (name, text) => { said[name] = text; };
                const $ = place => ({
                    setAttribute: (name, text) => { set[`${place} ${name}`] = text; },
                    set innerHTML(text) { set[place] = text; },
                });
                new Function('v', 'data', 'say', '$', script)(v, data, say, $);
                return {said, set};
            }""",
            [script, v, data],
        )

    yield run
    page.close()
