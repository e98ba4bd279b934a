"""The end of a soak: what was shown, and the next step."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rampguard.core.ask import GateKind
from rampguard.core.decide import decide
from rampguard.core.model import Decision, Ended, Observation, RollingBack, Verdict
from rampguard.core.reasons import Reason
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T,
    judged,
    judging,
    look,
    pair,
    plan,
    seen,
    soaking,
    stage_of,
    state,
    told,
    watch,
    workload,
)

UNSURE, BREACHED, NOTHING = Verdict.INCONCLUSIVE, Verdict.BREACHED, Verdict.NOT_APPLICABLE
END = DAY + MINUTE
STEPPED = plan(steps=(25,))


# fmt: off
ENDS: dict[str, tuple[Decision, Reason, str]] = {
    "all within": (
        watch(look(DAY), after=END), Reason.COMPLETED,
        "completed at 50%: 24h soak passed, every guardrail within tolerance"),
    "one unsure": (
        watch(judging(DAY, judged(UNSURE, could_see="could have seen a shift of 6.2 pp or more")),
              after=END),
        Reason.COMPLETED_INCONCLUSIVE,
        ("completed at 50%: 24h soak is over, no harm found; share could have seen a shift of 6.2"
        " pp or more")),
    "one unsure that says no more": (
        watch(look(DAY, UNSURE), after=END), Reason.COMPLETED_INCONCLUSIVE,
        "completed at 50%: 24h soak is over, no harm found; share Inconclusive"),
    "harm that a person accepted": (
        watch(look(DAY, BREACHED), was=state(soaking(accepted=("share",))), after=END),
        Reason.COMPLETED_INCONCLUSIVE,
        "completed at 50%: 24h soak is over, accepted harm; share Breached"),
    "accepted harm that ended": (
        watch(look(DAY), was=state(soaking(accepted=("share",))), after=END),
        Reason.COMPLETED_INCONCLUSIVE,
        "completed at 50%: 24h soak is over, accepted harm; share Breached"),
    "a guardrail that does not apply beside one within": (
        watch(look(DAY, NOTHING), after=END), Reason.COMPLETED,
        "completed at 50%: 24h soak passed, every guardrail within tolerance"),
    "none that applies": (
        watch(look(DAY, NOTHING, NOTHING), after=DAY + HOUR), Reason.COMPLETED_INCONCLUSIVE,
        "completed at 50%: 24h soak is over, no harm found; no guardrail applied"),
}
# fmt: on


@pytest.mark.parametrize(("done", "reason", "text"), ENDS.values(), ids=ENDS)
def test_an_end_says_what_was_shown_and_never_that_the_unknown_passed(done, reason, text) -> None:
    assert isinstance(done.state.stage, Ended)
    assert (done.because.reason, done.because.message) == (reason, text)
    assert done.state.stage.watched
    assert done.state.gates == ()


@pytest.mark.parametrize(
    ("at", "now", "over"),
    [
        (DAY, DAY + 15 * SECOND, True),
        (DAY, DAY, True),
        (DAY + 30 * SECOND, END, True),
        (DAY - SECOND, END, False),
        (DAY, DAY - SECOND, False),
    ],
)
def test_a_soak_ends_by_a_look_at_its_end(at: timedelta, now: timedelta, over: bool) -> None:  # noqa: FBT001
    decision = watch(look(at), after=now)
    assert isinstance(decision.state.stage, Ended) is over


def test_of_several_looks_the_last_ends_the_soak_and_says_how() -> None:
    done = watch(look(23 * HOUR, UNSURE), look(DAY), after=END)
    assert isinstance(done.state.stage, Ended)
    assert done.because.reason is Reason.COMPLETED


def test_a_pause_holds_the_end_and_keeps_the_guardrails() -> None:
    decision = watch(look(DAY), of=plan(paused=True), after=END)
    assert decision.because.message == "paused; at 50% until 2026-11-24T12:00:00Z"
    assert decision.state.findings[-1].after == DAY


def over(**facts: object) -> Decision:
    asked = facts.pop("of", STEPPED)
    both = facts.pop("both", pair(25))
    return watch(look(HOUR), of=asked, both=both, after=HOUR + MINUTE, **facts)


EACH = plan(steps=(25,), gates=frozenset({GateKind.EACH_STEP}))


def test_a_step_asks_once_and_goes_on_when_it_is_approved() -> None:
    first = over(of=EACH)
    assert [(g.name, g.why) for g in first.state.gates] == [
        ("step-1", "25 -> 50: the soak is over"),
    ]
    assert [n.reason for n in over(of=EACH, was=first.state).notes] == []
    approving = replace(EACH, ask=replace(EACH.ask, approve="step-1", generation=2))
    later = over(of=approving, was=first.state)
    assert later.because.reason is Reason.APPLYING
    assert later.state.gates == ()


def test_harm_while_a_step_waits_for_a_person_rolls_back() -> None:
    first = over(of=EACH)
    decision = watch(look(2 * HOUR, BREACHED), of=EACH, both=pair(25), was=first.state)
    assert isinstance(decision.state.stage, RollingBack)


def test_what_a_step_waits_for_is_told_once() -> None:
    rolling = pair(25, rolling_out=True)
    first = over(both=rolling)
    (note,) = told(first, Reason.ROLLOUT_IN_PROGRESS)
    assert note.message.startswith("the step to 50 waits: Deployment api is in the middle of")
    assert note.warning
    assert told(over(both=rolling, was=first.state), Reason.ROLLOUT_IN_PROGRESS) == ()
    assert first.state.stage == replace(soaking(), judged=stage_of(first).judged)


def test_of_all_that_a_step_waits_for_the_first_is_the_reason() -> None:
    decision = over(
        both=(workload(value=25, rolling_out=True), workload("worker", 25, deleting=True))
    )
    assert decision.because.reason is Reason.ROLLOUT_IN_PROGRESS
    assert decision.because.message.endswith("; Deployment worker is being deleted")


@pytest.mark.parametrize(("step", "to"), [(0, 30), (1, 40), (2, 50)])
def test_what_waits_is_the_step_to_the_next_value(step: int, to: int) -> None:
    asked = plan(steps=(20, 30, 40))
    both = pair(asked.values[step], rolling_out=True)
    decision = over(of=asked, both=both, was=state(soaking(step)))
    (note,) = told(decision, Reason.ROLLOUT_IN_PROGRESS)
    assert note.message.startswith(f"the step to {to} waits: ")


def test_a_step_that_is_taken_adds_up_how_long_the_ramp_was_blind() -> None:
    was = state(soaking(evidence=replace(soaking().evidence, blind_total=MINUTE)), blind_total=HOUR)
    assert over(was=was).state.blind_total == HOUR + MINUTE
    held = over(was=was, both=pair(25, rolling_out=True))
    assert held.state.blind_total == HOUR


def test_the_next_soak_has_evidence_of_its_own() -> None:
    applied = over()
    proven = decide(STEPPED, applied.state, seen(after=2 * HOUR))
    stage = stage_of(proven)
    assert (stage.step, stage.evidence.counts, stage.judged) == (1, (), ())
    assert stage.evidence.t0 == T + 2 * HOUR + 15 * SECOND


def test_the_same_facts_twice_move_nothing() -> None:
    saw: Observation = seen(looks=(look(HOUR),), after=HOUR)
    once = decide(plan(), state(soaking()), saw)
    again = decide(plan(), once.state, saw)
    assert again.state == once.state
    assert again.notes == ()
