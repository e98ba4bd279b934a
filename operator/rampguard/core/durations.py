"""Durations as people write them: 24h, 1h30m, 5m3s."""

import re
from datetime import timedelta

_WRITTEN = re.compile(
    r"(?P<sign>-?)(?:(?P<hours>\d{1,9})h)?(?:(?P<minutes>\d{1,9})m)?"
    r"(?:(?P<seconds>\d{1,9})(?:\.(?P<micros>\d{1,6}))?s)?",
    re.ASCII,
)


def show_duration(duration: timedelta) -> str:
    """Write a duration exactly: 24h, 1h30m, 5m3s, 0.5s, 0s; never days."""
    micros = duration // timedelta(microseconds=1)
    seconds, fraction = divmod(abs(micros), 1_000_000)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    tail = f".{fraction:06}".rstrip("0") if fraction else ""
    parts = (
        f"{hours}h" if hours else "",
        f"{minutes}m" if minutes else "",
        f"{seconds}{tail}s" if seconds or tail else "",
    )
    return ("-" if micros < 0 else "") + ("".join(parts) or "0s")


def show_seconds(duration: timedelta) -> str:
    """Write a measured duration to the second: 5m3s."""
    return show_duration(timedelta(seconds=round(duration.total_seconds())))


def parse_duration(text: str) -> timedelta:
    """Read what show_duration writes; anything else is a ValueError."""
    match = _WRITTEN.fullmatch(text)
    if match is None or not any(match.group("hours", "minutes", "seconds")):
        raise ValueError(f"{text[:20]!r} is not a duration such as 24h, 1h30m or 5m3s")
    hours, minutes, seconds = (int(n or 0) for n in match.group("hours", "minutes", "seconds"))
    micros = int((match["micros"] or "0").ljust(6, "0"))
    # Nine digits of each fit into a timedelta.
    size = timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=micros)
    return -size if match["sign"] else size
