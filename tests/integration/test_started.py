"""What may still change once a ramp has started, and that every status we write is taken."""

import copy
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest

from cli_ramps import SCENES
from integration.manifests import VALID, Change, Json, drop, put
from integration.server import DRY, RAMPS, Answer, ApiServer
from rampguard.api.rules import FROZEN, FROZEN_OPTIONAL
from rampguard.api.status import to_status
from rampguard.core.ask import GuardrailType
from rampguard.core.model import Finding, Judgement, Part, Phase, Verdict
from rampguard.core.view import StatusView
from scenes import HOUR, T, soaking, state

pytestmark = pytest.mark.cluster

TRIES = 5
MERGE = "application/merge-patch+json"
FIRST = "experiment, env, targets, from, to, steps, stepSoak and alpha are frozen"
SECOND = "fromAbsent, arms, metrics and onUnattributable are frozen"
GUARDRAILS = "names, types, queries, metrics, events, requests and oncePerUser of"

REQUIRE = "window and require are frozen, but for require.override"
EXTENDED = "soak can only be extended"
FROZEN_ROWS: dict[str, tuple[str, Change]] = {
    "another experiment": (FIRST, put("experiment", "other")),
    "another variable": (FIRST, put("env", "OTHER")),
    "another target": (FIRST, put("targets.1.name", "other")),
    "one more target": (FIRST, put("targets", [*VALID["spec"]["targets"], {"name": "other"}])),
    "one target less": (FIRST, drop("targets.1")),
    "another container": (FIRST, put("targets.0.container", "other")),
    "no container": (FIRST, drop("targets.0.container")),
    "other minPods": (FIRST, put("targets.1.minPods", 1)),
    "another from": (FIRST, put("from", 11)),
    "another to": (FIRST, put("to", 51)),
    "another step": (FIRST, put("steps.0", 21)),
    "one more step": (FIRST, put("steps", [20, 30, 40])),
    "no steps": (FIRST, drop("steps")),
    "another stepSoak": (FIRST, put("stepSoak", "31m")),
    "stepSoak by default": (FIRST, drop("stepSoak")),
    "another alpha": (FIRST, put("alpha", "0.02")),
    "another alphaWithinTolerance": (FIRST, put("alphaWithinTolerance", "0.2")),
    "fromAbsent turned": (SECOND, put("fromAbsent", value=True)),
    "no fromAbsent": (SECOND, drop("fromAbsent")),
    "another arm": (SECOND, put("arms.treatment", "grid")),
    "another source": (SECOND, put("metrics.source", "other")),
    "another counter": (SECOND, put("metrics.assignments", "other_total")),
    "another onUnattributable": (SECOND, put("onUnattributable", "Rollback")),
    "one more guardrail": (
        GUARDRAILS,
        put(
            "guardrails",
            [
                *VALID["spec"]["guardrails"],
                {"name": "new", "type": "Threshold", "query": "up", "min": "1"},
            ],
        ),
    ),
    "one guardrail less": (GUARDRAILS, drop("guardrails.1")),
    "another guardrail name": (GUARDRAILS, put("guardrails.1.name", "p99")),
    "another query": (GUARDRAILS, put("guardrails.1.query", "up")),
    "other starts": (GUARDRAILS, put("guardrails.2.metric", 'others_total{source=~"new|first"}')),
    "oncePerUser turned": (GUARDRAILS, put("guardrails.2.oncePerUser", value=True)),
    "no oncePerUser": (GUARDRAILS, drop("guardrails.2.oncePerUser")),
    "other errors": (GUARDRAILS, put("guardrails.3.metric", 'requests_total{status=~"4.."}')),
    "other requests": (GUARDRAILS, put("guardrails.3.requests", "requests_total")),
    "another type": (
        GUARDRAILS,
        put("guardrails.0", {"name": "share", "type": "Threshold", "query": "up", "min": "1"}),
    ),
    "another window": (REQUIRE, put("window.notAfter", "2026-11-23T17:00:00Z")),
    "no window": (REQUIRE, drop("window")),
    "no require": (REQUIRE, drop("require")),
    "another smoke test": (REQUIRE, put("require.smokeTest.ramp", "tree-20")),
    "an older smoke test": (REQUIRE, put("require.smokeTest.maxAge", "337h")),
    "no smoke test": (REQUIRE, drop("require.smokeTest")),
    "other alerts": (REQUIRE, put("require.noFiringAlerts", 'severity="sev1"')),
    "no alerts": (REQUIRE, drop("require.noFiringAlerts")),
    "another check": (REQUIRE, put("require.noOpenIncidents.check", "other")),
    "a link for a check": (REQUIRE, put("require.noOpenIncidents", {"evidence": "https://x"})),
    "no announcement": (REQUIRE, drop("require.announced")),
    "an announcement that is not asked for": (REQUIRE, put("require.announced", value=False)),
    "a shorter soak": (EXTENDED, put("soak", "359m")),
}
FREE_ROWS: dict[str, Change] = {
    "a longer soak": put("soak", "6h1m"),
    "the same soak in minutes": put("soak", "360m"),
    # A list with keys is compared as a set; the order of the writes is remembered in the status.
    "targets in another order": put("targets", VALID["spec"]["targets"][::-1]),
    "other findings": put("findings", ["30m"]),
    "no findings": drop("findings"),
    "another proofTimeout": put("proofTimeout", "1h"),
    "another tolerance": put("guardrails.0.tolerance", 7),
    "another tolerance of a drop": put("guardrails.2.tolerance", 7),
    "another tolerance of a rise": put("guardrails.3.tolerance", 200),
    "another killSwitch": put("guardrails.3.killSwitch", 50),
    "no killSwitch": drop("guardrails.3.killSwitch"),
    "starts that are a dry run": put("guardrails.2.dryRun", value=True),
    "errors that are a dry run": put("guardrails.3.dryRun", value=True),
    "onUnattributable by default": drop("onUnattributable"),
    "another limit": put("guardrails.1.max", "0.9"),
    "one limit less": drop("guardrails.1.min"),
    "another for": put("guardrails.1.for", "5m"),
    "a dry run that decides now": put("guardrails.1.dryRun", value=False),
    "guardrails in another order": put("guardrails", VALID["spec"]["guardrails"][::-1]),
    "another noData": put("noData", "Rollback"),
    "another maxBlind": put("maxBlind", "1h"),
    "another maxHold": put("maxHold", "1h"),
    "another onFailure": put("onFailure", "Hold"),
    "another onDelete": put("onDelete", "Keep"),
    "another policy": put("gitops.policy", "Ignore"),
    "another owner": put("owner", "@ada"),
    "another probe": put("probe.path", "/other"),
    "no probe": drop("probe"),
    "another export": put("analytics.source", "other"),
    "no analytics": drop("analytics"),
    "another override": put("require.override.reason", "INC-13"),
    "no override": drop("require.override"),
    "another channel": put("notify", [{"channel": "pager"}]),
    "fewer channels": drop("notify.0"),
    "another decision": put("decision.goNoGo", "2026-12-09"),
    "no decision": drop("decision"),
    "no gates": drop("gates"),
    "a pause": put("paused", value=True),
    "an approval": put("approve", "step-2"),
    "an abort": put("abort", "Rollback"),
    "an annotation": put("/metadata.annotations", {"rampguard.dev/requested-by": "mia"}),
}


