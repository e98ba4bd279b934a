"""How a ramp went, from its flight record: what each look measured, and where nothing is known."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise

from rampguard.api.record import Gap, Head
from rampguard.core.ask import GuardrailType
from rampguard.core.baseline import total
from rampguard.core.model import Evidence, Judgement, Line, Look, Part, Reading, Soaking, Verdict
from rampguard.core.plan import Plan, make_plan
from rampguard.core.replay import Record

MOST = 240  # points of a curve; of a longer one every n-th is kept
OVERDUE = 3  # looks that may be missed before it counts as a hole
NO_LOOK = "no look was taken"
_NUMBER = re.compile(r"(-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf))(%?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one look measured: a share in [0, 1], a ratio or a sample; None: nothing, not bounded.

    floor, ceiling: the limits at that look, None where there is none.
    """

    at: datetime
    value: float | None = None
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    ceiling: float | None = None
    breached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One part of a guardrail over time; a point without a value breaks the line."""

    guardrail: str
    part: str
    type: GuardrailType
    points: tuple[Point, ...]

    @property
    def last(self) -> Point | None:
        """Return the last point that has a value; None: nothing was ever measured."""
        return next((one for one in reversed(self.points) if one.value is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A time of which nothing is known; guardrails (): of none of them.

    since = until: at the beginning or the end of a record, of which nobody knows how much is lost.
    """

    since: datetime
    until: datetime
    why: str
    guardrails: tuple[str, ...] = ()

    def hides(self, guardrail: str) -> bool:
        """Say whether nothing is known of a guardrail."""
        return not self.guardrails or guardrail in self.guardrails


@dataclass(frozen=True, slots=True)
class Mark:
    """An instant that every picture shows; words: ours, and short."""

    at: datetime
    words: str
    bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One soak as it was recorded. counted: its new assignments; None: they are not counted."""

    since: datetime
    until: datetime
    share: int
    counted: Reading | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A flight record in short; final: its last record."""

    versions: tuple[str, ...]
    records: int
    looks: int
    first: datetime
    final: Record
    curves: tuple[Curve, ...]
    holes: tuple[Hole, ...]
    watches: tuple[Watch, ...]
    timeline: tuple[Line, ...]

    @property
    def last(self) -> datetime:
        """Return the instant of the last record."""
        return self.final.seen.now


def course(entries: Iterable[Head | Record | Gap]) -> Course | str:
    """Return what a flight record tells; of one without records a text that says why."""
    told = _Told()
    for entry in entries:
        match entry:
            case Head():
                told.versions[entry.operator] = None
            case Gap():
                told.lose(entry)
            case Record():
                told.take(entry)
    return told.course()


@dataclass(slots=True)
class _Line:
    """A curve under way, thinned as it grows."""

    type: GuardrailType
    points: list[Point] = field(default_factory=list)
    stride: int = 1
    seen: int = 0
    latest: Point | None = None

    def add(self, point: Point) -> None:
        before, self.latest = self.latest, point
        if point.value is None:
            if before is not None and before.value is not None:
                self._keep(before)
                self._keep(point)
            return
        self.seen += 1
        turns = before is None or before.value is None or before.breached != point.breached
        if turns or self.seen % self.stride == 0:
            self._keep(point)

    def _keep(self, point: Point) -> None:
        if point in self.points[-1:]:
            return
        self.points.append(point)
        if len(self.points) > 2 * MOST:
            self.points, self.stride = _thinned(self.points), 2 * self.stride


def _thinned(points: list[Point]) -> list[Point]:
    """Return every second point, and those at which something turns."""
    kept = [points[0]]
    for n, (before, one) in enumerate(pairwise(points)):
        turns = None in {before.value, one.value} or before.breached != one.breached
        if turns or n % 2:
            kept.append(one)
    return kept


