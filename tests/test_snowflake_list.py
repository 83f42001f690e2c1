"""What snowflake-list cannot check about itself: its commits under races, its bounds and its store, also on S3."""

import datetime
import decimal
import gc
import io
import itertools
import json
import math
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import textwrap
import time
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
from snowflake_store import BUCKET, Store, pack, unpack  # noqa: E402

NAME = "snowflake-list"


@pytest.fixture(scope="module")
def code():
    return chapter(NAME)


# --- bounds and boxes -----------------------------------------------------------------------------------------

FINE = st.integers(-(10**38) + 1, 10**38 - 1).map(
    lambda n: decimal.Decimal(n).scaleb(-19, decimal.Context(prec=40))
)
TYPED = {  # Arrow type -> values of a column
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats() | st.sampled_from([0.1, -0.0, float(2**53)]),
    pa.decimal128(38, 19): FINE,
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)),
    pa.timestamp("us"): st.datetimes(
        datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)
    ),
    pa.string(): st.text(max_size=4),
}


@settings(max_examples=100, deadline=None, database=None)
@given(data=st.data(), sort=st.sampled_from(sorted(TYPED, key=str)))
def test_no_file_that_meets_a_box_is_skipped_also_after_its_list_is_read(
    code, data, sort
):
    values = data.draw(st.lists(st.none() | TYPED[sort], max_size=5))
    low, high = data.draw(TYPED[sort]), data.draw(TYPED[sort])
    rows = pa.table({"DATE": pa.array(values, sort)})
    bounds = code.bounds_of(rows)
    back = unpack(pack({"t/data/x": bounds, "t/data/y": None}))
    assert back["t/data/y"] is None
    again = {c: tuple(ends) for c, ends in back["t/data/x"].items()}
    assert again == bounds
    for ends, kept in zip(bounds.values(), again.values(), strict=True):
        assert [type(v) for v in kept] == [type(v) for v in ends]
    ordered = [v for v in rows["DATE"].to_pylist() if v is not None and v == v]
    assert bounds == ({"DATE": (min(ordered), max(ordered))} if ordered else {})
    box = {"DATE": (low, high)}
    if any(code.inside(box, {"DATE": v}) for v in values):
        assert code.meets(box, back["t/data/x"])
    assert code.meets(box, None) and code.meets({}, bounds)


def test_boxes_at_their_edges(code):
    bounds = code.bounds_of(pa.table({"n": [1, 5], "b": [b"a", b"b"]}))
    assert bounds == {"n": (1, 5)}, "blobs have no order here"
    for low, high, hit in ((5, 9, True), (6, 9, False), (-3, 1, True), (-3, 0, False)):
        assert code.meets({"n": (low, high)}, bounds) is hit
        assert code.meets({"n": (low, high), "b": (b"x", b"y")}, bounds) is hit
    assert not code.inside({"n": (1, 2)}, {"n": None})
    for box, error in (({"m": (1, 2)}, ValueError), ({"n": (0.1, 2.0)}, TypeError)):
        with pytest.raises(error):
            code.inside(box, {"n": 1})
    with pytest.raises(TypeError):
        code.meets({"n": ("1", "2")}, bounds)
    with pytest.raises(ValueError, match="cannot hold True"):
        code.exactly([{"n": True}], pa.schema([("n", pa.float64())]))
    assert not code.inside({"x": (0.0, math.inf)}, {"x": math.nan})
    moment = datetime.datetime(2024, 1, 1, 12)
    with pytest.raises(TypeError):  # a day is no moment
        code.meets({"d": (moment, moment)}, {"d": (moment.date(), moment.date())})


def test_six_orders_of_two_writers(code):
    """The explorable's film: what each order leaves, and that a refused writer begins again."""
    left = {"".join(o): code.play(o)[1] for o in code.orders_of("AB")}
    assert {o for o, names in left.items() if len(names) == 2} == {"AABB", "BBAA"}
    told, names = code.play("ABAB", careful=True)
    assert names == ["A", "B"] and [who for who, _ in told] == list("ABABBB")


