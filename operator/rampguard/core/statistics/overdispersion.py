"""How much more counts scatter than independent events would: phi, from batches before the ramp.

Source: McCullagh, Nelder 1989, Generalized Linear Models (Pearson's chi-squared over its degrees
of freedom), with a margin of 1.645 standard errors for how few the batches are.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import add, mul
from typing import TypeVar

from rampguard.core.statistics.counts import Arm, Pair
from rampguard.core.statistics.odds import logistic, logit
from rampguard.core.statistics.roots import newton

BATCH = timedelta(minutes=5)
MERGED = 1, 3, 12  # so many of them make the longer batches: 15 and 60 min
FEWEST = 10  # batches that are not empty
ASSUMED = 2.0  # where no length can be used
ASSUMED_OF_ERRORS = 5.0
SLACK = 1.0  # around where log-odds must lie
MARGIN = 1.645  # standard errors; of independent events 1 in 10 baselines still lies below 1

Counted = TypeVar("Counted", Arm, Pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """How batches of one length scatter; upper: phi with a margin for how few they are."""

    length: timedelta
    batches: int
    phi: float

    @property
    def upper(self) -> float:
        """Phi, and 1.645 of its standard errors."""
        return self.phi * (1 + MARGIN * math.sqrt(2 / (self.batches - 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdispersion:
    """What divides ln E, >= 1, and where it comes from."""

    phi: float
    batch: timedelta | None  # the length that scatters most; None: assumed
    by_length: tuple[Scatter, ...] = ()  # those that can be used

    @property
    def assumed(self) -> bool:
        """Whether too little was counted to estimate it."""
        return self.batch is None


def phi_counts(batches: Sequence[Pair], *, assumed: float = ASSUMED) -> Overdispersion:
    """Return how treatment's part of all hits scatters, given the units of both arms.

    batches: one for each 5 min, in order, empty ones too. assumed: phi if none can be estimated.
    """
    return _worst([_scatter(of_counts(_pooled(batches, n)), n) for n in MERGED], assumed)


def phi_history(batches: Sequence[Arm], *, assumed: float = ASSUMED_OF_ERRORS) -> Overdispersion:
    """Return how errors scatter around a constant rate; batches: as for phi_counts."""
    return _worst([_scatter(of_history(_pooled(batches, n)), n) for n in MERGED], assumed)


def phi_two_sample(batches: Sequence[Pair], *, assumed: float = ASSUMED) -> Overdispersion:
    """Return how the hits of the larger arm scatter around a constant chance per unit.

    batches: as for phi_counts.
    """
    arm = _larger(batches)
    return _worst([_scatter(of_chance(_pooled(arm, n)), n) for n in MERGED], assumed)


@dataclass(frozen=True, slots=True)
class Expected:
    """A batch: hits found, hits expected, and the variance if events were independent."""

    found: float
    expected: float
    variance: float


def of_counts(batches: Iterable[Pair]) -> tuple[Expected, ...]:
    """Return what one common ratio of rates expects of treatment; none if one arm has no hits."""
    told = [one for one in batches if _offset_known(one)]
    hits = [one.treatment.hits for one in told]
    totals = [one.treatment.hits + one.control.hits for one in told]
    if not 0 < sum(hits) < sum(totals):
        return ()
    offsets = [math.log(one.treatment.units) - math.log(one.control.units) for one in told]
    theta = _common(hits, totals, offsets)
    etas = [theta + offset for offset in offsets]
    return tuple(
        Expected(k, d * logistic(eta), d * logistic(eta) * logistic(-eta))
        for k, d, eta in zip(hits, totals, etas, strict=True)
    )


def of_history(batches: Iterable[Arm]) -> tuple[Expected, ...]:
    """Return what a constant rate expects; none without hits."""
    told = [one for one in batches if one.units > 0]
    total = sum(told, Arm())
    if not total.hits > 0:
        return ()
    return tuple(Expected(b.hits, b.units * total.rate, b.units * total.rate) for b in told)


def of_chance(batches: Iterable[Arm]) -> tuple[Expected, ...]:
    """Return what a constant chance per unit expects; none where it would be 0, 1 or more."""
    told = [one for one in batches if one.units > 0]
    total = sum(told, Arm())
    if not 0 < total.hits < total.units:
        return ()
    p = total.rate
    return tuple(Expected(b.hits, b.units * p, b.units * p * (1 - p)) for b in told)


def _scatter(batches: Sequence[Expected], merged: int) -> Scatter | None:
    """Return how batches scatter; None: too few, or too little in them."""
    count = len(batches)
    if count < FEWEST or sum(one.expected for one in batches) < count:
        return None
    squares = (((one.found - one.expected) ** 2) / one.variance for one in batches)
    return Scatter(length=merged * BATCH, batches=count, phi=math.fsum(squares) / (count - 1))


def _worst(scatters: Iterable[Scatter | None], assumed: float) -> Overdispersion:
    known = tuple(one for one in scatters if one is not None)
    if not known:
        return Overdispersion(phi=assumed, batch=None)
    most = max(known, key=lambda one: one.upper)
    return Overdispersion(phi=max(1.0, most.upper), batch=most.length, by_length=known)


def _pooled(batches: Sequence[Counted], merged: int) -> tuple[Counted, ...]:
    """Return longer batches; what does not fill the last one is left out."""
    whole = range(0, len(batches) - merged + 1, merged)
    return tuple(reduce(add, batches[i : i + merged]) for i in whole)


def _larger(batches: Sequence[Pair]) -> tuple[Arm, ...]:
    """Return the arm with more units."""
    treatment, control = (
        tuple(one.treatment for one in batches),
        tuple(one.control for one in batches),
    )
    return max(control, treatment, key=lambda arm: sum(one.units for one in arm))


def _offset_known(one: Pair) -> bool:
    both = one.treatment.units > 0 and one.control.units > 0
    return both and one.treatment.hits + one.control.hits > 0


def _common(hits: Sequence[float], totals: Sequence[float], offsets: Sequence[float]) -> float:
    """Return the log-odds of a hit at offset 0 under which as many hits are expected as found."""
    found = sum(hits)
    middle = logit(found / sum(totals))

    def curve(theta: float) -> tuple[float, float]:
        chances = [logistic(theta + offset) for offset in offsets]
        expected = sum(map(mul, totals, chances))
        return expected - found, sum(map(mul, totals, (p * (1 - p) for p in chances)))

    return newton(curve, middle - max(offsets) - SLACK, middle - min(offsets) + SLACK)
