"""Typed decoders of the lines of an analytics export: what they take is valid, and taken fast.

They do not tell a key that stands twice, nor bytes that are not UTF-8 in what they pass over.
"""

import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from rampguard.api.exact import NAME, USERS, WHOLE

Aware = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME)]
Filled = Annotated[str, Meta(min_length=1)]
Id = Filled | Annotated[int, Meta(ge=-USERS, le=USERS)]
Number = Name | Annotated[int, Meta(ge=-WHOLE, le=WHOLE)] | float


class Block(msgspec.Struct, gc=False, eq=False):
    """The experiment block."""

    name: Name
    arm: Name = msgspec.field(name="variant")
    source: Name
    bucket: Number
    rollout: Number
    request_id: Filled


class Record(msgspec.Struct, gc=False, eq=False):
    """A line; its time names a zone."""

    at: Aware = msgspec.field(name="timestamp")
    name: Name = msgspec.field(name="event_name")
    user: Id = msgspec.field(name="user_id")
    experiment: Block | None = None


class Naive(msgspec.Struct, gc=False, eq=False):
    """A line whose time names none."""

    at: Annotated[datetime, Meta(tz=False)] = msgspec.field(name="timestamp")
    name: Name = msgspec.field(name="event_name")
    user: Id = msgspec.field(name="user_id")
    experiment: Block | None = None


class HalfBlock(msgspec.Struct, gc=False, eq=False):
    """What the block of another event than an exposure has to tell."""

    name: Name
    arm: Name = msgspec.field(name="variant")
    source: ClassVar[str] = ""
    rollout: ClassVar[int] = 0


class HalfRecord(msgspec.Struct, gc=False, eq=False):
    """A line of such an event; its time names a zone."""

    at: Aware = msgspec.field(name="timestamp")
    name: Name = msgspec.field(name="event_name")
    user: Id = msgspec.field(name="user_id")
    experiment: HalfBlock


Decoder = msgspec.json.Decoder[Record] | msgspec.json.Decoder[Naive]
AWARE = msgspec.json.Decoder(Record)
NAIVE = msgspec.json.Decoder(Naive)
HALF = msgspec.json.Decoder(HalfRecord)


def knowing(
    events: Iterable[str], experiments: Iterable[str], arms: Iterable[str], sources: Iterable[str]
) -> msgspec.json.Decoder[Record]:
    """Return AWARE for these names alone: each is one object, and so are hashed and compared fast.

    Each holds one name at least.
    """
    one_of: Any = Literal
    fields: dict[str, Any] = {
        "name": one_of[tuple(experiments)],
        "arm": one_of[tuple(arms)],
        "source": one_of[tuple(sources)],
        "bucket": Number,
        "rollout": Number,
        "request_id": Filled,
    }
    block = msgspec.defstruct(
        "KnownBlock", fields.items(), rename={"arm": "variant"}, gc=False, eq=False
    )
    record = msgspec.defstruct(
        "KnownRecord",
        (
            ("at", Aware),
            ("name", one_of[tuple(map(sys.intern, events))]),  # EXPOSURE is the same object
            ("user", Id),
            ("experiment", block | None, None),
        ),
        rename={"at": "timestamp", "name": "event_name", "user": "user_id"},
        gc=False,
        eq=False,
    )
    return msgspec.json.Decoder(record)
