"""Takes looks: asks Prometheus what each guardrail needs at settled instants; the core judges."""

import asyncio
import math
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rampguard.core.ask import Arms, Guardrail, GuardrailType, PromQL
from rampguard.core.counting import bin_size, closed
from rampguard.core.export import Recounts
from rampguard.core.guardrails import is_broken
from rampguard.core.judging import judge
from rampguard.core.model import (
    Baseline,
    Evidence,
    Judgement,
    Look,
    Measured,
    Point,
    Reading,
    Soaking,
)
from rampguard.core.plan import Plan, families_of
from rampguard.engine.counters import (
    MEMORY,
    Counted,
    Counters,
    NothingSeenError,
    Pods,
    count,
    lately,
    source,
)
from rampguard.ports import Refused, Unavailable, World

NOTHING = Recounts()
BEFORE = timedelta(hours=1)  # looked at before `for`, to date the start of a break
Points = tuple[Point, ...]


async def take_looks(  # noqa: PLR0913 - a soak, what is known, and whom to ask
    plan: Plan,
    stage: Soaking,
    instants: Sequence[datetime],
    world: World,
    pods: Pods,
    *,
    baselines: tuple[Baseline, ...] = (),
    recounts: Recounts = NOTHING,
) -> tuple[Look, ...]:
    """Judge every guardrail at every instant; one that cannot see is NoData, and says why."""
    looker = _Looker(plan, stage, baselines, recounts, world, pods)
    return tuple(await asyncio.gather(*map(looker.look, instants)))


@dataclass(frozen=True, slots=True)
class _Looker:
    """Judges one soak, at any of its instants."""

    plan: Plan
    stage: Soaking
    baselines: tuple[Baseline, ...]
    recounts: Recounts
    world: World
    pods: Pods

    async def look(self, at: datetime) -> Look:
        measured = await self._measured(at)
        judgements = judge(self.plan, self.stage, self.baselines, at, measured)
        return Look(
            at=at,
            evidence=self._remembered(measured),
            judgements=tuple(map(self._asked, judgements, self.plan.ask.guardrails)),
            measured=measured,
            asked=queries(self.plan, self.world, self.pods),
        )

    async def _measured(self, at: datetime) -> Measured:
        # All at once: a Prometheus that hangs costs a pass one patience, not one a question.
        rules = self.plan.ask.guardrails
        thresholds = tuple(one for one in rules if one.type is GuardrailType.THRESHOLD)
        counted, points = await asyncio.gather(
            self._counted(at), asyncio.gather(*(self._points(one, at) for one in thresholds))
        )
        told = {one.name: found for one, found in zip(thresholds, points, strict=True)}
        failed = any(isinstance(one, str) or _is_no_number(one) for one in points)
        return replace(
            counted,
            points=told,
            unanswered=counted.unanswered or failed,
            recounts=self.recounts,
        )

    async def _counted(self, at: datetime) -> Measured:
        """Return what was counted, or why nothing can be."""
        if not self.plan.families:
            return Measured(counted=self.stage.evidence)
        try:
            counted, (silent, stale), recent = await asyncio.gather(
                self._count(at),
                silences(self.plan, self.baselines, at, self.world, self.pods),
                self._recent(at),
            )
        except (Unavailable, Refused) as error:
            return Measured(counted=str(error), unanswered=True)
        unheard = (counted.unheard.get(family.selector, "") for family in self.plan.families)
        why = tuple(a or b for a, b in zip(silent, unheard, strict=True))
        return Measured(
            counted=counted.evidence,
            silent=why,
            stale=stale,
            recent=recent,
            unanswered=bool(counted.unheard),
        )

    async def _count(self, at: datetime) -> Counted:
        """Count up to an instant; nothing from when on not every pod is proven."""
        before = self.stage.evidence
        until = min(at, before.unproven_since or at)
        if until <= before.counted_to:
            return Counted(before, {})
        return await count(self.plan, self.stage, until, self.world, self.pods)

    async def _recent(self, at: datetime) -> tuple[tuple[Reading, Reading], ...]:
        names = tuple(dict.fromkeys(one for both in _switches(self.plan) for one in both))
        if not names:
            return ()
        began = self.stage.evidence.t0
        told = await lately(self.plan, names, at, self.world, self.pods, began=began)
        for errors, requests in _switches(self.plan):
            if requests not in told:  # errors of unknown requests fire nothing
                told.pop(errors, None)
        nothing = (Reading(), Reading())
        return tuple(told.get(one.selector, nothing) for one in self.plan.families)

    def _remembered(self, measured: Measured) -> Evidence:
        """Return the closed bins: what was once counted is never asked for again.

        Nothing of a silence: what comes back after it goes on from the last value before it.
        """
        before, counted = self.stage.evidence, measured.counted
        if isinstance(counted, str):
            return before
        late = counted.counted_to - before.counted_to >= MEMORY  # its last value is out of reach
        if any((*measured.silent, *measured.stale)) and not late:
            return before
        if before.unproven_since is not None:  # this bin goes on after the proof, with a hole
            return counted
        after = closed(counted, bin_size(self.plan, self.stage.step, before))
        return after if after.counted_to > before.counted_to else before

    async def _points(self, guardrail: Guardrail, at: datetime) -> Points | str:
        try:
            return await self._dated(guardrail, at)
        except (NothingSeenError, Unavailable, Refused) as error:
            return str(error)

    async def _dated(self, guardrail: Guardrail, at: datetime) -> Points:
        """Return samples that reach back to the start of a break, if there is one."""
        t0 = self.stage.evidence.t0
        earliest = max(t0, at - guardrail.lasting - BEFORE)
        found = await points(self.plan, guardrail, earliest, at, self.world)
        if earliest > t0 and found and is_broken(guardrail, found[0]):
            return await points(self.plan, guardrail, t0, at, self.world)
        return found

    def _asked(self, judged: Judgement, guardrail: Guardrail) -> Judgement:
        return replace(judged, query=query(self.plan, guardrail, self.world, self.pods))


