"""The total functions of the pitfalls chapter on inputs that nobody chose; no engine is started."""

import itertools
import os
import re
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from chapter_code import CHAPTERS, chapter
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
import raydata_bytes  # noqa: E402

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


@pytest.fixture(scope="module")
def ways(pitfalls):
    """Two ways to read a file: with trust, and ours in pyarrow's default file; the former shows what the flip makes of a number."""
    good, others = (
        pitfalls.GOOD,
        pitfalls.as_others_write({"id": [1, 2], "value": [7.0, 7.0]}),
    )
    plain = {
        name: good.index(column.tobytes())
        for name, column in (("id", pitfalls.IDS), ("value", pitfalls.SEVENS))
    }
    return {
        "trust": raydata_bytes.way(
            "trusted",
            pitfalls.flips(pitfalls.trusting, good),
            pitfalls.parts_of(good),
            plain,
        ),
        "default": raydata_bytes.way(
            "by the unit",
            pitfalls.flips(pitfalls.read_unit, others),
            pitfalls.parts_of(others),
        ),
    }


@pytest.mark.parametrize(
    "chosen, at, bit",
    [
        ("trust", 0, 0),
        ("trust", 968, 4),
        ("trust", 100, 3),
        ("trust", 2327, 7),
        ("default", 60, 0),
        ("default", 2327, 7),
    ],
)
def test_the_explorable_draws_as_python_does(ways, run_script, chosen, at, bit):
    """The marks, the ring, the names and the sentence of each way, as in the picture without JavaScript."""
    one = ways[chosen]
    done = run_script(
        raydata_bytes.SCRIPT, {"way": chosen, "byte": at, "bit": bit}, ways
    )
    at = min(at, len(one["text"]) // 2 - 1)
    for end, d in raydata_bytes.lines(one).items():
        assert done["set"][f"[data-p={end}] d"] == d
    assert done["set"]["[data-p=names]"] == raydata_bytes.names(one)
    ends = raydata_bytes.kind(one, at)
    assert done["said"]["end"] == raydata_bytes.WORDS[ends[bit]]
    assert done["said"]["byte"] == f"{at:,}" and done["said"]["bit"] == bit
    picture = raydata_bytes.picture(ways, chosen, at, bit)
    for place in ("x", "y"):
        wanted = done["set"][f"[data-p=ring] {place}"]
        assert re.search(rf'data-p="ring"[^>]* {place}="{wanted}"', picture)
    for name in ("part", "end"):
        assert f'<b data-say="{name}">{done["said"][name]}</b>' in picture
    shades = {key: done["set"][f"[data-way={key}] fill-opacity"] for key in ways}
    assert shades == {key: 0.08 if key == chosen else 0 for key in ways}
    assert re.findall(r'data-way="(\w+)"[^>]*"0.08"', picture) == [chosen]


def test_the_explorable_says_what_the_flip_makes_of_a_number(
    pitfalls, ways, run_script
):
    """For each bit of a seven and of an id: what a reader that trusts gives, by the reader itself."""
    for name, column, k in (("value", pitfalls.SEVENS, 0), ("id", pitfalls.IDS, 37)):
        start = ways["trust"]["plain"][name] + 8 * k
        for at, bit in itertools.product(range(start, start + 8), range(8)):
            changed = bytearray(pitfalls.GOOD)
            changed[at] ^= 1 << bit
            read = pitfalls.trusting("f", bytes(changed))[name][k]
            said = run_script(
                raydata_bytes.SCRIPT, {"way": "trust", "byte": at, "bit": bit}, ways
            )["said"]["read"]
            was, now = re.fullmatch(r"; (\S+) → (\S+)", said).groups()
            assert float(was) == column[k]
            assert (int if name == "id" else float)(now) == read, said


def test_a_way_is_counted_and_refused(ways):
    one = ways["trust"]
    assert sum(one["count"]) == 4 * len(one["text"])
    shares = [
        float(d.split("H")[1]) - float(d[1:].split(" ")[0])
        for d in raydata_bytes.bar(one, 0)
    ]
    np.testing.assert_allclose(
        shares, [600 * n / sum(one["count"]) for n in one["count"]], atol=0.11
    )
    for wrong in ([], ["wwww"], ["w" * 8, "e" * 7]):
        with pytest.raises(ValueError, match="eight ends"):
            raydata_bytes.way("x", wrong, [(0, "all")])


def test_as_shipped_is_what_ray_does_by_default():
    """The names of the two settings, and their values where nobody sets them."""
    ours = {"RAY_DATA_USE_DATASOURCE_V2", "RAY_DATA_DEFAULT_SHUFFLE_STRATEGY"}
    ask = """
import raydata_counting
from ray.data import DataContext
about = DataContext.get_current()
seen = about.use_datasource_v2, about.shuffle_strategy
with raydata_counting.as_shipped():
    assert (about.use_datasource_v2, about.shuffle_strategy) == seen
print(*seen)
"""
    env = {k: v for k, v in os.environ.items() if k not in ours}
    env |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", ask],
        env=env,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.stdout.split() == ["True", "ShuffleStrategy.SHUFFLE_V2"], done.stderr
