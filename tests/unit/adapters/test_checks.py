"""The adapter of incident checks against a server that answers whatever a test wants."""

import asyncio
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rampguard.adapters.checks import WORDS, Check, HttpChecks
from rampguard.ports import Answer, Unavailable

QUICK = timedelta(seconds=0.3)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def pager(handler: Handler, path: str = "/open", **way_in: Any) -> AsyncIterator[HttpChecks]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        yield HttpChecks({"pager": Check(url=str(server.make_url(path)), **way_in)}, QUICK)


def always(**told: Any) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(**told)

    return handler


ANSWERS: dict[str, tuple[Handler, Answer]] = {
    "none is open": (always(status=200, text="none"), Answer(200)),
    "one is open": (always(status=409, text="INC-7"), Answer(409, "INC-7")),
    "no content": (always(status=204), Answer(204)),
    "a redirect to a page that says 200": (
        always(status=302, headers={"Location": "/login"}), Answer(302)),
    "a page for people": (
        always(status=500, text="<html>", content_type="text/html"), Answer(500)),
    "words without end": (always(status=503, text="x" * 10_000_000), Answer(503, "x" * WORDS)),
    "words in no encoding": (
        always(status=503, body=b"a\xffb", content_type="text/plain"), Answer(503, "a\ufffdb")),
}  # fmt: skip


@pytest.mark.parametrize(("handler", "answer"), ANSWERS.values(), ids=ANSWERS)
async def test_only_the_status_counts(handler: Handler, answer: Answer) -> None:
    async with pager(handler) as checks:
        assert await checks.ask("pager") == answer


async def test_a_body_that_never_ends_does_not_delay_a_200() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with pager(endless) as checks:
        assert await checks.ask("pager") == Answer(200)


async def hanging(_: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def dripping(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=503, headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    await asyncio.sleep(30)
    return response


@pytest.mark.parametrize("handler", [hanging, dripping])
async def test_an_answer_that_does_not_come_is_left_in_time(handler: Handler) -> None:
    async with pager(handler) as checks:
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"pager: no answer within 0\.3 s"):
            await checks.ask("pager")
        assert time.monotonic() - began < 2


async def test_headers_without_end_are_no_answer() -> None:
    async with pager(always(headers={"X-Long": "x" * 100_000})) as checks:
        with pytest.raises(Unavailable, match="pager: "):
            await checks.ask("pager")


async def test_what_is_no_http_is_no_answer() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-server\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        checks = HttpChecks({"pager": Check(url=f"http://127.0.0.1:{port}/")}, QUICK)
        with pytest.raises(Unavailable, match="pager: "):
            await checks.ask("pager")


async def test_a_question_carries_the_token_as_it_is_now_and_the_query(tmp_path: Path) -> None:
    asked: list[web.Request] = []

    async def keep(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(headers={"Set-Cookie": "session=1"})

    token = tmp_path / "token"
    more: dict[str, Any] = {"token_file": token, "headers": {"X-Team": "calc"}}
    async with pager(keep, "/open?severity=2", **more) as checks:
        for word in ("one\n", "two"):
            token.write_text(word)
            assert await checks.ask("pager") == Answer(200)
    assert [r.headers["Authorization"] for r in asked] == ["Bearer one", "Bearer two"]
    assert {(r.method, r.path_qs, r.headers["X-Team"]) for r in asked} == {
        ("GET", "/open?severity=2", "calc")
    }
    assert not any("Cookie" in r.headers for r in asked)


ODD = {"gone": None, "binary": b"\xff", "two lines": b"a\r\nX-Evil: 1"}


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD)
async def test_a_token_that_cannot_be_sent_is_no_answer(tmp_path: Path, raw: bytes | None) -> None:
    token = tmp_path / "token"
    if raw is not None:
        token.write_bytes(raw)
    async with pager(always(), token_file=token) as checks:
        with pytest.raises(Unavailable, match="pager: "):
            await checks.ask("pager")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1, and its key."""
    made, key = tmp_path / "crt", tmp_path / "key"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        f" -subj /CN=pager -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {made}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return made, key


async def test_only_the_given_ca_is_trusted(certificate: tuple[Path, Path]) -> None:
    ours, key = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(ours, key)
    app = web.Application()
    app.router.add_get("/", always())
    server = TestServer(app, scheme="https", host="127.0.0.1")
    await server.start_server(ssl=context)
    url = str(server.make_url("/"))
    known = {"ours": Check(url=url, ca_file=ours), "theirs": Check(url=url)}
    checks = HttpChecks(known, 10 * QUICK)
    assert await checks.ask("ours") == Answer(200)
    with pytest.raises(Unavailable, match=r"theirs: .*certificate"):
        await checks.ask("theirs")
    await server.close()


async def test_a_ca_that_is_not_there_is_no_answer(tmp_path: Path) -> None:
    checks = HttpChecks({"pager": Check(url="https://127.0.0.1:1", ca_file=tmp_path / "no")})
    with pytest.raises(Unavailable, match=r"pager: .*No such file"):
        await checks.ask("pager")


async def test_an_unknown_name_names_the_known_ones() -> None:
    with pytest.raises(Unavailable, match="'pager'; there are: none"):
        await HttpChecks({}).ask("pager")
