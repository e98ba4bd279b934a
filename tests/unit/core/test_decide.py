"""The arrow table: what is remembered and seen, and where it leads."""

from dataclasses import dataclass, replace
from typing import get_args

import pytest

from rampguard.core.ask import EnvValue, GateKind, Leave, NoDataPolicy, OnFailure, Target
from rampguard.core.decide import decide
from rampguard.core.model import (
    Applying,
    Ended,
    Observation,
    Outcome,
    Pending,
    RollingBack,
    Soaking,
    Stage,
    State,
    Verdict,
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


def test_every_value_written_is_the_plans_or_the_original() -> None:
    for asked, was, saw, _ in ARROWS.values():
        allowed = {EnvValue(str(v)) for v in asked.values} | {EnvValue("10"), None}
        actions = decide(asked, was, saw).actions
        assert {a.value for a in actions if isinstance(a, Write)} <= allowed
