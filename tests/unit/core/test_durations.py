"""Durations as people write them."""

from datetime import timedelta

import pytest

from rampguard.core.durations import parse_duration, show_duration, show_seconds

WRITTEN = {
    "0s": timedelta(0),
    "1s": timedelta(seconds=1),
    "59s": timedelta(seconds=59),
    "1m": timedelta(minutes=1),
    "1m1s": timedelta(seconds=61),
    "1h": timedelta(hours=1),
    "1h30m": timedelta(minutes=90),
    "1h0.5s": timedelta(hours=1, milliseconds=500),
    "24h": timedelta(days=1),
    "720h": timedelta(days=30),
    "5m3s": timedelta(minutes=5, seconds=3),
    "0.5s": timedelta(milliseconds=500),
    "0.000001s": timedelta(microseconds=1),
    "1.00001s": timedelta(seconds=1, microseconds=10),
    "-1m30s": timedelta(seconds=-90),
    "-0.000001s": timedelta(microseconds=-1),
    "-0.25s": timedelta(milliseconds=-250),
}


@pytest.mark.parametrize(("text", "duration"), WRITTEN.items())
def test_a_duration_is_written_and_read(text: str, duration: timedelta) -> None:
    assert show_duration(duration) == text
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90m", timedelta(minutes=90)),
        ("3600s", timedelta(hours=1)),
        ("0h0m0s", timedelta(0)),
        ("01h", timedelta(hours=1)),
    ],
)
def test_other_writings_are_read_too(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "1",
        "h",
        "1d",
        "1H",
        "30m1h",
        "1h 30m",
        " 1h",
        "1h\n",
        "1.5h",
        "1.s",
        ".5s",
        "1.0000001s",
        "+1h",
        "--1h",
        "1e3s",
        "٣h",
        "1ms",
        "1234567890h",
        "1h1h",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 24h, 1h30m or 5m3s"):
        parse_duration(text)


def test_the_longest_duration_that_can_be_written_is_read() -> None:
    n = 999_999_999
    longest = timedelta(hours=n, minutes=n, seconds=n, microseconds=999_999)
    assert parse_duration(f"{n}h{n}m{n}.999999s") == longest


def test_what_was_measured_is_shown_to_the_second() -> None:
    assert show_seconds(timedelta(minutes=5, seconds=2, milliseconds=700)) == "5m3s"
    assert show_seconds(timedelta(milliseconds=400)) == "0s"


def test_an_error_shows_little_of_a_long_text() -> None:
    with pytest.raises(ValueError, match=r"'x{20}' is not a duration"):
        parse_duration("x" * 500)
