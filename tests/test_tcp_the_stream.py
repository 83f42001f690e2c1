"""chapters/tcp-the-stream.ipynb: numbers in a circle at their full width, the recording, and the explorable."""

import sys

import pytest
from chapter_code import CHAPTERS, ROOT, chapter
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
from tcp_capture import read_capture  # noqa: E402


@pytest.fixture(scope="module")
def c():
    return chapter("tcp-the-stream")


@settings(max_examples=300, deadline=None, database=None)
@given(
    first=st.integers(0, 2**32 - 1),
    true=st.integers(0, 2**36),
    drift=st.integers(-(2**31) + 1, 2**31 - 1),
)
def test_unwrap_finds_the_offset_within_half_a_circle(c, first, true, drift):
    near = max(0, true + drift)
    assert c.unwrap((first + true) % 2**32, first, near) == true


@settings(max_examples=300, deadline=None, database=None)
@given(a=st.integers(0, 2**32 - 1), b=st.integers(0, 2**32 - 1))
def test_before_is_the_sign_of_a_32_bit_difference(c, a, b):
    difference = (a - b) % 2**32
    assert c.before(a, b) == (difference > 2**31)
    assert not (c.before(a, b) and c.before(b, a))


def test_the_recording_is_read_as_described():
    records = read_capture(ROOT / "data")
    assert [r.number for r in records] == list(range(len(records)))
    assert records[0].flags == {"SYN"} and records[1].flags == {"SYN", "ACK"}
    assert records[0].outward and not records[1].outward
    text = b"".join(b"%07d\n" % line for line in range(5000))
    for r in records:
        assert r.data == text[r.offset : r.offset + len(r.data)] if r.data else True
        assert r.arrived is None or r.arrived > r.sent
    assert sum(r.arrived is None for r in records) >= 3


@pytest.mark.parametrize("step", [1, 2, 4, 6])
def test_the_explorable_tells_what_python_tells(c, run_script, step):
    frames = {name: c.tell(story) for name, story in c.STORIES.items()}
    for story, calls in frames.items():
        said = run_script(c.SCRIPT, {"story": story, "step": step}, frames)["said"]
        n = min(step, len(calls))
        call, held, ready, following = calls[n - 1]
        assert said == {
            "call": f"{n} of {len(calls)}: {call}",
            "held": f"held: {held}",
            "ready": f"ready: {ready}",
            "next": f"first missing: {following}",
        }


def test_the_stories_end_in_the_accidents_that_the_chapter_names(c):
    last = {name: c.tell(story)[-1] for name, story in c.STORIES.items()}
    assert last["all is well"] == ["read(9) → b'abcde'", "–", "–", 5]
    assert last["far away"][1] == "90: x"
    assert last["a contradiction"][0] == "read(9) → b'.a'"
    assert last["beyond the end"][0] == "read(9) → None"
    assert last["before the beginning"][0] == "read(9) → b'a'"


@pytest.mark.parametrize("bits", [0, -1, -32])
def test_numbers_of_no_bits_are_refused(c, bits):
    with pytest.raises(ValueError, match="bit"):
        c.before(0, 1, bits)
    with pytest.raises(ValueError, match="bit"):
        c.unwrap(0, 0, 0, bits)
