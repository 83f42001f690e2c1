"""What snowflake-storage cannot check about itself: its pruner under hypothesis, its store under races and on S3."""

import datetime
import decimal
import gc
import io
import json
import math
import multiprocessing
import os
import random
import string
import subprocess
import sys
import tempfile
import textwrap
import time
from types import SimpleNamespace

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
from snowflake_store import BUCKET, Store, alike, pack, sql_type, unpack  # noqa: E402

NAME = "snowflake-storage"
COLUMNS = {
    "i": ("INTEGER", st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 3)),
    "x": ("DOUBLE", st.floats(width=64) | st.sampled_from([-0.0, 0.0, 1.0, math.nan])),
    "s": ("VARCHAR", st.text(max_size=4) | st.text("ab%_", max_size=3)),
    "d": ("DATE", st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1))),
}
SQL_TEXT = st.text(string.ascii_letters + "%_' \\\n", max_size=4)  # no NUL in SQL text


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
        some = st.tuples(st.just("in"), st.just(column), st.lists(v, max_size=4))
        return one | two | some | st.tuples(st.just("null"), st.just(column))

    pattern = st.none() | st.text("ab%_\\\U0010ffff\ud7ff", max_size=4)
    like = st.tuples(st.just("like"), st.just("s"), pattern)
    return st.sampled_from("ixsd").flatmap(of) | like


def predicates(text=None):
    def grow(children):
        many = st.lists(children, max_size=3)
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


# --- types: as DuckDB does over tables of its own, or refused in words -------------------------------------------

WHOLE = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    [0, 1, 2**53, 2**53 + 1, -(2**53) - 1]
)
CENTS = st.integers(-(10**9), 10**9).map(lambda n: decimal.Decimal(n).scaleb(-2))
FINE = st.integers(-(10**38) + 1, 10**38 - 1).map(
    lambda n: decimal.Decimal(n).scaleb(-19, decimal.Context(prec=40))
)
MOMENTS = st.datetimes(
    datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)
) | st.sampled_from([datetime.datetime(2024, 1, 1, h) for h in (0, 12)])
SINGLE = st.floats(width=32) | st.sampled_from([float(np.float32(0.1)), 0.0, -0.0])
TYPED = {  # SQL type -> values of a column
    "BIGINT": WHOLE,
    "HUGEINT": st.integers(-(2**127) + 1, 2**127 - 1) | WHOLE,
    "UBIGINT": st.integers(0, 2**64 - 1) | st.just(2**53 + 1),
    "FLOAT": SINGLE,
    "DOUBLE": st.floats() | st.sampled_from([0.1, float(2**53)]),
    "DECIMAL(18, 2)": CENTS | st.just(decimal.Decimal("0.10")),
    "DECIMAL(38, 19)": FINE,
    "BOOLEAN": st.booleans(),
    "DATE": st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)),
    "TIMESTAMP": MOMENTS,
    "VARCHAR": SQL_TEXT,
}
STRANGE = st.sampled_from(
    [
        b"blob",
        datetime.time(12),
        datetime.timedelta(1),
        datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        np.int64(1),
        np.float64(0.1),
        2**127,
        decimal.Decimal("NaN"),
        decimal.Decimal("1E-40"),
        [1],
    ]
)


@st.composite
def typed(draw):
    """Draw (SQL type, values, predicate on column c), often with constants of the column's own type."""
    sort = draw(st.sampled_from(sorted(TYPED)))
    rows = draw(st.lists(st.none() | TYPED[sort], min_size=1, max_size=5))
    near = st.sampled_from(rows)
    any_sort = st.one_of(near, *TYPED.values(), STRANGE)
    constant = st.one_of(near, TYPED[sort], TYPED[sort], any_sort)
    op = draw(st.sampled_from(["<", "<=", "=", "<>", ">", ">=", "in", "between"]))
    if op == "in":
        p = (op, "c", draw(st.lists(constant, max_size=3)))
    elif op == "between":
        p = (op, "c", draw(constant), draw(constant))
    else:
        p = (op, "c", draw(constant))
    return sort, rows, ("not", p) if draw(st.booleans()) else p


