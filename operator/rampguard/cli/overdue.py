"""Whether an operator still looks: an instant has passed at which it had to act. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from rampguard.cli.record import Record
from rampguard.cli.text import lasting

PATIENCE = timedelta(minutes=2)  # more than a scrape, a pass and its questions take
SEE = "kubectl -n rampguard-system get pods"
_NOTHING_HOLDS = re.compile(r"At [0-9]{1,3}% until [0-9TZ:-]+")  # a summary that ends there


@dataclass(frozen=True, slots=True)
class Overdue:
    """What an operator should have done, and when it was due."""

    what: str  # "finding" | "end"
    at: datetime
    late: timedelta

    @property
    def words(self) -> str:
        """Say what is missing and where to look, for people."""
        what = "the finding of" if self.what == "finding" else "the end of the soak,"
        at = f"{self.at:%Y-%m-%dT%H:%M:%SZ}"
        return f"no operator seems to look: {what} {at} is {lasting(self.late)} overdue: {SEE}"


def overdue(record: Record, now: datetime) -> Overdue | None:
    """Return the first thing that is overdue and that nothing in the status explains.

    None: all is in time, or something holds the ramp that an operator has told.
    """
    if record.phase != "Soaking" or record.stalled or _pods_are_lost(record):
        return None
    for what, at, patience in _due(record):
        if now - at > patience:
            return Overdue(what, at, now - at)
    return None


def _due(record: Record) -> Iterator[tuple[str, datetime, timedelta]]:
    """Yield what an operator has to do, when it is due, and how late it may be."""
    soak = record.soak
    if soak is None:
        return
    patience = PATIENCE + _waits_for_data(record)
    if soak.next_finding_at:
        yield "finding", soak.next_finding_at, patience
    if soak.ends_at and not _is_held(record):
        yield "end", soak.ends_at, patience


def _pods_are_lost(record: Record) -> bool:
    proven = record.facts.get("PodsProven")
    return proven is not None and proven.status != "True"


def _waits_for_data(record: Record) -> timedelta:
    """Return how long a finding may wait, and the end with it: without data, until it is Stalled.

    A finding without data waits for maxBlind; where no look can be taken at all, for maxHold.
    """
    passing = record.facts.get("GuardrailsPassing")
    blind = passing is not None and passing.reason == "NoData"
    return max(record.max_blind, record.max_hold) if blind else timedelta(0)


def _is_held(record: Record) -> bool:
    """Say whether the soak may go on beyond its end: the summary says for what."""
    return record.paused or bool(record.gates) or not _NOTHING_HOLDS.fullmatch(record.summary)
