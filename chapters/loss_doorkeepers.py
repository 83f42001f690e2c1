"""The doorkeepers of a loss: what they take they hand on in one form, the rest they refuse in words; for loss-options."""

from operator import index

import numpy as np


def widened(z):
    """Return z in a type wide enough to compute in, and the type of the answer.

    Whole numbers become float64. float16 is computed in float32 and rounded at the end.
    """
    z = np.asarray(z)
    if z.dtype.kind not in "iuf":
        raise TypeError(f"scores must be real numbers, got {z.dtype}")
    kind = z.dtype if z.dtype.kind == "f" else np.dtype(float)
    return z.astype(np.result_type(kind, np.float32), copy=False), kind


def log_softmax(z, axis=-1):
    """ln softmax of z along `axis`, same shape; subtracts the maximum first."""
    z, kind = widened(z)
    if z.ndim and z.shape[axis] == 0:
        raise ValueError(f"no scores along axis {axis}: got shape {z.shape}")
    shifted = z - z.max(axis=axis, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return (shifted - log_sum).astype(kind, copy=False)


def softmax(z):
    """Probabilities along the last axis."""
    z, kind = widened(z)
    return np.exp(log_softmax(z)).astype(kind, copy=False)


def read_logits(logits):
    """Return the scores, class axis last; it is axis 1, or axis 0 of a single row."""
    z = np.asarray(logits)
    if z.dtype.kind != "f":
        raise TypeError(f"logits must be floating-point numbers, got {z.dtype}")
    if z.ndim == 0 or z.shape[min(1, z.ndim - 1)] == 0:
        raise ValueError(
            f"logits need a class axis with at least one class, got shape {z.shape}"
        )
    return np.moveaxis(widened(z)[0], min(1, z.ndim - 1), -1)


def blank_ignored(z, kept):
    """Return the scores with zeros in the rows that do not count; check the others."""
    z = z if kept.all() else np.where(kept[..., None], z, 0)
    if not np.isfinite(z.max(axis=-1)).all():
        raise ValueError(
            "each row needs a finite largest logit: found nan, +inf, or only -inf"
        )
    return z


def read_weight(weight, z):
    """Return the class weights in the type of z, ones if there are none."""
    w = np.ones(z.shape[-1]) if weight is None else np.asarray(weight)
    if w.dtype.kind not in "iuf":
        raise TypeError(f"weights must be real numbers, got {w.dtype}")
    w = w.astype(z.dtype)
    if w.shape != z.shape[-1:]:
        raise ValueError(
            f"weight must have shape {z.shape[-1:]}, one a class, got {w.shape}"
        )
    if not (np.isfinite(w) & (w >= 0)).all():
        raise ValueError("weights must be finite and not negative")
    most = float(np.sqrt(np.finfo(w.dtype).max))
    if ((w > most) | (w > 0) & (w < 1 / most)).any():
        raise ValueError(
            f"weights are 0, or from {1 / most:.0e} to {most:.0e} in {w.dtype}"
        )
    return w


def read_indices(target, z, ignore_index):
    """Return (class of each row, 0 where ignored; mask of the rows that count)."""
    if target.shape != z.shape[:-1]:
        raise ValueError(
            f"class indices must have shape {z.shape[:-1]}, got {target.shape}"
        )
    kept = target != index(ignore_index)
    y = np.where(kept, target, 0).astype(np.int64)
    if ((y < 0) | (y >= z.shape[-1])).any():
        raise ValueError(
            f"class indices must be in 0..{z.shape[-1] - 1} or {ignore_index}, ignored"
        )
    return y, kept


def read_distributions(target, z, ignore_index):
    """Return the target probabilities in the type of z, the class axis at the end."""
    if index(ignore_index) >= 0:
        raise ValueError("ignore_index has no meaning with probability targets")
    t = (
        np.moveaxis(target, min(1, target.ndim - 1), -1).astype(z.dtype)
        if target.ndim
        else target
    )
    if t.shape != z.shape:
        raise ValueError(
            f"float targets must have the shape of the logits, got {target.shape}"
        )
    slack = 2**-7  # probabilities may have been rounded to 8 bits on their way here
    if not ((t >= 0).all() and (abs(t.sum(axis=-1) - 1) <= slack).all()):
        raise ValueError("each target distribution must be non-negative and sum to 1")
    return t
