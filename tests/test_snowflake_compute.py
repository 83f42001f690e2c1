"""What the notebook on elastic compute cannot check about itself: any input, bad input, races, deaths, and the S3 door."""

import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import cache
from pathlib import Path

import duckdb
import mpmath
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

sys.path.insert(0, str(CHAPTERS))
from snowflake_worker import Node, NodeLost, store_uri

compute = chapter("snowflake-compute")
names = st.lists(st.text("abcdef", min_size=1), min_size=1, max_size=5, unique=True)
quick = settings(max_examples=60, deadline=None)


# --- placement ---------------------------------------------------------------


@quick
@given(names, st.integers(1, 5), st.floats(0, 1, exclude_max=True))
def test_a_ring_gives_each_position_to_the_next_point(names, v, x):
    ring = compute.Ring(names, v)
    points = {
        compute.number(f"/{name}/{k}") / 2**64: name for name in names for k in range(v)
    }
    later = [p for p in points if p > x]
    assert ring.place(x) == points[min(later) if later else min(points)]
    assert ring.place(x) == compute.Ring(names[::-1], v).place(x)
    for x in points:  # a position on a point goes to the next one
        later = [p for p in points if p > x]
        assert ring.place(x) == points[min(later) if later else min(points)]
    assert sum(compute.shares(ring).values()) == pytest.approx(1)
    assert min(compute.shares(ring).values()) > 0


@quick
@given(names, st.integers(1, 5), st.lists(st.floats(0, 1, exclude_max=True)))
def test_on_a_ring_files_move_to_the_newcomer_only(names, v, positions):
    old, new = compute.Ring(names, v), compute.Ring([*names, "new"], v)
    assert all(new.place(x) in (old.place(x), "new") for x in positions)


@pytest.mark.parametrize("arguments", [([], 64), (["a"], 0), (["a"], -1)])
def test_a_ring_without_points_is_refused(arguments):
    with pytest.raises(ValueError, match="needs a node"):
        compute.Ring(*arguments)


def test_numbers_are_the_same_in_every_process():
    code = "import hashlib; print(int.from_bytes(hashlib.blake2b(b'sales-007', digest_size=8).digest()))"
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
        )
        assert int(told.stdout) == compute.number("sales-007") < 2**64


# --- schedules and caches ----------------------------------------------------


@quick
@given(
    st.lists(st.lists(st.floats(0.1, 10), max_size=6), min_size=1, max_size=5),
    st.data(),
)
def test_stealing_does_all_work_once_and_leaves_nobody_idle(queues, data):
    speeds = data.draw(
        st.lists(st.floats(0.1, 5), min_size=len(queues), max_size=len(queues))
    )
    done = compute.schedule(queues, speeds, compute.steal)
    sizes = sorted((end - start) * speeds[node] for node, start, end in done)
    np.testing.assert_allclose(sizes, sorted(sum(queues, [])), rtol=1e-9, atol=1e-9)
    last_start = max((start for _, start, _ in done), default=0)
    for node in range(len(queues)):
        ends = [end for n, _, end in done if n == node]
        assert not done or max(ends, default=0) >= last_start - 1e-9
    alone = compute.schedule(queues, speeds, compute.take_own)
    for node, queue in enumerate(queues):
        ends = [end for n, _, end in alone if n == node]
        assert max(ends, default=0) == pytest.approx(sum(queue) / speeds[node])


@quick
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=80),
    st.dictionaries(st.integers(1, 79), st.integers(1, 6), max_size=4),
    st.integers(1, 4),
)
def test_laziness_never_moves_more_also_by_modulo(requests, sizes, capacity):
    sizes = {0: 3} | sizes
    setting = requests, sizes, capacity, lambda file, nodes: file % len(nodes)
    lazy, nothing = compute.replay(*setting)
    eager, pushes = compute.replay(*setting, compute.push_all)
    assert not nothing.any()
    assert (~lazy).sum() <= (~eager).sum() + pushes.sum()


