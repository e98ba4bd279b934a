"""Whole ramps on a cluster that is a dictionary, on days when others do what they should not."""

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from fakes import (
    ENV,
    FakeCluster,
    FakeMetrics,
    FakeTelemetry,
    Traffic,
    deployment,
    env_of,
    ramp,
)
from rampguard.core.ask import Ref
from rampguard.core.plan import Tempo
from rampguard.engine.reconcile import reconcile
from rampguard.engine.runner import Runner
from rampguard.ports import Json, NotFound, Refused, Resource, Rules, Unavailable, World

RAMP = Ref("app", "skill-tree-layout-50")
QUERY = "max(errors)"
ERRORS = {"name": "errors", "type": "Threshold", "query": QUERY, "max": "0.5"}
BALANCE = {"name": "balance", "type": "ExposureBalance", "tolerance": 5}
COUNTED: dict[str, Any] = {
    "guardrails": [BALANCE],
    "arms": {"control": "tree", "treatment": "list"},
    "metrics": {"assignments": 'experiment_assignments_total{source="assignment"}'},
}
HALF_MINUTE, MINUTE, HOUR = timedelta(seconds=30), timedelta(minutes=1), timedelta(hours=1)


class Day:
    """One ramp 10 -> 50, one operator; `harm` is when the query begins to break its limit."""

    def __init__(self, *names: str, containers: dict[str, str] | None = None, **spec: Any) -> None:
        self.harm: datetime | None = None
        self.cluster = FakeCluster(copies=True)
        for name in names or ("api", "worker"):
            made = deployment(name, replicas=2, container=(containers or {}).get(name))
            self.cluster.put(Resource.DEPLOYMENTS, made)
        self.cluster.rollouts.settle()
        told = {
            "targets": [{"name": name} for name in names or ("api", "worker")],
            "guardrails": [ERRORS],
            "arms": None,
            "metrics": None,
            "soak": "30m",
        } | spec
        self.cluster.put(Resource.RAMPS, ramp(**told))
        metrics = FakeMetrics(self.cluster.clock, answers={QUERY: self._errors})
        self.metrics = metrics
        self.world = World(
            cluster=self.cluster,
            metrics=metrics,
            clock=self.cluster.clock,
            telemetry=FakeTelemetry(),
            rules=Rules(process="p", tempo=Tempo()),
        )

    def _errors(self, at: datetime) -> float:
        return float(self.harm is not None and at >= self.harm)

    def do_harm(self) -> None:
        self.harm = self.cluster.clock.now()

    @property
    def status(self) -> Json:
        return self.cluster.seen(Resource.RAMPS, "app", RAMP.name).get("status", {})

    @property
    def phase(self) -> str:
        return self.status.get("phase", "")

    def condition(self, kind: str) -> Json:
        return next(c for c in self.status["conditions"] if c["type"] == kind)

    def value(self, name: str, container: str | None = None) -> str | None:
        found = self.cluster.seen(Resource.DEPLOYMENTS, "app", name)
        return env_of(found, container or name, ENV)

    def reasons(self) -> list[str]:
        return [event["reason"] for event in self.cluster.all(Resource.EVENTS)]

    async def step(self) -> None:
        rest = await reconcile(RAMP, self.world)
        self.cluster.clock.advance(min(rest.again_in, HALF_MINUTE))

    async def goes_on(self, span: timedelta) -> None:
        until = self.cluster.clock.now() + span
        while self.cluster.clock.now() < until:
            await self.step()

    async def reaches(self, *phases: str, within: timedelta = HOUR) -> None:
        until = self.cluster.clock.now() + within
        while self.phase not in phases:
            assert self.cluster.clock.now() < until, (self.phase, self.status.get("summary"))
            await self.step()

    def change(self, name: str, edit: Callable[[list[Json]], None]) -> None:
        """Let somebody else change the containers of a Deployment."""
        found = self.cluster.seen(Resource.DEPLOYMENTS, "app", name)
        containers = copy.deepcopy(found["spec"]["template"]["spec"]["containers"])
        edit(containers)
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        self.cluster.patch(Resource.DEPLOYMENTS, Ref("app", name), patch)

    def refuse_stamps(self, name: str, error: Exception) -> None:
        """Let the API server take no change of one Deployment's annotations any more."""
        real = self.cluster.merge_patch

        async def patch(resource: Resource, ref: Ref, body: Json) -> Json:
            if resource is Resource.DEPLOYMENTS and ref.name == name:
                raise error
            return await real(resource, ref, body)

        self.cluster.merge_patch = patch  # type: ignore[method-assign]  # a server's mood


