"""The assignment probe: when the app is asked, and what follows from its answers.

    nothing asked   an occasion is due              -> a round is asked
    asked           right answers                   -> settled, verified
    asked           wrong answers, three tries      -> settled, believed
    asked           wrong answers                   -> asked again 20 s later, of other users
    asked           no answer, too long             -> settled, unknown
    asked           no answer                       -> asked again 20 s later
    asked           pods are not proven meanwhile   -> asked again, nothing is believed

Only a wrong answer is ever believed; that nobody answers says nothing of the ramp.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from rampguard.core.answers import FIRST, heard_text
from rampguard.core.ask import Ask
from rampguard.core.model import Because, Note, Observation, Soaking, State
from rampguard.core.moves import gate_open, note, without_gate
from rampguard.core.plan import Plan, due_findings
from rampguard.core.probe import Heard, Occasion, Probed, Round
from rampguard.core.reasons import Reason

PART = 4  # a finding asks one user in so many
FEWEST = 20  # users that a finding asks, if there are as many
TRIES = 3  # wrong ones in a row are believed
PAUSE = timedelta(seconds=20)  # between two tries
PATIENCE = timedelta(minutes=1)  # with a finding's probe that gets no answer
LEAD = timedelta(seconds=30)  # before a finding, so that it knows the answers
STALE = timedelta(minutes=10)  # an answer before the start holds no longer
TOKEN = "the probe"  # noqa: S105 - what a person accepts; no guardrail has such a name


def mark(ask: Ask) -> str:
    """Return what the answers of a probe depend on, in few characters; "": nobody asks."""
    if ask.probe is None:
        return ""
    return sha256(repr((ask.probe, ask.arms, ask.origin, ask.to)).encode()).hexdigest()[:12]


def as_asked_now(plan: Plan, state: State) -> State:
    """Return the state without what was asked by a probe that was edited since.

    A question to a person about its answers is void, too: the new probe asks itself.
    """
    now = mark(plan.ask)
    if state.probed.mark == now:
        return state
    gate = gate_open(state, "breach")
    if gate is not None and TOKEN in gate.about:
        state = without_gate(state, "breach")
    return replace(state, probed=Probed(mark=now, rounds=state.probed.rounds))


def take_in(
    plan: Plan, state: State, seen: Observation, *, proven: bool
) -> tuple[State, tuple[Note, ...]]:
    """Take in what was heard: it is settled, or asked again.

    proven: every pod is, so that an answer is one of the value that is to be.
    """
    state = as_asked_now(plan, state)
    told, heard = state.probed.round, seen.heard
    if told is None:
        return state, ()
    if not proven and told.occasion is Occasion.FINDING and seen.now - told.since >= PATIENCE:
        return _unasked(state, told)
    if heard is None or heard.number != told.number:
        return state, ()
    if told.occasion is not Occasion.START and not proven:
        return replace(state, probed=_again(state.probed, told, seen.now)), ()
    after = _listened(plan, replace(state.probed, heard=heard), told, heard, seen.now)
    return replace(state, probed=after), tuple(_notes(after, heard))


def _unasked(state: State, told: Round) -> tuple[State, tuple[Note, ...]]:
    """Let a finding go on without the probe: its pods are not proven for too long."""
    text = "the probe was not asked at this finding: not every pod is proven"
    settled = replace(state.probed, round=None, over=told.key)
    failed = note(Reason.PROBE_FAILED, text, told.number, warning=True)
    return replace(state, probed=settled), (failed,)


def _notes(after: Probed, heard: Heard) -> Iterator[Note]:
    """Tell what was heard; before the start a block tells it, at a finding the finding."""
    if heard.occasion is Occasion.START:
        return
    if heard.faults:
        text = f"wrong answers to the probe, try {after.wrong} of {TRIES}: {heard_text(heard)}"
        yield note(heard.faults[0].reason, text, heard.number, warning=True)
    elif heard.silent and after.round is None:
        text = f"the probe got no answer, and nothing waits for one any more: {heard.silent}"
        yield note(Reason.PROBE_FAILED, text, heard.number, warning=True)
    elif not heard.silent and heard.occasion is Occasion.STEP:
        yield note(Reason.SHARE_AS_WANTED, f"probe: {heard_text(heard)}", heard.number)


def _listened(plan: Plan, probed: Probed, told: Round, heard: Heard, now: datetime) -> Probed:
    settled = replace(probed, round=None, over=told.key)
    if told.occasion is Occasion.START:
        kept = heard.keep if not heard.faults and not heard.silent else ()
        return replace(settled, keep=kept, keep_of=heard.number)
    if heard.faults:
        wrong = probed.wrong + 1
        if wrong >= TRIES:
            return replace(settled, wrong=wrong)
        return _again(replace(probed, wrong=wrong), told, now + PAUSE)
    if not heard.silent:
        return replace(settled, wrong=0)
    patience = plan.ask.proof_timeout if told.occasion is Occasion.STEP else PATIENCE
    return settled if now - told.since >= patience else _again(probed, told, now + PAUSE)


def _again(probed: Probed, told: Round, at: datetime) -> Probed:
    """Return it with the same asked once more, of other users."""
    number = probed.rounds + 1
    return replace(probed, rounds=number, round=replace(told, number=number, at=at))


def without_round(state: State) -> State:
    """Return the state with nothing asked."""
    if state.probed.round is None:
        return state
    return replace(state, probed=replace(state.probed, round=None))


def asked_before_start(plan: Plan, state: State, now: datetime, *, quiet: bool) -> State:
    """Return the state with a round at `from` if one is due. quiet: something else hinders.

    Then five requests show whether the probe is right; the others come when all else is ready.
    """
    probe, heard = plan.ask.probe, state.probed.heard
    if probe is None or state.probed.round is not None:
        return state
    users = FIRST if quiet or probe.identity is None else max(probe.users, FIRST)
    if heard is not None:
        failed = heard.faults or heard.silent
        known = failed or heard.asked >= users
        if known and now - heard.at < (PAUSE if failed else STALE):
            return state
    return _begin(
        state, now, key="start", occasion=Occasion.START, share=plan.ask.origin, users=users
    )


def failing_before_start(plan: Plan, state: State) -> tuple[Because, ...]:
    """Return why a probe does not let a ramp start; empty: nothing is known against it."""
    probe, heard = plan.ask.probe, state.probed.heard
    if probe is None or heard is None or not (heard.faults or heard.silent):
        return ()
    text = f"the probe of {probe.service}:{probe.port}{probe.path}: {heard_text(heard)}"
    return (Because(Reason.PROBE_FAILED, text),)


def is_answered(plan: Plan, state: State) -> bool:
    """Say whether all that was asked is answered; without a probe nothing is asked."""
    return plan.ask.probe is None or state.probed.round is None


def asked_at_step(plan: Plan, state: State, step: int, now: datetime) -> State:
    """Return the state with a round for a proven step, if it was not asked yet."""
    probe, key = plan.ask.probe, f"step/{step}"
    if probe is None or state.probed.over == key or state.probed.round is not None:
        return state
    return _begin(
        state,
        now,
        key=key,
        occasion=Occasion.STEP,
        share=plan.values[step],
        users=probe.users,
    )


def asked_at_finding(plan: Plan, state: State, stage: Soaking, now: datetime) -> State:
    """Return the state with a smaller round if a finding is due soon and it was not asked yet."""
    probe = plan.ask.probe
    if probe is None or state.probed.round is not None or is_believed(state, stage.accepted):
        return state
    due = due_findings(plan, stage, state.findings, now + LEAD)
    # A probe that is new in a soak asks at once.
    key = f"finding/{stage.step}/{due[-1].total_seconds():.0f}" if due else "new"
    if state.probed.over == key or (state.probed.over and not due):
        return state
    users = min(probe.users, max(FEWEST, probe.users // PART))
    share = plan.values[stage.step]
    return _begin(state, now, key=key, occasion=Occasion.FINDING, share=share, users=users)


def _begin(  # noqa: PLR0913 - the facts of a round
    state: State, now: datetime, *, key: str, occasion: Occasion, share: int, users: int
) -> State:
    probed = state.probed
    number = probed.rounds + 1
    again = () if occasion is Occasion.START else probed.keep[:users]
    asked = Round(
        number=number,
        occasion=occasion,
        key=key,
        share=share,
        users=users,
        again=again,
        again_of=probed.keep_of if again else 0,
        since=now,
        at=now,
    )
    return replace(state, probed=replace(probed, round=asked, rounds=number, wrong=0))


def due(state: State, now: datetime, *, proven: bool) -> Round | None:
    """Return the round to ask now; None: none is. proven: every pod runs the value."""
    told = state.probed.round
    if told is None or told.at > now or not (proven or told.occasion is Occasion.START):
        return None
    return told


def until_due(state: State, now: datetime) -> timedelta | None:
    """Return how long until the round is to be asked; None: none is, or it is being asked."""
    told = state.probed.round
    return told.at - now if told is not None and told.at > now else None


def is_believed(state: State, accepted: Collection[str]) -> bool:
    """Say whether wrong answers are believed and nobody accepted them."""
    return state.probed.wrong >= TRIES and TOKEN not in accepted


def wrong_text(state: State) -> str:
    """Say what is wrong with the latest answers."""
    heard = state.probed.heard
    return "; ".join(one.text for one in heard.faults) if heard else ""


def wrong_reason(state: State) -> Reason:
    """Return the reason of the latest wrong answers."""
    heard = state.probed.heard
    return heard.faults[0].reason if heard and heard.faults else Reason.PROBE_FAILED
