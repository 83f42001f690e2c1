"""chapters/tcp-ask-the-kernel.ipynb: the tree's invariants, the models on cases nobody recorded, the data, the loopback transfer."""

import gc
import json
import struct
import sys
import warnings

import pytest
from chapter_code import CHAPTERS, ROOT, chapter
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
sys.path.insert(0, str(ROOT / "data"))
import record_tcp  # noqa: E402
from tcp_loopback import Transfer  # noqa: E402
from tcp_tree import Piece, Tree  # noqa: E402

quick = settings(max_examples=80, deadline=None)
spans = st.tuples(st.integers(1, 20), st.integers(1, 8)).map(lambda t: (t[0], sum(t)))


@pytest.fixture(scope="module")
def c():
    return chapter("tcp-ask-the-kernel")


def black_height(piece, low=-1, high=10**9):
    """Return the number of black pieces on each way down, after checking every rule of the tree."""
    if piece is None:
        return 1
    assert low < piece.start < high
    for child in (piece.left, piece.right):
        assert child is None or child.parent is piece
        assert not (piece.red and child is not None and child.red), "two reds in a row"
    left = black_height(piece.left, low, piece.start)
    assert left == black_height(piece.right, piece.start, high)
    return left + (not piece.red)


def hang(tree, start):
    """Insert a piece of one byte by its start."""
    parent, place, to_right = None, tree.root, True
    while place is not None:
        parent, to_right = place, start > place.start
        place = place.right if to_right else place.left
    tree.insert(Piece(start, "x"), parent, to_right)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("iier"), st.integers(0, 40)), max_size=80),
)
def test_the_tree_stays_a_red_black_tree(steps):
    tree, there = Tree(), set()
    for what, start in steps:
        pieces = {p.start: p for p in tree}
        if what == "i" and start not in there:
            hang(tree, start)
            there.add(start)
        elif what == "e" and start in there:
            tree.erase(pieces[start])
            there.remove(start)
        elif what == "r" and start in there:
            tree.replace(pieces[start], Piece(start, "yy"))
        assert [p.start for p in tree] == sorted(there)
        assert tree.root is None or (tree.root.parent is None and not tree.root.red)
        black_height(tree.root)
        chain = list(tree)
        assert [tree.after(p) for p in chain] == [*chain[1:], None] if chain else True


@quick
@given(st.lists(spans, min_size=1, max_size=12))
def test_every_reader_delivers_the_union_and_only_what_was_sent(c, cases):
    letters = "ABCDEFGHIJKL"
    segments = [(s, e, t * (e - s)) for (s, e), t in zip(cases, letters, strict=False)]
    covered = set().union(*(range(s, e) for s, e in cases))
    for reader in (c.first_wins, c.last_wins, c.lowest_start, c.plain_tree, c.linux):
        text = reader(segments)
        assert {i for i, t in enumerate(text, 1) if t != "."} == covered
        for place, letter in enumerate(text, 1):
            if letter != ".":
                start, end = cases[letters.index(letter)]
                assert start <= place < end
    assert c.aioquic_reads(segments) == c.last_wins(segments)


@quick
@given(st.lists(spans, min_size=1, max_size=12))
def test_where_segments_agree_all_readers_agree(c, cases):
    line = "the quick brown fox jumps over the lazy dog".replace(" ", "-")
    segments = [(s, e, line[s:e]) for s, e in cases]
    readers = (c.first_wins, c.last_wins, c.lowest_start, c.plain_tree, c.linux)
    assert len({reader(segments) for reader in readers}) == 1


@quick
@given(st.lists(st.integers(1, 30), min_size=1, max_size=25), st.data())
def test_the_stream_puts_any_order_in_order(c, sizes, data):
    payload = bytes(i % 251 for i in range(sum(sizes)))
    edges = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    pieces = list(zip(edges, edges[1:], strict=False))
    order = data.draw(st.permutations(pieces + pieces[:3]))
    stream, out = c.Stream(), b""
    stream.finish(len(payload))
    for start, end in order:
        stream.receive(start, payload[start:end])
        out += stream.read(7) or b""
    while chunk := stream.read(1000):
        out += chunk
    assert out == payload and stream.read(1) == b""


