"""Who is in which arm: the users of a tally, counted part by part."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat

from rampguard.core.analytics.tally import Group, Tally
from rampguard.core.analytics.users import repeated, united

Part = Mapping[Group, set[int]]


class Crowd:
    """Users by arm, and the session starts that only their users tell the arm of."""

    def __init__(self, tally: Tally, arms: Sequence[str]) -> None:
        self.users: Counter[str] = Counter()
        self.new: Counter[str] = Counter()  # with an exposure that is not by cookie
        self.in_both = 0  # in more than one arm
        # By percentage, those of one arm alone; None: at any.
        self.new_at: defaultdict[float | None, Counter[str]] = defaultdict(Counter)
        self.starts: Counter[str] = Counter()
        self.armless_starts = 0
        self._arms = arms
        for part, starts in zip(_parts(tally), tally.unattributed.parts(), strict=False):
            self._count(part)
            self._count_starts(part, starts)

    def _count(self, part: Part) -> None:
        every = {arm: united(_of(part, arm)) for arm in self._arms}
        self.users.update({arm: len(users) for arm, users in every.items()})
        self.in_both += len(repeated(list(every.values())))
        new = {group: users for group, users in part.items() if not group.cookie}
        self.new.update({arm: len(united(_of(new, arm))) for arm in self._arms})
        self._count_new(None, new)
        for percent in {group.percent for group in new} - {None}:
            self._count_new(percent, {g: users for g, users in new.items() if g.percent == percent})

    def _count_new(self, percent: float | None, new: Part) -> None:
        arms = {arm: united(_of(new, arm)) for arm in self._arms}
        twice = repeated(list(arms.values()))
        self.new_at[percent].update({arm: len(users - twice) for arm, users in arms.items()})

    def _count_starts(self, part: Part, starts: Mapping[int, int]) -> None:
        every = {arm: united(_of(part, arm)) for arm in self._arms} if starts else {}
        for user, count in starts.items():
            arms = [arm for arm, users in every.items() if user in users]
            if len(arms) == 1:
                self.starts[arms[0]] += count
            else:
                self.armless_starts += count


def _parts(tally: Tally) -> Iterator[Part]:
    if not tally.users:
        return repeat({})
    parts = zip(*(users.parts() for users in tally.users.values()), strict=True)
    return (dict(zip(tally.users, part, strict=True)) for part in parts)


def _of(part: Part, arm: str) -> Iterable[set[int]]:
    return (users for group, users in part.items() if group.arm == arm)
