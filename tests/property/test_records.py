"""A record comes back as it was, whatever it holds."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from property.arbitrary import INSTANTS, SPANS, STATES, TEXTS
from rampguard.api.members import lines
from rampguard.api.record import from_json, read, to_json
from rampguard.core.model import Action, Judgement, Look, Measured, Observation, State
from rampguard.core.replay import Record, differences
from rampguard.core.require import (
    Answer,
    Incidents,
    Override,
    Precursor,
    Require,
    Required,
    SmokeTest,
    Window,
)
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
REQUIRED = st.builds(
    Required,
    smoke_test=st.none() | TEXTS | st.builds(Precursor, phase=TEXTS, ended_at=st.none() | INSTANTS),
    alerts=st.none() | TEXTS | st.lists(TEXTS, max_size=2).map(tuple),
    incidents=st.none() | TEXTS | st.builds(Answer, words=TEXTS),
)
OBSERVATIONS = st.builds(
    Observation,
    looks=LOOKS,
    workloads=st.just(()),
    kills=st.just(()),
    required=st.none() | REQUIRED,
)
REQUIRES = st.none() | st.builds(
    Require,
    smoke_test=st.none() | st.builds(SmokeTest, ramp=st.none() | TEXTS, max_age=SPANS),
    no_firing_alerts=st.none() | TEXTS,
    no_open_incidents=st.none() | st.builds(Incidents, check=st.none() | TEXTS),
    override=st.none() | st.from_type(Override),
)
WINDOWS = st.none() | st.builds(Window, not_before=st.none() | INSTANTS)


@st.composite
def records(draw: st.DrawFn) -> Record:
    told = one(MINUTE, state=State())
    decision = replace(told.decision, state=draw(STATES), actions=draw(ACTIONS))
    ask = replace(told.ask, require=draw(REQUIRES), window=draw(WINDOWS))
    seen = draw(OBSERVATIONS)
    return replace(told, ask=ask, before=draw(STATES), seen=seen, decision=decision)


@given(records())
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    told = to_json(record)
    again = from_json(told)
    assert list(differences(record, again)) == []
    same = to_json(again) == told and repr(to_json(again)) == repr(told)
    assert same  # to the sign of a zero


def exact(told: object) -> str:
    """Show to the sign of a zero; names have no order, and a patch gives them another."""
    if isinstance(told, dict):
        return repr(sorted((name, exact(value)) for name, value in told.items()))
    return repr([*map(exact, told)]) if isinstance(told, list) else repr(told)


@given(st.lists(records(), min_size=1, max_size=3))
def test_records_that_follow_each_other_come_back_all(kept: list[Record]) -> None:
    found = [entry for entry in read(lines([written(kept)])) if isinstance(entry, Record)]
    assert len(found) == len(kept)
    same = [exact(to_json(one)) for one in found] == [exact(to_json(one)) for one in kept]
    assert same
