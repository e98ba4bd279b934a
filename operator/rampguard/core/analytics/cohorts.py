"""Users by their first exposure, and who of them had an event soon after it.

Whatever the order in which records come, how often and how late: the same records give the same
counts. So an export can be read again at any time, whole or from where it has grown.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from rampguard.core.analytics.record import COOKIE, EXPOSURE, Event, Experiment
from rampguard.core.export import Bin, Recount

MOST = 2**18  # entries: users with an exposure, users with an event, and its times
BINS = 288  # of a soak; in one that is held for very long the last goes on
UNIT = timedelta(milliseconds=1)
KIND = 4  # of exposures: offset * KIND + kind, so that the smallest is the first
Spell = tuple[int, int]  # the exposures, first to last, which an event is soon after
Spells = tuple[Spell, ...]
CONTROL, TREATMENT, KNOWN = range(3)  # KNOWN: the arm is of another time, or of no interest


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Who is followed: of which experiment, in which arms, for which events, since when.

    uid: of the ramp. soon: how long after the exposure an event is one of it.
    """

    uid: str
    experiment: str
    arms: tuple[str, str]  # control, treatment
    events: tuple[str, ...]
    soon: timedelta
    origin: datetime


class Cohorts:
    """All users since an instant; where they are too many, a sample of them by their names.

    The sample does not depend on what the users do, so that what is true of it is true of all.
    """

    def __init__(self, followed: Followed, most: int = MOST) -> None:
        self.followed = followed
        self._most = most
        self._mask = 0  # users whose hash shares a bit with it are left out
        self._exposures: dict[int, int] = {}
        self._events: dict[str, dict[int, Spells]] = {e: {} for e in followed.events}
        self._size = 0  # entries
        self._soon = followed.soon // UNIT
        self._exposed_at: datetime | None = None  # the latest exposure to the experiment
        self._acted_at: datetime | None = None  # the latest of all other events
        control, treatment = followed.arms
        self._kinds = {control: CONTROL, treatment: TREATMENT}

    @property
    def one_in(self) -> int:
        """Return of how many users one is counted."""
        return self._mask + 1

    @property
    def known(self) -> int:
        """Return how many users were exposed, of those who are counted."""
        return len(self._exposures)

    @property
    def reach(self) -> datetime | None:
        """Return until when exposures and other events are there; None: of one there is nothing.

        They may come by ways of their own: the slower one counts.
        """
        if self._exposed_at is None or self._acted_at is None:
            return None
        return min(self._exposed_at, self._acted_at)

    def add(self, events: Iterable[Event], now: datetime) -> None:
        """Take in events in any order; one of the future does not say how far the export is."""
        for event in events:
            if event.at < self.followed.origin:
                continue
            if event.name != EXPOSURE:
                self._acted_at = _later(self._acted_at, event.at, now)
                if event.name in self._events:
                    self._act(event)
            elif event.experiment and event.experiment.name == self.followed.experiment:
                self._exposed_at = _later(self._exposed_at, event.at, now)
                self._expose(event, event.experiment)
        self._thin()

    def count(self, wanted: Recount) -> tuple[datetime | None, dict[str, tuple[Bin, ...]]]:
        """Return until when users are counted, and of each event its bins, the last not whole.

        A user is counted once nothing can happen any more that would count for them.
        """
        end = self._settled(wanted)
        if end is None:
            return None, dict.fromkeys(self._events, ())
        first, last, size = (self._offset(wanted.since), self._offset(end), wanted.size // UNIT)
        outages = tuple((self._offset(a), self._offset(b)) for a, b in wanted.outages)
        many = min(BINS, -((first - last) // size))
        cells = {name: [[0, 0, 0, 0] for _ in range(many)] for name in self._events}
        for user, told in self._exposures.items():
            at, arm = divmod(told, KIND)
            if arm == KNOWN or not first <= at < last or any(a <= at < b for a, b in outages):
                continue
            index = min((at - first) // size, many - 1)
            for name, acted in self._events.items():
                cell = cells[name][index]
                cell[arm] += 1
                cell[arm + 2] += _within(at, acted.get(user, ()))
        return end, {name: tuple(Bin(*cell) for cell in told) for name, told in cells.items()}

    def _settled(self, wanted: Recount) -> datetime | None:
        if self.reach is None:
            return None
        end = min(self.reach, wanted.until) - self.followed.soon
        return end if end > wanted.since else None

    def _expose(self, event: Event, block: Experiment) -> None:
        user = _key(event)
        if user & self._mask:
            return
        kind = KNOWN if block.source == COOKIE else self._kinds.get(block.arm, KNOWN)
        told = self._offset(event.at) * KIND + kind
        before = self._exposures.get(user)
        self._size += before is None
        if before is None or told < before:
            self._exposures[user] = told
            for acted in self._events.values():
                if spells := acted.get(user):
                    self._keep(acted, user, spells)

    def _act(self, event: Event) -> None:
        user = _key(event)
        if user & self._mask:
            return
        acted, at = self._events[event.name], self._offset(event.at)
        self._keep(acted, user, _merged((*acted.get(user, ()), (at - self._soon, at))))

    def _keep(self, acted: dict[int, Spells], user: int, spells: Spells) -> None:
        """Keep what may still count: a first exposure only ever moves to an earlier time."""
        told = self._exposures.get(user)
        if told is not None:
            spells = tuple(one for one in spells if one[0] <= told // KIND)
        before = acted.pop(user, None)
        self._size += _entries(spells) - _entries(before or ())
        if spells:
            acted[user] = spells

    def _thin(self) -> None:
        """Leave every second user out for good, until the rest has room."""
        while self._size > self._most:
            self._mask = 2 * self._mask + 1
            self._exposures = {u: t for u, t in self._exposures.items() if not u & self._mask}
            self._events = {
                name: {u: t for u, t in acted.items() if not u & self._mask}
                for name, acted in self._events.items()
            }
            spells = (one for acted in self._events.values() for one in acted.values())
            self._size = len(self._exposures) + sum(map(_entries, spells))

    def _offset(self, at: datetime) -> int:
        return (at - self.followed.origin) // UNIT


def _key(event: Event) -> int:
    """Return who a user is, the same in every process: a sample stays what it is."""
    name = str(event.user).encode(errors="surrogatepass")
    return int.from_bytes(blake2b(name, digest_size=8).digest())


def _later(known: datetime | None, at: datetime, now: datetime) -> datetime | None:
    return at if at <= now and (known is None or at > known) else known


def _merged(spells: Spells) -> Spells:
    """Return spells without overlap, in their order."""
    told: list[Spell] = []
    for since, until in sorted(spells):
        if told and since <= told[-1][1]:
            told[-1] = told[-1][0], max(told[-1][1], until)
        else:
            told.append((since, until))
    return tuple(told)


def _within(at: int, spells: Spells) -> bool:
    return any(since <= at <= until for since, until in spells)


def _entries(spells: Spells) -> int:
    return 1 + len(spells) if spells else 0
