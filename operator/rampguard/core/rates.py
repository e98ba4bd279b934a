"""Guardrails on rates: starts per assignment between the arms, errors per request over time.

Each of their parts is a test of its own: what was measured, against which limit, and how sure.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate
from operator import add

from rampguard.core.ask import Guardrail
from rampguard.core.baseline import WINDOW, counted, pair
from rampguard.core.budget import Budget, budget
from rampguard.core.counting import bin_size, onsets_of, windows
from rampguard.core.durations import show_duration
from rampguard.core.guardrails import no_data, not_applicable
from rampguard.core.harm import CONCURRENT, caused
from rampguard.core.model import Baseline, Judgement, Part, Phi, Reading, Soaking, Verdict
from rampguard.core.plan import Plan
from rampguard.core.statistics import (
    Arm,
    Demand,
    Hypothesis,
    Interval,
    Pair,
    detectable_ratio,
    detectable_two_sample,
    error_effects,
    kill_limit,
    killed,
    log_e_counts,
    log_e_two_sample,
    matched,
    onset_mixture,
    ratio_interval,
    two_sample_ratio,
)

KILL_SPAN = timedelta(seconds=120)
RIPE = 5  # lags: in a younger window starts of earlier assignments outweigh those of its own
ONE_ARM = "one arm is empty at this share, nothing to compare with"
HELD = "held since somebody changed the pod template: gate rebaseline asks for a new baseline"
Kernel = Callable[[Pair, float], float]  # counts of both sides and the ratio at the limit -> ln E


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    """One part of a guardrail before it is judged. control of a pair may be history.

    windows[i]: what is compared, from the onset i to now; counted[i]: what was counted in it.
    began: the instant of the first onset. ripe: how old a window must be to say anything.
    """

    name: str
    against: str  # "control", "the time before the ramp"
    side: int  # 1: too many, -1: too few
    limit: float  # the ratio at the edge of what is allowed
    windows: tuple[Pair, ...]
    counted: tuple[Pair, ...]
    kernel: Kernel
    interval: Callable[[Pair, float], Interval]
    could_see: Callable[[Pair, Demand], float]
    phi: Phi
    began: datetime
    what: tuple[str, str]  # "starts", "assignments"
    ripe: timedelta = timedelta(0)
    marks: tuple[str, ...] = ()

    def log_e(self, ratio: float, size: timedelta, now: datetime) -> list[float]:
        """Return ln E of each window; size: from one onset to the next."""
        age = now - self.began
        return [
            self.kernel(one, ratio) if age - i * size >= self.ripe else -math.inf
            for i, one in enumerate(self.windows)
        ]


def judge_drop(plan: Plan, stage: Soaking, guardrail: Guardrail, baseline: Baseline) -> Judgement:
    """Judge how many starts treatment's new users make per assignment, against control's."""
    evidence = stage.evidence
    since = _paired(counted(plan, evidence.counts, guardrail))
    limit = 1 - (guardrail.tolerance or 0) / 100
    if guardrail.once_per_user:
        if _more_than_once(since[0]):
            return no_data(guardrail, "more starts than assignments, yet oncePerUser is set")
        test = _once(plan, stage, since, limit, baseline)
    else:
        test = _counts(stage, since, limit, baseline)
    part = _judged(plan, stage, test, parts=1)
    return _joined(guardrail, (part,), limits=(limit, None), counted=_units(since[0]))


def judge_users(  # noqa: PLR0913 - as judge_drop, and what is told of the count
    plan: Plan,
    stage: Soaking,
    guardrail: Guardrail,
    baseline: Baseline,
    *,
    bins: tuple[tuple[Reading, ...], ...],
    marks: tuple[str, ...],
) -> Judgement:
    """Judge how many of treatment's new users had an event, against control's.

    bins: users with the event and all users, each counted once nothing can change any more. Each
    counts at most once by construction: the exact test holds.
    """
    since = _paired(bins)
    limit = 1 - (guardrail.tolerance or 0) / 100
    test = _once(plan, stage, since, limit, baseline)
    test = replace(test, ripe=timedelta(0), what=(f'"{guardrail.event}"', "users"), marks=marks)
    part = _judged(plan, stage, test, parts=1)
    return _joined(guardrail, (part,), limits=(limit, None), counted=_units(since[0]))


def judge_errors(  # noqa: PLR0913 - what judge_drop takes, and the last 120 s
    plan: Plan,
    stage: Soaking,
    guardrail: Guardrail,
    baseline: Baseline,
    *,
    recent: Sequence[tuple[Reading, Reading]],
    at: datetime,
) -> Judgement:
    """Judge errors per request: against the time before the ramp, and between the arms.

    recent: of the errors and of the requests, the last 120 s up to this look and to the one before.
    """
    limit = 1 + (guardrail.tolerance or 0) / 100
    bins = counted(plan, stage.evidence.counts, guardrail)
    tests = _error_tests(plan, stage, baseline, bins=bins, limit=limit)
    count = baseline.enough + baseline.armed  # fixed before the start, whatever is held now
    parts = tuple(_judged(plan, stage, test, parts=max(1, count)) for test in tests)
    kill = kill_switch(guardrail, baseline, recent, at)
    held = _held() if baseline.enough and stage.changed_at is not None else None
    parts = (*parts, *(one for one in (kill, held) if one))
    if not parts:
        return not_applicable(guardrail, "nothing to compare with at this share")
    judged = _joined(guardrail, parts, limits=(None, limit), counted=_total(bins[1]))
    broken = judged.verdict is Verdict.BREACHED
    return replace(judged, attributable=caused(plan, stage, parts)) if broken else judged


def kill_switch(
    guardrail: Guardrail,
    baseline: Baseline,
    recent: Sequence[tuple[Reading, Reading]],
    at: datetime,
) -> Part | None:
    """Return the breach of a kill-switch at two looks running; None: it did not fire."""
    if not recent:
        return None
    errors, requests = recent
    looks = [Arm(errors[i].all, requests[i].all) for i in (1, 0)]
    asked = None if guardrail.kill_switch is None else guardrail.kill_switch / 100
    limit = kill_limit(baseline.rate, asked)
    if not killed(looks, limit):
        return None
    now = looks[-1]
    return Part(
        name="kill-switch",
        verdict=Verdict.BREACHED,
        value=f"{now.rate:.1%}" if now.units > 0 else "",
        limit=f"{limit:.1%} of all requests or less",
        counts=f"{now.hits:.0f} of {now.units:.0f} requests in {show_duration(KILL_SPAN)}",
        onset=at - KILL_SPAN,
    )


def killed_by(
    guardrail: Guardrail,
    baseline: Baseline,
    recent: Sequence[tuple[Reading, Reading]],
    at: datetime,
) -> Judgement | None:
    """Return the judgement of a kill-switch that fires; None: it does not."""
    part = kill_switch(guardrail, baseline, recent, at)
    if part is None:
        return None
    return _joined(guardrail, (part,), limits=(None, None), counted=0)


def _counts(stage: Soaking, since: tuple[Pair, ...], limit: float, baseline: Baseline) -> _Test:
    phi = baseline.phi_arms.value

    def kernel(one: Pair, ratio: float) -> float:
        return log_e_counts(one.treatment, one.control, ratio, -1, phi=phi)

    return _Test(
        name="drop",
        against="control",
        side=-1,
        limit=limit,
        windows=since,
        counted=since,
        kernel=kernel,
        interval=lambda one, alpha: ratio_interval(one.treatment, one.control, alpha, phi=phi),
        could_see=lambda one, demand: _ratio_seen(one, limit, -1, demand),
        phi=baseline.phi_arms,
        began=stage.evidence.t0,
        what=("starts", "assignments"),
    )


def _once(
    plan: Plan, stage: Soaking, since: tuple[Pair, ...], limit: float, baseline: Baseline
) -> _Test:
    guess = min(max(baseline.rate, 0.01), 0.99)

    def kernel(one: Pair, ratio: float) -> float:
        return log_e_two_sample(
            one.treatment, one.control, Hypothesis(side=-1, guess=guess, rho=ratio)
        )

    def could_see(one: Pair, demand: Demand) -> float:
        edge = Hypothesis(side=-1, guess=guess, rho=limit)
        return detectable_two_sample(one.treatment.units, one.control.units, edge, demand)

    return _Test(
        name="drop",
        against="control",
        side=-1,
        limit=limit,
        windows=since,
        counted=since,
        kernel=kernel,
        interval=lambda one, alpha: two_sample_ratio(one.treatment, one.control, guess, alpha),
        could_see=could_see,
        phi=Phi(value=1.0, batch=timedelta(0)),
        began=stage.evidence.t0,
        what=("starts", "assignments"),
        ripe=RIPE * plan.tempo.lag,
    )


def _error_tests(
    plan: Plan,
    stage: Soaking,
    baseline: Baseline,
    *,
    bins: tuple[tuple[Reading, ...], ...],
    limit: float,
) -> tuple[_Test, ...]:
    tests = []
    if baseline.enough and stage.changed_at is None:
        tests.append(_history(plan, stage, baseline, bins, limit))
    if baseline.armed and 0 < plan.values[stage.step] < 100:  # noqa: PLR2004 - percent
        test = _error_test(
            CONCURRENT,
            "control",
            _matched(bins),
            _paired(bins),
            limit=limit,
            phi=baseline.phi_arms,
            began=stage.evidence.t0,
        )
        alone = f"no history to compare with: {show_duration(baseline.span)} are too short"
        tests.append(test if baseline.enough else replace(test, marks=(alone,)))
    return tuple(tests)


def _history(
    plan: Plan,
    stage: Soaking,
    before: Baseline,
    bins: tuple[tuple[Reading, ...], ...],
    limit: float,
) -> _Test:
    """Return the comparison with the baseline; after a new one only of what came after it."""
    size = bin_size(plan, stage.step, stage.evidence)
    t0, told = stage.evidence.t0, stage.rebased
    skipped = -((t0 - told.until) // size) if told else 0
    hits, units = (windows(one[skipped:]) for one in bins)
    old = Arm(before.hits, before.exposure)
    since = tuple(Pair(Arm(h.all, u.all), old) for h, u in zip(hits, units, strict=True))
    began = t0 + skipped * size
    name = "the new baseline" if told else "the time before the ramp"
    test = _error_test(
        "history", name, since, since, limit=limit, phi=before.phi_history, began=began
    )
    short = (f"baseline of {show_duration(before.span)}",) if before.span < WINDOW else ()
    return replace(test, marks=short)


def _error_test(  # noqa: PLR0913 - the two parts of ErrorRate differ in these
    name: str,
    against: str,
    since: tuple[Pair, ...],
    told: tuple[Pair, ...],
    *,
    limit: float,
    phi: Phi,
    began: datetime,
) -> _Test:
    def kernel(one: Pair, ratio: float) -> float:
        return log_e_counts(
            one.treatment, one.control, ratio, 1, effects=error_effects(), phi=phi.value
        )

    return _Test(
        name=name,
        against=against,
        side=1,
        limit=limit,
        windows=since,
        counted=told,
        kernel=kernel,
        interval=lambda one, alpha: ratio_interval(
            one.treatment, one.control, alpha, phi=phi.value
        ),
        could_see=lambda one, demand: _ratio_seen(one, limit, 1, demand),
        phi=phi,
        began=began,
        what=("errors", "requests"),
    )


def _judged(plan: Plan, stage: Soaking, test: _Test, *, parts: int) -> Part:
    """Judge one part by the two-level rule, over all onsets.

    Of a breach the window is shown in which it is clearest: since T0 harm that began late may
    still look small. The bounds are not widened for that choice; the verdict pays for it.
    """
    spent: Budget = budget(plan)
    null, margin = spent.null(parts), spent.margin(parts)
    count = max(len(test.windows), onsets_of(plan, stage.step, stage.evidence))
    size, now = bin_size(plan, stage.step, stage.evidence), stage.evidence.counted_to
    margins = test.log_e(test.limit, size, now)
    log_margin = onset_mixture(margins, count)
    log_null = onset_mixture(test.log_e(1.0, size, now), count)
    breached = log_null >= null and log_margin >= margin
    clearest = max(range(len(margins)), key=margins.__getitem__) if breached else 0
    shown, raw = test.windows[clearest], test.counted[clearest]
    bounds = test.interval(shown, spent.level / parts)
    seen = test.could_see(test.windows[0], Demand(null=null, margin=margin, phi=test.phi.value))
    return Part(
        name=test.name,
        verdict=_verdict(test, bounds, breached=breached),
        value=_ratio(raw, shown),
        interval=_interval(bounds),
        limit=f"x{test.limit:.2f} of {test.against} or {'less' if test.side > 0 else 'more'}",
        counts=_counts_text(test, raw),
        log_e_null=log_null,
        log_e_margin=log_margin,
        threshold_null=null,
        threshold_margin=margin,
        phi=test.phi.value,
        could_see=_seen_text(test.side, seen),
        onset=test.began + clearest * size if breached else None,
        marks=_marks(test),
    )


def _verdict(test: _Test, bounds: Interval, *, breached: bool) -> Verdict:
    if breached:
        return Verdict.BREACHED
    inside = bounds.high <= test.limit if test.side > 0 else bounds.low >= test.limit
    return Verdict.WITHIN_TOLERANCE if inside else Verdict.INCONCLUSIVE


def _joined(
    guardrail: Guardrail,
    parts: tuple[Part, ...],
    *,
    limits: tuple[float | None, float | None],
    counted: float,
) -> Judgement:
    """Return the judgement of a guardrail: as bad as its worst part, which leads."""
    order = (Verdict.BREACHED, Verdict.INCONCLUSIVE, Verdict.WITHIN_TOLERANCE)
    lead = min(parts, key=lambda p: order.index(p.verdict))
    return Judgement(
        name=guardrail.name,
        type=guardrail.type,
        verdict=lead.verdict,
        value=lead.value,
        interval=lead.interval,
        limit=lead.limit,
        why=f"{lead.name}: {lead.counts}" if lead.counts else "",
        number=_number(lead),
        limits=limits,
        counted=counted,
        log_e_null=lead.log_e_null,
        log_e_margin=lead.log_e_margin,
        threshold_null=lead.threshold_null,
        threshold_margin=lead.threshold_margin,
        could_see=lead.could_see,
        onset=lead.onset,
        dry_run=guardrail.dry_run,
        parts=parts,
    )


def _held() -> Part:
    """Return the comparison with history while a person is asked for a new baseline."""
    return Part(name="history", verdict=Verdict.INCONCLUSIVE, counts=HELD)


def _paired(bins: tuple[tuple[Reading, ...], ...]) -> tuple[Pair, ...]:
    """Return hits among units from each onset to now, per arm."""
    hits, units = (windows(one) for one in bins)
    return tuple(map(pair, hits, units))


def _matched(bins: tuple[tuple[Reading, ...], ...]) -> tuple[Pair, ...]:
    """Return the arms from each onset to now, compared within each bin.

    Old cookies move the sizes of the arms while somebody's deploy moves the rate of both: sums over
    bins would then differ where in no bin the arms do. It is no loss where the sizes do not move.
    """
    each = [matched(pair(*one)) for one in zip(*bins, strict=True)]
    return tuple(accumulate(reversed(each), add))[::-1] or (Pair(),)


def _more_than_once(one: Pair) -> bool:
    return one.treatment.hits > one.treatment.units or one.control.hits > one.control.units


def _units(one: Pair) -> float:
    return one.treatment.units + one.control.units


def _total(bins: tuple[Reading, ...]) -> float:
    return math.fsum(one.all for one in bins)


def _ratio_seen(one: Pair, limit: float, side: int, demand: Demand) -> float:
    if one.control.units == 0:
        return math.inf
    same = one.control.rate * one.treatment.units
    return detectable_ratio(same, one.control.hits, limit, side, demand)


def _seen_text(side: int, seen: float) -> str:
    what = "rise" if side > 0 else "drop"
    if math.isinf(seen):
        return f"too little traffic to show any {what} yet"
    if side > 0:
        return f"could have seen x{1 + seen:.2f} or more"
    return f"could have seen a drop of {seen:.0%} or more"


def _ratio(counted: Pair, compared: Pair) -> str:
    if not (counted.treatment.units > 0 and counted.control.units > 0):
        return ""
    if counted.control.hits == 0:  # no ratio to nothing
        rate = counted.treatment.rate
        return f"{rate:.2%} from 0%" if rate else "0% from 0%"
    if not min(compared.treatment.units, compared.control.units, compared.control.hits) > 0:
        return ""  # control's hits came where there was no treatment
    return f"x{compared.treatment.rate / compared.control.rate:.3g}"


def _interval(bounds: Interval) -> str:
    says_nothing = bounds.low == 0 and math.isinf(bounds.high)
    return "" if says_nothing else f"[{bounds.low:.3g}, {bounds.high:.3g}]"


def _number(part: Part) -> float | None:
    return float(part.value[1:]) if part.value.startswith("x") else None


def _counts_text(test: _Test, counted: Pair) -> str:
    hits, units = test.what
    treated, control = counted.treatment, counted.control
    told = f"{treated.hits:.0f} {hits} of {treated.units:.0f} {units}"
    return f"{told}, {test.against}: {control.hits:.0f} of {control.units:.0f}"


def _marks(test: _Test) -> tuple[str, ...]:
    return (*test.marks, "phi assumed") if test.phi.batch is None else test.marks
