"""The nouns of the capture of affected sessions, after a rollback."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What is kept for those who look into it; url "": not yet.

    Of the records of [since, until) those of users who were exposed to treatment in it. number: of
    the try; at: not before, None: given up; why: what hindered the last try.
    """

    number: int
    since: datetime
    until: datetime
    at: datetime | None
    why: str = ""
    url: str = ""
    records: int = 0
    users: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What came of a try. failed: why there is nothing; empty: there is."""

    number: int
    url: str = ""
    records: int = 0
    users: int = 0
    sha256: str = ""
    failed: str = ""
