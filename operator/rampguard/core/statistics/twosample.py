"""Evidence that one arm's rate left the other's, exact where each unit is a hit at most once.

Source: Turner, Ly, Grünwald 2024, Generic E-variables for exact sequential k-sample tests.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rampguard.core.statistics.counts import Arm
from rampguard.core.statistics.odds import NEVER, log_mean_exp, small_effects
from rampguard.core.statistics.roots import newton

EDGE = 1e-12  # rates are kept this far from 0 and 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """Treatment's rate is at least (side -1) or at most (side 1) rho times control's, less drop.

    guess: control's rate as known beforehand, in (0, 1); a wrong one costs power, not validity.
    """

    side: int
    guess: float
    rho: float = 1.0
    drop: float = 0.0

    def allowed(self, control: float) -> float:
        """Return treatment's rate on the edge of the hypothesis."""
        return self.rho * control - self.drop


def log_e_two_sample(
    treatment: Arm,
    control: Arm,
    null: Hypothesis,
    *,
    effects: Sequence[float] | None = None,
    phi: float = 1.0,
) -> float:
    """Return ln E against a hypothesis on two rates.

    phi >= 1: overdispersion. -inf on the allowed side, while either arm is empty, where an arm has
    more hits than units, and where no rate could contradict the hypothesis.
    """
    if not (_once(treatment) and _once(control)):
        return NEVER
    if not null.side * (treatment.rate - null.allowed(control.rate)) > 0:
        return NEVER
    rivals = _rivals(null, tuple(effects or small_effects()))
    if not rivals:
        return NEVER
    return log_mean_exp([_log_ratio(treatment, control, null, one) / phi for one in rivals])


def null_point(a: float, b: float, treated: float, control: float, null: Hypothesis) -> float:
    """Return control's rate at the allowed point nearest to the rates a and b, in information.

    a: treatment's rate, b: control's, of a point that is not allowed; treated, control > 0: units.
    """
    weight = treated / (treated + control)
    if null.drop == 0:
        return _nearest_ratio(a, b, weight, null.rho)
    return _nearest(a, b, weight, null)


def _nearest_ratio(a: float, b: float, weight: float, rho: float) -> float:
    """Return the smaller root of the quadratic, without cancellation."""
    half = weight * (rho + a) + (1 - weight) * (1 + rho * b)
    last = weight * a + (1 - weight) * b
    return 2 * last / (half + math.sqrt(max(0.0, half * half - 4 * rho * last)))


def _nearest(a: float, b: float, weight: float, null: Hypothesis) -> float:
    """Return the crossing between b and where treatment's allowed rate is a."""
    rho, one, other = null.rho, weight * null.rho, 1 - weight

    def curve(x: float) -> tuple[float, float]:
        y = rho * x - null.drop
        value = one * (y - a) * x * (1 - x) + other * (x - b) * y * (1 - y)
        slope = one * (rho * x * (1 - x) + (y - a) * (1 - 2 * x))
        return value, slope + other * (y * (1 - y) + (x - b) * rho * (1 - 2 * y))

    level = (a + null.drop) / rho
    return newton(curve, min(level, b), max(level, b))


@dataclass(frozen=True, slots=True)
class _Rival:
    """A pair of rates that contradicts a hypothesis, with logarithms of its chances."""

    a: float  # treatment's rate
    b: float  # control's
    logs: tuple[float, float, float, float]  # of a hit and of a miss: treatment's, control's


@lru_cache(maxsize=64)
def _rivals(null: Hypothesis, effects: tuple[float, ...]) -> tuple[_Rival, ...]:
    """Return the rates that the mixture takes; none if no rate contradicts the hypothesis."""
    b = inside(null.guess)
    edge = null.allowed(b)
    rates = (_away(inside(edge), effect, null.side) for effect in effects)
    return tuple(_Rival(a, b, _logs(a, b)) for a in rates if null.side * (a - edge) > 0)


def _away(edge: float, effect: float, side: int) -> float:
    less = math.exp(-effect)
    return inside(edge * less if side < 0 else 1 - (1 - edge) * less)


def _log_ratio(treatment: Arm, control: Arm, null: Hypothesis, rival: _Rival) -> float:
    """Return the log likelihood ratio of a rival to the allowed point nearest to it."""
    x = inside(null_point(rival.a, rival.b, treatment.units, control.units, null))
    hit, miss, other_hit, other_miss = rival.logs
    nearest = _logs(inside(null.allowed(x)), x)
    return (
        treatment.hits * (hit - nearest[0])
        + (treatment.units - treatment.hits) * (miss - nearest[1])
        + control.hits * (other_hit - nearest[2])
        + (control.units - control.hits) * (other_miss - nearest[3])
    )


def _logs(y: float, x: float) -> tuple[float, float, float, float]:
    return math.log(y), math.log1p(-y), math.log(x), math.log1p(-x)


def inside(rate: float) -> float:
    """Return a rate kept from 0 and 1, which have no odds."""
    return min(max(rate, EDGE), 1 - EDGE)


def _once(arm: Arm) -> bool:
    return arm.units > 0 and 0 <= arm.hits <= arm.units < math.inf
