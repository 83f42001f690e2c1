"""The page `map` as a picture in ink: one mountain for each part of the book, drawn in SVG by a few strokes.

Colours are the page's own (currentColor, --azurite, --paper), so that paper and dark ink both work.
"""

import math
import random
from html import escape

WIDTH, HEIGHT, FOOT = 640, 474, 352  # the picture, and the level at which hills end
STEP = 21  # one idea more in the chain below: so much higher
LEFT, RIGHT = 34, 598


def places(groups, height):
    """Return {idea: (x, y)}; groups: lists of ideas from left to right, height: {idea: links below it, from 1}.

    Ideas stand in the order of the book, with a little more room between two parts than within one.
    """
    gap = 2.5  # ideas' worth of room between two parts
    room = sum(map(len, groups)) + gap * (len(groups) - 1) - 1
    spot, at = {}, 0.0
    for group in groups:
        for node in group:
            x = LEFT + (RIGHT - LEFT) * at / max(room, 1)
            spot[node] = round(x), FOOT - 6 - STEP * (height[node] - 1)
            at += 1
        at += gap
    return spot


def _outline(points, spread):
    """Return the mountain over some points, as [(x, y)] from foot to foot: no point stands above it."""
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    reach = 26 + 0.12 * (right - left)
    line, steps = [], 26
    for i in range(steps + 1):
        x = left - reach + (right - left + 2 * reach) * i / steps
        # The highest of the hills that each point heaps up about itself.
        top = max(
            (FOOT + 16 - y) * math.exp(-(((x - a) / spread) ** 2)) for a, y in points
        )
        line.append((x, FOOT - top + 2))
    for end, side in ((0, -1), (-1, 1)):
        line[end] = (line[end][0] + side * 6, FOOT + 4)
    return line


def _smooth(line):
    """Return a path through the points of a line, bent softly (quadratic, from middle to middle)."""
    d = f"M{line[0][0]:.0f} {line[0][1]:.0f}"
    for (a, b), (c, e) in zip(line[1:-1], line[2:], strict=True):
        d += f"Q{a:.0f} {b:.0f} {(a + c) / 2:.0f} {(b + e) / 2:.0f}"
    return d + f"L{line[-1][0]:.0f} {line[-1][1]:.0f}"


def _brush(line, thick, hand):
    """Return a stroke along a line as a filled path, pressed harder here and there, thin at both ends."""
    below, n = [], len(line) - 1
    for i, (x, y) in enumerate(line):
        press = thick * math.sin(math.pi * i / n) * (0.45 + hand.random())
        below.append((x + press * 0.3, y + press))
    back = _smooth(below[::-1])
    return _smooth(line) + "L" + back[1:] + "Z"


def _rock(line, hand, strokes):
    """Return short slanting strokes that fall from a ridge (皴, the wrinkles of a rock)."""
    d = ""
    for _ in range(strokes):
        x, y = line[hand.randrange(4, len(line) - 4)]
        deep = FOOT - y
        start = y + deep * hand.uniform(0.06, 0.4)
        long, lean = deep * hand.uniform(0.07, 0.16), hand.choice((-1, 1))
        x += hand.uniform(-9, 9)
        d += (
            f"M{x:.0f} {start:.0f}q{lean * long * 0.12:.0f} {long * 0.55:.0f} "
            f"{lean * long * 0.5:.0f} {long:.0f}"
        )
    return d


def mountains(groups, spot, seed=1084):
    """Return the range as SVG markup: for each group of ideas a hill of washes and strokes, those behind first.

    `seed` moves the hand that presses the brush; the same seed gives the same bytes.
    """
    hand = random.Random(seed)
    hills = []
    for group in groups:
        points = [spot[n] for n in group]
        hills.append(_outline(points, 15 + 0.5 * len(points)))
    far = sorted(hills, key=lambda line: min(y for _, y in line))  # the highest behind
    svg = (
        '<defs><linearGradient id="wash" x1="0" y1="0" x2="0" y2="1">'
        '<stop offset="0" stop-color="var(--azurite,#2372b0)" stop-opacity=".34"/>'
        '<stop offset=".5" stop-color="var(--malachite,#2e8b63)" stop-opacity=".13"/>'
        '<stop offset="1" stop-color="var(--malachite,#2e8b63)" stop-opacity="0"/></linearGradient>'
        '<linearGradient id="mist" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="currentColor" stop-opacity=".12"/>'
        '<stop offset=".8" stop-color="currentColor" stop-opacity="0"/></linearGradient></defs>'
    )
    # A range farther off, seen only as a shadow through the mist.
    for lift, shift in ((40, 24), (18, -16)):
        shadow = "".join(
            _smooth([(x + shift, y * 0.8 + FOOT * 0.2 - lift) for x, y in line[1::2]])
            + "Z"
            for line in far
        )
        svg += f'<path d="{shadow}" fill="url(#mist)"/>'
    for line in far:
        svg += (
            f'<path d="{_smooth(line)}Z" fill="var(--paper,#fff)" opacity=".55"/>'
            f'<path d="{_smooth(line)}Z" fill="url(#wash)"/>'
        )
        d = _rock(line, hand, round((line[-1][0] - line[0][0]) / 9))
        svg += f'<path d="{d}" fill="none" stroke="currentColor" stroke-width=".9" stroke-linecap="round" opacity=".28"/>'
        svg += (
            f'<path d="{_brush(line, 5.5, hand)}" fill="currentColor" opacity=".62"/>'
        )
    return svg


def way(edges, spot):
    """Return the path of the plan: one bent stroke for each pair (needed, for what), in the order given."""
    d = ""
    for b, n in edges:
        (x, y), (u, v) = spot[b], spot[n]
        d += f"M{x} {y}Q{x} {(y + v) / 2:g} {u} {v}"
    return d


def name(words, place, kind):
    """Return a word above a stone, kept within the picture; `kind` is its class beside `stone`."""
    half = 4.7 * len(words)
    x, y = min(max(place[0], half), WIDTH - half), place[1] - 12
    return (
        f'<text class="stone {kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="middle" '
        f'font-size="18" font-weight="700">{escape(words)}</text>'
    )


def feet(titles, groups, spot):
    """Return the names of the parts, slanted, beneath their hills."""
    marks = ""
    for title, group in zip(titles, groups, strict=True):
        middle = (spot[group[0]][0] + spot[group[-1]][0]) / 2 + 4
        x = max(middle, 9 * len(title))  # slanted, a letter takes some 6 to the left
        marks += (
            f'<text x="{x:.0f}" y="{FOOT + 18}" text-anchor="end" font-size="17" '
            f'transform="rotate(-55 {x:.0f} {FOOT + 18})">{escape(title)}</text>'
        )
    return marks
