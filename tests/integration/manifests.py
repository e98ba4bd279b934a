"""One valid manifest with every field, and small changes to it."""

import copy
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Change = Callable[[Json], None]
VALID: Json = {
    "apiVersion": "rampguard.dev/v1alpha1",
    "kind": "ExperimentRamp",
    "metadata": {"name": "tree-50"},
    "spec": {
        "experiment": "tree",
        "env": "SKILL_TREE_LIST_ROLLOUT",
        "targets": [{"name": "api", "container": "app"}, {"name": "worker", "minPods": 0}],
        "from": 10,
        "fromAbsent": False,
        "to": 50,
        "steps": [20, 30],
        "stepSoak": "30m",
        "soak": "6h",
        "findings": ["1h", "6h"],
        "proofTimeout": "15m",
        "arms": {"control": "tree", "treatment": "list"},
        "metrics": {
            "source": "default",
            "armLabel": "variant",
            "assignments": 'assignments_total{experiment="tree",source=~"new|first"}',
        },
        "probe": {
            "service": "api",
            "port": 8080,
            "path": "/tree?skill=a",
            "scheme": "HTTPS",
            "arm": {"header": "X-Arm", "cookie": "arm", "json": "experiment.variant"},
            "value": {"json": "experiment.rollout"},
            "identity": {"header": "X-Request-ID"},
            "headersFrom": "api-probe",
            "users": 100,
            "rate": 50,
        },
        "analytics": {"source": "events", "after": "20m"},
        "guardrails": [
            {"name": "share", "type": "ExposureBalance", "tolerance": 5},
            {
                "name": "p95",
                "type": "Threshold",
                "query": "histogram_quantile(0.95, sum by (le) (rate(seconds_bucket[5m])))",
                "max": "0.8",
                "min": "-1.5",
                "for": "10m",
                "dryRun": True,
            },
            {
                "name": "starts",
                "type": "RelativeDrop",
                "tolerance": 5,
                "metric": 'starts_total{experiment="tree",source=~"new|first"}',
                "oncePerUser": False,
            },
            {
                "name": "errors",
                "type": "ErrorRate",
                "tolerance": 20,
                "metric": 'requests_total{path="/tree",status=~"5.."}',
                "requests": 'requests_total{path="/tree"}',
                "killSwitch": 5,
            },
        ],
        "alpha": "0.01",
        "alphaWithinTolerance": "0.10",
        "noData": "Hold",
        "maxBlind": "10m",
        "maxHold": "2h",
        "onFailure": "Rollback",
        "onUnattributable": "Hold",
        "onDelete": "Rollback",
        "gitops": {"policy": "Enforce"},
        "owner": "@mia",
        "window": {"notBefore": "2026-11-23T09:00:00Z", "notAfter": "2026-11-23T16:00:00+01:00"},
        "require": {
            "smokeTest": {"ramp": "tree-10", "maxAge": "336h", "requireConclusive": True},
            "noFiringAlerts": 'severity=~"sev1|sev2", service="skills"',
            "noOpenIncidents": {"check": "pager"},
            "announced": True,
            "override": {"by": "@mia", "reason": "alert X is known, INC-12"},
        },
        "notify": [
            {"channel": "team", "events": ["RampSucceeded", "Blocked"]},
            {"channel": "mail"},
        ],
        "decision": {"analysisWindow": "2026-11-24 to 2026-12-01", "goNoGo": "2026-12-02"},
        "gates": ["Start", "EachStep"],
        "paused": False,
        "approve": "start",
    },
}


def changed(*changes: Change) -> Json:
    """Return the valid manifest after some changes."""
    manifest = copy.deepcopy(VALID)
    for change in changes:
        change(manifest)
    return manifest


def put(path: str, value: Any) -> Change:
    """Return the change that sets the field at a path such as targets.0.name, below spec."""

    def change(manifest: Json) -> None:
        holder, last = _holder(manifest, path)
        holder[last] = value

    return change


def drop(path: str) -> Change:
    """Return the change that takes a field away."""

    def change(manifest: Json) -> None:
        holder, last = _holder(manifest, path)
        del holder[last]

    return change


def _holder(manifest: Json, path: str) -> tuple[Any, Any]:
    """Return what holds a field, and its key there; a path that begins with / is not below spec."""
    *way, last = (int(step) if step.isdigit() else step for step in path.strip("/").split("."))
    holder: Any = manifest if path.startswith("/") else manifest["spec"]
    for step in way:
        holder = holder[step]
    return holder, last
