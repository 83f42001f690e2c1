"""For chapters/snowflake-compute.ipynb: nodes that take files from queues, real ones in threads, or a model of them by the clock.

`take(queues, node)` says which file comes next: it removes one from a queue and returns (file, whether it was the
node's own), or None where the node has nothing left to do. The chapter defines two such rules.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush


def at_once(nodes, queues, take):
    """Let all nodes scan at the same time, file after file; return {what: sum}."""
    lock, merged = threading.Lock(), Counter()
    if taken := {*nodes} & {"rows", "cents", "fetched", "bytes", "stolen"}:
        raise ValueError(
            f"no node may be called {taken}: its files are counted by name"
        )

    def turn(name):
        with lock:  # no two nodes take the same file
            return take(queues, name)

    def work(name):
        total = Counter()
        for file, own in iter(lambda: turn(name), None):
            total.update(nodes[name].scan(file, keep=own))
            total.update({name: 1, "stolen": int(not own)})
        return total

    with ThreadPoolExecutor(len(nodes)) as pool:
        for part in pool.map(work, nodes):
            merged.update(part)  # the + of Counters would drop sums below 1
    return merged


def schedule(queues, speeds, take, penalty=0.0):
    """Return [(node, start, end)] for queues of sizes; a stolen file is `penalty` more work."""
    if len(queues) != len(speeds) or not all(s > 0 for s in speeds):
        raise ValueError(f"each queue has a speed above 0, got {speeds}")
    queues = {node: [*queue] for node, queue in enumerate(queues)}
    if not all(size >= 0 for size in (penalty, *sum(queues.values(), []))):
        raise ValueError("no size and no penalty is below 0 or nan")
    idle, done = [(0.0, node) for node in queues], []
    while idle:
        now, node = heappop(idle)
        if turn := take(queues, node):
            size, own = turn
            end = now + (size + (0 if own else penalty)) / speeds[node]
            done.append((node, now, end))
            heappush(idle, (end, node))
    return done


def makespan(*arguments, **options):
    """Return when the last file ends."""
    return max((end for _, _, end in schedule(*arguments, **options)), default=0.0)
