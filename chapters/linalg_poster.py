"""The two drawings on the part's front door: six factorisations, and which chapter helps which.

`python chapters/linalg_poster.py` writes them into chapters/linalg-lectures.md; a test compares. The shapes on the poster are
those of factors that are computed here, of small matrices of whole numbers: a full square may be nonzero, a pale one is zero.
"""

import re
from pathlib import Path

import numpy as np
import scipy.linalg
import sympy as sp

PAGE = Path(__file__).with_name("linalg-lectures.md")
WIDE = np.array([[1, 2, 0, 1, 1], [2, 4, 1, 1, 0], [1, 2, 1, 0, -1]])  # rank 2
SQUARE = np.array([[4, 1, 2, 3], [1, 5, 1, 2], [2, 3, 6, 1], [1, 2, 1, 8]])
TALL = np.array([[1, 2, 1], [2, 1, 3], [1, 3, 2], [2, 2, 5], [1, 1, 1]])


def factors():
    """Return (name, what it says, A, its factors) for each of the six."""
    R, pivots = sp.Matrix(WIDE).rref()
    R = np.array(R, float)[: len(pivots)]
    P, L, U = scipy.linalg.lu(SQUARE)
    assert (P == np.eye(4)).all(), "chosen so that no rows are exchanged"
    Q, T = np.linalg.qr(TALL)
    values, S = np.linalg.eig(SQUARE)
    even = SQUARE + SQUARE.T
    lam, V = np.linalg.eigh(even)
    u, s, vt = np.linalg.svd(WIDE)
    return [
        (
            "A = CR",
            ["independent columns,", "and how the others mix them"],
            WIDE,
            [WIDE[:, list(pivots)], R],
        ),
        ("A = LU", ["the steps of elimination,", "and where it ends"], SQUARE, [L, U]),
        ("A = QR", ["columns at right angles,", "and a triangle"], TALL, [Q, T]),
        (
            "A = SΛS⁻¹",
            ["directions that stay,", "one number for each"],
            SQUARE,
            [S, np.diag(values), np.linalg.inv(S)],
        ),
        (
            "A = QΛQᵀ",
            ["A symmetric: they stand", "at right angles"],
            even,
            [V, np.diag(lam), V.T],
        ),
        (
            "A = UΣVᵀ",
            ["every matrix:", "turn, stretch, turn"],
            WIDE,
            [u[:, :2], np.diag(s[:2]), vt[:2]],
        ),
    ]


def grid(M, x, y, ink, cell=9):
    """Return the squares of a matrix whose upper left corner is at (x, y)."""
    full, empty = "", ""
    for i, j in np.ndindex(M.shape):
        square = f"M{x + cell * j} {y + cell * i}h{cell - 1}v{cell - 1}h{1 - cell}z"
        if abs(M[i, j]) > 1e-9:
            full += square
        else:
            empty += square
    pale = f'<path d="{empty}" fill="{ink}" opacity=".14"/>' if empty else ""
    return f'<path d="{full}" fill="{ink}"/>{pale}'


def poster():
    """Return the poster as SVG."""
    inks = ("currentColor", "#2372b0", "#a8742a", "#2e8b63")
    names = ("", "azurite", "ochre", "malachite")
    inks = [f"var(--{n}, {c})" if n else c for n, c in zip(names, inks, strict=True)]
    parts = []
    for k, (name, words, A, made) in enumerate(factors()):
        top, x = 62 * k + 6, 4
        for number, M in enumerate([A, *made]):
            y = top + (45 - 9 * M.shape[0]) // 2
            parts.append(grid(M, x, y, inks[number]))
            x += 9 * M.shape[1] + 4
            if number == 0:
                parts.append(
                    f'<text x="{x}" y="{top + 28}" fill="currentColor">=</text>'
                )
                x += 14
        parts.append(
            f'<text x="214" y="{top + 12}" font-weight="bold" fill="currentColor">{name}</text>'
        )
        parts += [
            f'<text x="214" y="{top + 29 + 16 * i}" fill="currentColor">{line}</text>'
            for i, line in enumerate(words)
        ]
    alt = (
        "Six factorisations drawn as grids of squares. A = CR: a tall matrix of two columns times a flat one of two rows. "
        "A = LU: a lower times an upper triangle. A = QR: a tall matrix times a triangle. A = SΛS⁻¹ and A = QΛQᵀ: a square, "
        "a diagonal, a square. A = UΣVᵀ: two columns, a diagonal of two, two rows."
    )
    return _svg(380, alt, "".join(parts), 'role="img"')


