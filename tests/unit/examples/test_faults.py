import random

import pytest
from skilltree.assignment import COOKIE, Arm, Source, assign
from skilltree.config import Config
from skilltree.faults import Faults
from skilltree.metrics import TREE_PATH
from skilltree.tiers import api_app

ASSIGNMENTS = "experiment_assignments_total"
REQUESTS = "http_requests_total"


def faults(*, on: bool = True) -> Faults:
    return Faults(random.Random(1), on=on)  # noqa: S311 - a seed, so that a run can be repeated


@pytest.mark.parametrize("header", ["X-Lab-Fail", "X-Lab-Fail-Treatment", "X-Lab-Divert"])
async def test_outside_a_lab_no_harm_is_done_on_request(visit, header) -> None:
    client = visit(api_app(Config(rollout=100)))
    answer = await client.get(TREE_PATH, headers={header: "1"})
    assert (answer.status_code, answer.json()["experiment"]["variant"]) == (200, "list")


async def test_a_failure_is_a_500_whose_arm_stands(visit, counted) -> None:
    client = visit(api_app(Config(rollout=100, faults=True)))
    answer = await client.get(TREE_PATH, headers={"X-Lab-Fail": "1"})
    assert (answer.status_code, answer.json()["experiment"]["variant"]) == (500, "list")
    assert f"{COOKIE}=list" in answer.headers["set-cookie"]
    assert await counted(client, REQUESTS, status="500", variant="list") == 1
    assert await counted(client, ASSIGNMENTS, variant="list", source="assignment") == 1


@pytest.mark.parametrize(("arm", "status"), [("list", 500), ("tree", 200)])
async def test_a_failure_of_treatment_spares_control(visit, arm, status) -> None:
    client = visit(api_app(Config(faults=True)))
    headers = {"X-Lab-Fail-Treatment": "1", "Cookie": f"{COOKIE}={arm}"}
    assert (await client.get(TREE_PATH, headers=headers)).status_code == status


def test_a_rate_of_failures_is_that_rate() -> None:
    lab = faults()
    failed = sum(lab.fails(Arm.TREE, {"X-Lab-Fail": "0.2"}) for _ in range(5000))
    assert failed / 5000 == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("value", ["", "much", "0", "-1", "nan"])
def test_a_rate_that_is_none_fails_nothing(value) -> None:
    assert not faults().fails(Arm.LIST, {"X-Lab-Fail": value})


async def test_a_diverted_user_is_counted_and_kept_in_control(visit, counted) -> None:
    client = visit(api_app(Config(rollout=100, faults=True)))
    answer = await client.get(TREE_PATH, headers={"X-Lab-Divert": "1", "X-Request-ID": "mia"})
    assert f"{COOKIE}=tree" in answer.headers["set-cookie"]
    assert await counted(client, ASSIGNMENTS, variant="tree", source="assignment") == 1
    assert await counted(client, ASSIGNMENTS, variant="list") == 0


def test_the_share_diverted_is_the_one_asked_for() -> None:
    lab, asked = faults(), {"X-Lab-Divert": "0.3"}
    users = [f"u-{n}" for n in range(10_000)]
    left = sum(lab.diverted(user, assign(user, 50), asked).arm is Arm.LIST for user in users)
    assert left / 10_000 == pytest.approx(0.5 * 0.7, abs=0.015)


def test_a_user_is_diverted_at_every_try_or_never() -> None:
    asked = {"X-Lab-Divert": "0.5"}
    for user in map(str, range(100)):
        given = assign(user, 100)
        assert faults().diverted(user, given, asked) == faults().diverted(user, given, asked)


def test_who_has_a_cookie_is_not_diverted() -> None:
    kept = faults().diverted("mia", assign("mia", 0, "list"), {"X-Lab-Divert": "1"})
    assert (kept.arm, kept.source) == (Arm.LIST, Source.COOKIE)


async def test_a_lab_can_ask_a_pod_to_end_after_its_answer(visit) -> None:
    ended: list[bool] = []
    client = visit(api_app(Config(faults=True), end=lambda: ended.append(True)))
    assert (await client.post("/lab/exit")).status_code == 202
    assert ended == []


async def test_nobody_else_can(visit) -> None:
    assert (await visit(api_app(Config())).post("/lab/exit")).status_code == 404
