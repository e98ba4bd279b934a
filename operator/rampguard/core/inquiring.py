"""The spot-check of analytics: when an export is read, what it says, and what follows.

a soak is old enough, a finding is near     -> its records since the start are read
read                                        -> told; never more: the guardrails decide
not read, or nothing since the start yet    -> each told once, read again a minute later
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from rampguard.core.analytics import Summary
from rampguard.core.ask import Arms
from rampguard.core.export import Analysed, Inquiry
from rampguard.core.model import Note, Observation, Soaking, State
from rampguard.core.moves import note, told_once
from rampguard.core.plan import Plan
from rampguard.core.probing import LEAD
from rampguard.core.reasons import Reason

PAUSE = timedelta(minutes=1)  # until an export that could not be read is tried again
INVALID = 0.001  # of the lines may be no record: an export has its odd line
FEW = 5  # lines that are none show nothing: the last of a file may just be written


def asked_in_soak(plan: Plan, state: State, stage: Soaking, now: datetime) -> State:
    """Return the state with a reading that is due and was not made yet."""
    wanted, known = plan.ask.analytics, state.inquiries
    if wanted is None or known.asked is not None or now - stage.since < wanted.after:
        return state
    key = f"{stage.step}/{_last_due(plan, stage, wanted.after, now):.0f}"
    if known.over == key:
        return state
    number = known.count + 1
    asked = Inquiry(
        number=number,
        key=key,
        share=plan.values[stage.step],
        since=stage.since,
        until=now,
        at=now,
    )
    return replace(state, inquiries=replace(known, asked=asked, count=number))


def _last_due(plan: Plan, stage: Soaking, after: timedelta, now: datetime) -> float:
    """Return for which instant of the soak it is read now: the first, or a finding after it."""
    passed = now + LEAD - stage.since
    later = (one for one in plan.findings[stage.step] if after < one <= passed)
    return max((after, *later)).total_seconds()


def take_in(state: State, seen: Observation) -> tuple[State, tuple[Note, ...]]:
    """Take in what an export said."""
    known, told = state.inquiries, seen.analysed
    if known.asked is None or told is None or told.number != known.asked.number:
        return state, ()
    if told.unread:
        number = known.count + 1
        again = replace(known.asked, number=number, at=seen.now + PAUSE)
        after = replace(known, asked=again, count=number, told=told)
        return told_once(replace(state, inquiries=after), _unread(told, known.asked.key))
    after = replace(known, asked=None, over=known.asked.key, told=told)
    return replace(state, inquiries=after), (_note(told),)


def _unread(told: Analysed, key: str) -> Note:
    if told.fault is Reason.EXPORT_EMPTY:
        text = f"the export says nothing yet: {told.unread}; it is read again each minute"
        return note(Reason.EXPORT_EMPTY, text, key)
    text = f"the export cannot be read: {told.unread}; it is tried again each minute"
    return note(Reason.EXPORT_UNREADABLE, text, key, warning=True)


def _note(told: Analysed) -> Note:
    if told.fault is None:
        return note(Reason.ANALYTICS_AS_WANTED, f"analytics: {told.text}", told.number)
    return note(told.fault, f"analytics: {told.text}", told.number, warning=True)


def due(state: State, now: datetime) -> Inquiry | None:
    """Return the reading to make now, up to now; None: none is."""
    asked = state.inquiries.asked
    return replace(asked, until=now) if asked is not None and asked.at <= now else None


def without_inquiry(state: State) -> State:
    """Return the state with nothing being read."""
    if state.inquiries.asked is None:
        return state
    return replace(state, inquiries=replace(state.inquiries, asked=None))


def judge(asked: Inquiry, arms: Arms, said: Summary, at: datetime) -> Analysed:
    """Return what a summary of the records of a reading comes to."""
    by_arm = {one.arm: one for one in said.arms}
    treatment, control = by_arm[arms.treatment], by_arm[arms.control]
    (grown,) = said.growths
    facts = Analysed(
        number=asked.number,
        share=asked.share,
        at=at,
        records=said.records - said.outside,
        refused=said.refused_inside,
        users=grown.total,
        treated=grown.treatment,
        sessions=treatment.session_starts + control.session_starts,
        in_both=said.in_both,
    )
    if facts.refused > max(FEW, INVALID * (facts.records + facts.refused)):
        return replace(facts, fault=Reason.RECORDS_INVALID, text=_invalid(facts, said))
    if not grown.total:
        return replace(facts, fault=Reason.EXPORT_EMPTY, unread=_nothing(facts, asked))
    silent = next((one for one in (treatment, control) if not one.new_users), None)
    fault = None if grown.in_line else Reason.ARMS_UNLIKE
    if fault is not None and silent is not None:
        fault = Reason.ARM_SILENT
    return replace(facts, fault=fault, text="; ".join(_text(facts, asked, said)))


def _text(told: Analysed, asked: Inquiry, said: Summary) -> Iterator[str]:
    (grown,) = said.growths
    share = f"{told.treated / told.users:.1%}" if told.users else "none"
    interval = f"[{grown.interval.low:.1%}, {grown.interval.high:.1%}]"
    yield f"{share} {interval} of {told.users} new users in treatment, want {asked.share}%"
    if said.all_exposures is not None and said.all_exposures.by_cookie:
        every = said.all_exposures
        yield (
            f"of all {every.exposures} exposures {every.share:.1%}: {every.by_cookie} by cookie,"
            " drawn before, not judged"
        )
    yield f"{told.sessions} session starts"
    if told.in_both:
        yield f"{told.in_both} users in both arms"
    if told.refused:
        yield f"{told.refused} lines are no record"
    if said.beyond:
        yield f"{said.beyond} of too many kinds, not counted"


def _invalid(told: Analysed, said: Summary) -> str:
    lines = told.records + told.refused
    reasons = ", ".join(f"{why.words} ({count}x)" for why, count in said.reasons[:3])
    first = said.first_refused[0].place
    return (
        f"{told.refused} of {lines} lines are no record; of all: {reasons}, the first line"
        f" {first.line} of {first.source}"
    )


def _nothing(told: Analysed, asked: Inquiry) -> str:
    return f"no new user in {told.records} records since {asked.since:%Y-%m-%dT%H:%M:%SZ}"


def told_text(told: Analysed) -> str:
    """Say what an export said, for people."""
    return told.text or told.unread
