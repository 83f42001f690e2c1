"""A Streamlit server on loopback, and a browser without a window: what a chapter needs to look at both ends of the wire.

    def talk(server):
        with Session(server) as page:
            page.run()                         # what a browser asks for when a page is opened
            page.change("x", 3)                # what it says when a slider was moved
            return page.texts(), server.printed("work")

    live(SCRIPT, talk)

A Session keeps what a browser keeps (the elements of the page, the values of its widgets) and says what a browser says.
"""

import ctypes
import hashlib
import io
import json
import multiprocessing
import os
import platform
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import websocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

PATIENCE = 600  # seconds of silence after which we give up; no result depends on it
RECORD = Path(__file__).parent.parent / "data" / "streamlit-live.json"
OPTIONS = {
    "server.headless": "true",
    "server.address": "127.0.0.1",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "viewer",
}
_said = []  # whether the reader was told that figures are recorded ones


def live(script, talk, options=None, **arguments):
    """Start a server that runs `script`, return what talk(server, **arguments) finds, as JSON has it; end the server.

    options: settings of the server. Where none can be started, or RIDGE_SERVERS=0 forbids it, the answer recorded when
    the book was made is returned instead, and a line says so. In CI that is an error, as is an answer that was never
    recorded (RuntimeError, with the server's own words).
    """
    mark = hashlib.sha256(script.encode()).hexdigest()[:8]
    key = " ".join([talk.__name__, mark, json.dumps([options, arguments])])
    try:
        if os.environ.get("RIDGE_SERVERS") == "0" and not os.environ.get("CI"):
            raise RuntimeError("RIDGE_SERVERS=0 asks for no servers")
        server = Server(script, options).start()
    except (OSError, RuntimeError):
        record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        if os.environ.get("CI") or key not in record:
            raise
        if not _said:
            print("no server on this machine: what follows was recorded")
            _said.append(True)
        return record[key]
    with server:
        found = json.loads(json.dumps(talk(server, **arguments)))
    if os.environ.get("RIDGE_RECORD"):
        record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        rows = [
            f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}"
            for k, v in sorted((record | {key: found}).items())
        ]
        RECORD.write_text("{" + ",\n".join(rows) + "}\n")
    return found


LIBC = ctypes.CDLL(None) if platform.system() == "Linux" else None


