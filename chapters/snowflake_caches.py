"""For chapters/snowflake-compute.ipynb: requests by Zipf's law, LRU caches that have settled or are resized, and the exact hit rate as an integral."""

import math
from collections import OrderedDict
from operator import index

import numpy as np
from scipy import integrate


def zipf(count, alpha):
    """Return probabilities proportional to rank to the power -alpha."""
    if index(count) < 1 or not math.isfinite(alpha):
        raise ValueError(f"needs a file and a finite exponent, got {count}, {alpha}")
    with np.errstate(over="ignore", under="ignore"):
        weight = np.arange(1, count + 1) ** -float(alpha)
    if not np.isfinite(weight.sum()):
        raise ValueError(
            f"{count} ranks to the power {-alpha} are too large for floats"
        )
    return weight / weight.sum()


def sample(p, size, rng):
    """Draw file numbers with probabilities p."""
    probabilities(p)
    p = np.asarray(p, float)
    return np.minimum(np.searchsorted(p.cumsum(), rng.random(size)), len(p) - 1)


def probabilities(p):
    """Return the positive ones among probabilities; refuse what are none."""
    p = np.asarray(p, float)
    slack = 2**-20  # p may have been rounded to float32 on its way here
    if p.ndim != 1 or not (p >= 0).all() or abs(p.sum() - 1) > slack:
        raise ValueError(f"probabilities are at least 0 and sum to 1, got {p}")
    return p[p > 0] / p.sum()


class LRU:
    """A cache of files; the one unused for longest goes first."""

    def __init__(self, capacity):
        self.capacity, self.held = index(capacity), OrderedDict()

    def use(self, file):
        """Note a use of the file; return whether it was there."""
        hit = file in self.held
        self.held[file] = None
        self.held.move_to_end(file)
        if len(self.held) > self.capacity:
            self.held.popitem(last=False)
        return hit


def replay(requests, sizes, capacity, place, push=None):
    """Return (whether each request was a hit, how many files were pushed before it).

    From request i on there are sizes[i] nodes, so sizes[0] has to be there; each with a cache of `capacity` files; place(file, nodes) is the node
    that owns a file. push(old, new, place), at a resize, may fill the new caches {node: LRU}; it returns how often.
    """
    if 0 not in sizes or min(sizes.values()) < 1:
        raise ValueError(f"there is a node from request 0 on, got sizes {sizes}")
    caches, hits, pushes = {}, [], np.zeros(len(requests), int)
    for i, file in enumerate(requests):
        if i in sizes:
            old, nodes = caches, range(sizes[i])
            caches = {node: old.get(node) or LRU(capacity) for node in nodes}
            pushes[i] = push(old, caches, place) if push else 0
        hits.append(caches[place(file, nodes)].use(file))
    return np.array(hits), pushes


def settled(p, size, rng):
    """Return an LRU cache after endless requests: the files by age of last request."""
    rates, cache = probabilities(p), LRU(size)
    asked = np.flatnonzero(np.asarray(p, float))  # what nobody asks for is in no cache
    ages = rng.exponential(1 / rates)  # independent Poisson clocks, read backwards
    for file in asked[np.argsort(ages)[: cache.capacity]][::-1].tolist():
        cache.use(file)
    return cache


def simulate(p, size, rng, requests=150_000):
    """Return (hit rate, standard error) of a settled LRU cache, by simulation."""
    cache = settled(p, size, rng)
    hits = np.array([cache.use(file) for file in sample(p, requests, rng).tolist()])
    means = hits.reshape(30, -1).mean(axis=1)
    return means.mean(), means.std(ddof=1) / math.sqrt(30)


def fewer(p, size, t):
    """Return the probabilities that fewer than `size` files are asked in times t."""
    law = np.zeros((size, len(t)))
    law[:1] = 1
    for rate in p:
        asked = -np.expm1(-rate * t)
        law[1:] = law[1:] * (1 - asked) + law[:-1] * asked
        law[:1] *= 1 - asked
    return law.sum(axis=0)


def by_integral(p, size):
    """Return the exact hit rate of LRU, by the integral over waiting times."""
    p = probabilities(p)
    # t = exp(x), until the rarest file was asked for, but for a chance of exp(-40)
    end = min(max(10, math.log(40) - math.log(p.min())), 700)
    x = np.linspace(-22, end, 2 * math.ceil(25 * (end + 22)) + 1)
    t, total = np.exp(x), 0
    for i, rate in enumerate(p):
        total += rate**2 * np.exp(-rate * t) * fewer(np.delete(p, i), size, t)
    return integrate.simpson(total * t, x=x)
