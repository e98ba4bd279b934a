"""What the cluster holds becomes what the core knows: Deployments, ReplicaSets and pods.

Total: fields that are missing or of a wrong type read as empty, and never raise.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

from rampguard.api.raw import Json, instant, items, named, number, part, saying, text
from rampguard.api.stamp import read_stamp
from rampguard.core.model import (
    Entry,
    EntryKind,
    EnvName,
    EnvValue,
    Owner,
    Target,
    Workload,
)
from rampguard.core.pods import Fleet, Pod

REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TRACKING_ID = "argocd.argoproj.io/tracking-id"
INSTANCE = "app.kubernetes.io/instance"
ARGO_CD = "argocd-controller"
GITOPS_MANAGERS = frozenset({ARGO_CD, "kustomize-controller", "helm-controller"})
FLUX_LABELS = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")
HASH_LABEL = "pod-template-hash"
ENDLESS = 2**31 - 1  # progressDeadlineSeconds of a Deployment without a deadline
OVER = frozenset({"Succeeded", "Failed"})


def to_workload(deployment: Json, target: Target, env: EnvName) -> Workload:
    """Return one target as it stands; stamp_live, coverage and refused are left to the caller."""
    metadata, spec = part(deployment, "metadata"), part(deployment, "spec")
    container = resolve(deployment, target)
    owners = owners_of(deployment, container, env) if container is not None else ()
    return Workload(
        deployment=text(metadata.get("name")),
        uid=text(metadata.get("uid")),
        version=text(metadata.get("resourceVersion")),
        containers=tuple(_containers(deployment)),
        container=container,
        entry=entry_of(_container(deployment, container), env),
        owners=owners,
        stamp=read_stamp(deployment, container, env) if container is not None else None,
        env_from=tuple(_sources(_container(deployment, container), env)),
        declared_by=_declared_by(deployment, container, env, owners),
        deleting=metadata.get("deletionTimestamp") is not None,
        paused=spec.get("paused") is True,
        rolling_out=_rolling_out(deployment),
        desired=_desired(deployment),
        managed=any(items(metadata.get("managedFields"))),
        progress_deadline=_deadline(spec),
        template=_template_hash(deployment, container, env),
        revision=text(part(metadata, "annotations").get(REVISION)),
        cause=text(part(metadata, "annotations").get(CAUSE)),
    )


def resolve(deployment: Json, target: Target) -> str | None:
    """Return the container that is meant: named, else of the Deployment's own name, else the only.

    None: there is no such container. Init containers are no targets.
    """
    names = tuple(_containers(deployment))
    if target.container is not None:
        return target.container if target.container in names else None
    own = text(part(deployment, "metadata").get("name"))
    if own in names:
        return own
    return names[0] if len(names) == 1 else None


def entry_of(container: Json, env: EnvName) -> Entry:
    """Return how a variable stands in a container; an entry without a value is the literal ""."""
    found = [item for item in items(container.get("env")) if item.get("name") == env]
    if len(found) > 1:
        return Entry(EntryKind.DUPLICATE)
    return _standing(found)


def owners_of(deployment: Json, container: str, env: EnvName) -> tuple[Owner, ...]:
    """Return every field manager that owns the entry of a variable, or its value."""
    return tuple(
        Owner(text(claim.get("manager")), text(claim.get("operation")), "f:value" in fields)
        for claim in items(part(deployment, "metadata").get("managedFields"))
        if (fields := claimed_entries(claim, container).get(env)) is not None
    )


def claimed_containers(claim: Json) -> dict[str, Json]:
    """Return the containers that one entry of managedFields claims a part of, by name."""
    path = ("fieldsV1", "f:spec", "f:template", "f:spec", "f:containers")
    return dict(_keyed(part(claim, *path)))


def claimed_entries(claim: Json, container: str) -> dict[str, Json]:
    """Return the variables of a container that one entry of managedFields claims, by name."""
    return dict(_keyed(part(claimed_containers(claim).get(container), "f:env")))


def to_pods(
    deployment: Json,
    replicasets: Collection[Json],
    pods: Collection[Json],
    container: str,
    env: EnvName,
) -> Fleet:
    """Return the pods of a Deployment that may serve.

    replicasets, pods: what its selector finds, read after the Deployment. A pod belongs to it
    through its ReplicaSet's controller. One whose ReplicaSet is not found, or that lost its owner,
    counts as well: it may have been created since, or left behind, and it serves.
    """
    uid = text(part(deployment, "metadata").get("uid"))
    ours = {_uid(rs): rs for rs in replicasets if uid and _controller(rs).get("uid") == uid}
    foreign = {_uid(rs) for rs in replicasets} - set(ours)
    current = _current(deployment, ours.values())
    return Fleet(
        desired=_desired(deployment),
        pods=tuple(
            _pod(pod, container, env, current=_controller(pod).get("uid") == current)
            for pod in pods
            if _belongs(pod, foreign) and text(part(pod, "status").get("phase")) not in OVER
        ),
        settled=current is not None and _caught_up(deployment),
        min_ready=_seconds(part(deployment, "spec").get("minReadySeconds"), 0),
        not_created=_not_created(deployment),
    )


def _current(deployment: Json, replicasets: Collection[Json]) -> str | None:
    """Return the uid of the ReplicaSet with the Deployment's own template; None: none yet.

    The rule of the Deployment controller itself: equal templates, the oldest of several. The
    revision annotation is written later than that, and by hand too.
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


