"""chapters/tcp-every-schedule.ipynb: the stage on scenes that are not the chapter's."""

import itertools
import threading
from types import SimpleNamespace

import pytest
from chapter_code import chapter
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def c():
    return chapter("tcp-every-schedule")


def test_the_stage_sees_a_deadlock_and_an_error(c):
    def both(first, second):
        def part():
            first.acquire()
            second.acquire()
            second.release()
            first.release()
            return "done"

        return part

    def scene(stage, locks):
        one, two = locks
        return stage.play(a=both(one, two), b=both(two, one))

    ends = [
        end
        for _, end in c.every_schedule(scene, lambda sync: (sync.Lock(), sync.Lock()))
    ]
    assert {"a": "stuck", "b": "stuck"} in ends and {"a": "done", "b": "done"} in ends
    assert len({str(end) for end in ends}) == 2
    failed = c.Stage().play(a=lambda: 1 / 0)
    assert isinstance(failed["a"], ZeroDivisionError)
    assert c.verdict(failed, b"") == "error"
    assert threading.active_count() < 50, "no actor stays behind"


def test_interleavings_are_those_of_itertools(c):
    def scene(stage, lock):
        def part():
            lock.acquire()
            lock.release()

        return stage.play(a=part, b=part, c=part)

    moves = {
        tuple(s.moves) for s, _ in c.every_schedule(scene, lambda sync: sync.Lock())
    }
    assert moves == set(itertools.permutations("aabbcc"))


def test_a_sleeper_wakes_only_by_the_bell_and_with_the_lock(c):
    order = []

    def scene(stage, pair):
        lock, bell = pair
        seen = []

        def sleeper():
            with lock:
                bell.wait()
                assert lock.held
                seen.append("woken")

        def ringer():
            with lock:
                seen.append("rung")
                bell.notify_all()

        ended = stage.play(sleeper=sleeper, ringer=ringer)
        order.append(seen)
        return ended

    def locks(sync):
        lock = sync.Lock()
        return lock, sync.Condition(lock)

    ends = [end for _, end in c.every_schedule(scene, locks)]
    assert {end["ringer"] for end in ends} == {None}
    assert {end["sleeper"] for end in ends} == {None, "stuck"}, "rung too early: stuck"
    assert set(map(tuple, order)) == {("rung", "woken"), ("rung",)}


def test_notify_wakes_the_longest_asleep(c):
    lock = c.StageLock(None)
    bell = c.StageCondition(None, lock)
    bell.asleep = ["a", "b", "c"]
    bell.notify()
    assert bell.asleep == ["b", "c"]
    bell.notify_all()
    assert bell.asleep == []


def test_verdicts(c):
    good = {"network": None, "reader1": (b"ab", True), "reader2": (b"", True)}
    assert c.verdict(good, b"ba") == "right"
    assert c.verdict(good, b"abc") == "wrong bytes"
    assert c.verdict(good | {"reader2": (b"", False)}, b"ab") == "false end"
    assert c.verdict(good | {"network": "stuck"}, b"ab") == "stuck"
    assert c.verdict(good | {"network": ValueError()}, b"ab") == "error"


def test_a_crowd_waits_for_its_threads(c):
    done = threading.Event()
    assert c.Crowd().play(a=done.set, b=lambda: done.wait(900)) == {
        "a": None,
        "b": True,
    }


def test_the_scenes_are_right_on_plain_threads(c):
    for scene in (c.one_reader, c.two_readers, c.two_writers):
        assert {scene(c.Crowd(), c.TCP()) for _ in range(50)} == {"right"}


def play(moves, diary, **results):
    return SimpleNamespace(moves=moves.split(), diary=diary, results=results)


def test_a_play_is_told_in_letters_that_stand_for_what_was_seen(c):
    """Two plays written by hand; the second says one thing that the first said, by the same letter."""
    c.WORDS.clear()
    first = play(
        "reader1 network network reader1",
        [(0, "", "has the lock"), (0, "", "sleeps"), (1, "", "has the lock"), (1, "", "rings"), (3, "", "wakes")],
        reader1=(b"ab", True),
    )  # fmt: skip
    second = play(
        "reader2 network network reader2",
        [(1, "", "has the lock")],
        reader2=(b"", False),
    )
    third = play("reader1 network", [], reader1=(b"", True))
    assert [c.letters(p) for p in (first, second, third)] == ["abcd", "efcg", "hc"]
    assert [c.LANES[lane] + ": " + words for lane, words in c.WORDS.values()] == [
        "reader1: finds nothing, sleeps", "network: delivers ab, rings", "network: closes, rings",
        "reader1: wakes, reads ab", "reader2: comes to the lock", "network: delivers ab",
        "reader2: is told: the end — false!", "reader1: is told: the end",
    ]  # fmt: skip
    c.WORDS.clear()


def unfolded(text):
    """The words of a tree in text, read from the front as the page reads it; and what is left of the text."""
    if text[0] == ".":
        return {""}, text[1:]
    if text[0] != "(":
        return unfolded_after(text)
    words, text = set(), text[1:]
    while text[0] != ")":
        more, text = unfolded_after(text)
        words |= more
    return words, text[1:]


def unfolded_after(text):
    words, left = unfolded(text[1:])
    return {text[0] + word for word in words}, left


@given(st.sets(st.text("abc", min_size=4, max_size=4), min_size=1))
def test_the_tree_of_plays_holds_these_plays_and_no_others(c, words):
    assert unfolded(c.folded(words)) == (words, "")
