"""Records of passes as lines of JSON: the first of a member whole, then what changed since.

    {"rampguard.dev/record": 1, "operator", "namespace", "name", "uid", "at"}   opens a member
    {"record": {...}}   a pass: ask, tempo, before, seen, decision
    {"then": patch}     the next one, from the one before it (see delta.py)
    {"gap": 3}          so many passes were not recorded

Every member stands for itself: what is lost in one costs nothing of the next.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

import orjson
from pydantic import ValidationError

from rampguard.api.delta import patch, patched
from rampguard.api.faithful import faithful
from rampguard.api.members import Damage
from rampguard.core.ask import Ref
from rampguard.core.model import Action, Stage
from rampguard.core.replay import Record

FORMAT = 1
MARK = "rampguard.dev/record"
Json = dict[str, Any]
# Of each of these there are several kinds: it is written and read by the name of its kind.
_KINDS = {
    one.__name__: faithful(one, extra="forbid") for one in (*get_args(Stage), *get_args(Action))
}
_RECORD = faithful(Record, extra="forbid")
_WRONG = (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Who wrote the records of a member, of which ramp, and when it began."""

    operator: str  # version
    ramp: Ref
    uid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that are missing here; why: as far as it is known. records 0: nobody counted."""

    records: int
    why: str


class Tape:
    """Turns the records of one member into its lines."""

    def __init__(self, head: Head) -> None:
        self._last: Json = {}
        self.head = orjson.dumps(
            {
                MARK: FORMAT,
                "operator": head.operator,
                "namespace": head.ramp.namespace,
                "name": head.ramp.name,
                "uid": head.uid,
                "at": head.at,
            }
        )

    def line(self, record: Record) -> bytes:
        """Return the line of the next record."""
        told = to_json(record)
        line = {"then": self._patch(told)} if self._last else {"record": told}
        if self._last and not _same(patched(_next(self._last), line["then"]), told):
            line = {"record": told}  # 0 that became -0: equal, and another number
        self._last = told
        return orjson.dumps(line)

    def gap(self, records: int) -> bytes:
        """Return the line that tells of records that were dropped."""
        return orjson.dumps({"gap": records})

    def _patch(self, told: Json) -> Any:
        return patch(_next(self._last), told)


def read(lines: Iterable[bytes | Damage]) -> Iterator[Head | Record | Gap]:
    """Yield what lines tell; what cannot be read is a Gap, up to where it can be read again."""
    reader = _Reader()
    for line in lines:
        yield from reader.take(line)


def to_json(record: Record) -> Json:
    """Return a record as JSON knows it; equal JSON is an equal record, to the last bit."""
    told: Json
    (told,) = orjson.loads(_RECORD.dump_json((record,)))
    before, after = record.before.stage, record.decision.state.stage
    told["before"]["stage"] = {type(before).__name__: told["before"]["stage"]}
    decided = told["decision"]
    decided["state"]["stage"] = {type(after).__name__: decided["state"]["stage"]}
    decided["actions"] = [
        {type(one).__name__: fields}
        for one, fields in zip(record.decision.actions, decided["actions"], strict=True)
    ]
    return told


def from_json(told: Mapping[str, Any]) -> Record:
    """Return the record; ValueError, KeyError, TypeError or AttributeError if it is none."""
    before, decided = told["before"], told["decision"]
    state = decided["state"]
    named = {
        **told,
        "before": {**before, "stage": _kind(before["stage"])},
        "decision": {
            **decided,
            "state": {**state, "stage": _kind(state["stage"])},
            "actions": [_kind(one) for one in decided["actions"]],
        },
    }
    record: Record
    (record,) = _RECORD.validate_python([named])
    return record


def _kind(told: Json) -> Any:
    ((name, facts),) = told.items()
    (one,) = _KINDS[name].validate_python([facts])
    return one


def _next(last: Json) -> Json:
    """Return what the next record most likely begins with: the state that the last one left."""
    return last | {"before": last["decision"]["state"]}


def _same(one: Any, other: Any) -> bool:
    option = orjson.OPT_SORT_KEYS
    return orjson.dumps(one, option=option) == orjson.dumps(other, option=option)


class _Reader:
    """Follows the lines; after a hole it waits for a record that stands for itself."""

    def __init__(self) -> None:
        self._last: Json = {}
        self._hole = False  # told already
        self._foreign = False  # the member is of a format that we do not know

    def take(self, line: bytes | Damage) -> Iterator[Head | Record | Gap]:
        if isinstance(line, Damage):
            yield from self._lose(line.why)
            return
        try:
            found = self._understood(orjson.loads(line))
        except _WRONG as error:
            why = f"{error.error_count()} fields" if isinstance(error, ValidationError) else error
            yield from self._lose(f"a line is no record of this format: {why}")
            return
        if found is not None:
            self._hole = False
            yield found

    def _lose(self, why: str) -> Iterator[Gap]:
        self._last = {}
        if not self._hole:
            self._hole = True
            yield Gap(0, why)

    def _understood(self, told: Json) -> Head | Record | Gap | None:
        """Return what a line tells; None: it is part of what is told as lost already."""
        if MARK in told:
            self._last, self._foreign = {}, True
            head = _head(told)
            self._foreign = False
            return head
        if self._foreign:
            return None
        if "gap" in told:
            return Gap(int(told["gap"]), "the operator could not keep up, or could not write")
        whole = told["record"] if "record" in told else patched(_next(self._last), told["then"])
        record = from_json(whole)
        self._last = whole
        return record


def _head(told: Json) -> Head:
    if told[MARK] != FORMAT:
        raise ValueError(f"it is of format {told[MARK]}, this version knows {FORMAT}")
    return Head(
        operator=str(told["operator"]),
        ramp=Ref(str(told["namespace"]), str(told["name"])),
        uid=str(told["uid"]),
        at=datetime.fromisoformat(told["at"]),
    )
