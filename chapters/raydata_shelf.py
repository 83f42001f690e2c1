"""The drawing of the explorable of raydata-stream: lanes of tasks above what the store holds.

`picture` draws one run, for a page without JavaScript; SCRIPT draws each of the others in the same way.
"""

WIDE, TALL = 600, 6  # the drawing is 600 wide, 2.5 to a quarter second; a MB is 6 high
INKS = {
    "load": "var(--azurite,#2372b0)",
    "transform": "var(--ochre,#a8742a)",
    "write": "var(--malachite,#2e8b63)",
}
WORDS = (
    (-76, 17, "CPU"),
    (-76, 47, "CPU"),
    (-76, 77, "GPU"),
    (-76, 274, "0 MB"),
    (-76, 130, "24 MB"),
    (0, 112, "in the store, and the budget (dashed)"),
)


def paths(stages, tasks, store, size, budget):
    """Return {name: SVG path} of the lanes, the store and the budget (both in MB), from a run in quarter seconds."""
    lanes = {stage.name: "" for stage in stages}
    for t in tasks:
        x, y = 2.5 * t.start, {"gpu": 60}.get(stages[t.stage].device, 30 * t.slot)
        w, tall = 2.5 * (t.end - t.start) - 1, 12 if t.stage == 2 else 24
        lanes[stages[t.stage].name] += f"M{x} {y + 24 - tall}h{w}v{tall}h-{w}z"
    line = "M0 270" + "".join(f"H{2.5 * t}V{270 - TALL * size * n}" for t, n in store)
    return lanes | {"held": line, "most": f"M0 {270 - TALL * budget}H{WIDE}"}


def picture(stages, tasks, store, size, budget):
    """Return the SVG and its sentence for one run of blocks of `size` MB under a budget in MB."""
    key = paths(stages, tasks, store, size, budget)
    end, peak = max(t.end for t in tasks), size * max(held for _, held in store)
    busy = round(100 * sum(t.end - t.start for t in tasks if t.stage == 1) / end)
    lanes = "".join(
        f'<path data-p="{name}" d="{key[name]}" fill="{ink}" fill-opacity="0.85"/>'
        for name, ink in INKS.items()
    )
    words = "".join(
        f'<text x="{x}" y="{y}" font-size="19" fill="currentColor">{word}</text>'
        for x, y, word in WORDS
    )
    return (
        '<svg role="img" viewBox="-80 -4 686 304" style="width:100%;height:auto" aria-label="Above, three lanes of '
        "tasks over time: two CPU lanes that load and write, one GPU lane that transforms. Below, the megabytes held in "
        'the store as a stepped line under a dashed budget line.">'
        f'{lanes}{words}<path d="M0 270H600" stroke="currentColor" stroke-width="0.7" fill="none"/>'
        f'<path data-p="most" d="{key["most"]}" stroke="currentColor" stroke-dasharray="5 4" fill="none"/>'
        f'<path data-p="held" d="{key["held"]}" stroke="var(--azurite,#2372b0)" stroke-width="2" fill="none"/>'
        '<text x="600" y="290" font-size="19" text-anchor="end" fill="currentColor">60 s</text></svg>'
        "<p>Tall and blue: load; ochre: transform; short and green: write. "
        f'Blocks of <b data-say="size">{size}</b> MB, budget <b data-say="budget">{budget}</b> MB: '
        f'ends after <b data-say="end">{end / 4}</b> s, at most <b data-say="peak">{peak}</b> MB held; '
        f'the GPU works <b data-say="busy">{busy}</b> % of the time.</p>'
    )


SCRIPT = """
const s = +v.size, r = +v.rate, B = v.budget, N = 24 / s, run = data[[s, r, B].join('/')];
const dur = [1 + 2*s, 1 + r*s, 1 + s], names = ['load', 'transform', 'write'];
const d = ['', '', ''], events = []; let end = 0;
run.forEach((x, i) => {
  const k = Math.floor(i / N), t = k == 1 ? x : x >> 1, y = k == 1 ? 60 : 30 * (x & 1), w = 2.5 * dur[k] - 1;
  const tall = k == 2 ? 12 : 24;
  d[k] += `M${2.5*t} ${y + 24 - tall}h${w}v${tall}h-${w}z`; end = Math.max(end, t + dur[k]);
  if (k < 2) events.push([t + dur[k], 0, s]);
  if (k > 0) events.push([t + dur[k], 1, -s]);
});
names.forEach((n, k) => $(`[data-p=${n}]`).setAttribute('d', d[k]));
events.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
let held = 0, peak = 0, line = 'M0 270';
events.forEach(([t, _, x]) => { held += x; peak = Math.max(peak, held); line += `H${2.5*t}V${270 - 6*held}`; });
$('[data-p=held]').setAttribute('d', line);
$('[data-p=most]').setAttribute('d', `M0 ${270 - 6*B}H600`);
say('size', s); say('budget', B); say('end', end / 4); say('peak', peak);
say('busy', Math.round(100 * N * dur[1] / end));
"""
