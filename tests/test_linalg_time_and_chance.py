"""chapters/linalg-time-and-chance.ipynb: the exponential, Euler's steps and PageRank on matrices that nobody chose, and what they refuse."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import scipy.linalg
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

NAME = "linalg-time-and-chance"
EPS = np.finfo(float).eps


@pytest.fixture(scope="module")
def c():
    return chapter(NAME)


def unchanged(f, X):
    """Call f on X and see that X is as it was."""
    before = X.copy()
    result = f(X)
    assert np.array_equal(X, before)
    return result


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    size=st.floats(0, 20),
    unreal=st.booleans(),
)
def test_exponential_against_eigenvectors_and_the_law_of_powers(
    c, n, seed, size, unreal
):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n)) + unreal * 1j * rng.normal(size=(n, n))
    H = (X + X.conj().T) / 2
    H = size * H / np.linalg.norm(H)
    values, Q = np.linalg.eigh(H)
    exact = Q * np.exp(values) @ Q.conj().T
    E = unchanged(c.exponential, H)
    # Squaring s times doubles the relative error each time: about 2^s eps, with 2^s at most 4 n |H|.
    slack = 100 * EPS * n * (1 + size)
    assert np.abs(E - exact).max() <= slack * np.exp(values.max())
    twist = c.exponential(1j * H)
    assert np.abs(twist @ twist.conj().T - np.eye(n)).max() <= slack
    assert np.abs(c.exponential(2 * H) - E @ E).max() <= 4 * slack * np.exp(
        2 * values.max()
    )


def test_exponential_of_defective_zero_large_and_too_large(c):
    N = np.diag(np.ones(3), 1)
    series = np.eye(4) + N + N @ N / 2 + N @ N @ N / 6
    assert np.allclose(c.exponential(N), series, rtol=1e-15, atol=0)
    assert np.array_equal(c.exponential(np.zeros((3, 3), int)), np.eye(3))
    assert c.exponential([[-1e6]]) == 0 and np.isclose(
        c.exponential([[700]])[0, 0], np.exp(700), rtol=1e-12
    )
    for big in (710, 1e300):
        with pytest.raises(np.linalg.LinAlgError, match="too large"):
            c.exponential([[big]])


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 3), seed=st.integers(0, 2**32 - 1), powers=st.integers(0, 9))
def test_exponential_of_matrices_far_from_normal(c, n, seed, powers):
    """Kind: digits lost in silence; how many may be is said, about ‖A‖ε. Witness: mpmath with 40 digits."""
    rng = np.random.default_rng(seed)
    A = np.triu(rng.normal(size=(n, n)) * 10.0**powers, 1) + np.diag(rng.normal(size=n))
    with mpmath.workdps(40):
        exact = np.array(mpmath.expm(mpmath.matrix(A.tolist())).tolist(), float)
    room = 20 * n * (1 + np.linalg.norm(A)) * EPS
    assert np.abs(c.exponential(A) - exact).max() <= room * np.abs(exact).max()


def test_exponential_keeps_its_digits_and_refuses_what_is_too_large(c):
    E = c.exponential([[1, 1e9], [0, -1]])
    np.testing.assert_allclose(E[0, 0], np.e, rtol=1e-12)  # 7e-9 once: 31 squarings
    for large in ([[1e308, 0], [1e308, 0]], [[1e308, 1e308], [1e308, 1e308]]):
        with pytest.raises(np.linalg.LinAlgError, match="too large"):
            c.exponential(large)
    for turns in (1e13, 1e16, 1e300):  # once answered, without one right digit
        for lost in ([[0, turns], [-turns, 0]], [[-turns, 0], [0, -1]]):
            with pytest.raises(np.linalg.LinAlgError, match="too few digits"):
                c.exponential(lost)
    assert c.exponential([[0, 1e300], [0, 0]]).tolist() == [[1, 1e300], [0, 1]]


@settings(max_examples=25, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2), st.integers(-20, 20))
def test_exponential_of_a_turn_keeps_three_digits_or_refuses(c, a, b, power):
    """Kind: digits lost in silence, in units up to 10²⁰. Witness: mpmath with 60 digits."""
    b *= 10.0**power
    try:
        E = c.exponential([[a, b], [-b, a]])
    except np.linalg.LinAlgError:
        assert abs(complex(a, b)) > 2**36
        return
    with mpmath.workdps(60):
        size, turn = mpmath.exp(a), mpmath.mpf(b)
        exact = np.array([size * mpmath.cos(turn), size * mpmath.sin(turn)], float)
    assert np.abs(E[0] - exact).max() <= 1e-3 * float(size)


UNITS = st.sampled_from([2.0**-1000, 2.0**-498, 2.0**498, 2.0**1000])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6), unit=UNITS)
def test_no_unit_changes_a_share(c, seed, n, unit):
    """Kind: the unit of a page's links. Witness: the same in units near 1."""
    rng = np.random.default_rng(seed)
    links = rng.integers(0, 4, (n, n)).astype(float)
    column = np.where(rng.random(n) < 0.5, unit, 1.0)
    np.testing.assert_array_equal(c.pagerank(links * column), c.pagerank(links))


