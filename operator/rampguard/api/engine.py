"""The compact line in the status that holds all we remember; people read the fields beside it."""

from dataclasses import fields, replace
from typing import Any, get_args

import orjson
from pydantic import TypeAdapter, ValidationError

from rampguard.api.faithful import faithful
from rampguard.core.model import Stage, State

VERSION = 2  # 1 counted new assignments alone
EXACT = 2**53  # up to it a float holds every whole number
STAGES = {one.__name__: one for one in get_args(Stage)}
# Conditions and timeline stand in the status for everybody, and are read from there.
_READ_ELSEWHERE = frozenset({"stage", "conditions", "timeline"})
_REST = {f.name: faithful(f.type) for f in fields(State) if f.name not in _READ_ELSEWHERE}
_STAGES = {name: faithful(one) for name, one in STAGES.items()}
_NEW = State()


class Damaged(ValueError):
    """The line was changed by another hand, or written by an operator of another version."""


def write(state: State) -> str:
    """Return the line; equal states give equal lines."""
    stage = type(state.stage).__name__
    told = {
        name: _plain(adapter, getattr(state, name))
        for name, adapter in _REST.items()
        if getattr(state, name) != getattr(_NEW, name)
    }
    facts = _plain(_STAGES[stage], state.stage)
    line = {"v": VERSION, "stage": stage, "facts": facts, **told}
    return orjson.dumps(_short(line), option=orjson.OPT_SORT_KEYS).decode()


def read(line: str) -> State:
    """Return the state of a line; Damaged if it can't be trusted."""
    try:
        told = orjson.loads(line)
        if not isinstance(told, dict):
            raise Damaged("it is no object")
        if (version := told.pop("v", None)) != VERSION:
            raise Damaged(f"it is of version {version}, and this operator reads {VERSION}")
        (stage,) = _STAGES[told.pop("stage")].validate_python([told.pop("facts")])
        rest = {name: _REST[name].validate_python([value])[0] for name, value in told.items()}
    except (KeyError, TypeError, orjson.JSONDecodeError, ValidationError) as error:
        raise Damaged(f"it cannot be read: {error}") from error
    return replace(_NEW, stage=stage, **rest)


def _plain(adapter: TypeAdapter[Any], value: object) -> Any:
    (plain,) = orjson.loads(adapter.dump_json((value,), exclude_defaults=True))
    return plain


def _short(value: Any) -> Any:
    """Return the same with whole numbers as such: counts are most of a long line."""
    match value:
        case float() if value.is_integer() and abs(value) < EXACT:
            return int(value)
        case list():
            return [_short(one) for one in value]
        case dict():
            return {name: _short(one) for name, one in value.items()}
    return value
