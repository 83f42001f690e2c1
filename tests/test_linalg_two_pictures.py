"""chapters/linalg-two-pictures.ipynb: the five products on shapes and numbers that nobody chose."""

from fractions import Fraction

import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

NAME = "linalg-two-pictures"
PRODUCTS = ("by_dots", "by_columns", "by_rows", "by_outer", "by_blocks")
KINDS = (np.int8, np.int64, np.float32, np.float64, np.complex64, np.complex128)


@pytest.fixture(scope="module")
def c():
    return chapter(NAME)


def numbers(rng, shape, kind):
    """Return an array of this dtype; whole numbers are small enough not to overflow an int8 product."""
    values = rng.integers(-3, 4, shape)
    if np.issubdtype(kind, np.integer):
        return values.astype(kind)
    values = values * 10.0 ** rng.integers(-6, 7) / 7
    if np.issubdtype(kind, np.complexfloating):
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(kind)


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*[st.integers(0, 7)] * 3),
    st.sampled_from(KINDS),
    st.sampled_from(KINDS),
)
def test_five_products_agree_with_the_library(c, seed, size, left, right):
    rng = np.random.default_rng(seed)
    m, n, p = size
    A, B = numbers(rng, (m, n), left), numbers(rng, (n, p), right)
    before = A.copy(), B.copy()
    expected = A @ B
    bound = 0
    if expected.dtype.kind in "fc":
        eps = np.finfo(expected.dtype).eps
        bound = 4 * max(n, 1) * eps * (np.abs(A) @ np.abs(B))
    for name in PRODUCTS:
        C = getattr(c, name)(A, B)
        assert C.shape == expected.shape and C.dtype == expected.dtype
        assert np.all(np.abs(C - expected) <= bound), name
    assert np.array_equal(A, before[0]) and np.array_equal(B, before[1])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(0, 12)] * 3))
def test_the_four_loops_share_their_bits(c, seed, size):
    m, n, p = size
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n)).astype(np.float32)
    B = rng.standard_normal((n, p)).astype(np.float32)
    first, *others = (getattr(c, name)(A, B) for name in PRODUCTS[:4])
    assert all(np.array_equal(first, C) for C in others)
    half = n // 2
    two = c.by_dots(A[:, :half], B[:half]) + c.by_dots(A[:, half:], B[half:])
    assert np.array_equal(c.by_blocks(A, B), two)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(0, 5)] * 3))
def test_exact_numbers_stay_exact_and_are_counted(c, seed, size):
    m, n, p = size
    rng = np.random.default_rng(seed)

    def exact(rows, columns):
        pairs = rng.integers(1, 50, (rows * columns, 2))
        entries = [c.Counted(Fraction(int(a), int(b))) for a, b in pairs]
        return np.array(entries, dtype=object).reshape(rows, columns)

    A, B = exact(m, n), exact(n, p)
    for name in PRODUCTS:
        c.Counted.made = 0
        C = getattr(c, name)(A, B)
        assert c.Counted.made == m * n * p, name
        for i, j in np.ndindex(m, p):
            total = sum(
                (Fraction(A[i, k]) * Fraction(B[k, j]) for k in range(n)), Fraction(0)
            )
            assert C[i, j] == total


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 3), (2, 3)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((), ()),
        ((1, 2, 2), (2, 2)),
        ((0, 3), (0, 3)),
    ],
)
def test_misfits_are_refused(c, name, left, right):
    with pytest.raises(ValueError, match="cannot multiply"):
        getattr(c, name)(np.ones(left), np.ones(right))


@pytest.mark.parametrize("name", PRODUCTS)
def test_edges(c, name):
    product = getattr(c, name)
    assert product([[3]], [[4]]).tolist() == [[12]]
    assert product(np.zeros((2, 0)), np.zeros((0, 3))).tolist() == [[0] * 3] * 2
    assert product(np.zeros((0, 2)), np.zeros((2, 0))).shape == (0, 0)
    with np.errstate(invalid="ignore"):
        assert np.isnan(product([[np.inf, 1.0]], [[0.0], [1.0]])).all()


def test_the_printed_sum_is_triu(c):
    rng = np.random.default_rng(0)
    A, B = rng.integers(-9, 10, (4, 6)), rng.integers(-9, 10, (6, 3))
    assert np.array_equal(c.from_k_is_i(A, B), np.triu(A) @ B)
    assert not np.array_equal(c.from_k_is_i(A, B), A @ B)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([np.int8, np.uint8, np.int32, np.int64, np.uint64]), st.data())
def test_areas_do_not_wrap(c, kind, data):
    """Kind: whole numbers of a small type, multiplied and subtracted in it. Witness: Python's whole numbers."""
    info = np.iinfo(kind)
    entry = st.integers(int(info.min), int(info.max))
    a, b, p, q = (data.draw(entry) for _ in range(4))
    u, v = np.array([a, b], kind), np.array([p, q], kind)
    assert c.area(u, v) == a * q - b * p == c.area([a, b], [p, q])