@settings(max_examples=250, deadline=None, database=None)
@given(case=typed(), forgotten=st.tuples(*[st.booleans()] * 4))
def test_each_type_is_compared_as_duckdb_does_or_refused(code, case, forgotten):
    sort, rows, p = case
    exact = code.fold(rows)
    for stats in ({"c": exact}, {"c": forget(exact, forgotten)}, {}):
        try:
            values = code.may(p, stats)
        except TypeError as error:
            assert "cast one" in str(error) or "of no type" in str(error)
            continue
        try:
            seen = [code.truth(p, {"c": v}) for v in rows]
        except TypeError:  # with bounds forgotten, the file is read, and then refused
            assert stats != {"c": exact}
            continue
        assert set(seen) <= values
        try:
            said = WITNESS.execute(
                f"SELECT {code.sql(p)} FROM (SELECT unnest(?::{sort}[]) AS c)", [rows]
            ).fetchall()
        except duckdb.Error:  # two types; but NULL alone tells us no type
            assert all(v is None for v in rows)
            continue
        names = {True: code.TRUE, False: code.FALSE, None: code.UNKNOWN}
        assert seen == [names[v] for (v,) in said], (sort, rows, p)


WITNESS = duckdb.connect()


@pytest.mark.parametrize(
    "values",
    [
        [b"a", b"b"],
        [[1], [2]],
        [{"a": 1}, {"a": 2}],
        [datetime.time(1), datetime.time(2)],
        [datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)],
    ],
)
def test_what_has_no_order_here_has_no_bounds(code, values):
    assert code.fold([*values, None]) == (len(values) + 1, 1, 0, None, None)
    assert code.verdict(("null", "c"), {"c": code.fold(values)}) == "skip"


@settings(max_examples=80, deadline=None, database=None)
@given(
    texts=st.lists(st.none() | st.text("ab%_\\\n\U0001f600", max_size=4), max_size=6),
    pattern=st.none() | st.text("ab%_\\\n\U0001f600", max_size=5),
    some=st.lists(st.none() | st.text("ab", max_size=1), max_size=3),
)
def test_arrow_reads_like_in_and_null_as_sql_does(code, texts, pattern, some):
    rows = pa.table({"s": pa.array(texts, pa.string())})
    for p in (("like", "s", pattern), ("in", "s", some), ("between", "s", "a", None)):
        for q in (p, ("not", p), ("or", p, ("null", "s")), ("and",), ("or",)):
            seen = [code.truth(q, {"s": v}) for v in texts]
            assert len(rows.filter(code.arrow(q))) == seen.count(code.TRUE), q
            said = WITNESS.execute(
                f"SELECT {code.sql(q)} FROM (SELECT unnest(?::VARCHAR[]) AS s)", [texts]
            ).fetchall()
            names = {True: code.TRUE, False: code.FALSE, None: code.UNKNOWN}
            assert seen == [names[v] for (v,) in said], q


@pytest.mark.parametrize(
    "p", [("==", "a", 1), ("<", "a"), ("not",), "a < 1", (), None, ("null", "a", 1)]
)
def test_what_is_no_predicate_is_refused(code, p):
    for ask in (
        lambda: code.truth(p, {"a": 1}),
        lambda: code.verdict(p, {"a": code.fold([1])}),
        lambda: code.truth(("or", p), {"a": 1}),
    ):
        with pytest.raises(ValueError, match="no predicate"):
            ask()


