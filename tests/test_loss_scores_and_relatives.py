"""What chapters/loss-scores-and-relatives.ipynb cannot check about itself: any input, not the page's own."""

import json
import math
import re

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize, stats

ch = chapter("loss-scores-and-relatives")
few = settings(max_examples=60, deadline=None)
positive = arrays(float, st.integers(2, 7), elements=st.floats(0.01, 1))
logits = arrays(float, (5, 4), elements=st.floats(-30, 30))
labels = arrays(np.int64, 5, elements=st.integers(0, 3))


@few
@given(positive, positive)
def test_no_report_beats_the_truth(p, q):
    k = min(len(p), len(q))
    p, q = p[:k] / p[:k].sum(), q[:k] / q[:k].sum()
    for penalty in (ch.log_penalty, ch.brier_penalty, ch.spherical_penalty):
        assert ch.regret(penalty, p, q) >= -1e-12
        if abs(p - q).max() > 1e-3:
            assert ch.regret(penalty, p, q) > 0
    assert (
        p @ ch.linear_penalty(np.eye(k)[p.argmax()]) <= p @ ch.linear_penalty(p) + 1e-12
    )


@few
@given(st.floats(0.001, 0.999), st.floats(0.1, 6))
def test_focal_report_inverts_and_is_modest(p, gamma):
    q = ch.focal_report(p, gamma)
    assert ch.focal_truth(q, gamma) == pytest.approx(p, abs=1e-6)
    assert ch.focal_report(1 - p, gamma) == pytest.approx(1 - q, abs=1e-6)
    assert abs(q - 0.5) <= abs(p - 0.5) + 1e-9 and (q - 0.5) * (p - 0.5) >= -1e-9


@pytest.mark.parametrize("p", [0, 1, -0.2, 1.3])
def test_focal_report_refuses_certainty(p):
    with pytest.raises(ValueError, match="strictly between"):
        ch.focal_report(p, 2)


def _close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@few
@given(
    logits,
    labels,
    st.floats(0, 1),
    arrays(float, 4, elements=st.floats(0.1, 5)),
    st.floats(0.2, 9),
)
def test_relatives_against_torch(z, y, eps, w, T):
    z, y, w = torch.tensor(z), torch.tensor(y), torch.tensor(w)
    target = ch.one_hot(y, 4)
    _close(
        ch.cross_entropy(ch.smooth(target, eps), z).mean(),
        F.cross_entropy(z, y, label_smoothing=eps),
    )
    _close(ch.weighted(y, z, w).sum() / w[y].sum(), F.cross_entropy(z, y, weight=w))
    up = (y > 1).double()
    _close(
        ch.cross_entropy(ch.one_hot(up.long(), 2), ch.pair(z[:, 0])),
        F.binary_cross_entropy_with_logits(z[:, 0], up, reduction="none"),
    )
    teacher = z.flip(0)
    kl = F.kl_div(
        F.log_softmax(z / T, 1),
        F.log_softmax(teacher / T, 1),
        reduction="none",
        log_target=True,
    ).sum(1)
    entropy = torch.special.entr(F.softmax(teacher / T, 1)).sum(1)
    _close(ch.distil(z, teacher, T), T**2 * (kl + entropy))
    assert (
        ch.focal(y, z, 2.0) <= F.cross_entropy(z, y, reduction="none") + 1e-12
    ).all()
    _close(ch.with_z_loss(y, z + 3, 0.0), ch.with_z_loss(y, z, 0.0))


@few
@given(logits, labels)
def test_double_softmax_stays_within_one_nat(z, y):
    losses = ch.double_softmax(torch.tensor(z), torch.tensor(y))
    floor = math.log(1 + 3 / math.e)
    assert (losses >= floor - 1e-12).all() and (losses <= floor + 1 + 1e-12).all()


@few
@given(
    arrays(float, (30, 3), elements=st.floats(-20, 20)),
    arrays(np.int64, 30, elements=st.integers(0, 2)),
)
def test_calibration_error_by_brute_force(z, y):
    z, y = torch.tensor(z), torch.tensor(y)
    confidence, guess = F.softmax(z, 1).max(1)
    total = 0.0
    for b in range(15):
        inside = [i for i in range(30) if min(int(confidence[i].item() * 15), 14) == b]
        total += abs(
            sum(confidence[i].item() - float(guess[i] == y[i]) for i in inside)
        )
    assert ch.calibration_error(z, y) == pytest.approx(total / 30, abs=1e-9)
    assert ch.reliability(z, y)[2].sum() == 30


