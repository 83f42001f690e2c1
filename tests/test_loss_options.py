"""chapters/loss-options.ipynb: our cross_entropy against PyTorch on inputs that nobody chose, and what it refuses."""

import math
import sys
import tracemalloc

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))

NAME = "loss-options"
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def c():
    return chapter(NAME)


@st.composite
def problems(draw):
    """Random (logits, target, options) that both functions accept: up to four axes, one row or none included."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    classes = draw(st.integers(1, 6))
    rows = draw(
        st.one_of(
            st.just(()), st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple)
        )
    )
    shape = (*rows[:1], classes, *rows[1:])
    axis = min(1, len(shape) - 1)
    z = rng.normal(scale=10 ** draw(st.floats(-3, 2)), size=shape).astype(dtype)
    z += dtype(draw(st.sampled_from([0, 1000, -1000])))
    options = {
        "weight": draw(
            st.sampled_from([None, rng.uniform(0.05, 3, size=classes).astype(dtype)])
        ),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        "reduction": draw(st.sampled_from(["none", "sum", "mean"])),
    }
    if draw(st.booleans()):
        y = np.moveaxis(rng.dirichlet(np.ones(classes), size=rows), -1, axis).astype(
            dtype
        )
    else:
        y = rng.integers(classes, size=rows)
        options["ignore_index"] = draw(st.sampled_from([-100, -1, *range(classes)]))
        if options["ignore_index"] < 0:
            y = np.where(
                rng.random(rows) < draw(st.sampled_from([0, 0.3, 1])),
                options["ignore_index"],
                y,
            )
    return z, y, options


def by_torch(z, y, options):
    """PyTorch's loss; half precision is widened first, for torch itself rounds every step of it to 11 bits."""

    def wide(x):
        x = torch.as_tensor(x)
        return x.double() if x.dtype == torch.float16 else x

    tensors = {
        k: wide(v) if isinstance(v, np.ndarray) else v for k, v in options.items()
    }
    return F.cross_entropy(wide(z), wide(y), **tensors)


def tolerance(z, options):
    """Errors scale with the largest loss of a row, at most its range plus ln C, times the weights and rows."""
    weight = 3 if options["weight"] is not None else 1
    z, eps = z.astype(float), np.finfo(z.dtype).eps
    size = (np.ptp(z) + math.log(z.shape[min(1, z.ndim - 1)])) if z.size else 1
    return (
        60
        * eps
        * (1 + weight * size)
        * (z.size if options["reduction"] == "sum" else 1)
    )


@given(problems())
@settings(max_examples=250, deadline=None)
def test_equals_torch_and_leaves_its_inputs_alone(c, problem):
    z, y, options = problem
    before = (
        z.copy(),
        y.copy(),
        None if options["weight"] is None else options["weight"].copy(),
    )
    ours, theirs = (
        c.cross_entropy(z, y, **options),
        by_torch(torch.tensor(z), y, options).numpy(),
    )
    assert ours.shape == theirs.shape and ours.dtype == z.dtype
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance(z, options))
    for kept, now in zip(before, (z, y, options["weight"]), strict=True):
        np.testing.assert_array_equal(kept, now)


@given(problems())
@settings(max_examples=120, deadline=None)
def test_slope_equals_autograd(c, problem):
    z, y, options = problem
    options["reduction"] = "mean"
    leaf = torch.tensor(z, requires_grad=True)
    by_torch(leaf, y, options).backward()
    del options["reduction"]
    ours = c.slope_of_mean(z, y, **options)
    # a probability is off by eps times the exponent; the weighted mean divides by a weight as small as 0.05
    span = np.ptp(z.astype(float)) if z.size else 0
    np.testing.assert_allclose(
        ours, leaf.grad, rtol=0, atol=60 * np.finfo(z.dtype).eps * (60 + span)
    )
    assert ours.dtype == z.dtype


