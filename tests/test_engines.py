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

RAY = """
ray, engine = engines.start_ray()
assert ray.get(ray.remote(lambda: 6 * 7).remote()) == 42
assert ray.data.range(10).sum("id") == 45
"""
SPARK = """
spark, engine = engines.start_spark()
assert spark.range(10).groupBy().sum().head()[0] == 45
assert spark.sparkContext.parallelize(range(10), 2).map(lambda x: x * x).sum() == 285
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
            timeout=400,
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
        assert not [pid for pid in seen["pids"] if psutil.pid_exists(pid)]
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
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    before = subprocess.Popen(sleeper)
    engine = engines.Engine("none", lambda: 1 / 0)  # a close that fails
    after = subprocess.Popen(sleeper)
    try:
        assert [p.pid for p in engine.processes()] == [after.pid]
        assert engine.stop() == (0, 0)
        assert before.poll() is None
        assert not psutil.pid_exists(after.pid)
    finally:
        for process in (before, after):
            process.kill()
            process.wait()


KILLED = """
import os, signal, subprocess
import engines
engine = engines.Engine("none", lambda: None)
# What was only starting writes when everybody else is gone.
late = f"sleep 12; mkdir -p {engine.folder}/late; touch {engine.folder}/late/written"
subprocess.Popen(["sh", "-c", late], start_new_session=True)
print(engine.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folder_of_a_killed_program_goes_and_stays_away():
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], cwd=CHAPTERS, stdout=subprocess.PIPE, text=True
    ) as program:
        folder = Path(program.stdout.readline().strip())
    assert program.returncode == -signal.SIGKILL
    time.sleep(14)  # the late writer has written
    deadline = time.monotonic() + 20
    while folder.exists():
        assert time.monotonic() < deadline, "nobody took the folder away"
        time.sleep(0.1)


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
