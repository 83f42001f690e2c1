"""chapters/memory-what-an-allocator-does.ipynb: heaps under any traffic, against the slow table and the contract; what is refused."""

import copy
import re
import sys

import numpy as np
import pytest
from chapter_code import CHAPTERS, chapter, draw_lives
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

sys.path.insert(0, str(CHAPTERS))
import memory_heap  # noqa: E402

C = chapter("memory-what-an-allocator-does")
PAPER = chapter("memory-jemalloc-2006")
POLICIES = ["best fit", "first fit", "next fit", "newest first"]
whole_numbers = st.sampled_from([int, np.int8, np.uint8, np.int64, np.uint64])
calls = st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=120)


def leaves(row):
    """Return {key: size} of a tournament's lowest row."""
    return {
        16 * i + j: size
        for i, block in row.items()
        for j, size in enumerate(block)
        if size
    }


def books(heap):
    """Return a copy of all that a refused call must leave as it was."""
    kept = {k: v for k, v in vars(heap).items() if k not in ("order", "tops")}
    rows = heap.tops.rows if hasattr(heap, "tops") else None
    return copy.deepcopy((kept, rows))


class TwoHeaps(RuleBasedStateMachine):
    """The slow table and the fast heap, side by side, with a third party's list of promises."""

    @initialize(policy=st.sampled_from(POLICIES))
    def begin(self, policy):
        self.slow, self.fast, self.promised = C.Table(policy), C.Heap(policy), {}

    @rule(n=st.one_of(st.integers(1, 9), st.integers(1, 300)), kind=whole_numbers)
    def malloc(self, n, kind):
        address = self.slow.malloc(kind(n) if n < 128 else n)
        assert self.fast.malloc(n) == address and address not in self.promised
        assert type(address) is int
        self.promised[address] = n

    @precondition(lambda self: self.promised)
    @rule(data=st.data())
    def free(self, data):
        address = data.draw(st.sampled_from(sorted(self.promised)))
        del self.promised[address]
        self.slow.free(np.uint64(address))
        self.fast.free(np.int64(address))

    @rule(
        wrong=st.one_of(
            st.integers(-5, 400),
            st.integers(0, 50).map(float),
            st.sampled_from([None, True, False, np.bool_(0), "0", 0.5, np.nan, [0]]),
        )
    )
    def free_what_is_not_there(self, wrong):
        if type(wrong) is not int or wrong not in self.promised:
            for heap in (self.slow, self.fast):
                before = books(heap)
                with pytest.raises(ValueError, match="no live block"):
                    heap.free(wrong)
                assert books(heap) == before

    @rule(n=st.sampled_from([0, -1, 1.5, 1.0, True, np.bool_(1), "1", None, [1]]))
    def malloc_nonsense(self, n):
        for heap in (self.slow, self.fast):
            before = C.state(heap)
            with pytest.raises(ValueError, match="whole number"):
                heap.malloc(n)
            assert C.state(heap) == before

    @invariant()
    def contract(self):
        C.inspect(self.slow, self.promised)
        C.inspect(self.fast, self.promised)
        assert self.slow.high == self.fast.high
        fast = self.fast
        sizes = {a: b for x in fast.tops.rows[:1] for a, b in leaves(x).items()}
        keys = fast.key_of or {address: address for address in fast.size_at}
        if fast.policy == "best fit":
            assert fast.by_size == sorted((n, a) for a, n in fast.size_at.items())
        else:
            assert sizes == {keys[a]: n for a, n in fast.size_at.items()}


TwoHeaps.TestCase.settings = settings(
    max_examples=40, stateful_step_count=50, deadline=None
)
TestTwoHeaps = TwoHeaps.TestCase


