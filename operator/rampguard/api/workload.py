"""What the cluster holds becomes what the core knows of one target.

Total: fields that are missing or of a wrong type read as empty, and never raise.
"""

import json
from hashlib import sha256

from rampguard.api.entries import (
    container_of,
    containers_of,
    entry_of,
    owners_of,
    resolve,
    sources_of,
)
from rampguard.api.fleet import to_pods
from rampguard.api.gitops import declared_by
from rampguard.api.raw import Json, items, part, text
from rampguard.api.rollout import desired, progress_deadline, rolling_out
from rampguard.api.stamp import read_stamp
from rampguard.core.ask import EnvName, Target
from rampguard.core.model import Entry, EntryKind, Workload

__all__ = ["to_pods", "to_workload"]

REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"


def to_workload(deployment: Json, target: Target, env: EnvName) -> Workload:
    """Return one target as it stands; stamp_live, coverage and refused are left to the caller."""
    metadata = part(deployment, "metadata")
    annotations = part(metadata, "annotations")
    container = resolve(deployment, target)
    found = container_of(deployment, container)
    owners = owners_of(deployment, container, env) if container is not None else ()
    return Workload(
        deployment=text(metadata.get("name")),
        uid=text(metadata.get("uid")),
        version=text(metadata.get("resourceVersion")),
        containers=containers_of(deployment),
        container=container,
        entry=entry_of(found, env) if container is not None else Entry(EntryKind.ABSENT),
        owners=owners,
        stamp=read_stamp(deployment, container, env) if container is not None else None,
        env_from=sources_of(found, env),
        declared_by=declared_by(deployment, container, env, owners) if container else "",
        deleting=metadata.get("deletionTimestamp") is not None,
        paused=part(deployment, "spec").get("paused") is True,
        rolling_out=rolling_out(deployment),
        desired=desired(deployment),
        managed=any(items(metadata.get("managedFields"))),
        progress_deadline=progress_deadline(deployment),
        template=_template_hash(deployment, container, env),
        revision=text(annotations.get(REVISION)),
        cause=text(annotations.get(CAUSE)),
    )


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
