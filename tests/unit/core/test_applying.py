"""Applying: one transaction over all targets, proven on every pod or taken back."""

from dataclasses import replace

import pytest

from rampguard.core.applying import lag_text
from rampguard.core.ask import EnvValue, OnFailure
from rampguard.core.decide import decide
from rampguard.core.model import (
    Applying,
    Decision,
    DropFinalizer,
    Entry,
    EntryKind,
    Lag,
    Owner,
    Progress,
    RollingBack,
    Soaking,
    State,
    Workload,
    Write,
)
from rampguard.core.reasons import Reason
from rampguard.core.targets import carries, holder, show, show_entry
from scenes import (
    ABSENT,
    HOUR,
    MINUTE,
    OURS,
    SECOND,
    STARTED,
    T,
    applying,
    before,
    covered,
    lagging,
    literal,
    pair,
    plan,
    seen,
    stage_of,
    state,
    told,
    workload,
)

STEPPED = plan(steps=(25,))
KUBECTL = Owner("kubectl", "Update", value=True)


def written(decision: Decision) -> list[tuple[str, str | None]]:
    found = (one for one in decision.actions if isinstance(one, Write))
    return [(one.original.deployment, one.value) for one in found]


def prove(*found: Workload | None, was: Applying | None = None, **facts: object) -> Decision:
    asked = facts.pop("of", plan())
    return decide(asked, state(was or applying()), seen(*found, **facts))


# --- the transaction


def test_a_start_writes_every_target_in_order_and_expects_what_stands_there() -> None:
    actions = [a for a in decide(plan(), State(), before()).actions if isinstance(a, Write)]
    assert [(a.original.deployment, a.value, a.expect) for a in actions] == [
        ("api", "50", literal(10)),
        ("worker", "50", literal(10)),
    ]
    assert {a.cause for a in actions} == {"rampguard app/tree-50 (uid-of-t): ROLLOUT to 50"}
    assert DropFinalizer() not in actions


def test_a_start_tells_what_was_checked_and_what_is_set() -> None:
    decision = decide(STEPPED, State(), before())
    assert [(n.reason, n.message) for n in decision.notes] == [
        (
            Reason.PREFLIGHT_PASSED,
            "pre-flight passed: api, worker run 10, every signal is there",
        ),
        (Reason.SHARE_CHANGED, "set ROLLOUT 10 -> 25 on api, worker"),
    ]


@pytest.mark.parametrize(("step", "value", "then"), [(1, 20, 30), (2, 30, 40), (3, 40, 50)])
def test_a_later_step_starts_from_the_one_before(step: int, value: int, then: int) -> None:
    found = (workload(value=value), workload("worker", then))
    decision = prove(*found, was=applying(step, written=()), of=plan(steps=(20, 30, 40)))
    assert written(decision) == [("api", str(then))]


