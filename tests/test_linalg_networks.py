"""chapters/linalg-networks.ipynb: random networks against networkx and the laws, and what the solver refuses."""

import networkx as nx
import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def c():
    return chapter("linalg-networks")


@st.composite
def networks(draw):
    """Up to 9 nodes, parallel edges, connected or not; conductances over six orders of magnitude, real or complex."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 9))
    m = draw(st.integers(0, 14)) if n > 1 else 0
    edges = [tuple(rng.permutation(n)[:2].tolist()) for _ in range(m)]
    conductance = 10.0 ** rng.uniform(-3, 3, m)
    if draw(st.booleans()):
        conductance = conductance * (1 + 1j * rng.normal(size=m))
    f = rng.normal(size=n)
    return n, edges, f - f.mean(), conductance, int(rng.integers(n))


@given(networks())
@settings(max_examples=150, deadline=None)
def test_laws_hold_or_the_network_is_refused(c, network):
    n, edges, f, conductance, ground = network
    graph = nx.MultiGraph(edges)
    graph.add_nodes_from(range(n))
    if not nx.is_connected(graph):
        with pytest.raises(np.linalg.LinAlgError, match="floats"):
            c.network(n, edges, f, conductance, ground)
        return
    before = f.copy(), conductance.copy()
    x, y = c.network(n, edges, f, conductance, ground)
    A = c.incidence(n, edges)
    assert x[ground] == 0
    np.testing.assert_allclose(y, -conductance * (A @ x), rtol=1e-9)
    # Residual of a solve: epsilon times the matrix times the solution, not times the condition.
    size = abs(A.T) @ (abs(conductance) * (abs(A) @ abs(x))) + abs(f)
    assert (abs(A.T @ y + f) <= 1e-12 * (1 + size.max(initial=0))).all()
    np.testing.assert_array_equal(before[0], f)
    np.testing.assert_array_equal(before[1], conductance)


@given(networks())
@settings(max_examples=100, deadline=None)
def test_hops_are_networkx_distances(c, network):
    n, edges, _, _, start = network
    graph = nx.Graph(edges)
    graph.add_nodes_from(range(n))
    theirs = nx.single_source_shortest_path_length(graph, start)
    assert c.hops(n, edges, start).tolist() == [theirs.get(k, np.inf) for k in range(n)]


@given(networks())
@settings(max_examples=60, deadline=None)
def test_rank_is_nodes_minus_pieces_and_forests_are_forests(c, network):
    n, edges, *_ = network
    graph = nx.MultiGraph(edges)
    graph.add_nodes_from(range(n))
    A = c.incidence(n, edges)
    rank = np.linalg.matrix_rank(A) if A.size else 0
    assert rank == n - nx.number_connected_components(graph)
    assert c.is_forest(n, edges) == nx.is_forest(graph)


@given(networks())
@settings(max_examples=40, deadline=None)
def test_foster_on_any_connected_network(c, network):
    n, edges, _, conductance, _ = network
    graph = nx.MultiGraph(edges)
    graph.add_nodes_from(range(n))
    if nx.is_connected(graph):
        share = conductance * c.resistances(n, edges, conductance)
        np.testing.assert_allclose(share.sum(), n - 1, rtol=1e-6, atol=1e-9)


@given(
    networks(),
    st.sampled_from([2.0**-498, 2.0**498]),
    st.sampled_from([2.0**-498, 2.0**498]),
)
@settings(max_examples=60, deadline=None)
def test_units_change_no_verdict(c, network, of_f, of_c):
    """Kind: the unit of currents or of conductances. Witness: the same network in units near 1."""
    n, edges, f, conductance, ground = network
    graph = nx.MultiGraph(edges)
    graph.add_nodes_from(range(n))
    if nx.is_connected(graph):
        x, y = c.network(n, edges, f, conductance, ground)
        size = abs(x).max(initial=0)
        x2, y2 = c.network(n, edges, f * of_f, conductance, ground)
        np.testing.assert_allclose(
            y2 / of_f, y, rtol=0, atol=1e-9 * (1 + abs(y).max(initial=0))
        )
        x3, y3 = c.network(n, edges, f, conductance * of_c, ground)
        np.testing.assert_allclose(
            y3, y, rtol=0, atol=1e-9 * (1 + abs(y).max(initial=0))
        )
        np.testing.assert_allclose(x3 * of_c, x, rtol=0, atol=1e-9 * size)


@pytest.mark.parametrize("spread", range(0, 301, 20))
@pytest.mark.parametrize("ground", [0, 1, 2])
def test_balance_is_kept_or_its_loss_is_said(c, spread, ground):
    """Witness: on a path every edge carries what is fed in."""
    try:
        _, y = c.network(3, [(0, 1), (1, 2)], [1, 0, -1], [10.0**spread, 1], ground)
    except np.linalg.LinAlgError as refusal:
        assert "rounding" in str(refusal) and spread > 8
    else:
        np.testing.assert_allclose(y, 1, rtol=1e-5)


def test_numpy_integers_large_feeds_and_unknown_grounds(c):
    edges = np.array([(0, 1), (1, 2)], np.uint8)
    for kind in (np.int64, np.uint16, int):
        _, y = c.network(3, edges.astype(kind), [1, 0, -1], ground=np.int8(2))
        np.testing.assert_allclose(y, 1, rtol=1e-14)
    _, y = c.network(3, edges, [1.7e308, 0, -1.7e308], 1e300)
    np.testing.assert_allclose(y, 1.7e308, rtol=1e-14)
    with pytest.raises(ValueError, match="sum to 0"):
        c.network(3, edges, [1e308, 1e308, 1e308])
    for ground in (3, -1, 0.5, "a"):
        with pytest.raises(ValueError, match="no node"):
            c.network(3, edges, [1, 0, -1], ground=ground)
    for f in (["a", "b", "c"], [None] * 3):
        with pytest.raises(ValueError, match="finite"):
            c.network(3, edges, f)


@pytest.mark.parametrize(
    "edges",
    [[(0, 2)], [(-1, 0)], [(0, 0)], [(0.0, 1.0)], [("0", "1")], [(True, False)]],
)
def test_bad_edges_are_refused(c, edges):
    for function in (lambda: c.incidence(2, edges), lambda: c.hops(2, edges, 0)):
        with pytest.raises(ValueError, match="join"):
            function()


@pytest.mark.parametrize(
    "f, conductance, words",
    [
        ([1, 0], 1, "sum to 0"),
        ([1, -1, 0], 1, "each of 2"),
        ([np.inf, -np.inf], 1, "finite"),
        ([1, -1], -1, "positive"),
        ([1, -1], 1j, "positive"),
        ([1, -1], np.nan, "positive"),
        ([1, -1], [1, 1], "broadcast"),
    ],
)
def test_bad_feeds_and_conductances_are_refused(c, f, conductance, words):
    with pytest.raises(ValueError, match=words):
        c.network(2, [(0, 1)], f, conductance)


def test_messages_need_no_edges_to_be_zero(c):
    import torch

    x = torch.ones(3, 2)
    assert not c.messages(x, [(0, 1)]).any()
    torch.testing.assert_close(
        c.messages(torch.eye(2), [(0, 1)]), torch.tensor([[1.0, -1], [-1, 1]])
    )


@pytest.mark.parametrize("source", [1, 1.5, 2, 2.35, 3])
def test_the_explorable_shows_the_solvers_currents(c, run_script, source):
    """The page's own heights, currents and arrows, against the chapter's solver."""
    done = run_script(c.SCRIPT, {"s": source}, c.SCENE)
    feed = np.maximum(0, 1 - abs(source - np.arange(1, 4)))
    x, y = c.network(4, c.EDGES, [*feed, -1], ground=3)
    for k in range(4):
        name, level = done["said"][f"t{k}"].split(": ")
        assert int(name) == k + 1 and abs(float(level) - x[k]) < 0.00051
        assert abs(float(done["set"][f".n{k} cy"]) - (c.BASE[k][1] - 110 * x[k])) < 1e-6
    for k, (i, j) in enumerate(c.EDGES):
        assert abs(float(done["said"][f"y{k}"]) - abs(y[k])) < 0.00051
        seen = done["set"][f".a{k} visibility"] == "visible"
        assert seen == (abs(y[k]) >= 0.005)
        if seen:  # the tip leads the way in which the current runs
            at = done["set"][f".a{k} d"].replace("M", "").replace("Z", "")
            tip, left, right = (np.array(p.split(" "), float) for p in at.split("L"))
            spot = np.array(c.BASE, float) - np.outer(110 * x, [0, 1])
            along = np.sign(y[k]) * (spot[j] - spot[i])
            assert (tip - (left + right) / 2) @ along > 0
    level = [f".i{k} opacity" for k in range(3)]
    np.testing.assert_allclose([float(done["set"][n]) for n in level], feed, atol=1e-9)


def test_the_key_frame_is_what_the_script_draws_first(c, run_script):
    done, drawn = run_script(c.SCRIPT, {"s": 1}, c.SCENE), c.draw_network()
    for k in range(5):
        assert f'd="{done["set"][f".a{k} d"]}"' in drawn
        assert f">{done['said'][f'y{k}']}</text>" in drawn


@pytest.mark.parametrize(
    "edges", [[(0, 1, 2), (3, 2, 1)], [0, 1], [[[0, 1]], [[1, 2]]], 3, [(0,), (1,)]]
)
def test_edges_of_another_shape_are_refused(c, edges):
    """Kind: a reshape that swallows whatever comes, and helpers without their callers' guard."""
    import torch

    x = torch.ones(4, 1)
    for function in (
        lambda: c.incidence(4, edges),
        lambda: c.hops(4, edges, 0),
        lambda: c.is_forest(4, edges),
        lambda: c.resistances(4, edges),
        lambda: c.messages(x, edges),
    ):
        with pytest.raises(ValueError, match="join"):
            function()
    assert c.incidence(2, []).shape == (0, 2) and not c.messages(x, []).any()


