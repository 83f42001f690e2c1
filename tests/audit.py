"""What each page costs, beside a plain Jupyter Book 1 build of the same executed notebooks: `make audit [PAGE …]`.

Weights are gzipped. The main thread is slowed four times; "blocked" is what long tasks take beyond 50 ms, the median of three
visits. Both builds are opened in turn, so that a busy machine is busy for both. What the plain build asks of other hosts is
counted as a request and weighs nothing where it cannot be had: its true cost is higher.
"""

import gzip
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from statistics import median
from urllib.parse import urlparse

import nbformat
from chapter_code import CHAPTERS, ROOT
from conftest import Quiet
from playwright.sync_api import sync_playwright

OURS, PLAIN = ROOT / "_build/html", ROOT / "_build/plain"
STORE = ROOT / "_build/executed"
CONFIG = """title: Plain
execute: {execute_notebooks: "off"}
parse: {myst_enable_extensions: [amsmath, attrs_inline, colon_fence, deflist, dollarmath]}
bibtex_bibfiles: [chapters/references.bib]
sphinx: {extra_extensions: [sphinx_proof, sphinx_exercise]}
"""
WATCH = """window.seen = {shift: 0, blocked: 0};
new PerformanceObserver(l => l.getEntries().forEach(e => { if (!e.hadRecentInput) seen.shift += e.value; })).observe({type: 'layout-shift', buffered: true});
new PerformanceObserver(l => l.getEntries().forEach(e => { seen.blocked += e.duration - 50; })).observe({type: 'longtask', buffered: true});"""
GOALS = {"kB": 0.25, "requests": 0.6, "blocked ms": 0.4}


def build_plain(names):
    """Build the same notebooks by Jupyter Book as it comes; kept until a run is newer."""
    shutil.rmtree(PLAIN / "chapters", ignore_errors=True)
    (PLAIN / "chapters").mkdir(parents=True)
    for name in names:
        shutil.copy(STORE / f"{name}.ipynb", PLAIN / "chapters")
    shutil.copy(CHAPTERS / "references.bib", PLAIN / "chapters")
    files = "".join(f"  - file: chapters/{name}\n" for name in names[1:])
    toc = f"format: jb-book\nroot: chapters/{names[0]}\nchapters:\n{files}"
    (PLAIN / "_toc.yml").write_text(toc if files else toc.removesuffix("chapters:\n"))
    (PLAIN / "_config.yml").write_text(CONFIG)
    program = str(Path(sys.executable).with_name("jupyter-book"))
    done = subprocess.run(
        [program, "build", "--quiet", str(PLAIN)], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"the plain build failed:\n{done.stderr[-2000:]}")
    return PLAIN / "_build/html"


def serve(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def visit(browser, site, folder, page):
    """Open a page afresh; return what it weighs, asks for and holds up."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    asked = set()
    tab.on("request", lambda r: asked.add(r.url.partition("?")[0].partition("#")[0]))
    tab.add_init_script(WATCH)
    context.new_cdp_session(tab).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    tab.goto(f"{site}/{page}", wait_until="load", timeout=300_000)
    tab.wait_for_timeout(1500)
    seen = tab.evaluate("seen")
    context.close()
    asked = {url for url in asked if url.startswith("http")}
    paths = [folder / urlparse(u).path.lstrip("/") for u in asked if u.startswith(site)]
    packed = {
        p: len(gzip.compress(p.read_bytes(), 6)) / 1000 for p in paths if p.is_file()
    }
    images = sum(kb for p, kb in packed.items() if "_images" in p.parts)
    return {
        "kB": sum(packed.values()),
        "requests": len(asked),
        "blocked ms": seen["blocked"],
        "shift": seen["shift"],
        "without images": sum(packed.values()) - images,
    }


def chromium(driver):
    program = next(
        filter(
            None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
        )
    )
    return driver.chromium.launch(
        executable_path=program, args=["--no-sandbox", "--disable-gpu"]
    )


def measure(names):
    plain = build_plain(names)
    sites = {"ours": (serve(OURS), OURS), "plain": (serve(plain), plain)}
    rows = {}
    with sync_playwright() as driver:
        browser = chromium(driver)
        for name in names:
            visits = [
                {
                    who: visit(browser, *site, f"chapters/{name}.html")
                    for who, site in sites.items()
                }
                for _ in range(3)
            ]
            rows[name] = {
                who: {
                    what: median(v[who][what] for v in visits)
                    for what in visits[0][who]
                }
                for who in sites
            }
        browser.close()
    return rows


def report(rows):
    heads = ["kB", "requests", "blocked ms", "shift"]
    print(
        f"{'page (ours/plain)':34}"
        + "".join(f"{h:>16}" for h in heads)
        + f"{'no images kB':>14}{'run s':>8}"
    )
    for name, row in rows.items():
        pairs = (f"{row['ours'][h]:.3g}/{row['plain'][h]:.3g}" for h in heads)
        ran = nbformat.read(STORE / f"{name}.ipynb", 4).metadata.run.seconds
        print(
            f"{name:34}"
            + "".join(f"{p:>16}" for p in pairs)
            + f"{row['ours']['without images']:14.0f}{ran:8.0f}"
        )
    total = {
        who: {h: sum(r[who][h] for r in rows.values()) for h in heads}
        for who in ("ours", "plain")
    }
    for what, goal in GOALS.items():
        ratio = total["ours"][what] / max(total["plain"][what], 1e-9)
        print(
            f"{what}, all pages: {ratio:.2f} of the plain build's (goal: at most {goal})"
        )
    worst = max(rows, key=lambda n: rows[n]["ours"]["shift"])
    print(
        f"largest layout shift: {rows[worst]['ours']['shift']:.3f} on {worst} (goal: at most 0.02)"
    )
    worst = max(rows, key=lambda n: rows[n]["ours"]["without images"])
    print(
        f"heaviest without images: {rows[worst]['ours']['without images']:.0f} kB, {worst} (goal: at most 170)"
    )


if __name__ == "__main__":
    built = {p.stem for p in (OURS / "chapters").glob("*.html")}
    names = sys.argv[1:] or sorted(
        p.stem for p in STORE.glob("*.ipynb") if p.stem in built
    )
    report(measure(names))