def test_constants_of_another_type_are_refused_in_words(code):
    low, high = decimal.Decimal("0.10"), 2**53 + 1
    for value, constant in ((low, 0.1), (high, float(2**53)), (1, True), (1.0, 1)):
        for op in ("=", "<=", ">"):
            with pytest.raises(TypeError, match="cast one of them"):
                code.verdict((op, "c", constant), {"c": code.fold([value])})
            with pytest.raises(TypeError, match="cast one of them"):
                code.truth((op, "c", constant), {"c": value})
    with pytest.raises(TypeError, match="float64"):
        alike(np.float64(1.0))
    moment = datetime.datetime(2024, 1, 1, 12)
    assert code.literal(moment) == "TIMESTAMP '2024-01-01 12:00:00'"
    assert sql_type(moment) != sql_type(moment.date())


@settings(max_examples=100, deadline=None, database=None)
@given(
    columns=st.lists(
        st.sampled_from(sorted(TYPED)).flatmap(
            lambda sort: st.lists(st.none() | TYPED[sort], max_size=4)
        ),
        max_size=3,
    )
)
def test_bounds_of_every_type_can_be_written_and_read_back(code, columns):
    bounds = {f"DATE{n}": code.fold(values) for n, values in enumerate(columns)}
    back = unpack(pack({"t/data/x": bounds, "t/data/y": None}))
    assert back["t/data/y"] is None and code.known(None) == {}
    again = code.known(back["t/data/x"])
    assert again == bounds
    for name, s in bounds.items():
        assert [type(v) for v in again[name]] == [type(v) for v in s]


ORDERS = pa.table(
    {
        "n": pa.array([1, 2, None], pa.int64()),
        "money": pa.array([decimal.Decimal("0.10"), None, decimal.Decimal("7.00")]),
        "day": [datetime.date(2024, 1, d) for d in (1, 2, 3)],
        "at": [datetime.datetime(2024, 1, d, 12, 30) for d in (1, 2, 3)],
        "blob": [b"a", b"b", None],
    }
)


def place(code, store, rows, bounds=None):
    """Make a table t of one file."""
    if bounds == "fold":
        bounds = {c: code.fold(rows[c].to_pylist()) for c in rows.column_names}
    code.append(store, "t", code.parquet(rows), bounds)


def content(code, store, table="t"):
    files = code.files_at(store, table, code.head(store, table))
    parts = [pq.read_table(io.BytesIO(store.get(path))) for path in files]
    return [row for part in parts for row in part.to_pylist()]


@pytest.fixture
def folder(code, monkeypatch):
    """A store in a folder, which the chapter's own functions use as `store`."""
    monkeypatch.delenv("BOOK_S3_ENDPOINT", raising=False)
    store = Store()
    monkeypatch.setitem(code.fold_file.__globals__, "store", store)
    yield store
    store.close()


@pytest.mark.parametrize("bounds", [None, "fold"])
def test_a_table_of_many_types_is_updated_with_and_without_bounds(code, folder, bounds):
    place(code, folder, ORDERS, bounds)
    for where in (
        ("=", "money", decimal.Decimal("0.10")),
        ("=", "day", datetime.date(2024, 1, 1)),
        ("=", "at", datetime.datetime(2024, 1, 1, 12, 30)),
        ("and", ("not", ("null", "blob")), ("=", "n", 1)),
    ):
        plan = code.prepare(folder, "t", where, lambda r: r | {"money": r["money"] * 2})
        assert code.finish(folder, "t", plan) is not None
        undo = code.prepare(folder, "t", where, lambda r: r)
        assert len(undo.removed) <= 1
        where_all = ("or", where, ("null", "n"), ("not", ("null", "n")))
        halve = code.prepare(
            folder, "t", where_all, lambda r: r | {"money": r["money"] and r["money"]}
        )
        assert code.finish(folder, "t", halve) is not None
        code.commit(
            folder, "t", code.head(folder, "t") + 1, code.files_at(folder, "t", 0)
        )
        assert content(code, folder) == ORDERS.to_pylist()


