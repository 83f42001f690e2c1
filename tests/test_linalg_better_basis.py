"""chapters/linalg-better-basis.ipynb: the transforms on signals that nobody chose, and what they refuse."""

import base64
import io

import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

EPS = np.finfo(float).eps
quick = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def c():
    return chapter("linalg-better-basis")


@st.composite
def signals(draw, powers_of_two):
    """A whole, real or complex signal, of any scale."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = 2 ** draw(st.integers(0, 8)) if powers_of_two else draw(st.integers(1, 100))
    x = rng.standard_normal(n) * 10.0 ** draw(st.integers(-200, 200))
    kind = draw(st.sampled_from(["whole", "real", "complex", "zero"]))
    return {
        "whole": rng.integers(-9, 10, n),
        "real": x,
        "complex": x * (1 + 2j),
        "zero": 0 * x,
    }[kind]


def close(mine, theirs):
    """n roundings at most for each entry, relative to the largest that could be."""
    np.testing.assert_allclose(
        mine, theirs, rtol=0, atol=8 * EPS * np.abs(theirs).max() * np.sqrt(len(theirs))
    )


@quick
@given(x=signals(powers_of_two=True))
def test_fft_and_its_count(c, x):
    kept, n = x.copy(), len(x)
    y = c.fft(x)
    close(y, n * np.fft.ifft(x))
    assert c.multiplications(c.fft, n) == n * (n.bit_length() - 1) // 2
    assert np.array_equal(x, kept)
    y[0] = 7
    assert np.array_equal(x, kept), "the answer shares no memory with the signal"


@quick
@given(x=signals(powers_of_two=False))
def test_dft_of_any_length(c, x):
    close(c.dft(x), len(x) * np.fft.ifft(x))
    if len(x) < 40:
        assert c.multiplications(c.dft, len(x)) == len(x) ** 2


@quick
@given(x=signals(powers_of_two=True))
def test_haar_comes_back(c, x):
    kept, coefficients = x.copy(), c.haar(x)
    assert coefficients.shape == x.shape and np.array_equal(x, kept)
    back = coefficients[:1]
    while len(back) < len(
        x
    ):  # undo one level: mean + half difference, mean − half difference
        half = coefficients[len(back) : 2 * len(back)]
        back = np.stack([back + half, back - half], axis=1).ravel()
    close(back, x)


@quick
@given(x=signals(powers_of_two=True), power=st.sampled_from([-300, 300]))
def test_units_go_through(c, x, power):
    """Kind: the unit of the signal. Witness: the same signal in units near 1; powers of two are exact."""
    x = x / (np.abs(x).max() or 1)
    x[np.abs(x) < 1e-100] = 0
    for f in (c.fft, c.dft, c.haar):
        np.testing.assert_array_equal(f(x * 2.0**power), f(x) * 2.0**power)


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.float16, np.complex64])
def test_every_number_type(c, kind):
    x = np.array([1, 0, 1, 1], kind)
    np.testing.assert_allclose(c.fft(x), 4 * np.fft.ifft(x.astype(complex)))
    np.testing.assert_allclose(c.haar(np.array([0, 1], kind)), [0.5, -0.5])  # uint8 too


@pytest.mark.parametrize(
    "bad",
    [[], 3, [[1, 2], [3, 4]], [np.nan], [np.inf, 1], ["1"], [None], [1.7e308, 1.7e308]],
)
@pytest.mark.parametrize("name", ["dft", "fft", "haar"])
def test_refusals(c, name, bad):
    with pytest.raises(ValueError):
        getattr(c, name)(bad)


@pytest.mark.parametrize("name", ["dft", "fft", "haar"])
@pytest.mark.parametrize("kind", [object, float, complex, np.uint8])
@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 0), ()])
def test_nothing_is_no_signal(c, name, kind, shape):
    """Kind: `all` of nothing is true."""
    with pytest.raises(ValueError, match="needs a vector"):
        getattr(c, name)(np.zeros(shape, kind))


@quick
@given(
    seed=st.integers(0, 2**32 - 1),
    blocks=st.integers(1, 3),
    haar=st.booleans(),
    data=st.data(),
)
def test_in_blocks_keeps_the_largest_coefficients(c, seed, blocks, haar, data):
    """Kind: a slice with a negative end, for more coefficients than there are. Witness: blocks taken one by one."""
    rng, n = np.random.default_rng(seed), 8 * blocks
    picture, basis = rng.integers(0, 256, (n, n)), c.HAAR if haar else c.DCT
    kept = data.draw(st.integers(0, n * n + 70) | st.sampled_from([n * n, n * n + 1]))
    W = basis / np.linalg.norm(basis, axis=0)
    cut = picture.reshape(blocks, 8, blocks, 8).transpose(0, 2, 1, 3)
    sizes = np.sort((W.T @ cut @ W).ravel() ** 2)
    lost = sizes[: n * n - kept].sum() if kept < n * n else 0.0  # Parseval
    version = c.in_blocks(basis, picture, kept)
    room = 100 * n * n * EPS * np.sum(picture**2.0)
    assert abs(np.sum((version - picture) ** 2) - lost) <= room


@pytest.mark.parametrize("k", [1, 4, 5, 8])
def test_three_ways_with_a_budget_above_the_picture(c, k):
    """Kind as above: 8 × 8 with k = 8 has 136 numbers, enough for 68 of 64 coefficients."""
    P = np.arange(64.0).reshape(8, 8) ** 1.3
    _, cosines, steps = c.three_ways(P, k)
    if 17 * k // 2 >= 64:
        np.testing.assert_allclose(cosines, P, atol=1e3 * EPS * P.max())
        np.testing.assert_allclose(steps, P, atol=1e3 * EPS * P.max())


@quick
@given(
    kinds=st.tuples(*[st.sampled_from([np.uint8, np.int8, np.int64, np.float16])] * 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_decibels_of_pictures_of_small_types(c, kinds, seed):
    """Kind: a difference in a small type wraps. Witness: the same numbers as doubles, in plain words."""
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 128, (3, 4)).astype(kind) for kind in kinds)
    mean = sum((float(x) - float(y)) ** 2 for x, y in zip(a.flat, b.flat, strict=True))
    true = 20 * np.log10(255) - 10 * np.log10(mean / 12) if mean else np.inf
    assert abs(c.decibels(a, b) - true) < 1e-9 if mean else c.decibels(a, b) == true
    assert c.decibels(a, a) == np.inf
    assert c.decibels(np.uint8([0]), np.uint8([255])) == 0


@pytest.mark.parametrize("n", [3, 6, 12, 100])
@pytest.mark.parametrize("name", ["fft", "haar"])
def test_lengths_that_are_no_power_of_two(c, name, n):
    with pytest.raises(ValueError, match="power of two"):
        getattr(c, name)(np.ones(n))


def test_symbolic_fourier_matrix(c):
    F = np.array(c.fourier(8).evalf(), dtype=complex)
    np.testing.assert_allclose(F, 8 * np.fft.ifft(np.eye(8), axis=0), atol=1e-14)


def test_counted_numbers_cannot_be_had_from_the_library(c):
    """A transform that hands its numbers to the library makes no product that is counted."""
    with pytest.raises(TypeError):
        c.multiplications(lambda x: len(x) * np.fft.ifft(x), 8)


@pytest.mark.parametrize("n", [1, 2, 4, 16, 64, 512])
def test_chained_and_textbook_angles_are_angles(c, n):
    exact = np.exp(2j * np.pi * np.arange(n) / n)
    np.testing.assert_allclose(c.chained_roots(n), exact[: max(1, n // 2)], atol=1e-12)
    F = np.fft.ifft(np.eye(n), axis=0) * n
    np.testing.assert_allclose(c.textbook_angles(n), F, atol=1e-11)


@pytest.mark.parametrize("m", [1, 2, 7, 40])
def test_sines_have_the_square_waves_coordinates(c, m):
    points = (np.arange(256) + 0.5) * 2 * np.pi / 256
    spectrum = np.fft.rfft(c.sines(points, m)) / 128
    sizes = [4 / (np.pi * k) if k % 2 and k < 2 * m else 0 for k in range(129)]
    np.testing.assert_allclose(abs(spectrum), sizes, atol=1e-12)


@pytest.mark.parametrize("k", [1, 5, 12, 20])
def test_the_browser_makes_pythons_pictures(c, run_script, k):
    """The explorable's own SVD, cosines and Haar, its pictures and its decibels, against numpy's."""
    done = run_script(c.SCRIPT, {"k": k}, {"g": c.LETTERS, "p": c.PACKED})
    assert int(done["said"]["budget"]) == k * 97
    assert int(done["said"]["kept"]) == k * 97 // 2
    own = c.three_ways(c.SMALL, k)
    for name, version in zip(
        ("picture", "own", "cosines", "haar"), (c.SMALL, *own), strict=True
    ):
        url = done["set"][f".{name} href"]
        image = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("L")
        # Equal coefficients may be kept in another order: a few blocks may differ, the error may not.
        wrong = abs(np.asarray(image, float) - version.clip(0, 255)) > 0.6
        assert wrong.mean() < 0.1, (name, wrong.mean())
        if name != "picture":
            said = float(done["said"][name].removesuffix(" dB"))
            assert abs(said - c.decibels(version, c.SMALL)) < 0.051
