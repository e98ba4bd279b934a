"""What the statistics promise of any counts: no evidence from nothing, and no surprises."""

import math
from itertools import pairwise, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rampguard.core.statistics import (
    Arm,
    Demand,
    Hypothesis,
    Pair,
    always_valid_p,
    detectable_ratio,
    detectable_shift,
    detectable_two_sample,
    error_effects,
    information,
    log_e_binomial,
    log_e_counts,
    log_e_two_sample,
    logistic,
    matched,
    need,
    onset_mixture,
    phi_counts,
    phi_history,
    phi_two_sample,
    ratio_interval,
    share_interval,
    small_effects,
    two_sample_difference,
    two_sample_ratio,
)

SIDES = st.sampled_from([1, -1])
GRIDS = st.sampled_from([small_effects(), error_effects()])
PART = st.floats(0, 1)
RATES = st.floats(0.01, 0.99)
HITS = st.integers(0, 10**7)
PHIS = st.sampled_from([1.0, 1.3, 5.0])


def chance(hits: int, units: int, p: float) -> float:
    return math.comb(units, hits) * p**hits * (1 - p) ** (units - hits)


@given(st.integers(5, 60), st.floats(-5, 5), PART, SIDES, st.tuples(GRIDS, PHIS))
def test_counts_are_not_expected_to_give_evidence(total, eta0, part, side, knobs) -> None:
    """E[E] <= 1 at every allowed share, by enumeration."""
    (grid, phi), edge = knobs, logistic(eta0)
    p = edge * part if side > 0 else 1 - (1 - edge) * part
    expected = math.fsum(
        chance(k, total, p)
        * math.exp(log_e_binomial(k, total - k, eta0, side, effects=grid, phi=phi))
        for k in range(total + 1)
    )
    assert expected <= 1 + 1e-9


RHOS = st.sampled_from([0.5, 0.95, 1.0, 1.2, 3.0])
DROPS = st.sampled_from([0.0, 0.0, 0.02, 0.3, -0.05])


@settings(max_examples=60)
@given(
    st.tuples(st.integers(2, 12), st.integers(2, 12)),
    st.tuples(SIDES, RATES, RHOS, DROPS),
    st.tuples(PART, PART),
    PHIS,
)
def test_two_samples_are_not_expected_to_give_evidence(units, null, at, phi) -> None:
    """E[E] <= 1 at every allowed pair of rates, by enumeration."""
    side, guess, rho, drop = null
    hypothesis = Hypothesis(side=side, guess=guess, rho=rho, drop=drop)
    control, edge = at[0], hypothesis.allowed(at[0])
    assume(edge <= 1 if side < 0 else edge >= 0)
    low, high = (0.0, min(edge, 1.0)) if side > 0 else (max(edge, 0.0), 1.0)
    treatment = low + (high - low) * at[1]
    expected = math.fsum(
        chance(k, units[0], treatment)
        * chance(c, units[1], control)
        * math.exp(
            log_e_two_sample(
                Arm(k, units[0]), Arm(c, units[1]), hypothesis, effects=(0.05, 0.3, 1.5), phi=phi
            )
        )
        for k, c in product(range(units[0] + 1), range(units[1] + 1))
    )
    assert expected <= 1 + 1e-9


def pairs(most: int) -> st.SearchStrategy[Pair]:
    arm = st.tuples(st.integers(0, most), st.integers(0, most)).map(
        lambda one: Arm(min(one), max(one))
    )
    return st.builds(Pair, arm, arm)


def evidence(bins: list[Pair]) -> float:
    sums, total = [], Pair()
    for one in reversed(bins):
        total += one
        sums.append(log_e_counts(total.treatment, total.control, 0.95, -1))
    return onset_mixture(sums[::-1], 96)


@given(st.lists(st.lists(pairs(50), min_size=1, max_size=6), min_size=1, max_size=8))
def test_the_cut_into_looks_does_not_matter(bins) -> None:
    """A bin is the sum of its readings, in whatever order and however many."""
    at_once = [sum(readings, Pair()) for readings in bins]
    backwards = [sum(reversed(readings), Pair()) for readings in bins]
    assert evidence(at_once) == evidence(backwards)


def own_odds(bins: list[Pair], limit: float, side: int, effect: float) -> float:
    """Return the logarithm of the likelihood ratio of hits, each bin at the odds that it has."""
    told = 0.0
    for t, c in ((one.treatment, one.control) for one in bins):
        if t.units > 0 < c.units:
            odds = limit * t.units / c.units
            growth = odds / (1 + odds) * math.expm1(side * effect)
            told += side * effect * t.hits - (t.hits + c.hits) * math.log1p(growth)
    return told


