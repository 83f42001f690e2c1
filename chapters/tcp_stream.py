"""The receiver that tcp-the-contract writes and explains cell by cell, for the chapters that use it.

The chapter is its source: tests/test_tcp_the_contract.py holds the two together.
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


def integer(number):
    """Return a whole number of any type, numpy's too, as an int; a bool is none."""
    if isinstance(number, bool):
        raise TypeError(f"a whole number is wanted, got {number}")
    return int(index(number))


def patience(timeout):
    """Return a timeout in seconds as a lock takes it; None waits for ever."""
    if timeout is None or timeout > threading.TIMEOUT_MAX:
        return None
    if not timeout >= 0:  # NaN is not
        raise ValueError(f"timeout must be None or at least 0, got {timeout}")
    return float(timeout)


class Reassembly:
    """The pieces of one stream, put in order; offsets in bytes. Not thread-safe."""

    def __init__(self, capacity=1 << 20, policy="first", pieces=None):
        capacity = integer(capacity)
        usual = max(64, capacity // 256)
        most = usual if pieces is None else integer(pieces)
        if capacity < 1 or most < 0 or policy not in ("first", "last", "error"):
            raise ValueError(f"cannot be: {capacity=}, {policy=}, {pieces=}")
        self._capacity, self._policy = capacity, policy
        self._most, self._many = most, 2 * max(most, usual)  # islands, pieces
        self._read = 0  # the application has all that lies below
        self._next = 0  # the first byte that is missing
        self._edge = capacity  # the first byte that is refused
        self._truncated, self._final = False, None  # the end, once that is known
        self._ready = deque()  # the bytes of [read, next)
        self._starts, self._held = [], {}  # beyond the hole: sorted; start -> bytes
        self._islands = 0  # how many ranges they form

    def _advance(self):
        """Move on over the first island if it has become next in line."""
        held, at, before = self._held, self._next, len(self._held)
        while at in held:
            piece = held.pop(at)
            self._ready.append(piece)
            at += len(piece)
        self._next = at
        if gone := before - len(held):
            del self._starts[:gone]
            self._islands -= 1


class OverlapPolicy(Reassembly):
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

    def _settle(self, starts, offset, data):
        """Bytes come that these pieces hold: the last ones win, or all must agree."""
        for s in starts:
            piece, low = self._held[s], s if s > offset else offset
            new = data[low - offset : s + len(piece) - offset]
            if not piece.startswith(new, low - s):
                if self._policy == "error":
                    raise ConflictError(f"other bytes already lie from {low} on")
                piece = self._held[s] = bytearray(piece)
                piece[low - s : low - s + len(new)] = new


class Coalescing(OverlapPolicy):
    """What keeps the pieces few."""

    def _join(self):
        """Make one piece of the queue."""
        joined = b"".join(self._ready)
        self._ready.clear()
        self._ready.append(joined)

    def _glue(self):
        """Make one piece of each island."""
        old, self._held, stop = self._held, {}, None
        for start in self._starts:
            if start != stop:
                island = self._held[start] = bytearray()
            island += old[start]
            stop = start + len(old[start])
        self._starts = list(self._held)

    def _fill(self, i, low, left, offset, data):
        """Let one piece take the place of all from starts[i] on that end inside.

        low: the first byte that no earlier piece has; left: does an earlier one
        reach up to the segment? Held bytes are painted over the new ones.
        """
        starts, held, high = self._starts, self._held, offset + len(data)
        j = bisect_left(starts, high, i)
        if self._policy != "first":
            self._settle(starts[i - left : j], offset, data)
        right = j < len(starts) and starts[j] == high
        if starts[j - 1] + len(held[starts[j - 1]]) >= high:  # this one stays
            j, high, right = j - 1, starts[j - 1], True
        if j - i == 1 and starts[i] == low and len(held[low]) == high - low:
            return  # there is such a piece already
        canvas = bytearray(data[low - offset : high - offset])
        at = low if left else starts[i]
        for s in starts[i:j]:
            piece = held.pop(s)
            canvas[s - low : s - low + len(piece)] = piece
            self._islands -= at < s  # a hole between two islands is filled
            at = s + len(piece)
        self._islands -= right and at < high
        starts[i:j], held[low] = [low], canvas


class OutOfOrderQueue(Coalescing):
    """What is done with a segment that is not next in line."""

    def _hold(self, offset, end, data):
        """Keep what is new in it; where it overlaps held pieces, do as policy says."""
        starts, held = self._starts, self._held
        low, high, left, right = offset, end, 0, 0  # left, right: neighbours?
        i = bisect_right(starts, offset)
        if i:
            stop = starts[i - 1] + len(held[starts[i - 1]])
            if stop >= offset:
                if stop >= end and self._policy == "first":  # nothing new
                    return
                low, left = stop, 1
        if i < len(starts) and starts[i] <= end:
            high, right = starts[i], 1
            if high + len(held[high]) < end:  # it covers a piece, perhaps many
                self._fill(i, low, left, offset, data)
                return
        elif not left and self._islands >= self._most:  # an island too many
            return
        if (low > offset or high < end) and self._policy != "first":
            self._settle(starts[i - (low > offset) : i + (high < end)], offset, data)
        if low < high:
            starts.insert(i, low)
            held[low] = data[low - offset : high - offset]
            self._islands += 1 - left - right
            if len(starts) > self._many:
                self._glue()


class SegmentInput(OutOfOrderQueue):
    """Where a segment goes."""

    def _sort_in(self, offset, end, data):
        """Take in a segment of any kind."""
        if not self._next <= offset < end <= self._edge:  # in part of no use
            offset, data = self._cut(offset, data)
            end = offset + len(data)
        if offset > self._next:
            if data:
                self._hold(offset, end, data)
        elif data:
            if self._starts and self._starts[0] < end:
                self._hold(offset, end, data)
            else:
                self._ready.append(data)
                self._next = end
            if self._starts:
                self._advance()
            if len(self._ready) > self._many:
                self._join()


class Monitor(SegmentInput):
    """The same state behind one lock."""

    def __init__(self, *args, sync=threading, **options):
        super().__init__(*args, **options)
        self._lock = sync.Lock()
        self._changed = sync.Condition(self._lock)
        self._sleeping = 0

    @property
    def window(self):
        """How many bytes beyond the first missing one have room now, were there no end."""
        with self._lock:
            return self._read + self._capacity - self._next

    def ranges(self):
        """Return what is held as [[start, end], ...], touching pieces as one."""
        out = []
        with self._lock:
            for start in self._starts:
                if not out or out[-1][1] < start:
                    out.append([start, start])
                out[-1][1] = start + len(self._held[start])
        return out


class FinalSize(Monitor):
    """And its end."""

    def finish(self, final=None):
        """FIN: the end is at `final`. Without it: closed, nothing more will come.

        Return whether every byte is there. A reader of a closed stream with a hole
        gets what lies before the hole, then TruncatedError.
        """
        final = None if final is None else integer(final)
        with self._lock:
            end = last = self._next
            if self._starts:
                last = self._starts[-1] + len(self._held[self._starts[-1]])
            if final is None:
                if self._starts or self._final not in (None, end):
                    self._truncated = True
                    self._starts, self._held, self._islands = [], {}, 0
            elif final < last or self._final not in (None, final):
                raise ContractError(f"end at {final}? data to {last}, {self._final}")
            else:
                end = final
            self._final, self._edge = end, min(self._edge, end)
            self._changed.notify_all()
            return self._next == end and not self._truncated


class Receiver(FinalSize):
    """The network's side."""

    def receive(self, offset, data):
        """Take in one segment; return how many bytes are ready to be read."""
        if type(data) is not bytes:
            data = own_copy(data)
        if type(offset) is not int:
            offset = integer(offset)
        end = offset + len(data)
        self._lock.acquire()
        try:
            at, ready = self._next, self._ready
            if at == offset < end <= self._edge and not ready and not self._starts:
                ready.append(data)  # the usual case: in order, and nothing waits
                self._next = end
            else:
                self._sort_in(offset, end, data)
            if self._sleeping and self._next > at:
                self._changed.notify_all()
            return self._next - self._read
        finally:
            self._lock.release()


class BlockingReader(Receiver):
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


class TCP(BlockingReader):
    """The post's class: bytes arrive in any order and are read in order."""

    def read(self, count, timeout=None):
        """Return 1 to `count` bytes, waiting for the first; b"" is the end."""
        if type(count) is not int:
            count = integer(count)
        if count < 0:
            raise ValueError(f"count must not be negative, got {count}")
        if timeout is not None:
            timeout = patience(timeout)
        self._lock.acquire()
        try:
            if self._read == self._next and not (count and self._wait(timeout)):
                return b""
            at, ready = self._next, self._ready
            if count < at - self._read:
                at = self._read + count
                data = self._part(count)
            else:
                data = ready.popleft()
                if ready:
                    ready.appendleft(data)
                    data = b"".join(ready)
                    ready.clear()
                elif type(data) is not bytes:  # glued, or what _part left of it
                    data = bytes(data)
            self._read = at
            self._edge = at + self._capacity
            if self._final is not None:
                self._edge = min(self._edge, self._final)
            return data
        finally:
            self._lock.release()
