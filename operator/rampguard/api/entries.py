"""A variable in a container of a Deployment: where it stands, and which field managers own it."""

import json
from collections.abc import Iterator
from typing import Any

from rampguard.api.raw import Json, items, named, part, text
from rampguard.core.ask import EnvName, EnvValue, Target
from rampguard.core.model import Entry, EntryKind, Owner


def containers_of(deployment: Json) -> tuple[str, ...]:
    """Return the names of the containers; init containers are no targets."""
    listed = part(deployment, "spec", "template", "spec").get("containers")
    return tuple(name for c in items(listed) if (name := text(c.get("name"))))


def container_of(deployment: Json, name: str | None) -> Json:
    """Return a container as it stands in the pod template; {} where there is none."""
    listed = part(deployment, "spec", "template", "spec").get("containers")
    return {} if name is None else named(listed, name)


def resolve(deployment: Json, target: Target) -> str | None:
    """Return the container that is meant: named, else of the Deployment's own name, else the only.

    None: there is no such container.
    """
    names = containers_of(deployment)
    if target.container is not None:
        return target.container if target.container in names else None
    own = text(part(deployment, "metadata").get("name"))
    if own in names:
        return own
    return names[0] if len(names) == 1 else None


def entry_of(container: Json, env: EnvName) -> Entry:
    """Return how a variable stands in a container; an entry without a value is the literal ""."""
    found = [item for item in items(container.get("env")) if item.get("name") == env]
    return Entry(EntryKind.DUPLICATE) if len(found) > 1 else _standing(found)


def entry_that_counts(container: Json, env: EnvName) -> Entry:
    """Return what a container of a pod runs with: of several entries the last."""
    found = [item for item in items(container.get("env")) if item.get("name") == env]
    return _standing(found[-1:])


def sources_of(container: Json, env: EnvName) -> tuple[str, ...]:
    """Return the envFrom sources that could carry a variable."""
    return tuple(
        f"{shown} {name}"
        for source in items(container.get("envFrom"))
        for kind, shown in (("configMapRef", "ConfigMap"), ("secretRef", "Secret"))
        if env.startswith(text(source.get("prefix")))
        and (name := text(part(source, kind).get("name")))
    )


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


def _standing(found: list[Json]) -> Entry:
    if not found:
        return Entry(EntryKind.ABSENT)
    (entry,) = found
    if entry.get("valueFrom") is not None:
        return Entry(EntryKind.VALUE_FROM)
    value = entry.get("value")
    return Entry(EntryKind.LITERAL, EnvValue("" if value is None else str(value)))


def _keyed(fields: Json) -> Iterator[tuple[str, Json]]:
    """Yield the members of a claimed list by name: {'k:{"name":"x"}': {...}}."""
    for key, claimed in fields.items():
        if isinstance(claimed, dict) and (name := _name_of(key)) is not None:
            yield name, claimed


def _name_of(key: str) -> str | None:
    """Return the name in a key such as 'k:{"name":"x"}'; None: it is another kind of key."""
    if not key.startswith("k:"):
        return None
    try:
        names: Any = json.loads(key[2:])
    except (ValueError, RecursionError):
        return None
    name = names.get("name") if isinstance(names, dict) else None
    return name if isinstance(name, str) else None
