"""When an export is read, what it says, and what follows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from export_scenes import ARMS, NOON, Block, Seen, crowd, exposed, summed, tallied
from rampguard.core.analytics import Asked, Fault, Refusal, Summary, Tally, summary
from rampguard.core.ask import Arms
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.export import Analysed, Analytics, Inquiries, Inquiry
from rampguard.core.inquiring import due, judge
from rampguard.core.model import (
    Applying,
    Condition,
    Decision,
    RollingBack,
    Soaking,
    State,
    Verdict,
)
from rampguard.core.reasons import Reason
from scenes import (
    HOUR,
    MINUTE,
    SECOND,
    T,
    before,
    judged,
    judging,
    look,
    pair,
    plan,
    seen,
    soaking,
    state,
    told,
    watch,
)

READS = Analytics("events")
PLAN = plan(analytics=READS)
ASKED = Inquiry(number=1, key="0/900", share=50, since=NOON, until=NOON + HOUR, at=NOON)
PAIR = Arms("tree", "list")


def soak(after: timedelta, was: State | None = None, **facts: object) -> Decision:
    return decide(PLAN, was or state(soaking()), seen(after=after, **facts))


def asked(decision: Decision) -> Inquiry:
    found = decision.state.inquiries.asked
    assert found is not None
    return found


def said(of: Decision, after: timedelta, **facts: object) -> Decision:
    """Make the pass that is told what the export said."""
    one = asked(of)
    plain = Analysed(number=one.number, share=one.share, at=T + after, text="50.0% of 200")
    return soak(after, was=of.state, analysed=replace(plain, **facts))


# --- when


def test_it_is_read_once_a_soak_is_old_enough() -> None:
    assert soak(15 * MINUTE - SECOND).state.inquiries == Inquiries()
    decision = soak(15 * MINUTE)
    assert asked(decision) == Inquiry(
        number=1,
        key="0/900",
        share=50,
        since=T,
        until=T + 15 * MINUTE,
        at=T + 15 * MINUTE,
    )
    read = said(decision, 15 * MINUTE + SECOND)
    assert read.state.inquiries.asked is None
    assert read.state.inquiries.over == "0/900"
    assert soak(20 * MINUTE, was=read.state).state.inquiries.asked is None


def test_it_is_read_again_shortly_before_each_finding() -> None:
    was = state(soaking(), inquiries=Inquiries(count=1, over="0/900"))
    assert soak(HOUR - 31 * SECOND, was=was).state.inquiries.asked is None
    decision = soak(HOUR - 30 * SECOND, was=was)
    assert (asked(decision).key, asked(decision).number) == ("0/3600", 2)
    read = said(decision, HOUR - 29 * SECOND)
    assert soak(HOUR + MINUTE, was=read.state).state.inquiries.asked is None
    assert asked(soak(7 * HOUR, was=read.state)).key == "0/21600"


def test_a_finding_before_it_is_read_first_is_none_of_its_own() -> None:
    of = plan(analytics=Analytics("events", HOUR))
    decision = decide(of, state(soaking()), seen(after=HOUR))
    assert asked(decision).key == "0/3600"


def test_each_step_is_read_anew() -> None:
    of = plan(analytics=READS, steps=(25,))
    was = state(soaking(1), inquiries=Inquiries(count=3, over="0/900"))
    decision = decide(of, was, seen(after=15 * MINUTE))
    assert (asked(decision).key, asked(decision).share) == ("1/900", 50)


def test_a_reading_of_a_step_ends_with_it() -> None:
    of = plan(analytics=READS, steps=(25,))
    late = decide(of, state(soaking()), seen(after=16 * MINUTE, workloads=pair(25)))
    assert asked(late).share == 25
    over_ = watch(look(HOUR), of=of, was=late.state, both=pair(25), after=HOUR + MINUTE)
    assert isinstance(over_.state.stage, Applying)
    assert over_.state.inquiries.asked is None


def test_without_analytics_nothing_is_read() -> None:
    assert decide(plan(), state(soaking()), seen(after=HOUR)).state.inquiries == Inquiries()


def test_a_reading_reaches_up_to_when_it_is_made() -> None:
    was = state(soaking(), inquiries=Inquiries(asked=ASKED))
    assert due(was, NOON - SECOND) is None
    assert due(was, NOON + 2 * HOUR) == replace(ASKED, until=NOON + 2 * HOUR)
    assert due(state(soaking()), NOON) is None


# --- what follows


def test_what_it_says_is_an_event_and_no_more() -> None:
    right = said(soak(15 * MINUTE), 15 * MINUTE + SECOND)
    (note,) = told(right, Reason.ANALYTICS_AS_WANTED)
    assert (note.message, note.warning) == ("analytics: 50.0% of 200", False)
    wrong = said(soak(15 * MINUTE), 15 * MINUTE + SECOND, fault=Reason.ARM_SILENT)
    (note,) = told(wrong, Reason.ARM_SILENT)
    assert note.warning
    assert isinstance(wrong.state.stage, Soaking)
    assert not wrong.state.gates


def test_what_cannot_be_read_is_told_once_and_tried_again() -> None:
    decision = said(soak(15 * MINUTE), 16 * MINUTE, unread="no such file")
    (note,) = told(decision, Reason.EXPORT_UNREADABLE)
    assert note.message == "the export cannot be read: no such file; it is tried again each minute"
    assert (asked(decision).number, asked(decision).at) == (2, T + 17 * MINUTE)
    assert asked(decision).key == "0/900"
    again = said(decision, 17 * MINUTE, unread="no such file")
    assert not told(again, Reason.EXPORT_UNREADABLE)
    empty = said(decision, 17 * MINUTE, unread="no new user", fault=Reason.EXPORT_EMPTY)
    (note,) = told(empty, Reason.EXPORT_EMPTY)
    assert note.message == (
        "the export says nothing yet: no new user; it is read again each minute"
    )
    assert not note.warning
    assert asked(again).number == 3
    read = said(again, 18 * MINUTE)
    assert read.state.inquiries.asked is None


def test_an_answer_to_another_reading_is_not_taken() -> None:
    decision = soak(15 * MINUTE)
    late = Analysed(number=77, share=50, at=T)
    assert soak(16 * MINUTE, was=decision.state, analysed=late).state.inquiries.told is None
    assert soak(MINUTE, analysed=late).state.inquiries == Inquiries()


def test_what_ends_is_not_read() -> None:
    decision = soak(15 * MINUTE)
    broken = judging(20 * MINUTE, judged(Verdict.BREACHED))
    back = watch(broken, of=PLAN, was=decision.state)
    assert isinstance(back.state.stage, RollingBack)
    assert back.state.inquiries.asked is None
    assert back.state.inquiries.count == 1


def test_a_finding_tells_what_the_export_said() -> None:
    kept = Inquiries(over="0/3600", told=Analysed(number=1, share=50, at=T + HOUR, text="50.0%"))
    decision = watch(look(HOUR), of=PLAN, was=state(soaking(), inquiries=kept))
    (finding,) = decision.state.findings
    assert finding.details == ("analytics at 2026-11-23T13:00:00Z: 50.0%",)
    for share in (25, 75):
        other = replace(kept, told=replace(kept.told, share=share))
        decision = watch(look(HOUR), of=PLAN, was=state(soaking(), inquiries=other))
        assert decision.state.findings[0].details == ()


# --- the condition


def condition(known: Analysed | None) -> Condition:
    was = state(soaking(), inquiries=Inquiries(over="0/900", told=known))
    saw = seen(after=20 * MINUTE)
    found = render(PLAN, saw, decide(PLAN, was, saw))[0].conditions
    return next(one for one in found if one.type == "AnalyticsVerified")


SAID = Analysed(number=1, share=50, at=T, text="50.0% of 200")


@pytest.mark.parametrize(
    ("known", "status", "reason", "words"),
    [
        (None, "Unknown", "Pending", "the export was not read yet"),
        (SAID, "True", "AnalyticsAsWanted", "50.0% of 200 (at 2026-11-23T12:00:00Z)"),
        (replace(SAID, fault=Reason.ARMS_UNLIKE), "False", "ArmsUnlike",
         "50.0% of 200 (at 2026-11-23T12:00:00Z)"),
        (replace(SAID, text="", unread="gone"), "Unknown", "ExportUnreadable",
         "gone (at 2026-11-23T12:00:00Z)"),
        (replace(SAID, text="", unread="none", fault=Reason.EXPORT_EMPTY), "Unknown",
         "ExportEmpty", "none (at 2026-11-23T12:00:00Z)"),
    ],
)  # fmt: skip
def test_what_was_said_is_a_condition(
    known: Analysed | None, status: str, reason: str, words: str
) -> None:
    found = condition(known)
    assert (found.status, found.reason, found.message) == (status, reason, words)


def test_without_analytics_there_is_no_condition() -> None:
    saw = before()
    found = render(plan(), saw, decide(plan(), State(), saw))[0].conditions
    assert all(one.type != "AnalyticsVerified" for one in found)


# --- what a summary comes to


def judge_(events: list[Seen], share: int = 50, said_: Summary | None = None) -> Analysed:
    told = said_ or summed(events, Asked(arms=ARMS.arms, share=share / 100))
    return judge(replace(ASKED, share=share), PAIR, told, NOON)


def test_arms_that_grow_alike_are_as_wanted() -> None:
    found = judge_(crowd(100, 100))
    assert (found.fault, found.unread, found.users, found.treated) == (None, "", 200, 100)
    assert found.text == (
        "50.0% [35.1%, 64.9%] of 200 new users in treatment, want 50%; 0 session starts"
    )


def test_what_dashboards_show_is_told_beside_it() -> None:
    kept = crowd(10, 90, source="cookie")
    found = judge_([*crowd(100, 100), *kept, exposed("assignment 50 0", "tree")])
    assert found.fault is None
    assert "of all 301 exposures 36.5%: 100 by cookie, drawn before, not judged" in found.text
    assert found.text.endswith("; 1 users in both arms")


def test_sessions_are_told() -> None:
    events = crowd(100, 100)
    starts = [replace(one, name="session_started_from_tree") for one in events[:7]]
    assert "; 7 session starts" in judge_([*events, *starts]).text


def test_arms_that_do_not_grow_alike_are_told() -> None:
    assert judge_(crowd(200, 800)).fault is Reason.ARMS_UNLIKE


@pytest.mark.parametrize(("listed", "treed"), [(0, 300), (300, 0)])
def test_an_arm_that_says_nothing_is_told(listed: int, treed: int) -> None:
    found = judge_(crowd(listed, treed))
    assert found.fault is Reason.ARM_SILENT
    assert f"{100.0 if listed else 0.0}%" in found.text


def test_an_arm_may_be_silent_where_few_are_due() -> None:
    assert judge_(crowd(0, 30), share=1).fault is None


def test_an_export_without_a_new_user_is_not_read_yet() -> None:
    assert judge_([]).unread == "no new user in 0 records since 2026-11-24T12:00:00Z"
    old = [replace(one, at=NOON - HOUR) for one in crowd(10, 10)]
    tally = tallied([*old, *crowd(3, 3, source="cookie")], since=NOON)
    found = judge_([], said_=summary(tally, Asked(arms=ARMS.arms, share=0.5), NOON))
    assert found.unread == "no new user in 6 records since 2026-11-24T12:00:00Z"
    assert found.fault is Reason.EXPORT_EMPTY


@pytest.mark.parametrize(("lines", "fault"), [(5, None), (6, Reason.RECORDS_INVALID)])
def test_an_odd_line_is_told_and_many_are_a_fault(lines: int, fault: Reason | None) -> None:
    tally = begun(999, 1000)
    for line in range(lines):
        tally.refuse(17 + line, Refusal(Fault.MISSING, "user_id"))
    told_ = summary(tally, Asked(arms=ARMS.arms, share=0.5), NOON)
    found = judge_([], said_=told_)
    assert (found.refused, found.fault) == (lines, fault)
    assert f"{lines} " in found.text
    assert "lines are no record" in found.text


def test_many_odd_lines_are_named() -> None:
    tally = begun(5, 5)
    for line in range(6):
        tally.refuse(17 + line, Refusal(Fault.MISSING, "user_id"))
    found = judge_([], said_=summary(tally, Asked(arms=ARMS.arms, share=0.5), NOON))
    assert found.fault is Reason.RECORDS_INVALID
    assert found.text == (
        "6 of 16 lines are no record; of all: user_id is missing (6x), the first line 17 of a.jsonl"
    )


def test_a_large_export_needs_more_odd_lines() -> None:
    for lines, fault in ((20, None), (21, Reason.RECORDS_INVALID)):
        tally = begun(10000, 10000)
        for line in range(lines):
            tally.refuse(line, Refusal(Fault.NOT_JSON))
        told_ = summary(tally, Asked(arms=ARMS.arms, share=0.5), NOON)
        assert judge_([], said_=told_).fault is fault


def test_odd_lines_of_before_the_soak_are_none_of_its_own() -> None:
    tally = Tally(since=NOON)
    tally.begin("a.jsonl")
    for line in range(50):
        tally.refuse(line, Refusal(Fault.NOT_JSON))
    events = [replace(one, at=NOON - HOUR) for one in crowd(50, 50)]
    tally.add(events, range(100))
    tally.refuse(200, Refusal(Fault.NOT_JSON))
    tally.add(crowd(50, 50), range(100))
    tally.refuse(400, Refusal(Fault.NOT_JSON))
    found = judge_([], said_=summary(tally, Asked(arms=ARMS.arms, share=0.5), NOON))
    assert (found.refused, found.fault) == (1, None)


def test_other_experiments_do_not_hide_ours() -> None:
    others = [Seen(f"u{n}", Block("list", name=f"x{n // 4}", rollout=n % 4)) for n in range(400)]
    told_ = summary(
        tallied([*others, *crowd(60, 60)], experiment="layout"),
        Asked(arms=ARMS.arms, share=0.5),
        NOON,
    )
    assert told_.beyond == 0
    assert judge_([], said_=told_).users == 120


def test_what_is_of_too_many_kinds_is_told() -> None:
    many = [exposed(f"m{n}", "list", rollout=str(n)) for n in range(120)]
    assert "of too many kinds, not counted" in judge_([*crowd(300, 200), *many]).text


def begun(listed: int, treed: int) -> Tally:
    tally = Tally()
    tally.begin("a.jsonl")
    events = crowd(listed, treed)
    tally.add(events, range(len(events)))
    return tally


# --- edges


def test_sessions_of_both_arms_are_added() -> None:
    events = crowd(100, 100)
    starts = [replace(one, name="session_started_from_tree") for one in (*events[:3], *events[-2:])]
    assert judge_([*events, *starts]).sessions == 5


def test_records_outside_the_window_are_none_of_it() -> None:
    old = [replace(one, at=NOON - HOUR) for one in crowd(5, 5)]
    told_ = summary(
        tallied([*old, *crowd(30, 30)], since=NOON), Asked(arms=ARMS.arms, share=0.5), NOON
    )
    assert judge_([], said_=told_).records == 60


@pytest.mark.parametrize("number", [0, 2])
def test_what_another_reading_said_is_not_taken(number: int) -> None:
    decision = soak(15 * MINUTE)
    told_ = Analysed(number=number, share=50, at=T, text="x")
    assert soak(16 * MINUTE, was=decision.state, analysed=told_).state.inquiries.told is None


def test_a_finding_at_the_first_reading_is_the_same_reading() -> None:
    of = plan(analytics=Analytics("events", HOUR), findings=(MINUTE, HOUR, 2 * HOUR))
    decision = decide(of, state(soaking()), seen(after=HOUR + MINUTE))
    assert asked(decision).key == "0/3600"
    early = decide(of, state(soaking()), seen(after=59 * MINUTE))
    assert early.state.inquiries.asked is None


def test_a_reading_is_due_at_its_very_instant() -> None:
    was = state(soaking(), inquiries=Inquiries(asked=ASKED))
    assert due(was, NOON) == replace(ASKED, until=NOON)
    assert due(was, NOON + SECOND) is not None


def test_three_reasons_and_the_first_line_are_named() -> None:
    tally = begun(5, 5)
    faults = (Fault.NOT_JSON, Fault.MISSING, Fault.WRONG_TYPE, Fault.TOO_LONG)
    for count, fault in zip((4, 3, 2, 1), faults, strict=True):
        for line in range(count):
            tally.refuse(10 * count + line, Refusal(fault))
    text = judge_([], said_=summary(tally, Asked(arms=ARMS.arms, share=0.5), NOON)).text
    assert text.startswith("10 of 20 lines are no record; of all: ")
    assert text.count("x)") == 3
    assert text.endswith("the first line 40 of a.jsonl")


def test_an_export_that_cannot_be_read_is_a_warning() -> None:
    decision = said(soak(15 * MINUTE), 16 * MINUTE, unread="no such file")
    assert told(decision, Reason.EXPORT_UNREADABLE)[0].warning


def test_lines_and_records_are_added() -> None:
    """5,998 and 6 are 6,004, of which six lines are less than one in a thousand."""
    tally = begun(2999, 2999)
    for line in range(6):
        tally.refuse(line, Refusal(Fault.NOT_JSON))
    told_ = summary(tally, Asked(arms=ARMS.arms, share=0.5), NOON)
    assert judge_([], said_=told_).fault is None


def test_a_finding_before_the_first_reading_is_not_read_for() -> None:
    of = plan(analytics=Analytics("events", 30 * MINUTE), findings=(10 * MINUTE, 20 * MINUTE))
    decision = decide(of, state(soaking()), seen(after=31 * MINUTE))
    assert asked(decision).key == "0/1800"
