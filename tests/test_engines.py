"""chapters/engines.py with the real engines: started without a word, on loopback, and gone without a trace, also after a failure.

Ray and Spark run in a child process each, one after the other: together they would pass two gigabytes.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from chapter_code import CHAPTERS

sys.path.insert(0, str(CHAPTERS))
import engines  # noqa: E402


def runs(pid):
    """Does this process still do anything? One that is dead may be listed until somebody asks for its end."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(ready, what):
    """Wait until `ready()`; only after many minutes say what did not come."""
    deadline = time.monotonic() + engines.PATIENCE
    while not ready():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


RAY = """
ray, engine = engines.start_ray()
assert ray.get(ray.remote(lambda: 6 * 7).remote()) == 42
assert ray.data.range(10).sum("id") == 45
"""
SPARK = """
spark, engine = engines.start_spark()
assert spark.range(10).groupBy().sum().head()[0] == 45
assert spark.sparkContext.parallelize(range(10), 2).map(lambda x: x * x).sum() == 285
# with Python, Java speaks in the engine's folder, where nobody waits ten seconds for a secret
assert [*engine.folder.glob(".*.sock")] and engine.stop() == (0, 0)
spark, engine = engines.start_spark()
"""
FAILS = """
import json, os, sys
import psutil
import engines
{use}
tree = [psutil.Process(), *engines.children()]
ears = {{c.laddr.ip for p in tree for c in p.net_connections() if c.status == "LISTEN"}}
print(json.dumps(dict(pids=[p.pid for p in engine.processes()], ears=sorted(ears), folder=str(engine.folder))))
sys.stdout.flush()
raise RuntimeError("the program fails here")
"""


@pytest.mark.parametrize("use", [RAY, SPARK], ids=["ray", "spark"])
def test_an_engine_leaves_nothing_when_the_program_fails(use, tmp_path):
    # Paths of sockets are short: the folder is not pytest's own.
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        home = tmp_path / "home"
        home.mkdir()
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("RAY_", "SPARK_", "PYSPARK_"))
        }
        child = subprocess.run(
            [sys.executable, "-c", FAILS.format(use=use)],
            env=clean | {"HOME": str(home), "TMPDIR": temporary},
            cwd=CHAPTERS,
            capture_output=True,
            text=True,
            timeout=engines.PATIENCE,
        )
        said, complaint = child.stdout.splitlines(), child.stderr.splitlines()
        assert child.returncode == 1 and len(said) == 1, child.stdout + child.stderr
        assert complaint[0].startswith("Traceback"), child.stderr
        assert complaint[-1] == "RuntimeError: the program fails here", child.stderr
        seen = json.loads(said[0])
        assert len(seen["pids"]) >= 1 and seen["folder"].startswith(temporary)
        assert seen["ears"], "an engine listens somewhere"
        assert {ear.removeprefix("::ffff:") for ear in seen["ears"]} <= {
            "127.0.0.1",
            "::1",
        }
        wait_until(lambda: not any(map(runs, seen["pids"])), "the engine's processes")
        assert [*Path(temporary).iterdir()] == []
        assert [*home.iterdir()] == []


def test_an_engine_that_does_not_start_is_stopped(monkeypatch):
    stopped = []
    engine = engines.Engine("none", lambda: stopped.append(True))
    with pytest.raises(KeyboardInterrupt), engines._or_stop(engine):
        raise KeyboardInterrupt
    assert stopped and not engine.folder.exists()
    assert engine.stop() == (0, 0), "may be called twice"


def test_stop_ends_what_the_engine_started_and_nothing_else():
    sleeper = [sys.executable, "-c", "import time; time.sleep(3600)"]
    before = subprocess.Popen(sleeper)
    engine = engines.Engine("none", lambda: 1 / 0)  # a close that fails
    after = subprocess.Popen(sleeper)
    try:
        assert [p.pid for p in engine.processes()] == [after.pid]
        assert engine.stop() == (0, 0)
        assert before.poll() is None
        assert not runs(after.pid)
    finally:
        for process in (before, after):
            process.kill()
            process.wait()


KILLED = """
import os, signal, subprocess, sys
import engines
engine = engines.Engine("none", lambda: None)
# What was only starting writes when everybody else is gone, and the folder too.
late = 'while [ -e "$0" ]; do sleep 0.1; done; mkdir -p "$0/late"; touch "$0/late/written" "$1"'
subprocess.Popen(["sh", "-c", late, engine.folder, sys.argv[1]], start_new_session=True)
print(engine.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folder_of_a_killed_program_goes_and_stays_away(tmp_path):
    written = tmp_path / "written"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, written],
        cwd=CHAPTERS,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        folder = Path(program.stdout.readline().strip())
    assert program.returncode == -signal.SIGKILL
    wait_until(written.exists, "the late writer")
    wait_until(lambda: not folder.exists(), "somebody who takes the folder away")


@pytest.mark.parametrize("usual", ["/a" * 20, "/tmp/横看", "/tmp/a b", "/tmp"])
def test_only_a_short_and_plain_temporary_folder_is_taken(monkeypatch, usual):
    """The path of a socket has room for a short folder only, and Ray reads it as ASCII."""
    monkeypatch.setattr(tempfile, "tempdir", usual)
    engine = engines.Engine("none", lambda: None)
    assert engine.folder.parent == Path("/tmp")
    assert engine.stop() == (0, 0)


def test_no_place_to_write_is_said_in_words(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/proc/none")
    with pytest.raises(OSError, match="set TMPDIR to a folder"):
        engines.Engine("none", lambda: None)


def test_the_store_goes_where_it_fits(tmp_path):
    assert engines._store_folder(2**60, tmp_path) == str(tmp_path)
    if os.access("/dev/shm", os.W_OK):
        assert engines._store_folder(0, tmp_path) is None


def test_a_free_port_can_be_bound():
    for _ in range(20):
        port = engines._free_port()
        assert 20000 <= port < 32000
        with socket.socket() as held:
            held.bind(("127.0.0.1", port))


def test_hushed_silences_python_descriptors_and_children(capfd):
    with engines.hushed():
        print("python")
        print("python", file=sys.stderr)
        os.write(1, b"descriptor")
        os.write(2, b"descriptor")
        subprocess.run(["echo", "child"], check=True)
    print("heard")
    with pytest.raises(ZeroDivisionError), engines.hushed():
        1 / 0  # noqa: B018
    os.write(2, b"heard")
    assert tuple(capfd.readouterr()) == ("heard\n", "heard")
