"""Captures: the records of the users of one arm, written beside a manifest."""

import contextlib
import gzip
import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from fsspec.core import url_to_fs

from rampguard.adapters.exports.files import Export
from rampguard.api.events import records
from rampguard.core.analytics import Tally
from rampguard.core.analytics.tally import BEYOND
from rampguard.core.analytics.users import LAST_BITS
from rampguard.ports import Kept, Sought, Unavailable

ENDING, MANIFEST, PARTIAL = ".jsonl.gz", ".manifest.json", ".partial"


class _Crowd:
    """The users of one arm, 8 bytes each."""

    def __init__(self, tally: Tally, arm: str) -> None:
        groups = [users.parts() for group, users in tally.users.items() if group.arm == arm]
        self._parts = [array("q", sorted(set().union(*some))) for some in zip(*groups, strict=True)]

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __contains__(self, user: object) -> bool:
        told = hash(user)
        part = self._parts[told & LAST_BITS] if self._parts else ()
        at = bisect_left(part, told)
        return at < len(part) and part[at] == told


class _Sealed:
    """A file that is being written, and its checksum."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._sum = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._sum.hexdigest()

    def write(self, raw: bytes) -> int:
        self._sum.update(raw)
        written: int = self._file.write(raw)
        return written

    def flush(self) -> None:
        self._file.flush()


def capture(export: Export, place: str, sought: Sought) -> Kept:
    """Read the export twice: who was in the arm, then what they did. The manifest comes last."""
    tally = Tally(experiment=sought.experiment, since=sought.since, until=sought.until)
    export.feed(tally)
    _check(tally, sought)
    crowd = _Crowd(tally, sought.arm)
    fs, root = url_to_fs(place)
    fs.makedirs(root, exist_ok=True)
    path = f"{root}/{sought.name}{ENDING}"
    try:
        count, sha256 = _write(fs, path + PARTIAL, _lines_of(export, crowd, sought))
        fs.mv(path + PARTIAL, path)
    except BaseException:
        with contextlib.suppress(Exception):
            fs.rm_file(path + PARTIAL)
        raise
    kept = Kept(url=fs.unstrip_protocol(path), records=count, users=len(crowd), sha256=sha256)
    fs.pipe_file(f"{root}/{sought.name}{MANIFEST}", _manifest(kept, sought, export.url))
    return kept


def _check(tally: Tally, sought: Sought) -> None:
    """Refuse what would be less than it seems."""
    if sum(span[BEYOND] for span in tally.spans.values()):
        raise Unavailable(f"the export has more than {BEYOND} kinds of exposures")
    if sought.reaches is not None and tally.latest < sought.reaches:
        last = f"{tally.latest:%Y-%m-%dT%H:%M:%SZ}" if tally.spans else "before the ramp"
        raise Unavailable(f"the export ends {last}, before the rollback did: it may come late")


def _write(fs: Any, path: str, lines: Iterable[bytes]) -> tuple[int, str]:
    """Write lines into a gzip file; return how many there were, and its checksum."""
    count = 0
    with fs.open(path, "wb") as file:
        sealed = _Sealed(file)
        with gzip.GzipFile(fileobj=sealed, mode="wb", mtime=0) as packed:
            for line in lines:
                packed.write(line + b"\n")
                count += 1
    return count, sealed.sha256


def _lines_of(export: Export, crowd: _Crowd, sought: Sought) -> Iterator[bytes]:
    for file in export.files():
        for line, event in records(file.blocks()):
            if sought.since <= event.at < sought.until and event.user in crowd:
                yield line


def _manifest(kept: Kept, sought: Sought, url: str) -> bytes:
    told = {
        "apiVersion": "rampguard.dev/capture/v1",
        "kind": "Capture",
        "experiment": sought.experiment,
        "arm": sought.arm,
        "since": sought.since,
        "until": sought.until,
        "export": url,
        "url": kept.url,
        "records": kept.records,
        "users": kept.users,
        "sha256": kept.sha256,
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
