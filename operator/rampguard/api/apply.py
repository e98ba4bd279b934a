"""What we send for one variable of a Deployment: composed applies, stamps, and the way by hand."""

import json
import shlex
from collections.abc import Iterator

from rampguard.api.entries import claimed_containers, claimed_entries
from rampguard.api.raw import Json, items, named, part, text
from rampguard.api.stamp import stamp_key, write_stamp
from rampguard.api.workload import CAUSE
from rampguard.core.ask import EnvName, EnvValue, Ref
from rampguard.core.model import Original, Stamp

MANAGER = "rampguard"
FINALIZER = "rampguard.dev/rollback"


def apply_body(
    deployment: Json, container: str, env: EnvName, value: EnvValue | None, cause: str
) -> Json:
    """Return the server-side apply that changes one entry and keeps every other of ours.

    An apply takes away what its manager owned and does not name again: so every entry and
    annotation that we own is restated as it stands. value None leaves the entry out: it goes.
    deployment: as just read; the body is pinned to its uid and version.
    """
    entries = _owned_entries(deployment)
    entries.setdefault(container, {}).pop(env, None)
    if value is not None:
        entries[container][env] = {"name": env, "value": value}
    containers = [
        {"name": name, "env": list(listed.values())} for name, listed in entries.items() if listed
    ]
    metadata = part(deployment, "metadata")
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": text(metadata.get("name")),
            "namespace": text(metadata.get("namespace")),
            **_pin(deployment),
            "annotations": {**_owned_annotations(deployment), CAUSE: cause},
        },
        **({"spec": {"template": {"spec": {"containers": containers}}}} if containers else {}),
    }


def unmanaged_patch(
    deployment: Json, container: str, env: EnvName, value: EnvValue | None
) -> tuple[Json, ...]:
    """Return the JSON patch that sets or removes a literal entry without managedFields.

    For a rollback only: without ownership an apply cannot take an entry away. It tests uid,
    version, container and the value as just read. Empty: there is nothing to change.
    """
    listed = _listed(part(deployment, "spec", "template", "spec").get("containers"))
    at = next((i for i, c in enumerate(listed) if c.get("name") == container), None)
    entries = _listed(listed[at].get("env")) if at is not None else []
    index = next((i for i, e in enumerate(entries) if e.get("name") == env), None)
    if index is None:
        return ()
    path = f"/spec/template/spec/containers/{at}"
    change: Json = {"op": "remove"}
    if value is not None:
        change = {"op": "replace", "value": {"name": env, "value": value}}
    tests = {f"/metadata/{key}": pinned for key, pinned in _pin(deployment).items()} | {
        f"{path}/name": container,
        f"{path}/env/{index}": entries[index],
    }
    return (
        *({"op": "test", "path": where, "value": there} for where, there in tests.items()),
        {**change, "path": f"{path}/env/{index}"},
    )


def stamp_patch(deployment: Json, container: str, env: EnvName, stamp: Stamp) -> Json:
    """Return the merge patch that stamps a (container, variable), pinned to what was read."""
    annotations = {stamp_key(container, env): write_stamp(stamp)}
    return {"metadata": {**_pin(deployment), "annotations": annotations}}


def drop_stamp_patch(deployment: Json, container: str, env: EnvName) -> Json:
    """Return the merge patch that takes a stamp away, pinned to what was read."""
    annotations = {stamp_key(container, env): None}
    return {"metadata": {**_pin(deployment), "annotations": annotations}}


def undo_by_hand(ramp: Ref, original: Original, env: EnvName) -> tuple[str, ...]:
    """Return the commands that undo a ramp on one target without the operator, in order.

    The value first, then the stamp, then the finalizer that holds the ramp.
    """
    target = f"deployment/{original.deployment}"
    change = f"{env}-" if original.value is None else f"{env}={original.value}"
    release = json.dumps({"metadata": {"finalizers": None}}, separators=(",", ":"))
    commands = (
        ("set", "env", target, "-c", original.container, change),
        ("annotate", target, f"{stamp_key(original.container, env)}-"),
        ("patch", "experimentramp", ramp.name, "--type=merge", "-p", release),
    )
    return tuple(shlex.join(("kubectl", "-n", ramp.namespace, *words)) for words in commands)


def _claims(deployment: Json) -> Iterator[Json]:
    """Yield what managedFields give to our applies."""
    for claim in items(part(deployment, "metadata").get("managedFields")):
        ours = (claim.get("manager"), claim.get("operation")) == (MANAGER, "Apply")
        if ours and not claim.get("subresource"):
            yield claim


def _owned_entries(deployment: Json) -> dict[str, dict[str, Json]]:
    """Return container -> variable -> entry as we must restate it; what is gone is not restated."""
    listed = part(deployment, "spec", "template", "spec").get("containers")
    owned: dict[str, dict[str, Json]] = {}
    for claim in _claims(deployment):
        for container in claimed_containers(claim):
            live = named(listed, container).get("env")
            for env, fields in claimed_entries(claim, container).items():
                if entry := named(live, env):
                    restated = _restated(entry, fields)
                    owned.setdefault(container, {}).setdefault(env, restated)
    return owned


def _restated(entry: Json, fields: Json) -> Json:
    """Return an entry as we own it: by name alone where the value is another's."""
    if "f:value" not in fields or entry.get("valueFrom") is not None:
        return {"name": entry["name"]}
    return {"name": entry["name"], "value": text(entry.get("value"))}


def _owned_annotations(deployment: Json) -> Json:
    live = part(deployment, "metadata", "annotations")
    claimed = (part(c, "fieldsV1", "f:metadata", "f:annotations") for c in _claims(deployment))
    keys = {key.removeprefix("f:") for fields in claimed for key in fields if key.startswith("f:")}
    return {key: live[key] for key in sorted(keys) if key in live}


def _pin(seen: Json) -> Json:
    metadata = part(seen, "metadata")
    return {key: text(metadata.get(key)) for key in ("uid", "resourceVersion")}


def _listed(value: object) -> list[Json]:
    """Return a list with its places kept: what is no object reads as an empty one."""
    return [part(item) for item in value] if isinstance(value, list) else []
