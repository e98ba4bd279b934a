"""Ramps of known sizes in the middle of their last soak: a usual one, and the largest there is."""

import random
from dataclasses import dataclass, replace
from datetime import timedelta

from figures import ROOT  # noqa: F401 - it lets the tests' words be found

from fakes import ramp
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.counting import spacing
from rampguard.core.guardrails import judge_exposure, judge_threshold
from rampguard.core.model import (
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


def usual() -> Size:
    """Two targets, two guardrails, twelve hours into a soak of a day."""
    return _sized(targets=2, shares=1, queries=1, steps=(25,), soak="24h", after=12 * HOUR)


def largest() -> Size:
    """Ten targets, ten guardrails, ten steps and the goal, at the end of a soak of 288 bins."""
    steps = tuple(range(12, 50, 4))
    return _sized(targets=10, shares=4, queries=6, steps=steps, soak="168h", after=7 * DAY - HOUR)


def evidence(our: Plan, after: timedelta, seed: int = 3) -> Evidence:
    """Return the bins of a calm soak: shares as they should be, and the noise of chance."""
    size = spacing(our.tempo.look, our.soaks[-1])
    draw = random.Random(seed)
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


def _sized(  # noqa: PLR0913 - what makes a size
    *, targets: int, shares: int, queries: int, steps: tuple[int, ...], soak: str, after: timedelta
) -> Size:
    manifest = _manifest(targets, shares, queries, steps, soak)
    our = make_plan(to_ask(manifest), TEMPO)
    names = tuple(target.name for target in our.ask.targets)
    counted = evidence(our, after)
    judged = judgements(our, counted, after)
    look = Look(at=T + after, evidence=counted, judgements=judged)
    stage = soaking(our.last, evidence=counted, templates=tuple("t1" for _ in names), judged=judged)
    remembered = state(
        stage,
        originals=tuple(_original(name) for name in names),
        findings=tuple(_findings(our, judged, after)),
        timeline=tuple(Line(T, "24h finding at 50%: WithinTolerance; 50.0%") for _ in range(20)),
    )
    mark = stamp(uid=our.ask.uid)
    workloads = tuple(workload(name, our.values[-1], stamp=mark) for name in names)
    seen = Observation(now=look.at + MINUTE, workloads=workloads, looks=(look,), finalizer=True)
    return Size(manifest, our, remembered, seen)


def _manifest(targets: int, shares: int, queries: int, steps: tuple[int, ...], soak: str) -> Json:
    told = ramp(
        targets=[{"name": f"tier-{i}"} for i in range(targets)],
        steps=list(steps),
        stepSoak="24h",
        soak=soak,
        guardrails=[
            *(_share(i) for i in range(shares)),
            *(_query(i) for i in range(queries)),
        ],
    )
    told |= {"apiVersion": "rampguard.dev/v1alpha1", "kind": "ExperimentRamp"}
    created = "2026-11-23T11:59:00Z"
    told["metadata"] |= {"uid": "uid-of-the-ramp", "creationTimestamp": created, "generation": 1}
    return told


def _share(i: int) -> Json:
    return {"name": f"exposure-balance-{i}", "type": "ExposureBalance", "tolerance": 5 + i}


def _query(i: int) -> Json:
    return {"name": f"server-errors-{i}", "type": "Threshold", "query": QUERY, "max": "0.05"}


def _original(name: str) -> Original:
    return Original(deployment=name, uid=f"uid-{name}", container=name, value="10")  # type: ignore[arg-type]  # an EnvValue


def _findings(our: Plan, judged: tuple[Judgement, ...], after: timedelta) -> list[Finding]:
    """Return all that is recorded so far: every step has had its findings."""
    told = []
    for share, due in zip(our.values, our.findings, strict=True):
        last = share == our.values[-1]
        told += [
            Finding(
                after=one,
                at=T + one,
                share=share,
                verdict=Verdict.WITHIN_TOLERANCE,
                evidence=evidence_text(judged),
                judgements=judged,
            )
            for one in due
            if not last or one <= after
        ]
    return told
