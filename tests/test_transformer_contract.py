"""One contract for every attention of the Transformer part (chapters/transformer_contract.py), tested on all at once.

Each attention is called through an adapter of one form, call(Q, K, V, mask), where a mask is None, "causal", or boolean.
PyTorch's own, in float64, is the witness.
"""

import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

torch.set_num_threads(1)
few = settings(max_examples=30, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def corner(T, S):
    """The causal mask whose last query stands at the last key."""
    return np.tri(T, S, S - T, dtype=bool)


def attention_chapter(Q, K, V, mask):
    ours = chapter("transformer-attention")
    mask = corner(np.shape(Q)[-2], np.shape(K)[-2]) if isinstance(mask, str) else mask
    return ours.attention(Q, K, V, mask)[0]


def by_may_attend(name, Q, K, V, mask):
    mask = corner(np.shape(Q)[-2], np.shape(K)[-2]) if isinstance(mask, str) else mask
    return chapter(name).attention(
        Q, K, V, **({} if mask is None else {"may_attend": mask})
    )


def before(Q, K, V, mask):
    return chapter("transformer-before-attention").attend(Q, K, V, mask == "causal")


def trial(Q, K, V, mask):
    return chapter("transformer-the-trial").attend(Q, K, V)


def engine(Q, K, V, mask):
    """The engine's attention wants a position; heads are an axis of their own there."""
    Q, K, V = (np.asarray(x) for x in (Q, K, V))
    T, S = Q.shape[-2], K.shape[-2]
    heads = np.broadcast_shapes(*(x.shape[:-2] for x in (Q, K, V)))
    full = [np.broadcast_to(x, (*heads, *x.shape[-2:])) for x in (Q, K, V)]
    full = [x if heads else x[None] for x in full]
    out = chapter("transformer-inference").attend(*full, first=S - T)
    return out if heads else out[0]


def blocked(block, Q, K, V, mask):
    return chapter("transformer-inference").blocked_attention(Q, K, V, block)


ALL = {  # name: (call, the masks that it knows)
    "attention": (attention_chapter, {"none", "causal", "boolean"}),
    "before": (before, {"none", "causal"}),
    "block": (
        partial(by_may_attend, "transformer-block"),
        {"none", "causal", "boolean"},
    ),
    "position": (
        partial(by_may_attend, "transformer-position"),
        {"none", "causal", "boolean"},
    ),
    "trial": (trial, {"none"}),
    "engine": (engine, {"causal"}),
    "blocked": (partial(blocked, 2), {"causal"}),
}
every = pytest.mark.parametrize("name", ALL)


def witness(Q, K, V, mask=None):
    """PyTorch's attention in float64; its leading axes are spread by hand, for it wants them equal."""
    Q, K, V = (np.asarray(x, float) for x in (Q, K, V))
    T, S = Q.shape[-2], K.shape[-2]
    heads = np.broadcast_shapes(*(x.shape[:-2] for x in (Q, K, V)))
    full = [
        torch.tensor(np.broadcast_to(x, (*heads, *x.shape[-2:]))) for x in (Q, K, V)
    ]
    mask = corner(T, S) if isinstance(mask, str) else mask
    if mask is not None:
        mask = torch.tensor(np.broadcast_to(mask, (*heads, T, S)))
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return F.scaled_dot_product_attention(*full, attn_mask=mask).numpy()


def room(dtype, Q, K, V):
    """Scores err by a few units in the last place of their size, weights by as much, outputs by that times V.

    For float16 the answer alone is rounded to it; the work is done in float32.
    """
    work = np.finfo(np.float32 if dtype == np.float16 else dtype).eps
    end = np.finfo(dtype).eps
    d = np.shape(Q)[-1]
    sizes = [np.abs(np.asarray(x, float)).max(initial=0) for x in (Q, K, V)]
    scores = 1 + sizes[0] * sizes[1] * math.sqrt(d)
    return (20 * (d + 10) * work * scores + end) * (1 + sizes[2])


@st.composite
def problems(draw):
    """Q, K, V and a mask: all types, sizes from 0, shared or missing leading axes, more or fewer queries than keys."""
    rng = np.random.default_rng(draw(SEEDS))
    kind = draw(st.sampled_from(["f2", "f4", "f8", "i1", "u1", "i4", "i8", "u8"]))
    T, S, d, d_v = (draw(st.integers(0, 5)) for _ in range(4))
    heads = draw(
        st.sampled_from(
            [
                [(), (), ()],
                [(3,)] * 3,
                [(3,), (1,), (1,)],
                [(2, 3), (2, 1), (2, 1)],
                [(3,), (), ()],
                [(1,), (3,), (3,)],
                [(2, 3), (1, 1), (2, 1)],
            ]
        )
    )
    sizes = (T, d), (S, d), (S, d_v)
    loud = 10 ** draw(st.floats(-3, 1))
    arrays = [
        rng.integers(0, 9, (*h, *s)).astype(kind)
        if kind[0] in "iu"
        else (loud * rng.normal(size=(*h, *s))).astype(kind)
        for h, s in zip(heads, sizes, strict=True)
    ]
    masks = {
        "none": None,
        "causal": "causal",
        "boolean": rng.random(draw(st.sampled_from([(T, S), (1, S), (T, 1), (1, 1)])))
        < 0.5,
    }
    return arrays, masks


@every
@few
@given(problems())
def test_every_attention_is_the_librarys_on_all_types_and_shapes(name, problem):
    call, known = ALL[name]
    (Q, K, V), masks = problem
    kept = [x.copy() for x in (Q, K, V)]
    dtype = Q.dtype if Q.dtype.kind == "f" else np.dtype(float)
    for how in sorted(known):
        ours = call(Q, K, V, masks[how])
        theirs = witness(Q, K, V, masks[how])
        assert ours.dtype == dtype and ours.shape == theirs.shape, how
        np.testing.assert_allclose(
            ours.astype(float), theirs, rtol=0, atol=room(dtype, Q, K, V), err_msg=how
        )
    for before_call, now in zip(kept, (Q, K, V), strict=True):
        np.testing.assert_array_equal(before_call, now)


@every
def test_half_precision_does_not_overflow_before_it_is_scaled(name):
    call, known = ALL[name]
    # the product is 10,240,000, and an eighth of it: neither is a float16
    Q = K = np.full((3, 64), 400, np.float16)
    V = np.arange(6, dtype=np.float16).reshape(3, 2)
    for how in sorted(known - {"boolean"}):
        ours = call(Q, K, V, None if how == "none" else how)
        assert ours.dtype == np.float16 and np.isfinite(ours).all()
        np.testing.assert_allclose(
            ours, witness(Q, K, V, None if how == "none" else how), rtol=1e-3
        )


@every
def test_large_queries_are_divided_before_they_meet_the_keys(name):
    call, known = ALL[name]
    how = "causal" if "none" not in known else None
    Q, K = np.full((1, 10_000), 1e202), np.full((2, 10_000), 1e103)
    K[1] *= 0.5  # scores 1e307 and half of it; undivided they would be past 1e308
    out = call(Q, K, np.array([[1.0], [5.0]]), how)
    assert out.item() == 1


@every
@pytest.mark.parametrize("bad", [bool, complex, object, str])
def test_what_are_no_real_numbers_is_refused(name, bad):
    one = np.ones((2, 2))
    for place in range(3):
        args = [one, one, one]
        args[place] = one.astype(bad)
        with pytest.raises(TypeError, match="real numbers"):
            ALL[name][0](*args, "causal" if name in ("engine", "blocked") else None)


@every
def test_shapes_that_do_not_fit_are_refused(name):
    call = ALL[name][0]
    how = "causal" if name in ("engine", "blocked") else None
    one = np.ones((2, 3, 4))
    for Q, K, V in ((one, one[..., :3], one), (one, one, one[:, :2])):
        with pytest.raises(ValueError, match="do not fit"):
            call(Q, K, V, how)
    with pytest.raises(ValueError):
        call(one, np.ones((3, 3, 4)), np.ones((3, 3, 4)), how)


@pytest.mark.parametrize(
    "name", [n for n, (_, known) in ALL.items() if "boolean" in known]
)
@pytest.mark.parametrize("kind", [float, np.float32, int, np.uint8, complex, object])
def test_a_mask_of_anything_but_booleans_is_refused(name, kind):
    one = np.ones((2, 2))
    for mask in (np.where(np.tri(2) > 0, 0, 1).astype(kind), np.tri(2).astype(kind)):
        with pytest.raises(TypeError, match="boolean"):
            ALL[name][0](one, one, one, mask)
    if kind is float:
        with pytest.raises(TypeError, match="boolean"):
            ALL[name][0](one, one, one, np.where(np.tri(2) > 0, 0, -np.inf))


@pytest.mark.parametrize(
    "name", [n for n, (_, known) in ALL.items() if "boolean" in known]
)
def test_a_mask_that_adds_axes_is_refused(name):
    one = np.ones((2, 2))
    for shape in ((3, 2, 2), (3, 2), (2, 3)):
        with pytest.raises(ValueError, match="does not fit"):
            ALL[name][0](one, one, one, np.ones(shape, bool))


@few
@given(problems())
def test_gradients_of_shared_inputs_are_summed_back(problem):
    c = chapter("transformer-attention")
    (Q, K, V), masks = problem
    dtype = Q.dtype if Q.dtype.kind == "f" else np.dtype(float)
    G = np.random.default_rng(Q.size).normal(size=c.attention(Q, K, V)[0].shape)
    leaves = [torch.tensor(np.asarray(x, float), requires_grad=True) for x in (Q, K, V)]
    heads = G.shape[:-2]
    for mask in (None, masks["boolean"]):
        spread = [x.expand(*heads, *x.shape[-2:]) for x in leaves]
        shape = (*heads, Q.shape[-2], K.shape[-2])
        theirs = F.scaled_dot_product_attention(
            *spread,
            attn_mask=None
            if mask is None
            else torch.tensor(np.broadcast_to(mask, shape)),
        )
        slopes = torch.autograd.grad(theirs, leaves, torch.tensor(G), allow_unused=True)
        ours = c.attention_backward(G, Q, K, V, mask)
        size = 1 + max(
            np.abs(np.asarray(x, float)).max(initial=0) for x in (Q, K, V, G)
        )
        for mine, x, slope in zip(ours, (Q, K, V), slopes, strict=True):
            assert mine.shape == x.shape and mine.dtype == dtype
            slope = np.zeros(x.shape) if slope is None else slope.numpy()
            # three products of values of this size, summed over up to 18 sharers
            limit = 18 * room(dtype, Q, K, V) * size**2
            np.testing.assert_allclose(
                mine.astype(float), slope, rtol=np.finfo(dtype).eps, atol=limit
            )
    with pytest.raises(ValueError, match="shape of the output"):
        c.attention_backward(np.ones((2, 3, 9, 9, 9)), Q, K, V)


@few
@given(SEEDS, st.integers(0, 6), st.integers(0, 6), st.integers(1, 9))
def test_blocks_of_every_size_agree_when_queries_are_few_or_many(seed, T, S, block):
    rng = np.random.default_rng(seed)
    Q, K, V = (rng.normal(size=(3, n, 5)) for n in (T, S, S))
    ours = blocked(block, Q, K, V, "causal")
    np.testing.assert_allclose(
        ours, witness(Q, K, V, "causal"), rtol=0, atol=room(np.dtype(float), Q, K, V)
    )


def test_heads_that_share_keys_do_so_in_equal_groups():
    c = chapter("transformer-inference")
    Q, K = np.ones((6, 2, 4)), np.ones((3, 2, 4))
    for heads, sets in ((6, 0), (6, 4), (2, 3)):
        with pytest.raises(ValueError, match="cannot share"):
            c.attend(Q[:heads], np.ones((sets, 2, 4)), np.ones((sets, 2, 4)), 0)
    with pytest.raises(ValueError, match="sets of values"):
        c.attend(Q, K, K[:1], 0)
    assert c.attend(Q, K, np.ones((3, 2, 7)), 0).shape == (6, 2, 7)


@pytest.mark.parametrize(
    "sizes",
    [
        (11, 9, 3, 1),
        (11, 10, 4, 2),
        (11, 8, 2, 3),
        (0, 8, 2, 1),
        (11, 8, 0, 1),
        (11, 8, 2, 0),
    ],
)
def test_sizes_that_cannot_be_cut_or_paired_are_refused(sizes):
    with pytest.raises(ValueError):
        chapter("transformer-inference").Shape(*sizes)


def test_odd_widths_are_refused_by_every_rotation_and_unequal_heads_by_every_cut():
    inference, induction, position = map(
        chapter,
        ("transformer-inference", "transformer-induction", "transformer-position"),
    )
    from transformer_decoder import turn  # beside the chapters, once one is read

    odd = np.ones((2, 3))
    for call in (
        lambda: inference.rotate(odd, np.arange(2)),
        lambda: turn(torch.ones(2, 3)),
        lambda: induction.rotate(torch.ones(2, 3)),
        lambda: position.rotate(odd, np.arange(2)),
        lambda: position.rotate_half_split(odd, np.arange(2)),
        lambda: position.sinusoid(np.arange(2), 3),
        lambda: chapter("transformer-attention").strips(7, 2),
        lambda: chapter("transformer-attention").heads_as_axis(np.ones((1, 2, 7)), 2),
        lambda: chapter("transformer-block").split_heads(np.ones((2, 7)), 2),
        lambda: chapter("transformer-block").split_heads(np.ones((2, 7)), 0),
    ):
        with pytest.raises(ValueError):
            call()


@pytest.mark.parametrize("bad", [[-1], [0, -100], [5], [0.5], [True], ["a"], [], [[0]]])
def test_ids_outside_the_vocabulary_are_refused_by_the_engine(bad):
    c = chapter("transformer-inference")
    s = c.Shape(5, d=4, n_heads=2, n_kv=1, n_layers=1)
    torch.manual_seed(0)
    w = c.weights(c.Decoder(s).double())
    with pytest.raises(ValueError):
        c.forward(w, s, bad)
    cache = c.KVCache(s, 4)
    with pytest.raises(ValueError):
        c.forward(w, s, bad, cache)
    if bad in ([-1], [0, -100]):
        with pytest.raises(ValueError, match="padding"):
            c.Decoder(s)(torch.tensor([bad]))
    assert cache.length == 0 and not cache.log.any(), "a refused text leaves no trace"


@pytest.mark.parametrize("bad", [[-1], [3], [0.5], [True]])
def test_ids_outside_the_vocabulary_are_refused_before_attention(bad):
    c = chapter("transformer-before-attention")
    E, U = np.ones((4, 2)), np.ones((2, 3))
    with pytest.raises(ValueError):
        c.probability(bad, lambda x: x, E, U)
    assert c.probability([], lambda x: x, E, U) == 1, "the product of no factors"
    with pytest.raises(ValueError, match="padding"):
        chapter("transformer-the-trial").look_up(
            np.array([[0, -1]]), np.array([[0, 8]]), 1.0
        )


def test_a_cache_takes_the_rows_it_was_made_for():
    c = chapter("transformer-inference")
    cache = c.KVCache(c.Shape(5, d=8, n_heads=2, n_kv=2, n_layers=2), 4)
    rows = np.ones((2, 1, 4))
    for layer, K, V in (
        (-1, rows, rows),
        (2, rows, rows),
        (0, rows[:1], rows),
        (0, rows, rows[..., :2]),
    ):
        with pytest.raises(ValueError):
            cache.append(layer, K, V)
    assert not cache.log.any()


@pytest.mark.parametrize("kind", ["i1", "u1", "i4", "i8", "f2", "f4", "f8"])
@few
@given(seed=SEEDS)
def test_norm_and_turn_of_the_engine_take_every_type(kind, seed):
    """Kind: the answer takes its type from the input. Witness: the same numbers in float64."""
    c, rng = chapter("transformer-inference"), np.random.default_rng(seed)
    x = (
        rng.integers(0, 127, (3, 4)).astype(kind)
        if kind[0] in "iu"
        else (rng.normal(size=(3, 4)) * 300).astype(kind)
    )
    room = {"f2": 2e-3, "f4": 1e-5, "i1": 1e-5, "u1": 1e-5}.get(kind, 1e-12)
    for f in (lambda x: c.rms_norm(x, 1.0), lambda x: c.rotate(x, np.arange(3))):
        wide = f(x.astype(float))
        assert f(x).dtype.kind == "f"
        size = np.abs(wide).max()
        np.testing.assert_allclose(f(x), wide, rtol=0, atol=room * size)
    with pytest.raises(TypeError, match="floats"):
        cache = c.KVCache(c.Shape(5, d=8, n_heads=2, n_kv=2, n_layers=2), 4, int)
        cache.append(0, np.ones((2, 1, 4)), np.ones((2, 1, 4)))


@pytest.mark.parametrize("kind", ["i1", "u1", "i8", "f2", "f4", "f8"])
@few
@given(seed=SEEDS)
def test_norms_of_the_block_take_every_type_as_the_library_does(kind, seed):
    """Kind: types narrower than what is computed. Witness: torch in float64."""
    c, rng = chapter("transformer-block"), np.random.default_rng(seed)
    x = (
        rng.integers(0, 127, (3, 4)).astype(kind)
        if kind[0] in "iu"
        else (rng.choice([-6e4, 6e4, 1.0, 3e-5], (3, 4))).astype(kind)
    )
    X = torch.tensor(x.astype(float), requires_grad=True)
    eps = np.finfo(x.dtype if kind[0] == "f" else float).eps
    grad = rng.normal(size=x.shape).astype("f8" if kind[0] in "iu" else kind)
    theirs = F.layer_norm(X, (4,))
    theirs.backward(torch.tensor(grad.astype(float)))
    for ours, truth in (
        (c.layer_norm(x), theirs.detach()),
        (c.rms_norm(x), F.rms_norm(X.detach(), (4,), eps=1e-5)),
        (c.layer_norm_backward(grad, x), X.grad),
    ):
        assert ours.dtype == (x.dtype if kind[0] == "f" else np.float64)
        room = 20 * max(eps, 0.05 * np.finfo("f4").eps if kind == "f2" else 0)
        size = 1 + np.abs(truth.numpy()).max()
        np.testing.assert_allclose(ours.astype(float), truth, rtol=0, atol=room * size)
    for bad in (x > 0, x.astype(complex), x.astype(object)):
        with pytest.raises(TypeError):
            c.layer_norm(bad)


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i8", "u8", "f2", "f8"])
@few
@given(seed=SEEDS)
def test_lookups_angles_and_gates_of_whole_numbers_do_not_wrap(kind, seed):
    """Kind: numpy's whole numbers. Witness: the same numbers in float64."""
    attend, position, before_ = map(
        chapter,
        (
            "transformer-attention",
            "transformer-position",
            "transformer-before-attention",
        ),
    )
    rng = np.random.default_rng(seed)
    q, K, V = (rng.integers(0, 120, s).astype(kind) for s in (2, (3, 2), (3, 1)))
    wide = [x.astype(float) for x in (q, K, V)]
    np.testing.assert_array_equal(
        attend.hard_lookup(q, K, V), attend.hard_lookup(*wide)
    )
    room = {"rtol": 1e-9, "atol": 1e-9}
    if kind != "f2":
        for f in (attend.soft_lookup, attend.slope):
            np.testing.assert_allclose(f(q, K, V, 1), f(*wide, 1.0), **room)
        assert math.isclose(attend.diameter(K), attend.diameter(wide[1]))
    r = q[0] % 11
    np.testing.assert_allclose(
        position.prefers(wide[1][0], r), position.prefers(wide[1][0], float(r)), **room
    )
    gate = before_.sigmoid(q)
    np.testing.assert_allclose(gate, before_.sigmoid(wide[0]), rtol=2e-3, atol=1e-7)


@pytest.mark.parametrize("bad", [np.tri(2, dtype=bool), 1j, "a", None])
def test_a_mask_in_the_place_of_a_bias_is_refused(bad):
    one = np.ones((2, 2))
    with pytest.raises(TypeError, match="a bias holds real numbers"):
        chapter("transformer-position").attention(one, one, one, bias=bad)


@pytest.mark.parametrize(
    "name", ["attention", "before-attention", "the-trial", "inference"]
)
@pytest.mark.parametrize("kind", ["i1", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize(
    ("n", "top"), [(1, 1), (3, 1), (3, 9), (2049, 3), (70_000, 1), (70_000, 3)]
)
@settings(max_examples=5, deadline=None)
@given(seed=SEEDS)
def test_softmax_is_summed_in_a_type_that_holds_the_sum(name, kind, n, top, seed):
    """Kind: a sum of many in float16. Witness: torch in float64, rounded once.

    Tolerance: one rounding of the answer, by an ε of its size or the least float; n additions of ours and of torch's.
    """
    z = np.random.default_rng(seed).integers(0, top, n).astype(kind)
    ours = chapter(f"transformer-{name}").softmax(z)
    truth = torch.tensor(z.astype(float)).softmax(-1).numpy()
    answer = np.finfo(z.dtype if kind[0] == "f" else float)
    assert ours.dtype == answer.dtype
    wide = np.finfo(np.result_type(answer.dtype, np.float32))
    room = answer.eps + (n + 8) * (wide.eps + np.finfo(float).eps)
    np.testing.assert_allclose(
        ours.astype(float), truth, rtol=room, atol=float(answer.smallest_subnormal)
    )