@pytest.mark.parametrize(
    "change",
    [
        {"n": 1.5},
        {"n": "x"},
        {"n": 2**63},
        {"money": decimal.Decimal("0.001")},
        {"day": datetime.datetime(2024, 1, 1, 1)},
        {"new": 1},
    ],
)
def test_an_update_that_would_store_something_else_is_refused(code, folder, change):
    place(code, folder, ORDERS)
    before = folder.sizes()
    with pytest.raises((ValueError, TypeError, OverflowError)):
        code.prepare(folder, "t", ("=", "n", 1), lambda r: r | change)
    with pytest.raises(ValueError, match="columns"):
        code.prepare(folder, "t", ("=", "n", 1), lambda r: {"n": 1})
    assert folder.sizes() == before, "nothing is left behind"


def test_bounds_that_cannot_be_written_leave_no_orphan(code, folder):
    for bad in (b"x", datetime.time(1), np.int64(1)):
        with pytest.raises(TypeError, match="cannot hold"):
            place(code, folder, ORDERS, {"n": code.Stats(1, 0, 0, bad, bad)})
    assert folder.sizes() == {}


@settings(max_examples=40, deadline=None, database=None)
@given(
    data=st.data(),
    sort=st.sampled_from(["BIGINT", "DOUBLE", "DECIMAL(18, 2)", "DATE", "VARCHAR"]),
    k=st.integers(1, 4),
)
def test_the_top_of_any_column_is_duckdbs(code, data, sort, k):
    files = data.draw(
        st.lists(st.lists(st.none() | TYPED[sort], max_size=4), min_size=1, max_size=4)
    )
    space = code.top.__globals__
    kept, store = {n: space.get(n) for n in ("catalogue", "store")}, Store()
    try:
        typed_ = WITNESS.sql(f"SELECT NULL::{sort} AS c").to_arrow_table().schema
        stats = {}
        for n, values in enumerate(files):
            rows = pa.table({"c": pa.array(values, typed_.field("c").type)})
            store.put(f"x/data/{n}", code.parquet(rows))
            stats[f"x/data/{n}"] = {"c": code.fold(values)}
        space |= {"catalogue": stats, "store": store}
        best, read = code.top(k, "c", sorted(stats))
        flat = [v for values in files for v in values]
        said = WITNESS.execute(
            f"SELECT c FROM (SELECT unnest(?::{sort}[]) AS c) WHERE c IS NOT NULL "
            f"ORDER BY c DESC LIMIT {k}",
            [flat],
        ).fetchall()
        assert [code.key(v) for v in best] == [code.key(v) for (v,) in said]
        assert read <= k
    finally:
        space |= kept
        store.close()


def test_weekends_of_unknown_bounds_and_of_moments(code):
    friday, saturday = datetime.date(2024, 3, 1), datetime.date(2024, 3, 2)
    everything = {code.FALSE, code.TRUE}
    assert code.may_be_weekend(friday, friday) == {code.FALSE}
    assert code.may_be_weekend(friday, saturday) == everything
    for low, high in ((None, friday), (friday, None), (None, None)):
        assert code.may_be_weekend(low, high) == everything
    assert code.UNKNOWN in code.may_be_weekend(friday, friday, nulls=None)
    with pytest.raises(TypeError, match="cast one"):
        code.may_be_weekend(MOMENT, MOMENT + datetime.timedelta(hours=2))


MOMENT = datetime.datetime(2024, 3, 1, 23)


def test_the_top_none_is_refused(code):
    with pytest.raises(ValueError, match="top 0"):
        code.top(0, "c", [])


# --- commits, raced by real processes ------------------------------------------------------------------------------


def at_once(job, *arguments):
    """Run job(*one) in one forked process for each of the arguments, let go together; raise if one fails."""
    context = multiprocessing.get_context("fork")
    gate, ends = context.Barrier(len(arguments)), context.SimpleQueue()

    def run(one):
        try:
            gate.wait(600)
            ends.put((one[0], job(*one)))
        except BaseException as error:
            ends.put((one[0], error))

    children = [context.Process(target=run, args=(one,)) for one in arguments]
    for child in children:
        child.start()
    found = dict(ends.get() for _ in children)
    for child in children:
        child.join()
    for value in found.values():
        if isinstance(value, BaseException):
            raise value
    return found


