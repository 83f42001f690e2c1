"""The drawing of the explorable of raydata-pitfalls: how a file is read after one of its bits was flipped.

Each byte is a mark: a full square if a flip of one of its bits gives other data without an error, else a dot if one gives an
error, else a thin dash. `picture` draws one way of reading, for a page without JavaScript; SCRIPT draws each of them alike.
"""

import itertools
from collections import Counter

BYTES, STEP, TOP = 72, 7, 190  # bytes in a row, and units to a byte; the map's place
WORDS = {"w": "other data and no error", "e": "an error", "r": "the right data"}
# The marks by their ends: colour, width and dashes of a line along the row, and where in a byte it begins.
MARKS = {
    "w": ("var(--cinnabar,#c8452d)", 6, "6 1", 0),
    "e": ("var(--azurite,#2372b0)", 3, "3 4", 2),
    "r": ("var(--malachite,#2e8b63)", 1.5, "5 2", 1),
}


def way(label, ends, parts, plain=None):
    """Return what the script reads of one way of reading.

    ends: for each byte eight letters, one for each bit from the lowest: w, e or r, as in WORDS. parts: [(first byte, name)]
    of the file. plain: {"id": first byte, "value": first byte} of 100 numbers stored as they are, if a flip is read as it is.
    """
    if not ends or {len(bits) for bits in ends} != {8}:
        raise ValueError("need eight ends for each byte, and a byte at least")
    kinds = sorted(set(ends))
    text = "".join(f"{kinds.index(bits):02x}" for bits in ends)
    tally = Counter("".join(ends))
    count = [tally[end] for end in MARKS]
    return dict(
        label=label, kinds=kinds, text=text, parts=parts, plain=plain, count=count
    )


def kind(one, at):
    """Return the ends of the eight flips of byte `at`."""
    return one["kinds"][int(one["text"][2 * at : 2 * at + 2], 16)]


