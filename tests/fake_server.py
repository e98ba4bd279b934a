"""The API server's side of the fake cluster: objects, versions, finalizers, ownership."""

import asyncio
import itertools
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from fake_clock import FakeClock, stamp
from fake_fields import Claims, Json, applied, managed_fields, updated, with_env
from rampguard.core.ask import EnvValue, Ref
from rampguard.ports import Conflict, NotFound, Refused, Resource

KINDS = {
    Resource.RAMPS: ("rampguard.dev/v1alpha1", "ExperimentRamp"),
    Resource.DEPLOYMENTS: ("apps/v1", "Deployment"),
    Resource.REPLICASETS: ("apps/v1", "ReplicaSet"),
    Resource.PODS: ("v1", "Pod"),
    Resource.EVENTS: ("events.k8s.io/v1", "Event"),
    Resource.SERVICES: ("v1", "Service"),
    Resource.RELEASES: ("v1", "Secret"),
}
SYSTEM = ("uid", "resourceVersion", "creationTimestamp", "generation", "deletionTimestamp")


@dataclass
class Watcher:
    resource: Resource
    namespace: str
    selector: str
    changes: asyncio.Queue[Json | None] = field(default_factory=asyncio.Queue)


class FakeServer:
    """Holds the objects. Written objects are never changed in place: readers share them.

    stale: how many writes behind a list may be that a cache answers. admission: sees what an apply
    would store, and raises Refused.
    """

    def __init__(self, clock: FakeClock | None = None, *, stale: int = 0) -> None:
        self.clock = clock or FakeClock()
        self.objects: dict[Resource, dict[Ref, Json]] = {kind: {} for kind in KINDS}
        self.leaving_namespaces: set[str] = set()
        self.version = 100  # of the latest write
        self._uids = itertools.count(1)
        self._claims: dict[Ref, Claims] = {}
        self._watchers: list[Watcher] = []
        self._past: dict[Resource, deque[dict[Ref, Json]]] = defaultdict(
            lambda: deque(maxlen=stale + 1)
        )
        self._stale = stale
        self.written: list[Callable[[Resource, Ref], None]] = []
        self.admission: Callable[[Ref, Json], None] = lambda ref, new: None

    # --- what users and controllers do ---

    def put(self, resource: Resource, body: Json, *, manager: str = "kubectl") -> Json:
        """Create an object, as somebody else."""
        ref = Ref(body["metadata"]["namespace"], body["metadata"]["name"])
        if ref in self.objects[resource]:
            raise Conflict(f'{resource.name} "{ref}" already exists')
        version, kind = KINDS[resource]
        metadata = {
            **body["metadata"],
            "uid": f"uid-{next(self._uids):04}",
            "creationTimestamp": stamp(self.clock.now()),
            "generation": 1,
        }
        made = {"apiVersion": version, "kind": kind, **body, "metadata": metadata}
        if resource is Resource.DEPLOYMENTS:
            self._claims[ref] = updated(None, made, {}, manager)
        return self._store(resource, ref, made)

    def edit(
        self,
        resource: Resource,
        ref: Ref,
        change: Callable[[Json], Json],
        *,
        manager: str = "kubectl-edit",
    ) -> Json:
        """Change an object, as somebody else; the status too."""
        before = self.get(resource, ref)
        return self._replace(resource, ref, before, change(before), manager)

    def patch(
        self, resource: Resource, ref: Ref, body: Json, *, manager: str = "kubectl-patch"
    ) -> Json:
        """Merge-patch an object, as somebody else."""
        return self.edit(resource, ref, lambda seen: merged(seen, body), manager=manager)

    def set_env(
        self, ref: Ref, container: str, env: str, value: str | None, *, manager: str = "kubectl-set"
    ) -> Json:
        """Set or remove a variable, as `kubectl set env` does."""

        def change(entries: list[Json]) -> list[Json]:
            if value is None:
                return [e for e in entries if e["name"] != env]
            new = {"name": env, "value": value}
            kept = [new if e["name"] == env else e for e in entries]
            return kept if new in kept else [*kept, new]

        return self.edit(
            Resource.DEPLOYMENTS, ref, lambda d: with_env(d, container, change), manager=manager
        )

    def scale(self, ref: Ref, replicas: int) -> Json:
        """Change the wanted number of pods, as an autoscaler does."""
        body = {"spec": {"replicas": replicas}}
        return self.patch(Resource.DEPLOYMENTS, ref, body, manager="kube-controller-manager")

    def delete(self, resource: Resource, ref: Ref) -> None:
        """Delete an object; finalizers hold it."""
        seen = self.get(resource, ref)
        if resource is not Resource.PODS and not seen["metadata"].get("finalizers"):
            self._forget(resource, ref)
        elif "deletionTimestamp" not in seen["metadata"]:
            metadata = seen["metadata"] | {
                "deletionTimestamp": stamp(self.clock.now()),
                "generation": seen["metadata"]["generation"] + 1,
            }
            self._store(resource, ref, {**seen, "metadata": metadata})

    def end_watches(self) -> None:
        """Close every watch, as a server does now and then."""
        for watcher in self._watchers:
            watcher.changes.put_nowait(None)
        self._watchers.clear()

    # --- what the port's calls do ---

    def get(self, resource: Resource, ref: Ref) -> Json:
        if resource is Resource.NAMESPACES:
            return self._namespace(ref.name)
        try:
            return self.objects[resource][ref]
        except KeyError:
            raise NotFound(f'{resource.name} "{ref}" not found') from None

    def list(
        self, resource: Resource, namespace: str | None, selector: str, *, fresh: bool = True
    ) -> tuple[Json, ...]:
        held = self.objects[resource]
        if not fresh and self._stale and self._past[resource]:
            held = self._past[resource][0]
        return tuple(
            seen
            for ref, seen in sorted(
                held.items(), key=lambda item: (item[0].namespace, item[0].name)
            )
            if namespace in {None, ref.namespace} and matches(selector, seen)
        )

    def apply(self, ref: Ref, body: Json, *, dry_run: bool = False, manager: str = "rampguard"):
        live = self._pinned(Resource.DEPLOYMENTS, ref, body["metadata"])
        new, claims = applied(live, self._claims[ref], body, manager)
        if new == live and claims == self._claims[ref]:
            return live
        self.admission(ref, new)
        if dry_run:
            return new
        self._claims[ref] = claims
        return self._store(Resource.DEPLOYMENTS, ref, _counted(Resource.DEPLOYMENTS, live, new))

    def merge_patch(self, resource: Resource, ref: Ref, body: Json, *, manager: str) -> Json:
        live = self._pinned(resource, ref, body.get("metadata") or {})
        new = merged(live, body)
        if resource is Resource.RAMPS:
            new = {**new, "status": live["status"]} if "status" in live else _bare(new)
        return self._replace(resource, ref, live, new, manager)

    def json_patch(
        self, resource: Resource, ref: Ref, patch: Sequence[Json], *, manager: str
    ) -> Json:
        live = self.get(resource, ref)
        new = live
        for change in patch:
            steps = [s.replace("~1", "/").replace("~0", "~") for s in change["path"].split("/")[1:]]
            if change["op"] != "test":
                new = _edited(new, steps, change)
            elif _at(new, steps) != change["value"]:
                raise Conflict(f"the server rejected our request: test failed: {change['path']}")
        return self._replace(resource, ref, live, new, manager)

    def put_status(self, ref: Ref, body: Json) -> Json:
        if "resourceVersion" not in body["metadata"]:
            raise Refused("metadata.resourceVersion: must be specified for an update")
        live = self._pinned(Resource.RAMPS, ref, body["metadata"])
        new = {**live, "status": body.get("status") or {}}
        return live if new == live else self._store(Resource.RAMPS, ref, new)

    def create_event(self, event: Json) -> None:
        self.put(Resource.EVENTS, event)

    def watch(self, resource: Resource, namespace: str, selector: str) -> Watcher:
        watcher = Watcher(resource, namespace, selector)
        for seen in self.list(resource, namespace, selector):
            watcher.changes.put_nowait(seen)
        self._watchers.append(watcher)
        return watcher

    def forget_watch(self, watcher: Watcher) -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    # --- the store ---

    def write_as_controller(self, resource: Resource, ref: Ref, new: Json) -> Json:
        """Write an object as it is, without ownership; generation is counted."""
        live = self.objects[resource].get(ref)
        if live is None:
            return self.put(resource, new, manager="kube-controller-manager")
        new = _counted(resource, live, new)
        return live if new == live else self._store(resource, ref, new)

    def vanish(self, resource: Resource, ref: Ref) -> None:
        """Take an object away at once, as the end of a graceful deletion does."""
        if ref in self.objects[resource]:
            self._forget(resource, ref)

    def _replace(self, resource: Resource, ref: Ref, live: Json, new: Json, manager: str) -> Json:
        kept = {key: live["metadata"][key] for key in SYSTEM if key in live["metadata"]}
        new = {**new, "metadata": {**new["metadata"], **kept}}
        was, now = (set(o["metadata"].get("finalizers") or ()) for o in (live, new))
        if "deletionTimestamp" in kept and now - was:
            raise Refused("metadata.finalizers: no new finalizers while the object is deleted")
        if new == live:
            return live
        if resource is Resource.DEPLOYMENTS:
            self._claims[ref] = updated(live, new, self._claims[ref], manager)
        return self._store(resource, ref, _counted(resource, live, new))

    def _store(self, resource: Resource, ref: Ref, new: Json) -> Json:
        metadata = {**new["metadata"], "resourceVersion": self._next_version()}
        if resource is Resource.DEPLOYMENTS:
            metadata["managedFields"] = managed_fields(self._claims[ref])
        stored = {**new, "metadata": metadata}
        released = "deletionTimestamp" in metadata and not metadata.get("finalizers")
        if released and resource is not Resource.PODS:  # a pod leaves gracefully
            self._forget(resource, ref, last=stored)
            return stored
        self._keep_past(resource)
        self.objects[resource][ref] = stored
        self._tell(resource, ref, stored)
        return stored

    def _next_version(self) -> str:
        self.version += 1
        return str(self.version)

    def _forget(self, resource: Resource, ref: Ref, last: Json | None = None) -> None:
        self._keep_past(resource)
        gone = self.objects[resource].pop(ref)
        self._next_version()
        self._claims.pop(ref, None) if resource is Resource.DEPLOYMENTS else None
        self._tell(resource, ref, last or gone)

    def _keep_past(self, resource: Resource) -> None:
        if self._stale:
            self._past[resource].append(dict(self.objects[resource]))

    def _tell(self, resource: Resource, ref: Ref, changed: Json) -> None:
        for watcher in self._watchers:
            if (watcher.resource, watcher.namespace) == (resource, ref.namespace) and matches(
                watcher.selector, changed
            ):
                watcher.changes.put_nowait(changed)
        for tell in self.written:
            tell(resource, ref)

    def _pinned(self, resource: Resource, ref: Ref, metadata: Json) -> Json:
        live = self.get(resource, ref)
        for key in ("uid", "resourceVersion"):
            if metadata.get(key, live["metadata"][key]) != live["metadata"][key]:
                raise Conflict(
                    f'{resource.name} "{ref}": the object has been modified; {key} is'
                    f" {live['metadata'][key]}, not {metadata[key]}"
                )
        return live

    def _namespace(self, name: str) -> Json:
        going = {"deletionTimestamp": stamp(self.clock.now())}
        leaving = going if name in self.leaving_namespaces else {}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **leaving}}


