"""History in a file: what --export writes and --from reads, rampguard.dev/history/v1.

Values stand on the grid start + k * stepSeconds, null where a series was not there.
"""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from rampguard.cli.exits import Exit, Told
from rampguard.cli.text import safe
from rampguard.core.ask import PromQL
from rampguard.core.history import History
from rampguard.core.model import Series

VERSION = "rampguard.dev/history/v1"
LARGEST = 2**30  # bytes, unpacked


def write(path: str, history: History) -> None:
    """Write a history; packed by gzip where the name ends in .gz."""
    told = {
        "apiVersion": VERSION,
        "kind": "History",
        "start": _shown(history.start),
        "end": _shown(history.end),
        "stepSeconds": int(history.step.total_seconds()),
        "queries": [
            {"query": query, "series": [_series(one, history) for one in found]}
            for query, found in history.answers.items()
        ],
    }
    raw = orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
    try:
        # mtime: the same history is the same file.
        Path(path).write_bytes(gzip.compress(raw, mtime=0) if path.endswith(".gz") else raw)
    except OSError as error:
        raise Told(f"cannot write {safe(path)}: {error.strerror}", Exit.REFUSED) from error


def read(path: str) -> History:
    """Read what write wrote; a Told says what is wrong with the file."""
    try:
        with Path(path).open("rb") as file:
            packed = file.peek(2)[:2] == b"\x1f\x8b"
            raw = (gzip.GzipFile(fileobj=file) if packed else file).read(LARGEST + 1)
    except (OSError, EOFError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Told(f"cannot read {safe(path)}: {why}", Exit.UNREACHED) from error
    if len(raw) > LARGEST:
        raise Told(f"{safe(path)} holds more than 1 GiB", Exit.REFUSED)
    try:
        told = orjson.loads(raw)
        if told["apiVersion"] != VERSION:
            raise Told(f"{safe(path)} is {safe(told['apiVersion'])}; {VERSION} is needed: export"
                       " it again", Exit.REFUSED)  # fmt: skip
        return _history(told)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise Told(f"{safe(path)} is no history that --export wrote: {error!r}",
                   Exit.REFUSED) from error  # fmt: skip


def _history(told: Any) -> History:
    start, end = (datetime.fromisoformat(told[key]) for key in ("start", "end"))
    step = timedelta(seconds=told["stepSeconds"])
    if step <= timedelta(0) or end <= start:
        raise ValueError("start, end, stepSeconds")
    return History(
        start=start,
        end=end,
        step=step,
        answers={
            PromQL(one["query"]): tuple(
                Series(
                    {str(k): str(v) for k, v in series["labels"].items()},
                    tuple(
                        (start + i * step, float(value))
                        for i, value in enumerate(series["values"])
                        if value is not None
                    ),
                )
                for series in one["series"]
            )
            for one in told["queries"]
        },
    )


def _series(series: Series, history: History) -> dict[str, Any]:
    values: list[float | None] = [None] * ((history.end - history.start) // history.step + 1)
    for at, value in series.points:
        # Not a number is nothing in JSON, and nothing to the core, too.
        values[(at - history.start) // history.step] = value
    return {"labels": dict(sorted(series.labels.items())), "values": values}


def _shown(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
