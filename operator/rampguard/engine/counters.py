"""Asks Prometheus for what the pods of the targets counted, family by family.

Every answer is of the explicit instants that were asked for: asking again gives it again.
"""

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rampguard.core.baseline import WINDOW, Batches
from rampguard.core.counting import Delta, bases, batches, deltas, folded, spacing, summed
from rampguard.core.durations import show_duration
from rampguard.core.model import Arms, Evidence, PromQL, Reading, Sample, Series, Soaking
from rampguard.core.plan import Family, Plan
from rampguard.core.promql import per_process, with_matchers
from rampguard.core.rates import KILL_SPAN
from rampguard.ports import World

MEMORY = "1h"  # how far back the last value of a counter is looked for
FRESH = 3  # scrapes that a sample may be old
ENOUGH = 0.8  # of the ready pods that export: as many must be fresh
MOST_POINTS = 10_000  # of a range; Prometheus refuses more than 11,000


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
class Counters:
    """The counters of one selector, and whom to ask for them."""

    plan: Plan
    selector: PromQL
    world: World
    pods: Pods

    @property
    def query(self) -> PromQL:
        """Return what is asked: one counter per process and arm."""
        return self._per_process()

    async def grown(self, since: datetime, at: datetime) -> tuple[Delta, ...]:
        """Return by how much each counter grew in (since, at], at the looks in between.

        Raises NothingSeenError, Unavailable, Refused.
        """
        before, later = await asyncio.gather(self._bases(since), self._later(since, at))
        return deltas(later, bases(before), self._label)

    async def batches(self, end: datetime, step: timedelta) -> Batches:
        """Return what was counted in each step of the 24 h before an instant."""
        start = end - WINDOW
        found = await self._span(start, end, step)
        return batches(found, self._label, self.plan.ask.arms, start=start, end=end, step=step)

    async def silence(self, at: datetime, arms: Arms | None) -> str:
        """Say why the counters cannot be judged at an instant; empty: they can.

        arms: both must be there. Raises NothingSeenError (not a number), Unavailable, Refused.
        """
        found, scraped = await asyncio.gather(
            self._instant(self.query, at),
            self._instant(self._per_process("max", "timestamp({})"), at),
        )
        if not found:
            return f"no series of a pod of the targets for {self.selector}"
        for arm in (arms.control, arms.treatment) if arms else ():
            if not any(one.labels.get(self._label) == arm for one in found):
                return f'no series with {self._label}="{arm}" of a pod of the targets'
        return self._stale(scraped, at)

    def _stale(self, scraped: Iterable[Sample], at: datetime) -> str:
        allowed = FRESH * self.plan.tempo.scrape
        fresh = {
            self._pod(one)
            for one in scraped
            if at - datetime.fromtimestamp(one.value, UTC) <= allowed
        }
        wanted = self._expected(at, {self._pod(one) for one in scraped})
        have = len(fresh & wanted) if wanted else len(fresh)
        if have == 0 or have < ENOUGH * len(wanted):
            return (
                f"{have} of {len(wanted) or 'all'} pods were scraped within"
                f" {show_duration(allowed)}"
            )
        return ""

    def _expected(self, at: datetime, exporting: Iterable[str]) -> frozenset[str]:
        """Return who should have been scraped; of the past it is not known any more."""
        recent = self.world.clock.now() - at <= self.plan.tempo.look + 2 * self.plan.tempo.scrape
        return self.pods.exporting(exporting) if recent else frozenset()

    async def _bases(self, at: datetime) -> tuple[Series, ...]:
        query = self._per_process(of=f"last_over_time({{}}[{MEMORY}])")
        found = await self._instant(query, at)
        return tuple(Series(one.labels, ((at, one.value),)) for one in found)

    async def _later(self, since: datetime, at: datetime) -> tuple[Series, ...]:
        """Return the counters on a grid after an instant, the last point at the other."""
        step = self.plan.tempo.look
        while (at - since) / step > MOST_POINTS:
            step *= 2
        points = math.ceil((at - since) / step)
        return await self._span(at - (points - 1) * step, at, step)

    async def _span(self, start: datetime, end: datetime, step: timedelta) -> tuple[Series, ...]:
        found = await self.world.metrics.span(self._source, self.query, start, end, step)
        ours = tuple(one for one in found if self._is_ours(one.labels))
        if any(not math.isfinite(value) for one in ours for _, value in one.points):
            raise NothingSeenError("a counter is NaN or infinite")
        return ours

    async def _instant(self, query: PromQL, at: datetime) -> tuple[Sample, ...]:
        found = await self.world.metrics.instant(self._source, query, at)
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

    def _per_process(self, how: str = "sum", of: str = "{}") -> PromQL:
        namespace = {self.world.rules.namespace_label: self.plan.ask.ref.namespace}
        labels = (self.world.rules.pod_label, "instance", self._label)
        return per_process(with_matchers(self.selector, namespace), labels, how, of)

    @property
    def _label(self) -> str:
        return self.plan.ask.metrics.arm_label if self.plan.ask.metrics else "variant"

    @property
    def _source(self) -> str:
        return source(self.plan)


def source(plan: Plan) -> str:
    """Return the name of the Prometheus that a ramp asks."""
    return plan.ask.metrics.source if plan.ask.metrics else "default"


async def count(plan: Plan, stage: Soaking, at: datetime, world: World, pods: Pods) -> Evidence:
    """Return the evidence of a soak up to an instant; its last bin may be open.

    Each selector is asked for once. Raises NothingSeenError, Unavailable, Refused.
    """
    names = _selectors(plan.families)
    found = await asyncio.gather(
        *(Counters(plan, one, world, pods).grown(stage.evidence.counted_to, at) for one in names)
    )
    told = dict(zip(names, found, strict=True))
    size = spacing(plan.tempo.look, plan.soaks[stage.step])
    grown = tuple(told[family.selector] for family in plan.families)
    return folded(stage.evidence, grown, plan.families, plan.ask.arms, size=size, until=at)


async def lately(
    plan: Plan, selectors: Iterable[PromQL], at: datetime, world: World, pods: Pods
) -> dict[PromQL, tuple[Reading, Reading]]:
    """Return what each selector counted in the 120 s up to an instant, and to the look before."""
    names, look = tuple(selectors), plan.tempo.look
    since = at - KILL_SPAN - look
    found = await asyncio.gather(
        *(Counters(plan, one, world, pods).grown(since, at) for one in names)
    )
    return {
        name: (
            summed(told, plan.ask.arms, at - KILL_SPAN, at),
            summed(told, plan.ask.arms, since, at - look),
        )
        for name, told in zip(names, found, strict=True)
    }


def _selectors(families: Iterable[Family]) -> tuple[PromQL, ...]:
    return tuple(dict.fromkeys(one.selector for one in families))
