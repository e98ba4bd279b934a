"""Where records lie: the files of ours in one folder of one file system."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from rampguard.api.members import mended
from rampguard.core.ask import Ref

BLOCK = 2**18  # bytes
ENDING = ".jsonl.gz"
FILE = re.compile(
    rf"(?P<stem>(?P<namespace>[^_/]+)_(?P<name>[^_/]+)_(?P<uid>[^_/.]+))"
    rf"(?:\.(?P<part>[0-9]{{6,}}))?{re.escape(ENDING)}"
)


def stem_of(ref: Ref, uid: str) -> str:
    """Return what the files of a ramp are named by; no two ramps have one."""
    return "_".join(map(_quoted, (ref.namespace, ref.name, uid)))


def named_by(stem: str) -> tuple[Ref, str]:
    """Return the ramp and its uid."""
    namespace, name, uid = map(unquote, stem.split("_"))
    return Ref(namespace, name), uid


def stem_in(name: str) -> str | None:
    """Return the stem in the name of a file; None: the file is none of ours."""
    told = FILE.fullmatch(name)
    return told["stem"] if told else None


def part_in(name: str) -> int:
    """Return which part of its record a file is; 0: all of it."""
    told = FILE.fullmatch(name)
    return int(told["part"] or 0) if told else 0


class Place:
    """One folder, made when it is first needed; every method may raise what its system raises."""

    def __init__(self, url: str) -> None:
        self._fs, self._root = url_to_fs(url)
        self.appends = isinstance(self._fs, LocalFileSystem)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file of ours, by name."""
        self._fs.makedirs(self._root, exist_ok=True)
        self._fs.invalidate_cache()
        found = {
            one["name"].rpartition("/")[2]: int(one["size"] or 0)
            for one in self._fs.ls(self._root, detail=True)
            if one["type"] == "file"
        }
        return {name: found[name] for name in sorted(found) if stem_in(name)}

    def size(self, name: str) -> int:
        """Return the bytes of a file in a folder; 0: there is none."""
        path = Path(self._path(name))
        return path.stat().st_size if path.exists() else 0

    def modified(self, name: str) -> datetime:
        """Return when a file was last written."""
        at: datetime = self._fs.modified(self._path(name))
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)

    def write(self, name: str, raw: bytes) -> None:
        """Append to a file, all or nothing; where that cannot be, make it anew."""
        if not self.appends:
            self._fs.pipe_file(self._path(name), raw)
            return
        with Path(self._path(name)).open("ab", buffering=0) as file:
            before, written = file.tell(), file.write(raw)
            if written != len(raw):
                file.truncate(before)
                raise OSError(f"the disk took {written} bytes of {len(raw)}")

    def mend(self, name: str) -> int:
        """Let a file end with a whole member, whatever became of its writer; return its bytes."""
        with self._fs.open(self._path(name), "r+b") as file:
            stands, end = mended(file.read())
            file.seek(stands)
            file.truncate()
            file.write(end)
        return stands + len(end)

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield what a file holds by now."""
        with self._fs.open(self._path(name), "rb") as file:
            while block := file.read(BLOCK):
                yield block

    def remove(self, name: str) -> None:
        """Delete a file."""
        self._fs.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _quoted(word: str) -> str:
    """Return a word without what separates words in the name of a file."""
    return (
        quote(word, safe="", errors="replace")
        .replace("_", "%5F")
        .replace(".", "%2E")
        .replace("~", "%7E")
    )
