"""chapters/linalg-two-pictures.ipynb: the five products on shapes and numbers that nobody chose."""

import re
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


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-(2**62), 2**62), min_size=4, max_size=4),
    st.lists(st.integers(-(2**62), 2**62), min_size=4, max_size=4),
    st.booleans(),
)
def test_objects_times_whole_numbers_do_not_wrap(c, left, right, turned):
    """Kind: Python's numbers beside numpy's, which wrap. Witness: sums of Python's."""
    A = np.array(left, object).reshape(2, 2)
    B = np.array(right, np.int64).reshape(2, 2)
    truth = [
        [sum(left[2 * i + k] * right[2 * k + j] for k in (0, 1)) for j in (0, 1)]
        for i in (0, 1)
    ]
    if turned:  # numpy's on the left
        A, B, truth = B.T, A.T, np.array(truth, object).T.tolist()
    for name in PRODUCTS:
        assert getattr(c, name)(A, B).tolist() == truth, name


@pytest.mark.parametrize("name", PRODUCTS)
def test_lists_with_one_number_too_large_for_int64(c, name):
    product = getattr(c, name)([[2**40, 0], [0, 2**70]], [[2**40], [0]])
    assert product.tolist() == [[2**80], [0]]


@pytest.mark.parametrize(("x", "y", "turn"), [(1, 2, 0), (-0.5, 2.5, 100), (0, 0, 40)])
def test_the_arrows_are_laid_head_to_tail(c, run_script, x, y, turn):
    """The script's arrows end where the columns say, and are those that Python draws."""
    done = run_script(c.MOVE, {"x": x, "y": y, "turn": turn})["set"]
    columns = np.array([[2, turn / 100 - 1], [-1, 2 - turn / 200]])
    corners = np.cumsum([[0, 0], x * columns[0], y * columns[1]], axis=0)
    for k, name in enumerate((".c1", ".c2")):
        line, head = (
            np.array(re.findall(r"-?[\d.]+(?:e-?\d+)?", done[f"{part} d"]), float)
            for part in (name, name + "h")
        )
        begin, end = corners[k : k + 2] * [24, -24] + [344, 162]
        np.testing.assert_allclose(line[:2], begin, atol=1e-9)
        np.testing.assert_allclose(head[2:4], end, atol=1e-9)
        np.testing.assert_allclose((head[:2] + head[4:]) / 2, line[2:], atol=1e-9)
        assert np.linalg.norm(end - line[2:]) <= 12 + 1e-9
        if (begin != end).any():
            for ours, path in zip(
                (line, head), c.arrow(*corners[k], *corners[k + 1]), strict=True
            ):
                drawn = np.array(re.findall(r"-?[\d.]+", path), float)
                np.testing.assert_allclose(drawn, ours, atol=0.0501)
