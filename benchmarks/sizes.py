"""Ramps of known sizes in their last soak, from a usual one to all that is allowed."""

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta

from figures import ROOT  # noqa: F401 - it lets the tests' words be found

from fakes import ramp
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.counting import spacing
from rampguard.core.guardrails import judge_exposure, judge_threshold
from rampguard.core.model import (
    EnvValue,
    Evidence,
    Finding,
    Guardrail,
    GuardrailType,
    Judgement,
    Line,
    Look,
    Observation,
    Original,
    Reading,
    State,
    Verdict,
)
from rampguard.core.plan import Plan, make_plan
from rampguard.core.soak import evidence_text
from rampguard.ports import Json
from scenes import DAY, HOUR, MINUTE, TEMPO, T, soaking, stamp, state, workload

PER_BIN = 9_000  # assignments: 10 a second for 15 minutes
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
    shares=4,
    queries=6,
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

    def reading() -> Reading:
        treated = round(draw.gauss(PER_BIN / 2, PER_BIN**0.5 / 2))
        return Reading(control=PER_BIN - treated, treatment=treated)

    bins = tuple(reading() for _ in range(count))
    return Evidence(t0=T, counted_to=T + count * size, bins=bins)


def judgements(our: Plan, counted: Evidence, after: timedelta) -> tuple[Judgement, ...]:
    """Judge what was counted by every guardrail."""
    at = T + after
    points = tuple((at - i * our.tempo.look, 0.01) for i in reversed(range(120)))

    def one(rule: Guardrail) -> Judgement:
        if rule.type is GuardrailType.THRESHOLD:
            return judge_threshold(our, rule, points, at, T)
        return replace(judge_exposure(our, our.last, rule, counted), query=QUERY)

    return tuple(one(rule) for rule in our.ask.guardrails)


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


def _threshold(i: int, query: str) -> Json:
    return {"name": f"server-errors-{i}", "type": "Threshold", "query": query, "max": "0.05"}


def _original(name: str) -> Original:
    return Original(deployment=name, uid=f"uid-{name}", container=name, value=EnvValue("10"))


def _findings(our: Plan, judged: tuple[Judgement, ...], after: timedelta) -> list[Finding]:
    """Return all that is recorded so far: every step has had its findings."""
    last = our.values[-1]
    return [
        Finding(
            after=one,
            at=T + one,
            share=share,
            verdict=Verdict.WITHIN_TOLERANCE,
            evidence=evidence_text(judged),
            judgements=judged,
        )
        for share, due in zip(our.values, our.findings, strict=True)
        for one in due
        if share != last or one <= after
    ]
