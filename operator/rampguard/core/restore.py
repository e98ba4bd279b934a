"""RollingBack and Ended: the originals come back and are proven, then everything is let go."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from rampguard.core.ask import EnvValue, Leave
from rampguard.core.capturing import planned
from rampguard.core.durations import show_seconds
from rampguard.core.linking import of_rollback
from rampguard.core.links import links
from rampguard.core.model import (
    Action,
    Applying,
    Because,
    Decision,
    DropFinalizer,
    DropStamp,
    Ended,
    Note,
    Observation,
    Original,
    Outcome,
    Progress,
    RollbackRecord,
    RollingBack,
    Soaked,
    Soaking,
    Stage,
    State,
    Verdict,
    Workload,
)
from rampguard.core.moves import (
    IDLE,
    blind_in_all,
    end,
    grown,
    note,
    overdue,
    patience,
    told_once,
)
from rampguard.core.outbox import waiting
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from rampguard.core.targets import (
    Place,
    Standing,
    carried,
    missing_write,
    restoration,
    show,
    show_entry,
)

Named = TypeVar("Named")
LAST_WORDS = timedelta(minutes=1)  # that a deleted ramp stays, at most, for its notices
STICKY = "users keep an arm that they were assigned until their cookie ends"


def roll_back(
    plan: Plan, state: State, seen: Observation, because: Because, *, contested: bool = False
) -> Decision:
    """Begin to restore the originals."""
    stage = state.stage
    began = RollingBack(
        since=seen.now,
        because=because,
        from_step=step_of(plan, stage),
        progress=Progress(began=seen.now, grew=seen.now),
        ends_contested=contested,
        ours=_ours(plan, stage),
        judged=stage.judged if isinstance(stage, Soaking) else (),
    )
    begun = replace(
        state,
        stage=began,
        gates=(),
        rollback=RollbackRecord(
            because=because,
            started_at=seen.now,
            finding=_followed(state, because),
            links=links(seen.link_templates, of_rollback(plan, state, seen.now)),
        ),
        blind_total=state.blind_total + _blind(stage, seen.now),
        soaked=_cut(state, seen.now),
    )
    taken = restoration(plan, begun, seen, began)
    theirs = {p.original.target for p in taken if p.standing in {Standing.TAKEN, Standing.GONE}}
    ours = tuple(o for o in reversed(state.originals) if o.target not in theirs)
    value = plan.values[began.from_step]
    text = f"set {plan.ask.env} {value} -> {_way_back(ours)}" if ours else "nothing is written"
    told = because.reason is Reason.GUARDRAIL_BREACHED  # just before, by a note of its own
    started = note(
        Reason.ROLLBACK_STARTED,
        text if told else f"{text}: {because.message}",
        seen.now.isoformat(),
        warning=True,
    )
    decision = rolling_back(plan, begun, began, seen)
    return replace(decision, notes=(started, *decision.notes))


def _followed(state: State, because: Because) -> str:
    """Name the finding of the breach that is rolled back."""
    broken = [one for one in state.findings if one.verdict is Verdict.BREACHED]
    if because.reason is not Reason.GUARDRAIL_BREACHED or not broken:
        return ""
    return f"{show_seconds(broken[-1].after)} at {broken[-1].share}%"


def _way_back(originals: Iterable[Original]) -> str:
    """Say which original goes where: "10 on worker, api"."""
    found = _grouped((show(o.value), o.deployment) for o in originals)
    return ", ".join(f"{value} on {', '.join(names)}" for value, names in found)


def rolling_back(plan: Plan, state: State, stage: RollingBack, seen: Observation) -> Decision:
    """Write the originals that are still missing, then wait until no pod runs our value."""
    places = restoration(plan, state, seen, stage)
    written = carried(places, stage.written)
    stage = replace(
        stage,
        written=written,
        ends_contested=stage.ends_contested or any(p.standing is Standing.TAKEN for p in places),
        progress=grown(stage.progress, _restored_pods(places), seen.now),
    )
    state = replace(state, stage=stage)
    writes = tuple(w for p in places if (w := missing_write(plan, p)) is not None)
    if not writes and all(_is_back(p) for p in places):
        return _verified(plan, state, stage, seen, places)
    state, notes = _overdue(plan, state, stage, seen)
    return Decision(
        state=state,
        because=Because(Reason.ROLLING_BACK, stage.because.message),
        actions=writes,
        notes=notes,
        look_again_in=plan.tempo.recheck if seen.refusals else plan.tempo.proving,
    )


def ended(plan: Plan, state: State, stage: Ended, seen: Observation) -> Decision:
    """Let go of stamps and finalizer; a ramp whose status was lost keeps them for a person."""
    if stage.because.reason is Reason.STATUS_LOST:
        if _undo_asked(plan, state):
            found = originals_from_stamps(plan, seen)
            because = Because(Reason.ABORT_ASKED, "the originals come from the stamps")
            return roll_back(plan, replace(state, originals=found), seen, because)
        if not _leave_asked(plan, state):
            return Decision(state=state, because=stage.because, look_again_in=plan.tempo.recheck)
    actions: tuple[Action, ...] = ()
    if _last_words(plan, state, stage, seen):
        return Decision(state=state, because=stage.because, look_again_in=plan.tempo.proving)
    if seen.finalizer:
        stamped = tuple(w for w in seen.workloads if w and own_stamp(plan, w) and w.container)
        drops = tuple(DropStamp(w.deployment, w.container or "") for w in stamped)
        actions = (*drops, DropFinalizer())
    return Decision(state=state, because=stage.because, actions=actions, look_again_in=IDLE)


def _last_words(plan: Plan, state: State, stage: Ended, seen: Observation) -> bool:
    """Say whether a deleted ramp stays for a moment, until each of its notices was tried."""
    untried = any(not one.tries for _, one in waiting(state.outbox))
    return plan.ask.deleting and untried and seen.now - stage.since < LAST_WORDS


def own_stamp(plan: Plan, workload: Workload) -> bool:
    """Say whether a target carries a stamp of this ramp, or of an earlier object of its name."""
    stamp = workload.stamp
    if stamp is None:
        return False
    return stamp.uid == plan.ask.uid or (
        stamp.name == plan.ask.ref.name and not workload.stamp_live
    )


def originals_from_stamps(plan: Plan, seen: Observation) -> tuple[Original, ...]:
    """Return the way back as the stamps tell it."""
    return tuple(
        Original(
            deployment=w.deployment,
            uid=w.uid,
            container=w.container,
            value=w.stamp.original,
        )
        for w in seen.workloads
        if w and w.stamp and w.container and own_stamp(plan, w)
    )


def _ours(plan: Plan, stage: Stage) -> tuple[EnvValue, ...]:
    """Return the values that targets may carry by us; any other one is somebody else's."""
    match stage:
        case Soaking(step=step):
            return (plan.literal(step),)
        case Applying(step=step) if step:
            return (plan.literal(step), plan.literal(step - 1))
        case Applying(step=step):
            return (plan.literal(step),)
        case _:
            return ()


