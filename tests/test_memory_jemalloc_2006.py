"""chapters/memory-jemalloc-2006.ipynb: the built arena under any traffic, the classes, and what is refused."""

import copy
import math
from fractions import Fraction

import numpy as np
import pytest
from chapter_code import CHAPTERS, chapter, draw_lives, lines_run
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

C = chapter("memory-jemalloc-2006")
requests = st.one_of(
    st.integers(0, 2048),
    st.integers(2049, 70_000),
    st.sampled_from([512, 513, 1024, 2048, 2049, 2**20, 2**20 + 1, 5 * 2**20]),
)


whole_numbers = st.sampled_from([int, np.int32, np.uint32, np.int64, np.uint64])


def first_gap(arena, count):
    """Return the lowest place for so many chunks, looked for from chunk 0 on."""
    taken = set(arena.chunks.pages_of)
    for address, width in arena.huge.items():
        first = address // C.CHUNK
        taken |= set(range(first, first + width))
    if len(taken) > 500:
        return None
    return next(
        i for i in range(10**6) if not taken & set(range(i, i + count))
    )  # the slow witness


def books(arena):
    """Return a comparable copy of all that a refused call must leave as it was."""
    runs = {id(r): r for r in arena.page_map.values() if isinstance(r, C.Run)}
    return (
        copy.deepcopy(vars(arena.chunks)),
        sorted((r.page, r.free, r.left, r.state) for r in runs.values()),
        sorted((p, r) for p, r in arena.page_map.items() if isinstance(r, int)),
        dict(arena.huge),
        [b.made for b in arena.bins],
    )


class AnArena(RuleBasedStateMachine):
    @initialize(newborn=st.sampled_from([C.QINIT, C.Q0]))
    def begin(self, newborn):
        self.arena, self.promised = C.Arena(newborn), {}

    @rule(n=requests, times=st.sampled_from([1, 1, 1, 40]), kind=whole_numbers)
    def malloc(self, n, times, kind):
        for _ in range(times if n <= 2048 else 1):
            address = self.arena.malloc(kind(n))
            assert address not in self.promised and type(address) is int
            self.promised[address] = max(n, 1)

    @precondition(lambda self: self.promised)
    @rule(data=st.data(), times=st.sampled_from([1, 1, 30]))
    def free(self, data, times):
        for address in data.draw(st.permutations(sorted(self.promised)))[:times]:
            del self.promised[address]
            self.arena.free(np.int64(address))

    @rule(wrong=st.integers(-10, 3 * 2**21), near=st.booleans())
    def free_what_is_not_there(self, wrong, near):
        if near and self.promised:
            wrong = max(self.promised) + 1
        if wrong not in self.promised:
            before = books(self.arena)
            with pytest.raises(ValueError, match="free"):
                self.arena.free(wrong)
            assert books(self.arena) == before

    @rule(wrong=st.sampled_from([None, True, False, np.bool_(1), "0", np.nan, [0]]))
    def free_nonsense(self, wrong):
        before = books(self.arena)
        for bad in (wrong, *map(float, list(self.promised)[:3])):
            with pytest.raises(ValueError, match="free"):
                self.arena.free(bad)
        assert books(self.arena) == before

    @rule(n=st.sampled_from([-1, 1.0, None, "8", True, np.bool_(1), np.nan]))
    def malloc_nonsense(self, n):
        before = books(self.arena)
        with pytest.raises(ValueError, match="number of bytes"):
            self.arena.malloc(n)
        assert books(self.arena) == before

    @invariant()
    def contract(self):
        C.inspect(self.arena, self.promised)
        chunks = self.arena.chunks
        used = list(chunks.pages_of.values())
        assert sum(used) == chunks.pages <= chunks.most_pages
        assert all(u > 0 for u in used), "an empty chunk goes back"
        huge = sum(self.arena.huge.values())
        assert len(used) + huge == chunks.mapped <= chunks.most <= chunks.made
        lowest = first_gap(self.arena, 2)
        assert lowest is None or lowest == min(
            (a for a, w in chunks.width_at.items() if w >= 2), default=chunks.end
        )

    def teardown(self):
        if hasattr(self, "promised"):
            for address in self.promised:
                self.arena.free(address)
            C.inspect(self.arena, {})
            kept = [b for b in self.arena.bins if b.current]
            assert all(b.current.state == C.QINIT for b in kept)


