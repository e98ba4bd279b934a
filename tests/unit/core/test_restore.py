"""Rolling back: what is restored, told, proven, and let go at the end."""

from dataclasses import replace

import pytest

from rampguard.core.ask import EnvValue, Leave, Target
from rampguard.core.decide import decide
from rampguard.core.model import (
    Because,
    Decision,
    DropFinalizer,
    DropStamp,
    Ended,
    Entry,
    EntryKind,
    Evidence,
    Outcome,
    Owner,
    Progress,
    RollbackRecord,
    RollingBack,
    Soaked,
    Stage,
    State,
    Verdict,
    Workload,
    Write,
)
from rampguard.core.reasons import Reason
from rampguard.core.restore import originals_from_stamps, own_stamp
from scenes import (
    ABSENT,
    ASK,
    DAY,
    HOUR,
    MINUTE,
    ORIGINALS,
    SECOND,
    T,
    applying,
    covered,
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
    told,
    workload,
)

LEFT = covered(0, 4, others=1, leftovers=lagging().lagging)
STUCK = pair(10, coverage=LEFT)


def writes(decision: Decision) -> list[tuple[str, str | None, str]]:
    found = (one for one in decision.actions if isinstance(one, Write))
    return [(one.original.deployment, one.value, one.cause) for one in found]


def back(**facts: object) -> Decision:
    """Let a soak of 50 percent be aborted."""
    asked = plan(abort=Leave.ROLLBACK, **facts.pop("asked", {}))
    stage: Stage = facts.pop("stage", soaking())
    return decide(asked, state(stage, **facts.pop("was", {})), seen(*pair(), **facts))


# --- the beginning


def test_a_rollback_writes_the_originals_back_last_target_first() -> None:
    head = "rampguard app/tree-50 (uid-of-t): ROLLOUT back to 10"
    assert writes(back()) == [("worker", "10", head), ("api", "10", head)]


def test_a_rollback_tells_what_it_sets_and_why() -> None:
    (note,) = told(back(), Reason.ROLLBACK_STARTED)
    assert note.message == "set ROLLOUT 50 -> 10 on worker, api: abort was asked"
    assert note.warning


def test_a_rollback_by_a_breach_leaves_its_reason_to_the_note_of_the_breach() -> None:
    saw = seen(looks=(look(HOUR, Verdict.BREACHED),), after=HOUR)
    (note,) = told(decide(plan(), state(soaking()), saw), Reason.ROLLBACK_STARTED)
    assert note.message == "set ROLLOUT 50 -> 10 on worker, api"


def test_a_rollback_of_a_value_that_was_taken_tells_who_took_it() -> None:
    saw = seen(workload(), workload("worker", 33))
    (note,) = told(decide(plan(), state(applying()), saw), Reason.ROLLBACK_STARTED)
    assert note.message.startswith("set ROLLOUT 50 -> 10 on api: rampguard set ROLLOUT")


def test_a_rollback_where_every_value_was_taken_writes_nothing_and_says_so() -> None:
    taken = seen(workload("api", 33), workload("worker", 33))
    (note,) = told(decide(plan(), state(soaking()), taken), Reason.ROLLBACK_STARTED)
    assert note.message.startswith("nothing is written: rampguard set ROLLOUT")


def test_a_rollback_of_one_target_tells_its_value() -> None:
    asked = plan(targets=(Target("api"),), abort=Leave.ROLLBACK)
    was = state(soaking(), originals=ORIGINALS[:1])
    (note,) = told(decide(asked, was, seen(workload())), Reason.ROLLBACK_STARTED)
    assert note.message == "set ROLLOUT 50 -> 10 on api: abort was asked"


def test_a_rollback_from_a_step_tells_the_value_of_that_step() -> None:
    stepped = plan(steps=(25,), abort=Leave.ROLLBACK)
    decision = decide(stepped, state(applying()), seen(*pair(25)))
    (note,) = told(decision, Reason.ROLLBACK_STARTED)
    assert note.message.startswith("set ROLLOUT 25 -> 10 on worker, api")


