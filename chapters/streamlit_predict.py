"""The explorable of streamlit-the-machine.ipynb: small apps whose every state was visited, to be clicked through.

`visit` finds the states, `walks` gives sequences of events that take every step once, so that Streamlit itself can be
asked; `predict` draws the figure. A click shows a question first, and the page when the reader asks for it.
"""

from html import escape

from plumbing import choice, explorable


def lines_of(items, depth=0):
    """Return a page as [kind, text, handle] lines; handle is None for what cannot be worked."""
    lines, pad = [], "   " * depth
    for item in items:
        if hasattr(item, "items"):
            lines.append(["text", f"{pad}{item.label or item.kind}:", None])
            lines += lines_of(item.items, depth + 1)
        elif isinstance(item, tuple):
            sign = "⚠ " if item[0] == "exception" else ""
            lines.append(["text", pad + sign + item[1], None])
        else:
            shown = {
                "button": item.label,
                "checkbox": f"{'☑' if item.value else '☐'} {item.label}",
            }
            shown = shown.get(item.kind, f"{item.label}: {item.value}")
            lines.append([item.kind, pad + shown, item.handle])
    return lines


def event_of(kind, value):
    """Return the value that a click gives to a widget."""
    if kind == "slider":
        return 8 if value != 8 else 3
    return kind == "button" or not value


def visit(machine, source, most=4):
    """Visit every state of an app that `most` events can reach.

    machine: the class of a session. Returns a list of (path, lines, state, next): the steps that lead there from the
    first run, the page, `session_state` as text, and for each handle (the step, the number of the state it leads to).
    """

    def replay(path):
        session = machine(source)
        view = session.run()
        for step in path:
            view = session.run(step)
        memory = sorted(map(repr, session.held.items())), session.kept, session.said
        return session, view, repr((view, memory))

    session, view, mark = replay([])
    found, marks, todo = [], {mark: 0}, [[]]
    for path in todo:  # grows as it is read
        session, view, _ = replay(path)
        steps = {}
        for widget in session.main.widgets():
            step = {widget.handle: event_of(widget.kind, widget.value)}
            if len(path) < most:
                *_, mark = replay([*path, step])
                if mark not in marks:
                    marks[mark] = len(todo)
                    todo.append([*path, step])
                steps[widget.handle] = step, marks[mark]
        state = ", ".join(f"{k}: {v}" for k, v in view["state"].items()) or "empty"
        found.append((path, lines_of(session.main.items), state, steps))
    return found


def walks(found):
    """Yield sequences of steps from the first run that together take every step once or more."""
    left = {(n, h) for n, (*_, steps) in enumerate(found) for h in steps}
    while left:
        at, handle = min(left)
        walk = list(found[at][0])
        while handle is not None:
            left.discard((at, handle))
            step, at = found[at][3][handle]
            walk.append(step)
            handle = next((h for n, h in sorted(left) if n == at), None)
        yield walk


def told(step):
    """Say a step in words."""
    ((name, value),) = step.items()
    return f"{name} → {value}" if value not in (True, False) else f"click {name}"


def pack(source, found):
    """Return what the browser needs of one app: its text, and for each state [lines, session_state]."""
    states = []
    for _, lines, state, steps in found:
        packed = []
        for kind, text, handle in lines:
            go = steps.get(handle)
            packed.append(
                [kind[0], text, told(go[0]), go[1]] if go else [kind[0], text]
            )
        states.append([packed, state])
    return {"code": source, "states": states}


STYLE = "white-space:pre-wrap;margin:0 0 .6em;font-size:.85em"
# Kinds by their first letter: text, button, checkbox, slider. `root.at` is [app, state, state asked for, the event].
SCRIPT = """
const app = data[v.app], box = $('[data-page]');
if (!root.at || root.at[0] !== v.app) root.at = [v.app, 0, -1, 'the first run'];
const at = root.at, safe = t => t.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const press = (words, go) => `<button type="button" data-go="${go}">${safe(words)}</button>`;
const line = ([kind, text, event, go]) => {
  if (go === undefined) return `<div>${safe(text)}</div>`;
  return kind === 's' ? `<div>${safe(text)} ${press(event, go)}</div>` : `<div>${press(text, go)}</div>`;
};
const show = focus => {
  const [lines, state] = app.states[at[1]], ask = at[2] >= 0;
  say('code', app.code); say('event', at[3]); say('state', ask ? '?' : state);
  box.innerHTML = ask
    ? '<div>What will the page show now? Say it, then look.</div>' + press('Show the page', at[2])
    : lines.map(line).join('') + (at[1] ? '<div>' + press('Start again', 0) + '</div>' : '');
  if (focus) box.querySelector('button')?.focus({preventScroll: true});
  box.querySelectorAll('button').forEach(b => b.onclick = () => {
    const go = +b.dataset.go, again = b.textContent === 'Start again';
    if (ask || again) { at[1] = go; at[2] = -1; if (again) at[3] = 'the first run'; }
    else { at[2] = go; at[3] = lines.find(l => l[3] === go && b.textContent === (l[0] === 's' ? l[2] : l[1]))[2]; }
    show(true);
  });
};
show(false);
"""


def predict(apps):
    """Draw the figure. apps: {name: (source, what `visit` found)}; the first is the key frame."""
    packed = {str(n): pack(*app) for n, app in enumerate(apps.values())}
    first = packed["0"]
    lines, state = first["states"][0]
    page = "".join(f"<div>{escape(line[1])}</div>" for line in lines)
    picture = f"""<pre data-say="code" style="{STYLE}">{escape(first["code"])}</pre>
<p>Event: <strong data-say="event">the first run</strong></p>
<div data-page aria-live="polite" style="border-left:3px solid var(--azurite,#2372b0);
padding-left:.8em;min-height:8em;line-height:2.1;white-space:pre-wrap">{page}</div>
<p>session_state: <span data-say="state">{escape(state)}</span></p>"""
    return explorable(
        "Click, predict, then look",
        picture,
        [choice("app", "app", dict(enumerate(apps)))],
        SCRIPT,
        data=packed,
    )
