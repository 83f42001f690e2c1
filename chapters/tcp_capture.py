"""Plumbing of the TCP chapters: the recorded connection, packet by packet (format and scenes: data/README.md)."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

PEER_PORT = 8080
FLAGS = {1: "FIN", 2: "SYN", 4: "RST", 8: "PSH", 16: "ACK"}


@dataclass(frozen=True)
class Record:
    """One packet of the recording. Times in ms since the first; offsets count the stream's bytes from 0."""

    number: int
    outward: bool  # from the kernel (the sender) to the peer (the receiver)
    sent: float
    arrived: float | None  # None: lost on the way
    seq: int
    ack: int
    flags: frozenset
    window: int
    offset: int  # of the first byte, or of the acknowledgement
    data: bytes
    sack: tuple  # ((start, end), ...) as offsets, in the order of the header


def _sack_blocks(options):
    """Yield the SACK blocks of a header's options as pairs of sequence numbers."""
    while options and options[0] != 0:
        if options[0] == 1:  # padding
            options = options[1:]
            continue
        if options[0] == 5:
            yield from struct.iter_unpack("!II", options[2 : options[1]])
        options = options[options[1] :]


def read_capture(folder="../data"):
    """Return the recorded connection as a list of Record."""
    raw = Path(folder, "tcp-capture.pcap").read_bytes()
    about = json.loads(Path(folder, "tcp-verdicts.json").read_text())["capture"]
    records, at, base = [], 24, None
    for number, other in enumerate(about["other_end_ms"]):
        seconds, micros, size, _ = struct.unpack_from("!IIII", raw, at)
        packet = raw[at + 16 : at + 16 + size]
        at += 16 + size
        tcp = packet[4 * (packet[0] & 15) :]
        source, _, seq, ack, where, flags, window = struct.unpack_from("!HHIIBBH", tcp)
        header = 4 * (where >> 4)
        outward, here = source != PEER_PORT, seconds * 1e3 + micros / 1e3
        base = seq + 1 if base is None else base
        sack = [
            tuple((x - base) % 2**32 for x in b) for b in _sack_blocks(tcp[20:header])
        ]
        records.append(
            Record(
                number,
                outward,
                here if outward else other,
                other if outward else here,
                seq,
                ack,
                frozenset(name for bit, name in FLAGS.items() if flags & bit),
                window,
                ((seq if outward else ack) - base + 1) % 2**32 - 1,
                tcp[header:],
                tuple(sack),
            )
        )
    return records
