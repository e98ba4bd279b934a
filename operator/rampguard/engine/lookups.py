"""Reads analytics exports, beside the passes."""

from collections.abc import Callable
from datetime import datetime

from rampguard.api.raw import printable, saying
from rampguard.core.ask import Ref
from rampguard.core.export import Analysed
from rampguard.core.inquiring import due, judge
from rampguard.core.model import State
from rampguard.core.plan import Plan
from rampguard.engine.beside import Beside
from rampguard.ports import Lookup, RampError, Wanted, World


def send(plan: Plan, state: State, now: datetime, world: World) -> None:
    """Leave the reading that is due for the task that makes it."""
    inquiry = due(state, now)
    world.lookups[plan.ask.ref] = Lookup(plan.ask, inquiry) if inquiry else None


def lookups(world: World, wake: Callable[[Ref], None]) -> Beside[Lookup, Analysed]:
    """Return who makes the readings that passes leave."""
    return Beside(
        left=world.lookups,
        results=world.analysed,
        make=lambda left: look_up(left, world),
        failed=lambda left, why: _unread(left, why, world),
        wake=wake,
        telemetry=world.telemetry,
    )


async def look_up(left: Lookup, world: World) -> Analysed:
    """Read an export; return what it says. Nothing is raised: what cannot be read is told."""
    ask, inquiry = left.ask, left.inquiry
    if ask.analytics is None or ask.arms is None:
        return _unread(left, "spec.analytics is gone", world)
    wanted = Wanted(
        experiment=ask.experiment,
        arms=(ask.arms.control, ask.arms.treatment),
        share=inquiry.share / 100,
        since=inquiry.since,
        until=inquiry.until,
    )
    try:
        said = await world.exports.summarize(ask.analytics.source, wanted)
    except RampError as error:
        return _unread(left, str(error), world)
    return judge(inquiry, ask.arms, said, world.clock.now())


def _unread(left: Lookup, why: str, world: World) -> Analysed:
    """Return that nothing was read, and why."""
    return Analysed(
        number=left.number,
        share=left.inquiry.share,
        at=world.clock.now(),
        unread=saying(printable(why)),
    )
