"""Evidence that stays valid however often it is looked at: counts in, natural logarithms out.

An e-process starts at 1 and, while its null hypothesis is true, is not expected to grow; Ville's
inequality bounds the chance that it ever reaches 1/alpha by alpha, for any number of looks.
Sources: Ville 1939; Robbins 1970; Howard et al. 2021, arXiv:1810.08240; Shin, Ramdas, Rinaldo 2023,
arXiv:2203.03532 (onsets).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

ALWAYS, NEVER = math.inf, -math.inf
CLIP = 0.001  # a share of 0 or 1 leaves no room for odds


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a share, 0 <= low <= high <= 1."""

    low: float
    high: float


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


def log_mean_exp(logs: Iterable[float]) -> float:
    """Return the logarithm of the mean of exp(logs); -inf if all are."""
    told = tuple(logs)
    return log_sum_exp(told) - math.log(len(told))


def log_sum_exp(logs: Iterable[float]) -> float:
    """Return the logarithm of the sum of exp(logs); -inf of nothing."""
    told = tuple(logs)
    top = max(told, default=NEVER)
    if top == NEVER:
        return NEVER
    return top + math.log(math.fsum(math.exp(x - top) for x in told))


@cache
def small_effects() -> tuple[float, ...]:
    """Return the effects that we look for, as log-odds: 20 log-normal quantiles around 0.12."""
    normal = NormalDist()
    return tuple(0.12 * math.exp(1.1 * normal.inv_cdf((i + 0.5) / 20)) for i in range(20))


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
    total = hits + others
    if side * (hits - total * logistic(eta0)) <= 0:
        return NEVER
    start = softplus(eta0)
    return log_mean_exp(
        (side * d * hits - total * (softplus(eta0 + side * d) - start)) / phi
        for d in effects or small_effects()
    )


def onset_mixture(logs: Sequence[float], onsets: int) -> float:
    """Return ln E over all instants at which harm may have begun.

    logs[i]: ln E of the window from onset i to now, for those that have begun; onsets: how many
    there will be in all. Half the weight lies on the first, the rest is spread evenly.
    """
    if onsets == 1:
        return logs[0]
    rest = math.log(0.5 / (onsets - 1))
    return log_sum_exp((logs[0] + math.log(0.5), *(rest + log for log in logs[1:])))


def threshold(alpha: float, *, weight: float, soaks: int, parts: int) -> float:
    """Return what ln E has to reach so that all soaks, parts and guardrails spend alpha in all."""
    return math.log(soaks * parts / (weight * alpha))


def share_interval(hits: float, others: float, alpha: float) -> Interval:
    """Bound the share of hits at all looks at once, with 1 - alpha in all.

    Where the beta-binomial mixture of ln p + ln(1-p) is not refuted; alpha in (0, 1).
    Source: Robbins 1970, as in Lindon, Malek 2022.
    """
    bound = math.log(alpha) + _log_beta(1 + hits, 1 + others)

    def margin(p: float) -> float:
        return _xlog(hits, p) + _xlog(others, 1 - p) - bound

    total = hits + others
    best = hits / total if total else 0.5
    return Interval(
        0.0 if margin(0.0) >= 0 else bisect(margin, 0.0, best),
        1.0 if margin(1.0) >= 0 else bisect(margin, 1.0, best),
    )


def detectable_shift(
    total: float, p0: float, tolerance: float, *, null: float, margin: float
) -> float:
    """Return the smallest shift of a share that half of such soaks would have shown by now.

    null, margin: what ln E has to reach. In shares; inf if none would have. The least shift whose
    expected information meets both. Source: shared with the two-level rule, z = 0.
    """

    def shown(shift: float) -> float:
        found = max(p0 - shift, 1e-12)
        return min(
            total * kullback(found, clipped(p0)) - need(null),
            total * kullback(found, p0 - tolerance) - need(margin)
            if found < p0 - tolerance
            else NEVER,
        )

    worst = p0 - 1e-9
    if worst <= tolerance or shown(worst) < 0:
        return ALWAYS
    return bisect(shown, tolerance, worst)


def need(log_e: float) -> float:
    """Return the information that reaches a threshold in half of all soaks, mixtures paid for."""
    return log_e + 2.0


def kullback(p: float, q: float) -> float:
    """Return the divergence of two coins, 0 <= p <= 1, 0 < q < 1."""
    return _xlog(p, p / q) + _xlog(1 - p, (1 - p) / (1 - q))


def bisect(f: Callable[[float], float], low: float, high: float, *, halvings: int = 100) -> float:
    """Return where f turns from negative at low to not negative at high."""
    for _ in range(halvings):
        middle = (low + high) / 2
        if f(middle) < 0:
            low = middle
        else:
            high = middle
    return high


def _xlog(weight: float, x: float) -> float:
    """Return weight * ln x, where 0 * ln 0 is 0."""
    if weight == 0:
        return 0.0
    return weight * math.log(x) if x > 0 else NEVER


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
