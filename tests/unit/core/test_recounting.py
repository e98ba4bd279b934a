"""When users are counted in an export, what is remembered of it, and when it is too old."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rampguard.core.ask import Arms
from rampguard.core.decide import decide
from rampguard.core.export import Analytics, Bin, Recount, Recounted, Recounts
from rampguard.core.model import Applying, Pending, RollingBack, Soaking
from rampguard.core.reasons import Reason
from rampguard.core.recounting import (
    DELAYS,
    OUTAGES,
    PACE,
    PAUSE,
    allowed,
    baselines,
    due,
    events_of,
    mark,
    with_outage,
)
from recount_scenes import (
    BEFORE,
    EVEN,
    EVENT,
    LAG,
    MARK,
    PLAN,
    USERS,
    YESTERDAY,
    answer,
    asked,
    known,
    pending,
    soak,
    told,
    waiting,
    watching,
)
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SHARE,
    SPEED,
    T,
    applying,
    before,
    covered,
    pair,
    plan,
    restoring,
    seen,
    soaking,
    state,
)

UNREAD = "FileNotFoundError: there is no file"


# --- what is counted


def test_each_event_is_counted_once_whatever_the_guardrails() -> None:
    other = replace(USERS, name="other", event="clicked")
    twice = replace(USERS, name="twice", dry_run=True)
    ask = plan(guardrails=(SHARE, USERS, other, twice)).ask
    assert events_of(ask) == (EVENT, "clicked")
    assert events_of(plan().ask) == ()


@pytest.mark.parametrize(
    "edited",
    [
        {"analytics": Analytics("others")},
        {"arms": Arms("a", "b")},
        {"experiment": "other"},
        {"guardrails": (SHARE, replace(USERS, event="clicked"))},
    ],
)
def test_what_was_counted_of_something_else_is_forgotten(edited: dict[str, object]) -> None:
    other = replace(PLAN, ask=replace(PLAN.ask, **edited))
    after = decide(other, pending(known(BEFORE)), before()).state.recounts
    assert after.told is None
    assert after.mark == mark(other.ask) != MARK
    assert after.asked is not None
    assert after.count == 2


def test_a_longer_wait_for_the_spot_check_changes_no_count() -> None:
    later = replace(PLAN.ask, analytics=Analytics("events", HOUR))
    assert mark(later) == MARK


@pytest.mark.parametrize(
    "ask", [plan().ask, plan(guardrails=(SHARE, USERS)).ask, plan(analytics=Analytics("e")).ask]
)
def test_without_export_or_event_nothing_is_counted(ask: object) -> None:
    ours = replace(PLAN, ask=ask)
    assert mark(ask) == ""
    assert decide(ours, pending(), before()).state.recounts == Recounts()
    assert decide(ours, state(soaking()), seen()).state.recounts == Recounts()


# --- before the start


def test_the_last_day_is_counted_before_the_start() -> None:
    decision = waiting(pending())
    assert asked(decision) == Recount(
        number=1, origin=T - DAY, since=T - DAY, until=T, at=T, size=DAY
    )
    assert isinstance(decision.state.stage, Pending)
    assert decision.because.reason is Reason.PENDING
    assert decision.because.message == "the analytics export is being read"
    assert not decision.actions


def test_once_it_is_counted_the_ramp_starts_and_keeps_the_day_as_its_baseline() -> None:
    first = waiting(pending())
    decision = waiting(first.state, SECOND, recounted=answer(first, YESTERDAY, after=SECOND))
    assert isinstance(decision.state.stage, Applying)
    (found,) = decision.state.baselines
    assert (found.guardrail, found.span) == ("starts", DAY)
    assert (found.hits, found.exposure, found.rate) == (600, 1000, 0.6)
    assert found.armed


def test_what_hinders_the_start_anyway_lets_nothing_be_counted() -> None:
    wrong = pair(11, coverage=None)
    decision = decide(PLAN, waiting(pending()).state, seen(*wrong, signals=()))
    assert decision.state.recounts.asked is None


NO_EVENT = f'starts: no user who was newly exposed in the last 24h has the event "{EVENT}"'
NO_EVENT += " (export events)"
THIN = {
    "nobody new": (
        (Bin(),),
        "starts: it has no user who was newly exposed in the last 24h (export events)",
    ),
    "no such event": (
        (Bin(control=9, treatment=1),),
        NO_EVENT,
    ),
    "nothing at all": (
        (),
        "starts: it has no user who was newly exposed in the last 24h (export events)",
    ),
}


@pytest.mark.parametrize(("bins", "words"), THIN.values(), ids=THIN)
def test_a_day_with_nothing_to_go_by_blocks_the_start(bins: tuple[Bin, ...], words: str) -> None:
    decision = waiting(pending(known(replace(BEFORE, bins=((EVENT, bins),)))))
    assert (decision.because.reason, decision.because.message) == (Reason.SIGNALS_MISSING, words)
    assert not decision.actions


@pytest.mark.parametrize("one", [Bin(1, 0, 1), Bin(0, 1, 0, 1), Bin(1, 1, 1, 1)])
def test_one_user_with_the_event_is_enough(one: Bin) -> None:
    told_it = replace(BEFORE, bins=((EVENT, (one,)),))
    assert isinstance(waiting(pending(known(told_it))).state.stage, Applying)


def test_an_export_that_cannot_be_read_blocks_the_start_and_is_tried_again() -> None:
    first = waiting(pending())
    failed = answer(first, after=SECOND, unread=UNREAD)
    decision = waiting(first.state, SECOND, recounted=failed)
    assert decision.because.message == f"starts: it cannot be read: {UNREAD} (export events)"
    again = asked(decision)
    assert (again.number, again.at) == (2, T + SECOND + PAUSE)
    assert due(decision.state, again.at - SECOND) is None
    assert due(decision.state, again.at) == replace(again, until=again.at)
    # What was read before is no excuse: it may be gone for good.
    stale = replace(known(BEFORE), asked=first.state.recounts.asked, unread=UNREAD)
    assert waiting(pending(stale)).because.reason is Reason.SIGNALS_MISSING


def test_an_export_that_can_be_read_again_lets_the_ramp_start() -> None:
    blocked = known(None, unread=UNREAD, asked=asked(waiting(pending())), count=1)
    decision = waiting(pending(blocked), SECOND, recounted=replace(BEFORE, number=1))
    assert decision.state.recounts.unread == ""
    assert isinstance(decision.state.stage, Applying)


def test_a_guardrail_that_decides_nothing_blocks_nothing() -> None:
    dry = replace(PLAN.ask, guardrails=(SHARE, SPEED, replace(USERS, dry_run=True)))
    ours = replace(PLAN, ask=dry)
    for recounts in (known(replace(BEFORE, bins=())), known(None, unread=UNREAD)):
        assert isinstance(decide(ours, pending(recounts), before()).state.stage, Applying)
    assert baselines(ours, pending()) == ()


def test_an_export_that_ends_too_early_blocks_the_start() -> None:
    late = replace(BEFORE, reach=T - 11 * MINUTE)
    decision = waiting(pending(known(late)))
    assert decision.because.message == (
        "starts: it ends 2026-11-23T11:49:00Z, 11m ago; allowed are 10m (export events)"
    )
    in_time = known(replace(late, reach=T - 10 * MINUTE))
    assert isinstance(waiting(pending(in_time)).state.stage, Applying)
    silent = waiting(pending(known(replace(BEFORE, reach=None))))
    assert "it has no exposures, or no other events, so far" in silent.because.message


def test_an_export_that_comes_by_the_hour_starts_a_ramp_once_that_is_known() -> None:
    """It ends 50 min ago; then it is delivered, 65 min after what it ended with."""
    old = replace(BEFORE, reach=T - 50 * MINUTE)
    blocked = waiting(pending(known(old)))
    assert blocked.because.reason is Reason.SIGNALS_MISSING
    later = 15 * MINUTE
    asking = waiting(blocked.state, later)
    fresh = answer(asking, YESTERDAY, after=later, reach=T + later - 20 * MINUTE)
    decision = waiting(asking.state, later, recounted=fresh)
    # It was looked at 15 min ago, and would have been again 5 min later: who knows when it came.
    assert decision.state.recounts.delays == (55 * MINUTE,)
    assert isinstance(decision.state.stage, Applying)


def test_it_is_counted_again_while_the_ramp_waits() -> None:
    """Every 5 min; every minute where it does not do; from the origin on as long as it may."""
    for good, pace in ((BEFORE, PACE), (replace(BEFORE, bins=()), PAUSE)):
        was = pending(known(good))
        wait = {"now": T + pace}
        early = decide(PLAN, was, replace(before(), now=T + pace - SECOND, signals=None))
        assert early.state.recounts.asked is None
        again = asked(decide(PLAN, was, replace(before(), **wait, signals=None)))
        assert (again.origin, again.since) == (T - DAY, T + pace - DAY)
    old = replace(BEFORE, origin=T + PACE - 2 * DAY)
    assert asked(waiting(pending(known(old)), PACE, signals=None)).origin == T + PACE - DAY
    old = replace(BEFORE, origin=T + PACE - 2 * DAY + SECOND)
    assert asked(waiting(pending(known(old)), PACE, signals=None)).origin == old.origin


# --- in a soak


def test_the_users_of_a_soak_are_counted_from_its_start_on() -> None:
    decision = soak(known(BEFORE))
    assert asked(decision) == Recount(
        number=2,
        origin=BEFORE.origin,
        since=T,
        until=T + MINUTE,
        at=T + MINUTE,
        size=15 * MINUTE,
    )
    assert due(decision.state, T + MINUTE) == asked(decision)


def test_a_ramp_whose_counts_were_lost_counts_from_a_day_before_its_start() -> None:
    assert asked(soak()).origin == T - DAY
    later = replace(watching().evidence, t0=T + HOUR)
    was = state(watching(since=T + HOUR, evidence=later))
    assert asked(soak(was, HOUR + MINUTE)).origin == T - DAY
    assert asked(soak(replace(was, started_at=None), HOUR + MINUTE)).origin == T + HOUR - DAY


@pytest.mark.parametrize("since", [T - HOUR, T + HOUR])
def test_a_count_of_any_other_soak_is_none_of_this_one(since: datetime) -> None:
    other = soak(known(told(EVEN, since=since)), 20 * MINUTE)
    assert asked(other).since == T
    waits = replace(asked(other), since=since)
    assert asked(soak(known(None, asked=waits), 20 * MINUTE)).since == T


def test_what_was_being_counted_before_the_start_is_not_waited_for() -> None:
    waits = known(None, asked=asked(waiting(pending())))
    assert asked(soak(waits)).since == T


def test_it_is_counted_again_every_five_minutes() -> None:
    was = known(told(EVEN, at=20 * MINUTE))
    assert soak(was, 20 * MINUTE + PACE - SECOND).state.recounts.asked is None
    assert asked(soak(was, 20 * MINUTE + PACE)).since == T


def test_in_a_short_soak_it_is_counted_as_often_as_there_are_bins() -> None:
    short = replace(PLAN.ask, soak=6 * MINUTE)
    ours = plan(**{f: getattr(short, f) for f in ("analytics", "guardrails", "soak")})
    was = state(watching(), recounts=known(told(EVEN, at=MINUTE)))
    assert decide(ours, was, seen(after=MINUTE + 29 * SECOND)).state.recounts.asked is None
    assert decide(ours, was, seen(after=MINUTE + 30 * SECOND)).state.recounts.asked is not None


def test_an_answer_is_remembered_and_one_to_another_question_is_not() -> None:
    first = soak(known(BEFORE))
    fits = answer(first, EVEN, after=2 * MINUTE)
    after = soak(first.state, 2 * MINUTE, recounted=fits).state.recounts
    assert (after.told, after.asked) == (fits, None)
    for number in (fits.number - 1, fits.number + 1):
        other = replace(fits, number=number)
        assert soak(first.state, 2 * MINUTE, recounted=other).state.recounts.told == BEFORE


def test_what_cannot_be_read_in_a_soak_is_tried_again_and_nothing_is_forgotten() -> None:
    counted = told(EVEN)
    first = soak(known(counted), 25 * MINUTE)
    failed = answer(first, after=25 * MINUTE, unread=UNREAD)
    after = soak(first.state, 25 * MINUTE, recounted=failed).state.recounts
    assert (after.told, after.unread) == (counted, UNREAD)
    assert after.asked is not None
    assert (after.asked.number, after.asked.at) == (first.state.recounts.count + 1, T + 26 * MINUTE)


def test_a_step_counts_its_own_users_by_the_same_origin() -> None:
    two = replace(PLAN.ask, steps=(30,))
    ours = plan(**{f: getattr(two, f) for f in ("analytics", "guardrails", "steps")})
    second = watching(step=1, since=T + HOUR, evidence=replace(watching().evidence, t0=T + HOUR))
    was = state(second, recounts=known(told(EVEN)))
    one = asked(decide(ours, was, seen(after=HOUR + MINUTE)))
    assert (one.since, one.origin) == (T + HOUR, T - DAY)


@pytest.mark.parametrize("stage", [applying(), restoring()])
def test_where_nothing_is_judged_nothing_is_counted(stage: Applying | RollingBack) -> None:
    was = state(stage, recounts=known(BEFORE, asked=asked(soak())))
    unproven = pair(coverage=covered(proven=1))
    assert decide(PLAN, was, seen(*unproven)).state.recounts.asked is None
    assert due(was, T + DAY) is not None


def test_without_a_question_nothing_is_due() -> None:
    assert due(state(watching()), T) is None


# --- how late an export may be


def delays(*minutes: int) -> Recounts:
    return known(delays=tuple(n * MINUTE for n in minutes))


@pytest.mark.parametrize(
    ("minutes", "most"),
    [((), 10), ((5,), 10), ((6,), 12), ((6, 90, 6), 12), ((60, 65), 120), ((1, 1, 1, 600), 10)],
)
def test_an_export_may_be_as_old_as_max_blind_or_twice_as_usual(
    minutes: tuple[int, ...], most: int
) -> None:
    assert allowed(PLAN, delays(*minutes)) == most * MINUTE


def advanced(was: Recounts, reach: timedelta | None, at: timedelta) -> Recounts:
    """Take in an answer of an export that reaches so far."""
    first = soak(was, at)
    until = None if reach is None else T + reach
    fits = answer(first, EVEN, after=at, reach=until)
    return soak(first.state, at, recounted=fits).state.recounts


def test_the_usual_delay_is_how_old_the_end_was_when_it_went_on() -> None:
    was = known(told(EVEN, at=20 * MINUTE))  # reaches 19
    assert advanced(was, 40 * MINUTE, 50 * MINUTE).delays == (6 * MINUTE,)
    assert advanced(was, 19 * MINUTE, 50 * MINUTE).delays == ()
    assert advanced(was, 18 * MINUTE, 50 * MINUTE).delays == ()
    assert advanced(was, None, 50 * MINUTE).delays == ()
    assert advanced(known(told(EVEN, reach=None)), 40 * MINUTE, 50 * MINUTE).delays == ()


def test_time_in_which_nobody_counted_is_no_delay() -> None:
    """A day without an operator would let an export be dead for two."""
    was = known(told(EVEN, at=20 * MINUTE))
    assert advanced(was, DAY, DAY + MINUTE).delays == (6 * MINUTE,)


def test_only_the_latest_delays_are_remembered() -> None:
    was = replace(delays(*range(DELAYS)), told=told(EVEN))
    after = advanced(was, 40 * MINUTE, 50 * MINUTE)
    assert after.delays == (*was.delays[1:], 6 * MINUTE)


# --- outages


def evidence(**facts: object) -> object:
    return replace(soaking().evidence, **facts)


def test_users_who_come_while_not_every_pod_is_proven_are_left_out() -> None:
    lost = evidence(unproven_since=T + MINUTE)
    was = state(watching(evidence=lost), recounts=known(told(EVEN)))
    decision = decide(PLAN, was, seen(*pair(coverage=covered(3)), after=HOUR))
    one = due(decision.state, T + HOUR)
    assert one is not None
    assert one.outages == ((T + MINUTE, T + HOUR),)
    back = decide(PLAN, was, seen(after=HOUR))
    assert isinstance(back.state.stage, Soaking)
    (outage,) = back.state.stage.evidence.outages
    assert outage[0] == T + MINUTE
    assert outage[1] == back.state.stage.evidence.counted_to >= T + HOUR
    again = due(back.state, T + HOUR)
    assert again is not None
    assert again.outages == (outage,)


def test_outages_are_remembered_only_where_an_export_is_counted() -> None:
    lost = evidence(unproven_since=T + MINUTE)
    assert with_outage(plan(), lost, T + HOUR) == ()
    assert with_outage(PLAN, evidence(), T + HOUR) == ()


def test_of_too_many_outages_the_two_nearest_become_one() -> None:
    """Users between two that are a day apart are good ones."""
    starts = [T + n * HOUR for n in range(OUTAGES)]
    starts[31] = starts[30] + 20 * MINUTE
    every = tuple((at, at + MINUTE) for at in starts)
    lost = evidence(outages=every[:-1], unproven_since=every[-1][0])
    assert with_outage(PLAN, lost, every[-1][1]) == every
    more = evidence(outages=every, unproven_since=T + 99 * HOUR)
    last = (T + 99 * HOUR, T + 100 * HOUR)
    joined = (every[30][0], every[31][1])
    assert with_outage(PLAN, more, last[1]) == (*every[:30], joined, *every[32:], last)
    many = evidence(outages=(*every, last), unproven_since=T + 101 * HOUR)
    assert len(with_outage(PLAN, many, T + 102 * HOUR)) == OUTAGES + 1
    near = evidence(outages=every, unproven_since=every[-1][1] + MINUTE)
    after = with_outage(PLAN, near, every[-1][1] + 2 * MINUTE)
    assert after == (*every[:-1], (every[-1][0], every[-1][1] + 2 * MINUTE))


# --- baselines


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        (YESTERDAY, 0.6),
        (Bin(control=100, treatment=100, control_hits=60, treatment_hits=30), 0.6),
        (Bin(treatment=100, treatment_hits=30), 0.3),
        (Bin(treatment=1, treatment_hits=1), 1.0),
        (Bin(), 0.0),
    ],
)
def test_the_rate_before_is_that_of_control_or_of_all(day: Bin, rate: float) -> None:
    (found,) = baselines(PLAN, pending(known(replace(BEFORE, bins=((EVENT, (day,)),)))))
    assert found.rate == rate
    assert found.armed is (day.control + day.treatment > 0)


def test_a_count_has_no_bins_of_an_event_that_it_does_not_know() -> None:
    strange = Recounted(number=1, origin=T - DAY, since=T - DAY, at=T)
    (found,) = baselines(PLAN, pending(known(strange)))
    assert found.exposure == 0
    assert LAG == 2 * MINUTE


# --- what an export loses


def lost(had: int, has: int, **facts: object) -> Recounts:
    """Take in a count of an export that knows fewer users than it did."""
    first = soak(known(told(EVEN, known=had)), 25 * MINUTE)
    fits = answer(first, Bin(has, 0), after=25 * MINUTE, **({"known": has} | facts))
    return soak(first.state, 25 * MINUTE, recounted=fits).state.recounts


@pytest.mark.parametrize(
    ("had", "has", "kept"),
    [(400, 359, True), (400, 360, False), (400, 500, False), (20, 9, True), (20, 10, False)],
)
def test_an_export_that_lost_users_is_not_believed(had: int, has: int, *, kept: bool) -> None:
    """What was counted holds; who comes back would be new once more, without the start."""
    after = lost(had, has)
    assert after.told is not None
    assert (after.told.known == had) is kept
    words = f"it has {has} of the {had} users that it had: it must keep a day and the soak"
    assert after.unread == (words if kept else "")
    assert (after.asked is not None) is kept


def test_a_smaller_sample_or_another_origin_has_lost_nobody() -> None:
    assert lost(400, 100, one_in=2).unread == ""
    assert lost(400, 100, origin=T).unread == ""
    assert lost(400, 100, origin=T - 2 * DAY).unread == ""


def test_users_who_turn_out_not_to_be_new_are_not_lost() -> None:
    """Yesterday's file comes late: fewer are new, and more are known."""
    after = lost(400, 500)
    assert after.told is not None
    assert (after.unread, sum(after.told.bins[0][1][0]), after.told.known) == ("", 500, 500)
    first = soak(known(told(EVEN, known=2000)), 25 * MINUTE)
    fewer = answer(first, Bin(10, 10), after=25 * MINUTE, known=2600)
    assert soak(first.state, 25 * MINUTE, recounted=fewer).state.recounts.told == fewer


