"""What no mixture of known and unknown preconditions can make a ramp do."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from rampguard.core.decide import decide
from rampguard.core.model import Applying, Decision, Ended, RollingBack, State
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
from scenes import DAY, HOUR, MINUTE, before, look, pair, plan, seen, soaking, state

NOW = before().now
PASSED = Precursor(
    env="ROLLOUT",
    to=10,
    phase="Completed",
    ended_at=NOW - HOUR,
    watched=True,
    soaked=HOUR,
    conclusive=True,
)
GOOD = Required(smoke_test=PASSED, alerts=(), incidents=Answer(200))
WHYS = st.text(max_size=8)
PRECURSORS = st.builds(
    Precursor,
    env=st.sampled_from(("ROLLOUT", "OTHER")),
    to=st.sampled_from((10, 20)),
    phase=st.sampled_from(("Completed", "RolledBack", "Soaking")),
    ended_at=st.sampled_from((None, NOW - HOUR, NOW - 3 * DAY)),
    watched=st.booleans(),
    soaked=st.sampled_from((timedelta(0), HOUR)),
    blind=st.sampled_from((timedelta(0), 6 * MINUTE, HOUR)),
    blind_at_end=st.booleans(),
    breached=st.booleans(),
    conclusive=st.booleans(),
)
ALERTS = st.sampled_from(((), ("Down",)))
ANSWERS = st.builds(Answer, st.sampled_from((200, 204, 301, 404, 500)))
SEEN = st.none() | st.builds(
    Required,
    smoke_test=st.just(PASSED) | st.none() | WHYS | PRECURSORS,
    alerts=ALERTS | st.none() | WHYS,
    incidents=st.just(Answer(200)) | st.none() | WHYS | ANSWERS,
)
LINKS = st.just("https://x")
REQUIRES = st.builds(
    Require,
    smoke_test=st.none()
    | st.builds(SmokeTest, ramp=st.just("r"), max_age=st.just(DAY), conclusive=st.booleans())
    | st.builds(SmokeTest, evidence=LINKS),
    no_firing_alerts=st.none() | st.just('a="b"'),
    no_open_incidents=st.none()
    | st.builds(Incidents, check=st.just("pager"))
    | st.builds(Incidents, evidence=LINKS),
)
SIDES = st.sampled_from((None, NOW - HOUR, NOW, NOW + HOUR))
WINDOWS = st.none() | st.builds(Window, not_before=SIDES, not_after=SIDES)
OVERRIDE = Override("@mia", "because")


def start(require: Require, window: Window | None, required: Required | None) -> Decision:
    return decide(plan(require=require, window=window), State(), before(required=required))


def watch(require: Require, required: Required | None, steps: tuple[int, ...]) -> Decision:
    """Look at a soak that is over, and whose guardrails are all within their limits."""
    over = DAY + MINUTE
    value = steps[0] if steps else 50
    saw = seen(*pair(value), after=over, looks=(look(over - MINUTE / 2),), required=required)
    return decide(plan(require=require, steps=steps), state(soaking()), saw)


def goes(decision: Decision) -> bool:
    return isinstance(decision.state.stage, Applying | Ended)


def is_known(require: Require, required: Required | None) -> bool:
    """Say whether everything that is looked at was seen, whatever it showed."""
    found = required or Required()
    test, incidents = require.smoke_test, require.no_open_incidents
    return (
        (test is None or test.ramp is None or isinstance(found.smoke_test, Precursor))
        and (require.no_firing_alerts is None or isinstance(found.alerts, tuple))
        and (incidents is None or incidents.check is None or isinstance(found.incidents, Answer))
    )


def is_open(window: Window | None) -> bool:
    opens = (window and window.not_before) or NOW
    closes = (window and window.not_after) or NOW
    return opens <= NOW <= closes


@given(REQUIRES, WINDOWS, SEEN)
@example(Require(no_firing_alerts='a="b"'), None, Required(alerts=""))
def test_an_unknown_never_starts_a_ramp(
    require: Require, window: Window | None, required: Required | None
) -> None:
    if goes(start(require, window, required)):
        assert is_known(require, required)
        assert is_open(window)


@given(REQUIRES, SEEN, st.sampled_from(((), (25,))))
def test_an_unknown_never_lets_a_soak_go_on(
    require: Require, required: Required | None, steps: tuple[int, ...]
) -> None:
    if goes(watch(require, required, steps)):
        assert is_known(replace(require, smoke_test=None), required)


@given(REQUIRES, SEEN, st.sampled_from(((), (25,))))
def test_no_precondition_rolls_a_ramp_back(
    require: Require, required: Required | None, steps: tuple[int, ...]
) -> None:
    decision = watch(require, required, steps)
    assert not isinstance(decision.state.stage, RollingBack)
    assert all(getattr(action, "value", "") != "10" for action in decision.actions)


@given(REQUIRES, WINDOWS, SEEN)
def test_what_starts_with_less_starts_with_all_good(
    require: Require, window: Window | None, required: Required | None
) -> None:
    if goes(start(require, window, required)):
        assert goes(start(require, window, GOOD))


@given(REQUIRES, WINDOWS, SEEN)
def test_an_override_needs_the_window_and_nothing_else(
    require: Require, window: Window | None, required: Required | None
) -> None:
    overridden = replace(require, override=OVERRIDE)
    assert goes(start(overridden, window, required)) is is_open(window)


@given(REQUIRES, WINDOWS, SEEN)
def test_an_override_is_recorded_where_it_was_needed_and_only_there(
    require: Require, window: Window | None, required: Required | None
) -> None:
    overridden = start(replace(require, override=OVERRIDE), window, required)
    if goes(overridden):
        kept = any("overridden by @mia: because" in line for line in overridden.state.vouched)
        assert kept is not goes(start(require, window, required))


@given(REQUIRES, SEEN)
def test_each_unmet_one_is_in_the_message(require: Require, required: Required | None) -> None:
    """Whatever keeps a ramp waiting alone also stands in the message beside all the others."""
    whole = start(require, None, required)
    alone = (
        Require(smoke_test=require.smoke_test),
        Require(no_firing_alerts=require.no_firing_alerts),
        Require(no_open_incidents=require.no_open_incidents),
    )
    for one in alone:
        decision = start(one, None, required)
        if not goes(decision):
            assert decision.because.message in whole.because.message


def test_the_scenes_above_can_go() -> None:
    every = Require(
        smoke_test=SmokeTest(ramp="r", max_age=DAY),
        no_firing_alerts='a="b"',
        no_open_incidents=Incidents(check="pager"),
    )
    assert goes(start(every, Window(not_before=NOW, not_after=NOW), GOOD))
    assert all(goes(watch(every, GOOD, steps)) for steps in ((), (25,)))