def test_the_script_shows_the_film(code, run_script):
    import nbformat

    cells = nbformat.read(CHAPTERS / f"{NAME}.ipynb", 4).cells
    (source,) = [c.source for c in cells if c.id == "snowflake-list-explorable"]
    script = source.split('"""')[-2]
    film = {"careless": [["<a/>", "A"]] * 6, "careful": [["<b/>", "A B"]] * 6}
    film["careless"][2] = ["<c/>", "B"]
    seen = run_script(script, {"way": "careless", "order": 3}, film)
    assert seen["set"][".steps"] == "<c/>" and seen["said"]["left"] == "B"
    assert "lost" in seen["said"]["lost"]
    seen = run_script(script, {"way": "careful", "order": 1}, film)
    assert seen["set"][".steps"] == "<b/>" and "Both" in seen["said"]["lost"]


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
        bounds = code.bounds_of(rows)
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
    monkeypatch.setitem(code.prepare.__globals__, "store", store)
    yield store
    store.close()


@pytest.mark.parametrize("bounds", [None, "fold"])
def test_a_table_of_many_types_is_updated_with_and_without_bounds(code, folder, bounds):
    place(code, folder, ORDERS, bounds)
    for where in (
        {"money": (decimal.Decimal("0.10"),) * 2},
        {"day": (datetime.date(2024, 1, 1),) * 2},
        {"at": (datetime.datetime(2024, 1, 1, 12, 30),) * 2},
        {"blob": (b"", b"z"), "n": (1, 1)},
    ):
        plan = code.prepare(folder, "t", where, lambda r: r | {"money": r["money"] * 2})
        assert code.finish(folder, "t", plan) is not None
        undo = code.prepare(folder, "t", where, lambda r: r)
        assert len(undo.removed) <= 1
        halve = code.prepare(
            folder, "t", {}, lambda r: r | {"money": r["money"] and r["money"]}
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
        code.prepare(folder, "t", {"n": (1, 1)}, lambda r: r | change)
    with pytest.raises(ValueError, match="columns"):
        code.prepare(folder, "t", {"n": (1, 1)}, lambda r: {"n": 1})
    assert folder.sizes() == before, "nothing is left behind"


ENDS = st.one_of(
    st.none(),
    st.floats() | st.integers(-3, 3) | st.booleans() | st.text(max_size=2),
    st.sampled_from([math.nan, np.float64(1), b"x", [1.0, 2.0]]),
    *TYPED.values(),
)


@settings(max_examples=300, deadline=None, database=None)
@given(
    ends=st.tuples(ENDS, ENDS)
    | ENDS.map(lambda end: (end, end))
    | st.lists(ENDS, max_size=3)
    | ENDS.filter(lambda end: end is not None)
)
def test_bounds_in_a_list_of_files_are_met_at_their_ends(code, ends):
    """Kind: bounds that no value meets, by which the rows of a file would be lost."""
    try:
        kept = unpack(pack({"t/data/x": {"c": ends}}))["t/data/x"]
    except (TypeError, ValueError) as error:
        assert (
            "bounds" in str(error)
            or "cannot" in str(error)
            or "no value" in str(error)
            or "cast one" in str(error)
        ), error
        if isinstance(ends, tuple | list) and len(ends) == 2:
            plain = type(ends[0]) is type(ends[1]) and type(ends[0]) in (
                int,
                float,
                str,
            )
            assert not (plain and ends[0] <= ends[1]), "such bounds are right"
        return
    for end in ends:
        assert code.meets({"c": (end, end)}, kept)


@pytest.mark.parametrize(
    "ends",
    [(math.nan, math.nan), (1.0, math.nan), (2.0, 1.0), (None, None), (1, 2.0), 5],
)
def test_no_way_writes_bounds_that_no_value_meets(code, folder, ends):
    rows, bounds = pa.table({"n": [1.0, 2.0]}), {"n": ends}
    place(code, folder, rows)
    before = folder.sizes()
    plan = code.Plan(0, [], {"t/data/x": bounds}, None)
    for write in (
        lambda: place(code, folder, rows, bounds),
        lambda: code.commit(folder, "t", 1, {"t/data/x": bounds}),
        lambda: code.finish(folder, "t", plan),
        lambda: code.finish_serializable(folder, "t", plan, []),
    ):
        with pytest.raises((ValueError, TypeError)):
            write()
    assert folder.sizes() == before


@pytest.mark.parametrize("files", [1, 2, 4])
def test_an_update_refused_at_any_file_leaves_nothing(code, folder, files):
    for n in range(files):
        place(code, folder, pa.table({"n": [n]}), "fold")
    before = folder.sizes()
    for bad in range(files):
        with pytest.raises(ValueError, match="cannot hold 1.5"):
            code.prepare(
                folder, "t", {}, lambda r, b=bad: {"n": 1.5 if r["n"] == b else 1}
            )
        assert folder.sizes() == before


SCALARS = [True, False, 0, 1, 2, 0.0, 1.0, 1.5, math.nan, None, "1", b"1"]
SCALARS += [kind(1) for kind in (np.bool_, np.int8, np.uint64, np.float32, np.float64)]
SCALARS += [np.datetime64("NaT", "us"), np.datetime64("2024-01-01", "us")]
SCALARS += [decimal.Decimal(1), datetime.date(2024, 1, 1)]


@pytest.mark.parametrize("sort", [*TYPED, pa.int8(), pa.float32()], ids=str)
@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_a_row_is_stored_as_it_is_or_refused(code, sort, value):
    """Kind: a value that a column bends. What is true or false, NULL or NaN stays so."""
    schema = pa.schema([("c", sort)])
    try:
        table = code.exactly(({"c": v} for v in [value]), schema)
    except (ValueError, TypeError):
        return
    (stored,) = table["c"].to_pylist()
    truth = type(value).__name__ in ("bool", "bool_")
    assert truth == (type(stored) is bool) and (value is None) == (stored is None)
    assert value == stored or value != value and stored != stored


def raw(cell):
    """What Arrow holds in a cell, told without Python's times, which end at the microsecond."""
    if not cell.is_valid:
        return None
    if isinstance(cell, pa.Time64Scalar):
        return cell.value
    if isinstance(cell, pa.DictionaryScalar):
        return raw(cell.value)
    if isinstance(cell, pa.ListScalar):
        return [raw(one) for one in cell.values]
    if isinstance(cell, pa.StructScalar):
        return {name: raw(one) for name, one in cell.items()}
    return repr(cell.as_py())


LEAVES = {  # Arrow type -> values of it, as Arrow takes them
    pa.time64("ns"): st.integers(0, 86_399_999_999_999),
    pa.timestamp("ns"): st.integers(0, 2**60),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=2),
    pa.string_view(): st.text(max_size=2),
}