@settings(max_examples=60, deadline=None)
@given(calls)
def test_the_buddy_system_tiles_and_joins(traffic):
    heap, promised = C.Buddy(), []
    for is_free, n in traffic:
        if is_free and promised:
            heap.free(promised.pop(n % len(promised)))
        else:
            promised.append(heap.malloc(n))
        live = {a: 2**k for a, k in heap.used.items()}
        tiles = sorted([*live.items(), *heap.holes()])
        assert [a for a, _ in tiles] == [0, *np.cumsum([n for _, n in tiles])][:-1]
        assert sum(n for _, n in tiles) == heap.top <= heap.high
        assert all(a % n == 0 for a, n in tiles), "blocks are aligned to their size"
        holes = set(heap.holes())
        assert not any((a ^ n, n) in holes for a, n in holes), "buddies join"
        assert not any(a + n == heap.top for a, n in holes)
        for wrong in (heap.top, -1, *[a for a, _ in holes][:2]):
            with pytest.raises(ValueError):
                heap.free(wrong)
    for address in promised:
        heap.free(address)
    assert heap.top == 0 and not heap.holes()


class Scattered:
    """Puts blocks wherever a list of whims says, and still breaks no promise."""

    def __init__(self, whims):
        self.used, self.high, self.whims, self.turn = {}, 0, whims, 0

    def malloc(self, n):
        self.turn += 1
        address = self.whims[self.turn % len(self.whims)]
        for a, size in sorted(self.used.items()):
            if a < address + n and address < a + size:
                address = a + size
        self.used[address] = n
        self.high = max(self.high, address + n)
        return address

    def free(self, address):
        del self.used[address]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=30),
    st.integers(0, 4),
    st.integers(1, 4),
)
def test_no_allocator_escapes_robson(whims, rounds, times):
    limit, heap = times * 2**rounds, Scattered(whims)
    held, rests = C.adversary(heap, limit, rounds)
    assert held == heap.used and sum(held.values()) <= limit
    assert sum(held.values()) == limit - (rests[-1] if rests else 0)
    assert heap.high >= C.robson_bound(limit, rounds, rests)


@settings(max_examples=50, deadline=None)
@given(calls, st.sampled_from(POLICIES))
def test_the_ceiling_holds(traffic, policy):
    heap, held, most, largest = C.Heap(policy), {}, 0, 1
    for is_free, n in traffic:
        if is_free and held:
            address = sorted(held)[n % len(held)]
            heap.free(address)
            del held[address]
        else:
            held[heap.malloc(n)] = n
        most, largest = max(most, sum(held.values())), max(largest, n)
        assert heap.high <= most * largest
    if largest == 1:
        assert heap.high == most


def test_the_exhaustive_search_and_the_heap_agree():
    """A walk of the real heap stays among the layouts that the search has seen."""
    rng = np.random.default_rng(4)
    for policy in ("first fit", "best fit"):
        worst = C.worst_case(policy, 6, 3)
        for _ in range(30):
            heap, held = C.Heap(policy), {}
            for _ in range(30):
                n = int(rng.integers(1, 4))
                layout = tuple(sorted(held.items()))
                if sum(held.values()) + n <= 6:
                    expected = C.place(policy, layout, n)
                    held[heap.malloc(n)] = n
                    assert expected in held
                else:
                    address = sorted(held)[int(rng.integers(len(held)))]
                    heap.free(address)
                    del held[address]
            assert heap.high <= worst


@pytest.mark.parametrize("program", ["gcc", "sqlite", "json", "perl", "git"])
def test_traces_are_whole(program, monkeypatch):
    monkeypatch.chdir(CHAPTERS)
    events, asked, command = C.load_trace(program)
    frees = -events[events <= 0]
    assert command and len(asked) == (events > 0).sum()
    assert len(set(frees.tolist())) == len(frees), "nothing is freed twice"
    born = np.flatnonzero(events > 0)
    assert (born[frees] < np.flatnonzero(events <= 0)).all(), "nor before its birth"
    assert ((events[events > 0] * 16 >= asked) & (events[events > 0] >= 1)).all()
    assert (C.live_after(events, asked) >= 0).all()


