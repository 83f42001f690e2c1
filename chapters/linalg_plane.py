"""A matrix moves the plane: one explorable for four chapters, each with its own layer.

The two columns of A = [[a, b], [c, d]] are taken by the hand, on the picture or by sliders; grid, square and circle follow.
Layers: "product" (first B, then A), "area" (size and sign), "eigen" (lines that stay, powers), "svd" (turn, stretch, turn).
`state` is the arithmetic in Python; the page's script does the same, and tests hold one to the other.
"""

import re
from html import escape
from math import acos, atan2, cos, degrees, hypot, radians, sin

from plumbing import choice, explorable, slider

UNIT = 50  # pixels for one
MOST, STEP = 3, 0.1  # an entry's range is -MOST … MOST
BS = {
    "a quarter turn": (0, -1, 1, 0),
    "a mirror": (1, 0, 0, -1),
    "twice as wide": (2, 0, 0, 1),
    "a shear": (1, 1, 0, 1),
}
PRESETS = {
    "symmetric": (2, 1, 1, 2),
    "a quarter turn": (0, -1, 1, 0),
    "a shear": (1.5, 1, 0, 1.5),
    "Markov": (0.9, 0.2, 0.1, 0.8),
    "Fibonacci": (1, 1, 1, 0),
    "moved by hand": None,
}

# ---------------------------------------------------------------- arithmetic


def mul(P, Q):
    """Return the product of two 2 x 2 matrices, each (a, b, c, d) for [[a, b], [c, d]]."""
    a, b, c, d = P
    e, f, g, h = Q
    return (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)


def on(P, x):
    """Return P x."""
    return (P[0] * x[0] + P[1] * x[1], P[2] * x[0] + P[3] * x[1])


def det(P):
    """Return the determinant."""
    return P[0] * P[3] - P[1] * P[2]


def blend(P, t):
    """Return the matrix that has gone the part t of the straight way from I to P."""
    return tuple(i + (p - i) * t for i, p in zip((1, 0, 0, 1), P, strict=True))


def turn(angle):
    """Return the matrix of a turn, counterclockwise, in radians."""
    return (cos(angle), -sin(angle), sin(angle), cos(angle))


def eigen(P):
    """Return (mean, root, lines): λ = mean ± root, or mean ± root i where lines is None.

    lines holds a unit vector for each λ, the larger |λ| first; it is empty where every direction stays.
    """
    a, b, c, d = P
    m, disc = (a + d) / 2, ((a - d) / 2) ** 2 + b * c
    disc = 0.0 if abs(disc) < 1e-9 else disc
    root = abs(disc) ** 0.5
    if disc < 0:
        return m, root, None
    if hypot(b, c, a - d) < 1e-9:
        return m, 0.0, []
    lines = []
    for value in (m + root, m - root) if m >= 0 else (m - root, m + root):
        x, y = max((b, value - a), (value - d, c), key=lambda w: hypot(*w))
        lines.append((x / hypot(x, y), y / hypot(x, y)))
    return m, root, lines


def turns(P):
    """Return (θ, s, t, φ) with P = turn(φ) diag(s, t) turn(θ), s >= |t|; t < 0 is a mirror."""
    a, b, c, d = P
    q, r = hypot((a + d) / 2, (c - b) / 2), hypot((a - d) / 2, (c + b) / 2)
    one, two = atan2(c + b, a - d), atan2(c - b, a + d)
    return (two - one) / 2, q + r, q - r, (two + one) / 2


# ------------------------------------------------------- what the picture shows


def number(z):
    """Return z with two digits, a real minus, and no minus before zero."""
    text = f"{z:.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "−")


def pair(x):
    """Return (x, y) as text."""
    return f"({number(x[0])}, {number(x[1])})"


def columns(P):
    """Return the two columns."""
    return (P[0], P[2]), (P[1], P[3])


