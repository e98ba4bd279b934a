"""Applying: a value is written on every target, in order, and proven on every pod."""

from dataclasses import replace
from datetime import datetime

from rampguard.core.ask import Guardrail, GuardrailType, OnFailure
from rampguard.core.counting import fresh
from rampguard.core.durations import show_duration, show_seconds
from rampguard.core.harm import tokens
from rampguard.core.model import (
    Applying,
    Because,
    Coverage,
    Decision,
    Judgement,
    Note,
    Observation,
    Progress,
    Soaking,
    State,
)
from rampguard.core.moves import (
    ask_about,
    ask_person,
    grown,
    note,
    overdue,
    patience,
    told_once,
    without_gate,
)
from rampguard.core.plan import Plan
from rampguard.core.probing import (
    TOKEN,
    asked_at_step,
    is_believed,
    wrong_reason,
    wrong_text,
)
from rampguard.core.reasons import Reason
from rampguard.core.restore import roll_back
from rampguard.core.targets import advance, carried, missing_write, taken

HELD = "errors are not compared with the time before the ramp until then"


def applying(plan: Plan, state: State, stage: Applying, seen: Observation) -> Decision:
    """Finish the transaction: all targets proven, or all of them restored."""
    places = advance(plan, state, seen, stage.step, stage.written)
    if lost := taken(plan, places):
        return roll_back(plan, state, seen, lost, contested=True)
    if seen.refusals:
        refused = Because(Reason.WRITE_REFUSED, "; ".join(seen.refusals))
        return roll_back(plan, state, seen, refused)
    writes = tuple(w for p in places if (w := missing_write(plan, p)) is not None)
    written = carried(places, stage.written)
    # The pods' time begins with the write: we may have been away between intent and write.
    just_now = writes or written != stage.written
    began = Progress(began=seen.now, grew=seen.now) if just_now else stage.progress
    stage = replace(stage, written=written, progress=grown(began, proven_pods(seen), seen.now))
    stage = replace(stage, killed=_latched(stage, seen))
    state = replace(state, stage=stage)
    if stage.killed:
        return _killed(plan, state, seen, stage.killed)
    if not writes and all_proven(seen):
        return _proven(plan, state, stage, seen)
    if not writes and readable(seen) and overdue(plan, seen, stage.progress):
        return _too_slow(plan, state, stage, seen)
    state, notes = _slow(plan, state, stage, seen)
    return Decision(
        state=state,
        because=Because(Reason.APPLYING, lag_text(plan, seen, stage.step)),
        actions=writes,
        notes=notes,
        look_again_in=plan.tempo.proving,
    )


def _proven(plan: Plan, state: State, stage: Applying, seen: Observation) -> Decision:
    """Let the app itself say what it does, then watch; an app that says nothing is watched, too."""
    state = asked_at_step(plan, state, stage.step, seen.now)
    if is_believed(state, stage.accepted):
        return _misassigned(plan, state, seen)
    if state.probed.round is None:
        return _soak(plan, state, stage, seen)
    if begun := state.probed.round.since == seen.now:
        state = replace(state, mixed=seen.now + plan.tempo.scrape - stage.since)
    if begun or (seen.now - stage.progress.grew) * 10 > patience(plan, seen):
        # Pods that stay proven are no standstill: one that is lost later has nearly all its time.
        progress = replace(stage.progress, began=seen.now, grew=seen.now)
        state = replace(state, stage=replace(stage, progress=progress))
    text = f"{lag_text(plan, seen, stage.step)}; the probe is being asked"
    return Decision(
        state=state,
        because=Because(Reason.APPLYING, text),
        look_again_in=plan.tempo.proving,
    )


def _misassigned(plan: Plan, state: State, seen: Observation) -> Decision:
    """Answer wrong answers of an app whose pods are all proven."""
    because = Because(wrong_reason(state), wrong_text(state))
    if plan.ask.on_failure is OnFailure.ROLLBACK:
        return roll_back(plan, state, seen, because)
    asked, notes = ask_about(plan, state, because.message, (TOKEN,), seen.now)
    return Decision(state=asked, because=because, notes=notes, look_again_in=plan.tempo.proving)


