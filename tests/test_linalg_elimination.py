"""chapters/linalg-elimination.ipynb: factor, solve and inverse on matrices that nobody chose."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

NAME = "linalg-elimination"
EPS = np.finfo(float).eps
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def c():
    return chapter(NAME)


@st.composite
def matrices(draw, square=False):
    """Random matrices: int, float, float32, complex; any shape and rank; rows over twelve orders of magnitude."""
    rng = np.random.default_rng(draw(SEEDS))
    m = draw(st.integers(0, 7))
    n = m if square else draw(st.integers(0, 7))
    rank = draw(st.integers(0, 7))
    A = rng.integers(-4, 5, (m, rank)) @ rng.integers(-4, 5, (rank, n))
    kind = draw(st.sampled_from(["int", "float", "float32", "complex"]))
    if kind != "int":
        A = A * 10.0 ** rng.uniform(-6, 6, (m, 1))
    if kind == "complex":
        A = A + 1j * A[::-1] * rng.standard_normal()
    return A.astype(np.float32) if kind == "float32" else A


def exact(A):
    entries = [Fraction(int(v)) for v in np.asarray(A).flat]
    return np.array(entries, dtype=object).reshape(np.shape(A))


@settings(max_examples=200, deadline=None)
@given(matrices())
def test_factor(c, A):
    before = A.copy()
    p, L, U = c.factor(A)
    (m, n), k = A.shape, min(A.shape)
    assert np.array_equal(A, before) and sorted(p) == list(range(m))
    assert L.shape == (m, k) and U.shape == (k, n)
    assert np.array_equal(L, np.tril(L)) and np.all(np.diag(L) == 1)
    assert np.array_equal(U, np.triu(U)) and np.all(np.abs(L) <= 1 + 8 * EPS)
    bound = 4 * max(k, 1) * EPS * (np.abs(L) @ np.abs(U))
    assert np.all(np.abs(A[p] - L @ U) <= bound)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 5), st.integers(0, 5), st.integers(1, 5))
def test_factor_is_exact_on_fractions_of_any_rank(c, seed, m, n, rank):
    rng = np.random.default_rng(seed)
    A = exact(rng.integers(-3, 4, (m, rank)) @ rng.integers(-3, 4, (rank, n)))
    p, L, U = c.factor(A)
    assert np.all(A[p] == L.dot(U))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 5))
def test_exact_solve_and_inverse_know_the_singular_from_the_others(c, seed, n):
    rng = np.random.default_rng(seed)
    whole = rng.integers(-2, 3, (n, n))
    A, b = exact(whole), exact(rng.integers(-9, 10, n))
    if sp.Matrix(whole.tolist()).det() == 0:
        for f, arguments in ((c.solve, (A, b)), (c.inverse, (A,))):
            with pytest.raises(np.linalg.LinAlgError, match="singular"):
                f(*arguments)
    else:
        assert np.all(A.dot(c.solve(A, b)) == b)
        assert np.all(A.dot(c.inverse(A)) == np.eye(n, dtype=int))


@settings(max_examples=150, deadline=None)
@given(matrices(square=True), st.integers(0, 3), SEEDS)
def test_solve_is_backward_stable_or_refuses(c, A, sides, seed):
    rng = np.random.default_rng(seed)
    b = rng.standard_normal((len(A), sides) if sides else len(A))
    try:
        x = c.solve(A, b)
    except np.linalg.LinAlgError:
        size = np.abs(A).max(axis=0, initial=0).astype(float)  # of each column
        assert len(A) and (not size.all() or np.linalg.cond(A / size) > 1e11)
        return
    p, L, U = c.factor(A)
    assert x.shape == b.shape
    bound = 12 * max(len(A), 1) * EPS * (np.abs(L) @ np.abs(U) @ np.abs(x))
    assert np.all(np.abs(b - A @ x)[p] <= bound + 1e-300)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 6), st.floats(-200, 200))
def test_units_do_not_decide_what_is_singular(c, seed, n, power):
    """Scaling all of A scales x and changes no verdict."""
    rng = np.random.default_rng(seed)
    A = rng.integers(-4, 5, (n, n)) + 40.0 * np.eye(n)
    b, scale = rng.standard_normal(n), 2.0 ** round(power)
    np.testing.assert_allclose(c.solve(A * scale, b) * scale, c.solve(A, b), rtol=1e-12)
    singular = np.outer(A[:, 0], A[0]) if n > 1 else np.zeros((1, 1))
    with pytest.raises(np.linalg.LinAlgError):
        c.solve(singular * scale, b)


@pytest.mark.parametrize(
    "A",
    [
        [1, 2],
        np.ones((2, 2, 2)),
        3.0,
        [[np.nan]],
        [[np.inf, 1], [1, 1]],
        [[1j * np.inf]],
    ],
)
def test_what_is_no_matrix_of_finite_numbers_is_refused(c, A):
    for f in (c.factor, c.inverse, lambda M: c.solve(M, [1.0])):
        with pytest.raises(ValueError):
            f(A)


@pytest.mark.parametrize(
    ("A", "b"),
    [
        (np.eye(2), [1.0]),
        (np.eye(2), np.ones((2, 1, 1))),
        (np.eye(2), 1.0),
        (np.ones((3, 2)), np.ones(3)),
        (np.ones((2, 3)), np.ones(2)),
    ],
)
def test_misfits_are_refused(c, A, b):
    with pytest.raises(ValueError, match="needs"):
        c.solve(A, b)


def test_edges(c):
    assert c.solve([[4]], [2]).tolist() == [0.5] and c.inverse([[4]]).tolist() == [
        [0.25]
    ]
    assert c.solve(np.zeros((0, 0)), np.zeros(0)).shape == (0,)
    assert c.solve(np.zeros((0, 0)), np.zeros((0, 3))).shape == (0, 3)
    assert c.inverse(np.zeros((0, 0))).shape == (0, 0)
    with pytest.raises(np.linalg.LinAlgError, match="column 1"):
        c.solve(np.zeros((2, 2)), [1, 2])
    with pytest.raises(np.linalg.LinAlgError, match="pivot 2 is 0"):
        c.factor([[1, 1, 0], [1, 1, 1], [0, 1, 1]], pivot=False)
    assert c.factor([[0, 0], [0, 0]], pivot=False)[2].tolist() == [[0, 0], [0, 0]]


def test_counts(c):
    assert [c.costs(n) for n in (1, 2, 9)] == [(0, 1), (2, 4), (240, 81)]


@st.composite
def units(draw):
    """Powers of two about 10^-150 to 10^150: exact to multiply with, so that no rounding may change."""
    return 2.0 ** draw(st.integers(-498, 498))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 6), st.booleans(), units(), units(), st.data())
def test_no_unit_changes_a_verdict(c, seed, n, singular, of_b, of_a, data):
    """Kind: the unit of A, of b, or of one column. Witness: exact elimination of the same whole numbers."""
    rng = np.random.default_rng(seed)
    rank = max(1, n - 1) if singular else n
    A = rng.integers(-5, 6, (n, rank)) @ rng.integers(-5, 6, (rank, n))
    b = rng.integers(-9, 10, n)
    column = np.ones(n)
    column[data.draw(st.integers(0, n - 1))] = data.draw(units())

    def verdict(matrix, side):
        try:
            return c.solve(matrix, side)
        except np.linalg.LinAlgError as refusal:
            return str(refusal)

    plain = verdict(A * 1.0, b * 1.0)
    others = [
        (verdict(A * of_a, b * 1.0), 1 / of_a),
        (verdict(A * 1.0, b * of_b), of_b),
        (verdict(A * column, b * 1.0), 1 / column),
    ]
    for answer, factor in others:
        if isinstance(plain, str):
            assert answer == plain and "at this tolerance" in plain
        else:
            np.testing.assert_array_equal(answer, plain * factor)
    truth = verdict(A.astype(object), b)
    if isinstance(plain, np.ndarray) and isinstance(truth, np.ndarray):
        room = 1e3 * EPS * np.linalg.cond(A) * max(np.abs(truth.astype(float)))
        assert np.abs(plain - truth.astype(float)).max() <= room


def test_rows_and_columns_of_very_different_size(c):
    np.testing.assert_allclose(c.solve([[1, 1e16], [0, 1]], [1e16, 1]), [0, 1])
    np.testing.assert_allclose(c.solve(np.diag([1e12, 1]), [1e12, 1]), [1, 1])
    years = np.vander(np.arange(2000.0, 2020, 5), 4)
    x, b = c.solve(years, years @ np.ones(4)), years @ np.ones(4)  # cond 1e17: answered
    assert np.all(np.abs(years @ x - b) <= 100 * EPS * (years @ np.abs(x)))
    for huge in ([[1e308, 1e308], [-1e308, 1e308]], [[1e-300]]):
        with pytest.raises(np.linalg.LinAlgError, match="units"):
            c.solve(huge, [1e100] * len(huge))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 4), st.data())
def test_units_of_rows_too_far_apart_are_answered_or_said(c, seed, n, data):
    """Kind: products that are too small for floats. Witness: exact elimination of the same numbers."""
    rng = np.random.default_rng(seed)
    unit = st.lists(st.integers(-480, 480), min_size=n, max_size=n)
    rows, columns = 2.0 ** np.array([data.draw(unit), data.draw(unit)])
    A = rng.integers(-5, 6, (n, n)) * rows[:, None] * columns
    x = rng.integers(1, 9, n) / columns
    exact = np.array([Fraction(v) for v in A.flat], dtype=object).reshape(n, n)
    try:
        b = np.array([float(v) for v in exact @ [Fraction(v) for v in x]])
        found = c.solve(A, b)
        truth = c.solve(exact, np.array([Fraction(v) for v in b], dtype=object))
    except (np.linalg.LinAlgError, OverflowError) as refusal:
        assert not isinstance(refusal, np.linalg.LinAlgError) or str(refusal)
        return
    far = exact @ [Fraction(v) for v in found] - [Fraction(v) for v in b]
    p, L, U = c.factor(A)
    size = np.abs(L) @ (np.abs(U) @ np.abs(found)) + np.abs(b[p])
    steps = 1 + np.abs(A[p]).sum(axis=1)
    assert np.all(
        np.abs(far[p].astype(float)) <= 100 * n * (EPS * size + 5e-324 * steps)
    )
    assert len(truth) == n


def test_a_multiplier_that_vanishes_is_noticed(c):
    for A, b in (
        ([[1e200, 1e200], [1e-200, -1e-200]], [2e200, 0]),
        ([[1e200, 0], [1e-200, 1e-200]], [1e200, 1e-200]),
    ):
        with pytest.raises(np.linalg.LinAlgError, match="units of the rows"):
            c.solve(A, b)
    assert c.solve([[1e200, 0], [1e-200, 1]], [1e200, 1]).tolist() == [1, 1]
    assert c.solve(np.diag([1e200, 1e-200]), [1e200, 1e-200]).tolist() == [1, 1]


def test_singular_whole_matrices_are_caught_exactly_and_mostly_in_floats(c):
    """400 singular 3 x 3 matrices: all as objects; as floats, all but a few (7 went through once)."""
    rng, missed = np.random.default_rng(400), 0
    for _ in range(400):
        A = rng.integers(-5, 6, (3, 2)) @ rng.integers(-5, 6, (2, 3))
        with pytest.raises(np.linalg.LinAlgError, match="^singular"):
            c.solve(A.astype(object), [1, 1, 1])
        try:
            c.solve(A, [1, 1, 1])
            missed += 1
        except np.linalg.LinAlgError as refusal:
            assert "looks singular at this tolerance" in str(refusal)
    assert missed <= 8


@pytest.mark.parametrize(
    "wrap", [int, np.int64, Fraction, sp.Integer, lambda v: np.int8(v)]
)
def test_objects_are_decided_exactly_whatever_their_type(c, wrap):
    A = np.array([[wrap(3), wrap(1)], [wrap(1), wrap(1)]], dtype=object)
    x = c.solve(A, [1, 0])
    assert x.tolist() == [Fraction(1, 2), Fraction(-1, 2)]
    assert all(isinstance(v, Fraction) for v in [*x, *c.inverse(A).flat])
    wide = c.solve(
        [[2**70, 1], [1, 2**70]], [2**70 + 1, 2**70 + 1]
    )  # no int64 holds them
    assert wide.tolist() == [1, 1]


@pytest.mark.parametrize("bad", [0.5, "a", None, 1j, sp.Symbol("x")])
def test_objects_that_are_no_fractions_are_refused(c, bad):
    with pytest.raises(ValueError, match="whole numbers or fractions"):
        c.factor(np.array([[bad, 1], [1, 1]], dtype=object))
    with pytest.raises(ValueError, match="whole numbers or fractions"):
        c.solve(np.array([[2]], dtype=object), [bad])


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint64, np.float16, np.float32])
def test_every_number_type_becomes_a_float(c, kind):
    x = c.solve(np.array([[1, 0], [1, 1]], kind), np.array([1, 1], kind))
    assert x.dtype == float and x.tolist() == [1, 0]


def test_forgetting_to_swap_the_multipliers_is_noticed(c):
    """The pitfall of the chapter: here L is not what it would be if its rows had stayed put."""
    A = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 10]])
    p, L, U = c.factor(A)
    forgotten = L.copy()
    forgotten[[1, 2], 0] = L[[2, 1], 0]
    assert np.allclose(A[p], L @ U) and not np.allclose(A[p], forgotten @ U)


# Kind: complex numbers at the ends of the floats, where numpy's own `/` and `abs` fail.
ENDS = [-1074, -1060, -1030, -900, 900, 1000, 1020]


def gaussian(rng, *shape):
    """Whole complex numbers with parts of at most 2: elimination of order 3 grows them by less than 8."""
    return rng.integers(-2, 3, shape) + 1j * rng.integers(-2, 3, shape)


def close(found, above, below, ulps=8):
    """Is found = above / below, for whole complex numbers, within some roundings?"""
    size = below.real**2 + below.imag**2
    top = above * below.conjugate()
    parts = [Fraction(int(v)) / int(size) for v in (top.real, top.imag)]
    gap = [
        abs(Fraction(v) - t)
        for v, t in zip((found.real, found.imag), parts, strict=True)
    ]
    return max(gap) <= ulps * Fraction(EPS) * max(map(abs, parts))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 4), st.sampled_from(ENDS))
def test_complex_multipliers_at_both_ends_of_the_floats(c, seed, m, power):
    """Witness: the same quotients of whole numbers in fractions."""
    column = gaussian(np.random.default_rng(seed), m, 1)
    p, L, U = c.factor(column * 2.0**power)
    assert U[0, 0] == column[p[0], 0] * 2.0**power
    assert np.all(np.abs(L) <= 1 + 8 * EPS)
    for spot in range(1, m):
        if column[p[0], 0]:
            assert close(L[spot, 0], column[p[spot], 0], column[p[0], 0])
    if column[p[0], 0]:
        [x] = c.solve(column[p[:1]] * 2.0**power, column[p[:1], 0] * 2.0**power)
        assert close(x, 1 + 0j, 1 + 0j)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 3), st.integers(1, 3), st.sampled_from(ENDS[3:]))
def test_complex_factors_do_not_know_their_unit(c, seed, m, n, power):
    """Witness: the same matrix near 1; a power of two may change no rounding."""
    rng = np.random.default_rng(seed)
    A, unit = gaussian(rng, m, n), 2.0**power
    (p, L, U), (p2, L2, U2) = c.factor(A), c.factor(A * unit)
    assert p.tolist() == p2.tolist()
    np.testing.assert_array_equal(L, L2)
    np.testing.assert_array_equal(U * unit, U2)
    if m == n:
        b, answers = gaussian(rng, n), []
        for of_A, of_b in ((1.0, 1.0), (unit, unit * 2.0**-20)):
            try:
                answers.append(c.solve(A * of_A, b * of_b) * of_A / of_b)
            except np.linalg.LinAlgError as refusal:
                answers.append(str(refusal))
        np.testing.assert_array_equal(*answers)


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.integers(2, 5), st.sampled_from([1.0, 1j]))
def test_near_the_largest_float_nothing_new_is_singular(c, seed, n, phase):
    """Kind: sums that overflow in a verdict. Witness: the verdict on the same matrix near 1."""
    rng = np.random.default_rng(seed)
    A, b = rng.integers(-1, 2, (n, n)) * phase, rng.integers(-1, 2, n) * phase
    verdicts = []
    for unit in (1.5, 1.5 * 2.0**1022):
        try:
            verdicts.append(c.solve(A * unit, b * unit))
        except np.linalg.LinAlgError as refusal:
            verdicts.append(str(refusal))
    if not (isinstance(verdicts[1], str) and "too large" in verdicts[1]):
        np.testing.assert_array_equal(*verdicts)


def test_large_numbers_hide_no_loss(c):
    """Kind: a bound that overflows to infinity forgives everything. The answer is (.85, .85)."""
    with np.testing.assert_raises_regex(np.linalg.LinAlgError, "units of the rows"):
        c.solve([[1e308, 1e308], [1e-20, -1e-20]], [1.7e308, 0])
    third = 1.5e308 * np.array([[1, 0, 1], [0, 1, 1], [1, -1, 1.0]])
    x = c.solve(third, [1.5e308, 1e308, 1e308])
    np.testing.assert_allclose(x, [2 / 3, 1 / 3, 1 / 3], rtol=16 * EPS)


@pytest.mark.parametrize(
    "much", [10**400, Fraction(-(10**400), 3)], ids=["whole", "fraction"]
)
def test_whole_numbers_beyond_floats_are_refused_in_words(c, much):
    with pytest.raises(ValueError, match="too large for floats"):
        c.solve([[1.0]], [much])
    assert c.solve([[much]], [much]) == [1], "exact numbers have no largest"


def test_long_doubles_are_floats_or_refused(c):
    assert c.solve(np.array([[2]], np.longdouble), [1]).dtype == float
    for text in ("1e4000", "-1e400"):
        with pytest.raises(ValueError, match="finite"):
            c.factor(np.array([[text]]).astype(np.longdouble))
