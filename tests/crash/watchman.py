"""What must never be, looked at after every write to the cluster, whoever wrote."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from crash.story import NAME, TARGETS, Scene
from fakes import ENV, Call, Json, env_of
from rampguard.api import engine
from rampguard.api.stamp import read_stamp
from rampguard.core.ask import EnvName, Ref
from rampguard.core.outbox import Kind
from rampguard.ports import Resource

ONCE = frozenset(
    {
        "PreflightPassed",
        "ShareChanged",
        "SoakStarted",
        "PodsProven",
        "RollbackStarted",
        "RollbackVerified",
        "Completed",
        "CompletedInconclusive",
        "StatusLost",
    }
)
OURS = frozenset({"10", "50"})


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass
class Watchman:
    """Watches one scene from its beginning."""

    scene: Scene
    values: dict[str, list[str | None]] = field(default_factory=dict)
    stays: bool = False  # the ramp once ended where its value stays: nothing leads back any more

    def __post_init__(self) -> None:
        self.values = {name: [self.scene.story.original] for name in TARGETS}
        self.scene.cluster.server.written.append(self.written)

    def written(self, resource: Resource, ref: Ref) -> None:
        self.stays = self.stays or self.scene.status.get("phase") in {"Completed", "Aborted"}
        if resource is Resource.DEPLOYMENTS:
            self._note_value(ref.name)
        if resource in {Resource.DEPLOYMENTS, Resource.RAMPS}:
            self._every_change_has_its_original()
            self._announced_before_it_changes()
        if resource in {Resource.DEPLOYMENTS, Resource.RAMPS, Resource.PODS}:
            self._rolled_back_means_back()

    # --- at every write ---

    def _note_value(self, name: str) -> None:
        value = self._value(name)
        if value != self.values[name][-1]:
            self.values[name].append(value)

    def _every_change_has_its_original(self) -> None:
        """No changed variable without a recorded original, and no record that lies."""
        true = self.scene.story.original
        for name in TARGETS:
            records = tuple(self._records(name))
            if any(record != true for record in records):
                raise Broken(f"{name}: recorded {records}, it was {true}")
            if self._value(name) != true and not records and not self.stays:
                raise Broken(f"{name} runs {self._value(name)} and nobody knows what it was")

    def _rolled_back_means_back(self) -> None:
        """Never RolledBack with a Deployment off its original, or a pod on a value of ours."""
        if self.scene.status.get("phase") != "RolledBack":
            return
        for name in TARGETS:
            if self._value(name) != self.scene.story.original:
                raise Broken(f"RolledBack, and {name} stands at {self._value(name)}")
        if still := [name for name, value in self._pods() if value in OURS]:
            raise Broken(f"RolledBack, and {still} still run our value")

    def _announced_before_it_changes(self) -> None:
        """Where it is required, nothing changes before every channel took RampPlanned."""
        spec = self.scene.story.spec
        is_changed = any(len(values) > 1 for values in self.values.values())
        if not is_changed or not spec.get("require", {}).get("announced"):
            return
        told = {one.channel for one in self.scene.mail if one.notice.kind is Kind.RAMP_PLANNED}
        if missing := {one["channel"] for one in spec["notify"]} - told:
            raise Broken(f"changed, and {sorted(missing)} had not heard of it")

    # --- at the end ---

    def check_end(self, *, stamps: bool = True) -> None:
        """Make sure that the ramp ended right, and left nothing behind; stamps: not one either."""
        scene, story = self.scene, self.scene.story
        if story.gone:
            _ensure(scene.ramp is None, "the ramp is still there")
        else:
            phase = scene.status.get("phase")
            _ensure(phase in story.ends, f"it ended {phase}: {scene.status.get('summary')}")
            held = (scene.ramp or {})["metadata"].get("finalizers")
            _ensure(not held, f"the ramp is held by {held}")
        for name in TARGETS:
            value = self._value(name)
            _ensure(value == story.value, f"{name} stands at {value}, not {story.value}")
            self._went_straight(name)
        self._check_mail()
        _ensure(not (stamps and self.stamped()), f"a stamp stays on {self.stamped()}")
        scene.cluster.rollouts.settle()
        off = [name for name, value in self._pods() if value != story.value]
        _ensure(not off, f"{off} do not run {story.value}")

    def _check_mail(self) -> None:
        """Every notice arrived, and what came twice under one key said the same."""
        _ensure(not self.scene.unheard, f"nobody heard of {sorted(self.scene.unheard)}")
        texts: dict[str, object] = {}
        for one in self.scene.mail:
            same = texts.setdefault(one.notice.key, one.notice) == one.notice
            _ensure(same, f"two texts under {one.notice.key}")

    def _went_straight(self, name: str) -> None:
        """Step by step forward, then at most once back: a value never flaps."""
        original, told = self.scene.story.original, tuple(self.values[name])
        forward = (original, "10", "50")
        right = [forward[:n] for n in range(1, 4)]
        right += [(*way, original) for way in right[1:]]
        _ensure(told in right, f"{name} went {' -> '.join(map(str, told))}")

    def check_events(self, calls: list[Call]) -> None:
        """Every event once: by its name, and by what it says."""
        named, said = defaultdict(set), defaultdict(list)
        for call in calls:
            if call.verb == "create_event" and isinstance(call.body, dict):
                body = call.body
                named[call.ref.name].add((body["reason"], body["type"], body["note"]))
                if call.took_effect:
                    said[body["reason"], _subject(body)].append(body["note"])
        twice = {name: told for name, told in named.items() if len(told) > 1}
        _ensure(not twice, f"events of one name that differ: {twice}")
        again = {key: told for key, told in said.items() if key[0] in ONCE and len(told) > 1}
        _ensure(not again, f"told twice: {again}")

    # --- what stands ---

    def stamped(self) -> list[str]:
        """Name the targets that carry a stamp."""
        env = EnvName(ENV)
        return [name for name in TARGETS if read_stamp(self._deployment(name), name, env)]

    def _deployment(self, name: str) -> Json:
        return self.scene.cluster.seen(Resource.DEPLOYMENTS, NAME.namespace, name)

    def _value(self, name: str) -> str | None:
        return env_of(self._deployment(name), name, ENV)

    def _records(self, name: str) -> Iterator[str | None]:
        """Yield the original of a target as each place remembers it."""
        if line := self.scene.status.get("engine"):
            yield from (o.value for o in engine.read(line).originals if o.deployment == name)
        if stamp := read_stamp(self._deployment(name), name, EnvName(ENV)):
            yield stamp.original

    def _pods(self) -> Iterator[tuple[str, str | None]]:
        for pod in self.scene.cluster.all(Resource.PODS):
            for container in pod["spec"]["containers"]:
                listed = {e["name"]: e.get("value") for e in container.get("env") or ()}
                yield pod["metadata"]["name"], listed.get(ENV)


def _subject(event: Json) -> str:
    """Return what an event is about: a step where it names one."""
    begins = {"ShareChanged": " (", "PodsProven": " (", "SoakStarted": " until "}
    end = begins.get(event["reason"])
    return str(event["note"]).partition(end)[0] if end else ""


def _ensure(holds: bool, told: str) -> None:  # noqa: FBT001 - a fact and what to say without it
    if not holds:
        raise Broken(told)
