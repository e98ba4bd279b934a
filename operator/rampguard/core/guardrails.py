"""Readings become judgements: what was measured, against which limit, and how sure that is."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rampguard.core.ask import Guardrail
from rampguard.core.baseline import counted
from rampguard.core.budget import budget
from rampguard.core.counting import bin_size, onsets_of, windows
from rampguard.core.durations import show_duration
from rampguard.core.model import Evidence, Judgement, Part, Point, Reading, Verdict
from rampguard.core.plan import Plan
from rampguard.core.statistics import (
    clipped,
    detectable_shift,
    log_e_binomial,
    logit,
    onset_mixture,
    share_interval,
)

SEVERITY = (
    Verdict.NOT_APPLICABLE,
    Verdict.WITHIN_TOLERANCE,
    Verdict.INCONCLUSIVE,
    Verdict.NO_DATA,
    Verdict.BREACHED,
)
WORDS = 512  # characters of a server's that a judgement keeps


def worst(judgements: Iterable[Judgement]) -> Verdict:
    """Return the most severe verdict; of nothing: NoData, for nothing was judged."""
    return max((one.verdict for one in judgements), key=SEVERITY.index, default=Verdict.NO_DATA)


@dataclass(frozen=True, slots=True)
class _Side:
    """One direction in which a share may leave its limits."""

    name: str
    sign: int  # 1: too many in treatment, -1: too few
    limit: float


def judge_exposure(plan: Plan, step: int, guardrail: Guardrail, evidence: Evidence) -> Judgement:
    """Judge the share of new assignments that went to treatment, over all onsets.

    Breached: on one side ln E reaches both thresholds at this look. WithinTolerance: the interval
    since T0 lies inside the limits.
    """
    wanted, tolerance = plan.values[step], guardrail.tolerance or 0
    # Percent are added, not shares: 0.58 + 0.42 may fall short of 1.
    p0, low, high = wanted / 100, (wanted - tolerance) / 100, (wanted + tolerance) / 100
    both = _Side("upper", 1, high), _Side("lower", -1, low)
    sides = tuple(s for s in both if 0 < s.limit < 1)
    if not sides:
        told = not_applicable(guardrail, "the tolerance allows every share")
        return replace(told, limit="0% .. 100%", limits=(0.0, 1.0))
    spent, (new, *every) = budget(plan), counted(plan, evidence.counts, guardrail)
    since = windows(new)
    many = onsets_of(plan, step, evidence)
    proofs = tuple(_proof(since, many, side, p0) for side in sides)
    null, margin = spent.null(len(sides)), spent.margin(len(sides))
    harm = [p for p in proofs if p.null >= null and p.margin >= margin]
    worse = max(proofs, key=lambda p: p.margin)
    # Of a breach the window is shown in which it is clearest.
    clearest = worse.onset if harm else 0
    shown = since[clearest]
    bounds = share_interval(shown.treatment, shown.control, spent.level)
    if harm:
        verdict = Verdict.BREACHED
    elif low <= bounds.low and bounds.high <= high:
        verdict = Verdict.WITHIN_TOLERANCE
    else:
        verdict = Verdict.INCONCLUSIVE
    total = shown.total
    onset = _onset(plan, step, evidence, clearest) if harm else None
    part = Part(
        name=worse.name,
        verdict=verdict,
        value=_percent(shown.treatment / total) if total else "",
        interval=f"[{_percent(bounds.low)}, {_percent(bounds.high)}]" if total else "",
        limit=f"{_points(max(low, 0))} .. {_points(min(high, 1))}",
        counts=_counts_text(shown),
        log_e_null=worse.null,
        log_e_margin=worse.margin,
        threshold_null=null,
        threshold_margin=margin,
        could_see=_could_see(since[0].total, p0, tolerance / 100, null=null, margin=margin),
        onset=onset,
        marks=tuple(_cookies(windows(one)[0], since[0]) for one in every if total),
    )
    return Judgement(
        name=guardrail.name,
        type=guardrail.type,
        verdict=verdict,
        value=part.value,
        interval=part.interval,
        limit=part.limit,
        why=_exposure_why(verdict, shown, p0),
        number=shown.treatment / total if total else None,
        limits=(max(low, 0.0), min(high, 1.0)),
        counted=since[0].total,
        log_e_null=worse.null,
        log_e_margin=worse.margin,
        threshold_null=null,
        threshold_margin=margin,
        could_see=part.could_see,
        onset=onset,
        dry_run=guardrail.dry_run,
        parts=(part,),
    )


def not_applicable(guardrail: Guardrail, why: str) -> Judgement:
    """Return the judgement of a guardrail that has nothing to judge, by what was asked."""
    return Judgement(
        name=guardrail.name,
        type=guardrail.type,
        verdict=Verdict.NOT_APPLICABLE,
        why=why,
        dry_run=guardrail.dry_run,
    )


@dataclass(frozen=True, slots=True)
class _Proof:
    name: str
    null: float
    margin: float
    onset: int  # the bin from which on the harm is clearest


def _proof(since: tuple[Reading, ...], many: int, side: _Side, p0: float) -> _Proof:
    count = max(len(since), many)

    def evidence(eta0: float) -> list[float]:
        return [log_e_binomial(r.treatment, r.control, eta0, side.sign) for r in since]

    margins = evidence(logit(side.limit))
    nulls = evidence(logit(clipped(p0)))
    clearest = max(range(len(margins)), key=margins.__getitem__)
    return _Proof(side.name, onset_mixture(nulls, count), onset_mixture(margins, count), clearest)


def _onset(plan: Plan, step: int, evidence: Evidence, index: int) -> datetime:
    return evidence.t0 + index * bin_size(plan, step, evidence)


def judge_threshold(
    plan: Plan, guardrail: Guardrail, points: Sequence[Point], at: datetime, t0: datetime
) -> Judgement:
    """Judge the samples of a query up to an instant; the last must be of that very instant.

    Broken: beyond max or min without a break for as long as `for` says. points: oldest first; a
    hole of more than three looks is a break.
    """
    if not points or points[-1][0] != at:
        return no_data(guardrail, "the query gives no sample")
    value = points[-1][1]
    if not math.isfinite(value):
        return no_data(guardrail, f"the query gives {value}, no finite number")
    since = _run(points, _breaks(guardrail), 3 * plan.tempo.look)
    lasts = since is not None and at - since >= guardrail.lasting
    return Judgement(
        name=guardrail.name,
        type=guardrail.type,
        verdict=Verdict.BREACHED if lasts else Verdict.WITHIN_TOLERANCE,
        value=f"{value:.4g}",
        limit=_limit_text(guardrail),
        why=_threshold_why(since, lasts=lasts),
        number=value,
        limits=(guardrail.minimum, guardrail.maximum),
        counted=float(len(points)),
        onset=since if lasts else None,
        attributable=since is None or since - t0 <= plan.tempo.caused,
        query=guardrail.query or "",
        dry_run=guardrail.dry_run,
    )


def no_data(guardrail: Guardrail, why: str) -> Judgement:
    """Return the judgement of a guardrail that cannot see."""
    return Judgement(
        name=guardrail.name,
        type=guardrail.type,
        verdict=Verdict.NO_DATA,
        why=why[:WORDS],
        limit=_limit_text(guardrail) if guardrail.query else "",
        query=guardrail.query or "",
        dry_run=guardrail.dry_run,
    )


def _breaks(guardrail: Guardrail) -> Callable[[float], bool]:
    high, low = guardrail.maximum, guardrail.minimum
    return lambda value: (high is not None and value > high) or (low is not None and value < low)


def is_broken(guardrail: Guardrail, point: Point) -> bool:
    """Say whether a sample is beyond a limit."""
    return math.isfinite(point[1]) and _breaks(guardrail)(point[1])


def _run(
    points: Sequence[Point], broken: Callable[[float], bool], hole: timedelta
) -> datetime | None:
    """Return since when the query is broken without a break; None: it is not broken now."""
    since: datetime | None = None
    for at, value in reversed(points):
        if not math.isfinite(value) or not broken(value) or (since and since - at > hole):
            break
        since = at
    return since


def _limit_text(guardrail: Guardrail) -> str:
    told = []
    if guardrail.minimum is not None:
        told.append(f"{guardrail.minimum:g} or more")
    if guardrail.maximum is not None:
        told.append(f"{guardrail.maximum:g} or less")
    lasting = f" (for {show_duration(guardrail.lasting)})" if guardrail.lasting else ""
    return f"{' and '.join(told)}{lasting}"


def _threshold_why(since: datetime | None, *, lasts: bool) -> str:
    if since is None:
        return ""
    told = f"beyond its limit since {since:%Y-%m-%dT%H:%M:%SZ}"
    return told if lasts else f"{told}, not for long enough"


def _counts_text(counted: Reading) -> str:
    return f"{counted.treatment:.0f} of {counted.total:.0f} new assignments"


def _cookies(every: Reading, new: Reading) -> str:
    """Say what dashboards show, which count everybody, and what cookies make of it."""
    kept = every.total - new.total
    if kept <= 0:
        return "all exposures: the new ones alone"
    old = (every.treatment - new.treatment) / kept
    return (
        f"all exposures: {_percent(every.treatment / every.total)} of {every.total:.0f};"
        f" {kept:.0f} by cookie, {_percent(old)} of them treated: drawn before, not judged"
    )


def _exposure_why(verdict: Verdict, counted: Reading, p0: float) -> str:
    shown = _counts_text(counted)
    if verdict is Verdict.BREACHED:
        return f"{shown} went to treatment, {p0:.0%} should have"
    return shown


def _could_see(total: float, p0: float, tolerance: float, *, null: float, margin: float) -> str:
    """Say which fall of the share would have shown; where it cannot fall too far, which rise."""
    fall = p0 if p0 > tolerance else 1 - p0
    shift = detectable_shift(total, fall, tolerance, null=null, margin=margin)
    if math.isinf(shift):
        return "too little traffic to show any shift yet"
    return f"could have seen a shift of {shift * 100:.1f} pp or more"


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _points(share: float) -> str:
    return f"{share * 100:.3g}%"
