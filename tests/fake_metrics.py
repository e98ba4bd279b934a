"""A Prometheus whose counters follow the fake clock, and the pods of a fake cluster."""

import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from fake_clock import FakeClock
from fake_cluster import FakeCluster
from fake_fields import Json
from rampguard.core.ask import PromQL, Ref
from rampguard.core.model import Sample, Series
from rampguard.ports import BadQuery, Resource, Unavailable

Labels = dict[str, str]
Vector = list[tuple[Labels, float]]
MOST_POINTS = 11_000
SELECTOR = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)?\s*(?:\{(?P<matchers>[^}]*)\})?")
MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*,?')
WINDOW = re.compile(r"(?P<of>.*)\[(?P<count>\d+)(?P<unit>[smh])\]", re.DOTALL)
AGGREGATION = re.compile(
    r"(?P<how>sum|count|max|min)\s*(?:(?P<mode>by|without)\s*\((?P<by>[^)]*)\))?"
    r"\s*\((?P<of>.*)\)",
    re.DOTALL,
)
FUNCTION = re.compile(
    r"(?P<name>increase|rate|scalar|timestamp|last_over_time)\s*\((?P<of>.*)\)", re.DOTALL
)
UNITS = {"s": 1, "m": 60, "h": 3600}
HOWS: Mapping[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "count": lambda values: float(len(values)),
    "max": max,
    "min": min,
}


class Mood(Enum):
    """How the Prometheus answers."""

    WELL = auto()
    SILENT = auto()  # empty vectors
    NAN = auto()  # every value is NaN
    DOWN = auto()  # no answer
    PARTIAL = auto()  # an answer with warnings, which the adapter refuses
    BAD_QUERY = auto()


@dataclass
class Counter:
    """One series: it grows evenly between knots (instant, value, rate); ended: it is gone.

    gaps: nobody scraped it from an instant until before another, oldest first.
    """

    labels: Labels
    knots: list[tuple[datetime, float, float]]
    ended: datetime | None = None
    gaps: list[tuple[datetime, datetime]] = field(default_factory=list)

    def value(self, at: datetime) -> float | None:
        if at < self.knots[0][0] or (self.ended is not None and at >= self.ended):
            return None
        if any(start <= at < end for start, end in self.gaps):
            return None
        since, value, rate = self.knots[bisect_right(self.knots, at, key=lambda k: k[0]) - 1]
        return math.floor(value + rate * (at - since).total_seconds() + 1e-6)

    def last(self, start: datetime, end: datetime) -> float | None:
        """Return the last value in [start, end]; None: it was not there."""
        final = end if self.ended is None else min(end, self.ended - timedelta(milliseconds=1))
        for gone, back in reversed(self.gaps):
            final = gone - timedelta(milliseconds=1) if gone <= final < back else final
        return self.value(final) if final >= start else None

    def turn(self, at: datetime, rate: float) -> None:
        """Grow at another rate from now on."""
        since, value, before = self.knots[-1]
        self.knots.append((at, value + before * (at - since).total_seconds(), rate))


