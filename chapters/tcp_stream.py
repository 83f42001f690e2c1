"""The receiver that tcp-the-stream writes and explains cell by cell, for the chapters that use it.

The chapter is its source: tests/test_tcp_the_stream.py holds the two together.
"""

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from operator import index


class ContractError(ValueError):
    """A segment or a FIN that contradicts what is already fixed."""


class ConflictError(ContractError):
    """Two different bytes for one place (policy "error")."""


class TruncatedError(EOFError):
    """The connection was closed before the stream was whole."""


def own_copy(data):
    """Return the bytes of a bytes-like object, ours to keep."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data must be bytes-like, got {type(data).__name__}")
    return bytes(data)


class Sorter:
    """The pieces of one stream, put in order; offsets in bytes. Not thread-safe."""

    def __init__(self, capacity=1 << 20, policy="first", pieces=None):
        pieces = max(64, capacity // 256) if pieces is None else pieces
        if capacity < 1 or pieces < 0 or policy not in ("first", "last", "error"):
            raise ValueError(f"cannot be: {capacity=}, {policy=}, {pieces=}")
        self._capacity, self._policy, self._most = capacity, policy, pieces
        self._read = 0  # the application has all that lies below
        self._next = 0  # the first byte that is missing
        self._edge = capacity  # the first byte that is refused
        self._truncated = False
        self._final = None  # where the stream ends, once that is known
        self._ready = deque()  # the bytes of [read, next)
        self._starts, self._held = [], {}  # beyond the hole: sorted; start -> bytes

    def _advance(self):
        """Move on over held pieces that have become next in line."""
        held, at, before = self._held, self._next, len(self._held)
        while at in held:
            piece = held.pop(at)
            self._ready.append(piece)
            at += len(piece)
        self._next = at
        del self._starts[: before - len(held)]

    def ranges(self):
        """Return what is held as [[start, end], ...], touching pieces as one."""
        out = []
        for start in self._starts:
            if not out or out[-1][1] < start:
                out.append([start, start])
            out[-1][1] = start + len(self._held[start])
        return out


class Settler(Sorter):
    """What of a segment is used."""

    def _cut(self, offset, data):
        """Return the part of a segment that is new and inside the window."""
        end = offset + len(data)
        if offset < 0:
            raise ValueError(f"offset must not be negative, got {offset}")
        if end <= self._next:  # all of it is old
            return self._next, b""
        if data and self._final is not None and end > self._final:
            raise ContractError(f"data up to {end}, but the end is {self._final}")
        start = max(offset, self._next)
        return start, data[start - offset : max(min(end, self._edge) - offset, 0)]

    def _settle(self, old, offset, end, data):
        """Return {start: bytes} for a segment and the pieces that it overlaps."""
        if self._policy == "last":
            new = {offset: data}
            for s, piece in old.items():
                if s < offset:
                    new[s] = piece[: offset - s]
                if s + len(piece) > end:
                    new[end] = piece[end - s :]
            return new
        new, at = dict(old), offset  # at: the first byte not yet settled
        for s, piece in old.items():
            low, high = max(s, offset), min(s + len(piece), end)
            same = piece[low - s : high - s] == data[low - offset : high - offset]
            if self._policy == "error" and not same:
                raise ConflictError(f"other bytes already lie in {low}..{high}")
            if at < s:
                new[at] = data[at - offset : s - offset]
            at = s + len(piece)
        return new | {at: data[at - offset :]} if at < end else new


class Holder(Settler):
    """What is done with a segment that is not next in line."""

    def _hold(self, offset, end, data):
        """Keep it for later; where it overlaps held pieces, do as the policy says."""
        starts, held = self._starts, self._held
        i = bisect_right(starts, offset)
        stop = starts[i - 1] + len(held[starts[i - 1]]) if i else 0
        if stop > offset:
            if stop >= end and self._policy == "first":  # nothing new
                return
            i -= 1
        elif i == len(starts) or end <= starts[i]:  # it overlaps nothing
            if len(starts) < self._most:
                starts.insert(i, offset)
                held[offset] = data
            return
        old = {s: held[s] for s in starts[i : bisect_left(starts, end, i)]}
        new = self._settle(old, offset, end, data)
        more = len(new) - len(old)
        if offset == self._next or len(starts) + more <= self._most:
            for start in old:
                del held[start]
            held.update(new)
            starts[i : i + len(old)] = sorted(new)


class Locked(Holder):
    """The same state behind one lock; and its end."""

    def __init__(self, *args, sync=threading, **options):
        super().__init__(*args, **options)
        self._lock = sync.Lock()
        self._take, self._drop = self._lock.acquire, self._lock.release
        self._changed = sync.Condition(self._lock)
        self._sleeping = 0

    @property
    def window(self):
        """How many bytes beyond the first missing one would be accepted now."""
        with self._lock:
            return self._read + self._capacity - self._next

    def finish(self, final=None):
        """FIN: the end is at `final`. Without it: closed, nothing more will come.

        Return whether every byte is there. A reader of a closed stream with a hole
        gets what lies before the hole, then TruncatedError.
        """
        with self._lock:
            last = self._next
            if self._starts:
                last = self._starts[-1] + len(self._held[self._starts[-1]])
            end = self._next if final is None else index(final)
            if final is not None and (end < last or self._final not in (None, end)):
                raise ContractError(f"end at {end}? data to {last}, end {self._final}")
            if final is None and (self._starts or self._final not in (None, end)):
                self._truncated = True
                self._starts.clear()
                self._held.clear()
            self._final, self._edge = end, min(self._edge, end)
            self._changed.notify_all()
            return self._next == end and not self._truncated


class Receiver(Locked):
    """The network's side."""

    def receive(self, offset, data):
        """Take in one segment; return how many bytes are ready to be read."""
        if type(data) is not bytes:
            data = own_copy(data)
        if type(offset) is not int:
            offset = index(offset)
        end = offset + len(data)
        self._take()
        try:
            if not self._next <= offset < end <= self._edge:  # in part of no use
                offset, data = self._cut(offset, data)
                end = offset + len(data)
                if not data:
                    return self._next - self._read
            if offset > self._next:
                self._hold(offset, end, data)
            else:
                if self._starts and self._starts[0] < end:
                    self._hold(offset, end, data)
                else:
                    self._ready.append(data)
                    self._next = end
                if self._starts:
                    self._advance()
                if self._sleeping:
                    self._changed.notify_all()
            return self._next - self._read
        finally:
            self._drop()


