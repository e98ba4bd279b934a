"""What people read, as the wire carries it, and what we remember in it."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from rampguard.api import engine
from rampguard.api.raw import Json, items, number, part, printable, saying, text
from rampguard.core import model
from rampguard.core.ask import Ask
from rampguard.core.capture import Capture
from rampguard.core.durations import show_duration
from rampguard.core.findings import MOST, MOST_LINES, kept
from rampguard.core.links import LONGEST as LONGEST_LINK
from rampguard.core.links import MOST as MOST_LINKS
from rampguard.core.links import Link
from rampguard.core.model import Ended, Judgement, Line, Original, State
from rampguard.core.parts import part_text
from rampguard.core.preconditions import VOUCHED
from rampguard.core.targets import show
from rampguard.core.view import StatusView
from rampguard.ports import InvalidSpec

Word = Annotated[str, StringConstraints(max_length=128)]
Text = Annotated[str, StringConstraints(max_length=1024)]
Long = Annotated[str, StringConstraints(max_length=4096)]
Detail = Annotated[str, StringConstraints(max_length=512)]
Instant = Annotated[
    str, StringConstraints(max_length=32), Field(json_schema_extra={"format": "date-time"})
]
MOST_PARTS = 5  # lines of a guardrail
FEW_LINES = 10  # of the timeline, where there is no room for more
LONGEST_MEMORY = 524_288  # characters of the engine's line
LARGEST = 1_000_000  # bytes of a status; etcd takes objects of 1.5 MB, the manifest is one half
NO_ROOM = "left out: the memory of this ramp is full"
STAMP = "%Y-%m-%dT%H:%M:%SZ"


class Wire(BaseModel):
    """A part of the status: camelCase, None left out."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Condition(Wire):
    """As in the Kubernetes API conventions."""

    type: Word
    status: Word
    reason: Word
    message: Text
    last_transition_time: Instant
    observed_generation: int


class Finding(Wire):
    """The unchangeable record at a due instant or at a breach."""

    after: Word
    at: Instant
    share: int
    verdict: Word
    evidence: Long
    details: Annotated[list[Detail], Field(max_length=MOST_LINES)] | None = None
    asked: Annotated[list[Text], Field(max_length=MOST_LINES)] | None = None
    late: bool | None = None
    vouched: Annotated[list[Text], Field(max_length=VOUCHED)] | None = None


class GuardrailStatus(Wire):
    """The latest judgement of one guardrail."""

    guardrail: Word
    type: Word
    verdict: Word
    value: Word | None = None
    interval: Word | None = None
    limit: Word | None = None
    counted: int | None = None
    could_see: Text | None = None
    why: Text | None = None
    details: Annotated[list[Detail], Field(max_length=MOST_PARTS)] | None = None
    onset: Instant | None = None
    query: Long | None = None
    dry_run: bool | None = None


class TargetStatus(Wire):
    """One target; original is what a rollback restores."""

    deployment: Text
    resolved_container: Word | None = None
    observed: Word | None = None
    original: Word | None = None
    pods: Word | None = None


class SoakStatus(Wire):
    """The soak of the current step, in instants."""

    started_at: Instant
    ends_at: Instant | None = None
    next_finding_at: Instant | None = None
    stopped_at: Instant | None = None


class GateStatus(Wire):
    """A question to a person; `kubectl ramp approve` answers it."""

    name: Word
    since: Instant
    why: Text


class LinkStatus(Wire):
    """An address of the operator's configuration, filled in; http or https."""

    name: Text
    url: Annotated[str, StringConstraints(max_length=LONGEST_LINK)]


Links = Annotated[list[LinkStatus], Field(max_length=MOST_LINKS)]


class CaptureStatus(Wire):
    """The records of users who were exposed to treatment; url absent: not captured."""

    since: Instant
    until: Instant
    url: Text | None = None
    records: int | None = None
    users: int | None = None
    sha256: Word | None = None
    why: Text | None = None
    given_up: bool | None = None


class RollbackStatus(Wire):
    """What a rollback was for, and when it was proven."""

    reason: Word
    because: Text
    started_at: Instant
    proven_at: Instant | None = None
    finding: Word | None = None
    capture: CaptureStatus | None = None
    links: Links | None = None


class Status(Wire):
    """Written by the operator alone. engine: its own memory, not for reading."""

    observed_generation: int
    phase: Word
    phase_started_at: Instant | None = None
    started_at: Instant | None = None
    progress: Word | None = None
    pods: Word | None = None
    summary: Text | None = None
    watched: bool | None = None
    abort: Word | None = None
    gate: Word | None = None
    gates: Annotated[list[GateStatus], Field(max_length=20)] | None = None
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=20,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
        ),
    ]
    findings: Annotated[list[Finding], Field(max_length=MOST)] | None = None
    findings_summary: Word | None = None
    guardrails: Annotated[list[GuardrailStatus], Field(max_length=10)] | None = None
    soak: SoakStatus | None = None
    targets: Annotated[list[TargetStatus], Field(max_length=10)] | None = None
    rollback: RollbackStatus | None = None
    links: Links | None = None
    blind: Word | None = None
    mixed_exposure: Word | None = None
    vouched: Annotated[list[Text], Field(max_length=VOUCHED)] | None = None
    timeline: Annotated[list[Text], Field(max_length=20)] | None = None
    engine: Annotated[str, StringConstraints(max_length=LONGEST_MEMORY)] | None = None