def test_points_are_covered():
    for step in (1, 2, 8):
        for shift in range(step):
            for a in range(20):
                for n in range(1, 9):
                    truth = any((x - shift) % step == 0 for x in range(a, a + n))
                    assert C.covers(a, n, step, shift) == truth


@pytest.mark.parametrize(
    "call",
    [
        lambda: C.Heap("worst fit"),
        lambda: C.Table("worst fit"),
        lambda: C.new_heap("worst fit"),
        lambda: C.place("worst fit", (), 1),
        lambda: C.worst_case("worst fit", 2, 1),
    ],
)
def test_an_unknown_policy_is_refused(call):
    with pytest.raises(ValueError, match="worst fit"):
        call()


kinds_of_weight = st.sampled_from(
    [np.uint8, np.int8, np.uint16, np.int64, np.uint64, np.bool_, np.float32, float]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), max_size=30), kinds_of_weight, st.data())
def test_weights_of_any_kind_are_added_up_and_taken_off(frees, kind, data):
    lives, weights, after = draw_lives(data, frees, kind)
    events = [1 if freed is None else -freed for freed in lives]
    events, told = np.array(events, dtype=int), np.array(weights, dtype=kind)
    assert C.live_after(events, told).tolist() == after
    assert C.live_after(events, weights).tolist() == after


@pytest.mark.parametrize("look", [None, lambda heap: 1 / 0])
@pytest.mark.parametrize("policy", [*POLICIES, "buddy"])
def test_no_events_leave_a_heap_empty(policy, look):
    heap = C.replay(C.new_heap(policy), np.array([], dtype=int), look)
    assert heap.top == heap.high == 0


def lines_of(heap, n):
    return max(C.lines_with_holes(heap, n))


@pytest.mark.parametrize("policy", POLICIES)
def test_no_order_looks_through_the_holes(policy):
    for n in (100, 1000, 10_000):
        heap = C.Heap(policy)
        assert lines_of(heap, n) <= 40 + 80 * len(heap.tops.rows)
        assert len(heap.tops.rows) <= 2 + np.log(11 * n) / np.log(16)


def test_the_buddy_system_does_not_either():
    few, many = (lines_of(C.Buddy(), n) for n in (100, 10_000))
    assert many <= few + 300  # some rows of 48 more


@settings(max_examples=30, deadline=None)
@given(calls, st.sampled_from(POLICIES), st.data())
def test_each_call_of_any_history_runs_few_lines(traffic, policy, data):
    heap, held = C.Heap(policy), []
    for is_free, n in traffic:
        if is_free and held:
            lines = C.lines_run(heap.free, held.pop(n % len(held)))
        else:
            lines = C.lines_run(lambda n=n: held.append(heap.malloc(n)))
        assert lines <= 60 + 80 * len(heap.tops.rows)


@pytest.mark.parametrize("policy", [*POLICIES, "buddy"])
def test_a_block_of_any_size_is_served(policy):
    heap = C.new_heap(policy)
    far = [heap.malloc(10**12 if policy == "buddy" else 10**30)]
    far += [heap.malloc(1) for _ in range(5)]
    heap.free(far[2])
    assert heap.malloc(1) == far[2]
    for address in far:
        heap.free(address)
    assert heap.top == 0


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.integers(0, 5000), st.integers(1, 99)), st.data())
def test_the_tournament_finds_the_first_that_is_large_enough(sizes, data):
    rising, falling = memory_heap.Tournament(), memory_heap.Tournament(-1)
    for key, size in [*sizes.items(), *((k, 0) for k in list(sizes)[::3])]:
        rising.set(key, size)
        falling.set(-key - 1, size)
    left = {k: n for i, (k, n) in enumerate(sizes.items()) if i % 3}
    n, start = data.draw(st.integers(1, 100)), data.draw(st.integers(0, 6000))
    fits = sorted(k for k, size in left.items() if size >= n)
    assert rising.first(n) == next(iter(fits), None)
    assert rising.first(n, start) == next((k for k in fits if k >= start), None)
    assert falling.first(n) == (-fits[-1] - 1 if fits else None)


