"""Which notices are due: from what was remembered and what was decided to what people are told.

first seen, or its plan changed before the start   RampPlanned
Pending -> Applying                                RampStarted
-> Ended(Completed), watched                       RampSucceeded
-> Ended(Contested)                                Contested
a note of the decision                             as NOTED says
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import accumulate

from rampguard.core.capture import Capture
from rampguard.core.durations import show_duration
from rampguard.core.linking import broken_first
from rampguard.core.model import (
    Applying,
    Decision,
    Ended,
    Finding,
    Note,
    Observation,
    Outcome,
    Pending,
    RollbackRecord,
    Soaking,
    State,
)
from rampguard.core.moves import TOLD, note
from rampguard.core.outbox import (
    GRAFANA,
    LIFE,
    MARKS,
    Delivery,
    Kind,
    Letter,
    Notice,
    Notify,
    Recipient,
    Waiting,
    crowded,
    delivered,
    expired,
    is_expected,
    next_due,
    waiting,
    without,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from rampguard.core.require import Window

FIRST_TRY = timedelta(seconds=30)  # that a start waits, at most, for RampPlanned to be tried
TEXT, DETAILS, QUERIES = 1024, 1024, 1024  # characters that a notice keeps
MOST_UNHEARD = 10
NOTED: dict[Reason, Kind] = {
    Reason.FINDING_RECORDED: Kind.FINDING_RECORDED,
    Reason.GUARDRAIL_BREACHED: Kind.GUARDRAIL_BREACHED,
    Reason.ROLLBACK_VERIFIED: Kind.ROLLBACK_VERIFIED,
    # Its capture comes minutes later: told when it is there, or given up.
    Reason.SESSIONS_CAPTURED: Kind.ROLLBACK_VERIFIED,
    Reason.CAPTURE_GIVEN_UP: Kind.ROLLBACK_VERIFIED,
    Reason.SHARE_CHANGED: Kind.CHANGE,
    Reason.ROLLBACK_STARTED: Kind.ROLLBACK,
    # It does not start, or cannot go on without a person.
    Reason.BLOCKED: Kind.BLOCKED,
    Reason.GITOPS_CONFLICT: Kind.BLOCKED,
    Reason.APPROVAL_ASKED: Kind.BLOCKED,
    Reason.BLIND: Kind.BLOCKED,
    Reason.ROLLBACK_OVERDUE: Kind.BLOCKED,
    # Of a later step that waits.
    Reason.TARGET_NOT_FOUND: Kind.BLOCKED,
    Reason.TARGET_DELETING: Kind.BLOCKED,
    Reason.DECLARED_IN_GIT: Kind.BLOCKED,
    Reason.DEPLOYMENT_PAUSED: Kind.BLOCKED,
    Reason.ROLLOUT_IN_PROGRESS: Kind.BLOCKED,
    Reason.NO_PODS: Kind.BLOCKED,
    Reason.WRITE_REFUSED: Kind.BLOCKED,
}
OF_THE_CAPTURE = frozenset({Reason.SESSIONS_CAPTURED, Reason.CAPTURE_GIVEN_UP})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    """What a notice is about, before it has its surroundings."""

    kind: Kind
    key: str
    about: str = ""
    text: str
    details: tuple[str, ...] = ()


def due_notices(
    plan: Plan, before: State, seen: Observation, decision: Decision
) -> tuple[Notice, ...]:
    """Return what became due in one pass, marks for Grafana among it, in order."""
    return tuple(_notice(plan, decision.state, seen, one) for one in _facts(plan, before, decision))


def with_notices(plan: Plan, before: State, seen: Observation, decision: Decision) -> Decision:
    """Put what became due into the outbox, and look again when a try is due."""
    state = decision.state
    notes: tuple[Note, ...] = ()
    if plan.ask.notify or GRAFANA in seen.channels:
        for notice in due_notices(plan, before, seen, decision):
            state = _put_down(plan, state, seen, notice)
        gone = crowded(state.outbox, _awaited(plan, state))
        state, notes = _given_up(state, gone, "too many wait")
    wait = next_due(state.outbox, seen.now)
    return replace(
        decision,
        state=state,
        notes=(*decision.notes, *notes),
        look_again_in=decision.look_again_in if wait is None else min(decision.look_again_in, wait),
    )


def take_deliveries(plan: Plan, state: State, seen: Observation) -> tuple[State, tuple[Note, ...]]:
    """Take in what came of the latest tries; tell a channel that begins to fail, and the end."""
    notes: tuple[Note, ...] = ()
    for told in seen.deliveries:
        if not is_expected(state.outbox, told):
            continue
        if not told.failed:
            state = replace(state, delivered=state.delivered + 1)
            state = replace(state, announced=_heard(plan, state, told))
        elif told.channel not in _failing(state):
            text = f"{told.channel} does not take notices: {told.failed}; it is tried again"
            key = (told.channel, told.key)
            notes = (*notes, note(Reason.NOTIFY_FAILED, text, *key, warning=True))
        state = replace(state, outbox=delivered(state.outbox, told))
    why = f"not delivered within {show_duration(LIFE)}"
    gone = expired(state.outbox, seen.now, _awaited(plan, state))
    state, lost = _given_up(state, gone, why)
    return state, (*notes, *lost)


def _heard(plan: Plan, state: State, told: Delivery) -> tuple[str, ...]:
    """Return who got the plan as it is now; who got another one since is to be told it again."""
    key = _planned(plan).key
    if told.key != key:
        return state.announced
    others = (one for one in state.announced if one.startswith(key))
    return (*others, _to(key, told.channel))


def is_announcing(plan: Plan, state: State, seen: Observation) -> bool:
    """Say whether RampPlanned has still to go out: put down, and tried once or half a minute old.

    So people hear of a change before it, and no dead channel holds it unless they require that.
    """
    key = _planned(plan).key
    if any(_to(key, channel) not in state.told for channel in planned_to(plan)):
        return True
    return any(
        n.key == key and not r.tries and seen.now - n.at < FIRST_TRY
        for n, r in waiting(state.outbox)
    )


def unannounced(plan: Plan, state: State) -> tuple[str, ...]:
    """Return the channels that have not got RampPlanned as the plan is now; empty: all have."""
    key = _planned(plan).key
    return tuple(one for one in planned_to(plan) if _to(key, one) not in state.announced)


def planned_to(plan: Plan) -> tuple[str, ...]:
    """Return the channels that get RampPlanned: all of them where that is required."""
    return tuple(one.channel for one in plan.ask.notify if _gets(plan, one, Kind.RAMP_PLANNED))


# --- what became due ---


def _facts(plan: Plan, before: State, decision: Decision) -> Iterator[_Fact]:
    state, was, now = decision.state, before.stage, decision.state.stage
    if isinstance(now, Pending):
        yield _planned(plan)
    if isinstance(was, Pending) and isinstance(now, Applying):
        key = f"{Kind.RAMP_STARTED}/{now.since.isoformat()}"
        yield _Fact(kind=Kind.RAMP_STARTED, key=key, text=decision.because.message)
    found = {_finding_key(one): one for one in state.findings[len(before.findings) :]}
    for told in decision.notes:
        if kind := NOTED.get(told.reason):
            yield _noted(plan, state, kind, told, found)
    if isinstance(now, Ended) and not isinstance(was, Ended):
        yield from _end(plan, state, now)


def _planned(plan: Plan) -> _Fact:
    """Return RampPlanned; a plan that says something else has another key."""
    ask = plan.ask
    way = " -> ".join(map(str, (ask.origin, *plan.values)))
    text = f"{ask.env} goes {way} on {', '.join(t.name for t in ask.targets)}"
    due = ", ".join(map(show_duration, plan.findings[plan.last]))
    steps = f", {show_duration(ask.step_soak)} at each step before" if ask.steps else ""
    details = (
        *_window(plan.ask.window),
        f"watched for {show_duration(ask.soak)}{steps}",
        *((f"findings at {due}",) if due else ()),
        f"guardrails: {', '.join(g.name for g in ask.guardrails)}",
        *_decided(plan),
    )
    told = "\n".join((ask.experiment, text, *details, ask.owner or ""))
    digest = sha256(told.encode()).hexdigest()[:8]
    key = f"{Kind.RAMP_PLANNED}/{digest}"
    return _Fact(kind=Kind.RAMP_PLANNED, key=key, text=text, details=details)


def _window(window: Window | None) -> Iterator[str]:
    """Yield when the ramp may start."""
    if window is not None:
        sides = (("from", window.not_before), ("until", window.not_after))
        told = (f"{word} {at:%Y-%m-%dT%H:%M:%SZ}" for word, at in sides if at)
        yield f"may start {' '.join(told)}"


def _decided(plan: Plan) -> Iterator[str]:
    """Yield what the owner said of the time after the ramp."""
    if told := plan.ask.decision:
        if told.analysis_window:
            yield f"analysis window: {told.analysis_window}"
        if told.go_no_go:
            yield f"go/no-go: {told.go_no_go}"


def _noted(plan: Plan, state: State, kind: Kind, told: Note, found: dict[str, Finding]) -> _Fact:
    record = state.rollback
    if told.reason in OF_THE_CAPTURE and record and record.capture:
        return _captured(plan, record, record.capture, told)
    match kind:
        case Kind.FINDING_RECORDED if told.key in found:
            details = found[told.key].details
        case Kind.GUARDRAIL_BREACHED:
            details = tuple(line for one in found.values() for line in one.details)
        case Kind.ROLLBACK_VERIFIED if record:
            details = (f"because: {record.because.message}", _took(record), *_to_come(record))
        case _:
            details = ()
    return _Fact(kind=kind, key=told.key, text=told.message, details=details)


def _took(record: RollbackRecord) -> str:
    took = (record.proven_at or record.started_at) - record.started_at
    whole = timedelta(seconds=round(took.total_seconds()))
    return f"began {record.started_at:%Y-%m-%dT%H:%M:%SZ}, took {show_duration(whole)}"


def _to_come(record: RollbackRecord) -> Iterator[str]:
    """Yield when the affected sessions are captured, and that it is told."""
    if record.capture:
        at = f"{record.capture.until:%Y-%m-%dT%H:%M:%SZ}"
        yield f"the sessions of affected users are captured after {at}; where is told then"


def _captured(plan: Plan, record: RollbackRecord, capture: Capture, told: Note) -> _Fact:
    """Tell where the affected sessions are, or that they are nowhere."""
    ref = plan.ask.ref
    span = f"{capture.since:%Y-%m-%dT%H:%M:%SZ} to {capture.until:%Y-%m-%dT%H:%M:%SZ}"
    fetch = f"to fetch: kubectl ramp capture {ref.name} -n {ref.namespace}"
    return _Fact(
        kind=Kind.ROLLBACK_VERIFIED,
        key=told.key,
        about="capture",
        text=told.message,
        details=(
            f"what users did who were exposed to treatment, {span}",
            *((f"sha256: {capture.sha256}", fetch) if capture.url else ()),
            f"of the rollback because: {record.because.message}",
        ),
    )


def _end(plan: Plan, state: State, stage: Ended) -> Iterator[_Fact]:
    at, text = stage.since.isoformat(), stage.because.message
    if stage.outcome is Outcome.CONTESTED:
        yield _Fact(kind=Kind.CONTESTED, key=f"{Kind.CONTESTED}/{at}", text=text)
    if stage.outcome is Outcome.COMPLETED and stage.watched:
        found = (
            f"{show_duration(one.after)} at {one.share}%: {one.verdict}" for one in state.findings
        )
        yield _Fact(
            kind=Kind.RAMP_SUCCEEDED,
            key=f"{Kind.RAMP_SUCCEEDED}/{at}",
            text=text,
            details=(*_decided(plan), *found),
        )


def _finding_key(finding: Finding) -> str:
    """Return the key of the note that tells a finding."""
    return note(Reason.FINDING_RECORDED, "", finding.share, finding.after).key


# --- what a notice carries ---


def _notice(plan: Plan, state: State, seen: Observation, fact: _Fact) -> Notice:
    ask = plan.ask
    return Notice(
        kind=fact.kind,
        key=fact.key,
        at=seen.now,
        about=fact.about,
        text=_cut(fact.text, TEXT),
        details=_fitting(fact.details),
        experiment=ask.experiment,
        env=ask.env,
        origin=ask.origin,
        to=ask.to,
        owner=ask.owner,
        since=_soak_start(state),
        queries=_queries(state, fact),
    )


def _soak_start(state: State) -> datetime | None:
    if isinstance(state.stage, Soaking):
        return state.stage.since
    return state.soaked.since if state.soaked else None


def _queries(state: State, fact: _Fact) -> tuple[tuple[str, str], ...]:
    """Return what the guardrails asked, broken ones first, as many as there is room for."""
    if fact.kind in {Kind.RAMP_PLANNED, Kind.RAMP_STARTED, Kind.CHANGE}:
        return ()
    left, kept = QUERIES, []
    for one in broken_first(state):
        if one.query and len(one.query) <= left:
            left -= len(one.query)
            kept.append((one.name, one.query))
    return tuple(kept)


def _fitting(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return the first lines, as many as there is room for."""
    ends = accumulate(map(len, lines))
    return tuple(line for line, end in zip(lines, ends, strict=True) if end <= DETAILS)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


