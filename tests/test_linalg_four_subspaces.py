"""chapters/linalg-four-subspaces.ipynb: elimination on matrices that nobody chose, against sympy, and what it refuses."""

import numpy as np
import pytest
import sympy as sp
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def c():
    return chapter("linalg-four-subspaces")


@st.composite
def matrices(draw):
    """Small integer matrices of any shape and rank, empty ones included; complex ones are Gaussian integers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    m, n = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    r = draw(st.integers(0, max(min(m, n), 0)))
    A = rng.integers(-2, 3, (m, r)) @ rng.integers(-2, 3, (r, n))
    if draw(st.booleans()):
        A = A + 1j * (rng.integers(-2, 3, (m, r)) @ rng.integers(-2, 3, (r, n)))
    return A.astype(draw(st.sampled_from([A.dtype, np.complex128])))


def exact(A):
    """The same matrix in exact numbers."""
    return sp.Matrix(
        *A.shape,
        [
            sp.Integer(int(z.real)) + sp.I * int(z.imag)
            for z in A.astype(complex).ravel()
        ],
    )


@given(matrices())
@settings(max_examples=60, deadline=None)
def test_rref_is_sympys_and_inputs_are_kept(c, A):
    kept = A.copy()
    R, E, pivots = c.rref(A)
    theirs, their_pivots = exact(A).rref(simplify=True)
    assert tuple(pivots) == their_pivots
    np.testing.assert_allclose(
        R, np.array(theirs.tolist(), complex).reshape(A.shape), atol=1e-9
    )
    np.testing.assert_allclose(E @ A, R, atol=1e-9)
    assert E.shape == (len(A), len(A)) and (
        len(A) == 0 or np.linalg.matrix_rank(E) == len(A)
    )
    np.testing.assert_array_equal(A, kept)


@given(matrices())
@settings(max_examples=80, deadline=None)
def test_four_subspaces_fill_both_spaces(c, A):
    m, n = A.shape
    column, null, row, left = c.four_subspaces(A)
    r = column.shape[1]
    assert [B.shape for B in (column, null, row, left)] == [
        (m, r),
        (n, n - r),
        (n, r),
        (m, m - r),
    ]
    assert (
        abs(A @ null).max(initial=0) < 1e-9
        and abs(left.conj().T @ A).max(initial=0) < 1e-9
    )
    assert abs(row.conj().T @ null).max(initial=0) < 1e-9
    for pair, size in (((row, null), n), ((column, left), m)):
        assert size == 0 or np.linalg.matrix_rank(np.hstack(pair)) == size


@given(matrices(), st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_solve_all_answers_exactly_what_is_reachable(c, A, seed):
    rng = np.random.default_rng(seed)
    b = A @ rng.integers(-3, 4, A.shape[1])
    x, N = c.solve_all(A, b)
    np.testing.assert_allclose(A @ x, b, atol=1e-8)
    left = c.four_subspaces(A)[3]
    if left.shape[1]:
        with pytest.raises(np.linalg.LinAlgError, match="column space"):
            c.solve_all(A, b + left[:, 0])


@given(matrices())
@settings(max_examples=40, deadline=None)
def test_scale_changes_nothing(c, A):
    R, _, pivots = c.rref(A)
    for scale in (1e-150, 2.0**30, 1e150):
        R2, _, pivots2 = c.rref(scale * A)
        assert pivots2 == pivots
        np.testing.assert_allclose(R2, R, atol=1e-8)


@st.composite
def units(draw, size):
    """Powers of two about 10^-150 to 10^150, one for each of `size` rows or columns; most of them 1."""
    powers = draw(
        st.lists(
            st.sampled_from([0, 0, 0, -498, 498, 100]), min_size=size, max_size=size
        )
    )
    return 2.0 ** np.array(powers)


@given(matrices(), st.data(), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_units_of_columns_and_of_the_right_side_change_no_verdict(c, A, data, seed):
    """Kind: the unit of a column, of A or of b. Witness: sympy's pivots of the unscaled whole numbers."""
    column = data.draw(units(A.shape[1]))
    _, pivots = exact(A).rref(simplify=True)
    assert c.rref(A * column)[2] == list(pivots)
    b = A @ np.random.default_rng(seed).integers(-3, 4, A.shape[1])
    x, _ = c.solve_all(A, b)
    for of_b in (2.0**-498, 2.0**400):
        np.testing.assert_array_equal(c.solve_all(A, b * of_b)[0], x * of_b)
    np.testing.assert_array_equal(c.solve_all(A * column, b)[0], x / column)


@given(matrices(), st.data())
@settings(max_examples=60, deadline=None)
def test_units_of_rows_change_no_verdict(c, A, data):
    row = data.draw(units(A.shape[0]))
    assert c.rref(A * row[:, None])[2] == c.rref(A)[2]


def test_columns_of_very_different_size_are_independent(c):
    x, N = c.solve_all(np.diag([1e12, 1]), [1e12, 1])
    assert x.tolist() == [1, 1] and N.shape == (2, 0)
    assert c.rref([[1, 1e16], [0, 1]])[2] == [0, 1]
    assert c.rref(np.vander(np.arange(2000, 2021), 4))[2] == [0, 1, 2, 3]
    with pytest.raises(np.linalg.LinAlgError, match="magnitude"):
        c.solve_all([[1e-200]], [1e200])


@pytest.mark.parametrize(
    "bad",
    [3, [1, 2], [[np.nan]], [[1j * np.inf]], [["1"]], [[None]], np.zeros((1, 1, 1))],
)
def test_what_is_no_finite_matrix_is_refused(c, bad):
    for function in (c.rref, c.four_subspaces):
        with pytest.raises(ValueError, match="need"):
            function(bad)


