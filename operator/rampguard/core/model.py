"""The nouns: what is measured, judged, remembered, seen and decided about one ramp.

What is asked stands in `ask`.

Durations are timedelta, instants aware UTC datetime. None means one thing, told beside each field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from rampguard.core.ask import EnvValue, GuardrailType, Leave, PromQL
from rampguard.core.capture import Capture, Captured
from rampguard.core.export import Analysed, Inquiries, Outage, Recounted, Recounts
from rampguard.core.links import Link, Templates
from rampguard.core.outbox import Delivery, Outbox
from rampguard.core.probe import Heard, Probed
from rampguard.core.reasons import Reason
from rampguard.core.require import Required

# --- measured ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at one instant; value may be NaN or infinite as Prometheus gave it."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One series over a range; points in order of time."""

    labels: Mapping[str, str]
    points: tuple[tuple[datetime, float], ...]


# --- judged --------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """What a look says of one guardrail."""

    WITHIN_TOLERANCE = "WithinTolerance"
    INCONCLUSIVE = "Inconclusive"
    NO_DATA = "NoData"
    BREACHED = "Breached"
    NOT_APPLICABLE = "NotApplicable"


class Reading(NamedTuple):
    """What a counter counted in a span of time, per arm; other: without an arm of the two."""

    control: float = 0.0
    treatment: float = 0.0
    other: float = 0.0

    def plus(self, more: "Reading") -> "Reading":
        """Return both together: readings add."""
        return Reading(
            self.control + more.control, self.treatment + more.treatment, self.other + more.other
        )

    @property
    def total(self) -> float:
        """Counts of both arms."""
        return self.control + self.treatment

    @property
    def all(self) -> float:
        """Counts of both arms and of no arm."""
        return self.control + self.treatment + self.other


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One test of a guardrail with its numbers; texts are ready to show."""

    name: str  # "upper", "lower", "drop", "history", "concurrent", "kill-switch"
    verdict: Verdict
    value: str = ""
    interval: str = ""
    limit: str = ""
    counts: str = ""  # "63 of 7200 requests, 432 of 86400 before"
    log_e_null: float | None = None
    log_e_margin: float | None = None
    threshold_null: float | None = None
    threshold_margin: float | None = None
    phi: float = 1.0  # overdispersion that it allows for
    could_see: str = ""  # the smallest effect that half of such ramps would have shown
    onset: datetime | None = None  # when harm seems to have begun; None: no breach
    marks: tuple[str, ...] = ()  # "phi assumed", "baseline of 1h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with its numbers; texts are ready to show, numbers None where not applicable."""

    name: str
    type: GuardrailType
    verdict: Verdict
    value: str = ""  # "49.7%"; empty: nothing was measured
    interval: str = ""  # "[48.7%, 50.7%]"
    limit: str = ""  # "45% .. 55%"
    why: str = ""  # a sentence, for NoData and Breached above all
    number: float | None = None  # value as a number: a share in [0, 1], or the query's sample
    limits: tuple[float | None, float | None] = (None, None)  # low, high, same unit as number
    counted: float = 0.0  # observations behind it
    log_e_null: float | None = None
    log_e_margin: float | None = None
    threshold_null: float | None = None
    threshold_margin: float | None = None
    could_see: str = ""  # the smallest effect that half of such ramps would have shown
    onset: datetime | None = None  # when harm seems to have begun; None: unknown
    attributable: bool = True  # False: may be something that the ramp did not cause
    query: str = ""  # what was asked, so that anyone can ask again
    dry_run: bool = False
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one soak has counted: bins since T0, closed up to counted_to.

    counts[f][i] holds what the family f of the plan counted in
    [t0 + i * spacing, t0 + (i + 1) * spacing).
    """

    t0: datetime
    counted_to: datetime
    size: timedelta = timedelta(0)  # of a bin, as it was at T0; 0: as the plan says now
    onsets: int = 0  # as there were to be at T0; 0: as the plan says now
    counts: tuple[tuple[Reading, ...], ...] = ()
    breached: tuple[str, ...] = ()  # tokens latched for the soak
    blind_since: datetime | None = None  # None: the last look could see
    missed_since: datetime | None = None  # None: the last look was answered, or is blind
    blind_total: timedelta = timedelta(0)
    unproven_since: datetime | None = None  # None: every pod still runs the value
    outages: tuple[Outage, ...] = ()  # what is over of them; only where an export is counted


Point = tuple[datetime, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All that one look is judged by; a text in place of numbers says why there are none.

    silent[f]: why the family f cannot be judged; stale[f]: how few of its pods were scraped lately,
    which hides no harm; both empty: nothing is wrong. recent[f]: what it counted in the last 120 s
    up to this look, and up to the look before. unanswered: a question failed, or got no numbers.
    """

    counted: Evidence | str = ""
    silent: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    recent: tuple[tuple[Reading, Reading], ...] = ()
    points: Mapping[str, tuple[Point, ...] | str] = field(default_factory=dict)  # by guardrail
    unanswered: bool = False
    recounts: Recounts = field(default_factory=Recounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One judging of all guardrails at one settled instant, with the closed bins up to it."""

    at: datetime
    evidence: Evidence
    judgements: tuple[Judgement, ...]
    measured: Measured = Measured()
    asked: tuple[PromQL, ...] = ()  # what anyone may ask again, at that instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Phi:
    """How much more counts vary than independent ones; batch None: assumed, not estimated."""

    value: float
    batch: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What one guardrail did before the ramp, frozen before the first write.

    span: how much of the time before was counted. before: hits and exposure over all arms; rate:
    control's hits per exposure.
    """

    guardrail: str
    span: timedelta = timedelta(0)
    hits: float = 0.0
    exposure: float = 0.0
    rate: float = 0.0
    phi_history: Phi = Phi(value=1.0)
    phi_arms: Phi = Phi(value=1.0)
    armed: bool = False  # both arms were counted
    busiest: float = 0.0  # the most hits per exposure in a batch
    enough: bool = False  # long enough to be compared with


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The unchangeable record at a due instant or at a breach."""

    after: timedelta
    at: datetime
    share: int  # percent, the value that was watched
    verdict: Verdict
    evidence: str
    late: bool = False
    details: tuple[str, ...] = ()  # a line of numbers for each part of each guardrail
    asked: tuple[str, ...] = ()  # every query, at that instant
    vouched: int = 0  # lines of what people vouched for until then


# --- remembered: the status ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The write-ahead record of one target: the way back."""

    deployment: str
    uid: str
    container: str
    value: EnvValue | None  # None: the variable was absent
    manager: str = ""  # field manager of the value before us; empty: unknown

    @property
    def target(self) -> str:
        """Name the target: deployment/container."""
        return f"{self.deployment}/{self.container}"


@dataclass(frozen=True, slots=True)
class Because:
    """The reason of a decision, with a sentence for people."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a proof has come: the most pods ever proven, and when that last grew."""

    began: datetime
    proven: int = 0
    grew: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Nothing is written; because tells what it waits for, None before the first look."""

    since: datetime | None = None
    because: Because | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Applying:
    """The value of a step is being written and proven. written: targets seen to carry it."""

    since: datetime
    step: int
    progress: Progress
    written: tuple[str, ...] = ()
    killed: tuple[Judgement, ...] = ()  # kill-switches that fired: latched until a person answers
    accepted: tuple[str, ...] = ()  # tokens of the kill-switches that a person overruled
    templates: tuple[str, ...] = ()  # hash of each target's pod template; empty: unknown


@dataclass(frozen=True, slots=True)
class Rebased:
    """A person took what ran since a foreign change for the new baseline: [since, until)."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaking:
    """A proven step is watched."""

    since: datetime
    step: int
    evidence: Evidence
    accepted: tuple[str, ...] = ()  # tokens of the harm that a person accepted
    # Of guardrails that somebody changed: the instant from which their evidence counts.
    anew: tuple[tuple[str, datetime], ...] = ()
    templates: tuple[str, ...] = ()  # hash of each target's pod template when last seen
    rules: str = ""  # digest of the guardrails that the evidence is for
    changed_at: datetime | None = None  # of a template by somebody else, and not accepted yet
    rebased: Rebased | None = None  # None: history is compared with the baseline of the ramp
    unmet: tuple[Reason, ...] = ()  # of the preconditions that hold no more, told already
    judged: tuple[Judgement, ...] = ()  # the latest, for people


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingBack:
    """The originals are being restored and proven. ends_contested: somebody else took a value."""

    since: datetime
    because: Because
    from_step: int
    progress: Progress
    ends_contested: bool = False
    ours: tuple[EnvValue, ...] = ()  # what we may have written before; empty: any of the plan
    written: tuple[str, ...] = ()  # targets seen to carry the original again
    judged: tuple[Judgement, ...] = ()


class Outcome(StrEnum):
    """How a ramp ended."""

    COMPLETED = "Completed"
    ROLLED_BACK = "RolledBack"
    ABORTED = "Aborted"
    CONTESTED = "Contested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One target as it stood when the ramp ended. runs: the value in its pod template, as shown."""

    deployment: str
    container: str
    runs: str
    proven: int
    desired: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaked:
    """When a soak was watched that is over; cut: it was stopped before its end."""

    since: datetime
    until: datetime
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Nothing moves any more. share: what the targets were left at; watched: a soak was seen."""

    since: datetime
    outcome: Outcome
    because: Because
    share: int
    watched: bool = False
    judged: tuple[Judgement, ...] = ()
    targets: tuple[Served, ...] = ()


Stage = Pending | Applying | Soaking | RollingBack | Ended


class Phase(StrEnum):
    """What people read; a view of the stage and the requests."""

    PENDING = "Pending"
    BLOCKED = "Blocked"
    APPLYING = "Applying"
    SOAKING = "Soaking"
    PAUSED = "Paused"
    AWAITING_APPROVAL = "AwaitingApproval"
    ROLLING_BACK = "RollingBack"
    COMPLETED = "Completed"
    ROLLED_BACK = "RolledBack"
    ABORTED = "Aborted"
    CONTESTED = "Contested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A question to a person; generation: of the spec when it opened, older approvals are stale.

    about: tokens of the harm that it is about; an approval accepts these and no other.
    """

    name: str
    since: datetime
    why: str
    generation: int
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline."""

    at: datetime
    text: str

    def __str__(self) -> str:
        return f"{self.at.strftime('%Y-%m-%dT%H:%M:%SZ')}  {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition, as in the Kubernetes API conventions."""

    type: str
    status: str  # "True" | "False" | "Unknown"
    reason: str
    message: str
    since: datetime
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRecord:
    """What a rollback was for and when it was proven; proven_at None: not yet.

    finding: the one that it followed; "": none. capture None: there is nothing to capture.
    """

    because: Because
    started_at: datetime
    proven_at: datetime | None = None
    finding: str = ""
    capture: Capture | None = None
    links: tuple[Link, ...] = ()  # as they were when it began


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that is remembered of one ramp."""

    stage: Stage = Pending()
    started_at: datetime | None = None  # None: nothing was ever written
    originals: tuple[Original, ...] = ()
    baselines: tuple[Baseline, ...] = ()  # of the guardrails that have one
    exporters: tuple[tuple[str, tuple[str, ...]], ...] = ()  # selector -> Deployments that export
    vouched: tuple[str, ...] = ()  # links and overrides by which people let it start or go on
    seq: int = 0
    gates: tuple[Gate, ...] = ()
    approved: tuple[str, ...] = ()  # gates that a person opened
    voided: tuple[str, ...] = ()  # gates whose question fell away
    abort: Leave | None = None  # latched when seen; None: not asked
    findings: tuple[Finding, ...] = ()
    unrecorded: int = 0  # breaches for which there was no room among the findings
    rollback: RollbackRecord | None = None  # None: no rollback began
    soaked: Soaked | None = None  # the last soak that is over; None: none is
    blind_total: timedelta = timedelta(0)  # over all soaks that ended
    mixed: timedelta | None = None  # length of the last mixed exposure; None: not measured
    told: tuple[str, ...] = ()  # keys of repeated notices and stale approvals already told
    probed: Probed = field(default_factory=Probed)
    inquiries: Inquiries = field(default_factory=Inquiries)
    recounts: Recounts = field(default_factory=Recounts)
    outbox: Outbox = ()
    delivered: int = 0  # notices, each to one channel
    unheard: tuple[str, ...] = ()  # notices that were given up, the latest
    announced: tuple[str, ...] = ()  # keys of RampPlanned, each with a channel that got it
    timeline: tuple[Line, ...] = ()
    conditions: tuple[Condition, ...] = ()
    observed_generation: int = -1


# --- seen ----------------------------------------------------------------------------------------


class EntryKind(StrEnum):
    """How a variable stands in a container."""

    LITERAL = "Literal"
    ABSENT = "Absent"
    VALUE_FROM = "ValueFrom"
    DUPLICATE = "Duplicate"


@dataclass(frozen=True, slots=True)
class Entry:
    """A variable in a container; value is None unless it is a literal."""

    kind: EntryKind
    value: EnvValue | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """A field manager of the entry; value: it owns the value, not only the entry's place."""

    manager: str
    operation: str  # "Apply" | "Update"
    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The mark of a ramp on a Deployment for one (container, variable)."""

    uid: str
    name: str
    original: EnvValue | None  # None: the variable was absent
    origin: int
    to: int
    process: str
    seq: int


@dataclass(frozen=True, slots=True)
class Lag:
    """A pod that is not proven, and why."""

    pod: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Which pods of a Deployment run the wanted value."""

    desired: int
    proven: int  # Ready on the wanted value, in the current ReplicaSet
    others: int  # any other pod that may still serve
    lagging: tuple[Lag, ...] = ()
    off_value_ready: tuple[str, ...] = ()  # Ready pods on another value
    settled: bool = True  # the Deployment controller has seen the current template
    leftovers: tuple[Lag, ...] = ()  # pods that still run a value of the ramp
    min_pods: int = 1
    unreadable: str = ""  # why the pods are not known; empty: they are

    @property
    def is_proven(self) -> bool:
        """Every desired pod runs it and nothing else may serve; none at all proves nothing."""
        return (
            not self.unreadable
            and self.settled
            and self.others == 0
            and self.proven >= self.desired
            and (self.proven > 0 or (self.min_pods == 0 and self.desired == 0))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One target as it stands in the cluster."""

    deployment: str
    uid: str
    version: str
    containers: tuple[str, ...]
    container: str | None  # None: it cannot be resolved
    entry: Entry
    owners: tuple[Owner, ...] = ()
    stamp: Stamp | None = None  # of this (container, variable); None: none
    stamp_live: bool = False  # the ramp that the stamp names exists (another than ours)
    env_from: tuple[str, ...] = ()  # sources that could carry the variable
    declared_by: str = ""  # what declares the entry in Git; empty: nothing seen
    deleting: bool = False
    paused: bool = False
    rolling_out: bool = False
    desired: int = 1
    managed: bool = True  # managedFields are present
    progress_deadline: timedelta = timedelta(minutes=10)
    template: str = ""  # hash of the pod template without our variable; foreign changes move it
    revision: str = ""
    cause: str = ""  # kubernetes.io/change-cause; it moves with a write of ours
    coverage: Coverage | None = None  # None: not asked in this pass
    refused: str = ""  # the API server's words to a dry run; empty: accepted or not asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one pass saw. workloads[i] belongs to targets[i]; None: no such Deployment."""

    now: datetime
    workloads: tuple[Workload | None, ...] = ()
    unreadable: str = ""  # why the cluster could not be read; empty: it was
    looks: tuple[Look, ...] = ()  # oldest first; those at due findings, then the latest
    look_failed: str = ""  # why no look could be taken although one was due
    required: Required | None = None  # of spec.require; None: nothing was asked in this pass
    signals: tuple[str, ...] | None = None  # missing signals; None: not asked, (): all there
    baselines: tuple[Baseline, ...] = ()  # taken with the signals
    exporters: tuple[tuple[str, tuple[str, ...]], ...] = ()  # seen with the signals
    unread: tuple[str, ...] = ()  # why dry runs have no baseline
    kills: tuple[Judgement, ...] = ()  # kill-switches that fired while a value is being written
    heard: Heard | None = None  # of the round that is being asked; None: no answers yet
    analysed: Analysed | None = None  # what the export said that is being read; None: nothing yet
    recounted: Recounted | None = None  # what was counted in the export; None: nothing yet
    captures: bool = False  # the operator has a place for captures
    captured: Captured | None = None  # what came of the try that is under way; None: nothing yet
    refusals: tuple[str, ...] = ()  # writes of the last pass that the API server refused
    channels: tuple[str, ...] = ()  # that the operator's configuration has
    link_templates: Templates = ()  # of the operator's configuration
    deliveries: tuple[Delivery, ...] = ()  # since the last pass that was remembered
    namespace_deleting: bool = False
    finalizer: bool = False  # ours is on the ramp


# --- decided -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Set the variable of one target; value None removes the entry."""

    original: Original
    value: EnvValue | None
    expect: Entry  # what stands there now
    cause: str  # for kubernetes.io/change-cause


@dataclass(frozen=True, slots=True)
class DropStamp:
    """Remove our stamp from one target."""

    deployment: str
    container: str


@dataclass(frozen=True, slots=True)
class DropFinalizer:
    """Let the API server forget the ramp."""


Action = Write | DropStamp | DropFinalizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An Event for people; key makes it one of its kind within a ramp."""

    reason: Reason
    message: str
    key: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one pass does. fenced: stamp the targets first."""

    state: State
    because: Because
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    fenced: bool = False
    hold_finalizer: bool = False
    look_again_in: timedelta = field(default=timedelta(seconds=30))
