"""What the engine needs of the outside: protocols, the World that bundles them, and the errors.

RampError      answer
  InvalidSpec  Stalled until a new generation
  Conflict     somebody else wrote: end the pass, look again at once
  Unavailable  unknown; from the cluster: back off
    TimedOut   a write whose outcome is unknown: read again, never resend
  Refused      403, 422: Stalled in the server's words
    BadQuery   Prometheus refuses the query
  NotFound     the object is not there
  Gone         a watch or a list is too old: start anew
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from rampguard.core.analytics import Followed, Summary
from rampguard.core.ask import Ask, PromQL, Ref
from rampguard.core.capture import Capture, Captured
from rampguard.core.export import Analysed, Inquiry, Recount, Recounted
from rampguard.core.links import Templates
from rampguard.core.model import Sample, Series
from rampguard.core.outbox import Delivery, Notice
from rampguard.core.plan import Tempo
from rampguard.core.probe import Heard, Probe, Reply, Round
from rampguard.core.replay import Record
from rampguard.core.require import Answer

__all__ = [
    "Answer",
    "BadQuery",
    "Checks",
    "Clock",
    "Cluster",
    "Conflict",
    "Door",
    "Errand",
    "Exports",
    "Gone",
    "Held",
    "InvalidSpec",
    "Json",
    "Kept",
    "Lookup",
    "Metrics",
    "NoChecks",
    "NoExports",
    "NoNotifier",
    "NoProber",
    "NoRecorder",
    "NotFound",
    "Notifier",
    "Post",
    "Prober",
    "RampError",
    "Record",
    "Recorder",
    "Records",
    "Refused",
    "Resource",
    "Rules",
    "Sample",
    "Seizing",
    "Series",
    "Sought",
    "Tallying",
    "Telemetry",
    "TimedOut",
    "Unavailable",
    "Wanted",
    "World",
]

Json = dict[str, Any]
WORDS = 4096  # characters of an error


class RampError(Exception):
    """Everything that a port may raise; the message says what, where and what to do.

    It is cut to what a status can hold: a server's words in it may be of any length.
    """

    def __str__(self) -> str:
        words = super().__str__()
        return words if len(words) <= WORDS else f"{words[: WORDS - 1]}…"


class InvalidSpec(RampError):
    """The manifest cannot be understood."""


class Conflict(RampError):
    """Somebody else wrote first: version, uid, or the object already exists."""


class Unavailable(RampError):
    """No usable answer: network, deadline, 429, 5xx. retry_after: as the server asked."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimedOut(Unavailable):
    """A write without an answer: it may have happened."""


class Refused(RampError):
    """The server understood and said no (403, 422, other 4xx)."""


class Forbidden(Refused):
    """We have no right to it: of ours or, for seconds, of an API server that is just starting."""


class BadQuery(Refused):
    """Prometheus refuses the query."""


class NotFound(RampError):
    """404."""


class Gone(RampError):
    """410: the version is too old."""


class Resource(StrEnum):
    """The kinds we touch; the value is the path below the API root."""

    RAMPS = "apis/rampguard.dev/v1alpha1/experimentramps"
    DEPLOYMENTS = "apis/apps/v1/deployments"
    REPLICASETS = "apis/apps/v1/replicasets"
    PODS = "api/v1/pods"
    NAMESPACES = "api/v1/namespaces"
    SERVICES = "api/v1/services"
    EVENTS = "apis/events.k8s.io/v1/events"
    RELEASES = "api/v1/secrets"  # Helm's own records: touched by the uninstall hook alone


class Cluster(Protocol):
    """The Kubernetes API, as raw JSON. Every call has a deadline of the adapter's own.

    All methods raise Unavailable, Refused, NotFound; writes also Conflict and TimedOut.
    """

    async def get(self, resource: Resource, ref: Ref) -> Json:
        """Return the object as it stands now, never from a cache. NAMESPACES: Ref("", name)."""
        ...

    async def list(
        self, resource: Resource, namespace: str | None, *, selector: str = "", fresh: bool = True
    ) -> tuple[Json, ...]:
        """Return all objects (namespace None: of the cluster), page by page.

        fresh: a consistent read; else the API server may answer from its watch cache.
        """
        ...

    def watch(self, resource: Resource, namespace: str, *, selector: str) -> AsyncIterator[Json]:
        """Yield each changed object from now on; ends when the server ends it; raises Gone."""
        ...

    async def apply(self, ref: Ref, body: Json, *, dry_run: bool = False) -> Json:
        """Server-side apply to a Deployment as `rampguard`, forced, pinned by the body.

        body carries metadata.uid and metadata.resourceVersion; a mismatch raises Conflict.
        """
        ...

    async def merge_patch(self, resource: Resource, ref: Ref, body: Json) -> Json:
        """Merge-patch metadata; metadata.uid and resourceVersion in body pin it (Conflict)."""
        ...

    async def json_patch(self, resource: Resource, ref: Ref, patch: Sequence[Json]) -> Json:
        """JSON-patch an object; a failed `test` raises Conflict."""
        ...

    async def put_status(self, ref: Ref, body: Json) -> Json:
        """Replace the status of a ramp; metadata.resourceVersion in body is required (Conflict)."""
        ...

    async def create_event(self, event: Json) -> None:
        """Create an events.k8s.io/v1 Event; Conflict if its name exists."""
        ...

    async def can_i(
        self, verb: str, resource: Resource, namespace: str | None, sub: str = ""
    ) -> bool:
        """Say whether we may (SelfSubjectAccessReview)."""
        ...


