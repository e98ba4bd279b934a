"""A ramp's object as the API server held it at the last record of a flight record."""

from rampguard.api.raw import Json
from rampguard.api.status import to_status
from rampguard.cli.record import REQUESTED_BY
from rampguard.core.ask import Ask, Guardrail
from rampguard.core.conditions import render
from rampguard.core.durations import show_duration
from rampguard.core.plan import make_plan
from rampguard.core.replay import Record


def rebuilt(last: Record) -> Json:
    """Return metadata, status and what a report reads of the spec."""
    plan = make_plan(last.ask, last.tempo)
    state, view = render(plan, last.seen, last.decision)
    return {
        "metadata": _metadata(last.ask),
        "spec": _spec(last.ask),
        "status": to_status(view, state),
    }


def _metadata(ask: Ask) -> Json:
    return {
        "name": ask.ref.name,
        "namespace": ask.ref.namespace,
        "uid": ask.uid,
        "generation": ask.generation,
        "creationTimestamp": ask.created_at.isoformat(),
        "annotations": {REQUESTED_BY: ask.requested_by or ""},
    }


def _spec(ask: Ask) -> Json:
    return {
        "experiment": ask.experiment,
        "env": ask.env,
        "owner": ask.owner,
        "from": ask.origin,
        "to": ask.to,
        "steps": list(ask.steps),
        "stepSoak": show_duration(ask.step_soak),
        "soak": show_duration(ask.soak),
        "arms": ask.arms and {"control": ask.arms.control, "treatment": ask.arms.treatment},
        "metrics": ask.metrics and {"assignments": ask.metrics.assignments},
        "targets": [{"name": one.name, "container": one.container} for one in ask.targets],
        "findings": ask.findings and [show_duration(one) for one in ask.findings],
        "guardrails": [_guardrail(one) for one in ask.guardrails],
        "analytics": ask.analytics and {"source": ask.analytics.source},
        "abort": ask.abort,
        "paused": ask.paused,
    }


def _guardrail(one: Guardrail) -> Json:
    return {
        "name": one.name,
        "type": one.type,
        "metric": one.metric,
        "event": one.event,
        "requests": one.requests,
        "query": one.query,
        "dryRun": one.dry_run,
    }
