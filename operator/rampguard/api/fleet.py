"""ReplicaSets and pods of one Deployment become its fleet."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from rampguard.api.entries import entry_that_counts
from rampguard.api.raw import Json, instant, items, named, number, part, saying, text
from rampguard.api.rollout import caught_up, desired, seconds
from rampguard.core.ask import EnvName
from rampguard.core.pods import Fleet, Pod

HASH_LABEL = "pod-template-hash"
OVER = frozenset({"Succeeded", "Failed"})
STARTING = frozenset({"ContainerCreating", "PodInitializing"})


def to_pods(
    deployment: Json,
    replicasets: Collection[Json],
    pods: Collection[Json],
    container: str,
    env: EnvName,
) -> Fleet:
    """Return the pods of a Deployment that may serve.

    replicasets, pods: what its selector finds, read after the Deployment. A pod belongs to it
    through its ReplicaSet's controller. One whose ReplicaSet is not found counts as well, and so
    does one that was let loose: made since, or left behind, it may serve.
    """
    uid = _uid(deployment)
    ours = {_uid(rs): rs for rs in replicasets if uid and _controller(rs).get("uid") == uid}
    foreign = {_uid(rs) for rs in replicasets} - set(ours)
    current = _current(deployment, ours.values())
    return Fleet(
        desired=desired(deployment),
        pods=tuple(
            _pod(pod, container, env, current=_controller(pod).get("uid") == current)
            for pod in pods
            if _belongs(pod, deployment, ours, foreign) and not _is_over(pod)
        ),
        settled=current is not None and caught_up(deployment),
        min_ready=seconds(part(deployment, "spec").get("minReadySeconds")),
        not_created=_not_created(deployment),
    )


def is_ready(pod: Json) -> bool:
    """Say whether a pod serves now."""
    return _conditions(pod).get("Ready", {}).get("status") == "True"


def started_at(pod: Json) -> datetime | None:
    """Return when the kubelet took a pod; None: it has not yet."""
    return instant(part(pod, "status").get("startTime"))


def _current(deployment: Json, replicasets: Collection[Json]) -> str | None:
    """Return the uid of the ReplicaSet with the Deployment's own template; None: none yet.

    The rule of the Deployment controller itself: equal templates, of several the oldest. The
    revision annotations are written after that, and nothing guards them.
    """
    wanted = part(deployment, "spec", "template")
    same = [rs for rs in replicasets if _without_hash(part(rs, "spec", "template")) == wanted]
    oldest = min(same, key=_age, default=None)
    return None if oldest is None else _uid(oldest)


def _age(replicaset: Json) -> tuple[str, str]:
    metadata = part(replicaset, "metadata")
    return text(metadata.get("creationTimestamp")), text(metadata.get("name"))


def _without_hash(template: Json) -> Json:
    labels = part(template, "metadata", "labels")
    if HASH_LABEL not in labels:
        return template
    kept = {key: value for key, value in labels.items() if key != HASH_LABEL}
    return {**template, "metadata": {**part(template, "metadata"), "labels": kept}}


def _belongs(pod: Json, deployment: Json, ours: Collection[str], foreign: Collection[str]) -> bool:
    """Say whether a pod is of the Deployment, or was made by a ReplicaSet of its kind of name."""
    owner = _controller(pod)
    if text(owner.get("uid")) in ours:
        return True
    if owner and (owner.get("kind") != "ReplicaSet" or text(owner.get("uid")) in foreign):
        return False
    made_by = text(owner.get("name")) or text(part(pod, "metadata").get("generateName"))[:-1]
    name = text(part(deployment, "metadata").get("name"))
    return re.fullmatch(f"{re.escape(name)}-[a-z0-9]+", made_by) is not None


def _controller(owned: Json) -> Json:
    """Return the owner reference that controls an object; {} where none does."""
    owners = items(part(owned, "metadata").get("ownerReferences"))
    return next((owner for owner in owners if owner.get("controller") is True), {})


def _uid(owned: Json) -> str:
    return text(part(owned, "metadata").get("uid"))


def _is_over(pod: Json) -> bool:
    return text(part(pod, "status").get("phase")) in OVER


def _pod(pod: Json, container: str, env: EnvName, *, current: bool) -> Pod:
    conditions = _conditions(pod)
    ready = conditions.get("Ready", {})
    metadata = part(pod, "metadata")
    return Pod(
        name=text(metadata.get("name")),
        current=current,
        runs=entry_that_counts(named(part(pod, "spec").get("containers"), container), env),
        ready=ready.get("status") == "True",
        since=instant(ready.get("lastTransitionTime")),
        deleting=metadata.get("deletionTimestamp") is not None,
        trouble=_trouble(pod, conditions),
    )


def _trouble(pod: Json, conditions: Mapping[str, Json]) -> str:
    """Say what the node, the scheduler or the kubelet report to be wrong; empty: nothing."""
    status = part(pod, "status")
    ready = conditions.get("Ready", {}).get("status")
    disrupted = conditions.get("DisruptionTarget", {})
    scheduled = conditions.get("PodScheduled", {})
    if status.get("reason") == "NodeLost" or ready == "Unknown":
        return "node lost"
    if disrupted.get("status") == "True":
        return saying(disrupted.get("reason"))
    if ready == "True":
        return ""
    if scheduled.get("status") == "False":
        words = (saying(scheduled.get(key)) for key in ("reason", "message"))
        return ": ".join(("Pending", *(word for word in words if word)))
    return next(_stopped(status), "Pending" if status.get("phase") == "Pending" else "")


def _stopped(status: Json) -> Iterator[str]:
    """Yield why containers do not run, a failure before a mere start."""
    kinds = ("initContainerStatuses", "containerStatuses")
    states = (part(c, "state") for kind in kinds for c in items(status.get(kind)))
    yield from sorted(filter(None, map(_state, states)), key=lambda said: said in STARTING)


def _state(state: Json) -> str:
    if waiting := part(state, "waiting"):
        return saying(waiting.get("reason")) or "waiting"
    ended = part(state, "terminated")
    if not ended or number(ended.get("exitCode"), -1) == 0:
        return ""  # an init container that is done has ended well
    code = number(ended.get("exitCode"), -1)
    return f"{saying(ended.get('reason')) or 'terminated'} (exit code {code})"


def _conditions(seen: Json) -> dict[str, Json]:
    return {text(c.get("type")): c for c in items(part(seen, "status").get("conditions"))}


def _not_created(deployment: Json) -> str:
    failure = _conditions(deployment).get("ReplicaFailure", {})
    return saying(failure.get("message")) if failure.get("status") == "True" else ""