def to_status(view: StatusView, state: State) -> Json:
    """Return the status of a ramp: readable fields, and the line that to_state reads.

    Where it would be more than the API server stores, the findings lose first their numbers, then
    their evidence, and say so, the timeline its older lines, and the links of the ramp go; in the
    end notices that wait are given up. Without its memory a ramp could not even be rolled back.
    """
    whole, *shorter = _shorter(view, state)
    told = _status(*whole)
    for one in shorter:
        if told is not None and len(orjson.dumps(told)) <= LARGEST:
            break
        told = _status(*one)
    if told is None:
        raise ValueError(f"the memory of this ramp is longer than {LONGEST_MEMORY} characters")
    return told


def _shorter(view: StatusView, state: State) -> Iterator[tuple[StatusView, State]]:
    """Yield what there is to tell, then what is left of it if need be."""
    yield view, state
    short = tuple(replace(one, asked=(), vouched=0) for one in state.findings)
    bare = tuple(replace(one, details=(NO_ROOM,)) for one in short)
    yield view, replace(state, findings=bare)
    mute = tuple(replace(one, details=(), asked=(), evidence=NO_ROOM) for one in short)
    quiet = replace(state, findings=mute, timeline=state.timeline[-FEW_LINES:])
    unlinked = replace(view, links=())
    yield unlinked, quiet
    if state.outbox:
        lost = f"{len(state.outbox)} notices {NO_ROOM}"
        yield unlinked, replace(quiet, outbox=(), unheard=(lost,))


def _status(view: StatusView, state: State) -> Json | None:
    """Return a status; None: the schema does not take a memory of that length."""
    memory = engine.write(state)
    if len(memory) > LONGEST_MEMORY:
        return None
    stage = state.stage
    judged: tuple[Judgement, ...] = getattr(stage, "judged", ())
    rollback = state.rollback
    told = Status(
        observed_generation=state.observed_generation,
        phase=view.phase,
        phase_started_at=_at(view.phase_since),
        started_at=_at(state.started_at),
        progress=view.progress,
        pods=view.pods,
        summary=_cut(view.summary),
        watched=stage.watched if isinstance(stage, Ended) else None,
        abort=state.abort,
        gate=state.gates[0].name if state.gates else None,
        gates=[GateStatus(name=g.name, since=_time(g.since), why=_cut(g.why)) for g in state.gates]
        or None,
        conditions=[_condition(one) for one in state.conditions],
        findings=[_finding(one, state.vouched) for one in state.findings[-MOST:]] or None,
        findings_summary=view.findings,
        guardrails=[_guardrail(one) for one in judged] or None,
        soak=view.soak
        and SoakStatus(
            started_at=_time(view.soak.started_at),
            ends_at=_at(view.soak.ends_at),
            next_finding_at=_at(view.soak.next_finding_at),
            stopped_at=_at(view.soak.stopped_at),
        ),
        targets=_targets(view, state) or None,
        rollback=rollback
        and RollbackStatus(
            reason=rollback.because.reason,
            because=_cut(rollback.because.message),
            started_at=_time(rollback.started_at),
            proven_at=_at(rollback.proven_at),
            finding=rollback.finding or None,
            capture=_capture(rollback.capture),
            links=_links(rollback.links),
        ),
        links=_links(view.links),
        blind=show_duration(_whole(view.blind)) if view.blind else None,
        mixed_exposure=None if state.mixed is None else show_duration(_whole(state.mixed)),
        vouched=_vouched(state.vouched),
        timeline=[_cut(str(line)) for line in state.timeline] or None,
        engine=memory,
    )
    return told.model_dump(mode="json", by_alias=True, exclude_none=True)


def to_state(ramp: Json, ask: Ask) -> State:
    """Return what is remembered of a ramp; a new one remembers nothing.

    A memory that cannot be read is an InvalidSpec: guessing would lose the way back.
    """
    status = part(ramp, "status")
    line = status.get("engine")
    if line is None and "startedAt" not in status:
        return State()
    try:
        remembered = engine.read(text(line))
    except engine.Damaged as error:
        raise InvalidSpec(
            f"status.engine of {ask.ref} is damaged, {saying(str(error))}; undo by hand:"
            " the stamps on the Deployments carry the original values"
        ) from error
    return replace(
        remembered,
        conditions=tuple(_read_condition(one) for one in items(status.get("conditions"))),
        timeline=tuple(_lines(status.get("timeline"))),
    )


