"""chapters/linalg-bowls.ipynb: squares, Cholesky and Jacobi on matrices that nobody chose, and what they refuse."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.linalg import LinAlgError

EPS = np.finfo(float).eps
quick = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def c():
    return chapter("linalg-bowls")


@st.composite
def hermitian(draw, definite=False):
    """A Hermitian matrix of size 0 to 6: whole, real or complex; any rank; any scale; sometimes badly conditioned."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, 6))
    rank = n if definite else draw(st.integers(0, n))
    kind = draw(st.sampled_from(["whole", "real", "complex"]))
    G = (
        rng.integers(-3, 4, (n, rank)).astype(int)
        if kind == "whole"
        else rng.standard_normal((n, rank))
    )
    if kind == "complex":
        G = G + 1j * rng.standard_normal((n, rank))
    if definite:
        return G @ G.conj().T + np.eye(n, dtype=G.dtype)
    A = (G * rng.integers(-2, 3, rank)) @ G.conj().T
    return (
        A
        if kind == "whole"
        else (A + A.conj().T) * 10.0 ** draw(st.integers(-150, 150))
    )


def norm(A):
    """The Frobenius norm, without overflow."""
    size = np.abs(A).max(initial=0) or 1.0
    return size * np.linalg.norm(A / size)


@quick
@given(A=hermitian())
def test_jacobi_has_the_spectrum_and_the_product(c, A):
    kept = A.copy()
    lam, Q = c.jacobi(A)
    room = 100 * EPS * norm(A)
    assert np.array_equal(A, kept) and np.all(np.diff(lam) >= 0)
    np.testing.assert_allclose(lam, np.linalg.eigvalsh(A), rtol=0, atol=room)
    np.testing.assert_allclose((Q * lam) @ Q.conj().T, A, rtol=0, atol=room)
    np.testing.assert_allclose(Q.conj().T @ Q, np.eye(len(A)), atol=1e-13)


@quick
@given(A=hermitian())
def test_pivots_have_the_signs_of_the_eigenvalues_or_ask_for_an_exchange(c, A):
    try:
        L, d = c.squares(A)
    except LinAlgError as refusal:
        assert "exchange" in str(refusal)
        return
    assert np.array_equal(L, np.tril(L)) and np.allclose(L.diagonal(), 1)
    growth = norm(np.abs(L) * np.abs(d) @ np.abs(L).T)
    # Without exchanges a small pivot lets the entries grow; what is then called zero is as large as the rounding of
    # what grew, which the same recursion follows.
    size = np.abs(A.diagonal()).astype(float)
    for k in range(len(A)):
        size[k + 1 :] += size[k] * np.abs(L[k + 1 :, k]) ** 2
    room = 4 * (len(A) + 1) * EPS * np.sqrt(np.outer(size, size)) + 100 * EPS * growth
    assert (np.abs((L * d) @ L.conj().T - A) <= room).all()
    if growth <= 1e3 * norm(A):  # otherwise rounding may turn a small eigenvalue
        lam = np.linalg.eigvalsh(A)
        sure = lam[np.abs(lam) > 1e-10 * norm(A)]
        assert np.sum(d > 0) >= np.sum(sure > 0) and np.sum(d < 0) >= np.sum(sure < 0)


@quick
@given(A=hermitian(definite=True))
def test_cholesky_agrees_with_lapack(c, A):
    R = c.cholesky(A)
    np.testing.assert_allclose(R, np.linalg.cholesky(A), rtol=0, atol=1e-12 * norm(A))
    np.testing.assert_allclose(R @ R.conj().T, A, rtol=0, atol=1e-13 * norm(A))


@quick
@given(A=hermitian(definite=True), seed=st.integers(0, 2**32 - 1))
def test_units_of_the_variables_change_no_verdict(c, A, seed):
    """Kind: x = D y makes D A D of the energy. Witness: the same matrix in units near 1."""
    powers = np.random.default_rng(seed).choice([-249, 0, 0, 249, 120], len(A))
    D = 2.0**powers
    scaled = A * D * D[:, None]
    np.testing.assert_array_equal(c.cholesky(scaled), c.cholesky(A) * D[:, None])
    (L, d), (L2, d2) = c.squares(A), c.squares(scaled)
    np.testing.assert_array_equal(d2, d * D**2)
    np.testing.assert_array_equal(L2, L * D[:, None] / D)
    crooked = A.astype(complex)
    if len(A) > 1:
        crooked[0, 1] += 0.1 * abs(A[0, 0] * A[1, 1]) ** 0.5
        for f in (c.squares, c.cholesky, c.jacobi):
            with pytest.raises(ValueError, match="symmetric"):
                f(crooked * D * D[:, None])


