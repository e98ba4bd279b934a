"""Ramps that ask for preconditions, and what is seen of these before the start and in a soak."""

from dataclasses import replace
from datetime import timedelta

from rampguard.core.model import (
    Decision,
    Observation,
    State,
    Verdict,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
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
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    before,
    look,
    pair,
    plan,
    watch,
)

NOW = before().now
SEV1 = 'severity="sev1"'
WIKI = "https://wiki.example.com/"
TEST = SmokeTest(ramp="tree-10", max_age=14 * DAY)
ALL = Require(smoke_test=TEST, no_firing_alerts=SEV1, no_open_incidents=Incidents(check="pager"))
LINKS = Require(
    smoke_test=SmokeTest(evidence=f"{WIKI}test"),
    no_open_incidents=Incidents(evidence=f"{WIKI}none"),
)
PASSED = Precursor(
    env="ROLLOUT",
    to=10,
    phase="Completed",
    ended_at=NOW - DAY,
    watched=True,
    soaked=HOUR,
    conclusive=True,
    because="passed",
)
ENDED = Precursor(env="ROLLOUT", to=10, phase="Completed", ended_at=NOW - DAY)
CALM = Required(smoke_test=PASSED, alerts=(), incidents=Answer(200))
OVERRIDE = Override("@mia", "alert X is known, INC-12")
STRICT = replace(ALL, smoke_test=replace(TEST, conclusive=True))
FROM_9 = Window(not_before=NOW, not_after=NOW + 6 * HOUR)
MISSING, VAGUE = Reason.SMOKE_TEST_MISSING, Reason.SMOKE_TEST_INCONCLUSIVE
ALERTS, INCIDENT, LATE = Reason.ALERTS_FIRING, Reason.INCIDENT_OPEN, Reason.OUTSIDE_WINDOW


def asked(require: Require | None = ALL, **more: object) -> Plan:
    return plan(require=require, **more)


def found(**facts: object) -> Observation:
    return before(required=replace(CALM, **facts))


def smoke(**facts: object) -> Observation:
    return found(smoke_test=replace(PASSED, **facts))


END = DAY + MINUTE


def soak(
    require: Require | None = ALL,
    *,
    after: timedelta = END,
    share: Verdict = Verdict.WITHIN_TOLERANCE,
    required: Required | None = CALM,
    was: State | None = None,
    **more: object,
) -> Decision:
    """Look at a soak after some time; required: what is seen of the preconditions."""
    return watch(
        look(after, share),
        of=asked(require, **more),
        was=was,
        required=required,
        both=pair(25 if "steps" in more else 50),
        after=after + 15 * SECOND,
    )


FIRES = replace(CALM, alerts=("Down",))
OPEN = replace(CALM, incidents=Answer(503, "INC-7"))
GONE = replace(CALM, smoke_test="there is no ramp")
OVERRIDDEN = replace(ALL, override=OVERRIDE)
