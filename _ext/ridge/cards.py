"""What a shared link shows of a page: a card with its title, its loudest claim and a figure of it, drawn by resvg.

Only a book that knows where it is published has cards, since a link's picture needs a whole address.
"""

from base64 import b64encode
from pathlib import Path
from textwrap import wrap

from fonts import FACES
from resvg_py import svg_to_bytes

from .about import address, loudest
from .front import images, rows
from .pages import render


def figure_of(env, docname):
    """Return the SVG file, in _images, that data/posts.yml shows of a page, else the page's first; None without any."""
    shown = dict(post["picture"] for post in rows("posts.yml") if "picture" in post)
    for name in (shown.get(Path(docname).name), None):
        for file, _ in images(env, docname, name):
            if file.endswith(".svg"):
                return file


def draw(title, claim, figure=None):
    """Return a card of 1200 by 630 pixels as PNG. title, claim: text; figure: an SVG as bytes, or None."""
    picture = b64encode(figure).decode() if figure else ""
    width = (22, 40) if figure else (44, 80)
    svg = render("card.svg", title=wrap(title, width[0])[:4], claim=wrap(claim, width[1])[:8], picture=picture)
    fonts = [str(file) for file, _ in FACES.values()]
    return svg_to_bytes(svg_string=svg, font_files=fonts, skip_system_fonts=True, dpi=96)


def write(app, exception):
    """Sphinx `build-finished`: _cards/NAME.png for each page but home, which has a hill of its own."""
    if exception or app.builder.format != "html" or not address():
        return
    env, folder = app.env, Path(app.outdir) / "_cards"
    folder.mkdir(exist_ok=True)
    for docname in env.found_docs - {app.config.root_doc}:
        name = figure_of(env, docname)
        figure = (Path(app.outdir) / "_images" / name).read_bytes() if name else None
        card = draw(env.titles[docname].astext(), loudest(env, docname), figure)
        (folder / f"{Path(docname).name}.png").write_bytes(card)


def setup(app):
    app.connect("build-finished", write)
