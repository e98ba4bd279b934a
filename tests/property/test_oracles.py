"""The same numbers from scipy and numpy, which are no part of the operator."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from rampguard.core.statistics import (
    Arm,
    Hypothesis,
    Pair,
    information,
    kullback,
    log_e_binomial,
    log_e_two_sample,
    log_sum_exp,
    logistic,
    null_point,
    phi_counts,
    share_interval,
    small_effects,
    softplus,
)

RATES = st.floats(0.01, 0.99)


@given(st.floats(-700, 700))
def test_odds(x) -> None:
    assert softplus(x) == pytest.approx(np.logaddexp(0, x), rel=1e-12)
    assert logistic(x) == pytest.approx(special.expit(x), rel=1e-12)


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=30))
def test_sums_of_exponentials(logs) -> None:
    assert log_sum_exp(logs) == pytest.approx(special.logsumexp(logs), rel=1e-12, abs=1e-12)


def test_quantiles() -> None:
    grid = stats.lognorm.ppf((np.arange(20) + 0.5) / 20, 1.1, scale=0.12)
    assert small_effects() == pytest.approx(tuple(grid), rel=1e-9)


@given(RATES, RATES, st.integers(1, 10**6))
def test_divergence(p, q, total) -> None:
    expected = special.rel_entr(p, q) + special.rel_entr(1 - p, 1 - q)
    assert kullback(p, q) == pytest.approx(expected, rel=1e-9, abs=1e-15)
    gained = information(total * p, total * (1 - p), special.logit(q))
    assert gained == pytest.approx(total * expected, rel=1e-9, abs=1e-9 * total)


@given(st.integers(0, 5000), st.integers(0, 5000), st.floats(-3, 3), st.sampled_from([1, -1]))
def test_evidence_is_a_mean_of_likelihood_ratios(hits, others, eta0, side) -> None:
    found = log_e_binomial(hits, others, eta0, side)
    if found == -math.inf:
        return
    rivals = special.expit(eta0 + side * np.array(small_effects()))
    total = hits + others
    ratios = stats.binom.logpmf(hits, total, rivals) - stats.binom.logpmf(
        hits, total, special.expit(eta0)
    )
    assert found == pytest.approx(special.logsumexp(ratios) - math.log(20), rel=1e-7, abs=1e-7)


@given(st.integers(20, 10**5), st.integers(20, 10**5), st.floats(1e-4, 0.5))
def test_the_ends_of_an_interval_are_barely_not_refuted(hits, others, alpha) -> None:
    found = share_interval(hits, others, alpha)
    bound = math.log(alpha) + special.betaln(1 + hits, 1 + others)
    for end in (found.low, found.high):
        assert hits * math.log(end) + others * math.log1p(-end) == pytest.approx(bound, rel=1e-8)


@settings(max_examples=50)
@given(
    st.tuples(st.integers(10, 10**5), st.integers(10, 10**5)),
    st.floats(0.2, 0.9),
    st.sampled_from([(0.95, 0.0), (1.0, 0.0), (1.1, 0.0), (1.0, 0.02), (0.9, 0.05), (1.0, -0.02)]),
    st.floats(0.05, 1.0),
    st.sampled_from([1, -1]),
)
def test_the_nearest_allowed_point_is_the_least_divergence(units, b, edge, effect, side) -> None:
    rho, drop = edge
    null = Hypothesis(side=side, guess=b, rho=rho, drop=drop)
    top = null.allowed(b)
    a = top * math.exp(-effect) if side < 0 else 1 - (1 - top) * math.exp(-effect)

    def divergence(x: float) -> float:
        y = null.allowed(x)
        return units[0] * kullback(a, y) + units[1] * kullback(b, x)

    x = null_point(a, b, *units, null)
    low, high = max(0, drop / rho) + 1e-9, min(1, (1 + drop) / rho) - 1e-9
    best = optimize.minimize_scalar(divergence, bounds=(low, high), options={"xatol": 1e-12})
    assert divergence(x) <= best.fun * (1 + 1e-9) + 1e-9
    assert x == pytest.approx(best.x, abs=1e-4)


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.floats(0.1, 0.9), st.sampled_from([0.0, 0.02]))
def test_evidence_on_two_rates_is_a_mean_of_likelihood_ratios(seed, b, drop) -> None:
    dice = np.random.default_rng(seed)
    units = dice.integers(10, 2000, 2)
    k, c = (int(one) for one in dice.binomial(units, [0.4, 0.6]))
    null, effects = Hypothesis(side=-1, guess=b, drop=drop), (0.1, 0.5)
    found = log_e_two_sample(Arm(k, int(units[0])), Arm(c, int(units[1])), null, effects=effects)
    if found == -math.inf:
        return
    ratios = []
    for effect in effects:
        a = null.allowed(b) * math.exp(-effect)
        x = null_point(a, b, *map(int, units), null)
        rival = stats.binom.logpmf([k, c], units, [a, b]).sum()
        ratios.append(rival - stats.binom.logpmf([k, c], units, [null.allowed(x), x]).sum())
    assert found == pytest.approx(special.logsumexp(ratios) - math.log(2), rel=1e-7, abs=1e-7)


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.floats(0.2, 5))
def test_phi_is_pearson_s(seed, ratio) -> None:
    dice = np.random.default_rng(seed)
    units = dice.integers(50, 500, (12, 2))
    hits = dice.poisson(units * [0.2 * ratio, 0.2] * dice.uniform(0.5, 1.5, (12, 1)))
    total, offset = hits.sum(axis=1), np.log(units[:, 0] / units[:, 1])

    def surplus(theta: float) -> float:
        return (hits[:, 0] - total * special.expit(theta + offset)).sum()

    p = special.expit(optimize.brentq(surplus, -20, 20, xtol=1e-13) + offset)
    expected = ((hits[:, 0] - total * p) ** 2 / (total * p * (1 - p))).sum() / 11
    batches = [
        Pair(*(Arm(float(k), float(n)) for k, n in zip(*one, strict=True)))
        for one in zip(hits, units, strict=True)
    ]
    assert phi_counts(batches).by_length[0].phi == pytest.approx(expected, rel=1e-9)


def test_phi_is_seldom_too_small() -> None:
    """Independent events seem less than independent in one baseline of ten, for one length."""
    dice = np.random.default_rng(5)
    below = 0
    for _ in range(200):
        hits = dice.poisson(20, (36, 2))
        told = phi_counts([Pair(Arm(float(k), 100), Arm(float(c), 100)) for k, c in hits])
        below += told.by_length[0].upper < 1
    assert below <= 200 * 0.15
