"""The programs of memory-the-real-thing that the tree of memory-that-climbs is tried on.

The former is their source: tests/test_memory_that_climbs.py holds the two together.
"""


def pin(heap, trim=True, rounds=0, calls=0, size=0):
    import time

    for _ in range(800):
        for _ in range(32):
            heap.malloc(2048)
        heap.malloc(64)  # the result that stays
    heap.note("peak")
    start = time.monotonic()
    for number in heap.objects(2048):
        heap.free(number)
    heap.note("end")
    heap.note("freeing", time.monotonic() - start)
    moments = []
    for _ in range(rounds):
        for _ in range(calls):
            heap.c.free(heap.c.malloc(size))
        heap.sample()
        moments.append(time.monotonic() - start)
        time.sleep(0.1)
    heap.note("moments", moments)
    if trim:
        heap.c.malloc_trim(0)  # jemalloc takes no notice
    heap.note("trimmed")
    heap.note("pages", heap.pages())


def sieve(heap, pairs=100_000):
    for _ in range(pairs):
        heap.malloc(208)
        heap.malloc(48)
    heap.note("peak")
    for number in heap.objects(208):
        heap.free(number)
    heap.note("end")
    heap.c.malloc_trim(0)
    heap.note("trimmed")
    heap.note("pages", heap.pages())


def drain(heap, blocks=60_000, newest_first=True):
    for _ in range(blocks):
        heap.malloc(512)
    heap.note("peak")
    order = range(blocks)
    for number in reversed(order) if newest_first else order:
        heap.free(number)
    heap.note("end")
    heap.c.malloc_trim(0)
    heap.note("trimmed")


def after_buffer(heap, buffer, blocks=60_000):
    if buffer:
        heap.free(heap.malloc(buffer))
    for _ in range(blocks):
        heap.malloc(512)
    heap.note("peak")
    for number in heap.objects(512):
        heap.free(number)
    heap.note("end")
    heap.c.malloc_trim(0)
    heap.note("trimmed")


def switch(heap, objects=150_000, survive=0.1, seed=1):
    import random

    rng = random.Random(seed)
    for _ in range(objects):
        heap.malloc(88)
    heap.note("peak")
    freed = 0
    for number in range(objects):
        if rng.random() >= survive:
            heap.free(number)
            freed += 1
    for _ in range(freed // 2):  # the same number of bytes again
        heap.malloc(184)
    heap.note("end")
    heap.c.malloc_trim(0)
    heap.note("trimmed")


def survivors(heap, objects=120_000, survive=0.1, seed=1):
    import random

    rng = random.Random(seed)
    for _ in range(objects):
        heap.malloc(256)
    heap.note("peak")
    for number in range(objects):
        if rng.random() >= survive:
            heap.free(number)
    heap.note("end")
    heap.c.malloc_trim(0)
    heap.note("trimmed")
