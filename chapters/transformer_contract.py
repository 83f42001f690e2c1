"""The one contract of all attentions in the Transformer part: what they take, what they refuse, what they return.

1. Shapes. Q (..., T, d), K (..., S, d) and V (..., S, d_v) give (..., T, d_v). The axes before the last two
   broadcast, as torch's do, and the gradient of an input that was shared is summed back to the shape it came in.
   T may be smaller or larger than S. Every size may be odd, and every size may be 0.
2. Masks are boolean, True = may attend. They broadcast to the table of scores and add no axis to it. A mask of
   numbers is refused with a TypeError: it would be read the wrong way round, without a word.
3. Nothing to see. A query that may attend to no key (S = 0 is one such case) gets a row of zeros.
   For d = 0 all scores are 0, so that all keys count alike.
4. Causal means that the last query stands at the last key. Fewer queries than keys are the last ones of a text;
   of more queries than keys the first ones see nothing.
5. Types. float32 and wider are computed as they are; float16 is computed in float32 and rounded once, at the end;
   integers are computed in float64, and so is their answer. All else is refused with a TypeError.
   The queries are divided by √d before they meet the keys, so that no product overflows that need not.
6. Inputs are finite (nan in a value reaches also those who may not see it: 0 · nan = nan), and are left as they were.

Two steps beside attention need even sizes, and refuse others: cutting a width into heads, and pairing coordinates
in order to rotate them. tests/test_transformer_contract.py holds every attention of the six chapters to all this.
"""

from functools import wraps
from inspect import signature

import numpy as np


def read_arrays(**arrays):
    """Return the arrays in a type wide enough to compute in, and the type of the answer."""
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "iuf":
            raise TypeError(f"{name} must hold real numbers, got {array.dtype}")
        if array.ndim < 2:
            raise ValueError(f"{name} needs at least two axes, got {array.shape}")
    answer = np.result_type(*(arrays[name].dtype for name in "QKV"))
    answer = answer if answer.kind == "f" else np.dtype(np.float64)
    wide = np.result_type(answer, np.float32)
    return {name: a.astype(wide, copy=False) for name, a in arrays.items()}, answer


def contract(attend):
    """Hold attend(…, Q, K, V, …) to the contract: its body sees floats that fit."""
    form = signature(attend)

    @wraps(attend)
    def held(*args, **options):
        given = form.bind(*args, **options)
        given.apply_defaults()
        names = [name for name in "GQKV" if name in form.parameters]
        read, answer = read_arrays(**{name: given.arguments[name] for name in names})
        Q, K, V = (read[name].shape for name in "QKV")
        if Q[-1] != K[-1] or K[-2] != V[-2]:
            raise ValueError(f"shapes do not fit: Q {Q}, K {K}, V {V}")
        given.arguments.update(read)
        out = attend(*given.args, **given.kwargs)
        if isinstance(out, tuple):
            return tuple(x.astype(answer, copy=False) for x in out)
        return out.astype(answer, copy=False)

    return held


def in_floats(norm):
    """Let norm(x, …) of arrays and plain numbers compute as the attentions do, rounding once, at the end."""

    @wraps(norm)
    def held(*given, **options):
        given = [np.asarray(x) if np.ndim(x) else x for x in given]
        options = {k: np.asarray(x) if np.ndim(x) else x for k, x in options.items()}
        kind = np.result_type(*given, *options.values())
        if kind.kind not in "iuf":
            raise TypeError(f"a norm takes real numbers, got {kind}")
        if any(np.ndim(x) and not x.shape[-1] for x in given):
            raise ValueError("a norm is taken over at least one number")
        answer = kind if kind.kind == "f" else np.dtype(float)
        wide = np.result_type(answer, np.float32)
        read = [x.astype(wide, copy=False) if np.ndim(x) else x for x in given]
        options = {
            k: x.astype(wide, copy=False) if np.ndim(x) else x
            for k, x in options.items()
        }
        return norm(*read, **options).astype(answer, copy=False)

    return held


def in_type(turn):
    """Let turn(x, …), a rotation or a softmax, compute as the attentions do, and answer in the type of x, rounding once, at the end."""

    @wraps(turn)
    def held(x, *given, **options):
        x = np.asarray(x)
        if x.dtype.kind not in "iuf":
            raise TypeError(f"{turn.__name__} takes real numbers, got {x.dtype}")
        answer = x.dtype if x.dtype.kind == "f" else np.dtype(float)
        wide = x.astype(np.result_type(answer, np.float32), copy=False)
        return turn(wide, *given, **options).astype(answer, copy=False)

    return held


def real(bias):
    """Return what is added to scores as an array; TypeError unless it holds real numbers."""
    bias = np.asarray(bias)
    if bias.dtype.kind not in "iuf":
        raise TypeError(f"a bias holds real numbers, and is no mask: got {bias.dtype}")
    return bias


def allowed(mask, scores):
    """Return the mask in the shape of the scores; None allows all."""
    mask = np.asarray(True if mask is None else mask)
    if mask.dtype != bool:
        raise TypeError(
            f"the mask must be boolean, True = may attend, got {mask.dtype}"
        )
    try:
        return np.broadcast_to(mask, scores.shape)
    except ValueError:
        raise ValueError(
            f"a mask of shape {mask.shape} does not fit scores of shape {scores.shape}"
        ) from None


def summed_to(gradient, shape):
    """Add up a gradient over the axes along which an array of this shape was shared."""
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    shared = tuple(i for i, n in enumerate(shape) if n == 1 != gradient.shape[i])
    return gradient.sum(axis=shared, keepdims=True)
