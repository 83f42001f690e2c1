"""Print the built site on paper: `make pdf` writes pdf/book.pdf and pdf/NAME.pdf into _build/html, likewise under zh/.

The system's Chromium prints each page by its print style. Solutions stand at the end of their chapter, and the addresses of
links as numbered notes. In the book a link to another chapter leads there; in a chapter alone it leads to its address, where
the book knows it (BOOK_URL), else nowhere.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build/html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FOOT = '<div style="width: 100%; font: 8pt serif; text-align: center; color: #5d6066"><span class="pageNumber"></span></div>'
# Opens all folds, moves solutions to the end, and notes where links lead.
ARRANGE = """heads => {
  const article = document.querySelector('article'), make = (tag, text) => Object.assign(document.createElement(tag), {textContent: text});
  const end = (head, list) => { const s = document.createElement('section'); s.append(make('h2', head), ...list); article.append(s); };
  document.querySelectorAll('details').forEach(d => { d.open = true; });
  const solutions = [...article.querySelectorAll('.solution')].filter(s => !s.parentElement.closest('.solution'));
  if (solutions.length) end(heads[0], solutions);
  const places = new Map();
  for (const a of article.querySelectorAll('a[href^="http"]:not(.wrong)')) {
    if (a.closest('.colophon') || a.textContent === a.href) continue;
    if (!places.has(a.href)) places.set(a.href, places.size + 1);
    a.after(make('sup', ` ${places.get(a.href)}`));
  }
  if (places.size) { const list = make('ol', ''); list.append(...[...places.keys()].map(href => make('li', href))); end(heads[1], [list]); }
}"""


def names():
    """Return [(part, names of its pages)] in the order of the book."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    listed = [("", [toc["root"]])] + [(p["caption"], [c["file"] for c in p["chapters"]]) for p in toc["parts"]]
    return [(caption, [Path(file).name for file in files]) for caption, files in listed]


def printed(browser, site, name, folder, heads):
    """Print one page; return its file."""
    page = browser.new_page(color_scheme="light")
    page.goto((site / f"chapters/{name}.html").as_uri())
    page.wait_for_function("!document.documentElement.classList.contains('unpacking')", timeout=600_000)
    page.emulate_media(media="print")
    page.evaluate(ARRANGE, heads)
    file = folder / f"{name}.pdf"
    margin = {"top": "16mm", "bottom": "18mm", "left": "17mm", "right": "17mm"}
    page.pdf(
        path=file, format="A4", outline=True, tagged=True, margin=margin,
        display_header_footer=True, header_template="<span></span>", footer_template=FOOT,
    )  # fmt: skip
    page.close()
    return file


def place(pages, destination):
    """Return a link's explicit destination: the page itself, and how far from its foot."""
    number, top = destination
    return ArrayObject(
        [pages[number].indirect_reference, NameObject("/XYZ"), NullObject(), FloatObject(top), NullObject()]
    )


def places(reader):
    """Return {name: (number of its page, height)} of all that links within a PDF lead to, and '' for its beginning."""
    found = {name: (reader.get_destination_page_number(d), d.top or 0) for name, d in reader.named_destinations.items()}
    return {unquote(name.lstrip("/")): where for name, where in found.items()} | {"": (0, 842)}


def relink(writer, first, known, name):
    """Let the links of the pages from `first` on lead to pages of this PDF, or to addresses; drop those that lead to this machine."""
    address = os.environ.get("BOOK_URL", "").rstrip("/")
    for page in writer.pages[first:]:
        kept = ArrayObject()
        for reference in page.get("/Annots", []):
            note = reference.get_object()
            action = note.get("/A", {})
            uri, target = urlsplit(str(action.get("/URI", ""))), note.get("/Dest", action.get("/D"))
            there = (
                (name, str(target).lstrip("/")) if target is not None else (Path(uri.path).stem, unquote(uri.fragment))
            )
            if target is not None or uri.scheme == "file":
                if there[0] in known:
                    start, inside = known[there[0]]
                    number, top = inside.get(unquote(there[1]), inside[""])
                    note.pop("/A", None)
                    note[NameObject("/Dest")] = place(writer.pages, (start + number, top))
                elif address:
                    action.update(
                        {NameObject("/URI"): action["/URI"].__class__(f"{address}/chapters/{there[0]}.html#{there[1]}")}
                    )
                else:
                    continue
            kept.append(reference)
        if "/Annots" in page:
            page[NameObject("/Annots")] = kept


def outline(writer, reader, items, first, parent):
    """Add the headings of one PDF, whose pages begin at `first`, under `parent`."""
    last = parent
    for item in items:
        if isinstance(item, list):
            outline(writer, reader, item, first, last)
        else:
            number = first + reader.get_destination_page_number(item)
            last = writer.add_outline_item(title=item.title, page_number=number, parent=parent)


def bound(files, parts, out):
    """Write one PDF of `files`, {name: file}, with an outline by part, chapter and section."""
    writer, known, firsts = PdfWriter(), {}, {}
    for caption, listed in parts:
        part = None
        for name in (n for n in listed if n in files):
            reader, firsts[name] = PdfReader(files[name]), len(writer.pages)
            known[name] = firsts[name], places(reader)
            writer.append(reader, import_outline=False)
            if caption and part is None:
                part = writer.add_outline_item(title=caption, page_number=firsts[name])
            outline(writer, reader, reader.outline, firsts[name], part)
    for name, first in firsts.items():
        relink(writer, first, {name: known[name]} | known, name)
    writer.compress_identical_objects()
    writer.write(out)


def main():
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        raise SystemExit("make pdf needs Chromium (on Debian: apt install chromium)")
    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for site, heads in ((SITE, ("Solutions", "Addresses")), (SITE / "zh", ("解答", "地址"))):
            if not site.exists():
                continue
            out = site / "pdf"
            out.mkdir(exist_ok=True)
            listed = [n for _, part in names() for n in part if (site / f"chapters/{n}.html").exists()]
            listed = [n for n in listed if not sys.argv[1:] or n in sys.argv[1:]]
            files = {n: printed(browser, site, n, Path(folder), heads) for n in listed}
            for n in files:
                bound({n: files[n]}, names(), out / f"{n}.pdf")
            if not sys.argv[1:]:
                bound(files, names(), out / "book.pdf")
            for file in sorted(out.glob("*.pdf")):
                print(
                    f"{file.relative_to(ROOT)}  {len(PdfReader(file).pages)} pages  {file.stat().st_size / 1e6:.1f} MB"
                )
        browser.close()


if __name__ == "__main__":
    main()