def _counted(resource: Resource, live: Json, new: Json) -> Json:
    """Return an object with its generation moved where its kind counts the change.

    The API server counts the annotations of a Deployment, too.
    """
    same = new.get("spec") == live.get("spec")
    if resource is Resource.DEPLOYMENTS:
        same = same and new["metadata"].get("annotations") == live["metadata"].get("annotations")
    if same:
        return new
    generation = live["metadata"]["generation"] + 1
    return {**new, "metadata": {**new["metadata"], "generation": generation}}


def _bare(seen: Json) -> Json:
    return {key: value for key, value in seen.items() if key != "status"}


def merged(seen: Any, body: Json) -> Json:
    """Merge as RFC 7396 says."""
    result = dict(seen) if isinstance(seen, dict) else {}
    for key, value in body.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value) if isinstance(value, dict) else value
    return result


def _at(seen: Any, steps: Sequence[str]) -> Any:
    try:
        for step in steps:
            seen = seen[int(step)] if isinstance(seen, list) else seen[step]
    except (KeyError, IndexError, ValueError):
        return None
    return seen


def _edited(seen: Any, steps: Sequence[str], change: Json) -> Any:
    """Return a copy with one add, replace or remove of RFC 6902 carried out."""
    step, *rest = steps
    place: Any = step
    if isinstance(seen, list):
        place = len(seen) if step == "-" else int(step)
    copy = list(seen) if isinstance(seen, list) else dict(seen)
    if rest:
        copy[place] = _edited(copy[place], rest, change)
    elif change["op"] == "remove":
        del copy[place]
    elif change["op"] == "add" and isinstance(copy, list):
        copy.insert(place, change["value"])
    else:
        copy[place] = change["value"]
    return copy


