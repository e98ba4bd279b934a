"""The nouns of the spot-check of an analytics export: what is asked of it, and what it said."""

from dataclasses import dataclass
from datetime import datetime, timedelta

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
