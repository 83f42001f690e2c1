"""The plumbing of the small Streamlit of streamlit-the-machine.ipynb: places to draw, the words of a script, refusals.

The chapter has the idea: identity, three layers of memory, four acts of an event. Its classes stand on those below.
What the machine leaves out it refuses, by `LeftOut`, and with it the session is over, whatever the script catches: no
answer is better than a wrong one.
"""

import ast
import functools
import inspect
import linecache
import math
import numbers
import pickle
import struct
import sys
import textwrap
from collections.abc import MutableMapping
from dataclasses import dataclass
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.errors import (
    StreamlitDuplicateElementId,
    StreamlitDuplicateElementKey,
    StreamlitInvalidFormCallbackError,
    StreamlitInvalidLayoutContextError,
    StreamlitValueAboveMaxError,
    StreamlitValueAssignmentNotAllowedError,
    StreamlitValueBelowMinError,
    StreamlitValueOutOfRangeError,
)

TRIGGERS = {"button", "submit"}  # true for one run, then false again

# --- What is left out


class LeftOut(BaseException):
    """Streamlit can do this and the machine cannot. A bare `except` or a `finally`
    can swallow it, so the session keeps it, and shows no page after it."""

    refused = []  # by the session whose event it is


def refuse(when, what):
    if when:
        LeftOut.refused.append(LeftOut(what))
        raise LeftOut.refused[0]


def inside(place):
    """Return a block in which code may draw that runs in a fragment or a cache."""
    session = place.session
    ended = session.drawn is getattr(session, "ended", None)
    refuse(ended, "drawing after st.stop() or st.rerun()")
    refuse(not place.on_page, "drawing in a box of an earlier run")
    refuse(place.part != session.part, "drawing outside one's fragment")
    refuse(session.alone and place.part is None, "drawing outside a lone fragment")
    refuse(
        session.cached not in (None, place), "a cached function that draws elsewhere"
    )
    return place


class Magic(ast.NodeTransformer):
    """Streamlit writes a value that stands alone on its line; here it ends the run."""

    def visit_Expr(self, node):
        if not isinstance(node.value, (ast.Call, ast.Yield, ast.YieldFrom, ast.Await)):
            name = ast.Name("__magic__", ast.Load())
            node.value = ast.Call(name, [node.value], [])
        return node

    def visit_Import(self, node):
        names = [getattr(node, "module", None) or "", *(n.name for n in node.names)]
        if any(name.split(".")[0] == "streamlit" for name in names):
            return ast.parse('__magic__("import streamlit", True)').body[0]
        return node

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node):
        words = node.body[:1] if ast.get_docstring(node) is not None else []
        node.body = node.body[len(words) :]
        self.generic_visit(node)
        node.body = words + node.body
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef


def without_magic(source):
    """The syntax tree of a script in which a value alone on its line is refused."""
    return ast.fix_missing_locations(Magic().visit(ast.parse(source)))


def magic(value, known=False):
    refuse(True, value if known else f"magic: {value!r} alone on its line")


# --- Places and widgets


class Drawn:
    """What a call that draws returns. Streamlit can draw over it; here any use ends the run."""

    def use(self, *_):
        refuse(True, "the use of an element that is drawn")

    __getattr__ = __enter__ = __exit__ = __repr__ = __reduce_ex__ = use


