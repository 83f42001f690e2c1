"""chapters/loss-many-faces.ipynb: the coders on messages that nobody chose, the codes against brute force, and what is refused."""

import itertools
import math
import re
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from chapter_code import CHAPTERS, chapter
from hypothesis import given, settings
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


@given(st.sampled_from([int, np.uint8, np.int64, Fraction, float]), st.data())
@settings(deadline=None, max_examples=40)
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
