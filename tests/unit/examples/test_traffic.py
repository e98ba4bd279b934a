import asyncio
import random

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from skilltree.assignment import COOKIE, assign
from skilltree.browser import Answer, Asked, HttpBrowser
from skilltree.config import Config
from skilltree.crowd import Crowd, User
from skilltree.knobs import Knobs
from skilltree.metrics import SESSIONS_PATH, TREE_PATH
from skilltree.pace import Pace, rate
from skilltree.tiers import api_app
from skilltree.traffic import MOST_AT_ONCE, Traffic
from skilltree.visits import TrafficMetrics, Visits


def chance() -> random.Random:
    return random.Random(7)  # noqa: S311 - a seed, so that a run can be repeated


class Api:
    """A browser before the real API, in this process."""

    def __init__(self, visit, config: Config) -> None:
        self.client = visit(api_app(config))
        self.asked: list[Asked] = []

    async def ask(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        sent = "; ".join(f"{name}={value}" for name, value in asked.cookies.items())
        self.client.cookies.clear()
        got = await self.client.request(
            asked.method,
            asked.path,
            headers={"Cookie": sent, **asked.headers},
            json=asked.json,
        )
        return Answer(got.status_code, dict(got.cookies), got.json())

    def starts(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == SESSIONS_PATH]


class Nobody:
    """A browser that never gets an answer."""

    async def ask(self, asked: Asked) -> None:
        return None


class Hanging:
    """A browser whose answers never come."""

    async def ask(self, asked: Asked) -> None:
        await asyncio.Event().wait()


def visits(browser) -> Visits:
    return Visits(browser, chance(), TrafficMetrics())


async def test_a_user_keeps_the_cookie_and_sends_it_at_the_next_visit(visit) -> None:
    api = Api(visit, Config(rollout=100))
    user = User("mia", 1.0)
    for _ in range(2):
        await visits(api).visit(user, 0, Knobs(unknown_skills=0))
    assert user.arm == "list"
    assert [asked.cookies.get(COOKIE) for asked in api.asked] == [None, "list"]


async def test_the_sessions_of_a_visit_carry_the_source_of_its_tree(visit, counted) -> None:
    api = Api(visit, Config(rollout=100))
    user = User("mia", 1.0)
    for sessions in (3, 1):
        await visits(api).visit(user, sessions, Knobs(unknown_skills=0))
    name = "session_started_from_tree_total"
    assert await counted(api.client, name, variant="list", source="assignment") == 3
    assert await counted(api.client, name, variant="list", source="cookie") == 1


@pytest.mark.parametrize(("rollout", "started"), [(100, 0), (0, 4)])
async def test_a_session_drop_meets_treated_users_only(visit, rollout, started) -> None:
    api = Api(visit, Config(rollout=rollout))
    knobs = Knobs(treatment_session_drop=1, unknown_skills=0)
    await visits(api).visit(User("mia", 1.0), 4, knobs)
    assert len(api.starts()) == started


async def test_a_user_who_saw_no_tree_starts_nothing(visit) -> None:
    api = Api(visit, Config(faults=True))
    user = User("mia", 1.0)
    await visits(api).visit(user, 2, Knobs(error_rate_all=1))
    assert api.starts() == []
    assert user.arm == "tree"


async def test_a_request_without_an_answer_is_lost_and_harms_nobody() -> None:
    one, user = visits(Nobody()), User("mia", 1.0, "list")
    await one.visit(user, 2, Knobs())
    lost = {"request": "tree", "outcome": "lost"}
    assert one.metrics.registry.get_sample_value("traffic_requests_total", lost) == 1
    assert user.arm == "list"


@pytest.mark.parametrize("body", [None, [], "hello", {"experiment": "list"}, {"experiment": {}}])
async def test_the_answer_of_another_service_starts_nothing(body) -> None:
    class Stranger:
        async def ask(self, asked: Asked) -> Answer:
            assert asked.path.startswith(TREE_PATH)
            return Answer(200, {}, body)

    await visits(Stranger()).visit(User("mia", 1.0), 2, Knobs())


async def test_traffic_at_its_pace_shows_the_rollout_in_the_counters(visit, counted) -> None:
    api = Api(visit, Config(rollout=50))
    traffic = Traffic(api, chance())
    await for_seconds(traffic, 50)
    asked = len(api.asked)
    name = "experiment_assignments_total"
    new = await counted(api.client, name, source="assignment")
    treated = await counted(api.client, name, source="assignment", variant="list")
    assert asked == pytest.approx(40 * 50, rel=0.05)
    assert treated / new == pytest.approx(0.5, abs=0.06)
    assert new > 500


async def test_an_arm_imbalance_shows_in_the_counters_of_the_api(visit, counted) -> None:
    api = Api(visit, Config(rollout=90, faults=True))
    traffic = Traffic(api, chance())
    traffic.knobs = Knobs(arm_imbalance=0.3)
    await for_seconds(traffic, 50)
    name = "experiment_assignments_total"
    new = await counted(api.client, name, source="assignment")
    treated = await counted(api.client, name, source="assignment", variant="list")
    assert treated / new == pytest.approx(0.63, abs=0.06)


async def test_a_restart_storm_asks_so_many_pods_a_minute_to_exit() -> None:
    class Counts:
        exits = 0

        async def ask(self, asked: Asked) -> Answer:
            self.exits += asked.path == "/lab/exit"
            return Answer(202)

    browser = Counts()
    traffic = Traffic(browser, chance())
    traffic.knobs = Knobs(rps=0, restart_storm=30)
    await for_seconds(traffic, 60)
    assert browser.exits in {29, 30}  # a tenth of a second is not exact in binary


async def test_an_api_that_hangs_meets_a_bounded_number_of_visits() -> None:
    traffic = Traffic(Hanging(), chance())
    for n in range(100):
        traffic.tick(n / 10, 0.1)
    left_out = traffic.metrics.registry.get_sample_value("traffic_visits_skipped_total")
    assert len(traffic._under_way) == MOST_AT_ONCE
    assert left_out is not None
    assert left_out > 0
    for task in traffic._under_way:
        task.cancel()
    await asyncio.gather(*traffic._under_way, return_exceptions=True)


async def for_seconds(traffic: Traffic, seconds: int) -> None:
    for n in range(seconds * 10):
        traffic.tick(n / 10, 0.1)
        await traffic.settle()


def test_a_crowd_remembers_no_more_users_than_it_may() -> None:
    crowd = Crowd(chance(), most=10)
    for _ in range(1000):
        crowd.next_visitor(1.0)
    assert len(crowd) == 10


def test_so_many_visits_are_of_new_users_as_the_knob_says() -> None:
    crowd = Crowd(chance())
    seen = [crowd.next_visitor(0.4).name for _ in range(5000)]
    assert len(set(seen)) / len(seen) == pytest.approx(0.4, abs=0.03)


def test_some_users_start_several_sessions_and_the_mean_is_the_knobs() -> None:
    crowd = Crowd(chance())
    counts = [crowd.sessions(crowd.next_visitor(1.0), 0.8) for _ in range(20_000)]
    assert sum(counts) / len(counts) == pytest.approx(0.8, abs=0.04)
    assert sum(count > 1 for count in counts) / len(counts) > 0.1


def test_new_users_spread_over_the_buckets() -> None:
    crowd = Crowd(chance())
    treated = sum(assign(crowd.next_visitor(1.0).name, 50).arm == "list" for _ in range(5000))
    assert treated / 5000 == pytest.approx(0.5, abs=0.025)


def test_a_steady_rate_is_the_knob_and_a_diurnal_one_swings_around_it() -> None:
    assert rate(Knobs(rps=10), 12345) == 10
    day = Knobs(rps=10, profile="diurnal", diurnal_period=100)
    assert [round(rate(day, at), 3) for at in (0, 25, 50, 75)] == [10, 16, 10, 4]


@pytest.mark.parametrize("burstiness", [0.0, 0.5, 1.0])
def test_bursts_leave_the_mean_where_it_is(burstiness) -> None:
    assert spent(Knobs(rps=20, burstiness=burstiness), 5000) / 5000 == pytest.approx(20, rel=0.06)


def test_a_stall_is_not_made_up_for_by_a_flood() -> None:
    pace = Pace(chance())
    pace.advance(Knobs(rps=20), 600, 600)
    due = 0
    while pace.affords():
        pace.spend(1)
        due += 1
    assert due <= 41


def spent(knobs: Knobs, seconds: int) -> int:
    pace, due = Pace(chance()), 0
    for n in range(seconds * 10):
        pace.advance(knobs, n / 10, 0.1)
        while pace.affords():
            pace.spend(1)
            due += 1
    return due


async def test_a_browser_brings_cookies_and_body_and_takes_an_outage_for_no_answer() -> None:
    async def tree(request: web.Request) -> web.Response:
        answer = web.json_response({"session": request.cookies["session"]}, status=201)
        answer.set_cookie(COOKIE, "list")
        return answer

    app = web.Application()
    app.router.add_get("/tree", tree)
    asked = Asked(method="GET", path="/tree", cookies={"session": "mia"})
    async with TestServer(app) as server, HttpBrowser(str(server.make_url(""))) as browser:
        assert await browser.ask(asked) == Answer(201, {COOKIE: "list"}, {"session": "mia"})
        await server.close()
        assert await browser.ask(asked) is None
