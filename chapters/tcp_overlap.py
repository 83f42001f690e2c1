"""For chapters/tcp-ask-the-kernel.ipynb: segments to be moved over twelve bytes, four readers, and the kernel's tree."""

LETTERS = "ABCDEF"
READERS = "first wins", "last wins", "aioquic", "Linux"
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
    ".twelve{display:grid;grid-template-columns:5.2rem repeat(12,1fr);gap:2px 0;line-height:1.9rem;text-align:center}"
    ".twelve b{grid-column:1;font-weight:400;text-align:left}"
    ".twelve .seg{background:var(--azurite,#2372b0);color:var(--paper,#fff);border-radius:3px;border-right:.5rem double var(--paper,#fff);cursor:grab;touch-action:none;user-select:none}"
    ".twelve .late{background:none;color:inherit;border:1px dashed}"
    ".twelve i{font-style:normal;border-bottom:1px solid var(--line,#ccc)}.twelve .odd{border-bottom:3px solid var(--ochre,#a8742a);font-weight:700}"
)

SCRIPT = r"""
const L = 'ABCDEF', red = p => p && p.red;
if (root.was !== v.scene) { root.was = v.scene; const [n, segs] = data[v.scene]; root.segs = segs.map(s => s.slice());
  const f = $('[name=n]'); f.value = v.n = n; f.nextElementSibling.value = n; }
const segs = root.segs;
const T = {root: null}, end = p => p.s + p.d.length, over = (a, b) => a.s <= b.s && end(b) <= end(a);
let last = null, told = '';
const hang = (o, x) => { if (!o.p) T.root = x; else o.p[o === o.p.l ? 'l' : 'r'] = x; if (x) x.p = o.p; };
const rot = (t, left) => { const [a, b] = left ? ['l', 'r'] : ['r', 'l'], c = t[b], m = c[a]; t[b] = m; if (m) m.p = t; hang(t, c); c[a] = t; t.p = c; };
const after = p => { if (p.r) { p = p.r; while (p.l) p = p.l; return p; } while (p.p && p === p.p.r) p = p.p; return p.p; };
const insert = (x, q, right) => { x.p = q; if (!q) T.root = x; else q[right ? 'r' : 'l'] = x;
  while (red(x.p)) { q = x.p; const g = q.p, on = q === g.l, u = on ? g.r : g.l;
    if (red(u)) { q.red = u.red = false; g.red = true; x = g; continue; }
    if (x === (on ? q.r : q.l)) { rot(q, on); q = x; }
    q.red = false; g.red = true; rot(g, !on); break; }
  T.root.red = false; };
const erase = x => { let c, q, black;
  if (!x.l || !x.r) { c = x.r || x.l; q = x.p; black = !x.red; hang(x, c); }
  else { const h = after(x); c = h.r; black = !h.red; q = h.p === x ? h : h.p;
    if (h.p !== x) { hang(h, c); h.r = x.r; h.r.p = h; }
    h.l = x.l; h.red = x.red; h.l.p = h; hang(x, h); }
  while (black && c !== T.root && !red(c)) { const on = c === q.l; let w = on ? q.r : q.l;
    if (w.red) { w.red = false; q.red = true; rot(q, on); w = on ? q.r : q.l; }
    let near = on ? w.l : w.r, far = on ? w.r : w.l;
    if (!red(near) && !red(far)) { w.red = true; c = q; q = q.p; continue; }
    if (!red(far)) { near.red = false; w.red = true; rot(w, !on); w = on ? q.r : q.l; far = on ? w.r : w.l; }
    w.red = q.red; q.red = far.red = false; rot(q, on); c = T.root; }
  if (black && c) c.red = false; };
for (let i = 0; i < v.n; i++) {
  const x = {s: segs[i][0], d: L[i].repeat(segs[i][1] - segs[i][0]), l: null, r: null, p: null, red: true}, top = T.root;
  let at = T.root, met = null, right = true, fate = 'is held';
  while (at) { met = at;
    if (x.s < at.s) { at = at.l; right = false; continue; }
    if (end(at) === x.s) { fate = 'glue'; break; }
    if (over(at, x)) { fate = 'drop'; break; }
    if (at.s === x.s) { fate = 'swap'; break; }
    at = at.r; right = true; }
  if (last && end(last) === x.s) { fate = 'glue'; met = last; }
  told = L[i] + (fate === 'glue' ? ` begins where ${met.d[0]} ends: glued` : fate === 'drop' ? ` lies within ${met.d[0]}, which it meets: dropped` :
    fate === 'swap' ? ` starts with ${met.d[0]} and is longer: takes its place` : ' is held');
  if (fate === 'glue') met.d += x.d;
  else if (fate === 'swap') { x.l = met.l; x.r = met.r; x.red = met.red; [x.l, x.r].forEach(c => { if (c) c.p = x; }); hang(met, x); }
  else if (fate !== 'drop') insert(x, met, right);
  if (fate === 'swap' || fate === 'is held') { let f; while ((f = after(x)) && over(x, f)) { erase(f); told += `; ${f.d[0]} lies within it and goes`; } if (!f) last = x; }
  if (top && T.root.d[0] !== top.d[0] && fate === 'is held') told += `; the tree turns, and ${T.root.d[0]} is the root`;
}
const held = [], go = p => { if (p) { go(p.l); held.push(p); go(p.r); } };
go(T.root);
const read = list => { const t = Array(12).fill('.'); for (const [s, d] of list) [...d].forEach((c, k) => { if (t[s - 1 + k] === '.') t[s - 1 + k] = c; }); return t.join(''); };
const came = segs.slice(0, v.n).map(([s, e], i) => [s, L[i].repeat(e - s)]), back = came.slice().reverse();
const texts = [read(came), read(back), read(back), read(held.map(p => [p.s, p.d]))];
root.querySelectorAll('.read').forEach((row, k) => row.querySelectorAll('i').forEach((e, j) => { e.textContent = texts[k][j]; e.className = texts[k][j] !== texts[3][j] ? 'odd' : ''; }));
root.querySelectorAll('.seg').forEach((e, i) => { const [s, z] = segs[i];
  e.style.gridColumn = `${s + 1}/${z + 1}`; e.classList.toggle('late', i >= v.n); e.tabIndex = 0;
  e.setAttribute('aria-valuenow', s); e.setAttribute('aria-valuetext', `bytes ${s} to ${z - 1}` + (i < v.n ? '' : ', not yet come'));
  const set = (a, b) => { const n = Math.min(Math.max(b - a, 1), 12); a = Math.min(Math.max(a, 1), 13 - n); if (a !== segs[i][0] || a + n !== segs[i][1]) { segs[i] = [a, a + n]; update(); } };
  e.onkeydown = k => { const [a, b] = segs[i], to = {ArrowLeft: [a - 1, b - 1], ArrowRight: [a + 1, b + 1], ArrowUp: [a, Math.min(b + 1, 13)], ArrowDown: [a, b - 1]}[k.key];
    if (to) { k.preventDefault(); set(...to); } };
  e.onpointerdown = d => { const box = e.getBoundingClientRect(), w = box.width / (segs[i][1] - segs[i][0]), [a, b] = segs[i], grow = d.clientX > box.right - Math.min(16, box.width / 2);
    e.setPointerCapture(d.pointerId);
    e.onpointermove = m => { const k = Math.round((m.clientX - d.clientX) / w); grow ? set(a, Math.max(a + 1, Math.min(b + k, 13))) : set(a + k, b + k); };
    e.onpointerup = e.onpointercancel = () => { e.onpointermove = null; }; }; });
let art = ''; const at = (p, d) => { p.x = 45 + 60 * held.indexOf(p); p.y = 22 + 40 * d; [p.l, p.r].forEach(c => { if (c) { at(c, d + 1); art += `<path d="M${p.x} ${p.y}L${c.x} ${c.y}" stroke="currentColor" opacity=".5"/>`; } }); };
at(T.root, 0);
for (const p of held) art += `<circle cx="${p.x}" cy="${p.y}" r="16" fill="var(--paper, #fbf9f4)" stroke="var(${p.red ? '--ochre, #a8742a' : '--azurite, #2372b0'})" stroke-width="2"${p.red ? ' stroke-dasharray="4 3"' : ''}/>` +
  `<text x="${p.x}" y="${p.y + 5}" text-anchor="middle">${[...new Set(p.d)].join('')}</text><text x="${p.x + 18}" y="${p.y - 7}" font-size="13">${p.s}–${end(p) - 1}</text>`;
$('.tree').innerHTML = art; say('told', told);
"""


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
            lines.append(
                f'<path d="M{x} {y}L{cx} {cy}" stroke="currentColor" opacity=".5"/>'
            )
        hue = "--ochre, #a8742a" if piece.red else "--azurite, #2372b0"
        dash = ' stroke-dasharray="4 3"' if piece.red else ""
        marks.append(
            f'<circle cx="{x}" cy="{y}" r="16" fill="var(--paper, #fbf9f4)" stroke="var({hue})" stroke-width="2"{dash}/>'
            f'<text x="{x}" y="{y + 5}" text-anchor="middle">{word(piece)}</text>'
            f'<text x="{x + 18}" y="{y - 7}" font-size="13">{piece.start}–{piece.end - 1}</text>'
        )
        return x, y

    rank(root)
    draw(root, 0)
    return "".join(lines + marks)


