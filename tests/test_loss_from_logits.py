"""chapters/loss-from-logits.ipynb: log-softmax, edges, loops and summaries on inputs that nobody chose."""

import math
import sys

import mpmath
import numpy as np
import pytest
import torch
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

sys.path.insert(0, str(CHAPTERS))
import loss_doorkeepers  # noqa: E402
from plumbing import peak_bytes  # noqa: E402

NAME = "loss-from-logits"
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def c():
    return chapter(NAME)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "i4", "u8", "i8", "f2", "f4"])
def test_log_softmax_computes_in_floats(c, kind):
    for z in ([[0, 1]], [[5, 0, 127], [1, 1, 1]]):
        z = np.array(z, kind)
        ours = c.log_softmax(z)
        np.testing.assert_allclose(
            ours,
            special.log_softmax(z.astype(float), axis=1),
            rtol=1e-3 if kind == "f2" else 1e-6,
        )
        assert ours.dtype == (z.dtype if kind[0] == "f" else float)
        if kind != "f2":  # which is rounded once, after the exponential
            np.testing.assert_array_equal(c.softmax(z), np.exp(ours))
        assert c.summary(z[0]) == c.summary(z[0].astype(float))
    for bad in (np.array([True, False]), np.array([1j]), np.array(["a"])):
        with pytest.raises(TypeError, match="real numbers"):
            c.log_softmax(bad)


def test_the_careful_loss_and_the_summary_know_forbidden_scores(c):
    assert c.careful_loss([-math.inf, 1.0], 0) == math.inf
    assert c.careful_loss([0, -math.inf], 0) == 0
    assert math.isclose(
        c.careful_loss(np.array([1, 0], np.uint8), 1), math.log1p(math.e)
    )
    for bad in ([math.nan, 1.0], [math.inf]):
        with pytest.raises(ValueError, match="nan or"):
            c.summary(bad)


def test_edge_refuses_an_interval_without_one(c):
    for low, high in ((0.0, 1.0), (200.0, 300.0)):
        with pytest.raises(ValueError, match="edge"):
            c.edge(c.naive_is_inf, torch.float32, low, high)
    assert c.edge(lambda x: bool(x > 1), torch.float32, 0.0, 4.0) == (
        1.0,
        float(np.nextafter(np.float32(1), np.float32(2))),
    )


@given(
    st.lists(
        st.lists(st.floats(-1e4, 1e4) | st.just(-math.inf), max_size=6), max_size=6
    )
)
@settings(max_examples=100, deadline=None)
def test_summaries_merge_to_logsumexp(c, blocks):
    pair = c.EMPTY
    for block in blocks:
        pair = c.merge(pair, c.summary(np.array(block)))
    values = torch.tensor([v for block in blocks for v in block], dtype=torch.float64)
    if not len(values) or values.max() == -math.inf:
        assert pair == c.EMPTY
    else:
        assert math.isclose(
            pair[0] + math.log(pair[1]),
            torch.logsumexp(values, 0),
            rel_tol=1e-12,
            abs_tol=1e-12,
        )


def test_peak_bytes_counts_what_is_alive_at_once(capfd):
    assert peak_bytes(lambda: None) == 0
    assert peak_bytes(lambda: torch.zeros(1000)) == 4000
    assert peak_bytes(lambda: [torch.zeros(1000) for _ in range(3)]) == 12000
    assert peak_bytes(lambda: [torch.zeros(1000).sum().item() for _ in range(5)]) < 8000
    held = torch.zeros(500)
    assert peak_bytes(lambda: held.clone()) == 2000
    assert capfd.readouterr() == ("", "")


def test_peak_bytes_gives_the_output_back_after_a_failure(capfd):
    def fail():
        raise KeyError("inside")

    with pytest.raises(KeyError):
        peak_bytes(fail)
    print("still here")
    assert "still here" in capfd.readouterr().out


