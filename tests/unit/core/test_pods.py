"""Pods: which of them are proven on a value, which stand in the way, and why."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rampguard.core.ask import EnvValue
from rampguard.core.model import Coverage, Entry, EntryKind, Lag
from rampguard.core.pods import Fleet, Pod, coverage
from scenes import ABSENT, MINUTE, T, literal

NEW, OLD, OTHER = literal(50), literal(10), literal(33)
OURS = (EnvValue("25"), EnvValue("50"))
LONG_AGO = T - 10 * MINUTE


def pod(name: str, runs: Entry = NEW, **facts: object) -> Pod:
    """Return a Ready pod; on another value than 50 it is of an older ReplicaSet."""
    told = Pod(name=name, current=runs == NEW, runs=runs, ready=True, since=LONG_AGO)
    return replace(told, **facts)


def fleet(*pods: Pod, desired: int = 2, **facts: object) -> Fleet:
    return replace(Fleet(desired=desired, pods=pods), **facts)


def covering(*pods: Pod, desired: int = 2, wanted: str | None = "50", **facts: object) -> Coverage:
    asked = {one: facts.pop(one) for one in ("min_pods",) if one in facts}
    value = None if wanted is None else EnvValue(wanted)
    told = fleet(*pods, desired=desired, **facts)
    return coverage(told, value, now=T, ours=OURS, **asked)


A, B, C = pod("a"), pod("b"), pod("c")
# fmt: off
PROVEN: dict[str, tuple[Coverage, bool]] = {
    "every desired pod is Ready on the value": (covering(A, B), True),
    "one is missing": (covering(A), False),
    "one is not Ready": (covering(A, replace(B, ready=False)), False),
    "one runs the value before": (covering(A, B, pod("x", OLD)), False),
    "an old one still terminates": (
        covering(A, B, pod("x", OLD, deleting=True, ready=False)), False),
    "one of an older ReplicaSet runs the same value": (
        covering(A, B, pod("x", current=False)), False),
    "a current one runs another value": (covering(A, B, pod("x", OTHER, current=True)), False),
    "the value comes from elsewhere": (
        covering(A, B, pod("x", Entry(EntryKind.VALUE_FROM), current=True)), False),
    "an autoscaler adds pods that are not Ready yet": (
        covering(A, B, replace(C, ready=False), desired=3), False),
    "an autoscaler takes pods away": (covering(A, B, replace(C, deleting=True)), True),
    "more pods than desired, all on the value": (covering(A, B, C), True),
    "the one that leaves was one of two": (covering(A, replace(B, deleting=True)), False),
    "a node is lost and its pod is not Ready": (
        covering(A, replace(B, ready=False, trouble="NodeLost")), False),
    "the controller has not seen the template": (covering(A, B, settled=False), False),
    "nobody is there": (covering(desired=2), False),
    "nobody is wanted and nobody there": (covering(desired=0), False),
    "nobody is wanted where that is said": (covering(desired=0, min_pods=0), True),
    "somebody is wanted although none may do": (covering(desired=2, min_pods=0), False),
    "nobody is wanted and an old one still serves": (
        covering(pod("x", OLD), desired=0, min_pods=0), False),
    "strategy Recreate between the old and the new": (
        covering(desired=2, not_created=""), False),
    "the last moment of minReadySeconds": (
        covering(replace(A, since=T - MINUTE), B, min_ready=MINUTE), True),
    "a moment before minReadySeconds": (
        covering(replace(A, since=T - timedelta(seconds=59)), B, min_ready=MINUTE), False),
    "Ready since an unknown time under minReadySeconds": (
        covering(replace(A, since=None), B, min_ready=MINUTE), False),
    "Ready since an unknown time without minReadySeconds": (
        covering(replace(A, since=None), B), True),
    "the variable is absent where that is wanted": (
        covering(pod("a", ABSENT, current=True), desired=1, wanted=None), True),
    "the variable is still there where its absence is wanted": (
        covering(A, B, wanted=None), False),
}
# fmt: on


@pytest.mark.parametrize(("found", "proven"), PROVEN.values(), ids=PROVEN)
def test_only_every_pod_is_a_proof(found, proven) -> None:
    assert found.is_proven is proven


def test_one_pod_is_the_least_where_nothing_is_said() -> None:
    assert covering(A, B).min_pods == 1


def test_pods_that_cannot_be_read_are_no_proof() -> None:
    assert not replace(covering(A, B), unreadable="403").is_proven


@pytest.mark.parametrize(
    ("found", "proven", "others"),
    [
        (covering(A, B), 2, 0),
        (covering(A, replace(B, ready=False)), 1, 0),
        (covering(A, pod("x", OLD), pod("y", OLD)), 1, 2),
        (covering(A, B, replace(C, ready=False)), 2, 0),
        (covering(A, pod("x", OTHER, current=True)), 1, 1),
        (covering(A, pod("x", current=False)), 1, 1),
        (covering(A, replace(B, deleting=True)), 1, 0),
        (covering(), 0, 0),
    ],
)
def test_pods_are_counted(found: Coverage, proven: int, others: int) -> None:
    assert (found.proven, found.others, found.desired) == (proven, others, 2)


# fmt: off
LAGS: dict[str, tuple[Coverage, tuple[Lag, ...]]] = {
    "nobody lags": (covering(A, B), ()),
    "not Ready, nothing is said": (
        covering(A, replace(B, ready=False)), (Lag("b", "NotReady 10m"),)),
    "not Ready since an unknown time": (
        covering(A, replace(B, ready=False, since=None)), (Lag("b", "NotReady"),)),
    "not Ready, and the reason is known": (
        covering(A, replace(B, ready=False, trouble="ImagePullBackOff")),
        (Lag("b", "ImagePullBackOff"),)),
    "the clock of a node is ahead": (
        covering(A, replace(B, ready=False, since=T + MINUTE)), (Lag("b", "NotReady 0s"),)),
    "fractions of a second are not shown": (
        covering(A, replace(B, ready=False, since=T - timedelta(seconds=2.7))),
        (Lag("b", "NotReady 2s"),)),
    "Ready for too short": (
        covering(A, replace(B, since=T - timedelta(seconds=5)), min_ready=MINUTE),
        (Lag("b", "Ready for 5s of 1m"),)),
    "Ready since an unknown time": (
        covering(A, replace(B, since=None), min_ready=MINUTE),
        (Lag("b", "Ready for an unknown time of 1m"),)),
    "on the value before": (
        covering(A, B, pod("x", OLD)), (Lag("x", "runs 10, old ReplicaSet"),)),
    "on its way out": (
        covering(A, B, pod("x", OLD, deleting=True)),
        (Lag("x", "terminating, runs 10, old ReplicaSet"),)),
    "an old pod in trouble": (
        covering(A, B, pod("x", OLD, ready=False, trouble="CrashLoopBackOff")),
        (Lag("x", "not Ready, CrashLoopBackOff, runs 10, old ReplicaSet"),)),
    "of the value, not of the ReplicaSet": (
        covering(A, B, pod("x", current=False)), (Lag("x", "not of the current ReplicaSet"),)),
    "a current pod on another value": (
        covering(A, B, pod("x", OTHER, current=True)), (Lag("x", "runs 33"),)),
    "an empty value": (
        covering(A, B, pod("x", literal(""), current=True)), (Lag("x", 'runs ""'),)),
    "without the variable": (
        covering(A, B, pod("x", ABSENT, current=True)), (Lag("x", "runs without the variable"),)),
    "a value from elsewhere": (
        covering(A, B, pod("x", Entry(EntryKind.VALUE_FROM), current=True)),
        (Lag("x", "runs a valueFrom"),)),
    "several entries": (
        covering(A, B, pod("x", Entry(EntryKind.DUPLICATE), current=True)),
        (Lag("x", "has several entries"),)),
    "pods that cannot be created": (
        covering(A, desired=4, not_created="exceeded quota"),
        (Lag("3 more", "not created: exceeded quota"),)),
    "pods that are only not there yet": (covering(A, desired=4), ()),
    "a quota that hinders nobody": (covering(A, B, not_created="exceeded quota"), ()),
    "a quota while a fleet shrinks": (covering(A, B, C, not_created="exceeded quota"), ()),
    "a leaving pod does not stand in for one that is missing": (
        covering(A, replace(B, deleting=True), not_created="exceeded quota"),
        (Lag("1 more", "not created: exceeded quota"),)),
    "own pods by name, then the missing, then the others by name": (
        covering(
            replace(B, ready=False), replace(A, ready=False), pod("z", OLD), pod("y", OLD),
            desired=3, not_created="quota"),
        (Lag("a", "NotReady 10m"), Lag("b", "NotReady 10m"), Lag("1 more", "not created: quota"),
         Lag("y", "runs 10, old ReplicaSet"), Lag("z", "runs 10, old ReplicaSet"))),
}
# fmt: on


@pytest.mark.parametrize(("found", "lags"), LAGS.values(), ids=LAGS)
def test_pods_that_lag_are_named_with_their_reason(found, lags) -> None:
    assert found.lagging == lags


@pytest.mark.parametrize(
    ("stranger", "off"),
    [
        (pod("x", OLD), ("x",)),
        (pod("x", OTHER, current=True), ("x",)),
        (pod("x", OLD, ready=False), ()),
        (pod("x", OLD, deleting=True), ("x",)),
        (pod("x", current=False), ()),
    ],
)
def test_a_ready_pod_on_another_value_is_off_it(stranger: Pod, off: tuple[str, ...]) -> None:
    assert covering(A, B, stranger).off_value_ready == off


# fmt: off
LEFT: dict[str, tuple[Pod, bool]] = {
    "a pod on the goal": (pod("x", NEW, current=False), True),
    "a pod on an earlier step": (pod("x", literal(25)), True),
    "one that terminates": (pod("x", NEW, current=False, deleting=True, ready=False), True),
    "one that is not Ready": (pod("x", NEW, current=False, ready=False), True),
    "a pod on a stranger's value": (pod("x", OTHER), False),
    "a pod without the variable": (pod("x", ABSENT), False),
    "a pod whose value comes from elsewhere": (pod("x", Entry(EntryKind.VALUE_FROM)), False),
    "a source that seems to be ours": (
        pod("x", Entry(EntryKind.VALUE_FROM, EnvValue("50"))), False),
    "several entries that seem to be ours": (
        pod("x", Entry(EntryKind.DUPLICATE, EnvValue("50"))), False),
    "an old pod on the original": (pod("x", OLD), False),
}
# fmt: on


@pytest.mark.parametrize(("stranger", "left"), LEFT.values(), ids=LEFT)
def test_what_still_runs_a_value_of_the_ramp_is_left_over(stranger, left) -> None:
    back = pod("a", OLD, current=True)
    found = covering(back, stranger, desired=1, wanted="10")
    assert [one.pod for one in found.leftovers] == (["x"] if left else [])


def test_a_value_of_the_ramp_that_is_also_wanted_is_not_left_over() -> None:
    """A ramp back to a value of its own: an old pod on it is late, and no leftover."""
    found = covering(A, B, pod("x", current=False))
    assert found.leftovers == ()
    assert found.others == 1


def test_a_leftover_says_what_it_does() -> None:
    gone = pod("x", NEW, current=False, deleting=True, trouble="stuck on a lost node")
    (left,) = covering(pod("a", OLD, current=True), gone, desired=1, wanted="10").leftovers
    assert left == Lag("x", "terminating, stuck on a lost node, runs 50, old ReplicaSet")
