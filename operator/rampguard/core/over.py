"""A soak that is over: the next step follows, or the ramp completes."""

from dataclasses import replace

from rampguard.core.ask import GateKind
from rampguard.core.baseline import effective
from rampguard.core.durations import show_duration
from rampguard.core.harm import deciding, show_token
from rampguard.core.model import (
    Baseline,
    Because,
    Decision,
    Judgement,
    Observation,
    Outcome,
    Soaked,
    Soaking,
    State,
    Verdict,
)
from rampguard.core.moves import (
    ask_person,
    blind_in_all,
    end,
    note,
    told_once,
    was_approved,
)
from rampguard.core.plan import Plan
from rampguard.core.preflight import step_preflight
from rampguard.core.reasons import Reason
from rampguard.core.start import apply_step


def onward(plan: Plan, state: State, stage: Soaking, seen: Observation) -> Decision:
    """Take the next step, or complete."""
    moved = replace(
        state,
        blind_total=state.blind_total + blind_in_all(stage.evidence, seen.now),
        baselines=_baselines(plan, state, stage),
    )
    if stage.step == plan.last:
        return _complete(plan, moved, stage, seen)
    onward = stage.step + 1
    if hindered := step_hindered(plan, stage, seen):
        return _held(plan, state, stage, hindered)
    gate = f"step-{onward}"
    if GateKind.EACH_STEP in plan.ask.gates and not was_approved(state, gate):
        why = f"{plan.values[stage.step]} -> {plan.values[onward]}: the soak is over"
        asked, notes = ask_person(plan, state, gate, why, seen.now)
        return replace(_wait(plan, asked, Because(Reason.AWAITING_APPROVAL, why)), notes=notes)
    return apply_step(plan, moved, seen, onward)


def _baselines(plan: Plan, state: State, stage: Soaking) -> tuple[Baseline, ...]:
    """Return what the next soak compares with."""
    rules = {g.name: g for g in plan.ask.guardrails}
    return tuple(effective(plan, stage, rules[b.guardrail], b) for b in state.baselines)


def step_hindered(plan: Plan, stage: Soaking, seen: Observation) -> Because | None:
    """Say what is in the way of the next step; None: nothing, or there is none."""
    unmet = step_preflight(plan, seen) if stage.step < plan.last else ()
    return Because(unmet[0].reason, "; ".join(b.message for b in unmet)) if unmet else None


def _held(plan: Plan, state: State, stage: Soaking, because: Because) -> Decision:
    """Tell once what a step waits for; the guardrails go on."""
    text = f"the step to {plan.values[stage.step + 1]} waits: {because.message}"
    told = note(because.reason, text, stage.step, warning=True)
    state, notes = told_once(state, told)
    return replace(_wait(plan, state, because), notes=notes)


def _wait(plan: Plan, state: State, because: Because) -> Decision:
    return Decision(state=state, because=because, look_again_in=plan.tempo.recheck)


def _complete(plan: Plan, state: State, stage: Soaking, seen: Observation) -> Decision:
    judged = seen.looks[-1].judgements
    return end(
        replace(state, soaked=Soaked(since=stage.since, until=seen.now)),
        seen,
        Outcome.COMPLETED,
        _passed(plan, stage, judged),
        share=plan.ask.to,
        watched=True,
        judged=judged,
    )


def _passed(plan: Plan, stage: Soaking, judged: tuple[Judgement, ...]) -> Because:
    """Say what a soak that is over has shown; it passed only where everything was shown."""
    told = deciding(plan, stage, judged)
    known = {Verdict.WITHIN_TOLERANCE, Verdict.BREACHED}  # what is broken here was accepted
    unsure = tuple(j for j in told if j.verdict not in known)
    soak = f"completed at {plan.ask.to}%: {show_duration(plan.soaks[stage.step])} soak"
    if told and not unsure and not stage.accepted:
        text = f"{soak} passed, every guardrail within tolerance"
        return Because(Reason.COMPLETED, text)
    harm = "accepted harm" if stage.accepted else "no harm found"
    shown = (
        *(f"{show_token(one)} {Verdict.BREACHED}" for one in stage.accepted),
        *(f"{j.name} {j.could_see or j.verdict}" for j in unsure),
    )
    text = f"{soak} is over, {harm}; {'; '.join(shown) or 'no guardrail applied'}"
    return Because(Reason.COMPLETED_INCONCLUSIVE, text)