@pytest.mark.parametrize("n", range(1, 14))
def test_hilbert_is_definite_as_long_as_floats_can_tell(c, n):
    """Witness: exact fractions say that every Hilbert matrix is; floats lose it at 14 (numpy too)."""
    H = 1 / (np.arange(n)[:, None] + np.arange(n) + 1)
    R = c.cholesky(H)
    assert np.abs(R @ R.T - H).max() <= 2 * n * EPS and (R.diagonal() > 0).all()


def test_very_large_and_small_units(c):
    for unit in (1e200, 1e-200, 1e308, 1e-308):
        assert c.squares([[unit]])[1] == unit and c.jacobi([[unit]])[0] == unit
        np.testing.assert_allclose(c.cholesky([[unit]]) ** 2, unit, rtol=4 * EPS)
    assert c.squares(np.diag([1e200, 1e-200]))[1].tolist() == [1e200, 1e-200]


@quick
@given(A=hermitian())
def test_cholesky_accepts_only_what_is_definite(c, A):
    lam = np.linalg.eigvalsh(A)
    try:
        c.cholesky(A)
    except LinAlgError:
        assert lam.size and lam[0] <= 1e-8 * norm(A)
    else:  # beside the diagonal, which is all that the unit of each variable leaves
        root = np.sqrt(A.diagonal().real)
        low = np.linalg.eigvalsh(A / root / root[:, None]) if lam.size else [1.0]
        assert low[0] > -10 * len(A) * EPS


@pytest.mark.parametrize("name", ["squares", "cholesky", "jacobi"])
@pytest.mark.parametrize(
    "bad",
    [
        [],
        [1, 2],
        [[1, 2]],
        [[1], [2]],
        [[1, 1]],
        [[1], [1]],
        [[1, 2], [3, 4]],
        [[np.inf]],
        [[1j]],
        np.zeros((1, 1, 1)),
        [["a"]],
        [[None]],
        [[2**70]],
    ],
)
def test_refusals(c, name, bad):
    with pytest.raises(ValueError):
        getattr(c, name)(bad)


def test_empty_one_by_one_and_hilbert(c):
    lam, Q = c.jacobi(np.empty((0, 0)))
    assert (
        lam.shape == (0,)
        and Q.shape == (0, 0)
        and c.cholesky(np.empty((0, 0))).shape == (0, 0)
    )
    assert c.cholesky([[9]]) == [[3]] and c.jacobi([[-2]])[0] == [-2]
    H = 1 / (np.arange(8)[:, None] + np.arange(8) + 1)
    np.testing.assert_allclose(c.jacobi(H)[0], np.linalg.eigvalsh(H), atol=1e-15)
    assert np.all(c.squares(H)[1] > 0)
    with pytest.raises(LinAlgError):
        c.jacobi([[1, 2], [2, 1]], sweeps=1)


@pytest.mark.parametrize("percent", [5, 50, 90, 99, 100, 104, 110])
def test_the_explorable_walks_as_numpy_does(c, run_script, percent):
    done = run_script(c.DESCENT_SCRIPT, {"step": percent})
    points = c.walk(percent)
    path = done["set"][".walk d"]
    numbers = [float(z) for z in path.replace("M", "").replace("L", " ").split()]
    drawn = np.array(numbers).reshape(-1, 2)
    assert (
        path == c.draw_walk(points)
        or np.abs(drawn - (points * [50, -50] + [200, 150])[: len(drawn)]).max() < 0.11
    )
    inside = (np.abs(points) <= [3.9, 2.9]).all(axis=1)
    assert len(drawn) == (len(points) if inside.all() else inside.argmin())
    told = {k: float(done["said"][k].replace("−", "-")) for k in ("steep", "flat")}
    assert abs(told["steep"] - (1 - percent / 50)) < 0.0051
    assert abs(told["flat"] - (1 - percent / 50 * c.FLAT / c.STEEP)) < 0.0051
    left = np.linalg.norm(points[-1])
    assert abs(float(done["said"]["left"]) - left) < 0.0051 + 1e-9 * left


@quick
@given(A=hermitian())
def test_the_highest_point_is_an_eigenvector(c, A):
    if len(A) and not np.iscomplexobj(A):
        A = A / (norm(A) or 1)
        q = c.highest(A)
        lam = np.linalg.eigvalsh(A)
        assert abs(np.linalg.norm(q) - 1) < 10 * EPS
        assert abs(q @ A @ q - lam[-1]) < 1e-12


