import json

import pytest
from skilltree.assignment import COOKIE, HEADER, Arm, Source, assign, bucket_of
from skilltree.config import Config
from skilltree.metrics import SESSIONS_PATH, TREE_PATH
from skilltree.tiers import api_app

ASSIGNMENTS = "experiment_assignments_total"
SESSIONS = "session_started_from_tree_total"
REQUESTS = "http_requests_total"


def treated(rollout: int = 50) -> str:
    return next(u for u in map(str, range(1000)) if assign(u, rollout).arm is Arm.LIST)


def as_user(name: str, arm: str | None = None) -> dict[str, str]:
    return {"Cookie": f"session={name}" + (f"; {COOKIE}={arm}" if arm else "")}


async def test_header_cookie_and_body_agree_for_every_user(visit) -> None:
    client = visit(api_app(Config(rollout=50)))
    seen = set()
    for n in range(40):
        answer = await client.get(TREE_PATH, headers={"X-Request-ID": f"r-{n}"})
        told = answer.json()["experiment"]
        assert answer.headers[HEADER] == told["variant"]
        assert f"{COOKIE}={told['variant']};" in answer.headers["set-cookie"]
        client.cookies.clear()
        seen.add(told["variant"])
    assert seen == {"tree", "list"}


async def test_the_body_says_what_the_design_says(visit) -> None:
    client = visit(api_app(Config(rollout=10)))
    answer = await client.get(TREE_PATH, headers={"X-Request-ID": "r-1"})
    assert answer.json()["experiment"] == {
        "name": "skill_tree_layout",
        "variant": assign("r-1", 10).arm,
        "source": "assignment",
        "bucket": bucket_of("r-1"),
        "rollout": 10,
        "request_id": "r-1",
    }


async def test_the_cookie_lasts_thirty_days(visit) -> None:
    answer = await visit(api_app(Config())).get(TREE_PATH)
    assert "Max-Age=2592000" in answer.headers["set-cookie"]
    assert "Path=/" in answer.headers["set-cookie"]


async def test_the_session_cookie_says_who_asks_before_the_request_id_does(visit) -> None:
    headers = as_user("mia") | {"X-Request-ID": "r-1"}
    told = (await visit(api_app(Config())).get(TREE_PATH, headers=headers)).json()["experiment"]
    assert (told["bucket"], told["request_id"]) == (bucket_of("mia"), "r-1")


async def test_without_a_name_every_request_is_a_new_user(visit) -> None:
    client = visit(api_app(Config()))
    ids = [(await client.get(TREE_PATH)).json()["experiment"]["request_id"] for _ in range(2)]
    assert ids[0] != ids[1]


@pytest.mark.parametrize("name", ["u" * 5000, "ü", "%00", '"quoted"', "a=b", " "])
async def test_a_user_of_any_name_is_served(visit, name) -> None:
    client = visit(api_app(Config(rollout=50)))
    headers = {"Cookie": f"session={name}".encode("latin-1")}
    assert (await client.get(TREE_PATH, headers=headers)).status_code == 200
    start = {"skill": "ratios"}
    assert (await client.post(SESSIONS_PATH, json=start, headers=headers)).status_code == 201


async def test_a_cookie_keeps_its_arm_at_every_rollout(visit) -> None:
    answer = await visit(api_app(Config(rollout=0))).get(TREE_PATH, headers=as_user("mia", "list"))
    told = answer.json()["experiment"]
    assert (told["variant"], told["source"], answer.headers[HEADER]) == ("list", "cookie", "list")


async def test_the_arms_show_different_layouts(visit) -> None:
    client = visit(api_app(Config()))
    flat = (await client.get(TREE_PATH, headers=as_user("mia", "list"))).json()["skills"]
    nested = (await client.get(TREE_PATH, headers=as_user("mia", "tree"))).json()["skills"]
    assert flat[:2] == ["arithmetic", "fractions"]
    assert nested["above"][0]["name"] == "fractions"


async def test_every_child_of_every_counter_is_0_from_the_start(visit, counted) -> None:
    client = visit(api_app(Config()))
    for arm in Arm:
        for source in Source:
            for name in (ASSIGNMENTS, SESSIONS):
                assert await counted(client, name, variant=arm, source=source) == 0
        for status in ("200", "404", "500"):
            for path in (TREE_PATH, SESSIONS_PATH):
                labels = {"variant": arm, "status": status, "path": path}
                assert await counted(client, REQUESTS, **labels) == 0


async def test_a_view_counts_once_by_arm_and_source(visit, counted) -> None:
    client = visit(api_app(Config(rollout=50)))
    await client.get(TREE_PATH, headers=as_user(treated()))
    client.cookies.clear()
    await client.get(TREE_PATH, headers=as_user(treated(), "tree"))
    assert await counted(client, ASSIGNMENTS, variant="list", source="assignment") == 1
    assert await counted(client, ASSIGNMENTS, variant="tree", source="cookie") == 1
    assert await counted(client, ASSIGNMENTS, experiment="skill_tree_layout") == 2
    assert await counted(client, REQUESTS, path=TREE_PATH, status="200", variant="list") == 1


