"""Who owns which field of a Deployment: server-side apply as far as Rampguard depends on it.

Followed are annotations, containers, and the entries of env: everything else belongs to nobody.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rampguard.ports import Refused

Json = dict[str, Any]
Path = tuple[str, ...]  # the kind: annotation, container, entry, value, valueFrom; then names
Claims = Mapping[tuple[str, str], frozenset[Path]]  # by manager and operation
NOBODY: frozenset[Path] = frozenset()


def fields(deployment: Json) -> dict[Path, Any]:
    """Return every field that is followed, with its value."""
    annotations = deployment["metadata"].get("annotations") or {}
    found: dict[Path, Any] = {("annotation", key): value for key, value in annotations.items()}
    for container in containers(deployment):
        name = container["name"]
        found["container", name] = None
        for entry in container.get("env") or ():
            found["entry", name, entry["name"]] = None
            for kind in ("value", "valueFrom"):
                if kind in entry:
                    found[kind, name, entry["name"]] = entry[kind]
    return found


def containers(deployment: Json) -> list[Json]:
    template = deployment.get("spec", {}).get("template", {})
    found: list[Json] = template.get("spec", {}).get("containers", [])
    return found


def updated(before: Json | None, after: Json, claims: Claims, manager: str) -> Claims:
    """Return the claims after a plain write: what it changed is the writer's alone."""
    old, new = fields(before) if before else {}, fields(after)
    changed = frozenset(p for p, value in new.items() if p not in old or old[p] != value)
    removed = old.keys() - new.keys()
    if not changed and not removed:
        return claims
    left = {key: paths - changed - removed for key, paths in claims.items()}
    mine = (manager, "Update")
    left[mine] = left.get(mine, NOBODY) | changed
    return {key: paths for key, paths in left.items() if paths}


def applied(live: Json, claims: Claims, body: Json, manager: str) -> tuple[Json, Claims]:
    """Return a Deployment and its claims after a forced apply."""
    wanted, mine = fields(body), (manager, "Apply")
    others = frozenset[Path]().union(*(paths for key, paths in claims.items() if key != mine))
    gone = claims.get(mine, NOBODY) - wanted.keys() - others
    merged = _merged(_pruned(live, gone, others), body)
    before, there = fields(live), fields(merged)
    taken = {p for p, value in wanted.items() if before.get(p) != value}
    left = {
        key: frozenset(p for p in paths if p in there and p not in taken)
        for key, paths in claims.items()
        if key != mine
    }
    left[mine] = frozenset(wanted)
    return merged, {key: paths for key, paths in left.items() if paths}


def managed_fields(claims: Claims) -> list[Json]:
    """Write claims as metadata.managedFields does."""
    return [
        {
            "manager": manager,
            "operation": operation,
            "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(paths),
        }
        for (manager, operation), paths in claims.items()
    ]


def _tree(paths: frozenset[Path]) -> Json:
    tree: Json = {}
    for path in sorted(paths):
        kind, *names = path
        if kind == "annotation":
            tree.setdefault("f:metadata", {}).setdefault("f:annotations", {})[f"f:{names[0]}"] = {}
            continue
        at = tree
        for key in ("f:spec", "f:template", "f:spec", "f:containers", _key(names[0])):
            at = at.setdefault(key, {})
        if kind != "container":
            at = at.setdefault("f:env", {}).setdefault(_key(names[1]), {})
        at.update({f"f:{kind}": {}} if kind.startswith("value") else {".": {}, "f:name": {}})
    return tree


def _key(name: str) -> str:
    return f"k:{json.dumps({'name': name}, separators=(',', ':'))}"


def _pruned(live: Json, gone: frozenset[Path], others: frozenset[Path]) -> Json:
    """Take away what was ours alone and is no longer wanted; a lone value leaves an empty entry."""
    for kind, *names in gone:
        if kind == "annotation":
            live = with_annotations(live, {names[0]: None})
        elif kind in {"value", "valueFrom"}:
            live = with_env(live, names[0], lambda e, k=kind, n=names[1]: _without(e, k, n))
        elif kind == "entry" and not _claimed(names, others):
            live = with_env(live, names[0], lambda e, n=names[1]: [i for i in e if i["name"] != n])
    return live


def _claimed(names: list[str], others: frozenset[Path]) -> bool:
    return any((kind, *names) in others for kind in ("entry", "value", "valueFrom"))


def _without(env: list[Json], kind: str, name: str) -> list[Json]:
    return [
        {key: value for key, value in item.items() if key != kind} if item["name"] == name else item
        for item in env
    ]


def _merged(live: Json, body: Json) -> Json:
    live = with_annotations(live, body["metadata"].get("annotations") or {})
    for container in containers(body):
        names = [c["name"] for c in containers(live)]
        if container["name"] not in names:
            where = f"spec.template.spec.containers[{len(names)}].image"
            raise Refused(f"Deployment.apps is invalid: {where}: Required value")
        for entry in container.get("env") or ():
            live = with_env(live, container["name"], lambda e, new=entry: _with(e, new))
    return live


def _with(env: list[Json], new: Json) -> list[Json]:
    """Merge an entry by name; a new one goes to the end, and of several one is left."""
    name, found, merged = new["name"], False, []
    for item in env:
        if item["name"] != name:
            merged.append(item)
        elif not found:
            found = True
            merged.append({**item, **new})
            if "value" in merged[-1] and "valueFrom" in merged[-1]:
                raise Refused(f"env[{name}].valueFrom: may not be specified when value is set")
    return merged if found else [*merged, new]


def with_annotations(seen: Json, changes: Json) -> Json:
    """Return an object with annotations set, or removed where None."""
    if not changes:
        return seen
    merged = {**(seen["metadata"].get("annotations") or {}), **changes}
    kept = {key: value for key, value in merged.items() if value is not None}
    rest = {key: value for key, value in seen["metadata"].items() if key != "annotations"}
    return {**seen, "metadata": {**rest, "annotations": kept} if kept else rest}


def with_env(deployment: Json, container: str, change: Any) -> Json:
    """Return a Deployment with the env of one container changed; nothing else is copied."""
    template = deployment["spec"]["template"]
    listed = [dict(_changed(c, container, change)) for c in template["spec"]["containers"]]
    spec = {**template["spec"], "containers": listed}
    return {**deployment, "spec": {**deployment["spec"], "template": {**template, "spec": spec}}}


def _changed(seen: Json, container: str, change: Any) -> Iterator[tuple[str, Any]]:
    env = seen.get("env") or []
    changed = change(env) if seen["name"] == container else env
    yield from ((key, value) for key, value in seen.items() if key != "env")
    if changed:
        yield "env", changed
