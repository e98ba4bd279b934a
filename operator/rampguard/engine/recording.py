"""Hands passes that are worth it to the recorder."""

from rampguard.core.model import Decision, Observation, State
from rampguard.core.plan import Plan
from rampguard.ports import Record, World


def keep(plan: Plan, before: State, seen: Observation, decision: Decision, world: World) -> None:
    """Record a pass that took looks or changed what is remembered; the rest say nothing new."""
    if not seen.looks and decision.state == before:
        return
    record = Record(ask=plan.ask, tempo=plan.tempo, before=before, seen=seen, decision=decision)
    world.recorder.append(plan.ask.ref, plan.ask.uid, record)
