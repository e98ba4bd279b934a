"""spec.window and spec.require as people write them, and what the core is asked by them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from rampguard.api.require_rules import (
    INCIDENT_RULES,
    INSTANT_RULES,
    LINK_RULES,
    REQUIRE_RULES,
    SMOKE_TEST_RULES,
    WINDOW_RULES,
)
from rampguard.api.rules import minutes
from rampguard.api.wire import Duration, Name, Wire, bounded, ruled
from rampguard.core import require as core
from rampguard.core.promql import firing


def _matchers(value: str) -> str:
    try:
        firing(value)
    except ValueError as error:
        raise PydanticCustomError("rule", "{text}", {"text": str(error)}) from error
    return value


Instant = Annotated[str, bounded(25, INSTANT_RULES), ruled(INSTANT_RULES)]
Link = Annotated[str, bounded(512, LINK_RULES), ruled(LINK_RULES)]
Matchers = Annotated[
    str, StringConstraints(min_length=1, max_length=512), AfterValidator(_matchers)
]
RampName = Annotated[str, StringConstraints(min_length=1, max_length=63)]


class Window(Wire):
    """When the ramp may start."""

    RULES = WINDOW_RULES

    not_before: Instant | None = Field(None, description="it starts at this instant or later")
    not_after: Instant | None = Field(None, description="it starts at this instant or earlier")


class SmokeTest(Wire):
    """An earlier ramp, or a link by which a person vouches."""

    RULES = SMOKE_TEST_RULES

    ramp: RampName | None = Field(
        None,
        description="ramp of this namespace and env: completed, watched, without a breach, blind"
        " for less than a tenth of its soak and not at its end; its `to` is our `from`",
    )
    max_age: Duration | None = Field(None, description="how long ago it may have ended")
    require_conclusive: bool | None = Field(
        None, strict=True, description="each of its guardrails was proven to be within its limit"
    )
    evidence: Link | None = Field(
        None, description="a person vouches by this link; kept in the status and in every finding"
    )


class Incidents(Wire):
    """That no incident is open: by an HTTP check, or by a link."""

    RULES = INCIDENT_RULES

    check: Name | None = Field(
        None, description="an HTTP check named in the operator's configuration; 200: none is open"
    )
    evidence: Link | None = Field(
        None, description="a person vouches by this link; kept in the status and in every finding"
    )


class Override(Wire):
    """Who goes on without what does not hold, and why."""

    by: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Require(Wire):
    """What must hold before the first write."""

    RULES = REQUIRE_RULES

    smoke_test: SmokeTest | None = None
    no_firing_alerts: Matchers | None = Field(
        None,
        description="label matchers: no alert that fires may have these labels, and Prometheus must"
        " answer; looked at in the soak, too",
    )
    no_open_incidents: Incidents | None = None
    announced: bool | None = Field(
        None,
        strict=True,
        description="RampPlanned was delivered to every channel of spec.notify; it goes to all of"
        " them then",
    )
    override: Override | None = Field(
        None,
        description="start or go on although some of this does not hold; never skips the window",
    )


def to_window(told: Window | None) -> core.Window | None:
    """Return what the core is asked of the window; None: it may start at any time."""
    if told is None:
        return None
    return core.Window(not_before=_at(told.not_before), not_after=_at(told.not_after))


def to_require(told: Require | None) -> core.Require | None:
    """Return what the core is asked to see hold; None: nothing."""
    if told is None:
        return None
    test, incidents, override = told.smoke_test, told.no_open_incidents, told.override
    return core.Require(
        smoke_test=_smoke_test(test) if test else None,
        no_firing_alerts=told.no_firing_alerts,
        no_open_incidents=core.Incidents(check=incidents.check, evidence=incidents.evidence)
        if incidents
        else None,
        announced=bool(told.announced),
        override=core.Override(override.by, override.reason) if override else None,
    )


def _smoke_test(told: SmokeTest) -> core.SmokeTest:
    return core.SmokeTest(
        ramp=told.ramp,
        max_age=(minutes(told.max_age) if told.max_age else None) or timedelta(0),
        conclusive=bool(told.require_conclusive),
        evidence=told.evidence,
    )


def _at(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written).astimezone(UTC)
