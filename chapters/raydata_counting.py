"""How the ray.data chapters count: calls by a log, operators by the plan's text, bytes by the store's own books.

Never by a clock. What leans on the inside of ray 2.60 (the executor's resource manager, the folder of spilled objects) stands
here and nowhere else, guarded by the pin in requirements.txt. Ray is imported late, after `engines` has set what it reads.
"""

import contextlib
import io
import itertools
import math
import os
import re
import sys
import threading
import time
from pathlib import Path
from unittest import mock

from hush import hushed


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

    @contextlib.contextmanager
    def span(self, stage, number):
        """Note when the work within `with` begins and ends, by the clock, and in which process."""
        for word in ("begins", "ends"):
            self.note(stage, word, number, time.monotonic(), os.getpid())
            if word == "begins":
                yield

    def noting(self, label):
        """Return a function of a batch that changes nothing and notes the task in which it runs."""

        def note(batch):
            import ray

            self.note(label, ray.get_runtime_context().get_task_id())
            return batch

        return note

    def lines(self):
        """Return the lines so far, each a list of words."""
        return [line.split() for line in Path(self.path).read_text().splitlines()]

    def take(self):
        """Return the lines so far and forget them; for when no worker is writing."""
        lines = self.lines()
        os.truncate(self.path, 0)
        return lines


def found(lines):
    """Return how many results each call found, in the order of the starts."""
    lines = list(lines)
    finds = {words[1]: int(words[2]) for words in lines if words[0] == "finds"}
    return [finds[words[1]] for words in lines if words[0] == "starts"]


def turns(lines, stage, word):
    """Return the places in the log of `stage` doing `word`."""
    return [i for i, line in enumerate(lines) if line[:2] == [stage, word]]


def before_the_door(lines):
    """Return how many blocks were decoded when the first `infer` ended."""
    lines = list(lines)
    first = turns(lines, "infer", "ends")[0]
    return sum(place < first for place in turns(lines, "decode", "ends"))


def loads_and_calls(log, ds, f, **how):
    """Return (loads, processes that loaded, calls) of f over the blocks of ds, by its notes `load` and `call`."""
    with hushed():  # a pool of actors starts with a line on stderr
        ds.map_batches(f, batch_size=None, **how).materialize()
    lines = log.take()
    loads = [process for word, *process in lines if word == "load"]
    return len(loads), len({*map(tuple, loads)}), lines.count(["call"])


def copying(log, watched, rows, last, full):
    """Return a function that notes its file, by its first id; if `full`, it fails at the last, when the others are there."""

    def work(batch):
        k = int(batch["id"][0]) // rows
        if k == last and full:
            wait_until(
                lambda: len([*watched.glob("*.parquet")]) == k, "the other files"
            )
            raise OSError("disk full")
        log.note("work", k)
        return batch

    return work


