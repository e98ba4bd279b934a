"""Ramps as facts for programs: rampguard.dev/cli/v1, the same under -o json and -o yaml."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rampguard.cli.advice import needs_you, next_steps
from rampguard.cli.captured import command, why_none
from rampguard.cli.overdue import overdue
from rampguard.cli.record import Finding, Guardrail, Record, Rollback, Target, counted
from rampguard.core.links import Link

VERSION = "rampguard.dev/cli/v1"
Facts = dict[str, Any]


def of_status(record: Record, at: datetime) -> Facts:
    """Return what `status` tells."""
    return {"apiVersion": VERSION, "kind": "RampStatus", **_status(record, at)}


def of_list(records: Iterable[Record], at: datetime) -> Facts:
    """Return what `list` tells."""
    ordered = sorted(records, key=lambda r: (r.namespace, r.name))
    told = [_status(one, at) for one in ordered]
    return {"apiVersion": VERSION, "kind": "RampList", "items": told}


def of_ramp(record: Record, at: datetime) -> Facts:
    """Return what `get` tells."""
    return {"apiVersion": VERSION, "kind": "Ramp", **_status(record, at), **_more(record)}


def of_explanation(record: Record, at: datetime) -> Facts:
    """Return what `explain` tells."""
    conditions = [
        {"type": name, "status": fact.status, "reason": fact.reason, "message": fact.message}
        for name, fact in record.facts.items()
    ]
    told = {"conditions": conditions, "next": next_steps(record, at)}
    head = {"apiVersion": VERSION, "kind": "RampExplanation"}
    return {**head, **_status(record, at), **_more(record), **told}


def _status(record: Record, at: datetime) -> Facts:
    pods, late = counted(record.pods), overdue(record, at)
    return {
        "name": record.name,
        "namespace": record.namespace,
        "phase": record.phase,
        "reason": record.reason,
        "summary": record.summary,
        "from": record.origin,
        "to": record.to,
        "share": record.share,
        "pods": pods and {"proven": pods[0], "total": pods[1]},
        "soak": record.soak
        and {
            "startedAt": at_text(record.soak.started_at),
            "endsAt": at_text(record.soak.ends_at),
            "nextFindingAt": at_text(record.soak.next_finding_at),
        },
        "findings": [{"after": one.after, "verdict": one.verdict} for one in record.findings],
        "gates": [gate.name for gate in record.gates],
        "needsYou": needs_you(record, at) or None,
        "overdue": late and {"what": late.what, "at": at_text(late.at)},
        "exitCode": int(record.exit),
    }


def _more(record: Record) -> Facts:
    rollback = record.rollback
    return {
        "env": record.env,
        "targets": [_target(one) for one in record.targets],
        "findings": [_finding(one) for one in record.findings],
        "guardrails": [_guardrail(one) for one in record.guardrails],
        "rollback": rollback and _rollback(record, rollback),
        "links": [of_link(one) for one in record.links],
        "vouched": list(record.vouched),
        "timeline": [{"at": at, "text": words} for at, words in record.timeline],
    }


def _rollback(record: Record, one: Rollback) -> Facts:
    return {
        "reason": one.reason,
        "because": one.because,
        "startedAt": at_text(one.started_at),
        "provenAt": at_text(one.proven_at),
        "finding": one.finding or None,
        "captured": one.captured or None,
        "capture": _capture(record, one),
        "links": [of_link(link) for link in one.links],
    }


def _capture(record: Record, rollback: Rollback) -> Facts:
    """Return where the affected sessions are and how they are fetched, or why they are not."""
    one = rollback.capture
    if one is None or not one.url:
        return {"url": None, "why": why_none(record)}
    return {
        "url": one.url,
        "why": None,
        "since": at_text(one.since),
        "until": at_text(one.until),
        "records": one.records,
        "users": one.users,
        "sha256": one.sha256,
        "fetch": command(record),
    }


def of_link(one: Link) -> Facts:
    """Return a link."""
    return {"name": one.name, "url": one.url}


def _target(one: Target) -> Facts:
    return {
        "deployment": one.deployment,
        "observed": one.observed,
        "original": one.original,
        "pods": one.pods,
    }


def _finding(one: Finding) -> Facts:
    return {
        "after": one.after,
        "at": at_text(one.at),
        "share": one.share,
        "verdict": one.verdict,
        "evidence": one.evidence,
        "late": one.late,
        "asked": list(one.asked),
        "details": list(one.details),
    }


def _guardrail(one: Guardrail) -> Facts:
    return {
        "name": one.name,
        "type": one.type,
        "verdict": one.verdict,
        "value": one.value,
        "interval": one.interval,
        "limit": one.limit,
        "counted": one.counted,
        "why": one.why,
        "couldSee": one.could_see,
        "onset": at_text(one.onset),
        "query": one.query,
        "dryRun": one.dry_run,
        "details": list(one.details),
    }


def at_text(instant: datetime | None) -> str | None:
    """Return an instant as the API server writes it."""
    return None if instant is None else f"{instant:%Y-%m-%dT%H:%M:%SZ}"
