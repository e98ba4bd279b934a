"""Who is in which arm: the users of a tally, counted part by part."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, repeat

from rampguard.core.analytics.tally import Group, Tally
from rampguard.core.analytics.users import repeated

Part = Mapping[Group, set[int]]


class Crowd:
    """Users by arm, and the session starts that only their users tell the arm of."""

    def __init__(self, tally: Tally) -> None:
        self.users: Counter[str] = Counter()
        self.new: Counter[str] = Counter()  # with an exposure that is not by cookie
        self.in_both = 0  # in more than one arm
        # By percentage, those of one arm alone; None: at any.
        self.new_at: defaultdict[float | None, Counter[str]] = defaultdict(Counter)
        self.starts: Counter[str] = Counter()
        self.armless_starts = 0
        for part, starts in zip(_parts(tally), tally.unattributed.parts(), strict=False):
            self._count_starts(self._count(part), starts)

    def _count(self, part: Part) -> dict[str, set[int]]:
        """Count one part; return the users of each arm."""
        every = _by_arm(part.items())
        self.users.update({arm: len(users) for arm, users in every.items()})
        self.in_both += len(repeated(every.values()))
        at: defaultdict[float | None, list[tuple[Group, set[int]]]] = defaultdict(list)
        for group, users in part.items():
            if not group.cookie:
                at[group.percent].append((group, users))
        for percent in at.keys() - {None}:
            self._count_new(percent, _by_arm(at[percent]))
        new = _by_arm(chain.from_iterable(at.values()))
        self.new.update({arm: len(users) for arm, users in new.items()})
        self._count_new(None, new)
        return every

    def _count_new(self, percent: float | None, new: Mapping[str, set[int]]) -> None:
        twice = repeated(new.values())
        self.new_at[percent].update({arm: len(users - twice) for arm, users in new.items()})

    def _count_starts(self, every: Mapping[str, set[int]], starts: Mapping[int, int]) -> None:
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


def _by_arm(groups: Iterable[tuple[Group, set[int]]]) -> dict[str, set[int]]:
    every: defaultdict[str, set[int]] = defaultdict(set)
    for group, users in groups:
        every[group.arm] |= users
    return dict(every)