def listed(P):
    """Return the two columns as text."""
    return "{}, {}".format(*map(pair, columns(P)))


def short(z):
    """Return z with three digits at most, as the page's script writes it."""
    return f"{round(z, 3) + 0.0:g}"


def place(P):
    """Return the SVG transform of P; a flat one is opened by a thousandth, or nothing would be drawn."""
    f = 0.001 if abs(det(P)) < 0.001 else 0
    return (
        f"matrix({short(P[0] + f)} {short(P[2])} {short(P[1])} {short(P[3] + f)} 0 0)"
    )


def arrow(x):
    """Return the SVG path of an arrow from the origin, in the plane's own units."""
    (x, y), r = x, hypot(*x) or 1
    h = min(0.22, r / 2) / r
    p, q = x * h, y * h
    ends = [
        (x, y),
        (x - p - q * 0.45, y - q + p * 0.45),
        (x - p + q * 0.45, y - q - p * 0.45),
        (x, y),
    ]
    return "M0 0" + "".join(f"L{short(u)} {short(w)}" for u, w in ends)


def line(x, size=9):
    """Return the SVG path of the whole line through the origin and x."""
    return f"M{short(-size * x[0])} {short(-size * x[1])}L{short(size * x[0])} {short(size * x[1])}"


def outline(P):
    """Return the SVG path of the parallelogram on the columns of P."""
    (a, c), (b, d) = columns(P)
    return f"M0 0L{short(a)} {short(c)}L{short(a + b)} {short(c + d)}L{short(b)} {short(d)}Z"


def _product(v, A):
    B = BS[v["B"]]
    first, second = (B, A) if v["order"] == "AB" else (A, B)
    M = blend(first, v["t"]) if v["t"] <= 1 else mul(blend(second, v["t"] - 1), first)
    ab, ba = mul(A, B), mul(B, A)
    same = max(abs(p - q) for p, q in zip(ab, ba, strict=True)) < 1e-9
    names = ("B", "A") if v["order"] == "AB" else ("A", "B")
    step = f"first {names[0]}" + (f", then {names[1]}" if v["t"] > 1 else "")
    say = {
        "one": "the plane as it was" if v["t"] == 0 else step,
        "two": f"AB has the columns {listed(ab)}",
        "three": f"BA has the columns {listed(ba)}" + (": the same" if same else ""),
    }
    return M, say, {".ghost d": outline(ba if v["order"] == "AB" else ab)}


def _area(v, A):
    D = det(A)
    flat = abs(D) < 1e-9
    word = (
        "flat: nothing can undo it"
        if flat
        else "the letter reads the right way"
        if D > 0
        else "the letter is mirrored"
    )
    ink = "var(--malachite, #2e8b63)" if D > 0 or flat else "var(--cinnabar, #c8452d)"
    say = {"one": f"determinant {number(D)}", "two": word}
    say["three"] = f"one square has become {number(abs(D))} squares"
    return A, say, {".face fill": ink}


def _eigen(v, A):
    m, root, lines = eigen(A)
    angle = radians(v["angle"])
    x = (cos(angle), sin(angle))
    y = on(A, x)
    size = hypot(*y)
    off = degrees(atan2(x[0] * y[1] - x[1] * y[0], x[0] * y[0] + x[1] * y[1]))
    if lines is None:
        one = f"λ = {number(m)} ± {number(root)} i: no line stays"
    elif not lines:
        one = f"λ = {number(m)} for every line"
    elif root == 0:
        one = f"λ = {number(m)} twice, one line stays"
    else:
        one = f"λ = {number(m + root)} and {number(m - root)}: two lines stay"
    along = x[0] * y[0] + x[1] * y[1]
    if size < 1e-9:
        two = "Ax = 0"
    elif min(abs(off), 180 - abs(off)) < 0.7:
        two = f"Ax = {number(along)} x: this direction stays"
    else:
        two = f"Ax is x turned by {number(off).split('.')[0]}° and stretched × {number(size)}"
    dots, z = [], x
    for _ in range(8):
        dots.append(z)
        z = on(A, z)
    far = hypot(*z)
    three = f"after 8 steps: length {number(far)}"
    if lines and far > 1e-9 and abs(m) > 1e-9:
        near = abs(z[0] * lines[0][0] + z[1] * lines[0][1]) / far
        three += f", {number(degrees(acos(min(1, near))))}° off a line"
    shapes = {f".l{k + 1} d": line(lines[k]) if lines else "" for k in (0, 1)}
    shapes |= {".x d": arrow(x), ".y d": arrow(y)}
    shapes[".dots d"] = "".join(f"M{short(p)} {short(q)}h0" for p, q in dots)
    return A, {"one": one, "two": two, "three": three}, shapes