@dataclass
class FakeMetrics:
    """Implements ports.Metrics. A small part of PromQL: selectors, sum by, increase, rate.

    answers: free queries by their text; they get the instant. hidden: series left out.
    """

    clock: FakeClock
    mood: Mood = Mood.WELL
    answers: dict[str, Callable[[datetime], float | None]] = field(default_factory=dict)
    hidden: Callable[[Labels], bool] = field(default=lambda labels: False)
    sources: frozenset[str] = frozenset({"default"})
    asked: list[tuple[str, datetime]] = field(default_factory=list)
    counters: dict[tuple[tuple[str, str], ...], Counter] = field(default_factory=dict)

    def count(self, name: str, rate: float, **labels: str) -> Counter:
        """Let a counter grow from now on; a known one changes its rate."""
        labels = {"__name__": name, **labels}
        key = tuple(sorted(labels.items()))
        now = self.clock.now()
        known = self.counters.get(key)
        if known is None or known.ended is not None:
            known = self.counters[key] = Counter(labels, [(now, 0.0, rate)])
        else:
            known.turn(now, rate)
        return known

    def fire(self, alert: str, **labels: str) -> Counter:
        """Let an alert fire from now on, until it is ended."""
        return self.count("ALERTS", 0, alertname=alert, alertstate="firing", **labels)

    async def instant(self, source: str, query: PromQL, at: datetime) -> tuple[Sample, ...]:
        self._ask(source, query, at)
        return tuple(Sample(labels, value) for labels, value in self._eval(query, at))

    async def span(
        self, source: str, query: PromQL, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Series, ...]:
        self._ask(source, query, start)
        found: dict[tuple[tuple[str, str], ...], list[tuple[datetime, float]]] = defaultdict(list)
        for i in range((end - start) // step + 1):
            at = start + i * step
            for labels, value in self._eval(query, at):
                found[tuple(sorted(labels.items()))].append((at, value))
        return tuple(Series(dict(key), tuple(points)) for key, points in found.items())

    def _ask(self, source: str, query: str, at: datetime) -> None:
        self.asked.append((query, at))
        if source not in self.sources:
            raise Unavailable(f"no Prometheus is named {source!r}; there is {set(self.sources)}")
        if self.mood is Mood.DOWN:
            raise Unavailable("prometheus does not answer")
        if self.mood is Mood.PARTIAL:
            raise Unavailable("prometheus answered in part: warning: a store is missing")
        if self.mood is Mood.BAD_QUERY:
            raise BadQuery("1:5: parse error")

    def _eval(self, query: str, at: datetime) -> Vector:
        if self.mood is Mood.SILENT:
            return []
        found = self._evaluated(query.strip(), at)
        return [(labels, math.nan) for labels, _ in found] if self.mood is Mood.NAN else found

    def _evaluated(self, query: str, at: datetime) -> Vector:
        if query in self.answers:
            value = self.answers[query](at)
            return [] if value is None else [({}, value)]
        if found := AGGREGATION.fullmatch(query):
            without = found["mode"] == "without"
            return self._aggregated(
                found["how"], found["by"] or "", found["of"], at, without=without
            )
        if found := FUNCTION.fullmatch(query):
            return self._function(found["name"], found["of"], at)
        return self._selected(query, at)

    def _aggregated(self, how: str, by: str, of: str, at: datetime, *, without: bool) -> Vector:
        named = {label.strip() for label in by.split(",") if label.strip()}
        named |= {"__name__"} if without else set()
        groups: dict[tuple[tuple[str, str], ...], list[float]] = defaultdict(list)
        for labels, value in self._evaluated(of.strip(), at):
            key = tuple((k, v) for k, v in sorted(labels.items()) if (k in named) is not without)
            groups[key].append(value)
        return [(dict(key), HOWS[how](values)) for key, values in groups.items()]

    def _function(self, name: str, of: str, at: datetime) -> Vector:
        if name == "scalar":
            (found, *more) = self._evaluated(of.strip(), at) or [({}, math.nan)]
            return [({}, math.nan if more else found[1])]
        if name == "timestamp":  # every instant is a scrape
            return [(_nameless(k), at.timestamp()) for k, _ in self._evaluated(of.strip(), at)]
        window = WINDOW.fullmatch(of.strip())
        if window is None:
            raise BadQuery(f"expected type range vector in call to {name}")
        length = timedelta(seconds=int(window["count"]) * UNITS[window["unit"]])
        if name == "last_over_time":
            return [
                (counter.labels, last)
                for counter in self._matching(window["of"])
                if (last := counter.last(at - length, at)) is not None
            ]
        return [
            (_nameless(counter.labels), grown / (length.total_seconds() if name == "rate" else 1))
            for counter in self._matching(window["of"])
            if (grown := _grown(counter, at - length, at)) is not None
        ]

    def _selected(self, selector: str, at: datetime) -> Vector:
        return [
            (counter.labels, value)
            for counter in self._matching(selector)
            if (value := counter.value(at)) is not None
        ]

    def _matching(self, selector: str) -> Iterator[Counter]:
        found = SELECTOR.fullmatch(selector.strip())
        if found is None or not (found["name"] or found["matchers"]):
            raise BadQuery(f"the fake Prometheus does not understand {selector!r}")
        matchers = MATCHER.findall(found["matchers"] or "")
        if found["name"]:
            matchers = [("__name__", "=", found["name"]), *matchers]
        for counter in self.counters.values():
            fits = all(_fits(counter.labels.get(key, ""), how, v) for key, how, v in matchers)
            if fits and not self.hidden(counter.labels):
                yield counter


def _fits(value: str, how: str, wanted: str) -> bool:
    if how in {"=", "!="}:
        return (value == wanted) is (how == "=")
    return (re.fullmatch(wanted.replace("\\\\", "\\"), value) is not None) is (how == "=~")


def _grown(counter: Counter, start: datetime, end: datetime) -> float | None:
    last = end if counter.ended is None else min(end, counter.ended - timedelta(milliseconds=1))
    first = max(start, counter.knots[0][0])
    if last < first:
        return None
    return (counter.value(last) or 0.0) - (counter.value(first) or 0.0)


def _nameless(labels: Labels) -> Labels:
    return {key: value for key, value in labels.items() if key != "__name__"}


@dataclass
class Traffic:
    """Users who arrive at the Ready pods of one Deployment and are assigned by the pod's share.

    rate: new assignments a second and pod. harm: what an unfair app makes of the share. starts:
    what an arm's new users start, each. requests: a second and pod, and of them so many fail.
    """

    metrics: FakeMetrics
    cluster: FakeCluster
    deployment: Ref
    env: str
    control: str = "tree"
    treatment: str = "list"
    rate: float = 10.0
    counter: str = "experiment_assignments_total"
    labels: Labels = field(default_factory=dict)
    harm: Callable[[float], float] = field(default=lambda share: share)
    starts: Callable[[str], float] = field(default=lambda arm: 0.0)
    requests: float = 0.0
    fails: Callable[[str], float] = field(default=lambda arm: 0.0)
    _open: dict[str, list[Counter]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cluster.server.written.append(self._written)
        for ref in tuple(self.cluster.server.objects[Resource.PODS]):
            self._written(Resource.PODS, ref)

    def change(self, *, rate: float | None = None, harm: Callable[[float], float] | None = None):
        """Let users or the app behave otherwise from now on."""
        self.rate = self.rate if rate is None else rate
        self.harm = harm or self.harm
        for pod in tuple(self._open):
            self._count(
                self.cluster.server.objects[Resource.PODS][Ref(self.deployment.namespace, pod)]
            )

    def _written(self, resource: Resource, ref: Ref) -> None:
        ours = ref.namespace == self.deployment.namespace
        if resource is not Resource.PODS or not ours:
            return
        if ref.name.rsplit("-", 2)[0] != self.deployment.name:
            return
        pod = self.cluster.server.objects[Resource.PODS].get(ref)
        if pod is not None and _serves(pod):
            if ref.name not in self._open:
                self._count(pod)
        elif pod is None:
            for counter in self._open.pop(ref.name, ()):
                counter.ended = self.metrics.clock.now()

    def _count(self, pod: Json) -> None:
        share = min(max(self.harm(_share(pod, self.env)), 0.0), 1.0)
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        place = {"namespace": namespace, "pod": name, **self.labels}
        self._open[name] = [
            self.metrics.count(counter, rate, variant=arm, **place)
            for arm, part in ((self.control, 1 - share), (self.treatment, share))
            for counter, rate in self._rates(arm, part).items()
        ]

    def _rates(self, arm: str, part: float) -> dict[str, float]:
        """Return how fast each counter of an arm grows; one that nobody asked for is not there."""
        told = {self.counter: self.rate * part}
        if self.starts(arm):
            told["starts_total"] = self.rate * part * self.starts(arm)
        if self.requests:
            told["requests_total"] = self.requests * part
            told["errors_total"] = self.requests * part * self.fails(arm)
        return told


def _serves(pod: Json) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])


def _share(pod: Json, env: str) -> float:
    """Return the share that a pod runs; without a number in the variable it treats nobody."""
    for container in pod["spec"]["containers"]:
        for entry in container.get("env") or ():
            if entry["name"] == env and entry.get("value", "").isdigit():
                return int(entry["value"]) / 100
    return 0.0
