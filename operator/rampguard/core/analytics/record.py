"""One record of an export: what an event is, and why a line is none."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

EXPOSURE = "experiment_exposure"
SESSION_START = "session_started_from_tree"
COOKIE = "cookie"  # the source of an arm that was drawn before

Rollout = int | float | str  # apps differ


class Experiment(Protocol):
    """The experiment block of an event."""

    @property
    def name(self) -> str:
        """The experiment."""

    @property
    def arm(self) -> str:
        """The arm that the user has."""

    @property
    def source(self) -> str:
        """Why: COOKIE, or how it was drawn now."""

    @property
    def rollout(self) -> Rollout:
        """The app's own word on its value."""


class Event(Protocol):
    """A valid record; at is aware."""

    @property
    def at(self) -> datetime:
        """When."""

    @property
    def name(self) -> str:
        """What happened."""

    @property
    def user(self) -> str | int:
        """Who."""

    @property
    def experiment(self) -> Experiment | None:
        """The block; None: there is none that can be used."""


class Fault(StrEnum):
    """Why a line is no valid record."""

    NOT_UTF8 = "NotUTF8"
    NOT_JSON = "NotJSON"
    NOT_AN_OBJECT = "NotAnObject"
    TOO_LONG = "TooLong"
    TOO_DEEP = "TooDeep"
    TWICE = "DuplicateKey"
    MISSING = "Missing"
    WRONG_TYPE = "WrongType"
    NOT_A_TIME = "NotATime"
    OUT_OF_RANGE = "OutOfRange"
    TOO_MANY = "TooMany"


_WORDS = {
    Fault.NOT_UTF8: "is not UTF-8",
    Fault.NOT_JSON: "is not JSON, or cut off",
    Fault.NOT_AN_OBJECT: "is not an object",
    Fault.TOO_LONG: "is longer than 1 MiB",
    Fault.TOO_DEEP: "is nested too deep",
    Fault.TWICE: "stands there twice",
    Fault.MISSING: "is missing",
    Fault.WRONG_TYPE: "is of a wrong type",
    Fault.NOT_A_TIME: "is no ISO 8601 time",
    Fault.OUT_OF_RANGE: "is empty, too long or too large",
    Fault.TOO_MANY: "has too many different values",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line is refused; where: the key, "" for the line itself."""

    fault: Fault
    where: str = ""

    @property
    def words(self) -> str:
        """Return it as a sentence without its end."""
        return f"{self.where or 'the line'} {_WORDS[self.fault]}"
