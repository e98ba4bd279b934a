"""Conditions of every phase, as kstatus, Argo CD and people read them."""

from dataclasses import dataclass, replace

import pytest

from rampguard.core.applying import rules
from rampguard.core.ask import GateKind, GitopsPolicy, Leave, OnFailure
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.model import (
    Condition,
    Lag,
    Observation,
    Outcome,
    Owner,
    Phase,
    RollbackRecord,
    State,
    Verdict,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import ConditionType, Reason
from rampguard.core.view import StatusView
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SHARE,
    SPEED,
    T,
    applying,
    before,
    covered,
    gate,
    judged,
    lagging,
    look,
    over,
    pair,
    plan,
    read,
    restoring,
    seen,
    soaking,
    stamp,
    state,
    told,
    workload,
)

WITHIN, UNSURE = Verdict.WITHIN_TOLERANCE, Verdict.INCONCLUSIVE
BLIND, BREACHED = Verdict.NO_DATA, Verdict.BREACHED
LEFT = covered(0, 4, others=1, leftovers=lagging().lagging)
STUCK = pair(10, coverage=LEFT)
OFF = pair(coverage=covered(3, 4, off_value_ready=("x",)))
ARGO = (Owner("argocd-controller", "Apply", value=True),)


def shown(asked: Plan, was: State, saw: Observation) -> tuple[State, StatusView]:
    return render(asked, saw, decide(asked, was, saw))


def short(state: State) -> dict[str, str]:
    """Return every condition as "True Reason"."""
    return {one.type: f"{one.status} {one.reason}" for one in state.conditions}


def by_type(state: State, kind: ConditionType) -> Condition:
    (found,) = (one for one in state.conditions if one.type == kind)
    return found


def blind(minutes: int) -> State:
    evidence = replace(soaking().evidence, blind_since=T + DAY - minutes * MINUTE)
    return state(soaking(evidence=evidence, judged=look(HOUR).judgements))


def unproven(minutes: int) -> State:
    evidence = replace(soaking().evidence, unproven_since=T + DAY - minutes * MINUTE)
    return state(soaking(evidence=evidence))


@dataclass(frozen=True, slots=True)
class Row:
    """One scene, the phase and the conditions that it must show beside those of every phase."""

    asked: Plan
    was: State
    saw: Observation
    phase: Phase
    ready: str
    stalled: str = ""  # the reason; empty: nothing is stalled
    rest: tuple[str, ...] = ()  # GitOpsSafe, SignalsReady ... that are there, as "Type=True Reason"


