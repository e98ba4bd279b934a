"""Whole ramps that wait for what they require, and are held by it, on a fake cluster."""

from datetime import timedelta
from typing import Any

import pytest

from fakes import (
    ENV,
    FakeChecks,
    FakeCluster,
    FakeMetrics,
    FakeTelemetry,
    Mood,
    deployment,
    env_of,
    ramp,
)
from rampguard.core.ask import Ref
from rampguard.core.plan import Tempo
from rampguard.engine.reconcile import reconcile
from rampguard.ports import Answer, Json, Resource, Rules, Unavailable, World

QUERY = "max(errors)"
RULE = {"name": "errors", "type": "Threshold", "query": QUERY, "max": "0.5"}
WATCHED: Json = {"guardrails": [RULE], "arms": None, "metrics": None}
SMOKE, RAMP = Ref("app", "tree-10"), Ref("app", "tree-50")
TEST = {"smokeTest": {"ramp": "tree-10", "maxAge": "336h"}}
ALERTS = {"noFiringAlerts": 'severity=~"sev1|sev2"'}
CHECK = {"noOpenIncidents": {"check": "pager"}}
MINUTE = timedelta(minutes=1)


class Day:
    """One Deployment at a value, one operator, a Prometheus and a pager."""

    def __init__(self, value: int = 10) -> None:
        self.cluster = FakeCluster(copies=True)
        env = {ENV: str(value)}
        self.cluster.put(Resource.DEPLOYMENTS, deployment(env=env))
        self.cluster.rollouts.settle()
        self.metrics = FakeMetrics(self.cluster.clock, answers={QUERY: lambda _: 0.0})
        self.checks = FakeChecks({"pager": Answer(200)})
        self.world = World(
            cluster=self.cluster,
            metrics=self.metrics,
            clock=self.cluster.clock,
            telemetry=FakeTelemetry(),
            rules=Rules(process="p", tempo=Tempo()),
            checks=self.checks,
        )

    def ask(self, name: str = "tree-50", **spec: Any) -> None:
        self.cluster.put(Resource.RAMPS, ramp(name, **{**WATCHED, **spec}))

    def status(self, ref: Ref = RAMP) -> Json:
        return self.cluster.seen(Resource.RAMPS, "app", ref.name).get("status", {})

    def phase(self, ref: Ref = RAMP) -> str:
        return str(self.status(ref).get("phase", ""))

    def condition(self, kind: str = "PreconditionsMet") -> Json:
        found = [c for c in self.status().get("conditions", []) if c["type"] == kind]
        return dict(found[0]) if found else {}

    def value(self) -> str | None:
        return env_of(self.cluster.seen(Resource.DEPLOYMENTS, "app", "api"), "api", ENV)

    def events(self, reason: str) -> list[str]:
        told = self.cluster.server.objects[Resource.EVENTS].values()
        return [one["note"] for one in told if one["reason"] == reason]

    async def passes(self, count: int = 4, ref: Ref = RAMP) -> None:
        for _ in range(count):
            rest = await reconcile(ref, self.world)
            self.cluster.clock.advance(rest.again_in)

    async def until(self, phase: str, ref: Ref = RAMP, limit: int = 100) -> None:
        for _ in range(limit):
            if self.phase(ref) == phase:
                return
            await self.passes(1, ref)
        pytest.fail(f"never {phase}: {self.status(ref)}")


@pytest.fixture
def day() -> Day:
    return Day()


async def test_a_ramp_waits_for_its_smoke_test_and_then_starts_by_itself() -> None:
    day = Day(0)
    day.ask("tree-50", require=TEST)
    await day.passes()
    assert "there is no ramp app/tree-10" in day.condition()["message"]
    day.ask("tree-10", from_=0, to=10)
    await day.until("Soaking", SMOKE)
    await day.passes()
    assert day.phase() == "Blocked"
    assert day.condition()["reason"] == "SmokeTestMissing"
    assert "smoke test tree-10 is Soaking, not Completed" in day.condition()["message"]
    await day.until("Completed", SMOKE)
    await day.passes(1, SMOKE)  # its stamp goes
    await day.until("Applying", limit=3)
    assert day.value() == "50"
    assert day.condition()["status"] == "True"
    assert day.condition()["message"].startswith("smoke test tree-10 completed at 2026-11-23T12:")


