"""An operator that dies again and again judges as one that never did."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import cast

from e2e.operators import Operator
from e2e.stage import PROMETHEUS, Stage, pause
from e2e.test_guardrails import BALANCE, ERRORS, STARTS
from rampguard.adapters.clock import RealClock
from rampguard.adapters.prometheus import PrometheusMetrics, Source
from rampguard.api import engine
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.model import Ended, Evidence, Judgement, Soaking, State
from rampguard.core.plan import Plan, Tempo, make_plan
from rampguard.engine.counters import Pods
from rampguard.engine.looks import take_looks
from rampguard.ports import Cluster, Rules, Telemetry, World

LOOK = timedelta(seconds=5)
TEMPO = Tempo(
    look=LOOK, scrape=LOOK, lag=timedelta(seconds=15), history=timedelta(seconds=30)
)  # as the tests' operators


def test_evidence_after_twenty_deaths_equals_that_of_one_look(
    stage: Stage, operator: Operator
) -> None:
    """The whole soak, counted at once from Prometheus by a fresh process: equal bit for bit."""
    pause(45)
    stage.apply(guardrails=[BALANCE, STARTS, ERRORS], soak="3m", findings=["3m"])
    watched = stage.reaches("Soaking")
    for _ in range(20):
        pause(3)
        operator.kill()
        operator.start()
    stage.reaches("Completed", limit=240)
    ramp = json.loads(stage.kubectl("get", "ramp", "ramp", "-o", "json"))
    plan = make_plan(to_ask(ramp), TEMPO)
    before = soaking(watched["engine"])
    after = engine.read(ramp["status"]["engine"])
    sets = json.loads(stage.kubectl("get", "replicasets", "-o", "json"))["items"]
    pods = Pods(frozenset(one["metadata"]["name"] for one in sets))
    assert isinstance(after.stage, Ended)
    again = asyncio.run(anew(plan, before, after, pods))
    assert numbers(after.stage.judged) in [numbers(one) for one in again]


def soaking(line: str) -> Soaking:
    stage = engine.read(line).stage
    assert isinstance(stage, Soaking)
    return stage


async def anew(plan: Plan, stage: Soaking, after: State, pods: Pods) -> list[tuple[Judgement, ...]]:
    """Judge the soak at each look around its end, with nothing remembered but T0."""
    metrics = PrometheusMetrics({"default": Source(url=PROMETHEUS)})
    t0 = stage.evidence.t0
    fresh = replace(stage, evidence=Evidence(t0=t0, counted_to=t0))
    world = World(
        cluster=cast("Cluster", None),  # a look asks no cluster
        metrics=metrics,
        clock=RealClock(),
        telemetry=cast("Telemetry", None),
        rules=Rules(process="test", tempo=TEMPO),
    )
    end = stage.since + plan.soaks[-1]
    instants = [end + i * LOOK for i in range(12)]
    try:
        looks = await take_looks(plan, fresh, instants, world, pods, baselines=after.baselines)
    finally:
        metrics.close()
    return [one.judgements for one in looks]


def numbers(judged: tuple[Judgement, ...]) -> list[tuple[object, ...]]:
    """Return the evidence of each part, exactly."""
    return [
        (j.name, p.name, p.log_e_null, p.log_e_margin, p.value, p.counts)
        for j in judged
        for p in j.parts
    ]
