"""Soaking: a proven step is watched until its soak is over, harm is shown, or a person decides."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from rampguard.core import recounting
from rampguard.core.applying import (
    HELD,
    all_proven,
    breach_text,
    changed_by_others,
    compares_with_history,
    coverages,
    lag_text,
    readable,
    rule,
    rules,
    templates,
    told_harm,
)
from rampguard.core.ask import NoDataPolicy, OnFailure
from rampguard.core.baseline import is_whole, longer, low_switch, taken_anew
from rampguard.core.durations import show_duration
from rampguard.core.findings import as_note, finding, has_room
from rampguard.core.guardrails import worst
from rampguard.core.harm import (
    as_latched,
    deciding,
    guardrail_of,
    is_of_the_ramp,
    opened,
    serious,
    tokens,
    unaccepted,
)
from rampguard.core.inquiring import asked_in_soak
from rampguard.core.model import (
    Because,
    Decision,
    Finding,
    Judgement,
    Look,
    Note,
    Observation,
    Soaking,
    State,
    Verdict,
)
from rampguard.core.moves import (
    ask_about,
    ask_person,
    blind_for,
    blind_in_all,
    gate_open,
    is_too_soon,
    note,
    told_once,
    without_gate,
)
from rampguard.core.over import onward, step_hindered
from rampguard.core.plan import Plan, due_findings, soak_end, until_next_look
from rampguard.core.preconditions import text_of, told_unmet, unmet, vouching
from rampguard.core.probing import TOKEN, asked_at_finding, is_believed, wrong_text
from rampguard.core.reasons import Reason
from rampguard.core.restore import roll_back
from rampguard.core.targets import advance, taken


@dataclass(frozen=True, slots=True)
class Watched:
    """A soak as it is being thought through in one pass."""

    state: State
    stage: Soaking
    notes: tuple[Note, ...] = ()

    def told(self, *notes: Note) -> "Watched":
        """Return this with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def with_evidence(self, **facts: object) -> "Watched":
        """Return this with other evidence."""
        evidence = replace(self.stage.evidence, **facts)  # type: ignore[arg-type]  # as named
        return replace(self, stage=replace(self.stage, evidence=evidence))


def soaking(plan: Plan, state: State, stage: Soaking, seen: Observation) -> Decision:
    """Watch: a revert stops it, harm rolls it back, an unknown holds it, its end moves it on."""
    everywhere = tuple(o.target for o in state.originals)
    places = advance(plan, state, seen, stage.step, everywhere)
    if lost := taken(plan, places):
        return roll_back(plan, state, seen, lost, contested=True)
    watched = _rules_changed(plan, Watched(state, stage), seen)
    if watched.stage.rules != stage.rules or _is_held_now(plan, state, stage, seen):
        # These looks judged by what holds no more. Nothing is lost: the next one counts on.
        seen = replace(seen, looks=())
    for take_in in (_switches, _inquiries, _looks, _pods, _blindness, _preconditions):
        watched = take_in(plan, watched, seen)
    decision = _answer(plan, watched, seen)
    return replace(decision, notes=(*watched.notes, *decision.notes))


def _is_held_now(plan: Plan, state: State, stage: Soaking, seen: Observation) -> bool:
    """Say whether somebody changed a program, so that history is no baseline any more."""
    changed = readable(seen) and changed_by_others(stage.templates, seen)
    return bool(changed) and compares_with_history(plan, state)


def _rules_changed(plan: Plan, watched: Watched, seen: Observation) -> Watched:
    """Let the evidence of a guardrail begin anew when somebody moved its limit; others go on."""
    stage = watched.stage
    if stage.rules == rules(plan):
        return watched
    before = stage.rules.split(";")
    changed = tuple(g.name for g in plan.ask.guardrails if rule(g) not in before)
    at = _on_grid(plan, stage, seen.now + plan.tempo.scrape)
    kept = tuple(t for t in stage.evidence.breached if guardrail_of(t) not in changed)
    stage = replace(
        stage,
        rules=rules(plan),
        anew=tuple(sorted({**dict(stage.anew), **dict.fromkeys(changed, at)}.items())),
        judged=tuple(j for j in stage.judged if j.name not in changed),
        evidence=replace(stage.evidence, breached=kept),
    )
    state, gate = watched.state, gate_open(watched.state, "breach")
    if gate is not None and any(guardrail_of(t) in changed for t in gate.about):
        state = without_gate(state, "breach")
    notes = (
        note(
            Reason.GUARDRAIL_CHANGED,
            f"guardrail {name} was changed: its evidence restarts at zero,"
            " and its share of alpha is spent once more",
            name,
            plan.ask.generation,
            warning=True,
        )
        for name in changed
    )
    return replace(watched, state=state, stage=stage).told(*notes)


