"""Counts events as they come, in memory that does not grow with their number.

What grows is 8 to 12 bytes for each user, and a little for each minute and each kind of exposure;
both are bounded.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import add
from typing import NamedTuple

from rampguard.core.analytics.record import (
    COOKIE,
    EXPOSURE,
    SESSION_START,
    Event,
    Fault,
    Refusal,
    Rollout,
)
from rampguard.core.analytics.users import LAST_BITS, NOBODY, Append, Events, Users

SHOWN = 20  # lines that are named
TIDY = 2**16  # events after which it is looked who was counted twice
KINDS = 100  # of exposures, and of other events, that are told apart
STRANGERS = 50  # of these that may be of experiments which were not asked for
SPANS = 5000  # of time that are kept; where there are more, they are made longer
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(3000, 1, 1, tzinfo=UTC)
LENGTHS = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=28))

Kind = tuple[str, str, str, Rollout]  # experiment, arm, source, rollout
Other = tuple[str, str, bool]  # experiment, arm, whether it is a session start
ARMLESS: Other = ("", "", False)
BEYOND = KINDS  # the cell of what is of one kind too many
ELSEWHERE = KINDS + 1  # the same, of experiments that were not asked for
CELLS = KINDS + 2
BEYOND_OTHER: Other = ("", "", True)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a source, counted from 1."""

    source: str
    line: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that is no record."""

    place: Place
    refusal: Refusal


class Group(NamedTuple):
    """Users who belong together. percent None: none is told, or they are by cookie."""

    arm: str
    percent: float | None
    cookie: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of exposure. percent None: no percentage; into: the users to whom its own belong."""

    number: int
    kind: Kind
    percent: float | None
    into: Sequence[Append]

    @property
    def cookie(self) -> bool:
        """Say whether its users had their arm from before."""
        return self.kind[2] == COOKIE


@dataclass(slots=True)
class Backwards:
    """Records earlier than the one before them in their source."""

    count: int = 0
    furthest: timedelta = timedelta(0)
    places: list[Place] = field(default_factory=list)