async def test_a_server_that_talks_without_end_keeps_no_status_from_being_written() -> None:
    day = Day()
    day.cluster.fail(Refused("no" * 1_000_000), verb="dry_run", times=99)
    await day.step()
    assert day.phase == "Blocked"
    assert len(str(day.status)) < 100_000


async def test_a_target_that_takes_no_stamp_keeps_no_other_from_going_back() -> None:
    day = Day()
    await day.reaches("Soaking")
    await day.goes_on(MINUTE)
    day.refuse_stamps("api", Refused('admission webhook "freeze" denied the request: no changes'))
    day.do_harm()
    await day.goes_on(3 * MINUTE)
    assert day.phase == "RollingBack"
    assert day.value("worker") == "10"
    assert "freeze" in day.condition("Stalled")["message"]
    assert {"GuardrailBreached", "RollbackStarted"} <= set(day.reasons())


async def test_a_target_that_goes_in_the_middle_of_a_pass_is_not_the_ramp_that_goes() -> None:
    day = Day()
    await day.reaches("Soaking")
    day.refuse_stamps("api", NotFound("deployments api: not found"))
    day.do_harm()
    runner = Runner(day.world, (), 1)
    day.cluster.clock.advance(MINUTE)
    assert await runner._pass(RAMP) is not None


async def test_a_container_that_joins_a_target_takes_nothing_from_it() -> None:
    day = Day(containers={"api": "server"})
    await day.reaches("Soaking")
    day.change("api", lambda containers: containers.append({"name": "shipper", "image": "x"}))
    day.cluster.rollouts.settle()
    await day.goes_on(2 * MINUTE)
    assert day.phase == "Soaking"
    day.do_harm()
    await day.reaches("RolledBack")
    assert day.value("api", "server") == day.value("worker") == "10"


async def test_what_a_deleted_target_leaves_is_not_called_proven() -> None:
    day = Day()
    await day.reaches("Soaking")
    await day.goes_on(MINUTE)
    day.cluster.of("api").stop = HOUR
    day.do_harm()
    await day.reaches("RollingBack")
    day.cluster.delete(Resource.DEPLOYMENTS, Ref("app", "api"))
    await day.reaches("RolledBack", "Contested", within=3 * HOUR)
    told = [
        e["note"] for e in day.cluster.all(Resource.EVENTS) if e["reason"] == "RollbackVerified"
    ]
    assert "api: gone or replaced, pods that it left were not looked at" in told[0]


async def test_harm_is_seen_while_somebodys_rollout_stands_still() -> None:
    day = Day(soak="1h")
    await day.reaches("Soaking")
    await day.goes_on(MINUTE)
    day.cluster.of("api").no_image = True
    day.change("api", lambda containers: containers[0].update(image="broken:2"))
    await day.goes_on(2 * MINUTE)
    assert day.status.get("phase") == "Soaking"
    assert day.condition("GuardrailsPassing")["status"] == "Unknown"
    day.do_harm()
    await day.goes_on(2 * MINUTE)
    assert day.phase == "RollingBack"


async def test_a_proof_that_stays_lost_calls_a_person() -> None:
    day = Day(soak="1h", maxHold="1h")
    await day.reaches("Soaking")
    day.cluster.of("api").no_image = True
    day.change("api", lambda containers: containers[0].update(image="broken:2"))
    await day.goes_on(2 * HOUR)
    assert day.phase == "Soaking"
    assert day.condition("Stalled")["reason"] == "PodsLost"