# --- the outbox ---


def _put_down(plan: Plan, state: State, seen: Observation, notice: Notice) -> State:
    """Put a notice into the outbox for everybody who wants it and was not told it before."""
    new = tuple(_recipients(plan, state, seen, notice.kind))
    once = _once(plan, state, notice)
    if once is not None:
        again = _lost(plan, state) if notice.key in _awaited(plan, state) else ()
        new = tuple(one for one in new if one in again or _to(once, one) not in state.told)
        state = replace(state, told=(*state.told, *(_to(once, one) for one in new))[-TOLD:])
    if not new:
        return state
    letter = Letter(notice, tuple(Recipient(channel=one) for one in new))
    return replace(state, outbox=(*state.outbox, letter))


def _recipients(plan: Plan, state: State, seen: Observation, kind: Kind) -> Iterator[str]:
    for one in plan.ask.notify:
        # Before the start such a ramp is blocked; later the failure is what tells it.
        known = one.channel in seen.channels or not isinstance(state.stage, Pending)
        if _gets(plan, one, kind) and known:
            yield one.channel
    if kind in MARKS and GRAFANA in seen.channels:
        yield GRAFANA


def _gets(plan: Plan, one: Notify, kind: Kind) -> bool:
    return one.wants(kind) or (kind is Kind.RAMP_PLANNED and _is_required(plan))