def _svd(v, A):
    theta, s, t, phi = turns(A)
    k = v["t"]
    M = turn(theta * min(k, 1))
    if k > 1:
        stretch = blend((s, 0, 0, t), min(k - 1, 1))
        M = mul(stretch, M)
    if k > 2:
        M = mul(turn(phi * (k - 2)), M)
    words = [
        f"turn by {number(degrees(theta))}°",
        f"stretch × {number(s)} and × {number(t)}",
        f"turn by {number(degrees(phi))}°",
    ]
    say = dict(zip(("one", "two", "three"), words, strict=True))
    R = turn(theta)
    return M, say, {".v1 d": line((R[0], R[1]), 1), ".v2 d": line((R[2], R[3]), 1)}


_LAYERS = {"product": _product, "area": _area, "eigen": _eigen, "svd": _svd}


def state(layer, v):
    """Return (M, said, set): where the plane is, the words, and the shapes by selector, for controls at v."""
    slide = v.get("s", 0)
    A = (v["a"], v["b"] + slide * v["a"], v["c"], v["d"] + slide * v["c"])
    M, say, shapes = _LAYERS[layer](v, A)
    shapes[".map transform"] = place(M)
    for k, (column, moved) in enumerate(
        zip(columns(A), columns(M), strict=True), start=1
    ):
        shapes[f".c{k} d"] = arrow(moved)
        shapes[f".h{k} transform"] = "translate({} {})".format(*map(short, column))
        x, y = UNIT * column[0], -UNIT * column[1]
        shapes[f".t{k} x"] = short(max(-196, min(130, x + (8 if x >= 0 else -66))))
        shapes[f".t{k} y"] = short(max(-150, min(160, y - 10)))
    return M, say, shapes


# ------------------------------------------------------------- the page's script