@given(
    st.lists(pairs(50), min_size=1, max_size=8),
    st.sampled_from([(1.0, 1), (1.2, 1), (1.0, -1), (0.95, -1)]),
    st.sampled_from(error_effects()),
)
def test_matched_bins_give_no_more_evidence_than_each_at_its_own_odds(bins, test, effect) -> None:
    """So it is an e-process as theirs is, however the sizes of the arms move meanwhile."""
    limit, side = test
    whole = sum(map(matched, bins), Pair())
    found = log_e_counts(whole.treatment, whole.control, limit, side, effects=(effect,))
    assert found <= own_odds(bins, limit, side, effect) + 1e-9


@given(st.lists(st.tuples(*(st.integers(0, 50),) * 2), min_size=1, max_size=8), st.integers(1, 9))
def test_arms_whose_sizes_do_not_move_lose_nothing_by_matching(hits, times) -> None:
    bins = [Pair(Arm(t, 100 * times), Arm(c, 900 * times)) for t, c in hits]
    sums, whole = sum(bins, Pair()), sum(map(matched, bins), Pair())
    for limit, side in ((1.2, 1), (0.95, -1)):
        found = [log_e_counts(one.treatment, one.control, limit, side) for one in (whole, sums)]
        assert found[0] == pytest.approx(found[1], rel=1e-9, abs=1e-9)


def test_a_bin_without_an_arm_says_nothing() -> None:
    assert matched(Pair(Arm(3, 0), Arm(2, 10))) == matched(Pair(Arm(3, 10), Arm(2, 0))) == Pair()


@given(st.integers(1, 400), st.floats(-4, 4), SIDES, GRIDS)
def test_more_hits_are_more_evidence_of_too_many(total, eta0, side, grid) -> None:
    told = [log_e_binomial(k, total - k, eta0, side, effects=grid) for k in range(total + 1)]
    assert all(side * (b - a) >= 0 for a, b in pairwise(told) if a != b)


@given(HITS, HITS, st.floats(-6, 6), SIDES, st.tuples(GRIDS, PHIS))
def test_no_evidence_exceeds_its_bound(hits, others, eta0, side, knobs) -> None:
    """What lets windows be spared: a mean of likelihood ratios is not above the largest."""
    assume(hits + others)
    found = log_e_binomial(hits, others, eta0, side, effects=knobs[0], phi=knobs[1])
    assert found <= information(hits, others, eta0) / knobs[1] * (1 + 1e-9) + 1e-6


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 60), RATES, SIDES)
def test_more_hits_in_treatment_are_more_evidence(units, hits, others, guess, side) -> None:
    control = Arm(min(hits, others), others)
    null = Hypothesis(side=side, guess=guess, rho=0.95)
    told = [log_e_two_sample(Arm(k, units), control, null) for k in range(units + 1)]
    assert all(side * (b - a) >= -1e-9 for a, b in pairwise(told) if a != b)


@given(HITS, HITS, st.floats(0.001, 0.5), st.floats(1, 20))
def test_an_interval_widens_with_phi_and_with_certainty(hits, others, alpha, phi) -> None:
    found = share_interval(hits, others, alpha)
    for wider in (
        share_interval(hits, others, alpha, phi=phi),
        share_interval(hits, others, alpha / 2),
    ):
        assert wider.low <= found.low + 1e-9
        assert found.high <= wider.high + 1e-9


@given(pairs(10**6), st.floats(0.001, 0.5))
def test_an_interval_of_ratios_lies_around_what_was_seen(counted, alpha) -> None:
    treatment, control = counted.treatment, counted.control
    assume(treatment.units and control.hits)
    seen = treatment.rate / control.rate
    for found in (
        ratio_interval(treatment, control, alpha),
        two_sample_ratio(treatment, control, 0.5, alpha),
    ):
        assert 0 <= found.low <= seen * (1 + 1e-9)
        assert seen <= found.high * (1 + 1e-9)


@settings(max_examples=15)
@given(pairs(10**4), st.floats(0.001, 0.1))
def test_an_interval_of_differences_lies_around_what_was_seen(counted, alpha) -> None:
    treatment, control = counted.treatment, counted.control
    assume(treatment.units and control.units)
    found = two_sample_difference(treatment, control, 0.5, alpha)
    assert -1 <= found.low <= treatment.rate - control.rate <= found.high <= 1


@settings(max_examples=30)
@given(st.integers(300, 10**5), st.integers(300, 10**5), RATES, RATES)
def test_what_an_interval_leaves_out_is_refuted(units, others, p, q) -> None:
    treatment, control = Arm(round(units * p), units), Arm(round(others * q), others)
    assume(treatment.hits and control.hits)
    found = two_sample_ratio(treatment, control, 0.5, 0.01)
    for end, side in ((found.low, 1), (found.high, -1)):
        null = Hypothesis(side=side, guess=0.5, rho=end)
        if 0 < end < math.inf:
            assert log_e_two_sample(treatment, control, null) == pytest.approx(
                math.log(100), abs=1e-3
            )


