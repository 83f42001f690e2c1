"""Ask the kernel of this machine how its TCP treats disorder, and write down what it says.

    sudo python3 data/record_tcp.py [FOLDER]        (Linux, root, some seconds; FOLDER is data/ unless told)

writes tcp-verdicts.json and tcp-capture.pcap; the chapters read those two files and never run this one.
`record_tcp_kernels.py` puts the same questions to other kernels, each in a machine of its own.
A TUN device gives the kernel a network card whose cable ends in this process: what the kernel sends is
read from a file descriptor, and what is written there arrives as an IP packet. So a peer of a few lines can
send segments that no honest TCP would send. The device lives in a network namespace of its own.
"""

import ctypes
import fcntl
import heapq
import itertools
import json
import os
import platform
import random
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

KERNEL, PEER, PORT = "10.9.0.1", "10.9.0.2", 8080
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MSS = 1460
MSS_SACK_OPTIONS = b"\2\4" + struct.pack("!H", MSS) + b"\1\1\4\2"
TIMESTAMP_OPTION = b"\1\1\x08\x0a" + struct.pack("!II", 1, 0)


def open_wire(alone=False):
    """Enter a fresh network namespace, unless the machine is ours alone; return the TUN device's descriptor there."""
    if not alone and ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
        # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "unshare: are you root?")
    wire = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH", b"tun0", 0x0001 | 0x1000)  # IFF_TUN | IFF_NO_PI
    fcntl.ioctl(wire, 0x400454CA, request)  # TUNSETIFF
    settings = {"ipv6/conf/tun0/disable_ipv6": 1, "ipv4/tcp_timestamps": 0}
    settings |= {"ipv4/tcp_no_metrics_save": 1, "ipv4/tcp_comp_sack_nr": 0}
    for name, value in settings.items():
        path = Path("/proc/sys/net") / name
        if path.exists():
            path.write_text(str(value))
    for command in (f"addr add {KERNEL}/24 dev tun0", "link set tun0 up"):
        subprocess.run(["ip", *command.split()], check=True)
    return wire


def checksum(data):
    """Return the Internet checksum of `data` (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(sport, seq, ack, flags, data=b"", window=65535, options=b"", dport=PORT):
    """Return one IPv4 packet with a TCP segment from the peer to the kernel."""
    if len(options) % 4:
        raise ValueError("options must fill words of four bytes")
    words = 5 + len(options) // 4
    seq, ack = seq % 2**32, ack % 2**32
    tcp = struct.pack(
        "!HHIIBBHHH", sport, dport, seq, ack, words << 4, flags, window, 0, 0
    )
    tcp += options + data
    ends = socket.inet_aton(PEER) + socket.inet_aton(KERNEL)
    total = checksum(ends + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", total) + tcp[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + ends
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + tcp


def parse(packet):
    """Return the fields of an IPv4 packet with TCP in it, or None for anything else."""
    if packet[0] >> 4 != 4 or packet[9] != 6:
        return None
    tcp = packet[4 * (packet[0] & 15) : struct.unpack("!H", packet[2:4])[0]]
    names = ("sport", "dport", "seq", "ack", "words", "flags", "window")
    found = dict(
        zip(names, struct.unpack("!HHIIBBH", tcp[:16]), strict=True), sack=[], scale=0
    )
    size = 4 * (found["words"] >> 4)
    found["data"], options = tcp[size:], tcp[20:size]
    while options:
        kind = options[0]
        length = 1 if kind < 2 else options[1]
        if kind == 5:
            edges = struct.unpack(f"!{(length - 2) // 4}I", options[2:length])
            found["sack"] = list(zip(edges[::2], edges[1::2], strict=True))
        elif kind == 3:
            found["scale"] = options[2]
        options = options[length:]
    return found


def counters():
    """Return the namespace's TcpExt counters."""
    lines = Path("/proc/self/net/netstat").read_text().splitlines()
    names, values = (line.split()[1:] for line in lines[:2])
    return dict(zip(names, map(int, values), strict=True))


