"""The hill of the home page, exp(-x' S^-1 x / 2), drawn as a hill that a reader can walk round."""

import numpy as np
from plumbing import explorable, slider

DEPTHS = np.linspace(7, -7, 29)  # the slices of the hill, from far to near
BLUE, GREEN = ("azurite", "#2372b0"), ("malachite", "#2e8b63")


def slice_at(S, depth, angle):
    """Points of the slice at `depth` beyond the summit, for an eye that looks along `angle` (radians), as SVG has them."""
    across = np.array([-np.sin(angle), np.cos(angle)])
    along = np.array([np.cos(angle), np.sin(angle)])
    t = np.linspace(-9, 9, 61)
    x = across[:, None] * t + along[:, None] * depth
    heights = np.exp(-0.5 * np.einsum("it,ij,jt->t", x, np.linalg.inv(S), x))
    tops = 168 - 2.2 * depth - 138 * heights
    places = zip(320 + 34 * t, tops, strict=True)
    line = " ".join(f"{x:.0f},{y:.1f}" for x, y in places)
    return f"14,200 {line} 626,200"


def _stop(offset, colour, share):
    name, plain = colour
    mixed = (
        f"color-mix(in srgb, var(--{name}, {plain}) {share}%, var(--paper, #fbf9f4))"
    )
    return f'<stop offset="{offset}" stop-color="{plain}" style="stop-color:{mixed}"/>'


def picture(S):
    """SVG of the hill from where it is widest, with a plan of it and the eye."""
    (low, high), axes = np.linalg.eigh(S)
    tilt = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
    slices = "".join(
        f'<polygon class="slice" points="{slice_at(S, d, np.radians(tilt - 90))}" fill="url(#hill)" '
        'stroke="var(--paper, #fbf9f4)" stroke-width=".6"/>'
        for d in DEPTHS
    )
    rings = "".join(
        f'<ellipse rx="{8 * k * high**0.5:.1f}" ry="{8 * k * low**0.5:.1f}" fill="none" stroke="currentColor" opacity=".6"/>'
        for k in (0.6, 1.2)
    )
    stops = _stop(0, BLUE, 95) + _stop(0.6, GREEN, 60) + _stop(0.8, GREEN, 0)
    return (
        '<svg viewBox="0 0 640 200" role="img" aria-label="A hill in blue and green, seen from a little above the plain. From its '
        'side it is a long ridge; a quarter of the way round it is a narrow peak; its height is the same from everywhere.">'
        f'<linearGradient id="hill" gradientUnits="userSpaceOnUse" x1="0" x2="0" y1="30" y2="186">{stops}</linearGradient>'
        f'{slices}<g transform="translate(580 44)"><g transform="rotate({-tilt:.1f})">{rings}</g>'
        f'<g class="eye" transform="rotate({90 - tilt:.1f})"><line x1="-42" x2="42" stroke="currentColor" stroke-dasharray="3 3" '
        'opacity=".6"/><circle cx="-42" r="4.5" fill="var(--ochre, #a8742a)"/></g></g>'
        '<text x="14" y="32" fill="currentColor" font-size="19"><tspan lang="zh-Hans" data-say="han">成岭</tspan> <tspan data-say="name">a ridge</tspan></text>'
        '<text x="14" y="56" fill="currentColor" font-size="16">standard deviation '
        f'<tspan data-say="sd">{high**0.5:.2f}</tspan>, height 1</text></svg>'
    )


SCRIPT = """
const [[a, b], [, c]] = data.S, det = a * c - b * b, angle = (data.tilt - 90 + v.walked) * Math.PI / 180;
const u = [-Math.sin(angle), Math.cos(angle)];
root.querySelectorAll('.slice').forEach((slice, i) => {
  const d = data.depths[i], points = [];
  for (let k = 0; k <= 60; k++) {
    const t = -9 + .3 * k, x = t * u[0] + d * u[1], y = t * u[1] - d * u[0];
    const height = Math.exp(-.5 * (c * x * x - 2 * b * x * y + a * y * y) / det);
    points.push((320 + 34 * t).toFixed(0) + ',' + (168 - 2.2 * d - 138 * height).toFixed(1));
  }
  slice.setAttribute('points', `14,200 ${points.join(' ')} 626,200`);
});
const sd = Math.sqrt(a * u[0] * u[0] + 2 * b * u[0] * u[1] + c * u[1] * u[1]);
$('.eye').setAttribute('transform', `rotate(${90 - data.tilt - v.walked})`);
say('sd', sd.toFixed(2));
const [han, name] = sd > .9 * data.widest ? ['成岭', 'a ridge'] : sd < 1.25 * data.narrowest ? ['成峰', 'a peak'] : ['各不同', 'no two alike'];
say('han', han); say('name', name);
if (root.began === undefined) {  // turns once by itself, unless the reader takes it first, or wants nothing to move
  root.began = false;
  const hold = () => { root.began = true; if (timer) stop(); };
  ['pointerdown', 'keydown', 'focus'].forEach(e => slider.addEventListener(e, hold));
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (!still) setTimeout(() => { if (!root.began) play.click(); }, 1500);
}
"""


def walk_round(S):
    """Explorable of the hill with the 2 x 2 positive definite matrix `S`; the script gets `S` from here."""
    S = np.asarray(S, float)
    if S.shape != (2, 2) or (S != S.T).any() or np.linalg.eigvalsh(S)[0] <= 0:
        raise ValueError(
            f"need a symmetric 2 x 2 matrix with positive eigenvalues, got {S.tolist()}"
        )
    (low, high), axes = np.linalg.eigh(S)
    tilt = float(np.degrees(np.arctan2(axes[1, 1], axes[0, 1])))
    return explorable(
        "One hill: from its side a ridge, from its end a peak",
        picture(S),
        [slider("walked", "walk round it, degrees", 0, 360, 0)],
        SCRIPT,
        data={
            "S": S.tolist(),
            "tilt": tilt,
            "depths": DEPTHS.tolist(),
            "widest": high**0.5,
            "narrowest": low**0.5,
        },
        play="walked",
        pace=50,
    )