@pytest.mark.parametrize("wrong", [0.0, True, None, "0", -1, 7])
def test_a_refused_call_changes_nothing_in_the_buddy_system(wrong):
    heap = C.Buddy()
    heap.malloc(1), heap.malloc(np.int64(5))
    before = copy.deepcopy(vars(heap))
    with pytest.raises(ValueError, match="no live block"):
        heap.free(wrong)
    for n in (0, True, 1.0, None):
        with pytest.raises(ValueError, match="whole number"):
            heap.malloc(n)
    assert vars(heap) == before


@pytest.fixture(params=[(1280, 900), (360, 740)], ids=["desk", "phone"])
def hand(request, browser):
    """The heap to play with, alone on a page."""
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height})
    said = []
    page.on("pageerror", lambda e: said.append(str(e)))
    html = C.heap_to_play_with().data
    assert len(html.encode()) < 10_000
    page.set_content(f"<!doctype html><html><body>{html}</body></html>")
    yield page
    assert not said
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    page.close()


LIVE = "b => b.getAttribute('aria-label').match(/\\d+/g).map(Number)"


def blocks(page):
    """Return {address: size} as the board shows it."""
    shown = page.locator(".heap button").evaluate_all(f"all => all.map({LIVE})")
    return {address: n for n, address in shown}


@pytest.mark.parametrize("policy", POLICIES)
def test_the_heap_to_play_with_is_the_heap(hand, policy):
    """Any calls by hand: the board shows what Python's heap holds, call for call."""
    hand.select_option("select", "best fit" if policy == "first fit" else policy)
    hand.select_option("select", policy)
    assert blocks(hand) == {}
    rng, heap = np.random.default_rng(29), C.Heap(policy)  # tells the orders apart
    for _ in range(30):
        n, held = int(2 ** rng.integers(3)), sum(heap.used.values())
        if held + n <= 16 and (not heap.used or rng.random() < 0.55):
            heap.malloc(n)
            hand.click(f'[data-n="{n}"]')
        else:
            off = hand.get_attribute(f'[data-n="{n}"]', "aria-disabled") == "true"
            assert off == (held + n > 16)
            address = int(rng.choice(sorted(heap.used)))
            name = f"free the {heap.used[address]} at {address}"
            heap.free(address)
            hand.focus(f'[aria-label="{name}"]')
            hand.keyboard.press("Enter")
        told = hand.inner_text("[data-say=told]")
        held, hole = sum(heap.used.values()), max([0, *[n for _, n in heap.holes()]])
        if heap.top > 32:
            assert "killed" in told
            break
        assert blocks(hand) == heap.used
        start = f"{held} of 16 units live, heap {heap.top} of 32, largest hole {hole}, "
        assert told.startswith(start)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_adversary_on_the_board_is_pythons(hand, policy):
    """Left to itself it plays Python's game to the end, and the way back is open."""
    log = C.duel(C.Heap(policy))
    if policy != "first fit":
        hand.select_option("select", policy)
        for _ in range(4):
            hand.click(".all")
    told = hand.inner_text("[data-say=told]")
    assert told.startswith(f"malloc({log[-1][0]}) finds no room: killed")
    assert told.endswith(f"{len(log)} calls")
    assert hand.evaluate("document.querySelector('figure').log") == log
    assert hand.inner_text(".foe") == "the adversary: rests"
    hand.click(".undo")
    assert hand.inner_text(".foe") == f"the adversary: malloc({log[-1][0]})"
    while "free" not in hand.inner_text(".foe"):
        hand.click(".undo")
    hand.click(".anew")
    assert hand.inner_text(".foe") == "the adversary: malloc(1)"
    for _ in range(17):
        hand.click(".foe")
    assert "free the 1 at" in hand.inner_text(".foe") and len(blocks(hand)) == 15


