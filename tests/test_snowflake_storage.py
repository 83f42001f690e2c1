"""What snowflake-storage cannot check about itself: its pruner under hypothesis, its store under races and on S3."""

import datetime
import gc
import json
import math
import os
import string
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import duckdb
import numpy as np
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
from snowflake_store import BUCKET, Store  # noqa: E402

NAME = "snowflake-storage"
COLUMNS = {
    "i": ("INTEGER", st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 3)),
    "x": ("DOUBLE", st.floats(width=64) | st.sampled_from([-0.0, 0.0, 1.0, math.nan])),
    "s": ("VARCHAR", st.text(max_size=4) | st.text("ab%_", max_size=3)),
    "d": ("DATE", st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1))),
}
SQL_TEXT = st.text(string.ascii_letters + "%_' \n", max_size=4)  # no NUL in SQL text


@pytest.fixture(scope="module")
def code():
    return chapter(NAME)


def values(column, text=None):
    kind = COLUMNS[column][1] if text is None or column != "s" else text
    return st.none() | kind


def atoms(text=None):
    def of(column):
        v = values(column, text)
        one = st.tuples(
            st.sampled_from(["<", "<=", "=", "<>", ">", ">="]), st.just(column), v
        )
        two = st.tuples(st.just("between"), st.just(column), v, v)
        some = st.tuples(
            st.just("in"), st.just(column), st.lists(v, min_size=1, max_size=4)
        )
        return one | two | some | st.tuples(st.just("null"), st.just(column))

    pattern = st.text("ab%_\U0010ffff\ud7ff", max_size=4)
    like = st.tuples(st.just("like"), st.just("s"), pattern)
    return st.sampled_from("ixsd").flatmap(of) | like


def predicates(text=None):
    def grow(children):
        many = st.lists(children, min_size=1, max_size=3)
        tree = st.sampled_from(["and", "or"]).flatmap(
            lambda op: many.map(lambda qs: (op, *qs))
        )
        return tree | children.map(lambda q: ("not", q))

    return st.recursive(atoms(text), grow, max_leaves=6)


def tables(text=None):
    row = st.fixed_dictionaries({c: values(c, text) for c in COLUMNS})
    return st.lists(row, max_size=6)


def forget(stats, mask):
    """Return Stats with the counts and bounds of `mask` unknown."""
    known = [None if gone else v for v, gone in zip(stats[1:], mask, strict=True)]
    return type(stats)(stats.rows, *known)


@settings(max_examples=150, deadline=None, database=None)
@given(
    rows=tables(),
    trees=st.lists(predicates(), min_size=3, max_size=3),
    masks=st.lists(
        st.tuples(*[st.booleans()] * 4), min_size=len(COLUMNS), max_size=len(COLUMNS)
    ),
)
def test_no_row_is_lost_and_none_is_invented(code, rows, trees, masks):
    exact = {c: code.fold([row[c] for row in rows]) for c in COLUMNS}
    blurred = {
        c: forget(s, mask) for (c, s), mask in zip(exact.items(), masks, strict=True)
    }
    for p in trees:
        seen = {code.truth(p, row) for row in rows}
        for stats in (exact, blurred):
            assert seen <= code.may(p, stats)
            said = code.verdict(p, stats)
            assert said != "skip" or code.TRUE not in seen
            assert said != "full" or seen <= {code.TRUE}
        assert code.may(p, exact) <= code.may(p, blurred), "knowing less, saying less"


def test_three_thousand_predicates_of_the_chapters_own_kind(code):
    rng = np.random.default_rng(7)
    verdicts = dict.fromkeys(("skip", "read", "full"), 0)
    for _ in range(300):
        rows = [
            {kind: code.draw_constant(kind, rng) for kind in code.KINDS}
            for _ in range(rng.integers(0, 6))
        ]
        stats = {kind: code.fold([row[kind] for row in rows]) for kind in code.KINDS}
        for _ in range(10):
            p = code.draw_predicate(rng, 3)
            known = {kind: code.blur(s, rng) for kind, s in stats.items()}
            seen, said = {code.truth(p, row) for row in rows}, code.verdict(p, known)
            assert seen <= code.may(p, stats) and seen <= code.may(p, known)
            assert said != "skip" or code.TRUE not in seen
            assert said != "full" or seen <= {code.TRUE}
            verdicts[said] += 1
    assert min(verdicts.values()) > 30