async def test_a_request_is_timed_by_its_path(visit, counted) -> None:
    client = visit(api_app(Config()))
    await client.get(TREE_PATH)
    await client.get("/somewhere")
    timed = "http_request_duration_seconds_count"
    assert await counted(client, timed, path=TREE_PATH) == 1
    assert await counted(client, timed) == 1


async def test_a_session_counts_by_the_arm_of_the_user_and_the_source_of_the_tree(
    visit, counted
) -> None:
    client = visit(api_app(Config()))
    start = {"skill": "ratios", "source": "assignment"}
    answer = await client.post(SESSIONS_PATH, json=start, headers=as_user("mia", "list"))
    assert (answer.status_code, answer.json()["variant"]) == (201, "list")
    assert await counted(client, SESSIONS, variant="list", source="assignment") == 1
    assert await counted(client, SESSIONS) == 1
    assert await counted(client, ASSIGNMENTS) == 0


async def test_a_session_without_a_source_has_that_of_the_request(visit, counted) -> None:
    client = visit(api_app(Config()))
    await client.post(SESSIONS_PATH, json={"skill": "ratios"}, headers=as_user("mia", "list"))
    assert await counted(client, SESSIONS, variant="list", source="cookie") == 1


REFUSED = {
    "an unknown skill": ({"skill": "alchemy"}, 404),
    "no skill": ({}, 422),
    "a source that there is not": ({"skill": "ratios", "source": "guess"}, 422),
    "a field that there is not": ({"skill": "ratios", "arm": "list"}, 422),
    "a list": ([], 422),
}


@pytest.mark.parametrize(("body", "status"), REFUSED.values(), ids=REFUSED)
async def test_a_wrong_start_is_refused_and_starts_nothing(visit, counted, body, status) -> None:
    client = visit(api_app(Config()))
    answer = await client.post(SESSIONS_PATH, json=body, headers=as_user("mia", "list"))
    assert answer.status_code == status
    assert await counted(client, SESSIONS) == 0
    assert await counted(client, REQUESTS, path=SESSIONS_PATH, status=str(status)) == 1


async def test_an_unknown_skill_of_the_tree_is_not_found_and_the_arm_stands(visit, counted) -> None:
    client = visit(api_app(Config()))
    answer = await client.get(TREE_PATH + "?skill=alchemy", headers=as_user("mia", "list"))
    assert (answer.status_code, answer.headers[HEADER]) == (404, "list")
    assert await counted(client, REQUESTS, status="404", variant="list") == 1


async def test_a_probe_is_answered_and_leaves_no_trace(visit, counted, tmp_path) -> None:
    client = visit(api_app(Config(rollout=50, events_dir=tmp_path, pod="api-1")))
    headers = {"X-Rampguard-Probe": "uid", "X-Request-ID": treated()}
    assert (await client.get(TREE_PATH, headers=headers)).headers[HEADER] == "list"
    client.cookies.clear()
    await client.post(SESSIONS_PATH, json={"skill": "ratios"}, headers=headers)
    for name in (ASSIGNMENTS, SESSIONS, REQUESTS):
        assert await counted(client, name) == 0
    assert (tmp_path / "api-1.jsonl").read_text() == ""


async def test_paths_of_anybodys_choice_are_not_counted(visit, counted) -> None:
    client = visit(api_app(Config()))
    assert (await client.get("/api/v1/whatever")).status_code == 404
    assert (await client.get("/healthz")).status_code == 200
    assert await counted(client, REQUESTS) == 0


async def test_a_method_that_there_is_not_is_counted_without_an_arm(visit, counted) -> None:
    client = visit(api_app(Config()))
    assert (await client.delete(TREE_PATH)).status_code == 405
    assert await counted(client, REQUESTS, status="405", variant="unknown") == 1


async def test_the_process_tells_its_rollout(visit, counted) -> None:
    assert await counted(visit(api_app(Config(rollout=25))), "experiment_rollout_percent") == 25


async def test_a_view_and_a_start_are_events_with_the_block(visit, tmp_path) -> None:
    client = visit(api_app(Config(rollout=50, events_dir=tmp_path, pod="api-1")))
    await client.get(TREE_PATH, headers=as_user(treated()) | {"X-Request-ID": "r-1"})
    start = {"skill": "ratios", "source": "assignment"}
    await client.post(SESSIONS_PATH, json=start, headers=as_user(treated(), "list"))
    view, began = map(json.loads, (tmp_path / "api-1.jsonl").read_text().splitlines())
    assert (view["event_name"], view["user_id"]) == ("experiment_exposure", treated())
    assert view["experiment"]["request_id"] == "r-1"
    assert set(view["experiment"]) == {
        "name", "variant", "source", "bucket", "rollout", "request_id"
    }  # fmt: skip
    assert (began["event_name"], began["skill"]) == ("session_started_from_tree", "ratios")
    assert (began["experiment"]["variant"], began["experiment"]["source"]) == ("list", "assignment")
