"""The view of a status: phase, progress, pods, findings, targets and soak, for one line each."""

from dataclasses import replace

import pytest

from rampguard.core.ask import Leave
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.model import (
    Because,
    Decision,
    Ended,
    Entry,
    EntryKind,
    Evidence,
    Finding,
    Observation,
    Outcome,
    Pending,
    Phase,
    RollbackRecord,
    Served,
    Soaked,
    State,
    Verdict,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from rampguard.core.view import SoakView, StatusView, TargetView
from scenes import (
    ABSENT,
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
    state,
    workload,
)

STEPPED = plan(steps=(25,))
RECORD = RollbackRecord(because=Because(Reason.DELETED, "x"), started_at=T)


def view(was: State, saw: Observation | None = None, of: Plan | None = None) -> StatusView:
    """Show a state as it is, whatever would come next."""
    decision = Decision(state=was, because=Because(Reason.SOAKING, "at 50%"))
    return render(of or plan(), saw or seen(), decision)[1]


def ended(outcome: Outcome, share: int, **facts: object) -> State:
    return state(replace(over(outcome), share=share), **facts)


# fmt: off
PROGRESS: dict[str, tuple[StatusView, str]] = {
    "nothing was done": (view(State(), seen(*pair(10))), "10"),
    "something else runs": (view(State(), seen(*pair(11))), "11"),
    "each runs another": (view(State(), seen(workload("api", 11), workload("worker", 9))), "11/9"),
    "no number runs": (view(State(), seen(workload("api", "x"), workload("worker", 9))), "10"),
    "nothing is known": (view(State(), seen(None, None)), "10"),
    "on the way to the goal": (view(state(applying())), "10 -> 50"),
    "at the goal": (view(state(soaking())), "10 -> 50"),
    "on the way to a step": (view(state(applying()), of=STEPPED), "10 -> 25 of 50"),
    "at a step": (view(state(soaking()), of=STEPPED), "10 -> 25 of 50"),
    "at the last step": (view(state(soaking(1)), of=STEPPED), "10 -> 50"),
    "on the way back": (view(state(restoring())), "50 -> 10"),
    "on the way back from a step": (view(state(restoring()), of=STEPPED), "25 -> 10"),
    "completed": (view(ended(Outcome.COMPLETED, 50)), "50"),
    "rolled back": (view(ended(Outcome.ROLLED_BACK, 10, rollback=RECORD)), "10 (was 50)"),
    "contested": (view(ended(Outcome.CONTESTED, 10, rollback=RECORD)), "10 (wanted 50)"),
    "contested by a value": (
        view(state(replace(over(Outcome.CONTESTED), share=10, targets=(
            Served(deployment="api", container="api", runs="33", proven=0, desired=5),)))),
        "33 (wanted 50)"),
    "kept at a step": (view(ended(Outcome.ABORTED, 25)), "25 (was 50)"),
    "kept at a step of a ramp that goes down": (
        view(ended(Outcome.ABORTED, 25), of=plan(origin=50, to=10, steps=(25,))), "25 (was 10)"),
    "kept at the goal": (view(ended(Outcome.ABORTED, 50)), "50"),
}
PODS: dict[str, tuple[StatusView, str]] = {
    "not asked": (view(State(), seen(*pair(coverage=None))), "-"),
    "all": (view(state(soaking())), "8/8"),
    "some": (view(state(applying()), seen(*pair(coverage=lagging()))), "6/8"),
    "one target unknown": (
        view(state(applying()), seen(workload(), workload("worker", coverage=None))), "4/4"),
    "as they were at the end": (
        view(state(replace(over(), targets=(
            Served(deployment="api", container="api", runs="50", proven=3, desired=5),)))), "3/5"),
    "an end that counted nobody": (view(state(over())), "-"),
}
# fmt: on


@pytest.mark.parametrize(("found", "text"), PROGRESS.values(), ids=PROGRESS)
def test_progress_says_from_where_to_where(found: StatusView, text: str) -> None:
    assert found.progress == text


@pytest.mark.parametrize(("found", "text"), PODS.values(), ids=PODS)
def test_pods_are_proven_of_desired(found: StatusView, text: str) -> None:
    assert found.pods == text


def test_of_a_value_decided_just_now_no_pod_is_proven() -> None:
    saw = before(workloads=pair(10))
    assert render(plan(), saw, decide(plan(), State(), saw))[1].pods == "0/8"
    stop = replace(saw, workloads=pair(50))
    back = decide(plan(), state(soaking(), abort=Leave.ROLLBACK), stop)
    assert render(plan(), stop, back)[1].pods == "0/8"
    assert view(state(applying(since=T + MINUTE)), seen(after=MINUTE)).pods == "0/8"


def test_of_a_value_decided_by_a_clock_that_is_ahead_pods_are_shown_as_they_are() -> None:
    assert view(state(applying(since=T + HOUR)), seen(after=MINUTE)).pods == "8/8"


def found(verdict: Verdict) -> Finding:
    return Finding(after=HOUR, at=T, share=50, verdict=verdict, evidence="")


@pytest.mark.parametrize(
    ("verdicts", "text"),
    [
        ("", "-"),
        ("W", "1/3 within"),
        ("WW", "2/3 within"),
        ("I", "0/3 within, 1 inconclusive"),
        ("WIN", "1/3 within, 1 inconclusive, 1 no data"),
        ("IIB", "0/3 within, 2 inconclusive, 1 BREACHED"),
    ],
)
def test_findings_are_summed_up(verdicts: str, text: str) -> None:
    kinds = {
        "W": Verdict.WITHIN_TOLERANCE,
        "I": Verdict.INCONCLUSIVE,
        "N": Verdict.NO_DATA,
        "B": Verdict.BREACHED,
    }
    recorded = tuple(found(kinds[one]) for one in verdicts)
    assert view(state(soaking(), findings=recorded)).findings == text


def test_breaches_that_found_no_room_are_summed_up() -> None:
    was = state(soaking(), findings=(found(Verdict.BREACHED),), unrecorded=7)
    assert view(was).findings == "0/3 within, 1 BREACHED, 7 more breaches not recorded"


def test_findings_of_every_step_are_due() -> None:
    recorded = (found(Verdict.WITHIN_TOLERANCE),)
    assert view(state(soaking(), findings=recorded), of=STEPPED).findings == "1/4 within"


# --- targets


def test_a_target_shows_what_it_runs() -> None:
    both = (
        workload(value=10, coverage=lagging()),
        workload("worker", ABSENT, container=None, coverage=covered(0, 0, unreadable="403")),
    )
    assert view(state(applying()), seen(*both)).targets == (
        TargetView(deployment="api", container="api", observed="10", pods="3/4"),
        TargetView(deployment="worker", container="", observed="absent", pods=""),
    )


def test_a_target_that_is_not_there_is_shown_by_its_name() -> None:
    one = workload(value=Entry(EntryKind.VALUE_FROM), coverage=None)
    assert view(State(), seen(one, None)).targets == (
        TargetView(deployment="api", container="api", observed="ValueFrom", pods=""),
        TargetView(deployment="worker"),
    )


def test_an_end_shows_the_targets_as_they_stood() -> None:
    stage = replace(
        over(),
        targets=(Served(deployment="api", container="web", runs="10", proven=4, desired=5),),
    )
    assert view(state(stage), seen(*pair(77))).targets == (
        TargetView(deployment="api", container="web", observed="10", pods="4/5"),
    )


def test_an_end_that_counted_nobody_shows_the_targets_as_they_stand() -> None:
    assert [one.observed for one in view(state(over()), seen(*pair(77))).targets] == ["77", "77"]


# --- the soak


def test_before_a_soak_there_is_none() -> None:
    assert view(State()).soak is None
    assert view(state(applying())).soak is None


def test_a_soak_shows_its_end_and_the_next_finding() -> None:
    assert view(state(soaking())).soak == SoakView(
        started_at=T, ends_at=T + DAY, next_finding_at=T + HOUR
    )
    done = tuple(
        replace(found(Verdict.WITHIN_TOLERANCE), after=after) for after in (HOUR, 6 * HOUR, DAY)
    )
    assert view(state(soaking(), findings=done)).soak.next_finding_at is None


def test_a_soak_that_was_cut_shows_when_it_stopped() -> None:
    cut = Soaked(since=T, until=T + HOUR, cut=True)
    assert view(state(restoring(), soaked=cut)).soak == SoakView(started_at=T, stopped_at=T + HOUR)


def test_a_soak_that_is_over_shows_when_it_ended() -> None:
    whole = Soaked(since=T, until=T + DAY)
    assert view(state(over(), soaked=whole)).soak == SoakView(started_at=T, ends_at=T + DAY)


def test_blind_time_is_of_all_soaks_without_what_still_runs() -> None:
    evidence = Evidence(t0=T, counted_to=T, blind_since=T, blind_total=MINUTE)
    was = state(soaking(evidence=evidence), blind_total=HOUR)
    assert view(was, seen(after=DAY)).blind == HOUR + MINUTE
    assert view(state(over(), blind_total=HOUR)).blind == HOUR


# --- the phase and since when


@pytest.mark.parametrize(
    ("was", "since"),
    [
        (State(), None),
        (State(stage=Pending(since=T + MINUTE)), T + MINUTE),
        (state(soaking(since=T + HOUR)), T + HOUR),
        (state(soaking(), gates=(replace(gate("breach"), since=T + HOUR),)), T + HOUR),
        (
            state(
                soaking(),
                gates=(replace(gate("a"), since=T + HOUR), replace(gate("b"), since=T)),
            ),
            T + HOUR,
        ),
        (state(over(), gates=(replace(gate("a"), since=T + HOUR),)), T),
    ],
)
def test_a_phase_knows_since_when(was: State, since: object) -> None:
    assert view(was).phase_since == since


@pytest.mark.parametrize(
    ("was", "asked", "phase"),
    [
        (State(stage=Pending(blocked=True), gates=(gate("start"),)), {}, Phase.BLOCKED),
        (State(gates=(gate("start"),)), {"paused": True}, Phase.AWAITING_APPROVAL),
        (State(), {"paused": True}, Phase.PAUSED),
        (state(applying()), {"paused": True}, Phase.APPLYING),
        (state(restoring(), gates=(gate("x"),)), {"paused": True}, Phase.ROLLING_BACK),
        (state(over(), gates=(gate("x"),)), {"paused": True}, Phase.COMPLETED),
    ],
)
def test_one_phase_rules_over_another(was: State, asked: dict, phase: Phase) -> None:
    assert view(was, of=plan(**asked)).phase is phase


@pytest.mark.parametrize("outcome", Outcome)
def test_every_end_is_a_phase_of_its_name(outcome: Outcome) -> None:
    assert view(ended(outcome, 50)).phase == Phase(outcome.value)


@pytest.mark.parametrize(
    ("was", "words"),
    [
        (State(stage=Pending(blocked=True)), "Blocked: at 50%"),
        (state(soaking()), "At 50%"),
        (state(restoring()), "Rolling back: at 50%"),
        (state(soaking(), gates=(gate("breach"),)), "Gate breach waits for a person: at 50%"),
    ],
)
def test_a_summary_begins_with_what_matters(was: State, words: str) -> None:
    assert view(was).summary == words


def test_the_summary_of_a_contested_ramp_begins_with_the_name_as_it_is() -> None:
    stage = Ended(
        since=T, outcome=Outcome.CONTESTED, because=Because(Reason.OVERWRITTEN, "api x"), share=10
    )
    assert view(state(stage)).summary == "api x"
    assert view(state(over())).summary == "Why"