def in_blocks(table, n):
    """Return an Arrow table as a data set of n blocks of about the same size."""
    import ray

    at = [len(table) * i // n for i in range(n + 1)]
    return ray.data.from_arrow(
        [table.slice(a, b - a) for a, b in itertools.pairwise(at)]
    )


def build(rows, kib):
    """Return a data set of so many rows of so many KiB, made in one call."""
    import numpy as np
    import ray

    def widened(batch):
        return {"x": np.ones((len(batch["id"]), kib * 128))}

    one = ray.data.range(rows, override_num_blocks=1)
    return one.map_batches(widened, batch_size=None)


def shape(ds):
    """Return (blocks, rows of the largest block) of a data set with a column x."""
    rows = [len(batch["x"]) for batch in ds.iter_batches(batch_size=None)]
    return len(rows), max(rows)


def rows_per_block(ds):
    """Return the sizes of the blocks that are not empty, of a data set with a column key."""
    sizes = ds.map_batches(lambda batch: {"rows": [len(batch["key"])]}, batch_size=None)
    return sorted((row["rows"] for row in sizes.take_all()), reverse=True)


def group_sum(group):
    """Reduce the rows of one group to one row. OverflowError where the sum is no int64."""
    total = sum(group["value"].tolist())  # Python's integers do not wrap round
    if isinstance(total, int) and not -(2**63) <= total < 2**63:
        raise OverflowError(f"int64 cannot hold the sum {total}")
    return {"key": group["key"][:1], "value": [total]}


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


def store_from_tasks(tasks, stages):
    """Recount the most held by the model's store: a block lies from its maker's to its taker's end."""
    when = {(task.stage, task.block): task for task in tasks}
    change = []
    for (stage, block), task in when.items():
        if stage < len(stages) - 1:
            change += [(task.end, 0, 1), (when[stage + 1, block].end, 1, -1)]
    return max(itertools.accumulate(step for *_, step in sorted(change)), default=0)


def is_schedule(tasks, stages, blocks, slots):
    """Each block once through each stage in order, and no slot twice at a time?"""
    when = {(task.stage, task.block): task for task in tasks}
    whole = len(tasks) == len(when) == blocks * len(stages)
    for task in tasks:
        before = when[task.stage - 1, task.block].end if task.stage else 0
        whole &= task.start >= before and task.slot < slots[stages[task.stage].device]
    lanes = sorted((stages[t.stage].device, t.slot, t.start, t.end) for t in tasks)
    apart = all(x[:2] != y[:2] or x[3] <= y[2] for x, y in itertools.pairwise(lanes))
    return whole and apart


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

        whole = ray.cluster_resources()["object_store_memory"]
        over = False
        while not over:  # the last time when all is over, however busy the machine is
            over = self._over.wait(self.pause)
            free = ray.available_resources().get("object_store_memory", 0.0)
            on_disk = sum(
                size for path, size in spilled_files().items() if path not in self._left
            )
            self.store.append((time.monotonic(), whole - free, on_disk))

    def __enter__(self):
        from ray.data import DataContext

        _Books.samples, _Books.running, _Books.quiet = [], [], 0
        _Books.door = None if self.door is None else Path(self.door)
        self._context = DataContext.get_current()
        self._before = self._context.custom_execution_callback_classes
        self._context.custom_execution_callback_classes = [*self._before, _Books]
        self._left = set(spilled_files())  # of earlier runs, not yet deleted
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._context.custom_execution_callback_classes = self._before
        self.books = [(t - self.began, *rest) for t, *rest in _Books.samples]
        self.running = [(t - self.began, tasks) for t, tasks in _Books.running]
        self.store = [(t - self.began, *rest) for t, *rest in self.store]

    def peak(self):
        """Return the most bytes by the executor's account."""
        return max((held for _, held, _ in self.books), default=0)

    def at_once(self, operator):
        """Return the most tasks that the executor had given to an operator at a time; 1 is the first after the source."""
        return max((tasks[operator] for _, tasks in self.running), default=0)

    def spilled(self):
        """Return the most bytes that lay on disk."""
        return max((on_disk for *_, on_disk in self.store), default=0)

    def limit(self):
        """Return the most bytes that the executor would allow itself."""
        return max((limit for _, _, limit in self.books), default=0)


def spilled_files():
    """Return {path: bytes} of the files with spilled objects that lie on this node's disk now.

    Counted as files: `ds.stats()` needs grpc for it, which `ray[data]` lacks, and says 0.
    """
    import ray

    session = Path(ray._private.worker._global_node.get_session_dir_path())
    files = {}
    for path in session.glob("ray_spilled_objects*/**/*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                files[path] = path.stat().st_size
    return files


def wait_until(ready, what, patience=900):
    """Return when `ready()` is true. TimeoutError after `patience` seconds, saying for what."""
    deadline = time.monotonic() + patience
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience} s for {what}")
        time.sleep(0.02)


def wait_at(door, patience=900):
    """Return when the file `door` exists; at once if there is no door. TimeoutError after `patience` seconds."""
    wait_until(lambda: not door or Path(door).exists(), "the door to open", patience)


@contextlib.contextmanager
def settings(**wanted):
    """Within `with`, give Ray Data's settings other values."""
    from ray.data import DataContext

    context = DataContext.get_current()
    before = {name: getattr(context, name) for name in wanted}
    try:
        for name, value in wanted.items():
            setattr(context, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


@contextlib.contextmanager
def as_shipped(apart=False):
    """Within `with`, read Parquet and shuffle as Ray 2.60 does by default, and not as engines.py sets it.

    Made small without a change of what is read: one process reads the footers, for which the default reader starts 32 at each
    read; and a shuffle has 16 partitions, not 200. The default reader packs small row groups into one block; `apart` keeps each
    in a block of its own.
    """
    from ray.data.context import ShuffleStrategy

    knobs = {"RAY_DATA_PARQUET_FOOTER_NUM_ACTORS": "1"}
    if apart:
        knobs["RAY_DATA_PARQUET_BIN_PACKING_BYTES"] = "1"
    with (
        mock.patch.dict(os.environ, knobs),
        settings(
            use_datasource_v2=True,
            shuffle_strategy=ShuffleStrategy.SHUFFLE_V2,
            default_hash_shuffle_parallelism=16,
        ),
    ):
        yield


def outcome(action):
    """Return what `action()` returns, or the name of the error that it ended with."""
    try:
        return action()
    except Exception as error:
        return type(getattr(error, "cause", None) or error).__name__


def harm(raised=False, right=True, work=1, memory=1):
    """Return the kind of harm; work and memory are multiples of what is needed."""
    if raised:
        return "dead"
    if not right:
        return "wrong"
    if max(work, memory) <= 1:
        raise ValueError("no harm was seen")
    return "slow" if work > 1 else "heavy"


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