_BASE = """
const z = v.s || 0, A = [v.a, v.b + z*v.a, v.c, v.d + z*v.c], {PI, abs, hypot, atan2, cos, sin, min, max} = Math;
const mul = ([a,b,c,d], [e,f,g,h]) => [a*e + b*g, a*f + b*h, c*e + d*g, c*f + d*h];
const on = (P, x) => [P[0]*x[0] + P[1]*x[1], P[2]*x[0] + P[3]*x[1]], det = P => P[0]*P[3] - P[1]*P[2];
const blend = (P, t) => P.map((p, i) => (i % 3 ? 0 : 1) + (p - (i % 3 ? 0 : 1))*t);
const deg = 180/PI;
const turn = w => [cos(w), -sin(w), sin(w), cos(w)];
const n = z => +z.toFixed(2) ? z.toFixed(2).replace('-', '−') : '0.00', s = z => +z.toFixed(3) + 0;
const set = (e, o) => { for (const k in o) $(e).setAttribute(k, o[k]); };
const cols = P => [[P[0], P[2]], [P[1], P[3]]], listed = P => cols(P).map(x => `(${n(x[0])}, ${n(x[1])})`).join(', ');
const arrow = (e, [x, y]) => { const r = hypot(x, y) || 1, h = min(.22, r/2)/r, p = x*h, q = y*h;
  set(e, {d: `M0 0L${s(x)} ${s(y)}L${s(x-p-q*.45)} ${s(y-q+p*.45)}L${s(x-p+q*.45)} ${s(y-q-p*.45)}L${s(x)} ${s(y)}`}); };
const line = (e, x, l) => set(e, {d: x ? `M${s(-l*x[0])} ${s(-l*x[1])}L${s(l*x[0])} ${s(l*x[1])}` : ''});
const tell = (...w) => ['one', 'two', 'three'].forEach((k, i) => say(k, w[i]));
const move = P => { const f = abs(det(P)) < .001 ? .001 : 0;
  set('.map', {transform: `matrix(${s(P[0]+f)} ${s(P[2])} ${s(P[1])} ${s(P[3]+f)} 0 0)`});
  cols(P).forEach((x, i) => arrow('.c' + (i+1), x));
  cols(A).forEach((x, i) => { const X = 50*x[0], Y = -50*x[1];
    set('.h' + (i+1), {transform: `translate(${s(x[0])} ${s(x[1])})`});
    set('.t' + (i+1), {x: s(max(-196, min(130, X + (X >= 0 ? 8 : -66)))), y: s(max(-150, min(160, Y - 10)))}); }); };
"""
_SCRIPTS = {
    "product": """
const B = data.B[v.B], AB = v.order == 'AB', first = AB ? B : A, second = AB ? A : B, p = mul(A, B), q = mul(B, A);
move(v.t <= 1 ? blend(first, v.t) : mul(blend(second, v.t - 1), first));
const o = AB ? q : p, same = p.every((e, i) => abs(e - q[i]) < 1e-9);
set('.ghost', {d: `M0 0L${s(o[0])} ${s(o[2])}L${s(o[0]+o[1])} ${s(o[2]+o[3])}L${s(o[1])} ${s(o[3])}Z`});
tell(v.t == 0 ? 'the plane as it was' : `first ${AB ? 'B' : 'A'}` + (v.t > 1 ? `, then ${AB ? 'A' : 'B'}` : ''),
  'AB has the columns ' + listed(p), 'BA has the columns ' + listed(q) + (same ? ': the same' : ''));
""",
    "area": """
move(A); const D = det(A), flat = abs(D) < 1e-9;
set('.face', {fill: D > 0 || flat ? 'var(--malachite, #2e8b63)' : 'var(--cinnabar, #c8452d)'});
tell('determinant ' + n(D), flat ? 'flat: nothing can undo it' : D > 0 ? 'the letter reads the right way' : 'the letter is mirrored',
  `one square has become ${n(abs(D))} squares`);
""",
    "eigen": """
move(A); const [a, b, c, d] = A, m = (a+d)/2, e = ((a-d)/2)**2 + b*c, D = abs(e) < 1e-9 ? 0 : e, r = abs(D)**.5, all = hypot(b, c, a-d) < 1e-9;
const lines = D < 0 || all ? [] : (m >= 0 ? [m+r, m-r] : [m-r, m+r]).map(l => {
  const u = [b, l-a], w = [l-d, c], [x, y] = hypot(...u) >= hypot(...w) ? u : w; return [x/hypot(x, y), y/hypot(x, y)]; });
const g = v.angle/deg, x = [cos(g), sin(g)], y = on(A, x), size = hypot(...y), along = x[0]*y[0] + x[1]*y[1], off = atan2(x[0]*y[1] - x[1]*y[0], along)*deg;
let w = x, dots = ''; for (let k = 0; k < 8; k++) { dots += `M${s(w[0])} ${s(w[1])}h0`; w = on(A, w); }
const far = hypot(...w); line('.l1', lines[0], 9); line('.l2', lines[1], 9); arrow('.x', x); arrow('.y', y); set('.dots', {d: dots});
tell('λ = ' + (D < 0 ? `${n(m)} ± ${n(r)} i: no line stays` : all ? n(m) + ' for every line' : r == 0 ? n(m) + ' twice, one line stays' : `${n(m+r)} and ${n(m-r)}: two lines stay`),
  size < 1e-9 ? 'Ax = 0' : min(abs(off), 180 - abs(off)) < .7 ? `Ax = ${n(along)} x: this direction stays` : `Ax is x turned by ${n(off).split('.')[0]}° and stretched × ${n(size)}`,
  `after 8 steps: length ${n(far)}` + (lines.length && far > 1e-9 && abs(m) > 1e-9 ? `, ${n(Math.acos(min(1, abs(w[0]*lines[0][0] + w[1]*lines[0][1])/far))*deg)}° off a line` : ''));
""",
    "svd": """
const [a, b, c, d] = A, q = hypot((a+d)/2, (c-b)/2), r = hypot((a-d)/2, (c+b)/2), f = atan2(c+b, a-d), g = atan2(c-b, a+d), th = (g-f)/2, ph = (g+f)/2, R = turn(th);
let M = turn(th*min(v.t, 1));
if (v.t > 1) M = mul(blend([q+r, 0, 0, q-r], min(v.t - 1, 1)), M);
if (v.t > 2) M = mul(turn(ph*(v.t - 2)), M);
move(M); line('.v1', [R[0], R[1]], 1); line('.v2', [R[2], R[3]], 1);
tell(`turn by ${n(th*deg)}°`, `stretch × ${n(q+r)} and × ${n(q-r)}`, `turn by ${n(ph*deg)}°`);
""",
}
# The hand on the picture: the nearer ring follows the pointer. And a menu of matrices sets the sliders.
_HAND = """
const put = (k, x) => { const i = $(`[name="${k}"]`); i.value = x; i.nextElementSibling.value = i.value; v[k] = +i.value; };
if (!root.hand) {
  root.hand = true;
  root.querySelectorAll('.take').forEach((e, i) => {
    const drag = p => {
      const m = $('.plane').getScreenCTM().inverse(), x = m.a*p.clientX + m.e, y = m.d*p.clientY + m.f;
      if ($('[name=s]')) { const t = +$('[name=s]').value, o = +$('[name=b]').value, u = +$('[name=d]').value;
        if (t) { v = {}; put('b', o + t*$('[name=a]').value); put('d', u + t*$('[name=c]').value); put('s', 0); } }
      v = {}; put('ab'[i], x); put('cd'[i], y); $('[name=a]').dispatchEvent(new Event('input'));
    };
    e.addEventListener('touchstart', p => p.preventDefault(), {passive: false}); // the page does not scroll under the finger
    e.addEventListener('pointerdown', p => { e.setPointerCapture(p.pointerId); e.onpointermove = drag; p.preventDefault(); });
    for (const end of ['pointerup', 'pointercancel']) e.addEventListener(end, () => { e.onpointermove = null; });
  });
}
"""
_MENU = """
const keys = ['a', 'b', 'c', 'd'], menu = $('[name=preset]'), P = data.presets[v.preset];
if (root.seen !== v.preset) { if (P) keys.forEach((k, i) => put(k, P[i])); }
else if (P && keys.some((k, i) => v[k] !== P[i])) menu.value = v.preset = 'moved by hand';
root.seen = v.preset;
"""


