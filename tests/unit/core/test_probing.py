"""When the app is asked, and what follows from its answers."""

from dataclasses import replace
from datetime import timedelta

import pytest

from probe_scenes import PROBE, a_round
from probing_scenes import (
    KNOWN,
    PLAN,
    SOAKED,
    WRONG,
    answered,
    asked,
    believed,
    heard,
    proven,
    soak,
    start,
)
from rampguard.core.ask import GateKind, Leave, OnFailure
from rampguard.core.decide import decide
from rampguard.core.model import (
    Applying,
    Because,
    Ended,
    Outcome,
    Pending,
    RollingBack,
    Soaking,
    State,
    Verdict,
)
from rampguard.core.probe import Fault, Occasion, Probed
from rampguard.core.probing import due, mark, take_in
from rampguard.core.reasons import Reason
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T,
    applying,
    before,
    covered,
    judged,
    judging,
    lagging,
    look,
    pair,
    plan,
    seen,
    soaking,
    stage_of,
    state,
    told,
    watch,
)


def test_before_the_start_five_requests_are_made_then_those_of_all_users() -> None:
    first = start()
    assert (asked(first).users, asked(first).share, asked(first).occasion) == (
        5,
        10,
        Occasion.START,
    )
    assert first.because == Because(Reason.PENDING, "the probe is being asked")
    whole = answered(PLAN, first, before(), SECOND)
    assert (asked(whole).users, asked(whole).number) == (200, 2)
    assert isinstance(whole.state.stage, Pending)
    started = answered(PLAN, whole, before(), 10 * SECOND, keep=(3, 7))
    assert isinstance(started.state.stage, Applying)
    assert (started.state.probed.keep, started.state.probed.keep_of) == ((3, 7), 2)
    assert started.state.probed.round is None


def test_without_an_identity_five_requests_are_enough() -> None:
    of = plan(probe=replace(PROBE, identity=None))
    first = decide(of, State(), before())
    assert isinstance(answered(of, first, before(), SECOND).state.stage, Applying)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"silent": "HTTP 401 (5x)", "users": 0}, "HTTP 401 (5x)"),
        ({"faults": (Fault(Reason.WRONG_VALUE, "pods said 20"),)}, "pods said 20"),
    ],
)
def test_a_wrong_probe_blocks_the_start_and_is_asked_again(
    facts: dict[str, object], words: str
) -> None:
    first = start()
    blocked = answered(PLAN, first, before(), SECOND, **facts)
    stage = blocked.state.stage
    assert isinstance(stage, Pending)
    assert stage.blocked
    assert blocked.because == Because(Reason.PROBE_FAILED, f"the probe of api:80/tree: {words}")
    assert [one.reason for one in blocked.notes] == [Reason.BLOCKED]
    at = T + MINUTE + SECOND
    soon = decide(PLAN, blocked.state, before(now=at + 19 * SECOND))
    assert soon.state.probed.round is None
    later = decide(PLAN, soon.state, before(now=at + 20 * SECOND))
    assert asked(later).users == 5
    assert later.because == blocked.because
    mended = answered(PLAN, later, before(), SECOND)
    assert asked(mended).users == 200


def test_all_that_is_in_the_way_is_told_at_once() -> None:
    first = start(signals=("share: no series",))
    blocked = answered(
        PLAN, first, before(signals=("share: no series",)), SECOND, silent="HTTP 401", users=0
    )
    assert "HTTP 401" in blocked.because.message
    assert "share: no series" in blocked.because.message


def test_where_targets_are_in_the_way_nobody_asks() -> None:
    first = start()
    blocked = decide(PLAN, first.state, before(workloads=pair(20)))
    assert blocked.because.reason is Reason.FROM_MISMATCH
    assert blocked.state.probed.round is None


def test_while_something_else_hinders_old_answers_are_asked_for_anew() -> None:
    saw = before(signals=("share: no series",))
    first = decide(PLAN, State(), saw)
    known = answered(PLAN, first, saw, SECOND)
    at = T + MINUTE + SECOND
    fresh = decide(PLAN, known.state, replace(saw, now=at + 10 * MINUTE - SECOND))
    stale = decide(PLAN, fresh.state, replace(saw, now=at + 10 * MINUTE))
    assert fresh.state.probed.round is None
    assert asked(stale).users == 5