@quick
@given(st.lists(st.tuples(st.integers(0, 25)), min_size=1, max_size=30))
def test_receipts_list_what_is_there_newest_first(c, starts):
    arrivals = [(10 * s, 10 * s + 10) for (s,) in starts]
    there = set()
    for (start, end), (ack, blocks) in zip(arrivals, c.receipts(arrivals), strict=True):
        there |= set(range(start, end))
        assert len(blocks) <= 4 and ack == next(i for i in range(999) if i not in there)
        for s, e in blocks:
            assert set(range(s, e)) <= there


def test_the_receipts_of_a_late_filler_forget_what_is_delivered(c):
    assert c.receipts([(10, 20), (0, 10)]) == [[0, [[10, 20]]], [20, []]]
    assert c.receipts([(0, 10), (0, 10)])[-1] == [10, [[0, 10]]]


def test_the_explorable_shows_what_a_receiver_would_hold(c, run_script):
    shown = [(0, 10), (20, 30), (40, 50), (10, 20), (5, 12)]
    expect = [("10", 0), ("10", 1), ("10", 2), ("30", 1), ("30", 1)]
    for count, (front, held) in enumerate(expect, 1):
        done = run_script(c.SCRIPT, {"n": count}, shown)
        assert (done["said"]["next"], done["said"]["held"]) == (front, held)
        (drawn,) = done["set"].values()
        assert drawn.count("<rect") == 1 + held


def test_the_capture_is_small_and_whole():
    raw = (ROOT / "data" / "tcp-capture.pcap").read_bytes()
    found = json.loads((ROOT / "data" / "tcp-verdicts.json").read_text())
    assert len(raw) <= 80_000
    assert struct.unpack("!IHHiIII", raw[:24]) == (0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    at, packets = 24, []
    while at < len(raw):
        *_, kept, size = struct.unpack("!IIII", raw[at : at + 16])
        assert kept == size
        packets.append(raw[at + 16 : at + 16 + size])
        at += 16 + size
    assert len(packets) == len(found["capture"]["other_end_ms"]) == 70
    stream = bytearray(40_000)
    base = record_tcp.parse(packets[0])["seq"] + 1
    for packet in packets:
        fields = record_tcp.parse(packet)
        if fields["dport"] == record_tcp.PORT and fields["data"]:
            offset = (fields["seq"] - base) % 2**32
            stream[offset : offset + len(fields["data"])] = fields["data"]
    assert bytes(stream) == record_tcp.payload()


@quick
@given(
    seq=st.integers(0, 2**33),
    data=st.binary(max_size=50),
    window=st.integers(0, 65535),
    words=st.integers(0, 4),
)
def test_the_recorder_writes_packets_that_it_can_read(seq, data, window, words):
    options = b"\1" * 4 * words
    flags = record_tcp.ACK
    packet = record_tcp.segment(999, seq, 5, flags, data, window, options)
    fields = record_tcp.parse(packet)
    assert fields["seq"] == seq % 2**32 and fields["data"] == data
    assert fields["window"] == window and fields["sport"] == 999
    head, tcp = packet[:20], packet[20:]
    pseudo = packet[12:20] + struct.pack("!BBH", 0, 6, len(tcp))
    assert record_tcp.checksum(head) == 0 == record_tcp.checksum(pseudo + tcp)


def test_the_recorder_refuses_options_that_do_not_fill_words():
    with pytest.raises(ValueError, match="words of four"):
        record_tcp.segment(1, 0, 0, record_tcp.SYN, options=b"\1\1\1")


def test_a_transfer_closes_what_it_opens_also_when_it_fails():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with pytest.raises(TimeoutError, match="not finished"):
            Transfer(b"x" * 1000, lose=1.0).run(limit=0.3)
        done = Transfer(b"abc" * 5000, lose=0.0, delay=0.0).run()
        gc.collect()
    assert bytes(done.received) == b"abc" * 5000 and done.lost == 0
    with pytest.raises(OSError):
        done.proxy.getsockname()


def test_the_smallest_receiver_says_wait_and_end_apart(c):
    stream = c.Stream()
    assert stream.read(0) == b"" and stream.read(1) is None
    stream.receive(0, bytearray(b"ab"))
    assert stream.read(0) == b"", "nothing was asked for; None would mean wait"
    assert stream.read(1) == b"a" and stream.read(9) == b"b"
    for bad in (lambda: stream.read(-1), lambda: stream.read(-9)):
        with pytest.raises(ValueError, match="negative"):
            bad()
    for bad in (lambda: stream.receive(0.5, b"a"), lambda: stream.receive(0, 5)):
        with pytest.raises(TypeError):
            bad()
    stream.finish(2)
    assert stream.read(1) == b""
