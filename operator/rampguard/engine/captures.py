"""Captures affected sessions, beside the passes."""

from collections.abc import Callable
from datetime import datetime

from rampguard.api.raw import printable, saying
from rampguard.core.ask import Ref
from rampguard.core.capture import Captured
from rampguard.core.capturing import AFTER, due, is_whole
from rampguard.core.model import State
from rampguard.core.plan import Plan
from rampguard.engine.beside import Beside
from rampguard.ports import RampError, Seizing, Sought, World


def send(plan: Plan, state: State, now: datetime, world: World) -> None:
    """Leave the capture that is due for the task that makes it."""
    capture = due(state, now)
    world.seizing[plan.ask.ref] = Seizing(plan.ask, capture) if capture else None


def captures(world: World, wake: Callable[[Ref], None]) -> Beside[Seizing, Captured]:
    """Return who makes the captures that passes leave."""
    return Beside(
        left=world.seizing,
        results=world.captured,
        make=lambda left: seize(left, world),
        failed=_failed,
        wake=wake,
        telemetry=world.telemetry,
    )


async def seize(left: Seizing, world: World) -> Captured:
    """Make a capture; return what came of it. Nothing is raised: what fails is told."""
    ask, capture = left.ask, left.capture
    if ask.analytics is None or ask.arms is None:
        return _failed(left, "spec.analytics is gone")
    sought = Sought(
        name=f"{ask.ref.namespace}_{ask.ref.name}_{ask.uid}",
        experiment=ask.experiment,
        arm=ask.arms.treatment,
        since=capture.since,
        until=capture.until,
        reaches=capture.until - AFTER if is_whole(capture, world.clock.now()) else None,
    )
    try:
        kept = await world.exports.capture(ask.analytics.source, sought)
    except RampError as error:
        return _failed(left, str(error))
    return Captured(
        number=left.number,
        url=kept.url,
        records=kept.records,
        users=kept.users,
        sha256=kept.sha256,
    )


def _failed(left: Seizing, why: str) -> Captured:
    return Captured(number=left.number, failed=saying(printable(why)))
