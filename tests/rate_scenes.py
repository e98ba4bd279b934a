"""Short words for guardrails on rates: what was counted before a ramp, and in its soak."""

from dataclasses import replace
from datetime import datetime, timedelta

from rampguard.core.applying import rules as rules_of
from rampguard.core.ask import Guardrail, GuardrailType, PromQL
from rampguard.core.judging import judge
from rampguard.core.model import (
    Baseline,
    Decision,
    Evidence,
    Judgement,
    Look,
    Measured,
    Part,
    Phi,
    Reading,
    Soaking,
    State,
    Verdict,
)
from rampguard.core.plan import Plan
from scenes import DAY, MINUTE, SECOND, T, plan, soaking, state, watch

STARTS = Guardrail(
    name="starts", type=GuardrailType.RELATIVE_DROP, tolerance=5.0, metric=PromQL("starts_total")
)
ONCE = replace(STARTS, once_per_user=True)
ERRORS = Guardrail(
    name="errors",
    type=GuardrailType.ERROR_RATE,
    tolerance=20.0,
    metric=PromQL("errors_total"),
    requests=PromQL("requests_total"),
)
QUARTER = 15 * MINUTE  # a bin of a soak of 24 h
MEASURED = Phi(value=1.0, batch=5 * MINUTE)
STARTS_BEFORE = Baseline(
    guardrail="starts", span=DAY, rate=0.6, phi_arms=MEASURED, armed=True, enough=True
)
ERRORS_BEFORE = Baseline(
    guardrail="errors",
    span=DAY,
    hits=432,
    exposure=86_400,
    rate=0.005,
    phi_history=MEASURED,
    phi_arms=MEASURED,
    armed=True,
    enough=True,
)
UNARMED = replace(ERRORS_BEFORE, armed=False)
SHORT = replace(ERRORS_BEFORE, span=10 * MINUTE, enough=False)
ONE_BIN = 30 * SECOND  # a soak with one onset: ln E is that of its only window

Bin = tuple[float, float, float, float]


def arms(hits: float, units: float, control_hits: float, control_units: float) -> Bin:
    """Say what one bin holds: of treatment, then of control."""
    return hits, units, control_hits, control_units


def bins(*told: Bin) -> tuple[tuple[Reading, ...], tuple[Reading, ...]]:
    """Return the bins of hits and of units."""
    return tuple(Reading(c, t) for t, _, c, _ in told), tuple(Reading(c, t) for _, t, _, c in told)


def unlabelled(*told: tuple[float, float]) -> tuple[tuple[Reading, ...], tuple[Reading, ...]]:
    """Return bins of (hits, units) that name no arm."""
    return tuple(Reading(other=h) for h, _ in told), tuple(Reading(other=u) for _, u in told)


def counted(counts: tuple[tuple[Reading, ...], ...] = (), t0: datetime = T) -> Evidence:
    return Evidence(t0=t0, counted_to=t0, counts=counts)


def one(guardrail: Guardrail, **asked: object) -> Plan:
    """Plan a ramp with one guardrail."""
    return plan(guardrails=(guardrail,), **asked)


def judged_at(  # all that a judgement is made of
    our: Plan,
    counts: tuple[tuple[Reading, ...], ...],
    *before: Baseline,
    stage: Soaking | None = None,
    at: datetime = T + DAY,
    recent: tuple[tuple[Reading, Reading], ...] = (),
    silent: tuple[str, ...] = (),
    stale: tuple[str, ...] = (),
) -> Judgement:
    """Judge the first guardrail of a plan by what was counted."""
    stage = stage or soaking()
    found = replace(stage.evidence, counts=counts, counted_to=at)
    measured = Measured(counted=found, silent=silent, stale=stale, recent=recent)
    return judge(our, stage, before, at, measured)[0]


def part(judged: Judgement, name: str) -> Part:
    return next(p for p in judged.parts if p.name == name)


def recent(
    errors: float, requests: float, before: tuple[float, float] | None = None
) -> tuple[tuple[Reading, Reading], ...]:
    """Return the last 120 s, up to this look and up to the one before: alike if not told."""
    e, r = before or (errors, requests)
    return (Reading(other=errors), Reading(other=e)), (Reading(other=requests), Reading(other=r))


def errors_judged(verdict: Verdict, **facts: object) -> Judgement:
    told = Judgement(
        name="errors",
        type=GuardrailType.ERROR_RATE,
        verdict=verdict,
        value="x3.2",
        interval="[2.8, 3.6]",
        limit="x1.20 of the time before the ramp or less",
    )
    return replace(told, **facts)


def look_at(after: timedelta, *judgements: Judgement, evidence: Evidence | None = None) -> Look:
    found = evidence or Evidence(t0=T, counted_to=T)
    return Look(at=T + after, evidence=found, judgements=judgements)


def watched(
    our: Plan,
    *looks: Look,
    was: State | None = None,
    stage: Soaking | None = None,
    **facts: object,
) -> Decision:
    """Make one pass over a soak of a plan, right after the last look."""
    stage = replace(stage or soaking(), rules=rules_of(our))
    return watch(*looks, of=our, was=was or state(stage), **facts)