@pytest.mark.parametrize("unit", [1e-300, 1e-150, 1.0, 1e150, 1e300])
def test_the_highest_point_has_no_unit(c, unit):
    A = np.array([[2.0, 1, 0], [1, 3, 1], [0, 1, 4]])
    q = c.highest(A * unit)
    np.testing.assert_allclose(A @ q, (q @ A @ q) * q, atol=1e-12)
    assert abs(q @ A @ q - np.linalg.eigvalsh(A)[-1]) < 1e-12


ENDS = st.builds(
    np.ldexp,
    st.floats(0.5, 0.999) | st.floats(-0.999, -0.5),
    st.sampled_from([-1073, -1030, -700, -360, -1, 0, 1, 360, 700, 1022, 1024]),
)


@st.composite
def at_the_ends(draw, most=3):
    """A Hermitian matrix of order 1 to 3, complex or real, with parts from 5e-324 to 1.8e308."""
    n, unreal = draw(st.integers(1, most)), draw(st.booleans())
    part = st.one_of(st.just(0.0), ENDS)
    A = np.zeros((n, n), complex if unreal else float)
    for i in range(n):
        A[i, i] = draw(part)
        for j in range(i):
            A[i, j] = complex(draw(part), draw(part)) if unreal else draw(part)
            A[j, i] = A[i, j].conjugate()
    return A


def exactly(z):
    """The (real, imaginary) parts of a number, as fractions."""
    return Fraction(float(np.real(z))), Fraction(float(np.imag(z)))


@settings(max_examples=150, deadline=None)
@given(A=at_the_ends())
def test_jacobi_from_the_smallest_float_to_the_largest(c, A):
    """Kind: numpy's complex / and abs at the ends of the floats. Witness: mpmath with 700 digits."""
    with mpmath.workdps(700):  # 632 of them lie between the ends
        true = mpmath.eighe(mpmath.matrix(A.tolist()), eigvals_only=True)
        size = mpmath.mnorm(mpmath.matrix(A.tolist()), "f")
        room = 100 * EPS * size + 10 * mpmath.mpf(5e-324)
        try:
            lam, Q = c.jacobi(A)
        except LinAlgError as refusal:
            assert "too large" in str(refusal)
            assert max(map(abs, true)) >= np.finfo(float).max - room
            return
        assert all(abs(a - b) <= room for a, b in zip(lam, sorted(true), strict=True))
        product = mpmath.matrix(Q.tolist()) * mpmath.diag(lam.tolist())
        product *= mpmath.matrix(Q.tolist()).H
        assert mpmath.mnorm(product - mpmath.matrix(A.tolist()), "f") <= room
    np.testing.assert_allclose(Q.conj().T @ Q, np.eye(len(A)), atol=1e-13)


def test_jacobi_with_the_smallest_complex_number_beside_ordinary_ones(c):
    g = 5e-324 * (1 + 1j)
    lam, Q = c.jacobi([[0.25, g, 0], [g.conjugate(), 0.5, 0.25], [0, 0.25, 1]])
    corner = np.linalg.eigvalsh([[0.5, 0.25], [0.25, 1]])
    np.testing.assert_allclose(lam, [0.25, *corner], rtol=10 * EPS)
    np.testing.assert_allclose(Q.conj().T @ Q, np.eye(3), atol=1e-14)


@settings(max_examples=150, deadline=None)
@given(a=ENDS, b=ENDS, p=ENDS, q=st.one_of(st.just(0.0), ENDS))
def test_two_squares_from_the_smallest_float_to_the_largest(c, a, b, p, q):
    """Kind as above. Witness: fractions, for [[a, g], [ḡ, b]] with g = p + qi."""
    A = np.array([[a, complex(p, q)], [complex(p, -q), b]])
    pivot = Fraction(a)
    multiple = Fraction(p) / pivot, -Fraction(q) / pivot
    taken = (Fraction(p) ** 2 + Fraction(q) ** 2) / pivot
    try:
        L, d = c.squares(A)
    except LinAlgError as refusal:
        assert "too large" in str(refusal)
        largest = max(map(abs, (*multiple, taken, Fraction(b) - taken)))
        assert largest > Fraction(np.finfo(float).max) / 4
        return
    least = Fraction(5e-324)
    for got, true in zip(exactly(L[1, 0]), multiple, strict=True):
        assert abs(got - true) <= 2 * Fraction(EPS) * abs(true) + least
    # L may be off by the least float, times p or q; blur may call zero what is 2 ε of it
    room = 8 * Fraction(EPS) * (abs(Fraction(b)) + abs(taken))
    room += least * (4 + 2 * abs(Fraction(p)) + 2 * abs(Fraction(q)))
    assert d[0] == a and abs(Fraction(d[1]) - (Fraction(b) - taken)) <= room