@given(problems(), st.data())
@settings(max_examples=80, deadline=None)
def test_a_forbidden_class_costs_nothing_unless_it_is_meant(c, problem, data):
    """Witness: torch on the same row without the forbidden classes; or infinity."""
    z, y, options = problem
    if z.ndim != 2 or options["label_smoothing"]:
        return
    options.pop("reduction")
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    forbidden = rng.random(z.shape) < 0.5
    forbidden[:, 0] = False
    losses = c.cross_entropy(
        np.where(forbidden, z.dtype.type(-np.inf), z), y, **options, reduction="none"
    )
    weight = np.ones(z.shape[1]) if options["weight"] is None else options["weight"]
    for i, gone in enumerate(forbidden):
        if y.ndim == 1:
            if y[i] == options["ignore_index"]:
                assert losses[i] == 0
                continue
            t = np.eye(z.shape[1])[y[i]]
        else:
            t = np.where(gone & (rng.random(z.shape[1]) < 0.8), 0, y[i].astype(float))
            t[0] += 1 - t.sum()
            row = np.where(gone, -np.inf, z[i].astype(float))
            losses[i] = c.cross_entropy(row, t, weight=weight)
        if (t[gone] * weight[gone] > 0).any():
            assert losses[i] == np.inf
        else:
            left = torch.tensor(z[i].astype(float)[~gone])
            paid = torch.tensor((t * weight)[~gone])
            theirs = -(paid * torch.log_softmax(left, 0)).sum()
            atol = tolerance(z, options | {"reduction": "none"})
            np.testing.assert_allclose(losses[i], theirs, rtol=0, atol=atol)


@given(problems(), st.sampled_from([np.nan, np.inf, -np.inf]))
@settings(max_examples=60, deadline=None)
def test_ignored_rows_are_not_looked_at(c, problem, poison):
    z, y, options = problem
    if y.dtype.kind != "i":
        return
    axis = min(1, z.ndim - 1)
    ignored = np.expand_dims(y == options["ignore_index"], axis)
    poisoned = np.where(ignored, z.dtype.type(poison), z)
    for function in (c.cross_entropy, c.slope_of_mean):
        given_ = dict(options)
        if function is c.slope_of_mean:
            del given_["reduction"]
        before = function(z, y, **given_)
        np.testing.assert_array_equal(function(poisoned, y, **given_), before)
    assert not np.broadcast_to(ignored, z.shape)[before != 0].any()


def test_memory_is_that_of_the_scores_and_not_of_the_classes_squared(c):
    """One row of Llama's vocabulary: C² numbers would be 61 GiB; some ten tables of N·C are all that is taken."""
    z, y = np.zeros((2, 128_256), np.float32), np.array([5, 128_255])
    for function in (c.cross_entropy, c.slope_of_mean):
        tracemalloc.start()
        value = function(z, y)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12 * z.nbytes, function.__name__
        if value.ndim == 0:
            assert math.isclose(value, math.log(128_256), rel_tol=1e-5)


def test_half_precision_sums_many_classes(c):
    """70,000 equal scores: their exponentials sum beyond float16."""
    z = np.zeros((1, 70_000), np.float16)
    loss = c.cross_entropy(z, [3])
    assert loss.dtype == np.float16 and abs(loss - math.log(70_000)) < 0.01
    assert c.log_softmax(z).dtype == np.float16 and np.isfinite(c.log_softmax(z)).all()


@pytest.mark.parametrize("source", [torch.float16, torch.bfloat16, torch.float32])
def test_probabilities_from_a_coarser_type_are_taken(c, source):
    torch.manual_seed(0)
    for classes in (2, 10, 1000, 128_256):
        p = torch.softmax(3 * torch.randn(20 if classes < 9999 else 1, classes), 1).to(
            source
        )
        for wide in (torch.float32, torch.float64):
            q = p.to(wide).numpy()
            loss = c.cross_entropy(np.zeros_like(q), q)
            assert math.isclose(loss, math.log(classes), rel_tol=2**-6)
    with pytest.raises(ValueError, match="sum to 1"):
        c.cross_entropy(np.zeros((1, 2)), np.array([[0.51, 0.5]]))


