"""What past days say of each guardrail: false alarms, what it compares with, what it can see."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from rampguard.core.ask import Guardrail, GuardrailType
from rampguard.core.baseline import WINDOW, Batches, pair, total
from rampguard.core.budget import budget
from rampguard.core.history import Counts
from rampguard.core.judging import judge
from rampguard.core.model import Baseline, Evidence, Measured, Phi, Soaking, Verdict
from rampguard.core.outlook import Outlook, Traffic, first_step, outlooks, split
from rampguard.core.plan import Plan, families_of
from rampguard.core.replays import Broke, Replay
from rampguard.core.statistics import (
    BATCH,
    Arm,
    Overdispersion,
    Pair,
    Scatter,
    phi_counts,
    phi_history,
    phi_two_sample,
)
from rampguard.core.statistics.roots import bisect

ONE_IN_20 = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How much the counts of one part vary: phi by length of batch, and the one that is used."""

    part: str
    used: Phi
    by_length: tuple[Scatter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One guardrail on past days."""

    guardrail: Guardrail
    promised: float | None  # chance of a false breach over the whole ramp; None: it is no test
    replays: int
    broke: tuple[tuple[datetime, Broke], ...]  # with the start of the replay
    baseline: Baseline | None  # of a ramp that starts now; None: it compares with none
    spreads: tuple[Spread, ...]
    outlooks: tuple[Outlook, ...]
    clears: timedelta | None = None  # a harmless ramp is within tolerance; None: not in 60 days
    extremes: tuple[float, float] | None = None  # of a Threshold's query; None: no sample

    @property
    def upper(self) -> float:
        """Bound the chance that it breaks in a soak without harm, 95 % sure."""
        return upper_end(len(self.broke), self.replays)


def tried(
    plan: Plan,
    counts: Counts,
    replays: Sequence[Replay],
    baselines: Sequence[Baseline],
    coming: Traffic,
) -> tuple[Tried, ...]:
    """Return what past days say of each guardrail, in the order of the manifest."""
    known = {one.guardrail: one for one in baselines}
    clears = _clearing(plan, tuple(baselines), coming)
    return tuple(
        Tried(
            guardrail=one,
            promised=_promised(plan, one),
            replays=len(replays) if one.event is None and applies(one, (plan.ask.origin,)) else 0,
            broke=tuple((r.start, b) for r in replays for b in r.broke if b.guardrail == one.name),
            baseline=known.get(one.name),
            spreads=tuple(_spreads(plan, one, known.get(one.name), counts)),
            outlooks=outlooks(plan, one, known.get(one.name), coming),
            clears=clears(one.name) if one.type is not GuardrailType.THRESHOLD else None,
            extremes=_extremes(counts, one),
        )
        for one in plan.ask.guardrails
    )


def applies(guardrail: Guardrail, shares: Iterable[int]) -> bool:
    """Say whether a guardrail can judge at any of these shares: one that compares arms needs both.

    shares: percent.
    """
    both = any(0 < share < 100 for share in shares)  # noqa: PLR2004 - percent
    return both or guardrail.type is not GuardrailType.RELATIVE_DROP


def upper_end(hits: int, runs: int) -> float:
    """Return the largest chance at which so few hits are no rarer than 1 in 20.

    Source: Clopper, Pearson 1934: the upper end of a one-sided interval of 95 %.
    """

    def excess(p: float) -> float:
        chances = (math.comb(runs, k) * p**k * (1 - p) ** (runs - k) for k in range(hits + 1))
        return ONE_IN_20 - math.fsum(chances)

    return bisect(excess, 0.0, 1.0)


def _promised(plan: Plan, guardrail: Guardrail) -> float | None:
    decides = not guardrail.dry_run and applies(guardrail, plan.values)
    if guardrail.type is GuardrailType.THRESHOLD or not decides:
        return None
    spent = budget(plan)
    return spent.weight * spent.alpha


def _clearing(
    plan: Plan, baselines: tuple[Baseline, ...], coming: Traffic
) -> Callable[[str], timedelta | None]:
    """Return after how long the judge finds a guardrail within tolerance if nothing is wrong.

    It is shown what is expected at the new share.
    """
    begin = datetime.min.replace(tzinfo=UTC)
    stage = Soaking(since=begin, step=plan.last, evidence=Evidence(t0=begin, counted_to=begin))

    @cache
    def verdicts(after: timedelta) -> dict[str, Verdict]:
        counts = tuple(
            (split(coming.until(family, after), plan.ask.to / 100),) for family in plan.families
        )
        evidence = Evidence(t0=begin, counted_to=begin + after, counts=counts)
        judged = judge(plan, stage, baselines, begin + after, Measured(counted=evidence))
        return {one.name: one.verdict for one in judged}

    def clears(name: str) -> timedelta | None:
        return first_step(
            lambda after: verdicts(after)[name] is Verdict.WITHIN_TOLERANCE, coming.step
        )

    return clears


def _spreads(
    plan: Plan, guardrail: Guardrail, baseline: Baseline | None, counts: Counts
) -> Iterator[Spread]:
    """Yield how what each part compares varies: shares in all of history, the rest in a day."""
    day = max(0, counts.steps - WINDOW // counts.step)
    known = dict(zip(plan.families, counts.counts, strict=True))
    told = [known[family] for family in families_of(plan.ask, guardrail, plan.tempo)]
    if guardrail.type is GuardrailType.EXPOSURE_BALANCE and told:
        shares = _chances(_pooled(told[0], counts.step))
        yield _spread("share", Phi(value=1.0), phi_two_sample(shares))
    if baseline is None:
        return
    hits, units = (_pooled(one[day:], counts.step) for one in told)
    pairs = tuple(map(pair, hits, units))
    if guardrail.type is GuardrailType.RELATIVE_DROP:
        yield _spread("drop", baseline.phi_arms, phi_counts(pairs))
        return
    if baseline.enough:
        arms = tuple(Arm(h.all, u.all) for h, u in zip(hits, units, strict=True))
        yield _spread("history", baseline.phi_history, phi_history(arms))
    if baseline.armed:
        yield _spread("concurrent", baseline.phi_arms, phi_counts(pairs))


def _spread(part: str, used: Phi, found: Overdispersion) -> Spread:
    return Spread(part=part, used=used, by_length=found.by_length)


def _chances(new: Batches) -> tuple[Pair, ...]:
    """Return each new assignment as a chance to be treated."""
    return tuple(Pair(Arm(), Arm(one.treatment, one.total)) for one in new)


def _pooled(readings: Batches, step: timedelta) -> Batches:
    """Return batches of 5 min; step: what divides them. What does not fill the first is left."""
    merged = BATCH // step
    first = len(readings) % merged
    return tuple(total(readings[i : i + merged]) for i in range(first, len(readings), merged))


def _extremes(counts: Counts, guardrail: Guardrail) -> tuple[float, float] | None:
    told = counts.points.get(guardrail.name, "")
    values = [] if isinstance(told, str) else [v for _, v in told if math.isfinite(v)]
    return (min(values), max(values)) if values else None