def step_of(plan: Plan, stage: Stage) -> int:
    """Return the step that a stage is about; of an ended ramp the last one."""
    return getattr(stage, "step", plan.last)


def _undo_asked(plan: Plan, state: State) -> bool:
    deleted = plan.ask.deleting and plan.ask.on_delete is Leave.ROLLBACK
    return state.abort is Leave.ROLLBACK or (state.abort is None and deleted)


def _leave_asked(plan: Plan, state: State) -> bool:
    deleted = plan.ask.deleting and plan.ask.on_delete is Leave.KEEP
    return state.abort is Leave.KEEP or deleted


def _restored_pods(places: tuple[Place, ...]) -> int:
    found = (p.workload.coverage for p in places if p.workload)
    return sum(c.proven for c in found if c)


def _is_back(place: Place) -> bool:
    """Say whether nothing of a target runs a value of ours; zero pods count."""
    if place.workload is None:
        return True
    pods = place.workload.coverage
    return pods is not None and not pods.unreadable and pods.settled and not pods.leftovers


def _verified(
    plan: Plan, state: State, stage: RollingBack, seen: Observation, places: tuple[Place, ...]
) -> Decision:
    record = state.rollback or RollbackRecord(because=stage.because, started_at=stage.since)
    proven = planned(plan, state, seen, replace(record, proven_at=seen.now))
    done = replace(state, rollback=proven)
    outcome = Outcome.CONTESTED if stage.ends_contested else Outcome.ROLLED_BACK
    text = f"{_all_back(plan, stage, places)}{_not_ours(places)}{_not_looked_at(places)}; {STICKY}"
    verified = note(Reason.ROLLBACK_VERIFIED, text, seen.now.isoformat())
    because = stage.because if stage.ends_contested else _undone(plan, done, stage)
    decision = end(done, seen, outcome, because, share=plan.ask.origin, judged=stage.judged)
    # The cause of a rollback was told when it began; who took a value is told once more.
    notes = decision.notes if stage.ends_contested else ()
    return replace(decision, notes=(verified, *notes))


