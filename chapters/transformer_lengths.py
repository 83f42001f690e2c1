"""Five ways to give attention positions, in one layer that the trial's readers can hold: for the chapter on positions."""

import math

import torch
from torch import nn
from transformer_readers import N_VALUES, SEED, WIDTH, Reader

HEADS = 4
LONGEST = 512  # rows of the learned table
SCHEMES = ("nothing", "learned table", "sinusoid", "RoPE", "ALiBi")


def hands(positions, d):
    """Return sines and cosines (T, d / 2) of positions · 10000^(-2i/d)."""
    omega = 10_000.0 ** (-torch.arange(0, d, 2) / d)
    angle = positions[:, None] * omega
    return angle.sin(), angle.cos()


def sinusoid(positions, d):
    """Return the sinusoidal encoding (T, d)."""
    return torch.stack(hands(positions, d), dim=-1).flatten(-2)


def rotate(x, positions):
    """Return x (..., T, d) turned by RoPE, pair by pair."""
    s, c = hands(positions, x.shape[-1])
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * c - odd * s, even * s + odd * c], dim=-1).flatten(-2)


class Placed(nn.Module):
    """One layer of attention with positions: (count, T, d) to the answer (count, 1, d) of the last token."""

    def __init__(self, scheme, d):
        super().__init__()
        if scheme not in SCHEMES:
            raise ValueError(f"one of {SCHEMES}, got {scheme!r}")
        self.scheme = scheme
        self.q, self.k, self.v = (nn.Linear(d, d, bias=False) for _ in range(3))
        self.slopes = 2.0 ** (-8 * torch.arange(1, HEADS + 1) / HEADS)
        if scheme == "learned table":
            self.table = nn.Embedding(LONGEST, d)
            nn.init.normal_(self.table.weight, std=1 / 2)  # as the other embeddings

    def forward(self, x):
        count, T, d = x.shape
        at, heads = torch.arange(T), (HEADS, d // HEADS)
        if self.scheme == "learned table":
            x = x + self.table(at)
        if self.scheme == "sinusoid":
            x = x + sinusoid(at, d)
        Q = self.q(x[:, -1:]).unflatten(-1, heads).transpose(1, 2)
        K, V = (m(x).unflatten(-1, heads).transpose(1, 2) for m in (self.k, self.v))
        if self.scheme == "RoPE":
            Q, K = rotate(Q, at[-1:]), rotate(K, at)
        scores = Q @ K.mT / math.sqrt(d // HEADS)
        if self.scheme == "ALiBi":
            scores = scores - self.slopes[:, None, None] * (T - 1 - at)
        return (scores.softmax(-1) @ V).transpose(1, 2).flatten(2)


def placed_reader(scheme, seed=SEED):
    """Return a fresh reader; its weights depend on the scheme and the seed alone."""
    torch.manual_seed(seed)
    return Reader(Placed(scheme, WIDTH), WIDTH)


def best_of_a_bag(n, keys, draws, generator):
    """Return how often, over random texts, the most frequent value of the asked key is its latest, at best.

    That is the accuracy of a reader that knows which entries there are, and not their order: the mean of
    max count / number of entries of the asked key.
    """
    asked = torch.randint(keys, (draws, n), generator=generator)
    asked = (
        asked == asked[:, :1]
    )  # entries that share the key of one entry, drawn evenly
    values = torch.randint(N_VALUES, (draws, n), generator=generator)
    counts = [((values == v) & asked).sum(1) for v in range(N_VALUES)]
    return (torch.stack(counts).amax(0) / asked.sum(-1)).double()
