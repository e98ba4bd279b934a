"""The counters of both tiers. Every child exists with 0 from the start.

A counter that appears with its first event hides that event: Prometheus never saw the 0 before it.
"""

from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from skilltree.assignment import EXPERIMENT, Arm, Source

TREE_PATH = "/api/v1/skills/tree"
SESSIONS_PATH = "/api/v1/sessions"
UNKNOWN = "unknown"  # the variant of a request that ended before the user had one
STATUSES = ("200", "201", "400", "404", "405", "422", "500", "503")


class ApiMetrics:
    """What the API counts, in a registry of its own."""

    def __init__(self, rollout: int) -> None:
        self.registry = CollectorRegistry()
        self.assignments = self._by_source(
            "experiment_assignments", "Answers that gave a user an arm, or repeated it."
        )
        self.sessions = self._by_source(
            "session_started_from_tree", "Sessions started, by the arm that the user has."
        )
        self.requests = Counter(
            "http_requests",
            "Requests of the endpoints of users.",
            ("path", "status", "variant"),
            registry=self.registry,
        )
        for labels in product((TREE_PATH, SESSIONS_PATH), STATUSES, (*Arm, UNKNOWN)):
            self.requests.labels(*labels)
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "Seconds that requests of the endpoints of users took.",
            ("path",),
            registry=self.registry,
        )
        for path in (TREE_PATH, SESSIONS_PATH):
            self.seconds.labels(path)
        self.jobs_dropped = Counter(
            "jobs_dropped", "Jobs that never reached a worker.", registry=self.registry
        )
        tell_rollout(self.registry, rollout)

    def _by_source(self, name: str, sentence: str) -> Counter:
        labels = ("experiment", "variant", "source")
        counter = Counter(name, sentence, labels, registry=self.registry)
        for arm, source in product(Arm, Source):
            counter.labels(EXPERIMENT, arm, source)
        return counter


class WorkerMetrics:
    """What the worker counts. rollout: does the job come from an API at the same rollout?"""

    def __init__(self, rollout: int) -> None:
        self.registry = CollectorRegistry()
        self.jobs = Counter(
            "worker_jobs",
            "Jobs done, by the arm of their user.",
            ("experiment", "variant", "rollout"),
            registry=self.registry,
        )
        for arm, rollout_is in product(Arm, ("same", "other")):
            self.jobs.labels(EXPERIMENT, arm, rollout_is)
        tell_rollout(self.registry, rollout)


def tell_rollout(registry: CollectorRegistry, rollout: int) -> None:
    """Export the rollout that this process runs."""
    gauge = Gauge(
        "experiment_rollout_percent",
        "The share of new users in treatment that this process read at its start.",
        ("experiment",),
        registry=registry,
    )
    gauge.labels(EXPERIMENT).set(rollout)
