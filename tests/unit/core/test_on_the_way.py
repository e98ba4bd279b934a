"""Between the start and the end: what is told, when, and what is remembered of it."""

from dataclasses import replace
from datetime import timedelta

from rampguard.core.ask import GateKind, OnFailure
from rampguard.core.decide import decide
from rampguard.core.model import (
    DropFinalizer,
    DropStamp,
    Ended,
    RollingBack,
    Soaking,
    State,
    Verdict,
    Write,
)
from rampguard.core.reasons import Reason
from scenes import (
    ABSENT,
    DAY,
    HOUR,
    MINUTE,
    applying,
    before,
    covered,
    gate,
    lagging,
    literal,
    look,
    over,
    pair,
    plan,
    restoring,
    seen,
    soaking,
    stamp,
    state,
    workload,
)

BREACHED, NO_DATA = Verdict.BREACHED, Verdict.NO_DATA
END = DAY + MINUTE  # a little after the end of the soak


NEW = State()


def test_evidence_begins_one_scrape_after_the_proof() -> None:
    stage = decide(plan(), state(applying()), seen()).state.stage
    assert isinstance(stage, Soaking)
    assert stage.evidence.t0 == seen().now + timedelta(seconds=15) == stage.since


def test_mixed_exposure_is_measured_from_the_first_write_to_the_first_evidence() -> None:
    assert decide(plan(), state(applying()), seen()).state.mixed == timedelta(seconds=75)


def test_a_due_finding_is_recorded_once() -> None:
    first = decide(plan(), state(soaking()), seen(looks=(look(HOUR),), after=HOUR))
    again = decide(plan(), first.state, seen(looks=(look(2 * HOUR),), after=2 * HOUR))
    assert [f.after for f in again.state.findings] == [HOUR]
    assert again.state.findings[0].verdict is Verdict.WITHIN_TOLERANCE
    assert not again.state.findings[0].late


def test_a_finding_after_an_outage_is_marked_late() -> None:
    found = decide(plan(), state(soaking()), seen(looks=(look(HOUR),), after=3 * HOUR))
    assert found.state.findings[0].late


def test_a_due_finding_without_data_waits_for_max_blind() -> None:
    blind = seen(looks=(look(HOUR, NO_DATA),), after=HOUR + MINUTE)
    assert decide(plan(), state(soaking()), blind).state.findings == ()
    later = seen(looks=(look(HOUR, NO_DATA),), after=HOUR + 11 * MINUTE)
    (found,) = decide(plan(), state(soaking()), later).state.findings
    assert found.verdict is Verdict.NO_DATA


def test_a_breach_is_a_finding() -> None:
    decision = decide(plan(), state(soaking()), seen(looks=(look(2 * MINUTE, BREACHED),)))
    (found,) = decision.state.findings
    assert (found.after, found.verdict) == (2 * MINUTE, BREACHED)


def test_a_dry_run_never_rolls_back() -> None:
    quiet = tuple(replace(g, dry_run=g.name == "p95") for g in plan().ask.guardrails)
    asked = plan(guardrails=quiet)
    was = state(soaking(rules=decide(asked, state(applying()), seen()).state.stage.rules))
    decision = decide(asked, was, seen(looks=(look(HOUR, speed=BREACHED),), after=HOUR))
    assert isinstance(decision.state.stage, Soaking)


def test_harm_that_the_ramp_may_not_have_caused_asks_a_person() -> None:
    one = look(HOUR)
    harm = replace(one.judgements[1], verdict=BREACHED, attributable=False)
    saw = seen(looks=(replace(one, judgements=(one.judgements[0], harm)),), after=HOUR)
    decision = decide(plan(), state(soaking()), saw)
    assert [g.name for g in decision.state.gates] == ["breach"]
    assert isinstance(decision.state.stage, Soaking)


