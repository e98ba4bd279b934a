"""One look: what was measured becomes a judgement of every guardrail."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from rampguard.core.ask import Guardrail, GuardrailType
from rampguard.core.baseline import effective, switched, take
from rampguard.core.counting import MOST, bin_size
from rampguard.core.export import Recounts
from rampguard.core.guardrails import judge_exposure, judge_threshold, no_data, not_applicable
from rampguard.core.model import Baseline, Evidence, Judgement, Measured, Reading, Soaking, Verdict
from rampguard.core.plan import Plan, families_of
from rampguard.core.rates import ONE_ARM, judge_drop, judge_errors, judge_users
from rampguard.core.recounting import counted, readings, remarks, unseen


def judge(
    plan: Plan,
    stage: Soaking,
    baselines: tuple[Baseline, ...],
    at: datetime,
    measured: Measured,
) -> tuple[Judgement, ...]:
    """Judge every guardrail at one instant, in the order of the manifest.

    stage: of its evidence only T0 is read; what was counted is in measured.
    """
    known = {one.guardrail: one for one in baselines}
    return tuple(
        _judged(plan, stage, one, known.get(one.name), at=at, measured=measured)
        for one in plan.ask.guardrails
    )


def _judged(  # noqa: PLR0913 - all that a judgement is made of
    plan: Plan,
    stage: Soaking,
    guardrail: Guardrail,
    baseline: Baseline | None,
    *,
    at: datetime,
    measured: Measured,
) -> Judgement:
    if guardrail.type is GuardrailType.THRESHOLD:
        points = measured.points.get(guardrail.name, "the query was not asked")
        if isinstance(points, str):
            return no_data(guardrail, points)
        return judge_threshold(plan, guardrail, points, at, stage.since)
    if guardrail.type is GuardrailType.RELATIVE_DROP and not 0 < plan.values[stage.step] < 100:  # noqa: PLR2004 - percent
        return not_applicable(guardrail, ONE_ARM)
    if guardrail.event is not None:
        return _of_export(plan, stage, guardrail, baseline, at=at, known=measured.recounts)
    if isinstance(measured.counted, str):
        return no_data(guardrail, measured.counted)
    if why := silence(plan, guardrail, measured.silent):
        return no_data(guardrail, why)
    told = _counted(
        plan,
        replace(stage, evidence=measured.counted),
        guardrail,
        baseline,
        at=at,
        measured=measured,
    )
    why = silence(plan, guardrail, measured.stale)
    # What some pods count is true: the harm that it shows is not hidden by those that are silent.
    return no_data(guardrail, why) if why and told.verdict is not Verdict.BREACHED else told


def _of_export(  # noqa: PLR0913 - as _judged
    plan: Plan,
    stage: Soaking,
    guardrail: Guardrail,
    baseline: Baseline | None,
    *,
    at: datetime,
    known: Recounts,
) -> Judgement:
    """Judge users by what was counted of them in the export."""
    if why := unseen(plan, stage, known, at):
        return no_data(guardrail, f"the export: {why}")
    told = counted(stage, known)
    settled = told.settled if told and told.settled else stage.evidence.t0
    evidence = replace(
        stage.evidence, counts=readings(guardrail, told), counted_to=max(settled, stage.evidence.t0)
    )
    stage = replace(stage, evidence=evidence)
    stage = replace(stage, evidence=_since_restart(plan, stage, guardrail))
    before = baseline or Baseline(guardrail=guardrail.name)
    return judge_users(
        plan, stage, guardrail, before, bins=stage.evidence.counts, marks=remarks(told)
    )


def _counted(  # noqa: PLR0913 - as _judged
    plan: Plan,
    stage: Soaking,
    guardrail: Guardrail,
    baseline: Baseline | None,
    *,
    at: datetime,
    measured: Measured,
) -> Judgement:
    before = baseline or _nothing(plan, guardrail)
    before = effective(
        plan, stage, guardrail, before
    )  # of all bins: also those from before a restart
    stage = replace(stage, evidence=_since_restart(plan, stage, guardrail))
    match guardrail.type:
        case GuardrailType.EXPOSURE_BALANCE:
            return judge_exposure(plan, stage.step, guardrail, stage.evidence)
        case GuardrailType.RELATIVE_DROP:
            return judge_drop(plan, stage, guardrail, before)
        case _:  # ErrorRate: a Threshold counts nothing
            recent = of_families(plan, guardrail, measured.recent)
            known = switched(guardrail, before)
            return judge_errors(plan, stage, known, before, recent=recent, at=at)


def _since_restart(plan: Plan, stage: Soaking, guardrail: Guardrail) -> Evidence:
    """Return the evidence since a limit of this guardrail was last changed, in whole bins."""
    evidence, since = stage.evidence, dict(stage.anew).get(guardrail.name)
    if since is None or since <= evidence.t0:
        return evidence
    size = bin_size(plan, stage.step, evidence)
    # In a soak that was held for very long the last bin goes on, and counts from its start.
    skipped = min(math.ceil((since - evidence.t0) / size), MOST - 1)
    counts = tuple(bins[skipped:] for bins in evidence.counts)
    return replace(evidence, t0=evidence.t0 + skipped * size, counts=counts)


def _nothing(plan: Plan, guardrail: Guardrail) -> Baseline:
    """Return the baseline of a guardrail whose own is not known: phi is assumed, never 1."""
    return take(plan, guardrail, ((), ()))


def silence(plan: Plan, guardrail: Guardrail, silent: Sequence[str]) -> str:
    """Say why a guardrail cannot see one of its families; empty: it sees all of them."""
    if not silent:
        return ""
    where = {family: i for i, family in enumerate(plan.families)}
    told = (silent[where[f]] for f in families_of(plan.ask, guardrail, plan.tempo))
    return next((why for why in told if why), "")


def of_families(
    plan: Plan, guardrail: Guardrail, recent: Sequence[tuple[Reading, Reading]]
) -> tuple[tuple[Reading, Reading], ...]:
    """Return what each family of a guardrail counted lately; of nothing: nothing."""
    if not recent:
        return ()
    where = {family: i for i, family in enumerate(plan.families)}
    return tuple(recent[where[f]] for f in families_of(plan.ask, guardrail, plan.tempo))
