"""A record is worked out once more: the same facts, the same judgements, the same decision."""

import math
from dataclasses import replace

import pytest

from crash.story import STORIES
from rampguard.core.model import Judgement
from rampguard.core.replay import Difference, Record, differences, replayed
from taped import walked


@pytest.mark.parametrize("story", STORIES)
async def test_a_whole_ramp_comes_out_as_it_was_recorded(story: str) -> None:
    kept = await walked(story)
    assert kept
    assert [list(differences(one, replayed(one))) for one in kept] == [[] for _ in kept]


async def counted() -> Record:
    """Return the record of a pass that judged what was counted."""
    kept = await walked("counted")
    return [one for one in kept if one.seen.looks and one.seen.looks[0].judgements[0].number][-1]


def with_judgement(record: Record, **facts: object) -> Record:
    (look,) = record.seen.looks
    first, *others = look.judgements
    looks = (replace(look, judgements=(replace(first, **facts), *others)),)
    return replace(record, seen=replace(record.seen, looks=looks))


TAMPERED = {"verdict": "Breached", "value": "49.9%", "number": 0.4999, "log_e_null": math.nan}


@pytest.mark.parametrize(("field", "value"), TAMPERED.items())
async def test_a_judgement_that_was_changed_is_exactly_that_difference(field, value) -> None:
    record = await counted()
    judged = record.seen.looks[0].judgements[0]
    changed = with_judgement(record, **{field: value})
    path = f"seen.looks[0].judgements[0 {judged.name}].{field}"
    (found,) = differences(changed, replayed(changed))
    assert (found.path, found.recomputed) == (path, getattr(judged, field))
    assert repr(found.recorded) == repr(value)


async def test_a_decision_that_was_changed_is_exactly_that_difference() -> None:
    record = await counted()
    fenced = record.decision.fenced
    changed = replace(record, decision=replace(record.decision, fenced=not fenced))
    assert list(differences(changed, replayed(changed))) == [
        Difference("decision.fenced", not fenced, fenced)
    ]


async def test_other_counts_give_another_judgement() -> None:
    record = await counted()
    (look,) = record.seen.looks
    evidence = look.measured.counted
    assert not isinstance(evidence, str)
    doubled = tuple(tuple(r.plus(r) for r in family) for family in evidence.counts)
    measured = replace(look.measured, counted=replace(evidence, counts=doubled))
    changed = replace(record, seen=replace(record.seen, looks=(replace(look, measured=measured),)))
    paths = {one.path for one in differences(changed, replayed(changed))}
    assert any(path.endswith(".counted") for path in paths)


VALUES = {
    "the same": (1.0, 1, []),
    "not a number, twice": (math.nan, math.nan, []),
    "not a number, once": (math.nan, 1.0, [Difference("", math.nan, 1.0)]),
    "not a number any more": (1.0, math.nan, [Difference("", 1.0, math.nan)]),
    "one more": ((1,), (1, 2), [Difference("[1]", None, 2)]),
    "another kind": ((1,), "1", [Difference("", (1,), "1")]),
    "a key": ({"a": (1,)}, {"a": (2,)}, [Difference("[a][0]", 1, 2)]),
}


@pytest.mark.parametrize(("one", "other", "told"), VALUES.values(), ids=VALUES)
def test_differences_are_told_by_their_path(one, other, told) -> None:
    assert repr(list(differences(one, other))) == repr(told)


@pytest.mark.parametrize(("name", "path"), [("share", "[0 share].value"), ("", "[0].value")])
def test_an_item_is_named_as_people_name_it(name: str, path: str) -> None:
    def judged(value: str) -> Judgement:
        return Judgement(name=name, type="ExposureBalance", verdict="NoData", value=value)

    (found,) = differences((judged("1"),), (judged("2"),))
    assert found.path == path
