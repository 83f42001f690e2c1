"""chapters/loss-many-faces.ipynb: the coders on messages that nobody chose, the codes against brute force, and what is refused."""

import itertools
import math
import re
import sys
from decimal import Decimal
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from chapter_code import CHAPTERS, chapter
from hypothesis import assume, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(CHAPTERS))
from loss_drawing import ring_spot, strip_frame  # noqa: E402

LN2 = math.log(2)
quick = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def c():
    return chapter("loss-many-faces")


@st.composite
def distributions(draw, low=1, high=6, zeros=True):
    """A distribution; some symbols may be impossible."""
    size = draw(st.integers(low, high))
    weights = draw(
        st.lists(st.integers(0 if zeros else 1, 1000), min_size=size, max_size=size)
    )
    weights[draw(st.integers(0, size - 1))] += 1
    return np.array(weights) / sum(weights)


@quick
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from([0, 255]), max_size=300).map(bytes),
    ),
    order=st.integers(0, 8),
    kind=st.sampled_from(["Counter256", "Surprised"]),
)
def test_what_is_encoded_comes_back_at_its_price(c, data, order, kind):
    model = getattr(c, kind)
    bits, price = c.encode(data, model(order))
    assert c.decode(bits, len(data), model(order)) == data
    assert -1e-6 <= len(bits) - price < 2 + 1e-6
    assert set(bits) <= {"0", "1"}


def test_an_empty_message_needs_no_bits_and_one_symbol_few(c):
    assert c.encode(b"", c.Counter256(3)) == ("", 0.0)
    assert c.decode("", 0, c.Counter256(3)) == b""
    for byte in range(256):
        bits, price = c.encode(bytes([byte]), c.Counter256(0))
        assert math.isclose(price, 8) and 8 <= len(bits) < 10
        assert c.decode(bits, 1, c.Counter256(0)) == bytes([byte])


class Fixed:
    """A model that learns nothing, over an alphabet of any size."""

    def __init__(self, weights):
        self.sums = np.concatenate([[0], np.cumsum(weights)])

    def cumulative(self):
        return self.sums

    def learn(self, symbol):
        pass


@quick
@given(
    weights=st.lists(st.integers(1, 2**30), min_size=1, max_size=9),
    picks=st.lists(st.integers(0, 10**6), max_size=80),
)
def test_any_alphabet_comes_back_and_the_exact_coder_agrees(c, weights, picks):
    data = [p % len(weights) for p in picks]
    bits, price = c.encode(data, Fixed(weights))
    assert list(c.decode(bits, len(data), Fixed(weights))) == data
    low, width = c.interval([[Fraction(w) for w in weights]] * len(data), data)
    exact = c.shortest_name(low, width)
    assert math.isclose(
        price, math.log2(width.denominator) - math.log2(width.numerator), abs_tol=1e-9
    )
    assert abs(len(bits) - len(exact)) <= 1
    assert 2 ** -Fraction(len(exact)) <= width < 4 * 2 ** -Fraction(len(exact))
    if len(weights) == 1:
        assert bits == exact == "", "what is certain costs nothing"


@settings(max_examples=200, deadline=None)
@given(
    weights=st.lists(st.integers(1, 2**58), min_size=2, max_size=9),
    picks=st.lists(st.integers(0, 8), min_size=1, max_size=40),
)
def test_the_decoder_finds_the_byte_when_shares_are_a_few_units_wide(c, weights, picks):
    data = [p % len(weights) for p in picks]
    bits, _ = c.encode(data, Fixed(weights))
    assert list(c.decode(bits, len(data), Fixed(weights))) == data


