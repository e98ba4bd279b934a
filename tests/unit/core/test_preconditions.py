"""What must hold before a ramp starts, what of it in a soak, and what people are told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rampguard.core.ask import Leave
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.model import (
    Applying,
    Condition,
    Ended,
    Observation,
    Outcome,
    Pending,
    RollingBack,
    Soaking,
    Stage,
    State,
    Verdict,
)
from rampguard.core.plan import Plan
from rampguard.core.preconditions import unmet
from rampguard.core.reasons import Reason
from rampguard.core.require import (
    Answer,
    Require,
    Required,
    Window,
)
from require_scenes import (
    ALERTS,
    ALL,
    CALM,
    END,
    ENDED,
    FIRES,
    FROM_9,
    GONE,
    INCIDENT,
    LATE,
    LINKS,
    MISSING,
    NOW,
    OPEN,
    OVERRIDDEN,
    OVERRIDE,
    PASSED,
    SEV1,
    STRICT,
    VAGUE,
    WIKI,
    asked,
    found,
    smoke,
    soak,
)
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T,
    before,
    look,
    pair,
    plan,
    seen,
    soaking,
    stage_of,
    state,
    told,
)

# --- the arrows ---------------------------------------------------------------------------------

# What is asked, what is seen, where it leads, why.
START: dict[str, tuple[Plan, Observation, type[Stage], Reason]] = {
    "everything that is asked holds": (asked(), found(), Applying, Reason.APPLYING),
    "nothing is asked": (asked(None), before(), Applying, Reason.APPLYING),
    "links vouch": (asked(LINKS), before(required=Required()), Applying, Reason.APPLYING),
    "nothing was looked at": (asked(), before(), Pending, MISSING),
    "the test was not looked at": (asked(), found(smoke_test=None), Pending, MISSING),
    "alerts were not looked at": (asked(), found(alerts=None), Pending, ALERTS),
    "incidents were not looked at": (asked(), found(incidents=None), Pending, INCIDENT),
    "there is no such ramp": (asked(), found(smoke_test="no such ramp"), Pending, MISSING),
    "the test is of another variable": (asked(), smoke(env="OTHER"), Pending, MISSING),
    "the test is of a variable that begins alike": (
        asked(), smoke(env="ROLLOUT_2"), Pending, MISSING),
    "the test ended at a larger share": (asked(), smoke(to=20), Pending, MISSING),
    "the test ended at a smaller share": (asked(), smoke(to=5), Pending, MISSING),
    "the test goes on": (asked(), smoke(phase="Soaking", ended_at=None), Pending, MISSING),
    "the test was rolled back": (asked(), smoke(phase="RolledBack"), Pending, MISSING),
    "the test was aborted": (asked(), smoke(phase="Aborted"), Pending, MISSING),
    "the test watched nothing": (asked(), smoke(watched=False), Pending, MISSING),
    "the test had a breach": (asked(), smoke(breached=True), Pending, MISSING),
    "the test was blind for a tenth": (asked(), smoke(blind=6 * MINUTE), Pending, MISSING),
    "the test was blind for less than a tenth": (
        asked(), smoke(blind=6 * MINUTE - SECOND), Applying, Reason.APPLYING),
    "the test had no soak": (asked(), smoke(soaked=timedelta(0)), Pending, MISSING),
    "the test was blind at its end": (asked(), smoke(blind_at_end=True), Pending, MISSING),
    "the test is too old": (
        asked(), smoke(ended_at=NOW - 14 * DAY - SECOND), Pending, MISSING),
    "the test is just young enough": (
        asked(), smoke(ended_at=NOW - 14 * DAY), Applying, Reason.APPLYING),
    "an inconclusive test will do": (
        asked(), smoke(conclusive=False), Applying, Reason.APPLYING),
    "an inconclusive test will not do where it must be conclusive": (
        asked(STRICT), smoke(conclusive=False), Pending, VAGUE),
    "a conclusive test will": (asked(STRICT), found(), Applying, Reason.APPLYING),
    "a test that goes on is missing before it is inconclusive": (
        asked(STRICT), smoke(phase="Soaking", ended_at=None, conclusive=False), Pending, MISSING),
    "an alert fires": (asked(), found(alerts=("Down",)), Pending, ALERTS),
    "alerts cannot be seen": (asked(), found(alerts="no answer"), Pending, ALERTS),
    "an incident is open": (asked(), found(incidents=Answer(409)), Pending, INCIDENT),
    "a check that redirects shows nothing": (
        asked(), found(incidents=Answer(302)), Pending, INCIDENT),
    "less than 200 is not 200": (asked(), found(incidents=Answer(199)), Pending, INCIDENT),
    "no content is not 200": (asked(), found(incidents=Answer(204)), Pending, INCIDENT),
    "a check that cannot be asked": (asked(), found(incidents="timeout"), Pending, INCIDENT),
    "the window opens now": (asked(window=FROM_9), found(), Applying, Reason.APPLYING),
    "the window is open": (
        asked(window=Window(not_before=NOW - SECOND, not_after=NOW + SECOND)), found(), Applying,
        Reason.APPLYING),
    "the window is not open yet": (
        asked(window=Window(not_before=NOW + SECOND)), found(), Pending, LATE),
    "the window closes now": (
        asked(window=Window(not_after=NOW)), found(), Applying, Reason.APPLYING),
    "the window has passed": (
        asked(window=Window(not_after=NOW - SECOND)), found(), Pending, LATE),
    "alerts alone": (
        asked(Require(no_firing_alerts=SEV1)), before(required=Required(alerts=())),
        Applying, Reason.APPLYING),
    "a window alone": (
        plan(window=Window(not_after=NOW - SECOND)), before(required=Required()), Pending, LATE),
    "an override starts all the same": (
        asked(replace(ALL, override=OVERRIDE)), found(alerts=("Down",), smoke_test="gone"),
        Applying, Reason.APPLYING),
    "an override starts where nothing could be seen": (
        asked(replace(ALL, override=OVERRIDE)), before(), Applying, Reason.APPLYING),
    "an override never skips the window": (
        asked(replace(ALL, override=OVERRIDE), window=Window(not_after=NOW - SECOND)), found(),
        Pending, LATE),
    "an override never skips the pre-flight": (
        asked(replace(ALL, override=OVERRIDE)),
        replace(found(), workloads=pair(20, coverage=None)), Pending, Reason.FROM_MISMATCH),
    "an override never skips the signals": (
        asked(replace(ALL, override=OVERRIDE)), replace(found(), signals=("no series",)),
        Pending, Reason.SIGNALS_MISSING),
    "an override never skips a signal that was not asked": (
        asked(replace(ALL, override=OVERRIDE)), replace(found(), signals=None),
        Pending, Reason.PENDING),
    "a pause is told once all holds": (asked(paused=True), found(), Pending, Reason.PAUSED),
    "what does not hold is told before a pause": (
        asked(paused=True), found(alerts=("Down",)), Pending, ALERTS),
    "an abort ends it": (
        asked(abort=Leave.KEEP), found(alerts=("Down",)), Ended, Reason.ABORT_ASKED),
    "the goal that stands already needs nothing": (
        asked(), replace(found(alerts=("Down",)), workloads=pair(50, coverage=None)), Ended,
        Reason.ALREADY_AT_GOAL),
}  # fmt: skip


@pytest.mark.parametrize(("of", "saw", "stage", "reason"), START.values(), ids=START)
def test_where_a_ramp_that_waits_goes(
    of: Plan, saw: Observation, stage: type[Stage], reason: Reason
) -> None:
    decision = decide(of, State(), saw)
    assert (type(decision.state.stage), decision.because.reason) == (stage, reason)
    assert bool(decision.actions) is (stage is Applying)
    if isinstance(decision.state.stage, Pending):
        assert decision.state.stage.blocked is (reason not in {Reason.PAUSED, Reason.PENDING})
        assert decision.look_again_in == 30 * SECOND


STEPPED = {"steps": (25,)}
DONE = Reason.COMPLETED

SOAKS: dict[str, tuple[dict, type[Stage], Reason]] = {
    "all that is looked at holds": ({}, Ended, DONE),
    "a step is taken while it holds": (STEPPED, Applying, Reason.APPLYING),
    "an alert holds the end": ({"required": FIRES}, Soaking, ALERTS),
    "an alert holds a step": ({"required": FIRES, **STEPPED}, Soaking, ALERTS),
    "an incident holds the end": ({"required": OPEN}, Soaking, INCIDENT),
    "an incident holds a step": ({"required": OPEN, **STEPPED}, Soaking, INCIDENT),
    "of both the first is the reason": (
        {"required": replace(OPEN, alerts=("Down",))}, Soaking, ALERTS),
    "an unknown holds the end": ({"required": None}, Soaking, ALERTS),
    "the smoke test is looked at no more": ({"required": GONE}, Ended, DONE),
    "the window is of the start alone": ({"window": Window(not_after=T - DAY)}, Ended, DONE),
    "an override goes on": ({"require": OVERRIDDEN, "required": FIRES}, Ended, DONE),
    "in the middle it is told as well": ({"after": HOUR, "required": FIRES}, Soaking, ALERTS),
    "a pause is told first": ({"required": FIRES, "paused": True}, Soaking, Reason.PAUSED),
    "harm rolls back whatever fires": (
        {"required": FIRES, "share": Verdict.BREACHED}, RollingBack, Reason.ROLLING_BACK),
    "blindness is told before what fires": (
        {"required": FIRES, "share": Verdict.NO_DATA}, Soaking, Reason.NO_DATA),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "stage", "reason"), SOAKS.values(), ids=SOAKS)
def test_where_a_soak_goes(facts: dict, stage: type[Stage], reason: Reason) -> None:
    decision = soak(**facts)
    assert (type(decision.state.stage), decision.because.reason) == (stage, reason)


# --- what people are told -------------------------------------------------------------------------


def text(of: Plan, saw: Observation) -> str:
    return "; ".join(one.message for one in unmet(of, State(), saw, started=False))


TEXTS: dict[str, tuple[Plan, Observation, str]] = {
    "no ramp": (
        asked(), found(smoke_test="there is no ramp app/tree-10"),
        "smoke test tree-10: there is no ramp app/tree-10"),
    "not looked at": (asked(), found(smoke_test=None), "smoke test tree-10: not looked at yet"),
    "everything wrong with a test at once": (
        asked(),
        smoke(
            env="OTHER", to=20, breached=True, blind=30 * MINUTE, blind_at_end=True,
            ended_at=NOW - 15 * DAY,
        ),
        ("smoke test tree-10 ramps OTHER, not ROLLOUT; ends at 20, this ramp begins at 10;"
        " had a breach; was blind for 30m of 1h, a tenth or more; was blind at its end;"
        " ended at 2026-11-08T12:01:00Z, longer ago than 336h")),
    "a test that goes on": (
        asked(), smoke(phase="Soaking", ended_at=None),
        "smoke test tree-10 is Soaking, not Completed"),
    "a test that goes on, and is to be conclusive": (
        asked(STRICT), smoke(phase="Soaking", ended_at=None, conclusive=False),
        "smoke test tree-10 is Soaking, not Completed"),
    "a test of nothing": (
        asked(), smoke(watched=False, soaked=timedelta(0)),
        "smoke test tree-10 watched nothing: its value stood there before"),
    "an inconclusive test": (
        asked(STRICT), smoke(conclusive=False, because="no harm found"),
        "smoke test tree-10 was not conclusive: no harm found"),
    "what is not known of a test speaks against it": (
        asked(STRICT), found(smoke_test=replace(ENDED, watched=True)),
        ("smoke test tree-10 was blind for 0s of 0s, a tenth or more;"
        " smoke test tree-10 was not conclusive: ")),
    "a test of which only the end is known": (
        asked(), found(smoke_test=ENDED),
        "smoke test tree-10 watched nothing: its value stood there before"),
    "eight alerts": (
        asked(), found(alerts=tuple("ABCDEFGH")),
        f"alerts with {SEV1} fire: A, B, C and 5 more"),
    "three alerts": (asked(), found(alerts=("A", "B", "C")), f"alerts with {SEV1} fire: A, B, C"),
    "a partial answer": (
        asked(), found(alerts="a partial answer"),
        f"alerts with {SEV1} cannot be seen: a partial answer"),
    "an incident with words": (
        asked(), found(incidents=Answer(409, "INC-7 is open")),
        "incident check pager answers 409, not 200: INC-7 is open"),
    "an incident without words": (
        asked(), found(incidents=Answer(302)), "incident check pager answers 302, not 200"),
    "a check without an answer": (
        asked(), found(incidents="no answer within 5 s"),
        "incident check pager cannot be asked: no answer within 5 s"),
    "before the window": (
        plan(window=Window(not_before=NOW + HOUR)), before(),
        "its window opens at 2026-11-23T13:01:00Z"),
    "after the window": (
        plan(window=Window(not_after=NOW - HOUR)), before(),
        "its window has passed, at 2026-11-23T11:01:00Z; move window.notAfter"),
}  # fmt: skip


@pytest.mark.parametrize(("of", "saw", "words"), TEXTS.values(), ids=TEXTS)
def test_the_words_say_what_is_wrong_and_where(of: Plan, saw: Observation, words: str) -> None:
    assert text(of, saw) == words


def test_every_unmet_one_is_told_at_once() -> None:
    of = asked(STRICT, window=Window(not_before=NOW + HOUR))
    saw = replace(
        smoke(conclusive=False),
        workloads=pair(20, coverage=None),
        required=Required(
            smoke_test=replace(PASSED, conclusive=False), alerts=("Down",), incidents=Answer(500)
        ),
    )
    decision = decide(of, State(), saw)
    for words in ("spec.from wants", "window opens", "not conclusive", "fire: Down", "answers 500"):
        assert words in decision.because.message


def test_missing_signals_are_told_beside_the_rest() -> None:
    decision = decide(asked(), State(), replace(found(alerts=("Down",)), signals=("no series",)))
    assert decision.because.message == f"alerts with {SEV1} fire: Down; no series"


def condition(of: Plan, was: State, saw: Observation) -> Condition | None:
    """Return PreconditionsMet after a pass."""
    after, _ = render(of, saw, decide(of, was, saw))
    return next((c for c in after.conditions if c.type == "PreconditionsMet"), None)


def stalled(of: Plan, saw: Observation) -> str:
    after, _ = render(of, saw, decide(of, State(), saw))
    return next(c.message for c in after.conditions if c.type == "Stalled")


def during(required: Required | None = CALM, after: timedelta = HOUR) -> Observation:
    return seen(after=after, looks=(look(after - 15 * SECOND),), required=required)


CONDITIONS: dict[str, tuple[Plan, State, Observation, str, Reason, str]] = {
    "all holds": (
        asked(window=FROM_9), State(), found(), "True", Reason.MET,
        ("within its window; smoke test tree-10 completed at 2026-11-22T12:01:00Z;"
        f" no alert with {SEV1} fires; incident check pager answers 200")),
    "links": (
        asked(LINKS), State(), before(required=Required()), "True", Reason.MET,
        f"smoke test: {WIKI}test; no open incident: {WIKI}none"),
    "a window alone": (
        plan(window=FROM_9), State(), before(required=Required()), "True", Reason.MET,
        "within its window"),
    "one does not hold": (
        asked(), State(), found(alerts=("Down",)), "False", ALERTS,
        f"alerts with {SEV1} fire: Down"),
    "two do not hold: the first says why": (
        asked(window=FROM_9), State(), replace(found(alerts=("Down",)), now=T - DAY), "False",
        LATE, f"its window opens at 2026-11-23T12:01:00Z; alerts with {SEV1} fire: Down"),
    "an override": (
        asked(OVERRIDDEN), State(), found(alerts=("Down",)), "True", Reason.OVERRIDDEN,
        ("AlertsFiring overridden by @mia: alert X is known, INC-12;"
        f" alerts with {SEV1} fire: Down")),
    "an override that is not needed": (
        asked(replace(LINKS, override=OVERRIDE)), State(), before(required=Required()),
        "True", Reason.MET, f"smoke test: {WIKI}test; no open incident: {WIKI}none"),
    "a soak": (
        asked(window=FROM_9), state(soaking()), during(), "True", Reason.MET,
        f"no alert with {SEV1} fires; incident check pager answers 200"),
    "a soak after what holds at the start alone": (
        plan(window=FROM_9), state(soaking()), during(), "True", Reason.MET,
        "all held before the first write; none of them is looked at after it"),
    "a soak with an incident": (
        asked(), state(soaking()), during(OPEN), "False", INCIDENT,
        "incident check pager answers 503, not 200: INC-7"),
}  # fmt: skip


@pytest.mark.parametrize("row", CONDITIONS.values(), ids=CONDITIONS)
def test_the_condition_says_so(
    row: tuple[Plan, State, Observation, str, Reason, str],
) -> None:
    of, was, saw, *told = row
    shown = condition(of, was, saw)
    assert shown is not None
    assert [shown.status, shown.reason, shown.message] == told


@pytest.mark.parametrize(
    ("of", "saw"),
    {
        "nothing is asked": (plan(), before(required=Required())),
        "nothing was looked at": (asked(), before()),
    }.values(),
)
def test_without_a_question_there_is_no_condition(of: Plan, saw: Observation) -> None:
    assert condition(of, State(), saw) is None


def test_what_was_blocked_once_is_shown_as_met_when_it_starts() -> None:
    blocked, _ = render(asked(), saw := found(alerts=("Down",)), decide(asked(), State(), saw))
    later = replace(found(), now=NOW + HOUR)
    shown = condition(asked(), blocked, later)
    assert shown is not None
    assert (shown.status, shown.since) == ("True", later.now)


def test_a_window_that_has_passed_does_not_promise_a_start_by_itself() -> None:
    opens = stalled(plan(window=Window(not_before=NOW + HOUR)), before(required=Required()))
    passed = stalled(plan(window=Window(not_after=NOW - HOUR)), before(required=Required()))
    closes = (
        stalled(asked(window=Window(not_after=at)), found(alerts=("Down",)))
        for at in (NOW, NOW + HOUR)
    )
    assert all(one.endswith("It starts by itself once this holds") for one in (opens, *closes))
    assert passed.endswith("It starts by itself once this holds and the window is moved")


def test_the_event_of_a_block_comes_once_for_each_cause() -> None:
    first = decide(asked(), State(), found(alerts=("Down",)))
    assert [n.message for n in told(first, Reason.BLOCKED)] == [
        f"AlertsFiring: alerts with {SEV1} fire: Down"
    ]
    again = decide(asked(), first.state, replace(found(alerts=("Other",)), now=NOW + MINUTE))
    assert told(again, Reason.BLOCKED) == ()
    other = decide(asked(), again.state, found(incidents=Answer(500)))
    assert len(told(other, Reason.BLOCKED)) == 1


def test_what_breaks_in_a_soak_is_told_once_and_when_it_holds_again() -> None:
    first = soak(after=HOUR, required=FIRES)
    assert [n.message for n in told(first, ALERTS)] == [
        f"the ramp goes no further until this holds again: alerts with {SEV1} fire: Down"
    ]
    assert all(n.warning for n in told(first, ALERTS))
    again = soak(after=HOUR + MINUTE, required=FIRES, was=first.state)
    assert told(again, ALERTS) == ()
    more = soak(
        after=HOUR + 2 * MINUTE, required=replace(FIRES, incidents=Answer(500)), was=again.state
    )
    assert (told(more, ALERTS), len(told(more, INCIDENT))) == ((), 1)
    less = soak(after=HOUR + 3 * MINUTE, required=OPEN, was=more.state)
    assert told(less, Reason.MET) == told(less, INCIDENT) == ()
    back = soak(after=HOUR + 4 * MINUTE, was=less.state)
    assert [n.message for n in told(back, Reason.MET)] == [
        "every precondition holds again; the ramp goes on"
    ]
    assert stage_of(back).unmet == ()
    anew = soak(after=HOUR + 5 * MINUTE, required=FIRES, was=back.state)
    (one,) = told(anew, ALERTS)
    assert one.key != told(first, ALERTS)[0].key


def test_a_soak_in_which_all_holds_tells_nothing() -> None:
    assert told(soak(after=HOUR), Reason.MET) == ()


def test_a_held_soak_ends_by_itself_once_all_holds() -> None:
    held = soak(required=FIRES)
    over = soak(after=END + HOUR, was=held.state)
    assert isinstance(over.state.stage, Ended)
    assert over.state.stage.outcome is Outcome.COMPLETED
    assert "held: alerts with" in held.because.message
