"""Asks every port for what a decision needs, under the deadline of the pass; writes nothing."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from rampguard.api.apply import apply_body
from rampguard.api.finalizer import is_held
from rampguard.api.workload import to_workload
from rampguard.core.ask import Ref, Target
from rampguard.core.capture import Captured
from rampguard.core.durations import show_duration
from rampguard.core.export import Analysed, Recounted
from rampguard.core.model import (
    Applying,
    Ended,
    Observation,
    Original,
    Pending,
    Soaking,
    State,
    Workload,
)
from rampguard.core.plan import Plan, look_instants
from rampguard.core.preflight import BESIDE, at_goal, preflight
from rampguard.core.probe import Heard
from rampguard.core.targets import cause
from rampguard.engine.counters import Pods
from rampguard.engine.covering import cover, with_owned
from rampguard.engine.looks import take_looks
from rampguard.engine.preconditions import look
from rampguard.engine.sight import Sight
from rampguard.engine.signals import kills, signals
from rampguard.ports import Json, NotFound, RampError, Refused, Resource, Unavailable, World

LOOKING = timedelta(seconds=30)  # well within the deadline of a pass


async def observe(plan: Plan, state: State, ramp: Json, world: World) -> Sight:
    """Look at everything that the stage needs; what cannot be read is told, not guessed."""
    seen = Observation(
        now=world.clock.now(),
        finalizer=is_held(ramp),
        refusals=world.refusals.pop(plan.ask.uid, ()),
        channels=world.notifier.channels,
        link_templates=world.rules.links,
        heard=_heard(plan, state, world),
        analysed=_analysed(plan, state, world),
        recounted=_recounted(plan, state, world),
        captures=world.exports.captures,
        captured=_captured(plan, state, world),
        deliveries=world.deliveries.get(plan.ask.uid, ()),
        namespace_deleting=plan.ask.deleting and await _namespace_goes(plan, world),
    )
    if isinstance(state.stage, Ended) and not seen.finalizer:
        return Sight(seen)
    try:
        deployments = await _deployments(plan, world)
        workloads = await _workloads(plan, state, deployments, world)
        sight = Sight(replace(seen, workloads=workloads), deployments)
        return await _closer(plan, state, sight, world)
    except (Unavailable, Refused) as error:
        return Sight(replace(seen, unreadable=str(error)))


def _heard(plan: Plan, state: State, world: World) -> Heard | None:
    """Return the answers to the round that is being asked."""
    heard, told = world.heard.get(plan.ask.uid), state.probed.round
    return heard if heard and told and heard.number == told.number else None


def _analysed(plan: Plan, state: State, world: World) -> Analysed | None:
    """Return what the export said that is being read."""
    told, asked = world.analysed.get(plan.ask.uid), state.inquiries.asked
    return told if told and asked and told.number == asked.number else None


def _recounted(plan: Plan, state: State, world: World) -> Recounted | None:
    """Return what was counted in the export that is being counted."""
    told, asked = world.recounted.get(plan.ask.uid), state.recounts.asked
    return told if told and asked and told.number == asked.number else None


def _captured(plan: Plan, state: State, world: World) -> Captured | None:
    """Return what came of the capture that is being made."""
    came, record = world.captured.get(plan.ask.uid), state.rollback
    asked = record.capture if record else None
    return came if came and asked and came.number == asked.number else None


async def _closer(plan: Plan, state: State, sight: Sight, world: World) -> Sight:
    """Look at what only some stages need."""
    if isinstance(state.stage, Pending):
        return await _before_start(plan, sight, world)
    sight = await cover(plan, state, sight, world)
    asked_to_end = plan.ask.deleting or plan.ask.abort or state.abort
    if isinstance(state.stage, Applying) and not asked_to_end and state.baselines:
        fired = await kills(plan, state.stage, state.baselines, world, _counting(state, sight))
        return replace(sight, seen=replace(sight.seen, kills=fired))
    if isinstance(state.stage, Soaking) and not asked_to_end:
        required, sight = await asyncio.gather(
            look(plan, world, started=True), _looks(plan, state, state.stage, sight, world)
        )
        return replace(sight, seen=replace(sight.seen, required=required))
    return sight


async def _namespace_goes(plan: Plan, world: World) -> bool:
    try:
        found = await world.cluster.get(Resource.NAMESPACES, Ref("", plan.ask.ref.namespace))
    except RampError:
        return False
    return "deletionTimestamp" in found["metadata"]


async def _deployments(plan: Plan, world: World) -> dict[str, Json]:
    names = sorted({target.name for target in plan.ask.targets})
    found = await asyncio.gather(*(_deployment(plan, name, world) for name in names))
    return {name: one for name, one in zip(names, found, strict=True) if one is not None}


async def _deployment(plan: Plan, name: str, world: World) -> Json | None:
    try:
        return await world.cluster.get(Resource.DEPLOYMENTS, Ref(plan.ask.ref.namespace, name))
    except NotFound:
        return None


async def _workloads(
    plan: Plan, state: State, deployments: Mapping[str, Json], world: World
) -> tuple[Workload | None, ...]:
    async def one(target: Target) -> Workload | None:
        found = deployments.get(target.name)
        if found is None:
            return None
        workload = to_workload(found, _as_it_was(target, state), plan.ask.env)
        return replace(workload, stamp_live=await _stamp_live(plan, workload, world))

    return tuple(await asyncio.gather(*(one(target) for target in plan.ask.targets)))


def _as_it_was(target: Target, state: State) -> Target:
    """Return a target with the container that was found at the start: more may have come since."""
    if target.container is not None:
        return target
    held = [o.container for o in state.originals if o.deployment == target.name]
    return replace(target, container=held[0]) if len(held) == 1 else target


async def _stamp_live(plan: Plan, workload: Workload, world: World) -> bool:
    """Say whether another ramp, that exists, holds the variable."""
    stamp = workload.stamp
    if stamp is None or not stamp.uid or stamp.uid == plan.ask.uid:
        return False
    try:
        other = await world.cluster.get(Resource.RAMPS, Ref(plan.ask.ref.namespace, stamp.name))
    except NotFound:
        return False
    return bool(other["metadata"].get("uid") == stamp.uid)


async def _before_start(plan: Plan, sight: Sight, world: World) -> Sight:
    """Ask for signals and a dry run only where the targets are not in the way."""
    if plan.ask.deleting or at_goal(plan, sight.seen):
        return sight
    required, sight = await asyncio.gather(
        look(plan, world, started=False), _ready(plan, sight, world)
    )
    return replace(sight, seen=replace(sight.seen, required=required))


async def _ready(plan: Plan, sight: Sight, world: World) -> Sight:
    """Let the API server try the first write, and Prometheus show every signal."""
    seen = sight.seen
    hindered = preflight(plan, seen)
    if any(one.reason not in BESIDE for one in hindered):
        return sight
    if not hindered:
        owned = await with_owned(plan, sight, world, fresh=False)
        dry = await asyncio.gather(*(_dry_run(plan, w, owned, world) for w in seen.workloads))
        return await _signalled(
            plan, replace(owned, seen=replace(seen, workloads=tuple(dry))), world
        )
    try:
        owned = await with_owned(plan, sight, world, fresh=False)
        return await _signalled(plan, owned, world)
    except (Unavailable, Refused):  # what hinders is known, and told
        return sight


async def _signalled(plan: Plan, sight: Sight, world: World) -> Sight:
    found = await signals(plan, world, sight.counted)
    told = replace(
        sight.seen,
        signals=found.missing,
        baselines=found.baselines,
        exporters=found.exporters,
        unread=found.unread,
    )
    return replace(sight, seen=told)


async def _dry_run(
    plan: Plan, workload: Workload | None, sight: Sight, world: World
) -> Workload | None:
    """Let the API server and its admission say what they think of the first write."""
    if workload is None or workload.container is None:
        return workload
    original = Original(
        deployment=workload.deployment,
        uid=workload.uid,
        container=workload.container,
        value=workload.entry.value,
    )
    body = apply_body(
        sight.deployments[workload.deployment],
        workload.container,
        plan.ask.env,
        plan.literal(0),
        cause(plan, original, plan.literal(0)),
    )
    ref = Ref(plan.ask.ref.namespace, workload.deployment)
    try:
        await world.cluster.apply(ref, body, dry_run=True)
    except Refused as error:
        return replace(workload, refused=str(error))
    return workload


async def _looks(plan: Plan, state: State, stage: Soaking, sight: Sight, world: World) -> Sight:
    """Judge the guardrails at every instant that is due."""
    instants = look_instants(plan, stage, state.findings, sight.seen.now)
    if not instants:
        return sight
    try:
        async with asyncio.timeout(LOOKING.total_seconds()):
            looks = await take_looks(
                plan,
                stage,
                instants,
                world,
                _counting(state, sight),
                baselines=state.baselines,
                recounts=state.recounts,
            )
    except (Unavailable, Refused) as error:
        return replace(sight, seen=replace(sight.seen, look_failed=str(error)))
    except TimeoutError:
        text = f"no answer from Prometheus within {show_duration(LOOKING)}"
        return replace(sight, seen=replace(sight.seen, look_failed=text))
    return replace(sight, seen=replace(sight.seen, looks=looks))


def _counting(state: State, sight: Sight) -> Pods:
    """Return whose metrics count, and who exported which before the ramp."""
    return replace(sight.counted, exporters=dict(state.exporters))
