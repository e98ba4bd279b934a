"""Analytics events as JSON Lines: one file per pod on a volume that all pods may share."""

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path


class EventLog:
    """Appends events to a file. Without a folder, or with a full disk, the service goes on.

    A file that has grown to max_bytes becomes <name>.1.jsonl, over the one that was that before.
    """

    def __init__(self, folder: Path | None, pod: str, *, max_bytes: int) -> None:
        self._path = folder / f"{pod}.jsonl" if folder else None
        self._max_bytes = max_bytes
        self._file: int | None = None
        self._size = 0
        if self._path is not None:
            self._open(self._path)

    def write(self, name: str, user: str, **more: object) -> None:
        """Append one event; more: its own fields."""
        if self._file is None or self._path is None:
            return
        event = {"timestamp": _now(), "event_name": name, "user_id": user} | more
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        try:
            # One write per line: lines of two processes never mix.
            self._size += os.write(self._file, line)
        except OSError as error:
            self._give_up(error)
            return
        if self._size >= self._max_bytes:
            self._turn(self._path)

    def close(self) -> None:
        """Close the file; later events are left out."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            self._size = os.fstat(self._file).st_size
        except OSError as error:
            self._give_up(error)

    def _turn(self, path: Path) -> None:
        self.close()
        try:
            path.replace(path.with_suffix(".1.jsonl"))
        except OSError as error:
            self._give_up(error)
            return
        self._open(path)

    def _give_up(self, error: OSError) -> None:
        self.close()
        print(f"events are no longer written: {error}", file=sys.stderr, flush=True)


def _now() -> str:
    now = datetime.fromtimestamp(time.time(), UTC)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
