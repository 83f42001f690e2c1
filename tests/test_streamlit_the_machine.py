"""What the chapter cannot check about itself: random apps and events, the driver's manners, and what the page says differs."""

import ast
import io
import sys
import threading
import tokenize
from textwrap import dedent

import nbformat
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as some
from streamlit.delta_generator import DeltaGenerator

NAME = "streamlit-the-machine"
book = chapter(NAME)
SCRIPTS, Real, Session = book.SCRIPTS, book.Real, book.Session
LeftOut = sys.modules["streamlit_machine"].LeftOut

# One line of an app each. a and b are variables, {i} a key of whole numbers, {c} of ticks, {s} of words, {n} the line.
LINES = """
st.text({v})
st.text(st.session_state.get("{i}"))
st.text(str(st.session_state) if len(st.session_state) < 2 else "")
{v} = st.checkbox("L{n}")
{v} = st.checkbox("L{n}", key="{c}", on_change=note, args=("{c}",))
{v} = st.slider("L{n}", 0, 5)
{v} = st.slider("L{n}", 0, 5, key="{i}")
{v} = st.slider("L{n}", 0, 5, key="{i}", on_change=note, args=("{i}",))
{v} = st.sidebar.slider("L{n}", 0, 5, key="{i}")
{v} = st.number_input("L{n}", value=0, key="{i}")
{v} = st.selectbox("L{n}", ["x", "y", "z"][int(bool({v})):], key="{s}") == "x"
{v} = st.selectbox("L{n}", ["x", "y", "z"][int(bool({v})):]) == "x"
{v} = st.radio("L{n}", ["x", "w"], key="{s}") == "x"
{v} = st.button("L{n}")
{v} = st.button("L{n}", key="B{n}")
{v} = st.button("L{n}", on_click=put, args=("{i}",))
if {v}: st.session_state["{i}"] = 1
if {v}: st.session_state["{s}"] = "z"
if {v}: st.stop()
if {v}: 1 / 0
if {v} and few(): st.rerun()
st.session_state.setdefault("{i}", 0)
with st.container(): {v} = st.slider("in L{n}", 0, 3, key="{i}")
if {v}: {v} = st.slider("L{n}", 0, 3, key="{i}")
if {v}: {v} = st.checkbox("if L{n}")
if not {v}: {v} = st.slider("not L{n}", 0, 3)
{v} = st.slider("lab%s L{n}" % int({v}), 0, 5)
{v} = st.slider("lab%s L{n}" % int({v}), 0, 5, key="{i}")
{v} = st.slider("L{n}", 0, 5, on_change=note, kwargs={{"key": "{i}"}})
{v} = st.checkbox("L{n}", on_change=note, args=["{c}"])
{v} = st.button("L{n}", None, None, put, (), {{"key": "{i}"}})
{v} = st.number_input("L{n}", value=1.0 if {v} else 1, on_change=note, kwargs={{"key": "{i}"}})
{v} = st.slider("L{n}", 0.0, 1.0, 0.5) if {v} else st.slider("L{n}", 0, 1)
{v} = st.checkbox("L{n}", 1 if {v} else True)
{v} = st.slider("L{n}", 0, 5, disabled=bool({v}))
{v} = st.slider("L{n}", 0, 5, key="{i}", disabled=bool({v}), on_change=note, args=("{i}",))
{v} = st.checkbox("L{n}", label_visibility="hidden" if {v} else "visible")
{v} = st.button("L{n}", disabled=not {v})
{v} = st.radio("L{n}", ["x", "y"] if {v} else [], disabled=bool({v})) == "y"
{v} = st.selectbox("L{n}", ["x", "y"], index=None) == "y"
{v} = st.radio("L{n}", ["x", "y"], index=1 if {v} else None, key="{s}") == "y"
if {v}: st.session_state["{i}"] = 7
if {v}: del st.session_state.{i}
if {v}: st.session_state.{i} -= 9
{v} = st.number_input("L{n}", step=1, key="{i}")
with st.form("F{n}"): {v} = st.slider("in F{n}", 0, 3, key="{i}"); st.form_submit_button("S{n}", on_click=note, kwargs={{"key": "f"}})
with st.form("{s}"): st.form_submit_button("S{n}", disabled=bool({v}))
""".strip().splitlines()
HEAD = """
a = b = 0
def note(key): st.session_state.log = st.session_state.get("log", ()) + (key,)
def put(key): st.session_state[key] = 2
def few():
    st.session_state.reruns = st.session_state.get("reruns", 0) + 1
    return st.session_state.reruns < 4
"""
one_line = some.fixed_dictionaries(
    {
        "line": some.sampled_from(LINES),
        "v": some.sampled_from("ab"),
        "i": some.sampled_from("ij"),
        "c": some.sampled_from("cd"),
        "s": some.sampled_from("st"),
    }
)
apps = some.lists(one_line, min_size=1, max_size=7).map(
    lambda lines: (
        HEAD
        + "\n".join(
            choice["line"].format(n=n, **{k: choice[k] for k in "vics"})
            for n, choice in enumerate(lines)
        )
        + "\n"
    )
)
calm = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def values(widget):
    """What a user may set this widget to."""
    if widget.type == "button":
        return some.just(True)
    if widget.type == "checkbox":
        return some.booleans()
    if widget.type == "slider":
        whole = some.integers(int(widget.min), int(widget.max))
        return whole if isinstance(widget.value, int) else whole.map(float)
    if widget.type == "number_input":
        return some.integers(-2, 5)
    if widget.type == "text_input":
        return some.sampled_from(["", "ab", "xyz"])
    # AppTest has the options as texts.
    options = some.sampled_from(widget.options)
    return options.map(int) if isinstance(widget.value, int) else options


