"""The chart on a real cluster: installed for one namespace, uninstalled in the middle of a ramp."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from e2e.stage import NODE, ROOT, Stage, kubectl, on_node, until

RELEASE = "e2e"


def helm(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["helm", *args], capture_output=True, text=True, check=False, timeout=420)


def installed(stage: Stage, *more: str) -> subprocess.CompletedProcess[str]:
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    image = kubectl("-n", "rampguard-system", "get", "deploy", "rampguard", "-o", path)
    repository, _, tag = image.partition(":")
    values = {
        "image.repository": repository,
        "image.tag": tag,
        "namespaces": f"{{{stage.namespace}}}",
        "crd.install": "false",
        "userRoles.create": "false",
    }
    told = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    return helm(
        *("upgrade", "--install", RELEASE, str(ROOT / "charts" / "rampguard")),
        *("-n", stage.namespace, "--values", str(ROOT / "lab" / "operator-values.yaml")),
        *(*told, *more, "--wait", "--timeout", "120s"),
    )


@pytest.fixture
def release(stage: Stage) -> Iterator[Stage]:
    done = installed(stage)
    assert done.returncode == 0, done.stderr
    yield stage
    helm("uninstall", RELEASE, "-n", stage.namespace, "--no-hooks")


def test_uninstalling_refuses_while_a_ramp_is_active_or_takes_it_back(release: Stage) -> None:
    release.apply(soak="10m")
    release.reaches("Soaking")
    refused = helm("uninstall", RELEASE, "-n", release.namespace, "--timeout", "120s")
    assert refused.returncode != 0
    assert release.phase() == "Soaking"
    assert release.only("50")

    mended = installed(release, "--set", "uninstall.policy=Rollback")
    assert mended.returncode == 0, mended.stderr
    gone = helm("uninstall", RELEASE, "-n", release.namespace, "--timeout", "300s")
    assert gone.returncode == 0, gone.stderr
    assert release.only("0")
    assert not release.stamps()
    assert release.phase() in {"RolledBack", "Aborted"}


@pytest.fixture
def claimed(stage: Stage) -> Iterator[Stage]:
    """A release whose records lie in a folder of the node, as the lab's do."""
    folder = f"/var/lib/rampguard-records-{stage.namespace}"
    on_node("mkdir", "-p", folder)
    told = (ROOT / "lab" / "cluster" / "records.yaml").read_text().partition("---\n")[2]
    for ours, theirs in (
        ("rampguard-records", f"records-{stage.namespace}"),
        ("rampguard-system", stage.namespace),
        ("NODE_NAME", NODE),
        ("RECORDS_FOLDER", folder),
    ):
        told = told.replace(ours, theirs)
    kubectl("apply", "-f", "-", told=told)
    try:
        done = installed(stage, "--set", "records.existingClaim=records")
        assert done.returncode == 0, done.stderr
        yield stage
    finally:
        helm("uninstall", RELEASE, "-n", stage.namespace, "--no-hooks")
        kubectl("delete", "pv", f"records-{stage.namespace}", "--wait=false")
        on_node("rm", "-rf", folder)


def test_a_pod_of_the_operator_may_go_at_any_time_and_its_records_stay(claimed: Stage) -> None:
    """A pod that is deleted by hand is followed before it ends: two write for a moment."""
    claimed.apply()
    until(lambda: claimed.value("api") == "50", 60, "the first write")
    for phase in ("Soaking", "Completed"):
        claimed.kubectl(
            "delete", "pod", "-l", f"app.kubernetes.io/instance={RELEASE}", "--wait=false"
        )
        claimed.reaches(phase, limit=240)
    assert claimed.only("50")
    replayed = claimed.ramp("replay", "ramp/ramp", "-o", "json")
    assert replayed.returncode == 0, replayed.stderr
    told = json.loads(replayed.stdout)
    assert (told["differences"], told["gaps"]) == ([], [])
    assert told["looks"] > 5


def test_a_record_is_replayed_by_way_of_the_operator(release: Stage) -> None:
    """Another operator is known to the cluster, and has no pod now: it is passed over."""
    release.apply()
    release.reaches("Completed", limit=240)
    replayed = release.ramp("replay", "ramp/ramp", "-o", "json")
    assert replayed.returncode == 0, replayed.stderr
    told = json.loads(replayed.stdout)
    assert told["differences"] == []
    assert told["looks"] > 5
