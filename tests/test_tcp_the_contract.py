"""chapters/tcp-the-contract.ipynb: the class under other seeds, under real threads, under hostile input; and its copy in tcp_stream.py."""

import ast
import random
import sys
import threading
import tracemalloc
from fractions import Fraction
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from aioquic.quic.packet import QuicStreamFrame
from aioquic.quic.stream import QuicStreamReceiver
from chapter_code import CHAPTERS, chapter, lines_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

sys.path.insert(0, str(CHAPTERS))
import tcp_stream  # noqa: E402

quick = settings(max_examples=100, deadline=None, database=None)


@pytest.fixture(scope="module")
def c():
    return chapter("tcp-the-contract")


@pytest.fixture(scope="module")
def numbers():
    return chapter("tcp-the-stream")


def test_the_module_is_the_chapters_cells_word_for_word():
    notebook = nbformat.read(CHAPTERS / "tcp-the-contract.ipynb", 4)
    names = (
        "ContractError ConflictError TruncatedError own_copy integer patience".split()
    )
    names += "Reassembly OverlapPolicy Coalescing OutOfOrderQueue SegmentInput Monitor FinalSize Receiver BlockingReader TCP".split()
    wanted = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if getattr(node, "name", None) in names:
                    assert node.name not in wanted, f"{node.name} is defined twice"
                    wanted[node.name] = ast.get_source_segment(cell.source, node)
    source = (CHAPTERS / "tcp_stream.py").read_text(encoding="utf-8")
    found = {
        node.name: ast.get_source_segment(source, node)
        for node in ast.parse(source).body
        if hasattr(node, "name")
    }
    assert list(found) == names and found == wanted


def test_other_histories_than_the_chapters_agree_with_the_slow_model(c):
    fresh = settings(
        quick, stateful_step_count=40, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(c.Twins, settings=fresh)


@quick
@given(data=st.data(), policy=st.sampled_from(["first", "last", "error"]))
def test_every_consistent_order_gives_the_text(data, policy):
    text = data.draw(st.binary(min_size=1, max_size=60))
    cuts = data.draw(st.lists(st.tuples(st.integers(0, 59), st.integers(1, 30))))
    cuts += [(0, 30), (30, 30)]
    tcp = tcp_stream.TCP(policy=policy)
    out = b""
    for start, size in data.draw(st.permutations(cuts)):
        if tcp.receive(start, text[start : start + size]):
            out += tcp.read(data.draw(st.integers(1, 70)))
    tcp.finish(final=len(text))
    while chunk := tcp.read(7, 0):
        out += chunk
    assert out == text


@quick
@given(
    capacity=st.integers(1, 50),
    pieces=st.integers(0, 5),
    segments=st.lists(st.tuples(st.integers(0, 80), st.binary(max_size=60))),
)
def test_memory_is_bounded_by_the_receiver(c, capacity, pieces, segments):
    tcp = tcp_stream.TCP(capacity=capacity, pieces=pieces)
    for offset, data in segments:
        tcp.receive(offset, data)
        c.check(tcp)
        held = sum(map(len, tcp._held.values()))
        assert held + sum(map(len, tcp._ready)) <= capacity
        assert len(tcp.ranges()) <= pieces
        assert tcp.window == capacity - (tcp._next - tcp._read)
    tcp.finish(final=tcp.ranges()[-1][1] if tcp.ranges() else tcp._next)
    room = capacity - (tcp._next - tcp._read)
    assert tcp.window == room, "as a TCP advertises it: the end takes no room away"


@pytest.mark.parametrize("readers", [1, 3])
def test_real_threads_lose_and_double_nothing(readers):
    text = random.Random(readers).randbytes(200_000)
    parts = [(o, text[o : o + 700]) for o in range(0, len(text), 500)]  # overlapping
    tcp, got, ends = tcp_stream.TCP(), [], []

    def send(seed):
        for offset, data in random.Random(seed).sample(parts, len(parts)):
            tcp.receive(offset, data)

    def take():
        while chunk := tcp.read(999, timeout=900):
            got.append(chunk)
        ends.append(tcp._read == len(text))

    threads = [threading.Thread(target=send, args=(s,), daemon=True) for s in (1, 2)]
    threads += [threading.Thread(target=take, daemon=True) for _ in range(readers)]
    for thread in threads:
        thread.start()
    tcp.finish(final=len(text))
    for thread in threads:
        thread.join(900)
    assert not any(thread.is_alive() for thread in threads)
    assert all(ends) and len(ends) == readers and sum(map(len, got)) == len(text)
    if readers == 1:
        assert b"".join(got) == text
    else:
        assert sorted(b"".join(got)) == sorted(text)


def test_one_timeout_counts_for_the_whole_read():
    asked = []

    class Condition(threading.Condition):
        def wait_for(self, predicate, timeout=None):
            asked.append(timeout)
            return super().wait_for(predicate, timeout)

    tcp = tcp_stream.TCP(sync=SimpleNamespace(Lock=threading.Lock, Condition=Condition))
    with pytest.raises(TimeoutError):
        tcp.read(1, timeout=0.01)
    tcp.receive(0, b"a")
    assert tcp.read(1, timeout=5) == b"a"
    assert asked == [0.01] and tcp._sleeping == 0, "asked once, not for what is there"


def test_sleepers_are_counted_down_after_a_timeout_and_an_error():
    tcp = tcp_stream.TCP()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            tcp.read(1, timeout=0)
    tcp.receive(2, b"x")
    tcp.finish()
    for _ in range(3):
        with pytest.raises(tcp_stream.TruncatedError):
            tcp.read(1)
    assert tcp._sleeping == 0


def test_small_reads_of_a_large_piece_do_not_copy_it_again_and_again():
    tcp = tcp_stream.TCP()
    data = bytes(range(256)) * 1000
    tcp.receive(0, data)
    assert b"".join(tcp.read(1000) for _ in range(256)) == data
    tcp.receive(len(data), b"xyz")
    assert tcp.read(2) == b"xy"
    last = tcp.read(2)
    assert last == b"z" and type(last) is bytes


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("receive", (-1, b""), ValueError),
        ("receive", ("0", b"a"), TypeError),
        ("receive", (0, None), TypeError),
        ("receive", (0, [1, 2]), TypeError),
        ("read", (-1,), ValueError),
        ("read", ("1",), TypeError),
        ("finish", (-1,), ValueError),
        ("finish", ("1",), TypeError),
    ],
)
def test_bad_input_is_refused_and_the_lock_is_free_again(method, arguments, error):
    tcp = tcp_stream.TCP()
    with pytest.raises(error):
        getattr(tcp, method)(*arguments)
    assert tcp.receive(0, b"a") == 1 and tcp.read(1) == b"a"


