"""chapters/tcp-the-stream.ipynb: the class under other seeds, under real threads, under hostile input; and its copy in tcp_stream.py."""

import ast
import random
import sys
import threading
from types import SimpleNamespace

import nbformat
import pytest
from chapter_code import CHAPTERS, ROOT, chapter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

sys.path.insert(0, str(CHAPTERS))
import tcp_stream  # noqa: E402
from tcp_capture import read_capture  # noqa: E402

quick = settings(max_examples=100, deadline=None, database=None)


@pytest.fixture(scope="module")
def c():
    return chapter("tcp-the-stream")


def test_the_module_is_the_chapters_cells_word_for_word():
    notebook = nbformat.read(CHAPTERS / "tcp-the-stream.ipynb", 4)
    names = (
        "ContractError ConflictError TruncatedError own_copy integer patience".split()
    )
    names += "Sorter Settler Gluer Holder Locked Ender Receiver Waiter TCP".split()
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