class Waiter(Receiver):
    """How a reader sleeps, and how it takes less than there is."""

    def _news(self):
        """Is there something to say: bytes, or the end?"""
        return self._read < self._next or self._next == self._final

    def _wait(self, timeout):
        """Sleep until there are bytes (True) or the end (False)."""
        self._sleeping += 1
        try:
            if not self._changed.wait_for(self._news, timeout):
                raise TimeoutError(f"no byte within {timeout} s")
        finally:
            self._sleeping -= 1
        if self._read == self._next and self._truncated:
            raise TruncatedError(f"closed with a hole at {self._next}")
        return self._read < self._next

    def _part(self, count):
        """Take fewer bytes than are ready; the rest of a piece is not copied."""
        out = []
        while count:
            piece = self._ready.popleft()
            if len(piece) > count:
                self._ready.appendleft(memoryview(piece)[count:])
            out.append(piece[:count])
            count -= len(out[-1])
        return b"".join(out)


class TCP(Waiter):
    """The post's class: bytes arrive in any order and are read in order."""

    def read(self, count, timeout=None):
        """Return 1 to `count` bytes, waiting for the first; b"" is the end."""
        if type(count) is not int:
            count = index(count)
        if count < 0:
            raise ValueError(f"count must not be negative, got {count}")
        self._take()
        try:
            if self._read == self._next and not (count and self._wait(timeout)):
                return b""
            at = self._read + count
            if at < self._next:
                data = self._part(count)
            else:
                at, ready = self._next, self._ready
                if len(ready) == 1:
                    data = ready.popleft()
                    if type(data) is not bytes:  # what _part left of a piece
                        data = bytes(data)
                else:
                    data = b"".join(ready)
                    ready.clear()
            self._read = at
            self._edge = edge = at + self._capacity
            if self._final is not None and self._final < edge:
                self._edge = self._final
            return data
        finally:
            self._drop()