SAFE = "GitOpsSafe=True NotDeclaredInGit"
READY = "SignalsReady=True Ready"
PROVEN = "PodsProven=True AllPodsProven"
LAG = "PodsProven=False PodsLag"
LOST = "PodsProven=False PodsLost"
ALL = "GuardrailsPassing=True AllWithin"
BROKEN = "GuardrailsPassing=False Breached"
NOTHING_SEEN = "GuardrailsPassing=Unknown NoData"
GOING = "RollbackVerified=False RollingBack"
BACK = "RollbackVerified=True AllPodsProven"
EACH = plan(steps=(25,), gates=frozenset({GateKind.EACH_STEP}))
# fmt: off
ROWS: dict[str, Row] = {
    "the first look": Row(
        plan(), State(), before(signals=None), Phase.PENDING, "Pending", rest=(SAFE,)),
    "paused before the start": Row(
        plan(paused=True), State(), before(), Phase.PAUSED, "Paused", rest=(SAFE, READY)),
    "a gate before the start": Row(
        plan(gates=frozenset({GateKind.START})), State(), before(), Phase.AWAITING_APPROVAL,
        "AwaitingApproval", rest=(SAFE, READY)),
    "blocked by another value": Row(
        plan(), State(), before(workloads=pair(20), signals=None), Phase.BLOCKED, "FromMismatch",
        "FromMismatch", rest=(SAFE,)),
    "blocked by missing signals": Row(
        plan(), State(), before(signals=("share: no series",)), Phase.BLOCKED, "SignalsMissing",
        "SignalsMissing", rest=(SAFE, "SignalsReady=False SignalsMissing")),
    "blocked by Git": Row(
        plan(), State(), before(workloads=pair(10, declared_by="argo"), signals=None),
        Phase.BLOCKED, "DeclaredInGit", "DeclaredInGit",
        rest=("GitOpsSafe=False DeclaredInGit",)),
    "blocked by a Deployment that is not there": Row(
        plan(), State(), before(workloads=(None, None), signals=None), Phase.BLOCKED,
        "TargetNotFound", "TargetNotFound"),
    "a cluster that cannot be read": Row(
        plan(), State(), Observation(now=T, unreadable="403"), Phase.PENDING, "Pending"),
    "a start that ignores Git": Row(
        plan(gitops=GitopsPolicy.IGNORE), State(),
        before(workloads=pair(10, declared_by="argo", coverage=None)), Phase.APPLYING, "Applying",
        rest=("GitOpsSafe=True DeclarationIgnored", READY)),
    "pods lag": Row(
        plan(), state(applying()), seen(*pair(coverage=lagging())), Phase.APPLYING, "Applying",
        rest=(SAFE, LAG)),
    "a pause while a value is written": Row(
        plan(paused=True), state(applying()), seen(*pair(coverage=lagging())), Phase.APPLYING,
        "Applying", rest=(SAFE, LAG)),
    "a proof that asks a person": Row(
        plan(on_failure=OnFailure.HOLD), state(applying()),
        seen(*pair(coverage=lagging(0)), after=HOUR), Phase.AWAITING_APPROVAL, "AwaitingApproval",
        rest=(SAFE, LAG)),
    "proven just now": Row(
        plan(), state(applying()), seen(), Phase.SOAKING, "Soaking", rest=(SAFE, PROVEN)),
    "a soak": Row(
        plan(), state(soaking()), seen(looks=(look(HOUR),), after=HOUR), Phase.SOAKING, "Soaking",
        rest=(SAFE, PROVEN, ALL)),
    "a soak that is not sure": Row(
        plan(), state(soaking()), seen(looks=(look(HOUR, UNSURE),), after=HOUR), Phase.SOAKING,
        "Soaking", rest=(SAFE, PROVEN, "GuardrailsPassing=Unknown Inconclusive")),
    "a soak that sees nothing": Row(
        plan(), state(soaking()), seen(looks=(look(HOUR, BLIND),), after=HOUR), Phase.SOAKING,
        "Soaking", rest=(SAFE, PROVEN, NOTHING_SEEN)),
    "a look that failed": Row(
        plan(), blind(1), seen(look_failed="down", after=DAY), Phase.SOAKING, "Soaking",
        rest=(SAFE, PROVEN, NOTHING_SEEN)),
    "blind for exactly maxHold": Row(
        plan(), blind(120), seen(look_failed="down", after=DAY), Phase.SOAKING, "Soaking",
        rest=(SAFE, PROVEN, NOTHING_SEEN)),
    "blind beyond maxHold": Row(
        plan(), blind(121), seen(look_failed="down", after=DAY), Phase.SOAKING, "Soaking", "Blind",
        rest=(SAFE, PROVEN, NOTHING_SEEN)),
    "a lost proof": Row(
        plan(), state(soaking()), seen(*OFF), Phase.SOAKING, "Soaking", rest=(SAFE, LOST)),
    "a proof lost for exactly maxHold": Row(
        plan(), unproven(120), seen(*OFF, after=DAY), Phase.SOAKING, "Soaking", rest=(SAFE, LOST)),
    "a proof lost beyond maxHold": Row(
        plan(), unproven(121), seen(*OFF, after=DAY), Phase.SOAKING, "Soaking", "PodsLost",
        rest=(SAFE, LOST)),
    "an entry that came into Git later": Row(
        plan(), state(soaking()), seen(*pair(declared_by="argo")), Phase.SOAKING, "Soaking",
        rest=("GitOpsSafe=False DeclaredInGit", PROVEN)),
    "a paused soak": Row(
        plan(paused=True), state(soaking()), seen(looks=(look(HOUR),), after=HOUR), Phase.PAUSED,
        "Paused", rest=(SAFE, PROVEN, ALL)),
    "a breach that asks a person": Row(
        plan(on_failure=OnFailure.HOLD), state(soaking()),
        seen(looks=(look(HOUR, BREACHED),), after=HOUR), Phase.AWAITING_APPROVAL,
        "AwaitingApproval", rest=(SAFE, PROVEN, BROKEN)),
    "a breach that asks while another is blind": Row(
        plan(on_failure=OnFailure.HOLD), state(soaking()),
        seen(looks=(look(HOUR, BREACHED, BLIND),), after=HOUR), Phase.AWAITING_APPROVAL,
        "AwaitingApproval", rest=(SAFE, PROVEN, BROKEN)),
    "a gate rules over a pause": Row(
        plan(paused=True, on_failure=OnFailure.HOLD), state(soaking()),
        seen(looks=(look(HOUR, BREACHED),), after=HOUR), Phase.AWAITING_APPROVAL,
        "AwaitingApproval", rest=(SAFE, PROVEN, BROKEN)),
    "a step that asks a person": Row(
        EACH, state(soaking()), seen(*pair(25), looks=(look(HOUR),), after=2 * HOUR),
        Phase.AWAITING_APPROVAL, "AwaitingApproval", rest=(SAFE, PROVEN, ALL)),
    "a breach that rolls back": Row(
        plan(), state(soaking()), seen(looks=(look(HOUR, BREACHED),), after=HOUR),
        Phase.ROLLING_BACK, "RollingBack", rest=(SAFE, LAG, BROKEN, GOING)),
    "a rollback that is refused": Row(
        plan(), state(restoring()), seen(*STUCK, refusals=("api: 403",)), Phase.ROLLING_BACK,
        "RollingBack", "WriteRefused", rest=(SAFE, LAG)),
    "a rollback that is overdue": Row(
        plan(), state(restoring(), rollback=RollbackRecord(because=restoring().because,
                                                           started_at=T)),
        seen(*STUCK, after=HOUR), Phase.ROLLING_BACK, "RollingBack", "RollbackOverdue",
        rest=(SAFE, LAG, "RollbackVerified=False RollbackOverdue")),
    "rolled back": Row(
        plan(), state(restoring()), seen(*pair(10)), Phase.ROLLED_BACK, "GuardrailBreached",
        "GuardrailBreached", rest=(SAFE, PROVEN, BACK)),
    "aborted and kept": Row(
        plan(abort=Leave.KEEP), state(soaking()), seen(), Phase.ABORTED, "AbortAsked",
        "AbortAsked", rest=(SAFE,)),
    "contested by a sync": Row(
        plan(), state(restoring(Reason.GITOPS_REVERTED, ends_contested=True)),
        seen(*pair(10, declared_by="argo")), Phase.CONTESTED, "GitOpsReverted", "GitOpsReverted",
        rest=("GitOpsSafe=False GitOpsReverted", PROVEN, BACK)),
    "contested by a lost status": Row(
        plan(), State(), seen(*pair(50, stamp=stamp(), coverage=None)), Phase.CONTESTED,
        "StatusLost", "StatusLost", rest=(SAFE,)),
    "completed": Row(
        plan(), state(soaking()), seen(looks=(look(DAY),), after=DAY + MINUTE), Phase.COMPLETED,
        "Completed", rest=(SAFE, ALL)),
    "completed without certainty": Row(
        plan(), state(soaking()), seen(looks=(look(DAY, UNSURE),), after=DAY + MINUTE),
        Phase.COMPLETED, "CompletedInconclusive",
        rest=(SAFE, "GuardrailsPassing=Unknown Inconclusive")),
    "at its goal already": Row(
        plan(), State(), before(workloads=pair(50), signals=None), Phase.COMPLETED,
        "AlreadyAtGoal", rest=(SAFE,)),
    "an end in a cluster that cannot be read": Row(
        plan(), state(over()), Observation(now=T, unreadable="403"), Phase.COMPLETED,
        "Completed"),
}
# fmt: on


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_phase_has_its_conditions(row: Row) -> None:
    after, view = shown(row.asked, row.was, row.saw)
    done = row.phase is Phase.COMPLETED
    moving = not row.stalled and not done
    expected = {
        "Ready": f"{done} {row.ready}",
        "Reconciling": f"{moving} {row.ready}",
        "Stalled": f"{bool(row.stalled)} {row.stalled or 'AsExpected'}",
        **dict(one.split("=") for one in row.rest),
    }
    assert view.phase is row.phase
    assert short(after) == expected