def test_a_rollback_to_an_absent_variable_says_so() -> None:
    originals = tuple(replace(o, value=None) for o in state(soaking()).originals)
    decision = back(was={"originals": originals})
    (note,) = told(decision, Reason.ROLLBACK_STARTED)
    assert note.message.startswith("set ROLLOUT 50 -> absent on worker, api")
    assert [(one, value) for one, value, _ in writes(decision)] == [
        ("worker", None),
        ("api", None),
    ]


def test_a_rollback_is_recorded_with_its_reason_and_its_start() -> None:
    record = back(after=HOUR).state.rollback
    cause = Because(Reason.ABORT_ASKED, "abort was asked")
    assert record == RollbackRecord(because=cause, started_at=T + HOUR)


def test_a_rollback_closes_every_gate_and_cuts_the_soak() -> None:
    decision = back(after=HOUR)
    assert decision.state.gates == ()
    assert decision.state.soaked == Soaked(since=T, until=T + HOUR, cut=True)


def test_a_rollback_while_a_later_step_is_written_forgets_the_soak_before_it() -> None:
    earlier = Soaked(since=T - DAY, until=T)
    assert back(stage=applying(), was={"soaked": earlier}).state.soaked is None


def test_a_rollback_keeps_the_blind_time_of_its_soak() -> None:
    evidence = Evidence(t0=T, counted_to=T, blind_since=T + MINUTE, blind_total=MINUTE)
    decision = back(after=HOUR, stage=soaking(evidence=evidence), was={"blind_total": HOUR})
    assert decision.state.blind_total == 2 * HOUR
    assert back(stage=applying(), was={"blind_total": HOUR}).state.blind_total == HOUR


def test_a_rollback_of_targets_that_carry_the_original_writes_nothing() -> None:
    asked = plan(abort=Leave.ROLLBACK)
    decision = decide(asked, state(applying()), seen(*STUCK))
    assert writes(decision) == []
    assert isinstance(decision.state.stage, RollingBack)


def test_a_rollback_that_has_nothing_to_wait_for_ends_in_its_first_pass() -> None:
    asked = plan(abort=Leave.ROLLBACK)
    decision = decide(asked, state(applying()), seen(*pair(10)))
    assert isinstance(decision.state.stage, Ended)
    reasons = [one.reason for one in decision.notes]
    assert reasons == [Reason.ROLLBACK_STARTED, Reason.ROLLBACK_VERIFIED]


# --- the way

# fmt: off
STANDING: dict[str, tuple[Workload | None, list[str | None], bool]] = {
    # the worker as it stands, what is written on it, and whether it is in somebody else's hands
    "on the goal": (workload("worker", 50), ["10"], False),
    "on an earlier step": (workload("worker", 25), ["10"], False),
    "on the original": (workload("worker", 10), [], False),
    "on a stranger's value": (workload("worker", 33), [], True),
    "without the variable": (workload("worker", ABSENT), [], True),
    "on a value from elsewhere": (workload("worker", Entry(EntryKind.VALUE_FROM)), [], True),
    "on several entries": (workload("worker", Entry(EntryKind.DUPLICATE)), [], True),
    "gone": (None, [], False),
    "replaced": (workload("worker", 50, uid="new"), [], False),
    "its container renamed": (workload("worker", 50, container="web"), [], False),
}
# fmt: on


@pytest.mark.parametrize(("worker", "written", "taken"), STANDING.values(), ids=STANDING)
def test_only_what_carries_a_value_of_ours_is_restored(worker, written, taken) -> None:
    api = workload("api", 10, coverage=LEFT)
    decision = decide(plan(steps=(25,)), state(restoring()), seen(api, worker))
    stage = decision.state.stage
    assert [value for _, value, _ in writes(decision)] == written
    assert isinstance(stage, RollingBack)
    assert stage.ends_contested is taken


def test_a_target_that_was_seen_restored_is_remembered() -> None:
    half = (workload("api", 50), workload("worker", 10, coverage=LEFT))
    stage = decide(plan(), state(restoring(written=("x/x",))), seen(*half)).state.stage
    assert isinstance(stage, RollingBack)
    assert stage.written == ("worker/worker", "x/x")