@few
@given(st.floats(0.3, 8), st.integers(0, 10_000))
def test_temperature_is_undone(scale, seed):
    """Logits scaled up by a factor need a temperature that is larger by that factor."""
    rng = np.random.default_rng(seed)
    z = torch.tensor(rng.normal(size=(200, 3)) * 2)
    y = torch.tensor(
        np.array([rng.choice(3, p=row) for row in F.softmax(z, 1).numpy()])
    )
    assert ch.best_temperature(z * scale, y) == pytest.approx(
        scale * ch.best_temperature(z, y), rel=1e-6
    )


@few
@given(
    st.floats(0, 1),
    st.integers(3, 60),
    *[st.sampled_from(["all", "others", "padded"])] * 2,
)
def test_smoothing_converter(eps, v, source, goal):
    try:
        there = ch.smoothing(eps, v, source, goal)
    except ValueError:
        assert eps > 0.4  # only a large share can overflow
        return
    back = ch.smoothing(there, v, goal, source) if there <= 1 else eps
    assert back == pytest.approx(eps, abs=1e-12)


@few
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 10_000))
def test_repaired_accumulation(lengths, seed):
    g = torch.Generator().manual_seed(seed)
    model = torch.nn.Linear(3, 4, dtype=torch.float64)
    parts = [
        (torch.randn(n, 3, generator=g).double(), torch.randint(4, (n,), generator=g))
        for n in lengths
    ]
    whole = [(torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts]))]
    gap = ch.accumulated_gradient(model, parts) - ch.accumulated_gradient(
        model, whole, repaired=False
    )
    assert gap.abs().max() < 1e-12


@pytest.mark.parametrize(("p", "gamma"), [(0.05, 0), (0.35, 1.5), (0.9, 2), (0.95, 5)])
def test_explorable_draws_what_python_computes(run_script, p, gamma):
    """The page's JavaScript, run by a browser, against the chapter's own numbers."""
    grid = [round(x, 6) for x in ch.GRID.tolist()]
    done = run_script(ch.SCRIPT, {"p": p, "gamma": gamma}, grid)
    for name, row in zip(ch.LINES, ch.expected_prices(p, gamma), strict=True):
        drawn = np.array(
            [
                pair.split(",")
                for pair in done["set"][f"[data-line={name}] points"].split(" ")
            ],
            dtype=float,
        )
        np.testing.assert_allclose(drawn[:, 0], 40 + 580 * np.array(grid), atol=0.06)
        np.testing.assert_allclose(
            drawn[:, 1], 250 - 440 * np.minimum(row, 0.6), atol=0.06
        )
        best = grid[int(row.argmin())]
        assert abs(float(done["said"][name]) - best) < 0.0101
        assert f'data-line="{name}"' in ch.draw_prices(p, gamma)


def test_quoted_numbers_are_asserted():
    """Each decimal that the prose of a claim quotes stands in some check, too."""
    cells = json.loads((CHAPTERS / "loss-scores-and-relatives.ipynb").read_text())[
        "cells"
    ]
    checks = "".join(
        "".join(c["source"]) for c in cells if "check" in c["metadata"].get("tags", [])
    )
    for cell in cells:
        for claim in re.findall(
            r":::\{prf:.*?\n:::", "".join(cell["source"]), re.DOTALL
        ):
            for number in re.findall(r"\b\d+\.\d+", claim):
                assert number in checks, f"{number} is claimed and nowhere checked"