@st.composite
def columns(draw):
    """A column of at most eight rows, its cells bare or in lists or structs."""
    kind = draw(st.sampled_from([*LEAVES]))
    one = st.none() | LEAVES[kind]
    shape = draw(st.sampled_from(["bare", "list", "struct", "dictionary"]))
    if kind == pa.string_view():
        shape = "bare"  # Parquet does not take slices of it within a struct
    if shape == "list":
        kind, one = pa.list_(kind), st.none() | st.lists(one, max_size=2)
    elif shape == "struct":
        kind, one = (
            pa.struct([("x", kind)]),
            st.none() | st.fixed_dictionaries({"x": one}),
        )
    column = pa.array(draw(st.lists(one, max_size=8)), kind)
    if shape == "dictionary" and kind == pa.string():
        column = column.dictionary_encode()
    return column


@settings(max_examples=250, deadline=None, database=None)
@given(column=columns(), keys=st.lists(st.integers(0, 3), min_size=8, max_size=8))
@example(pa.array([1], pa.time64("ns")), [9])
@example(pa.array([[1]], pa.list_(pa.time64("ns"))), [9])
@example(pa.array([[math.nan]]), [9])
@example(pa.array([[math.nan]]), [1])
@example(pa.array(["a", "b"]).dictionary_encode(), [1, 0])
def test_rows_outside_a_box_stay_as_they_are_and_those_in_it_or_they_are_refused(
    code, column, keys
):
    """Kind: a row that nobody changed, and that was changed on its way through Python. The witness reads Arrow's cells."""
    keys = keys[: len(column)]
    old = pa.table({"id": pa.array(keys, pa.int64()), "c": column})
    old = pq.read_table(io.BytesIO(code.parquet(old)))
    cells = [raw(cell) for cell in old["c"]]
    too_fine = "time64[ns]" in str(column.type) and any(k in (1, 2) for k in keys)
    changes = {
        "drop": (lambda r: None, {0: 0, 3: 3}),
        "move": (lambda r: r | {"id": 7}, {0: 0, 1: 7, 2: 7, 3: 3}),
        "keep": (lambda r: r, {0: 0, 1: 1, 2: 2, 3: 3}),
    }
    for what, (change, ids) in changes.items():
        if too_fine and what != "drop":
            with pytest.raises(ValueError, match="no nanoseconds"):
                code.rewritten(old, {"id": (1, 2)}, change)
            continue
        new = code.rewritten(old, {"id": (1, 2)}, change)
        new = pq.read_table(io.BytesIO(code.parquet(new)))
        assert new.schema == old.schema
        kept = [n for n, key in enumerate(keys) if ids.get(key, key) is not None]
        kept = [n for n in kept if what != "drop" or keys[n] not in (1, 2)]
        assert new["id"].to_pylist() == [ids.get(keys[n], keys[n]) for n in kept]
        assert [raw(cell) for cell in new["c"]] == [cells[n] for n in kept]


