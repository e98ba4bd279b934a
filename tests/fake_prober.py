"""Pods that answer the probe by the value that they run."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from fake_cluster import FakeCluster
from fake_fields import Json
from rampguard.core.probe import Probe, Reply
from rampguard.ports import Door, Resource, Unavailable

ENV = "SKILL_TREE_LIST_ROLLOUT"
ASKED: dict[str, object] = {  # spec.probe
    "service": "api",
    "port": 8080,
    "path": "/tree",
    "arm": {"header": "X-Arm", "cookie": "arm"},
    "value": {"json": "rollout"},
    "identity": {"header": "X-Request-ID"},
    "users": 100,
    "rate": 100,
}
Answer = Callable[[str, int], Reply | str]  # of a user, by the value of the pod


def bucket(user: str) -> int:
    """Return the bucket of a user, 0 to 99."""
    return int.from_bytes(hashlib.sha256(user.encode()).digest()[:8], "big") % 100


def right(user: str, value: int) -> Reply:
    """Answer as an app should."""
    return said("list" if bucket(user) < value else "tree", value)


def said(arm: str, value: int) -> Reply:
    return Reply((arm, arm), str(value))


def service(name: str = "api", port: int = 8080, target: object = 8080) -> Json:
    """Return the Service of a Deployment's pods."""
    return {
        "metadata": {"name": name, "namespace": "app"},
        "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": target}]},
    }


@dataclass
class FakeProber:
    """Implements ports.Prober. answer: a text is why there is none; doors: who was asked, where."""

    cluster: FakeCluster
    answer: Answer = right
    doors: list[tuple[Door, str]] = field(default_factory=list)

    async def ask(self, probe: Probe, door: Door, user: str, uid: str) -> Reply:
        self.doors.append((door, user))
        pods = self.cluster.server.objects[Resource.PODS].values()
        found = [pod for pod in pods if pod["status"].get("podIP") == door.address]
        if not found:
            raise Unavailable("no answer within 5 s")
        (entry,) = (one for one in found[0]["spec"]["containers"][0]["env"] if one["name"] == ENV)
        told = self.answer(user, int(entry["value"]))
        if isinstance(told, str):
            raise Unavailable(told)
        return told
