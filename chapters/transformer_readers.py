"""The readers that stand trial, their training and examination, and the exact price of a histogram: for two chapters."""

import itertools
import math
from fractions import Fraction
from functools import partial
from operator import index

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

N_KEYS = 16
N_VALUES = 8
WIDTH = 32
BLANK = N_VALUES  # the value of a question
STEPS = 300
BATCH = 128  # questions a step
RATE = 0.01
SEED = 597
UNSEEN = SEED + 1  # the examination's seed
LOOK = {
    "attention": ("C0", "-"),
    "LSTM": ("C1", "-"),
    "GRU": ("C1", "--"),
    "RNN": ("C1", ":"),
    "convolution": ("C2", "-."),
}
RECALL = list(LOOK)


class Attention(nn.Module):
    """softmax(QK'/√d) V without mask or positions: (..., T, d) to the same."""

    def __init__(self, d):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(d, d, bias=False) for _ in range(3))

    def weights(self, x):
        scores = self.q(x) @ self.k(x).transpose(-1, -2)
        return (scores / math.sqrt(x.shape[-1])).softmax(-1)

    def forward(self, x):
        return self.weights(x) @ self.v(x)


class Recurrent(nn.Module):
    """torch's own nn.RNN, nn.GRU or nn.LSTM; returns the states (..., T, d)."""

    def __init__(self, cell, d):
        super().__init__()
        self.cell = cell(d, d, batch_first=True)

    def forward(self, x):
        return self.cell(x)[0]


class Convolution(nn.Module):
    """Causal layers with kernel k, one for each dilation: (count, T, d)."""

    def __init__(self, d, dilations, k=3):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(d, d, k, dilation=a) for a in dilations)

    def forward(self, x):
        x = x.transpose(-1, -2)
        for layer in self.layers:
            past = (layer.kernel_size[0] - 1) * layer.dilation[0]
            x = F.relu(layer(F.pad(x, (past, 0))))  # zeros before the first token
        return x.transpose(-1, -2)


class Reader(nn.Module):
    """Embed (key, value) tokens, mix, answer from the last: (count, 8)."""

    def __init__(self, mixer, d=WIDTH):
        super().__init__()
        self.key, self.value = nn.Embedding(N_KEYS, d), nn.Embedding(N_VALUES + 1, d)
        for embedding in (self.key, self.value):
            nn.init.normal_(embedding.weight, std=1 / 2)
        self.mixer, self.head = mixer, nn.Linear(d, N_VALUES)

    def embed(self, keys, values):
        return self.key(keys) + self.value(values)

    def forward(self, keys, values):
        return self.head(self.mixer(self.embed(keys, values))[:, -1])


MIXERS = {
    "attention": Attention,
    "LSTM": partial(Recurrent, nn.LSTM),
    "GRU": partial(Recurrent, nn.GRU),
    "RNN": partial(Recurrent, nn.RNN),
    "convolution": partial(Convolution, dilations=(1, 3, 9)),  # sees 27 tokens
    "short convolution": partial(Convolution, dilations=(1, 1, 1, 1)),  # sees 9
}


def build(name, d=WIDTH, seed=None):
    """Return a fresh reader; its weights depend on the seed (default SEED) alone."""
    torch.manual_seed(SEED if seed is None else seed)
    return Reader(MIXERS[name](d), d)


def losses(model, task, seed=None):
    """Train in place on task(count, generator), a step for each loss (nats) asked for."""
    generator = torch.Generator().manual_seed(SEED if seed is None else seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    while True:
        *question, answers = task(BATCH, generator)
        loss = F.cross_entropy(model(*question), answers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield loss.item()


def train(model, task, steps=STEPS, seed=None):
    """Train in place; return each step's loss in nats."""
    return list(itertools.islice(losses(model, task, seed), steps))


@torch.no_grad()
def examine(model, task, count=4000):
    """Return (accuracy, mean loss in nats) on questions that training did not see."""
    *question, answers = task(count, torch.Generator().manual_seed(UNSEEN))
    logits = model(*question)
    hits = (logits.argmax(1) == answers).double().mean()
    return hits.item(), F.cross_entropy(logits, answers).item()


def sizes(*numbers):
    """Return the numbers as Python's own, which do not wrap; ValueError unless all are at least 1."""
    numbers = [index(n) for n in numbers]
    if min(numbers) < 1:
        raise ValueError(f"sizes are at least 1, got {numbers}")
    return numbers


def expected_max(n, kinds):
    """Return E[max count] / n exactly, for n values drawn evenly from `kinds`."""
    n, kinds = sizes(n, kinds)
    mean = Fraction(0)
    for m in range(n):  # E[max] = Σ P(max > m), m from 0
        series = [Fraction(1)] + [Fraction(0)] * n
        for _ in range(kinds):
            series = [
                sum(series[i - j] / math.factorial(j) for j in range(min(i, m) + 1))
                for i in range(n + 1)
            ]
        mean += 1 - series[n] * math.factorial(n) / Fraction(kinds) ** n
    return mean / n


def histogram_entropy(n, kinds):
    """Return E[H(counts / n)] in nats, for n values drawn evenly from `kinds`."""
    n, kinds = sizes(n, kinds)
    total = 0.0
    for c in range(1, n):  # c = 0 and c = n have no entropy
        chance = math.comb(n, c) * (kinds - 1) ** (n - c) / kinds**n
        total -= kinds * chance * c / n * math.log(c / n)
    return total


def plot_smooth(ax, curve, colour, style, window=15, **options):
    """Draw the running mean of a curve against the last step of its window."""
    smooth = np.convolve(curve, np.ones(window) / window, "valid")
    steps = np.arange(window, len(curve) + 1)
    ax.plot(steps, smooth, color=colour, ls=style, **options)
    return smooth