@quick
@given(weights=st.lists(st.integers(1, 2**58), min_size=1, max_size=9))
def test_the_first_and_the_last_number_of_a_share_are_its_symbols(c, weights):
    model = Fixed(weights)
    ends = [2**c.WINDOW * int(s) // sum(weights) for s in model.sums]
    for symbol, (start, end) in enumerate(itertools.pairwise(ends)):
        for number in (start, end - 1):
            assert list(c.decode(f"{number:0{c.WINDOW}b}", 1, model)) == [symbol]


@quick
@given(
    weights=st.lists(st.integers(1, 50), min_size=2, max_size=4), size=st.integers(1, 3)
)
def test_the_exact_coder_gives_every_message_its_own_place(c, weights, size):
    row = [Fraction(w) for w in weights]
    places = []
    for message in itertools.product(range(len(weights)), repeat=size):
        low, width = c.interval([row] * size, message)
        name = c.shortest_name(low, width)
        point = Fraction(int(name, 2) if name else 0, 2 ** len(name))
        assert low <= point and point + Fraction(1, 2 ** len(name)) <= low + width
        places.append((low, low + width))
    assert places[0][0] == 0 and places[-1][1] == 1
    assert all(a[1] == b[0] for a, b in itertools.pairwise(places)), (
        "side by side, in order, without a gap"
    )


@quick
@given(distributions(high=5))
def test_huffman_is_the_best_of_all_codes(c, p):
    lengths = c.huffman_lengths(p)
    if p.size == 1:
        assert list(lengths) == [0]
        return
    lists = itertools.product(range(1, p.size), repeat=p.size)
    best = min(p @ ls for ls in lists if sum(Fraction(1, 2**k) for k in ls) <= 1)
    assert math.isclose(p @ lengths, best, abs_tol=1e-12)
    assert sum(Fraction(1, 2 ** int(k)) for k in lengths) == 1


@quick
@given(st.lists(st.integers(0, 7), min_size=1, max_size=12))
def test_a_prefix_code_exists_where_kraft_allows_it(c, lengths):
    if sum(Fraction(1, 2**k) for k in lengths) > 1:
        with pytest.raises(ValueError, match="use up"):
            c.prefix_code(lengths)
        return
    words = c.prefix_code(lengths)
    assert [len(w) for w in words] == lengths
    assert not any(a.startswith(b) for a, b in itertools.permutations(words, 2))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_divergence_is_never_negative_and_cross_entropy_never_below_entropy(c, data):
    p = data.draw(distributions(low=1, high=8))
    q = data.draw(distributions(low=p.size, high=p.size))
    forbidden = np.any((p > 0) & (q == 0))
    assert (c.kl(p, q) == math.inf) == forbidden
    assert c.kl(p, q) >= -1e-12 and c.kl(p, p) == 0
    assert -1e-12 <= c.entropy(p) <= math.log(p.size) + 1e-12
    if not forbidden and np.abs(p - q).max() > 1e-3:
        assert c.kl(p, q) > 1e-8, "zero only for equals"


@quick
@given(st.data())
def test_a_code_for_another_source_costs_the_cross_entropy(c, data):
    p = data.draw(distributions(low=2, high=8))
    q = data.draw(distributions(low=p.size, high=p.size, zeros=False))
    mean, price = p @ c.shannon_lengths(q), c.cross_entropy(p, q) / LN2
    assert price - 1e-9 <= mean < price + 1


@quick
@given(p=distributions(low=2), bits=st.floats(0, 20))
def test_waste_is_delivered_as_ordered(c, p, bits):
    q = c.model_with_waste(p, bits)
    assert abs(q.sum() - 1) < 1e-12
    assert math.isclose(c.kl(p, q) / LN2, bits, abs_tol=1e-6)


@quick
@given(st.text("ab岭峰", min_size=1, max_size=40))
def test_a_longer_view_never_raises_the_floor(c, ring):
    floors = [c.view_entropy(ring, k) for k in range(min(len(ring), 6))]
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(floors))
    assert all(floor >= 0 for floor in floors)


@pytest.mark.parametrize(
    "bad", [[], [0.5, 0.6], [1.5, -0.5], [[0.5, 0.5]], [math.nan, 1], [0.0, 0.0]]
)
def test_what_is_no_distribution_is_refused(c, bad):
    for function in (c.entropy, c.huffman_lengths, c.shannon_lengths):
        with pytest.raises(ValueError, match="distribution"):
            function(bad)


