"""The state machine: what is remembered and what is seen become what is done next.

    Pending      everything holds                     -> Applying(0), originals recorded
    Pending      stamp without memory                 -> Ended(Contested)
    Pending      at the goal | abort | deleted        -> Ended
    Applying     every pod proven                     -> Soaking
    Applying     taken | refused | no progress        -> RollingBack
    Soaking      its end, everything known            -> Applying(step + 1) | Ended(Completed)
    Soaking      taken | harm | blind, by policy      -> RollingBack
    any of both  abort | deleted                      -> RollingBack | Ended(Aborted), as asked
    RollingBack  no pod runs a value of ours          -> Ended(RolledBack | Contested)
    Ended        -                                    stays; stamps and finalizer go
    any          namespace goes | forced deletion     -> Ended, let go at once

An unknown leads nowhere: the stage stays and is looked at again.
"""

from dataclasses import replace
from typing import assert_never

from rampguard.core import capturing, inquiring, recounting
from rampguard.core.applying import all_proven, applying
from rampguard.core.ask import Leave
from rampguard.core.model import (
    Applying,
    Because,
    Decision,
    DropFinalizer,
    Ended,
    Gate,
    Line,
    Note,
    Observation,
    Outcome,
    Pending,
    Progress,
    RollingBack,
    Soaking,
    Stage,
    State,
    Write,
)
from rampguard.core.moves import end, is_gate, note, told_once
from rampguard.core.notices import take_deliveries, with_notices
from rampguard.core.plan import Plan
from rampguard.core.probing import take_in, until_due, without_round
from rampguard.core.reasons import Reason
from rampguard.core.restore import ended, roll_back, rolling_back, step_of
from rampguard.core.soak import rebased, soaking
from rampguard.core.start import pending

LINES = 20  # kept of the timeline


def decide(plan: Plan, state: State, seen: Observation) -> Decision:
    """Choose the next stage, the actions it needs, and when to look again."""
    told, tried = take_deliveries(plan, state, seen)
    told, answers = take_in(plan, told, seen, proven=all_proven(seen))
    told, said = inquiring.take_in(told, seen)
    told = recounting.take_in(plan, told, seen)
    told, kept = capturing.take_in(told, seen)
    heard, notes = _hear(plan, told, seen)
    decision = _let_go(plan, heard, seen) or _unreadable(plan, heard, seen)
    if decision is None:
        decision = _interrupted(plan, heard, seen) or _walk(plan, heard, seen)
    decision = replace(decision, notes=(*tried, *answers, *said, *kept, *notes, *decision.notes))
    return _sealed(plan, state, seen, with_notices(plan, state, seen, decision))


def _walk(plan: Plan, state: State, seen: Observation) -> Decision:
    match state.stage:
        case Pending() as stage:
            return pending(plan, state, stage, seen)
        case Applying() as stage:
            return applying(plan, state, stage, seen)
        case Soaking() as stage:
            return soaking(plan, state, stage, seen)
        case RollingBack() as stage:
            return rolling_back(plan, state, stage, seen)
        case Ended() as stage:
            return ended(plan, state, stage, seen)
        case other:
            assert_never(other)


def _hear(plan: Plan, state: State, seen: Observation) -> tuple[State, tuple[Note, ...]]:
    """Take in what people ask: an abort is latched, an approval opens its gate."""
    if plan.ask.abort is not None and state.abort is None:
        state = replace(state, abort=plan.ask.abort)
    state, paused = _pausing(plan, state)
    state, answered = _hear_approval(plan, state, seen)
    return state, (*paused, *answered)


def _pausing(plan: Plan, state: State) -> tuple[State, tuple[Note, ...]]:
    """Tell that the ramp was paused or resumed, where it matters; the last word is remembered."""
    words = (f"{Reason.PAUSED}/", f"{Reason.RESUMED}/")
    last = next((key for key in reversed(state.told) if key.startswith(words)), "")
    was_paused = last.startswith(words[0])
    if plan.ask.paused is was_paused or isinstance(state.stage, RollingBack | Ended):
        return state, ()
    by = f" by {plan.ask.requested_by}" if plan.ask.requested_by else ""
    if was_paused:
        return told_once(state, note(Reason.RESUMED, f"resumed{by}", plan.ask.generation))
    text = f"paused{by}: no start, step or completion until it is resumed"
    return told_once(state, note(Reason.PAUSED, text, plan.ask.generation))


def _hear_approval(plan: Plan, state: State, seen: Observation) -> tuple[State, tuple[Note, ...]]:
    """Open the gate that a person approved; an approval of no open gate is told once."""
    name = plan.ask.approve
    if name is None:
        return state, ()
    gate = next((g for g in state.gates if g.name == name), None)
    if gate is not None and plan.ask.generation > gate.generation:
        return _approved(plan, state, gate, seen)
    if name in state.approved or not state.gates:
        return state, ()
    waiting = ", ".join(g.name for g in state.gates)
    text = f"approve: {name} opens nothing, the open gate is {waiting}"
    stale = note(Reason.APPROVAL_STALE, text, name, waiting, warning=True)
    return told_once(state, stale)