def _belongs(pod: Json, foreign: Collection[str]) -> bool:
    owner = _controller(pod)
    if not owner:
        return HASH_LABEL in part(pod, "metadata", "labels")
    return owner.get("kind") == "ReplicaSet" and text(owner.get("uid")) not in foreign


def _controller(owned: Json) -> Json:
    """Return the owner reference that controls an object; {} where none does."""
    owners = items(part(owned, "metadata").get("ownerReferences"))
    return next((owner for owner in owners if owner.get("controller") is True), {})


def _uid(owned: Json) -> str:
    return text(part(owned, "metadata").get("uid"))


def _pod(pod: Json, container: str, env: EnvName, *, current: bool) -> Pod:
    conditions = _conditions(pod)
    ready = conditions.get("Ready", {})
    found = named(part(pod, "spec").get("containers"), container).get("env")
    metadata = part(pod, "metadata")
    return Pod(
        name=text(metadata.get("name")),
        current=current,
        runs=_standing([item for item in items(found) if item.get("name") == env][-1:]),
        ready=ready.get("status") == "True",
        since=instant(ready.get("lastTransitionTime")),
        deleting=metadata.get("deletionTimestamp") is not None,
        trouble=_trouble(pod, conditions),
    )


def _trouble(pod: Json, conditions: Mapping[str, Json]) -> str:
    """Say what the node, the scheduler or the kubelet report to be wrong; empty: nothing."""
    status = part(pod, "status")
    ready = conditions.get("Ready", {})
    disrupted = conditions.get("DisruptionTarget", {})
    if status.get("reason") == "NodeLost" or ready.get("status") == "Unknown":
        return "node lost"
    if disrupted.get("status") == "True":
        return saying(disrupted.get("reason"))
    if ready.get("status") == "True":
        return ""
    waiting = next(_waiting(status), "")
    if waiting:
        return waiting
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return _joined("Pending", scheduled.get("reason"), scheduled.get("message"))
    return "Pending" if status.get("phase") == "Pending" else ""


def _waiting(status: Json) -> Iterator[str]:
    """Yield why containers do not run, init containers first, a crash before a mere start."""
    kinds = ("initContainerStatuses", "containerStatuses")
    said = [
        reason
        for kind in kinds
        for container in items(status.get(kind))
        if (reason := _state(container, init=kind == kinds[0]))
    ]
    yield from sorted(said, key=lambda reason: reason in {"ContainerCreating", "PodInitializing"})


def _state(container: Json, *, init: bool) -> str:
    waiting = part(container, "state", "waiting")
    ended = part(container, "state", "terminated")
    if waiting:
        return saying(waiting.get("reason")) or "waiting"
    if ended and not (init and number(ended.get("exitCode"), -1) == 0):
        code = number(ended.get("exitCode"), -1)
        return f"{saying(ended.get('reason')) or 'terminated'} (exit code {code})"
    return ""


def _conditions(seen: Json) -> dict[str, Json]:
    return {text(c.get("type")): c for c in items(part(seen, "status").get("conditions"))}


def _not_created(deployment: Json) -> str:
    failure = _conditions(deployment).get("ReplicaFailure", {})
    return saying(failure.get("message")) if failure.get("status") == "True" else ""


def _joined(*parts: object) -> str:
    return ": ".join(word for each in parts if (word := saying(each)))


def _containers(deployment: Json) -> Iterator[str]:
    listed = part(deployment, "spec", "template", "spec").get("containers")
    yield from (name for c in items(listed) if (name := text(c.get("name"))))


def _container(deployment: Json, name: str | None) -> Json:
    listed = part(deployment, "spec", "template", "spec").get("containers")
    return {} if name is None else named(listed, name)


def _standing(found: list[Json]) -> Entry:
    if not found:
        return Entry(EntryKind.ABSENT)
    (entry,) = found
    if entry.get("valueFrom") is not None:
        return Entry(EntryKind.VALUE_FROM)
    value = entry.get("value")
    return Entry(EntryKind.LITERAL, EnvValue("" if value is None else str(value)))


