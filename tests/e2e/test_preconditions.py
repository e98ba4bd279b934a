"""A ramp that waits for its smoke test and a real alert, and that an incident holds in its soak."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from aiohttp import web
from aiohttp.test_utils import unused_port

from e2e.operators import Operator
from e2e.proxies import metrics_proxy, serving
from e2e.stage import PROMETHEUS, Stage, pause, until


@dataclass
class Pager:
    """An incident check: where it answers, and how."""

    url: str
    status: int = 200
    words: str = ""


@contextmanager
def pager() -> Iterator[Pager]:
    told = Pager(f"http://127.0.0.1:{unused_port()}")

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=told.status, text=told.words)

    with serving(answer, told.url):
        yield told


def fires(stage: Stage) -> bool:
    """Ask Prometheus, without the operator, whether the alert of a stage fires."""
    query = f'ALERTS{{alertstate="firing",namespace="{stage.namespace}"}}'
    told = requests.get(f"{PROMETHEUS}/api/v1/query", params={"query": query}, timeout=10).json()
    return bool(told["data"]["result"])


def unmet(stage: Stage) -> str:
    """Return what the ramp waits for."""
    condition = stage.condition("PreconditionsMet")
    return condition["message"] if condition.get("status") == "False" else ""


@pytest.mark.timeout(1200)
def test_a_ramp_waits_starts_by_itself_and_is_held(stage: Stage, tmp_path: Path) -> None:
    with (
        pager() as pages,
        Operator(stage.namespace, tmp_path, incidentChecks={"pager": {"url": f"{pages.url}/open"}}),
    ):
        stage.knob(error_rate_all=0.5)
        until(lambda: fires(stage), 90, "the alert fires")
        pages.status, pages.words = 409, "INC-6"
        require = {
            "smokeTest": {"ramp": "smoke", "maxAge": "1h"},
            "noFiringAlerts": f'severity="sev1",namespace="{stage.namespace}"',
            "noOpenIncidents": {"check": "pager"},
        }
        stage.apply(**{"from": 10}, steps=[25], stepSoak="1m", require=require)
        waiting = stage.reaches("Blocked")
        for words in ("there is no ramp", "fire: SkillTreeFails", "answers 409, not 200: INC-6"):
            assert words in unmet(stage)
        # What runs is not `from` yet; the signals are asked all the same, and told beside it.
        assert any(one["type"] == "SignalsReady" for one in waiting["conditions"])

        stage.apply("smoke", to=10, soak="2m")
        until(lambda: "smoke is Soaking" in unmet(stage), 150, f"waits for it: {unmet(stage)}")
        stage.reaches("Completed", name="smoke", limit=240)
        pages.status, pages.words = 200, ""
        until(lambda: unmet(stage).startswith("alerts with"), 90, f"only alerts: {unmet(stage)}")
        assert "; " not in unmet(stage)
        assert stage.only("10")

        stage.knob(error_rate_all=0)
        stage.reaches("Soaking", limit=180)
        assert not fires(stage)
        assert stage.only("25")
        assert stage.condition("PreconditionsMet")["reason"] == "Met"

        pages.status, pages.words = 503, "INC-7"
        until(lambda: "INC-7" in unmet(stage), 60, "the incident is seen")
        pause(75)  # the soak of the step is over by now
        held = stage.status()
        assert held["phase"] == "Soaking"
        assert "held: incident check pager answers 503" in held["summary"]
        assert stage.condition("GuardrailsPassing")["status"] != "False"
        assert stage.only("25")
        told = [one for one in stage.events() if one["reason"] == "IncidentOpen"]
        assert len(told) == 1

        pages.status = 200
        stage.reaches("Completed", limit=240)
        assert stage.only("50")
        assert any(one["reason"] == "Met" for one in stage.events())


def test_an_answer_in_part_is_no_all_clear_and_a_person_may_overrule_it(
    stage: Stage, tmp_path: Path
) -> None:
    with metrics_proxy() as proxy, Operator(stage.namespace, tmp_path, prometheus=proxy.url):
        proxy.fault = "warnings"
        matchers = f'severity="sev1",namespace="{stage.namespace}"'
        require = {"noFiringAlerts": matchers, "noOpenIncidents": {"check": "nobody"}}
        stage.apply(require=require)
        stage.reaches("Blocked")
        assert "cannot be seen: default" in unmet(stage)
        assert "a partial answer" in unmet(stage)
        assert "there are: none" in unmet(stage)
        proxy.fault = ""
        until(lambda: "alerts" not in unmet(stage), 60, f"alerts are seen: {unmet(stage)}")
        assert stage.phase() == "Blocked"
        override = {"by": "@mia", "reason": "no pager in this test"}
        stage.ask("require", {"override": override})
        stage.reaches("Soaking", limit=120)
        assert stage.status()["vouched"] == [
            "IncidentOpen overridden by @mia: no pager in this test"
        ]
        assert stage.condition("PreconditionsMet")["reason"] == "Overridden"
        assert any(one["reason"] == "Overridden" for one in stage.events())
