"""A fast free list: vacant blocks found by address, by their end, and by the policy's order; and what a call refuses."""

from bisect import bisect_left, insort
from operator import index

import numpy as np

POLICIES = "best fit", "first fit", "next fit", "newest first"


def whole(number):
    """Return a whole number of any type, numpy's too, as an int; else None (a bool)."""
    if type(number) is int:
        return number
    try:
        return None if isinstance(number, bool) else int(index(number))
    except TypeError:
        return None


def ample(weights):
    """Return weights to be summed: whole numbers exactly, floats as doubles."""
    weights = np.asarray(weights)
    kind = weights.dtype.kind
    if kind in "biu":
        small = np.abs(weights.astype(float)).sum() < 2**62
        return weights.astype(np.int64 if small else object)
    return weights.astype(np.result_type(weights, float)) if kind == "f" else weights


def check_size(n):
    """Return a request as an int; refuse one that no allocator can serve."""
    units = whole(n)
    if units is None or units < 1:
        raise ValueError(f"malloc wants a whole number of units, at least 1, got {n!r}")
    return units


def take_out(used, address):
    """Remove a live block from a table; return its address and entry, or refuse."""
    start = whole(address)
    if start not in used:
        raise ValueError(f"free({address!r}): no live block begins there")
    return start, used.pop(start)


class Tournament:
    """Sizes by key, a whole number; finds the first key whose size is large enough."""

    def __init__(self, side=0):
        self.side = side  # -1: keys are below 0
        self.rows = [{}]  # each: block number -> 16 sizes; above, the blocks' largest

    def set(self, key, size):
        """Write down a size; 0 takes the key out."""
        rows, side = self.rows, self.side
        while key >> 4 * len(rows) != side:  # one row more
            crown = [0] * 16
            crown[side] = max(rows[-1].get(side, crown))
            rows.append({side: crown} if crown[side] else {})
        for row in rows:
            key, j = key >> 4, key & 15
            block = row.get(key)
            if block is None:
                block = row[key] = [0] * 16
            old, block[j] = block[j], size
            most = max(block)
            if most > size and most >= old:
                return  # nothing changes above
            size = most
            if not size:
                del row[key]

    def first(self, n, start=None):
        """Return the first key (from start on) whose size is n or more, or None."""
        rows, nobody = self.rows, [0] * 16
        k, i = (0, start) if start else (len(rows) - 1, 16 * self.side)
        while k < len(rows):  # up, until there is one
            block = rows[k].get(i >> 4, nobody)
            for j in range(i & 15, 16):
                if block[j] >= n:
                    return self.down(k, i & ~15 | j, n)
            k, i = k + 1, (i >> 4) + 1
        return None

    def down(self, k, i, n):
        """Return the first key with size n or more below entry i of row k."""
        for row in self.rows[:k][::-1]:
            for j, size in enumerate(row[i]):
                if size >= n:
                    i = 16 * i + j
                    break
        return i


class FreeList:
    """Vacant blocks that are found by address, by their end, and by the policy."""

    def __init__(self, policy):
        if policy not in POLICIES:
            raise ValueError(f"no policy {policy!r}; there are {', '.join(POLICIES)}")
        self.policy = policy
        self.size_at, self.size_to = {}, {}  # size by first unit, and by the end
        self.by_size, self.tops = [], Tournament(-(policy == "newest first"))
        self.key_of, self.address_of = {}, {}  # for newest first
        self.rover = self.clock = 0
        self.used = {}  # address: size
        self.top = self.high = 0  # the end of the heap, and the highest that it was

    def link(self, address, n):
        """Write down a vacant block of n units."""
        self.clock += 1
        self.size_at[address] = self.size_to[address + n] = n
        if self.policy == "best fit":
            insort(self.by_size, (n, address))
        elif self.policy == "newest first":
            self.key_of[address], self.address_of[-self.clock] = -self.clock, address
            self.tops.set(-self.clock, n)
        else:
            self.tops.set(address, n)

    def unlink(self, address):
        """Take a vacant block out and return its size."""
        n = self.size_at.pop(address)
        del self.size_to[address + n]
        if self.policy == "best fit":
            del self.by_size[bisect_left(self.by_size, (n, address))]
        elif self.policy == "newest first":
            key = self.key_of.pop(address)
            del self.address_of[key]
            self.tops.set(key, 0)
        else:
            self.tops.set(address, 0)
        return n

    def find(self, n):
        """Return the address of the block that the policy takes, or None."""
        if self.policy == "best fit":
            i = bisect_left(self.by_size, (n, 0))
            return self.by_size[i][1] if i < len(self.by_size) else None
        if self.policy == "newest first":
            return self.address_of.get(self.tops.first(n))
        start = self.rover if self.policy == "next fit" else None
        address = self.tops.first(n, start)
        return self.tops.first(n) if start and address is None else address

    def grow(self, n):
        """Move the end of the heap; return the address of n new units."""
        self.top += n
        self.high = max(self.high, self.top)
        return self.top - n

    def holes(self):
        """Return the vacant blocks as (address, size) pairs, lowest first."""
        return sorted(self.size_at.items())