async def test_a_smoke_test_of_another_namespace_does_not_count(day: Day) -> None:
    day.cluster.put(Resource.RAMPS, ramp("tree-10", namespace="other", **WATCHED))
    day.ask(require=TEST)
    await day.passes()
    assert "there is no ramp app/tree-10" in day.condition()["message"]


async def test_a_smoke_test_that_cannot_be_understood_is_told(day: Day) -> None:
    day.ask("tree-10", to="many")
    day.ask(require=TEST)
    await day.passes()
    assert "ramp app/tree-10 cannot be understood: spec.to" in day.condition()["message"]


async def test_an_api_server_that_does_not_answer_is_no_smoke_test(day: Day) -> None:
    day.ask("tree-10")
    day.ask(require=TEST)
    day.cluster.fail(Unavailable("no answer"), resource=Resource.RAMPS, verb="get", spared=1)
    await day.passes(1)
    assert day.condition()["message"] == "smoke test tree-10: no answer"


async def test_an_alert_that_fires_keeps_it_waiting_and_its_end_starts_it(day: Day) -> None:
    alert = day.metrics.fire("TreeFails", severity="sev1")
    day.metrics.fire("DiskFull", severity="warning")
    day.ask(require=ALERTS)
    await day.passes()
    assert day.phase() == "Blocked"
    assert day.condition()["message"] == 'alerts with severity=~"sev1|sev2" fire: TreeFails'
    for _ in range(8):  # two days: waiting has no limit
        day.cluster.clock.advance(timedelta(hours=6))
        await day.passes()
    assert (day.phase(), day.value()) == ("Blocked", "10")
    assert len(day.events("Blocked")) == 1
    alert.ended = day.cluster.clock.now()
    await day.until("Soaking", limit=10)
    assert (day.condition()["status"], day.condition()["reason"]) == ("True", "Met")


@pytest.mark.parametrize("mood", [Mood.DOWN, Mood.PARTIAL, Mood.BAD_QUERY], ids=lambda m: m.name)
async def test_alerts_that_cannot_be_seen_keep_it_waiting(day: Day, mood: Mood) -> None:
    day.metrics.mood = mood
    day.ask(require=ALERTS)
    await day.passes()
    assert day.phase() == "Blocked"
    assert "cannot be seen: " in day.condition()["message"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(409, "INC-7\x1b[2J is open"), "answers 409, not 200: INC-7 [2J is open"),
        (Answer(503, "x" * 500), f"answers 503, not 200: {'x' * 119}…"),
        (Answer(302), "answers 302, not 200"),
        ("pager: no answer within 5 s", "cannot be asked: pager: no answer within 5 s"),
    ],
)
async def test_an_incident_keeps_it_waiting(day: Day, answer: Answer | str, words: str) -> None:
    day.checks.answers["pager"] = answer
    day.ask(require=CHECK)
    await day.passes()
    assert (day.phase(), day.condition()["reason"]) == ("Blocked", "IncidentOpen")
    assert day.condition()["message"] == f"incident check pager {words}"
    day.checks.answers["pager"] = Answer(200)
    await day.until("Soaking", limit=10)


async def test_a_check_that_nobody_configured_is_told(day: Day) -> None:
    day.ask(require={"noOpenIncidents": {"check": "other"}})
    await day.passes()
    assert "has the name 'other'; there are: pager" in day.condition()["message"]


async def test_what_is_not_required_is_not_asked(day: Day) -> None:
    day.ask(require={"noOpenIncidents": {"evidence": "https://wiki.example.com/none"}})
    await day.until("Soaking")
    assert day.checks.asked == []
    assert not any("ALERTS" in query for query, _ in day.metrics.asked)
    assert day.status()["vouched"] == ["no open incident: https://wiki.example.com/none"]