def test_two_columns_of_one_name_are_refused_in_words(code):
    twins = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    for where in ({}, {"a": (9, 9)}):
        with pytest.raises(ValueError, match="two columns have one name"):
            code.rewritten(twins, where, lambda r: r)


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [
        (pa.list_(pa.float64()), [math.nan, None, 1.5], True),
        (pa.list_(pa.float64()), [True], False),
        (pa.list_(pa.int64()), [1.5], False),
        (pa.list_(pa.list_(pa.float64())), [[math.nan], None, []], True),
        (pa.list_(pa.list_(pa.float64())), [[True]], False),
        (pa.struct([("x", pa.float64())]), {"x": math.nan}, True),
        (pa.struct([("x", pa.float64())]), {"x": True}, False),
        (pa.struct([("x", pa.float64())]), {"x": 1.0, "y": 2.0}, False),
        (pa.struct([("x", pa.float64()), ("y", pa.float64())]), {"x": 1.0}, False),
        (pa.map_(pa.string(), pa.float64()), [("k", math.nan)], True),
        (pa.map_(pa.string(), pa.float64()), [("k", True)], False),
    ],
    ids=str,
)
def test_what_lies_in_a_list_is_stored_as_it_is_or_refused(code, kind, value, fits):
    schema = pa.schema([("c", kind)])
    if fits:
        (cell,) = code.exactly([{"c": value}], schema)["c"].to_pylist()
        assert repr(cell) == repr(value)
    else:
        with pytest.raises(ValueError, match="cannot hold"):
            code.exactly([{"c": value}], schema)


INNER = pa.field("x", pa.int64(), nullable=False)