COUNTING = {"name": "users", "type": "RelativeDrop", "tolerance": 9}
COUNTING |= {"from": "analytics", "event": "session_started"}
EXPORT = "analytics.source is frozen, a guardrail counts in it"
COUNTING_ROWS: dict[str, tuple[str, Change]] = {
    "another export": (EXPORT, put("analytics.source", "other")),
    "another event": (GUARDRAILS, put("guardrails.4.event", "other")),
    "one event less": (GUARDRAILS, drop("guardrails.4")),
    "a counter instead": (
        GUARDRAILS,
        put("guardrails.4", {n: v for n, v in COUNTING.items() if n not in {"from", "event"}}
            | {"metric": VALID["spec"]["guardrails"][2]["metric"]}),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def path(server: ApiServer, namespace: str) -> str:
    """Return where two ramps stand: one that has started, and one that has not."""
    path = f"{RAMPS}/namespaces/{namespace}/experimentramps"
    for name in ("started", "waiting"):
        server.must("POST", path, copy.deepcopy(VALID) | {"metadata": {"name": name}})
    counting = copy.deepcopy(VALID) | {"metadata": {"name": "counting"}}
    counting["spec"]["guardrails"].append(COUNTING)
    server.must("POST", path, counting)
    # Ended ones: an operator that runs here leaves them as they are.
    status = {"status": SCENES["completed"]["status"]}
    for name in ("started", "counting"):
        server.must("PATCH", f"{path}/{name}/status", status, content=MERGE)
    return path


def update(server: ApiServer, one: str, change: Change, sub: str = "") -> Answer:
    """Try to replace a ramp by itself after a change; again where an operator was faster."""
    for _ in range(TRIES):
        stands = server.must("GET", one)
        change(stands)
        answer = server.call("PUT", f"{one}{sub}", stands, query=DRY)
        if answer.code != HTTPStatus.CONFLICT:
            break
    return answer


@pytest.mark.parametrize("row", FROZEN_ROWS.values(), ids=FROZEN_ROWS)
def test_what_has_started_is_frozen_by_name(
    server: ApiServer, path: str, row: tuple[str, Change]
) -> None:
    message, change = row
    said = update(server, f"{path}/started", change).message
    assert f"the ramp has started: {message}" in said


@pytest.mark.parametrize("row", COUNTING_ROWS.values(), ids=COUNTING_ROWS)
def test_what_a_guardrail_counts_in_an_export_is_frozen_by_name(
    server: ApiServer, path: str, row: tuple[str, Change]
) -> None:
    message, change = row
    said = update(server, f"{path}/counting", change).message
    assert f"the ramp has started: {message}" in said


def test_when_an_export_is_spot_checked_stays_free(server: ApiServer, path: str) -> None:
    answer = update(server, f"{path}/counting", put("analytics.after", "1h"))
    assert answer.accepted, answer.message


@pytest.mark.parametrize("row", FROZEN_ROWS.values(), ids=FROZEN_ROWS)
def test_before_the_start_everything_may_change(
    server: ApiServer, path: str, row: tuple[str, Change]
) -> None:
    _, change = row

    def both(ramp: Json) -> None:
        change(ramp)
        drop("findings")(ramp)  # a shorter soak would not hold them

    answer = update(server, f"{path}/waiting", both)
    assert answer.accepted, answer.message


@pytest.mark.parametrize("change", FREE_ROWS.values(), ids=FREE_ROWS)
def test_what_people_ask_of_a_running_ramp_stays_free(
    server: ApiServer, path: str, change: Change
) -> None:
    answer = update(server, f"{path}/started", change)
    assert answer.accepted, answer.message


def test_each_field_is_either_frozen_or_free_in_a_row() -> None:
    changed = {
        name
        for change in (*(change for _, change in FROZEN_ROWS.values()), *FREE_ROWS.values())
        for name in differing(change)
    }
    assert changed == {*VALID["spec"], "abort"}
    frozen = {name for _, change in FROZEN_ROWS.values() for name in differing(change)}
    assert frozen == {*FROZEN, *FROZEN_OPTIONAL, "guardrails", "require", "soak"}


def differing(change: Change) -> set[str]:
    after: Json = copy.deepcopy(VALID)
    change(after)
    both = {*after["spec"], *VALID["spec"]}
    missing: Any = object()
    return {n for n in both if after["spec"].get(n, missing) != VALID["spec"].get(n, missing)}


def test_a_start_cannot_be_taken_back_with_the_spec(server: ApiServer, path: str) -> None:
    """A status in a manifest is not even looked at: it has its own way, and its own right."""
    answer = update(server, f"{path}/started", drop("/status"))
    assert answer.body["status"]["startedAt"] == SCENES["completed"]["status"]["startedAt"]


@pytest.mark.parametrize("scene", SCENES)
def test_every_status_that_we_write_is_taken_as_it_is(
    server: ApiServer, path: str, scene: str
) -> None:
    status = {"observedGeneration": -1} | SCENES[scene].get("status", {})
    stored = update(server, f"{path}/waiting", put("/status", status), "/status")
    assert stored.accepted, stored.message
    assert stored.body["status"] == status


def test_lines_of_numbers_are_taken_as_long_as_they_may_be(server: ApiServer, path: str) -> None:
    part = Part(name="history", verdict=Verdict.INCONCLUSIVE, counts="c" * 999)
    judgement = Judgement(
        name="errors",
        type=GuardrailType.ERROR_RATE,
        verdict=Verdict.INCONCLUSIVE,
        parts=(part,) * 9,
    )
    finding = Finding(
        after=HOUR,
        at=T,
        share=50,
        verdict=Verdict.INCONCLUSIVE,
        evidence="",
        details=("d" * 999,) * 30,
    )
    told = state(soaking(judged=(judgement,)), findings=(finding,))
    status = to_status(StatusView(phase=Phase.SOAKING, blind=timedelta(0)), told)
    stored = update(server, f"{path}/waiting", put("/status", status), "/status")
    assert stored.accepted, stored.message
    assert stored.body["status"] == status