def refused_status(ramp: Json, message: str, now: datetime) -> Json:
    """Return a status that says why a manifest is refused, and keeps all that was remembered."""
    before = part(ramp, "status")
    generation = number(part(ramp, "metadata").get("generation"), 1)
    old = {text(c.get("type")): c for c in items(before.get("conditions"))}
    facts = (
        ("Ready", "False", message),
        ("Reconciling", "False", ""),
        ("Stalled", "True", message),
    )
    for kind, status, words in facts:
        stands = part(old.get(kind))
        since = text(stands.get("lastTransitionTime")) if stands.get("status") == status else ""
        old[kind] = Condition(
            type=kind,
            status=status,
            reason="InvalidSpec",
            message=_cut(words),
            last_transition_time=since or _time(now),
            observed_generation=generation,
        ).model_dump(by_alias=True)
    started = "startedAt" in before
    phase = text(before.get("phase")) if started else "Blocked"
    since = text(before.get("phaseStartedAt")) if before.get("phase") == phase else ""
    return {
        **before,
        "observedGeneration": generation,
        "phase": phase,
        "phaseStartedAt": since or _time(now),
        "summary": _cut(message, 120),
        "conditions": list(old.values()),
    }


def _condition(one: model.Condition) -> Condition:
    return Condition(
        type=one.type,
        status=one.status,
        reason=one.reason,
        message=_cut(one.message),
        last_transition_time=_time(one.since),
        observed_generation=one.generation,
    )


def _read_condition(one: Json) -> model.Condition:
    return model.Condition(
        type=text(one.get("type")),
        status=text(one.get("status")),
        reason=text(one.get("reason")),
        message=text(one.get("message")),
        since=_read_time(text(one.get("lastTransitionTime"))),
        generation=number(one.get("observedGeneration"), -1),
    )


def _lines(told: object) -> list[Line]:
    lines = (
        [line.partition("  ") for line in told if isinstance(line, str)]
        if isinstance(told, list)
        else []
    )
    return [Line(_read_time(at), words) for at, _, words in lines]


def _finding(one: model.Finding, vouched: tuple[str, ...]) -> Finding:
    return Finding(
        after=show_duration(_whole(one.after)),
        at=_time(one.at),
        share=one.share,
        verdict=one.verdict,
        evidence=_cut(one.evidence, 4096),
        details=_details(kept(one.details, math.inf, MOST_LINES)),
        asked=[_cut(query) for query in kept(one.asked, math.inf, MOST_LINES)] or None,
        late=one.late or None,
        vouched=_vouched(vouched[: one.vouched]),
    )


def _vouched(lines: tuple[str, ...]) -> list[str] | None:
    return [_cut(line) for line in lines] or None


def _guardrail(one: Judgement) -> GuardrailStatus:
    return GuardrailStatus(
        guardrail=one.name,
        type=one.type,
        verdict=one.verdict,
        value=one.value or None,
        interval=one.interval or None,
        limit=one.limit or None,
        counted=round(one.counted) or None,
        could_see=_cut(one.could_see) or None,
        why=_cut(one.why) or None,
        details=_details(part_text(part) for part in one.parts[:MOST_PARTS]),
        onset=_at(one.onset),
        query=_cut(one.query, 4096) or None,
        dry_run=one.dry_run or None,
    )


def _capture(one: Capture | None) -> CaptureStatus | None:
    if one is None:
        return None
    return CaptureStatus(
        since=_time(one.since),
        until=_time(one.until),
        url=_cut(one.url) or None,
        records=one.records if one.url else None,
        users=one.users if one.url else None,
        sha256=one.sha256 or None,
        why=_cut(one.why) or None,
        given_up=(one.at is None) or None,
    )


def _links(links: Iterable[Link]) -> list[LinkStatus] | None:
    return [LinkStatus(name=_cut(one.name), url=printable(one.url)) for one in links] or None


def _details(lines: Iterable[str]) -> list[str] | None:
    return [_cut(line, 512) for line in lines] or None


def _targets(view: StatusView, state: State) -> list[TargetStatus]:
    originals = {o.deployment: o for o in state.originals}
    seen = [
        TargetStatus(
            deployment=one.deployment,
            resolved_container=one.container or None,
            observed=_cut(one.observed, 128) or None,
            original=_original(originals.get(one.deployment)),
            pods=one.pods or None,
        )
        for one in view.targets
    ]
    return seen or [
        TargetStatus(deployment=o.deployment, resolved_container=o.container, original=_original(o))
        for o in state.originals
    ]


def _original(original: Original | None) -> str | None:
    return None if original is None else _cut(show(original.value), 128)


def _cut(words: str, limit: int = 1024) -> str:
    """Return words that the schema takes: bounded, and without control characters."""
    clean = printable(words)
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


def _whole(duration: timedelta) -> timedelta:
    return timedelta(seconds=round(duration.total_seconds()))


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime(STAMP)


def _at(at: datetime | None) -> str | None:
    return None if at is None else _time(at)


def _read_time(written: str) -> datetime:
    try:
        return datetime.fromisoformat(written).astimezone(UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
