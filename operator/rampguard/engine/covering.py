"""Looks at the pods of every target: which of them run which value."""

import asyncio
from dataclasses import replace

from rampguard.api.selector import label_selector
from rampguard.api.workload import to_pods
from rampguard.core.ask import EnvValue, Target
from rampguard.core.model import Applying, Ended, Outcome, RollingBack, Soaking, State, Workload
from rampguard.core.plan import Plan
from rampguard.core.pods import coverage
from rampguard.engine.sight import Owned, Sight
from rampguard.ports import Json, Resource, World


async def cover(plan: Plan, state: State, sight: Sight, world: World) -> Sight:
    """Add the coverage of every target; a proof is confirmed by lists that no cache answers."""
    covered = _covered(plan, state, await with_owned(plan, sight, world, fresh=False))
    proving = isinstance(state.stage, Applying | RollingBack)
    if not proving or any(_in_the_way(w) for w in covered.seen.workloads):
        return covered
    return _covered(plan, state, await with_owned(plan, sight, world, fresh=True))


async def with_owned(plan: Plan, sight: Sight, world: World, *, fresh: bool) -> Sight:
    """Add the ReplicaSets and pods of every target."""
    names = tuple(sight.deployments)
    found = await asyncio.gather(
        *(_owned(plan, sight.deployments[name], world, fresh=fresh) for name in names)
    )
    return replace(sight, owned=dict(zip(names, found, strict=True)))


async def _owned(plan: Plan, deployment: Json, world: World, *, fresh: bool) -> Owned:
    namespace, selector = plan.ask.ref.namespace, label_selector(deployment)
    # Pods first: a pod whose ReplicaSet is older than the list of ReplicaSets is in it.
    pods = await world.cluster.list(Resource.PODS, namespace, selector=selector, fresh=fresh)
    return Owned(
        await world.cluster.list(Resource.REPLICASETS, namespace, selector=selector, fresh=fresh),
        pods,
    )


def _in_the_way(workload: Workload | None) -> bool:
    """Say whether pods of a target still have to change: then no list needs confirming."""
    pods = workload.coverage if workload else None
    return pods is not None and bool(pods.leftovers or pods.lagging or not pods.settled)


def _covered(plan: Plan, state: State, sight: Sight) -> Sight:
    workloads = tuple(
        w if w is None or w.container is None else _with_pods(plan, state, target, w, sight)
        for target, w in zip(plan.ask.targets, sight.seen.workloads, strict=True)
    )
    return replace(sight, seen=replace(sight.seen, workloads=workloads))


def _with_pods(
    plan: Plan, state: State, target: Target, workload: Workload, sight: Sight
) -> Workload:
    owned = sight.owned[workload.deployment]
    fleet = to_pods(
        sight.deployments[workload.deployment],
        owned.replicasets,
        owned.pods,
        workload.container or "",
        plan.ask.env,
    )
    pods = coverage(
        fleet,
        _wanted(plan, state, workload),
        now=sight.seen.now,
        ours=_ours(plan, state),
        min_pods=target.min_pods,
    )
    return replace(workload, coverage=pods)


def _ours(plan: Plan, state: State) -> tuple[EnvValue, ...]:
    """Return the values of which no pod may be left when a rollback is proven."""
    written = state.stage.ours if isinstance(state.stage, RollingBack) else ()
    return written or tuple(EnvValue(str(value)) for value in plan.values)


def _wanted(plan: Plan, state: State, workload: Workload) -> EnvValue | None:
    """Return the value that a target's pods should run in this stage."""
    stage = state.stage
    if isinstance(stage, Applying | Soaking):
        return plan.literal(stage.step)
    if isinstance(stage, Ended) and stage.outcome is Outcome.COMPLETED:
        return EnvValue(str(stage.share))
    key = (workload.deployment, workload.container)
    before = [o.value for o in state.originals if (o.deployment, o.container) == key]
    return before[0] if before else plan.origin
