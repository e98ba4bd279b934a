"""Short words for an export of analytics: who saw what, and what it comes to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rampguard.core.analytics import Asked, Event, Summary, Tally, summary

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86400))
ARMS = Asked(arms=("tree", "list"))
EXPOSURE, START = "experiment_exposure", "session_started_from_tree"


@dataclass(frozen=True)
class Block:
    arm: str
    source: str = "assignment"
    rollout: int | float | str = 50
    name: str = "layout"


@dataclass(frozen=True, eq=False)
class Seen:
    user: str | int
    experiment: Block | None = None
    name: str = EXPOSURE
    at: datetime = NOON


def exposed(user: str, arm: str, source: str = "assignment", rollout: object = 50) -> Seen:
    return Seen(user, Block(arm, source, rollout))


def tallied(events: Iterable[Event], **asked: object) -> Tally:
    tally, every = Tally(**asked), list(events)
    tally.add(every, range(1, len(every) + 1))
    return tally


def summed(events: Iterable[Event], asked: Asked = ARMS, **of: object) -> Summary:
    return summary(tallied(events, **of), asked, LATER)


def crowd(listed: int, treed: int, rollout: object = 50, source: str = "assignment") -> list[Seen]:
    arms = ["list"] * listed + ["tree"] * treed
    return [exposed(f"{source} {rollout} {n}", arm, source, rollout) for n, arm in enumerate(arms)]


def at(*seconds: float) -> list[Seen]:
    block = Block("tree")
    return [Seen(f"u{n}", block, at=NOON + s * SECOND) for n, s in enumerate(seconds)]
