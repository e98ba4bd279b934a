"""Pending: nothing is written until everything that must hold is seen to hold."""

from dataclasses import replace

from rampguard.core import recounting
from rampguard.core.applying import templates
from rampguard.core.ask import GateKind
from rampguard.core.model import (
    Applying,
    Because,
    Decision,
    Note,
    Observation,
    Original,
    Outcome,
    Pending,
    Progress,
    State,
)
from rampguard.core.moves import ask_person, end, note, was_approved
from rampguard.core.notices import is_announcing
from rampguard.core.plan import Plan
from rampguard.core.preconditions import text_of, unmet, vouched, vouching
from rampguard.core.preflight import at_goal, preflight
from rampguard.core.probing import (
    asked_before_start,
    failing_before_start,
    is_answered,
    without_round,
)
from rampguard.core.reasons import Reason
from rampguard.core.restore import own_stamp
from rampguard.core.targets import advance, carries, holder, missing_write, show

PROBING = "the probe is being asked"
READING = "the analytics export is being read"
OWN_EVENTS = {  # causes of a block that are no event Blocked
    Reason.DECLARED_IN_GIT: Reason.GITOPS_CONFLICT,
    Reason.NOT_ANNOUNCED: Reason.NOT_ANNOUNCED,  # of which there is no notice: it might not arrive
}


def pending(plan: Plan, state: State, stage: Pending, seen: Observation) -> Decision:
    """Start, end without a write, or tell what is waited for."""
    ask = plan.ask
    if lost := _status_lost(plan, seen):
        return end(state, seen, Outcome.CONTESTED, lost, share=ask.origin)
    if ask.deleting:
        because = Because(Reason.DELETED, "deleted before the start; nothing was changed")
        return end(state, seen, Outcome.ABORTED, because, share=ask.origin)
    if state.abort is not None:
        because = Because(Reason.ABORT_ASKED, "aborted before the start; nothing was changed")
        return end(state, seen, Outcome.ABORTED, because, share=ask.origin)
    hindered = preflight(plan, seen)
    if at_goal(plan, seen) and not any(b.reason is Reason.ANOTHER_RAMP_ACTIVE for b in hindered):
        text = f"every target already runs {ask.env}={ask.to}; nothing was done or watched"
        because = Because(Reason.ALREADY_AT_GOAL, text)
        return end(state, seen, Outcome.COMPLETED, because, share=ask.to)
    missing = tuple(Because(Reason.SIGNALS_MISSING, text) for text in seen.signals or ())
    missing += recounting.missing(plan, state, seen.now)
    state, failing = _asked(plan, state, seen, hindered=bool(hindered))
    hindered = (*hindered, *failing)
    hindered = (*hindered, *_unmet(plan, state, seen))
    if hindered or (missing and not ask.paused):
        return _blocked(plan, state, stage, seen, (*hindered, *missing))
    if ask.paused:
        return _wait(plan, state, stage, seen, Because(Reason.PAUSED, "paused before the start"))
    if seen.signals is None:
        return _wait(plan, state, stage, seen, Because(Reason.PENDING, "signals are being asked"))
    for waits, why in (
        (not is_answered(plan, state), PROBING),
        (recounting.is_unknown(plan, state, seen.now), READING),
    ):
        if waits:
            return _wait(plan, state, stage, seen, Because(Reason.PENDING, why))
    return _ready(plan, state, stage, seen)


def _asked(
    plan: Plan, state: State, seen: Observation, *, hindered: bool
) -> tuple[State, tuple[Because, ...]]:
    """Ask the app and the export, unless the start is hindered anyway; say what the app denies."""
    if hindered:
        return recounting.without(without_round(state)), ()
    state = recounting.asked_before_start(plan, state, seen.now)
    state = asked_before_start(plan, state, seen.now, quiet=True)
    return state, failing_before_start(plan, state)


def _unmet(plan: Plan, state: State, seen: Observation) -> tuple[Because, ...]:
    """Return the preconditions that block; a plan that is just being announced does not yet."""
    found = unmet(plan, state, seen, started=False)
    if not is_announcing(plan, state, seen):
        return found
    return tuple(one for one in found if one.reason is not Reason.NOT_ANNOUNCED)


