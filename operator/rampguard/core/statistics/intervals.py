"""Intervals that hold the truth at all looks at once, with 1 - alpha in all.

Sources: Robbins 1970, as in Lindon, Malek 2022, arXiv:2011.03567 (one arm against the other's
odds); Turner, Ly, Grünwald 2024 (two rates, by inverting the test).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from rampguard.core.statistics.counts import Arm
from rampguard.core.statistics.odds import ALWAYS, weighted_log
from rampguard.core.statistics.roots import bisect, newton
from rampguard.core.statistics.twosample import Hypothesis, log_e_two_sample

TINY = 1e-200  # a share that is none
HALVINGS = 30
WIDEST = 64  # doublings of a ratio, until it counts as unbounded


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a share, of a ratio (0 <= low <= high, high may be inf) or of a difference."""

    low: float
    high: float


def share_interval(hits: float, others: float, alpha: float, *, phi: float = 1.0) -> Interval:
    """Bound the share of hits; alpha in (0, 1), phi >= 1: overdispersion."""
    hits, others = hits / phi, others / phi
    return Interval(_least(hits, others, alpha), 1 - _least(others, hits, alpha))


def ratio_interval(treatment: Arm, control: Arm, alpha: float, *, phi: float = 1.0) -> Interval:
    """Bound treatment's hits per unit over control's, as counts that may cluster.

    Control may be history. Without units in both: anything is possible.
    """
    if not (treatment.units > 0 and control.units > 0):
        return Interval(0.0, ALWAYS)
    hits, others = treatment.hits / phi, control.hits / phi
    low, high = _least(hits, others, alpha), _least(others, hits, alpha)
    exposed = control.units / treatment.units
    return Interval(
        exposed * low / (1 - low),
        exposed * (1 - high) / high if high > 0 else ALWAYS,
    )


def two_sample_ratio(
    treatment: Arm, control: Arm, guess: float, alpha: float, *, phi: float = 1.0
) -> Interval:
    """Bound treatment's rate over control's, where each unit is a hit at most once.

    alpha: of each end. guess: control's rate as known beforehand.
    """

    def refuted(rho: float, side: int) -> float:
        null = Hypothesis(side=side, guess=guess, rho=rho)
        return log_e_two_sample(treatment, control, null, phi=phi) + math.log(alpha)

    if not (treatment.units > 0 and control.units > 0 and control.hits > 0):
        return Interval(0.0, ALWAYS)
    seen = treatment.rate / control.rate
    return Interval(_end(refuted, 1, seen, 0.0), _end(refuted, -1, seen, _reach(refuted, seen)))


def two_sample_difference(
    treatment: Arm, control: Arm, guess: float, alpha: float, *, phi: float = 1.0
) -> Interval:
    """Bound treatment's rate less control's, where each unit is a hit at most once.

    alpha: of each end. guess: control's rate as known beforehand.
    """

    def refuted(difference: float, side: int) -> float:
        null = Hypothesis(side=side, guess=guess, drop=-difference)
        return log_e_two_sample(treatment, control, null, phi=phi) + math.log(alpha)

    if not (treatment.units > 0 and control.units > 0):
        return Interval(-1.0, 1.0)
    seen = treatment.rate - control.rate
    return Interval(_end(refuted, 1, seen, -1.0), _end(refuted, -1, seen, 1.0))


def _least(hits: float, others: float, alpha: float) -> float:
    """Return the least share that the beta-binomial mixture does not refute."""
    total = hits + others
    if not hits > TINY * total:
        return 0.0
    best, miss = hits / total, others / total
    peak = weighted_log(hits, best) + weighted_log(others, miss)
    spare = max(0.0, peak - _log_beta(1 + hits, 1 + others)) - math.log(alpha)

    def curve(p: float) -> tuple[float, float]:
        more = (best - p) / miss if miss else 0.0  # by how much 1 - p exceeds what was seen
        value = hits * math.log(p / best) + others * math.log1p(more) + spare
        return value, hits / p - total / (1 + more) if miss else hits / p

    return newton(curve, 0.0, best)


Refuted = Callable[[float, int], float]  # a rate and a side -> ln E less what it has to reach


def _end(refuted: Refuted, side: int, seen: float, far: float) -> float:
    """Return the end of what is not refuted, between what was seen and a far end."""
    if refuted(far, side) < 0:
        return far
    return bisect(lambda at: refuted(at, side), seen, far, halvings=HALVINGS)


def _reach(refuted: Refuted, seen: float) -> float:
    """Return a ratio that is refuted as too large, or inf."""
    ratios = (max(seen, 1.0) * 2.0**i for i in range(1, WIDEST))
    return next((ratio for ratio in ratios if refuted(ratio, -1) >= 0), ALWAYS)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