def test_ragged_right_sides_are_refused(c):
    with pytest.raises(ValueError, match="entries"):
        c.solve_all(np.eye(2), [1, 2, 3])
    with pytest.raises(np.linalg.LinAlgError, match="magnitude"):
        c.rref([[5e-324]])


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint64, np.float32, np.complex64])
def test_every_number_type(c, kind):
    assert c.rref(np.array([[1, 1], [1, 1]], kind))[2] == [0]


def test_rows_too_far_apart_are_said(c):
    """A product that is too small for a float is noticed, where it decides."""
    with pytest.raises(np.linalg.LinAlgError, match="magnitude"):
        c.solve_all([[1e200, 1e200], [1e-200, -1e-200]], [2e200, 0])
    x = c.solve_all([[1e150, 1e150], [1e-150, -1e-150]], [2e150, 0])[0]
    assert x.tolist() == [1, 1]


@st.composite
def units_of_rows_and_columns(draw):
    """Whole matrices of any rank, in units of rows and of columns that are up to 2^1400 apart: every entry is exact."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    m, n = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    r = draw(st.integers(0, min(m, n)))
    A = rng.integers(-2, 3, (m, r)) @ rng.integers(-2, 3, (r, n))
    row = draw(st.lists(st.sampled_from([-700, 0, 700]), min_size=m, max_size=m))
    column = draw(st.lists(st.sampled_from([-300, 0, 300]), min_size=n, max_size=n))
    return A, 2.0 ** np.array(row), 2.0 ** np.array(column), rng


@given(units_of_rows_and_columns())
@settings(max_examples=150, deadline=None)
def test_no_step_leaves_the_range_of_floats_on_its_way(c, drawn):
    """Kind: a row divided by its pivot before it is subtracted. Witness: sympy on the whole numbers."""
    A, row, column, rng = drawn
    try:
        pivots = c.rref(A * row[:, None] * column)[2]
    except np.linalg.LinAlgError as refusal:  # E has the ratios of the rows' units
        assert "magnitude" in str(refusal) and np.ptp(np.log2(row)) > 1000
        return
    assert pivots == list(exact(A).rref()[1])
    reached = A @ rng.integers(-3, 4, A.shape[1])
    missed = reached + np.eye(len(A), dtype=int)[rng.integers(len(A))]
    for b in (reached, missed):
        solvable = exact(np.c_[A, b]).rank() == len(pivots)
        try:
            x, _ = c.solve_all(A * row[:, None] * column, b * row)
        except np.linalg.LinAlgError as refusal:
            assert not solvable or "magnitude" in str(refusal)
        else:
            x = x * column  # exact: its unit is the column's
            assert solvable
            assert (abs(A @ x - b) <= 1e-9 * (abs(A) @ abs(x) + abs(b))).all()


def test_equal_rows_are_equal_however_far_apart_their_entries_are(c):
    A = [[1e180, 1e-150], [1e180, 1e-150]]
    assert c.rref(A)[2] == [0]
    with pytest.raises(np.linalg.LinAlgError, match="column space"):
        c.solve_all(A, [2e-150, 1e-150])
    assert c.rref([[1e180, 1e-150], [1e180, 2e-150]])[2] == [0, 1]
    with pytest.raises(np.linalg.LinAlgError, match="magnitude"):
        c.rref([[1e200, 1e200], [1e-200, 1e-200]])  # no float says row 2 − 1e-400 row 1


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([1, 1j]),
)
@settings(max_examples=100, deadline=None)
def test_near_the_largest_float_no_rank_is_lost(c, seed, m, n, turn):
    """Kind: a sum of sizes that overflows calls all else zero. Witness: sympy on the whole numbers."""
    rng = np.random.default_rng(seed)
    A = rng.integers(-1, 2, (m, n)) + (turn == 1j) * 1j * rng.integers(-1, 2, (m, n))
    try:
        pivots = c.rref(A * 1.9 * 2.0**1022)[2]
    except np.linalg.LinAlgError as refusal:
        assert "magnitude" in str(refusal)
    else:
        assert pivots == list(exact(A).rref(simplify=True)[1])


@pytest.mark.parametrize("power", [-1022, -900, 0, 900, 1023])
@pytest.mark.parametrize("z", [1 + 1j, 1 - 0.5j, -1j, 1.75 + 0j, -1.5 + 1.9j])
def test_complex_numbers_at_both_ends_of_the_floats(c, z, power):
    """Kind: numpy's complex division. Witness: the same record near 1; a power of two may change no rounding."""
    column = np.array([[z], [1 + 0j], [-z]])
    R, E, pivots = c.rref(column)
    R2, E2, pivots2 = c.rref(column * 2.0**power)
    assert pivots == pivots2 == [0] and np.array_equal(R, R2)
    E[0] = E[0] * 2.0**-power  # of the row that was divided by its pivot
    np.testing.assert_array_equal(E, E2)
    assert abs(E2[0, 0] * (z * 2.0**power) - 1) <= 8 * 2.0**-52


@pytest.mark.parametrize(
    "b", [[[1, 2], [3, 4]], [[1, 2, 3, 4]], np.ones((4, 1, 1)), [1, 2, 3], 1, []]
)
def test_a_right_side_of_another_shape_is_refused(c, b):
    """Kind: a reshape that swallows whatever comes."""
    with pytest.raises(ValueError, match="entries"):
        c.solve_all(np.eye(4), b)


def test_one_column_is_a_right_side(c):
    for b in ([1, 2], [[1], [2]]):
        assert c.solve_all(np.eye(2), b)[0].tolist() == [1, 2]
    with pytest.raises(ValueError, match="finite"):
        c.rref(np.array([["1e400"]]).astype(np.longdouble))
