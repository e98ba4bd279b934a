"""A ramp with a probe, step by step: what is asked, and the pass that is told the answers."""

from dataclasses import replace
from datetime import timedelta

from probe_scenes import PROBE
from rampguard.core.decide import decide
from rampguard.core.model import (
    Decision,
    Observation,
    Soaking,
    State,
)
from rampguard.core.plan import Plan
from rampguard.core.probe import Fault, Heard, Probed, Round
from rampguard.core.probing import mark
from rampguard.core.reasons import Reason
from scenes import (
    HOUR,
    SECOND,
    T,
    applying,
    before,
    plan,
    seen,
    soaking,
    state,
)

PLAN = plan(probe=PROBE)


WRONG = (Fault(Reason.ASSIGNMENT_MISMATCH, "30.0% of 200 new users in treatment"),)


def heard(of: Round, **facts: object) -> Heard:
    """Return right answers to a round, that differ in some facts."""
    plain = Heard(
        number=of.number,
        occasion=of.occasion,
        share=of.share,
        at=T,
        users=of.users,
        treated=of.users * of.share // 100,
        pods=4,
        asked=of.users,
    )
    return replace(plain, **facts)


def asked(decision: Decision) -> Round:
    told = decision.state.probed.round
    assert told is not None
    return told


def answered(
    of: Plan, last: Decision, saw: Observation, after: timedelta, **facts: object
) -> Decision:
    """Make the pass that is told the answers."""
    at = last_at(last) + after
    told = heard(asked(last), at=at, **facts)
    return decide(of, last.state, replace(saw, now=at, heard=told))


def last_at(decision: Decision) -> object:
    return asked(decision).at


def start(**facts: object) -> Decision:
    return decide(PLAN, State(), before(**facts))


def proven(**facts: object) -> tuple[Decision, Observation]:
    saw = seen(**facts)
    return decide(PLAN, state(applying(), probed=KNOWN), saw), saw


KNOWN = Probed(mark=mark(PLAN.ask), rounds=2, over="start", keep=tuple(range(30)), keep_of=2)


SOAKED = replace(KNOWN, rounds=3, over="step/0")


def soak(after: timedelta, was: State | None = None, **facts: object) -> Decision:
    return decide(PLAN, was or state(soaking(), probed=SOAKED), seen(after=after, **facts))


def believed() -> Decision:
    decision = soak(HOUR)
    for _ in range(3):
        assert isinstance(decision.state.stage, Soaking)
        assert not decision.state.gates
        decision = answered(PLAN, decision, seen(), 10 * SECOND, faults=WRONG)
    return decision
