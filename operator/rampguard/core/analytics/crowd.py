"""Who is in which arm: the users of a tally, counted part by part."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat

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
        at: defaultdict[float | None, list[tuple[Group, set[int]]]] = defaultdict(list)
        cookies: list[tuple[Group, set[int]]] = []
        for group, users in part.items():
            (cookies if group.cookie else at[group.percent]).append((group, users))
        by_percent = {percent: _by_arm(groups) for percent, groups in at.items()}
        for percent in by_percent.keys() - {None}:
            self.new_at[percent].update(_alone(by_percent[percent]))
        new = _together([*by_percent.values()])
        self.new.update({arm: len(users) for arm, users in new.items()})
        self.new_at[None].update(_alone(new))
        every = _together([new, _by_arm(cookies)])
        self.users.update({arm: len(users) for arm, users in every.items()})
        self.in_both += len(repeated(every.values()))
        return every

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


def _alone(arms: Mapping[str, set[int]]) -> dict[str, int]:
    """Return how many users of each arm are in no other."""
    twice = repeated(arms.values())
    return {arm: len(users) - len(users & twice) for arm, users in arms.items()}


def _by_arm(groups: Iterable[tuple[Group, set[int]]]) -> dict[str, set[int]]:
    return {group.arm: users for group, users in groups}


def _together(some: Sequence[Mapping[str, set[int]]]) -> dict[str, set[int]]:
    """Return the users of each arm in any of these; a set that is alone is not copied."""
    every: defaultdict[str, list[set[int]]] = defaultdict(list)
    for one in some:
        for arm, users in one.items():
            every[arm].append(users)
    return {arm: sets[0].union(*sets[1:]) if sets[1:] else sets[0] for arm, sets in every.items()}
