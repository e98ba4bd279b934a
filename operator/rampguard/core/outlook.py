"""What the traffic of a soak can show: which harm, how surely, and when.

Reckoned from the same hours of the last day, with arms as at the new share; see
statistics.detectable for the sums. Effects are positive: 0.1 is a shift of the share by 10 points,
a drop by a tenth, or a tenth more errors.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate

from rampguard.core.ask import Guardrail, GuardrailType
from rampguard.core.budget import budget
from rampguard.core.history import Counts
from rampguard.core.model import Baseline, Reading
from rampguard.core.plan import Family, Plan, families_of
from rampguard.core.statistics import (
    HALF,
    NINE_OF_TEN,
    Demand,
    Hypothesis,
    detectable_ratio,
    detectable_shift,
    detectable_two_sample,
)

DAY = timedelta(hours=24)
LONGEST = 60 * DAY  # looked ahead
INSTANTS = timedelta(hours=1), timedelta(hours=6), DAY
DRAWN = 48  # instants of a curve
TINY = 1e-9  # percent do not add up to the last digit
EFFECTS = {
    GuardrailType.EXPOSURE_BALANCE: (0.07, 0.10, 0.20),
    GuardrailType.RELATIVE_DROP: (0.08, 0.10, 0.20, 0.50),
    GuardrailType.ERROR_RATE: (0.5, 1.0, 3.0),
}


@dataclass(frozen=True, slots=True)
class Visible:
    """The smallest effect that half, and nine of ten, of such ramps have shown by then."""

    after: timedelta
    half: float  # inf: none
    ninety: float


@dataclass(frozen=True, slots=True)
class Found:
    """When half, and nine of ten, of the ramps with an effect have been taken back."""

    effect: float
    half: timedelta | None  # None: not within 60 days
    ninety: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One part of a guardrail: what it can see. side: 1 finds too many, -1 too few."""

    part: str
    side: int
    limit: float  # the largest effect that the plan allows
    visible: tuple[Visible, ...]  # by 1 h, 6 h, 24 h, and at the end of the soak
    found: tuple[Found, ...]
    twice: Found  # an effect of twice the limit, or the largest that there can be
    curve: tuple[Visible, ...]  # over the soak, for a picture


@dataclass(frozen=True, slots=True)
class Traffic:
    """What each family is expected to count after the start, as in the last day."""

    families: tuple[Family, ...]
    step: timedelta
    sums: tuple[tuple[Reading, ...], ...]  # of the first n steps of the day, from 0 on

    def until(self, family: Family, after: timedelta) -> Reading:
        """Return what a family counts from where it begins to count until then."""
        sums = self.sums[self.families.index(family)]
        return _minus(self._sum(sums, after), self._sum(sums, min(after, family.skip)))

    def _sum(self, sums: Sequence[Reading], after: timedelta) -> Reading:
        last = len(sums) - 1
        if last < 1:
            return Reading()
        days, rest = divmod(after, last * self.step)
        whole = rest // self.step
        part = (rest - whole * self.step) / self.step
        step = _minus(sums[min(whole + 1, last)], sums[whole])
        return _times(sums[last], days).plus(sums[whole]).plus(_times(step, part))


def traffic(plan: Plan, counts: Counts) -> Traffic:
    """Return the traffic of the last day as that of each day to come; of less, what there is."""
    day = DAY // counts.step
    sums = (
        tuple(accumulate(bins[-day:], Reading.plus, initial=Reading())) for bins in counts.counts
    )
    return Traffic(plan.families, counts.step, tuple(sums))


def split(reading: Reading, share: float) -> Reading:
    """Return counts of both arms as they fall at another share."""
    both = reading.total
    return Reading(both * (1 - share), both * share, reading.other)


@dataclass(frozen=True, slots=True)
class _Test:
    """One part of a guardrail; least(after, demand): the smallest effect that it shows."""

    part: str
    side: int
    limit: float
    most: float  # there is no larger effect
    demand: Demand
    least: Callable[[timedelta, Demand], float]

    def visible(self, after: timedelta) -> Visible:
        half, ninety = (self._least(after, z) for z in (HALF, NINE_OF_TEN))
        return Visible(after, half, ninety)

    def found(self, effect: float, step: timedelta) -> Found:
        half, ninety = (self._when(effect, z, step) for z in (HALF, NINE_OF_TEN))
        return Found(effect, half, ninety)

    def _least(self, after: timedelta, z: float) -> float:
        return self.least(after, replace(self.demand, z=z))

    def _when(self, effect: float, z: float, step: timedelta) -> timedelta | None:
        """Return the first step by which an effect shows; it shows ever after."""
        return first_step(lambda after: self._least(after, z) <= effect, step)


def first_step(holds: Callable[[timedelta], bool], step: timedelta) -> timedelta | None:
    """Return the first multiple of a step at which something holds that holds ever after."""
    low, high = 0, LONGEST // step
    if not holds(high * step):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle * step) else (middle, high)
    return high * step