@quick
@given(st.lists(st.integers(1, 20), min_size=3, max_size=6), st.integers(1, 5))
def test_the_two_exact_hit_rates_agree(weights, size):
    p = np.array(weights) / sum(weights)
    size = min(size, len(p) - 1)
    exact = compute.king(p.tolist(), size)
    assert compute.by_integral(p, size) == pytest.approx(exact, abs=1e-6)
    t = optimize.brentq(lambda t: (1 - np.exp(-p * t)).sum() - size, 0, 1e6)
    by_bisection = p @ (1 - np.exp(-p * t))
    assert compute.che(p, size) == pytest.approx(by_bisection, abs=1e-6)


@pytest.mark.parametrize("size", [0, 5, 6, -1])
def test_che_refuses_a_cache_that_holds_nothing_or_all(size):
    with pytest.raises(ValueError, match="needs 0 < size < 5"):
        compute.che(np.full(5, 0.2), size)


@quick
@given(
    st.lists(
        st.just(0.0) | st.floats(1e-300, 1e-200) | st.floats(1e-9, 1),
        min_size=2,
        max_size=8,
    ).filter(lambda weights: sum(w > 0 for w in weights) > 1),
    st.data(),
)
def test_che_knows_files_that_are_hardly_or_never_asked_for(weights, data):
    """The witness solves for T in 60 digits."""
    p = np.array(weights) / sum(weights)
    asked = [mpmath.mpf(float(x)) for x in p if x > 0]
    size = data.draw(st.integers(1, 8))
    if size >= len(asked):
        with pytest.raises(ValueError, match=f"needs 0 < size < {len(asked)}"):
            compute.che(p, size)
        return
    with mpmath.workdps(60):
        low, high = mpmath.mpf(0), mpmath.mpf(10) ** 310
        for _ in range(1300):  # a bisection of the exponent first, then of the number
            middle = mpmath.sqrt((low or mpmath.mpf(10) ** -3) * high)
            full = sum(-mpmath.expm1(-x * middle) for x in asked) >= size
            low, high = (low, middle) if full else (middle, high)
            if high / (low or 1) - 1 < mpmath.mpf(10) ** -25:
                break
        exact = sum(x * -mpmath.expm1(-x * high) for x in asked)
    # Newton stops at 1e-9 of the size; the rate moves by at most the gap times max p.
    assert compute.che(p, size) == pytest.approx(float(exact), abs=2e-9 * size)


@quick
@given(st.lists(st.integers(1, 99), min_size=3, max_size=40))
def test_probabilities_may_have_been_float32(weights):
    """Kind: a sum that is 1 in the type that it came from."""
    p = np.array(weights) / sum(weights)
    for rounded in (np.float32(p), np.float32(p).astype(float)):
        assert abs(compute.che(rounded, 1) - compute.che(p, 1)) < 1e-5


@quick
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.data())
def test_the_integral_is_exact_for_any_skew(exponents, data):
    """Kind: files that are asked for very seldom. The witness adds up fractions."""
    weights = [Fraction(1, 10**e) for e in exponents]
    p = [w / sum(weights) for w in weights]
    size = data.draw(st.integers(1, len(p)))
    # what is below t = exp(-22) is left out, at most that; Simpson's rule adds less
    exact = float(compute.king(p, size))
    assert abs(compute.by_integral(np.array(p, float), size) - exact) < 1e-9


def test_the_integral_knows_files_at_the_end_of_the_floats():
    for least in (1e-40, 1e-300, 5e-324):
        for size, rate in ((1, 1.0), (2, 1.0)):
            assert abs(compute.by_integral([1.0, least], size) - rate) < 1e-9


NO_SHARES = [[3, 1], [math.nan, 1.0], [0.5, 0.6, -0.1], [-1.0, 2.0], [[0.5, 0.5]]]


@pytest.mark.parametrize("p", NO_SHARES, ids=str)
@pytest.mark.parametrize(
    "ask",
    [
        lambda p: compute.king(p, 1),
        lambda p: dict(compute.cache_law(p, 1)),
        lambda p: compute.by_integral(p, 1),
        lambda p: compute.che(p, 1),
        lambda p: compute.sample(np.array(p), 3, np.random.default_rng()),
        lambda p: compute.settled(np.array(p), 1, np.random.default_rng()),
        lambda p: compute.simulate(np.array(p), 1, np.random.default_rng()),
    ],
)
def test_whoever_takes_probabilities_refuses_what_are_none(ask, p):
    with pytest.raises(ValueError, match="sum to 1"):
        ask(p)