def test_every_newly_restored_pod_is_progress() -> None:
    two = pair(10, coverage=replace(LEFT, proven=1))
    stage = decide(plan(), state(restoring()), seen(*two, after=HOUR)).state.stage
    assert isinstance(stage, RollingBack)
    assert stage.progress == Progress(began=T, proven=2, grew=T + HOUR)


def test_a_rollback_looks_again_soon_and_less_often_where_it_is_refused() -> None:
    assert decide(plan(), state(restoring()), seen(*STUCK)).look_again_in == 2 * SECOND
    refused = seen(*pair(50), refusals=("worker: 403",))
    decision = decide(plan(), state(restoring()), refused)
    assert decision.look_again_in == 30 * SECOND
    assert len(writes(decision)) == 2


def test_an_overdue_rollback_says_where_to_look() -> None:
    decision = decide(plan(), state(restoring()), seen(*STUCK, after=HOUR))
    (note,) = told(decision, Reason.ROLLBACK_OVERDUE)
    assert note.message == (
        "pods do not come back to the original of ROLLOUT; see condition PodsProven"
    )
    assert note.warning


def test_a_rollback_never_gives_up() -> None:
    was = state(restoring(progress=Progress(began=T, grew=T)))
    for days in (1, 30, 400):
        assert isinstance(
            decide(plan(), was, seen(*STUCK, after=days * DAY)).state.stage, RollingBack
        )


def test_a_rollback_without_a_way_back_has_nothing_to_restore() -> None:
    """A lost status, its stamps gone too: nothing of ours is left to wait for."""
    decision = decide(plan(), state(restoring(), originals=()), seen())
    assert writes(decision) == []
    assert isinstance(decision.state.stage, Ended)


# --- the proof

# fmt: off
PROOFS: dict[str, tuple[tuple[Workload | None, ...], bool]] = {
    "no pod runs our value": (pair(10), True),
    "zero pods": (pair(10, coverage=covered(0, 0)), True),
    "pods on the original that are not Ready": (pair(10, coverage=covered(0, 4)), True),
    "a pod of a stranger's value": (pair(10, coverage=covered(3, 4, others=1)), True),
    "a pod on our value": (pair(10, coverage=LEFT), False),
    "one target still has one": (
        (workload(value=10), workload("worker", 10, coverage=LEFT)), False),
    "a template that the controller has not seen": (
        pair(10, coverage=covered(settled=False)), False),
    "pods that cannot be read": (pair(10, coverage=covered(unreadable="403")), False),
    "pods that were not asked": (pair(10, coverage=None), False),
    "all Deployments are gone": ((None, None), True),
    "a template on our value": (pair(50), False),
}
# fmt: on


@pytest.mark.parametrize(("found", "proven"), PROOFS.values(), ids=PROOFS)
def test_a_rollback_is_proven_when_nothing_runs_a_value_of_the_ramp(found, proven) -> None:
    decision = decide(plan(), state(restoring()), seen(*found))
    assert isinstance(decision.state.stage, Ended) is proven
    assert bool(told(decision, Reason.ROLLBACK_VERIFIED)) is proven


def rolled_back(*found: Workload | None, **facts: object) -> Decision:
    was = state(restoring(), **facts)
    return decide(plan(), was, seen(*(found or pair(10)), after=HOUR))


def test_a_proof_is_dated_and_keeps_why_it_began() -> None:
    record = RollbackRecord(because=Because(Reason.ABORT_ASKED, "x"), started_at=T)
    assert rolled_back(rollback=record).state.rollback == replace(record, proven_at=T + HOUR)


def test_a_proof_without_a_record_makes_one() -> None:
    made = rolled_back().state.rollback
    assert made == RollbackRecord(
        because=Because(Reason.GUARDRAIL_BREACHED, "why"), started_at=T, proven_at=T + HOUR
    )


def test_a_proof_says_what_the_pods_run_and_that_users_keep_their_arm() -> None:
    sticky = "; users keep an arm that they were assigned until their cookie ends"
    (note,) = told(rolled_back(), Reason.ROLLBACK_VERIFIED)
    assert note.message == "8 of 8 pods run 10 again" + sticky
    (none,) = told(rolled_back(None, None), Reason.ROLLBACK_VERIFIED)
    gone = "; worker, api: gone or replaced, pods that it left were not looked at"
    assert none.message == "no pod runs ROLLOUT=50 any more" + gone + sticky


