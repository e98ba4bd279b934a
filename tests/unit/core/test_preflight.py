"""Pre-flight: every rule that stands before the first write, or a later step."""

from dataclasses import replace

import pytest

from rampguard.core.ask import EnvValue, GitopsPolicy, Target
from rampguard.core.model import Entry, EntryKind, Workload
from rampguard.core.plan import Plan
from rampguard.core.preflight import RULES, STEP_RULES, at_goal, preflight, step_preflight
from rampguard.core.reasons import Reason
from rampguard.core.targets import SHOWN, short
from scenes import ABSENT, before, literal, pair, plan, seen, stamp, workload

ABSENT_START = plan(from_absent=True, origin=0)
NAMED = plan(targets=(Target("api", "web"), Target("worker")))
NO_PODS = plan(targets=(Target("api", min_pods=0), Target("worker", min_pods=0)))
IGNORING = plan(gitops=GitopsPolicy.IGNORE)
THEIRS = stamp(uid="younger", name="other-ramp", original=EnvValue("7"))
IN_GIT = "argocd-controller"


def api(**facts: object) -> Workload:
    """Return a target that may start, but for what is told."""
    value = facts.pop("value", 10)
    return workload("api", value, coverage=None, **facts)


# fmt: off
RULED: dict[str, tuple[Plan, Workload | None, Reason, str]] = {
    "no such Deployment": (
        plan(), None, Reason.TARGET_NOT_FOUND, "Deployment app/api does not exist"),
    "a Deployment on its way out": (
        plan(), api(deleting=True), Reason.TARGET_DELETING, "Deployment api is being deleted"),
    "several containers and none named": (
        plan(), api(container=None, containers=("web", "proxy")), Reason.CONTAINER_NOT_FOUND,
        "Deployment api has several containers (web, proxy): name one in targets"),
    "no such container": (
        NAMED, api(container=None, containers=("api", "proxy")), Reason.CONTAINER_NOT_FOUND,
        "Deployment api has no container web; it has api, proxy"),
    "another ramp at work": (
        plan(), api(stamp=THEIRS, stamp_live=True), Reason.ANOTHER_RAMP_ACTIVE,
        "ramp other-ramp holds ROLLOUT on api; wait for it or abort it"),
    "the stamp of a ramp that is gone": (
        plan(), api(stamp=THEIRS), Reason.ANOTHER_RAMP_ACTIVE,
        ("api carries the stamp of ramp other-ramp, which no longer exists; the value before it"
        ' was "7": restore it, then remove the stamp')),
    "the stamp of a ramp that is gone, from an absent variable": (
        plan(), api(stamp=replace(THEIRS, original=None)), Reason.ANOTHER_RAMP_ACTIVE,
        ("api carries the stamp of ramp other-ramp, which no longer exists; the value before it"
        " was nothing: restore it, then remove the stamp")),
    "a foreign value of any length": (
        plan(), api(value="v" * 900_000), Reason.FROM_MISMATCH,
        f'api runs ROLLOUT="{"v" * 127}…", spec.from wants "10"'),
    "a value from elsewhere": (
        plan(), api(value=Entry(EntryKind.VALUE_FROM)), Reason.VALUE_FROM_SOURCE,
        "ROLLOUT on api comes from valueFrom; only a literal value can be ramped"),
    "the variable twice": (
        plan(), api(value=Entry(EntryKind.DUPLICATE)), Reason.DUPLICATE_ENTRY,
        "ROLLOUT stands more than once in api; leave one entry"),
    "no variable": (
        plan(), api(value=ABSENT), Reason.VALUE_NOT_DECLARED,
        ("ROLLOUT is not declared on api; declare it, or set fromAbsent: true if the app runs"
        " without it")),
    "no variable, but sources that could carry it": (
        plan(), api(value=ABSENT, env_from=("ConfigMap flags", "Secret keys")),
        Reason.VALUE_NOT_DECLARED,
        ("ROLLOUT is not declared on api (it may come from ConfigMap flags, Secret keys); declare"
        " it, or set fromAbsent: true if the app runs without it")),
    "another value": (
        plan(), api(value=20), Reason.FROM_MISMATCH,
        'api runs ROLLOUT="20", spec.from wants "10"'),
    "the same number in another writing": (
        plan(), api(value="10 "), Reason.FROM_MISMATCH,
        'api runs ROLLOUT="10 ", spec.from wants "10"'),
    "an empty value": (
        plan(), api(value=""), Reason.FROM_MISMATCH, 'api runs ROLLOUT="", spec.from wants "10"'),
    "a value where its absence is wanted": (
        ABSENT_START, api(value=0), Reason.FROM_MISMATCH,
        'api runs ROLLOUT="0", spec.from wants the variable absent'),
    "declared in Git": (
        plan(), api(declared_by=IN_GIT), Reason.DECLARED_IN_GIT,
        ("ROLLOUT on api is declared in Git: argocd-controller; take the variable out of Git, or"
        " set gitops.policy: Ignore")),
    "no managedFields": (
        plan(), api(managed=False), Reason.MANAGED_FIELDS_MISSING,
        "Deployment api has no managedFields, so ownership cannot be seen"),
    "a paused Deployment": (
        plan(), api(paused=True), Reason.DEPLOYMENT_PAUSED,
        "Deployment api is paused: kubectl rollout resume deployment/api"),
    "somebody's rollout": (
        plan(), api(rolling_out=True), Reason.ROLLOUT_IN_PROGRESS,
        "Deployment api is in the middle of another rollout"),
    "no pods": (
        plan(), api(desired=0), Reason.NO_PODS,
        ("Deployment api wants 0 pods and none prove nothing; scale it up, or set minPods: 0 on the"
        " target")),
    "a dry run that was refused": (
        plan(), api(refused='admission webhook "policy" denied'), Reason.WRITE_REFUSED,
        'a dry run on api was refused: admission webhook "policy" denied'),
}
FREE: dict[str, tuple[Plan, Workload]] = {
    "all in order": (plan(), api()),
    "our own stamp": (plan(), api(stamp=stamp())),
    "the absence that is wanted": (ABSENT_START, api(value=ABSENT, env_from=("Secret keys",))),
    "declared in Git where that is ignored": (IGNORING, api(declared_by=IN_GIT)),
    "no pods where that is said": (NO_PODS, api(desired=0)),
    "one pod": (plan(), api(desired=1)),
}
LATER = {
    Reason.TARGET_NOT_FOUND, Reason.TARGET_DELETING, Reason.CONTAINER_NOT_FOUND,
    Reason.DECLARED_IN_GIT, Reason.DEPLOYMENT_PAUSED, Reason.ROLLOUT_IN_PROGRESS, Reason.NO_PODS,
    Reason.WRITE_REFUSED,
}
# fmt: on


