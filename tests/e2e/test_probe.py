"""The probe by an operator in the cluster: pods are asked at their own addresses."""

import json
from collections.abc import Iterator

import pytest

from e2e.stage import Stage, until
from e2e.test_chart import RELEASE, helm, installed

PROBE = {
    "service": "api",
    "port": 8080,
    "path": "/api/v1/skills/tree",
    "arm": {
        "header": "X-Experiment-Skill-Tree-Layout",
        "cookie": "exp_skill_tree_layout",
        "json": "experiment.variant",
    },
    "value": {"json": "experiment.rollout"},
    "identity": {"header": "X-Request-ID"},
    "headersFrom": "api-probe",
    "users": 100,
    "rate": 50,
}
# A value in the program's own start wins over the variable, as a configuration file might.
STUBBORN = [
    {
        "op": "add",
        "path": "/spec/template/spec/containers/0/command",
        "value": ["sh", "-c", "SKILL_TREE_LIST_ROLLOUT=0 exec python -m skilltree api"],
    }
]


@pytest.fixture
def release(stage: Stage) -> Iterator[Stage]:
    """An operator in the cluster, with headers from a secret."""
    stage.kubectl(
        "create", "secret", "generic", "api-probe", "--from-literal=headers=X-Tenant: probe"
    )
    done = installed(
        stage,
        "--set", "secrets[0].name=api-probe",
        "--set", "secrets[0].secretName=api-probe",
        "--set", f"config.probes.api-probe.namespaces={{{stage.namespace}}}",
        "--set", "config.probes.api-probe.headersFile=/etc/rampguard/secrets/api-probe/headers",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    yield stage
    helm("uninstall", RELEASE, "-n", stage.namespace, "--no-hooks")


def verified(stage: Stage) -> tuple[str, str]:
    found = stage.condition("AssignmentVerified")
    return found.get("status", ""), found.get("reason", "")


def test_an_app_is_asked_before_the_write_after_the_proof_and_at_a_finding(release: Stage) -> None:
    release.apply(probe={**PROBE, "path": "/api/v1/nothing"})
    blocked = release.reaches("Blocked")
    until(lambda: verified(release) == ("Unknown", "ProbeFailed"), 60, "the probe fails")
    assert "HTTP 404" in release.status()["summary"], blocked
    assert release.only("0")
    assert not release.stamps()

    release.apply(probe=PROBE)
    release.reaches("Soaking", limit=180)
    assert verified(release) == ("True", "ShareAsWanted")
    told = release.condition("AssignmentVerified")["message"]
    assert "of 100 new users in treatment; want 50%" in told
    assert "2 pods asked; 100 users had the same arm on two pods" in told

    done = release.reaches("Completed", limit=240)
    (finding,) = done["findings"]
    assert "; probe " in finding["evidence"]
    assert "of 25 new users in treatment" in finding["details"][0]
    assert any(one["reason"] == "ShareAsWanted" for one in release.events())
    replayed = release.ramp("replay", "ramp/ramp", "-o", "json")
    assert replayed.returncode == 0, replayed.stderr
    assert json.loads(replayed.stdout)["differences"] == []


def test_an_app_that_does_not_read_the_variable_is_rolled_back(release: Stage) -> None:
    """Every pod carries the value, and only the app itself shows that it does not use it."""
    release.kubectl("patch", "deploy", "api", "--type=json", "-p", json.dumps(STUBBORN))
    release.rolled_out("api")
    release.apply(probe={name: one for name, one in PROBE.items() if name != "value"})
    until(lambda: release.only("50"), 120, "the value is on every pod")
    back = release.reaches("RolledBack", limit=240)
    assert back["rollback"]["reason"] == "AssignmentMismatch"
    assert "0.0% of 100 new users in treatment" in back["rollback"]["because"]
    assert verified(release) == ("False", "AssignmentMismatch")
    assert release.only("0")
    tries = [line for line in back["timeline"] if "wrong answers to the probe, try" in line]
    assert len(tries) == 3