def _sources(container: Json, env: EnvName) -> Iterator[str]:
    """Yield the envFrom sources that could carry a variable."""
    for source in items(container.get("envFrom")):
        if not env.startswith(text(source.get("prefix"))):
            continue
        for kind, shown in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if name := text(part(source, kind).get("name")):
                yield f"{shown} {name}"


def _declared_by(
    deployment: Json, container: str | None, env: EnvName, owners: Collection[Owner]
) -> str:
    """Say what declares the entry in Git; empty: nothing that can be seen from here."""
    owner = next((o for o in owners if o.manager in GITOPS_MANAGERS), None)
    if owner is not None:
        return f"{owner.manager} owns the entry ({owner.operation})"
    by = _gitops(deployment)
    if by and container is not None and _last_applied(deployment, container, env):
        return f"last-applied-configuration has the entry, under {by}"
    return ""


def _gitops(deployment: Json) -> str:
    """Say what marks a Deployment as kept by Argo CD or Flux; empty: nothing.

    A tracking id that names another object came with a copy. The instance label is Helm's too: it
    counts only where Argo CD has written.
    """
    metadata = part(deployment, "metadata")
    labels, tracking = part(metadata, "labels"), part(metadata, "annotations").get(TRACKING_ID)
    place = f":apps/Deployment:{text(metadata.get('namespace'))}/{text(metadata.get('name'))}"
    if text(tracking).endswith(place):
        return f"Argo CD tracking id {saying(tracking)}"
    claims = items(metadata.get("managedFields"))
    if text(labels.get(INSTANCE)) and any(c.get("manager") == ARGO_CD for c in claims):
        return f"Argo CD label {INSTANCE}={saying(labels[INSTANCE])}"
    flux = next((label for label in FLUX_LABELS if text(labels.get(label))), None)
    return f"Flux label {flux}={saying(labels[flux])}" if flux else ""


def _last_applied(deployment: Json, container: str, env: EnvName) -> bool:
    written = text(part(deployment, "metadata", "annotations").get(LAST_APPLIED))
    try:
        applied = json.loads(written)
    except (ValueError, RecursionError):
        return False
    return entry_of(_container(applied, container), env).kind is not EntryKind.ABSENT


def _rolling_out(deployment: Json) -> bool:
    """Say whether a rollout is under way, by the rule of `kubectl rollout status`."""
    status = part(deployment, "status")
    updated = number(status.get("updatedReplicas"))
    return (
        not _caught_up(deployment)
        or updated < _desired(deployment)
        or number(status.get("replicas")) > updated
        or number(status.get("availableReplicas")) < updated
    )


def _caught_up(deployment: Json) -> bool:
    generation = number(part(deployment, "metadata").get("generation"))
    return number(part(deployment, "status").get("observedGeneration"), -1) >= generation


def _desired(deployment: Json) -> int:
    return max(number(part(deployment, "spec").get("replicas"), 1), 0)


def _deadline(spec: Json) -> timedelta:
    deadline = _seconds(spec.get("progressDeadlineSeconds"), 600)
    return timedelta(0) if deadline >= timedelta(seconds=ENDLESS) else deadline


def _seconds(value: object, default: int) -> timedelta:
    return timedelta(seconds=min(max(number(value, default), 0), ENDLESS))


def _template_hash(deployment: Json, container: str | None, env: EnvName) -> str:
    """Return a hash of the pod template that our own variable does not move."""
    template = part(deployment, "spec", "template")
    spec = part(template, "spec")
    listed = spec.get("containers")
    bare = [_bare(c, env) if c.get("name") == container else c for c in items(listed)]
    rest = {**template, "spec": {**spec, "containers": bare}}
    return sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _bare(container: Json, env: EnvName) -> Json:
    """Return a container without a variable; without env if no other is left."""
    kept = [item for item in items(container.get("env")) if item.get("name") != env]
    rest = {key: value for key, value in container.items() if key != "env"}
    return {**rest, "env": kept} if kept else rest


def _keyed(fields: Json) -> Iterator[tuple[str, Json]]:
    """Yield the members of a claimed list by name: {'k:{"name":"x"}': {...}}."""
    for key, claimed in fields.items():
        if key.startswith("k:") and isinstance(claimed, dict):
            name = _name_of(key)
            if name is not None:
                yield name, claimed


def _name_of(key: str) -> str | None:
    try:
        names: Any = json.loads(key.removeprefix("k:"))
    except (ValueError, RecursionError):
        return None
    name = names.get("name") if isinstance(names, dict) else None
    return name if isinstance(name, str) else None
