"""What people are told of the probe: its condition, and a line of each finding."""

from dataclasses import replace

import pytest

from probe_scenes import PROBE, a_round
from probing_scenes import (
    KNOWN,
    PLAN,
    SOAKED,
    WRONG,
    heard,
)
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.model import (
    Condition,
    Decision,
    Observation,
    State,
    Verdict,
)
from rampguard.core.plan import Plan
from rampguard.core.probe import Fault, Heard, Occasion, Round
from rampguard.core.reasons import Reason
from scenes import (
    HOUR,
    T,
    applying,
    judged,
    judging,
    lagging,
    look,
    pair,
    plan,
    seen,
    soaking,
    state,
    watch,
)


def condition(of: Plan, decision: Decision, saw: Observation) -> Condition | None:
    found = render(of, saw, decision)[0].conditions
    return next((one for one in found if one.type == "AssignmentVerified"), None)


def kinds(of: Plan, was: State, saw: Observation) -> dict[str, tuple[str, str]]:
    found = render(of, saw, decide(of, was, saw))[0].conditions
    return {one.type: (one.status, one.reason) for one in found}


@pytest.mark.parametrize(
    ("known", "status", "reason"),
    [
        (None, "Unknown", Reason.PENDING),
        (heard(a_round(Occasion.START)), "Unknown", Reason.PENDING),
        (heard(a_round()), "True", Reason.SHARE_AS_WANTED),
        (heard(a_round(), faults=WRONG), "False", Reason.ASSIGNMENT_MISMATCH),
        (heard(a_round(), silent="HTTP 500"), "Unknown", Reason.PROBE_FAILED),
    ],
)
def test_what_is_heard_is_a_condition(known: Heard | None, status: str, reason: Reason) -> None:
    saw = seen()
    was = state(soaking(), probed=replace(SOAKED, heard=known))
    decision = decide(PLAN, was, saw)
    found = condition(PLAN, decision, saw)
    assert found is not None
    assert (found.status, found.reason) == (status, reason)
    assert ("12:00:00Z" in found.message) is (known is not None)
    assert condition(plan(), decision, saw) is None


def test_while_the_app_is_asked_pods_are_proven_and_the_assignment_is_not() -> None:
    of = plan(probe=PROBE, steps=(25,))
    before_ = replace(KNOWN, over="step/0", heard=heard(a_round(share=25)))
    was = state(applying(step=1), probed=before_)
    told_ = kinds(of, was, seen())
    assert told_["PodsProven"] == ("True", "AllPodsProven")
    assert told_["AssignmentVerified"] == ("Unknown", "Pending")
    lag = kinds(of, was, seen(*pair(coverage=lagging())))
    assert lag["PodsProven"] == ("False", "PodsLag")


@pytest.mark.parametrize("share", [25, 75])
def test_what_was_heard_of_another_share_is_not_said_of_this_one(share: int) -> None:
    was = state(soaking(), probed=replace(SOAKED, heard=heard(a_round(share=share))))
    assert kinds(PLAN, was, seen())["AssignmentVerified"] == ("Unknown", "Pending")
    kept = replace(SOAKED, over="finding/0/3600", heard=heard(a_round(share=share)))
    decision = watch(look(HOUR), of=PLAN, was=state(soaking(), probed=kept))
    assert decision.state.findings[0].details == ()


def test_of_several_faults_the_first_is_the_reason() -> None:
    faults = (*WRONG, Fault(Reason.NOT_MONOTONE, "lost"))
    was = state(soaking(), probed=replace(SOAKED, heard=heard(a_round(), faults=faults)))
    assert kinds(PLAN, was, seen())["AssignmentVerified"] == ("False", "AssignmentMismatch")


def test_a_finding_keeps_so_many_characters_of_what_was_heard() -> None:
    long = (Fault(Reason.WRONG_VALUE, "x" * 500),)
    kept = replace(SOAKED, over="finding/0/3600", heard=heard(a_round(), faults=long))
    decision = watch(look(HOUR), of=PLAN, was=state(soaking(), probed=kept))
    assert len(decision.state.findings[0].details[0]) == 256


def test_what_was_right_is_not_said_of_what_was_rolled_back() -> None:
    was = state(soaking(), probed=replace(SOAKED, heard=heard(a_round())))
    assert kinds(PLAN, was, seen())["AssignmentVerified"] == ("True", "ShareAsWanted")
    broken = judging(HOUR, judged(Verdict.BREACHED))
    saw = seen(looks=(broken,), after=HOUR)
    assert kinds(PLAN, was, saw)["AssignmentVerified"] == ("Unknown", "Pending")


def test_a_finding_tells_what_the_probe_heard() -> None:
    kept = replace(SOAKED, over="finding/0/3600", heard=heard(a_round(), at=T + HOUR))
    decision = watch(look(HOUR), of=PLAN, was=state(soaking(), probed=kept))
    (finding,) = decision.state.findings
    assert finding.evidence.endswith("; probe 50.0% of 200")
    assert finding.details[0].startswith("probe at 2026-11-23T13:00:00Z: 50.0% of 200 new users")


@pytest.mark.parametrize(
    "other", [a_round(Occasion.START), a_round(share=25)], ids=["at the start", "of another share"]
)
def test_a_finding_does_not_tell_what_was_heard_of_another_value(other: Round) -> None:
    kept = replace(SOAKED, over="finding/0/3600", heard=heard(other))
    decision = watch(look(HOUR), of=PLAN, was=state(soaking(), probed=kept))
    (finding,) = decision.state.findings
    assert "probe" not in finding.evidence
    assert finding.details == ()
