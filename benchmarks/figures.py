"""What every benchmark shares: times, tables, the machine; also lets them find the tests' fakes."""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

CALLS = 20_000
LONGEST = 4.0  # seconds for one row, unless more is asked for
LEAST = 100  # calls of a row, however slow


@dataclass(frozen=True, slots=True)
class Times:
    """Durations of one thing in milliseconds, shortest first; cpu: what of it was computing."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...] = ()


def quantile(durations: Sequence[float], part: float) -> float:
    """Return what a part of some sorted durations does not exceed (nearest rank)."""
    rank = max(1, -(-len(durations) * round(part * 1000) // 1000))
    return durations[rank - 1]


def measured(call: Callable[[], object], calls: int = CALLS, longest: float = LONGEST) -> Times:
    """Time a call again and again; fewer times if that takes too long."""
    for _ in range(20):
        call()
    until = time.perf_counter() + longest
    wall: list[float] = []
    cpu: list[float] = []
    while len(wall) < calls and (time.perf_counter() < until or len(wall) < LEAST):
        computed, began = time.thread_time(), time.perf_counter()
        call()
        ended, done = time.perf_counter(), time.thread_time()
        wall.append((ended - began) * 1000)
        cpu.append((done - computed) * 1000)
    return Times(tuple(sorted(wall)), tuple(sorted(cpu)))


def heading(command: str, compared: str) -> None:
    """Print how to measure again, on what was measured, and what it is compared with."""
    print(f"command    {command}\nmachine    {machine()}\ncompared   {compared}\n")


def machine() -> str:
    """Return the facts without which a time says nothing."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.machine()},"
        f" Python {platform.python_version()}, load {load}"
    )


def times_table(rows: Iterable[tuple[str, Times]], bar: float | None = None) -> None:
    """Print a row for each thing that was timed, as it comes; bar: what none should exceed.

    Beside others on the machine p99 tells how long we were kept waiting, p99 cpu what we did.
    """
    columns = ("median", "p99", "p99 cpu", "slowest", "calls", "bar")
    print(f"{'ms':<44}" + "".join(f"{one:>10}" for one in columns))
    for what, times in rows:
        told = (
            quantile(times.wall, 0.5),
            quantile(times.wall, 0.99),
            quantile(times.cpu, 0.99) if times.cpu else None,
            times.wall[-1],
        )
        shown = "".join(f"{_shown(one):>10}" for one in told)
        print(f"{what:<44}{shown}{len(times.wall):>10}{bar or '-':>10}", flush=True)
    print()


def _shown(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.3f}" if milliseconds < 10 else f"{milliseconds:.1f}"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns: the first to the left, the others to the right."""
    for row in (columns, *rows):
        first, *others = map(str, row)
        print(f"{first:<44}" + "".join(f"{one:>16}" for one in others), flush=True)
    print()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "unknown")
