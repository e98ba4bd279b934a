"""The chart on a real cluster: installed for one namespace, uninstalled in the middle of a ramp."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from e2e.stage import ROOT, Stage, kubectl, until

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


def test_a_pod_of_the_operator_may_go_at_any_time(release: Stage) -> None:
    release.apply()
    until(lambda: release.value("api") == "50", 60, "the first write")
    release.kubectl("delete", "pod", "-l", f"app.kubernetes.io/instance={RELEASE}", "--wait=false")
    release.reaches("Completed", limit=240)
    assert release.only("50")


def test_a_record_is_replayed_by_way_of_the_operator(release: Stage) -> None:
    """Another operator is known to the cluster, and has no pod now: it is passed over."""
    release.apply()
    release.reaches("Completed", limit=240)
    replayed = release.ramp("replay", "ramp/ramp", "-o", "json")
    assert replayed.returncode == 0, replayed.stderr
    told = json.loads(replayed.stdout)
    assert told["differences"] == []
    assert told["looks"] > 5