@pytest.mark.parametrize("files", [1, 2, 3])
@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (pa.field("c", pa.int64(), nullable=False), 1, None),
        (pa.field("c", pa.struct([INNER])), {"x": 1}, {"x": None}),
        (pa.field("c", pa.list_(INNER)), [1], [None]),
    ],
    ids=str,
)
def test_what_parquet_refuses_at_any_file_leaves_nothing(
    code, folder, files, field, good, bad
):
    """Kind: a copy that is put before a later one is found to be impossible."""
    schema = pa.schema([("id", pa.int64()), field])
    for n in range(files):
        place(code, folder, pa.Table.from_pylist([{"id": n, "c": good}], schema))
    before = folder.sizes()
    for at in range(files):
        with pytest.raises(ValueError, match="non-nullable"):
            code.prepare(
                folder,
                "t",
                {},
                lambda r, a=at: r | ({"c": bad} if r["id"] == a else {}),
            )
        assert folder.sizes() == before


def test_what_is_read_may_be_told_once(code, folder, monkeypatch):
    """Kind: an iterator that is empty when it is looked at again."""
    box = {"n": (2, 2)}
    for n in (1, 2):
        place(code, folder, pa.table({"n": [n]}), "fold")
    plan = code.prepare(folder, "t", {"n": (1, 1)}, lambda r: {"n": 9})
    for n in (7, 2):  # two files come: the second is what was read
        place(code, folder, pa.table({"n": [n]}), "fold")
    for reads in ([box], iter([box]), (b for b in [box])):
        assert code.finish_serializable(folder, "t", plan, reads) is None

    plan = code.prepare(folder, "t", {"n": (1, 1)}, lambda r: {"n": 9})
    commit, rivals = code.commit, [1]

    def beaten(*arguments):
        while rivals:
            rivals.pop()
            place(code, folder, pa.table({"n": [2]}), "fold")
        return commit(*arguments)

    monkeypatch.setitem(code.prepare.__globals__, "commit", beaten)
    assert code.finish_serializable(folder, "t", plan, (b for b in [box])) is None
    assert not rivals


def test_a_table_without_rows_sums_to_0_and_one_that_is_not_there_is_named(
    code, folder
):
    place(code, folder, pa.table({"n": [1], "cents": [5]}))
    plan = code.prepare(folder, "t", {}, lambda r: None)
    assert code.finish(folder, "t", plan) == 1 and code.total("t", 1) == (0, 0)
    for ask in (
        lambda: code.prepare(folder, "none", {}, lambda r: r),
        lambda: code.finish(folder, "none", plan),
        lambda: code.finish_serializable(folder, "none", plan._replace(base=-1), []),
        lambda: code.total("none", -1),
        lambda: code.on_call("none"),
        lambda: code.sign_off("none", 1),
    ):
        with pytest.raises(ValueError, match="the table 'none' has no version -1"):
            ask()
    assert {path.split("/")[0] for path in folder.sizes()} == {"t"}


def test_bounds_that_cannot_be_written_leave_no_orphan(code, folder):
    for bad in (b"x", datetime.time(1), np.int64(1)):
        with pytest.raises(TypeError, match="cannot hold"):
            place(code, folder, ORDERS, {"n": (bad, bad)})
    assert folder.sizes() == {}


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

    monkeypatch.setitem(code.prepare.__globals__, "head", head)


forks = pytest.mark.skipif(sys.platform != "linux", reason="forks")