def outlooks(
    plan: Plan, guardrail: Guardrail, baseline: Baseline | None, coming: Traffic
) -> tuple[Outlook, ...]:
    """Return what each part of a guardrail can see at the goal; none where it is no test."""
    soak, step = plan.soaks[plan.last], coming.step
    instants = (*(i for i in INSTANTS if i < soak), soak)
    return tuple(
        Outlook(
            part=test.part,
            side=test.side,
            limit=test.limit,
            visible=tuple(map(test.visible, instants)),
            found=tuple(
                test.found(effect, step)
                for effect in EFFECTS[guardrail.type]
                if test.limit < effect - TINY and effect < test.most + TINY
            ),
            twice=test.found(min(2 * test.limit, test.most), step),
            curve=tuple(map(test.visible, _instants(soak, step))),
        )
        for test in _tests(plan, guardrail, baseline, coming)
    )


def _instants(soak: timedelta, step: timedelta) -> Iterable[timedelta]:
    """Return instants of a soak, ever further apart, the last at its end."""
    first = min(step, soak)
    ratio = soak / first
    return dict.fromkeys(first * ratio ** (i / (DRAWN - 1)) for i in range(DRAWN))


def _tests(
    plan: Plan, guardrail: Guardrail, baseline: Baseline | None, coming: Traffic
) -> Iterator[_Test]:
    if guardrail.type is GuardrailType.EXPOSURE_BALANCE:
        yield from _shares(plan, guardrail, coming)
    elif baseline is None:
        return
    elif guardrail.type is GuardrailType.ERROR_RATE:
        yield from _errors(plan, guardrail, baseline, coming)
    elif 0 < plan.ask.to < 100:  # noqa: PLR2004 - percent
        yield _drop(plan, guardrail, baseline, coming)


def _demand(plan: Plan, parts: int, phi: float = 1.0) -> Demand:
    spent = budget(plan)
    return Demand(null=spent.null(parts), margin=spent.margin(parts), phi=phi)


def _shares(plan: Plan, guardrail: Guardrail, coming: Traffic) -> Iterator[_Test]:
    """Yield a test for each side on which the share can leave its limits."""
    tolerance = (guardrail.tolerance or 0) / 100
    new, *_ = families_of(plan.ask, guardrail, plan.tempo)
    below = plan.ask.to / 100
    rooms = [("lower", -1, below), ("upper", 1, 1 - below)]
    rooms = [one for one in rooms if one[2] > tolerance + TINY]

    for name, side, room in rooms:

        def least(after: timedelta, demand: Demand, room: float = room) -> float:
            return detectable_shift(
                coming.until(new, after).total,
                room,
                tolerance,
                null=demand.null,
                margin=demand.margin,
                z=demand.z,
            )

        yield _Test(name, side, tolerance, room, _demand(plan, len(rooms)), least)


def _drop(plan: Plan, guardrail: Guardrail, baseline: Baseline, coming: Traffic) -> _Test:
    tolerance, share = (guardrail.tolerance or 0) / 100, plan.ask.to / 100
    _, new = families_of(plan.ask, guardrail, plan.tempo)
    rate, phi = baseline.rate, 1.0 if guardrail.once_per_user else baseline.phi_arms.value

    def least(after: timedelta, demand: Demand) -> float:
        users = split(coming.until(new, after), share)
        if guardrail.once_per_user:
            edge = Hypothesis(side=-1, guess=min(max(rate, 0.01), 0.99), rho=1 - tolerance)
            return detectable_two_sample(users.treatment, users.control, edge, demand)
        return detectable_ratio(
            rate * users.treatment, rate * users.control, 1 - tolerance, -1, demand
        )

    return _Test("drop", -1, tolerance, 1.0, _demand(plan, 1, phi), least)


def _errors(
    plan: Plan, guardrail: Guardrail, baseline: Baseline, coming: Traffic
) -> Iterator[_Test]:
    tolerance, share = (guardrail.tolerance or 0) / 100, plan.ask.to / 100
    bad, asked = families_of(plan.ask, guardrail, plan.tempo)
    parts = max(1, baseline.enough + baseline.armed)
    if baseline.enough:

        def against_before(after: timedelta, demand: Demand) -> float:
            same = baseline.rate * coming.until(asked, after).all
            return detectable_ratio(same, baseline.hits, 1 + tolerance, 1, demand)

        demand = _demand(plan, parts, baseline.phi_history.value)
        yield _Test("history", 1, tolerance, math.inf, demand, against_before)
    if baseline.armed and 0 < share < 1:
        day = coming.until(asked, DAY).total
        rate = coming.until(bad, DAY).total / day if day else 0.0

        def between_arms(after: timedelta, demand: Demand) -> float:
            both = split(coming.until(asked, after), share)
            return detectable_ratio(
                rate * both.treatment, rate * both.control, 1 + tolerance, 1, demand
            )

        demand = _demand(plan, parts, baseline.phi_arms.value)
        yield _Test("concurrent", 1, tolerance, math.inf, demand, between_arms)


def _minus(one: Reading, other: Reading) -> Reading:
    return one.plus(_times(other, -1))


def _times(one: Reading, factor: float) -> Reading:
    return Reading(one.control * factor, one.treatment * factor, one.other * factor)
