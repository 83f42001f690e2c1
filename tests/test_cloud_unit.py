"""chapters/cloud-unit.ipynb: the unit on inputs that nobody thought of, the scheduler's invariants, the table, the explorable."""

import encodings.aliases
import hashlib
import json
import math
import sys
import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest
from chapter_code import CHAPTERS, ROOT, chapter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(ROOT / "data"))
import record_stdlib  # noqa: E402

cloud = chapter("cloud-unit")
# No clock: a busy machine is no failure.
quick = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
pythonish = st.lists(
    st.sampled_from(
        "def f ( ) : \n \t pass async class ' \" { } [ ] é 横 \\ \0 # lambda x = 1 f''' b'\\d'".split(
            " "
        )
    ),
    max_size=40,
).map(" ".join)


@quick
@given(pythonish, st.sampled_from(["utf-8", "utf-16", "gb18030", "latin-1"]))
def test_the_unit_is_total_and_keeps_its_shape(text, encoding):
    source = text.encode(encoding, errors="replace")
    row = cloud.unit(source)
    assert list(row) == ["tokens", "functions", "sha256", "error"]
    assert row["sha256"] == hashlib.sha256(source).hexdigest()
    assert row["functions"] <= source.count(b"def")
    with warnings.catch_warnings():  # the mood of the process is no input
        warnings.simplefilter("error")
        assert cloud.unit(source) == row


@pytest.mark.parametrize("codec", sorted(set(encodings.aliases.aliases.values())))
def test_the_unit_survives_every_declared_codec(codec):
    for body in (b"a = 1\n", b"\xff\xfe\x00", b"+AGE-"):
        assert isinstance(
            cloud.unit(b"# coding: " + codec.encode() + b"\n" + body)["error"], str
        )


@pytest.mark.parametrize("wrong", ["text", None, bytearray(b"a"), 3])
def test_the_unit_says_what_it_reads(wrong):
    with pytest.raises(TypeError, match="reads bytes"):
        cloud.unit(wrong)


def test_the_verdict_of_a_tower_does_not_hang_on_the_caller():
    def deep(levels):
        return (
            deep(levels - 1)
            if levels
            else [cloud.unit(cloud.SICK[name])["error"] for name in towers]
        )

    towers = "minus-tower.py", "plus-tower.py"
    assert deep(0) == deep(400)
    assert all(deep(0))


@quick
@given(st.lists(st.integers(0, 20), max_size=30), st.integers(1, 6))
def test_nobody_rests_while_something_waits(times, slots):
    plan = cloud.schedule(times, slots)
    spans = [
        (slot, start, start + t) for (slot, start), t in zip(plan, times, strict=True)
    ]
    starts = [start for _, start in plan]
    assert starts == sorted(starts), "in the order of the list"
    for i, (slot, start, _) in enumerate(spans):
        assert 0 <= slot < slots
        earlier = spans[:i]
        busy = {s for s, begun, ended in earlier if begun <= start < ended}
        assert slot not in busy
        if start:  # it waited, so at each moment before all slots were busy
            for moment in range(start):
                held = {s for s, begun, ended in earlier if begun <= moment < ended}
                assert len(held) == slots
    assert cloud.makespan(times, slots) == max((e for *_, e in spans), default=0)


@pytest.mark.parametrize(("times", "slots"), [([1], 0), ([1, -1], 2)])
def test_bad_schedules_are_refused(times, slots):
    with pytest.raises(ValueError, match="needs a slot"):
        cloud.schedule(times, slots)


@quick
@given(
    st.floats(1, 1e4), st.integers(2, 64), st.floats(1e-3, 10), st.integers(1, 10**6)
)
def test_no_count_beats_the_formula(work, slots, cost, n):
    best = math.sqrt(work * (slots - 1) / cost)
    least = (math.sqrt(work) + math.sqrt(cost * (slots - 1))) ** 2 / slots
    assert cloud.guarantee(best, work, slots, cost) == pytest.approx(least)
    assert cloud.guarantee(n, work, slots, cost) >= least * (1 - 1e-9)


def test_pareto_makespan_grows_with_tasks_and_with_the_tail():
    for alpha in (1.1, 1.5, 3):
        values = [cloud.pareto_makespan(n, alpha) for n in range(1, 50)]
        assert values == sorted(values)
        assert values[0] == pytest.approx(alpha / (alpha - 1))
    assert cloud.pareto_makespan(9, 1.2) > cloud.pareto_makespan(9, 2.4)


def test_the_recorded_table_is_what_its_maker_makes():
    table = pq.read_table(ROOT / "data" / "stdlib-rows.parquet").to_pylist()
    paths = [row["path"] for row in table]
    assert paths == sorted(set(paths)) and len(paths) == 734
    known = {(row["path"], row["sha256"]): row for row in table}
    some = dict(list(cloud.FILES.items())[::20])
    for row in record_stdlib.rows(cloud.unit, some):
        there = known.get((row["path"], row["sha256"]))
        if there and sys.version_info[:2] == (3, 11):
            assert there == row
        elif there:  # the number of nodes is the Python version's own
            assert there | {"nodes": 0} == row | {"nodes": 0}


def test_marks_count_across_writers(tmp_path):
    for name in ("a", "b", "a"):
        cloud.mark(tmp_path, name)
    assert cloud.marks(tmp_path) == {"a": 2, "b": 1}


def test_digest_tells_rows_apart():
    rows = cloud.job([("x", b"a"), ("y", b"b")])
    assert cloud.digest(rows) == cloud.digest([dict(reversed(r.items())) for r in rows])
    assert cloud.digest(rows) != cloud.digest(rows[::-1])
    assert cloud.digest(rows) != cloud.digest(rows[:1])


@pytest.mark.parametrize(
    ("n", "cost", "unequal"),
    [(1, 0.1, 0), (10, 0.5, 1), (24, 0.5, 0), (120, 2, 0.4)],
)
def test_the_explorable_schedules_as_python_does(run_script, n, cost, unequal):
    sizes = cloud.SHUFFLED.astype(int).tolist()
    done = run_script(cloud.SCRIPT, {"n": n, "c": cost, "u": unequal}, sizes)
    expect = cloud.told(n, cost, unequal)
    for name in ("starn", "bestn"):  # equally good n may differ by rounding
        assert abs(int(done["said"][name]) - int(expect[name])) <= (name == "bestn")
    for name in ("time", "equal", "star", "best"):
        assert float(done["said"][name]) == pytest.approx(
            float(expect[name]), abs=0.101
        )
    (drawn,) = done["set"].values()
    bars = cloud.draw_bars(cloud.cut(n, cost, unequal), cost)
    assert drawn.count("<rect") == bars.count("<rect") == 2 * n


def test_the_page_quotes_the_numbers_that_it_checked():
    """The 6 % of bytes and the 1.2 million nodes in the prose, against the frozen table."""
    table = pq.read_table(ROOT / "data" / "stdlib-rows.parquet")
    size = table["bytes"].to_numpy()
    assert round(100 * size.max() / size.sum()) == 6
    assert round(table["nodes"].to_numpy().sum() / 1e6, 1) == 1.2
    words = json.loads((CHAPTERS / "cloud-unit.ipynb").read_text(encoding="utf-8"))
    prose = "".join(
        "".join(cell["source"])
        for cell in words["cells"]
        if cell["cell_type"] == "markdown"
    )
    assert "with 6 % of the bytes" in prose and "1.2 million" in prose
    assert np.all(size >= 0)