def script(layer):
    """Return the page's arithmetic of one layer, without the hand."""
    own = _SCRIPTS[layer]
    spare = [
        row
        for row in _BASE.splitlines()
        if any(
            row.startswith(f"const {name} =") and f"{name}(" not in own
            for name in ("mul", "blend", "turn", "line")
        )
    ]
    return "\n".join(row for row in _BASE.splitlines() if row not in spare) + own


def squeezed(code):
    """Return a script without comments and without the spaces that only a reader needs; strings stay as they are."""
    kept = re.split(r"('[^']*'|`[^`]*`)", re.sub(r"\s//[^\n]*", "", code))
    for i in range(0, len(kept), 2):
        kept[i] = re.sub(r"\s*([-+*/%=<>?:;,{}()\[\]&|!]|$)\s*", r"\1", kept[i])
        kept[i] = re.sub(r"\s+", " ", kept[i])
    return "".join(kept)


_GRID = "".join(f"M-6 {k}H6M{k} -6V6" for k in range(-6, 7))
_F = "M.3 .15V.85H.75V.72H.44V.56H.66V.44H.44V.15Z"
_SQUARE = (
    '<path class="face" d="M0 0H1V1H0Z" fill="{}" fill-opacity=".25"/>'
    f'<path d="{_F}" fill="currentColor"/>'
)
_CIRCLE = '<circle r="1" stroke="currentColor" stroke-width="2"/>'