def test_a_breach_that_a_person_accepted_no_longer_counts() -> None:
    asked = plan(on_failure=OnFailure.HOLD, approve="breach", generation=2)
    evidence = replace(soaking().evidence, breached=("share",))
    was = state(soaking(evidence=evidence), gates=(gate("breach", about=("share",)),))
    decision = decide(asked, was, seen(looks=(look(HOUR, BREACHED),), after=HOUR))
    assert decision.state.gates == ()
    assert decision.because.reason is Reason.SOAKING


def test_a_second_breach_has_a_gate_of_its_own() -> None:
    asked = plan(on_failure=OnFailure.HOLD, approve="breach", generation=3)
    evidence = replace(soaking().evidence, breached=("share",))
    was = state(soaking(evidence=evidence, accepted=("share",)), approved=("breach",))
    saw = seen(looks=(look(HOUR, BREACHED, BREACHED),), after=HOUR)
    decision = decide(asked, was, saw)
    assert [g.name for g in decision.state.gates] == ["breach-2"]
    later = decide(replace(asked, ask=replace(asked.ask, generation=9)), decision.state, saw)
    assert [g.name for g in later.state.gates] == ["breach-2"]


def test_a_stale_approval_is_told_once() -> None:
    asked = plan(gates=frozenset({GateKind.START}), approve="step-1", generation=2)
    first = decide(asked, State(gates=(gate("start"),)), before())
    again = decide(asked, first.state, before())
    reasons = [[n.reason for n in d.notes] for d in (first, again)]
    assert reasons == [[Reason.APPROVAL_STALE], []]


def test_a_lost_proof_leaves_its_time_out_of_the_evidence() -> None:
    off = covered(3, 4, off_value_ready=("api-x",))
    lost = decide(plan(), state(soaking()), seen(*pair(coverage=off)))
    stage = lost.state.stage
    assert isinstance(stage, Soaking)
    assert stage.evidence.unproven_since == seen().now
    back = decide(plan(), lost.state, seen(after=HOUR)).state.stage
    assert isinstance(back, Soaking)
    assert back.evidence.unproven_since is None
    assert back.evidence.counted_to == seen(after=HOUR).now + timedelta(seconds=30)


def test_a_template_that_somebody_changed_is_told_and_proven_anew() -> None:
    rolling = pair(template="t2", coverage=lagging())
    decision = decide(plan(), state(soaking()), seen(*rolling))
    stage = decision.state.stage
    assert Reason.TEMPLATE_CHANGED in [n.reason for n in decision.notes]
    assert isinstance(stage, Soaking)
    assert stage.evidence.unproven_since is not None
    assert stage.templates == ("t2", "t2")


def test_a_changed_limit_begins_the_evidence_anew() -> None:
    wider = tuple(replace(g, tolerance=9.0) for g in plan().ask.guardrails)
    saw = seen(looks=(look(HOUR, BREACHED),), after=HOUR)
    decision = decide(plan(guardrails=wider), state(soaking()), saw)
    stage = decision.state.stage
    assert isinstance(stage, Soaking)
    anew = saw.now + timedelta(seconds=30)
    assert stage.anew == (("p95", anew), ("share", anew))
    assert Reason.GUARDRAIL_CHANGED in [n.reason for n in decision.notes]


def test_blindness_is_told_when_it_begins_and_summed_when_it_ends() -> None:
    blind = decide(plan(), state(soaking()), seen(looks=(look(HOUR, NO_DATA),), after=HOUR))
    assert Reason.GUARDRAIL_NO_DATA in [n.reason for n in blind.notes]
    again = decide(plan(), blind.state, seen(looks=(look(2 * HOUR),), after=2 * HOUR))
    stage = again.state.stage
    assert isinstance(stage, Soaking)
    assert stage.evidence.blind_total == HOUR
    assert stage.evidence.blind_since is None


def test_staying_blind_is_told_again_and_again_but_not_at_each_look() -> None:
    since = replace(soaking().evidence, blind_since=soaking().since)
    told: list[Reason] = []
    was = state(soaking(evidence=since))
    for minutes in (119, 121, 122, 239, 241):
        after = minutes * MINUTE
        decision = decide(plan(), was, seen(looks=(look(after, NO_DATA),), after=after))
        told += [n.reason for n in decision.notes if n.reason is Reason.BLIND]
        was = decision.state
    assert len(told) == 2