@pytest.fixture
def far(code, monkeypatch):
    """Let each look at the newest version take a random while, as at a real store: others commit meanwhile."""
    near = code.head

    def head(*arguments):
        version = near(*arguments)
        time.sleep(random.SystemRandom().uniform(0, 0.004))
        return version

    monkeypatch.setitem(code.fold_file.__globals__, "head", head)


forks = pytest.mark.skipif(sys.platform != "linux", reason="forks")


@forks
def test_no_commit_is_lost_when_processes_race(code, folder, far):
    nothing = ("or",)
    count = pa.table({"who": ["count", "count"], "n": [0, 0]})
    place(code, folder, count.slice(0, 1))

    def work(who, store):
        for n in range(6):
            row = code.parquet(pa.table({"who": [who], "n": [n]}))
            if n % 2:
                code.append(store, "t", row)
            else:
                path = f"t/data/{who}{n}"
                store.put(path, row)
                plan = code.Plan(code.head(store, "t"), [], {path: None}, nothing)
                assert code.finish_serializable(store, "t", plan, nothing) is not None
            ways = (
                code.finish,
                lambda *plan: code.finish_serializable(*plan, nothing),
            )
            while True:
                plan = code.prepare(
                    store, "t", ("=", "who", "count"), lambda r: r | {"n": r["n"] + 1}
                )
                if ways[n // 2 % 2](store, "t", plan) is not None:
                    break
        return True

    at_once(work, *((who, folder) for who in "ABC"))
    rows = sorted((r["who"], r["n"]) for r in content(code, folder))
    assert rows == [(w, n) for w in "ABC" for n in range(6)] + [("count", 18)]
    assert code.head(folder, "t") == 36


@forks
def test_of_all_doctors_one_stays_on_call(code, folder, far):
    """Each leaves unless he would be the last; all at once, for several wards."""
    people = 3
    for ward in range(4):
        for n in range(people):
            rows = pa.table({"doctor": [n], "on_call": [1]})
            bounds = {c: code.fold(rows[c].to_pylist()) for c in rows.column_names}
            code.append(folder, f"w{ward}", code.parquet(rows), bounds)

    def leave(doctor, store):
        left = []
        for ward in range(4):
            done = None
            while done is None:
                try:
                    plan = code.sign_off(f"w{ward}", doctor)
                except ValueError:  # somebody must stay
                    break
                done = code.finish_serializable(
                    store, f"w{ward}", plan, ("not", ("null", "doctor"))
                )
            left.append(done is not None)
        return left

    left = at_once(leave, *((n, folder) for n in range(people)))
    for ward in range(4):
        assert code.on_call(f"w{ward}") == 1
        assert sum(left[n][ward] for n in range(people)) == people - 1


def test_two_plans_for_one_file_do_not_both_commit_whatever_was_read(code, folder):
    place(code, folder, pa.table({"n": [1, 2]}), "fold")
    plans = [
        code.prepare(folder, "t", ("=", "n", n), lambda r: r | {"n": 5}) for n in (1, 2)
    ]
    done = [code.finish_serializable(folder, "t", p, ("or",)) for p in plans]
    assert done == [1, None]


@forks
def test_a_collector_beside_writers_breaks_no_kept_version(code, folder):
    place(code, folder, pa.table({"n": [0]}))
    before = set(folder.sizes("t"))

    def work(who, store):
        if who == "collector":
            for _ in range(30):
                newest = code.head(store, "t")
                keep = {"t": range(newest + 1)}
                for path in code.old_garbage(store, ["t"], keep, before):
                    store.delete(path)
        else:
            for n in range(10):
                code.append(store, "t", code.parquet(pa.table({"n": [n]})))
        return True

    at_once(work, *((who, folder) for who in ("A", "B", "collector")))
    assert len(content(code, folder)) == 21


@forks
@pytest.mark.parametrize("way", ["put", "create"])
def test_a_writer_killed_on_the_way_leaves_garbage_that_is_found(code, folder, way):
    place(code, folder, pa.table({"n": [0]}))

    def work(_, store, pipe=None):
        os.replace = os.link = lambda *_: os.kill(os.getpid(), 9)
        getattr(store, way)("t/data/x" if way == "put" else "t/v/00000001.json", b"{}")

    child = multiprocessing.get_context("fork").Process(target=work, args=(0, folder))
    child.start()
    child.join()
    assert child.exitcode == -9
    (draft,) = code.garbage(folder, ["t"], {"t": [0]})
    assert draft.startswith("t/drafts/")
    folder.delete(draft)
    assert code.head(folder, "t") == 0 and content(code, folder) == [{"n": 0}]


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
    store.put("a/database/1", b"another folder")
    assert store.sizes("a/data") == {"a/data/1": 3} and store.sizes("nowhere") == {}
    store.delete("a/database/1")
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
        server.wait(timeout=600)


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
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    said = next(line for line in done.stderr.splitlines() if line.startswith("["))
    address, checks = json.loads(said)
    assert address.startswith(f"{BUCKET}/") and checks >= 6
    assert bucket.client.list_objects_v2(Bucket=BUCKET).get("KeyCount", 0) == 0


@pytest.mark.parametrize("column", ["order", "a b", 'a"b', "select", "Weiß", "x; --"])
def test_a_column_of_any_name_is_asked_for(code, column):
    """Kind: a name that is a word of SQL's, or holds what SQL does not like in names."""
    con = duckdb.connect()
    con.register("rows_", pa.table({column: pa.array([1, 2, None])}))
    for p in (
        ("=", column, 1),
        ("not", ("null", column)),
        ("in", column, [1]),
        ("between", column, 0, 9),
    ):
        (count,) = con.execute(
            f"SELECT count(*) FROM rows_ WHERE {code.sql(p)}"
        ).fetchone()
        seen = [code.truth(p, {column: v}) for v in (1, 2, None)]
        assert count == seen.count(code.TRUE)
    con.close()


@pytest.mark.parametrize(
    "p",
    [
        ("in", "a", "ab"),
        ("in", "a", {1}),
        ("in", "a", 5),
        ("in", "a", None),
        ("like", "a", 5),
        ("like", "a", b"a"),
    ],
)
def test_a_list_that_is_none_and_a_pattern_that_is_none_are_refused(code, p):
    for ask in (lambda: code.truth(p, {"a": "a"}), lambda: code.verdict(p, {})):
        with pytest.raises(ValueError, match="no predicate"):
            ask()


@pytest.mark.parametrize(
    "path", ["t/data/x", "t/v/x", "a/b/data/x", "a/b/v/x", "t/x", "x"]
)
def test_objects_at_any_depth_are_written_and_their_drafts_found(
    code, path, monkeypatch
):
    monkeypatch.delenv("BOOK_S3_ENDPOINT", raising=False)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        store.put(path, b"1")
        assert not store.create(path, b"2") and store.get(path) == b"1"
        assert store.create(f"{path}2", b"2") and store.get(f"{path}2") == b"2"
        store._draft(path, b"left by a killed writer")
        if path.count("/") > 1:
            table = path.rsplit("/", 2)[0]
            store.create(f"{table}/v/00000000.json", pack({}))
            found = code.garbage(store, [table], {table: [0]})
            assert any("/drafts/" in name for name in found)


def test_codes_of_two_numbers_do_not_wrap(code):
    """Kind: numpy's integers wrap. Witness: Python's own."""
    for kind in (np.int8, np.int32, np.int64, np.uint16):
        x, y = np.array([5, 100], kind), np.array([77, 3], kind)
        want = [
            sum((a >> b & 1) << 2 * b + 1 | (c >> b & 1) << 2 * b for b in range(31))
            for a, c in zip(x.tolist(), y.tolist(), strict=True)
        ]
        assert code.interleave(x, y, 31).tolist() == want
    with pytest.raises(ValueError, match="room"):
        code.interleave(np.array([1]), np.array([1]), 32)
