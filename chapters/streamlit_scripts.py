"""Some eighty small Streamlit apps, what a user does to each, and a driver that asks Streamlit itself.

SCRIPTS maps a name to (source, steps). A source leaves out its first line, `import streamlit as st`. A step is all
that a user does between two runs: {key or label of a widget: its new value}; a button's value is True.
"""

import sys
from contextlib import contextmanager
from functools import partial
from textwrap import dedent
from unittest.mock import patch

import streamlit as st
from streamlit.logger import set_log_level
from streamlit.runtime.scriptrunner import RerunData
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

# An app's exception is shown on its page; Streamlit also logs it, and warns that no server is there.
# Reading the configuration sets the level, so it is read first.
st.get_option("logger.level")
set_log_level("CRITICAL")

KINDS = "button checkbox slider number_input text_input selectbox radio".split()
CLICK = True


@contextmanager
def our_main():
    """Give `__main__` back: AppTest puts the app's module in its place and leaves it there."""
    kept = sys.modules["__main__"]
    try:
        yield
    finally:
        sys.modules["__main__"] = kept


def forget_caches():
    """Empty Streamlit's two caches, which belong to the process and so outlive an app."""
    st.cache_data.clear()
    st.cache_resource.clear()


def contents(block):
    """A block of AppTest's element tree as nested tuples (kind, label or text, value or children)."""
    seen = []
    for child in block.children.values():
        if isinstance(getattr(child, "children", None), dict):
            kind = "container" if child.type == "flex_container" else child.type
            seen.append((kind, getattr(child, "label", ""), contents(child)))
        elif child.type == "exception":
            seen.append(("exception", child.proto.type.rpartition(".")[2]))
        elif child.type in KINDS:
            seen.append((child.type, child.label, child.value))
        elif child.type != "empty":  # the place of a spinner that has gone
            seen.append((child.type, child.value))
    return seen


class Real:
    """One session of a script in Streamlit's own test driver."""

    _components = None

    def __init__(self, source):
        self.app = AppTest.from_string("import streamlit as st\n" + source)
        self.app.default_timeout = 600  # only a script that hangs takes so long
        # A search through all installed packages for components, done once and not for each app.
        self.app._bidi_component_manager = Real._components

    def widgets(self):
        """The widgets on the page, by key or else by label."""
        found = [w for kind in KINDS for w in getattr(self.app, kind)]
        return {w.label if named(w) else w.key or w.label: w for w in found}

    def run(self, step=(), part=False):
        """Do what the step says, run the app (or its one fragment), return page and state."""
        shown = self.widgets()
        for name, value in dict(step).items():
            shown[name].set_value(value)
        with our_main():
            if part:  # AppTest asks for the whole app; a browser can ask for less
                queue = list(self.app._fragment_storage._fragments)
                less = partial(RerunData, fragment_id_queue=queue)
                with patch(f"{LocalScriptRunner.__module__}.RerunData", less):
                    self.app.run()
            else:
                self.app.run()
        Real._components = self.app._bidi_component_manager
        return self.view()

    def view(self):
        """What is on the page, in the sidebar, and in session_state."""
        keys = sorted(self.app.session_state._state.filtered_state)  # those of users
        state = {key: self.app.session_state[key] for key in keys}
        pages = {"main": self.app.main, "sidebar": self.app.sidebar}
        return {name: contents(page) for name, page in pages.items()} | {"state": state}


def named(widget):
    """Has this widget a key that Streamlit made up, as a form's button has?"""
    return str(widget.key).startswith("FormSubmitter:")


def label(source, rows):
    """Mark rows of a labelling tool one by one; return the number that its page shows after each."""
    forget_caches()
    tool, shown = Real(source), []
    tool.run()
    for row in rows:
        tool.run({"Row": row})
        shown.append(tool.run({"Spam": True})["main"][-1][1])
    return [int(text.split()[0]) for text in shown]