POLICIES = ["first", "last", "error"]


class Watched(tcp_stream.TCP):
    """Remembers which parts of its state were looked at without the lock."""

    bare = frozenset()

    def __getattribute__(self, name):
        state = "_read _next _edge _final _ready _starts _held _islands _truncated"
        if name in state.split() and "_lock" in vars(self):
            if not self._lock.locked():
                self.bare |= {name}
        return super().__getattribute__(name)


@quick
@given(st.lists(st.integers(0, 9), min_size=4, max_size=8))
def test_every_public_method_looks_at_the_state_under_the_lock(choices):
    tcp = Watched()
    public = [name for name in dir(tcp_stream.TCP) if not name.startswith("_")]
    deeds = {
        "receive": lambda n: tcp.receive(3 * n, b"abcd"),
        "read": lambda n: tcp.read(n, 0),
        "finish": lambda n: tcp.finish(100 + n),
        "ranges": lambda n: tcp.ranges(),
        "window": lambda n: tcp.window,
    }
    assert set(deeds) == set(public), "a new method is tried, too"
    for n in choices:
        for deed in deeds.values():
            try:
                deed(n)
            except (ValueError, TimeoutError):
                pass
    assert not tcp.bare


def test_ranges_can_be_asked_while_segments_come():
    tcp, over, seen = tcp_stream.TCP(), threading.Event(), []

    def ask():
        while not over.is_set():
            seen.append(all(a < b for a, b in tcp.ranges()))

    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    for place in range(0, 6000, 2):
        tcp.receive(place + 1, b"b")
        tcp.receive(place, b"a")
        tcp.read(2)
    over.set()
    asker.join(900)
    assert not asker.is_alive() and all(seen)