def coverages(seen: Observation) -> tuple[Coverage, ...]:
    """Return what is known of the pods of each target."""
    found = (w.coverage for w in seen.workloads if w is not None)
    return tuple(c for c in found if c is not None)


def all_proven(seen: Observation) -> bool:
    """Say whether every pod of every target is proven; an unknown target is not."""
    known = coverages(seen)
    return 0 < len(known) == len(seen.workloads) and all(c.is_proven for c in known)


def readable(seen: Observation) -> bool:
    """Say whether the pods of every target are known."""
    known = coverages(seen)
    return len(known) == len(seen.workloads) and not any(c.unreadable for c in known)


def proven_pods(seen: Observation) -> int:
    """Return how many pods are proven, over all targets."""
    return sum(c.proven for c in coverages(seen))


def lag_text(plan: Plan, seen: Observation, step: int) -> str:
    """Say how many pods run the value, and which do not and why, the first three by name."""
    known = coverages(seen)
    text = f"{proven_pods(seen)} of {sum(c.desired for c in known)} pods run {plan.values[step]}"
    if blind := next((c.unreadable for c in known if c.unreadable), ""):
        return f"{text}; pods cannot be read: {blind}"
    lagging = [lag for c in known for lag in c.lagging]
    named = ", ".join(f"{lag.pod} ({lag.why})" for lag in lagging[:3])
    rest = f" and {len(lagging) - 3} more" if len(lagging) > 3 else ""  # noqa: PLR2004 - as above
    return f"{text}; waiting for {named}{rest}" if named else text


def _soak(plan: Plan, state: State, stage: Applying, seen: Observation) -> Decision:
    """Begin to watch, one scrape after the proof, so that mixed exposure stays out."""
    t0 = seen.now + plan.tempo.scrape
    # A question about pods that came after all is void; an answer to it must open nothing.
    state = without_gate(state, "breach")
    changed_at: datetime | None = None
    changed: tuple[Note, ...] = ()
    if who := changed_by_others(stage.templates, seen):
        changed_at, state, changed = _changed(plan, state, seen, who, t0)
    value, pods = plan.values[stage.step], proven_pods(seen)
    soaking = Soaking(
        since=t0,
        step=stage.step,
        evidence=fresh(plan, stage.step, t0),
        templates=templates(seen),
        rules=rules(plan),
        accepted=stage.accepted,
        changed_at=changed_at,
    )
    # While the app is asked, no pod runs another value any more.
    mixed = state.mixed if plan.ask.probe and state.mixed else t0 - stage.since
    proven = note(
        Reason.PODS_PROVEN,
        f"{pods} of {pods} pods proven at {value}"
        f" (mixed exposure {show_seconds(mixed)}, left out of the guardrails)",
        stage.step,
        t0.isoformat(),
    )
    until = t0 + plan.soaks[stage.step]
    text = f"at {value}% until {until:%Y-%m-%dT%H:%M:%SZ}"
    started = note(Reason.SOAK_STARTED, f"soak started: {text}", stage.step, t0.isoformat())
    return Decision(
        state=replace(state, stage=soaking, mixed=mixed),
        because=Because(Reason.SOAKING, text),
        notes=(*changed, proven, started),
        look_again_in=plan.tempo.scrape,
    )


def _changed(
    plan: Plan, state: State, seen: Observation, who: str, t0: datetime
) -> tuple[datetime | None, State, tuple[Note, ...]]:
    """Answer a change of somebody else's between the write and the proof: as in a soak."""
    text = f"somebody changed the pod template of {who} while the value was written"
    told = note(Reason.TEMPLATE_CHANGED, text, seen.now.isoformat(), warning=True)
    if not compares_with_history(plan, state):
        return None, state, (told,)
    state, asked = ask_person(plan, state, "rebaseline", f"{text}; {HELD}", seen.now)
    return t0, state, (told, *asked)


def _latched(stage: Applying, seen: Observation) -> tuple[Judgement, ...]:
    """Return the kill-switches that fired and that nobody overruled, each as it fired first."""
    fired = {j.name: j for j in (*seen.kills, *stage.killed)}
    return tuple(j for j in fired.values() if not set(tokens(j)).issubset(stage.accepted))


