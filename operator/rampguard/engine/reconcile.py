"""The pass: the operator's table of contents."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from rampguard.api.finalizer import held, is_held, released
from rampguard.api.status import refused_status, to_state, to_status
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.ask import Ref
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.model import Applying, Decision, RollingBack
from rampguard.core.outbox import due
from rampguard.core.plan import make_plan
from rampguard.engine import captures, lookups, recounts, rounds
from rampguard.engine.act import act, fence
from rampguard.engine.courier import settle
from rampguard.engine.observe import observe
from rampguard.engine.recording import keep
from rampguard.engine.report import report
from rampguard.engine.sight import Sight
from rampguard.ports import Conflict, InvalidSpec, Json, NotFound, Post, Resource, World


@dataclass(frozen=True, slots=True)
class Rest:
    """What follows a pass: when to look again, and which pods to watch meanwhile."""

    again_in: timedelta
    watch: frozenset[str] = frozenset()


async def reconcile(ref: Ref, world: World) -> Rest:
    """Make one pass over one ramp; NotFound: it is gone."""
    async with asyncio.timeout(world.rules.pass_deadline.total_seconds()):
        ramp = await world.cluster.get(Resource.RAMPS, ref)
        try:
            return await _pass(ref, ramp, world)
        except NotFound as error:  # of a target, or of the ramp since: the next pass sees which
            raise Conflict(f"{ref}: {error}") from error


async def _pass(ref: Ref, ramp: Json, world: World) -> Rest:
    try:
        ask = to_ask(ramp)
        state = to_state(ramp, ask)
    except InvalidSpec as error:
        return await _refuse(ref, ramp, error, world)
    plan = make_plan(ask, world.rules.tempo)
    sight = await observe(plan, state, ramp, world)
    decision = decide(plan, state, sight.seen)
    remembered, view = render(plan, sight.seen, decision)
    decision = replace(decision, state=remembered)
    if decision.hold_finalizer:
        ramp = await _hold(ref, ramp, world)
    if decision.fenced:
        await _still_stands(ref, ramp, sight, world)
        sight = await fence(plan, decision, sight, world)
    # Status first: if we die now, the way back must be written down.
    await _remember(ref, ramp, to_status(view, remembered), decision, world)
    settle(ask.uid, sight.seen.deliveries, world)
    world.posts[ref] = Post(ask.uid, due(remembered.outbox, sight.seen.now))
    rounds.send(plan, remembered, sight, world)
    lookups.send(plan, remembered, sight.seen.now, world)
    recounts.send(plan, remembered, sight.seen.now, world)
    captures.send(plan, remembered, sight.seen.now, world)
    keep(plan, state, sight.seen, decision, world)
    outcomes = await act(plan, decision, sight, world)
    await report(plan, decision, view, outcomes, world)
    proving = isinstance(remembered.stage, Applying | RollingBack)
    return Rest(decision.look_again_in, sight.selectors if proving else frozenset())


async def _hold(ref: Ref, ramp: Json, world: World) -> Json:
    """Put our finalizer on the ramp, so that it can't vanish while a way back is needed."""
    return await world.cluster.merge_patch(Resource.RAMPS, ref, held(ramp))


async def _still_stands(ref: Ref, ramp: Json, sight: Sight, world: World) -> None:
    """Make sure, before a first stamp, that the ramp is as it was read; Conflict if it is not.

    Another may have ended it and dropped the stamps before we read the targets: ours would stay.
    """
    if all(w is None or w.stamp for w in sight.seen.workloads):
        return
    now = await world.cluster.get(Resource.RAMPS, ref)
    if now["metadata"]["resourceVersion"] != ramp["metadata"]["resourceVersion"]:
        raise Conflict(f"{ref} moved on while its targets were read")


async def _remember(ref: Ref, ramp: Json, status: Json, decision: Decision, world: World) -> None:
    """Swap the status; a pass that acts under a fence always writes, so that one of two loses."""
    if status == ramp.get("status") and not decision.fenced:
        return
    body = {
        "apiVersion": ramp["apiVersion"],
        "kind": ramp["kind"],
        "metadata": ramp["metadata"],
        "status": status,
    }
    await world.cluster.put_status(ref, body)


async def _refuse(ref: Ref, ramp: Json, error: InvalidSpec, world: World) -> Rest:
    """Tell in the status that the manifest cannot be understood, and keep all that it holds."""
    status = refused_status(ramp, str(error), world.clock.now())
    if status != ramp.get("status"):
        await world.cluster.put_status(ref, ramp | {"status": status})
    started = bool((ramp.get("status") or {}).get("startedAt"))
    world.telemetry.log("warning", "ramp refused", ramp=str(ref), error=str(error))
    if "deletionTimestamp" in ramp["metadata"] and is_held(ramp) and not started:
        await world.cluster.merge_patch(Resource.RAMPS, ref, released(ramp))
    return Rest(timedelta(minutes=5))