# fmt: off
TAKEN: dict[str, tuple[Workload | None, Reason, str]] = {
    "somebody's value": (
        workload("worker", 33, owners=(KUBECTL,)), Reason.OVERWRITTEN,
        "kubectl set ROLLOUT on worker to 33, the ramp had set 50"),
    "a value of nobody known": (
        workload("worker", 33, owners=()), Reason.OVERWRITTEN,
        "somebody set ROLLOUT on worker to 33, the ramp had set 50"),
    "a sync by Argo CD": (
        workload("worker", 33, owners=(Owner("argocd-controller", "Apply", value=True),)),
        Reason.GITOPS_REVERTED,
        "argocd-controller set ROLLOUT on worker to 33, the ramp had set 50"),
    "a sync by Flux": (
        workload("worker", 33, owners=(Owner("kustomize-controller", "Apply", value=True),)),
        Reason.GITOPS_REVERTED,
        "kustomize-controller set ROLLOUT on worker to 33, the ramp had set 50"),
    "a Helm release by Flux": (
        workload("worker", 33, owners=(Owner("helm-controller", "Apply", value=True),)),
        Reason.GITOPS_REVERTED,
        "helm-controller set ROLLOUT on worker to 33, the ramp had set 50"),
    "the entry taken away": (
        workload("worker", ABSENT, owners=()), Reason.OVERWRITTEN,
        "somebody set ROLLOUT on worker to absent, the ramp had set 50"),
    "a value from elsewhere": (
        workload("worker", Entry(EntryKind.VALUE_FROM), owners=(KUBECTL,)), Reason.OVERWRITTEN,
        "kubectl set ROLLOUT on worker to valueFrom, the ramp had set 50"),
    "several entries": (
        workload("worker", Entry(EntryKind.DUPLICATE), owners=(KUBECTL,)), Reason.OVERWRITTEN,
        "kubectl set ROLLOUT on worker to several entries, the ramp had set 50"),
    "another Deployment of the name": (
        workload("worker", uid="new"), Reason.TARGET_REPLACED,
        "Deployment worker was deleted or replaced while the ramp held ROLLOUT on it"),
    "a Deployment that was made later": (
        workload("worker", uid="younger"), Reason.TARGET_REPLACED,
        "Deployment worker was deleted or replaced while the ramp held ROLLOUT on it"),
    "no Deployment": (
        None, Reason.TARGET_REPLACED,
        "Deployment worker was deleted or replaced while the ramp held ROLLOUT on it"),
}
# fmt: on


@pytest.mark.parametrize(("worker", "reason", "text"), TAKEN.values(), ids=TAKEN)
def test_who_took_a_target_is_named_and_the_others_go_back(worker, reason, text) -> None:
    decision = prove(workload(), worker)
    stage = decision.state.stage
    assert isinstance(stage, RollingBack)
    assert stage.ends_contested
    assert (stage.because.reason, stage.because.message) == (reason, text)
    assert written(decision) == [("api", "10")]


def test_a_value_taken_rules_over_a_write_that_was_refused() -> None:
    decision = prove(workload(), workload("worker", 33), refusals=("api: 403",))
    stage = decision.state.stage
    assert isinstance(stage, RollingBack)
    assert stage.because.reason is Reason.OVERWRITTEN


def test_every_refusal_is_told() -> None:
    found = (workload(value=50), workload("worker", 10))
    refusals = ("api: quota", "worker: 403")
    stage = prove(*found, was=applying(written=()), refusals=refusals).state.stage
    assert isinstance(stage, RollingBack)
    assert (stage.because.reason, stage.because.message) == (
        Reason.WRITE_REFUSED,
        "api: quota; worker: 403",
    )
    assert not stage.ends_contested


def test_targets_that_carry_the_value_are_remembered_for_good() -> None:
    stage = prove(workload(), workload("worker", 10), was=applying(written=("x/x",))).state.stage
    assert isinstance(stage, Applying)
    assert stage.written == ("api/api", "x/x")


# --- progress


