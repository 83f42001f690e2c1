"""Runs workloads on the allocators of real processes, and measures them without disturbing what is measured.

A chapter calls `measure`. It starts this same file as a child process, under the asked-for allocator, hands it the
source of one workload (a function of a `Heap`), and returns what the workload noted down.
"""

import ctypes
import importlib.util
import inspect
import json
import mmap
import os
import platform
import subprocess
import sys
import tempfile
import textwrap
from array import array
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

PAGE = 4096
CAPACITY = 260_000  # objects that a workload may allocate in its life
SPAN = 1 << 20  # pages between its lowest and its highest address
RECORD = Path(__file__).parent.parent / "data" / "heap-measured.jsonl"


def libraries():
    """Return {name: library to preload} of the allocators found here; glibc's own needs none ('')."""
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return {}
    ray = importlib.util.find_spec("ray")
    wheel = [Path(ray.origin).parent / "core" / "libjemalloc.so"] if ray else []
    system = Path(f"/usr/lib/{platform.machine()}-linux-gnu")
    places = {
        "jemalloc": [*wheel, *system.glob("libjemalloc.so.2")],
        "mimalloc": sorted(system.glob("libmimalloc.so.*")),
        "tcmalloc": sorted(system.glob("libtcmalloc_minimal.so.*")),
    }
    found = {name: [p for p in paths if p.exists()] for name, paths in places.items()}
    return {"glibc": ""} | {
        name: str(paths[0]) for name, paths in found.items() if paths
    }


def measure(workload, allocator="glibc", env=None, data=b"", **arguments):
    """Run workload(heap, **arguments) in a child process under an allocator; return the dict that it notes.

    allocator: "glibc", "jemalloc", "mimalloc" or "tcmalloc". env: its settings, such as {"MALLOC_CONF": "..."}.
    data: bytes that the workload finds as heap.data, mapped from a file, outside the heap.
    Where that allocator is missing, the figures recorded when the book was made are returned instead.
    Raises ValueError where there is neither, RuntimeError with the child's own words when it fails.
    """
    key = " ".join([workload.__name__, allocator, json.dumps([env, arguments])])
    paths = libraries()
    if allocator not in paths:
        return _recorded(key)
    ours = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", "PYTHONMALLOC")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    preload = {"LD_PRELOAD": paths[allocator]} if paths[allocator] else {}
    with tempfile.NamedTemporaryFile() as file:
        file.write(data or b"\0")  # an empty file cannot be mapped
        file.flush()
        order = {
            "source": textwrap.dedent(inspect.getsource(workload)),
            "name": workload.__name__,
            "arguments": arguments,
            "data": file.name,
        }
        child = subprocess.run(
            [sys.executable, "-sP", __file__],
            input=json.dumps(order),
            env={**clean, **preload, **(env or {})},
            capture_output=True,
            text=True,
            timeout=3600,  # for a child that hangs, not for a slow machine
        )
    if child.returncode:
        raise RuntimeError(f"{workload.__name__} under {allocator}: {child.stderr}")
    noted = json.loads(child.stdout)
    if "RIDGE_RECORD" in os.environ:  # how data/heap-measured.jsonl is made
        with RECORD.open("a", encoding="utf-8") as record:
            record.write(json.dumps([key, noted]) + "\n")
    return noted


def measure_all(runs, at_once=2, **arguments):
    """Measure {name: (workload, allocator, settings, arguments)}, a few at once."""

    def one(run):
        workload, allocator, env, own = run
        return measure(workload, allocator, env, **arguments, **own)

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(runs, pool.map(one, runs.values()), strict=True))


def _recorded(key):
    """Return what was noted when the record was made; ValueError for a run that is not in it."""
    lines = RECORD.read_text(encoding="utf-8").splitlines()
    recorded = dict(map(json.loads, lines))
    if key not in recorded:
        raise ValueError(f"no such allocator here, and nothing recorded for {key!r}")
    return recorded[key]


class CLibrary:
    """malloc and free of this process, by address, for replaying a record at its limit of speed."""

    def __init__(self):
        library = ctypes.CDLL(None)
        self.malloc, self.free = library.malloc, library.free
        self.malloc.restype, self.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        self.free.restype, self.free.argtypes = None, [ctypes.c_void_p]