@pytest.mark.parametrize(("taken", "kept"), [("worker", "api"), ("api", "worker")])
def test_a_value_of_somebody_else_is_not_said_to_run_again(taken: str, kept: str) -> None:
    theirs = workload(taken, 33, coverage=covered(0, others=4))
    found = sorted((theirs, workload(kept, 10)), key=lambda one: one.deployment)
    (note,) = told(rolled_back(*found), Reason.ROLLBACK_VERIFIED)
    assert note.message.startswith(
        f"4 of 4 pods run 10 again; {taken}: left at 33, set by somebody else; users"
    )


def test_originals_that_differ_are_each_told_where_they_go() -> None:
    """As they can when they come from the stamps of a ramp whose status was lost."""
    worker = replace(ORIGINALS[1], value=None)
    was = state(soaking(), originals=(ORIGINALS[0], worker))
    begun = decide(plan(abort=Leave.ROLLBACK), was, seen())
    (start,) = told(begun, Reason.ROLLBACK_STARTED)
    assert start.message == "set ROLLOUT 50 -> absent on worker, 10 on api: abort was asked"
    back = (workload(value=10), workload("worker", ABSENT, coverage=covered(2, 3)))
    (proof,) = told(rolled_back(*back, originals=was.originals), Reason.ROLLBACK_VERIFIED)
    assert proof.message.startswith("4 of 4 pods run 10 again, 2 of 3 pods run absent again; ")


def test_an_end_says_for_how_long_the_value_was_watched() -> None:
    soaked = Soaked(since=T, until=T + HOUR + 4 * MINUTE, cut=True)
    assert rolled_back(soaked=soaked).because.message == "rolled back to 10% after 1h4m at 50%: why"
    assert rolled_back().because.message == "rolled back to 10%: why"


def test_an_end_leaves_the_ramp_at_its_origin_and_shows_what_ran() -> None:
    stage = rolled_back().state.stage
    assert isinstance(stage, Ended)
    assert (stage.share, stage.outcome, stage.watched) == (10, Outcome.ROLLED_BACK, False)
    assert [(one.deployment, one.container, one.runs) for one in stage.targets] == [
        ("api", "api", "10"),
        ("worker", "worker", "10"),
    ]


def test_a_contested_end_names_who_took_the_value() -> None:
    lost = decide(
        plan(),
        state(soaking()),
        seen(
            workload(value=50),
            workload("worker", 33, owners=(Owner("kubectl-edit", "Update", value=True),)),
        ),
    )
    assert [one for one, _, _ in writes(lost)] == ["api"]
    ended = decide(plan(), lost.state, seen(workload(value=10), workload("worker", 33)))
    stage = ended.state.stage
    assert isinstance(stage, Ended)
    assert (stage.outcome, ended.because.reason) == (Outcome.CONTESTED, Reason.OVERWRITTEN)
    assert ended.because.message == (
        "kubectl-edit set ROLLOUT on worker to 33, the ramp had set 50"
    )
    reasons = [one.reason for one in ended.notes]
    assert reasons == [Reason.ROLLBACK_VERIFIED, Reason.OVERWRITTEN]


# --- after the end


def test_an_end_looks_again_at_once_to_let_go_and_then_rests() -> None:
    saw = seen(*pair(10), finalizer=True)
    ending = decide(plan(), state(restoring()), saw)
    assert ending.look_again_in == 0 * SECOND
    assert ending.actions == ()
    assert decide(plan(), state(restoring()), seen(*pair(10))).look_again_in == HOUR
    assert decide(plan(), ending.state, saw).look_again_in == HOUR


@pytest.mark.parametrize("reason", [Reason.COMPLETED, Reason.OVERWRITTEN, Reason.TARGET_REPLACED])
def test_whatever_a_ramp_ended_for_it_lets_go(reason: Reason) -> None:
    was = state(over(Outcome.CONTESTED, reason))
    assert DropFinalizer() in decide(plan(), was, seen(finalizer=True)).actions


