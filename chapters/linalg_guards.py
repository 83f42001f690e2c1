"""What the chapters on matrices ask of their input before they touch it, and the units that keep numbers in range."""

import numpy as np


def to_floats(A):
    """Return a copy of an array in float or complex; what is too large for them becomes inf."""
    with np.errstate(over="ignore"):
        return A.astype(complex if A.dtype.kind == "c" else float)


def square(A):
    """Return a float or complex copy of A, square, not empty, finite."""
    A = np.array(A)
    plain = A.dtype.kind in "biufc" and A.ndim == 2 and A.size > 0
    if not plain or A.shape[0] != A.shape[1] or not np.isfinite(to_floats(A)).all():
        raise ValueError(
            f"need a square matrix of finite numbers, got {A.shape} {A.dtype}"
        )
    return to_floats(A)


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
    return _power(np.outer(a / pivot, row), np.add.outer(i, j) - k)


def _split(x):
    """Return x without its powers of two, and these: x = m · 2^e, the larger part of m from ½ to 1."""
    e = np.frexp(np.maximum(np.abs(np.real(x)), np.abs(np.imag(x))))[1]
    return _power(x, -e), np.atleast_1d(e)


def _power(x, e):
    """Return x · 2^e."""
    if np.iscomplexobj(x):
        return np.ldexp(np.real(x), e) + 1j * np.ldexp(np.imag(x), e)
    return np.ldexp(x, e)
