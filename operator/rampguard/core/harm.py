"""Harm: which parts of which guardrails broke, and which of them nobody accepted.

Each is named by a token: of an ErrorRate each part by itself (`errors/history`), of any other
guardrail its name. So what a person accepts of one part leaves the others as they are.
"""

from collections.abc import Collection
from dataclasses import replace

from rampguard.core.ask import GuardrailType
from rampguard.core.model import Judgement, Part, Soaking, Verdict
from rampguard.core.plan import Plan

CONCURRENT = "concurrent"
LATCHED = "it broke before, and stays so until a person answers"


def tokens(judgement: Judgement) -> tuple[str, ...]:
    """Name what is broken in a judgement; empty: nothing is."""
    if judgement.verdict is not Verdict.BREACHED:
        return ()
    if judgement.type is not GuardrailType.ERROR_RATE:
        return (judgement.name,)
    broken = (p.name for p in judgement.parts if p.verdict is Verdict.BREACHED)
    return tuple(f"{judgement.name}/{name}" for name in broken) or (judgement.name,)


def guardrail_of(token: str) -> str:
    """Return the name of the guardrail that a token is of."""
    return token.partition("/")[0]


def show_token(token: str) -> str:
    """Return a token as people read it."""
    return token.replace("/", " ")


def unaccepted(stage: Soaking) -> frozenset[str]:
    """Return what broke in a soak and nobody accepted."""
    return frozenset(stage.evidence.breached).difference(stage.accepted)


def as_latched(stage: Soaking, judged: tuple[Judgement, ...]) -> tuple[Judgement, ...]:
    """Return judgements as they are shown: what broke is Breached until a person accepts it."""
    before = {one.name: one.parts for one in stage.judged}
    left = unaccepted(stage)
    return tuple(_as_latched(one, before.get(one.name, ()), left) for one in judged)


def opened(judgement: Judgement, left: Collection[str]) -> tuple[Judgement, ...]:
    """Return what is broken in a judgement and not accepted, one for each such part."""
    parts = {f"{judgement.name}/{p.name}": p for p in judgement.parts}
    return tuple(
        _led(replace(judgement, parts=(parts[token],)), parts[token])
        if token in parts
        else judgement
        for token in tokens(judgement)
        if token in left
    )


def is_of_the_ramp(plan: Plan, stage: Soaking, judgement: Judgement) -> bool:
    """Say whether harm can be the ramp's; what a person accepted of it says nothing of the rest."""
    named = ((f"{judgement.name}/{p.name}", p) for p in judgement.parts)
    rest = tuple(p for token, p in named if token not in stage.accepted)
    if not judgement.attributable or len(rest) == len(judgement.parts):
        return judgement.attributable
    return caused(plan, stage, rest)


def caused(plan: Plan, stage: Soaking, parts: Collection[Part]) -> bool:
    """Say whether harm in parts of an ErrorRate can be the ramp's.

    It can if it began soon after the change, or if the arms differ by more than chance allows.
    Where evidence began anew, the ramp is no newer for it.
    """
    onsets = (p.onset for p in parts if p.verdict is Verdict.BREACHED)
    soon = any(onset is not None and onset - stage.since <= plan.tempo.caused for onset in onsets)
    return soon or any(p.name == CONCURRENT and _differ(p) for p in parts)


def deciding(plan: Plan, stage: Soaking, judged: tuple[Judgement, ...]) -> tuple[Judgement, ...]:
    """Return the judgements that can move the ramp: of rules that decide, not accepted whole."""
    return tuple(j for j in serious(plan, judged) if j.name not in stage.accepted)


def serious(plan: Plan, judged: tuple[Judgement, ...]) -> tuple[Judgement, ...]:
    """Return the judgements that apply, without those of a dry run."""
    quiet = {g.name for g in plan.ask.guardrails if g.dry_run}
    return tuple(
        j for j in judged if j.name not in quiet and j.verdict is not Verdict.NOT_APPLICABLE
    )


def _differ(arms: Part) -> bool:
    if arms.verdict is Verdict.BREACHED:
        return True
    null, bar = arms.log_e_null, arms.threshold_null
    return null is not None and bar is not None and null >= bar


def _as_latched(judgement: Judgement, before: tuple[Part, ...], left: frozenset[str]) -> Judgement:
    mine = {one for one in left if guardrail_of(one) == judgement.name}
    missing = mine.difference(tokens(judgement))
    if not missing:
        return judgement
    # A kill-switch that no longer fires has no numbers any more: those of its breach are shown.
    gone = {p.name: p for p in before if f"{judgement.name}/{p.name}" in missing}
    known = {p.name: p for p in judgement.parts}
    parts = tuple(
        replace(p, verdict=Verdict.BREACHED) if f"{judgement.name}/{name}" in missing else p
        for name, p in {**gone, **known}.items()
    )
    shown = replace(judgement, parts=parts)
    if judgement.verdict is Verdict.BREACHED:
        return shown
    lead = next((p for p in parts if f"{judgement.name}/{p.name}" in missing), None)
    shown = replace(shown, verdict=Verdict.BREACHED, why=LATCHED)
    return _led(shown, lead) if lead else shown


def _led(judgement: Judgement, part: Part) -> Judgement:
    """Return a judgement that shows the numbers of one of its parts."""
    return replace(
        judgement, value=part.value, interval=part.interval, limit=part.limit, onset=part.onset
    )
