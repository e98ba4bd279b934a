"""Ramps in each phase as the API server holds them, made by the operator's own decisions."""

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from export_scenes import crowd, summed
from probe_scenes import App, app, heard
from rampguard.api.status import to_status
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.analytics import Asked
from rampguard.core.ask import Arms, GuardrailType
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.inquiring import judge as judge_export
from rampguard.core.model import Judgement, Observation, Owner, State, Verdict
from rampguard.core.plan import Plan, make_plan
from rampguard.core.require import Answer, Required
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    TEMPO,
    T,
    before,
    covered,
    judged,
    lagging,
    look,
    pair,
    seen,
    stamp,
    workload,
)

Json = dict[str, Any]
LINKS = (
    ("prometheus", "https://prom.example/graph?q={query}&range={range}"),
    ("thread", "https://chat.example/{experiment}"),
)
MANIFEST: Json = {
    "apiVersion": "rampguard.dev/v1alpha1",
    "kind": "ExperimentRamp",
    "metadata": {
        "name": "tree-50",
        "namespace": "app",
        "uid": "uid-of-the-ramp",
        "generation": 1,
        "creationTimestamp": "2026-11-23T11:59:00Z",
    },
    "spec": {
        "experiment": "tree",
        "env": "ROLLOUT",
        "targets": [{"name": "api"}, {"name": "worker"}],
        "from": 10,
        "to": 50,
        "stepSoak": "1h",
        "soak": "24h",
        "arms": {"control": "tree", "treatment": "list"},
        "metrics": {"assignments": 'experiment_assignments_total{experiment="tree"}'},
        "guardrails": [
            {"name": "share", "type": "ExposureBalance", "tolerance": 5},
            {"name": "p95", "type": "Threshold", "query": "p95", "max": "0.8"},
        ],
    },
}
NUMBERS = {
    "value": "49.7%",
    "interval": "[48.7%, 50.7%]",
    "limit": "45% .. 55%",
    "counted": 41210.0,
    "query": 'sum by (variant) (experiment_assignments_total{experiment="tree"})',
    "why": "",
}
P95 = {"type": GuardrailType.THRESHOLD, "value": "0.41", "limit": "0.8 or less", "why": ""}
HARM = {
    **NUMBERS,
    "value": "38.2%",
    "interval": "[37.1%, 39.3%]",
    "why": "the share of new assignments is off by more than 5 points",
    "onset": T + 70 * MINUTE,
}


def within() -> Judgement:
    return judged(**NUMBERS)


def fast(verdict: Verdict = Verdict.WITHIN_TOLERANCE, **facts: object) -> Judgement:
    return judged(verdict, "p95", **{**P95, **facts})


def ramp_after(
    *observations: Observation | Json | Callable[[State], Observation],
    spec: Json | None = None,
    **meta: object,
) -> Json:
    """Return the ramp after passes that see these things in turn; a dict changes the spec."""
    ramp = manifest(spec, **meta)
    now = State()
    for told in observations:
        if isinstance(told, dict):
            ramp["spec"] |= told
            ramp["metadata"]["generation"] += 1
            continue
        plan = plan_of(ramp)
        observation = replace(told(now) if callable(told) else told, link_templates=LINKS)
        decision = decide(plan, now, observation)
        now, view = render(plan, observation, decision)
        ramp["status"] = to_status(view, now)
    return ramp


def manifest(spec: Json | None = None, **meta: object) -> Json:
    ramp = copy.deepcopy(MANIFEST)
    ramp["spec"] |= spec or {}
    ramp["metadata"] |= meta
    return ramp


def plan_of(ramp: Json) -> Plan:
    return make_plan(to_ask(ramp), TEMPO)


def proven(minutes: int) -> Observation:
    """Return both targets proven at 50 some minutes after T."""
    return seen(after=minutes * MINUTE)


def soaked(state: State, after: object, *judgements: Judgement) -> Observation:
    """Return a look in the current soak, some time after the soak began."""
    stage = state.stage
    instant = stage.since + after
    told = seen(after=instant - T + TEMPO.scrape)
    taken = replace(
        look(instant - T),
        judgements=judgements or (within(), fast()),
        evidence=stage.evidence,
    )
    return replace(told, looks=(taken,))


def look_at(after: object, *judgements: Judgement) -> Callable[[State], Observation]:
    return lambda state: soaked(state, after, *judgements)


def originals_back(minutes: int) -> Observation:
    return seen(*pair(10), after=minutes * MINUTE)


def to_the_soak() -> tuple[Observation, ...]:
    return (before(), proven(3), proven(4))


BREACH = (judged(Verdict.BREACHED, **HARM), fast())
UNSURE = (
    judged(
        Verdict.INCONCLUSIVE,
        **{**NUMBERS, "interval": "[43.0%, 56.4%]", "could_see": "a shift of 8 points or more"},
    ),
    fast(),
)
SILENT = (
    judged(Verdict.NO_DATA, value="", interval="", why="Prometheus gave no series for list"),
    fast(),
)
REQUIRE = {
    "smokeTest": {"ramp": "tree-10", "maxAge": "336h"},
    "noFiringAlerts": 'severity="sev1"',
    "noOpenIncidents": {"check": "pager"},
}
UNMET = Required(
    smoke_test="there is no ramp app/tree-10", alerts=("Down",), incidents=Answer(409, "INC-7")
)
OVERRIDE = {"by": "@mia", "reason": "Down is known, INC-7"}


PROBE = {
    "service": "api",
    "port": 80,
    "path": "/tree",
    "arm": {"header": "X-Arm"},
    "identity": {"header": "X-Request-ID"},
}