def draw_board(spans, texts, root, told):
    """Return the key frame: six segments, of which as many as `spans[0]` says have come; what is read; the tree."""
    count, spans = spans
    rows = "".join(
        f'<b style="grid-row:{k + 1}">{"segments" if k == 0 else ""}</b>'
        f'<span class="seg{" late" if k >= count else ""}" role="slider" aria-label="{LETTERS[k]}" aria-valuemin="1" aria-valuemax="12" aria-valuenow="{s}" '
        f'aria-valuetext="bytes {s} to {e - 1}" style="grid-row:{k + 1};grid-column:{s + 1}/{e + 1}">{LETTERS[k]}</span>'
        for k, (s, e) in enumerate(spans)
    )
    for name, text in zip(READERS, texts, strict=True):
        marks = zip(text.ljust(12, "."), texts[-1].ljust(12, "."), strict=True)
        cells = "".join(f"<i{'' if c == d else ' class=odd'}>{c}</i>" for c, d in marks)
        rows += (
            f'<b>{name}</b><span class="read" style="display:contents">{cells}</span>'
        )
    return (
        f'<style>{STYLE}</style><div class="twelve">{rows}</div><p data-say="told" aria-live="polite">{told}</p>'
        '<svg viewBox="0 0 390 166" font-size="15" fill="currentColor" role="img" aria-label="The tree in which Linux holds the pieces; dashed: red, solid: black.">'
        f'<g class="tree">{draw_tree(root)}</g></svg>'
    )
