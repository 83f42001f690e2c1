"""Run a command so that nothing of it outlives it:  guard.py COMMAND …

One command at a time holds the book; a second waits. However the command ends, or whoever called it, killed included,
a warden in a session of its own then kills every process that carries the run's mark in its environment (Linux; on
other systems those of the command's group) and removes the run's temporary folder. Standard library only, any Python.
"""

import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

MARK = "RIDGE_RUN"


def hold(path):
    """Return the open lock file of the book, when nobody else holds it. Raises SystemExit where nothing can be written."""
    try:
        path.parent.mkdir(exist_ok=True)
        lock = path.open("a")
    except OSError as error:
        sys.exit(f"{path.parent} cannot be written ({error.strerror}): copy the book to a folder of your own.")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("Another make is at work in this folder; waiting for it.", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def surroundings(folder):
    """Return the environment of the command: marked, in UTF-8, with the run's temporary folder, and a home that can be written."""
    mine = {
        "TMPDIR": str(folder),
        "PYTHONUTF8": "1",
        MARK: os.environ.get(MARK, "") + f":{folder.name}:",
    }
    home = os.environ.get("HOME", "")
    if not home or not os.access(home, os.W_OK):
        mine["HOME"] = str(folder)
    return os.environ | mine


def marked(mark):
    """Yield the ids of processes whose environment carries the mark."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes():
                yield int(path.parent.name)


def parent(pid):
    """Return the id of a process's parent, 0 where it cannot be known."""
    with suppress(OSError, ValueError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def watch(folder, guard, caller):
    """Wait until the guard is gone, or its caller; then end what is left of the run."""
    group = int(sys.stdin.readline() or 0)
    while not select.select([0], [], [], 1)[0] and parent(guard) in (0, caller):
        pass
    with suppress(OSError):
        if parent(guard) not in (0, caller):
            os.kill(guard, signal.SIGKILL)
    quiet = 0
    while quiet < 3:  # what was only starting shows a little later
        found = list(marked(f":{folder.name}:"))
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL) if group else None
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        quiet = 0 if found else quiet + 1
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


def main(command):
    lock = hold(Path(__file__).resolve().parents[1] / "_build" / "lock")
    folder = Path(tempfile.mkdtemp(prefix="ridge-"))
    told = [str(word) for word in (folder, os.getpid(), os.getppid())]
    warden = subprocess.Popen(
        [sys.executable, __file__, "--watch", *told],
        stdin=subprocess.PIPE,
        text=True,
        start_new_session=True,
        pass_fds=[lock.fileno()],  # the book stays held until the warden has tidied up
    )
    child = subprocess.Popen(command, env=surroundings(folder), start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: child.send_signal(n))
    warden.stdin.write(f"{child.pid}\n")
    warden.stdin.flush()
    code = child.wait()
    warden.communicate()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watch"]:
        watch(Path(sys.argv[2]), *map(int, sys.argv[3:]))
    else:
        sys.exit(main(sys.argv[1:]))
