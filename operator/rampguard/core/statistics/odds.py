"""Odds and their logarithms, without overflow: what the other formulas are made of."""

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist

ALWAYS, NEVER = math.inf, -math.inf
CLIP = 0.001  # a share of 0 or 1 leaves no room for odds


def softplus(x: float) -> float:
    """Return ln(1 + e^x) without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def logit(p: float) -> float:
    """Return the log-odds of 0 < p < 1."""
    return math.log(p) - math.log1p(-p)


def logistic(x: float) -> float:
    """Return the probability of log-odds."""
    return math.exp(-softplus(-x))


def clipped(p0: float) -> float:
    """Return the share that stands for `nothing is wrong` at p0: neither 0 nor 1."""
    return min(max(p0, CLIP), 1 - CLIP)


def log_mean_exp(logs: Sequence[float]) -> float:
    """Return the logarithm of the mean of exp(logs), of one or more; -inf if all are."""
    return log_sum_exp(logs) - math.log(len(logs))


def log_sum_exp(logs: Sequence[float]) -> float:
    """Return the logarithm of the sum of exp(logs); -inf of nothing."""
    top = max(logs, default=NEVER)
    if top == NEVER:
        return NEVER
    exp = math.exp
    return top + math.log(sum([exp(x - top) for x in logs]))


def kullback(p: float, q: float) -> float:
    """Return the divergence of two coins, 0 <= p <= 1, 0 < q < 1; never negative."""
    return max(0.0, weighted_log(p, p / q) + weighted_log(1 - p, (1 - p) / (1 - q)))


def weighted_log(weight: float, x: float) -> float:
    """Return weight * ln x, where 0 * ln 0 is 0."""
    if weight == 0:
        return 0.0
    return weight * math.log(x) if x > 0 else NEVER


@cache
def small_effects() -> tuple[float, ...]:
    """Return the effects on shares and rates of users: 20 log-normal quantiles around 0.12.

    As log-odds, or as logarithms of rates where two samples are compared.
    """
    normal = NormalDist()
    return tuple(0.12 * math.exp(1.1 * normal.inv_cdf((i + 0.5) / 20)) for i in range(20))


@cache
def error_effects() -> tuple[float, ...]:
    """Return the effects on error rates, as log-odds: 16 in even ratios from 0.02 to 2."""
    return tuple(0.02 * 100 ** (j / 15) for j in range(16))