def colour(name, code):
    """Return a colour of the page as CSS: by its name, or, outside the page, by its code."""
    return f"var(--{name}, {code})"


# A rim of paper: no line strikes a word.
HALO = 'stroke="var(--paper, #fff)" stroke-width="4" stroke-linejoin="round" paint-order="stroke"'
AZURITE, OCHRE, MALACHITE = (
    colour("azurite", "#2372b0"),
    colour("ochre", "#a8742a"),
    colour("malachite", "#2e8b63"),
)


def picture(layer, v, alt):
    """Return the SVG of the key frame."""
    _, say, at = state(layer, v)
    wide = 'stroke-width="3"'
    inside = {
        "product": _SQUARE.format(MALACHITE),
        "area": _SQUARE.format(at.get(".face fill", MALACHITE)),
        "eigen": _CIRCLE,
        "svd": _CIRCLE
        + f'<path class="v1" d="{at.get(".v1 d")}" stroke="{MALACHITE}" stroke-width="5"/>'
        f'<path class="v2" d="{at.get(".v2 d")}" stroke="currentColor" stroke-width="4"/>',
    }[layer]
    beneath = {
        "product": "",
        "area": '<path d="M0 0H1V1H0Z" stroke="currentColor" stroke-dasharray="4 3"/>'
        f'<path d="{_F}" fill="currentColor" opacity=".35"/>',
        "eigen": "".join(
            f'<path class="l{k}" d="{at.get(f".l{k} d")}" stroke="{MALACHITE}" stroke-width="2" stroke-dasharray="8 5"/>'
            for k in (1, 2)
        ),
        "svd": "",
    }[layer]
    above = {
        "product": f'<path class="ghost" d="{at.get(".ghost d")}" stroke="currentColor" stroke-width="2" stroke-dasharray="6 4"/>',
        "eigen": f'<path class="dots" d="{at.get(".dots d")}" stroke="currentColor" stroke-width="7" stroke-linecap="round"/>'
        f'<path class="y" d="{at.get(".y d")}" stroke="{MALACHITE}" fill="{MALACHITE}" {wide}/>'
        f'<path class="x" d="{at.get(".x d")}" stroke="currentColor" fill="currentColor" {wide}/>',
    }.get(layer, "")
    inks = {1: (AZURITE, ""), 2: (OCHRE, ' stroke-dasharray="9 3"')}
    arrows = "".join(
        f'<path class="c{k}" d="{at[f".c{k} d"]}" stroke="{ink}" fill="{ink}" {wide}{dash}/>'
        for k, (ink, dash) in inks.items()
    )
    rings = "".join(
        f'<g class="h{k} take" transform="{at[f".h{k} transform"]}">'
        f'<circle r=".45" fill="transparent"/><circle r=".17" stroke="{ink}" stroke-width="2.5"/></g>'
        for k, (ink, _) in inks.items()
    )
    names = "".join(
        f'<text class="t{k}" x="{at[f".t{k} x"]}" y="{at[f".t{k} y"]}" fill="{ink}" {HALO}>column {k}</text>'
        for k, (ink, _) in inks.items()
    )
    words = "".join(
        f'<text x="-198" y="{184 + 21 * i}" fill="currentColor" data-say="{key}">{escape(say[key])}</text>'
        for i, key in enumerate(("one", "two", "three"))
    )
    return (
        f'<svg class="moves" viewBox="-200 -165 400 398" font-size="15" role="img" aria-label="{escape(alt, quote=True)}">'
        "<style>.moves .plane *{vector-effect:non-scaling-stroke}.moves .take *{cursor:grab}</style>"
        '<svg x="-200" y="-165" width="400" height="330" viewBox="-200 -165 400 330">'
        f'<g class="plane" transform="scale({UNIT} {-UNIT})" fill="none" stroke-linejoin="round">'
        f'<path d="{_GRID}" stroke="currentColor" opacity=".12"/><path d="M-6 0H6M0 -6V6" stroke="currentColor" opacity=".4"/>{beneath}'
        f'<g class="map" transform="{at[".map transform"]}"><path d="{_GRID}" stroke="{AZURITE}" opacity=".4"/>{inside}</g>'
        f"{arrows}{above}{rings}</g>{names}</svg>{words}</svg>"
    )