AnArena.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None
)
TestAnArena = AnArena.TestCase


@pytest.mark.parametrize("size", C.SMALL)
def test_regions_fill_from_the_front_and_stay_inside(size):
    arena = C.Arena()
    run_end = None
    addresses = [arena.malloc(size) for _ in range(arena.bins[C.BIN_OF[size]].nregs)]
    run = arena.page_map[addresses[0] // C.PAGE]
    run_end = run.page * C.PAGE + C.run_bytes(size)
    assert addresses == sorted(addresses) and np.ptp(np.diff(addresses) - size) == 0
    assert addresses[0] - run.page * C.PAGE >= C.HEADER
    assert addresses[-1] + size == run_end and run.state == C.Q100
    assert arena.bins[C.BIN_OF[size]].current is None
    hole = addresses[len(addresses) // 2]
    arena.free(hole)
    assert arena.malloc(size) == hole, "the hole is found before a new run is made"


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 2**23))
def test_classes_hold_what_was_asked(n):
    granted = C.class_2006(n)
    assert granted >= n and C.class_2006(granted) == granted
    assert granted < 2 * n or n < 2 or 2048 < n <= 4096 or n > 2**20
    assert C.glibc_chunk(n) >= n + 8 and C.glibc_chunk(n) % 16 == 0


@pytest.mark.parametrize("m", [1, 2, 4, 8])
def test_linear_classes(m):
    classes = C.doubling_classes(m, 2**16)
    steps = np.diff(classes)
    assert classes[-1] >= 2**16 and (steps > 0).all()
    for k in range(9, 16):
        inside = [c for c in classes if 2**k < c <= 2 ** (k + 1)]
        assert len(inside) == m and inside[-1] == 2 ** (k + 1)
    assert math.isclose(
        float(C.mean_waste(m)),
        1 - sum(1 / (m + j) for j in range(1, m + 1)) / math.log(2),
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9))
def test_hashed_loads(threads, arenas):
    chances = [C.at_most(c, threads, arenas) for c in range(threads + 1)]
    assert chances[-1] == 1 and all(
        a <= b for a, b in zip(chances, chances[1:], strict=False)
    )
    assert chances[0] == 0
    assert C.fullest(threads, 1) == threads and C.fullest(1, arenas) == 1
    distinct = Fraction(math.perm(arenas, threads), arenas**threads)
    assert chances[1] == distinct


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_portrait_counts_every_live_byte(data):
    events, live, clock = [], [], 0
    for _ in range(data.draw(st.integers(1, 60))):
        if live and data.draw(st.booleans()):
            born = live.pop(data.draw(st.integers(0, len(live) - 1)))
            events.append(born - clock)
        else:
            events.append(data.draw(st.integers(1, 5000)))
            live.append(clock)
            clock += 1
    events = np.array(events)
    addresses = C.replay(C.Arena(), events)
    top = 2**21
    columns = len(events)
    image = C.portrait(events, addresses, columns, 64, top)
    sizes = events[events >= 0]
    if max(addresses) + 5000 < top:
        held = C.live_after(events, sizes)
        np.testing.assert_allclose(image.sum(axis=0) * top / 64, held, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.booleans(), max_size=30),
    st.sampled_from([np.uint8, np.int8, np.uint64, np.bool_, np.float32, float]),
    st.data(),
)
def test_weights_of_any_kind_are_added_up_and_taken_off(frees, kind, data):
    lives, weights, after = draw_lives(data, frees, kind)
    born, events = 0, []
    for freed in lives:
        events.append(8 if freed is None else freed - born)
        born += freed is None
    events, told = np.array(events, dtype=int), np.array(weights, dtype=kind)
    assert C.live_after(events, told).tolist() == after
    assert C.live_after(events, weights).tolist() == after


def test_no_events_leave_an_arena_empty():
    arena = C.Arena()
    assert C.replay(arena, np.array([], dtype=int)) == []
    C.inspect(arena, {})


@pytest.mark.parametrize("program", C.PROGRAMS)
def test_traces_are_whole(program, monkeypatch):
    monkeypatch.chdir(CHAPTERS)
    events = C.load_trace(program)
    born, died, sizes = C.lives(events)
    assert (born < died).all() and len(sizes) == (events >= 0).sum()
    gone = died[died < len(events)]
    assert len(set(gone.tolist())) == len(gone) == (events < 0).sum()


