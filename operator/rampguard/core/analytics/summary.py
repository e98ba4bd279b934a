"""What a tally comes to: each arm, both beside each other, over time, and whether it is valid."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from rampguard.core.analytics.crowd import Crowd
from rampguard.core.analytics.growth import Growth, growth
from rampguard.core.analytics.record import Refusal
from rampguard.core.analytics.slices import Slice, ahead, sliced
from rampguard.core.analytics.tally import (
    ARMLESS,
    BEYOND,
    BEYOND_OTHER,
    CELLS,
    Backwards,
    Cell,
    Refused,
    Tally,
)

PAIR = 2  # control and treatment
MANY = 20  # names of experiments that are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is expected. arms: control first, then treatment; share: in treatment, of new users."""

    arms: tuple[str, ...] = ()
    share: float | None = None  # None: what the records say


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """One arm. users: with an exposure; new_users: with one that is not by cookie."""

    arm: str
    exposures: int
    by_cookie: int  # of the exposures
    users: int
    new_users: int
    session_starts: int
    other_events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """The share of treatment over all exposures, which dashboards show.

    cookies: its share of the exposures by cookie, None: there are none; expected: of all, if new
    ones go as the rollout says and those by cookie are what they are; None: no rollout is known.
    """

    share: float
    exposures: int
    by_cookie: int
    cookies: float | None
    expected: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What an export says. Counts are of the window, and of the experiment that was asked for."""

    records: int
    refused: int
    refused_inside: int  # of them after the first event of their source in the window
    reasons: tuple[tuple[Refusal, int], ...]  # the commonest first
    first_refused: tuple[Refused, ...]
    outside: int
    backwards: Backwards
    ahead: int  # exposures of a time to come
    since: datetime | None  # the first event; None: there is none
    until: datetime | None  # the last
    experiments: tuple[tuple[str, int], ...]  # exposures of each
    experiment: str  # the one that was counted; "": several, or none
    arms: tuple[ArmCounts, ...]  # those expected first
    expected: tuple[str, ...]
    in_both: int  # users with exposures in more than one arm
    armless_starts: int  # session starts that no arm could be found for
    armless: int  # other events that tell none
    beyond: int  # exposures and events of one kind too many: not counted
    growths: tuple[Growth, ...]
    all_exposures: Dashboard | None
    width: timedelta
    slices: tuple[Slice, ...]
    share_asked: bool

    @property
    def silent(self) -> tuple[str, ...]:
        """Return the expected arms without an exposure."""
        return tuple(one.arm for one in self.arms if one.arm in self.expected and not one.exposures)

    @property
    def mixed(self) -> bool:
        """Say whether exposures of several experiments were counted as one."""
        return not self.experiment and len(self.experiments) > 1

    @property
    def exposures(self) -> int:
        """Return those of all arms."""
        return sum(one.exposures for one in self.arms)

    @property
    def in_line(self) -> bool:
        """Say whether the arms grow by the odds, as far as they are known."""
        return all(one.in_line for one in self.growths)

    @property
    def valid(self) -> bool:
        """Say whether every line is a record, every arm reports, and the share asked for holds."""
        return bool(
            self.exposures
            and not (self.refused or self.silent or self.mixed or self.beyond)
            and (self.in_line or not self.share_asked)
        )


def summary(tally: Tally, asked: Asked, now: datetime) -> Summary:
    """Return what was counted; now: to tell times that are still to come."""
    cells = [one for one in tally.cells if tally.experiment in {"", one.kind[0]}]
    totals = _totals(tally)
    names = _experiments(tally, totals)
    arms = _arms(cells, asked)
    crowd = Crowd(tally)
    width, slices = sliced(tally, cells, arms)
    return Summary(
        records=tally.read,
        refused=tally.refused,
        refused_inside=tally.refused_inside,
        reasons=tuple(tally.reasons.most_common()),
        first_refused=tuple(tally.first_refused),
        outside=tally.outside,
        backwards=replace(tally.backwards),
        ahead=ahead(tally, now),
        since=tally.earliest.astimezone(UTC) if tally.spans else None,
        until=tally.latest.astimezone(UTC) if tally.spans else None,
        experiments=tuple(names.most_common(MANY)),
        experiment=tally.experiment or (next(iter(names)) if len(names) == 1 else ""),
        arms=tuple(_arm(arm, tally, cells, totals, crowd) for arm in arms),
        expected=asked.arms,
        in_both=crowd.in_both,
        armless_starts=crowd.armless_starts,
        armless=tally.others[ARMLESS],
        beyond=totals[BEYOND] + tally.others[BEYOND_OTHER],
        growths=tuple(_growths(crowd, asked)),
        all_exposures=_dashboard(cells, totals, asked),
        width=width,
        slices=slices,
        share_asked=asked.share is not None,
    )


def _totals(tally: Tally) -> Sequence[int]:
    """Return the exposures of each cell."""
    return [sum(counts) for counts in zip(*tally.spans.values(), strict=True)] or [0] * CELLS


def _experiments(tally: Tally, totals: Sequence[int]) -> Counter[str]:
    names: Counter[str] = Counter()
    for cell in tally.cells:
        names[cell.kind[0]] += totals[cell.number]
    return names


def _arms(cells: Sequence[Cell], asked: Asked) -> tuple[str, ...]:
    """Return the arms that are expected, then the others as they were met."""
    return tuple(dict.fromkeys((*asked.arms, *(arm for _, arm, *_ in (c.kind for c in cells)))))


def _arm(
    arm: str, tally: Tally, cells: Sequence[Cell], totals: Sequence[int], crowd: Crowd
) -> ArmCounts:
    own = [one for one in cells if one.kind[1] == arm]
    others = Counter[bool]()
    for (name, of, starts), count in tally.others.items():
        if of == arm and tally.experiment in {"", name}:
            others[starts] += count
    return ArmCounts(
        arm=arm,
        exposures=sum(totals[one.number] for one in own),
        by_cookie=sum(totals[one.number] for one in own if one.cookie),
        users=crowd.users[arm],
        new_users=crowd.new[arm],
        session_starts=others[True] + crowd.starts[arm],
        other_events=others[False],
    )


def _growths(crowd: Crowd, asked: Asked) -> Iterator[Growth]:
    """Yield a test for each rollout of the records, or one of all for the share asked for."""
    if len(asked.arms) != PAIR:
        return
    control, treatment = asked.arms
    if asked.share is not None:
        new = crowd.new_at[None]
        yield growth(asked.share, new[treatment], new[control])
        return
    for percent in sorted(one for one in crowd.new_at if one is not None):
        new = crowd.new_at[percent]
        if new[treatment] + new[control]:
            yield growth(percent / 100, new[treatment], new[control])


def _dashboard(cells: Sequence[Cell], totals: Sequence[int], asked: Asked) -> Dashboard | None:
    """Return the share over all exposures; None: there is none, or not one treatment."""
    if len(asked.arms) != PAIR:
        return None
    own = [one for one in cells if one.kind[1] in asked.arms]
    every = sum(totals[one.number] for one in own)
    if not every:
        return None
    kept = [one for one in own if one.cookie]
    by_cookie = sum(totals[one.number] for one in kept)
    treated = _treated(kept, totals, asked)
    drawn = [(totals[one.number], _share(one, asked)) for one in own if not one.cookie]
    known = [count * share for count, share in drawn if share is not None]
    return Dashboard(
        share=_treated(own, totals, asked) / every,
        exposures=every,
        by_cookie=by_cookie,
        cookies=treated / by_cookie if by_cookie else None,
        expected=(sum(known) + treated) / every if len(known) == len(drawn) else None,
    )


def _treated(cells: Sequence[Cell], totals: Sequence[int], asked: Asked) -> int:
    return sum(totals[one.number] for one in cells if one.kind[1] == asked.arms[1])


def _share(cell: Cell, asked: Asked) -> float | None:
    if asked.share is not None:
        return asked.share
    return None if cell.percent is None else cell.percent / 100
