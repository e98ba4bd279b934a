"""What people ask: approvals count once and for their question, aborts are latched."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from rampguard.core.ask import EnvValue, GateKind, Leave, OnFailure
from rampguard.core.conditions import phase_of, render
from rampguard.core.decide import decide
from rampguard.core.model import (
    Applying,
    Decision,
    DropFinalizer,
    Ended,
    Entry,
    EntryKind,
    Note,
    Observation,
    Outcome,
    Pending,
    Progress,
    RollingBack,
    Soaking,
    Stage,
    State,
)
from rampguard.core.plan import Plan
from rampguard.core.pods import Fleet, Pod, coverage
from rampguard.core.reasons import Reason
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    T,
    applying,
    before,
    covered,
    gate,
    lagging,
    over,
    pair,
    plan,
    restoring,
    seen,
    soaking,
    stamp,
    state,
    told,
)

START = frozenset({GateKind.START})
BOTH = ("api/api", "worker/worker")
LEFT = covered(0, 4, others=1, lagging=lagging().lagging, leftovers=lagging().lagging)


def approving(name: str, generation: int = 2, **asked: object) -> Plan:
    return plan(approve=name, generation=generation, **asked)


def messages(notes: tuple[Note, ...]) -> list[str]:
    return [one.message for one in notes]


# --- pauses


def paused(generation: int, **asked: object) -> Plan:
    return plan(paused=True, generation=generation, **asked)


def resumed(generation: int, **asked: object) -> Plan:
    return plan(generation=generation, **asked)


UNSIGNED = "paused: no start, step or completion until it is resumed"
SIGNED = "paused by mia: no start, step or completion until it is resumed"
PAUSES: dict[str, tuple[tuple[Plan, ...], list[str]]] = {
    "nobody pauses": ((resumed(1), resumed(2)), []),
    "a pause is told once": ((paused(2), paused(2), paused(3)), [UNSIGNED]),
    "by whom is told": ((paused(2, requested_by="mia"),), [SIGNED]),
    "its end is told": (
        (paused(2), resumed(3, requested_by="mia"), resumed(3)),
        [UNSIGNED, "resumed by mia"],
    ),
    "each of them is told": (
        (paused(2), resumed(3), paused(4), resumed(5)),
        [UNSIGNED, "resumed", UNSIGNED, "resumed"],
    ),
}


def lines_of_pauses(plans: tuple[Plan, ...], was: State) -> list[str]:
    """Return what passes by some plans write into the timeline of pauses."""
    for one in plans:
        was = decide(one, was, seen(*pair(50))).state
    return [line.text for line in was.timeline if line.text.startswith(("paused", "resumed"))]


@pytest.mark.parametrize(("plans", "lines"), PAUSES.values(), ids=PAUSES)
@pytest.mark.parametrize("stage", [soaking(), applying()], ids=["soaking", "applying"])
def test_a_pause_and_its_end_are_lines_of_the_timeline(
    plans: tuple[Plan, ...], lines: list[str], stage: Stage
) -> None:
    assert lines_of_pauses(plans, state(stage)) == lines


@pytest.mark.parametrize("stage", [restoring(), over()], ids=["rolling back", "ended"])
def test_a_pause_of_what_is_not_paused_is_not_told(stage: Stage) -> None:
    assert lines_of_pauses((paused(2), resumed(3)), state(stage)) == []


def test_a_pause_before_the_start_is_told() -> None:
    told_then = decide(paused(2), State(), before())
    assert (told_then.notes[0].reason, told_then.notes[0].warning) == (Reason.PAUSED, False)
    assert told_then.state.timeline[-1].text == UNSIGNED


# --- approvals


def test_an_approval_is_told_with_the_name_of_who_gave_it() -> None:
    asked = approving("start", gates=START, requested_by="mia")
    decision = decide(asked, State(gates=(gate("start"),)), before())
    assert messages(told(decision, Reason.APPROVED)) == ["gate start was opened by mia"]
    assert decision.state.approved == ("start",)


def test_an_approval_that_nobody_signed_is_told_without_a_name() -> None:
    decision = decide(approving("start", gates=START), State(gates=(gate("start"),)), before())
    assert messages(told(decision, Reason.APPROVED)) == ["gate start was opened"]


def test_an_approval_opens_the_gate_that_it_names_and_no_other() -> None:
    both = (gate("step-1"), gate("breach"))
    decision = decide(approving("breach"), state(soaking(), gates=both), seen())
    assert [g.name for g in decision.state.gates] == ["step-1"]


def test_an_approval_of_another_name_is_stale_and_names_what_is_open() -> None:
    both = (gate("step-1"), gate("breach"))
    decision = decide(approving("start"), state(soaking(), gates=both), seen())
    (note,) = told(decision, Reason.APPROVAL_STALE)
    assert note.message == "approve: start opens nothing, the open gate is step-1, breach"
    assert note.warning
    assert decision.state.gates == both


def test_an_approval_older_than_the_question_is_stale() -> None:
    for generation in (1, 2):  # of the spec that approves; the question came with the second
        was = state(soaking(), gates=(gate("breach", 2),))
        decision = decide(approving("breach", generation), was, seen())
        assert told(decision, Reason.APPROVAL_STALE)
        assert [g.name for g in decision.state.gates] == ["breach"]


def test_an_approval_that_counted_is_not_stale_while_another_question_is_open() -> None:
    was = state(soaking(), gates=(gate("step-1"),), approved=("breach",))
    assert not told(decide(approving("breach"), was, seen()), Reason.APPROVAL_STALE)


def test_an_approval_without_a_question_is_not_held_against_anybody() -> None:
    decision = decide(approving("breach"), state(soaking()), seen())
    assert not told(decision, Reason.APPROVAL_STALE)
    assert decision.state.approved == ()


def test_accepting_a_slow_proof_gives_it_its_time_again() -> None:
    asked = approving("breach", on_failure=OnFailure.HOLD)
    slow = pair(coverage=lagging(0))
    was = state(applying(), gates=(gate("breach"),))
    decision = decide(asked, was, seen(*slow, after=HOUR))
    stage = decision.state.stage
    assert isinstance(stage, Applying)
    assert stage.progress == Progress(began=T + HOUR, grew=T + HOUR)
    assert decision.state.gates == ()
    assert decision.because.reason is Reason.APPLYING


def test_a_proof_that_is_slow_again_asks_again_under_a_new_name() -> None:
    asked = approving("breach", on_failure=OnFailure.HOLD)
    was = state(applying(), approved=("breach",))
    decision = decide(asked, was, seen(*pair(coverage=lagging(0)), after=HOUR))
    assert [g.name for g in decision.state.gates] == ["breach-2"]


def test_a_question_has_a_name_however_often_it_was_asked() -> None:
    was = state(applying(), voided=("breach", *(f"breach-{n}" for n in range(2, 200))))
    saw = seen(*pair(coverage=lagging(0)), after=HOUR)
    decision = decide(plan(on_failure=OnFailure.HOLD), was, saw)
    assert [g.name for g in decision.state.gates] == ["breach-200"]


def test_accepting_what_only_an_earlier_stage_asked_changes_no_stage() -> None:
    was = state(restoring(), gates=(gate("breach"),))
    decision = decide(approving("breach"), was, seen(*pair(10, coverage=LEFT)))
    assert decision.state.stage == restoring(written=BOTH)


def test_accepting_a_breach_accepts_those_of_before_too() -> None:
    evidence = replace(soaking().evidence, breached=("share",))
    asked = gate("breach", about=("share",))
    was = state(soaking(evidence=evidence, accepted=("p95",)), gates=(asked,))
    stage = decide(approving("breach"), was, seen()).state.stage
    assert isinstance(stage, Soaking)
    assert stage.accepted == ("p95", "share")


def test_an_approval_accepts_what_was_asked_about_and_nothing_that_came_later() -> None:
    evidence = replace(soaking().evidence, breached=("p95", "share"))
    was = state(soaking(evidence=evidence), gates=(gate("breach", about=("share",)),))
    stage = decide(approving("breach"), was, seen()).state.stage
    assert isinstance(stage, Soaking)
    assert stage.accepted == ("share",)


def test_approving_a_step_accepts_no_breach() -> None:
    evidence = replace(soaking().evidence, breached=("share",))
    was = state(soaking(evidence=evidence), gates=(gate("step-1"),))
    stage = decide(approving("step-1"), was, seen()).state.stage
    assert isinstance(stage, Soaking)
    assert stage.accepted == ()


# --- aborts and deletions

# fmt: off
LEAVING: dict[str, tuple[Plan, Stage, str]] = {
    "an abort that keeps": (
        plan(abort=Leave.KEEP, requested_by="mia"), soaking(),
        "mia asked to abort; ROLLOUT stays at 50"),
    "an abort that nobody signed": (
        plan(abort=Leave.KEEP), soaking(), "abort was asked; ROLLOUT stays at 50"),
    "an abort in the middle of a step keeps that step": (
        plan(abort=Leave.KEEP, steps=(25,)), applying(),
        "abort was asked; ROLLOUT stays at 25"),
    "a deletion that keeps": (
        plan(deleting=True, on_delete=Leave.KEEP), soaking(),
        "the ramp was deleted; ROLLOUT stays at 50"),
}
# fmt: on


@pytest.mark.parametrize(("asked", "stage", "text"), LEAVING.values(), ids=LEAVING)
def test_a_share_that_is_kept_is_told(asked: Plan, stage: Stage, text: str) -> None:
    decision = decide(asked, state(stage), seen())
    ended = decision.state.stage
    assert isinstance(ended, Ended)
    assert (ended.outcome, ended.because.message) == (Outcome.ABORTED, text)
    assert f"stays at {ended.share}" in text


# fmt: off
ENDS: dict[str, tuple[Plan, State, Observation, bool]] = {
    "completed": (plan(), State(), before(workloads=pair(50)), False),
    "aborted": (plan(abort=Leave.KEEP), state(soaking()), seen(), True),
    "contested": (plan(), State(), seen(*pair(50, stamp=stamp())), True),
}
# fmt: on


@pytest.mark.parametrize(("asked", "was", "saw", "warns"), ENDS.values(), ids=ENDS)
def test_every_end_but_a_completion_warns(asked, was, saw, warns) -> None:
    (note,) = decide(asked, was, saw).notes
    assert note.warning is warns


def test_an_abort_rules_over_a_deletion_that_keeps() -> None:
    asked = plan(abort=Leave.ROLLBACK, deleting=True, on_delete=Leave.KEEP)
    assert isinstance(decide(asked, state(soaking()), seen()).state.stage, RollingBack)


def test_the_first_abort_stays() -> None:
    decision = decide(plan(abort=Leave.KEEP), state(soaking(), abort=Leave.ROLLBACK), seen())
    assert decision.state.abort is Leave.ROLLBACK
    assert isinstance(decision.state.stage, RollingBack)


def test_an_abort_is_latched_even_where_the_cluster_cannot_be_read() -> None:
    blind = Observation(now=T, unreadable="403")
    decision = decide(plan(abort=Leave.ROLLBACK), state(soaking()), blind)
    assert decision.state.abort is Leave.ROLLBACK
    assert isinstance(decision.state.stage, Soaking)


def test_an_abort_while_rolling_back_changes_nothing() -> None:
    saw = seen(*pair(10, coverage=LEFT))
    decision = decide(plan(abort=Leave.KEEP), state(restoring()), saw)
    assert decision.state.stage == restoring(written=BOTH)


# --- letting go at once

GONE = {"namespace": {"namespace_deleting": True}, "force": {}}


@pytest.mark.parametrize(
    ("was", "share"),
    [
        (State(), 10),
        (State(stage=Pending(since=T)), 10),
        (state(applying(), originals=()), 10),
        (state(applying()), 50),
        (state(soaking()), 50),
        (state(restoring()), 50),
    ],
    ids=["new", "waiting", "nothing written", "applying", "soaking", "rolling back"],
)
@pytest.mark.parametrize("how", GONE)
def test_a_ramp_that_must_go_goes_at_once(was: State, share: int, how: str) -> None:
    asked = plan(deleting=True, force_delete=how == "force")
    saw = seen(*pair(stamp=stamp(2)), finalizer=True, **GONE[how])
    decision = decide(asked, was, saw)
    stage = decision.state.stage
    assert isinstance(stage, Ended)
    assert (stage.outcome, stage.share) == (Outcome.ABORTED, share)
    assert decision.actions == (DropFinalizer(),)
    assert not decision.fenced
    assert not decision.hold_finalizer


def test_a_ramp_that_must_go_tells_why() -> None:
    namespace = decide(
        plan(deleting=True), state(soaking()), seen(namespace_deleting=True, finalizer=True)
    )
    force = decide(plan(deleting=True, force_delete=True), state(soaking()), seen())
    assert namespace.because.message == "the namespace is being deleted"
    assert force.because.message == (
        "deleted by force: nothing was restored; the stamps keep the originals"
    )
    assert force.actions == ()


def test_an_ended_ramp_that_must_go_keeps_its_end() -> None:
    was = state(over(), observed_generation=1)
    decision = decide(plan(deleting=True), was, seen(namespace_deleting=True, finalizer=True))
    assert decision.state == was
    assert decision.actions == (DropFinalizer(),)


def test_force_without_a_deletion_is_nothing() -> None:
    decision = decide(plan(force_delete=True), state(soaking()), seen(finalizer=True))
    assert isinstance(decision.state.stage, Soaking)


def test_a_namespace_that_goes_waits_for_no_cluster() -> None:
    blind = Observation(now=T, unreadable="403", namespace_deleting=True, finalizer=True)
    decision = decide(plan(deleting=True), state(soaking()), blind)
    assert decision.actions == (DropFinalizer(),)


# --- what every decision carries


@pytest.mark.parametrize(
    "stage", [applying(), soaking(), restoring()], ids=["apply", "soak", "back"]
)
def test_a_ramp_under_way_is_held_by_its_finalizer(stage: Stage) -> None:
    stuck = pair(10 if isinstance(stage, RollingBack) else 50, coverage=LEFT)
    assert decide(plan(), state(stage), seen(*stuck)).hold_finalizer
    assert not decide(plan(), state(stage), seen(*stuck, finalizer=True)).hold_finalizer


def test_a_ramp_that_ended_or_waits_is_not_held() -> None:
    assert not decide(plan(), state(over()), seen()).hold_finalizer
    assert not decide(plan(), State(), before(workloads=pair(20))).hold_finalizer


def test_a_pass_that_only_waits_is_not_fenced() -> None:
    decision = decide(plan(), state(applying()), seen(*pair(coverage=lagging())))
    assert not decision.fenced
    assert decision.state.seq == state(applying()).seq


def test_a_change_of_stage_is_fenced_though_nothing_is_written() -> None:
    decision = decide(plan(), state(applying()), seen())
    assert decision.fenced
    assert decision.state.seq == 2


def test_an_end_before_the_start_has_nothing_to_fence() -> None:
    assert not decide(plan(deleting=True), State(), before()).fenced


def test_every_decision_says_which_spec_it_read() -> None:
    asked = plan(generation=7)
    for was in (State(), state(applying()), state(soaking()), state(restoring()), state(over())):
        assert decide(asked, was, seen()).state.observed_generation == 7


def test_the_timeline_bears_the_instant_and_the_words_of_the_notes() -> None:
    decision = decide(plan(), state(applying()), seen())
    assert [line.text for line in decision.state.timeline] == messages(decision.notes)
    assert {line.at for line in decision.state.timeline} == {seen().now}


def test_the_newest_lines_stay() -> None:
    was = state(applying())
    full = replace(was, timeline=tuple(decide(plan(), was, seen()).state.timeline * 10))
    lines = decide(plan(), full, seen(after=DAY)).state.timeline
    assert len(lines) == 20
    assert lines[-1].at == T + DAY


STRANGE = Entry(cast("EntryKind", "Sealed"))
STRANGERS: dict[str, Callable[[], object]] = {
    "a stage that is none": lambda: decide(plan(), NO_STAGE, seen(after=MINUTE)),
    "its phase": lambda: phase_of(plan(), NO_STAGE),
    "its progress": lambda: render(plan(), seen(), KEPT),
    "an entry before the start": lambda: decide(plan(), State(), before(workloads=pair(STRANGE))),
    "an entry that came later": lambda: decide(plan(), state(soaking()), seen(*pair(STRANGE))),
    "an entry of a pod": lambda: coverage(
        Fleet(desired=1, pods=(Pod(name="a", current=True, runs=STRANGE, ready=True),)),
        EnvValue("50"),
        now=T,
    ),
}
NO_STAGE = State(stage=cast("Stage", "Failed"))
# A gate names its phase before its stage is asked.
KEPT = Decision(state=replace(NO_STAGE, gates=(gate("x"),)), because=over().because)


@pytest.mark.parametrize("strange", STRANGERS.values(), ids=STRANGERS)
def test_what_nobody_has_thought_of_is_a_bug_and_never_passes_for_something_else(strange) -> None:
    with pytest.raises(AssertionError):
        strange()


def test_whoever_may_have_to_do_something_is_named() -> None:
    asked = plan(gates=START, owner="@mia")
    (note,) = decide(asked, State(), before()).notes
    assert note.message.endswith(" (owner: @mia)")
    blocked = decide(plan(owner="@mia"), State(), before(workloads=pair(20)))
    assert blocked.notes[0].message.endswith(" (owner: @mia)")
    assert blocked.state.timeline[-1].text.endswith('wants "10"')
    started = decide(plan(owner="@mia"), State(), before())
    assert not any("@mia" in one.message for one in started.notes)