def live(source, data, events):
    """Let hypothesis use an app, in both machines; they must agree throughout."""
    book.forget_caches()
    book.STORE.clear()
    real, mini = Real(source), Session(source)
    try:
        assert real.run() == mini.run()
    except LeftOut as what:
        return event(f"left out: {what}"[:40])
    for _ in range(events):
        shown = {
            name: widget
            for name, widget in real.widgets().items()
            if not widget.disabled and (getattr(widget, "options", None) != [])
        }
        if not shown:
            return None
        names = some.lists(some.sampled_from(sorted(shown)), max_size=2, unique=True)
        step = {name: data.draw(values(shown[name])) for name in data.draw(names)}
        try:
            ours = mini.run(step, whole=True)
        except LeftOut as what:
            return event(f"left out: {what}"[:40])
        assert real.run(step) == ours, step
    return event("lived to the end")


@given(apps, some.data())
@settings(calm, max_examples=90)
def test_random_apps_live_the_same_in_both(source, data):
    live(source, data, 5)


@given(some.sampled_from(sorted(SCRIPTS)), some.data())
@settings(calm, max_examples=60)
def test_random_events_on_the_scripts_of_the_table(name, data):
    live(SCRIPTS[name][0], data, 5)


plain = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-2, 2)
    | some.sampled_from([1.0, 0.0, -0.0, 2.0**60, 2**60, 10**30, "", "1", "a", b"1"])
    | some.just("\ud800")  # half a character, which has no bytes
    | some.floats(),
    lambda inner: (
        some.lists(inner, max_size=2)
        | some.lists(inner, max_size=2).map(tuple)
        | some.dictionaries(some.sampled_from(["a", "b", 1]), inner, max_size=2)
    ),
    max_leaves=4,
)
forms = some.sampled_from(
    [
        "a",
        "a, b=0",
        "*xs",
        "a, *xs",
        "a=1, *, b=2",
        "a, _b=0",
        "*xs, **more",
        "a, /, b=0",
    ]
)


@given(forms, some.lists(plain, min_size=1, max_size=4), some.data())
@settings(calm, max_examples=120)
def test_cached_functions_run_as_often_in_both(form, pool, data):
    """The same calls, with equal values that are now one object and now two."""
    lines = ["runs = []", "@st.cache_data", f"def f({form}):"]
    lines += ["    runs.append(0)", "    return 1", "def ask(call):", "    try: call()"]
    lines += [
        "    except (TypeError, UnicodeError) as e: runs.append(type(e).__name__)"
    ]
    lines += [f"v{n} = {value!r}" for n, value in enumerate(pool)]
    value = some.integers(0, len(pool) - 1).map(lambda n: f"v{n}") | some.sampled_from(
        [repr(value) for value in pool]
    )
    for _ in range(data.draw(some.integers(2, 6))):
        given_ = data.draw(some.lists(value, max_size=3))
        named = data.draw(some.sampled_from(["", "b=", "a=", "_b=", "c="]))
        if named:
            given_.append(named + data.draw(value))
        do = data.draw(some.sampled_from(["f", "f", "f", "f.clear"]))
        lines.append(f"ask(lambda: {do}({', '.join(given_)}))")
        lines.append("runs.append('|')")
    source = "\n".join(
        ["inf, nan = float('inf'), float('nan')", *lines, "st.text(runs)"]
    )
    book.forget_caches()
    book.STORE.clear()
    assert Real(source).run() == Session(source).run()


