"""chapters/linalg-bowls.ipynb: squares, Cholesky and Jacobi on matrices that nobody chose, and what they refuse."""

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