@quick
@given(
    st.lists(st.lists(st.floats(0, 9), max_size=4), min_size=1, max_size=4),
    st.sampled_from([math.nan, -1.0, -math.inf]),
    st.data(),
)
def test_a_schedule_refuses_a_bad_number_wherever_it_stands(queues, bad, data):
    speeds = data.draw(
        st.lists(st.floats(0.1, 9), min_size=len(queues), max_size=len(queues))
    )
    at = data.draw(st.integers(0, len(queues) - 1))
    spoiled = [*speeds[:at], bad, *speeds[at + 1 :]]
    with pytest.raises(ValueError, match="speed above 0"):
        compute.makespan(queues, spoiled, compute.steal)
    with pytest.raises(ValueError, match="no penalty is below 0 or nan"):
        compute.makespan(queues, speeds, compute.steal, penalty=bad)
    queues[at].insert(data.draw(st.integers(0, len(queues[at]))), bad)
    with pytest.raises(ValueError, match="no size .* below 0 or nan"):
        compute.makespan(queues, speeds, compute.steal)


@pytest.mark.parametrize("sizes", [{}, {1: 2}, {0: 0}, {0: 2, 1: 0}])
def test_requests_without_a_node_are_refused(sizes):
    with pytest.raises(ValueError, match="a node from request 0 on"):
        compute.replay([1], sizes, 1, lambda file, nodes: 0)


def test_queues_without_speeds_are_refused_and_no_queue_takes_no_time():
    for queues, speeds in (([[1.0], [1.0]], [1]), ([[1.0]], []), ([[1.0]], [math.nan])):
        with pytest.raises(ValueError, match="speed above 0"):
            compute.schedule(queues, speeds, compute.take_own)
    own, steal = compute.take_own, compute.steal
    assert compute.makespan([], [], own) == compute.makespan([[]], [1], steal) == 0


@pytest.mark.parametrize(
    "p", [[1, 1, 1], [0.5, 0.6, -0.1], [], [[0.5, 0.5]], [math.nan]]
)
def test_what_are_no_probabilities_is_refused(p):
    with pytest.raises(ValueError, match="sum to 1|size < 0"):
        compute.che(p, 1)


@quick
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any), st.integers(1, 5)
)
def test_the_law_of_the_cache_knows_files_that_are_never_asked_for(weights, size):
    p = [Fraction(w, sum(weights)) for w in weights]
    if size > sum(w > 0 for w in weights):
        with pytest.raises(ValueError, match="files are asked for"):
            compute.king(p, size)
        return
    law = dict(compute.cache_law(p, size))
    assert sum(law.values()) == 1
    assert all(p[i] > 0 for files in law for i in files)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: compute.least(0, 4),
        lambda: compute.zipf(0, 1),
        lambda: compute.zipf(3, math.nan),
        lambda: compute.schedule([[1.0]], [0.0], compute.steal),
        lambda: compute.schedule([[1.0]], [math.nan], compute.steal),
    ],
)
def test_no_nodes_no_files_and_no_speed_are_said_in_words(ask):
    with pytest.raises(ValueError, match="need|above"):
        ask()


def test_a_cache_without_room_never_hits():
    assert compute.by_integral(compute.zipf(5, 1.0), 0) == 0


@pytest.mark.parametrize("place", ["modulo", "rendezvous"])
def test_no_node_is_said_in_words(place):
    with pytest.raises(ValueError, match="node"):
        getattr(compute, place)("f", [])
    with pytest.raises(ValueError, match="nodes"):
        compute.scan_table({}, compute.modulo, ["f"])


class Sold:
    """A node whose files sold what a table says."""

    def __init__(self, cents):
        self.cents = cents

    def scan(self, file, keep):
        return {"rows": 1, "cents": self.cents[file], "fetched": 0, "bytes": 0}


@quick
@given(
    st.lists(st.integers(-(2**70), 2**70) | st.integers(-5, 5), max_size=12),
    st.integers(1, 4),
    st.sampled_from([compute.take_own, compute.steal]),
)
def test_sums_of_any_sign_and_size_survive_the_merging(cents, count, take):
    sold = {f"f{n}": c for n, c in enumerate(cents)}
    nodes = {f"w{n}": Sold(sold) for n in range(count)}
    told = compute.scan_table(nodes, compute.modulo, list(sold), take)
    assert told["cents"] == sum(cents) and told["rows"] == len(cents)
    assert sum(told[name] for name in nodes) == len(cents)


