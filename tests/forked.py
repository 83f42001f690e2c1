"""Run a notebook once, and its changed versions from their first changed program on, each in a forked copy of that run.

    python tests/forked.py NOTEBOOK < {"jobs": [{name: source}, …], "seconds": patience, "side": copies at once}

A name is a cell's id or a module's file name. Writes one JSON list: for each job how it fell, None, or "alone" where a copy
cannot tell: a process with threads is not to be forked, and a module that is already imported is not read again.
Without "jobs" it runs what can be run, and writes the ids of the cells that fell.
"""

import json
import os
import re
import select
import signal
import sys
import tempfile
import time
from pathlib import Path


def threads():
    return (
        len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 0
    )


def first_cell(names, cells):
    """The number of the first cell that one of these programs can change."""
    imports = [rf"\b(import|from) {Path(n).stem}\b" for n in names if n.endswith(".py")]
    return next(
        n for n, (id, source) in enumerate(cells)
        if id in names or any(re.search(i, source) for i in imports)
    )  # fmt: skip


def run(shell, cells):
    """Run cells; return how one fell, or None."""
    for id, source in cells:
        result = shell.run_cell(source, store_history=False)
        if error := result.error_before_exec or result.error_in_exec:
            words = f"cell {id}: {type(error).__name__}: {error}"
            return "FELL " + " ".join(words.split())[:300]


def copy(shell, cells, changed):
    """Fork; the copy runs the rest with the changed programs. Return its process and the pipe that it answers by."""
    reading, writing = os.pipe()
    if pid := os.fork():
        os.close(writing)
        return pid, reading
    os.setsid()
    with tempfile.TemporaryDirectory() as folder:
        for name in changed:
            if name.endswith(".py"):
                Path(folder, name).write_text(changed[name], encoding="utf-8")
        sys.path.insert(0, folder)
        os.environ["PYTHONPATH"] = folder + os.pathsep + os.environ["PYTHONPATH"]
        how = run(shell, [(id, changed.get(id, source)) for id, source in cells])
    os.write(writing, json.dumps(how).encode())
    os._exit(0)


def ended(pid, reading, until):
    """What a copy answered; it is given up at the time `until`."""
    left = max(0, until - time.monotonic())
    answer = (
        os.read(reading, 65536) if select.select([reading], [], [], left)[0] else b""
    )
    os.close(reading)
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # it has gone, and nothing that it started is left
        pass
    os.waitpid(pid, 0)
    return json.loads(answer) if answer else "alone"


def main():
    order = json.load(sys.stdin)
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    import matplotlib

    matplotlib.use("agg")
    from IPython.core.interactiveshell import InteractiveShell

    shell, at_start = InteractiveShell.instance(), threads()
    notebook = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    cells = [
        (c["id"], "".join(c["source"]))
        for c in notebook["cells"]
        if c["cell_type"] == "code"
    ]
    if "jobs" not in order:
        fallen = [cell[0] for cell in cells if run(shell, [cell])]
        os.write(out, json.dumps(fallen).encode())
        os._exit(0)
    jobs, found, running = order["jobs"], ["alone"] * len(order["jobs"]), {}

    def wait():
        job = next(iter(running))
        found[job] = ended(*running.pop(job))

    starts = [first_cell(job, cells) for job in jobs]
    for n in range(max(starts, default=-1) + 1):
        for job, changed in enumerate(jobs):
            read = any(
                Path(name).stem in sys.modules
                for name in changed
                if name.endswith(".py")
            )
            if starts[job] == n and threads() == at_start and at_start and not read:
                running[job] = (
                    *copy(shell, cells[n:], changed),
                    time.monotonic() + order["seconds"],
                )
                if len(running) == order["side"]:
                    wait()
        if run(shell, cells[n : n + 1]):
            break  # what was to start later is run alone
    while running:
        wait()
    os.write(out, json.dumps(found).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
