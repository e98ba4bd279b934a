"""Asks Prometheus for what the pods of the targets counted, family by family.

Every answer is of the explicit instants that were asked for: asking again gives it again.
"""

import asyncio
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from rampguard.core.ask import Arms, PromQL
from rampguard.core.baseline import WINDOW, Batches
from rampguard.core.counting import Delta, bases, batches, bin_size, deltas, folded, summed
from rampguard.core.durations import show_duration
from rampguard.core.model import Evidence, Reading, Sample, Series, Soaking
from rampguard.core.plan import Family, Plan
from rampguard.core.promql import with_matchers
from rampguard.core.rates import KILL_SPAN
from rampguard.ports import World

MEMORY = timedelta(hours=1)  # how far back the last value of a counter is looked for
FRESH = 3  # scrapes that a sample may be old
EXACT = 2.0**53  # up to it a float holds every whole number
PLAIN = re.compile(r"[A-Za-z0-9_.:-]{1,32}")
ARMS = 5  # that are named in place of one that is not there
ENOUGH = 0.8  # of the ready pods that export: as many must be fresh


class NothingSeenError(Exception):
    """Prometheus answered, but not with what can be judged; the message says why."""


@dataclass(frozen=True, slots=True)
class Pods:
    """Who counts. families: ReplicaSets of the targets by name; ready: pods that serve now.

    started: when each pod that is there began. exporters: by selector, the Deployments whose pods
    exported it before the ramp; a selector that is not among them: unknown.
    """

    families: frozenset[str]
    ready: frozenset[str] = frozenset()
    started: Mapping[str, datetime] = field(default_factory=dict)
    exporters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def has(self, pod: str) -> bool:
        """Say whether a pod is or was one of the targets'."""
        return _family(pod) in self.families

    def expected(self, selector: PromQL, scraped: Iterable[str]) -> frozenset[str]:
        """Return the ready pods that should export a selector.

        Those of the Deployments that did before the ramp; where that is not known, of the
        ReplicaSets of which some pod does.
        """
        if selector in self.exporters:
            names = self.exporters[selector]
            return frozenset(pod for pod in self.ready if _family(_family(pod)) in names)
        families = {_family(pod) for pod in scraped}
        return frozenset(pod for pod in self.ready if _family(pod) in families)

    def young(self, since: datetime) -> frozenset[str]:
        """Return the pods that began after an instant: all that they counted came after it."""
        return frozenset(pod for pod, at in self.started.items() if at > since)


