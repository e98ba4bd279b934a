"""One line of an analytics export, read slowly: what it says, or exactly why it is no event."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import msgspec

from rampguard.core.analytics import EXPOSURE, Fault, Refusal, Rollout

NAME = 200  # characters of a name
USERS = 2**60  # larger numbers would share a hash
WHOLE = 2**62  # a larger number is read as a float
DIGITS = 40  # of a whole number; one with more is read as a float
KEYS = ("timestamp", "event_name", "user_id", "experiment")  # of an event
BLOCK_KEYS = ("name", "variant", "source", "bucket", "rollout", "request_id")


class Refusing(Exception):
    """A line is no event."""

    def __init__(self, fault: Fault, where: str = "") -> None:
        super().__init__(where)
        self.refusal = Refusal(fault, where)


@dataclass(frozen=True, slots=True)
class Block:
    """An experiment block; source "" and rollout 0 where only name and arm are of use."""

    name: str
    arm: str
    source: str = ""
    rollout: Rollout = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A valid line."""

    at: datetime
    name: str
    user: str | int
    experiment: Block | None


class _Object(dict[str, Any]):
    """A JSON object that knows which keys it was given more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs) if len(pairs) > len(self) else {}
        self.repeated = {key for key, count in counts.items() if count > 1}


def exact(line: bytes) -> Record:
    """Return what a line says; Refusing with the first fault that it has."""
    told = _parsed(line)
    at, name, user = _time(told), _name(told, "event_name"), _user(told)
    block = told.get("experiment")
    if isinstance(block, _Object):
        _once(block, BLOCK_KEYS, "experiment.")
    return Record(at, name, user, _exposed(block) if name == EXPOSURE else _told_by_the_way(block))


def _parsed(line: bytes) -> _Object:
    try:
        told = json.loads(
            line.decode(), object_pairs_hook=_Object, parse_int=_whole, parse_constant=_constant
        )
    except UnicodeDecodeError:
        raise Refusing(Fault.NOT_UTF8) from None
    except RecursionError:
        raise Refusing(Fault.TOO_DEEP) from None
    except ValueError:
        raise Refusing(Fault.NOT_JSON) from None
    if not isinstance(told, _Object):
        raise Refusing(Fault.NOT_AN_OBJECT)
    _once(told, KEYS)
    return told


def _once(told: _Object, keys: Iterable[str], of: str = "") -> None:
    """Refuse an object in which one of our keys stands twice: parsers differ in which they take."""
    for key in keys:
        if key in told.repeated:
            raise Refusing(Fault.TWICE, f"{of}{key}")


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= DIGITS else float(digits)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _time(told: _Object) -> datetime:
    text = _there(told, "timestamp")
    if not isinstance(text, str):
        raise Refusing(Fault.WRONG_TYPE, "timestamp")
    try:
        at = msgspec.convert(text, datetime)
    except (msgspec.ValidationError, UnicodeError):  # half of a surrogate pair is no text to it
        at = _time_of_python(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _time_of_python(text: str) -> datetime:
    """Return a time in one of the other forms of ISO 8601."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Refusing(Fault.NOT_A_TIME, "timestamp") from None


def _user(told: _Object) -> str | int:
    user = _there(told, "user_id")
    if isinstance(user, str):
        return _text(user, "user_id")
    if isinstance(user, bool) or not isinstance(user, int | float):
        raise Refusing(Fault.WRONG_TYPE, "user_id")
    if isinstance(user, float) and abs(user) <= USERS:
        raise Refusing(Fault.WRONG_TYPE, "user_id")
    if abs(user) > USERS:
        raise Refusing(Fault.OUT_OF_RANGE, "user_id")
    return int(user)


def _exposed(block: object) -> Block:
    """Return the block of an exposure, which has all its parts."""
    if block is None:
        raise Refusing(Fault.MISSING, "experiment")
    if not isinstance(block, _Object):
        raise Refusing(Fault.WRONG_TYPE, "experiment")
    name, arm, source = (_name(block, key, "experiment.") for key in ("name", "variant", "source"))
    _number(block, "bucket")
    rollout = _number(block, "rollout")
    request = _there(block, "request_id", "experiment.")
    if not isinstance(request, str):
        raise Refusing(Fault.WRONG_TYPE, "experiment.request_id")
    _text(request, "experiment.request_id")
    return Block(name, arm, source, rollout)


def _told_by_the_way(block: object) -> Block | None:
    """Return the block of another event, which may have none, or one that tells no arm."""
    if not isinstance(block, _Object):
        return None
    try:
        return Block(_name(block, "name"), _name(block, "variant"))
    except Refusing:
        return None


def _there(told: _Object, key: str, of: str = "") -> Any:
    value = told.get(key)
    if value is None:
        raise Refusing(Fault.MISSING, f"{of}{key}")
    return value


def _name(told: _Object, key: str, of: str = "") -> str:
    value = _there(told, key, of)
    if not isinstance(value, str):
        raise Refusing(Fault.WRONG_TYPE, f"{of}{key}")
    if len(value) > NAME:
        raise Refusing(Fault.OUT_OF_RANGE, f"{of}{key}")
    return _text(value, f"{of}{key}")


def _text(value: str, where: str) -> str:
    if not value:
        raise Refusing(Fault.OUT_OF_RANGE, where)
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates
        raise Refusing(Fault.NOT_UTF8, where) from None
    return value


def _number(block: _Object, key: str) -> Rollout:
    """Return a number, or a string that may hold one: apps differ."""
    value, where = _there(block, key, "experiment."), f"experiment.{key}"
    if isinstance(value, str):
        return _name(block, key, "experiment.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusing(Fault.WRONG_TYPE, where)
    if not math.isfinite(value):
        raise Refusing(Fault.OUT_OF_RANGE, where)
    return value if abs(value) <= WHOLE else float(value)