_TITLES = {
    "product": "First B, then A: and the other order ends elsewhere",
    "area": "Every area grows by the same factor; a mirrored letter has the other sign",
    "eigen": "Most directions turn; on the dashed lines nothing does",
    "svd": "Turn, stretch, turn: every matrix does no more",
}


def plane(layer, A, alt, **start):
    """Return the explorable: `layer` is product, area, eigen or svd; A = (a, b, c, d); `start` sets the layer's own controls."""
    if layer not in _LAYERS:
        raise ValueError(f"no layer {layer!r}: {', '.join(_LAYERS)}")
    if any(abs(x) > MOST for x in A):
        raise ValueError(f"entries from {-MOST} to {MOST}, got {A}")
    hands = [
        slider(key, name, -MOST, MOST, x, STEP)
        for key, name, x in zip(
            "acbd",
            (
                "column 1, across",
                "column 1, up",
                "column 2, across",
                "column 2, up",
            ),
            (A[0], A[2], A[1], A[3]),
            strict=True,
        )
    ]
    v, data, play = dict(zip("abcd", A, strict=True)), None, None
    if layer == "product":
        v |= {"B": next(iter(BS)), "order": "AB", "t": start.get("t", 2)}
        data, play = {"B": BS}, "t"
        own = [
            choice(
                "order",
                "order",
                {"AB": "AB: first B, then A", "BA": "BA: first A, then B"},
            ),
            choice("B", "B is", {k: k for k in BS}),
            slider("t", "how far", 0, 2, v["t"], 0.05),
        ]
    elif layer == "area":
        v |= {"s": start.get("s", 0)}
        play = "s"
        own = [slider("s", "slide column 2 along column 1", -1, 1, v["s"], 0.05)]
    elif layer == "eigen":
        v |= {
            "angle": start.get("angle", 45),
            "preset": next(k for k, P in PRESETS.items() if P in (A, None)),
        }
        data, play = {"presets": PRESETS}, "angle"
        menu = {k: k for k in sorted(PRESETS, key=lambda k: k != v["preset"])}
        own = [
            choice("preset", "A is", menu),
            slider("angle", "x points to, degrees", 0, 360, v["angle"]),
        ]
    else:
        v |= {"t": start.get("t", 3)}
        play = "t"
        own = [slider("t", "turn, stretch, turn", 0, 3, v["t"], 0.05)]
    return explorable(
        _TITLES[layer],
        picture(layer, v, alt),
        [*own, *hands],
        squeezed(
            _HAND + (_MENU if layer == "eigen" else "") + "{" + script(layer) + "}"
        ),
        data=data,
        play=play,
        pace=60,
    )