def _ready(plan: Plan, state: State, stage: Pending, seen: Observation) -> Decision:
    """Announce the plan, ask at the gate, start."""
    if is_announcing(plan, state, seen):
        because = Because(Reason.PENDING, "the plan is announced before anything changes")
        return replace(_wait(plan, state, stage, seen, because), look_again_in=plan.tempo.proving)
    if GateKind.START in plan.ask.gates and not was_approved(state, "start"):
        why = f"everything is ready to set {plan.ask.env} {plan.ask.origin} -> {plan.values[0]}"
        asked, notes = ask_person(plan, state, "start", why, seen.now)
        because = Because(Reason.AWAITING_APPROVAL, why)
        return replace(_wait(plan, asked, stage, seen, because), notes=notes)
    state = asked_before_start(plan, state, seen.now, quiet=False)
    if not is_answered(plan, state):
        return _wait(plan, state, stage, seen, Because(Reason.PENDING, PROBING))
    return _start(plan, state, seen)


def _status_lost(plan: Plan, seen: Observation) -> Because | None:
    """Tell a ramp that was under way once: its stamp is there, its memory is not."""
    lost = [
        w
        for w in seen.workloads
        if w
        and w.stamp
        and own_stamp(plan, w)
        and (w.stamp.seq > 1 or not carries(w.entry, w.stamp.original))
    ]
    if not lost:
        return None
    told = ", ".join(
        f"{w.deployment} (was {show(w.stamp.original)})" for w in lost if w.stamp is not None
    )
    return Because(
        Reason.STATUS_LOST,
        f"a stamp of this ramp is on {told} but its status is lost; nothing was written:"
        " set abort: Rollback to restore the stamped values, or undo by hand",
    )


def _blocked(
    plan: Plan, state: State, stage: Pending, seen: Observation, hindered: tuple[Because, ...]
) -> Decision:
    # What no notice tells comes last: it must not hide the cause that one does tell.
    hindered = tuple(sorted(hindered, key=lambda one: one.reason is Reason.NOT_ANNOUNCED))
    because = Because(hindered[0].reason, text_of(hindered))
    notes: tuple[Note, ...] = ()
    if stage.because is None or stage.because.reason is not because.reason:
        reason = OWN_EVENTS.get(because.reason, Reason.BLOCKED)
        named = reason is Reason.BLOCKED
        text = f"{because.reason}: {because.message}" if named else because.message
        notes = (note(reason, text, because.reason, seen.now.isoformat(), warning=True),)
    return replace(_wait(plan, state, stage, seen, because, blocked=True), notes=notes)


def _wait(  # noqa: PLR0913 - keyword-only flag beside the facts of every stage
    plan: Plan,
    state: State,
    stage: Pending,
    seen: Observation,
    because: Because,
    *,
    blocked: bool = False,
) -> Decision:
    same = stage.since is not None and stage.blocked is blocked
    waiting = Pending(since=stage.since if same else seen.now, because=because, blocked=blocked)
    return Decision(
        state=replace(state, stage=waiting), because=because, look_again_in=plan.tempo.recheck
    )


def _start(plan: Plan, state: State, seen: Observation) -> Decision:
    """Record the way back, then write the first value everywhere."""
    originals = tuple(
        Original(
            deployment=w.deployment,
            uid=w.uid,
            container=w.container,
            value=w.entry.value,
            manager=holder(w),
        )
        for w in seen.workloads
        if w is not None and w.container is not None
    )
    begun, notes = vouching(plan, replace(state, vouched=vouched(plan)), seen, started=False)
    begun = replace(
        begun,
        originals=originals,
        started_at=seen.now,
        baselines=(*seen.baselines, *recounting.baselines(plan, state)),
        exporters=seen.exporters,
    )
    ready = (
        f"pre-flight passed: {', '.join(o.deployment for o in originals)}"
        f" run {show(plan.origin)}, every signal is there"
    )
    passed = note(Reason.PREFLIGHT_PASSED, "; ".join((ready, *seen.unread)))
    decision = apply_step(plan, begun, seen, 0)
    return replace(decision, notes=(passed, *notes, *decision.notes))


def apply_step(plan: Plan, state: State, seen: Observation, step: int) -> Decision:
    """Begin to write the value of a step."""
    before = plan.values[step - 1] if step else plan.ask.origin
    names = ", ".join(o.deployment for o in state.originals)
    text = f"set {plan.ask.env} {before} -> {plan.values[step]} on {names}"
    applying = Applying(
        since=seen.now,
        step=step,
        progress=Progress(began=seen.now, grew=seen.now),
        templates=templates(seen),
    )
    places = advance(plan, state, seen, step, ())
    return Decision(
        state=replace(state, stage=applying),
        because=Because(Reason.APPLYING, text),
        actions=tuple(w for p in places if (w := missing_write(plan, p)) is not None),
        notes=(note(Reason.SHARE_CHANGED, text, step),),
        look_again_in=plan.tempo.proving,
    )