@pytest.mark.parametrize("policy", POLICIES)
def test_to_refuse_costs_no_more_than_to_accept(policy):
    tcp = tcp_stream.TCP(policy=policy)
    places = range(1, 2 * 4096, 2)
    accepted = max(lines_run(tcp.receive, p, b"x") for p in places)
    before = tcp.ranges()
    assert len(before) == 4096
    for place in (20_000, 500_000, 1_048_575):
        assert lines_run(tcp.receive, place, b"y") <= accepted
    assert tcp.ranges() == before
    over = b"x" * 1460
    assert lines_run(tcp.receive, 3001, over) > 1000 and len(tcp.ranges()) == 3366
    for _ in range(3):  # the same again, whole and in part
        assert lines_run(tcp.receive, 3001, over) <= 2 * accepted
        assert lines_run(tcp.receive, 3000, over) <= 3 * accepted
        assert lines_run(tcp.receive, 3300, over[:900]) <= 2 * accepted


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", [1, 2, 255])
@pytest.mark.parametrize("order", ["rising", "falling", "odd, then even"])
def test_tiny_pieces_take_memory_in_proportion_to_the_window(policy, size, order):
    capacity = 1 << 14
    places = list(range(0, capacity, size))
    if order == "falling":
        places.reverse()
    elif order == "odd, then even":
        places = places[1::2] + places[::2]
    tracemalloc.start()
    try:
        tcp = tcp_stream.TCP(capacity, policy)
        worst, before = 0, tracemalloc.get_traced_memory()[0]
        for k, place in enumerate(places):
            tcp.receive(place, bytes(size))
            if k % 100 == 0 or k == len(places) - 1:
                worst = max(worst, tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    # 128 pieces of some 200 bytes each beside the data, a buffer's reserve, a copy
    assert worst < 5 * capacity
    if order != "odd, then even":
        assert tcp.window == 0 and tcp.read(capacity) == bytes(capacity)


segments = st.lists(
    st.tuples(st.integers(1, 40), st.text("ab", min_size=1, max_size=12)), max_size=12
)


@quick
@given(segments, st.integers(0, 4))
def test_duplicates_take_nothing_and_policies_change_only_the_bytes(given_, pieces):
    shapes = []
    for policy in ("first", "last"):
        tcp = tcp_stream.TCP(policy=policy, pieces=pieces)
        for start, data in given_:
            tcp.receive(start, data.encode())
        for start, data in given_:  # what was let in covers itself from now on
            if any(a <= start and start + len(data) <= b for a, b in tcp.ranges()):
                count = len(tcp._held)
                tcp.receive(start, data.encode())
                assert len(tcp._held) <= count
        shapes.append({s: len(p) for s, p in tcp._held.items()})
    assert shapes[0] == shapes[1]


@quick
@given(segments)
def test_the_last_bytes_win_as_in_aioquic(given_):
    tcp = tcp_stream.TCP(policy="last")
    stream, other = QuicStreamReceiver(stream_id=0, readable=True), b""
    for start, data in [*given_, (0, "0")]:
        tcp.receive(start, data.encode())
        event = stream.handle_frame(QuicStreamFrame(data=data.encode(), offset=start))
        other += event.data if event else b""
    assert tcp.read(99) == other


KINDS = [np.int8, np.uint8, np.int16, np.uint32, np.int64, np.uint64, int]


@quick
@given(st.sampled_from(KINDS), st.integers(0, 100), st.integers(0, 100))
def test_whole_numbers_of_every_type_are_the_same_numbers(numbers, kind, a, b):
    one, two = tcp_stream.TCP(capacity=kind(100)), tcp_stream.TCP(capacity=100)
    for tcp, as_ in ((one, kind), (two, int)):
        tcp.receive(as_(a), b"abcd")
        tcp.receive(as_(0), bytes(b))
        tcp.finish(as_(104))
    assert one.ranges() == two.ranges() and one.window == two.window
    assert all(type(x) is int for pair in one.ranges() for x in pair)
    if b:
        assert one.read(kind(a + 1)) == two.read(a + 1)
    assert numbers.before(kind(a), kind(b)) == numbers.before(a, b)
    assert numbers.unwrap(kind(a), kind(b), kind(a)) == numbers.unwrap(a, b, a)
    assert numbers.before(a, b, kind(8)) == numbers.before(a, b, 8)
    assert type(numbers.unwrap(a, b, a, kind(8))) is int
    assert numbers.unwrap(a, b, a, kind(8)) == numbers.unwrap(a, b, a, 8)


@pytest.mark.parametrize("bad", [0.0, 1.5, float("nan"), "1", None, True, np.bool_(1)])
def test_what_is_no_whole_number_is_refused_everywhere(numbers, bad):
    tcp = tcp_stream.TCP()
    tcp.receive(0, b"abc")
    calls = [lambda: tcp.receive(bad, b"x"), lambda: tcp.read(bad)]
    calls += [lambda: tcp_stream.TCP(capacity=bad), lambda: numbers.before(bad, 1)]
    calls += [lambda: numbers.unwrap(bad, 0, 0), lambda: numbers.unwrap(0, 0, bad)]
    if bad is not None:  # None has a meaning there
        calls += [lambda: tcp.finish(bad), lambda: tcp_stream.TCP(pieces=bad)]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert tcp.read(9) == b"abc"


@pytest.mark.parametrize("timeout", [-1, -0.5, float("nan")])
def test_a_timeout_that_is_none_is_refused_and_does_not_hang(timeout):
    with pytest.raises(ValueError, match="timeout"):
        tcp_stream.TCP().read(1, timeout)
    for count in (0, 1, 9):  # nor where nobody would wait: bytes are ready, or the end
        tcp = tcp_stream.TCP()
        tcp.receive(0, b"ab")
        for _ in range(2):
            with pytest.raises(ValueError, match="timeout"):
                tcp.read(count, timeout)
            tcp.finish()
        assert tcp.read(9, 0) == b"ab" and tcp.read(9, 0) == b""
    assert tcp_stream.patience(float("inf")) is None and tcp_stream.patience(2) == 2


@pytest.mark.parametrize(
    "timeout", [np.float32(0.01), np.uint8(0), Fraction(1, 100), 0]
)
def test_a_timeout_of_any_type_of_number_ends(c, timeout):
    for tcp in (tcp_stream.TCP(), c.TCP()):
        with pytest.raises(TimeoutError, match="no byte"):
            tcp.read(1, timeout)
        tcp.receive(0, b"ab")
        assert tcp.read(9, timeout) == b"ab"
