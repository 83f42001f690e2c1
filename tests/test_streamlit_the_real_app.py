"""chapters/streamlit-the-real-app.ipynb: the server that ends, the graph under random rules, the explorer in numpy,
AppTest and a browser, the component in a browser, the app behind jupyter-server-proxy."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import networkx as nx
import pytest
import websocket
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from streamlit.testing.v1 import AppTest

sys.path.insert(0, str(CHAPTERS))
import streamlit_server  # noqa: E402
from streamlit_server import Server, Session, live  # noqa: E402

APP = CHAPTERS / "streamlit_explorer.py"
ONE = "import streamlit as st\nst.text(st.slider('x', 0, 9))\nprint('here', 1)\n"
METRICS = "[data-testid=stMetricValue]"


@pytest.fixture(scope="module")
def c():
    return chapter("streamlit-the-real-app")


@pytest.fixture(autouse=True)
def own_main():
    """AppTest leaves its script in the place of __main__."""
    mine = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = mine


@pytest.fixture
def app():
    return AppTest.from_file(str(APP), default_timeout=600).run()


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def gone(pid, seconds=600):
    deadline = time.time() + seconds
    while time.time() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


# The server and the small browser


def test_a_server_ends_with_its_block_also_on_failure():
    with pytest.raises(LookupError), Server(ONE) as server:
        port, process, folder = server.port, server.process, server._folder.name
        assert listens(port) and Path(folder).is_dir()
        with Session(server) as page:
            assert page.run().texts() == ["0"] and server.printed("here") == ["1"]
            assert server.printed("here") == [], "said once"
            page.widget("no such label")
    assert not process.runs() and not listens(port)
    assert not Path(folder).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal")
def test_a_server_ends_with_its_parent_even_when_that_is_killed():
    code = (
        f"import sys, time; sys.path.insert(0, {str(CHAPTERS)!r})\n"
        "from streamlit_server import Server\n"
        f"with Server({ONE!r}) as s: print(s.process.pid, flush=True); time.sleep(3600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        child = int(parent.stdout.readline())
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    assert gone(child)


def test_a_script_with_an_error_ends_its_run():
    with Server("import streamlit as st\nst.text(") as server, Session(server) as page:
        page.run()
        assert [m.what for m in page.log if m.kind == "script_finished"] == [
            "FINISHED_WITH_COMPILE_ERROR"
        ]


def test_bad_requests_say_what_is_wrong():
    with pytest.raises(TypeError, match="a script is text or a Path"):
        Server(7)
    with pytest.raises(RuntimeError, match="no Streamlit server came up"):
        Server(ONE, {"no.such.option": "1"}).start()


def test_elements_that_a_run_does_not_draw_leave_the_page():
    script = (
        "import streamlit as st\nfor i in range(st.slider('n', 0, 9)): st.text(i)\n"
    )
    with Server(script) as server, Session(server) as page:
        assert page.run().texts() == []
        assert page.change("n", 3).texts() == ["0", "1", "2"]
        assert page.change("n", 1).texts() == ["0"]


def test_without_servers_the_record_speaks_and_in_ci_it_does_not(
    monkeypatch, tmp_path, capsys
):
    def talk(server, x):
        with Session(server) as page:
            return [page.run().texts(), x]

    monkeypatch.setattr(streamlit_server, "RECORD", tmp_path / "live.json")
    monkeypatch.setenv("RIDGE_RECORD", "1")
    assert live(ONE, talk, x=(1, 2)) == [["0"], [1, 2]], "as JSON has it"
    monkeypatch.setenv("RIDGE_SERVERS", "0")
    monkeypatch.delenv("CI", raising=False)
    assert live(ONE, talk, x=(1, 2)) == [["0"], [1, 2]]
    assert "was recorded" in capsys.readouterr().out
    with pytest.raises(RuntimeError):
        live(ONE, talk, x=3)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(
        Server, "start", lambda self: (_ for _ in ()).throw(OSError("no"))
    )
    with pytest.raises(OSError, match="no"):
        live(ONE, talk, x=(1, 2))


def test_the_record_holds_an_answer_to_each_question_of_the_chapter():
    record = json.loads(streamlit_server.RECORD.read_text())
    talks = {key.split()[0] for key in record}
    source = (CHAPTERS / "streamlit-the-real-app.ipynb").read_text(encoding="utf-8")
    said = source + (CHAPTERS / "streamlit_talks.py").read_text(encoding="utf-8")
    assert talks and all(f"def {talk}(server" in said for talk in talks)
    # Four bills, two orders of rules, two prices, two drags: one call in a loop each.
    assert len(record) == source.count("live(") + 3 + 1 + 1


# The graph


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_graph_is_up_to_date_and_runs_only_what_is_downstream(c, data):
    inputs = {f"i{k}": 0 for k in range(data.draw(st.integers(1, 3)))}
    graph, arrows, rules = c.Graph(**inputs), nx.DiGraph(), {}
    arrows.add_nodes_from(inputs)
    for k in range(data.draw(st.integers(1, 7))):
        known = st.sampled_from(sorted(graph.values))
        sources = data.draw(st.lists(known, min_size=1, max_size=3, unique=True))
        modulus = data.draw(st.integers(1, 5))
        rules[f"r{k}"] = (lambda *v, m=modulus: sum(v) % m, sources)
        graph.rule(f"r{k}", *rules[f"r{k}"][:1], *sources)
        arrows.add_edges_from((s, f"r{k}") for s in sources)
    for _ in range(4):
        changed = data.draw(
            st.dictionaries(st.sampled_from(sorted(inputs)), st.integers(0, 3))
        )
        new = {name for name, x in changed.items() if graph.values[name] != x}
        graph.ran.clear()
        graph.set(**changed)
        expected = set().union(*(nx.descendants(arrows, name) for name in new))
        assert sorted(graph.ran) == sorted(expected)
        for name, (function, sources) in rules.items():
            assert graph.values[name] == function(*(graph.values[s] for s in sources))


def test_the_graph_refuses_what_it_cannot_keep(c):
    graph = c.Graph(a=1)
    graph.rule("b", abs, "a")
    for bad in (lambda: graph.rule("c", abs, "z"), lambda: graph.rule("b", abs, "a")):
        with pytest.raises(ValueError, match="cannot define"):
            bad()
    for bad in ({"b": 2}, {"z": 2}):
        with pytest.raises(ValueError, match="not an input"):
            graph.set(**bad)


# The explorer


def test_edited_logits_change_the_token_and_the_line(app):
    app.text_input[0].set_value("0, 0 2.5 1 0 1 -1").run()
    p = special.softmax([0, 0, 2.5, 1, 0, 1, -1])[2]
    assert app.metric[0].value == f"{p:.4f}"
    before = -special.log_softmax([0, 0, 2, 1, 0, 1, 0])[2]
    line = 0.9140 + (-special.log_softmax([0, 0, 2.5, 1, 0, 1, -1])[2] - before) / 8
    assert abs(float(app.metric[2].value) - line) < 1e-4
    app.selectbox[0].select_index(3).run()
    assert app.text_input[0].value == "0 0 0 3 0 1 0", "each token has its own row"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1 2 3", "7 logits are needed, not 3"),
        ("", "7 logits are needed, not 0"),
        ("0 0 0 0 0 0 x", "could not convert"),
        ("0 0 0 0 0 0 inf", "must be finite"),
    ],
)
def test_what_is_no_row_of_logits_is_refused(app, text, complaint):
    app.text_input[0].set_value(text).run()
    assert complaint in app.error[0].value and not app.metric and not app.exception
    assert len(app.table) == 1, "the lower half goes on working"


@pytest.mark.parametrize("nats", [0.0, 0.25, 0.914, 7.0])
def test_the_translator_agrees_from_all_four_names(app, nats):
    tokens, tables = 8, []
    given_values = [nats, nats / 0.6931471805599453, 2.718281828459045**nats]
    given_values.append(2.718281828459045 ** (-nats * tokens))
    for name, value in zip(app.selectbox[1].options, given_values, strict=True):
        app.selectbox[1].select(name)
        app.number_input[0].set_value(value)
        app.number_input[1].set_value(tokens).run()
        assert not app.exception and not app.error
        tables.append([float(x) for x in app.table[0].value["value"]])
    expected = [nats, given_values[1], given_values[2], -nats * tokens]
    for table in tables:
        assert table == pytest.approx(expected, abs=1e-3 * max(1, given_values[2]))


@pytest.mark.parametrize(("name", "value"), [(2, 0.5), (3, 0.0), (3, 1.5)])
def test_what_no_text_can_have_is_refused(app, name, value):
    app.selectbox[1].select_index(name)
    app.number_input[0].set_value(value).run()
    assert "No text has this" in app.error[0].value and not app.table


def test_browser_apptest_and_numpy_show_the_same_numbers(c, app, browser):
    with Server(APP) as server:
        page, hosts = browser.new_page(), set()
        page.set_default_timeout(600_000)  # only what hangs takes so long
        page.on("request", lambda r: hosts.add(urlparse(r.url).hostname))
        page.goto(server.url)
        shown = page.locator(METRICS)
        shown.first.wait_for(timeout=600_000)
        stored = json.loads(
            (CHAPTERS.parent / "data/streamlit-explorer.json").read_text()
        )
        for temperature, keys in (("1.0", 0), ("2.0", 4)):
            page.locator("[data-testid=stSlider] input").focus()
            for _ in range(keys):
                page.keyboard.press("ArrowRight")
            expected = c.explore(app, float(temperature))
            witness = stored[temperature]
            page.wait_for_function(
                "([q, t]) => document.querySelector(q)?.innerText == t",
                arg=[METRICS, expected[0]],
                timeout=600_000,
            )
            page.wait_for_selector("[data-test-script-state=notRunning]")
            assert shown.all_inner_texts() == expected == witness
        page.get_by_role("textbox", name="Logits after").fill("1 2 3")
        page.keyboard.press("Enter")
        page.get_by_text("7 logits are needed, not 3").wait_for(timeout=600_000)
        page.close()
    assert hosts <= {"127.0.0.1", None}, hosts


def test_the_component_takes_what_a_hand_types(c, browser):
    with Server(c.EDITOR) as server:
        page, hosts = browser.new_page(), set()
        page.set_default_timeout(600_000)  # only what hangs takes so long
        page.on("request", lambda r: hosts.add(urlparse(r.url).hostname))
        page.route(
            "**/*",
            lambda r: (
                r.continue_()
                if "127.0.0.1" in r.request.url or ":" not in r.request.url[:8]
                else r.abort()
            ),
        )
        page.goto(server.url)
        editor = page.frame_locator("iframe").locator(".ace_content")
        editor.wait_for(timeout=600_000)
        editor.click()
        page.keyboard.press("Control+A")
        page.keyboard.type("y = 2")
        page.keyboard.press("Control+Enter")
        page.get_by_text("[submit] y = 2").wait_for(timeout=600_000)
        page.close()
    assert "fonts.googleapis.com" in hosts, "if it no longer asks, the chapter errs"


# Binder


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A Jupyter server with jupyter-server-proxy, on loopback; gives (port, token)."""
    home = tmp_path_factory.mktemp("jupyter")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
            *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
            "--ServerApp.allow_remote_access=True",  # as behind a hub: other names for us
            f"--IdentityProvider.token={token}",
        ],
        cwd=home,
        env=os.environ | {"HOME": str(home), "JUPYTER_RUNTIME_DIR": str(home / "run")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.time() + 600
        while not listens(port) and time.time() < deadline:
            assert process.poll() is None, "jupyter did not start"
            time.sleep(0.1)
        yield port, token
    finally:
        process.terminate()
        process.wait(600)


@pytest.mark.parametrize("host", [None, "hub.example.org"])
def test_the_app_answers_through_the_proxy_of_binder(jupyter, host):
    port, token = jupyter
    with Server(APP) as server:
        path = f"127.0.0.1:{port}/proxy/{server.port}"
        for end in ("", "_stcore/health"):
            address = f"http://{path}/{end}?token={token}"
            assert urllib.request.urlopen(address, timeout=600).status == 200
        # A hub passes its own name on, as host and as origin.
        names = {"host": host, "origin": f"https://{host}"} if host else {}
        with Session(f"ws://{path}/_stcore/stream?token={token}", **names) as page:
            page.run()
            assert [m.what for m in page.deltas()].count("metric") == 4
            page.change("Temperature", 2.0)
            shown = [
                e.body for e in page.tree.values() if e.DESCRIPTOR.name == "Metric"
            ]
            assert "0.2714" in shown


def test_a_page_of_another_origin_is_turned_away(jupyter):
    port, token = jupyter
    with Server(APP) as server:
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            with Session(server, origin="https://elsewhere.example"):
                pass
        address = f"ws://127.0.0.1:{port}/proxy/{server.port}/_stcore/stream"
        with pytest.raises(websocket.WebSocketBadStatusException, match="403|302"):
            with Session(address):
                pass
        stranger = urllib.request.urlopen(
            f"http://127.0.0.1:{port}/proxy/{server.port}/", timeout=60
        )
        assert "/login" in stranger.url, "without the token there is no app"
