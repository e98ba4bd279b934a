import asyncio
import random

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner
from skilltree.__main__ import main
from skilltree.browser import Answer, Asked
from skilltree.control import KnobsError, control_app, turn_knobs
from skilltree.knobs import Knobs
from skilltree.traffic import Traffic


class Nobody:
    async def ask(self, asked: Asked) -> Answer | None:
        return None


def program() -> tuple[Traffic, web.Application]:
    traffic = Traffic(Nobody(), random.Random(1))  # noqa: S311 - no secret
    return traffic, control_app(traffic)


def test_no_harm_is_done_unless_asked_for() -> None:
    assert Knobs().headers() == {}
    assert (Knobs().treatment_session_drop, Knobs().restart_storm) == (0, 0)


def test_harm_to_the_api_is_asked_for_by_header() -> None:
    knobs = Knobs(error_rate_all=0.1, error_rate_treatment=0.2, arm_imbalance=0.3)
    assert knobs.headers() == {
        "X-Lab-Fail": "0.1",
        "X-Lab-Fail-Treatment": "0.2",
        "X-Lab-Divert": "0.3",
    }


WRONG = {
    "no knob": {"speed": 1},
    "a share above 1": {"arm_imbalance": 1.1},
    "a negative rate": {"rps": -1},
    "a flood": {"rps": 100_000},
    "no number": {"rps": "fast"},
    "not a number": {"arm_imbalance": "nan"},
    "an infinite one": {"restart_storm": "inf"},
    "another profile": {"profile": "weekly"},
    "none": {"rps": None},
}


@pytest.mark.parametrize("patch", WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_refused_with_its_name(patch) -> None:
    (name,) = patch
    with pytest.raises(ValueError, match=f"^{name}: "):
        Knobs().changed(patch)


async def test_knobs_are_shown_and_turned_over_http() -> None:
    traffic, app = program()
    async with TestClient(TestServer(app)) as client:
        assert await (await client.get("/knobs")).json() == Knobs().model_dump()
        answer = await client.patch("/knobs", json={"rps": 60, "profile": "diurnal"})
        assert (await answer.json())["rps"] == 60
        assert traffic.knobs == Knobs(rps=60, profile="diurnal")
        await client.patch("/knobs", json={"rps": 40})
        assert traffic.knobs == Knobs(profile="diurnal")


@pytest.mark.parametrize("body", ['{"rps": -1, "profile": "diurnal"}', "[]", "{", "", "\xff"])
async def test_a_wrong_change_changes_nothing(body) -> None:
    traffic, app = program()
    async with TestClient(TestServer(app)) as client:
        answer = await client.patch("/knobs", data=body.encode("latin-1"))
        assert answer.status == 422
        assert (await answer.json())["error"]
    assert traffic.knobs == Knobs()


async def test_the_program_tells_that_it_lives_and_what_it_counted() -> None:
    _, app = program()
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/healthz")).status == 200
        text = await (await client.get("/metrics")).text()
    assert 'traffic_requests_total{outcome="lost",request="tree"} 0.0' in text


async def test_the_command_turns_the_knobs_of_a_running_program() -> None:
    traffic, app = program()
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        assert (await turn_knobs(url, {"rps": "60"}))["rps"] == 60
        assert (await turn_knobs(url, {}))["rps"] == 60
        assert traffic.knobs.rps == 60
        with pytest.raises(KnobsError, match="arm_imbalance"):
            await turn_knobs(url, {"arm_imbalance": "2"})
    with pytest.raises(KnobsError, match="no traffic program answers"):
        await turn_knobs(url, {})


async def test_the_command_line_prints_every_knob() -> None:
    _, app = program()
    async with TestServer(app) as server:
        url = str(server.make_url(""))
        line = ["knobs", "--url", url, "set", "rps=60", "treatment_session_drop=0.2"]
        done = await asyncio.to_thread(CliRunner().invoke, main, line)
    assert done.exit_code == 0
    told = dict(text.split("=") for text in done.output.splitlines())
    assert set(told) == set(Knobs.model_fields)
    assert (told["rps"], told["treatment_session_drop"]) == ("60.0", "0.2")


@pytest.mark.parametrize("setting", ["rps", "=60", ""])
def test_a_setting_without_a_name_or_a_value_is_a_usage_error(setting) -> None:
    done = CliRunner().invoke(main, ["knobs", "set", setting])
    assert (done.exit_code, "KNOB=VALUE is needed" in done.output) == (2, True)


def test_the_table_of_the_readme_names_every_knob_with_its_default(skill_tree) -> None:
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:3]]
        for line in (skill_tree / "README.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    told = {name: default for name, default in rows if name in Knobs.model_fields}
    assert Knobs().changed(told) == Knobs()
    assert set(told) == set(Knobs.model_fields)
