"""How long it takes to count the users of an export for a guardrail, and what memory that takes.

    .venv/bin/python benchmarks/bench_recount.py [--gigabytes 0.2]

The export is that of bench_analyze. It is read as the operator does it: whole for the first time,
then with 5 minutes of traffic more, then with nothing more. In a process of its own.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from threading import Event

from bench_analyze import GIB, NOON, count, generate
from figures import heading, table

from rampguard.adapters.exports.following import Following
from rampguard.core.analytics import Followed
from rampguard.core.export import Recount

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
FOLLOWED = Followed(
    uid="u",
    experiment="skill_tree_layout",
    arms=("tree", "list"),
    events=("session_started_from_tree",),
    soon=2 * MINUTE,
    origin=NOON - DAY,
)


def main() -> None:
    """Print what each reading takes."""
    options = argparse.ArgumentParser()
    options.add_argument("--gigabytes", type=float, default=0.05)
    options.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    told = options.parse_args()
    if told.file:
        measure(told.file)
        return
    heading("make bench, or .venv/bin/python benchmarks/bench_recount.py --gigabytes 0.2", "100 MB")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.jsonl"
        generate(path, int(told.gigabytes * GIB), 1, 0.45)
        subprocess.run([sys.executable, __file__, "--file", str(path)], check=True)


def measure(path: Path) -> None:
    """Print a row for each reading of a file."""
    lines, size = count(path), path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size - size // 288)  # 5 min of a day
        last = file.read()
        file.truncate(size - len(last))
    before = memory()
    following, rows = Following(str(path), FOLLOWED), []
    for name, more in (("whole", b""), ("5 min more", last), ("nothing more", b"")):
        with path.open("ab") as file:
            file.write(more)
        began = time.process_time()
        found = following.count(wanted(), Event())
        took = time.process_time() - began
        users = sum(sum(one[:2]) for _, bins in found.bins for one in bins)
        rows.append((name, f"{took:.2f}", f"{users:,}", str(found.one_in)))
    print(f"{size / 1e6:.0f} MB, {lines:,} lines; {(memory() - before) / 1e6:.0f} MB more\n")
    table(("reading", "CPU s", "users counted", "of so many one"), rows)


def wanted() -> Recount:
    """Return what a soak of a day asks."""
    end = NOON + 2 * DAY
    return Recount(
        number=1, origin=FOLLOWED.origin, since=NOON, until=end, at=end, size=15 * MINUTE
    )


def memory() -> int:
    """Return the largest RSS so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
