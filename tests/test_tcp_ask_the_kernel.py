"""chapters/tcp-ask-the-kernel.ipynb: the tree's invariants, the models on cases nobody recorded, the data, the loopback transfer."""

import gc
import json
import random
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
import record_tcp_kernels  # noqa: E402
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


@quick
@given(st.lists(spans, min_size=1, max_size=5))
def test_readers_take_segments_told_once(c, cases):
    """`aioquic_reads` looks at its segments three times, `paint` once."""
    segments = c.lettered(cases)
    rules = c.lowest_start, c.plain_tree, c.linux_list, c.linux
    for reads in (c.aioquic_reads, c.last_wins, *rules):
        assert reads(iter(segments)) == reads(segments), reads.__name__


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
    rules = c.lowest_start, c.plain_tree, c.linux_list, c.linux
    for reader in (c.first_wins, c.last_wins, *rules):
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
    rules = c.lowest_start, c.plain_tree, c.linux_list, c.linux
    readers = (c.first_wins, c.last_wins, *rules)
    assert len({reader(segments) for reader in readers}) == 1


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


def test_the_list_is_the_queue_of_the_old_kernel(c):
    """Line by line after `tcp_data_queue_ofo` of Linux 4.4.155: a walk back from the end, on cases nobody recorded."""

    def queue(segments):
        held = []
        for start, _, text in segments:
            new, at = Piece(start, text), len(held) - 1
            if held and held[-1].end == start:
                held[-1].data += text
                continue
            while at >= 0 and held[at].start > start:
                at -= 1
            if at >= 0 and start < held[at].end:
                if new.end <= held[at].end:
                    continue
                at -= start == held[at].start
            held.insert(at + 1, new)
            while at + 2 < len(held) and new.end > held[at + 2].start:
                if new.end < held[at + 2].end:
                    break
                held.pop(at + 2)
        return c.settle(held)

    dice, apart = random.Random(4), 0
    for _ in range(3000):
        cases = [sorted(dice.sample(range(1, 30), 2)) for _ in range(8)]
        segments = c.lettered(cases)
        assert c.linux_list(segments) == queue(segments)
        apart += c.linux_list(segments) != c.linux(segments)
    assert apart > 30


def test_the_kernels_were_asked_what_the_first_was():
    first = json.loads((ROOT / "data" / "tcp-verdicts.json").read_text())
    kernels = json.loads((ROOT / "data" / "tcp-kernels.json").read_text())
    assert len(kernels) == 5
    for name, said in kernels.items():
        assert name.removeprefix("Linux ") in said["uname"]
        for part, size in (("pairs", 100), ("triples", 1000), ("longer", 1000)):
            assert len(said[part].split()) == size, (name, part)
        assert [len(a) for a in said["sacks"]] == [len(a) for _, a, _ in first["sacks"]]
        assert said["fins"].keys() == first["fins"].keys()
        assert [s["unread"] for s in said["window_edge"]] == [False] * 3 + [True] * 3
    name, said = record_tcp_kernels.kept(
        {**first, "kernel": "Linux x 6.1.0-5-cloud #1 Debian 6.1.17-1"}
    )
    assert name == "Linux 6.1.17" and said["pairs"] == first["pairs"]
    assert said["longer"].split() == [verdict for _, verdict in first["longer"]]
    with pytest.raises(ValueError, match="not those"):
        record_tcp_kernels.kept({**first, "spans": "12"})


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


@pytest.fixture(params=[(1280, 900), (360, 740)], ids=["desk", "phone"])
def hands(request, browser, c):
    """The explorable, alone on a page."""
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height})
    said = []
    page.on("pageerror", lambda e: said.append(str(e)))
    page.set_content(
        f"<!doctype html><html><body>{c.in_your_hands().data}</body></html>"
    )
    yield page
    assert not said
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    page.close()


SHOWN = """root => [...root.querySelectorAll('.read')].map(r => r.innerText.replace(/\\s/g, ''))"""
PUT = """([spans, n]) => { const root = document.querySelector('figure'), f = root.querySelector('[name=n]');
  root.segs.splice(0, 6, ...spans); f.value = n; f.dispatchEvent(new Event('input')); }"""