# name of the page, words, column, row; and which chapter helps which
CHAPTERS = [
    ("two-pictures", "Two pictures", 1, 0),
    ("elimination", "Elimination", 0, 1),
    ("volume", "Volume", 2, 1),
    ("four-subspaces", "Four subspaces", 0, 2),
    ("bowls", "Bowls", 1, 2),
    ("directions-that-stay", "Directions that stay", 2, 2),
    ("networks", "Networks", 0, 3),
    ("perpendicular", "Perpendicular", 1, 3),
    ("time-and-chance", "Time and chance", 2, 3),
    ("better-basis", "A better basis", 0, 4),
    ("svd-and-review", "The SVD", 1, 4),
    ("missing-directions", "Missing directions", 2, 4),
]
HELPS = [
    ("two-pictures", "elimination"),
    ("two-pictures", "volume"),
    ("elimination", "four-subspaces"),
    ("elimination", "bowls"),
    ("volume", "directions-that-stay"),
    ("directions-that-stay", "bowls"),
    ("four-subspaces", "networks"),
    ("four-subspaces", "perpendicular"),
    ("directions-that-stay", "time-and-chance"),
    ("perpendicular", "better-basis"),
    ("perpendicular", "svd-and-review"),
    ("directions-that-stay", "missing-directions"),
]


def paths():
    """Return the map of chapters as SVG, each box a link."""
    at = {page: (68 + 132 * column, 22 + 58 * row) for page, _, column, row in CHAPTERS}
    lines = ""
    for one, two in HELPS:
        (x, y), (z, w) = at[one], at[two]
        if y == w:
            d = f"M{x - 62} {y}H{z + 66}"
        elif w - y > 58:  # round the box between
            d = f"M{x + 58} {y + 14}C{x + 68} {y + 38} {x + 68} {w - 42} {z + 58} {w - 18}"
        else:
            d = f"M{x} {y + 14}L{z} {w - 18}"
        lines += f'<path d="{d}" marker-end="url(#helps)"/>'
    boxes = "".join(
        f'<a href="linalg-{page}.html"><rect x="{at[page][0] - 62}" y="{at[page][1] - 14}" width="124" height="28" rx="4" '
        f'fill="var(--faint, #eee)" stroke="currentColor"/><text x="{at[page][0]}" y="{at[page][1] + 5}" text-anchor="middle" '
        f'fill="currentColor">{words}</text></a>'
        for page, words, _, _ in CHAPTERS
    )
    head = (
        '<marker id="helps" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8Z" fill="currentColor"/></marker>'
    )
    body = (
        f'{head}<g stroke="currentColor" fill="none" opacity=".75">{lines}</g>{boxes}'
    )
    return _svg(276, "Which chapter helps which", body, 'role="group"')


def _svg(height, alt, body, role):
    return (
        f'<svg viewBox="0 0 400 {height}" {role} aria-label="{alt}" font-size="13" '
        f'style="display:block;width:100%;max-width:600px;height:auto">{body}</svg>'
    )


def filled(page):
    """Return the page's text with both drawings in their places."""
    for name, drawing in (("paths", paths()), ("poster", poster())):
        block = f"```{{raw}} html\n<!-- {name} -->\n{drawing}\n```"
        place = rf"```\{{raw\}} html\n<!-- {name} -->\n.*?```"
        parts = re.split(place, page, flags=re.S)
        if len(parts) != 2:
            raise ValueError(f"the page has {len(parts) - 1} places for {name!r}")
        page = block.join(parts)
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
