"""Guardrails from analytics: when users are counted in an export, and what follows.

before the start    no count yet, or an old one     -> the last day is counted
in a soak           no count of it, or an old one   -> its users are counted
counted             -> remembered; the guardrails judge by it, and by how far the export reaches
fewer than before   -> as not readable: the export lost what it held
not readable        -> tried again a minute later; what was counted before holds as long as it may
the soak is over    -> it waits until the users of all of it are counted

All is counted anew each time: records may come late, twice and out of order.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from statistics import median_low

from rampguard.core.ask import Ask, Guardrail
from rampguard.core.baseline import WINDOW
from rampguard.core.counting import bin_size
from rampguard.core.durations import show_duration
from rampguard.core.export import Bin, Outage, Recount, Recounted, Recounts
from rampguard.core.model import Baseline, Because, Evidence, Observation, Reading, Soaking, State
from rampguard.core.plan import Plan, soak_end
from rampguard.core.reasons import Reason

PACE = timedelta(minutes=5)  # from one count to the next
STALE = timedelta(minutes=20)  # a count of before the start: a reading takes 10 min at most
LOST, SLACK = 0.1, 10  # of the users that are known: a part of them, and so many, may vanish
PAUSE = timedelta(minutes=1)  # until what could not be read, or does not do, is tried again
DELAYS = 9  # that are remembered
OUTAGES = 50  # of a soak


def events_of(ask: Ask) -> tuple[str, ...]:
    """Return the events that guardrails count in the export, each once."""
    return tuple(dict.fromkeys(one.event for one in ask.guardrails if one.event))


def mark(ask: Ask) -> str:
    """Return what the counts depend on, in few characters; "": nothing is counted."""
    names = events_of(ask)
    if not names or ask.analytics is None:
        return ""
    told = ask.analytics.source, ask.experiment, ask.arms, names
    return sha256(repr(told).encode()).hexdigest()[:12]


def take_in(plan: Plan, state: State, seen: Observation) -> State:
    """Take in what was counted."""
    state = _as_asked_now(plan, state)
    known, told = state.recounts, seen.recounted
    if known.asked is None or told is None or told.number != known.asked.number:
        return state
    if why := told.unread or _lost(known.told, told):
        number = known.count + 1
        again = replace(known.asked, number=number, at=seen.now + PAUSE)
        known = replace(known, asked=again, count=number, unread=why)
    else:
        delays = (*known.delays, *_delay(known.told, told))[-DELAYS:]
        known = replace(known, asked=None, told=told, unread="", delays=delays)
    return replace(state, recounts=known)


def _as_asked_now(plan: Plan, state: State) -> State:
    """Return the state without what was counted of other events, or by another export."""
    now = mark(plan.ask)
    if state.recounts.mark == now:
        return state
    return replace(state, recounts=Recounts(mark=now, count=state.recounts.count))


def _lost(before: Recounted | None, told: Recounted) -> str:
    """Say that an export holds fewer users than it did: what it lost would be missed, or new.

    Late records can only add users to those that are known, new or not.
    """
    if before is None or (before.origin, before.one_in) != (told.origin, told.one_in):
        return ""
    had, has = before.known, told.known
    if had - has <= max(SLACK, LOST * had):
        return ""
    return f"it has {has} of the {had} users that it had: it must keep a day and the soak"


def _delay(before: Recounted | None, told: Recounted) -> Iterator[timedelta]:
    """Yield how old the end of the export had become, if it went on since.

    Nobody knows when it did while nothing was counted: that is no delay of the export.
    """
    if before and before.reach and told.reach and told.reach > before.reach:
        yield min(told.at, before.at + PACE) - before.reach


def asked_before_start(plan: Plan, state: State, now: datetime) -> State:
    """Return the state with a count of the last day, if it is due."""
    known = state.recounts
    if not known.mark or known.asked is not None:
        return state
    told = known.told
    if told is not None:
        good = not any(_objections(plan, known))
        if now - told.at < (PACE if good else PAUSE):
            return state
    # What was read stays of use as long as the origin does.
    fresh = now - WINDOW
    origin = told.origin if told is not None and told.origin > fresh - WINDOW else fresh
    return _ask(state, now, since=fresh, origin=origin, size=WINDOW)


def is_unknown(plan: Plan, state: State, now: datetime) -> bool:
    """Say whether nothing was counted lately, and nothing is known against it."""
    known = state.recounts
    return bool(mark(plan.ask)) and not known.unread and _is_stale(known, now)


def _is_stale(known: Recounts, now: datetime) -> bool:
    return known.told is None or now - known.told.at > STALE


def missing(plan: Plan, state: State, now: datetime) -> tuple[Because, ...]:
    """Return what deciding guardrails would miss in the export; empty: nothing that is known."""
    source = plan.ask.analytics.source if plan.ask.analytics else ""
    return tuple(
        Because(Reason.SIGNALS_MISSING, f"{who}: {why} (export {source})")
        for who, why in _objections(plan, state.recounts)
        if state.recounts.unread or not _is_stale(state.recounts, now)
    )


def _objections(plan: Plan, known: Recounts) -> Iterator[tuple[str, str]]:
    """Yield the guardrails that could not judge by the last count, and why."""
    told = known.told
    for one in plan.ask.guardrails:
        if not one.event or one.dry_run:
            continue
        if known.unread:
            yield one.name, f"it cannot be read: {known.unread}"
        elif told and (why := _thin(one, told) or _old(plan, known, told.at, told.since)):
            yield one.name, why


def _thin(guardrail: Guardrail, told: Recounted) -> str:
    """Say that the last day has nothing to go by; empty: it has."""
    day = total(bins_of(guardrail, told))
    if not day.control + day.treatment:
        return "it has no user who was newly exposed in the last 24h"
    if not day.control_hits + day.treatment_hits:
        return f'no user who was newly exposed in the last 24h has the event "{guardrail.event}"'
    return ""


def _old(plan: Plan, known: Recounts, at: datetime, since: datetime) -> str:
    """Say that the export ends too early to judge by; empty: it does not."""
    reach = known.told.reach if known.told else None
    age, most = at - max(reach or since, since), allowed(plan, known)
    if age <= most:
        return ""
    if known.told is None:
        ends = "it was not read yet"
    elif reach is None:
        ends = "it has no exposures, or no other events, so far"
    else:
        ends = f"it ends {reach:%Y-%m-%dT%H:%M:%SZ}, {show_duration(at - reach)} ago"
    why = f"; it cannot be read: {known.unread}" if known.unread else ""
    return f"{ends}; allowed are {show_duration(most)}{why}"


def allowed(plan: Plan, known: Recounts) -> timedelta:
    """Return how old the end of an export may be: maxBlind, or twice what is usual of it."""
    usual = median_low(known.delays) if known.delays else timedelta(0)
    return max(plan.ask.max_blind, 2 * usual)


def baselines(plan: Plan, state: State) -> tuple[Baseline, ...]:
    """Return what ran in the day before the start, of the guardrails that count in the export."""
    told = state.recounts.told
    if told is None:
        return ()
    return tuple(
        _baseline(one, total(bins_of(one, told))) for one in plan.ask.guardrails if one.event
    )


def _baseline(guardrail: Guardrail, day: Bin) -> Baseline:
    users, hits = day.control + day.treatment, day.control_hits + day.treatment_hits
    rate = day.control_hits / day.control if day.control else hits / max(users, 1)
    return Baseline(
        guardrail=guardrail.name,
        span=WINDOW,
        hits=float(hits),
        exposure=float(users),
        rate=rate,
        armed=users > 0,
    )


def asked_in_soak(plan: Plan, state: State, stage: Soaking, now: datetime) -> State:
    """Return the state with a count of the users of a soak, if it is due."""
    known, t0, size = state.recounts, stage.evidence.t0, bin_size(plan, stage.step, stage.evidence)
    if not known.mark:
        return state
    if known.asked is not None and known.asked.since == t0:
        return state
    told, pace = known.told, min(PACE, size)
    if now >= soak_end(plan, stage) and awaited(plan, stage, known):
        pace = min(pace, PAUSE)
    if told is not None and told.since == t0 and now - told.at < pace:
        return state
    origin = told.origin if told is not None else (state.started_at or t0) - WINDOW
    return _ask(state, now, since=t0, origin=origin, size=size)


def _ask(
    state: State, now: datetime, *, since: datetime, origin: datetime, size: timedelta
) -> State:
    known = state.recounts
    number = known.count + 1
    asked = Recount(number=number, origin=origin, since=since, until=now, at=now, size=size)
    return replace(state, recounts=replace(known, asked=asked, count=number))


def due(state: State, now: datetime) -> Recount | None:
    """Return the count to make now, up to now; None: none is."""
    asked = state.recounts.asked
    if asked is None or asked.at > now:
        return None
    return replace(asked, until=now, outages=_outages(state, now))


def _outages(state: State, now: datetime) -> tuple[Outage, ...]:
    if not isinstance(state.stage, Soaking):
        return ()
    evidence = state.stage.evidence
    lost = evidence.unproven_since
    return evidence.outages if lost is None else (*evidence.outages, (lost, now))


def with_outage(plan: Plan, evidence: Evidence, until: datetime) -> tuple[Outage, ...]:
    """Return the outages of a soak with the one that is over; of too many the nearest are one."""
    known, since = evidence.outages, evidence.unproven_since
    if since is None or not events_of(plan.ask):
        return known
    every = (*known, (since, until))
    if len(known) < OUTAGES:
        return every
    near = min(range(len(known)), key=lambda i: every[i + 1][0] - every[i][1])
    return (*every[:near], (every[near][0], every[near + 1][1]), *every[near + 2 :])


def without(state: State) -> State:
    """Return the state with nothing being counted."""
    if state.recounts.asked is None:
        return state
    return replace(state, recounts=replace(state.recounts, asked=None))


def unseen(plan: Plan, stage: Soaking, known: Recounts, at: datetime) -> str:
    """Say why users of a soak cannot be judged at an instant; empty: they can, as far as known."""
    return _old(plan, known, at, stage.evidence.t0)


def awaited(plan: Plan, stage: Soaking, known: Recounts) -> str:
    """Say that users of a soak are not counted yet that are to be before it ends; empty: all are.

    The last of them came a moment before its end, and what they did soon after is still to come.
    """
    deciding = (g for g in plan.ask.guardrails if g.event and not g.dry_run)
    both = 0 < plan.values[stage.step] < 100  # noqa: PLR2004 - percent
    if not both or all(one.name in stage.accepted for one in deciding):
        return ""
    told = counted(stage, known)
    settled = told.settled if told else None
    if settled is not None and settled >= soak_end(plan, stage) - 2 * plan.tempo.lag:
        return ""
    until = f"users exposed until {settled:%Y-%m-%dT%H:%M:%SZ}" if settled else "none"
    return f"the export is awaited: of its users are counted {until}"


def counted(stage: Soaking, known: Recounts) -> Recounted | None:
    """Return what was counted of a soak; None: nothing was yet."""
    told = known.told
    return told if told is not None and told.since == stage.evidence.t0 else None


def remarks(told: Recounted | None) -> tuple[str, ...]:
    """Say what is to be known of a count beside its numbers."""
    if told is None:
        return ("the export was not read in this soak yet",)
    until = f"{told.settled:%Y-%m-%dT%H:%M:%SZ}" if told.settled else "none yet"
    sample = (f"a sample: 1 of {told.one_in} users",) if told.one_in > 1 else ()
    return (f"users exposed until {until}", *sample)


def readings(guardrail: Guardrail, told: Recounted | None) -> tuple[tuple[Reading, ...], ...]:
    """Return users with the event, and all users, in the bins of a soak."""
    many = bins_of(guardrail, told) if told else ()
    return (
        tuple(Reading(float(one.control_hits), float(one.treatment_hits)) for one in many),
        tuple(Reading(float(one.control), float(one.treatment)) for one in many),
    )


def bins_of(guardrail: Guardrail, told: Recounted) -> tuple[Bin, ...]:
    """Return the bins of the event of a guardrail."""
    return dict(told.bins).get(guardrail.event or "", ())


def total(many: tuple[Bin, ...]) -> Bin:
    """Return all bins as one."""
    return Bin(*map(sum, zip(*many, strict=True))) if many else Bin()
