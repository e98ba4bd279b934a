"""Whole ramps, told from outside: what stands, what happens, and how it has to end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fake_notifier import Taken, Temper
from fake_prober import ASKED, Answer, right, said, service
from fakes import ENV, FakeCluster, FakeMetrics, Json, Traffic, deployment, env_of, ramp, refused
from rampguard.core.ask import Ref
from rampguard.core.probe import Reply
from rampguard.ports import Resource

NAME = Ref("app", "skill-tree-layout-50")
TARGETS = ("api", "worker")
QUERY = "max(errors)"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
RULE = {"name": "errors", "type": "Threshold", "query": QUERY, "max": "0.5"}
SPEC: dict[str, Any] = {
    "targets": [{"name": name} for name in TARGETS],
    "from_": 0,
    "steps": [10],
    "to": 50,
    "stepSoak": "1m",
    "soak": "2m",
    "proofTimeout": "1m",
    "arms": None,
    "metrics": None,
    "guardrails": [RULE],
}


@dataclass
class Scene:
    """One ramp in its cluster. Holds no process, so that a copy of it is another future."""

    story: "Story"
    cluster: FakeCluster = field(default_factory=FakeCluster)
    metrics: FakeMetrics = field(init=False)
    harm_since: datetime | None = None  # None: no harm is done
    happens_at: datetime | None = None  # None: not begun to wait, or it happened
    happened: bool = False
    traffic: Traffic | None = None
    mail: list[Taken] = field(default_factory=list)  # what the channels took, in order

    def __post_init__(self) -> None:
        self.metrics = FakeMetrics(self.cluster.clock, answers={QUERY: self.errors})
        for name in TARGETS:
            env = {} if self.story.original is None else {ENV: self.story.original}
            body = deployment(name, env=env, replicas=2, spec={"progressDeadlineSeconds": 60})
            self.cluster.put(Resource.DEPLOYMENTS, body)
        self.cluster.rollouts.settle()
        self.cluster.put(Resource.RAMPS, ramp(**(SPEC | dict(self.story.spec))))
        self.cluster.server.written.append(self.written)
        self.cluster.put(Resource.SERVICES, service())
        self.story.prepare(self)

    @property
    def now(self) -> datetime:
        return self.cluster.clock.now()

    @property
    def ramp(self) -> Json | None:
        return self.cluster.server.objects[Resource.RAMPS].get(NAME)

    @property
    def status(self) -> Json:
        return (self.ramp or {}).get("status") or {}

    @property
    def is_over(self) -> bool:
        """Say whether nothing is left to be done for this ramp."""
        if self.ramp is None:
            return True
        held = bool(self.ramp["metadata"].get("finalizers"))
        ended = self.status.get("phase") in self.story.ends and not held and not self.pending
        return ended and not self.unheard

    @property
    def pending(self) -> bool:
        """Say whether what this story is about is still to come."""
        return self.story.when is not None and not self.happened

    @property
    def unheard(self) -> frozenset[str]:
        """Return the kinds of notices that are still to arrive."""
        return self.story.tells - {str(one.notice.kind) for one in self.mail}

    def errors(self, at: datetime) -> float:
        return float(self.harm_since is not None and at >= self.harm_since)

    def written(self, resource: Resource, ref: Ref) -> None:
        """Start to wait for what happens, once the ramp has come so far."""
        waits = resource is Resource.RAMPS and self.pending and self.happens_at is None
        if waits and self.story.when is not None and self.story.when(self.status):
            self.happens_at = self.now + self.story.after

    def happen(self) -> None:
        """Let it happen if it is time."""
        if self.happens_at is not None and self.happens_at <= self.now:
            self.happens_at, self.happened = None, True
            if self.ramp is not None:
                self.story.what(self)


def _nothing(_: Scene) -> None:
    return


@dataclass(frozen=True)
class Story:
    """A ramp 0 -> 10 -> 50 and one thing that happens to it.

    when: by the status that it waits for, and then some time after. ends: phases that are right;
    gone: the ramp object has to vanish. tells: notices that have to arrive, by channels that behave
    as tempers say.
    """

    name: str
    ends: frozenset[str]
    value: str | None  # what every pod runs in the end; None: the variable is absent
    original: str | None = "0"
    spec: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Scene], None] = _nothing
    when: Callable[[Json], bool] | None = None
    after: timedelta = 40 * SECOND
    what: Callable[[Scene], None] = _nothing
    gone: bool = False
    tells: frozenset[str] = frozenset()
    tempers: Mapping[str, Temper] = field(default_factory=dict)
    answer: Answer = right  # to the probe

    def __str__(self) -> str:
        return self.name

    def __deepcopy__(self, memo: object) -> "Story":
        return self


def soaks_at(share: int) -> Callable[[Json], bool]:
    return lambda status: (
        status.get("phase") == "Soaking" and f"soak started: at {share}%" in _told(status)
    )


def applies(share: int) -> Callable[[Json], bool]:
    return lambda status: status.get("phase") == "Applying" and f"-> {share} on" in _told(status)


def _told(status: Json) -> str:
    return "\n".join(status.get("timeline") or ())


def _harm(scene: Scene) -> None:
    scene.harm_since = scene.now


def _ask(**spec: Any) -> Callable[[Scene], None]:
    def what(scene: Scene) -> None:
        scene.cluster.patch(Resource.RAMPS, NAME, {"spec": spec})

    return what


def _delete(scene: Scene) -> None:
    scene.cluster.delete(Resource.RAMPS, NAME)


COUNTER = 'experiment_assignments_total{source="assignment"}'
COUNTED: dict[str, Any] = {
    "arms": {"control": "tree", "treatment": "list"},
    "metrics": {"assignments": COUNTER},
    "guardrails": [{"name": "balance", "type": "ExposureBalance", "tolerance": 5}],
}


def _let_users_come(scene: Scene) -> None:
    """Count the users of api, who are put into arms fairly for now."""
    labels = {"source": "assignment", "instance": "one"}
    api = Ref(NAME.namespace, "api")
    scene.traffic = Traffic(scene.metrics, scene.cluster, api, ENV, labels=labels)
    scene.cluster.clock.advance(MINUTE)


def _half_of(share: float) -> float:
    return share / 2


def _be_unfair(scene: Scene) -> None:
    if scene.traffic is not None:
        scene.traffic.change(harm=_half_of)


def _crash_worker(scene: Scene) -> None:
    scene.cluster.of("worker").crashing.add((ENV, "50"))


def _no_50_on_worker(ref: Ref, new: Json) -> None:
    if ref.name == "worker" and env_of(new, "worker", ENV) == "50":
        raise refused("no 50 here")


def _refuse_worker(scene: Scene) -> None:
    """Refuse the write, but not its dry run in the pre-flight: that is long over."""
    scene.cluster.server.admission = _no_50_on_worker


PROBED: dict[str, Any] = {
    "arms": {"control": "tree", "treatment": "list"},
    "probe": ASKED | {"users": 20},
}


def _control(_: str, value: int) -> Reply:
    """Give every user the same arm, which twenty users show at 50 % and not at 10 %."""
    return said("tree", value)


BACK = frozenset({"RolledBack"})
ABSENT = {"fromAbsent": True}
STORIES = {
    story.name: story
    for story in (
        Story("completes", frozenset({"Completed"}), "50"),
        Story("breach", BACK, "0", when=soaks_at(50), what=_harm),
        Story(
            "counted",
            frozenset({"Completed"}),
            "50",
            spec=COUNTED,
            prepare=_let_users_come,
        ),
        Story(
            "counted breach",
            BACK,
            "0",
            spec=COUNTED,
            prepare=_let_users_come,
            when=soaks_at(50),
            after=10 * SECOND,
            what=_be_unfair,
        ),
        Story("abort", BACK, "0", when=soaks_at(50), what=_ask(abort="Rollback")),
        Story(
            "abort while it is applied",
            BACK,
            "0",
            when=applies(50),
            after=SECOND,
            what=_ask(abort="Rollback"),
        ),
        Story("misassigned", BACK, "0", spec=PROBED, answer=_control),
        Story("proof timeout", BACK, "0", prepare=_crash_worker),
        Story("deletion", frozenset(), "0", when=soaks_at(50), what=_delete, gone=True),
        Story(
            "deletion while it is applied",
            frozenset(),
            "0",
            when=applies(10),
            after=SECOND,
            what=_delete,
            gone=True,
        ),
        Story("from absent", frozenset({"Completed"}), "50", None, ABSENT),
        Story("from absent and back", BACK, None, None, ABSENT, when=soaks_at(10), what=_harm),
        Story(
            "refusal",
            BACK,
            "0",
            when=soaks_at(10),
            after=SECOND,
            what=_refuse_worker,
        ),
        Story(
            "kept",
            frozenset({"Aborted"}),
            "10",
            when=soaks_at(10),
            after=10 * SECOND,
            what=_ask(abort="Keep"),
        ),
    )
}
