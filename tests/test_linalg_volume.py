"""chapters/linalg-volume.ipynb: determinants of matrices that nobody chose, each by several ways, and what they refuse."""

from decimal import Decimal
from fractions import Fraction
from math import gcd

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

NAME = "linalg-volume"
EPS = np.finfo(float).eps


@pytest.fixture(scope="module")
def c():
    return chapter(NAME)


@st.composite
def whole_matrices(draw, high=5):
    n = draw(st.integers(0, high))
    size = draw(st.sampled_from([1, 3, 10**6, 10**20]))
    entry = st.one_of(st.just(0), st.integers(-size, size))
    return [[draw(entry) for _ in range(n)] for _ in range(n)]


@settings(max_examples=150, deadline=None)
@given(M=whole_matrices())
def test_three_exact_ways_agree_and_leave_the_matrix_alone(c, M):
    before = [row[:] for row in M]
    exact = sp.Matrix(len(M), len(M), [x for row in M for x in row]).det()
    assert c.bareiss(M) == exact == c.leibniz(M)[0]
    assert len(M) > 4 or c.by_rules(M) == exact
    assert before == M


@settings(max_examples=40, deadline=None)
@given(n=st.integers(6, 14), seed=st.integers(0, 2**32 - 1), rank=st.integers(0, 14))
def test_bareiss_on_larger_and_singular_matrices(c, n, seed, rank):
    rng = np.random.default_rng(seed)
    rank = min(rank, n)
    M = rng.integers(-3, 4, (n, rank)) @ rng.integers(-3, 4, (rank, n))
    before = M.copy()
    assert c.bareiss(M) == sp.Matrix(M.tolist()).det() and (
        rank == n or c.bareiss(M) == 0
    )
    assert np.array_equal(M, before)


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(0, 12),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["whole", "real", "complex", "float32", "low rank", "zero"]),
    scale=st.sampled_from([1.0, 1e-9, 1e9]),
)
def test_elimination_against_the_library(c, n, seed, kind, scale):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n)) * scale
    if kind == "whole":
        X = rng.integers(-9, 10, (n, n))
    elif kind == "complex":
        X = X + 1j * scale * rng.normal(size=(n, n))
    elif kind == "float32":
        X = X.astype(np.float32)
    elif kind == "low rank":
        X = np.outer(X[:, 0], X[0]) if n else X
    elif kind == "zero":
        X = X * 0
    before = X.copy()
    bound = float(np.prod(np.linalg.norm(X.astype(complex), axis=1)))  # Hadamard
    exact = np.linalg.det(X.astype(complex))
    assert abs(c.determinant(X) - exact) <= 1e3 * (n + 1) * EPS * bound
    sign, size = c.log_determinant(X)
    assert np.array_equal(X, before) and (sign == 0) == (size == -np.inf)
    if abs(exact) > 1e-9 * bound > 0:
        # In double: numpy would answer for float32 in float32, whose steps near 257 are wider than the tolerance.
        theirs = np.linalg.slogdet(X.astype(complex))
        assert abs(sign - theirs.sign) < 1e-5 and abs(size - theirs.logabsdet) < 1e-5
    swaps, pivots, count = c.eliminate(X)
    assert swaps in (1, -1) and len(pivots) == n and count <= (n**3 - n) // 3


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(
        [np.int8, np.uint8, np.int32, np.int64, np.uint64, object, bool]
    ),
)
def test_whole_numbers_of_any_type_do_not_wrap(c, n, seed, kind):
    """Kind: numpy's integers in what is called exact. Witness: sympy on Python's integers."""
    rng = np.random.default_rng(seed)
    info = np.iinfo(np.int64 if kind is object else np.uint8 if kind is bool else kind)
    entries = [
        [int(x) for x in rng.integers(info.min // 2, info.max // 2, n)]
        for _ in range(n)
    ]
    M = np.array(entries, dtype=kind)
    exact = sp.Matrix([[int(x) for x in row] for row in M]).det()
    assert c.leibniz(M)[0] == c.by_rules(M) == exact
    assert kind is bool or c.bareiss(M) == exact
    first = [int(x) for x in M[0]]
    assert sp.Matrix([first]).dot(c.cofactors(M)[0, :]) == exact


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    unreal=st.booleans(),
    data=st.data(),
)
def test_units_go_through_the_determinant(c, n, seed, unreal, data):
    """Kind: the unit of a column. det A D = det A · det D, with det D collected exactly."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n, n)) + unreal * 1j * rng.normal(size=(n, n))
    powers = np.array(
        data.draw(
            st.lists(st.sampled_from([-900, -498, 0, 498, 900]), min_size=n, max_size=n)
        )
    )
    scaled, total = A * 2.0**powers, int(powers.sum())
    value = c.determinant(scaled)
    if total > 1100:
        assert np.isinf(value)
    elif abs(total) < 900:
        assert value == c.determinant(A) * 2.0**total
    sign, size = c.log_determinant(scaled)
    plain_sign, plain_size = c.log_determinant(A)
    assert sign == plain_sign
    np.testing.assert_allclose(
        size, plain_size + total * np.log(2), rtol=1e-12, atol=1e-10
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(0, 2**32 - 1), st.data())
def test_units_of_rows_and_columns_go_through_the_determinant(c, n, seed, data):
    """Kind: the unit of each row and column, up to 2^±900 at once. Witness: Bareiss, exactly."""
    A = np.random.default_rng(seed).integers(-9, 10, (n, n))
    unit = st.lists(st.integers(-900, 900), min_size=n, max_size=n)
    rows, columns = np.array(data.draw(unit)), np.array(data.draw(unit))
    rows, columns = rows - max(rows), columns - min(columns)  # all entries are floats
    twos, truth = int(rows.sum() + columns.sum()), c.bareiss(A)
    scaled = np.ldexp(A * 1.0, np.clip(rows[:, None] + columns, -1000, 1000))
    if np.abs(rows[:, None] + columns).max() > 1000:
        return
    sign, logarithm = c.log_determinant(scaled)
    if abs(truth) > 0:
        assert sign == np.sign(truth)
        assert abs(logarithm - np.log(2) * twos - np.log(abs(truth))) < 1e-9
        if abs(twos) < 1000:
            assert abs(np.ldexp(c.determinant(scaled), -twos) / truth - 1) < 1e-9


def test_products_that_overflow_on_the_way(c):
    for A in ([[1e200, 1e200], [1e-200, -1e-200]], [[1e-200, 1e200], [1e-200, -1e200]]):
        np.testing.assert_allclose(c.determinant(A), -2, rtol=10 * EPS)
    assert c.determinant(np.diag([1e200, 1e200, 0])) == 0
    for diagonal in ([1e200, 1e200, 1e-200, 1e-200], [1e-200, 1e-200, 1e200, 1e200]):
        np.testing.assert_allclose(c.determinant(np.diag(diagonal)), 1, rtol=10 * EPS)
        np.testing.assert_allclose(
            c.determinant(1j * np.diag(diagonal)), 1, rtol=10 * EPS
        )
    assert c.leibniz(np.diag([1e200, 1e200, 0.0]))[0] == 0
    assert c.determinant([[1e308, 1e308], [-1e308, 1e308]]) == np.inf
    with pytest.raises(ValueError, match="square"):
        c.by_rules([[1, 2]])


def test_floats_are_the_fractions_that_they_are(c):
    near = [[0.1, 0.3], [0.3, 0.9]]  # singular as decimals, not as doubles
    x = c.cramer(near, [1, 1])
    assert sp.Matrix([[sp.Rational(v) for v in r] for r in near]) * x == sp.ones(2, 1)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_cramer_and_cofactors(c, n, seed):
    rng = np.random.default_rng(seed)
    M, b = rng.integers(-4, 5, (n, n)), rng.integers(-4, 5, n)
    A = sp.Matrix(M.tolist())
    assert A * c.cofactors(M).T == A.det() * sp.eye(n)
    if A.det() == 0:
        with pytest.raises(np.linalg.LinAlgError):
            c.cramer(M, b)
    else:
        assert A * c.cramer(M, b) == sp.Matrix(b.tolist())


@pytest.mark.parametrize(
    "name",
    ["bareiss", "leibniz", "determinant", "log_determinant", "eliminate", "cofactors"],
)
@pytest.mark.parametrize(
    "bad", [np.ones((2, 3), int), np.ones((3, 2), int)], ids=["wide", "tall"]
)
def test_only_square_matrices(c, name, bad):
    with pytest.raises(ValueError):
        getattr(c, name)(bad)


def test_other_bad_input_and_the_empty_matrix(c):
    for bad in ([[np.nan]], [[np.inf]], [["a"]], [1, 2], 3, [[1, 2], [3]]):
        with pytest.raises(ValueError):
            c.determinant(bad)
    for bad in ([[1.5]], [["a"]], [[1, 2], [3]]):
        with pytest.raises(ValueError):
            c.bareiss(bad)
    for bad in (
        [[1, 2]],
        [],
        3,
        [[1, 2], [3]],
        [["1"]],
        [[np.nan]],
        [[sp.oo]],
        [[None]],
    ):
        with pytest.raises(ValueError):
            c.cofactors(bad)
        with pytest.raises(ValueError):
            c.cramer(bad, [1])
    for bad in (np.nan, np.inf, -np.inf, "1", None, np.clongdouble(1)):
        with pytest.raises(ValueError, match="finite numbers"):
            c.cramer([[2]], [bad])
    for rule in (c.leibniz, c.by_rules):
        for bad in (3, [1, 2], None):
            with pytest.raises(ValueError, match="needs a matrix"):
                rule(bad)
    with pytest.raises(ValueError, match="order 8"):
        c.leibniz(np.eye(9))
    with pytest.raises(ValueError):
        c.cramer([[1, 2], [3, 4]], [1, 2, 3])
    assert c.bareiss([]) == 1 == c.determinant(np.zeros((0, 0))) and c.log_determinant(
        np.zeros((0, 0))
    ) == (1, 0)
    assert c.bareiss([[-7]]) == -7 == c.determinant([[-7]]) and c.leibniz([[2j]])[
        0
    ] == 2j == c.determinant([[2j]])


def test_large_pivots_overflow_to_inf_but_not_in_the_logarithm(c):
    big = 1e200 * np.eye(4)
    assert c.determinant(big) == np.inf and np.isclose(
        c.log_determinant(big)[1], 800 * np.log(10)
    )


PARTS = st.just(0.0) | st.builds(
    np.ldexp,
    st.floats(0.5, 0.999) | st.floats(-0.999, -0.5),
    st.sampled_from([-1072, -1040, -700, -360, 0, 360, 700, 1023]),
)


@settings(max_examples=150, deadline=None)
@given(n=st.integers(1, 3), unreal=st.booleans(), data=st.data())
def test_determinants_from_the_smallest_float_to_the_largest(c, n, unreal, data):
    """Kind: numpy's complex / and abs at the ends of the floats. Witness: mpmath with 2,500 digits.

    Room: what is left out or rounded is n^2 ε, for growth ten times that, beside Hadamard's bound of the scaled matrix.
    """
    part = st.builds(complex, PARTS, PARTS) if unreal else PARTS
    A = np.array([[data.draw(part) for _ in range(n)] for _ in range(n)])
    with mpmath.workdps(2500):  # 3 · 632 digits lie between the ends of a product
        exact = mpmath.mpc(0)
        for columns in c.itertools.permutations(range(n)):
            term = mpmath.mpc(c.parity(columns))
            for i, j in enumerate(columns):
                term *= mpmath.mpmathify(A[i, j].item())
            exact += term
        M, twos = c.apart(A)
        bound = (
            mpmath.mpf(float(np.prod(np.linalg.norm(M, axis=1))))
            * mpmath.mpf(2) ** twos
        )
        room = 10 * n * n * EPS * bound
        sign, logarithm = c.log_determinant(A)
        assert np.isfinite(sign) and (sign == 0) == (logarithm == -np.inf)
        if sign == 0:
            assert abs(exact) <= room
        else:
            told = mpmath.mpmathify(sign.item()) * mpmath.exp(mpmath.mpf(logarithm))
            # the logarithm itself is rounded, at up to 2,200 in size
            assert abs(told - exact) <= room + 1e-11 * abs(exact)
        largest = mpmath.mpf(np.finfo(float).max)
        value = c.determinant(A)
        if not (abs(exact.real) + room > largest or abs(exact.imag) + room > largest):
            assert abs(mpmath.mpmathify(value.item()) - exact) <= room + 1e-323


def test_pivots_below_the_normal_floats(c):
    tiny = 1e-310 * (1 + 1j)
    hidden = np.array([[0, 1, 1], [1, tiny, 0], [1, 0, 0]])
    sign, size = c.log_determinant(hidden)
    assert abs(sign + (1 + 1j) / 2**0.5) < 1e-12  # det is −tiny
    assert abs(size - np.log(1e-310 * 2**0.5)) < 1e-9
    for unit in (tiny, 1e308 * (1 + 1j)):
        swaps, pivots, _ = c.eliminate(np.array([[unit, 1], [unit, 2]]))
        assert swaps == 1 and abs(pivots[1] - 1) < 1e-12


def test_an_entry_far_below_its_row_and_column_counts_as_0(c):
    small = [[0, 1e30, 1e30], [1e30, 1e-300, 0], [1e30, 0, 0]]  # det −1e-240
    bound = np.prod(np.linalg.norm(small, axis=1))
    assert abs(c.determinant(small)) <= 1e-240 <= EPS * bound  # as the docstring says


X = sp.Symbol("x")
ROOTS = [sp.sqrt(5 + 2 * sp.sqrt(6)), sp.sqrt(2) + sp.sqrt(3)]  # one number
ONE = [X / (X + 1) + 1 / (X + 1), sp.sin(X) ** 2 + sp.cos(X) ** 2]  # 1, two ways


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    pair=st.sampled_from([ROOTS, [ONE[0], 1], [1, ONE[1]]]),
)
def test_a_determinant_that_is_zero_in_disguise(c, seed, pair):
    """Kind: an expression that is 0 without looking so. Witness: the same matrix, simplified beforehand."""
    p, q, r = np.random.default_rng(seed).integers(1, 9, 3).tolist()
    disguised = [[p * pair[0], q], [p * r * pair[1], r * q]]
    with pytest.raises(np.linalg.LinAlgError):
        c.cramer(disguised, [1, 2])
    disguised[1][1] += 1
    x = c.cramer(disguised, [1, 2])
    assert sp.simplify(sp.Matrix(disguised) * x - sp.Matrix([1, 2])) == sp.zeros(2, 1)


def test_a_determinant_of_which_sympy_cannot_tell_is_refused(c):
    class Secret(sp.Symbol):
        def equals(self, other):
            return None

    with pytest.raises(ValueError, match="cannot tell"):
        c.cramer([[Secret("s")]], [1])


@settings(max_examples=40, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=30) | st.floats(-9, 9))
def test_decimals_and_floats_are_the_fractions_that_they_are(c, x):
    """Kind: a number type that sympy rounds. Witness: Python's Fraction."""
    assert c.exact([[x]])[0] == sp.Rational(*Fraction(x).as_integer_ratio())
    assert c.cramer([[3]], [x])[0] * 3 == sp.Rational(*Fraction(x).as_integer_ratio())
    for bad in (Decimal("NaN"), Decimal("Infinity")):
        with pytest.raises(ValueError, match="finite"):
            c.exact([[bad]])


@pytest.mark.parametrize("name", ["bareiss", "leibniz", "by_rules", "determinant"])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,), (0, 0, 0), (2, 2, 2), (1, 0)])
def test_shapes_with_nothing_in_them_are_not_square(c, name, shape):
    """Kind: a shape that a list of rows has lost."""
    with pytest.raises(ValueError, match="square|needs? a matrix"):
        getattr(c, name)(np.zeros(shape, int))
    assert getattr(c, name)(np.zeros((0, 0), int)) in (1, (1, [1]))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=7),
    st.tuples(st.integers(-5, 5), st.integers(-5, 5)),
    st.sampled_from([1, 10**6, 10**25]),
)
def test_inside_rim_and_outside_at_any_size(c, corners, p, size):
    """Kind: a tolerance in angle, for whole numbers. Witness: angles in 60 digits, and the rim by gcd."""
    corners = [(size * x, size * y) for x, y in corners]
    p = size * p[0], size * p[1]
    edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
    on_rim = False
    for (a, b), (x, y) in edges:
        step = gcd(x - a, y - b) or 1
        dx, dy = (x - a) // step, (y - b) // step
        along = ((p[0] - a) // dx if dx else (p[1] - b) // dy) if dx or dy else 0
        on_rim |= (a + along * dx, b + along * dy) == p and 0 <= along <= step
    with mpmath.workdps(60):
        rays = [mpmath.mpc(x - p[0], y - p[1]) for x, y in corners]
        if not on_rim:
            turn = sum(
                mpmath.arg(w / z)
                for z, w in zip(rays, rays[1:] + rays[:1], strict=True)
            )
            assert c.winds(p, corners) == 2 * abs(round(float(turn / 2 / mpmath.pi)))
        else:
            assert c.winds(p, corners) == 1
    if size < 10**18:
        as_arrays = np.array(corners), np.array(p)
        assert c.winds(as_arrays[1], as_arrays[0]) == c.winds(p, corners)


def test_a_point_beside_a_long_edge(c):
    triangle = [(0, 0), (200001, 2), (0, 200000)]
    assert c.winds((100000, 1), triangle) == 2 == c.winds((100000, 1), triangle[::-1])
    assert c.winds((100001, 1), triangle) == 0
    small = np.array([(0, 0), (200, 0), (200, 200), (0, 200)], np.uint8)
    assert [c.winds(q, small) for q in ((100, 100), (0, 7), (255, 9))] == [2, 1, 0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-(2**62), 2**62), min_size=4, max_size=4))
def test_torch_and_what_is_read_once_have_the_same_determinant(c, entries):
    """Kind: whole numbers that wrap, rows that can be read once. Witness: ad - bc in Python's."""
    a, b, c_, d = entries
    rows, truth = [[a, b], [c_, d]], a * d - b * c_
    for name in ("leibniz", "by_rules", "bareiss"):
        for given_rows in (torch.tensor(rows), zip((a, c_), (b, d), strict=True)):
            value = getattr(c, name)(given_rows)
            value = value[0] if name == "leibniz" else value
            assert value == truth and type(value) is int, name