def test_every_phase_has_its_row() -> None:
    assert {row.phase for row in ROWS.values()} == set(Phase)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_conditions_stand_in_their_order_and_ready_goes_on_where_the_summary_ends(row: Row) -> None:
    after, view = shown(row.asked, row.was, row.saw)
    order = [one.type for one in after.conditions]
    assert order == [kind for kind in ConditionType if kind in order]
    ready = by_type(after, ConditionType.READY).message
    whole = len(ready) <= 120
    assert view.summary == (ready if whole else f"{ready[:119]}…")
    assert 0 < len(view.summary) <= 120
    assert {one.generation for one in after.conditions} == {1}


# --- what they say

# fmt: off
MESSAGES: dict[str, tuple[str, ConditionType, str]] = {
    "who declares it": (
        "blocked by Git", ConditionType.GITOPS_SAFE, "ROLLOUT on api is declared in Git: argo"),
    "that nobody does": (
        "a soak", ConditionType.GITOPS_SAFE, "ROLLOUT is not declared in Git on api, worker"),
    "that a declaration is ignored": (
        "a start that ignores Git", ConditionType.GITOPS_SAFE,
        "ROLLOUT on api is declared in Git: argo"),
    "who reverted it": ("contested by a sync", ConditionType.GITOPS_SAFE, "why"),
    "which signals are missing": (
        "blocked by missing signals", ConditionType.SIGNALS_READY, "share: no series"),
    "that the signals are there": (
        "paused before the start", ConditionType.SIGNALS_READY,
        "every deciding guardrail was judged once at the value before"),
    "who lags": (
        "pods lag", ConditionType.PODS_PROVEN,
        ("6 of 8 pods run 50; waiting for api-x (Pending: Unschedulable), api-x (Pending:"
        " Unschedulable)")),
    "how long exposure was mixed": (
        "proven just now", ConditionType.PODS_PROVEN,
        "8 of 8 pods run 50; mixed exposure lasted 1m15s"),
    "that its length is unknown": (
        "a soak", ConditionType.PODS_PROVEN,
        "8 of 8 pods run 50; mixed exposure lasted an unknown time"),
    "who still runs our value": (
        "a rollback that is refused", ConditionType.PODS_PROVEN,
        ("2 pods still run a value of the ramp: api-x (Pending: Unschedulable), api-x (Pending:"
        " Unschedulable)")),
    "that a rollback waits for the Deployments": (
        "a breach that rolls back", ConditionType.PODS_PROVEN,
        "the Deployments do not say yet that they took the original"),
    "that nobody runs our value": (
        "rolled back", ConditionType.PODS_PROVEN,
        "no pod runs a value of the ramp; 8 run the original"),
    "that all is within": (
        "a soak", ConditionType.GUARDRAILS_PASSING,
        "2 of 2 guardrails are proven to be within tolerance"),
    "which is not sure and why": (
        "a soak that is not sure", ConditionType.GUARDRAILS_PASSING,
        "1 of 2 guardrails are proven to be within tolerance; share Inconclusive: why"),
    "what was breached, and that another is blind": (
        "a breach that asks while another is blind", ConditionType.GUARDRAILS_PASSING,
        "share 49%, limit 45% .. 55% (why); p95 NoData: why"),
    "since when it is back": (
        "rolled back", ConditionType.ROLLBACK_VERIFIED,
        ("no pod runs a value of the ramp since 2026-11-23T12:01:00Z; users keep the arm that they"
        " were assigned until their cookie ends")),
    "why it goes back": (
        "a breach that rolls back", ConditionType.ROLLBACK_VERIFIED,
        "share 49%, limit 45% .. 55%"),
    "what blocks": (
        "blocked by missing signals", ConditionType.STALLED,
        "share: no series. It starts by itself once this holds"),
    "what to do about blindness": (
        "blind beyond maxHold", ConditionType.STALLED,
        ("at 50% until 2026-11-24T12:00:00Z; blind since 2026-11-24T09:59:00Z: down; let Prometheus"
        " answer, or abort")),
    "what to do about a proof that stays lost": (
        "a proof lost beyond maxHold", ConditionType.STALLED,
        ("at 50% until 2026-11-24T12:00:00Z; 6 of 8 pods run 50; nothing is counted until they are;"
         " repair the pods, or abort")),
    "what is refused": ("a rollback that is refused", ConditionType.STALLED, "api: 403"),
    "that a rollback goes on": (
        "a rollback that is overdue", ConditionType.STALLED,
        ("the rollback is not proven: 2 pods still run a value of the ramp: api-x (Pending:"
        " Unschedulable), api-x (Pending: Unschedulable); it goes on trying")),
    "how to try again": (
        "rolled back", ConditionType.STALLED,
        "rolled back to 10%: why. To try again: kubectl ramp retry tree-50 -n app"),
    "what to do about Git": (
        "contested by a sync", ConditionType.STALLED,
        "why. Take ROLLOUT out of Git, then: kubectl ramp retry tree-50 -n app"),
}
# fmt: on


