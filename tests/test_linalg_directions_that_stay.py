"""chapters/linalg-directions-that-stay.ipynb: its algorithms on matrices that nobody chose, and what they refuse."""

import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

NAME = "linalg-directions-that-stay"
EPS = np.finfo(float).eps


@pytest.fixture(scope="module")
def c():
    return chapter(NAME)


@st.composite
def matrices(draw, low=1, high=7):
    """Square matrices: whole, real, complex, singular, defective, normal, tiny and huge."""
    n, seed = draw(st.integers(low, high)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    kind = draw(
        st.sampled_from(
            [
                "whole",
                "real",
                "complex",
                "low rank",
                "jordan",
                "cycle",
                "zero",
                "normal",
                "graded",
            ]
        )
    )
    X = rng.normal(size=(n, n))
    if kind == "whole":
        return rng.integers(-5, 6, (n, n))
    if kind == "complex":
        X = X + 1j * rng.normal(size=(n, n))
    if kind == "low rank":
        X = np.outer(X[0], X[-1])
    if kind == "jordan":
        X = np.diag(np.full(n, 3.0)) + np.diag(np.ones(n - 1), 1)
    if kind == "cycle":
        X = np.roll(np.eye(n), 1, axis=0)
    if kind == "zero":
        X = np.zeros((n, n))
    if kind == "normal":
        X = X - X.T
    if kind == "graded":
        X = X * 10.0 ** np.arange(n)
    return X * draw(st.sampled_from([1.0, 1e-150, 1e150]))


def unchanged(f, X):
    """Call f on X and see that X is as it was."""
    before = X.copy()
    result = f(X)
    assert np.array_equal(X, before)
    return result


@settings(max_examples=150, deadline=None)
@given(X=matrices())
def test_qr_eigenvalues_make_the_matrix_singular_and_keep_the_trace(c, X):
    values = unchanged(c.qr_eigenvalues, X)
    assert values.shape == (len(X),)
    unit = X / (np.abs(X).max() or 1)
    scaled = values / (np.abs(X).max() or 1)
    size = np.linalg.norm(unit)
    for value in scaled:
        gap = np.linalg.svd(unit - value * np.eye(len(X)), compute_uv=False)[-1]
        assert gap <= 500 * EPS * size
    assert abs(scaled.sum() - np.trace(unit)) <= 500 * EPS * size


@settings(max_examples=100, deadline=None)
@given(X=matrices())
def test_power_iteration_returns_an_eigenvector_or_says_that_it_cannot(c, X):
    try:
        value, v, steps = unchanged(c.power_iteration, X)
    except np.linalg.LinAlgError as error:
        assert "settled" in str(error)
        return
    size = np.abs(X).max() or 1
    residual = np.linalg.norm(X / size @ v - value / size * v)
    assert (
        residual <= 1.01e-10 * np.linalg.norm(X / size)
        and abs(np.linalg.norm(v) - 1) < 1e-12
        and 0 <= steps <= 2000
    )


@settings(max_examples=60, deadline=None)
@given(n=st.integers(2, 8), seed=st.integers(0, 2**32 - 1), gap=st.floats(0.1, 0.95))
def test_power_iteration_finds_the_largest_and_its_direction(c, n, seed, gap):
    rng = np.random.default_rng(seed)
    S = rng.normal(size=(n, n)) + 3 * np.eye(n)
    rest = gap * rng.uniform(-1, 1, n - 1)
    if np.linalg.cond(S) > 1e4:
        return
    A = S @ np.diag([-2.0, *2 * rest]) @ np.linalg.inv(S)
    value, v, _ = c.power_iteration(A, start=S.sum(axis=1))
    assert abs(value + 2) < 1e-6 and np.linalg.norm(
        v * (S[:, 0] @ v) - S[:, 0]
    ) < 1e-4 * np.linalg.norm(S[:, 0])


UNITS = st.sampled_from([2.0**-1000, 2.0**-498, 2.0**498, 2.0**1000])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6), unit=UNITS)
def test_no_unit_changes_a_direction(c, seed, n, unit):
    """Kind: the unit of A, of the start. Witness: the same in units near 1."""
    rng = np.random.default_rng(seed)
    A, start = (
        np.diag(2.0 ** np.arange(n)) + rng.normal(size=(n, n)) / 50,
        rng.normal(size=n),
    )
    value, v, steps = c.power_iteration(A, start)
    for A2, start2, factor in ((A * unit, start, unit), (A, start * unit, 1.0)):
        value2, v2, steps2 = c.power_iteration(A2, start2)
        assert value2 == value * factor and steps2 == steps
        np.testing.assert_array_equal(v2, v)
    np.testing.assert_array_equal(
        c.qr_eigenvalues(A * unit), c.qr_eigenvalues(A) * unit
    )