def _is_required(plan: Plan) -> bool:
    return plan.ask.require is not None and plan.ask.require.announced


def _awaited(plan: Plan, state: State) -> frozenset[str]:
    """Return the keys of notices that are not given up, because the start waits for them."""
    waits = _is_required(plan) and isinstance(state.stage, Pending)
    return frozenset({_planned(plan).key}) if waits else frozenset()


def _lost(plan: Plan, state: State) -> tuple[str, ...]:
    """Return who lacks RampPlanned, and none is on its way: it was given up before it was awaited.

    It goes out under its key once more then, the same but for its instant.
    """
    key = _planned(plan).key
    coming = {r.channel for n, r in waiting(state.outbox) if n.key == key}
    return tuple(one for one in unannounced(plan, state) if one not in coming)


def _once(plan: Plan, state: State, notice: Notice) -> str | None:
    """Return what must be told to a channel once only, though it is found due again."""
    if notice.kind is Kind.RAMP_PLANNED:
        return notice.key
    if notice.kind is Kind.BLOCKED and isinstance(state.stage, Pending):
        why = state.stage.because.reason if state.stage.because else ""
        return f"{Kind.BLOCKED}/{why}/{plan.ask.generation}"
    return None


def _failing(state: State) -> frozenset[str]:
    return frozenset(r.channel for _, r in waiting(state.outbox) if r.tries)


def _given_up(state: State, gone: tuple[Waiting, ...], why: str) -> tuple[State, tuple[Note, ...]]:
    """Drop what will not be delivered, and say so."""
    lines = tuple(f"{r.channel}: {n.kind} of {n.at:%Y-%m-%dT%H:%M:%SZ}" for n, r in gone)
    notes = tuple(
        note(
            Reason.NOTIFY_FAILED,
            f"gave up on {line}: {why}{f'; {r.why}' if r.why else ''}",
            "end",
            r.channel,
            n.key,
            warning=True,
        )
        for line, (n, r) in zip(lines, gone, strict=True)
    )
    state = replace(
        state,
        outbox=without(state.outbox, gone),
        unheard=(*state.unheard, *lines)[-MOST_UNHEARD:],
    )
    return state, notes


def _to(key: str, channel: str) -> str:
    return f"{key} to {channel}"
