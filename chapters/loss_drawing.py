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


def key_frame(p, q, entropy, divergence):
    """Return an SVG: bars of p and q over four symbols; entropy + divergence (bits) laid end to end, 52 px to the bit."""
    colour = {"p": "var(--ochre, #a8742a)", "q": "var(--azurite, #2372b0)"}
    total = entropy + divergence

    def rect(cls, x, y, width, height):
        return (
            f'<rect class="{cls}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{colour[cls[0]]}"/>'
        )

    marks = [rect("p", 40 + 78 * i, 96 - 84 * a, 24, 84 * a) for i, a in enumerate(p)]
    marks += [rect("q", 67 + 78 * i, 96 - 84 * b, 24, 84 * b) for i, b in enumerate(q)]
    marks += [
        rect("p h", 4, 142, 52 * entropy, 16),
        rect("q d", 4 + 52 * entropy, 142, 52 * divergence, 16),
    ]
    marks += [
        f'<text x="{66 + 78 * i}" y="111" text-anchor="middle">{s}</text>'
        for i, s in enumerate("ABCD")
    ]
    return (
        '<svg viewBox="0 0 360 196" width="100%" style="max-width:560px" font-size="12" fill="currentColor" '
        'role="img" aria-label="Truth p and model q as bars over four symbols. Below them entropy and '
        f'divergence, laid end to end, make the cross entropy.">{"".join(marks)}'
        '<path d="M30 96.5H345" stroke="currentColor" stroke-width=".6"/>'
        f'<text x="345" y="14" text-anchor="end"><tspan fill="{colour["p"]}">■ truth p</tspan> '
        f'<tspan fill="{colour["q"]}">■ model q</tspan></text>'
        '<text x="4" y="134">H(p) + KL(p‖q) = H(p, q)</text>'
        f'<text x="4" y="176" data-say="bits">{entropy:.3f} + {divergence:.3f} = {total:.3f} bits</text>'
        f'<text x="4" y="192" data-say="nats">{total * math.log(2):.3f} nats; perplexity {2**total:.3f}</text></svg>'
    )