class Heap:
    """malloc and free of this process, by object number, with a ledger that stays outside the heap it describes.

    Every table is allocated once, before the baseline, and measuring writes into buffers that exist already:
    an ordinary read() would put a block at the top of the heap, and pin it.
    """

    def __init__(self, data):
        self.data = data
        self.c = ctypes.PyDLL(None)
        self.c.prctl(41, 1, 0, 0, 0)  # no transparent huge pages: a page is 4 KiB
        self.c.malloc.restype = ctypes.c_void_p
        self.c.malloc.argtypes = [ctypes.c_size_t]
        self.c.free.argtypes = [ctypes.c_void_p]
        self.c.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
        self.address = array("Q", [0]) * CAPACITY
        self.size = array("Q", [0]) * CAPACITY
        self.live = bytearray(CAPACITY)
        self.count = 0
        self.noted = {}
        self._curve = array("d", [0]) * 1000
        self._samples = 0
        self._in_memory = bytearray(SPAN)
        self._rollup = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
        self._buffer = bytearray(4096)
        self._baseline = 0
        self.resident()
        self.settle()

    def malloc(self, size):
        """Allocate `size` bytes, write to all of them, return the object's number."""
        number = self.count
        where = self.c.malloc(size)
        if where is None:
            raise MemoryError(f"malloc({size}) gave nothing")
        self.count = number + 1
        self.c.memset(where, 1, size)
        self.address[number], self.size[number], self.live[number] = where, size, 1
        return number

    def free(self, number):
        """Free a live object by its number."""
        if not self.live[number]:
            raise ValueError(f"object {number} is not alive")
        self.live[number] = 0
        self.c.free(self.address[number])

    def objects(self, size):
        """Yield the numbers of the live objects of one size, oldest first."""
        for number in range(self.count):
            if self.live[number] and self.size[number] == size:
                yield number

    def settle(self):
        """Measure from here on: make the resident memory of this moment the baseline."""
        self._baseline += self.resident()

    def resident(self):
        """Return the anonymous resident memory above the baseline, in bytes."""
        n = os.preadv(self._rollup, [self._buffer], 0)
        at = self._buffer.index(b"Anonymous:", 0, n) + 10
        return (
            int(self._buffer[at : self._buffer.index(b"kB", at)]) * 1024
            - self._baseline
        )

    def note(self, name, value=None):
        """Note down a value; without one, the resident memory in MB (10^6 bytes)."""
        self.noted[name] = self.resident() / 1e6 if value is None else value

    def sample(self):
        """Append the resident memory in MB to the noted curve."""
        self._curve[self._samples] = self.resident() / 1e6
        self._samples += 1

    def mallctl(self, name, kind=ctypes.c_size_t, new=None):
        """Return what jemalloc knows under a name, such as "arenas.nbins" (man jemalloc), and set it to `new` if given.

        Raises LookupError for a name that it does not know.
        """
        value, size = kind(), ctypes.c_size_t(ctypes.sizeof(kind))
        given = (
            (ctypes.byref(new), size) if new is not None else (None, ctypes.c_size_t())
        )
        code = self.c.mallctl(
            name.encode(), ctypes.byref(value), ctypes.byref(size), *given
        )
        if code:
            raise LookupError(f"jemalloc knows no {name!r}")
        return value.value

    def pages(self):
        """Return [[state, run length], ...] of the pages that objects ever touched, in order of address.

        State: "live" (a live object touches it), "retained" (resident without one), "returned" (not resident).
        """
        first = min(self.address[n] for n in range(self.count)) // PAGE
        last = (
            max(self.address[n] + self.size[n] - 1 for n in range(self.count)) // PAGE
        )
        if last - first >= SPAN:
            raise ValueError(f"addresses span {last - first} pages, more than {SPAN}")
        self._look(first, last)  # before the dict below disturbs the heap
        live = {}
        for number in range(self.count):
            low = self.address[number] // PAGE
            high = (self.address[number] + self.size[number] - 1) // PAGE
            for page in range(low, high + 1):
                live[page] = live.get(page) or self.live[number]

        def state(page):
            resident = self._in_memory[page - first]
            return "live" if live[page] else "retained" if resident else "returned"

        return [[k, len([*run])] for k, run in groupby(map(state, sorted(live)))]

    def _look(self, first, last):
        """Set _in_memory[i] to whether page first + i is resident, by bit 63 of its entry in the kernel's map."""
        table = os.open("/proc/self/pagemap", os.O_RDONLY)
        page = first
        while page <= last:
            n = os.preadv(table, [self._buffer], page * 8) // 8
            for i in range(min(n, last + 1 - page)):
                self._in_memory[page - first + i] = self._buffer[8 * i + 7] >> 7
            page += n
        os.close(table)


if __name__ == "__main__":
    order = json.load(sys.stdin)
    names = {}
    exec(order["source"], names)
    with open(order["data"], "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    heap = Heap(data)
    names[order["name"]](heap, **order["arguments"])
    curve = heap._curve[: heap._samples].tolist()
    json.dump({**heap.noted, "curve": curve}, sys.stdout)
