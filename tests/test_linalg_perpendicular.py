"""chapters/linalg-perpendicular.ipynb: QR and least squares on matrices that nobody chose, and what they refuse."""

import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

EPS = np.finfo(float).eps


@pytest.fixture(scope="module")
def c():
    return chapter("linalg-perpendicular")


@st.composite
def matrices(draw, tall=False):
    """Any shape, or tall with independent columns: singular values over up to eight orders of magnitude, any scale."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, 6))
    m = draw(st.integers(n, 9)) if tall else draw(st.integers(0, 9))
    unit = 1j * draw(st.booleans())

    def noise(rows, columns):
        parts = rng.normal(size=(2, rows, columns))
        return parts[0] + unit * parts[1] if unit else parts[0]

    k = min(m, n) if tall else draw(st.integers(0, min(m, n)))
    U, V = np.linalg.qr(noise(m, k))[0], np.linalg.qr(noise(n, k))[0]
    sigma = 10.0 ** rng.uniform(-draw(st.integers(0, 8)), 0, k)
    return 10.0 ** draw(st.integers(-100, 100)) * (U * sigma) @ V.conj().T


@given(matrices())
@settings(max_examples=200, deadline=None)
def test_householder_takes_anything(c, A):
    kept = A.copy()
    Q, R = c.householder(A)
    k = min(A.shape)
    assert Q.shape == (A.shape[0], k) and R.shape == (k, A.shape[1])
    assert abs(Q.conj().T @ Q - np.eye(k)).max(initial=0) < 100 * EPS
    assert abs(Q @ R - A).max(initial=0) <= 200 * EPS * abs(A).max(initial=0)
    np.testing.assert_array_equal(R, np.triu(R))
    np.testing.assert_array_equal(A, kept)


@given(matrices(tall=True), st.sampled_from(["classical", "modified", "repeated"]))
@settings(max_examples=200, deadline=None)
def test_gram_schmidt_reproduces_and_keeps_its_bounds(c, A, name):
    Q, R = c.METHODS[name](A)
    kappa = np.linalg.cond(A) if A.shape[1] else 1
    bound = {"classical": kappa**2, "modified": kappa, "repeated": 1}[name]
    assert abs(Q @ R - A).max(initial=0) <= 200 * EPS * abs(A).max(initial=0)
    assert np.linalg.norm(Q.conj().T @ Q - np.eye(A.shape[1])) <= 500 * EPS * bound
    np.testing.assert_allclose(abs(np.diag(R).imag), 0)


@given(matrices(tall=True), st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_least_squares_leaves_a_perpendicular_error(c, A, seed):
    b = np.random.default_rng(seed).normal(size=len(A))
    x = c.least_squares(A, b)
    error = b - A @ x
    # The backward error of a QR solve is a few epsilon in A, so the error is perpendicular up to |A| |x| eps too.
    size = np.linalg.norm(A) * (
        np.linalg.norm(b) + np.linalg.norm(A) * np.linalg.norm(x)
    )
    assert abs(A.conj().T @ error).max(initial=0) <= 500 * EPS * size
    if A.shape[1] and np.linalg.cond(A) < 1e6:
        theirs = np.linalg.lstsq(A, b)[0]
        slack = (
            EPS * np.linalg.cond(A) ** 2 * (np.linalg.norm(b) / np.linalg.norm(A, -2))
        )
        np.testing.assert_allclose(x, theirs, atol=500 * slack, rtol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_dependent_columns_are_refused(c, seed, n):
    rng = np.random.default_rng(seed)
    A = rng.integers(-3, 4, (6, n - 1)) @ rng.integers(-3, 4, (n - 1, n))
    with pytest.raises(np.linalg.LinAlgError, match="depend"):
        c.least_squares(A, np.ones(6))
    with pytest.raises(np.linalg.LinAlgError, match="depend"):
        c.gram_schmidt(np.zeros((3, 1)))
    with pytest.raises(np.linalg.LinAlgError, match="depend"):
        c.least_squares(rng.normal(size=(n - 1, n)), np.ones(n - 1))


@given(matrices(tall=True), st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=40, deadline=None)
def test_no_unit_changes_a_verdict(c, A, seed, data):
    """Kind: the unit of A, of b, or of each column. Witness: the same problem in units that suit it."""
    m, n = A.shape
    A = A / (abs(A).max(initial=0) or 1)
    powers = data.draw(
        st.lists(st.sampled_from([0, 0, -490, 490, 33]), min_size=n, max_size=n)
    )
    column, b = 2.0 ** np.array(powers), np.random.default_rng(seed).normal(size=m)
    x = c.least_squares(A, b)
    np.testing.assert_array_equal(c.least_squares(A * column, b), x / column)
    for unit in (2.0**-490, 2.0**490):
        np.testing.assert_array_equal(c.least_squares(A, b * unit), x * unit)
    for name, method in c.METHODS.items():
        (Q, R), (Q2, R2) = method(A), method(A * column)
        np.testing.assert_array_equal(Q, Q2, name)
        np.testing.assert_array_equal(R * column, R2, name)


def test_years_as_they_are_and_very_large_and_small_columns(c):
    years = np.vander(np.arange(2000, 2021), 4)
    x = c.least_squares(years, years @ np.ones(4))
    size = abs(years) @ abs(x)
    assert (abs(years @ (x - 1)) <= 1e3 * EPS * size).all()
    for A in ([[1e200]], [[1e-200]], [[1e308], [1e308]], [[5e-324]]):
        Q, R = c.gram_schmidt(A)
        assert abs(np.linalg.norm(Q) - 1) < 4 * EPS and np.isfinite(R).all()
        assert abs(np.linalg.norm(c.householder(A)[0]) - 1) < 4 * EPS
    for D in ([1e13, 1], [1e-300, 1], [1e150, 1e-150]):
        np.testing.assert_allclose(c.least_squares(np.diag(D), D), 1, rtol=1e-14)
    for f in (c.gram_schmidt, c.householder):
        with pytest.raises(np.linalg.LinAlgError, match="units"):
            f(np.full((4, 1), 1.7e308))
    with pytest.raises(np.linalg.LinAlgError, match="units"):
        c.least_squares([[1e-200]], [1e200])


@pytest.mark.parametrize(
    "bad", [1, [1.0], [[np.inf]], [["a"]], np.ones((2, 2, 2)), [[None]]]
)
def test_what_is_no_finite_matrix_is_refused(c, bad):
    for function in (c.householder, c.gram_schmidt, lambda A: c.least_squares(A, [1])):
        with pytest.raises(ValueError, match="need"):
            function(bad)


def test_bad_right_sides_are_refused(c):
    with pytest.raises(ValueError, match="rows"):
        c.least_squares(np.eye(2), [1, 2, 3])
    with pytest.raises(ValueError, match="finite"):
        c.least_squares(np.eye(2), [1, np.nan])


@pytest.mark.parametrize("kind", [bool, np.int8, np.float32, np.complex64])
def test_every_number_type(c, kind):
    A = np.array([[1, 0], [1, 1]], kind)
    np.testing.assert_allclose(c.least_squares(A, [1, 2]), [1, 1], atol=1e-14)


@pytest.mark.parametrize("turn", [0, 20, 56, 90, 134, 180])
def test_the_explorable_drops_b_on_the_plane(c, run_script, turn):
    """The page's own foot, error and mark, against numpy's projection, drawn by the chapter's `draw_xy`."""
    done = run_script(c.SCRIPT, {"t": turn})
    angle = np.radians(turn)
    plane = np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)]]).T
    foot = plane @ plane.T @ c.TARGET
    x, y = c.draw_xy(foot)
    for place, name in ((".p x2", x), (".p y2", y), (".e x1", x), (".e y1", y)):
        assert abs(float(done["set"][place]) - name) < 1e-6
    assert done["said"] == {"dot": "0.000", "sum": f"{c.TARGET @ c.TARGET:.3f}"}
    error = c.TARGET - foot
    far = np.linalg.norm(error) > 0.3
    assert done["set"][".mark visibility"] == ("visible" if far else "hidden")
    if far:
        up, back = (
            0.2 * error / np.linalg.norm(error),
            -0.2 * foot / np.linalg.norm(foot),
        )
        corners = [foot + up, foot + up + back, foot + back]
        drawn = done["set"][".mark d"].replace("M", "").replace("L", " ").split()
        expected = np.ravel([c.draw_xy(v) for v in corners])
        np.testing.assert_allclose(np.array(drawn, float), expected, atol=0.06)


