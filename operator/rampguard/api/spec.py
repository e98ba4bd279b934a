"""What people write, as the wire carries it. Defaults stand here; none inside list items.

Every text and list is bounded: the API server prices its rules by the longest that may come.
"""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from rampguard.api.guardrail_rules import GUARDRAIL_RULES, LARGEST_TOLERANCE
from rampguard.api.probe import Probe
from rampguard.api.raw import saying
from rampguard.api.require import Require, Window
from rampguard.api.rules import (
    ARMS_RULES,
    DECISION_RULES,
    ENV_RULES,
    FINDING_RULES,
    LASTING_RULES,
    NUMBER_RULES,
    PROBABILITY_RULES,
    SPEC_RULES,
)
from rampguard.api.wire import Duration, Name, Short, Wire, bounded, ruled
from rampguard.core.promql import Matcher, cohort, parse_selector

GATE = r"^(start|step-[0-9]+|breach|rebaseline)(-[0-9]+)?$"
LABEL = r"^[a-zA-Z_][a-zA-Z0-9_]*$"


def _selector(value: str) -> str:
    try:
        parse_selector(value)
    except ValueError as error:
        raise PydanticCustomError("rule", "{text}", {"text": str(error)}) from error
    return value


LongName = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=LABEL)]
Query = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
Selector = Annotated[Query, AfterValidator(_selector)]
Percent = Annotated[int, Field(ge=0, le=100, strict=True)]
Env = Annotated[str, bounded(128, ENV_RULES), ruled(ENV_RULES)]
Due = Annotated[str, bounded(16, FINDING_RULES), ruled(FINDING_RULES)]
Lasting = Annotated[str, bounded(16, LASTING_RULES), ruled(LASTING_RULES)]
Probability = Annotated[str, bounded(6, PROBABILITY_RULES), ruled(PROBABILITY_RULES)]
Number = Annotated[str, bounded(26, NUMBER_RULES), ruled(NUMBER_RULES)]


class Target(Wire):
    """One container of one Deployment."""

    name: LongName = Field(description="Deployment in this namespace")
    container: Short | None = Field(
        None, description="default: the container named like the Deployment, else the only one"
    )
    min_pods: Annotated[int, Field(ge=0, le=1, strict=True)] | None = Field(
        None, description="0 lets a target without pods count as proven; default 1"
    )


class Arms(Wire):
    """Values of the arm label."""

    RULES = ARMS_RULES

    control: Short
    treatment: Short


class Metrics(Wire):
    """Where the assignments are counted."""

    source: Name = Field(
        "default", description="a Prometheus named in the operator's configuration"
    )
    arm_label: Label = Field("variant", description="label that carries the arm")
    assignments: Selector = Field(
        description="selector of a counter of new assignments; cookie repeats left out"
    )


class Guardrail(Wire):
    """A metric rule that may roll back."""

    RULES = GUARDRAIL_RULES

    name: Name
    type: Literal["ExposureBalance", "RelativeDrop", "ErrorRate", "Threshold"]
    tolerance: Annotated[int, Field(ge=1, le=LARGEST_TOLERANCE, strict=True)] | None = Field(
        None,
        description="ExposureBalance: percentage points around the share; RelativeDrop: percent"
        " below control; ErrorRate: percent above control and above the time before the ramp",
    )
    metric: Selector | None = Field(
        None,
        description="selector of a counter. RelativeDrop: of starts by new users; ErrorRate: of"
        " requests that failed",
    )
    source: Literal["analytics"] | None = Field(
        None,
        alias="from",
        description="RelativeDrop: counts users in the export of spec.analytics, instead of metric",
    )
    event: Line | None = Field(
        None,
        description="RelativeDrop, from analytics: name of the event that users have soon after"
        " their exposure",
    )
    requests: Selector | None = Field(
        None, description="ErrorRate: selector of a counter of all requests"
    )
    once_per_user: bool | None = Field(
        None,
        strict=True,
        description="RelativeDrop: a user can count at most once, so that a sharper test holds",
    )
    kill_switch: Annotated[int, Field(ge=1, le=100, strict=True)] | None = Field(
        None,
        description="ErrorRate: percent of the requests of two minutes that may fail, whatever"
        " the statistics say",
    )
    query: Query | None = Field(None, description="Threshold: PromQL that gives one sample")
    max: Number | None = Field(None, description="Threshold: broken above it")
    min: Number | None = Field(None, description="Threshold: broken below it")
    lasting: Lasting | None = Field(
        None, alias="for", description="Threshold: broken without a break for this long"
    )
    dry_run: bool | None = Field(None, strict=True, description="judged and shown, never decides")


class Analytics(Wire):
    """A spot-check of an analytics export."""

    source: Name = Field(description="an export named in the operator's configuration")
    after: Duration = Field(
        "15m", description="time of a soak after which it is read first; then at each finding"
    )


class Gitops(Wire):
    """How entries that are declared in Git are treated."""

    policy: Literal["Enforce", "Ignore"] = Field(
        "Enforce", description="Enforce: a variable declared in Git blocks the start"
    )


