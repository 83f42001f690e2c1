"""chapters/transformer-before-attention.ipynb: the mixers on shapes nobody chose, the counts against brute force, reach over more seeds."""

import math

import mpmath
import networkx as nx
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from torch import nn

quick = settings(max_examples=40, deadline=None)
sizes = st.integers(1, 9)
seeds = st.integers(0, 2**31)


@pytest.fixture(scope="module")
def c():
    return chapter("transformer-before-attention")


@pytest.fixture(autouse=True)
def double():
    """Double precision and one thread, as in the chapter; both are put back."""
    before, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    yield
    torch.set_default_dtype(before)
    torch.set_num_threads(threads)


@quick
@given(
    seed=seeds,
    T=sizes,
    d_in=sizes,
    d=sizes,
    name=st.sampled_from(["RNN", "GRU", "LSTM"]),
)
def test_recurrences_equal_torch_on_any_shape(c, seed, T, d_in, d, name):
    torch.manual_seed(seed)
    module, x = getattr(nn, name)(d_in, d), 3 * torch.randn(T, d_in)
    ours = c.OURS[name](x.numpy(), *c.weights(module))
    np.testing.assert_allclose(ours, module(x)[0].detach(), atol=1e-12)


@quick
@given(
    seed=seeds,
    T=sizes,
    d_in=sizes,
    d=sizes,
    k=st.integers(1, 4),
    dilation=st.integers(1, 5),
)
def test_convolution_equals_torch_on_any_shape(c, seed, T, d_in, d, k, dilation):
    torch.manual_seed(seed)
    module, x = nn.Conv1d(d_in, d, k, dilation=dilation), torch.randn(T, d_in)
    theirs = module(F.pad(x.T, ((k - 1) * dilation, 0))).T.detach()
    ours = c.convolution(x.numpy(), *c.weights(module), dilation)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@quick
@given(seed=seeds, T=sizes, d=sizes, d_v=sizes, scale=st.sampled_from([1e-3, 1, 1e3]))
def test_attention_equals_torch_and_stays_in_the_range_of_the_values(
    c, seed, T, d, d_v, scale
):
    torch.manual_seed(seed)
    Q, K, V = torch.randn(T, d) * scale, torch.randn(T, d), torch.randn(T, d_v)
    for causal in (True, False):
        ours = c.attend(Q.numpy(), K.numpy(), V.numpy(), causal)
        theirs = F.scaled_dot_product_attention(Q, K, V, is_causal=causal)
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
        assert np.all(ours <= V.numpy().max(0) + 1e-12)
        assert np.all(ours >= V.numpy().min(0) - 1e-12)


@quick
@given(seed=seeds, T=st.integers(2, 9), data=st.data())
def test_the_future_does_not_touch_the_past(c, seed, T, data):
    torch.manual_seed(seed)
    cut = data.draw(st.integers(1, T - 1))
    x = np.random.default_rng(seed).normal(size=(T, 4))
    other = x.copy()
    other[cut:] += 5
    for name, mixer in c.toy_mixers(4).items():
        same = np.allclose(mixer(x)[:cut], mixer(other)[:cut], atol=1e-12)
        assert same == (name != "no mask")
        assert not np.allclose(mixer(x)[cut:], mixer(other)[cut:], atol=1e-6)


@quick
@given(seed=seeds, V=st.integers(1, 3), T=st.integers(1, 4))
def test_conditionals_of_causal_mixers_sum_to_one(c, seed, V, T):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    E, U = rng.normal(size=(V + 1, 3)), rng.normal(size=(3, V))
    for name, mixer in c.toy_mixers(3).items():
        total = sum(c.probability(s, mixer, E, U) for s in np.ndindex(*[V] * T))
        if name != "no mask":
            assert math.isclose(total, 1, rel_tol=1e-12)


@quick
@given(seed=seeds, T=st.integers(1, 20), d_in=sizes, d=sizes)
def test_gradient_through_time_equals_autograd(c, seed, T, d_in, d):
    torch.manual_seed(seed)
    module, g = nn.RNN(d_in, d), torch.randn(d)
    x = torch.randn(T, d_in, requires_grad=True)
    states = module(x)[0]
    (theirs,) = torch.autograd.grad(states[-1] @ g, x)
    theirs = theirs.numpy()
    W_ih, W_hh, *_ = c.weights(module)
    ours = c.gradient_through_time(states.detach().numpy(), W_ih, W_hh, g.numpy())
    scale = np.abs(theirs).max(axis=1, keepdims=True)
    np.testing.assert_allclose(ours / scale, theirs / scale, atol=1e-8)


