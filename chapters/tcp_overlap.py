"""For chapters/tcp-ask-the-kernel.ipynb: segments to be moved over twelve bytes, five readers, and the kernel's tree."""

import re

LETTERS = "ABCDEF"
LATE = "'seg late'"
READERS = "first wins", "last wins", "aioquic", "Linux 4.4", "Linux"
SCENES = {  # name: (words, how many have come, six segments)
    "turn": (
        "the tree turns",
        4,
        [(3, 5), (6, 13), (4, 10), (10, 13), (1, 3), (5, 8)],
    ),
    "coo": ("COO, EVIL, FINE", 3, [(1, 4), (1, 5), (1, 5), (4, 8), (6, 9), (9, 13)]),
    "glue": (
        "two pieces become one",
        3,
        [(1, 2), (2, 3), (1, 3), (5, 9), (7, 13), (8, 10)],
    ),
}
STYLE = (
    ".read{display:contents}.tree path{stroke:currentColor;opacity:.5}.tree circle+text{text-anchor:middle}.tree text+text{font-size:13px}.tree circle{fill:var(--paper,#fbf9f4);stroke:var(--azurite,#2372b0);stroke-width:2}.tree [stroke-dasharray]{stroke:var(--ochre,#a8742a)}"
    ".twelve{display:grid;grid-template-columns:5rem repeat(12,1fr);gap:2px 0;line-height:1.9rem;text-align:center}"
    ".twelve b{grid-column:1;font-weight:400;text-align:left}"
    ".twelve .seg{background:var(--azurite,#2372b0);color:var(--paper,#fff);border-radius:3px;border-right:.5rem double var(--paper,#fff);cursor:grab;touch-action:none;user-select:none}"
    ".twelve .late{background:none;color:inherit;border:1px dashed}"
    ".twelve i{font-style:normal;border-bottom:1px solid var(--line,#ccc)}.twelve .odd{border-bottom:3px solid var(--ochre,#a8742a);font-weight:700}"
)