def test_shares_at_the_end_of_the_floats(c):
    full = np.full((2, 2), 1e308)
    np.testing.assert_allclose(c.pagerank(full), [0.5, 0.5], rtol=1e-15)
    np.testing.assert_allclose(c.pagerank(np.full((3, 3), 5e-324)), 1 / 3, rtol=1e-15)


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
    density=st.floats(0, 1),
    damping=st.floats(0, 0.97),
)
def test_pagerank_is_a_distribution_within_tol(c, n, seed, density, damping):
    rng = np.random.default_rng(seed)
    links = (rng.random((n, n)) < density) * rng.integers(1, 4, (n, n))
    out = links.sum(axis=0)
    follow = np.where(out > 0, links / np.maximum(out, 1), 1 / n)
    exact = np.linalg.solve(np.eye(n) - damping * follow, np.full(n, (1 - damping) / n))
    for tol in (1e-2, 1e-9):
        share = unchanged(lambda L, tol=tol: c.pagerank(L, damping, tol), links)
        assert (
            np.abs(share - exact).sum() <= tol + 1e-13
            and abs(share.sum() - 1) < 1e-12
            and (share >= 0).all()
        )


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    damping=st.floats(0.01, 0.97),
    tol=st.floats(1e-9, 1.9),
)
def test_pagerank_takes_the_steps_that_were_foretold(c, n, seed, damping, tol):
    """Kind: more steps than said pass unseen. Witness: powers of the matrix."""
    links = np.random.default_rng(seed).integers(0, 2, (n, n))
    out = links.sum(axis=0)
    follow = np.where(out > 0, links / np.maximum(out, 1), 1 / n)
    google = damping * follow + (1 - damping) / n
    steps = c.steps_enough(damping, tol)
    assert 2 * damping**steps <= tol * (1 + 1e-9)
    assert steps == 1 or 2 * damping ** (steps - 1) > tol * (1 - 1e-9)
    exact = np.linalg.matrix_power(google, steps) @ np.full(n, 1 / n)
    room = 20 * n * EPS * (1 + steps)
    assert np.abs(c.pagerank(links, damping, tol) - exact).sum() <= room


@pytest.mark.parametrize("name", ["exponential", "pagerank"])
def test_bad_input_is_refused(c, name, not_square):
    with pytest.raises(ValueError):
        getattr(c, name)(not_square)