def _die_with_parent():
    """Have the kernel end this process when the one that started it ends, however that ends."""
    LIBC.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Spawned:
    """A new interpreter that runs `streamlit` with these words; all that it says goes to a file."""

    def __init__(self, words, home, said):
        ours = {k: v for k, v in os.environ.items() if not k.startswith("STREAMLIT_")}
        with open(said, "w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-m", "streamlit", *words],
                cwd=home,
                # No settings from the reader's home, and nothing written there.
                env=ours | {"HOME": home, "PYTHONUSERBASE": site.getuserbase()},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent if LIBC else None,
            )

    @property
    def pid(self):
        return self.process.pid

    def runs(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()


class Forked:
    """The same from a process that has imported Streamlit already: a start takes a fraction of the time.

    That process is multiprocessing's fork server. Its children end with the one that asked for them, and then it does.
    """

    _method = None

    def __init__(self, words, home, said):
        if Forked._method is None:
            Forked._method = multiprocessing.get_context("forkserver")
            Forked._method.set_forkserver_preload([__name__, "streamlit_ready"])
        self.process = Forked._method.Process(
            target=_streamlit, args=(words, home, str(said)), daemon=True
        )
        self.process.start()

    @property
    def pid(self):
        return self.process.pid

    def runs(self):
        return self.process.is_alive()

    def kill(self):
        self.process.kill()
        self.process.join()


def _end_with_parent():
    """End this process when the one that asked for it ends; the fork server ends when all of its children have."""
    multiprocessing.parent_process().join()
    os._exit(0)


def _streamlit(words, home, said):
    """Be `streamlit` with these words, in a process made by fork; all that is said goes to a file, unbuffered."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    for name, number in (("stdout", 1), ("stderr", 2)):
        raw = open(number, "wb", buffering=0, closefd=False)
        setattr(sys, name, io.TextIOWrapper(raw, write_through=True))
    for name in [n for n in os.environ if n.startswith("STREAMLIT_")]:
        del os.environ[name]
    os.environ |= {"HOME": home, "PYTHONUSERBASE": site.getuserbase()}
    os.chdir(home)
    from streamlit.web import cli

    cli.main(words, prog_name="streamlit")


class Server:
    """`streamlit run` in a child process, on loopback alone. As a context it ends with its block, also on failure.

    script: source text, or the Path of an app. options: further settings of Streamlit, such as {"theme.base": "dark"}.
    Raises RuntimeError, with the server's own words, when it does not come up.
    """

    def __init__(self, script, options=None):
        if not isinstance(script, (str, Path)):
            raise TypeError(f"a script is text or a Path, got {type(script).__name__}")
        self.script, self.options = script, OPTIONS | (options or {})
        self.process = None

    def start(self):
        """Start the server and wait until it answers; return self."""
        self._folder = tempfile.TemporaryDirectory()
        home = Path(self._folder.name)
        path = self.script
        if isinstance(path, str):
            path = home / "app.py"
            path.write_text(self.script, encoding="utf-8")
        self._said, self._read = home / "said", 0
        try:
            for _ in range(3):  # somebody may take the port before us
                self._launch(path.resolve())
                if self._answers():
                    return self
                self._end()
                if "not available" not in self.words:  # another reason than the port
                    break
            raise RuntimeError(f"no Streamlit server came up:\n{self.words}")
        except BaseException:
            self.stop()
            raise

    def _launch(self, path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        flags = [f"--{name}={value}" for name, value in self.options.items()]
        words = ["run", str(path), f"--server.port={self.port}", *flags]
        start = Forked if LIBC else Spawned
        self.process = start(words, self._folder.name, self._said)

    def _answers(self):
        """Wait until our server says that it is well; False when its process has ended, or says nothing for too long."""
        deadline = time.monotonic() + PATIENCE
        while self.process.runs() and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.url + "_stcore/health", timeout=60):
                    return self.process.runs()
            except OSError:
                time.sleep(0.05)
        return False

    def _end(self):
        """Kill the process, which has nothing to tidy up: its folder is ours, its pages are closed."""
        if self.process is not None and self.process.runs():
            self.process.kill()

    def stop(self):
        """End the process and remove its folder; harmless when done twice."""
        self._end()
        self._folder.cleanup()

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *error):
        self.stop()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    @property
    def words(self):
        """All that the server and its scripts have printed."""
        return self._said.read_text(encoding="utf-8") if self._said.exists() else ""

    def until(self, line):
        """Wait until a script has printed this line; raise TimeoutError when none does."""
        deadline = time.monotonic() + PATIENCE
        while line not in self.words.splitlines():
            if time.monotonic() > deadline:
                raise TimeoutError(f"no script printed {line!r}:\n{self.words}")
            time.sleep(0.01)

    def printed(self, word, least=0):
        """Return what scripts printed after `word` in lines that begin with it, since this was last asked.

        Waits for `least` such lines; raises TimeoutError when they do not come.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            lines = self.words.splitlines()
            new = [
                line.removeprefix(word).strip()
                for line in lines[self._read :]
                if line.split()[:1] == [word]
            ]
            if len(new) >= least:
                self._read = len(lines)
                return new
            if time.monotonic() > deadline:
                raise TimeoutError(f"fewer than {least} lines {word!r}:\n{self.words}")
            time.sleep(0.01)


class Message(NamedTuple):
    """One message from the server: ("delta", "text", 99, "9af3…"); mark tells equal contents of deltas."""

    kind: str
    what: str
    size: int
    mark: str


class Session:
    """One open page: a websocket, the elements drawn, the values of the widgets.

    address: a Server, or the ws:// address of one; options go to websocket.create_connection.
    log: the messages since the last event was sent. sent: the size in bytes of that event.
    """

    def __init__(self, address, **options):
        if isinstance(address, Server):
            address = f"ws://127.0.0.1:{address.port}/_stcore/stream"
        self.address, self.options = address, options

    def __enter__(self):
        self.socket = websocket.create_connection(
            self.address, subprotocols=["streamlit"], timeout=PATIENCE, **self.options
        )
        self.tree, self.drawn, self.fragments = {}, set(), {}
        self.values, self.log, self.sent = {}, [], 0
        return self

    def __exit__(self, *error):
        self.socket.close()

    # What a browser says

    def send(self, fragment=None):
        """Ask for a run with the present values of the widgets: of the script, or of one fragment of it."""
        event = BackMsg()
        event.rerun_script.query_string = ""
        if fragment:
            event.rerun_script.fragment_id = fragment
        event.rerun_script.widget_states.widgets.extend(self.values.values())
        # A click is told once; the next event must not repeat it.
        self.values = {
            name: state
            for name, state in self.values.items()
            if state.WhichOneof("value") != "trigger_value"
        }
        data = event.SerializeToString()
        self.log, self.sent = [], len(data)
        self.socket.send_binary(data)

    def set(self, label, value):
        """Give a widget a value and tell nobody yet; return the fragment that it stands in, or None."""
        element = self.widget(label)
        state = WidgetState(id=element.id)
        kind = element.DESCRIPTOR.name
        if kind == "Slider":
            state.double_array_value.data.append(value)
        elif kind == "Button":
            state.trigger_value = value
        elif kind == "TextInput":
            state.string_value = value
        elif kind == "ComponentInstance":
            state.json_value = json.dumps(value)
        else:
            raise TypeError(f"this small browser cannot work a {kind}")
        self.values[element.id] = state
        return self.fragments.get(element.id)

    # What it hears

    def receive(self):
        """Hear one message, do what it says, and return it."""
        data = self.socket.recv()
        message = ForwardMsg.FromString(data)
        kind, what, mark = message.WhichOneof("type"), "", ""
        if kind == "new_session":
            self.drawn = set()
        elif kind == "delta":
            what = self._draw(tuple(message.metadata.delta_path), message.delta)
            mark = hashlib.sha256(message.delta.SerializeToString()).hexdigest()[:8]
        elif kind == "session_status_changed":
            running = message.session_status_changed.script_is_running
            what = "running" if running else "idle"
        elif kind == "script_finished":
            what = ForwardMsg.ScriptFinishedStatus.Name(message.script_finished)
            if what == "FINISHED_SUCCESSFULLY":  # what this run did not draw goes
                self.tree = {p: e for p, e in self.tree.items() if p in self.drawn}
        self.log.append(Message(kind, what, len(data), mark))
        return self.log[-1]

    def _draw(self, path, delta):
        kind = delta.WhichOneof("type")
        if kind == "add_block":
            self.tree = {p: e for p, e in self.tree.items() if p[: len(path)] != path}
            return delta.add_block.WhichOneof("type") or "container"
        if kind != "new_element":  # a spinner, or rows for a table
            return kind
        what = delta.new_element.WhichOneof("type")
        element = getattr(delta.new_element, what)
        self.tree[path] = element
        self.drawn.add(path)
        if delta.fragment_id and hasattr(element, "id"):
            self.fragments[element.id] = delta.fragment_id
        return what

    def finish(self):
        """Hear everything until no run is going on and none has been called off for another; return self."""
        ended = ""
        while True:
            message = self.receive()
            if message.kind == "script_finished":
                ended = message.what
            if message.what == "idle" and ended != "FINISHED_EARLY_FOR_RERUN":
                return self

    def until(self, text):
        """Hear everything until the page shows this text; return self."""
        while text not in self.texts():
            self.receive()
        return self

    # Both

    def run(self, fragment=None):
        """Ask for a run and hear it to its end; return self."""
        self.send(fragment)
        return self.finish()

    def change(self, label, value=True):
        """Work a widget and hear the run that follows, of its fragment alone where it has one; return self."""
        return self.run(self.set(label, value))

    # What the page shows

    def texts(self):
        """Return the words of the page's st.text elements, from top to bottom."""
        elements = [self.tree[path] for path in sorted(self.tree)]
        return [e.body for e in elements if e.DESCRIPTOR.name == "Text"]

    def widget(self, label):
        """Return the widget with this label (a component's is its name). Raises LookupError when there is none."""
        for element in self.tree.values():
            name = getattr(element, "label", None) or getattr(
                element, "component_name", None
            )
            if name == label and getattr(element, "id", ""):
                return element
        raise LookupError(f"no widget {label!r} on the page")

    def deltas(self):
        """Return the messages of the log that draw something."""
        return [message for message in self.log if message.kind == "delta"]