def test_a_count_from_before_a_long_hindrance_is_read_anew_and_nothing_is_missed() -> None:
    """The export was not read meanwhile; that is no fault of its own."""
    hours = 8 * HOUR
    decision = waiting(pending(known(BEFORE)), hours)
    assert decision.because.message == "the analytics export is being read"
    assert asked(decision).since == T + hours - DAY
    assert isinstance(waiting(pending(known(BEFORE)), 20 * MINUTE).state.stage, Applying)
    still = waiting(pending(known(BEFORE)), 20 * MINUTE + SECOND)
    assert still.because.reason is Reason.PENDING


def test_of_too_many_outages_those_with_the_shortest_time_between_become_one() -> None:
    """Neither their lengths nor their starts say what lies between."""
    far = [(T + n * DAY, T + n * DAY + MINUTE) for n in range(2, OUTAGES)]
    first = (T, T + 50 * MINUTE), (T + HOUR, T + 2 * HOUR)  # 10 min apart
    second = (T + DAY, T + DAY + MINUTE), (T + DAY + 15 * MINUTE, T + DAY + 16 * MINUTE)  # 14 min
    every = (*first, *second, *far[: OUTAGES - 4])
    more = evidence(outages=every, unproven_since=T + 99 * DAY)
    after = with_outage(PLAN, more, T + 99 * DAY + MINUTE)
    assert after[:3] == ((T, T + 2 * HOUR), *second)
    assert len(after) == OUTAGES