def test_at_the_gate_the_probe_is_known_and_the_users_are_asked_after_it() -> None:
    of = plan(probe=PROBE, gates=frozenset({GateKind.START}))
    first = decide(of, State(), before())
    assert not first.state.gates
    waits = answered(of, first, before(), SECOND)
    assert [one.name for one in waits.state.gates] == ["start"]
    assert waits.state.probed.round is None
    opened = plan(probe=PROBE, gates=frozenset({GateKind.START}), approve="start", generation=2)
    assert asked(decide(opened, waits.state, before())).users == 200


def test_answers_to_another_round_are_not_taken() -> None:
    first = start()
    late = decide(PLAN, first.state, before(heard=heard(a_round(number=77))))
    assert late.state.probed == first.state.probed


def test_a_proven_step_is_asked_before_it_is_watched() -> None:
    first, saw = proven()
    one = asked(first)
    assert (one.number, one.occasion, one.share, one.users) == (3, Occasion.STEP, 50, 200)
    assert (one.again, one.again_of) == (tuple(range(30)), 2)
    assert isinstance(first.state.stage, Applying)
    assert first.because.message.endswith("the probe is being asked")
    right = answered(PLAN, first, saw, 20 * SECOND)
    assert isinstance(right.state.stage, Soaking)
    assert right.state.stage.since == T + MINUTE + 20 * SECOND + PLAN.tempo.scrape
    (note,) = told(right, Reason.SHARE_AS_WANTED)
    assert note.message.startswith("probe: 50.0% of 200 new users in treatment")
    assert right.state.probed.round is None


def test_nothing_is_asked_while_pods_lag() -> None:
    lag, _ = proven(workloads=pair(coverage=lagging()))
    assert lag.state.probed == KNOWN


def test_each_step_is_asked() -> None:
    of = plan(probe=PROBE, steps=(25,))
    was = replace(KNOWN, over="step/0", wrong=3)
    first = decide(of, state(applying(step=1), probed=was), seen())
    assert (asked(first).share, first.state.probed.wrong) == (50, 0)


def test_wrong_answers_are_believed_at_the_third_try() -> None:
    decision, saw = proven()
    for number in (1, 2):
        at = asked(decision).at
        decision = answered(PLAN, decision, saw, 15 * SECOND, faults=WRONG)
        assert isinstance(decision.state.stage, Applying)
        assert asked(decision).at == at + 15 * SECOND + 20 * SECOND
        assert asked(decision).number == 3 + number
        (note,) = told(decision, Reason.ASSIGNMENT_MISMATCH)
        assert note.message == (
            f"wrong answers to the probe, try {number} of 3: 30.0% of 200 new users in treatment"
        )
        assert note.warning
    rolled = answered(PLAN, decision, saw, 15 * SECOND, faults=WRONG)
    stage = rolled.state.stage
    assert isinstance(stage, RollingBack)
    assert stage.because == Because(Reason.ASSIGNMENT_MISMATCH, WRONG[0].text)
    assert rolled.state.probed.round is None


def test_it_is_looked_at_when_the_next_try_is_due() -> None:
    first, saw = proven()
    again = answered(PLAN, first, saw, 15 * SECOND, faults=WRONG)
    assert again.look_again_in == PLAN.tempo.proving
    slow = replace(PLAN, tempo=replace(PLAN.tempo, proving=MINUTE))
    again = answered(slow, first, saw, 15 * SECOND, faults=WRONG)
    assert again.look_again_in == 20 * SECOND


def test_right_answers_after_wrong_ones_are_right() -> None:
    decision, saw = proven()
    for _ in range(2):
        decision = answered(PLAN, decision, saw, 15 * SECOND, faults=WRONG)
    right = answered(PLAN, decision, saw, 15 * SECOND)
    assert isinstance(right.state.stage, Soaking)
    assert right.state.probed.wrong == 0


def test_no_answer_never_rolls_back_and_holds_no_longer_than_a_proof() -> None:
    decision, saw = proven()
    passed = timedelta(0)
    while isinstance(decision.state.stage, Applying):
        assert passed <= PLAN.ask.proof_timeout
        decision = answered(PLAN, decision, saw, 10 * SECOND, silent="HTTP 500 (400x)", users=0)
        passed += 30 * SECOND
        assert len(told(decision, Reason.PROBE_FAILED)) == (passed > PLAN.ask.proof_timeout)
    assert isinstance(decision.state.stage, Soaking)
    assert passed == PLAN.ask.proof_timeout + 30 * SECOND
    (note,) = told(decision, Reason.PROBE_FAILED)
    assert note.message.endswith("nothing waits for one any more: HTTP 500 (400x)")
    assert decision.state.probed.wrong == 0