def test_reach_is_the_norm_of_the_jacobian(c):
    """Linear in its input, so that the Jacobian is known: y_T = Σ A_k x_{T-k}."""
    torch.manual_seed(1)
    A = torch.randn(4, 6, 5)

    def model(x):  # (B, T, 5) -> (B, T, 6), only the last row matters
        y = sum(x[:, -1 - k] @ A[k].T for k in range(4))
        return y[:, None]

    r = c.reach(model, 7, 5, batch=20_000)
    exact = [float(torch.linalg.norm(M)) / math.sqrt(5) for M in A]
    np.testing.assert_allclose(r[:4], exact, rtol=0.03)  # 20,000 random questions
    assert not r[4:].any()


def test_three_ways_to_hear_the_first_token_over_five_seeds(c):
    for seed in range(5):
        torch.manual_seed(seed)
        r = {name: c.reach(c.fresh(name), 64, 64, 64) for name in c.NAMES}
        assert 0 < r["RNN"][63] < np.finfo(float).eps
        assert 0 < max(r["GRU"][63], r["LSTM"][63]) < 1e-11
        assert r["convolution"][26] > 1e-4 and not r["convolution"][27:].any()
        assert r["attention"][1:].max() < 2 * r["attention"][1:].min()


def test_the_fade_rate_over_more_gains_and_seeds(c):
    torch.manual_seed(0)
    for gain in (0.5, 1, 1.5, 2.5, 3.5):
        found = [c.measured_rate(c.scaled_rnn(128, gain), 128) for _ in range(5)]
        assert abs(np.median(found) / c.fade_rate(128, gain) - 1) < 0.06


def test_the_fade_rate_at_its_edges(c):
    rates = [c.fade_rate(64, g) for g in np.linspace(0, 6, 25)]
    assert rates[0] == 0 and np.all(np.diff(rates) > 0)
    for n in (1, 10, 10**6):
        assert 0 < c.fade_rate(n) < 1 / math.sqrt(3), "tanh only takes away"
    for bad in ((0, 1), (5, -1)):
        with pytest.raises(ValueError, match="needs n >= 1"):
            c.fade_rate(*bad)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 200), k=st.integers(2, 6), dilated=st.booleans())
def test_layers_needed_is_the_least_number_that_will_do(c, n, k, dilated):
    def field(layers):
        return 1 + sum((k - 1) * (k**i if dilated else 1) for i in range(layers))

    need = c.layers_needed(n, k, dilated)
    assert field(need) >= n and (need == 0 or field(need - 1) < n)
    steps = [k**i if dilated else 1 for i in range(need)]
    assert c.dye_comes_out(n, k, steps)
    assert n == 1 or not c.dye_comes_out(n, k, steps[:-1])


@pytest.mark.parametrize("bad", [(0, 3), (9, 1), (-1, 2)])
def test_layers_needed_refuses_what_has_no_answer(c, bad):
    for dilated in (True, False):
        with pytest.raises(ValueError, match="needs n >= 1"):
            c.layers_needed(*bad, dilated)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 20), d=st.integers(1, 20), k=st.integers(1, 5))
def test_the_counter_gives_table_one(c, n, d, k):
    x = torch.randn(n, d)
    assert c.counted(c.attention_core, x, x, x) == 4 * n * n * d
    assert c.counted(c.step_loop, nn.RNNCell(d, d), x) == 4 * n * d * d
    padded = F.pad(x.T, (k - 1, 0))
    assert c.counted(nn.Conv1d(d, d, k), padded) == 2 * k * n * d * d


@quick
@given(seed=seeds, n=sizes, d=sizes)
def test_what_is_counted_is_what_is_meant(c, seed, n, d):
    torch.manual_seed(seed)
    Q, K, V = torch.randn(3, n, d)
    theirs = F.scaled_dot_product_attention(Q, K, V)
    torch.testing.assert_close(c.attention_core(Q, K, V), theirs)
    cell, layer = nn.RNNCell(d, d), nn.RNN(d, d)
    for ours, source in zip(cell.parameters(), layer.parameters(), strict=True):
        ours.data.copy_(source.data)
    torch.testing.assert_close(c.step_loop(cell, Q)[0], layer(Q)[0][-1])


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 30), layers=st.integers(1, 4))
def test_span_and_hops_against_paths_by_matrix_powers(c, n, layers):
    for graph in (
        c.recurrent_graph(n, layers),
        c.window_graph(n, [range(n)] * layers),
        c.window_graph(n, [(0, 2**i) for i in range(layers)] + [range(n)]),
    ):
        nodes = sorted(graph)
        A = nx.to_numpy_array(graph, nodelist=nodes) > 0
        first, last = nodes.index((0, 0)), len(nodes) - 1
        span, hops, step, paths = 0, None, 0, np.eye(len(nodes), dtype=bool)
        while paths.any():
            if hops is None and paths[first, last]:
                hops = step
            span = step
            paths, step = (paths.astype(int) @ A) > 0, step + 1
        assert c.span_and_hops(graph, n) == (span, hops)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([-1, 1]), min_size=1, max_size=11))
