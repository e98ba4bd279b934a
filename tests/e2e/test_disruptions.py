"""What disturbs the whole cluster: nothing else may run beside these tests."""

import pytest

from e2e.operators import Operator
from e2e.stage import Stage, kubectl, on_node, pause, until

pytestmark = pytest.mark.disruptive


def test_a_prometheus_that_is_gone_holds_the_ramp(stage: Stage, operator: Operator) -> None:
    stage.apply(maxBlind="1m")
    stage.reaches("Soaking")
    scale = ("-n", "monitoring", "scale", "deploy/prometheus")
    kubectl(*scale, "--replicas=0")
    try:
        pause(90)
        assert stage.phase() == "Soaking"
        assert stage.condition("GuardrailsPassing")["status"] == "Unknown"
        assert any(event["reason"] == "GuardrailNoData" for event in stage.events())
    finally:
        kubectl(*scale, "--replicas=1")
        kubectl("-n", "monitoring", "rollout", "status", "deploy/prometheus", "--timeout=120s")
    done = stage.reaches("Completed", limit=300)
    assert done["blind"]
    assert stage.only("50")


def test_an_api_server_that_restarts_is_waited_for(stage: Stage, operator: Operator) -> None:
    stage.apply()
    until(lambda: stage.value("api") == "50", 60, "the first write")
    on_node("pkill", "-9", "kube-apiserver")
    pause(5)
    stage.reaches("Soaking", limit=240)
    on_node("pkill", "-9", "kube-apiserver")
    stage.reaches("Completed", limit=300)
    assert stage.only("50")
    assert operator.is_alive


def test_a_node_that_is_lost_for_a_while_holds_the_ramp(stage: Stage, operator: Operator) -> None:
    stage.apply(soak="2m")
    stage.reaches("Soaking")
    on_node("systemctl", "stop", "kubelet")
    try:
        until(
            lambda: any(event["reason"] == "PodsLost" for event in stage.events()),
            120,
            "the lost pods are told",
        )
        pause(20)
        assert stage.phase() == "Soaking"
    finally:
        on_node("systemctl", "start", "kubelet")
    done = stage.reaches("Completed", limit=400)
    assert stage.only("50")
    assert "rollback" not in done