def test_other_bad_input_is_refused_with_a_reason(c):
    with pytest.raises(ValueError, match="2 symbols and q has 3"):
        c.cross_entropy([0.5, 0.5], [0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match="no codeword"):
        c.shannon_lengths([1.0, 0.0])
    for order in (-1, 9):
        with pytest.raises(ValueError, match="from 0 to 8"):
            c.Counter256(order)
    with pytest.raises(ValueError, match="probability 0"):
        c.shortest_name(Fraction(0), Fraction(0))
    with pytest.raises(ValueError):  # zip(strict): as many rows as symbols
        c.interval([[Fraction(1)]], [0, 0])
    with pytest.raises(ValueError, match="longer than that"):
        c.view_entropy("ab", 2)
    for p, bits in (([1.0], 1), ([0.5, 0.5], -1)):
        with pytest.raises(ValueError, match="two symbols"):
            c.model_with_waste(p, bits)


def test_inputs_are_left_as_they_were(c):
    logits = c.LOGITS.copy()
    c.softmax(logits)
    p = np.array([0.5, 0.25, 0.25])
    for function in (c.entropy, c.huffman_lengths, c.shannon_lengths):
        function(p)
    assert np.array_equal(logits, c.LOGITS) and list(p) == [0.5, 0.25, 0.25]


def test_the_ring_is_closed():
    assert np.allclose(ring_spot(0)[0], -ring_spot(1)[0])
    assert np.allclose(ring_spot(10), ring_spot(0))


@pytest.mark.parametrize("number", [0, 1, 650, 2345, 4094, 4095])
def test_the_explorable_reads_what_python_reads(c, run_script, number):
    """The page's JavaScript, run by a browser, against exact fractions and the key frame."""
    q = c.softmax(c.LOGITS)
    c.known_tokens.__globals__.update(n=8, q=q, context=[6])
    words = [f"{a} {b}" for a, b in zip(c.VOCAB, "abcdefg", strict=True)]
    data = {"z": c.LOGITS.astype(int).tolist(), "words": words}
    for k in range(13):
        tokens, bits = c.known_tokens(number, k)
        done = run_script(c.STRIP, {"k": k, "n": number}, data)
        assert done["said"]["line"] == ("".join(c.VOCAB[i] for i in tokens) or "–")
        assert done["said"]["price"].endswith(f" {bits:.2f} bits")
        picture = strip_frame(q, 6, words, number, k, tokens, bits)
        assert done["said"]["digits"] == "0." + f"{number:012b}"[:k]
        for text in ("digits", "line", "price"):
            assert f">{done['said'][text]}</t" in picture
        for t in range(8):
            assert f'data-say="t{t}">{done["said"][f"t{t}"]}</text>' in picture
            for what in ("piece", "block"):
                rect = f'<rect data-{what}="{t}" x="(.*?)" y=".*?" width="(.*?)"'
                ours = map(float, re.search(rect, picture).groups())
                for side, place in zip(("x", "width"), ours, strict=True):
                    theirs = float(done["set"][f'[data-{what}="{t}"] {side}'])
                    assert abs(theirs - place) < 0.11, "both are rounded to 0.1 px"
            for what in ("cuts", "zoom"):
                drawn = done["set"][f'[data-{what}="{t}"] d']
                assert f'<path data-{what}="{t}" d="{drawn}"' in picture


@pytest.mark.parametrize("source", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("size", [2, 9, 1000])
def test_a_distribution_may_come_from_a_coarser_type(c, source, size):
    torch.manual_seed(size)
    p, q = (torch.softmax(3 * torch.randn(size), 0).to(source) for _ in range(2))
    p, q = (x.to(torch.float32).clamp(min=2**-24).double().numpy() for x in (p, q))
    p_1, q_1 = (x / x.sum() for x in (p, q))
    witness = (p_1 * np.log(p_1 / q_1)).sum()
    assert math.isclose(c.kl(p, q), witness, rel_tol=1e-9) and c.kl(p, p) == 0
    assert c.kl(p, q) > 0, "what is rounded is divided by its sum: Gibbs still holds"


@quick
@given(
    st.lists(st.integers(1, 2**40), min_size=1, max_size=6),
    st.integers(0, 60),
    st.sampled_from([-1, 0, 1]),
)
def test_shannon_lengths_are_exact_beside_powers_of_two(c, weights, k, step):
    """2^-l <= q < 2^(1-l), in fractions; also one float above or below a power of one half."""
    edge = float(np.nextafter(2.0**-k, 2.0 * (step > 0))) if step else 2.0**-k
    if edge < 1:
        lengths = c.shannon_lengths([edge, 1 - edge])
        q = c.distribution([edge, 1 - edge])
        for length, share in zip(lengths.tolist(), q.tolist(), strict=True):
            assert (
                Fraction(1, 2**length) <= Fraction(share) < 2 * Fraction(1, 2**length)
            )
    q = np.array(weights) / sum(weights)
    for length, share in zip(c.shannon_lengths(q).tolist(), q.tolist(), strict=True):
        assert Fraction(1, 2**length) <= Fraction(share) * (1 + Fraction(1, 2**50))
        assert Fraction(share) < 2 * Fraction(1, 2**length) * (1 + Fraction(1, 2**50))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.int64])
