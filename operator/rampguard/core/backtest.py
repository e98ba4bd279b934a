"""A ramp on past days: would its rules have done harm, and which harm could they have seen?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rampguard.core.ask import GuardrailType
from rampguard.core.history import Counts
from rampguard.core.outlook import DAY, Traffic, traffic
from rampguard.core.plan import Plan, families_of
from rampguard.core.remarks import Warned, remarks
from rampguard.core.replays import Replay, holes, taken
from rampguard.core.trials import Tried, tried, upper_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a history says of a plan."""

    start: datetime
    end: datetime
    look: timedelta  # between looks of a replay
    pods: tuple[str, ...]
    arriving: float | None  # new assignments per second over the last day; None: not counted
    replays: tuple[Replay, ...]
    gaps: tuple[tuple[datetime, datetime], ...]  # without a series for longer than maxBlind
    tried: tuple[Tried, ...]
    missing: tuple[str, ...]  # without these signals the ramp would not start
    warnings: tuple[Warned, ...]

    @property
    def rolled_back(self) -> int:
        """How many replays would have been taken back."""
        return sum(one.rolled_back for one in self.replays)

    @property
    def upper(self) -> float:
        """Bound the chance that a soak without harm is rolled back, 95 % sure."""
        return upper_end(self.rolled_back, len(self.replays))


def backtest(plan: Plan, counts: Counts, replays: Sequence[Replay]) -> Backtest:
    """Return what a history says of a plan; replays: what became of soaks in it."""
    coming = traffic(plan, counts)
    told = tried(plan, counts, replays, taken(plan, counts, counts.end), coming)
    return Backtest(
        start=counts.start,
        end=counts.end,
        look=counts.step,
        pods=counts.pods,
        arriving=_arriving(plan, coming),
        replays=tuple(replays),
        gaps=tuple(
            (since, until)
            for since, until in holes(plan, counts, counts.start, counts.end)
            if until - since > plan.ask.max_blind
        ),
        tried=told,
        missing=counts.missing,
        warnings=tuple(warned for one in told for warned in remarks(plan, one)),
    )


def _arriving(plan: Plan, coming: Traffic) -> float | None:
    """Return new assignments per second over the last day."""
    for one in plan.ask.guardrails:
        if one.type is GuardrailType.EXPOSURE_BALANCE:
            new, *_ = families_of(plan.ask, one, plan.tempo)
            return coming.until(new, DAY).total / DAY.total_seconds()
    return None
