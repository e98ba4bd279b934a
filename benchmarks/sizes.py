"""Ramps of known sizes in their last soak, from a usual one to all that is allowed."""

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta

from figures import ROOT  # noqa: F401 - it lets the tests' words be found

from fakes import ramp
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.ask import EnvValue, GuardrailType
from rampguard.core.counting import fresh, spacing
from rampguard.core.findings import evidence_text
from rampguard.core.judging import judge
from rampguard.core.model import (
    Baseline,
    Evidence,
    Finding,
    Judgement,
    Line,
    Look,
    Measured,
    Observation,
    Original,
    Phi,
    Reading,
    State,
    Verdict,
)
from rampguard.core.parts import part_text
from rampguard.core.plan import Family, Plan, families_of, make_plan
from rampguard.ports import Json
from scenes import DAY, HOUR, MINUTE, TEMPO, T, soaking, stamp, state, workload

PER_BIN = 9_000  # assignments: 10 a second for 15 minutes; requests are as many
COHORT = 'experiment="skill_tree_layout",source="assignment"'
RARE = 0.01  # of the requests fail
QUERY = 'sum(rate(http_requests_total{namespace="app",status=~"5.."}[1m]))'


@dataclass(frozen=True, slots=True)
class Size:
    """One ramp: as people write it, as it is remembered, and what a pass sees of it."""

    manifest: Json
    plan: Plan
    state: State
    seen: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How many of what is asked for. after: into the last soak."""

    targets: int = 2
    shares: int = 1
    drops: int = 0
    errors: int = 0
    queries: int = 1
    query: str = QUERY
    soak: str = "24h"
    after: timedelta = 12 * HOUR
    steps: tuple[int, ...] = (25,)
    spec: Json = field(default_factory=dict)


def usual() -> Size:
    """Two targets, two guardrails, twelve hours into a soak of a day."""
    return sized(Asked())


LARGE = Asked(
    targets=10,
    shares=2,
    drops=2,
    errors=3,
    queries=3,
    soak="168h",
    after=7 * DAY - MINUTE,
    steps=tuple(range(12, 50, 4)),
)


def largest() -> Size:
    """Ten targets, ten guardrails, ten steps and the goal, at the end of a soak of 288 bins."""
    return sized(LARGE)


def utmost() -> Size:
    """What the schema allows beyond it: ten findings a step, and the longest queries."""
    findings = [f"{hours}h" for hours in range(1, 11)]
    query = "x" * 2048
    return sized(replace(LARGE, query=query, spec={"findings": findings}))


def evidence(our: Plan, after: timedelta) -> Evidence:
    """Return the bins of a calm soak: shares as they should be, and the noise of chance."""
    size = spacing(our.tempo.look, our.soaks[-1])
    draw = random.Random(3)
    count = after // size
    errors = errors_of(our)

    def reading(scale: float) -> Reading:
        each = PER_BIN * scale
        treated = round(draw.gauss(each / 2, each**0.5 / 2))
        return Reading(control=each - treated, treatment=treated)

    counts = tuple(
        tuple(reading(RARE if family in errors else 1.0) for _ in range(count))
        for family in our.families
    )
    return replace(fresh(our, our.last, T), counted_to=T + count * size, counts=counts)


def baselines(our: Plan) -> tuple[Baseline, ...]:
    """Return what a calm day before the ramp would have shown, of each guardrail that asks."""
    rates = {GuardrailType.RELATIVE_DROP: 1.0, GuardrailType.ERROR_RATE: RARE}
    return tuple(
        Baseline(
            guardrail=one.name,
            span=DAY,
            hits=96 * PER_BIN * rates[one.type],
            exposure=96 * PER_BIN,
            rate=rates[one.type],
            phi_history=Phi(value=1.3, batch=5 * MINUTE),
            phi_arms=Phi(value=1.2, batch=5 * MINUTE),
            armed=True,
            busiest=2 * rates[one.type],
            enough=True,
        )
        for one in our.ask.guardrails
        if one.type in rates
    )


def judgements(our: Plan, counted: Evidence, after: timedelta) -> tuple[Judgement, ...]:
    """Judge what was counted by every guardrail."""
    at = T + after
    points = tuple((at - i * our.tempo.look, 0.01) for i in reversed(range(120)))
    measured = Measured(
        counted=counted,
        recent=tuple((Reading(20, 20), Reading(20, 20)) for _ in our.families),
        points={one.name: points for one in our.ask.guardrails if one.query},
    )
    told = judge(our, soaking(our.last), baselines(our), at, measured)
    return tuple(replace(one, query=one.query or QUERY) for one in told)


def errors_of(our: Plan) -> frozenset[Family]:
    """Return the families that count few: errors."""
    rules = (one for one in our.ask.guardrails if one.type is GuardrailType.ERROR_RATE)
    return frozenset(families_of(our.ask, one, our.tempo)[0] for one in rules)


def sized(asked: Asked) -> Size:
    """Make a ramp as large as is asked."""
    manifest = _manifest(asked)
    our = make_plan(to_ask(manifest), TEMPO)
    names = tuple(target.name for target in our.ask.targets)
    counted = evidence(our, asked.after)
    judged = judgements(our, counted, asked.after)
    look = Look(at=T + asked.after, evidence=counted, judgements=judged)
    templates = tuple("t1" for _ in names)
    stage = soaking(our.last, evidence=counted, templates=templates, judged=judged)
    remembered = state(
        stage,
        originals=tuple(_original(name) for name in names),
        baselines=baselines(our),
        findings=tuple(_findings(our, judged, asked.after)),
        timeline=tuple(Line(T, "24h finding at 50%: WithinTolerance; 50.0%") for _ in range(20)),
    )
    mark = stamp(uid=our.ask.uid)
    workloads = tuple(workload(name, our.values[-1], stamp=mark) for name in names)
    seen = Observation(now=look.at + MINUTE, workloads=workloads, looks=(look,), finalizer=True)
    return Size(manifest, our, remembered, seen)


def _manifest(asked: Asked) -> Json:
    told = ramp(
        targets=[{"name": f"tier-{i}"} for i in range(asked.targets)],
        steps=list(asked.steps),
        stepSoak="24h",
        soak=asked.soak,
        guardrails=[
            *(_share(i) for i in range(asked.shares)),
            *(_drop(i) for i in range(asked.drops)),
            *(_error(i) for i in range(asked.errors)),
            *(_threshold(i, asked.query) for i in range(asked.queries)),
        ],
        **asked.spec,
    )
    told |= {"apiVersion": "rampguard.dev/v1alpha1", "kind": "ExperimentRamp"}
    created = "2026-11-23T11:59:00Z"
    told["metadata"] |= {"uid": "uid-of-the-ramp", "creationTimestamp": created, "generation": 1}
    return told


def _share(i: int) -> Json:
    return {"name": f"exposure-balance-{i}", "type": "ExposureBalance", "tolerance": 5 + i}


def _drop(i: int) -> Json:
    metric = f'game_started_total{{game="{i}",{COHORT}}}'
    return {"name": f"starts-{i}", "type": "RelativeDrop", "metric": metric, "tolerance": 10}


def _error(i: int) -> Json:
    requests = f'http_requests_total{{route="{i}"}}'
    errors = f'http_requests_total{{route="{i}",status=~"5.."}}'
    told = {"name": f"errors-{i}", "type": "ErrorRate", "metric": errors, "requests": requests}
    return told | {"tolerance": 25}


def _threshold(i: int, query: str) -> Json:
    return {"name": f"server-errors-{i}", "type": "Threshold", "query": query, "max": "0.05"}


def _original(name: str) -> Original:
    return Original(deployment=name, uid=f"uid-{name}", container=name, value=EnvValue("10"))


def _findings(our: Plan, judged: tuple[Judgement, ...], after: timedelta) -> list[Finding]:
    """Return all that is recorded so far: every step has had its findings."""
    last = our.values[-1]
    details = tuple(f"{one.name} {part_text(part)}" for one in judged for part in one.parts)
    return [
        Finding(
            after=one,
            at=T + one,
            share=share,
            verdict=Verdict.WITHIN_TOLERANCE,
            evidence=evidence_text(judged),
            details=details,
        )
        for share, due in zip(our.values, our.findings, strict=True)
        for one in due
        if share != last or one <= after
    ]