def _is_no_number(found: Points) -> bool:
    return not all(math.isfinite(value) for _, value in found[-1:])


def query(plan: Plan, guardrail: Guardrail, world: World, pods: Pods) -> PromQL:
    """Return what a guardrail asks first, so that anyone can ask again."""
    if guardrail.query is not None:
        return guardrail.query
    families = families_of(plan.ask, guardrail, plan.tempo)
    return Counters(plan, families[0].selector, world, pods).query if families else PromQL("")


def queries(plan: Plan, world: World, pods: Pods) -> tuple[PromQL, ...]:
    """Return all that the guardrails are judged by, each query once."""
    counted = (Counters(plan, family.selector, world, pods).query for family in plan.families)
    free = (one.query for one in plan.ask.guardrails if one.query is not None)
    return tuple(dict.fromkeys((*counted, *free)))


async def silences(
    plan: Plan, baselines: tuple[Baseline, ...], at: datetime, world: World, pods: Pods
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say of each family what is absent, and how stale it is; empty: nothing, and not at all."""
    wanted = needs(plan, baselines)
    counters = {one: Counters(plan, one, world, pods) for one in wanted}
    absent, stale = await asyncio.gather(
        asyncio.gather(*(blind(counters[one].absence(at, arms)) for one, arms in wanted.items())),
        asyncio.gather(*(blind(counters[one].staleness(at)) for one in wanted)),
    )
    return _of_families(plan, wanted, absent), _of_families(plan, wanted, stale)


def _of_families(plan: Plan, names: Iterable[PromQL], why: Iterable[str]) -> tuple[str, ...]:
    told = dict(zip(names, why, strict=True))
    return tuple(told.get(family.selector, "") for family in plan.families)


def needs(
    plan: Plan, baselines: tuple[Baseline, ...] = (), rules: Sequence[Guardrail] | None = None
) -> dict[PromQL, Arms | None]:
    """Return the selectors that must be there, and which of them with both arms.

    All exposures are shown, not judged: they are not among them. rules: default: all.
    """
    armed = {one.guardrail for one in baselines if one.armed}
    told: dict[PromQL, Arms | None] = {}
    for rule in plan.ask.guardrails if rules is None else rules:
        families = families_of(plan.ask, rule, plan.tempo)
        if rule.type is GuardrailType.ERROR_RATE:
            errors, requests = families
            told.setdefault(errors.selector, None)
            if rule.name in armed:
                told[requests.selector] = plan.ask.arms
            told.setdefault(requests.selector, None)
        elif rule.type is GuardrailType.EXPOSURE_BALANCE:
            told[families[0].selector] = plan.ask.arms
        else:
            told |= {one.selector: plan.ask.arms for one in families}
    return told


def _switches(plan: Plan) -> Iterator[tuple[PromQL, PromQL]]:
    """Yield the selectors that kill-switches look at: of errors, and of their requests."""
    for rule in plan.ask.guardrails:
        if rule.type is GuardrailType.ERROR_RATE:
            errors, requests = families_of(plan.ask, rule, plan.tempo)
            yield errors.selector, requests.selector


async def points(
    plan: Plan, guardrail: Guardrail, earliest: datetime, at: datetime, world: World
) -> Points:
    """Return the samples of a query on a grid that ends at an instant."""
    if guardrail.query is None:
        raise NothingSeenError("the guardrail has no query")
    step = plan.tempo.look
    steps = math.floor((at - earliest) / step)
    found = await world.metrics.span(source(plan), guardrail.query, at - steps * step, at, step)
    if len(found) > 1:
        raise NothingSeenError(f"the query gives {len(found)} series; one number is expected")
    return found[0].points if found else ()


async def blind(asking: Awaitable[str]) -> str:
    """Return why nothing was seen; empty: it was. Raises Unavailable, Refused."""
    try:
        return await asking
    except NothingSeenError as error:
        return str(error)