def test_three_subtractions_are_one_on_paper(c):
    rng = np.random.default_rng(3)
    Q = np.linalg.qr(rng.normal(size=(7, 3)) + 1j * rng.normal(size=(7, 3)))[0]
    v = rng.normal(size=7) + 0j
    for f in (c.classical, c.modified, c.repeated):
        kept = v.copy()
        rest, h = f(Q, v)
        np.testing.assert_array_equal(v, kept)
        np.testing.assert_allclose(Q @ h + rest, v, atol=1e-14)
        assert abs(Q.conj().T @ rest).max() < 1e-14


@pytest.mark.parametrize(
    "b", [[[1, 2], [3, 4]], [[1, 2, 3, 4]], np.ones((4, 1, 1)), [1, 2, 3], 1, []]
)
def test_a_right_side_of_another_shape_is_refused(c, b):
    """Kind: a reshape that swallows whatever comes."""
    with pytest.raises(ValueError, match="rows"):
        c.least_squares(np.eye(4), b)
    column = [[1], [2], [3], [4]]
    np.testing.assert_allclose(c.least_squares(np.eye(4), column), [1, 2, 3, 4])


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_no_space_has_room_for_more_perpendicular_columns(c, seed, m):
    rng = np.random.default_rng(seed)
    A = 1 + 10.0 ** rng.integers(-15, 1, (m, m + 1)) * rng.normal(size=(m, m + 1))
    for subtract in (c.classical, c.modified, c.repeated):
        with pytest.raises(np.linalg.LinAlgError, match="depend"):
            c.gram_schmidt(A, subtract)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_units_of_answers_meet_before_they_leave_the_range(c, seed, n):
    """Kind: x / a · b, where x / a alone leaves the range. Witness: a diagonal needs one division for each answer."""
    rng = np.random.default_rng(seed)
    power = rng.choice([-1020, -990, 0, 1000], n)
    of_b = rng.choice([-960, -900, 0, 900, 1000]) - rng.choice(
        [0, 30, 60], n
    )  # near one unit
    d, b = rng.integers(1, 9, (2, n)) * 2.0 ** np.array([power, of_b])
    if (abs(of_b - power) > 1010).any():
        return
    np.testing.assert_allclose(c.least_squares(np.diag(d), b), b / d, rtol=16 * EPS)


