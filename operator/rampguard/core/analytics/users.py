"""Users without their names: 8 bytes for each, however often they come.

A user is told by a hash of 64 bits. Of n users some two are taken for one with a chance below
n^2 / 2^65: for 5 million less than 1 in a million. Counts are exact but for that.
"""

from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator

PARTS = 256  # by the last bits of the hash; what is done at once is done to one part
LAST_BITS = PARTS - 1
SPARE = 2048  # hashes of a part that may be there twice, beside as many as are there once
WAITING = 2**16  # session starts that are not sorted into parts yet
_HASHES = "q"
_COUNTS = "Q"

Append = Callable[[int], None]
NOBODY: list[Append] = [deque[int](maxlen=0).append] * PARTS


class Users:
    """A set of users: into[user & LAST_BITS](user) adds one, `tidy` drops who is there twice."""

    def __init__(self) -> None:
        self._parts = [array(_HASHES) for _ in range(PARTS)]
        self._most = [SPARE] * PARTS
        self.into: list[Append] = [part.append for part in self._parts]

    def tidy(self) -> None:
        """Look at the parts that have grown; to be called now and then."""
        for i, part in enumerate(self._parts):
            if len(part) > self._most[i]:
                once = array(_HASHES, set(part))
                self._parts[i], self.into[i] = once, once.append
                self._most[i] = 2 * len(once) + SPARE

    def parts(self) -> Iterator[set[int]]:
        """Yield the users part by part; that of each set of users holds the same hashes."""
        return map(set, self._parts)


class Events:
    """How often each user did something: `append` adds once, `tidy` adds up."""

    def __init__(self) -> None:
        self._waiting = array(_HASHES)
        self._users = [array(_HASHES) for _ in range(PARTS)]
        self._counts = [array(_COUNTS) for _ in range(PARTS)]
        self._most = [SPARE] * PARTS
        self.append: Append = self._waiting.append

    def tidy(self, *, at_least: int = WAITING) -> None:
        """Sort what waits into the parts, once it is much; add up who is there twice."""
        if len(self._waiting) < at_least:
            return
        for user, count in Counter(self._waiting).items():
            part = user & LAST_BITS
            self._users[part].append(user)
            self._counts[part].append(count)
        del self._waiting[:]
        for part, users in enumerate(self._users):
            if len(users) > self._most[part]:
                added = self._added(part)
                self._users[part] = array(_HASHES, added.keys())
                self._counts[part] = array(_COUNTS, added.values())
                self._most[part] = 2 * len(added) + SPARE

    def parts(self) -> Iterator[dict[int, int]]:
        """Yield users and their counts, part by part as Users.parts."""
        self.tidy(at_least=0)
        return map(self._added, range(PARTS))

    def _added(self, part: int) -> dict[int, int]:
        added: dict[int, int] = {}
        for user, count in zip(self._users[part], self._counts[part], strict=True):
            added[user] = added.get(user, 0) + count
        return added


def repeated(sets: Iterable[set[int]]) -> set[int]:
    """Return who is in more than one."""
    seen: list[set[int]] = []
    twice: set[int] = set()
    for one in sets:
        for before in seen:
            twice |= before & one
        seen.append(one)
    return twice