@pytest.mark.parametrize("kind", [np.int8, np.float16, np.float32, np.complex64])
def test_small_types_are_summed_as_doubles(c, kind):
    """Kind: a sum in the type of its numbers. Witness: whole numbers, whose sum is 0 exactly."""
    for n in (8, 100):
        star, f = [(i, n - 1) for i in range(n - 1)], [1] * (n - 1) + [1 - n]
        _, y = c.network(n, star, np.array(f, kind), ground=n - 1)
        np.testing.assert_allclose(y, 1, rtol=1e-12)
    least = np.array([-128, 127, 1], np.int8)  # |−128| is −128 in int8
    np.testing.assert_allclose(
        c.network(3, [(0, 1), (1, 2)], least)[1], [-128, -1], rtol=1e-12
    )


@pytest.mark.parametrize("current", [1.7e308, 1e-308, 1.2e308 - 1.5e308j])
@pytest.mark.parametrize("conductance", [1.7e308, 1e-308, 1.5e308 + 1.5e308j])
def test_the_ends_of_the_floats(c, current, conductance):
    """Kind: the size of a complex number overflows; units that are divided one by one. Witness: Ohm's law in units near 1."""
    f = np.array([current, -current])
    with pytest.raises(ValueError, match="sum to 0"):
        c.network(2, [(0, 1)], np.array([current, current]), conductance)
    unit = 2.0**1022 if abs(conductance.real) > 1 else 2.0**-1022
    large = 2.0**1022 if abs(current.real) > 1 else 2.0**-1022
    near = complex(current.real / large, current.imag / large)
    over = near / complex(conductance.real / unit, conductance.imag / unit)
    ratio = np.log2(large) - np.log2(unit)
    if ratio > 1000:
        with pytest.raises(np.linalg.LinAlgError, match="units"):
            c.network(2, [(0, 1)], f, conductance)
        return
    x, y = c.network(2, [(0, 1)], f, conductance)
    assert abs(y[0] / large - near) <= 16 * 2.0**-52 * abs(near)
    far = x[1] * 2.0**-ratio if ratio == 0 else x[1] * 2.0**1022 * 2.0**1022
    room = 16 * 2.0**-52 if ratio == 0 else 1  # below the floats it is 0
    assert abs(far + over) <= room * abs(over)


def test_units_are_changed_in_one_go(c):
    """Kind: x / a · b, where x / a alone leaves the range. Witness: the same in units near 1."""
    for of in (2.0**-1030, 2.0**-1000, 2.0**1020):
        x, y = c.network(2, [(0, 1)], [of * 2.0**-8 * 40, -of * 2.0**-8 * 40], of)
        assert x.tolist() == [0, -40 / 256] and y.tolist() == [of / 256 * 40]


def test_long_doubles_beyond_floats_are_refused(c):
    wide = np.array(["1e400", "-1e400"]).astype(np.longdouble)
    with pytest.raises(ValueError, match="finite"):
        c.network(2, [(0, 1)], wide)
    with pytest.raises(ValueError, match="positive"):
        c.network(2, [(0, 1)], [1, -1], wide[:1])
