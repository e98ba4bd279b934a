"""A ramp that is about to start: what it remembers, and what it says while it waits."""

import pytest

from rampguard.core.ask import GateKind
from rampguard.core.decide import decide
from rampguard.core.model import (
    Pending,
    State,
    Workload,
)
from rampguard.core.reasons import Reason
from scenes import (
    HOUR,
    MINUTE,
    T,
    before,
    look,
    pair,
    plan,
    seen,
    soaking,
    stamp,
    state,
    workload,
)

NEW = State()


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
        pair(10, declared_by="argo"), Reason.GITOPS_CONFLICT,
        "ROLLOUT on api is declared in Git: "),
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