class Block:
    """A place on the page: elements and smaller blocks, in the order they were drawn."""

    def __init__(self, session, kind, label="", form=None, root="main"):
        self.session, self.kind, self.label = session, kind, label
        self.in_form, self.root, self.items = form, root, []
        self.part = session.part  # the fragment that made it
        self.outer = None  # the block around it

    @property
    def on_page(self):
        """Is it still on the page? A new run begins with a clean one."""
        if self.outer is None:
            return True
        return any(i is self for i in self.outer.items) and self.outer.on_page

    @property
    def here(self):
        """`box.text` draws in its box, `st.text` in the innermost open `with`."""
        return inside(self.session.open[-1] if self is self.session.main else self)

    def __repr__(self):
        refuse(True, f"a {self.kind} as text")

    def __enter__(self):
        """Draw in here from now on. `with … as` gives what Streamlit 1.67 gives: mostly None."""
        refuse(self is self.session.main, "with st")
        self.session.open.append(self)
        return self if self.kind == "expander" else None

    def __exit__(self, *error):
        self.session.open.pop()

    def draw(self, kind, text):
        self.here.items.append((kind, textwrap.dedent(str(text)).strip()))
        return Drawn()

    def box(self, kind="container", label="", form=None):
        place = self.here
        refuse(self.session.cached, f"a {kind} in a cached function")
        child = type(self)(self.session, kind, label, form or place.in_form, place.root)
        child.outer = place
        place.items.append(child)
        return child

    def view(self):
        inside = [i if isinstance(i, tuple) else i.view() for i in self.items]
        return self.kind, self.label, inside

    def widgets(self):
        """Every widget in the block, from top to bottom."""
        for item in self.items:
            if isinstance(item, Widget):
                yield item
            elif isinstance(item, Block):
                yield from item.widgets()

    def of_st(self, word):
        """Refuse what Streamlit has for `st` alone, and not for a box."""
        refuse(self is not self.session.main, f"{word} of a {self.kind}")

    def admit(self, kind, name, key, call, start):
        """Let a widget be drawn here, or raise what Streamlit raises.

        A start that is an error is raised once the widget has its name, a selectbox's
        just before.
        """
        session, place = self.session, self.here
        refuse(session.cached, f"a {kind} in a cached function")
        if call and place.in_form is not None and kind != "submit":
            raise StreamlitInvalidFormCallbackError
        refuse(kind in TRIGGERS and key in session.kept, "a button of which was said")
        if kind in TRIGGERS and key in session.said:
            raise StreamlitValueAssignmentNotAllowedError(key=key)
        if isinstance(start, Exception) and kind == "selectbox":
            raise start  # a radio has its name by then
        session.claim(kind, name, key)
        if isinstance(start, Exception):
            raise start
        if kind in TRIGGERS and (kind == "submit") != (place.in_form is not None):
            raise StreamlitInvalidLayoutContextError(f"{kind} here")
        if key is not None:
            session.names[key] = name

    def place(self, widget, offer, new):
        """Note a widget, check a slider's value, and draw."""
        widget.offer = offer
        self.session.last[widget.name] = widget
        if widget.kind == "slider":
            bounded(widget.value, *offer, new)
        self.here.items.append(widget)


@dataclass
class Widget:
    """A widget as a run drew it."""

    name: tuple  # its identity
    kind: str
    label: str
    value: object
    key: str | None
    form: str | None
    act: object  # its callback, ready to be called, or None
    part: str | None  # the fragment that it stands in
    disabled: bool
    offer: object = None  # as in `fits`

    @property
    def handle(self):
        """How a step of ours calls it: by key, or else by label."""
        return self.label if self.kind == "submit" else self.key or self.label

    def view(self):
        return self.kind.replace("submit", "button"), self.label, self.value

    def entered(self, value):
        """A value as a user enters it. Raises ValueError for what no user could enter."""
        low, high = -sys.float_info.max, sys.float_info.max
        if self.kind in ("radio", "selectbox"):
            same = [o for o in self.offer if str(o) == str(value)]
            if same or value is None:
                return same[0] if same else None
        elif self.kind in ("slider", "number_input"):
            low, high = self.offer or (low, high)
            if isinstance(value, numbers.Real) and low <= value <= high:
                return type(self.value)(value)  # the browser sends floats
        elif type(value) is (str if self.kind == "text_input" else bool):
            if self.offer is None or len(value) <= self.offer:
                return value
        raise ValueError(f"no user can set {self.kind} {self.label!r} to {value!r}")


def bounded(value, low, high, new):
    """Refuse a value that was said and is out of a slider's bounds, as Streamlit does."""
    refuse(not new and not low <= value <= high, "a slider that went on out of bounds")
    if value < low:
        raise StreamlitValueBelowMinError(value=value, min_value=low)
    if value > high:
        raise StreamlitValueAboveMaxError(value=value, max_value=high)


def too_large(value):
    """Is this a number that JavaScript cannot hold?"""
    if type(value) is float:
        return not math.isfinite(value)
    return type(value) is int and abs(value) >= 2**53


