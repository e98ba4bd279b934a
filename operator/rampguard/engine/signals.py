"""Before the first write: is there all that the guardrails will need, and what ran until now?"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rampguard.core.ask import Guardrail, GuardrailType, PromQL
from rampguard.core.baseline import (
    Batches,
    batch_length,
    has_baseline,
    objection,
    switched,
    take,
)
from rampguard.core.guardrails import judge_threshold
from rampguard.core.model import Applying, Baseline, Judgement
from rampguard.core.plan import Plan, families_of
from rampguard.core.rates import KILL_SPAN, killed_by
from rampguard.engine.counters import Counters, NothingSeenError, Pods, lately
from rampguard.engine.looks import needs, points, query
from rampguard.ports import Refused, Unavailable, World

PATIENCE = timedelta(seconds=3)  # a proof does not wait for Prometheus
UNREAD = "the time before the ramp cannot be read"
Exporters = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What was found before the first write, at one instant.

    missing: signals of deciding guardrails that are not there. exporters: by selector, the
    Deployments that export it. unread: why dry runs have no baseline.
    """

    missing: tuple[str, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    exporters: Exporters = ()
    unread: tuple[str, ...] = ()


async def signals(plan: Plan, world: World, pods: Pods) -> Signals:
    """Name every signal that a deciding guardrail would miss now, and return all baselines."""
    at = world.clock.now() - plan.tempo.scrape
    before = await _before(plan, at, world, pods)
    known = {name: one for name, one in before.items() if isinstance(one, Baseline)}
    rules = tuple(one for one in plan.ask.guardrails if not one.dry_run)
    unread = {name: one for name, one in before.items() if isinstance(one, str)}
    if any(rule.name in unread for rule in rules):
        found = [unread.get(rule.name, "") for rule in rules]
    else:
        asked = (
            _signal(plan, one, known.get(one.name), at=at, world=world, pods=pods) for one in rules
        )
        found = await asyncio.gather(*map(_told, asked))
    missing = tuple(
        f"{rule.name}: {why} ({query(plan, rule, world, pods)})"
        for rule, why in zip(rules, found, strict=True)
        if why
    )
    return Signals(
        missing=missing,
        baselines=tuple(known.values()),
        exporters=() if missing else await _exporters(plan, at, world, pods),
        unread=tuple(f"{name} (dry run): {why}" for name, why in unread.items()),
    )


async def _exporters(plan: Plan, at: datetime, world: World, pods: Pods) -> Exporters:
    """Return who exports what now, so that a tier that falls silent is missed.

    What only dry runs count may be left out: then it is unknown. Raises Unavailable, Refused.
    """
    deciding = needs(plan, rules=tuple(g for g in plan.ask.guardrails if not g.dry_run))

    async def one(name: PromQL) -> tuple[str, ...] | None:
        try:
            return await Counters(plan, name, world, pods).exporters(at)
        except (Unavailable, Refused):
            if name in deciding:
                raise
            return None

    names = tuple(needs(plan))
    found = await asyncio.gather(*map(one, names))
    return tuple((n, who) for n, who in zip(names, found, strict=True) if who is not None)


async def _before(plan: Plan, end: datetime, world: World, pods: Pods) -> dict[str, Baseline | str]:
    """Return what ran in the 24 h before an instant, of each guardrail that compares with it.

    A text says why it cannot be read.
    """
    rules = tuple(one for one in plan.ask.guardrails if has_baseline(one))
    names = tuple(dict.fromkeys(s for one in rules for s in _selectors(plan, one)))
    step = batch_length(plan)
    found = await asyncio.gather(
        *(_batches(Counters(plan, one, world, pods), end, step) for one in names)
    )
    told = dict(zip(names, found, strict=True))
    return {
        one.name: _taken(plan, one, [told[s] for s in _selectors(plan, one)], step) for one in rules
    }


async def _batches(counters: Counters, end: datetime, step: timedelta) -> Batches | str:
    try:
        return await counters.batches(end, step)
    except (NothingSeenError, Unavailable, Refused) as error:
        return f"{UNREAD}: {error}"


def _taken(
    plan: Plan, guardrail: Guardrail, told: Sequence[Batches | str], step: timedelta
) -> Baseline | str:
    """Return a baseline; a text says why there is none."""
    if why := next((one for one in told if isinstance(one, str)), ""):
        return why
    try:
        return take(plan, guardrail, [one for one in told if not isinstance(one, str)], step)
    except ArithmeticError as error:
        return f"{UNREAD}: its counts are too small to compare with ({error})"


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
    if unknown := next((s for s in names if s not in told), None):
        return f"the last minutes of {unknown} cannot be read: it holds what is no count"
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
    except (Unavailable, Refused, TimeoutError):
        return ()
    found = (
        killed_by(
            switched(one, known[one.name]),
            known[one.name],
            [told[s] for s in _selectors(plan, one)],
            at,
        )
        for one in rules
        if told.keys() >= set(_selectors(plan, one))
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
