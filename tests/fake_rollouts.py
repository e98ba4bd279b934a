"""Deployment controller, scheduler and kubelet of the fake cluster, one move a step."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from fake_clock import stamp
from fake_fields import Json, with_annotations
from fake_server import FakeServer, at
from rampguard.core.ask import Ref
from rampguard.ports import Resource

REVISION = "deployment.kubernetes.io/revision"
SECOND = timedelta(seconds=1)


@dataclass
class Behaviour:
    """How the pods of a Deployment behave; tests change it while time passes.

    crashing: (variable, value) on which a pod never gets Ready. most: pods that the quota allows.
    """

    start: timedelta = 2 * SECOND
    stop: timedelta = SECOND
    crashing: set[tuple[str, str]] = field(default_factory=set)
    unschedulable: bool = False
    no_image: bool = False
    never_stops: bool = False
    asleep: bool = False  # the Deployment controller does nothing
    most: int | None = None
    lost: set[str] = field(default_factory=set)  # pods whose node is gone, by name


class FakeRollouts:
    """Moves every Deployment towards what it wants, once for each `pace` of the clock."""

    def __init__(self, server: FakeServer, *, pace: timedelta = SECOND) -> None:
        self.behaviour: dict[str, Behaviour] = {}
        self._server = server
        self._pace = pace
        self._next = server.clock.now()
        self._restless: set[Ref] = set()
        self._made = 0
        server.clock.followers.append(self)
        server.written.append(self._written)

    def of(self, name: str) -> Behaviour:
        """Return the behaviour of a Deployment's pods, to be changed."""
        return self.behaviour.setdefault(name, Behaviour())

    def step(self) -> bool:
        """Make one move for each Deployment that is not at rest; say whether anything moved."""
        moved = False
        for ref in sorted(self._restless, key=str):
            if self._move(ref):
                moved = True
            elif not self._waits(ref):
                self._restless.discard(ref)
        return moved

    def settle(self) -> None:
        """Let time pass until nothing moves; at most ten minutes."""
        for _ in range(600):
            if not self._restless:
                return
            self._server.clock.advance(self._pace)

    def wake(self) -> None:
        """Look at every Deployment again, as after a change of its behaviour."""
        for ref in self._server.objects[Resource.DEPLOYMENTS]:
            self._stir(ref)

    def due(self) -> datetime | None:
        return self._next if self._restless else None

    def tick(self, now: datetime) -> None:
        self._next = now + self._pace
        self.step()

    def _written(self, resource: Resource, ref: Ref) -> None:
        if resource is Resource.DEPLOYMENTS:
            self._stir(ref)
        elif resource in {Resource.PODS, Resource.REPLICASETS}:
            name = ref.name.rsplit("-", 2 if resource is Resource.PODS else 1)[0]
            self._stir(Ref(ref.namespace, name))

    def _stir(self, ref: Ref) -> None:
        if not self._restless:
            self._next = self._server.clock.now() + self._pace
        self._restless.add(ref)

    def _waits(self, ref: Ref) -> bool:
        """Say whether time alone will move a Deployment."""
        behaviour = self.of(ref.name)
        return any(
            (_leaves(pod) and not behaviour.never_stops)
            or (not _ready(pod) and not self._hindered(behaviour, pod))
            for pod in self._pods(ref)
        )

    # --- one Deployment ---

    def _move(self, ref: Ref) -> bool:
        before = self._server.version
        deployment = self._server.objects[Resource.DEPLOYMENTS].get(ref)
        self._kubelet(ref)
        if deployment is None:
            self._collect(ref)
        elif not self.of(ref.name).asleep:
            self._control(ref, deployment)
        return self._server.version != before

    def _collect(self, ref: Ref) -> None:
        """Garbage collection: what a deleted Deployment made goes, too."""
        for replicaset in self._replicasets(ref):
            self._server.vanish(Resource.REPLICASETS, _ref(replicaset))
        for pod in self._pods(ref):
            self._stop(pod)

    def _control(self, ref: Ref, deployment: Json) -> None:
        current = next((r for r in self._replicasets(ref) if _is_of(r, deployment)), None)
        paused = deployment["spec"].get("paused", False)
        if current is None and not paused:
            current = self._replicaset(deployment)
        if current is not None:
            self._revise(ref, current)
            self._scale(ref, current, paused=paused)
        self._report(ref, current)
        self._clean_up(ref, deployment, current)

    def _clean_up(self, ref: Ref, deployment: Json, current: Json | None) -> None:
        """Forget the oldest ReplicaSets beyond revisionHistoryLimit."""
        every = self._replicasets(ref)
        most = deployment["spec"].get("revisionHistoryLimit", 10)
        if len(every) <= most + 1:
            return
        used = {_made_by(pod) for pod in self._pods(ref)} | {current and current["metadata"]["uid"]}
        idle = [r for r in every if r["metadata"]["uid"] not in used]
        for replicaset in sorted(idle, key=_revision)[: len(every) - most - 1]:
            self._server.vanish(Resource.REPLICASETS, _ref(replicaset))

    def _replicaset(self, deployment: Json) -> Json:
        template = deployment["spec"]["template"]
        digest = sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        metadata = deployment["metadata"]
        labels = template["metadata"].get("labels", {}) | {"pod-template-hash": digest}
        made = {
            "metadata": {
                "name": f"{metadata['name']}-{digest}",
                "namespace": metadata["namespace"],
                "labels": labels,
                "ownerReferences": [_owner(deployment)],
            },
            "spec": {
                "replicas": 0,
                "template": {
                    **template,
                    "metadata": {**template["metadata"], "labels": labels},
                },
            },
        }
        return self._server.put(Resource.REPLICASETS, made, manager="kube-controller-manager")

    def _revise(self, ref: Ref, current: Json) -> None:
        """Give the current ReplicaSet the highest revision, and the Deployment the same."""
        every = {_revision(r): r for r in self._replicasets(ref)}
        latest = max(every)
        revision = latest if every[latest] is current and latest else latest + 1
        told = {REVISION: str(revision)}
        self._server.write_as_controller(
            Resource.REPLICASETS, _ref(current), with_annotations(current, told)
        )
        deployment = self._server.get(Resource.DEPLOYMENTS, ref)
        self._server.write_as_controller(
            Resource.DEPLOYMENTS, ref, with_annotations(deployment, told)
        )

    def _scale(self, ref: Ref, current: Json, *, paused: bool) -> None:
        deployment = self._server.get(Resource.DEPLOYMENTS, ref)
        wanted = deployment["spec"].get("replicas", 1)
        uid = current["metadata"]["uid"]
        pods = [p for p in self._pods(ref) if not _leaves(p)]
        new = [p for p in pods if _made_by(p) == uid]
        old = sorted((p for p in pods if _made_by(p) != uid), key=_ready)
        if paused:
            old = []
        surge, missing_ok, recreate = _strategy(deployment, wanted)
        for pod in sorted(new, key=_ready)[: max(len(new) - wanted, 0)]:
            self._stop(pod)
        room = (
            wanted - len(new)
            if not recreate
            else (wanted - len(new)) * (not self._any_old(ref, uid))
        )
        if not recreate:
            room = min(room, wanted + surge - len(pods))
        for _ in range(max(room, 0)):
            self._start(ref, current)
        available = sum(map(_ready, pods))
        for pod in old:
            if recreate or not _ready(pod):
                self._stop(pod)
            elif available > wanted - missing_ok:
                available -= 1
                self._stop(pod)

    def _any_old(self, ref: Ref, uid: str) -> bool:
        return any(_made_by(p) != uid for p in self._pods(ref))

    def _report(self, ref: Ref, current: Json | None) -> None:
        deployment = self._server.get(Resource.DEPLOYMENTS, ref)
        pods = [p for p in self._pods(ref) if not _leaves(p)]
        uid = current["metadata"]["uid"] if current else None
        new = [p for p in pods if _made_by(p) == uid]
        ready = sum(map(_ready, pods))
        wanted = deployment["spec"].get("replicas", 1)
        short = current is not None and self._full(ref) and len(new) < wanted
        failure = {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": "pods is forbidden: exceeded quota: pods",
        }
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(pods),
            "updatedReplicas": len(new),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "conditions": [failure] if short else [],
        }
        self._server.write_as_controller(
            Resource.DEPLOYMENTS, ref, {**deployment, "status": status}
        )

    # --- pods ---

    def _start(self, ref: Ref, replicaset: Json) -> None:
        if self._full(ref):
            return
        metadata = replicaset["metadata"]
        self._made += 1
        template = replicaset["spec"]["template"]
        pod = {
            "metadata": {
                "name": f"{metadata['name']}-{self._made:05}",
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "labels": template["metadata"]["labels"],
                "ownerReferences": [_owner(replicaset)],
            },
            "spec": template["spec"],
            "status": {
                "phase": "Pending",
                "conditions": [],
                "podIP": f"10.1.{self._made // 250}.{self._made % 250 + 1}",
            },
        }
        self._server.put(Resource.PODS, pod, manager="kube-controller-manager")

    def _full(self, ref: Ref) -> bool:
        most = self.of(ref.name).most
        return most is not None and len(list(self._pods(ref))) >= most

    def _stop(self, pod: Json) -> None:
        if not _leaves(pod):
            self._server.delete(Resource.PODS, _ref(pod))

    def _kubelet(self, ref: Ref) -> None:
        behaviour, now = self.of(ref.name), self._server.clock.now()
        for pod in list(self._pods(ref)):
            if _leaves(pod):
                stopped = at(pod["metadata"]["deletionTimestamp"]) + behaviour.stop <= now
                lost = pod["metadata"]["name"] in behaviour.lost
                if stopped and not behaviour.never_stops and not lost:
                    self._server.vanish(Resource.PODS, _ref(pod))
                continue
            status = self._status(behaviour, pod, now)
            if status != pod["status"]:
                self._server.write_as_controller(
                    Resource.PODS, _ref(pod), {**pod, "status": status}
                )

    def _hindered(self, behaviour: Behaviour, pod: Json) -> bool:
        return (
            behaviour.unschedulable
            or behaviour.no_image
            or pod["metadata"]["name"] in behaviour.lost
            or _crashes(behaviour, pod)
        )

    def _status(self, behaviour: Behaviour, pod: Json, now: datetime) -> Json:
        was = pod["status"]
        if pod["metadata"]["name"] in behaviour.lost:
            return _with_ready(was, "Unknown", now)
        if _ready(pod) and not _crashes(behaviour, pod):
            return was
        scheduled = {"type": "PodScheduled", "status": "True"}
        if behaviour.unschedulable and not was.get("containerStatuses"):
            scheduled |= {"status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
            return _with_ready({"phase": "Pending", "conditions": [scheduled]}, "False", now, was)
        begun = at(pod["metadata"]["creationTimestamp"])
        ready = begun + behaviour.start <= now and not self._hindered(behaviour, pod)
        if ready:
            state = {"running": {"startedAt": stamp(now)}}
        elif behaviour.no_image:
            state = {"waiting": {"reason": "ImagePullBackOff"}}
        elif _crashes(behaviour, pod):
            state = {"waiting": {"reason": "CrashLoopBackOff"}}
        else:
            state = {"waiting": {"reason": "ContainerCreating"}}
        status = {
            "phase": "Running" if ready or _crashes(behaviour, pod) else "Pending",
            "startTime": pod["metadata"]["creationTimestamp"],
            "podIP": was.get("podIP", ""),
            "conditions": [scheduled],
            "containerStatuses": [{"name": c["name"], "state": state} for c in _containers(pod)],
        }
        return _with_ready(status, "True" if ready else "False", now, was)

    def _pods(self, ref: Ref) -> Iterator[Json]:
        ours = {r["metadata"]["uid"] for r in self._replicasets(ref)}
        for pod in list(self._server.objects[Resource.PODS].values()):
            named = pod["metadata"]["name"].rsplit("-", 2)[0] == ref.name
            if pod["metadata"]["namespace"] == ref.namespace and (_made_by(pod) in ours or named):
                yield pod

    def _replicasets(self, ref: Ref) -> list[Json]:
        return [
            r
            for r in self._server.objects[Resource.REPLICASETS].values()
            if r["metadata"]["namespace"] == ref.namespace
            and r["metadata"]["ownerReferences"][0]["name"] == ref.name
        ]


def _with_ready(status: Json, ready: str, now: datetime, was: Json | None = None) -> Json:
    """Return a pod's status with its Ready condition; its time moves on a flip only."""
    before = next((c for c in (was or status)["conditions"] if c["type"] == "Ready"), None)
    since = before["lastTransitionTime"] if before and before["status"] == ready else stamp(now)
    rest = [c for c in status["conditions"] if c["type"] != "Ready"]
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": since}
    return {**status, "conditions": [*rest, condition]}


def _strategy(deployment: Json, wanted: int) -> tuple[int, int, bool]:
    """Return maxSurge, maxUnavailable, and whether all pods go first (Recreate)."""
    strategy = deployment["spec"].get("strategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    surge = rolling.get("maxSurge", math.ceil(wanted / 4))
    missing = rolling.get("maxUnavailable", wanted // 4)
    return surge, missing if surge or missing else 1, strategy.get("type") == "Recreate"


def _crashes(behaviour: Behaviour, pod: Json) -> bool:
    return any(
        (entry["name"], entry.get("value")) in behaviour.crashing
        for container in _containers(pod)
        for entry in container.get("env") or ()
    )


def _containers(pod: Json) -> list[Json]:
    listed: list[Json] = pod["spec"]["containers"]
    return listed


def _is_of(replicaset: Json, deployment: Json) -> bool:
    template = replicaset["spec"]["template"]
    labels = dict(template["metadata"]["labels"])
    labels.pop("pod-template-hash")
    wanted = deployment["spec"]["template"]
    owned = replicaset["metadata"]["ownerReferences"][0]["uid"] == deployment["metadata"]["uid"]
    same = {**template, "metadata": {**template["metadata"], "labels": labels}}
    return bool(owned and same == wanted)


def _revision(replicaset: Json) -> int:
    return int((replicaset["metadata"].get("annotations") or {}).get(REVISION, 0))


def _owner(seen: Json) -> Json:
    return {
        "apiVersion": seen["apiVersion"],
        "kind": seen["kind"],
        "name": seen["metadata"]["name"],
        "uid": seen["metadata"]["uid"],
        "controller": True,
    }


def _made_by(pod: Json) -> str:
    owners = pod["metadata"].get("ownerReferences") or [{"uid": ""}]
    return str(owners[0]["uid"])


def _leaves(pod: Json) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _ready(pod: Json) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])


def _ref(seen: Json) -> Ref:
    return Ref(seen["metadata"]["namespace"], seen["metadata"]["name"])
