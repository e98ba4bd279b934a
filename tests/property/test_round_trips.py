"""What is written is read again as it was."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fakes import ramp
from property.arbitrary import INSTANTS, SPANS, STATES, TEXTS
from rampguard.api import engine
from rampguard.api.stamp import read_stamp, stamp_key, write_stamp
from rampguard.api.status import Status, to_state, to_status
from rampguard.core.ask import EnvName
from rampguard.core.durations import parse_duration, show_duration
from rampguard.core.model import Condition, Line, Phase, Stamp, State
from rampguard.core.plan import schedule
from rampguard.core.promql import parse_selector, quoted, with_matchers
from rampguard.core.view import StatusView
from rampguard.ports import InvalidSpec
from scenes import ASK

VIEW = StatusView(
    phase=Phase.SOAKING,
    phase_since=None,
    progress="",
    pods="-",
    findings="-",
    summary="",
    targets=(),
    soak=None,
    blind=timedelta(0),
)
WHOLE = INSTANTS.map(lambda at: at.replace(microsecond=0))
NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,10}", fullmatch=True).filter(
    lambda name: name != "__name__"
)


@given(STATES)
def test_the_engine_remembers_every_state_exactly(state: State) -> None:
    line = engine.write(state)
    same = engine.read(line) == state  # a fact: pytest would compare pages of text at each failure
    assert same, line
    assert engine.write(engine.read(line)) == line


@given(STATES)
def test_the_status_gives_back_every_state(state: State) -> None:
    same = to_state({"status": to_status(VIEW, state)}, ASK) == state
    assert same


@given(STATES)
def test_every_status_fits_its_schema(state: State) -> None:
    state = replace(state, findings=state.findings[:3])
    told = to_status(VIEW, state)
    same = Status.model_validate(told).model_dump(exclude_none=True, by_alias=True) == told
    assert same


@given(
    st.lists(st.tuples(WHOLE, TEXTS), max_size=5),
    st.lists(st.tuples(TEXTS, WHOLE), max_size=5),
)
def test_conditions_and_timeline_come_back_as_people_see_them(lines, told) -> None:
    conditions = tuple(
        Condition(
            type=f"T{i}",
            status="True",
            reason="R",
            message=_printable(text),
            since=at,
            generation=i,
        )
        for i, (text, at) in enumerate(told)
    )
    timeline = tuple(Line(at, _printable(text)) for at, text in lines)
    state = State(started_at=ASK.created_at, conditions=conditions, timeline=timeline)
    assert to_state({"status": to_status(VIEW, state)}, ASK) == state


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


@given(st.text(max_size=200) | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
@example("")
@example("[]")
@example('{"v":1}')
@example('{"v":2,"stage":"Nothing","facts":{}}')
@example('{"v":2,"stage":"Soaking","facts":{}}')
@example('{"v":2,"stage":"Pending","facts":{},"seq":{}}')
@example('{"v":2,"stage":"Pending","facts":{},"stage2":1}')
@example('{"v":2,"stage":["Pending"],"facts":{}}')
@example("9" * 400)
def test_a_damaged_memory_is_an_invalid_spec_and_nothing_else(line: str) -> None:
    with pytest.raises(InvalidSpec, match="undo by hand"):
        to_state({"status": {"engine": line, "startedAt": "2026-11-23T12:00:00Z"}}, ASK)


def test_a_new_ramp_remembers_nothing() -> None:
    assert to_state(ramp(), ASK) == State()


@given(SPANS | SPANS.map(lambda span: -span))
def test_a_duration_is_read_as_it_was_shown(span: timedelta) -> None:
    assert parse_duration(show_duration(span)) == span


@given(TEXTS)
def test_what_is_no_duration_is_a_value_error(text: str) -> None:
    try:
        span = parse_duration(text)
    except ValueError:
        return
    assert parse_duration(show_duration(span)) == span


@given(st.lists(SPANS, max_size=6).map(tuple) | st.none(), SPANS.filter(bool))
def test_findings_lie_within_the_soak_in_order(asked, soak) -> None:
    due = schedule(asked, soak)
    assert list(due) == sorted(set(due))
    assert all(after <= soak for after in due)
    if asked is None:
        assert due[-1] == soak


MATCHERS = st.lists(
    st.tuples(NAMES, st.sampled_from(("=", "!=", "=~", "!~")), st.text(max_size=10)), max_size=4
)


@given(NAMES, MATCHERS)
def test_a_selector_is_read_as_it_was_written(metric, matchers) -> None:
    text = f"{metric}{{{','.join(f'{k}{op}{quoted(v)}' for k, op, v in matchers)}}}"
    assume(len(text) <= 2048)
    assert str(parse_selector(text)) == text


@given(NAMES, st.dictionaries(NAMES, st.text(max_size=20), max_size=3))
def test_added_matchers_stay_a_selector_whatever_they_say(metric, more) -> None:
    told = parse_selector(with_matchers(metric, more))
    assert told.metric == metric
    assert tuple(m.label for m in told.matchers) == tuple(more)


@given(st.text(max_size=60))
@example("a or b")
@example('up{a="b"} offset 5m')
@example("sum(up)")
@example('up{__name__="x"}')
@example('up{a="b"}[5m]')
@example('up{a="b\\"}')
def test_what_is_no_selector_is_a_value_error(text: str) -> None:
    try:
        told = parse_selector(text)
    except ValueError:
        return
    assert parse_selector(str(told)) == told


@given(st.from_type(Stamp), TEXTS.filter(bool), TEXTS.filter(bool))
def test_a_stamp_is_read_as_it_was_written(stamp: Stamp, container: str, env: str) -> None:
    assume(stamp.uid and stamp.name)
    name = EnvName(env)
    annotations = {stamp_key(container, name): write_stamp(stamp)}
    found = read_stamp({"metadata": {"annotations": annotations}}, container, name)
    assert found == stamp


@given(TEXTS)
@example("{}")
@example("[" * 5000)
@example('{"uid":1}')
def test_an_unreadable_stamp_is_somebody_elses(text: str) -> None:
    env = EnvName("ROLLOUT")
    found = read_stamp({"metadata": {"annotations": {stamp_key("api", env): text}}}, "api", env)
    assert found is not None
    assert found.uid != ASK.uid


@given(TEXTS.filter(bool), TEXTS.filter(bool))
def test_a_stamp_has_a_name_that_kubernetes_takes(container: str, env: str) -> None:
    prefix, _, name = stamp_key(container, EnvName(env)).partition("/")
    assert prefix == "rampguard.dev"
    assert 0 < len(name) <= 63
    assert name[0].isalnum()
    assert name[-1].isalnum()
    assert all(c.isascii() and (c.isalnum() or c in "-_.") for c in name)