SCRIPT = r"""
const L = 'ABCDEF', red = p => p?.r;
if (root.was !== v.scene) { root.was = v.scene; const [n, all] = data[v.scene], f = $('[name=n]'); root.segs = all.map(s => [...s]); f.value = f.nextElementSibling.value = v.n = n; }
const {min, max, round} = Math, segs = root.segs, end = p => p.s + p.d.length, over = (a, b) => a.s <= b.s && end(b) <= end(a);
let R, last, told, old = [], hang = (o, x) => { const q = o.p; if (q) q.c[+(o === q.c[1])] = x; else R = x; if (x) x.p = q; },
  rot = (t, d) => { const k = t.c[1 - d], m = k.c[d]; t.c[1 - d] = m; if (m) m.p = t; hang(t, k); k.c[d] = t; t.p = k; },
  after = p => { if (p.c[1]) { p = p.c[1]; while (p.c[0]) p = p.c[0]; return p; } while (p.p && p === p.p.c[1]) p = p.p; return p.p; },
  insert = (x, q, d) => { x.p = q; if (q) q.c[d] = x; else R = x;
  while (red(x.p)) { q = x.p; const g = q.p, d = +(q === g.c[1]), u = g.c[1 - d];
    if (red(u)) { q.r = u.r = 0; g.r = 1; x = g; continue; }
    if (x === q.c[1 - d]) { rot(q, d); q = x; }
    q.r = 0; g.r = 1; rot(g, 1 - d); break; }
  R.r = 0; },
  erase = x => { const [l, r] = x.c; let c, q, b;
  if (!l || !r) { c = r || l; q = x.p; b = !x.r; hang(x, c); }
  else { const h = after(x); c = h.c[1]; b = !h.r; q = h.p === x ? h : h.p;
    if (q !== h) { hang(h, c); h.c[1] = r; r.p = h; }
    h.c[0] = l; h.r = x.r; l.p = h; hang(x, h); }
  while (b && c !== R && !red(c)) { const d = +(c !== q.c[0]); let w = q.c[1 - d];
    if (w.r) { w.r = 0; q.r = 1; rot(q, d); w = q.c[1 - d]; }
    let n = w.c[d], f = w.c[1 - d];
    if (!red(n) && !red(f)) { w.r = 1; c = q; q = q.p; continue; }
    if (!red(f)) { n.r = 0; w.r = 1; rot(w, 1 - d); w = q.c[1 - d]; f = w.c[1 - d]; }
    w.r = q.r; q.r = f.r = 0; rot(q, d); c = R; }
  if (b && c) c.r = 0; },
  came = segs.slice(0, v.n).map(([s, e], i) => [s, L[i].repeat(e - s)]);
for (const [s, text] of came) {
  const x = {s, d: text, c: [], r: 1}, top = R;
  const o = {s, d: text}, e = old.at(-1), n = old.filter(p => p.s <= s).length;
  if (e && end(e) === s) e.d += text;
  else if (!n || !over(old[n - 1], o)) { old.splice(n, 0, o); old = old.filter(p => p === o || !over(o, p)); }
  let at = R, met, d, fate;
  while (at) { met = at; d = +(s >= at.s);
    if (d && (fate = end(at) === s ? 'glue' : over(at, x) ? 'drop' : at.s === s ? 'swap' : '')) break;
    at = at.c[d]; }
  if (last && end(last) === s) { fate = 'glue'; met = last; }
  const m = met?.d[0];
  told = text[0] + ({glue: ` begins where ${m} ends: glued`, drop: ` lies within ${m}, which it meets: dropped`, swap: ` starts with ${m} and is longer: takes its place`}[fate] || ' is held');
  if (fate === 'glue') met.d += text;
  if (fate === 'swap') { x.c = met.c; x.r = met.r; x.c.forEach(c => { if (c) c.p = x; }); hang(met, x); }
  if (!fate) insert(x, met, d);
  if (!fate || fate === 'swap') { let f; while ((f = after(x)) && over(x, f)) { erase(f); told += `; ${f.d[0]} lies within it and goes`; } if (!f) last = x; }
  if (!fate && top && R.d[0] !== top.d[0]) told += `; the tree turns, and ${R.d[0]} is the root`;
}
const held = [], go = p => { if (p) { go(p.c[0]); held.push(p); go(p.c[1]); } };
go(R);
const read = list => { const t = Array(12).fill('.'); for (const [s, d] of list) [...d].forEach((c, k) => { if (t[s - 1 + k] === '.') t[s - 1 + k] = c; }); return t; };
const back = read([...came].reverse()), texts = [read(came), back, back, ...[old, held].map(h => read(h.map(p => [p.s, p.d])))];
root.querySelectorAll('.read').forEach((row, k) => [...row.children].forEach((e, j) => { e.textContent = texts[k][j]; e.className = texts[k][j] !== texts[4][j] ? 'odd' : ''; }));
root.querySelectorAll('.seg').forEach((e, i) => { const [s, z] = segs[i];
  e.style.gridColumn = `${s + 1}/${z + 1}`; e.classList.toggle('late', i >= v.n);
  Object.entries({role: 'slider', tabindex: 0, 'aria-label': L[i], 'aria-valuemin': 1, 'aria-valuemax': 12, 'aria-valuenow': s, 'aria-valuetext': `bytes ${s} to ${z - 1}` + (i < v.n ? '' : ', not yet come')}).forEach(a => e.setAttribute(...a));
  const set = (a, b) => { const n = min(max(b - a, 1), 12); a = min(max(a, 1), 13 - n); if (a !== segs[i][0] || a + n !== segs[i][1]) { segs[i] = [a, a + n]; update(); } };
  e.onkeydown = k => { const [a, b] = segs[i], to = {ArrowLeft: [a - 1, b - 1], ArrowRight: [a + 1, b + 1], ArrowUp: [a, min(b + 1, 13)], ArrowDown: [a, b - 1]}[k.key];
    if (to) { k.preventDefault(); set(...to); } };
  e.onpointerdown = d => { const box = e.getBoundingClientRect(), [a, b] = segs[i], w = box.width / (b - a), grow = d.clientX > box.right - min(16, box.width / 2);
    e.setPointerCapture(d.pointerId);
    e.onpointermove = m => { const k = round((m.clientX - d.clientX) / w); grow ? set(a, max(a + 1, min(b + k, 13))) : set(a + k, b + k); };
    e.onlostpointercapture = () => { e.onpointermove = 0; }; }; });
let art = '', at = (p, y) => { p.x = 45 + 60 * held.indexOf(p); p.y = y; p.c.forEach(c => { if (c) { at(c, y + 40); art += `<path d="M${p.x} ${y}L${c.x} ${c.y}"/>`; } }); };
at(R, 22);
for (const p of held) art += `<circle cx=${p.x} cy=${p.y} r=16${p.r ? ' stroke-dasharray="4 3"' : ''} /><text x=${p.x} y=${p.y + 5}>${[...new Set(p.d)].join('')}</text><text x=${p.x + 18} y=${p.y - 7}>${p.s}–${end(p) - 1}</text>`;
$('.tree').innerHTML = art; say('told', told);
"""


