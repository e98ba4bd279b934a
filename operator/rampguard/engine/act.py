"""Fence and act: stamps first, then writes, each pinned to what the decision was made on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from rampguard.api.apply import apply_body, drop_stamp_patch, stamp_patch, unmanaged_patch
from rampguard.api.finalizer import released
from rampguard.api.workload import to_workload
from rampguard.core.ask import Ref, Target
from rampguard.core.model import (
    Decision,
    DropFinalizer,
    DropStamp,
    Ended,
    Original,
    RollingBack,
    Stamp,
    Workload,
    Write,
)
from rampguard.core.plan import Plan
from rampguard.core.targets import find
from rampguard.engine.sight import Sight
from rampguard.ports import Conflict, Forbidden, Json, NotFound, Refused, Resource, World

TRIES = 5  # against the Deployment controller, which writes its status all the time


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one action; refused: the API server's words, empty if it was done."""

    action: Write
    refused: str = ""


async def fence(plan: Plan, decision: Decision, sight: Sight, world: World) -> Sight:
    """Stamp every target that still stands as it was seen; Conflict if one does not.

    In the order of names, so that two ramps that want the same targets never hold one each. What
    the API server refuses to stamp is told, and its target left alone: no way back of the others
    waits for it.
    """
    deployments, unfenced = dict(sight.deployments), {}
    for original in sorted(decision.state.originals, key=lambda o: o.target):
        workload = find(original, sight.seen)
        if workload is None:
            continue
        stamp = _stamp(plan, decision, original, world)
        try:
            deployments[original.deployment] = await _pinned(
                plan,
                workload,
                deployments[original.deployment],
                _stamping(plan, original, stamp, world),
                world,
            )
        except Refused as error:
            if isinstance(error, Forbidden) and not _goes_back(decision):
                raise
            unfenced[original.target] = f"{original.deployment}: {error}"
    return replace(sight, deployments=deployments, unfenced=unfenced)


def _goes_back(decision: Decision) -> bool:
    return isinstance(decision.state.stage, RollingBack | Ended)


async def act(plan: Plan, decision: Decision, sight: Sight, world: World) -> tuple[Outcome, ...]:
    """Carry out the actions; a refused forward write ends them, a refused restoring one does not.

    What the API server refuses is remembered for the next pass.
    """
    outcomes: list[Outcome] = []
    deployments = dict(sight.deployments)
    for action in decision.actions:
        match action:
            case Write():
                stamp = _stamp(plan, decision, action.original, world)
                workload = find(action.original, sight.seen)
                if workload is None:
                    continue
                fenced = replace(workload, stamp=stamp)
                if words := sight.unfenced.get(action.original.target):
                    outcome = Outcome(action, refused=words)
                else:
                    outcome = await _write(plan, action, deployments, fenced, world)
                outcomes.append(outcome)
                if outcome.refused and action.value != action.original.value:
                    break
            case DropStamp():
                await _drop_stamp(plan, action, deployments, world)
            case DropFinalizer():
                await _drop_finalizer(plan, world)
    if refused := tuple(o.refused for o in outcomes if o.refused):
        world.refusals[plan.ask.uid] = refused
    return tuple(outcomes)


def _stamp(plan: Plan, decision: Decision, original: Original, world: World) -> Stamp:
    return Stamp(
        uid=plan.ask.uid,
        name=plan.ask.ref.name,
        original=original.value,
        origin=plan.ask.origin,
        to=plan.ask.to,
        process=world.rules.process,
        seq=decision.state.seq,
    )


Change = Callable[[Json], Awaitable[Json]]


def _stamping(plan: Plan, original: Original, stamp: Stamp, world: World) -> Change:
    async def change(deployment: Json) -> Json:
        patch = stamp_patch(deployment, original.container, plan.ask.env, stamp)
        ref = Ref(plan.ask.ref.namespace, original.deployment)
        return await world.cluster.merge_patch(Resource.DEPLOYMENTS, ref, patch)

    return change


async def _write(
    plan: Plan, write: Write, deployments: dict[str, Json], workload: Workload, world: World
) -> Outcome:
    name, container = write.original.deployment, write.original.container

    ref, env = Ref(plan.ask.ref.namespace, name), plan.ask.env

    async def change(deployment: Json) -> Json:
        if deployment["metadata"].get("managedFields"):
            body = apply_body(deployment, container, env, write.value, write.cause)
            return await world.cluster.apply(ref, body)
        patch = unmanaged_patch(deployment, container, env, write.value)
        return await world.cluster.json_patch(Resource.DEPLOYMENTS, ref, patch)

    try:
        deployments[name] = await _pinned(plan, workload, deployments[name], change, world)
    except (Refused, NotFound) as error:
        if isinstance(error, Forbidden) and write.value != write.original.value:
            raise  # a lost right would refuse the way back as well, and may be back in a moment
        return Outcome(write, refused=f"{name}: {error}")
    return Outcome(write)


async def _pinned(
    plan: Plan, seen: Workload, deployment: Json, change: Change, world: World
) -> Json:
    """Make a change at the version at hand; where only the version moved on, at the newer one."""
    for _ in range(TRIES):
        try:
            return await change(deployment)
        except Conflict:
            ref = Ref(plan.ask.ref.namespace, seen.deployment)
            deployment = await world.cluster.get(Resource.DEPLOYMENTS, ref)
            now = to_workload(deployment, Target(seen.deployment, seen.container), plan.ask.env)
            if not _same(seen, now):
                raise
    raise Conflict(f"{plan.ask.ref.namespace}/{seen.deployment} changes faster than it is read")


def _same(seen: Workload, now: Workload) -> bool:
    """Say whether a target still is what the decision was made on.

    The stamp tells: a pass that slept while another decided finds another stamp, or none.
    """
    return not now.deleting and (seen.uid, seen.entry, seen.owners, seen.stamp) == (
        now.uid,
        now.entry,
        now.owners,
        now.stamp,
    )


async def _drop_stamp(
    plan: Plan, action: DropStamp, deployments: Mapping[str, Json], world: World
) -> None:
    found = deployments.get(action.deployment)
    if found is None:
        return
    ref = Ref(plan.ask.ref.namespace, action.deployment)
    patch = drop_stamp_patch(found, action.container, plan.ask.env)
    try:
        await world.cluster.merge_patch(Resource.DEPLOYMENTS, ref, patch)
    except NotFound:
        return


async def _drop_finalizer(plan: Plan, world: World) -> None:
    """Take our finalizer away, and only ours."""
    try:
        ramp = await world.cluster.get(Resource.RAMPS, plan.ask.ref)
        if ramp["metadata"].get("uid") == plan.ask.uid:
            await world.cluster.merge_patch(Resource.RAMPS, plan.ask.ref, released(ramp))
    except NotFound:
        return
