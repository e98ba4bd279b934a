"""The verbs that read: each takes what the command line says, and returns the exit code."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import click

from rampguard.cli import facts
from rampguard.cli.exits import Exit
from rampguard.cli.explain import explanation
from rampguard.cli.following import follow, timer
from rampguard.cli.kubectl import Kubectl
from rampguard.cli.overdue import overdue
from rampguard.cli.record import Record, read
from rampguard.cli.screen import Screen, now, rich_text
from rampguard.cli.text import Line, Span, crop_line, line
from rampguard.cli.view import LONGEST, listing, status_line, tree

REDRAWS = 5  # a second, at most


def print_facts(told: dict[str, Any], form: str) -> None:
    """Print facts for programs; both forms escape whatever is not ASCII."""
    if form == "json":
        click.echo(json.dumps(told))
        return
    import yaml  # noqa: PLC0415 - the other forms start without loading it

    click.echo(yaml.safe_dump(told, sort_keys=False), nl=False)


def list_ramps(kubectl: Kubectl, screen: Screen, *, everywhere: bool, form: str) -> Exit:
    """Show all ramps as a table."""
    records = [read(ramp) for ramp in kubectl.every(everywhere=everywhere)]
    if form:
        print_facts(facts.of_list(records, now()), form)
    elif records:
        screen.show(
            crop_line(one, LONGEST) for one in listing(records, now(), everywhere=everywhere)
        )
    else:
        where = "any namespace" if everywhere else kubectl.reach.where
        click.echo(f"There is no ramp in {where}.", err=True)
    return Exit.DONE


def get_ramp(kubectl: Kubectl, screen: Screen, name: str, *, form: str) -> Exit:
    """Show one ramp as a tree."""
    record = read(kubectl.get(name))
    if form:
        print_facts(facts.of_ramp(record, now()), form)
    else:
        screen.show(tree(record, now(), screen.symbols, width=_width(screen)))
    return Exit.DONE


def explain_ramp(kubectl: Kubectl, screen: Screen, name: str, *, form: str) -> Exit:
    """Show why a ramp is where it is."""
    record, at = read(kubectl.get(name)), now()
    if form:
        print_facts(facts.of_explanation(record, at), form)
    else:
        screen.show(explanation(record, at, screen.symbols))
    return Exit.DONE


def status_of_ramp(kubectl: Kubectl, screen: Screen, name: str, *, form: str) -> Exit:
    """Show one line, and return what stands for the phase."""
    record = read(kubectl.get(name))
    if form:
        print_facts(facts.of_status(record, now()), form)
    else:
        screen.show([crop_line(status_line(record, now()), LONGEST)])
    return record.exit


def watch_ramp(kubectl: Kubectl, screen: Screen, name: str) -> Exit:
    """Show the tree in place until the ramp ends; a line per change where that cannot be."""
    if screen.live:
        _redraw(kubectl, screen, name)
        return Exit.DONE
    for record, lines in _changes(kubectl, name, None):
        screen.show(lines)
        if record.ended:
            break
    return Exit.DONE


def wait_for_ramp(
    kubectl: Kubectl, screen: Screen, name: str, *, limit: timedelta | None, form: str
) -> Exit:
    """Show a line per change until the ramp is Completed, Blocked or ended otherwise."""
    record = None
    for record, lines in _changes(kubectl, name, limit):
        if not form:
            screen.show(lines)
        elif lines:
            print_facts(facts.of_status(record, now()), form)
        if record.exit is not Exit.RUNNING:
            return record.exit
    phase = record.phase if record else "not seen"
    click.echo(f"the time to wait is over; {name} is still {phase}", err=True)
    return Exit.RUNNING


def _changes(
    kubectl: Kubectl, name: str, limit: timedelta | None
) -> Iterator[tuple[Record, list[Line]]]:
    """Yield each record seen with the lines that it adds to those before it; there may be none.

    Where no record comes any more, what is overdue is told once.
    """
    before, warned = None, False
    for record in follow(kubectl, name, timer(limit)):
        if record is not None:
            warned = before is None and overdue(record, now()) is not None
            yield record, news(before, record)
            before = record
        elif before and not warned and overdue(before, now()):
            warned = True
            yield before, news(None, before)


def news(before: Record | None, record: Record) -> list[Line]:
    """Return what a record tells beyond an earlier one, a line each.

    The first record gives where it is; later ones their new lines of the timeline, or else a new
    phase or summary.
    """
    if before is None:
        return [crop_line(_stamped("", record), LONGEST)]
    known = set(before.timeline)
    added = [one for one in record.timeline if one not in known]
    if added:
        phase = status_line(record, now())[0]
        return [crop_line(line(f"{at}  ", phase, words), LONGEST) for at, words in added]
    if (before.phase, before.summary) == (record.phase, record.summary):
        return []
    return [crop_line(_stamped("", record), LONGEST)]


def _stamped(at: str, record: Record) -> Line:
    return (Span(f"{at or f'{now():%Y-%m-%dT%H:%M:%SZ}'}  "), *status_line(record, now()))


def _width(screen: Screen) -> int:
    return screen.width() if screen.live else LONGEST


def _redraw(kubectl: Kubectl, screen: Screen, name: str) -> None:
    from rich.console import Console  # noqa: PLC0415 - 50 ms that only a live screen pays
    from rich.live import Live  # noqa: PLC0415 - what only a live screen pays

    console = Console(no_color=not screen.colour, highlight=False, markup=False, emoji=False)
    with Live(console=console, refresh_per_second=REDRAWS, vertical_overflow="crop") as live:
        record: Record | None = None
        for seen in follow(kubectl, name, lambda: False):
            record = seen or record
            if record is None:
                continue
            live.update(rich_text(tree(record, now(), screen.symbols, width=console.width)))
            if record.ended:
                return
