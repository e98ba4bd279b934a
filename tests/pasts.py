"""A past that Prometheus might remember: counters of pods, on a grid, made by a seed."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache

from rampguard.core.ask import Guardrail, GuardrailType, PromQL
from rampguard.core.history import Counts, History, Labels, counted, queries
from rampguard.core.model import Series
from rampguard.core.plan import Plan
from rate_scenes import ERRORS, STARTS
from scenes import DAY, HOUR, MINUTE, SHARE, plan

STEP = 5 * MINUTE
PODS = "api-7d9f8c6b5f-bcdfg", "api-7d9f8c6b5f-hjklm"
STRANGER = "api-gateway-7d9f8c6b5f-bcdfg"
BEGIN = datetime.fromisoformat("2026-11-15T00:00:00Z")
RULES = (
    replace(SHARE, name="exposure-balance"),
    replace(STARTS, name="session-starts"),
    replace(ERRORS, name="errors-5xx"),
)
PLAN = plan(guardrails=RULES)
LABELS = Labels()


@dataclass(frozen=True)
class World:
    """What happens. rates are per second, over all pods; harm: factors by the time since BEGIN."""

    users: float = 1.0
    share: float = 0.1
    starts: float = 0.6  # of a user
    requests: float = 10.0
    errors: float = 0.005  # of a request
    failing: Callable[[timedelta], float] = field(default=lambda _: 1.0)
    drawn: Callable[[timedelta], float] = field(default=lambda _: 0.1)
    swing: float = 0.4
    seed: int = 1
    absent: Callable[[timedelta], bool] = field(default=lambda _: False)

    def busy(self, at: timedelta) -> float:
        return 1 - self.swing * math.cos(2 * math.pi * at / DAY)


@cache
def past(
    world: World = World(), days: float = 3, our: Plan = PLAN, step: timedelta = STEP
) -> History:
    """Return what Prometheus would answer."""
    steps = round(timedelta(days=days) / step)
    chance = random.Random(world.seed)  # noqa: S311 - the same past again
    counts = [_grown(world, chance, i * step, step) for i in range(1, steps + 1)]
    told = {"assignments_total": "users", "starts_total": "starts"}
    told |= {"errors_total": "errors", "requests_total": "requests"}
    answers: dict[PromQL, tuple[Series, ...]] = {}
    for query in queries(our, LABELS):
        name = next((k for n, k in told.items() if n in query), "")
        answers[query] = _series(name, counts, world, step) if name else ()
    end = BEGIN + steps * step
    return History(start=BEGIN, end=end, step=step, answers=answers)


def counts_of(
    world: World = World(), days: float = 3, our: Plan = PLAN, step: timedelta = STEP
) -> Counts:
    return counted(our, LABELS, past(world, days, our, step))


def _grown(
    world: World, chance: random.Random, at: timedelta, step: timedelta
) -> dict[tuple[str, str], int]:
    """Return what is counted in one step, by counter and arm."""
    seconds = step.total_seconds() * world.busy(at)
    users = _poisson(chance, world.users * seconds)
    treated = _binomial(chance, users, world.drawn(at))
    requests = _poisson(chance, world.requests * seconds)
    asked = _binomial(chance, requests, world.share)
    rate = world.errors * world.failing(at)
    return {
        ("users", "tree"): users - treated,
        ("users", "list"): treated,
        ("starts", "tree"): _binomial(chance, users - treated, world.starts),
        ("starts", "list"): _binomial(chance, treated, world.starts),
        ("requests", "tree"): requests - asked,
        ("requests", "list"): asked,
        ("errors", "tree"): _binomial(chance, requests - asked, rate),
        ("errors", "list"): _binomial(chance, asked, rate),
    }


def _series(
    name: str, counts: list[dict[tuple[str, str], int]], world: World, step: timedelta
) -> tuple[Series, ...]:
    """Return the counters of two pods that share the counts; the first restarts half-way."""
    told = []
    for number, pod in enumerate(PODS):
        for arm in ("tree", "list"):
            value, points = 100, []
            for i in range(len(counts) + 1):
                if i:
                    grown = counts[i - 1][name, arm]
                    value += grown // 2 + (grown % 2 if number else 0)
                if i == len(counts) // 2 and number == 0 and i:
                    value = counts[i - 1][name, arm] // 2  # all that came since the restart
                if not world.absent(i * step):
                    points.append((BEGIN + i * step, float(value)))
            labels = {"pod": pod, "instance": f"10.0.0.{number}:8080", "variant": arm}
            told.append(Series(labels, tuple(points)))
    strange = {"pod": STRANGER, "instance": "10.0.0.9:8080", "variant": "tree"}
    told.append(Series(strange, ((BEGIN, 0.0), (BEGIN + step, 1e6))))
    return tuple(told)


def _poisson(chance: random.Random, mean: float) -> int:
    return max(0, round(chance.normalvariate(mean, math.sqrt(mean))))


def _binomial(chance: random.Random, many: int, share: float) -> int:
    """Return how many of many; exact where they are few."""
    spread = math.sqrt(many * share * (1 - share))
    if spread > 5:
        return min(many, max(0, round(chance.normalvariate(many * share, spread))))
    return (
        sum(chance.random() < share for _ in range(many))
        if many < 200
        else min(many, _rare(chance, many * share))
    )


def _rare(chance: random.Random, mean: float) -> int:
    floor, product, count = math.exp(-mean), chance.random(), 0
    while product > floor:
        product *= chance.random()
        count += 1
    return count


def threshold(query: str = "p95") -> Guardrail:
    return Guardrail(
        name=query, type=GuardrailType.THRESHOLD, query=PromQL(query), maximum=0.8, lasting=HOUR
    )