def test_euler(c):
    assert np.array_equal(c.euler([[2]], [1], 1, 4).ravel(), [1, 3, 9, 27, 81])


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
    kinds=st.tuples(
        *[st.sampled_from([bool, np.int8, np.uint8, np.int64, object])] * 2
    ),
    h=st.sampled_from([1, 3, np.int8(2), np.uint8(1), Fraction(1, 3), True]),
    steps=st.integers(0, 40),
)
def test_euler_with_whole_numbers_is_exact(c, n, seed, kinds, h, steps):
    """Kind: whole numbers of a fixed type wrap. Witness: Fractions, step by step."""
    rng = np.random.default_rng(seed)
    A, u = (
        rng.integers(0, 100, shape).astype(kind)
        for shape, kind in zip(((n, n), n), kinds, strict=True)
    )
    kept = A.copy(), u.copy()
    states = c.euler(A, u, h, steps)
    state = [Fraction(int(x)) for x in u]
    for row in states[1:]:
        slope = [sum(int(a) * x for a, x in zip(r, state, strict=True)) for r in A]
        step = h if isinstance(h, Fraction) else int(h)
        state = [x + step * s for x, s in zip(state, slope, strict=True)]
        assert row.tolist() == state
    assert len(states) == steps + 1 and all(map(np.array_equal, kept, (A, u)))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.complex64])
def test_euler_with_short_floats_works_in_doubles(c, kind):
    states = c.euler(np.array([[3]], kind), np.array([1], kind), kind(0.5), 40)
    np.testing.assert_allclose(states.ravel(), 2.5 ** np.arange(41), rtol=1e-13)
    mixed = c.euler([[10]], [1.0], np.int8(1), 20)
    np.testing.assert_allclose(mixed[-1], 11.0**20, rtol=1e-13)


@settings(max_examples=200, deadline=None)
@given(
    damping=st.sampled_from([0.5, 0.25, 0.75, 0.85, 2.0**-30, 0.998])
    | st.floats(0, 0.998),
    steps=st.integers(1, 60),
    nudge=st.integers(-1, 1),
    kind=st.sampled_from([float, np.float64, np.float32]),
)
def test_steps_enough_are_the_fewest(c, damping, steps, nudge, kind):
    """Kind: a quotient of logarithms is rounded up past a whole number. Witness: fractions."""
    damping = kind(damping)
    tol = 2 * float(damping) ** steps
    tol = float(np.nextafter(tol, 2 * (nudge + 1) / 2)) if nudge else tol
    if not 5e-324 < tol < 2 or damping == 0:
        return
    k, d = c.steps_enough(damping, tol), Fraction(float(damping))
    rounding = 1 + 2 * Fraction(EPS)  # of the power in floats
    if tol < 1e-300:
        rounding = 2
    assert 2 * d**k <= Fraction(tol) * rounding
    assert k == 1 or 2 * d ** (k - 1) * rounding > Fraction(tol)
    if nudge == 0:
        assert k <= steps


def test_steps_enough_at_the_ends_and_what_it_refuses(c):
    assert c.steps_enough(0.5, 2 * 0.5**29) == 29
    assert c.steps_enough(0, 1e-300) == 1 == c.steps_enough(0.0, 1.9)
    assert c.steps_enough(0.5, 5e-324) == 1075  # tol is 2^-1074
    for damping, tol in ((1, 0.1), (-0.5, 0.1), (np.nan, 0.1), (2, 1), (0.5, np.nan)):
        with pytest.raises(ValueError, match="must be in"):
            c.steps_enough(damping, tol)


@pytest.mark.parametrize("damping", [np.float16(0.85), np.float32(0.85), 0.5])
def test_damping_of_any_float_type(c, damping):
    """Kind: a short float makes 1 − d short. Witness: the same number as a double."""
    links = [[0, 1, 0], [1, 0, 1], [1, 1, 0]]
    assert np.array_equal(c.pagerank(links, damping), c.pagerank(links, float(damping)))


@settings(max_examples=80, deadline=None)
@given(
    top=st.integers(0, 1000),
    product=st.integers(-12, 12),
    m=st.floats(0.5, 1),
    corner=st.sampled_from([0.0, 1.0, -2.0]),
)
def test_exponential_of_entries_far_apart_is_right_or_refused(
    c, top, product, m, corner
):
    """Kind: an entry, or a product of entries, lost when A is scaled by its largest. Witness: mpmath, by √(bc)."""
    b, small = np.ldexp(m, top), np.ldexp(m, product - top)
    try:
        E = c.exponential([[corner, b], [small, corner]])
    except np.linalg.LinAlgError:
        assert top > 40  # closer together, nothing is refused
        return
    with mpmath.workdps(60):
        root = mpmath.sqrt(mpmath.mpf(float(b)) * mpmath.mpf(float(small)))
        size = mpmath.exp(corner)
        exact = [
            size * mpmath.cosh(root),
            size * mpmath.mpf(float(b)) * mpmath.sinh(root) / root,
        ]
        for got, true in zip(E[0], exact, strict=True):
            assert abs(got - true) <= 1e-3 * abs(max(exact))


