"""Manifests that must be accepted, and what the operator then is asked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from integration.manifests import Change, drop, put
from rampguard.core.ask import (
    Arms,
    GateKind,
    GitopsPolicy,
    Guardrail,
    GuardrailType,
    Leave,
    Metrics,
    NoDataPolicy,
    OnFailure,
    PromQL,
    Target,
)
from rampguard.core.export import Analytics
from rampguard.core.outbox import NAMED, Kind, NextDecision, Notify
from rampguard.core.probe import Carrier, Probe, Spot
from rampguard.core.require import Incidents, Override, Require, SmokeTest, Window

H, M = timedelta(hours=1), timedelta(minutes=1)
SELECTOR = PromQL('assignments_total{experiment="tree",source=~"new|first"}')
QUERY = PromQL("histogram_quantile(0.95, sum by (le) (rate(seconds_bucket[5m])))")
SHARE = Guardrail(
    name="share",
    type=GuardrailType.EXPOSURE_BALANCE,
    tolerance=5.0,
    metric=None,
    requests=None,
    once_per_user=False,
    kill_switch=None,
    query=None,
    maximum=None,
    minimum=None,
    lasting=timedelta(0),
    dry_run=False,
)
P95 = Guardrail(
    name="p95",
    type=GuardrailType.THRESHOLD,
    tolerance=None,
    query=QUERY,
    maximum=0.8,
    minimum=-1.5,
    lasting=10 * M,
    dry_run=True,
)
STARTS = Guardrail(
    name="starts",
    type=GuardrailType.RELATIVE_DROP,
    tolerance=5.0,
    metric=PromQL('starts_total{experiment="tree",source=~"new|first"}'),
    once_per_user=False,
)
ERRORS = Guardrail(
    name="errors",
    type=GuardrailType.ERROR_RATE,
    tolerance=20.0,
    metric=PromQL('requests_total{path="/tree",status=~"5.."}'),
    requests=PromQL('requests_total{path="/tree"}'),
    kill_switch=5.0,
)
ALL = (SHARE, P95, STARTS, ERRORS)
BROWSER = {"from": "analytics", "event": "session_started"}
NINE, FIFTEEN = (datetime(2026, 11, 23, hour, tzinfo=UTC) for hour in (9, 15))
WINDOW = Window(not_before=NINE, not_after=FIFTEEN)
TEST = SmokeTest(ramp="tree-10", max_age=336 * H, conclusive=True, evidence=None)
REQUIRE = Require(
    smoke_test=TEST,
    no_firing_alerts='severity=~"sev1|sev2", service="skills"',
    no_open_incidents=Incidents(check="pager", evidence=None),
    announced=True,
    override=Override("@mia", "alert X is known, INC-12"),
)
UNANNOUNCED = replace(REQUIRE, announced=False)
PROBE = Probe(
    service="api",
    port=8080,
    path="/tree?skill=a",
    https=True,
    arm=(
        Spot(Carrier.HEADER, "X-Arm"),
        Spot(Carrier.COOKIE, "arm"),
        Spot(Carrier.JSON, "experiment.variant"),
    ),
    value=Spot(Carrier.JSON, "experiment.rollout"),
    identity=Spot(Carrier.HEADER, "X-Request-ID"),
    headers_from="api-probe",
    users=100,
    rate=50,
)
LINK = "https://wiki.example.com/tests?id=7#end"
# What the valid manifest asks, field by field.
WHOLE: dict[str, Any] = {
    "experiment": "tree",
    "env": "SKILL_TREE_LIST_ROLLOUT",
    "targets": (Target("api", "app", 1), Target("worker", None, 0)),
    "origin": 10,
    "from_absent": False,
    "to": 50,
    "steps": (20, 30),
    "step_soak": 30 * M,
    "soak": 6 * H,
    "findings": (1 * H, 6 * H),
    "proof_timeout": 15 * M,
    "arms": Arms("tree", "list"),
    "metrics": Metrics(source="default", arm_label="variant", assignments=SELECTOR),
    "probe": PROBE,
    "analytics": Analytics("events", 20 * M),
    "guardrails": ALL,
    "alpha": 0.01,
    "alpha_within_tolerance": 0.1,
    "no_data": NoDataPolicy.HOLD,
    "max_blind": 10 * M,
    "max_hold": 2 * H,
    "on_failure": OnFailure.ROLLBACK,
    "on_unattributable": OnFailure.HOLD,
    "on_delete": Leave.ROLLBACK,
    "gitops": GitopsPolicy.ENFORCE,
    "owner": "@mia",
    "window": WINDOW,
    "require": REQUIRE,
    "notify": (
        Notify("team", frozenset({Kind.RAMP_SUCCEEDED, Kind.BLOCKED})),
        Notify("mail"),
    ),
    "decision": NextDecision(analysis_window="2026-11-24 to 2026-12-01", go_no_go="2026-12-02"),
    "gates": frozenset({GateKind.START, GateKind.EACH_STEP}),
    "paused": False,
    "approve": "start",
    "abort": None,
    "force_delete": False,
    "requested_by": None,
}
LONGEST = "a" * 63

Row = tuple[tuple[Change, ...], dict[str, Any]]


def left_out(field: str, **asked: Any) -> Row:
    return (drop(field),), asked


def given(path: str, value: Any, **asked: Any) -> Row:
    return (put(path, value),), asked


def only(number: int) -> tuple[Change, ...]:
    """Return what leaves one guardrail, which then is the first; it decides unless it says so."""
    return tuple(drop(f"guardrails.{at}") for at in reversed(range(len(ALL))) if at != number)


def judged_by(*guardrails: Guardrail) -> dict[str, Any]:
    return {"guardrails": guardrails}


ARMLESS = (drop("arms"), drop("metrics"), drop("probe"), drop("analytics"))
ROWS: dict[str, Row] = {
    "every field": ((), {}),
    "no fromAbsent": left_out("fromAbsent", from_absent=False),
    "a variable that is absent": given("fromAbsent", value=True, from_absent=True),
    "no steps": left_out("steps", steps=()),
    "nothing for steps": given("steps", None, steps=()),
    "an empty list of steps": given("steps", [], steps=()),
    "10 steps": given("steps", [*range(20, 30)], steps=tuple(range(20, 30))),
    "no stepSoak": left_out("stepSoak", step_soak=H),
    "no soak": ((drop("soak"),), {"soak": 24 * H}),
    "nothing for the soak": ((put("soak", None),), {"soak": 24 * H}),
    "the shortest soak": ((drop("findings"), put("soak", "1m")), {"soak": M, "findings": None}),
    "the longest soak": given("soak", "720h", soak=720 * H),
    "the longest soak in minutes": given("soak", "43200m", soak=720 * H),
    "hours and minutes": given("soak", "6h30m", soak=6.5 * H),
    "zeros in front": given("soak", "0006h", soak=6 * H),
    "no findings": left_out("findings", findings=None),
    "an empty list of findings": given("findings", [], findings=()),
    "no proofTimeout": left_out("proofTimeout", proof_timeout=15 * M),
    "a target by name alone": given(
        "targets", [{"name": "api"}], targets=(Target("api", None, 1),)
    ),
    "10 targets": given(
        "targets",
        [{"name": f"api-{n}"} for n in range(10)],
        targets=tuple(Target(f"api-{n}", None, 1) for n in range(10)),
    ),
    "no source and no label": (
        (drop("metrics.source"), drop("metrics.armLabel")),
        {},
    ),
    "another source and label": (
        (put("metrics.source", "eu-1"), put("metrics.armLabel", "arm_2")),
        {"metrics": Metrics(source="eu-1", arm_label="arm_2", assignments=SELECTOR)},
    ),
    "a bare metric": given(
        "metrics.assignments",
        "job:assignments:total",
        metrics=Metrics(
            source="default", arm_label="variant", assignments=PromQL("job:assignments:total")
        ),
    ),
    "a Threshold alone, without arms and metrics": (
        (*ARMLESS, *only(1), drop("guardrails.0.dryRun")),
        {
            "probe": None,
            "analytics": None,
            "arms": None,
            "metrics": None,
            "guardrails": (
                Guardrail(
                    name="p95",
                    type=GuardrailType.THRESHOLD,
                    tolerance=None,
                    query=QUERY,
                    maximum=0.8,
                    minimum=-1.5,
                    lasting=10 * M,
                    dry_run=False,
                ),
            ),
        },
    ),
    "an ExposureBalance alone": (only(0), {"guardrails": (SHARE,)}),
    "a RelativeDrop alone": (only(2), {"guardrails": (STARTS,)}),
    "an ErrorRate alone, without arms and metrics": (
        (*ARMLESS, *only(3)),
        {"probe": None, "analytics": None, "arms": None, "metrics": None, "guardrails": (ERRORS,)},
    ),
    "nothing for the fields of other types": (
        (
            *only(0),
            *(put(f"guardrails.0.{name}", None) for name in ("metric", "query", "max", "for")),
        ),
        {"guardrails": (SHARE,)},
    ),
    "nothing for what a type may have": (
        (put("guardrails.2.oncePerUser", None), put("guardrails.3.killSwitch", None)),
        judged_by(SHARE, P95, STARTS, replace(ERRORS, kill_switch=None)),
    ),
    "no oncePerUser": left_out("guardrails.2.oncePerUser"),
    "oncePerUser": (
        (*only(2), put("guardrails.0.oncePerUser", value=True)),
        judged_by(replace(STARTS, once_per_user=True)),
    ),
    "no killSwitch": (
        (*only(3), drop("guardrails.0.killSwitch")),
        judged_by(replace(ERRORS, kill_switch=None)),
    ),
    **{
        f"a killSwitch of {percent}": (
            (*only(3), put("guardrails.0.killSwitch", percent)),
            judged_by(replace(ERRORS, kill_switch=float(percent))),
        )
        for percent in (1, 100)
    },
    **{
        f"a tolerance of {largest} for {one.type}": (
            (*only(at), put("guardrails.0.tolerance", largest)),
            judged_by(replace(one, tolerance=float(largest))),
        )
        for at, one, largest in ((0, SHARE, 50), (2, STARTS, 90), (3, ERRORS, 1000))
    },
    **{
        f"a dry run of {one.type}": (
            (put(f"guardrails.{at}.dryRun", value=True),),
            judged_by(*(replace(g, dry_run=g is one or g.dry_run) for g in ALL)),
        )
        for at, one in ((0, SHARE), (2, STARTS), (3, ERRORS))
    },
    "a bare metric for the errors": (
        (*only(3), put("guardrails.0.metric", "job:errors:total")),
        judged_by(replace(ERRORS, metric=PromQL("job:errors:total"))),
    ),
    **{
        f"starts of {name}": (
            (*only(2), put("guardrails.0.metric", metric)),
            judged_by(replace(STARTS, metric=PromQL(metric))),
        )
        for name, metric in {
            "the cohort of any experiment": 'starts_total{source=~"new|first"}',
            "the cohort in other quotes": "starts_total{source=~'new|first'}",
            "the cohort in another order": 'starts_total{source=~"new|first",experiment="tree"}',
            "a part of the cohort": 'starts_total{source=~"new|first",tier="web"}',
        }.items()
    },
    "users of the export": (
        (
            *only(2),
            *(drop(f"guardrails.0.{name}") for name in ("metric", "oncePerUser")),
            *(put(f"guardrails.0.{name}", told) for name, told in BROWSER.items()),
        ),
        judged_by(replace(STARTS, metric=None, event="session_started")),
    ),
    "users of the export, without metrics": (
        (
            *only(2),
            drop("metrics"),
            *(drop(f"guardrails.0.{name}") for name in ("metric", "oncePerUser")),
            *(put(f"guardrails.0.{name}", told) for name, told in BROWSER.items()),
        ),
        {"metrics": None, **judged_by(replace(STARTS, metric=None, event="session_started"))},
    ),
    "starts of everybody, where everybody is counted": (
        (
            *only(2),
            put("metrics.assignments", 'assignments_total{experiment="tree"}'),
            put("guardrails.0.metric", "starts_total"),
        ),
        {
            "metrics": Metrics(assignments=PromQL('assignments_total{experiment="tree"}')),
            **judged_by(replace(STARTS, metric=PromQL("starts_total"))),
        },
    ),
    "no alphas": ((drop("alpha"), drop("alphaWithinTolerance")), {}),
    "the smallest alpha": given("alpha", "0.0001", alpha=0.0001),
    "the largest alpha": given("alpha", "0.5", alpha=0.5),
    "no policies": (
        tuple(
            map(
                drop,
                (
                    "noData",
                    "maxBlind",
                    "maxHold",
                    "onFailure",
                    "onDelete",
                    "gitops",
                    "owner",
                    "notify",
                    "require.announced",
                    "decision",
                    "onUnattributable",
                ),
            )
        ),
        {"owner": None, "notify": (), "require": UNANNOUNCED, "decision": None},
    ),
    "nothing for every policy": (
        tuple(
            put(field, None)
            for field in (
                "noData",
                "maxBlind",
                "maxHold",
                "onFailure",
                "onDelete",
                "gitops",
                "onUnattributable",
            )
        ),
        {},
    ),
    "noData Rollback": given("noData", "Rollback", no_data=NoDataPolicy.ROLLBACK),
    "noData Ignore": given("noData", "Ignore", no_data=NoDataPolicy.IGNORE),
    "onFailure Hold": given("onFailure", "Hold", on_failure=OnFailure.HOLD),
    "onUnattributable Rollback": given(
        "onUnattributable", "Rollback", on_unattributable=OnFailure.ROLLBACK
    ),
    "onDelete Keep": given("onDelete", "Keep", on_delete=Leave.KEEP),
    "gitops Ignore": given("gitops.policy", "Ignore", gitops=GitopsPolicy.IGNORE),
    "an empty gitops": given("gitops", {}, gitops=GitopsPolicy.ENFORCE),
    "no analytics": left_out("analytics", analytics=None),
    "analytics after the usual time": left_out(
        "analytics.after", analytics=Analytics("events", 15 * M)
    ),
    "no probe": left_out("probe", probe=None),
    "nothing for the probe": given("probe", None, probe=None),
    "the least of a probe": given(
        "probe",
        {"service": "api", "port": 1, "path": "/", "arm": {"cookie": "arm"}},
        probe=Probe(service="api", port=1, path="/", arm=(Spot(Carrier.COOKIE, "arm"),)),
    ),
    "the most of a probe": (
        (put("probe.port", 65535), put("probe.users", 1000), put("probe.rate", 100)),
        {"probe": replace(PROBE, port=65535, users=1000, rate=100)},
    ),
    **{
        f"users by {carrier}": given(
            "probe.identity",
            {carrier: "u-id"},
            probe=replace(PROBE, identity=Spot(carrier, "u-id")),
        )
        for carrier in (Carrier.HEADER, Carrier.QUERY, Carrier.COOKIE)
    },
    "no window": left_out("window", window=None),
    "nothing for the window": given("window", None, window=None),
    "a window that is open at its end": left_out(
        "window.notAfter", window=replace(WINDOW, not_after=None)
    ),
    "a window that is open at its beginning": left_out(
        "window.notBefore", window=replace(WINDOW, not_before=None)
    ),
    "a leap day": given(
        "window.notBefore",
        "2024-02-29T23:59:59-00:30",
        window=replace(WINDOW, not_before=datetime(2024, 3, 1, 0, 29, 59, tzinfo=UTC)),
    ),
    "no require": left_out("require", require=None),
    "no override": left_out("require.override", require=replace(REQUIRE, override=None)),
    "a smoke test that need not be conclusive": left_out(
        "require.smokeTest.requireConclusive",
        require=replace(REQUIRE, smoke_test=replace(TEST, conclusive=False)),
    ),
    "a smoke test by a link": given(
        "require.smokeTest",
        {"evidence": LINK},
        require=replace(REQUIRE, smoke_test=SmokeTest(evidence=LINK)),
    ),
    "no open incident by a link": given(
        "require.noOpenIncidents",
        {"evidence": LINK},
        require=replace(REQUIRE, no_open_incidents=Incidents(evidence=LINK)),
    ),
    "alerts alone": given(
        "require", {"noFiringAlerts": "a='b'"}, require=Require(no_firing_alerts="a='b'")
    ),
    "an announcement alone": given("require", {"announced": True}, require=Require(announced=True)),
    "no announcement": left_out("require.announced", require=UNANNOUNCED),
    "an announcement that is not asked for": given(
        "require.announced", value=False, require=UNANNOUNCED
    ),
    "nobody to tell": (
        (drop("require.announced"), put("notify", [])),
        {"require": UNANNOUNCED, "notify": ()},
    ),
    "every event": given(
        "notify",
        [{"channel": "team", "events": sorted(NAMED)}],
        notify=(Notify("team"),),
    ),
    "8 channels": given(
        "notify",
        [{"channel": f"c{at}"} for at in range(8)],
        notify=tuple(Notify(f"c{at}") for at in range(8)),
    ),
    "a decision without a window": (
        (drop("decision.analysisWindow"),),
        {"decision": NextDecision(go_no_go="2026-12-02")},
    ),
    "a window without a decision": (
        (drop("decision.goNoGo"),),
        {"decision": NextDecision(analysis_window="2026-11-24 to 2026-12-01")},
    ),
    "no gates": left_out("gates", gates=frozenset()),
    "one gate": given("gates", ["EachStep"], gates=frozenset({GateKind.EACH_STEP})),
    "paused": given("paused", value=True, paused=True),
    "no requests": ((drop("paused"), drop("approve")), {"approve": None}),
    "an approval of a step": given("approve", "step-2-13", approve="step-2-13"),
    "an approval of a breach": given("approve", "breach-1", approve="breach-1"),
    "an approval of a new baseline": given("approve", "rebaseline", approve="rebaseline"),
    "an approval of another new baseline": given("approve", "rebaseline-2", approve="rebaseline-2"),
    "abort": given("abort", "Keep", abort=Leave.KEEP),
    "the way down": (
        (put("from", 50), put("to", 10), put("steps", [30, 20])),
        {"origin": 50, "to": 10, "steps": (30, 20)},
    ),
    "from 0 to 100": (
        (put("from", 0), put("to", 100)),
        {"origin": 0, "to": 100},
    ),
    "all the way back": (
        (put("from", 100), put("to", 0), drop("steps")),
        {"origin": 100, "to": 0, "steps": ()},
    ),
    "the longest names": (
        (put("/metadata.name", LONGEST), put("experiment", LONGEST), put("env", "A" * 128)),
        {"experiment": LONGEST, "env": "A" * 128},
    ),
    "a name with dots": ((put("/metadata.name", "tree.v2"),), {}),
    "words in every script": (
        (put("owner", "Zoë 🦊 דנה"), put("experiment", "Bäume 🌲")),
        {"owner": "Zoë 🦊 דנה", "experiment": "Bäume 🌲"},
    ),
    "who asked": (
        (put("/metadata.annotations", {"rampguard.dev/requested-by": "mia"}),),
        {"requested_by": "mia"},
    ),
    "a deletion by force": (
        (put("/metadata.annotations", {"rampguard.dev/force-delete": "true"}),),
        {"force_delete": True},
    ),
    "a status, which only the operator may write": (
        (put("/status", {"phase": "Completed", "observedGeneration": 7}),),
        {},
    ),
}
