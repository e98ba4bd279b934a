"""The line that remembers everything stays within what the schema of the status takes."""

from dataclasses import replace
from datetime import timedelta

import scenes as s
from rampguard.api import engine
from rampguard.core.model import (
    Baseline,
    EnvValue,
    Evidence,
    Finding,
    GuardrailType,
    Judgement,
    Original,
    Part,
    Phi,
    PromQL,
    Reading,
    Soaked,
    State,
    Verdict,
)
from rampguard.core.soak import DETAILS, evidence_text

MOST = 524_288  # characters of status.engine, see the CRD
STEPS, FINDINGS, GUARDRAILS, TARGETS = 11, 10, 10, 10  # the most that the schema takes
FAMILIES = 2 * GUARDRAILS  # each an ErrorRate: errors and requests of its own


def longest_part(name: str) -> Part:
    return Part(
        name=name,
        verdict=Verdict.WITHIN_TOLERANCE,
        value="0.123",
        interval="[0.123, 1.23e+04]",
        limit="1.25 of the new baseline or less",
        counts="123456789 errors of 123456789 requests, the new baseline 123456789 of 123456789",
        log_e_null=-1234.5678901234567,
        log_e_margin=-1234.5678901234567,
        threshold_null=12.345678901234567,
        threshold_margin=12.345678901234567,
        phi=12.345678901234567,
        could_see="too little traffic to show any rise yet",
        onset=s.T,
        marks=("phi assumed",),
    )


def longest_baseline(number: int) -> Baseline:
    phi = Phi(value=12.345678901234567, batch=timedelta(minutes=15))
    return Baseline(
        guardrail=f"{number}{'n' * 62}",
        span=timedelta(hours=24),
        hits=123456789.0,
        exposure=123456789.0,
        rate=0.4999999999999999,
        phi_history=phi,
        phi_arms=phi,
        armed=True,
        busiest=0.4999999999999999,
        enough=True,
    )


def longest_judgement(number: int) -> Judgement:
    return Judgement(
        name=f"{number}{'n' * 62}",
        type=GuardrailType.ERROR_RATE,
        verdict=Verdict.NO_DATA,
        interval="[49.99999%, 50.00001%]",
        limit="45.123% .. 54.877%",
        why="w" * 512,
        number=0.4999999999999999,
        limits=(0.4499999999999999, 0.5499999999999999),
        counted=123456789.0,
        log_e_null=-1234.5678901234567,
        log_e_margin=-1234.5678901234567,
        threshold_null=12.345678901234567,
        threshold_margin=12.345678901234567,
        could_see="could have seen a shift of 12.3 pp or more",
        onset=s.T,
        query=PromQL("q" * 2400),
        parts=tuple(map(longest_part, ("history", "concurrent", "kill-switch"))),
    )


def utmost() -> State:
    """Return the state of the largest ramp that the schema takes, at the end of a long watch."""
    judged = tuple(longest_judgement(i) for i in range(GUARDRAILS))
    findings = tuple(
        Finding(
            after=timedelta(hours=i, microseconds=123456),
            at=s.T + timedelta(hours=i, microseconds=123456),
            share=i % 100,
            verdict=Verdict.NO_DATA,
            evidence=evidence_text(judged),
            late=True,
            details=("d" * 512,) * (DETAILS // 512),
        )
        for i in range(STEPS * FINDINGS)
    )
    bins = tuple(Reading(123456.0 + i, 123456.0 + i, 123456.0 + i) for i in range(288))
    evidence = Evidence(
        t0=s.T,
        counted_to=s.T + timedelta(hours=720),
        counts=(bins,) * FAMILIES,
        breached=tuple(j.name for j in judged),
    )
    originals = tuple(
        Original(
            deployment="d" * 253,
            uid="u" * 36,
            container="c" * 63,
            value=EnvValue(str(i)),
            manager="m" * 128,
        )
        for i in range(TARGETS)
    )
    told = tuple(f"Blind/{i}/2026-11-24T02:51:20.565034+00:00" for i in range(360))
    soaking = replace(s.soaking(), evidence=evidence, judged=judged)
    return State(
        stage=soaking,
        started_at=s.T,
        originals=originals,
        baselines=tuple(longest_baseline(i) for i in range(GUARDRAILS)),
        findings=findings,
        told=told,
        soaked=Soaked(since=s.T, until=s.T),
    )


def test_the_largest_ramp_is_remembered_within_the_schema() -> None:
    line = engine.write(utmost())
    assert len(line) < MOST * 2 / 3
    assert engine.read(line) == utmost()