def _approved(
    plan: Plan, state: State, gate: Gate, seen: Observation
) -> tuple[State, tuple[Note, ...]]:
    by = f" by {plan.ask.requested_by}" if plan.ask.requested_by else ""
    opened = replace(
        state,
        gates=tuple(g for g in state.gates if g is not gate),
        approved=(*state.approved, gate.name),
        stage=_answered(plan, state.stage, gate, seen),
    )
    return opened, (note(Reason.APPROVED, f"gate {gate.name} was opened{by}", gate.name),)


def _answered(plan: Plan, stage: Stage, gate: Gate, seen: Observation) -> Stage:
    """Return the stage after a person opened a gate."""
    if is_gate(gate.name, "breach"):
        return _accepting(stage, gate, seen)
    if is_gate(gate.name, "rebaseline") and isinstance(stage, Soaking):
        return rebased(plan, stage, seen.now)
    return stage


def _accepting(stage: Stage, gate: Gate, seen: Observation) -> Stage:
    """Return the stage after a person accepted what the gate asked about, and nothing else."""
    match stage:
        case Soaking():
            return replace(stage, accepted=_both(stage.accepted, gate.about))
        case Applying():
            return replace(
                stage,
                progress=Progress(began=seen.now, grew=seen.now),
                accepted=_both(stage.accepted, gate.about),
            )
        case _:
            return stage


def _both(some: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*some, *more}))


def _let_go(plan: Plan, state: State, seen: Observation) -> Decision | None:
    """End at once where the object must go: its namespace goes, or a person forces it."""
    if not _must_go(plan, seen):
        return None
    if seen.namespace_deleting:
        because = Because(Reason.DELETED, "the namespace is being deleted")
    else:
        text = "deleted by force: nothing was restored; the stamps keep the originals"
        because = Because(Reason.FORCE_DELETED, text)
    drop = (DropFinalizer(),) if seen.finalizer else ()
    if isinstance(state.stage, Ended):
        return Decision(state=state, because=because, actions=drop)
    share = _share(plan, state)
    decision = end(state, seen, Outcome.ABORTED, because, share=share)
    return replace(decision, actions=drop)


def _unreadable(plan: Plan, state: State, seen: Observation) -> Decision | None:
    if not seen.unreadable:
        return None
    because = Because(Reason.CLUSTER_UNREADABLE, seen.unreadable)
    return Decision(state=state, because=because, look_again_in=plan.tempo.proving)


def _interrupted(plan: Plan, state: State, seen: Observation) -> Decision | None:
    """Answer an abort or a deletion of a ramp that is under way."""
    if not isinstance(state.stage, Applying | Soaking):
        return None
    if state.abort is not None:
        leave, reason = state.abort, Reason.ABORT_ASKED
        by = plan.ask.requested_by
        text = f"{by} asked to abort" if by else "abort was asked"
    elif plan.ask.deleting:
        leave, reason, text = plan.ask.on_delete, Reason.DELETED, "the ramp was deleted"
    else:
        return None
    if leave is Leave.ROLLBACK:
        return roll_back(plan, state, seen, Because(reason, text))
    share = _share(plan, state)
    kept = Because(reason, f"{text}; {plan.ask.env} stays at {share}")
    return end(state, seen, Outcome.ABORTED, kept, share=share)


def _share(plan: Plan, state: State) -> int:
    """Return what the targets carry now, in percent."""
    if isinstance(state.stage, Pending) or not state.originals:
        return plan.ask.origin
    return plan.values[step_of(plan, state.stage)]


def _sealed(plan: Plan, before: State, seen: Observation, decision: Decision) -> Decision:
    """Add what every decision carries: timeline, generation, sequence, fence and finalizer."""
    state = decision.state
    writes = any(isinstance(action, Write) for action in decision.actions)
    moved = type(state.stage) is not type(before.stage)
    fenced = bool(state.originals) and (writes or moved) and not _must_go(plan, seen)
    lines = tuple(Line(seen.now, n.message) for n in decision.notes)
    under_way = isinstance(state.stage, Applying | Soaking | RollingBack)
    if isinstance(state.stage, RollingBack | Ended):
        state = without_round(state)
    if not isinstance(state.stage, Soaking):
        state = inquiring.without_inquiry(state)
    if not isinstance(state.stage, Pending | Soaking):
        state = recounting.without(state)
    waits = (until_due(state, seen.now), capturing.until_due(state, seen.now))
    look_again_in = min((decision.look_again_in, *filter(None, waits)))
    return replace(
        decision,
        notes=tuple(_addressed(plan, n) for n in decision.notes),
        state=replace(
            state,
            seq=state.seq + 1 if fenced else state.seq,
            timeline=(*state.timeline, *lines)[-LINES:],
            observed_generation=plan.ask.generation,
        ),
        fenced=fenced,
        look_again_in=look_again_in,
        hold_finalizer=under_way and not seen.finalizer and not plan.ask.deleting,
    )


def _addressed(plan: Plan, told: Note) -> Note:
    """Name the owner where a person may have to do something."""
    asks = told.warning or told.reason is Reason.APPROVAL_ASKED
    if not asks or plan.ask.owner is None:
        return told
    return replace(told, message=f"{told.message} (owner: {plan.ask.owner})")


def _must_go(plan: Plan, seen: Observation) -> bool:
    """Say whether the ramp is let go at once: then nothing is stamped any more."""
    return plan.ask.deleting and (seen.namespace_deleting or plan.ask.force_delete)
