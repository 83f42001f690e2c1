"""chapters/linalg-svd-and-review.ipynb: svd and pinv on matrices that nobody chose, and what they refuse."""

import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.linalg import LinAlgError

EPS = np.finfo(float).eps
quick = settings(max_examples=80, deadline=None)


@pytest.fixture(scope="module")
def c():
    return chapter("linalg-svd-and-review")


@st.composite
def matrices(draw):
    """Any shape up to 6 × 6, empty included; any rank; whole, real or complex; repeated and tiny σ; any scale."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    m, n = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    rank = draw(st.integers(0, min(m, n)))
    kind = draw(st.sampled_from(["whole", "real", "complex", "repeated"]))
    if kind == "whole":
        return rng.integers(-3, 4, (m, rank)) @ rng.integers(-3, 4, (rank, n))
    left = np.linalg.qr(
        rng.standard_normal((m, rank))
        + (kind == "complex") * 1j * rng.standard_normal((m, rank))
    )[0]
    right = np.linalg.qr(rng.standard_normal((n, rank)))[0]
    sigma = np.ones(rank) if kind == "repeated" else 10.0 ** -rng.uniform(0, 10, rank)
    return (left * sigma) @ right.T * 10.0 ** draw(st.integers(-150, 150))


def norm(A):
    """The Frobenius norm, without overflow."""
    size = np.abs(A).max(initial=0) or 1.0
    return size * np.linalg.norm(A / size)


@quick
@given(A=matrices())
def test_svd_against_lapack(c, A):
    kept = A.copy()
    U, s, V = c.svd(A)
    r = len(s)
    assert (
        np.array_equal(A, kept)
        and U.shape == (A.shape[0], r)
        and V.shape == (A.shape[1], r)
    )
    assert np.all(s > 0) and np.all(np.diff(s) <= 0)
    room = 50 * EPS * norm(A)
    np.testing.assert_allclose((U * s) @ V.conj().T, A, rtol=0, atol=room)
    library = np.linalg.svd(A, compute_uv=False) if A.size else np.zeros(0)
    np.testing.assert_allclose(s, library[:r], rtol=0, atol=room)
    assert np.all(library[r:] <= room)
    np.testing.assert_allclose(U.conj().T @ U, np.eye(r), atol=1e-13)
    np.testing.assert_allclose(V.conj().T @ V, np.eye(r), atol=1e-13)


@quick
@given(A=matrices())
def test_penrose(c, A):
    s, X = c.svd(A)[1], c.pinv(A)
    condition = s[0] / s[-1] if len(s) else 1.0
    assert X.shape == A.shape[::-1]
    room = 100 * EPS * condition
    np.testing.assert_allclose(A @ X @ A, A, rtol=0, atol=room * norm(A))
    np.testing.assert_allclose(X @ A @ X, X, rtol=0, atol=room * norm(X))
    for product in (A @ X, X @ A):
        np.testing.assert_allclose(product, product.conj().T, atol=room)
        np.testing.assert_allclose(np.trace(product).real, len(s), atol=10 * room)


@quick
@given(A=matrices(), power=st.sampled_from([-400, -1, 300, 400]))
def test_the_unit_of_the_matrix_changes_no_verdict(c, A, power):
    """Kind: the unit of A. Witness: the same matrix in units near 1."""
    A = A / (np.abs(A).max(initial=0) or 1)
    U, s, V = c.svd(A)
    U2, s2, V2 = c.svd(A * 2.0**power)
    for mine, theirs in ((U, U2), (V, V2), (s * 2.0**power, s2)):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(c.pinv(A * 2.0**power), c.pinv(A) / 2.0**power)


def test_at_the_ends_of_the_floats(c):
    for unit in (1e308, 1e-308, 5e-324):
        np.testing.assert_allclose(c.svd([[unit]])[1], [unit], rtol=4 * EPS)
    assert abs(c.pinv([[1e-300, 1e-300]]) * 1e-300 - 0.5).max() < 4 * EPS
    for f, A in ((c.svd, np.full((3, 3), 1e308)), (c.pinv, [[1e-310]])):
        with pytest.raises(LinAlgError, match="units"):
            f(A)


@pytest.mark.parametrize(
    "bad",
    [[], 3, [1, 2], [[np.nan]], [[np.inf, 1]], np.zeros((2, 2, 2)), [["a"]], [[2**70]]],
)
@pytest.mark.parametrize("name", ["svd", "pinv"])
def test_refusals(c, name, bad):
    with pytest.raises(ValueError):
        getattr(c, name)(bad)


def test_edges(c):
    for shape in ((0, 0), (0, 4), (4, 0), (3, 3)):
        U, s, V = c.svd(np.zeros(shape))
        assert (U.shape, s.shape, V.shape) == ((shape[0], 0), (0,), (shape[1], 0))
    assert c.svd([[-5]])[1] == [5]
    H = 1 / (np.arange(10)[:, None] + np.arange(10) + 1)  # cond 1.6e13
    np.testing.assert_allclose(c.svd(H)[1], np.linalg.svd(H)[1], atol=1e-15)
    defective = np.diag(np.ones(5), 1)  # all eigenvalues 0, five singular values 1
    np.testing.assert_allclose(c.svd(defective)[1], np.ones(5), rtol=1e-15)
    with pytest.raises(LinAlgError):
        c.svd([[4, 4], [-3, 3.5]], sweeps=1)


@quick
@given(st.integers(1, 20), st.integers(0, 20), st.floats(0.01, 100))
def test_the_rank_is_numpys(c, ones, more, times):
    """Kind: two norms under one name. Witness: numpy's matrix_rank, which measures against σ1 too."""
    A = np.diag([1.0] * ones + [times * EPS * (ones + more)] * more)
    if abs(times - 1) > 1e-6:
        assert len(c.svd(A)[1]) == np.linalg.matrix_rank(A)


@pytest.mark.parametrize(
    "g", [5e-324, 5e-324 + 5e-324j, 1e-310j, -3e-309 + 1e-309j, 1e-200]
)
def test_a_tiny_angle_is_turned(c, g):
    """Kind: numpy's complex division below 1e-308. Witness: a turn that is unitary."""
    R = c.rotation(1.0, 1.0, np.asarray(g)[()])
    np.testing.assert_allclose(R.conj().T @ R, np.eye(2), atol=8 * EPS)


def test_long_doubles_beyond_floats_are_refused(c):
    for f in (c.svd, c.pinv):
        with pytest.raises(ValueError, match="finite"):
            f(np.array([["1e4000"]]).astype(np.longdouble))
    assert c.svd(np.array([[2]], np.longdouble))[1].dtype == float
