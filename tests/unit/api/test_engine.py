"""The line that remembers everything stays within what the schema of the status takes."""

from dataclasses import replace
from datetime import timedelta

import pytest

import scenes as s
from rampguard.api import engine
from rampguard.api.status import LONGEST_MEMORY
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

STEPS, FINDINGS, GUARDRAILS, TARGETS = 11, 10, 10, 10  # the most that the schema takes
FAMILIES, BINS = 2 * GUARDRAILS, 288


def longest_part(name: str) -> Part:
    return Part(
        name=name,
        verdict=Verdict.WITHIN_TOLERANCE,
        value="x1.2345",
        interval="[x1.1111, x1.9999]",
        limit="1.20 of before the ramp or less",
        counts="123456789 of 1234567890 requests, 123456789 of 1234567890 before",
        log_e_null=-1234.5678901234567,
        log_e_margin=-1234.5678901234567,
        threshold_null=12.345678901234567,
        threshold_margin=12.345678901234567,
        phi=12.345678901234567,
        could_see="could have seen a rise of 12.3 % or more",
        onset=s.T,
        marks=("phi assumed", "baseline of 23h55m"),
    )


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
        parts=(longest_part("history"), longest_part("concurrent"), longest_part("kill-switch")),
    )


def longest_baseline(name: str) -> Baseline:
    return Baseline(
        guardrail=name,
        span=timedelta(hours=23, minutes=55),
        hits=123456789.0,
        exposure=1234567890.0,
        rate=0.12345678901234567,
        phi_history=Phi(value=12.345678901234567, batch=timedelta(minutes=15)),
        phi_arms=Phi(value=12.345678901234567, batch=timedelta(minutes=60)),
        armed=True,
        busiest=0.12345678901234567,
        enough=True,
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
            details=tuple("d" * (DETAILS // 20) for _ in range(20)),
        )
        for i in range(STEPS * FINDINGS)
    )
    bins = tuple(Reading(123456.0 + i, 123456.0 + i, 123456.0 + i) for i in range(BINS))
    evidence = Evidence(
        t0=s.T,
        counted_to=s.T + timedelta(hours=720),
        counts=tuple(bins for _ in range(FAMILIES)),
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
        baselines=tuple(longest_baseline(j.name) for j in judged),
        findings=findings,
        told=told,
        soaked=Soaked(since=s.T, until=s.T),
    )


def test_the_largest_ramp_is_remembered_within_the_schema() -> None:
    line = engine.write(utmost())
    assert len(line) < LONGEST_MEMORY
    assert engine.read(line) == utmost()


def test_counts_and_evidence_come_back_as_they_were() -> None:
    counts = ((Reading(1.0, 2.0, 3.0), Reading()), (Reading(other=4.0),))
    judged = (replace(longest_judgement(1), log_e_null=float("-inf")),)
    evidence = Evidence(t0=s.T, counted_to=s.T, counts=counts)
    state = State(stage=replace(s.soaking(), evidence=evidence, judged=judged))
    assert engine.read(engine.write(state)) == state


READINGS = ((Reading(1.0, 2.0, 0.5),), (Reading(),))


def soaking_line(counts: str) -> str:
    at = '"2026-11-23T12:00:00Z"'
    evidence = f'{{"t0":{at},"counted_to":{at},"counts":{counts}}}'
    return f'{{"v":2,"stage":"Soaking","facts":{{"since":{at},"step":0,"evidence":{evidence}}}}}'


DAMAGED = {
    "of version 1": ('{"v":1,"stage":"Pending","facts":{}}', "of version 1, and this operator"),
    "of a version to come": ('{"v":3,"stage":"Pending","facts":{}}', "of version 3, and this"),
    "of no version": ('{"stage":"Pending","facts":{}}', "of version None, and this operator"),
    "with the bins of version 1": (soaking_line("[[1,2]]"), "it cannot be read"),
    "with one arm too many": (soaking_line("[[[1,2,3,4]]]"), "it cannot be read"),
    "with a count that is a text": (soaking_line('[[["x",2,3]]]'), "it cannot be read"),
    "a list": ("[]", "it is no object"),
    "nothing": ("", "it cannot be read"),
}


def test_counts_are_written_as_short_as_can_be() -> None:
    stage = replace(s.soaking(), evidence=Evidence(t0=s.T, counted_to=s.T, counts=READINGS))
    assert '"counts":[[[1,2,0.5]],[[0,0,0]]]' in engine.write(State(stage=stage))
    assert engine.read(soaking_line("[[[1,2,0.5]],[[0,0,0]]]")).stage.evidence.counts == READINGS


@pytest.mark.parametrize(("line", "words"), DAMAGED.values(), ids=DAMAGED)
def test_a_line_that_is_not_of_this_version_is_damaged(line: str, words: str) -> None:
    with pytest.raises(engine.Damaged, match=words):
        engine.read(line)
