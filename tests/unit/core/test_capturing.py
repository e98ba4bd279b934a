"""The capture of affected sessions: when it is made, and what follows."""

from dataclasses import replace

import pytest

from rampguard.core.ask import Leave
from rampguard.core.capture import Capture, Captured
from rampguard.core.capturing import due, is_whole
from rampguard.core.decide import decide
from rampguard.core.export import Analytics
from rampguard.core.model import (
    Decision,
    Ended,
    Finding,
    RollbackRecord,
    RollingBack,
    State,
    Verdict,
)
from rampguard.core.reasons import Reason
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T,
    judged,
    judging,
    over,
    pair,
    plan,
    restoring,
    seen,
    soaking,
    state,
    told,
    watch,
)

PLAN = plan(analytics=Analytics("events"))
BACK = state(restoring(), rollback=RollbackRecord(because=restoring().because, started_at=T))


def verified(of: object = PLAN, **facts: object) -> Decision:
    return decide(of, BACK, seen(*pair(10), after=HOUR, **{"captures": True, **facts}))


def capture(of: Decision) -> Capture:
    assert of.state.rollback is not None
    assert of.state.rollback.capture is not None
    return of.state.rollback.capture


def after(of: Decision, minutes: float, **facts: object) -> Decision:
    saw = seen(*pair(10), after=HOUR + minutes * MINUTE, captures=True, **facts)
    return decide(PLAN, of.state, saw)


def test_a_proven_rollback_plans_it_for_five_minutes_later() -> None:
    ended = verified()
    until = T + HOUR + 5 * MINUTE
    assert capture(ended) == Capture(number=1, since=T, until=until, at=until)
    assert ended.look_again_in == 5 * MINUTE
    assert due(ended.state, until - SECOND) is None
    assert due(ended.state, until) == capture(ended)


GOES = plan(analytics=Analytics("events"), deleting=True)


@pytest.mark.parametrize("ended", [verified(plan()), verified(captures=False), verified(GOES)])
def test_without_an_export_or_a_place_nothing_is_captured(ended: Decision) -> None:
    assert isinstance(ended.state.stage, Ended)
    assert ended.state.rollback is not None
    assert ended.state.rollback.capture is None
    assert due(ended.state, T + DAY) is None


def test_it_never_holds_the_rollback() -> None:
    assert isinstance(verified().state.stage, Ended)


KEPT = Captured(number=1, url="file:///c/x.jsonl.gz", records=12, users=3, sha256="ab")


def test_what_was_captured_stands_in_the_status_and_is_told() -> None:
    made = after(verified(), 6, captured=KEPT)
    found = capture(made)
    assert (found.url, found.records, found.users, found.sha256) == (KEPT.url, 12, 3, "ab")
    (note,) = told(made, Reason.SESSIONS_CAPTURED)
    assert note.message == "12 records of 3 users captured: file:///c/x.jsonl.gz"
    again = after(made, 7, captured=KEPT)
    assert not again.notes
    assert due(again.state, T + DAY) is None
    assert again.look_again_in == HOUR


def test_what_fails_is_told_once_and_tried_again() -> None:
    failed = after(verified(), 6, captured=Captured(number=1, failed="no such file"))
    (note,) = told(failed, Reason.CAPTURE_FAILED)
    assert note.message == ("affected sessions are not captured: no such file; it is tried again")
    assert note.warning
    found = capture(failed)
    assert (found.number, found.why, found.at) == (2, "no such file", T + HOUR + 11 * MINUTE)
    second = after(failed, 12, captured=Captured(number=2, failed="still not"))
    assert not told(second, Reason.CAPTURE_FAILED)
    assert capture(second).why == "still not"
    made = after(second, 18, captured=replace(KEPT, number=3))
    assert (capture(made).url, capture(made).why) == (KEPT.url, "")


def test_after_a_day_it_is_given_up() -> None:
    minutes = 24 * 60 + 5
    late = after(verified(), minutes - 1, captured=Captured(number=1, failed="gone"))
    assert capture(late).at is not None
    given_up = after(verified(), minutes, captured=Captured(number=1, failed="gone"))
    assert capture(given_up).at is None
    assert due(given_up.state, T + 9 * DAY) is None
    (note,) = told(given_up, Reason.CAPTURE_GIVEN_UP)
    assert note.message.endswith("gone; given up after 24h")
    assert note.warning


@pytest.mark.parametrize("came", [replace(KEPT, number=7), None])
def test_what_came_of_another_try_is_not_taken(came: Captured | None) -> None:
    assert capture(after(verified(), 6, captured=came)).url == ""


def test_without_a_rollback_nothing_is_taken() -> None:
    was = state(soaking())
    assert decide(PLAN, was, seen(captured=KEPT)).state.rollback is None
    ended = state(over())
    assert decide(PLAN, ended, seen(captured=KEPT)).state.rollback is None
    assert due(State(), T) is None


def test_a_rollback_names_the_finding_that_it_follows() -> None:
    broken = judging(40 * MINUTE, judged(Verdict.BREACHED))
    back = watch(broken, was=state(soaking()))
    assert isinstance(back.state.stage, RollingBack)
    assert back.state.rollback is not None
    assert back.state.rollback.finding == "40m at 50%"


def test_of_several_breaches_the_last_is_named() -> None:
    first = Finding(
        after=10 * MINUTE, at=T, share=25, verdict=Verdict.BREACHED, evidence="it was accepted"
    )
    broken = judging(40 * MINUTE, judged(Verdict.BREACHED))
    back = watch(broken, was=state(soaking(), findings=(first,)))
    assert back.state.rollback is not None
    assert back.state.rollback.finding == "40m at 50%"


def test_a_rollback_for_another_reason_names_none() -> None:
    kept = Finding(after=HOUR, at=T, share=50, verdict=Verdict.BREACHED, evidence="it was accepted")
    was = state(soaking(), findings=(kept,))
    back = decide(plan(abort=Leave.ROLLBACK), replace(was, abort=Leave.ROLLBACK), seen())
    assert back.state.rollback is not None
    assert back.state.rollback.finding == ""


def test_it_stays_due_until_it_is_made() -> None:
    ended = verified()
    until = capture(ended).until
    for late in (0 * SECOND, SECOND, HOUR):
        assert due(ended.state, until + late) is not None


def test_an_export_is_waited_for_an_hour() -> None:
    one = capture(verified())
    assert is_whole(one, one.until + HOUR - SECOND)
    for late in (HOUR, 2 * HOUR):
        assert not is_whole(one, one.until + late)