class Stranger:
    """A peer that connects to the kernel's listener and then sends what it likes; offsets count from 0."""

    ports = itertools.count(10000)

    def __init__(self, wire, listener, isn=1000, options=MSS_SACK_OPTIONS, stamps=b""):
        self.wire, self.port, self.isn, self.stamps = (
            wire,
            next(self.ports),
            isn,
            stamps,
        )
        os.write(wire, segment(self.port, isn, 0, SYN, options=options))
        (answer,) = self.answers()
        self.ack, self.scale = answer["seq"] + 1, answer["scale"]
        self.send(0, b"")
        self.socket, _ = listener.accept()
        self.socket.setblocking(False)

    def answers(self):
        """Return what the kernel has sent to this peer meanwhile."""
        found = []
        while True:
            try:
                packet = parse(os.read(self.wire, 65535))
            except BlockingIOError:
                return found
            if packet and packet["dport"] == self.port:
                found.append(packet)

    def send(self, offset, data, flags=ACK):
        """Send one segment and return the kernel's answers, in stream offsets."""
        seq = self.isn + 1 + offset
        os.write(
            self.wire,
            segment(self.port, seq, self.ack, flags, data, options=self.stamps),
        )
        return [
            dict(
                ack=self.offset(a["ack"]),
                window=a["window"] << self.scale,
                sack=[[self.offset(s), self.offset(e)] for s, e in a["sack"]],
                flags=a["flags"],
            )
            for a in self.answers()
        ]

    def offset(self, seq):
        """Return the stream offset of a sequence number near the window."""
        return (seq - self.isn - 1 + 2**31) % 2**32 - 2**31

    def read(self):
        """Return what the application can read now: bytes, or None where nothing is there yet."""
        try:
            return self.socket.recv(1 << 20)
        except BlockingIOError:
            return None

    def close(self):
        linger = struct.pack("ii", 1, 0)  # reset: leave nothing behind
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()
        self.answers()


def verdict(stranger, segments, width):
    """Send (start, end) segments of A, B, C, ... behind a hole, then dots into the holes.

    Return what was read.
    """
    covered = set()
    for letter, (start, end) in zip("ABCDEFGH", segments, strict=False):
        stranger.send(start, letter.encode() * (end - start))
        covered |= set(range(start, end))
    early = stranger.read()
    for position in range(width + 1):
        if position not in covered:
            stranger.send(position, b".")
    stream = stranger.read() or b""
    stranger.close()
    if early is not None or len(stream) != width + 1:
        raise RuntimeError(f"{segments}: read {early!r} early, then {stream!r}")
    return stream[1:].decode()


def spans(width):
    """Return every (start, end) with 1 <= start < end <= width + 1."""
    return list(itertools.combinations(range(1, width + 2), 2))


def record_verdicts(wire, listener):
    """Return all ordered pairs and triples over four bytes, pairs across 2**32, and longer ones that nobody chose."""
    ask = lambda case, width, isn=1000: verdict(  # noqa: E731
        Stranger(wire, listener, isn), case, width
    )
    four, rng = spans(4), random.Random(20)
    pairs = list(itertools.product(four, repeat=2))
    before = counters()
    answers = {
        "pairs": " ".join(ask(case, 4) for case in pairs),
        "triples": " ".join(ask(case, 4) for case in itertools.product(four, repeat=3)),
    }
    after = counters()
    # The first byte is isn + 1, so that offsets 0..2 lie before 2**32 and the rest after it.
    answers["wrapped_pairs"] = " ".join(ask(case, 4, 2**32 - 4) for case in pairs)
    longer = [
        [rng.choice(spans(12)) for _ in range(rng.randint(4, 8))] for _ in range(1000)
    ]
    # Each as "14 3c": one hexadecimal digit for the start, one for the end.
    answers["longer"] = [
        [" ".join(f"{start:x}{end:x}" for start, end in case), ask(case, 12)]
        for case in longer
    ]
    moved = {k: after[k] - before[k] for k in after if k.startswith("TCP")}
    answers["counters_of_pairs_and_triples"] = {
        k: v for k, v in moved.items() if v and not k.endswith("Tslots")
    }
    return answers