class Tally:
    """What was counted so far, of events in [since, until); experiment "": of any."""

    def __init__(
        self,
        *,
        experiment: str = "",
        session_start: str = SESSION_START,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        self.experiment = experiment
        self.read = 0  # lines that are a record, in the window or not
        self.outside = 0
        self.refused = 0
        self.refused_inside = 0  # of them after the first event of its source in the window
        self.reasons: Counter[Refusal] = Counter()
        self.first_refused: list[Refused] = []
        self.backwards = Backwards()
        self.earliest = LAST
        self.latest = FIRST
        self.width = LENGTHS[0]
        self.spans: dict[int, list[int]] = {}  # widths since FIRST -> exposures of each cell
        self.cells: list[Cell] = []
        self.users: dict[Group, Users] = {}
        self.others: dict[Other, int] = {ARMLESS: 0, BEYOND_OTHER: 0}
        self.unattributed = Events()  # session starts that tell no arm
        self._session_start = session_start
        self._since = max(since or FIRST, FIRST)
        self._until = min(until or LAST, LAST)
        self._known: dict[Kind, Cell] = {}
        self._untidy = 0
        self._strangers = 0
        self.begin("")

    def begin(self, source: str) -> None:
        """Go on with another source; its records may be older than those of the one before."""
        self._source = source
        self._before = self._end = FIRST
        self._span: list[int] = []

    def refuse(self, line: int, refusal: Refusal) -> None:
        """Count a line that is no record."""
        self.refused += 1
        self.refused_inside += self._before != FIRST
        self.reasons[refusal] += 1
        if len(self.first_refused) < SHOWN:
            self.first_refused.append(Refused(Place(self._source, line), refusal))

    def add(self, events: Sequence[Event], lines: Sequence[int]) -> None:
        """Count events in the order in which they stand; lines[i]: the line of events[i].

        The loop is what an analysis spends its time in: it calls nothing for a usual event.
        """
        before, end, span = self._before, self._end, self._span
        known, others, session_start = self._known, self.others, self._session_start
        refused = self.refused
        for event in events:
            at = event.at
            if before <= at < end:
                before = at
            else:
                self._before = before
                if not self._turn(event, events, lines):
                    continue
                before, end, span = self._before, self._end, self._span
            experiment = event.experiment
            if experiment is None:
                self._bare(event, events, lines)
            elif event.name == EXPOSURE:
                kind = (experiment.name, experiment.arm, experiment.source, experiment.rollout)
                try:
                    cell = known[kind]
                except KeyError:
                    cell = self._cell(kind)
                user = hash(event.user)
                cell.into[user & LAST_BITS](user)
                span[cell.number] += 1
            else:
                other = (experiment.name, experiment.arm, event.name == session_start)
                try:
                    others[other] += 1
                except KeyError:
                    self._other(other)
        self._before = before
        self.latest = max(self.latest, before)
        self.read += len(events) - (self.refused - refused)
        self._untidy += len(events)
        if self._untidy > TIDY:
            self._untidy = 0
            for users in self.users.values():
                users.tidy()
            self.unattributed.tidy()

    def _turn(self, event: Event, events: Sequence[Event], lines: Sequence[int]) -> bool:
        """Turn to the span of an event, unless it is outside the window."""
        at = event.at
        if not self._since <= at < self._until:
            if _blockless(event):
                self._refuse_blockless(event, events, lines)
            else:
                self.outside += 1
            return False
        if at < self._before:
            self._step_back(event, events, lines)
        self.earliest = min(self.earliest, at)
        self.latest = max(self.latest, self._before)
        index = (at - FIRST) // self.width
        if index not in self.spans:
            self.spans[index] = [0] * CELLS
            self._lengthen()
            index = (at - FIRST) // self.width
        self._before = at
        self._span = self.spans[index]
        self._end = min(FIRST + (index + 1) * self.width, self._until)
        return True

    def _lengthen(self) -> None:
        if len(self.spans) <= SPANS or self.width == LENGTHS[-1]:
            return
        width = LENGTHS[LENGTHS.index(self.width) + 1]
        longer: dict[int, list[int]] = {}
        for index, span in self.spans.items():
            into = longer.setdefault(index * self.width // width, [0] * CELLS)
            into[:] = map(add, into, span)
        self.spans, self.width = longer, width

    def _step_back(self, event: Event, events: Sequence[Event], lines: Sequence[int]) -> None:
        back = self.backwards
        back.count += 1
        back.furthest = max(back.furthest, self._before - event.at)
        if len(back.places) < SHOWN:
            back.places.append(Place(self._source, _line(event, events, lines)))

    def _bare(self, event: Event, events: Sequence[Event], lines: Sequence[int]) -> None:
        """Count an event that does not say which arm its user has."""
        if _blockless(event):
            self._refuse_blockless(event, events, lines)
        elif event.name == self._session_start:
            self.unattributed.append(hash(event.user))
        else:
            self.others[ARMLESS] += 1

    def _refuse_blockless(
        self, event: Event, events: Sequence[Event], lines: Sequence[int]
    ) -> None:
        self.refuse(_line(event, events, lines), Refusal(Fault.MISSING, "experiment"))

    def _cell(self, kind: Kind) -> Cell:
        """Return the cell of a kind that was not seen yet."""
        name, arm, source, rollout = kind
        strange = self.experiment not in {"", name}
        if strange and self._strangers == STRANGERS:
            return Cell(ELSEWHERE, kind, None, NOBODY)
        if len(self.cells) == KINDS:
            return Cell(BEYOND, kind, None, NOBODY)
        percent, cookie = _percent(rollout), source == COOKIE
        self._strangers += strange
        if not strange:
            group = Group(arm, None if cookie else percent, cookie)
            into = self.users.setdefault(group, Users()).into
        else:
            into = NOBODY
        cell = self._known[kind] = Cell(len(self.cells), kind, percent, into)
        self.cells.append(cell)
        return cell

    def _other(self, other: Other) -> None:
        """Count the first event of a kind."""
        known = other if len(self.others) < KINDS else BEYOND_OTHER
        self.others[known] = self.others.get(known, 0) + 1


def _blockless(event: Event) -> bool:
    """Say whether an event is an exposure to nothing: no record, wherever it stands."""
    return event.name == EXPOSURE and event.experiment is None


def _line(event: Event, events: Sequence[Event], lines: Sequence[int]) -> int:
    return next(line for one, line in zip(events, lines, strict=True) if one is event)


def _percent(rollout: Rollout) -> float | None:
    """Return a share in percent, from 0 to 100; None of anything else."""
    try:
        percent = float(rollout)
    except (ValueError, OverflowError):
        return None
    return percent if 0 <= percent <= 100 else None  # noqa: PLR2004 - percent
