"""Why a ramp is where it is: numbers, queries, what was done, what next. Pure."""

from collections.abc import Iterator
from datetime import datetime

from rampguard.api.apply import undo_by_hand
from rampguard.cli.advice import next_steps
from rampguard.cli.overdue import overdue
from rampguard.cli.record import Guardrail, Record, Target
from rampguard.cli.symbols import Symbols, phase_mark, status_mark, verdict_mark, verdict_words
from rampguard.cli.text import Line, Span, Tone, columns, crop, line
from rampguard.core.ask import EnvName, EnvValue, Ref
from rampguard.core.model import Original

LONGEST = 2048  # columns of a line: queries are to be copied whole
SHOWN = (
    "PreconditionsMet",
    "GitOpsSafe",
    "SignalsReady",
    "PodsProven",
    "AssignmentVerified",
    "AnalyticsVerified",
    "GuardrailsPassing",
    "RollbackVerified",
    "Notified",
)


def explanation(record: Record, now: datetime, symbols: Symbols) -> list[Line]:
    """Return the whole explanation of one ramp."""
    parts = (
        list(_headline(record, now, symbols)),
        list(_guardrails(record, symbols)),
        _section("What is known", list(_facts(record, symbols))),
        _section("What was found", list(_findings(record, symbols))),
        _section("What Rampguard did", list(_done(record))),
        _section("What it cannot undo", list(_left(record))),
        _section("By hand, should the operator be gone", [line(f"  {c}") for c in by_hand(record)]),
        _section("Next", [line(f"  {step}") for step in next_steps(record, now)]),
    )
    # A blank line sets the guardrails off from what stands before and after.
    blanks: dict[int, list[Line]] = {1: [()], 2: [()]}
    return [one for n, part in enumerate(parts) if part for one in (*blanks.get(n, ()), *part)]


def by_hand(record: Record) -> Iterator[str]:
    """Yield the commands that undo a ramp which holds something."""
    if record.ended:
        return
    told = [_undone(record, one) for one in reversed(record.targets) if _is_known(one)]
    yield from (command for commands in told for command in commands[:-1])
    yield from (commands[-1] for commands in told[-1:])


def to_original(record: Record, target: Target) -> str:
    """Return the command that sets one target back; "": its original is not known."""
    return _undone(record, target)[0] if _is_known(target) else ""


def _is_known(target: Target) -> bool:
    return bool(target.container and target.original)


def _undone(record: Record, target: Target) -> tuple[str, ...]:
    ramp = Ref(record.namespace, record.name)
    return undo_by_hand(ramp, _original(target), EnvName(record.env))


def _original(target: Target) -> Original:
    value = None if target.original == "absent" else EnvValue(target.original)
    return Original(deployment=target.deployment, uid="", container=target.container, value=value)


def _headline(record: Record, now: datetime, symbols: Symbols) -> Iterator[Line]:
    mark = phase_mark(symbols, record.phase)
    named = reason(record)
    told = "" if named == record.phase else f" ({named})"
    yield line(Span(record.phase, mark.tone), f"{told}: {why(record)}")
    if late := overdue(record, now):
        yield line(Span(f"{symbols.needs} {late.words}", Tone.NEEDS))
    if record.requested_by:
        yield line(f"The last request was made by {crop(record.requested_by, 128)}")
    if record.abort and record.abort_reason:
        yield line(f"Reason given for the abort: {crop(record.abort_reason, 300)}")


def reason(record: Record) -> str:
    """Return in a word why a ramp is where it is."""
    if record.rollback:
        return record.rollback.reason
    return (record.stalled.reason if record.stalled else "") or record.reason or "no status yet"


def why(record: Record) -> str:
    """Return in a sentence why a ramp is where it is."""
    if record.gates:
        return crop("; ".join(f"gate {g.name}: {g.why}" for g in record.gates), LONGEST)
    if record.rollback:
        return crop(record.rollback.because, LONGEST)
    stalled = record.stalled.message if record.stalled else ""
    return crop(stalled or record.told or "the operator has not looked at it yet", LONGEST)


def _section(title: str, lines: list[Line]) -> list[Line]:
    return [line(Span(title, Tone.STRONG)), *lines] if lines else []


def _guardrails(record: Record, symbols: Symbols) -> Iterator[Line]:
    for one in record.guardrails:
        mark = verdict_mark(symbols, one.verdict)
        words = verdict_words(one.verdict) or record.unjudged
        dry = ", dry run" if one.dry_run else ""
        yield line("  ", mark, f" {one.name}   {one.type}{dry}, ", Span(words, mark.tone))
        yield from columns([[Span(f"    {name}"), Span(crop(value, LONGEST))]
                            for name, value in _numbers(one) if value])  # fmt: skip


def _numbers(one: Guardrail) -> tuple[tuple[str, str], ...]:
    limit = f"limit {one.limit}" if one.limit else ""
    interval = f"interval {one.interval}" if one.interval else ""
    onset = f"about {one.onset:%Y-%m-%dT%H:%M:%SZ}" if one.onset else ""
    return (
        ("value", ", ".join(part for part in (one.value, interval, limit) if part)),
        ("counted", f"{one.counted:,}".replace(",", " ") if one.counted else ""),
        ("why", one.why),
        ("could see", one.could_see),
        *(("part", detail) for detail in one.details),
        ("onset", onset),
        ("query", one.query),
    )


def _facts(record: Record, symbols: Symbols) -> Iterator[Line]:
    for name in SHOWN:
        fact = record.facts.get(name)
        if fact:
            mark = status_mark(symbols, fact.status)
            yield line("  ", mark, f" {name}: {fact.reason}; {crop(fact.message, LONGEST)}")
    for told in record.vouched:
        yield line(f"  {symbols.undecided} on somebody's word: {crop(told, LONGEST)}")
    if record.blind:
        yield line(f"  {symbols.undecided} blind for {record.blind} in all")
    if record.phase == "Completed" and record.watched is False:
        yield line(f"  {symbols.undecided} nothing was watched: this is no evidence")


def _findings(record: Record, symbols: Symbols) -> Iterator[Line]:
    for one in record.findings:
        mark, late = verdict_mark(symbols, one.verdict), " (late)" if one.late else ""
        words = f" {one.after} at {one.share}%: {verdict_words(one.verdict)}{late}; {one.evidence}"
        yield line("  ", mark, crop(words, LONGEST))


def _done(record: Record) -> Iterator[Line]:
    for at, words in record.timeline:
        yield line(f"  {crop(at, 24)}  {crop(words, LONGEST)}")


def _left(record: Record) -> Iterator[Line]:
    if record.rollback and record.started_at:
        yield line("  users keep the arm that they were assigned until their cookie ends")
        if record.rollback.captured:
            yield line(f"  records of those who were exposed: {record.rollback.captured}")
