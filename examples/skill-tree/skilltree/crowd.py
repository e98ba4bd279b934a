"""The users who come to the skill tree: some new, some again, some keener than others."""

import random
from dataclasses import dataclass


@dataclass(slots=True)
class User:
    """A user. arm: the cookie that the API gave; keenness: sessions relative to others, mean 1."""

    name: str
    keenness: float
    arm: str | None = None

    def cookies(self, session: str, experiment: str) -> dict[str, str]:
        """Return the cookies that the user's browser sends, by the names that they have."""
        sent = {session: self.name}
        return sent | {experiment: self.arm} if self.arm else sent


class Crowd:
    """Remembers users with their cookies, up to a number; then a newcomer displaces somebody."""

    def __init__(self, chance: random.Random, *, most: int = 5000) -> None:
        self._chance = chance
        self._most = most
        self._known: list[User] = []

    def __len__(self) -> int:
        return len(self._known)

    def next_visitor(self, new_users: float) -> User:
        """Return who comes next: a new user with that probability, else one who was here."""
        if not self._known or self._chance.random() < new_users:
            return self._newcomer()
        return self._chance.choice(self._known)

    def sessions(self, user: User, mean: float) -> int:
        """Return how many sessions a user would start in a visit; keen users start several."""
        expected = mean * user.keenness
        again = expected / (1 + expected)
        count = 0
        while self._chance.random() < again:
            count += 1
        return count

    def _newcomer(self) -> User:
        user = User(f"u-{self._chance.getrandbits(64):016x}", self._chance.gammavariate(2, 0.5))
        if len(self._known) < self._most:
            self._known.append(user)
        else:
            self._known[self._chance.randrange(self._most)] = user
        return user
