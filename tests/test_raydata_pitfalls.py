"""The total functions of the pitfalls chapter on inputs that nobody chose; no engine is started."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

# No clock: a busy machine is no failure.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
FIELDS = {"file", "rows", "error", "id", "value"}


@pytest.fixture(scope="module")
def pitfalls():
    return chapter("raydata-pitfalls")


def whole(unit):
    """Is this a report that says either what was read or why not?"""
    return set(unit) == FIELDS and (
        unit["rows"] == len(unit["id"]) == len(unit["value"])
        if not unit["error"]
        else unit["rows"] == 0 and unit["id"] == unit["value"] == []
    )


@calm
@given(st.binary(max_size=400), st.text(max_size=10))
def test_unit_is_total_on_any_bytes_and_names(pitfalls, content, name):
    unit = pitfalls.read_unit(name, content)
    assert whole(unit) and unit["file"] == name and unit["error"]


@calm
@given(st.data())
def test_unit_is_total_on_damaged_files(pitfalls, data):
    """Several bytes changed, a piece cut out or put in twice: an error or a whole report."""
    content = bytearray(pitfalls.GOOD)
    places = st.integers(0, len(content) - 1)
    for at in data.draw(st.lists(places, max_size=6)):
        content[at] = data.draw(st.integers(0, 255))
    a, b = sorted(data.draw(st.tuples(places, places)))
    content[a:b] = content[a:b] * data.draw(st.integers(0, 2))
    assert whole(pitfalls.read_unit("f", bytes(content)))


def test_every_truncation_is_an_error(pitfalls):
    good = pitfalls.GOOD
    assert all(pitfalls.read_unit("f", good[:n])["error"] for n in range(len(good)))
    assert not pitfalls.read_unit("f", good)["error"]


@calm
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20),
    st.sampled_from(["plain", "swapped", "text", "float32"]),
)
def test_unit_gives_back_what_was_written(pitfalls, ids, how):
    values = np.array([float(i % 1000) for i in ids])
    columns = {
        "plain": {"id": np.array(ids, np.int64), "value": values},
        "swapped": {"value": values, "id": np.array(ids, np.int64)},
        "text": {"id": [str(i) for i in ids], "value": [str(v) for v in values]},
        "float32": {"id": np.array(ids, np.int64), "value": values.astype("f4")},
    }[how]
    if how == "text" and not ids:
        columns = {"id": np.array([], np.int64), "value": values}
    unit = pitfalls.read_unit("f", pitfalls.parquet(columns))
    assert (unit["error"], unit["rows"]) == ("", len(ids))
    assert (unit["id"], unit["value"]) == (ids, values.tolist())


@pytest.mark.parametrize(
    "columns",
    [
        {"id": [0.5], "value": [1.0]},
        {"id": [1]},
        {},
        {"id": [1], "value": [1.0], "unit": ["m"]},
    ],
)
def test_unit_refuses_what_does_not_fit(pitfalls, columns):
    unit = pitfalls.read_unit("f", pitfalls.parquet(columns))
    assert whole(unit) and unit["error"]


def test_a_path_that_cannot_be_read_is_reported(pitfalls, tmp_path):
    folder = pitfalls.unit_of_path({"path": str(tmp_path)})
    absent = pitfalls.unit_of_path({"path": str(tmp_path / "庐山.parquet")})
    assert whole(folder) and folder["error"] == "IsADirectoryError"
    assert absent["error"] == "FileNotFoundError" and absent["file"] == "庐山.parquet"
    (tmp_path / "庐山 50%.parquet").write_bytes(pitfalls.GOOD)
    there = pitfalls.unit_of_path({"path": str(tmp_path / "庐山 50%.parquet")})
    assert (there["file"], there["rows"]) == ("庐山 50%.parquet", 100)
    assert there["error"] == ""


@calm
@given(st.integers())
def test_total_reports_and_keeps_the_row(pitfalls, n):
    def strict(row):
        if row["id"] % 2:
            raise KeyError("odd")
        return {"half": row["id"] // 2}

    row = {"id": n}
    result = pitfalls.total(strict)(row)
    assert row == {"id": n}, "the input is not altered"
    if n % 2:
        assert result == {"id": n, "error": "KeyError: 'odd'"}
    else:
        assert result == {"half": n // 2, "error": ""}


@pytest.mark.parametrize("blocks, bad", [(0, 1), (-1, 0), (4, -1)])
def test_expected_loss_refuses_nonsense(pitfalls, blocks, bad):
    with pytest.raises(ValueError, match="need blocks"):
        pitfalls.expected_loss(blocks, bad)


def test_expected_loss_at_its_edges(pitfalls):
    assert pitfalls.expected_loss(7, 0) == 0 and pitfalls.expected_loss(1, 1) == 1
    assert pitfalls.expected_loss(7, 1) == Fraction(1, 7)


@calm
@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=40),
    st.lists(st.integers(0, 3), min_size=40, max_size=40),
)
def test_two_stages_equal_one(pitfalls, values, parts):
    """However rows are dealt to parts: sums and the three largest merge to the same result."""
    group = {"key": np.zeros(len(values), int), "value": np.array(values)}
    part = np.array(parts[: len(values)])
    wanted = {pitfalls.group_sum: [sum(values)], pitfalls.top: sorted(values)[-3:]}
    for stage, result in wanted.items():
        first = [
            stage({k: v[part == p] for k, v in group.items()}) for p in np.unique(part)
        ]
        merged = {
            k: np.array(list(itertools.chain(*(g[k] for g in first)))) for k in group
        }
        assert sorted(stage(merged)["value"]) == sorted(stage(group)["value"]) == result


@calm
@given(st.lists(st.integers(-50, 50), max_size=6), st.integers(0, 8))
def test_the_top_k_are_the_k_largest_also_none(pitfalls, values, k):
    group = {"key": np.zeros(len(values), int), "value": np.array(values, int)}
    found = pitfalls.top(group, k)
    assert sorted(found["value"]) == sorted(values)[max(0, len(values) - k) :]
    assert len(found["key"]) == min(k, len(values))
    with pytest.raises(ValueError, match="the top -1"):
        pitfalls.top(group, -1)


INTEGERS = ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "bool"]


@settings(calm, max_examples=100)
@given(st.data(), st.sampled_from(INTEGERS))
@example(None, "int64")
def test_sums_are_exact_or_refused(pitfalls, data, kind):
    """Any integers of numpy, also where their own sum would wrap: the witness is Python's integers."""
    least, most = (0, 1) if kind == "bool" else (np.iinfo(kind).min, np.iinfo(kind).max)
    numbers = st.one_of(st.integers(least, most), st.sampled_from([least, most]))
    values = (
        [2**62, 2**62] if data is None else data.draw(st.lists(numbers, max_size=9))
    )
    group = {"key": np.zeros(len(values), int), "value": np.array(values, kind)}
    if -(2**63) <= sum(values) < 2**63:
        assert [*pitfalls.group_sum(group)["value"]] == [sum(values)]
    else:
        with pytest.raises(OverflowError, match=f"cannot hold the sum {sum(values)}"):
            pitfalls.group_sum(group)


def test_waiting_ends_in_words(pitfalls):
    assert pitfalls.wait_until(lambda: True, "nothing") is None
    with pytest.raises(TimeoutError, match="waited 0 s for a sign"):
        pitfalls.wait_until(lambda: False, "a sign", patience=0)
