"""The words about a capture of affected sessions: how to fetch it, or why there is none. Pure."""

from rampguard.cli.record import Record


def command(record: Record) -> str:
    """Return the command that fetches a capture."""
    return f"kubectl ramp capture {record.name} -n {record.namespace} --to {record.name}.jsonl.gz"


def why_none(record: Record) -> str:
    """Return why nothing is captured, or not yet."""
    if record.rollback is None:
        return "it was not rolled back: nothing is captured"
    capture = record.rollback.capture
    if capture and capture.given_up:
        return f"not captured, and given up: {capture.why}"
    if capture and capture.why:
        return f"not captured yet: {capture.why}"
    if capture:
        return f"not captured yet; it is due after {capture.until:%Y-%m-%dT%H:%M:%SZ}"
    if not record.analysed:
        return "it has no spec.analytics: there is no export to capture from"
    if record.rollback.proven_at is None:
        return "not captured yet: the rollback is not proven"
    return "the operator has no place for captures; see config.captures of the chart"