def test_the_blind_time_of_a_soak_is_kept() -> None:
    evidence = replace(soaking().evidence, blind_total=HOUR)
    saw = seen(looks=(look(DAY),), after=END)
    assert decide(plan(), state(soaking(evidence=evidence)), saw).state.blind_total == HOUR


def test_a_slow_proof_is_told_once() -> None:
    saw = seen(*pair(coverage=lagging(0)), after=8 * MINUTE)
    first = decide(plan(), state(applying()), saw)
    again = decide(plan(), first.state, saw)
    assert [[n.reason for n in d.notes] for d in (first, again)] == [[Reason.PROOF_SLOW], []]


def test_an_overdue_rollback_is_told_again_after_each_patience() -> None:
    stuck = pair(10, coverage=covered(0, leftovers=lagging().lagging))
    was, told = state(restoring()), 0
    for minutes in (14, 16, 17, 31, 32):
        decision = decide(plan(), was, seen(*stuck, after=minutes * MINUTE))
        told += sum(n.reason is Reason.ROLLBACK_OVERDUE for n in decision.notes)
        was = decision.state
    assert told == 2


def test_an_end_lets_go_of_stamps_then_of_the_ramp() -> None:
    decision = decide(plan(), state(over()), seen(*pair(stamp=stamp(seq=2)), finalizer=True))
    assert decision.actions == (
        DropStamp("api", "api"),
        DropStamp("worker", "worker"),
        DropFinalizer(),
    )


def test_an_end_leaves_the_stamp_of_another_ramp() -> None:
    other = stamp(uid="other", name="r")
    decision = decide(plan(), state(over()), seen(*pair(stamp=other), finalizer=True))
    assert decision.actions == (DropFinalizer(),)


def test_a_forced_deletion_leaves_the_stamps() -> None:
    asked = plan(deleting=True, force_delete=True)
    decision = decide(asked, state(soaking()), seen(*pair(stamp=stamp(2)), finalizer=True))
    assert decision.actions == (DropFinalizer(),)
    assert not decision.fenced


def test_an_absent_variable_is_restored_to_its_absence() -> None:
    originals = tuple(replace(o, value=None) for o in state(restoring()).originals)
    decision = decide(plan(), state(restoring(), originals=originals), seen())
    assert [w.value for w in decision.actions if isinstance(w, Write)] == [None, None]
    gone = decide(plan(), state(restoring(), originals=originals), seen(*pair(ABSENT)))
    assert isinstance(gone.state.stage, Ended)


def test_a_write_of_ours_that_was_reverted_is_known_by_its_cause() -> None:
    written = decide(plan(), NEW, before())
    cause = next(a.cause for a in written.actions if isinstance(a, Write))
    saw = seen(workload(value=50), workload("worker", 10, cause=cause))
    decision = decide(plan(), written.state, saw)
    assert isinstance(decision.state.stage, RollingBack)
    assert decision.state.stage.ends_contested


def test_a_literal_of_another_writing_is_another_value() -> None:
    saw = before(workloads=pair(literal("010")))
    assert decide(plan(), NEW, saw).because.reason is Reason.FROM_MISMATCH


def test_rolling_back_keeps_the_last_judgements() -> None:
    decision = decide(plan(), state(soaking()), seen(looks=(look(HOUR, BREACHED),), after=HOUR))
    stage = decision.state.stage
    assert isinstance(stage, RollingBack)
    assert [j.verdict for j in stage.judged] == [BREACHED, Verdict.WITHIN_TOLERANCE]


def test_the_timeline_keeps_the_last_twenty_lines() -> None:
    was = State()
    for i in range(30):
        saw = before(workloads=pair(20)) if i % 2 else before(signals=("no series",))
        was = decide(plan(), was, saw).state
    assert len(was.timeline) == 20
