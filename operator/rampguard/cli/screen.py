"""Where lines go: colours, marks and width of this terminal or pipe, and the time."""

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rampguard.cli.symbols import ASCII, UNICODE, Symbols
from rampguard.cli.text import Line, Tone, plain

if TYPE_CHECKING:
    from rich.text import Text

_COLOURS: dict[Tone, dict[str, Any]] = {
    Tone.GOOD: {"fg": "green"},
    Tone.BAD: {"fg": "red", "bold": True},
    Tone.NEEDS: {"fg": "yellow"},
    Tone.MOVING: {"fg": "cyan"},
    Tone.QUIET: {"dim": True},
    Tone.STRONG: {"bold": True},
}
_STYLES = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.BAD: "bold red",
    Tone.NEEDS: "yellow",
    Tone.MOVING: "cyan",
    Tone.QUIET: "dim",
    Tone.STRONG: "bold",
}


@dataclass(frozen=True, slots=True)
class Screen:
    """One output: live where it may be redrawn in place."""

    colour: bool
    live: bool
    symbols: Symbols

    def show(self, lines: Iterable[Line]) -> None:
        """Print lines, coloured where they may be."""
        click.echo("".join(map(_coloured, lines)) if self.colour else plain(lines), nl=False)

    def width(self) -> int:
        """Return the columns of the terminal as it is now."""
        return shutil.get_terminal_size((120, 40)).columns


def this_screen(*, no_color: bool) -> Screen:
    """Return the screen that standard output is."""
    terminal = sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb"
    plain_asked = no_color or bool(os.environ.get("NO_COLOR"))
    return Screen(
        colour=terminal and not plain_asked,
        live=terminal,
        symbols=UNICODE if _encodes(UNICODE.all()) else ASCII,
    )


def now() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)  # noqa: TID251 - the command line has no Clock port; here alone


def rich_text(lines: Iterable[Line]) -> "Text":
    """Return lines for rich; as Text, in which no bracket is markup."""
    from rich.text import Text  # noqa: PLC0415 - 50 ms that only a live screen pays

    drawn = Text(no_wrap=True, overflow="crop")
    for one in lines:
        for span in one:
            drawn.append(span.text, style=_STYLES[span.tone])
        drawn.append("\n")
    drawn.rstrip()
    return drawn


def _coloured(one: Line) -> str:
    words = "".join(
        click.style(span.text, **_COLOURS[span.tone]) if span.tone in _COLOURS else span.text
        for span in one
    )
    return f"{words}\n"


def _encodes(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
