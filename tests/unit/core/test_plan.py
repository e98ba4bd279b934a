"""The plan: steps, soaks, findings, and the instants at which to look."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rampguard.core.ask import Ask, Ref
from rampguard.core.model import Evidence, Finding, Line, Verdict
from rampguard.core.plan import (
    Plan,
    due_findings,
    look_instants,
    make_plan,
    next_finding,
    schedule,
    soak_end,
    until_next_look,
)
from scenes import ASK, DAY, HOUR, MINUTE, SECOND, TEMPO, T, plan, soaking

SHORT = plan(soak=10 * MINUTE)


def found(after: timedelta, share: int = 50) -> Finding:
    return Finding(
        after=after, at=T + after, share=share, verdict=Verdict.WITHIN_TOLERANCE, evidence=""
    )


def test_a_plan_has_a_soak_for_each_step_and_a_longer_one_at_the_goal() -> None:
    told = plan(steps=(20, 30), step_soak=2 * HOUR, soak=DAY)
    assert told.values == (20, 30, 50)
    assert told.soaks == (2 * HOUR, 2 * HOUR, DAY)
    assert told.findings == ((HOUR, 2 * HOUR), (HOUR, 2 * HOUR), (HOUR, 6 * HOUR, DAY))
    assert told.last == 2
    assert [told.literal(i) for i in range(3)] == ["20", "30", "50"]


def test_a_plan_without_steps_goes_straight_to_its_goal() -> None:
    assert (plan().values, plan().last) == ((50,), 0)


def test_the_origin_is_a_literal_or_the_absence_of_one() -> None:
    assert plan().origin == "10"
    assert plan(from_absent=True).origin is None


@pytest.mark.parametrize(
    ("asked", "soak", "due"),
    [
        (None, DAY, (HOUR, 6 * HOUR, DAY)),
        (None, 2 * DAY, (HOUR, 6 * HOUR, DAY, 2 * DAY)),
        (None, 6 * HOUR, (HOUR, 6 * HOUR)),
        (None, 10 * MINUTE, (10 * MINUTE,)),
        ((), DAY, ()),
        ((2 * HOUR, HOUR, HOUR), DAY, (HOUR, 2 * HOUR)),
        ((HOUR, DAY), 2 * HOUR, (HOUR,)),
        ((HOUR,), HOUR, (HOUR,)),
    ],
)
def test_findings_are_due_as_asked_as_far_as_they_fit(asked, soak, due) -> None:
    assert schedule(asked, soak) == due


def test_a_soak_ends_its_length_after_its_start() -> None:
    assert soak_end(plan(), soaking(since=T + MINUTE)) == T + DAY + MINUTE
    assert soak_end(plan(steps=(25,)), soaking()) == T + HOUR


@pytest.mark.parametrize(
    ("recorded", "until", "due"),
    [
        ((), T + HOUR - SECOND, ()),
        ((), T + HOUR, (HOUR,)),
        ((), T + DAY, (HOUR, 6 * HOUR, DAY)),
        ((found(HOUR),), T + DAY, (6 * HOUR, DAY)),
        ((found(HOUR, share=25),), T + HOUR, (HOUR,)),
        ((found(HOUR, share=75),), T + HOUR, (HOUR,)),
        ((found(2 * MINUTE),), T + HOUR, (HOUR,)),
    ],
)
def test_a_finding_is_due_until_it_is_recorded(recorded, until, due) -> None:
    assert due_findings(plan(), soaking(), recorded, until) == due


def test_the_next_finding_is_the_first_that_is_missing() -> None:
    assert next_finding(plan(), soaking(), ()) == T + HOUR
    assert next_finding(plan(), soaking(), (found(HOUR),)) == T + 6 * HOUR
    assert next_finding(SHORT, soaking(), (found(10 * MINUTE),)) is None


# fmt: off
INSTANTS: dict[str, tuple[Plan, dict[str, object], timedelta, tuple[timedelta, ...]]] = {
    "before the first look": (plan(), {}, 44 * SECOND, ()),
    "the first look, settled": (plan(), {}, 45 * SECOND, (30 * SECOND,)),
    "between two looks the one before": (plan(), {}, 74 * SECOND, (30 * SECOND,)),
    "the second look": (plan(), {}, 75 * SECOND, (MINUTE,)),
    "after an outage the last look alone": (plan(), {}, 30 * MINUTE, (29.5 * MINUTE,)),
    "with the findings that were missed, oldest first": (
        plan(), {}, 7 * HOUR, (HOUR, 6 * HOUR, 7 * HOUR - 30 * SECOND)),
    "a finding that is also a look is one": (plan(), {}, HOUR + 15 * SECOND, (HOUR,)),
    "the end of a soak, at its own instant": (
        plan(soak=100 * SECOND, findings=()), {}, 2 * MINUTE, (90 * SECOND, 100 * SECOND)),
    "the end at the first moment that it is settled": (
        plan(soak=100 * SECOND, findings=()), {}, 115 * SECOND, (90 * SECOND, 100 * SECOND)),
    "after the end the end stays": (
        plan(soak=100 * SECOND, findings=()), {}, 3 * MINUTE, (100 * SECOND, 150 * SECOND)),
    "what is counted is not looked at again": (
        plan(), {"counted_to": T + 30 * SECOND}, 74 * SECOND, ()),
    "nor what lies before it": (plan(), {"counted_to": T + 40 * SECOND}, 74 * SECOND, ()),
    "what is counted in part is": (
        plan(), {"counted_to": T + 29 * SECOND}, 74 * SECOND, (30 * SECOND,)),
    "a lost proof lets nothing fall due, but looks go on": (
        plan(), {"unproven_since": T + 70 * SECOND}, HOUR + MINUTE, (HOUR + 30 * SECOND,)),
    "nor the end of a soak": (
        plan(soak=100 * SECOND, findings=()), {"unproven_since": T + 70 * SECOND}, HOUR,
        (HOUR - 30 * SECOND,)),
    "a proof that is lost only now hides no settled look": (
        plan(), {"unproven_since": T + 75 * SECOND}, 75 * SECOND, (MINUTE,)),
    "a clock that went back": (plan(), {}, -HOUR, ()),
}
# fmt: on


@pytest.mark.parametrize(("asked", "facts", "now", "due"), INSTANTS.values(), ids=INSTANTS)
def test_looks_are_due_at_settled_instants(asked, facts, now, due) -> None:
    evidence = replace(Evidence(t0=T, counted_to=T), **facts)
    told = look_instants(asked, soaking(evidence=evidence), (), T + now)
    assert told == tuple(T + one for one in due)


def test_a_recorded_finding_is_not_looked_at_again() -> None:
    told = look_instants(plan(), soaking(), (found(HOUR),), T + 2 * HOUR)
    assert told == (T + 2 * HOUR - 30 * SECOND,)


@pytest.mark.parametrize(
    ("now", "pause"),
    [
        (-MINUTE, 105 * SECOND),
        (0 * SECOND, 45 * SECOND),
        (15 * SECOND, 30 * SECOND),
        (44 * SECOND, SECOND),
        (45 * SECOND, 30 * SECOND),
        (10 * MINUTE, 15 * SECOND),
        (10 * MINUTE + 15 * SECOND, 30 * SECOND),
        (9 * MINUTE + 44.95 * SECOND, 0.1 * SECOND),
    ],
)
def test_the_next_look_is_worth_taking_once_it_is_settled(now, pause) -> None:
    assert until_next_look(SHORT, soaking(), T + now) == pause


def test_the_end_of_a_soak_is_looked_at_though_no_look_falls_on_it() -> None:
    odd = plan(soak=100 * SECOND)
    assert until_next_look(odd, soaking(), T + 106 * SECOND) == 9 * SECOND
    assert until_next_look(odd, soaking(), T + 116 * SECOND) == 19 * SECOND


def test_the_plan_of_the_same_ask_is_the_same() -> None:
    asked: Ask = replace(ASK, steps=(20,))
    assert make_plan(asked, TEMPO) == make_plan(asked, TEMPO)


def test_names_and_lines_read_as_people_write_them() -> None:
    assert str(Ref("app", "tree-50")) == "app/tree-50"
    at: datetime = T + timedelta(milliseconds=900)
    assert str(Line(at, "pods proven")) == "2026-11-23T12:00:00Z  pods proven"