def record_sacks(wire, listener):
    """Return arrivals with the SACK blocks that answered them: by hand, then at random."""
    rng, scenes = random.Random(2018), []
    plans = [("five islands", [(o, o + 10) for o in (20, 60, 100, 140, 180)], b"")]
    plans += [("five islands, timestamps", plans[0][1], TIMESTAMP_OPTION)]
    plans += [("a duplicate", [*plans[0][1][:4], (60, 70)], b"")]
    plans += [
        ("a partial duplicate, then the hole", [(20, 40), (30, 50), (0, 20)], b"")
    ]
    for number in range(20):
        starts = [rng.randrange(0, 30) for _ in range(12)]
        plans.append((f"random {number}", [(10 * s, 10 * s + 10) for s in starts], b""))
    for name, arrivals, stamps in plans:
        options = MSS_SACK_OPTIONS + (
            b"\1\1\x08\x0a\0\0\0\1\0\0\0\0" if stamps else b""
        )
        Path("/proc/sys/net/ipv4/tcp_timestamps").write_text(str(int(bool(stamps))))
        peer = Stranger(wire, listener, options=options, stamps=stamps)
        answered = []
        for start, end in arrivals:
            answers = peer.send(start, b"x" * (end - start))
            answered.append(
                [answers[-1]["ack"], answers[-1]["sack"]] if answers else None
            )
        scenes.append([name, [list(a) for a in arrivals], answered])
        peer.close()
    return scenes


def record_fins(wire, listener):
    """Return what the kernel does with a FIN in a hole, data past it, and a second FIN elsewhere."""
    scenes = {
        "waits in a hole": [(4, b"EFGH", FIN | ACK), (0, b"ABCD", ACK)],
        "data past it": [(4, b"EF", FIN | ACK), (6, b"GH", ACK), (0, b"ABCD", ACK)],
        "data past it, first": [(6, b"GH", ACK), (4, b"EF", FIN | ACK), (0, b"ABCD", ACK)],
        "in order, data past it": [(0, b"ABCD", FIN | ACK), (4, b"EF", ACK)],
        "twice, earlier first": [(4, b"E", FIN | ACK), (4, b"EFGH", FIN | ACK), (0, b"ABCD", ACK)],
        "twice, later first": [(4, b"EFGH", FIN | ACK), (4, b"E", FIN | ACK), (0, b"ABCD", ACK)],
        "twice, apart, earlier first": [(4, b"E", FIN | ACK), (7, b"H", FIN | ACK), (5, b"FG", ACK), (0, b"ABCD", ACK)],
        "twice, apart, later first": [(7, b"H", FIN | ACK), (4, b"E", FIN | ACK), (5, b"FG", ACK), (0, b"ABCD", ACK)],
    }  # fmt: skip
    found = {}
    for name, steps in scenes.items():
        peer, reads, acks = Stranger(wire, listener), [], []
        for offset, data, flags in steps:
            answers = peer.send(offset, data, flags)
            reset = bool(answers and answers[-1]["flags"] & RST)
            acks.append("reset" if reset else answers[-1]["ack"] if answers else None)
            got = peer.read()
            reads.append(None if got is None else got.decode())
        more = peer.read()
        told = [[o, d.decode(), bool(f & FIN)] for o, d, f in steps]
        found[name] = dict(
            steps=told,
            acks=acks,
            reads=reads,
            more=more if more is None else more.decode(),
        )
        peer.close()
    return found