def _switches(plan: Plan, watched: Watched, _: Observation) -> Watched:
    """Tell once that an edited kill-switch is too near to what is usual, and what holds instead."""
    known = {one.guardrail: one for one in watched.state.baselines}
    for one in plan.ask.guardrails:
        before = known.get(one.name)
        if before is not None and (why := low_switch(one, before)):
            text = f"{one.name}: {why}; {2 * before.rate:.2%} holds instead: set a higher one"
            told = note(Reason.GUARDRAIL_CHANGED, text, one.name, why, warning=True)
            state, notes = told_once(watched.state, told)
            watched = replace(watched, state=state).told(*notes)
    return watched


def _inquiries(plan: Plan, watched: Watched, seen: Observation) -> Watched:
    """Ask app and export again when a finding is near, so that it says what both do now."""
    state = asked_at_finding(plan, watched.state, watched.stage, seen.now)
    state = asked_in_soak(plan, state, watched.stage, seen.now)
    return replace(watched, state=recounting.asked_in_soak(plan, state, watched.stage, seen.now))


def _on_grid(plan: Plan, stage: Soaking, at: datetime) -> datetime:
    """Return the first instant of the grid of looks that is not before an instant."""
    t0, look = stage.evidence.t0, plan.tempo.look
    return t0 + max(-((t0 - at) // look), 0) * look


def _pods(plan: Plan, watched: Watched, seen: Observation) -> Watched:
    """Leave out of the evidence what is counted while not every pod is proven."""
    stage = watched.stage
    if readable(seen) and (who := changed_by_others(stage.templates, seen)):
        text = f"somebody changed the pod template of {who}; the proof begins anew"
        watched = replace(watched, stage=replace(stage, templates=templates(seen))).told(
            note(Reason.TEMPLATE_CHANGED, text, seen.now.isoformat(), warning=True)
        )
        watched = _history_held(plan, watched, seen, text)
        return _lost(watched, seen.now) if not all_proven(seen) else watched
    if stage.evidence.unproven_since is None:
        if not _off_value(seen):
            return watched
        text = f"not every pod is proven any more: {lag_text(plan, seen, stage.step)}"
        lost = note(Reason.PODS_LOST, text, seen.now.isoformat(), warning=True)
        return _lost(watched, seen.now).told(lost)
    if not all_proven(seen):
        return watched
    back = note(
        Reason.PODS_PROVEN,
        f"proven again: {lag_text(plan, seen, stage.step)}; the time between is left out",
        seen.now.isoformat(),
    )
    counted = _on_grid(plan, stage, seen.now + plan.tempo.scrape)
    if stage.changed_at is not None:  # what ran while it changed is no baseline either
        watched = replace(watched, stage=replace(stage, changed_at=counted))
    elif stage.rebased is not None:
        watched = replace(watched, stage=replace(stage, rebased=longer(plan, stage, counted)))
    outages = recounting.with_outage(plan, stage.evidence, counted)
    after = watched.with_evidence(unproven_since=None, counted_to=counted, outages=outages)
    return after.told(back)


def _history_held(plan: Plan, watched: Watched, seen: Observation, text: str) -> Watched:
    """Compare with no baseline of another program; a person says when there is a new one."""
    if not compares_with_history(plan, watched.state):
        return watched
    stage = replace(watched.stage, changed_at=seen.now + plan.tempo.scrape, rebased=None)
    state, notes = ask_person(plan, watched.state, "rebaseline", f"{text}; {HELD}", seen.now)
    return replace(watched, state=state, stage=stage).told(*notes)


def rebased(plan: Plan, stage: Soaking, now: datetime) -> Soaking:
    """Take what ran since somebody's change for the baseline, once that is long enough."""
    if stage.changed_at is None:
        return stage
    told = taken_anew(plan, stage, stage.changed_at, now)
    return replace(stage, rebased=told, changed_at=None)


def _lost(watched: Watched, now: datetime) -> Watched:
    since = watched.stage.evidence.unproven_since or now
    return watched.with_evidence(unproven_since=since)


def _off_value(seen: Observation) -> bool:
    """Say whether a Ready pod is off the value, or none is left that is on it."""
    return any(
        c.off_value_ready or (c.proven == 0 and c.min_pods > 0)
        for c in coverages(seen)
        if not c.unreadable
    )


def _looks(plan: Plan, watched: Watched, seen: Observation) -> Watched:
    for look in seen.looks:
        watched = _look(plan, watched, look, seen.now)
    return watched


def _look(plan: Plan, watched: Watched, look: Look, now: datetime) -> Watched:
    """Take one look in: its closed bins, its breaches, the findings due, verdicts that moved."""
    stage = watched.stage
    before = frozenset(stage.evidence.breached)
    broken = {token for one in serious(plan, look.judgements) for token in tokens(one)}
    latched = before | broken.difference(stage.accepted)
    closed = look.evidence.counted_to != stage.evidence.counted_to
    watched = watched.with_evidence(
        counts=look.evidence.counts,
        counted_to=look.evidence.counted_to,
        breached=tuple(sorted(latched)),
    )
    look = replace(look, judgements=as_latched(watched.stage, look.judgements))
    shown = _as_known(plan, stage, look)
    moved = _verdicts(shown) != _verdicts(stage.judged)
    due = tuple(_findings(plan, watched, look, now))
    harm = latched != before and not due
    state = replace(watched.state, findings=(*watched.state.findings, *due))
    if harm and has_room(plan, state.findings):
        state = replace(state, findings=(*state.findings, _at_breach(plan, watched, look)))
    elif harm:
        state = replace(state, unrecorded=state.unrecorded + 1)
    if moved or closed or harm or due:
        watched = replace(watched, stage=replace(watched.stage, judged=shown))
    notes = map(as_note, due)  # a breach is told by a note of its own
    return replace(watched, state=state).told(*notes)


def _as_known(plan: Plan, stage: Soaking, look: Look) -> tuple[Judgement, ...]:
    """Return what people read: while a look may just have failed, what was judged last."""
    if not (look.measured.unanswered and is_too_soon(plan, stage.evidence, look.at)):
        return look.judgements
    last = {one.name: one for one in stage.judged}
    return tuple(
        last.get(one.name, one) if one.verdict is Verdict.NO_DATA else one
        for one in look.judgements
    )


def _at_breach(plan: Plan, watched: Watched, look: Look) -> Finding:
    """Return the record of a new breach."""
    stage, state = watched.stage, watched.state
    after = look.at - stage.since
    return finding(plan, stage, look, after, Verdict.BREACHED, late=False, state=state)


def _findings(plan: Plan, watched: Watched, look: Look, now: datetime) -> Iterator[Finding]:
    """Yield the findings that are due at a look.

    A due look without data waits for maxBlind: Prometheus may yet tell what was.
    """
    stage = watched.stage
    sure = min(look.at, stage.evidence.unproven_since or look.at)
    due = due_findings(plan, stage, watched.state.findings, sure)
    verdict = worst(serious(plan, look.judgements))
    for after in due:
        instant = stage.since + after
        if verdict is Verdict.NO_DATA and now - instant <= plan.ask.max_blind:
            return  # those after it are younger still
        late = now - instant > 2 * plan.tempo.look + plan.tempo.scrape
        yield finding(plan, stage, look, after, verdict, late=late, state=watched.state)


def _verdicts(judgements: tuple[Judgement, ...]) -> tuple[tuple[str, Verdict], ...]:
    return tuple((j.name, j.verdict) for j in judgements)


def _blindness(plan: Plan, watched: Watched, seen: Observation) -> Watched:
    """Tell when the guardrails stop seeing, when they see again, and that they stay blind."""
    if not seen.looks and not seen.look_failed:
        return watched
    evidence, ask = watched.stage.evidence, plan.ask
    why = seen.look_failed or _unseen(plan, watched, seen.looks[-1])
    if not why:
        if evidence.blind_since is None and evidence.missed_since is None:
            return watched
        total = blind_in_all(evidence, seen.now)
        return watched.with_evidence(blind_since=None, missed_since=None, blind_total=total)
    if _is_missed(plan, watched, seen):
        since = evidence.missed_since or _looked_at(plan, seen)
        return watched.with_evidence(missed_since=since)
    if evidence.blind_since is None:
        text = f"{why} (allowed: {show_duration(ask.max_blind)})"
        told = note(Reason.GUARDRAIL_NO_DATA, text, seen.now.isoformat(), warning=True)
        since = evidence.missed_since or seen.now
        return watched.with_evidence(blind_since=since, missed_since=None).told(told)
    blind = blind_for(evidence, seen.now)
    if ask.no_data is not NoDataPolicy.HOLD or blind <= ask.max_hold:
        return watched
    text = f"blind for {show_duration(ask.max_hold * (blind // ask.max_hold))}: {why}"
    again = note(
        Reason.BLIND, text, blind // ask.max_hold, evidence.blind_since.isoformat(), warning=True
    )
    state, notes = told_once(watched.state, again)
    return replace(watched, state=state).told(*notes)


def _is_missed(plan: Plan, watched: Watched, seen: Observation) -> bool:
    """Say whether the last look was not answered, and it is too soon to call it blind."""
    failed = seen.look_failed or seen.looks[-1].measured.unanswered
    at = _looked_at(plan, seen)
    return bool(failed) and is_too_soon(plan, watched.stage.evidence, at)


def _looked_at(plan: Plan, seen: Observation) -> datetime:
    return seen.looks[-1].at if seen.looks else seen.now - plan.tempo.scrape


def _preconditions(plan: Plan, watched: Watched, seen: Observation) -> Watched:
    """Tell which preconditions hold no more, and who goes on without them."""
    state, notes = vouching(plan, watched.state, seen, started=True)
    reasons, told = told_unmet(plan, state, watched.stage.unmet, seen)
    stage = replace(watched.stage, unmet=reasons)
    return replace(watched, state=state, stage=stage).told(*notes, *told)


def _unseen(plan: Plan, watched: Watched, look: Look) -> str:
    blind = (
        j for j in deciding(plan, watched.stage, look.judgements) if j.verdict is Verdict.NO_DATA
    )
    return "; ".join(f"{j.name}: {j.why}" for j in blind)


def _answer(plan: Plan, watched: Watched, seen: Observation) -> Decision:
    """Choose: harm first, then blindness by its policy, then the end of the soak."""
    stage = watched.stage
    state = replace(watched.state, stage=stage)
    if harm := _harm(plan, stage, seen.looks):
        return _breached(plan, state, stage, seen, harm)
    if is_believed(state, stage.accepted):
        return _misassigned(plan, state, stage, seen)
    policy = plan.ask.no_data
    too_blind = blind_for(stage.evidence, seen.now) > plan.ask.max_blind
    if too_blind and policy is NoDataPolicy.ROLLBACK:
        text = f"blind for longer than {show_duration(plan.ask.max_blind)}, noData: Rollback"
        return roll_back(plan, state, seen, Because(Reason.NO_DATA, text))
    wait = _hold(plan, state, stage, seen, ignore_blind=too_blind and policy is NoDataPolicy.IGNORE)
    if wait is None:
        return onward(plan, state, stage, seen)
    return Decision(
        state=state,
        because=wait,
        look_again_in=min(until_next_look(plan, stage, seen.now), plan.tempo.recheck),
    )


def _harm(plan: Plan, stage: Soaking, looks: tuple[Look, ...]) -> tuple[Judgement, ...]:
    """Return what broke and nobody accepted, one for each part, as it was seen to break.

    What does not break in this pass was put to a person before, and stays that question.
    """
    left = unaccepted(stage)
    broke = {
        shown.name: replace(shown, attributable=is_of_the_ramp(plan, stage, one))
        for look in looks
        for one, shown in zip(look.judgements, as_latched(stage, look.judgements), strict=True)
        if not left.isdisjoint(tokens(one))
    }
    latest = as_latched(stage, looks[-1].judgements) if looks else stage.judged
    return tuple(
        part
        for one in serious(plan, latest)
        for part in opened(broke.get(one.name) or replace(one, attributable=False), left)
    )


def _breached(
    plan: Plan, state: State, stage: Soaking, seen: Observation, harm: tuple[Judgement, ...]
) -> Decision:
    """Roll back what the ramp caused; ask a person about the rest, or where asked to."""
    by_policy = plan.ask.on_unattributable is OnFailure.ROLLBACK
    ours = tuple(j for j in harm if j.attributable or by_policy)
    state, notes = told_harm(state, (*ours, *(j for j in harm if j not in ours)), stage.since)
    if ours and plan.ask.on_failure is OnFailure.ROLLBACK:
        because = Because(Reason.GUARDRAIL_BREACHED, breach_text(ours[0]))
        decision = roll_back(plan, state, seen, because)
        return replace(decision, notes=(*notes, *decision.notes))
    text = "; ".join(breach_text(one) for one in harm)
    why = text if ours else f"{text}; it may not come from the ramp"
    about = [token for one in harm for token in tokens(one)]
    asked, question = ask_about(plan, state, why, about, seen.now)
    gate = gate_open(asked, "breach")
    return Decision(
        state=asked,
        because=Because(Reason.AWAITING_APPROVAL, gate.why if gate else why),
        notes=(*notes, *question),
        look_again_in=min(until_next_look(plan, stage, seen.now), plan.tempo.recheck),
    )


def _misassigned(plan: Plan, state: State, stage: Soaking, seen: Observation) -> Decision:
    """Ask a person about an app that gave right answers when it was proven, and no longer does."""
    why = f"the probe: {wrong_text(state)}"
    asked, question = ask_about(plan, state, why, (TOKEN,), seen.now)
    return Decision(
        state=asked,
        because=Because(Reason.AWAITING_APPROVAL, why),
        notes=question,
        look_again_in=min(until_next_look(plan, stage, seen.now), plan.tempo.recheck),
    )


def _hold(
    plan: Plan, state: State, stage: Soaking, seen: Observation, *, ignore_blind: bool
) -> Because | None:
    """Say why the soak goes on; None: it is over and everything is known."""
    over = soak_end(plan, stage)
    until = f"at {plan.values[stage.step]}% until {over:%Y-%m-%dT%H:%M:%SZ}"
    if stage.evidence.unproven_since is not None or not readable(seen):
        return Because(Reason.PODS_LOST, f"{until}; {lag_text(plan, seen, stage.step)}")
    if stage.evidence.blind_since is not None and not ignore_blind:
        since = f"{stage.evidence.blind_since:%Y-%m-%dT%H:%M:%SZ}"
        return Because(Reason.NO_DATA, f"{until}; blind since {since}: {_blind_why(stage, seen)}")
    if stage.evidence.missed_since is not None:
        return Because(Reason.SOAKING, f"{until}; the last look was not answered")
    if plan.ask.paused:
        return Because(Reason.PAUSED, f"paused; {until}")
    if broken := unmet(plan, state, seen, started=True):
        return Because(broken[0].reason, f"{until}; held: {text_of(broken)}")
    if stage.changed_at is not None and seen.now >= over:
        return Because(Reason.AWAITING_APPROVAL, f"{until}; gate rebaseline waits for a person")
    if stage.step < plan.last and seen.now >= over and not is_whole(stage):
        return Because(Reason.SOAKING, f"{until}; the new baseline is not taken yet")
    if seen.now < over:
        return Because(Reason.SOAKING, until)
    return _over(plan, state, stage, seen, until, ignore_blind=ignore_blind)


def _over(  # noqa: PLR0913 - as _hold, and its words
    plan: Plan,
    state: State,
    stage: Soaking,
    seen: Observation,
    until: str,
    *,
    ignore_blind: bool,
) -> Because | None:
    """Say what a soak that is over still waits for; None: for nothing."""
    over = soak_end(plan, stage)
    last = seen.looks[-1] if seen.looks and seen.looks[-1].at >= over else None
    # What was counted since that look is not judged yet: the next one does.
    judged = last.measured.recounts if last else state.recounts
    if not ignore_blind and (why := recounting.awaited(plan, stage, judged)):
        return Because(Reason.SOAKING, f"{until}; {why}")
    if state.probed.round is not None:
        return Because(Reason.SOAKING, f"{until}; the probe is being asked")
    if last is None:
        return _unlooked(plan, state, stage, seen, until)
    if not ignore_blind and due_findings(plan, stage, state.findings, over):
        return Because(Reason.NO_DATA, f"{until}; a finding waits for data")
    return None


def _unlooked(plan: Plan, state: State, stage: Soaking, seen: Observation, until: str) -> Because:
    """Say what a pass without a look says of a soak that is over: the same as one with a look."""
    gate = gate_open(state, "step")
    if gate is not None:
        return Because(Reason.AWAITING_APPROVAL, gate.why)
    hindered = step_hindered(plan, stage, seen)
    return hindered or Because(Reason.SOAKING, f"{until}; its end is being judged")


def _blind_why(stage: Soaking, seen: Observation) -> str:
    judged = seen.looks[-1].judgements if seen.looks else stage.judged
    told = "; ".join(f"{j.name}: {j.why}" for j in judged if j.verdict is Verdict.NO_DATA)
    return seen.look_failed or told or "no look yet"
