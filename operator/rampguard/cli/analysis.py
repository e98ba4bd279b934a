"""What `analyze` shows: the arms, whether they grow alike, what is wrong with the lines. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from rampguard.cli.symbols import Symbols
from rampguard.cli.text import DAY, Line, Span, Tone, columns, crop, line, safe
from rampguard.core.analytics import PAIR, ArmCounts, Dashboard, Growth, Place, Summary
from rampguard.core.durations import show_duration

BAR = 20  # columns
NAME = 40
SHOWN = 10  # rollouts, experiments


@dataclass(frozen=True, slots=True)
class Export:
    """What was read."""

    sources: tuple[str, ...]
    lines: int

    def where(self, place: Place) -> str:
        """Return where a line stands: the source is named where there are several."""
        of = f"{_source(place.source)}:" if len(self.sources) > 1 else "line "
        return f"{of}{place.line}"


def analysis(export: Export, told: Summary, symbols: Symbols) -> list[Line]:
    """Return the screen of an analysis."""
    return [
        *_head(export, told),
        *_arms(told, symbols),
        *_growth(told, symbols),
        *_over_time(told, symbols),
        *_invalid(export, told),
        *_remarks(export, told, symbols),
        _verdict(told, symbols),
    ]


def _head(export: Export, told: Summary) -> Iterator[Line]:
    name = _source(export.sources[0])
    if len(export.sources) > 1:
        name = f"{len(export.sources)} files"
    span = f"   {_at(told.since)} to {_at(told.until)} UTC" if told.since and told.until else ""
    yield line("Export      ", Span(name, Tone.STRONG), f"   {_count(export.lines, 'line')}{span}")
    yield line("Experiment  ", Span(_experiment(told), Tone.STRONG))
    yield ()


def _source(name: str) -> str:
    return "standard input" if name == "-" else safe(name)


def _experiment(told: Summary) -> str:
    if told.experiment:
        return _name(told.experiment)
    return "several" if told.mixed else "-"


def _arms(told: Summary, symbols: Symbols) -> list[Line]:
    head = ("ARM", "EXPOSURES", "BY COOKIE", "USERS", "NEW USERS", "OF THE NEW USERS")
    more = ("SESSION STARTS", "OTHER EVENTS")
    new = sum(one.new_users for one in told.arms)
    rows = [[Span(cell, Tone.QUIET) for cell in (*head, *more)]]
    rows += [_arm(one, new, silent=one.arm in told.silent, symbols=symbols) for one in told.arms]
    return [*columns(rows), ()] if told.arms else []


def _arm(one: ArmCounts, new: int, *, silent: bool, symbols: Symbols) -> list[Span]:
    bar = _bar(one.new_users, new, symbols)
    share = f"{bar} {_percent(one.new_users / new)}" if new else "-"
    return [
        Span(_name(one.arm), Tone.BAD if silent else Tone.STRONG),
        *map(Span, (f"{one.exposures:,}", f"{one.by_cookie:,}", f"{one.users:,}")),
        *map(Span, (f"{one.new_users:,}", share)),
        *map(Span, (f"{one.session_starts:,}", f"{one.other_events:,}")),
    ]


def _growth(told: Summary, symbols: Symbols) -> Iterator[Line]:
    yield line(Span("Growth", Tone.STRONG), f"  {_judged(told)}")
    for one in told.growths[:SHOWN]:
        yield _grown(one, told, symbols)
    if len(told.growths) > SHOWN:
        yield line(f"  and at {len(told.growths) - SHOWN} more rollouts; -o json tells all")
    if told.all_exposures:
        yield from _dashboard(told.all_exposures, _name(told.expected[1]), symbols)
    yield ()


def _judged(told: Summary) -> str:
    if told.growths:
        return "unique new users, without those by cookie, against what the rollout says"
    if len(told.expected) != PAIR:
        return "not judged: name both arms, --expected-variant CONTROL --expected-variant TREATMENT"
    if not told.exposures:
        return "not judged: there are no exposures"
    return "not judged: no new user at a rollout from 0 to 100; --rollout tells what is expected"


def _grown(one: Growth, told: Summary, symbols: Symbols) -> Line:
    share = _percent(one.treatment / one.total) if one.total else "-"
    interval = f"[{_percent(one.interval.low)}, {_percent(one.interval.high)}]"
    words = (
        f"{_percent(one.expected)} expected: {share} {interval} of {_count(one.total, 'new user')}"
        f" in {_name(told.expected[1])}"
    )
    chance = "as chance has it" if one.in_line else "not by chance"
    mark = Span(symbols.fine, Tone.GOOD) if one.in_line else Span(symbols.bad, Tone.BAD)
    return line("  ", mark, f" {words}: {chance} (p {one.p:.2g})")


def _dashboard(one: Dashboard, treatment: str, symbols: Symbols) -> Iterator[Line]:
    """Say what dashboards show, and why it is another share."""
    words = f"all {_count(one.exposures, 'exposure')}, as dashboards show: {_percent(one.share)}"
    due = "" if one.expected is None else f", where {_percent(one.expected)} are due"
    yield line(f"  {symbols.undecided} {words} in {treatment}{due}")
    if one.cookies is not None:
        share = _percent(one.cookies)
        yield line(f"    {one.by_cookie:,} by cookie, {share} of them: drawn before, not judged")


def _over_time(told: Summary, symbols: Symbols) -> list[Line]:
    if not told.slices:
        return []
    most = max(max(one.exposures) for one in told.slices)
    names = [_name(one.arm) for one in told.arms]
    rows = [[Span(f"  {cell}", Tone.QUIET) for cell in ("FROM", *names)]]
    for one in told.slices:
        bars = (f"  {_bar(count, most, symbols)} {count:,}" for count in one.exposures)
        rows.append([Span(f"  {_start(one.start, told.width)}"), *map(Span, bars)])
    title = line(
        Span("New exposures", Tone.STRONG), f"  every {_width(told.width)}, without those by cookie"
    )
    return [title, *columns(rows), ()]


def _width(width: timedelta) -> str:
    return f"{width // DAY}d" if width >= DAY else show_duration(width)


def _start(at: datetime, width: timedelta) -> str:
    return f"{at:%Y-%m-%d}" if width >= DAY else f"{at:%m-%d %H:%M}"


def _invalid(export: Export, told: Summary) -> Iterator[Line]:
    if not told.refused:
        return
    yield line(Span("Invalid", Tone.BAD), f"  {_count(told.refused, 'line')}")
    yield from columns([[Span(f"  {n:,}"), Span(why.words)] for why, n in told.reasons])
    yield line(Span("  the first of them", Tone.QUIET))
    yield from columns(
        [
            [Span(f"  {export.where(one.place)}"), Span(one.refusal.words)]
            for one in told.first_refused
        ]
    )
    yield ()


def _remarks(export: Export, told: Summary, symbols: Symbols) -> Iterator[Line]:
    remarks = list(_look_at(export, told))
    if remarks:
        yield line(Span("Look at", Tone.STRONG))
        yield from (line("  ", Span(symbols.needs, Tone.NEEDS), f" {one}") for one in remarks)
        yield ()


def _look_at(export: Export, told: Summary) -> Iterator[str]:
    if told.mixed:
        names = ", ".join(f"{_name(name)} ({n:,})" for name, n in told.experiments[:SHOWN])
        yield f"exposures of several experiments: choose one with --experiment-name: {names}"
    if told.in_both:
        yield (
            f"{_count(told.in_both, 'user')} in more than one arm: counted in each, not in the test"
            " where new in both"
        )
    if told.backwards.count:
        back = told.backwards
        yield (
            f"{_count(back.count, 'record')} earlier than the one before, by up to"
            f" {_back(back.furthest)}; first: {export.where(back.places[0])}"
        )
    if told.ahead:
        yield f"{_count(told.ahead, 'exposure')} later than now: a clock is ahead"
    if told.armless_starts:
        yield f"{_count(told.armless_starts, 'session start')} of users without one arm"
    if told.beyond:
        yield (
            f"{_count(told.beyond, 'record')} not counted: too many different arms, sources or"
            " rollouts"
        )
    if told.armless:
        yield f"{_count(told.armless, 'other event')} without an experiment: of no arm"
    if told.outside:
        yield f"{_count(told.outside, 'record')} outside the window: not counted"


def _back(furthest: timedelta) -> str:
    return f"{furthest // DAY}d" if furthest >= DAY else show_duration(furthest)


def _verdict(told: Summary, symbols: Symbols) -> Line:
    if wrong := list(_wrong(told)):
        return line(Span(f"{symbols.bad} {'; '.join(wrong)}", Tone.BAD))
    if not told.in_line:
        words = (
            "every line is valid and every arm reports, but they do not grow as the rollout says"
        )
        return line(Span(f"{symbols.needs} {words}", Tone.NEEDS))
    return line(Span(f"{symbols.fine} every line is valid, and every arm reports", Tone.GOOD))


def _wrong(told: Summary) -> Iterator[str]:
    if told.refused:
        yield f"{_count(told.refused, 'line')} not valid"
    if not told.exposures:
        yield "no exposures" + (f" of {_name(told.experiment)}" if told.experiment else "")
    elif told.silent:
        yield f"no exposures of {', '.join(map(_name, told.silent))}"
    if told.mixed:
        yield "several experiments"
    if told.beyond:
        yield "not all was counted"
    if told.share_asked and not told.in_line:
        yield "the arms do not grow as --rollout says"


def _bar(part: int, whole: int, symbols: Symbols) -> str:
    full = round(BAR * part / whole) if whole else 0
    return symbols.full * full + symbols.empty * (BAR - full)


def _name(name: str) -> str:
    return crop(safe(name), NAME)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f}%"


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