@settings(max_examples=30, deadline=None, database=None)
@given(
    rows=tables(SQL_TEXT), trees=st.lists(predicates(SQL_TEXT), min_size=2, max_size=4)
)
def test_truth_is_what_duckdb_says(code, rows, trees):
    con = duckdb.connect()
    types = ", ".join(f"{c} {kind}" for c, (kind, _) in COLUMNS.items())
    con.execute(f"CREATE TABLE t (n INTEGER, {types})")
    for n, row in enumerate(rows):
        con.execute(
            "INSERT INTO t VALUES (?, ?, ?, ?, ?)", [n, *[row[c] for c in COLUMNS]]
        )
    for p in trees:
        said = con.execute(f"SELECT {code.sql(p)} FROM t ORDER BY n").fetchall()
        names = {True: code.TRUE, False: code.FALSE, None: code.UNKNOWN}
        assert [code.truth(p, row) for row in rows] == [names[v] for (v,) in said]
    con.close()


@settings(max_examples=200, deadline=None, database=None)
@given(prefix=st.text(max_size=3), rest=st.text(max_size=3), other=st.text(max_size=4))
def test_after_is_the_least_string_above_a_prefix(code, prefix, rest, other):
    end = code.after(prefix)
    assert end is None or prefix + rest < end
    if not other.startswith(prefix) and other > prefix:
        assert end is not None and other >= end


def test_after_at_the_edges_of_unicode(code):
    assert code.after("") is None and code.after("\U0010ffff") is None
    assert code.after("\U0010fffe") == "\U0010ffff"
    assert code.after("a\U0010ffff") == "b" and code.after("\ud7ff") == "\ue000"


def test_edges_of_the_fold(code):
    assert code.fold([]) == (0, 0, 0, None, None)
    assert code.fold([None, math.nan]) == (2, 1, 1, None, None)
    low, high = code.fold([0.0, -0.0, math.inf])[3:]
    assert low == 0 and high == math.inf
    nothing = {"x": code.fold([])}
    for p in (("null", "x"), ("not", ("null", "x")), ("<", "x", None)):
        assert code.verdict(p, nothing) == "skip"
    only_nan = {"x": code.fold([math.nan, math.nan])}
    assert code.verdict((">", "x", math.inf), only_nan) == "full"
    assert code.verdict(("=", "x", math.nan), only_nan) == "full"
    signed = {"x": code.fold([-0.0, -0.0])}
    assert code.verdict(("=", "x", 0.0), signed) == "full"


def test_stray_depth_refuses_what_is_no_share(code):
    for eps in (0, -0.1, 1.1, math.nan):
        with pytest.raises(ValueError):
            code.stray_depth(eps)
    assert code.stray_depth(1) == pytest.approx(40 * 4999 / 5001, abs=0.01)
    assert code.stray_depth(0.5, k=1, m=1) == pytest.approx(1)


# --- the store ------------------------------------------------------------------------------------------------


def create_all(store, who, names):
    return [n for n in range(names) if store.create(f"t/v/{n:08d}.json", who.encode())]


def check_store(store):
    """What every store must do, in a folder or in a bucket."""
    store.put("a/data/1", b"one")
    store.put("a/data/1", b"two")
    assert store.get("a/data/1") == b"two"
    assert store.create("a/v/1", b"x") and not store.create("a/v/1", b"y")
    assert store.get("a/v/1") == b"x"
    assert store.sizes("a/data") == {"a/data/1": 3} and store.sizes("nowhere") == {}
    with pytest.raises(FileNotFoundError):
        store.get("a/data/none")
    store.delete("a/data/1")
    assert store.sizes() == {"a/v/1": 1}
    with pytest.raises(ValueError):
        store.counted.open("a/v/1", "wb")
    with store.counting() as cost, store.counted.open("lake://a/v/1") as file:
        assert file.read() == b"x"
    assert cost == {"opens": 1, "reads": 1, "bytes": 1, "files": 1}
    won = store.race(create_all, jobs=[{"who": w, "names": 20} for w in "ABC"])
    assert sorted(n for part in won for n in part) == list(range(20))
    for who, part in zip("ABC", won, strict=True):
        assert all(store.get(f"t/v/{n:08d}.json") == who.encode() for n in part)