@few
@given(logits, labels, st.integers(0, 2**32 - 1))
def test_a_forbidden_class_that_is_not_the_answer_is_free(z, y, seed):
    """Logits of −∞ with one-hot targets: torch's loss by index, forward and back, and no nan anywhere."""
    rng = np.random.default_rng(seed)
    forbidden = rng.random(z.shape) < 0.4
    forbidden[np.arange(5), y] = False
    z, y = torch.tensor(np.where(forbidden, -np.inf, z)), torch.tensor(y)
    ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    loss = F.cross_entropy(theirs, y, reduction="none")
    _close(ch.cross_entropy(ch.one_hot(y, 4), ours), loss)
    w = torch.tensor([0.5, 1, 2, 3], dtype=torch.float64)
    _close(ch.weighted(y, z, w), w[y] * loss)
    _close(ch.focal(y, z, 2.0), (1 - (-loss).exp()) ** 2 * loss)
    ch.cross_entropy(ch.one_hot(y, 4), ours).sum().backward()
    loss.sum().backward()
    _close(ours.grad, theirs.grad)
    _close(ch.distil(z, z, 2.0), 4 * torch.special.entr(F.softmax(z / 2, 1)).sum(1))


def test_the_first_notebooks_boast_holds_here_too():
    assert (
        ch.cross_entropy(ch.one_hot(torch.tensor(0), 2), torch.tensor([0.0, -math.inf]))
        == 0
    )
    assert (
        ch.cross_entropy(ch.one_hot(torch.tensor(1), 2), torch.tensor([0.0, -math.inf]))
        == math.inf
    )


@few
@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_what_never_happens_costs_nothing(k, seed):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(k), 2)
    p[rng.random(k) < 0.4], q[rng.random(k) < 0.2] = 0, 0
    p[0], q[0] = 1 - p[1:].sum(), 1 - q[1:].sum()
    law = stats.entropy(
        p, q
    )  # scipy: 0 ln 0 = 0, and inf where q forbids what p allows
    ours = ch.regret(ch.log_penalty, p, q)
    assert ours == law or math.isclose(ours, law, rel_tol=1e-9, abs_tol=1e-12)
    by_distance = ((np.eye(k) - q) ** 2).sum(axis=1)
    np.testing.assert_allclose(ch.brier_penalty(q), by_distance, atol=1e-14)
    price = ch.expected(lambda y, z: z[torch.arange(k), y], torch.tensor(p))
    dear = torch.tensor(np.where(p > 0, 1.0, np.inf))
    assert math.isclose(price(dear), 1, rel_tol=1e-12)


@pytest.mark.parametrize("bad", [[-1], [-100], [4], [0, 9]])
def test_labels_outside_the_classes_are_refused(bad):
    y = torch.tensor(bad)
    z = torch.zeros(len(bad), 4, dtype=torch.float64)
    for call in (
        lambda: ch.one_hot(y, 4),
        lambda: ch.focal(y, z, 2.0),
        lambda: ch.with_z_loss(y, z, 0.1),
    ):
        with pytest.raises(ValueError, match="classes lie"):
            call()
    for kind in (torch.float64, torch.bool):
        with pytest.raises(TypeError, match="whole numbers"):
            ch.one_hot(y.to(kind), 4)


def test_a_one_hot_row_costs_a_row_and_not_a_square():
    y = torch.tensor([0, 128_255], dtype=torch.int32)
    rows = ch.one_hot(y, 128_256)  # C² numbers would be 131 GB
    assert rows.shape == (2, 128_256) and rows.sum() == 2 and rows[1, 128_255] == 1
    assert ch.brier_penalty(np.full(128_256, 1 / 128_256)).shape == (128_256,)


def test_nothing_counted_is_no_gradient():
    model = torch.nn.Linear(3, 4, dtype=torch.float64)
    batch = [(torch.ones(2, 3, dtype=torch.float64), torch.full((2,), -100))]
    assert not ch.accumulated_gradient(model, batch).any()


@pytest.mark.parametrize("y", [0, 1])
def test_what_has_no_weight_costs_nothing_even_if_it_cannot_be(y):
    """Kind: 0 · −∞. An example of weight 0 adds 0, and a slope of 0."""
    z = torch.tensor([[0.0, -math.inf]], requires_grad=True)
    loss = ch.weighted(torch.tensor([y]), z, torch.tensor([1.0, 0.0]))
    (slope,) = torch.autograd.grad(loss.sum(), z)
    assert loss.item() == 0 and not slope.any()