@given(some.lists(some.integers(0, 9), min_size=1, max_size=8))
@settings(calm, max_examples=20)
def test_a_fragment_alone_draws_its_block_and_nothing_else(moves):
    source = SCRIPTS["fragment"][0]
    real, mini = Real(source), Session(source)
    for step in ({}, {"Outside": True}):
        assert real.run(step) == mini.run(step)
    for count, value in enumerate(moves, 3):
        theirs, ours = (
            real.run({"inside": value}, part=True),
            mini.run({"inside": value}),
        )
        assert theirs["main"] == [ours["main"][1]]
        assert theirs["state"] == ours["state"]
        assert (ours["state"]["full"], ours["state"]["part"]) == (2, count)
    last = mini.run()
    assert real.run() == last
    assert last["main"][2] == ("checkbox", "Outside", True), "it was not forgotten"


def test_a_failing_or_stopping_fragment_leaves_the_rest_of_the_page():
    source = dedent(
        """
        st.text("above")
        @st.fragment
        def part():
            how = st.radio("How", ["go", "stop", "fail", "rerun"], key="how")
            if how == "stop":
                st.stop()
            if how == "fail":
                raise ValueError
            if how == "rerun" and st.session_state.setdefault("once", True):
                st.session_state.once = False
                st.rerun()
            st.text("done")
        part()
        st.text("below")
        """
    )
    real, mini = Real(source), Session(source)
    assert real.run() == mini.run()
    for how in ("stop", "go", "fail", "go"):
        theirs, ours = real.run({"how": how}, part=True), mini.run({"how": how})
        assert theirs["main"] == [ours["main"][1]], how
        assert ours["main"][0] == ("text", "above")
        assert ours["main"][2] == ("text", "below")
    theirs, ours = real.run({"how": "rerun"}, part=True), mini.run({"how": "rerun"})
    assert theirs == ours and len(theirs["main"]) == 3, "st.rerun() runs everything"