def fits(kind, value, start, offer):
    """May a widget hold this value? False: it goes back to its start.

    offer: the options, the ends of a slider, the most characters of a text, or None.
    """
    if kind in ("radio", "selectbox"):
        if value is None:
            refuse(start is not None, "a choice of nothing, said or held")
            return True
        same = [o for o in offer if str(o) == str(value)]
        refuse(same and type(same[0]) is not type(value), "options of another type")
        return bool(same)
    refuse(type(value) is not type(start), f"a {kind} that is to hold {value!r}")
    refuse(too_large(value), f"a {kind} that is to hold {value!r}")
    if kind == "text_input" and offer is not None:
        refuse(len(value) > offer, f"a text of more than {offer} characters")
    return True


# --- What a session remembers, its dictionary and its tab


class Notes:
    """The places where a session remembers, empty at first."""

    def __init__(self):
        self.said = {}  # by key: assigned since this run began
        self.held = {}  # by identity: what each widget holds
        self.kept = {}  # by key: assigned in an earlier run
        self.names = {}  # key -> identity
        self.last = {}  # identity -> the widget as it was last drawn
        self.drawn, self.forms = set(), set()  # in this run

    def claim(self, kind, name, key):
        """Note that a widget is drawn, or refuse if it already was."""
        if key is not None and ("key", key) in self.drawn:
            raise StreamlitDuplicateElementKey(key)
        if name in self.drawn:
            raise StreamlitDuplicateElementId(kind)
        self.drawn |= {name, ("key", key)}


class State(MutableMapping):
    """`st.session_state`: all that a session knows under a key, with the manners of a dictionary and of an object."""

    def __init__(self, session):
        vars(self)["_State__session"] = session

    def __getitem__(self, key):
        key, session = str(key), self.__session
        return session.look_up(session.names.get(key), key)

    def __setitem__(self, key, value):
        refuse(
            isinstance(value, (Block, Drawn)), "a piece of the page in session_state"
        )
        self.__session.say(str(key), value)

    def __delitem__(self, key):
        self[key]  # a KeyError if there is nothing
        key, session = str(key), self.__session
        session.held.pop(session.names.pop(key, None), None)
        session.said.pop(key, None)
        session.kept.pop(key, None)

    def __iter__(self):
        session = self.__session
        held = [key for key, name in session.names.items() if name in session.held]
        return iter(dict.fromkeys([*session.said, *session.kept, *held]))

    def __len__(self):
        return sum(1 for _ in self)

    def to_dict(self):
        return dict(self)

    def __str__(self):
        return str(self.to_dict())

    def __getattr__(self, key):
        if key not in self:
            raise AttributeError(f"no {key} in session_state")
        return self[key]

    def __delattr__(self, key):
        self.__getattr__(key), self.pop(key)  # an AttributeError if there is nothing

    __setattr__ = __setitem__


class Tab:
    """A browser's tab: the script and the page. Comes before a memory in a session's bases."""

    def __init__(self, source):
        super().__init__()
        file, lines = f"<app {id(self)}>", source.splitlines(keepends=True)
        linecache.cache[file] = len(source), None, lines, file  # for inspect.getsource
        self.code = compile(without_magic(source), file, "exec")
        self.part = self.cached = self.alone = None
        self.refused = []
        self.main = self.palette(self, "main")
        self.side = self.palette(self, "sidebar", root="sidebar")

    def go_on(self):
        """Raise what was left out, also if the script has caught it."""
        if self.refused:
            raise self.refused[0]

    def release(self):
        self.go_on()
        super().release()

    def begin(self, part=None):
        """Nothing is drawn yet; a clean page, unless only a part of it will run."""
        self.drawn, self.forms = set(), set()
        self.part, self.cached, self.alone = None, None, part
        self.open = [self.main]
        if part is None:
            self.parts = {}  # fragments: name -> (block, function)
            self.main.items.clear()
            self.side.items.clear()

    def work(self, step):
        """List the widgets that a step changes: (widget, value as it is sent), in the order of the page.

        What stands in a form counts only if the form is sent. Raises ValueError, and changes nothing, for a widget that
        cannot be worked and a value that cannot be entered.
        """
        LeftOut.refused = self.refused
        self.go_on()
        shown = {w.handle: w for w in (*self.main.widgets(), *self.side.widgets())}
        if step.keys() - shown:
            raise ValueError(f"{[*step]} are not all on the page, which has {[*shown]}")
        if stuck := [n for n in step if shown[n].disabled]:
            raise ValueError(f"{stuck} are disabled")
        sent = {shown[n].form for n in step if shown[n].kind == "submit"} | {None}
        return [
            (widget, widget.entered(step[handle]))
            for handle, widget in shown.items()
            if handle in step and widget.form in sent
        ]

    def execute(self, part):
        """Run the whole script, or one fragment of it."""
        if part is None:
            names = {"__name__": "__main__", "st": self.main, "__magic__": magic}
            exec(self.code, names)
        else:
            self.main.run_part(part)

    def view(self):
        """What is on the page, in the sidebar, and in session_state."""
        self.go_on()
        pages = {b.kind: b.view()[2] for b in (self.main, self.side)}
        return pages | {"state": dict(sorted(self.main.session_state.items()))}


