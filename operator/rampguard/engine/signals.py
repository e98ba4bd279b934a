"""Before the first write: is there all that the guardrails will need, and what ran until now?"""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta

from rampguard.core.baseline import Batches, batch_length, has_baseline, objection, take
from rampguard.core.guardrails import judge_threshold
from rampguard.core.model import (
    Applying,
    Baseline,
    Guardrail,
    GuardrailType,
    Judgement,
    PromQL,
)
from rampguard.core.plan import Plan, families_of
from rampguard.core.rates import KILL_SPAN, killed_by
from rampguard.engine.counters import Counters, NothingSeenError, Pods, lately
from rampguard.engine.looks import needs, points, query
from rampguard.ports import Refused, Unavailable, World

PATIENCE = timedelta(seconds=3)  # a proof does not wait for Prometheus
Exporters = tuple[tuple[str, tuple[str, ...]], ...]
Found = tuple[tuple[str, ...], tuple[Baseline, ...], Exporters]


async def signals(plan: Plan, world: World, pods: Pods) -> Found:
    """Name every signal that a deciding guardrail would miss now, and return all baselines."""
    at = world.clock.now() - plan.tempo.scrape
    try:
        baselines = await take_baselines(plan, at, world, pods)
    except (NothingSeenError, Unavailable, Refused) as error:
        return (f"the time before the ramp cannot be read: {error}",), (), ()
    known = {one.guardrail: one for one in baselines}
    rules = tuple(one for one in plan.ask.guardrails if not one.dry_run)
    found = await asyncio.gather(
        *(
            _told(_signal(plan, one, known.get(one.name), at=at, world=world, pods=pods))
            for one in rules
        )
    )
    missing = tuple(
        f"{rule.name}: {why} ({query(plan, rule, world, pods)})"
        for rule, why in zip(rules, found, strict=True)
        if why
    )
    return missing, baselines, () if missing else await _exporters(plan, at, world, pods)


async def _exporters(plan: Plan, at: datetime, world: World, pods: Pods) -> Exporters:
    """Return who exports what now, so that a tier that falls silent is missed."""
    names = tuple(needs(plan))
    found = await asyncio.gather(*(Counters(plan, one, world, pods).exporters(at) for one in names))
    return tuple(zip(names, found, strict=True))


async def take_baselines(
    plan: Plan, end: datetime, world: World, pods: Pods
) -> tuple[Baseline, ...]:
    """Return what ran in the 24 h before an instant, of each guardrail that compares with it.

    Raises NothingSeenError, Unavailable, Refused.
    """
    rules = tuple(one for one in plan.ask.guardrails if has_baseline(one))
    names = tuple(dict.fromkeys(s for one in rules for s in _selectors(plan, one)))
    step = batch_length(plan)
    found = await asyncio.gather(
        *(Counters(plan, one, world, pods).batches(end, step) for one in names)
    )
    told: dict[PromQL, Batches] = dict(zip(names, found, strict=True))
    return tuple(take(plan, one, [told[s] for s in _selectors(plan, one)], step) for one in rules)


async def _signal(  # noqa: PLR0913 - a rule, what ran before, and whom to ask
    plan: Plan,
    guardrail: Guardrail,
    baseline: Baseline | None,
    *,
    at: datetime,
    world: World,
    pods: Pods,
) -> str:
    """Say what a guardrail would miss; empty: nothing."""
    if guardrail.type is GuardrailType.THRESHOLD:
        found = await points(plan, guardrail, at, at, world)
        judged = judge_threshold(plan, guardrail, found, at, at)
        if judged.value == "":
            return judged.why
        # Else the ramp would be taken back for what it did not do.
        return f"{judged.value} is beyond its limit already, {judged.limit}" if judged.why else ""
    wanted = needs(plan, (baseline,) if baseline else (), (guardrail,))
    told = await asyncio.gather(
        *(Counters(plan, one, world, pods).silence(at, arms) for one, arms in wanted.items())
    )
    silent = next((why for why in told if why), "")
    if silent or baseline is None:
        return silent
    return objection(plan, guardrail, baseline) or await _fires(
        plan, guardrail, baseline, at=at, world=world, pods=pods
    )


async def _fires(  # noqa: PLR0913 - as _signal
    plan: Plan,
    guardrail: Guardrail,
    baseline: Baseline,
    *,
    at: datetime,
    world: World,
    pods: Pods,
) -> str:
    """Say that a kill-switch would fire already, for what the ramp did not do."""
    if guardrail.type is not GuardrailType.ERROR_RATE:
        return ""
    names = _selectors(plan, guardrail)
    began = at - KILL_SPAN - plan.tempo.look
    told = await lately(plan, names, at, world, pods, began=began)
    fired = killed_by(guardrail, baseline, [told[s] for s in names], at)
    return f"{fired.value} is beyond the kill-switch already, {fired.limit}" if fired else ""


async def kills(
    plan: Plan,
    stage: Applying,
    baselines: Sequence[Baseline],
    world: World,
    pods: Pods,
) -> tuple[Judgement, ...]:
    """Return the kill-switches that fire while a value is being written; unknown fires none."""
    settled = world.clock.now() - plan.tempo.scrape
    at = stage.since + (settled - stage.since) // plan.tempo.look * plan.tempo.look
    known = {one.guardrail: one for one in baselines}
    rules = tuple(
        g
        for g in plan.ask.guardrails
        if g.type is GuardrailType.ERROR_RATE and not g.dry_run and g.name in known
    )
    names = dict.fromkeys(s for one in rules for s in _selectors(plan, one))
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            told = await lately(plan, names, at, world, pods, began=stage.since)
    except (NothingSeenError, Unavailable, Refused, TimeoutError):
        return ()
    found = (
        ()
        if not told
        else (
            killed_by(one, known[one.name], [told[s] for s in _selectors(plan, one)], at)
            for one in rules
        )
    )
    return tuple(one for one in found if one is not None)


def _selectors(plan: Plan, guardrail: Guardrail) -> tuple[PromQL, ...]:
    return tuple(one.selector for one in families_of(plan.ask, guardrail, plan.tempo))


async def _told(asking: Awaitable[str]) -> str:
    """Return why nothing was seen; empty: it was."""
    try:
        return await asking
    except (NothingSeenError, Unavailable, Refused) as error:
        return str(error)
