"""The line that remembers everything stays within what the schema of the status takes."""

from dataclasses import replace
from datetime import timedelta

import scenes as s
from rampguard.api import engine
from rampguard.core.model import (
    EnvValue,
    Evidence,
    Finding,
    GuardrailType,
    Judgement,
    Original,
    PromQL,
    Reading,
    Soaked,
    State,
    Verdict,
)
from rampguard.core.soak import evidence_text

MOST = 262_144  # characters of status.engine, see the CRD
STEPS, FINDINGS, GUARDRAILS, TARGETS = 11, 10, 10, 10  # the most that the schema takes


def longest_judgement(number: int) -> Judgement:
    return Judgement(
        name=f"{number}{'n' * 62}",
        type=GuardrailType.EXPOSURE_BALANCE,
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
        )
        for i in range(STEPS * FINDINGS)
    )
    bins = tuple(Reading(123456.0 + i, 123456.0 + i) for i in range(288))
    evidence = Evidence(
        t0=s.T,
        counted_to=s.T + timedelta(hours=720),
        bins=bins,
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
        findings=findings,
        told=told,
        soaked=Soaked(since=s.T, until=s.T),
    )


def test_the_largest_ramp_is_remembered_within_the_schema() -> None:
    line = engine.write(utmost())
    assert len(line) < MOST * 2 / 3
    assert engine.read(line) == utmost()
