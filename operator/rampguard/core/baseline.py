"""What ran before the ramp, frozen before the first write: what errors and starts compare with."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce

from rampguard.core.ask import Guardrail, GuardrailType
from rampguard.core.counting import bin_size
from rampguard.core.durations import show_duration
from rampguard.core.model import Baseline, Phi, Reading, Rebased, Soaking
from rampguard.core.plan import Plan, families_of
from rampguard.core.statistics import (
    Arm,
    Overdispersion,
    Pair,
    kill_limit,
    kill_refused,
    phi_counts,
    phi_history,
)
from rampguard.core.statistics.overdispersion import ASSUMED_OF_ERRORS, BATCH

WINDOW = timedelta(hours=24)  # of a baseline
SHORT = timedelta(minutes=20)  # a history that batches of 5 min would hardly show
FINE = timedelta(seconds=30)  # a batch of such a one

Batches = tuple[Reading, ...]


def has_baseline(guardrail: Guardrail) -> bool:
    """Say whether a guardrail compares with the counters before, or learns from them."""
    typed = guardrail.type in {GuardrailType.RELATIVE_DROP, GuardrailType.ERROR_RATE}
    return typed and guardrail.event is None


def batch_length(plan: Plan) -> timedelta:
    """Return how finely the time before is counted: by 5 min; where minutes must do, by 30 s."""
    return BATCH if plan.tempo.history >= SHORT else FINE


def take(
    plan: Plan, guardrail: Guardrail, batches: Sequence[Batches], step: timedelta = BATCH
) -> Baseline:
    """Return the baseline of a guardrail; batches[i]: of the i-th of its families, aligned.

    step: length of a batch, a part of 5 min.

    Source of phi: McCullagh, Nelder 1989; see statistics.overdispersion.
    """
    hits, units = batches
    long_hits, long_units = (_merged(one, BATCH // step) for one in batches)
    pairs = tuple(map(pair, long_hits, long_units))
    before, exposed = total(hits), total(units)
    if guardrail.type is GuardrailType.RELATIVE_DROP:
        once = guardrail.once_per_user
        history, arms = Phi(value=1.0), Phi(value=1.0) if once else _phi(phi_counts(pairs))
        rate = _control_rate(before, exposed)
    else:
        history = _phi(phi_history(tuple(map(_everybody, long_hits, long_units))))
        arms = _phi(phi_counts(pairs, assumed=ASSUMED_OF_ERRORS))
        rate = before.all / exposed.all if exposed.all else 0.0
    span = step * sum(one.all > 0 for one in units)
    return Baseline(
        guardrail=guardrail.name,
        span=span,
        hits=before.all,
        exposure=exposed.all,
        rate=rate,
        phi_history=history,
        phi_arms=arms,
        armed=exposed.total > 0,
        busiest=max(map(_rate, long_hits, long_units), default=0.0),
        enough=span >= plan.tempo.history,
    )


def objection(plan: Plan, guardrail: Guardrail, baseline: Baseline) -> str:
    """Say why a guardrail could not judge with its baseline; empty: it could."""
    if guardrail.type is GuardrailType.RELATIVE_DROP:
        if guardrail.once_per_user and baseline.busiest > 1:
            return (
                f"oncePerUser, yet a batch of 5m before the ramp has {baseline.busiest:.2f} starts"
                " per assignment: leave it out"
            )
        return ""
    arms = baseline.armed and any(0 < value < 100 for value in plan.values)  # noqa: PLR2004 - percent
    if not (arms or baseline.enough):
        return (
            f"neither a label of the arm on the requests nor {show_duration(plan.tempo.history)} of"
            f" history ({show_duration(baseline.span)} found) to compare with"
        )
    return low_switch(guardrail, baseline)


def low_switch(guardrail: Guardrail, baseline: Baseline) -> str:
    """Say that a kill-switch is too near to what is usual; empty: it is not, or none is set."""
    limit = kill_limit(baseline.rate, _share(guardrail.kill_switch))
    if guardrail.kill_switch is None or not kill_refused(baseline.rate, limit):
        return ""
    return f"killSwitch {guardrail.kill_switch:g} is below twice the {baseline.rate:.2%} before"


def switched(guardrail: Guardrail, baseline: Baseline) -> Guardrail:
    """Return a guardrail with a kill-switch that what is usual cannot trip.

    One that was edited since the start may be too low: then the lowest that may be takes its place.
    """
    if not low_switch(guardrail, baseline):
        return guardrail
    return replace(guardrail, kill_switch=200 * baseline.rate)


def effective(plan: Plan, stage: Soaking, guardrail: Guardrail, before: Baseline) -> Baseline:
    """Return the baseline to compare with now: what a person took for the new one, if anybody did.

    phi stays: it is never taken anew from less data.
    """
    if stage.rebased is None or guardrail.type is not GuardrailType.ERROR_RATE:
        return before
    size = bin_size(plan, stage.step, stage.evidence)
    first = -((stage.evidence.t0 - stage.rebased.since) // size)
    last = (stage.rebased.until - stage.evidence.t0) // size
    hits, units = (
        total(bins[max(first, 0) : max(last, 0)])
        for bins in counted(plan, stage.evidence.counts, guardrail)
    )
    return replace(before, hits=hits.all, exposure=units.all, span=size * max(0, last - first))


def taken_anew(plan: Plan, stage: Soaking, since: datetime, until: datetime) -> Rebased:
    """Return the whole bins of a new baseline from an instant on; they are never too few."""
    t0, size = stage.evidence.t0, bin_size(plan, stage.step, stage.evidence)
    first = t0 + _whole(max(since - t0, timedelta(0)), size)
    least = first + _whole(plan.tempo.history, size)
    return Rebased(first, max(least, t0 + _whole(until - t0, size)))


def longer(plan: Plan, stage: Soaking, proven: datetime) -> Rebased | None:
    """Return the new baseline, longer by what was left out of it while not every pod was proven."""
    told, lost = stage.rebased, stage.evidence.unproven_since
    if told is None or lost is None or lost >= told.until:
        return told
    size = bin_size(plan, stage.step, stage.evidence)
    return replace(told, until=told.until + _whole(proven - max(lost, told.since), size))


def is_whole(stage: Soaking) -> bool:
    """Say whether the whole new baseline was counted, if there is to be one."""
    return stage.rebased is None or stage.evidence.counted_to >= stage.rebased.until


def counted(plan: Plan, counts: tuple[Batches, ...], guardrail: Guardrail) -> tuple[Batches, ...]:
    """Return the bins of each family of a guardrail."""
    if len(counts) != len(plan.families):
        return ((),) * len(families_of(plan.ask, guardrail, plan.tempo))
    where = {family: i for i, family in enumerate(plan.families)}
    return tuple(counts[where[f]] for f in families_of(plan.ask, guardrail, plan.tempo))


def pair(hits: Reading, units: Reading) -> Pair:
    """Return hits among units, per arm."""
    return Pair(Arm(hits.treatment, units.treatment), Arm(hits.control, units.control))


def total(readings: Sequence[Reading]) -> Reading:
    """Return all readings together."""
    return reduce(Reading.plus, readings, Reading())


def _whole(span: timedelta, size: timedelta) -> timedelta:
    """Return the bins of a length that cover a span."""
    return math.ceil(span / size) * size


def _merged(batches: Batches, many: int) -> Batches:
    """Return batches of so many, the last of them whole."""
    first = len(batches) % many
    return tuple(total(batches[i : i + many]) for i in range(first, len(batches), many))


def _everybody(hits: Reading, units: Reading) -> Arm:
    return Arm(hits.all, units.all)


def _phi(found: Overdispersion) -> Phi:
    return Phi(value=found.phi, batch=found.batch)


def _rate(hits: Reading, units: Reading) -> float:
    return max(
        hits.control / units.control if units.control else 0.0,
        hits.treatment / units.treatment if units.treatment else 0.0,
    )


def _control_rate(hits: Reading, units: Reading) -> float:
    """Return control's rate; where nobody was in control, that of all: the best guess there is."""
    if units.control:
        return hits.control / units.control
    return hits.all / units.all if units.all else 0.0


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
