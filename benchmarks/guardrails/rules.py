"""The numbers of a test: thresholds, effects, onsets; and how a ramp's looks are laid out."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from benchmarks.guardrails.arrays import Effects, Floats

LOOKS, LOOK_S = 2880, 30  # a day
NONE = np.zeros(2)


def _small() -> Effects:
    normal = NormalDist()
    return np.array([0.12 * math.exp(1.1 * normal.inv_cdf((i + 0.5) / 20)) for i in range(20)])


SMALL = _small()
ERRORS = 0.02 * 100 ** (np.arange(16) / 15)
WIDE = 0.01 * 400 ** (np.arange(20) / 19)


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """How one part of a guardrail is tested. side: 1 too many hits, -1 too few.

    null, margin: the odds of `nothing is wrong` and of the tolerance's limit, or what they are
    multiplied with where the odds follow the exposure of the arms (not fixed).
    """

    side: int
    null: float
    margin: float
    fixed: bool
    effects: Effects


@dataclass(frozen=True, slots=True)
class Config:
    """Where onsets lie, and what a false rollback may cost. gap: looks between two onsets."""

    gap: int
    alpha: float = 0.01
    within: float = 0.10
    weight: float = 1.0

    @property
    def onsets(self) -> int:
        """Return how many onsets a day has."""
        return LOOKS // self.gap

    def null(self, parts: int = 1) -> float:
        """Return what ln E has to reach against `nothing is wrong`."""
        return math.log(parts / (self.weight * self.alpha))

    def margin(self, parts: int = 1) -> float:
        """Return what ln E has to reach against `all shifts are within tolerance`."""
        return math.log(parts / (self.weight * self.within))


BARS = Config(gap=120)  # of the documented bars
PRODUCT = Config(gap=30, weight=1 / 4)  # four guardrails share one budget
ALONE = Config(gap=30)  # one guardrail has all of it


def odds(p: float) -> float:
    """Return the odds of a probability below 1."""
    return p / (1 - p)


def share_tests(p0: float, tolerance: float, effects: Effects) -> tuple[Test, Test]:
    """Return the upper and the lower side of a share that may move by the tolerance."""
    return tuple(  # type: ignore[return-value]  # two of them
        Test(side=s, null=odds(p0), margin=odds(p0 + s * tolerance), fixed=True, effects=effects)
        for s in (1, -1)
    )


def fewer(margin: float, effects: Effects) -> Test:
    """Return the test of a relative drop, on counts of both arms."""
    return Test(side=-1, null=1.0, margin=1 - margin, fixed=False, effects=effects)


def more(margin: float, effects: Effects) -> Test:
    """Return the test of a relative rise, against history or the other arm."""
    return Test(side=1, null=1.0, margin=1 + margin, fixed=False, effects=effects)


def traffic() -> Floats:
    """Return the traffic of each look of a day relative to its mean: lowest at the start."""
    seconds = (np.arange(LOOKS) + 1) * LOOK_S
    return 1 + 0.4 * np.sin(2 * np.pi * (seconds - 21600) / 86400)
