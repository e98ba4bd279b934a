"""`report`: gathers what is known of a ramp, from its object and its record, and writes it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import click

from rampguard.api.members import lines
from rampguard.api.raw import Json
from rampguard.api.record import read as entries
from rampguard.cli import recorded
from rampguard.cli.exits import Exit, Told
from rampguard.cli.kubectl import Kubectl
from rampguard.cli.options import RAMP
from rampguard.cli.record import Record, read
from rampguard.cli.refusals import Failed
from rampguard.cli.report.course import Course, Mark, course
from rampguard.cli.report.facts import Known, facts
from rampguard.cli.report.rebuilt import rebuilt
from rampguard.cli.screen import now
from rampguard.cli.text import safe
from rampguard.core.durations import parse_duration
from rampguard.core.links import Link

NO_PICTURES = "pictures need matplotlib, which is not installed: pip install 'rampguard[pictures]'"
WEB = {"http", "https"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a report is asked of, in which form, and with which addresses."""

    source: str
    form: str = "html"
    prometheus: str = ""
    links: tuple[str, ...] = ()  # NAME=URL


def report(kubectl: Kubectl, wanted: Wanted) -> Exit:
    """Write a report to standard output, in UTF-8."""
    links = tuple(_link(one) for one in wanted.links)
    prometheus = wanted.prometheus and _web(wanted.prometheus)
    ramp, went = _gathered(kubectl, wanted.source)
    known = Known(ramp=ramp, course=went, at=now(), links=links, prometheus=prometheus)
    click.echo(form(known, wanted.form).encode(), nl=False)
    return Exit.DONE


def _gathered(kubectl: Kubectl, source: str) -> tuple[Json, Course | str]:
    """Return the object of a ramp and what its record tells; without an object, from the record."""
    if not source.startswith(RAMP):
        return _of_record(kubectl, source)
    try:
        ramp = kubectl.get(source.removeprefix(RAMP))
    except Failed:
        raise
    except Told as gone:  # the operator may still have its record
        try:
            return _of_record(kubectl, source)
        except Told:
            raise gone from None
    try:
        return ramp, course(entries(lines(recorded.chunks(kubectl, source))))
    except Told as told:
        return ramp, str(told)


def _of_record(kubectl: Kubectl, source: str) -> tuple[Json, Course]:
    went = course(entries(lines(recorded.chunks(kubectl, source))))
    if isinstance(went, str):
        raise Told(f"there is no record of a ramp in {safe(source)}: {safe(went)}", Exit.UNREACHED)
    return rebuilt(went.final), went


def form(known: Known, name: str) -> str:
    """Return a report as html, md or json."""
    told = facts(known)
    if name == "json":
        return f"{json.dumps(told)}\n"
    from rampguard.cli.report import page  # noqa: PLC0415 - programs need no templates

    if name == "md":
        return page.markdown(told)
    pictures, why = _pictures(known)
    return page.html(told, pictures, why)


def _pictures(known: Known) -> tuple[Sequence[str], str]:
    """Return a picture of each curve, or why there is none."""
    went = known.course
    if isinstance(went, str):
        return (), went
    if not went.curves:
        return (), "no look has measured anything yet"
    try:
        from rampguard.cli.report import plots  # noqa: PLC0415 - matplotlib is not always there
    except ImportError:
        return (), NO_PICTURES
    marks = _marks(read(known.ramp))
    return [
        plots.picture(curve, went.holes, marks, f"p{n}") for n, curve in enumerate(went.curves, 1)
    ], ""


def _marks(record: Record) -> tuple[Mark, ...]:
    findings = (
        Mark(one.at, _after(one.after), bad=one.verdict == "Breached")
        for one in record.findings
        if one.at
    )
    back = record.rollback.started_at if record.rollback else None
    return (*findings, *([Mark(back, "rollback", bad=True)] if back else []))


def _after(written: str) -> str:
    """Return a duration as it is written; "" for other words, which a picture does not show."""
    try:
        parse_duration(written)
    except ValueError:
        return ""
    return written


def _link(told: str) -> Link:
    name, _, url = told.partition("=")
    if not (name and url):
        raise Told(f"--link wants NAME=URL, not {safe(told)[:80]}", Exit.USAGE)
    return Link(name, _web(url))


def _web(url: str) -> str:
    """Return an address that is safe to follow: nothing but http and https."""
    try:
        good = urlsplit(url).scheme in WEB and bool(urlsplit(url).netloc)
    except ValueError:
        good = False
    if not good:
        raise Told(f"{safe(url)[:80]!r} is no address such as https://example.com", Exit.USAGE)
    return url
