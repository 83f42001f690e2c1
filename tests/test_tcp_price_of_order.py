"""chapters/tcp-price-of-order.ipynb: the law on parameters that nobody chose, counts against brute force, the explorable's script."""

import itertools
import math
import re
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from chapter_code import chapter
from hypothesis import given, settings
from hypothesis import strategies as st

quick = settings(max_examples=60, deadline=None)
rates = st.floats(0.0, 0.6)


@pytest.fixture(scope="module")
def c():
    return chapter("tcp-price-of-order")


@quick
@given(
    G=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    m=st.integers(1, 12),
    S=st.integers(1, 7),
)
def test_a_packet_waits_for_the_slowest_before_it_in_its_stream(c, G, m, S):
    delays = c.late(np.array(G), m, S)
    for i, delay in enumerate(delays):
        before = range(i % S, i + 1, S)
        assert delay == max(j + m * G[j] for j in before) - i
        assert delay >= m * G[i] >= 0


@quick
@given(p=rates, m=st.integers(1, 30), x=st.integers(-5, 200))
def test_the_closed_form_is_the_product_of_the_definition(c, p, m, x):
    direct = c.delay_cdf_direct(x, p, m) if x >= 0 else 0
    assert math.isclose(c.delay_cdf(x, p, m), direct, rel_tol=1e-9, abs_tol=1e-12)
    assert 0 <= c.delay_cdf(x - 1, p, m) <= c.delay_cdf(x, p, m) <= 1


