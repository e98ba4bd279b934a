"""A ramp on past days: would its rules have done harm, and which harm could they have seen?"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from rampguard.core.baseline import WINDOW, Batches, objection, pair
from rampguard.core.budget import budget
from rampguard.core.durations import show_duration
from rampguard.core.history import Counts
from rampguard.core.judging import judge
from rampguard.core.model import (
    Baseline,
    Evidence,
    Guardrail,
    GuardrailType,
    Measured,
    Phi,
    Soaking,
    Verdict,
)
from rampguard.core.outlook import DAY, Outlook, Traffic, first_step, outlooks, split, traffic
from rampguard.core.plan import Plan, families_of
from rampguard.core.replays import Broke, Replay, holes, pooled, taken
from rampguard.core.statistics import (
    Arm,
    Overdispersion,
    Pair,
    Scatter,
    phi_counts,
    phi_history,
    phi_two_sample,
)
from rampguard.core.statistics.roots import bisect

HOURLY = timedelta(hours=1)
REPEATING = 1.5  # phi of the share over an hour: users are not drawn one by one
DRIFTING = 20.0  # phi of errors per request: the rate follows the hours
ONE_IN_20 = 0.05


class Remark(StrEnum):
    """What a person should look at before the ramp."""

    BLOCKED = "Blocked"
    CANNOT_SEE = "CannotSee"
    CANNOT_CLEAR = "CannotClear"
    BROKE = "ReplayBroke"
    SHORT = "ShortBaseline"
    ASSUMED = "PhiAssumed"
    REPEATING = "UsersRepeat"
    DRIFTING = "Drift"


@dataclass(frozen=True, slots=True)
class Warned:
    """A remark with a sentence for people; guardrail "": of the whole ramp."""

    guardrail: str
    remark: Remark
    message: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a history says of a plan."""

    start: datetime
    end: datetime
    look: timedelta  # between looks of a replay
    pods: tuple[str, ...]
    arriving: float | None  # new assignments per second over the last day; None: not counted
    replays: tuple[Replay, ...]
    gaps: tuple[tuple[datetime, datetime], ...]  # without a series for longer than maxBlind
    tried: tuple[Tried, ...]
    missing: tuple[str, ...]  # without these signals the ramp would not start
    warnings: tuple[Warned, ...]

    @property
    def rolled_back(self) -> int:
        """How many replays would have been taken back."""
        return sum(one.rolled_back for one in self.replays)

    @property
    def upper(self) -> float:
        """Bound the chance that a soak without harm is rolled back, 95 % sure."""
        return upper_end(self.rolled_back, len(self.replays))


def backtest(plan: Plan, counts: Counts, replays: Sequence[Replay]) -> Backtest:
    """Return what a history says of a plan; replays: what became of soaks in it."""
    known = {one.guardrail: one for one in taken(plan, counts, counts.end)}
    coming = traffic(plan, counts)
    clears = _clearing(plan, tuple(known.values()), coming)
    tried = tuple(
        Tried(
            guardrail=one,
            promised=_promised(plan, one),
            replays=len(replays),
            broke=tuple((r.start, b) for r in replays for b in r.broke if b.guardrail == one.name),
            baseline=known.get(one.name),
            spreads=tuple(_spreads(plan, one, known.get(one.name), counts)),
            outlooks=outlooks(plan, one, known.get(one.name), coming),
            clears=clears(one.name) if one.type is not GuardrailType.THRESHOLD else None,
            extremes=_extremes(counts, one),
        )
        for one in plan.ask.guardrails
    )
    return Backtest(
        start=counts.start,
        end=counts.end,
        look=counts.step,
        pods=counts.pods,
        arriving=_arriving(plan, coming),
        replays=tuple(replays),
        gaps=tuple(
            (since, until)
            for since, until in holes(plan, counts, counts.start, counts.end)
            if until - since > plan.ask.max_blind
        ),
        tried=tried,
        missing=counts.missing,
        warnings=tuple(w for one in tried for w in _warned(plan, one)),
    )


def upper_end(hits: int, runs: int) -> float:
    """Return the largest chance at which so few hits are no rarer than 1 in 20.

    Source: Clopper, Pearson 1934: the upper end of a one-sided interval of 95 %.
    """
    if hits >= runs:
        return 1.0

    def excess(p: float) -> float:
        chances = (math.comb(runs, k) * p**k * (1 - p) ** (runs - k) for k in range(hits + 1))
        return ONE_IN_20 - math.fsum(chances)

    return bisect(excess, 0.0, 1.0)


def _promised(plan: Plan, guardrail: Guardrail) -> float | None:
    if guardrail.type is GuardrailType.THRESHOLD or guardrail.dry_run:
        return None
    spent = budget(plan)
    return spent.weight * spent.alpha


def _arriving(plan: Plan, coming: Traffic) -> float | None:
    """Return new assignments per second over the last day."""
    for one in plan.ask.guardrails:
        if one.type is GuardrailType.EXPOSURE_BALANCE:
            new, *_ = families_of(plan.ask, one, plan.tempo)
            return coming.until(new, DAY).total / DAY.total_seconds()
    return None


