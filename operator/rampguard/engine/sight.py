"""What one pass sees: the observation, and the raw objects that it was made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rampguard.api.fleet import is_ready, started_at
from rampguard.api.selector import is_controlled, label_selector
from rampguard.core.model import Observation
from rampguard.engine.counters import Pods
from rampguard.ports import Json


@dataclass(frozen=True, slots=True)
class Owned:
    """What stands under the selector of one Deployment."""

    replicasets: tuple[Json, ...]
    pods: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """deployments and owned: by the Deployment's name, as read in this pass.

    unfenced: the API server's words about each target that it refused to let us stamp.
    """

    seen: Observation
    deployments: Mapping[str, Json] = field(default_factory=dict)
    owned: Mapping[str, Owned] = field(default_factory=dict)
    unfenced: Mapping[str, str] = field(default_factory=dict)

    @property
    def selectors(self) -> frozenset[str]:
        """Return the selectors of all targets' pods."""
        return frozenset(label_selector(one) for one in self.deployments.values())

    @property
    def asked(self) -> tuple[Json, ...]:
        """Return the pods that the probe may ask: Ready ones of a target, and staying."""
        return tuple(
            pod
            for pod in self._ours(self._families)
            if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
        )

    @property
    def counted(self) -> Pods:
        """Return whose metrics count: every pod of a target, also a past one, and nobody else's."""
        families = self._families
        ours = self._ours(families)
        return Pods(
            families,
            frozenset(pod["metadata"]["name"] for pod in ours if is_ready(pod)),
            {pod["metadata"]["name"]: at for pod in ours if (at := started_at(pod))},
        )

    @property
    def _families(self) -> frozenset[str]:
        return frozenset(
            rs["metadata"]["name"]
            for name, one in self.owned.items()
            for rs in one.replicasets
            if is_controlled(rs, self.deployments[name])
        )

    def _ours(self, families: frozenset[str]) -> tuple[Json, ...]:
        every = Pods(families)
        return tuple(
            pod
            for one in self.owned.values()
            for pod in one.pods
            if every.has(pod["metadata"]["name"])
        )
