"""What the traffic so far could have shown: the smallest effect that a soak finds, for people.

Expected counts under an effect times their divergence from the hypothesis are what ln E gains;
need() is what it has to gain. Source: Wald 1945, Sequential tests of statistical hypotheses.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from rampguard.core.statistics.evidence import information
from rampguard.core.statistics.odds import (
    ALWAYS,
    clipped,
    kullback,
)
from rampguard.core.statistics.roots import bisect
from rampguard.core.statistics.twosample import Hypothesis, inside, null_point

HALF, NINE_OF_TEN = 0.0, 1.2816  # of such breaches are found: quantiles of the normal distribution
MIXTURES = 2.0  # nats that the mixtures over effects and onsets cost
LARGEST = 2.0**20  # a rise beyond it is none
HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What ln E has to reach against both hypotheses, at which phi, and how surely."""

    null: float
    margin: float
    phi: float = 1.0
    z: float = HALF

    def surplus(self, null: float, margin: float) -> float:
        """Return by how much the scarcer information exceeds its need; >= 0: it is found."""
        return min(
            null / self.phi - need(self.null, self.z),
            margin / self.phi - need(self.margin, self.z),
        )


def need(log_e: float, z: float = HALF) -> float:
    """Return the information that reaches a threshold, mixtures paid for.

    z: 0 for half of all soaks, 1.2816 for 90 %.
    """
    return ((z * math.sqrt(2) + math.sqrt(2 * z * z + 4 * (log_e + MIXTURES))) / 2) ** 2


def detectable_shift(  # noqa: PLR0913 - a share, its limit, and what has to be reached
    total: float, p0: float, tolerance: float, *, null: float, margin: float, z: float = HALF
) -> float:
    """Return the smallest shift of a share that would have been shown by now.

    null, margin: what ln E has to reach. In shares; inf if none would have.
    """
    demand, limit = Demand(null=null, margin=margin, z=z), p0 - tolerance

    def shown(shift: float) -> float:
        found = p0 - shift
        return demand.surplus(total * kullback(found, clipped(p0)), total * kullback(found, limit))

    return _least(shown, tolerance, p0 - 1e-9)


def detectable_ratio(same: float, others: float, limit: float, side: int, demand: Demand) -> float:
    """Return the smallest relative change of a ratio of rates that would have been shown by now.

    same: hits that treatment would have if nothing were wrong; others: control's, or history's.
    limit: the ratio at the edge of what is allowed; side: 1 for a rise, -1 for a drop. A change is
    positive: 0.5 for half as much again or for half as much; inf if none would have been shown.
    """
    if not (same > 0 and others > 0 and limit > 0):
        return ALWAYS
    null = math.log(same) - math.log(others)
    margin = null + math.log(limit)

    def shown(change: float) -> float:
        hits = same * (1 + side * change)
        return demand.surplus(information(hits, others, null), information(hits, others, margin))

    return _least(shown, side * (limit - 1), LARGEST if side > 0 else 1.0)


def detectable_two_sample(
    treated: float, control: float, limit: Hypothesis, demand: Demand
) -> float:
    """Return the smallest change of treatment's rate that would have been shown by now.

    treated, control: units. limit: the edge of what is allowed, no change among it; with a drop
    the change is a difference of rates, else relative to control's. Positive; inf as for a ratio.
    """
    if not (treated > 0 and control > 0):
        return ALWAYS
    side, b = limit.side, limit.guess
    null, scale = Hypothesis(side=side, guess=b), 1.0 if limit.drop else b

    def shown(change: float) -> float:
        a = inside(b + side * change * scale)
        return demand.surplus(
            information_two_sample(a, treated, control, null),
            information_two_sample(a, treated, control, limit),
        )

    return _least(shown, side * (limit.allowed(b) - b) / scale, (b if side < 0 else 1 - b) / scale)


def information_two_sample(a: float, treated: float, control: float, null: Hypothesis) -> float:
    """Return what ln E is expected to gain if treatment's rate is a and control's as guessed.

    a: not allowed, in (0, 1); treated, control > 0: units.
    """
    b = inside(null.guess)
    x = inside(null_point(a, b, treated, control, null))
    return treated * kullback(a, inside(null.allowed(x))) + control * kullback(b, x)


def _least(shown: Callable[[float], float], limit: float, worst: float) -> float:
    """Return the least change beyond the limit that is shown; inf if not even the worst is."""
    if worst <= limit or shown(worst) < 0:
        return ALWAYS
    return bisect(shown, limit, worst, halvings=HALVINGS)
