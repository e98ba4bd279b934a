"""The arrow table: what is remembered and seen, and where it leads."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import get_args

import pytest

from rampguard.core.ask import EnvValue, GateKind, Leave, NoDataPolicy, OnFailure, Target
from rampguard.core.decide import decide
from rampguard.core.model import (
    Applying,
    DropFinalizer,
    DropStamp,
    Ended,
    Observation,
    Outcome,
    Pending,
    RollingBack,
    Soaking,
    Stage,
    State,
    Verdict,
    Workload,
    Write,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from scenes import (
    ABSENT,
    DAY,
    HOUR,
    MINUTE,
    ORIGINALS,
    T,
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
    unanswered,
    workload,
)

BREACHED, NO_DATA, UNSURE = Verdict.BREACHED, Verdict.NO_DATA, Verdict.INCONCLUSIVE
END = DAY + MINUTE  # a little after the end of the soak


@dataclass(frozen=True, slots=True)
class To:
    """Where an arrow leads: the stage, why, the values written (None: none are)."""

    stage: type[Stage]
    reason: Reason
    writes: tuple[tuple[str, str | None], ...] = ()
    outcome: Outcome | None = None


NEW = State()
Arrow = tuple[Plan, State, Observation, To]
UP = (("api", "50"), ("worker", "50"))
DOWN = (("worker", "10"), ("api", "10"))
MISSED = replace(soaking().evidence, missed_since=T + DAY - MINUTE)

# fmt: off
ARROWS: dict[str, Arrow] = {
    # --- before the start
    "a ramp whose world is in order starts": (
        plan(), NEW, before(), To(Applying, Reason.APPLYING, UP)),
    "another value than from blocks": (
        plan(), NEW, before(workloads=pair(20)), To(Pending, Reason.FROM_MISMATCH)),
    "a target that does not exist blocks": (
        plan(), NEW, before(workloads=(workload(value=10), None)),
        To(Pending, Reason.TARGET_NOT_FOUND)),
    "a missing signal blocks": (
        plan(), NEW, before(signals=("no series",)), To(Pending, Reason.SIGNALS_MISSING)),
    "signals that were not asked do not start it": (
        plan(), NEW, before(signals=None), To(Pending, Reason.PENDING)),
    "a pause waits before the start": (
        plan(paused=True), NEW, before(), To(Pending, Reason.PAUSED)),
    "a gate asks before the start": (
        plan(gates=frozenset({GateKind.START})), NEW, before(),
        To(Pending, Reason.AWAITING_APPROVAL)),
    "an approval from before the question does not start it": (
        plan(gates=frozenset({GateKind.START}), approve="start"), NEW, before(),
        To(Pending, Reason.AWAITING_APPROVAL)),
    "an approval in the same generation does not start it": (
        plan(gates=frozenset({GateKind.START}), approve="start", generation=1),
        State(gates=(gate("start"),)), before(), To(Pending, Reason.AWAITING_APPROVAL)),
    "an approval of something else does not start it": (
        plan(gates=frozenset({GateKind.START})), State(approved=("breach",)), before(),
        To(Pending, Reason.AWAITING_APPROVAL)),
    "an approval starts it": (
        plan(gates=frozenset({GateKind.START}), approve="start", generation=2),
        State(gates=(gate("start"),)), before(), To(Applying, Reason.APPLYING, UP)),
    "an abort before the start ends it without a write": (
        plan(abort=Leave.ROLLBACK), NEW, before(),
        To(Ended, Reason.ABORT_ASKED, outcome=Outcome.ABORTED)),
    "a deletion before the start ends it without a write": (
        plan(deleting=True), NEW, before(), To(Ended, Reason.DELETED, outcome=Outcome.ABORTED)),
    "a goal that stands already completes it unwatched": (
        plan(), NEW, before(workloads=pair(50)),
        To(Ended, Reason.ALREADY_AT_GOAL, outcome=Outcome.COMPLETED)),
    "a goal that another ramp is still watching does not": (
        plan(), NEW,
        before(workloads=pair(50, stamp=stamp(uid="other", name="r"), stamp_live=True)),
        To(Pending, Reason.ANOTHER_RAMP_ACTIVE)),
    "another ramp's stamp blocks": (
        plan(), NEW,
        before(workloads=pair(10, stamp=stamp(uid="other", name="r"), stamp_live=True)),
        To(Pending, Reason.ANOTHER_RAMP_ACTIVE)),
    "a stamp of a ramp that is gone blocks": (
        plan(), NEW, before(workloads=pair(10, stamp=stamp(uid="other", name="r"))),
        To(Pending, Reason.ANOTHER_RAMP_ACTIVE)),
    "a stamp from a start that died at once is no memory lost": (
        plan(), NEW, before(workloads=pair(10, stamp=stamp(seq=1))),
        To(Applying, Reason.APPLYING, UP)),
    "a stamp with a changed value and no memory is contested": (
        plan(), NEW, before(workloads=pair(50, stamp=stamp(seq=1))),
        To(Ended, Reason.STATUS_LOST, outcome=Outcome.CONTESTED)),
    "a stamp that was renewed and no memory is contested": (
        plan(), NEW, before(workloads=pair(10, stamp=stamp(seq=2))),
        To(Ended, Reason.STATUS_LOST, outcome=Outcome.CONTESTED)),
    "a stamp of an earlier object of the same name is contested too": (
        plan(), NEW, before(workloads=pair(50, stamp=stamp(uid="earlier"))),
        To(Ended, Reason.STATUS_LOST, outcome=Outcome.CONTESTED)),
    "a cluster that cannot be read holds": (
        plan(), NEW, Observation(now=before().now, unreadable="403"),
        To(Pending, Reason.CLUSTER_UNREADABLE)),
    "an absent variable starts only where that is said": (
        plan(), NEW, before(workloads=pair(ABSENT)), To(Pending, Reason.VALUE_NOT_DECLARED)),
    "an absent variable starts where that is said": (
        plan(from_absent=True, origin=0), NEW, before(workloads=pair(ABSENT)),
        To(Applying, Reason.APPLYING, UP)),
    # --- applying
    "a write that is missing is made": (
        plan(), state(applying(written=())), seen(workload(value=50), workload("worker", 10)),
        To(Applying, Reason.APPLYING, (("worker", "50"),))),
    "a change-cause of somebody's is no write of ours": (
        plan(), state(applying(written=())),
        seen(workload(value=50), workload("worker", 10, cause="released by hand")),
        To(Applying, Reason.APPLYING, (("worker", "50"),))),
    "pods that lag are waited for": (
        plan(), state(applying()), seen(*pair(coverage=lagging())),
        To(Applying, Reason.APPLYING)),
    "every pod proven begins the soak": (
        plan(), state(applying()), seen(), To(Soaking, Reason.SOAKING)),
    "one target of two is no proof": (
        plan(), state(applying()), seen(workload(), workload("worker", coverage=lagging())),
        To(Applying, Reason.APPLYING)),
    "a ramp of one target is proven by that one": (
        plan(targets=(Target("api"),)), state(applying(), originals=ORIGINALS[:1]),
        seen(workload()), To(Soaking, Reason.SOAKING)),
    "no targets are no proof": (
        plan(), state(applying(), originals=()), replace(seen(), workloads=()),
        To(Applying, Reason.APPLYING)),
    "no pods are no proof": (
        plan(), state(applying()), seen(*pair(coverage=covered(0, 0))),
        To(Applying, Reason.APPLYING)),
    "no pods are a proof where that is said": (
        plan(), state(applying()), seen(*pair(coverage=covered(0, 0, min_pods=0))),
        To(Soaking, Reason.SOAKING)),
    "pods that cannot be read prove nothing": (
        plan(), state(applying()), seen(*pair(coverage=covered(unreadable="403"))),
        To(Applying, Reason.APPLYING)),
    "pods that cannot be read never time out": (
        plan(), state(applying()), seen(*pair(coverage=covered(unreadable="403")), after=DAY),
        To(Applying, Reason.APPLYING)),
    "pods that were not asked never time out": (
        plan(), state(applying()), seen(workload(), workload("worker", coverage=None), after=DAY),
        To(Applying, Reason.APPLYING)),
    "a template that the controller has not seen proves nothing": (
        plan(), state(applying()), seen(*pair(coverage=covered(settled=False))),
        To(Applying, Reason.APPLYING)),
    "no progress for the timeout rolls back": (
        plan(), state(applying()), seen(*pair(coverage=lagging(0)), after=16 * MINUTE),
        To(RollingBack, Reason.ROLLING_BACK, DOWN)),
    "no progress within progressDeadlineSeconds waits": (
        plan(), state(applying()),
        seen(*pair(coverage=lagging(0), progress_deadline=20 * MINUTE), after=16 * MINUTE),
        To(Applying, Reason.APPLYING)),
    "a slow fleet that makes progress is waited for": (
        plan(),
        state(applying(progress=replace(applying().progress, proven=7, grew=applying().since))),
        seen(*pair(coverage=lagging(4)), after=16 * MINUTE), To(Applying, Reason.APPLYING)),
    "ten timeouts end even a proof that makes progress": (
        plan(), state(applying(progress=replace(applying().progress, proven=6))),
        seen(*pair(coverage=lagging(4)), after=151 * MINUTE),
        To(RollingBack, Reason.ROLLING_BACK, DOWN)),
    "no progress asks a person where that is wished": (
        plan(on_failure=OnFailure.HOLD), state(applying()),
        seen(*pair(coverage=lagging(0)), after=16 * MINUTE),
        To(Applying, Reason.PROOF_TIMEOUT)),
    "a refused write restores the targets before it": (
        plan(), state(applying()),
        seen(workload(value=50), workload("worker", 10), refusals=("worker: 403",)),
        To(RollingBack, Reason.ROLLING_BACK, (("api", "10"),))),
    "a value of somebody else is contested": (
        plan(), state(applying()), seen(workload(value=50), workload("worker", 33)),
        To(RollingBack, Reason.ROLLING_BACK, (("api", "10"),))),
    "a value that went back is contested, not written again": (
        plan(), state(applying(written=("worker/worker",))),
        seen(workload(value=50), workload("worker", 10)),
        To(RollingBack, Reason.ROLLING_BACK, (("api", "10"),))),
    "a replaced Deployment is contested": (
        plan(), state(applying()), seen(workload(), workload("worker", uid="new")),
        To(RollingBack, Reason.ROLLING_BACK, (("api", "10"),))),
    "an abort while applying rolls back": (
        plan(abort=Leave.ROLLBACK), state(applying()), seen(),
        To(RollingBack, Reason.ROLLING_BACK, DOWN)),
    "a pause does not leave a transaction half done": (
        plan(paused=True), state(applying(written=())),
        seen(workload(value=50), workload("worker", 10)),
        To(Applying, Reason.APPLYING, (("worker", "50"),))),
    # --- soaking
    "a soak goes on": (
        plan(), state(soaking()), seen(looks=(look(HOUR),), after=HOUR),
        To(Soaking, Reason.SOAKING)),
    "the last soak completes": (
        plan(), state(soaking()), seen(looks=(look(DAY),), after=END),
        To(Ended, Reason.COMPLETED, outcome=Outcome.COMPLETED)),
    "an answer that proves neither completes, and says so": (
        plan(), state(soaking()), seen(looks=(look(DAY, UNSURE),), after=END),
        To(Ended, Reason.COMPLETED_INCONCLUSIVE, outcome=Outcome.COMPLETED)),
    "an end without a look holds": (
        plan(), state(soaking()), seen(after=END), To(Soaking, Reason.SOAKING)),
    "an end with a look before it holds": (
        plan(), state(soaking()), seen(looks=(look(23 * HOUR),), after=END),
        To(Soaking, Reason.SOAKING)),
    "an unknown holds, however late": (
        plan(), state(soaking()), seen(looks=(look(9 * DAY, NO_DATA),), after=9 * DAY),
        To(Soaking, Reason.NO_DATA)),
    "a look that failed holds": (
        plan(), state(soaking()), seen(look_failed="refused", after=END),
        To(Soaking, Reason.SOAKING)),
    "a look that was not answered holds": (
        plan(), state(soaking()),
        seen(looks=(unanswered(look(DAY, NO_DATA)),), after=END), To(Soaking, Reason.SOAKING)),
    "looks that were not answered are blind": (
        plan(), state(soaking(evidence=MISSED)),
        seen(looks=(unanswered(look(DAY, NO_DATA)),), after=END), To(Soaking, Reason.NO_DATA)),
    "a breach rolls back": (
        plan(), state(soaking()), seen(looks=(look(HOUR, BREACHED),), after=HOUR),
        To(RollingBack, Reason.ROLLING_BACK, DOWN)),
    "a breach rolls back though another guardrail is blind": (
        plan(), state(soaking()), seen(looks=(look(HOUR, BREACHED, NO_DATA),), after=HOUR),
        To(RollingBack, Reason.ROLLING_BACK, DOWN)),
    "a breach rolls back though the ramp is paused": (
        plan(paused=True), state(soaking()), seen(looks=(look(HOUR, BREACHED),), after=HOUR),
        To(RollingBack, Reason.ROLLING_BACK, DOWN)),
    "a breach at an earlier look of the pass rolls back": (
        plan(), state(soaking()),
        seen(looks=(look(HOUR, BREACHED), look(2 * HOUR)), after=2 * HOUR),
        To(RollingBack, Reason.ROLLING_BACK, DOWN)),
    "a breach asks a person where that is wished": (
        plan(on_failure=OnFailure.HOLD), state(soaking()),
        seen(looks=(look(HOUR, BREACHED),), after=HOUR), To(Soaking, Reason.AWAITING_APPROVAL)),
    "blind for longer than allowed rolls back where that is wished": (
        plan(no_data=NoDataPolicy.ROLLBACK),
        state(soaking(evidence=replace(soaking().evidence, blind_since=soaking().since))),
        seen(looks=(look(HOUR, NO_DATA),), after=HOUR),
        To(RollingBack, Reason.ROLLING_BACK, DOWN)),
    "blind for a moment never rolls back": (
        plan(no_data=NoDataPolicy.ROLLBACK), state(soaking()),
        seen(looks=(look(HOUR, NO_DATA),), after=HOUR), To(Soaking, Reason.NO_DATA)),
    "blind is left out at the end where that is wished": (
        plan(no_data=NoDataPolicy.IGNORE),
        state(soaking(evidence=replace(soaking().evidence, blind_since=soaking().since))),
        seen(looks=(look(DAY, NO_DATA),), after=END),
        To(Ended, Reason.COMPLETED_INCONCLUSIVE, outcome=Outcome.COMPLETED)),
    "a lost proof holds the end": (
        plan(), state(soaking()),
        seen(*pair(coverage=covered(3, 4, off_value_ready=("api-x",))), looks=(look(DAY),),
             after=END),
        To(Soaking, Reason.PODS_LOST)),
    "no pods left hold the end": (
        plan(), state(soaking()),
        seen(*pair(coverage=covered(0, 0)), looks=(look(DAY),), after=END),
        To(Soaking, Reason.PODS_LOST)),
    "pods that cannot be read hold the end": (
        plan(), state(soaking()),
        seen(*pair(coverage=covered(unreadable="403")), looks=(look(DAY),), after=END),
        To(Soaking, Reason.PODS_LOST)),
    "new pods that are not ready yet do not hold the end": (
        plan(), state(soaking()),
        seen(*pair(coverage=covered(4, 6, others=0)), looks=(look(DAY),), after=END),
        To(Ended, Reason.COMPLETED, outcome=Outcome.COMPLETED)),
    "a pause holds the end": (
        plan(paused=True), state(soaking()), seen(looks=(look(DAY),), after=END),
        To(Soaking, Reason.PAUSED)),
    "a soak that is over takes the next step": (
        plan(steps=(25,)), state(soaking()),
        seen(*pair(25), looks=(look(HOUR),), after=HOUR + MINUTE),
        To(Applying, Reason.APPLYING, UP)),
    "a step asks a person where that is wished": (
        plan(steps=(25,), gates=frozenset({GateKind.EACH_STEP})), state(soaking()),
        seen(*pair(25), looks=(look(HOUR),), after=HOUR + MINUTE),
        To(Soaking, Reason.AWAITING_APPROVAL)),
    "a step waits for somebody's rollout": (
        plan(steps=(25,)), state(soaking()),
        seen(*pair(25, rolling_out=True), looks=(look(HOUR),), after=HOUR + MINUTE),
        To(Soaking, Reason.ROLLOUT_IN_PROGRESS)),
    "a revert is not fought": (
        plan(), state(soaking()), seen(workload(value=10), workload("worker", 50)),
        To(RollingBack, Reason.ROLLING_BACK, (("worker", "10"),))),
    "a deletion while soaking rolls back": (
        plan(deleting=True), state(soaking()), seen(),
        To(RollingBack, Reason.ROLLING_BACK, DOWN)),
    "a deletion that keeps the share ends": (
        plan(deleting=True, on_delete=Leave.KEEP), state(soaking()), seen(),
        To(Ended, Reason.DELETED, outcome=Outcome.ABORTED)),
    "an abort that keeps the share ends": (
        plan(abort=Leave.KEEP), state(soaking()), seen(),
        To(Ended, Reason.ABORT_ASKED, outcome=Outcome.ABORTED)),
    "an abort stays although it was taken back": (
        plan(), state(soaking(), abort=Leave.ROLLBACK), seen(),
        To(RollingBack, Reason.ROLLING_BACK, DOWN)),
    "a namespace that goes ends it at once": (
        plan(deleting=True), state(soaking()), seen(namespace_deleting=True),
        To(Ended, Reason.DELETED, outcome=Outcome.ABORTED)),
    "a forced deletion ends it at once": (
        plan(deleting=True, force_delete=True), state(soaking()), seen(),
        To(Ended, Reason.FORCE_DELETED, outcome=Outcome.ABORTED)),
    # --- rolling back
    "originals that are missing are written, last first": (
        plan(), state(restoring()), seen(), To(RollingBack, Reason.ROLLING_BACK, DOWN)),
    "pods on the ramp's value are waited for": (
        plan(), state(restoring()),
        seen(*pair(10, coverage=covered(3, leftovers=lagging().lagging))),
        To(RollingBack, Reason.ROLLING_BACK)),
    "no pod on the ramp's value ends the rollback": (
        plan(), state(restoring()), seen(*pair(10)),
        To(Ended, Reason.GUARDRAIL_BREACHED, outcome=Outcome.ROLLED_BACK)),
    "zero pods are back": (
        plan(), state(restoring()), seen(*pair(10, coverage=covered(0, 0))),
        To(Ended, Reason.GUARDRAIL_BREACHED, outcome=Outcome.ROLLED_BACK)),
    "pods that cannot be read are not back": (
        plan(), state(restoring()), seen(*pair(10, coverage=covered(unreadable="403"))),
        To(RollingBack, Reason.ROLLING_BACK)),
    "a target that was not looked at is not back": (
        plan(), state(restoring()), seen(*pair(10, coverage=None)),
        To(RollingBack, Reason.ROLLING_BACK)),
    "a Deployment that is gone is back": (
        plan(), state(restoring()), seen(workload(value=10), None),
        To(Ended, Reason.GUARDRAIL_BREACHED, outcome=Outcome.ROLLED_BACK)),
    "another's value is left, and ends contested": (
        plan(), state(restoring()), seen(workload(value=10), workload("worker", 33)),
        To(Ended, Reason.GUARDRAIL_BREACHED, outcome=Outcome.CONTESTED)),
    "a value that somebody set again after the restoring is left": (
        plan(), state(restoring(written=("worker/worker",))),
        seen(workload(value=10), workload("worker", 50, coverage=covered(0))),
        To(Ended, Reason.GUARDRAIL_BREACHED, outcome=Outcome.CONTESTED)),
    "an overdue rollback goes on": (
        plan(), state(restoring()),
        seen(*pair(10, coverage=covered(0, leftovers=lagging().lagging)), after=DAY),
        To(RollingBack, Reason.ROLLING_BACK)),
    "a deletion waits for the rollback": (
        plan(deleting=True), state(restoring()),
        seen(*pair(10, coverage=covered(3, leftovers=lagging().lagging))),
        To(RollingBack, Reason.ROLLING_BACK)),
    # --- ended
    "completed is for good": (
        plan(), state(over()), seen(looks=(look(HOUR, BREACHED),)),
        To(Ended, Reason.COMPLETED, outcome=Outcome.COMPLETED)),
    "a lost status writes nothing": (
        plan(), state(over(Outcome.CONTESTED, Reason.STATUS_LOST), originals=()),
        seen(*pair(50, stamp=stamp(seq=2)), finalizer=True),
        To(Ended, Reason.STATUS_LOST, outcome=Outcome.CONTESTED)),
    "a lost status is restored from the stamps where that is asked": (
        plan(abort=Leave.ROLLBACK),
        state(over(Outcome.CONTESTED, Reason.STATUS_LOST), originals=()),
        seen(*pair(50, stamp=stamp(seq=2))), To(RollingBack, Reason.ROLLING_BACK, DOWN)),
}
# fmt: on


@pytest.mark.parametrize(("asked", "was", "saw", "to"), ARROWS.values(), ids=ARROWS)
def test_each_arrow_leads_where_it_says(asked: Plan, was: State, saw: Observation, to: To) -> None:
    decision = decide(asked, was, saw)
    stage = decision.state.stage
    assert (type(stage), decision.because.reason) == (to.stage, to.reason), decision.because
    writes = [a for a in decision.actions if isinstance(a, Write)]
    assert tuple((w.original.deployment, w.value) for w in writes) == to.writes
    assert to.outcome is None or (isinstance(stage, Ended) and stage.outcome is to.outcome)


def test_every_stage_starts_an_arrow() -> None:
    assert {type(was.stage) for _, was, _, _ in ARROWS.values()} == set(get_args(Stage))


@pytest.mark.parametrize(("asked", "was", "saw", "to"), ARROWS.values(), ids=ARROWS)
def test_a_write_is_always_fenced_and_its_original_remembered(
    asked: Plan, was: State, saw: Observation, to: To
) -> None:
    decision = decide(asked, was, saw)
    writes = [a for a in decision.actions if isinstance(a, Write)]
    assert all(w.original in decision.state.originals for w in writes)
    assert not writes or (decision.fenced and decision.state.seq > was.seq)


@pytest.mark.parametrize(("asked", "was", "saw", "to"), ARROWS.values(), ids=ARROWS)
def test_the_same_facts_give_the_same_decision(
    asked: Plan, was: State, saw: Observation, to: To
) -> None:
    assert decide(asked, was, saw) == decide(asked, was, saw)


def test_the_start_records_the_way_back() -> None:
    decided = decide(plan(), NEW, before()).state
    assert [(o.target, o.value, o.manager) for o in decided.originals] == [
        ("api/api", "10", "kubectl"),
        ("worker/worker", "10", "kubectl"),
    ]
    assert decided.started_at == before().now


def test_the_start_holds_the_ramp_by_its_finalizer() -> None:
    assert decide(plan(), NEW, before()).hold_finalizer
    assert not decide(plan(), NEW, before(finalizer=True)).hold_finalizer


def test_every_reason_that_stands_in_the_way_is_told_at_once() -> None:
    both = (workload(value=20), None)
    told = decide(plan(), NEW, before(workloads=both)).because.message
    assert 'spec.from wants "10"' in told
    assert "app/worker does not exist" in told


def test_a_block_is_told_once_and_a_new_reason_again() -> None:
    first = decide(plan(), NEW, before(workloads=pair(20)))
    again = decide(plan(), first.state, before(workloads=pair(20)))
    other = decide(plan(), again.state, before(signals=("no series",)))
    assert [len(d.notes) for d in (first, again, other)] == [1, 0, 1]


# fmt: off
BLOCKS: dict[str, tuple[tuple[Workload, ...], Reason, str]] = {
    "a declaration in Git has an Event of its own": (
        pair(10, declared_by="argo"), Reason.GITOPS_CONFLICT, "ROLLOUT on api is declared in Git: "),
    "another ramp": (
        pair(10, stamp=stamp(uid="other", name="r"), stamp_live=True), Reason.BLOCKED,
        "AnotherRampActive: ramp r holds ROLLOUT on api"),
    "another value": (pair(20), Reason.BLOCKED, 'FromMismatch: api runs ROLLOUT="20"'),
}
# fmt: on


@pytest.mark.parametrize(("found", "reason", "text"), BLOCKS.values(), ids=BLOCKS)
def test_a_block_says_what_it_is(found, reason, text) -> None:
    (note,) = decide(plan(), NEW, before(workloads=found)).notes
    assert note.reason is reason
    assert note.message.startswith(text)
    assert note.warning


@pytest.mark.parametrize(
    ("was", "blocked", "stays"),
    [
        (Pending(), False, False),
        (Pending(since=T, blocked=False), False, True),
        (Pending(since=T, blocked=True), True, True),
        (Pending(since=T, blocked=False), True, False),
        (Pending(since=T, blocked=True), False, False),
    ],
)
def test_a_ramp_waits_or_is_blocked_since_it_became_so(was, blocked, stays) -> None:
    saw = before(now=T + HOUR, workloads=pair(20 if blocked else 10))
    stage = decide(plan(paused=True), State(stage=was), saw).state.stage
    assert stage.since == (T if stays else T + HOUR)


def test_a_gate_before_the_start_says_what_the_first_step_sets() -> None:
    asked = plan(steps=(25,), gates=frozenset({GateKind.START}))
    (opened,) = decide(asked, NEW, before()).state.gates
    assert opened.why == "everything is ready to set ROLLOUT 10 -> 25"


@pytest.mark.parametrize(("step", "text"), [(0, "20 -> 30"), (1, "30 -> 40"), (2, "40 -> 50")])
def test_a_step_says_from_which_value_to_which(step: int, text: str) -> None:
    asked = plan(steps=(20, 30, 40))
    saw = seen(*pair(asked.values[step]), looks=(look(HOUR),), after=HOUR + MINUTE)
    changed = decide(asked, state(soaking(step)), saw).notes[-1]
    assert (changed.reason, changed.message) == (
        Reason.SHARE_CHANGED,
        f"set ROLLOUT {text} on api, worker",
    )


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


def test_every_value_written_is_the_plans_or_the_original() -> None:
    for asked, was, saw, _ in ARROWS.values():
        allowed = {EnvValue(str(v)) for v in asked.values} | {EnvValue("10"), None}
        actions = decide(asked, was, saw).actions
        assert {a.value for a in actions if isinstance(a, Write)} <= allowed
