"""How `kubectl ramp` ends: a number for pipelines, and words for people."""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes; docs/cli.md has them as a contract."""

    DONE = 0  # done, or the ramp is Completed
    REFUSED = 1  # refused, Blocked, or the ramp ended otherwise
    RUNNING = 2  # the ramp still runs, or the time to wait for it is over
    UNREADABLE = 2
    UNREACHED = 3  # not found, forbidden, unreachable
    USAGE = 64  # a wrong command line, or a question without a terminal
    INTERRUPTED = 130


class Told(Exception):
    """What a person is told instead of a result: what, where, and what to do."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


ENDED_WELL = frozenset({"Completed"})
ENDED_OTHERWISE = frozenset({"RolledBack", "Aborted", "Contested"})
ENDED = ENDED_WELL | ENDED_OTHERWISE


def exit_of(phase: str, *, spec_seen: bool) -> Exit:
    """Return the exit code of a ramp in a phase.

    spec_seen: the status is of the spec as it stands. A refusal of an older spec says nothing.
    """
    if phase in ENDED_WELL:
        return Exit.DONE
    if phase in ENDED_OTHERWISE or (phase == "Blocked" and spec_seen):
        return Exit.REFUSED
    return Exit.RUNNING
