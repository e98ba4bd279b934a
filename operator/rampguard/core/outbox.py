"""The outbox: notices that people are to get, each by channel, until it is delivered or given up.

It stands in the status before anything is sent: what was put down goes out at least once, however
often we die. A notice never changes, so that what arrives twice under one key says the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

GRAFANA = "@grafana"  # where annotations go; no name of a channel begins with @
MOST = 16  # notices that wait at once; the status has room for them at their longest
FIRST, LONGEST = timedelta(seconds=30), timedelta(hours=1)  # pauses between tries
LIFE = timedelta(hours=24)
WHY = 120  # characters kept of a failure


class Kind(StrEnum):
    """What a notice is about. The first eight can be chosen by spec.notify, the rest are marks."""

    RAMP_PLANNED = "RampPlanned"
    RAMP_STARTED = "RampStarted"
    FINDING_RECORDED = "FindingRecorded"
    RAMP_SUCCEEDED = "RampSucceeded"
    GUARDRAIL_BREACHED = "GuardrailBreached"
    ROLLBACK_VERIFIED = "RollbackVerified"
    BLOCKED = "Blocked"
    CONTESTED = "Contested"
    CHANGE = "Change"
    ROLLBACK = "Rollback"


NAMED = frozenset(Kind) - {Kind.CHANGE, Kind.ROLLBACK}  # what spec.notify can name
MARKS = frozenset({Kind.CHANGE, Kind.GUARDRAIL_BREACHED, Kind.ROLLBACK})  # annotations
# What is given up first where there are too many: the status keeps these anyway.
EXPENDABLE = frozenset({Kind.FINDING_RECORDED, Kind.CHANGE, Kind.ROLLBACK})


@dataclass(frozen=True, slots=True)
class Notify:
    """A channel that a ramp tells, and of what."""

    channel: str
    events: frozenset[Kind] = NAMED

    def wants(self, kind: Kind) -> bool:
        """Say whether the channel gets notices of a kind."""
        return kind in self.events


@dataclass(frozen=True, slots=True, kw_only=True)
class NextDecision:
    """What follows a ramp that succeeded, in the words of its owner; None: nothing was said."""

    analysis_window: str | None = None
    go_no_go: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message in facts, as they were when it became due. key: unique within the ramp."""

    kind: Kind
    key: str
    at: datetime
    about: str = ""  # the part of its subject that it tells; empty: all of it
    text: str  # a sentence
    details: tuple[str, ...] = ()  # lines
    experiment: str
    env: str
    origin: int
    to: int
    owner: str | None = None  # None: nobody is named
    since: datetime | None = None  # when the soak began that it is about; None: none did
    queries: tuple[tuple[str, str], ...] = ()  # guardrail, PromQL


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A channel that has not got a notice yet. due None: at once; why: of the last failure."""

    channel: str
    tries: int = 0
    due: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A notice, and who has still to get it."""

    notice: Notice
    to: tuple[Recipient, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What came of one try. failed: why, empty: it was delivered."""

    key: str
    channel: str
    at: datetime
    failed: str = ""


Outbox = tuple[Letter, ...]
Waiting = tuple[Notice, Recipient]


def waiting(outbox: Outbox) -> Iterator[Waiting]:
    """Yield every notice with every channel that has still to get it, oldest first."""
    return ((letter.notice, one) for letter in outbox for one in letter.to)


def delivered(outbox: Outbox, told: Delivery) -> Outbox:
    """Return the outbox after one try; a try of what does not wait changes nothing."""
    return _where(outbox, lambda n, r: _tried(r, told) if (n.key, r.channel) == _about(told) else r)


def is_expected(outbox: Outbox, told: Delivery) -> bool:
    """Say whether a try is of something that waits."""
    return any((n.key, r.channel) == _about(told) for n, r in waiting(outbox))


def without(outbox: Outbox, gone: tuple[Waiting, ...]) -> Outbox:
    """Return the outbox without some that wait in it."""
    lost = {(n.key, r.channel) for n, r in gone}
    return _where(outbox, lambda n, r: None if (n.key, r.channel) in lost else r)


def expired(
    outbox: Outbox, now: datetime, kept: frozenset[str] = frozenset()
) -> tuple[Waiting, ...]:
    """Return what was tried for too long; what was never tried gets its try however late.

    kept: keys of notices that never expire.
    """
    return tuple(
        (n, r) for n, r in waiting(outbox) if r.tries and now - n.at >= LIFE and n.key not in kept
    )


def crowded(outbox: Outbox, kept: frozenset[str] = frozenset()) -> tuple[Waiting, ...]:
    """Return what has no room, oldest first of what is least missed.

    kept: keys of notices that others give way to; fewer than there is room for.
    """
    rest = (one for one in outbox if one.notice.key not in kept)
    order = sorted(rest, key=lambda one: (one.notice.kind not in EXPENDABLE, one.notice.at))
    return tuple(waiting(tuple(order[: max(len(outbox) - MOST, 0)])))


def due(outbox: Outbox, now: datetime) -> tuple[tuple[Notice, str], ...]:
    """Return what is to be sent now, and to which channel."""
    return tuple((n, r.channel) for n, r in waiting(outbox) if r.due is None or r.due <= now)


def next_due(outbox: Outbox, now: datetime) -> timedelta | None:
    """Return how long until something is due that is not due yet; None: nothing waits for that."""
    later = [r.due - now for _, r in waiting(outbox) if r.due is not None and r.due > now]
    return min(later, default=None)


def pause(tries: int) -> timedelta:
    """Return how long to wait after so many failures, at least one: twice as long each time."""
    return min(LONGEST, FIRST * (1 << min(tries - 1, 10)))


def _about(told: Delivery) -> tuple[str, str]:
    return told.key, told.channel


def _tried(recipient: Recipient, told: Delivery) -> Recipient | None:
    if not told.failed:
        return None
    tries = recipient.tries + 1
    return replace(recipient, tries=tries, due=told.at + pause(tries), why=told.failed[:WHY])


def _where(outbox: Outbox, change: Callable[[Notice, Recipient], Recipient | None]) -> Outbox:
    """Return the outbox with each recipient changed or, where that is None, gone."""
    letters = (
        Letter(n, tuple(new for r in to if (new := change(n, r)) is not None))
        for n, to in ((one.notice, one.to) for one in outbox)
    )
    return tuple(letter for letter in letters if letter.to)
