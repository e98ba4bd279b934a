"""Short words for looks and signals: what is watched, and what a fake Prometheus says of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from fakes import FakeMetrics
from rampguard.core.ask import Guardrail, GuardrailType, PromQL
from rampguard.core.model import (
    Baseline,
    Judgement,
    Look,
    Series,
    Soaking,
    Verdict,
)
from rampguard.core.plan import Plan
from rampguard.engine.counters import Counters, Pods
from rampguard.engine.looks import take_looks
from rampguard.engine.signals import kills
from rampguard.ports import World
from scenes import MINUTE, SECOND, SHARE, SPEED, T, applying, plan, soaking

COUNTER, P95 = "assignments_total", PromQL("p95")
STARTS, REQUESTS, ERRORS = "starts_total", "requests_total", "errors_total"
PODS = Pods(families=frozenset({"api-1"}), ready=frozenset({"api-1-a"}))
BOTH = plan()
ALONE = plan(guardrails=(SPEED,), arms=None, metrics=None)
SLOW = plan(guardrails=(replace(SPEED, lasting=10 * MINUTE),), arms=None, metrics=None)
DROP = Guardrail(
    name="starts", type=GuardrailType.RELATIVE_DROP, tolerance=10.0, metric=PromQL(STARTS)
)
RATE = Guardrail(
    name="errors",
    type=GuardrailType.ERROR_RATE,
    tolerance=25.0,
    metric=PromQL(ERRORS),
    requests=PromQL(REQUESTS),
)
MANY = plan(guardrails=(SHARE, DROP, RATE, SPEED))
STRANGERS = '{} series of {}, none with the label "pod" of a pod of the targets'
KNOWN = (Baseline(guardrail="errors", rate=0.01, armed=True), Baseline(guardrail="starts"))
WITHIN, BREACHED = Verdict.WITHIN_TOLERANCE, Verdict.BREACHED
BLIND, UNSURE = Verdict.NO_DATA, Verdict.INCONCLUSIVE


@dataclass
class WatchedMetrics(FakeMetrics):
    """Keeps the ranges that it was asked for."""

    spans: list[tuple[str, datetime, datetime, timedelta]] = field(default_factory=list)

    async def span(
        self, source: str, query: PromQL, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Series, ...]:
        self.spans.append((query, start, end, step))
        return await super().span(source, query, start, end, step)


def serve_all(metrics: FakeMetrics, pod: str = "api-1-a") -> None:
    """Let a pod start, answer and fail from now on, beside its assignments."""
    place = {"namespace": "app", "instance": pod, "pod": pod}
    for arm in ("tree", "list"):
        metrics.count(STARTS, 0.25, variant=arm, **place)
        metrics.count(REQUESTS, 5.0, variant=arm, **place)
        metrics.count(ERRORS, 0.05, variant=arm, **place)


async def look(
    world: World,
    after: timedelta,
    of: Plan = BOTH,
    stage: Soaking | None = None,
    baselines: tuple[Baseline, ...] = (),
) -> Look:
    """Look some time after T, a scrape later."""
    now = T + after + 15 * SECOND
    if now > world.clock.now():
        world.clock.advance(now - world.clock.now())
    (found,) = await take_looks(
        of, stage or soaking(), [T + after], world, PODS, baselines=baselines
    )
    return found


def asked(world: World, selector: str = COUNTER) -> PromQL:
    """Return the query of a counter."""
    return Counters(BOTH, PromQL(selector), world, PODS).query


def answer(metrics: FakeMetrics, value: Callable[[timedelta], float | None]) -> None:
    """Let the free query answer by the time since T."""
    metrics.answers[P95] = lambda at: value(at - T)


def verdicts(found: Look) -> list[tuple[str, Verdict]]:
    return [(one.name, one.verdict) for one in found.judgements]


def only(found: Look) -> Judgement:
    (one,) = found.judgements
    return one


def fail(metrics: FakeMetrics, rate: float) -> None:
    """Let so many requests of treatment fail in a second from now on."""
    for one in metrics.counters.values():
        if one.labels["__name__"] == ERRORS and one.labels["variant"] == "list":
            one.turn(metrics.clock.now(), rate)


def spoil(metrics: FakeMetrics, counter: str, at: datetime) -> None:
    """Let a counter be no number at one instant."""
    rewrite(metrics, counter, lambda when, value: float("nan") if when == at else value)


def rewrite(metrics: FakeMetrics, counter: str, value: Callable[[datetime, float], float]) -> None:
    """Let every value of a counter over a range be another."""
    real = metrics.span

    async def span(source, query, *asked):
        found = await real(source, query, *asked)
        if counter not in query:
            return found
        return tuple(replace(s, points=tuple((t, value(t, v)) for t, v in s.points)) for s in found)

    metrics.span = span


async def killing(
    world: World,
    after: timedelta,
    of: Plan = MANY,
    baselines: tuple[Baseline, ...] = KNOWN,
) -> tuple[Judgement, ...]:
    """Look for kill-switches of a write at T, some time later, a scrape after a look."""
    world.clock.advance(T + after + 15 * SECOND - world.clock.now())
    return await kills(of, applying(), baselines, world, PODS)
