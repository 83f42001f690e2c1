"""What three chapters on eigenvalues ask of a matrix before they touch it, and the unit that they work in."""

import numpy as np


def square(A):
    """Return a float or complex copy of A, square, not empty, finite."""
    A = np.array(A)
    plain = A.dtype.kind in "biufc" and A.ndim == 2 and A.size > 0
    if not plain or A.shape[0] != A.shape[1] or not np.isfinite(A).all():
        raise ValueError(
            f"need a square matrix of finite numbers, got {A.shape} {A.dtype}"
        )
    return A.astype(complex if A.dtype.kind == "c" else float)


def unit_of(A):
    """Return a power of two as large as the largest part of A: scaling by it is exact."""
    size = max(np.abs(A.real).max(), np.abs(A.imag).max())
    return 2.0 ** max(np.frexp(size)[1] - 1, -1022) if size else 1.0


def rescale(x, unit=1.0):
    """Return x · unit; LinAlgError where floats have overflowed."""
    with np.errstate(over="ignore", invalid="ignore"):
        x = x * unit
    if not np.isfinite(x).all():
        raise np.linalg.LinAlgError("the answer is too large for floats")
    return x
