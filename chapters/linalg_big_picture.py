"""Strang's big picture of the four subspaces, to be moved: a matrix of rank one between two planes.

Left the inputs, x = read + forgotten; right the outputs, b = reached + missed; two right angles at the origins, two at the feet.
`state` is the arithmetic in Python; the page's script does the same, and tests hold one to the other.
"""

from html import escape
from math import hypot

from linalg_plane import HALO, colour, squeezed
from plumbing import explorable, slider

UNIT = 34  # pixels for one on the left; an output as long as σ is drawn as long
LEFT, RIGHT = (98, 118), (304, 118)


def frames(A):
    """Return (v, w, u, z, σ) of A = [[a, b], [c, d]] of rank one: A v = σ u, A w = 0, z at right angles to u."""
    (a, b), (c, d) = A
    if abs(a * d - b * c) > 1e-12 or not any((a, b, c, d)):
        raise ValueError(f"needs a 2 x 2 matrix of rank one, got {A}")
    row = (a, b) if hypot(a, b) >= hypot(c, d) else (c, d)
    n = hypot(*row)
    v = (row[0] / n, row[1] / n)
    y = (a * v[0] + b * v[1], c * v[0] + d * v[1])
    sigma = hypot(*y)
    u = (y[0] / sigma, y[1] / sigma)
    return v, (v[1], -v[0]), u, (-u[1], u[0]), sigma


def number(t):
    """Return t with two digits, a real minus, and no minus before zero."""
    text = f"{t:.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "−")


def pair(x):
    """Return (x, y) as text."""
    return f"({number(x[0])}, {number(x[1])})"


def mix(p, v, q, w):
    """Return p v + q w."""
    return (p * v[0] + q * w[0], p * v[1] + q * w[1])


def spot(x, origin, unit):
    """Return the pixel of x."""
    return f"{origin[0] + unit * x[0]:.1f} {origin[1] - unit * x[1]:.1f}"


def corner(x, v, w, origin, unit):
    """Return the path of the mark of a right angle at x, between v and w."""
    h = 8 / unit
    steps = [mix(h, v, 0, w), mix(h, v, h, w), mix(0, v, h, w)]
    return "M" + "L".join(spot((x[0] + s[0], x[1] + s[1]), origin, unit) for s in steps)


def state(A, r, n, e):
    """Return (said, set) with x = r v + n w and b = σ (r u + e z)."""
    v, w, u, z, sigma = frames(A)
    out = UNIT / sigma
    x, xr, xn = mix(r, v, n, w), mix(r, v, 0, w), mix(0, v, n, w)
    b, p, miss = (mix(sigma * s, u, sigma * t, z) for s, t in ((r, e), (r, 0), (0, e)))
    L = lambda q: spot(q, LEFT, UNIT)  # noqa: E731
    R = lambda q: spot(q, RIGHT, out)  # noqa: E731
    far = abs(e) < 0.005
    say = {
        "x": f"x = {pair(x)} = read {pair(xr)} + forgotten {pair(xn)}",
        "p": f"Ax = {pair(p)}, whatever is forgotten",
        "b": f"b = {pair(b)}: " + ("reached" if far else f"missed by e = {pair(miss)}"),
        "s": f"shortest best answer A⁺b = {pair(xr)}",
    }
    s, t = (1 if q >= 0 else -1 for q in (n, e))
    back = -1 if r >= 0 else 1
    shapes = {
        ".xr d": f"M{L((0, 0))}L{L(xr)}",
        ".xn d": f"M{L(xr)}L{L(x)}",
        ".x d": f"M{L((0, 0))}L{L(x)}",
        ".p d": f"M{R((0, 0))}L{R(p)}",
        ".e d": f"M{R(p)}L{R(b)}",
        ".b d": f"M{R((0, 0))}L{R(b)}",
        ".go d": f"M{L(xr)}L{R(p)}M{L(x)}L{R(p)}",
        ".m1 d": corner(xr, mix(back, v, 0, w), mix(0, v, s, w), LEFT, UNIT),
        ".m2 d": corner(p, mix(back, u, 0, z), mix(0, u, t, z), RIGHT, out),
        ".tx transform": f"translate({L(x)})",
        ".tb transform": f"translate({R(b)})",
        ".tp transform": f"translate({R(p)})",
        ".tr transform": f"translate({L(xr)})",
    }
    return say, shapes