class Slow:
    """A node that answers after a random while, to shake the order of the threads."""

    def __init__(self):
        self.seen = []

    def scan(self, file, keep):
        time.sleep(random.choice([0, 0, 1e-4]))
        self.seen.append((file, keep))
        return {"rows": 1, "cents": int(file), "fetched": 0, "bytes": 0}


@pytest.fixture
def restless():
    """Let threads take turns as often as Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("steal", [False, True])
def test_no_file_is_lost_or_scanned_twice_under_races(steal, restless):
    for _ in range(20):
        nodes = {f"w{i}": Slow() for i in range(8)}
        files = [str(i) for i in range(60)]
        take = compute.steal if steal else compute.take_own
        total = compute.scan_table(nodes, compute.modulo, files, take)
        seen = Counter(file for node in nodes.values() for file, _ in node.seen)
        assert seen == Counter(files)
        assert total["cents"] == sum(range(60)) and total["rows"] == 60
        strange = [
            (f, keep, name)
            for name, node in nodes.items()
            for f, keep in node.seen
            if keep != (compute.modulo(f, sorted(nodes)) == name)
        ]
        assert not strange, "kept in the cache if and only if it is one's own"
        assert total["stolen"] == sum(
            not keep for node in nodes.values() for _, keep in node.seen
        )
        assert steal or not total["stolen"]


# --- the nodes ---------------------------------------------------------------


@pytest.fixture
def place(tmp_path):
    """Return (store's address, folder of disks, six files with their sums)."""
    store, disks = tmp_path / "store", tmp_path / "disks"
    store.mkdir()
    disks.mkdir()
    sums = {}
    for i in range(6):
        cents = list(range(i * 3))
        sums[f"f{i}"] = sum(cents)
        column = pa.array(cents, pa.int64())
        pq.write_table(pa.table({"cents": column}), store / f"f{i}")
    return store_uri(store), disks, sums


def test_a_node_keeps_the_files_used_last_on_its_disk(place):
    store, disks, sums = place
    node = Node("w0", store, disks, capacity=3)
    model = compute.LRU(3)
    try:
        for file in random.Random(1).choices(sorted(sums), k=60):
            told = node.scan(file)
            assert told["cents"] == sums[file] and told["rows"] == 3 * int(file[1])
            assert told["fetched"] == (not model.use(file)) == (told["bytes"] > 0)
            assert sorted(os.listdir(node.disk)) == sorted(model.held)
        assert node.scan("f0", keep=False)["cents"] == 0
        assert sorted(os.listdir(node.disk)) == sorted(model.held)
        node.forget()
        assert os.listdir(node.disk) == [] and node.scan("f5")["fetched"] == 1
        assert node.resident() < 200
    finally:
        node.close()
    assert node.process.returncode == 0


def test_a_node_that_many_ask_answers_each_its_own(place, restless):
    """Kind: two queries in one warehouse. Each has the sums of its own files; also where the files come but once."""
    store, disks, sums = place
    nodes = {n: Node(n, store, disks, capacity=2) for n in ("w0", "w1")}
    compute.query.__globals__["rings"] = cache(compute.Ring)
    grants = {team: set(sums) for team in range(4)}

    def ask(team):
        told = []
        for turn in range(25):
            wanted = sorted(sums)[team : team + 1 + turn % 3]
            seen = compute.query(
                team, iter(wanted), grants, dict.fromkeys(grants, nodes)
            )
            told.append((seen["cents"], seen["rows"]))
            expected = sum(sums[f] for f in wanted), sum(3 * int(f[1]) for f in wanted)
            assert told[-1] == expected
        return len(told)

    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, grants)) == [25] * 4
        with pytest.raises(PermissionError, match="1 of these"):
            compute.query(0, iter(["f9"]), grants, {0: nodes})
        jobs = [(node, f) for node in nodes.values() for f in sums] * 10
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(lambda job: job[0].scan(job[1], keep=False), jobs))
        assert [one["cents"] for one in told] == [sums[f] for _, f in jobs]
    finally:
        for node in nodes.values():
            node.close()