def _family(name: str) -> str:
    """Return the owner of a pod or ReplicaSet, as the controllers name what they make."""
    return name.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class Counters:
    """The raw counters of one selector, and whom to ask for them."""

    plan: Plan
    selector: PromQL
    world: World
    pods: Pods

    @property
    def query(self) -> PromQL:
        """Return what is asked: every series, for each of them may restart by itself."""
        namespace = {self.world.rules.namespace_label: self.plan.ask.ref.namespace}
        return with_matchers(self.selector, namespace)

    async def grown(self, since: datetime, at: datetime, t0: datetime) -> tuple[Delta, ...]:
        """Return by how much each counter grew in (since, at], at the looks in between.

        t0: what a pod counted that began later belongs here whole. Raises NothingSeenError,
        Unavailable, Refused.
        """
        before, later = await asyncio.gather(self._bases(since), self._later(since, at))
        young = self.pods.young(max(t0, since - MEMORY))
        return deltas(later, bases(before), self._label, young=young, pod=self._pod_label)

    async def batches(self, end: datetime, step: timedelta) -> Batches:
        """Return what was counted in each step of the 24 h before an instant."""
        start = end - WINDOW
        found = await self._span(start, end, step)
        return batches(
            found,
            self._label,
            self.plan.ask.arms,
            start=start,
            end=end,
            step=step,
            young=self._seen_at_once(found, step) & self.pods.young(start),
            pod=self._pod_label,
        )

    def _seen_at_once(self, found: Iterable[Series], step: timedelta) -> frozenset[str]:
        """Return the pods that were scraped soon after their start: they bring no old counts."""
        late = step + FRESH * self.plan.tempo.scrape
        first: dict[str, datetime] = {}
        for one in found:
            pod, at = one.labels[self._pod_label], one.points[0][0]
            first[pod] = min(at, first.get(pod, at))
        started = self.pods.started
        return frozenset(p for p, at in first.items() if p in started and at - started[p] <= late)

    async def exporters(self, at: datetime) -> tuple[str, ...]:
        """Return the Deployments of which some pod exports the counters, numbers or none."""
        found = await self.world.metrics.instant(self._source, self.query, at)
        ours = (self._pod(one) for one in found if self._is_ours(one.labels))
        return tuple(sorted({_family(_family(pod)) for pod in ours}))

    async def silence(self, at: datetime, arms: Arms | None) -> str:
        """Say why nothing can be judged at an instant; empty: it can. Raises as the two below."""
        absent, stale = await asyncio.gather(self.absence(at, arms), self.staleness(at))
        return absent or stale

    async def absence(self, at: datetime, arms: Arms | None) -> str:
        """Say what is not there, or there twice, so that no count means anything; empty: nothing.

        arms: both must be there. Raises NothingSeenError (not a number), Unavailable, Refused.
        """
        found = await self._instant(self.query, at, strict=True)
        if not found:
            return f"no series of a pod of the targets for {self.selector}"
        for arm in (arms.control, arms.treatment) if arms else ():
            if not any(one.labels.get(self._label) == arm for one in found):
                there = {one.labels.get(self._label, "") for one in found}
                named = sorted(filter(PLAIN.fullmatch, there))[:ARMS]  # notices show it as it is
                known = f"; there are: {', '.join(named)}" if named else ""
                return f'no series with {self._label}="{arm}" of a pod of the targets{known}'
        return self._twice(found)

    def _twice(self, found: Iterable[Sample]) -> str:
        """Say which process is scraped by two jobs: all that it counts would count twice."""
        jobs: dict[tuple[str, str], set[str]] = {}
        for one in found:
            process = self._pod(one), one.labels.get("instance", "")
            jobs.setdefault(process, set()).add(one.labels.get("job", ""))
        for (pod, _), names in jobs.items():
            if len(names) > 1:
                return f"{pod} is scraped twice, as jobs {' and '.join(sorted(names))}: name one"
        return ""

    async def staleness(self, at: datetime) -> str:
        """Say how few of the pods that should be were scraped lately; empty: enough of them.

        What the others count is true all the same. Raises as absence.
        """
        scraped = await self._instant(PromQL(f"timestamp({self.query})"), at)
        allowed = FRESH * self.plan.tempo.scrape
        fresh = {
            self._pod(one)
            for one in scraped
            if at - datetime.fromtimestamp(one.value, UTC) <= allowed
        }
        wanted = self._expected(at, {self._pod(one) for one in scraped})
        have = len(fresh & wanted) if wanted else len(fresh)
        if have == 0 or have < ENOUGH * len(wanted):
            many = len(wanted) or "the"
            return f"{have} of {many} pods were scraped within {show_duration(allowed)}"
        return ""

    def _expected(self, at: datetime, scraped: Iterable[str]) -> frozenset[str]:
        """Return who should have been scraped; of the past it is not known any more."""
        recent = self.world.clock.now() - at <= self.plan.tempo.look + 2 * self.plan.tempo.scrape
        return self.pods.expected(self.selector, scraped) if recent else frozenset()

    async def _bases(self, at: datetime) -> tuple[Series, ...]:
        minutes = MEMORY // timedelta(minutes=1)
        query = PromQL(f"last_over_time({self.query}[{minutes}m])")
        found = await self._instant(query, at)
        return tuple(Series(one.labels, ((at, one.value),)) for one in found)

    async def _later(self, since: datetime, at: datetime) -> tuple[Series, ...]:
        """Return the counters at each look after an instant, and at the other.

        The grid begins where the last count ended, so that each bin ends on it.
        """
        step = self.plan.tempo.look
        last = since + (at - since) // step * step
        found = await self._span(since + step, last, step) if last > since else ()
        if last == at:
            return found
        now = {_labels(one): one.value for one in await self._instant(self.query, at)}
        kept = tuple(
            replace(one, points=(*one.points, (at, now.pop(_labels(one)))))
            if _labels(one) in now
            else one
            for one in found
        )
        return (*kept, *(Series(dict(labels), ((at, value),)) for labels, value in now.items()))

    async def _span(self, start: datetime, end: datetime, step: timedelta) -> tuple[Series, ...]:
        found = await self.world.metrics.span(self._source, self.query, start, end, step)
        ours = tuple(one for one in found if one.points and self._is_ours(one.labels))
        self._check(value for one in ours for _, value in one.points)
        return ours

    async def _instant(
        self, query: PromQL, at: datetime, *, strict: bool = False
    ) -> tuple[Sample, ...]:
        """Return the samples of our pods; strict: that there are only others' is an error."""
        found = await self.world.metrics.instant(self._source, query, at)
        ours = tuple(one for one in found if self._is_ours(one.labels))
        if strict and found and not ours:
            raise NothingSeenError(
                f"{len(found)} series of {self.selector}, none with the label"
                f' "{self._pod_label}" of a pod of the targets'
            )
        self._check(one.value for one in ours)
        return ours

    def _check(self, values: Iterable[float]) -> None:
        """Refuse what is no count. Raises NothingSeenError."""
        odd = next((one for one in values if not abs(one) <= EXACT), None)  # NaN, too
        if odd is not None:
            what = "beyond 2^53" if math.isfinite(odd) else "NaN or infinite"
            raise NothingSeenError(f"a counter of {self.selector} is {what}")

    def _is_ours(self, labels: Mapping[str, str]) -> bool:
        return self.pods.has(labels.get(self._pod_label, ""))

    def _pod(self, sample: Sample) -> str:
        return sample.labels[self._pod_label]

    @property
    def _pod_label(self) -> str:
        return self.world.rules.pod_label

    @property
    def _label(self) -> str:
        return self.plan.ask.metrics.arm_label if self.plan.ask.metrics else "variant"

    @property
    def _source(self) -> str:
        return source(self.plan)


