"""The heap to play with: its script, and its key frame."""

HAND = """
const M = 16, END = 32, N = [1, 2, 4, 8], key = {'best fit': b => b.n * 99 + b.a, 'first fit': b => b.a,
  'next fit': (b, r) => (b.a < r) * 99 + b.a, 'newest first': b => -b.t}[v.policy];
if (!root.log) root.log = data.slice();
else if (root.policy !== v.policy) root.log = [];
root.policy = v.policy;
const play = () => {
  const h = {used: [], vacant: [], top: 0, rover: 0, clock: 0, live: 0, dead: 0};
  const back = (a, n) => h.vacant.push({a, n, t: ++h.clock}), take = b => h.vacant.splice(h.vacant.indexOf(b), 1);
  for (const [e] of root.log) if (e > 0) {
    const b = h.vacant.filter(b => b.n >= e).sort((x, y) => key(x, h.rover) - key(y, h.rover))[0], a = b ? b.a : h.top;
    if (a + e > END) { h.dead = e; break; }
    if (!b) h.top += e; else { take(b); if (b.n > e) back(a + e, b.n - e); }
    h.used.push([a, e]); h.rover = a + e; h.live += e;
  } else {
    let [a, n] = h.used[-e], z = a + n; h.used[-e] = null; h.live -= n;
    h.vacant.filter(b => b.a === z || b.a + b.n === a).forEach(b => { take(b); a = Math.min(a, b.a); z = Math.max(z, b.a + b.n); });
    if (z === h.top) h.top = a; else back(a, z - a);
  }
  return h; };
const advice = h => {
  let [, size, shift] = root.log.at(-1) || [0, 1, 0];
  const covers = (b, s, r) => ((r - b[0]) % s + s) % s < b[1];
  for (;;) {
    const lost = h.used.findIndex(b => b && !covers(b, size, shift));
    if (h.dead) return null;
    if (lost >= 0) return [-lost, size, shift];
    if (h.live + size <= M) return [size, size, shift];
    if (size === 8) return null;
    size *= 2;
    const gain = r => h.used.reduce((s, b) => s + (b && covers(b, size, r) ? size - b[1] : 0), 0);
    if (gain(shift + size / 2) > gain(shift)) shift += size / 2;
  } };
const words = (h, [e]) => e > 0 ? 'malloc(' + e + ')' : 'free the ' + h.used[-e][1] + ' at ' + h.used[-e][0];
const show = () => {
  const h = play(), next = advice(h), heap = $('.heap'), at = [...heap.querySelectorAll('button')].indexOf(document.activeElement);
  const part = (a, n, f) => { let s = ''; for (let z; n > 0; n -= z, a += z) { z = Math.min(n, 16 - a % 16); s += f(a, z, s !== ''); } return s; };
  const area = (a, z) => `style="grid-area:${a >> 4 ? 2 : 1}/${a % 16 + 1}/auto/span ${z}"`;
  const all = h.used.map((b, i) => b && [b[0], part(...b, (a, z, more) => more ? `<i class="l" data-i="${i}" ${area(a, z)}></i>` :
    `<button type="button" class="l" data-i="${i}" aria-label="free the ${b[1]} at ${b[0]}" ${area(a, z)}>${b[1]}</button>`)]).filter(b => b);
  for (const b of h.vacant) all.push([b.a, part(b.a, b.n, (a, z) => `<i class="h" ${area(a, z)}></i>`)]);
  all.push([h.top, part(h.top, END - h.top, (a, z) => `<i ${area(a, z)}></i>`)]);
  heap.innerHTML = all.sort((x, y) => x[0] - y[0]).map(b => b[1]).join('');
  if (at >= 0) { const bs = heap.querySelectorAll('button'); bs[Math.min(at, bs.length - 1)]?.focus(); }
  say('told', (h.dead ? `malloc(${h.dead}) finds no room: killed, with ${h.live} of ${M} units live, ` : `${h.live} of ${M} units live, heap ${h.top} of ${END}, `) +
    `largest hole ${Math.max(0, ...h.vacant.map(b => b.n))}, ${root.log.length} calls`);
  const go = (e, eye) => { root.log.push(eye || [e, ...(root.log.at(-1) || [0, 1, 0]).slice(1)]); show(); };
  heap.onclick = e => { const i = e.target.dataset.i; if (i && !h.dead) go(-i); };
  const set = (name, off, f) => { const b = $(name); b.setAttribute('aria-disabled', off); b.style.opacity = off ? .45 : 1; b.onclick = () => off || f(); return b; };
  N.forEach(n => set(`[data-n="${n}"]`, h.dead || h.live + n > M, () => go(n)));
  set('.foe', !next, () => go(0, next)).textContent = 'the adversary: ' + (next ? words(h, next) : 'rests');
  set('.all', !next, () => { for (let a = next, s = a[1]; a && a[1] === s; a = advice(play())) root.log.push(a); show(); });
  set('.undo', !root.log.length, () => { root.log.pop(); show(); });
  set('.anew', !root.log.length, () => { root.log = []; show(); });
};
$('.moves').hidden = false; show();
"""


def board(heap, log):
    """Return an empty heap after these calls as markup, with the buttons that move it."""
    spans = []
    for call, *_ in log[:-1]:  # the last call is the deadly one
        if call > 0:
            spans.append(heap.malloc(call))
        else:
            heap.free(spans[-call])
    parts = [(a, n, "l", n) for a, n in heap.used.items()]
    parts += [(a, n, "h", "") for a, n in heap.holes()]
    parts += [(heap.top, 32 - heap.top, "", "")]
    cells = "".join(
        f'<i class="{kind}" style="grid-area:{low // 16 + 1}/{low % 16 + 1}/auto/span {high - low}">{word if low == a else ""}</i>'
        for a, n, kind, word in sorted(parts)
        for low, high in ((a, min(a + n, 16)), (max(a, 16), a + n))
        if low < high
    )
    style = (
        ".heap{display:grid;grid-template:2.6rem 2.6rem/repeat(16,1fr);gap:2px}"
        "figure.explorable .heap>*{font:inherit;font-style:normal;padding:0;min-width:0;border:1px dotted currentColor;border-radius:3px;text-align:center;line-height:2.5rem}"
        "figure.explorable .heap .l{background:var(--azurite,#2372b0);color:var(--paper,#fff);border:0}.heap .h{background:var(--ochre,#a8742a);opacity:.55}"
        ".moves button{margin:.15em .1em}"
    )
    live, hole = sum(heap.used.values()), max(n for _, n in heap.holes())
    mallocs = "".join(
        f'<button type="button" data-n="{n}">malloc({n})</button> '
        for n in (1, 2, 4, 8)
    )
    return (
        f'<style>{style}</style><div class="heap" role="group" aria-label="The heap, 32 units: tap a block to free it">{cells}</div>'
        f'<p data-say="told" aria-live="polite">malloc({log[-1][0]}) finds no room: killed, with {live} of 16 units live, largest hole {hole}, {len(log)} calls</p>'
        f'<p class="moves" hidden>{mallocs}<br><button type="button" class="foe">the adversary</button> '
        '<button type="button" class="all">its whole round</button><br>'
        '<button type="button" class="undo">back</button> <button type="button" class="anew">start anew</button></p>'
    )
