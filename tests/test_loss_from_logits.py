"""chapters/loss-from-logits.ipynb: our cross_entropy against PyTorch on inputs that nobody chose, and what it refuses."""

import math
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import CHAPTERS, chapter
from hypothesis import assume, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
from plumbing import peak_bytes  # noqa: E402

NAME = "loss-from-logits"
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def c():
    return chapter(NAME)


@st.composite
def problems(draw):
    """Random (logits, target, options) that both functions accept: up to four axes, one row or none included."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
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
    tensors = {
        k: torch.tensor(v) if isinstance(v, np.ndarray) else v
        for k, v in options.items()
    }
    return F.cross_entropy(z, torch.tensor(y), **tensors)


def tolerance(z, options):
    """Errors scale with the largest loss of a row, at most its range plus ln C, times the weights and rows."""
    weight = 3 if options["weight"] is not None else 1
    size = (np.ptp(z) + math.log(z.shape[min(1, z.ndim - 1)])) if z.size else 1
    return (
        60
        * np.finfo(z.dtype).eps
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
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance(z, options))
    for kept, now in zip(before, (z, y, options["weight"]), strict=True):
        np.testing.assert_array_equal(kept, now)


@given(problems())
@settings(max_examples=120, deadline=None)
def test_slope_equals_autograd(c, problem):
    z, y, options = problem
    options["reduction"] = "mean"
    assume(
        z.size > 0
        and not (y.dtype.kind == "i" and (y == options.get("ignore_index", -100)).all())
    )
    leaf = torch.tensor(z, requires_grad=True)
    by_torch(leaf, y, options).backward()
    del options["reduction"]
    ours = c.slope_of_mean(z, y, **options)
    # a probability is off by eps times the exponent; the weighted mean divides by a weight as small as 0.05
    np.testing.assert_allclose(
        ours, leaf.grad, rtol=0, atol=60 * np.finfo(z.dtype).eps * (60 + np.ptp(z))
    )


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


def test_edge_refuses_an_interval_without_one(c):
    for low, high in ((0.0, 1.0), (200.0, 300.0)):
        with pytest.raises(ValueError, match="edge"):
            c.edge(c.naive_is_inf, torch.float32, low, high)
    assert c.edge(lambda x: bool(x > 1), torch.float32, 0.0, 4.0) == (
        1.0,
        float(np.nextafter(np.float32(1), np.float32(2))),
    )


def test_loop_refuses_ragged_input(c):
    with pytest.raises(ValueError):
        c.looped_loss(Z, Y[:1])


def test_row_weights_are_refused_or_counted(c):
    assert math.isclose(c.cross_entropy_by_row(Z, Y, [1, 1]), c.cross_entropy(Z, Y))
    assert math.isclose(
        c.cross_entropy_by_row(Z, Y, [0, 5]), c.cross_entropy(Z[1:], Y[1:])
    )
    for bad in ([1], [1, -1], [1, np.nan]):
        with pytest.raises(ValueError, match="row_weight"):
            c.cross_entropy_by_row(Z, Y, bad)


@given(st.lists(st.lists(st.floats(-1e4, 1e4), max_size=6), max_size=6))
@settings(max_examples=100, deadline=None)
def test_summaries_merge_to_logsumexp(c, blocks):
    pair = c.EMPTY
    for block in blocks:
        pair = c.merge(pair, c.summary(np.array(block)))
    values = torch.tensor([v for block in blocks for v in block], dtype=torch.float64)
    if not len(values):
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