def code_lines(source):
    """How many lines hold code, docstrings and comments apart."""
    no_code = {
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.COMMENT,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {token.start[0] for token in tokens if token.type not in no_code}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def test_the_machine_has_as_many_lines_as_the_page_says():
    total = 0
    for cell in nbformat.read(CHAPTERS / f"{NAME}.ipynb", 4).cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and not {"check", "hide-input"} & set(tags):
            body = ast.parse(cell.source).body
            if any(
                isinstance(node, ast.ClassDef)
                or getattr(node, "name", "") == "identity"
                for node in body
            ):
                total += code_lines(cell.source)
    page = (CHAPTERS / f"{NAME}.ipynb").read_text(encoding="utf-8")
    assert page.count(f"in {total} lines of code") == 2


def test_the_figure_is_clicked_through_and_shows_what_the_machine_shows(browser):
    predict = sys.modules["streamlit_predict"]
    apps = {n: (SCRIPTS[n][0], book.visit(Session, SCRIPTS[n][0])) for n in book.NAMES}
    page = browser.new_page()
    page.set_content(f"<body>{predict.predict(apps).data}</body>")
    assert len(predict.predict(apps).data.encode()) <= 8192
    for number, (_, found) in enumerate(apps.values()):
        for steps in predict.walks(found):
            page.select_option("[name=app]", str((number + 1) % len(apps)))
            page.select_option("[name=app]", str(number))
            at = 0
            for step in steps:
                ((handle, value),) = step.items()
                line = next(text for _, text, h in found[at][1] if h == handle)
                words = predict.told(step) if value not in (True, False) else line
                page.get_by_role("button", name=words.strip(), exact=True).click()
                assert page.inner_text("[data-say=state]") == "?"
                assert "What will the page show" in page.inner_text("[data-page]")
                page.get_by_role("button", name="Show the page").click()
                at = found[at][3][handle][1]
                shown = page.inner_text("[data-page]")
                for kind, text, _ in found[at][1]:
                    assert kind != "text" or text in shown
                assert page.inner_text("[data-say=state]") == found[at][2]
    page.get_by_role("button", name="Start again").click()
    assert page.inner_text("[data-say=event]") == "the first run"
    page.close()


def test_bad_steps_are_refused_and_change_nothing():
    source = SCRIPTS["five elements"][0]
    mini, real = Session(source), Real(source)
    before = mini.run(), real.run()
    with pytest.raises(ValueError, match="Ghost"):
        mini.run({"Ghost": 1})
    with pytest.raises(KeyError, match="Ghost"):
        real.run({"Ghost": 1})
    assert (mini.run(), real.run()) == before
    with pytest.raises(SyntaxError):
        Session("if")


def test_main_is_given_back_and_no_thread_stays():
    main, threads = sys.modules["__main__"], threading.active_count()
    real = Real("st.text(__name__)\n1 / 0\n")
    assert real.run()["main"][0] == ("text", "__main__")
    assert sys.modules["__main__"] is main
    real.app.run()  # what AppTest does by itself
    replaced = sys.modules["__main__"] is not main
    sys.modules["__main__"] = main
    assert replaced, "AppTest gives __main__ back now: our_main can go"
    assert threading.active_count() == threads


def test_a_mended_helper_is_not_seen_by_the_cache():
    book.forget_caches()
    book.STORE.clear()
    source = "def helper():\n    return {}\n@st.cache_data\ndef f():\n    return helper()\nst.text(f())\n"
    for machine in (Real, Session):
        assert machine(source.format(2)).run()["main"] == [("text", "2")]
        assert machine(source.format(101)).run()["main"] == [("text", "2")]


LEFT_OUT = {  # what the page says is left out: Streamlit shows something, the machine refuses
    "elements": "st.write(1)",
    "magic": "'a title'",
    "magic in an if": "if True:\n    'words'",
    "persist_state": "st.slider('N', 0, 9, 1, key='n', persist_state='session')",
    "help": "st.checkbox('C', help='me')",
    "looks": "st.slider('N', 0, 9, format='%d')",
    "a caption's help": "st.caption('a', help='me')",
    "ranges": "st.slider('N', 0, 9, (1, 3))",
    "bounds of a number": "st.number_input('N', 0, 9)",
    "a number that is none": "st.number_input('N', value=None)",
    "columns by weight": "st.columns([1, 2])",
    "a container with a border": "st.container(border=True)",
    "options in a set": "st.radio('R', {'a': 1})",
    "options that read alike": "st.radio('R', [1, '1'])",
    "words for options": "st.selectbox('S', [1, 2], format_func=hex)",
    "new options": "st.selectbox('S', ['a'], accept_new_options=True)",
    "on_change is ignored": "st.checkbox('C', on_change='ignore')",
    "clear_on_submit": "st.form('f', clear_on_submit=True)",
    "a key for a form's button": "with st.form('f'): st.form_submit_button('S', key='s')",
    "a value of another type": "st.session_state.n = 1.5\nst.slider('N', 0, 9, 1, key='n')",
    "a choice of nothing": "st.session_state.r = None\nst.radio('R', ['a'], key='r')",
    "a long text": "st.session_state.t = 'long'\nst.text_input('T', max_chars=3, key='t')",
    "a slider that finds a text": "st.session_state.n = (1, 2)\nst.slider('N', 0, 9, key='n')",
    "fragments on a timer": "@st.fragment(run_every=9)\ndef f(): pass\nf()",
    "a fragment in a fragment": "@st.fragment\ndef f():\n    @st.fragment\n    def g(): pass\n    g()\nf()",
    "drawing outside a fragment": "box = st.container()\n@st.fragment\ndef f(): box.text(1)\nf()",
    "rerun of a fragment": "@st.fragment\ndef f():\n    if False: st.rerun(scope='fragment')\nf()\nst.stop() if False else st.rerun(scope='fragment')",
    "a cache's size": "@st.cache_data(max_entries=1)\ndef f(): pass\nf()",
    "a cache's time": "@st.cache_resource(ttl=60)\ndef f(): pass\nf()",
    "a cache's own hash": "@st.cache_data(hash_funcs={int: str})\ndef f(): pass\nf()",
    "a widget in a cache": "@st.cache_data\ndef f(): st.checkbox('C')\nf()",
    "a container in a cache": "@st.cache_data\ndef f(): st.container()\nf()",
    "a cache that draws elsewhere": "@st.cache_data\ndef f(): st.sidebar.text('aside')\nf()",
    "a table for a cache": "import pandas as pd\n@st.cache_data\ndef f(t): pass\nf(pd.DataFrame())",
    "a set for a cache": "@st.cache_data\ndef f(t): pass\nf({1, 2})",
    "a result that is no data": "@st.cache_data\ndef f(): return lambda: 1\nf()",
    "a slider that went on": "if 'n' not in st.session_state: st.session_state.n = 99\nst.slider('N', 0, 9, key='n')",
    "options change their type": "st.text(st.radio('R', ['1', '2'] if st.checkbox('C') else [1, 2], key='r'))",
    "Streamlit once more": "import streamlit as s\ns.text(1)",
    "a word of Streamlit": "from streamlit import text\ntext(1)",
    "a number beyond JavaScript": "st.number_input('N', value=2**60)",
    "a slider beyond JavaScript": "st.slider('N', 0, 2**60)",
    "said beyond JavaScript": "st.session_state.n = 2**60\nst.number_input('N', value=1, key='n')",
    "an expander without a name": "st.expander(None)",
    "a callback that is none": "st.checkbox('C', on_change=5)",
    "drawing after the end": "try:\n    st.stop()\nexcept BaseException:\n    st.text(1)",
    "an element drawn over": "st.text('a').text('b')",
    "an element with an end": "with st.caption('a'): st.text('b')",
    "an element as text": "st.text(st.text('a'))",
    "an element in a list": "st.text([st.text('a')])",
    "an element that is kept": "st.session_state.e = st.text('a')",
    "an element from a cache": "@st.cache_data\ndef f(): return st.text('a')\nf()",
    "a container as text": "st.text(st.container())",
    "a container that is kept": "st.session_state.setdefault('c', st.container())",
    "with st itself": "with st: st.text(1)",
    "a result of a method": "class A:\n    @st.cache_data\n    def f(_self, x): pass\nA().f.clear(1)",
    "a step beyond JavaScript": "st.number_input('N', value=1, step=2**53)",
    "a step without end": "st.number_input('N', value=1.0, step=float('inf'))",
    "a number changes its type": "st.number_input('N', value=1.0 if st.checkbox('C') else 1, key='n')",
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_is_refused_and_not_answered(name):
    source = "try:\n" + "".join(f"    {line}\n" for line in LEFT_OUT[name].splitlines())
    source += "except Exception:\n    raise\n"
    book.forget_caches()
    book.STORE.clear()
    real = Real(source)
    real.run()
    with pytest.raises(LeftOut):
        mini = Session(source)
        view = mini.run()
        if "C" in real.widgets():
            mini.run({"C": True})
        elif "99" in source:
            assert view["main"] == [("exception", "StreamlitValueAboveMaxError")]
            mini.run()


def test_a_callback_of_a_fragment_alone_may_not_draw():
    source = (
        "def say(): st.text('said')\n"
        "@st.fragment\ndef f(): st.button('B', on_click=say)\nf()\n"
    )
    mini = Session(source)
    mini.run()
    with pytest.raises(LeftOut):
        mini.run({"B": True})


def test_a_disabled_widget_cannot_be_worked():
    mini = Session("st.slider('N', 0, 9, disabled=True)\n")
    mini.run()
    with pytest.raises(ValueError, match="disabled"):
        mini.run({"N": 3})


@given(
    some.sampled_from(["st.stop()", "st.rerun()"]),
    some.sampled_from(["except BaseException:", "finally:"]),
    some.sampled_from(["st.text(1)", "st.checkbox('D')", "st.container()", "pass"]),
    some.sampled_from(["st.text(2)", "with st.container(): st.text(2)", "pass"]),
)
@settings(calm, max_examples=12)
def test_who_catches_the_end_of_a_run_draws_nothing_more(end, catch, then, after):
    """Kind: a way round the end. Streamlit draws nothing more; the machine says that it will not follow."""
    source = f"st.text(0)\nif st.checkbox('C'):\n    try: {end}\n    {catch} {then}\n{after}\n"
    real, mini = Real(source), Session(source)
    assert real.run() == mini.run()
    if end == "st.stop()":
        theirs = real.run({"C": True})
        try:
            assert mini.run({"C": True}) == theirs
        except LeftOut as what:
            assert "after st.stop" in str(what)
        assert [kind for kind, *_ in theirs["main"]] == ["text", "checkbox"]


@pytest.mark.parametrize("what", ["len", "functools.partial(int, '3')", "int"])
def test_a_cache_of_what_has_no_source_is_left_out(what):
    book.STORE.clear()
    with pytest.raises(LeftOut, match="a cache of"):
        Session(f"import functools\nst.text(st.cache_data({what})())").run()


SWALLOW = {  # ways to catch whatever is raised; {} is the body
    "except": "try:\n{}\nexcept: st.text('caught')",
    "BaseException": "try:\n{}\nexcept BaseException as error: st.session_state.e = 1",
    "return": "def swallow():\n  try:\n{}\n  finally: return 1\nst.text(swallow())",
    "continue": "for _ in 'a':\n  try:\n{}\n  finally: continue",
    "stop": "try:\n{}\nexcept: st.stop()",
    "fail": "try:\n{}\nexcept: 1 / 0",
    "rerun": (
        "st.session_state.n = st.session_state.get('n', 0) + 1\n"
        "if st.session_state.n < 4:\n  try:\n{}\n  except: st.rerun()"
    ),
    "fragment": "@st.fragment\ndef part():\n  try:\n{}\n  except: pass\npart()",
}


@pytest.mark.parametrize("how", SWALLOW)
def test_who_catches_what_is_left_out_gets_no_page(how):
    """Kind: an answer after a refusal, in the same event or in a later one."""
    tried = 0
    for left_out in LEFT_OUT.values():
        body = "\n".join(f"    {line}" for line in left_out.splitlines())
        if "'C')" in left_out or "99" in left_out:
            continue  # it is left out at a later event
        book.STORE.clear()
        mini = Session(SWALLOW[how].format(body))
        for step in ({}, {}):
            with pytest.raises(LeftOut):
                mini.run(step)
        with pytest.raises(LeftOut):
            mini.view()
        tried += 1
    assert tried > 50
    assert Session("st.text(1)").run()["main"] == [("text", "1")], "another session"


def test_a_callback_that_catches_what_is_left_out_gets_no_page():
    source = "def f():\n  try: st.write(1)\n  except: pass\nst.button('B', on_click=f)"
    mini = Session(source)
    mini.run()
    for step in ({"B": True}, {}):
        with pytest.raises(LeftOut):
            mini.run(step)


def same_or_left_out(source, *steps):
    """Both machines agree after each step (True), or ours leaves something out (False)."""
    book.forget_caches()
    book.STORE.clear()
    mini, ours = Session(source), []
    try:
        ours = [mini.run(step, whole=True) for step in ({}, *steps)][-1]
    except LeftOut:
        return False
    book.forget_caches()
    real = Real(source)
    theirs = [real.run(step) for step in ({}, *steps)][-1]
    assert ours == theirs, source
    return True


@pytest.mark.parametrize(
    "place", ["container()", "sidebar", "columns(2)[1]", "expander('a')"]
)
def test_a_box_has_the_words_that_streamlit_gives_to_a_box(place):
    """Every word of Streamlit, called on a box without an argument and with one."""
    words = {*dir(book.st), *dir(DeltaGenerator), "open", "nothing"}
    words = sorted(word for word in words if not word.startswith("_"))
    same = [
        word
        for word in words
        for call in ("()", "('a')")
        if same_or_left_out(f"c = st.{place}\nd = c.{word}{call}\nst.text('end')")
    ]
    assert {"text", "button", "container", "form"} <= {*same}
    assert not {"session_state", "sidebar", "stop", "rerun", "fragment"} & {*same}


@pytest.mark.parametrize(
    "place", ["container()", "sidebar", "columns(1)[0]", "expander('a')", "form('f')"]
)
@pytest.mark.parametrize("use", ["st.text(c is None)", "c.text('x')", "st.text(c)"])
def test_with_gives_what_streamlit_gives(place, use):
    same = same_or_left_out(f"with st.{place} as c: {use}")
    assert same or (place, use) == ("expander('a')", "st.text(c)")


@pytest.mark.parametrize("word", ["text", "caption"])
@pytest.mark.parametrize("use", ["x is None", "bool(x)", "x == 5", "x in [x]", "x + 1"])
def test_what_is_drawn_is_not_nothing(word, use):
    assert same_or_left_out(f"x = st.{word}('a')\nst.text({use})")


@pytest.mark.parametrize("args", ["", "1", "x=1", "7", "o, 1"])
@pytest.mark.parametrize("of", ["o", "C"])
def test_a_cached_method_is_cleared_as_streamlit_clears_it(args, of):
    source = (
        "log = []\nclass C:\n    @st.cache_data\n    def f(_self, x): log.append(x)\n"
        f"o = C()\no.f(1); o.f(2)\n{of}.f.clear({args})\no.f(1); o.f(2)\nst.text(log)"
    )
    assert same_or_left_out(source) == (not args)


@given(
    some.lists(
        some.sampled_from("nan -nan 0.0 -0.0 inf -inf 1.0 5e-324 odd -odd".split()),
        min_size=2,
        max_size=6,
    )
)
@settings(calm, max_examples=30)
def test_floats_are_one_argument_if_their_bits_are(values):
    source = (
        "import struct\nnan, inf, log = float('nan'), float('inf'), []\n"
        "odd = struct.unpack('<d', (0x7FF8000000000005).to_bytes(8, 'little'))[0]\n"
        "@st.cache_data\ndef f(x): log.append(0)\n"
        f"for x in ({', '.join(values)},): f(x); f([x])\nst.text(len(log))"
    )
    assert same_or_left_out(source)


NUMBERS = "0 1 -1 2**53-1 2**53 -(2**53) 1.0 0.5 1e308 float('inf') None".split()


@given(some.sampled_from(NUMBERS), some.sampled_from(NUMBERS), some.booleans())
@settings(calm, max_examples=40)
def test_extreme_numbers_are_the_same_or_left_out(value, step, slider):
    shape = (
        "st.slider('N', value={}, step={})"
        if slider
        else "st.number_input('N', value={}, step={})"
    )
    same_or_left_out(shape.format(value, step))


RAISES = {  # a widget with the key k that Streamlit refuses
    "radio": "st.radio('N', ['a'], index=5, key='k')",
    "selectbox": "st.selectbox('N', ['a', 'b'], index=-1, key='k')",
    "slider": "st.session_state.k = 99\n  st.slider('N', 0, 9, key='k')",
    "button": "st.form('f').button('B', key='k')",
    "callback": "st.form('f').checkbox('C', key='k', on_change=print)",
    "said": "st.session_state.k = True\n  st.button('B', key='k')",
    "form": "st.form('f').form('k')",
}
AGAIN = (
    "st.radio('N', ['a'], key='k')",
    "st.selectbox('S', ['a', 'b'], key='k')",
    "st.slider('N', 0, 9, key='k')",
    "st.button('B', key='k')",
    "st.form('k')",
    "st.session_state.k = 1\nst.text(st.session_state.k)",
)


@pytest.mark.parametrize("raises", RAISES)
@pytest.mark.parametrize("again", AGAIN)
def test_a_widget_that_is_refused_leaves_what_it_leaves_in_streamlit(raises, again):
    same_or_left_out(f"try:\n  {RAISES[raises]}\nexcept ValueError: pass\n{again}")
    caught = "except Exception as e: st.text(type(e).__name__)"
    same = same_or_left_out(f"try:\n  {RAISES[raises]}\n{caught}\n{again}", {})
    assert same or raises in ("slider", "said", "button")


@pytest.mark.parametrize("word", ["st.radio", "st.selectbox", "st.sidebar.selectbox"])
@pytest.mark.parametrize("index", [0, 5, -1])
@pytest.mark.parametrize("call", ["print", "None"])
@pytest.mark.parametrize("key", ["None", "'k'"])
@pytest.mark.parametrize("first", ["", "st.checkbox('C', key='k')"])
def test_of_two_faults_the_one_is_told_that_streamlit_tells(
    word, index, call, key, first
):
    """Kind: a fault that is found before another that Streamlit finds first: a callback in a form, a bad index, a key
    that is taken."""
    word = word.replace("st.", "box.", 1) if "sidebar" not in word else word
    widget = f"{word}('S', ['x', 'y'], {index}, key={key}, on_change={call})"
    for box in ("st.form('F')", "st.container()"):
        assert same_or_left_out(f"{first}\nbox = {box}\n{widget}")


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("text", ["", "a", "ab", "abc", "abcd"])
@pytest.mark.parametrize("call", ["bad", "None"])
def test_a_text_too_long_is_entered_by_nobody(most, text, call):
    """Kind: a step that no user can take, noticed only after its callback has run."""
    source = "def bad(): 1 / 0\n"
    source += f"st.text_input('T', max_chars={most}, key='k', on_change={call})"
    mini, real = Session(source), Real(source)
    assert mini.run() == real.run()
    if len(text) > most:
        with pytest.raises(ValueError, match="no user can set text_input 'T'"):
            mini.run({"k": text})
        assert mini.view() == real.view()
    else:
        assert mini.run({"k": text}) == real.run({"k": text})


EVERYTHING = """
st.text((st.slider("a", 0, 9), st.number_input("b", value=1.5), st.checkbox("c")))
st.text((st.radio("d", ["x", "y"]), st.selectbox("e", [1, 2]), st.text_input("f")))
st.text((st.slider("g", 0, 9, key="k"), st.radio("h", ["x", "y"], key="l")))
if st.button("i"): st.stop()
st.text("end")
"""
GOOD = {"a": 5, "b": 2.5, "c": True, "d": "y", "e": 2, "f": "w", "k": 5, "l": "y"}
BAD = [None, "zzz", "", 99, -1, True, float("nan"), float("inf"), 10**400, [], b"x", 1j]


@given(some.data())
@settings(calm, max_examples=60)
def test_a_step_that_is_refused_changes_nothing(data):
    """Kind: half a step. Streamlit never sees the refused ones, and must agree afterwards."""
    real, mini = Real(EVERYTHING), Session(EVERYTHING)
    real.run(), mini.run()
    for _ in range(3):
        names = data.draw(some.permutations([*GOOD, "i"]))
        step = {n: GOOD.get(n, True) for n in names[: data.draw(some.integers(0, 4))]}
        wrong = data.draw(some.none() | some.sampled_from(sorted(GOOD)))
        bad = data.draw(some.sampled_from(BAD))
        if wrong is not None:
            step |= {wrong: bad}
        try:
            ours = mini.run(step)
        except ValueError as error:
            assert "no user can set" in str(error)
            assert mini.view() == real.view()
        except LeftOut:
            return event("left out")
        else:
            assert ours == real.run(step)
    return event("lived to the end")


@pytest.mark.parametrize(
    "use", ["box.text('x')", "box.container()", "box.checkbox('D')"]
)
@pytest.mark.parametrize(
    "box", ["st.container()", "st.sidebar.container()", "st.columns(2)[0].container()"]
)
def test_a_box_of_an_earlier_run_is_not_drawn_in(use, box):
    """Streamlit draws in it. Kind: a call that draws, and nothing is on the page."""
    source = f"box = {box}\nst.button('B', on_click=lambda box=box: {use})\n"
    mini, real = Session(source), Real(source)
    assert mini.run() == real.run()
    with pytest.raises(LeftOut, match="an earlier run"):
        mini.run({"B": True})
    handed = source.replace("lambda box=box: ", "print, args=(lambda: ").replace(
        f"{use})", f"{use},))"
    )
    assert same_or_left_out(handed), "to hand a box to a callback is not to use it"


def test_an_object_is_not_asked_for_its_text_where_streamlit_does_not_ask():
    shy = (
        "class Shy:\n    def __repr__(self): 1 / 0\n    def __call__(self, *a): pass\n"
    )
    call = "st.button('B', on_click=Shy(), args=(Shy(),))"
    assert same_or_left_out(shy + call, {"B": True})
