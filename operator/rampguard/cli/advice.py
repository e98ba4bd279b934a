"""What a ramp waits for, and what a person may do next."""

from collections.abc import Iterator
from datetime import datetime

from rampguard.cli.overdue import SEE, overdue
from rampguard.cli.record import Record
from rampguard.cli.text import lasting

_TO_START = {
    "DeclaredInGit": "take the variable out of Git",
    "SignalsMissing": "let the metrics appear, or correct the names",
    "ProbeFailed": "let the probe be answered, or correct its fields",
    "FromMismatch": "let from be what runs",
    "ValueNotDeclared": "declare the variable",
    "ValueFromSource": "make it a literal value",
    "DuplicateEntry": "leave one entry of it",
    "TargetNotFound": "name a Deployment there is",
    "TargetDeleting": "let the Deployment be there again, or take it out",
    "ContainerNotFound": "name a container there is",
    "NoPods": "scale the target up",
    "AnotherRampActive": "let the other ramp end",
    "DeploymentPaused": "resume the Deployment",
    "RolloutInProgress": "let the rollout finish",
    "ManagedFieldsMissing": "apply the Deployment anew",
    "SmokeTestMissing": "let the smoke test pass",
    "SmokeTestInconclusive": "let the smoke test show more",
    "AlertsFiring": "let the alerts end",
    "IncidentOpen": "let the incident end",
    "NotAnnounced": "let its channels take RampPlanned",
    "UnknownChannel": "name a channel there is",
    "OutsideWindow": "see its window",
    "InvalidSpec": "correct the manifest",
    "ClusterUnreadable": "let the API server answer",
    "WriteRefused": "see what refuses the write",
}
_STALLS = {
    "Blind": "let Prometheus answer",
    "PodsLost": "repair the pods",
    "RollbackOverdue": "see why pods do not go back",
    "WriteRefused": "see what refuses the write",
}


def needs_you(record: Record, now: datetime) -> str:
    """Return in a few words what a person has to do; "": nothing."""
    if record.gates:
        return f"approve {record.gates[0].name}"
    match record.phase, record.stalled:
        case "Blocked", _:
            return _TO_START.get(record.reason, record.reason or "see explain")
        case "Paused", _:
            return "resume"
        case "Contested", _ if record.reason == "StatusLost":
            return "abort, or undo by hand"
        case "Contested", _:
            return "fix the cause, retry"
        case (("Completed" | "RolledBack" | "Aborted"), _):
            return ""
        case _, None:
            return "see whether an operator runs" if overdue(record, now) else ""
        case _, stalled:
            return _STALLS.get(stalled.reason, stalled.reason) if stalled else ""


def next_words(record: Record, now: datetime) -> str:
    """Return what comes next, for one cell of the list."""
    if asked := needs_you(record, now):
        return f"you: {asked}"
    if record.ended:
        return "-"
    if record.deleting:
        return "deletion"
    required = record.facts.get("PreconditionsMet")
    if record.phase == "Soaking" and required and required.status == "False":
        return f"held: {required.reason}"
    soak = record.soak
    if record.to_come:
        after, at = record.to_come[0]
        return f"{after} finding {_in(at, now)}"
    if soak and soak.ends_at:
        return f"soak ends {_in(soak.ends_at, now)}"
    return {"Applying": "proof of pods", "RollingBack": "proof of rollback"}.get(
        record.phase, "start"
    )


def next_steps(record: Record, now: datetime) -> list[str]:
    """Return what will happen by itself, and the commands that a person may give."""
    if record.gates:
        first = record.gates[0].name
        return [
            f"to go on:    {_verb(record, 'approve')} --gate {first}",
            f"to go back:  {_verb(record, 'abort')}",
        ]
    if overdue(record, now):
        return [f"see whether an operator runs: {SEE}; the ramp goes on where it is then"]
    match record.phase:
        case "Completed" | "RolledBack" | "Aborted" | "Contested":
            return list(_after(record))
        case "Blocked":
            told = _TO_START.get(record.reason, "let what is told above hold")
            return [f"{told}; it starts by itself then"]
        case "Paused":
            return [f"to go on:    {_verb(record, 'resume')}"]
        case "Pending" if not record.facts:
            return ["the operator looks at it soon; `kubectl ramp version` shows whether one runs"]
        case "Pending":
            return [f"it starts by itself; to end it: {_verb(record, 'abort')}"]
        case "RollingBack":
            return ["it goes on until no pod runs a value of the ramp"]
        case _:
            return [f"{next_words(record, now)}; to go back: {_verb(record, 'abort')}"]


def _after(record: Record) -> Iterator[str]:
    """Yield what a person may do after the end."""
    kept = record.phase == "Aborted" and record.abort == "Keep" and record.started_at
    if record.reason == "AlreadyAtGoal":
        yield "nothing: it ran the goal before the ramp"
    elif record.phase == "Completed" or kept:
        yield into_manifests(record)
    if record.reason == "StatusLost":
        yield f"to restore what the stamps carry: {_verb(record, 'abort')}"
    elif record.phase != "Completed":
        in_git = record.reason == "GitOpsReverted"
        first = f"take {record.env} out of Git" if in_git else "fix the cause"
        yield f"{first}, then: {_verb(record, 'retry')}"


def into_manifests(record: Record) -> str:
    """Say how the share stays: manifests that have the value of before take it back."""
    value = record.to if record.share is None else record.share
    return (
        f"put {record.env}={value} into your manifests: the next apply or sync takes it back"
        " otherwise"
    )


def _verb(record: Record, verb: str) -> str:
    return f"kubectl ramp {verb} {record.name} -n {record.namespace}"


def _in(at: datetime, now: datetime) -> str:
    return f"in {lasting(at - now)}" if at > now else "due"