class Metrics(Protocol):
    """A Prometheus named in our configuration.

    All methods raise Unavailable (no answer, partial answer, warnings, unknown source) and
    BadQuery.
    """

    async def instant(self, source: str, query: PromQL, at: datetime) -> tuple[Sample, ...]:
        """Return the vector at an instant; a scalar is one sample without labels."""
        ...

    async def span(
        self, source: str, query: PromQL, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Series, ...]:
        """Return the matrix of [start, end], both ends included where the grid meets them."""
        ...


class Checks(Protocol):
    """HTTP checks of open incidents, named in our configuration."""

    async def ask(self, name: str) -> Answer:
        """Return what a check answers; raises Unavailable (no answer in time, unknown name)."""
        ...


class NoChecks:
    """Knows no check."""

    async def ask(self, name: str) -> Answer:
        """Raise Unavailable."""
        raise Unavailable(f"no incident check is configured, and none under the name {name!r}")


class Clock(Protocol):
    """The real time, or a test's."""

    def now(self) -> datetime:
        """Return the instant, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    async def sleep(self, delay: timedelta) -> None:
        """Wait."""
        ...


class Telemetry(Protocol):
    """Our own logs and metrics; never fails a caller."""

    def log(self, level: str, message: str, **facts: object) -> None:
        """Write one line: a constant message and varying facts."""
        ...

    def show_ramp(self, ref: Ref, figures: Mapping[str, Any]) -> None:
        """Set the gauges of one ramp: phase, share, pods, guardrails (see telemetry)."""
        ...

    def forget_ramp(self, ref: Ref) -> None:
        """Drop the gauges of a ramp that is gone."""
        ...

    def count_pass(self, result: str, seconds: float) -> None:
        """Count one pass by its result: ok, conflict, unavailable, refused, invalid, bug."""
        ...

    def set_queue(self, queued: int, running: int, overdue: timedelta) -> None:
        """Set the gauges of the workqueue."""
        ...


class Recorder(Protocol):
    """Keeps what each pass was given and made of it; never fails, delays or waits for a caller."""

    def append(self, ref: Ref, uid: str, record: Record) -> None:
        """Take the next record of a ramp; one too many at once is dropped and counted."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One record that is kept. since: of its first pass, None: unreadable; until: last written."""

    name: str
    ramp: Ref
    uid: str
    size: int  # bytes
    since: datetime | None
    until: datetime


class Records(Protocol):
    """What is kept, for people to read; every method may raise what a file system raises."""

    def held(self) -> tuple[Held, ...]:
        """Return every record, by name."""
        ...

    def blocks(self, name: str) -> Iterator[bytes] | None:
        """Return what one of them holds by now; None: there is none of that name."""
        ...


class Notifier(Protocol):
    """The channels of our configuration, and the Grafana that takes annotations."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Return their names, in order; outbox.GRAFANA among them where there is one."""
        ...

    async def deliver(self, channel: str, ramp: Ref, uid: str, notice: Notice) -> None:
        """Hand a notice over; it may arrive twice, and says its key.

        Raises Unavailable and Refused, in words without any secret.
        """
        ...


class NoNotifier:
    """Has no channel."""

    channels: tuple[str, ...] = ()

    async def deliver(self, channel: str, ramp: Ref, uid: str, notice: Notice) -> None:  # noqa: ARG002 - the port's
        """Refuse all."""
        raise Refused(f"no channel {channel} is configured")


@dataclass(frozen=True, slots=True)
class Door:
    """Where one pod is asked. host: the name by which others call it; namespace: the pod's."""

    address: str
    port: int
    host: str
    namespace: str


class Prober(Protocol):
    """Asks a pod of the app as a user would."""

    async def ask(self, probe: Probe, door: Door, user: str, uid: str) -> Reply:
        """Return the words of the answer as they came, at most WORDS characters each.

        user: who asks, where the probe says how. uid: of the ramp. Raises Unavailable: no answer
        that can be understood, in time; unknown headers.
        """
        ...


