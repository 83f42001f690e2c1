"""For chapters/snowflake-compute.ipynb: the nodes of a virtual warehouse, each a process with a cache on its own disk.

A node reads the shared files through pyarrow's filesystem interface: a folder by default, or any S3-compatible endpoint
when BOOK_S3_ENDPOINT is set (BOOK_S3_BUCKET, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say the rest). It listens on no
port; it reads orders from its standard input, and ends when that closes, also when the notebook was killed.
"""

import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from operator import index
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs


def store_uri(folder):
    """Return the address of the shared store: that folder, or a prefix of its name in the bucket of BOOK_S3_ENDPOINT."""
    endpoint = os.environ.get("BOOK_S3_ENDPOINT")
    if not endpoint:
        return Path(folder).resolve().as_uri()
    where = urlsplit(endpoint)
    if where.scheme not in ("http", "https") or not where.netloc:
        raise ValueError(
            f"BOOK_S3_ENDPOINT must be like http://host:port, got {endpoint!r}"
        )
    bucket = os.environ.get("BOOK_S3_BUCKET", "ridge-and-peak")
    region = os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    return (
        f"s3://{bucket}/{Path(folder).name}?endpoint_override={where.netloc}"
        f"&scheme={where.scheme}&region={region}&allow_bucket_creation=true"
    )


def make_table(store, rng, files=120, rows=1000):
    """Write `files` Parquet files of random sales; return their names and the total."""
    system, base = fs.FileSystem.from_uri(store)
    system.create_dir(base)
    names, total = [], 0
    for i in range(files):
        cents = rng.integers(1, 100_000, rows)
        names.append(f"sales-{i:03}.parquet")
        pq.write_table(
            pa.table({"cents": cents}), f"{base}/{names[-1]}", filesystem=system
        )
        total += int(cents.sum())
    return names, total


# A node of a page has to be small: one pool of memory, which gives back what it does not use.
_SMALL = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}


PATIENCE = 300  # seconds for a node to end by itself; only one that hangs takes so long


class NodeLost(RuntimeError):
    """A node stopped answering."""


class Node:
    """One process of a warehouse. `capacity` counts the files that its disk cache holds.

    Several threads may ask it; it answers one after the other.
    """

    def __init__(self, name, store, disk, capacity):
        if index(capacity) < 1:
            raise ValueError(f"a cache holds at least one file, got {capacity}")
        self.name, self._turn = name, threading.Lock()
        self.disk = Path(disk) / name
        self.disk.mkdir()
        order = json.dumps(
            {"store": store, "disk": str(self.disk), "capacity": capacity}
        )
        self.process = subprocess.Popen(
            [sys.executable, "-sP", __file__, order],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_SMALL},
            text=True,
        )

    def _ask(self, **order):
        try:
            with self._turn:  # or two who ask would read each other's answers
                self.process.stdin.write(json.dumps(order) + "\n")
                self.process.stdin.flush()
                answer = self.process.stdout.readline()
        except (BrokenPipeError, ValueError) as gone:
            raise NodeLost(self.name) from gone
        if not answer:
            raise NodeLost(self.name)
        answer = json.loads(answer)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer

    def scan(self, file, keep=True):
        """Return {"rows", "cents", "fetched", "bytes"} of one file; keep=False leaves the cache as it is."""
        return self._ask(file=file, keep=keep)

    def slow(self, seconds):
        """Sleep so long before each scan from now on."""
        self._ask(pause=seconds)

    def forget(self):
        """Empty the disk cache, as when a warehouse is suspended."""
        self._ask(forget=True)

    def resident(self):
        """Return the resident memory of the process in MB, or nan where /proc does not tell."""
        return self._ask(resident=True)["resident"]

    def kill(self):
        """End the process at once, as a machine that fails."""
        self.process.kill()
        self.process.wait()

    def close(self):
        """Let the process end by itself; kill it if it does not."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process.stdout.close()


class _Cache:
    """Files on the node's own disk; the one unused for longest makes room (LRU)."""

    def __init__(self, store, disk, capacity):
        self.fs, self.base = fs.FileSystem.from_uri(store)
        self.disk, self.capacity, self.held = Path(disk), capacity, OrderedDict()

    def fetch(self, file):
        with self.fs.open_input_file(f"{self.base}/{file}") as remote:
            return remote.read()

    def open(self, file, keep):
        """Return (something that Parquet can be read from, bytes fetched from the store)."""
        if file in self.held:
            self.held.move_to_end(file)
            return self.disk / file, 0
        data = self.fetch(file)
        if not keep:
            return pa.BufferReader(data), len(data)
        (self.disk / file).write_bytes(data)
        self.held[file] = None
        if len(self.held) > self.capacity:
            (self.disk / self.held.popitem(last=False)[0]).unlink()
        return self.disk / file, len(data)

    def forget(self):
        for file in self.held:
            (self.disk / file).unlink()
        self.held.clear()


def _total(column):
    """Return the exact sum of a column of whole numbers, however large; NULL adds nothing, as in SQL."""
    if not pa.types.is_integer(column.type):
        raise TypeError(f"cents are whole numbers, not {column.type}")
    return sum(column.drop_null().to_pylist())


def _resident():
    try:
        fields = Path("/proc/self/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return float("nan")


def _serve(store, disk, capacity):
    """Answer one line of JSON for each order on standard input, until it closes."""
    import time

    pa.set_cpu_count(1)
    cache, pause = None, 0.0
    for line in sys.stdin:
        order = json.loads(line)
        try:
            cache = cache or _Cache(store, disk, capacity)
            answer = {}
            if "pause" in order:
                pause = order["pause"]
            elif "forget" in order:
                cache.forget()
            elif "resident" in order:
                answer = {"resident": _resident()}
            else:
                time.sleep(pause)
                source, size = cache.open(order["file"], order["keep"])
                with pq.ParquetFile(source) as parquet:
                    table = parquet.read(columns=["cents"], use_threads=False)
                answer = {
                    "rows": len(table),
                    "cents": _total(table["cents"]),
                    "fetched": int(size > 0),
                    "bytes": size,
                }
        except Exception as error:  # told to the one who asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.modules["pandas"] = None  # pyarrow would load it, and nothing here needs it
    _serve(**json.loads(sys.argv[1]))