@given(
    st.sampled_from("i1 u1 i2 u2 i4 u4 i8 u8 bool".split()),
    st.lists(st.integers(0, 127), min_size=1, max_size=5),
    st.integers(0, 4),
)
@settings(max_examples=80, deadline=None)
def test_whole_scores_of_every_type_do_not_wrap_in_any_spelling(c, kind, scores, y):
    """Kind: numpy's whole numbers. Witness: the same scores in 60-digit decimals."""
    z, y = np.array(scores).astype(kind), y % len(scores)
    truth, room = c.exact(z, y), 1e-13 * (1 + int(z.max()))
    for spell in (c.logsumexp_minus, c.shift_first):
        assert abs(spell(z, y) - truth) <= room
    if truth < 30:  # the others lose digits further down: the chapter's subject
        for spell in (c.as_written, c.softmax_first):
            assert math.isclose(spell(z, y), truth, rel_tol=1e-2, abs_tol=1e-13)


REAL = st.floats(-1e300, 1e300) | st.floats(-800, 800) | st.floats(-3, 3)


@given(st.lists(REAL, min_size=1, max_size=5), st.integers(0, 4))
@settings(max_examples=80, deadline=None)
def test_the_exact_loss_is_exact_at_every_distance(c, z, y):
    """Kind: a witness with its own bounds. Witness: mpmath, ln(1 + x) without a 1 that swallows x."""
    y %= len(z)
    with mpmath.workdps(400):
        rest = [mpmath.mpf(s) - mpmath.mpf(z[y]) for i, s in enumerate(z) if i != y]
        top = max([*rest, mpmath.mpf(0)])
        total = mpmath.fsum(mpmath.exp(d - top) for d in rest)
        if top == 0:
            truth = float(mpmath.log1p(total))
        else:
            truth = float(top + mpmath.log(mpmath.exp(-top) + total))
    assert c.exact(z, y) == truth
    ours = c.careful_loss(z, y)
    # sums of five, each term within some places; e^d errs by |d| eps where it counts
    scale = max((abs(z[y] - s) for s in z if z[y] - s < 800), default=0)
    assert math.isclose(ours, truth, rel_tol=1e-14 + 4e-16 * scale, abs_tol=1e-300)


@given(st.lists(st.floats(-20, 20, width=16), min_size=1, max_size=6))
@settings(max_examples=80, deadline=None)
def test_half_precision_probabilities_are_rounded_once(c, z):
    """Kind: a rounding in the middle. Witness: scipy in float64; half a float16, and float32's work."""
    z = np.array(z, np.float16)
    truth = special.softmax(z.astype(float))
    half = np.spacing(truth.astype(np.float16)).astype(float) / 2
    for softmax in (c.softmax, loss_doorkeepers.softmax):
        ours = softmax(z)
        assert ours.dtype == np.float16
        off = abs(ours.astype(float) - truth)
        assert (off <= 1.001 * half + 100 * 2**-24 * truth).all()


def test_scores_that_are_no_real_numbers_are_refused(c):
    for call in (lambda z: c.careful_loss(z, 0), c.summary):
        for bad in (np.array([1j]), np.array([True]), np.array(["1"])):
            with pytest.raises(TypeError, match="real numbers"):
                call(bad)
    for bad in ([math.nan, 1.0], [math.inf, 0.0]):
        with pytest.raises(ValueError, match=r"nan or \+inf"):
            c.careful_loss(bad, 1)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (2, 0, 3)])
def test_an_axis_without_scores_is_refused_in_words(c, shape):
    z, axis = np.zeros(shape), shape.index(0)
    for log_softmax in (c.log_softmax, loss_doorkeepers.log_softmax):
        with pytest.raises(ValueError, match=f"no scores along axis {axis}"):
            log_softmax(z, axis=axis)
        assert log_softmax(np.zeros((0, 3))).shape == (0, 3)  # no rows: none to refuse
        assert log_softmax(np.float64(5)) == 0