@pytest.mark.parametrize(("row", "kind", "text"), MESSAGES.values(), ids=MESSAGES)
def test_each_condition_says(row: str, kind: ConditionType, text: str) -> None:
    after, _ = shown(ROWS[row].asked, ROWS[row].was, ROWS[row].saw)
    assert by_type(after, kind).message == text


def test_a_lost_status_is_not_restarted() -> None:
    row = ROWS["contested by a lost status"]
    after, _ = shown(row.asked, row.was, row.saw)
    told = by_type(after, ConditionType.STALLED).message
    assert told.endswith("It is never restarted over its own stamp")


def test_what_stands_still_names_the_owner() -> None:
    after, _ = shown(plan(owner="@mia"), state(restoring()), seen(*pair(10)))
    assert by_type(after, ConditionType.STALLED).message.endswith("-n app (owner: @mia)")


def test_pods_that_are_left_are_named_the_first_three() -> None:
    many = tuple(Lag(f"api-{n}", "terminating") for n in range(7))
    saw = seen(workload(value=10, coverage=covered(0, leftovers=many)))
    after, _ = shown(plan(), state(restoring(), originals=state(0).originals[:1]), saw)
    assert by_type(after, ConditionType.PODS_PROVEN).message == (
        "7 pods still run a value of the ramp: api-0 (terminating), api-1 (terminating),"
        " api-2 (terminating) and 4 more"
    )


