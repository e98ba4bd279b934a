"""A record comes back as it was, whatever it holds."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from property.arbitrary import STATES, TEXTS
from rampguard.api.members import lines
from rampguard.api.record import from_json, read, to_json
from rampguard.core.model import Action, Judgement, Look, Measured, Observation, State
from rampguard.core.replay import Record, differences
from scenes import MINUTE
from taped import one, written

ANY = st.floats()  # NaN, both infinities, and both zeros
ACTIONS = st.lists(st.from_type(Action), max_size=3).map(tuple)
LOOKS = st.lists(
    st.builds(
        Look,
        judgements=st.lists(
            st.builds(Judgement, number=ANY, log_e_null=ANY, parts=st.just(())), max_size=2
        ).map(tuple),
        measured=st.builds(
            Measured,
            points=st.dictionaries(
                TEXTS,
                TEXTS | st.lists(st.tuples(st.just(one().seen.now), ANY), max_size=2).map(tuple),
                max_size=2,
            ),
        ),
    ),
    max_size=2,
).map(tuple)
OBSERVATIONS = st.builds(Observation, looks=LOOKS, workloads=st.just(()), kills=st.just(()))


@st.composite
def records(draw: st.DrawFn) -> Record:
    told = one(MINUTE, state=State())
    decision = replace(told.decision, state=draw(STATES), actions=draw(ACTIONS))
    return replace(told, before=draw(STATES), seen=draw(OBSERVATIONS), decision=decision)


@given(records())
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    told = to_json(record)
    again = from_json(told)
    assert list(differences(record, again)) == []
    same = to_json(again) == told and repr(to_json(again)) == repr(told)
    assert same  # to the sign of a zero


@given(st.lists(records(), min_size=1, max_size=3))
def test_records_that_follow_each_other_come_back_all(kept: list[Record]) -> None:
    found = [entry for entry in read(lines([written(kept)])) if isinstance(entry, Record)]
    assert len(found) == len(kept)
    same = [repr(to_json(one)) for one in found] == [repr(to_json(one)) for one in kept]
    assert same
