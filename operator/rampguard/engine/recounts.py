"""Counts users in analytics exports, beside the passes."""

from collections.abc import Callable
from datetime import datetime

from rampguard.api.raw import printable, saying
from rampguard.core.analytics import Followed
from rampguard.core.ask import Ref
from rampguard.core.export import Recounted
from rampguard.core.model import State
from rampguard.core.plan import Plan
from rampguard.core.recounting import due, events_of
from rampguard.engine.beside import Beside
from rampguard.ports import RampError, Tallying, World


def send(plan: Plan, state: State, now: datetime, world: World) -> None:
    """Leave the count that is due for the task that makes it."""
    recount = due(state, now)
    world.tallying[plan.ask.ref] = Tallying(plan.ask, plan.tempo.lag, recount) if recount else None


def recounts(world: World, wake: Callable[[Ref], None]) -> Beside[Tallying, Recounted]:
    """Return who makes the counts that passes leave."""
    return Beside(
        left=world.tallying,
        results=world.recounted,
        make=lambda left: count(left, world),
        failed=lambda left, why: _unread(left, why, world),
        wake=wake,
        telemetry=world.telemetry,
    )


async def count(left: Tallying, world: World) -> Recounted:
    """Count users in an export. Nothing is raised: what cannot be read is told."""
    ask, recount = left.ask, left.recount
    if ask.analytics is None or ask.arms is None:
        return _unread(left, "spec.analytics is gone", world)
    followed = Followed(
        uid=ask.uid,
        experiment=ask.experiment,
        arms=(ask.arms.control, ask.arms.treatment),
        events=events_of(ask),
        soon=left.soon,
        origin=recount.origin,
    )
    try:
        return await world.exports.recount(ask.analytics.source, followed, recount)
    except RampError as error:
        return _unread(left, str(error), world)


def _unread(left: Tallying, why: str, world: World) -> Recounted:
    """Return that nothing was counted, and why."""
    told = left.recount
    return Recounted(
        number=told.number,
        origin=told.origin,
        since=told.since,
        at=world.clock.now(),
        unread=saying(printable(why)),
    )
