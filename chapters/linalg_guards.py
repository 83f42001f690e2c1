"""What the chapters on matrices ask of their input before they touch it, and the units that keep numbers in range."""

import numpy as np


def to_floats(A):
    """Return a copy of an array in float or complex; what is too large for them becomes inf."""
    with np.errstate(over="ignore"):
        return A.astype(complex if A.dtype.kind == "c" else float)


def as_matrix(A):
    """Return a float or complex copy of a finite 2-D array; ValueError for anything else."""
    A = np.asarray(A)
    if A.ndim != 2 or A.dtype.kind not in "biufc":
        raise ValueError(f"need a matrix of numbers, got shape {A.shape}, {A.dtype}")
    A = to_floats(A)
    if not np.isfinite(A).all():
        raise ValueError("need finite entries")
    return A


def square(A, empty=False):
    """Return `as_matrix(A)`; ValueError unless it is square, and not 0 × 0 but where `empty`."""
    A = as_matrix(A)
    if A.shape[0] != A.shape[1] or not (A.size or empty):
        raise ValueError(f"need a square matrix of numbers, got shape {A.shape}")
    return A


def right_side(b, m):
    """Return b as a vector of m numbers; ValueError unless its shape is (m,) or (m, 1)."""
    b = np.atleast_1d(b)
    if b.shape not in ((m,), (m, 1)):
        raise ValueError(f"b needs as many entries as A has rows, {m}, got {b.shape}")
    return as_matrix(b.reshape(m, 1))[:, 0]


def unit_of(A):
    """Return a power of two as large as the largest part of A: scaling by it is exact."""
    size = max(np.abs(part).max(initial=0) for part in (np.real(A), np.imag(A)))
    return 2.0 ** max(np.frexp(size)[1] - 1, -1022) if size else 1.0


def rescale(x, unit=1.0):
    """Return x · unit; LinAlgError where floats have overflowed."""
    with np.errstate(over="ignore", invalid="ignore"):
        x = x * unit
    if not np.isfinite(x).all():
        raise np.linalg.LinAlgError("the answer is too large for floats")
    return x


def change_unit(x, old, new):
    """Return x · old / new, for powers of two, in two steps that go the same way."""
    power = np.frexp(old)[1] - np.frexp(new)[1]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return x * np.ldexp(1.0, power // 2) * np.ldexp(1.0, power - power // 2)


def quotient(a, b):
    """Return a / b. Complex numbers are measured in the unit of b first.

    numpy's division of complex numbers fails where they are below 1e-308, and near
    the largest float.
    """
    if np.iscomplexobj(a) or np.iscomplexobj(b):
        unit = unit_of(b)
        a, b = a / unit, b / unit
    return a / b


def multiples(a, row, pivot):
    """Return the matrix of all a · row / pivot, without leaving the range on the way.

    The powers of two go apart from the rest, and come back at the end.
    """
    (a, i), (row, j), (pivot, k) = map(_split, (a, row, pivot))
    return times_power(np.outer(a / pivot, row), np.add.outer(i, j) - k)


def _split(x):
    """Return x without its powers of two, and these: x = m · 2^e, the larger part of m from ½ to 1."""
    e = np.frexp(np.maximum(np.abs(np.real(x)), np.abs(np.imag(x))))[1]
    return times_power(x, -e), np.atleast_1d(e)


def times_power(x, e):
    """Return x · 2^e, exactly, but for what leaves floats: that becomes inf or 0."""
    with np.errstate(over="ignore"):
        if np.iscomplexobj(x):
            parts = np.ldexp(np.real(x), e), np.ldexp(np.imag(x), e)
            return np.stack(parts, axis=-1).view(complex)[..., 0]
        return np.ldexp(x, e)
