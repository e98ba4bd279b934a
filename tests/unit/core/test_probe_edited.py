"""A probe that is edited: what was asked before is void."""

from dataclasses import replace
from datetime import timedelta

from probe_scenes import PROBE
from probing_scenes import (
    PLAN,
    SOAKED,
    WRONG,
    answered,
    asked,
    believed,
    heard,
    proven,
    start,
)
from rampguard.core.ask import OnFailure
from rampguard.core.decide import decide
from rampguard.core.model import (
    Applying,
    Finding,
    Pending,
    Soaking,
    Verdict,
)
from rampguard.core.probe import Occasion, Probed
from rampguard.core.reasons import Reason
from scenes import (
    HOUR,
    MINUTE,
    SECOND,
    T,
    before,
    judged,
    judging,
    plan,
    seen,
    soaking,
    state,
    watch,
)

OTHER = plan(probe=replace(PROBE, path="/other"))


def test_answers_of_another_probe_start_nothing() -> None:
    whole = answered(PLAN, start(), before(), SECOND)
    told_ = heard(asked(whole), at=T + MINUTE)
    edited = decide(OTHER, whole.state, before(heard=told_))
    assert isinstance(edited.state.stage, Pending)
    assert (asked(edited).users, asked(edited).number) == (5, 3)
    assert edited.state.probed.heard is None


def test_another_goal_is_another_question() -> None:
    whole = answered(PLAN, start(), before(), SECOND, keep=(1, 2))
    down = decide(plan(probe=PROBE, to=5), whole.state, before())
    assert down.state.probed.keep == ()
    assert asked(down).users == 5


def test_wrong_answers_of_another_probe_do_not_count() -> None:
    decision, saw = proven()
    for _ in range(2):
        decision = answered(PLAN, decision, saw, 15 * SECOND, faults=WRONG)
    last = heard(asked(decision), faults=WRONG)
    edited = decide(OTHER, decision.state, seen(heard=last))
    assert isinstance(edited.state.stage, Applying)
    assert (edited.state.probed.wrong, asked(edited).again) == (0, ())


def test_a_probe_that_is_taken_away_holds_nothing() -> None:
    decision, _ = proven()
    gone = decide(plan(), decision.state, seen())
    assert isinstance(gone.state.stage, Soaking)
    assert gone.state.probed == Probed(rounds=3)


def test_a_question_about_another_probe_is_void_and_the_new_one_asks_at_once() -> None:
    decision = believed()
    edited = decide(OTHER, decision.state, seen(after=2 * HOUR))
    assert edited.state.gates == ()
    assert edited.state.voided == ("breach",)
    assert (asked(edited).key, asked(edited).occasion) == ("finding/0/3600", Occasion.FINDING)
    later = replace(decision.state, findings=(finding_at(HOUR),))
    edited = decide(OTHER, later, seen(after=2 * HOUR))
    assert asked(edited).key == "new"
    right = answered(OTHER, edited, seen(), 5 * SECOND)
    assert right.state.probed.round is None
    assert decide(OTHER, right.state, seen(after=3 * HOUR)).state.probed.round is None
    removed = decide(plan(), decision.state, seen(after=2 * HOUR))
    assert removed.state.gates == ()
    assert removed.because.reason is Reason.SOAKING


def finding_at(after: timedelta) -> Finding:
    return Finding(after=after, at=T + after, share=50, verdict=Verdict.INCONCLUSIVE, evidence="")


def test_a_gate_of_harm_stays_when_the_probe_is_edited() -> None:
    of = plan(probe=PROBE, on_failure=OnFailure.HOLD)
    broken = judging(HOUR, judged(Verdict.BREACHED))
    decision = watch(broken, of=of, was=state(soaking(), probed=SOAKED))
    assert [one.about for one in decision.state.gates] == [("share",)]
    edited = plan(probe=OTHER.ask.probe, on_failure=OnFailure.HOLD)
    after = decide(edited, decision.state, seen(after=2 * HOUR))
    assert [one.name for one in after.state.gates] == ["breach"]