def record_window_edge(wire, listener):
    """Return what becomes of ten bytes around the right edge of the window, unread data waiting or not."""
    found = []
    for waiting in (False, True):
        for shift in (-10, -5, 5):  # inside, across, beyond
            peer = Stranger(wire, listener)
            peer.send(1, b"x")
            answer = peer.send(0, b"y")[-1]
            if not waiting:
                peer.read()
                answer = (peer.send(3, b"x") + peer.answers())[-1]
            edge, before = answer["ack"] + answer["window"], counters()
            answers = peer.send(edge + shift, b"z" * 10)
            moved = {k: v - before[k] for k, v in counters().items() if v > before[k]}
            start, kept = edge + shift, answers[-1]["sack"] if answers else []
            found.append(
                dict(
                    unread=waiting,
                    edge=edge,
                    start=start,
                    held=[start, start + 10] in kept,
                    counters=moved,
                )
            )
            peer.close()
    return found


class Receiver:
    """The receiving TCP, and the network before it, for one transfer: what it loses and delays is written down here.

    Times are those of this process's clock; every packet takes DELAY each way. The sender is the kernel.
    """

    DELAY = 0.010
    LOST = {2, 5, 6, 23, 26}  # segments whose first copy is lost
    LOST_TWICE = {5}
    LATE = {8: 0.003, 20: 0.004, 21: 0.006, 24: 0.004}  # extra seconds on the way
    CAPACITY = 16 * 1024
    PAUSE_AT, PAUSE = 14_600, 0.060  # the application stops reading here, for so long

    def __init__(self, wire):
        self.wire, self.isn = wire, 7_000_000
        self.pcap, self.fates, self.due = [], [], []
        self.held, self.next, self.read, self.final = [], 0, 0, None
        self.copies, self.resume, self.closed = {}, None, False

    def offset(self, seq):
        return (seq - self.base + 2**31) % 2**32 - 2**31

    def transmit(self, now, flags=ACK, options=b""):
        """Send an acknowledgement of the present state; it reaches the kernel DELAY later."""
        blocks = b"".join(
            struct.pack("!II", (s + self.base) % 2**32, (e + self.base) % 2**32)
            for s, e in self.held[:4]
        )
        if blocks:
            options += b"\1\1\5" + bytes([2 + len(blocks)]) + blocks
        done = self.final is not None and self.next == self.final
        window = self.CAPACITY - (self.next - self.read)
        packet = segment(
            self.port, self.seq, self.base + self.next + done, flags, b"", window, options, self.to
        )  # fmt: skip
        self.seq += bool(flags & (SYN | FIN))
        heapq.heappush(self.due, (now + self.DELAY, len(self.fates), "out", packet))
        self.fates.append(["ack", now, None])

    def leaves(self, packet, now):
        """The kernel has sent a packet: note it, and lose or delay it."""
        found = parse(packet)
        if found is None:
            return
        number, fate = len(self.fates), ["data", now, None]
        self.pcap.append((now, number, packet))
        self.fates.append(fate)
        if found["flags"] & SYN:
            self.base, self.port, self.to = (
                (found["seq"] + 1) % 2**32,
                PORT,
                found["sport"],
            )
            self.seq = self.isn
        which, late = self.offset(found["seq"]) // MSS, 0.0
        if found["data"]:
            copy = self.copies[which] = self.copies.get(which, 0) + 1
            if copy <= (which in self.LOST) + (which in self.LOST_TWICE):
                return
            late = self.LATE.get(which, 0.0) if copy == 1 else 0.0
        heapq.heappush(self.due, (now + self.DELAY + late, number, "in", packet))

    def arrives(self, packet, now):
        """A packet has come through: hold it, acknowledge it, close when all is there."""
        found = parse(packet)
        if found["flags"] & SYN:
            return self.transmit(now, SYN | ACK, MSS_SACK_OPTIONS + b"\1\3\3\0")
        start = self.offset(found["seq"])
        end = start + len(found["data"])
        if found["flags"] & FIN:
            self.final = end
        if end > start:
            joined = [b for b in self.held if b[0] <= end and start <= b[1]]
            whole = (
                min([start, *(b[0] for b in joined)]),
                max([end, *(b[1] for b in joined)]),
            )
            self.held = [whole] + [b for b in self.held if b not in joined]
            if whole[0] <= self.next:
                self.next = max(self.next, whole[1])
                self.held.remove(whole)
        if self.resume is None:
            self.read = min(self.next, self.PAUSE_AT)
            if self.next - self.read > self.CAPACITY - MSS:
                self.resume = now + self.PAUSE
        elif now >= self.resume:
            self.read = self.next
        if end > start:
            self.transmit(now)
        if self.next == self.final and not self.closed:
            self.read, self.closed = self.next, True
            self.transmit(now, FIN | ACK)

    def run(self, sender, stream, until=3.0):
        """Carry packets both ways, hand `stream` to the kernel once connected, until the transfer is over."""
        start, told = time.monotonic(), False
        while (now := time.monotonic()) - start < until:
            if not told and select.select([], [sender], [], 0)[1]:
                sender.sendall(stream)
                sender.shutdown(socket.SHUT_WR)
                told = True
            while self.due and self.due[0][0] <= now:
                _, number, way, packet = heapq.heappop(self.due)
                self.fates[number][2] = now
                if way == "out":
                    os.write(self.wire, packet)
                    self.pcap.append((now, number, packet))
                elif self.closed and parse(packet)["ack"] == self.seq % 2**32:
                    return
                else:
                    self.arrives(packet, now)
            if self.resume and self.resume <= now and self.read < self.next:
                self.read = self.next
                self.transmit(now)
            if select.select([self.wire], [], [], 0.0005)[0]:
                self.leaves(os.read(self.wire, 65535), time.monotonic())
        raise RuntimeError("the transfer did not end")


