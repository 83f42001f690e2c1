"""What streamlit-the-real-app.ipynb says to a running server, and hears: one function for each experiment.

Each takes a Server of streamlit_server.py, opens a page or several, and returns what was found, as JSON has it.
"""

import json
import sys
from contextlib import ExitStack, contextmanager

import param
import pyarrow as pa
from streamlit_server import Session


def with_cache(script):
    """Return the script with a cache in the place of each comment `# cache`."""
    return script.replace("# cache", "@st.cache_data(show_spinner=False)")


def with_fragments(script):
    """Return the script with a fragment in the place of each comment `# fragment`."""
    return script.replace("# fragment", "@st.fragment")


def one_notch(server):
    with Session(server) as page:
        opened = page.run().log
        moved = page.change("x", 4).log
        return {"opened": opened, "moved": moved, "sent": page.sent}


def heard(wire):
    """Word what one_notch found: the event that was sent, and a line for each message."""
    lines = [f"sent: one event of {wire['sent']} bytes; heard:"]
    for kind, what, size, _ in wire["moved"]:
        lines.append(f"{size:4} bytes  {kind} {what}".rstrip())
    return "\n".join(lines)


def lengths(server, counts):
    with Session(server) as page:
        page.run()
        return [len(page.change("n", n).deltas()) for n in counts]


def four_events(server):
    with Session(server) as page:
        seen = []
        for label in ("", "inner", "inner", "outer"):
            page.change(label, len(seen)) if label else page.run()
            ran = server.printed("ran")
            what = [m.what for m in page.deltas()]
            seen.append([label or "(opened)", ran, what])
        return seen


def ran_and_drew(row):
    """Word one row of four_events."""
    label, ran, what = row
    return f"{label:9}  ran {'+'.join(ran):10}  drew {', '.join(what)}"


def bill(server, events):
    """Return [blocks computed, deltas] of the opening and of each (slider, value)."""
    with Session(server) as page:
        page.run()
        rows = [[server.printed("work"), len(page.deltas())]]
        for i, x in events:
            page.change(f"x{i}", x)
            rows.append([server.printed("work"), len(page.deltas())])
        return rows


def by_param(rules, inputs, changes):
    """Return the set of rules that param.rx executes for each (input, value)."""
    ran, cells = [], {name: param.rx(value) for name, value in inputs.items()}

    def noted(name, function):
        return lambda *values: (ran.append(name), function(*values))[1]

    for name, (function, sources) in rules.items():
        first, *others = (cells[s] for s in sources)
        cells[name] = first.rx.pipe(noted(name, function), *others)
    found = []
    for name, value in [("", 0), *changes]:
        if name:
            cells[name].rx.value = value
        [cells[rule].rx.value for rule in rules]  # param computes when it is asked
        found.append(set(ran))
        ran.clear()
    return found[1:]


def by_streamlit(server, changes):
    with Session(server) as page:
        page.run()
        server.printed("rule")
        return [
            [sorted(page.change(name, x) and server.printed("rule")), page.texts()]
            for name, x in changes
        ]


def append(server):
    with Session(server) as page:
        return [page.run().texts(), page.change("append").texts()]


def drag(server, patient):
    """Send n = 1 … 20: each when the page shows the one before, or all at once."""
    with Session(server) as page:
        page.send()
        page.until("n = 0")
        for n in range(1, 21):
            page.send(page.set("n", n))
            if patient:
                page.until(f"n = {n}")
        page.finish()
        done = [line.split()[0] for line in server.printed("event")]
        counts = {word: done.count(word) for word in ("start", "callback", "finish")}
        return counts | {"shown": page.texts()}


def both_ways(server):
    return [drag(server, patient=True), drag(server, patient=False)]


def order_and_look(server):
    with Session(server) as page:
        page.run()
        page.send(page.set("order", True))
        page.until("packing")
        page.change("zoom", 2)
        return server.printed("shop")


def two_events(server):
    with Session(server) as page:
        page.run()
        for n in (1, 2):
            page.send(page.set("n", n))
            page.until(f"n = {n}")
        page.finish()
        return sorted(server.printed("door", least=2))


def order_and_zoom(server, asides):
    ends = {}
    for aside in asides:
        with Session(server) as page:
            page.run().change("aside", aside)
            page.send(page.set("order", True))
            server.until(f"shop charged {aside}")
            page.change("zoom", 2)
            server.until(f"shop left {aside}")
            ends[aside] = [line.split()[0] for line in server.printed("shop")]
    return ends


def at_the_desk(server, kind, people):
    """Return [CPU seconds, moments] of each of so many sessions at work together."""
    with ExitStack() as stack:
        pages = [stack.enter_context(Session(server)) for _ in range(people)]
        for page in pages:
            page.run().set("people", people)
            page.set("kind", kind)
        for page in pages:
            page.send()
        return [json.loads(page.finish().texts()[0]) for page in pages]


def four_days(server):
    days = [("wait", 1), ("wait", 4), ("count", 1), ("count", 4)]
    return [at_the_desk(server, *day) for day in days]


@contextmanager
def own_main():
    """AppTest puts its script in place of __main__ and leaves it there; undo that."""
    mine = sys.modules["__main__"]
    try:
        yield
    finally:
        sys.modules["__main__"] = mine


def explore(app, temperature, place=None):
    """Work the app's widgets; return the four numbers that it shows, as texts."""
    with own_main():
        if place is not None:
            app.selectbox[0].select_index(place)
        app.slider[0].set_value(temperature).run()
    if app.exception or app.error:
        raise RuntimeError(f"the app fails: {[*app.exception, *app.error]}")
    return [metric.value for metric in app.metric]


def bars(app):
    """Return the probabilities in the chart that the app sends to the browser."""
    (chart,) = app.get("vega_lite_chart")
    table = pa.ipc.open_stream(chart.proto.data.data).read_all()
    return table.column("probability").to_pylist()


def type_code(server):
    with Session(server) as page:
        page.run()
        editor = page.widget("code_editor.code_editor")
        asked = json.loads(editor.json_args)
        before = page.texts()
        page.change("code_editor.code_editor", {"type": "submit", "text": "y = 2"})
        return {"code": asked["code"], "before": before, "after": page.texts()}


def move_two(server):
    with Session(server) as page:
        page.run()
        ran = [server.printed("ran")]
        for name, x in (("x3", 5), ("x4", 2)):
            page.change(name, x)
            ran.append(server.printed("ran"))
        return ran[1:] + [page.texts()] if len(ran[0]) == 11 else ran


def impatient(server):
    with Session(server) as page:
        page.run()
        page.send(page.set("order", True))
        server.until("shop charged")
        for zoom in (2, 3):
            page.send(page.set("zoom", zoom))
            page.send(page.set("order", True))
        page.finish()
        server.until("shop packed")
        return [server.printed("shop"), page.run().texts()]


def span(runs):
    """Return the seconds from the first moment of any run to the last of any."""
    return max(max(t) for _, t in runs) - min(min(t) for _, t in runs)


def drag_cost(server, counts, notches):
    """Drag the slider x on a page with so many texts; return [deltas, their bytes] for each count."""
    found = []
    with Session(server) as page:
        page.run()
        for count in counts:
            page.change("n", count).change("x", 0)
            drawn = []
            for x in range(1, notches + 1):
                drawn += page.change("x", x).deltas()
            found.append([len(drawn), sum(message.size for message in drawn)])
    return found
