"""What `simulate` shows: the plan, false alarms, what it compares with, what it can see. Pure."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rampguard.cli.effects import PARTS, Shown, shown
from rampguard.cli.symbols import Symbols
from rampguard.cli.text import DAY, Line, Span, Tone, columns, line
from rampguard.core.ask import GateKind, Guardrail, GuardrailType
from rampguard.core.backtest import Backtest
from rampguard.core.durations import show_duration
from rampguard.core.history import is_of
from rampguard.core.outlook import Found, Visible
from rampguard.core.plan import Plan
from rampguard.core.remarks import LONG, limit_text
from rampguard.core.trials import Spread, Tried

WIDE = 100  # columns of a sentence
LATE = "*"


def simulation(plan: Plan, told: Backtest, symbols: Symbols) -> list[Line]:
    """Return the screen of one simulated ramp."""
    return [
        *_steps(plan, told),
        *_history(plan, told),
        *_alarms(plan, told),
        *_compared(told),
        *_sight(plan, told),
        *_findings(plan, told),
        *_remarks(told, symbols),
        line("Nothing was changed."),
    ]


def _title(text: str, more: str = "") -> Line:
    return line(Span(text, Tone.STRONG), more)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Line]:
    told = [[Span(f"  {head[0]}", Tone.QUIET), *(Span(one, Tone.QUIET) for one in head[1:])]]
    told += [[Span(f"  {row[0]}"), *map(Span, row[1:])] for row in rows]
    return [*columns(told), ()]


# --- the plan ------------------------------------------------------------------------------------


def _steps(plan: Plan, told: Backtest) -> Iterator[Line]:
    yield _title("Steps")
    gates, before = plan.ask.gates, plan.ask.origin
    for step, (value, findings) in enumerate(zip(plan.values, plan.findings, strict=True)):
        first = step == 0
        gated = GateKind.START in gates if first else GateKind.EACH_STEP in gates
        where = f" on {_targets(plan, told)}" if first else ""
        proof = f"; proof within {show_duration(plan.ask.proof_timeout)}" if first else ""
        waits = "; waits for a person" if gated else ""
        yield _step(
            "start" if first else "then", f"{plan.ask.env} {before} -> {value}{where}{proof}{waits}"
        )
        last, soak = step == plan.last, plan.soaks[step]
        for after in sorted({*findings, soak}):
            end = ("complete" if last else "next step") if after == soak else ""
            what = "; ".join(filter(None, ("finding" if after in findings else "", end)))
            yield _step(f"+{show_duration(after)}", what)
        before = value
    yield ()


def _step(when: str, what: str) -> Line:
    return line(f"  {when:<8} {what}")


def _targets(plan: Plan, told: Backtest) -> str:
    return ", ".join(f"{one.name} ({_pods(told, one.name)})" for one in plan.ask.targets)


def _pods(told: Backtest, deployment: str) -> str:
    count = sum(is_of(pod, (deployment,)) for pod in told.pods)
    return f"{count} pod{'s' * (count != 1)}" if count else "counts nothing"


# --- the past ------------------------------------------------------------------------------------


def _history(plan: Plan, told: Backtest) -> Iterator[Line]:
    span = show_duration(told.end - told.start)
    yield _title("History", f"  {span} to {_at(told.end)}, every {show_duration(told.look)}")
    if told.arriving is not None:
        yield line(f"  {told.arriving:.3g} new assignments/s on the last day")
    for since, until in told.gaps:
        yield line(Span(f"  no series from {_at(since)} to {_at(until)}", Tone.NEEDS))
    blind = sum(one.blind > plan.ask.max_blind for one in told.replays)
    if blind:
        limit = show_duration(plan.ask.max_blind)
        yield line(f"  {blind} of {len(told.replays)} replays blind for longer than {limit}")
    for one in told.missing:
        yield line(Span(f"  missing, the ramp would not start: {one}", Tone.BAD))
    yield ()


def _alarms(plan: Plan, told: Backtest) -> list[Line]:
    soak, count = show_duration(plan.soaks[plan.last]), len(told.replays)
    if not count:
        words = f"  no replay: the history is shorter than 1h and a soak of {soak}"
        return [_title("If nothing is wrong", words), ()]
    before = {show_duration(one.before) for one in told.replays}
    compared = f", compared with {before.pop()} before each" if len(before) == 1 else ""
    title = _title(
        "If nothing is wrong",
        f"  {count} replay{'s' * (count != 1)} of {soak} at {plan.ask.origin}%{compared},"
        f" judged every {show_duration(told.look)}",
    )
    rows = [_tried(one) for one in told.tried]
    rolled = f"{told.rolled_back} of {count}"
    rows.append(("rolled back", rolled, _percent(told.upper), _percent(plan.ask.alpha)))
    if held := sum(one.held for one in told.replays):
        rows.append(("waits for a person", f"{held} of {count}", "", ""))
    return [title, *_table(("GUARDRAIL", "BROKE", "95% SURE: AT MOST", "PROMISED"), rows)]


def _tried(tried: Tried) -> tuple[str, ...]:
    name = tried.guardrail.name
    if not tried.replays:
        return name, "-", "-", _promise(tried)
    broke = f"{len(tried.broke)} of {tried.replays}"
    return name, broke, _percent(tried.upper), _promise(tried)


def _promise(tried: Tried) -> str:
    if tried.promised is not None:
        return _percent(tried.promised)
    if tried.guardrail.dry_run:
        return "dry run"
    return "no test" if tried.guardrail.query else "not applicable"


def _compared(told: Backtest) -> list[Line]:
    rows = [row for one in told.tried for row in _counted(one)]
    if not rows:
        return []
    head = ("GUARDRAIL", "COUNTED", "RATE", "PHI", "BY 5m / 15m / 60m")
    return [_title("What ran before", "  phi: times the variance of independent events"),
            *_table(head, rows)]  # fmt: skip


def _counted(tried: Tried) -> Iterator[tuple[str, ...]]:
    name, base = tried.guardrail.name, tried.baseline
    if tried.extremes:
        low, high = tried.extremes
        yield name, f"{low:.3g} .. {high:.3g}", "", "", ""
    if tried.guardrail.type is GuardrailType.EXPOSURE_BALANCE:
        for spread in tried.spreads:
            yield name, "each new user's arm", "", *_phi(spread)
    for i, spread in enumerate(tried.spreads if base else ()):
        assert base is not None  # noqa: S101 - the spreads are of it
        counted, rate = _baseline(tried.guardrail, base.hits, base.exposure, base.rate)
        under = f"  {PARTS.get(spread.part, '')}" if i else name
        yield under, *((counted, rate) if i == 0 else ("", "")), *_phi(spread)


def _baseline(guardrail: Guardrail, hits: float, exposure: float, rate: float) -> tuple[str, str]:
    if guardrail.type is GuardrailType.RELATIVE_DROP:
        return f"{hits:.0f} starts of {exposure:.0f} assigned", f"{rate:.3g} each"
    return f"{hits:.0f} errors of {exposure:.0f} requests", _percent(rate)


def _phi(spread: Spread) -> tuple[str, str]:
    known = {one.length: f"{one.phi:.2f}" for one in spread.by_length}
    lengths = (timedelta(minutes=n) for n in (5, 15, 60))
    assumed = " assumed" if spread.used.batch is None and spread.used.value > 1 else ""
    return f"{spread.used.value:.2g}{assumed}", " / ".join(known.get(one, "-") for one in lengths)


# --- what is to come -----------------------------------------------------------------------------


def _sight(plan: Plan, told: Backtest) -> list[Line]:
    """Return what is visible by when."""
    parts = [(one, i, part) for one in told.tried for i, part in enumerate(shown(one))]
    if not parts:
        return []
    instants = [one.after for one in parts[0][2].outlook.visible]
    rows = [
        (
            _name(part, i),
            limit_text(part.guardrail),
            *(_visible(part, seen) for seen in part.outlook.visible),
            "" if i else _time(one.clears, plan),
        )
        for one, i, part in parts
    ]
    head = ("GUARDRAIL", "LIMIT", *(f"BY {show_duration(one)}" for one in instants))
    title = _title(
        "What this traffic can show",
        f"  at {plan.ask.to}%, as in the last day: the smallest effect in half / 9 of 10 ramps",
    )
    return [title, *_table((*head, "PROVEN HARMLESS"), rows)]


def _name(part: Shown, index: int) -> str:
    return f"  {part.part}" if index else part.guardrail.name


def _visible(part: Shown, seen: Visible) -> str:
    if not math.isfinite(seen.half):
        return "nothing"
    return f"{part.effect(seen.half)} / {part.effect(seen.ninety)}"


def _findings(plan: Plan, told: Backtest) -> list[Line]:
    """Return after how long harm of a size is found."""
    rows = [
        (_name(part, i), *(_found(plan, part, found) for found in part.outlook.found))
        for one in told.tried
        for i, part in enumerate(shown(one))
    ]
    if not rows:
        return []
    widest = max(len(row) for row in rows)
    late = any(LATE in cell for row in rows for cell in row)
    after = f"; {LATE} after the soak of {show_duration(plan.soaks[plan.last])}" if late else ""
    even = [(*row, *("" for _ in range(widest - len(row)))) for row in rows]
    return [
        _title("Harm is rolled back after", f"  half / 9 of 10 of such ramps{after}"),
        *columns([[Span(f"  {row[0]}"), *map(Span, row[1:])] for row in even]),
        (),
    ]


def _found(plan: Plan, part: Shown, found: Found) -> str:
    times = f"{_time(found.half, plan)} / {_time(found.ninety, plan)}"
    return f"{part.effect(found.effect)}: {times}"


def _time(span: timedelta | None, plan: Plan) -> str:
    """Return a time, a long one in days; a star where the soak is over before."""
    if span is None:
        return "never"
    told = f"{span / DAY:.0f}d" if span >= LONG else show_duration(span)
    return told + (LATE if span > plan.soaks[plan.last] else "")


def _remarks(told: Backtest, symbols: Symbols) -> Iterator[Line]:
    if not told.warnings:
        return
    yield _title("Look at")
    for one in told.warnings:
        words = f"{one.guardrail}: {one.message}" if one.guardrail else one.message
        first, *more = textwrap.wrap(words, WIDE - 4) or [""]
        yield line("  ", Span(symbols.needs, Tone.NEEDS), f" {first}")
        yield from (line(f"    {text}") for text in more)
    yield ()


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"


def _at(instant: datetime) -> str:
    return f"{instant:%a %Y-%m-%d %H:%M} UTC"
