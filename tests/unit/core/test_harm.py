"""Harm: what rolls back, and what is put to a person."""

from dataclasses import replace

from rampguard.core.ask import OnFailure
from rampguard.core.model import Judgement, RollingBack, Verdict
from rampguard.core.reasons import Reason
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    T,
    judged,
    judging,
    look,
    plan,
    soaking,
    stage_of,
    state,
    told,
    watch,
)

WITHIN, BLIND, BREACHED = Verdict.WITHIN_TOLERANCE, Verdict.NO_DATA, Verdict.BREACHED
END = DAY + MINUTE


def harmful(attributable: bool = True, verdict: Verdict = BREACHED) -> Judgement:  # noqa: FBT001, FBT002
    return judged(verdict, "p95", value="0.9", limit="0.8 or less", attributable=attributable)


def test_a_breach_tells_value_interval_and_limit() -> None:
    at = judging(HOUR, judged(BREACHED, value="30.0%", interval="[25.0%, 35.0%]"))
    decision = watch(at)
    (note,) = told(decision, Reason.GUARDRAIL_BREACHED)
    assert note.message == "share breached: 30.0% [25.0%, 35.0%], limit 45% .. 55% (why)"
    stage = decision.state.stage
    assert isinstance(stage, RollingBack)
    assert stage.because.message == "share 30.0% [25.0%, 35.0%], limit 45% .. 55%"


def test_of_two_breaches_the_one_that_the_ramp_caused_is_named() -> None:
    other = replace(harmful(attributable=False), name="errors")
    decision = watch(judging(HOUR, other, harmful()))
    stage = decision.state.stage
    assert isinstance(stage, RollingBack)
    assert stage.because.message.startswith("p95 0.9")


def test_harm_of_unknown_cause_stays_a_question_when_it_ends() -> None:
    """A query that was broken for a while, long after the start, and is well again."""
    first = watch(judging(2 * HOUR, harmful(attributable=False)))
    assert [g.name for g in first.state.gates] == ["breach"]
    later = watch(judging(3 * HOUR, harmful(verdict=WITHIN)), was=first.state)
    assert later.because.reason is Reason.AWAITING_APPROVAL
    assert later.because.message == "p95 0.9, limit 0.8 or less; it may not come from the ramp"
    assert stage_of(later).evidence.breached == ("p95",)


def test_harm_of_unknown_cause_stays_a_question_when_prometheus_goes_away() -> None:
    first = watch(judging(2 * HOUR, harmful(attributable=False)))
    later = watch(judging(3 * HOUR, harmful(verdict=BLIND)), was=first.state)
    assert later.because.reason is Reason.AWAITING_APPROVAL


def test_a_question_about_harm_that_ended_tells_the_last_value() -> None:
    was = state(soaking(evidence=replace(soaking().evidence, breached=("p95",))))
    looks = (
        judging(at * HOUR, replace(harmful(verdict=WITHIN), value=value))
        for at, value in ((2, "0.5"), (3, "0.6"))
    )
    assert watch(*looks, was=was).because.message.startswith("p95 0.6, limit")


def test_an_open_question_does_not_hide_harm_that_the_ramp_causes() -> None:
    first = watch(judging(2 * HOUR, harmful(attributable=False)))
    both = judging(3 * HOUR, judged(BREACHED), harmful(attributable=False))
    later = watch(both, was=first.state)
    assert isinstance(later.state.stage, RollingBack)


def test_a_question_is_asked_and_told_once() -> None:
    asked = plan(on_failure=OnFailure.HOLD)
    first = watch(look(HOUR, BREACHED), of=asked)
    again = watch(look(2 * HOUR, BREACHED), of=asked, was=first.state)
    assert [n.reason for n in again.notes] == []
    assert again.state.gates == first.state.gates


def test_an_end_with_an_open_question_does_not_complete() -> None:
    asked = plan(on_failure=OnFailure.HOLD)
    decision = watch(look(DAY, BREACHED), of=asked, after=END)
    assert decision.because.reason is Reason.AWAITING_APPROVAL


def test_rolling_back_keeps_how_long_the_soak_was_watched_and_blind() -> None:
    evidence = replace(soaking().evidence, blind_since=T + MINUTE, blind_total=HOUR)
    decision = watch(look(2 * HOUR, BREACHED, BLIND), was=state(soaking(evidence=evidence)))
    assert decision.state.blind_total == 3 * HOUR - MINUTE
    assert decision.state.soaked is not None
    assert decision.state.soaked.cut
