"""What the flight recorder costs: bytes, time of a pass and of its thread; how fast a replay is.

    .venv/bin/python benchmarks/bench_record.py [hours]

A ramp of four guardrails soaks for a day, looked at every 30 s; counts and samples are drawn as
chance would have them, so that nothing repeats that would not.
"""

import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import sizes
from figures import Times, heading, table, times_table

from rampguard.adapters.records import FlightRecorder, Place
from rampguard.adapters.records.writer import Writer
from rampguard.api.members import lines
from rampguard.api.record import read
from rampguard.core.applying import rules
from rampguard.core.ask import GuardrailType
from rampguard.core.counting import closed, spacing
from rampguard.core.model import (
    Because,
    Decision,
    Evidence,
    Look,
    Measured,
    Reading,
    Soaking,
    State,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from rampguard.core.replay import Record, differences, replayed
from scenes import DAY, HOUR, T

BYTES = 2_000_000  # of a ramp of 24 h
KINDS = {
    "balance, starts, 4xx, 5xx": sizes.Asked(shares=1, drops=1, errors=2, queries=0, steps=()),
    "4 x Threshold, each with its hour": sizes.Asked(shares=0, queries=4, steps=()),
    "2 x Threshold, starts, 5xx": sizes.Asked(shares=0, drops=1, errors=1, queries=2, steps=()),
}


def main(hours: int) -> None:
    """Print the tables, a ramp after the other."""
    heading(
        "make bench, or .venv/bin/python benchmarks/bench_record.py",
        f"{BYTES / 1e6:.0f} MB for a ramp of 24 h of four guardrails",
    )
    rows, times = [], []
    for what, asked in KINDS.items():
        day = recorded(asked, hours * HOUR)
        looks, read_in = again(day.raw)
        row = (
            f"{len(day.raw) / looks:.0f}",
            f"{len(day.raw) * DAY / (hours * HOUR) / 1e6:.2f} MB",
            f"{looks / read_in:.0f}",
            f"{looks / (read_in + sum(day.judging)):.0f}",
        )
        rows.append((what, looks, *row))
        times.append((f"append, {what}", enqueued(day.last)))
        times.append((f"  its thread, {what}", Times(tuple(sorted(day.writing)))))
    table(("record", "looks", "bytes a look", "in 24 h", "read, looks/s", "replay, looks/s"), rows)
    times_table(times)


@dataclass(slots=True)
class Day:
    """A ramp that was recorded: seconds of each judging, ms of each writing, its last records."""

    judging: list[float] = field(default_factory=list)
    writing: list[float] = field(default_factory=list)
    last: deque[Record] = field(default_factory=partial(deque, maxlen=200))
    raw: bytes = b""


def recorded(asked: sizes.Asked, span: timedelta) -> Day:
    """Record a soak, look by look, in a folder."""
    day = Day()
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Place(folder), limit=10**9, version="1", on_removed=print)
        for record in _walked(asked, span, day):
            day.last.append(record)
            began = time.perf_counter()
            writer.write(record.ask.ref, record.ask.uid, record, lost=0)
            day.writing.append((time.perf_counter() - began) * 1000)
        (path,) = Path(folder).iterdir()
        day.raw = path.read_bytes()
    return day


def _walked(asked: sizes.Asked, span: timedelta, day: Day) -> Iterator[Record]:
    """Yield the records of a soak as they come, each judged and decided as in a replay."""
    size = sizes.sized(replace(asked, after=timedelta(0)))
    our, seen = size.plan, replace(size.seen, looks=())
    state = _fresh(our, size.state)
    nothing = Decision(state=state, because=Because(Reason.SOAKING, ""))
    for look in _looks(our, span):
        if not isinstance(state.stage, Soaking):
            raise SystemExit(f"the ramp did not soak on: {state.timeline[-1]}")
        saw = replace(seen, now=look.at + our.tempo.scrape, looks=(look,))
        record = Record(ask=our.ask, tempo=our.tempo, before=state, seen=saw, decision=nothing)
        began = time.perf_counter()
        made = replayed(record)
        day.judging.append(time.perf_counter() - began)
        yield made
        state = made.decision.state


def _fresh(our: Plan, state: State) -> State:
    stage = state.stage
    if not isinstance(stage, Soaking):
        raise SystemExit("the ramp does not soak")
    nothing = Evidence(t0=T, counted_to=T)
    return replace(state, stage=replace(stage, evidence=nothing, judged=(), rules=rules(our)))


def _looks(our: Plan, span: timedelta) -> Iterator[Look]:
    """Yield what each look measures; it is judged by whoever replays it."""
    draw, look = random.Random(7), our.tempo.look
    size = spacing(look, our.soaks[-1])
    errors = sizes.errors_of(our)
    live = [[Reading()] * 0 for _ in our.families]
    queries = [g.name for g in our.ask.guardrails if g.type is GuardrailType.THRESHOLD]
    samples = {name: [(T, draw.gauss(0.01, 0.001))] for name in queries}
    for i in range(1, span // look + 1):
        at = T + i * look
        for family, bins in zip(our.families, live, strict=True):
            if (i - 1) * look // size == len(bins):
                bins.append(Reading())
            mean = sizes.PER_BIN / (size / look) * (sizes.RARE if family in errors else 1) / 2
            bins[-1] = bins[-1].plus(Reading(_drawn(draw, mean), _drawn(draw, mean)))
        for points in samples.values():
            points.append((at, draw.gauss(0.01, 0.001)))
        evidence = Evidence(t0=T, counted_to=at, counts=tuple(map(tuple, live)))
        measured = Measured(
            counted=evidence,
            silent=("",) * len(live),
            recent=tuple(_recent(draw, few=f in errors) for f in our.families) if errors else (),
            points={name: tuple(points[-121:]) for name, points in samples.items()},
        )
        yield Look(at=at, evidence=closed(evidence, size), judgements=(), measured=measured)


def _drawn(draw: random.Random, mean: float) -> float:
    return float(max(0, round(draw.gauss(mean, mean**0.5))))


def _recent(draw: random.Random, *, few: bool) -> tuple[Reading, Reading]:
    """Return what a family counted in 120 s up to a look, and up to the look before."""
    mean = sizes.PER_BIN / 15 * (sizes.RARE if few else 1)
    now, before = (Reading(_drawn(draw, mean), _drawn(draw, mean)) for _ in range(2))
    return now, before


def enqueued(kept: Collection[Record]) -> Times:
    """Return what a pass waits."""
    took = []
    with tempfile.TemporaryDirectory() as folder:
        recorder = FlightRecorder(
            Place(folder),
            limit=10**9,
            version="1",
            log=print,
            on_dropped=lambda: None,
            waiting=len(kept) + 1,
        )
        for record in kept:
            began = time.perf_counter()
            recorder.append(record.ask.ref, record.ask.uid, record)
            took.append((time.perf_counter() - began) * 1000)
        recorder.close(timedelta(minutes=5))
    return Times(tuple(sorted(took)))


def again(raw: bytes) -> tuple[int, float]:
    """Return the looks of a record, and the seconds that reading it takes; replay some of them."""
    looks, took, began = 0, 0.0, time.perf_counter()
    for one in read(lines([raw])):
        took += time.perf_counter() - began
        if isinstance(one, Record):
            looks += len(one.seen.looks)
            if looks % 20 == 0 and (found := list(differences(one, replayed(one)))):
                raise SystemExit(f"a replay of the same version differs: {found}")
        began = time.perf_counter()
    return looks, took


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
