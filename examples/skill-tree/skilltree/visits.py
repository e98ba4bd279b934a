"""One visit of one user: the tree, then the sessions that the user starts from it."""

import random
from dataclasses import dataclass
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge

from skilltree.api import SESSION_COOKIE
from skilltree.assignment import COOKIE, Arm
from skilltree.browser import Answer, Asked, Browser
from skilltree.crowd import User
from skilltree.knobs import Knobs
from skilltree.metrics import SESSIONS_PATH, TREE_PATH
from skilltree.skills import NAMES

SKILLS = sorted(NAMES)


class TrafficMetrics:
    """What the users saw, as against what the API says that it answered."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "traffic_requests",
            "Requests sent, by their end: lost is one without an answer.",
            ("request", "outcome"),
            registry=self.registry,
        )
        for labels in product(("tree", "session", "exit"), ("2xx", "4xx", "5xx", "lost")):
            self.requests.labels(*labels)
        self.skipped = Counter(
            "traffic_visits_skipped", "Visits left out: too many at once.", registry=self.registry
        )
        self.users = Gauge("traffic_users", "Users remembered.", registry=self.registry)

    def count(self, request: str, answer: Answer | None) -> None:
        """Count how one request ended."""
        outcome = f"{answer.status // 100}xx" if answer else "lost"
        self.requests.labels(request, outcome).inc()


@dataclass(frozen=True, slots=True)
class Visits:
    """Lets users act, through a browser."""

    browser: Browser
    chance: random.Random
    metrics: TrafficMetrics

    async def visit(self, user: User, sessions: int, knobs: Knobs) -> None:
        """Show the tree to a user, who keeps the cookie; a user who saw no tree starts nothing."""
        answer = await self._ask("tree", self._tree_request(user, knobs))
        if answer is None:
            return
        user.arm = answer.cookies.get(COOKIE, user.arm)
        source = _source(answer.body)
        if answer.status != 200 or source is None:  # noqa: PLR2004 - HTTP
            return
        for _ in range(sessions):
            if not self._dropped(user, knobs):
                await self._ask("session", self._session_request(user, source))

    async def exit_a_pod(self) -> None:
        """Ask the API pod that happens to answer to exit."""
        await self._ask("exit", Asked(method="POST", path="/lab/exit"))

    def _tree_request(self, user: User, knobs: Knobs) -> Asked:
        mistaken = self.chance.random() < knobs.unknown_skills
        return Asked(
            method="GET",
            path=TREE_PATH + ("?skill=alchemy" if mistaken else ""),
            cookies=user.cookies(SESSION_COOKIE, COOKIE),
            headers=knobs.headers(),
        )

    def _session_request(self, user: User, source: str) -> Asked:
        return Asked(
            method="POST",
            path=SESSIONS_PATH,
            cookies=user.cookies(SESSION_COOKIE, COOKIE),
            json={"skill": self.chance.choice(SKILLS), "source": source},
        )

    def _dropped(self, user: User, knobs: Knobs) -> bool:
        return user.arm == Arm.LIST and self.chance.random() < knobs.treatment_session_drop

    async def _ask(self, request: str, asked: Asked) -> Answer | None:
        answer = await self.browser.ask(asked)
        self.metrics.count(request, answer)
        return answer


def _source(body: object) -> str | None:
    """Return where the API says that the arm comes from; another service's answer says nothing."""
    block = body.get("experiment") if isinstance(body, dict) else None
    source = block.get("source") if isinstance(block, dict) else None
    return source if isinstance(source, str) else None