def answered(seen_then: Observation, app: App) -> Callable[[State], Observation]:
    """Return what is seen when the round that is being asked is answered by an app."""

    def look_again(state: State) -> Observation:
        asked = state.probed.round
        assert asked is not None
        told = heard(asked, app, at=seen_then.now)
        return replace(seen_then, heard=told)

    return look_again


def exported(state: State) -> Observation:
    """Return what is seen when the export was read that is being asked for."""
    asked = state.inquiries.asked
    assert asked is not None
    at = asked.at + SECOND
    arms = Arms("tree", "list")
    summed_up = summed(crowd(260, 240), Asked(arms=("tree", "list"), share=0.5))
    return replace(seen(after=at - T), analysed=judge_export(asked, arms, summed_up, at))


def held_by(required: Required) -> Callable[[State], Observation]:
    """Return a look an hour into the soak, while something does not hold."""
    return lambda state: replace(soaked(state, HOUR), required=required)


ARGO = Owner("argocd-controller", "Update", value=True)


def scenes() -> dict[str, Json]:
    """Return one ramp for each screen worth seeing."""
    soak = to_the_soak()
    asked = (before(), answered(before(), app(10)), answered(before(), app(10)))
    harmed = (*soak, look_at(HOUR), look_at(80 * MINUTE, *BREACH))
    return {
        "unseen": manifest(),
        "pending": ramp_after(before(signals=None)),
        "blocked": ramp_after(
            before(signals=("share: no series of arm list; asked: assignments_total",))
        ),
        "in-git": ramp_after(
            seen(*pair(10, owners=(ARGO,), declared_by="argocd-controller", coverage=None))
        ),
        "unmet": ramp_after(before(required=UNMET), spec={"require": REQUIRE}),
        "held": ramp_after(
            before(required=UNMET),
            proven(3),
            replace(proven(4), required=UNMET),
            {"require": REQUIRE},
            held_by(UNMET),
            spec={"require": {**REQUIRE, "override": OVERRIDE}},
        ),
        "gate-start": ramp_after(before(), spec={"gates": ["Start"]}),
        "applying": ramp_after(
            before(),
            seen(
                workload("api", coverage=lagging()),
                workload("worker", 10, coverage=covered(0, 2)),
                after=2 * MINUTE,
            ),
        ),
        "soaking": ramp_after(*soak, look_at(HOUR, *UNSURE), look_at(6 * HOUR), look_at(7 * HOUR)),
        "abandoned": ramp_after(*soak, look_at(HOUR), look_at(2 * HOUR)),
        "probed": ramp_after(
            *asked,
            proven(3),
            answered(proven(4), app(50)),
            proven(20),
            exported,
            look_at(30 * MINUTE),
            spec={"probe": PROBE, "analytics": {"source": "events"}},
        ),
        "misassigned": ramp_after(
            *asked,
            proven(3),
            *(answered(proven(minute), app(30)) for minute in (4, 5, 6)),
            originals_back(8),
            originals_back(9),
            spec={"probe": PROBE},
        ),
        "silent": ramp_after(
            before(), answered(before(), lambda _: "HTTP 401"), spec={"probe": PROBE}
        ),
        "inconclusive": ramp_after(
            *soak, look_at(HOUR, *UNSURE), look_at(6 * HOUR, *UNSURE), look_at(DAY, *UNSURE)
        ),
        "stepped": ramp_after(
            before(),
            seen(*pair(25), after=3 * MINUTE),
            spec={"steps": [25], "gates": ["EachStep"]},
        ),
        "paused": ramp_after(*soak, {"paused": True}, look_at(2 * HOUR)),
        "blind": ramp_after(
            *soak, look_at(HOUR), look_at(2 * HOUR, *SILENT), look_at(5 * HOUR, *SILENT)
        ),
        "gate-breach": ramp_after(
            *soak, look_at(HOUR), look_at(80 * MINUTE, *BREACH), spec={"onFailure": "Hold"}
        ),
        "rolling-back": ramp_after(
            *harmed, seen(workload("api", 50), workload("worker", 10), after=84 * MINUTE)
        ),
        "rolled-back": ramp_after(
            *soak,
            look_at(HOUR),
            look_at(80 * MINUTE, *BREACH),
            originals_back(90),
            originals_back(91),
        ),
        "aborted": ramp_after(*soak, {"abort": "Keep"}, look_at(2 * HOUR)),
        "contested": ramp_after(
            *soak,
            look_at(HOUR),
            seen(
                workload("api", 10, owners=(ARGO,)),
                workload("worker", 50),
                after=80 * MINUTE,
            ),
            seen(workload("api", 10, owners=(ARGO,)), workload("worker", 10), after=82 * MINUTE),
            seen(workload("api", 10, owners=(ARGO,)), workload("worker", 10), after=83 * MINUTE),
        ),
        "status-lost": ramp_after(seen(*pair(50, stamp=stamp(seq=3), coverage=None))),
        "completed": ramp_after(*soak, look_at(HOUR), look_at(6 * HOUR), look_at(DAY)),
        "at-goal": ramp_after(seen(*pair(50, coverage=None))),
    }


SCENES = scenes()
NOW = T + 7 * HOUR + 5 * MINUTE
SEEN_AT = {
    "completed": T + 25 * HOUR,
    "inconclusive": T + 25 * HOUR,
    "held": T + HOUR + 5 * MINUTE,
    "probed": T + 35 * MINUTE,
    "stepped": T + 10 * MINUTE,
    "abandoned": T + 9 * HOUR,
}


def now_of(scene: str) -> datetime:
    """Return when a scene is looked at: before anything is overdue, but for the abandoned."""
    return SEEN_AT.get(scene, NOW)
