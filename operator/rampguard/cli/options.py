"""What the verbs' arguments have in common: which cluster, which ramp, how it is shown."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from rampguard.core.durations import parse_duration

NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
RAMP = "ramp/"
PREFIXES = (RAMP, "ramps/", "experimentramp/", "experimentramps/")
FILES = {".gz", ".jsonl"}  # how the name of a record ends
Verb = TypeVar("Verb", bound=Callable[..., Any])


def _bare(_: click.Context, __: click.Parameter, told: str) -> str:
    """Return the name of a ramp that stands as NAME or ramp/NAME."""
    prefix = next((p for p in PREFIXES if told.startswith(p)), "")
    bare = told.removeprefix(prefix)
    if not NAME.fullmatch(bare):
        raise click.BadParameter(f"{bare[:80]!r} is no name of a ramp")
    return bare


def _source(ctx: click.Context, param: click.Parameter, told: str) -> str:
    """Return -, a URL, a path, or ramp/NAME for what can only be the name of a ramp."""
    path = Path(told)
    named = told.startswith(PREFIXES) or (len(path.parts) == 1 and path.suffix not in FILES)
    if told == "-" or "://" in told or path.exists() or not named:
        return told
    return f"{RAMP}{_bare(ctx, param, told)}"


def span(_: click.Context, __: click.Parameter, told: str | None) -> timedelta | None:
    """Return a duration such as 26h or 90s, above zero."""
    if told is None:
        return None
    try:
        duration = parse_duration(told)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if duration <= timedelta(0):
        raise click.BadParameter(f"{told[:20]} is not above 0s")
    return duration


def instant(_: click.Context, __: click.Parameter, told: str | None) -> datetime | None:
    """Return a time such as 2026-11-24T12:00:00Z; one without a zone is UTC."""
    if told is None:
        return None
    try:
        at = datetime.fromisoformat(told)
    except ValueError as error:
        raise click.BadParameter(f"{told[:40]!r} is no time such as 2026-11-24T12:00Z") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _names(ctx: click.Context, param: click.Parameter, begun: str) -> Any:
    from rampguard.cli.completing import ramp_names  # noqa: PLC0415 - only to complete

    return ramp_names(ctx, param, begun)


def open_gates(ctx: click.Context, param: click.Parameter, begun: str) -> Any:
    """Complete the name of an open gate."""
    from rampguard.cli.completing import open_gates as found  # noqa: PLC0415 - only to complete

    return found(ctx, param, begun)


def reaching(verb: Verb) -> Verb:
    """Give a verb the options that choose a cluster; those of the group stand in for them."""
    for option in (
        click.option("--as", "user", metavar="USER", help="Ask as somebody else."),
        click.option("--kubeconfig", metavar="FILE", help="The kubeconfig to use."),
        click.option("--context", metavar="NAME", help="The context of the kubeconfig to use."),
        click.option("-n", "--namespace", metavar="NAME", help="The namespace of the ramp."),
    ):
        verb = option(verb)
    return verb


def showing(verb: Verb) -> Verb:
    """Give a verb the options that say how to show its result."""
    forms = click.Choice(["json", "yaml"])
    verb = click.option("-o", "--output", type=forms, help="For programs: rampguard.dev/cli/v1.")(
        verb
    )
    return click.option("--no-color", is_flag=True, help="Without colours, as with NO_COLOR.")(verb)


def asking(verb: Verb) -> Verb:
    """Give a verb the options of those that change something."""
    verb = click.option(
        "-v", "--verbose", is_flag=True, help="Print the equal kubectl command as well."
    )(verb)
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(verb)


def _sources(ctx: click.Context, param: click.Parameter, begun: str) -> Any:
    from rampguard.cli.completing import ramps_and_files  # noqa: PLC0415 - only to complete

    return ramps_and_files(ctx, param, begun)


recorded = click.argument("record", metavar="RECORD", callback=_source, shell_complete=_sources)
named = click.argument("name", callback=_bare, shell_complete=_names)
