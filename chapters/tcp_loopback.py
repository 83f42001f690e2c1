"""For chapters/tcp-ask-the-kernel.ipynb: one QUIC transfer over loopback, through a proxy that loses and delays.

aioquic's connections do no input or output themselves, so one thread carries the datagrams of both ends and of
the proxy between three UDP sockets on 127.0.0.1. No port stays open and no thread is left behind.
"""

import datetime
import heapq
import random
import select
import socket
import time

from aioquic.buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import HandshakeCompleted, StreamDataReceived
from aioquic.quic.packet import pull_quic_header
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certificate(name="localhost"):
    """Return a certificate for `name`, valid for a day, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    builder = x509.CertificateBuilder(
        who, who, key.public_key(), 1, now - day, now + day
    )
    return builder.add_extension(names, critical=False).sign(key, hashes.SHA256()), key


class Transfer:
    """A client sends `data` on one stream; .received is what the server's application got, in order."""

    def __init__(self, data, lose=0.02, delay=0.2, seed=1):
        self.data, self.lose, self.delay, self.rng = (
            data,
            lose,
            delay,
            random.Random(seed),
        )
        self.received, self.ended, self.due = bytearray(), False, []
        self.carried = self.lost = 0
        cert, key = certificate()
        self.for_server = QuicConfiguration(
            is_client=False,
            alpn_protocols=["ridge"],
            certificate=cert,
            private_key=key,
            idle_timeout=900.0,  # on a busy machine nothing is idle
        )
        for_client = QuicConfiguration(
            alpn_protocols=["ridge"], server_name="localhost", idle_timeout=900.0
        )
        for_client.load_verify_locations(
            cadata=cert.public_bytes(serialization.Encoding.PEM)
        )
        self.client, self.server = QuicConnection(configuration=for_client), None

    def run(self, limit=900.0):
        """Carry datagrams until the stream has ended; TimeoutError after `limit` seconds."""
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        try:
            for each in sockets:
                each.bind(("127.0.0.1", 0))
                each.setblocking(False)
            self.at_client, self.proxy, self.at_server = sockets
            self.address = {each: each.getsockname() for each in sockets}
            self.client.connect(self.address[self.proxy], now=time.monotonic())
            deadline = time.monotonic() + limit
            while not self.ended:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not finished after {limit} s")
                self._talk(self.client, self.at_client)
                if self.server is not None:
                    self._talk(self.server, self.at_server)
                self._carry()
        finally:
            for each in sockets:
                each.close()
        return self

    def _talk(self, end, its_socket):
        """Let one end handle its timer and events and send what it has."""
        now, timer = time.monotonic(), end.get_timer()
        if timer is not None and timer <= now:
            end.handle_timer(now)
        while (event := end.next_event()) is not None:
            if isinstance(event, HandshakeCompleted) and end is self.client:
                stream = end.get_next_available_stream_id()
                end.send_stream_data(stream, self.data, end_stream=True)
            elif isinstance(event, StreamDataReceived):
                self.received += event.data
                self.ended |= event.end_stream
        for datagram, _ in end.datagrams_to_send(now):
            its_socket.sendto(datagram, self.address[self.proxy])

    def _carry(self):
        """Move datagrams between the sockets; the proxy loses some and holds some back."""
        while self.due and self.due[0][0] <= time.monotonic():
            _, _, datagram, to = heapq.heappop(self.due)
            self.proxy.sendto(datagram, to)
        ready, _, _ = select.select(list(self.address), [], [], 0.001)
        for each in ready:
            while True:
                try:
                    datagram, source = each.recvfrom(65536)
                except BlockingIOError:
                    break
                if each is self.proxy:
                    self._through(datagram, source)
                else:
                    self._arrived(each, datagram)

    def _through(self, datagram, source):
        self.carried += 1
        if self.rng.random() < self.lose:
            self.lost += 1
            return
        late = self.rng.uniform(0.002, 0.01) if self.rng.random() < self.delay else 0.0
        from_client = source == self.address[self.at_client]
        to = self.address[self.at_server if from_client else self.at_client]
        heapq.heappush(self.due, (time.monotonic() + late, self.carried, datagram, to))

    def _arrived(self, at, datagram):
        if at is self.at_server and self.server is None:
            head = pull_quic_header(Buffer(data=datagram), host_cid_length=8)
            self.server = QuicConnection(
                configuration=self.for_server,
                original_destination_connection_id=head.destination_cid,
            )
        end = self.client if at is self.at_client else self.server
        end.receive_datagram(datagram, self.address[self.proxy], time.monotonic())