# --- The words of a script


class Stop(BaseException):
    """Ends a run early. Not an `Exception`, which a script might catch."""


class Again(BaseException):
    """Asks for another run."""


SILENT = {  # arguments that change nothing here, and their values
    "disabled": (True, False),
    "label_visibility": ("visible", "hidden", "collapsed"),
    "expanded": (True, False),
    "format_func": (str,),
}


def spoken(method):
    """Let a method be called in all ways of Streamlit's function of its name."""
    word = method.__name__
    form = inspect.signature(getattr(st, word))
    known = set(inspect.signature(method).parameters) - {"self"}

    @functools.wraps(method)
    def say(self, *args, **kwargs):
        if not hasattr(DeltaGenerator, word):
            self.of_st(word)
        call = form.bind(*args, **kwargs)  # TypeError, as in Streamlit
        call.apply_defaults()
        for name, value in call.arguments.items():
            default = form.parameters[name].default
            fine = value is default or value in SILENT.get(name, ())
            if not fine and (name not in known or name in SILENT):
                refuse(True, f"{name} = {value!r} of st.{word}")
        return method(self, **{k: call.arguments[k] for k in known})

    return say


def call_all(calls):
    """Call every callback, and only then run again if one of them asked for it."""
    asked = False
    for call in calls:
        try:
            call()
        except Again:
            asked = True
    if asked:
        raise Again


def called(on_change, args, kwargs):
    """A callback, ready to be called, or None."""
    refuse(on_change == "ignore", 'on_change="ignore"')
    if on_change in (None, "rerun"):
        return None
    refuse(not callable(on_change), f"a callback that is a {type(on_change).__name__}")
    return partial(on_change, *(args or ()), **(kwargs or {}))


class Words:
    """What to draw, and where to draw it: words for a block that has `widget`."""

    @property
    def session_state(self):
        self.of_st("session_state")
        return State(self.session)

    @property
    def sidebar(self):
        self.of_st("sidebar")
        return self.session.side

    def __getattr__(self, word):
        if not word.startswith("__"):
            self.of_st(word)
            refuse(hasattr(st, word), f"st.{word}")
        raise AttributeError(word)

    @spoken
    def text(self, body):
        return self.draw("text", body)

    @spoken
    def caption(self, body):
        return self.draw("caption", body)

    @spoken
    def container(self):
        return self.box()

    @spoken
    def expander(self, label):
        refuse(type(label) is not str or not label, f"an expander named {label!r}")
        return self.box("expander", label)

    @spoken
    def columns(self, spec):
        refuse(type(spec) is not int or spec < 1, f"{spec!r} columns")
        row = self.box()
        return [row.box("column") for _ in range(spec)]

    @spoken
    def form(self, key):
        session = self.session
        refuse(type(key) is not str or not key, f"a form with the key {key!r}")
        if self.here.in_form is not None:
            raise StreamlitInvalidLayoutContextError("a form in a form")
        if key in session.said:
            raise StreamlitValueAssignmentNotAllowedError(key=key)
        if key in session.forms:
            raise StreamlitDuplicateElementKey(key)
        session.forms.add(key)
        return self.box("form", form=key)

    @spoken
    def stop(self):
        self.session.ended = self.session.drawn  # from here on nothing is drawn
        raise Stop

    @spoken
    def rerun(self):
        self.session.ended = self.session.drawn
        raise Again


