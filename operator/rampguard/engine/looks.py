"""Takes looks: asks Prometheus at settled instants, and lets the core judge what it says.

Every answer is of the explicit instant that was asked for, so that asking again gives it again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rampguard.core.counting import bases, closed, deltas, folded, spacing
from rampguard.core.guardrails import judge_exposure, judge_threshold, no_data
from rampguard.core.model import (
    Arms,
    Evidence,
    Guardrail,
    GuardrailType,
    Judgement,
    Look,
    Metrics,
    PromQL,
    Sample,
    Series,
    Soaking,
)
from rampguard.core.plan import Plan
from rampguard.core.promql import with_matchers
from rampguard.ports import Refused, Unavailable, World

MEMORY = timedelta(hours=1)  # how far back a counter's last value is looked for
FRESH = 3  # scrapes that a sample may be old
ENOUGH = 0.8  # of the pods that export, which must be fresh
DUPLICATES = "prometheus, prometheus_replica"  # labels of replicas that scrape the same pods
RUN_BEFORE = timedelta(hours=1)  # looked at before `for`, to date the start of a break


@dataclass(frozen=True, slots=True)
class Pods:
    """Who counts. families: ReplicaSets of the targets by name; ready: pods that serve now."""

    families: frozenset[str]
    ready: frozenset[str] = frozenset()

    def has(self, pod: str) -> bool:
        """Say whether a pod is or was one of the targets'."""
        return pod.rpartition("-")[0] in self.families


async def take_looks(
    plan: Plan, stage: Soaking, instants: Sequence[datetime], world: World, pods: Pods
) -> tuple[Look, ...]:
    """Judge every guardrail at every instant; one that cannot see is NoData, in the server's words."""
    looks = [await _look(plan, stage, at, world, pods) for at in instants]
    return tuple(looks)


async def missing_signals(plan: Plan, world: World, pods: Pods) -> tuple[str, ...]:
    """Name every signal that a deciding guardrail would miss if the ramp started now."""
    at = world.clock.now() - plan.tempo.scrape
    deciding = tuple(one for one in plan.ask.guardrails if not one.dry_run)
    found = await asyncio.gather(*(_missing(plan, one, at, world, pods) for one in deciding))
    return tuple(f"{one.name}: {why}" for one, why in zip(deciding, found, strict=True) if why)


async def _look(plan: Plan, stage: Soaking, at: datetime, world: World, pods: Pods) -> Look:
    size = spacing(plan.tempo.look, plan.soaks[stage.step])
    evidence, unseen = await _count(plan, stage.evidence, at, size, _Asker(plan, world, pods))
    judgements = await asyncio.gather(
        *(
            _judge(plan, stage, one, at, world, evidence=evidence, unseen=unseen)
            for one in plan.ask.guardrails
        )
    )
    remembered = stage.evidence if unseen else closed(evidence, size)
    if remembered.counted_to < stage.evidence.counted_to:
        remembered = stage.evidence
    return Look(at=at, evidence=remembered, judgements=tuple(judgements))


async def _judge(  # noqa: PLR0913 - what was counted is shared by all guardrails of a look
    plan: Plan,
    stage: Soaking,
    guardrail: Guardrail,
    at: datetime,
    world: World,
    *,
    evidence: Evidence,
    unseen: str,
) -> Judgement:
    if guardrail.type is GuardrailType.EXPOSURE_BALANCE:
        if unseen:
            return no_data(guardrail, unseen)
        judgement = judge_exposure(plan, stage.step, guardrail, evidence)
        return _asked(judgement, _assignments(plan, world))
    try:
        points = await _points(plan, guardrail, at, stage.evidence.t0, world)
    except (Unavailable, Refused) as error:
        return no_data(guardrail, str(error))
    except ValueError as error:
        return no_data(guardrail, str(error))
    return judge_threshold(plan, guardrail, points, at, stage.evidence.t0)


def _asked(judgement: Judgement, query: PromQL) -> Judgement:
    from dataclasses import replace  # noqa: PLC0415

    return replace(judgement, query=query)


@dataclass(frozen=True, slots=True)
class _Asker:
    """Asks for the assignments of the targets' pods."""

    plan: Plan
    world: World
    pods: Pods

    @property
    def metrics(self) -> Metrics:
        """Return where they are counted."""
        metrics = self.plan.ask.metrics
        if metrics is None:
            raise ValueError("no metrics are given")
        return metrics
