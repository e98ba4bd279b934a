"""Engines with one promise left out each: the harness has to find every one of them out."""

from dataclasses import dataclass, replace

from rampguard.api.status import to_state, to_status
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.ask import Ref
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.model import Workload
from rampguard.core.plan import make_plan
from rampguard.engine.act import act, fence
from rampguard.engine.observe import observe
from rampguard.engine.reconcile import Rest, _hold, _remember
from rampguard.engine.report import report
from rampguard.engine.sight import Sight
from rampguard.ports import Resource, World


@dataclass(frozen=True)
class Promises:
    """What an engine keeps; each is true of ours."""

    remembers_first: bool = True
    fences: bool = True
    swaps: bool = True
    holds_the_ramp: bool = True
    waits_for_pods: bool = True

    async def __call__(self, ref: Ref, world: World) -> Rest:
        """Make the pass of ours, without what is not kept."""
        ramp = await world.cluster.get(Resource.RAMPS, ref)
        ask = to_ask(ramp)
        state, plan = to_state(ramp, ask), make_plan(ask, world.rules.tempo)
        sight = await observe(plan, state, ramp, world)
        if not self.waits_for_pods:
            sight = _believed(sight)
        decision = decide(plan, state, sight.seen)
        remembered, view = render(plan, sight.seen, decision)
        decision = replace(decision, state=remembered)
        if decision.hold_finalizer and self.holds_the_ramp:
            ramp = await _hold(ref, ramp, world)

        async def remember() -> None:
            last = ramp if self.swaps else await world.cluster.get(Resource.RAMPS, ref)
            await _remember(ref, last, to_status(view, remembered), decision, world)

        if self.remembers_first:
            if decision.fenced and self.fences:
                sight = await fence(plan, decision, sight, world)
            await remember()
        outcomes = await act(plan, decision, sight, world)
        if not self.remembers_first:
            await remember()
        await report(plan, decision, view, outcomes, world)
        return Rest(decision.look_again_in)


def _believed(sight: Sight) -> Sight:
    """Return what is seen by somebody who takes every write for its effect."""
    workloads = tuple(w and _proven(w) for w in sight.seen.workloads)
    return replace(sight, seen=replace(sight.seen, workloads=workloads))


def _proven(workload: Workload) -> Workload:
    pods = workload.coverage
    if pods is None:
        return workload
    facts = {"proven": pods.desired, "others": 0, "lagging": (), "leftovers": (), "settled": True}
    return replace(workload, coverage=replace(pods, **facts))