async def test_old_pods_may_take_their_time_to_end() -> None:
    day = Day(proofTimeout="15m")
    grace = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 3600}}}}
    day.cluster.patch(Resource.DEPLOYMENTS, Ref("app", "worker"), grace)
    day.cluster.rollouts.settle()
    day.cluster.of("worker").stop = timedelta(minutes=40)
    await day.reaches("Soaking", within=2 * HOUR)
    assert day.value("worker") == "50"


async def test_a_hanging_prometheus_keeps_nobody_from_an_abort() -> None:
    day = Day("api", **COUNTED, findings=["1m", "2m"])
    Traffic(day.metrics, day.cluster, Ref("app", "api"), ENV, labels={"source": "assignment"})
    await day.reaches("Soaking")

    class Hanging:
        async def instant(self, *_: object) -> tuple[()]:
            raise AssertionError("a ramp that is to end asks nobody")

        span = instant

    object.__setattr__(day.world, "metrics", Hanging())
    day.cluster.clock.advance(3 * MINUTE)
    day.cluster.patch(Resource.RAMPS, RAMP, {"spec": {"abort": "Rollback"}})
    await day.reaches("RolledBack")


async def test_looks_that_fall_due_together_wait_together() -> None:
    day = Day("api", **COUNTED, findings=["1m", "2m"])
    Traffic(day.metrics, day.cluster, Ref("app", "api"), ENV, labels={"source": "assignment"})
    await day.reaches("Soaking")
    asked = 0

    class Away:
        async def instant(self, *_: object) -> tuple[()]:
            nonlocal asked
            asked += 1
            await day.cluster.clock.sleep(timedelta(0))
            raise Unavailable("no answer in time")

        span = instant

    object.__setattr__(day.world, "metrics", Away())
    day.cluster.clock.advance(3 * MINUTE)
    await day.step()
    assert asked >= 6
    assert day.condition("GuardrailsPassing")["status"] == "Unknown"


@pytest.mark.parametrize("value", ["25", "33"])
async def test_no_value_that_a_person_set_is_overwritten(value: str) -> None:
    day = Day(steps=[25], stepSoak="1m")
    while not (day.value("api") == "50" and day.phase == "Soaking"):
        await day.step()
    day.cluster.set_env(Ref("app", "api"), "api", ENV, value)
    day.cluster.rollouts.settle()
    await day.reaches("Contested")
    assert day.value("api") == value
    assert day.value("worker") == "10"


async def test_the_users_of_another_deployment_are_no_evidence() -> None:
    day = Day("api", soak="2h", **COUNTED)
    labels = {"app": "api", "track": "canary"}
    canary = deployment("api-canary", replicas=1)
    canary["spec"]["selector"] = {"matchLabels": labels}
    canary["spec"]["template"]["metadata"] = {"labels": labels}
    day.cluster.put(Resource.DEPLOYMENTS, canary)
    day.cluster.rollouts.settle()
    for name in ("api", "api-canary"):
        Traffic(day.metrics, day.cluster, Ref("app", name), ENV, labels={"source": "assignment"})
    await day.reaches("Soaking")
    await day.goes_on(HOUR)
    assert day.phase == "Soaking"
    assert day.status["guardrails"][0]["verdict"] == "WithinTolerance"


async def test_an_answer_about_slow_pods_accepts_no_later_harm() -> None:
    day = Day("api", onFailure="Hold", proofTimeout="1m")
    quick = {"spec": {"progressDeadlineSeconds": 60}}
    day.cluster.patch(Resource.DEPLOYMENTS, Ref("app", "api"), quick)
    day.cluster.rollouts.settle()
    day.cluster.of("api").start = timedelta(minutes=4)
    await day.reaches("AwaitingApproval")
    assert day.status["gate"] == "breach"
    await day.reaches("Soaking")
    day.do_harm()
    await day.reaches("AwaitingApproval")
    assert day.status["gate"] == "breach-2"
    day.cluster.patch(Resource.RAMPS, RAMP, {"spec": {"approve": "breach"}})
    await day.goes_on(HOUR)
    assert day.phase == "AwaitingApproval"