Z, Y = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]]), np.array([0, 2])
P = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
BAD = [
    (TypeError, "floating-point", Z.astype(int), Y, {}),
    (TypeError, "floating-point", Z.astype(complex), Y, {}),
    (ValueError, "class axis", np.float64(1.0), Y, {}),
    (ValueError, "at least one class", Z[:, :0], Y, {}),
    (ValueError, "finite", np.where(Z == 3, np.nan, Z), Y, {}),
    (ValueError, "finite", np.where(Z == 3, np.inf, Z), Y, {}),
    (ValueError, "finite", np.full((2, 3), -np.inf), Y, {}),
    (ValueError, "shape", Z, Y[:1], {}),
    (ValueError, "shape", Z, Y[:, None], {}),
    (ValueError, "shape", Z, np.int64(1), {}),
    (ValueError, "0..2", Z, np.array([0, 3]), {}),
    (ValueError, "0..2", Z, np.array([0, -1]), {}),
    (ValueError, "0..2", Z, np.array([0, -100]), {"ignore_index": 1}),
    (TypeError, "bool", Z, Y > 0, {}),
    (TypeError, "integers or floats", Z, np.array(["a", "b"]), {}),
    (ValueError, "float targets", Z, Y.astype(float), {}),
    (ValueError, "shape of the logits", Z, P.T, {}),
    (ValueError, "shape of the logits", Z, np.float64(1), {}),
    (ValueError, "sum to 1", Z, 3 * P, {}),
    (ValueError, "sum to 1", Z, P - np.array([0.5, -0.5, 0]), {}),
    (ValueError, "sum to 1", Z, P * np.nan, {}),
    (ValueError, "ignore_index", Z, P, {"ignore_index": 0}),
    (TypeError, "integer", Z, Y, {"ignore_index": 0.5}),
    (ValueError, "weight", Z, Y, {"weight": np.ones(2)}),
    (ValueError, "weight", Z, Y, {"weight": np.ones((2, 3))}),
    (ValueError, "weight", Z, Y, {"weight": np.array([1, -1, 1])}),
    (ValueError, "weight", Z, Y, {"weight": np.array([1, np.inf, 1])}),
    (ValueError, "weight", Z, Y, {"weight": np.array([1, np.nan, 1])}),
    (ValueError, "label_smoothing", Z, Y, {"label_smoothing": -0.1}),
    (ValueError, "label_smoothing", Z, Y, {"label_smoothing": 1.1}),
    (ValueError, "label_smoothing", Z, Y, {"label_smoothing": math.nan}),
    (ValueError, "reduction", Z, Y, {"reduction": "avg"}),
]


@pytest.mark.parametrize("error, words, logits, target, options", BAD)
def test_bad_input_is_refused_in_words(c, error, words, logits, target, options):
    with pytest.raises(error, match=words):
        c.cross_entropy(logits, target, **options)


@pytest.mark.parametrize(
    "kind", [np.uint8, np.int8, np.int16, np.int32, np.int64, np.uint64]
)
def test_every_integer_type_names_a_class(c, kind):
    assert c.cross_entropy(Z, Y.astype(kind)) == c.cross_entropy(Z, Y)
    assert c.cross_entropy(Z.tolist(), Y.tolist()) == c.cross_entropy(Z, Y)


def test_targets_from_a_narrower_softmax_are_taken(c):
    narrow = torch.softmax(torch.tensor(Z, dtype=torch.float32), 1).numpy()
    assert math.isclose(
        c.cross_entropy(Z, narrow),
        by_torch(torch.tensor(Z), narrow.astype(float), {}),
        rel_tol=1e-12,
    )


