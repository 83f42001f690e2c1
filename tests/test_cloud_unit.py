"""chapters/cloud-unit.ipynb: the unit on inputs that nobody thought of, the scheduler's invariants, the table, the explorable."""

import encodings.aliases
import hashlib
import json
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


@pytest.mark.parametrize("k", [1, 7, 60])
def test_the_explorable_draws_as_python_does(run_script, k):
    spread = np.random.default_rng(5).normal(1000, 150, (60, 2)).astype(int)
    rows = [[int(min(pair)), int(max(pair))] for pair in spread]
    done = run_script(
        cloud.INTERVALS, {"way": "blind", "n": "80", "k": k}, {"blind80": rows}
    )
    assert done["said"] == cloud.told(rows[:k])
    (drawn,) = done["set"].values()
    assert drawn.replace(" />", "/>") == cloud.drawn_lines(rows[:k]).replace(
        " />", "/>"
    )
    assert 0 < int(done["said"]["wrong"]) < k or k == 1


def test_the_failing_run_waits_for_a_block_of_its_own(tmp_path, monkeypatch):
    """Row 750 raises only when a file lies there that was not there before, or was another then; else it waits."""
    known = cloud.fail_in_last.__globals__
    monkeypatch.setitem(known, "PATIENCE", 0)
    last, other = {"id": np.arange(750, 1000)}, {"id": np.arange(750)}
    (tmp_path / "good.parquet").write_bytes(b"1")
    (tmp_path / "half.draft").write_bytes(b"1")
    before = cloud.files_in(tmp_path)
    assert {name for name, *_ in before} == {"good.parquet"}
    assert cloud.fail_in_last(other, tmp_path, before) is other
    with pytest.raises(TimeoutError, match="no other block"):
        cloud.fail_in_last(last, tmp_path, before)
    (tmp_path / "block.parquet").write_bytes(b"1")
    with pytest.raises(OSError, match="the disk is full"):
        cloud.fail_in_last(last, tmp_path, before)
    (tmp_path / "block.parquet").replace(tmp_path / "good.parquet")  # written anew
    with pytest.raises(OSError, match="the disk is full"):
        cloud.fail_in_last(last, tmp_path, before)


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