def test_at_the_end_of_the_floats(c):
    full = np.full((2, 2), 1e308)
    assert abs(c.power_iteration(np.diag([2.0, 1]), start=[1e200, 1e200])[0] - 2) < 1e-9
    for f in (c.power_iteration, c.qr_eigenvalues):
        with pytest.raises(np.linalg.LinAlgError, match="too large"):
            f(full)  # its eigenvalue is 2e308
    with pytest.raises(ValueError, match="start"):
        c.power_iteration(np.eye(2), start=["a", "b"])


@pytest.mark.parametrize("name", ["power_iteration", "qr_eigenvalues"])
def test_bad_input_is_refused(c, name, not_square):
    with pytest.raises(ValueError):
        getattr(c, name)(not_square)


def test_bad_starts_and_one_by_one(c):
    for start in ([0, 0], [1, 2, 3], [np.nan, 1], [[1, 0]]):
        with pytest.raises(ValueError, match="start"):
            c.power_iteration(np.eye(2), start)
    value, v, _ = c.power_iteration([[2 + 3j]])
    assert abs(value - (2 + 3j)) < 1e-15 and abs(abs(v[0]) - 1) < 1e-15
    assert c.qr_eigenvalues([[-4]]) == [-4]


def test_fibonacci(c):
    assert c.fibonacci(0) == [0] and c.fibonacci(10)[-1] == 55 == c.fibonacci_int64(
        10
    ) == c.fibonacci_rounded(10)


@settings(max_examples=80, deadline=None)
@given(X=matrices(), unit=st.sampled_from([2.0**-1000, 2.0**-664, 2.0**664, 2.0**1000]))
def test_helpers_keep_their_word_in_any_unit(c, X, unit):
    """Kind: a helper without the unit that its callers bring. Witness: the same near 1, and numpy's norm."""
    X = X / (np.abs(X).max() or 1)
    H = c.hessenberg(X)
    size = np.linalg.norm(X)
    assert np.linalg.norm(np.tril(H, -2)) <= 100 * len(X) * EPS * size
    assert abs(np.linalg.norm(H) - size) <= 100 * len(X) * EPS * size
    np.testing.assert_array_equal(c.hessenberg(X * unit), H * unit)
    far = c.defect(X, [2.0, 0.5])
    assert not X.any() or c.defect(X * unit, [2.0 * unit, 0.5 * unit]) == far


@pytest.mark.parametrize(
    "tiny", [1e-150, 1e-162, 1.7e-162, 2e-162, 1e-170, 1e-300, 5e-324]
)
@pytest.mark.parametrize("phase", [1, 1j])
def test_a_tiny_column_makes_no_crooked_mirror(c, tiny, phase):
    """Kind: the length of a vector whose squares vanish. Witness: the matrix with zeros in the places of `tiny`."""
    A = np.array([[1, 2, 3], [tiny, 4, 5], [tiny, 7, 10]]) * phase
    plain = np.where(np.abs(A) == tiny, 0, A)
    H = c.hessenberg(A)
    assert abs(np.linalg.norm(H) - np.linalg.norm(A)) <= 100 * EPS * np.linalg.norm(A)
    values, V = np.linalg.eig(plain)
    ours, theirs = (np.sort((v / phase).real) for v in (c.qr_eigenvalues(A), values))
    room = 100 * 3 * EPS * np.linalg.norm(A) * np.linalg.cond(V)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=room)


def test_long_doubles_beyond_floats_are_refused(c):
    wide = np.array([["1e400"]]).astype(np.longdouble)
    for f in (c.power_iteration, c.qr_eigenvalues, c.hessenberg):
        with pytest.raises(ValueError, match="finite"):
            f(wide)
    with pytest.raises(ValueError, match="start"):
        c.power_iteration([[1.0]], start=wide[0])
    small = np.array([3, 4], np.float16)
    assert np.linalg.norm(c.direction(small, 2)) == 1


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "i8"])
def test_fibonacci_of_every_count(c, kind):
    """Kind: count + 1 wraps in the type of the count. Witness: Python's own."""
    most = min(np.iinfo(kind).max, 255)
    numbers = c.fibonacci(np.dtype(kind).type(most))
    assert numbers == c.fibonacci(int(most)) and len(numbers) == most + 1
