"""Looks at what spec.require names: an earlier ramp, alerts, incidents; judges nothing."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from rampguard.api.precursor import to_precursor
from rampguard.api.raw import printable, saying
from rampguard.core.ask import Ref
from rampguard.core.plan import Plan
from rampguard.core.promql import firing
from rampguard.core.require import Answer, Precursor, Required
from rampguard.engine.counters import source
from rampguard.ports import InvalidSpec, NotFound, RampError, Resource, World

Found = TypeVar("Found")


async def look(plan: Plan, world: World, *, started: bool) -> Required:
    """Return what is seen of each requirement; in a soak the smoke test is not asked for again."""
    smoke_test, alerts, incidents = await asyncio.gather(
        _smoke_test(plan, world, started=started), _alerts(plan, world), _incidents(plan, world)
    )
    return Required(smoke_test=smoke_test, alerts=alerts, incidents=incidents)


async def _smoke_test(plan: Plan, world: World, *, started: bool) -> Precursor | str | None:
    test = plan.ask.require and plan.ask.require.smoke_test
    if not test or not test.ramp or started:
        return None
    ref = Ref(plan.ask.ref.namespace, test.ramp)
    return await _told(_precursor(ref, world))


async def _precursor(ref: Ref, world: World) -> Precursor:
    try:
        return to_precursor(await world.cluster.get(Resource.RAMPS, ref))
    except NotFound as error:
        raise NotFound(f"there is no ramp {ref}") from error
    except InvalidSpec as error:
        raise InvalidSpec(f"ramp {ref} cannot be understood: {error}") from error


async def _alerts(plan: Plan, world: World) -> tuple[str, ...] | str | None:
    matchers = plan.ask.require and plan.ask.require.no_firing_alerts
    if not matchers:
        return None
    return await _told(_firing(plan, matchers, world))


async def _firing(plan: Plan, matchers: str, world: World) -> tuple[str, ...]:
    now = world.clock.now()
    found = await world.metrics.instant(source(plan), firing(matchers), now)
    names = {_shown(one.labels.get("alertname")) for one in found}
    return tuple(sorted(names))


async def _incidents(plan: Plan, world: World) -> Answer | str | None:
    asked = plan.ask.require and plan.ask.require.no_open_incidents
    if not asked or not asked.check:
        return None
    return await _told(_answer(asked.check, world))


async def _answer(check: str, world: World) -> Answer:
    found = await world.checks.ask(check)
    return Answer(found.status, _shown(found.words))


async def _told(asking: Awaitable[Found]) -> Found | str:
    """Return what was seen, or why nothing was."""
    try:
        return await asking
    except RampError as error:
        return str(error)


def _shown(words: object) -> str:
    return saying(printable(words)) if isinstance(words, str) else ""
