"""The pieces that every stage's decision is made of: notes, gates, ends."""

import itertools
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from rampguard.core.model import (
    Because,
    Decision,
    Ended,
    Evidence,
    Gate,
    Judgement,
    Note,
    Observation,
    Outcome,
    Progress,
    Served,
    State,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from rampguard.core.targets import show_entry

TOLD = 100  # keys that are remembered: more than can be of use at a time
IDLE = timedelta(hours=1)  # an ended ramp: every change of it wakes us anyway


def note(reason: Reason, message: str, *key: object, warning: bool = False) -> Note:
    """Return an Event; the key tells it from others of its reason within the ramp."""
    return Note(
        reason=reason,
        message=message,
        key="/".join(map(str, (reason, *key))),
        warning=warning,
    )


def told_once(state: State, one: Note) -> tuple[State, tuple[Note, ...]]:
    """Return the note if it was not told lately, and the state that remembers it."""
    if one.key in state.told:
        return state, ()
    return replace(state, told=(*state.told, one.key)[-TOLD:]), (one,)


def gate_open(state: State, kind: str) -> Gate | None:
    """Return the open gate of a kind: start, step-N or breach."""
    return next((g for g in state.gates if is_gate(g.name, kind)), None)


def without_gate(state: State, kind: str) -> State:
    """Return the state without the open gates of a kind: what they asked is void.

    Their names count as used: the next question has another, which no late answer fits.
    """
    void = tuple(g.name for g in state.gates if is_gate(g.name, kind))
    return replace(
        state,
        gates=tuple(g for g in state.gates if g.name not in void),
        voided=(*state.voided, *void),
    )


def was_approved(state: State, kind: str) -> bool:
    """Say whether a person opened a gate of a kind."""
    return any(is_gate(name, kind) for name in state.approved)


def ask_about(
    plan: Plan, state: State, why: str, about: Collection[str], now: datetime
) -> tuple[State, tuple[Note, ...]]:
    """Ask a person about harm; a question that is open and leaves some of it out is void."""
    gate = gate_open(state, "breach")
    if gate is not None and not set(about).issubset(gate.about):
        state = without_gate(state, "breach")
    return ask_person(plan, state, "breach", why, now, about=tuple(sorted(set(about))))


def ask_person(  # noqa: PLR0913 - a question, and to what it belongs
    plan: Plan, state: State, kind: str, why: str, now: datetime, *, about: tuple[str, ...] = ()
) -> tuple[State, tuple[Note, ...]]:
    """Put a question to a person, once.

    Its name is new, and not what spec.approve says already: an approval from before it was asked
    can never open it.
    """
    if gate_open(state, kind):
        return state, ()
    used = {*state.approved, *state.voided, plan.ask.approve}
    names = itertools.chain((kind,), (f"{kind}-{i}" for i in itertools.count(2)))
    name = next(one for one in names if one not in used)
    gate = Gate(name=name, since=now, why=why, generation=plan.ask.generation, about=about)
    asked = note(Reason.APPROVAL_ASKED, f"gate {name} waits for a person: {why}", name)
    return replace(state, gates=(*state.gates, gate)), (asked,)


def end(  # noqa: PLR0913 - the facts of an end, all named by the caller
    state: State,
    seen: Observation,
    outcome: Outcome,
    because: Because,
    *,
    share: int,
    watched: bool = False,
    judged: tuple[Judgement, ...] = (),
) -> Decision:
    """End the ramp."""
    stage = Ended(
        since=seen.now,
        outcome=outcome,
        because=because,
        share=share,
        watched=watched,
        judged=judged,
        targets=served(seen),
    )
    return Decision(
        state=replace(state, stage=stage, gates=()),
        because=because,
        notes=(
            note(
                because.reason,
                because.message,
                "end",
                warning=outcome is not Outcome.COMPLETED,
            ),
        ),
        look_again_in=timedelta(0) if seen.finalizer else IDLE,
    )


def served(seen: Observation) -> tuple[Served, ...]:
    """Return how the targets stand; those whose pods were not counted are left out."""
    return tuple(
        Served(
            deployment=w.deployment,
            container=w.container or "",
            runs=show_entry(w.entry),
            proven=w.coverage.proven,
            desired=w.coverage.desired,
        )
        for w in seen.workloads
        if w and w.coverage and not w.coverage.unreadable
    )


def overdue(plan: Plan, seen: Observation, progress: Progress) -> bool:
    """Say whether a proof made no progress for too long, or drags on beyond ten such times."""
    limit = patience(plan, seen)
    return seen.now - progress.grew > limit or seen.now - progress.began > 10 * limit


def patience(plan: Plan, seen: Observation) -> timedelta:
    """Return how long a proof may stand still; never below a target's progressDeadlineSeconds."""
    deadlines = (w.progress_deadline for w in seen.workloads if w is not None)
    return max(plan.ask.proof_timeout, *deadlines, timedelta(0))


def grown(progress: Progress, proven: int, now: datetime) -> Progress:
    """Return the progress after a look at the pods; only a new most counts as progress."""
    if proven <= progress.proven:
        return progress
    return replace(progress, proven=proven, grew=now)


def blind_for(evidence: Evidence, now: datetime) -> timedelta:
    """Return how long a soak has been blind without a break."""
    return now - evidence.blind_since if evidence.blind_since else timedelta(0)


def blind_in_all(evidence: Evidence, now: datetime) -> timedelta:
    """Return how long a soak was blind."""
    return evidence.blind_total + blind_for(evidence, now)


def is_too_soon(plan: Plan, evidence: Evidence, at: datetime) -> bool:
    """Say whether a look that was not answered is no blindness yet.

    It is from the third in a row: then the last that was answered is more than two looks old.
    """
    since = evidence.missed_since or at
    return evidence.blind_since is None and at - since < 1.5 * plan.tempo.look


def is_gate(name: str, kind: str) -> bool:
    """Say whether a gate is of a kind: start, step-N, breach or rebaseline."""
    return name == kind or name.startswith(f"{kind}-")
