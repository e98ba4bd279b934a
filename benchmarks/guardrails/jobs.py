"""What can be measured, as jobs that know their key; done once, they are not done again."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.guardrails import bars, limit, product, sides, worlds
from benchmarks.guardrails.store import Store
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]
QUICK = 300


@dataclass(frozen=True, slots=True)
class Job:
    """One cell: under which key it is kept, and how to measure it."""

    key: dict[str, Any]
    measure: Callable[[Advance], dict[str, Any]]

    @property
    def name(self) -> str:
        """Return what people see."""
        return f"{self.key['part']}: {self.key['cell']}"


def of_bars(runs: int | None, *, full: bool) -> Iterator[Job]:
    """Yield a job for each documented bar: all its runs, or a few."""
    for cell in bars.documented():
        if full or runs or cell.q == 10:
            yield _bar(cell, min(cell.runs, runs or (cell.runs if full else QUICK)))


def _bar(cell: bars.Cell, runs: int) -> Job:
    return Job(cell.key(runs), lambda advance: bars.figures(bars.measure(cell, runs, advance)))


def of_worlds(runs: int | None, *, full: bool) -> Iterator[Job]:
    """Yield a job for each harmless world: at 10 requests a second, some at 1 and 100 as well."""
    wanted = runs or (10_000 if full else QUICK)
    for world in worlds.WORLDS:
        yield _world(world, 10, wanted)
    if full:
        for q in (1, 100):
            for world in worlds.WORLDS:
                if not world.limit:
                    yield _world(world, q, wanted if world.name == "plain" else wanted // 5)


def _world(world: worlds.World, q: int, runs: int) -> Job:
    key = _key("worlds", f"{world.name} @{q}", runs, 9000 + q, product.SAYS)
    return Job(key, partial(product.measure, world, q, runs, 9000 + q))


def of_sides(runs: int | None, *, full: bool) -> Iterator[Job]:
    """Yield a job for each harm that all rules are to find."""
    wanted = runs or (2000 if full else QUICK)
    for watched in sides.ENDS:
        key = _key("sides", f"{watched} @10", 6 * wanted, 7000, "all settings, alone")
        yield Job(
            key,
            partial(sides.measure, watched, wanted, 7000),
        )


def of_limit(runs: int | None, *, full: bool) -> Iterator[Job]:
    """Yield a job for each ratio to Wald's bound."""
    wanted = runs or (2000 if full else QUICK)
    for case in limit.CASES:
        for q in (1, 10):
            key = _key("limit", f"{case.name} @{q}", wanted, 6500 + q, "strict, alone, 96 onsets")
            yield Job(key, partial(limit.measure, case, q, wanted, 6500 + q))


def of_attribution(runs: int | None, *, full: bool) -> Iterator[Job]:
    """Yield a job for each harm that only history can see."""
    wanted = runs or (2000 if full else QUICK)
    for more_by in limit.TIMES:
        for q in (1, 10, 100) if full else (10,):
            key = _key("attribution", f"errors x{more_by:g} @{q}", wanted, 6700 + q, "alone")
            yield Job(key, partial(limit.measure_attribution, more_by, q, wanted, 6700 + q))


def of_counts(runs: int | None, *, full: bool) -> Iterator[Job]:
    """Yield a job for each bar of the default session test."""
    for drop in limit.DROPS:
        wanted = runs or (QUICK if not full else 4000 if drop <= limit.MARGIN else 1000)
        for q in (1, 10, 100) if full else (10,):
            key = _key("counts", f"starts -{drop:.0%} @{q}", wanted, 8500 + q, "alone, 96 onsets")
            yield Job(key, partial(limit.measure_counts, drop, q, wanted, 8500 + q))


def _key(part: str, cell: str, runs: int, seed: int, config: str) -> dict[str, Any]:
    return {"part": part, "cell": cell, "runs": runs, "seed": seed, "config": config}


PARTS = {
    "bars": of_bars,
    "worlds": of_worlds,
    "limit": of_limit,
    "counts": of_counts,
    "attribution": of_attribution,
    "sides": of_sides,
}


def run(jobs: Iterable[Job], store: Store, *, again: bool = False) -> None:
    """Do what is not done yet, one by one, and write each down at once."""
    todo = [job for job in jobs if again or not store.has(job.key)]
    shown = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*shown) as progress:
        all_runs = progress.add_task("all", total=sum(job.key["runs"] for job in todo))
        for i, job in enumerate(todo, start=1):
            progress.update(all_runs, description=f"{i} of {len(todo)}  {job.name}")
            began = time.perf_counter()
            told = job.measure(lambda done: progress.advance(all_runs, done))
            store.add(job.key, told, time.perf_counter() - began)
            progress.console.print(f"{job.name}  {job.key['runs']} runs", highlight=False)