def lines(one):
    """Return {end: SVG path} of the marks, a line for each run of bytes of one kind in a row."""
    d = dict.fromkeys(MARKS, "")
    size = len(one["text"]) // 2
    worst = [next(end for end in MARKS if end in kind(one, i)) for i in range(size)]
    for row in range(0, size, BYTES):
        x = 0
        for end, run in itertools.groupby(worst[row : row + BYTES]):
            n = len(list(run))
            y = TOP + STEP * (row // BYTES) + 3
            d[end] += f"M{x + MARKS[end][3]} {y}h{STEP * n - MARKS[end][3]}"
            x += STEP * n
    return d


def bar(one, row):
    """Return [SVG path] of the shares of wrong, error and right among all flips, in the bar of this row."""
    edges = [
        round(600 * n / sum(one["count"]), 1)
        for n in itertools.accumulate(one["count"], initial=0)
    ]
    return [f"M{a} {45 * row + 29}H{b}" for a, b in itertools.pairwise(edges)]


def names(one):
    """Return the SVG of the names of the parts, each where it begins or below the name before it."""
    svg, below = "", 0
    for start, name in one["parts"]:
        y = max(below, TOP + STEP * (start // BYTES) + 12)
        svg, below = svg + f'<text x="514" y="{y}">{name}</text>', y + 20
    return svg


def picture(ways, chosen, at, bit):
    """Return the SVG and its sentence for one way of reading (a key of `ways`), one byte and one bit."""
    one, bars = ways[chosen], ""
    for row, (key, other) in enumerate(ways.items()):
        for (ink, *_), d, width in zip(
            MARKS.values(), bar(other, row), (13, 6, 1.5), strict=True
        ):
            bars += f'<path d="{d}" stroke="{ink}" stroke-width="{width}" fill="none"/>'
        bars += (
            f'<text x="0" y="{45 * row + 17}">{other["label"]}</text>'
            f'<text x="600" y="{45 * row + 17}" text-anchor="end">{other["count"][0]:,} pass</text>'
            f'<rect data-way="{key}" x="-3" y="{45 * row}" width="606" height="40" fill="currentColor" '
            f'fill-opacity="{0.08 if key == chosen else 0}" style="cursor:pointer"/>'
        )
    marks = "".join(
        f'<path data-p="{end}" d="{d}" stroke="{MARKS[end][0]}" stroke-width="{MARKS[end][1]}" '
        f'stroke-dasharray="{MARKS[end][2]}" fill="none"/>'
        for end, d in lines(one).items()
    )
    ring = f'x="{STEP * (at % BYTES) - 3}" y="{TOP + STEP * (at // BYTES) - 3}"'
    part = [name for start, name in one["parts"] if start <= at][-1]
    return (
        '<svg role="img" viewBox="-6 -4 612 432" aria-label="Four bars, one for each way '
        "to read a file after one bit was flipped: thick for other data without an error, thin for an error. Below, the "
        'file byte by byte: full squares where a flip passes as other data, dots where it is an error.">'
        f'<g font-size="18.5" fill="currentColor">{bars}<g data-p="names">{names(one)}</g></g>{marks}'
        f'<rect data-p="ring" {ring} width="13" height="13" fill="none" stroke="currentColor" stroke-width="2.5"/>'
        f'<rect data-p="map" x="0" y="{TOP}" width="{BYTES * STEP}" height="238" fill="transparent" '
        'style="cursor:crosshair;touch-action:pan-y"/></svg>'
        "<p>Red and thick: other data and no error; blue dots: an error; green and thin: the right data. "
        f'Flip bit <b data-say="bit">{bit}</b> of byte <b data-say="byte">{at:,}</b>, in the part '
        f'<b data-say="part">{part}</b>: <b data-say="end">{WORDS[kind(one, at)[bit]]}</b>'
        f'<span data-say="read"></span>.</p>'
    )


SCRIPT = (
    f"const B = {BYTES}, S = {STEP}, T = {TOP}, begin = {{w: 0, e: 2, r: 1}};"
    + """
const one = data[v.way], size = one.text.length / 2, at = Math.min(v.byte, size - 1);
const kind = i => one.kinds[parseInt(one.text.slice(2 * i, 2 * i + 2), 16)];
const d = {w: '', e: '', r: ''};
for (let i = 0; i < size;) {
  const end = i => ['w', 'e', 'r'].find(e => kind(i).includes(e)), e = end(i), from = i;
  do i++; while (i < size && i % B && end(i) == e);
  d[e] += `M${S * (from % B) + begin[e]} ${T + S * Math.floor(from / B) + 3}h${S * (i - from) - begin[e]}`;
}
for (const e in d) $(`[data-p=${e}]`).setAttribute('d', d[e]);
for (const key in data) $(`[data-way=${key}]`).setAttribute('fill-opacity', key == v.way ? 0.08 : 0);
$('[data-p=ring]').setAttribute('x', S * (at % B) - 3);
$('[data-p=ring]').setAttribute('y', T + S * Math.floor(at / B) - 3);
let below = 0;
$('[data-p=names]').innerHTML = one.parts.map(([a, name]) => {
  const y = Math.max(below, T + S * Math.floor(a / B) + 12); below = y + 20;
  return `<text x="514" y="${y}">${name}</text>`;
}).join('');
const end = kind(at)[v.bit];
say('byte', at.toLocaleString('en')); say('bit', v.bit);
say('part', one.parts.filter(([a]) => a <= at).pop()[1]);
say('end', {w: 'other data and no error', e: 'an error', r: 'the right data'}[end]);
let read = '';
for (const [name, from] of Object.entries(one.plain || {})) if (end == 'w' && at >= from && at < from + 800) {
  const bytes = new DataView(new ArrayBuffer(8)), k = at - from >> 3, place = at - from & 7;
  if (name == 'id') bytes.setBigInt64(0, BigInt(500 + k), true); else bytes.setFloat64(0, 7, true);
  bytes.setUint8(place, bytes.getUint8(place) ^ 1 << v.bit);
  read = name == 'id' ? `; ${500 + k} → ${bytes.getBigInt64(0, true)}`
    : `; 7 → ${bytes.getFloat64(0, true)}`;
}
say('read', read);
const set = (name, to) => { const e = $(`[name=${name}]`); e.value = to; e.dispatchEvent(new Event('input')); };
for (const key in data) $(`[data-way=${key}]`).onclick = () => set('way', key);
const map = $('[data-p=map]');
map.onpointerdown = map.onpointermove = e => {
  if (!e.buttons) return;
  const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(map.getScreenCTM().inverse());
  const x = Math.max(0, Math.min(B - 1, Math.floor(p.x / S))), i = B * Math.floor((p.y - T) / S) + x;
  if (i >= 0) set('byte', Math.min(i, size - 1));
};
"""
)