def test_lengths_of_any_integer_type_do_not_wrap(c, kind):
    lengths = [1, 64, 65, 70, 127]
    assert c.prefix_code(np.array(lengths, kind)) == c.prefix_code(lengths)
    assert c.prefix_code(np.array([1, 2, 2], kind)) == ["0", "10", "11"]
    with pytest.raises(ValueError, match="use up"):
        c.prefix_code(np.array([1, 1, 64], kind))


def test_what_is_no_length_or_symbol_is_refused(c):
    with pytest.raises(ValueError, match="fewer than 0"):
        c.prefix_code([-1])
    with pytest.raises(TypeError):
        c.prefix_code([1.5])
    row = [Fraction(1)] * 3
    for bad in (-1, 3, -100):
        with pytest.raises(ValueError, match="symbols lie"):
            c.interval([row], [bad])
        with pytest.raises(ValueError, match="symbols lie"):
            c.encode([bad], Fixed([1, 1, 1]))
    for bits in (math.nan, math.inf, 501):
        with pytest.raises(ValueError, match="500 bits"):
            c.model_with_waste([0.5, 0.5], bits)


@pytest.mark.parametrize("kind", ["u1", "i1", "i8", "f2", "f4", "f8"])
def test_softmax_computes_in_floats(c, kind):
    z = np.array([[0, 1, 127], [3, 3, 3]], kind)
    wide = np.exp(z.astype(float) - z.max(axis=1, keepdims=True))
    wide /= wide.sum(axis=1, keepdims=True)
    room = {"rtol": 1e-3 if kind == "f2" else 1e-6, "atol": 1e-30}  # e^-127 may be 0
    np.testing.assert_allclose(c.softmax(z), wide, **room)
    assert c.softmax(z[:, :0]).shape == (2, 0)


NUMBERS = (int, np.uint8, np.int64, Fraction, Decimal, float)
NUMBERS += (np.float16, np.float32, np.float64, np.longdouble, torch.tensor)


