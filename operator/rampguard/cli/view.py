"""Ramps as lines of text: the list, the tree, one line of status. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rampguard.cli.advice import needs_you, next_words
from rampguard.cli.overdue import overdue
from rampguard.cli.record import Finding, Guardrail, Record, Target, counted
from rampguard.cli.symbols import (
    ASCII,
    Symbols,
    legend,
    phase_mark,
    status_mark,
    verdict_mark,
    verdict_words,
)
from rampguard.cli.text import Line, Span, Tone, age, columns, crop, crop_line, lasting, line, wrap

BAR = 31  # cells
NEXT = 60  # columns of a cell
UNLIMITED = 10_000  # columns: a line as long as it is
LONGEST = 400  # columns of a line of the tree; explain has the whole
LONGEST_WORDS = 1000  # columns of what stands in the header, over several lines
INDENT = 12  # columns


def listing(records: Sequence[Record], now: datetime, *, everywhere: bool = False) -> list[Line]:
    """Return the table of ramps, by namespace and name."""
    head = ["NAME", "PHASE", "PERCENT", "PODS", "FINDINGS", "NEXT", "AGE"]
    rows = [list(map(Span, ["NAMESPACE", *head] if everywhere else head))]
    for one in sorted(records, key=lambda r: (r.namespace, r.name)):
        where = [Span(one.namespace)] if everywhere else []
        rows.append([*where, *_listed(one, now)])
    return columns(rows)


def _listed(one: Record, now: datetime) -> list[Span]:
    asked = needs_you(one, now)
    words = next_words(one, now)
    return [
        Span(one.name),
        Span(one.phase, _tone(one)),
        Span(one.progress or "-"),
        Span(one.pods),
        Span(one.findings_summary, Tone.BAD if "BREACHED" in one.findings_summary else Tone.PLAIN),
        Span(crop(words, NEXT), Tone.NEEDS if asked else Tone.PLAIN),
        Span(age(one.created_at, now)),
    ]


def _tone(one: Record) -> Tone:
    return phase_mark(ASCII, one.phase).tone


def status_line(record: Record, now: datetime) -> Line:
    """Return phase and summary on one line, and what no operator did in time."""
    words = record.summary or (record.stalled.message if record.stalled else "")
    late = overdue(record, now)
    warning = (Span(f"; {late.words}", Tone.NEEDS),) if late else ()
    return line(
        Span(f"{record.phase:<10}  ", _tone(record)), words or "not looked at yet", *warning
    )


def tree(record: Record, now: datetime, symbols: Symbols, *, width: int = UNLIMITED) -> list[Line]:
    """Return the tree of one ramp: header, what is watched and proven, and the marks."""
    width = min(width, LONGEST)
    header = (
        row
        for one in _header(record, now, symbols)
        for row in wrap(crop_line(one, LONGEST_WORDS), width, INDENT)
    )
    rows = list(_rows(record, now, symbols))
    table = columns([list(map(Span, ("NAME", "KIND", "STATE", "SINCE", "DETAIL"))), *rows])
    return [*header, *(crop_line(one, width) for one in ((), *table, (), legend(symbols)))]


def _header(record: Record, now: datetime, symbols: Symbols) -> Iterator[Line]:
    mark = phase_mark(symbols, record.phase)
    told = f"   {mark.text} {record.phase}{_so_far(record, now)}"
    yield line("Ramp        ", Span(record.name, Tone.STRONG), Span(told, mark.tone))
    yield line(f"            {record.env} {_percent(record)}", *_bar(record, now, symbols))
    if late := overdue(record, now):
        yield line("Operator    ", Span(f"{symbols.needs} {late.words}", Tone.NEEDS))
    required = record.facts.get("PreconditionsMet")
    if required and not record.ended and not record.stalled:
        yield line("Required    ", status_mark(symbols, required.status), f" {required.message}")
    gitops = record.facts.get("GitOpsSafe")
    if gitops:
        yield line("GitOps      ", status_mark(symbols, gitops.status), f" {gitops.message}")
    for gate in record.gates:
        yield line(
            "Gate        ", Span(f"{symbols.needs} {gate.name}", Tone.NEEDS), f": {gate.why}"
        )
    if record.stalled:
        yield line(
            "Needs you   ",
            Span(f"{symbols.needs} {record.stalled.reason}", Tone.NEEDS),
            f": {record.stalled.message}",
        )


def _so_far(record: Record, now: datetime) -> str:
    deleting = ", being deleted" if record.deleting else ""
    soak = record.soak
    if record.phase == "Soaking" and soak and soak.ends_at:
        whole = lasting(soak.ends_at - soak.started_at)
        ends = f"{soak.ends_at:%Y-%m-%d %H:%M} UTC"
        return f", {lasting(now - soak.started_at)} of {whole}, ends {ends}{deleting}"
    if record.since is None:
        return deleting
    passed = age(record.since, now)
    return f" {passed} ago{deleting}" if record.ended else f" for {passed}{deleting}"


def _percent(record: Record) -> str:
    words = record.progress or f"{record.origin} -> {record.to}"
    return " ".join(_with_sign(word) for word in words.split(" "))


def _with_sign(word: str) -> str:
    head = word.rstrip(")")
    return f"{head}%{word[len(head) :]}" if head.isdigit() else word


def _bar(record: Record, now: datetime, symbols: Symbols) -> Iterator[Span]:
    soak = record.soak
    if soak is None or soak.ends_at is None or soak.ends_at <= soak.started_at:
        return
    passed = (now - soak.started_at) / (soak.ends_at - soak.started_at)
    share = min(1.0, max(0.0, passed))
    full = int(share * BAR)
    yield Span(f"   {symbols.full * full}", Tone.MOVING)
    yield Span(f"{symbols.empty * (BAR - full)} {int(share * 100)}%")


def _rows(record: Record, now: datetime, symbols: Symbols) -> Iterator[list[Span]]:
    mark = phase_mark(symbols, record.phase)
    yield [
        Span(f"{mark.text} {record.name}", mark.tone),
        Span("Ramp"),
        Span(record.phase),
        Span(age(record.since, now)),
        Span(record.summary),
    ]
    leaves = [
        *(_target(record, one, now, symbols) for one in record.targets),
        *_checks(record, now, symbols),
        *(_finding(record, one, now, symbols) for one in record.findings),
        *(_due(after, at, now, symbols) for after, at in record.to_come),
        *(_guardrail(record, one, symbols) for one in record.guardrails),
    ]
    for n, (leaf, cells) in enumerate(leaves, 1):
        branch = symbols.last if n == len(leaves) else symbols.branch
        yield [Span(f"{branch}{leaf.text}", leaf.tone), *map(Span, cells)]


CHECKS = (
    ("AssignmentVerified", "assignment", "Probe"),
    ("AnalyticsVerified", "analytics", "Export"),
)
Row = tuple[Span, tuple[str, str, str, str]]


def _target(record: Record, one: Target, now: datetime, symbols: Symbols) -> Row:
    state, mark, since = _proof(record, one, now, symbols)
    original = f"original {one.original}" if one.original else ""
    return _named(mark.text, mark.tone, one.deployment), ("Deployment", state, since, original)


def _proof(record: Record, one: Target, now: datetime, symbols: Symbols) -> tuple[str, Span, str]:
    """Return how far a target is, its mark, and since when all are proven."""
    pods, wanted = counted(one.pods), record.wanted or one.observed
    moving = Span(symbols.moving, Tone.MOVING)
    if one.observed and wanted != one.observed:  # its pods were counted for another value
        return f"runs {one.observed}, not {wanted} yet", moving, ""
    if pods is None:
        state = f"runs {one.observed}" if one.observed else "not seen yet"
        return state, Span(symbols.to_come, Tone.QUIET), ""
    fact = record.facts.get("PodsProven")
    since = age(fact.since, now) if fact and fact.status == "True" else ""
    whole = pods[0] == pods[1] and pods[0] > 0
    if record.ended and not whole:
        return f"runs {one.observed or 'nothing'}", Span(symbols.undecided, Tone.QUIET), ""
    mark = Span(symbols.fine, Tone.GOOD) if whole else moving
    return f"{one.pods} proven at {wanted or 'the value'}", mark, since


def _checks(record: Record, now: datetime, symbols: Symbols) -> Iterator[Row]:
    for condition, name, kind in CHECKS:
        fact = record.facts.get(condition)
        if fact is not None:
            mark = status_mark(symbols, fact.status)
            cells = (kind, fact.reason, age(fact.since, now), fact.message)
            yield _named(mark.text, mark.tone, name), cells


def _finding(record: Record, one: Finding, now: datetime, symbols: Symbols) -> Row:
    mark = verdict_mark(symbols, one.verdict)
    name = f"{one.after} at {one.share}%" if record.stepped else one.after
    late = ", late" if one.late else ""
    state = f"{verdict_words(one.verdict)}{late}"
    return _named(mark.text, mark.tone, name), ("Finding", state, age(one.at, now), one.evidence)


def _due(after: str, at: datetime, now: datetime, symbols: Symbols) -> Row:
    state = f"in {lasting(at - now)}" if at > now else "due"
    return _named(symbols.to_come, Tone.QUIET, after), ("Finding", state, "", "")


def _guardrail(record: Record, one: Guardrail, symbols: Symbols) -> Row:
    mark = verdict_mark(symbols, one.verdict)
    measured = " ".join(part for part in (one.value, one.interval) if part)
    state = measured or verdict_words(one.verdict) or record.unjudged
    more = {"Inconclusive": one.could_see, "NoData": one.why, "Breached": "BREACHED"}
    told = (one.limit, more.get(one.verdict, ""), "dry run" if one.dry_run else "")
    detail = "; ".join(part for part in told if part)
    return _named(mark.text, mark.tone, one.name), ("Guardrail", state, "", detail)


def _named(mark: str, tone: Tone, name: str) -> Span:
    return Span(f"{mark} {name}", tone)