@pytest.mark.parametrize("gamma", [0.25, 0.5, 1.0, 2.0])
def test_focal_has_a_slope_where_the_loss_is_nothing(gamma):
    z = torch.tensor([[200.0, 0.0]], requires_grad=True)
    ch.focal(torch.tensor([0]), z, gamma).sum().backward()
    assert not z.grad.any()


@given(st.integers(1, 5), st.integers(1, 5), st.data())
@settings(max_examples=40, deadline=None)
def test_classes_and_scores_of_two_numbers_are_refused(k, n, data):
    """Kind: shapes that broadcast in silence. F.cross_entropy refuses the same."""
    y = torch.tensor([data.draw(st.integers(0, n - 1))])
    logits, w = torch.zeros(1, k), torch.ones(n)
    if k == n:
        theirs = F.cross_entropy(logits.double(), y, w.double(), reduction="none")
        torch.testing.assert_close(ch.weighted(y, logits, w), theirs)
        return
    with pytest.raises(ValueError, match="logits"):
        ch.weighted(y, logits, w)
    with pytest.raises((ValueError, RuntimeError)):
        F.cross_entropy(logits, y, w)


@pytest.mark.parametrize("bad", [-1.0, -1e-9, math.nan])
def test_shares_temperatures_and_powers_that_are_none_are_refused(bad):
    target, y = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    for call in (
        lambda: ch.smooth(target, bad),
        lambda: ch.smooth(target, 2.0),
        lambda: ch.distil(target, target, bad),
        lambda: ch.distil(target, target, 0.0),
        lambda: ch.focal(y, target, bad),
    ):
        with pytest.raises(ValueError, match="lies from"):
            call()


def test_reliability_and_temperature_say_when_there_is_none():
    eye, y = torch.eye(2), torch.tensor([0, 1])
    for logits, bins in ((eye[:0], 15), (eye, 0), (eye * math.nan, 15)):
        with pytest.raises(ValueError, match="rows of logits"):
            ch.calibration_error(logits, y[: len(logits)], bins)
    for right in (y, 1 - y):  # every answer is the likeliest, or worse than chance
        with pytest.raises(ValueError, match="no T is best"):
            ch.best_temperature(eye, right)


@few
@given(
    arrays(float, (12, 3), elements=st.floats(-3, 3)),
    arrays(np.int64, 12, elements=st.integers(0, 2)),
    st.floats(-290, 290),
    st.booleans(),
)
def test_the_best_temperature_has_the_unit_of_the_logits(z, y, power, extra):
    """Kind: a bracket in fixed units. Witness: scipy's search of the loss, in the units of the page."""
    chosen, top = z[np.arange(12), y].mean(), z.max(axis=1).mean()
    if chosen - z.mean() < 0.1 or top - chosen < 0.1:
        return  # no T, or one far from the scores' own size
    truth = math.exp(
        optimize.minimize_scalar(
            lambda s: F.cross_entropy(
                torch.tensor(z / math.exp(s)), torch.tensor(y)
            ).item(),
            bounds=(-9, 9),
            options={"xatol": 1e-9},
        ).x
    )
    scaled = 10.0**power * z
    if extra:  # a class that cannot be changes nothing
        scaled = np.column_stack([scaled, np.full(12, -np.inf)])
    for kind in (np.int64, np.uint8):
        ours = ch.best_temperature(torch.tensor(scaled), torch.tensor(y.astype(kind)))
        assert ours / 10.0**power == pytest.approx(truth, rel=1e-4)


