"""The ramp that was the smoke test of another: what its object says of its end."""

from datetime import timedelta

from rampguard.api.raw import Json, part, saying
from rampguard.api.status import to_state
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.ask import Ask
from rampguard.core.harm import serious
from rampguard.core.model import Ended, State, Verdict
from rampguard.core.moves import is_gate
from rampguard.core.plan import Tempo, make_plan
from rampguard.core.reasons import Reason
from rampguard.core.require import Precursor


def to_precursor(ramp: Json) -> Precursor:
    """Return how an earlier ramp stands; InvalidSpec: its manifest or memory cannot be read."""
    ask = to_ask(ramp)
    state = to_state(ramp, ask)
    phase = saying(part(ramp, "status").get("phase")) or "not looked at yet"
    stage = state.stage
    if not isinstance(stage, Ended):
        return Precursor(env=ask.env, to=ask.to, phase=phase)
    judged = serious(make_plan(ask, Tempo()), stage.judged)
    return Precursor(
        env=ask.env,
        to=ask.to,
        phase=stage.outcome,
        ended_at=stage.since,
        watched=stage.watched,
        soaked=_soaked(ask, state),
        blind=state.blind_total,
        blind_at_end=any(one.verdict is Verdict.NO_DATA for one in judged),
        breached=_had_harm(state) or any(one.verdict is Verdict.BREACHED for one in judged),
        conclusive=stage.because.reason is Reason.COMPLETED,
        because=saying(stage.because.message),
    )


def _soaked(ask: Ask, state: State) -> timedelta:
    """Return how long all soaks of a ramp lasted; the last as it was, an edit proves nothing."""
    last = state.soaked.until - state.soaked.since if state.soaked else timedelta(0)
    return ask.step_soak * len(ask.steps) + last


def _had_harm(state: State) -> bool:
    """Say whether harm was recorded, or put to a person who accepted it."""
    found = any(one.verdict is Verdict.BREACHED for one in state.findings)
    return found or any(is_gate(name, "breach") for name in state.approved)
