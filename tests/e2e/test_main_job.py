"""The main job on real pods, with a real Prometheus and real users."""

import json
from typing import Any

from e2e.operators import Operator
from e2e.stage import ENV, Stage, pause, until


def reasons(stage: Stage) -> list[str]:
    return [event["reason"] for event in stage.events()]


def test_a_ramp_goes_up_step_by_step_and_completes(stage: Stage, operator: Operator) -> None:
    stage.apply(steps=[20], stepSoak="1m", findings=["1m"])
    first = stage.reaches("Soaking")
    assert first["progress"] == "0 -> 20 of 50"
    assert stage.only("20")
    assert len(stage.stamps()) == 2
    assert ENV in stage.annotations("api")["kubernetes.io/change-cause"]
    until(lambda: stage.status().get("progress") == "0 -> 50", 120, "on to the second step")
    stage.reaches("Soaking")
    assert stage.only("50")
    done = stage.reaches("Completed")
    assert done["progress"] == "50"
    assert done["pods"] == "3/3"
    assert [f["share"] for f in done["findings"]] == [20, 50]
    assert all(f["verdict"] in {"WithinTolerance", "Inconclusive"} for f in done["findings"])
    assert stage.only("50")
    until(lambda: not stage.stamps(), 20, "the stamps are gone")
    told = reasons(stage)
    assert told.count("PodsProven") == 2
    assert told.count("FindingRecorded") == 2
    assert "rampguard_ramp" in operator.metrics()


def test_harm_is_detected_rolled_back_and_proven(stage: Stage, operator: Operator) -> None:
    stage.apply(to=90, soak="10m")
    stage.reaches("Soaking")
    stage.knob(arm_imbalance=0.6)
    back = stage.reaches("RolledBack", limit=180)
    assert stage.only("0")
    assert back["progress"] == "0 (was 90)"
    assert back["rollback"]["reason"] == "GuardrailBreached"
    assert back["rollback"]["provenAt"]
    assert back["guardrails"][0]["verdict"] == "Breached"
    assert back["findings"][-1]["verdict"] == "Breached"
    assert stage.condition("RollbackVerified")["status"] == "True"
    assert stage.condition("GuardrailsPassing")["status"] == "False"
    until(lambda: not stage.stamps(), 20, "the stamps are gone")
    assert {"GuardrailBreached", "RollbackStarted", "RollbackVerified"} <= set(reasons(stage))


def test_what_was_absent_is_absent_again(stage: Stage, operator: Operator) -> None:
    for name in ("api", "worker"):
        stage.kubectl("set", "env", f"deploy/{name}", f"{ENV}-")
        stage.rolled_out(name)
    until(lambda: set(stage.running().values()) == {None}, 60, "the variable is gone")
    stage.apply(fromAbsent=True)
    stage.reaches("Soaking")
    assert stage.only("50")
    done = stage.ramp("abort", "ramp", "--yes", "--reason", "the test wants it back")
    assert done.returncode == 0, done.stderr
    back = stage.reaches("RolledBack")
    assert back["rollback"]["reason"] == "AbortAsked"
    assert stage.only(None)


def test_people_pause_approve_and_resume(stage: Stage, operator: Operator) -> None:
    stage.apply(gates=["Start"])
    waiting = stage.reaches("AwaitingApproval")
    assert waiting["gate"] == "start"
    assert stage.only("0")
    assert stage.ramp("status", "ramp").returncode == 2
    assert stage.ramp("approve", "ramp", "--yes").returncode == 0
    stage.reaches("Soaking")
    assert stage.ramp("pause", "ramp").returncode == 0
    stage.reaches("Paused")
    pause(75)  # longer than the soak
    assert stage.phase() == "Paused"
    assert stage.ramp("resume", "ramp").returncode == 0
    stage.reaches("Completed")
    assert stage.ramp("status", "ramp").returncode == 0


def test_a_deleted_ramp_restores_and_goes(stage: Stage, operator: Operator) -> None:
    stage.apply(soak="10m")
    stage.reaches("Soaking")
    stage.kubectl("delete", "ramp", "ramp", "--wait=true", "--timeout=120s")
    assert stage.only("0")
    assert not stage.stamps()


def test_the_second_ramp_for_a_variable_waits(stage: Stage, operator: Operator) -> None:
    stage.apply("first", soak="1m")
    stage.reaches("Soaking", name="first")
    stage.apply("second", **{"from": 50, "to": 60})
    blocked = stage.reaches("Blocked", name="second")
    assert "first" in blocked["summary"]
    stage.reaches("Completed", name="first")
    stage.reaches("Soaking", name="second")
    assert stage.only("60")


def test_what_cannot_start_says_everything_that_is_wrong(stage: Stage, operator: Operator) -> None:
    stage.apply(
        targets=[{"name": "api"}, {"name": "nobody"}],
        **{"from": 5},
        metrics={"assignments": "there_is_no_such_counter"},
    )
    blocked = stage.reaches("Blocked")
    told = json.dumps(blocked["conditions"])
    assert "nobody" in told
    assert "5" in told
    assert stage.only("0")
    assert not stage.stamps()
    stage.kubectl("delete", "ramp", "ramp", "--wait=true", "--timeout=60s")


def test_no_ramp_starts_without_signals(stage: Stage, operator: Operator) -> None:
    stage.apply(metrics={"assignments": "there_is_no_such_counter"})
    stage.reaches("Blocked")
    told: dict[str, Any] = stage.condition("SignalsReady")
    assert told["status"] == "False"
    assert "there_is_no_such_counter" in told["message"]
    assert stage.only("0")
