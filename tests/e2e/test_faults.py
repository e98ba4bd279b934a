"""What goes wrong on real clusters, done to a real one."""

import json
from pathlib import Path

import pytest

from e2e.operators import Operator
from e2e.proxies import FAULTS, metrics_proxy
from e2e.stage import ENV, Stage, pause, until


def test_pods_that_crash_on_the_new_value_are_taken_back(stage: Stage, operator: Operator) -> None:
    stage.kubectl("set", "env", "deploy/worker", "CRASH_WHEN_ROLLOUT=50")
    stage.rolled_out("worker")
    stage.apply(proofTimeout="1m")
    until(
        lambda: (
            "worker" in stage.condition("PodsProven").get("message", "")
            and "rash" in stage.condition("PodsProven").get("message", "")
        ),
        90,
        "the crashing pod is named",
    )
    back = stage.reaches("RolledBack", limit=240)
    assert back["rollback"]["reason"] == "ProofTimeout"
    assert stage.only("0")


def test_someone_else_who_sets_the_value_is_named_and_not_fought(
    stage: Stage, operator: Operator
) -> None:
    stage.apply(soak="10m")
    stage.reaches("Soaking")
    stage.kubectl("set", "env", "deploy/api", f"{ENV}=33")
    ended = stage.reaches("Contested", limit=120)
    assert "kubectl-set" in json.dumps(ended["conditions"])
    assert stage.value("api") == "33"
    until(lambda: stage.value("worker") == "0", 30, "the other target is restored")
    pause(12)
    assert stage.value("api") == "33"
    assert not any("50" in str(value) for value in stage.running().values())


def test_a_template_changed_by_somebody_else_begins_the_proof_anew(
    stage: Stage, operator: Operator
) -> None:
    stage.apply(soak="2m")
    stage.reaches("Soaking")
    pods = set(stage.running())
    patch = '{"spec": {"template": {"metadata": {"annotations": {"team": "another"}}}}}'
    stage.kubectl("patch", "deploy", "api", "--type=merge", "-p", patch)
    until(lambda: any(e["reason"] == "TemplateChanged" for e in stage.events()), 60, "it is told")
    done = stage.reaches("Completed", limit=240)
    assert stage.only("50")
    assert pods != set(stage.running())
    assert done["rollback"] is None if "rollback" in done else True


def test_a_wiped_status_never_starts_over(stage: Stage, operator: Operator) -> None:
    stage.apply(soak="10m")
    stage.reaches("Soaking")
    stage.kubectl(
        "patch", "ramp", "ramp", "--subresource=status", "--type=json",
        "-p", '[{"op": "remove", "path": "/status"}]',
    )  # fmt: skip
    lost = stage.reaches("Contested", limit=60)
    assert stage.condition("Stalled")["reason"] == "StatusLost", lost
    assert stage.only("50")
    stage.ask("abort", "Rollback")
    until(lambda: stage.only("0"), 90, "the stamps brought the originals back")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_prometheus_that_fails_holds_the_ramp_and_says_so(
    stage: Stage, tmp_path: Path, fault: str
) -> None:
    with metrics_proxy() as proxy, Operator(stage.namespace, tmp_path, prometheus=proxy.url):
        stage.apply(maxBlind="1m", findings=["1m"])
        stage.reaches("Soaking")
        pause(15)
        proxy.fault = fault
        until(
            lambda: (
                stage.condition("GuardrailsPassing").get("status") == "Unknown"
                and stage.condition("GuardrailsPassing")["reason"] == "NoData"
            ),
            90,
            f"blind by {fault}: {stage.condition('GuardrailsPassing')}",
        )
        pause(60)  # the soak is over by now
        assert stage.phase() == "Soaking"
        assert any(event["reason"] == "GuardrailNoData" for event in stage.events())
        proxy.fault = ""
        done = stage.reaches("Completed", limit=90)
        assert stage.only("50")
        assert done["blind"]


def test_blind_for_too_long_rolls_back_where_asked(stage: Stage, tmp_path: Path) -> None:
    with metrics_proxy() as proxy, Operator(stage.namespace, tmp_path, prometheus=proxy.url):
        stage.apply(soak="10m", maxBlind="1m", noData="Rollback")
        stage.reaches("Soaking")
        proxy.fault = "down"
        back = stage.reaches("RolledBack", limit=180)
        assert back["rollback"]["reason"] == "NoData"
        assert stage.only("0")
