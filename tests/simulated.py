"""The manifest that fits the pasts."""

from pathlib import Path
from typing import Any

import yaml

MANIFEST: dict[str, Any] = {
    "apiVersion": "rampguard.dev/v1alpha1",
    "kind": "ExperimentRamp",
    "metadata": {"name": "tree-50", "namespace": "app"},
    "spec": {
        "experiment": "tree",
        "env": "ROLLOUT",
        "targets": [{"name": "api"}, {"name": "worker"}],
        "from": 10,
        "to": 50,
        "arms": {"control": "tree", "treatment": "list"},
        "metrics": {"assignments": "assignments_total"},
        "guardrails": [
            {"name": "exposure-balance", "type": "ExposureBalance", "tolerance": 5},
            {
                "name": "session-starts",
                "type": "RelativeDrop",
                "tolerance": 5,
                "metric": "starts_total",
            },
            {
                "name": "errors-5xx",
                "type": "ErrorRate",
                "tolerance": 20,
                "metric": "errors_total",
                "requests": "requests_total",
            },
        ],
    },
}


def write_manifest(folder: Path) -> Path:
    path = folder / "ramp.yaml"
    path.write_text(yaml.safe_dump(MANIFEST, sort_keys=False), encoding="utf-8")
    return path