SCRIPT = """
const {v: a, w, u, z, s, k} = data, [O, Q] = data.o, h = k/s, {r, n, e} = v;
const mix = (p, c, q, d) => [p*c[0] + q*d[0], p*c[1] + q*d[1]], f = t => +t.toFixed(2) ? t.toFixed(2).replace('-', '−') : '0.00', P = c => `(${f(c[0])}, ${f(c[1])})`;
const at = (c, o, m) => `${(o[0] + m*c[0]).toFixed(1)} ${(o[1] - m*c[1]).toFixed(1)}`, L = c => at(c, O, k), R = c => at(c, Q, h), N = [0, 0];
const x = mix(r, a, n, w), xr = mix(r, a, 0, w), xn = mix(0, a, n, w), b = mix(s*r, u, s*e, z), p = mix(s*r, u, 0, z), miss = mix(0, u, s*e, z);
const set = (q, d) => $(q).setAttribute('d', d), put = (q, c) => $(q).setAttribute('transform', `translate(${c})`);
const mark = (q, c, p, d, o, m) => { const g = 8/m; set(q, 'M' + [[g, 0], [g, g], [0, g]].map(([i, j]) => { const t = mix(i, p, j, d); return at([c[0] + t[0], c[1] + t[1]], o, m); }).join('L')); };
set('.xr', `M${L(N)}L${L(xr)}`); set('.xn', `M${L(xr)}L${L(x)}`); set('.x', `M${L(N)}L${L(x)}`);
set('.p', `M${R(N)}L${R(p)}`); set('.e', `M${R(p)}L${R(b)}`); set('.b', `M${R(N)}L${R(b)}`); set('.go', `M${L(xr)}L${R(p)}M${L(x)}L${R(p)}`);
const B = r >= 0 ? -1 : 1, S = n >= 0 ? 1 : -1, T = e >= 0 ? 1 : -1;
mark('.m1', xr, mix(B, a, 0, w), mix(0, a, S, w), O, k); mark('.m2', p, mix(B, u, 0, z), mix(0, u, T, z), Q, h);
put('.tx', L(x)); put('.tb', R(b)); put('.tp', R(p)); put('.tr', L(xr));
say('x', `x = ${P(x)} = read ${P(xr)} + forgotten ${P(xn)}`); say('p', `Ax = ${P(p)}, whatever is forgotten`);
say('b', `b = ${P(b)}: ` + (Math.abs(e) < .005 ? 'reached' : `missed by e = ${P(miss)}`)); say('s', `shortest best answer A⁺b = ${P(xr)}`);
"""
# The hand on the picture: the tip of x, and the tip of b.
_HAND = """
if (!root.hand) {
  root.hand = true;
  [['.tx', data.v, data.w, 'n', data.o[0]], ['.tb', data.u, data.z, 'e', data.o[1]]].forEach(([q, c, d, key, o]) => {
    const e = $(q), drag = p => {
      const m = $('svg').getScreenCTM().inverse(), X = (m.a*p.clientX + m.e - o[0])/data.k, Y = (o[1] - m.d*p.clientY - m.f)/data.k;
      for (const [name, t] of [['r', c], [key, d]]) $(`[name="${name}"]`).value = X*t[0] + Y*t[1];
      $('[name=r]').dispatchEvent(new Event('input'));
    };
    e.addEventListener('touchstart', p => p.preventDefault(), {passive: false});
    e.addEventListener('pointerdown', p => { e.setPointerCapture(p.pointerId); e.onpointermove = drag; p.preventDefault(); });
    for (const end of ['pointerup', 'pointercancel']) e.addEventListener(end, () => { e.onpointermove = null; });
  });
}
"""


BLUE, BROWN, GREEN, RED = (
    colour("azurite", "#2372b0"),
    colour("ochre", "#a8742a"),
    colour("malachite", "#2e8b63"),
    colour("cinnabar", "#c8452d"),
)


def _whole(d, origin, ink):
    """Return a whole line through an origin, as a wide pale band with its middle."""
    ends = [spot((s * d[0] * 2.45, s * d[1] * 2.45), origin, UNIT) for s in (-1, 1)]
    path = f'd="M{ends[0]}L{ends[1]}" stroke="{ink}"'
    return f'<path {path} stroke-width="13" opacity=".13"/><path {path} opacity=".6"/>'