def test_smoothing_pays_for_a_forbidden_class_and_plain_targets_do_not(c):
    masked = np.array([[-np.inf, 0.0, 1.0]])
    assert c.cross_entropy(masked, [1], label_smoothing=0.1) == np.inf
    assert c.cross_entropy(masked, [0]) == np.inf
    np.testing.assert_allclose(
        c.cross_entropy(masked, np.array([[0, 1.0, 0]])), math.log(1 + math.e)
    )
    assert c.cross_entropy(masked, [0], weight=[0, 1, 1], reduction="sum") == 0


def test_row_weights_are_refused_or_counted(c):
    assert math.isclose(c.cross_entropy_by_row(Z, Y, [1, 1]), c.cross_entropy(Z, Y))
    assert math.isclose(
        c.cross_entropy_by_row(Z, Y, [0, 5]), c.cross_entropy(Z[1:], Y[1:])
    )
    hopeless = np.where(np.arange(2)[:, None] == 0, np.array([-np.inf, 0, 0]), Z)
    assert c.cross_entropy(hopeless, Y) == np.inf, (
        "and a row that counts 0 times is free"
    )
    assert math.isclose(
        c.cross_entropy_by_row(hopeless, Y, [0, 5]), c.cross_entropy(Z[1:], Y[1:])
    )
    for bad in ([1], [1, -1], [1, np.nan]):
        with pytest.raises(ValueError, match="row_weight"):
            c.cross_entropy_by_row(Z, Y, bad)


@pytest.mark.parametrize("w", [0, 1, 2.5, 10])
def test_the_explorable_has_torchs_two_means(c, run_script, w):
    z = torch.tensor([[0.0, 1.0], [2.0, 0.5], [1.0, -1.0]], dtype=torch.double)
    y, weight = torch.tensor([0, 0, 1]), torch.tensor([1.0, w], dtype=torch.double)
    rows = F.cross_entropy(z, y, reduction="none").tolist()
    theirs = [
        F.cross_entropy(z, t, weight=weight).item()
        for t in (y, F.one_hot(y, 2).double())
    ]
    done = run_script(c.MEANS, {"w": w}, rows)
    for i, mean in enumerate(theirs):
        assert math.isclose(float(done["set"][f'[data-b="{i}"] width']), 70 * mean)
    done = run_script(c.MEANS, {"w": w}, list(c.LOSSES))
    assert [done["said"][f"m{i}"] for i in (0, 1)] == [
        f"{m:.2f}" for m in c.two_means(w)
    ]


@pytest.mark.parametrize("kind", [complex, object, bool, str])
def test_weights_that_are_no_real_numbers_are_refused(c, kind):
    with pytest.raises(TypeError, match="real numbers"):
        c.cross_entropy(np.zeros((1, 2)), np.array([0]), weight=np.ones(2).astype(kind))


@pytest.mark.parametrize("unit", [2.0**-1073, 1e-300, 1.0, 1e300, 1.7e308])
def test_the_unit_of_row_weights_changes_nothing(c, unit):
    rng = np.random.default_rng(5)
    z, y, r = rng.normal(size=(4, 3)), rng.integers(3, size=4), np.array([1, 0.5, 0, 1])
    ours = c.cross_entropy_by_row(z, y, r * unit)
    np.testing.assert_allclose(ours, c.cross_entropy_by_row(z, y, r), rtol=1e-12)


@pytest.mark.parametrize("w", [1e308, 1e-320, 1e200])
def test_weights_whose_sums_would_leave_the_floats_are_refused(c, w):
    """Two weights of 1e308 once gave the mean loss 0: their sum was infinite."""
    for f in (c.cross_entropy, c.slope_of_mean):
        with pytest.raises(ValueError, match="weights are 0, or from"):
            f(np.eye(2), np.array([0, 1]), weight=[w, w])
        assert np.isfinite(f(np.eye(2), np.array([0, 1]), weight=[1e150, 1e150])).all()
