"""Soaks of the past, judged by the rules of a ramp as if one had begun.

Nothing was changed then: each rollback of a replay is a false one, or an incident that was there.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rampguard.core.ask import GuardrailType, OnFailure
from rampguard.core.baseline import WINDOW, Batches, has_baseline, switched, take, total
from rampguard.core.counting import spacing
from rampguard.core.guardrails import judge_threshold
from rampguard.core.history import Counts
from rampguard.core.judging import judge, of_families
from rampguard.core.model import (
    Baseline,
    Evidence,
    Judgement,
    Measured,
    Point,
    Reading,
    Soaking,
    Verdict,
)
from rampguard.core.plan import Plan, families_of
from rampguard.core.rates import KILL_SPAN, killed_by
from rampguard.core.screening import alarming

APART = timedelta(hours=6)  # starts of replays, or a soak where that is shorter
MOST = 200  # replays
BEFORE = timedelta(hours=1)  # of a Threshold's samples are looked at before `for`
NONE = timedelta(0)
ABSENT = "no series at this instant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broke:
    """A guardrail that broke in a replay; acts: by itself it would have taken the share back.

    decides: it is no dry run.
    """

    guardrail: str
    after: timedelta
    decides: bool
    acts: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One soak of the past. before: the time that it compared with; blind: its longest hole."""

    start: datetime
    before: timedelta
    broke: tuple[Broke, ...] = ()
    blind: timedelta = NONE

    @property
    def rolled_back(self) -> bool:
        """Whether the share would have been taken back."""
        return any(one.acts for one in self.broke)

    @property
    def held(self) -> bool:
        """Whether it would have waited for a person to say what goes on."""
        return not self.rolled_back and any(one.decides for one in self.broke)