@few
@given(st.floats(-15, 15), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_distillation_at_every_temperature_it_takes(power, k, seed):
    """Witness: mpmath. Outside the bounds it says so."""
    rng, T = np.random.default_rng(seed), min(max(10.0**power, 1e-15), 1e15)
    z, v = rng.normal(size=(2, k)) * 3
    with mpmath.workdps(40):
        m = mpmath.mpf(T)
        soft = [mpmath.exp(mpmath.mpf(x) / m) for x in (v - v.max())]
        lse = mpmath.log(mpmath.fsum(mpmath.exp((x - z.max()) / m) for x in map(mpmath.mpf, z)))  # fmt: skip
        truth = m**2 * mpmath.fsum(
            t / mpmath.fsum(soft) * (lse - (mpmath.mpf(x) - z.max()) / m)
            for t, x in zip(soft, z, strict=True)
        )
    ours = ch.distil(torch.tensor(z), torch.tensor(v), T).item()
    # z / T errs by half a place, and e^(z/T) by that times |z/T| where it counts
    assert ours == pytest.approx(float(truth), rel=1e-12, abs=1e-12 * T**2)
    for bad in (1e-310, 1e-16, 1e16, 1e200, math.inf):
        with pytest.raises(ValueError, match="T lies from"):
            ch.distil(torch.tensor(z), torch.tensor(v), bad)


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "int32", "int64"])
@few
@given(seed=st.integers(0, 2**32 - 1))
def test_labels_of_every_whole_type_pick_the_same_weight(kind, seed):
    """Kind: an array of bytes is read as a mask. Witness: the library with int64."""
    rng = np.random.default_rng(seed)
    n, k = rng.integers(1, 6, 2)
    z, w = torch.tensor(rng.normal(size=(n, k))), torch.tensor(rng.random(k))
    y = torch.tensor(rng.integers(0, k, n))
    theirs = F.cross_entropy(z, y, weight=w, reduction="none")
    _close(ch.weighted(y.to(getattr(torch, kind)), z, w), theirs)


@pytest.mark.parametrize("bad", [[-100, 0], [0, 2], [0], [0, 1, 1]])
def test_rows_without_a_class_are_refused_where_rows_are_counted(bad):
    z, y = torch.tensor([[2.0, 1.0], [0.5, 1.0]]), torch.tensor(bad)
    for call in (ch.calibration_error, ch.reliability, ch.best_temperature):
        with pytest.raises(ValueError, match="classes"):
            call(z, y)


def test_conventions_shares_and_powers_that_are_none_are_refused():
    for pair in (("al", "all"), ("all", "al"), (None, "others")):
        with pytest.raises(ValueError, match="conventions are"):
            ch.smoothing(0.1, 12, *pair)
    for k, eps in ((10, 0), (10, -0.1), (10, 1.5), (10, math.nan), (1, 0.1)):
        with pytest.raises(ValueError, match="0 < eps"):
            ch.threshold(k, eps)
    assert ch.threshold(10, 1) == 1
    for p in (1e-13, 1e-12, 1 - 1e-13):
        with pytest.raises(ValueError, match="strictly between"):
            ch.focal_report(p, 0)
    for gamma in (-1, 101, math.nan):
        with pytest.raises(ValueError, match="gamma lies"):
            ch.focal_report(0.9, gamma)
    with pytest.raises(ValueError, match="no T is best"):  # one that cannot be
        ch.best_temperature(torch.tensor([[0.0, -math.inf]]), torch.tensor([1]))


def test_a_pair_of_logits_is_the_last_axis():
    z = torch.arange(6.0).reshape(2, 3)
    logits = ch.pair(z)
    assert logits.shape == (2, 3, 2)
    torch.testing.assert_close(F.softmax(logits, -1)[..., 1], torch.sigmoid(z))


@few
@given(st.integers(2, 4), st.integers(1, 4), st.data())
def test_labels_of_a_shape_that_would_be_stretched_are_refused(n, k, data):
    """Kind: numbers that broadcast in silence. F.cross_entropy refuses each of these."""
    z, w = torch.zeros(n, k), torch.ones(k)
    shape = data.draw(st.sampled_from([(n, 1), (1, n), (1,), (n + 1,), ()]))
    y = torch.zeros(shape, dtype=torch.int64)
    with pytest.raises((ValueError, RuntimeError)):
        F.cross_entropy(z, y)
    for call in (
        lambda: ch.focal(y, z, 2),
        lambda: ch.weighted(y, z, w),
        lambda: ch.with_z_loss(y, z, 0.1),
        lambda: ch.cross_entropy(ch.one_hot(y, k), z),
        lambda: ch.distil(z, torch.zeros(*shape, k), 1.0),
        lambda: ch.reliability(z, y),
    ):
        with pytest.raises(ValueError, match="logits"):
            call()


def test_bins_are_counted_in_whole_numbers():
    with pytest.raises(TypeError, match="integer"):
        ch.reliability(torch.eye(2), torch.tensor([0, 1]), 1.5)