def test_a_register_that_is_not_full_remembers_everything(c, signs):
    h = np.float16(0)
    for s in signs:
        h = c.shift(h, s)
    number, back = float(h), []
    for _ in signs:  # the newest bit is the sign; take it off and double
        s = 1 if number > 0 else -1
        back.append(s)
        number = 2 * number - s
    assert back[::-1] == signs and number == 0


@quick
@given(st.floats(0.01, 1e5))
def test_half_life(c, N):
    share = c.sigmoid(c.bias_for_half_life(N))
    assert math.isclose(N * math.log(share), -math.log(2), rel_tol=1e-9)


def test_cpu_seconds_counts_work_and_not_sleep(c):
    import time

    def work():
        return sum(range(1_000_000))

    assert c.cpu_seconds(time.sleep, 0.05, repeats=5) < c.cpu_seconds(work, repeats=5)
    small, large = np.ones((150, 150)), np.ones((600, 600))
    assert c.cpu_seconds(np.dot, large, large) > c.cpu_seconds(np.dot, small, small)


@pytest.mark.parametrize(("gain", "step"), [(0.5, -0.5), (2.0, 0.01), (4.0, 0.2)])
def test_the_gains_curve_and_its_prediction(c, run_script, gain, step):
    curve = [-1 + 7 * step * k for k in range(10)]  # at 0, 7, … 63
    curves, foretold = [[0.0] * 10] * 36, [0.0] * 36
    at = round((gain - 0.5) * 10)
    curves[at], foretold[at] = curve, step
    done = run_script(c.FADE, {"g": gain}, {"c": curves, "f": foretold})
    drawn = [
        tuple(map(float, p.split(","))) for p in done["set"]["polyline points"].split()
    ]
    heights = [20 + 8 * (8 - min(8, max(-20, e))) for e in curve]
    np.testing.assert_allclose([y for _, y in drawn], heights, atol=0.051)
    np.testing.assert_allclose([x for x, _ in drawn], 40 + 35 * np.arange(10))
    (x0, y0), (x1, y1) = (
        map(float, p.split()) for p in done["set"][".foretold d"][1:].split("L")
    )
    assert x0 == 40 and abs(y0 - heights[0]) < 0.051 and x1 <= 355.05
    assert abs((y1 - y0) / (x1 - x0) + 8 * step / 5) < 0.02 * (1 + 8 * abs(step))
    said = done["said"]["rate"].removeprefix("reach at distance 63: ")
    assert abs(float(said) / 10 ** curve[9] - 1) < 0.06


@pytest.mark.parametrize("tokens", [[-1, 0], [0, -1], [3, 0], [0, 3], [0, 1.0]])
def test_what_is_no_token_is_refused_wherever_it_stands(c, tokens):
    """The last token is in no prefix: without a look at it, -1 would be given the chance of another."""
    E, U = np.eye(4, 2), np.ones((2, 3))
    assert math.isclose(c.probability([0, 2], lambda x: x, E, U), 1 / 9)
    with pytest.raises(ValueError, match="tokens"):
        c.probability(tokens, lambda x: x, E, U)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize(("d_in", "d"), [(3, 5), (1, 1), (4, 2)])
def test_of_nothing_there_is_nothing_in_the_right_shape(c, name, d_in, d):
    """Kind: a stack of no rows has lost its width. Witness: the library's shapes."""
    module = getattr(nn, name)(d_in, d)
    w = c.weights(module)
    for T in (0, 1, 3):
        x = torch.randn(T, d_in)
        states = c.OURS[name](x.numpy(), *w)
        assert states.shape == (T, d)
        if T:
            assert states.shape == tuple(module(x)[0].shape)
    if name == "RNN":
        slopes = c.gradient_through_time(np.zeros((0, d)), *w[:2], np.ones(d))
        assert slopes.shape == (0, d_in)


