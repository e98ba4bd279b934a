"""What people read: conditions, phase and summary, made anew from every decision."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from rampguard.core.answers import heard_text
from rampguard.core.applying import all_proven, coverages, harm_text, lag_text, proven_pods
from rampguard.core.ask import GitopsPolicy
from rampguard.core.durations import show_seconds
from rampguard.core.guardrails import worst
from rampguard.core.harm import serious, show_token
from rampguard.core.inquiring import told_text
from rampguard.core.linking import of_ramp
from rampguard.core.links import left_out, links
from rampguard.core.model import (
    Applying,
    Because,
    Condition,
    Coverage,
    Decision,
    Ended,
    Evidence,
    Gate,
    Judgement,
    Observation,
    Outcome,
    Pending,
    Phase,
    RollingBack,
    Served,
    Soaking,
    Stage,
    State,
    Verdict,
    Workload,
)
from rampguard.core.moves import blind_for, is_gate, overdue
from rampguard.core.outbox import waiting
from rampguard.core.plan import Plan, next_finding, soak_end
from rampguard.core.preconditions import met_text, skipped, text_of, unmet, window_is_over
from rampguard.core.probe import Occasion
from rampguard.core.reasons import ConditionType, Reason
from rampguard.core.targets import show_entry
from rampguard.core.view import SoakView, StatusView, TargetView

SUMMARY = 120  # characters; condition Ready has the whole sentence
_PERCENT = re.compile(r"[0-9]{1,3}", re.ASCII)
MOVING = {
    Phase.PENDING: Reason.PENDING,
    Phase.APPLYING: Reason.APPLYING,
    Phase.SOAKING: Reason.SOAKING,
    Phase.PAUSED: Reason.PAUSED,
    Phase.AWAITING_APPROVAL: Reason.AWAITING_APPROVAL,
    Phase.ROLLING_BACK: Reason.ROLLING_BACK,
}
OUTCOMES = {
    Outcome.COMPLETED: Phase.COMPLETED,
    Outcome.ROLLED_BACK: Phase.ROLLED_BACK,
    Outcome.ABORTED: Phase.ABORTED,
    Outcome.CONTESTED: Phase.CONTESTED,
}
IN_GIT = {Reason.DECLARED_IN_GIT, Reason.GITOPS_REVERTED}


@dataclass(frozen=True, slots=True)
class _Fact:
    """A condition before it has a time; holds None: unknown."""

    type: ConditionType
    holds: bool | None
    reason: Reason
    message: str = ""


def render(plan: Plan, seen: Observation, decision: Decision) -> tuple[State, StatusView]:
    """Return the state with its conditions, and the view of it."""
    state, phase = decision.state, phase_of(plan, decision.state)
    if isinstance(state.stage, Ended):  # whatever hinders a later pass: it ended for this
        decision = replace(decision, because=state.stage.because)
    seen = _of_the_new_value(state, seen)
    told = _told(state, phase, decision.because)
    facts = {f.type: f for f in _facts(plan, seen, decision, phase, told)}
    conditions = tuple(_conditions(plan, state, seen.now, facts))
    view = StatusView(
        phase=phase,
        phase_since=_since(state),
        progress=_progress(plan, state, seen, phase),
        pods=_pods(state, seen),
        findings=_findings(plan, state),
        summary=told if len(told) <= SUMMARY else f"{told[: SUMMARY - 1]}…",
        targets=_targets(plan, state, seen),
        soak=_soak(plan, state),
        blind=state.blind_total + _blind(state.stage),
    )
    about, templates = of_ramp(plan, state), seen.link_templates
    linked = replace(view, links=links(templates, about), unlinked=left_out(templates, about))
    return replace(state, conditions=conditions), linked


def _of_the_new_value(state: State, seen: Observation) -> Observation:
    """Return what was seen; of a value that was decided just now, no pod is proven yet."""
    stage = state.stage
    if not isinstance(stage, Applying | RollingBack) or stage.since != seen.now:
        return seen
    workloads = tuple(
        replace(w, coverage=replace(w.coverage, proven=0)) if w and w.coverage else w
        for w in seen.workloads
    )
    return replace(seen, workloads=workloads)


def phase_of(plan: Plan, state: State) -> Phase:
    """Return the phase that people read."""
    match state.stage:
        case Ended(outcome=outcome):
            return OUTCOMES[outcome]
        case RollingBack():
            return Phase.ROLLING_BACK
        case Pending(blocked=True):
            return Phase.BLOCKED
        case _ if _waits(state):
            return Phase.AWAITING_APPROVAL
        case Applying():
            return Phase.APPLYING
        case _ if plan.ask.paused:
            return Phase.PAUSED
        case Pending():
            return Phase.PENDING
        case Soaking():
            return Phase.SOAKING
        case other:
            assert_never(other)


def _waits(state: State) -> bool:
    """Say whether nothing else goes on until a person answers."""
    return bool(_asking(state))


def _asking(state: State) -> tuple[Gate, ...]:
    """Return the gates that hold everything; at gate rebaseline all but history goes on."""
    asking = (gate for gate in state.gates if not is_gate(gate.name, "rebaseline"))
    return tuple(sorted(asking, key=lambda gate: not is_gate(gate.name, "breach")))  # harm first


def _facts(
    plan: Plan, seen: Observation, decision: Decision, phase: Phase, told: str
) -> Iterator[_Fact]:
    state, because = decision.state, decision.because
    done = phase is Phase.COMPLETED
    reason = MOVING.get(phase, because.reason)
    stalled = _stalled(plan, seen, decision, phase)
    yield _Fact(ConditionType.READY, done, reason, told)
    moving = phase in MOVING and stalled is None
    yield _Fact(ConditionType.RECONCILING, moving, reason)
    yield stalled or _fails(ConditionType.STALLED, Reason.AS_EXPECTED)
    yield from _preconditions(plan, state, seen)
    yield from _gitops(plan, state, seen)
    yield from _signals(seen)
    yield from _proof(plan, state, seen)
    yield from _assignment(plan, state)
    yield from _analytics(plan, state)
    yield from _guardrails(plan, state.stage)
    yield from _rollback(plan, state, seen)
    yield from _notified(state)


def _stalled(plan: Plan, seen: Observation, decision: Decision, phase: Phase) -> _Fact | None:
    """Return what needs a person, with the next step; None: nothing does."""
    stage, because = decision.state.stage, decision.because
    match stage:
        case Ended() if phase is not Phase.COMPLETED:
            owner = f" (owner: {plan.ask.owner})" if plan.ask.owner else ""
            text = f"{because.message}. {_next_step(plan, because)}{owner}"
            return _stall(because.reason, text)
        case Pending(blocked=True):
            later = " and the window is moved" if window_is_over(plan, seen.now) else ""
            text = f"{because.message}. It starts by itself once this holds{later}"
            return _stall(because.reason, text)
        case RollingBack() if seen.refusals:
            return _stall(Reason.WRITE_REFUSED, "; ".join(seen.refusals))
        case RollingBack(progress=progress) if overdue(plan, seen, progress):
            text = f"the rollback is not proven: {_leftovers(seen)}; it goes on trying"
            return _stall(Reason.ROLLBACK_OVERDUE, text)
        case Soaking(evidence=evidence) if _unproven_for(evidence, seen) > plan.ask.max_hold:
            text = (
                f"{because.message}; nothing is counted until they are; repair the pods, or abort"
            )
            return _stall(Reason.PODS_LOST, text)
        case Soaking(evidence=evidence) if blind_for(evidence, seen.now) > plan.ask.max_hold:
            return _stall(Reason.BLIND, f"{because.message}; let Prometheus answer, or abort")
        case _:
            return None


def _unproven_for(evidence: Evidence, seen: Observation) -> timedelta:
    return seen.now - evidence.unproven_since if evidence.unproven_since else timedelta(0)


def _holds(kind: ConditionType, reason: Reason, message: str = "") -> _Fact:
    return _Fact(kind, holds=True, reason=reason, message=message)


def _fails(kind: ConditionType, reason: Reason, message: str = "") -> _Fact:
    return _Fact(kind, holds=False, reason=reason, message=message)


def _stall(reason: Reason, message: str) -> _Fact:
    return _holds(ConditionType.STALLED, reason, message)


def _next_step(plan: Plan, because: Because) -> str:
    retry = f"kubectl ramp retry {plan.ask.ref.name} -n {plan.ask.ref.namespace}"
    match because.reason:
        case Reason.GITOPS_REVERTED:
            return f"Take {plan.ask.env} out of Git, then: {retry}"
        case Reason.STATUS_LOST:
            return "It is never restarted over its own stamp"
        case _:
            return f"To try again: {retry}"


def _preconditions(plan: Plan, state: State, seen: Observation) -> Iterator[_Fact]:
    if seen.required is None or (plan.ask.require is None and plan.ask.window is None):
        return
    kind, started = ConditionType.PRECONDITIONS_MET, state.started_at not in {None, seen.now}
    if held := unmet(plan, state, seen, started=started):
        yield _fails(kind, held[0].reason, text_of(held))
    elif without := skipped(plan, state, seen, started=started):
        text = "; ".join((*(line for _, line in without), *(one.message for one, _ in without)))
        yield _holds(kind, Reason.OVERRIDDEN, text)
    else:
        yield _holds(kind, Reason.MET, met_text(plan, seen, started=started))


def _gitops(plan: Plan, state: State, seen: Observation) -> Iterator[_Fact]:
    known = _known(seen)
    if isinstance(state.stage, Ended) and state.stage.because.reason in IN_GIT:
        because = state.stage.because
        yield _fails(ConditionType.GITOPS_SAFE, because.reason, because.message)
        return
    if not known:
        return
    declared = next((w for w in known if w.declared_by), None)
    if declared is None:
        text = f"{plan.ask.env} is not declared in Git on {_names(known)}"
        yield _holds(ConditionType.GITOPS_SAFE, Reason.NOT_DECLARED_IN_GIT, text)
        return
    ignored = plan.ask.gitops is GitopsPolicy.IGNORE
    reason = Reason.DECLARATION_IGNORED if ignored else Reason.DECLARED_IN_GIT
    text = f"{plan.ask.env} on {declared.deployment} is declared in Git: {declared.declared_by}"
    yield _Fact(ConditionType.GITOPS_SAFE, ignored, reason, text)


def _signals(seen: Observation) -> Iterator[_Fact]:
    if seen.signals is None:
        return
    ready = "every deciding guardrail was judged once at the value before"
    text = "; ".join(seen.signals or (ready, *seen.unread))
    reason = Reason.SIGNALS_MISSING if seen.signals else Reason.READY
    yield _Fact(ConditionType.SIGNALS_READY, not seen.signals, reason, text)


def _proof(plan: Plan, state: State, seen: Observation) -> Iterator[_Fact]:
    if not coverages(seen):
        return
    kind = ConditionType.PODS_PROVEN
    match state.stage:
        case Applying(step=step) if all_proven(seen):
            yield _holds(kind, Reason.ALL_PODS_PROVEN, lag_text(plan, seen, step))
        case Applying(step=step):
            yield _fails(kind, Reason.PODS_LAG, lag_text(plan, seen, step))
        case Soaking(step=step, evidence=evidence):
            lost = evidence.unproven_since is not None
            reason = Reason.PODS_LOST if lost else Reason.ALL_PODS_PROVEN
            text = f"{lag_text(plan, seen, step)}; mixed exposure lasted {_mixed(state)}"
            yield _Fact(kind, not lost, reason, text)
        case RollingBack():
            yield _fails(kind, Reason.PODS_LAG, _leftovers(seen))
        case Ended(outcome=Outcome.ROLLED_BACK | Outcome.CONTESTED) if state.rollback:
            back = proven_pods(seen)
            original = f"; {back} run the original" if back else ""
            text = f"no pod runs a value of the ramp{original}"
            yield _holds(kind, Reason.ALL_PODS_PROVEN, text)
        case _:
            return


def _leftovers(seen: Observation) -> str:
    """Name the pods that still run a value of the ramp, the first three."""
    known = coverages(seen)
    if blind := next((c.unreadable for c in known if c.unreadable), ""):
        return f"pods cannot be read: {blind}"
    left = [lag for c in known for lag in c.leftovers]
    named = ", ".join(f"{lag.pod} ({lag.why})" for lag in left[:3])
    rest = f" and {len(left) - 3} more" if len(left) > 3 else ""  # noqa: PLR2004 - as above
    return (
        f"{len(left)} pods still run a value of the ramp: {named}{rest}"
        if left
        else ("the Deployments do not say yet that they took the original")
    )


def _assignment(plan: Plan, state: State) -> Iterator[_Fact]:
    if plan.ask.probe is None:
        return
    kind, heard = ConditionType.ASSIGNMENT_VERIFIED, state.probed.heard
    if heard is None:
        yield _Fact(kind, None, Reason.PENDING, "the app was not asked yet")
        return
    text = f"{heard_text(heard)} (at {heard.at:%Y-%m-%dT%H:%M:%SZ})"
    now = plan.values[state.stage.step] if isinstance(state.stage, Applying | Soaking) else None
    if now is not None and heard.share != now:
        text = f"the app was not asked at {now}% yet; before: {text}"
        yield _Fact(kind, None, Reason.PENDING, text)
    elif heard.faults:
        yield _fails(kind, heard.faults[0].reason, text)
    elif heard.silent:
        yield _Fact(kind, None, Reason.PROBE_FAILED, text)
    elif heard.occasion is Occasion.START or state.rollback is not None:
        yield _Fact(kind, None, Reason.PENDING, text)
    else:
        yield _holds(kind, Reason.SHARE_AS_WANTED, text)


def _analytics(plan: Plan, state: State) -> Iterator[_Fact]:
    if plan.ask.analytics is None:
        return
    kind, told = ConditionType.ANALYTICS_VERIFIED, state.inquiries.told
    if told is None:
        yield _Fact(kind, None, Reason.PENDING, "the export was not read yet")
        return
    text = f"{told_text(told)} (at {told.at:%Y-%m-%dT%H:%M:%SZ})"
    if told.unread:
        yield _Fact(kind, None, told.fault or Reason.EXPORT_UNREADABLE, text)
    elif told.fault:
        yield _fails(kind, told.fault, text)
    else:
        yield _holds(kind, Reason.ANALYTICS_AS_WANTED, text)


def _guardrails(plan: Plan, stage: Stage) -> Iterator[_Fact]:
    told = serious(plan, _judged(stage))
    if not told:
        return
    verdict = worst(told)
    blind = isinstance(stage, Soaking) and (
        stage.evidence.blind_since or stage.evidence.unproven_since
    )
    if blind and verdict is not Verdict.BREACHED:
        verdict = Verdict.NO_DATA
    holds, reason = {
        Verdict.WITHIN_TOLERANCE: (True, Reason.ALL_WITHIN),
        Verdict.INCONCLUSIVE: (None, Reason.INCONCLUSIVE),
        Verdict.NO_DATA: (None, Reason.NO_DATA),
        Verdict.BREACHED: (False, Reason.BREACHED),
        Verdict.NOT_APPLICABLE: (None, Reason.NO_DATA),
    }[verdict]
    within = sum(j.verdict is Verdict.WITHIN_TOLERANCE for j in told)
    text = f"{within} of {len(told)} guardrails are proven to be within tolerance"
    if verdict is Verdict.BREACHED:
        broken = tuple(j for j in told if j.verdict is Verdict.BREACHED)
        text = "; ".join(harm_text(j) for j in broken)
        told = tuple(j for j in told if j not in broken)
    others = "; ".join(
        f"{j.name} {j.verdict}{f': {j.why}' if j.why else ''}"
        for j in told
        if j.verdict is not Verdict.WITHIN_TOLERANCE
    )
    accepted = stage.accepted if isinstance(stage, Soaking) else ()
    shown = f"accepted: {', '.join(map(show_token, accepted))}" if accepted else ""
    message = "; ".join(filter(None, (text, others, shown)))
    yield _Fact(ConditionType.GUARDRAILS_PASSING, holds, reason, message)


def _judged(stage: Stage) -> tuple[Judgement, ...]:
    """Return what was judged of a stage last; while a value is written: what stopped it."""
    match stage:
        case Applying(killed=killed):
            return killed
        case Soaking(judged=judged) | RollingBack(judged=judged) | Ended(judged=judged):
            return judged
        case _:
            return ()


def _rollback(plan: Plan, state: State, seen: Observation) -> Iterator[_Fact]:
    kind = ConditionType.ROLLBACK_VERIFIED
    record = state.rollback
    if record is None:
        return
    if record.proven_at is not None:
        text = (
            f"no pod runs a value of the ramp since {record.proven_at:%Y-%m-%dT%H:%M:%SZ};"
            " users keep the arm that they were assigned until their cookie ends"
        )
        yield _holds(kind, Reason.ALL_PODS_PROVEN, text)
        return
    late = isinstance(state.stage, RollingBack) and overdue(plan, seen, state.stage.progress)
    reason = Reason.ROLLBACK_OVERDUE if late else Reason.ROLLING_BACK
    yield _fails(kind, reason, record.because.message)


def _notified(state: State) -> Iterator[_Fact]:
    """Say whether people get what they are to get; nothing while that is still open."""
    kind = ConditionType.NOTIFIED
    failing = tuple((n, r) for n, r in waiting(state.outbox) if r.tries)
    if failing or state.unheard:
        lines = (
            *(f"{r.channel}: {n.kind} (try {r.tries}): {r.why}" for n, r in failing),
            *(f"given up on {line}" for line in reversed(state.unheard)),
        )
        yield _fails(kind, Reason.DELIVERY_FAILING, "; ".join(lines))
    elif state.delivered and not state.outbox:
        yield _holds(kind, Reason.DELIVERED, f"{state.delivered} delivered")


def _conditions(
    plan: Plan, state: State, now: datetime, facts: dict[ConditionType, _Fact]
) -> Iterator[Condition]:
    """Merge new facts into what stands; the time of a condition moves on a flip only."""
    before = {c.type: c for c in state.conditions}
    for kind in ConditionType:
        fact, old = facts.get(kind), before.get(kind)
        if fact is None:
            if old is not None:
                yield old
            continue
        status = {True: "True", False: "False", None: "Unknown"}[fact.holds]
        yield Condition(
            type=kind,
            status=status,
            reason=fact.reason,
            message=fact.message[:1024],
            since=old.since if old and old.status == status else now,
            generation=plan.ask.generation,
        )


def _told(state: State, phase: Phase, because: Because) -> str:
    """Return one sentence; a name at its start stays as it is."""
    message = because.message
    match phase:
        case Phase.BLOCKED:
            return f"Blocked: {message}"
        case Phase.ROLLING_BACK:
            return f"Rolling back: {message}"
        case Phase.AWAITING_APPROVAL:
            return f"Gate {_asking(state)[0].name} waits for a person: {message}"
        case Phase.CONTESTED:
            return message
        case _:
            return message[:1].upper() + message[1:]


def _since(state: State) -> datetime | None:
    opened = [g.since for g in _asking(state)]
    return max(opened) if opened and not isinstance(state.stage, Ended) else state.stage.since


def _progress(plan: Plan, state: State, seen: Observation, phase: Phase) -> str:
    origin, goal = plan.ask.origin, plan.ask.to
    match state.stage:
        case Pending():
            return _running(show_entry(w.entry) for w in _known(seen)) or f"{origin}"
        case Applying(step=step) | Soaking(step=step) if step < plan.last:
            return f"{origin} -> {plan.values[step]} of {goal}"
        case Applying() | Soaking():
            return f"{origin} -> {goal}"
        case RollingBack(from_step=step):
            return f"{plan.values[step]} -> {origin}"
        case Ended(targets=targets, share=share) if phase is Phase.CONTESTED:
            return f"{_running(one.runs for one in targets) or share} (wanted {goal})"
        case Ended(share=share):
            was = state.rollback is not None
            return f"{share} (was {goal})" if was or share != goal else f"{share}"
        case other:
            assert_never(other)


def _running(values: Iterable[str]) -> str:
    """Return what the targets carry, where that is a number of each; empty: it is not."""
    found = sorted(set(values))
    return "/".join(found) if all(_PERCENT.fullmatch(one) for one in found) else ""


def _pods(state: State, seen: Observation) -> str:
    """Return how many pods are proven; of an ended ramp as they were at its end."""
    known: Sequence[Coverage | Served] = coverages(seen)
    if isinstance(state.stage, Ended):
        known = state.stage.targets
    return f"{sum(c.proven for c in known)}/{sum(c.desired for c in known)}" if known else "-"


def _findings(plan: Plan, state: State) -> str:
    due = sum(len(f) for f in plan.findings)
    have = [f.verdict for f in state.findings]
    if not have:
        return "-"
    parts = [f"{have.count(Verdict.WITHIN_TOLERANCE)}/{due} within"]
    parts += [
        f"{have.count(verdict)} {word}"
        for verdict, word in (
            (Verdict.INCONCLUSIVE, "inconclusive"),
            (Verdict.NO_DATA, "no data"),
            (Verdict.BREACHED, "BREACHED"),
        )
        if verdict in have
    ]
    parts += [f"{state.unrecorded} more breaches not recorded"] if state.unrecorded else []
    return ", ".join(parts)


def _targets(plan: Plan, state: State, seen: Observation) -> tuple[TargetView, ...]:
    if isinstance(state.stage, Ended) and state.stage.targets:
        return tuple(_served(one) for one in state.stage.targets)
    return tuple(
        TargetView(deployment=target.name) if w is None else _target(w)
        for target, w in zip(plan.ask.targets, seen.workloads, strict=False)
    )


def _served(one: Served) -> TargetView:
    return TargetView(
        deployment=one.deployment,
        container=one.container,
        observed=one.runs,
        pods=f"{one.proven}/{one.desired}",
    )


def _target(seen: Workload) -> TargetView:
    pods = seen.coverage
    return TargetView(
        deployment=seen.deployment,
        container=seen.container or "",
        observed=show_entry(seen.entry),
        pods=f"{pods.proven}/{pods.desired}" if pods and not pods.unreadable else "",
    )


def _soak(plan: Plan, state: State) -> SoakView | None:
    stage, over = state.stage, state.soaked
    if not isinstance(stage, Soaking):
        if over is None:
            return None
        ends, stopped = (None, over.until) if over.cut else (over.until, None)
        return SoakView(started_at=over.since, ends_at=ends, stopped_at=stopped)
    return SoakView(
        started_at=stage.since,
        ends_at=soak_end(plan, stage),
        next_finding_at=next_finding(plan, stage, state.findings),
    )


def _blind(stage: Stage) -> timedelta:
    """Return how long the current soak was blind in all, without the time that still runs."""
    return stage.evidence.blind_total if isinstance(stage, Soaking) else timedelta(0)


def _known(seen: Observation) -> tuple[Workload, ...]:
    return tuple(w for w in seen.workloads if w is not None)


def _names(known: tuple[Workload, ...]) -> str:
    return ", ".join(w.deployment for w in known)


def _mixed(state: State) -> str:
    return "an unknown time" if state.mixed is None else show_seconds(state.mixed)
