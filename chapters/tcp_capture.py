"""Plumbing of the TCP chapters: the recorded connection, packet by packet (format and scenes: data/README.md)."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from scapy.layers.inet import TCP
from scapy.utils import rdpcap

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # no notes on the page
PEER_PORT = 8080
FLAGS = {"F": "FIN", "S": "SYN", "R": "RST", "P": "PSH", "A": "ACK"}


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


def read_capture(folder="../data"):
    """Return the recorded connection as a list of Record."""
    about = json.loads(Path(folder, "tcp-verdicts.json").read_text())["capture"]
    packets = rdpcap(str(Path(folder, "tcp-capture.pcap")))
    base = packets[0][TCP].seq + 1  # the number of the stream's byte 0
    records = []
    for number, (packet, other) in enumerate(
        zip(packets, about["other_end_ms"], strict=True)
    ):
        tcp, here = packet[TCP], float(packet.time) * 1e3
        outward = tcp.sport != PEER_PORT
        edges = [(x - base) % 2**32 for x in dict(tcp.options).get("SAck", ())]
        records.append(
            Record(
                number,
                outward,
                sent=here if outward else other,
                arrived=other if outward else here,
                seq=tcp.seq,
                ack=tcp.ack,
                flags=frozenset(FLAGS[letter] for letter in str(tcp.flags)),
                window=tcp.window,
                offset=((tcp.seq if outward else tcp.ack) - base + 1) % 2**32 - 1,
                data=bytes(tcp.payload),
                sack=tuple(zip(edges[::2], edges[1::2], strict=True)),
            )
        )
    return records