class Worked(Words):
    """Widgets by Streamlit's names: buttons, ticks and texts."""

    def place_widget(self, kind, start, told, key, call, disabled, offer=None):
        refuse(type(told["label"]) is not str, f"the label {told['label']!r}")
        refuse(type(key) not in (type(None), str, int) or key == "", f"the key {key!r}")
        key = None if key is None else str(key)
        return self.widget(kind, start, told, key, called(*call), disabled, offer)

    @spoken
    def button(self, label, key, on_click, args, kwargs, disabled):
        told, call = {"label": label}, (on_click, args, kwargs)
        return self.place_widget("button", False, told, key, call, disabled)

    @spoken
    def form_submit_button(self, label, on_click, args, kwargs, disabled):
        key, call = (
            f"FormSubmitter:{self.here.in_form}-{label}",
            (on_click, args, kwargs),
        )
        return self.place_widget("submit", False, {"label": label}, key, call, disabled)

    @spoken
    def checkbox(self, label, value, key, on_change, args, kwargs, disabled):
        told, call = {"label": label, "value": bool(value)}, (on_change, args, kwargs)
        return self.place_widget("checkbox", bool(value), told, key, call, disabled)

    @spoken
    def text_input(
        self, label, value, max_chars, key, on_change, args, kwargs, disabled
    ):
        refuse(type(value) is not str, f"a text_input of {value!r}")
        told = {"label": label, "value": value, "max_chars": max_chars}
        call = on_change, args, kwargs
        return self.place_widget(
            "text_input", value, told, key, call, disabled, max_chars
        )


class Chosen(Worked):
    """Widgets by Streamlit's names: numbers and choices."""

    @spoken
    def slider(
        self,
        label,
        min_value,
        max_value,
        value,
        step,
        key,
        on_change,
        args,
        kwargs,
        disabled,
    ):
        told = {"label": label, "min_value": min_value, "max_value": max_value}
        told |= {"value": value, "step": step}
        start, low, high, by = whole_or_float(value, min_value, max_value, step)
        if value is None and key is not None:
            there = State(self.session).get(str(key), start)
            refuse(type(there) is not type(start), "a slider that finds another type")
        ends, call = (low, high), (on_change, args, kwargs)
        return self.place_widget("slider", start, told, key, call, disabled, ends)

    @spoken
    def number_input(self, label, value, step, key, on_change, args, kwargs, disabled):
        told = {"label": label, "value": value, "step": step}
        start = value if value != "min" else 0 if type(step) is int else 0.0
        kinds = {type(v) for v in (start, step) if v is not None}
        refuse(
            kinds not in ({int}, {float}), f"a number_input of {value!r} and {step!r}"
        )
        refuse(too_large(step), f"a number_input with the step {step}")
        call = on_change, args, kwargs
        return self.place_widget("number_input", start, told, key, call, disabled)

    def choose(self, kind, label, options, index, key, call, disabled):
        refuse(type(options) not in (list, tuple, range), f"options of {type(options)}")
        refuse(type(index) not in (int, type(None)), f"the index {index!r}")
        texts = [str(option) for option in options]
        refuse(len(set(texts)) < len(texts), "two options that read alike")
        if index is not None and options and not 0 <= index < len(options):
            start = StreamlitValueOutOfRangeError("index", index, 0, len(options) - 1)
        else:
            start = options[index] if options and index is not None else None
        told = {"label": label, "options": texts, "index": index}
        return self.place_widget(kind, start, told, key, call, disabled, [*options])

    @spoken
    def radio(self, label, options, index, key, on_change, args, kwargs, disabled):
        call = on_change, args, kwargs
        return self.choose("radio", label, options, index, key, call, disabled)

    @spoken
    def selectbox(self, label, options, index, key, on_change, args, kwargs, disabled):
        call = on_change, args, kwargs
        return self.choose("selectbox", label, options, index, key, call, disabled)


def whole_or_float(value, low, high, step):
    """The start, ends and step of a slider, with Streamlit's defaults."""
    start = value if value is not None else low if low is not None else 0
    usual = (0, 100, 1) if type(start) is int else (0.0, 1.0, 0.01)
    given = [
        u if v is None else v for v, u in zip((low, high, step), usual, strict=True)
    ]
    kinds = {type(v) for v in (start, *given)}
    refuse(any(map(too_large, given)), f"a slider with the ends {given}")
    refuse(kinds not in ({int}, {float}), f"a slider of {value!r}, {low!r}, {high!r}")
    refuse(given[2] <= 0 or not given[0] <= start <= given[1], "a slider out of bounds")
    refuse(given[0] == given[1], "a slider without room")
    return start, *given