def matches(selector: str, seen: Json) -> bool:
    """Say whether the labels of an object match a label selector."""
    labels = seen["metadata"].get("labels") or {}
    return all(rule(labels) for rule in rules(selector))


@lru_cache(maxsize=256)
def rules(selector: str) -> tuple[Callable[[Json], bool], ...]:
    return tuple(_rules(selector))


def _rules(selector: str) -> Iterator[Callable[[Json], bool]]:
    for term in re.findall(r"(?:[^,(]|\([^)]*\))+", selector):
        term = term.strip()  # noqa: PLW2901 - the same term without its blanks
        if found := re.fullmatch(r"(\S+) (in|notin) \((.*)\)", term):
            key, verb, listed = found.groups()
            among = {value.strip() for value in listed.split(",")}
            wanted = verb == "in"
            yield lambda have, k=key, a=among, w=wanted: (have.get(k) in a) is w
        elif "!=" in term:
            key, value = term.split("!=")
            yield lambda have, k=key, v=value: have.get(k) != v
        elif "=" in term:
            key, value = re.split("==?", term)
            yield lambda have, k=key, v=value: have.get(k) == v
        elif term.startswith("!"):
            yield lambda have, k=term[1:]: k not in have
        else:
            yield lambda have, k=term: k in have


def env_of(seen: Json, container: str, env: str) -> EnvValue | None:
    """Return the literal in the pod template of a Deployment; None: there is none."""
    for each in seen["spec"]["template"]["spec"]["containers"]:
        for entry in each.get("env") or () if each["name"] == container else ():
            if entry["name"] == env:
                return EnvValue(entry.get("value", ""))
    return None


def at(text: str) -> datetime:
    """Read what stamp writes."""
    return datetime.fromisoformat(text)