def test_answers_whose_units_meet(c):
    x = c.least_squares(np.diag([1e308, 1.0]), [1e293, 1e308])
    np.testing.assert_allclose(x, [1e-15, 1e308], rtol=8 * EPS)
    A = 2.3e-308 * np.array([[1, 1], [1, 1 + 1e-5]])
    x = c.least_squares(A, [1e-300, 2e-300])
    # the entries of A have 52 bits, and the condition is 4e5
    np.testing.assert_allclose(x, [-4.3478e12, 4.3478e12], rtol=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.data())
@settings(max_examples=80, deadline=None)
def test_complex_arrows_with_a_tiny_tip(c, seed, m, n, data):
    """Kind: numpy's complex division below 1e-308. Witness: numpy's QR of the same matrix."""
    rng = np.random.default_rng(seed)
    tiny = data.draw(st.sampled_from([5e-324, 1e-310, 3e-309, 1e-300]))
    A = rng.integers(-2, 3, (m, n)) + 1j * rng.integers(-2, 3, (m, n))
    A[0, 0] = tiny * rng.choice([1, 1j, -1, 1 + 1j])
    Q, R = c.householder(A)
    assert abs(Q.conj().T @ Q - np.eye(min(m, n))).max() < 100 * EPS
    assert abs(Q @ R - A).max() <= 200 * EPS * abs(A).max()
    size = abs(np.linalg.qr(A)[1].diagonal()[0])
    assert abs(abs(R[0, 0]) - size) <= 100 * EPS * size


def test_long_doubles_beyond_floats_are_refused(c):
    wide = np.array([["1e400"]]).astype(np.longdouble)
    for call in (
        lambda: c.householder(wide),
        lambda: c.gram_schmidt(wide),
        lambda: c.least_squares([[1]], wide[0]),
    ):
        with pytest.raises(ValueError, match="finite"):
            call()
