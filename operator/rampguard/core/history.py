"""What Prometheus remembers of the time before a ramp, as counts on a grid.

Asked and differenced as a look of the operator is: raw counters of each process, one by one.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from rampguard.core.ask import Arms, Guardrail, PromQL
from rampguard.core.counting import batches
from rampguard.core.model import Point, Reading, Series
from rampguard.core.plan import Plan, families_of
from rampguard.core.promql import with_matchers

# What Kubernetes makes hashes and suffixes of: no vowels, nothing that looks like another.
SAFE = "[bcdfghjklmnpqrstvwxz2456789]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Which labels of a series say whose it is."""

    namespace: str = "namespace"
    pod: str = "pod"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Answers of Prometheus on the grid start + k * step, both ends included, by their query."""

    start: datetime
    end: datetime
    step: timedelta
    answers: Mapping[PromQL, tuple[Series, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A history of one ramp, from when all of its families were there.

    counts[f][i], present[f][i]: what the family f of the plan counted in the step that ends at
    start + (i + 1) * step, and whether any of its series was there at that instant. points: of each
    Threshold, by name; a text says why there are none. pods: that count at its end.
    """

    start: datetime
    step: timedelta
    counts: tuple[tuple[Reading, ...], ...] = ()
    present: tuple[tuple[bool, ...], ...] = ()
    points: Mapping[str, tuple[Point, ...] | str] = field(default_factory=dict)
    pods: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # signals without which the operator would not start

    @property
    def steps(self) -> int:
        """How many steps the history has."""
        return len(self.counts[0]) if self.counts else _longest(self)

    @property
    def end(self) -> datetime:
        """Where the history ends."""
        return self.start + self.steps * self.step

    @property
    def span(self) -> timedelta:
        """How long the history is."""
        return self.steps * self.step

    def index(self, at: datetime) -> int:
        """Return how many steps have ended at an instant."""
        return (at - self.start) // self.step


def queries(plan: Plan, labels: Labels) -> tuple[PromQL, ...]:
    """Return all that is asked of Prometheus: each query once."""
    counters = (_query(plan, family.selector, labels) for family in plan.families)
    free = (one.query for one in plan.ask.guardrails if one.query)
    return tuple(dict.fromkeys((*counters, *free)))


def is_of(pod: str, deployments: Iterable[str]) -> bool:
    """Say whether a name is that of a pod of one of these Deployments, by how they are named."""
    return any(_named(one).fullmatch(pod) for one in deployments)


def counted(plan: Plan, labels: Labels, history: History) -> Counts:
    """Return what the pods of the targets counted; KeyError names a query without an answer."""
    ours = {
        query: tuple(_clean(one) for one in history.answers[query] if _is_ours(plan, one, labels))
        for query in {_query(plan, family.selector, labels) for family in plan.families}
    }
    told = tuple(ours[_query(plan, family.selector, labels)] for family in plan.families)
    present = tuple(_present(series, history) for series in told)
    # Where nothing at all was counted there is no history.
    none = (history.end - history.start) // history.step if told else 0
    first = max((one.index(True) for one in present if any(one)), default=none)
    start = history.start + first * history.step
    arms, label = plan.ask.arms, _label(plan)
    recent = history.end - history.step
    pods = {
        one.labels[labels.pod]
        for series in told
        for one in series
        if one.points and one.points[-1][0] >= recent
    }
    return Counts(
        start=start,
        step=history.step,
        counts=tuple(
            # Since when a pod ran is not known: what it counted before it was seen is left out.
            batches(
                one,
                label,
                arms,
                start=start,
                end=history.end,
                step=history.step,
                pod=labels.pod,
            )
            for one in told
        ),
        present=tuple(one[first + 1 :] for one in present),
        points={
            one.name: _points(history.answers[one.query], start)
            for one in plan.ask.guardrails
            if one.query
        },
        pods=tuple(sorted(pods)),
        missing=tuple(_missing(plan, told, label, labels)),
    )


def _query(plan: Plan, selector: PromQL, labels: Labels) -> PromQL:
    """Return what is asked: every series, for each of them may restart by itself."""
    return with_matchers(selector, {labels.namespace: plan.ask.ref.namespace})


def _label(plan: Plan) -> str:
    return plan.ask.metrics.arm_label if plan.ask.metrics else "variant"


@cache
def _named(deployment: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(deployment)}-{SAFE}{{1,10}}-{SAFE}{{5}}")


def _is_ours(plan: Plan, series: Series, labels: Labels) -> bool:
    names = (target.name for target in plan.ask.targets)
    return is_of(series.labels.get(labels.pod, ""), names)


def _clean(series: Series) -> Series:
    """Return a counter without what is no number: then it was not there."""
    if all(math.isfinite(value) for _, value in series.points):
        return series
    return Series(series.labels, tuple(p for p in series.points if math.isfinite(p[1])))


def _present(series: Sequence[Series], history: History) -> tuple[bool, ...]:
    """Return for each instant of the grid whether any series has a value there."""
    have = {at for one in series for at, _ in one.points}
    steps = (history.end - history.start) // history.step
    return tuple(history.start + i * history.step in have for i in range(steps + 1))


def _points(found: Sequence[Series], start: datetime) -> tuple[Point, ...] | str:
    if len(found) > 1:
        return f"the query gives {len(found)} series; one number is expected"
    points = tuple(p for one in found for p in one.points if p[0] > start)
    return points or "the query gives no sample"


def _missing(
    plan: Plan, told: Sequence[tuple[Series, ...]], label: str, labels: Labels
) -> Iterable[str]:
    """Name what a deciding guardrail needs and nobody exports."""
    known = dict(zip(plan.families, told, strict=True))
    for one in plan.ask.guardrails:
        for family in () if one.dry_run else families_of(plan.ask, one, plan.tempo):
            query = _query(plan, family.selector, labels)
            if not known[family]:
                yield f"{one.name}: no series of a pod of {_targets(plan)} ({query})"
            elif twice := _twice(known[family], labels):
                yield f"{one.name}: {twice} ({query})"
            elif silent := _silent_arm(plan.ask.arms, known[family], label, one):
                yield f'{one.name}: no series with {label}="{silent}" ({query})'


def _twice(series: Sequence[Series], labels: Labels) -> str:
    """Say which process is scraped by two jobs: all that it counts would count twice."""
    jobs: dict[tuple[str, str], set[str]] = {}
    for one in series:
        process = one.labels.get(labels.pod, ""), one.labels.get("instance", "")
        jobs.setdefault(process, set()).add(one.labels.get("job", ""))
    for (pod, _), names in jobs.items():
        if len(names) > 1:
            return f"{pod} is scraped twice, as jobs {' and '.join(sorted(names))}: name one"
    return ""


def _silent_arm(
    arms: Arms | None, series: Sequence[Series], label: str, guardrail: Guardrail
) -> str:
    """Return an arm without a series; errors need none."""
    if arms is None or guardrail.requests:
        return ""
    have = {one.labels.get(label) for one in series}
    return next((arm for arm in (arms.control, arms.treatment) if arm not in have), "")


def _targets(plan: Plan) -> str:
    return ", ".join(target.name for target in plan.ask.targets)


def _longest(counts: Counts) -> int:
    """Return how many steps the points of a ramp without counters reach over."""
    last = [p[-1][0] for p in counts.points.values() if not isinstance(p, str)]
    return max(((at - counts.start) // counts.step for at in last), default=0)