def test_the_board_says_something_without_a_script(browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(C.heap_to_play_with().data)
    assert not page.locator(".moves").is_visible()
    assert "killed, with" in page.inner_text("figure")
    assert page.locator(".heap .l").count() >= 5
    context.close()


@pytest.mark.parametrize("make", ["Dodger", "Drunk", "Buddy", "PerClass"])
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                1,
                3,
                2**47,
                2**60,
                0,
                -1,
                True,
                1.0,
                1.5,
                None,
                "1",
                np.int64(2),
                np.float64(2),
            ]
        ),
        min_size=1,
        max_size=8,
    ),
    st.data(),
)
def test_all_allocators_of_the_page_have_one_idea_of_a_whole_number(make, sizes, data):
    """Kind: what is served and what is refused; a refused call changes nothing."""
    c = chapter("memory-what-an-allocator-does")
    heap = c.Drunk(0) if make == "Drunk" else getattr(c, make)()
    parts = getattr(heap, "heaps", [heap])

    def books():
        odd = set(getattr(heap, "odd", ()))
        return [dict(part.used) for part in parts], odd, heap.top

    live = []
    for size in sizes:
        was = books()
        fine = not isinstance(size, (bool, float, str, type(None))) and size >= 1
        fine = fine and (make != "PerClass" or size <= 2**11)
        if fine:
            live.append(heap.malloc(size))
        else:
            with pytest.raises(ValueError):
                heap.malloc(size)
            assert books() == was
        wrong = [0.0, True, None, "0", -7, 1.0, [1], 2**24, 2**80]
        near = {a + d for a in live for d in (-1, 1)} - {*live}  # never handed out
        wrong = data.draw(st.sampled_from([*wrong, *sorted(near)]))
        was = books()
        with pytest.raises(ValueError, match=re.escape(f"free({wrong!r})")):
            heap.free(wrong)
        assert books() == was
    for address in live:
        heap.free(np.int64(address) if address < 2**62 else address)
        with pytest.raises(ValueError):  # twice
            heap.free(address)
    assert not any(part.used for part in parts)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([np.int64, np.uint64, np.uint32, object, list]),
    st.lists(st.integers(0, 9) | st.integers(2**62, 2**63 - 1), min_size=3, max_size=3),
)
def test_weights_of_any_size_are_added_up_as_python_adds_them(kind, weights):
    """Two births, the first dies, one birth, which dies; as both chapters of traces write it."""
    a, b, c = (w >> 32 if kind is np.uint32 else w for w in weights)
    told = [a, b, c] if kind is list else np.array([a, b, c], kind)
    for code, events in ((C, [1, 1, 0, 1, -2]), (PAPER, [8, 8, -2, 8, -1])):
        live = code.live_after(np.array(events), told)
        assert live.tolist() == [a, a + b, b, b + c, b]


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_many_births_of_small_floats_lose_none(kind):
    """2**11 + 1 is no float16, 2**24 + 1 no float32; all of these sums are floats."""
    first = kind(2**11) if kind is np.float16 else kind(2**24)
    weights = np.concatenate([[first], np.ones(3000)]).astype(kind)
    for c in (C, PAPER):
        live = c.live_after(np.ones(3001, int), weights)
        assert live.tolist() == [float(first) + n for n in range(3001)]


@pytest.mark.parametrize("n", [2048, 1025, 1024])
def test_a_class_that_is_full_serves_again_what_was_freed(n):
    """2**20 units hold 2**20 / 2**k blocks; the one that is freed is the one that is handed out."""
    heap, size = C.PerClass(), 1 << (n - 1).bit_length()
    addresses = [heap.malloc(n) for _ in range(2**20 // size)]
    with pytest.raises(ValueError, match="no class has room"):
        heap.malloc(n)
    for address in (addresses[0], addresses[len(addresses) // 2]):
        heap.free(address)
        assert heap.malloc(n) == address
    with pytest.raises(ValueError, match="no class has room"):
        heap.malloc(n)