def picture(A, r, n, e, alt):
    """Return the SVG of the key frame."""
    v, w, u, z, _ = frames(A)
    say, at = state(A, r, n, e)
    lines = (
        _whole(v, LEFT, GREEN)
        + _whole(w, LEFT, "currentColor")
        + _whole(u, RIGHT, GREEN)
        + _whole(z, RIGHT, RED)
    )
    marks = "".join(
        f'<path d="{d}" stroke="currentColor"/>'
        for d in (
            corner((0, 0), v, w, LEFT, UNIT),
            corner((0, 0), u, z, RIGHT, UNIT),
        )
    )
    style = {
        "go": 'stroke="currentColor" opacity=".45" stroke-dasharray="2 4"',
        "xn": 'stroke="currentColor" stroke-width="2.5" stroke-dasharray="6 4"',
        "xr": f'stroke="{GREEN}" stroke-width="3.5"',
        "x": f'stroke="{BLUE}" stroke-width="3"',
        "e": f'stroke="{RED}" stroke-width="2.5" stroke-dasharray="6 4"',
        "p": f'stroke="{GREEN}" stroke-width="3.5"',
        "b": f'stroke="{BROWN}" stroke-width="3"',
        "m1": 'stroke="currentColor"',
        "m2": 'stroke="currentColor"',
    }
    paths = "".join(
        f'<path class="{k}" d="{at[f".{k} d"]}" {s}/>' for k, s in style.items()
    )
    falls = u[0] * u[1] < 0  # then Ax has room below its line, and b is above it
    place = {"b": 'x="2" y="-8"'}  # its tip can come near the edge of the picture
    place |= {"p": 'x="-8" y="18" text-anchor="end"'} if falls else {}
    beside = 'x="7" y="-6"'
    tips = "".join(
        f'<g class="t{k}" transform="{at[f".t{k} transform"]}"{take}>{hit}<circle r="4" fill="{ink}"/>'
        f'<text {place.get(k, beside)} fill="{ink}" {HALO}>{word}</text></g>'
        for k, word, ink, take, hit in (
            ("r", "read", GREEN, "", ""),
            ("p", "Ax", GREEN, "", ""),
            (
                "x",
                "x",
                BLUE,
                ' style="cursor:grab"',
                '<circle r="20" fill="transparent"/>',
            ),
            (
                "b",
                "b",
                BROWN,
                ' style="cursor:grab"',
                '<circle r="20" fill="transparent"/>',
            ),
        )
    )

    def name(d, origin, words, ink):
        x, y = origin[0] + 2.45 * UNIT * d[0], origin[1] - 2.45 * UNIT * d[1]
        y = y - 10 if y < origin[1] else y + 20
        side = "start" if x < 60 or 200 < x < 262 else "end" if x > 330 else "middle"
        x = {"start": 2 if x < 60 else 206, "end": 398, "middle": x}[side]
        return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{side}" fill="{ink}" {HALO}>{words}</text>'

    up = lambda d: d if d[1] > 0 else (-d[0], -d[1])  # noqa: E731
    down = lambda d: d if d[1] < 0 else (-d[0], -d[1])  # noqa: E731
    words = (
        name(up(v), LEFT, "row space: read", GREEN)
        + name(down(w), LEFT, "null space: forgotten", "currentColor")
        + name(down(u) if u[1] < 0 else up(u), RIGHT, "column space: reached", GREEN)
        + name(up(z) if u[1] < 0 else down(z), RIGHT, "left null space: missed", RED)
    )
    rows = "".join(
        f'<text x="2" y="{254 + 19 * i}" fill="currentColor" data-say="{k}">{escape(say[k])}</text>'
        for i, k in enumerate("xpbs")
    )
    return (
        f'<svg viewBox="0 0 400 320" font-size="13.5" fill="none" role="img" aria-label="{escape(alt, quote=True)}">'
        f"{lines}{marks}{paths}{tips}{words}{rows}</svg>"
    )


def big_picture(A, alt, *, title, r=1.2, n=1.2, e=0.8):
    """Return the explorable for a 2 x 2 matrix of rank one."""
    v, w, u, z, sigma = frames(A)
    data = {"v": v, "w": w, "u": u, "z": z, "s": sigma, "k": UNIT, "o": (LEFT, RIGHT)}
    return explorable(
        title,
        picture(A, r, n, e, alt),
        [
            slider("n", "forgotten part of x", -2, 2, n, 0.1),
            slider("r", "part that is read, and reached", -1.8, 1.8, r, 0.1),
            slider("e", "part of b that is missed", -1.8, 1.8, e, 0.1),
        ],
        squeezed(_HAND + "{" + SCRIPT + "}"),
        data=data,
        play="n",
        pace=80,
    )