@given(st.sampled_from(NUMBERS), st.data())
@settings(deadline=None, max_examples=60)
def test_intervals_are_exact_for_weights_of_every_type(kind, data):
    """Kind: numpy's integers wrap, and int / int is a float. Witness: the product of the shares."""
    rows = data.draw(
        st.lists(st.lists(st.integers(0, 255), min_size=2, max_size=4), max_size=30)
    )
    rows = [[*row, 1] for row in rows]
    symbols = [data.draw(st.integers(0, len(row) - 1)) for row in rows]
    low, width = chapter("loss-many-faces").interval(
        [[kind(w) for w in row] for row in rows], symbols
    )
    shares = [Fraction(row[s], sum(row)) for row, s in zip(rows, symbols, strict=True)]
    assert type(width) is Fraction and width == math.prod(shares, start=Fraction(1))
    assert type(low) is Fraction and 0 <= low <= 1 - width


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(1e-9, 1), min_size=1, max_size=8),
    st.lists(st.floats(-1, 1), min_size=8, max_size=8),
    st.floats(-12, 0),
)
def test_divergence_keeps_its_digits_where_the_two_are_near(c, weights, moves, power):
    """Kind: a difference of two large numbers. Witness: mpmath, for the same floats divided by their exact sums."""
    p = np.array(weights) / sum(weights)
    q = p * (1 + 0.9 * 10.0**power * np.array(moves[: p.size]))
    q = q / q.sum()
    with mpmath.workdps(60):
        a, b = ([mpmath.mpf(x) for x in row.tolist()] for row in (p, q))
        a, b = ([x / mpmath.fsum(row) for x in row] for row in (a, b))
        truth = mpmath.fsum(
            x * mpmath.log(x / y) - x + y for x, y in zip(a, b, strict=True)
        )
    ours = c.kl(p, q)
    # entries err by eps, t = q/p - 1 by 2 eps, and a term p t²/2 by p |t| 2 eps
    off = 4 * 2**-52 * p.size * 10.0**power
    assert ours >= 0 and math.isclose(ours, truth, rel_tol=1e-12, abs_tol=off + 1e-31)


def test_the_divergence_of_almost_equals(c):
    assert math.isclose(
        c.kl([0.3, 0.7], [0.3 + 1e-9, 0.7 - 1e-9]), 0.5e-18 / 0.21, rel_tol=1e-6
    )
    assert c.kl([0.5, 0.5], [1 - 5e-324, 5e-324]) == pytest.approx(
        -math.log(2) - math.log(5e-324) / 2, rel=1e-12
    )
    for value in (c.entropy([1.0]), c.kl([1.0], [1.0]), c.cross_entropy([0, 1], [0, 1])):  # fmt: skip
        assert math.copysign(1, value) == 1, "0 and not -0"


@quick
@given(st.lists(st.integers(1, 2**30), min_size=1, max_size=40))
def test_what_sums_to_one_within_rounding_is_left_as_it_is(c, weights):
    """Kind: an answer about q that is computed from another q. Witness: fractions of the very input."""
    q = np.array(weights) / sum(weights)
    assert abs(sum(map(Fraction, q)) - 1) <= q.size * Fraction(1, 2**52)
    assert np.array_equal(c.distribution(q), q)
    for length, share in zip(c.shannon_lengths(q).tolist(), q.tolist(), strict=True):
        assert Fraction(1, 2**length) <= Fraction(share) < Fraction(2, 2**length)
    tenths = [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]
    assert c.shannon_lengths(tenths).tolist() == [1, 4, 4, 4, 4, 4]
    assert c.shannon_lengths([0.5, 0.25, 0.25 + 2**-53]).tolist() == [1, 2, 2]


@quick
@given(
    exponents=st.lists(st.floats(-320, 0), min_size=1, max_size=5),
    bits=st.floats(0, 500),
)
def test_the_waste_is_met_or_refused(c, exponents, bits):
    """Kind: a search that ends anywhere. Witness: the divergence, in mpmath."""
    p = np.array([*10.0 ** np.array(exponents), 1.0])
    p = p / p.sum()
    try:
        q = c.model_with_waste(p, bits)
    except ValueError as refusal:
        assert "too few" in str(refusal) and p.min() < 2.0**-500
        return
    pairs = [(mpmath.mpf(a), mpmath.mpf(b)) for a, b in zip(p.tolist(), q.tolist(), strict=True) if a > 0]  # fmt: skip
    waste = mpmath.fsum(a * mpmath.log(a / b) for a, b in pairs) / mpmath.log(2)
    assert math.isclose(waste, bits, rel_tol=2e-9, abs_tol=2e-9)


