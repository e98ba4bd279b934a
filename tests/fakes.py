"""Every fake, and builders of the objects that they hold.

cluster = FakeCluster()                       # one process, its server, controllers, clock
cluster.put(Resource.DEPLOYMENTS, deployment())
cluster.rollouts.settle()                     # its pods are Ready
cluster.clock.advance(timedelta(minutes=5))   # controllers move as time passes
cluster.crash_after(7, answer_lost=True)      # Killed; go on with cluster.another()
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from fake_checks import FakeChecks
from fake_clock import NOON, FakeClock
from fake_cluster import Call, FakeCluster, Killed, refused
from fake_fields import Json
from fake_metrics import FakeMetrics, Mood, Traffic
from fake_rollouts import Behaviour, FakeRollouts
from fake_server import FakeServer, env_of
from rampguard.core.ask import Ref

__all__ = [
    "ENV",
    "NOON",
    "Behaviour",
    "Call",
    "FakeChecks",
    "FakeClock",
    "FakeCluster",
    "FakeMetrics",
    "FakeRollouts",
    "FakeServer",
    "FakeTelemetry",
    "Json",
    "Killed",
    "Mood",
    "Traffic",
    "deployment",
    "env_of",
    "ramp",
    "refused",
]

ENV = "SKILL_TREE_LIST_ROLLOUT"


@dataclass
class FakeTelemetry:
    """Implements ports.Telemetry; keeps what it is told."""

    lines: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)
    ramps: dict[Ref, Mapping[str, Any]] = field(default_factory=dict)
    passes: list[tuple[str, float]] = field(default_factory=list)
    queue: tuple[int, int, timedelta] = (0, 0, timedelta(0))

    def log(self, level: str, message: str, **facts: object) -> None:
        self.lines.append((level, message, facts))

    def show_ramp(self, ref: Ref, figures: Mapping[str, Any]) -> None:
        self.ramps[ref] = figures

    def forget_ramp(self, ref: Ref) -> None:
        self.ramps.pop(ref, None)

    def count_pass(self, result: str, seconds: float) -> None:
        self.passes.append((result, seconds))

    def set_queue(self, queued: int, running: int, overdue: timedelta) -> None:
        self.queue = (queued, running, overdue)


def deployment(  # every knob has a default
    name: str = "api",
    *,
    namespace: str = "app",
    env: Mapping[str, str] | None = None,
    replicas: int = 3,
    container: str | None = None,
    spec: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Json:
    """Return a Deployment as a person writes it; env None: the share is 10."""
    entries = {"LOG_LEVEL": "info", ENV: "10"} if env is None else env
    listed = [{"name": key, "value": value} for key, value in entries.items()]
    labels = {"app": name}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            **({"annotations": dict(annotations)} if annotations else {}),
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [
                        {"name": container or name, "image": "app:1", "env": listed},
                    ]
                },
            },
            **(spec or {}),
        },
    }


def ramp(name: str = "skill-tree-layout-50", *, namespace: str = "app", **spec: Any) -> Json:
    """Return the manifest of a ramp 10 -> 50 of api; spec overrides, None leaves out."""
    asked = {
        "experiment": "skill_tree_layout",
        "env": ENV,
        "targets": [{"name": "api"}],
        "from": 10,
        "to": 50,
        "soak": "10m",
        "arms": {"control": "tree", "treatment": "list"},
        "metrics": {
            "assignments": (
                'experiment_assignments_total{experiment="skill_tree_layout",source="assignment"}'
            )
        },
        "guardrails": [{"name": "exposure-balance", "type": "ExposureBalance", "tolerance": 5}],
    }
    asked |= {key.removesuffix("_"): value for key, value in spec.items()}  # from_=10
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {key: value for key, value in asked.items() if value is not None},
        "status": {"observedGeneration": -1},
    }
