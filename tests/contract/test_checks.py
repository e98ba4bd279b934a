"""What ports.Checks promises, of the adapter on a real server and of the fake."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fakes import FakeChecks
from rampguard.adapters.checks import Check, HttpChecks
from rampguard.ports import Answer, Checks, Unavailable

SAID = {"calm": (200, "nothing"), "busy": (409, "INC-7 is open"), "broken": (500, "")}


@pytest.fixture(params=["real", "fake"])
async def checks(request: pytest.FixtureRequest) -> AsyncIterator[Checks]:
    if request.param == "fake":
        told = {
            name: Answer(code, "" if code == 200 else words) for name, (code, words) in SAID.items()
        }
        yield FakeChecks(answers={**told, "away": "nobody answers"})
        return

    async def answer(asked: web.Request) -> web.Response:
        status, words = SAID[asked.path[1:]]
        return web.Response(status=status, text=words)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        known = {name: Check(url=str(server.make_url(f"/{name}"))) for name in SAID}
        yield HttpChecks({**known, "away": Check(url="http://127.0.0.1:1/")})


@pytest.mark.parametrize(
    ("name", "answer"),
    [("calm", Answer(200)), ("busy", Answer(409, "INC-7 is open")), ("broken", Answer(500))],
)
async def test_an_answer_is_its_status_and_the_words_of_a_refusal(
    checks: Checks, name: str, answer: Answer
) -> None:
    assert await checks.ask(name) == answer


async def test_no_answer_is_unavailable(checks: Checks) -> None:
    with pytest.raises(Unavailable):
        await checks.ask("away")


async def test_a_name_that_is_not_configured_is_unavailable_and_names_the_known(
    checks: Checks,
) -> None:
    with pytest.raises(Unavailable, match="'pager'; there are: away, broken, busy, calm"):
        await checks.ask("pager")