def test_a_waste_that_floats_cannot_hold_is_refused(c):
    with pytest.raises(ValueError, match="too few for 500"):
        c.model_with_waste([1e-300, 1e-300, 1], 500)


@pytest.mark.parametrize(
    "row", [[-1, 2], [0, 0], [0.0], [1, math.inf], [1, math.nan], np.array([-1, 2])]
)
def test_weights_that_are_no_shares_are_refused(c, row):
    for call in (c.shares, lambda r, s: c.interval([r], [s])):
        with pytest.raises(ValueError, match="weights are >= 0"):
            call(row, len(row) - 1)


@pytest.mark.parametrize("bad", [[1j, 1 - 1j], np.array([0.5 + 1j, 0.5])])
def test_complex_probabilities_are_refused(c, bad):
    for call in (c.entropy, c.huffman_lengths, c.shannon_lengths):
        with pytest.raises(TypeError):
            call(bad)


@pytest.mark.parametrize("kind", ["u1", "i2", "i8", "u8"])
@quick
@given(data=st.binary(max_size=30), order=st.integers(0, 3))
def test_bytes_in_an_array_of_any_type_are_the_bytes(c, kind, data, order):
    """Kind: numpy's whole numbers wrap: 255 + 1 is 0."""
    data += b"\xff"
    array = np.frombuffer(data, np.uint8).astype(kind)
    coded = c.encode(array, c.Counter256(order))
    assert coded == c.encode(data, c.Counter256(order))
    assert c.decode(coded[0], len(data), c.Counter256(order)) == data
    if len(data) > 1:
        assert c.view_entropy(data * 9, array.dtype.type(1)) == c.view_entropy(
            data * 9, 1
        )


@settings(max_examples=200, deadline=None)
@given(st.floats(-0.499, 0.499), st.integers(-40, 0))
def test_a_tiny_divergence_keeps_all_its_digits(c, move, power):
    """Kind: t - ln(1 + t) by subtraction loses 1/t digits. Witness: mpmath, for the same floats."""
    step = abs(move) * 2.0**power / 2  # q is p and 1 - p, moved
    q = [0.5 - step, 0.5 + step]
    assume(q[0] + q[1] == 1)  # so that nothing is divided again
    with mpmath.workdps(60):
        truth = mpmath.fsum(
            x * mpmath.log(x / y) - x + y
            for x, y in zip([mpmath.mpf(0.5)] * 2, q, strict=True)
        )
    # s t, less a third of it at most: ten roundings, three of them in s
    assert math.isclose(c.kl([0.5, 0.5], q), truth, rel_tol=32 * 2**-52)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "g"])
@pytest.mark.parametrize("size", [1, 2049, 70_000])
def test_long_rows_have_shares_in_every_type(c, kind, size):
    """Kind: a sum in a type that is too narrow. Witness: 1/n, rounded once."""
    z = np.full(size, 3, kind)
    share = c.softmax(z)
    assert share.dtype == z.dtype
    # a sum of ones in pairs is exact in float32; then one quotient and one rounding
    room = {"rtol": max(np.finfo(kind).eps, 2**-52)}
    room["atol"] = 2**-24 if kind == "f2" else 0  # below 2^-14 float16 has steps of it
    np.testing.assert_allclose(share.astype(float), 1 / size, **room)


@pytest.mark.parametrize("make", ["Counter256", "Surprised"])
@pytest.mark.parametrize("bad", [-1, 256, 300, 65.0])
def test_a_byte_that_is_none_is_refused_before_it_is_counted(c, make, bad):
    """Kind: a refusal that leaves half of a change behind. Witness: a model that never met it."""
    met, never = getattr(c, make)(2), getattr(c, make)(2)
    for model in (met, never):
        for byte in b"AB":
            model.learn(byte)
    with pytest.raises((ValueError, TypeError)):
        met.learn(bad)
    np.testing.assert_array_equal(met.cumulative(), never.cumulative())
    assert met.views == never.views
    assert all(not (met.counts[v] - never.counts[v]).any() for v in [*met.counts])