def test_silence_does_not_forget_what_was_wrong() -> None:
    decision, saw = proven()
    for facts in ({"faults": WRONG}, {"silent": "no"}, {"faults": WRONG}, {"silent": "no"}):
        decision = answered(PLAN, decision, saw, 15 * SECOND, **facts)
    rolled = answered(PLAN, decision, saw, 15 * SECOND, faults=WRONG)
    assert isinstance(rolled.state.stage, RollingBack)


def test_answers_of_pods_that_are_not_proven_any_more_are_asked_for_anew() -> None:
    decision, _ = proven()
    lost = answered(PLAN, decision, seen(*pair(coverage=lagging())), 15 * SECOND, faults=WRONG)
    assert (asked(lost).number, lost.state.probed.wrong) == (4, 0)
    assert asked(lost).at == T + MINUTE + 15 * SECOND
    assert lost.state.probed.heard is None


def test_a_round_is_due_once_its_pods_are_proven() -> None:
    step = state(applying(), probed=Probed(round=a_round(at=T + SECOND)))
    begin = state(Pending(), probed=Probed(round=a_round(Occasion.START)))
    assert due(step, T, proven=True) is None
    assert due(step, T + SECOND, proven=True) == step.probed.round
    assert due(step, T + SECOND, proven=False) is None
    assert due(begin, T, proven=False) == begin.probed.round
    assert due(state(applying()), T, proven=True) is None


def test_where_a_breach_holds_a_person_is_asked_and_may_go_on() -> None:
    of = plan(probe=PROBE, on_failure=OnFailure.HOLD)
    decision = decide(of, state(applying(), probed=KNOWN), seen())
    for _ in range(3):
        decision = answered(of, decision, seen(), 15 * SECOND, faults=WRONG)
    assert isinstance(decision.state.stage, Applying)
    (gate,) = decision.state.gates
    assert (gate.name, gate.why, gate.about) == ("breach", WRONG[0].text, ("the probe",))
    again = decide(of, decision.state, seen(after=5 * MINUTE))
    assert again.state.probed.round is None
    assert not again.notes
    opened = plan(probe=PROBE, on_failure=OnFailure.HOLD, approve="breach", generation=2)
    soaks = decide(opened, again.state, seen(after=6 * MINUTE))
    assert stage_of(soaks).accepted == ("the probe",)


def test_while_the_app_is_asked_proven_pods_are_no_standstill() -> None:
    decision, _ = proven()
    soon = decide(PLAN, decision.state, seen(after=1.5 * MINUTE))
    assert isinstance(soon.state.stage, Applying)
    assert soon.state.stage.progress.grew == T + MINUTE
    early = decide(PLAN, decision.state, seen(after=2.5 * MINUTE))
    late = decide(PLAN, decision.state, seen(after=2.6 * MINUTE))
    assert isinstance(early.state.stage, Applying)
    assert isinstance(late.state.stage, Applying)
    assert early.state.stage.progress.grew == T + MINUTE
    assert late.state.stage.progress.grew == T + 2.6 * MINUTE
    assert late.state.stage.progress.began == T + 2.6 * MINUTE
    lost = decide(PLAN, late.state, seen(*pair(coverage=lagging()), after=17 * MINUTE))
    assert isinstance(lost.state.stage, Applying)


def test_what_ends_is_not_asked() -> None:
    first, saw = proven()
    aborted = decide(plan(probe=PROBE, abort=Leave.ROLLBACK), first.state, saw)
    assert isinstance(aborted.state.stage, RollingBack)
    assert aborted.state.probed.round is None
    assert aborted.state.probed.rounds == 3


def test_the_app_is_asked_shortly_before_a_finding_by_fewer_users() -> None:
    assert soak(HOUR - 31 * SECOND).state.probed == SOAKED
    decision = soak(HOUR - 30 * SECOND)
    one = asked(decision)
    assert (one.occasion, one.key, one.users) == (Occasion.FINDING, "finding/0/3600", 50)
    assert one.again == tuple(range(30))
    right = answered(PLAN, decision, seen(), 5 * SECOND)
    assert right.state.probed.round is None
    assert not right.notes
    once = soak(HOUR - 10 * SECOND, was=right.state)
    assert once.state.probed.round is None


@pytest.mark.parametrize(("users", "fewer"), [(20, 20), (60, 20), (1000, 250)])
def test_how_many_users_a_finding_asks(users: int, fewer: int) -> None:
    of = plan(probe=replace(PROBE, users=users))
    was = state(soaking(), probed=replace(SOAKED, mark=mark(of.ask)))
    decision = decide(of, was, seen(after=HOUR))
    assert asked(decision).users == fewer
    assert len(asked(decision).again) == min(30, fewer)


