"""Harm of every kind, done to real users, and who is blamed for it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.operators import Operator
from e2e.stage import Stage, pause, until

COHORT = 'experiment="skill_tree_layout",source="assignment"'
TREE = 'path="/api/v1/skills/tree"'
BALANCE = {"name": "balance", "type": "ExposureBalance", "tolerance": 10}
STARTS = {
    "name": "starts",
    "type": "RelativeDrop",
    "tolerance": 5,
    "metric": f"session_started_from_tree_total{{{COHORT}}}",
}
ERRORS = {
    "name": "errors",
    "type": "ErrorRate",
    "tolerance": 20,
    "metric": f'http_requests_total{{{TREE},status=~"5.."}}',
    "requests": f"http_requests_total{{{TREE}}}",
    "killSwitch": 100,  # never: the statistics are to find it
}
WATCHED: dict[str, Any] = {"guardrails": [BALANCE, STARTS, ERRORS], "soak": "20m"}
Record = Callable[[str, object], None]


@pytest.fixture
def soaking(stage: Stage, operator: Operator) -> Iterator[Stage]:
    """Give a ramp that soaks, after a minute of history."""
    pause(60)
    stage.apply(**WATCHED)
    stage.reaches("Soaking")
    return stage


def breaks(stage: Stage, record: Record, what: str, **knobs: float) -> dict[str, Any]:
    """Do harm; return the status when it was taken back, and report how long that took."""
    began = time.monotonic()
    stage.knob(**knobs)
    until(lambda: stage.phase() in {"RollingBack", "RolledBack"}, 300, "rolled back")
    record("time to detect", f"{what}: {time.monotonic() - began:.0f} s")
    return stage.reaches("RolledBack")


def verdicts(status: dict[str, Any]) -> dict[str, str]:
    return {one["guardrail"]: one["verdict"] for one in status["guardrails"]}


def test_treated_users_who_start_fewer_sessions(soaking: Stage, record_property: Record) -> None:
    back = breaks(
        soaking, record_property, "sessions -40 % in treatment", treatment_session_drop=0.4
    )
    assert verdicts(back)["starts"] == "Breached"
    assert back["rollback"]["because"].startswith("starts x0.")
    assert any("ln E" in line for line in back["findings"][-1]["details"])
    assert soaking.only("0")


def test_errors_of_everybody_right_after_the_change(
    soaking: Stage, record_property: Record
) -> None:
    """The restart broke both arms: only the time before the ramp can show it."""
    back = breaks(soaking, record_property, "errors 20 % in both arms", error_rate_all=0.2)
    assert verdicts(back)["errors"] == "Breached"
    assert "the time before the ramp" in back["rollback"]["because"]
    assert soaking.only("0")


def test_errors_in_treatment_only(soaking: Stage, record_property: Record) -> None:
    back = breaks(soaking, record_property, "errors 20 % in treatment", error_rate_treatment=0.2)
    assert verdicts(back)["errors"] == "Breached"
    assert soaking.only("0")


def test_harm_that_begins_late(soaking: Stage, record_property: Record) -> None:
    pause(120)
    assert soaking.phase() == "Soaking"
    back = breaks(
        soaking, record_property, "sessions -40 %, 2 min late", treatment_session_drop=0.4
    )
    assert verdicts(back)["starts"] == "Breached"


def test_many_errors_while_the_value_is_written(stage: Stage, operator: Operator) -> None:
    """The kill-switch needs no proof of pods: a worker that never gets ready does not hide it."""
    stage.kubectl("set", "env", "deploy/worker", "CRASH_WHEN_ROLLOUT=50")
    stage.rolled_out("worker")
    pause(30)
    stage.apply(**{**WATCHED, "guardrails": [BALANCE, {**ERRORS, "killSwitch": 10}]})
    stage.reaches("Applying")
    stage.knob(error_rate_all=0.5)
    back = stage.reaches("RolledBack", limit=180)
    assert back["rollback"]["reason"] == "GuardrailBreached", back["rollback"]
    assert stage.only("0")


def test_an_outage_long_after_the_change_is_not_the_ramps(stage: Stage, tmp_path: Path) -> None:
    with Operator(stage.namespace, tmp_path, attributionWindow="1m"):
        pause(60)
        stage.apply(**WATCHED)
        stage.reaches("Soaking")
        pods = set(stage.running())
        pause(120)
        stage.knob(error_rate_all=0.3)
        asked = stage.reaches("AwaitingApproval", limit=300)
        assert asked["gate"] == "breach"
        assert "may not come from the ramp" in asked["summary"] + asked["gates"][0]["why"]
        assert stage.only("50")
        assert set(stage.running()) == pods
        stage.knob(error_rate_all=0)
        assert stage.ramp("approve", "ramp", "--yes").returncode == 0
        stage.reaches("Soaking", limit=60)


def test_a_foreign_change_asks_for_a_new_baseline(soaking: Stage) -> None:
    patch = '{"spec": {"template": {"metadata": {"annotations": {"team": "another"}}}}}'
    soaking.kubectl("patch", "deploy", "api", "--type=merge", "-p", patch)
    asked = until(lambda: soaking.status().get("gates"), 60, "asked")
    assert asked[0]["name"] == "rebaseline"
    assert soaking.phase() == "Soaking"
    soaking.rolled_out("api")
    soaking.knob(error_rate_all=0.3)  # of the other's change, as it were
    pause(45)
    assert soaking.phase() == "Soaking"
    soaking.knob(error_rate_all=0)
    assert soaking.ramp("approve", "ramp", "--yes").returncode == 0
    until(lambda: not soaking.status().get("gates"), 30, "answered")
    assert soaking.only("50")


def test_a_second_copy_of_the_app_disturbs_nothing(stage: Stage, operator: Operator) -> None:
    other = Stage.of(f"{stage.namespace}-copy")
    other.raise_()
    try:
        pause(30)
        stage.apply(guardrails=[BALANCE, STARTS, ERRORS], soak="2m")
        stage.reaches("Soaking")
        other.knob(error_rate_all=0.5, arm_imbalance=1)
        done = stage.reaches("Completed", limit=240)
        assert "Breached" not in verdicts(done).values()
    finally:
        other.strike()


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_bursty_traffic_without_harm_is_not_rolled_back(stage: Stage, operator: Operator) -> None:
    stage.knob(burstiness=1)
    pause(300)
    stage.apply(**{**WATCHED, "soak": "1h"})
    stage.reaches("Soaking")
    done = stage.reaches("Completed", limit=4000)
    assert "Breached" not in verdicts(done).values()
    assert stage.only("50")
