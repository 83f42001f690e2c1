"""Photograph the loss explorer in a real browser, and write down the numbers that the browser showed.

    .venv/bin/python data/photograph_streamlit.py

Needs Chromium. Writes data/streamlit-explorer-{light,dark}.png (as opened), -moved-{light,dark}.png (after four right
arrows on the temperature) and data/streamlit-explorer.json. No chapter and no test runs it; tests/ looks at the app anew.
"""

import io
import json
import shutil
import sys
from pathlib import Path
from urllib.parse import urlparse

from PIL import Image
from playwright.sync_api import sync_playwright

DATA = Path(__file__).resolve().parent
sys.path.insert(0, str(DATA.parent / "chapters"))
from streamlit_server import Server  # noqa: E402

APP = DATA.parent / "chapters" / "streamlit_explorer.py"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
METRICS = "[data-testid=stMetricValue]"


def numbers(page):
    """Return the texts of the four metrics, as a reader of the page would copy them."""
    return page.locator(METRICS).all_inner_texts()


def settle(page):
    """Wait until the script has ended and the chart stands still."""
    page.wait_for_selector("[data-testid=stVegaLiteChart] canvas, .marks")
    page.wait_for_selector("[data-test-script-state=notRunning]")
    page.wait_for_timeout(1500)


def photograph(page, path, top):
    """Save what lies between an element and the end of the chart, in 64 colours."""
    above = page.locator(top).bounding_box()["y"] - 12
    chart = page.locator("[data-testid=stVegaLiteChart]").bounding_box()
    height = chart["y"] + chart["height"] + 6 - above
    area = {"x": 0, "y": above, "width": 720, "height": height}
    image = Image.open(io.BytesIO(page.screenshot(clip=area))).convert("RGB")
    image.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def main():
    shown = {}
    with (
        Server(APP) as server,
        sync_playwright() as driver,
        driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        ) as chromium,
    ):
        for scheme in ("light", "dark"):
            page = chromium.new_page(
                viewport={"width": 720, "height": 1100}, color_scheme=scheme
            )
            hosts = set()
            page.on("request", lambda r, h=hosts: h.add(urlparse(r.url).netloc))
            page.goto(server.url)
            page.wait_for_selector(METRICS)
            settle(page)
            photograph(page, DATA / f"streamlit-explorer-{scheme}.png", "h1")
            shown[scheme] = {"1.0": numbers(page)}
            page.locator("[data-testid=stSlider] input").focus()
            for _ in range(4):
                page.keyboard.press("ArrowRight")
            page.wait_for_function(
                f"was => document.querySelector('{METRICS}').innerText != was",
                arg=numbers(page)[0],
            )
            settle(page)
            photograph(
                page,
                DATA / f"streamlit-explorer-moved-{scheme}.png",
                "[data-testid=stSlider]",
            )
            shown[scheme]["2.0"] = numbers(page)
            hosts = {h for h in hosts if h and not h.startswith("127.0.0.1")}
            assert not hosts, f"the app asked other hosts: {hosts}"
            page.close()
    assert shown["light"] == shown["dark"]
    text = json.dumps(shown["light"], indent=1) + "\n"
    (DATA / "streamlit-explorer.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
