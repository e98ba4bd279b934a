"""The nouns of what is asked of an analytics export, and of what it said.

A spot-check tells whether it is as it should be; a recount counts users for the guardrails.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from rampguard.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Analytics:
    """Which export is read, and how long after the start of a soak for the first time."""

    source: str
    after: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One reading of an export. key: what it is for; at: not before.

    Read are the records of [since, until).
    """

    number: int
    key: str
    share: int  # percent, that the pods run
    since: datetime
    until: datetime
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """What an export said. fault None: it is as it should be; unread: why it said nothing.

    refused: lines among them that are no record. users: new ones, of one arm alone; treated: of
    them in treatment.
    """

    number: int
    share: int  # percent, that was asked for
    at: datetime
    records: int = 0  # of the window
    refused: int = 0
    users: int = 0
    treated: int = 0
    sessions: int = 0
    in_both: int = 0  # users in both arms
    text: str = ""  # what it comes to, for people
    fault: Reason | None = None
    unread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiries:
    """What is remembered. asked: what is being read, None: nothing is; over: the last key done."""

    asked: Inquiry | None = None
    count: int = 0
    over: str = ""
    told: Analysed | None = None


class Bin(NamedTuple):
    """Users by their first exposure, and how many of them had the event soon after it."""

    control: int = 0
    treatment: int = 0
    control_hits: int = 0
    treatment_hits: int = 0


Outage = tuple[datetime, datetime]  # [since, until): not every pod ran the value


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """One counting of users by an export; at: not before.

    New are users who were exposed in [since, until) and not in [origin, since). size: of a bin.
    Who was first exposed in an outage is left out.
    """

    number: int
    origin: datetime
    since: datetime
    until: datetime
    at: datetime
    size: timedelta
    outages: tuple[Outage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recounted:
    """What an export says of its users; of each event the bins from `since` on.

    reach: until when it holds all that happened; None: it holds nothing. Users first exposed by
    `settled` are counted. known: all who were exposed since the origin. one_in: of so many users
    one is counted. unread: why nothing was.
    """

    number: int
    origin: datetime
    since: datetime
    at: datetime
    reach: datetime | None = None
    settled: datetime | None = None
    bins: tuple[tuple[str, tuple[Bin, ...]], ...] = ()
    known: int = 0
    one_in: int = 1
    unread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recounts:
    """What is remembered of them. mark: what they depend on; told: the last that was readable.

    unread: why there is none newer; "": it was read. delays: how old the end of the export was
    when it went on, the latest.
    """

    asked: Recount | None = None
    count: int = 0
    mark: str = ""
    told: Recounted | None = None
    unread: str = ""
    delays: tuple[timedelta, ...] = ()