def tree_of(page):
    """Return {letters: (x, y, red)} as drawn."""
    return page.evaluate(
        """Object.fromEntries([...document.querySelectorAll('.tree circle')].map(e =>
        [e.nextElementSibling.textContent, [+e.getAttribute('cx'), +e.getAttribute('cy'), e.hasAttribute('stroke-dasharray')]]))"""
    )


def depths(piece, depth=0):
    """Yield (letters, depth, red) of a tree, by start."""
    if piece is not None:
        yield from depths(piece.left, depth + 1)
        yield "".join(dict.fromkeys(piece.data)), depth, piece.red
        yield from depths(piece.right, depth + 1)


def test_the_page_reads_as_the_five_readers_do(c, hands):
    """Boards that nobody chose: all five texts, and the tree with its colours."""
    dice, gone = random.Random(12), 0
    for _ in range(150):
        spans = [sorted(dice.sample(range(1, 14), 2)) for _ in range(6)]
        n = dice.randint(1, 6)
        hands.evaluate(PUT, [spans, n])
        came = c.lettered(spans[:n])
        readers = c.first_wins, c.last_wins, c.aioquic_reads, c.linux_list, c.linux
        texts = [reader(came).ljust(12, ".") for reader in readers]
        assert hands.evaluate(f"({SHOWN})(document.querySelector('figure'))") == texts
        root, _ = c.grown(spans[:n])
        shape = list(depths(root))
        drawn = {
            word: [45 + 60 * i, 22 + 40 * depth, red]
            for i, (word, depth, red) in enumerate(shape)
        }
        if len(drawn) == len(shape):
            assert tree_of(hands) == drawn
        gone += "goes" in hands.inner_text("[data-say=told]")
    assert gone > 5, "pieces were erased, too"


def test_the_key_frame_is_what_the_script_draws(c, browser, hands):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    html = c.in_your_hands().data
    assert len(html.encode()) <= 8_600
    page.set_content(html)
    for part in ("[data-say=told]", ".twelve"):
        assert page.inner_text(part) == hands.inner_text(part)
    for part in (".tree path", ".tree circle"):
        assert page.locator(part).count() == hands.locator(part).count() > 0
    assert "glued" in page.inner_text("[data-say=told]")
    context.close()


def test_a_segment_is_moved_by_keys_and_by_hand(c, hands):
    read = hands.locator(".read").nth(4)
    hands.focus("[role=slider] >> nth=3")
    for _ in range(2):
        hands.keyboard.press("ArrowLeft")
    assert hands.get_attribute(".seg >> nth=3", "aria-valuetext") == "bytes 8 to 10"
    spans = [(3, 5), (6, 13), (4, 10), (8, 11)]
    assert read.inner_text().split() == list(c.linux(c.lettered(spans)).ljust(12, "."))
    hands.keyboard.press("ArrowUp")
    hands.keyboard.press("ArrowLeft")
    assert hands.get_attribute(".seg >> nth=3", "aria-valuetext") == "bytes 7 to 10"
    box = hands.locator(".seg").nth(0).bounding_box()
    step, y = box["width"] / 2, box["y"] + box["height"] / 2
    hands.mouse.move(box["x"] + step / 2, y)
    hands.mouse.down()
    hands.mouse.move(box["x"] + 2.5 * step, y, steps=3)
    hands.mouse.up()
    assert hands.get_attribute(".seg >> nth=0", "aria-valuetext") == "bytes 5 to 6"
    hands.mouse.move(box["x"] + 4 * step - 3, y)
    hands.mouse.down()
    hands.mouse.move(box["x"] + 7 * step - 3, y, steps=3)
    hands.mouse.up()
    assert hands.get_attribute(".seg >> nth=0", "aria-valuetext") == "bytes 5 to 9"
    hands.select_option("select", "glue")
    assert read.inner_text().split()[:3] == ["A", "B", "."]
    assert hands.locator(".late").count() == 3