@forks
def test_no_commit_is_lost_when_processes_race(code, folder, far):
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
                plan = code.Plan(code.head(store, "t"), [], {path: None}, None)
                assert code.finish_serializable(store, "t", plan, []) is not None
            ways = (
                code.finish,
                lambda *plan: code.finish_serializable(*plan, []),
            )
            while True:
                plan = code.prepare(
                    store,
                    "t",
                    {"who": ("count", "count")},
                    lambda r: r | {"n": r["n"] + 1},
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
            code.append(folder, f"w{ward}", code.parquet(rows), code.bounds_of(rows))

    def leave(doctor, store):
        left = []
        for ward in range(4):
            done = None
            while done is None:
                try:
                    plan = code.sign_off(f"w{ward}", doctor)
                except ValueError:  # somebody must stay
                    break
                done = code.finish_serializable(store, f"w{ward}", plan, [{}])
            left.append(done is not None)
        return left

    left = at_once(leave, *((n, folder) for n in range(people)))
    for ward in range(4):
        assert code.on_call(f"w{ward}") == 1
        assert sum(left[n][ward] for n in range(people)) == people - 1


def test_two_plans_for_one_file_do_not_both_commit_whatever_was_read(code, folder):
    place(code, folder, pa.table({"n": [1, 2]}), "fold")
    plans = [
        code.prepare(folder, "t", {"n": (n, n)}, lambda r: r | {"n": 5}) for n in (1, 2)
    ]
    done = [code.finish_serializable(folder, "t", p, []) for p in plans]
    assert done == [1, None]


@forks
def test_a_collector_beside_writers_breaks_no_kept_version(code, folder):
    place(code, folder, pa.table({"n": [0]}))
    folder.put("t/data/crashed", b"")
    before = code.garbage(folder, ["t"], {"t": [0]})

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
    assert before == {"t/data/crashed"} and not before & folder.sizes("t").keys()


HAPPENS = st.sampled_from(["put", "clone", "end", "rewrite", "drop", "look", "collect"])


@settings(max_examples=150, deadline=None, database=None)
@given(history=st.lists(HAPPENS, max_size=30))
@example(history=["look", "clone", "rewrite", "drop", "collect"])
@example(history=["put", "look", "end", "rewrite", "drop", "collect"])
def test_two_looks_keep_every_table_and_clone_readable(code, history):
    """Kind: a file that somebody on the way still needs. A write that began before the first look ends before the second,
    and no version that came between the looks is given up. The witness asks only which files are there."""
    with tempfile.TemporaryDirectory() as address:
        store, keep = Store(address), {"t": [0]}
        on_the_way, looked, count = [], None, itertools.count()

        def put():
            path = f"t/data/{next(count)}"
            store.put(path, b"")
            return path

        def newest():
            return code.files_at(store, "t", keep["t"][-1])

        def version(files):
            keep["t"].append(keep["t"][-1] + 1)
            assert code.commit(store, "t", keep["t"][-1], files)

        def end():
            path, names = on_the_way.pop(0)
            if path is not None:
                version(newest() | {path: None})
            else:
                clone = f"clone {next(count)}"
                code.commit(store, clone, 0, names)
                keep[clone] = [0]

        code.commit(store, "t", 0, {put(): None, put(): None})
        for what in history:
            if what == "put":
                on_the_way.append((put(), None))
            elif what == "clone":
                on_the_way.append((None, code.files_at(store, "t", keep["t"][0])))
            elif what == "end" and on_the_way:
                end()
            elif what == "rewrite":
                version(dict([*newest().items()][1:]) | {put(): None})
            elif what == "drop" and len(keep["t"]) > 1:
                if looked is None or keep["t"][0] <= looked[1]:
                    keep["t"].pop(0)
            elif what == "look":
                before = code.garbage(store, ["t"], keep)
                looked = before, keep["t"][-1], [*on_the_way]
            elif what == "collect" and looked is not None:
                while on_the_way and any(one is on_the_way[0] for one in looked[2]):
                    end()
                for path in code.old_garbage(store, ["t"], keep, looked[0]):
                    store.delete(path)
                looked = None
        while on_the_way:
            end()
        cuts = [(table, v) for table in keep for v in keep[table]]
        for cut in cuts:
            assert code.files_at(store, *cut).keys() <= store.sizes().keys()


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
                # pictures, and Delta, which keeps its table in a folder, need no bucket
                aside = "plt.show(" in source or "explorable(" in source
                aside |= "-delta-" in cell["id"]
                aside &= "store = Store()" not in source
                if aside or check and not wanted:
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
