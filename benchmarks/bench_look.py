"""What a look costs: judging, asking, and what of it is remembered; prints tables, judges nothing.

    .venv/bin/python benchmarks/bench_look.py [calls]

The looks are taken over the tests' fake Prometheus, which computes every counter anew: its own
time is told apart. What a real one needs for its answers comes on top of ours.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

import sizes
from figures import CALLS, heading, measured, table, times_table
from soaks import a_day

from rampguard.api import engine
from rampguard.core.ask import Arms, Guardrail, GuardrailType, PromQL
from rampguard.core.counting import bases, closed, deltas, folded, spacing
from rampguard.core.guardrails import judge_exposure, judge_threshold, worst
from rampguard.core.judging import judge
from rampguard.core.model import Evidence, Measured, Reading, Series
from rampguard.core.plan import Plan
from scenes import DAY, SHARE, SPEED, TEMPO, T, plan, soaking

BAR = 25  # ms, of judging one look
RULES = 4
ROOM = 524_288  # bytes that the CRD allows to status.engine
STARTS = Guardrail(
    name="starts",
    type=GuardrailType.RELATIVE_DROP,
    tolerance=10.0,
    metric=PromQL("starts_total"),
)
ERRORS = Guardrail(
    name="errors",
    type=GuardrailType.ERROR_RATE,
    tolerance=25.0,
    metric=PromQL("errors_total"),
    requests=PromQL("requests_total"),
)
RATES = {
    "RelativeDrop": STARTS,
    "RelativeDrop oncePerUser": replace(STARTS, once_per_user=True),
    "ErrorRate": ERRORS,
}
Points = tuple[tuple[datetime, float], ...]
Call = tuple[str, Callable[[], object]]


def main(calls: int) -> None:
    """Print the tables."""
    bar = f"{BAR} ms to judge a look of 288 bins by {RULES} guardrails"
    heading("make bench, or .venv/bin/python benchmarks/bench_look.py", bar)
    times_table(((what, measured(call, calls)) for what, call in judging()), BAR)
    day = asyncio.run(a_day())
    table(day.columns, day.rows)
    lines = {
        "the day above, a minute before its end": day.line,
        "usual: 2 guardrails, 12 h of a day": engine.write(sizes.usual().state),
        "largest: 10 guardrails, 11 steps, 7 days": engine.write(sizes.largest().state),
        "utmost: and 10 findings a step, long queries": engine.write(sizes.utmost().state),
    }
    table(("status.engine", "bytes", "of the limit"), map(_memory, lines.items()))


def _memory(told: tuple[str, str]) -> tuple[str, int, str]:
    what, line = told
    return what, len(line), f"{len(line) / ROOM:.1%}"


def judging() -> Iterator[Call]:
    """Yield the judging of one look, by each kind of guardrail."""
    shares = tuple(replace(SHARE, name=f"share-{i}") for i in range(RULES))
    week, day = plan(soak=7 * DAY, guardrails=shares), plan(soak=DAY, guardrails=shares)
    for our, bins in ((week, 288), (day, 96)):
        counted = sizes.evidence(our, our.soaks[-1])
        counted = replace(counted, counts=tuple(one[:bins] for one in counted.counts))
        what = f"4 x ExposureBalance, {len(counted.counts[0])} bins"
        yield what, partial(exposures, our, counted)
    for kind, rule in RATES.items():
        our = plan(
            soak=7 * DAY, guardrails=tuple(replace(rule, name=f"g{i}") for i in range(RULES))
        )
        counted = sizes.evidence(our, our.soaks[-1])
        what = f"{RULES} x {kind}, {len(counted.counts[0])} bins"
        yield what, partial(rates, our, counted)
    points = tuple((T + i * TEMPO.look, 0.9) for i in range(7 * 24 * 120))
    rules = tuple(replace(SPEED, name=f"p{i}", lasting=7 * DAY) for i in range(RULES))
    yield "4 x Threshold, an hour of samples", partial(thresholds, week, rules, points[:120])
    yield (
        "4 x Threshold, broken for most of a week",
        partial(thresholds, week, rules, points[:10_000]),
    )
    yield "counting 15 min of 50 pods into bins", partial(counting, day, counters(50, 30))


def exposures(our: Plan, counted: Evidence) -> object:
    """Judge what was counted by every guardrail, and say which verdict counts."""
    return worst(tuple(judge_exposure(our, 0, one, counted) for one in our.ask.guardrails))


def rates(our: Plan, counted: Evidence) -> object:
    """Judge rates by every guardrail, with all that a look measures."""
    recent = ((Reading(20, 20), Reading(20, 20)),) * len(our.families)
    measured = Measured(counted=counted, recent=recent)
    judged = judge(our, soaking(), sizes.baselines(our), T + 7 * DAY, measured)
    return worst(judged)


def thresholds(our: Plan, rules: tuple[Guardrail, ...], points: Points) -> object:
    """Judge the samples of a query by every guardrail."""
    at = points[-1][0]
    return worst(tuple(judge_threshold(our, one, points, at, T) for one in rules))


def counters(pods: int, points: int) -> tuple[Series, ...]:
    """Return raw counters: one series for each pod and arm."""
    grid = tuple((T + (i + 1) * TEMPO.look, 40.0 * i) for i in range(points))
    names = ((f"api-{i}", arm) for i in range(pods) for arm in ("tree", "list"))
    return tuple(Series({"pod": pod, "variant": arm}, grid) for pod, arm in names)


def counting(our: Plan, series: tuple[Series, ...]) -> Evidence:
    """Make bins of raw counters."""
    before = bases(Series(one.labels, ((T, 0.0),)) for one in series)
    size, until = spacing(TEMPO.look, our.soaks[-1]), series[0].points[-1][0]
    told = deltas(series, before, "variant")
    arms = Arms("tree", "list")
    evidence = folded(soaking().evidence, (told,), our.families, arms, size=size, until=until)
    return closed(evidence, size)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