def test_a_node_adds_exactly_as_duckdb_does(place, tmp_path):
    store, disks, _ = place
    node = Node("w0", store, disks, capacity=1)
    try:
        for n, cents in enumerate(
            (
                pa.array([2**62, 2**62, -1], pa.int64()),
                pa.array([-5, None, 2], pa.int32()),
                pa.array([2**64 - 1, 2**64 - 1], pa.uint64()),
                pa.array([None, None], pa.int64()),
                pa.array([], pa.int64()),
            )
        ):
            pq.write_table(pa.table({"cents": cents}), tmp_path / "store" / f"odd{n}")
            told = node.scan(f"odd{n}")
            source = f"read_parquet('{tmp_path}/store/odd{n}')"
            query = f"SELECT count(*), coalesce(sum(cents), 0) FROM {source}"
            assert (told["rows"], told["cents"]) == duckdb.sql(query).fetchall()[0]
        pq.write_table(pa.table({"cents": [0.5]}), tmp_path / "store" / "half")
        with pytest.raises(RuntimeError, match="whole numbers, not double"):
            node.scan("half")
    finally:
        node.close()


def test_a_node_survives_a_bad_order_and_says_what_was_wrong(place):
    store, disks, _ = place
    node = Node("w0", store, disks, capacity=1)
    try:
        with pytest.raises(RuntimeError, match="w0: FileNotFoundError"):
            node.scan("no such file")
        assert node.scan("f2")["rows"] == 6
    finally:
        node.close()
    with pytest.raises(NodeLost):
        node.scan("f2")


def test_a_killed_node_is_lost_also_while_it_works(place):
    store, disks, _ = place
    node = Node("w0", store, disks, capacity=1)
    node.slow(3600)
    timer = threading.Timer(0.3, node.process.kill)  # before or during the scan
    timer.start()
    with pytest.raises(NodeLost, match="w0"):
        node.scan("f1")
    timer.join()
    node.close()


