"""What a ramp is and has come to, read from its object: flat facts, each safe to print.

Nothing here trusts the object: what is missing or of another type reads as empty.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from rampguard.api.raw import Json, instant, items, number, part, texts
from rampguard.cli.exits import ENDED, Exit, exit_of
from rampguard.cli.text import safe
from rampguard.core.durations import parse_duration
from rampguard.core.links import Link, is_web

REQUESTED_BY = "rampguard.dev/requested-by"
ABORT_REASON = "rampguard.dev/abort-reason"
_NOW = re.compile(r"-> ([0-9]{1,3})")
_MAX_BLIND = timedelta(minutes=10)  # the default of the schema
_MAX_HOLD = timedelta(hours=2)  # the same
_PODS = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One condition."""

    status: str
    reason: str
    message: str
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One open question to a person."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding as recorded; share None: not told."""

    after: str
    at: datetime | None
    share: int | None
    verdict: str
    evidence: str
    late: bool
    asked: tuple[str, ...] = ()  # of Prometheus, at that instant
    details: tuple[str, ...] = ()  # the numbers of each part of each guardrail


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """One guardrail; verdict "": not judged yet."""

    name: str
    type: str
    verdict: str = ""
    value: str = ""
    interval: str = ""
    limit: str = ""
    counted: int = 0
    could_see: str = ""
    why: str = ""
    onset: datetime | None = None
    query: str = ""
    dry_run: bool = False
    details: tuple[str, ...] = ()  # the numbers of each of its parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One Deployment; observed: in its template, pods: proven of desired; "": not known."""

    deployment: str
    container: str = ""
    observed: str = ""
    original: str = ""
    pods: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """The soak of the current step."""

    started_at: datetime
    ends_at: datetime | None
    next_finding_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """The records of users who were exposed to treatment; url "": not captured."""

    url: str
    records: int
    users: int
    sha256: str
    since: datetime | None
    until: datetime | None
    why: str  # what hindered the last try
    given_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """What a rollback was for."""

    reason: str
    because: str
    started_at: datetime | None
    proven_at: datetime | None
    finding: str
    capture: Capture | None  # None: none was planned
    links: tuple[Link, ...] = ()

    @property
    def captured(self) -> str:
        """Return where the affected sessions are; "": not captured."""
        return self.capture.url if self.capture else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One ramp. phase "Pending" stands for no status yet."""

    name: str
    namespace: str
    uid: str
    created_at: datetime | None
    deleting: bool
    spec_seen: bool
    env: str
    origin: int | None
    to: int | None
    stepped: bool
    paused: bool
    max_blind: timedelta
    max_hold: timedelta
    abort: str
    approve: str
    requested_by: str
    abort_reason: str
    phase: str
    since: datetime | None
    started_at: datetime | None
    progress: str
    pods: str
    summary: str
    findings_summary: str
    watched: bool | None
    facts: dict[str, Fact]
    gates: tuple[Gate, ...]
    findings: tuple[Finding, ...]
    to_come: tuple[tuple[str, datetime], ...]  # findings of this soak: after, at
    guardrails: tuple[Guardrail, ...]
    targets: tuple[Target, ...]
    soak: Soak | None
    rollback: Rollback | None
    links: tuple[Link, ...]
    analysed: bool  # it names an export
    blind: str
    vouched: tuple[str, ...]  # links and overrides by which people let it go on
    timeline: tuple[tuple[str, str], ...]  # instant as written, words

    @property
    def reason(self) -> str:
        """Return the reason of Ready."""
        ready = self.facts.get("Ready")
        return ready.reason if ready else ""

    @property
    def told(self) -> str:
        """Return the sentence that the summary is the beginning of; "": nothing is told yet."""
        ready = self.facts.get("Ready")
        return (ready.message if ready else "") or self.summary

    @property
    def stalled(self) -> Fact | None:
        """Return what is stalled, and why; None: nothing is."""
        fact = self.facts.get("Stalled")
        return fact if fact and fact.status == "True" else None

    @property
    def ended(self) -> bool:
        """Say whether nothing moves any more."""
        return self.phase in ENDED

    @property
    def unjudged(self) -> str:
        """Return what is said of a guardrail without a verdict."""
        return "never judged" if self.ended else "not judged yet"

    @property
    def wanted(self) -> str:
        """Return the value that the pods are to run now; "": none is being set."""
        found = _NOW.search(self.progress)
        return found[1] if found else ""

    @property
    def share(self) -> int | None:
        """Return what all targets carry, in percent; None: not known, or not one value."""
        seen = {target.observed for target in self.targets}
        value = seen.pop() if len(seen) == 1 else ""
        return int(value) if value.isascii() and value.isdigit() else None

    @property
    def exit(self) -> Exit:
        """Return the exit code that stands for this ramp."""
        return exit_of(self.phase, spec_seen=self.spec_seen)


def counted(pods: str) -> tuple[int, int] | None:
    """Return proven and desired of "5/8"; None of anything else."""
    found = _PODS.fullmatch(pods)
    return (int(found[1]), int(found[2])) if found else None


def read(ramp: Json) -> Record:
    """Read an object as the API server gives it."""
    meta, spec, status = (part(ramp, key) for key in ("metadata", "spec", "status"))
    notes = part(meta, "annotations")
    soak = _soak(status)
    return Record(
        name=safe(meta.get("name")),
        namespace=safe(meta.get("namespace")),
        uid=safe(meta.get("uid")),
        created_at=instant(meta.get("creationTimestamp")),
        deleting=meta.get("deletionTimestamp") is not None,
        spec_seen=number(status.get("observedGeneration"), -1) >= number(meta.get("generation"), 1),
        env=safe(spec.get("env")),
        origin=_whole(spec.get("from")),
        to=_whole(spec.get("to")),
        stepped=bool(spec.get("steps")),
        paused=spec.get("paused") is True,
        max_blind=_span(spec.get("maxBlind")) or _MAX_BLIND,
        max_hold=_span(spec.get("maxHold")) or _MAX_HOLD,
        abort=safe(status.get("abort")) or safe(spec.get("abort")),
        approve=safe(spec.get("approve")),
        requested_by=safe(notes.get(REQUESTED_BY)),
        abort_reason=safe(notes.get(ABORT_REASON)),
        phase=safe(status.get("phase")) or "Pending",
        since=instant(status.get("phaseStartedAt")),
        started_at=instant(status.get("startedAt")),
        progress=safe(status.get("progress")),
        pods=safe(status.get("pods")) or "-",
        summary=safe(status.get("summary")),
        findings_summary=safe(status.get("findingsSummary")) or "-",
        watched=status.get("watched") if isinstance(status.get("watched"), bool) else None,
        facts={safe(one.get("type")): _fact(one) for one in items(status.get("conditions"))},
        gates=tuple(map(_gate, items(status.get("gates")))),
        findings=tuple(map(_finding, items(status.get("findings")))),
        to_come=tuple(_to_come(spec, soak)),
        guardrails=_guardrails(spec, status),
        targets=_targets(spec, status),
        soak=soak,
        rollback=_rollback(status),
        links=_links(status),
        analysed=bool(part(spec, "analytics")),
        blind=safe(status.get("blind")),
        vouched=tuple(map(safe, texts(status.get("vouched")))),
        timeline=tuple(_timeline(status.get("timeline"))),
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _fact(one: Json) -> Fact:
    return Fact(
        status=safe(one.get("status")),
        reason=safe(one.get("reason")),
        message=safe(one.get("message")),
        since=instant(one.get("lastTransitionTime")),
    )


def _gate(one: Json) -> Gate:
    return Gate(name=safe(one.get("name")), why=safe(one.get("why")))


def _finding(one: Json) -> Finding:
    return Finding(
        after=safe(one.get("after")),
        at=instant(one.get("at")),
        share=_whole(one.get("share")),
        verdict=safe(one.get("verdict")),
        evidence=safe(one.get("evidence")),
        late=one.get("late") is True,
        asked=tuple(safe(query) for query in texts(one.get("asked"))),
        details=tuple(safe(line) for line in texts(one.get("details"))),
    )


def _soak(status: Json) -> Soak | None:
    told = part(status, "soak")
    started = instant(told.get("startedAt"))
    if started is None:
        return None
    return Soak(
        started_at=started,
        ends_at=instant(told.get("endsAt")),
        next_finding_at=instant(told.get("nextFindingAt")),
    )


def _to_come(spec: Json, soak: Soak | None) -> list[tuple[str, datetime]]:
    """Return the findings of the current soak that are not recorded yet, by the same schedule."""
    if soak is None or soak.ends_at is None or soak.next_finding_at is None:
        return []
    from rampguard.core.durations import show_duration  # noqa: PLC0415 - light, beside its use
    from rampguard.core.plan import schedule  # noqa: PLC0415 - not needed for a list

    asked = spec.get("findings")
    spans = None if not isinstance(asked, list) else tuple(filter(None, map(_span, asked)))
    due = schedule(spans, soak.ends_at - soak.started_at)
    instants = ((show_duration(after), soak.started_at + after) for after in due)
    return [(after, at) for after, at in instants if at >= soak.next_finding_at]


def _span(written: object) -> timedelta | None:
    try:
        return parse_duration(written) if isinstance(written, str) else None
    except ValueError:
        return None


def _guardrails(spec: Json, status: Json) -> tuple[Guardrail, ...]:
    """Return the guardrails as judged, then those that the spec names beyond them."""
    judged = tuple(map(_guardrail, items(status.get("guardrails"))))
    names = {one.name for one in judged}
    asked = (
        Guardrail(
            name=safe(one.get("name")),
            type=safe(one.get("type")),
            dry_run=one.get("dryRun") is True,
        )
        for one in items(spec.get("guardrails"))
    )
    return (*judged, *(one for one in asked if one.name not in names))


def _guardrail(one: Json) -> Guardrail:
    return Guardrail(
        name=safe(one.get("guardrail")),
        type=safe(one.get("type")),
        verdict=safe(one.get("verdict")),
        value=safe(one.get("value")),
        interval=safe(one.get("interval")),
        limit=safe(one.get("limit")),
        counted=number(one.get("counted")),
        could_see=safe(one.get("couldSee")),
        why=safe(one.get("why")),
        onset=instant(one.get("onset")),
        query=safe(one.get("query")),
        dry_run=one.get("dryRun") is True,
        details=tuple(safe(line) for line in texts(one.get("details"))),
    )


def _targets(spec: Json, status: Json) -> tuple[Target, ...]:
    seen = tuple(
        Target(
            deployment=safe(one.get("deployment")),
            observed=safe(one.get("observed")),
            container=safe(one.get("resolvedContainer")),
            original=safe(one.get("original")),
            pods=safe(one.get("pods")),
        )
        for one in items(status.get("targets"))
    )
    return seen or tuple(
        Target(deployment=safe(one.get("name"))) for one in items(spec.get("targets"))
    )


def _rollback(status: Json) -> Rollback | None:
    told = part(status, "rollback")
    if not told:
        return None
    return Rollback(
        reason=safe(told.get("reason")),
        because=safe(told.get("because")),
        started_at=instant(told.get("startedAt")),
        proven_at=instant(told.get("provenAt")),
        finding=safe(told.get("finding")),
        capture=_capture(part(told, "capture")),
        links=_links(told),
    )


def _capture(told: Json) -> Capture | None:
    if not told:
        return None
    return Capture(
        url=safe(told.get("url")),
        records=number(told.get("records")),
        users=number(told.get("users")),
        sha256=safe(told.get("sha256")),
        since=instant(told.get("since")),
        until=instant(told.get("until")),
        why=safe(told.get("why")),
        given_up=told.get("givenUp") is True,
    )


def _links(told: Json) -> tuple[Link, ...]:
    """Return the links of a status; what is not safe to follow is none."""
    found = (Link(safe(one.get("name")), safe(one.get("url"))) for one in items(told.get("links")))
    return tuple(one for one in found if is_web(one.url))


def _timeline(told: object) -> list[tuple[str, str]]:
    lines = told if isinstance(told, list) else []
    parts = (safe(one).partition("  ") for one in lines if isinstance(one, str))
    return [(at, words) if words else ("", at) for at, _, words in parts]
