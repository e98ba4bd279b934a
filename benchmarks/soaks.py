"""Walks a ramp through a day on the tests' fakes, and times the looks that are taken there."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from figures import quantile

from fakes import ENV, FakeCluster, FakeMetrics, FakeTelemetry, Traffic, deployment, ramp
from rampguard.api.status import to_state
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.ask import PromQL, Ref
from rampguard.core.model import Sample, Series, Soaking
from rampguard.core.plan import look_instants, make_plan
from rampguard.engine.counters import Pods
from rampguard.engine.looks import take_looks
from rampguard.engine.reconcile import reconcile
from rampguard.ports import Resource, Rules, World
from scenes import DAY, HOUR, MINUTE, TEMPO

RAMP, PODS = Ref("app", "skill-tree-layout-50"), 10
QUERY = "max(errors)"
COHORT = {"experiment": "skill_tree_layout", "source": "assignment"}
STARTS = 'starts_total{experiment="skill_tree_layout",source="assignment"}'
GUARDRAILS = [
    {"name": "exposure-balance", "type": "ExposureBalance", "tolerance": 5},
    {"name": "starts", "type": "RelativeDrop", "metric": STARTS, "tolerance": 10},
    {
        "name": "errors",
        "type": "ErrorRate",
        "metric": "errors_total",
        "requests": "requests_total",
        "tolerance": 25,
    },
    {"name": "slow", "type": "Threshold", "query": QUERY, "max": "0.5", "for": "1h"},
]
LOOKS = f"take_looks, {PODS} pods, 4 guardrails"
PACE = timedelta(minutes=5)  # between two passes; the bins are those of a look each 30 s


@dataclass
class Watched:
    """A fake Prometheus with a stop-watch around it."""

    within: FakeMetrics
    spent: float = 0.0  # seconds
    asked: int = 0

    async def instant(self, source: str, query: PromQL, at: datetime) -> tuple[Sample, ...]:
        began = time.perf_counter()
        found = await self.within.instant(source, query, at)
        self._stop(began)
        return found

    async def span(
        self, source: str, query: PromQL, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Series, ...]:
        began = time.perf_counter()
        found = await self.within.span(source, query, start, end, step)
        self._stop(began)
        return found

    def _stop(self, began: float) -> None:
        self.spent += time.perf_counter() - began
        self.asked += 1


@dataclass(frozen=True, slots=True)
class Told:
    """What looks took, and the memory of the ramp at the end of its day."""

    rows: Sequence[Sequence[object]]
    line: str
    columns: tuple[str, ...] = (LOOKS, "ours, ms", "the fake's, ms", "queries")


async def a_day() -> Told:
    """Take looks early, after an absence of twelve hours, and at the end of a day."""
    world, metrics = _world()
    cluster: FakeCluster = world.cluster  # type: ignore[assignment]  # the fake
    await _soak(world, HOUR)
    early = await _timed(world, metrics, "a look after an hour", 200)
    cluster.clock.advance(12 * HOUR)
    absent = await _timed(world, metrics, "a look after 12 h without one", 10)
    await _soak(world, DAY - 13 * HOUR - 2 * MINUTE)
    late = await _timed(world, metrics, "a look at the end of a day", 200)
    line = cluster.seen(Resource.RAMPS, RAMP.namespace, RAMP.name)["status"]["engine"]
    return Told((early, absent, late), line)


def _world() -> tuple[World, Watched]:
    cluster = FakeCluster()
    cluster.put(Resource.DEPLOYMENTS, deployment(replicas=PODS))
    cluster.rollouts.settle()
    metrics = Watched(FakeMetrics(cluster.clock, answers={QUERY: lambda _: 0.01}))
    Traffic(
        metrics.within,
        cluster,
        Ref("app", "api"),
        ENV,
        labels=COHORT,
        starts=lambda _: 0.5,
        requests=50.0,
        fails=lambda _: 0.01,
    )
    cluster.clock.advance(MINUTE)
    cluster.put(Resource.RAMPS, ramp(soak="24h", guardrails=GUARDRAILS))
    rules = Rules(process="p", tempo=TEMPO)
    telemetry = FakeTelemetry()
    world = World(
        cluster=cluster, metrics=metrics, clock=cluster.clock, telemetry=telemetry, rules=rules
    )
    return world, metrics


async def _soak(world: World, span: timedelta) -> None:
    """Make passes until the ramp has soaked for so much longer."""
    cluster: FakeCluster = world.cluster  # type: ignore[assignment]  # the fake
    while (cluster.seen(Resource.RAMPS, *_named()).get("status") or {}).get("phase") != "Soaking":
        cluster.clock.advance((await reconcile(RAMP, world)).again_in)
    until = cluster.clock.now() + span
    while cluster.clock.now() < until:
        cluster.clock.advance(min(PACE, until - cluster.clock.now()))
        await reconcile(RAMP, world)


async def _timed(world: World, metrics: Watched, what: str, times: int) -> tuple[object, ...]:
    """Take the looks that are due half a look from now, again and again; nothing is remembered."""
    cluster: FakeCluster = world.cluster  # type: ignore[assignment]  # the fake
    told = cluster.seen(Resource.RAMPS, *_named())
    ask = to_ask(told)
    state, plan = to_state(told, ask), make_plan(ask, TEMPO)
    stage = state.stage
    if not isinstance(stage, Soaking):
        raise SystemExit(f"the ramp on the fakes does not soak: {told['status']['summary']}")
    sets = cluster.all(Resource.REPLICASETS)
    pods = Pods(frozenset(one["metadata"]["name"] for one in sets))
    instants = look_instants(plan, stage, state.findings, world.clock.now() + TEMPO.look)
    ours, theirs, asked = [], [], 0
    for _ in range(times):
        spent, before, began = metrics.spent, metrics.asked, time.perf_counter()
        looks = await take_looks(plan, stage, instants, world, pods, baselines=state.baselines)
        took = time.perf_counter() - began
        theirs.append((metrics.spent - spent) * 1000)
        ours.append(took * 1000 - theirs[-1])
        asked = metrics.asked - before
    blind = sum(one.verdict == "NoData" for look in looks for one in look.judgements)
    if blind:
        raise SystemExit(f"{blind} judgements without data: the look measures nothing")
    median = [f"{quantile(sorted(one), 0.5):.2f}" for one in (ours, theirs)]
    return (f"{what} ({len(instants)} instants)", *median, asked)


def _named() -> tuple[str, str]:
    return RAMP.namespace, RAMP.name