def test_an_end_without_our_finalizer_drops_nothing() -> None:
    assert decide(plan(), state(over()), seen(*pair(stamp=stamp(2)))).actions == ()


def test_a_target_whose_container_is_unknown_keeps_its_stamp() -> None:
    found = (workload(stamp=stamp(2), container=None), workload("worker", stamp=stamp(2)))
    decision = decide(plan(), state(over()), seen(*found, finalizer=True))
    assert decision.actions == (DropStamp("worker", "worker"), DropFinalizer())


@pytest.mark.parametrize(
    ("found", "ours"),
    [
        (workload(), False),
        (workload(stamp=stamp()), True),
        (workload(stamp=stamp(name="other")), True),
        (workload(stamp=stamp(uid="earlier")), True),
        (workload(stamp=stamp(uid="earlier"), stamp_live=True), False),
        (workload(stamp=stamp(uid="other", name="other")), False),
        (workload(stamp=stamp(uid="younger", name="zoo")), False),
        (workload(stamp=stamp(uid="other", name="other"), stamp_live=True), False),
    ],
)
def test_a_stamp_is_ours_by_its_uid_or_by_the_name_of_a_ramp_that_is_gone(found, ours) -> None:
    assert own_stamp(plan(), found) is ours


# --- a status that was lost

LOST = state(over(Outcome.CONTESTED, Reason.STATUS_LOST), originals=())
STAMPED = pair(50, stamp=stamp(seq=2))
# fmt: off
ASKED: dict[str, tuple[dict[str, object], type[Stage], bool]] = {
    "nobody asked": ({}, Ended, False),
    "to be kept when it is deleted": ({"on_delete": Leave.KEEP}, Ended, False),
    "deleted, to be rolled back": ({"deleting": True}, RollingBack, False),
    "deleted, to be kept": ({"deleting": True, "on_delete": Leave.KEEP}, Ended, True),
    "aborted": ({"abort": Leave.ROLLBACK}, RollingBack, False),
    "aborted, to be kept": ({"abort": Leave.KEEP}, Ended, True),
    "aborted to be kept, then deleted": ({"abort": Leave.KEEP, "deleting": True}, Ended, True),
    "aborted, then deleted to be kept": (
        {"abort": Leave.ROLLBACK, "deleting": True, "on_delete": Leave.KEEP}, RollingBack, False),
}
# fmt: on


@pytest.mark.parametrize(("asked", "stage", "dropped"), ASKED.values(), ids=ASKED)
def test_a_lost_status_waits_for_a_person(asked, stage, dropped) -> None:
    decision = decide(plan(**asked), LOST, seen(*STAMPED, finalizer=True))
    assert type(decision.state.stage) is stage
    assert (DropFinalizer() in decision.actions) is dropped
    assert [value for _, value, _ in writes(decision)] == (
        ["10", "10"] if stage is RollingBack else []
    )


def test_the_way_back_is_read_from_the_stamps_that_are_ours() -> None:
    found = seen(
        workload(stamp=stamp(original=EnvValue("7"))),
        workload("worker", stamp=stamp(uid="other", name="other")),
        None,
        workload("cron", stamp=stamp(), container=None),
        workload("bare"),
    )
    (one,) = originals_from_stamps(plan(), found)
    assert (one.target, one.uid, one.value) == ("api/api", "uid-api", "7")


def test_a_lost_status_says_what_was_there_and_what_to_do() -> None:
    absent = workload("worker", 50, stamp=stamp(original=None))
    saw = seen(workload(stamp=stamp()), absent)
    decision = decide(plan(), State(), saw)
    assert decision.because.message == (
        "a stamp of this ramp is on api (was 10), worker (was absent) but its status is lost;"
        " nothing was written: set abort: Rollback to restore the stamped values, or undo by hand"
    )
    assert ASK.uid == stamp().uid


def test_rolling_back_shows_what_was_last_judged() -> None:
    at = look(HOUR)
    decision = back(stage=soaking(judged=at.judgements))
    stage = decision.state.stage
    assert isinstance(stage, RollingBack)
    assert stage.judged == at.judgements
