"""What must hold before the first write, and in part goes on to: facts in, unmet ones out."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from rampguard.core.durations import show_duration
from rampguard.core.model import Because, Note, Observation, State
from rampguard.core.moves import note, told_once
from rampguard.core.notices import planned_to, unannounced
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from rampguard.core.require import Answer, Incidents, Precursor, Required, SmokeTest, Window

NONE_OPEN = 200  # what an incident check answers when there is none
BLIND_PART = 10  # a smoke test is blind for less than a tenth of its soaks
NAMED = 3  # alerts told by name
VOUCHED = 10  # lines that are kept of what people vouched for
UNSEEN = "not looked at yet"


def unmet(plan: Plan, state: State, seen: Observation, *, started: bool) -> tuple[Because, ...]:
    """Return everything that holds the ramp; of a started one alerts and incidents alone.

    An override skips spec.require, and never the window.
    """
    late = () if started else tuple(_window(plan.ask.window, seen.now))
    return late if _has_override(plan) else (*late, *_required(plan, state, seen, started=started))


def skipped(
    plan: Plan, state: State, seen: Observation, *, started: bool
) -> tuple[tuple[Because, str], ...]:
    """Return what does not hold and an override skips, each with the line that is its record."""
    override = plan.ask.require and plan.ask.require.override
    if not override:
        return ()
    record = f"overridden by {override.by}: {override.reason}"
    missing = _required(plan, state, seen, started=started)
    return tuple((one, f"{one.reason} {record}") for one in missing)


def met_text(plan: Plan, seen: Observation, *, started: bool) -> str:
    """Say what was seen to hold."""
    text = "; ".join(_met(plan, seen.required or Required(), started=started))
    return text or "all held before the first write; none of them is looked at after it"


def vouched(plan: Plan) -> tuple[str, ...]:
    """Return the links by which people vouch, a line each."""
    require = plan.ask.require
    if require is None:
        return ()
    test, incidents = require.smoke_test, require.no_open_incidents
    links = (
        ("smoke test", test and test.evidence),
        ("no open incident", incidents and incidents.evidence),
    )
    return tuple(f"{what}: {link}" for what, link in links if link)


def vouching(
    plan: Plan, state: State, seen: Observation, *, started: bool
) -> tuple[State, tuple[Note, ...]]:
    """Record and tell, once, that a person lets the ramp go on without what does not hold."""
    notes: tuple[Note, ...] = ()
    for one, line in skipped(plan, state, seen, started=started):
        if line in state.vouched:
            continue
        loud = note(Reason.OVERRIDDEN, f"{line} ({one.message})", line, warning=True)
        state, told = told_once(state, loud)
        if len(state.vouched) < VOUCHED:
            state = replace(state, vouched=(*state.vouched, line))
        notes = (*notes, *told)
    return state, notes


def told_unmet(
    plan: Plan, state: State, known: tuple[Reason, ...], seen: Observation
) -> tuple[tuple[Reason, ...], tuple[Note, ...]]:
    """Return what does not hold in a soak, and what is new of it. known: told before."""
    missing = unmet(plan, state, seen, started=True)
    notes = tuple(
        note(
            one.reason,
            f"the ramp goes no further until this holds again: {one.message}",
            seen.now.isoformat(),
            warning=True,
        )
        for one in missing
        if one.reason not in known
    )
    if known and not missing:
        text = "every precondition holds again; the ramp goes on"
        notes = (note(Reason.MET, text, seen.now.isoformat()),)
    return tuple(one.reason for one in missing), notes


def text_of(missing: tuple[Because, ...]) -> str:
    """Return what is told of everything that does not hold, at once."""
    return "; ".join(one.message for one in missing)


def window_is_over(plan: Plan, now: datetime) -> bool:
    """Say whether the ramp can start no more unless its window is moved."""
    window = plan.ask.window
    return window is not None and window.not_after is not None and now > window.not_after


def _has_override(plan: Plan) -> bool:
    return plan.ask.require is not None and plan.ask.require.override is not None


def _window(window: Window | None, now: datetime) -> Iterator[Because]:
    if window is None:
        return
    if window.not_before and now < window.not_before:
        text = f"its window opens at {_instant(window.not_before)}"
        yield Because(Reason.OUTSIDE_WINDOW, text)
    if window.not_after and now > window.not_after:
        text = f"its window has passed, at {_instant(window.not_after)}; move window.notAfter"
        yield Because(Reason.OUTSIDE_WINDOW, text)


def _required(plan: Plan, state: State, seen: Observation, *, started: bool) -> Iterator[Because]:
    require, found = plan.ask.require, seen.required or Required()
    if require is None:
        return
    if require.smoke_test and not started:
        yield from _smoke_test(plan, require.smoke_test, found.smoke_test, seen.now)
    if require.no_firing_alerts:
        yield from _alerts(require.no_firing_alerts, found.alerts)
    if require.no_open_incidents:
        yield from _incidents(require.no_open_incidents, found.incidents)
    if require.announced and not started:
        yield from _announced(unannounced(plan, state))


def _smoke_test(
    plan: Plan, test: SmokeTest, found: Precursor | str | None, now: datetime
) -> Iterator[Because]:
    if test.ramp is None:
        return
    name = f"smoke test {test.ramp}"
    if not isinstance(found, Precursor):
        yield Because(Reason.SMOKE_TEST_MISSING, f"{name}: {found or UNSEEN}")
        return
    if faults := "; ".join(_faults(plan, test, found, now)):
        yield Because(Reason.SMOKE_TEST_MISSING, f"{name} {faults}")
    if test.conclusive and found.ended_at and not found.conclusive:
        text = f"{name} was not conclusive: {found.because}"
        yield Because(Reason.SMOKE_TEST_INCONCLUSIVE, text)


def _faults(plan: Plan, test: SmokeTest, found: Precursor, now: datetime) -> Iterator[str]:
    """Yield everything that is wrong with a smoke test; of one that goes on nothing is known."""
    if found.env != plan.ask.env:
        yield f"ramps {found.env}, not {plan.ask.env}"
    if found.to != plan.ask.origin:
        yield f"ends at {found.to}, this ramp begins at {plan.ask.origin}"
    if found.phase != "Completed" or found.ended_at is None:
        yield f"is {found.phase}, not Completed"
        return
    if not found.watched:
        yield "watched nothing: its value stood there before"
        return
    if found.breached:
        yield "had a breach"
    if found.blind * BLIND_PART >= found.soaked:
        blind, soaked = show_duration(found.blind), show_duration(found.soaked)
        yield f"was blind for {blind} of {soaked}, a tenth or more"
    if found.blind_at_end:
        yield "was blind at its end"
    if now - found.ended_at > test.max_age:
        limit = show_duration(test.max_age)
        yield f"ended at {_instant(found.ended_at)}, longer ago than {limit}"


def _alerts(matchers: str, found: tuple[str, ...] | str | None) -> Iterator[Because]:
    if not isinstance(found, tuple):
        text = f"alerts with {matchers} cannot be seen: {found or UNSEEN}"
        yield Because(Reason.ALERTS_FIRING, text)
    elif found:
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        text = f"alerts with {matchers} fire: {', '.join(found[:NAMED])}{more}"
        yield Because(Reason.ALERTS_FIRING, text)


def _incidents(asked: Incidents, found: Answer | str | None) -> Iterator[Because]:
    if asked.check is None:
        return
    if not isinstance(found, Answer):
        text = f"incident check {asked.check} cannot be asked: {found or UNSEEN}"
        yield Because(Reason.INCIDENT_OPEN, text)
    elif found.status != NONE_OPEN:
        words = f": {found.words}" if found.words else ""
        text = f"incident check {asked.check} answers {found.status}, not {NONE_OPEN}{words}"
        yield Because(Reason.INCIDENT_OPEN, text)


def _announced(missing: tuple[str, ...]) -> Iterator[Because]:
    if missing:
        text = f"RampPlanned is not delivered to {', '.join(missing)}: see condition Notified"
        yield Because(Reason.NOT_ANNOUNCED, text)


def _met(plan: Plan, found: Required, *, started: bool) -> Iterator[str]:
    require = plan.ask.require
    if plan.ask.window and not started:
        yield "within its window"
    if require is None:
        return
    test, incidents = require.smoke_test, require.no_open_incidents
    passed = None if started else found.smoke_test
    if test and isinstance(passed, Precursor) and passed.ended_at:
        yield f"smoke test {test.ramp} completed at {_instant(passed.ended_at)}"
    if require.no_firing_alerts:
        yield f"no alert with {require.no_firing_alerts} fires"
    if incidents and incidents.check:
        yield f"incident check {incidents.check} answers {NONE_OPEN}"
    if require.announced and not started:
        yield f"RampPlanned was delivered to {', '.join(planned_to(plan))}"
    yield from vouched(plan)


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