@pytest.mark.parametrize(("pods", "last"), [(3, "api-2 (x)"), (4, "and 1 more")])
def test_pods_that_are_left_are_all_told(pods: int, last: str) -> None:
    left = tuple(Lag(f"api-{n}", "x") for n in range(pods))
    saw = seen(workload(value=10, coverage=covered(0, leftovers=left)))
    after, _ = shown(plan(), state(restoring(), originals=state(0).originals[:1]), saw)
    assert by_type(after, ConditionType.PODS_PROVEN).message.endswith(last)


def test_pods_that_cannot_be_read_are_told_in_a_rollback() -> None:
    both = (
        workload(value=10, coverage=LEFT),
        workload("worker", 10, coverage=covered(0, 0, unreadable="403")),
    )
    after, _ = shown(plan(), state(restoring()), seen(*both))
    assert by_type(after, ConditionType.PODS_PROVEN).message == "pods cannot be read: 403"


def test_a_dry_run_is_no_part_of_what_passes() -> None:
    quiet = plan(guardrails=(SHARE, replace(SPEED, dry_run=True)))
    stage = soaking(rules=rules(quiet), judged=(judged(), judged(BREACHED, "p95")))
    after, _ = shown(quiet, state(stage), seen())
    found = by_type(after, ConditionType.GUARDRAILS_PASSING)
    assert found.status == "True"
    assert found.message == "1 of 1 guardrails are proven to be within tolerance"


def test_a_dry_run_without_a_baseline_is_told_at_the_start() -> None:
    """It never blocks, so nobody would look for it."""
    why = "errors (dry run): the time before the ramp cannot be read: timeout"
    saw = before(unread=(why,))
    after, _ = shown(plan(), State(), saw)
    assert by_type(after, ConditionType.SIGNALS_READY).status == "True"
    assert by_type(after, ConditionType.SIGNALS_READY).message.endswith(f"before; {why}")
    (passed,) = told(decide(plan(), State(), saw), Reason.PREFLIGHT_PASSED)
    assert passed.message.endswith(f"every signal is there; {why}")


