"""Strings of others are shown safely; ages read like kubectl's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import cli_ramps
from rampguard.cli.explain import explanation
from rampguard.cli.record import read
from rampguard.cli.screen import rich_text
from rampguard.cli.symbols import UNICODE
from rampguard.cli.text import (
    Span,
    Tone,
    age,
    cells,
    columns,
    crop,
    lasting,
    line,
    plain,
    safe,
    wrap,
)
from rampguard.cli.view import listing, status_line, tree

HOSTILE = {
    "an escape sequence": "\x1b[2J\x1b[31mred",
    "a carriage return": "Completed\rBlocked",
    "a new line": "one\ntwo",
    "a bell and a backspace": "a\x07b\x08c",
    "an 8-bit escape": "a\x9b31mb",
    "text from right to left": "abc\u202edef\u2066ghi",
    "a character of no width": "a\u200bb\ufeffc",
    "half a character": "a\ud800b",
    "markup": "[bold red]x[/] [link=http://x]y[/link]",
    "a very long word": "x" * 100_000,
    "an operating system command": "\x1b]0;title\x07",
    "a line separator": "a\u2028b",
}
NOW = datetime(2026, 11, 23, 19, tzinfo=UTC)


def poisoned(value: Any, poison: str) -> Any:
    """Return an object with the poison in each of its strings that is no instant."""
    if isinstance(value, dict):
        return {key: poisoned(one, poison) for key, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one, poison) for one in value]
    return poison if isinstance(value, str) and not value.startswith("2026-") else value


@pytest.mark.parametrize("poison", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_string_in_every_field_moves_no_cursor_and_hides_nothing(poison: str) -> None:
    record = read(poisoned(cli_ramps.SCENES["rolled-back"], poison))
    lines = [
        *tree(record, NOW, UNICODE),
        *explanation(record, NOW, UNICODE),
        *listing([record], NOW),
        status_line(record, NOW),
    ]
    shown = plain(lines)
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert shown.count("\n") == len(lines)


@pytest.mark.parametrize("poison", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_string_makes_no_line_of_the_tree_endless(poison: str) -> None:
    record = read(poisoned(cli_ramps.SCENES["rolled-back"], poison))
    assert max(len(row) for row in plain(tree(record, NOW, UNICODE)).splitlines()) <= 400


def test_brackets_are_no_markup_on_a_live_screen() -> None:
    markup = HOSTILE["markup"]
    assert markup in rich_text([line(markup)]).plain


SHAPES: dict[str, Any] = {
    "nothing": {},
    "texts where objects belong": {"metadata": "x", "spec": [], "status": "Completed"},
    "numbers where texts belong": {"status": {"phase": 7, "summary": 1.5, "gates": 3}},
    "lists of the wrong things": {
        "status": {"conditions": [1, None], "findings": ["x"], "timeline": [{}, 3], "targets": {}}
    },
    "instants that are none": {
        "metadata": {"creationTimestamp": "yesterday"},
        "status": {"soak": {"startedAt": "x", "endsAt": None}, "phaseStartedAt": 12},
    },
    "a soak that ends before it starts": {
        "status": {
            "phase": "Soaking",
            "soak": {
                "startedAt": "2026-11-23T12:00:00Z",
                "endsAt": "2026-11-22T12:00:00Z",
                "nextFindingAt": "2026-11-23T12:00:00Z",
            },
        }
    },
    "findings that are no durations": {
        "spec": {"findings": ["soon", 3, None]},
        "status": {
            "soak": {
                "startedAt": "2026-11-23T12:00:00Z",
                "endsAt": "2026-11-24T12:00:00Z",
                "nextFindingAt": "2026-11-23T13:00:00Z",
            }
        },
    },
}


@pytest.mark.parametrize("ramp", SHAPES.values(), ids=SHAPES)
def test_an_object_of_any_shape_is_shown(ramp: Any) -> None:
    record = read(ramp)
    lines = [*tree(record, NOW, UNICODE), *explanation(record, NOW, UNICODE)]
    assert plain([*lines, *listing([record], NOW), status_line(record, NOW)])


AGES = {
    timedelta(seconds=-5): "0s",
    timedelta(seconds=119): "119s",
    timedelta(minutes=2): "2m",
    timedelta(minutes=9, seconds=5): "9m5s",
    timedelta(minutes=127): "127m",
    timedelta(hours=3): "3h",
    timedelta(hours=6, minutes=45): "6h45m",
    timedelta(hours=47): "47h",
    timedelta(days=2, hours=13): "2d13h",
    timedelta(days=3): "3d",
    timedelta(days=40, hours=3): "40d",
}


@pytest.mark.parametrize(("passed", "words"), AGES.items(), ids=AGES.values())
def test_ages_read_like_those_of_kubectl(passed: timedelta, words: str) -> None:
    assert age(NOW - passed, NOW) == words


SPANS = {
    timedelta(seconds=45): "45s",
    timedelta(minutes=40): "40m",
    timedelta(hours=17, minutes=20, seconds=59): "17h20m",
    timedelta(hours=24): "24h",
    timedelta(seconds=-1): "0s",
}


@pytest.mark.parametrize(("duration", "words"), SPANS.items(), ids=SPANS.values())
def test_durations_are_told_to_the_minute(duration: timedelta, words: str) -> None:
    assert lasting(duration) == words


def test_wide_characters_keep_columns_straight() -> None:
    rows = [[Span("日本"), Span("x")], [Span("abcd"), Span("x")]]
    assert plain(columns(rows)) == "日本   x\nabcd   x\n"
    assert (cells("日本"), cells("e\u0301")) == (4, 1)


def test_a_cropped_text_says_that_some_is_missing() -> None:
    assert (crop("abcdefgh", 6), crop("abc", 6), crop("日本日本", 6)) == ("abc...", "abc", "日...")


WRAPPED: dict[str, tuple[str, list[str]]] = {
    "what fits": ("one two", ["one two"]),
    "what fits to the column": ("0123456789", ["0123456789"]),
    "words": ("one two three four", ["one two", "  three", "  four"]),
    "a word that is longer than a line": (
        "0123456789abcdefghij",
        ["01234567", "  89abcdef", "  ghij"],
    ),
    "wide characters": ("日本日本日本日本", ["日本日本", "  日本日本"]),
    "blanks at the front": ("   one two three", ["   one two", "  three"]),
    "nothing": ("", [""]),
}


@pytest.mark.parametrize(("words", "rows"), WRAPPED.values(), ids=WRAPPED)
def test_a_long_line_goes_on_below(words: str, rows: list[str]) -> None:
    assert plain(wrap(line(words), 10, 2)).splitlines() == rows


def test_a_wrapped_line_keeps_its_tones() -> None:
    told = wrap(line("Gate ", Span("start-of-it", Tone.NEEDS), ": why"), 12, 2)
    assert [[(span.text, span.tone) for span in row] for row in told] == [
        [("Gate", Tone.PLAIN)],
        [("  ", Tone.PLAIN), ("start-of-i", Tone.NEEDS)],
        [("  ", Tone.PLAIN), ("t", Tone.NEEDS), (": why", Tone.PLAIN)],
    ]


@pytest.mark.parametrize("poison", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("width", [20, 80])
def test_a_hostile_string_keeps_to_a_narrow_terminal(poison: str, width: int) -> None:
    for scene in ("rolled-back", "held", "gate-breach"):
        record = read(poisoned(cli_ramps.SCENES[scene], poison))
        lines = tree(record, NOW, UNICODE, width=width)
        assert max(sum(cells(span.text) for span in one) for one in lines) <= width
        assert len(lines) < 400


def test_what_is_no_string_reads_as_nothing() -> None:
    assert [safe(value) for value in (None, 3, [], {})] == [""] * 4
