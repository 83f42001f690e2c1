"""chapters/linalg-missing-directions.ipynb: its claims beyond the sizes that it shows."""

import numpy as np
import pytest
import sympy as sp
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

EPS = np.finfo(float).eps


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 9), power=st.integers(1, 12))
def test_a_breath_in_the_corner_is_an_nth_root(n, power):
    delta = sp.Rational(1, 10**power)
    block = sp.Matrix(n, n, lambda i, j: int(j == i + 1))
    block[n - 1, 0] = delta
    assert block**n == delta * sp.eye(n)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 12), seed=st.integers(0, 2**32 - 1), size=st.floats(1e-12, 1))
def test_a_symmetric_matrix_moves_no_further_than_it_is_pushed(n, seed, size):
    X, E = np.random.default_rng(seed).standard_normal((2, n, n))
    X, E = X + X.T, E + E.T
    E *= size / np.linalg.norm(E, 2)
    moved = np.linalg.eigvalsh(X + E) - np.linalg.eigvalsh(X)
    room = 20 * n * EPS * (np.linalg.norm(X, 2) + size)
    assert np.abs(moved).max() <= size + room


@settings(max_examples=20, deadline=None)
@given(p=st.integers(-5, 5), q=st.integers(1, 5), k=st.integers(0, 9))
def test_two_equal_eigenvalues_bring_a_factor_k(p, q, k):
    """A door with λ = p/q twice: x'' = 2λ x' − λ² x. Its powers are λ^k I + k λ^(k−1) (A − λI)."""
    value = sp.Rational(p, q)
    A = sp.Matrix([[0, 1], [-(value**2), 2 * value]])
    N = A - value * sp.eye(2)
    slope = k * value ** (k - 1) if k else 0
    assert N**2 == sp.zeros(2) and A**k == value**k * sp.eye(2) + slope * N


@pytest.fixture(scope="module")
def c():
    return chapter("linalg-missing-directions")


@settings(max_examples=40, deadline=None)
@given(h=st.floats(1e-3, 1), delta=st.floats(1e-6, 1))
def test_the_condition_is_one_over_the_gap_and_bounds_the_move(c, h, delta):
    M = c.nearly(h)
    values, V = np.linalg.eig(M)
    # eig is exact for a matrix 100 n ε away: beside the corner, h²
    room = 200 * EPS * np.linalg.norm(M) / h**2
    assert abs(np.linalg.cond(V) * h - 1) <= room
    assert np.abs(np.sort(values) - [3 - h, 3 + h]).max() <= room
    M[1, 0] += delta
    moved = np.sort(np.linalg.eigvals(M)) - [3 - h, 3 + h]
    assert np.abs(moved).max() <= delta / (2 * h) + room


@settings(max_examples=30, deadline=None)
@given(value=st.floats(0.5, 5), steps=st.integers(1, 200))
def test_powers_of_any_shear_creep(c, value, steps):
    """[[λ, 1], [0, λ]] leads (0, 1) to a multiple of (k, λ)."""
    angles = c.angles_to(np.array([[value, 1], [0, value]]), (1, 0), steps)
    k = np.arange(1, steps + 1)
    np.testing.assert_allclose(
        np.tan(np.radians(angles)), value / k, rtol=100 * steps * EPS
    )


@settings(max_examples=40, deadline=None)
@given(
    A=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    unit=st.integers(-1000, 1000),
    far=st.integers(-1000, 1000),
)
def test_angles_do_not_know_the_unit(c, A, unit, far):
    """Kind: lengths whose squares leave the floats. Witness: the same in unit 1, and whole numbers."""
    A, target, steps = np.array(A).reshape(2, 2), np.array([1.0, 2.0]), 6
    angles = c.angles_to(A * 2.0**unit, target * 2.0**far, steps)
    np.testing.assert_array_equal(angles, c.angles_to(A, target, steps))
    v = sp.Matrix([0, 1])
    for angle in angles:
        v = sp.Matrix(A.tolist()) * v
        across, along = abs(2 * v[0] - v[1]), v[0] + 2 * v[1]
        truth = np.degrees(np.arctan2(float(across), float(along)))
        # ten roundings a step, of a direction whose entries are all positive
        assert abs(angle - truth) <= np.degrees(10 * steps * EPS)


def test_angles_of_a_vector_that_becomes_tiny(c):
    A = np.diag([1.0, 1e-170])
    np.testing.assert_array_equal(c.angles_to(A, (0, 1), 5), 0)
