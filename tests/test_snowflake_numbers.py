"""What snowflake-numbers cannot check about itself: its pruner under hypothesis, on types, and beside DuckDB."""

import datetime
import decimal
import math
import string
import sys
from fractions import Fraction

import duckdb
import mpmath
import numpy as np
import pyarrow as pa
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
import snowflake_predicates as predicates_  # noqa: E402
from snowflake_store import Store, alike, check_box, sql_type, value_of  # noqa: E402

NAME = "snowflake-numbers"
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
    end = predicates_.after(prefix)
    assert end is None or prefix + rest < end
    if not other.startswith(prefix) and other > prefix:
        assert end is not None and other >= end


def test_after_at_the_edges_of_unicode(code):
    assert predicates_.after("") is None and predicates_.after("\U0010ffff") is None
    assert predicates_.after("\U0010fffe") == "\U0010ffff"
    assert (
        predicates_.after("a\U0010ffff") == "b"
        and predicates_.after("\ud7ff") == "\ue000"
    )


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


@settings(max_examples=200, deadline=None, database=None)
@given(data=st.data(), width=st.integers(1, 38) | st.just(38))
def test_decimals_of_any_width_are_compared_as_duckdb_does(code, data, width):
    """Kind: a literal that DuckDB reads as another type."""
    scale = data.draw(st.integers(0, width) | st.just(width))
    step = data.draw(st.sampled_from([-1, 0, 1]))
    most = 10**width - 1
    n = data.draw(st.integers(-most, most) | st.sampled_from([most, -most, most // 9]))
    value, constant = (
        decimal.Decimal(k).scaleb(-scale, decimal.Context(prec=40))
        for k in (n, max(-most, min(most, n + step)))
    )
    said_type = WITNESS.execute(f"SELECT typeof({predicates_.literal(constant)})")
    assert said_type.fetchone()[0].startswith("DECIMAL")
    for op in ("<", "=", ">="):
        p = (op, "c", constant)
        source = f"(SELECT '{value:f}'::DECIMAL({width}, {scale}) AS c)"
        ((said,),) = WITNESS.execute(f"SELECT {code.sql(p)} FROM {source}").fetchall()
        assert code.truth(p, {"c": value}) == (code.TRUE if said else code.FALSE)
        found = code.verdict(p, {"c": code.fold([value])})
        assert found != "skip" if said else found != "full"


@settings(max_examples=100, deadline=None, database=None)
@given(
    c=st.integers(-(2**70), 2**70)
    | st.sampled_from([2**63, 2**63 - 1, -(2**63), -(2**63) - 1, 2**64 - 1])
)
def test_arrow_compares_whole_numbers_or_says_that_it_cannot(code, c):
    values = [-(2**63), -1, 0, 2**53 + 1, 2**63 - 1]
    rows = pa.table({"a": pa.array(values, pa.int64())})
    for p in (("<", "a", c), ("in", "a", [c]), ("between", "a", c, c)):
        if -(2**63) <= c < 2**63:
            found = rows.filter(code.arrow(p))["a"].to_pylist()
            assert found == [v for v in values if code.truth(p, {"a": v}) == code.TRUE]
        else:
            with pytest.raises(ValueError, match="64 bits"):
                code.arrow(p)


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
        lambda: code.sql(p),
        lambda: code.arrow(p),
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
    assert predicates_.literal(moment) == "TIMESTAMP '2024-01-01 12:00:00'"
    assert sql_type(moment) != sql_type(moment.date())


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
        again, _ = code.top(k, "c", iter(sorted(stats)))  # the paths come but once
        assert [code.key(v) for v in again] == [code.key(v) for v in best]
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


def test_stray_depth_refuses_what_is_no_share(code):
    for eps in (0, -0.1, 1.1, math.nan):
        with pytest.raises(ValueError):
            code.stray_depth(eps)
    for k, m in ((0, 5), (5, 0), (-1, 5)):
        with pytest.raises(ValueError):
            code.stray_depth(0.1, k, m)
    for k, m in ((1.5, 5), (5, 1.5), (math.nan, 5)):
        with pytest.raises(TypeError):
            code.stray_depth(0.1, k, m)
    assert code.stray_depth(1) == pytest.approx(40 * 4999 / 5001, abs=0.01)
    assert code.stray_depth(0.5, k=1, m=1) == pytest.approx(1)


@pytest.mark.parametrize(
    "eps",
    [5e-324, 1e-310, 1e-300, 1e-12, 1e-4, Fraction(1, 1000), Fraction(1, 10**400), 1]
    + [kind(0.5) for kind in (float, np.float16, np.float32, np.float64)],
    ids=repr,
)
@pytest.mark.parametrize(
    "k, m", [(40, 100_000), (40, 5000), (3, 1), (np.uint8(255), np.uint8(255))]
)
def test_stray_depth_is_that_of_its_value_in_any_type(code, eps, k, m):
    """The witness adds up the formula with 60 digits, or more where eps is tiny. Each of k terms lies in [0, 1] and is
    off by a few roundings of u ≤ 1; the exponent (m + 1) log(1 − eps u) carries its own relative rounding into
    x exp(−x) ≤ 1, divided by eps (m + 1) as x is."""
    exact = eps if isinstance(eps, Fraction) else Fraction(float(eps))
    k_, m_ = int(k), int(m)
    with mpmath.workdps(60 + 2 * len(str(exact.denominator // exact.numerator))):
        e = mpmath.mpf(exact.numerator) / exact.denominator
        g = [mpmath.mpf(i) / k_ for i in range(k_)]
        g = [u + ((1 - e * u) ** (m_ + 1) - 1) / (e * (m_ + 1)) for u in g]
        wanted = float(1 + 2 * mpmath.fsum(g))
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        assert abs(code.stray_depth(eps, k, m) - wanted) <= 20 * k_ * 2**-53


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
    for x in (-1, 8, 0.5, np.nan):
        with pytest.raises(ValueError, match="whole numbers of 3 bits"):
            code.interleave(np.array([1, x]), np.array([1, 1]), 3)
    for side in (0, 3):
        with pytest.raises(ValueError, match="a stretch of 1 to 2 places"):
            code.touched(np.zeros((2, 2)), side)
    for side in (1.5, 1.0, math.nan):
        with pytest.raises(TypeError):
            code.touched(np.zeros((2, 2)), side)
    for shape in ((4, 2), (4,), (2, 2, 2)):
        with pytest.raises(ValueError, match="square"):
            code.touched(np.zeros(shape))


def test_an_unknown_column_is_named(code):
    for predicate in (("null", "b"), ("<", "b", 1)):
        with pytest.raises(ValueError, match="no column 'b', there are a"):
            code.truth(predicate, {"a": 1})


def test_boxes_and_rows_are_refused_in_words_where_they_do_not_fit():
    """For both chapters: unknown columns, ends that are NULL or of another type than the values."""
    row = {"a": 1, "m": decimal.Decimal("0.10"), "n": None}
    assert value_of(row, "m") == decimal.Decimal("0.10")
    with pytest.raises(ValueError, match="no column 'zz', there are a, m, n"):
        value_of(row, "zz")
    check_box({"a": (0, 2), "n": ("x", "y")}, row)
    check_box({"a": (0, 2)}, {"a": [5, 7]})
    with pytest.raises(ValueError, match="no column 'zz'"):
        check_box({"zz": (1, 2)}, row)
    for box in (
        {"m": (0.1, 0.1)},
        {"a": (True, True)},
        {"a": ("x", "y")},
        {"a": (0.5, 1)},
    ):
        with pytest.raises(TypeError, match="cast one of them"):
            check_box(box, row)
    with pytest.raises(TypeError, match="NULL"):
        check_box({"a": (None, 1)}, row)


def test_the_first_pruner_is_right_of_and_and_or(code):
    stats, some, none = {"a": code.fold([10, 40])}, ("=", "a", 20), ("=", "a", 99)
    assert code.naive(("or", some, none), stats)
    assert not code.naive(("and", some, none), stats)