def test_a_foreign_value_of_any_length_is_told_by_its_beginning() -> None:
    """Else somebody's megabyte would keep a status from being written."""
    foreign = workload("worker", "v" * 900_000, owners=(Owner("kubectl", "Update", value=True),))
    after, view = shown(plan(), state(soaking()), seen(workload(), foreign))
    assert f"set ROLLOUT on worker to {'v' * 127}…, the" in str(after.stage.because)
    assert len(str(after)) + len(str(view)) < 50_000


# --- times and memory


def test_a_time_moves_on_a_flip_and_not_with_words() -> None:
    was, _ = shown(plan(), state(soaking()), seen(looks=(look(HOUR),), after=HOUR))
    words = seen(looks=(look(2 * HOUR, UNSURE),), after=2 * HOUR)
    later, _ = shown(plan(), was, words)
    since = {kind: by_type(later, kind).since for kind in ConditionType if kind in short(later)}
    assert since[ConditionType.GUARDRAILS_PASSING] == T + 2 * HOUR
    assert since[ConditionType.READY] == since[ConditionType.PODS_PROVEN] == T + HOUR
    again, _ = shown(plan(), later, seen(looks=(look(3 * HOUR, BLIND),), after=3 * HOUR))
    guardrails = by_type(again, ConditionType.GUARDRAILS_PASSING)
    assert (guardrails.reason, guardrails.since) == ("NoData", T + 2 * HOUR)


VERDICTS = {"True": WITHIN, "False": BREACHED, "Unknown": UNSURE}


@pytest.mark.parametrize("old", VERDICTS)
@pytest.mark.parametrize("new", VERDICTS)
def test_a_time_stays_while_the_status_does(old: str, new: str) -> None:
    kind = ConditionType.GUARDRAILS_PASSING
    stood = Condition(type=kind, status=read(old), reason="x", message="", since=T, generation=1)
    saw = seen(looks=(look(HOUR, VERDICTS[new]),), after=HOUR)
    was = state(soaking(), conditions=(stood,))
    after, _ = shown(plan(on_failure=OnFailure.HOLD), was, saw)
    assert by_type(after, kind).status == new
    assert by_type(after, kind).since == (T if new == old else T + HOUR)


def test_what_is_not_known_in_a_pass_stays_as_it_was() -> None:
    was, _ = shown(plan(), state(soaking()), seen(looks=(look(HOUR),), after=HOUR))
    blind_pass = Observation(now=T + 2 * HOUR, unreadable="the API server does not answer")
    later, view = shown(plan(generation=2), was, blind_pass)
    for kind in (ConditionType.GITOPS_SAFE, ConditionType.PODS_PROVEN):
        assert by_type(later, kind) == by_type(was, kind)
    ready = by_type(later, ConditionType.READY)
    assert (ready.generation, ready.since) == (2, T + HOUR)
    assert view.summary == "The API server does not answer"


def test_what_is_not_known_yet_is_absent() -> None:
    after, _ = shown(plan(), State(), Observation(now=T, unreadable="403"))
    assert set(short(after)) == {"Ready", "Reconciling", "Stalled"}


def test_a_rollback_record_without_a_rollback_stage_keeps_its_proof() -> None:
    record = RollbackRecord(because=restoring().because, started_at=T, proven_at=T + HOUR)
    after, _ = shown(plan(), state(over(Outcome.ROLLED_BACK), rollback=record), seen(*pair(10)))
    assert short(after)["RollbackVerified"] == "True AllPodsProven"


def test_a_long_message_is_cut() -> None:
    signals = tuple(f"signal-{n} is missing ({'x' * 50})" for n in range(99))
    after, view = shown(plan(), State(), before(signals=signals))
    assert len(by_type(after, ConditionType.STALLED).message) == 1024
    assert len(view.summary) == 120
    assert view.summary.endswith("x…")


def test_a_message_of_just_the_length_is_not_cut() -> None:
    text = "x" * (120 - len("Blocked: "))
    _, view = shown(plan(), State(), before(signals=(text,)))
    assert view.summary == f"Blocked: {text}"


def test_a_gate_that_is_open_is_named() -> None:
    was = state(soaking(), gates=(gate("breach-2"), gate("step-1")))
    _, view = shown(plan(), was, seen())
    assert view.summary.startswith("Gate breach-2 waits for a person: ")
