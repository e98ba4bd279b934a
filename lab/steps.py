"""Runs long commands with their output in a log, and tells the user how far they have come."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.places import BIN, LOGS

HEARTBEAT = 20  # seconds without a word, at most
_printing = threading.Lock()


class LabError(Exception):
    """The lab cannot go on; the message says what is wrong and what to do."""


def say(text: str) -> None:
    """Print one line, whole, whoever else prints."""
    with _printing:
        print(text, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Tell that a step begins and how long it took."""
    began = time.monotonic()
    say(f"  ... {what}")
    try:
        yield
    except BaseException:
        say(f"  !!! {what} failed after {time.monotonic() - began:.0f} s")
        raise
    say(f"  ok  {what} ({time.monotonic() - began:.0f} s)")


def run(
    *command: str | Path,
    log: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    limit: float = 3600,
) -> None:
    """Run a command; its output goes to a log, of which a failure shows the end."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.txt"
    with path.open("a") as out, stdin.open("rb") if stdin else open(os.devnull, "rb") as told:  # noqa: PTH123 - the null device has no path of its own
        out.write(f"$ {' '.join(map(str, command))}\n")
        out.flush()
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env=environment(env),
                stdin=told,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        except FileNotFoundError:
            raise LabError(f"{command[0]} is not installed") from None
        code = _wait(process, log, path, limit)
    if code:
        raise LabError(f"{command[0]} failed with {code}; the end of {path}:\n{tail(path, 15)}")


def ask(
    *command: str | Path, limit: float = 60, env: Mapping[str, str] | None = None
) -> str | None:
    """Return what a command prints; None: it failed, took too long, or is not there."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            check=False,
            capture_output=True,
            text=True,
            timeout=limit,
            env=environment(env),
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our environment, in which the lab's own programs are found first."""
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **(more or {})}


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a log, indented."""
    told = path.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(f"    {line[:200]}" for line in told)


def in_parallel(*lanes: Sequence[tuple[str, object]]) -> None:
    """Run lanes of steps side by side; the first error ends the lab when all lanes stand still."""
    errors: list[BaseException] = []

    def walk(lane: Sequence[tuple[str, object]]) -> None:
        try:
            for what, make in lane:
                if errors:
                    return
                with step(what):
                    make()  # type: ignore[operator]  # a callable without arguments
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=walk, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(1)  # an interrupt is seen
    if errors:
        raise errors[0]


def _wait(process: "subprocess.Popen[bytes]", what: str, path: Path, limit: float) -> int:
    began = told = time.monotonic()
    try:
        while True:
            try:
                return process.wait(1)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
            if now - began > limit:
                raise LabError(f"{what} took more than {limit:.0f} s; see {path}")
            if now - told >= HEARTBEAT:
                told = now
                last = tail(path, 1).strip()
                say(f"      {what}: {now - began:.0f} s; {last[:100]}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