@pytest.mark.parametrize("T", [0, 1, 2, 5])
def test_there_is_one_row_of_conditionals_for_each_token(c, T):
    E, U = np.ones((4, 2)), np.ones((2, 3))
    module = nn.RNN(2, 2)
    mixers = (
        lambda x: x,
        lambda x: c.rnn(x, *c.weights(module)),
        lambda x: c.attend(x, x, x),
    )
    for mixer in mixers:
        tokens = [i % 3 for i in range(T)]
        assert c.conditionals(tokens, mixer, E, U).shape == (T, 3)
        assert math.isclose(c.probability(tokens, mixer, E, U), 3.0**-T)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1.6))
def test_the_gain_for_a_rate_has_the_rate_or_there_is_none(c, rate):
    most = c.fade_rate(200, 6.0)
    if rate > most:
        with pytest.raises(ValueError, match="no gain"):
            c.gain_for(rate)
    else:
        # 40 halvings of 6, times a slope of the rate in the gain below 1
        assert c.fade_rate(200, c.gain_for(rate)) == pytest.approx(rate, abs=1e-10)


def test_rates_and_gains_that_are_none_are_refused(c):
    for bad in (2.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="no gain"):
            c.gain_for(bad)
    for bad in (math.nan, math.inf, -1):
        with pytest.raises(ValueError, match="gain <= 100"):
            c.fade_rate(200, bad)
    for bad in (0, -1, math.nan, math.inf, 1e-310):
        with pytest.raises(ValueError, match="half-life"):
            c.bias_for_half_life(bad)


@settings(max_examples=40, deadline=None)
@given(st.floats(-299, 299))
def test_half_lives_of_every_length_have_a_bias(c, power):
    """Kind: an exponential that overflows on the way. Witness: mpmath."""
    N = 10.0**power
    with mpmath.workdps(50):
        a = mpmath.log(2) / mpmath.mpf(N)
        truth = -mpmath.log(mpmath.expm1(a)) if a < 1000 else -a
    assert c.bias_for_half_life(N) == pytest.approx(float(truth), rel=1e-14, abs=1e-14)


def rate_by_quad(n, gain):
    """The same mean-field equations; the means over N(0, q) by scipy's adaptive quadrature."""

    def mean(f):
        bell = math.sqrt(2 * math.pi)
        return quad(
            lambda z: f(math.tanh(root * z)) * math.exp(-z * z / 2) / bell,
            *(-12, 12),
            points=[0],
            limit=200,
            epsabs=0,
            epsrel=1e-11,
        )[0]

    q = 0.0
    for _ in range(300):
        root, before = math.sqrt(q), q
        q = gain**2 / 3 * mean(lambda t: t * t) + 1 / 3 + 2 / (3 * n)
        if abs(q - before) < 1e-10 * q:
            break
    return gain * math.sqrt(mean(lambda t: (1 - t * t) ** 2) / 3)


@pytest.mark.parametrize("gain", [0.5, 1, 4, 6, 10, 20, 50, 100])
def test_the_fade_rate_solves_its_equations(c, gain):
    """Kind: nodes too coarse for the step of tanh. Witness: quadrature that refines itself.

    Tolerance: nodes h apart miss some x³ exp(-x) of a mean, x = π² / (h √q), for tanh has its poles iπ/2 away: 1e-8 at gain 100.
    """
    assert math.isclose(c.fade_rate(200, gain), rate_by_quad(200, gain), rel_tol=1e-8)


def test_gains_beyond_the_nodes_are_refused(c):
    for bad in (101, 1e10, 1e160):
        with pytest.raises(ValueError, match="gain <= 100"):
            c.fade_rate(200, bad)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.int64])
@quick
@given(data=st.data(), dilated=st.booleans())
def test_layers_and_rates_of_every_whole_type(c, kind, data, dilated):
    """Kind: numpy's whole numbers wrap. Witness: Python's."""
    top = int(np.iinfo(kind).max)
    n = data.draw(st.integers(1, top) | st.integers(top - 9, top))
    k = data.draw(st.integers(2, 127))
    assert c.layers_needed(kind(n), kind(k), dilated) == c.layers_needed(n, k, dilated)
    if dilated:
        need = c.layers_needed(n, k, True)
        assert k**need >= n and (need == 0 or k ** (need - 1) < n)
    gain = min(k, 100)
    assert c.fade_rate(kind(n), kind(gain)) == c.fade_rate(n, gain)