def _clearing(
    plan: Plan, baselines: tuple[Baseline, ...], coming: Traffic
) -> Callable[[str], timedelta | None]:
    """Return after how long the judge finds a guardrail within tolerance if nothing is wrong.

    It is shown what is expected at the new share.
    """
    begin = datetime.min
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
    """Yield how the last day varies, of what each part compares."""
    day = max(0, counts.steps - WINDOW // counts.step)
    known = dict(zip(plan.families, counts.counts, strict=True))
    told = [
        pooled(known[f][day:], counts.step) for f in families_of(plan.ask, guardrail, plan.tempo)
    ]
    if guardrail.type is GuardrailType.EXPOSURE_BALANCE and told:
        yield _spread("share", Phi(value=1.0), phi_two_sample(_chances(told[0])))
    if baseline is None:
        return
    hits, units = told
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


def _extremes(counts: Counts, guardrail: Guardrail) -> tuple[float, float] | None:
    told = counts.points.get(guardrail.name, "")
    values = [] if isinstance(told, str) else [v for _, v in told if math.isfinite(v)]
    return (min(values), max(values)) if values else None


# --- remarks -------------------------------------------------------------------------------------


def effect_text(guardrail: Guardrail, side: int, effect: float) -> str:
    """Say how large an effect is: a shift of 7 pp, a drop of 10 %, x1.5."""
    if guardrail.type is GuardrailType.EXPOSURE_BALANCE:
        return f"a shift of {effect * 100:.3g} pp"
    return f"x{1 + effect:.3g}" if side > 0 else f"a drop of {effect * 100:.3g} %"


def _warned(plan: Plan, tried: Tried) -> Iterator[Warned]:
    """Yield what a person should look at, the worst first."""
    for remark, message in (
        *_of_start(plan, tried),
        *_of_replays(tried),
        *_of_sight(plan, tried),
        *_of_baseline(tried),
    ):
        yield Warned(tried.guardrail.name, remark, message)


def _of_start(plan: Plan, tried: Tried) -> Iterator[tuple[Remark, str]]:
    why = objection(plan, tried.guardrail, tried.baseline) if tried.baseline else ""
    if why and not tried.guardrail.dry_run:
        yield Remark.BLOCKED, f"the ramp would not start: {why}"


def _of_replays(tried: Tried) -> Iterator[tuple[Remark, str]]:
    if tried.broke:
        start, first = tried.broke[0]
        yield (
            Remark.BROKE,
            f"broke in {len(tried.broke)} of {tried.replays} replays although nothing was changed,"
            f" first {show_duration(first.after)} after {start:%Y-%m-%d %H:%M} UTC"
            f" ({first.why}): an incident of that day, or a limit too near",
        )


def _of_sight(plan: Plan, tried: Tried) -> Iterator[tuple[Remark, str]]:
    """Say what this traffic cannot show within the soak, and how long it would take."""
    soak = plan.soaks[plan.last]
    for one in tried.outlooks[:1]:
        half = one.twice.half
        if half is None or half > soak:
            harm = effect_text(tried.guardrail, one.side, one.twice.effect)
            yield (
                Remark.CANNOT_SEE,
                f"this traffic cannot show {harm}, twice the limit, within the soak of"
                f" {show_duration(soak)}: {_takes(half, 'half of such ramps would take')}",
            )
    if tried.outlooks and (tried.clears is None or tried.clears > soak):
        yield (
            Remark.CANNOT_CLEAR,
            f"a ramp that does no harm will end Inconclusive: to prove that it keeps to"
            f" {limit_text(tried.guardrail)} {_takes(tried.clears, 'takes')},"
            f" the soak is {show_duration(soak)}",
        )


def _takes(time: timedelta | None, verb: str) -> str:
    return f"{verb} {show_duration(time)}" if time else f"{verb} more than 60 days"


def limit_text(guardrail: Guardrail) -> str:
    """Say what a guardrail allows."""
    tolerance = guardrail.tolerance or 0
    if guardrail.type is GuardrailType.EXPOSURE_BALANCE:
        return f"\N{PLUS-MINUS SIGN}{tolerance:g} pp"
    if guardrail.type is GuardrailType.RELATIVE_DROP:
        return f"-{tolerance:g} %"
    return f"x{1 + tolerance / 100:.4g}"


def _of_baseline(tried: Tried) -> Iterator[tuple[Remark, str]]:
    if tried.baseline and tried.baseline.span < WINDOW - HOURLY:
        yield (
            Remark.SHORT,
            f"the time before the ramp is {show_duration(tried.baseline.span)}, not 24h: what"
            " differs by hour of the day may look like harm",
        )
    for one in tried.spreads:
        if one.used.batch is None and one.used.value > 1:
            yield (
                Remark.ASSUMED,
                f"too little was counted to say how {_varies(one.part)}: phi {one.used.value:g} is"
                " assumed",
            )
        hourly = next((s.phi for s in one.by_length if s.length == HOURLY), 0.0)
        if one.part == "share" and hourly > REPEATING:
            yield (
                Remark.REPEATING,
                f"the share varies {hourly:.2g} times as much as if each user were drawn once:"
                " look for clients without cookies",
            )
        if one.part == "history" and one.used.value > DRIFTING:
            yield (
                Remark.DRIFTING,
                f"errors per request follow the hours (phi {one.used.value:.3g}): against the time"
                " before the ramp little can be shown",
            )


def _varies(part: str) -> str:
    return "errors vary" if part in {"history", "concurrent"} else "starts cluster"
