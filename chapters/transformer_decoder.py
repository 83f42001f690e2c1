"""A small decoder-only Transformer in PyTorch, its sizes and its weights as arrays: for the chapters that train one and that serve one."""

from dataclasses import dataclass, fields
from operator import index

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def check_shape(s):
    """ValueError unless the sizes can be cut into heads of one even width."""
    if min(s.vocab, s.d, s.n_heads, s.n_kv, s.n_layers) < 1:
        raise ValueError(f"every size is at least 1, got {s}")
    if s.d % s.n_heads or s.n_heads % s.n_kv:
        raise ValueError(
            f"width {s.d}, {s.n_heads} heads and {s.n_kv} sets of keys do not divide"
        )
    half_of(s.d_head)


def half_of(width):
    """Return width / 2; ValueError if coordinates cannot be paired."""
    if width % 2:
        raise ValueError(f"rotation turns pairs: a head of width {width} has none")
    return width // 2


def check_tokens(tokens, vocab):
    """Return the tokens as an array; ValueError unless they are ids of the vocabulary."""
    tokens = np.asarray(tokens)
    if tokens.ndim != 1 or len(tokens) == 0:
        raise ValueError("nothing to read: no tokens in a row")
    if tokens.dtype.kind not in "iu":
        raise ValueError(f"tokens are whole numbers, got {tokens.dtype}")
    if tokens.min() < 0 or tokens.max() >= vocab:
        raise ValueError(f"tokens lie from 0 to {vocab - 1}: a padding id is none")
    return tokens


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder; n_kv divides n_heads, each head's width is even."""

    vocab: int
    d: int = 64
    n_heads: int = 4
    n_kv: int = 2
    n_layers: int = 2

    def __post_init__(self):
        for size in fields(self):  # as Python's integers, which do not wrap
            object.__setattr__(self, size.name, index(getattr(self, size.name)))
        check_shape(self)

    @property
    def d_head(self):
        return self.d // self.n_heads


def turn(x):
    """Rotate x (..., T, d_head) by position: half-split pairs as complex numbers."""
    T, half = x.shape[-2], half_of(x.shape[-1])
    speed = 10_000.0 ** (-torch.arange(half, dtype=x.dtype) / half)
    angle = torch.arange(T, dtype=x.dtype)[:, None] * speed
    z = torch.complex(x[..., :half], x[..., half:])
    z = z * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([z.real, z.imag], dim=-1)


class Block(nn.Module):
    """x (B, T, d) → (B, T, d): causal attention, then a network on each place."""

    def __init__(self, s):
        super().__init__()
        self.s, kv = s, s.n_kv * s.d_head
        self.W_Q, self.W_O = (nn.Linear(s.d, s.d, bias=False) for _ in range(2))
        self.W_K, self.W_V = (nn.Linear(s.d, kv, bias=False) for _ in range(2))
        self.W_1 = nn.Linear(s.d, 4 * s.d, bias=False)
        self.W_2 = nn.Linear(4 * s.d, s.d, bias=False)
        self.norm_1, self.norm_2 = (nn.RMSNorm(s.d, eps=1e-6) for _ in range(2))
        nn.init.zeros_(self.W_O.weight)
        nn.init.zeros_(self.W_2.weight)

    def heads(self, x):
        """Return turned queries, turned keys, and values: each (B, heads, T, d_head)."""
        y = self.norm_1(x)
        Q, K, V = (
            W(y).unflatten(-1, (-1, self.s.d_head)).transpose(1, 2)
            for W in (self.W_Q, self.W_K, self.W_V)
        )
        return turn(Q), turn(K), V

    def after(self, x, A):
        """Return what leaves the block, given its heads' answers A."""
        x = x + self.W_O(A.transpose(1, 2).flatten(2))
        return x + self.W_2(F.relu(self.W_1(self.norm_2(x))))

    def forward(self, x):
        Q, K, V = self.heads(x)
        A = F.scaled_dot_product_attention(Q, K, V, is_causal=True, enable_gqa=True)
        return self.after(x, A)


class Decoder(nn.Module):
    """Tokens (B, T) → logits (B, T, vocab); one matrix E both reads and writes."""

    def __init__(self, s):
        super().__init__()
        self.E = nn.Parameter(0.01 * torch.randn(s.vocab, s.d))
        self.blocks = nn.ModuleList(Block(s) for _ in range(s.n_layers))
        self.norm = nn.RMSNorm(s.d, eps=1e-6)

    def forward(self, tokens):
        if (tokens < 0).any():
            raise ValueError("tokens are numbered from 0: a padding id is none")
        x = self.E[tokens]
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.E.T


def weights(model):
    """Return the parameters as float64 arrays by name, turned for x @ W."""
    out = {}
    for name, p in model.named_parameters():
        array = p.detach().double().numpy().copy()
        out[name.removesuffix(".weight")] = array.T if "W_" in name else array
    return out