class NoProber:
    """Reaches no pod."""

    async def ask(self, probe: Probe, door: Door, user: str, uid: str) -> Reply:  # noqa: ARG002 - the port's
        """Raise Unavailable."""
        raise Unavailable("this operator asks no pods")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of an export is asked: of one experiment, in [since, until). share: 0 to 1."""

    experiment: str
    arms: tuple[str, str]  # control, treatment
    share: float
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What of an export is captured: the records in [since, until) of users of an arm.

    name: that of the file, without its ending. reaches: the export has to hold a record of this
    instant or later; None: what there is will do.
    """

    name: str
    experiment: str
    arm: str
    since: datetime
    until: datetime
    reaches: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was captured, and where it is."""

    url: str
    records: int
    users: int
    sha256: str


class Exports(Protocol):
    """Analytics exports, named in our configuration, and the place for captures of them."""

    @property
    def captures(self) -> bool:
        """Say whether there is a place for captures."""
        ...

    async def capture(self, source: str, sought: Sought) -> Kept:
        """Write the records that are sought into a file, in place of one of that name.

        Raises Unavailable (unknown, unreadable, no place).
        """
        ...

    async def summarize(self, source: str, wanted: Wanted) -> Summary:
        """Return what the records of a window come to; raises Unavailable (unknown, unreadable)."""
        ...

    async def recount(self, source: str, followed: Followed, wanted: Recount) -> Recounted:
        """Count users by what the export holds now; raises Unavailable (unknown, unreadable).

        What was read for a ramp before is not read again.
        """
        ...


class NoExports:
    """Knows no export."""

    captures: bool = False

    async def capture(self, source: str, sought: Sought) -> Kept:  # noqa: ARG002 - the port's
        """Raise Unavailable."""
        raise Unavailable("there is no place for captures")

    async def summarize(self, source: str, wanted: Wanted) -> Summary:  # noqa: ARG002 - the port's
        """Raise Unavailable."""
        raise Unavailable(f"no export is configured, and none under the name {source!r}")

    async def recount(self, source: str, followed: Followed, wanted: Recount) -> Recounted:  # noqa: ARG002 - the port's
        """Raise Unavailable."""
        raise Unavailable(f"no export is configured, and none under the name {source!r}")


class NoRecorder:
    """Keeps nothing."""

    def append(self, ref: Ref, uid: str, record: Record) -> None:
        """Let a record go."""


@dataclass(frozen=True, slots=True)
class Post:
    """What is to be sent for a ramp now, and to which channel."""

    uid: str
    due: tuple[tuple[Notice, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Errand:
    """A round of the probe that is to be asked now, and the pods that may be, raw."""

    ask: Ask
    round: Round
    pods: tuple[Json, ...]

    @property
    def uid(self) -> str:
        """The ramp's."""
        return self.ask.uid

    @property
    def number(self) -> int:
        """That of the round."""
        return self.round.number


@dataclass(frozen=True, slots=True)
class Seizing:
    """A capture that is to be made now."""

    ask: Ask
    capture: Capture

    @property
    def uid(self) -> str:
        """The ramp's."""
        return self.ask.uid

    @property
    def number(self) -> int:
        """That of the try."""
        return self.capture.number


@dataclass(frozen=True, slots=True)
class Lookup:
    """A reading of an export that is to be made now."""

    ask: Ask
    inquiry: Inquiry

    @property
    def uid(self) -> str:
        """The ramp's."""
        return self.ask.uid

    @property
    def number(self) -> int:
        """That of the inquiry."""
        return self.inquiry.number


@dataclass(frozen=True, slots=True)
class Tallying:
    """A count of users that is to be made now. soon: after an exposure, for its events."""

    ask: Ask
    soon: timedelta
    recount: Recount

    @property
    def uid(self) -> str:
        """The ramp's."""
        return self.ask.uid

    @property
    def number(self) -> int:
        """That of the count."""
        return self.recount.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Constants of the operator that shape a pass; wiring fills them from the settings."""

    process: str  # identity of this process, in stamps
    tempo: Tempo
    pass_deadline: timedelta = timedelta(seconds=45)
    namespace_label: str = "namespace"
    pod_label: str = "pod"
    links: Templates = ()  # of the configuration, for the status


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside, as one pass sees it.

    By ramp uid: refusals, of the last pass; deliveries, which no status remembers yet; heard, the
    latest answers to the probe; analysed, what an export said last; recounted, what was counted in
    it last; captured, what came of the latest capture. By ramp: posts, errands, lookups, tallying
    and seizing, which the last pass found due and a status remembers. unlinked: templates of links
    that a log line told to give none.
    """

    cluster: Cluster
    metrics: Metrics
    clock: Clock
    telemetry: Telemetry
    rules: Rules
    checks: Checks = field(default_factory=NoChecks)
    recorder: Recorder = field(default_factory=NoRecorder)
    notifier: Notifier = field(default_factory=NoNotifier)
    prober: Prober = field(default_factory=NoProber)
    exports: Exports = field(default_factory=NoExports)
    refusals: dict[str, tuple[str, ...]] = field(default_factory=dict)
    deliveries: dict[str, tuple[Delivery, ...]] = field(default_factory=dict)
    posts: dict[Ref, Post] = field(default_factory=dict)
    heard: dict[str, Heard] = field(default_factory=dict)
    errands: dict[Ref, Errand | None] = field(default_factory=dict)
    analysed: dict[str, Analysed] = field(default_factory=dict)
    lookups: dict[Ref, Lookup | None] = field(default_factory=dict)
    recounted: dict[str, Recounted] = field(default_factory=dict)
    tallying: dict[Ref, Tallying | None] = field(default_factory=dict)
    captured: dict[str, Captured] = field(default_factory=dict)
    seizing: dict[Ref, Seizing | None] = field(default_factory=dict)
    unlinked: set[str] = field(default_factory=set)