def _labels(one: Sample | Series) -> frozenset[tuple[str, str]]:
    return frozenset(one.labels.items())


def source(plan: Plan) -> str:
    """Return the name of the Prometheus that a ramp asks."""
    return plan.ask.metrics.source if plan.ask.metrics else "default"


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted, and of each selector that gave no numbers why."""

    evidence: Evidence
    unheard: Mapping[PromQL, str]


async def count(plan: Plan, stage: Soaking, at: datetime, world: World, pods: Pods) -> Counted:
    """Return the evidence of a soak up to an instant; its last bin may be open.

    Each selector is asked once; one whose counters are no numbers silences nobody else. Raises
    Unavailable, Refused.
    """
    names, before = _selectors(plan.families), stage.evidence
    found = await asyncio.gather(
        *(
            _grown(Counters(plan, one, world, pods), before.counted_to, at, before.t0)
            for one in names
        )
    )
    told = dict(zip(names, found, strict=True))
    grown = tuple(
        () if isinstance(one := told[family.selector], str) else one for family in plan.families
    )
    size = bin_size(plan, stage.step, before)
    return Counted(
        folded(before, grown, plan.families, plan.ask.arms, size=size, until=at),
        {name: one for name, one in told.items() if isinstance(one, str)},
    )


async def _grown(
    counters: Counters, since: datetime, at: datetime, t0: datetime
) -> tuple[Delta, ...] | str:
    try:
        return await counters.grown(since, at, t0)
    except NothingSeenError as error:
        return str(error)


async def lately(  # noqa: PLR0913 - of what, until when, since when at the earliest, of whom
    plan: Plan,
    selectors: Iterable[PromQL],
    at: datetime,
    world: World,
    pods: Pods,
    *,
    began: datetime,
) -> dict[PromQL, tuple[Reading, Reading]]:
    """Return what each selector counted in the 120 s up to an instant, and to the look before.

    began: nothing from before it counts; without two looks since then nothing is told. A selector
    whose counters are no numbers is left out. Raises Unavailable, Refused.
    """
    names, look = tuple(selectors), plan.tempo.look
    since = max(at - KILL_SPAN - look, began)
    if at - since < 2 * look:
        return {}
    found = await asyncio.gather(
        *(_grown(Counters(plan, one, world, pods), since, at, since) for one in names)
    )
    return {
        name: (
            summed(told, plan.ask.arms, at - KILL_SPAN, at),
            summed(told, plan.ask.arms, since, at - look),
        )
        for name, told in zip(names, found, strict=True)
        if not isinstance(told, str)
    }


def _selectors(families: Iterable[Family]) -> tuple[PromQL, ...]:
    return tuple(dict.fromkeys(one.selector for one in families))