def test_the_blur_of_large_entries_does_not_overflow(c):
    a, g = 2.0**1023, complex(2.0**1021, 2.0**1023)
    _, d = c.squares([[a, g], [g.conjugate(), a]])
    assert d.tolist() == [a, -(2.0**1019)]  # once [a, 0]: its blur was infinite


@quick
@given(A=hermitian(definite=True), data=st.data())
def test_cholesky_from_the_smallest_float_to_the_largest(c, A, data):
    """Kind as above, and the unit of each variable. Witness: R Rᴴ in fractions, n ε beside the diagonal."""
    n = len(A)
    A = A / 2 ** max(0, np.frexp(np.abs(A).max(initial=0))[1])
    twos = data.draw(
        st.lists(st.sampled_from([-520, -300, 0, 300, 511]), min_size=n, max_size=n)
    )
    twos = np.add.outer(np.array(twos, int), np.array(twos, int))
    scaled = np.ldexp(A.real, twos).astype(A.dtype)
    if np.iscomplexobj(A):
        scaled.imag = np.ldexp(A.imag, twos)
    R = c.cholesky(scaled)
    root = [mpmath.sqrt(mpmath.mpf(x)) for x in scaled.diagonal().real.tolist()]
    for i in range(n):
        for j in range(n):
            total = [Fraction(0), Fraction(0)]
            for k in range(n):
                (a, b), (p, q) = exactly(R[i, k]), exactly(R[j, k])
                total[0] += a * p + b * q
                total[1] += b * p - a * q
            room = 4 * (n + 1) * EPS * root[i] * root[j]  # 5e-324 is far below it
            for got, true in zip(total, exactly(scaled[i, j]), strict=True):
                gap = abs(got - true)
                assert mpmath.mpf(gap.numerator) / gap.denominator <= room


@pytest.mark.parametrize(
    "A",
    [
        1e-310 * np.array([[2, 1j], [-1j, 2]]),
        [[5e-324, 1e-10], [1e-10, 1e308]],
        1e308 * np.array([[1, 0.5 + 0.5j], [0.5 - 0.5j, 1]]),
    ],
)
def test_cholesky_of_what_the_library_factors(c, A):
    np.testing.assert_allclose(c.cholesky(A), np.linalg.cholesky(A), rtol=1e-13)


@settings(max_examples=150, deadline=None)
@given(A=at_the_ends(), i=st.integers(0, 2), j=st.integers(0, 2), z=ENDS, w=ENDS)
def test_what_is_symmetric_is_told_at_any_size(c, A, i, j, z, w):
    """Kind: |a| overflows where its parts do not; a/2 of the least float is 0. Witness: fractions."""
    kept = A.copy()
    assert np.array_equal(c.hermitian(A), A)
    i, j = i % len(A), j % len(A)
    A = A.astype(complex)
    with np.errstate(over="ignore"):
        A[i, j] += complex(z if i != j else 0, w)
    if not np.isfinite(A).all():
        return
    part = lambda v: max(map(abs, exactly(v)))  # noqa: E731
    gap = part(0)
    for one, other in zip(exactly(A[i, j]), exactly(A[j, i].conjugate()), strict=True):
        gap = max(gap, abs(one - other))
    size = max(part(A[i, j]), part(A[j, i]))
    beside = part(A[i, i]) * part(A[j, j])
    if gap > 2 * Fraction(1, 10**12) * size and gap**2 > 4 * beside / 10**24:
        with pytest.raises(ValueError, match="not symmetric"):
            c.hermitian(A)
    elif gap < size / (2 * 10**12) and size > Fraction(1e-290):
        assert c.hermitian(A).shape == kept.shape


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.float16, np.float32])
def test_the_highest_point_in_small_types(c, kind):
    """Kind: small types that wrap or round. Witness: the same numbers as doubles."""
    least = np.iinfo(kind).min if np.dtype(kind).kind in "iu" else -60000
    for rows in ([[least, least], [least, least]], [[1, 100], [100, 120]]):
        A = np.array(rows, kind)
        q, true = c.highest(A), A.astype(float)
        lam = np.linalg.eigvalsh(true)[-1]
        assert abs(q @ true @ q - lam) <= 1e-12 * (np.abs(true).max() or 1)
