"""The capture of affected sessions: when it is made, and what follows. It never holds anything.

a rollback is proven        -> due five minutes later; nothing, where the ramp is deleted
made                        -> where it is stands in the status, and is told
not made                    -> told once, tried again every five minutes, for a day
not made in a day           -> given up, and told
"""

from dataclasses import replace
from datetime import datetime, timedelta

from rampguard.core.capture import Capture
from rampguard.core.durations import show_duration
from rampguard.core.model import Note, Observation, RollbackRecord, State
from rampguard.core.moves import note, told_once
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason

AFTER = timedelta(minutes=5)  # the last restored pod, and between two tries
PATIENCE = timedelta(days=1)
WAIT = timedelta(hours=1)  # for an export that comes late; then what is there is taken


def planned(plan: Plan, state: State, seen: Observation, record: RollbackRecord) -> RollbackRecord:
    """Return a proven rollback with the capture that is to come, if there is anything to capture.

    Its window begins with the first write: the first changed pod came after it.
    """
    nothing = plan.ask.analytics is None or not seen.captures or plan.ask.deleting
    if nothing or state.started_at is None:
        return record
    until = seen.now + AFTER
    capture = Capture(number=1, since=state.started_at, until=until, at=until)
    return replace(record, capture=capture)


def take_in(state: State, seen: Observation) -> tuple[State, tuple[Note, ...]]:
    """Take in what came of the latest try."""
    record, came = state.rollback, seen.captured
    if record is None or came is None or (capture := _waiting(state)) is None:
        return state, ()
    if came.number != capture.number:
        return state, ()
    if not came.failed:
        made = replace(
            capture,
            url=came.url,
            records=came.records,
            users=came.users,
            sha256=came.sha256,
            why="",
        )
        text = f"{came.records} records of {came.users} users captured: {came.url}"
        return _with(state, record, made), (note(Reason.SESSIONS_CAPTURED, text, "capture"),)
    late = seen.now - capture.until >= PATIENCE
    again = replace(
        capture,
        number=capture.number + 1,
        at=None if late else seen.now + AFTER,
        why=came.failed,
    )
    text = f"affected sessions are not captured: {came.failed}"
    if late:
        text = f"{text}; given up after {show_duration(PATIENCE)}"
        said = note(Reason.CAPTURE_GIVEN_UP, text, "capture", warning=True)
    else:
        said = note(Reason.CAPTURE_FAILED, f"{text}; it is tried again", "capture", warning=True)
    return told_once(_with(state, record, again), said)


def due(state: State, now: datetime) -> Capture | None:
    """Return the capture that is to be made now; None: none is."""
    capture = _waiting(state)
    return capture if capture and capture.at and capture.at <= now else None


def until_due(state: State, now: datetime) -> timedelta | None:
    """Return how long until it is to be made; None: it is not to be, or is being made."""
    capture = _waiting(state)
    return capture.at - now if capture and capture.at and capture.at > now else None


def is_whole(capture: Capture, now: datetime) -> bool:
    """Say whether the export has to reach the end of the rollback: it may come late, not never."""
    return now - capture.until < WAIT


def _waiting(state: State) -> Capture | None:
    capture = state.rollback.capture if state.rollback else None
    return capture if capture and not capture.url else None


def _with(state: State, record: RollbackRecord, capture: Capture) -> State:
    return replace(state, rollback=replace(record, capture=capture))