CHANGES = [  # kind, arguments before, arguments after, another value, is it kept under a key?
    ("slider", "'A', 0, 9, 1", "'B', 0, 9, 1", 7, True),
    ("slider", "'A', 0, 9, 1", "'A', 0, 9, 2", 7, True),
    ("slider", "'A', 0, 9, 1", "'A', -1, 9, 1", 7, False),
    ("slider", "'A', 0, 9, 1", "'A', 0, 8, 1", 7, False),
    ("slider", "'A', 0, 8, 2, 2", "'A', 0, 8, 2, 1", 6, False),
    ("text_input", "'A'", "'B'", "x", True),
    ("text_input", "'A', 'u'", "'A', 'v'", "x", True),
    ("text_input", "'A', max_chars=5", "'A', max_chars=6", "x", False),
    ("number_input", "'A', value=1", "'B', value=1", 7, True),
    ("number_input", "'A', value=1", "'A', value=2", 7, True),
    ("checkbox", "'A'", "'B'", True, True),
    ("checkbox", "'A', False", "'B', False", True, True),
    ("radio", "'A', [1, 2, 3]", "'A', [3, 2, 1]", 2, True),
    ("selectbox", "'A', ['u', 'v']", "'A', ['u', 'v', 'w']", "v", True),
    ("selectbox", "'A', ['u', 'v'], 0", "'B', ['u', 'v'], 0", "v", True),
    ("sidebar.slider", "'A', 0, 9, 1", "", 7, True),
]


def app(source, *steps):
    return dedent(source).strip() + "\n", steps