def test_the_store_in_a_folder(monkeypatch):
    monkeypatch.delenv("BOOK_S3_ENDPOINT", raising=False)
    store = Store()
    check_store(store)
    store.close()
    assert not os.path.exists(store.address)
    forgotten = Store()
    address = forgotten.address
    forgotten.put("x/y", b"z")
    assert Store(address).get("x/y") == b"z", "a second handle does not own the folder"
    gc.collect()
    assert os.path.exists(address)
    del forgotten
    gc.collect()
    assert not os.path.exists(address)


def test_a_child_that_fails_is_reported_and_none_is_left(monkeypatch):
    monkeypatch.delenv("BOOK_S3_ENDPOINT", raising=False)
    store = Store()
    with pytest.raises(RuntimeError):
        store.race(create_all, jobs=[{"who": "A", "names": 1}, {"wrong": 1}])
    store.close()


@pytest.fixture(scope="module")
def bucket():
    """A stand-in S3 server on 127.0.0.1, in a process of its own; gives the environment that points at it."""
    program = textwrap.dedent("""
        import logging, sys
        logging.disable(logging.CRITICAL)
        from moto.server import ThreadedMotoServer
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        print(server.get_host_and_port()[1], flush=True)
        sys.stdin.read()
        server.stop()
    """)
    server = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        port = int(server.stdout.readline())
        keys = {"AWS_ACCESS_KEY_ID": "book", "AWS_SECRET_ACCESS_KEY": "book"}
        env = {
            "BOOK_S3_ENDPOINT": f"http://127.0.0.1:{port}",
            "AWS_DEFAULT_REGION": "us-east-1",
            **keys,
        }
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=env["BOOK_S3_ENDPOINT"],
            region_name="us-east-1",
            aws_access_key_id="book",
            aws_secret_access_key="book",
        )
        client.create_bucket(Bucket=BUCKET)
        yield SimpleNamespace(env=env, client=client)
    finally:
        server.stdin.close()
        server.wait(timeout=20)


def test_the_store_in_a_bucket(bucket, monkeypatch):
    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)
    store = Store()
    check_store(store)
    store.close()
    left = bucket.client.list_objects_v2(Bucket=BUCKET)
    assert left.get("KeyCount", 0) == 0, "nothing is left in the bucket"


STORED = (
    "race",
    "time-travel",
    "gc",
    "skew",
)  # the claims of the chapter about the store itself


def test_the_cells_of_the_chapter_run_on_a_bucket(bucket):
    """The notebook's code with the environment variable set; its checks are the test.

    A stand-in server answers a request in some milliseconds of this machine's time, so the orders lie in 4 files
    here, each writer appends 4 rows, and of the checks only those of the store run. BOOK_SLOW=1 runs every cell as it stands (some minutes).
    """
    program = textwrap.dedent(f"""
        import json, re, sys
        import matplotlib
        matplotlib.use("Agg")
        from IPython.core.interactiveshell import InteractiveShell
        shell, claim, ran = InteractiveShell.instance(), "", 0
        slow = {bool(os.environ.get("BOOK_SLOW"))}
        for cell in json.load(open("{NAME}.ipynb"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] != "code":
                claim = (re.findall(r":label: (\\S+)", source) or [claim])[-1]
                continue
            check = "check" in cell["metadata"].get("tags", [])
            wanted = claim.split("snowflake-")[-1] in {STORED}
            if not slow:
                if "plt.show(" in source or check and not wanted:
                    continue
                source = source.replace("FILES = 40", "FILES = 4")
                source = source.replace("APPENDS = 25", "APPENDS = 4")
            done = shell.run_cell(source, silent=True)
            if done.error_before_exec or done.error_in_exec:
                sys.exit(source[:300])
            ran += check
            address = shell.user_ns["store"].address
        print(json.dumps([address, ran]), file=sys.__stderr__)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHAPTERS,
        env=os.environ | bucket.env,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    said = next(line for line in done.stderr.splitlines() if line.startswith("["))
    address, checks = json.loads(said)
    assert address.startswith(f"{BUCKET}/") and checks >= 6
    assert bucket.client.list_objects_v2(Bucket=BUCKET).get("KeyCount", 0) == 0
