"""Short words for counters: pods that count on a clock, and what is made of it."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from fakes import FakeMetrics
from rampguard.core.ask import Guardrail, GuardrailType, PromQL
from rampguard.core.counting import bin_size, closed, windows
from rampguard.core.model import Evidence, Reading, Sample, Series, Soaking
from rampguard.core.plan import Plan
from rampguard.engine.counters import (
    Counters,
    Pods,
    count,
)
from rampguard.ports import World
from scenes import SHARE, T, plan, soaking

COUNTER, STARTS = "assignments_total", "starts_total"
REQUESTS, ERRORS = "requests_total", "errors_total"
READY = frozenset({"api-1-a"})
PODS = Pods(families=frozenset({"api-1", "api-0", "worker-1"}), ready=READY)
ALONE = plan(guardrails=(SHARE,))
DROP = Guardrail(
    name="starts", type=GuardrailType.RELATIVE_DROP, tolerance=10.0, metric=PromQL(STARTS)
)
RATE = Guardrail(
    name="errors",
    type=GuardrailType.ERROR_RATE,
    tolerance=25.0,
    metric=PromQL(ERRORS),
    requests=PromQL(REQUESTS),
)
MANY = plan(guardrails=(SHARE, DROP, RATE))
SELECTOR = 'assignments_total{namespace="app"}'


@dataclass
class LateMetrics(FakeMetrics):
    """Scraped some of its pods a while ago; keeps the ranges that it was asked for."""

    late: dict[str, timedelta] = field(default_factory=dict)
    spans: list[tuple[datetime, datetime, timedelta]] = field(default_factory=list)

    async def instant(self, source: str, query: PromQL, at: datetime) -> tuple[Sample, ...]:
        found = await super().instant(source, query, at)
        if "timestamp(" not in query:
            return found
        return tuple(
            replace(one, value=one.value - self._age(one).total_seconds()) for one in found
        )

    def _age(self, one: Sample) -> timedelta:
        return self.late.get(one.labels.get("pod", ""), timedelta(0))

    async def span(
        self, source: str, query: PromQL, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Series, ...]:
        self.spans.append((start, end, step))
        return await super().span(source, query, start, end, step)


def serve(metrics: FakeMetrics, pod: str, tree: float = 0.5, both: float = 1.0, **labels: str):
    """Let a pod assign users from now on, so many a second."""
    place = {"namespace": "app", "instance": pod, "pod": pod} | labels
    return [
        metrics.count(COUNTER, rate, variant=arm, **place)
        for arm, rate in (("tree", both * tree), ("list", both * (1 - tree)))
    ]


def counters(
    world: World, pods: Pods = PODS, of: Plan = ALONE, selector: str = COUNTER
) -> Counters:
    return Counters(of, PromQL(selector), world, pods)


async def silence(world: World, at: datetime, pods: Pods = PODS) -> str:
    """Return why assignments cannot be judged, both arms of which are needed; empty: they can."""
    return await counters(world, pods).silence(at, ALONE.ask.arms)


def since(t0: datetime, **facts: object) -> Soaking:
    """Return a soak that begins at an instant."""
    told = Evidence(t0=t0, counted_to=t0)
    return soaking(since=t0, evidence=replace(told, **facts))


async def total(world: World, stage: Soaking, at: datetime, pods: Pods = PODS) -> Reading:
    (bins,) = (await counted(ALONE, stage, at, world, pods)).counts
    return windows(bins)[0]


async def counted(of: Plan, stage: Soaking, at: datetime, world: World, pods: Pods) -> Evidence:
    """Return the evidence up to an instant; every selector gave numbers."""
    found = await count(of, stage, at, world, pods)
    assert found.unheard == {}
    return found.evidence


async def watched(
    of: Plan, stage: Soaking, looks: list[timedelta], world: World, pods: Pods = PODS
) -> Evidence:
    """Return the evidence after looks at instants after T, of which closed bins are remembered."""
    found = stage.evidence
    for after in looks:
        found = await counted(of, stage, T + after, world, pods)
        after_it = closed(found, bin_size(of, stage.step, found))
        if after_it.counted_to > stage.evidence.counted_to:
            stage = replace(stage, evidence=after_it)
    return found


def every(look: timedelta, until: timedelta, since: timedelta = timedelta(0)) -> list[timedelta]:
    return [since + n * look for n in range(1, (until - since) // look + 1)]


def whole(found: Evidence) -> list[Reading]:
    """Return what each family counted in all."""
    return [windows(bins)[0] for bins in found.counts]


def serve_all(metrics: FakeMetrics, pod: str) -> None:
    """Let a pod assign, start, answer and fail from now on; what fails has no arm."""
    serve(metrics, pod)
    place = {"namespace": "app", "instance": pod, "pod": pod}
    for arm in ("tree", "list"):
        metrics.count(STARTS, 0.25, variant=arm, **place)
        metrics.count(REQUESTS, 5.0, variant=arm, **place)
    metrics.count(ERRORS, 0.1, **place)


def total_of(evidence: Evidence, name: str, of: Plan = MANY) -> list[Reading]:
    """Return what each family of a counter counted in all, in the order of the plan."""
    told = zip(of.families, evidence.counts, strict=True)
    return [windows(bins)[0] for family, bins in told if family.selector == name]
