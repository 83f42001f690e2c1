"""What several chapters need and none of them teaches: crisp figures, explorables for the static page, a meter of memory."""

import json
import tempfile
from html import escape
from pathlib import Path

from hush import hushed
from IPython.display import HTML
from matplotlib_inline.backend_inline import set_matplotlib_formats

# Figures become SVG without a date, so that the same run gives the same bytes.
set_matplotlib_formats("svg", metadata={"Date": None})

# One figure's machinery: collect the controls by name, redraw on input, and let one slider be played.
# It finds its own <figure> from the script's place, so any number of explorables live on a page.
_DRIVER = """
(() => {
const root = document.currentScript.closest('figure');
const $ = selector => root.querySelector(selector);
const inputs = [...root.querySelectorAll('[name]')];
const say = (name, text) => { root.querySelectorAll(`[data-say="${name}"]`).forEach(e => e.textContent = text); };
const draw = (v) => { %(script)s };
const update = () => {
  const v = Object.fromEntries(inputs.map(i => [i.name, i.type === 'range' ? +i.value : i.value]));
  inputs.forEach(i => { if (i.nextElementSibling?.tagName === 'OUTPUT') i.nextElementSibling.value = i.value; });
  draw(v);
};
inputs.forEach(i => i.addEventListener('input', update));
const play = $('button[data-play]'), slider = play && $(`[name="${play.dataset.play}"]`);
let timer = null;
const stop = () => { clearInterval(timer); timer = null; play.textContent = '▶ play'; };
play?.addEventListener('click', () => {
  if (timer) return stop();
  if (+slider.value >= +slider.max) slider.value = slider.min;
  play.textContent = '❚❚ pause';
  timer = setInterval(() => {
    slider.stepUp(); update();
    if (+slider.value >= +slider.max) stop();
  }, +play.dataset.pace);
});
root.querySelectorAll('.controls').forEach(e => e.hidden = false);
update();
})();
"""


def slider(name, label, low, high, start, step=1):
    """Return a labelled range input; `step` must divide the way from `low` to `high`."""
    if not low <= start <= high or step <= 0:
        raise ValueError(
            f"slider {name!r}: need low <= start <= high and step > 0, got {low}, {start}, {high}, {step}"
        )
    return (
        f'<label>{escape(label)} <input type="range" name="{name}" min="{low}" max="{high}" step="{step}" '
        f'value="{start}"><output>{start}</output></label>'
    )


def choice(name, label, options):
    """Return a labelled drop-down; `options` maps each value to the words shown, the first being chosen."""
    if not options:
        raise ValueError(f"choice {name!r} has no options")
    items = "".join(
        f'<option value="{escape(str(k))}">{escape(str(v))}</option>'
        for k, v in options.items()
    )
    return f'<label>{escape(label)} <select name="{name}">{items}</select></label>'


def explorable(title, picture, controls, script, *, data=None, play=None, pace=60):
    """Wrap a picture that a reader can move into one self-contained, offline figure.

    title:    the finding, one sentence; it heads the figure and names the group of controls.
    picture:  SVG or HTML markup of the key frame, drawn in Python, so that the figure tells something without
              JavaScript. An <svg> needs role="img" and an aria-label. Colours: currentColor, or
              var(--azurite, #2372b0), --ochre, --malachite, --cinnabar.
    controls: a list of `slider` and `choice` results.
    script:   JavaScript run at load and on each input: `v` holds the values by name, `$` selects inside the
              figure, `say(name, text)` fills every element with data-say=name, `data` is the JSON of `data`.
    play:     the name of a slider to get a play button; it moves one step every `pace` milliseconds.
    """
    if play is not None and not any(f'name="{play}"' in c for c in controls):
        raise ValueError(f"play={play!r} names none of the controls")
    button = (
        f'<button type="button" data-play="{play}" data-pace="{pace}">▶ play</button>'
        if play
        else ""
    )
    constants = (
        f"const data = {json.dumps(data, separators=(',', ':'))};"
        if data is not None
        else ""
    )
    code = (_DRIVER % {"script": constants + script}).replace("</", "<\\/")
    return HTML(
        f'<figure class="explorable"><div class="title"><strong>{escape(title)}</strong></div>{picture}'
        f'<div class="controls" role="group" aria-label="{escape(title, quote=True)}" hidden>{"".join(controls)}{button}</div>'
        f"<script>{code}</script></figure>"
    )


def peak_bytes(run):
    """Most bytes of CPU tensors alive at once during `run()`, counted from what was alive before it.

    Sums the allocations and releases in the trace of torch.profiler, in their order.
    """
    from torch.profiler import ProfilerActivity, profile  # few chapters need torch

    with (
        hushed(),  # the profiler's C++ side writes its start and stop to 1 and 2
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace,
    ):
        run()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        trace.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    live = peak = 0
    for event in sorted(
        (e for e in events if e["name"] == "[memory]"), key=lambda e: e["ts"]
    ):
        live += event["args"]["Bytes"]
        peak = max(peak, live)
    return peak