@given(st.floats(0, 1e6), st.floats(0, 3), st.floats(0, 3))
def test_more_certainty_needs_more_information(log_e, z, more) -> None:
    assert need(log_e) <= need(log_e, z) <= need(log_e, z + more)
    assert need(log_e) == pytest.approx(log_e + 2)


@given(st.floats(10, 1e9), st.floats(1, 100), st.floats(1, 20))
def test_more_traffic_shows_smaller_effects_and_phi_hides_them(traffic, more, phi) -> None:
    want, rough = Demand(null=5.7, margin=3.4), Demand(null=5.7, margin=3.4, phi=phi)
    limit = Hypothesis(side=-1, guess=0.6, rho=0.95)
    for found in (
        lambda n, _: detectable_shift(n, 0.5, 0.05, null=5.7, margin=3.4),
        lambda n, how: detectable_ratio(n, n, 1.2, 1, how),
        lambda n, how: detectable_ratio(n, 2 * n, 0.95, -1, how),
        lambda n, how: detectable_two_sample(n, n, limit, how),
    ):
        assert found(traffic * more, want) <= found(traffic, want) * (1 + 1e-6)
        assert found(traffic, want) <= found(traffic, rough) * (1 + 1e-6)


HOSTILE = st.sampled_from([0.0, 1e-300, 0.5, 1.0, 2.0, 1e9, 2.0**53, math.inf, math.nan])
COUNTS = st.sampled_from([0.0, 1.0, 2.0, 1e9, 2.0**53])
ARMS = st.builds(Arm, COUNTS, COUNTS)


@given(st.builds(Arm, HOSTILE, HOSTILE), st.builds(Arm, HOSTILE, HOSTILE), RATES, SIDES)
def test_evidence_is_never_not_a_number(treatment, control, guess, side) -> None:
    null = Hypothesis(side=side, guess=guess, rho=0.95)
    drop = Hypothesis(side=side, guess=guess, drop=0.02)
    told = [
        log_e_binomial(treatment.hits, control.hits, 0.1, side),
        log_e_binomial(treatment.hits, control.hits, side * math.inf, side),
        log_e_counts(treatment, control, 0.95, side),
        log_e_two_sample(treatment, control, null),
        log_e_two_sample(treatment, control, drop, effects=(0.1,)),
    ]
    assert not any(map(math.isnan, told))
    assert 0 <= always_valid_p(onset_mixture(told, 96)) <= 1


@given(ARMS, ARMS, st.floats(1e-6, 0.5), st.floats(1, 50))
def test_intervals_are_never_not_numbers(treatment, control, alpha, phi) -> None:
    for found in (
        share_interval(treatment.hits, control.hits, alpha, phi=phi),
        ratio_interval(treatment, control, alpha, phi=phi),
        two_sample_ratio(treatment, control, 0.5, alpha, phi=phi),
    ):
        assert 0 <= found.low <= found.high


@settings(max_examples=15)
@given(ARMS, ARMS, st.floats(1e-6, 0.5))
def test_differences_are_never_not_numbers(treatment, control, alpha) -> None:
    found = two_sample_difference(treatment, control, 0.5, alpha)
    assert -1 <= found.low <= found.high <= 1


@given(COUNTS, COUNTS, SIDES, st.floats(0, 50), st.floats(0, 3))
def test_what_could_be_seen_is_never_not_a_number(treated, control, side, log_e, z) -> None:
    want, guess = Demand(null=log_e, margin=log_e, z=z), 0.3
    for found in (
        detectable_shift(treated, 0.5, 0.05, null=log_e, margin=log_e, z=z),
        detectable_ratio(treated, control, 1 + side * 0.2, side, want),
        detectable_two_sample(treated, control, Hypothesis(side=side, guess=guess), want),
        detectable_two_sample(
            treated, control, Hypothesis(side=side, guess=guess, rho=1 + side * 0.1), want
        ),
        detectable_two_sample(treated, control, Hypothesis(side=-1, guess=guess, drop=0.1), want),
    ):
        assert found >= 0


@given(st.lists(st.builds(Pair, ARMS, ARMS), max_size=40))
def test_phi_is_a_number_of_at_least_one(batches) -> None:
    for found in (
        phi_counts(batches),
        phi_two_sample(batches),
        phi_history([one.treatment for one in batches]),
    ):
        assert 1 <= found.phi < math.inf