NAMES = "segs red hang rot after insert erase over last fate met came held read back texts top"


def tight(script):
    """Return a script in fewer bytes: no blanks that only people need, short names; strings stay as they are."""
    parts = re.split(r"('[^'\n]*'|`[^`]*`)", script)
    short = dict(zip(NAMES.split(), "ABCDEFGHIJKMNOPQS", strict=True))

    def shorter(code):
        code = re.sub(
            r" *([=+\-*/<>?:;,{}()|&!\[\]]) *", r"\1", re.sub(r"\n +", "\n", code)
        )
        code = re.sub(r"(?<=[;{}])\n", "", code).replace(";}", "}")
        code = (
            re.sub(r"\bconst\b", "let", code)
            .replace("==" + "=", "==")
            .replace("!==", "!=")
        )
        return re.sub(r"(?<!\w)(?<![^.]\.)\w+", lambda m: short.get(m[0], m[0]), code)

    parts[::2] = [shorter(part) for part in parts[::2]]
    return "".join(parts)


def word(piece):
    """Return the letters of a held piece, each once."""
    return "".join(dict.fromkeys(piece.data))


def draw_tree(root):
    """Return a tree of pieces as SVG marks: a piece's place by its rank and its depth."""
    ranks, lines, marks = {}, [], []

    def rank(piece):
        if piece is not None:
            rank(piece.left)
            ranks[piece] = len(ranks)
            rank(piece.right)

    def draw(piece, depth):
        x, y = 45 + 60 * ranks[piece], 22 + 40 * depth
        for child in filter(None, (piece.left, piece.right)):
            cx, cy = draw(child, depth + 1)
            lines.append(f'<path d="M{x} {y}L{cx} {cy}"/>')
        dash = ' stroke-dasharray="4 3"' if piece.red else ""
        marks.append(
            f"<circle cx={x} cy={y} r=16{dash} />"
            f"<text x={x} y={y + 5}>{word(piece)}</text>"
            f"<text x={x + 18} y={y - 7}>{piece.start}–{piece.end - 1}</text>"
        )
        return x, y

    rank(root)
    draw(root, 0)
    return "".join(lines + marks)


def draw_board(spans, texts, root, told):
    """Return the key frame: six segments, of which as many as `spans[0]` says have come; what is read; the tree."""
    count, spans = spans
    rows = "".join(
        f"<b>{'segments' if k == 0 else ''}</b>"
        f"<span class={('seg', LATE)[k >= count]} style=grid-column:{s + 1}/{e + 1}>{LETTERS[k]}</span>"
        for k, (s, e) in enumerate(spans)
    )
    for name, text in zip(READERS, texts, strict=True):
        marks = zip(text.ljust(12, "."), texts[-1].ljust(12, "."), strict=True)
        cells = "".join(f"<i{'' if c == d else ' class=odd'}>{c}</i>" for c, d in marks)
        rows += f"<b>{name}</b><span class=read>{cells}</span>"
    return (
        f"<style>{STYLE}</style><div class=twelve>{rows}</div><p data-say=told aria-live=polite>{told}</p>"
        '<svg viewBox="0 0 390 166" font-size=15 fill=currentColor role=img aria-label="The tree in which Linux holds the pieces; dashed: red, solid: black.">'
        f"<g class=tree>{draw_tree(root)}</g></svg>"
    )
