"""Records as lines: what they cost, and what a damaged line costs."""

import gzip
import json
import math
from dataclasses import replace
from typing import Any

import pytest

from rampguard.api.members import Damage, lines
from rampguard.api.record import Gap, Head, Tape, from_json, read, to_json
from rampguard.core.ask import Ref
from rampguard.core.model import DropFinalizer, DropStamp, Measured
from rampguard.core.replay import Record
from scenes import MINUTE, SECOND, T, look
from taped import UID, one, walked, written

KEPT = [one(i * SECOND) for i in range(6)]
REF = Ref("app", "tree-50")


def rows(kept: list[Record] = KEPT) -> list[bytes]:
    return gzip.decompress(written(kept, REF)).splitlines()


def test_a_member_says_who_wrote_it_of_which_ramp_and_since_when() -> None:
    first = next(read(lines([written(KEPT, REF)])))
    assert first == Head(operator="1.2.3", ramp=REF, uid=UID, at=T)


def test_records_come_back() -> None:
    assert [*read(rows())][1:] == KEPT


def test_only_what_changed_is_written_again() -> None:
    _, first, *others = rows()
    assert b'"record"' in first
    assert all(row.startswith(b'{"then":') and len(row) < len(first) / 4 for row in others)


async def test_a_state_is_written_once_though_it_ends_one_pass_and_begins_the_next() -> None:
    kept = await walked("completes")
    again = [
        json.loads(row)["then"].get("before")
        for row, before, after in zip(rows(kept)[2:], kept, kept[1:], strict=False)
        if to_json(before)["decision"]["state"] == to_json(after)["before"]
    ]
    assert len(again) > 5
    assert set(map(str, again)) == {"None"}


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 0.1 + 0.2, -0.0, 5e-324])
def test_a_number_comes_back_to_the_last_bit(number: float) -> None:
    measured = Measured(points={"p95": ((T, number),)})
    told = one(looks=(replace(look(MINUTE), measured=measured),))
    (found,) = from_json(to_json(told)).seen.looks[0].measured.points["p95"]
    assert repr(found[1]) == repr(number)


def test_a_zero_that_changes_its_sign_is_another_number() -> None:
    def with_zero(zero: float) -> Record:
        points = {"p95": ((T, zero),)}
        return one(looks=(replace(look(MINUTE), measured=Measured(points=points)),))

    kept = [with_zero(0.0), with_zero(-0.0), with_zero(0.0)]
    found = [entry for entry in read(rows(kept)) if isinstance(entry, Record)]
    assert [str(r.seen.looks[0].measured.points["p95"][0][1]) for r in found] == [
        "0.0",
        "-0.0",
        "0.0",
    ]


def test_actions_come_back_as_what_they_are() -> None:
    actions = (DropFinalizer(), DropStamp("api", "api"))
    told = replace(one(), decision=replace(one().decision, actions=actions))
    assert from_json(to_json(told)).decision.actions == actions


def test_records_that_were_dropped_leave_a_gap() -> None:
    tape = Tape(Head(operator="1", ramp=REF, uid=UID, at=T))
    told = [tape.head, tape.line(KEPT[0]), tape.gap(3), tape.line(KEPT[4])]
    _, *found = read(told)
    why = "the operator could not keep up, or could not write"
    assert found == [KEPT[0], Gap(3, why), KEPT[4]]


BROKEN: dict[str, bytes | Damage] = {
    "no JSON": b'{"then":',
    "no object": b"[]",
    "nothing of ours": b"{}",
    "a patch of nothing": b'{"then":{"ask":{"ref":{"a":{"b":[1]}}}}}',
    "a patch that is none": b'{"then":7}',
    "a record that is none": b'{"record":{"ask":{}}}',
    "a field that nobody knows": b'{"then":{"foreseen":[1]}}',
    "nested without end": b'{"then":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "bytes that are wrong": Damage("invalid block type"),
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_what_follows_a_broken_line_is_lost_to_the_end_of_its_member_and_told_once(
    line: Any,
) -> None:
    head, first, second, third, *_ = rows()
    found = list(read([head, first, line, second, third, *rows()]))
    assert found[:2] == [Head(operator="1.2.3", ramp=REF, uid=UID, at=T), KEPT[0]]
    gap = found[2]
    assert isinstance(gap, Gap)
    assert gap.records == 0
    assert gap.why
    assert [one for one in found[3:] if isinstance(one, Record)] == KEPT


def test_a_format_of_later_is_told_not_guessed() -> None:
    head, *others = rows()
    later = head.replace(b'"rampguard.dev/record":1', b'"rampguard.dev/record":2')
    (gap,) = read([later, *others])
    assert gap == Gap(
        0, "a line is no record of this format: it is of format 2, this version knows 1"
    )
