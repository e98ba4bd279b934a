"""What people read of one ramp beyond what is remembered: made anew in every pass."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from rampguard.core.links import Link
from rampguard.core.model import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """One target as it stands; empty texts: not known."""

    deployment: str
    container: str = ""  # as resolved
    observed: str = ""  # the value in the pod template
    pods: str = ""  # "5/5": proven of desired


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakView:
    """When the soak of the current step began, and what of it is to come."""

    started_at: datetime
    ends_at: datetime | None = None  # None: it ended
    next_finding_at: datetime | None = None  # None: none is to come
    stopped_at: datetime | None = None  # None: not cut short


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """The texts of one status; summary is the one line that Ready repeats."""

    phase: Phase
    phase_since: datetime | None = None  # None: nothing was looked at yet
    progress: str = ""  # "10 -> 50", "10 (was 25)"
    pods: str = "-"  # "8/8"; "-": nothing was counted
    findings: str = "-"  # "1/3 within, 1 inconclusive"; "-": none is due
    summary: str = ""
    targets: tuple[TargetView, ...] = ()
    soak: SoakView | None = None  # None: no soak began
    links: tuple[Link, ...] = ()
    unlinked: tuple[str, ...] = ()  # templates of which a link found no room
    blind: timedelta  # of all soaks, without what still runs: status holds instants