async def test_an_incident_in_the_soak_holds_it_and_its_end_lets_it_go(day: Day) -> None:
    day.ask(require={**ALERTS, **CHECK})
    await day.until("Soaking")
    day.checks.answers["pager"] = Answer(409, "INC-7")
    await day.passes(60)
    assert day.status()["soak"]["endsAt"] < f"{day.cluster.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    assert (day.phase(), day.value()) == ("Soaking", "50")
    assert (day.condition()["status"], day.condition()["reason"]) == ("False", "IncidentOpen")
    assert day.condition("GuardrailsPassing")["status"] == "True"
    assert day.condition("Stalled")["status"] == "False"
    assert len(day.events("IncidentOpen")) == 1
    assert "held: incident check pager answers 409, not 200: INC-7" in day.status()["summary"]
    day.checks.answers["pager"] = Answer(200)
    await day.until("Completed", limit=5)
    assert len(day.events("Met")) == 1
    assert day.condition()["status"] == "True"


async def test_an_alert_in_the_soak_holds_the_next_step(day: Day) -> None:
    day.ask(require=ALERTS, steps=[25], stepSoak="5m")
    await day.until("Soaking")
    alert = day.metrics.fire("TreeFails", severity="sev2")
    await day.passes(60)
    assert (day.phase(), day.value()) == ("Soaking", "25")
    alert.ended = day.cluster.clock.now()
    await day.until("Completed")
    assert day.value() == "50"


async def test_an_override_starts_all_the_same_and_is_kept(day: Day) -> None:
    day.metrics.fire("TreeFails", severity="sev1")
    override = {"override": {"by": "@mia", "reason": "known, INC-12"}}
    day.ask(require={**TEST, **ALERTS, **override})
    await day.until("Completed")
    kept = [
        f"{one} overridden by @mia: known, INC-12" for one in ("SmokeTestMissing", "AlertsFiring")
    ]
    assert day.status()["vouched"] == kept
    assert day.status()["findings"][-1]["vouched"] == kept
    assert sorted(one.partition(" (")[0] for one in day.events("Overridden")) == sorted(kept)
    assert (day.condition()["status"], day.condition()["reason"]) == ("True", "Overridden")


async def test_an_override_lets_a_held_soak_go(day: Day) -> None:
    day.ask(require=ALERTS)
    await day.until("Soaking")
    day.metrics.fire("TreeFails", severity="sev1")
    await day.passes(60)
    assert day.phase() == "Soaking"
    override = {"require": {"override": {"by": "@mia", "reason": "known"}}}
    day.cluster.patch(Resource.RAMPS, RAMP, {"spec": override})
    await day.until("Completed", limit=5)


async def test_outside_its_window_it_waits_and_says_so(day: Day) -> None:
    opens = day.cluster.clock.now() + 10 * MINUTE
    closes = opens + 10 * MINUTE
    day.ask(window={"notBefore": opens.isoformat(), "notAfter": closes.isoformat()})
    await day.passes()
    assert (day.phase(), day.condition()["reason"]) == ("Blocked", "OutsideWindow")
    await day.until("Soaking", limit=30)
    assert opens <= day.cluster.clock.now() < opens + 2 * MINUTE


async def test_a_window_that_passed_meanwhile_is_told(day: Day) -> None:
    closes = day.cluster.clock.now() + 10 * MINUTE
    day.metrics.fire("TreeFails", severity="sev1")
    day.ask(window={"notAfter": closes.isoformat()}, require=ALERTS)
    await day.passes(30)
    assert "its window has passed, at 2026-11-23T12:10" in day.condition()["message"]
    assert "TreeFails" in day.condition()["message"]
    assert len(day.events("Blocked")) == 2


async def test_a_pass_that_changes_nothing_writes_nothing(day: Day) -> None:
    day.checks.answers["pager"] = Answer(409, "INC-7")
    day.ask(require={**TEST, **ALERTS, **CHECK})
    await day.passes()
    day.cluster.calls.clear()
    await day.passes(10)
    assert [call for call in day.cluster.calls if call.writes] == []