def _killed(plan: Plan, state: State, seen: Observation, harm: tuple[Judgement, ...]) -> Decision:
    """Answer kill-switches that fire before the proof is whole."""
    text = "; ".join(breach_text(one) for one in harm)
    because = Because(Reason.GUARDRAIL_BREACHED, breach_text(harm[0]))
    state, notes = told_harm(state, harm, state.stage.since)
    if plan.ask.on_failure is OnFailure.ROLLBACK:
        decision = roll_back(plan, state, seen, because)
        return replace(decision, notes=(*notes, *decision.notes))
    about = [token for one in harm for token in tokens(one)]
    asked, question = ask_about(plan, state, text, about, seen.now)
    return Decision(
        state=asked,
        because=because,
        notes=(*notes, *question),
        look_again_in=plan.tempo.proving,
    )


def told_harm(
    state: State, harm: tuple[Judgement, ...], since: datetime | None
) -> tuple[State, tuple[Note, ...]]:
    """Tell all that broke, each part once a stage."""
    notes: tuple[Note, ...] = ()
    for one in harm:
        loud = f"{one.name} breached:{harm_text(one).removeprefix(one.name)}"
        key = (*tokens(one), since)
        told = note(Reason.GUARDRAIL_BREACHED, loud, *key, warning=True)
        state, new = told_once(state, told)
        notes = (*notes, *new)
    return state, notes


def breach_text(judgement: Judgement) -> str:
    """Say what was measured, and which limit it broke."""
    measured = " ".join(p for p in (judgement.name, judgement.value, judgement.interval) if p)
    return f"{measured}, limit {judgement.limit}"


def harm_text(judgement: Judgement) -> str:
    """Say what broke which limit, and what was counted on both sides."""
    told = breach_text(judgement)
    return f"{told} ({judgement.why})" if judgement.why else told


def templates(seen: Observation) -> tuple[str, ...]:
    """Return the hash of each target's pod template, without our variable."""
    return tuple(w.template if w else "" for w in seen.workloads)


def changed_by_others(before: tuple[str, ...], seen: Observation) -> str:
    """Name the targets whose pod template is not what it was; empty: none, as far as is known."""
    return ", ".join(
        f"{w.deployment} (revision {w.revision or 'unknown'})"
        for w, was in zip(seen.workloads, before, strict=False)
        if w and was and w.template != was
    )


def compares_with_history(plan: Plan, state: State) -> bool:
    """Say whether a guardrail that decides compares errors with the time before the ramp."""
    enough = {one.guardrail for one in state.baselines if one.enough}
    return any(
        g.type is GuardrailType.ERROR_RATE and g.name in enough and not g.dry_run
        for g in plan.ask.guardrails
    )


def rules(plan: Plan) -> str:
    """Return what the evidence of a soak depends on; a change restarts that of its guardrail."""
    return ";".join(map(rule, plan.ask.guardrails))


def rule(guardrail: Guardrail) -> str:
    """Return what the evidence of one guardrail depends on."""
    limits = (guardrail.tolerance, guardrail.maximum, guardrail.minimum, guardrail.dry_run)
    return f"{guardrail.name}={','.join(map(str, limits))}"


def _too_slow(plan: Plan, state: State, stage: Applying, seen: Observation) -> Decision:
    text = (
        f"no progress for {show_duration(patience(plan, seen))}: {lag_text(plan, seen, stage.step)}"
    )
    because = Because(Reason.PROOF_TIMEOUT, text)
    if plan.ask.on_failure is OnFailure.ROLLBACK:
        return roll_back(plan, state, seen, because)
    asked, notes = ask_person(plan, state, "breach", text, seen.now)
    return Decision(state=asked, because=because, notes=notes, look_again_in=plan.tempo.proving)


def _slow(
    plan: Plan, state: State, stage: Applying, seen: Observation
) -> tuple[State, tuple[Note, ...]]:
    """Tell a proof that stands still for half of its patience, once."""
    if (seen.now - stage.progress.grew) * 2 <= patience(plan, seen):
        return state, ()
    text = lag_text(plan, seen, stage.step)
    return told_once(state, note(Reason.PROOF_SLOW, text, stage.step, warning=True))
