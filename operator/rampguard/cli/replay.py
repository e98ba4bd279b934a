"""`replay`: every judgement and decision of a record once more, by the same core."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from rampguard.api.members import lines
from rampguard.api.record import Gap, Head, read
from rampguard.cli import recorded
from rampguard.cli.commands import print_facts
from rampguard.cli.exits import Exit, Told
from rampguard.cli.facts import VERSION
from rampguard.cli.kubectl import Kubectl
from rampguard.cli.screen import Screen
from rampguard.cli.text import Line, Span, Tone, columns, crop, line, safe
from rampguard.core.ask import Ref
from rampguard.core.durations import show_duration
from rampguard.core.model import Look
from rampguard.core.replay import Difference, Record, differences, replayed

KEPT = 1000  # differences and gaps that are told one by one
SHOWN = 20  # of them, to people
LONGEST = 300  # columns of a value


@dataclass(frozen=True, slots=True)
class Found:
    """A difference, and the record it is of, counted from 1."""

    record: int
    at: datetime
    difference: Difference


@dataclass(frozen=True, slots=True)
class Missing:
    """A gap after a record."""

    after: int
    gap: Gap


@dataclass(slots=True)
class Replay:
    """What a replay has come to so far."""

    ramp: Ref | None = None
    first: datetime | None = None
    last: datetime | None = None
    records: int = 0
    looks: int = 0
    judgements: int = 0
    different: int = 0
    found: list[Found] = field(default_factory=list)
    gaps: list[Missing] = field(default_factory=list)
    versions: dict[str, None] = field(default_factory=dict)  # in order

    @property
    def exit(self) -> Exit:
        """Return how the verb ends."""
        return Exit.REFUSED if self.different else Exit.DONE


def replay(kubectl: Kubectl, screen: Screen, name: str, *, form: str, verbose: bool) -> Exit:
    """Replay a record and tell what comes out otherwise; REFUSED if anything does."""
    told = Replay()
    for entry, differing in _replayed(told, recorded.chunks(kubectl, name)):
        if verbose and not form:
            screen.show(_look(one, entry, differing) for one in entry.seen.looks)
    if not told.records:
        why = f": {safe(told.gaps[0].gap.why)}" if told.gaps else ""
        raise Told(f"there is no record of a ramp in {safe(name)}{why}", Exit.UNREACHED)
    if form:
        print_facts(facts(told), form)
    else:
        screen.show(report(told))
    return told.exit


def _replayed(told: Replay, chunks: Iterable[bytes]) -> Iterator[tuple[Record, bool]]:
    """Yield each record once it is counted, and whether anything of it differs."""
    for entry in read(lines(chunks)):
        match entry:
            case Head():
                told.ramp = told.ramp or entry.ramp
                told.versions[entry.operator] = None
            case Gap():
                told.gaps.append(Missing(told.records, entry))
            case Record():
                before = told.different
                _count(told, entry)
                yield entry, told.different > before


def _count(told: Replay, record: Record) -> None:
    at = record.seen.now
    told.first, told.last = told.first or at, at
    told.records += 1
    told.looks += len(record.seen.looks)
    told.judgements += sum(len(look.judgements) for look in record.seen.looks)
    for one in _differences(record):
        told.different += 1
        if len(told.found) < KEPT:
            told.found.append(Found(told.records, at, one))


def _differences(record: Record) -> Iterator[Difference]:
    try:
        again = replayed(record)
    except Exception as error:  # noqa: BLE001 - then this version decides nothing where one did
        yield Difference("decision", "a decision", f"{type(error).__name__}: {error}")
        return
    yield from differences(record, again)


def report(told: Replay) -> list[Line]:
    """Return the table, then every difference and gap."""
    return [
        line(
            "Record      ", Span(str(told.ramp or "of an unknown ramp"), Tone.STRONG), _span(told)
        ),
        (),
        *columns([[Span(name) for name in _table(told)], [*map(Span, _table(told).values())]]),
        (),
        *(row for one in told.found[:SHOWN] for row in _difference(one)),
        *_more(told.different, "differences"),
        *(_gap(one) for one in told.gaps[:SHOWN]),
        *_more(len(told.gaps), "gaps"),
        _verdict(told),
    ]


def _span(told: Replay) -> str:
    return f"   {told.first:%Y-%m-%d %H:%M:%S} to {told.last:%Y-%m-%d %H:%M:%S} UTC"


def _table(told: Replay) -> dict[str, str]:
    return {
        "RECORDS": str(told.records),
        "LOOKS": str(told.looks),
        "JUDGEMENTS": str(told.judgements),
        "DECISIONS": str(told.records),
        "DIFFERENCES": str(told.different),
        "GAPS": str(len(told.gaps)),
        "VERSIONS": safe(", ".join(told.versions)) or "-",
    }


def _difference(one: Found) -> Iterator[Line]:
    where = f"record {one.record}, {one.at:%Y-%m-%dT%H:%M:%SZ}: {safe(one.difference.path)}"
    yield line(Span(where, Tone.BAD))
    yield line(f"  recorded    {crop(_value(one.difference.recorded), LONGEST)}")
    yield line(f"  recomputed  {crop(_value(one.difference.recomputed), LONGEST)}")


def _gap(one: Missing) -> Line:
    many = f"{one.gap.records} records are missing" if one.gap.records else "it cannot be read"
    return line(Span(f"after record {one.after}: {many}: {safe(one.gap.why)}", Tone.NEEDS))


def _more(count: int, what: str) -> Iterator[Line]:
    if count > SHOWN:
        yield line(f"and {count - SHOWN} more {what}; -o json tells the first {KEPT}")


def _verdict(told: Replay) -> Line:
    if told.different:
        return line(Span("not everything comes out as it was recorded", Tone.BAD))
    return line(Span("every judgement and every decision comes out as it was recorded", Tone.GOOD))


def _value(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case str():
            return safe(value) or '""'
        case timedelta():
            return show_duration(value)
        case datetime():
            return value.isoformat()
        case _:
            return safe(repr(value))


def _look(look: Look, record: Record, differing: bool) -> Line:  # noqa: FBT001 - a fact of the record
    judged = "; ".join(
        safe(" ".join(part for part in (one.name, str(one.verdict), one.value) if part))
        for one in look.judgements
    )
    reason = f"-> {record.decision.because.reason}"
    mark = Span("differs  ", Tone.BAD) if differing else Span("same     ", Tone.GOOD)
    return line(f"{look.at:%Y-%m-%dT%H:%M:%SZ}  ", mark, f"{judged}  {reason}")


def facts(told: Replay) -> dict[str, Any]:
    """Return what `replay -o json` tells."""
    return {
        "apiVersion": VERSION,
        "kind": "RampReplay",
        "name": told.ramp and told.ramp.name,
        "namespace": told.ramp and told.ramp.namespace,
        "from": told.first and told.first.isoformat(),
        "to": told.last and told.last.isoformat(),
        "records": told.records,
        "looks": told.looks,
        "judgements": told.judgements,
        "decisions": told.records,
        "different": told.different,
        "differences": [_found(one) for one in told.found],
        "gaps": [
            {"after": one.after, "records": one.gap.records or None, "why": safe(one.gap.why)}
            for one in islice(told.gaps, KEPT)
        ],
        "versions": list(told.versions),
        "exitCode": int(told.exit),
    }


def _found(one: Found) -> dict[str, Any]:
    return {
        "record": one.record,
        "at": one.at.isoformat(),
        "path": one.difference.path,
        "recorded": _value(one.difference.recorded),
        "recomputed": _value(one.difference.recomputed),
    }
