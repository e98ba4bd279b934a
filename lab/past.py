"""A past for Prometheus: the example's counters over days that never were, as OpenMetrics text.

The share stays where it is, nothing is changed: what a backtest finds in it is noise.
"""

import math
import random
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

from lab.steps import LabError, environment

SWING = 0.4  # of the traffic, up by day and down by night
KEEN = 2.0, 0.5  # of a user's sessions: shape and scale of a gamma distribution, mean 1
SESSIONS = 0.8  # of a visit, in the mean
MISTAKEN, FAILED = 0.01, 0.004  # of the tree's answers: 404, 503
BURSTY = 4.0  # shape of the gamma by which the rate of failures varies from minute to minute
AGAIN = 1.5  # visits of known users for each new one
KNOWN = 300  # a Poisson number above it is drawn as a normal one
HASHES = "7d9f8c6b5f", "6c8d5f7b94"  # of the ReplicaSets before and after the rollout
SUFFIXES = "bcdfg", "hjklm", "npqrs", "tvwxz", "24567", "89bcd", "fghjk", "lmnpq"
ARMS, SOURCES = ("tree", "list"), ("assignment", "cookie")
TREE, SESSIONS_PATH = "/api/v1/skills/tree", "/api/v1/sessions"
ANSWERS = ((TREE, ("200", "404", "503")), (SESSIONS_PATH, ("201", "404", "503")))
Key = tuple[str, tuple[tuple[str, str], ...]]  # a metric and its labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is wanted. end: seconds since the epoch; share: percent of new users in treatment."""

    end: int
    hours: int = 25
    every: int = 30  # seconds between scrapes
    pods: int = 4
    users: float = 3.0  # new ones per second, in the mean
    share: int = 10
    seed: int = 1
    namespace: str = "app"


@dataclass(slots=True)
class Process:
    """One pod's counters; rising: what each has been at each scrape."""

    pod: str
    instance: str
    since: int
    until: float = math.inf
    counts: dict[Key, int] = field(default_factory=dict)
    rising: dict[Key, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew: every child is there with 0."""
        self.counts = dict.fromkeys(_children(), 0)

    def scraped(self, at: int) -> None:
        """Remember what the counters are."""
        for key, value in self.counts.items():
            self.rising[key].append((at, value))


def told(past: Past) -> Iterator[str]:
    """Yield the lines of an OpenMetrics text, metric by metric, oldest sample first."""
    processes = _lived(past)
    for metric in ("experiment_assignments", "session_started_from_tree", "http_requests"):
        yield f"# TYPE {metric} counter"
        for process in processes:
            for (name, labels), values in process.rising.items():
                if name != metric:
                    continue
                where = (*labels, ("pod", process.pod), ("instance", process.instance))
                every = (*where, ("namespace", past.namespace), ("job", "pods"), ("app", "api"))
                shown = ",".join(f'{label}="{value}"' for label, value in every)
                yield from (f"{metric}_total{{{shown}}} {value} {at}" for at, value in values)
    yield "# EOF"


def backfill(past: Past, store: Path) -> None:
    """Write a past into the folder of a Prometheus, as blocks that it reads when it starts."""
    store.mkdir(parents=True, exist_ok=True)
    text = store / "past.om"
    with text.open("w", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in told(past))
    try:
        how = ("tsdb", "create-blocks-from", "openmetrics", str(text), str(store))
        done = subprocess.run(
            ("promtool", *how), check=False, capture_output=True, text=True, env=environment()
        )
    except FileNotFoundError:
        raise LabError("promtool is not installed; it comes with Prometheus") from None
    finally:
        text.unlink()
    if done.returncode:
        raise LabError(f"promtool failed with {done.returncode}: {done.stderr.strip()[-500:]}")


def _lived(past: Past) -> list[Process]:
    """Let the processes live; one restarts after 7/25 of the time, all are replaced after 15/25."""
    chance = random.Random(past.seed)  # noqa: S311 - no secret: the same past again
    begin = past.end - past.hours * 3600
    restart, rollout = (begin + past.hours * 3600 * part // 25 for part in (7, 15))
    processes: list[Process] = []
    for i in range(past.pods):
        replaced = rollout + i * 40  # one after the other
        processes.append(_process(i, 0, begin, replaced))
        processes.append(_process(i, 1, replaced - 20))
    restarted = False
    for at in range(begin, past.end + 1, past.every):
        if at >= restart and not restarted:
            processes[0].restart()
            restarted = True
        living = [one for one in processes if one.since <= at < one.until]
        busy = _busy(at) * past.every
        for one in living:
            _serve(one, past, chance, busy / len(living))
            one.scraped(at)
    return processes


def _process(number: int, rollout: int, since: int, until: float = math.inf) -> Process:
    suffix = SUFFIXES[(number + 4 * rollout) % len(SUFFIXES)]
    address = f"10.244.{rollout}.{10 + number}:8080"
    return Process(f"api-{HASHES[rollout]}-{suffix}", address, since, until)


def _busy(at: int) -> float:
    """Return how much of the mean traffic comes at an hour of the day."""
    return 1 - SWING * math.cos(2 * math.pi * (at % 86400) / 86400)


def _serve(one: Process, past: Past, chance: random.Random, seconds: float) -> None:
    """Let users come to one process for a while."""
    failing = FAILED * chance.gammavariate(BURSTY, 1 / BURSTY)
    for _ in range(_poisson(chance, past.users * seconds)):
        arm = ARMS[chance.random() < past.share / 100]
        _visit(one, chance, arm, SOURCES[0], failing)
    for _ in range(_poisson(chance, past.users * AGAIN * seconds)):
        arm = ARMS[chance.random() < past.share / 100]
        _visit(one, chance, arm, SOURCES[1], failing)


def _visit(one: Process, chance: random.Random, arm: str, source: str, failing: float) -> None:
    """Show one user the tree, and let the user start sessions from it."""
    luck = chance.random()
    if luck < failing:
        _count(one, "http_requests", path=TREE, status="503", variant=arm)
        return
    if luck < failing + MISTAKEN:
        _count(one, "http_requests", path=TREE, status="404", variant=arm)
        return
    _count(one, "http_requests", path=TREE, status="200", variant=arm)
    _count(one, "experiment_assignments", variant=arm, source=source)
    expected = SESSIONS * chance.gammavariate(*KEEN)
    while chance.random() < expected / (1 + expected):
        _count(one, "session_started_from_tree", variant=arm, source=source)
        _count(one, "http_requests", path=SESSIONS_PATH, status="201", variant=arm)


def _count(one: Process, metric: str, **labels: str) -> None:
    one.counts[_key(metric, **labels)] += 1


@cache
def _key(metric: str, **labels: str) -> Key:
    told = labels if metric == "http_requests" else {"experiment": "skill_tree_layout", **labels}
    return metric, tuple(sorted(told.items()))


def _children() -> Iterator[Key]:
    for metric in ("experiment_assignments", "session_started_from_tree"):
        for arm, source in product(ARMS, SOURCES):
            yield _key(metric, variant=arm, source=source)
    for path, statuses in ANSWERS:
        for status, arm in product(statuses, (*ARMS, "unknown")):
            yield _key("http_requests", path=path, status=status, variant=arm)


def _poisson(chance: random.Random, mean: float) -> int:
    """Return how many of many rare things happened. Source: Knuth, TAOCP 2, 3.4.1."""
    if mean > KNOWN:
        return max(0, round(chance.normalvariate(mean, math.sqrt(mean))))
    floor, product_, count = math.exp(-mean), chance.random(), 0
    while product_ > floor:
        product_ *= chance.random()
        count += 1
    return count
