"""The nouns of what is asked: the manifest of one ramp, as the core understands it.

Durations are timedelta, instants aware UTC datetime. None means one thing, told beside each field.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from rampguard.core.export import Analytics
from rampguard.core.outbox import NextDecision, Notify
from rampguard.core.probe import Probe
from rampguard.core.require import Require, Window

EnvName = NewType("EnvName", str)
EnvValue = NewType("EnvValue", str)
PromQL = NewType("PromQL", str)


@dataclass(frozen=True, slots=True)
class Ref:
    """Names one namespaced object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class NoDataPolicy(StrEnum):
    """What being blind for longer than maxBlind does."""

    HOLD = "Hold"
    ROLLBACK = "Rollback"
    IGNORE = "Ignore"


class OnFailure(StrEnum):
    """What a breach does."""

    ROLLBACK = "Rollback"
    HOLD = "Hold"


class Leave(StrEnum):
    """What an abort or a deletion does to the share."""

    ROLLBACK = "Rollback"
    KEEP = "Keep"


class GitopsPolicy(StrEnum):
    """Whether an entry declared in Git blocks the start."""

    ENFORCE = "Enforce"
    IGNORE = "Ignore"


class GateKind(StrEnum):
    """Gates that a ramp can ask for."""

    START = "Start"
    EACH_STEP = "EachStep"


class GuardrailType(StrEnum):
    """The kinds of guardrail."""

    EXPOSURE_BALANCE = "ExposureBalance"
    RELATIVE_DROP = "RelativeDrop"
    ERROR_RATE = "ErrorRate"
    THRESHOLD = "Threshold"


@dataclass(frozen=True, slots=True)
class Target:
    """One container of one Deployment, by name; container None: the Deployment's own or only."""

    name: str
    container: str | None = None
    min_pods: int = 1


@dataclass(frozen=True, slots=True)
class Arms:
    """Values of the arm label."""

    control: str
    treatment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Where the assignments are counted; assignments is a selector of a counter."""

    source: str = "default"
    arm_label: str = "variant"
    assignments: PromQL


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A metric rule that may roll back; which fields it has depends on its type.

    tolerance: percentage points around the share (ExposureBalance), percent of control's starts per
    user (RelativeDrop), percent of the errors per request (ErrorRate). metric, requests: selectors.
    """

    name: str
    type: GuardrailType
    tolerance: float | None = None
    metric: PromQL | None = None  # RelativeDrop: starts; ErrorRate: errors
    requests: PromQL | None = None  # ErrorRate: what the errors are a part of
    event: str | None = None  # RelativeDrop: counted in the analytics export, in place of metric
    once_per_user: bool = False  # RelativeDrop: a user can count at most once
    kill_switch: float | None = None  # ErrorRate: percent; None: by the baseline
    query: PromQL | None = None  # Threshold: PromQL that gives one sample
    maximum: float | None = None
    minimum: float | None = None
    lasting: timedelta = timedelta(0)  # `for`: broken without a break for this long
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What the manifest of one ramp asks for, and the facts of its metadata."""

    ref: Ref
    uid: str
    generation: int
    created_at: datetime
    deleting: bool = False
    force_delete: bool = False
    requested_by: str | None = None  # None: nobody signed the request
    experiment: str
    env: EnvName
    targets: tuple[Target, ...]
    origin: int  # spec.from
    from_absent: bool = False
    to: int
    steps: tuple[int, ...] = ()
    step_soak: timedelta = timedelta(hours=1)
    soak: timedelta = timedelta(hours=24)
    findings: tuple[timedelta, ...] | None = None  # None: the default schedule
    proof_timeout: timedelta = timedelta(minutes=15)
    arms: Arms | None = None  # None: no typed guardrail needs them
    metrics: Metrics | None = None  # None: no typed guardrail needs it
    probe: Probe | None = None  # None: nobody asks the app
    analytics: Analytics | None = None  # None: no export is read
    guardrails: tuple[Guardrail, ...]
    alpha: float = 0.01
    alpha_within_tolerance: float = 0.10
    no_data: NoDataPolicy = NoDataPolicy.HOLD
    max_blind: timedelta = timedelta(minutes=10)
    max_hold: timedelta = timedelta(hours=2)
    on_failure: OnFailure = OnFailure.ROLLBACK
    on_unattributable: OnFailure = OnFailure.HOLD
    on_delete: Leave = Leave.ROLLBACK
    gitops: GitopsPolicy = GitopsPolicy.ENFORCE
    owner: str | None = None  # None: nobody is named
    window: Window | None = None  # None: it may start at any time
    require: Require | None = None  # None: nothing beyond the pre-flight and the signals
    notify: tuple[Notify, ...] = ()
    decision: NextDecision | None = None  # None: nothing was said
    gates: frozenset[GateKind] = frozenset()
    paused: bool = False
    approve: str | None = None  # None: no approval is asked
    abort: Leave | None = None  # None: no abort is asked