def first(asked: Plan, found: Workload | None) -> tuple:
    """Return what stands in the way of the first target; the other one is in order."""
    return preflight(asked, before(workloads=(found, sane(asked))))


def sane(asked: Plan) -> Workload:
    return workload("worker", ABSENT if asked.origin is None else 10)


@pytest.mark.parametrize(("asked", "found", "reason", "text"), RULED.values(), ids=RULED)
def test_each_rule_says_what_is_wrong_and_what_to_do(asked, found, reason, text) -> None:
    (unmet,) = first(asked, found)
    assert (unmet.reason, unmet.message) == (reason, text)


@pytest.mark.parametrize(("asked", "found"), FREE.values(), ids=FREE)
def test_what_is_in_order_may_start(asked: Plan, found: Workload) -> None:
    assert first(asked, found) == ()


@pytest.mark.parametrize(("asked", "found", "reason", "text"), RULED.values(), ids=RULED)
def test_a_later_step_expects_our_own_value_and_stamp(asked, found, reason, text) -> None:
    unmet = step_preflight(asked, seen(found, workload("worker", 25)))
    assert [one.reason for one in unmet] == ([reason] if reason in LATER else [])


def test_every_rule_has_its_row() -> None:
    rows = [(asked, found) for asked, found, _, _ in RULED.values() if found is not None]
    for rule in {*RULES, *STEP_RULES}:
        assert any(rule(asked, asked.ask.targets[0], found) for asked, found in rows), rule


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_targets() -> None:
    bad = api(value=20, paused=True, desired=0)
    wrong = [Reason.FROM_MISMATCH, Reason.DEPLOYMENT_PAUSED, Reason.NO_PODS]
    for found, reasons in (
        ((bad, None), [*wrong, Reason.TARGET_NOT_FOUND]),
        ((None, bad), [Reason.TARGET_NOT_FOUND, *wrong]),
    ):
        unmet = preflight(plan(), before(workloads=found))
        assert [one.reason for one in unmet] == reasons


def test_of_a_container_that_is_not_there_nothing_more_is_said() -> None:
    """Its entry is not known: it is not "not declared"."""
    absent = api(value=ABSENT, container=None)
    (only,) = preflight(plan(), before(workloads=(absent, workload("worker", 10))))
    assert only.reason is Reason.CONTAINER_NOT_FOUND


def test_a_target_that_nobody_looked_at_is_a_bug() -> None:
    with pytest.raises(ValueError, match="shorter"):
        preflight(plan(), before(workloads=(api(),)))


# fmt: off
GOALS: dict[str, tuple[tuple[Workload | None, ...], bool]] = {
    "all at the goal": (pair(50), True),
    "all beyond it": (pair(60), False),
    "one is not": ((workload(value=50), workload("worker", 10)), False),
    "one is missing": ((workload(value=50), None), False),
    "the number in another writing": (pair(literal("050")), False),
    "a value from elsewhere": (pair(Entry(EntryKind.VALUE_FROM)), False),
    "a source that seems to say so": (
        pair(Entry(EntryKind.VALUE_FROM, EnvValue("50"))), False),
    "several entries that seem to say so": (
        pair(Entry(EntryKind.DUPLICATE, EnvValue("50"))), False),
}
# fmt: on


@pytest.mark.parametrize(("found", "there"), GOALS.values(), ids=GOALS)
def test_the_goal_is_reached_by_all_or_not_at_all(found, there) -> None:
    assert at_goal(plan(), before(workloads=found)) is there


def test_a_step_is_not_the_goal() -> None:
    assert not at_goal(plan(steps=(25,)), before(workloads=pair(25)))


def test_nothing_is_no_goal() -> None:
    assert not at_goal(plan(), replace(before(), workloads=()))


def test_a_value_that_fits_is_shown_whole() -> None:
    assert short("v" * SHOWN) == "v" * SHOWN
    assert short("v" * (SHOWN + 1)) == "v" * (SHOWN - 1) + "…"
