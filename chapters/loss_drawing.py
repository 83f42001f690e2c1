"""Drawing for chapters/loss-many-faces.ipynb: cards, arrows and a small mountain; the key frame of its explorable."""

import math

import numpy as np

INK, PAPER = "#6b6f76", "#fbf9f4"


def ring_spot(step, inward=0.0):
    """Return the point `step` tenths of the way round an oval, clockwise from the upper left."""
    angle = math.radians(108 - 36 * step)
    c, s = math.cos(angle), math.sin(angle)
    x, y = 2.1 * math.copysign(abs(c) ** 0.6, c), 2.75 * math.copysign(abs(s) ** 0.9, s)
    return np.array([x, y]) * (1 - inward / math.hypot(x, y))


def draw_card(ax, spot, words, colour):
    """Write words on a card with an edge of this colour; return the text."""
    look = {"boxstyle": "round,pad=0.42", "fc": PAPER, "ec": colour, "lw": 1.6}
    return ax.text(
        *spot, words, ha="center", va="center", linespacing=1.3, bbox=look, zorder=3
    )


def draw_arrow(ax, start, end, colour=INK, width=1.1, bend=0.0):
    """Draw an arrow from one card to another."""
    look = {"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkB": 3}
    look |= {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
    look |= {"connectionstyle": f"arc3,rad={bend}"}
    ax.annotate("", end.get_position(), start.get_position(), arrowprops=look)


def draw_mountain(ax):
    """Draw three hills, one behind the other: a ridge and two peaks."""
    x = np.linspace(-1.3, 1.3, 90)
    hills = [(1.6, -0.3, 0.5, "C0"), (1.1, 0.45, 0.42, "C2"), (0.7, -0.1, 0.85, "C2")]
    for height, centre, breadth, colour in hills:
        hill = (
            height * np.exp(-(((x - centre) / breadth) ** 2)) * (1 - (x / 1.3) ** 2)
            - 0.2
        )
        ax.fill_between(x, -0.2, hill, color=colour, alpha=0.15, lw=0)
        ax.plot(x, hill, color=colour, ls="-", lw=0.8, alpha=0.7)


def strip_frame(q, c, words, number, k, tokens, bits):
    """Return an SVG: the strips that the first k of twelve digits of `number` open, 284 px wide each.

    q holds the model's rows, c is the first row to use; `tokens` are those known from the digits, at a price of `bits`.
    """
    unit = 2.0**-k
    first, lo, size = (number >> (12 - k)) * unit, 0.0, 1.0
    marks = {"piece": "", "zoom": "", "cuts": "", "block": "", "name": ""}
    for t in range(8):
        y, cuts, zoom, name, piece, block = 34 + 30 * t, "", "", "", (0, 0), (0, 0)
        if t <= len(tokens):
            ends = np.r_[0, q[c].cumsum()]
            a = (first - lo) / size
            block = max(a, 0), min(a + unit / size, 1)
            cuts = "".join(f"M{70 + 284 * u:.1f} {y}v16" for u in ends)
            cuts, name = f"{cuts}M70 {y}h284m0 16h-284", "?"
        if t < len(tokens):
            c = tokens[t]
            name, piece = words[c], (ends[c], ends[c + 1])
            lo, size = lo + size * piece[0], size * (piece[1] - piece[0])
            if t < 7:
                left, right = (70 + 284 * u for u in piece)
                zoom = f"M{left:.1f} {y + 16}L70 {y + 30}M{right:.1f} {y + 16}L354 {y + 30}"
        marks["name"] += (
            f'<text x="4" y="{y + 13}" lang="zh-Hans" data-say="t{t}">{name}</text>'
        )
        marks["zoom"] += f'<path data-zoom="{t}" d="{zoom}"/>'
        marks["cuts"] += f'<path data-cuts="{t}" d="{cuts}"/>'
        marks["piece"] += _band("piece", t, piece, y, 16, 0)
        marks["block"] += _band("block", t, block, y + 3, 10, 1.5)
    digits = f"{number:012b}"[:k]
    line = "".join(words[i][0] for i in tokens) or "–"
    blue, red = "var(--azurite, #2372b0)", "var(--cinnabar, #c8452d)"
    return (
        '<svg viewBox="0 0 360 326" width="100%" style="max-width:560px" font-size="13" fill="currentColor" '
        'role="img" aria-label="Eight strips, each the chosen piece of the one above it. A red block of all '
        'numbers that begin with the digits read; where it lies inside one piece, the token is known.">'
        f'<text x="70" y="26">0</text><text x="354" y="26" text-anchor="end">1</text>'
        f'<g fill="{blue}" opacity=".4">{marks["piece"]}</g>'
        f'<g fill="none" stroke="{blue}" stroke-width=".8">{marks["zoom"]}</g>'
        f'<g fill="none" stroke="currentColor" stroke-width=".8">{marks["cuts"]}</g>'
        f'<g fill="{red}" opacity=".85">{marks["block"]}</g>{marks["name"]}'
        f'<text x="4" y="286">digits <tspan data-say="digits" fill="{red}">0.{digits}</tspan></text>'
        f'<text x="4" y="303">line <tspan lang="zh-Hans" data-say="line">{line}</tspan></text>'
        f'<text x="4" y="320" font-size="12.5" data-say="price">digits read: {k}; price of the {len(tokens)} known tokens: '
        f"{bits:.2f} bits</text></svg>"
    )


def _band(what, t, ends, y, height, least):
    """Return the rectangle of one piece or block; an open block is at least `least` px wide."""
    left, right = ends
    wide = max(least if right > 0 else 0, 284 * (right - left))
    return f'<rect data-{what}="{t}" x="{70 + 284 * left:.1f}" y="{y}" width="{wide:.1f}" height="{height}"/>'