def test_exponential_whose_square_underflows(c):
    for A in ([[0, 1e200], [9e-198, 0]], [[0, 1e300], [1e-290, 0]]):
        with pytest.raises(np.linalg.LinAlgError):
            c.exponential(A)
    nilpotent = [[0, 1e300, 0], [0, 0, 0], [0, 0, 0]]
    assert np.array_equal(c.exponential(nilpotent), np.eye(3) + nilpotent)


@pytest.mark.parametrize("moment", [0, 0.45, 1.3, 3])
def test_the_page_draws_the_flow_that_expm_computes(c, browser, moment):
    """The explorable itself, in the browser: where the 36 points and the eigenvalues stand."""
    controls = [
        c.choice("flow", "A is the", {k: k for k in c.FLOWS}),
        c.slider("t", "time", 0, 3, 0.45, 0.05),
    ]
    data = {"flows": c.FLOWS, "seeds": c.SEEDS, "tail": c.TAIL, "plane": c.LAMBDA}
    data["seeds"] = np.array(c.SEEDS).tolist()
    marks = '<polyline class="p"/><circle class="h"/>' * len(c.SEEDS)
    marks += '<line class="keep"/><circle class="ev"/>' * 2
    svg = f'<svg>{marks}<text data-say="t"></text></svg>'
    page, faults = browser.new_page(), []
    page.on("pageerror", lambda e: faults.append(str(e)))
    script = c.squeezed(c.FLOW_SCRIPT)
    page.set_content(
        c.explorable("flow", svg, controls, script, data=data, play="t").data
    )
    spots = "all => all.map(e => [+e.getAttribute('cx'), +e.getAttribute('cy')])"
    for name, (A, _) in c.FLOWS.items():
        page.select_option("[name=flow]", name)
        page.locator("[name=t]").fill(str(moment))
        heads = np.array(page.locator(".h").evaluate_all(spots))
        there = scipy.linalg.expm(np.array(A) * moment) @ np.array(c.SEEDS).T * 60
        np.testing.assert_allclose(
            heads, (there * [[1], [-1]]).T, atol=0.06 + 1e-9 * np.abs(there).max()
        )
        dots = np.array(page.locator(".ev").evaluate_all(spots))
        X, Y, k = c.LAMBDA
        told = (dots[:, 0] - X) / k - 1j * (dots[:, 1] - Y) / k
        true = np.linalg.eigvals(np.array(A, float))
        gaps = np.abs(told[:, None] - true)
        assert gaps.min(axis=0).max() < 1e-6 > gaps.min(axis=1).max(), name
    page.close()
    assert not faults


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-(2**64), 2**64), min_size=6, max_size=6),
    st.sampled_from([list, object, np.int64]),
    st.integers(0, 4),
)
def test_euler_with_whole_numbers_beyond_int64_is_exact(c, numbers, kind, steps):
    """Kind: numpy makes floats of some whole numbers, and objects may hold its own. Witness: Python's."""
    a, b, c_, d, x, y = numbers
    A, u = [[a, b], [c_, d]], [x, y]
    if kind is object:
        A, u = np.array(A, object), np.array(u, object)
    if kind is np.int64:  # numpy's numbers within an array of objects
        a, b, c_, d, x, y = (n >> 2 for n in numbers)
        A = np.array([[np.int64(a), np.int64(b)], [np.int64(c_), np.int64(d)]], object)
        u = np.array([np.int64(x), np.int64(y)], object)
    states = [[x, y]]
    for _ in range(steps):
        x, y = x + 3 * (a * x + b * y), y + 3 * (c_ * x + d * y)
        states.append([x, y])
    assert c.euler(A, u, 3, steps).tolist() == states
