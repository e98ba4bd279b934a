"""A simulated ramp as facts for programs: rampguard.dev/cli/v1, kind Simulation."""

import math
from datetime import datetime, timedelta

from rampguard.cli.facts import VERSION, Facts
from rampguard.core.backtest import Backtest
from rampguard.core.durations import show_duration
from rampguard.core.model import Baseline
from rampguard.core.outlook import Found, Outlook, Visible
from rampguard.core.plan import Plan
from rampguard.core.replays import Replay
from rampguard.core.trials import Spread, Tried


def of_simulation(plan: Plan, told: Backtest) -> Facts:
    """Return what `simulate` tells; effects are relative, shares of 1, null where none is seen."""
    return {
        "apiVersion": VERSION,
        "kind": "Simulation",
        "name": plan.ask.ref.name,
        "namespace": plan.ask.ref.namespace,
        "env": str(plan.ask.env),
        "from": plan.ask.origin,
        "steps": [
            {"share": value, "soak": show_duration(soak), "findings": list(map(show_duration, due))}
            for value, soak, due in zip(plan.values, plan.soaks, plan.findings, strict=True)
        ],
        "history": {
            "start": _at(told.start),
            "end": _at(told.end),
            "step": show_duration(told.look),
            "pods": list(told.pods),
            "assignmentsPerSecond": told.arriving,
            "gaps": [{"since": _at(a), "until": _at(b)} for a, b in told.gaps],
            "missing": list(told.missing),
        },
        "replays": {
            "count": len(told.replays),
            "rolledBack": told.rolled_back,
            "held": sum(one.held for one in told.replays),
            "upper95": told.upper,
            "promised": plan.ask.alpha,
            "items": [_replay(one) for one in told.replays],
        },
        "guardrails": [_guardrail(one) for one in told.tried],
        "warnings": [
            {"guardrail": one.guardrail, "reason": str(one.remark), "message": one.message}
            for one in told.warnings
        ],
        "changed": False,
    }


def _replay(one: Replay) -> Facts:
    return {
        "start": _at(one.start),
        "before": show_duration(one.before),
        "blind": show_duration(one.blind),
        "rolledBack": one.rolled_back,
        "broke": [
            {
                "guardrail": b.guardrail,
                "after": show_duration(b.after),
                "why": b.why,
                "acts": b.acts,
            }
            for b in one.broke
        ],
    }


def _guardrail(one: Tried) -> Facts:
    return {
        "name": one.guardrail.name,
        "type": str(one.guardrail.type),
        "dryRun": one.guardrail.dry_run,
        "tolerance": one.guardrail.tolerance,
        "promised": one.promised,
        "replays": one.replays,
        "broke": len(one.broke),
        "upper95": one.upper,
        "baseline": one.baseline and _baseline(one.baseline),
        "phi": [_spread(spread) for spread in one.spreads],
        "parts": [_outlook(outlook) for outlook in one.outlooks],
        "provenHarmlessAfter": _span(one.clears),
        "extremes": one.extremes and list(one.extremes),
    }


def _baseline(one: Baseline) -> Facts:
    return {
        "span": show_duration(one.span),
        "hits": one.hits,
        "exposure": one.exposure,
        "rate": one.rate,
    }


def _spread(one: Spread) -> Facts:
    return {
        "part": one.part,
        "used": one.used.value,
        "assumed": one.used.batch is None and one.used.value > 1,
        "byLength": {show_duration(s.length): s.phi for s in one.by_length},
    }


def _outlook(one: Outlook) -> Facts:
    return {
        "part": one.part,
        "direction": "rise" if one.side > 0 else "drop",
        "limit": one.limit,
        "visible": [_visible(seen) for seen in one.visible],
        "found": [_found(found) for found in one.found],
        "twiceTheLimit": _found(one.twice),
    }


def _visible(one: Visible) -> Facts:
    return {
        "after": show_duration(one.after),
        "half": _number(one.half),
        "ninety": _number(one.ninety),
    }


def _found(one: Found) -> Facts:
    return {"effect": one.effect, "half": _span(one.half), "ninety": _span(one.ninety)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _span(span: timedelta | None) -> str | None:
    return None if span is None else show_duration(span)


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