def _all_back(plan: Plan, stage: RollingBack, places: tuple[Place, ...]) -> str:
    """Say which pods run their original again; where there are none: what no pod runs."""
    found = (
        (show(p.original.value), p.workload.coverage)
        for p in reversed(places)
        if p.standing is Standing.WANTED and p.workload and p.workload.coverage
    )
    told = ", ".join(
        f"{sum(c.proven for c in pods)} of {sum(c.desired for c in pods)} pods run {value} again"
        for value, pods in _grouped(found)
        if any(c.desired for c in pods)
    )
    return told or f"no pod runs {plan.ask.env}={plan.values[stage.from_step]} any more"


def _not_ours(places: tuple[Place, ...]) -> str:
    """Name the targets that run somebody else's value; empty: there are none."""
    return "".join(
        f"; {p.original.deployment}: left at {show_entry(p.workload.entry)}, set by somebody else"
        for p in reversed(places)
        if p.standing is Standing.TAKEN and p.workload
    )


def _grouped(pairs: Iterable[tuple[str, Named]]) -> Iterable[tuple[str, list[Named]]]:
    """Return what belongs to each value, in the order in which the values come."""
    groups: dict[str, list[Named]] = {}
    for value, one in pairs:
        groups.setdefault(value, []).append(one)
    return groups.items()


def _not_looked_at(places: tuple[Place, ...]) -> str:
    """Name the targets of which nothing can be said any more; empty: there are none."""
    gone = [p.original.deployment for p in places if p.standing is Standing.GONE]
    listed = ", ".join(gone)
    return f"; {listed}: gone or replaced, pods that it left were not looked at" if gone else ""


def _undone(plan: Plan, state: State, stage: RollingBack) -> Because:
    soak = state.soaked
    value = plan.values[stage.from_step]
    watched = f" after {show_seconds(soak.until - soak.since)} at {value}%" if soak else ""
    text = f"rolled back to {plan.ask.origin}%{watched}: {stage.because.message}"
    return Because(stage.because.reason, text)


def _cut(state: State, now: datetime) -> Soaked | None:
    """Return the soak that a rollback stops; else none: an earlier step's has no meaning now."""
    stage = state.stage
    return Soaked(since=stage.since, until=now, cut=True) if isinstance(stage, Soaking) else None


def _overdue(
    plan: Plan, state: State, stage: RollingBack, seen: Observation
) -> tuple[State, tuple[Note, ...]]:
    """Tell a rollback that stands still, again after each further patience."""
    if not overdue(plan, seen, stage.progress):
        return state, ()
    waited = seen.now - stage.progress.grew
    late = note(
        Reason.ROLLBACK_OVERDUE,
        f"pods do not come back to the original of {plan.ask.env}; see condition PodsProven",
        int(waited / patience(plan, seen)),
        stage.since.isoformat(),
        warning=True,
    )
    return told_once(state, late)


def _blind(stage: Stage, now: datetime) -> timedelta:
    return blind_in_all(stage.evidence, now) if isinstance(stage, Soaking) else timedelta(0)