def slow(proven: int, *, after: float, of: object = None, **facts: object) -> Decision:
    """Look at one target of eight pods some minutes after its last progress."""
    was = applying(progress=Progress(began=T, proven=proven, grew=T))
    pods = lagging(0)
    both = pair(coverage=replace(pods, proven=proven // 2, desired=4), **facts)
    return prove(*both, was=was, after=after * MINUTE, of=of or plan())


@pytest.mark.parametrize(
    ("minutes", "stage"), [(15, Applying), (15.01, RollingBack), (151, RollingBack)]
)
def test_a_proof_may_stand_still_for_its_timeout(minutes, stage) -> None:
    assert isinstance(slow(4, after=minutes).state.stage, stage)


def test_a_new_most_of_proven_pods_is_progress_and_fewer_are_not() -> None:
    best = Progress(began=T, proven=5, grew=T)
    two = prove(*pair(coverage=lagging(3)), was=applying(progress=best), after=10 * MINUTE)
    assert two.state.stage.progress == Progress(began=T, proven=6, grew=T + 10 * MINUTE)
    crashing = prove(*pair(coverage=lagging(2)), was=applying(progress=best), after=10 * MINUTE)
    assert crashing.state.stage.progress == best


def test_a_pod_that_comes_and_goes_is_no_progress() -> None:
    was, after = state(applying()), 0
    for proven in (1, 0, 1, 0, 1):
        after += 5
        saw = seen(*pair(coverage=lagging(proven)), after=after * MINUTE)
        was = decide(plan(), was, saw).state
    assert isinstance(was.stage, RollingBack)


def test_a_large_slow_fleet_that_makes_progress_is_waited_for() -> None:
    was = state(applying())
    for n in range(1, 11):
        pods = replace(lagging(n), desired=400)
        was = decide(plan(), was, seen(*pair(coverage=pods), after=14 * n * MINUTE)).state
    assert isinstance(was.stage, Applying)


@pytest.mark.parametrize(("minutes", "stage"), [(150, Applying), (151, RollingBack)])
def test_ten_timeouts_are_the_most(minutes, stage) -> None:
    grew = T + (minutes - 1) * MINUTE
    was = applying(progress=Progress(began=T, proven=6, grew=grew))
    found = prove(*pair(coverage=lagging(3)), was=was, after=minutes * MINUTE)
    assert isinstance(found.state.stage, stage)


def test_the_longest_deadline_of_a_target_counts_and_never_less_than_the_timeout() -> None:
    patient = (
        workload(coverage=lagging(0), progress_deadline=HOUR),
        workload("worker", coverage=lagging(0), progress_deadline=MINUTE),
    )
    assert isinstance(prove(*patient, after=HOUR).state.stage, Applying)
    assert isinstance(prove(*patient, after=HOUR + SECOND).state.stage, RollingBack)


def test_a_timeout_says_for_how_long_and_who_lags() -> None:
    stage = slow(2, after=16).state.stage
    assert isinstance(stage, RollingBack)
    assert (stage.because.reason, stage.because.message) == (
        Reason.PROOF_TIMEOUT,
        (
            "no progress for 15m: 2 of 8 pods run 50; waiting for api-x (Pending: Unschedulable),"
            " api-x (Pending: Unschedulable)"
        ),
    )


def test_a_timeout_that_asks_a_person_keeps_the_proof_going() -> None:
    decision = slow(2, after=16, of=plan(on_failure=OnFailure.HOLD))
    (opened,) = decision.state.gates
    assert opened.name == "breach"
    assert opened.why.startswith("no progress for 15m")
    later = prove(was=decision.state.stage, after=HOUR)
    assert isinstance(later.state.stage, Soaking)


def test_a_write_that_is_missing_is_made_before_time_is_up() -> None:
    half = (workload(coverage=lagging(0)), workload("worker", 10))
    decision = prove(*half, was=applying(written=()), after=HOUR)
    assert written(decision) == [("worker", "50")]


def test_the_time_of_the_pods_begins_when_the_last_write_is_seen() -> None:
    """A pass may sleep between what it saw and its writes: that time is none of the pods'."""
    was = applying(written=("api/api",))
    late = prove(*pair(coverage=lagging(0)), was=was, after=HOUR)
    stage = late.state.stage
    assert isinstance(stage, Applying)
    assert stage.progress == Progress(began=T + HOUR, grew=T + HOUR)
    gone_on = prove(*pair(coverage=lagging(0)), was=stage, after=HOUR + 15 * MINUTE)
    assert gone_on.state.stage == stage
    first_last = prove(
        *pair(coverage=lagging(0)), was=replace(stage, written=("worker/worker",)), after=2 * HOUR
    )
    assert first_last.state.stage == replace(
        stage, progress=Progress(began=T + 2 * HOUR, grew=T + 2 * HOUR)
    )


@pytest.mark.parametrize(("minutes", "slow_told"), [(1, False), (7.5, False), (7.6, True)])
def test_a_proof_that_stands_still_for_half_its_time_is_told(minutes, slow_told) -> None:
    notes = told(slow(2, after=minutes), Reason.PROOF_SLOW)
    assert bool(notes) is slow_told
    assert all(one.warning for one in notes)


# --- the proof


def test_a_proof_tells_pods_mixed_exposure_and_the_end_of_the_soak() -> None:
    decision = prove()
    assert [(n.reason, n.message) for n in decision.notes] == [
        (
            Reason.PODS_PROVEN,
            "8 of 8 pods proven at 50 (mixed exposure 1m15s, left out of the guardrails)",
        ),
        (Reason.SOAK_STARTED, "soak started: at 50% until 2026-11-24T12:01:15Z"),
    ]


def test_a_soak_remembers_what_it_is_watched_with() -> None:
    stage = stage_of(prove(*pair(template="t9")))
    assert stage.templates == ("t9", "t9")
    assert stage.evidence.counts == ()
    assert stage.evidence.counted_to == stage.evidence.t0 == T + MINUTE + 15 * SECOND


def test_an_unknown_target_is_no_proof() -> None:
    assert isinstance(prove(workload(), workload("worker", coverage=None)).state.stage, Applying)


# fmt: off
TEXTS = {
    "all": (pair(), "8 of 8 pods run 50"),
    "nobody asked": (pair(coverage=None), "0 of 0 pods run 50"),
    "one lags": (
        (workload(coverage=lagging()), workload("worker")),
        "7 of 8 pods run 50; waiting for api-x (Pending: Unschedulable)"),
    "three lag": (
        (workload(coverage=covered(1, 4, lagging=tuple(Lag(n, "why") for n in "abc"))),),
        "1 of 4 pods run 50; waiting for a (why), b (why), c (why)"),
    "four lag": (
        (workload(coverage=covered(0, 4, lagging=tuple(Lag(n, "why") for n in "abcd"))),),
        "0 of 4 pods run 50; waiting for a (why), b (why), c (why) and 1 more"),
    "seven lag": (
        (workload(coverage=covered(0, 7, lagging=tuple(Lag(n, "why") for n in "abcdefg"))),),
        "0 of 7 pods run 50; waiting for a (why), b (why), c (why) and 4 more"),
    "unreadable": (
        (workload(coverage=lagging()),
         workload("worker", coverage=covered(0, 0, unreadable="403"))),
        "3 of 4 pods run 50; pods cannot be read: 403"),
}
# fmt: on


@pytest.mark.parametrize(("found", "text"), TEXTS.values(), ids=TEXTS)
def test_who_lags_is_told_the_first_three_by_name(found, text) -> None:
    assert lag_text(plan(), seen(*found), 0) == text


# --- words


def test_values_are_shown_so_that_none_is_mistaken() -> None:
    assert [show(None), show(""), show("10")] == ["absent", '""', "10"]  # type: ignore[arg-type]
    kinds = [Entry(kind) for kind in (EntryKind.VALUE_FROM, EntryKind.DUPLICATE)]
    assert [show_entry(one) for one in (ABSENT, literal(10), *kinds)] == [
        "absent",
        "10",
        "ValueFrom",
        "Duplicate",
    ]


@pytest.mark.parametrize("kind", EntryKind)
def test_only_a_literal_carries_a_value_and_only_an_absence_none(kind: EntryKind) -> None:
    assert carries(Entry(kind, EnvValue("50")), EnvValue("50")) is (kind is EntryKind.LITERAL)
    assert carries(Entry(kind), None) is (kind is EntryKind.ABSENT)


@pytest.mark.parametrize(
    ("owners", "name"),
    [
        ((), ""),
        (OURS, "rampguard"),
        ((KUBECTL,), "kubectl"),
        ((*OURS, KUBECTL), "kubectl"),
        ((*OURS, replace(KUBECTL, manager="terraform")), "terraform"),
        ((*OURS, replace(KUBECTL, value=False)), "rampguard"),
        ((replace(KUBECTL, value=False),), ""),
    ],
)
def test_the_holder_of_a_value_is_whoever_owns_it_beside_us(owners, name) -> None:
    assert holder(workload(owners=owners)) == name


def test_the_original_keeps_who_held_it() -> None:
    decision = decide(plan(), State(), before(workloads=pair(10, owners=(KUBECTL,))))
    assert {one.manager for one in decision.state.originals} == {"kubectl"}
    assert len(STARTED.originals) == len(decision.state.originals)