def law_by_brute_force(x, p, m, S=1):
    """ln P(D <= x) from the definition, factor by factor, until all that follow are below 1e-20 together."""
    log, j = [], 0
    while True:
        power = p ** ((x + j * S) // m + 1)
        if power * m < 1e-20 * (1 - p) * S:
            return math.fsum(log)
        log.append(math.log1p(-power))
        j += 1


wide = st.floats(0.001, 0.97) | st.sampled_from([0.9, 0.97, 0.99])


@quick
@given(p=wide, m=st.integers(1, 6), x=st.integers(0, 900))
def test_the_law_counts_all_the_powers_that_count(c, p, m, x):
    """eps in each term of a sum of logarithms of size |log|, and once more in exp of it."""
    log = law_by_brute_force(x, p, m)
    slack = 100 * np.finfo(float).eps * (1 + abs(log) + m * c.reach(p))
    for law in (c.delay_cdf(x, p, m), c.delay_cdf_direct(x, p, m)):
        assert math.isclose(law, math.exp(log), rel_tol=slack, abs_tol=1e-300)
    product = math.exp(law_by_brute_force(0, p, 1))
    assert math.isclose(c.euler(p), product, rel_tol=slack, abs_tol=1e-300)


@quick
@given(p=st.floats(0.001, 0.8) | st.just(0.9), m=st.integers(1, 6), S=st.integers(1, 7))
def test_the_mean_over_streams_sums_all_tails(c, p, m, S):
    total, x = [], 0
    while (tail := -math.expm1(law_by_brute_force(x, p, m, S))) > 1e-15:
        total.append(tail)
        x += 1
    ours, exact = c.mean_delay_streams(p, m, S), math.fsum(total)
    # what is left out: on each side less than 1e-15 · m/(1 - p); besides, rounding
    assert math.isclose(ours, exact, rel_tol=1e-12, abs_tol=1e-14 * m / (1 - p))


@pytest.mark.parametrize("p", [-0.1, 0.9999, 1, 1.5, math.nan])
def test_rates_whose_sums_have_no_end_are_refused(c, p):
    for call in (
        lambda: c.delay_cdf(3, p, 2),
        lambda: c.delay_cdf_direct(3, p, 2),
        lambda: c.euler(p),
        lambda: c.mean_delay(p, 2),
        lambda: c.mean_delay_streams(p, 2, 1),
    ):
        with pytest.raises(ValueError, match="from 0 to 0.999"):
            call()


def test_without_losses_nobody_waits(c):
    assert c.delay_cdf(0, 0, 5) == c.delay_cdf_direct(0, 0.0, 5) == c.euler(0) == 1
    assert c.mean_delay(0, 5) == c.mean_delay_streams(0, 5, 2) == c.limit(0) == 0


@quick
@given(p=st.floats(0.001, 0.2), per_stream=st.integers(1, 8), S=st.integers(1, 6))
def test_streams_are_the_same_game_with_another_clock(c, p, per_stream, S):
    m = per_stream * S
    ours = c.mean_delay_streams(p, m, S)
    assert math.isclose(ours, S * c.mean_delay(p, per_stream), rel_tol=1e-6)
    assert ours >= m * p / (1 - p) - 1e-6, "nobody is earlier than its own repair"
    assert ours <= c.mean_delay_streams(p, m, 1) + 1e-6


@quick
@given(power=st.floats(-300, 2.5))
def test_the_limit_has_its_digits_at_any_number_of_losses(c, power):
    """The integral of 1 - exp(-lam v) with digits enough; eps/lam cancels above 1e-4, the series leaves lam³/60."""
    lam = 10**power
    with mpmath.workdps(330):
        exact = float(1 + mpmath.expm1(-mpmath.mpf(lam)) / lam)
    assert math.isclose(c.limit(lam), exact, rel_tol=1e-11)


@quick
@given(st.lists(st.integers(0, 12), max_size=12))
def test_runs_and_prefixes_of_packets_told_once(c, packets):
    bits = "".join(".x"[i in packets] for i in range(14))
    for make in (set, list, iter):
        assert c.prefix(make(packets)) == bits.index(".")
        assert c.ranges(make(packets)) == len(bits.replace(".", " ").split())


@quick
@given(lam=st.floats(1e-300, 30))
def test_the_limit_lies_between_the_shortcuts(c, lam):
    assert 0 < c.limit(lam) < min(1, lam / 2 + 1e-12)


@quick
@given(n=st.integers(1, 40), data=st.data())
def test_the_law_of_ranges_sums_to_one_and_is_symmetric_in_its_way(c, n, data):
    k = data.draw(st.integers(1, n))
    law = [c.p_ranges(r, k, n) for r in range(n + 2)]
    assert sum(law) == 1
    assert sum(r * p for r, p in enumerate(law)) == Fraction(k * (n - k + 1), n)


@quick
@given(st.permutations(range(9)))
def test_records_release_what_a_receiver_releases(c, arrival):
    sizes = c.bursts(arrival)
    assert sizes == c.delivered_by(arrival) and sum(sizes) == len(arrival)
    assert sum(c.cycles(arrival)) == len(arrival)
    rows = c.history(np.argsort(arrival).tolist())
    for step in range(1, 10):
        taken = {i for i in range(9) if arrival[i] < step}
        assert rows[step - 1][0] == c.ranges(taken)
        assert rows[step - 1][1] == len(taken) - c.prefix(taken)


@quick
@given(st.lists(st.integers(0, 99), unique=True, max_size=40))
def test_both_lists_are_sorted_and_halving_never_looks_at_more(c, offsets):
    walked, steps = c.steps_walking(offsets)
    halved, fewer = c.steps_halving(offsets)
    assert walked == halved == sorted(offsets)
    n = len(offsets)
    assert steps <= n * (n + 1) // 2 and fewer <= n * math.ceil(math.log2(n + 1))


def test_losses_follow_their_rate_and_bad_rates_are_refused(c):
    assert not c.losses(0, 1000, np.random.default_rng(1)).any()
    for bad in (-0.1, 1, 1.5, math.nan):
        with pytest.raises(ValueError, match="loss rate"):
            c.losses(bad, 10, np.random.default_rng(1))
    for k in (0, -1, 6):
        with pytest.raises(ValueError, match="from 1 to n"):
            c.p_ranges(1, k, 5)


@pytest.mark.parametrize(
    "loss, m, S",
    [
        (10, 100, 1),
        (50, 40, 3),
        (1, 300, 32),
        (100, 300, 1),
        (100, 300, 7),
        (100, 10, 32),
    ],
)
def test_the_explorable_computes_the_same_law(c, run_script, loss, m, S):
    """Its script runs in the browser, with the page replaced by a notepad."""
    done = run_script(c.SCRIPT, {"loss": loss, "m": m, "s": S})
    frame = c.draw_law(loss / 1000, m, S)
    for name in ("none", "mean", "held", "short"):
        drawn = re.search(rf'data-say="{name}">([^<]*)<', frame)[1]
        assert abs(float(done["said"][name]) - float(drawn)) < 0.002
    for line in ("law", "one"):
        drawn = re.search(rf'class="{line}" d="([^"]*)"', frame)[1]
        mine, theirs = (
            list(map(float, re.findall(r"[\d.]+", p)))
            for p in (done["set"][f".{line} d"], drawn)
        )
        assert (
            len(mine) == len(theirs) and np.abs(np.subtract(mine, theirs)).max() < 0.11
        )


def test_every_subset_of_six_by_hand(c):
    for k in range(1, 7):
        for s in itertools.combinations(range(6), k):
            gaps = sum(b - a > 1 for a, b in itertools.pairwise(s))
            assert c.ranges(set(s)) == gaps + 1


SMALL = [np.uint8, np.int8, np.int16, np.uint64]


@quick
@given(
    st.sampled_from(SMALL),
    st.lists(st.integers(0, 3), min_size=1, max_size=9),
    st.sampled_from([1, 100, 2**30, 10**9, 2**40]),
)
def test_long_round_trips_and_small_types_do_not_wrap_round(c, kind, G, m):
    most, delays = 0, []
    for i, lost in enumerate(G):
        most = max(most, i + m * lost)
        delays.append(most - i)
    for told in (np.array(G, kind), np.array(G, np.int32)):
        assert c.late(told, m).tolist() == delays
        if m == 100:
            assert c.late(told, kind(m)).tolist() == delays


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize(("m", "S"), [(100, 2), (127, 100), (7, 3)])
def test_windows_and_streams_of_small_types_have_the_same_law(c, kind, m, S):
    p = np.float16(0.25)  # exact
    assert c.mean_delay_streams(p, kind(m), kind(S)) == c.mean_delay_streams(0.25, m, S)
    assert c.mean_delay(p, kind(m)) == c.mean_delay(0.25, m)
    for x in (0, 5, 120):
        law = c.delay_cdf_direct(x, 0.25, m, S)
        assert c.delay_cdf_direct(kind(x), p, kind(m), kind(S)) == law
        assert c.delay_cdf(kind(x), p, kind(m)) == c.delay_cdf(x, 0.25, m)
    assert c.euler(p) == c.euler(0.25)
    assert c.reno_window(p) == c.reno_window(0.25)
    assert c.sawtooth(p, 50) == c.sawtooth(0.25, 50)


@pytest.mark.parametrize("m", [2.5, "2", None])
def test_a_window_is_a_whole_number_of_packets(c, m):
    for call in (
        lambda: c.delay_cdf(3, 0.1, m),
        lambda: c.delay_cdf_direct(3, 0.1, m),
        lambda: c.mean_delay_streams(0.1, m, 1),
    ):
        with pytest.raises(TypeError):
            call()


@quick
@given(st.sampled_from([np.uint8, np.int8, np.float16, np.uint64]), st.integers(0, 100))
def test_losses_of_any_type_have_their_limit(c, kind, lam):
    assert c.limit(kind(lam)) == c.limit(lam)
    tiny = np.float16(2e-4)
    assert c.limit(tiny) == c.limit(float(tiny)) > 0


@quick
@given(st.sampled_from([np.uint8, np.int8, np.uint64]), st.data())
def test_packets_of_small_types_have_the_same_runs(c, kind, data):
    low, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    ends = st.sampled_from([low, low + 1, high - 1, high])
    taken = data.draw(st.sets(st.integers(0, 12) | ends, max_size=9))
    runs = sum(x - 1 not in taken for x in taken)  # of Python's numbers
    assert c.ranges(np.array([*taken], kind)) == runs


@quick
@given(
    st.one_of(
        st.lists(st.integers(-(2**70), 2**70), unique=True, max_size=9),
        st.lists(st.floats(allow_nan=False), unique=True, max_size=9),
    )
)
def test_times_of_arrival_begin_anywhere(c, arrival):
    assert c.bursts(arrival) == c.delivered_by(arrival)
