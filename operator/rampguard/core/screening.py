"""Which looks of a replay can break at all, found in a tenth of the time that judging takes.

What is weighed over onsets never exceeds its largest term: where no window since any onset reaches
the threshold at the margin by itself, no guardrail is breached. The judge has the last word.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import accumulate

from rampguard.core.ask import Guardrail, GuardrailType
from rampguard.core.baseline import Batches
from rampguard.core.budget import budget
from rampguard.core.counting import spacing
from rampguard.core.history import Counts
from rampguard.core.model import Baseline
from rampguard.core.plan import Family, Plan, families_of
from rampguard.core.statistics import (
    Arm,
    Hypothesis,
    Pair,
    error_effects,
    log_e_binomial,
    log_e_counts,
    log_e_two_sample,
    logit,
    matched,
)

Floats = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Sums:
    """What a family counted in the first n steps of a soak, by arm and in all."""

    control: Floats
    treatment: Floats
    every: Floats


@dataclass(frozen=True, slots=True)
class _Screen:
    """One part. worse(i, n): whether steps i..n lie beyond the limit; log_e: the evidence there."""

    threshold: float
    worse: Callable[[int, int], bool]
    log_e: Callable[[int, int], float]

    def alarms(self, now: int, bin_steps: int) -> bool:
        """Say whether a window from any onset to now reaches the threshold."""
        return any(
            self.worse(i, now) and self.log_e(i, now) >= self.threshold
            for i in range(0, now, bin_steps)
        )


def alarming(
    plan: Plan, counts: Counts, first: int, baselines: Sequence[Baseline]
) -> Callable[[int, Container[str]], bool]:
    """Return whether the n-th look of a soak, from 1 on, can break what is not broken yet.

    first: the step with which the soak begins. A kill-switch and free queries are not looked at.
    """
    soak, step = plan.soaks[plan.last], counts.step
    bin_steps, steps = spacing(step, soak) // step, soak // step
    told = zip(plan.families, counts.counts, strict=True)
    sums = {f: _summed(f, bins[first : first + steps], step) for f, bins in told}
    known = {one.guardrail: one for one in baselines}
    screens = tuple(
        (one.name, screen)
        for one in plan.ask.guardrails
        for screen in _screens(plan, one, known.get(one.name), sums, bin_steps)
    )

    def alarms(n: int, broke: Container[str]) -> bool:
        return any(name not in broke and screen.alarms(n, bin_steps) for name, screen in screens)

    return alarms


def _summed(family: Family, bins: Batches, step: timedelta) -> _Sums:
    skipped = -(-family.skip // step)
    counted = [one if i >= skipped else None for i, one in enumerate(bins)]
    return _Sums(
        tuple(accumulate((one.control if one else 0.0 for one in counted), initial=0.0)),
        tuple(accumulate((one.treatment if one else 0.0 for one in counted), initial=0.0)),
        tuple(accumulate((one.all if one else 0.0 for one in counted), initial=0.0)),
    )


def _screens(
    plan: Plan,
    guardrail: Guardrail,
    baseline: Baseline | None,
    sums: dict[Family, _Sums],
    bin_steps: int,
) -> Iterator[_Screen]:
    told = [sums[family] for family in families_of(plan.ask, guardrail, plan.tempo)]
    share, margin = plan.values[plan.last], budget(plan).margin
    tolerance = guardrail.tolerance or 0
    if guardrail.type is GuardrailType.EXPOSURE_BALANCE:
        both = ((1, (share + tolerance) / 100), (-1, (share - tolerance) / 100))
        sides = tuple(one for one in both if 0 < one[1] < 1)
        for side, limit in sides:
            yield _share(told[0], side, limit, margin(len(sides)))
    elif baseline is None or guardrail.type is GuardrailType.THRESHOLD:
        return
    elif guardrail.type is GuardrailType.RELATIVE_DROP:
        if 0 < share < 100:  # noqa: PLR2004 - percent
            yield _drop(told, guardrail, baseline, margin(1))
    else:
        parts, limit = max(1, baseline.enough + baseline.armed), 1 + tolerance / 100
        if baseline.enough:
            yield _history(told, baseline, limit, margin(parts))
        if baseline.armed and 0 < share < 100:  # noqa: PLR2004 - percent
            yield _concurrent(told, baseline, limit, margin(parts), bin_steps)


def _share(new: _Sums, side: int, limit: float, threshold: float) -> _Screen:
    hits, others, odds, eta0 = new.treatment, new.control, limit / (1 - limit), logit(limit)

    def worse(i: int, n: int) -> bool:
        return side * (hits[n] - hits[i] - odds * (others[n] - others[i])) > 0

    def log_e(i: int, n: int) -> float:
        return log_e_binomial(hits[n] - hits[i], others[n] - others[i], eta0, side)

    return _Screen(threshold, worse, log_e)


def _drop(
    told: Sequence[_Sums], guardrail: Guardrail, baseline: Baseline, threshold: float
) -> _Screen:
    limit, phi = 1 - (guardrail.tolerance or 0) / 100, baseline.phi_arms.value
    edge = Hypothesis(side=-1, guess=min(max(baseline.rate, 0.01), 0.99), rho=limit)
    if guardrail.once_per_user:
        return _arms(told, limit, threshold, lambda t, c: log_e_two_sample(t, c, edge))
    return _arms(told, limit, threshold, lambda t, c: log_e_counts(t, c, limit, -1, phi=phi))


def _arms(
    told: Sequence[_Sums], limit: float, threshold: float, kernel: Callable[[Arm, Arm], float]
) -> _Screen:
    """Return the comparison of the arms: too few hits among units."""
    hits, units = told
    kt, kc, nt, nc = hits.treatment, hits.control, units.treatment, units.control

    def worse(i: int, n: int) -> bool:
        treated = (kt[n] - kt[i]) * (nc[n] - nc[i])
        return treated < limit * (kc[n] - kc[i]) * (nt[n] - nt[i])

    def log_e(i: int, n: int) -> float:
        return kernel(Arm(kt[n] - kt[i], nt[n] - nt[i]), Arm(kc[n] - kc[i], nc[n] - nc[i]))

    return _Screen(threshold, worse, log_e)


def _concurrent(
    told: Sequence[_Sums], baseline: Baseline, limit: float, threshold: float, bin_steps: int
) -> _Screen:
    """Return the comparison of the arms within each bin: too many hits."""
    steps, phi, effects = len(told[0].every), baseline.phi_arms.value, error_effects()
    whole = tuple(
        accumulate(
            (
                matched(_between(told, i, i + bin_steps))
                for i in range(0, steps - bin_steps, bin_steps)
            ),
            initial=Pair(),
        )
    )

    @cache
    def until(n: int) -> Pair:
        return whole[n // bin_steps] + matched(_between(told, n - n % bin_steps, n))

    def since(i: int, n: int) -> tuple[Arm, Arm]:
        now, then = until(n), whole[i // bin_steps]
        return _less(now.treatment, then.treatment), _less(now.control, then.control)

    def worse(i: int, n: int) -> bool:
        treatment, control = since(i, n)
        return treatment.hits * control.units > limit * control.hits * treatment.units

    def log_e(i: int, n: int) -> float:
        return log_e_counts(*since(i, n), limit, 1, effects=effects, phi=phi)

    return _Screen(threshold, worse, log_e)


def _between(told: Sequence[_Sums], i: int, n: int) -> Pair:
    hits, units = told
    return Pair(
        Arm(hits.treatment[n] - hits.treatment[i], units.treatment[n] - units.treatment[i]),
        Arm(hits.control[n] - hits.control[i], units.control[n] - units.control[i]),
    )


def _less(now: Arm, then: Arm) -> Arm:
    return Arm(now.hits - then.hits, now.units - then.units)


def _history(told: Sequence[_Sums], baseline: Baseline, limit: float, threshold: float) -> _Screen:
    """Return the comparison with the time before the soak."""
    hits, units = told[0].every, told[1].every
    before, phi = Arm(baseline.hits, baseline.exposure), baseline.phi_history.value
    allowed = limit * before.hits / before.units if before.units else 0.0
    effects = error_effects()

    def worse(i: int, n: int) -> bool:
        return hits[n] - hits[i] > allowed * (units[n] - units[i])

    def log_e(i: int, n: int) -> float:
        now = Arm(hits[n] - hits[i], units[n] - units[i])
        return log_e_counts(now, before, limit, 1, effects=effects, phi=phi)

    return _Screen(threshold, worse, log_e)
