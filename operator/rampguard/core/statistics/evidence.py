"""Evidence that hits are too many or too few, its mixture over onsets, and what it has to reach.

An e-process starts at 1 and, while its null hypothesis is true, is not expected to grow; Ville's
inequality bounds the chance that it ever reaches 1/alpha by alpha, for any number of looks.
Sources: Ville 1939; Robbins 1970; Howard et al. 2021, arXiv:1810.08240; Shin, Ramdas, Rinaldo 2023,
arXiv:2203.03532 (onsets).
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from rampguard.core.statistics.counts import Arm
from rampguard.core.statistics.odds import (
    NEVER,
    log_mean_exp,
    log_sum_exp,
    logistic,
    small_effects,
    softplus,
    weighted_log,
)

ROUNDING = 1e-12  # of what was counted: so near the limit is on it, however it was worked out
NEGLIGIBLE = 40.0  # nats: 288 windows so far below another change 12 digits of no sum


def log_e_binomial(  # noqa: PLR0913 - two counts, a null, and two knobs of the kernel
    hits: float,
    others: float,
    eta0: float,
    side: int,
    *,
    effects: Sequence[float] | None = None,
    phi: float = 1.0,
) -> float:
    """Return ln E against `log-odds of a hit <= eta0` (side 1) or `>= eta0` (side -1).

    hits, others >= 0: counts; phi >= 1: overdispersion. A mixture of likelihood ratios over the
    effects, -inf on the allowed side of eta0. Source: Lindon, Malek 2022, arXiv:2011.03567.
    """
    total, p0 = hits + others, logistic(eta0)
    if not side * (hits - total * p0) > ROUNDING * total:
        return NEVER
    hits, total, log1p = hits / phi, total / phi, math.log1p
    # softplus(eta0 + d) - softplus(eta0) is log1p(p0 * expm1(d)): one logarithm, and more exact.
    steps = _steps(tuple(effects or small_effects()), side)
    return log_mean_exp([step * hits - total * log1p(p0 * growth) for step, growth in steps])


def log_e_counts(  # noqa: PLR0913 - two arms, a null, and two knobs of the kernel
    treatment: Arm,
    control: Arm,
    limit: float,
    side: int,
    *,
    effects: Sequence[float] | None = None,
    phi: float = 1.0,
) -> float:
    """Return ln E against `the ratio of rates is <= limit` (side 1) or `>= limit` (side -1).

    limit: treatment's hits per unit over control's, at the edge of what is allowed. Control
    may be history: its units are the baseline's. -inf while either has no units, and where every
    ratio is allowed (limit 0).
    """
    if not (treatment.units > 0 and control.units > 0 and limit > 0):
        return NEVER
    eta0 = _log_odds(treatment, control, limit)
    return log_e_binomial(treatment.hits, control.hits, eta0, side, effects=effects, phi=phi)


def information(hits: float, others: float, eta0: float) -> float:
    """Return the most that ln E can be on these counts, and what it is expected to gain.

    Against log-odds of eta0, finite, at phi 1: the divergence of what was seen, times its size.
    """
    total = hits + others
    if not total > 0:
        return 0.0
    seen = weighted_log(hits, hits / total) + weighted_log(others, others / total)
    return max(0.0, seen + hits * softplus(-eta0) + others * softplus(eta0))


def information_counts(treatment: Arm, control: Arm, limit: float) -> float:
    """Return the most that log_e_counts can be, at phi 1."""
    if not (treatment.units > 0 and control.units > 0 and limit > 0):
        return 0.0
    return information(treatment.hits, control.hits, _log_odds(treatment, control, limit))


def onset_mixture(logs: Sequence[float], onsets: int) -> float:
    """Return ln E over all instants at which harm may have begun.

    logs[i]: ln E of the window from onset i to now, for those that have begun; onsets: how many
    there will be in all. Half the weight lies on the first, the rest is spread evenly.
    """
    if onsets == 1:
        return logs[0]
    rest = math.log(0.5 / (onsets - 1))
    return log_sum_exp((logs[0] + math.log(0.5), *(rest + log for log in logs[1:])))


def log_e_windows(log_e: Callable[[int], float], bounds: Sequence[float]) -> list[float]:
    """Return ln E of each window, -inf for those too small beside the largest to be told apart.

    bounds[i] >= log_e(i), as information(...) / phi is: it spares the kernel of most
    windows once harm is plain. A mixture over onsets, and which is clearest, come out the same.
    """
    logs, top = [NEVER] * len(bounds), NEVER
    for i in sorted(range(len(bounds)), key=bounds.__getitem__, reverse=True):
        if bounds[i] < top - NEGLIGIBLE:
            break
        logs[i] = log_e(i)
        top = max(top, logs[i])
    return logs


def threshold(alpha: float, *, weight: float, soaks: int, parts: int) -> float:
    """Return what ln E has to reach so that all soaks, parts and guardrails spend alpha in all."""
    return math.log(soaks * parts / (weight * alpha))


def always_valid_p(most: float) -> float:
    """Return the p-value that may be read at any time; most: the largest ln E against the null."""
    return math.exp(-max(0.0, most))


def _log_odds(treatment: Arm, control: Arm, limit: float) -> float:
    """Return the log-odds that a hit is treatment's, at a ratio of rates."""
    return math.log(limit) + math.log(treatment.units) - math.log(control.units)


@lru_cache(maxsize=16)
def _steps(effects: tuple[float, ...], side: int) -> tuple[tuple[float, float], ...]:
    """Return each effect with its sign, and by which factor less one it raises the odds."""
    return tuple((side * effect, math.expm1(side * effect)) for effect in effects)
