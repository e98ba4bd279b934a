"""`retry` prints the same ramp under a new name, and applies nothing."""

from typing import Any

import pytest
import yaml

import cli_ramps
from rampguard.api.v1alpha1 import to_ask
from rampguard.cli.retry import manifest, next_name

SCENES = cli_ramps.SCENES


def test_the_manifest_asks_the_same_under_the_next_name(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", "tree-50", out=SCENES["rolled-back"]).on("get", out={"items": []})
    said = ramp("retry", "tree-50")
    told = yaml.safe_load(said.out)
    assert (said.code, said.err) == (0, "")
    assert told["metadata"] == {"name": "tree-50-r2", "namespace": "app"}
    assert to_ask(told).to == to_ask(SCENES["rolled-back"]).to
    assert {call[0] for call in kubectl.calls()} == {"get"}


def test_an_override_is_not_repeated() -> None:
    require = {"noFiringAlerts": 'severity="sev1"', "override": {"by": "@mia", "reason": "known"}}
    told = manifest(cli_ramps.manifest({"require": require}), ())
    assert told["spec"]["require"] == {"noFiringAlerts": 'severity="sev1"'}


def test_requests_and_the_marks_of_others_stay_behind() -> None:
    ramp = cli_ramps.manifest(
        {"abort": "Rollback", "approve": "breach", "paused": True},
        labels={"team": "calc", "app.kubernetes.io/instance": "shop"},
        annotations={
            "note": "kept",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "argocd.argoproj.io/tracking-id": "x",
            "rampguard.dev/requested-by": "mia",
            "rampguard.dev/force-delete": "true",
        },
    )
    told = manifest(ramp, ())
    assert told["metadata"] == {
        "name": "tree-50-r2",
        "namespace": "app",
        "labels": {"team": "calc"},
        "annotations": {"note": "kept"},
    }
    assert {"abort", "approve", "paused"}.isdisjoint(told["spec"])


NAMES = {
    "tree-50": ("tree-50-r2", ()),
    "tree-50-r2": ("tree-50-r3", ()),
    "tree-50-r9": ("tree-50-r10", ()),
    "tree": ("tree-r4", ("tree-r2", "tree-r3")),
    "x" * 63: ("x" * 60 + "-r2", ()),
}


@pytest.mark.parametrize(("name", "told"), NAMES.items(), ids=NAMES)
def test_the_next_name_is_free_and_valid(name: str, told: tuple[str, tuple[str, ...]]) -> None:
    expected, taken = told
    assert next_name(name, (name, *taken)) == expected


@pytest.mark.parametrize("scene", ["soaking", "blocked", "completed", "unseen"])
def test_what_is_not_over_or_went_well_is_not_retried(scene: str, kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", out=SCENES[scene])
    said = ramp("retry", "tree-50")
    assert (said.code, said.out) == (1, "")


def test_a_share_that_was_kept_is_told_as_what_would_block(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", "tree-50", out=SCENES["aborted"]).on("get", out={"items": []})
    said = ramp("retry", "tree-50")
    assert said.code == 0
    assert "api was last seen at 50, and the ramp begins at 10" in said.err
