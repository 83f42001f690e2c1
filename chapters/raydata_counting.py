"""How the ray.data chapters count: calls by a log, operators by the plan's text, bytes by the store's own books.

Never by a clock. What leans on the inside of ray 2.60 (the executor's resource manager, the folder of spilled objects) stands
here and nowhere else, guarded by the pin in requirements.txt. Ray is imported late, after `engines` has set what it reads.
"""

import contextlib
import io
import math
import os
import re
import sys
import threading
import time
from pathlib import Path


class Log:
    """A file to which every worker appends lines; one write a line, so that lines stay whole and keep their order."""

    def __init__(self, path):
        from ray import cloudpickle

        # Workers on another node need not have this file.
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
        self.path = str(path)
        Path(path).touch()

    def note(self, *words):
        """Append one line; it survives the worker that wrote it."""
        line = " ".join(map(str, words)) + "\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def lines(self):
        """Return the lines so far, each a list of words."""
        return [line.split() for line in Path(self.path).read_text().splitlines()]

    def take(self):
        """Return the lines so far and forget them; for when no worker is writing."""
        lines = self.lines()
        os.truncate(self.path, 0)
        return lines


def plan(ds, part="Physical Plan (Optimized)"):
    """Return the operators of a plan, first one first, as in ['ReadRange->Map(f)', 'Sort'].

    Reads what `ds.explain()` prints. Raises ValueError where there is no such part, or a plan with two branches.
    """
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        ds.explain()
    pieces = re.split(r"-------- (.+?) --------\n", said.getvalue())
    parts = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    if part not in parts:
        raise ValueError(f"no {part!r} in the plan, only {sorted(parts)}")
    lines = [line for line in parts[part].splitlines() if line.strip()]
    depths = [len(line) - len(line.lstrip(" +-")) for line in lines]
    if depths != [3 * i for i in range(len(lines))]:
        raise ValueError(f"not a chain: {parts[part]}")
    names = [re.search(r"\[(.*)\]$", line)[1] for line in lines]
    return [name for name in reversed(names) if name != "Input"]


def ran(ds):
    """Return [(operator, tasks, CPU seconds of its tasks)] of a data set that has run, as `ds.stats()` tells it."""
    pattern = r"Operator \d+ (.+?): (\d+) tasks executed.*?cpu time: .*?([\d.]+)(us|ms|s) total"
    unit = {"us": 1e-6, "ms": 1e-3, "s": 1}
    found = re.findall(pattern, ds.stats(), re.DOTALL)
    return [(name, int(tasks), float(cpu) * unit[u]) for name, tasks, cpu, u in found]


# A turn of the executor's loop starts whatever may start; so many turns in which it starts nothing are no accident.
QUIET_TURNS = 10


class _Books:
    """An execution callback: asks the executor at each turn of its loop what it holds and may hold, in bytes."""

    samples, running, door, quiet = [], [], None, 0

    def on_execution_step(self, executor):
        books = executor._resource_manager
        now = time.monotonic()
        held = books.get_global_usage().object_store_memory
        limit = books.get_global_limits().object_store_memory
        _Books.samples.append((now, held, limit))
        running = tuple(op.num_active_tasks() for op in executor._topology)
        _Books.running.append((now, running))
        if _Books.door is not None:
            *makers, taker = running
            still = taker and not any(makers)
            _Books.quiet = _Books.quiet + 1 if still else 0
            if _Books.quiet == QUIET_TURNS:
                _Books.door.touch()

    def before_execution_starts(self, executor):
        """Nothing to do."""

    after_execution_succeeds = before_execution_starts

    def after_execution_fails(self, executor, error):
        """Nothing to do."""


class StoreMeter:
    """Within `with`, sample what the object store holds, from two sides.

    books: [(seconds, bytes, limit)] by the executor's own account, at each turn of its loop.
    store: [(seconds, bytes in memory, bytes spilled)] by the node, every `pause` seconds.
    running: [(seconds, tasks of each operator)] by the executor, the source first.
    door: a path for which the last operator waits, or None. The meter makes the file when the last operator has work and
    none of the others has had a task for QUIET_TURNS turns: they are done, or are held back.
    """

    def __init__(self, pause=0.05, door=None):
        self.pause, self.door = pause, door
        self.books, self.store, self.running = [], [], []

    def _watch(self):
        import ray

        size = ray.cluster_resources()["object_store_memory"]
        over = False
        while not over:  # the last time when all is over, however busy the machine is
            over = self._over.wait(self.pause)
            free = ray.available_resources().get("object_store_memory", 0.0)
            self.store.append((time.monotonic(), size - free, spilled_bytes()))

    def __enter__(self):
        from ray.data import DataContext

        _Books.samples, _Books.running, _Books.quiet = [], [], 0
        _Books.door = None if self.door is None else Path(self.door)
        self._context = DataContext.get_current()
        self._before = self._context.custom_execution_callback_classes
        self._context.custom_execution_callback_classes = [*self._before, _Books]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._context.custom_execution_callback_classes = self._before
        self.books = [(t - self._began, *rest) for t, *rest in _Books.samples]
        self.running = [(t - self._began, tasks) for t, tasks in _Books.running]
        self.store = [(t - self._began, *rest) for t, *rest in self.store]

    def peak(self):
        """Return the most bytes by the executor's account."""
        return max((held for _, held, _ in self.books), default=0)

    def at_once(self, operator):
        """Return the most tasks that the executor had given to an operator at a time; 1 is the first after the source."""
        return max((tasks[operator] for _, tasks in self.running), default=0)

    def limit(self):
        """Return the most bytes that the executor would allow itself."""
        return max((limit for _, _, limit in self.books), default=0)


def spilled_bytes():
    """Return the bytes of the objects that lie spilled on this node's disk now.

    Counted as files: `ds.stats()` needs grpc for it, which `ray[data]` lacks, and says 0.
    """
    import ray

    session = Path(ray._private.worker._global_node.get_session_dir_path())
    total = 0
    for path in session.glob("ray_spilled_objects*/**/*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def wait_at(door, patience=900):
    """Return when the file `door` exists; at once if there is no door. TimeoutError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while door and not Path(door).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the door stayed shut for {patience} s")
        time.sleep(0.02)


def _starts(column):
    """Return [(address, bytes)] of the buffers of an Arrow column."""
    chunks = [getattr(chunk, "storage", chunk) for chunk in column.chunks]
    return [(b.address, b.size) for chunk in chunks for b in chunk.buffers() if b]


def inside(values, column):
    """Do the values, an array or an Arrow column, lie in the buffers of the Arrow column?"""
    if hasattr(values, "chunks"):
        starts = [at for at, _ in _starts(values)]
    else:
        starts = [values.__array_interface__["data"][0]]
    room = _starts(column)
    return all(any(at <= start < at + n for at, n in room) for start in starts)


def dressed(block, form):
    """Return (column x of an Arrow table as a batch of the given format, CPU ns per row: the least of five)."""
    from ray.data.block import BlockAccessor

    best = math.inf
    for _ in range(5):
        began = time.process_time_ns()
        batch = BlockAccessor.for_block(block).to_batch_format(form)
        best = min(best, time.process_time_ns() - began)
    column = batch["x"]
    return column.to_numpy() if form == "pandas" else column, best / len(block)
