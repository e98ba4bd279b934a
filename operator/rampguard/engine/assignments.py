"""Asks Prometheus for the assignments that the pods of the targets counted.

Every answer is of the explicit instants that were asked for: asking again gives it again.
"""

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from rampguard.core.counting import bases, deltas, folded, spacing
from rampguard.core.durations import show_duration
from rampguard.core.model import Arms, Evidence, Metrics, PromQL, Sample, Series, Soaking
from rampguard.core.plan import Plan
from rampguard.core.promql import with_matchers
from rampguard.ports import World

MEMORY = "1h"  # how far back the last value of a counter is looked for
FRESH = 3  # scrapes that a sample may be old
ENOUGH = 0.8  # of the ready pods that export: as many must be fresh
MOST_POINTS = 10_000  # of a range; Prometheus refuses more than 11,000
REPLICAS = "prometheus, prometheus_replica"  # labels of servers that scrape the same pods


class NothingSeenError(Exception):
    """Prometheus answered, but not with what can be judged; the message says why."""


@dataclass(frozen=True, slots=True)
class Pods:
    """Who counts. families: ReplicaSets of the targets by name; ready: pods that serve now."""

    families: frozenset[str]
    ready: frozenset[str] = frozenset()

    def has(self, pod: str) -> bool:
        """Say whether a pod is or was one of the targets'."""
        return pod.rpartition("-")[0] in self.families

    def exporting(self, pods: Iterable[str]) -> frozenset[str]:
        """Return the ready pods of the ReplicaSets of which some pod exports."""
        families = {pod.rpartition("-")[0] for pod in pods}
        return frozenset(pod for pod in self.ready if pod.rpartition("-")[0] in families)


@dataclass(frozen=True, slots=True)
class Assignments:
    """The counters of one ramp's assignments, and whom to ask for them."""

    plan: Plan
    metrics: Metrics
    arms: Arms
    world: World
    pods: Pods

    @property
    def query(self) -> PromQL:
        """Return what is asked: one counter per process and arm."""
        return self._per_process(self._selector)

    async def count(self, stage: Soaking, at: datetime) -> Evidence:
        """Return the evidence of a soak up to an instant; its last bin may be open.

        Raises NothingSeenError, Unavailable, Refused.
        """
        since = stage.evidence.counted_to
        before, later, _ = await asyncio.gather(
            self._bases(since), self._later(since, at), self.check(at)
        )
        label = self.metrics.arm_label
        told = deltas(later, bases(before), label)
        size = spacing(self.plan.tempo.look, self.plan.soaks[stage.step])
        return folded(stage.evidence, told, self.arms, size, at)

    async def check(self, at: datetime) -> None:
        """Make sure that both arms are counted, and lately, by enough of the pods."""
        found, scraped = await asyncio.gather(
            self._instant(self.query, at),
            self._instant(self._per_process(f"timestamp({self._selector})", by="max"), at),
        )
        for arm in (self.arms.control, self.arms.treatment):
            if not any(one.labels.get(self.metrics.arm_label) == arm for one in found):
                raise NothingSeenError(
                    f'no series with {self.metrics.arm_label}="{arm}" of a pod of the targets'
                )
        self._check_fresh(scraped, at)

    def _check_fresh(self, scraped: Iterable[Sample], at: datetime) -> None:
        allowed = FRESH * self.plan.tempo.scrape
        fresh = {
            self._pod(one)
            for one in scraped
            if at - datetime.fromtimestamp(one.value, UTC) <= allowed
        }
        wanted = self._expected(at, {self._pod(one) for one in scraped})
        have = len(fresh & wanted) if wanted else len(fresh)
        if have == 0 or have < ENOUGH * len(wanted):
            raise NothingSeenError(
                f"{have} of {len(wanted) or 'all'} pods were scraped within"
                f" {show_duration(allowed)}"
            )

    def _expected(self, at: datetime, exporting: Iterable[str]) -> frozenset[str]:
        """Return who should have been scraped; of the past it is not known any more."""
        recent = self.world.clock.now() - at <= self.plan.tempo.look + 2 * self.plan.tempo.scrape
        return self.pods.exporting(exporting) if recent else frozenset()

    async def _bases(self, at: datetime) -> tuple[Series, ...]:
        query = self._per_process(f"last_over_time({self._selector}[{MEMORY}])")
        return _at(await self._instant(query, at), at)

    async def _later(self, since: datetime, at: datetime) -> tuple[Series, ...]:
        """Return the counters on a grid after an instant, the last point at the other."""
        step = self.plan.tempo.look
        while (at - since) / step > MOST_POINTS:
            step *= 2
        points = math.ceil((at - since) / step)
        start = at - (points - 1) * step
        found = await self.world.metrics.span(self.metrics.source, self.query, start, at, step)
        ours = tuple(one for one in found if self._is_ours(one.labels))
        if any(not math.isfinite(value) for one in ours for _, value in one.points):
            raise NothingSeenError("a counter is NaN or infinite")
        return ours

    async def _instant(self, query: PromQL, at: datetime) -> tuple[Sample, ...]:
        found = await self.world.metrics.instant(self.metrics.source, query, at)
        ours = tuple(one for one in found if self._is_ours(one.labels))
        if found and not ours:
            label = self.world.rules.pod_label
            raise NothingSeenError(
                f'{len(found)} series, none with the label "{label}" of a pod of the targets'
            )
        if any(not math.isfinite(one.value) for one in ours):
            raise NothingSeenError("a counter is NaN or infinite")
        return ours

    def _is_ours(self, labels: object) -> bool:
        return isinstance(labels, dict) and self.pods.has(
            labels.get(self.world.rules.pod_label, "")
        )

    def _pod(self, sample: Sample) -> str:
        return sample.labels[self.world.rules.pod_label]

    @property
    def _selector(self) -> PromQL:
        namespace = {self.world.rules.namespace_label: self.plan.ask.ref.namespace}
        return with_matchers(self.metrics.assignments, namespace)

    def _per_process(self, inner: str, by: str = "sum") -> PromQL:
        labels = f"{self.world.rules.pod_label}, instance, {self.metrics.arm_label}"
        return PromQL(f"{by} by ({labels}) (max without ({REPLICAS}) ({inner}))")


def _at(samples: Iterable[Sample], at: datetime) -> tuple[Series, ...]:
    return tuple(Series(one.labels, ((at, one.value),)) for one in samples)


def to_assignments(plan: Plan, world: World, pods: Pods) -> Assignments:
    """Return the counters that a plan names; ValueError where it names none."""
    if plan.ask.metrics is None or plan.ask.arms is None:
        raise ValueError("the ramp names no arms and no metrics")
    return Assignments(plan, plan.ask.metrics, plan.ask.arms, world, pods)