class Notify(Wire):
    """A channel that is told of the ramp."""

    channel: Name = Field(description="a channel named in the operator's configuration")
    events: (
        Annotated[
            tuple[
                Literal[
                    "RampPlanned",
                    "RampStarted",
                    "FindingRecorded",
                    "RampSucceeded",
                    "GuardrailBreached",
                    "RollbackVerified",
                    "Blocked",
                    "Contested",
                ],
                ...,
            ],
            Field(min_length=1, max_length=8),
        ]
        | None
    ) = Field(
        None,
        description="what it is told of; default: everything",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class NextDecision(Wire):
    """What follows a ramp that succeeded; told with RampPlanned and RampSucceeded."""

    RULES = DECISION_RULES

    analysis_window: Line | None = Field(
        None, description="when the experiment is analysed, in words"
    )
    go_no_go: Line | None = Field(
        None, description="when it is decided how the experiment goes on, in words"
    )


class Spec(Wire):
    """What a ramp asks for."""

    RULES = SPEC_RULES

    experiment: Short = Field(description="key of the experiment in the app and its metrics")
    env: Env = Field(description="the variable; its value is the share in percent")
    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=10)] = Field(
        description="one transaction: all of them move, or none stays moved",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
    origin: Percent = Field(
        alias="from", description="what must run now; anything else blocks the ramp"
    )
    from_absent: bool | None = Field(
        None, strict=True, description="the variable is absent before the ramp"
    )
    to: Percent = Field(description="the goal")
    steps: Annotated[tuple[Percent, ...], Field(max_length=10)] | None = Field(
        None, description="shares on the way; default: straight to the goal"
    )
    step_soak: Duration = Field("1h", description="time at each step before the last")
    soak: Duration = Field("24h", description="time at the goal; may be extended while it runs")
    findings: Annotated[tuple[Due, ...], Field(max_length=10)] | None = Field(
        None, description="default: 1h, 6h, 24h as far as they fit, and the end of the soak"
    )
    proof_timeout: Duration = Field(
        "15m", description="how long the proof of pods may make no progress"
    )
    arms: Arms | None = None
    metrics: Metrics | None = None
    probe: Probe | None = Field(
        None, description="asks the app itself which arm it gives to users; default: nobody does"
    )
    analytics: Analytics | None = Field(
        None,
        description="reads what the app wrote about its users: are the records whole, do both arms"
        " report, do they grow alike; told, and never more. Default: nothing is read",
    )
    guardrails: Annotated[tuple[Guardrail, ...], Field(min_length=1, max_length=10)] = Field(
        description="what watches the ramp; nothing else does",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
    alpha: Probability = Field(
        "0.01", description="chance of a rollback in the ramp if nothing is wrong"
    )
    alpha_within_tolerance: Probability = Field(
        "0.10", description="the same if every real shift stays within tolerance"
    )
    no_data: Literal["Hold", "Rollback", "Ignore"] = Field(
        "Hold", description="what being blind for longer than maxBlind does"
    )
    max_blind: Duration = Field("10m")
    max_hold: Duration = Field("2h", description="blind for so long, a person is called again")
    on_failure: Literal["Rollback", "Hold"] = Field(
        "Rollback", description="what a breach does; Hold keeps the share and asks a person"
    )
    on_unattributable: Literal["Hold", "Rollback"] = Field(
        "Hold",
        description="what a breach does that the ramp may not have caused: one that began long"
        " after the start and that only the comparison with the past shows",
    )
    on_delete: Literal["Rollback", "Keep"] = "Rollback"
    gitops: Gitops = Field(default_factory=Gitops)
    owner: Line | None = Field(None, description="a person or a team, named in every notice")
    window: Window | None = Field(None, description="when the ramp may start; default: at any time")
    require: Require | None = Field(
        None,
        description="what must hold before the first write; until then it is Blocked, looked at"
        " every 30 s, and starts by itself",
    )
    notify: Annotated[tuple[Notify, ...], Field(max_length=8)] | None = Field(
        None,
        description="channels that are told of the ramp",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["channel"],
        },
    )
    decision: NextDecision | None = None
    gates: Annotated[tuple[Literal["Start", "EachStep"], ...], Field(max_length=2)] | None = Field(
        None,
        description="wait for spec.approve before the start, before each later step",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    paused: bool | None = Field(
        None, strict=True, description="no forward move; guardrails and rollback stay on"
    )
    approve: Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=GATE)] | None = (
        Field(None, description="name of the open gate, see status.gate")
    )
    abort: Literal["Rollback", "Keep"] | None = Field(
        None, description="end the ramp; cannot be taken back"
    )

    @field_validator("guardrails", mode="after")
    @classmethod
    def _starts_are_of_new_users(
        cls, guardrails: tuple[Guardrail, ...], told: ValidationInfo
    ) -> tuple[Guardrail, ...]:
        experiment, metrics = told.data.get("experiment"), told.data.get("metrics")
        if experiment is None or metrics is None:
            return guardrails  # the fields before these say why
        biased: list[InitErrorDetails] = [
            {
                "type": PydanticCustomError("rule", "{text}", {"text": _biased(missing)}),
                "loc": (at, "metric"),
                "input": one.metric,
            }
            for at, one in enumerate(guardrails)
            if (missing := _missing_cohort(one, metrics.assignments, experiment))
        ]
        if biased:
            raise ValidationError.from_exception_data(cls.__name__, biased)
        return guardrails


def _missing_cohort(one: Guardrail, assignments: str, experiment: str) -> tuple[Matcher, ...]:
    """Return the matchers of the assignments that the starts of a RelativeDrop lack."""
    if one.type != "RelativeDrop" or one.metric is None:
        return ()
    there = {_meant(matcher) for matcher in parse_selector(one.metric).matchers}
    return tuple(m for m in cohort(assignments, experiment) if _meant(m) not in there)


def _meant(matcher: Matcher) -> tuple[str, str, str]:
    """Return a matcher whichever quotes it was written with."""
    return matcher.label, matcher.operator, matcher.value[1:-1]


def _biased(missing: tuple[Matcher, ...]) -> str:
    told = saying(", ".join(map(str, missing)))
    return (
        f"needs {told} as metrics.assignments has it: without it, starts of users who were assigned"
        " before the change would be counted (biased, not noisy)"
    )