def test_steps_per_doubling_are_powers_of_two():
    for m in (0, 3, -2, 12):
        with pytest.raises(ValueError, match="power of two"):
            C.doubling_classes(m, 100)


def test_a_malloc_of_nothing_is_an_object_too():
    arena = C.Arena()
    addresses = C.replay(arena, np.array([0, 0, 8, -3, -2]))
    assert len(addresses) == 3 and addresses[0] != addresses[1]
    born, died, sizes = C.lives(np.array([0, 0, 8, -3, -2]))
    assert list(died) == [3, 4, 5] and list(sizes) == [0, 0, 8]
    C.inspect(arena, {addresses[2]: 8})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5)), max_size=60))
def test_chunks_lie_as_low_as_a_search_from_the_first_one_finds(traffic):
    arena, held = C.Arena(), []
    for is_free, count in traffic:
        if is_free and held:
            arena.free(held.pop(count % len(held)))
        else:
            lowest = first_gap(arena, count) * C.CHUNK
            held.append(arena.malloc(count * C.CHUNK - (count == 1) * 5))
            assert held[-1] == lowest
        C.inspect(arena, {a: arena.huge[a] * C.CHUNK for a in held})


@pytest.mark.parametrize("size", [8, 2048, 2049, 2**19, 2**20, 2**21, 5 * 2**21])
def test_no_malloc_looks_through_the_chunks_or_their_gaps(size):
    counts = []
    for n in (50, 1000):
        arena = C.Arena()
        held = [arena.malloc(2**20) for _ in range(n)]
        held += [arena.malloc(2**21) for _ in range(n)]
        for address in held[n::2]:
            arena.free(address)
        got = []
        lines = lines_run(lambda a=arena, g=got: g.append(a.malloc(size)))
        counts.append((lines, lines_run(arena.free, got[0])))
    assert all(b <= a + 60 for a, b in zip(*counts, strict=True)), counts


def test_a_huge_block_of_any_size_is_an_entry_and_not_a_list():
    arena = C.Arena()
    far = [arena.malloc(10**30), arena.malloc(2**20), arena.malloc(np.uint64(2**40))]
    for address in far:
        arena.free(address)
    assert arena.chunks.end == arena.chunks.mapped == 0


@pytest.mark.parametrize("m", [1, 2, 4, 8])
@pytest.mark.parametrize("n", [1, 16, 17, 65, 128, 129, 1030, 2049, 4096])
def test_the_explorable_grants_what_python_grants(run_script, n, m):
    said = run_script(C.SCRIPT, {"n": n, "m": str(m)})["said"]
    given = C.granted_by(m, n)
    assert said["given"] == f"given: {given} bytes"
    assert said["asked"] == f"asked: {n} bytes"
    assert f"wasted: {100 * (1 - n / given):.1f} %" in said["waste"]
    if n > 16 * m:
        assert 1 - n / given < 1 / (m + 1)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([np.uint8, np.int8, np.int16, np.int32, np.uint32, np.uint64]),
    st.data(),
)
def test_bytes_of_any_type_have_one_class(kind, data):
    """Kind: near the end of the type a sum in it would wrap round."""
    most = int(np.iinfo(kind).max)
    near = st.integers(max(1, most - 70), most)
    n = data.draw(near | st.integers(1, min(most, 2**13)))
    for call in (C.class_2006, C.glibc_chunk, C.run_bytes):
        got = call(kind(n))
        assert got == call(n) and type(got) is int
    if n < 2**32:
        m = data.draw(st.sampled_from([1, 2, 4, 8]))
        assert C.granted_by(kind(m), kind(n)) == C.granted_by(m, n) >= n


@pytest.mark.parametrize("bad", [-1, 1.5, math.nan, True, "8", None])
def test_what_is_no_number_of_bytes_has_no_class(bad):
    for call in (
        C.class_2006,
        C.glibc_chunk,
        C.run_bytes,
        lambda n: C.granted_by(4, n),
    ):
        with pytest.raises(ValueError, match="number of bytes"):
            call(bad)
    if bad != -1:
        with pytest.raises(ValueError, match="power of two"):
            C.doubling_classes(bad, 100)