def test_a_cache_of_nothing_is_refused_before_a_process_starts(tmp_path):
    with pytest.raises(ValueError, match="at least one file"):
        Node("w0", "file:///nowhere", tmp_path, capacity=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_nodes_die_with_a_parent_that_is_killed(place):
    store, disks, _ = place
    code = (
        f"import sys, time; sys.path.insert(0, {str(CHAPTERS)!r})\n"
        "from snowflake_worker import Node\n"
        f"node = Node('w0', {store!r}, {str(disks)!r}, 1)\n"
        "node.scan('f1'); print(node.process.pid, flush=True); time.sleep(3600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )
    child = Path("/proc") / parent.stdout.readline().strip()
    assert child.exists()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(6000):
        try:
            if ") Z " in (child / "stat").read_text():
                break
        except OSError:  # it is gone, perhaps since a moment ago
            break
        time.sleep(0.05)
    else:
        pytest.fail("the node outlived its parent by five minutes")


# --- the store ---------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "ftp://x", "http://"])
def test_an_endpoint_that_is_no_url_is_refused(monkeypatch, tmp_path, endpoint):
    monkeypatch.setenv("BOOK_S3_ENDPOINT", endpoint)
    with pytest.raises(ValueError, match="BOOK_S3_ENDPOINT must be like"):
        store_uri(tmp_path)


# Runs the notebook's own cells that use the store, with 40 files for 120.
CELLS = """
import nbformat, matplotlib
matplotlib.use("Agg")
cells = [c for c in nbformat.read("snowflake-compute.ipynb", 4).cells if c.cell_type == "code"]
names = {"__name__": "__main__"}
last = next(i for i, c in enumerate(cells) if "workplace.cleanup()" in c.source)
assert last > 10
for cell in cells[:last]:
    if any(w in cell.source for w in ("import hashlib", "def number", "scan_table", "class Ring", "def ring", "def steal")):
        exec(cell.source.replace("120", "40").replace("make_table(store, rng)", "make_table(store, rng, 40)"), names)
tidy = cells[last].source
exec(tidy[tidy.index("for node in nodes.values():") :], names)
assert names["store"].startswith("s3://ridge-and-peak/store?"), names["store"]
left = names["system"].get_file_info(names["fs"].FileSelector("ridge-and-peak", recursive=True))
print("left in the bucket:", [f.path for f in left if f.is_file])
"""


def test_the_same_cells_run_over_s3():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        told = subprocess.run(
            [sys.executable, "-c", CELLS],
            cwd=CHAPTERS,
            env={
                **os.environ,
                "BOOK_S3_ENDPOINT": f"http://{host}:{port}",
                "AWS_ACCESS_KEY_ID": "nobody",
                "AWS_SECRET_ACCESS_KEY": "nothing",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            capture_output=True,
            text=True,
            timeout=1200,
        )
    finally:
        server.stop()
    assert told.returncode == 0, told.stderr
    assert "same sum in five runs" in told.stdout
    assert told.stdout.endswith("left in the bucket: []\n")


@pytest.mark.parametrize("bad", [2.5, math.nan, "3", None])
def test_counts_that_are_none_are_refused(bad, tmp_path):
    with pytest.raises(TypeError):
        compute.LRU(bad)
    with pytest.raises(TypeError):
        compute.zipf(bad, 1)
    with pytest.raises(TypeError):
        Node("a", tmp_path.as_uri(), tmp_path, bad)
    assert not any(tmp_path.iterdir())


def test_weights_that_leave_the_floats_are_refused_and_by_integral_wants_shares():
    with pytest.raises(ValueError, match="too large for floats"):
        compute.zipf(400, -400.0)
    assert compute.zipf(400, 400.0)[0] == 1
    with pytest.raises(ValueError, match="sum to 1"):
        compute.by_integral([2.0, 2.0], 1)


hours = st.fractions(0, 100, max_denominator=50)


@quick
@given(hours, hours, st.integers(1, 50), st.integers(1, 50), st.integers(1, 200))
def test_a_bill_is_that_of_its_serial_and_shared_part(s, p, few, more, count):
    """The witness is Amdahl's model itself, with exact numbers."""
    fast = few + more
    long, slow = s + p / few, s + p / fast
    assert compute.bill(count, slow, fast, few, long) == s * count + p
    rounded = compute.bill(count, float(slow), fast, few, float(long))
    # each of two bills is off by a few roundings, and count / more carries that on
    slack = 2**-50 * fast * (float(long) + 1) * (1 + count)
    assert abs(rounded - float(s * count + p)) <= slack
    if p:
        for bad in (slow - p / 1000 if not s else p / (2 * fast), long + 1):
            with pytest.raises(ValueError, match="no s, p ≥ 0"):
                compute.bill(count, bad, fast, few, long)


@pytest.mark.parametrize(
    "arguments",
    [(128, 1.0), (8, 2, 4, 4), (0, 2.0), (8, math.nan), (8, 2, 4, 0), (8, 2, 4, 32)],
)
def test_a_bill_that_no_model_gives_is_refused(arguments):
    with pytest.raises(ValueError, match="no s, p ≥ 0"):
        compute.bill(*arguments)


@pytest.mark.parametrize("v, n", [(64, 0), (0, 8), (64, -1), (64, math.nan)])
def test_no_spread_without_a_node_or_a_point(v, n):
    with pytest.raises(ValueError, match="a node and a point"):
        compute.spread(v, n)


@quick
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any), st.integers(1, 5)
)
def test_shares_may_come_in_a_list_and_sizes_from_numpy(weights, size):
    """Kind: a list where an array is meant, a share of 0, a size that numpy counted."""
    p = [w / sum(weights) for w in weights]
    asked = {i for i, w in enumerate(weights) if w}
    size = min(size, len(asked))
    assert compute.king(p, np.int64(size)) == compute.king(p, size)
    with np.errstate(all="raise"):
        for draw in (
            lambda p: compute.sample(p, 20, np.random.default_rng(1)).tolist(),
            lambda p: [*compute.settled(p, size, np.random.default_rng(1)).held],
            lambda p: compute.simulate(p, size, np.random.default_rng(1), 300),
        ):
            assert draw(p) == draw(tuple(p)) == draw(np.array(p))
        for room in (size, np.int64(size), len(p)):
            held = compute.settled(p, room, np.random.default_rng()).held
            assert held.keys() <= asked and len(held) == min(room, len(asked))