def payload(size=40_000):
    """Return lines of eight bytes that say where they stand: line i is its own number."""
    return b"".join(b"%07d\n" % i for i in range(size // 8))


def record_capture(wire):
    """Send 40,000 bytes from the kernel through loss and disorder; return the network that saw it."""
    for _ in range(2):  # the first connection warms the route; the second is kept
        network, sender = Receiver(wire), socket.socket()
        sender.setblocking(False)
        sender.connect_ex((PEER, PORT))
        network.run(sender, payload())
        sender.close()
    return network


def as_pcap(network):
    """Return the packets as the kernel's end of the wire saw them: a pcap file of raw IP (link type 101)."""
    zero = network.pcap[0][0]
    out = struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for when, _, packet in network.pcap:
        sec, usec = divmod(round((when - zero) * 1e6), 10**6)
        out += struct.pack("!IIII", sec, usec, len(packet), len(packet)) + packet
    return out


def as_json(value, level=0):
    """Return JSON with one line for each entry of the two outer levels."""
    if isinstance(value, dict) and level < 2:
        pad = " " * (level + 1)
        rows = (
            f"{pad}{json.dumps(k)}: {as_json(v, level + 1)}" for k, v in value.items()
        )
        return "{\n" + ",\n".join(rows) + "\n" + " " * level + "}"
    return json.dumps(value, separators=(",", ":"))


def ask(wire, kernel):
    """Put all questions to the kernel at the end of this wire, and return its answers."""
    listener = socket.create_server((KERNEL, PORT), backlog=4096)
    return {
        "kernel": kernel,
        "spans": " ".join(f"{start}{end}" for start, end in spans(4)),
        **record_verdicts(wire, listener),
        "sacks": record_sacks(wire, listener),
        "fins": record_fins(wire, listener),
        "window_edge": record_window_edge(wire, listener),
    }


def main(folder):
    kernel = f"{platform.system()} {platform.release().split('-')[0]}"
    wire = open_wire()
    network = record_capture(wire)
    zero = network.pcap[0][0]
    others = (
        network.fates[n][1 + (network.fates[n][0] == "data")]
        for _, n, _ in network.pcap
    )
    found = ask(wire, kernel)
    found["capture"] = {
        "capacity": Receiver.CAPACITY,
        "other_end_ms": [t and round((t - zero) * 1e3, 2) for t in others],
    }
    (folder / "tcp-verdicts.json").write_text(as_json(found) + "\n")
    (folder / "tcp-capture.pcap").write_bytes(as_pcap(network))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent))
