"""Takes looks: lets the core judge what Prometheus says of settled instants."""

import asyncio
import math
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rampguard.core.counting import closed, spacing
from rampguard.core.guardrails import judge_exposure, judge_threshold, no_data
from rampguard.core.model import Evidence, Guardrail, GuardrailType, Judgement, Look, Soaking
from rampguard.core.plan import Plan
from rampguard.engine.assignments import MOST_POINTS, NothingSeenError, Pods, to_assignments
from rampguard.ports import Refused, Unavailable, World

BEFORE = timedelta(hours=1)  # looked at before `for`, to date the start of a break
Points = tuple[tuple[datetime, float], ...]


async def take_looks(
    plan: Plan, stage: Soaking, instants: Sequence[datetime], world: World, pods: Pods
) -> tuple[Look, ...]:
    """Judge every guardrail at every instant; one that cannot see is NoData, and says why."""
    looker = _Looker(plan, stage, world, pods)
    return tuple(await asyncio.gather(*map(looker.look, instants)))


async def missing_signals(plan: Plan, world: World, pods: Pods) -> tuple[str, ...]:
    """Name every signal that a deciding guardrail would miss if the ramp started now."""
    at = world.clock.now() - plan.tempo.scrape
    rules = tuple(one for one in plan.ask.guardrails if not one.dry_run)
    found = await asyncio.gather(*(_blind(_signal(plan, one, at, world, pods)) for one in rules))
    asked = (
        one.query or to_assignments(plan, world, pods).query for one in rules
    )  # where anyone can ask again
    return tuple(
        f"{rule.name}: {why} ({query})"
        for rule, why, query in zip(rules, found, asked, strict=True)
        if why
    )


async def _signal(plan: Plan, guardrail: Guardrail, at: datetime, world: World, pods: Pods) -> None:
    if guardrail.type is GuardrailType.EXPOSURE_BALANCE:
        await to_assignments(plan, world, pods).check(at)
        return
    judged = judge_threshold(plan, guardrail, await _points(plan, guardrail, at, at, world), at, at)
    if judged.value == "":
        raise NothingSeenError(judged.why)
    if judged.why:  # else the ramp would be taken back for what it did not do
        raise NothingSeenError(f"{judged.value} is beyond its limit already, {judged.limit}")


async def _blind(asking: Awaitable[object]) -> str:
    """Return why nothing was seen; empty: it was."""
    try:
        await asking
    except (NothingSeenError, Unavailable, Refused) as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True)
class _Looker:
    """Judges one soak, at any of its instants."""

    plan: Plan
    stage: Soaking
    world: World
    pods: Pods

    async def look(self, at: datetime) -> Look:
        # All at once: a Prometheus that hangs costs a pass one patience, not one a question.
        rules = self.plan.ask.guardrails
        thresholds = tuple(one for one in rules if one.type is GuardrailType.THRESHOLD)
        counted, told = await asyncio.gather(
            self._counted(at),
            asyncio.gather(*(self._threshold(one, at) for one in thresholds)),
        )
        found = {one.name: one for one in told}
        judgements = tuple(found.get(one.name) or self._exposure(one, counted) for one in rules)
        return Look(at=at, evidence=self._remembered(counted), judgements=judgements)

    async def _counted(self, at: datetime) -> Evidence | str:
        """Return what was counted, or why nothing can be."""
        try:
            return await self._count(at)
        except (NothingSeenError, Unavailable, Refused) as error:
            return str(error)

    async def _count(self, at: datetime) -> Evidence:
        """Count up to an instant; nothing from when on not every pod is proven."""
        before, rules = self.stage.evidence, self.plan.ask.guardrails
        until = min(at, before.unproven_since or at)
        counts = any(one.type is GuardrailType.EXPOSURE_BALANCE for one in rules)
        if not counts or until <= before.counted_to:
            return before
        return await to_assignments(self.plan, self.world, self.pods).count(self.stage, until)

    def _remembered(self, counted: Evidence | str) -> Evidence:
        """Return the closed bins: what was once counted is never asked for again."""
        before = self.stage.evidence
        if isinstance(counted, str):
            return before
        size = spacing(self.plan.tempo.look, self.plan.soaks[self.stage.step])
        after = closed(counted, size)
        return after if after.counted_to > before.counted_to else before

    def _exposure(self, guardrail: Guardrail, counted: Evidence | str) -> Judgement:
        query = to_assignments(self.plan, self.world, self.pods).query
        if isinstance(counted, str):
            return replace(no_data(guardrail, counted), query=query)
        judged = judge_exposure(self.plan, self.stage.step, guardrail, counted)
        return replace(judged, query=query)

    async def _threshold(self, guardrail: Guardrail, at: datetime) -> Judgement:
        earliest = max(self.stage.evidence.t0, at - guardrail.lasting - BEFORE)
        try:
            points = await _points(self.plan, guardrail, earliest, at, self.world)
        except (NothingSeenError, Unavailable, Refused) as error:
            return no_data(guardrail, str(error))
        return judge_threshold(self.plan, guardrail, points, at, self.stage.since)


async def _points(
    plan: Plan, guardrail: Guardrail, earliest: datetime, at: datetime, world: World
) -> Points:
    """Return the samples of a query on a grid that ends at an instant."""
    if guardrail.query is None:
        raise NothingSeenError("the guardrail has no query")
    step = plan.tempo.look
    steps = min(math.floor((at - earliest) / step), MOST_POINTS)
    source = plan.ask.metrics.source if plan.ask.metrics else "default"
    found = await world.metrics.span(source, guardrail.query, at - steps * step, at, step)
    if len(found) > 1:
        raise NothingSeenError(f"the query gives {len(found)} series; one number is expected")
    return found[0].points if found else ()
