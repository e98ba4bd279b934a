"""Soaking: what a look adds, and what interrupts the evidence."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rampguard.core.model import (
    Evidence,
    Look,
    Measured,
    Reading,
    RollingBack,
    Verdict,
    Workload,
)
from rampguard.core.reasons import Reason
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SHARE,
    SPEED,
    T,
    covered,
    gate,
    judged,
    judging,
    lagging,
    look,
    pair,
    plan,
    read,
    soaking,
    stage_of,
    state,
    told,
    watch,
    workload,
)

WITHIN, UNSURE, BREACHED = Verdict.WITHIN_TOLERANCE, Verdict.INCONCLUSIVE, Verdict.BREACHED


def test_what_a_look_counted_is_remembered() -> None:
    counted = Evidence(t0=T, counted_to=T + 45 * MINUTE, counts=((Reading(1, 2),) * 3,))
    evidence = stage_of(watch(look(HOUR, evidence=counted))).evidence
    assert (evidence.counts, evidence.counted_to) == (counted.counts, counted.counted_to)


def test_the_last_of_several_looks_counts() -> None:
    first, last = (
        Evidence(t0=T, counted_to=T + i * MINUTE, counts=((Reading(i, i),),)) for i in (15, 30)
    )
    evidence = stage_of(watch(look(HOUR, evidence=first), look(2 * HOUR, evidence=last))).evidence
    assert evidence.counts == ((Reading(30, 30),),)


@pytest.mark.parametrize(
    ("now", "kept"),
    [
        (look(2 * MINUTE), False),
        (look(2 * MINUTE, evidence=Evidence(t0=T, counted_to=T + 0 * HOUR)), False),
        (look(2 * MINUTE, UNSURE), True),
        (look(2 * MINUTE, evidence=Evidence(t0=T, counted_to=T + MINUTE)), True),
        (look(HOUR), True),
    ],
    ids=["nothing moved", "no bin closed", "a verdict moved", "a bin closed", "a finding was due"],
)
def test_judgements_are_written_down_when_something_moved(now: Look, kept: bool) -> None:  # noqa: FBT001
    before = (judged(WITHIN, value="old"), judged(WITHIN, "p95", value="old"))
    stage = stage_of(watch(now, was=state(soaking(judged=before))))
    assert (stage.judged == now.judgements) is kept
    assert (stage.judged == before) is not kept


def test_looks_in_a_soak_wait_for_the_next_look_and_no_longer() -> None:
    assert watch(look(HOUR), after=HOUR + 15 * SECOND).look_again_in == 30 * SECOND
    assert watch(look(HOUR), after=HOUR + 25 * SECOND).look_again_in == 20 * SECOND


def test_a_changed_limit_keeps_a_lost_proof_and_blindness() -> None:
    """Somebody widens a limit while pods are lost: their time stays out of the evidence."""
    was = Evidence(
        t0=T,
        counted_to=T + HOUR,
        counts=((Reading(1, 1),),),
        breached=("share",),
        unproven_since=T + HOUR,
        blind_since=T + HOUR,
        blind_total=MINUTE,
    )
    wider = plan(guardrails=(replace(SHARE, tolerance=9.0), SPEED))
    decision = watch(
        of=wider,
        was=state(soaking(evidence=was)),
        after=2 * HOUR,
        both=pair(coverage=lagging()),
    )
    assert stage_of(decision).evidence == replace(was, breached=())


def test_a_changed_limit_withdraws_the_question_about_the_old_one() -> None:
    wider = plan(guardrails=(replace(SHARE, tolerance=9.0), SPEED), generation=2)
    was = state(
        soaking(evidence=replace(soaking().evidence, breached=("share",))),
        gates=(gate("breach-2", about=("share",)), gate("step-1")),
    )
    decision = watch(of=wider, was=was)
    assert [one.name for one in decision.state.gates] == ["step-1"]


WIDER = plan(guardrails=(replace(SHARE, tolerance=9.0), SPEED))
P95 = judged(BREACHED, "p95", value="0.9", limit="0.8 or less", attributable=False)
OLD = judged(BREACHED, attributable=False)


@pytest.mark.parametrize("looks", [(), (judging(HOUR, judged(UNSURE), P95),)], ids=["none", "one"])
def test_a_changed_limit_asks_anew_about_the_harm_of_the_others(looks) -> None:
    first = watch(judging(HOUR - MINUTE, OLD, P95))
    assert [(g.name, g.about) for g in first.state.gates] == [("breach", ("p95", "share"))]
    decision = watch(*looks, of=WIDER, was=first.state, after=HOUR)
    assert [(g.name, g.about) for g in decision.state.gates] == [("breach-2", ("p95",))]
    assert "share" not in decision.state.gates[0].why
    assert decision.because.reason is Reason.AWAITING_APPROVAL
    assert stage_of(decision).evidence.breached == ("p95",)
    assert [j.name for j in stage_of(decision).judged] == ["p95"]


def test_a_changed_limit_leaves_a_question_about_another_open() -> None:
    first = watch(judging(HOUR - MINUTE, judged(), P95))
    decision = watch(of=WIDER, was=first.state, after=HOUR)
    assert decision.state.gates == first.state.gates


# fmt: off
ANEW: dict[str, tuple[timedelta, timedelta]] = {
    "on the grid": (HOUR - 15 * SECOND, HOUR),
    "just beyond it": (HOUR - 14 * SECOND, HOUR + 30 * SECOND),
    "at the next": (HOUR + 15 * SECOND, HOUR + 30 * SECOND),
    "a clock that went back": (-HOUR, 0 * HOUR),
}
# fmt: on


@pytest.mark.parametrize(("now", "begins"), ANEW.values(), ids=ANEW)
def test_changed_evidence_begins_on_the_grid_of_looks(now: timedelta, begins: timedelta) -> None:
    stage = stage_of(watch(of=WIDER, was=state(soaking(anew=(("p95", T),))), after=now))
    assert stage.anew == (("p95", T), ("share", T + begins))


def test_a_second_change_moves_the_instant_from_which_evidence_counts() -> None:
    first = watch(of=WIDER, after=HOUR)
    tight = plan(guardrails=(replace(SHARE, tolerance=4.0), SPEED))
    assert stage_of(watch(of=tight, was=first.state, after=2 * HOUR)).anew == (
        ("share", T + 2 * HOUR + 30 * SECOND),
    )


def test_a_change_is_told_for_each_guardrail_with_what_it_costs() -> None:
    both = plan(guardrails=(replace(SHARE, dry_run=True), replace(SPEED, maximum=0.9)))
    notes = told(watch(of=both), Reason.GUARDRAIL_CHANGED)
    assert [one.message for one in notes] == [
        f"guardrail {name} was changed: its evidence restarts at zero,"
        " and its share of alpha is spent once more"
        for name in ("share", "p95")
    ]
    assert len({one.key for one in notes}) == 2


def test_looks_at_rules_that_changed_meanwhile_wait_for_the_next_pass() -> None:
    decision = watch(look(HOUR, BREACHED, BREACHED), of=WIDER)
    assert decision.because.reason is Reason.SOAKING
    assert stage_of(decision).evidence == soaking().evidence
    assert decision.state.findings == ()


@pytest.mark.parametrize(
    ("rule", "anew"),
    [
        (replace(SHARE, tolerance=9.0), True),
        (replace(SHARE, tolerance=4.0), True),
        (replace(SHARE, dry_run=True), True),
        (SHARE, False),
    ],
)
def test_only_a_change_of_the_rules_begins_the_evidence_anew(rule, anew) -> None:
    decision = watch(look(HOUR), of=plan(guardrails=(rule, SPEED)))
    assert [one.warning for one in told(decision, Reason.GUARDRAIL_CHANGED)] == [True] * anew
    assert [name for name, _ in stage_of(decision).anew] == (["share"] if anew else [])
    assert (stage_of(decision).since, stage_of(decision).evidence.t0) == (T, T)


@pytest.mark.parametrize("tolerance", [4.0, 9.0])
def test_a_look_that_judged_by_other_rules_does_nothing(tolerance: float) -> None:
    harm = replace(look(HOUR), judgements=(judged(Verdict.BREACHED), judged(name="p95")))
    decision = watch(harm, of=plan(guardrails=(replace(SHARE, tolerance=tolerance), SPEED)))
    assert stage_of(decision).evidence.breached == ()
    assert not told(decision, Reason.GUARDRAIL_BREACHED)


def test_the_rules_are_remembered_with_the_evidence_that_is_for_them() -> None:
    wider = plan(guardrails=(replace(SHARE, tolerance=9.0), SPEED))
    first = watch(of=wider)
    assert not told(watch(of=wider, was=first.state), Reason.GUARDRAIL_CHANGED)


@pytest.mark.parametrize(
    "worker",
    [workload("worker", 33), workload("worker", 10), None],
    ids=["to another value", "back to its original", "with its Deployment"],
)
def test_a_value_that_somebody_took_in_a_soak_ends_contested(worker: Workload | None) -> None:
    decision = watch(both=(workload(value=50), worker))
    stage = decision.state.stage
    assert isinstance(stage, RollingBack)
    assert stage.ends_contested


def test_of_two_that_broke_the_first_is_what_the_rollback_is_for() -> None:
    harm = judging(HOUR, judged(Verdict.BREACHED), judged(Verdict.BREACHED, "p95", value="2"))
    decision = watch(harm)
    assert decision.state.rollback is not None
    assert decision.state.rollback.because.message.startswith("share")
    assert [one.late for one in decision.state.findings] == [False]


def test_the_latest_look_says_whether_the_last_was_answered() -> None:
    def missed(after: timedelta) -> Look:
        blind = judging(after, judged(Verdict.NO_DATA), judged(name="p95"))
        return replace(blind, measured=Measured(unanswered=True))

    decision = watch(missed(HOUR), look(HOUR + MINUTE))
    assert stage_of(decision).evidence.missed_since is None
    again = watch(look(HOUR), missed(HOUR + MINUTE))
    assert stage_of(again).evidence.missed_since == T + HOUR + MINUTE


def test_a_template_that_changed_names_its_revision() -> None:
    both = (
        workload(template="t2", revision="8", coverage=lagging()),
        workload("worker", template=read("t1")),
    )
    (note,) = told(watch(both=both), Reason.TEMPLATE_CHANGED)
    assert note.message == (
        "somebody changed the pod template of api (revision 8); the proof begins anew"
    )
    assert note.warning


@pytest.mark.parametrize("template", ["t0", "t2"])
def test_a_rollout_that_was_over_between_two_passes_loses_nothing(template: str) -> None:
    decision = watch(look(HOUR), both=pair(template=template))
    (note,) = told(decision, Reason.TEMPLATE_CHANGED)
    assert "of api (revision unknown), worker (revision unknown);" in note.message
    assert stage_of(decision).evidence.unproven_since is None


def test_pods_that_cannot_be_read_say_nothing_of_the_template() -> None:
    both = pair(template="t2", coverage=covered(unreadable="403"))
    decision = watch(both=both)
    assert not told(decision, Reason.TEMPLATE_CHANGED)
    assert stage_of(decision).templates == ("t1", "t1")


def test_a_second_change_while_the_first_is_proven_keeps_the_older_instant() -> None:
    lost = replace(soaking().evidence, unproven_since=T + MINUTE)
    both = pair(template="t3", coverage=lagging())
    decision = watch(both=both, was=state(soaking(evidence=lost)), after=HOUR)
    assert stage_of(decision).evidence.unproven_since == T + MINUTE


# fmt: off
LOST: dict[str, tuple[object, bool]] = {
    "all on the value": (covered(), False),
    "a Ready pod on another value": (covered(4, 4, off_value_ready=("x",)), True),
    "no pod left": (covered(0, 0), True),
    "no pod Ready, some wanted": (covered(0, 4), True),
    "no pod left where that is allowed": (covered(0, 0, min_pods=0), False),
    "a node is lost, the rest is on the value": (covered(3, 4, others=1), False),
    "scaled up and not Ready yet": (covered(4, 9), False),
    "unknown": (covered(0, 0, unreadable="403"), False),
}
# fmt: on


@pytest.mark.parametrize(("pods", "lost"), LOST.values(), ids=LOST)
def test_a_proof_stays_while_no_ready_pod_is_off_the_value(pods, lost) -> None:
    decision = watch(both=pair(coverage=pods))
    assert (stage_of(decision).evidence.unproven_since is not None) is lost
    assert [one.warning for one in told(decision, Reason.PODS_LOST)] == [True] * lost


def test_a_lost_proof_comes_back_only_by_a_whole_proof() -> None:
    lost = state(soaking(evidence=replace(soaking().evidence, unproven_since=T)))
    half = watch(was=lost, both=pair(coverage=covered(3, 4)), after=HOUR)
    assert stage_of(half).evidence.unproven_since == T
    assert half.because.reason is Reason.PODS_LOST
    whole = watch(was=lost, after=HOUR)
    (note,) = told(whole, Reason.PODS_PROVEN)
    assert note.message.startswith("proven again: 8 of 8 pods run 50")


@pytest.mark.parametrize(("now", "counted"), [(45, 60), (46, 90), (75, 90)])
def test_what_is_proven_again_counts_from_the_grid_of_looks(now: int, counted: int) -> None:
    lost = state(soaking(evidence=replace(soaking().evidence, unproven_since=T)))
    evidence = stage_of(watch(was=lost, after=now * SECOND)).evidence
    assert evidence.counted_to == T + counted * SECOND


def test_a_lost_proof_never_rolls_back_however_long_it_lasts() -> None:
    lost = state(soaking(evidence=replace(soaking().evidence, unproven_since=T)))
    decision = watch(was=lost, both=pair(coverage=covered(0, 4)), after=90 * DAY)
    assert stage_of(decision)
    assert decision.because.reason is Reason.PODS_LOST