@dataclass(slots=True)
class _Told:
    """What the entries have told so far."""

    versions: dict[str, None] = field(default_factory=dict)  # in order
    records: int = 0
    looks: int = 0
    first: datetime | None = None
    final: Record | None = None
    lines: dict[tuple[str, str], _Line] = field(default_factory=dict)
    blind: dict[str, tuple[datetime, str]] = field(default_factory=dict)  # guardrail: since, why
    holes: list[Hole] = field(default_factory=list)
    lost: str = ""  # why records before the next one are missing
    failed: str = ""  # why no look was taken since the last
    soak: Soaking | None = None
    looked: datetime | None = None  # of this soak
    watches: dict[datetime, Watch] = field(default_factory=dict)  # by their start
    counted: Reading | None = None
    timeline: dict[Line, None] = field(default_factory=dict)

    def lose(self, gap: Gap) -> None:
        many = f"{gap.records} records are missing: " if gap.records else ""
        self.lost = f"{many}{gap.why}"

    def take(self, record: Record) -> None:
        now = record.seen.now
        self._miss(now)
        self._looks(record)
        self._watch(record)
        self.first = self.first or now
        self.final = record
        self.records += 1
        self.timeline |= dict.fromkeys(record.decision.state.timeline)

    def _miss(self, until: datetime) -> None:
        """Tell of the records that were lost before an instant."""
        if self.lost:
            self._leave()
            since = self.final.seen.now if self.final else until
            self.holes.append(Hole(since=since, until=until, why=self.lost))
        self.lost = ""

    def _looks(self, record: Record) -> None:
        """Take the looks that a pass was given; they are of the soak as it was before."""
        stage = record.before.stage
        if not isinstance(stage, Soaking):
            return
        self._enter(stage)
        self.failed = record.seen.look_failed or self.failed
        if not record.seen.looks:
            return
        plan = make_plan(record.ask, record.tempo)
        for look in record.seen.looks:
            self._look(plan, look, stage)

    def _enter(self, stage: Soaking) -> None:
        if self.soak is None or stage.since != self.soak.since:
            self._leave()
            self.looked, self.counted, self.failed = stage.since, None, ""
        self.soak = stage

    def _leave(self) -> None:
        """End a soak: what was blind in it is told, and no line goes on."""
        if self.looked is not None:
            for guardrail in tuple(self.blind):
                self._saw(guardrail, self.looked)
            self._break(self.looked)

    def _look(self, plan: Plan, look: Look, stage: Soaking) -> None:
        before = self.looked or stage.since
        if look.at <= before:
            return
        self.looks += 1
        if look.at - before > OVERDUE * plan.tempo.look:
            self._pause(before, look.at)
        for judged in look.judgements:
            self._judgement(judged, look.at, before)
        self.looked, self.failed = look.at, ""
        self.counted = _assigned(plan, look)

    def _pause(self, since: datetime, until: datetime) -> None:
        if not any(one.since < until and since < one.until for one in self.holes):
            self.holes.append(Hole(since=since, until=until, why=self.failed or NO_LOOK))
        self._break(since)

    def _break(self, at: datetime, guardrail: str = "") -> None:
        for (name, _), line in self.lines.items():
            if guardrail in {"", name}:
                line.add(Point(at=at))

    def _judgement(self, judged: Judgement, at: datetime, before: datetime) -> None:
        if judged.verdict is Verdict.NO_DATA:
            self.blind.setdefault(judged.name, (before, judged.why or "no data"))
            self._break(at, judged.name)
        elif judged.name in self.blind:
            self._saw(judged.name, at)
        for part, point in _points(judged, at):
            self.lines.setdefault((judged.name, part), _Line(judged.type)).add(point)

    def _saw(self, guardrail: str, until: datetime) -> None:
        since, why = self.blind.pop(guardrail)
        self.holes.append(Hole(since=since, until=until, why=why, guardrails=(guardrail,)))

    def _watch(self, record: Record) -> None:
        """Tell of the soak that a pass ended, and of that in which it left the ramp."""
        values = make_plan(record.ask, record.tempo).values
        for stage in (record.before.stage, record.decision.state.stage):
            if isinstance(stage, Soaking):
                same = self.soak is not None and self.soak.since == stage.since
                watch = Watch(
                    since=stage.since,
                    until=record.seen.now,
                    share=values[stage.step],
                    counted=self.counted if same else None,
                )
                self.watches[stage.since] = watch

    def course(self) -> Course | str:
        if self.final is None or self.first is None:
            return self.lost or "it holds no record of a ramp"
        self._miss(self.final.seen.now)
        self._leave()
        rank = {one.name: n for n, one in enumerate(self.final.ask.guardrails)}
        return Course(
            versions=tuple(self.versions),
            records=self.records,
            looks=self.looks,
            first=self.first,
            final=self.final,
            curves=tuple(
                Curve(guardrail=name, part=part, type=line.type, points=tuple(line.points))
                for (name, part), line in sorted(
                    self.lines.items(), key=lambda one: rank.get(one[0][0], len(rank))
                )
                if any(one.value is not None for one in line.points)
            ),
            holes=_joined(self.holes),
            watches=tuple(self.watches.values()),
            timeline=tuple(self.timeline),
        )


def _assigned(plan: Plan, look: Look) -> Reading | None:
    """Return the new assignments of a soak up to a look; None: they are not counted."""
    asked = plan.ask.metrics
    told = look.measured.counted
    counts = (told if isinstance(told, Evidence) else look.evidence).counts
    found = (
        total(bins)
        for family, bins in zip(plan.families, counts, strict=False)
        if asked and family.selector == asked.assignments
    )
    # A guardrail of starts counts them from later on.
    return max(found, key=lambda one: one.all, default=None)


def _points(judged: Judgement, at: datetime) -> Iterator[tuple[str, Point]]:
    """Yield a point for each part that measured something, with the digits that were recorded."""
    floor, ceiling = judged.limits
    bare = Point(at=at, floor=floor, ceiling=ceiling)
    if judged.type is GuardrailType.THRESHOLD:
        broken = judged.verdict is Verdict.BREACHED
        yield "", replace(bare, value=judged.number, breached=broken)
        return
    for part in judged.parts:
        if (value := _value(judged, part)) is not None:
            low, high = (*numbers(part.interval), None, None)[:2]
            broken = part.verdict is Verdict.BREACHED
            name = "" if judged.type is GuardrailType.EXPOSURE_BALANCE else part.name
            yield name, replace(bare, value=value, low=low, high=high, breached=broken)


def _value(judged: Judgement, part: Part) -> float | None:
    if judged.type is GuardrailType.EXPOSURE_BALANCE:
        return judged.number
    # A kill-switch is no comparison, and no ratio is made to nothing.
    if part.name == "kill-switch" or not part.value.startswith("x"):
        return None
    return next(iter(numbers(part.value)), None)


def numbers(text: str) -> tuple[float, ...]:
    """Return the numbers of a text that a judgement shows; percent become shares."""
    return tuple(float(told) / (100 if sign else 1) for told, sign in _NUMBER.findall(text))


def _joined(holes: Iterable[Hole]) -> tuple[Hole, ...]:
    """Return holes in order of time; those of several guardrails that are alike are one."""
    found: dict[tuple[datetime, datetime, str, bool], list[Hole]] = defaultdict(list)
    for one in holes:
        found[one.since, one.until, one.why, bool(one.guardrails)].append(one)
    joined = (
        replace(alike[0], guardrails=tuple(dict.fromkeys(g for h in alike for g in h.guardrails)))
        for alike in found.values()
    )
    return tuple(sorted(joined, key=lambda one: (one.since, one.until)))