def starts(plan: Plan, counts: Counts) -> tuple[datetime, ...]:
    """Return when replays begin: the last soak that fits, and ever earlier ones.

    Each has a baseline of 24 h before it; if none could have it, one has what there is, from 1 h.
    """
    step, soak = counts.step, plan.soaks[plan.last]
    lead = max(min(WINDOW, counts.span - soak), plan.tempo.history)
    room = counts.span - soak - lead
    apart = max(_floor(min(APART, soak), step), math.ceil(room / (MOST - 1) / step) * step, step)
    latest = counts.start + _floor(counts.span - soak, step)
    return tuple(latest - i * apart for i in reversed(range(room // apart + 1)))


def replayed(plan: Plan, counts: Counts, start: datetime) -> Replay:
    """Judge one soak of the past at all looks that can break, at the share that ran then."""
    calm, before = _at_rest(plan, counts.step), min(WINDOW, start - counts.start)
    baselines = taken(calm, counts, start)
    stage = Soaking(since=start, step=calm.last, evidence=Evidence(t0=start, counted_to=start))
    alarms = alarming(calm, counts, counts.index(start), baselines)
    broke: dict[str, Broke] = {}
    for n in range(1, _looks(plan, counts) + 1):
        at, measured = start + n * counts.step, _measured(calm, counts, start, n)
        if not (alarms(n, broke) or _fires(calm, baselines, at, measured, broke)):
            continue
        for one in judge(calm, stage, baselines, at, _counted(calm, counts, start, n, measured)):
            if one.verdict is Verdict.BREACHED and one.name not in broke:
                broke[one.name] = _broke(plan, one, at - start)
    blind = (b - a for a, b in holes(plan, counts, start, start + plan.soaks[plan.last]))
    return Replay(
        start=start, before=before, broke=tuple(broke.values()), blind=max(blind, default=NONE)
    )


def taken(plan: Plan, counts: Counts, end: datetime) -> tuple[Baseline, ...]:
    """Return the baselines of a ramp that starts at an instant: of the 24 h before it."""
    last = counts.index(end)
    first = max(0, last - WINDOW // counts.step)
    known = dict(zip(plan.families, counts.counts, strict=True))
    return tuple(
        take(
            plan,
            one,
            [known[family][first:last] for family in families_of(plan.ask, one, plan.tempo)],
            counts.step,
        )
        for one in plan.ask.guardrails
        if has_baseline(one)
    )


def holes(
    plan: Plan, counts: Counts, start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the spans of a range in which a deciding guardrail has no series."""
    needed = {
        families_of(plan.ask, one, plan.tempo) for one in plan.ask.guardrails if not one.dry_run
    }
    told = dict(zip(plan.families, counts.present, strict=True))
    present = [told[family] for family in {f for fs in needed for f in fs}]
    since = start
    for i in range(counts.index(start), counts.index(end)):
        at = counts.start + (i + 1) * counts.step
        if all(one[i] for one in present):
            if at - since > counts.step:
                yield since, at
            since = at
    if end - since > counts.step:
        yield since, end


def _at_rest(plan: Plan, look: timedelta) -> Plan:
    """Return the plan whose last step is the share that runs already."""
    values = (*plan.values[:-1], plan.ask.origin)
    return replace(plan, values=values, tempo=replace(plan.tempo, look=look))


def _looks(plan: Plan, counts: Counts) -> int:
    return plan.soaks[plan.last] // counts.step


def _measured(plan: Plan, counts: Counts, start: datetime, n: int) -> Measured:
    """Return what the n-th look of a soak sees but for what was counted since its start."""
    now, at = counts.index(start) + n - 1, start + n * counts.step
    return Measured(
        silent=tuple("" if one[now] else ABSENT for one in counts.present),
        recent=tuple(_recent(told, now, counts.step) for told in counts.counts),
        points={
            one.name: _points(counts.points[one.name], start, at, one.lasting)
            for one in plan.ask.guardrails
            if one.query
        },
    )


def _counted(plan: Plan, counts: Counts, start: datetime, n: int, measured: Measured) -> Measured:
    """Return it with what was counted since the start, in bins as those of the operator."""
    step, first = counts.step, counts.index(start)
    per_bin = spacing(step, plan.soaks[plan.last]) // step

    def bins(told: Batches, skip: timedelta) -> Batches:
        skipped = -(-skip // step)  # a step in which it begins to count is left out
        since = (*(Reading() for _ in range(min(n, skipped))), *told[first + skipped : first + n])
        return tuple(total(since[i : i + per_bin]) for i in range(0, n, per_bin))

    families = zip(plan.families, counts.counts, strict=True)
    evidence = Evidence(
        t0=start,
        counted_to=start + n * step,
        counts=tuple(bins(told, family.skip) for family, told in families),
    )
    return replace(measured, counted=evidence)


def _fires(
    plan: Plan,
    baselines: tuple[Baseline, ...],
    at: datetime,
    measured: Measured,
    broke: Container[str],
) -> bool:
    """Say whether a kill-switch or a free query breaks now that is not broken yet."""
    known = {one.guardrail: one for one in baselines}
    for one in plan.ask.guardrails:
        if one.name in broke:
            continue
        if one.type is GuardrailType.ERROR_RATE:
            recent = of_families(plan, one, measured.recent)
            if killed_by(switched(one, known[one.name]), known[one.name], recent, at):
                return True
        points = measured.points.get(one.name, "")
        if one.query and not isinstance(points, str):
            judged = judge_threshold(plan, one, points, at, at)
            if judged.verdict is Verdict.BREACHED:
                return True
    return False


def _recent(told: Batches, last: int, step: timedelta) -> tuple[Reading, Reading]:
    """Return what was counted in 120 s, by the steps around them: up to now, and a look ago."""
    steps = max(1, KILL_SPAN // step)
    part = KILL_SPAN / (steps * step)

    def ending(at: int) -> Reading:
        sums = total(told[max(0, at + 1 - steps) : at + 1])
        return Reading(sums.control * part, sums.treatment * part, sums.other * part)

    return ending(last), ending(last - 1)


def _points(
    told: tuple[Point, ...] | str, start: datetime, at: datetime, lasting: timedelta
) -> tuple[Point, ...] | str:
    if isinstance(told, str):
        return told
    earliest = max(start, at - lasting - BEFORE)
    first = bisect_left(told, earliest, key=_instant)
    return told[first : bisect_right(told, at, key=_instant)]


def _instant(point: Point) -> datetime:
    return point[0]


def _broke(plan: Plan, judged: Judgement, after: timedelta) -> Broke:
    asks = not judged.attributable and plan.ask.on_unattributable is OnFailure.HOLD
    decides, holds = not judged.dry_run, plan.ask.on_failure is OnFailure.HOLD
    return Broke(
        guardrail=judged.name,
        after=after,
        decides=decides,
        acts=decides and not (asks or holds),
        why=f"{judged.value}; {judged.why}",
    )


def _floor(span: timedelta, step: timedelta) -> timedelta:
    return span // step * step