SCRIPTS = {
    # --- what is drawn
    "five elements": app(
        """
        st.text("a page")
        with st.container():
            st.slider("Size", 0, 10, 3)
            st.text("in a box")
        st.text("the end")
        """,
        {"Size": 7},
        {},
    ),
    "columns out of order": app(
        """
        left, right = st.columns(2)
        right.text("drawn first")
        left.text("drawn second")
        with right:
            st.text("drawn third")
        """,
        {},
    ),
    "boxes in boxes": app(
        """
        with st.expander("Outer"):
            st.text("one")
            with st.container():
                inner = st.container()
                st.text("three")
            inner.text("two")
        st.caption("below")
        """,
    ),
    "sidebar": app(
        """
        st.sidebar.text("aside")
        with st.sidebar:
            n = st.slider("N", 0, 5, 2)
        st.text(n)
        """,
        {"N": 4},
    ),
    "same widget in both places": app(
        """
        a = st.checkbox("Show")
        b = st.sidebar.checkbox("Show")
        st.text((a, b))
        """,
    ),
    "a loop of widgets": app(
        """
        total = sum(st.slider(f"Part {i}", 0, 9, i) for i in range(4))
        st.text(total)
        """,
        {"Part 2": 9},
        {"Part 0": 1, "Part 3": 0},
    ),
    # --- locals, buttons, order
    "counter that cannot count": app(
        """
        x = 0
        if st.button("Add"):
            x += 1
        st.text(x)
        """,
        {"Add": CLICK},
        {"Add": CLICK},
        {},
    ),
    "counter above": app(
        """
        if "n" not in st.session_state:
            st.session_state.n = 0
        st.text(f"above {st.session_state.n}")
        if st.button("Add"):
            st.session_state.n += 1
        st.text(f"below {st.session_state.n}")
        """,
        {"Add": CLICK},
        {"Add": CLICK},
        {},
    ),
    "counter by callback": app(
        """
        st.session_state.setdefault("n", 0)
        def add(by):
            st.session_state.n += by
        st.text(f"above {st.session_state.n}")
        st.button("Add", on_click=add, args=(1,))
        st.button("Add ten", on_click=add, args=(10,))
        st.text(f"below {st.session_state.n}")
        """,
        {"Add": CLICK},
        {"Add ten": CLICK},
        {"Add": CLICK},
    ),
    "counter by rerun": app(
        """
        st.session_state.setdefault("n", 0)
        st.text(f"above {st.session_state.n}")
        if st.button("Add"):
            st.session_state.n += 1
            st.rerun()
        st.text(f"below {st.session_state.n}")
        """,
        {"Add": CLICK},
        {"Add": CLICK},
    ),
    "button inside a button": app(
        """
        if st.button("Outer"):
            st.text("opened")
            if st.button("Inner"):
                st.text("never seen")
        """,
        {"Outer": CLICK},
        {"Inner": CLICK},
    ),
    "button with a key": app(
        """
        st.button("Go", key="go")
        st.text(st.session_state.go)
        """,
        {"go": CLICK},
        {},
    ),
    "callback draws": app(
        """
        def hello():
            st.text("from the callback")
        st.text("from the script")
        st.button("Hello", on_click=hello)
        """,
        {"Hello": CLICK},
        {},
    ),
    "callback sees the new value": app(
        """
        log = st.session_state.setdefault("log", [])
        def note():
            st.session_state.log.append(st.session_state.n)
        st.slider("N", 0, 9, 0, key="n", on_change=note)
        st.text(log)
        """,
        {"n": 5},
        {"n": 5},
        {"n": 6},
        {"n": 5},
    ),
    "two callbacks in one step": app(
        """
        log = st.session_state.setdefault("log", [])
        st.checkbox("B", key="b", on_change=log.append, args=("b",))
        st.checkbox("A", key="a", on_change=log.append, args=("a",))
        st.text(log)
        """,
        {"a": True, "b": True},
        {"a": True, "b": False},
    ),
    "callback reruns": app(
        """
        st.session_state.setdefault("runs", 0)
        st.session_state.runs += 1
        def again():
            st.session_state.called = True
            st.rerun()
        pressed = st.button("Again", on_click=again)
        st.text((pressed, st.session_state.runs))
        """,
        {"Again": CLICK},
        {},
    ),
    # --- identity
    "label changes, no key": app(
        """
        more = st.checkbox("More")
        n = st.slider("Many" if more else "Few", 0, 9, 1)
        st.text(n)
        """,
        {"Few": 7},
        {"More": True},
        {"More": False},
    ),
    "label changes, key": app(
        """
        more = st.checkbox("More")
        n = st.slider("Many" if more else "Few", 0, 9, 1, key="n")
        st.text(n)
        """,
        {"n": 7},
        {"More": True},
        {"More": False},
    ),
    "default changes, no key": app(
        """
        start = st.slider("Start", 0, 5, 0)
        st.text(st.slider("N", 0, 9, start))
        """,
        {"N": 7},
        {"Start": 3},
        {"Start": 0},
    ),
    "default changes, key": app(
        """
        start = st.slider("Start", 0, 5, 0)
        st.text(st.slider("N", 0, 9, start, key="n"))
        """,
        {"n": 7},
        {"Start": 3},
    ),
    "bounds change, key": app(
        """
        top = st.slider("Top", 5, 20, 10)
        st.text(st.slider("N", 0, top, 1, key="n"))
        """,
        {"n": 7},
        {"Top": 20},
        {"n": 19},
        {"Top": 10},
    ),
    "length of a text, key": app(
        """
        short = st.checkbox("Short")
        st.text(st.text_input("Word", max_chars=3 if short else 9, key="w"))
        """,
        {"w": "ab"},
        {"Short": True},
    ),
    "options change, no key": app(
        """
        kind = st.radio("Kind", ["fruit", "root"])
        options = ["fig", "pear"] if kind == "fruit" else ["beet", "fig"]
        st.text(st.selectbox("Food", options))
        """,
        {"Food": "pear"},
        {"Kind": "root"},
        {"Kind": "fruit"},
    ),
    "options change, key": app(
        """
        kind = st.radio("Kind", ["fruit", "root"], key="kind")
        options = ["pear", "fig"] if kind == "fruit" else ["beet", "fig"]
        st.text(st.selectbox("Food", options, key="food"))
        st.text(st.session_state.food)
        """,
        {"food": "fig"},
        {"kind": "root"},
        {"food": "beet"},
        {"kind": "fruit"},
    ),
    "radio options change, key": app(
        """
        wide = st.checkbox("Wide")
        options = ["a", "b", "c"] if wide else ["a", "b"]
        st.text(st.radio("R", options, index=1, key="r"))
        """,
        {"Wide": True},
        {"r": "c"},
        {"Wide": False},
        {"r": "a"},
    ),
    "twins": app(
        """
        st.text("stays")
        st.slider("N", 0, 9)
        st.slider("N", 0, 9)
        st.text("never drawn")
        """,
        {},
    ),
    "one key twice": app(
        """
        st.slider("N", 0, 9, key="k")
        st.checkbox("M", key="k")
        """,
        {},
    ),
    "kind changes, key stays": app(
        """
        as_text = st.checkbox("Text")
        v = st.text_input("V", key="v") if as_text else st.slider("V", 0, 9, 1, key="v")
        st.text(repr(v))
        """,
        {"v": 4},
        {"Text": True},
        {"v": "x"},
        {"Text": False},
    ),
    "one key, two identities": app(
        """
        def put():
            st.session_state.n = 2
        if st.button("Put", on_click=put):
            st.slider("Narrow", 0, 3, key="n")
        st.slider("Wide", 0, 9, key="n")
        """,
        {"Put": CLICK},
        {},
        {"n": 4},
    ),
    # --- what is forgotten
    "hidden by if": app(
        """
        if st.checkbox("Show", value=True):
            st.slider("N", 0, 9, 1, key="n")
        st.text(st.session_state.get("n"))
        """,
        {"n": 8},
        {"Show": False},
        {"Show": True},
    ),
    "not reached, stop": app(
        """
        if not st.checkbox("Go on", value=True):
            st.stop()
        st.slider("N", 0, 9, 1, key="n")
        """,
        {"n": 8},
        {"Go on": False},
        {},
        {"Go on": True},
    ),
    "not reached, exception": app(
        """
        d = st.number_input("Divide by", value=1)
        st.text(12 // d)
        st.slider("N", 0, 9, 1)
        """,
        {"N": 8},
        {"Divide by": 0},
        {"Divide by": 3},
    ),
    "hidden without a key": app(
        """
        page = st.radio("Page", ["one", "two"])
        if page == "one":
            st.text(st.text_input("Name"))
        else:
            st.text(st.checkbox("Agree"))
        """,
        {"Name": "Su"},
        {"Page": "two"},
        {"Agree": True},
        {"Page": "one"},
    ),
    "said before it is drawn": app(
        """
        st.session_state.setdefault("n", 5)
        if st.checkbox("Show"):
            st.slider("N", 0, 9, key="n")
        st.text(st.session_state.get("n"))
        """,
        {"Show": True},
        {"n": 8},
        {"Show": False},
        {},
        {"Show": True},
    ),
    "said for a hidden widget": app(
        """
        show = st.checkbox("Show", value=True)
        if show:
            st.slider("N", 0, 9, key="n")
        elif st.button("Say"):
            st.session_state.n = 6
        st.text(st.session_state.get("n"))
        """,
        {"n": 3},
        {"Show": False},
        {"Say": CLICK},
        {},
        {"Show": True},
    ),
    # --- session_state
    "assignment too late": app(
        """
        st.slider("N", 0, 9, 1, key="n")
        if st.button("Reset"):
            st.session_state.n = 0
        st.text("end")
        """,
        {"n": 4},
        {"Reset": CLICK},
        {},
    ),
    "assignment in a callback": app(
        """
        def reset():
            st.session_state.n = 0
        st.slider("N", 0, 9, 1, key="n")
        st.button("Reset", on_click=reset)
        """,
        {"n": 4},
        {"Reset": CLICK},
    ),
    "assignment before": app(
        """
        if st.button("Nine"):
            st.session_state.n = 9
        st.slider("N", 0, 9, key="n")
        st.text(st.session_state["n"])
        """,
        {"n": 4},
        {"Nine": CLICK},
        {},
        {"n": 2},
    ),
    "a key that is not there": app(
        """
        st.text("before")
        st.text(st.session_state["ghost"])
        """,
    ),
    "an attribute that is not there": app(
        """
        st.text(st.session_state.ghost)
        """,
    ),
    "deletion": app(
        """
        st.session_state.setdefault("a", 1)
        st.session_state.b = 2
        del st.session_state.b
        if st.button("Delete"):
            del st.session_state["a"]
        st.text(("a" in st.session_state, "b" in st.session_state))
        st.text(len(st.session_state))
        """,
        {"Delete": CLICK},
        {},
    ),
    "deletion before the widget": app(
        """
        if st.button("Forget"):
            del st.session_state["n"]
        st.text(st.slider("N", 0, 9, 1, key="n"))
        """,
        {"n": 4},
        {"Forget": CLICK},
        {},
        {"n": 5},
    ),
    "a button cannot be assigned": app(
        """
        st.session_state.go = True
        st.button("Go", key="go")
        """,
    ),
    "callback fails": app(
        """
        def fail():
            st.session_state.tried = True
            1 / 0
        st.slider("N", 0, 9, key="n")
        st.button("Fail", on_click=fail, key="f")
        """,
        {"n": 6},
        {"f": CLICK},
        {},
    ),
    "an app that fails at once": app("""1 / 0""", {}),
    "mutable value": app(
        """
        items = st.session_state.setdefault("items", [])
        word = st.text_input("Word")
        if st.button("Add"):
            items.append(word)
        st.text(items)
        """,
        {"Word": "ridge"},
        {"Add": CLICK},
        {"Word": "peak", "Add": CLICK},
        {},
    ),
    # --- forms
    "form": app(
        """
        with st.form("f"):
            n = st.slider("N", 0, 9, 1)
            w = st.text_input("Word", key="w")
            sent = st.form_submit_button("Send")
        st.text((n, w, sent))
        """,
        {"N": 4, "w": "ab", "Send": CLICK},
        {},
        {"N": 5, "Send": CLICK},
    ),
    "form and callback": app(
        """
        def check():
            st.session_state.seen = st.session_state.n
        with st.form("f"):
            st.number_input("N", value=0, key="n")
            st.form_submit_button("Send", on_click=check)
        st.text(st.session_state.get("seen"))
        """,
        {"n": 3, "Send": CLICK},
        {"Send": CLICK},
    ),
    "callback inside a form": app(
        """
        with st.form("f"):
            st.checkbox("C", on_change=print)
        """,
    ),
    "button inside a form": app(
        """
        with st.form("f"):
            st.button("B")
        """,
    ),
    "two forms": app(
        """
        for name in ("left", "right"):
            with st.form(name):
                v = st.number_input("V", value=0)
                st.form_submit_button("Send " + name)
            st.text(v)
        """,
        {"Send left": CLICK},
    ),
    "a form's key": app(
        """
        say = st.checkbox("Say")
        with st.form("f"):
            st.form_submit_button("Send")
        if say:
            st.session_state.f = 1
        with st.form("f"):
            st.text("never drawn")
        """,
        {"Say": True},
    ),
    # --- caches
    "cache_data": app(
        """
        calls = st.session_state.setdefault("calls", [])
        @st.cache_data
        def square(n, _log):
            _log.append(n)
            st.caption(f"squaring {n}")
            return [n * n]
        n = st.slider("N", 0, 9, 2)
        square(n, calls).append("spoilt")
        st.text(square(n, calls))
        st.text(calls)
        """,
        {"N": 3},
        {"N": 2},
        {},
    ),
    "cache_resource": app(
        """
        @st.cache_resource
        def shared():
            return [1, 2]
        shared().append(3)
        st.text(shared())
        st.text(shared() is shared())
        """,
        {},
        {},
    ),
    "failures are not cached": app(
        """
        st.session_state.setdefault("tries", 0)
        @st.cache_data
        def flaky(_state):
            _state.tries += 1
            return 1 // (_state.tries - 1)
        st.text(flaky(st.session_state))
        st.text(st.session_state.tries)
        """,
        {},
        {},
    ),
    "clearing a cache": app(
        """
        log = st.session_state.setdefault("log", [])
        @st.cache_data
        def load(name, *, _log):
            _log.append(name)
            return name.upper()
        if st.button("Clear"):
            load.clear()
        st.text(load("a", _log=log) + load("b", _log=log) + load(name="a", _log=log))
        st.text(log)
        """,
        {},
        {"Clear": CLICK},
    ),
    # --- fragments, run as part of the whole app
    "fragment": app(
        """
        st.session_state.setdefault("part", 0)
        st.session_state.full = st.session_state.get("full", 0) + 1
        @st.fragment
        def part():
            st.session_state.part += 1
            st.slider("Inside", 0, 9, key="inside")
            st.text(st.session_state.part)
        st.text(st.session_state.full)
        part()
        st.checkbox("Outside")
        """,
        {"inside": 3},
        {"Outside": True},
        {"inside": 4},
    ),
    "fragment fails": app(
        """
        bad = st.checkbox("Bad")
        @st.fragment
        def part():
            st.text("inside")
            if bad:
                raise ValueError("no")
        part()
        st.text("after")
        """,
        {"Bad": True},
        {"Bad": False},
    ),
    # --- ways to call, and arguments that count or do not
    "keyword arguments of callbacks": app(
        """
        log = st.session_state.setdefault("log", [])
        def note(*args, **kwargs):
            log.append((args, kwargs))
        st.slider("S", 0, 5, on_change=note, args=(1,), kwargs={"x": 2})
        st.number_input("N", value=1, on_change=note, kwargs={"y": 2})
        st.checkbox("C", on_change=note, kwargs={"z": 2})
        st.text_input("T", on_change=note, args=[3])
        st.radio("R", [1, 2], on_change=note, kwargs={"r": 1})
        st.selectbox("X", [1, 2], on_change=note, kwargs={"s": 1})
        st.button("B", on_click=note, kwargs={"b": 2})
        with st.form("f"):
            st.form_submit_button("F", on_click=note, kwargs={"f": 2})
        st.text(log)
        """,
        {"S": 2, "N": 3},
        {"C": True, "T": "x"},
        {"R": 2, "X": 2},
        {"B": CLICK},
        {"F": CLICK},
    ),
    "arguments by position": app(
        """
        log = st.session_state.setdefault("log", [])
        st.slider("S", 0, 9, 2, 1, None, "s", None, log.append, (1,))
        st.text_input("T", "", None, "t", "default", None, None, log.append, (2,))
        st.radio("R", [1, 2], 0, str, "r", None, log.append, (3,))
        st.button("B", "b", None, log.append, (4,))
        st.checkbox("C", True, "c", None, log.append, (5,))
        st.text((log, st.session_state.s, st.session_state.t, st.session_state.r))
        """,
        {"s": 4},
        {"t": "x", "r": 2},
        {"b": CLICK},
        {"c": False},
    ),
    "calls that fail": app(
        """
        for bad in ({}, {"label": "N", "foo": 1}, {"label": "N", "step": 1, "stop": 2}):
            try:
                st.slider(**bad)
            except TypeError as error:
                st.text(type(error).__name__)
        st.slider("N", 0, 9, 1, label="M")
        """,
    ),
    "defaults written out, no key": app(
        """
        st.slider("N", 0, 9)
        st.slider("N", 0, 9, 0)
        st.slider("N", 0, 9, step=1)
        st.number_input("M")
        st.number_input("M", value=0.0)
        st.number_input("M", step=1)
        st.text("never twins")
        """,
        {},
    ),
    "1 and 1.0, no key": app(
        """
        exact = st.checkbox("Exact")
        st.text(repr(st.number_input("N", value=1 if exact else 1.0)))
        st.text(repr(st.slider("S", 0, 9, 1) if exact else st.slider("S", 0.0, 9.0, 1.0)))
        st.text(st.checkbox("C", 1 if exact else True))
        """,
        {"N": 7, "S": 4, "C": False},
        {"Exact": True},
        {"N": 7, "S": 3},
        {"Exact": False},
    ),
    "disabled, label hidden": app(
        """
        off = st.checkbox("Off")
        how = "hidden" if off else "visible"
        n = st.slider("N", 0, 9, 1, disabled=off)
        m = st.number_input("M", value=1, label_visibility=how)
        w = st.text_input("W", disabled=off, label_visibility=how)
        r = st.radio("R", [1, 2], disabled=off, key="r")
        b = st.button("B", disabled=off)
        st.text((n, m, w, r, b))
        """,
        {"N": 5, "M": 4, "W": "x", "r": 2},
        {"Off": True},
        {"Off": False},
        {"Off": True, "N": 8, "W": "y", "r": 1, "B": CLICK},
        {"Off": False},
    ),
    "disabled by the run after": app(
        """
        off = st.session_state.setdefault("off", False)
        n = st.slider("N", 0, 9, disabled=off)
        if st.button("Off"):
            st.session_state.off = True
            st.rerun()
        st.text(n)
        """,
        {"N": 4, "Off": CLICK},
        {},
    ),
    "said too high": app(
        """
        if st.checkbox("High"):
            st.session_state.n = 99
        st.slider("N", 0, 10, key="n")
        """,
        {"n": 3},
        {"High": True},
        {},
    ),
    "said too low": app(
        """
        st.session_state.n = -0.5
        st.slider("N", 0.0, 1.0, key="n")
        """,
    ),
    "no options": app(
        """
        options = ["fig", "pear"] if st.checkbox("Some") else []
        st.text(st.radio("R", options))
        st.text(st.selectbox("S", options))
        st.text(st.radio("T", ["a", "b"], index=None))
        st.text(st.selectbox("U", ["a", "b"], index=None, key="u"))
        """,
        {"T": "b"},
        {"u": "a"},
        {"Some": True},
        {"R": "pear"},
        {"Some": False},
    ),
    "an index that is none": app(
        """
        try:
            st.radio("R", ["a", "b"], index=2)
        except Exception as error:
            st.text(type(error).__name__)
        st.selectbox("S", ["a", "b"], index=-1)
        """,
    ),
    "a form in a form": app(
        """
        with st.form("outer"):
            box = st.container()
            st.form_submit_button("Send")
        with box:
            st.form("inner")
        """,
        {"Send": CLICK},
    ),
    "a form's key is said before": app(
        """
        st.session_state.f = 1
        with st.form("f"):
            st.form_submit_button("Send")
        """,
    ),
    "deletion of what is not there": app(
        """
        try:
            del st.session_state["ghost"]
        except KeyError:
            st.text("no such item")
        del st.session_state.ghost
        """,
    ),
    "a state named session": app(
        """
        st.session_state.session = 5
        st.text(st.session_state.session)
        """,
        {},
    ),
    "blanks around a text": app(
        """
        st.text("  two\\n    lines ")
        st.caption("")
        st.text(None)
        """,
    ),
    "a key that is a number": app(
        """
        st.text(st.slider("N", 0, 9, key=5))
        st.text(st.session_state["5"])
        """,
        {"5": 3},
    ),
    # --- what counts as the same arguments of a cached function
    "cache and *args": app(
        """
        @st.cache_data
        def add(*xs, **more):
            return sum(xs) + sum(more.values())
        st.text([add(1), add(1, 2), add(1, 2, 3), add(1, a=4), add(1, b=5), add()])
        """,
        {},
    ),
    "cache and equal arguments": app(
        """
        log = st.session_state.setdefault("log", [])
        @st.cache_data
        def note(a, b, _log):
            _log.append((a, b))
        x = [1]
        for pair in (
            ("xy", "xy"), ("xy", "".join(["x", "y"])), ([x, x], 0), ([[1], [1]], 0),
            (1, 1.0), (1.0, 1), (True, 1), ((1,), [1]), ([1], (1,)), (0.0, 0), (-0.0, 0),
            (float("nan"), 0), (float("nan"), 0), ({"a": 1, "b": 2}, 0),
            ({"b": 2, "a": 1}, 0), (None, b"x"), (2**70, -(2**70)), ("1", b"1"),
        ):
            note(*pair, log)
        st.text(len(log))
        st.session_state.log = []
        """,
        {},
    ),
    "clearing one result": app(
        """
        log = st.session_state.setdefault("log", [])
        @st.cache_data
        def load(n, m=2, *, _log):
            _log.append((n, m))
            return n
        @st.cache_resource
        def other(_log):
            _log.append("other")
        load(1, _log=log)
        load(2, _log=log)
        load(1, 2, _log=log)
        other(log)
        if st.button("One"):
            load.clear(1)
        if st.button("Two"):
            load.clear(n=2, _log=None)
        if st.button("None"):
            load.clear(7)
        if st.button("All data"):
            st.cache_data.clear()
        st.text(log)
        """,
        {"One": CLICK},
        {"Two": CLICK},
        {"None": CLICK},
        {"All data": CLICK},
        {},
    ),
    "a cache with options": app(
        """
        @st.cache_data(show_spinner=False, ttl=None)
        def double(n):
            return [n, n]
        @st.cache_resource(show_spinner="wait")
        def shared():
            return [1]
        double(1).append("spoilt")
        shared().append(2)
        st.text((double(1), shared()))
        """,
        {},
    ),
    "a cached function that stops": app(
        """
        @st.cache_data
        def check(n):
            st.text(f"checking {n}")
            if n > 1:
                st.stop()
            return n
        st.text(check(1))
        check(st.slider("N", 0, 3))
        st.text("end")
        """,
        {"N": 2},
        {"N": 1},
    ),
}
