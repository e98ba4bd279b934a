"""ExperimentRamp v1alpha1: what people write becomes what the core is asked."""

import re
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from rampguard.api.probe import to_probe
from rampguard.api.raw import Json, part, saying, text
from rampguard.api.require import to_require, to_window
from rampguard.api.rules import minutes
from rampguard.api.spec import Guardrail, Notify, Spec, Target
from rampguard.core import ask as core
from rampguard.core import outbox
from rampguard.core.ask import (
    Ask,
    EnvName,
    GateKind,
    GitopsPolicy,
    GuardrailType,
    Leave,
    NoDataPolicy,
    OnFailure,
    PromQL,
    Ref,
)
from rampguard.core.export import Analytics
from rampguard.core.outbox import Kind, NextDecision
from rampguard.ports import InvalidSpec

GROUP, VERSION, KIND = "rampguard.dev", "v1alpha1", "ExperimentRamp"
REQUESTED_BY = "rampguard.dev/requested-by"
FORCE_DELETE = "rampguard.dev/force-delete"
MOST_ERRORS = 10  # told at once
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")  # of a guardrail that can stand in a line


def to_ask(ramp: Json) -> Ask:
    """Understand a manifest; InvalidSpec names each field, what is wrong and what is expected."""
    kind, version = ramp.get("kind"), ramp.get("apiVersion")
    if (version, kind) != (f"{GROUP}/{VERSION}", KIND):
        raise InvalidSpec(
            f"apiVersion, kind: {saying(version)} {saying(kind)} is no {GROUP}/{VERSION} {KIND}"
        )
    try:
        spec = Spec.model_validate(ramp.get("spec"))
    except ValidationError as error:
        raise InvalidSpec(_told(error, part(ramp.get("spec")))) from error
    metadata = part(ramp, "metadata")
    annotations = part(metadata, "annotations")
    return Ask(
        ref=Ref(text(metadata.get("namespace")) or "default", text(metadata.get("name"))),
        uid=text(metadata.get("uid")),
        generation=metadata.get("generation") or 1,
        created_at=_created(metadata),
        deleting=metadata.get("deletionTimestamp") is not None,
        force_delete=annotations.get(FORCE_DELETE) == "true",
        requested_by=saying(annotations.get(REQUESTED_BY)) or None,
        **_asked(spec),
    )


def _asked(spec: Spec) -> dict[str, Any]:
    metrics, arms = spec.metrics, spec.arms
    return {
        "experiment": spec.experiment,
        "env": EnvName(spec.env),
        "targets": tuple(_target(target) for target in spec.targets),
        "origin": spec.origin,
        "from_absent": bool(spec.from_absent),
        "to": spec.to,
        "steps": spec.steps or (),
        "step_soak": _span(spec.step_soak),
        "soak": _span(spec.soak),
        "findings": None if spec.findings is None else tuple(map(_span, spec.findings)),
        "proof_timeout": _span(spec.proof_timeout),
        "arms": arms and core.Arms(arms.control, arms.treatment),
        "metrics": metrics
        and core.Metrics(
            source=metrics.source,
            arm_label=metrics.arm_label,
            assignments=PromQL(metrics.assignments),
        ),
        "probe": to_probe(spec.probe),
        "analytics": spec.analytics
        and Analytics(source=spec.analytics.source, after=_span(spec.analytics.after)),
        "guardrails": tuple(_guardrail(one) for one in spec.guardrails),
        "alpha": float(spec.alpha),
        "alpha_within_tolerance": float(spec.alpha_within_tolerance),
        "no_data": NoDataPolicy(spec.no_data),
        "max_blind": _span(spec.max_blind),
        "max_hold": _span(spec.max_hold),
        "on_failure": OnFailure(spec.on_failure),
        "on_unattributable": OnFailure(spec.on_unattributable),
        "on_delete": Leave(spec.on_delete),
        "gitops": GitopsPolicy(spec.gitops.policy),
        "owner": spec.owner,
        "window": to_window(spec.window),
        "require": to_require(spec.require),
        "notify": tuple(_notify(one) for one in spec.notify or ()),
        "decision": spec.decision
        and NextDecision(
            analysis_window=spec.decision.analysis_window, go_no_go=spec.decision.go_no_go
        ),
        "gates": frozenset(GateKind(gate) for gate in spec.gates or ()),
        "paused": bool(spec.paused),
        "approve": spec.approve,
        "abort": Leave(spec.abort) if spec.abort else None,
    }


def _target(target: Target) -> core.Target:
    pods = 1 if target.min_pods is None else target.min_pods
    return core.Target(target.name, target.container, pods)


def _notify(one: Notify) -> outbox.Notify:
    if one.events is None:
        return outbox.Notify(one.channel)
    return outbox.Notify(one.channel, frozenset(map(Kind, one.events)))


def _guardrail(one: Guardrail) -> core.Guardrail:
    return core.Guardrail(
        name=one.name,
        type=GuardrailType(one.type),
        tolerance=None if one.tolerance is None else float(one.tolerance),
        metric=PromQL(one.metric) if one.metric else None,
        event=one.event,
        requests=PromQL(one.requests) if one.requests else None,
        once_per_user=bool(one.once_per_user),
        kill_switch=None if one.kill_switch is None else float(one.kill_switch),
        query=PromQL(one.query) if one.query else None,
        maximum=None if one.max is None else float(one.max),
        minimum=None if one.min is None else float(one.min),
        lasting=_span(one.lasting) if one.lasting else timedelta(0),
        dry_run=bool(one.dry_run),
    )


def _span(written: str) -> timedelta:
    told = minutes(written)
    if told is None:
        raise InvalidSpec(f"{saying(written)} is no duration")
    return told


def _created(metadata: Json) -> datetime:
    written = text(metadata.get("creationTimestamp")) or "1970-01-01T00:00:00Z"
    try:
        return datetime.fromisoformat(written)
    except ValueError as error:
        raise InvalidSpec(f"metadata.creationTimestamp: {saying(written)} is no time") from error


def _told(error: ValidationError, spec: Json) -> str:
    """Say of each mistake where it stands and what is expected, a line each."""
    mistakes = error.errors(include_url=False, include_input=True, include_context=False)
    lines = [_line(one, spec) for one in mistakes[:MOST_ERRORS]]
    more = len(mistakes) - MOST_ERRORS
    return "; ".join([*lines, *([f"and {more} more"] if more > 0 else [])])


def _line(mistake: Any, spec: Json) -> str:
    where = f"{saying('.'.join(['spec', *map(str, mistake['loc'])]))}{_named(mistake['loc'], spec)}"
    if mistake["type"] == "extra_forbidden":
        return f"{where}: no such field"
    if mistake["type"] == "missing":
        return f"{where}: required"
    return f"{where}: {mistake['msg'].removeprefix('Input ')}{_found(mistake)}"


def _named(place: tuple[Any, ...], spec: Json) -> str:
    """Return the name of the guardrail at a place; "": it has none, or none to show."""
    match place:
        case ("guardrails", int(at), *_):
            guardrails = spec.get("guardrails")
            one = guardrails[at] if isinstance(guardrails, list) else None
            name = text(part(one).get("name"))
            return f" ({name})" if _NAME.fullmatch(name) else ""
        case _:
            return ""


def _found(mistake: Any) -> str:
    """Return what stands there; a text where none belongs has quotes: they are the mistake."""
    match mistake.get("input"):
        case str() as given if mistake["type"].endswith("_type"):
            return f' (found "{saying(given)}")'
        case str() | int() | float() | bool() as given:
            return f" (found {saying(str(given))})"
        case _:
            return ""