def test_of_missed_findings_the_latest_is_asked_for() -> None:
    assert asked(soak(7 * HOUR)).key == "finding/0/21600"


def test_wrong_answers_at_a_finding_ask_a_person_and_do_not_roll_back() -> None:
    decision = believed()
    assert isinstance(decision.state.stage, Soaking)
    (gate,) = decision.state.gates
    assert (gate.name, gate.about) == ("breach", ("the probe",))
    assert gate.why == f"the probe: {WRONG[0].text}"
    assert decision.because == Because(Reason.AWAITING_APPROVAL, gate.why)


def test_until_a_person_answers_nothing_is_asked_and_the_soak_does_not_end() -> None:
    decision = believed()
    later = watch(look(DAY), of=PLAN, was=decision.state, after=DAY + MINUTE)
    assert isinstance(later.state.stage, Soaking)
    assert later.state.probed.round is None
    assert later.because.reason is Reason.AWAITING_APPROVAL


def test_who_accepts_it_goes_on_and_later_findings_ask_again() -> None:
    decision = believed()
    opened = plan(probe=PROBE, approve="breach", generation=2)
    gone = decide(opened, decision.state, seen(after=2 * HOUR))
    assert stage_of(gone).accepted == ("the probe",)
    assert not gone.state.gates
    assert gone.because.reason is Reason.SOAKING
    next_one = decide(opened, gone.state, seen(after=6 * HOUR))
    assert asked(next_one).key == "finding/0/21600"


def test_harm_of_a_guardrail_is_answered_first() -> None:
    broken = judging(HOUR, judged(Verdict.BREACHED))
    decision = watch(broken, of=PLAN, was=believed().state)
    assert isinstance(decision.state.stage, RollingBack)


def test_a_finding_waits_a_minute_for_answers() -> None:
    decision = soak(HOUR)
    for _ in range(2):
        decision = answered(PLAN, decision, seen(), 10 * SECOND, silent="no", users=0)
        assert not told(decision, Reason.PROBE_FAILED)
    decision = answered(PLAN, decision, seen(), 10 * SECOND, silent="no", users=0)
    assert decision.state.probed.round is None
    assert told(decision, Reason.PROBE_FAILED)
    assert decision.because.reason is Reason.SOAKING


def test_a_soak_does_not_end_while_the_app_is_asked() -> None:
    was = state(soaking(), probed=replace(SOAKED, round=a_round(Occasion.FINDING, since=T + DAY)))
    facts = {"of": plan(probe=PROBE, findings=()), "after": DAY + MINUTE}
    held = watch(look(DAY), was=was, **facts)
    assert isinstance(held.state.stage, Soaking)
    assert held.because.message.endswith("; the probe is being asked")
    free = watch(look(DAY), was=replace(was, probed=SOAKED), **facts)
    assert isinstance(free.state.stage, Ended)
    assert free.state.stage.outcome is Outcome.COMPLETED


def test_what_nobody_asked_for_changes_nothing() -> None:
    was = state(soaking())
    assert take_in(plan(), was, seen(heard=heard(a_round())), proven=True) == (was, ())
    assert decide(plan(), State(), before()).state.probed == Probed()
    assert covered().is_proven


def test_a_finding_goes_on_without_the_probe_where_pods_are_not_proven_for_long() -> None:
    decision = soak(HOUR)
    lost = pair(coverage=lagging())
    held = decide(PLAN, decision.state, seen(*lost, after=HOUR + 59 * SECOND))
    assert held.state.probed.round is not None
    gone = decide(PLAN, held.state, seen(*lost, after=HOUR + 60 * SECOND))
    assert gone.state.probed.round is None
    (note,) = told(gone, Reason.PROBE_FAILED)
    assert note.message == "the probe was not asked at this finding: not every pod is proven"
    again = decide(PLAN, gone.state, seen(*lost, after=HOUR + 90 * SECOND))
    assert again.state.probed.round is None


def test_mixed_exposure_ends_with_the_proof_and_not_with_the_answers() -> None:
    first, saw = proven()
    right = answered(PLAN, first, saw, 20 * SECOND)
    assert right.state.mixed == MINUTE + PLAN.tempo.scrape


def test_without_a_probe_mixed_exposure_is_that_of_its_own_step() -> None:
    was = state(applying(), mixed=5 * SECOND)
    assert decide(plan(), was, seen()).state.mixed == MINUTE + PLAN.tempo.scrape