class Fragments(Chosen):
    """Functions that may run again alone, each in a block of its own."""

    def fragment(self, body=None, **options):
        """Let a function run again alone, in a block of its own."""
        self.of_st("fragment")
        refuse(body is None or options, f"a fragment with {options}")

        @functools.wraps(body)
        def first(*args, **kwargs):
            refuse(self.session.part, "a fragment in a fragment")
            parts, box = self.session.parts, self.box()
            name = box.part = f"{body.__qualname__} {len(parts)}"
            parts[name] = box, partial(body, *args, **kwargs)
            return self.run_part(name)

        return first

    def run_part(self, name):
        """Run a fragment in its block."""
        session = self.session
        box, body = session.parts[name]
        box.items.clear()
        outer, session.part = session.part, name
        try:
            with box:
                return body()
        except Exception as error:
            box.draw("exception", type(error).__name__)
            raise Stop from error
        finally:
            session.part = outer


# --- Caches


def arguments(function, args, kwargs):
    """The (name, value) pairs that count: no _name; None names what *args takes."""
    named = [
        p.name if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) else None
        for p in inspect.signature(function).parameters.values()
    ]
    names = [*named[: len(args)], *[None] * (len(args) - len(named))]
    pairs = [*zip(names, args, strict=True), *kwargs.items()]
    return [(name, value) for name, value in pairs if not (name or "").startswith("_")]


def fingerprint(value, around=()):
    """A value by type and content, as Streamlit hashes it; to be compared."""
    refuse(id(value) in around, "an argument that contains itself")
    if type(value) in (list, tuple, dict):
        items = value.items() if type(value) is dict else value
        around = (*around, id(value))
        return type(value), *(fingerprint(item, around) for item in items)
    simple = (type(None), bool, int, float, str, bytes)
    refuse(type(value) not in simple, f"a cached function of a {type(value).__name__}")
    if type(value) is str:
        value.encode()  # UnicodeEncodeError for half a character, as in Streamlit
    # By its bits: −0.0 is not 0.0 here, a NaN is itself, and −NaN another.
    return type(value), struct.pack("<d", value) if type(value) is float else value


def pickled(result):
    try:
        return pickle.dumps(result)
    except Exception as error:
        refuse(True, f"a cached result that cannot be pickled: {error}")


def understood(options):
    for name, value in options.items():
        fine = value is None or name in ("show_spinner", "show_time")
        refuse(not fine, f"{name} = {value!r} of a cache")


class Cached:
    """A decorator that keeps results in `store`; needs `look`, which finds a result or makes it."""

    def __init__(self, app, copies):
        app.of_st("a cache")
        self.app, self.copies = app, copies

    def __call__(self, function=None, **options):
        understood(options)
        if function is None:  # written with brackets: @st.cache_data(…)
            return self
        refuse(not inspect.isfunction(function), f"a cache of {function!r}")
        which = self.copies, function.__qualname__, inspect.getsource(function)
        results = self.store.setdefault(which, {})

        @functools.wraps(function)
        def look(*args, **kwargs):
            call = partial(function, *args, **kwargs)
            return self.look(
                results, fingerprint(arguments(function, args, kwargs)), call
            )

        def clear(*args, **kwargs):
            """Forget one result, or all."""
            if args or kwargs:
                inner = function.__qualname__.rpartition("<locals>.")[2]
                refuse("." in inner, "clearing one result of a method")
                results.pop(fingerprint(arguments(function, args, kwargs)), None)
            else:
                results.clear()

        look.clear = clear
        return look

    def clear(self):
        """Forget every result of every function in this kind of cache."""
        for which, results in self.store.items():
            if which[0] == self.copies:
                results.clear()

    def execute(self, call):
        """Call the function; return its result, as it is kept, and what it drew."""
        session, place = self.app.session, self.app.here
        before, outer, session.cached = len(place.items), session.cached, place
        try:
            result = call()
        finally:
            session.cached = outer
        return pickled(result) if self.copies else result, place.items[before:]
