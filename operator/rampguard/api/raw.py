"""Total reading of raw JSON: what is missing or of another type reads as empty."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

LONGEST_SAYING = 120  # of others' words in ours


def part(value: object, *path: str) -> Json:
    """Return the object at a path; {} where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def items(value: object) -> Iterator[Json]:
    """Yield the objects of a list; none of anything else."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def texts(value: object) -> Iterator[str]:
    """Yield the strings of a list; none of anything else."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, str))


def text(value: object) -> str:
    """Return a string as it is; "" for anything else."""
    return value if isinstance(value, str) else ""


def number(value: object, default: int = 0) -> int:
    """Return a whole number; the default for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def instant(value: object) -> datetime | None:
    """Return an instant as the API server writes it; None for anything else."""
    try:
        read = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return read.astimezone(UTC) if read.tzinfo else None


def saying(value: object) -> str:
    """Return somebody's words on one line, cut to a bearable length."""
    words = " ".join(text(value).split())
    return words if len(words) <= LONGEST_SAYING else f"{words[: LONGEST_SAYING - 1]}…"


def printable(words: str) -> str:
    """Return words without what moves a terminal's cursor, its colours or its direction."""
    return "".join(c if c.isprintable() else " " for c in words)


def named(value: object, name: str) -> Json:
    """Return the first object of a list that has the name; {} where there is none."""
    return next((item for item in items(value) if item.get("name") == name), {})
