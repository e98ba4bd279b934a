"""Says what a pass did: events, log lines and metrics, from one decision; fails nothing."""

import hashlib
from datetime import UTC, datetime, timedelta

from rampguard.api.raw import printable
from rampguard.core.model import (
    Applying,
    Decision,
    Ended,
    Note,
    RollingBack,
    Soaking,
)
from rampguard.core.moves import blind_for
from rampguard.core.plan import Plan
from rampguard.core.restore import step_of
from rampguard.core.view import StatusView
from rampguard.engine.act import Outcome
from rampguard.ports import Conflict, Json, RampError, World

CONTROLLER = "rampguard.dev/operator"
NOTE_BYTES = 1024  # of an Event's note


async def report(
    plan: Plan,
    decision: Decision,
    view: StatusView,
    outcomes: tuple[Outcome, ...],
    world: World,
) -> None:
    """Tell people; an event that cannot be written is logged, the status has its record."""
    ask, log = plan.ask, world.telemetry.log
    for note in decision.notes:
        log(
            "warning" if note.warning else "info",
            "ramp decided",
            ramp=str(ask.ref),
            reason=str(note.reason),
            because=note.message,
        )
        await _event(plan, note, world)
    for outcome in outcomes:
        told = {"deployment": outcome.action.original.target, "value": outcome.action.value}
        if outcome.refused:
            log("error", "write refused", ramp=str(ask.ref), error=outcome.refused, **told)
        else:
            log("info", "value written", ramp=str(ask.ref), **told)
    _tell_unlinked(plan, view, world)
    world.telemetry.show_ramp(ask.ref, _figures(plan, decision, view, world.clock.now()))


def _tell_unlinked(plan: Plan, view: StatusView, world: World) -> None:
    """Log once of each template that a link of it found no room."""
    for name in view.unlinked:
        if name not in world.unlinked:
            world.unlinked.add(name)
            world.telemetry.log("warning", "link left out", ramp=str(plan.ask.ref), link=name)


async def _event(plan: Plan, note: Note, world: World) -> None:
    try:
        await world.cluster.create_event(event(plan, note, world))
    except Conflict:
        return  # told already
    except RampError as error:
        world.telemetry.log(
            "warning", "event not written", ramp=str(plan.ask.ref), error=str(error)
        )


def event(plan: Plan, note: Note, world: World) -> Json:
    """Return the Event of a note; equal notes of one ramp have equal names."""
    ask = plan.ask
    digest = hashlib.sha256(f"{ask.uid}/{note.key}".encode()).hexdigest()[:16]
    now = world.clock.now().astimezone(UTC)
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{ask.ref.name[:200]}.{digest}",
            "namespace": ask.ref.namespace,
        },
        "eventTime": f"{now:%Y-%m-%dT%H:%M:%S.%f}Z",
        "reportingController": CONTROLLER,
        "reportingInstance": world.rules.process[:128],
        "action": "Reconcile",
        "reason": str(note.reason),
        "type": "Warning" if note.warning else "Normal",
        "note": crop(note.message),
        "regarding": {
            "apiVersion": "rampguard.dev/v1alpha1",
            "kind": "ExperimentRamp",
            "namespace": ask.ref.namespace,
            "name": ask.ref.name,
            "uid": ask.uid,
        },
    }


def crop(text: str) -> str:
    """Return a text that an Event takes: at most 1 kB, cut between characters."""
    clean = printable(text)
    raw = clean.encode()
    if len(raw) <= NOTE_BYTES:
        return clean
    return raw[: NOTE_BYTES - 3].decode(errors="ignore") + "…"


def _figures(plan: Plan, decision: Decision, view: StatusView, now: datetime) -> dict[str, object]:
    stage = decision.state.stage
    judged = getattr(stage, "judged", ())
    figures: dict[str, object] = {
        "phase": str(view.phase),
        "share": _share(plan, decision) / 100,
        "guardrails": {
            j.name: {
                "value": j.number,
                "low": j.limits[0],
                "high": j.limits[1],
                "verdict": str(j.verdict),
            }
            for j in judged
        },
    }
    proven, slash, desired = view.pods.partition("/")
    if slash:
        figures |= {"proven": int(proven), "lagging": max(0, int(desired) - int(proven))}
    if isinstance(stage, Soaking):
        figures["blind"] = blind_for(stage.evidence, now).total_seconds()
    if isinstance(stage, Applying | RollingBack):
        waited = now - stage.progress.grew - plan.ask.proof_timeout
        figures["overdue"] = max(waited, timedelta(0)).total_seconds()
    return figures


def _share(plan: Plan, decision: Decision) -> int:
    stage = decision.state.stage
    if isinstance(stage, Ended):
        return stage.share
    if not decision.state.originals:
        return plan.ask.origin
    return plan.values[step_of(plan, stage)]
